//! Norms and gates on the CPU: one pass over memory each.

use rayon::prelude::*;

use super::simd::{Kernel, Level, Simd, dispatch};

/// Which normalisation, with its parameters of length `dim`.
#[derive(Clone, Copy)]
pub(crate) enum Norm<'a> {
    /// `(x − mean) / √(var + ε) · γ + β`
    Layer { gamma: &'a [f32], beta: &'a [f32] },
    /// `x / √(mean(x²) + ε) · γ`
    Rms { gamma: &'a [f32] },
}

/// Normalises each row of `dim` floats of `x` into `out`.
pub(crate) fn normalise(level: Level, norm: Norm<'_>, eps: f32, dim: usize, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "norm: output size");
    let (Norm::Layer { gamma, .. } | Norm::Rms { gamma }) = norm;
    assert_eq!(gamma.len(), dim, "norm: parameter size");
    if let Norm::Layer { beta, .. } = norm {
        assert_eq!(beta.len(), dim, "norm: parameter size");
    }
    let block = (1usize << 14).div_ceil(dim.max(1)) * dim;
    let task = |(src, dst): (&[f32], &mut [f32])| {
        // SAFETY: the level was detected; sizes were asserted.
        unsafe {
            dispatch(level, NormTask { norm, eps, dim, src, dst });
        }
    };
    if x.len() <= block {
        task((x, out));
    } else {
        x.par_chunks(block).zip(out.par_chunks_mut(block)).for_each(task);
    }
}

struct NormTask<'a> {
    norm: Norm<'a>,
    eps: f32,
    dim: usize,
    src: &'a [f32],
    dst: &'a mut [f32],
}

impl Kernel for NormTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let dim = self.dim;
        let whole = dim / S::LANES * S::LANES;
        for (src, dst) in self.src.chunks_exact(dim).zip(self.dst.chunks_exact_mut(dim)) {
            unsafe {
                let total = |f: &dyn Fn(f32) -> f32| src[whole..].iter().map(|&v| f(v)).sum::<f32>();
                let mean = match self.norm {
                    Norm::Rms { .. } => 0.0,
                    Norm::Layer { .. } => {
                        let mut acc = S::splat(0.0);
                        for i in (0..whole).step_by(S::LANES) {
                            acc = S::add(acc, S::load(src.as_ptr().add(i)));
                        }
                        (S::sum(acc) + total(&|v| v)) / dim as f32
                    }
                };
                let centre = S::splat(mean);
                let mut acc = S::splat(0.0);
                for i in (0..whole).step_by(S::LANES) {
                    let d = S::sub(S::load(src.as_ptr().add(i)), centre);
                    acc = S::fma(d, d, acc);
                }
                let var = (S::sum(acc) + total(&|v| (v - mean) * (v - mean))) / dim as f32;
                let inverse = 1.0 / (var + self.eps).sqrt();
                let factor = S::splat(inverse);
                let (gamma, beta) = match self.norm {
                    Norm::Layer { gamma, beta } => (gamma, Some(beta)),
                    Norm::Rms { gamma } => (gamma, None),
                };
                for i in (0..whole).step_by(S::LANES) {
                    let y = S::mul(S::sub(S::load(src.as_ptr().add(i)), centre), factor);
                    let g = S::load(gamma.as_ptr().add(i));
                    let y = match beta {
                        Some(b) => S::fma(y, g, S::load(b.as_ptr().add(i))),
                        None => S::mul(y, g),
                    };
                    S::store(dst.as_mut_ptr().add(i), y);
                }
                for i in whole..dim {
                    dst[i] = (src[i] - mean) * inverse * gamma[i] + beta.map_or(0.0, |b| b[i]);
                }
            }
        }
    }
}

/// `silu(gate) · up` for rows of `[gate | up]`, each `dim` floats, into rows of `dim`.
pub(crate) fn swiglu(level: Level, dim: usize, gate_up: &[f32], out: &mut [f32]) {
    assert_eq!(gate_up.len(), 2 * out.len(), "swiglu: output size");
    let block = (1usize << 14).div_ceil(dim.max(1)) * dim;
    let task = |(src, dst): (&[f32], &mut [f32])| {
        // SAFETY: the level was detected; sizes were asserted.
        unsafe { dispatch(level, GateTask { dim, src, dst }) }
    };
    if out.len() <= block {
        task((gate_up, out));
    } else {
        gate_up.par_chunks(2 * block).zip(out.par_chunks_mut(block)).for_each(task);
    }
}

