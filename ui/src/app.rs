//! The window: state, events in, wishes out. What it looks like is in `frame`.

use std::collections::VecDeque;
use std::path::PathBuf;

use plumb_engine::look::{Look, Seen, Unfinished, UnfinishedKind};
use plumb_engine::{Event, EventKind, Outcome};

use crate::command::{self, Command};
use crate::cx::{Cx, Show, Wish};
use crate::dialog::{Dialog, Filter, Question};
use crate::frame;
use crate::jobs::Jobs;
use crate::library::Library;
use crate::lift::Lifts;
use crate::link::Link;
use crate::models::Models;
use crate::pane::{Pane, Workspace};
use crate::session::Session;
use crate::task::Task;
use crate::theme::{self, Mode};
use crate::unfinished::Offers;

/// The key of the saved session.
const SAVED: &str = "session";
/// How long a message that nobody closes stays, in seconds.
const MESSAGE_SECS: f64 = 8.0;

/// A message at the edge of the window.
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) details: Option<String>,
    pub(crate) until: f64,
}

/// Plumbline's window.
pub struct App {
    pub(crate) link: Box<dyn Link>,
    pub(crate) library: Library,
    pub(crate) jobs: Jobs,
    pub(crate) session: Session,
    pub(crate) messages: VecDeque<Message>,
    /// What is typed into the palette, while it is open.
    pub(crate) palette: Option<String>,
    pub(crate) cheat_sheet: bool,
    pub(crate) runs: PathBuf,
    /// What scenes are drawn with; none where a test draws nothing.
    graphics: Option<egui_wgpu::RenderState>,
    wishes: Vec<Wish>,
    installed: Option<bool>,
    /// What was given on the command line, until the first frame.
    given: Vec<PathBuf>,
    /// An open file dialog.
    chosen: Option<Dialog>,
    /// What was dropped or chosen and is being looked at.
    opening: Vec<Task<Vec<Result<Show, String>>>>,
    pub(crate) models: Models,
    pub(crate) lifts: Lifts,
    pub(crate) offers: Offers,
}

impl App {
    /// The window with the session that was saved; `given` files are opened in the first frame.
    #[must_use]
    pub fn new(creation: &eframe::CreationContext<'_>, link: Box<dyn Link>, given: Vec<PathBuf>) -> Self {
        let saved = creation.storage.and_then(|storage| storage.get_string(SAVED));
        let mut app = Self::with_session(link, Session::restore(saved.as_deref()));
        app.given = given;
        app.graphics.clone_from(&creation.wgpu_render_state);
        app
    }

    /// The window with a given session, for tests.
    #[must_use]
    pub fn with_session(link: Box<dyn Link>, session: Session) -> Self {
        Self {
            link,
            library: Library::default(),
            jobs: Jobs::default(),
            session,
            messages: VecDeque::new(),
            palette: None,
            cheat_sheet: false,
            runs: plumb_engine::runs::default_folder().unwrap_or_else(|| PathBuf::from("runs")),
            graphics: None,
            wishes: Vec::new(),
            installed: None,
            given: Vec::new(),
            chosen: None,
            opening: Vec::new(),
            models: Models::default(),
            lifts: Lifts::default(),
            offers: Offers::default(),
        }
    }

