//! The left pane: the recipe, and what it would do.

use std::time::SystemTime;

use egui::{Align, Frame, RichText, ScrollArea, Ui};
use plumb_engine::look::{Look, Seen};

use super::check::check;
use super::fields::{Fields, Problems};
use super::presets::{Preset, word};
use super::{Action, Check, Train, data, method, more, plan};
use crate::cx::Cx;
use crate::picker::{self, Named};
use crate::theme::{palette, theme};
use crate::widgets;

/// Draws the pane; what the person wants done is done after it.
pub(super) fn ui(train: &mut Train, ui: &mut Ui, cx: &mut Cx<'_>) -> Option<Action> {
    let demo = cx.look(&Look::Demo);
    let scenes = match demo.ready() {
        Some(Seen::Demo { scenes, .. }) => Some(scenes.clone()),
        _ => None,
    };
    if let Some(scenes) = scenes.as_ref().filter(|_| !train.form.filled) {
        train.form.use_demo(scenes);
    }
    let problems = check(&train.form);
    let mut action = None;
    let frame = Frame::new().inner_margin(egui::Margin { top: theme().space.s as i8, ..egui::Margin::ZERO });
    egui::Panel::bottom("train start").frame(frame).show(ui, |ui| {
        action = foot(train, ui, &problems);
    });
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        recipes(train, ui);
        let mut fields = Fields { ui, problems: &problems };
        groups(&mut fields, train, cx, scenes.as_deref());
        text(train, ui, &cx.runs);
        checked(train, ui, &cx.runs);
    });
    action
}

fn foot(train: &mut Train, ui: &mut Ui, problems: &Problems) -> Option<Action> {
    let mut action = None;
    let hint = format!("{}-…", word(&train.form.config.method));
    Fields { ui, problems }.text("name", "Name", &hint, &mut train.form.name);
    ui.horizontal(|ui| {
        let fine = problems.is_empty();
        let start = widgets::primary(ui, "Start training", fine);
        let why = problems.first().unwrap_or_default();
        if start.on_hover_text("Ctrl+Enter").on_disabled_hover_text(why).clicked() {
            action = Some(Action::Start);
        }
        let waiting = matches!(train.check, Check::Waiting { .. });
        let hover = "Reads the data, says what learns and how much memory it takes, and shows a sample. Nothing is written";
        let button = ui.add_enabled(fine && !waiting, egui::Button::new("Check"));
        if button.on_hover_text(hover).on_disabled_hover_text(why).clicked() {
            action = Some(Action::Check);
        }
        if waiting {
            ui.spinner();
            widgets::dim(ui, "Checking…");
        }
    });
    if let Some(why) = problems.first() {
        super::fields::sentence(ui, why);
    }
    action
}

fn recipes(train: &mut Train, ui: &mut Ui) {
    widgets::section(ui, "Recipe");
    ui.horizontal_wrapped(|ui| {
        for preset in Preset::ALL {
            let chosen = train.form.preset == preset && train.form.config.method == preset.method();
            if ui.selectable_label(chosen, preset.title()).on_hover_text(preset.hover()).clicked() {
                train.form.take(preset);
            }
        }
    });
}

fn groups(fields: &mut Fields<'_>, train: &mut Train, cx: &mut Cx<'_>, scenes: Option<&std::path::Path>) {
    let form = &mut train.form;
    fields.group("Model", true, &["model"], |f| {
        picker::named(f.ui, cx, Named::Model, &mut form.model);
        f.said("model");
        f.ui.horizontal(|ui| picker::device(ui, cx, &mut form.device));
    });
    fields.group("Data", true, &["data"], |f| data::ui(f, form, scenes));
    let config = &mut form.config;
    fields.group("Method", false, &["method"], |f| method::ui(f, &mut config.method));
    let amounts = ["steps", "epochs", "accumulate", "batch", "questions", "seed"];
    fields.group("Steps and batches", false, &amounts, |f| more::amounts(f, config));
    fields.group("Optimiser", false, &["optimizer"], |f| more::optimizer(f, config));
    fields.group("Changes to pictures and numbers", false, &["augment"], |f| more::augment(f, config));
    fields.group("Evaluation", false, &["evaluate"], |f| more::evaluate(f, config));
    fields.group("Checkpoints", false, &["checkpoint"], |f| more::checkpoint(f, config));
    fields.group("More losses", false, &["loss"], |f| more::losses(f, config));
    fields.group("Memory", false, &["cache_mib", "longest_edge"], |f| more::memory(f, config));
}

/// The recipe as the text that the command line takes.
fn text(train: &Train, ui: &mut Ui, runs: &std::path::Path) {
    egui::CollapsingHeader::new("As text").show_unindented(ui, |ui| match described(train, runs) {
        Ok(text) => {
            if ui.small_button("Copy").accessible_name("Copy the recipe").clicked() {
                ui.copy_text(text.clone());
            }
            widgets::dim(ui, "For plumbline train --config FILE");
            let mut shown = &*text;
            let edit = egui::TextEdit::multiline(&mut shown).code_editor().desired_width(f32::INFINITY);
            ui.add(edit).accessible_name("The recipe as TOML");
        }
        Err(error) => super::fields::sentence(ui, &error),
    });
}

/// The run as TOML, its folder named without the time, so that it is the same from frame to frame.
pub(super) fn described(train: &Train, runs: &std::path::Path) -> Result<String, String> {
    let mut run = train.form.run(runs, SystemTime::UNIX_EPOCH);
    if train.form.name.trim().is_empty() {
        run.out.set_file_name(word(&run.method));
    }
    run.to_toml().map_err(|error| error.to_string())
}

/// What the last check found.
fn checked(train: &mut Train, ui: &mut Ui, runs: &std::path::Path) {
    let machine = train.runs.folders.machine();
    let now = described(train, runs).unwrap_or_default();
    match &mut train.check {
        Check::None | Check::Waiting { .. } => {}
        Check::Failed(error) => {
            ui.separator();
            widgets::failure(ui, error);
        }
        Check::Ready { plan, text, device, fresh } => {
            let title = ui.add(egui::Separator::default());
            if std::mem::take(fresh) {
                title.scroll_to_me(Some(Align::TOP));
            }
            if *text != now {
                let colour = palette(ui).warning;
                let stale = "The recipe has changed since this check.";
                ui.add(egui::Label::new(RichText::new(stale).small().color(colour)).wrap());
            }
            plan::ui(ui, plan, machine, device.as_deref());
        }
    }
}
