//! The train workspace: a recipe, its curves, and what came of it.

mod check;
mod curves;
pub(crate) mod data;
mod folders;
mod form;
mod mask;
mod method;
mod more;
mod plan;
mod plots;
mod presets;
mod record;
mod result;
mod run;
mod runs;
mod setup;
mod trial;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use egui::Ui;
use plumb_engine::look::Unfinished;
use plumb_engine::{DeviceChoice, Event, EventKind, JobId, Request};
use plumb_train::config::TrainConfig;
use plumb_train::run::{Plan, TrainEvent};
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::cx::{Cx, Show, Wish};
use crate::jobs::Status;
use crate::pane::Pane;
pub(crate) use crate::{fields, task};

/// What the workspace keeps; the saved part is restored at the next start.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Train {
    form: form::Form,
    /// The run that is shown.
    chosen: Option<PathBuf>,
    /// Runs that are drawn beside it.
    compare: Vec<PathBuf>,
    plots: plots::Settings,
    result: result::Settings,
    #[serde(skip)]
    check: Check,
    #[serde(skip)]
    runs: runs::Runs,
    #[serde(skip)]
    trials: Vec<trial::Trial>,
    #[serde(skip)]
    copy: result::Copy,
}

/// Reading and planning without a step.
#[derive(Default)]
enum Check {
    #[default]
    None,
    Waiting {
        job: JobId,
        text: String,
        plan: Option<Box<Plan>>,
        device: Option<String>,
    },
    Ready {
        plan: Box<Plan>,
        text: String,
        device: Option<String>,
        fresh: bool,
    },
    Failed(String),
}

/// What the person wants done.
enum Action {
    Check,
    Start,
    Pause,
    Stop,
    Resume(PathBuf),
    Evaluate(PathBuf),
    /// Takes the recipe of a run into the form.
    Like(PathBuf),
}

impl Train {
    /// Draws one of the workspace's panes.
    pub fn ui(&mut self, pane: Pane, ui: &mut Ui, cx: &mut Cx<'_>) {
        let others: Vec<PathBuf> = self.chosen.iter().chain(&self.compare).cloned().collect();
        self.runs.folders.tick(ui.ctx(), &cx.runs, &others);
        let action = match pane {
            Pane::TrainSetup => setup::ui(self, ui, cx),
            Pane::TrainPlots => {
                plots::ui(self, ui, cx);
                None
            }
            _ => run::ui(self, ui, cx),
        };
        match action {
            None => {}
            Some(Action::Check) => self.check(cx),
            Some(Action::Start) => self.start(cx),
            Some(Action::Pause) => self.pause(cx),
            Some(Action::Stop) => self.stop(cx),
            Some(Action::Resume(folder)) => self.resume(&folder, cx),
            Some(Action::Evaluate(folder)) => self.evaluate(&folder, cx),
            Some(Action::Like(folder)) => {
                if let Some(config) = self.runs.config(&folder).cloned() {
                    self.form.like(config);
                }
            }
        }
    }

    /// Does what the person chose.
    pub fn command(&mut self, command: Command, cx: &mut Cx<'_>) {
        match command {
            Command::TrainStart => self.start(cx),
            Command::TrainPause => self.pause(cx),
            Command::TrainStop => self.stop(cx),
            _ => {}
        }
    }

    /// Shows what another place asked for.
    pub fn show(&mut self, show: &Show, _cx: &mut Cx<'_>) {
        match show {
            Show::Training(folder) => {
                self.chosen = Some(folder.clone());
                self.runs.folders.changed();
            }
            Show::Data(path) => {
                self.form.config.data.retain(|data| !data.path.as_os_str().is_empty() && data.path != *path);
                self.form.config.data.push(form::source(path.clone()));
                self.form.filled = true;
            }
            Show::Model(folder) => self.form.model = folder.display().to_string(),
            _ => {}
        }
    }

