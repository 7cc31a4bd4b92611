//! Layers in the layout and with the names of Hugging Face checkpoints.

use burn::tensor::{DType, Tensor};

use crate::adapter::{DropoutSeed, Ia3, LinearAdapter, Parameters, Visitor};
use crate::cpu::Activation;
use crate::ops;
use crate::weights::{Scope, WeightError};

/// The weight of a linear layer.
#[expect(
    clippy::large_enum_variant,
    reason = "few of them, seldom moved; a box would be one more hop in every pass"
)]
#[derive(Debug, Clone)]
enum Weight {
    /// All parts below one another: one product for all. Frozen.
    Fused { weight: Tensor<2>, bias: Option<Tensor<1>> },
    /// Each part of its own in f32, so that it can learn.
    Split(Vec<(Tensor<2>, Option<Tensor<1>>)>),
}

/// One layer of the checkpoint within a [`Linear`].
#[derive(Debug, Clone)]
pub struct Part {
    /// The module's path in the checkpoint.
    pub path: String,
    /// Output features.
    pub rows: usize,
    /// The adapter slot.
    pub adapter: Option<LinearAdapter>,
}

/// `y = x Wᵀ + b`, the weight in `[out, in]` as the file has it; one or several layers of the same input side by side,
/// each with an adapter slot.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Weight,
    parts: Vec<Part>,
    dropout: Option<DropoutSeed>,
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
        Ok(Self::new(scope.path(), weight, bias))
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
        let parts = parts
            .iter()
            .map(|(name, rows)| Part { path: scope.name(name), rows: *rows, adapter: None })
            .collect();
        Ok(Self { weight: Weight::Fused { weight, bias }, parts, dropout: None })
    }

    /// The layer at `path` with the given weight `[out, in]` and bias `[out]`.
    #[must_use]
    pub fn new(path: impl Into<String>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        let part = Part { path: path.into(), rows: weight.dims()[0], adapter: None };
        Self { weight: Weight::Fused { weight, bias }, parts: vec![part], dropout: None }
    }

    /// The layers of the checkpoint in this one.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Input features.
    #[must_use]
    pub fn input(&self) -> usize {
        match &self.weight {
            Weight::Fused { weight, .. } => weight.dims()[1],
            Weight::Split(parts) => parts.first().map_or(0, |(w, _)| w.dims()[1]),
        }
    }

    /// Whether the layers have biases.
    #[must_use]
    pub fn has_bias(&self) -> bool {
        match &self.weight {
            Weight::Fused { bias, .. } => bias.is_some(),
            Weight::Split(parts) => parts.iter().any(|(_, b)| b.is_some()),
        }
    }

    /// The weight `[rows, in]` and bias of part `index`.
    ///
    /// # Panics
    /// When there is no such part: a bug of the caller.
    #[must_use]
    pub fn part_weight(&self, index: usize) -> (Tensor<2>, Option<Tensor<1>>) {
        match &self.weight {
            Weight::Split(parts) => parts[index].clone(),
            Weight::Fused { weight, bias } if self.parts.len() == 1 => (weight.clone(), bias.clone()),
            Weight::Fused { weight, bias } => {
                let first: usize = self.parts[..index].iter().map(|p| p.rows).sum();
                let rows = first..first + self.parts[index].rows;
                let input = weight.dims()[1];
                (weight.clone().slice([rows.clone(), 0..input]), bias.clone().map(|b| b.slice([rows])))
            }
        }
    }

    /// Puts `adapter` on part `index`, or takes it off.
    ///
    /// # Panics
    /// When there is no such part: a bug of the caller.
    pub fn attach(&mut self, index: usize, mut adapter: Option<LinearAdapter>) {
        if let Some(LinearAdapter::Lora(lora)) = &mut adapter {
            lora.beside(&self.part_weight(index).0);
        }
        self.parts[index].adapter = adapter;
    }

    /// Holds every part of its own in f32, so that weights and biases can learn.
    pub fn unfreeze(&mut self) {
        if matches!(self.weight, Weight::Split(_)) {
            return;
        }
        let parts = (0..self.parts.len())
            .map(|i| {
                let (weight, bias) = self.part_weight(i);
                // A part of a fused matrix is a view; as a master copy it must be its own.
                (weight.cast(DType::F32) * 1.0, bias)
            })
            .collect();
        self.weight = Weight::Split(parts);
    }

    /// Drops inputs of adapters by masks of this seed from now on; `None` for no dropout.
    pub fn set_dropout(&mut self, seed: Option<DropoutSeed>) {
        self.dropout = seed;
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
        if self.parts.iter().all(|part| part.adapter.is_none()) {
            let (weight, bias) = self.whole();
            return ops::linear(x, &weight, bias.as_ref(), activation, residual);
        }
        let y = self.adapted(x);
        let y = match activation {
            Activation::Identity => y,
            Activation::GeluTanh => ops::gelu_tanh(y),
        };
        match residual {
            Some(residual) => residual + y,
            None => y,
        }
    }

    fn whole(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        match &self.weight {
            Weight::Fused { weight, bias } => (weight.clone(), bias.clone()),
            Weight::Split(parts) if parts.len() == 1 => parts[0].clone(),
            Weight::Split(parts) => {
                let biases: Vec<_> = parts.iter().filter_map(|(_, b)| b.clone()).collect();
                let weight = Tensor::cat(parts.iter().map(|(w, _)| w.clone()).collect(), 0);
                (weight, (!biases.is_empty()).then(|| Tensor::cat(biases, 0)))
            }
        }
    }

    /// One product of a frozen weight and low-rank branches, where there is a kernel for it.
    fn branched(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        let Weight::Fused { weight, bias } = &self.weight else { return None };
        let mut branches = Vec::with_capacity(self.parts.len());
        let mut first = 0;
        for part in &self.parts {
            let rows = first..first + part.rows;
            first = rows.end;
            if let Some(LinearAdapter::Lora(lora)) = &part.adapter {
                if self.dropout.is_some() && lora.dropout > 0.0 {
                    return None;
                }
                branches.push(ops::LowRank { a: &lora.a, b: &lora.b, scale: lora.scale, rows });
            }
        }
        ops::branched_linear(x, weight, bias.as_ref(), &branches)
    }

    fn adapted(&self, x: Tensor<2>) -> Tensor<2> {
        let [m, _] = x.dims();
        let scales_input =
            |part: &Part| matches!(&part.adapter, Some(LinearAdapter::Ia3(ia3)) if ia3.on_input);
        let adds = |part: &Part| match &part.adapter {
            Some(LinearAdapter::Lora(lora)) => lora.adds(),
            Some(LinearAdapter::Ia3(_)) => false,
            None => true,
        };
        let product = |x: Tensor<2>, (weight, bias): (Tensor<2>, Option<Tensor<1>>)| {
            ops::linear(x, &weight, bias.as_ref(), Activation::Identity, None)
        };
        if self.parts.iter().all(adds) {
            if let Some(y) = self.branched(&x) {
                return y;
            }
            // One product for all parts, and what the branches add beside one another.
            let deltas: Vec<Tensor<2>> = self
                .parts
                .iter()
                .map(|part| match &part.adapter {
                    Some(LinearAdapter::Lora(lora)) => lora.delta(&x, &part.path, self.dropout),
                    _ => Tensor::zeros([m, part.rows], (&x.device(), DType::F32)),
                })
                .collect();
            return product(x, self.whole()) + Tensor::cat(deltas, 1);
        }
        let fused = (!self.parts.iter().any(scales_input)).then(|| product(x.clone(), self.whole()));
        let mut first = 0;
        let parts = self
            .parts
            .iter()
            .enumerate()
            .map(|(i, part)| {
                let columns = first..first + part.rows;
                first = columns.end;
                let base = |x: Tensor<2>| match &fused {
                    Some(y) => y.clone().slice([0..m, columns.clone()]),
                    None => product(x, self.part_weight(i)),
                };
                match &part.adapter {
                    None => base(x.clone()),
                    Some(LinearAdapter::Lora(lora)) => {
                        let (weight, bias) = self.part_weight(i);
                        lora.apply(&x, base(x.clone()), &weight, bias.as_ref(), &part.path, self.dropout)
                    }
                    Some(LinearAdapter::Ia3(Ia3 { factor, on_input: true })) => {
                        product(x.clone() * factor.clone().unsqueeze(), self.part_weight(i))
                    }
                    Some(LinearAdapter::Ia3(Ia3 { factor, .. })) => {
                        base(x.clone()) * factor.clone().unsqueeze()
                    }
                }
            })
            .collect();
        Tensor::cat(parts, 1)
    }
}

