//! The camera: a point it turns around, two angles and a distance. Up on screen is always up in the room.
//!
//! World: x right, y forward, z up. At yaw 0 the camera looks along +y; positive yaw turns left, positive pitch looks
//! up. Depth runs backwards and to infinity (reverse z): `ndc.z = near / z`, which keeps f32 depth precise from
//! centimetres to kilometres, so no far plane has to be chosen.

use glam::{DMat4, DVec2, DVec3, DVec4};
use serde::{Deserialize, Serialize};

use crate::data::CaptureCamera;

/// Steepest pitch: straight up and down would lose the horizon.
const MAX_PITCH: f64 = 89.9 * std::f64::consts::PI / 180.0;
/// Distances to the pivot outside this range lose f32 precision on the GPU.
const DISTANCE: std::ops::RangeInclusive<f64> = 1e-3..=1e12;

/// Where the view is taken from. Plain numbers that serde writes; every value is made sane by [`Camera::sanitized`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// The point it turns around, metres.
    pub target: DVec3,
    /// Turn to the left from +y, radians.
    pub yaw: f64,
    /// Look up from the horizon, radians.
    pub pitch: f64,
    /// Metres from the eye to the target.
    pub distance: f64,
    /// Vertical field of view, radians.
    pub fov_y: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Self { target: DVec3::ZERO, yaw: 0.5, pitch: -0.45, distance: 5.0, fov_y: 50_f64.to_radians() }
    }
}

/// A named camera, kept with the scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bookmark {
    /// What the person called it.
    pub name: String,
    /// The view.
    pub camera: Camera,
}

/// A direction of the eye, unit vectors in world coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basis {
    /// Right on screen.
    pub right: DVec3,
    /// Up on screen.
    pub up: DVec3,
    /// Into the screen.
    pub forward: DVec3,
}

impl Camera {
    /// The same camera with NaN, infinite or out-of-range numbers replaced.
    #[must_use]
    pub fn sanitized(mut self) -> Self {
        let default = Self::default();
        let or = |value: f64, fallback: f64| if value.is_finite() { value } else { fallback };
        if !self.target.is_finite() {
            self.target = default.target;
        }
        self.target = self.target.clamp(DVec3::splat(-1e12), DVec3::splat(1e12));
        self.yaw = or(self.yaw, default.yaw).rem_euclid(std::f64::consts::TAU);
        self.pitch = or(self.pitch, default.pitch).clamp(-MAX_PITCH, MAX_PITCH);
        self.distance = or(self.distance, default.distance).clamp(*DISTANCE.start(), *DISTANCE.end());
        self.fov_y = or(self.fov_y, default.fov_y).clamp(0.02, 2.8);
        self
    }

    /// Directions on screen.
    #[must_use]
    pub fn basis(&self) -> Basis {
        let ((sin_yaw, cos_yaw), (sin_pitch, cos_pitch)) = (self.yaw.sin_cos(), self.pitch.sin_cos());
        let forward = DVec3::new(-sin_yaw * cos_pitch, cos_yaw * cos_pitch, sin_pitch);
        let right = DVec3::new(cos_yaw, sin_yaw, 0.0);
        Basis { right, up: right.cross(forward), forward }
    }

    /// Position of the eye, metres.
    #[must_use]
    pub fn eye(&self) -> DVec3 {
        self.target - self.basis().forward * self.distance
    }

    /// Turns around the target; radians.
    pub fn orbit(&mut self, yaw: f64, pitch: f64) {
        self.yaw += yaw;
        self.pitch += pitch;
        *self = self.sanitized();
    }

    /// Turns the head: the eye stays, the target moves; radians.
    pub fn look(&mut self, yaw: f64, pitch: f64) {
        let eye = self.eye();
        self.orbit(yaw, pitch);
        self.target = eye + self.basis().forward * self.distance;
    }

    /// Moves eye and target along the screen's right, up and forward; metres.
    pub fn fly(&mut self, right: f64, up: f64, forward: f64) {
        let basis = self.basis();
        self.target += basis.right * right + basis.up * up + basis.forward * forward;
        *self = self.sanitized();
    }

