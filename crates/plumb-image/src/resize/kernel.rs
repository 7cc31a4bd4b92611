//! Filters and their fixed-point weights, as Pillow computes them.

use std::f64::consts::PI;

/// Fractional bits of the weights: 32 bits less 8 for the sample and 2 for sign and overshoot.
///
/// Source: python-pillow/Pillow:src/libImaging/Resample.c, `PRECISION_BITS`.
pub(super) const PRECISION: u32 = 22;

/// The resampling filters of Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The nearest pixel, no averaging. Pillow's code 0.
    Nearest,
    /// Windowed sinc with three lobes. Pillow's code 1; what SmolVLM uses.
    Lanczos,
    /// The triangle. Pillow's code 2.
    Bilinear,
    /// Keys' cubic with a = -0.5. Pillow's code 3.
    Bicubic,
    /// The mean of the covered pixels. Pillow's code 4.
    Box,
    /// Hamming-windowed sinc with one lobe. Pillow's code 5.
    Hamming,
}

impl Filter {
    /// The filter behind a `resample` code of `preprocessor_config.json` (Pillow's `Image.Resampling`), or `None` for a code
    /// that Pillow does not know.
    #[must_use]
    pub const fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Nearest,
            1 => Self::Lanczos,
            2 => Self::Bilinear,
            3 => Self::Bicubic,
            4 => Self::Box,
            5 => Self::Hamming,
            _ => return None,
        })
    }

    /// Pillow's code of the filter.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Nearest => 0,
            Self::Lanczos => 1,
            Self::Bilinear => 2,
            Self::Bicubic => 3,
            Self::Box => 4,
            Self::Hamming => 5,
        }
    }

    /// Half the width of the filter in input pixels when it does not shrink; `None` for [`Filter::Nearest`], which has no weights.
    pub(super) const fn support(self) -> Option<f64> {
        match self {
            Self::Nearest => None,
            Self::Lanczos => Some(3.0),
            Self::Bilinear | Self::Hamming => Some(1.0),
            Self::Bicubic => Some(2.0),
            Self::Box => Some(0.5),
        }
    }

    /// The weight at distance `t`, before normalisation.
    fn weight(self, t: f64) -> f64 {
        match self {
            // Has no weights: `resize` takes another road before it comes here.
            Self::Nearest => 0.0,
            Self::Lanczos if (-3.0..3.0).contains(&t) => sinc(t) * sinc(t / 3.0),
            Self::Lanczos => 0.0,
            Self::Bilinear => (1.0 - t.abs()).max(0.0),
            Self::Bicubic => {
                const A: f64 = -0.5;
                let t = t.abs();
                if t < 1.0 {
                    ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0
                } else if t < 2.0 {
                    (((t - 5.0) * t + 8.0) * t - 4.0) * A
                } else {
                    0.0
                }
            }
            Self::Box if t > -0.5 && t <= 0.5 => 1.0,
            Self::Box => 0.0,
            Self::Hamming => {
                let t = t.abs();
                if t == 0.0 {
                    1.0
                } else if t >= 1.0 {
                    0.0
                } else {
                    let t = t * PI;
                    // Pillow writes these two constants in single precision.
                    t.sin() / t * (f64::from(0.54_f32) + f64::from(0.46_f32) * t.cos())
                }
            }
        }
    }
}

fn sinc(t: f64) -> f64 {
    if t == 0.0 { 1.0 } else { (t * PI).sin() / (t * PI) }
}

/// The weights of one axis: for every output position the first input position and the fixed-point weights from there on.
pub(super) struct Weights {
    /// First input position and number of weights, per output position. The window lies inside the input and is never empty.
    windows: Vec<(usize, usize)>,
    /// `stride` weights per output position, of which the window's count are used.
    fixed: Vec<i32>,
    stride: usize,
}

