//! Boxes around the cleaned points of an object: along the axes, and turned about the vertical where that is well supported.
//!
//! Sides come from percentiles, carried on to where the tail would end, so that neither a few strays nor thin ends (the legs of a chair)
//! move them. Free principal axes are never used: on clouds seen from one side they follow the view, not the object.

use std::cmp::Ordering;

use glam::{DVec3, Vec3};

use crate::grid::usable;
use crate::noise::FaceNoise;
use crate::rectangle::fit_rectangle;
use crate::{Aabb, GravityBox};

/// Options of [`robust_aabb`] and [`fit_gravity_box`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxOptions {
    /// Share of the points beyond which the tail of each side is extrapolated instead of believed (at most 0.1).
    pub percentile: f64,
    /// Share of the footprint that a turned box must save.
    pub gain: f64,
    /// Share of each of two adjacent sides of a turned box that must have points along it.
    pub coverage: f64,
    /// Shortest side of a turned box, as a share of its longest.
    pub slimness: f64,
    /// Shortest side of a turned box, in metres.
    pub thickness: f64,
    /// Where the standard deviations of the faces come from.
    pub noise: FaceNoise,
}

impl Default for BoxOptions {
    fn default() -> Self {
        Self {
            percentile: 0.01,
            gain: 0.15,
            coverage: 0.6,
            slimness: 0.1,
            thickness: 0.03,
            noise: FaceNoise::EXACT,
        }
    }
}

/// Robust ends of a set of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) min: f32,
    pub(crate) max: f32,
    /// How far each end was extrapolated.
    pub(crate) tails: [f32; 2],
}

/// The ends of `values` (not empty), from the percentiles p and 2p: where density is even in between, it goes on to an end one more step
/// out; never beyond the data.
pub(crate) fn span(values: &mut [f32], percentile: f64) -> Option<Span> {
    let last = values.len().checked_sub(1)?;
    let percentile = if percentile.is_finite() { percentile.clamp(0.0, 0.1) } else { 0.0 };
    let outer = (percentile * last as f64).floor() as usize;
    let inner = (2.0 * percentile * last as f64).floor() as usize;
    let (min, low_tail) = end(&mut smallest(values, inner + 1, f32::total_cmp), outer, f32::total_cmp);
    let down = |a: &f32, b: &f32| b.total_cmp(a);
    let (max, high_tail) = end(&mut smallest(values, inner + 1, down), outer, down);
    Some(Span { min, max, tails: [low_tail, high_tail] })
}

/// The `count` first values (at least one, at most all) in an order.
fn smallest(values: &mut [f32], count: usize, order: impl Fn(&f32, &f32) -> Ordering + Copy) -> Vec<f32> {
    const SAMPLES: usize = 512;
    if values.len() > 8 * SAMPLES {
        // A threshold from a sample, taken generously, spares the selection most of the values.
        let mut sample: Vec<f32> = values.iter().copied().step_by(values.len() / SAMPLES).collect();
        let at = (2 * count * sample.len() / values.len() + 4).min(sample.len() - 1);
        let threshold = *sample.select_nth_unstable_by(at, order).1;
        let mut tail: Vec<f32> = values.iter().copied().filter(|v| order(v, &threshold).is_le()).collect();
        if tail.len() >= count {
            tail.select_nth_unstable_by(count - 1, order);
            tail.truncate(count);
            return tail;
        }
    }
    values.select_nth_unstable_by(count - 1, order);
    values[..count].to_vec()
}

/// `tail` holds the values from the extreme to the inner percentile (its last in the order given).
fn end(tail: &mut [f32], outer: usize, order: impl Fn(&f32, &f32) -> Ordering + Copy) -> (f32, f32) {
    tail.sort_unstable_by(order);
    let (Some(&extreme), Some(&inner)) = (tail.first(), tail.last()) else { return (0.0, 0.0) };
    let percentile = tail[outer.min(tail.len() - 1)];
    let wanted = percentile + (percentile - inner);
    // The less extreme of the two.
    let value = if order(&wanted, &extreme).is_lt() { extreme } else { wanted };
    (value, (value - percentile).abs())
}

/// The box along the axes around the usable points, with the standard deviation of its faces: that of the noise at the middle of each
/// face, and half of what was extrapolated. `None` without a usable point.
#[must_use]
pub fn robust_aabb(points: &[Vec3], options: &BoxOptions) -> Option<Aabb> {
    let mut aabb = Aabb::exact(DVec3::ZERO, DVec3::ZERO);
    let mut tails = [[0.0; 2]; 3];
    let mut values = Vec::with_capacity(points.len());
    for axis in 0..3 {
        values.clear();
        values.extend(points.iter().filter(|p| usable(**p)).map(|p| p[axis]));
        let found = span(&mut values, options.percentile)?;
        aabb.min[axis] = f64::from(found.min);
        aabb.max[axis] = f64::from(found.max);
        tails[axis] = found.tails.map(f64::from);
    }
    let centre = aabb.centre();
    for axis in 0..3 {
        let mut face = centre;
        face[axis] = aabb.min[axis];
        aabb.sigma_min[axis] = options.noise.sigma(face)[axis].hypot(tails[axis][0] / 2.0);
        face[axis] = aabb.max[axis];
        aabb.sigma_max[axis] = options.noise.sigma(face)[axis].hypot(tails[axis][1] / 2.0);
    }
    Some(aabb)
}

