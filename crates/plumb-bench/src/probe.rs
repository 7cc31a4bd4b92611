//! The same question with one thing changed, to see what an answer rests on. Probes here change text only; those that
//! change the image live with the code that decodes it.

use crate::parse::Parser;
use crate::prediction::Prediction;
use crate::sample::{Sample, letter};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The sample with its options turned by `shift` places: the option at `i` moves to `i + shift`, cyclically. The id
/// gets `#shiftN`.
///
/// The prompt is rewritten where it lists the options as lines `(A) ...`; `None` when it lists them in another way,
/// since a prompt that contradicts its options would measure nothing.
pub fn shift_options(sample: &Sample, shift: usize) -> Option<Sample> {
    let n = sample.options.len();
    let shift = shift.checked_rem(n)?;
    let listed = |options: &[String]| -> String {
        options.iter().enumerate().map(|(i, o)| format!("\n({}) {o}", letter(i))).collect()
    };
    let mut options = sample.options.clone();
    options.rotate_right(shift);
    let before = listed(&sample.options);
    let at = sample.prompt.find(&before)?;
    let mut prompt = sample.prompt.clone();
    prompt.replace_range(at..at + before.len(), &listed(&options));
    let id = if shift == 0 { sample.id.clone() } else { format!("{}#shift{shift}", sample.id) };
    Some(Sample { id, options, prompt, gold: (sample.gold + shift) % n, ..sample.clone() })
}

/// All cyclic orders of a question, the given one first (CircularEval, as in MMBench).
pub fn circular(sample: &Sample) -> Vec<Sample> {
    (0..sample.options.len()).filter_map(|shift| shift_options(sample, shift)).collect()
}

/// What the cyclic orders of a set of questions show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CircularScore {
    /// Questions of which every order was answered.
    pub n: usize,
    /// Questions right in every order.
    pub right_in_all: usize,
    /// Questions whose answer is the same option, right or wrong, in every order.
    pub consistent: usize,
    /// Expected share right in all orders by guessing: mean of (1/k)^k for k options.
    pub chance: f64,
}

impl CircularScore {
    /// Share of the questions that are right in every order.
    pub fn accuracy(&self) -> Option<f64> {
        (self.n > 0).then(|| self.right_in_all as f64 / self.n as f64)
    }
}

/// Scores answers to the samples that [`circular`] made from `samples`.
pub fn circular_score(samples: &[Sample], predictions: &[Prediction], parser: Parser) -> CircularScore {
    let by_id: HashMap<&str, &Prediction> = predictions.iter().map(|p| (p.id.as_str(), p)).collect();
    let mut score = CircularScore::default();
    let mut chance = 0.0;
    for sample in samples {
        let orders = circular(sample);
        let n = orders.len();
        // The chosen option in the order of the original question, per cyclic order.
        let chosen: Option<Vec<Option<usize>>> = orders
            .iter()
            .enumerate()
            .map(|(shift, order)| {
                let p = by_id.get(order.id.as_str()).filter(|p| p.error.is_none())?;
                Some(parser.parse(order, p).choice.map(|c| (c + n - shift) % n))
            })
            .collect();
        let Some(chosen) = chosen.filter(|c| !c.is_empty()) else {
            continue;
        };
        score.n += 1;
        score.right_in_all += usize::from(chosen.iter().all(|&c| c == Some(sample.gold)));
        score.consistent += usize::from(chosen.iter().all(|c| c.is_some() && c == &chosen[0]));
        chance += sample.chance().powi(i32::try_from(n).unwrap_or(i32::MAX));
    }
    if score.n > 0 {
        score.chance = chance / score.n as f64;
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_turn_with_gold_and_prompt() {
        let s = Sample::multiple_choice("7", "How many?", &["3", "2", "1", "0"], 2);
        let t = shift_options(&s, 1).unwrap();
        assert_eq!((t.options.join(""), t.gold, t.id.as_str()), ("0321".to_owned(), 3, "7#shift1"));
        assert!(t.prompt.ends_with("\n(A) 0\n(B) 3\n(C) 2\n(D) 1"), "{}", t.prompt);
        assert_eq!(shift_options(&s, 4).unwrap(), s);
        assert_eq!(circular(&s).len(), 4);
        let mut odd = s.clone();
        odd.prompt = "pick one".into();
        assert_eq!(shift_options(&odd, 1), None);
        odd.options.clear();
        assert_eq!(shift_options(&odd, 1), None);
    }

    #[test]
    fn always_a_falls_to_zero_and_a_seeing_model_does_not() {
        let samples: Vec<Sample> = (0..40)
            .map(|i| Sample::multiple_choice(&i.to_string(), "Which?", &["lamp", "sofa"], i % 2))
            .collect();
        let orders: Vec<Sample> = samples.iter().flat_map(circular).collect();
        let always_a: Vec<Prediction> = orders.iter().map(|s| Prediction::text(&*s.id, "A")).collect();
        let blind = circular_score(&samples, &always_a, Parser::Strict);
        assert_eq!((blind.n, blind.right_in_all, blind.consistent, blind.chance), (40, 0, 0, 0.25));
        let seeing: Vec<Prediction> =
            orders.iter().map(|s| Prediction::text(&*s.id, s.gold_letter().to_string())).collect();
        let seen = circular_score(&samples, &seeing, Parser::Strict);
        assert_eq!((seen.accuracy(), seen.consistent), (Some(1.0), 40));
        assert_eq!(circular_score(&samples, &always_a[..3], Parser::Strict).n, 1);
    }
}
