//! A model that learns: passes add gradients up, a step uses them.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{DType, Tensor, TensorData};
use plumb_nn::{DropoutSeed, Parameters, Visitor};
use plumb_vlm::SmolVlm;

use crate::backprop::{self, GradientSums, PassOptions};
use crate::batch::Batch;
use crate::error::{Result, TrainError};
use crate::host::{HostTensor, TensorMap};
use crate::loss::Objective;
use crate::optimizer::{AdamW, AdamWConfig, Moments, clip_factor};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// The norm of all gradients before clipping.
    pub grad_norm: f64,
    /// Whether the step was left out because a gradient was not finite (only with a loss scale).
    pub skipped: bool,
}

/// A model, what of it learns, and the state of its optimiser.
pub struct Learner {
    model: SmolVlm,
    learn: BTreeSet<String>,
    heads: Heads,
    sums: GradientSums,
    optimizer: AdamW,
    clip: Option<f64>,
    recompute: bool,
    loss_scale: f64,
}

/// What one pass found, read from the device.
#[derive(Clone, Debug, PartialEq)]
pub struct PassOutcome {
    /// The negative log-likelihood (natural) of each label.
    pub nll: Vec<f32>,
    /// What was minimised.
    pub objective: f64,
}

impl Learner {
    /// `learn` names the tensors that learn; weights among them are held in f32 from now on.
    ///
    /// # Errors
    /// A name that the model does not have.
    pub fn new(mut model: SmolVlm, learn: BTreeSet<String>, optimizer: AdamWConfig) -> Result<Self> {
        model.unfreeze(|name| learn.contains(name));
        struct Names(BTreeSet<String>);
        impl Visitor for Names {
            fn tensor<const D: usize>(&mut self, name: &str, _: &mut Tensor<D>) {
                self.0.insert(name.to_owned());
            }
        }
        let mut names = Names(BTreeSet::new());
        model.visit(&mut names);
        if let Some(name) = learn.iter().find(|name| !names.0.contains(*name)) {
            return Err(TrainError::NoSuchTensor { name: name.clone() });
        }
        if learn.is_empty() {
            return Err(TrainError::NothingLearns);
        }
        Ok(Self {
            model,
            learn,
            heads: Heads::default(),
            sums: GradientSums::default(),
            optimizer: AdamW::new(optimizer),
            clip: Some(1.0),
            recompute: true,
            loss_scale: 1.0,
        })
    }

    /// Clips gradients to this global norm; `None` for no clipping.
    #[must_use]
    pub fn with_clip(mut self, norm: Option<f64>) -> Self {
        self.clip = norm;
        self
    }

    /// Whether blocks are computed again in the backward pass.
    #[must_use]
    pub fn with_recompute(mut self, recompute: bool) -> Self {
        self.recompute = recompute;
        self
    }

    /// As [`Self::with_recompute`].
    pub fn set_recompute(&mut self, recompute: bool) {
        self.recompute = recompute;
    }

    /// Multiplies the loss against underflow in f16.
    pub fn set_loss_scale(&mut self, scale: f64) {
        self.loss_scale = scale;
    }

    /// The current loss scale.
    #[must_use]
    pub fn loss_scale(&self) -> f64 {
        self.loss_scale
    }

    /// The head of the auxiliary depth loss, which learns with the model.
    pub fn set_depth_head(&mut self, head: Option<crate::depth::DepthHead>) {
        self.heads.depth = head;
    }

    /// The head of the auxiliary depth loss.
    #[must_use]
    pub fn depth_head(&self) -> Option<&crate::depth::DepthHead> {
        self.heads.depth.as_ref()
    }

    /// The map from the model's image features to a teacher's, which learns with the model.
    pub fn set_projection(&mut self, projection: Option<crate::feature::Projection>) {
        self.heads.projection = projection;
    }

