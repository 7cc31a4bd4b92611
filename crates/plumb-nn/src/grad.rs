//! Derivatives of the CPU kernels: what [`crate::ops`] records on burn's autodiff graph in place of the many small
//! operations that burn would.
//!
//! Each operation is one node: its forward pass is the kernel that inference uses, its backward pass a kernel made
//! of the same tile. The tests hold every one to the gradient that burn derives from the composed form.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::{Autodiff, BackendTypes, Flex};
use burn::tensor::{DType, Device, Tensor};

use crate::cpu::Level;
use crate::cpu::attention_grad::AttentionGrad;
use crate::cpu::backward::{self, NormGrad};
use crate::cpu::elementwise::{self, Norm};
use crate::cpu::linear::{Activation, Linear};
use crate::cpu::linear_grad::{self, InputGrad};
use crate::cpu::low_rank::{self, Branch};
use crate::mask::Visible;
use crate::ops::{self, HeadLayout, LowRank, contiguous, values, with_weight, wrap};

/// The CPU backend's own tensor.
pub(crate) type Primitive = <Flex as BackendTypes>::FloatTensorPrimitive;

/// What an operation keeps for its backward pass.
trait Saved<const N: usize>: Clone + Send + std::fmt::Debug + 'static {
    /// The gradients of the `N` inputs from that of the output; only those `wanted` are used.
    fn backward(self, grad: &[f32], wanted: [bool; N]) -> [Option<Primitive>; N];
}

#[derive(Debug)]
struct Node<S>(std::marker::PhantomData<S>);

impl<S: Saved<N>, const N: usize> Backward<Flex, N> for Node<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let out = ops.state.backward(values!(grad, f32), wanted);
        for (parent, grad) in ops.parents.into_iter().zip(out) {
            if let (Some(parent), Some(grad)) = (parent, grad) {
                grads.register::<Flex>(parent.id, grad);
            }
        }
    }
}

/// The values of a tensor and its place in the graph; a tensor outside the graph is a constant of it.
fn input<const D: usize>(tensor: Tensor<D>) -> (Primitive, NodeGuard) {
    match tensor.autodiff().try_into_primitive::<Autodiff<Flex>>() {
        Ok(tensor) => {
            let (primitive, node) = tensor.into_parts();
            (contiguous(primitive), node)
        }
        Err(_) => unreachable!("kernels() said that the tensor lives on the CPU backend"),
    }
}

fn record<S: Saved<N>, const N: usize>(nodes: [NodeGuard; N], saved: S, output: Primitive) -> Tensor<2> {
    let node =
        Node::<S>(std::marker::PhantomData).prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match node {
        OpsKind::Tracked(prep) => prep.finish(saved, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    })
}

fn flat<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Primitive {
    match wrap(values, shape, &Device::flex()).try_into_primitive::<Flex>() {
        Ok(tensor) => tensor,
        Err(_) => unreachable!("made on the CPU backend"),
    }
}

#[derive(Clone, Debug)]
struct SavedLinear {
    level: Level,
    /// Kept only where the weight learns.
    x: Option<Primitive>,
    weight: Primitive,
    dims: [usize; 3],
}

impl Saved<2> for SavedLinear {
    fn backward(self, grad: &[f32], wanted: [bool; 2]) -> [Option<Primitive>; 2] {
        let [m, k, n] = self.dims;
        let x = wanted[0].then(|| {
            let mut out = vec![0.0; m * k];
            with_weight!(self.weight, |weight| {
                InputGrad { grad, weight, branches: &[], m, k, n }.run(self.level, Some(&mut out), &mut []);
            });
            flat(out, [m, k])
        });
        let weight = match &self.x {
            Some(x) if wanted[1] => {
                let mut out = vec![0.0; n * k];
                linear_grad::weight(self.level, grad, values!(x, f32), [m, k, n], &mut out);
                Some(flat(out, [n, k]))
            }
            _ => None,
        };
        [x, weight]
    }
}

