//! From the pixels of a mask to the points of one object: flying pixels, bleeding background and stray islands are dropped.

use glam::Vec3;

use crate::ClusterOptions;
use crate::cluster::dbscan;
use crate::grid::{Grid, indexed};
use crate::outlier::inliers;
use crate::tree::PointTree;
use crate::voxel::{SAMPLES, representatives, tree_spacing};

/// Options of [`clean_object`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanOptions {
    /// Smallest voxel, in metres.
    pub voxel_min: f32,
    /// Voxels along the object at most.
    pub voxels: f32,
    /// Neighbours of the statistical outlier filter.
    pub neighbours: usize,
    /// Its limit in standard deviations.
    pub sigmas: f32,
    /// Clustering of the voxels.
    pub cluster: ClusterOptions,
    /// Clusters this large, as a share of the largest, are kept too: an object cut in two by something before it.
    pub second_share: f32,
    /// Fewer points than this are no object.
    pub min_points: usize,
}

impl Default for CleanOptions {
    fn default() -> Self {
        Self {
            voxel_min: 0.01,
            voxels: 40.0,
            neighbours: 12,
            sigmas: 2.0,
            cluster: ClusterOptions { eps_spacings: 5.0, eps_min: 0.0, min_points: 8 },
            second_share: 0.3,
            min_points: 10,
        }
    }
}

/// The points of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleaned {
    /// Indices into the input, ascending.
    pub keep: Vec<u32>,
    /// Size of the second largest cluster as a share of the largest, in points; 0 without one.
    pub second_share: f32,
    /// Clusters found.
    pub clusters: u32,
    /// Edge of the voxels, in metres.
    pub voxel: f32,
    /// Median distance between neighbouring voxels' points, in metres.
    pub spacing: f32,
}

/// Finds the points that belong to the object of a mask: one point per voxel, without statistical outliers, clustered by density; the
/// largest cluster stays, and others when they are nearly as large. All points of a voxel share its fate, and lonely voxels at the rim of
/// what stays come back, so the extent does not shrink.
///
/// `None` when fewer than `min_points` are left.
#[must_use]
pub fn clean_object(points: &[Vec3], options: &CleanOptions) -> Option<Cleaned> {
    let size = scale(points)? / options.voxels.max(1.0);
    let voxel = size.max(options.voxel_min).max(1e-6);
    let grid = Grid::new(points, voxel);
    let thin: Vec<Vec3> = representatives(&grid).map(|position| grid.points()[position]).collect();
    let tree = PointTree::new(&thin);
    let spacing = tree_spacing(&tree, SAMPLES).unwrap_or(voxel);
    let inlier = inliers(&thin, &tree, spacing, options.neighbours, options.sigmas);
    let cells: Vec<usize> = (0..thin.len()).filter(|&cell| inlier[cell]).collect();
    let dense: Vec<Vec3> = cells.iter().map(|&cell| thin[cell]).collect();
    let eps = (options.cluster.eps_spacings * spacing).max(options.cluster.eps_min);
    let clusters = dbscan(&dense, eps, options.cluster.min_points.min(dense.len()));

    let mut label_of = vec![None; thin.len()];
    for (&cell, &label) in cells.iter().zip(&clusters.labels) {
        label_of[cell] = label;
    }
    restore_rim(&thin, &mut label_of, 1.5 * voxel.max(spacing));
    let mut weights = vec![0usize; clusters.sizes.len()];
    for (cell, label) in label_of.iter().enumerate() {
        if let Some(label) = label {
            weights[*label as usize] += grid.cell(cell).len();
        }
    }
    let largest = weights.iter().copied().max()?;
    let share = |weight: usize| weight as f32 / largest as f32;
    let stays: Vec<bool> =
        weights.iter().map(|&w| w == largest || share(w) >= options.second_share).collect();
    let kept = |cell: &usize| label_of[*cell].is_some_and(|label: u32| stays[label as usize]);

    let mut keep: Vec<u32> =
        (0..thin.len()).filter(kept).flat_map(|cell| &grid.order()[grid.cell(cell)]).copied().collect();
    keep.sort_unstable();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    (keep.len() >= options.min_points).then(|| Cleaned {
        keep,
        second_share: weights.get(1).map_or(0.0, |&w| share(w)),
        clusters: weights.len() as u32,
        voxel,
        spacing,
    })
}

/// Corners and edges of a surface have fewer neighbours than its middle; those next to a cluster are no outliers.
fn restore_rim(thin: &[Vec3], label_of: &mut [Option<u32>], reach: f32) {
    let labelled: Vec<usize> = (0..thin.len()).filter(|&cell| label_of[cell].is_some()).collect();
    let tree = PointTree::new(&labelled.iter().map(|&cell| thin[cell]).collect::<Vec<_>>());
    let found: Vec<(usize, usize)> = (0..thin.len())
        .filter(|&cell| label_of[cell].is_none())
        .filter_map(|cell| {
            let (at, _) = tree.nearest(thin[cell], None, reach * reach)?;
            Some((cell, labelled[tree.index(at) as usize]))
        })
        .collect();
    for (cell, neighbour) in found {
        label_of[cell] = label_of[neighbour];
    }
}

