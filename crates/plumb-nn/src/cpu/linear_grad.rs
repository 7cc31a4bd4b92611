//! Derivatives of `y = x Wᵀ` and of the low-rank branches beside it, on the tile of the forward pass.

use rayon::prelude::*;

use super::low_rank::{self, Branch};
use super::scratch::{Scratch, SendPtr};
use super::simd::{Kernel, Level, Simd, WeightElem, dispatch};
use super::tile::{self, Left, MAX_PANEL, Panels};

/// Terms of a sum that are taken at once: a slab of W that is widened to f32 and the panels' part for it then stay in the
/// second-level cache (a gate of 5120 outputs would not).
const INNER: usize = 512;
/// Input features that one task takes at most: as many as keep the lines of W that it reads long and its sums small.
const MAX_WIDTH: usize = 128;

/// `∂x = g W + Σ s (g B) A`
pub(crate) struct InputGrad<'a, W> {
    /// `[m, n]`
    pub(crate) grad: &'a [f32],
    /// `[n, k]`
    pub(crate) weight: &'a [W],
    pub(crate) branches: &'a [Branch<'a>],
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

impl<W: WeightElem> InputGrad<'_, W> {
    /// `∂x` into `out`, `[m, k]`, where it is wanted, and `s g B` of all branches side by side into `inner`, `[m, ranks]`.
    ///
    /// # Panics
    /// When a slice does not have the stated size: a bug of the caller, never of the input.
    pub(crate) fn run(&self, level: Level, out: Option<&mut [f32]>, inner: &mut [f32]) {
        let Self { m, k, n, .. } = *self;
        let rank = low_rank::rank(self.branches);
        assert_eq!(self.grad.len(), m * n, "linear backward: gradient size");
        assert_eq!(self.weight.len(), n * k, "linear backward: weight size");
        assert!(out.as_ref().is_none_or(|out| out.len() == m * k), "linear backward: output size");
        assert_eq!(inner.len(), m * rank, "linear backward: inner size");
        low_rank::check(self.branches, k, n);
        if m * k * n == 0 {
            inner.fill(0.0);
            if let Some(out) = out {
                out.fill(0.0);
            }
            return;
        }
        let whole = tile::whole_rows(m, level.lanes());
        let panels = Panels::new(whole, n + rank, level.lanes());
        let mut packed = Scratch::take(panels.size());
        let base = SendPtr(packed.floats().as_mut_ptr());
        let u = SendPtr(inner.as_mut_ptr());
        panels.each().for_each(|p| {
            // SAFETY: panels lie apart in `packed`, which holds their size, and have their own rows of `inner`.
            unsafe {
                let panel = SendPtr(base.get().add(p.offset));
                tile::pack(self.grad.as_ptr().add(p.first * n), n, p.count, n, p.width, 1.0, panel.get());
                if rank > 0 {
                    let out = SendPtr(u.get().add(p.first * rank));
                    let (branches, vectors, count) = (self.branches, p.vectors, p.count);
                    dispatch(level, low_rank::InnerGrad { branches, panel, vectors, n, out, count });
                }
            }
        });
        for j in whole..m {
            self.inner_row(&self.grad[j * n..(j + 1) * n], &mut inner[j * rank..(j + 1) * rank]);
        }
        let Some(out) = out else { return };
        let width = tile::even_tasks(k, level.lanes(), MAX_WIDTH);
        let (out, inner) = (SendPtr(out.as_mut_ptr()), &*inner);
        (0..k.div_ceil(width)).into_par_iter().for_each(|t| {
            let first = t * width;
            let last = (first + width).min(k);
            let slab = Slab { layer: self, first, last, panels: &panels, packed: base, inner, out };
            // SAFETY: the level was detected; sizes were asserted; each task writes its own columns of `out`.
            unsafe { dispatch(level, slab) }
        });
    }

    fn inner_row(&self, grad: &[f32], inner: &mut [f32]) {
        inner.fill(0.0);
        for (column, branch) in low_rank::with_columns(self.branches) {
            let sums = &mut inner[column..column + branch.rank];
            for (g, b) in grad[branch.rows.clone()].iter().zip(branch.b.chunks_exact(branch.rank.max(1))) {
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum += branch.scale * g * b;
                }
            }
        }
    }
}

struct Slab<'a, W> {
    layer: &'a InputGrad<'a, W>,
    first: usize,
    last: usize,
    panels: &'a Panels,
    packed: SendPtr,
    /// `s g B`, `[m, ranks]`.
    inner: &'a [f32],
    out: SendPtr,
}

