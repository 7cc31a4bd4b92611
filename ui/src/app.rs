//! The window: state, events in, wishes out. What it looks like is in `frame`.

use std::collections::VecDeque;
use std::path::PathBuf;

use plumb_engine::{Event, EventKind, Outcome};

use crate::command;
use crate::cx::{Cx, Show, Wish};
use crate::dialog::Dialog;
use crate::frame;
use crate::jobs::Jobs;
use crate::library::Library;
use crate::lift::Lifts;
use crate::link::Link;
use crate::meter::{Measure, Meter};
use crate::models::Models;
use crate::pane::{Pane, Workspace};
use crate::session::Session;
use crate::task::Task;
use crate::theme;
use crate::unfinished::Offers;

mod wishes;

/// The key of the saved session.
const SAVED: &str = "session";

/// What files are, or why nothing can be made of them.
type Kinds = Vec<Result<Show, String>>;

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
    pub(crate) meter: Meter,
    wishes: Vec<Wish>,
    installed: Option<bool>,
    /// What was given on the command line, until the first frame.
    given: Vec<PathBuf>,
    /// An open file dialog.
    chosen: Option<Dialog>,
    /// What was dropped or chosen and is being looked at.
    opening: Vec<(Vec<PathBuf>, Task<Kinds>)>,
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
            meter: Meter::default(),
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

    /// Measures this window and closes it.
    #[must_use]
    pub fn with_measure(mut self, measure: Option<Measure>) -> Self {
        self.meter.measure = measure;
        self
    }

    /// The jobs, for tests.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
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
        let looked = paths.clone();
        match Task::start(ctx, "plumb-open", move || crate::open::kinds(&looked)) {
            Ok(task) => self.opening.push((paths, task)),
            Err(sentence) => self.wishes.push(Wish::Error { details: sentence.clone(), sentence }),
        }
    }

    /// Shows what has been looked up.
    fn opened(&mut self) {
        let Self { opening, wishes, session, .. } = self;
        opening.retain(|(paths, task)| {
            let Some(done) = task.poll() else { return true };
            let kinds = done.unwrap_or_else(|error| vec![Err(error)]);
            let together = kinds.len() != paths.len();
            for (at, kind) in kinds.into_iter().enumerate() {
                wishes.push(match kind {
                    Ok(show) => {
                        // Colour and depth mean something together alone.
                        paths.get(at).filter(|_| !together).into_iter().for_each(|path| session.opened(path));
                        Wish::Show(show)
                    }
                    Err(sentence) => Wish::Error { details: sentence.clone(), sentence },
                });
            }
            false
        });
    }

    /// Frame after frame while something is measured; then the figures, and the end.
    fn measured(&mut self, ctx: &egui::Context) {
        if self.meter.measure.is_none() {
            return;
        }
        ctx.request_repaint();
        if let Some((figures, out)) = self.meter.over() {
            let written = serde_json::to_vec_pretty(&figures).map_err(std::io::Error::from);
            // The window is about to close: the log is where an error can still be read.
            if let Err(error) = written.and_then(|text| std::fs::write(&out, text)) {
                tracing::error!("{} cannot be written: {error}", out.display());
            }
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.meter.hear(frame.info().cpu_usage);
        self.draw(ui);
        self.measured(ui.ctx());
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        if let Ok(text) = serde_json::to_string(&self.session) {
            storage.set_string(SAVED, text);
        }
    }
}
