//! What the window does at the end of a frame: commands, things to show, messages.

use std::path::PathBuf;

use plumb_engine::look::{Look, Seen, Unfinished, UnfinishedKind};

use super::{App, Message};
use crate::command::Command;
use crate::cx::{Show, Wish};
use crate::dialog::{Dialog, Filter, Question};
use crate::pane::Workspace;
use crate::theme::Mode;

/// How long a message that nobody closes stays, in seconds.
const MESSAGE_SECS: f64 = 8.0;

impl App {
    pub(super) fn grant(&mut self, ctx: &egui::Context, now: f64) {
        // A wish can make others.
        for _ in 0..4 {
            for wish in std::mem::take(&mut self.wishes) {
                match wish {
                    Wish::Command(command) => self.command(command, ctx, now),
                    Wish::GoTo(workspace) => self.session.workspace = workspace,
                    Wish::Show(show) => self.show(&show, now),
                    Wish::Models => self.command(Command::Models, ctx, now),
                    Wish::Resume(run) => self.resume(&run, now),
                    Wish::Error { sentence, details } => {
                        tracing::warn!("{details}");
                        self.say(sentence, Some(details), now);
                    }
                    Wish::Said(text) => self.say(text, None, now),
                }
                ctx.request_repaint();
            }
        }
        self.messages.retain(|message| message.until > now);
        let next = self.messages.iter().map(|message| message.until - now).fold(f64::INFINITY, f64::min);
        if next.is_finite() {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(next.max(0.1)));
        }
    }

    fn resume(&mut self, run: &Unfinished, now: f64) {
        self.offers.began(&run.folder);
        self.session.left.remove(&run.folder);
        self.session.workspace = match run.kind {
            UnfinishedKind::Evaluation => Workspace::Evaluate,
            UnfinishedKind::Training => Workspace::Train,
        };
        self.each(now, |session, cx| match run.kind {
            UnfinishedKind::Evaluation => session.evaluate.take_up(run, cx),
            UnfinishedKind::Training => session.train.take_up(run, cx),
        });
    }

    pub(crate) fn say(&mut self, text: String, details: Option<String>, now: f64) {
        // What went wrong stays until it is closed or others push it out.
        let until = if details.is_some() { f64::INFINITY } else { now + MESSAGE_SECS };
        self.messages.push_back(Message { text, details, until });
        while self.messages.len() > 4 {
            self.messages.pop_front();
        }
    }

    fn show(&mut self, show: &Show, now: f64) {
        if let Show::Lift(source) = show {
            return self.lifts.ask(source.clone());
        }
        self.session.workspace = match show {
            Show::Run(_) | Show::Bench(_) => Workspace::Evaluate,
            Show::Scenes(_) => Workspace::Scene,
            Show::Training(_) | Show::Data(_) => Workspace::Train,
            Show::Picture(_) => Workspace::Ask,
            Show::Lift(_) => Workspace::Scene,
            // Scene has no model, and Train makes adapters.
            Show::Model(_) if self.session.workspace == Workspace::Scene => Workspace::Ask,
            Show::Adapter(_) if matches!(self.session.workspace, Workspace::Scene | Workspace::Train) => {
                Workspace::Ask
            }
            Show::Model(_) | Show::Adapter(_) => self.session.workspace,
        };
        let place = self.session.workspace.title();
        match show {
            Show::Model(path) => {
                self.wishes.push(Wish::Said(format!("{} is the model in {place} now", path.display())));
            }
            Show::Adapter(path) => {
                self.wishes.push(Wish::Said(format!("{} is the adapter in {place} now", path.display())));
            }
            _ => {}
        }
        self.each(now, |session, cx| match session.workspace {
            Workspace::Ask => session.ask.show(show, cx),
            Workspace::Scene => session.scene.show(show, cx),
            Workspace::Evaluate => session.evaluate.show(show, cx),
            Workspace::Train => session.train.show(show, cx),
        });
    }

    fn command(&mut self, command: Command, ctx: &egui::Context, now: f64) {
        match command {
            Command::Open => self.choose(ctx),
            Command::OpenDemo => self.open_demo(now),
            Command::Models => {
                let place = self.session.workspace;
                let mut models = std::mem::take(&mut self.models);
                self.each(now, |_, cx| models.show(place, cx));
                self.models = models;
            }
            Command::GoTo(workspace) => self.session.workspace = workspace,
            Command::Palette => self.palette = self.palette.is_none().then(String::new),
            Command::CheatSheet => self.cheat_sheet = !self.cheat_sheet,
            Command::Mode => {
                self.session.mode = match self.session.mode {
                    Mode::Dark => Mode::Light,
                    Mode::Light => Mode::System,
                    Mode::System => Mode::Dark,
                }
            }
            Command::ScaleUp => self.session.scale = (self.session.scale + 0.1).min(3.0),
            Command::ScaleDown => self.session.scale = (self.session.scale - 0.1).max(0.5),
            Command::ScaleReset => self.session.scale = 1.0,
            Command::ResetLayout => {
                self.session.layouts.remove(&self.session.workspace);
            }
            Command::ClearJobs => self.jobs.clear_ended(),
            Command::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            other => self.each(now, |session, cx| match session.workspace {
                Workspace::Ask => session.ask.command(other, cx),
                Workspace::Scene => session.scene.command(other, cx),
                Workspace::Evaluate => session.evaluate.command(other, cx),
                Workspace::Train => session.train.command(other, cx),
            }),
        }
    }

    fn open_demo(&mut self, now: f64) {
        let look = Look::Demo;
        let found = self.each(now, |_, cx| cx.look(&look));
        if let Some(Seen::Demo { benchmark, scenes, .. }) = found.ready() {
            let (benchmark, scenes) = (benchmark.clone(), scenes.clone());
            let workspace = self.session.workspace;
            self.show(&Show::Bench(benchmark), now);
            self.show(&Show::Scenes(scenes), now);
            self.session.workspace = workspace;
        }
    }

    /// What is chosen is opened as if it were dropped.
    fn choose(&mut self, ctx: &egui::Context) {
        const ALL: Filter = (
            "All that can be opened",
            &[
                "png",
                "jpg",
                "jpeg",
                "webp",
                "bmp",
                "tif",
                "tiff",
                "gif",
                "parquet",
                "jsonl",
                "json",
                "safetensors",
                "ply",
            ],
        );
        match Dialog::open(ctx, Question::file("Open a picture, benchmark or data set", &[ALL])) {
            Ok(dialog) => self.chosen = Some(dialog),
            Err(sentence) => self.wishes.push(Wish::Error { details: sentence.clone(), sentence }),
        }
    }

    /// Puts a model into the picker of `place`.
    pub(crate) fn choose_model(&mut self, place: Workspace, model: &str, now: f64) {
        let show = Show::Model(PathBuf::from(model));
        // Scene has no model: what it shows is asked about in Ask.
        let place = if place == Workspace::Scene { Workspace::Ask } else { place };
        self.each(now, |session, cx| match place {
            Workspace::Evaluate => session.evaluate.show(&show, cx),
            Workspace::Train => session.train.show(&show, cx),
            Workspace::Ask | Workspace::Scene => session.ask.show(&show, cx),
        });
        let said = format!("{} is here and chosen in {}", crate::models::title(model), place.title());
        self.wishes.push(Wish::Said(said));
    }
}
