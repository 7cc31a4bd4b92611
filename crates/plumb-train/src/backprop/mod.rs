//! Back-propagation block by block.
//!
//! The forward pass keeps one input per block and nothing else; the backward pass records one block at a time on
//! burn's graph, pulls the gradient through it and forgets it (Chen et al. 2016, arXiv 1604.06174, with a segment per
//! block). Memory is then that of one block whatever the depth; blocks beneath everything that learns are not visited.

mod tower;

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use plumb_nn::{Parameters, Visitor, ops};
use plumb_vlm::SmolVlm;
use plumb_vlm::decoder::Embedding;

use crate::batch::{Batch, Frames};
use crate::error::Result;
use crate::loss::{Objective, ROWS_AT_ONCE};

/// Sums of gradients by the name of their tensor, each flattened.
#[derive(Default)]
pub struct GradientSums {
    sums: BTreeMap<String, Tensor<1>>,
}

impl GradientSums {
    fn add(&mut self, name: &str, gradient: Tensor<1>) {
        match self.sums.remove(name) {
            Some(sum) => self.sums.insert(name.to_owned(), sum + gradient),
            None => self.sums.insert(name.to_owned(), gradient),
        };
    }

    /// Every sum, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<1>)> {
        self.sums.iter().map(|(name, sum)| (name.as_str(), sum))
    }

    /// Takes the sum of `name`.
    pub fn take(&mut self, name: &str) -> Option<Tensor<1>> {
        self.sums.remove(name)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.sums.clear();
    }
}

type TakeGradient = Box<dyn FnOnce(&mut Gradients) -> Option<Tensor<1>>>;

/// Puts the tensors that learn on the graph and remembers how to take their gradients.
struct Leaves<'a> {
    learn: &'a BTreeSet<String>,
    taken: Vec<(String, TakeGradient)>,
}

impl Visitor for Leaves<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>) {
        if self.learn.contains(name) {
            let leaf = tensor.clone().inner().autodiff().require_grad();
            *tensor = leaf.clone();
            let take = move |gradients: &mut Gradients| {
                leaf.grad_remove(gradients).map(|g| {
                    let n: usize = g.dims().iter().product();
                    g.reshape([n])
                })
            };
            self.taken.push((name.to_owned(), Box::new(take)));
        }
    }
}

/// A module's output on the graph.
struct Recorded {
    input: Option<Tensor<2>>,
    output: Tensor<2>,
    leaves: Vec<(String, TakeGradient)>,
}

/// Runs `f` of `module` with the tensors that learn, and the input where `through`, on the graph.
fn record<M: Parameters + Clone>(
    module: &M,
    learn: &BTreeSet<String>,
    input: Tensor<2>,
    through: bool,
    f: impl FnOnce(&M, Tensor<2>) -> Tensor<2>,
) -> Recorded {
    let mut module = module.clone();
    let mut leaves = Leaves { learn, taken: Vec::new() };
    module.visit(&mut leaves);
    let input = input.inner();
    let (input, leaf) = if through {
        let leaf = input.autodiff().require_grad();
        (leaf.clone(), Some(leaf))
    } else {
        (input, None)
    };
    Recorded { input: leaf, output: f(&module, input), leaves: leaves.taken }
}

impl Recorded {
    /// Pulls `gradient` of the output back to the input and the tensors that learn.
    fn pull(self, gradient: Tensor<2>, sums: &mut GradientSums) -> Option<Tensor<2>> {
        if !(self.output.is_autodiff() && self.output.is_tracked()) {
            return None;
        }
        let gradients = (self.output * gradient).sum().backward();
        take(self.input, self.leaves, gradients, sums)
    }
}

fn take(
    input: Option<Tensor<2>>,
    leaves: Vec<(String, TakeGradient)>,
    mut gradients: Gradients,
    sums: &mut GradientSums,
) -> Option<Tensor<2>> {
    for (name, take) in leaves {
        if let Some(gradient) = take(&mut gradients) {
            sums.add(&name, gradient);
        }
    }
    input.and_then(|leaf| leaf.grad_remove(&mut gradients))
}

/// Whether a module holds a tensor that learns.
fn learns<M: Parameters + Clone>(module: &M, learn: &BTreeSet<String>) -> bool {
    struct Any<'a>(&'a BTreeSet<String>, bool);
    impl Visitor for Any<'_> {
        fn tensor<const D: usize>(&mut self, name: &str, _: &mut Tensor<D>) {
            self.1 |= self.0.contains(name);
        }
    }
    let mut any = Any(learn, false);
    module.clone().visit(&mut any);
    any.1
}

