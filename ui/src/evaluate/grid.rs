//! Pictures side by side, asked for as they come into sight.

use egui::{Align2, Rect, ScrollArea, Sense, Ui, pos2, vec2};

use super::data::{Data, Verdict};
use super::pictures::{AS_IT_IS, Picture};
use super::{Evaluate, no_rows, table};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets;

/// Least side of a picture; they grow to fill the width.
const CELL: f32 = 132.0;
const CAPTION: f32 = 18.0;

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, _cx: &mut Cx<'_>) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    let order = state.now.order.clone();
    if order.is_empty() {
        return table::nothing(state, ui);
    }
    let gap = theme().space.s;
    ui.spacing_mut().item_spacing = vec2(gap, gap);
    let scroll_bar = ui.spacing().scroll.allocated_width();
    let width = ui.available_width() - scroll_bar + gap;
    let columns = ((width / (CELL + gap)).floor() as usize).max(1);
    let side = (width / columns as f32 - gap).floor().max(1.0);
    let height = side + CAPTION;
    let mut area = ScrollArea::vertical().id_salt("pictures").auto_shrink(false);
    if std::mem::take(&mut state.now.reveal)
        && let Some(at) = state.now.selected.and_then(|row| order.iter().position(|other| *other == row))
    {
        area = area.vertical_scroll_offset((at / columns) as f32 * (height + gap));
    }
    let mut clicked = None;
    area.show_rows(ui, height, order.len().div_ceil(columns), |ui, lines| {
        for line in lines {
            ui.horizontal(|ui| {
                for &at in order.iter().skip(line * columns).take(columns) {
                    if cell(state, ui, &data, at, side).clicked() {
                        clicked = Some(at);
                    }
                }
            });
        }
    });
    if clicked.is_some() {
        state.now.selected = clicked;
    }
}

fn cell(state: &mut Evaluate, ui: &mut Ui, data: &Data, at: usize, side: f32) -> egui::Response {
    let p = *palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(side, side + CAPTION), Sense::click());
    let (Some(sample), Some(row)) = (data.sample(at), data.rows.get(at)) else { return response };
    let said = format!("Sample {}, {}, {}", sample.id, sample.task.name(), row.verdict.name());
    let chosen = state.now.selected == Some(at);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, chosen, &said));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let frame = Rect::from_min_size(rect.min, vec2(side, side));
    let painter = ui.painter_at(rect.expand(2.0));
    painter.rect_filled(frame, 2.0, p.background);
    let failed = match state.now.pictures.get(&data.bench.get().path, sample.row, false) {
        Picture::Ready(texture, size) => {
            let (w, h) = (size[0].max(1) as f32, size[1].max(1) as f32);
            let fit = (side / w).min(side / h);
            let place = Rect::from_center_size(frame.center(), vec2(w * fit, h * fit));
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), place, whole, AS_IT_IS);
            None
        }
        Picture::Waiting => None,
        Picture::Failed(error) => {
            widgets::tag(&painter, frame.center(), Align2::CENTER_CENTER, "no picture", p.text, p.raised);
            Some(error)
        }
    };
    let mark = match row.verdict {
        Verdict::Right => Some(("✔", p.right)),
        Verdict::Wrong => Some(("✖", p.wrong)),
        Verdict::NotUnderstood => Some(("?", p.warning)),
        Verdict::Failed => Some(("⚠", p.warning)),
        Verdict::NotAsked => None,
    };
    if let Some((mark, colour)) = mark {
        widgets::tag(&painter, frame.right_top(), Align2::RIGHT_TOP, mark, colour, p.surface);
    }
    if row.flagged || row.noted {
        let flag = if row.flagged { "⚑" } else { "…" };
        widgets::tag(&painter, frame.left_top(), Align2::LEFT_TOP, flag, p.warning, p.surface);
    }
    let font = egui::FontId::proportional(theme().size.dense);
    let caption = format!("#{} {}", sample.id, sample.task.name());
    painter.text(pos2(rect.left(), frame.bottom() + 2.0), Align2::LEFT_TOP, caption, font, p.dim);
    if chosen || response.hovered() || response.has_focus() {
        let width = if chosen { 2.0 } else { 1.0 };
        let stroke = egui::Stroke::new(width, p.accent);
        painter.rect_stroke(frame, 2.0, stroke, egui::StrokeKind::Outside);
    }
    let hover = failed.unwrap_or_else(|| format!("{said}\n{}", sample.question));
    response.on_hover_text(hover)
}
