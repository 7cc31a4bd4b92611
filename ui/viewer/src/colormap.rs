//! Colours for numbers and for objects.
//!
//! The sequential map is computed, not copied: a path through Oklab (Björn Ottosson, "A perceptual color space for
//! image processing", 2020) from dark violet to light yellow whose lightness rises linearly while the hue turns
//! through blue and green, resampled so that equal steps of the value are equal Oklab distances, as viridis does in
//! CAM02-UCS. Object colours are seven hues that colour-blind readers can tell apart (Okabe & Ito 2008), repeated at
//! other lightnesses.

use std::sync::OnceLock;

/// Entries of a look-up table; its two rows (values, objects) are one texture on the GPU.
pub(crate) const LUT_LEN: usize = 256;

/// Colour of objects with no id.
pub const NO_INSTANCE_COLOR: [u8; 3] = [0x6b, 0x74, 0x80];

/// Okabe and Ito's palette without black, in the order of the app's tokens.
const OBJECT_HUES: [[u8; 3]; 7] = [
    [0x00, 0x72, 0xb2],
    [0xe6, 0x9f, 0x00],
    [0x00, 0x9e, 0x73],
    [0xd5, 0x5e, 0x00],
    [0x56, 0xb4, 0xe9],
    [0xcc, 0x79, 0xa7],
    [0xf0, 0xe4, 0x42],
];

type Lut = [[u8; 3]; LUT_LEN];

/// The colour of a value in `0..=1` (clamped; NaN is 0), sRGB bytes.
#[must_use]
pub fn sequential(value: f32) -> [u8; 3] {
    let index = (value.clamp(0.0, 1.0) * (LUT_LEN - 1) as f32).round() as usize;
    sequential_lut()[index.min(LUT_LEN - 1)]
}

/// The colour in which the object mode draws `instance`, sRGB bytes. Ids 256 apart share a colour.
#[must_use]
pub fn instance_color(instance: u32) -> [u8; 3] {
    if instance == u32::MAX {
        return NO_INSTANCE_COLOR;
    }
    instance_lut()[instance as usize % LUT_LEN]
}

/// The whole sequential map.
pub(crate) fn sequential_lut() -> &'static Lut {
    static LUT: OnceLock<Lut> = OnceLock::new();
    LUT.get_or_init(|| {
        const STEPS: usize = 4096;
        let mut lengths = [0.0; STEPS + 1];
        for i in 1..=STEPS {
            let (a, b) = (path((i - 1) as f64 / STEPS as f64), path(i as f64 / STEPS as f64));
            let squared: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
            lengths[i] = lengths[i - 1] + squared.sqrt();
        }
        std::array::from_fn(|k| {
            let wanted = lengths[STEPS] * k as f64 / (LUT_LEN - 1) as f64;
            let at = lengths.partition_point(|&length| length < wanted).min(STEPS);
            oklab_to_srgb(path(at as f64 / STEPS as f64))
        })
    })
}

/// The colours of objects 0 to 255.
pub(crate) fn instance_lut() -> &'static Lut {
    static LUT: OnceLock<Lut> = OnceLock::new();
    LUT.get_or_init(|| {
        // Lightness offsets of the first, second, … time the seven hues are used.
        const OFFSETS: [f64; 5] = [0.0, 0.14, -0.14, 0.07, -0.07];
        std::array::from_fn(|id| {
            let mut lab = srgb_to_oklab(OBJECT_HUES[id % OBJECT_HUES.len()]);
            lab[0] = (lab[0] + OFFSETS[id / OBJECT_HUES.len() % OFFSETS.len()]).clamp(0.25, 0.95);
            oklab_to_srgb(lab)
        })
    })
}

/// The path through Oklab at `t`: lightness, and hue and chroma as polar coordinates.
fn path(t: f64) -> [f64; 3] {
    let lightness = 0.26 + 0.66 * t;
    // Chroma narrows at both ends and in the teal middle, where the sRGB gamut is narrow.
    let hue = (305.0 - 197.0 * t).to_radians();
    let chroma = 0.10 + 0.07 * t + 0.035 * (std::f64::consts::TAU * t).cos() - 0.03 * (1.0 - t).powi(4);
    [lightness, chroma * hue.cos(), chroma * hue.sin()]
}

fn oklab_to_srgb([lightness, a, b]: [f64; 3]) -> [u8; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
    .map(|linear| {
        let linear = linear.clamp(0.0, 1.0);
        let encoded =
            if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (encoded * 255.0).round() as u8
    })
}

fn srgb_to_oklab(rgb: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|byte| {
        let encoded = f64::from(byte) / 255.0;
        if encoded <= 0.040_45 { encoded / 12.92 } else { ((encoded + 0.055) / 1.055).powf(2.4) }
    });
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_rises_and_steps_are_even() {
        let lut = sequential_lut();
        let labs: Vec<_> = lut.iter().map(|&rgb| srgb_to_oklab(rgb)).collect();
        // Bytes round, so compare over 16 entries.
        let steps: Vec<f64> = (0..15)
            .map(|i| {
                let (a, b) = (labs[i * 17], labs[i * 17 + 17]);
                assert!(b[0] > a[0], "lightness falls at entry {}", i * 17);
                a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
            })
            .collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        for (i, step) in steps.iter().enumerate() {
            assert!((step / mean - 1.0).abs() < 0.15, "step {i} is {step:.4}, mean {mean:.4}");
        }
        assert!(labs[255][0] - labs[0][0] > 0.6);
    }

    #[test]
    fn conversion_round_trips() {
        for rgb in OBJECT_HUES {
            assert_eq!(oklab_to_srgb(srgb_to_oklab(rgb)), rgb);
        }
        // Ottosson's own check: white has lightness 1 and no chroma.
        let white = srgb_to_oklab([255; 3]);
        assert!((white[0] - 1.0).abs() < 1e-4 && white[1].abs() < 1e-4 && white[2].abs() < 1e-4);
    }

    #[test]
    fn neighbouring_objects_differ_and_odd_values_are_safe() {
        for id in 0..34_u32 {
            let (a, b) = (instance_color(id), instance_color(id + 1));
            let difference: i32 = a.iter().zip(&b).map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs()).sum();
            assert!(difference > 60, "objects {id} and {} look alike: {a:?} {b:?}", id + 1);
        }
        assert_eq!(instance_color(3), OBJECT_HUES[3]);
        assert_eq!(sequential(f32::NAN), sequential(0.0));
        assert_eq!(sequential(f32::INFINITY), sequential_lut()[255]);
    }
}
