//! Removal of points that are lonelier than the rest: the statistical outlier filter of Open3D and PCL (Rusu et al. 2008).

use glam::Vec3;

use crate::grid::Grid;
use crate::tree::{PointTree, insert};
use crate::voxel::{SAMPLES, tree_spacing};

/// More neighbours than this are not looked at.
const MAX_NEIGHBOURS: usize = 64;

/// Above this many candidates, the tree is asked instead of the cells.
const DENSE: usize = 512;

/// Whether to keep each point: its mean distance to the `k` nearest others is at most the mean of that over all points plus `sigmas`
/// standard deviations. Points that are not finite or beyond 100 km are not kept. `k` is limited to 64.
#[must_use]
pub fn statistical_outliers(points: &[Vec3], k: usize, sigmas: f32) -> Vec<bool> {
    let tree = PointTree::new(points);
    let spacing = tree_spacing(&tree, SAMPLES).unwrap_or(0.0);
    inliers(points, &tree, spacing, k, sigmas)
}

/// [`statistical_outliers`] of points whose tree and spacing are known.
pub(crate) fn inliers(points: &[Vec3], tree: &PointTree, spacing: f32, k: usize, sigmas: f32) -> Vec<bool> {
    let means = mean_distances(points, tree, spacing, k.clamp(1, MAX_NEIGHBOURS));
    let known = || means.iter().filter_map(|m| m.map(f64::from));
    let count = known().count().max(1) as f64;
    let mean = known().sum::<f64>() / count;
    let variance = known().map(|m| (m - mean).powi(2)).sum::<f64>() / count;
    // Rounding must not make outliers of equal points.
    let limit = (mean + f64::from(sigmas) * variance.sqrt()) * (1.0 + 1e-6);
    means.iter().map(|m| m.is_some_and(|m| f64::from(m) <= limit)).collect()
}

/// Mean distance of each usable point to its `k` nearest others (or to all, when they are fewer).
fn mean_distances(points: &[Vec3], tree: &PointTree, spacing: f32, k: usize) -> Vec<Option<f32>> {
    let mut means = vec![None; points.len()];
    // On a surface of this spacing, a cell is a little wider than the reach of the k nearest.
    let size = spacing * 1.4 * 1.5 * (k as f32 / std::f32::consts::PI).sqrt();
    let mut nearest = Vec::with_capacity(k + 2);
    let mean = |squares: &[f32]| squares.iter().map(|d| d.sqrt()).sum::<f32>() / squares.len().max(1) as f32;
    if size > 0.0 {
        let grid = Grid::new(points, size);
        // What lies beyond the neighbouring cells is farther than a cell.
        let safe = (size * 0.999).powi(2);
        let mut within = [0f32; DENSE + 1];
        grid.sweep(1, |cell, runs| {
            if runs.iter().map(|run| grid.span(run.clone()).len()).sum::<usize>() > DENSE {
                return;
            }
            for position in grid.cell(cell) {
                let p = grid.points()[position];
                let mut count = 0;
                for run in runs {
                    for q in &grid.points()[grid.span(run.clone())] {
                        within[count] = p.distance_squared(*q);
                        count += usize::from(within[count] <= safe);
                    }
                }
                if count > k {
                    nearest.clear();
                    for &square in &within[..count] {
                        insert(&mut nearest, k + 1, square);
                    }
                    means[grid.order()[position] as usize] = Some(mean(&nearest[1..]));
                }
            }
        });
    }
    for (position, &p) in tree.points().iter().enumerate() {
        let slot = &mut means[tree.index(position) as usize];
        if slot.is_none() {
            tree.k_nearest_others(p, k, &mut nearest);
            *slot = Some(mean(&nearest));
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(points: &[Vec3], k: usize) -> Vec<f32> {
        points
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let others = points.iter().enumerate().filter(|(j, _)| *j != i);
                let mut all: Vec<f32> = others.map(|(_, q)| p.distance_squared(*q).sqrt()).collect();
                all.sort_by(f32::total_cmp);
                all.truncate(k);
                all.iter().sum::<f32>() / all.len().max(1) as f32
            })
            .collect()
    }

    proptest! {
        #[test]
        fn means_agree_with_a_scan(
            surface in prop::collection::vec((0.0..1.0f32, 0.0..1.0f32), 0..200),
            strays in prop::collection::vec((-3.0..3.0f32, -3.0..3.0f32, -3.0..3.0f32), 0..20),
            k in 1usize..20,
        ) {
            let flat = surface.iter().map(|&(x, y)| Vec3::new(x, y, 0.0));
            let points: Vec<Vec3> = flat.chain(strays.iter().map(|&(x, y, z)| Vec3::new(x, y, z))).collect();
            let tree = PointTree::new(&points);
            let spacing = tree_spacing(&tree, SAMPLES).unwrap_or(0.0);
            for (found, expected) in mean_distances(&points, &tree, spacing, k).iter().zip(naive(&points, k)) {
                prop_assert!((found.unwrap() - expected).abs() <= 1e-5 * expected.max(1e-3));
            }
        }
    }

    #[test]
    fn strays_go_and_the_surface_stays() {
        let mut points: Vec<Vec3> =
            (0..900).map(|i| Vec3::new((i % 30) as f32, (i / 30) as f32, 0.0) * 0.01).collect();
        points.push(Vec3::new(0.15, 0.15, 0.2));
        points.push(Vec3::NAN);
        let keep = statistical_outliers(&points, 12, 2.0);
        assert_eq!(keep[900..], [false, false]);
        assert!(keep[..900].iter().all(|k| *k));
        assert_eq!(statistical_outliers(&[Vec3::ONE; 3000], 12, 2.0), [true; 3000]);
        assert_eq!(statistical_outliers(&[Vec3::ONE], usize::MAX, 2.0), [true]);
        assert!(statistical_outliers(&[], 12, 2.0).is_empty());
    }
}
