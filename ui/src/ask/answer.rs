//! The right pane: questions and their answers, and the next question.

use egui::{Frame, Margin, RichText, ScrollArea, TextEdit, Ui};

use super::{Ask, Step, marks, turn};
use crate::cx::Cx;
use crate::fields::sentence;
use crate::theme::{palette, theme};
use crate::widgets;

/// Most questions of a row.
const MOST: usize = 12;

/// Draws the pane.
pub(super) fn ui(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>) {
    let frame = Frame::new().inner_margin(Margin { top: theme().space.s as i8, ..Margin::ZERO });
    // Many steps do not push the answers out of the pane.
    let most = (ui.available_height() * 0.45).max(80.0);
    let shown = egui::Panel::bottom("ask question").frame(frame).show(ui, |ui| entry(ask, ui, cx, most));
    // A panel is as high as what was in it in the frame before: with more or less in it, it is right in the next one.
    let height = shown.response.rect.height();
    if (ask.entry_height - height).abs() > 0.5 {
        ask.entry_height = height;
        ui.ctx().request_repaint();
    }
    if ask.chat.turns.is_empty() && !ask.chat.is_busy() && ask.chat.failed.is_none() {
        let how = "Click an object in the picture or drag a box around it, then ask about it below.";
        return widgets::empty(ui, "Nothing was asked yet", how);
    }
    let (mut again, mut token) = (None, None);
    ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
        for (i, turn) in ask.chat.turns.iter().enumerate() {
            ui.push_id(i, |ui| {
                match turn::ui(ui, turn, ask.chat.is_busy(), &ask.heat, cx) {
                    Some(turn::Act::Again) => again = Some(i),
                    Some(turn::Act::Token(row)) => token = Some((i, row)),
                    None => {}
                }
                ui.separator();
            });
        }
        if ask.chat.is_preparing() {
            ui.horizontal(|ui| {
                ui.spinner();
                widgets::dim(ui, "The marks are drawn into a copy of the picture…");
            });
        }
        if let Some(error) = &ask.chat.failed {
            widgets::failure(ui, error);
        }
    });
    if let Some(i) = again {
        ask.again(i, cx);
    }
    if let Some((turn, row)) = token.and_then(|(i, row)| Some((ask.chat.turns.get(i)?, row)))
        && let Some(attention) = &turn.attention
    {
        ask.heat.show(attention, turn.source.clone(), row);
    }
}

/// The next questions, their fields not higher than `most`.
fn entry(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>, most: f32) {
    suggestions(ask, ui);
    super::picture::chips(ask, ui);
    let several = ask.steps.len() > 1;
    let marks = ask.marks.len();
    let added = std::mem::take(&mut ask.step_added).then(|| ask.steps.len().saturating_sub(1));
    ScrollArea::vertical().id_salt("steps").max_height(most).min_scrolled_height(most).show(ui, |ui| {
        let mut gone = None;
        for (i, step) in ask.steps.iter_mut().enumerate() {
            if several {
                ui.horizontal(|ui| {
                    widgets::dim(ui, format!("Step {}", i + 1));
                    let remove = ui.small_button("✖").accessible_name(format!("Take away step {}", i + 1));
                    if remove.clicked() {
                        gone = Some(i);
                    }
                });
            }
            let hint = if i == 0 { "Ask about the picture" } else { "{1} stands for the answer to step 1" };
            let edit = TextEdit::multiline(&mut step.question).hint_text(hint).desired_rows(2);
            let name = if several { format!("Question {}", i + 1) } else { "Question".to_owned() };
            let field = ui.add(edit.desired_width(f32::INFINITY)).accessible_name(name);
            if added == Some(i) {
                field.request_focus();
                field.scroll_to_me(None);
            }
            if ask.with_options {
                let edit = TextEdit::singleline(&mut step.options).hint_text("chair | table | lamp");
                let name = if several { format!("Options {}", i + 1) } else { "Options".to_owned() };
                ui.add(edit.desired_width(f32::INFINITY)).accessible_name(name);
            }
            // An empty field is no mistake before something is written.
            if let Some(why) = step.problem(i, marks).filter(|_| several || !step.question.trim().is_empty())
            {
                sentence(ui, &why);
            }
        }
        if let Some(i) = gone {
            ui.ctx().request_repaint();
            ask.steps.remove(i);
        }
    });
    ui.horizontal_wrapped(|ui| {
        let why = ask.problem();
        let send = widgets::primary(ui, "Ask", why.is_none());
        let send = send.on_hover_text("Ctrl+Enter");
        if send.on_disabled_hover_text(why.unwrap_or_default()).clicked() {
            ask.send(cx);
        }
        if ask.chat.is_busy() && ui.button("Stop").clicked() {
            ask.chat.stop(cx);
        }
        let hover = "The next question can use the answer to this one as {1}";
        let more = ui.add_enabled(ask.steps.len() < MOST, egui::Button::new("Add a step"));
        if more.on_hover_text(hover).clicked() {
            ask.steps.push(Step::default());
            ask.step_added = true;
            ui.ctx().request_repaint();
        }
        ui.checkbox(&mut ask.with_options, "Options")
            .on_hover_text("Choose among options instead of writing words");
        if !ask.chat.turns.is_empty() && !ask.chat.is_busy() && ui.button("Clear").clicked() {
            ask.chat.turns.clear();
            ask.heat.clear();
        }
    });
}

/// Questions that suit what is marked, where none is written.
fn suggestions(ask: &mut Ask, ui: &mut Ui) {
    let [step] = &mut ask.steps[..] else { return };
    if !step.question.trim().is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for question in marks::suggestions(ask.marks.len()) {
            let text = RichText::new(*question).small().color(palette(ui).dim);
            if ui.add(egui::Button::new(text)).on_hover_text("Take this question").clicked() {
                (*question).clone_into(&mut step.question);
            }
        }
    });
}
