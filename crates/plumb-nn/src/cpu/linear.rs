//! `y = act(x Wᵀ + b)` on the CPU, weights in `[out, in]` as f32, f16 or bf16, sums in f32.

use rayon::prelude::*;

use super::scratch::{Scratch, SendPtr};
use super::simd::{Kernel, Level, Simd, WeightElem, dispatch};
use super::tile::{self, Left, MAX_PANEL, PANEL_VECTORS};

/// What is applied to the sum before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// GELU in its tanh form (`gelu_pytorch_tanh`).
    GeluTanh,
}

/// The arguments of one linear layer.
pub(crate) struct Linear<'a, W> {
    /// `[m, k]`, rows contiguous.
    pub(crate) x: &'a [f32],
    /// `[n, k]`, rows contiguous.
    pub(crate) weight: &'a [W],
    /// `[n]`
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) activation: Activation,
    /// Adds to what `out` holds (a residual) where set.
    pub(crate) accumulate: bool,
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

/// Up to this many rows each weight is read once and multiplied into all of them; more rows would not leave enough
/// registers for the sums, and packing into panels pays (`benches/kernels.rs`).
const MAX_DOT_ROWS: usize = 8;

impl<W: WeightElem> Linear<'_, W> {
    /// Computes into `out`, `[m, n]`.
    ///
    /// # Panics
    /// When a slice does not have the stated size: a bug of the caller, never of the input.
    pub(crate) fn run(&self, level: Level, out: &mut [f32]) {
        assert_eq!(self.x.len(), self.m * self.k, "linear: input size");
        assert_eq!(self.weight.len(), self.n * self.k, "linear: weight size");
        assert_eq!(out.len(), self.m * self.n, "linear: output size");
        assert!(self.bias.is_none_or(|b| b.len() == self.n), "linear: bias size");
        if self.m <= MAX_DOT_ROWS {
            self.dot(level, out);
        } else {
            self.panels(level, out);
        }
    }

    fn dot(&self, level: Level, out: &mut [f32]) {
        let out = SendPtr(out.as_mut_ptr());
        // Small enough to balance, large enough that a task outlives its dispatch.
        let per_task = self.n.div_ceil(rayon::current_num_threads() * 4).next_multiple_of(8).max(32);
        let tasks = self.n.div_ceil(per_task);
        let task = |t: usize| {
            let first = t * per_task;
            let last = (first + per_task).min(self.n);
            // SAFETY: the level was detected; sizes were asserted; each task writes its own columns of `out`.
            unsafe {
                dispatch(level, DotTask { layer: self, first, last, out });
            }
        };
        if tasks == 1 || self.m * self.n * self.k < 1 << 16 {
            (0..tasks).for_each(task);
        } else {
            (0..tasks).into_par_iter().for_each(task);
        }
    }

    fn panels(&self, level: Level, out: &mut [f32]) {
        let lanes = if level == Level::Avx512 { 16 } else { 8 };
        let wide = lanes * PANEL_VECTORS;
        let panels: Vec<Panel> = (0..self.m.div_ceil(wide))
            .map(|p| {
                let first = p * wide;
                let count = (self.m - first).min(wide);
                Panel { first, count, vectors: count.div_ceil(lanes), offset: first * self.k }
            })
            .collect();
        let size = panels.last().map_or(0, |p| p.offset + p.vectors * lanes * self.k);
        let rows = ((1 << 16) / self.k.max(1) / 8 * 8).clamp(8, 64);
        let mut packed = Scratch::take(size);
        let base = SendPtr(packed.floats().as_mut_ptr());
        panels.par_iter().for_each(|p| {
            // SAFETY: panels lie apart in `packed`, which holds `size` floats; `x` was checked.
            unsafe {
                tile::pack(
                    self.x.as_ptr().add(p.first * self.k),
                    self.k,
                    p.count,
                    self.k,
                    p.vectors * lanes,
                    1.0,
                    base.get().add(p.offset),
                );
            }
        });
        let out = SendPtr(out.as_mut_ptr());
        (0..self.n.div_ceil(rows)).into_par_iter().for_each(|t| {
            let first = t * rows;
            let last = (first + rows).min(self.n);
            let task = PanelTask { layer: self, first, last, panels: &panels, packed: base, out };
            // SAFETY: as in `dot`.
            unsafe { dispatch(level, task) }
        });
    }
}

