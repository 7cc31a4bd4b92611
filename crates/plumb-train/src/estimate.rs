//! How much memory a run takes, before its first step.

use serde::{Deserialize, Serialize};

use crate::learner::Learner;

/// Bytes of a run at its peak, by what holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Weights as they are held, masters included.
    pub weights: u64,
    /// Gradients and the optimiser's moments.
    pub optimizer: u64,
    /// What the backward pass needs at once.
    pub activations: u64,
    /// What it would need if every block kept its intermediate results.
    pub activations_kept: u64,
    /// Image features that are kept.
    pub features: u64,
    /// Program, tokenizer, buffers.
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
}

/// The program, the tokenizer, the allocator's slack and the kernels' buffers.
const FIXED: u64 = 96 << 20;

/// What `shape` takes on the model of `learner`.
#[must_use]
pub fn estimate(learner: &mut Learner, shape: &StepShape) -> Estimate {
    let trainable = learner.num_trainable() as u64;
    let model = learner.model();
    let config = model.config();
    let (t, v) = (&config.text, &config.vision);
    let base = model.num_params() as u64;
    let full = learner.learn().iter().any(|n| n.ends_with(".weight") && !n.contains("lora_"));
    let held = model.precision().bytes() as u64;
    let weights = base * held + if full { trainable * (4 - held.min(4)) } else { trainable * 4 };
    let optimizer = trainable * 4 * 3;

    let rows = (shape.samples * shape.len) as u64;
    let h = t.hidden as u64;
    let q = (t.heads * t.head_dim) as u64;
    let kv = (t.kv_heads * t.head_dim) as u64;
    let ff = t.intermediate as u64;
    let scores = (shape.samples * t.heads * shape.len * shape.len) as u64;
    // One block: its normed inputs, the projections, rotation and softmax, the gate; forward values and gradients.
    let block = 4 * (rows * (6 * h + 4 * (q + 2 * kv) + 6 * ff) + 5 * scores);
    let inputs = 4 * rows * h * (t.layers as u64);
    let text_kept = block * t.layers as u64 * 6 / 10;
    let tower_learns = !learner.features_are_fixed();
    let patches = (shape.frames_at_once * v.side() * v.side()) as u64;
    let d = v.hidden as u64;
    let tower_scores = (shape.frames_at_once * v.heads) as u64 * (v.side() as u64).pow(4);
    let tower_block =
        4 * (patches * (8 * d + 3 * v.intermediate as u64) + if tower_learns { 5 * tower_scores } else { 0 });
    let tower = if tower_learns {
        if shape.recompute {
            tower_block + 4 * patches * d * v.layers as u64
        } else {
            tower_block * v.layers as u64 * 7 / 10
        }
    } else {
        let frame = (v.side() * v.side()) as u64;
        4 * frame * (5 * d + v.intermediate as u64)
    };
    let logits = 4 * (shape.samples * shape.labels) as u64 * t.vocab as u64 * 4;
    let text = if shape.recompute { inputs + block } else { text_kept };
    let activations = (text + logits).max(tower) + if tower_learns { text.min(tower) } else { 0 };
    let tokens =
        shape.frames as u64 * config.tokens_per_frame(v.image_size, v.image_size).unwrap_or(0) as u64;
    let features = if shape.cached { (shape.pictures * tokens * h * 4).min(shape.cache_bytes) } else { 0 };
    let total = weights + optimizer + activations + features + FIXED;
    Estimate {
        weights,
        optimizer,
        activations,
        activations_kept: text_kept + tower,
        features,
        fixed: FIXED,
        total,
    }
}

/// Resident memory of this process, where the system tells.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
    #[cfg(not(target_os = "linux"))]
    None
}
