//! Unions of objects whose extents are exact.

use glam::DVec3;
use plumb_geometry::{Aabb, GravityBox};

use super::Observed;
use crate::scene::{DepthRange, Flags, Object};

/// Share of an object below which the renderer calls it hidden (`procedural::truth`).
const WHOLE: f32 = 0.97;

/// Depth files are in whole millimetres.
const STEP: f64 = 0.001;

/// `first` with the extent of both. What only pixels say (its depths) is a guess from the parts until they are read; a lifted object is
/// measured anew altogether.
pub(super) fn union(first: &Object, second: &Object) -> Object {
    let (low, lower, high, higher) = hull(&first.aabb, &second.aabb);
    let aabb = Aabb { min: low, max: high, sigma_min: lower, sigma_max: higher };
    let pixels = first.pixels.saturating_add(second.pixels);
    let share = |object: &Object| f64::from(object.pixels) / f64::from(pixels.max(1));
    let centre = |axis: usize| {
        let weighed = |object: &Object| f64::from(object.pixel_centre[axis]) * share(object);
        (weighed(first) + weighed(second)) as f32
    };
    let visible = visible(first, second);
    let lowest = if second.aabb.min[2] < first.aabb.min[2] { second } else { first };
    Object {
        rect: [
            first.rect[0].min(second.rect[0]),
            first.rect[1].min(second.rect[1]),
            first.rect[2].max(second.rect[2]),
            first.rect[3].max(second.rect[3]),
        ],
        pixel_centre: [centre(0), centre(1)],
        pixels,
        visible,
        flags: Flags {
            truncated: first.flags.truncated || second.flags.truncated,
            occluded: visible.map_or(first.flags.occluded || second.flags.occluded, |share| share < WHOLE),
            partial_depth: first.flags.partial_depth || second.flags.partial_depth,
        },
        oriented: around(first, second, &aabb),
        centre: aabb.centre().to_array(),
        centre_sigma: std::array::from_fn(|axis| aabb.sigma_min[axis].hypot(aabb.sigma_max[axis]) / 2.0),
        aabb,
        depth: DepthRange {
            near: first.depth.near.min(second.depth.near),
            median: first.depth.median.min(second.depth.median),
            far: first.depth.far.max(second.depth.far),
            sigma: first.depth.sigma.max(second.depth.sigma),
        },
        support: lowest.support,
        points: first.points.saturating_add(second.points),
        ..first.clone()
    }
}

/// The faces of the box around both, each with the sigma of the part that it belongs to.
fn hull(a: &Aabb, b: &Aabb) -> ([f64; 3], [f64; 3], [f64; 3], [f64; 3]) {
    let own = |axis: usize| a.min[axis] <= b.min[axis];
    let far = |axis: usize| a.max[axis] >= b.max[axis];
    (
        std::array::from_fn(|axis| a.min[axis].min(b.min[axis])),
        std::array::from_fn(|axis| if own(axis) { a.sigma_min[axis] } else { b.sigma_min[axis] }),
        std::array::from_fn(|axis| a.max[axis].max(b.max[axis])),
        std::array::from_fn(|axis| if far(axis) { a.sigma_max[axis] } else { b.sigma_max[axis] }),
    )
}

/// At least this share of the union is seen: alone it covers no more pixels than its parts do one by one.
fn visible(first: &Object, second: &Object) -> Option<f32> {
    let alone = |object: &Object| {
        let share = f64::from(object.visible?);
        (share > 0.0).then(|| f64::from(object.pixels) / share)
    };
    let seen = f64::from(first.pixels) + f64::from(second.pixels);
    Some((seen / (alone(first)? + alone(second)?).max(1.0)).min(1.0) as f32)
}

/// The smallest of the boxes around both that stand as one of them does. It holds both; the tightest may be smaller, because only
/// the boxes of the parts are known.
fn around(first: &Object, second: &Object, aabb: &Aabb) -> GravityBox {
    let size = aabb.size();
    let plain = GravityBox { centre: aabb.centre().to_array(), size: size.to_array(), yaw: 0.0 };
    let corners: Vec<DVec3> = first.oriented.corners().into_iter().chain(second.oriented.corners()).collect();
    let turned = |yaw: f64| {
        let (sin, cos) = yaw.sin_cos();
        let (along, across) = (DVec3::new(cos, sin, 0.0), DVec3::new(-sin, cos, 0.0));
        let range = |axis: DVec3| {
            corners
                .iter()
                .map(|corner| corner.dot(axis))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)))
        };
        let ((x0, x1), (y0, y1)) = (range(along), range(across));
        let middle = along * f64::midpoint(x0, x1) + across * f64::midpoint(y0, y1);
        GravityBox {
            centre: [middle.x, middle.y, plain.centre[2]],
            size: [x1 - x0, y1 - y0, plain.size[2]],
            yaw,
        }
    };
    let area = |shape: &GravityBox| shape.size[0] * shape.size[1];
    [turned(first.oriented.yaw), turned(second.oriented.yaw)]
        .into_iter()
        .fold(plain, |best, shape| if area(&shape) < 0.98 * area(&best) { shape } else { best })
}

/// Depths of an object's pixels, in metres; `None` where no pixel of it has one. Sigma is the rounding of the file and, where only some pixels
/// have a depth, what a sample leaves open of the 5th and 95th percentile and the median.
pub(super) fn depth(observed: &Observed<'_>, ids: &[u16], id: u32) -> Option<DepthRange> {
    let own = ids.iter().zip(observed.depth.0.values()).filter(|(at, z)| u32::from(**at) == id && **z > 0.0);
    let mut depths: Vec<f32> = own.map(|(_, z)| *z).collect();
    depths.sort_unstable_by(f32::total_cmp);
    let last = depths.len().checked_sub(1)? as f64;
    let at = |share: f64| {
        let index = (share.clamp(0.0, 1.0) * last).round() as usize;
        depths.get(index).copied().map_or(0.0, f64::from)
    };
    let all = ids.iter().filter(|at| u32::from(**at) == id).count();
    // The shares below quantiles of a sample scatter as those of a binomial do.
    let open = |share: f64| {
        let spread = (share * (1.0 - share) / (last + 1.0)).sqrt();
        (at(share + spread) - at(share - spread)) / 2.0
    };
    let sampled = if depths.len() < all || observed.sampled {
        [0.05, 0.5, 0.95].into_iter().map(open).fold(0.0, f64::max)
    } else {
        0.0
    };
    Some(DepthRange {
        near: at(0.05),
        median: at(0.5),
        far: at(0.95),
        sigma: sampled.hypot(STEP / 12f64.sqrt()),
    })
}
