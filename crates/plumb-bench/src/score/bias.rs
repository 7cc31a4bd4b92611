//! Whether a model prefers a letter.

use super::{Judged, percent};
use crate::sample::letter;
use crate::stats::{holm, mcnemar_exact};
use serde::{Deserialize, Serialize};

/// One letter: how often it is right, how often it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LetterRow {
    pub letter: char,
    pub gold: usize,
    pub predicted: usize,
    /// Share of the rows with this gold letter that were answered right.
    pub recall: Option<f64>,
    /// Exact McNemar test of "answered" against "right" for this letter, Holm-adjusted over the letters.
    pub p: f64,
}

/// The letters of the answers that were understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LetterBias {
    /// Rows with an understood answer.
    pub n: usize,
    pub letters: Vec<LetterRow>,
    /// Set when a letter is answered more often than it is right, at 5 % over all letters.
    ///
    /// In CV-Bench letter and content are confounded (A is always the first-named object), so only permuting the
    /// options tells a love of A from a love of left.
    pub warning: Option<String>,
}

impl LetterBias {
    pub(super) fn of(rows: &[Judged<'_>]) -> Self {
        let pairs: Vec<(usize, usize)> =
            rows.iter().filter_map(|r| Some((r.sample.gold, r.parsed.and_then(|p| p.choice)?))).collect();
        let count = pairs.iter().map(|&(g, p)| g.max(p) + 1).max().unwrap_or(0).min(26);
        let tests: Vec<f64> = (0..count)
            .map(|l| {
                let only = |f: fn(bool, bool) -> bool| {
                    pairs.iter().filter(|&&(g, p)| f(g == l, p == l)).count() as u64
                };
                mcnemar_exact(only(|gold, said| gold && !said), only(|gold, said| said && !gold))
            })
            .collect();
        let letters: Vec<LetterRow> = holm(&tests)
            .into_iter()
            .enumerate()
            .map(|(l, p)| {
                let gold = pairs.iter().filter(|x| x.0 == l).count();
                let right = pairs.iter().filter(|&&x| x == (l, l)).count();
                LetterRow {
                    letter: letter(l),
                    gold,
                    predicted: pairs.iter().filter(|x| x.1 == l).count(),
                    recall: (gold > 0).then(|| right as f64 / gold as f64),
                    p,
                }
            })
            .collect();
        let n = pairs.len();
        let warning = letters
            .iter()
            .filter(|l| l.predicted > l.gold && l.p < 0.05)
            .max_by_key(|l| l.predicted - l.gold)
            .map(|l| {
                format!(
                    "The model answers {} on {} of the rows, where it is right on {} (p = {:.1e}).",
                    l.letter,
                    percent(l.predicted as f64 / n as f64),
                    percent(l.gold as f64 / n as f64),
                    l.p
                )
            });
        Self { n, letters, warning }
    }
}
