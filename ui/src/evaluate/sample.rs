//! The chosen sample: its picture, the options with what the model gave each, prompt and answer word for word.

use egui::{Button, RichText, ScrollArea, TextEdit, Ui};
use plumb_bench::Sample;
use plumb_bench::sample::letter;
use plumb_engine::look::Answer;

use super::data::{self, Data, Row, Run, Verdict};
use super::viewer::{box_colour, box_words};
use super::{Evaluate, no_rows, place, rerun, state, table, words};
use crate::command::Command;
use crate::cx::{Cx, Wish};
use crate::theme::{palette, theme};
use crate::widgets;

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    let Some(at) = state.now.selected else {
        widgets::empty(ui, "No sample is chosen", "Click a row of the table or a picture, or press J.");
        return;
    };
    let (Some(sample), Some(row)) = (data.sample(at), data.rows.get(at).copied()) else { return };
    ScrollArea::vertical().id_salt("sample").auto_shrink(false).show(ui, |ui| {
        head(state, ui, cx, sample, row);
        picture(state, ui, &data, sample);
        ui.label(RichText::new(&sample.question).size(theme().size.title));
        options(ui, sample, row, data.answer(at));
        if let Some(answer) = data.answer(at) {
            said(ui, sample, answer);
        } else if !data.answered {
            widgets::dim(
                ui,
                "Run the benchmark to see what a model answers, or ask it this one sample below.",
            );
        }
        note(state, ui, &data, sample);
        rerun::ui(state, ui, cx, &data, at);
        about(ui, sample);
    });
}

fn head(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>, sample: &Sample, row: Row) {
    ui.horizontal_wrapped(|ui| {
        if row.verdict != Verdict::NotAsked {
            table::mark(ui, row.verdict);
        }
        ui.label(RichText::new(format!("#{}", sample.id)).heading());
        let mut parts = vec![sample.task.name().to_owned()];
        let source = [sample.source.as_str(), sample.sub_source().unwrap_or_default()];
        parts.extend(source.iter().filter(|s| !s.is_empty()).map(|s| (*s).to_owned()));
        parts.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        widgets::dim(ui, parts.join(" · "));
        let flagged = Button::new("⚑ Flag").selected(row.flagged);
        let about = if row.flagged { "Take the flag off (F)" } else { "Flag this sample (F)" };
        if ui.add(flagged).on_hover_text(about).clicked() {
            cx.wishes.push(Wish::Command(Command::FlagSample));
        }
    });
    ui.horizontal(|ui| {
        let order = &state.now.order;
        let at = state.now.selected.and_then(|row| order.iter().position(|other| *other == row));
        if ui.small_button("Previous").on_hover_text("Previous sample (K)").clicked() {
            cx.wishes.push(Wish::Command(Command::PreviousSample));
        }
        if ui.small_button("Next").on_hover_text("Next sample (J)").clicked() {
            cx.wishes.push(Wish::Command(Command::NextSample));
        }
        let said = match at {
            Some(at) => format!("{} of {}", words::count(at + 1), words::count(order.len())),
            None => "not among those shown".to_owned(),
        };
        widgets::dim(ui, said);
    });
}

fn picture(state: &mut Evaluate, ui: &mut Ui, data: &Data, sample: &Sample) {
    let bench = &data.bench.get().path;
    let texture = state.now.pictures.get(bench, sample.row, true);
    let named = box_words(&sample.question);
    let boxes: Vec<_> = sample
        .boxes
        .iter()
        .enumerate()
        .map(|(i, b)| {
            let name = named.get(i).copied();
            (*b, box_colour(name, i), name.unwrap_or_default().to_owned())
        })
        .collect();
    let viewer = &mut state.now.viewer;
    viewer.show(&bench.display().to_string(), sample.row);
    viewer.height = (ui.available_width() * 0.75).clamp(160.0, 520.0);
    viewer.ui(ui, &texture, &boxes, &format!("Picture of sample {}", sample.id));
    ui.horizontal(|ui| {
        if !boxes.is_empty() {
            ui.checkbox(&mut viewer.boxes, "Boxes");
        }
        if ui.add_enabled(!viewer.is_fitted(), Button::new("Fit").small()).clicked() {
            viewer.fit();
        }
        widgets::dim(ui, "scroll to zoom, drag to move");
    });
}

