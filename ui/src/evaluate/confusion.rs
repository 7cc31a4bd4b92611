//! What was right against what was chosen, task by task; a cell chooses its samples.

use std::collections::{BTreeMap, BTreeSet};

use egui::{Align2, FontId, Rect, ScrollArea, Sense, Ui, Vec2, vec2};
use plumb_bench::Task;
use plumb_bench::sample::letter;

use super::data::{Data, Verdict};
use super::facets::{Facet, Filter, find, natural};
use super::{Evaluate, no_rows, words};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets;

/// One task's matrix.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    pub(super) task: String,
    /// The facets of rows and columns: letters, or numbers for Count.
    facets: (Facet, Facet),
    /// Of the right answers and of the chosen ones.
    pub(super) right: Vec<String>,
    pub(super) chosen: Vec<String>,
    /// Samples by right answer and chosen one.
    pub(super) cells: Vec<Vec<usize>>,
    /// Answers that were not understood, by right answer.
    pub(super) lost: Vec<usize>,
    /// Mean of chosen number less right number.
    pub(super) bias: Option<f64>,
}

/// Room for the names of rows and columns.
const MARGIN: f32 = 26.0;
/// What a matrix takes at least, for its heading.
const LEAST: f32 = 150.0;

impl Matrix {
    fn cell(&self) -> Vec2 {
        if self.chosen.len() > 8 { vec2(34.0, 24.0) } else { vec2(52.0, 28.0) }
    }

    /// Columns, with that of answers that were not understood where there are any.
    fn across(&self) -> usize {
        self.chosen.len() + usize::from(self.lost.iter().any(|n| *n > 0))
    }

    fn size(&self) -> Vec2 {
        let cell = self.cell();
        vec2(MARGIN + self.across() as f32 * cell.x, MARGIN + self.right.len() as f32 * cell.y)
    }
}

/// The matrices of `rows`, the tasks in the order of their names.
pub(super) fn matrices(data: &Data, rows: &[usize]) -> Vec<Matrix> {
    let mut tasks: BTreeMap<&Task, Vec<usize>> = BTreeMap::new();
    for &at in rows {
        if let Some(sample) = data.sample(at) {
            tasks.entry(&sample.task).or_default().push(at);
        }
    }
    tasks.into_iter().filter_map(|(task, rows)| matrix(data, task, &rows)).collect()
}

fn matrix(data: &Data, task: &Task, rows: &[usize]) -> Option<Matrix> {
    let number = |at: usize, option: usize| -> Option<u64> {
        data.sample(at)?.options.get(option)?.trim().parse::<u64>().ok()
    };
    let mut numbers = *task == Task::Count;
    // (right, chosen) as options; none chosen where the answer was not understood.
    let mut pairs: Vec<(usize, usize, Option<usize>)> = Vec::new();
    for &at in rows {
        let (Some(sample), Some(row)) = (data.sample(at), data.rows.get(at)) else { continue };
        if row.verdict.correct().is_none() {
            continue;
        }
        numbers &= number(at, sample.gold).is_some() && row.chosen.is_none_or(|c| number(at, c).is_some());
        pairs.push((at, sample.gold, row.chosen));
    }
    if pairs.is_empty() {
        return None;
    }
    let name = |at: usize, option: usize| match number(at, option).filter(|_| numbers) {
        Some(n) => n.to_string(),
        None => letter(option).to_string(),
    };
    let sorted = |all: BTreeSet<String>| {
        let mut all: Vec<String> = all.into_iter().collect();
        all.sort_by(|a, b| natural(a, b));
        all
    };
    let right = sorted(pairs.iter().map(|&(at, gold, _)| name(at, gold)).collect());
    let both = pairs.iter().flat_map(|&(at, gold, chosen)| {
        std::iter::once(name(at, gold)).chain(chosen.map(|chosen| name(at, chosen)))
    });
    let chosen_names = sorted(both.collect());
    let mut cells = vec![vec![0; chosen_names.len()]; right.len()];
    let mut lost = vec![0; right.len()];
    let (mut error, mut n) = (0.0, 0usize);
    for &(at, gold, chosen) in &pairs {
        let Some(y) = right.iter().position(|r| *r == name(at, gold)) else { continue };
        let Some(chosen) = chosen else {
            lost[y] += 1;
            continue;
        };
        if let Some(x) = chosen_names.iter().position(|c| *c == name(at, chosen)) {
            cells[y][x] += 1;
        }
        if let (true, Some(a), Some(b)) = (numbers, number(at, chosen), number(at, gold)) {
            error += a as f64 - b as f64;
            n += 1;
        }
    }
    let facets =
        if numbers { (Facet::RightNumber, Facet::ChosenNumber) } else { (Facet::Right, Facet::Chosen) };
    let bias = (n > 0).then(|| error / n as f64);
    Some(Matrix { task: task.name().to_owned(), facets, right, chosen: chosen_names, cells, lost, bias })
}

