//! The measurement of one object.
//!
//! A single view does not show the back of things. Every face of a box therefore has its own standard deviation: what the sensor adds, what a
//! wrong outline adds, what a tilted vertical adds, and what may hide behind the outline. Behind the outline an object can only go on inside of
//! the cone of rays that it blocks; so a face can lie outside of what is seen only where that cone widens in the face's direction.

use glam::{DVec3, Vec3};
use plumb_geometry::{
    Aabb, BoxOptions, Camera, CleanOptions, DepthNoise, FaceNoise, GravityBox, Measure, OrganizedCloud,
    SceneFrame, SupportPlane, ZDepth, clean_object, fit_gravity_box, robust_aabb,
};
use plumb_image::RgbImage;

use super::{LiftOptions, Turn, colour};
use crate::scene::{DepthRange, Flags, Object};
use crate::{Instances, Label};

/// Everything that all objects of an image have in common.
pub(super) struct Measurer<'a> {
    pub(super) image: &'a RgbImage,
    pub(super) depth: &'a ZDepth,
    pub(super) camera: &'a Camera,
    pub(super) cloud: &'a OrganizedCloud,
    pub(super) frame: &'a SceneFrame,
    /// Standard deviation of the vertical, in radians.
    pub(super) tilt: f64,
    pub(super) camera_height: Measure,
    pub(super) feet: Vec<Foot>,
    pub(super) options: &'a LiftOptions,
    pub(super) instances: &'a Instances,
}

/// An object and the points it was measured by (scene frame).
pub(super) struct Measured {
    pub(super) object: Object,
    pub(super) points: Vec<Vec3>,
    /// How far it may go on behind what is seen, in metres.
    pub(super) hidden: f64,
}

/// Sides of the picture on which an object goes on unseen: left, right, top, bottom.
struct Cut {
    sides: [bool; 4],
}

impl Cut {
    /// Nobody knows how far it goes on. Half as much again as is seen is a guess with which no length of it is said, and orders only where the
    /// difference is larger than the object.
    fn widen(&self, aabb: &mut Aabb, stands: bool) {
        let size = aabb.size();
        let unseen = |sigma: &mut f64, extent: f64| *sigma = sigma.hypot(0.5 * extent);
        let [left, right, top, bottom] = self.sides;
        if left {
            unseen(&mut aabb.sigma_min[0], size.x.max(0.5 * size.z));
        }
        if right {
            unseen(&mut aabb.sigma_max[0], size.x.max(0.5 * size.z));
        }
        if top {
            unseen(&mut aabb.sigma_max[2], size.z.max(0.5 * size.x));
        }
        // What stands on a surface that is seen ends there, whatever is before it.
        if bottom && !stands {
            unseen(&mut aabb.sigma_min[2], size.z.max(0.5 * size.x));
        }
        if bottom {
            unseen(&mut aabb.sigma_min[1], size.y.max(0.5 * size.x));
        }
    }
}

/// A level surface, to find out what stands on it.
pub(super) struct Foot {
    height: Measure,
    ground: bool,
    /// Some of its points, scene x and y.
    plan: Vec<[f32; 2]>,
}

impl Foot {
    pub(super) fn of(supports: &[SupportPlane], cloud: &OrganizedCloud, frame: &SceneFrame) -> Vec<Self> {
        let turn = Turn::new(frame);
        supports
            .iter()
            .filter(|support| super::propose::is_clear(support))
            .map(|support| {
                let step = (support.inliers.len() / 600).max(1);
                let plan = support
                    .inliers
                    .iter()
                    .step_by(step)
                    .filter_map(|&pixel| cloud.points().get(pixel as usize))
                    .map(|&point| turn.point(point))
                    .map(|p| [p.x, p.y])
                    .collect();
                Self { height: support.height, ground: support.is_ground, plan }
            })
            .collect()
    }

    /// Whether the surface is seen within `reach` of this place.
    fn near(&self, x: f64, y: f64, reach: f64) -> bool {
        self.plan.iter().any(|&[px, py]| (f64::from(px) - x).hypot(f64::from(py) - y) < reach)
    }
}

impl<'a> Measurer<'a> {
    /// The pixels of every label, in the order of the labels.
    pub(super) fn pixels(&self) -> Vec<(&'a Label, Vec<u32>)> {
        let mut counts = vec![0u32; usize::from(u16::MAX) + 1];
        for &id in self.instances.ids() {
            counts[usize::from(id)] += 1;
        }
        let mut slot = vec![usize::MAX; counts.len()];
        let mut lists: Vec<(&Label, Vec<u32>)> = Vec::new();
        for label in &self.instances.labels {
            let count = counts[usize::from(label.id)];
            if count > 0 {
                slot[usize::from(label.id)] = lists.len();
                lists.push((label, Vec::with_capacity(count as usize)));
            }
        }
        for (pixel, &id) in (0u32..).zip(self.instances.ids()) {
            if let Some((_, pixels)) = lists.get_mut(slot[usize::from(id)]) {
                pixels.push(pixel);
            }
        }
        lists
    }