impl<W: WeightElem> Slab<'_, W> {
    /// Rows `start..start + rows` of W, then of the branches' A, in blocks of as many columns as a vector has lanes,
    /// `[blocks][rows][lanes]`: the tile then reads memory from front to back.
    #[inline(always)]
    unsafe fn widen<S: Simd>(&self, start: usize, rows: usize, slab: &mut [f32]) {
        let InputGrad { weight, branches, k, n, .. } = *self.layer;
        let width = self.last - self.first;
        let own = rows.min(n.saturating_sub(start));
        unsafe {
            for row in 0..own {
                let src = weight.as_ptr().add((start + row) * k + self.first);
                copy_row::<S, W>(src, width, row, rows, slab);
            }
            let mut at = n;
            for branch in branches {
                for r in 0..branch.rank {
                    if (start..start + rows).contains(&(at + r)) {
                        let src = branch.a.as_ptr().add(r * k + self.first);
                        copy_row::<S, f32>(src, width, at + r - start, rows, slab);
                    }
                }
                at += branch.rank;
            }
        }
    }
}

/// Copies `width` columns into row `row` of a slab; what is left of the last block becomes zero.
#[inline(always)]
unsafe fn copy_row<S: Simd, W: WeightElem>(
    src: *const W,
    width: usize,
    row: usize,
    rows: usize,
    slab: &mut [f32],
) {
    let whole = width / S::LANES;
    unsafe {
        for block in 0..whole {
            let to = slab.as_mut_ptr().add((block * rows + row) * S::LANES);
            S::store(to, W::load::<S>(src.add(block * S::LANES)));
        }
    }
    if whole * S::LANES < width {
        let to = &mut slab[(whole * rows + row) * S::LANES..][..S::LANES];
        to.fill(0.0);
        for (i, to) in to.iter_mut().enumerate().take(width - whole * S::LANES) {
            // SAFETY: the row has `width` elements.
            *to = unsafe { (*src.add(whole * S::LANES + i)).to_f32() };
        }
    }
}

impl<W: WeightElem> Kernel for Slab<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let InputGrad { grad, branches, m, k, n, .. } = *self.layer;
        let first = self.first;
        let width = self.last - first;
        let blocks = width.div_ceil(S::LANES);
        let padded = blocks * S::LANES;
        let rank = low_rank::rank(branches);
        let total: usize = self.panels.iter().map(|p| p.width).sum();
        let tail = m - self.panels.rows();
        let mut scratch = Scratch::take(padded * (INNER + MAX_PANEL + total + tail));
        let (slab, rest) = scratch.floats().split_at_mut(padded * INNER);
        let (sums, whole) = rest.split_at_mut(S::LANES * MAX_PANEL);
        let (whole, last) = whole.split_at_mut(padded * total);
        whole.fill(0.0);
        last.fill(0.0);
        unsafe {
            for start in (0..n + rank).step_by(INNER) {
                let rows = INNER.min(n + rank - start);
                self.widen::<S>(start, rows, slab);
                let mut at = 0;
                for p in self.panels.iter() {
                    let panel = self.packed.get().add(p.offset + start * p.width);
                    for block in 0..blocks {
                        let ptr = slab.as_ptr().add(block * rows * S::LANES);
                        let left = Left { ptr, row: 1, col: S::LANES };
                        tile::rows::<S>(p.vectors, S::LANES, rows, left, panel, sums.as_mut_ptr());
                        let size = S::LANES * p.width;
                        for i in (0..size).step_by(S::LANES) {
                            let to = whole.as_mut_ptr().add(at + block * size + i);
                            S::store(to, S::add(S::load(to), S::load(sums.as_ptr().add(i))));
                        }
                    }
                    at += padded * p.width;
                }
                for j in 0..tail {
                    let row = self.panels.rows() + j;
                    let (own, branch) = (grad.as_ptr().add(row * n), self.inner.as_ptr().add(row * rank));
                    let split = rows.min(n.saturating_sub(start));
                    for block in 0..blocks {
                        let from = slab.as_ptr().add(block * rows * S::LANES);
                        let to = last.as_mut_ptr().add(j * padded + block * S::LANES);
                        let mut sum = S::load(to);
                        if split > 0 {
                            sum = weighted_rows::<S>(own.add(start), from, split, sum);
                        }
                        if split < rows {
                            let (at, from) = (start + split - n, from.add(split * S::LANES));
                            sum = weighted_rows::<S>(branch.add(at), from, rows - split, sum);
                        }
                        S::store(to, sum);
                    }
                }
            }
            let mut at = 0;
            for p in self.panels.iter() {
                for j in 0..p.count {
                    let dst = self.out.get().add((p.first + j) * k + first);
                    for i in 0..width {
                        *dst.add(i) = *whole.get_unchecked(at + i * p.width + j);
                    }
                }
                at += padded * p.width;
            }
            for j in 0..tail {
                let dst = self.out.get().add((self.panels.rows() + j) * k + first);
                std::ptr::copy_nonoverlapping(last.as_ptr().add(j * padded), dst, width);
            }
        }
    }
}

