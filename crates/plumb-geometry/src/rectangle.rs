//! The smallest rectangle around a footprint (an edge of the convex hull lies on one of its sides: Freeman & Shapira 1975), robust to
//! strays, with a measure of how much of its sides is seen.

use glam::{DVec2, Vec3};

use crate::BoxOptions;
use crate::boxes::span;
use crate::grid::usable;

/// Points used where all would be too many.
const SAMPLES: usize = 1024;
/// Directions along which strays are cut off.
const DIRECTIONS: usize = 8;
/// Rows and columns whose outermost points make the hull.
const LINES: usize = 64;
/// Parts of a side that are looked for points.
const PARTS: usize = 12;
/// A point is on a side when it is within this share of the rectangle's width of it.
const NEAR: f64 = 0.08;

/// A rectangle about an origin given by the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rectangle {
    /// In (−π/4, π/4].
    pub(crate) yaw: f64,
    /// Corners in the rectangle's own axes.
    pub(crate) min: DVec2,
    pub(crate) max: DVec2,
    /// Share with points of the less seen of the two adjacent sides that are seen best.
    pub(crate) coverage: f64,
}

/// Fits a rectangle to the ground plan of the points. `None` for too few points, a footprint without an area,
/// and one so well filled without a turn that measuring it would be in vain.
pub(crate) fn fit_rectangle(points: &[Vec3], origin: DVec2, options: &BoxOptions) -> Option<Rectangle> {
    let plan: Vec<DVec2> =
        points.iter().filter(|p| usable(**p)).map(|p| p.truncate().as_dvec2() - origin).collect();
    let stride = plan.len().div_ceil(SAMPLES).max(1);
    let sample: Vec<DVec2> = plan.iter().copied().step_by(stride).collect();
    let slabs = slabs(&sample)?;
    let inside = |p: &DVec2| slabs.iter().all(|(d, low, high)| (*low..=*high).contains(&d.dot(*p)));
    let hull = convex_hull(outermost(plan.iter().copied().filter(inside), &slabs));
    let sample: Vec<DVec2> = sample.into_iter().filter(inside).collect();
    let yaw = best_yaw(&hull, &sample)?;
    let area = |yaw: f64| {
        let (low, high) = extent(&hull, yaw);
        (high - low).element_product()
    };
    if area(yaw) > (1.0 - 0.5 * options.gain) * area(0.0) {
        return None;
    }

    let turn = DVec2::from_angle(-yaw);
    let side = |axis: usize| {
        let mut values: Vec<f32> = plan.iter().map(|p| turn.rotate(*p)[axis] as f32).collect();
        span(&mut values, options.percentile)
    };
    let (x, y) = (side(0)?, side(1)?);
    let min = DVec2::new(x.min.into(), y.min.into());
    let max = DVec2::new(x.max.into(), y.max.into());
    Some(Rectangle { yaw, min, max, coverage: coverage(&sample, yaw, min, max) })
}

/// Directions with the ends of the sample along each, strays cut off.
fn slabs(sample: &[DVec2]) -> Option<Vec<(DVec2, f64, f64)>> {
    let last = sample.len().checked_sub(1).filter(|n| *n >= 3)?;
    let at = |share: f64| (share * last as f64).floor() as usize;
    let mut values = Vec::with_capacity(sample.len());
    let slabs = (0..DIRECTIONS).map(|i| {
        let direction = DVec2::from_angle(i as f64 * std::f64::consts::PI / DIRECTIONS as f64);
        values.clear();
        values.extend(sample.iter().map(|p| direction.dot(*p)));
        values.sort_unstable_by(f64::total_cmp);
        // Corners thin out towards their tip: this reaches it, from the first and the fourth percentile.
        let low = 2.0 * values[at(0.01)] - values[at(0.04)];
        let high = 2.0 * values[last - at(0.01)] - values[last - at(0.04)];
        let slack = 1e-6 * (high - low).abs();
        (direction, low - slack, high + slack)
    });
    Some(slabs.collect())
}

