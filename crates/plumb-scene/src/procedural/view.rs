//! Pinhole views of the scene frame: the camera's, and those from which the lights look.

use glam::DVec3;
use plumb_geometry::{Camera, SceneFrame};

/// `x · u + y · v + one` at the image position (u, v), counted from the corner.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Linear {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) one: f64,
}

impl Linear {
    pub(super) fn scaled(self, by: f64) -> Self {
        Self { x: self.x * by, y: self.y * by, one: self.one * by }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y, one: self.one + other.one }
    }

    pub(super) fn at(self, u: f64, v: f64) -> f64 {
        self.x * u + self.y * v + self.one
    }
}

/// A pinhole camera somewhere in the scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) width: usize,
    pub(super) height: usize,
    fx: f64,
    fy: f64,
    cx: f64,
    cy: f64,
    pub(super) eye: DVec3,
    /// Right, down and ahead in the scene frame.
    pub(super) axes: [DVec3; 3],
}

impl View {
    pub(super) fn of_camera(camera: &Camera, frame: &SceneFrame) -> Self {
        let to_scene = |axis: DVec3| frame.rotation() * axis;
        Self {
            width: camera.width as usize,
            height: camera.height as usize,
            fx: camera.fx,
            fy: camera.fy,
            cx: camera.cx,
            cy: camera.cy,
            eye: frame.point_from_camera(DVec3::ZERO),
            axes: [to_scene(DVec3::X), to_scene(DVec3::Y), to_scene(DVec3::Z)],
        }
    }

    /// A square view from `eye` along `ahead`, out to `tangent` on each side.
    pub(super) fn square(size: usize, eye: DVec3, ahead: DVec3, tangent: f64) -> Self {
        let ahead = ahead.normalize();
        let right = if ahead.z.abs() > 0.9 { DVec3::X } else { DVec3::Z }.cross(ahead).normalize();
        let f = size as f64 / (2.0 * tangent);
        let c = size as f64 / 2.0;
        let axes = [right, ahead.cross(right), ahead];
        Self { width: size, height: size, fx: f, fy: f, cx: c, cy: c, eye, axes }
    }

    /// The same view with `factor` times as many pixels a side.
    pub(super) fn finer(&self, factor: usize) -> Self {
        let by = factor as f64;
        Self {
            width: self.width * factor,
            height: self.height * factor,
            fx: self.fx * by,
            fy: self.fy * by,
            cx: self.cx * by,
            cy: self.cy * by,
            ..*self
        }
    }

    /// The component along a direction of the ray through an image position; the ray is scaled to z = 1 in this view.
    pub(super) fn ray_along(&self, direction: DVec3) -> Linear {
        let [x, y, z] = self.axes.map(|axis| axis.dot(direction));
        let (x, y) = (x / self.fx, y / self.fy);
        Linear { x, y, one: z - x * self.cx - y * self.cy }
    }

    pub(super) fn ray(&self, u: f64, v: f64) -> DVec3 {
        self.axes[0] * ((u - self.cx) / self.fx) + self.axes[1] * ((v - self.cy) / self.fy) + self.axes[2]
    }

    pub(super) fn direction_to_view(&self, direction: DVec3) -> DVec3 {
        DVec3::from_array(self.axes.map(|axis| axis.dot(direction)))
    }

    /// Image position and depth; the position means nothing unless the depth is above 0.
    pub(super) fn project(&self, point: DVec3) -> (f64, f64, f64) {
        let p = self.direction_to_view(point - self.eye);
        (self.fx * p.x / p.z + self.cx, self.fy * p.y / p.z + self.cy, p.z)
    }

    pub(super) fn focal(&self) -> f64 {
        self.fx
    }

    /// Columns and rows of the projection matrix for single precision lookups: (u·z, v·z, z) of a point.
    pub(super) fn matrix(&self) -> [[f32; 4]; 3] {
        let [r, d, a] = self.axes;
        let row = |v: DVec3| [v.x as f32, v.y as f32, v.z as f32, -v.dot(self.eye) as f32];
        [row(r * self.fx + a * self.cx), row(d * self.fy + a * self.cy), row(a)]
    }

    /// Pixels that may show any of these points: columns and rows, ends outside. All if one is behind, none if all are.
    pub(super) fn rectangle(&self, points: &[DVec3]) -> Rectangle {
        let full = Rectangle { x0: 0, x1: self.width, y0: 0, y1: self.height };
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        let mut behind = 0;
        for &point in points {
            let (u, v, z) = self.project(point);
            if z < 1e-3 {
                behind += 1;
                continue;
            }
            low = [low[0].min(u), low[1].min(v)];
            high = [high[0].max(u), high[1].max(v)];
        }
        if behind == points.len() {
            return Rectangle { x0: 0, x1: 0, y0: 0, y1: 0 };
        }
        if behind > 0 {
            return full;
        }
        let clamp = |value: f64, size: usize| value.clamp(0.0, size as f64) as usize;
        Rectangle {
            x0: clamp(low[0].floor(), self.width),
            x1: clamp(high[0].ceil() + 1.0, self.width),
            y0: clamp(low[1].floor(), self.height),
            y1: clamp(high[1].ceil() + 1.0, self.height),
        }
    }
}

/// A range of pixels, ends outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub(super) x0: usize,
    pub(super) x1: usize,
    pub(super) y0: usize,
    pub(super) y1: usize,
}

impl Rectangle {
    pub(super) const fn is_empty(&self) -> bool {
        self.x0 >= self.x1 || self.y0 >= self.y1
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.max(other.x0),
            x1: self.x1.min(other.x1),
            y0: self.y0.max(other.y0),
            y1: self.y1.min(other.y1),
        }
    }

    pub(super) fn hull(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self {
            x0: self.x0.min(other.x0),
            x1: self.x1.max(other.x1),
            y0: self.y0.min(other.y0),
            y1: self.y1.max(other.y1),
        }
    }
}
