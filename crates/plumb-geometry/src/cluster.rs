//! Density clustering (DBSCAN, Ester et al. 1996) whose radius follows the spacing of the points.
//!
//! Cells of the grid are so small that any two points of one are neighbours (Gunawan 2013): dense cells need no counting, and cells
//! rather than points are joined.

use std::ops::Range;

use glam::Vec3;

use crate::grid::{Grid, bounds};
use crate::spacing;
use crate::tree::PointTree;

/// Above this many comparisons, a tree is asked instead.
const DENSE: usize = 1 << 14;

/// Options of [`cluster`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusterOptions {
    /// Radius of a neighbourhood, in median distances between nearest neighbours (4 to 6).
    pub eps_spacings: f32,
    /// Smallest radius, in metres.
    pub eps_min: f32,
    /// Points within the radius, itself counted, that make a point the core of a cluster.
    pub min_points: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { eps_spacings: 5.0, eps_min: 0.0, min_points: 10 }
    }
}

/// Result of [`cluster`] and [`dbscan`].
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// Cluster of each point; `None` for noise.
    pub labels: Vec<Option<u32>>,
    /// Points of each cluster, largest first; of equal ones, the one with the first point comes first.
    pub sizes: Vec<u32>,
    /// Radius used, in metres.
    pub eps: f32,
}

/// Clusters by density with a radius in proportion to the cloud's own spacing.
#[must_use]
pub fn cluster(points: &[Vec3], options: &ClusterOptions) -> Clusters {
    let spacing = spacing(points).unwrap_or(0.0);
    dbscan(points, (options.eps_spacings * spacing).max(options.eps_min), options.min_points)
}

/// DBSCAN with a fixed radius in metres. A point within reach of several clusters joins the one with the core point nearest to it.
///
/// A radius too small for single precision is raised to a millionth of the cloud's size. Unusable points (not finite, beyond 100 km) are
/// noise.
#[must_use]
pub fn dbscan(points: &[Vec3], eps: f32, min_points: usize) -> Clusters {
    let extent = bounds(points).map_or(0.0, |(low, high)| (high - low).max_element());
    let eps = eps.max(extent * 1e-6).max(1e-6);
    // Any two points of a cell are within eps of each other, rounding allowed for.
    let grid = Grid::new(points, eps * 0.577);
    let search = Search { grid: &grid, square: eps * eps, min_points: min_points.max(1) };
    let core = search.cores(points);
    let mut sets = Sets::new(grid.cells());
    search.join(&core, &mut sets);
    let mut labels = vec![None; points.len()];
    for (position, cell) in search.assign(&core).into_iter().enumerate() {
        labels[grid.order()[position] as usize] = cell.map(|cell| sets.find(cell));
    }
    rank(labels, grid.cells(), eps)
}

/// Renames clusters by size.
fn rank(mut labels: Vec<Option<u32>>, names: usize, eps: f32) -> Clusters {
    let mut seen: Vec<(u32, u32)> = vec![(0, u32::MAX); names];
    for (i, label) in (0..u32::MAX).zip(&labels) {
        if let Some(label) = label {
            let (count, first) = &mut seen[*label as usize];
            *count += 1;
            *first = i.min(*first);
        }
    }
    let mut ranked: Vec<u32> = (0..names as u32).filter(|&l| seen[l as usize].0 > 0).collect();
    ranked.sort_unstable_by_key(|&l| (u32::MAX - seen[l as usize].0, seen[l as usize].1));
    let sizes = ranked.iter().map(|&l| seen[l as usize].0).collect();
    let mut names = vec![0; names];
    for (name, &label) in (0..).zip(&ranked) {
        names[label as usize] = name;
    }
    for label in labels.iter_mut().flatten() {
        *label = names[*label as usize];
    }
    Clusters { labels, sizes, eps }
}

struct Search<'a> {
    grid: &'a Grid,
    square: f32,
    min_points: usize,
}

