//! Light and where it does not come: a shadow map of the main light, and a height map for the light of the surroundings.

use glam::DVec3;

use super::material::Rgb;
use super::raster::{DepthOnly, draw};
use super::shape::Primitive;
use super::view::{Rectangle, View};

/// The one light that casts shadows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// From infinitely far; unit vector towards it.
    Sun {
        towards: DVec3,
    },
    Lamp {
        at: DVec3,
    },
}

/// All light of a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lighting {
    pub(super) source: Source,
    pub(super) colour: Rgb,
    /// From above and from below.
    pub(super) ambient: [Rgb; 2],
    /// Radius of the blur of shadow edges, in texels of the map: 0 is hard.
    pub(super) softness: f32,
    /// Ground point around which shadows matter, and how far.
    pub(super) focus: (DVec3, f64),
    /// Distance in which half of the view is lost in the haze; 0 for none.
    pub(super) haze: f32,
    pub(super) sky: [Rgb; 2],
    pub(super) exposure: f32,
    /// Standard deviation of the sensor's noise, in steps of 255.
    pub(super) noise: f32,
}

const SHADOW_SIZE: usize = 640;
/// The sun's map is drawn from this many times the radius of the focus.
const SUN_DISTANCE: f64 = 40.0;

pub(super) struct ShadowMap {
    inverse: Vec<f32>,
    matrix: [[f32; 4]; 3],
    /// Length on a surface, at the distance of 1, that a texel covers.
    texel: f32,
    /// Metres of depth within which a surface does not shade itself, at the focus.
    pub(super) offset: f32,
    softness: f32,
}

