//! What is asked about the scene: a list of any length, filtered, judged, with the proof of the one that is open.

use std::collections::BTreeSet;

use egui::{Align, Button, ComboBox, Rect, RichText, ScrollArea, Ui, UiBuilder, pos2, vec2};
use plumb_qa::{FactName, Kind, QaPair};

use super::asked::{Asked, Judged};
use super::details::spread;
use super::{SceneView, Verdict};
use crate::command::Command;
use crate::cx::{Cx, Wish};
use crate::library::Loaded;
use crate::theme::palette;
use crate::widgets;

impl SceneView {
    /// Opens a question and chooses its objects.
    fn open_question(&mut self, key: Option<u64>) {
        self.chosen.question = key;
        let Some(pair) = key.and_then(|key| self.asked.find(key)) else { return };
        // With the list cut to what is chosen, choosing others would empty it.
        if !self.asked.filter.of_chosen {
            let mut seen = BTreeSet::new();
            let objects = pair.question.objects.iter().copied().filter(|id| seen.insert(*id));
            self.chosen.objects = objects.take(2).collect();
        }
        self.view.focus_soon();
    }

    /// Goes to the next question of the list, or to the one before.
    pub(super) fn step_question(&mut self, step: isize) {
        if let Some(next) = self.asked.beside(self.chosen.question, step) {
            self.open_question(Some(next));
            self.asked.show_open = true;
        }
    }

    /// Judges the open question and goes on to the next.
    pub(super) fn judge(&mut self, verdict: Verdict) {
        let Some(key) = self.chosen.question else { return };
        let next = self.asked.beside(Some(key), 1);
        self.set_verdict(key, Some(verdict));
        if next.is_some() {
            self.open_question(next);
            self.asked.show_open = true;
        }
    }

    fn verdict(&self, key: u64) -> Option<Verdict> {
        self.verdicts.get(&self.seen()?.scene.id)?.get(&key).copied()
    }

    fn set_verdict(&mut self, key: u64, verdict: Option<Verdict>) {
        let Some(id) = self.seen().map(|seen| seen.scene.id.clone()) else { return };
        let of_scene = self.verdicts.entry(id).or_default();
        match verdict {
            Some(verdict) => of_scene.insert(key, verdict),
            None => of_scene.remove(&key),
        };
        self.judgements += 1;
    }
}

/// The list with what is above it.
pub(super) fn ui(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>, loaded: &Loaded) {
    let count = state.asked.len();
    header(state, ui, cx, count);
    if count == 0 {
        widgets::loaded(ui, loaded, |ui, _| widgets::dim(ui, "No questions were made of this scene"));
        return;
    }
    filters(state, ui);
    if state.asked.listed() == 0 {
        widgets::dim(ui, "No question is of this kind");
        return;
    }
    rows(state, ui, cx);
}

fn header(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>, count: usize) {
    let (accepted, rejected) = (state.asked.accepted, state.asked.rejected);
    ui.horizontal_wrapped(|ui| {
        let mut title = format!("{count} questions");
        if accepted + rejected > 0 {
            title.push_str(&format!(" · {accepted} accepted · {rejected} rejected"));
        }
        widgets::dim(ui, title);
        if count == 0 {
            return;
        }
        ui.menu_button("Export", |ui| {
            let accept = ui.add_enabled(accepted > 0, Button::new(format!("The {accepted} accepted")));
            if accept.on_disabled_hover_text("No question was accepted yet").clicked() {
                state.export(true, cx);
                ui.close();
            }
            let kept = count.saturating_sub(rejected);
            if ui.add_enabled(kept > 0, Button::new(format!("All {kept} but the rejected"))).clicked() {
                state.export(false, cx);
                ui.close();
            }
        })
        .response
        .on_hover_text("Writes questions as a data set beside the runs");
    });
}

