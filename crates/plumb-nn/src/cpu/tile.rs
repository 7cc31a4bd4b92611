//! The one register tile that every matrix product of the CPU path is made of.
//!
//! `out[i][j] = Σ_k a(i, k) · panel[k][j]`, `i < MR`, `j < N · LANES`: the left factor is read as broadcast
//! scalars (so it may have any strides and needs no packing), the right one as whole vectors from a *panel*:
//! up to [`PANEL_VECTORS`] vectors of rows of the right factor, transposed so that `k` runs along memory.
//! Weights are always the left factor and activations the right one: packing then costs `O(m·k)` and not
//! `O(n·k)`, which matters for prompts of about a hundred tokens, and weights stay in their `[out, in]` layout.

use rayon::prelude::*;

use super::simd::Simd;

/// Rows of the left factor that one tile holds. 8 × 3 accumulators, 3 panel vectors and one broadcast leave
/// four of the 32 AVX-512 registers free; AVX2 has 16 registers and uses half the rows.
pub(crate) const MAX_ROWS: usize = 8;
/// Vectors per panel row.
pub(crate) const PANEL_VECTORS: usize = 3;
/// Floats in one row of the widest panel, for buffers whose size must be known at compile time.
pub(crate) const MAX_PANEL: usize = 16 * PANEL_VECTORS;

/// A strided left factor: element `(i, k)` is at `ptr + i * row + k * col`.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) ptr: *const f32,
    pub(crate) row: usize,
    pub(crate) col: usize,
}

impl Left {
    #[inline(always)]
    pub(crate) unsafe fn offset_rows(self, i: usize) -> Self {
        Self { ptr: unsafe { self.ptr.add(i * self.row) }, ..self }
    }
}

/// A run of rows of the right factor, transposed.
pub(crate) struct Panel {
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) vectors: usize,
    /// Floats in a row.
    pub(crate) width: usize,
    /// Where it begins in the buffer of all.
    pub(crate) offset: usize,
}

/// The panels of a right factor.
pub(crate) struct Panels {
    panels: Vec<Panel>,
    inner: usize,
}

impl Panels {
    /// Cuts `count` rows of `inner` floats.
    pub(crate) fn new(count: usize, inner: usize, lanes: usize) -> Self {
        let wide = lanes * PANEL_VECTORS;
        let panel = |p: usize| {
            let first = p * wide;
            let count = (count - first).min(wide);
            let vectors = count.div_ceil(lanes);
            Panel { first, count, vectors, width: vectors * lanes, offset: first * inner }
        };
        Self { panels: (0..count.div_ceil(wide)).map(panel).collect(), inner }
    }

    /// Floats of all together.
    pub(crate) fn size(&self) -> usize {
        self.panels.last().map_or(0, |p| p.offset + p.width * self.inner)
    }

    /// Rows of the factor.
    pub(crate) fn rows(&self) -> usize {
        self.panels.last().map_or(0, |p| p.first + p.count)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter()
    }

    pub(crate) fn each(&self) -> impl ParallelIterator<Item = &Panel> {
        self.panels.par_iter()
    }
}

/// Up to this many rows beyond the last whole vector of a panel are not put into one: as a vector they would cost as much
/// as 16 rows.
const MAX_TAIL_ROWS: usize = 4;

/// How many of `m` rows go in panels; those after them one by one.
pub(crate) fn whole_rows(m: usize, lanes: usize) -> usize {
    match m % lanes {
        rest if rest <= MAX_TAIL_ROWS && m > lanes => m - rest,
        _ => m,
    }
}

/// The size of tasks, a multiple of `step` between half of `most` and `most`, that lets the threads end together over
/// `total`.
pub(crate) fn even_tasks(total: usize, step: usize, most: usize) -> usize {
    let threads = rayon::current_num_threads();
    let longest = |size: usize| total.div_ceil(size).div_ceil(threads) * size;
    let sizes = (most / step).div_ceil(2).max(1)..=(most / step).max(1);
    sizes.map(|i| i * step).min_by_key(|&size| (longest(size), std::cmp::Reverse(size))).unwrap_or(step)
}

