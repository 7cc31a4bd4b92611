//! The trainings that the window knows: those that go on, and those that were read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plumb_engine::look::{Look, Seen};
use plumb_engine::{Event, EventKind, JobId, Outcome};
use plumb_train::config::TrainConfig;
use plumb_train::run::{Finished, Plan, TrainEvent};

use super::folders::Folders;
use super::record::Record;
use crate::cx::Cx;
use crate::jobs::Status;
use crate::library::Loaded;

/// A training that was started by this window.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) job: JobId,
    pub(crate) folder: PathBuf,
    pub(crate) record: Record,
    pub(crate) plan: Option<Box<Plan>>,
    pub(crate) config: Box<TrainConfig>,
    /// What computes, once the engine has said it.
    pub(crate) device: Option<String>,
    ended: bool,
}

/// A training that was read.
#[derive(Debug)]
struct Past {
    seen: Arc<Seen>,
    record: Record,
    config: Result<Box<TrainConfig>, String>,
    finished: bool,
}

/// How the reading of a training is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Waiting,
    Ready,
    Failed(String),
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    lives: Vec<Live>,
    pasts: BTreeMap<PathBuf, Past>,
    pub(crate) folders: Folders,
}

/// What an event meant for a training of this window.
pub(crate) enum Heard {
    Nothing,
    Ended { folder: PathBuf, finished: Option<Finished> },
}

impl Runs {
    /// A training was started in `folder`; what was known of it stays where it goes on.
    pub(crate) fn began(&mut self, job: JobId, config: TrainConfig, goes_on: bool) {
        let folder = config.out.clone();
        let kept =
            if goes_on { self.record(&folder).cloned().unwrap_or_default() } else { Record::default() };
        self.lives.retain(|live| live.folder != folder);
        self.lives.push(Live {
            job,
            folder,
            record: kept,
            plan: None,
            config: Box::new(config),
            device: None,
            ended: false,
        });
    }

    /// The training in `folder` where it was started by this window, ended or not.
    pub(crate) fn live(&self, folder: &Path) -> Option<&Live> {
        self.lives.iter().find(|live| live.folder == folder)
    }

    /// Its job where it may still do something.
    pub(crate) fn job(&self, folder: &Path) -> Option<JobId> {
        self.live(folder).filter(|live| !live.ended).map(|live| live.job)
    }

    /// How it is, where it was started by this window.
    pub(crate) fn status(&self, folder: &Path, cx: &Cx<'_>) -> Option<Status> {
        let live = self.live(folder)?;
        cx.jobs.get(live.job).map(|job| job.status.clone())
    }

    pub(crate) fn record(&self, folder: &Path) -> Option<&Record> {
        let live = self.live(folder).map(|live| &live.record);
        live.filter(|record| !record.is_empty()).or_else(|| self.pasts.get(folder).map(|past| &past.record))
    }

    /// The run's description; as it was written where that was read, for it says what the engine has filled in.
    pub(crate) fn config(&self, folder: &Path) -> Option<&TrainConfig> {
        let past = self.pasts.get(folder).and_then(|past| past.config.as_deref().ok());
        past.or_else(|| self.live(folder).map(|live| &*live.config))
    }

    /// Whether its result is there.
    pub(crate) fn finished(&self, folder: &Path) -> bool {
        self.folders.of(folder).is_some_and(|listed| listed.finished)
            || self.pasts.get(folder).is_some_and(|past| past.finished)
    }

    /// Reads the training in `folder` where that is not known from its events.
    pub(crate) fn read(&mut self, folder: &Path, cx: &mut Cx<'_>) -> Reading {
        if self.job(folder).is_some() {
            return Reading::Ready;
        }
        let look = Look::Training { folder: folder.to_owned() };
        match cx.look(&look) {
            Loaded::Waiting => Reading::Waiting,
            Loaded::Failed(error) if self.record(folder).is_none() => Reading::Failed(error),
            Loaded::Failed(_) => Reading::Ready,
            Loaded::Ready(seen) => {
                self.take(folder, seen);
                Reading::Ready
            }
        }
    }

    fn take(&mut self, folder: &Path, seen: Arc<Seen>) {
        if self.pasts.get(folder).is_some_and(|past| Arc::ptr_eq(&past.seen, &seen)) {
            return;
        }
        let Seen::Training { metrics, config, finished } = &*seen else { return };
        let shown = folder.join(plumb_train::run::CONFIG_FILE).display().to_string();
        let config = TrainConfig::from_toml(&shown, config).map(Box::new).map_err(|error| error.to_string());
        let mut record = Record::of(metrics);
        record.total = config.as_ref().ok().and_then(|config| config.steps);
        let past = Past { record, config, finished: *finished, seen };
        self.pasts.insert(folder.to_owned(), past);
    }

    /// Why the run's description cannot be used, where it cannot.
    pub(crate) fn unusable(&self, folder: &Path) -> Option<&str> {
        self.pasts.get(folder)?.config.as_ref().err().map(|error| &**error)
    }

    /// Hears of a job.
    pub(crate) fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) -> Heard {
        let Some(live) = self.lives.iter_mut().find(|live| live.job == event.job) else {
            return Heard::Nothing;
        };
        let finished = match &event.kind {
            EventKind::Train(said) => {
                live.record.hear(said);
                match said {
                    TrainEvent::Plan(plan) => live.plan = Some(plan.clone()),
                    TrainEvent::Saved { .. } => self.folders.changed(),
                    _ => {}
                }
                return Heard::Nothing;
            }
            EventKind::Note { text } => {
                live.device = live.device.take().or_else(|| device(text));
                return Heard::Nothing;
            }
            EventKind::Finished { outcome: Outcome::Train { finished, .. } } => finished.clone(),
            EventKind::Finished { .. } | EventKind::Failed { .. } | EventKind::Cancelled => None,
            _ => return Heard::Nothing,
        };
        live.ended = true;
        let folder = live.folder.clone();
        cx.library.forget(&Look::Training { folder: folder.clone() });
        self.folders.changed();
        Heard::Ended { folder, finished }
    }
}

/// The device that a note of the engine names.
pub(crate) fn device(note: &str) -> Option<String> {
    note.strip_prefix("device: ").map(str::to_owned)
}