/// The stage that puts image tokens, virtual tokens and text in their rows.
#[derive(Clone)]
struct Assembly {
    embedding: Embedding,
    prefix: Option<Tensor<2>>,
}

impl Parameters for Assembly {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.embedding.visit(visitor);
        if let Some(prefix) = &mut self.prefix {
            visitor.tensor(plumb_vlm::model::PROMPT_EMBEDDINGS, prefix);
        }
    }
}

impl Assembly {
    /// `features` `[image rows, h]` → `[samples · len, h]`; one selection of rows from features, prefix and the
    /// distinct tokens of the batch.
    fn forward(&self, features: Option<Tensor<2>>, batch: &Batch, device: &Device) -> Tensor<2> {
        let mut tokens: Vec<u32> = batch.ids.iter().flatten().copied().collect();
        tokens.sort_unstable();
        tokens.dedup();
        let virtual_tokens = self.prefix.as_ref().map_or(0, |p| p.dims()[0]);
        let first_prefix = features.as_ref().map_or(0, |f| f.dims()[0]);
        let first_token = first_prefix + virtual_tokens;
        let mut index = Vec::with_capacity(batch.ids.len() * (virtual_tokens + batch.len));
        for (ids, images) in batch.ids.iter().zip(&batch.image_rows) {
            index.extend((first_prefix..first_token).map(|i| i as i32));
            let mut images = images.iter().peekable();
            for at in 0..batch.len {
                // Rows after the end are never seen by others; any token will do.
                let id = ids.get(at).or(tokens.first()).copied().unwrap_or(0);
                let row = match images.next_if(|(position, _)| *position == at) {
                    Some((_, feature)) => *feature,
                    None => first_token + tokens.partition_point(|t| *t < id),
                };
                index.push(row as i32);
            }
        }
        let n = index.len();
        let index = Tensor::from_data(TensorData::new(index, [n]), (device, DType::I32));
        let mut table: Vec<Tensor<2>> = features.into_iter().chain(self.prefix.clone()).collect();
        table.push(self.embedding.forward(&tokens, device));
        Tensor::cat(table, 0).select(0, index)
    }
}

/// Which stages hold something that learns.
struct Plan {
    patch: bool,
    vision: Vec<bool>,
    vision_norm: bool,
    connector: bool,
    assembly: bool,
    text: Vec<bool>,
}

impl Plan {
    fn of(model: &SmolVlm, learn: &BTreeSet<String>) -> Self {
        let assembly =
            Assembly { embedding: model.text().embedding().clone(), prefix: model.prefix().cloned() };
        Self {
            patch: learns(model.vision().embedding(), learn),
            vision: model.vision().blocks().iter().map(|b| learns(b, learn)).collect(),
            vision_norm: learns(model.vision().norm(), learn),
            connector: learns(model.connector(), learn),
            assembly: learns(&assembly, learn),
            text: model.text().blocks().iter().map(|b| learns(b, learn)).collect(),
        }
    }

    fn tower(&self) -> bool {
        self.patch || self.vision_norm || self.vision.contains(&true)
    }

    fn features(&self) -> bool {
        self.tower() || self.connector
    }

    /// Whether something learns beneath text block `i`.
    fn below_text(&self, i: usize) -> bool {
        self.features() || self.assembly || self.text[..i].contains(&true)
    }

    /// Whether something learns beneath vision block `i`.
    fn below_vision(&self, i: usize) -> bool {
        self.patch || self.vision[..i].contains(&true)
    }
}

/// Whether the vision features of a batch can be kept from step to step: nothing of the tower or connector learns.
#[must_use]
pub fn features_are_fixed(model: &SmolVlm, learn: &BTreeSet<String>) -> bool {
    !Plan::of(model, learn).features()
}

/// How one pass is computed.
#[derive(Clone, Copy, Debug)]
pub struct PassOptions {
    /// Computes each block a second time in the backward pass instead of keeping its intermediate results: a third
    /// more time, memory flat with depth.
    pub recompute: bool,
    /// What gradients are multiplied by against underflow in f16.
    pub loss_scale: f64,
}

/// What one pass found.
pub struct Pass {
    /// The negative log-likelihood of each label, `[labels]`, on the device.
    pub nll: Tensor<1>,
    /// The objective, a scalar on the device; `nll` summed and divided when there is nothing beside it.
    pub objective: Tensor<1>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "few of them, seldom moved; a box would be one more hop in every pass"
)]
enum Held {
    Input(Tensor<2>),
    Graph(Recorded),
}