impl Search<'_> {
    /// Whether the point at each position is a core.
    fn cores(&self, points: &[Vec3]) -> Vec<bool> {
        let grid = self.grid;
        let mut core = vec![false; grid.order().len()];
        let mut tree = None;
        grid.sweep(2, |cell, runs| {
            let own = grid.cell(cell);
            if own.len() >= self.min_points {
                core[own].fill(true);
                return;
            }
            let candidates: usize = runs.iter().map(|run| grid.span(run.clone()).len()).sum();
            for position in own {
                let p = grid.points()[position];
                let count = if candidates > DENSE {
                    let tree = tree.get_or_insert_with(|| PointTree::new(points));
                    tree.count_within(p, self.square, self.min_points)
                } else {
                    self.count(p, runs)
                };
                core[position] = count >= self.min_points;
            }
        });
        core
    }

    fn count(&self, p: Vec3, runs: &[Range<usize>]) -> usize {
        let mut count = 0;
        // From the cell itself on: there, the first few points are enough.
        let (before, after) = runs.split_at(runs.len() / 2);
        for run in after.iter().chain(before) {
            let near = &self.grid.points()[self.grid.span(run.clone())];
            count += near.iter().filter(|q| p.distance_squared(**q) <= self.square).count();
            if count >= self.min_points {
                break;
            }
        }
        count
    }

    /// Joins the cells that hold neighbouring cores.
    fn join(&self, core: &[bool], sets: &mut Sets) {
        self.grid.sweep(2, |cell, runs| {
            let own = self.cores_of(cell, core);
            if own.is_empty() {
                return;
            }
            for other in runs.iter().flat_map(|run| run.clone().skip_while(|&o| o <= cell)) {
                if sets.find(cell as u32) != sets.find(other as u32)
                    && self.touch(&own, &self.cores_of(other, core))
                {
                    sets.join(cell as u32, other as u32);
                }
            }
        });
    }

    fn cores_of(&self, cell: usize, core: &[bool]) -> Vec<Vec3> {
        self.grid.cell(cell).filter(|&i| core[i]).map(|i| self.grid.points()[i]).collect()
    }

    fn touch(&self, a: &[Vec3], b: &[Vec3]) -> bool {
        if a.len() * b.len() <= DENSE {
            return a.iter().any(|p| b.iter().any(|q| p.distance_squared(*q) <= self.square));
        }
        let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
        let tree = PointTree::new(many);
        few.iter().any(|p| tree.nearest(*p, None, self.square).is_some())
    }

    /// For each position, the cell of the core it belongs to.
    fn assign(&self, core: &[bool]) -> Vec<Option<u32>> {
        let grid = self.grid;
        let mut cells = vec![None; core.len()];
        for cell in 0..grid.cells() {
            for position in grid.cell(cell) {
                cells[position] = core[position].then_some(cell as u32);
            }
        }
        let mut tree = None;
        let mut border = vec![];
        grid.sweep(2, |cell, runs| {
            if grid.cell(cell).all(|position| core[position]) {
                return;
            }
            let candidates: usize = runs.iter().map(|run| grid.span(run.clone()).len()).sum();
            for position in grid.cell(cell).filter(|&i| !core[i]) {
                let p = grid.points()[position];
                let nearest = if candidates > DENSE {
                    let (tree, positions) = tree.get_or_insert_with(|| {
                        let positions: Vec<usize> = (0..core.len()).filter(|&i| core[i]).collect();
                        let cores: Vec<Vec3> = positions.iter().map(|&i| grid.points()[i]).collect();
                        (PointTree::new(&cores), positions)
                    });
                    tree.nearest(p, None, self.square).map(|(at, _)| positions[tree.index(at) as usize])
                } else {
                    self.nearest_core(p, runs, core)
                };
                border.extend(nearest.map(|core| (position, core)));
            }
        });
        for (position, core) in border {
            cells[position] = cells[core];
        }
        cells
    }

    fn nearest_core(&self, p: Vec3, runs: &[Range<usize>], core: &[bool]) -> Option<usize> {
        let near = runs.iter().flat_map(|run| self.grid.span(run.clone())).filter(|&i| core[i]);
        near.map(|i| (i, p.distance_squared(self.grid.points()[i])))
            .filter(|(_, distance)| *distance <= self.square)
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(i, _)| i)
    }
}

/// Disjoint sets of cells.
struct Sets(Vec<u32>);

impl Sets {
    fn new(len: usize) -> Self {
        Self((0..len as u32).collect())
    }