struct GateTask<'a> {
    dim: usize,
    src: &'a [f32],
    dst: &'a mut [f32],
}

impl Kernel for GateTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let dim = self.dim;
        let whole = dim / S::LANES * S::LANES;
        for (src, dst) in self.src.chunks_exact(2 * dim).zip(self.dst.chunks_exact_mut(dim)) {
            unsafe {
                for i in (0..whole).step_by(S::LANES) {
                    let g = S::load(src.as_ptr().add(i));
                    let u = S::load(src.as_ptr().add(dim + i));
                    S::store(dst.as_mut_ptr().add(i), S::mul(S::gate(g, g), u));
                }
            }
            for i in whole..dim {
                let g = src[i];
                dst[i] = g / (1.0 + (-g).exp()) * src[dim + i];
            }
        }
    }
}

/// GELU in its tanh form.
pub(crate) fn gelu_tanh(level: Level, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "gelu: output size");
    let block = 1 << 13;
    out.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(dst, src)| {
        // SAFETY: the level was detected; sizes were asserted.
        unsafe { dispatch(level, GeluTask { src, dst }) }
    });
}

struct GeluTask<'a> {
    src: &'a [f32],
    dst: &'a mut [f32],
}

impl Kernel for GeluTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = self.src.len();
        let whole = n / S::LANES * S::LANES;
        unsafe {
            for i in (0..whole).step_by(S::LANES) {
                S::store(self.dst.as_mut_ptr().add(i), S::gelu_tanh(S::load(self.src.as_ptr().add(i))));
            }
        }
        for (d, &x) in self.dst[whole..].iter_mut().zip(&self.src[whole..]) {
            let u = 0.797_884_6 * (x + 0.044_715 * x * x * x);
            *d = 0.5 * x * (1.0 + u.tanh());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{levels, noise, relative};

    #[test]
    fn norms_agree_with_f64() {
        for level in levels() {
            for dim in [5, 16, 37, 960] {
                let rows = 40;
                let x: Vec<f32> = noise(rows * dim, 1).iter().map(|v| v * 3.0 + 1.0).collect();
                let (gamma, beta) = (noise(dim, 2), noise(dim, 3));
                for layer in [true, false] {
                    let norm = if layer {
                        Norm::Layer { gamma: &gamma, beta: &beta }
                    } else {
                        Norm::Rms { gamma: &gamma }
                    };
                    let mut out = vec![0.0; x.len()];
                    normalise(level, norm, 1e-5, dim, &x, &mut out);
                    let expected: Vec<f32> = x
                        .chunks(dim)
                        .flat_map(|row| {
                            let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
                            let mean = if layer { row.iter().sum::<f64>() / dim as f64 } else { 0.0 };
                            let var = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / dim as f64;
                            (0..dim)
                                .map(|i| {
                                    let y = (row[i] - mean) / (var + 1e-5).sqrt() * f64::from(gamma[i]);
                                    (y + if layer { f64::from(beta[i]) } else { 0.0 }) as f32
                                })
                                .collect::<Vec<_>>()
                        })
                        .collect();
                    let error = relative(&out, &expected);
                    assert!(error < 1e-6, "{level:?} dim {dim} layer {layer}: {error}");
                }
            }
        }
    }

    #[test]
    fn swiglu_agrees_with_f64_even_far_out() {
        for level in levels() {
            let dim = 35;
            let x: Vec<f32> = noise(2 * dim * 3, 4).iter().map(|v| v * 40.0).collect();
            let mut out = vec![0.0; dim * 3];
            swiglu(level, dim, &x, &mut out);
            let expected: Vec<f32> = x
                .chunks(2 * dim)
                .flat_map(|row| {
                    (0..dim)
                        .map(|i| {
                            let g = f64::from(row[i]);
                            (g / (1.0 + (-g).exp()) * f64::from(row[dim + i])) as f32
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
            assert!(relative(&out, &expected) < 1e-6, "{level:?}");
        }
    }
}