/// One forward and backward pass over `batch`: adds the gradients of everything in `learn` to `sums`.
///
/// # Errors
/// Frames whose patches do not fit the connector.
pub fn pass(
    model: &SmolVlm,
    learn: &BTreeSet<String>,
    batch: &Batch,
    objective: &Objective<'_>,
    options: PassOptions,
    sums: &mut GradientSums,
) -> Result<Pass> {
    let plan = Plan::of(model, learn);
    let device = model.device();

    let (features, tower) = tower::forward(model, learn, &plan, &batch.frames, options)?;
    let (matched, feature_gradient) =
        objective.at_features(features.as_ref(), options.loss_scale, sums).unzip();

    // Forward: the language model.
    let text = model.text();
    let assembly = Assembly { embedding: text.embedding().clone(), prefix: model.prefix().cloned() };
    let prefix = assembly.prefix.as_ref().map_or(0, |p| p.dims()[0]);
    let len = prefix + batch.len;
    let sequences = text.sequences(batch.ids.len(), len);
    let attention = text.layout();
    let run = |b: &plumb_vlm::decoder::Block, x: Tensor<2>| {
        b.forward(x, |qkv| ops::sequence_attention(qkv, &sequences, attention))
    };
    let mut x = assembly.forward(features.clone(), batch, device);
    let mut held: Vec<Option<Held>> = Vec::new();
    let mut taps: Vec<(usize, Tensor<2>)> = Vec::new();
    for (i, block) in text.blocks().iter().enumerate() {
        let active = plan.text[i] || plan.below_text(i);
        if active && !options.recompute {
            let graph = record(block, learn, x, plan.below_text(i), run);
            x = graph.output.clone().inner();
            held.push(Some(Held::Graph(graph)));
        } else {
            held.push(active.then(|| Held::Input(x.clone())));
            x = run(block, x);
        }
        if objective.taps(i) {
            taps.push((i, x.clone()));
        }
    }

    // The head, only at the rows that predict a label.
    let rows = batch.label_rows(prefix);
    let [total, h] = x.dims();
    let index: Vec<i32> = rows.iter().map(|r| *r as i32).collect();
    let n = index.len();
    let index = Tensor::from_data(TensorData::new(index, [n]), (device, DType::I32));
    let hidden = x.select(0, index.clone());
    let through = plan.below_text(text.blocks().len());
    let mut nll = Vec::new();
    let mut objectives = Vec::new();
    let mut hidden_grads = Vec::new();
    for (first, part) in batch.targets.chunks(ROWS_AT_ONCE).enumerate() {
        let first = first * ROWS_AT_ONCE;
        let slice = hidden.clone().slice([first..first + part.len(), 0..h]);
        let graph = record(text.head(), learn, slice, through, plumb_vlm::decoder::Head::forward);
        let loss = objective.loss(&graph.output, part, first);
        nll.push(loss.nll.inner());
        objectives.push(loss.value.clone().inner());
        if loss.value.is_autodiff() && loss.value.is_tracked() {
            let gradients = (loss.value * options.loss_scale).backward();
            hidden_grads.extend(take(graph.input, graph.leaves, gradients, sums));
        }
    }
    let mut extra = objective.at_taps(&taps, options.loss_scale, sums);
    objectives.extend(extra.value.take());
    objectives.extend(matched);
    let value = objectives.into_iter().reduce(|a, b| a + b);
    let value = value.unwrap_or_else(|| Tensor::zeros([1], (device, DType::F32)));
    let nll = if nll.is_empty() { Tensor::zeros([0], (device, DType::F32)) } else { Tensor::cat(nll, 0) };
    let result = Pass { nll, objective: value };
    if !through {
        return Ok(result);
    }

    // Backward: the language model.
    let mut gradient = Tensor::<2>::zeros([total, h], (device, DType::F32));
    if !hidden_grads.is_empty() {
        let rows = Tensor::cat(hidden_grads, 0);
        gradient = gradient.select_assign(0, index, rows, burn::tensor::IndexingUpdateOp::Add);
    }
    for i in (0..text.blocks().len()).rev() {
        if let Some(more) = extra.gradients.remove(&i) {
            gradient = gradient + more;
        }
        let graph = match held[i].take() {
            None => return Ok(result),
            Some(Held::Graph(graph)) => graph,
            Some(Held::Input(input)) => record(&text.blocks()[i], learn, input, plan.below_text(i), run),
        };
        match graph.pull(gradient, sums) {
            Some(g) => gradient = g,
            None => return Ok(result),
        }
    }

    // Backward: the rows.
    if !(plan.assembly || plan.features()) {
        return Ok(result);
    }
    let wants_features = plan.features() && features.is_some();
    let place = |module: &Assembly, features: Option<Tensor<2>>| module.forward(features, batch, device);
    let graph = match features {
        Some(features) => record(&assembly, learn, features, wants_features, |m, f| place(m, Some(f))),
        None => {
            let none = Tensor::zeros([0, h], (device, DType::F32));
            record(&assembly, learn, none, false, |m, _| place(m, None))
        }
    };
    if let (Some(mut gradient), Some(tower)) = (graph.pull(gradient, sums), tower) {
        if let Some(more) = feature_gradient {
            gradient = gradient + more;
        }
        tower::backward(model, learn, &plan, tower, gradient, sums);
    }
    Ok(result)
}

