//! The table of samples: only the rows in sight are laid out.

use std::cmp::Ordering;

use egui::{Align, Button, Layout, RichText, Sense, Ui};
use egui_extras::{Column, TableBuilder, TableRow};
use plumb_bench::sample::letter;

use super::data::{Data, Verdict};
use super::facets::natural;
use super::{Evaluate, no_rows, words};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    #[default]
    Row,
    Verdict,
    Task,
    Source,
    Right,
    Chosen,
    Probability,
    Seconds,
    Flag,
}

impl By {
    const ALL: [Self; 9] = [
        Self::Verdict,
        Self::Row,
        Self::Task,
        Self::Source,
        Self::Right,
        Self::Chosen,
        Self::Probability,
        Self::Seconds,
        Self::Flag,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Verdict => "",
            Self::Row => "Sample",
            Self::Task => "Task",
            Self::Source => "Source",
            Self::Right => "Right answer",
            Self::Chosen => "Chosen",
            Self::Probability => "P(right)",
            Self::Seconds => "Time",
            Self::Flag => "Flag",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Verdict => "Sort by verdict",
            Self::Row => "Sort by the benchmark's order",
            Self::Task => "Sort by task",
            Self::Source => "Sort by source",
            Self::Right => "Sort by the right option's letter",
            Self::Chosen => "Sort by the chosen option's letter",
            Self::Probability => "Sort by the probability that the model gave the right option",
            Self::Seconds => "Sort by the time that the answer took",
            Self::Flag => "Sort by your flags and notes",
        }
    }
}

/// How the table is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) by: By,
    pub(super) descending: bool,
}

/// `rows` sorted; those alike keep the benchmark's order, those without a value come last.
pub(super) fn order(data: &Data, rows: &[usize], sort: Sort) -> Vec<usize> {
    let mut out = rows.to_vec();
    if sort == Sort::default() {
        return out;
    }
    let turned = |o: Ordering| if sort.descending { o.reverse() } else { o };
    let last = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => turned(a.total_cmp(&b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    out.sort_by(|&i, &j| {
        let (Some(a), Some(b)) = (data.rows.get(i), data.rows.get(j)) else { return Ordering::Equal };
        let (Some(s), Some(t)) = (data.sample(i), data.sample(j)) else { return Ordering::Equal };
        let position = |n: usize| Some(n as f64);
        match sort.by {
            By::Row => turned(i.cmp(&j)),
            By::Verdict => turned(a.verdict.cmp(&b.verdict)),
            By::Task => turned(s.task.name().cmp(t.task.name())),
            By::Source => turned(natural(&s.source, &t.source)),
            By::Right => turned(s.gold.cmp(&t.gold)),
            By::Chosen => last(a.chosen.and_then(position), b.chosen.and_then(position)),
            By::Probability => last(a.right_probability, b.right_probability),
            By::Seconds => last(a.seconds, b.seconds),
            By::Flag => turned((b.flagged, b.noted).cmp(&(a.flagged, a.noted))),
        }
    });
    out
}

/// An option as it is listed: its letter and its words.
pub(super) fn option(options: &[String], at: Option<usize>) -> String {
    match at {
        Some(at) => format!("{} {}", letter(at), options.get(at).map_or("", String::as_str)),
        None => "–".to_owned(),
    }
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, _cx: &mut Cx<'_>) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    let order = state.now.order.clone();
    if order.is_empty() {
        return nothing(state, ui);
    }
    let reveal = std::mem::take(&mut state.now.reveal);
    let at = state.now.selected.and_then(|row| order.iter().position(|other| *other == row));
    let mut table = TableBuilder::new(ui)
        .id_salt("samples")
        .sense(Sense::click())
        .auto_shrink(false)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(22.0))
        .column(Column::initial(70.0).at_least(40.0).clip(true).resizable(true))
        .column(Column::initial(72.0).at_least(40.0).clip(true).resizable(true))
        .column(Column::initial(76.0).at_least(40.0).clip(true).resizable(true))
        .column(Column::remainder().at_least(80.0).clip(true))
        .column(Column::remainder().at_least(80.0).clip(true))
        .column(Column::exact(62.0))
        .column(Column::exact(58.0))
        .column(Column::exact(40.0));
    if let Some(at) = at.filter(|_| reveal) {
        table = table.scroll_to_row(at, None);
    }
    let selected = state.now.selected;
    let mut clicked = None;
    let table = table.header(22.0, |mut row| {
        for by in By::ALL {
            row.col(|ui| head(ui, by, &mut state.now.sort));
        }
    });
    table.body(|body| {
        body.rows(22.0, order.len(), |mut row| {
            let Some(&at) = order.get(row.index()) else { return };
            row.set_selected(selected == Some(at));
            cells(&mut row, &data, at);
            if row.response().clicked() {
                clicked = Some(at);
            }
        });
    });
    if clicked.is_some() {
        state.now.selected = clicked;
    }
}

fn head(ui: &mut Ui, by: By, sort: &mut Sort) {
    let mark = match (sort.by == by, sort.descending) {
        (false, _) => "",
        (true, false) => " ⏶",
        (true, true) => " ⏷",
    };
    let dim = palette(ui).dim;
    let title =
        if by == By::Verdict && mark.is_empty() { "✔".to_owned() } else { format!("{}{mark}", by.title()) };
    let button = Button::new(RichText::new(title).small().color(dim)).frame(false).truncate();
    if ui.add(button).accessible_name(by.about()).on_hover_text(by.about()).clicked() {
        let descending = sort.by == by && !sort.descending;
        *sort = Sort { by, descending };
    }
}

fn cells(row: &mut TableRow<'_, '_>, data: &Data, at: usize) {
    let (Some(sample), Some(answer)) = (data.sample(at), data.rows.get(at)) else { return };
    row.col(|ui| {
        mark(ui, answer.verdict);
    });
    let text = |row: &mut TableRow<'_, '_>, text: String| {
        row.col(|ui| {
            ui.add(egui::Label::new(text).truncate().selectable(false));
        });
    };
    text(row, format!("#{}", sample.id));
    text(row, sample.task.name().to_owned());
    text(row, sample.source.clone());
    text(row, option(&sample.options, Some(sample.gold)));
    text(row, if data.answered { option(&sample.options, answer.chosen) } else { String::new() });
    let number = |row: &mut TableRow<'_, '_>, text: String| {
        row.col(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.add(egui::Label::new(RichText::new(text).monospace()).selectable(false));
            });
        });
    };
    number(row, answer.right_probability.map_or_else(String::new, |p| format!("{p:.2}")));
    number(row, answer.seconds.map_or_else(String::new, words::seconds));
    row.col(|ui| {
        let said = match (answer.flagged, answer.noted) {
            (true, true) => "⚑ …",
            (true, false) => "⚑",
            (false, true) => "…",
            _ => "",
        };
        let colour = palette(ui).warning;
        ui.add(egui::Label::new(RichText::new(said).color(colour)).selectable(false));
    });
}