/// `sum + Σ factors[r] · rows[r]` for rows of one vector; four sums at a time hide the latency of the multiply-add.
#[inline(always)]
unsafe fn weighted_rows<S: Simd>(factors: *const f32, rows: *const f32, count: usize, sum: S::V) -> S::V {
    unsafe {
        let mut acc = [sum, S::splat(0.0), S::splat(0.0), S::splat(0.0)];
        let whole = count / 4 * 4;
        for r in (0..whole).step_by(4) {
            for (u, acc) in acc.iter_mut().enumerate() {
                let row = S::load(rows.add((r + u) * S::LANES));
                *acc = S::fma(S::splat(*factors.add(r + u)), row, *acc);
            }
        }
        for r in whole..count {
            acc[0] = S::fma(S::splat(*factors.add(r)), S::load(rows.add(r * S::LANES)), acc[0]);
        }
        S::add(S::add(acc[0], acc[1]), S::add(acc[2], acc[3]))
    }
}

/// `∂W[n, k] = gᵀ[n, m] · x[m, k]` into `out`.
///
/// # Panics
/// As [`InputGrad::run`].
pub(crate) fn weight(level: Level, grad: &[f32], x: &[f32], [m, k, n]: [usize; 3], out: &mut [f32]) {
    assert_eq!(grad.len(), m * n, "linear backward: gradient size");
    assert_eq!(x.len(), m * k, "linear backward: input size");
    assert_eq!(out.len(), n * k, "linear backward: output size");
    if m * k * n == 0 {
        out.fill(0.0);
        return;
    }
    let panels = Panels::new(k, m, level.lanes());
    let mut packed = Scratch::take(panels.size());
    let base = SendPtr(packed.floats().as_mut_ptr());
    panels.each().for_each(|p| {
        // SAFETY: panels lie apart in `packed`, which holds their size; `x` was checked.
        unsafe { tile::pack_columns(x.as_ptr(), k, m, p, base.get().add(p.offset)) };
    });
    let rows = n.div_ceil(rayon::current_num_threads() * 4).next_multiple_of(8).min(64);
    let out = SendPtr(out.as_mut_ptr());
    (0..n.div_ceil(rows)).into_par_iter().for_each(|t| {
        let first = t * rows;
        let task =
            Rows { grad, first, last: (first + rows).min(n), m, k, n, panels: &panels, packed: base, out };
        // SAFETY: as in `InputGrad::run`; each task writes its own rows of `out`.
        unsafe { dispatch(level, task) }
    });
}

struct Rows<'a> {
    grad: &'a [f32],
    first: usize,
    last: usize,
    m: usize,
    k: usize,
    n: usize,
    panels: &'a Panels,
    packed: SendPtr,
    out: SendPtr,
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { first, m, k, n, .. } = self;
        let rows = self.last - first;
        let mut scratch = Scratch::take(rows * (m + MAX_PANEL));
        let (left, sums) = scratch.floats().split_at_mut(rows * m);
        // The columns of this task, brought together: otherwise each step of the sum touches another cache line.
        for (dst, src) in left.chunks_exact_mut(rows).zip(self.grad.chunks_exact(n)) {
            dst.copy_from_slice(&src[first..self.last]);
        }
        unsafe {
            let left = Left { ptr: left.as_ptr(), row: 1, col: rows };
            for p in self.panels.iter() {
                tile::rows::<S>(p.vectors, rows, m, left, self.packed.get().add(p.offset), sums.as_mut_ptr());
                for i in 0..rows {
                    let dst = self.out.get().add((first + i) * k + p.first);
                    std::ptr::copy_nonoverlapping(sums.as_ptr().add(i * p.width), dst, p.count);
                }
            }
        }
    }
}