/// The upright box around the points. It is turned only if the smallest rectangle around the footprint saves `gain` of the area of
/// `aabb`'s, two of its adjacent sides are seen, and it is thicker than noise; else it is `aabb` itself, with yaw 0.
#[must_use]
pub fn fit_gravity_box(points: &[Vec3], aabb: &Aabb, options: &BoxOptions) -> GravityBox {
    let (centre, size) = (aabb.centre(), aabb.size());
    let straight = GravityBox { centre: centre.to_array(), size: size.to_array(), yaw: 0.0 };
    let Some(fit) = fit_rectangle(points, centre.truncate(), options) else { return straight };
    let sides = fit.max - fit.min;
    let noise = options.noise.sigma(centre).truncate().max_element();
    let thick = sides.min_element()
        >= (options.slimness * sides.max_element()).max(options.thickness).max(6.0 * noise);
    let smaller = sides.x * sides.y <= (1.0 - options.gain) * size.x * size.y;
    if !(thick && smaller && fit.coverage >= options.coverage) {
        return straight;
    }
    let middle = glam::DVec2::from_angle(fit.yaw).rotate((fit.min + fit.max) / 2.0) + centre.truncate();
    GravityBox { centre: [middle.x, middle.y, centre.z], size: [sides.x, sides.y, size.z], yaw: fit.yaw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::DepthNoise;
    use glam::DVec2;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Points evenly over some of the vertical faces (0: −y, 1: −x, in the box's own axes) and the top of a box.
    fn faces(size: DVec3, yaw: f64, centre: DVec3, faces: &[usize], top: bool, seed: u64) -> Vec<Vec3> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut points = vec![];
        let mut face = |from: DVec3, u: DVec3, v: DVec3| {
            for _ in 0..((u.length() * v.length() / 2e-5) as usize).clamp(50, 20_000) {
                let own = from + u * rng.random::<f64>() + v * rng.random::<f64>();
                let plan = DVec2::from_angle(yaw).rotate(own.truncate());
                points.push((plan.extend(own.z) + centre).as_vec3());
            }
        };
        let corner = -size / 2.0;
        for side in faces {
            let along = if *side == 0 { DVec3::X * size.x } else { DVec3::Y * size.y };
            face(corner, along, DVec3::Z * size.z);
        }
        if top {
            face(corner + DVec3::Z * size.z, DVec3::X * size.x, DVec3::Y * size.y);
        }
        points
    }

    fn fit(points: &[Vec3]) -> (Aabb, GravityBox) {
        let options = BoxOptions::default();
        let aabb = robust_aabb(points, &options).unwrap();
        let fitted = fit_gravity_box(points, &aabb, &options);
        (aabb, fitted)
    }

    fn straight(aabb: &Aabb) -> GravityBox {
        GravityBox { centre: aabb.centre().to_array(), size: aabb.size().to_array(), yaw: 0.0 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn two_visible_faces_tell_the_yaw(
            x in 0.2..0.8f64, ratio in 0.6..1.6f64, yaw in 0.35..0.75f64, left in any::<bool>(), top in any::<bool>(),
            place in (-2.0..2.0f64, 1.0..5.0f64), seed in any::<u64>(),
        ) {
            let yaw = if left { yaw } else { -yaw };
            let size = DVec3::new(x, x * ratio, 0.4);
            let centre = DVec3::new(place.0, place.1, 0.2);
            let mut points = faces(size, yaw, centre, &[0, 1], top, seed);
            // A few strays that cleaning left.
            points.push((centre + DVec3::new(1.0, 2.0, 0.0)).as_vec3());
            points.push((centre - DVec3::new(0.7, 0.3, 0.0)).as_vec3());
            let (aabb, found) = fit(&points);
            // Of two faces without a top, only a triangle of the footprint is seen: turning can save too little to tell.
            let saved = 1.0 - size.x * size.y / (aabb.size().x * aabb.size().y);
            if saved < 0.2 && found == straight(&aabb) {
                return Ok(());
            }
            prop_assert!((found.yaw - yaw).abs() < 0.03, "yaw {} for {yaw}", found.yaw);
            for axis in 0..3 {
                prop_assert!((found.size[axis] / size[axis] - 1.0).abs() < 0.05, "{:?} for {size}", found.size);
                prop_assert!((found.centre[axis] - centre[axis]).abs() < 0.03 * size.max_element());
            }
        }

        #[test]
        fn one_visible_face_is_not_enough(x in 0.3..0.8f64, yaw in -0.78..0.78f64, seed in any::<u64>(), side in 0usize..2) {
            let points = faces(DVec3::new(x, x, 0.4), yaw, DVec3::new(0.3, 2.0, 0.2), &[side], false, seed);
            let (aabb, found) = fit(&points);
            prop_assert_eq!(found, straight(&aabb));
        }

        #[test]
        fn order_and_place_do_not_matter(yaw in 0.4..0.7f64, shift in (-3i32..3, -3i32..3), seed in any::<u64>()) {
            let mut points = faces(DVec3::new(0.3, 0.25, 0.1), yaw, DVec3::Y * 2.0, &[0, 1], false, seed);
            points.truncate(1000);
            let (aabb, found) = fit(&points);
            let turned: Vec<Vec3> = points.iter().rev().copied().collect();
            prop_assert_eq!(fit(&turned), (aabb, found));
            let shift = Vec3::new(shift.0 as f32, shift.1 as f32, 0.0);
            let moved: Vec<Vec3> = points.iter().map(|p| p + shift).collect();
            let (there, then) = fit(&moved);
            prop_assert!((there.centre() - aabb.centre() - shift.as_dvec3()).length() < 1e-4);
            prop_assert!((then.yaw - found.yaw).abs() < 0.02);
        }
    }

    #[test]
    fn a_round_thing_seen_from_the_side_stays_straight() {
        let points: Vec<Vec3> = (0..4000)
            .map(|i| {
                let angle = 0.7 + std::f32::consts::PI * (i % 80) as f32 / 79.0;
                Vec3::new(0.2 * angle.cos(), 2.0 + 0.2 * angle.sin(), 0.01 * (i / 80) as f32)
            })
            .collect();
        let (aabb, found) = fit(&points);
        assert_eq!(found, straight(&aabb));
    }

    #[test]
    fn even_tails_end_where_they_end_and_strays_are_cut() {
        let mut values: Vec<f32> = (0..=1000).map(|i| i as f32 / 1000.0).collect();
        let found = span(&mut values, 0.01).unwrap();
        assert!(found.min.abs() < 1e-6 && (found.max - 1.0).abs() < 1e-6, "{found:?}");
        values.extend([50.0, -70.0, f32::MAX]);
        let found = span(&mut values, 0.01).unwrap();
        assert!(found.min.abs() < 0.01 && (found.max - 1.0).abs() < 0.01, "{found:?}");
        // A face seen head-on has all of its points at one depth.
        let found = span(&mut [2.0; 100], 0.01).unwrap();
        assert_eq!((found.min, found.max, found.tails), (2.0, 2.0, [0.0; 2]));
        for n in 1..60 {
            let mut values: Vec<f32> = (0..n).map(|i| ((i * 61) % n) as f32).collect();
            let found = span(&mut values, 0.01).unwrap();
            assert_eq!((found.min, found.max), (0.0, (n - 1) as f32), "{n}");
        }
    }

    #[test]
    fn faces_carry_the_noise_of_their_depth() {
        let points = faces(DVec3::new(1.0, 1.0, 1.0), 0.0, DVec3::Y * 3.0, &[0, 1], true, 1);
        let noise = FaceNoise {
            depth: DepthNoise::predicted(0.02, 0.0),
            focal: 500.0,
            mask_pixels: 1.0,
            ..FaceNoise::EXACT
        };
        let aabb = robust_aabb(&points, &BoxOptions { noise, ..BoxOptions::default() }).unwrap();
        assert!((aabb.sigma_min[1] - 0.05).abs() < 0.005, "{aabb:?}");
        assert!((aabb.sigma_max[1] - 0.07).abs() < 0.01, "{aabb:?}");
        assert!(aabb.sigma_min[0] < aabb.sigma_min[1]);
    }

    #[test]
    fn damage_and_degenerate_clouds() {
        let options = BoxOptions { percentile: f64::NAN, ..BoxOptions::default() };
        assert_eq!(robust_aabb(&[Vec3::NAN, Vec3::splat(1e30)], &options), None);
        for points in
            [vec![Vec3::ONE], vec![Vec3::ONE; 2], vec![Vec3::ONE; 2000], vec![Vec3::ZERO, Vec3::splat(9e4)]]
        {
            let (aabb, found) = fit(&points);
            assert_eq!(found, straight(&aabb));
        }
        let line: Vec<Vec3> = (0..500).map(|i| Vec3::new(i as f32, i as f32, 0.0) * 1e-3).collect();
        let (aabb, found) = fit(&line);
        assert_eq!(found, straight(&aabb));
    }
}
