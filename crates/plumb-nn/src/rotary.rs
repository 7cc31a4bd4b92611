//! Rotary position embedding.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Rotary position embedding in the half-split form of Llama: feature `j` turns with feature `j + dim / 2` by the
/// angle `position · θ^(−2j / dim)` (Su et al. 2021, arXiv 2104.09864).
#[derive(Clone, Debug)]
pub struct Rotary {
    inverse_frequencies: Vec<f32>,
}

impl Rotary {
    /// For heads of `dim` features and base `theta`.
    #[must_use]
    pub fn new(dim: usize, theta: f64) -> Self {
        // In f32, as the reference computes them: the angle of a late position carries this rounding.
        let inverse_frequencies =
            (0..dim / 2).map(|j| 1.0 / (theta as f32).powf((2 * j) as f32 / dim as f32)).collect();
        Self { inverse_frequencies }
    }

    /// cos and sin at `positions`, `[positions, dim / 2]` each.
    #[must_use]
    pub fn at(&self, positions: &[usize], device: &Device) -> (Tensor<2>, Tensor<2>) {
        let angles: Vec<f32> = positions
            .iter()
            .flat_map(|&p| self.inverse_frequencies.iter().map(move |f| p as f32 * f))
            .collect();
        let shape = [positions.len(), self.inverse_frequencies.len()];
        let tensor = |f: fn(f32) -> f32| {
            let values: Vec<f32> = angles.iter().map(|&a| f(a)).collect();
            Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
        };
        (tensor(f32::cos), tensor(f32::sin))
    }
}
