//! The auxiliary depth head: image tokens of a middle layer to log-depth, against the exact depth of rendered scenes.
//!
//! `LayerNorm → linear → s × s values per token`; loss: scale-invariant log error `mean(d²) − 0.85 mean(d)²` (Eigen et
//! al. 2014, arXiv 1406.2283) plus half the L1 norm of the finite differences of `d`, over valid pixels. The head learns with
//! the model and is not part of any file but the checkpoint.

use std::collections::BTreeSet;

use burn::tensor::{DType, Tensor, TensorData};
use plumb_nn::{Activation, Parameters, Visitor, ops};

use crate::backprop::GradientSums;
use crate::loss::Extra;

/// The head's tensors.
#[derive(Clone)]
pub struct DepthHead {
    /// `[h]`
    pub gamma: Tensor<1>,
    /// `[h]`
    pub beta: Tensor<1>,
    /// `[s², h]`
    pub weight: Tensor<2>,
    /// `[s²]`
    pub bias: Tensor<1>,
}

impl Parameters for DepthHead {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("depth_head.norm.weight", &mut self.gamma);
        visitor.tensor("depth_head.norm.bias", &mut self.beta);
        visitor.tensor("depth_head.projection.weight", &mut self.weight);
        visitor.tensor("depth_head.projection.bias", &mut self.bias);
    }
}

impl DepthHead {
    /// The names of the head's tensors.
    #[must_use]
    pub fn names() -> BTreeSet<String> {
        ["norm.weight", "norm.bias", "projection.weight", "projection.bias"]
            .map(|name| format!("depth_head.{name}"))
            .into()
    }

    /// `[tokens, h]` → log-depth `[tokens, s²]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = ops::layer_norm(x, &self.gamma, &self.beta, 1e-5);
        ops::linear(x, &self.weight, Some(&self.bias), Activation::Identity, None)
    }
}

/// The depth maps of one batch: for each the rows of its image tokens among the hidden states.
pub struct DepthTask {
    /// The text block whose output is read.
    pub block: usize,
    /// The head.
    pub head: DepthHead,
    /// Names of the head's tensors that learn.
    pub learn: BTreeSet<String>,
    /// One map per image: rows of the hidden states, tokens along x and y, and `log depth` of `(s · side)²` pixels, NaN
    /// where there is none.
    pub maps: Vec<DepthMap>,
    /// Pixels along one side of a token.
    pub pixels: usize,
    pub weight: f64,
    /// Maps of the whole optimiser step: the divisor.
    pub count: usize,
    /// Weight of the order of objects beside the depth itself.
    pub ranking: f64,
    /// By how much the farther object's log-depth is to be the greater.
    pub margin: f64,
}

/// The truth for one image.
pub struct DepthMap {
    pub rows: Vec<usize>,
    pub side: usize,
    /// Row-major, `side · pixels` square.
    pub log_depth: Vec<f32>,
    /// Objects whose order is asked about.
    pub order: Vec<Order>,
}

/// Two objects, as the pixels of their boxes among [`DepthMap::log_depth`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub near: Vec<usize>,
    pub far: Vec<usize>,
}

impl DepthTask {
    pub(crate) fn pass(
        &self,
        block: usize,
        hidden: &Tensor<2>,
        scale: f64,
        sums: &mut GradientSums,
    ) -> Extra {
        let mut extra = Extra::default();
        for map in &self.maps {
            let (value, gradient) = self.one(map, hidden, scale, sums);
            extra.value = Some(match extra.value.take() {
                Some(sum) => sum + value,
                None => value,
            });
            let sum = match extra.gradients.remove(&block) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            extra.gradients.insert(block, sum);
        }
        extra
    }

