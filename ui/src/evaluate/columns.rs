//! Each fact of a row by which rows are chosen, as a number into its column's values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use plumb_bench::sample::letter;
use plumb_bench::{Sample, Task};

use super::data::{Given, Row};
use super::facets::{Column, Facet};

/// Every facet of `samples`; `other` says which rows a second run got right.
pub(super) fn columns(
    samples: &[Sample],
    rows: &[Row],
    answered: bool,
    other: Option<&[Given]>,
) -> Vec<Column> {
    let mut second: BTreeMap<usize, Option<bool>> = BTreeMap::new();
    for answer in other.unwrap_or_default() {
        second.insert(answer.sample, answer.correct);
    }
    let value = |facet: Facet, at: usize| -> Option<Cow<'_, str>> {
        let (sample, row) = (samples.get(at)?, rows.get(at)?);
        let given = |text| Some(Cow::Borrowed(str::trim(text))).filter(|t| !t.is_empty());
        let made = |text: String| Some(Cow::Owned(text));
        match facet {
            Facet::Verdict => answered.then_some(row.verdict.name().into()),
            Facet::Task => given(sample.task.name()),
            Facet::Kind => Some(sample.kind.name().into()),
            Facet::Source => given(&sample.source),
            Facet::Collection => sample.sub_source().map(Into::into),
            Facet::Confidence => row.confidence.map(|p| confidence_bin(p).into()),
            Facet::Options => made(sample.options.len().to_string()),
            Facet::Right => made(sample.gold_letter().to_string()),
            Facet::Chosen => made(letter(row.chosen?).to_string()),
            Facet::RightNumber => number(sample, Some(sample.gold)).and_then(made),
            Facet::ChosenNumber => number(sample, row.chosen).and_then(made),
            Facet::Axis => axis(sample).map(Into::into),
            Facet::Class => given(sample.target_class.as_deref()?),
            Facet::Size => sample.target_size.map(|n| size_bin(n).into()),
            Facet::Boxes => boxes(&sample.boxes).map(Into::into),
            Facet::Marked => match (row.flagged, row.noted) {
                (true, _) => Some("flagged".into()),
                (false, true) => Some("with a note".into()),
                _ => None,
            },
            Facet::Pair => pair(row.verdict.correct(), *second.get(&at)?).map(Into::into),
        }
    };
    Facet::ALL.iter().map(|&facet| Column::new(facet, samples.len(), |at| value(facet, at))).collect()
}

pub(super) const PAIR: [&str; 4] = ["both right", "only A right", "only B right", "neither right"];

fn pair(a: Option<bool>, b: Option<bool>) -> Option<&'static str> {
    Some(match (a?, b?) {
        (true, true) => PAIR[0],
        (true, false) => PAIR[1],
        (false, true) => PAIR[2],
        (false, false) => PAIR[3],
    })
}

pub(super) const CONFIDENCE: [&str; 5] =
    ["below 40 %", "40 to 60 %", "60 to 80 %", "80 to 95 %", "above 95 %"];

fn confidence_bin(p: f64) -> &'static str {
    let at = [0.4, 0.6, 0.8, 0.95].iter().filter(|edge| p >= **edge).count();
    CONFIDENCE[at]
}

pub(super) const SIZES: [&str; 4] = ["below 1,000", "1,000 to 10,000", "10,000 to 100,000", "above 100,000"];

fn size_bin(n: i64) -> &'static str {
    SIZES[[1_000, 10_000, 100_000].iter().filter(|edge| n >= **edge).count()]
}

/// The number a Count row's option is.
fn number(sample: &Sample, option: Option<usize>) -> Option<String> {
    if sample.task != Task::Count {
        return None;
    }
    let text = sample.options.get(option?)?.trim();
    text.parse::<u64>().ok().map(|n| n.to_string())
}

fn axis(sample: &Sample) -> Option<&'static str> {
    let has = |word: &str| sample.options.iter().any(|option| option.trim().eq_ignore_ascii_case(word));
    let both = |a, b| has(a) && has(b);
    if both("left", "right") {
        Some("left or right")
    } else if both("above", "below") {
        Some("above or below")
    } else {
        None
    }
}

pub(super) const BOXES: [&str; 4] =
    ["overlap", "apart, alike in size", "apart, up to 3 times larger", "apart, over 3 times larger"];

/// The first two boxes of a row: whether they overlap, and how their areas differ.
fn boxes(boxes: &[[f32; 4]]) -> Option<&'static str> {
    let [a, b, ..] = boxes else { return None };
    let area = |r: &[f32; 4]| f64::from((r[2] - r[0]).abs()) * f64::from((r[3] - r[1]).abs());
    let meet = a[0].max(b[0]) < a[2].min(b[2]) && a[1].max(b[1]) < a[3].min(b[3]);
    let areas = [area(a), area(b)];
    if !areas.iter().all(|area| area.is_finite() && *area > 0.0) {
        return None;
    }
    let (large, small) = (areas[0].max(areas[1]), areas[0].min(areas[1]));
    Some(match large / small {
        _ if meet => BOXES[0],
        ratio if ratio < 1.5 => BOXES[1],
        ratio if ratio <= 3.0 => BOXES[2],
        _ => BOXES[3],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_have_the_edge_above() {
        assert_eq!(
            [0.0, 0.4, 0.95, f64::NAN].map(confidence_bin),
            [CONFIDENCE[0], CONFIDENCE[1], CONFIDENCE[4], CONFIDENCE[0]]
        );
        assert_eq!([i64::MIN, 1_000, 100_000].map(size_bin), [SIZES[0], SIZES[1], SIZES[3]]);
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(boxes(&[unit]), None);
        assert_eq!(boxes(&[unit, [0.5, 0.5, 2.0, 2.0]]), Some(BOXES[0]));
        assert_eq!(boxes(&[unit, [5.0, 0.0, 6.0, 1.0]]), Some(BOXES[1]));
        assert_eq!(boxes(&[unit, [5.0, 0.0, 9.0, 9.0]]), Some(BOXES[3]));
        assert_eq!(boxes(&[unit, [5.0, 0.0, 5.0, f32::NAN]]), None);
    }

    #[test]
    fn a_pair_needs_both_answers() {
        assert_eq!(pair(Some(true), None), None);
        assert_eq!(pair(Some(false), Some(true)), Some("only B right"));
    }
}
