//! Derivatives of norms and activations on the CPU.

use rayon::prelude::*;

use super::scratch::SendPtr;
use super::simd::{Kernel, Level, Simd, dispatch};

/// Rows that one task takes. The sums over rows are made per task and then in order of the tasks, so that they do not
/// depend on how many threads there are.
const ROWS: usize = 64;

/// The derivative of a layer norm (`centred`) or a root-mean-square norm, rows of `gamma.len()` floats.
pub(crate) struct NormGrad<'a> {
    pub(crate) gamma: &'a [f32],
    pub(crate) centred: bool,
    pub(crate) eps: f32,
    pub(crate) x: &'a [f32],
    pub(crate) grad: &'a [f32],
}

impl NormGrad<'_> {
    /// `∂x` into `out`; `∂γ` and `∂β` into `parameters`, which hold zeros.
    ///
    /// With `x̂ = (x − mean) / σ` and `ĝ = g γ`: `∂x = (ĝ − [mean(ĝ)] − x̂ mean(ĝ x̂)) / σ`, the bracket only where
    /// the mean was taken off.
    ///
    /// # Panics
    /// When a slice does not have the stated size: a bug of the caller.
    pub(crate) fn run(&self, level: Level, out: &mut [f32], parameters: Option<(&mut [f32], &mut [f32])>) {
        let dim = self.gamma.len();
        assert_eq!(self.x.len(), self.grad.len(), "norm backward: gradient size");
        assert_eq!(self.x.len(), out.len(), "norm backward: output size");
        if out.is_empty() {
            return;
        }
        assert!(self.x.len().is_multiple_of(dim), "norm backward: whole rows");
        let tasks = self.x.len().div_ceil(ROWS * dim);
        let mut sums = vec![0.0; if parameters.is_some() { tasks * 2 * dim } else { 0 }];
        let base = parameters.is_some().then_some(SendPtr(sums.as_mut_ptr()));
        out.par_chunks_mut(ROWS * dim).enumerate().for_each(|(t, out)| {
            // SAFETY: each task has its own `2 · dim` floats of `sums`.
            let sums = base
                .as_ref()
                .map(|base| unsafe { std::slice::from_raw_parts_mut(base.get().add(t * 2 * dim), 2 * dim) });
            // SAFETY: the level was detected; sizes were asserted.
            unsafe { dispatch(level, NormTask { norm: self, first: t * ROWS, out, sums }) }
        });
        if let Some((gamma, beta)) = parameters {
            for task in sums.chunks_exact(2 * dim) {
                for (to, from) in gamma.iter_mut().zip(&task[..dim]) {
                    *to += from;
                }
                for (to, from) in beta.iter_mut().zip(&task[dim..]) {
                    *to += from;
                }
            }
        }
    }
}

struct NormTask<'a, 'b> {
    norm: &'a NormGrad<'a>,
    first: usize,
    out: &'b mut [f32],
    sums: Option<&'b mut [f32]>,
}

