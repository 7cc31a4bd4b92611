//! What a training has made, and what can be done with it.

use std::path::{Path, PathBuf};

use egui::Ui;
use plumb_engine::look::{Look, Seen};
use plumb_engine::{MergeJob, Outcome, Request};
use plumb_train::config::{MethodConfig, TrainConfig};
use plumb_train::run::RESULT_FOLDER;
use serde::{Deserialize, Serialize};

use super::fields::path;
use super::task::Task;
use super::{Action, Train, plots};
use crate::cx::{Cx, Show, Wish};
use crate::jobs::Job;
use crate::pane::Workspace;
use crate::widgets;

/// What the person typed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// The benchmark for before and after; the demo's where empty.
    pub(crate) bench: String,
    /// The folder that results are copied to.
    export: String,
}

/// A result on its way to another folder.
#[derive(Default)]
pub(crate) struct Copy {
    task: Option<Task<Result<PathBuf, String>>>,
}

/// Draws it for the finished training in `folder`.
pub(super) fn ui(train: &mut Train, ui: &mut Ui, cx: &mut Cx<'_>, folder: &Path) -> Option<Action> {
    let config = train.runs.config(folder).cloned()?;
    let whole = matches!(config.method, MethodConfig::Full { .. });
    let result = folder.join(RESULT_FOLDER);
    widgets::section(ui, if whole { "The trained model" } else { "The adapter" });
    ui.horizontal_wrapped(|ui| {
        if ui.button(if whole { "Use the model in Ask" } else { "Use the adapter in Ask" }).clicked() {
            cx.wishes.push(Wish::GoTo(Workspace::Ask));
            if whole {
                cx.wishes.push(Wish::Show(Show::Model(result.clone())));
            } else {
                cx.wishes.push(Wish::Show(Show::Model(PathBuf::from(&config.model))));
                cx.wishes.push(Wish::Show(Show::Adapter(result.clone())));
            }
        }
        if ui.button("Copy the folder's path").on_hover_text(result.display().to_string()).clicked() {
            ui.copy_text(result.display().to_string());
            cx.wishes.push(Wish::Said("The path is in the clipboard".to_owned()));
        }
    });
    export(train, ui, cx, folder, &result);
    merge(ui, cx, folder, &config);
    before_after(train, ui, cx, folder)
}

fn export(train: &mut Train, ui: &mut Ui, cx: &mut Cx<'_>, folder: &Path, result: &Path) {
    if let Some(done) = train.copy.task.as_ref().and_then(Task::poll) {
        train.copy.task = None;
        match done.and_then(|done| done) {
            Ok(place) => cx.wishes.push(Wish::Said(format!("Copied to {}", place.display()))),
            Err(error) => cx.fail(error),
        }
    }
    widgets::section(ui, "Export to a folder");
    path(ui, "Folder to export to", "a new folder is made in it", &mut train.result.export, true);
    let place = train.result.export.trim();
    let busy = train.copy.task.is_some();
    let button = ui.add_enabled(!busy && !place.is_empty(), egui::Button::new("Export"));
    if button.on_disabled_hover_text("Choose a folder first").clicked() {
        let target = PathBuf::from(place).join(plots::name(folder));
        let source = result.to_owned();
        match Task::start(ui.ctx(), "plumb-export", move || copy(&source, &target)) {
            Ok(task) => train.copy.task = Some(task),
            Err(error) => cx.fail(error),
        }
    }
    if busy {
        ui.spinner();
    }
}

/// Copies the files of a folder to a new one.
fn copy(from: &Path, to: &Path) -> Result<PathBuf, String> {
    let say = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| format!("{what} cannot be copied: {error}")
    };
    if to.exists() {
        return Err(format!("{} is there already: choose another folder", to.display()));
    }
    let entries = std::fs::read_dir(from).map_err(say(from))?;
    std::fs::create_dir_all(to).map_err(say(to))?;
    for entry in entries {
        let path = entry.map_err(say(from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(say(&path))?;
        }
    }
    Ok(to.to_owned())
}

