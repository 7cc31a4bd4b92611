//! What surfaces are made of: named colours, textures and gloss.

use std::sync::OnceLock;

use super::dice::Dice;

/// Linear light, red, green, blue.
pub(super) type Rgb = [f32; 3];

/// The colours a caption may name, far enough apart that nobody confuses two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) name: &'static str,
    pub(super) srgb: [u8; 3],
}

const fn colour(name: &'static str, srgb: [u8; 3]) -> Colour {
    Colour { name, srgb }
}

pub(super) const RED: Colour = colour("red", [196, 30, 34]);
pub(super) const ORANGE: Colour = colour("orange", [240, 126, 20]);
pub(super) const YELLOW: Colour = colour("yellow", [244, 208, 36]);
pub(super) const GREEN: Colour = colour("green", [44, 144, 58]);
pub(super) const BLUE: Colour = colour("blue", [36, 76, 190]);
pub(super) const PURPLE: Colour = colour("purple", [112, 44, 150]);
pub(super) const PINK: Colour = colour("pink", [244, 140, 182]);
pub(super) const BROWN: Colour = colour("brown", [116, 70, 38]);
pub(super) const BLACK: Colour = colour("black", [30, 30, 33]);
pub(super) const WHITE: Colour = colour("white", [238, 238, 234]);
pub(super) const GRAY: Colour = colour("gray", [128, 129, 132]);
pub(super) const TURQUOISE: Colour = colour("turquoise", [44, 196, 190]);

/// All named colours.
pub(super) const PALETTE: [Colour; 12] =
    [RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE, PINK, BROWN, BLACK, WHITE, GRAY, TURQUOISE];

impl Colour {
    pub(super) fn linear(self) -> Rgb {
        srgb(self.srgb)
    }
}

pub(super) fn srgb(bytes: [u8; 3]) -> Rgb {
    bytes.map(|byte| {
        let c = f32::from(byte) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    })
}

pub(super) fn scaled(colour: Rgb, by: f32) -> Rgb {
    colour.map(|c| c * by)
}