    /// The map from the model's image features to a teacher's.
    #[must_use]
    pub fn projection(&self) -> Option<&crate::feature::Projection> {
        self.heads.projection.as_ref()
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &SmolVlm {
        &self.model
    }

    /// Gives the model back.
    #[must_use]
    pub fn into_model(self) -> SmolVlm {
        self.model
    }

    /// Names of what learns.
    #[must_use]
    pub fn learn(&self) -> &BTreeSet<String> {
        &self.learn
    }

    /// The number of values that learn.
    #[must_use]
    pub fn num_trainable(&mut self) -> usize {
        struct Count<'a>(&'a BTreeSet<String>, usize);
        impl Visitor for Count<'_> {
            fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>) {
                if self.0.contains(name) {
                    self.1 += tensor.dims().iter().product::<usize>();
                }
            }
        }
        let mut count = Count(&self.learn, 0);
        self.model.visit(&mut count);
        count.1
    }

    /// Whether image features may be kept from step to step.
    #[must_use]
    pub fn features_are_fixed(&self) -> bool {
        backprop::features_are_fixed(&self.model, &self.learn)
    }

    /// One forward and backward pass; gradients are added to those of earlier passes since the last step.
    ///
    /// # Errors
    /// A failing device.
    pub async fn pass(
        &mut self,
        batch: &Batch,
        objective: &Objective<'_>,
        dropout: Option<DropoutSeed>,
    ) -> Result<PassOutcome> {
        self.model.set_dropout(dropout);
        let options = PassOptions { recompute: self.recompute, loss_scale: self.loss_scale };
        let pass = backprop::pass(&self.model, &self.learn, batch, objective, options, &mut self.sums);
        self.model.set_dropout(None);
        let pass = pass?;
        let nll = read(pass.nll).await?;
        let objective = read(pass.objective).await?.first().copied().unwrap_or(f32::NAN);
        Ok(PassOutcome { nll, objective: f64::from(objective) })
    }

    /// Forgets the gradients since the last step.
    pub fn forget(&mut self) {
        self.sums.clear();
    }

    /// The gradients since the last step by name, for inspection.
    ///
    /// # Errors
    /// A failing device.
    pub async fn gradients(&self) -> Result<BTreeMap<String, Vec<f32>>> {
        let mut out = BTreeMap::new();
        for (name, sum) in self.sums.iter() {
            out.insert(name.to_owned(), read(sum.clone() / self.loss_scale).await?);
        }
        Ok(out)
    }

    /// Clips what was added up and steps, each tensor with `rate(name)` as its learning rate.
    ///
    /// # Errors
    /// A failing device; gradients that are not finite (without a loss scale).
    pub async fn step(&mut self, rate: impl Fn(&str) -> f64) -> Result<StepOutcome> {
        let squares: Vec<Tensor<1>> =
            self.sums.iter().map(|(_, g)| (g.clone() / self.loss_scale).square().sum()).collect();
        if squares.is_empty() {
            return Err(TrainError::NothingLearns);
        }
        let norm = read(Tensor::cat(squares, 0).sum().sqrt()).await?;
        let norm = f64::from(norm.first().copied().unwrap_or(f32::NAN));
        if !norm.is_finite() {
            self.sums.clear();
            if self.loss_scale > 1.0 {
                return Ok(StepOutcome { grad_norm: norm, skipped: true });
            }
            return Err(TrainError::GradientNotFinite);
        }
        let factor = self.clip.map_or(1.0, |limit| clip_factor(norm, limit)) / self.loss_scale;
        self.optimizer.begin();
        let mut apply = Apply {
            learn: &self.learn,
            sums: &mut self.sums,
            optimizer: &mut self.optimizer,
            factor,
            rate: &rate,
            done: BTreeMap::new(),
        };
        self.model.visit(&mut apply);
        let all = Heads::names();
        let mut apply = Apply { learn: &all, done: BTreeMap::new(), ..apply };
        self.heads.visit(&mut apply);
        self.sums.clear();
        Ok(StepOutcome { grad_norm: norm, skipped: false })
    }

    /// The values that learn.
    ///
    /// # Errors
    /// A failing device.
    pub async fn weights(&mut self) -> Result<TensorMap> {
        let mut collect = Collect { learn: &self.learn, found: Vec::new() };
        self.model.visit(&mut collect);
        let mut found = collect.found;
        let heads = Heads::names();
        let mut collect = Collect { learn: &heads, found: Vec::new() };
        self.heads.visit(&mut collect);
        found.append(&mut collect.found);
        let mut out = TensorMap::new();
        for (name, shape, tensor) in found {
            out.insert(name, HostTensor { shape, values: read(tensor).await? });
        }
        Ok(out)
    }

    /// What the optimiser's moments take by now, in bytes; 0 before the first step of a fresh run.
    #[must_use]
    pub fn moment_bytes(&self) -> u64 {
        self.optimizer.moments().values().map(|moments| 4 * 2 * moments.m.dims()[0] as u64).sum()
    }

    /// The optimiser's moments, `m.<name>` and `v.<name>`, and its steps.
    ///
    /// # Errors
    /// A failing device.
    pub async fn moments(&self) -> Result<(TensorMap, u64)> {
        let mut out = TensorMap::new();
        for (name, Moments { m, v }) in self.optimizer.moments() {
            for (kind, tensor) in [("m", m), ("v", v)] {
                let values = read(tensor.clone()).await?;
                out.insert(format!("{kind}.{name}"), HostTensor { shape: vec![values.len()], values });
            }
        }
        Ok((out, self.optimizer.step()))
    }

    /// Takes up saved values, moments and steps.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn restore(&mut self, weights: &TensorMap, moments: &TensorMap, step: u64) -> Result<()> {
        self.set_weights(weights)?;
        let device = self.model.device().clone();
        let mut restored = BTreeMap::new();
        let take = |kind: &str, name: &str| {
            moments.get(&format!("{kind}.{name}")).map(|t| {
                Tensor::<1>::from_data(
                    TensorData::new(t.values.clone(), [t.values.len()]),
                    (&device, DType::F32),
                )
            })
        };
        let names = moments.keys().filter_map(|key| key.strip_prefix("m."));
        for name in names {
            match (take("m", name), take("v", name)) {
                (Some(m), Some(v)) => {
                    restored.insert(name.to_owned(), Moments { m, v });
                }
                _ => return Err(TrainError::NoSuchTensor { name: format!("v.{name}") }),
            }
        }
        self.optimizer.restore(step, restored);
        Ok(())
    }

    /// Sets the values that learn.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn set_weights(&mut self, weights: &TensorMap) -> Result<()> {
        set(&mut self.model, &self.learn, weights)?;
        set(&mut self.heads, &Heads::names(), weights)
    }
}