/// The value of a scalar function of a module and its gradient by the input `[n, h]`; gradients of what learns go to
/// `sums`, all gradients multiplied by `scale`.
pub(crate) fn differentiate<M: Parameters + Clone>(
    module: &M,
    learn: &BTreeSet<String>,
    input: Tensor<2>,
    scale: f64,
    sums: &mut GradientSums,
    f: impl FnOnce(&M, Tensor<2>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<2>) {
    let mut module = module.clone();
    let mut leaves = Leaves { learn, taken: Vec::new() };
    module.visit(&mut leaves);
    let zero = input.zeros_like();
    let leaf = input.inner().autodiff().require_grad();
    let value = f(&module, leaf.clone());
    let gradients = (value.clone() * scale).backward();
    let gradient = take(Some(leaf), leaves.taken, gradients, sums).unwrap_or(zero);
    (value.inner(), gradient)
}

/// The image features of `batch` by `model`, `[image rows, h]`, without a graph.
///
/// # Errors
/// Frames whose patches do not fit the connector.
pub fn batch_features(model: &SmolVlm, batch: &Batch) -> Result<Option<Tensor<2>>> {
    match &batch.frames {
        Frames::None => Ok(None),
        Frames::Features(features) => Ok(Some(features.clone())),
        Frames::Pixels { pixels, frames, height, width } => {
            Ok(Some(model.image_features(pixels, *frames, *height, *width)?))
        }
    }
}

/// The logits at the labels of `batch`, `[labels, vocab]`, without a graph.
///
/// # Errors
/// As [`batch_features`].
pub fn label_logits(model: &SmolVlm, batch: &Batch) -> Result<Tensor<2>> {
    Ok(logits_after(model, batch, batch_features(model, batch)?))
}

/// As [`label_logits`] for image features that are at hand.
#[must_use]
pub fn logits_after(model: &SmolVlm, batch: &Batch, features: Option<Tensor<2>>) -> Tensor<2> {
    let device = model.device();
    let text = model.text();
    let assembly = Assembly { embedding: text.embedding().clone(), prefix: model.prefix().cloned() };
    let prefix = assembly.prefix.as_ref().map_or(0, |p| p.dims()[0]);
    let sequences = text.sequences(batch.ids.len(), prefix + batch.len);
    let x = text.forward_sequences(assembly.forward(features, batch, device), &sequences);
    let index: Vec<i32> = batch.label_rows(prefix).iter().map(|r| *r as i32).collect();
    let n = index.len();
    let index = Tensor::from_data(TensorData::new(index, [n]), (device, DType::I32));
    text.logits(x.select(0, index))
}

/// The negative log-likelihood of each label, and whether it is the likeliest token.
///
/// # Errors
/// As [`batch_features`], and a failing device.
pub async fn evaluate(model: &SmolVlm, batch: &Batch) -> Result<Vec<(f32, bool)>> {
    let logits = label_logits(model, batch)?;
    let [n, vocab] = logits.dims();
    let values = crate::learner::read(logits.reshape([n * vocab])).await?;
    let rows = values.chunks_exact(vocab.max(1)).zip(&batch.targets);
    Ok(rows
        .map(|(row, target)| {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|v| f64::from(v - top).exp()).sum();
            let own = row.get(target.token as usize).copied().unwrap_or(f32::NAN);
            let likeliest = plumb_vlm::generate::argmax(row) == target.token;
            ((f64::from(top) + sum.ln() - f64::from(own)) as f32, likeliest)
        })
        .collect())
}
