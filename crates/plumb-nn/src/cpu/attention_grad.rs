//! The derivative of softmax attention within one sequence, some queries of one head at a time.
//!
//! With `P = softmax(s Q Kᵀ)` and the gradient `G` of `P V`: `∂V = Pᵀ G`, `∂S = P ∘ (G Vᵀ − rowsum(P ∘ G Vᵀ))`,
//! `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`. The scores are computed again and never held for all queries (Dao et al. 2022,
//! arXiv 2205.14135).

use rayon::prelude::*;

use super::scratch::{Scratch, SendPtr};
use super::simd::{Kernel, Level, Simd, dispatch};
use super::tile::{self, Left, MAX_PANEL, Panels};

/// Queries whose scores are held at once.
const QUERIES: usize = 64;

/// The arguments of the derivative of one sequence's attention.
pub(crate) struct AttentionGrad<'a> {
    /// `[len, (heads + 2 kv_heads) · dim]`: queries, keys and values side by side.
    pub(crate) qkv: &'a [f32],
    /// `[len, heads · dim]`
    pub(crate) grad: &'a [f32],
    pub(crate) heads: usize,
    /// Divides `heads`.
    pub(crate) kv_heads: usize,
    pub(crate) dim: usize,
    pub(crate) len: usize,
    /// Whether a row sees itself and those before it only.
    pub(crate) causal: bool,
}

impl AttentionGrad<'_> {
    fn fused(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.dim
    }

    /// The gradient of `qkv` into `out`.
    ///
    /// # Panics
    /// When a slice does not have the stated size: a bug of the caller.
    pub(crate) fn run(&self, level: Level, out: &mut [f32]) {
        let Self { heads, kv_heads, dim, len, .. } = *self;
        let fused = self.fused();
        assert_eq!(self.qkv.len(), len * fused, "attention backward: input size");
        assert_eq!(self.grad.len(), len * heads * dim, "attention backward: gradient size");
        assert_eq!(out.len(), len * fused, "attention backward: output size");
        if len * heads * dim == 0 {
            return;
        }
        let size = 2 * len * dim;
        let mut shared = Scratch::take(heads * size);
        let base = SendPtr(shared.floats().as_mut_ptr());
        let to = SendPtr(out.as_mut_ptr());
        (0..heads).into_par_iter().for_each(|head| {
            // SAFETY: the level was detected; sizes were asserted; each head has its own part of `shared` and its own
            // columns of `out`.
            unsafe {
                let shared = std::slice::from_raw_parts_mut(base.get().add(head * size), size);
                dispatch(level, Head { a: self, head, shared, out: to });
            }
        });
        // Heads that share keys and values add up, in the order of heads.
        let group = heads / kv_heads;
        let shared = shared.floats();
        out.par_chunks_mut(fused).enumerate().for_each(|(row, out)| {
            for (head, out) in out[heads * dim..].chunks_exact_mut(dim).enumerate() {
                let (part, kv_head) = (head / kv_heads, head % kv_heads);
                out.fill(0.0);
                for head in kv_head * group..(kv_head + 1) * group {
                    let from = head * size + (part * len + row) * dim;
                    for (to, from) in out.iter_mut().zip(&shared[from..from + dim]) {
                        *to += from;
                    }
                }
            }
        });
    }
}

struct Head<'a, 'b> {
    a: &'a AttentionGrad<'a>,
    head: usize,
    /// `∂K` and `∂V` of this head, `[2, len, dim]`.
    shared: &'b mut [f32],
    out: SendPtr,
}