    fn find(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            self.0[i as usize] = self.0[self.0[i as usize] as usize];
            i = self.0[i as usize];
        }
        i
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Textbook DBSCAN: components of the graph of cores, then each other point to its nearest core.
    fn naive(points: &[Vec3], eps: f32, min_points: usize) -> Vec<Option<usize>> {
        let near = |i: usize, j: usize| points[i].distance_squared(points[j]) <= eps * eps;
        let n = points.len();
        let core: Vec<bool> = (0..n).map(|i| (0..n).filter(|&j| near(i, j)).count() >= min_points).collect();
        let mut label = vec![None; n];
        for start in 0..n {
            if !core[start] || label[start].is_some() {
                continue;
            }
            let mut stack = vec![start];
            label[start] = Some(start);
            while let Some(i) = stack.pop() {
                for j in 0..n {
                    if core[j] && label[j].is_none() && near(i, j) {
                        label[j] = Some(start);
                        stack.push(j);
                    }
                }
            }
        }
        for i in (0..n).filter(|&i| !core[i]) {
            let nearest = (0..n).filter(|&j| core[j] && near(i, j)).min_by(|&a, &b| {
                points[i].distance_squared(points[a]).total_cmp(&points[i].distance_squared(points[b]))
            });
            label[i] = nearest.and_then(|j| label[j]);
        }
        label
    }

    fn same_partition(found: &[Option<u32>], expected: &[Option<usize>]) -> bool {
        (0..found.len()).all(|i| {
            found[i].is_some() == expected[i].is_some()
                && (0..i).all(|j| (found[i] == found[j]) == (expected[i] == expected[j]))
        })
    }

    fn point() -> impl Strategy<Value = Vec3> {
        (-1.0..1.0f32, -1.0..1.0f32, -0.2..0.2f32).prop_map(|(x, y, z)| Vec3::new(x, y, z))
    }

    proptest! {
        #[test]
        fn agrees_with_the_textbook(points in prop::collection::vec(point(), 0..160), eps in 0.05..0.4f32, min_points in 1usize..9) {
            let found = dbscan(&points, eps, min_points);
            prop_assert!(same_partition(&found.labels, &naive(&points, eps, min_points)));
            prop_assert!(found.sizes.is_sorted_by(|a, b| a >= b));
            for (label, size) in (0u32..).zip(&found.sizes) {
                prop_assert_eq!(found.labels.iter().filter(|l| **l == Some(label)).count(), *size as usize);
            }
        }

        #[test]
        fn order_and_place_do_not_matter(points in prop::collection::vec(point(), 0..120), shift in point()) {
            let found = dbscan(&points, 0.2, 4);
            let turned: Vec<Vec3> = points.iter().rev().copied().collect();
            let mut labels = dbscan(&turned, 0.2, 4).labels;
            labels.reverse();
            let expected: Vec<Option<usize>> = found.labels.iter().map(|l| l.map(|l| l as usize)).collect();
            prop_assert!(same_partition(&labels, &expected));
            // A shift by powers of two of these coordinates' resolution is exact.
            let shift = (shift * 8.0).round();
            let exact: Vec<Vec3> = points.iter().map(|p| (p * 4096.0).round() / 4096.0).collect();
            let moved: Vec<Vec3> = exact.iter().map(|p| p + shift).collect();
            prop_assert_eq!(dbscan(&exact, 0.2, 4).labels, dbscan(&moved, 0.2, 4).labels);
        }
    }

    #[test]
    fn the_radius_follows_the_spacing() {
        let patch = |scale: f32, shift: f32| {
            (0..400)
                .map(move |i| (Vec3::new((i % 20) as f32, (i / 20) as f32, 0.0) + Vec3::Z * shift) * scale)
        };
        for scale in [0.001, 0.01, 1.0] {
            let points: Vec<Vec3> = patch(scale, 0.0).chain(patch(scale, 8.0)).collect();
            let found = cluster(&points, &ClusterOptions::default());
            assert_eq!(found.sizes, [400, 400], "scale {scale}");
            let joined: Vec<Vec3> = patch(scale, 0.0).chain(patch(scale, 4.0)).collect();
            assert_eq!(cluster(&joined, &ClusterOptions::default()).sizes, [800]);
        }
    }

    #[test]
    fn damage_and_dense_clouds_end_in_time() {
        assert!(dbscan(&[], 0.1, 5).labels.is_empty());
        assert_eq!(dbscan(&[Vec3::NAN, Vec3::splat(1e30)], 0.1, 1).labels, [None, None]);
        let mut points = vec![Vec3::ZERO; 20_000];
        points.extend(vec![Vec3::X * 0.12; 20_000]);
        points.push(Vec3::X * 0.06);
        let found = dbscan(&points, 0.1, 10);
        assert_eq!(found.sizes, [40_001]);
        assert_eq!(dbscan(&points[..40_000], 0.1, 10).sizes, [20_000, 20_000]);
        assert_eq!(dbscan(&points, f32::NAN, usize::MAX).sizes.len(), 0);
    }
}
