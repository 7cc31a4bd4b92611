//! What a model answered to one sample.

use serde::{Deserialize, Serialize};

/// One answer as it came from the model. Scores are always recomputed from these, never stored with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The [`Sample::id`](crate::Sample) it answers.
    pub id: String,
    /// The generated text, untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// One log-probability (natural log) per option, in the order of the options; they need not sum to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option_logprobs: Option<Vec<f64>>,
    /// Why there is no answer: the row was tried and failed. Such a row lowers coverage, not accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The user text as sent, when it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Wall-clock seconds the answer took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Prediction {
    /// A generated answer.
    pub fn text(id: impl Into<String>, raw: impl Into<String>) -> Self {
        Self { id: id.into(), raw: Some(raw.into()), ..Self::default() }
    }

    /// An answer by option scores.
    pub fn scores(id: impl Into<String>, option_logprobs: Vec<f64>) -> Self {
        Self { id: id.into(), option_logprobs: Some(option_logprobs), ..Self::default() }
    }

    /// A row that was tried and failed.
    pub fn failed(id: impl Into<String>, error: impl Into<String>) -> Self {
        Self { id: id.into(), error: Some(error.into()), ..Self::default() }
    }

    /// Option probabilities: softmax of `option_logprobs` over the row's `options` choices.
    ///
    /// `None` when there are no scores, their number differs from `options`, one is NaN or +infinity, or all are
    /// -infinity.
    pub fn probabilities(&self, options: usize) -> Option<Vec<f64>> {
        let scores = self.option_logprobs.as_ref().filter(|s| s.len() == options && options > 0)?;
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !max.is_finite() || scores.iter().any(|s| s.is_nan()) {
            return None;
        }
        let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
        let sum: f64 = weights.iter().sum();
        Some(weights.into_iter().map(|w| w / sum).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_refuse_what_cannot_be_normalised() {
        let of = |v: Vec<f64>| Prediction::scores("x", v).probabilities(2);
        assert_eq!(of(vec![0.0, 0.0]), Some(vec![0.5, 0.5]));
        assert_eq!(of(vec![-1e9, f64::NEG_INFINITY]), Some(vec![1.0, 0.0]));
        assert_eq!(of(vec![f64::NAN, 0.0]), None);
        assert_eq!(of(vec![f64::INFINITY, 0.0]), None);
        assert_eq!(of(vec![f64::NEG_INFINITY; 2]), None);
        assert_eq!(of(vec![0.0]), None);
    }

    #[test]
    fn short_json_is_enough() {
        let p: Prediction = serde_json::from_str(r#"{"id":"3","raw":"B"}"#).unwrap();
        assert_eq!(p, Prediction::text("3", "B"));
        assert_eq!(serde_json::to_string(&p).unwrap(), r#"{"id":"3","raw":"B"}"#);
    }
}
