//! Getting a model: what there is, what it costs in bytes and under which licence, the download itself. Nothing is asked of the
//! network before the person has pressed a button that says so.

mod list;

use std::collections::BTreeMap;

use egui::{Context, ScrollArea, Window};
use plumb_engine::look::{Look, ModelsSeen};
use plumb_engine::{Event, EventKind, JobId, Outcome, Request};

use crate::app::App;
use crate::cx::{Cx, Wish};
use crate::dialog::{Dialog, Question};
use crate::pane::Workspace;

/// A model that is offered by name. Sizes are those of the weight files on the hub; the plan says the exact ones.
struct Known {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    size: &'static str,
}

const KNOWN: [Known; 4] = [
    Known {
        id: "HuggingFaceTB/SmolVLM-256M-Instruct",
        title: "SmolVLM 256M",
        about: "the smallest: runs on any laptop",
        size: "0.5 GB",
    },
    Known {
        id: "HuggingFaceTB/SmolVLM-500M-Instruct",
        title: "SmolVLM 500M",
        about: "a good first model",
        size: "1.0 GB",
    },
    Known {
        id: "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        title: "SmolVLM2 500M",
        about: "newer, learned from video too",
        size: "2.0 GB",
    },
    Known {
        id: "HuggingFaceTB/SmolVLM-Instruct",
        title: "SmolVLM 2.2B",
        about: "the most able; needs 6 GB of memory, better a GPU",
        size: "4.5 GB",
    },
];

/// The licence of all of [`KNOWN`] by their pages; the plan says what the hub says today.
const LICENCE: &str = "Apache-2.0";

/// The window about models, and the downloads of this session.
#[derive(Default)]
pub(crate) struct Models {
    pub(crate) open: bool,
    /// Where the finished model is chosen.
    place: Workspace,
    typed: String,
    /// The model whose size and licence were asked for.
    planned: Option<String>,
    jobs: BTreeMap<String, JobId>,
    dialog: Option<Dialog>,
    /// What the cache held last: it is shown while it is read anew, so that nothing moves under the pointer.
    cached: Option<ModelsSeen>,
}

/// What the person wants done.
enum Action {
    Plan(String),
    /// Asks the hub again.
    Again(String),
    Download(String),
    Pause(JobId),
    GoOn(JobId),
    Stop(JobId),
    Use(String),
    Folder,
}

impl Models {
    /// Opens it for the pickers of `place`.
    pub(crate) fn show(&mut self, place: Workspace, cx: &mut Cx<'_>) {
        (self.open, self.place) = (true, place);
        // Another program may have fetched one.
        cx.library.forget(&Look::Models);
    }

    /// Hears of a download; the name of a model that has come.
    pub(crate) fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) -> Option<(Workspace, String)> {
        let (model, _) = self.jobs.iter().find(|(_, job)| **job == event.job)?;
        let model = model.clone();
        match &event.kind {
            EventKind::Finished { .. }
            | EventKind::Failed { .. }
            | EventKind::Cancelled
            | EventKind::Paused => {
                cx.library.forget(&Look::Models);
                cx.library.forget(&Look::ModelPlan { model: model.clone() });
            }
            _ => return None,
        }
        if !matches!(&event.kind, EventKind::Finished { outcome: Outcome::Fetch { .. } }) {
            return None;
        }
        self.jobs.remove(&model);
        if self.planned.as_ref() == Some(&model) {
            self.planned = None;
        }
        Some((self.place, model))
    }
}

/// Draws the window, where it is open.
pub(crate) fn window(app: &mut App, ctx: &Context, now: f64) {
    if let Some(answer) = app.models.dialog.as_ref().and_then(Dialog::poll) {
        app.models.dialog = None;
        if let Some(folder) = answer {
            app.models.open = false;
            app.open(ctx, vec![folder]);
        }
    }
    if !app.models.open {
        return;
    }
    let mut open = true;
    let mut action = None;
    let mut models = std::mem::take(&mut app.models);
    let height = (ctx.content_rect().height() - 120.0).clamp(160.0, 560.0);
    Window::new("Models")
        .open(&mut open)
        .collapsible(false)
        .default_size([560.0, height])
        .anchor(egui::Align2::CENTER_CENTER, [0.0, 0.0])
        .show(ctx, |ui| {
            ScrollArea::vertical().max_height(height).show(ui, |ui| {
                app.each(now, |_, cx| action = list::content(&mut models, ui, cx));
            });
        });
    if ctx.input(|input| input.key_pressed(egui::Key::Escape)) && !ctx.egui_wants_keyboard_input() {
        open = false;
    }
    models.open = open;
    app.models = models;
    if let Some(action) = action {
        act(app, ctx, action, now);
    }
}

fn act(app: &mut App, ctx: &Context, action: Action, now: f64) {
    match action {
        Action::Plan(model) => app.models.planned = Some(model),
        Action::Again(model) => {
            app.library.forget(&Look::ModelPlan { model: model.clone() });
            app.models.jobs.remove(&model);
            app.models.planned = Some(model);
        }
        Action::Download(model) => {
            let request = Request::Fetch { model: model.clone() };
            let job = app.each(now, |_, cx| cx.start(format!("Getting {}", title(&model)), request));
            app.models.jobs.extend(job.map(|job| (model, job)));
        }
        Action::Pause(job) => app.link.pause(job),
        Action::GoOn(job) => app.link.resume(job),
        Action::Stop(job) => app.link.cancel(job),
        Action::Use(model) => {
            app.models.open = false;
            let place = app.models.place;
            app.choose_model(place, &model, now);
        }
        Action::Folder => choose_folder(app, ctx),
    }
}

/// Asks for the folder of a model on this machine.
pub(crate) fn choose_folder(app: &mut App, ctx: &Context) {
    match Dialog::open(ctx, Question::folder("Choose the folder of a model")) {
        Ok(dialog) => app.models.dialog = Some(dialog),
        Err(sentence) => app.wish(Wish::Error { details: sentence.clone(), sentence }),
    }
}

/// A name for people.
pub(crate) fn title(model: &str) -> &str {
    KNOWN.iter().find(|known| known.id == model).map_or(model, |known| known.title)
}