impl ShadowMap {
    pub(super) fn new<'a>(lighting: &Lighting, casters: impl Iterator<Item = &'a Primitive>) -> Self {
        let (focus, radius) = lighting.focus;
        let view = match lighting.source {
            Source::Sun { towards } => {
                let eye = focus + towards * (radius * SUN_DISTANCE);
                View::square(SHADOW_SIZE, eye, -towards, 1.0 / SUN_DISTANCE)
            }
            Source::Lamp { at } => View::square(SHADOW_SIZE, at, -DVec3::Z, 2.2),
        };
        let mut target = DepthOnly { width: SHADOW_SIZE, inverse: vec![0.0; SHADOW_SIZE * SHADOW_SIZE] };
        let all = Rectangle { x0: 0, x1: SHADOW_SIZE, y0: 0, y1: SHADOW_SIZE };
        for solid in casters {
            draw(&mut target, &view, solid, 0, all);
        }
        let texel = (1.0 / view.focal()) as f32;
        let distance = match lighting.source {
            Source::Sun { .. } => (radius * SUN_DISTANCE) as f32,
            Source::Lamp { .. } => 2.0,
        };
        Self {
            inverse: target.inverse,
            matrix: view.matrix(),
            texel,
            offset: texel * distance * (1.2 + lighting.softness),
            softness: lighting.softness,
        }
    }

    /// Share of the main light that reaches a point, already moved off its surface by [`ShadowMap::offset`].
    pub(super) fn lit(&self, point: [f32; 3]) -> f32 {
        let dot = |row: &[f32; 4]| row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3];
        let [u, v, depth] = [&self.matrix[0], &self.matrix[1], &self.matrix[2]].map(dot);
        if depth <= 0.0 {
            return 1.0;
        }
        let nearer = 1.0 / depth;
        let (u, v) = (u * nearer - 0.5, v * nearer - 0.5);
        let limit = (SHADOW_SIZE - 8) as f32;
        if !(u > 8.0 && v > 8.0 && u < limit && v < limit) {
            return 1.0;
        }
        let threshold = nearer * (1.0 + self.texel * 1.5);
        if self.softness < 0.5 {
            return self.bilinear(u, v, threshold);
        }
        let s = self.softness;
        let taps = [(-0.9, -0.4), (0.4, -0.9), (0.9, 0.4), (-0.4, 0.9)];
        // Most points are in full light or full shadow.
        let open = |u: f32, v: f32| {
            let at = v as i32 as usize * SHADOW_SIZE + u as i32 as usize;
            self.inverse.get(at).is_none_or(|&inverse| inverse < threshold)
        };
        let middle = open(u + 0.5, v + 0.5);
        if taps.iter().all(|&(x, y)| open(u + 0.5 + x * (s + 1.0), v + 0.5 + y * (s + 1.0)) == middle) {
            return f32::from(middle);
        }
        taps.iter().map(|&(x, y)| self.bilinear(u + x * s, v + y * s, threshold)).sum::<f32>() * 0.25
    }

    fn bilinear(&self, u: f32, v: f32, threshold: f32) -> f32 {
        let (column, row) = (u as i32 as usize, v as i32 as usize);
        let (fx, fy) = (u - column as f32, v - row as f32);
        let at = row.min(SHADOW_SIZE - 2) * SHADOW_SIZE + column.min(SHADOW_SIZE - 2);
        let open = |index: usize| f32::from(self.inverse[index] < threshold);
        let upper = open(at) * (1.0 - fx) + open(at + 1) * fx;
        let lower = open(at + SHADOW_SIZE) * (1.0 - fx) + open(at + SHADOW_SIZE + 1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}

const HEIGHT_SIZE: usize = 96;

/// Smoothed heights of what stands around: what lies lower gets less light from above.
pub(super) struct HeightMap {
    heights: Vec<f32>,
    low: [f32; 2],
    per_metre: f32,
    reach: f32,
}

impl HeightMap {
    pub(super) fn new<'a>(
        focus: (DVec3, f64),
        reach: f64,
        casters: impl Iterator<Item = &'a Primitive>,
    ) -> Self {
        let (centre, radius) = focus;
        let above = 1000.0 * radius;
        let eye = DVec3::new(centre.x, centre.y, centre.z + above);
        let view = View::square(HEIGHT_SIZE, eye, -DVec3::Z, radius / above);
        let mut target = DepthOnly { width: HEIGHT_SIZE, inverse: vec![0.0; HEIGHT_SIZE * HEIGHT_SIZE] };
        let all = Rectangle { x0: 0, x1: HEIGHT_SIZE, y0: 0, y1: HEIGHT_SIZE };
        for solid in casters {
            draw(&mut target, &view, solid, 0, all);
        }
        let per_metre = HEIGHT_SIZE as f64 / (2.0 * radius);
        let mut heights: Vec<f32> = target
            .inverse
            .iter()
            .map(
                |&inverse| {
                    if inverse > 0.0 { (above - 1.0 / f64::from(inverse)).max(0.0) as f32 } else { 0.0 }
                },
            )
            .collect();
        // Looking down, columns of a square view run along y and rows along x.
        let low = [(centre.x - radius) as f32, (centre.y - radius) as f32];
        let cells = ((reach * per_metre) as usize).clamp(1, HEIGHT_SIZE / 8);
        for _ in 0..2 {
            heights = transposed_blur(&transposed_blur(&heights, cells), cells);
        }
        Self { heights, low, per_metre: per_metre as f32, reach: reach as f32 }
    }

    /// Share of the surroundings' light that reaches a point.
    pub(super) fn open(&self, point: [f32; 3]) -> f32 {
        let u = (point[1] - self.low[1]) * self.per_metre - 0.5;
        let v = (point[0] - self.low[0]) * self.per_metre - 0.5;
        let limit = (HEIGHT_SIZE - 2) as f32;
        if !(u >= 0.0 && v >= 0.0 && u < limit && v < limit) {
            return 1.0;
        }
        let (column, row) = (u as i32 as usize, v as i32 as usize);
        let (fx, fy) = (u - column as f32, v - row as f32);
        let at = row * HEIGHT_SIZE + column;
        let h = &self.heights;
        let upper = h[at] * (1.0 - fx) + h[at + 1] * fx;
        let lower = h[at + HEIGHT_SIZE] * (1.0 - fx) + h[at + HEIGHT_SIZE + 1] * fx;
        let over = (upper * (1.0 - fy) + lower * fy - point[2]) / self.reach;
        1.0 - 0.62 * (over * 0.8).clamp(0.0, 1.0)
    }
}

/// A box blur along rows, written with rows and columns exchanged: twice is a blur along both.
fn transposed_blur(values: &[f32], reach: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (row, line) in values.chunks_exact(HEIGHT_SIZE).enumerate() {
        for column in 0..HEIGHT_SIZE {
            let window = &line[column.saturating_sub(reach)..(column + reach + 1).min(HEIGHT_SIZE)];
            out[column * HEIGHT_SIZE + row] = window.iter().sum::<f32>() / window.len() as f32;
        }
    }
    out
}