fn options(ui: &mut Ui, sample: &Sample, row: Row, answer: Option<&Answer>) {
    let probabilities = answer.and_then(|a| a.probabilities.as_deref());
    for (i, option) in sample.options.iter().enumerate() {
        let mut marks = Vec::new();
        if i == sample.gold {
            marks.push("right answer");
        }
        if row.chosen == Some(i) {
            marks.push("chosen");
        }
        bar(ui, i, option, &marks, probabilities.and_then(|p| p.get(i)).copied());
    }
}

/// An option with its probability as a bar.
pub(super) fn bar(ui: &mut Ui, at: usize, option: &str, marks: &[&str], probability: Option<f64>) {
    let p = *palette(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new(letter(at).to_string()).monospace().strong());
        ui.label(option);
        for mark in marks {
            let colour = if *mark == "right answer" { p.right } else { p.dim };
            ui.label(RichText::new(*mark).small().color(colour));
        }
        if let Some(probability) = probability {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(RichText::new(format!("{probability:.2}")).monospace());
            });
        }
    });
    if let Some(probability) = probability {
        let name = format!("Probability of {} {option}", letter(at));
        widgets::ShareBar { value: Some(probability), interval: None, ticks: &[], height: 6.0, name: &name }
            .ui(ui);
    }
}

fn said(ui: &mut Ui, sample: &Sample, answer: &Answer) {
    if let Some(error) = &answer.error {
        widgets::failure(ui, error);
    }
    ui.horizontal_wrapped(|ui| {
        if let Some(status) = answer.status {
            widgets::dim(ui, format!("Answer: {}", data::status(status)));
        }
        if let Some(seconds) = answer.seconds {
            widgets::dim(ui, format!("· {}", words::seconds(seconds)));
        }
    });
    if let Some(raw) = &answer.raw {
        quoted(ui, "Answer as it came", raw, true);
    }
    let prompt = answer.prompt.as_deref().unwrap_or(&sample.prompt);
    let title = if answer.prompt.is_some() { "Prompt as it was sent" } else { "Prompt of the benchmark" };
    quoted(ui, title, prompt, false);
}

/// Text word for word, which can be copied.
pub(super) fn quoted(ui: &mut Ui, title: &str, text: &str, open: bool) {
    let heading = RichText::new(title).small().color(palette(ui).dim);
    egui::CollapsingHeader::new(heading).id_salt(title).default_open(open).show(ui, |ui| {
        let mut shown = text;
        let field = TextEdit::multiline(&mut shown)
            .font(egui::TextStyle::Monospace)
            .desired_width(f32::INFINITY)
            .desired_rows(1);
        ui.add(field).accessible_name(title);
        if ui.small_button("Copy").accessible_name(format!("Copy: {title}")).clicked() {
            ui.copy_text(text.to_owned());
        }
    });
}

fn note(state: &mut Evaluate, ui: &mut Ui, data: &Data, sample: &Sample) {
    widgets::section(ui, "Your note");
    let kept = place(data.run.as_ref().map(Run::get), &data.bench);
    let mut note = state.notes.get(&kept, &sample.id);
    let field = TextEdit::multiline(&mut note.text)
        .id_salt(("note", &sample.id))
        .hint_text("What is wrong here?")
        .desired_width(f32::INFINITY)
        .desired_rows(1);
    if ui.add(field).accessible_name("Your note").changed() {
        let before = state.notes.get(&kept, &sample.id);
        let was_empty = before.text.trim().is_empty();
        let is_empty = note.text.trim().is_empty();
        state.notes.set(&kept, &sample.id, state::Note { flagged: before.flagged, text: note.text });
        // The rows are made anew where their mark changes, not with every letter.
        if was_empty != is_empty {
            state.now.noted += 1;
        }
    }
}

fn about(ui: &mut Ui, sample: &Sample) {
    let heading = RichText::new("About the sample").small().color(palette(ui).dim);
    egui::CollapsingHeader::new(heading).id_salt("about").show(ui, |ui| {
        let mut facts = vec![("File", sample.filename.clone()), ("Kind", sample.kind.name().to_owned())];
        facts.push(("Dataset", sample.source_dataset.clone()));
        facts.push(("From", sample.source_filename.clone()));
        facts.extend(sample.target_class.clone().map(|class| ("Class", class)));
        facts.extend(sample.target_size.map(|size| ("Size", format!("{size} pixels"))));
        facts.push(("Row", sample.row.to_string()));
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            ui.horizontal_wrapped(|ui| {
                widgets::dim(ui, *name);
                ui.label(value);
            });
        }
    });
}