    fn exact(&self) -> bool {
        self.options.noise == DepthNoise::EXACT
    }

    fn box_options(&self) -> BoxOptions {
        let exact = self.exact();
        BoxOptions {
            percentile: if exact { 0.0 } else { 0.01 },
            noise: FaceNoise {
                depth: self.options.noise,
                camera: [0.0, 0.0, self.frame.camera_height],
                axis: self.frame.axes.map(|axis| axis[2]),
                focal: self.camera.fx.min(self.camera.fy),
                mask_pixels: if exact { 0.0 } else { self.options.mask_error },
            },
            ..BoxOptions::default()
        }
    }

    /// Points of these pixels in the scene frame, and their depths.
    fn points(&self, pixels: &[u32]) -> (Vec<Vec3>, Vec<f32>) {
        let turn = Turn::new(self.frame);
        let (mut points, mut depths) = (Vec::with_capacity(pixels.len()), Vec::with_capacity(pixels.len()));
        let width = self.camera.width.max(1);
        for &pixel in pixels {
            let at = pixel as usize;
            // Exact depth is right up to the outline; measured depth mixes front and back there, and the cloud has dropped it.
            let point = if self.exact() {
                let z = self.depth.0.values().get(at).copied().unwrap_or(0.0);
                self.camera.pixel_ray(pixel % width, pixel / width).as_vec3() * z
            } else {
                self.cloud.points().get(at).copied().unwrap_or(Vec3::ZERO)
            };
            if point.z > 0.0 {
                points.push(turn.point(point));
                depths.push(point.z);
            }
        }
        (points, depths)
    }

    /// Measures one object; the error is the reason to leave it out.
    pub(super) fn object(&self, label: &Label, pixels: &[u32]) -> Result<Measured, String> {
        let (points, depths) = self.points(pixels);
        if points.len() < self.options.min_points {
            return Err(format!(
                "{} pixels have a trusted depth, {} are needed",
                points.len(),
                self.options.min_points
            ));
        }
        let keep: Vec<u32> = if self.exact() {
            (0..points.len() as u32).collect()
        } else {
            clean_object(&points, &CleanOptions::default())
                .ok_or("too few points agree with each other")?
                .keep
        };
        let points: Vec<Vec3> = keep.iter().filter_map(|&i| points.get(i as usize).copied()).collect();
        let mut depths: Vec<f32> = keep.iter().filter_map(|&i| depths.get(i as usize).copied()).collect();
        if points.len() < self.options.min_points {
            return Err(format!(
                "{} points are left after cleaning, {} are needed",
                points.len(),
                self.options.min_points
            ));
        }
        let box_options = self.box_options();
        let mut aabb = robust_aabb(&points, &box_options).ok_or("its points span no box")?;
        let depth = self.depth_range(&mut depths);
        let (flags, cut) = self.flags(pixels, &depth);
        self.widen(&mut aabb, &depth);
        let hidden = self.hide(&mut aabb, &depth);
        let support = self.stand(&mut aabb);
        cut.widen(&mut aabb, support.is_some());
        let mut oriented = fit_gravity_box(&points, &aabb, &box_options);
        // The face it stands on was moved to the surface.
        level(&mut oriented, &aabb);
        let colour =
            label.attributes.colour.clone().or_else(|| {
                colour::of_pixels(self.image, pixels.iter().map(|&p| p as usize)).map(str::to_owned)
            });
        let (rect, pixel_centre) = self.rect(pixels);
        let half = |lo: [f64; 3], hi: [f64; 3]| std::array::from_fn(|i| f64::hypot(lo[i], hi[i]) / 2.0);
        let object = Object {
            id: u32::from(label.id),
            name: label.name.clone(),
            named_by: label.named_by,
            plural: label.plural.clone(),
            attributes: crate::Attributes { colour, ..label.attributes.clone() },
            rect,
            pixel_centre,
            pixels: pixels.len() as u32,
            visible: None,
            flags,
            oriented,
            aabb,
            centre: aabb.centre().to_array(),
            centre_sigma: half(aabb.sigma_min, aabb.sigma_max),
            depth,
            support,
            points: points.len() as u32,
        };
        Ok(Measured { object, points, hidden })
    }

    fn depth_range(&self, depths: &mut [f32]) -> DepthRange {
        let mut at = |share: f64| {
            let index = (share * (depths.len() - 1) as f64).round() as usize;
            f64::from(*depths.select_nth_unstable_by(index, f32::total_cmp).1)
        };
        let (near, median, far) = (at(0.05), at(0.5), at(0.95));
        DepthRange { near, median, far, sigma: self.options.noise.sigma_z(median) }
    }

