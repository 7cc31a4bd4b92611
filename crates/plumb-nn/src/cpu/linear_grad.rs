//! Derivatives of `y = x Wᵀ`: `∂x = g W` and `∂W = gᵀ x`, on the tile of the forward pass.

use rayon::prelude::*;

use super::scratch::{Scratch, SendPtr};
use super::simd::{Kernel, Level, Simd, WeightElem, dispatch};
use super::tile::{self, Left, MAX_PANEL, PANEL_VECTORS};

/// Terms of a sum that are taken at once: a slab of W that is widened to f32 and the panels' part for it then stay in the
/// second-level cache (a gate of 5120 outputs would not).
const INNER: usize = 512;

/// A run of rows of the right factor, transposed for the tile.
struct Panel {
    first: usize,
    count: usize,
    vectors: usize,
    offset: usize,
}

/// Cuts `count` columns into panels of an inner size `inner`; the second value is the size of all of them.
fn panels(count: usize, inner: usize, lanes: usize) -> (Vec<Panel>, usize) {
    let wide = lanes * PANEL_VECTORS;
    let panels: Vec<Panel> = (0..count.div_ceil(wide))
        .map(|p| {
            let first = p * wide;
            let count = (count - first).min(wide);
            Panel { first, count, vectors: count.div_ceil(lanes), offset: first * inner }
        })
        .collect();
    let size = panels.last().map_or(0, |p| p.offset + p.vectors * lanes * inner);
    (panels, size)
}

fn lanes(level: Level) -> usize {
    if level == Level::Avx512 { 16 } else { 8 }
}

/// `∂x[m, k] = g[m, n] · W[n, k]` into `out`.
///
/// # Panics
/// When a slice does not have the stated size: a bug of the caller, never of the input.
pub(crate) fn input<W: WeightElem>(
    level: Level,
    grad: &[f32],
    weight: &[W],
    [m, k, n]: [usize; 3],
    out: &mut [f32],
) {
    assert_eq!(grad.len(), m * n, "linear backward: gradient size");
    assert_eq!(weight.len(), n * k, "linear backward: weight size");
    assert_eq!(out.len(), m * k, "linear backward: output size");
    if m * k * n == 0 {
        out.fill(0.0);
        return;
    }
    let lanes = lanes(level);
    let (panels, size) = panels(m, n, lanes);
    let mut packed = Scratch::take(size);
    let base = SendPtr(packed.floats().as_mut_ptr());
    panels.par_iter().for_each(|p| {
        // SAFETY: panels lie apart in `packed`, which holds `size` floats; `grad` was checked.
        unsafe {
            let src = grad.as_ptr().add(p.first * n);
            tile::pack(src, n, p.count, n, p.vectors * lanes, 1.0, base.get().add(p.offset));
        }
    });
    let width = 64;
    let out = SendPtr(out.as_mut_ptr());
    (0..k.div_ceil(width)).into_par_iter().for_each(|t| {
        let first = t * width;
        let slab =
            Slab { weight, first, last: (first + width).min(k), k, n, panels: &panels, packed: base, out };
        // SAFETY: the level was detected; sizes were asserted; each task writes its own columns of `out`.
        unsafe { dispatch(level, slab) }
    });
}

struct Slab<'a, W> {
    weight: &'a [W],
    first: usize,
    last: usize,
    k: usize,
    n: usize,
    panels: &'a [Panel],
    packed: SendPtr,
    out: SendPtr,
}