impl Parameters for Linear {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        if let Weight::Split(weights) = &mut self.weight {
            for ((weight, bias), part) in weights.iter_mut().zip(&self.parts) {
                visitor.tensor(&format!("{}.weight", part.path), weight);
                if let Some(bias) = bias {
                    visitor.tensor(&format!("{}.bias", part.path), bias);
                }
            }
        }
        for part in &mut self.parts {
            match &mut part.adapter {
                Some(LinearAdapter::Lora(lora)) => lora.visit(&part.path, visitor),
                Some(LinearAdapter::Ia3(ia3)) => ia3.visit(&part.path, visitor),
                None => {}
            }
        }
    }
}

/// Layer normalisation over the last axis.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    path: String,
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
        let (gamma, beta) = (scope.vector("weight", dim).await?, scope.vector("bias", dim).await?);
        Ok(Self { path: scope.path().to_owned(), gamma, beta, eps })
    }

    /// # Shapes
    /// - `x` `[m, dim]` → `[m, dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::layer_norm(x, &self.gamma, &self.beta, self.eps)
    }
}

impl Parameters for LayerNorm {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor(&format!("{}.weight", self.path), &mut self.gamma);
        visitor.tensor(&format!("{}.bias", self.path), &mut self.beta);
    }
}

/// Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    path: String,
    gamma: Tensor<1>,
    eps: f64,
}

impl RmsNorm {
    /// Reads `weight`, `[dim]`.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(scope: &Scope<'_>, dim: usize, eps: f64) -> Result<Self, WeightError> {
        Ok(Self { path: scope.path().to_owned(), gamma: scope.vector("weight", dim).await?, eps })
    }

    /// # Shapes
    /// - `x` `[m, dim]` → `[m, dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::rms_norm(x, &self.gamma, self.eps)
    }
}

impl Parameters for RmsNorm {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor(&format!("{}.weight", self.path), &mut self.gamma);
    }
}