/// The filter without what a cell chooses, so that the other cells stay.
fn outside(filter: &Filter) -> Filter {
    let mut outside = filter.clone();
    for facet in
        [Facet::Task, Facet::Right, Facet::Chosen, Facet::RightNumber, Facet::ChosenNumber, Facet::Verdict]
    {
        outside.values.remove(&facet);
    }
    outside
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, _cx: &mut Cx<'_>) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    if !data.answered {
        widgets::empty(
            ui,
            "Which answers are taken for which",
            "Run the benchmark or open a run on the left.",
        );
        return;
    }
    let rows = find(&data.columns, &data.words, |_| false, &outside(&state.now.filter)).rows;
    let all = matrices(&data, &rows);
    let room = ui.available_width();
    ScrollArea::both().id_salt("confusion").auto_shrink(false).show(ui, |ui| {
        widgets::dim(
            ui,
            "Down: the right answer. Across: the chosen one. A cell shows its samples; once more shows all.",
        );
        if all.is_empty() {
            widgets::dim(ui, "No sample that is left has an answer.");
        }
        // As many side by side as fit.
        let gap = theme().space.xl;
        let mut rows: Vec<Vec<&Matrix>> = Vec::new();
        let mut left = 0.0;
        for matrix in &all {
            let width = matrix.size().x.max(LEAST) + gap;
            if rows.is_empty() || left < width {
                rows.push(Vec::new());
                left = room;
            }
            left -= width;
            if let Some(row) = rows.last_mut() {
                row.push(matrix);
            }
        }
        for row in rows {
            ui.horizontal_top(|ui| {
                for matrix in row {
                    ui.vertical(|ui| {
                        ui.set_max_width(matrix.size().x.max(LEAST));
                        one(state, ui, matrix);
                    });
                    ui.add_space(gap);
                }
            });
        }
    });
}