/// `x Wᵀ`, `[m, k]` and `[n, k]` → `[m, n]`; a weight that learns is f32.
pub(crate) fn linear(level: Level, x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let ([m, k], [n, _]) = (x.dims(), weight.dims());
    let learns = weight.is_autodiff() && weight.is_tracked();
    let (x, x_node) = input(x);
    let (weight, weight_node) = input(weight.clone());
    let mut out = vec![0.0; m * n];
    with_weight!(weight, |w| {
        let (x, activation) = (values!(x, f32), Activation::Identity);
        let (bias, accumulate, branches) = (None, false, &[]);
        let layer = Linear { x, weight: w, bias, activation, accumulate, branches, m, k, n };
        layer.run(level, &mut out, &mut []);
    });
    let saved = SavedLinear { level, x: learns.then_some(x), weight, dims: [m, k, n] };
    record([x_node, weight_node], saved, flat(out, [m, n]))
}

#[derive(Clone, Debug)]
struct SavedBranches {
    level: Level,
    /// Kept only where an A learns.
    x: Option<Primitive>,
    /// `x Aᵀ` of all branches side by side.
    u: Primitive,
    weight: Primitive,
    branches: Vec<HeldBranch>,
    dims: [usize; 3],
}

/// A branch with its tensors.
#[derive(Clone, Debug)]
pub(crate) struct HeldBranch {
    a: Primitive,
    b: Primitive,
    rows: std::ops::Range<usize>,
    rank: usize,
    scale: f32,
}

impl LowRank<'_> {
    /// With `a` and `b` as the CPU backend has them.
    pub(crate) fn hold(&self, a: Primitive, b: Primitive) -> HeldBranch {
        HeldBranch { a, b, rows: self.rows.clone(), rank: self.a.dims()[0], scale: self.scale as f32 }
    }
}

impl HeldBranch {
    pub(crate) fn borrow(&self) -> Branch<'_> {
        let Self { a, b, rows, rank, scale } = self;
        let (a, b) = (values!(a, f32), values!(b, f32));
        Branch { a, b, rows: rows.clone(), rank: *rank, scale: *scale }
    }
}

/// The input, then A and B of each branch.
const BRANCHED: usize = 1 + 2 * ops::MAX_BRANCHES;

impl Saved<BRANCHED> for SavedBranches {
    fn backward(self, grad: &[f32], wanted: [bool; BRANCHED]) -> [Option<Primitive>; BRANCHED] {
        let [m, k, n] = self.dims;
        let branches: Vec<Branch<'_>> = self.branches.iter().map(HeldBranch::borrow).collect();
        let ranks = low_rank::rank(&branches);
        let mut out = [const { None }; BRANCHED];
        let mut du = vec![0.0; m * ranks];
        let mut dx = wanted[0].then(|| vec![0.0; m * k]);
        with_weight!(self.weight, |weight| {
            let branches = &branches;
            InputGrad { grad, weight, branches, m, k, n }.run(self.level, dx.as_deref_mut(), &mut du);
        });
        out[0] = dx.map(|dx| flat(dx, [m, k]));
        let learns = |part: usize| wanted[1..].iter().skip(part).step_by(2).any(|wanted| *wanted);
        if let (Some(x), true) = (&self.x, learns(0)) {
            let mut da = vec![0.0; ranks * k];
            linear_grad::weight(self.level, &du, values!(x, f32), [m, k, ranks], &mut da);
            for (i, (column, branch)) in low_rank::with_columns(&branches).enumerate() {
                let rows = da[column * k..(column + branch.rank) * k].to_vec();
                out[1 + 2 * i] = wanted[1 + 2 * i].then(|| flat(rows, [branch.rank, k]));
            }
        }
        if learns(1) {
            let mut db = vec![0.0; n * ranks];
            linear_grad::weight(self.level, grad, values!(self.u, f32), [m, ranks, n], &mut db);
            for (i, (column, branch)) in low_rank::with_columns(&branches).enumerate() {
                let rows = db.chunks_exact(ranks.max(1)).skip(branch.rows.start).take(branch.rows.len());
                let own = rows.flat_map(|row| &row[column..column + branch.rank]);
                let own: Vec<f32> = own.map(|v| v * branch.scale).collect();
                out[2 + 2 * i] = wanted[2 + 2 * i].then(|| flat(own, [branch.rows.len(), branch.rank]));
            }
        }
        out
    }
}