/// A verdict's mark with its name.
pub(super) fn mark(ui: &mut Ui, verdict: Verdict) {
    match verdict {
        Verdict::NotUnderstood => {
            let colour = palette(ui).warning;
            let mark =
                egui::Label::new(RichText::new("?").size(theme().size.title).color(colour)).selectable(false);
            ui.add(mark).on_hover_text(verdict.name()).accessible_name(verdict.name());
        }
        Verdict::Failed => {
            let colour = palette(ui).warning;
            let mark = egui::Label::new(RichText::new("⚠").color(colour)).selectable(false);
            ui.add(mark).on_hover_text(verdict.name()).accessible_name(verdict.name());
        }
        _ => {
            widgets::verdict(ui, verdict.correct()).accessible_name(verdict.name());
        }
    }
}

/// What a pane says where the facets leave no row.
pub(super) fn nothing(state: &mut Evaluate, ui: &mut Ui) {
    widgets::empty(ui, "No sample is left", "The facets on the left together leave nothing.");
    ui.vertical_centered(|ui| {
        if ui.button("Show all samples").clicked() {
            state.now.filter = super::Filter::default();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::data::Mark;
    use super::super::data::tests::{bench, given, sample};
    use super::*;
    use plumb_bench::Task;

    #[test]
    fn rows_without_a_value_come_last_whichever_way() {
        let samples = (0..4).map(|i| sample(i, Task::Depth, &["x", "y"], 0)).collect();
        let answers = [given(0, 0, 0, 0.6), given(1, 0, 0, 0.9), given(3, 0, 1, 0.8)];
        let data = Data::build(bench(samples), None, &answers, None, None, |s| Mark {
            flagged: s.id == "2",
            noted: false,
        });
        let of = |by, descending| order(&data, &[0, 1, 2, 3], Sort { by, descending });
        assert_eq!(of(By::Row, false), [0, 1, 2, 3]);
        assert_eq!(of(By::Row, true), [3, 2, 1, 0]);
        assert_eq!(of(By::Probability, false), [3, 0, 1, 2]);
        assert_eq!(of(By::Probability, true), [1, 0, 3, 2]);
        assert_eq!(of(By::Chosen, true), [3, 0, 1, 2]);
        assert_eq!(of(By::Verdict, false), [0, 1, 3, 2]);
        assert_eq!(of(By::Flag, false), [2, 0, 1, 3]);
        assert_eq!(order(&data, &[3, 9, 0], Sort { by: By::Task, descending: false }), [3, 9, 0]);
    }

    #[test]
    fn options_are_said_with_their_letter() {
        let options = ["lamp".to_owned()];
        assert_eq!([Some(0), Some(9), None].map(|at| option(&options, at)), ["A lamp", "J ", "–"]);
    }
}
