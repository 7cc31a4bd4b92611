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

use crate::cpu::backward::{self, NormGrad};
use crate::cpu::elementwise::{self, Norm};
use crate::cpu::linear::{Activation, Linear};
use crate::cpu::{Level, linear_grad};
use crate::ops::{contiguous, values, with_weight, wrap};

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
            with_weight!(self.weight, |w| linear_grad::input(self.level, grad, w, [m, k, n], &mut out));
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
        Linear { x, weight: w, bias: None, activation, accumulate: false, m, k, n }.run(level, &mut out);
    });
    let saved = SavedLinear { level, x: learns.then_some(x), weight, dims: [m, k, n] };
    record([x_node, weight_node], saved, flat(out, [m, n]))
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
