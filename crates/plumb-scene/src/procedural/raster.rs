//! Visibility: analytic surfaces of convex solids drawn into a buffer of inverse depth.
//!
//! Along a ray `eye + t·d` with d scaled to z = 1, t is the depth and w = 1/t is linear in the image position for a plane; a quadric gives
//! `c·w² + 2b·w + a = 0` with constant c. So no ray needs a division, edges of faces are half planes of the image, and nothing has to be
//! clipped at the eye: surfaces behind it have w < 0.

use glam::DVec3;

use super::shape::{Primitive, Shape};
use super::view::{Linear, Rectangle, View};

/// Marks a pixel in which no surface is.
pub(super) const NOTHING: u32 = u32::MAX;
/// A surface number is `primitive * SIDES + side`.
pub(super) const SIDES: u32 = 8;
/// The curved side of a solid; 0 to 5 are faces −x, +x, −y, +y, −z, +z.
pub(super) const CURVED: u32 = 6;

/// What a view sees: inverse depth (0: nothing) and surface of each pixel centre.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub(super) width: usize,
    pub(super) inverse: Vec<f32>,
    pub(super) surface: Vec<u32>,
}

/// Takes the pixels of a surface.
pub(super) trait Target {
    /// Inverse depths along `row` from column `x0` on: `first + step * i` for `count` pixels.
    fn flat(&mut self, row: usize, x0: usize, count: usize, first: f64, step: f64, surface: u32);
    fn point(&mut self, row: usize, x: usize, inverse: f64, surface: u32);
}

impl Buffer {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, inverse: vec![0.0; width * height], surface: vec![NOTHING; width * height] }
    }

    pub(super) fn clear(&mut self, area: Rectangle) {
        for row in area.y0..area.y1 {
            let at = row * self.width;
            self.inverse[at + area.x0..at + area.x1].fill(0.0);
            self.surface[at + area.x0..at + area.x1].fill(NOTHING);
        }
    }
}

/// Single precision drifts along a row; it starts anew from double precision every so many pixels.
const STRIDE: usize = 32;

impl Target for Buffer {
    fn flat(&mut self, row: usize, x0: usize, count: usize, first: f64, step: f64, surface: u32) {
        let at = row * self.width + x0;
        let depths = self.inverse[at..at + count].chunks_mut(STRIDE);
        let marks = self.surface[at..at + count].chunks_mut(STRIDE);
        for (chunk, (depths, marks)) in depths.zip(marks).enumerate() {
            let (base, step) = ((first + step * (chunk * STRIDE) as f64) as f32, step as f32);
            for (i, (depth, mark)) in depths.iter_mut().zip(marks).enumerate() {
                let inverse = step.mul_add_portable(i as f32, base);
                let nearer = inverse > *depth;
                *depth = if nearer { inverse } else { *depth };
                *mark = if nearer { surface } else { *mark };
            }
        }
    }

    fn point(&mut self, row: usize, x: usize, inverse: f64, surface: u32) {
        let at = row * self.width + x;
        let inverse = inverse as f32;
        if inverse > self.inverse[at] {
            self.inverse[at] = inverse;
            self.surface[at] = surface;
        }
    }
}

trait MulAdd {
    fn mul_add_portable(self, by: Self, plus: Self) -> Self;
}

impl MulAdd for f32 {
    /// Not fused: the result must not depend on the instruction set.
    fn mul_add_portable(self, by: Self, plus: Self) -> Self {
        self * by + plus
    }
}

/// Only inverse depths, for the maps of lights.
pub(super) struct DepthOnly {
    pub(super) width: usize,
    pub(super) inverse: Vec<f32>,
}

impl Target for DepthOnly {
    fn flat(&mut self, row: usize, x0: usize, count: usize, first: f64, step: f64, _surface: u32) {
        let at = row * self.width + x0;
        for (chunk, depths) in self.inverse[at..at + count].chunks_mut(STRIDE).enumerate() {
            let (base, step) = ((first + step * (chunk * STRIDE) as f64) as f32, step as f32);
            for (i, depth) in depths.iter_mut().enumerate() {
                *depth = depth.max(step * i as f32 + base);
            }
        }
    }

    fn point(&mut self, row: usize, x: usize, inverse: f64, _surface: u32) {
        let depth = &mut self.inverse[row * self.width + x];
        *depth = depth.max(inverse as f32);
    }
}

/// Counts the pixels that solids drawn one after another cover together, whatever is in front of them.
pub(super) struct Coverage {
    pub(super) width: usize,
    pub(super) height: usize,
    stamp: Vec<u16>,
    current: u16,
    pub(super) pixels: u32,
    /// Whether a pixel at the border of the image is among them.
    pub(super) at_border: bool,
}

