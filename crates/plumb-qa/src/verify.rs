//! Whether an answer is right, from the scene's geometry alone: the stored value and proof of a record are checked, never believed.

mod record;
mod text;

use plumb_geometry::Measure;
use serde::{Deserialize, Serialize};

pub use record::check_pair;
pub use text::verify_text;

use crate::evaluate::{Truth, TruthValue, truth};
use crate::pair::{Answer, Question, Side};
use crate::scene_index::SceneIndex;

/// A length is right within what its text can mean and this many standard deviations of the truth.
pub const LENGTH_SIGMAS: f64 = 2.0;

/// Below this probability the scene does not decide a question: a difference of less than one standard deviation.
pub const DECIDED: f64 = 0.841;

/// Most of the true length that a text may leave open ("about one meter": half a metre either way).
pub const MOST_TOLERANCE: f64 = 0.5;

/// A judgement of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// None where the scene does not decide.
    pub correct: Option<bool>,
    /// 1 or 0; for lengths 1 if right, else 1 − |ln ratio| / ln 2, not below 0: a factor of 2 off earns nothing. 0 where the scene does not decide.
    pub reward: f64,
    /// What is right, where the scene says.
    pub truth: Option<Truth>,
    /// One sentence for a person.
    pub reason: String,
    /// Said over true, for lengths.
    pub ratio: Option<f64>,
    /// The narrowest of the published bands that the ratio is in.
    pub band: Option<Band>,
}

/// SpatialVLM's bands of said over true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// 90 to 110 %.
    Close,
    /// 66.7 to 150 %.
    Fair,
    /// 50 to 200 %.
    Rough,
    Outside,
}

impl Band {
    /// Of a ratio of said over true.
    #[must_use]
    pub fn of(ratio: f64) -> Self {
        if (0.9..=1.1).contains(&ratio) {
            Self::Close
        } else if (2.0 / 3.0..=1.5).contains(&ratio) {
            Self::Fair
        } else if (0.5..=2.0).contains(&ratio) {
            Self::Rough
        } else {
            Self::Outside
        }
    }
}

/// Judges a typed answer. Of a length only what is said counts ([`crate::Quantity::said_m`], `tolerance_m`), not the value it was made from.
#[must_use]
pub fn verify(index: &SceneIndex<'_>, question: &Question, answer: &Answer) -> Verdict {
    let given = match answer {
        Answer::YesNo(yes) => Given::Value(TruthValue::YesNo(*yes)),
        Answer::Object(at) => Given::Value(TruthValue::Object(*at)),
        Answer::Side(side) => Given::Value(TruthValue::Side(*side)),
        Answer::Length(quantity) => {
            Given::Length { metres: quantity.said_m, tolerance: quantity.tolerance_m }
        }
        Answer::Count(count) => Given::Value(TruthValue::Count(*count)),
        Answer::Clock(hour) => Given::Value(TruthValue::Clock(*hour)),
        Answer::Option(at) => Given::Value(TruthValue::Option(*at)),
    };
    judge(index, question, Some(given))
}

/// What somebody answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Given {
    Value(TruthValue),
    Length { metres: f64, tolerance: f64 },
}

/// `None`: no answer could be read.
fn judge(index: &SceneIndex<'_>, question: &Question, given: Option<Given>) -> Verdict {
    let truth = match truth(index, question) {
        Ok(truth) => truth,
        Err(reject) => return Verdict::undecided(None, format!("the scene does not decide: {reject}")),
    };
    let decided = truth.confidence >= DECIDED;
    if !decided {
        let reason = format!("the scene does not decide: {:.0} % sure", truth.confidence * 100.0);
        return Verdict::undecided(Some(truth), reason);
    }
    let Some(given) = given else {
        return Verdict::decided(false, truth, "no answer of the right form was found".to_owned());
    };
    match (given, truth.answer) {
        (Given::Length { metres, tolerance }, TruthValue::Length(length)) => {
            judge_length(metres, tolerance, length, truth)
        }
        (Given::Value(given), right) if std::mem::discriminant(&given) == std::mem::discriminant(&right) => {
            let reason = format!("said {}, true is {}", say(given), say(right));
            Verdict::decided(given == right, truth, reason)
        }
        (_, right) => {
            Verdict::decided(false, truth, format!("an answer of another form; true is {}", say(right)))
        }
    }
}

fn judge_length(said: f64, tolerance: f64, length: Measure, truth: Truth) -> Verdict {
    if !(said.is_finite() && said >= 0.0 && tolerance.is_finite() && tolerance >= 0.0) {
        return Verdict::decided(false, truth, format!("{said} ± {tolerance} m is no length"));
    }
    let Measure { value, sigma } = length;
    // A text that leaves everything open ("up to a mile") would always be right.
    let tolerance = tolerance.min(MOST_TOLERANCE * value.abs());
    // Lets a value that lies on a rounding edge pass: what is left is the error of doubles.
    let slack = 1e-9 * (1.0 + value.abs());
    let correct = (said - value).abs() <= tolerance + LENGTH_SIGMAS * sigma + slack;
    let ratio = (value > 0.0).then(|| said / value);
    let graded =
        ratio.filter(|&r| r > 0.0).map_or(0.0, |r| (1.0 - r.ln().abs() / std::f64::consts::LN_2).max(0.0));
    let reason = format!("said {said:.4} m, true is {value:.4} ± {sigma:.4} m");
    Verdict {
        reward: if correct { 1.0 } else { graded },
        ratio,
        band: ratio.map(Band::of),
        ..Verdict::decided(correct, truth, reason)
    }
}

impl Verdict {
    fn decided(correct: bool, truth: Truth, reason: String) -> Self {
        let reward = f64::from(u8::from(correct));
        Self { correct: Some(correct), reward, truth: Some(truth), reason, ratio: None, band: None }
    }

    fn undecided(truth: Option<Truth>, reason: String) -> Self {
        Self { correct: None, reward: 0.0, truth, reason, ratio: None, band: None }
    }
}

fn say(value: TruthValue) -> String {
    match value {
        TruthValue::YesNo(yes) => (if yes { "yes" } else { "no" }).to_owned(),
        TruthValue::Object(at) => format!("object {}", usize::from(at) + 1),
        TruthValue::Side(side) => word(side).to_owned(),
        TruthValue::Length(length) => format!("{:.4} m", length.value),
        TruthValue::Count(count) => count.to_string(),
        TruthValue::Clock(hour) => format!("{hour} o'clock"),
        TruthValue::Option(at) => format!("option {}", usize::from(at) + 1),
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
        Side::Front => "front",
        Side::Behind => "behind",
        Side::Above => "above",
        Side::Below => "below",
        Side::Taller => "taller",
        Side::Shorter => "shorter",
        Side::Wider => "wider",
        Side::Narrower => "narrower",
        Side::Near => "near",
        Side::Far => "far",
    }
}

#[cfg(test)]
mod tests;
