//! The right pane: how the chosen training goes, and what came of it.

use std::path::{Path, PathBuf};

use egui::{ComboBox, RichText, ScrollArea, Ui};

use super::fields::{bytes, number_text};
use super::plots::name;
use super::record::{Curve, Record, Saved};
use super::runs::Reading;
use super::{Action, Train, plan, result};
use crate::cx::{Cx, Wish};
use crate::jobs::{Status, duration};
use crate::theme::palette;
use crate::widgets;

/// Draws the pane; what the person wants done is done after it.
pub(super) fn ui(train: &mut Train, ui: &mut Ui, cx: &mut Cx<'_>) -> Option<Action> {
    choose(train, ui);
    let Some(folder) = train.chosen.clone() else {
        let how = "A training that is started here, or whose folder is dropped on the window, is shown with its answers and \
                   checkpoints.";
        widgets::empty(ui, "No training is chosen", how);
        return None;
    };
    let reading = train.runs.read(&folder, cx);
    if let Reading::Failed(error) = &reading
        && train.runs.live(&folder).is_none()
    {
        widgets::failure(ui, error);
        return None;
    }
    let mut action = buttons(train, ui, cx, &folder);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        if let Some(Status::Failed(error)) = train.runs.status(&folder, cx) {
            widgets::failure(ui, &error);
        }
        let device = train.runs.live(&folder).and_then(|live| live.device.clone());
        if let Some(record) = train.runs.record(&folder) {
            numbers(ui, record, train.runs.job(&folder).is_some());
        } else if reading == Reading::Waiting {
            ui.spinner();
        }
        if train.runs.finished(&folder) && train.runs.job(&folder).is_none() {
            action = action.take().or(result::ui(train, ui, cx, &folder));
        }
        let plan = train.runs.live(&folder).and_then(|live| live.plan.as_deref());
        let record = train.runs.record(&folder);
        if let Some(plan) = plan {
            widgets::section(ui, "Memory, estimated and measured");
            let peak = record.and_then(Record::peak);
            let machine = plan::own_memory(train.runs.folders.machine(), device.as_deref());
            plan::memory(ui, &plan.estimate, peak, machine);
        }
        if let Some(record) = record {
            answers(ui, record);
            checkpoints(ui, cx, &saved(train, &folder, record));
        }
        if let Some(plan) = plan {
            let machine = train.runs.folders.machine();
            egui::CollapsingHeader::new("Plan")
                .show_unindented(ui, |ui| plan::ui(ui, plan, machine, device.as_deref()));
        }
    });
    action
}

fn choose(train: &mut Train, ui: &mut Ui) {
    let listed: Vec<PathBuf> = train.runs.folders.list().iter().map(|listed| listed.folder.clone()).collect();
    if listed.is_empty() && train.chosen.is_none() {
        return;
    }
    let shown = train.chosen.as_deref().map_or_else(|| "choose".to_owned(), name);
    let combo =
        ComboBox::from_id_salt("training").selected_text(shown).width(ui.available_width() - 8.0).truncate();
    let combo = combo.show_ui(ui, |ui| {
        for folder in listed {
            let chosen = train.chosen.as_ref() == Some(&folder);
            if ui
                .selectable_label(chosen, name(&folder))
                .on_hover_text(folder.display().to_string())
                .clicked()
            {
                train.chosen = Some(folder);
            }
        }
    });
    combo.response.accessible_name("Training");
}

fn buttons(train: &Train, ui: &mut Ui, cx: &mut Cx<'_>, folder: &Path) -> Option<Action> {
    let mut action = None;
    let status = train.runs.status(folder, cx);
    ui.horizontal_wrapped(|ui| {
        let going = train.runs.job(folder).is_some();
        let said = match &status {
            Some(Status::Waiting) => "waits for another job",
            Some(Status::Running) => "is training",
            Some(Status::Paused) => "is paused, saved",
            Some(Status::Failed(_)) => "has ended with an error",
            _ if train.runs.finished(folder) => "is finished",
            _ => "is not finished",
        };
        widgets::dim(ui, said);
        if going {
            let pause = if status == Some(Status::Paused) { "Go on" } else { "Pause" };
            let hover = "Saves after this step and waits";
            if ui.button(pause).on_hover_text(hover).clicked() {
                action = Some(Action::Pause);
            }
            if ui
                .button("Stop")
                .on_hover_text("Saves after this step and ends; it can be continued")
                .clicked()
            {
                action = Some(Action::Stop);
            }
        } else if !train.runs.finished(folder) {
            let hover = "Goes on after its last checkpoint, as if it had never stopped";
            if ui.button("Continue").on_hover_text(hover).clicked() {
                action = Some(Action::Resume(folder.to_owned()));
            }
        }
        if train.runs.config(folder).is_some()
            && ui
                .button("Take its recipe")
                .on_hover_text("Puts the recipe of this training in the form")
                .clicked()
        {
            action = Some(Action::Like(folder.to_owned()));
        }
        if ui.button("Copy the path").on_hover_text(folder.display().to_string()).clicked() {
            ui.copy_text(folder.display().to_string());
            cx.wishes.push(Wish::Said("The path is in the clipboard".to_owned()));
        }
    });
    action
}