/// Modules beside the model that learn with it and are in no file but the checkpoint.
#[derive(Clone, Default)]
struct Heads {
    depth: Option<crate::depth::DepthHead>,
    projection: Option<crate::feature::Projection>,
}

impl Heads {
    fn names() -> BTreeSet<String> {
        let mut names = crate::depth::DepthHead::names();
        names.extend(crate::feature::Projection::names());
        names
    }
}

impl Parameters for Heads {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        if let Some(head) = &mut self.depth {
            head.visit(visitor);
        }
        if let Some(projection) = &mut self.projection {
            projection.visit(visitor);
        }
    }
}

/// Whether a tensor among [`Learner::weights`] is of no model: the trained adapter or checkpoint goes without it.
#[must_use]
pub fn beside_the_model(name: &str) -> bool {
    Heads::names().contains(name)
}

fn set(module: &mut impl Parameters, names: &BTreeSet<String>, weights: &TensorMap) -> Result<()> {
    let mut set = Set { learn: names, weights, error: None };
    module.visit(&mut set);
    set.error.map_or(Ok(()), Err)
}

/// Sets the tensors `names` of a model, held in f32 from then on.
///
/// # Errors
/// A tensor that is missing or has another shape.
pub fn set_tensors(model: &mut SmolVlm, names: &BTreeSet<String>, weights: &TensorMap) -> Result<()> {
    model.unfreeze(|name| names.contains(name));
    set(model, names, weights)
}

struct Apply<'a, R> {
    learn: &'a BTreeSet<String>,
    sums: &'a mut GradientSums,
    optimizer: &'a mut AdamW,
    factor: f64,
    rate: &'a R,
    /// A tensor that stands in two places (a tied embedding) is updated once.
    done: BTreeMap<String, Tensor<1>>,
}

impl<R: Fn(&str) -> f64> Visitor for Apply<'_, R> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>) {
        if !self.learn.contains(name) {
            return;
        }
        let shape = tensor.dims();
        if let Some(new) = self.done.get(name) {
            *tensor = new.clone().reshape(shape);
            return;
        }
        let n: usize = shape.iter().product();
        // A tensor that no label reached still decays and moves on its moments, as in torch it would not: torch
        // skips parameters without a gradient, and so do we.
        let Some(gradient) = self.sums.take(name) else { return };
        let old = tensor.clone().inner().reshape([n]);
        let new = self.optimizer.update(name, D, old, gradient * self.factor, (self.rate)(name));
        *tensor = new.clone().reshape(shape);
        self.done.insert(name.to_owned(), new);
    }
}

struct Collect<'a> {
    learn: &'a BTreeSet<String>,
    found: Vec<(String, Vec<usize>, Tensor<1>)>,
}

impl Visitor for Collect<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>) {
        if self.learn.contains(name) {
            let shape = tensor.dims();
            let n: usize = shape.iter().product();
            self.found.push((name.to_owned(), shape.to_vec(), tensor.clone().inner().reshape([n])));
        }
    }
}

struct Set<'a> {
    learn: &'a BTreeSet<String>,
    weights: &'a TensorMap,
    error: Option<TrainError>,
}

impl Visitor for Set<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>) {
        if !self.learn.contains(name) || self.error.is_some() {
            return;
        }
        let shape = tensor.dims();
        match self.weights.get(name) {
            // A convolution kernel is a matrix in the model and has four axes in files.
            Some(found) if found.values.len() == shape.iter().product::<usize>() => {
                let data = TensorData::new(found.values.clone(), shape);
                *tensor = Tensor::from_data(data, (&tensor.device().without_autodiff(), DType::F32));
            }
            Some(found) => {
                self.error = Some(TrainError::Shape {
                    name: name.to_owned(),
                    expected: shape.to_vec(),
                    found: found.shape.clone(),
                });
            }
            None => self.error = Some(TrainError::NoSuchTensor { name: name.to_owned() }),
        }
    }
}

/// Reads a tensor from the device.
///
/// # Errors
/// A failing device.
pub(crate) async fn read(tensor: Tensor<1>) -> Result<Vec<f32>> {
    let device = |e: String| TrainError::Device(e);
    let data = tensor.cast(DType::F32).into_data_async().await.map_err(|e| device(format!("{e:?}")))?;
    Ok(data.as_slice::<f32>().map_err(|e| device(format!("{e:?}")))?.to_vec())
}
