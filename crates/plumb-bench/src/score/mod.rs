//! From answers to a report. Nothing here is stored as truth: a report is recomputed from samples and predictions.

mod baseline;
mod bias;
mod compare;
mod formula;
mod judge;
mod table;

pub use baseline::{Baseline, StructureCheck, structure_prior};
pub use bias::{LetterBias, LetterRow};
pub use compare::{Comparison, Difference, RunAnswers, SliceDelta, compare};
pub use formula::{Formula, FormulaKind};
pub use judge::{Judged, Judgement, judge};

use crate::parse::Parser;
use crate::prediction::Prediction;
use crate::sample::Sample;
use crate::stats::{Calibration, Interval, Z_95, adjusted_accuracy, calibrate, wilson};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Below this many rows a percentage says more than it knows; tables print the counts alone.
pub const SMALL_SLICE: usize = 20;

/// The number of equal-mass bins of the calibration error.
pub const CALIBRATION_BINS: usize = 15;

/// What a report needs to know besides samples and predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOptions {
    /// Draws of each bootstrap.
    pub resamples: usize,
    pub seed: u64,
    /// Rows of the benchmark that could not be read at all; they lower coverage.
    pub rejected: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0, rejected: 0 }
    }
}

/// What became of every row of the benchmark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// All rows of the file, readable or not.
    pub rows: usize,
    /// Rows that could not be read.
    pub rejected: usize,
    /// Rows with an answer, understood or not.
    pub answered: usize,
    /// Rows that were tried and failed.
    pub failed: usize,
    /// Rows nobody tried, or whose prediction has nothing for this parser.
    pub missing: usize,
    /// Predictions for rows this benchmark does not have.
    pub unknown_ids: usize,
    /// Predictions that a later one for the same row replaced.
    pub replaced: usize,
}

/// The score of a set of rows. Rows without an answer are left out of `n` and count in `total`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    pub name: String,
    pub total: usize,
    pub n: usize,
    pub correct: usize,
    /// `correct / n`: an answer that was not understood is wrong.
    pub accuracy: Option<f64>,
    /// Wilson's 95 % interval of `accuracy`.
    pub interval: Option<Interval>,
    /// Mean of 1 / number of options over the answered rows, or over all rows while none is answered.
    pub chance: Option<f64>,
    /// (accuracy − chance) / (1 − chance).
    pub adjusted: Option<f64>,
    /// Answers that were not understood.
    pub unparsed: usize,
    /// Accuracy if every answer that was not understood were replaced by a guess.
    pub randomised: Option<f64>,
    /// `correct / total`: rows without an answer count as wrong too.
    pub worst: Option<f64>,
}

impl Slice {
    fn of<'a>(name: &str, rows: impl Iterator<Item = &'a Judged<'a>>) -> Self {
        let (mut total, mut n, mut correct, mut unparsed) = (0, 0, 0, 0);
        let (mut chance_all, mut chance_answered, mut guessed) = (0.0, 0.0, 0.0);
        for row in rows {
            total += 1;
            chance_all += row.sample.chance();
            if let Some(parsed) = row.parsed {
                n += 1;
                correct += usize::from(row.correct);
                chance_answered += row.sample.chance();
                if parsed.choice.is_none() {
                    unparsed += 1;
                    guessed += row.sample.chance();
                }
            }
        }
        let share = |part: f64, whole: usize| (whole > 0).then(|| part / whole as f64);
        let accuracy = share(correct as f64, n);
        let chance = share(chance_answered, n).or(share(chance_all, total));
        Self {
            name: name.to_owned(),
            total,
            n,
            correct,
            accuracy,
            interval: wilson(correct as u64, n as u64, Z_95),
            chance,
            adjusted: accuracy.zip(chance).and_then(|(a, c)| adjusted_accuracy(a, c)),
            unparsed,
            randomised: share(correct as f64 + guessed, n),
            worst: share(correct as f64, total),
        }
    }

    /// Whether the slice is too small for a percentage.
    pub fn is_small(&self) -> bool {
        self.n < SMALL_SLICE
    }

    fn groups<'a>(rows: &'a [Judged<'a>], key: impl Fn(&Sample) -> Option<String>) -> Vec<Self> {
        let mut groups: BTreeMap<String, Vec<&Judged<'_>>> = BTreeMap::new();
        for row in rows {
            if let Some(name) = key(row.sample) {
                groups.entry(name).or_default().push(row);
            }
        }
        groups.iter().map(|(name, rows)| Self::of(name, rows.iter().copied())).collect()
    }
}

/// Calibration of one task, or of `all` rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupCalibration {
    pub group: String,
    pub calibration: Calibration,
}

/// What the score means in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    NothingScored,
    BelowChance,
    Guessing,
    /// Above chance, but no better than the best baseline that never sees an image.
    NoBetterThanText,
    AboveText,
}

/// The finding and the sentence that says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub finding: Finding,
    pub sentence: String,
}