    /// Hears of a job.
    pub fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        self.hear_check(event);
        if let runs::Heard::Ended { folder, finished } = self.runs.hear(event, cx) {
            let name = plots::name(&folder);
            match finished {
                Some(finished) if finished.complete => {
                    cx.wishes.push(Wish::Said(format!("{name} has finished after {} steps", finished.step)));
                }
                Some(finished) => {
                    let text = format!("{name} has stopped at step {} and can be continued", finished.step);
                    cx.wishes.push(Wish::Said(text));
                }
                None => {
                    if let EventKind::Failed { error } = &event.kind {
                        let sentence = format!("{name} has ended: {error}");
                        cx.wishes.push(Wish::Error { sentence, details: error.clone() });
                    }
                }
            }
        }
        for trial in &mut self.trials {
            trial.hear(event, cx);
        }
    }

    fn hear_check(&mut self, event: &Event) {
        let Check::Waiting { job, text, plan, device } = &mut self.check else { return };
        if *job != event.job {
            return;
        }
        match &event.kind {
            EventKind::Train(TrainEvent::Plan(found)) => *plan = Some(found.clone()),
            EventKind::Finished { .. } => {
                let text = std::mem::take(text);
                self.check = match plan.take() {
                    Some(plan) => Check::Ready { plan, text, device: device.take(), fresh: true },
                    None => Check::Failed("The check ended without a plan".to_owned()),
                };
            }
            EventKind::Note { text } => *device = device.take().or_else(|| runs::device(text)),
            EventKind::Failed { error } => self.check = Check::Failed(error.clone()),
            EventKind::Cancelled => self.check = Check::None,
            _ => {}
        }
    }

    /// Whether the recipe can be used; what is wrong is said.
    fn usable(&self, cx: &mut Cx<'_>) -> bool {
        let problems = check::check(&self.form);
        if let Some(why) = problems.first() {
            cx.fail(why);
        }
        problems.is_empty()
    }

    fn check(&mut self, cx: &mut Cx<'_>) {
        if !self.usable(cx) {
            return;
        }
        let text = setup::described(self, &cx.runs).unwrap_or_default();
        let config = self.form.run(&cx.runs, SystemTime::now());
        let request = Request::Train {
            config: Box::new(config),
            device: self.form.device,
            resume: false,
            dry_run: true,
        };
        if let Some(job) = cx.start("Checking the recipe", request) {
            self.check = Check::Waiting { job, text, plan: None, device: None };
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        if !self.usable(cx) {
            return;
        }
        let config = self.form.run(&cx.runs, SystemTime::now());
        if self.runs.folders.of(&config.out).is_some() || self.runs.job(&config.out).is_some() {
            cx.fail(format!(
                "There is a training named {}: choose another name, or continue it",
                plots::name(&config.out)
            ));
            return;
        }
        self.submit(config, self.form.device, false, cx);
    }

    fn resume(&mut self, folder: &Path, cx: &mut Cx<'_>) {
        if self.runs.job(folder).is_some() {
            return;
        }
        match self.runs.read(folder, cx) {
            runs::Reading::Failed(error) => return cx.fail(error),
            runs::Reading::Waiting | runs::Reading::Ready => {}
        }
        self.chosen = Some(folder.to_owned());
        match self.runs.config(folder).cloned() {
            Some(mut config) => {
                // A folder that was moved goes on where it is.
                config.out = folder.to_owned();
                // By itself: the engine knows on which device it was begun.
                self.submit(config, DeviceChoice::Auto, true, cx);
            }
            None => match self.runs.unusable(folder) {
                Some(why) => cx.fail(why.to_owned()),
                None => cx
                    .wishes
                    .push(Wish::Said("The training is being read; continue it in a moment".to_owned())),
            },
        }
    }

    /// Goes on with a training that was cut short.
    pub fn take_up(&mut self, run: &Unfinished, cx: &mut Cx<'_>) {
        if let Request::Train { config, device, .. } = &run.request
            && self.runs.job(&run.folder).is_none()
        {
            self.runs.folders.changed();
            self.submit((**config).clone(), *device, true, cx);
        }
    }

    fn submit(&mut self, config: TrainConfig, device: DeviceChoice, resume: bool, cx: &mut Cx<'_>) {
        let folder = config.out.clone();
        let request = Request::Train { config: Box::new(config.clone()), device, resume, dry_run: false };
        let Some(job) = cx.start(format!("Training {}", plots::name(&folder)), request) else { return };
        self.runs.began(job, config, resume);
        self.chosen = Some(folder);
        // The next run has a name of its own.
        self.form.name.clear();
    }

    fn pause(&mut self, cx: &mut Cx<'_>) {
        let Some(job) = self.chosen.as_deref().and_then(|folder| self.runs.job(folder)) else { return };
        match cx.jobs.get(job).map(|job| &job.status) {
            Some(Status::Paused) => cx.link.resume(job),
            Some(_) => cx.link.pause(job),
            None => {}
        }
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        if let Some(job) = self.chosen.as_deref().and_then(|folder| self.runs.job(folder)) {
            cx.link.cancel(job);
        }
    }

    fn evaluate(&mut self, folder: &Path, cx: &mut Cx<'_>) {
        let Some(config) = self.runs.config(folder) else { return };
        let trial = trial::Trial::start(folder, config, &self.result.bench, self.form.device, cx);
        self.trials.retain(|old| old.folder != folder);
        self.trials.extend(trial);
    }
}