impl Kernel for NormTask<'_, '_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let NormGrad { gamma, centred, eps, x, grad } = *self.norm;
        let dim = gamma.len();
        let n = dim as f32;
        let whole = dim / S::LANES * S::LANES;
        for (i, out) in self.out.chunks_exact_mut(dim).enumerate() {
            let row = (self.first + i) * dim..(self.first + i + 1) * dim;
            let (x, grad) = (&x[row.clone()], &grad[row]);
            unsafe {
                let mean = if centred { row_sum::<S>(x) / n } else { 0.0 };
                let centre = S::splat(mean);
                let (mut squares, mut sum_g, mut dots) = (S::splat(0.0), S::splat(0.0), S::splat(0.0));
                for i in (0..whole).step_by(S::LANES) {
                    let d = S::sub(S::load(x.as_ptr().add(i)), centre);
                    let g = S::mul(S::load(grad.as_ptr().add(i)), S::load(gamma.as_ptr().add(i)));
                    squares = S::fma(d, d, squares);
                    sum_g = S::add(sum_g, g);
                    dots = S::fma(g, d, dots);
                }
                let (mut squares, mut sum_g, mut dots) = (S::sum(squares), S::sum(sum_g), S::sum(dots));
                for i in whole..dim {
                    let (d, g) = (x[i] - mean, grad[i] * gamma[i]);
                    squares += d * d;
                    sum_g += g;
                    dots += g * d;
                }
                let inverse = 1.0 / (squares / n + eps).sqrt();
                let mean_g = if centred { sum_g / n } else { 0.0 };
                let along = dots / n * inverse * inverse;
                for i in (0..whole).step_by(S::LANES) {
                    let d = S::sub(S::load(x.as_ptr().add(i)), centre);
                    let g = S::mul(S::load(grad.as_ptr().add(i)), S::load(gamma.as_ptr().add(i)));
                    let y = S::sub(S::sub(g, S::splat(mean_g)), S::mul(d, S::splat(along)));
                    S::store(out.as_mut_ptr().add(i), S::mul(y, S::splat(inverse)));
                }
                for i in whole..dim {
                    out[i] = (grad[i] * gamma[i] - mean_g - (x[i] - mean) * along) * inverse;
                }
                if let Some(sums) = &mut self.sums {
                    let (gamma, beta) = sums.split_at_mut(dim);
                    for i in (0..whole).step_by(S::LANES) {
                        let g = S::load(grad.as_ptr().add(i));
                        let d = S::sub(S::load(x.as_ptr().add(i)), centre);
                        let at = gamma.as_mut_ptr().add(i);
                        S::store(at, S::fma(g, S::mul(d, S::splat(inverse)), S::load(at)));
                        let at = beta.as_mut_ptr().add(i);
                        S::store(at, S::add(g, S::load(at)));
                    }
                    for i in whole..dim {
                        gamma[i] += grad[i] * (x[i] - mean) * inverse;
                        beta[i] += grad[i];
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn row_sum<S: Simd>(x: &[f32]) -> f32 {
    let whole = x.len() / S::LANES * S::LANES;
    unsafe {
        let mut acc = S::splat(0.0);
        for i in (0..whole).step_by(S::LANES) {
            acc = S::add(acc, S::load(x.as_ptr().add(i)));
        }
        S::sum(acc) + x[whole..].iter().sum::<f32>()
    }
}

/// `1 / (1 + e^(−x))`
#[inline(always)]
unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // `gate(x, y)` is `x · sigmoid(y)`.
    unsafe { S::gate(S::splat(1.0), x) }
}

/// The derivative of `silu(gate) · up`: rows of `[gate | up]` (`dim` floats each) and gradients of `dim` into rows of
/// `2 · dim`.
pub(crate) fn swiglu(level: Level, dim: usize, gate_up: &[f32], grad: &[f32], out: &mut [f32]) {
    assert_eq!(gate_up.len(), 2 * grad.len(), "swiglu backward: gradient size");
    assert_eq!(gate_up.len(), out.len(), "swiglu backward: output size");
    if dim == 0 {
        return;
    }
    let chunks = out.par_chunks_mut(2 * ROWS * dim).zip(gate_up.par_chunks(2 * ROWS * dim));
    chunks.zip(grad.par_chunks(ROWS * dim)).for_each(|((out, gate_up), grad)| {
        // SAFETY: the level was detected; sizes were asserted.
        unsafe { dispatch(level, GateTask { dim, gate_up, grad, out }) }
    });
}

struct GateTask<'a> {
    dim: usize,
    gate_up: &'a [f32],
    grad: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for GateTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let dim = self.dim;
        let whole = dim / S::LANES * S::LANES;
        let rows = self.gate_up.chunks_exact(2 * dim).zip(self.grad.chunks_exact(dim));
        for ((src, grad), out) in rows.zip(self.out.chunks_exact_mut(2 * dim)) {
            unsafe {
                for i in (0..whole).step_by(S::LANES) {
                    let g = S::load(src.as_ptr().add(i));
                    let u = S::load(src.as_ptr().add(dim + i));
                    let d = S::load(grad.as_ptr().add(i));
                    let s = sigmoid::<S>(g);
                    let silu = S::mul(g, s);
                    // (x σ)' = σ + x σ (1 − σ)
                    let slope = S::fma(silu, S::sub(S::splat(1.0), s), s);
                    S::store(out.as_mut_ptr().add(i), S::mul(S::mul(d, u), slope));
                    S::store(out.as_mut_ptr().add(dim + i), S::mul(d, silu));
                }
            }
            for i in whole..dim {
                let (g, u, d) = (src[i], src[dim + i], grad[i]);
                let s = 1.0 / (1.0 + (-g).exp());
                out[i] = d * u * (s + g * s * (1.0 - s));
                out[dim + i] = d * g * s;
            }
        }
    }
}

/// The derivative of GELU in its tanh form at `x`, times `grad`.
pub(crate) fn gelu_tanh(level: Level, x: &[f32], grad: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), grad.len(), "gelu backward: gradient size");
    assert_eq!(x.len(), out.len(), "gelu backward: output size");
    let block = 1 << 13;
    let chunks = out.par_chunks_mut(block).zip(x.par_chunks(block)).zip(grad.par_chunks(block));
    chunks.for_each(|((out, x), grad)| {
        // SAFETY: the level was detected; sizes were asserted.
        unsafe { dispatch(level, GeluTask { x, grad, out }) }
    });
}

/// `√(2/π)` and the cubic coefficient of the tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415).
const GELU: (f32, f32) = (0.797_884_6, 0.044_715);

struct GeluTask<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for GeluTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (a, b) = GELU;
        let n = self.x.len();
        let whole = n / S::LANES * S::LANES;
        unsafe {
            for i in (0..whole).step_by(S::LANES) {
                let x = S::load(self.x.as_ptr().add(i));
                let g = S::load(self.grad.as_ptr().add(i));
                let square = S::mul(x, x);
                // tanh(u) = 2 σ(2u) − 1, so that gelu(x) = x σ(2u).
                let u2 = S::mul(x, S::fma(square, S::splat(2.0 * a * b), S::splat(2.0 * a)));
                let slope = S::fma(square, S::splat(6.0 * a * b), S::splat(2.0 * a));
                let s = sigmoid::<S>(u2);
                let curve = S::mul(S::mul(x, s), S::sub(S::splat(1.0), s));
                S::store(self.out.as_mut_ptr().add(i), S::mul(g, S::fma(curve, slope, s)));
            }
        }
        for i in whole..n {
            let x = self.x[i];
            let s = 1.0 / (1.0 + (-2.0 * a * (x + b * x * x * x)).exp());
            self.out[i] = self.grad[i] * (s + x * s * (1.0 - s) * 2.0 * a * (1.0 + 3.0 * b * x * x));
        }
    }
}
