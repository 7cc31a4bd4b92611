//! `y = act(x Wᵀ + b)` on the CPU, weights in `[out, in]` as f32, f16 or bf16, sums in f32.

use rayon::prelude::*;

use super::low_rank::{self, Branch};
use super::scratch::{Scratch, SendPtr};
use super::simd::{Kernel, Level, Simd, WeightElem, dispatch};
use super::tile::{self, Left, MAX_PANEL, Panels};

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
    /// Added before the activation.
    pub(crate) branches: &'a [Branch<'a>],
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

/// Up to this many rows each weight is read once and multiplied into all of them; more rows would not leave enough
/// registers for the sums, and packing into panels pays (`benches/kernels.rs`).
const MAX_DOT_ROWS: usize = 8;

impl<W: WeightElem> Linear<'_, W> {
    /// Computes into `out`, `[m, n]`, and `x Aᵀ` of all branches side by side into `inner`, `[m, ranks]`.
    ///
    /// # Panics
    /// When a slice does not have the stated size: a bug of the caller, never of the input.
    pub(crate) fn run(&self, level: Level, out: &mut [f32], inner: &mut [f32]) {
        assert_eq!(self.x.len(), self.m * self.k, "linear: input size");
        assert_eq!(self.weight.len(), self.n * self.k, "linear: weight size");
        assert_eq!(out.len(), self.m * self.n, "linear: output size");
        assert!(self.bias.is_none_or(|b| b.len() == self.n), "linear: bias size");
        low_rank::check(self.branches, self.k, self.n);
        assert_eq!(inner.len(), self.m * low_rank::rank(self.branches), "linear: inner size");
        if self.m <= MAX_DOT_ROWS {
            self.dot(level, out, inner);
        } else {
            self.panels(level, out, inner);
        }
    }

    fn dot(&self, level: Level, out: &mut [f32], inner: &mut [f32]) {
        // SAFETY: the level was detected; sizes were asserted.
        unsafe { dispatch(level, InnerDots { layer: self, first: 0, inner: &mut *inner }) };
        let out = SendPtr(out.as_mut_ptr());
        // Small enough to balance, large enough that a task outlives its dispatch.
        let per_task = self.n.div_ceil(rayon::current_num_threads() * 4).next_multiple_of(8).max(32);
        let tasks = self.n.div_ceil(per_task);
        let task = |t: usize| {
            let first = t * per_task;
            let last = (first + per_task).min(self.n);
            // SAFETY: as above; each task writes its own columns of `out`.
            unsafe {
                dispatch(level, DotTask { layer: self, first, last, inner, out });
            }
        };
        if tasks == 1 || self.m * self.n * self.k < 1 << 16 {
            (0..tasks).for_each(task);
        } else {
            (0..tasks).into_par_iter().for_each(task);
        }
    }

    fn panels(&self, level: Level, out: &mut [f32], inner: &mut [f32]) {
        let rank = low_rank::rank(self.branches);
        let whole = tile::whole_rows(self.m, level.lanes());
        let tail = self.m - whole;
        let panels = Panels::new(whole, self.k + rank, level.lanes());
        let mut packed = Scratch::take(panels.size());
        let base = SendPtr(packed.floats().as_mut_ptr());
        let (u, tail_u) = inner.split_at_mut(whole * rank);
        let u = SendPtr(u.as_mut_ptr());
        panels.each().for_each(|p| {
            // SAFETY: panels lie apart in `packed`, which holds their size, and have their own rows of `u`; `x` was
            // checked.
            unsafe {
                let src = self.x.as_ptr().add(p.first * self.k);
                let panel = SendPtr(base.get().add(p.offset));
                tile::pack(src, self.k, p.count, self.k, p.width, 1.0, panel.get());
                if rank > 0 {
                    let out = SendPtr(u.get().add(p.first * rank));
                    let (branches, k) = (self.branches, self.k);
                    let inner =
                        low_rank::Inner { branches, panel, vectors: p.vectors, k, out, count: p.count };
                    dispatch(level, inner);
                }
            }
        });
        if tail > 0 {
            // SAFETY: the level was detected; sizes were asserted.
            unsafe { dispatch(level, InnerDots { layer: self, first: whole, inner: &mut *tail_u }) };
        }
        let most = ((1 << 16) / self.k.max(1) / 8 * 8).clamp(8, 64);
        let rows = tile::even_tasks(self.n, 8, most);
        let out = SendPtr(out.as_mut_ptr());
        let tail_u = &*tail_u;
        (0..self.n.div_ceil(rows)).into_par_iter().for_each(|t| {
            let first = t * rows;
            let last = (first + rows).min(self.n);
            let task = PanelTask { layer: self, first, last, panels: &panels, packed: base, tail_u, out };
            // SAFETY: as in `dot`.
            unsafe { dispatch(level, task) }
        });
    }

    /// Finishes the sums of outputs `first..` of input row `j`, in place and in `out`; `u` are its columns of the branches.
    /// The activation is that of the panels: rows end alike whichever way they go.
    ///
    /// # Safety
    /// `sums` has room for whole vectors beyond its `count`; `out` is the layer's output.
    #[inline(always)]
    unsafe fn finish<S: Simd>(
        &self,
        sums: &mut [f32],
        count: usize,
        [first, j]: [usize; 2],
        u: &[f32],
        out: SendPtr,
    ) {
        for (i, sum) in sums[..count].iter_mut().enumerate() {
            *sum += self.bias.map_or(0.0, |b| b[first + i]);
            if !self.branches.is_empty() {
                *sum += low_rank::added(self.branches, first + i, u);
            }
        }
        unsafe {
            if self.activation == Activation::GeluTanh {
                for i in (0..count).step_by(S::LANES) {
                    let at = sums.as_mut_ptr().add(i);
                    S::store(at, S::gelu_tanh(S::load(at)));
                }
            }
            let dst = std::slice::from_raw_parts_mut(out.get().add(j * self.n + first), count);
            for (dst, sum) in dst.iter_mut().zip(sums.iter()) {
                *dst = if self.accumulate { *dst + sum } else { *sum };
            }
        }
    }
}

