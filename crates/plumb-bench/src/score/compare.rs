//! Two runs over the same rows. All tests are paired: only rows that both runs answered are compared.

use super::formula::FormulaKind;
use super::{ReportOptions, judge};
use crate::parse::Parser;
use crate::prediction::Prediction;
use crate::sample::Sample;
use crate::stats::{Interval, Resample, Resampler, StratumTotals, Unit, holm, mcnemar_exact};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct RunAnswers<'a> {
    pub predictions: &'a [Prediction],
    pub parser: Parser,
}

/// A difference B − A with its 95 % intervals from the paired bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub a: f64,
    pub b: f64,
    pub delta: f64,
    pub interval: Option<Interval>,
    /// By resampling photographs in place of rows.
    pub clustered: Option<Interval>,
}

/// The difference on one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceDelta {
    /// `task`, `source` or `sub-source`.
    pub group: String,
    pub name: String,
    pub n: usize,
    pub only_a: usize,
    pub only_b: usize,
    pub difference: Difference,
    /// Exact McNemar.
    pub p: f64,
    /// Holm-adjusted over all slices shown.
    pub p_holm: f64,
    /// Whether the adjusted p is below 5 %: everything else is to be shown in grey.
    pub significant: bool,
}

/// A paired comparison of two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Rows both runs answered.
    pub n: usize,
    /// Rows at least one run did not answer.
    pub left_out: usize,
    pub both: usize,
    pub only_a: usize,
    pub only_b: usize,
    pub neither: usize,
    /// Exact McNemar over all rows.
    pub p: f64,
    /// `None` when no row is shared.
    pub micro: Option<Difference>,
    /// `None` when a source of the official formula has no shared row.
    pub official: Option<Difference>,
    /// Strongest evidence first.
    pub slices: Vec<SliceDelta>,
    pub sentence: String,
}

struct Pair<'a> {
    sample: &'a Sample,
    correct: [bool; 2],
}

/// Compares run `b` with run `a`.
pub fn compare(
    samples: &[Sample],
    a: RunAnswers<'_>,
    b: RunAnswers<'_>,
    options: &ReportOptions,
) -> Comparison {
    let left = judge(samples, a.predictions, a.parser);
    let right = judge(samples, b.predictions, b.parser);
    let pairs: Vec<Pair<'_>> = left
        .rows
        .iter()
        .zip(&right.rows)
        .filter(|(l, r)| l.parsed.is_some() && r.parsed.is_some())
        .map(|(l, r)| Pair { sample: l.sample, correct: [l.correct, r.correct] })
        .collect();
    let all: Vec<&Pair<'_>> = pairs.iter().collect();
    let [both, only_a, only_b, neither] = cells(&all);
    let micro = difference(&all, 1, |_| Some(0), |t, which| t.first()?.accuracy(which), options);
    let official = FormulaKind::Official;
    let official = difference(
        &all,
        official.weights().len(),
        |s| official.stratum(s),
        |t, which| official.value(t, which),
        options,
    );
    let p = mcnemar_exact(only_a as u64, only_b as u64);
    let sentence = sentence(&micro, p);
    Comparison {
        n: pairs.len(),
        left_out: samples.len() - pairs.len(),
        both,
        only_a,
        only_b,
        neither,
        p,
        micro,
        official,
        slices: slices(&pairs, options),
        sentence,
    }
}

fn sentence(micro: &Option<Difference>, p: f64) -> String {
    match micro {
        None => "The two runs share no answered row, so they cannot be compared.".to_owned(),
        Some(d) if p < 0.05 => {
            let better = if d.delta > 0.0 { "B" } else { "A" };
            format!("{better} is better by {:.2} points (exact McNemar p = {p:.1e}).", d.delta.abs() * 100.0)
        }
        Some(d) => format!(
            "No difference is shown: B − A is {:+.2} points (exact McNemar p = {p:.2}).",
            d.delta * 100.0
        ),
    }
}

fn cells(pairs: &[&Pair<'_>]) -> [usize; 4] {
    let count = |wanted: [bool; 2]| pairs.iter().filter(|p| p.correct == wanted).count();
    [count([true, true]), count([true, false]), count([false, true]), count([false, false])]
}

fn difference(
    pairs: &[&Pair<'_>],
    strata: usize,
    stratum: impl Fn(&Sample) -> Option<usize>,
    value: impl Fn(&[StratumTotals], usize) -> Option<f64>,
    options: &ReportOptions,
) -> Option<Difference> {
    let units: Vec<Unit<'_>> = pairs
        .iter()
        .filter_map(|p| {
            Some(Unit { stratum: stratum(p.sample)?, cluster: p.sample.cluster_key(), correct: p.correct })
        })
        .collect();
    let delta = |t: &[StratumTotals]| Some(value(t, 1)? - value(t, 0)?);
    let rows = Resampler::new(&units, strata, Resample::Rows);
    let clusters = Resampler::new(&units, strata, Resample::Clusters);
    let observed = rows.observed();
    Some(Difference {
        a: value(&observed, 0)?,
        b: value(&observed, 1)?,
        delta: delta(&observed)?,
        interval: rows.interval(options.resamples, options.seed, delta),
        clustered: clusters.interval(options.resamples, options.seed, delta),
    })
}

fn slices(pairs: &[Pair<'_>], options: &ReportOptions) -> Vec<SliceDelta> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Pair<'_>>> = BTreeMap::new();
    for pair in pairs {
        let s = pair.sample;
        groups.entry(("task", s.task.name())).or_default().push(pair);
        if !s.source.is_empty() {
            groups.entry(("source", &s.source)).or_default().push(pair);
        }
        // ADE20K and COCO are their own sub-source; repeating them would only cost power in Holm's correction.
        if let Some(sub) = s.sub_source().filter(|s| !matches!(*s, "ade" | "coco")) {
            groups.entry(("sub-source", sub)).or_default().push(pair);
        }
    }
    let mut out: Vec<SliceDelta> = groups
        .into_iter()
        .filter_map(|((group, name), pairs)| {
            let [_, only_a, only_b, _] = cells(&pairs);
            Some(SliceDelta {
                group: group.to_owned(),
                name: name.to_owned(),
                n: pairs.len(),
                only_a,
                only_b,
                difference: difference(&pairs, 1, |_| Some(0), |t, w| t.first()?.accuracy(w), options)?,
                p: mcnemar_exact(only_a as u64, only_b as u64),
                p_holm: 1.0,
                significant: false,
            })
        })
        .collect();
    let adjusted = holm(&out.iter().map(|s| s.p).collect::<Vec<_>>());
    for (slice, p) in out.iter_mut().zip(adjusted) {
        slice.p_holm = p;
        slice.significant = p < 0.05;
    }
    out.sort_by(|a, b| a.p.total_cmp(&b.p));
    out
}
