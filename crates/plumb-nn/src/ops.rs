//! The operations that have a kernel of ours on the CPU and burn's operations everywhere else.
//!
//! All activations are f32 matrices `[rows, features]`. A call takes the kernel when its tensors live on the CPU
//! backend and the processor has the instructions; otherwise it composes burn operations. Where a tensor takes part
//! in autodiff, the kernel is recorded with its own derivative ([`crate::grad`]). The two ways are held to each other
//! in the tests, and to transformers by the parity tests.

use std::ops::Range;

use burn::backend::Flex;
use burn::tensor::activation::{gelu_approximate, silu, softmax};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

use crate::cpu::attention::{Attention, Heads};
use crate::cpu::elementwise::{self, Norm};
use crate::cpu::linear::Linear;
use crate::cpu::low_rank::{self, Branch};
use crate::cpu::{self, Activation, Level};
use crate::grad::{self, Primitive};
use crate::mask::Visible;
use crate::rotary::Rotary;

/// The level of the CPU kernels for tensors on `device`, or `None` where burn's operations are used.
#[must_use]
pub fn kernels(device: &Device) -> Option<Level> {
    if device.is_autodiff() || *device != Device::flex() { None } else { cpu::level() }
}

/// The level of the CPU kernels where an input takes part in autodiff on the CPU.
fn recorded(inputs: &[&Device]) -> Option<Level> {
    let device = inputs.iter().find(|device| device.is_autodiff())?;
    kernels(&(*device).clone().without_autodiff())
}

