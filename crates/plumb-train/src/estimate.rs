//! How much memory a run takes, before its first step.

use serde::{Deserialize, Serialize};

use crate::learner::Learner;

/// Bytes of a run at its peak, by what holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Weights as they are held, masters and a teacher's included.
    pub weights: u64,
    /// Gradients and the optimiser's moments.
    pub optimizer: u64,
    /// What the backward pass needs at once.
    pub activations: u64,
    /// What it would need if every block kept its intermediate results.
    pub activations_kept: u64,
    /// Image features that are kept.
    pub features: u64,
    /// Copies on the host while a checkpoint is written; the gradients are gone by then.
    pub saving: u64,
    /// Program, tokenizer, what is known of the data, buffers.
    pub fixed: u64,
    pub total: u64,
}

/// The sizes of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepShape {
    /// Dialogues of a micro-batch.
    pub samples: usize,
    /// Tokens of each.
    pub len: usize,
    /// Labels of each.
    pub labels: usize,
    /// Frames of each.
    pub frames: usize,
    /// Frames that go through the tower at once.
    pub frames_at_once: usize,
    pub recompute: bool,
    /// Whether image features are kept.
    pub cached: bool,
    pub cache_bytes: u64,
    /// Pictures of the data.
    pub pictures: u64,
    /// Weights of a model that is learned from.
    pub teacher_bytes: u64,
    /// Whether low-rank branches are computed beside the layer's product and not within it: DoRA, dropout.
    pub branches_apart: bool,
}

/// The program, the tokenizer and the data, where the system does not tell how much they take.
const FIXED: u64 = 96 << 20;

/// What `shape` takes on the model of `learner`.
#[must_use]
pub fn estimate(learner: &mut Learner, shape: &StepShape) -> Estimate {
    let trainable = learner.num_trainable() as u64;
    let model = learner.model();
    let config = model.config();
    let (t, v) = (&config.text, &config.vision);
    let base = model.num_params() as u64;
    let held = model.precision().bytes() as u64;
    let tensors = config.tensors();
    let of_base = tensors.iter().filter(|(name, _)| learner.learn().contains(name));
    let of_base: u64 = of_base.map(|(_, shape)| shape.iter().product::<usize>() as u64).sum();
    let of_base = of_base.min(trainable);
    let weights = base * held + of_base * (4 - held.min(4)) + (trainable - of_base) * 4;
    let optimizer = trainable * 4 * 3;

    // The kernels of the CPU record one node for what burn's operations record many for, and hold no scores.
    let kernels = plumb_nn::ops::kernels(model.device()).is_some();
    let rows = (shape.samples * shape.len) as u64;
    let h = t.hidden as u64;
    let q = (t.heads * t.head_dim) as u64;
    let kv = (t.kv_heads * t.head_dim) as u64;
    let ff = t.intermediate as u64;
    // What a block keeps: its input and the sum after the attention, each also normed; the rotated projection and the
    // attended values; the gate's input and output.
    let mut kept = rows * (4 * h + 2 * q + 2 * kv + 3 * ff);
    // What its backward pass holds beside that: the gradients of the gate, of its input, and of a few rows of `h`.
    let passing = rows * (4 * h + 3 * ff);
    if !kernels {
        // Rotation, scores, their softmax and the gate in parts.
        let scores = (shape.samples * t.heads * shape.len * shape.len) as u64;
        kept += rows * (2 * h + 3 * (q + kv) + 3 * ff) + 3 * scores;
    }
    if shape.branches_apart {
        // Product, branch and sum of every layer.
        kept += rows * (q + 2 * kv + 2 * h + 2 * ff) * 5 / 2;
    }
    let inputs = 4 * rows * h * (t.layers as u64);
    let text_kept = 4 * (kept * t.layers as u64 + passing);
    let tower_learns = !learner.features_are_fixed();
    let patches = (shape.frames_at_once * v.side() * v.side()) as u64;
    let d = v.hidden as u64;
    let tower_scores = (shape.frames_at_once * v.heads) as u64 * (v.side() as u64).pow(4);
    // As above, with the activation's input and output.
    let tower_kept =
        patches * (8 * d + 2 * v.intermediate as u64) + if kernels { 0 } else { 3 * tower_scores };
    let tower_passing = patches * (4 * d + 2 * v.intermediate as u64);
    let tower = if tower_learns {
        if shape.recompute {
            4 * (tower_kept + tower_passing + patches * d * v.layers as u64)
        } else {
            4 * (tower_kept * v.layers as u64 + tower_passing)
        }
    } else {
        let frame = (v.side() * v.side()) as u64;
        4 * frame * (6 * d + v.intermediate as u64)
    };
    let logits = 4 * (shape.samples * shape.labels) as u64 * t.vocab as u64 * 4;
    let text = if shape.recompute { inputs + 4 * (kept + passing) } else { text_kept };
    let activations = (text + logits).max(tower) + if tower_learns { text.min(tower) } else { 0 };
    let tokens =
        shape.frames as u64 * config.tokens_per_frame(v.image_size, v.image_size).unwrap_or(0) as u64;
    let features = if shape.cached { (shape.pictures * tokens * h * 4).min(shape.cache_bytes) } else { 0 };
    let weights = weights + shape.teacher_bytes;
    let saving = trainable * 4 * 2;
    // On the CPU the weights, and the moments of a run that is taken up again, are a part of what the process holds by now, and
    // so is what nobody could count.
    let on_cpu = kernels || *model.device() == burn::tensor::Device::flex();
    let known =
        resident_bytes().filter(|_| on_cpu).map(|now| now.saturating_sub(weights + learner.moment_bytes()));
    let fixed = known.unwrap_or(FIXED);
    let total = weights + optimizer + activations.max(saving) + features + fixed;
    // Reading model and data can have taken more than the run will.
    let total = total.max(status_bytes("VmHWM:").filter(|_| on_cpu).unwrap_or(0));
    Estimate {
        weights,
        optimizer,
        activations,
        activations_kept: text_kept + tower,
        features,
        saving,
        fixed,
        total,
    }
}

/// Resident memory of this process, where the system tells.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// A size that Linux tells of this process.
fn status_bytes(field: &str) -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|l| l.starts_with(field))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = field;
        None
    }
}
