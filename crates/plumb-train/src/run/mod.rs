//! The life of a run: steps, evaluations, answers, checkpoints, resume.

mod event;
mod feed;
mod look;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use plumb_nn::{DropoutSeed, Precision};
use plumb_vlm::{Processor, SmolVlm};
use serde_json::Value;

use look::Looked;

use crate::auxiliary::{Auxiliary, Hints};
use crate::checkpoint::{
    Checkpoint, CheckpointStore, LossScale, METRICS_FILE, MetricLine, MetricsLog, RealFs, Retention,
    RngState, RunIdentity, StepMetrics, TrainState,
};
use crate::config::{MethodConfig, TrainConfig};
use crate::data::{BatchStream, StreamState, mask_report};
use crate::encode::{self, Encoded, FeatureCache, collate};
use crate::error::{Result, TrainError};
use crate::estimate::{self, Estimate};
use crate::host::{FileDtype, TensorMap};
use crate::learner::Learner;
use crate::method;
use crate::optimizer::Schedule;
use crate::peft::{AdapterConfig, MergeOptions, replace_weights};

pub use event::{Control, Finished, Plan, TrainEvent};
use feed::Feed;

/// The run's own description within its folder.
pub const CONFIG_FILE: &str = "train.toml";
/// The finished adapter, or the finished model in full fine-tuning.
pub const RESULT_FOLDER: &str = "result";

/// A run in progress.
pub struct Trainer {
    config: TrainConfig,
    learner: Learner,
    processor: Processor,
    adapter: Option<AdapterConfig>,
    data: Feed,
    stream: BatchStream,
    held_out: Vec<(usize, u32)>,
    store: CheckpointStore<RealFs>,
    log: MetricsLog<RealFs>,
    cache: Option<FeatureCache>,
    teacher: Option<SmolVlm>,
    auxiliary: Auxiliary,
    state: TrainState,
    total: u64,
    identity: RunIdentity,
    started: Instant,
    seconds_before: f64,
    resumed: Option<(u64, Vec<String>)>,
    /// Whether the evaluation of the step that is gone on from was broken off.
    unseen: bool,
    recompute: bool,
}

/// Steps without a bad gradient after which the loss scale doubles, as torch's `GradScaler`.
const SCALE_PATIENCE: u64 = 2000;
/// The first loss scale in f16.
const FIRST_SCALE: f64 = 65_536.0;

