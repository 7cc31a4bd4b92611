//! Colour of what the camera sees.

use super::light::{HeightMap, Lighting, ShadowMap, Source};
use super::material::{Material, Rgb, mixed, scaled};
use super::model::Model;
use super::raster::{CURVED, SIDES};
use super::shape::{Primitive, Shape};
use super::view::{Linear, View};

/// Everything that the colour of a pixel depends on.
pub(super) struct Shader<'a> {
    pub(super) view: View,
    pub(super) solids: &'a [Primitive],
    /// Number of the object each solid belongs to; 0 for the backdrop.
    pub(super) owners: &'a [u16],
    pub(super) materials: &'a [Material],
    pub(super) lighting: &'a Lighting,
    pub(super) shadow: &'a ShadowMap,
    pub(super) heights: &'a HeightMap,
    pub(super) room: Option<&'a Primitive>,
}

type Ray3 = [[f32; 3]; 3];

/// What is the same for all pixels of a surface.
pub(super) struct Surface<'a> {
    material: &'a Material,
    eye: [f32; 3],
    rays: Ray3,
    world_rays: Ray3,
    form: Form,
    axes: [[f32; 3]; 3],
    backdrop: bool,
    shift: [f32; 2],
}

enum Form {
    Face { normal: [f32; 3], u: usize, v: usize },
    Side { slope: f32 },
    Round { inverse_squares: [f32; 3] },
}

fn single(rays: [Linear; 3]) -> Ray3 {
    rays.map(|ray| [ray.x as f32, ray.y as f32, ray.one as f32])
}

fn at(ray: &[f32; 3], u: f32, v: f32) -> f32 {
    ray[0] * u + ray[1] * v + ray[2]
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(a: [f32; 3]) -> [f32; 3] {
    let by = 1.0 / dot(a, a).max(1e-20).sqrt();
    a.map(|c| c * by)
}

fn combined(axes: &[[f32; 3]; 3], own: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|i| axes[0][i] * own[0] + axes[1][i] * own[1] + axes[2][i] * own[2])
}

