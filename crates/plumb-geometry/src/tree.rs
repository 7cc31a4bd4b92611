//! A tree of boxes over points in Morton order: nearest neighbours and, for two trees, the descent of [`crate::surface_distance`].
//!
//! The tree is complete and implicit (node `i` has the children `2i` and `2i + 1`), its leaves are runs of [`LEAF`] points.

use glam::Vec3;

use crate::grid::{bounds, indexed, sort_by_key};

/// Points of a leaf.
pub(crate) const LEAF: usize = 16;

/// Box of a node; the box of nothing is at an infinite distance from everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) min: Vec3,
    pub(crate) max: Vec3,
}

impl Bounds {
    const EMPTY: Self = Self { min: Vec3::INFINITY, max: Vec3::NEG_INFINITY };

    fn around(points: &[Vec3]) -> Self {
        points.iter().fold(Self::EMPTY, |b, &p| Self { min: b.min.min(p), max: b.max.max(p) })
    }

    fn join(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    fn distance_squared_to_point(self, p: Vec3) -> f32 {
        (self.min - p).max(p - self.max).max(Vec3::ZERO).length_squared()
    }

    fn farthest_squared(self, p: Vec3) -> f32 {
        (p - self.min).abs().max((p - self.max).abs()).length_squared()
    }

    /// Squared distance between two boxes; 0 where they overlap.
    pub(crate) fn distance_squared(self, other: Self) -> f32 {
        (other.min - self.max).max(self.min - other.max).max(Vec3::ZERO).length_squared()
    }
}

/// The usable points of a cloud, ready for queries.
#[derive(Clone, Debug)]
pub(crate) struct PointTree {
    points: Vec<Vec3>,
    order: Vec<u32>,
    nodes: Vec<Bounds>,
    /// Number of the first leaf.
    first_leaf: usize,
}

fn spread(v: u64) -> u64 {
    let mut v = v & 0x1f_ffff;
    for (shift, mask) in [
        (32, 0x001f_0000_0000_ffff),
        (16, 0x001f_0000_ff00_00ff),
        (8, 0x100f_00f0_0f00_f00f),
        (4, 0x10c3_0c30_c30c_30c3),
        (2, 0x1249_2492_4924_9249),
    ] {
        v = (v | v << shift) & mask;
    }
    v
}

fn morton_order(points: &[Vec3], bits: u32) -> Vec<(u64, u32)> {
    let Some((low, high)) = bounds(points) else { return vec![] };
    let top = (1u64 << bits) - 1;
    let scale = top as f32 / (high - low).max_element().max(f32::MIN_POSITIVE * 1e9);
    let entries = indexed(points)
        .map(|(i, p)| {
            let [x, y, z] = ((p - low) * scale).to_array().map(|v| spread((v as u64).min(top)));
            (x << 2 | y << 1 | z, i)
        })
        .collect();
    sort_by_key(entries)
}

impl PointTree {
    pub(crate) fn new(points: &[Vec3]) -> Self {
        // Ten bits are enough unless a few far points stretch the box so much that many others share a cell.
        let mut sorted = morton_order(points, 10);
        if sorted.windows(4 * LEAF).any(|run| run.first().map(|e| e.0) == run.last().map(|e| e.0)) {
            sorted = morton_order(points, 21);
        }
        let order: Vec<u32> = sorted.iter().map(|e| e.1).collect();
        let points: Vec<Vec3> = order.iter().map(|&i| points[i as usize]).collect();
        let first_leaf = points.len().div_ceil(LEAF).next_power_of_two();
        let mut nodes = vec![Bounds::EMPTY; 2 * first_leaf];
        for (node, run) in nodes[first_leaf..].iter_mut().zip(points.chunks(LEAF)) {
            *node = Bounds::around(run);
        }
        for i in (1..first_leaf).rev() {
            nodes[i] = nodes[2 * i].join(nodes[2 * i + 1]);
        }
        Self { points, order, nodes, first_leaf }
    }

    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// The points, by position.
    pub(crate) fn points(&self) -> &[Vec3] {
        &self.points
    }

    /// Place in the input of the point at a position.
    pub(crate) fn index(&self, position: usize) -> u32 {
        self.order[position]
    }

    pub(crate) fn node(&self, node: usize) -> Bounds {
        self.nodes[node]
    }

    /// Number of leaves.
    pub(crate) fn leaves(&self) -> usize {
        self.first_leaf
    }

    /// Number of the leaf at this node, if it is one.
    pub(crate) fn leaf(&self, node: usize) -> Option<usize> {
        node.checked_sub(self.first_leaf)
    }

    /// First position and points of a leaf.
    pub(crate) fn leaf_points(&self, leaf: usize) -> (usize, &[Vec3]) {
        let from = (leaf * LEAF).min(self.points.len());
        (from, &self.points[from..(from + LEAF).min(self.points.len())])
    }

