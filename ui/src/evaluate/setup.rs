//! What is run on what, and the runs that are there.

use egui::{ComboBox, RichText, ScrollArea, Ui};
use plumb_bench::{Identity, PromptPreset};
use plumb_engine::look::BenchSeen;
use plumb_engine::{ImageMode, Scoring};

use super::state::{image_name, preset_name, scoring_name};
use super::{Evaluate, facet_list, runs, words};
use crate::cx::Cx;
use crate::picker::{self, Named};
use crate::theme::{palette, theme};
use crate::widgets;

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    ScrollArea::vertical().id_salt("setup").auto_shrink(false).show(ui, |ui| {
        picker::named(ui, cx, Named::Model, &mut state.setup.model);
        picker::named(ui, cx, Named::Adapter, &mut state.setup.adapter);
        let before = state.setup.bench.clone();
        picker::named(ui, cx, Named::Bench, &mut state.setup.bench);
        // Another benchmark is shown at once, and the run of the one before is not of it.
        if state.setup.bench != before {
            state.close_run();
        }
        identity(state, ui);
        choices(state, ui, cx);
        buttons(state, ui, cx);
        runs::ui(state, ui, cx);
        if let Some(data) = state.now.data.clone() {
            ui.separator();
            facet_list::ui(state, ui, &data);
        }
    });
}

/// What the benchmark is, by its content.
fn identity(state: &Evaluate, ui: &mut Ui) {
    let Some(data) = &state.now.data else {
        if let Some(error) = &state.now.bench_failed {
            widgets::failure(ui, error);
        } else {
            widgets::dim(ui, "Reading the benchmark…");
        }
        return;
    };
    let bench = data.bench.get();
    widgets::dim(ui, format!("{} samples · {}", words::count(bench.samples.len()), tasks(bench)));
    ui.horizontal_wrapped(|ui| {
        let p = palette(ui);
        match &bench.identity {
            Identity::Official { revision, parts, .. } => {
                ui.label(RichText::new("✔").color(p.right));
                let said = format!("published files, {}", parts.join(" and "));
                ui.label(said).on_hover_text(format!("Byte for byte those of revision {revision}"));
            }
            Identity::Unknown { why_not, .. } => {
                ui.label(RichText::new("–").color(p.warning));
                let about = format!("Its scores are its own and not CV-Bench's:\n{}", why_not.join("\n"));
                ui.label("not the published files").on_hover_text(about);
            }
        }
        let hash = RichText::new(words::short(&bench.sha256)).monospace().color(p.dim);
        let about = format!("SHA-256 {}\nClick to copy", bench.sha256);
        let label = egui::Label::new(hash).sense(egui::Sense::click());
        if ui.add(label).on_hover_text(about).clicked() {
            ui.copy_text(bench.sha256.clone());
        }
    });
    if !bench.rejected.is_empty() {
        let said = format!("{} rows cannot be used", words::count(bench.rejected.len()));
        let first: Vec<&str> = bench.rejected.iter().take(12).map(String::as_str).collect();
        ui.label(RichText::new(said).color(palette(ui).warning)).on_hover_text(first.join("\n"));
    }
}

fn tasks(bench: &BenchSeen) -> String {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for sample in &bench.samples {
        *counts.entry(sample.task.name()).or_default() += 1;
    }
    let named: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {}", words::count(*n))).collect();
    if named.len() > 6 { format!("{} tasks", named.len()) } else { named.join(", ") }
}

fn choices(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    let setup = &mut state.setup;
    let heading = RichText::new("How it is asked").small().color(palette(ui).dim);
    let said = format!("{}, {}", preset_name(setup.preset), scoring_name(setup.scoring));
    let shown = egui::CollapsingHeader::new(heading).id_salt("how").show(ui, |ui| {
        egui::Grid::new("choices").num_columns(2).spacing([8.0, 6.0]).show(ui, |ui| {
            pick(ui, "Prompt", &mut setup.preset, &PromptPreset::ALL, preset_name);
            pick(ui, "Scoring", &mut setup.scoring, &[Scoring::Loglik, Scoring::Generate], scoring_name);
            let images = [ImageMode::Full, ImageMode::Blind, ImageMode::Blank];
            pick(ui, "Pictures", &mut setup.image, &images, image_name);
            picker::device(ui, cx, &mut setup.device);
            ui.end_row();
            let label = widgets::dim(ui, "First rows");
            ui.horizontal(|ui| {
                let value = egui::DragValue::new(&mut setup.limit).range(0..=100_000_usize);
                ui.add(value).labelled_by(label.id).on_hover_text("Only this many rows; 0 for all");
                widgets::dim(ui, if setup.limit == 0 { "all" } else { "" });
            });
            ui.end_row();
            if setup.scoring == Scoring::Generate {
                let label = widgets::dim(ui, "Longest answer");
                let value =
                    egui::DragValue::new(&mut setup.max_tokens).range(1..=4096_usize).suffix(" tokens");
                ui.add(value).labelled_by(label.id);
                ui.end_row();
            }
        });
    });
    if shown.fully_closed() {
        widgets::dim(ui, said);
    }
}

fn pick<T: Copy + PartialEq>(
    ui: &mut Ui,
    title: &str,
    value: &mut T,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) {
    let label = widgets::dim(ui, title);
    let list = ComboBox::from_id_salt(title).selected_text(name(*value)).width(120.0).truncate();
    let shown = list.show_ui(ui, |ui| {
        for &other in all {
            ui.selectable_value(value, other, name(other));
        }
    });
    shown.response.labelled_by(label.id);
    ui.end_row();
}

fn buttons(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.add_space(theme().space.xs);
    let missing = state.setup.missing();
    let ready = missing.is_none();
    ui.horizontal_wrapped(|ui| {
        let title = if state.setup.image == ImageMode::Full { "Run" } else { "Run as set" };
        let run = widgets::primary(ui, title, ready).accessible_name("Run the evaluation");
        let run = run.on_hover_text("Run the benchmark on the model (Ctrl+Enter)");
        if run.on_disabled_hover_text(missing.unwrap_or_default()).clicked() {
            state.start(state.setup.image, cx);
        }
        let about = "The questions alone: a score that needs no picture says nothing about seeing";
        let blind = egui::Button::new("Run it without pictures");
        if ui.add_enabled(ready, blind).on_hover_text(about).clicked() {
            state.start_blind(cx);
        }
    });
    if let Some(missing) = missing {
        widgets::dim(ui, missing);
    }
}