/// The tensor with its elements one after the other from the start of its storage.
pub(crate) fn contiguous(tensor: Primitive) -> Primitive {
    if tensor.is_contiguous() && tensor.layout().start_offset() == 0 {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The CPU backend's own tensor, contiguous.
macro_rules! primitive {
    ($tensor:expr) => {
        match $tensor.try_into_primitive::<Flex>() {
            Ok(tensor) => contiguous(tensor),
            Err(_) => unreachable!("kernels() said that the tensor lives on the CPU backend"),
        }
    };
}

/// The values of a contiguous CPU tensor.
macro_rules! values {
    ($tensor:expr, $type:ty) => {{
        let n = $tensor.layout().num_elements();
        &$tensor.storage::<$type>()[..n]
    }};
}
pub(crate) use values;

/// Runs the body with the values of a weight in the type that it is held in.
macro_rules! with_weight {
    ($weight:expr, |$w:ident| $body:expr) => {
        match $weight.dtype() {
            DType::F16 => {
                let $w = values!($weight, half::f16);
                $body
            }
            DType::BF16 => {
                let $w = values!($weight, half::bf16);
                $body
            }
            _ => {
                let $w = values!($weight, f32);
                $body
            }
        }
    };
}
pub(crate) use with_weight;

pub(crate) fn wrap<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// `act(x Wᵀ + b) [+ residual]`
///
/// # Shapes
/// - `x` `[m, k]` f32, `weight` `[n, k]` f32, f16 or bf16, `bias` `[n]` f32, `residual` `[m, n]` f32 → `[m, n]` f32
pub fn linear(
    x: Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    activation: Activation,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let device = weight.device();
    let [n, k] = weight.dims();
    let [m, _] = x.dims();
    if let Some(level) = recorded(&[&x.device(), &device]) {
        let y = grad::linear(level, x, weight);
        return finish(y, bias, activation, residual);
    }
    let Some(level) = kernels(&device).filter(|_| !x.is_autodiff()) else {
        return composed_linear(x, weight, bias, activation, residual);
    };
    let x = primitive!(x);
    let weight = primitive!(weight.clone());
    let bias = bias.map(|b| primitive!(b.clone()));
    let accumulate = residual.is_some();
    // A residual that nobody else holds is summed into in place.
    let mut out = primitive!(residual.unwrap_or_else(|| wrap(vec![0.0; m * n], [m, n], &device)));
    let bias = bias.as_ref().map(|b| values!(b, f32));
    let x = values!(x, f32);
    with_weight!(weight, |weight| {
        let branches = &[];
        Linear { x, weight, bias, activation, accumulate, branches, m, k, n }.run(
            level,
            &mut out.storage_mut::<f32>()[..m * n],
            &mut [],
        );
    });
    Tensor::from_primitive::<Flex>(out)
}

/// A low-rank branch `s (x Aᵀ) Bᵀ` on some outputs of a linear layer.
pub(crate) struct LowRank<'a> {
    /// `[rank, k]`
    pub(crate) a: &'a Tensor<2>,
    /// `[rows, rank]`
    pub(crate) b: &'a Tensor<2>,
    pub(crate) scale: f64,
    pub(crate) rows: Range<usize>,
}

/// Most branches that [`branched_linear`] takes: queries, keys and values.
pub(crate) const MAX_BRANCHES: usize = 3;

/// `x Wᵀ + b` and the branches in one product, or `None` where there is no kernel for that.
///
/// # Shapes
/// - `x` `[m, k]`, `weight` `[n, k]` frozen, `bias` `[n]` → `[m, n]`
pub(crate) fn branched_linear(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    branches: &[LowRank<'_>],
) -> Option<Tensor<2>> {
    let device = weight.device();
    let fits = |branch: &LowRank<'_>| [branch.a, branch.b].iter().all(|t| t.dtype() == DType::F32);
    let frozen = !weight.is_autodiff() && bias.is_none_or(|bias| !bias.is_autodiff());
    if branches.len() > MAX_BRANCHES || !branches.iter().all(fits) || !frozen {
        return None;
    }
    let level = kernels(&device)?;
    let weight = primitive!(weight.clone());
    let bias = bias.map(|b| primitive!(b.clone()));
    if x.is_autodiff() || branches.iter().any(|branch| branch.a.is_autodiff() || branch.b.is_autodiff()) {
        return Some(grad::branched_linear(level, x.clone(), weight, bias.as_ref(), branches));
    }
    let ([m, k], n) = (x.dims(), weight.layout().shape()[0]);
    let x = primitive!(x.clone());
    let held: Vec<_> =
        branches.iter().map(|b| b.hold(primitive!(b.a.clone()), primitive!(b.b.clone()))).collect();
    let branches: Vec<Branch<'_>> = held.iter().map(grad::HeldBranch::borrow).collect();
    let mut out = vec![0.0; m * n];
    let mut inner = vec![0.0; m * low_rank::rank(&branches)];
    with_weight!(weight, |weight| {
        let (x, bias) = (values!(x, f32), bias.as_ref().map(|b| values!(b, f32)));
        let (activation, accumulate, branches) = (Activation::Identity, false, &branches[..]);
        Linear { x, weight, bias, activation, accumulate, branches, m, k, n }
            .run(level, &mut out, &mut inner);
    });
    Some(wrap(out, [m, n], &device))
}

fn composed_linear(
    x: Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    activation: Activation,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let dtype = weight.dtype();
    let y = if dtype == DType::F32 {
        x.matmul(weight.clone().transpose())
    } else {
        // Element types do not promote; the product sums in f32 and is rounded once.
        x.cast(dtype).matmul(weight.clone().transpose()).cast(FloatDType::F32)
    };
    finish(y, bias, activation, residual)
}

fn finish(
    y: Tensor<2>,
    bias: Option<&Tensor<1>>,
    activation: Activation,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let y = match bias {
        Some(b) => y + b.clone().unsqueeze(),
        None => y,
    };
    let y = match activation {
        Activation::Identity => y,
        Activation::GeluTanh => gelu_tanh(y),
    };
    match residual {
        Some(r) => r + y,
        None => y,
    }
}

/// GELU in its tanh form; any rows and columns.
pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    if let Some(level) = recorded(&[&device]) {
        return grad::gelu_tanh(level, x);
    }
    if let Some(level) = kernels(&device) {
        let shape = x.dims();
        let x = primitive!(x);
        let mut out = vec![0.0; shape[0] * shape[1]];
        elementwise::gelu_tanh(level, values!(x, f32), &mut out);
        return wrap(out, shape, &device);
    }
    gelu_approximate(x)
}

/// `(x − mean) / √(var + ε) · γ + β` over the last axis; `x` `[m, d]`.
pub fn layer_norm(x: Tensor<2>, gamma: &Tensor<1>, beta: &Tensor<1>, eps: f64) -> Tensor<2> {
    let device = x.device();
    if let Some(level) = recorded(&[&device, &gamma.device(), &beta.device()]) {
        return grad::norm(level, x, gamma, Some(beta), eps);
    }
    if let Some(level) = kernels(&device) {
        let gamma = primitive!(gamma.clone());
        let beta = primitive!(beta.clone());
        let norm = Norm::Layer { gamma: values!(gamma, f32), beta: values!(beta, f32) };
        return kernel_norm(level, x, norm, eps, &device);
    }
    composed_layer_norm(x, gamma, beta, eps)
}

pub(crate) fn composed_layer_norm(x: Tensor<2>, gamma: &Tensor<1>, beta: &Tensor<1>, eps: f64) -> Tensor<2> {
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let var = centred.clone().square().mean_dim(1);
    centred / (var + eps).sqrt() * gamma.clone().unsqueeze() + beta.clone().unsqueeze()
}

/// `x / √(mean(x²) + ε) · γ` over the last axis; `x` `[m, d]`.
pub fn rms_norm(x: Tensor<2>, gamma: &Tensor<1>, eps: f64) -> Tensor<2> {
    let device = x.device();
    if let Some(level) = recorded(&[&device, &gamma.device()]) {
        return grad::norm(level, x, gamma, None, eps);
    }
    if let Some(level) = kernels(&device) {
        let gamma = primitive!(gamma.clone());
        return kernel_norm(level, x, Norm::Rms { gamma: values!(gamma, f32) }, eps, &device);
    }
    composed_rms_norm(x, gamma, eps)
}

pub(crate) fn composed_rms_norm(x: Tensor<2>, gamma: &Tensor<1>, eps: f64) -> Tensor<2> {
    let mean = x.clone().square().mean_dim(1);
    x / (mean + eps).sqrt() * gamma.clone().unsqueeze()
}

fn kernel_norm(level: Level, x: Tensor<2>, norm: Norm<'_>, eps: f64, device: &Device) -> Tensor<2> {
    let [m, d] = x.dims();
    let x = primitive!(x);
    let mut out = vec![0.0; m * d];
    elementwise::normalise(level, norm, eps as f32, d, values!(x, f32), &mut out);
    wrap(out, [m, d], device)
}

/// `silu(gate) · up` of `[gate | up]`; `[m, 2 d]` → `[m, d]`.
pub fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let device = gate_up.device();
    let [m, d2] = gate_up.dims();
    let d = d2 / 2;
    if let Some(level) = recorded(&[&device]) {
        return grad::swiglu(level, gate_up);
    }
    if let Some(level) = kernels(&device) {
        let x = primitive!(gate_up);
        let mut out = vec![0.0; m * d];
        elementwise::swiglu(level, d, values!(x, f32), &mut out);
        return wrap(out, [m, d], &device);
    }
    let gate = gate_up.clone().slice([0..m, 0..d]);
    silu(gate) * gate_up.slice([0..m, d..d2])
}

