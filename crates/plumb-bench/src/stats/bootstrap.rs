//! The stratified and clustered bootstrap, for statistics that are functions of per-stratum counts.
//!
//! Drawing N units with replacement and adding them up depends on the units only through how often each *kind*
//! of unit is drawn, and those frequencies are multinomial. A benchmark has few kinds of unit (a row is right or
//! wrong; a photograph has a handful of rows), so a resample costs a few binomial draws in place of N uniform ones.
//! The distribution is the same.

use super::Interval;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Binomial, Distribution};
use std::collections::BTreeMap;

/// One row: which stratum and cluster it is from, and which of two runs got it right. A single run fills one slot.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    pub stratum: usize,
    pub cluster: &'a str,
    pub correct: [bool; 2],
}

/// What is drawn as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// Rows, independently.
    Rows,
    /// All rows of a cluster together, for rows made from one photograph.
    Clusters,
}

/// Rows and right answers of one stratum, as observed or in one resample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StratumTotals {
    pub n: u64,
    pub correct: [u64; 2],
}

impl StratumTotals {
    /// The share that run `which` (0 or 1) got right; `None` for an empty stratum.
    pub fn accuracy(&self, which: usize) -> Option<f64> {
        let correct = self.correct.get(which)?;
        (self.n > 0).then(|| *correct as f64 / self.n as f64)
    }
}

/// Units sorted into kinds, ready to be resampled.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Per stratum: the totals one unit of the kind brings, and how many units are of that kind.
    strata: Vec<Vec<(StratumTotals, u64)>>,
}

