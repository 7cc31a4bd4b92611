//! Small parts that several panes are made of.

use egui::{Align2, Color32, FontId, Rect, Response, RichText, Sense, Stroke, Ui, pos2, vec2};

use crate::library::Loaded;
use crate::theme::{palette, theme};

/// A quiet heading above a group of fields.
pub fn section(ui: &mut Ui, title: &str) {
    ui.add_space(theme().space.xs);
    ui.label(RichText::new(title).small().color(palette(ui).dim));
}

/// Text of less weight.
pub fn dim(ui: &mut Ui, text: impl Into<String>) -> Response {
    let colour = palette(ui).dim;
    ui.label(RichText::new(text).color(colour))
}

/// What an empty pane says: what would be here, and how it comes.
pub fn empty(ui: &mut Ui, what: &str, how: &str) {
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.35).clamp(theme().space.l, 200.0));
        ui.label(RichText::new(what).heading());
        dim(ui, how);
    });
}

/// Draws what `loaded` has, or says how far it is.
pub fn loaded<R>(
    ui: &mut Ui,
    what: &Loaded,
    draw: impl FnOnce(&mut Ui, &plumb_engine::look::Seen) -> R,
) -> Option<R> {
    match what {
        Loaded::Ready(seen) => Some(draw(ui, seen)),
        Loaded::Waiting => {
            ui.horizontal(|ui| {
                ui.spinner();
                dim(ui, "Reading…");
            });
            None
        }
        Loaded::Failed(error) => {
            failure(ui, error);
            None
        }
    }
}

/// A sentence about what went wrong, which can be copied.
pub fn failure(ui: &mut Ui, sentence: &str) {
    let colour = palette(ui).wrong;
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("⚠").color(colour));
        ui.label(sentence);
    });
    if ui.small_button("Copy details").clicked() {
        ui.copy_text(sentence.to_owned());
    }
}

/// The one button of a pane that matters most.
pub fn primary(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    let p = palette(ui);
    let button = egui::Button::new(RichText::new(text).color(p.on_accent)).fill(p.accent);
    ui.add_enabled(enabled, button)
}

/// A mark that tells right from wrong by shape, with colour beside it.
pub fn verdict(ui: &mut Ui, correct: Option<bool>) -> Response {
    let p = palette(ui);
    let (mark, colour, name) = match correct {
        Some(true) => ("✔", p.right, "right"),
        Some(false) => ("✖", p.wrong, "wrong"),
        None => ("–", p.dim, "no answer"),
    };
    ui.label(RichText::new(mark).color(colour)).on_hover_text(name)
}

/// A share from 0 to 1 as a bar with its interval and ticks for what guessing gives.
pub struct ShareBar<'a> {
    pub value: Option<f64>,
    /// The ends of its interval.
    pub interval: Option<(f64, f64)>,
    /// Ticks: where, and what is said of it on hover.
    pub ticks: &'a [(f64, &'a str)],
    pub height: f32,
    pub name: &'a str,
}

impl ShareBar<'_> {
    /// Draws it over the width that there is.
    pub fn ui(self, ui: &mut Ui) -> Response {
        let p = *palette(ui);
        let size = vec2(ui.available_width().max(40.0), self.height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        let at = |v: f64| rect.left() + rect.width() * v.clamp(0.0, 1.0) as f32;
        let painter = ui.painter_at(rect.expand(2.0));
        let radius = theme().space.radius / 2.0;
        painter.rect_filled(rect, radius, p.line.gamma_multiply(0.6));
        if let Some(value) = self.value {
            let bar = Rect::from_min_max(rect.min, pos2(at(value), rect.bottom()));
            painter.rect_filled(bar, radius, p.accent.gamma_multiply(0.55));
        }
        if let Some((low, high)) = self.interval {
            let y = rect.center().y;
            painter.line_segment([pos2(at(low), y), pos2(at(high), y)], Stroke::new(2.0, p.text));
            for end in [low, high] {
                let x = at(end);
                painter.line_segment([pos2(x, y - 3.0), pos2(x, y + 3.0)], Stroke::new(1.5, p.text));
            }
        }
        for (i, (where_, _)) in self.ticks.iter().enumerate() {
            let x = at(*where_);
            let colour = if i == 0 { p.dim } else { p.warning };
            painter.line_segment([pos2(x, rect.top()), pos2(x, rect.bottom())], Stroke::new(2.0, colour));
        }
        let mut said = match self.value {
            Some(value) => format!("{}: {:.1} %", self.name, value * 100.0),
            None => format!("{}: no score", self.name),
        };
        if let Some((low, high)) = self.interval {
            said.push_str(&format!(", 95 % interval {:.1} to {:.1} %", low * 100.0, high * 100.0));
        }
        for (where_, name) in self.ticks {
            said.push_str(&format!("\n{name} {:.1} %", where_ * 100.0));
        }
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &said));
        response.on_hover_text(said)
    }
}

/// Text in a corner of a picture, on a ground that keeps it readable.
pub fn tag(
    painter: &egui::Painter,
    at: egui::Pos2,
    align: Align2,
    text: &str,
    ink: Color32,
    ground: Color32,
) {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(theme().size.dense), ink);
    let rect = align.anchor_size(at, galley.size() + vec2(6.0, 2.0));
    painter.rect_filled(rect, 2.0, ground);
    painter.galley(rect.min + vec2(3.0, 1.0), galley, ink);
}