/// Length of an object that a few far points do not change: as three standard deviations of a uniform cloud, taken from its 10th and
/// 90th percentiles.
fn scale(points: &[Vec3]) -> Option<f32> {
    let stride = points.len().div_ceil(2048).max(1);
    let sample: Vec<Vec3> = indexed(points).map(|(_, p)| p).step_by(stride).collect();
    if sample.is_empty() {
        return None;
    }
    let mut spread = Vec3::ZERO;
    for axis in 0..3 {
        let mut values: Vec<f32> = sample.iter().map(|p| p[axis]).collect();
        let (low, high) = (values.len() / 10, (values.len() - 1) - values.len() / 10);
        let from = *values.select_nth_unstable_by(low, f32::total_cmp).1;
        let to = *values.select_nth_unstable_by(high, f32::total_cmp).1;
        spread[axis] = (to - from).abs();
    }
    Some(1.08 * spread.length())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn jitter(rng: &mut ChaCha8Rng) -> Vec3 {
        Vec3::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
    }

    /// A chair before a camera at the origin: seat, back and four thin legs, sampled every 4 mm.
    fn chair(rng: &mut ChaCha8Rng) -> Vec<Vec3> {
        let mut points = vec![];
        let mut face = |from: Vec3, u: Vec3, v: Vec3| {
            let (nu, nv) = ((u.length() / 0.004) as u32, (v.length() / 0.004) as u32);
            for i in 0..=nu {
                for j in 0..=nv {
                    let at = from + u * (i as f32 / nu.max(1) as f32) + v * (j as f32 / nv.max(1) as f32);
                    points.push(at + 0.001 * jitter(rng));
                }
            }
        };
        face(Vec3::new(-0.2, 2.0, 0.45), Vec3::X * 0.4, Vec3::Y * 0.4);
        face(Vec3::new(-0.2, 2.4, 0.45), Vec3::X * 0.4, Vec3::Z * 0.45);
        for (x, y) in [(-0.2, 2.0), (0.18, 2.0), (-0.2, 2.38), (0.18, 2.38)] {
            face(Vec3::new(x, y, 0.0), Vec3::X * 0.02, Vec3::Z * 0.45);
        }
        points
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn flying_pixels_go_and_legs_stay(seed in any::<u64>(), strays in 0usize..150) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut points = chair(&mut rng);
            let own = points.len();
            // Between the chair and the wall behind it, and the wall itself at the mask's rim.
            points.extend((0..strays).map(|_| Vec3::new(0.0, 3.2, 0.5) + 0.5 * jitter(&mut rng)));
            points.extend((0..500).map(|i| Vec3::new(-0.4 + 0.01 * (i % 50) as f32, 5.0, 0.01 * (i / 50) as f32)));
            let cleaned = clean_object(&points, &CleanOptions::default()).unwrap();
            let kept = |range: std::ops::Range<usize>| cleaned.keep.iter().filter(|i| range.contains(&(**i as usize))).count();
            // The fewer strays there are, the nearer is what counts as far from its neighbours: without any, one leg point in three
            // goes (legs are strips of six points across), one point in 28 of the chair. With many strays all stay.
            prop_assert!(kept(0..own) as f32 > 0.95 * own as f32, "{} of {own}", kept(0..own));
            prop_assert!(kept(own..own + strays) <= strays / 10, "{} of {strays}", kept(own..own + strays));
            prop_assert_eq!(kept(own + strays..points.len()), 0);
            let low = cleaned.keep.iter().map(|&i| points[i as usize].z).fold(f32::INFINITY, f32::min);
            prop_assert!(low < 0.01, "legs end at {low}");
        }
    }

    #[test]
    fn halves_stay_together_and_islands_go() {
        let patch = |n: u32, shift: Vec3| {
            (0..n).map(move |i| Vec3::new((i % 20) as f32, 0.0, (i / 20) as f32) * 0.01 + shift)
        };
        let half: Vec<Vec3> = patch(400, Vec3::ZERO).chain(patch(200, Vec3::X)).collect();
        let cleaned = clean_object(&half, &CleanOptions::default()).unwrap();
        assert_eq!((cleaned.keep.len(), cleaned.clusters), (600, 2));
        assert!((cleaned.second_share - 0.5).abs() < 0.03);
        let island: Vec<Vec3> = patch(400, Vec3::ZERO).chain(patch(100, Vec3::X)).collect();
        let cleaned = clean_object(&island, &CleanOptions::default()).unwrap();
        assert_eq!(cleaned.keep, (0..400).collect::<Vec<u32>>());
        assert!((cleaned.second_share - 0.25).abs() < 0.03);
    }

    #[test]
    fn too_little_is_nothing() {
        let options = CleanOptions::default();
        assert_eq!(clean_object(&[], &options), None);
        assert_eq!(clean_object(&[Vec3::NAN; 100], &options), None);
        assert_eq!(clean_object(&[Vec3::ONE; 9], &options), None);
        let same = clean_object(&[Vec3::ONE; 500], &options).unwrap();
        assert_eq!(same.keep.len(), 500);
        let far: Vec<Vec3> = (0..300).map(|i| Vec3::splat(1e30) * i as f32).collect();
        assert_eq!(clean_object(&far, &options), None);
        let spread: Vec<Vec3> = (0..3000)
            .map(|i| Vec3::new((i * 37 % 3001) as f32 * 30.0, (i * i % 2999) as f32 * 30.0, 0.0))
            .collect();
        let _ = clean_object(&spread, &options);
    }
}