impl Coverage {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, stamp: vec![0; width * height], current: 0, pixels: 0, at_border: false }
    }

    /// Starts counting anew.
    pub(super) fn restart(&mut self) {
        if self.current == u16::MAX {
            self.stamp.fill(0);
            self.current = 0;
        }
        self.current += 1;
        self.pixels = 0;
        self.at_border = false;
    }
}

impl Target for Coverage {
    fn flat(&mut self, row: usize, x0: usize, count: usize, _first: f64, _step: f64, _surface: u32) {
        let at = row * self.width + x0;
        let mut fresh = 0;
        for stamp in &mut self.stamp[at..at + count] {
            fresh += u32::from(*stamp != self.current);
            *stamp = self.current;
        }
        self.pixels += fresh;
        let border = x0 == 0 || x0 + count == self.width || row == 0 || row + 1 == self.height;
        self.at_border |= border && count > 0;
    }

    fn point(&mut self, row: usize, x: usize, _inverse: f64, surface: u32) {
        self.flat(row, x, 1, 0.0, 0.0, surface);
    }
}

/// Draws what the view sees of a solid from outside, within an area.
pub(super) fn draw(target: &mut impl Target, view: &View, solid: &Primitive, number: u32, area: Rectangle) {
    let area = area.and(&view.rectangle(&solid.corners()));
    if area.is_empty() {
        return;
    }
    let eye = solid.to_own(view.eye);
    let rays = solid.axes.map(|axis| view.ray_along(axis));
    match solid.shape {
        Shape::Box { half } => {
            for axis in 0..3 {
                let sign = if eye[axis] > half[axis] {
                    1.0
                } else if eye[axis] < -half[axis] {
                    -1.0
                } else {
                    continue;
                };
                let inverse = rays[axis].scaled(1.0 / (sign * half[axis] - eye[axis]));
                let mut edges = [inverse; 5];
                for (slot, other) in [(axis + 1) % 3, (axis + 2) % 3].into_iter().enumerate() {
                    // |eye + d/w| ≤ half, times w.
                    edges[slot * 2 + 1] =
                        inverse.scaled(half[other] - eye[other]).plus(rays[other].scaled(-1.0));
                    edges[slot * 2 + 2] = inverse.scaled(half[other] + eye[other]).plus(rays[other]);
                }
                let side = axis as u32 * 2 + u32::from(sign > 0.0);
                polygon(target, inverse, &edges, area, number * SIDES + side);
            }
        }
        Shape::Frustum { bottom, top, half_height } => {
            for (sign, radius) in [(-1.0, bottom), (1.0, top)] {
                if sign * eye.z > half_height && radius > 0.0 {
                    let inverse = rays[2].scaled(1.0 / (sign * half_height - eye.z));
                    let across = [0, 1].map(|axis| inverse.scaled(eye[axis]).plus(rays[axis]));
                    let side = 4 + u32::from(sign > 0.0);
                    disc(target, inverse, across, radius, area, number * SIDES + side);
                }
            }
            let slope = (top - bottom) / (2.0 * half_height);
            let middle = (bottom + top) / 2.0;
            let quadric = Quadric {
                rays: [rays[0], rays[1], rays[2].scaled(slope)],
                eye: DVec3::new(eye.x, eye.y, middle + slope * eye.z),
                last: -1.0,
                constant: 0.0,
                limit: Some((rays[2], eye.z, half_height)),
            };
            quadric.draw(target, area, number * SIDES + CURVED);
        }
        Shape::Ellipsoid { radii } => {
            let quadric = Quadric {
                rays: [0, 1, 2].map(|axis| rays[axis].scaled(1.0 / radii[axis])),
                eye: eye / DVec3::from_array(radii),
                last: 1.0,
                constant: -1.0,
                limit: None,
            };
            quadric.draw(target, area, number * SIDES + CURVED);
        }
    }
}

/// Narrows the columns of a row to those where `edge ≥ 0`.
fn narrow(low: &mut f64, high: &mut f64, edge: Linear, v: f64) {
    let rest = edge.y * v + edge.one;
    if edge.x > 0.0 {
        *low = low.max(-rest / edge.x);
    } else if edge.x < 0.0 {
        *high = high.min(-rest / edge.x);
    } else if rest < 0.0 {
        *high = f64::NEG_INFINITY;
    }
}

/// Pixel centres on an edge that two faces share belong to both: rounding must not open a gap.
const SEAM: f64 = 1e-9;

