//! The facets as lists of bars: a click keeps the rows of a value.

use egui::{Rect, Sense, Ui, pos2, vec2};

use super::data::Data;
use super::facets::{Column, Count, Facet, Filter, NONE};
use super::{Evaluate, words};
use crate::theme::{palette, theme};
use crate::widgets;

/// Values of a facet that are listed before the rest is asked for.
const LISTED: usize = 10;

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, data: &Data) {
    let found = state.now.found.clone();
    ui.horizontal(|ui| {
        widgets::section(ui, "Samples");
        let (some, all) = (words::count(found.rows.len()), words::count(data.rows.len()));
        widgets::dim(ui, if found.rows.len() == data.rows.len() { all } else { format!("{some} of {all}") });
        if !state.now.filter.is_empty() && ui.small_button("Show all").clicked() {
            state.now.filter = Filter::default();
        }
    });
    let search = egui::TextEdit::singleline(&mut state.now.filter.text)
        .hint_text("Search the questions")
        .desired_width(f32::INFINITY);
    ui.add(search).accessible_name("Search the questions");
    for (column, counts) in data.columns.iter().zip(&found.counts) {
        let wanted = state.now.filter.values.contains_key(&column.facet);
        // What is the same for all rows chooses nothing.
        let tells = column.values.len() > 1 || (column.values.len() == 1 && column.codes.contains(&NONE));
        if wanted || tells {
            facet(state, ui, column, counts, data.answered);
        }
    }
}

fn facet(state: &mut Evaluate, ui: &mut Ui, column: &Column, counts: &[Count], answered: bool) {
    let facet = column.facet;
    let header =
        egui::CollapsingHeader::new(egui::RichText::new(facet.title()).small().color(palette(ui).dim))
            .id_salt(("facet", facet.title()))
            .default_open(facet.is_open_at_first());
    let shown = header.show(ui, |ui| {
        let most = counts.iter().map(|c| c.all).max().unwrap_or(0).max(1);
        let mut places: Vec<usize> = (0..column.values.len()).collect();
        let whole = state.now.whole.contains(&facet);
        if column.values.len() > LISTED && !whole {
            // The largest first, but what is chosen is always there.
            places.sort_by_key(|&i| {
                let chosen = column.values.get(i).is_some_and(|v| state.now.filter.has(facet, v));
                (!chosen, std::cmp::Reverse(counts.get(i).map_or(0, |c| c.all)), i)
            });
            places.truncate(LISTED);
        }
        for i in places {
            let (Some(value), Some(count)) = (column.values.get(i), counts.get(i)) else { continue };
            if bar(ui, facet, value, *count, most, state.now.filter.has(facet, value), answered).clicked() {
                state.now.filter.toggle(facet, value);
            }
        }
        if column.values.len() > LISTED {
            let said = if whole { "Fewer".to_owned() } else { format!("All {}", column.values.len()) };
            if ui.small_button(said).clicked() {
                if whole {
                    state.now.whole.remove(&facet);
                } else {
                    state.now.whole.insert(facet);
                }
            }
        }
    });
    if !facet.about().is_empty() {
        shown.header_response.on_hover_text(facet.about());
    }
}

fn bar(
    ui: &mut Ui,
    facet: Facet,
    value: &str,
    count: Count,
    most: usize,
    chosen: bool,
    answered: bool,
) -> egui::Response {
    let p = *palette(ui);
    let size = vec2(ui.available_width().max(80.0), 20.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let painter = ui.painter_at(rect);
    let radius = theme().space.radius / 2.0;
    let part = |n: usize| {
        let width = rect.width() * (n as f32 / most as f32).clamp(0.0, 1.0);
        Rect::from_min_max(rect.min, pos2(rect.left() + width, rect.bottom()))
    };
    painter.rect_filled(part(count.all), radius, p.line.gamma_multiply(0.5));
    if answered && facet != Facet::Verdict {
        let line = part(count.right);
        let line = Rect::from_min_max(pos2(line.left(), line.bottom() - 3.0), line.max);
        painter.rect_filled(line, 0.0, p.accent.gamma_multiply(0.7));
    }
    if chosen || response.hovered() || response.has_focus() {
        let stroke = egui::Stroke::new(if chosen { 1.5 } else { 1.0 }, p.accent);
        painter.rect_stroke(rect, radius, stroke, egui::StrokeKind::Inside);
    }
    let font = egui::FontId::proportional(theme().size.dense);
    let number =
        painter.layout_no_wrap(words::count(count.all), egui::FontId::monospace(theme().size.dense), p.dim);
    let mark = if chosen { "✔ " } else { "" };
    let name = egui::text::LayoutJob {
        wrap: egui::text::TextWrapping::truncate_at_width((rect.width() - number.size().x - 16.0).max(20.0)),
        ..egui::text::LayoutJob::simple_singleline(format!("{mark}{value}"), font, p.text)
    };
    let name = painter.layout_job(name);
    let y = |height: f32| rect.center().y - height / 2.0;
    painter.galley(pos2(rect.left() + 4.0, y(name.size().y)), name, p.text);
    painter.galley(pos2(rect.right() - number.size().x - 4.0, y(number.size().y)), number, p.dim);
    let mut said = format!("{}: {value}, {} samples", facet.title(), words::count(count.all));
    if answered && facet != Facet::Verdict {
        said.push_str(&format!(", {} right", words::count(count.right)));
    }
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, chosen, &said));
    response.on_hover_text(said)
}
