//! What has been read of files, by what was asked for. A pane asks in every frame and draws what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use plumb_engine::look::{Look, Seen};
use plumb_engine::{Event, EventKind, JobId, Outcome, Request};

use crate::link::Link;

/// How far the reading of something is.
#[derive(Clone, Debug)]
pub enum Loaded {
    Waiting,
    Ready(Arc<Seen>),
    /// A sentence.
    Failed(String),
}

impl Loaded {
    /// What is there, or nothing yet.
    #[must_use]
    pub fn ready(&self) -> Option<&Seen> {
        match self {
            Self::Ready(seen) => Some(seen),
            _ => None,
        }
    }
}

/// Things read are kept until as many newer ones are.
const KEPT: usize = 64;

/// What the window has read.
#[derive(Default)]
pub struct Library {
    entries: BTreeMap<String, (u64, Loaded)>,
    jobs: BTreeMap<JobId, String>,
    clock: u64,
}

fn key(look: &Look) -> String {
    // Every variant is plain data: it always has a text.
    serde_json::to_string(look).unwrap_or_default()
}

impl Library {
    /// What `look` shows, asking for it the first time.
    pub fn get(&mut self, look: &Look, link: &mut dyn Link) -> Loaded {
        self.clock += 1;
        let key = key(look);
        if let Some((used, loaded)) = self.entries.get_mut(&key) {
            *used = self.clock;
            return loaded.clone();
        }
        let loaded = match link.submit(Request::Look(look.clone())) {
            Ok(job) => {
                self.jobs.insert(job, key.clone());
                Loaded::Waiting
            }
            Err(error) => Loaded::Failed(error),
        };
        self.entries.insert(key, (self.clock, loaded.clone()));
        if self.entries.len() > KEPT {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            self.entries.remove(&oldest.unwrap_or_default());
        }
        loaded
    }

    /// Whether something is being read.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Reads it anew when it is asked for again: a run has grown.
    pub fn forget(&mut self, look: &Look) {
        self.entries.remove(&key(look));
    }

    /// Forgets everything `stale` says is.
    pub fn forget_all(&mut self, stale: impl Fn(&str) -> bool) {
        self.entries.retain(|key, _| !stale(key));
    }

    /// Takes the answer to a question of this library; gives back an event of another job.
    pub fn take(&mut self, event: Event) -> Option<Event> {
        let Some(key) = self.jobs.get(&event.job) else { return Some(event) };
        let loaded = match event.kind {
            EventKind::Finished { outcome: Outcome::Look(seen) } => Loaded::Ready(Arc::new(*seen)),
            EventKind::Failed { error } => Loaded::Failed(error),
            EventKind::Cancelled => Loaded::Failed("reading was stopped".to_owned()),
            _ => return None,
        };
        if let Some((_, entry)) = self.entries.get_mut(key) {
            *entry = loaded;
        }
        self.jobs.remove(&event.job);
        None
    }
}