struct Panel {
    first: usize,
    count: usize,
    vectors: usize,
    offset: usize,
}

/// Weight rows `first..last` against all panels.
struct PanelTask<'a, W> {
    layer: &'a Linear<'a, W>,
    first: usize,
    last: usize,
    panels: &'a [Panel],
    packed: SendPtr,
    out: SendPtr,
}

impl<W: WeightElem> Kernel for PanelTask<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Linear { k, n, .. } = *self.layer;
        let rows = self.last - self.first;
        let mut scratch = Scratch::take(rows * (k + MAX_PANEL));
        let (converted, sums) = scratch.floats().split_at_mut(rows * k);
        unsafe {
            convert::<S, W>(&self.layer.weight[self.first * k..self.last * k], converted);
            let left = Left { ptr: converted.as_ptr(), row: k, col: 1 };
            for p in self.panels {
                let width = p.vectors * S::LANES;
                tile::rows::<S>(p.vectors, rows, k, left, self.packed.get().add(p.offset), sums.as_mut_ptr());
                for i in 0..rows {
                    let line = sums.as_mut_ptr().add(i * width);
                    let bias = S::splat(self.layer.bias.map_or(0.0, |b| b[self.first + i]));
                    for v in 0..p.vectors {
                        let at = line.add(v * S::LANES);
                        let y = S::add(S::load(at), bias);
                        let y = match self.layer.activation {
                            Activation::Identity => y,
                            Activation::GeluTanh => S::gelu_tanh(y),
                        };
                        S::store(at, y);
                    }
                }
                for j in 0..p.count {
                    let dst = self.out.get().add((p.first + j) * n + self.first);
                    if self.layer.accumulate {
                        for i in 0..rows {
                            *dst.add(i) += *sums.get_unchecked(i * width + j);
                        }
                    } else {
                        for i in 0..rows {
                            *dst.add(i) = *sums.get_unchecked(i * width + j);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn convert<S: Simd, W: WeightElem>(src: &[W], dst: &mut [f32]) {
    let n = src.len().min(dst.len());
    let whole = n / S::LANES * S::LANES;
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(dst.as_mut_ptr().add(i), W::load::<S>(src.as_ptr().add(i)));
        }
    }
    for (d, s) in dst[whole..n].iter_mut().zip(&src[whole..n]) {
        *d = s.to_f32();
    }
}

/// Weight rows `first..last` against at most [`MAX_DOT_ROWS`] rows of `x`, as dot products along `k`.
struct DotTask<'a, W> {
    layer: &'a Linear<'a, W>,
    first: usize,
    last: usize,
    out: SendPtr,
}

impl<W: WeightElem> Kernel for DotTask<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        unsafe {
            match self.layer.m {
                1 => self.rows::<S, 1, 4, 4>(),
                2 => self.rows::<S, 2, 4, 2>(),
                3 => self.rows::<S, 3, 4, 1>(),
                4 => self.rows::<S, 4, 4, 1>(),
                5 => self.rows::<S, 5, 2, 1>(),
                6 => self.rows::<S, 6, 2, 1>(),
                7 => self.rows::<S, 7, 2, 1>(),
                _ => self.rows::<S, 8, 2, 1>(),
            }
        }
    }
}