    /// Size of a pixel at this depth, in metres.
    fn pixel(&self, z: f64) -> f64 {
        z / self.camera.fx.min(self.camera.fy)
    }

    fn rect(&self, pixels: &[u32]) -> ([f32; 4], [f32; 2]) {
        let width = self.camera.width.max(1);
        let (mut low, mut high, mut sum) = ([u32::MAX; 2], [0; 2], [0u64; 2]);
        for &pixel in pixels {
            for (axis, at) in [pixel % width, pixel / width].into_iter().enumerate() {
                low[axis] = low[axis].min(at);
                high[axis] = high[axis].max(at + 1);
                sum[axis] += u64::from(at);
            }
        }
        let count = pixels.len().max(1) as f64;
        (
            [low[0] as f32, low[1] as f32, high[0] as f32, high[1] as f32],
            sum.map(|s| (s as f64 / count + 0.5) as f32),
        )
    }

    /// Whether the object leaves the picture, or something in front of it hides a part of it, and on which sides.
    fn flags(&self, pixels: &[u32], depth: &DepthRange) -> (Flags, Cut) {
        let (width, height) = (self.camera.width, self.camera.height);
        let border = if self.exact() { 0 } else { 1 };
        let id = pixels.first().and_then(|&p| self.instances.ids().get(p as usize)).copied().unwrap_or(0);
        let margin = (3.0 * depth.sigma).max(0.02 * depth.median).max(0.02) as f32;
        let mut contour = 0u32;
        let (mut outside, mut hidden) = ([0u32; 4], [0u32; 4]);
        let depths = self.depth.0.values();
        for &pixel in pixels {
            let (x, y) = (pixel % width, pixel / width);
            let own = depths.get(pixel as usize).copied().unwrap_or(0.0);
            let at_border = [x <= border, x + border + 1 >= width, y <= border, y + border + 1 >= height];
            for (count, at) in outside.iter_mut().zip(at_border) {
                *count += u32::from(at);
            }
            let neighbours = [
                (x > 0).then(|| pixel - 1),
                (x + 1 < width).then(|| pixel + 1),
                (y > 0).then(|| pixel - width),
                (y + 1 < height).then(|| pixel + width),
            ];
            for (side, next) in neighbours.into_iter().enumerate() {
                let Some(next) = next else { continue };
                if self.instances.ids().get(next as usize).copied() == Some(id) {
                    continue;
                }
                contour += 1;
                // Beside the outline, measured depth is often missing or mixed: look a little farther out.
                let reach = 4;
                let step = i64::from(next) - i64::from(pixel);
                let nearer = if self.exact() {
                    self.steps_back(pixel, next, own)
                } else {
                    (1..=reach).any(|n| {
                        let at = i64::from(pixel) + n * step;
                        let same_row = step.abs() > 1 || at.div_euclid(i64::from(width)) == i64::from(y);
                        let other =
                            usize::try_from(at).ok().filter(|_| same_row).and_then(|at| depths.get(at));
                        let beside =
                            usize::try_from(at).ok().and_then(|at| self.instances.ids().get(at)) != Some(&id);
                        other.is_some_and(|&z| beside && z > 0.0 && own > 0.0 && z < own - margin)
                    })
                };
                hidden[side] += u32::from(nearer);
            }
        }
        // A pole that vanishes behind a car is hidden by a few pixels only. Measured outlines are ragged, exact ones are not.
        let few = if self.exact() { 1 } else { (0.02 * f64::from(contour)) as u32 };
        let cut = Cut { sides: std::array::from_fn(|side| outside[side] > 2 || hidden[side] > few.max(1)) };
        let flags = Flags {
            truncated: outside.iter().any(|&count| count > 2),
            occluded: hidden.iter().sum::<u32>() > few,
            partial_depth: true,
        };
        (flags, cut)
    }

    /// Whether exact depth jumps towards the camera from `pixel` to its neighbour `next`: more than the slope of the surface there explains, so not where
    /// the object meets what it stands on.
    fn steps_back(&self, pixel: u32, next: u32, own: f32) -> bool {
        let depths = self.depth.0.values();
        let beyond = 2 * i64::from(next) - i64::from(pixel);
        let at = |index: usize| depths.get(index).copied().filter(|&z| z > 0.0);
        let Some(first) = at(next as usize) else { return false };
        let ids = self.instances.ids();
        let same = |index: usize| ids.get(index) == ids.get(next as usize);
        let slope =
            usize::try_from(beyond).ok().filter(|&i| same(i)).and_then(at).map_or(0.0, |z| (z - first).abs());
        own > 0.0 && own - first > 0.002 * own + 2.5 * slope
    }

