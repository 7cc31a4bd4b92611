//! AdamW, clipping by the global norm, and the learning rate over a run.
//!
//! Held to `torch.optim.AdamW`, `torch.nn.utils.clip_grad_norm_` and transformers' `get_cosine_schedule_with_warmup`.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101) with torch's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    /// Whether biases, norms and other vectors decay as well, as in torch; otherwise matrices alone, as in
    /// transformers' trainer.
    pub decay_vectors: bool,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, decay_vectors: false }
    }
}

/// The two moments of one tensor, flattened.
#[derive(Clone)]
pub struct Moments {
    pub m: Tensor<1>,
    pub v: Tensor<1>,
}

/// The optimiser's state.
pub struct AdamW {
    config: AdamWConfig,
    step: u64,
    moments: BTreeMap<String, Moments>,
}

impl AdamW {
    #[must_use]
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, step: 0, moments: BTreeMap::new() }
    }

    /// Steps done.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The moments by the name of their tensor.
    #[must_use]
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// Takes up a saved state.
    pub fn restore(&mut self, step: u64, moments: BTreeMap<String, Moments>) {
        self.step = step;
        self.moments = moments;
    }

    /// Begins the next step: call once before the tensors of the step are updated.
    pub fn begin(&mut self) {
        self.step += 1;
    }

    /// The new value of one tensor of `rank` dimensions, flattened:
    /// `p ← p (1 − lr λ) − lr m̂ / (√v̂ + ε)`.
    #[must_use]
    pub fn update(&mut self, name: &str, rank: usize, p: Tensor<1>, g: Tensor<1>, lr: f64) -> Tensor<1> {
        let AdamWConfig { beta1, beta2, eps, weight_decay, decay_vectors } = self.config;
        let old = self.moments.remove(name);
        let (m, v) = match old {
            Some(Moments { m, v }) => {
                (m * beta1 + g.clone() * (1.0 - beta1), v * beta2 + g.square() * (1.0 - beta2))
            }
            None => (g.clone() * (1.0 - beta1), g.square() * (1.0 - beta2)),
        };
        let t = i32::try_from(self.step).unwrap_or(i32::MAX);
        let (c1, c2) = (1.0 - beta1.powi(t), 1.0 - beta2.powi(t));
        let decay = if rank > 1 || decay_vectors { weight_decay } else { 0.0 };
        let p = if decay == 0.0 { p } else { p * (1.0 - lr * decay) };
        let p = p - m.clone() / (v.clone().sqrt() / c2.sqrt() + eps) * (lr / c1);
        self.moments.insert(name.to_owned(), Moments { m, v });
        p
    }
}

/// What gradients of norm `norm` are multiplied by so that the norm is at most `limit`, as torch does it.
#[must_use]
pub fn clip_factor(norm: f64, limit: f64) -> f64 {
    (limit / (norm + 1e-6)).min(1.0)
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Half a cosine to zero.
    #[default]
    Cosine,
    /// A line to zero.
    Linear,
    Constant,
}

/// The learning rate over the steps of a run, as a factor of its peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pub warmup: u64,
    pub total: u64,
    pub decay: Decay,
}

impl Schedule {
    /// The factor for step `step`, counted from 0.
    #[must_use]
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return step as f64 / self.warmup.max(1) as f64;
        }
        let progress = (step - self.warmup) as f64 / self.total.saturating_sub(self.warmup).max(1) as f64;
        match self.decay {
            Decay::Cosine => (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.0),
            Decay::Linear => (1.0 - progress).max(0.0),
            Decay::Constant => 1.0,
        }
    }

    /// As [`Self::factor`], but the warm-up rises from its first step on: at rate 0 that step would be spent on nothing.
    #[must_use]
    pub fn training_factor(&self, step: u64) -> f64 {
        if step < self.warmup { self.factor(step + 1) } else { self.factor(step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_rises_and_falls() {
        let s = Schedule { warmup: 4, total: 20, decay: Decay::Cosine };
        assert_eq!(s.factor(0), 0.0);
        assert_eq!(s.factor(2), 0.5);
        assert_eq!(s.factor(4), 1.0);
        assert!((s.factor(12) - 0.5).abs() < 1e-12);
        assert!(s.factor(20) < 1e-12);
        assert_eq!([0, 3, 4].map(|step| s.training_factor(step)), [0.25, 1.0, 1.0]);
        assert_eq!(Schedule { warmup: 0, total: 0, decay: Decay::Cosine }.factor(0), 1.0);
    }

    #[test]
    fn clipping_leaves_small_norms_alone() {
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
        assert_eq!(clip_factor(0.0, 1.0), 1.0);
    }
}