/// `x Wᵀ + b` of a frozen layer and what low-rank branches add to it.
pub(crate) fn branched_linear(
    level: Level,
    x: Tensor<2>,
    weight: Primitive,
    bias: Option<&Primitive>,
    branches: &[LowRank<'_>],
) -> Tensor<2> {
    let [m, k] = x.dims();
    let n = weight.layout().shape()[0];
    let (x, x_node) = input(x);
    let constant = || input(Tensor::<2>::from_primitive::<Flex>(flat(Vec::new(), [0, 0]))).1;
    let mut nodes: Vec<NodeGuard> = vec![x_node];
    let mut held = Vec::with_capacity(branches.len());
    let mut a_learns = false;
    for branch in branches {
        a_learns |= branch.a.is_autodiff() && branch.a.is_tracked();
        let ((a, a_node), (b, b_node)) = (input(branch.a.clone()), input(branch.b.clone()));
        nodes.extend([a_node, b_node]);
        held.push(branch.hold(a, b));
    }
    nodes.resize_with(BRANCHED, constant);
    let Ok(nodes) = <[NodeGuard; BRANCHED]>::try_from(nodes) else { unreachable!("filled up to that many") };
    let borrowed: Vec<Branch<'_>> = held.iter().map(HeldBranch::borrow).collect();
    let ranks = low_rank::rank(&borrowed);
    let (mut out, mut u) = (vec![0.0; m * n], vec![0.0; m * ranks]);
    with_weight!(weight, |weight| {
        let (x, bias) = (values!(x, f32), bias.map(|b| values!(b, f32)));
        let (activation, accumulate, branches) = (Activation::Identity, false, &borrowed[..]);
        Linear { x, weight, bias, activation, accumulate, branches, m, k, n }.run(level, &mut out, &mut u);
    });
    let x = a_learns.then_some(x);
    let saved = SavedBranches { level, x, u: flat(u, [m, ranks]), weight, branches: held, dims: [m, k, n] };
    record(nodes, saved, flat(out, [m, n]))
}

#[derive(Clone, Debug)]
struct SavedAttention {
    level: Level,
    /// With queries and keys rotated.
    qkv: Primitive,
    layout: HeadLayout,
    len: usize,
    /// Cosines and sines of the rotation; a rotated sequence is causal.
    rotation: Option<[Primitive; 2]>,
}

impl Saved<1> for SavedAttention {
    fn backward(self, grad: &[f32], _: [bool; 1]) -> [Option<Primitive>; 1] {
        let HeadLayout { heads, kv_heads, dim } = self.layout;
        let (fused, inner, len) = (self.layout.fused(), heads * dim, self.len.max(1));
        let qkv = values!(self.qkv, f32);
        let causal = self.rotation.is_some();
        let mut out = vec![0.0; qkv.len()];
        let rotation = self.rotation.as_ref().map(|[cos, sin]| {
            let back: Vec<f32> = values!(sin, f32).iter().map(|v| -v).collect();
            (values!(cos, f32), back)
        });
        let parts = qkv.chunks(len * fused).zip(grad.chunks(len * inner)).zip(out.chunks_mut(len * fused));
        for ((qkv, grad), out) in parts {
            AttentionGrad { qkv, grad, heads, kv_heads, dim, len, causal }.run(self.level, out);
            if let Some((cos, back)) = &rotation {
                ops::rotate_rows(out, cos, back, self.layout);
            }
        }
        let rows = qkv.len() / fused.max(1);
        [Some(flat(out, [rows, fused]))]
    }
}

/// Attention within each run of `len` rows of `[q | k | v]`; with `rotation` (cosines and sines) rows are rotated by their
/// position and see themselves and those before, without it every row sees all.
pub(crate) fn attention(
    level: Level,
    qkv: Tensor<2>,
    len: usize,
    layout: HeadLayout,
    rotation: Option<(&Tensor<2>, &Tensor<2>, &[Visible])>,
) -> Tensor<2> {
    let [total, _] = qkv.dims();
    let inner = layout.heads * layout.dim;
    let (mut qkv, node) = input(qkv);
    let visible = rotation.map(|(_, _, visible)| visible);
    let rotation = rotation.map(|(cos, sin, _)| [input(cos.clone()).0, input(sin.clone()).0]);
    let angles = rotation.as_ref().map(|[cos, sin]| (values!(cos, f32), values!(sin, f32)));
    let n = total * layout.fused();
    let mut out = vec![0.0; total * inner];
    ops::attend(level, &mut qkv.storage_mut::<f32>()[..n], len, layout, angles, visible, &mut out);
    record([node], SavedAttention { level, qkv, layout, len, rotation }, flat(out, [total, inner]))
}

#[derive(Clone, Debug)]
struct SavedNorm {
    level: Level,
    x: Primitive,
    gamma: Primitive,
    centred: bool,
    eps: f32,
}

impl Saved<3> for SavedNorm {
    fn backward(self, grad: &[f32], wanted: [bool; 3]) -> [Option<Primitive>; 3] {
        let (x, gamma) = (values!(self.x, f32), values!(self.gamma, f32));
        let dim = gamma.len();
        let mut parameters = (wanted[1] || wanted[2]).then(|| (vec![0.0; dim], vec![0.0; dim]));
        let mut out = vec![0.0; x.len()];
        let norm = NormGrad { gamma, centred: self.centred, eps: self.eps, x, grad };
        norm.run(self.level, &mut out, parameters.as_mut().map(|(g, b)| (&mut g[..], &mut b[..])));
        let (gamma, beta) = parameters.unzip();
        let keep = |wanted: bool, values: Option<Vec<f32>>| {
            values.filter(|_| wanted).map(|values| flat(values, [dim]))
        };
        [
            wanted[0].then(|| flat(out, [x.len() / dim.max(1), dim])),
            keep(wanted[1], gamma),
            keep(wanted[2], beta),
        ]
    }
}

/// Layer norm where there is a `beta`, root-mean-square norm where there is none.
pub(crate) fn norm(
    level: Level,
    x: Tensor<2>,
    gamma: &Tensor<1>,
    beta: Option<&Tensor<1>>,
    eps: f64,
) -> Tensor<2> {
    let [m, d] = x.dims();
    let (x, x_node) = input(x);
    let (gamma, gamma_node) = input(gamma.clone());
    // The root-mean-square norm has no β: its γ stands in as a constant that receives nothing.
    let (beta, beta_node) = match beta {
        Some(beta) => {
            let (beta, node) = input(beta.clone());
            (Some(beta), node)
        }
        None => (None, input(Tensor::<1>::from_primitive::<Flex>(gamma.clone())).1),
    };
    let mut out = vec![0.0; m * d];
    let kind = match &beta {
        Some(beta) => Norm::Layer { gamma: values!(gamma, f32), beta: values!(beta, f32) },
        None => Norm::Rms { gamma: values!(gamma, f32) },
    };
    elementwise::normalise(level, kind, eps as f32, d, values!(x, f32), &mut out);
    let saved = SavedNorm { level, x, gamma, centred: beta.is_some(), eps: eps as f32 };
    record([x_node, gamma_node, beta_node], saved, flat(out, [m, d]))
}

#[derive(Clone, Debug)]
struct SavedGate {
    level: Level,
    gate_up: Primitive,
    dims: [usize; 2],
}

impl Saved<1> for SavedGate {
    fn backward(self, grad: &[f32], _: [bool; 1]) -> [Option<Primitive>; 1] {
        let [m, d] = self.dims;
        let mut out = vec![0.0; 2 * m * d];
        backward::swiglu(self.level, d, values!(self.gate_up, f32), grad, &mut out);
        [Some(flat(out, [m, 2 * d]))]
    }
}

/// `silu(gate) · up` of `[gate | up]`; `[m, 2 d]` → `[m, d]`.
pub(crate) fn swiglu(level: Level, gate_up: Tensor<2>) -> Tensor<2> {
    let [m, d2] = gate_up.dims();
    let (gate_up, node) = input(gate_up);
    let mut out = vec![0.0; m * d2 / 2];
    elementwise::swiglu(level, d2 / 2, values!(gate_up, f32), &mut out);
    let saved = SavedGate { level, gate_up, dims: [m, d2 / 2] };
    record([node], saved, flat(out, [m, d2 / 2]))
}

#[derive(Clone, Debug)]
struct SavedGelu {
    level: Level,
    x: Primitive,
    dims: [usize; 2],
}

impl Saved<1> for SavedGelu {
    fn backward(self, grad: &[f32], _: [bool; 1]) -> [Option<Primitive>; 1] {
        let mut out = vec![0.0; grad.len()];
        backward::gelu_tanh(self.level, values!(self.x, f32), grad, &mut out);
        [Some(flat(out, self.dims))]
    }
}

/// GELU in its tanh form.
pub(crate) fn gelu_tanh(level: Level, x: Tensor<2>) -> Tensor<2> {
    let dims = x.dims();
    let (x, node) = input(x);
    let mut out = vec![0.0; dims[0] * dims[1]];
    elementwise::gelu_tanh(level, values!(x, f32), &mut out);
    record([node], SavedGelu { level, x, dims }, flat(out, dims))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, TensorData};
    use futures_lite::future::block_on;

    use super::*;
    use crate::cpu::testing::{noise, relative};
    use crate::ops;

    fn tensor<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
        let n = shape.iter().product();
        Tensor::from_data(TensorData::new(noise(n, seed), shape), (&Device::flex(), DType::F32))
    }

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(tensor.into_data_async()).unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    /// Holds values and gradients of `ours` to those of `composed`, for inputs of the given shapes.
    fn hold<const N: usize>(
        matrices: [[usize; 2]; N],
        vectors: usize,
        ours: impl Fn(&[Tensor<2>], &[Tensor<1>]) -> Tensor<2>,
        composed: impl Fn(&[Tensor<2>], &[Tensor<1>]) -> Tensor<2>,
    ) {
        if crate::cpu::level().is_none() {
            return;
        }
        let leaves = || {
            let two: Vec<Tensor<2>> = matrices
                .iter()
                .enumerate()
                .map(|(i, s)| tensor(i as u64, *s).autodiff().require_grad())
                .collect();
            let one: Vec<Tensor<1>> = (0..vectors)
                .map(|i| tensor(50 + i as u64, [matrices[0][1]]).autodiff().require_grad())
                .collect();
            (two, one)
        };
        let run = |f: &dyn Fn(&[Tensor<2>], &[Tensor<1>]) -> Tensor<2>| {
            let (two, one) = leaves();
            let y = f(&two, &one);
            let weight = tensor(99, y.dims());
            let mut grads = (y.clone() * weight).sum().backward();
            let mut out = vec![read(y.inner())];
            out.extend(two.iter().map(|t| read(t.grad_remove(&mut grads).unwrap())));
            out.extend(one.iter().map(|t| read(t.grad_remove(&mut grads).unwrap())));
            out
        };
        for (i, (a, b)) in run(&ours).iter().zip(run(&composed)).enumerate() {
            let error = relative(a, &b);
            assert!(error < 2e-5, "{matrices:?}, part {i}: {error}");
        }
    }

    #[test]
    fn linear_has_burns_gradients() {
        for [m, k, n] in [[1, 5, 3], [20, 70, 1100], [7, 33, 20], [50, 65, 71], [129, 40, 100], [9, 200, 8]] {
            hold(
                [[m, k], [n, k]],
                0,
                |t, _| ops::linear(t[0].clone(), &t[1], None, Activation::Identity, None),
                |t, _| t[0].clone().matmul(t[1].clone().transpose()),
            );
        }
    }

    #[test]
    fn a_frozen_half_weight_passes_the_gradient_on() {
        let Some(_) = crate::cpu::level() else { return };
        let weight = tensor::<2>(3, [24, 40]).cast(DType::BF16);
        let x = tensor::<2>(4, [30, 40]).autodiff().require_grad();
        let y = ops::linear(x.clone(), &weight, None, Activation::Identity, None);
        let g = tensor::<2>(5, [30, 24]);
        let mut grads = (y * g.clone()).sum().backward();
        let expected = g.matmul(weight.cast(DType::F32));
        assert!(relative(&read(x.grad_remove(&mut grads).unwrap()), &read(expected)) < 1e-6);
    }

    #[test]
    fn branches_have_burns_gradients() {
        // Parts of other ranks, a part without a branch, rows beyond whole vectors.
        let parts: [(std::ops::Range<usize>, usize); 2] = [(0..40, 3), (90..102, 8)];
        for [m, k] in [[1, 5], [7, 33], [20, 70], [50, 65], [129, 40], [18, 200]] {
            let frozen = tensor::<2>(7, [102, k]);
            let bias = tensor::<1>(8, [102]);
            let scales = [0.5, 2.0];
            let shapes = [[m, k], [3, k], [40, 3], [8, k], [12, 8]];
            let ours = |t: &[Tensor<2>], _: &[Tensor<1>]| {
                let branches: Vec<LowRank<'_>> = (0..2)
                    .map(|i| LowRank {
                        a: &t[1 + 2 * i],
                        b: &t[2 + 2 * i],
                        scale: scales[i],
                        rows: parts[i].0.clone(),
                    })
                    .collect();
                ops::branched_linear(&t[0], &frozen, Some(&bias), &branches).unwrap()
            };
            let composed = |t: &[Tensor<2>], _: &[Tensor<1>]| {
                let x = t[0].clone();
                let branch = |i: usize| {
                    let u = x.clone().matmul(t[1 + 2 * i].clone().transpose());
                    u.matmul(t[2 + 2 * i].clone().transpose()) * scales[i]
                };
                let gap = Tensor::zeros([m, 50], (&Device::flex(), DType::F32));
                let y = x.clone().matmul(frozen.clone().transpose()) + bias.clone().unsqueeze();
                y + Tensor::cat(vec![branch(0), gap, branch(1)], 1)
            };
            hold(shapes, 0, ours, composed);
            if crate::cpu::level().is_some() {
                let plain: Vec<Tensor<2>> =
                    shapes.iter().enumerate().map(|(i, s)| tensor(i as u64, *s)).collect();
                assert!(relative(&read(ours(&plain, &[])), &read(composed(&plain, &[]))) < 1e-5, "{m} {k}");
            }
        }
    }

    #[test]
    fn attention_has_burns_gradients() {
        for (heads, kv_heads, dim, len, batch) in
            [(1, 1, 4, 1, 1), (4, 2, 8, 5, 2), (3, 1, 16, 70, 1), (2, 2, 64, 130, 1), (6, 2, 10, 33, 2)]
        {
            let layout = HeadLayout { heads, kv_heads, dim };
            let rotary = crate::Rotary::new(dim, 10_000.0);
            let sequences = ops::Sequences::new(&rotary, batch, len, &Device::flex());
            let shape = [batch * len, layout.fused()];
            hold(
                [shape],
                0,
                |t, _| ops::sequence_attention(t[0].clone(), &sequences, layout),
                |t, _| ops::composed_sequence_attention(t[0].clone(), &sequences, layout),
            );
            let layout = HeadLayout { heads, kv_heads: heads, dim };
            hold(
                [[batch * len, layout.fused()]],
                0,
                |t, _| ops::frame_attention(t[0].clone(), batch, layout),
                |t, _| ops::composed_frame_attention(&t[0], batch, layout),
            );
        }
    }

    #[test]
    fn norms_gates_and_gelu_have_burns_gradients() {
        for shape in [[1, 4], [5, 37], [40, 96]] {
            hold(
                [shape],
                1,
                |t, v| ops::rms_norm(t[0].clone(), &v[0], 1e-5),
                |t, v| ops::composed_rms_norm(t[0].clone(), &v[0], 1e-5),
            );
            hold(
                [shape],
                2,
                |t, v| ops::layer_norm(t[0].clone(), &v[0], &v[1], 1e-5),
                |t, v| ops::composed_layer_norm(t[0].clone(), &v[0], &v[1], 1e-5),
            );
            hold(
                [shape],
                0,
                |t, _| ops::gelu_tanh(t[0].clone()),
                |t, _| burn::tensor::activation::gelu_approximate(t[0].clone() * 1.0),
            );
            let [m, d] = shape;
            hold(
                [[m, 2 * d]],
                0,
                |t, _| ops::swiglu(t[0].clone()),
                move |t, _| {
                    let part = |i: usize| t[0].clone().slice([0..m, i * d..(i + 1) * d]);
                    burn::tensor::activation::silu(part(0)) * part(1)
                },
            );
        }
    }
}