/// Everything a score strip shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub parser: Parser,
    pub options: ReportOptions,
    pub coverage: Coverage,
    /// ½ · ((ADE20K + COCO)/2 + Omni3D).
    pub official: Formula,
    /// (ADE20K + COCO)/2.
    pub two_d: Formula,
    /// Omni3D.
    pub three_d: Formula,
    pub micro: Slice,
    /// Plain accuracy of the rows of type 2D and 3D.
    pub kinds: Vec<Slice>,
    pub tasks: Vec<Slice>,
    pub sources: Vec<Slice>,
    pub sub_sources: Vec<Slice>,
    /// What needs no image: chance, always A, majority, structure prior.
    pub baselines: Vec<Baseline>,
    /// Whether the Count answers follow the options rather than the image; absent without Count answers.
    pub structure: Option<StructureCheck>,
    pub letters: LetterBias,
    /// Present when predictions carry option scores: all rows first, then by task.
    pub calibration: Vec<GroupCalibration>,
    pub verdict: Verdict,
}

impl Report {
    /// Scores predictions by id. Samples without one lower the coverage.
    pub fn build(
        samples: &[Sample],
        predictions: &[Prediction],
        parser: Parser,
        options: &ReportOptions,
    ) -> Self {
        let judgement = judge(samples, predictions, parser);
        let rows = &judgement.rows;
        let micro = Slice::of("micro", rows.iter());
        let formula = |kind| Formula::of(kind, rows, options);
        let official = formula(FormulaKind::Official);
        let baselines = Baseline::all(samples);
        let verdict = verdict(&official, &micro, &baselines);
        let failed = rows.iter().filter(|r| r.prediction.is_some_and(|p| p.error.is_some())).count();
        let coverage = Coverage {
            rows: samples.len() + options.rejected,
            rejected: options.rejected,
            answered: micro.n,
            failed,
            missing: samples.len().saturating_sub(micro.n + failed),
            unknown_ids: judgement.unknown_ids,
            replaced: judgement.replaced,
        };
        Self {
            parser,
            options: *options,
            coverage,
            two_d: formula(FormulaKind::TwoD),
            three_d: formula(FormulaKind::ThreeD),
            official,
            micro,
            kinds: Slice::groups(rows, |s| Some(s.kind.name().to_owned())),
            tasks: Slice::groups(rows, |s| Some(s.task.name().to_owned())),
            sources: Slice::groups(rows, |s| Some(s.source.clone()).filter(|s| !s.is_empty())),
            sub_sources: Slice::groups(rows, |s| s.sub_source().map(str::to_owned)),
            baselines,
            structure: StructureCheck::of(rows),
            letters: LetterBias::of(rows),
            calibration: calibrations(rows),
            verdict,
        }
    }
}

fn calibrations(rows: &[Judged<'_>]) -> Vec<GroupCalibration> {
    let mut groups: BTreeMap<String, Vec<(Vec<f64>, usize)>> = BTreeMap::new();
    let mut all = Vec::new();
    for row in rows.iter().filter(|r| r.parsed.is_some()) {
        let sample = row.sample;
        if let Some(p) = row.prediction.and_then(|p| p.probabilities(sample.options.len())) {
            groups.entry(sample.task.name().to_owned()).or_default().push((p.clone(), sample.gold));
            all.push((p, sample.gold));
        }
    }
    std::iter::once(("all".to_owned(), all))
        .chain(groups)
        .filter_map(|(group, rows)| {
            Some(GroupCalibration { group, calibration: calibrate(&rows, CALIBRATION_BINS)? })
        })
        .collect()
}

fn verdict(official: &Formula, micro: &Slice, baselines: &[Baseline]) -> Verdict {
    // The official number where it exists, and then the wider of its two intervals: a claim should survive both.
    let official_parts = official.value.zip(official.wider()).zip(official.chance);
    let micro_parts = micro.accuracy.zip(micro.interval).zip(micro.chance);
    let is_official = official_parts.is_some();
    let Some(((score, interval), chance)) = official_parts.or(micro_parts) else {
        return Verdict {
            finding: Finding::NothingScored,
            sentence: "No row has an answer yet, so there is nothing to judge.".to_owned(),
        };
    };
    let name = if is_official { "official score" } else { "micro accuracy" };
    let text = baselines
        .iter()
        .filter_map(|b| Some((b, if is_official { b.official? } else { b.micro? })))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let numbers = format!(
        "{name} {}, 95 % interval {} to {}, chance {}",
        percent(score),
        percent(interval.low),
        percent(interval.high),
        percent(chance)
    );
    let (finding, words) = if interval.high < chance {
        (Finding::BelowChance, format!("Worse than guessing: {numbers}."))
    } else if interval.low <= chance {
        (Finding::Guessing, format!("Not distinguishable from guessing: {numbers}."))
    } else {
        match text {
            Some((b, reached)) if interval.low <= reached => (
                Finding::NoBetterThanText,
                format!(
                    "Better than guessing, but not than the baseline `{}`, which reaches {} without an image: \
                     {numbers}.",
                    b.name,
                    percent(reached)
                ),
            ),
            _ => (
                Finding::AboveText,
                format!("Better than guessing and than every baseline without an image: {numbers}."),
            ),
        }
    };
    let partial = if micro.n < micro.total {
        format!(" Only {} of {} rows have an answer.", micro.n, micro.total)
    } else {
        String::new()
    };
    Verdict { finding, sentence: words + &partial }
}

/// A share as a percentage with two decimals.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests;