    /// Brings everything nearer (`factor < 1`) or farther while `anchor` stays at its place on screen.
    pub fn zoom_about(&mut self, anchor: DVec3, factor: f64) {
        let before = self.distance;
        let wanted = (before * factor).clamp(*DISTANCE.start(), *DISTANCE.end());
        if !(wanted.is_finite() && anchor.is_finite()) {
            return;
        }
        let factor = wanted / before;
        let eye = anchor + (self.eye() - anchor) * factor;
        self.distance = wanted;
        self.target = eye + self.basis().forward * wanted;
        *self = self.sanitized();
    }

    /// Looks at a ball from the same side, so that all of it is visible.
    #[must_use]
    pub fn framing(&self, center: DVec3, radius: f64, aspect: f64) -> Self {
        let half = (self.fov_y / 2.0).min(((self.fov_y / 2.0).tan() * aspect.clamp(0.05, 20.0)).atan());
        let distance = radius.max(1e-3) / half.sin().max(1e-3);
        Self { target: center, distance, ..*self }.sanitized()
    }

    /// Looks at points from the same side, as near as all of them allow; the same camera for no points.
    #[must_use]
    pub fn fitting(&self, points: &[[f32; 3]], aspect: f64) -> Self {
        /// The part of the panel the content may fill.
        const MARGIN: f64 = 0.9;
        let camera = self.sanitized();
        let Basis { right, up, forward } = camera.basis();
        let points = points.iter().map(|&point| glam::Vec3::from(point).as_dvec3());
        // Along the screen's axes, so that the content's own middle is in the middle.
        let seen: Vec<DVec3> = points
            .filter(|point| point.is_finite())
            .map(|point| DVec3::new(point.dot(right), point.dot(up), point.dot(forward)))
            .collect();
        let Some(first) = seen.first() else { return camera };
        let (low, high) = seen.iter().fold((*first, *first), |(low, high), at| (low.min(*at), high.max(*at)));
        let middle = low.midpoint(high);
        let tan_y = (camera.fov_y / 2.0).tan() * MARGIN;
        let tan_x = tan_y * aspect.clamp(0.05, 20.0);
        let needed = seen.iter().map(|at| {
            let offset = (*at - middle).abs();
            (offset.x / tan_x).max(offset.y / tan_y) - (at.z - middle.z)
        });
        // A single point is looked at from arm's length.
        let least = if low == high { 0.5 } else { (high - low).length() * 0.1 };
        let distance = needed.fold(least, f64::max);
        let target = right * middle.x + up * middle.y + forward * middle.z;
        Self { target, distance, ..camera }.sanitized()
    }

    /// The view of the camera that took the picture, turning around a point `distance` metres ahead. A roll of the
    /// picture is dropped, because up stays up.
    #[must_use]
    pub fn from_capture(capture: &CaptureCamera, distance: f64, aspect: f64) -> Self {
        let forward = DVec3::from_array([0, 1, 2].map(|row: usize| f64::from(capture.rotation[row][2])));
        let forward = forward.normalize_or(DVec3::Y);
        let [width, height] = capture.size.map(|side| f64::from(side.max(1)));
        let half = |side: f64, focal: f32| (side / 2.0 / f64::from(focal.abs()).max(1e-6)).atan();
        let (half_x, half_y) = (half(width, capture.focal[0]), half(height, capture.focal[1]));
        // The whole picture must fit into the panel, whichever side is the tighter one.
        let fov_y = 2.0 * half_y.max((half_x.tan() / aspect.clamp(0.05, 20.0)).atan());
        let camera = Self {
            target: DVec3::ZERO,
            yaw: (-forward.x).atan2(forward.y),
            pitch: forward.z.clamp(-1.0, 1.0).asin(),
            distance,
            fov_y,
        }
        .sanitized();
        let eye = glam::Vec3::from(capture.position).as_dvec3();
        Self { target: eye + camera.basis().forward * camera.distance, ..camera }.sanitized()
    }