impl<W: WeightElem> Kernel for Slab<'_, W> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { first, k, n, .. } = self;
        let width = self.last - first;
        let total: usize = self.panels.iter().map(|p| p.vectors * S::LANES).sum();
        let mut scratch = Scratch::take(width * (INNER + MAX_PANEL + total));
        let (slab, rest) = scratch.floats().split_at_mut(width * INNER);
        let (sums, whole_sums) = rest.split_at_mut(width * MAX_PANEL);
        whole_sums.fill(0.0);
        unsafe {
            let whole = width / S::LANES * S::LANES;
            for start in (0..n).step_by(INNER) {
                let rows = INNER.min(n - start);
                for (row, dst) in slab.chunks_exact_mut(width).take(rows).enumerate() {
                    let src = self.weight.as_ptr().add((start + row) * k + first);
                    for i in (0..whole).step_by(S::LANES) {
                        S::store(dst.as_mut_ptr().add(i), W::load::<S>(src.add(i)));
                    }
                    for (i, d) in dst.iter_mut().enumerate().skip(whole) {
                        *d = (*src.add(i)).to_f32();
                    }
                }
                let left = Left { ptr: slab.as_ptr(), row: 1, col: width };
                let mut at = 0;
                for p in self.panels {
                    let wide = p.vectors * S::LANES;
                    let panel = self.packed.get().add(p.offset + start * wide);
                    tile::rows::<S>(p.vectors, width, rows, left, panel, sums.as_mut_ptr());
                    for i in (0..width * wide).step_by(S::LANES) {
                        let to = whole_sums.as_mut_ptr().add(at + i);
                        S::store(to, S::add(S::load(to), S::load(sums.as_ptr().add(i))));
                    }
                    at += width * wide;
                }
            }
            let mut at = 0;
            for p in self.panels {
                let wide = p.vectors * S::LANES;
                for j in 0..p.count {
                    let dst = self.out.get().add((p.first + j) * k + first);
                    for i in 0..width {
                        *dst.add(i) = *whole_sums.get_unchecked(at + i * wide + j);
                    }
                }
                at += width * wide;
            }
        }
    }
}

/// `∂W[n, k] = gᵀ[n, m] · x[m, k]` into `out`.
///
/// # Panics
/// As [`input`].
pub(crate) fn weight(level: Level, grad: &[f32], x: &[f32], [m, k, n]: [usize; 3], out: &mut [f32]) {
    assert_eq!(grad.len(), m * n, "linear backward: gradient size");
    assert_eq!(x.len(), m * k, "linear backward: input size");
    assert_eq!(out.len(), n * k, "linear backward: output size");
    if m * k * n == 0 {
        out.fill(0.0);
        return;
    }
    let lanes = lanes(level);
    let (panels, size) = panels(k, m, lanes);
    let mut packed = Scratch::take(size);
    let base = SendPtr(packed.floats().as_mut_ptr());
    panels.par_iter().for_each(|p| {
        let width = p.vectors * lanes;
        // SAFETY: panels lie apart in `packed`, which holds `size` floats.
        let panel = unsafe { std::slice::from_raw_parts_mut(base.get().add(p.offset), m * width) };
        for (dst, src) in panel.chunks_exact_mut(width).zip(x.chunks_exact(k)) {
            dst[..p.count].copy_from_slice(&src[p.first..p.first + p.count]);
            dst[p.count..].fill(0.0);
        }
    });
    let rows = n.div_ceil(rayon::current_num_threads() * 4).next_multiple_of(8).min(64);
    let out = SendPtr(out.as_mut_ptr());
    (0..n.div_ceil(rows)).into_par_iter().for_each(|t| {
        let first = t * rows;
        let task =
            Rows { grad, first, last: (first + rows).min(n), m, k, n, panels: &panels, packed: base, out };
        // SAFETY: as in `input`; each task writes its own rows of `out`.
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
    panels: &'a [Panel],
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
            for p in self.panels {
                let wide = p.vectors * S::LANES;
                tile::rows::<S>(p.vectors, rows, m, left, self.packed.get().add(p.offset), sums.as_mut_ptr());
                for i in 0..rows {
                    let dst = self.out.get().add((first + i) * k + p.first);
                    std::ptr::copy_nonoverlapping(sums.as_ptr().add(i * wide), dst, p.count);
                }
            }
        }
    }
}
