//! What is chosen of the attention, how it is divided, and what is under the pointer.

use egui::{Align2, Color32, Rect, RichText, Sense, Slider, Stroke, StrokeKind, Ui, pos2, vec2};
use plumb_engine::attention::{AskAttention, Frames, Shares};

use super::Source;
use super::heat::Heat;
use super::heat_map::{Cell, Made};
use super::view::Placed;
use crate::theme::{palette, theme};
use crate::widgets;

/// The switch of the picture's bar.
pub(super) fn switch(heat: &mut Heat, ui: &mut Ui) {
    let hover =
        "Show where in the picture an answer was read (A). Answers keep it from when it is switched on";
    ui.toggle_value(&mut heat.on, "Attention").on_hover_text(hover);
}

/// Draws the controls of what is switched on; whether the last question is to be asked again.
pub(super) fn ui(heat: &mut Heat, ui: &mut Ui, source: Option<&Source>, can_ask_again: bool) -> bool {
    let Some(attention) = heat.attention(source).cloned() else {
        let mut again = false;
        ui.horizontal_wrapped(|ui| {
            if can_ask_again {
                widgets::dim(ui, "The last answer was made without its attention.");
                again = ui.button("Ask it again with attention").clicked();
            } else {
                widgets::dim(ui, "The next answer about this picture will show where it was read.");
            }
        });
        return again;
    };
    let top = heat.made(ui.ctx(), source).map(|made| made.top);
    choices(heat, ui, &attention, top.unwrap_or_default());
    if let Some(made) = heat.made(ui.ctx(), source) {
        shares(ui, &made.shares, attention.has_tiles());
    }
    false
}

/// Width of a pane from which three sliders stand beside each other.
const WIDE: f32 = 480.0;

fn choices(heat: &mut Heat, ui: &mut Ui, attention: &AskAttention, top: f32) {
    let width = ui.available_width();
    // Beside a slider stand its name and its value.
    let each = if width < WIDE { width } else { width / 3.0 };
    ui.spacing_mut().slider_width = (each - 124.0).clamp(24.0, 120.0);
    let sliders = |ui: &mut Ui| {
        let hover = "Layers are worked through from the first to the last (J and K)";
        one_or_mean(ui, "Layer", hover, &mut heat.layer, attention.layers);
        let hover = "Each layer reads with several heads at once (U and I)";
        one_or_mean(ui, "Head", hover, &mut heat.head, attention.heads);
        if attention.rows > 1 {
            let slider = Slider::new(&mut heat.row, 0..=attention.rows - 1)
                .custom_formatter(|row, _| short(&token(attention, row as usize)))
                .custom_parser(|text| Some(text.trim().parse::<f64>().ok()? - 1.0));
            let hover = "The token of the answer whose making is shown (N and P); one in the answer can be clicked as well";
            named(ui, "Token", hover, slider);
        }
    };
    if width < WIDE {
        ui.vertical(sliders);
    } else {
        ui.horizontal(sliders);
    }
    ui.horizontal_wrapped(|ui| {
        if attention.has_tiles() {
            for (frames, text, hover) in [
                (
                    Frames::Both,
                    "Both",
                    "What the whole picture's cells get is spread evenly over the tiles' cells beneath",
                ),
                (Frames::Tiles, "Tiles", "The picture cut into pieces, which show details"),
                (Frames::Whole, "Whole picture", "The picture once more, small"),
            ] {
                ui.selectable_value(&mut heat.frames, frames, text).on_hover_text(hover);
            }
        }
        let slider = Slider::new(&mut heat.opacity, 0.0..=1.0).show_value(false);
        named(ui, "Opacity", "How much of the picture is covered", slider);
        scale(ui, top);
    });
}

/// A slider after its name; whether it was moved.
fn named(ui: &mut Ui, name: &str, hover: &str, slider: Slider<'_>) -> bool {
    ui.horizontal(|ui| {
        let label = widgets::dim(ui, name);
        ui.add(slider).labelled_by(label.id).accessible_name(name).on_hover_text(hover).changed()
    })
    .inner
}

/// A slider whose lowest place is the mean of all.
fn one_or_mean(ui: &mut Ui, name: &str, hover: &str, value: &mut Option<usize>, all: usize) {
    let mut place = value.map_or(0, |value| value + 1);
    let slider = Slider::new(&mut place, 0..=all)
        .custom_formatter(|place, _| match place as usize {
            0 => "mean".to_owned(),
            place => place.to_string(),
        })
        .custom_parser(|text| if text.trim() == "mean" { Some(0.0) } else { text.trim().parse().ok() });
    if named(ui, name, hover, slider) {
        *value = place.checked_sub(1);
    }
}

/// So much of a token that it does not push other things away.
fn short(token: &str) -> String {
    const MOST: usize = 7;
    if token.chars().count() <= MOST {
        token.to_owned()
    } else {
        token.chars().take(MOST - 1).chain(['…']).collect()
    }
}

/// A token of the answer as it is shown.
pub(super) fn token(attention: &AskAttention, row: usize) -> String {
    match attention.tokens.get(row).map(|text| text.trim()) {
        Some("") => "·".to_owned(),
        Some(text) => text.to_owned(),
        None if attention.ended => "(end)".to_owned(),
        None => "(what follows)".to_owned(),
    }
}