    /// A camera on the way to `to`; `t` in `0..=1`. Angles go the short way, distances by ratio.
    #[must_use]
    pub fn towards(&self, to: &Self, t: f64) -> Self {
        use std::f64::consts::{PI, TAU};
        let t = t.clamp(0.0, 1.0);
        let mix = |a: f64, b: f64| a + (b - a) * t;
        let turn = (to.yaw - self.yaw + PI).rem_euclid(TAU) - PI;
        Self {
            target: self.target.lerp(to.target, t),
            yaw: self.yaw + turn * t,
            pitch: mix(self.pitch, to.pitch),
            distance: mix(self.distance.ln(), to.distance.ln()).exp(),
            fov_y: mix(self.fov_y, to.fov_y),
        }
        .sanitized()
    }

    /// The camera over a picture of `size` pixels.
    #[must_use]
    pub fn view(&self, size: [f64; 2]) -> View {
        let camera = self.sanitized();
        let size = DVec2::from_array(size).max(DVec2::ONE);
        let basis = camera.basis();
        // Nearer than a thousandth of the pivot distance nothing can be seen anyway.
        let near = (camera.distance * 1e-3).clamp(1e-5, 0.05);
        View { eye: camera.eye(), basis, size, focal: size.y / 2.0 / (camera.fov_y / 2.0).tan(), near }
    }
}

/// A camera with a picture size: maps between world and pixels (from the top left corner, y down).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Optical centre, metres.
    pub eye: DVec3,
    /// Directions on screen.
    pub basis: Basis,
    /// Width and height, pixels.
    pub size: DVec2,
    /// Focal length, pixels.
    pub focal: f64,
    /// Nearest visible depth, metres.
    pub near: f64,
}

impl View {
    /// Pixel and depth (metres along the view direction) of a world position; `None` behind the near plane.
    #[must_use]
    pub fn project(&self, world: DVec3) -> Option<(DVec2, f64)> {
        let (x, y, depth) = self.to_eye(world);
        (depth >= self.near && x.is_finite() && y.is_finite()).then(|| {
            let pixel = DVec2::new(x, -y) / depth * self.focal + self.size / 2.0;
            (pixel, depth)
        })
    }

    /// World position of a pixel at a depth in metres along the view direction.
    #[must_use]
    pub fn unproject(&self, pixel: DVec2, depth: f64) -> DVec3 {
        self.eye + self.ray(pixel) * depth
    }

    /// Direction through a pixel, scaled to depth 1.
    #[must_use]
    pub fn ray(&self, pixel: DVec2) -> DVec3 {
        let offset = (pixel - self.size / 2.0) / self.focal;
        self.basis.forward + self.basis.right * offset.x - self.basis.up * offset.y
    }

    /// A segment cut at the near plane, as pixels; `None` if it lies behind.
    #[must_use]
    pub fn project_segment(&self, from: DVec3, to: DVec3) -> Option<[(DVec2, f64); 2]> {
        let (a, b) = (self.to_eye(from).2, self.to_eye(to).2);
        let cut = |start: DVec3, end: DVec3, start_depth: f64, end_depth: f64| {
            if start_depth >= self.near {
                start
            } else {
                // A hair in front, so that rounding does not push it back behind the plane.
                let t = (self.near * (1.0 + 1e-9) - start_depth) / (end_depth - start_depth);
                start.lerp(end, t)
            }
        };
        if a < self.near && b < self.near {
            return None;
        }
        Some([self.project(cut(from, to, a, b))?, self.project(cut(to, from, b, a))?])
    }

    /// World (relative to `origin`) to clip space, column major.
    #[must_use]
    pub fn clip_from_world(&self, origin: DVec3) -> [[f32; 4]; 4] {
        let Basis { right, up, forward } = self.basis;
        let eye = self.eye - origin;
        let scale = 2.0 * self.focal / self.size;
        let row = |axis: DVec3, scale: f64| (axis * scale).extend(-axis.dot(eye) * scale);
        let rows = [row(right, scale.x), row(up, scale.y), DVec4::W * self.near, row(forward, 1.0)];
        DMat4::from_cols(rows[0], rows[1], rows[2], rows[3]).transpose().as_mat4().to_cols_array_2d()
    }

    fn to_eye(self, world: DVec3) -> (f64, f64, f64) {
        let offset = world - self.eye;
        (offset.dot(self.basis.right), offset.dot(self.basis.up), offset.dot(self.basis.forward))
    }
}

#[cfg(test)]
mod tests;
