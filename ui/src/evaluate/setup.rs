//! What is run on what, and the runs that are there.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};

use egui::{ComboBox, RichText, ScrollArea, TextEdit, Ui};
use plumb_bench::{Identity, PromptPreset};
use plumb_engine::look::{BenchSeen, Look, Seen};
use plumb_engine::{DeviceChoice, ImageMode, Scoring};

use super::state::{DEMO, Setup, image_name, preset_name, scoring_name};
use super::{Evaluate, facet_list, runs, words};
use crate::cx::Cx;
use crate::library::Loaded;
use crate::theme::{palette, theme};
use crate::widgets;

/// Which field a dialog is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Model,
    Adapter,
    Bench,
}

/// A field that is being typed into, and an open file dialog.
#[derive(Default)]
pub(super) struct Dialog {
    draft: Option<(Field, String)>,
    open: Option<(Field, Receiver<Option<PathBuf>>)>,
}

impl Dialog {
    /// Puts what was chosen into its field.
    pub(super) fn take(&mut self, setup: &mut Setup) {
        let Some((field, chosen)) = &self.open else { return };
        let path = match chosen.try_recv() {
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => None,
            Ok(path) => path,
        };
        if let Some(path) = path {
            let text = path.display().to_string();
            match field {
                Field::Model => setup.model = text,
                Field::Adapter => setup.adapter = text,
                Field::Bench => setup.bench = text,
            }
        }
        self.open = None;
    }

    fn choose(&mut self, field: Field, folder: bool, cx: &mut Cx<'_>) {
        let (to_window, chosen) = std::sync::mpsc::channel();
        let started = std::thread::Builder::new().name("plumb-dialog".into()).spawn(move || {
            let dialog = rfd::FileDialog::new();
            let path = match (field, folder) {
                (Field::Bench, false) => dialog
                    .set_title("Choose a benchmark")
                    .add_filter("Benchmarks", &["parquet", "jsonl", "json"])
                    .pick_file(),
                (Field::Bench, true) => dialog.set_title("Choose the folder of a benchmark").pick_folder(),
                (Field::Model, _) => dialog.set_title("Choose the folder of a model").pick_folder(),
                (Field::Adapter, _) => dialog.set_title("Choose the folder of an adapter").pick_folder(),
            };
            to_window.send(path).ok();
        });
        match started {
            Ok(_) => self.open = Some((field, chosen)),
            Err(error) => cx.fail(format!("No dialog can be opened: {error}")),
        }
    }
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    ScrollArea::vertical().id_salt("setup").auto_shrink(false).show(ui, |ui| {
        named(state, ui, cx, Field::Model);
        named(state, ui, cx, Field::Adapter);
        named(state, ui, cx, Field::Bench);
        identity(state, ui);
        choices(state, ui);
        buttons(state, ui, cx);
        runs::ui(state, ui, cx);
        if let Some(data) = state.now.data.clone() {
            ui.separator();
            facet_list::ui(state, ui, &data);
        }
    });
}

fn named(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>, field: Field) {
    let (title, hint, about) = match field {
        Field::Model => (
            "Model",
            "demo, organisation/name or a folder",
            "A name is looked up on the Hugging Face hub and downloaded once",
        ),
        Field::Adapter => (
            "Adapter",
            "none",
            "A small set of trained weights on top of the model; the folder of an adapter or of a training",
        ),
        Field::Bench => (
            "Benchmark",
            "demo or a parquet file",
            "Multiple-choice questions with pictures, with CV-Bench's columns",
        ),
    };
    let heading = RichText::new(title).small().color(palette(ui).dim);
    ui.label(heading).on_hover_text(about);
    let text = match field {
        Field::Model => &mut state.setup.model,
        Field::Adapter => &mut state.setup.adapter,
        Field::Bench => &mut state.setup.bench,
    };
    let before = text.clone();
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 74.0).max(60.0);
        let draft = &mut state.now.dialog.draft;
        let mut typed = match draft {
            Some((of, typed)) if *of == field => typed.clone(),
            _ => before.clone(),
        };
        let edit = TextEdit::singleline(&mut typed).hint_text(hint).desired_width(width);
        let shown = if before.is_empty() { "Nothing is chosen" } else { before.as_str() };
        let edit = ui.add(edit).on_hover_text(shown).accessible_name(title);
        // Half a path is not looked for.
        if edit.has_focus() {
            *draft = Some((field, typed));
        } else if draft.as_ref().is_some_and(|(of, _)| *of == field) {
            *draft = None;
            *text = typed;
        }
        let dialog = &mut state.now.dialog;
        let menu = ui.menu_button("Choose", |ui| {
            if ui.button("Demo").on_hover_text("What comes with the program").clicked() {
                DEMO.clone_into(text);
                ui.close();
            }
            if field == Field::Adapter && ui.button("None").clicked() {
                text.clear();
                ui.close();
            }
            if field == Field::Bench && ui.button("File…").clicked() {
                dialog.choose(field, false, cx);
                ui.close();
            }
            if ui.button("Folder…").clicked() {
                dialog.choose(field, true, cx);
                ui.close();
            }
        });
        menu.response.accessible_name(format!("Choose: {title}"));
    });
    // Another benchmark is shown at once, and the run of the one before is not of it.
    if field == Field::Bench && state.setup.bench != before {
        state.close_run();
    }
    if field == Field::Model && state.setup.model.trim() == DEMO {
        demo(ui, cx);
    }
}

/// Says where the demo pack is, or that it is not here.
fn demo(ui: &mut Ui, cx: &mut Cx<'_>) {
    match cx.look(&Look::Demo) {
        Loaded::Failed(error) => widgets::failure(ui, &error),
        Loaded::Ready(seen) => {
            if let Seen::Demo { model, .. } = &*seen {
                let about = format!("It knows rendered rooms, not photographs\n{}", model.display());
                widgets::dim(ui, "the demo model of a million parameters").on_hover_text(about);
            }
        }
        Loaded::Waiting => {}
    }
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

fn choices(state: &mut Evaluate, ui: &mut Ui) {
    let setup = &mut state.setup;
    let heading = RichText::new("How it is asked").small().color(palette(ui).dim);
    let said = format!("{}, {}", preset_name(setup.preset), scoring_name(setup.scoring));
    let shown = egui::CollapsingHeader::new(heading).id_salt("how").show(ui, |ui| {
        egui::Grid::new("choices").num_columns(2).spacing([8.0, 6.0]).show(ui, |ui| {
            pick(ui, "Prompt", &mut setup.preset, &PromptPreset::ALL, preset_name);
            pick(ui, "Scoring", &mut setup.scoring, &[Scoring::Loglik, Scoring::Generate], scoring_name);
            let images = [ImageMode::Full, ImageMode::Blind, ImageMode::Blank];
            pick(ui, "Pictures", &mut setup.image, &images, image_name);
            let mut devices = vec![DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu(None)];
            devices.extend((0..4).map(|n| DeviceChoice::Gpu(Some(n))));
            pick(ui, "Device", &mut setup.device, &devices, device_name);
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

fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "automatic",
        DeviceChoice::Cpu => "CPU",
        DeviceChoice::Gpu(None) => "GPU",
        DeviceChoice::Gpu(Some(0)) => "GPU 0",
        DeviceChoice::Gpu(Some(1)) => "GPU 1",
        DeviceChoice::Gpu(Some(2)) => "GPU 2",
        DeviceChoice::Gpu(Some(3)) => "GPU 3",
        DeviceChoice::Gpu(Some(_)) => "another GPU",
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
