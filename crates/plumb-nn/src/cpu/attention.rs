//! Softmax attention on the CPU without materialising all scores: one panel of queries of one head at a time.

use rayon::prelude::*;

use super::scratch::{Scratch, SendPtr};
use super::simd::{Kernel, Level, Simd, dispatch};
use super::tile::{self, Left, PANEL_VECTORS};
use crate::mask::Visible;

/// One of q, k or v: element `(head, row, i)` is at `data[offset + head * head_stride + row * row_stride + i]`.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) offset: usize,
    pub(crate) head: usize,
    pub(crate) row: usize,
}

impl Heads<'_> {
    fn check(&self, heads: usize, rows: usize, dim: usize) {
        let last = self.offset + (heads - 1) * self.head + (rows - 1) * self.row + dim;
        assert!(last <= self.data.len(), "attention: operand too short");
    }

    fn at(&self, head: usize, row: usize) -> *const f32 {
        self.data[self.offset + head * self.head + row * self.row..].as_ptr()
    }
}

/// The arguments of one attention.
pub(crate) struct Attention<'a> {
    pub(crate) q: Heads<'a>,
    pub(crate) k: Heads<'a>,
    pub(crate) v: Heads<'a>,
    pub(crate) heads: usize,
    /// Divides `heads`: key head `j` serves query heads `j·g .. (j+1)·g`.
    pub(crate) kv_heads: usize,
    pub(crate) dim: usize,
    /// Queries.
    pub(crate) m: usize,
    /// Keys.
    pub(crate) len: usize,
    /// What each query sees; `None` for everything.
    pub(crate) visible: Option<&'a [Visible]>,
}

/// Up to this many queries go row by row (decoding); more go in panels.
const MAX_SINGLE_ROWS: usize = 8;

impl Attention<'_> {
    /// Computes into `out`, `[m, heads · dim]`.
    ///
    /// # Panics
    /// When an operand is shorter than its shape says: a bug of the caller.
    pub(crate) fn run(&self, level: Level, out: &mut [f32]) {
        if self.m == 0 {
            return;
        }
        self.q.check(self.heads, self.m, self.dim);
        self.k.check(self.kv_heads, self.len, self.dim);
        self.v.check(self.kv_heads, self.len, self.dim);
        assert_eq!(out.len(), self.m * self.heads * self.dim, "attention: output size");
        if let Some(visible) = self.visible {
            assert_eq!(visible.len(), self.m, "attention: one mask line per query");
            assert!(visible.iter().all(|v| v.end() <= self.len), "attention: mask beyond the keys");
        }
        let lanes = if level == Level::Avx512 { 16 } else { 8 };
        let wide = lanes * PANEL_VECTORS;
        let out = SendPtr(out.as_mut_ptr());
        let per_head = if self.m <= MAX_SINGLE_ROWS { self.m } else { self.m.div_ceil(wide) };
        let task = |t: usize| {
            let (head, index) = (t / per_head, t % per_head);
            // SAFETY: the level was detected; operands were checked; tasks write disjoint parts of `out`.
            unsafe {
                if self.m <= MAX_SINGLE_ROWS {
                    dispatch(level, RowTask { a: self, head, row: index, out });
                } else {
                    dispatch(level, PanelTask { a: self, head, first: index * wide, out });
                }
            }
        };
        let tasks = self.heads * per_head;
        if self.m * self.len * self.heads * self.dim < 1 << 18 {
            (0..tasks).for_each(task);
        } else {
            (0..tasks).into_par_iter().for_each(task);
        }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    fn visible(&self, row: usize) -> Visible {
        self.visible.map_or(Visible::first(self.len), |v| v[row])
    }
}

struct PanelTask<'a> {
    a: &'a Attention<'a>,
    head: usize,
    first: usize,
    out: SendPtr,
}

impl Kernel for PanelTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let a = self.a;
        let (dim, head) = (a.dim, self.head);
        let kv_head = head / (a.heads / a.kv_heads);
        let count = (a.m - self.first).min(S::LANES * PANEL_VECTORS);
        let vectors = count.div_ceil(S::LANES);
        let width = vectors * S::LANES;
        let len = (0..count).map(|j| a.visible(self.first + j).end()).max().unwrap_or(0);
        let mut scratch = Scratch::take(width * (2 * dim + len));
        let (query, rest) = scratch.floats().split_at_mut(width * dim);
        let (scores, sums) = rest.split_at_mut(width * len);
        unsafe {
            tile::pack(a.q.at(head, self.first), a.q.row, count, dim, width, a.scale(), query.as_mut_ptr());
            let keys = Left { ptr: a.k.at(kv_head, 0), row: a.k.row, col: 1 };
            tile::rows::<S>(vectors, len, dim, keys, query.as_ptr(), scores.as_mut_ptr());
            if a.visible.is_some() {
                for j in 0..count {
                    let v = a.visible(self.first + j);
                    for key in (v.prefix..v.start.max(v.prefix)).chain(v.end()..len) {
                        scores[key * width + j] = f32::NEG_INFINITY;
                    }
                }
            }
            let mut norm = [S::splat(0.0); PANEL_VECTORS];
            for (u, total) in norm.iter_mut().enumerate().take(vectors) {
                let column = scores.as_mut_ptr().add(u * S::LANES);
                let mut top = S::splat(f32::MIN);
                for key in 0..len {
                    top = S::max(S::load(column.add(key * width)), top);
                }
                for key in 0..len {
                    let at = column.add(key * width);
                    let p = S::exp(S::sub(S::load(at), top));
                    S::store(at, p);
                    *total = S::add(*total, p);
                }
            }
            let values = Left { ptr: a.v.at(kv_head, 0), row: 1, col: a.v.row };
            tile::rows::<S>(vectors, dim, len, values, scores.as_ptr(), sums.as_mut_ptr());
            for i in 0..dim {
                for (u, total) in norm.iter().enumerate().take(vectors) {
                    let at = sums.as_mut_ptr().add(i * width + u * S::LANES);
                    S::store(at, S::div(S::load(at), *total));
                }
            }
            for j in 0..count {
                let dst = self.out.get().add(((self.first + j) * a.heads + head) * dim);
                for i in 0..dim {
                    *dst.add(i) = sums[i * width + j];
                }
            }
        }
    }
}

