//! The ground and the surfaces things stand on.

use glam::{DVec3, Vec3};

use crate::plane::{MsacOptions, Plane, PlaneFit, fit_plane};
use crate::{Measure, OrganizedCloud};

/// A level surface, seen from above.
#[derive(Clone, Debug, PartialEq)]
pub struct SupportPlane {
    /// Above the ground; 0 for the ground itself.
    pub height: Measure,
    /// In the camera frame, normal upwards.
    pub plane: Plane,
    /// Pixels on it (`row * width + column`), ascending.
    pub inliers: Vec<u32>,
    /// Visible surface in m².
    pub area: f64,
    pub is_ground: bool,
}

/// The ground and what stands out of it as level.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    /// Of the camera centre above the ground.
    pub camera_height: Measure,
    /// Lowest first; the first is the ground.
    pub planes: Vec<SupportPlane>,
}

/// How [`find_ground`] decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroundOptions {
    /// Largest angle between a surface's normal and up, in degrees.
    pub normal_degrees: f64,
    /// Largest tilt of a fitted plane against up, in degrees.
    pub plane_degrees: f64,
    /// Smallest visible area of the ground, in m².
    pub min_ground_area: f64,
    /// Smallest visible area of the ground as a share of that of the largest level surface.
    pub min_ground_share: f64,
    /// Smallest visible area of other level surfaces, in m².
    pub min_support_area: f64,
    /// Largest share of all points that may lie below the ground.
    pub max_below: f64,
    /// Lowest and highest plausible camera, in metres above the ground.
    pub camera_heights: [f64; 2],
    pub max_planes: usize,
    pub msac: MsacOptions,
}

impl Default for GroundOptions {
    fn default() -> Self {
        Self {
            normal_degrees: 15.0,
            plane_degrees: 8.0,
            min_ground_area: 0.1,
            min_ground_share: 0.1,
            min_support_area: 0.02,
            max_below: 0.04,
            camera_heights: [0.1, 12.0],
            max_planes: 8,
            msac: MsacOptions::default(),
        }
    }
}

/// Half the width of a peak of the histogram of heights, with a little more, so that what made the peak can be taken away.
const PEAK: f32 = 0.06;

struct Sample {
    index: u32,
    point: Vec3,
    height: f32,
    area: f32,
}

struct Found {
    fit: PlaneFit,
    area: f64,
    /// Mean height of the inliers above the camera (negative).
    level: f64,
    level_sigma: f64,
}

/// Finds level surfaces and which of them is the ground: the lowest large one that nothing lies beneath.
///
/// `up` is the unit vector upwards in the camera frame. `None` when no surface is plausibly the ground.
#[must_use]
pub fn find_ground(cloud: &OrganizedCloud, up: DVec3, options: &GroundOptions) -> Option<Ground> {
    let up = up.try_normalize()?;
    let upf = up.as_vec3();
    let stride = (cloud.points().len() / 40_000).max(1);
    let least = options.normal_degrees.to_radians().cos() as f32;
    let mut pool: Vec<Sample> = Vec::new();
    let mut all: Vec<(f32, f32)> = Vec::new();
    for (i, (point, normal)) in cloud.points().iter().zip(cloud.normals()).enumerate().step_by(stride) {
        if point.z <= 0.0 {
            continue;
        }
        let height = upf.dot(*point);
        all.push((height, point.z));
        if normal.dot(upf) >= least && height < 0.0 {
            let area = cloud.pixel_area(i) * stride as f32;
            pool.push(Sample { index: i as u32, point: *point, height, area });
        }
    }
    let mut found = Vec::new();
    // Every round takes something off the pool; the bound keeps a scene of a thousand steps cheap.
    for _ in 0..4 * options.max_planes.max(1) {
        if found.len() >= options.max_planes.max(1) || pool.is_empty() {
            break;
        }
        let Some(next) = extract(cloud, &mut pool, up, options) else { break };
        if let Some(next) = next {
            found.push(next);
        }
    }
    let largest = found.iter().map(|f| f.area).fold(0.0, f64::max);
    found.sort_by(|a, b| a.level.total_cmp(&b.level));
    let enough = options.min_ground_area.max(options.min_ground_share * largest);
    let ground = found.iter().position(|f| {
        let below = all.iter().filter(|(h, z)| f64::from(*h) < f.level - (0.05f64).max(0.03 * f64::from(*z)));
        let share = below.count() as f64 / all.len().max(1) as f64;
        let [low, high] = options.camera_heights;
        f.area >= enough && share <= options.max_below && (low..=high).contains(&-f.level)
    })?;
    Some(assemble(cloud, &found[ground..], up, options))
}