impl Trainer {
    /// Opens data and run folder, puts the method on `model`, and takes the run up where it stopped if `resume`.
    ///
    /// `model_sha256` names the base model's weights.
    ///
    /// # Errors
    /// Data without a usable sample, a method that does not fit the model, a run folder that holds another run.
    pub async fn new(
        config: TrainConfig,
        mut model: SmolVlm,
        processor: Processor,
        model_sha256: String,
        resume: bool,
    ) -> Result<Self> {
        config.check("the run's configuration")?;
        let data = Feed::open(&config)?;
        let adapter = config.method.adapter(model.config(), Some(&config.model));
        let learn = match &adapter {
            Some(adapter) => {
                let start = method::initial(&mut model, adapter, config.seed).await?;
                method::attach(&mut model, &start)?
            }
            None => config.method.full_names(model.config()),
        };
        let precision = model.precision();
        let teacher = load_teacher(&config, &processor, &model).await?;
        let mut learner = Learner::new(model, learn, config.optimizer.adamw)?
            .with_clip((config.optimizer.clip > 0.0).then_some(config.optimizer.clip));
        if precision == plumb_nn::Precision::F16 && plumb_nn::ops::kernels(learner.model().device()).is_none()
        {
            learner.set_loss_scale(FIRST_SCALE);
        }
        let auxiliary = Auxiliary::new(&config, &data.sources, &processor, &learner)?;
        auxiliary.prepare(&mut learner, teacher.as_ref(), config.seed);
        let total = data.steps(&config);
        let sizes: Vec<u64> = data.units.iter().map(|u| u.len() as u64).collect();
        let held_out: Vec<(usize, u32)> = data
            .splits
            .iter()
            .enumerate()
            .flat_map(|(source, split)| split.held_out.iter().map(move |&sample| (source, sample)))
            .collect();
        let identity = RunIdentity {
            config_hash: config_hash(&config)?,
            model_sha256,
            data_sha256: data.hash(&config)?,
        };
        let out = config.out.clone();
        let write = |file: &Path| {
            let file = file.display().to_string();
            move |source| TrainError::Write { file, source }
        };
        std::fs::create_dir_all(&out).map_err(write(&out))?;
        let retention = Retention { last: config.checkpoint.keep.max(1), best: true, every: None };
        let store = CheckpointStore::new(RealFs, &out)?.with_retention(retention);
        let latest = store.latest_valid()?;
        let log_path = out.join(METRICS_FILE);
        let mut state = TrainState {
            rng: RngState { seed: config.seed, ..RngState::default() },
            ..TrainState::default()
        };
        let (mut resumed, mut unseen) = (None, false);
        let stream;
        let log;
        match latest.checkpoint {
            Some(checkpoint) if resume => {
                checkpoint.state.check_identity(&identity)?;
                let steps = checkpoint.state.adam_steps.get("all").copied().unwrap_or(checkpoint.step);
                learner.restore(&checkpoint.weights, &checkpoint.optimizer, steps)?;
                if let Some(scale) = &checkpoint.state.loss_scale {
                    learner.set_loss_scale(f64::from(scale.scale));
                }
                let cursor: StreamState =
                    serde_json::from_value(checkpoint.state.cursor.clone()).map_err(|e| {
                        TrainError::Config {
                            file: "the checkpoint's data cursor".into(),
                            reason: e.to_string(),
                        }
                    })?;
                stream = BatchStream::resume(&data.mixing, &sizes, config.batch, cursor)?;
                store.discard_after(checkpoint.step)?;
                let kept;
                (log, kept) = MetricsLog::resume(RealFs, &log_path, checkpoint.step)?;
                let every = config.evaluate.every;
                let due = (every > 0 && checkpoint.step.is_multiple_of(every)) || checkpoint.step == total;
                let seen = |line: &MetricLine| matches!(line, MetricLine::Eval(eval) if eval.step == checkpoint.step);
                unseen = due && !kept.lines.iter().any(seen);
                let skipped =
                    latest.skipped.iter().map(|s| format!("{}: {}", s.path.display(), s.why)).collect();
                resumed = Some((checkpoint.step, skipped));
                state = checkpoint.state;
            }
            Some(checkpoint) => {
                return Err(TrainError::Config {
                    file: out.display().to_string(),
                    reason: format!(
                        "the folder holds a run that stands at step {}; go on with --resume, or choose another --out",
                        checkpoint.step
                    ),
                });
            }
            None => {
                let text = config.to_toml()?;
                let path = out.join(CONFIG_FILE);
                plumb_store::durable::write_atomic(&path, text.as_bytes()).map_err(write(&path))?;
                stream = BatchStream::new(&data.mixing, &sizes, config.batch)?;
                log = MetricsLog::create(RealFs, &log_path)?;
            }
        }
        state.config_hash.clone_from(&identity.config_hash);
        state.model_sha256.clone_from(&identity.model_sha256);
        state.data_sha256.clone_from(&identity.data_sha256);
        let fixed =
            learner.features_are_fixed() && config.loss.distil.as_ref().is_none_or(|d| d.features == 0.0);
        let cache = fixed.then(|| FeatureCache::new(config.cache_mib << 20));
        let seconds_before = state.elapsed_seconds;
        let mut trainer = Self {
            config,
            learner,
            processor,
            adapter,
            data,
            stream,
            held_out,
            store,
            log,
            cache,
            teacher,
            auxiliary,
            state,
            total,
            identity,
            started: Instant::now(),
            seconds_before,
            resumed,
            unseen,
            recompute: false,
        };
        trainer.recompute = match trainer.config.recompute {
            Some(recompute) => recompute,
            None => {
                let example = trainer.example()?;
                trainer.estimate(&example).activations_kept > 1 << 30
            }
        };
        trainer.learner.set_recompute(trainer.recompute);
        Ok(trainer)
    }