impl Resampler {
    /// `strata` is the number of strata; units of a stratum past it are left out.
    pub fn new(units: &[Unit<'_>], strata: usize, resample: Resample) -> Self {
        let mut grouped: BTreeMap<(usize, &str, usize), StratumTotals> = BTreeMap::new();
        for (i, unit) in units.iter().enumerate().filter(|(_, u)| u.stratum < strata) {
            let key = match resample {
                Resample::Rows => (unit.stratum, "", i),
                Resample::Clusters => (unit.stratum, unit.cluster, 0),
            };
            let totals = grouped.entry(key).or_default();
            totals.n += 1;
            for (sum, right) in totals.correct.iter_mut().zip(unit.correct) {
                *sum += u64::from(right);
            }
        }
        let mut kinds: Vec<BTreeMap<(u64, [u64; 2]), u64>> = vec![BTreeMap::new(); strata];
        for ((stratum, _, _), totals) in grouped {
            if let Some(of) = kinds.get_mut(stratum) {
                *of.entry((totals.n, totals.correct)).or_default() += 1;
            }
        }
        let strata = kinds
            .into_iter()
            .map(|of| {
                of.into_iter().map(|((n, correct), many)| (StratumTotals { n, correct }, many)).collect()
            })
            .collect();
        Self { strata }
    }

    /// The totals as observed.
    pub fn observed(&self) -> Vec<StratumTotals> {
        self.strata
            .iter()
            .map(|kinds| kinds.iter().fold(StratumTotals::default(), |sum, &(one, many)| add(sum, one, many)))
            .collect()
    }

    /// The percentile interval (2.5 % to 97.5 %, linear between order statistics) of `statistic` over `resamples`
    /// draws. Each draw keeps every stratum's number of units.
    ///
    /// `None` when the statistic is undefined for the data or for more than half of the draws. Equal seeds give
    /// equal intervals.
    pub fn interval(
        &self,
        resamples: usize,
        seed: u64,
        statistic: impl Fn(&[StratumTotals]) -> Option<f64>,
    ) -> Option<Interval> {
        statistic(&self.observed())?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values: Vec<f64> = (0..resamples)
            .filter_map(|_| {
                let drawn: Vec<StratumTotals> =
                    self.strata.iter().map(|kinds| draw(kinds, &mut rng)).collect();
                statistic(&drawn).filter(|v| v.is_finite())
            })
            .collect();
        if values.is_empty() || values.len() < resamples / 2 {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Interval { low: quantile(&values, 0.025)?, high: quantile(&values, 0.975)? })
    }
}

fn add(sum: StratumTotals, one: StratumTotals, many: u64) -> StratumTotals {
    StratumTotals {
        n: sum.n + one.n * many,
        correct: [sum.correct[0] + one.correct[0] * many, sum.correct[1] + one.correct[1] * many],
    }
}

/// One multinomial draw, as a chain of binomials over the kinds that are left.
fn draw(kinds: &[(StratumTotals, u64)], rng: &mut ChaCha8Rng) -> StratumTotals {
    let total: u64 = kinds.iter().map(|&(_, many)| many).sum();
    let (mut draws, mut weight) = (total, total);
    let mut sum = StratumTotals::default();
    for &(one, many) in kinds {
        if draws == 0 || weight == 0 {
            break;
        }
        let share = (many as f64 / weight as f64).min(1.0);
        let got = Binomial::new(draws, share).map_or(0, |b| b.sample(rng)).min(draws);
        sum = add(sum, one, got);
        draws -= got;
        weight -= many;
    }
    sum
}

fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * (sorted.len().checked_sub(1)?) as f64;
    let below = *sorted.get(at.floor() as usize)?;
    let above = *sorted.get(at.ceil() as usize)?;
    Some(below + (above - below) * (at - at.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(i: Interval, low: f64, high: f64, tolerance: f64) {
        assert!((i.low - low).abs() < tolerance && (i.high - high).abs() < tolerance, "{i:?}");
    }

    fn rows(stratum: usize, right: usize, n: usize) -> impl Iterator<Item = Unit<'static>> {
        (0..n).map(move |i| Unit { stratum, cluster: "", correct: [i < right, false] })
    }

    fn official(t: &[StratumTotals]) -> Option<f64> {
        Some(0.25 * t[0].accuracy(0)? + 0.25 * t[1].accuracy(0)? + 0.5 * t[2].accuracy(0)?)
    }

    // numpy, 20 000 resamples of the rows themselves (rng.choice per source): [0.41118, 0.44893]; the analytic
    // standard error of the formula is 0.009710.
    #[test]
    fn official_formula_agrees_with_a_row_by_row_bootstrap() {
        let units: Vec<Unit<'_>> =
            rows(0, 272, 633).chain(rows(1, 346, 805)).chain(rows(2, 516, 1200)).collect();
        let r = Resampler::new(&units, 3, Resample::Rows);
        let i = r.interval(10_000, 7, official).unwrap();
        close(i, 0.411_18, 0.448_93, 0.001);
        let half = (i.high - i.low) / 2.0;
        assert!((half - 1.96 * 0.009_710).abs() < 0.000_6, "{half}");
        assert_eq!(r.interval(500, 7, official), r.interval(500, 7, official));
        assert_ne!(r.interval(500, 7, official), r.interval(500, 8, official));
    }

    // numpy, 20 000 resamples of 100 clusters of unequal size: [0.51037, 0.65455].
    #[test]
    fn clusters_are_drawn_whole() {
        let names: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let mut units = Vec::new();
        for (i, cluster) in names.iter().enumerate() {
            let (n, right) = match i {
                0..30 => (1, 1),
                30..50 => (3, 0),
                50..75 => (2, 1),
                _ => (5, 4),
            };
            units.extend((0..n).map(|j| Unit { stratum: 0, cluster, correct: [j < right, false] }));
        }
        let r = Resampler::new(&units, 1, Resample::Clusters);
        assert_eq!(r.observed(), [StratumTotals { n: 265, correct: [155, 0] }]);
        close(r.interval(10_000, 1, |t| t[0].accuracy(0)).unwrap(), 0.510_37, 0.654_55, 0.006);
        // Drawn as rows the interval is narrower: that is what clustering is for.
        let by_rows = Resampler::new(&units, 1, Resample::Rows);
        let i = by_rows.interval(10_000, 1, |t| t[0].accuracy(0)).unwrap();
        assert!(i.high - i.low < 0.125, "{i:?}");
    }

    // numpy multinomial(2638, [900, 120, 170, 1448] / 2638): [0.00644, 0.03146].
    #[test]
    fn paired_differences_keep_the_pairs() {
        let cells = [(900, [true, true]), (120, [true, false]), (170, [false, true]), (1448, [false, false])];
        let units: Vec<Unit<'_>> = cells
            .iter()
            .flat_map(|&(n, correct)| (0..n).map(move |_| Unit { stratum: 0, cluster: "", correct }))
            .collect();
        let r = Resampler::new(&units, 1, Resample::Rows);
        let i = r.interval(10_000, 3, |t| Some(t[0].accuracy(1)? - t[0].accuracy(0)?)).unwrap();
        close(i, 0.006_44, 0.031_46, 0.001);
    }

    #[test]
    fn an_undefined_statistic_has_no_interval() {
        let units: Vec<Unit<'_>> = rows(0, 1, 2).collect();
        let r = Resampler::new(&units, 3, Resample::Rows);
        assert_eq!(r.interval(100, 0, official), None);
        assert_eq!(Resampler::new(&[], 1, Resample::Rows).interval(100, 0, |t| t[0].accuracy(0)), None);
        assert_eq!(r.interval(0, 0, |t| t[0].accuracy(0)), None);
    }
}