/// The head layout of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLayout {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Features per head.
    pub dim: usize,
}

impl HeadLayout {
    /// Columns of the fused projection `[q | k | v]`.
    #[must_use]
    pub fn fused(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.dim
    }
}

/// Attention of every row to every row of the same frame (a vision tower).
///
/// # Shapes
/// - `qkv` `[frames · rows, 3 · heads · dim]` → `[frames · rows, heads · dim]`; scale `1 / √dim`
pub fn frame_attention(qkv: Tensor<2>, frames: usize, layout: HeadLayout) -> Tensor<2> {
    let device = qkv.device();
    let HeadLayout { heads, dim, .. } = layout;
    let [total, fused] = qkv.dims();
    let rows = total / frames.max(1);
    let inner = heads * dim;
    if let Some(level) = recorded(&[&device]) {
        return grad::attention(level, qkv, rows, layout, None);
    }
    if let Some(level) = kernels(&device) {
        let mut qkv = primitive!(qkv);
        let mut out = vec![0.0; total * inner];
        let data = &mut qkv.storage_mut::<f32>()[..total * fused];
        attend(level, data, rows, layout, None, None, &mut out);
        return wrap(out, [total, inner], &device);
    }
    composed_frame_attention(&qkv, frames, layout)
}

pub(crate) fn composed_frame_attention(qkv: &Tensor<2>, frames: usize, layout: HeadLayout) -> Tensor<2> {
    let HeadLayout { heads, dim, .. } = layout;
    let [total, _] = qkv.dims();
    let (rows, inner) = (total / frames.max(1), heads * dim);
    let part = |i: usize| {
        qkv.clone()
            .slice([0..total, i * inner..(i + 1) * inner])
            .reshape([frames, rows, heads, dim])
            .swap_dims(1, 2)
    };
    let scores = (part(0) * (1.0 / (dim as f64).sqrt())).matmul(part(1).transpose());
    softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([total, inner])
}

