//! What a training loop has to remember besides its tensors.

use super::{CheckpointError, exact};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Random numbers are counter-based: the seed and how far each named stream has gone are the whole state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngState {
    pub seed: u64,
    pub counters: BTreeMap<String, u64>,
}

/// State of dynamic loss scaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    #[serde(with = "exact::f32")]
    pub scale: f32,
    /// Steps since the last overflow.
    pub good_steps: u64,
}

/// The best evaluation so far. [`super::Retention`] keeps the checkpoint of this step, so save when there is a new best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestMetric {
    pub name: String,
    #[serde(with = "exact::f64")]
    pub value: f64,
    pub step: u64,
    pub higher_is_better: bool,
}

/// Everything a run needs, with its tensors, to go on as if it had not stopped. A checkpoint is taken between optimiser
/// steps only, so there is no half-accumulated gradient to keep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Optimiser steps done.
    pub step: u64,
    /// Steps that Adam's bias correction counts, by parameter or group.
    pub adam_steps: BTreeMap<String, u64>,
    pub epoch: u64,
    /// State of the data source, in its own words.
    pub cursor: Value,
    pub rng: RngState,
    pub loss_scale: Option<LossScale>,
    pub best: Option<BestMetric>,
    /// Evaluations since the best one; early stopping compares it with its patience.
    pub evals_without_gain: u64,
    /// Time spent in training over all sessions of the run.
    #[serde(with = "exact::f64")]
    pub elapsed_seconds: f64,
    pub samples_seen: u64,
    pub tokens_seen: u64,
    pub config_hash: String,
    pub model_sha256: String,
    pub data_sha256: String,
    /// What a method wants to remember; a float that is not finite has no word here and would become `null`.
    pub extra: BTreeMap<String, Value>,
}

/// What a run was started with; a checkpoint continues only under the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunIdentity {
    pub config_hash: String,
    pub model_sha256: String,
    pub data_sha256: String,
}

/// One part of a run's identity that is not what the checkpoint was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `config`, `model` or `data`.
    pub what: &'static str,
    /// Of the run that wants to go on.
    pub expected: String,
    /// In the checkpoint.
    pub found: String,
}

impl fmt::Display for Change {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, expected, found } = self;
        write!(to, "the {what} changed (this run has {expected:?}, the checkpoint was made with {found:?})")
    }
}

impl TrainState {
    /// Whether the run described by `expected` may go on from this state.
    ///
    /// # Errors
    /// [`CheckpointError::OtherRun`] with every part that differs.
    pub fn check_identity(&self, expected: &RunIdentity) -> Result<(), CheckpointError> {
        let changes: Vec<Change> = [
            ("config", &expected.config_hash, &self.config_hash),
            ("model", &expected.model_sha256, &self.model_sha256),
            ("data", &expected.data_sha256, &self.data_sha256),
        ]
        .into_iter()
        .filter(|(_, expected, found)| expected != found)
        .map(|(what, expected, found)| Change { what, expected: expected.clone(), found: found.clone() })
        .collect();
        if changes.is_empty() { Ok(()) } else { Err(CheckpointError::OtherRun(changes)) }
    }

    /// The state as the text of `state.json`.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let bad = |error: serde_json::Error| CheckpointError::BadState(error.to_string());
        let mut bytes = serde_json::to_vec_pretty(self).map_err(bad)?;
        bytes.push(b'\n');
        // JSON nested deeper than the reader goes would make a checkpoint that cannot be opened; better to say so now.
        let back: Self = serde_json::from_slice(&bytes).map_err(bad)?;
        let mut again = serde_json::to_vec_pretty(&back).map_err(bad)?;
        again.push(b'\n');
        if again != bytes {
            return Err(CheckpointError::BadState("it does not read back as it was written".to_owned()));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_part_is_named_with_both_values() {
        let state = TrainState {
            config_hash: "c1".to_owned(),
            model_sha256: "m1".to_owned(),
            data_sha256: "d1".to_owned(),
            ..TrainState::default()
        };
        let same = RunIdentity {
            config_hash: "c1".to_owned(),
            model_sha256: "m1".to_owned(),
            data_sha256: "d1".to_owned(),
        };
        state.check_identity(&same).unwrap();
        let other_data = RunIdentity { data_sha256: "d2".to_owned(), ..same };
        let Err(CheckpointError::OtherRun(changes)) = state.check_identity(&other_data) else { panic!() };
        let expected = Change { what: "data", expected: "d2".to_owned(), found: "d1".to_owned() };
        assert_eq!(changes, [expected]);
        let error = state.check_identity(&RunIdentity::default()).unwrap_err();
        let text = error.to_string();
        for part in ["config", "model", "data", "c1", "m1", "d1"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_state_that_no_reader_opens_is_refused_before_it_is_written() {
        let mut deep = Value::Null;
        for _ in 0..200 {
            deep = Value::Array(vec![deep]);
        }
        let state = TrainState { cursor: deep, ..TrainState::default() };
        assert!(matches!(state.to_bytes(), Err(CheckpointError::BadState(_))));
    }
}
