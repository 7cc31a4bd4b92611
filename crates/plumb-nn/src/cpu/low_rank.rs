//! Low-rank branches beside a linear layer: `y += s (x Aᵀ) Bᵀ` for some of its rows.
//!
//! A branch costs no pass of its own over the output: `u = x Aᵀ` becomes more columns of `x` and `s B` more columns of
//! the weight, and the tile sums over them as over the others. Backward likewise, with `s g B` beside `g` and `A` below
//! the weight.

use std::ops::Range;

use super::scratch::SendPtr;
use super::simd::{Kernel, Simd};
use super::tile::{self, Left};

/// The branch of one part of a layer.
pub(crate) struct Branch<'a> {
    /// `[rank, k]`
    pub(crate) a: &'a [f32],
    /// `[rows, rank]`
    pub(crate) b: &'a [f32],
    /// The outputs that it adds to.
    pub(crate) rows: Range<usize>,
    pub(crate) rank: usize,
    pub(crate) scale: f32,
}

/// The sum of all ranks: the width of `u`.
pub(crate) fn rank(branches: &[Branch<'_>]) -> usize {
    branches.iter().map(|b| b.rank).sum()
}

/// Each branch with the first of its columns in `u`.
pub(crate) fn with_columns<'a, 'b>(
    branches: &'b [Branch<'a>],
) -> impl Iterator<Item = (usize, &'b Branch<'a>)> {
    let mut first = 0;
    branches.iter().map(move |branch| {
        first += branch.rank;
        (first - branch.rank, branch)
    })
}

pub(crate) fn check(branches: &[Branch<'_>], k: usize, n: usize) {
    for branch in branches {
        assert_eq!(branch.a.len(), branch.rank * k, "low-rank branch: size of A");
        assert_eq!(branch.b.len(), branch.rows.len() * branch.rank, "low-rank branch: size of B");
        assert!(branch.rows.end <= n, "low-rank branch: rows");
    }
}

/// What branches add to output `row` for a row of `u`.
pub(crate) fn added(branches: &[Branch<'_>], row: usize, u: &[f32]) -> f32 {
    let mut sum = 0.0;
    for (column, branch) in with_columns(branches).filter(|(_, b)| b.rows.contains(&row)) {
        let at = (row - branch.rows.start) * branch.rank;
        let b = &branch.b[at..at + branch.rank];
        sum += branch.scale * b.iter().zip(&u[column..]).map(|(b, u)| b * u).sum::<f32>();
    }
    sum
}

/// Fills the columns of `u` in a panel of `x`, `[k + rank][width]`, and copies those of `count` rows out.
pub(crate) struct Inner<'a> {
    pub(crate) branches: &'a [Branch<'a>],
    pub(crate) panel: SendPtr,
    pub(crate) vectors: usize,
    pub(crate) k: usize,
    /// `[count, rank]`
    pub(crate) out: SendPtr,
    pub(crate) count: usize,
}

impl Kernel for Inner<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (width, rank) = (self.vectors * S::LANES, rank(self.branches));
        let panel = self.panel.get();
        unsafe {
            for (column, branch) in with_columns(self.branches) {
                let a = Left { ptr: branch.a.as_ptr(), row: self.k, col: 1 };
                let to = panel.add((self.k + column) * width);
                tile::rows::<S>(self.vectors, branch.rank, self.k, a, panel, to);
            }
            copy_rows(panel.add(self.k * width), width, rank, self.count, self.out);
        }
    }
}

/// `rank` rows of a panel as columns of `out`, `[count, rank]`.
unsafe fn copy_rows(rows: *const f32, width: usize, rank: usize, count: usize, out: SendPtr) {
    for i in 0..rank {
        for j in 0..count {
            unsafe { *out.get().add(j * rank + i) = *rows.add(i * width + j) };
        }
    }
}

/// Fills the columns of `s g B` in a panel of `g`, `[n + rank][width]`, and copies those of `count` rows out.
pub(crate) struct InnerGrad<'a> {
    pub(crate) branches: &'a [Branch<'a>],
    pub(crate) panel: SendPtr,
    pub(crate) vectors: usize,
    pub(crate) n: usize,
    /// `[count, rank]`
    pub(crate) out: SendPtr,
    pub(crate) count: usize,
}

impl Kernel for InnerGrad<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (width, rank) = (self.vectors * S::LANES, rank(self.branches));
        let panel = self.panel.get();
        unsafe {
            for (column, branch) in with_columns(self.branches) {
                let b = Left { ptr: branch.b.as_ptr(), row: 1, col: branch.rank };
                let from = panel.add(branch.rows.start * width);
                let to = panel.add((self.n + column) * width);
                tile::rows::<S>(self.vectors, branch.rank, branch.rows.len(), b, from, to);
                for i in (0..branch.rank * width).step_by(S::LANES) {
                    S::store(to.add(i), S::mul(S::load(to.add(i)), S::splat(branch.scale)));
                }
            }
            copy_rows(panel.add(self.n * width), width, rank, self.count, self.out);
        }
    }
}
