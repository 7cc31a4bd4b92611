//! Adapters: small trainable additions to frozen layers.
//!
//! | method | formula | source |
//! |---|---|---|
//! | LoRA | `y = x Wᵀ + b + s (drop(x) Aᵀ) Bᵀ` | Hu et al. 2021, arXiv 2106.09685 |
//! | DoRA | `y = m / ‖W + s B A‖ · (x Wᵀ + s (x Aᵀ) Bᵀ) + b`, the norm by output row and not differentiated | Liu et al. 2024, arXiv 2402.09353 |
//! | (IA)³ | `y = l ⊙ (x Wᵀ + b)`, or `(l ⊙ x) Wᵀ + b` in feed-forward layers | Liu et al. 2022, arXiv 2205.05638 |
//! | bottleneck | `h + s · up(act(down(h)))` | Houlsby et al. 2019, arXiv 1902.00751 |
//!
//! Shapes and names are those of the files of PEFT and AdapterHub.

use burn::tensor::activation::{gelu, relu, silu};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::cpu::Activation;
use crate::ops;

/// What sees, and may replace, every tensor that can learn; names are relative to the model's root.
pub trait Visitor {
    /// One tensor, of the rank that it has in the model.
    fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>);
}

/// A part of a model that holds tensors which can learn.
pub trait Parameters {
    /// Shows every tensor that can learn.
    fn visit(&mut self, visitor: &mut impl Visitor);
}

/// What is attached to one linear layer.
#[expect(
    clippy::large_enum_variant,
    reason = "few of them, seldom moved; a box would be one more hop in every pass"
)]
#[derive(Debug, Clone)]
pub enum LinearAdapter {
    Lora(Lora),
    Ia3(Ia3),
}

/// A low-rank branch, with a magnitude for DoRA.
#[derive(Debug, Clone)]
pub struct Lora {
    /// `[rank, in]`
    pub a: Tensor<2>,
    /// `[out, rank]`
    pub b: Tensor<2>,
    /// `α / rank`, or `α / √rank` for rank-stabilised LoRA.
    pub scale: f64,
    /// The share of inputs of the branch that is dropped in training.
    pub dropout: f64,
    /// `[out]`, for DoRA.
    pub magnitude: Option<Tensor<1>>,
    /// `‖w‖²` of each row of the frozen weight, `[out, 1]`: the same in every step.
    squares: Option<Tensor<2>>,
}

/// A learned factor of the output features, or of the input features in feed-forward layers.
#[derive(Debug, Clone)]
pub struct Ia3 {
    /// `[out]`, or `[in]` where `on_input`.
    pub factor: Tensor<1>,
    /// Whether the input is scaled.
    pub on_input: bool,
}

/// The seed of the dropout masks of one pass; the same seed gives the same masks when a block is computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutSeed(pub u64);

impl Lora {
    /// A branch `s B A` with inputs dropped at the rate `dropout` in training, and a magnitude for DoRA.
    #[must_use]
    pub fn new(a: Tensor<2>, b: Tensor<2>, scale: f64, dropout: f64, magnitude: Option<Tensor<1>>) -> Self {
        Self { a, b, scale, dropout, magnitude, squares: None }
    }

    /// Remembers what the norms need of the weight that the branch is put beside.
    pub(crate) fn beside(&mut self, weight: &Tensor<2>) {
        self.squares = self.magnitude.is_some().then(|| squares(weight));
    }

    pub(crate) fn visit(&mut self, path: &str, visitor: &mut impl Visitor) {
        visitor.tensor(&format!("{path}.lora_A.weight"), &mut self.a);
        visitor.tensor(&format!("{path}.lora_B.weight"), &mut self.b);
        if let Some(magnitude) = &mut self.magnitude {
            visitor.tensor(&format!("{path}.lora_magnitude_vector"), magnitude);
        }
    }

    /// `s (x Aᵀ) Bᵀ`, `[m, in]` → `[m, out]`.
    pub(crate) fn branch(&self, x: Tensor<2>) -> Tensor<2> {
        let u = ops::linear(x, &self.a, None, Activation::Identity, None);
        ops::linear(u, &self.b, None, Activation::Identity, None) * self.scale
    }