impl Shader<'_> {
    /// `None` for numbers that name no surface.
    pub(super) fn surface(&self, number: u32) -> Option<Surface<'_>> {
        let index = (number / SIDES) as usize;
        let side = number % SIDES;
        let solid = self.solids.get(index)?;
        let axes = solid.axes.map(Single::to_single);
        let face = (side / 2) as usize;
        let form = match solid.shape {
            _ if side < CURVED => {
                let sign = if side % 2 == 1 { 1.0 } else { -1.0 };
                let half = solid.half_extents();
                let (mut u, mut v) = ((face + 1) % 3, (face + 2) % 3);
                // Grain and stripes: along the longer side on level faces, up on the others.
                if (face == 2 && half[u] < half[v]) || (face != 2 && u == 2) {
                    (u, v) = (v, u);
                }
                Form::Face { normal: axes[face].map(|c| c * sign), u, v }
            }
            Shape::Frustum { bottom, top, half_height } => {
                Form::Side { slope: ((bottom - top) / (2.0 * half_height)) as f32 }
            }
            Shape::Ellipsoid { radii } => {
                Form::Round { inverse_squares: radii.map(|r| (1.0 / (r * r)) as f32) }
            }
            Shape::Box { .. } => return None,
        };
        let own_eye = solid.to_own(self.view.eye);
        let backdrop = self.owners.get(index).is_none_or(|&owner| owner == 0);
        let shift = match form {
            // Bricks and windows begin at the corner of a wall.
            Form::Face { u, v, .. } if backdrop => [u, v].map(|axis| solid.half_extents()[axis] as f32),
            // Neighbouring boards of one thing must not carry the same grain.
            _ => [(index % 13) as f32 * 0.37, (index % 7) as f32 * 0.61],
        };
        Some(Surface {
            material: self.materials.get(usize::from(solid.material))?,
            eye: own_eye.to_single(),
            rays: single(solid.axes.map(|axis| self.view.ray_along(axis))),
            world_rays: single(
                [glam::DVec3::X, glam::DVec3::Y, glam::DVec3::Z].map(|axis| self.view.ray_along(axis)),
            ),
            form,
            axes,
            backdrop,
            shift,
        })
    }

    /// Linear light at an image position where the surface is seen at a depth, with what [`Shader::openness`] is there.
    pub(super) fn colour(&self, surface: &Surface<'_>, u: f32, v: f32, depth: f32, open: f32) -> Rgb {
        let own: [f32; 3] = std::array::from_fn(|i| surface.eye[i] + at(&surface.rays[i], u, v) * depth);
        let ray: [f32; 3] = std::array::from_fn(|i| at(&surface.world_rays[i], u, v));
        let eye = self.view.eye.to_single();
        let point: [f32; 3] = std::array::from_fn(|i| eye[i] + ray[i] * depth);
        let (normal, uv) = self.normal_and_coordinates(surface, own);
        let material = surface.material;
        let facing = -dot(unit(ray), normal);
        let pixel = depth / self.view.focal() as f32 / facing.max(0.08);
        let albedo = material.at(uv, pixel);

        let light = self.lighting;
        let (towards, strength) = match light.source {
            Source::Sun { towards } => (towards.to_single(), 1.0),
            Source::Lamp { at } => {
                let to: [f32; 3] = std::array::from_fn(|i| at[i] as f32 - point[i]);
                let square = dot(to, to);
                (to.map(|c| c / square.sqrt().max(1e-6)), 1.0 / (0.6 + 0.16 * square))
            }
        };
        let slant = dot(normal, towards);
        let mut key = 0.0;
        if slant > 0.0 {
            let off = self.shadow.offset * (1.0 - 0.5 * slant);
            let moved: [f32; 3] = std::array::from_fn(|i| point[i] + normal[i] * off);
            key = strength * self.shadow.lit(moved);
        }
        let above = 0.5 + 0.5 * normal[2];
        let ambient = mixed(light.ambient[1], light.ambient[0], above);
        let mut out: Rgb =
            std::array::from_fn(|i| albedo[i] * (light.colour[i] * key * slant.max(0.0) + ambient[i] * open));
        if material.gloss > 0.0 {
            let view = unit(ray);
            let half = unit(std::array::from_fn(|i| towards[i] - view[i]));
            let shine = dot(normal, half).max(0.0);
            let (two, four) = (shine * shine, shine * shine * shine * shine);
            let eight = four * four;
            let peak = eight * eight * eight * eight * two;
            let edge = (1.0 - facing.clamp(0.0, 1.0)).powi(4);
            for (out, (colour, ambient)) in out.iter_mut().zip(light.colour.into_iter().zip(ambient)) {
                *out += material.gloss * (colour * key * peak + ambient * edge * 0.35);
            }
        }
        if material.glow > 0.0 {
            for (out, base) in out.iter_mut().zip(material.base) {
                *out += base * material.glow;
            }
        }
        if light.haze > 0.0 {
            out = mixed(light.sky[1], out, light.haze / (light.haze + depth));
        }
        out
    }

    /// Share of the surroundings' light that arrives. It changes so slowly that a few points of a surface do.
    pub(super) fn openness(&self, surface: &Surface<'_>, u: f32, v: f32, depth: f32) -> f32 {
        let eye = self.view.eye.to_single();
        let point: [f32; 3] = std::array::from_fn(|i| eye[i] + at(&surface.world_rays[i], u, v) * depth);
        self.heights.open(point) * self.corners(surface, point)
    }

    fn normal_and_coordinates(&self, surface: &Surface<'_>, own: [f32; 3]) -> ([f32; 3], [f32; 2]) {
        let textured = surface.material.needs_coordinates();
        match surface.form {
            Form::Face { normal, u, v } => (normal, [own[u] + surface.shift[0], own[v] + surface.shift[1]]),
            Form::Side { slope } => {
                let across = (own[0] * own[0] + own[1] * own[1]).sqrt();
                let normal = unit([own[0], own[1], slope * across]);
                let around = if textured { own[1].atan2(own[0]) * across } else { 0.0 };
                (combined(&surface.axes, normal), [around, own[2] + 7.0])
            }
            Form::Round { inverse_squares } => {
                let normal = unit(std::array::from_fn(|i| own[i] * inverse_squares[i]));
                let around = if textured { own[1].atan2(own[0]) / inverse_squares[0].sqrt() } else { 0.0 };
                (combined(&surface.axes, normal), [around, own[2] + 7.0])
            }
        }
    }

    /// Corners of rooms are darker.
    fn corners(&self, surface: &Surface<'_>, point: [f32; 3]) -> f32 {
        let Some(room) = self.room.filter(|_| surface.backdrop) else { return 1.0 };
        let half = room.half_extents();
        let mut open = 1.0;
        for i in 0..3 {
            let axis = room.axes[i].to_single();
            // The surface's own wall does not shade it.
            if matches!(surface.form, Form::Face { normal, .. } if dot(normal, axis).abs() > 0.5) {
                continue;
            }
            let along = dot(axis, point) - room.axes[i].dot(room.centre) as f32;
            let gap = (half[i] as f32 - along.abs()).max(0.0) * 3.2;
            open *= 1.0 - 0.3 / (1.0 + gap * gap * 2.0 + gap);
        }
        open
    }

    pub(super) fn sky(&self, u: f32, v: f32) -> Rgb {
        let ray = self.view.ray(f64::from(u), f64::from(v)).normalize();
        let height = (ray.z as f32).clamp(0.0, 1.0).sqrt();
        mixed(self.lighting.sky[1], self.lighting.sky[0], height)
    }
}

