//! Speed and memory of a LoRA step: one random frame in a random sequence, new ones in every step.

use std::time::Instant;

use plumb_train::batch::{Batch, Frames};
use plumb_train::config::MethodConfig;
use plumb_train::estimate::{StepShape, estimate};
use plumb_train::loss::Objective;
use plumb_train::optimizer::AdamWConfig;
use plumb_train::{Learner, TrainError, method};

use crate::bench::{Noise, median, peak_rss_mib};
use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::protocol::{BenchStep, BenchTrainOutcome, Outcome};
use crate::session::Session;

/// The share of the memory of a step from which blocks are computed again, as in a run.
const KEPT: u64 = 1 << 30;

pub(crate) async fn run(session: Session, step: BenchStep, reporter: &Reporter) -> Result<Outcome> {
    let side = session.processor.images().config().longest_edge_of_tile as usize;
    let device = session.device.name.clone();
    let mut model = session.model;
    let frame_tokens = model.config().tokens_per_frame(side, side).unwrap_or(0);
    let BenchStep { rank, tokens, labels, cached, repeat, .. } = step;
    if labels == 0 || repeat == 0 || rank == 0 || tokens < frame_tokens + labels + 1 {
        return Err(EngineError::Request(format!(
            "a sequence of {tokens} tokens cannot hold the {frame_tokens} of a frame, one before it and {labels} labels; \
             labels, repeat and rank must be at least 1"
        )));
    }
    let mut settings = MethodConfig::default();
    if let MethodConfig::Lora { rank: r, .. } = &mut settings {
        *r = rank;
    }
    let adapter = settings.adapter(model.config(), None).ok_or(TrainError::NothingLearns)?;
    let start = method::initial(&mut model, &adapter, step.seed).await?;
    let learn = method::attach(&mut model, &start)?;
    let (params, dtype) = (model.num_params(), model.precision().name().to_owned());
    let (vocab, image_id) = (model.config().text.vocab as u64, model.config().image_token_id);
    let mut learner =
        Learner::new(model, learn, AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() })?
            .with_clip(Some(1.0));
    let mut shape = StepShape {
        samples: 1,
        len: tokens,
        labels,
        frames: 1,
        frames_at_once: 1,
        recompute: false,
        cached,
        cache_bytes: u64::MAX,
        pictures: 1,
        teacher_bytes: 0,
        branches_apart: false,
    };
    shape.recompute =
        step.recompute.unwrap_or_else(|| estimate(&mut learner, &shape).activations_kept > KEPT);
    learner.set_recompute(shape.recompute);

    let mut batches = Vec::new();
    for round in 0..=repeat as u64 {
        let mut noise = Noise(step.seed.wrapping_mul(1000).wrapping_add(round).wrapping_add(1));
        let pixels: Vec<f32> = (0..3 * side * side).map(|_| noise.unit()).collect();
        let mut word = || u32::try_from(noise.next() % vocab).ok().filter(|id| *id != image_id).unwrap_or(0);
        let mut ids = vec![word()];
        ids.extend(std::iter::repeat_n(image_id, frame_tokens));
        ids.extend((ids.len()..tokens).map(|_| word()));
        let learned: Vec<bool> = (0..tokens).map(|i| i >= tokens - labels).collect();
        let rows = (0..frame_tokens).map(|row| (row + 1, row)).collect();
        let frames = if cached {
            let features = learner.model().image_features(&pixels, 1, side, side)?;
            // Read, so that no kernel of the tower is left to run within a step.
            features
                .clone()
                .sum()
                .into_data_async()
                .await
                .map_err(|e| EngineError::Device(format!("{e:?}")))?;
            Frames::Features(features)
        } else {
            Frames::Pixels { pixels, frames: 1, height: side, width: side }
        };
        batches.push(Batch::new(vec![(ids, learned, rows)], frames));
        reporter.checkpoint()?;
    }
    if cached {
        // The tower's own peak is no part of a step without it; where the system does not let go, the higher one stands.
        std::fs::write("/proc/self/clear_refs", "5").ok();
    }
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for (round, batch) in batches.into_iter().enumerate() {
        reporter.checkpoint()?;
        let began = Instant::now();
        let outcome = learner.pass(&batch, &Objective::cross_entropy(labels), None).await?;
        learner.step(|_| 1e-4).await?;
        // The loss and the norm of the gradients have been read by now. A GPU may still be writing the update: that falls
        // to the next step, and the uncounted first one's to the first that counts.
        if round > 0 {
            seconds.push(began.elapsed().as_secs_f64());
        }
        losses.push(outcome.objective);
        reporter.progress("measuring", round as u64 + 1, repeat as u64 + 1, None);
    }
    Ok(Outcome::BenchTrain(BenchTrainOutcome {
        step_s: median(&seconds),
        step_s_all: seconds,
        loss_all: losses,
        peak_mib: peak_rss_mib(),
        trainable: learner.num_trainable(),
        params,
        dtype,
        device,
        tokens,
        labels,
        rank,
        cached,
        recompute: shape.recompute,
    }))
}