fn one(state: &mut Evaluate, ui: &mut Ui, matrix: &Matrix) {
    ui.add_space(theme().space.s);
    ui.label(egui::RichText::new(&matrix.task).heading());
    if let Some(bias) = matrix.bias {
        let said = match bias {
            b if b.abs() < 0.05 => "the numbers are neither too low nor too high on average".to_owned(),
            b if b < 0.0 => format!("{:.1} too low on average", -b),
            b => format!("{b:.1} too high on average"),
        };
        widgets::dim(ui, said);
    }
    let (cell, margin, across, size) = (matrix.cell(), MARGIN, matrix.across(), matrix.size());
    let lost = matrix.lost.iter().any(|n| *n > 0);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let p = *palette(ui);
    let painter = ui.painter_at(rect.expand(2.0));
    let font = FontId::proportional(theme().size.dense);
    let corner = rect.min + vec2(margin, margin);
    let titles = matrix.chosen.iter().map(String::as_str).chain(lost.then_some("none"));
    for (x, title) in titles.enumerate() {
        let at = corner + vec2((x as f32 + 0.5) * cell.x, -4.0);
        painter.text(at, Align2::CENTER_BOTTOM, title, font.clone(), p.dim);
    }
    for (y, title) in matrix.right.iter().enumerate() {
        let at = corner + vec2(-6.0, (y as f32 + 0.5) * cell.y);
        painter.text(at, Align2::RIGHT_CENTER, title, font.clone(), p.dim);
        let (cells, lost_here) = (&matrix.cells[y], matrix.lost[y]);
        let sum = (cells.iter().sum::<usize>() + lost_here).max(1);
        for x in 0..across {
            let chosen = matrix.chosen.get(x);
            let n = chosen.and_then(|_| cells.get(x)).copied().unwrap_or(lost_here);
            let min = corner + vec2(x as f32 * cell.x, y as f32 * cell.y);
            let place = Rect::from_min_size(min, cell).shrink(1.0);
            let right = chosen == Some(title);
            let mut wanted = vec![(Facet::Task, matrix.task.clone()), (matrix.facets.0, title.clone())];
            wanted.push(match chosen {
                Some(chosen) => (matrix.facets.1, chosen.clone()),
                None => (Facet::Verdict, Verdict::NotUnderstood.name().to_owned()),
            });
            let active = wanted.iter().all(|(facet, value)| state.now.filter.has(*facet, value));
            let id = ui.scope_id().with((&matrix.task, y, x));
            let response = ui.interact(place, id, Sense::click());
            let word = chosen.map_or("not understood", String::as_str);
            let said = format!("{}: right {title}, chosen {word}: {} samples", matrix.task, words::count(n));
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, active, &said));
            let share = n as f32 / sum as f32;
            let colour = if right { p.accent } else { p.wrong };
            painter.rect_filled(place, 2.0, p.line.gamma_multiply(0.3));
            if n > 0 {
                painter.rect_filled(place, 2.0, colour.gamma_multiply(0.12 + 0.4 * share));
            }
            if active || right || response.hovered() || response.has_focus() {
                let width = if active { 2.0 } else { 1.0 };
                let line =
                    if active || response.hovered() || response.has_focus() { p.accent } else { p.line };
                let stroke = egui::Stroke::new(width, line);
                painter.rect_stroke(place, 2.0, stroke, egui::StrokeKind::Inside);
            }
            let ink = if n > 0 { p.text } else { p.dim };
            let number = FontId::monospace(theme().size.dense);
            painter.text(place.center(), Align2::CENTER_CENTER, words::count(n), number, ink);
            let share = words::percent(f64::from(share));
            if response.on_hover_text(format!("{said}, {share} of its line")).clicked() {
                state.now.filter.only(&wanted);
            }
        }
    }
    ui.allocate_space(vec2(1.0, 2.0));
}

#[cfg(test)]
mod tests {
    use super::super::data::Mark;
    use super::super::data::tests::{bench, given, sample};
    use super::*;

    #[test]
    fn letters_and_numbers_meet_in_their_cells() {
        let samples = vec![
            sample(0, Task::Depth, &["x", "y"], 0),
            sample(1, Task::Depth, &["x", "y"], 0),
            sample(2, Task::Depth, &["x", "y"], 1),
            sample(3, Task::Count, &["10", "2"], 1),
            sample(4, Task::Count, &["3", "2"], 0),
        ];
        let mut answers = vec![
            given(0, 0, 0, 0.9),
            given(1, 0, 1, 0.9),
            given(2, 1, 0, 0.9),
            given(3, 1, 0, 0.9),
            given(4, 0, 0, 0.9),
        ];
        answers[2].chosen = None;
        let data = Data::build(bench(samples), None, &answers, None, None, |_| Mark::default());
        let all = matrices(&data, &[0, 1, 2, 3, 4]);
        let count = all.iter().find(|m| m.task == "Count").unwrap();
        assert_eq!(
            (count.right.clone(), count.chosen.clone()),
            (vec!["2".into(), "3".into()], vec!["2".to_owned(), "3".into(), "10".into()])
        );
        assert_eq!(count.cells, [[0, 0, 1], [0, 1, 0]]);
        assert_eq!(count.bias, Some(4.0));
        let depth = all.iter().find(|m| m.task == "Depth").unwrap();
        assert_eq!((depth.cells.clone(), depth.lost.clone()), (vec![vec![1, 1], vec![0, 0]], vec![0, 1]));
        assert_eq!((depth.facets, depth.bias), ((Facet::Right, Facet::Chosen), None));
        assert!(matrices(&data, &[]).is_empty());
    }

    #[test]
    fn a_chosen_cell_leaves_the_others() {
        let mut filter = Filter::default();
        filter.only(&[
            (Facet::Task, "Depth".into()),
            (Facet::Right, "A".into()),
            (Facet::Source, "COCO".into()),
        ]);
        let outside = outside(&filter);
        assert_eq!(outside.values.keys().collect::<Vec<_>>(), [&Facet::Source]);
    }
}
