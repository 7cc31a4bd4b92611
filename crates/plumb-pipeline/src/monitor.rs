use crate::{PipelineError, Result};

/// Who follows a job. Called from any thread.
pub trait Monitor: Sync {
    /// `done` of `total` units of `stage`.
    fn progress(&self, stage: &str, done: u64, total: u64);
    /// A fact for the log, such as an image that was put aside.
    fn note(&self, text: &str);
    /// Whether the person wants the job to stop.
    fn cancelled(&self) -> bool;

    /// # Errors
    /// [`PipelineError::Cancelled`] once the job should stop.
    fn checkpoint(&self) -> Result<()> {
        if self.cancelled() { Err(PipelineError::Cancelled) } else { Ok(()) }
    }
}

/// Nobody follows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn progress(&self, _stage: &str, _done: u64, _total: u64) {}

    fn note(&self, _text: &str) {}

    fn cancelled(&self) -> bool {
        false
    }
}