/// The command that folds the adapter into its base; none for methods that no weight can hold.
/// An adapter that can be folded into its base, and the model that it has become.
fn merge(ui: &mut Ui, cx: &mut Cx<'_>, folder: &Path, config: &TrainConfig) {
    if !matches!(config.method, MethodConfig::Lora { .. } | MethodConfig::Ia3 {}) {
        return;
    }
    widgets::section(ui, "Fold it into its base");
    let mut out = folder.as_os_str().to_owned();
    out.push("-merged");
    let out = PathBuf::from(out);
    let ours = |job: &&Job| job.title == title(&out);
    let job = cx.jobs.iter().map(|(_, job)| job).find(ours);
    let (busy, merged) = (
        job.is_some_and(|job| job.status.is_live()),
        job.is_some_and(|job| matches!(job.outcome, Some(Outcome::Merge(_)))),
    );
    if merged {
        ui.horizontal_wrapped(|ui| {
            ui.label("The whole model is ready.");
            if ui.button("Use it in Ask").on_hover_text(out.display().to_string()).clicked() {
                cx.wishes.push(Wish::GoTo(Workspace::Ask));
                cx.wishes.push(Wish::Show(Show::Model(out.clone())));
            }
        });
        return;
    }
    let hover = format!("Writes a model that needs no adapter: {}", out.display());
    let button = ui.add_enabled(!busy, egui::Button::new("Make a whole model"));
    if button.on_hover_text(hover).clicked() {
        let job = MergeJob {
            adapter: folder.join(RESULT_FOLDER),
            model: config.model.clone(),
            out: out.clone(),
            dtype: None,
        };
        cx.start(title(&out), Request::Merge(job));
    }
}

/// What the job that writes `out` is called.
fn title(out: &Path) -> String {
    format!("Making the model {}", plots::name(out))
}

fn before_after(train: &mut Train, ui: &mut Ui, cx: &mut Cx<'_>, folder: &Path) -> Option<Action> {
    widgets::section(ui, "Has it learned to look?");
    path(ui, "Benchmark", "the demo's benchmark", &mut train.result.bench, false);
    let trial = train.trials.iter().find(|trial| trial.folder == folder);
    let going = trial.is_some_and(|trial| trial.failed.is_none() && trial.pair().is_none());
    let hover = "Asks the benchmark of the base and of what was learned, each with pictures and without";
    let mut action = None;
    let button = ui.add_enabled(!going, egui::Button::new("Evaluate before and after"));
    if button.on_hover_text(hover).clicked() {
        action = Some(Action::Evaluate(folder.to_owned()));
    }
    let Some(trial) = trial else { return action };
    if let Some(error) = &trial.failed {
        widgets::failure(ui, error);
    } else if let Some((before, after)) = trial.pair() {
        let look = Look::Compare { a: before.to_owned(), b: after.to_owned() };
        let seen = cx.look(&look);
        widgets::loaded(ui, &seen, |ui, seen| {
            if let Seen::Compare(seen) = seen {
                ui.add(egui::Label::new(&seen.comparison.sentence).wrap());
                let c = &seen.comparison;
                let text = format!("{} rows: {} right only before, {} only after", c.n, c.only_a, c.only_b);
                widgets::dim(ui, text);
            }
        });
        if ui.button("Open both runs in Evaluate").clicked() {
            trial.open(cx);
        }
    } else {
        ui.horizontal(|ui| {
            ui.spinner();
            widgets::dim(ui, format!("{} of 4 runs are done", trial.done()));
        });
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_copied_once() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("result");
        std::fs::create_dir_all(from.join("sub")).unwrap();
        std::fs::write(from.join("sub/a"), "x").unwrap();
        let to = root.path().join("out/run");
        assert_eq!(copy(&from, &to), Ok(to.clone()));
        assert_eq!(std::fs::read_to_string(to.join("sub/a")).unwrap(), "x");
        assert!(copy(&from, &to).unwrap_err().contains("already"));
        assert!(copy(&root.path().join("none"), &root.path().join("other")).is_err());
        assert!(!root.path().join("other").exists());
    }
}
