//! The jobs that the person started, for the tray: they go on whatever workspace is shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plumb_engine::{Event, EventKind, JobId, Outcome, Request};
use plumb_train::run::TrainEvent;

use crate::link::Link;
use crate::units;

/// Lines of a job's log that are kept.
const LOG: usize = 500;

/// How a job is.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    Waiting,
    Running,
    Paused,
    Finished,
    Cancelled,
    /// Why it ended.
    Failed(String),
}

impl Status {
    /// Whether it may still do something.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Paused)
    }
}

/// One job.
#[derive(Debug)]
pub struct Job {
    pub title: String,
    pub status: Status,
    pub stage: String,
    pub done: u64,
    pub total: u64,
    pub eta_secs: Option<f64>,
    pub log: Vec<String>,
    pub outcome: Option<Outcome>,
    /// Whether it can wait and go on: a training, a download. Others are stopped and taken up again.
    pub can_pause: bool,
    /// Where it writes to, if it is a run that can be taken up again.
    pub run: Option<PathBuf>,
    /// What `done` and `total` count is bytes, so many a second.
    pub bytes_per_second: Option<f64>,
    /// When it began and ended, in seconds of the window's clock.
    pub began: f64,
    pub ended: Option<f64>,
}

impl Job {
    /// How far it is: `312/607`, `0.4 of 1.02 GB`.
    #[must_use]
    pub fn progress(&self) -> String {
        match self.bytes_per_second {
            Some(_) => format!("{} of {}", units::size(self.done), units::size(self.total)),
            None => format!("{}/{}", self.done, self.total),
        }
    }
}

/// All jobs of this session, oldest first.
#[derive(Default)]
pub struct Jobs {
    jobs: BTreeMap<JobId, Job>,
    /// Whose log is open.
    pub shown: Option<JobId>,
}

impl Jobs {
    /// Starts a job that the tray shows.
    ///
    /// # Errors
    /// A sentence, when the engine is gone.
    pub fn start(
        &mut self,
        title: impl Into<String>,
        request: Request,
        link: &mut dyn Link,
        now: f64,
    ) -> Result<JobId, String> {
        let can_pause = matches!(request, Request::Train { dry_run: false, .. } | Request::Fetch { .. });
        let run = match &request {
            Request::Eval { out, .. } => Some(out.clone()),
            Request::Train { config, dry_run: false, .. } => Some(config.out.clone()),
            _ => None,
        };
        let id = link.submit(request)?;
        let job = Job {
            title: title.into(),
            status: Status::Waiting,
            stage: String::new(),
            done: 0,
            total: 0,
            eta_secs: None,
            log: Vec::new(),
            outcome: None,
            can_pause,
            run,
            bytes_per_second: None,
            began: now,
            ended: None,
        };
        self.jobs.insert(id, job);
        Ok(id)
    }

    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.iter().rev().map(|(id, job)| (*id, job))
    }

    /// How many may still do something.
    #[must_use]
    pub fn live(&self) -> usize {
        self.jobs.values().filter(|job| job.status.is_live()).count()
    }

    /// Takes what ended off the list.
    pub fn clear_ended(&mut self) {
        self.jobs.retain(|_, job| job.status.is_live());
        self.shown = self.shown.filter(|id| self.jobs.contains_key(id));
    }

    /// Writes down what happened.
    pub fn hear(&mut self, event: &Event, now: f64) {
        let Some(job) = self.jobs.get_mut(&event.job) else { return };
        let mut end = |status: Status, log: String| {
            job.status = status;
            job.ended = Some(now);
            job.log.push(log);
        };
        match &event.kind {
            EventKind::Started | EventKind::Continued => job.status = Status::Running,
            EventKind::Paused => job.status = Status::Paused,
            EventKind::Note { text } => job.log.push(text.clone()),
            EventKind::Progress { stage, done, total, eta_secs } => {
                if job.stage != *stage {
                    job.stage.clone_from(stage);
                    job.log.push(stage.clone());
                }
                (job.done, job.total, job.eta_secs) = (*done, *total, *eta_secs);
                job.bytes_per_second = None;
            }
            EventKind::Train(TrainEvent::Step { metrics, total, eta_seconds }) => {
                "training".clone_into(&mut job.stage);
                (job.done, job.total) = (metrics.step, *total);
                job.eta_secs = Some(*eta_seconds).filter(|eta| eta.is_finite());
            }
            EventKind::Train(TrainEvent::Evaluating { step, done, total }) => {
                job.stage = format!("evaluating step {step}");
                (job.done, job.total, job.eta_secs) = (*done, *total, None);
            }
            EventKind::Download { file, done, total, bytes_per_second, eta_secs } => {
                if job.stage != *file {
                    job.stage.clone_from(file);
                    job.log.push(format!("fetching {file}"));
                }
                (job.done, job.total, job.eta_secs) = (*done, *total, *eta_secs);
                job.bytes_per_second = Some(*bytes_per_second);
            }
            EventKind::Sample { index, total, error, .. } => {
                (job.done, job.total) = (*index as u64 + 1, *total as u64);
                if let Some(error) = error {
                    job.log.push(error.clone());
                }
            }
            EventKind::Finished { outcome } => {
                let mut outcome = outcome.clone();
                if let Outcome::Ask(ask) = &mut outcome {
                    // Megabytes for each token: whoever asked has them.
                    ask.attention = None;
                }
                job.outcome = Some(outcome);
                end(Status::Finished, "done".to_owned());
            }
            EventKind::Failed { error } => end(Status::Failed(error.clone()), error.clone()),
            EventKind::Cancelled => end(Status::Cancelled, "stopped; what was written stays".to_owned()),
            _ => {}
        }
        if job.log.len() > LOG {
            job.log.drain(..job.log.len() - LOG);
        }
    }
}

/// `90` as `1 min 30 s`.
#[must_use]
pub fn duration(secs: f64) -> String {
    let secs = secs.max(0.0).round() as u64;
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}
