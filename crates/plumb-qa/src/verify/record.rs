//! Whether a stored pair says what its scene says, answer and proof.

use super::{Verdict, verify};
use crate::evaluate::TruthValue;
use crate::pair::{Answer, Proof, QaPair};
use crate::scene_index::SceneIndex;

/// How far stored and recomputed numbers may differ, as a share: what a decimal text of a double loses, and no more.
const SAME: f64 = 1e-6;

/// [`verify`], and that value, proof and mentions of the record agree with the scene too.
///
/// A length must also be said within its rounding of the value, and its tolerance is not stretched by the scene's uncertainty.
#[must_use]
pub fn check_pair(index: &SceneIndex<'_>, pair: &QaPair) -> Verdict {
    let mut verdict = verify(index, &pair.question, &pair.answer);
    if verdict.correct != Some(true) {
        return verdict;
    }
    let Some(truth) = &verdict.truth else { return verdict };
    let scene = index.scene();
    let wrong = if pair.scene == scene.id {
        let names = pair.mentions.iter().map(|mention| &mention.object);
        if names.eq(&pair.question.objects) {
            value(&pair.answer, truth.answer).or_else(|| proof(&pair.proof, &truth.proof))
        } else {
            Some("the mentions are not of the question's objects".to_owned())
        }
    } else {
        Some(format!("the record is of scene `{}`, this is `{}`", pair.scene, scene.id))
    };
    if let Some(reason) = wrong {
        verdict.correct = Some(false);
        verdict.reward = 0.0;
        verdict.reason = reason;
    }
    verdict
}

fn value(answer: &Answer, right: TruthValue) -> Option<String> {
    let (Answer::Length(said), TruthValue::Length(right)) = (answer, right) else { return None };
    if !same(said.value_m, right.value) {
        Some(format!("value_m is {}, recomputed {}", said.value_m, right.value))
    } else if !same(said.sigma_m, right.sigma) {
        Some(format!("sigma_m is {}, recomputed {}", said.sigma_m, right.sigma))
    } else if (said.said_m - right.value).abs() > said.tolerance_m + SAME * (1.0 + right.value.abs()) {
        Some(format!(
            "`{}` is {} ± {} m, which leaves out {}",
            said.text, said.said_m, said.tolerance_m, right.value
        ))
    } else {
        None
    }
}

fn proof(stored: &Proof, right: &Proof) -> Option<String> {
    if stored.facts.len() != right.facts.len() {
        return Some(format!("{} facts in the proof, {} recomputed", stored.facts.len(), right.facts.len()));
    }
    for (at, (stored, right)) in stored.facts.iter().zip(&right.facts).enumerate() {
        let equal = stored.name == right.name
            && stored.objects == right.objects
            && same(stored.value, right.value)
            && same(stored.sigma, right.sigma);
        if !equal {
            return Some(format!("fact {at} of the proof is {stored:?}, recomputed {right:?}"));
        }
    }
    let points = stored.points.len() == right.points.len()
        && stored.points.iter().flatten().zip(right.points.iter().flatten()).all(|(p, q)| same(*p, *q));
    if points { None } else { Some("the points of the proof are not those recomputed".to_owned()) }
}

fn same(stored: f64, right: f64) -> bool {
    // Of a metre, where the value itself is nearly nothing.
    (stored - right).abs() <= SAME * right.abs().max(1e-3)
}