/// Weight rows `first..last` against all panels.
struct PanelTask<'a, W> {
    layer: &'a Linear<'a, W>,
    first: usize,
    last: usize,
    panels: &'a Panels,
    packed: SendPtr,
    /// `x Aᵀ` of the rows after the panels.
    tail_u: &'a [f32],
    out: SendPtr,
}

impl<W: WeightElem> Kernel for PanelTask<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Linear { m, k, n, branches, .. } = *self.layer;
        let rows = self.last - self.first;
        let rank = low_rank::rank(branches);
        // Columns of the weight and of B beside them.
        let wide = k + rank;
        let line = rows.next_multiple_of(S::LANES);
        let mut scratch = Scratch::take(rows * wide + line * MAX_PANEL);
        let (converted, sums) = scratch.floats().split_at_mut(rows * wide);
        unsafe {
            if rank == 0 {
                convert::<S, W>(&self.layer.weight[self.first * k..self.last * k], converted);
            } else {
                for (row, dst) in converted.chunks_exact_mut(wide).enumerate() {
                    let row = self.first + row;
                    convert::<S, W>(&self.layer.weight[row * k..(row + 1) * k], &mut dst[..k]);
                    dst[k..].fill(0.0);
                    for (column, branch) in low_rank::with_columns(branches) {
                        if branch.rows.contains(&row) {
                            let b = &branch.b[(row - branch.rows.start) * branch.rank..][..branch.rank];
                            for (d, b) in dst[k + column..].iter_mut().zip(b) {
                                *d = branch.scale * b;
                            }
                        }
                    }
                }
            }
            let left = Left { ptr: converted.as_ptr(), row: wide, col: 1 };
            for p in self.panels.iter() {
                let panel = self.packed.get().add(p.offset);
                tile::rows::<S>(p.vectors, rows, wide, left, panel, sums.as_mut_ptr());
                for i in 0..rows {
                    let line = sums.as_mut_ptr().add(i * p.width);
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
                            *dst.add(i) += *sums.get_unchecked(i * p.width + j);
                        }
                    } else {
                        for i in 0..rows {
                            *dst.add(i) = *sums.get_unchecked(i * p.width + j);
                        }
                    }
                }
            }
            let whole = self.panels.rows();
            let x = Rows { ptr: self.layer.x.as_ptr().add(whole * k), stride: k };
            let w = Rows { ptr: converted.as_ptr(), stride: wide };
            dots::<S, f32>(m - whole, rows, k, x, w, |i, j, sum| sums[j * line + i] = sum);
            for j in 0..m - whole {
                let u = &self.tail_u[j * rank..(j + 1) * rank];
                let sums = &mut sums[j * line..(j + 1) * line];
                self.layer.finish::<S>(sums, rows, [self.first, whole + j], u, self.out);
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

/// Rows in memory, `stride` elements apart.
#[derive(Clone, Copy)]
struct Rows<T> {
    ptr: *const T,
    stride: usize,
}

/// Weight rows `first..last` against at most [`MAX_DOT_ROWS`] rows of `x`, as dot products along `k`.
struct DotTask<'a, W> {
    layer: &'a Linear<'a, W>,
    first: usize,
    last: usize,
    /// `x Aᵀ`, `[m, ranks]`.
    inner: &'a [f32],
    out: SendPtr,
}

