//! Sizes and distances from the solids alone, in the plainest way that is still exact.

use glam::{DVec2, DVec3};
use plumb_scene::procedural::{Primitive, Shape};

/// How far a union of solids reaches along a direction.
pub(crate) fn reach(solids: &[Primitive], direction: DVec3) -> f64 {
    solids.iter().map(|solid| solid.reach(direction)).fold(f64::NEG_INFINITY, f64::max)
}

/// Full extent along a direction.
pub(crate) fn extent(solids: &[Primitive], direction: DVec3) -> f64 {
    reach(solids, direction) + reach(solids, -direction)
}

/// Sides of the upright box along the object's own axes: those of its first solid that stands upright.
pub(crate) fn turned_sides(solids: &[Primitive]) -> [f64; 3] {
    let upright = solids.iter().find(|solid| solid.axes[2].z > 1.0 - 1e-9).or(solids.first());
    let side = upright.map_or(DVec3::X, |solid| solid.axes[0].with_z(0.0).normalize_or(DVec3::X));
    [side, DVec3::Z.cross(side), DVec3::Z].map(|axis| extent(solids, axis))
}

/// What the distance of two objects is at least and at most, in metres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// Distance of two unions: the least of all pairs of solids.
///
/// For each pair a point in either is projected onto the other in turn until they stop (both are convex). The two points bound the
/// distance from above, and the slab between the solids across the line that joins them bounds it from below, however far the
/// projections got.
pub(crate) fn distance(a: &[Primitive], b: &[Primitive]) -> Between {
    let mut best = Between { least: f64::INFINITY, most: f64::INFINITY };
    for first in a {
        for second in b {
            let far = [DVec3::X, DVec3::Y, DVec3::Z, (second.centre - first.centre).normalize_or(DVec3::X)]
                .into_iter()
                .map(|axis| slab(first, second, axis).max(slab(first, second, -axis)))
                .fold(f64::NEG_INFINITY, f64::max);
            if far > best.most {
                best.least = best.least.min(far);
                continue;
            }
            let found = convex_distance(first, second);
            best.least = best.least.min(found.least);
            best.most = best.most.min(found.most);
        }
    }
    // A pair that was passed over is farther than the best one.
    best.least = best.least.min(best.most).max(0.0);
    best
}

/// Width of the empty slab across `axis` between `a` and `b`; negative where there is none.
fn slab(a: &Primitive, b: &Primitive, axis: DVec3) -> f64 {
    -b.reach(-axis) - a.reach(axis)
}

const PRECISION: f64 = 1e-7;
const MOST_STEPS: usize = 4000;

fn convex_distance(a: &Primitive, b: &Primitive) -> Between {
    let mut p = a.centre;
    let (mut least, mut most) = (0.0f64, f64::INFINITY);
    for _ in 0..MOST_STEPS {
        let q = nearest(b, p);
        p = nearest(a, q);
        let step = q - p;
        let length = step.length();
        most = most.min(length);
        if length < PRECISION {
            break;
        }
        least = least.max(slab(a, b, step / length));
        if most - least < PRECISION {
            break;
        }
    }
    Between { least, most }
}

/// The point of a solid that is nearest to a point.
fn nearest(solid: &Primitive, point: DVec3) -> DVec3 {
    let own = solid.to_own(point);
    let on = match solid.shape {
        Shape::Box { half } => {
            let half = DVec3::from_array(half);
            own.clamp(-half, half)
        }
        Shape::Ellipsoid { radii } => nearest_in_ellipsoid(DVec3::from_array(radii), own),
        Shape::Frustum { bottom, top, half_height } => {
            let across = own.truncate();
            let out = across.normalize_or(DVec2::X);
            let flat = nearest_in_profile(bottom, top, half_height, DVec2::new(across.length(), own.z));
            (out * flat.x).extend(flat.y)
        }
    };
    let [x, y, z] = solid.axes;
    solid.centre + x * on.x + y * on.y + z * on.z
}

/// In the half plane (distance from the axis, height) a frustum is a quadrangle; the nearest of its four sides' nearest points.
fn nearest_in_profile(bottom: f64, top: f64, half: f64, point: DVec2) -> DVec2 {
    let radius = bottom + (top - bottom) * (point.y + half) / (2.0 * half);
    if point.y.abs() <= half && point.x <= radius {
        return point;
    }
    let corners =
        [DVec2::new(0.0, -half), DVec2::new(bottom, -half), DVec2::new(top, half), DVec2::new(0.0, half)];
    let mut best = corners[0];
    for pair in corners.windows(2) {
        let along = pair[1] - pair[0];
        let share = ((point - pair[0]).dot(along) / along.length_squared().max(1e-300)).clamp(0.0, 1.0);
        let on = pair[0] + along * share;
        if on.distance_squared(point) < best.distance_squared(point) {
            best = on;
        }
    }
    best
}

/// The foot x of the normal through the point: xᵢ = rᵢ² yᵢ / (rᵢ² + t) with t > 0 such that x is on the surface, by halving.
fn nearest_in_ellipsoid(radii: DVec3, point: DVec3) -> DVec3 {
    if (point / radii).length_squared() <= 1.0 {
        return point;
    }
    let square = radii * radii;
    let at = |t: f64| square * point / (square + DVec3::splat(t));
    let (mut low, mut high) = (0.0, radii.max_element() * point.length());
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if (at(middle) / radii).length_squared() > 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    at(high)
}

/// The projections are what they claim: in the solid, and no point of a fine grid of the solid is nearer.
pub(crate) fn check_projection(solid: &Primitive, point: DVec3) -> Result<(), String> {
    let on = nearest(solid, point);
    let inside = solid.surface_distance(on);
    if inside > 1e-9 {
        return Err(format!("the projection of {point} onto {solid:?} is {inside} m outside"));
    }
    let half = solid.half_extents();
    let [x, y, z] = solid.axes;
    let distance = on.distance(point);
    for i in 0..9 * 9 * 9 {
        let grid = DVec3::new(f64::from(i % 9), f64::from(i / 9 % 9), f64::from(i / 81)) / 4.0 - DVec3::ONE;
        let own = grid * half;
        let other = solid.centre + x * own.x + y * own.y + z * own.z;
        if solid.surface_distance(other) <= 0.0 && other.distance(point) < distance - 1e-9 {
            return Err(format!("{other} of {solid:?} is nearer to {point} than its projection {on}"));
        }
    }
    Ok(())
}
