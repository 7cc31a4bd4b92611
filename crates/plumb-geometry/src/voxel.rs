//! Thinning of point clouds and the spacing of their points.

use glam::{DVec3, Vec3};

use crate::grid::Grid;
use crate::tree::PointTree;

/// Points whose nearest neighbours [`spacing`] looks at.
pub(crate) const SAMPLES: usize = 512;

/// Position of the point nearest to the centroid of each cell.
pub(crate) fn representatives(grid: &Grid) -> impl Iterator<Item = usize> {
    (0..grid.cells()).map(|cell| {
        let span = grid.cell(cell);
        let points = &grid.points()[span.clone()];
        let sum: DVec3 = points.iter().map(|p| p.as_dvec3()).sum();
        let centroid = sum / points.len() as f64;
        let mut best = (0, f64::INFINITY);
        for (i, p) in points.iter().enumerate() {
            let distance = p.as_dvec3().distance_squared(centroid);
            if distance < best.1 {
                best = (i, distance);
            }
        }
        span.start + best.0
    })
}

/// One point for every voxel of `size` metres: the index of the point nearest to the centroid of the voxel's points, ascending.
///
/// Voxels are counted from the smallest coordinates of the cloud. Points that are not finite or beyond 100 km are left out, and so are
/// points more than 2^19 voxels from the median. A size that is not positive keeps every usable point.
#[must_use]
pub fn voxel_downsample(points: &[Vec3], size: f32) -> Vec<u32> {
    if size.is_nan() || size <= 0.0 {
        return crate::grid::indexed(points).map(|(i, _)| i).collect();
    }
    let grid = Grid::new(points, size);
    let mut kept: Vec<u32> = representatives(&grid).map(|position| grid.order()[position]).collect();
    kept.sort_unstable();
    kept
}

/// Median distance from a point to its nearest neighbour, in metres; `None` for fewer than two usable points.
///
/// Above 512 points, 512 of them, evenly taken along a space-filling curve, stand for all (their neighbours are sought among all).
#[must_use]
pub fn spacing(points: &[Vec3]) -> Option<f32> {
    tree_spacing(&PointTree::new(points), SAMPLES)
}

/// [`spacing`] of the points of a tree from `most` of them.
pub(crate) fn tree_spacing(tree: &PointTree, most: usize) -> Option<f32> {
    let samples = tree.len().min(most);
    let mut distances: Vec<f32> = (0..samples)
        .filter_map(|i| {
            let position = i * tree.len() / samples;
            tree.nearest(tree.points()[position], Some(position), f32::INFINITY).map(|found| found.1)
        })
        .collect();
    if distances.is_empty() {
        return None;
    }
    let middle = distances.len() / 2;
    Some(distances.select_nth_unstable_by(middle, f32::total_cmp).1.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Vec3> {
        (-1.0..1.0f32, -1.0..1.0f32, -1.0..1.0f32).prop_map(|(x, y, z)| Vec3::new(x, y, z))
    }

    proptest! {
        #[test]
        fn every_point_has_one_that_stands_for_it(points in prop::collection::vec(point(), 1..700), size in 0.05..0.6f32) {
            let kept = voxel_downsample(&points, size);
            prop_assert!(kept.is_sorted() && !kept.is_empty());
            let reach = size * 3f32.sqrt() * 1.001;
            for p in &points {
                prop_assert!(kept.iter().any(|&i| points[i as usize].distance(*p) <= reach));
            }
            let low = points.iter().copied().reduce(Vec3::min).unwrap();
            let mut cells: Vec<[i32; 3]> = kept
                .iter()
                .map(|&i| ((points[i as usize].as_dvec3() - low.as_dvec3()) / f64::from(size)).floor().to_array().map(|v| v as i32))
                .collect();
            cells.sort_unstable();
            cells.dedup();
            prop_assert_eq!(cells.len(), kept.len());
        }

        #[test]
        fn spacing_is_the_median_of_a_scan(points in prop::collection::vec(point(), 2..200)) {
            let mut all: Vec<f32> = (0..points.len())
                .map(|i| {
                    let others = (0..points.len()).filter(|j| *j != i);
                    others.map(|j| points[i].distance_squared(points[j])).fold(f32::INFINITY, f32::min)
                })
                .collect();
            all.sort_by(f32::total_cmp);
            prop_assert_eq!(spacing(&points), Some(all[all.len() / 2].sqrt()));
        }
    }

    #[test]
    fn damage_and_degenerate_clouds() {
        assert!(voxel_downsample(&[], 0.1).is_empty());
        let points = [Vec3::NAN, Vec3::ONE, Vec3::splat(1e30), Vec3::ONE];
        assert_eq!(voxel_downsample(&points, 0.1), [1]);
        assert_eq!(voxel_downsample(&points, 0.0), [1, 3]);
        assert_eq!(voxel_downsample(&points, f32::INFINITY), [1]);
        assert_eq!(spacing(&points), Some(0.0));
        assert_eq!(spacing(&points[..2]), None);
    }

    #[test]
    fn of_a_voxel_the_point_nearest_to_the_centroid() {
        let points = [Vec3::ZERO, Vec3::splat(0.05), Vec3::splat(0.09), Vec3::X * 0.55];
        assert_eq!(voxel_downsample(&points, 0.1), [1, 3]);
    }
}
