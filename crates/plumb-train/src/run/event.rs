//! What a run says, and what is said to it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{EvalMetrics, SampleAnswer, StepMetrics};
use crate::estimate::Estimate;

/// What a run says while it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TrainEvent {
    /// Before the first step.
    Plan(Box<Plan>),
    /// After each step.
    Step {
        metrics: Box<StepMetrics>,
        total: u64,
        eta_seconds: f64,
    },
    /// After each batch of an evaluation: `done` of `total` held-out samples. [`Control::Stop`] and [`Control::Save`] break it off;
    /// it is made again when the run goes on.
    Evaluating {
        step: u64,
        done: u64,
        total: u64,
    },
    Eval(Box<EvalMetrics>),
    Answer(SampleAnswer),
    Saved {
        step: u64,
        folder: PathBuf,
        bytes: u64,
    },
    /// The run went on from a checkpoint.
    Resumed {
        step: u64,
        skipped: Vec<String>,
    },
    Note {
        text: String,
    },
}

/// What is about to happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub steps: u64,
    pub samples: u64,
    pub held_out: u64,
    /// Rows of the data that cannot be used.
    pub refused: Vec<String>,
    pub trainable: usize,
    pub parameters: usize,
    pub estimate: Estimate,
    pub recompute: bool,
    pub features_cached: bool,
    /// A sample as it will be learned: `[[not learned]]`, `→learned←`.
    pub masked: String,
    /// Shares of tokens that the mixture aims at, by data set.
    pub shares: Vec<f64>,
}

/// What the listener wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Go,
    /// Save after this step and go on.
    Save,
    /// Save and end; the run can be taken up again.
    Stop,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub step: u64,
    pub total: u64,
    /// Whether all steps were done.
    pub complete: bool,
    pub loss: Option<f32>,
    pub seconds: f64,
    pub result: Option<PathBuf>,
}