/// Takes the plane of the strongest height off the pool. `None` when nothing is left, `Some(None)` when what was taken was no plane.
fn extract(
    cloud: &OrganizedCloud,
    pool: &mut Vec<Sample>,
    up: DVec3,
    options: &GroundOptions,
) -> Option<Option<Found>> {
    let peak = strongest_height(pool, options.min_support_area)?;
    let near = |s: &Sample| (s.height - peak).abs() < (0.04 * s.point.z).max(0.05);
    let slab: Vec<&Sample> = pool.iter().filter(|s| near(s)).collect();
    let points: Vec<Vec3> = slab.iter().map(|s| s.point).collect();
    let normals: Vec<Vec3> = slab.iter().map(|s| cloud.normals()[s.index as usize]).collect();
    let fit = fit_plane(&points, Some(&normals), &options.msac).and_then(|mut fit| {
        if fit.plane.normal.dot(up) < 0.0 {
            fit.plane = fit.plane.flipped();
        }
        (fit.plane.normal.dot(up) >= options.plane_degrees.to_radians().cos()).then_some(fit)
    });
    let Some(fit) = fit else {
        pool.retain(|s| (s.height - peak).abs() > PEAK);
        return Some(None);
    };
    let mut area = 0.0;
    let (mut weights, mut level) = (0.0, 0.0);
    let (mut centre, mut count) = (DVec3::ZERO, 0.0);
    for &i in &fit.inliers {
        let sample = slab[i as usize];
        area += f64::from(sample.area);
        let weight = f64::from(sample.point.z).powi(-2);
        weights += weight;
        level += weight * f64::from(sample.height);
        centre += sample.point.as_dvec3() * weight;
        count += 1.0;
    }
    let (level, centre) = (level / weights, centre / weights);
    // What the plane's tilt against up does to heights where its points are, and what their scatter does to their mean.
    let tilt = fit.plane.normal.angle_between(up);
    let lever = fit
        .inliers
        .iter()
        .map(|&i| {
            let d = slab[i as usize].point.as_dvec3() - centre;
            (d - up * up.dot(d)).length_squared()
        })
        .sum::<f64>()
        / f64::max(count, 1.0);
    let scatter = fit.rms / (f64::max(count, 1.0) / options.msac.correlated.max(1.0)).max(1.0).sqrt();
    // Single precision leaves about this much.
    let rounding = 1e-5 * level.abs();
    let level_sigma = scatter.hypot(tilt * lever.sqrt()).hypot(rounding);
    let plane = fit.plane;
    let before = pool.len();
    pool.retain(|s| {
        let distance = plane.distance(s.point.as_dvec3()).abs();
        distance > (0.03f64).max(0.025 * f64::from(s.point.z))
    });
    if pool.len() == before {
        pool.retain(|s| (s.height - peak).abs() > PEAK);
    }
    Some((area >= options.min_support_area).then_some(Found { fit, area, level, level_sigma }))
}

/// The height with the most area around it. Bins grow with depth noise through the smoothing only.
fn strongest_height(pool: &[Sample], least: f64) -> Option<f32> {
    const BIN: f32 = 0.02;
    let lowest = pool.iter().map(|s| s.height).fold(0.0, f32::min).max(-50.0);
    let bins = (-lowest / BIN) as usize + 1;
    let mut histogram = vec![0.0f64; bins];
    for sample in pool.iter().filter(|s| s.height >= lowest) {
        let at = ((sample.height - lowest) / BIN) as usize;
        histogram[at.min(bins - 1)] += f64::from(sample.area);
    }
    let smooth = |i: usize| -> f64 {
        let window = i.saturating_sub(2)..(i + 3).min(bins);
        histogram[window].iter().sum()
    };
    let best = (0..bins).max_by(|&a, &b| smooth(a).total_cmp(&smooth(b)))?;
    (smooth(best) >= least).then_some(lowest + (best as f32 + 0.5) * BIN)
}

fn assemble(cloud: &OrganizedCloud, found: &[Found], up: DVec3, options: &GroundOptions) -> Ground {
    let ground = &found[0];
    let camera_height = Measure::new(-ground.level, ground.level_sigma);
    let mut planes: Vec<SupportPlane> = found
        .iter()
        .enumerate()
        .map(|(i, f)| SupportPlane {
            height: if i == 0 {
                Measure::exact(0.0)
            } else {
                Measure::new(f.level, f.level_sigma).minus(Measure::new(ground.level, ground.level_sigma))
            },
            plane: f.fit.plane,
            inliers: Vec::new(),
            area: 0.0,
            is_ground: i == 0,
        })
        .collect();
    let upf = up.as_vec3();
    let least = (2.0 * options.normal_degrees).to_radians().cos() as f32;
    let flat: Vec<(Vec3, f32)> =
        planes.iter().map(|p| (p.plane.normal.as_vec3(), p.plane.offset as f32)).collect();
    let (relative, min) = (options.msac.threshold_relative as f32, options.msac.threshold_min as f32);
    for (i, (point, normal)) in cloud.points().iter().zip(cloud.normals()).enumerate() {
        if point.z <= 0.0 || normal.dot(upf) < least {
            continue;
        }
        let mut best = ((relative * point.z).max(min), None);
        for (k, (n, offset)) in flat.iter().enumerate() {
            let distance = (n.dot(*point) + offset).abs();
            if distance < best.0 {
                best = (distance, Some(k));
            }
        }
        if let Some(plane) = best.1.and_then(|k| planes.get_mut(k)) {
            plane.inliers.push(i as u32);
            plane.area += f64::from(cloud.pixel_area(i));
        }
    }
    Ground { camera_height, planes }
}