/// `mc_relation` is "relation, with options" to people.
fn title(kind: Kind) -> String {
    let name = kind.name();
    match name.strip_prefix("mc_") {
        Some(rest) => format!("{}, with options", rest.replace('_', " ")),
        None => name.replace('_', " "),
    }
}

fn filters(state: &mut SceneView, ui: &mut Ui) {
    let some_chosen = !state.chosen.objects.is_empty();
    let Asked { kinds, filter, .. } = &mut state.asked;
    ui.horizontal_wrapped(|ui| {
        let shown = filter.kind.map_or_else(|| "Every kind".to_owned(), title);
        let kind = ComboBox::from_id_salt("kind of question").width(92.0).truncate().selected_text(shown);
        let kind = kind.show_ui(ui, |ui| {
            ui.selectable_value(&mut filter.kind, None, "Every kind");
            for (kind, count) in kinds {
                ui.selectable_value(&mut filter.kind, Some(*kind), format!("{} ({count})", title(*kind)));
            }
        });
        kind.response.accessible_name("Kind of question");
        let judged = ComboBox::from_id_salt("judged").width(64.0).selected_text(filter.judged.title());
        let judged = judged.show_ui(ui, |ui| {
            for judged in Judged::ALL {
                ui.selectable_value(&mut filter.judged, judged, judged.title());
            }
        });
        judged.response.accessible_name("Judged");
        let only = ui.add_enabled(
            some_chosen || filter.of_chosen,
            egui::Checkbox::new(&mut filter.of_chosen, "Of the chosen"),
        );
        only.on_hover_text("Only questions about all objects that are chosen")
            .on_disabled_hover_text("Choose an object first");
    });
}

/// Only the rows in view are laid out: every row has one line but the open one, whose height is that of the frame before.
fn rows(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>) {
    // The list is out of the state while its rows change the state.
    let mut asked = std::mem::take(&mut state.asked);
    let height = ui.spacing().interact_size.y + ui.spacing().item_spacing.y;
    let open = state.chosen.question.and_then(|key| asked.row_of(key));
    let extra = if open.is_some() { asked.extra } else { 0.0 };
    let top_of =
        |row: usize| row as f32 * height + if open.is_some_and(|open| row > open) { extra } else { 0.0 };
    let mut measured = asked.extra;
    let (mut clicked, mut verdict) = (None, None);
    ScrollArea::vertical().id_salt("questions").auto_shrink([false, false]).show_viewport(
        ui,
        |ui, viewport| {
            let count = asked.listed();
            ui.set_height(top_of(count));
            let area = ui.max_rect();
            let rect_of = |row: usize| {
                let tall = if open == Some(row) { height + extra } else { height };
                Rect::from_min_size(pos2(area.left(), area.top() + top_of(row)), vec2(area.width(), tall))
            };
            if asked.show_open
                && let Some(open) = open
            {
                ui.scroll_to_rect(rect_of(open), None);
            }
            let first = ((viewport.min.y - extra).max(0.0) / height) as usize;
            let last = ((viewport.max.y / height) as usize + 2).min(count);
            for row in first..last {
                let rect = rect_of(row);
                let outside =
                    rect.bottom() < area.top() + viewport.min.y || rect.top() > area.top() + viewport.max.y;
                let (Some((key, pair)), false) = (asked.row(row), outside) else { continue };
                let builder = UiBuilder::new().max_rect(rect).id_salt(("question", row, key));
                let mut ui = ui.new_child(builder.layout(egui::Layout::top_down(Align::Min)));
                let own = state.verdict(key);
                let is_open = open == Some(row);
                if line(&mut ui, pair, own, is_open) {
                    clicked = Some((!is_open).then_some(key));
                }
                if is_open {
                    verdict = proof(&mut ui, pair, own, cx);
                    measured = (ui.min_rect().height() + ui.spacing().item_spacing.y - height).max(0.0);
                }
            }
        },
    );
    if (measured - asked.extra).abs() > 0.5 {
        asked.extra = measured;
        ui.ctx().request_repaint();
    } else {
        asked.show_open = false;
    }
    state.asked = asked;
    if let Some(key) = clicked {
        state.open_question(key);
    }
    if let (Some(verdict), Some(key)) = (verdict, state.chosen.question) {
        state.set_verdict(key, verdict);
    }
}

