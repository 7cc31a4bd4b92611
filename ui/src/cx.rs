//! What a pane is given beside its own state.

use std::path::PathBuf;

use plumb_engine::look::{Look, Seen, Unfinished};
use plumb_engine::{Adapter, JobId, LiftSource, Request};

use crate::command::Command;
use crate::jobs::Jobs;
use crate::library::{Library, Loaded};
use crate::link::Link;
use crate::pane::Workspace;

/// What another workspace is asked to show.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    /// A run, in Evaluate.
    Run(PathBuf),
    /// A benchmark, in Evaluate.
    Bench(PathBuf),
    /// A folder of scenes, in Scene.
    Scenes(PathBuf),
    /// A training, in Train.
    Training(PathBuf),
    /// A data set to learn, in Train.
    Data(PathBuf),
    /// A picture, in Ask.
    Picture(PathBuf),
    /// Colour and depth that can be lifted to a scene.
    Lift(LiftSource),
    /// A model or adapter folder, where one is chosen.
    Model(PathBuf),
    Adapter(PathBuf),
}

/// The window as a pane sees it.
pub struct Cx<'a> {
    pub link: &'a mut dyn Link,
    pub library: &'a mut Library,
    pub jobs: &'a mut Jobs,
    /// Seconds of the window's clock.
    pub now: f64,
    pub reduced_motion: bool,
    /// Where runs are kept.
    pub runs: PathBuf,
    /// What scenes are drawn with.
    pub graphics: Option<&'a egui_wgpu::RenderState>,
    /// What the window does after this frame.
    pub wishes: &'a mut Vec<Wish>,
}

/// What a pane wants of the window.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Command(Command),
    GoTo(Workspace),
    Show(Show),
    /// Opens the window about models.
    Models,
    /// Goes on with a run that was cut short.
    Resume(Box<Unfinished>),
    /// Something went wrong: a sentence and, for the clipboard, the details.
    Error {
        sentence: String,
        details: String,
    },
    /// Something went well.
    Said(String),
}

impl Cx<'_> {
    /// What `look` shows; asks for it the first time.
    pub fn look(&mut self, look: &Look) -> Loaded {
        self.library.get(look, self.link)
    }

    /// The graphics adapters, as far as they are known yet.
    pub fn adapters(&mut self) -> Vec<Adapter> {
        match self.look(&Look::Devices).ready() {
            Some(Seen::Devices { adapters, .. }) => adapters.clone(),
            _ => Vec::new(),
        }
    }

    /// Starts a job that the tray shows; an error is shown to the person.
    pub fn start(&mut self, title: impl Into<String>, request: Request) -> Option<JobId> {
        match self.jobs.start(title, request, self.link, self.now) {
            Ok(id) => Some(id),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Shows a sentence about what went wrong.
    pub fn fail(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        self.wishes.push(Wish::Error { details: sentence.clone(), sentence });
    }
}