/// What the last step says.
fn numbers(ui: &mut Ui, record: &Record, going: bool) {
    let Some(last) = &record.last else { return };
    let total = record.total.filter(|total| *total > 0);
    if let Some(total) = total {
        let share = (last.step as f64 / total as f64).clamp(0.0, 1.0) as f32;
        let bar = egui::ProgressBar::new(share).text(format!("step {} of {total}", last.step));
        ui.add(bar).accessible_name(format!("Step {} of {total}", last.step));
    }
    let smoothed = super::curves::smooth(record.curve(Curve::Loss), 0.9).last().map(|point| point[1]);
    let none = || "–".to_owned();
    let mut rows = vec![
        ("Loss", "Smoothed over about ten steps", smoothed.map(|loss| format!("{loss:.4}"))),
        ("Held-out loss", "", record.curve(Curve::HeldOut).last().map(|point| format!("{:.4}", point[1]))),
        ("Learning rate", "", last.lr.map(|lr| number_text(f64::from(lr)))),
        ("Gradient norm", "Before it is clipped", last.grad_norm.map(|norm| format!("{norm:.3}"))),
        ("Tokens per second", "", last.tokens_per_s.map(|speed| format!("{speed:.0}"))),
        ("Memory", "Of this process", last.memory_bytes.map(bytes)),
    ];
    if total.is_none() {
        rows.insert(0, ("Step", "", Some(last.step.to_string())));
    }
    if going {
        rows.push(("Left", "", record.eta.map(duration)));
    }
    egui::Grid::new("numbers").num_columns(2).show(ui, |ui| {
        for (name, hover, value) in rows {
            let label = ui.label(RichText::new(name).color(palette(ui).dim));
            if !hover.is_empty() {
                label.on_hover_text(hover);
            }
            ui.monospace(value.unwrap_or_else(none));
            ui.end_row();
        }
    });
    if let Some(best) = record.evals.iter().rev().find(|eval| eval.best) {
        let right = best.accuracy.map_or_else(String::new, |a| format!(", {:.0} % right", a * 100.0));
        widgets::dim(ui, format!("Best on held-out samples at step {}{right}", best.step));
    }
}

/// What the model said to the same held-out samples over the steps.
fn answers(ui: &mut Ui, record: &Record) {
    widgets::section(ui, "Answers to held-out samples");
    let samples = record.samples();
    if samples.is_empty() {
        widgets::dim(ui, "None yet: they come with each evaluation, where samples are held out.");
    }
    for (first, answers) in samples {
        ui.push_id(&first.sample, |ui| {
            ui.add(egui::Label::new(RichText::new(first.question.trim()).small()).wrap())
                .on_hover_text(&first.sample);
            ui.horizontal_wrapped(|ui| {
                widgets::dim(ui, "expected");
                ui.monospace(first.expected.trim());
            });
            egui::Grid::new("answers").num_columns(3).show(ui, |ui| {
                for answer in answers {
                    ui.label(RichText::new(format!("step {}", answer.step)).small().color(palette(ui).dim));
                    widgets::verdict(ui, answer.correct);
                    let text =
                        if answer.answer.trim().is_empty() { "(nothing)" } else { answer.answer.trim() };
                    ui.add(egui::Label::new(RichText::new(text).monospace()).wrap());
                    ui.end_row();
                }
            });
            ui.separator();
        });
    }
}

/// What was said to be saved, with what the folder holds: older checkpoints are taken away.
fn saved(train: &Train, folder: &Path, record: &Record) -> Vec<Saved> {
    match train.runs.folders.of(folder) {
        Some(listed) => listed.saved.clone(),
        None => record.saved.clone(),
    }
}

fn checkpoints(ui: &mut Ui, cx: &mut Cx<'_>, saved: &[Saved]) {
    widgets::section(ui, "Checkpoints");
    if saved.is_empty() {
        widgets::dim(ui, "None yet.");
    }
    for one in saved.iter().rev() {
        ui.horizontal(|ui| {
            ui.monospace(format!("step {}", one.step));
            widgets::dim(ui, bytes(one.bytes));
            let copy = ui
                .small_button("Copy the path")
                .accessible_name(format!("Copy the path of step {}", one.step));
            if copy.on_hover_text(one.folder.display().to_string()).clicked() {
                ui.copy_text(one.folder.display().to_string());
                cx.wishes.push(Wish::Said("The path is in the clipboard".to_owned()));
            }
        });
    }
}
