//! What the tests of this crate share: an engine that is asked one thing after the other, and the demo pack.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plumb_bench::PromptPreset;

use crate::look::{Look, Seen};
use crate::{
    DeviceChoice, Engine, Event, EventKind, ImageMode, ModelRequest, Outcome, Pack, Request, Scoring,
};

pub(crate) struct Bench {
    engine: Engine,
    events: Receiver<Event>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (engine, events) = Engine::start().unwrap();
        Self { engine, events }
    }

    /// The outcome or the sentence, and all events before it.
    pub(crate) fn ask(&self, request: Request) -> (Result<Outcome, String>, Vec<EventKind>) {
        let job = self.engine.submit(request).unwrap();
        let mut before = Vec::new();
        for event in &self.events {
            assert_eq!(event.job, job);
            match event.kind {
                EventKind::Finished { outcome } => return (Ok(outcome), before),
                EventKind::Failed { error } => return (Err(error), before),
                EventKind::Cancelled => return (Err("cancelled".into()), before),
                kind => before.push(kind),
            }
        }
        panic!("the engine ended");
    }

    pub(crate) fn look(&self, look: Look) -> Result<Seen, String> {
        match self.ask(Request::Look(look)).0? {
            Outcome::Look(seen) => Ok(*seen),
            other => panic!("{other:?}"),
        }
    }

    /// The sentence of what cannot be shown, which names `file` and says why; nothing of a program's insides.
    pub(crate) fn refused(&self, look: Look, file: &Path, why: &str) {
        let asked = format!("{look:?}");
        let sentence = self.look(look).unwrap_err();
        let file = file.to_string_lossy();
        assert!(sentence.contains(&*file), "{asked}: {sentence}");
        assert!(sentence.contains(why), "{asked}: {sentence}");
        for inside in ["Error {", "panicked", "internal error", "Os {", "None", "unwrap"] {
            assert!(!sentence.contains(inside), "{asked}: {sentence}");
        }
    }
}

/// What the system says of a file that is not there.
pub(crate) const NOT_THERE: &str = if cfg!(windows) { "cannot find" } else { "No such file" };

/// Benchmarks stay open for the whole process, but only two: tests that count on it go one by one.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn pack() -> Pack {
    Pack::find().unwrap()
}

pub(crate) fn demo_model() -> ModelRequest {
    ModelRequest {
        model: "demo".into(),
        device: DeviceChoice::Cpu,
        precision: None,
        longest_edge: None,
        adapter: None,
    }
}

pub(crate) fn eval(out: PathBuf, scoring: Scoring, image: ImageMode, limit: usize) -> Request {
    Request::Eval {
        model: demo_model(),
        bench: "demo".into(),
        out,
        preset: PromptPreset::Official,
        scoring,
        image,
        limit: Some(limit),
        max_tokens: 8,
    }
}

/// Through text and back.
pub(crate) fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:.400}"));
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    back
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}