    /// Calls `visit` with runs of points, nearest boxes first, as long as their boxes are less than the returned squared distance away
    /// (or exactly at it).
    fn descend(&self, p: Vec3, start: f32, mut visit: impl FnMut(usize, &[Vec3]) -> f32) {
        let mut bound = start;
        // One sibling waits on every level, and there are at most 32 - 4 levels.
        let mut stack = [(1usize, 0f32); 40];
        let mut len = 1;
        stack[0] = (1, self.nodes[1].distance_squared_to_point(p));
        while len > 0 {
            len -= 1;
            let (node, distance) = stack[len];
            if distance > bound || distance == f32::INFINITY {
                continue;
            }
            if let Some(leaf) = self.leaf(node) {
                let (from, points) = self.leaf_points(leaf);
                bound = visit(from, points);
                continue;
            }
            let left = (2 * node, self.nodes[2 * node].distance_squared_to_point(p));
            let right = (2 * node + 1, self.nodes[2 * node + 1].distance_squared_to_point(p));
            let (near, far) = if right.1 < left.1 { (right, left) } else { (left, right) };
            stack[len] = far;
            stack[len + 1] = near;
            len += 2;
        }
    }

    /// Position and squared distance of the nearest point within `bound` (squared), apart from the one at position `skip`. Of equally
    /// near ones, the first in the order of the tree.
    pub(crate) fn nearest(&self, p: Vec3, skip: Option<usize>, bound: f32) -> Option<(usize, f32)> {
        let mut best: Option<(usize, f32)> = None;
        self.descend(p, bound, |from, points| {
            for (i, q) in points.iter().enumerate() {
                let distance = p.distance_squared(*q);
                let position = from + i;
                let better = best
                    .map_or(distance <= bound, |(at, d)| distance < d || (distance == d && position < at));
                if better && Some(position) != skip {
                    best = Some((position, distance));
                }
            }
            best.map_or(bound, |b| b.1)
        });
        best
    }

    /// Squared distances of the `k` nearest points but the first, which is the point itself, ascending, into `out`.
    pub(crate) fn k_nearest_others(&self, p: Vec3, k: usize, out: &mut Vec<f32>) {
        out.clear();
        self.descend(p, f32::INFINITY, |_, points| {
            for q in points {
                insert(out, k + 1, p.distance_squared(*q));
            }
            if out.len() > k { out[k] } else { f32::INFINITY }
        });
        if !out.is_empty() {
            out.remove(0);
        }
    }

    /// Number of points within a squared distance; counting ends at `enough`.
    pub(crate) fn count_within(&self, p: Vec3, radius_squared: f32, enough: usize) -> usize {
        let mut count = 0;
        let mut stack = vec![1usize];
        while let Some(node) = stack.pop() {
            let bounds = self.nodes[node];
            if count >= enough || bounds.distance_squared_to_point(p) > radius_squared {
                continue;
            }
            if bounds.farthest_squared(p) <= radius_squared {
                count += self.size(node);
            } else if let Some(leaf) = self.leaf(node) {
                let points = self.leaf_points(leaf).1;
                count += points.iter().filter(|q| p.distance_squared(**q) <= radius_squared).count();
            } else {
                stack.extend([2 * node, 2 * node + 1]);
            }
        }
        count
    }

    /// Number of points under a node.
    fn size(&self, node: usize) -> usize {
        let (mut from, mut to) = (node, node + 1);
        while from < self.first_leaf {
            (from, to) = (2 * from, 2 * to);
        }
        let position = |leaf: usize| ((leaf - self.first_leaf) * LEAF).min(self.points.len());
        position(to) - position(from)
    }
}

/// Keeps the `k` smallest values, ascending.
pub(crate) fn insert(smallest: &mut Vec<f32>, k: usize, value: f32) {
    if smallest.len() == k {
        if smallest.last().is_none_or(|last| value >= *last) {
            return;
        }
        smallest.pop();
    }
    let mut at = smallest.len();
    while at > 0 && smallest[at - 1] > value {
        at -= 1;
    }
    smallest.insert(at, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Vec3> {
        (-2.0..2.0f32, -2.0..2.0f32, -2.0..2.0f32).prop_map(|(x, y, z)| Vec3::new(x, y, z))
    }

    proptest! {
        #[test]
        fn queries_agree_with_a_scan(points in prop::collection::vec(point(), 1..300), p in point(), k in 1usize..20) {
            let tree = PointTree::new(&points);
            let mut all: Vec<f32> = points.iter().map(|q| p.distance_squared(*q)).collect();
            all.sort_by(f32::total_cmp);
            let found = tree.nearest(p, None, f32::INFINITY);
            prop_assert_eq!(found.map(|f| f.1), Some(all[0]));
            prop_assert_eq!(found.map(|f| p.distance_squared(points[tree.index(f.0) as usize])), Some(all[0]));
            let mut out = vec![];
            tree.k_nearest_others(p, k, &mut out);
            prop_assert_eq!(&out[..], &all[1..(k + 1).min(all.len())]);
            let within = all.iter().filter(|d| **d <= 1.0).count();
            prop_assert_eq!(tree.count_within(p, 1.0, usize::MAX), within);
            prop_assert!(tree.nearest(p, None, all[0] * 0.9 - 1e-6).is_none());
        }
    }

    #[test]
    fn nothing_and_copies_of_one_point() {
        assert!(PointTree::new(&[]).nearest(Vec3::ZERO, None, f32::INFINITY).is_none());
        let tree = PointTree::new(&[Vec3::ONE; 5000]);
        assert_eq!(tree.nearest(Vec3::ONE, Some(0), f32::INFINITY), Some((1, 0.0)));
        assert!(tree.count_within(Vec3::ONE, 0.0, 10) >= 10);
    }
}
