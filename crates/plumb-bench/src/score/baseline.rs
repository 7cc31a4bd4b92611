//! What a benchmark gives away without its images.

use super::formula::FormulaKind;
use super::{Judged, percent};
use crate::sample::{Sample, Task};
use crate::stats::{Z_95, wilson};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FOLDS: u64 = 5;

/// The score of a rule that never sees an image, over all rows of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub name: String,
    /// What the rule does, in one sentence.
    pub about: String,
    pub micro: Option<f64>,
    pub official: Option<f64>,
    /// Task name and accuracy.
    pub tasks: Vec<(String, f64)>,
}

impl Baseline {
    pub(super) fn all(samples: &[Sample]) -> Vec<Self> {
        let hit = |right: bool| f64::from(u8::from(right));
        let majority = majority(samples);
        vec![
            Self::of("chance", "A fair guess among the options.", samples, |_, s| s.chance()),
            Self::of("always_a", "Always the first option.", samples, |_, s| hit(s.gold == 0)),
            Self::of(
                "majority",
                "The most frequent letter among the other four fifths of the photographs, for the same task, number \
                 of options and (in Relation) the same options.",
                samples,
                |i, s| hit(majority.get(i) == Some(&s.gold)),
            ),
            Self::of(
                "structure_prior",
                "For Count, the rank of the answer that the number of options gives away; elsewhere a guess.",
                samples,
                |_, s| structure_prior(s).map_or(s.chance(), |choice| hit(choice == s.gold)),
            ),
        ]
    }

    fn of(name: &str, about: &str, samples: &[Sample], rule: impl Fn(usize, &Sample) -> f64) -> Self {
        let values: Vec<(&Sample, f64)> = samples.iter().enumerate().map(|(i, s)| (s, rule(i, s))).collect();
        let mut tasks: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        for (sample, value) in &values {
            let slot = tasks.entry(sample.task.name()).or_default();
            slot.0 += value;
            slot.1 += 1;
        }
        let sum: f64 = values.iter().map(|(_, v)| v).sum();
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            micro: (!values.is_empty()).then(|| sum / values.len() as f64),
            official: FormulaKind::Official.mean(values.iter().copied()),
            tasks: tasks.into_iter().map(|(t, (sum, n))| (t.to_owned(), sum / n as f64)).collect(),
        }
    }
}

/// The option that a Count question's options give away, without an image; `None` for other questions.
///
/// CV-Bench offers 0 and a run of consecutive numbers, and places the truth in the run by the number of options:
/// the lowest of three, the second of four, the middle of five. Of the 88 Count rows in SpatialScore-Hard
/// (`haoningwu3639/SpatialScore`) the rule answers 75.
pub fn structure_prior(sample: &Sample) -> Option<usize> {
    if sample.task != Task::Count {
        return None;
    }
    let mut numbers: Vec<(u64, usize)> = Vec::new();
    for (i, option) in sample.options.iter().enumerate() {
        let n: u64 = option.trim().parse().ok()?;
        if n > 0 {
            numbers.push((n, i));
        }
    }
    numbers.sort_unstable();
    let rank = numbers.len().saturating_sub(3).min(numbers.len() / 2);
    numbers.get(rank).map(|&(_, i)| i)
}

/// The majority letter of the other folds, per sample. Folds are made of photographs, so that two questions about
/// one scene never inform each other.
fn majority(samples: &[Sample]) -> Vec<usize> {
    let template = |s: &Sample| {
        let options = if s.task == Task::Relation { s.options.join("\u{1f}") } else { String::new() };
        (s.task.name().to_owned(), s.options.len(), options)
    };
    let keys: Vec<_> = samples.iter().map(|s| (template(s), fold(s.cluster_key()))).collect();
    // template -> gold letter -> count per fold
    let mut counts: BTreeMap<_, BTreeMap<usize, [u64; FOLDS as usize]>> = BTreeMap::new();
    for (sample, (key, fold)) in samples.iter().zip(&keys) {
        let folds = counts.entry(key).or_default().entry(sample.gold).or_default();
        if let Some(slot) = folds.get_mut(*fold) {
            *slot += 1;
        }
    }
    keys.iter()
        .map(|(key, fold)| {
            let mut best = (0, 0);
            for (letter, folds) in counts.get(key).into_iter().flatten() {
                let elsewhere = folds.iter().sum::<u64>() - folds.get(*fold).copied().unwrap_or(0);
                if elsewhere > best.1 {
                    best = (*letter, elsewhere);
                }
            }
            best.0
        })
        .collect()
}

/// FNV-1a, because the fold of a photograph must not change between releases of the standard library.
fn fold(cluster: &str) -> usize {
    let hash = cluster
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from((hash >> 16) % FOLDS).unwrap_or(0)
}

/// Whether Count answers follow the structure prior rather than the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StructureCheck {
    /// Answered Count rows to which the rule applies.
    pub n: usize,
    /// Share of the answers that equal the rule's.
    pub agreement: f64,
    /// Share of the rows on which the rule is right: a model that counts perfectly agrees this often.
    pub prior_accuracy: f64,
    pub right_where_prior_right: Option<f64>,
    /// The number that needs vision.
    pub right_where_prior_wrong: Option<f64>,
    pub warning: Option<String>,
}

impl StructureCheck {
    pub(super) fn of(rows: &[Judged<'_>]) -> Option<Self> {
        // [prior right, prior wrong] of (rows, right answers)
        let mut cells = [(0u64, 0u64); 2];
        let (mut n, mut agree, mut chance_where_wrong) = (0u64, 0u64, 0.0);
        for row in rows {
            let (Some(parsed), Some(prior)) = (row.parsed, structure_prior(row.sample)) else {
                continue;
            };
            n += 1;
            agree += u64::from(parsed.choice == Some(prior));
            let wrong = prior != row.sample.gold;
            let cell = &mut cells[usize::from(wrong)];
            cell.0 += 1;
            cell.1 += u64::from(row.correct);
            if wrong {
                chance_where_wrong += row.sample.chance();
            }
        }
        if n == 0 {
            return None;
        }
        let share = |(rows, right): (u64, u64)| (rows > 0).then(|| right as f64 / rows as f64);
        let [right_rows, wrong_rows] = cells;
        let prior_accuracy = right_rows.0 as f64 / n as f64;
        let agreement = agree as f64 / n as f64;
        let follows = wilson(agree, n, Z_95).is_some_and(|i| i.low > prior_accuracy);
        let blind = share(wrong_rows).is_none_or(|_| {
            wilson(wrong_rows.1, wrong_rows.0, Z_95)
                .is_some_and(|i| i.low <= chance_where_wrong / wrong_rows.0 as f64)
        });
        let warning = (follows && blind).then(|| {
            format!(
                "Count answers follow the options, not the image: {} equal the structure prior, which is right on \
                 {}, and where it is wrong the model is right on {}.",
                percent(agreement),
                percent(prior_accuracy),
                share(wrong_rows).map_or_else(|| "no row".to_owned(), percent)
            )
        });
        Some(Self {
            n: usize::try_from(n).unwrap_or(usize::MAX),
            agreement,
            prior_accuracy,
            right_where_prior_right: share(right_rows),
            right_where_prior_wrong: share(wrong_rows),
            warning,
        })
    }
}