    fn one(
        &self,
        map: &DepthMap,
        hidden: &Tensor<2>,
        scale: f64,
        sums: &mut GradientSums,
    ) -> (Tensor<1>, Tensor<2>) {
        let device = hidden.device();
        let n = map.rows.len();
        let index: Vec<i32> = map.rows.iter().map(|r| *r as i32).collect();
        let index = Tensor::from_data(TensorData::new(index, [n]), (&device, DType::I32));
        let rows = hidden.clone().select(0, index.clone());
        let (side, p) = (map.side, self.pixels);
        let (value, gradient) =
            crate::backprop::differentiate(&self.head, &self.learn, rows, scale, sums, |head, x| {
                let predicted = head
                    .forward(x)
                    .reshape([side, side, p, p])
                    .permute([0, 2, 1, 3])
                    .reshape([side * p, side * p]);
                let mut loss = depth_loss(predicted.clone(), &map.log_depth);
                if self.ranking != 0.0 && !map.order.is_empty() {
                    loss = loss + ranking_loss(predicted, &map.order, self.margin) * self.ranking;
                }
                loss * (self.weight / self.count.max(1) as f64)
            });
        let whole = Tensor::<2>::zeros(hidden.dims(), (&device, DType::F32));
        (value, whole.select_assign(0, index, gradient, burn::tensor::IndexingUpdateOp::Add))
    }
}

/// `mean softplus(margin − (far − near))` over pairs of objects, each the mean of `predicted` over its pixels (Chen et al.
/// 2016, arXiv 1604.03901, where margin is 0).
///
/// # Shapes
/// - `predicted` `[rows, cols]` → `[1]`
#[must_use]
pub fn ranking_loss(predicted: Tensor<2>, order: &[Order], margin: f64) -> Tensor<1> {
    let [rows, cols] = predicted.dims();
    let (n, pairs) = (rows * cols, order.len());
    let device = predicted.device().without_autodiff();
    let mut difference = vec![0f32; pairs * n];
    for (row, pair) in difference.chunks_exact_mut(n.max(1)).zip(order) {
        for (cells, sign) in [(&pair.far, 1.0), (&pair.near, -1.0)] {
            for cell in cells {
                if let Some(weight) = row.get_mut(*cell) {
                    *weight += sign / cells.len() as f32;
                }
            }
        }
    }
    let difference = Tensor::<2>::from_data(TensorData::new(difference, [pairs, n]), (&device, DType::F32));
    let farther = (difference * predicted.reshape([1, n])).sum_dim(1);
    crate::loss::softplus(-farther + margin).sum() / pairs.max(1) as f64
}

/// `mean(d²) − 0.85 mean(d)² + 0.5 mean|∇d|` with `d = predicted − truth` over the pixels whose truth is finite;
/// neighbours count where both are.
///
/// # Shapes
/// - `predicted` `[rows, cols]`, `truth` row-major of the same size → `[1]`
#[must_use]
pub fn depth_loss(predicted: Tensor<2>, truth: &[f32]) -> Tensor<1> {
    let [rows, cols] = predicted.dims();
    let device = predicted.device().without_autodiff();
    let tensor = |values: Vec<f32>, shape: [usize; 2]| {
        Tensor::<2>::from_data(TensorData::new(values, shape), (&device, DType::F32))
    };
    let valid = |i: usize| truth.get(i).is_some_and(|v| v.is_finite());
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    let n = rows * cols;
    let mask: Vec<f32> = (0..n).map(|i| flag(valid(i))).collect();
    let count = f64::from(mask.iter().sum::<f32>()).max(1.0);
    let target: Vec<f32> = (0..n).map(|i| if valid(i) { truth[i] } else { 0.0 }).collect();
    let d = (predicted - tensor(target, [rows, cols])) * tensor(mask, [rows, cols]);
    let mean = d.clone().sum() / count;
    let error = d.clone().square().sum() / count - mean.square() * 0.85;
    let difference = |along_x: bool| {
        let (r, c) = if along_x { (rows, cols.saturating_sub(1)) } else { (rows.saturating_sub(1), cols) };
        let step = if along_x { 1 } else { cols };
        let both: Vec<f32> = (0..r)
            .flat_map(|y| (0..c).map(move |x| y * cols + x))
            .map(|i| flag(valid(i) && valid(i + step)))
            .collect();
        let pairs = f64::from(both.iter().sum::<f32>());
        let (dy, dx) = (usize::from(!along_x), usize::from(along_x));
        let next = d.clone().slice([dy..dy + r, dx..dx + c]);
        let here = d.clone().slice([0..r, 0..c]);
        (((next - here).abs() * tensor(both, [r, c])).sum(), pairs)
    };
    let (x, nx) = difference(true);
    let (y, ny) = difference(false);
    error + (x + y) * (0.5 / (nx + ny).max(1.0))
}
