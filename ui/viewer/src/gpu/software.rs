//! Points into the geometry buffer on the processor, for devices that are processors themselves.
//!
//! A software driver (llvmpipe, SwiftShader, WARP) sets every point up as a primitive of its own and takes about a
//! microsecond for it; transforming and storing it here takes some tens of nanoseconds. What comes out is the same
//! buffer that `points.wgsl` writes (a test holds the two to each other); all later passes are shared.

use super::frame::{Frame, Method};
use crate::colormap::{LUT_LEN, instance_color, sequential_lut};
use crate::data::{ColorMode, NO_INSTANCE};
use crate::pack::GpuPoint;

/// Grey of points without a normal, as in `points.wgsl`.
const NO_NORMAL: u32 = 0x80_73_6b;
const LARGEST_RADIUS: f32 = 128.0;
const LEAST_RADIUS: f32 = 0.7072;

/// The geometry buffer in memory: depth bits, rgb, slot + 1, instance; row by row.
#[derive(Default)]
pub(crate) struct Software {
    size: [u32; 2],
    texels: Vec<[u32; 4]>,
}

/// What a point is tested and placed with.
struct Lens {
    clip_from_world: glam::Mat4,
    near: f32,
    half_size: glam::Vec2,
}

fn position(point: &GpuPoint) -> glam::Vec3 {
    glam::Vec3::new(f32::from_bits(point[0]), f32::from_bits(point[1]), f32::from_bits(point[2]))
}

fn packed([r, g, b]: [u8; 3]) -> u32 {
    u32::from_le_bytes([r, g, b, 0])
}

fn fraction(value: f32, [low, high]: [f32; 2]) -> usize {
    let t = (value - low) / (high - low).max(1e-6);
    // The cast saturates, and makes 0 of NaN.
    ((t.clamp(0.0, 1.0) * 255.0 + 0.5) as usize).min(LUT_LEN - 1)
}

fn normal_color(code: u32) -> u32 {
    if code == 0x8000_8000 {
        return NO_NORMAL;
    }
    let part = |bits: u32| f32::from(bits as u16 as i16) / 32767.0;
    let (u, v) = (part(code), part(code >> 16));
    let z = 1.0 - u.abs() - v.abs();
    let fold = (-z).max(0.0);
    let sign = |value: f32| if value >= 0.0 { 1.0 } else { -1.0 };
    let normal = glam::Vec3::new(u - fold * sign(u), v - fold * sign(v), z).normalize_or_zero();
    packed((normal * 0.5 + 0.5).to_array().map(|value| (value * 255.0 + 0.5) as u8))
}

impl Software {
    pub(crate) fn texels(&self) -> &[[u32; 4]] {
        &self.texels
    }

    /// Empties the buffer and gives it a size.
    pub(crate) fn clear(&mut self, size: [u32; 2]) {
        self.size = size;
        self.texels.clear();
        self.texels.resize(size[0] as usize * size[1] as usize, [0; 4]);
    }

    /// Draws points whose first one is `first` in the shuffled order.
    pub(crate) fn draw(&mut self, frame: &Frame, points: &[GpuPoint], first: u32) {
        let origin = glam::Vec3::from(frame.origin);
        let capture = glam::Vec3::from(frame.capture) - origin;
        let lut = sequential_lut().map(packed);
        match frame.color {
            ColorMode::Rgb => self.draw_shaded(frame, points, first, |point| point[3] & 0x00ff_ffff),
            ColorMode::Depth => self.draw_shaded(frame, points, first, |point| {
                lut[fraction(position(point).distance(capture), frame.depths)]
            }),
            ColorMode::Normal => self.draw_shaded(frame, points, first, |point| normal_color(point[5])),
            ColorMode::Height => self.draw_shaded(frame, points, first, |point| {
                lut[fraction(f32::from_bits(point[2]) + origin.z, frame.heights)]
            }),
            ColorMode::Instance => {
                let objects: [u32; LUT_LEN] = std::array::from_fn(|id| packed(instance_color(id as u32)));
                let none = packed(instance_color(NO_INSTANCE));
                self.draw_shaded(frame, points, first, |point| {
                    if point[4] == NO_INSTANCE { none } else { objects[point[4] as usize % LUT_LEN] }
                });
            }
            ColorMode::Confidence => {
                self.draw_shaded(frame, points, first, |point| lut[(point[3] >> 24) as usize]);
            }
        }
    }