pub(super) fn mixed(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

/// How the second colour lies on the first. Lengths are metres on the surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Texture {
    Plain,
    /// Bands across the surface's second coordinate.
    Stripes {
        width: f32,
    },
    Checks {
        size: f32,
    },
    /// Grain along the longer coordinate.
    Wood {
        scale: f32,
    },
    /// Floor boards.
    Planks {
        width: f32,
        length: f32,
    },
    /// Squares with joints in the second colour.
    Tiles {
        size: f32,
        joint: f32,
    },
    Bricks {
        width: f32,
        height: f32,
    },
    /// Cloudy variation towards the second colour.
    Mottled {
        scale: f32,
        strength: f32,
    },
    /// Window panes in the second colour, on a wall of the first.
    Facade {
        pitch: [f32; 2],
        pane: [f32; 2],
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Material {
    pub(super) base: Rgb,
    pub(super) second: Rgb,
    pub(super) texture: Texture,
    /// Strength of the highlight.
    pub(super) gloss: f32,
    /// Light of its own, as a share of the base colour.
    pub(super) glow: f32,
}

impl Material {
    pub(super) const fn plain(base: Rgb) -> Self {
        Self { base, second: base, texture: Texture::Plain, gloss: 0.0, glow: 0.0 }
    }

    pub(super) const fn glossy(self, gloss: f32) -> Self {
        Self { gloss, ..self }
    }

    pub(super) const fn glowing(self, glow: f32) -> Self {
        Self { glow, ..self }
    }

    pub(super) const fn textured(self, texture: Texture, second: Rgb) -> Self {
        Self { texture, second, ..self }
    }

    pub(super) fn needs_coordinates(&self) -> bool {
        self.texture != Texture::Plain
    }

    /// Albedo at surface coordinates; `pixel` is the size of a pixel there, in metres: finer detail than that is averaged.
    pub(super) fn at(&self, uv: [f32; 2], pixel: f32) -> Rgb {
        let [u, v] = uv;
        match self.texture {
            Texture::Plain => self.base,
            Texture::Stripes { width } => self.blended(band(v / width, pixel / width), width, pixel),
            Texture::Checks { size } => {
                let (a, b) = (band(u / size, pixel / size), band(v / size, pixel / size));
                self.blended(a + b - 2.0 * a * b, size, pixel)
            }
            Texture::Wood { scale } => {
                let grain = noise(u * 0.13 / scale, v * 1.6 / scale);
                let fine = noise(u * 0.5 / scale, v * 7.0 / scale);
                mixed(self.base, self.second, (0.9 * grain + 0.35 * fine - 0.15).clamp(0.0, 1.0))
            }
            Texture::Planks { width, length } => {
                let row = (v / width).floor();
                let along = u / length + hash(row, 3.0);
                let tone = hash(row, along.floor());
                let edge = joint(v / width, 0.02 + pixel / width)
                    .max(joint(along, 0.004 + pixel / length) * f32::from(pixel < width));
                let grain = noise(u * 0.3 + tone * 7.0, v * 4.0);
                let wood = mixed(self.base, self.second, (0.6 * tone + 0.5 * grain).clamp(0.0, 1.0));
                scaled(wood, 1.0 - 0.45 * edge * fade(width, pixel))
            }
            Texture::Tiles { size, joint: gap } => {
                let edge = joint(u / size, gap / size).max(joint(v / size, gap / size));
                let tone = 0.94 + 0.1 * hash((u / size).floor(), (v / size).floor());
                mixed(scaled(self.base, tone), self.second, edge * fade(gap, pixel * 0.5).max(0.15))
            }
            Texture::Bricks { width, height } => {
                let row = (v / height).floor();
                let along = u / width + 0.5 * (row - 2.0 * (row / 2.0).floor());
                let edge = joint(along, 0.05).max(joint(v / height, 0.12)) * fade(height, pixel * 2.0);
                let tone = 0.8 + 0.35 * hash(row, along.floor()) * fade(height, pixel);
                mixed(scaled(self.base, tone), self.second, edge)
            }
            Texture::Mottled { scale, strength } => {
                let cloud = noise(u / scale, v / scale) * 0.6 + noise(u * 5.1 / scale, v * 5.1 / scale) * 0.4;
                mixed(self.base, self.second, (cloud * strength).clamp(0.0, 1.0))
            }
            Texture::Facade { pitch, pane } => {
                let cell = |x: f32, p: f32, w: f32| ((x / p) - (x / p).floor() - 0.5).abs() * 2.0 < w;
                if cell(u, pitch[0], pane[0]) && cell(v, pitch[1], pane[1]) {
                    let tone = hash((u / pitch[0]).floor(), (v / pitch[1]).floor());
                    scaled(self.second, 0.6 + 0.7 * tone)
                } else {
                    scaled(self.base, 0.93 + 0.1 * noise(u * 0.4, v * 0.4))
                }
            }
        }
    }

    fn blended(&self, share: f32, size: f32, pixel: f32) -> Rgb {
        let sharp = fade(size, pixel);
        mixed(self.base, self.second, 0.5 + (share - 0.5) * sharp)
    }
}

/// 1 where detail of a size is wider than a pixel, 0 where it is narrower than half of one.
fn fade(size: f32, pixel: f32) -> f32 {
    (size / pixel.max(1e-6) - 0.8).clamp(0.0, 1.0)
}

/// 0 and 1 in turns, per unit; between them over the width of a pixel.
fn band(x: f32, pixel: f32) -> f32 {
    let half = x * 0.5;
    let at = (half - half.floor()) * 2.0;
    let to_edge = if at < 1.0 { -at.min(1.0 - at) } else { (at - 1.0).min(2.0 - at) };
    (0.5 + to_edge / (0.8 * pixel).max(1e-6)).clamp(0.0, 1.0)
}

/// 1 within `share` of a unit's end.
fn joint(x: f32, share: f32) -> f32 {
    f32::from(x - x.floor() < share)
}

/// A number in [0, 1) for a cell of a grid.
pub(super) fn hash(x: f32, y: f32) -> f32 {
    let mut bits = (x as i32 as u32).wrapping_mul(0x9E37_79B1) ^ (y as i32 as u32).wrapping_mul(0x85EB_CA77);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x2C1B_3C6D);
    bits ^= bits >> 13;
    (bits >> 8) as f32 / 16_777_216.0
}

const NOISE_SIZE: usize = 128;

/// Smooth noise in [0, 1], about one bump a unit, repeating after 16 units.
pub(super) fn noise(x: f32, y: f32) -> f32 {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let table = TABLE.get_or_init(noise_table);
    let (x, y) = (x * 8.0, y * 8.0);
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let mask = NOISE_SIZE - 1;
    let (column, row) = (left as i32 as usize & mask, top as i32 as usize & mask);
    let (next, below) = ((column + 1) & mask, (row + 1) & mask);
    let at = |r: usize, c: usize| table[r * NOISE_SIZE + c];
    let upper = at(row, column) + (at(row, next) - at(row, column)) * fx;
    let lower = at(below, column) + (at(below, next) - at(below, column)) * fx;
    upper + (lower - upper) * fy
}

/// Three octaves of value noise, stretched to [0, 1].
fn noise_table() -> Vec<f32> {
    let mut dice = Dice::new(0x006E_6F69_7365, 0, 0);
    let mut sum = vec![0.0f32; NOISE_SIZE * NOISE_SIZE];
    for (cells, weight) in [(16usize, 1.0f32), (32, 0.5), (64, 0.25)] {
        let lattice: Vec<f32> = (0..cells * cells).map(|_| dice.unit() as f32).collect();
        let step = cells as f32 / NOISE_SIZE as f32;
        for (row, line) in sum.chunks_mut(NOISE_SIZE).enumerate() {
            for (column, value) in line.iter_mut().enumerate() {
                let (x, y) = (column as f32 * step, row as f32 * step);
                let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
                let (fx, fy) = (smooth(x - x.floor()), smooth(y - y.floor()));
                let (i, j) = (x as usize % cells, y as usize % cells);
                let at = |r: usize, c: usize| lattice[(r % cells) * cells + c % cells];
                let upper = at(j, i) + (at(j, i + 1) - at(j, i)) * fx;
                let lower = at(j + 1, i) + (at(j + 1, i + 1) - at(j + 1, i)) * fx;
                *value += weight * (upper + (lower - upper) * fy);
            }
        }
    }
    let low = sum.iter().copied().fold(f32::INFINITY, f32::min);
    let high = sum.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in &mut sum {
        *value = (*value - low) / (high - low);
    }
    sum
}