    /// The row norms of `W + s B A` as a constant, `[out]`.
    ///
    /// `‖w + s b A‖² = ‖w‖² + 2 s b·(A w) + s² b·(A Aᵀ) b`: no dense `B A` is made.
    fn norm(&self, weight: &Tensor<2>) -> Tensor<1> {
        let (a, b) = (self.a.clone().inner(), self.b.clone().inner());
        let weight = weight.clone().inner();
        let rows = weight.dims()[0];
        let aw = ops::linear(a.clone(), &weight, None, Activation::Identity, None).transpose();
        let aa = a.clone().matmul(a.transpose());
        let own = self.squares.clone().unwrap_or_else(|| squares(&weight));
        let cross = (aw * b.clone()).sum_dim(1) * (2.0 * self.scale);
        let branch = (b.clone().matmul(aa) * b).sum_dim(1) * (self.scale * self.scale);
        (own + cross + branch).sqrt().reshape([rows])
    }

    /// The row norms of a weight `[out, in]`: where a DoRA magnitude starts.
    #[must_use]
    pub fn initial_magnitude(weight: &Tensor<2>) -> Tensor<1> {
        let rows = weight.dims()[0];
        squares(weight).sqrt().reshape([rows])
    }

    /// `x` with a share of its elements dropped and the rest scaled up, by a mask that `seed` and `path` decide.
    fn drop(&self, x: Tensor<2>, path: &str, seed: Option<DropoutSeed>) -> Tensor<2> {
        match seed {
            Some(seed) if self.dropout > 0.0 => {
                let mask = dropout_mask(x.dims(), self.dropout, path, seed, &x.device());
                x * mask
            }
            _ => x,
        }
    }

    /// The output of a layer with this adapter: `base` is `x Wᵀ + b` without it.
    pub(crate) fn apply(
        &self,
        x: &Tensor<2>,
        base: Tensor<2>,
        weight: &Tensor<2>,
        bias: Option<&Tensor<1>>,
        path: &str,
        seed: Option<DropoutSeed>,
    ) -> Tensor<2> {
        let dropped = self.drop(x.clone(), path, seed);
        let Some(magnitude) = &self.magnitude else {
            return base + self.branch(dropped);
        };
        let factor = (magnitude.clone() / self.norm(weight)).unsqueeze::<2>();
        // With dropout the reference scales the product of the dropped input, else that of the input itself.
        let product = if seed.is_some() && self.dropout > 0.0 {
            ops::linear(dropped.clone(), weight, None, Activation::Identity, None)
        } else {
            match bias {
                Some(bias) => base.clone() - bias.clone().unsqueeze(),
                None => base.clone(),
            }
        };
        base + product * (factor.clone() - 1.0) + self.branch(dropped) * factor
    }

    /// Whether the adapter only adds to the output of the frozen layer.
    pub(crate) fn adds(&self) -> bool {
        self.magnitude.is_none()
    }

    pub(crate) fn delta(&self, x: &Tensor<2>, path: &str, seed: Option<DropoutSeed>) -> Tensor<2> {
        self.branch(self.drop(x.clone(), path, seed))
    }
}

/// The sum of squares of each row, `[out, 1]`.
fn squares(weight: &Tensor<2>) -> Tensor<2> {
    weight.clone().cast(DType::F32).square().sum_dim(1)
}

/// `0` with probability `p`, else `1 / (1 − p)`; `[m, k]`. A counter through a 64-bit mix (splitmix64), so that any
/// element can be made again.
fn dropout_mask([m, k]: [usize; 2], p: f64, path: &str, seed: DropoutSeed, device: &Device) -> Tensor<2> {
    let device = device.clone().without_autodiff();
    let stream = path
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed.0, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let keep = (1.0 / (1.0 - p)) as f32;
    let limit = (p * (1u64 << 53) as f64) as u64;
    let values: Vec<f32> = (0..(m * k) as u64)
        .map(|i| {
            let mut z = stream.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (z ^ (z >> 31)) >> 11 < limit { 0.0 } else { keep }
        })
        .collect();
    Tensor::from_data(TensorData::new(values, [m, k]), (&device, DType::F32))
}

impl Ia3 {
    pub(crate) fn visit(&mut self, path: &str, visitor: &mut impl Visitor) {
        visitor.tensor(&format!("{path}.ia3_l"), &mut self.factor);
    }
}