    fn draw_shaded(
        &mut self,
        frame: &Frame,
        points: &[GpuPoint],
        first: u32,
        shade: impl Fn(&GpuPoint) -> u32,
    ) {
        let origin = glam::Vec3::from(frame.origin);
        let lens = Lens {
            clip_from_world: glam::Mat4::from_cols_array_2d(&frame.view.clip_from_world(origin.as_dvec3())),
            near: frame.view.near as f32,
            half_size: frame.view.size.as_vec2() * 0.5,
        };
        let capture = glam::Vec3::from(frame.capture) - origin;
        let focal = frame.view.focal as f32;
        match frame.method {
            Method::Splat(_) => {
                let (width, height) = (self.size[0] as f32, self.size[1] as f32);
                for (slot, point) in (first..).zip(points) {
                    let Some((x, y, depth)) = lens.place(point) else { continue };
                    if x >= 0.0 && y >= 0.0 && x < width && y < height {
                        let index = y as usize * self.size[0] as usize + x as usize;
                        self.put(index, depth, slot, point, &shade);
                    }
                }
            }
            Method::Disc { kind, diameter } => {
                for (slot, point) in (first..).zip(points) {
                    let Some((x, y, depth)) = lens.place(point) else { continue };
                    let metres =
                        if kind > 1.5 { diameter * position(point).distance(capture) } else { diameter };
                    let radius =
                        if kind > 0.5 { metres * 0.5 * focal / depth.max(1e-6) } else { diameter * 0.5 };
                    let radius = radius.clamp(LEAST_RADIUS, LARGEST_RADIUS);
                    self.disc([x, y], radius, |buffer, index| buffer.put(index, depth, slot, point, &shade));
                }
            }
        }
    }

    /// Calls `put` for every pixel whose centre lies in the disc.
    fn disc(&mut self, [x, y]: [f32; 2], radius: f32, mut put: impl FnMut(&mut Self, usize)) {
        // Casts saturate, so discs half outside are cut at the border.
        let rows =
            ((y - radius + 0.5).max(0.0) as u32)..((y + radius + 0.5).max(0.0) as u32).min(self.size[1]);
        for row in rows {
            let up = row as f32 + 0.5 - y;
            let half = (radius * radius - up * up).max(0.0).sqrt();
            let left = (x - half + 0.5).max(0.0) as u32;
            let right = ((x + half + 0.5).max(0.0) as u32).min(self.size[0]);
            for column in left..right {
                put(self, row as usize * self.size[0] as usize + column as usize);
            }
        }
    }

    fn put(
        &mut self,
        index: usize,
        depth: f32,
        slot: u32,
        point: &GpuPoint,
        shade: &impl Fn(&GpuPoint) -> u32,
    ) {
        let Some(texel) = self.texels.get_mut(index) else { return };
        let bits = depth.to_bits();
        // As in splat.wgsl: positive floats sort as their bits, and 0 (nothing) wraps to the farthest.
        if bits.wrapping_sub(1) < texel[0].wrapping_sub(1) {
            *texel = [bits, shade(point), slot.wrapping_add(1), point[4]];
        }
    }
}

impl Lens {
    /// Pixel (y down) and depth; `None` in front of the near plane.
    fn place(&self, point: &GpuPoint) -> Option<(f32, f32, f32)> {
        let clip = self.clip_from_world * position(point).extend(1.0);
        (clip.w >= self.near).then(|| {
            let inverse = 1.0 / clip.w;
            ((clip.x * inverse + 1.0) * self.half_size.x, (1.0 - clip.y * inverse) * self.half_size.y, clip.w)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_covers_the_pixels_whose_centres_it_contains() {
        let mut buffer = Software::default();
        buffer.clear([20, 20]);
        let mut count = 0;
        buffer.disc([10.0, 10.0], 5.0, |_, _| count += 1);
        let expected = (0..400)
            .filter(|i| {
                let (x, y) = ((i % 20) as f32 + 0.5 - 10.0, (i / 20) as f32 + 0.5 - 10.0);
                x * x + y * y < 25.0
            })
            .count();
        assert_eq!(count, expected);
        buffer.disc([-50.0, f32::MAX], 5.0, |_, _| panic!("outside"));
        buffer.disc([f32::NAN, 3.0], 5.0, |_, index| assert!(index < 400));
    }
}