    /// What will be done, with the memory that it takes and a sample as it will be learned.
    ///
    /// # Errors
    /// A sample that cannot be read.
    pub fn plan(&mut self) -> Result<Plan> {
        let encoded = self.example()?;
        let image = Some(self.processor.image_token_id());
        let processor = &self.processor;
        let masked = mask_report(&encoded.ids, &encoded.learn, image, &mut |ids| {
            processor.decode(ids, false).unwrap_or_default()
        });
        let refused = self
            .data
            .sources
            .iter()
            .flat_map(|s| &s.problems().list)
            .map(|p| format!("{}, row {}: {}", p.file, p.row, p.reason))
            .collect();
        Ok(Plan {
            steps: self.total,
            samples: self.data.splits.iter().map(|s| s.train.len() as u64).sum(),
            held_out: self.held_out.len() as u64,
            refused,
            trainable: self.learner.num_trainable(),
            parameters: self.learner.model().num_params(),
            estimate: self.estimate(&encoded),
            recompute: self.recompute,
            features_cached: self.cache.is_some(),
            masked: format!("{}: {masked}", encoded.id),
            shares: self.stream.mixer().target().to_vec(),
        })
    }

    /// The first sample that is learned, for the plan.
    fn example(&self) -> Result<Encoded> {
        let first = |(source, split): (usize, &crate::data::Split)| Some((source, *split.train.first()?));
        let found = self.data.splits.iter().enumerate().find_map(first);
        let (source, sample) = found.ok_or(TrainError::NothingLearns)?;
        self.encode(source, sample, 0)
    }

    fn estimate(&mut self, encoded: &Encoded) -> Estimate {
        let frames = encoded.images.iter().map(|t| t.frames.len()).sum();
        let shape = estimate::StepShape {
            samples: self.config.batch.samples.max(1),
            len: encoded.ids.len(),
            labels: encoded.learn.iter().filter(|l| **l).count(),
            frames,
            frames_at_once: frames
                * self.config.batch.samples.max(1).div_ceil(self.config.questions_per_image.max(1)),
            recompute: self.recompute,
            cached: self.cache.is_some(),
            cache_bytes: self.config.cache_mib << 20,
            pictures: {
                let all: u64 = self.data.sources.iter().map(|s| s.group_count() as u64).sum();
                let shown =
                    self.total * u64::from(self.config.accumulate) * self.config.batch.samples.max(1) as u64;
                all.min(shown + self.config.evaluate.samples as u64)
            },
            branches_apart: matches!(self.config.method,
                MethodConfig::Lora { dora, dropout, .. } if dora || dropout > 0.0),
            teacher_bytes: self
                .teacher
                .as_ref()
                .map_or(0, |teacher| teacher.num_params() as u64 * teacher.precision().bytes() as u64),
        };
        estimate::estimate(&mut self.learner, &shape)
    }

    /// Runs to the end, or until `listen` says stop.
    ///
    /// # Errors
    /// A loss that is not a number (with the samples), a sample that cannot be learned (with its name), a full disk; the
    /// last checkpoint stays.
    pub async fn run(&mut self, listen: &mut dyn FnMut(TrainEvent) -> Control) -> Result<Finished> {
        let plan = self.plan()?;
        let mut stop = listen(TrainEvent::Plan(Box::new(plan))) == Control::Stop;
        let fresh = self.resumed.is_none();
        if let Some((step, skipped)) = self.resumed.take() {
            stop |= listen(TrainEvent::Resumed { step, skipped }) == Control::Stop;
        }
        self.started = Instant::now();
        let mut last = None;
        let first = self.state.step;
        let mut saved = first;
        if !stop && fresh && self.config.evaluate.every > 0 {
            stop |= self.evaluated(listen).await?;
        }
        if !stop && std::mem::take(&mut self.unseen) {
            stop |= self.evaluated(listen).await?;
            if !stop {
                // With what the evaluation found best.
                stop |= self.save(listen).await? == Control::Stop;
            }
        }
        while self.state.step < self.total && !stop {
            let metrics = self.step().await?;
            last = metrics.loss;
            let done = (self.state.step - first).max(1) as f64;
            let eta = self.started.elapsed().as_secs_f64() / done * (self.total - self.state.step) as f64;
            self.log.append(&MetricLine::Step(metrics.clone()))?;
            let event = TrainEvent::Step { metrics: Box::new(metrics), total: self.total, eta_seconds: eta };
            let control = listen(event);
            stop |= control == Control::Stop;
            let step = self.state.step;
            let every = self.config.evaluate.every;
            if (every > 0 && step.is_multiple_of(every)) || step == self.total {
                stop |= self.evaluated(listen).await?;
            }
            let every = self.config.checkpoint.every;
            // The best so far is kept, so it must have been saved.
            let best = self.state.best.as_ref().is_some_and(|best| best.step == step);
            let due = step == self.total || (every > 0 && (best || step.is_multiple_of(every)));
            if stop || due || control == Control::Save {
                stop |= self.save(listen).await? == Control::Stop;
                saved = step;
            }
        }
        if saved != self.state.step {
            self.save(listen).await?;
        }
        let complete = self.state.step >= self.total;
        let result = if complete { Some(self.finish().await?) } else { None };
        Ok(Finished {
            step: self.state.step,
            total: self.total,
            complete,
            loss: last,
            seconds: self.elapsed(),
            result,
        })
    }