/// Columns whose centres lie between two image positions.
fn columns(low: f64, high: f64, area: &Rectangle) -> (usize, usize) {
    let clamp = |x: f64| x.clamp(area.x0 as f64, area.x1 as f64) as usize;
    (clamp((low - 0.5 - SEAM).ceil()), clamp((high - 0.5 + SEAM).floor() + 1.0))
}

fn polygon(target: &mut impl Target, inverse: Linear, edges: &[Linear], area: Rectangle, surface: u32) {
    for row in area.y0..area.y1 {
        let v = row as f64 + 0.5;
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for edge in edges {
            narrow(&mut low, &mut high, *edge, v);
        }
        if low > high + 1.0 {
            continue;
        }
        let (x0, x1) = columns(low, high, &area);
        if x0 < x1 {
            target.flat(row, x0, x1 - x0, inverse.at(x0 as f64 + 0.5, v), inverse.x, surface);
        }
    }
}

fn disc(
    target: &mut impl Target,
    inverse: Linear,
    across: [Linear; 2],
    radius: f64,
    area: Rectangle,
    surface: u32,
) {
    for row in area.y0..area.y1 {
        let v = row as f64 + 0.5;
        for x in area.x0..area.x1 {
            let u = x as f64 + 0.5;
            let w = inverse.at(u, v);
            let (px, py) = (across[0].at(u, v), across[1].at(u, v));
            if w > 0.0 && px * px + py * py <= radius * radius * w * w {
                target.point(row, x, w, surface);
            }
        }
    }
}

/// x² + y² + last·z² + constant = 0 in coordinates in which the eye and the rays are given.
struct Quadric {
    rays: [Linear; 3],
    eye: DVec3,
    last: f64,
    constant: f64,
    /// Rays, eye and half height along the axis that limits the surface.
    limit: Option<(Linear, f64, f64)>,
}

impl Quadric {
    fn draw(&self, target: &mut impl Target, area: Rectangle, surface: u32) {
        let [dx, dy, dz] = self.rays;
        let (eye, last) = (self.eye, self.last);
        let c = eye.x * eye.x + eye.y * eye.y + last * eye.z * eye.z + self.constant;
        let half = dx.scaled(eye.x).plus(dy.scaled(eye.y)).plus(dz.scaled(last * eye.z));
        for row in area.y0..area.y1 {
            let v = row as f64 + 0.5;
            let [x, y, z] = [dx, dy, dz].map(|d| d.y * v + d.one);
            let b0 = half.y * v + half.one;
            // a = a0 + a1·u + a2·u², b = b0 + b1·u
            let a0 = x * x + y * y + last * z * z;
            let a1 = 2.0 * (x * dx.x + y * dy.x + last * z * dz.x);
            let a2 = dx.x * dx.x + dy.x * dy.x + last * dz.x * dz.x;
            let b1 = half.x;
            let (x0, x1) = silhouette(b1 * b1 - c * a2, 2.0 * b0 * b1 - c * a1, b0 * b0 - c * a0, &area);
            for column in x0..x1 {
                let u = column as f64 + 0.5;
                let a = (a2 * u + a1) * u + a0;
                let b = b1 * u + b0;
                let root = b * b - a * c;
                if root < 0.0 {
                    continue;
                }
                let root = root.sqrt();
                // Without cancellation: the root of larger size first, the other from the product of both.
                let larger = if b < 0.0 { -b + root } else { -b - root };
                let (first, second) = (larger / c, a / larger);
                let found = match self.limit {
                    None => first.max(second),
                    Some((along, height, half_height)) => {
                        let along = along.at(u, v);
                        let within = |w: f64| {
                            if w > 0.0 && (along + height * w).abs() <= half_height * w { w } else { 0.0 }
                        };
                        within(first).max(within(second))
                    }
                };
                if found > 0.0 && found.is_finite() {
                    target.point(row, column, found, surface);
                }
            }
        }
    }
}

/// Columns where `q2·u² + q1·u + q0 ≥ 0` may hold.
fn silhouette(q2: f64, q1: f64, q0: f64, area: &Rectangle) -> (usize, usize) {
    if q2 >= 0.0 {
        return (area.x0, area.x1);
    }
    let root = q1 * q1 - 4.0 * q2 * q0;
    if root < 0.0 {
        return (0, 0);
    }
    let (middle, reach) = (-q1 / (2.0 * q2), root.sqrt() / (-2.0 * q2));
    // One column wider on each side: the pixel's own sign decides.
    let (x0, x1) = columns(middle - reach - 1.0, middle + reach + 1.0, area);
    (x0, x1.max(x0))
}