impl Kernel for Head<'_, '_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let AttentionGrad { heads, kv_heads, dim, len, causal, .. } = *self.a;
        let (fused, inner) = (self.a.fused(), heads * dim);
        let kv_head = self.head / (heads / kv_heads);
        let scale = 1.0 / (dim as f32).sqrt();
        let by_key = Panels::new(len, dim, S::LANES);
        let by_dim = Panels::new(dim, len, S::LANES);
        let by_query = Panels::new(dim, QUERIES, S::LANES);
        let ld = len.next_multiple_of(S::LANES);
        let size = 2 * by_key.size() + by_dim.size() + by_query.size() + 2 * QUERIES * ld;
        let mut scratch = Scratch::take(size + len.max(QUERIES) * MAX_PANEL);
        let (keys, rest) = scratch.floats().split_at_mut(by_key.size());
        let (values, rest) = rest.split_at_mut(by_key.size());
        let (key_rows, rest) = rest.split_at_mut(by_dim.size());
        let (query_rows, rest) = rest.split_at_mut(by_query.size());
        let (p, rest) = rest.split_at_mut(QUERIES * ld);
        let (ds, tmp) = rest.split_at_mut(QUERIES * ld);
        self.shared.fill(0.0);
        let (dk, dv) = self.shared.split_at_mut(len * dim);
        unsafe {
            let q = self.a.qkv.as_ptr().add(self.head * dim);
            let k = self.a.qkv.as_ptr().add(inner + kv_head * dim);
            let v = k.add(kv_heads * dim);
            let g = self.a.grad.as_ptr().add(self.head * dim);
            for panel in by_key.iter() {
                let (at, from) = (panel.offset, panel.first * fused);
                let (count, width) = (panel.count, panel.width);
                tile::pack(k.add(from), fused, count, dim, width, 1.0, keys.as_mut_ptr().add(at));
                tile::pack(v.add(from), fused, count, dim, width, 1.0, values.as_mut_ptr().add(at));
            }
            for panel in by_dim.iter() {
                tile::pack_columns(k, fused, len, panel, key_rows.as_mut_ptr().add(panel.offset));
            }
            for first in (0..len).step_by(QUERIES) {
                let rows = QUERIES.min(len - first);
                let seen = if causal { first + rows } else { len };
                // P before its softmax, and G Vᵀ.
                let query = Left { ptr: q.add(first * fused), row: fused, col: 1 };
                let gradient = Left { ptr: g.add(first * inner), row: inner, col: 1 };
                for (left, panels, to) in [(query, &*keys, &mut *p), (gradient, &*values, &mut *ds)] {
                    for panel in by_key.iter().filter(|panel| panel.first < seen) {
                        let from = panels.as_ptr().add(panel.offset);
                        tile::rows::<S>(panel.vectors, rows, dim, left, from, tmp.as_mut_ptr());
                        for i in 0..rows {
                            let from = tmp.as_ptr().add(i * panel.width);
                            let to = to.as_mut_ptr().add(i * ld + panel.first);
                            std::ptr::copy_nonoverlapping(from, to, panel.width);
                        }
                    }
                }
                for i in 0..rows {
                    let end = if causal { first + i + 1 } else { len };
                    let (p, ds) = (&mut p[i * ld..(i + 1) * ld], &mut ds[i * ld..(i + 1) * ld]);
                    softmax_grad::<S>(p, ds, end, scale);
                }
                // ∂Q
                for panel in by_dim.iter() {
                    let left = Left { ptr: ds.as_ptr(), row: ld, col: 1 };
                    let from = key_rows.as_ptr().add(panel.offset);
                    tile::rows::<S>(panel.vectors, rows, seen, left, from, tmp.as_mut_ptr());
                    for i in 0..rows {
                        let to = self.out.get().add((first + i) * fused + self.head * dim + panel.first);
                        std::ptr::copy_nonoverlapping(tmp.as_ptr().add(i * panel.width), to, panel.count);
                    }
                }
                // ∂K and ∂V
                let key_side = (q.add(first * fused), fused, &*ds, &mut *dk);
                let value_side = (g.add(first * inner), inner, &*p, &mut *dv);
                for (src, stride, left, to) in [key_side, value_side] {
                    let left = Left { ptr: left.as_ptr(), row: 1, col: ld };
                    for panel in by_query.iter() {
                        let from = query_rows.as_mut_ptr().add(panel.offset);
                        tile::pack_columns(src, stride, rows, panel, from);
                        tile::rows::<S>(panel.vectors, seen, rows, left, from, tmp.as_mut_ptr());
                        for j in 0..seen {
                            let from = &tmp[j * panel.width..][..panel.count];
                            for (to, from) in to[j * dim + panel.first..].iter_mut().zip(from) {
                                *to += from;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Scores in `p` become probabilities of the first `end` keys, and their gradients in `ds` that of the unscaled products;
/// what is beyond `end` becomes zero.
#[inline(always)]
unsafe fn softmax_grad<S: Simd>(p: &mut [f32], ds: &mut [f32], end: usize, scale: f32) {
    p[end..].fill(f32::MIN);
    ds[end..].fill(0.0);
    let n = end.next_multiple_of(S::LANES);
    unsafe {
        let scale = S::splat(scale);
        let mut top = f32::MIN;
        for &value in &p[..end] {
            top = top.max(value);
        }
        let top = S::splat(top);
        let mut total = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            let at = p.as_mut_ptr().add(i);
            S::store(at, S::exp(S::mul(S::sub(S::load(at), top), scale)));
        }
        p[end..].fill(0.0);
        let mut dot = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            let value = S::load(p.as_ptr().add(i));
            total = S::add(total, value);
            dot = S::fma(value, S::load(ds.as_ptr().add(i)), dot);
        }
        let total = S::sum(total);
        let (inverse, mean) = (S::splat(1.0 / total), S::splat(S::sum(dot) / total));
        for i in (0..n).step_by(S::LANES) {
            let (at, ds) = (p.as_mut_ptr().add(i), ds.as_mut_ptr().add(i));
            let value = S::mul(S::load(at), inverse);
            S::store(at, value);
            S::store(ds, S::mul(S::mul(value, S::sub(S::load(ds), mean)), scale));
        }
    }
}