/// The tokens of an answer, the shown one lit; the one that was clicked.
pub(super) fn tokens(ui: &mut Ui, attention: &AskAttention, lit: Option<usize>) -> Option<usize> {
    let mut clicked = None;
    widgets::section(ui, "Show where a token was read");
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for row in 0..attention.rows {
            let text = token(attention, row);
            let label = ui.selectable_label(lit == Some(row), RichText::new(&text).monospace());
            if label.accessible_name(format!("Token {}: {text}", row + 1)).clicked() {
                clicked = Some(row);
            }
        }
    });
    if attention.rows <= attention.tokens.len() {
        widgets::dim(
            ui,
            format!("Only the first {} tokens have theirs kept: the answer is long", attention.rows),
        );
    }
    clicked
}

/// How the token's attention is divided, in numbers and as a bar.
fn shares(ui: &mut Ui, shares: &Shares, tiles: bool) {
    let p = palette(ui);
    let data = &theme().data;
    let parts = [
        ("Picture", shares.image(), data.orange, "What went to the picture's tokens"),
        ("Words", shares.text, data.sky, "What went to the question and the marks around the picture"),
        (
            "First token",
            shares.first,
            p.dim,
            "Heads that have nothing to read rest on the very first token; it says nothing about the picture",
        ),
        ("Answer", shares.answer, data.green, "What went to the answer so far"),
    ];
    let width = ui.available_width().max(40.0);
    let (rect, bar) = ui.allocate_exact_size(vec2(width, 8.0), Sense::hover());
    let mut left = rect.left();
    for (_, share, colour, _) in &parts {
        let right = (left + rect.width() * share.clamp(0.0, 1.0)).min(rect.right());
        ui.painter().rect_filled(
            Rect::from_min_max(pos2(left, rect.top()), pos2(right, rect.bottom())),
            0.0,
            *colour,
        );
        left = right;
    }
    let said: Vec<String> =
        parts.iter().map(|(name, share, ..)| format!("{name} {}", percent(*share))).collect();
    let said = format!("Of this token's attention: {}", said.join(", "));
    bar.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &said));
    ui.horizontal_wrapped(|ui| {
        for (name, share, colour, hover) in parts {
            let (chip, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
            ui.painter().rect_filled(chip, 1.0, colour);
            let mut text = format!("{name} {}", percent(share));
            if name == "Picture" && tiles {
                text.push_str(&format!(
                    " (tiles {}, whole {})",
                    percent(shares.tiles),
                    percent(shares.whole)
                ));
            }
            ui.add(egui::Label::new(RichText::new(text).small()).extend()).on_hover_text(hover);
        }
    });
}

/// What the colours mean.
fn scale(ui: &mut Ui, top: f32) {
    const STEPS: usize = 24;
    let hover =
        "The brightest cell of this map. Every map has a scale of its own: compare numbers, not colours.";
    let (rect, ramp) = ui.allocate_exact_size(vec2(64.0, 8.0), Sense::hover());
    let at = |i: usize| rect.left() + rect.width() * i as f32 / STEPS as f32;
    for i in 0..STEPS {
        let part = Rect::from_min_max(pos2(at(i), rect.top()), pos2(at(i + 1), rect.bottom()));
        let [r, g, b] = plumb_viewer::sequential(i as f32 / (STEPS - 1) as f32);
        ui.painter().rect_filled(part, 0.0, Color32::from_rgb(r, g, b));
    }
    ui.painter().rect_stroke(rect, 0.0, Stroke::new(1.0, palette(ui).line), StrokeKind::Outside);
    ramp.on_hover_text(hover);
    let text = RichText::new(format!("0 to {} a cell", percent(top))).small();
    ui.add(egui::Label::new(text).extend()).on_hover_text(hover);
}

/// What the cell under the pointer got.
pub(super) fn under(ui: &Ui, made: &Made, placed: Placed, at: egui::Pos2, clip: Rect) -> Option<Cell> {
    let cell = made.cell(placed.to_picture(at))?;
    let p = palette(ui);
    let painter = ui.painter_at(clip);
    painter.rect_stroke(placed.rect(cell.rect), 0.0, Stroke::new(1.0, p.accent), StrokeKind::Inside);
    let text = format!("{} · {}", percent(cell.value), cell.frame);
    // Away from the edge that it would be cut at.
    let right = at.x + 220.0 > clip.right();
    let (align, by) = if right { (Align2::RIGHT_TOP, -12.0) } else { (Align2::LEFT_TOP, 12.0) };
    widgets::tag(&painter, at + vec2(by, 14.0), align, &text, p.text, p.background.gamma_multiply(0.9));
    Some(cell)
}

/// A share in words: two figures, and no false zero.
pub(super) fn percent(share: f32) -> String {
    let percent = share * 100.0;
    match percent {
        p if !p.is_finite() => "?".to_owned(),
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.01 => "< 0.01 %".to_owned(),
        p if p < 1.0 => format!("{p:.2} %"),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}
