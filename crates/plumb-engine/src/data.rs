//! Jobs on files that need no device: rendering, lifting, generating, verifying, editing, fetching, showing. They run beside the device's thread, so an evaluation does not
//! wait for a data set.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use plumb_pipeline::{EditJob, ExportJob, Monitor};

use crate::demo::{self, Pack};
use crate::error::Result;
use crate::job::Reporter;
use crate::merge::merge;
use crate::protocol::{EventKind, Outcome, Request};
use crate::{fetch, look};

/// Whether a request is one of these.
pub(crate) const fn is_data(request: &Request) -> bool {
    matches!(
        request,
        Request::Scenes(_)
            | Request::Lift(_)
            | Request::Synth(_)
            | Request::Verify(_)
            | Request::Merge(_)
            | Request::Edit(_)
            | Request::Export(_)
            | Request::Fetch { .. }
            | Request::Look(_)
    )
}

/// Runs such a request; `None` for any other.
pub(crate) fn run(request: &Request, reporter: &Reporter) -> Option<Result<Outcome>> {
    let monitor = Throttled::new(reporter);
    Some(match request {
        Request::Scenes(job) => {
            plumb_pipeline::scenes(job, &monitor).map(Outcome::Scenes).map_err(Into::into)
        }
        Request::Lift(job) => plumb_pipeline::lift(job, &monitor).map(Outcome::Lift).map_err(Into::into),
        Request::Synth(job) => {
            plumb_pipeline::synth(job, &monitor).map(|r| Outcome::Synth(Box::new(r))).map_err(Into::into)
        }
        Request::Verify(job) => {
            plumb_pipeline::verify(job, &monitor).map(|r| Outcome::Verify(Box::new(r))).map_err(Into::into)
        }
        Request::Edit(job) => edit(job, &monitor),
        Request::Export(job) => export(job, &monitor),
        Request::Merge(job) => {
            let mut progress = |done, total| {
                monitor.progress("merging", done, total);
                !monitor.cancelled()
            };
            merge(job, &mut progress).map(Outcome::Merge)
        }
        Request::Fetch { model } => fetch::run(model, reporter),
        Request::Look(what) => look::run(what, reporter).map(|seen| Outcome::Look(Box::new(seen))),
        Request::Ask { .. }
        | Request::Rerun { .. }
        | Request::Eval { .. }
        | Request::Trace { .. }
        | Request::Bench { .. }
        | Request::BenchTrain { .. }
        | Request::Train { .. } => return None,
    })
}

/// `demo` is the pack's folder, and its questions say how those of the edited scenes are made, where no other data set does.
fn edit(job: &EditJob, monitor: &Throttled<'_>) -> Result<Outcome> {
    let mut job = job.clone();
    if job.questions.is_none() {
        job.questions = look::questions::stored(&job.input)?;
    }
    job.input = demo::or(&job.input, Pack::scenes)?;
    Ok(Outcome::Edit(plumb_pipeline::edit(&job, monitor)?))
}

fn export(job: &ExportJob, monitor: &Throttled<'_>) -> Result<Outcome> {
    let job = ExportJob { input: demo::or(&job.input, Pack::scenes)?, ..job.clone() };
    Ok(Outcome::Export(plumb_pipeline::export(&job, monitor)?))
}

/// Passes on at most this many events of progress a second.
const PER_SECOND: u32 = 20;

pub(crate) struct Throttled<'a> {
    reporter: &'a Reporter,
    state: Mutex<State>,
}

impl<'a> Throttled<'a> {
    pub(crate) fn new(reporter: &'a Reporter) -> Self {
        Self { reporter, state: Mutex::new(State::new()) }
    }
}

struct State {
    stage: String,
    began: Instant,
    last: Option<Instant>,
}

impl State {
    fn new() -> Self {
        Self { stage: String::new(), began: Instant::now(), last: None }
    }
}

impl Monitor for Throttled<'_> {
    fn progress(&self, stage: &str, done: u64, total: u64) {
        let Ok(mut state) = self.state.lock() else { return };
        let now = Instant::now();
        if state.stage != stage {
            *state = State { stage: stage.to_owned(), began: now, last: None };
        }
        let soon = state.last.is_some_and(|last| now - last < Duration::from_secs(1) / PER_SECOND);
        if soon && done < total {
            return;
        }
        state.last = Some(now);
        let rest = total.saturating_sub(done) as f64;
        let eta_secs = (done > 0).then(|| (now - state.began).as_secs_f64() / done as f64 * rest);
        self.reporter.send(EventKind::Progress { stage: stage.to_owned(), done, total, eta_secs });
    }

    fn note(&self, text: &str) {
        self.reporter.send(EventKind::Note { text: text.to_owned() });
    }

    fn cancelled(&self) -> bool {
        self.reporter.is_cancelled()
    }
}