trait Single {
    fn to_single(self) -> [f32; 3];
}

impl Single for glam::DVec3 {
    fn to_single(self) -> [f32; 3] {
        [self.x as f32, self.y as f32, self.z as f32]
    }
}

/// Eight bits from linear light: exposure, a soft shoulder, the sRGB curve and the sensor's noise.
pub(super) struct Film {
    curve: Vec<f32>,
    exposure: f32,
    noise: f32,
    state: u32,
}

const CURVE: usize = 2048;

impl Film {
    pub(super) fn new(model: &Model, seed: u64) -> Self {
        let curve = (0..=CURVE)
            .map(|i| {
                let root = i as f32 / CURVE as f32;
                let x = root * root;
                255.0 * if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 }
            })
            .collect();
        let state = (seed ^ seed >> 32) as u32;
        Self { curve, exposure: model.lighting.exposure, noise: model.lighting.noise, state }
    }

    /// The noise depends on the seed and the number of the pixel only.
    pub(super) fn develop(&self, light: Rgb, pixel: usize) -> [u8; 3] {
        let light = scaled(light, self.exposure);
        let mut bits = (pixel as u32 ^ self.state).wrapping_mul(0x9E37_79B1);
        bits ^= bits >> 16;
        bits = bits.wrapping_mul(0x85EB_CA6B);
        bits ^= bits >> 13;
        bits = bits.wrapping_mul(0xC2B2_AE35);
        bits ^= bits >> 16;
        std::array::from_fn(|i| {
            // Two bytes each: a triangular distribution of standard deviation 104.5 steps.
            let turned = bits.rotate_left(8 * i as u32);
            let grain = (turned & 255) as f32 + (turned >> 8 & 255) as f32 - 255.0;
            let x = light[i];
            let x = if x > 0.7 { 1.0 - 0.3 * ((0.7 - x) / 0.3).exp() } else { x };
            let index = (x.clamp(0.0, 1.0).sqrt() * CURVE as f32) as usize;
            let value = self.curve.get(index).copied().unwrap_or(255.0);
            (value + grain * self.noise / 104.5 + 0.5).clamp(0.0, 255.0) as u8
        })
    }
}