#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const N: usize>(k: usize, a: Left, panel: *const f32, out: *mut f32) {
    unsafe {
        let mut acc = [[S::splat(0.0); N]; M];
        let mut col = a.ptr;
        let mut row = panel;
        for _ in 0..k {
            let mut b = [S::splat(0.0); N];
            for (j, v) in b.iter_mut().enumerate() {
                *v = S::load(row.add(j * S::LANES));
            }
            for (i, line) in acc.iter_mut().enumerate() {
                let x = S::splat(*col.add(i * a.row));
                for (c, v) in line.iter_mut().zip(b) {
                    *c = S::fma(x, v, *c);
                }
            }
            col = col.add(a.col);
            row = row.add(N * S::LANES);
        }
        for (i, line) in acc.iter().enumerate() {
            for (j, v) in line.iter().enumerate() {
                S::store(out.add((i * N + j) * S::LANES), *v);
            }
        }
    }
}

/// Computes `rows` rows (any number) of the product into `out`, row-major with `N · LANES` floats a row.
///
/// # Safety
/// `a` holds `rows × k` readable elements, `panel` `k · N · LANES`, and `out` has room for `rows · N · LANES`.
#[inline(always)]
unsafe fn rows_n<S: Simd, const N: usize>(rows: usize, k: usize, a: Left, panel: *const f32, out: *mut f32) {
    let width = N * S::LANES;
    let step = if S::LANES == 16 { MAX_ROWS } else { MAX_ROWS / 2 };
    let mut i = 0;
    unsafe {
        while i + step <= rows {
            let (a, out) = (a.offset_rows(i), out.add(i * width));
            if S::LANES == 16 {
                tile::<S, MAX_ROWS, N>(k, a, panel, out);
            } else {
                tile::<S, { MAX_ROWS / 2 }, N>(k, a, panel, out);
            }
            i += step;
        }
        while i < rows {
            tile::<S, 1, N>(k, a.offset_rows(i), panel, out.add(i * width));
            i += 1;
        }
    }
}

/// [`rows_n`] with the number of panel vectors chosen at run time.
///
/// # Safety
/// As [`rows_n`]; `1 ≤ vectors ≤ PANEL_VECTORS`.
#[inline(always)]
pub(crate) unsafe fn rows<S: Simd>(
    vectors: usize,
    rows: usize,
    k: usize,
    a: Left,
    panel: *const f32,
    out: *mut f32,
) {
    unsafe {
        match vectors {
            1 => rows_n::<S, 1>(rows, k, a, panel, out),
            2 => rows_n::<S, 2>(rows, k, a, panel, out),
            _ => rows_n::<S, 3>(rows, k, a, panel, out),
        }
    }
}

/// Transposes `count` rows of `k` floats (row stride `stride`) into a panel of `width ≥ count` floats a row,
/// multiplied by `scale`; the rest of each row becomes zero.
///
/// # Safety
/// `src` holds `count` rows as described; `panel` has room for `k · width` floats.
#[inline(always)]
pub(crate) unsafe fn pack(
    src: *const f32,
    stride: usize,
    count: usize,
    k: usize,
    width: usize,
    scale: f32,
    panel: *mut f32,
) {
    // Eight source rows at a time: their cache lines stay in L1 while k advances, and the writes of one k are
    // contiguous.
    unsafe {
        let mut j = 0;
        while j < width {
            let n = count.saturating_sub(j).min(8);
            let group = (width - j).min(8);
            for kk in 0..k {
                let dst = panel.add(kk * width + j);
                for r in 0..n {
                    *dst.add(r) = *src.add((j + r) * stride + kk) * scale;
                }
                for r in n..group {
                    *dst.add(r) = 0.0;
                }
            }
            j += 8;
        }
    }
}

/// Copies the columns of `p` from `rows` rows (row stride `stride`) into a panel; the rest of each of its rows becomes zero.
///
/// # Safety
/// `src` holds `rows` rows as described with the columns of `p`; `panel` has room for `rows · p.width` floats.
pub(crate) unsafe fn pack_columns(src: *const f32, stride: usize, rows: usize, p: &Panel, panel: *mut f32) {
    for row in 0..rows {
        unsafe {
            let dst = panel.add(row * p.width);
            std::ptr::copy_nonoverlapping(src.add(row * stride + p.first), dst, p.count);
            std::ptr::write_bytes(dst.add(p.count), 0, p.width - p.count);
        }
    }
}