/// One line, or all of the words of the open one; whether it was clicked.
fn line(ui: &mut Ui, pair: &QaPair, verdict: Option<Verdict>, open: bool) -> bool {
    let p = palette(ui);
    ui.horizontal_top(|ui| {
        let (mark, colour) = match verdict {
            Some(Verdict::Accepted) => ("✔", p.right),
            Some(Verdict::Rejected) => ("✖", p.wrong),
            None => (" ", p.dim),
        };
        ui.add_sized(vec2(12.0, 12.0), egui::Label::new(RichText::new(mark).small().color(colour)));
        let mut text = RichText::new(&pair.question_text);
        if verdict == Some(Verdict::Rejected) {
            text = text.strikethrough().color(p.dim);
        }
        let button = Button::selectable(open, text).frame(open);
        if open {
            ui.add(button.wrap()).clicked()
        } else {
            ui.add(button.truncate()).on_hover_text(&pair.question_text).clicked()
        }
    })
    .inner
}

/// The answer of the open question, its steps and facts. A verdict that was clicked.
fn proof(ui: &mut Ui, pair: &QaPair, verdict: Option<Verdict>, cx: &mut Cx<'_>) -> Option<Option<Verdict>> {
    let mut clicked = None;
    ui.indent("proof", |ui| {
        ui.label(RichText::new(&pair.answer_text).strong());
        for step in &pair.steps {
            widgets::dim(ui, step.as_str());
        }
        if !pair.proof.facts.is_empty() {
            widgets::dim(ui, facts(pair));
        }
        ui.horizontal(|ui| {
            for (own, name, key) in [(Verdict::Accepted, "Accept", "Y"), (Verdict::Rejected, "Reject", "X")] {
                let hover = format!("{key} does it and goes on to the next question");
                if ui.selectable_label(verdict == Some(own), name).on_hover_text(hover).clicked() {
                    clicked = Some((verdict != Some(own)).then_some(own));
                }
            }
            for (name, command) in [("Previous", Command::QuestionPrevious), ("Next", Command::QuestionNext)]
            {
                if ui.small_button(name).clicked() {
                    cx.wishes.push(Wish::Command(command));
                }
            }
        });
    });
    clicked
}

/// The quantities that decide, each with its unit: `width 44 cm · width 51 cm · difference 7 cm`.
fn facts(pair: &QaPair) -> String {
    let mut before = Of::Length;
    let said = pair.proof.facts.iter().map(|fact| {
        let of = match fact.name {
            FactName::Volume => Of::Plain(" m³"),
            FactName::Bearing => Of::Plain("°"),
            FactName::Count | FactName::Ratio => Of::Plain(""),
            FactName::PixelX | FactName::PixelY => Of::Plain(" px"),
            // Of what it is the difference of.
            FactName::Difference => before,
            _ => Of::Length,
        };
        before = of;
        let name = serde_json::to_value(fact.name).ok();
        let name = name.as_ref().and_then(|v| v.as_str()).unwrap_or("fact").replace('_', " ");
        match of {
            Of::Length => format!("{name} {}", spread(fact.value, fact.sigma)),
            Of::Plain(unit) if fact.sigma > 0.0 => {
                format!("{name} {:.2} ± {:.2}{unit}", fact.value, 2.0 * fact.sigma)
            }
            Of::Plain(unit) if fact.value.fract() == 0.0 => format!("{name} {:.0}{unit}", fact.value),
            Of::Plain(unit) => format!("{name} {:.2}{unit}", fact.value),
        }
    });
    said.collect::<Vec<_>>().join(" · ")
}

/// What a number counts.
#[derive(Clone, Copy)]
enum Of {
    Length,
    Plain(&'static str),
}