impl Weights {
    /// The weights that bring `input` samples to `output` samples, both at least 1; `None` where `filter` has no weights or memory is short.
    ///
    /// Source: python-pillow/Pillow:src/libImaging/Resample.c, `precompute_coeffs` and `normalize_coeffs_8bpc`.
    pub(super) fn new(filter: Filter, input: u32, output: u32) -> Option<Self> {
        let scale = f64::from(input) / f64::from(output);
        let filter_scale = scale.max(1.0);
        let support = filter.support()? * filter_scale;
        let inverse = 1.0 / filter_scale;
        let stride = (support.ceil() as usize).checked_mul(2)?.checked_add(1)?;

        let mut windows = Vec::new();
        windows.try_reserve_exact(output as usize).ok()?;
        let mut fixed = Vec::new();
        fixed.try_reserve_exact(stride.checked_mul(output as usize)?).ok()?;
        let mut floats = vec![0.0_f64; stride];
        for position in 0..output {
            let center = (f64::from(position) + 0.5) * scale;
            // `as` truncates towards zero and clamps at zero, which is `max(0, (int)x)`.
            let first = (center - support + 0.5) as u32;
            let end = ((center + support + 0.5) as u32).min(input);
            let count = (end.saturating_sub(first) as usize).min(stride);
            let used = floats.get_mut(..count)?;
            let mut sum = 0.0;
            for (offset, weight) in (0_u32..).zip(used.iter_mut()) {
                *weight = filter.weight((f64::from(offset + first) - center + 0.5) * inverse);
                sum += *weight;
            }
            windows.push((first as usize, count));
            fixed.extend(floats.iter().take(count).map(|&weight| {
                let scaled = if sum == 0.0 { weight } else { weight / sum } * f64::from(1 << PRECISION);
                if scaled < 0.0 { (scaled - 0.5) as i32 } else { (scaled + 0.5) as i32 }
            }));
            fixed.extend(std::iter::repeat_n(0, stride - count));
        }
        Some(Self { windows, fixed, stride })
    }

    /// For every output position, in order: the first input position and the weights from there on.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> + Clone {
        self.windows
            .iter()
            .zip(self.fixed.chunks_exact(self.stride))
            .map(|(&(first, count), weights)| (first, weights.get(..count).unwrap_or_default()))
    }

    /// The first input position and the weights of one output position.
    pub(super) fn at(&self, position: usize) -> (usize, &[i32]) {
        let Some(&(first, count)) = self.windows.get(position) else {
            return (0, &[]);
        };
        let start = position * self.stride;
        (first, self.fixed.get(start..start + count).unwrap_or_default())
    }

    /// The input positions `[first, end)` that any output position reads.
    pub(super) fn span(&self) -> (usize, usize) {
        let first = self.windows.first().map_or(0, |window| window.0);
        let end = self.windows.last().map_or(0, |window| window.0 + window.1);
        (first, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEIGHTED: [Filter; 5] =
        [Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];

    #[test]
    fn codes_round_trip() {
        for code in 0..6 {
            assert_eq!(u64::from(Filter::from_code(code).unwrap().code()), code);
        }
        assert_eq!(Filter::from_code(6), None);
    }

    #[test]
    fn kernels_interpolate() {
        for filter in [Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Hamming] {
            assert!((filter.weight(0.0) - 1.0).abs() < 1e-15);
            for t in [1.0, 2.0, 3.0, -1.0, -2.0] {
                assert!(filter.weight(t).abs() < 1e-12, "{filter:?} {t}");
            }
        }
        assert!((Filter::Bicubic.weight(0.5) - 0.5625).abs() < 1e-15);
    }

    proptest! {
        /// What the passes rely on: windows inside the input, in order, and sums that cannot leave an i32 however the samples lie.
        #[test]
        fn windows_and_sums_stay_inside(
            input in 1_u32..3000,
            output in 1_u32..300,
            filter in proptest::sample::select(WEIGHTED.to_vec()),
        ) {
            let weights = Weights::new(filter, input, output).unwrap();
            let mut last = (0, 0);
            prop_assert_eq!(weights.iter().count(), output as usize);
            for (position, (first, fixed)) in weights.iter().enumerate() {
                prop_assert_eq!(weights.at(position), (first, fixed));
                prop_assert!(!fixed.is_empty());
                prop_assert!(first + fixed.len() <= input as usize);
                prop_assert!(first >= last.0 && first + fixed.len() >= last.1);
                last = (first, first + fixed.len());
                let total: i64 = fixed.iter().map(|&k| i64::from(k)).sum();
                prop_assert!((total - (1 << PRECISION)).abs() <= fixed.len() as i64);
                let positive: i64 = fixed.iter().map(|&k| i64::from(k.max(0))).sum();
                let negative: i64 = fixed.iter().map(|&k| i64::from(k.min(0))).sum();
                prop_assert!(positive * 255 + (1 << (PRECISION - 1)) < i64::from(i32::MAX));
                prop_assert!(negative * 255 > i64::from(i32::MIN));
            }
        }
    }
}
