//! Checkpoints of a training run, and its log of metrics.
//!
//! A checkpoint is a folder `<run>/checkpoints/step-00000040` with the trained tensors, the optimiser's moments, the
//! state of the loop and a manifest that holds the size and SHA-256 of each. It is written beside its place, every file
//! forced to the disk, the manifest last, and then renamed: at any instant the folder of that name is whole or absent.
//! burn's own records are written in place, three files that are no transaction, so a kill truncates them; hence this.
//!
//! Everything goes through [`Fs`]. The tests let each single call of it fail, crash and lose what was not synced, which
//! is the method of SQLite's "how SQLite is tested"; a browser brings its own implementation.
//!
//! One process writes a run at a time. The lock that says so belongs to the run folder, not to this module.

mod crc;
mod error;
mod exact;
#[cfg(test)]
pub(crate) mod fault;
mod fs;
mod layout;
mod manifest;
mod metrics;
mod report;
mod retention;
mod state;
mod store;
mod tensor_file;
#[cfg(test)]
mod tests;

pub use error::CheckpointError;
#[cfg(not(target_family = "wasm"))]
pub use fs::RealFs;
pub use fs::{Entry, EntryKind, Fs};
pub use manifest::{FileEntry, MANIFEST_VERSION, Manifest};
pub use metrics::{
    Dropped, EvalMetrics, MetricLine, MetricsLog, Recovered, SampleAnswer, StepMetrics, read_metrics,
};
pub use report::{Checkpoint, Latest, Listed, Saved, Skipped};
pub use retention::Retention;
pub use state::{BestMetric, Change, LossScale, RngState, RunIdentity, TrainState};
pub use store::CheckpointStore;

/// Folder of the checkpoints in a run folder.
pub const CHECKPOINTS_FOLDER: &str = "checkpoints";
/// Name of the metrics log in a run folder.
pub const METRICS_FILE: &str = "metrics.jsonl";