    /// Keeps runs in `folder` from now on.
    #[must_use]
    pub fn with_runs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.runs = folder.into();
        self
    }

    /// Draws scenes with `graphics` from now on.
    #[must_use]
    pub fn with_graphics(mut self, graphics: Option<egui_wgpu::RenderState>) -> Self {
        self.graphics = graphics;
        self
    }

    /// The jobs, for tests.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Asks every training to save and wait.
    pub fn pause_all(&mut self) {
        self.live().into_iter().for_each(|id| self.link.pause(id));
    }

    /// Lets every training go on.
    pub fn go_on_all(&mut self) {
        self.live().into_iter().for_each(|id| self.link.resume(id));
    }

    /// Stops every job; what they have written stays.
    pub fn stop_all(&mut self) {
        self.live().into_iter().for_each(|id| self.link.cancel(id));
    }

    fn live(&self) -> Vec<plumb_engine::JobId> {
        self.jobs.iter().filter(|(_, job)| job.status.is_live()).map(|(id, _)| id).collect()
    }

    /// Whether something is being read or done.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.library.is_waiting() || self.jobs.live() > 0 || !self.opening.is_empty()
    }

    /// The session, for tests and saving.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// One frame.
    pub fn draw(&mut self, ui: &mut egui::Ui) {
        let now = ui.input(|input| input.time);
        self.look_and_feel(ui.ctx());
        self.hear(now);
        let given = std::mem::take(&mut self.given);
        self.open(ui.ctx(), given);
        let dropped = ui.input(|input| input.raw.dropped_files.clone());
        self.open(ui.ctx(), dropped.iter().map(|file| file.path().to_owned()).collect());
        self.opened();
        if let Some(answer) = self.chosen.as_ref().and_then(Dialog::poll) {
            self.chosen = None;
            self.open(ui.ctx(), answer.into_iter().collect());
        }
        let mut offers = std::mem::take(&mut self.offers);
        self.each(now, |session, cx| offers.look(&mut session.left, cx));
        self.offers = offers;
        if let Some(command) = command::pressed(ui.ctx(), self.session.workspace) {
            self.wishes.push(Wish::Command(command));
        }
        frame::window(self, ui, now);
        self.grant(ui.ctx(), now);
    }

    fn look_and_feel(&mut self, ctx: &egui::Context) {
        if self.installed != Some(self.session.reduced_motion) {
            theme::install(ctx, self.session.reduced_motion);
            self.installed = Some(self.session.reduced_motion);
        }
        ctx.set_theme(self.session.mode.preference());
        if (ctx.zoom_factor() - self.session.scale).abs() > f32::EPSILON {
            ctx.set_zoom_factor(self.session.scale);
        }
    }

    fn hear(&mut self, now: f64) {
        for event in self.link.events() {
            let Some(event) = self.library.take(event) else { continue };
            self.jobs.hear(&event, now);
            self.remember_stop(&event);
            let (mut models, mut lifts) = (std::mem::take(&mut self.models), std::mem::take(&mut self.lifts));
            let come = self.each(now, |_, cx| {
                lifts.hear(&event, cx);
                models.hear(&event, cx)
            });
            (self.models, self.lifts) = (models, lifts);
            if let Some((place, model)) = come {
                self.choose_model(place, &model, now);
            }
            self.each(now, |session, cx| {
                session.evaluate.hear(&event, cx);
                session.scene.hear(&event, cx);
                session.train.hear(&event, cx);
                session.ask.hear(&event, cx);
            });
        }
    }

    /// A run that the person has stopped is one to be left: only what was cut short is offered again.
    fn remember_stop(&mut self, event: &Event) {
        let stopped = match &event.kind {
            EventKind::Cancelled => true,
            EventKind::Finished { outcome: Outcome::Train { finished: Some(finished), .. } } => {
                !finished.complete
            }
            _ => false,
        };
        if let Some(run) = self.jobs.get(event.job).and_then(|job| job.run.clone()).filter(|_| stopped) {
            self.session.left.insert(run);
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

    /// Calls `f` with the session and what a pane is given.
    pub(crate) fn each<R>(&mut self, now: f64, f: impl FnOnce(&mut Session, &mut Cx<'_>) -> R) -> R {
        let Self { link, library, jobs, session, runs, graphics, wishes, .. } = self;
        let reduced_motion = session.reduced_motion;
        let mut cx = Cx {
            link: link.as_mut(),
            library,
            jobs,
            now,
            reduced_motion,
            runs: runs.clone(),
            graphics: graphics.as_ref(),
            wishes,
        };
        f(session, &mut cx)
    }

    pub(crate) fn pane_ui(&mut self, pane: Pane, ui: &mut egui::Ui, now: f64) {
        let place = self.session.workspace;
        self.each(now, |session, cx| match place {
            Workspace::Ask => session.ask.ui(pane, ui, cx),
            Workspace::Scene => session.scene.ui(pane, ui, cx),
            Workspace::Evaluate => session.evaluate.ui(pane, ui, cx),
            Workspace::Train => session.train.ui(pane, ui, cx),
        });
    }

    /// Wants something after this frame.
    pub(crate) fn wish(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// Opens files that were given together. What they are is looked up beside the window: a disk can be slow.
    pub(crate) fn open(&mut self, ctx: &egui::Context, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        paths.iter().for_each(|path| self.session.opened(path));
        match Task::start(ctx, "plumb-open", move || crate::open::kinds(&paths)) {
            Ok(task) => self.opening.push(task),
            Err(sentence) => self.wishes.push(Wish::Error { details: sentence.clone(), sentence }),
        }
    }

    /// Shows what has been looked up.
    fn opened(&mut self) {
        let wishes = &mut self.wishes;
        self.opening.retain(|task| {
            let Some(done) = task.poll() else { return true };
            wishes.extend(done.unwrap_or_else(|error| vec![Err(error)]).into_iter().map(|kind| match kind {
                Ok(show) => Wish::Show(show),
                Err(sentence) => Wish::Error { details: sentence.clone(), sentence },
            }));
            false
        });
    }

    fn grant(&mut self, ctx: &egui::Context, now: f64) {
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
                self.wishes.push(Wish::Said(format!("{} is the model in {place} now", path.display())))
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
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.draw(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        if let Ok(text) = serde_json::to_string(&self.session) {
            storage.set_string(SAVED, text);
        }
    }
}