impl<W: WeightElem> DotTask<'_, W> {
    /// `M` rows of `x`, `R` weight rows at a time, `U` independent sums each to hide the latency of the
    /// multiply-add.
    #[inline(always)]
    unsafe fn rows<S: Simd, const M: usize, const R: usize, const U: usize>(&self) {
        let mut i = self.first;
        unsafe {
            while i + R <= self.last {
                self.block::<S, M, R, U>(i);
                i += R;
            }
            while i < self.last {
                self.block::<S, M, 1, U>(i);
                i += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn block<S: Simd, const M: usize, const R: usize, const U: usize>(&self, row: usize) {
        let Linear { k, n, .. } = *self.layer;
        let step = S::LANES * U;
        let whole = k / step * step;
        unsafe {
            let w = self.layer.weight.as_ptr().add(row * k);
            let x = self.layer.x.as_ptr();
            let mut acc = [[[S::splat(0.0); M]; R]; U];
            let mut kk = 0;
            while kk < whole {
                for (u, part) in acc.iter_mut().enumerate() {
                    let at = kk + u * S::LANES;
                    let mut xs = [S::splat(0.0); M];
                    for (j, v) in xs.iter_mut().enumerate() {
                        *v = S::load(x.add(j * k + at));
                    }
                    for (r, line) in part.iter_mut().enumerate() {
                        let wv = W::load::<S>(w.add(r * k + at));
                        for (c, xv) in line.iter_mut().zip(xs) {
                            *c = S::fma(wv, xv, *c);
                        }
                    }
                }
                kk += step;
            }
            for r in 0..R {
                for j in 0..M {
                    let mut v = acc[0][r][j];
                    for part in acc.iter().skip(1) {
                        v = S::add(v, part[r][j]);
                    }
                    let mut sum = S::sum(v);
                    for t in whole..k {
                        sum += (*w.add(r * k + t)).to_f32() * *x.add(j * k + t);
                    }
                    sum += self.layer.bias.map_or(0.0, |b| b[row + r]);
                    if self.layer.activation == Activation::GeluTanh {
                        let u = 0.797_884_6 * (sum + 0.044_715 * sum * sum * sum);
                        sum *= 0.5 * (1.0 + u.tanh());
                    }
                    let dst = self.out.get().add(j * n + row + r);
                    *dst = if self.layer.accumulate { *dst + sum } else { sum };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;
    use crate::cpu::testing::{levels, noise, relative};

    fn reference<W: WeightElem>(layer: &Linear<'_, W>, start: &[f32]) -> Vec<f32> {
        let mut out = start.to_vec();
        for i in 0..layer.m {
            for j in 0..layer.n {
                let mut s: f64 = (0..layer.k)
                    .map(|t| {
                        f64::from(layer.x[i * layer.k + t])
                            * f64::from(layer.weight[j * layer.k + t].to_f32())
                    })
                    .sum();
                s += layer.bias.map_or(0.0, |b| f64::from(b[j]));
                if layer.activation == Activation::GeluTanh {
                    let u = (2.0 / std::f64::consts::PI).sqrt() * (s + 0.044715 * s * s * s);
                    s = 0.5 * s * (1.0 + u.tanh());
                }
                let o = &mut out[i * layer.n + j];
                *o = if layer.accumulate { *o + s as f32 } else { s as f32 };
            }
        }
        out
    }

    #[test]
    fn every_path_agrees_with_f64_sums() {
        for level in levels() {
            for (case, (m, k, n)) in [
                (1, 64, 40),
                (1, 37, 5),
                (3, 100, 17),
                (4, 16, 9),
                (7, 33, 70),
                (8, 96, 33),
                (9, 20, 3),
                (50, 65, 71),
                (129, 40, 100),
                (48, 7, 8),
            ]
            .into_iter()
            .enumerate()
            {
                let x = noise(m * k, case as u64);
                let w = noise(n * k, 100 + case as u64);
                let b = noise(n, 200 + case as u64);
                let start = noise(m * n, 300 + case as u64);
                let half: Vec<f16> = w.iter().map(|&v| f16::from_f32(v)).collect();
                let brain: Vec<bf16> = w.iter().map(|&v| bf16::from_f32(v)).collect();
                for (bias, activation, accumulate) in [
                    (None, Activation::Identity, false),
                    (Some(b.as_slice()), Activation::GeluTanh, false),
                    (Some(b.as_slice()), Activation::Identity, true),
                ] {
                    macro_rules! check {
                        ($w:expr) => {
                            let layer = Linear { x: &x, weight: $w, bias, activation, accumulate, m, k, n };
                            let mut out = start.clone();
                            layer.run(level, &mut out);
                            let error = relative(&out, &reference(&layer, &start));
                            assert!(error < 2e-6, "{level:?} {m}×{k}×{n} {activation:?}: {error}");
                        };
                    }
                    check!(&w[..]);
                    check!(&half[..]);
                    check!(&brain[..]);
                }
            }
        }
    }
}