/// The activation of a bottleneck adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BottleneckActivation {
    Relu,
    Silu,
    /// The exact form, with the error function.
    Gelu,
}

/// Where a bottleneck adapter of a block sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On the output of the block, after the last residual (Pfeiffer et al. 2020, arXiv 2005.00247).
    AfterResidual,
    /// On the output of a sub-layer, before its residual (Houlsby et al. 2019).
    BeforeResidual,
    /// Beside the MLP, from the residual stream before its norm (He et al. 2021, arXiv 2110.04366).
    Parallel,
}

/// A bottleneck: down, activation, up.
#[derive(Debug, Clone)]
pub struct Bottleneck {
    /// The name of its tensors' common part, `layers.0.output_adapters` or `layers.0.attention_adapters` after the path of the language model.
    pub path: String,
    /// `[d, h]`
    pub down: Tensor<2>,
    /// `[d]`
    pub down_bias: Tensor<1>,
    /// `[h, d]`
    pub up: Tensor<2>,
    /// `[h]`
    pub up_bias: Tensor<1>,
    pub activation: BottleneckActivation,
    pub scale: f64,
    pub placement: Placement,
}

impl Bottleneck {
    pub(crate) fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor(&format!("{}.adapter_down.0.weight", self.path), &mut self.down);
        visitor.tensor(&format!("{}.adapter_down.0.bias", self.path), &mut self.down_bias);
        visitor.tensor(&format!("{}.adapter_up.weight", self.path), &mut self.up);
        visitor.tensor(&format!("{}.adapter_up.bias", self.path), &mut self.up_bias);
    }

    /// `s · up(act(down(x)))`, `[m, h]` → `[m, h]`.
    fn branch(&self, x: Tensor<2>) -> Tensor<2> {
        let d = ops::linear(x, &self.down, Some(&self.down_bias), Activation::Identity, None);
        let d = match self.activation {
            BottleneckActivation::Relu => relu(d),
            BottleneckActivation::Silu => silu(d),
            BottleneckActivation::Gelu => gelu(d),
        };
        ops::linear(d, &self.up, Some(&self.up_bias), Activation::Identity, None) * self.scale
    }
}

impl Parameters for BlockAdapters {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        for adapter in [&mut self.attention, &mut self.output].into_iter().flatten() {
            adapter.visit(visitor);
        }
    }
}

/// The bottleneck adapters of one transformer block.
#[derive(Debug, Clone, Default)]
pub struct BlockAdapters {
    /// On the attention's output.
    pub attention: Option<Bottleneck>,
    /// On the MLP or the block's output.
    pub output: Option<Bottleneck>,
}

impl BlockAdapters {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attention.is_none() && self.output.is_none()
    }

    /// The attention's output before its residual.
    #[must_use]
    pub fn on_attention(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.attention {
            Some(adapter) => y.clone() + adapter.branch(y),
            None => y,
        }
    }

    /// The MLP's output before its residual; `x` is the residual stream that the MLP's norm read.
    #[must_use]
    pub fn on_mlp(&self, y: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        match &self.output {
            Some(adapter) if adapter.placement == Placement::BeforeResidual => y.clone() + adapter.branch(y),
            Some(adapter) if adapter.placement == Placement::Parallel => y + adapter.branch(x.clone()),
            _ => y,
        }
    }

    /// The block's output.
    #[must_use]
    pub fn on_output(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.output {
            Some(adapter) if adapter.placement == Placement::AfterResidual => y.clone() + adapter.branch(y),
            _ => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    fn mask(path: &str, seed: u64) -> Vec<f32> {
        let mask = dropout_mask([200, 100], 0.1, path, DropoutSeed(seed), &Device::flex());
        block_on(mask.into_data_async()).unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn dropout_keeps_the_mean_and_follows_its_seed() {
        let m = mask("a", 1);
        assert_eq!(m, mask("a", 1));
        assert_ne!(m, mask("a", 2));
        assert_ne!(m, mask("b", 1));
        let dropped = m.iter().filter(|v| **v == 0.0).count() as f64 / m.len() as f64;
        assert!((dropped - 0.1).abs() < 0.01, "{dropped}");
        let mean = m.iter().sum::<f32>() / m.len() as f32;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
    }
}