/// Sequences of one padded length that begin at position 0, their rows one sequence after the other.
///
/// Padding stands at the end: a causal row never sees it, and its own output is not read.
pub struct Sequences {
    /// How many.
    pub batch: usize,
    /// Rows of each.
    pub len: usize,
    cos: Tensor<2>,
    sin: Tensor<2>,
    visible: Vec<Visible>,
}

impl Sequences {
    /// `batch` sequences of `len` rows on `device`.
    #[must_use]
    pub fn new(rotary: &Rotary, batch: usize, len: usize, device: &Device) -> Self {
        let positions: Vec<usize> = (0..len).collect();
        let (cos, sin) = rotary.at(&positions, device);
        Self { batch, len, cos, sin, visible: (0..len).map(|i| Visible::first(i + 1)).collect() }
    }
}

/// Causal attention within each of several sequences, positions by rotation.
///
/// # Shapes
/// - `qkv` `[batch · len, (heads + 2 kv_heads) · dim]` → `[batch · len, heads · dim]`
pub fn sequence_attention(qkv: Tensor<2>, sequences: &Sequences, layout: HeadLayout) -> Tensor<2> {
    let device = qkv.device();
    let HeadLayout { heads, dim, .. } = layout;
    let &Sequences { batch, len, .. } = sequences;
    let fused = layout.fused();
    if let Some(level) = recorded(&[&device]) {
        let rotation = (&sequences.cos, &sequences.sin, &sequences.visible[..]);
        return grad::attention(level, qkv, len, layout, Some(rotation));
    }
    if let Some(level) = kernels(&device) {
        let mut qkv = primitive!(qkv);
        let (cos, sin) = (primitive!(sequences.cos.clone()), primitive!(sequences.sin.clone()));
        let angles = Some((values!(cos, f32), values!(sin, f32)));
        let data = &mut qkv.storage_mut::<f32>()[..batch * len * fused];
        let mut out = vec![0.0; batch * len * heads * dim];
        attend(level, data, len, layout, angles, Some(&sequences.visible), &mut out);
        return wrap(out, [batch * len, heads * dim], &device);
    }
    composed_sequence_attention(qkv, sequences, layout)
}