/// The outermost points of every row and column.
fn outermost(plan: impl Iterator<Item = DVec2>, slabs: &[(DVec2, f64, f64)]) -> Vec<DVec2> {
    let (x, y) = (slabs[0], slabs[DIRECTIONS / 2]);
    let line = |v: f64, slab: (DVec2, f64, f64)| {
        let share = (v - slab.1) / (slab.2 - slab.1);
        ((share * LINES as f64) as usize).min(LINES - 1)
    };
    let mut extremes = [[[None::<DVec2>; 2]; LINES]; 2];
    let mut offer = |axis: usize, line: usize, p: DVec2| {
        let [low, high] = &mut extremes[axis][line];
        let along = 1 - axis;
        if low.is_none_or(|q| (p[along], p[axis]) < (q[along], q[axis])) {
            *low = Some(p);
        }
        if high.is_none_or(|q| (p[along], p[axis]) > (q[along], q[axis])) {
            *high = Some(p);
        }
    };
    for p in plan {
        offer(0, line(p.x, x), p);
        offer(1, line(p.y, y), p);
    }
    extremes.iter().flatten().flatten().flatten().copied().collect()
}

/// Counter-clockwise, without collinear points (Andrew 1979).
fn convex_hull(mut points: Vec<DVec2>) -> Vec<DVec2> {
    points.sort_unstable_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    points.dedup();
    let chain = |points: &mut dyn Iterator<Item = DVec2>| {
        let mut chain: Vec<DVec2> = vec![];
        for p in points {
            while let [.., a, b] = chain[..] {
                if (b - a).perp_dot(p - b) > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut hull = chain(&mut points.iter().copied());
    hull.extend(chain(&mut points.iter().rev().copied()));
    hull
}

fn extent(points: &[DVec2], yaw: f64) -> (DVec2, DVec2) {
    let turn = DVec2::from_angle(-yaw);
    points
        .iter()
        .map(|p| turn.rotate(*p))
        .fold((DVec2::INFINITY, DVec2::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)))
}

/// The direction of the hull's edge with the smallest rectangle. Of nearly equal ones the one whose sides are seen: around the two
/// visible faces of a box, the rectangle along the line between their far ends is exactly as small as the box.
fn best_yaw(hull: &[DVec2], sample: &[DVec2]) -> Option<f64> {
    const TIE: f64 = 1.15;
    let mut candidates: Vec<(f64, f64)> = hull
        .iter()
        .zip(hull.iter().cycle().skip(1))
        .map(|(a, b)| {
            let quarter = std::f64::consts::FRAC_PI_2;
            let yaw = (*b - *a).to_angle();
            let yaw = yaw - quarter * (yaw / quarter).round();
            let (low, high) = extent(hull, yaw);
            ((high - low).element_product(), yaw)
        })
        .filter(|(area, _)| *area > 0.0)
        .collect();
    candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let smallest = candidates.first()?.0;
    let mut best: Option<(f64, f64)> = None;
    let mut tried: Vec<f64> = vec![];
    for (area, yaw) in candidates.into_iter().take_while(|c| c.0 <= TIE * smallest) {
        if tried.iter().any(|t| (t - yaw).abs() < 0.005) {
            continue;
        }
        tried.push(yaw);
        let (low, high) = extent(hull, yaw);
        let score = coverage(sample, yaw, low, high) - 2.0 * (area / smallest - 1.0);
        if best.is_none_or(|b| score > b.0) {
            best = Some((score, yaw));
        }
    }
    best.map(|b| b.1)
}

/// How much of the sides has points: of the two adjacent sides that are seen best, the share of the lesser.
fn coverage(sample: &[DVec2], yaw: f64, min: DVec2, max: DVec2) -> f64 {
    let turn = DVec2::from_angle(-yaw);
    let size = max - min;
    let near = size * NEAR;
    let mut seen = [[[false; PARTS]; 2]; 2];
    for p in sample {
        let p = turn.rotate(*p);
        for axis in 0..2 {
            let along = (p[1 - axis] - min[1 - axis]) / size[1 - axis] * PARTS as f64;
            if !(0.0..=PARTS as f64).contains(&along) {
                continue;
            }
            let part = (along as usize).min(PARTS - 1);
            seen[axis][0][part] |= (p[axis] - min[axis]).abs() <= near[axis];
            seen[axis][1][part] |= (max[axis] - p[axis]).abs() <= near[axis];
        }
    }
    let share = |side: &[bool; PARTS]| side.iter().filter(|s| **s).count() as f64 / PARTS as f64;
    let best = |axis: usize| share(&seen[axis][0]).max(share(&seen[axis][1]));
    best(0).min(best(1))
}
