//! Jobs: requests in, events out. Device choice, loaded models, runs.
//!
//! [`Engine::submit`] takes a [`Request`]; the receiver that [`Engine::start`] gave brings [`Event`]s. Both are plain
//! serde data, the same bytes for a command line, a window and IPC. One thread owns the device; jobs on files alone run beside it.

mod ask;
pub mod attention;
pub mod bench;
mod bench_train;
mod data;
pub mod demo;
pub mod device;
pub mod error;
pub mod eval;
mod fetch;
pub mod fingerprint;
pub mod job;
pub mod look;
pub mod merge;
pub mod protocol;
mod rerun;
pub mod runs;
pub mod selfcheck;
pub mod session;
#[cfg(test)]
mod testing;
mod trace;
mod train;

pub use demo::{DemoError, Pack};
pub use device::{Adapter, DeviceChoice};
pub use error::{EngineError, Result};
pub use eval::RunManifest;
pub use fingerprint::Fingerprint;
pub use job::{Engine, Settings};
pub use look::{Look, Seen};
pub use merge::MergeJob;
pub use plumb_pipeline::lift::{LiftSource, NoiseKind, ObjectSource};
pub use plumb_pipeline::{ChangedScene, EditJob, EditReport, ExportJob, LiftJob};
pub use plumb_store::hub::HubConfig;
pub use plumb_train::estimate::resident_bytes;
pub use protocol::{
    AskOutcome, BenchOutcome, BenchStep, BenchTrainOutcome, Event, EventKind, ImageMode, JobId, ModelRequest,
    Outcome, Request, RerunImage, RerunOutcome, Scoring,
};
