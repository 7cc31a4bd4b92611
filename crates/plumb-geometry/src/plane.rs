//! Planes, and their robust fit: MSAC (Torr and Zisserman 2000) with thresholds that grow with depth, samples drawn before anything is
//! measured, and an adaptive stop, as in Open3D's `PointCloud::SegmentPlane`.

use glam::{DMat3, DVec3, Vec3};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The points with `normal · p + offset = 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Of unit length.
    pub normal: DVec3,
    /// Metres; the distance of the origin on the side of the normal.
    pub offset: f64,
}

impl Plane {
    /// Signed distance, positive on the side that the normal points to.
    #[must_use]
    pub fn distance(&self, point: DVec3) -> f64 {
        self.normal.dot(point) + self.offset
    }

    /// The same plane with its normal the other way.
    #[must_use]
    pub fn flipped(&self) -> Self {
        Self { normal: -self.normal, offset: -self.offset }
    }

    /// The plane through three points; `None` if they are (nearly) on a line.
    #[must_use]
    pub fn through(a: DVec3, b: DVec3, c: DVec3) -> Option<Self> {
        let (ab, ac) = (b - a, c - a);
        let normal = ab.cross(ac);
        let area = normal.length();
        // Relative to the sides, so that the size of the scene does not matter.
        let flat = area > 1e-4 * ab.length_squared().max(ac.length_squared());
        (flat && area.is_finite() && area > 0.0).then(|| {
            let normal = normal / area;
            Self { normal, offset: -normal.dot(a) }
        })
    }
}

/// A plane and how well it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaneFit {
    pub plane: Plane,
    /// Indices of the points within the threshold, ascending.
    pub inliers: Vec<u32>,
    /// Inliers as a share of the points.
    pub support: f64,
    /// Root mean square distance of the inliers, in metres.
    pub rms: f64,
    /// Standard deviation of the direction of the normal (its worse axis), in radians.
    pub normal_sigma: f64,
    /// Standard deviation of the offset, in metres.
    pub offset_sigma: f64,
}

/// How [`fit_plane`] searches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MsacOptions {
    /// Largest distance of an inlier as a share of its depth z.
    pub threshold_relative: f64,
    /// Largest distance of an inlier near the camera, in metres.
    pub threshold_min: f64,
    /// Largest angle between a point's normal and the plane's, in degrees; points with a zero normal pass.
    pub normal_degrees: f64,
    /// Probability of having drawn a sample without outliers at which the search ends.
    pub confidence: f64,
    pub max_iterations: usize,
    /// How many points judge a sample, spread evenly over all.
    pub judges: usize,
    /// Points for each independent measurement: neighbouring pixels of a depth camera share their errors.
    pub correlated: f64,
    pub seed: u64,
}

impl Default for MsacOptions {
    fn default() -> Self {
        Self {
            threshold_relative: 0.015,
            threshold_min: 0.01,
            normal_degrees: 30.0,
            confidence: 0.999,
            max_iterations: 300,
            judges: 2000,
            correlated: 16.0,
            seed: 0,
        }
    }
}

struct Judge<'a> {
    points: &'a [Vec3],
    normals: Option<&'a [Vec3]>,
    options: &'a MsacOptions,
    least_cosine: f32,
}

impl Judge<'_> {
    /// Squared distance over squared threshold.
    fn ratio(&self, plane: &Plane, index: usize) -> f64 {
        let point = self.points[index].as_dvec3();
        let threshold = self.options.threshold_min.max(self.options.threshold_relative * point.z);
        (plane.distance(point) / threshold).powi(2)
    }

    fn accepts(&self, plane: &Plane, index: usize) -> bool {
        let fits = self
            .normals
            .and_then(|n| n.get(index))
            .is_none_or(|n| *n == Vec3::ZERO || n.dot(plane.normal.as_vec3()).abs() >= self.least_cosine);
        fits && self.ratio(plane, index) < 1.0
    }
}

/// Finds the plane with the smallest sum of squared distances cut off at the threshold, and refits it to its inliers by least squares
/// weighted by the inverse squared threshold.
///
/// `normals`, if given, belong to the points and are of unit length or zero; their sign does not matter. Points that are not finite or have
/// z = 0 are left out. The result depends on the arguments only. `None` for fewer than three usable points or no plane with five inliers
/// (three, if there are fewer than five points).
#[must_use]
pub fn fit_plane(points: &[Vec3], normals: Option<&[Vec3]>, options: &MsacOptions) -> Option<PlaneFit> {
    let normals = normals.filter(|n| n.len() == points.len());
    let usable: Vec<u32> =
        (0..).zip(points).filter(|(_, p)| p.is_finite() && p.z != 0.0).map(|(i, _): (u32, _)| i).collect();
    if usable.len() < 3 {
        return None;
    }
    let least_cosine = options.normal_degrees.to_radians().cos() as f32;
    let judge = Judge { points, normals, options, least_cosine };
    let plane = search(&judge, &usable)?;
    let (plane, _) = refit(&judge, &usable, plane)?;
    describe(&judge, &usable, plane)
}

fn search(judge: &Judge<'_>, usable: &[u32]) -> Option<Plane> {
    let options = judge.options;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let samples: Vec<[usize; 3]> = (0..options.max_iterations)
        .map(|_| std::array::from_fn(|_| usable[rng.random_range(0..usable.len())] as usize))
        .collect();
    let stride = usable.len().div_ceil(options.judges.max(3)).max(1);
    let judges: Vec<usize> = usable.iter().step_by(stride).map(|&i| i as usize).collect();
    let mut best: Option<(f64, Plane)> = None;
    let mut needed = options.max_iterations;
    for (done, sample) in samples.iter().enumerate() {
        if done >= needed {
            break;
        }
        let [a, b, c] = sample.map(|i| judge.points[i].as_dvec3());
        let Some(plane) = Plane::through(a, b, c) else { continue };
        if !sample.iter().all(|&i| judge.accepts(&plane, i)) {
            continue;
        }
        let (mut cost, mut inliers) = (0.0, 0usize);
        for &i in &judges {
            if judge.accepts(&plane, i) {
                cost += judge.ratio(&plane, i);
                inliers += 1;
            } else {
                cost += 1.0;
            }
        }
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, plane));
            let share = inliers as f64 / judges.len() as f64;
            let miss = (1.0 - share.powi(3)).max(1e-12);
            let trials = (1.0 - options.confidence).max(1e-12).ln() / miss.ln();
            // A first plane with every judge has miss ≈ 0: one more sample is enough.
            needed =
                if trials.is_finite() { trials.ceil().max(1.0) as usize } else { options.max_iterations };
        }
    }
    best.map(|(_, plane)| plane)
}

/// Weighted moments of points.
struct Moments {
    weight: f64,
    centre: DVec3,
    /// Eigenvalues of the scatter, ascending, and their axes.
    values: [f64; 3],
    axes: [DVec3; 3],
}

fn moments(judge: &Judge<'_>, indices: impl Iterator<Item = usize> + Clone) -> Option<(Moments, usize)> {
    let weighted = indices.map(|i| {
        let point = judge.points[i].as_dvec3();
        let threshold = judge.options.threshold_min.max(judge.options.threshold_relative * point.z);
        (point, threshold.powi(2).recip())
    });
    let (mut weight, mut sum, mut count) = (0.0, DVec3::ZERO, 0);
    for (point, w) in weighted.clone() {
        weight += w;
        sum += point * w;
        count += 1;
    }
    let centre = sum / weight;
    let mut scatter = [[0.0; 3]; 3];
    for (point, w) in weighted {
        let d = (point - centre).to_array();
        for (row, a) in scatter.iter_mut().zip(d) {
            for (cell, b) in row.iter_mut().zip(d) {
                *cell += w * a * b;
            }
        }
    }
    let (values, axes) = eigen(scatter);
    centre.is_finite().then_some((Moments { weight, centre, values, axes }, count))
}

fn refit(judge: &Judge<'_>, usable: &[u32], mut plane: Plane) -> Option<(Plane, usize)> {
    let mut count = 0;
    for _ in 0..4 {
        let inliers = usable.iter().map(|&i| i as usize).filter(|&i| judge.accepts(&plane, i));
        let (moments, found) = moments(judge, inliers)?;
        if found < usable.len().min(5) {
            return None;
        }
        let normal = moments.axes[0] * moments.axes[0].dot(plane.normal).signum();
        let next = Plane { normal, offset: -normal.dot(moments.centre) };
        let still = (next.normal - plane.normal).length() < 1e-9 && (next.offset - plane.offset).abs() < 1e-9;
        (plane, count) = (next, found);
        if still {
            break;
        }
    }
    Some((plane, count))
}

fn describe(judge: &Judge<'_>, usable: &[u32], plane: Plane) -> Option<PlaneFit> {
    let inliers: Vec<u32> = usable.iter().copied().filter(|&i| judge.accepts(&plane, i as usize)).collect();
    let (moments, count) = moments(judge, inliers.iter().map(|&i| i as usize))?;
    if count < usable.len().min(5) {
        return None;
    }
    let squares: f64 =
        inliers.iter().map(|&i| plane.distance(judge.points[i as usize].as_dvec3()).powi(2)).sum();
    // Weighted residuals have this variance where the weights are 1; the scatter holds the sum of weights times lever arms squared.
    let degrees = (count as f64 - 3.0).max(1.0);
    let correlated = judge.options.correlated.max(1.0);
    let variance = moments.values[0].max(0.0) / degrees * correlated;
    let normal_sigma = (variance / moments.values[1].max(f64::MIN_POSITIVE)).sqrt();
    // The offset is an extrapolation from the middle of the points to the foot of the origin.
    let lever = (moments.centre - plane.normal * plane.normal.dot(moments.centre)).length();
    let offset_sigma = (variance / moments.weight).sqrt().hypot(lever * normal_sigma);
    Some(PlaneFit {
        plane,
        support: count as f64 / usable.len() as f64,
        rms: (squares / count as f64).sqrt(),
        normal_sigma,
        offset_sigma,
        inliers,
    })
}

/// Eigenvalues (ascending) and unit eigenvectors of a symmetric matrix, by Jacobi rotations.
pub(crate) fn eigen(mut m: [[f64; 3]; 3]) -> ([f64; 3], [DVec3; 3]) {
    let mut axes = DMat3::IDENTITY.to_cols_array_2d();
    for _ in 0..24 {
        let off = m[0][1].abs() + m[0][2].abs() + m[1][2].abs();
        let size = m[0][0].abs() + m[1][1].abs() + m[2][2].abs();
        if off.is_nan() || off <= 1e-15 * size {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q] == 0.0 {
                continue;
            }
            let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
            let t = if theta == 0.0 { 1.0 } else { theta.signum() / (theta.abs() + theta.hypot(1.0)) };
            let (cos, sin) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
            for row in &mut m {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
            let (at_p, at_q) = (m[p], m[q]);
            m[p] = std::array::from_fn(|k| cos * at_p[k] - sin * at_q[k]);
            m[q] = std::array::from_fn(|k| sin * at_p[k] + cos * at_q[k]);
            let (at_p, at_q) = (axes[p], axes[q]);
            axes[p] = std::array::from_fn(|k| cos * at_p[k] - sin * at_q[k]);
            axes[q] = std::array::from_fn(|k| sin * at_p[k] + cos * at_q[k]);
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| m[a][a].total_cmp(&m[b][b]));
    (order.map(|i| m[i][i]), order.map(|i| DVec3::from_array(axes[i]).normalize_or_zero()))
}
