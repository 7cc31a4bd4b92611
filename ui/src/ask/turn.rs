//! One question and its answer.

use egui::{RichText, Ui};
use plumb_engine::AskOutcome;

use super::chat::Turn;
use super::geometry::{Fact, against, length};
use super::heat::Heat;
use super::heat_bar;
use super::quantity::{self, Quantity};
use crate::cx::{Cx, Wish};
use crate::theme::{palette, theme};
use crate::widgets::{self, ShareBar};

/// What the person wants of a turn.
pub(super) enum Act {
    /// Ask it again.
    Again,
    /// Show where this token of its answer was read.
    Token(usize),
}

/// Draws it.
pub(super) fn ui(ui: &mut Ui, turn: &Turn, busy: bool, heat: &Heat, cx: &mut Cx<'_>) -> Option<Act> {
    let p = palette(ui);
    if let Some((step, all)) = turn.step {
        widgets::dim(ui, format!("Step {step} of {all}"));
    }
    let question = ui.add(egui::Label::new(RichText::new(&turn.question).strong()).wrap());
    if turn.sent != turn.question {
        question.on_hover_text(&turn.sent);
    }
    if turn.source.is_none() {
        widgets::dim(ui, "asked without a picture");
    }
    if let Some(error) = &turn.error {
        widgets::failure(ui, error);
    }
    match &turn.outcome {
        Some(outcome) if !outcome.options.is_empty() => options(ui, outcome),
        _ => {
            let text = if turn.text.trim().is_empty() && turn.outcome.is_some() {
                "(nothing)"
            } else {
                turn.text.trim()
            };
            ui.add(egui::Label::new(text).wrap());
        }
    }
    if turn.is_going() {
        ui.horizontal(|ui| {
            ui.spinner();
            widgets::dim(ui, if turn.text.is_empty() { "Looking…" } else { "Writing…" });
        });
        return None;
    }
    let said = turn.outcome.as_ref().and_then(|outcome| quantity::find(&outcome.answer));
    if let Some(quantity) = said {
        let text = RichText::new(quantity.text()).monospace().size(theme().size.title).color(p.text);
        ui.add(egui::Label::new(text).wrap());
    }
    facts(ui, &turn.facts, said);
    if let Some(outcome) = &turn.outcome {
        details(ui, outcome, &turn.sent);
    }
    let mut act = None;
    if let Some(attention) = turn.attention.as_ref().filter(|_| heat.on) {
        let lit = heat.is_shown(attention).then_some(heat.row);
        act = heat_bar::tokens(ui, attention, lit).map(Act::Token);
    }
    ui.horizontal(|ui| {
        if ui.add_enabled(!busy, egui::Button::new("Ask again").small()).clicked() {
            act = Some(Act::Again);
        }
        if turn.outcome.is_some() && ui.small_button("Copy").on_hover_text("The answer").clicked() {
            ui.copy_text(turn.text.trim().to_owned());
            cx.wishes.push(Wish::Said("The answer is in the clipboard".to_owned()));
        }
    });
    act
}

/// The options with how likely each is.
fn options(ui: &mut Ui, outcome: &AskOutcome) {
    for option in &outcome.options {
        let chosen = option.text == outcome.answer;
        let text = format!("{} {}", if chosen { "▶" } else { "  " }, option.text);
        ui.horizontal(|ui| {
            let text = if chosen { RichText::new(text).strong() } else { RichText::new(text) };
            ui.add(egui::Label::new(text).wrap());
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.monospace(format!("{:.1} %", option.probability * 100.0));
            });
        });
        let bar = ShareBar {
            value: Some(option.probability),
            interval: None,
            ticks: &[(1.0 / outcome.options.len().max(1) as f64, "guessing")],
            height: 8.0,
            name: &option.text,
        };
        bar.ui(ui);
    }
}

/// What the scene has measured, beside what the model says.
fn facts(ui: &mut Ui, facts: &[Fact], said: Option<Quantity>) {
    if facts.is_empty() {
        return;
    }
    widgets::section(ui, "Measured in the scene");
    for fact in facts {
        ui.horizontal_wrapped(|ui| {
            ui.label(&fact.text);
            if let Some((metres, sigma)) = fact.metres {
                ui.monospace(length(metres, sigma));
            }
        });
        if let (true, Some((metres, sigma)), Some(Quantity::Length(answer))) = (fact.chief, fact.metres, said)
        {
            widgets::dim(
                ui,
                format!("The answer: {}", against(answer.metres, answer.tolerance, metres, sigma)),
            );
        }
    }
}

fn details(ui: &mut Ui, outcome: &AskOutcome, sent: &str) {
    egui::CollapsingHeader::new(RichText::new("How it was answered").small()).show_unindented(ui, |ui| {
        let s = outcome.seconds;
        let f = &outcome.fingerprint;
        egui::Grid::new("details").num_columns(2).show(ui, |ui| {
            let hash = |text: &str| text.chars().take(12).collect::<String>();
            for (name, value) in [
                ("Seeing", format!("{:.2} s, {} frames", s.vision, outcome.frames)),
                ("Reading", format!("{:.2} s, {} tokens", s.prompt, outcome.prompt_tokens)),
                ("Answering", format!("{:.2} s, {} tokens", s.answer, outcome.answer_tokens)),
                ("Model", format!("{} {}", f.model, hash(&f.model_sha256))),
                (
                    "Adapter",
                    f.adapter.as_ref().map_or_else(
                        || "none".to_owned(),
                        |adapter| {
                            format!("{adapter} {}", hash(f.adapter_sha256.as_deref().unwrap_or_default()))
                        },
                    ),
                ),
                ("Device", format!("{} {}, weights {}", f.backend, f.device, f.dtype)),
                ("Pictures", format!("{} pixels, {}", f.longest_edge, f.image_pipeline)),
                ("Program", f.version.clone()),
            ] {
                widgets::dim(ui, name);
                ui.add(egui::Label::new(RichText::new(value).monospace()).wrap());
                ui.end_row();
            }
        });
        widgets::section(ui, "The question as it was sent");
        ui.add(egui::Label::new(RichText::new(sent).monospace()).wrap());
        widgets::section(ui, "The prompt as the model read it");
        ui.add(egui::Label::new(RichText::new(&outcome.prompt).monospace()).wrap());
        if ui.small_button("Copy").accessible_name("Copy the prompt").clicked() {
            ui.copy_text(outcome.prompt.clone());
        }
    });
}
