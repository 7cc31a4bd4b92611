use crate::parse::{ParseStatus, Parsed, Parser};
use crate::prediction::Prediction;
use crate::sample::Sample;
use std::collections::HashMap;

/// One row with what a parser made of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    pub sample: &'a Sample,
    /// The last prediction for the row, if any.
    pub prediction: Option<&'a Prediction>,
    /// `None` when the row has no answer: no prediction, a failed one, or one with nothing for the parser.
    pub parsed: Option<Parsed>,
    pub correct: bool,
}

/// All rows of a benchmark, in its order.
#[derive(Clone, Debug)]
pub struct Judgement<'a> {
    pub rows: Vec<Judged<'a>>,
    /// Predictions whose id is not in the benchmark.
    pub unknown_ids: usize,
    /// Predictions that a later one for the same id replaced.
    pub replaced: usize,
}

/// Matches predictions to samples by id and reads them. Of several predictions for one row the last counts, since a
/// repeated row is a repaired one.
pub fn judge<'a>(samples: &'a [Sample], predictions: &'a [Prediction], parser: Parser) -> Judgement<'a> {
    let known: HashMap<&str, ()> = samples.iter().map(|s| (s.id.as_str(), ())).collect();
    let mut by_id: HashMap<&str, &Prediction> = HashMap::with_capacity(predictions.len());
    let (mut unknown_ids, mut replaced) = (0, 0);
    for p in predictions {
        if !known.contains_key(p.id.as_str()) {
            unknown_ids += 1;
        } else if by_id.insert(&p.id, p).is_some() {
            replaced += 1;
        }
    }
    let rows = samples
        .iter()
        .map(|sample| {
            let prediction = by_id.get(sample.id.as_str()).copied();
            let parsed = prediction
                .filter(|p| p.error.is_none())
                .map(|p| parser.parse(sample, p))
                .filter(|p| p.status != ParseStatus::NoOutput);
            let correct = parsed.is_some_and(|p| p.choice == Some(sample.gold));
            Judged { sample, prediction, parsed, correct }
        })
        .collect();
    Judgement { rows, unknown_ids, replaced }
}
