//! Exact depth and masks made as bad as real ones.
//!
//! What a depth network or a sensor gets wrong, each with its own strength: one factor for the whole image (scale), a smooth field (warp, as
//! networks bend large surfaces), depth mixed across outlines (bleeding), a sensor's noise that grows with distance, and masks that are a few pixels
//! too large, too small or frayed.

use plumb_geometry::{DepthMap, DepthNoise, ZDepth};
use plumb_scene::Instances;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::Result;

/// Strengths of the errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Degradation {
    /// Standard deviation of the logarithm of the scale of the whole image.
    pub scale: f64,
    /// Standard deviation of the logarithm of a smooth field.
    pub warp: f64,
    /// Half width of the band around outlines in which depths mix, in pixels.
    pub bleed: u32,
    /// Standard deviation of noise in single pixels, as a share of depth.
    pub grain: f64,
    /// By how many pixels outlines of masks err, up to.
    pub mask: u32,
}

impl Degradation {
    /// The levels that are reported, from nothing to worse than any depth network in use.
    pub const LEVELS: [(&'static str, Self); 5] = [
        ("exact", Self { scale: 0.0, warp: 0.0, bleed: 0, grain: 0.0, mask: 0 }),
        ("1 %", Self { scale: 0.01, warp: 0.005, bleed: 1, grain: 0.002, mask: 1 }),
        ("3 %", Self { scale: 0.03, warp: 0.015, bleed: 2, grain: 0.005, mask: 1 }),
        ("6 %", Self { scale: 0.06, warp: 0.025, bleed: 3, grain: 0.008, mask: 2 }),
        ("12 %", Self { scale: 0.12, warp: 0.05, bleed: 4, grain: 0.015, mask: 3 }),
    ];

    /// What a lift should expect of such depth.
    #[must_use]
    pub fn expected(&self) -> DepthNoise {
        if *self == Self::default() {
            return DepthNoise::EXACT;
        }
        DepthNoise::predicted(self.warp.hypot(self.grain / 4.0), self.scale)
    }
}

/// Applies errors, deterministic in the seed.
///
/// # Errors
/// When depth and masks differ in size.
pub fn degrade(
    depth: &ZDepth,
    instances: &Instances,
    degradation: &Degradation,
    seed: u64,
) -> Result<(ZDepth, Instances)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (width, height) = (depth.0.width(), depth.0.height());
    let masks = fray(instances, degradation.mask, &mut rng)?;
    let scale = (degradation.scale * normal(&mut rng)).exp();
    let field = Field::new(degradation.warp, &mut rng);
    let mut values = depth.0.values().to_vec();
    if degradation.bleed > 0 {
        values = bleed(&values, width as usize, degradation.bleed as usize, &mut rng);
    }
    for (at, value) in values.iter_mut().enumerate() {
        if *value > 0.0 {
            let x = (at % width as usize) as f64 / f64::from(width);
            let y = (at / width as usize) as f64 / f64::from(width);
            let grain = if degradation.grain > 0.0 { degradation.grain * normal(&mut rng) } else { 0.0 };
            *value = (f64::from(*value) * scale * (field.at(x, y) + grain).exp()) as f32;
        }
    }
    Ok((ZDepth(DepthMap::new(width, height, values)?), masks))
}

/// A standard normal number (Box and Muller's).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// A sum of a few slow waves with zero mean.
struct Field {
    waves: Vec<[f64; 4]>,
}

impl Field {
    const WAVES: usize = 6;

    fn new(strength: f64, rng: &mut ChaCha8Rng) -> Self {
        let amplitude = strength * (2.0 / Self::WAVES as f64).sqrt();
        let waves = (0..Self::WAVES)
            .map(|_| {
                let [fx, fy, phase]: [f64; 3] = rng.random();
                // Half a period to three over the width of the picture.
                [
                    amplitude,
                    (fx - 0.5) * 6.0 * std::f64::consts::PI,
                    (fy - 0.5) * 6.0 * std::f64::consts::PI,
                    phase * std::f64::consts::TAU,
                ]
            })
            .collect();
        Self { waves }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        self.waves.iter().map(|[a, fx, fy, phase]| a * (fx * x + fy * y + phase).sin()).sum()
    }
}

/// Mixes depths across discontinuities, as networks do: near them, a pixel takes a depth between those of the two sides.
fn bleed(values: &[f32], width: usize, radius: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut out = values.to_vec();
    let height = values.len() / width.max(1);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let here = values[at];
            let across = [
                (x >= radius, at.wrapping_sub(radius)),
                (x + radius < width, at + radius),
                (y >= radius, at.wrapping_sub(radius * width)),
                (y + radius < height, at + radius * width),
            ];
            let Some(other) = across
                .into_iter()
                .filter(|&(inside, _)| inside)
                .filter_map(|(_, next)| values.get(next).copied())
                .find(|&z| z > 0.0 && here > 0.0 && (z - here).abs() > 0.05 * here)
            else {
                continue;
            };
            let share: f32 = rng.random_range(0.0..0.5);
            out[at] = here + share * (other - here);
        }
    }
    out
}

