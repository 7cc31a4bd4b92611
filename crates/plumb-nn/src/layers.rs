//! Layers in the layout and with the names of Hugging Face checkpoints.

use burn::tensor::Tensor;

use crate::cpu::Activation;
use crate::ops;
use crate::weights::{Scope, WeightError};

/// `y = x Wᵀ + b`, the weight in `[out, in]` as the file has it.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// Reads `weight` `[output, input]` and, where `bias`, `bias` `[output]`.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(
        scope: &Scope<'_>,
        input: usize,
        output: usize,
        bias: bool,
    ) -> Result<Self, WeightError> {
        let weight = scope.matrix("weight", output, input).await?;
        let bias = if bias { Some(scope.vector("bias", output).await?) } else { None };
        Ok(Self { weight, bias })
    }

    /// Reads several layers of the same input as one, their outputs side by side: one product instead of several.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load_fused(
        scope: &Scope<'_>,
        input: usize,
        parts: &[(&str, usize)],
        bias: bool,
    ) -> Result<Self, WeightError> {
        let names = |field: &str| -> Vec<(String, usize)> {
            parts.iter().map(|(name, rows)| (format!("{name}.{field}"), *rows)).collect()
        };
        fn borrow(v: &[(String, usize)]) -> Vec<(&str, usize)> {
            v.iter().map(|(n, r)| (n.as_str(), *r)).collect()
        }
        let weight = scope.matrices(&borrow(&names("weight")), input).await?;
        let bias = if bias { Some(scope.vectors(&borrow(&names("bias"))).await?) } else { None };
        Ok(Self { weight, bias })
    }

    /// A layer with the given weight `[out, in]` and bias `[out]`.
    #[must_use]
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        Self { weight, bias }
    }

    /// # Shapes
    /// - `x` `[m, in]` → `[m, out]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_with(x, Activation::Identity, None)
    }

    /// `act(x Wᵀ + b) [+ residual]`
    ///
    /// # Shapes
    /// - `x` `[m, in]`, `residual` `[m, out]` → `[m, out]`
    #[must_use]
    pub fn forward_with(
        &self,
        x: Tensor<2>,
        activation: Activation,
        residual: Option<Tensor<2>>,
    ) -> Tensor<2> {
        ops::linear(x, &self.weight, self.bias.as_ref(), activation, residual)
    }
}

/// Layer normalisation over the last axis.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias`, `[dim]` each.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(scope: &Scope<'_>, dim: usize, eps: f64) -> Result<Self, WeightError> {
        Ok(Self { gamma: scope.vector("weight", dim).await?, beta: scope.vector("bias", dim).await?, eps })
    }

    /// # Shapes
    /// - `x` `[m, dim]` → `[m, dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::layer_norm(x, &self.gamma, &self.beta, self.eps)
    }
}

/// Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    gamma: Tensor<1>,
    eps: f64,
}

impl RmsNorm {
    /// Reads `weight`, `[dim]`.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(scope: &Scope<'_>, dim: usize, eps: f64) -> Result<Self, WeightError> {
        Ok(Self { gamma: scope.vector("weight", dim).await?, eps })
    }

    /// # Shapes
    /// - `x` `[m, dim]` → `[m, dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::rms_norm(x, &self.gamma, self.eps)
    }
}