struct RowTask<'a> {
    a: &'a Attention<'a>,
    head: usize,
    row: usize,
    out: SendPtr,
}

impl Kernel for RowTask<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let a = self.a;
        let dim = a.dim;
        let kv_head = self.head / (a.heads / a.kv_heads);
        let v = a.visible(self.row);
        let keys = || (0..v.prefix).chain(v.start.max(v.prefix)..v.end());
        let whole = dim / S::LANES * S::LANES;
        let mut scratch = Scratch::take(v.count());
        let scores = scratch.floats();
        unsafe {
            let q = a.q.at(self.head, self.row);
            let scale = a.scale();
            let mut top = f32::MIN;
            for (s, key) in scores.iter_mut().zip(keys()) {
                let k = a.k.at(kv_head, key);
                let mut acc = S::splat(0.0);
                for i in (0..whole).step_by(S::LANES) {
                    acc = S::fma(S::load(q.add(i)), S::load(k.add(i)), acc);
                }
                let mut dot = S::sum(acc);
                for i in whole..dim {
                    dot += *q.add(i) * *k.add(i);
                }
                *s = dot * scale;
                top = top.max(*s);
            }
            let mut total = 0.0;
            for s in scores.iter_mut() {
                *s = (*s - top).exp();
                total += *s;
            }
            let dst = self.out.get().add((self.row * a.heads + self.head) * dim);
            for i in (0..whole).step_by(S::LANES) {
                let mut acc = S::splat(0.0);
                for (s, key) in scores.iter().zip(keys()) {
                    acc = S::fma(S::splat(*s), S::load(a.v.at(kv_head, key).add(i)), acc);
                }
                S::store(dst.add(i), S::div(acc, S::splat(total)));
            }
            for i in whole..dim {
                let sum: f32 =
                    scores.iter().zip(keys()).map(|(s, key)| s * *a.v.at(kv_head, key).add(i)).sum();
                *dst.add(i) = sum / total;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{levels, noise, relative};

    fn reference(a: &Attention<'_>) -> Vec<f32> {
        let mut out = vec![0.0; a.m * a.heads * a.dim];
        let read = |h: &Heads<'_>, head: usize, row: usize, i: usize| {
            f64::from(h.data[h.offset + head * h.head + row * h.row + i])
        };
        for head in 0..a.heads {
            let kv = head / (a.heads / a.kv_heads);
            for row in 0..a.m {
                let seen: Vec<usize> = (0..a.len).filter(|&key| a.visible(row).sees(key)).collect();
                let s: Vec<f64> = seen
                    .iter()
                    .map(|&key| {
                        (0..a.dim).map(|i| read(&a.q, head, row, i) * read(&a.k, kv, key, i)).sum::<f64>()
                            / (a.dim as f64).sqrt()
                    })
                    .collect();
                let top = s.iter().copied().fold(f64::MIN, f64::max);
                let p: Vec<f64> = s.iter().map(|v| (v - top).exp()).collect();
                let total: f64 = p.iter().sum();
                for i in 0..a.dim {
                    let v: f64 = seen.iter().zip(&p).map(|(&key, p)| p * read(&a.v, kv, key, i)).sum();
                    out[(row * a.heads + head) * a.dim + i] = (v / total) as f32;
                }
            }
        }
        out
    }

    #[test]
    fn panels_and_rows_agree_with_f64_softmax() {
        for level in levels() {
            for (case, (heads, kv_heads, dim, m, len)) in [
                (4, 2, 16, 1, 30),
                (3, 1, 24, 5, 9),
                (2, 2, 72, 60, 60),
                (6, 2, 64, 20, 90),
                (1, 1, 8, 130, 130),
            ]
            .into_iter()
            .enumerate()
            {
                let fused = heads * dim + 2 * kv_heads * dim;
                let qkv = noise(len.max(m) * fused, case as u64);
                let at = |offset| Heads { data: &qkv, offset, head: dim, row: fused };
                let causal: Vec<Visible> = (0..m).map(|i| Visible::first(len - m + i + 1)).collect();
                let tree: Vec<Visible> = (0..m)
                    .map(|i| Visible { prefix: len / 3, start: len - m + i, stop: len - m + i + 1 })
                    .collect();
                for visible in [None, Some(&causal[..]), Some(&tree[..])] {
                    let a = Attention {
                        q: at(0),
                        k: at(heads * dim),
                        v: at((heads + kv_heads) * dim),
                        heads,
                        kv_heads,
                        dim,
                        m,
                        len,
                        visible,
                    };
                    let mut out = vec![0.0; m * heads * dim];
                    a.run(level, &mut out);
                    let error = relative(&out, &reference(&a));
                    assert!(error < 2e-6, "{level:?} case {case}: {error}");
                }
            }
        }
    }
}
