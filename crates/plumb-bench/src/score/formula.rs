//! CV-Bench's source-balanced scores: `1/2 · ((ADE20K + COCO)/2 + Omni3D)` and its two halves (dataset card of
//! `nyu-visionx/CV-Bench`).

use super::{Judged, ReportOptions};
use crate::sample::Sample;
use crate::stats::{Interval, Resample, Resampler, StratumTotals, Unit};
use serde::{Deserialize, Serialize};

/// Which of the three scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormulaKind {
    Official,
    TwoD,
    ThreeD,
}

impl FormulaKind {
    /// Source names and their weights, which sum to 1.
    pub fn weights(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Official => &[("ADE20K", 0.25), ("COCO", 0.25), ("Omni3D", 0.5)],
            Self::TwoD => &[("ADE20K", 0.5), ("COCO", 0.5)],
            Self::ThreeD => &[("Omni3D", 1.0)],
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::TwoD => "2D",
            Self::ThreeD => "3D",
        }
    }

    /// The weighted mean of a per-row value; `None` when a source has no rows.
    pub(super) fn mean<'a>(self, rows: impl Iterator<Item = (&'a Sample, f64)>) -> Option<f64> {
        let weights = self.weights();
        let mut sums = vec![(0.0, 0usize); weights.len()];
        for (sample, value) in rows {
            if let Some(slot) = self.stratum(sample).and_then(|i| sums.get_mut(i)) {
                slot.0 += value;
                slot.1 += 1;
            }
        }
        weights.iter().zip(sums).map(|((_, w), (sum, n))| (n > 0).then(|| w * sum / n as f64)).sum()
    }

    pub(super) fn stratum(self, sample: &Sample) -> Option<usize> {
        self.weights().iter().position(|(name, _)| sample.source.eq_ignore_ascii_case(name))
    }

    pub(super) fn value(self, totals: &[StratumTotals], which: usize) -> Option<f64> {
        self.weights().iter().enumerate().map(|(i, (_, w))| Some(w * totals.get(i)?.accuracy(which)?)).sum()
    }
}

/// A source-balanced score with its intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formula {
    pub kind: FormulaKind,
    /// Answered rows of the formula's sources.
    pub n: usize,
    pub total: usize,
    pub correct: usize,
    pub unparsed: usize,
    /// `None` when one of the sources has no answered row; `note` says which.
    pub value: Option<f64>,
    /// 95 % by resampling rows within each source.
    pub interval: Option<Interval>,
    /// 95 % by resampling photographs within each source: rows from one scene are not independent.
    pub clustered: Option<Interval>,
    /// The formula applied to 1 / number of options, over the answered rows if each source has some, else over all.
    pub chance: Option<f64>,
    /// The value if every answer that was not understood were replaced by a guess.
    pub randomised: Option<f64>,
    /// Why there is no value, or what the value leaves out.
    pub note: Option<String>,
}

impl Formula {
    pub(super) fn of(kind: FormulaKind, rows: &[Judged<'_>], options: &ReportOptions) -> Self {
        let members: Vec<(usize, &Judged<'_>)> =
            rows.iter().filter_map(|r| Some((kind.stratum(r.sample)?, r))).collect();
        let answered: Vec<(usize, &Judged<'_>)> =
            members.iter().copied().filter(|(_, r)| r.parsed.is_some()).collect();
        let units: Vec<Unit<'_>> = answered
            .iter()
            .map(|&(stratum, r)| Unit {
                stratum,
                cluster: r.sample.cluster_key(),
                correct: [r.correct, false],
            })
            .collect();
        let strata = kind.weights().len();
        let resampler = |how| Resampler::new(&units, strata, how);
        let by_rows = resampler(Resample::Rows);
        let statistic = |t: &[StratumTotals]| kind.value(t, 0);
        let value = statistic(&by_rows.observed());
        let guess = |r: &Judged<'_>| match r.parsed {
            Some(p) if p.choice.is_none() => r.sample.chance(),
            _ => f64::from(u8::from(r.correct)),
        };
        let chance_of = |rows: &[(usize, &Judged<'_>)]| {
            kind.mean(rows.iter().map(|(_, r)| (r.sample, r.sample.chance())))
        };
        Self {
            kind,
            n: answered.len(),
            total: members.len(),
            correct: answered.iter().filter(|(_, r)| r.correct).count(),
            unparsed: answered.iter().filter(|(_, r)| r.parsed.is_some_and(|p| p.choice.is_none())).count(),
            value,
            interval: by_rows.interval(options.resamples, options.seed, statistic),
            clustered: resampler(Resample::Clusters).interval(options.resamples, options.seed, statistic),
            chance: chance_of(&answered).or_else(|| chance_of(&members)),
            randomised: kind.mean(answered.iter().map(|(_, r)| (r.sample, guess(r)))),
            note: note(kind, rows, &members, &by_rows.observed()),
        }
    }

    /// The wider of the two intervals.
    pub fn wider(&self) -> Option<Interval> {
        match (self.interval, self.clustered) {
            (Some(a), Some(b)) => Some(a.hull(b)),
            (a, b) => a.or(b),
        }
    }
}

fn note(
    kind: FormulaKind,
    rows: &[Judged<'_>],
    members: &[(usize, &Judged<'_>)],
    answered: &[StratumTotals],
) -> Option<String> {
    let mut reasons = Vec::new();
    for (i, (name, _)) in kind.weights().iter().enumerate() {
        if !members.iter().any(|&(stratum, _)| stratum == i) {
            reasons.push(format!("the benchmark has no row of source {name}"));
        } else if answered.get(i).is_none_or(|t| t.n == 0) {
            reasons.push(format!("no row of source {name} has an answer"));
        }
    }
    if !reasons.is_empty() {
        return Some(format!("The score needs every source, and {}.", reasons.join(" and ")));
    }
    let outside = rows.iter().filter(|r| FormulaKind::Official.stratum(r.sample).is_none()).count();
    (outside > 0)
        .then(|| format!("{outside} rows are from sources the formula does not know and are left out."))
}
