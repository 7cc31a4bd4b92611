//! The statistics behind every number a report shows. Small, exact where exact is cheap, seeded where it is not.

mod bootstrap;
mod calibration;

pub use bootstrap::{Resample, Resampler, StratumTotals, Unit};
pub use calibration::{Calibration, ReliabilityBin, calibrate, ece_equal_mass, selective_accuracy};

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};

/// The two-sided 95 % quantile of the normal distribution.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// A 95 % interval; for proportions both ends lie in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The smallest interval that covers both.
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// Wilson's score interval for `successes` out of `n` (E. B. Wilson, JASA 22, 1927). `None` for `n` = 0 or
/// `successes` > `n`.
///
/// Centre (p + z²/2n) / (1 + z²/n), half-width z/(1 + z²/n) · sqrt(p(1−p)/n + z²/4n²).
pub fn wilson(successes: u64, n: u64, z: f64) -> Option<Interval> {
    if n == 0 || successes > n {
        return None;
    }
    let (count, p) = (n as f64, successes as f64 / n as f64);
    let scale = 1.0 + z * z / count;
    let centre = (p + z * z / (2.0 * count)) / scale;
    let half = z / scale * (p * (1.0 - p) / count + z * z / (4.0 * count * count)).sqrt();
    // At the ends the interval touches 0 or 1 exactly; rounding must not step past.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == n { 1.0 } else { (centre + half).min(1.0) };
    Some(Interval { low, high })
}

/// The exact two-sided McNemar test: `only_a` and `only_b` count the rows that one run alone got right. Under "no
/// difference" each discordant row is a fair coin.
pub fn mcnemar_exact(only_a: u64, only_b: u64) -> f64 {
    let Some(n) = only_a.checked_add(only_b).filter(|&n| n > 0) else {
        return 1.0;
    };
    match Binomial::new(0.5, n) {
        Ok(coin) => (2.0 * coin.cdf(only_a.min(only_b))).min(1.0),
        Err(_) => 1.0,
    }
}

/// Holm's step-down adjustment (S. Holm, 1979): p-values that may each be held against the family's level.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut running = 0.0_f64;
    for (rank, (index, p)) in order.into_iter().enumerate() {
        running = running.max(((p_values.len() - rank) as f64 * p).min(1.0));
        if let Some(slot) = adjusted.get_mut(index) {
            *slot = running;
        }
    }
    adjusted
}

/// Accuracy with guessing taken out: 0 at chance, 1 when all is right, below 0 when worse than chance. `None` where
/// chance is already 1.
pub fn adjusted_accuracy(accuracy: f64, chance: f64) -> Option<f64> {
    (chance < 1.0).then(|| (accuracy - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // scipy 1.17.1: binomtest(k, n).proportion_ci(0.95, "wilson").
    #[test]
    fn wilson_agrees_with_scipy() {
        for (k, n, low, high) in [
            (1139, 2638, 0.412_977_593_043_856_8, 0.450_753_820_967_375_2),
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (10, 10, 0.722_467_200_137_110_7, 1.0),
            (1, 3, 0.061_491_944_720_396_26, 0.792_340_399_197_952_3),
            (75, 88, 0.763_488_895_281_307_5, 0.911_587_489_568_427_5),
            (400, 800, 0.465_435_291_822_163_37, 0.534_564_708_177_836_6),
        ] {
            let i = wilson(k, n, Z_95).unwrap();
            assert!((i.low - low).abs() < 1e-12 && (i.high - high).abs() < 1e-12, "{k}/{n}: {i:?}");
        }
        assert_eq!(wilson(0, 0, Z_95), None);
        assert_eq!(wilson(2, 1, Z_95), None);
    }

    // scipy 1.17.1: binomtest(min(b, c), b + c, 0.5).pvalue.
    #[test]
    fn mcnemar_agrees_with_scipy() {
        for (b, c, p) in [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (5, 0, 0.0625),
            (12, 30, 0.007_915_897_334_896_727),
            (30, 12, 0.007_915_897_334_896_727),
            (100, 140, 0.011_664_092_317_677_69),
            (7, 7, 1.0),
            (3, 9, 0.145_996_093_75),
        ] {
            assert!((mcnemar_exact(b, c) - p).abs() < 1e-12, "{b} {c}: {}", mcnemar_exact(b, c));
        }
        assert_eq!(mcnemar_exact(u64::MAX, 1), 1.0);
    }

    // By hand: sorted 0.005·5, 0.01·4, 0.03·3, 0.04·2 (raised to 0.09), 0.5; the same from a numpy loop.
    #[test]
    fn holm_by_hand() {
        let got = holm(&[0.01, 0.04, 0.03, 0.005, 0.5]);
        for (g, w) in got.iter().zip([0.04, 0.09, 0.09, 0.025, 0.5]) {
            assert!((g - w).abs() < 1e-12, "{got:?}");
        }
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn adjusted_accuracy_at_the_ends() {
        assert_eq!(adjusted_accuracy(0.25, 0.25), Some(0.0));
        assert_eq!(adjusted_accuracy(1.0, 0.25), Some(1.0));
        assert_eq!(adjusted_accuracy(1.0, 1.0), None);
    }

    proptest! {
        #[test]
        fn wilson_holds_the_share(n in 1u64..100_000, share in 0.0f64..=1.0) {
            let k = ((n as f64 * share) as u64).min(n);
            let i = wilson(k, n, Z_95).unwrap();
            prop_assert!(i.contains(k as f64 / n as f64));
            prop_assert!(i.low >= 0.0 && i.high <= 1.0);
        }

        #[test]
        fn mcnemar_is_a_probability_and_symmetric(b in 0u64..500, c in 0u64..500) {
            let p = mcnemar_exact(b, c);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert_eq!(p, mcnemar_exact(c, b));
        }

        #[test]
        fn holm_never_lowers_and_keeps_order(p in prop::collection::vec(0.0f64..=1.0, 0..12)) {
            let adjusted = holm(&p);
            for i in 0..p.len() {
                prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
