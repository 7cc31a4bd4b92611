//! Shortest distances between lifted objects.

use glam::DVec3;
use plumb_geometry::{DepthNoise, Measure, SurfaceIndex, is_contact, surface_distance};

use super::measure::Measured;
use crate::scene::PairDistance;

/// Distances of all pairs whose surfaces can be compared, sorted.
pub(super) fn distances(objects: &[Measured], noise: &DepthNoise, focal: f64) -> Vec<PairDistance> {
    distances_where(objects, noise, focal, |_, _| true)
}

/// Those of the pairs that are `wanted`.
pub(super) fn distances_where(
    objects: &[Measured],
    noise: &DepthNoise,
    focal: f64,
    wanted: impl Fn(&Measured, &Measured) -> bool,
) -> Vec<PairDistance> {
    let indices: Vec<SurfaceIndex> = objects.iter().map(|object| SurfaceIndex::new(&object.points)).collect();
    let mut pairs = Vec::with_capacity(objects.len() * objects.len().saturating_sub(1) / 2);
    for (a, (one, first)) in (0u32..).zip(objects.iter().zip(&indices)) {
        for (b, (other, second)) in (0u32..).zip(objects.iter().zip(&indices)).skip(a as usize + 1) {
            if !wanted(one, other) {
                continue;
            }
            let Some(nearest) = surface_distance(first, second) else { continue };
            let (Some(&p), Some(&q)) =
                (one.points.get(nearest.a as usize), other.points.get(nearest.b as usize))
            else {
                continue;
            };
            let (p, q) = (p.as_dvec3(), q.as_dvec3());
            let near = one.object.depth.near.min(other.object.depth.near);
            let touching = is_contact(nearest.distance, near);
            pairs.push(PairDistance {
                a,
                b,
                distance: Measure {
                    value: if touching { 0.0 } else { nearest.distance },
                    sigma: sigma(one, other, p, q, noise, focal),
                },
                point_a: p.to_array(),
                point_b: q.to_array(),
            });
        }
    }
    pairs
}

/// The nearer object's back is not seen and may reach towards the other; so may the sides of either, as far as their faces are uncertain.
fn sigma(one: &Measured, other: &Measured, p: DVec3, q: DVec3, noise: &DepthNoise, focal: f64) -> f64 {
    let direction = (q - p).normalize_or_zero();
    let (near, far) = if p.y <= q.y { (one, other) } else { (other, one) };
    let back = direction.y.abs() * near.hidden.max(0.5 * far.hidden);
    let side = |axis: usize, along: f64| {
        let (towards, from) = if along > 0.0 { (one, other) } else { (other, one) };
        along.abs() * towards.object.aabb.sigma_max[axis].hypot(from.object.aabb.sigma_min[axis])
    };
    let depth = noise.sigma_z(near.object.depth.median).hypot(noise.sigma_z(far.object.depth.median));
    // Surfaces are known at pixel centres, and the nearest few of them decide.
    let sampled = 2.0 * one.object.depth.median.hypot(other.object.depth.median) / focal;
    back.hypot(side(0, direction.x))
        .hypot(side(2, direction.z))
        .hypot(depth * direction.y.abs())
        .hypot(sampled)
}