/// Moves outlines: each object is grown or shrunk by up to `most` pixels, and its rim is frayed.
fn fray(instances: &Instances, most: u32, rng: &mut ChaCha8Rng) -> Result<Instances> {
    let (width, height) = (instances.width() as usize, instances.height() as usize);
    let mut ids = instances.ids().to_vec();
    if most > 0 {
        let largest = instances.labels.last().map_or(0, |label| usize::from(label.id));
        let moves: Vec<i64> =
            (0..=largest).map(|_| rng.random_range(-i64::from(most)..=i64::from(most))).collect();
        for step in 1..=i64::from(most) {
            let before = ids.clone();
            for y in 0..height {
                for x in 0..width {
                    let at = y * width + x;
                    let neighbours = [
                        (x > 0).then(|| at - 1),
                        (x + 1 < width).then(|| at + 1),
                        (y > 0).then(|| at - width),
                        (y + 1 < height).then(|| at + width),
                    ];
                    let own = before[at];
                    for next in neighbours.into_iter().flatten() {
                        let other = before[next];
                        if other == own {
                            continue;
                        }
                        // A third of the rim stays as it is: outlines of real masks are not smooth.
                        if rng.random_range(0..3) == 0 {
                            break;
                        }
                        let shrinks = own != 0 && moves.get(usize::from(own)).is_some_and(|&by| -by >= step);
                        let grows = other != 0 && moves.get(usize::from(other)).is_some_and(|&by| by >= step);
                        if grows && (own == 0 || shrinks) {
                            ids[at] = other;
                            break;
                        }
                        if shrinks && other == 0 {
                            ids[at] = 0;
                            break;
                        }
                    }
                }
            }
        }
    }
    Ok(Instances::new(instances.width(), instances.height(), ids, instances.labels.clone())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_scene::{Attributes, Label, NameSource};

    fn step() -> Result<(ZDepth, Instances)> {
        let (width, height) = (64u32, 48u32);
        let near = |at: usize| (20..40).contains(&(at % 64)) && (10..30).contains(&(at / 64));
        let depth = (0..64 * 48).map(|at| if near(at) { 1.0 } else { 2.0 }).collect();
        let ids = (0..64 * 48).map(|at| u16::from(near(at))).collect();
        let label = Label {
            id: 1,
            name: "box".into(),
            plural: "boxes".into(),
            named_by: NameSource::Exact,
            attributes: Attributes::default(),
        };
        Ok((ZDepth(DepthMap::new(width, height, depth)?), Instances::new(width, height, ids, vec![label])?))
    }

    #[test]
    fn nothing_added_is_nothing_changed() -> Result<()> {
        let (depth, masks) = step()?;
        assert_eq!(degrade(&depth, &masks, &Degradation::default(), 3)?, (depth, masks));
        Ok(())
    }

    #[test]
    fn each_error_does_what_it_says() -> Result<()> {
        let (depth, masks) = step()?;
        let only = |d: Degradation| degrade(&depth, &masks, &d, 5);
        let (scaled, _) = only(Degradation { scale: 0.1, ..Degradation::default() })?;
        let ratio = scaled.0.values()[0] / 2.0;
        assert!((ratio - 1.0).abs() > 1e-3);
        assert!(scaled.0.values().iter().zip(depth.0.values()).all(|(a, b)| (a / b - ratio).abs() < 1e-5));
        let (bled, _) = only(Degradation { bleed: 2, ..Degradation::default() })?;
        let changed = bled.0.values().iter().zip(depth.0.values()).filter(|(a, b)| a != b).count();
        assert!((200..700).contains(&changed), "{changed}");
        assert!(bled.0.values().iter().all(|z| (1.0..=2.0).contains(z)));
        let counts: Vec<usize> = (0..8)
            .map(|seed| {
                let d = Degradation { mask: 2, ..Degradation::default() };
                Ok(degrade(&depth, &masks, &d, seed)?.1.ids().iter().filter(|&&id| id == 1).count())
            })
            .collect::<Result<_>>()?;
        assert!(counts.iter().any(|&n| n > 400) && counts.iter().any(|&n| n < 400), "{counts:?}");
        assert!(counts.iter().all(|n| (250..600).contains(n)), "{counts:?}");
        Ok(())
    }
}