impl<W: WeightElem> Kernel for DotTask<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Linear { m, k, .. } = *self.layer;
        let rank = low_rank::rank(self.layer.branches);
        unsafe {
            let x = Rows { ptr: self.layer.x.as_ptr(), stride: k };
            let w = Rows { ptr: self.layer.weight.as_ptr().add(self.first * k), stride: k };
            let rows = self.last - self.first;
            let line = rows.next_multiple_of(S::LANES);
            let mut scratch = Scratch::take(m * line);
            let sums = scratch.floats();
            dots::<S, W>(m, rows, k, x, w, |i, j, sum| sums[j * line + i] = sum);
            for (j, sums) in sums.chunks_exact_mut(line).enumerate() {
                let u = &self.inner[j * rank..(j + 1) * rank];
                self.layer.finish::<S>(sums, rows, [self.first, j], u, self.out);
            }
        }
    }
}

/// `x Aᵀ` of the rows from `first` on.
struct InnerDots<'a, W> {
    layer: &'a Linear<'a, W>,
    first: usize,
    inner: &'a mut [f32],
}

impl<W: WeightElem> Kernel for InnerDots<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Linear { m, k, branches, .. } = *self.layer;
        let rank = low_rank::rank(branches);
        for (column, branch) in low_rank::with_columns(branches) {
            unsafe {
                let x = Rows { ptr: self.layer.x.as_ptr().add(self.first * k), stride: k };
                let a = Rows { ptr: branch.a.as_ptr(), stride: k };
                dots::<S, f32>(m - self.first, branch.rank, k, x, a, |i, j, sum| {
                    self.inner[j * rank + column + i] = sum;
                });
            }
        }
    }
}

/// Dot products of `m` (at most [`MAX_DOT_ROWS`]) rows of `x` with `n` rows of `w`; `put` takes the row of `w`, that of
/// `x` and the sum.
#[inline(always)]
unsafe fn dots<S: Simd, W: WeightElem>(
    m: usize,
    n: usize,
    k: usize,
    x: Rows<f32>,
    w: Rows<W>,
    put: impl FnMut(usize, usize, f32),
) {
    unsafe {
        match m {
            0 => {}
            1 => dot_rows::<S, W, 1, 4, 4>(n, k, x, w, put),
            2 => dot_rows::<S, W, 2, 4, 2>(n, k, x, w, put),
            3 => dot_rows::<S, W, 3, 4, 1>(n, k, x, w, put),
            4 => dot_rows::<S, W, 4, 4, 1>(n, k, x, w, put),
            5 => dot_rows::<S, W, 5, 2, 1>(n, k, x, w, put),
            6 => dot_rows::<S, W, 6, 2, 1>(n, k, x, w, put),
            7 => dot_rows::<S, W, 7, 2, 1>(n, k, x, w, put),
            _ => dot_rows::<S, W, 8, 2, 1>(n, k, x, w, put),
        }
    }
}

/// `M` rows of `x`, `R` weight rows at a time, `U` independent sums each to hide the latency of the multiply-add.
#[inline(always)]
unsafe fn dot_rows<S: Simd, W: WeightElem, const M: usize, const R: usize, const U: usize>(
    n: usize,
    k: usize,
    x: Rows<f32>,
    w: Rows<W>,
    mut put: impl FnMut(usize, usize, f32),
) {
    let mut i = 0;
    unsafe {
        while i + R <= n {
            dot_block::<S, W, M, R, U>(i, k, x, w, &mut put);
            i += R;
        }
        while i < n {
            dot_block::<S, W, M, 1, U>(i, k, x, w, &mut put);
            i += 1;
        }
    }
}

#[inline(always)]
unsafe fn dot_block<S: Simd, W: WeightElem, const M: usize, const R: usize, const U: usize>(
    row: usize,
    k: usize,
    x: Rows<f32>,
    w: Rows<W>,
    put: &mut impl FnMut(usize, usize, f32),
) {
    let step = S::LANES * U;
    let whole = k / step * step;
    unsafe {
        let from = w.ptr.add(row * w.stride);
        let mut acc = [[[S::splat(0.0); M]; R]; U];
        let mut kk = 0;
        while kk < whole {
            for (u, part) in acc.iter_mut().enumerate() {
                let at = kk + u * S::LANES;
                let mut xs = [S::splat(0.0); M];
                for (j, v) in xs.iter_mut().enumerate() {
                    *v = S::load(x.ptr.add(j * x.stride + at));
                }
                for (r, line) in part.iter_mut().enumerate() {
                    let wv = W::load::<S>(from.add(r * w.stride + at));
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
                    sum += (*from.add(r * w.stride + t)).to_f32() * *x.ptr.add(j * x.stride + t);
                }
                put(row + r, j, sum);
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
                            let branches = &[];
                            let layer =
                                Linear { x: &x, weight: $w, bias, activation, accumulate, branches, m, k, n };
                            let mut out = start.clone();
                            layer.run(level, &mut out, &mut []);
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