    /// Evaluates, saving as often as the evaluation is broken off for that. Whether the run is to stop: the evaluation is then
    /// made when it goes on.
    async fn evaluated(&mut self, listen: &mut dyn FnMut(TrainEvent) -> Control) -> Result<bool> {
        loop {
            match self.evaluate(listen).await? {
                Looked::Whole(control) => return Ok(control == Control::Stop),
                Looked::BrokenOff(Control::Stop) => return Ok(true),
                Looked::BrokenOff(_) => {
                    if self.save(listen).await? == Control::Stop {
                        return Ok(true);
                    }
                }
            }
        }
    }

    fn elapsed(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// The next batch of the stream, encoded, with what the losses beside the cross entropy need of it.
    fn next_samples(&mut self) -> Result<(Vec<Encoded>, Vec<Hints>, u64)> {
        let Self { data, stream, processor, auxiliary, .. } = self;
        let batch = stream.next_batch(&mut |pick| data.expand(processor, pick))?;
        let epoch = batch.items.first().map_or(0, |item| item.epoch);
        let (mut samples, mut hints) = (Vec::new(), Vec::new());
        for item in &batch.items {
            let from = &data.sources[item.source];
            let sample = from.sample(item.sample as usize)?;
            let prepared = crate::data::prepare(from, &sample, &data.prepare, item.epoch)?;
            let encoded = encode::encode(processor, &prepared)?;
            hints.push(auxiliary.hints(processor, item.source, &sample, &prepared, &encoded)?);
            samples.push(encoded);
        }
        Ok((samples, hints, epoch))
    }

    fn encode(&self, source: usize, sample: u32, epoch: u64) -> Result<Encoded> {
        encode::encode(&self.processor, &self.data.prepared(source, sample, epoch)?)
    }

    async fn step(&mut self) -> Result<StepMetrics> {
        let begun = Instant::now();
        let mut micro = Vec::new();
        let mut names = Vec::new();
        for _ in 0..self.config.accumulate {
            let (samples, hints, epoch) = self.next_samples()?;
            self.state.epoch = epoch;
            self.state.samples_seen += samples.len() as u64;
            names.push(samples.iter().map(|s| s.id.clone()).collect::<Vec<_>>());
            let batch = collate(self.learner.model(), &self.processor, samples, self.cache.as_mut())?;
            micro.push((batch, hints));
        }
        let labels: usize = micro.iter().map(|(b, _)| b.targets.len()).sum();
        let tokens: usize = micro.iter().map(|(b, _)| b.tokens()).sum();
        let counts = self.auxiliary.counts(&micro);
        let (mut nll, mut objective_value) = (0.0, 0.0);
        for (i, (batch, hints)) in micro.iter().enumerate() {
            let (teacher, features) = match (&self.teacher, &self.config.loss.distil) {
                (Some(teacher), Some(distil)) => self.auxiliary.teach(teacher, distil, batch)?,
                _ => (None, None),
            };
            let tasks = self.auxiliary.tasks(batch, hints, &counts, &self.learner, features);
            let objective = tasks.objective(labels, teacher.as_ref());
            let dropout = self.dropout(i as u64);
            let outcome = self.learner.pass(batch, &objective, dropout).await?;
            if let Some(at) = outcome.nll.iter().position(|v| !v.is_finite()) {
                let sample = batch.targets.get(at).map_or(0, |t| t.sample);
                let samples = names[i].get(sample).cloned().unwrap_or_default();
                self.learner.forget();
                return Err(TrainError::LossNotFinite { step: self.state.step + 1, samples });
            }
            if !outcome.objective.is_finite() {
                self.learner.forget();
                return Err(TrainError::LossNotFinite {
                    step: self.state.step + 1,
                    samples: names.concat().join(", "),
                });
            }
            nll += outcome.nll.iter().map(|v| f64::from(*v)).sum::<f64>();
            objective_value += outcome.objective;
        }
        let schedule = Schedule {
            warmup: self.config.optimizer.warmup_steps(self.total),
            total: self.total,
            decay: self.config.optimizer.decay,
        };
        let factor = schedule.training_factor(self.state.step);
        let optimizer = self.config.optimizer.clone();
        let outcome = self.learner.step(|name| optimizer.peak(name) * factor).await?;
        self.scale(outcome.skipped);
        self.state.step += 1;
        self.state.tokens_seen += tokens as u64;
        let seconds = begun.elapsed().as_secs_f64();
        let mut extra = BTreeMap::new();
        if self.teacher.is_some() || self.auxiliary.any() {
            extra.insert("objective".to_owned(), Value::from(objective_value));
        }
        if outcome.skipped {
            extra.insert("skipped".to_owned(), Value::from(true));
        }
        Ok(StepMetrics {
            step: self.state.step,
            loss: Some((nll / labels.max(1) as f64) as f32),
            lr: Some((optimizer.lr * factor) as f32),
            grad_norm: outcome.grad_norm.is_finite().then_some(outcome.grad_norm as f32),
            loss_scale: (self.learner.loss_scale() > 1.0).then(|| self.learner.loss_scale() as f32),
            tokens_per_s: Some((tokens as f64 / seconds.max(1e-9)) as f32),
            step_seconds: Some(seconds as f32),
            epoch: Some(self.state.epoch),
            samples_seen: Some(self.state.samples_seen),
            tokens_seen: Some(self.state.tokens_seen),
            memory_bytes: estimate::resident_bytes(),
            extra,
        })
    }

    fn dropout(&self, micro: u64) -> Option<DropoutSeed> {
        let on = matches!(&self.adapter, Some(AdapterConfig::Lora(lora)) if lora.dropout > 0.0);
        let counter = self.state.step * u64::from(self.config.accumulate) + micro;
        on.then(|| {
            DropoutSeed(self.config.seed.rotate_left(32) ^ counter.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        })
    }

    fn scale(&mut self, skipped: bool) {
        if self.learner.loss_scale() <= 1.0 && self.state.loss_scale.is_none() {
            return;
        }
        let good = self.state.loss_scale.as_ref().map_or(0, |s| s.good_steps);
        let good = if skipped { 0 } else { good + 1 };
        let mut scale = self.learner.loss_scale();
        if skipped {
            scale = (scale / 2.0).max(1.0);
        } else if good.is_multiple_of(SCALE_PATIENCE) {
            scale = (scale * 2.0).min(FIRST_SCALE * 256.0);
        }
        self.learner.set_loss_scale(scale);
        self.state.loss_scale = Some(LossScale { scale: scale as f32, good_steps: good });
    }

    async fn save(&mut self, listen: &mut dyn FnMut(TrainEvent) -> Control) -> Result<Control> {
        let weights = self.learner.weights().await?;
        let (optimizer, steps) = self.learner.moments().await?;
        self.state.adam_steps = BTreeMap::from([("all".to_owned(), steps)]);
        self.state.elapsed_seconds = self.elapsed();
        self.state.cursor = serde_json::to_value(self.stream.state()).unwrap_or(Value::Null);
        self.log.sync()?;
        let checkpoint = Checkpoint { step: self.state.step, weights, optimizer, state: self.state.clone() };
        let saved = self.store.save(&checkpoint)?;
        Ok(listen(TrainEvent::Saved { step: self.state.step, folder: saved.folder, bytes: saved.bytes }))
    }

    /// Writes the adapter, or the whole model in full fine-tuning.
    async fn finish(&mut self) -> Result<PathBuf> {
        let folder = self.config.out.join(RESULT_FOLDER);
        let run = serde_json::json!({
            "program": concat!("plumbline ", env!("CARGO_PKG_VERSION")),
            "base": self.config.model,
            "base_sha256": self.identity.model_sha256,
            "data_sha256": self.identity.data_sha256,
            "config_hash": self.identity.config_hash,
            "steps": self.state.step,
            "samples": self.state.samples_seen,
            "tokens": self.state.tokens_seen,
            "seed": self.config.seed,
            "seconds": self.elapsed(),
        });
        match &self.adapter {
            Some(config) => {
                let adapter = method::export(&mut self.learner, &config.clone()).await?;
                adapter.write_folder(&folder, FileDtype::F32, Some(&run))?;
            }
            None => {
                let weights = self.learner.weights().await?;
                self.write_model(weights, &folder, run)?;
            }
        }
        Ok(folder)
    }

    /// Gives the model back.
    #[must_use]
    pub fn into_model(self) -> SmolVlm {
        self.learner.into_model()
    }

    /// The base's checkpoint with what has learned in the place of what it was.
    fn write_model(&self, mut weights: TensorMap, folder: &Path, run: Value) -> Result<()> {
        if folder.exists() {
            // The result of the same run, finished before; the checkpoint that it is made of stays.
            std::fs::remove_dir_all(folder)
                .map_err(|source| TrainError::Write { file: folder.display().to_string(), source })?;
        }
        let layout = method::layout(self.learner.model().config());
        // Heads of auxiliary losses stay in the checkpoint: they are no part of the model.
        weights.retain(|name, _| layout.tensors.iter().any(|(known, _)| known == name));
        let dtype = self.config.save_as.map(|precision| match precision {
            Precision::F32 => FileDtype::F32,
            Precision::F16 => FileDtype::F16,
            Precision::Bf16 => FileDtype::Bf16,
        });
        let origin = match run {
            Value::Object(origin) => origin,
            _ => serde_json::Map::new(),
        };
        let options = MergeOptions { dtype, origin };
        let base = Path::new(&self.config.model);
        replace_weights(base, &layout, weights, folder, &options, &mut |_, _| true)?;
        Ok(())
    }

    /// The learner, for looking at the trained model.
    pub fn learner(&mut self) -> &mut Learner {
        &mut self.learner
    }
}

fn config_hash(config: &TrainConfig) -> Result<String> {
    use sha2::{Digest as _, Sha256};
    // Where the run lies and how often it is looked at do not change what is learned.
    let mut same = config.clone();
    same.out = PathBuf::new();
    same.checkpoint = crate::config::CheckpointConfig::default();
    // Whether there is an evaluation decides what is held out.
    same.evaluate.every = u64::from(same.evaluate.every > 0);
    same.evaluate.answers = 0;
    same.evaluate.samples = 0;
    same.cache_mib = 0;
    let digest = Sha256::digest(same.to_toml()?.as_bytes());
    Ok(digest.iter().map(|b| format!("{b:02x}")).collect())
}

async fn load_teacher(
    config: &TrainConfig,
    processor: &Processor,
    student: &SmolVlm,
) -> Result<Option<SmolVlm>> {
    let Some(distil) = &config.loss.distil else { return Ok(None) };
    let mut files = plumb_vlm::ModelFiles::from_folder(&distil.teacher)?;
    let teacher_config = plumb_vlm::ModelConfig::from_json(files.require("config.json")?)?;
    let theirs = Processor::load(&files, &teacher_config, config.longest_edge)?;
    let what = distil.teacher.display().to_string();
    let vocab = student.config().text.vocab.max(teacher_config.text.vocab);
    for id in 0..u32::try_from(vocab).unwrap_or(u32::MAX) {
        let (a, b) = (processor.decode(&[id], false)?, theirs.decode(&[id], false)?);
        if a != b {
            return Err(TrainError::OtherTokens { what, id, ours: a, theirs: b });
        }
    }
    if teacher_config.text.vocab != student.config().text.vocab
        || theirs.tokens_per_frame() != processor.tokens_per_frame()
    {
        return Err(TrainError::Config {
            file: what,
            reason: format!(
                "the teacher has {} tokens and {} image tokens a frame, the model {} and {}: distillation needs the same",
                teacher_config.text.vocab,
                theirs.tokens_per_frame(),
                student.config().text.vocab,
                processor.tokens_per_frame()
            ),
        });
    }
    Ok(Some(SmolVlm::load(&mut files, student.device(), config.precision).await?))
}