    /// Adds what the sampling of the outline and the tilt of the vertical contribute to the errors of the faces.
    fn widen(&self, aabb: &mut Aabb, depth: &DepthRange) {
        let pixel = self.pixel(depth.median);
        // Pixel centres stop on average half a pixel short of the outline; where exactly within that pixel it is, is not known.
        for axis in [0, 2] {
            aabb.min[axis] -= 0.5 * pixel;
            aabb.max[axis] += 0.5 * pixel;
        }
        let range = (aabb.min[0].abs().max(aabb.max[0].abs())).hypot(aabb.max[1]);
        let lean = self.tilt * range;
        let ground = if self.frame.grounded { self.camera_height.sigma } else { 0.0 };
        let more = [pixel / 12f64.sqrt(), pixel, (pixel / 12f64.sqrt()).hypot(lean).hypot(ground)];
        for faces in [&mut aabb.sigma_min, &mut aabb.sigma_max] {
            for (sigma, more) in faces.iter_mut().zip(more) {
                *sigma = sigma.hypot(more);
            }
        }
    }

    /// Widens the uncertainty of faces behind which the object may go on, and gives how deep it may.
    fn hide(&self, aabb: &mut Aabb, depth: &DepthRange) -> f64 {
        let size = aabb.size();
        let above = self.frame.camera_height - aabb.max[2];
        // Seen from above, the upper side shows how deep a thing is. Else nobody knows: a bus seen from its front is four times as deep as wide.
        let hidden = if self.frame.gravity_aligned && above > 0.1 * aabb.min[1].max(0.0) {
            0.75 * size.x.max(0.5 * size.z)
        } else {
            (2.5 * size.x.max(0.5 * size.z) - size.y).max(0.5 * size.x)
        };
        let eye = DVec3::new(0.0, 0.0, self.frame.camera_height);
        let far = aabb.max[1].max(0.05 * depth.median);
        let slope = |face: f64, eye: f64| (face - eye) / far;
        let widen = |sigma: &mut f64, by: f64| *sigma = sigma.hypot(0.7 * by.max(0.0));
        widen(&mut aabb.sigma_min[0], -slope(aabb.min[0], eye.x) * hidden);
        widen(&mut aabb.sigma_max[0], slope(aabb.max[0], eye.x) * hidden);
        widen(&mut aabb.sigma_min[2], -slope(aabb.min[2], eye.z) * hidden);
        widen(&mut aabb.sigma_max[2], slope(aabb.max[2], eye.z) * hidden);
        aabb.sigma_max[1] = aabb.sigma_max[1].hypot(hidden);
        hidden
    }

    /// Finds the surface the object stands on and moves its lowest face there.
    fn stand(&self, aabb: &mut Aabb) -> Option<Measure> {
        let centre = aabb.centre();
        // The floor around an object is seen, a table top under it hardly: there, the surface must be close by.
        let reach = |foot: &Foot| {
            let width = aabb.size().x;
            if foot.ground { (0.6 * width).max(0.15) + 0.1 } else { (0.35 * width).max(0.1) + 0.05 }
        };
        let bottom = aabb.min[2];
        // What is hidden of the lowest part can only be lower.
        let least = if self.exact() { 0.005 } else { 0.03 };
        let below = (2.5 * aabb.sigma_min[2]).clamp(least, 0.5);
        let above = if self.exact() { least } else { 0.02 + 0.01 * centre.y };
        let foot = self
            .feet
            .iter()
            .filter(|foot| (bottom - below..=bottom + above).contains(&foot.height.value))
            .filter(|foot| foot.height.value < aabb.max[2] - 0.005)
            .filter(|foot| {
                foot.near(centre.x, aabb.min[1], reach(foot)) || foot.near(centre.x, centre.y, reach(foot))
            })
            .min_by(|a, b| {
                let off = |foot: &Foot| (foot.height.value - bottom).abs();
                off(a).total_cmp(&off(b))
            })?;
        let moved = (bottom - foot.height.value).abs();
        aabb.min[2] = foot.height.value;
        let own = if foot.ground { 0.0 } else { foot.height.sigma };
        let pixel = self.pixel(centre.y.max(0.1));
        // The further it was moved, the likelier that the surface is not the one it stands on.
        aabb.sigma_min[2] = own
            .hypot(0.5 * pixel)
            .hypot(self.options.noise.sigma_z(centre.y.max(0.0)) * 0.25)
            .hypot(0.5 * moved);
        Some(foot.height)
    }
}

/// Gives an oriented box the lower and upper face of the axis-aligned one.
fn level(oriented: &mut GravityBox, aabb: &Aabb) {
    oriented.centre[2] = f64::midpoint(aabb.min[2], aabb.max[2]);
    oriented.size[2] = aabb.max[2] - aabb.min[2];
}
