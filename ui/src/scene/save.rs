//! Writing what was changed and judged: the edited scene, and the questions that were kept.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use egui::{TextEdit, Ui};
use plumb_engine::look::{Look, SceneSeen, Seen};
use plumb_engine::{ChangedScene, EditJob, Event, EventKind, ExportJob, JobId, Outcome, Request};
use plumb_qa::QaPair;

use super::{SceneView, Verdict};
use crate::cx::{Cx, Show, Wish};
use crate::widgets;

/// What is being written.
#[derive(Default)]
pub(super) struct Save {
    /// The folder in the form, while it is open.
    folder: Option<String>,
    dialog: Option<Receiver<Option<PathBuf>>>,
    writing: Option<JobId>,
    exporting: Option<JobId>,
    /// The scene that was saved last.
    saved: Option<PathBuf>,
}

impl SceneView {
    /// Opens the form for the folder.
    pub(super) fn save_edited(&mut self, cx: &mut Cx<'_>) {
        if self.edits().is_empty() {
            cx.wishes.push(Wish::Said("There is no change to save".to_owned()));
            return;
        }
        let name = self.name(cx);
        let above = cx.runs.parent().unwrap_or(&cx.runs).join("scenes");
        let free =
            (1..).map(|n| if n == 1 { format!("{name}-edited") } else { format!("{name}-edited-{n}") });
        // A look at whether a name is taken is no reading; the engine looks again before it writes.
        let folder = free.take(1000).map(|name| above.join(name)).find(|folder| !folder.exists());
        self.save.folder = Some(folder.unwrap_or(above).display().to_string());
    }

    /// What the scene that is shown is called in its folder.
    pub(super) fn name(&self, cx: &mut Cx<'_>) -> String {
        let listed = cx.look(&Look::Scenes { folder: self.folder() });
        let found = match listed.ready() {
            Some(Seen::Scenes { scenes }) => scenes.iter().find(|listed| listed.index == self.index),
            _ => None,
        };
        found.map_or_else(|| format!("scene-{}", self.index), |listed| listed.name.clone())
    }

    fn write(&mut self, folder: &str, cx: &mut Cx<'_>) {
        let scene = ChangedScene { index: self.index, edits: self.edits().to_vec() };
        let job = EditJob {
            input: self.folder(),
            scenes: vec![scene],
            out: PathBuf::from(folder.trim()),
            questions: None,
        };
        let title = format!("Saving {}", self.name(cx));
        self.save.writing = cx.start(title, Request::Edit(job));
        self.save.folder = None;
    }

    /// Writes questions as a data set beside the runs: those that were accepted, or all that were not rejected.
    pub(super) fn export(&mut self, accepted_only: bool, cx: &mut Cx<'_>) {
        let Some(id) = self.seen().map(|seen| seen.scene.id.clone()) else { return };
        let verdicts = self.verdicts.get(&id);
        let kept = self.asked.all().filter(|(key, _)| match verdicts.and_then(|of| of.get(key)) {
            Some(verdict) => *verdict == Verdict::Accepted,
            None => !accepted_only,
        });
        let pairs: Vec<QaPair> = kept.map(|(_, pair)| pair.clone()).collect();
        let job = ExportJob {
            input: self.folder(),
            scene: ChangedScene { index: self.index, edits: self.edits().to_vec() },
            pairs,
            out: cx.runs.join(format!("questions-{id}.jsonl")),
        };
        self.save.exporting = cx.start("Exporting questions", Request::Export(Box::new(job)));
    }

    /// Hears whether something was written.
    pub(super) fn hear_save(&mut self, event: &Event, cx: &mut Cx<'_>) {
        let (writing, exporting) =
            (self.save.writing == Some(event.job), self.save.exporting == Some(event.job));
        if !(writing || exporting) {
            return;
        }
        match &event.kind {
            EventKind::Finished { outcome: Outcome::Edit(report) } => {
                let path = report.out.display();
                cx.wishes.push(Wish::Said(format!(
                    "The edited scene is in {path}, with {} questions",
                    report.pairs
                )));
                self.save.saved = Some(report.out.clone());
            }
            EventKind::Finished { outcome: Outcome::Export(report) } => {
                cx.wishes.push(Wish::Said(format!(
                    "{} questions are in {}",
                    report.pairs,
                    report.out.display()
                )));
            }
            EventKind::Failed { error } => cx.fail(error.clone()),
            EventKind::Finished { .. } | EventKind::Cancelled => {}
            _ => return,
        }
        if writing {
            self.save.writing = None;
        } else {
            self.save.exporting = None;
        }
    }
}

pub(super) fn ui(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>, _seen: &SceneSeen) {
    if let Some(saved) = state.save.saved.clone() {
        ui.horizontal(|ui| {
            let name = saved.file_name().unwrap_or_default().to_string_lossy().into_owned();
            widgets::dim(ui, format!("Saved as {name}"));
            if ui.link("Show it").on_hover_text(saved.display().to_string()).clicked() {
                cx.wishes.push(Wish::Show(Show::Scenes(saved)));
            }
        });
    }
    let Some(mut folder) = state.save.folder.take() else { return };
    match state.save.dialog.as_ref().map(Receiver::try_recv) {
        Some(Err(TryRecvError::Empty)) => {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
        }
        Some(answer) => {
            state.save.dialog = None;
            if let Ok(Some(chosen)) = answer {
                folder = chosen.join(format!("{}-edited", state.name(cx))).display().to_string();
            }
        }
        None => {}
    }
    widgets::section(ui, "New folder");
    let field = TextEdit::singleline(&mut folder).desired_width(f32::INFINITY);
    ui.add(field).accessible_name("Folder of the edited scene");
    let mut open = true;
    ui.horizontal(|ui| {
        if widgets::primary(ui, "Save", !folder.trim().is_empty()).clicked() {
            state.write(&folder, cx);
            open = false;
        }
        if ui.button("Choose…").clicked() {
            state.save.dialog = dialog(cx);
        }
        if ui.button("Cancel").clicked() {
            open = false;
        }
    });
    if open {
        state.save.folder = Some(folder);
    }
}

fn dialog(cx: &mut Cx<'_>) -> Option<Receiver<Option<PathBuf>>> {
    // The dialog has a thread of its own: the window goes on drawing.
    let (to_window, chosen) = mpsc::channel();
    let started = std::thread::Builder::new().name("plumb-dialog".into()).spawn(move || {
        to_window.send(rfd::FileDialog::new().set_title("Where the edited scene goes").pick_folder()).ok();
    });
    match started {
        Ok(_) => Some(chosen),
        Err(error) => {
            cx.fail(format!("No dialog can be opened: {error}"));
            None
        }
    }
}