pub(crate) fn composed_sequence_attention(
    qkv: Tensor<2>,
    sequences: &Sequences,
    layout: HeadLayout,
) -> Tensor<2> {
    let device = qkv.device();
    let HeadLayout { heads, kv_heads, dim } = layout;
    let &Sequences { batch, len, .. } = sequences;
    let (all, group) = (heads + kv_heads, heads / kv_heads);
    let qkv = qkv.reshape([batch, len, all + kv_heads, dim]);
    let low = qkv.clone().slice([0..batch, 0..len, 0..all, 0..dim / 2]);
    let high = qkv.clone().slice([0..batch, 0..len, 0..all, dim / 2..dim]);
    let cos = sequences.cos.clone().reshape([1, len, 1, dim / 2]);
    let sin = sequences.sin.clone().reshape([1, len, 1, dim / 2]);
    let rotated =
        Tensor::cat(vec![low.clone() * cos.clone() - high.clone() * sin.clone(), high * cos + low * sin], 3);
    let q = rotated
        .clone()
        .slice([0..batch, 0..len, 0..heads, 0..dim])
        .reshape([batch, len, kv_heads, group, dim])
        .permute([0, 2, 3, 1, 4])
        .reshape([batch * kv_heads, group * len, dim]);
    let keys = |x: Tensor<4>, first: usize| {
        x.slice([0..batch, 0..len, first..first + kv_heads, 0..dim]).swap_dims(1, 2).reshape([
            batch * kv_heads,
            len,
            dim,
        ])
    };
    let (k, v) = (keys(rotated, heads), keys(qkv, all));
    let bias: Vec<f32> = sequences
        .visible
        .iter()
        .flat_map(|row| (0..len).map(|key| if row.sees(key) { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    let plain = device.without_autodiff();
    let bias = Tensor::<4>::from_data(TensorData::new(bias, [1, 1, len, len]), (&plain, DType::F32));
    let scores = (q * (1.0 / (dim as f64).sqrt())).matmul(k.transpose());
    let scores = scores.reshape([batch * kv_heads, group, len, len]) + bias;
    softmax(scores, 3)
        .reshape([batch * kv_heads, group * len, len])
        .matmul(v)
        .reshape([batch, kv_heads, group, len, dim])
        .permute([0, 3, 1, 2, 4])
        .reshape([batch * len, heads * dim])
}

/// Attention within each run of `len` rows of `[q | k | v]`, whose queries and keys are rotated in place first where there
/// are `angles` (cosines and sines); `out` `[rows, heads · dim]`.
pub(crate) fn attend(
    level: Level,
    qkv: &mut [f32],
    len: usize,
    layout: HeadLayout,
    angles: Option<(&[f32], &[f32])>,
    visible: Option<&[Visible]>,
    out: &mut [f32],
) {
    let HeadLayout { heads, kv_heads, dim } = layout;
    let (fused, inner) = (layout.fused(), heads * dim);
    let len = len.max(1);
    for (data, out) in qkv.chunks_mut(len * fused).zip(out.chunks_mut(len * inner)) {
        if let Some((cos, sin)) = angles {
            rotate_rows(data, cos, sin, layout);
        }
        let part = |offset| Heads { data, offset, head: dim, row: fused };
        let (q, k, v) = (part(0), part(inner), part(inner + kv_heads * dim));
        Attention { q, k, v, heads, kv_heads, dim, m: len, len, visible }.run(level, out);
    }
}

/// Rotates the queries and keys of rows of `[q | k | v]` in place; `cos` and `sin` have one line a row.
pub(crate) fn rotate_rows(data: &mut [f32], cos: &[f32], sin: &[f32], layout: HeadLayout) {
    let HeadLayout { heads, kv_heads, dim } = layout;
    for (row, (cos, sin)) in data.chunks_mut(layout.fused()).zip(cos.chunks(dim / 2).zip(sin.chunks(dim / 2)))
    {
        for head in row[..(heads + kv_heads) * dim].chunks_mut(dim) {
            let (low, high) = head.split_at_mut(dim / 2);
            for (((a, b), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

/// Attention of new rows to a cache that already holds their keys and values.
///
/// # Shapes
/// - `q` `[m, ≥ heads · dim]` (its first columns are the queries), `k`, `v` `[kv_heads, capacity, dim]`,
///   `visible` one line per row, `bias` `[m, len]` the same as additive numbers (needed off the CPU kernels)
///   → `[m, heads · dim]`
pub(crate) fn cached_attention(
    q: Tensor<2>,
    k: &Tensor<3>,
    v: &Tensor<3>,
    layout: HeadLayout,
    visible: &[Visible],
    bias: Option<&Tensor<2>>,
) -> Tensor<2> {
    let device = q.device();
    let HeadLayout { heads, kv_heads, dim } = layout;
    let [m, columns] = q.dims();
    let [_, capacity, _] = k.dims();
    if let Some(level) = kernels(&device) {
        let (q, k, v) = (primitive!(q), primitive!(k.clone()), primitive!(v.clone()));
        let mut out = vec![0.0; m * heads * dim];
        let cache = |data| Heads { data, offset: 0, head: capacity * dim, row: dim };
        Attention {
            q: Heads { data: values!(q, f32), offset: 0, head: dim, row: columns },
            k: cache(values!(k, f32)),
            v: cache(values!(v, f32)),
            heads,
            kv_heads,
            dim,
            m,
            len: visible.iter().map(Visible::end).max().unwrap_or(0),
            visible: Some(visible),
        }
        .run(level, &mut out);
        return wrap(out, [m, heads * dim], &device);
    }
    let group = heads / kv_heads;
    let q = q
        .slice([0..m, 0..heads * dim])
        .reshape([m, kv_heads, group, dim])
        .permute([1, 2, 0, 3])
        .reshape([kv_heads, group * m, dim]);
    let len = bias.map_or(capacity, |b| b.dims()[1]);
    let k = k.clone().slice([0..kv_heads, 0..len, 0..dim]);
    let v = v.clone().slice([0..kv_heads, 0..len, 0..dim]);
    let scores = (q * (1.0 / (dim as f64).sqrt())).matmul(k.transpose());
    let scores = match bias {
        Some(bias) => {
            let bias = bias.clone().reshape([1, 1, m, len]);
            (scores.reshape([kv_heads, group, m, len]) + bias).reshape([kv_heads, group * m, len])
        }
        None => scores,
    };
    softmax(scores, 2)
        .matmul(v)
        .reshape([kv_heads, group, m, dim])
        .permute([2, 0, 1, 3])
        .reshape([m, heads * dim])
}

/// Writes rotated keys and the values of `qkv` into the cache at `at..at + m` and returns the rotated queries,
/// `[m, heads · dim]` (or `qkv` itself with its query columns rotated).
///
/// Rotation is half-split: `(x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin)` with the halves of each head.
///
/// # Shapes
/// - `qkv` `[m, (heads + 2 kv_heads) · dim]`, `cos`, `sin` `[m, dim / 2]`, `k`, `v` `[kv_heads, capacity, dim]`
pub(crate) fn rotate_and_store(
    qkv: Tensor<2>,
    cos: &Tensor<2>,
    sin: &Tensor<2>,
    k: &mut Tensor<3>,
    v: &mut Tensor<3>,
    at: usize,
    layout: HeadLayout,
) -> Tensor<2> {
    let device = qkv.device();
    let HeadLayout { heads, kv_heads, dim } = layout;
    let [m, fused] = qkv.dims();
    let [_, capacity, _] = k.dims();
    if kernels(&device).is_some() {
        let mut qkv = primitive!(qkv);
        let (cos, sin) = (primitive!(cos.clone()), primitive!(sin.clone()));
        let (cos, sin) = (values!(cos, f32), values!(sin, f32));
        let data = &mut qkv.storage_mut::<f32>()[..m * fused];
        rotate_rows(data, cos, sin, layout);
        let data = &*data;
        for (cache, first) in [(k, heads * dim), (v, (heads + kv_heads) * dim)] {
            cache.inplace(|tensor| {
                let mut tensor = primitive!(tensor);
                let store = tensor.storage_mut::<f32>();
                for (head, rows) in store.chunks_mut(capacity * dim).take(kv_heads).enumerate() {
                    for (row, dst) in data.chunks(fused).zip(rows[at * dim..].chunks_mut(dim)) {
                        dst.copy_from_slice(&row[first + head * dim..first + (head + 1) * dim]);
                    }
                }
                Tensor::from_primitive::<Flex>(tensor)
            });
        }
        return Tensor::from_primitive::<Flex>(qkv);
    }
    let rotated = qkv.clone().slice([0..m, 0..(heads + kv_heads) * dim]).reshape([m, heads + kv_heads, dim]);
    let all = heads + kv_heads;
    let low = rotated.clone().slice([0..m, 0..all, 0..dim / 2]);
    let high = rotated.slice([0..m, 0..all, dim / 2..dim]);
    let cos = cos.clone().unsqueeze_dim::<3>(1);
    let sin = sin.clone().unsqueeze_dim::<3>(1);
    let rotated =
        Tensor::cat(vec![low.clone() * cos.clone() - high.clone() * sin.clone(), high * cos + low * sin], 2);
    let new_k = rotated.clone().slice([0..m, heads..all, 0..dim]).swap_dims(0, 1);
    let new_v = qkv.slice([0..m, all * dim..fused]).reshape([m, kv_heads, dim]).swap_dims(0, 1);
    k.inplace(|k| k.slice_assign([0..kv_heads, at..at + m, 0..dim], new_k));
    v.inplace(|v| v.slice_assign([0..kv_heads, at..at + m, 0..dim], new_v));
    rotated.slice([0..m, 0..heads, 0..dim]).reshape([m, heads * dim])
}
