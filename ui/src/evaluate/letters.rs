//! Whether a model prefers a letter: how often each is right, how often it is chosen, and how often it is found.

use std::collections::BTreeMap;

use egui::{RichText, ScrollArea, Ui};
use plumb_bench::sample::letter;
use plumb_bench::score::SMALL_SLICE;
use plumb_bench::stats::{Z_95, holm, mcnemar_exact, wilson};

use super::data::Data;
use super::{Evaluate, no_rows, words};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets::{self, ShareBar};

/// One letter of one task.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) letter: char,
    /// Answers where it is right, where it is chosen, where it is both.
    pub(super) right: usize,
    pub(super) chosen: usize,
    pub(super) found: usize,
    /// Exact McNemar test of chosen against right, Holm-adjusted over the letters.
    pub(super) p: f64,
}

/// The letters of (right, chosen) options.
pub(super) fn letters(pairs: &[(usize, usize)]) -> Vec<Letter> {
    let n = pairs.iter().map(|&(right, chosen)| right.max(chosen) + 1).max().unwrap_or(0).min(26);
    let count = |f: &dyn Fn(usize, usize) -> bool| pairs.iter().filter(|&&(r, c)| f(r, c)).count();
    let tests: Vec<f64> = (0..n)
        .map(|l| {
            let missed = count(&|r, c| r == l && c != l);
            let extra = count(&|r, c| r != l && c == l);
            mcnemar_exact(missed as u64, extra as u64)
        })
        .collect();
    holm(&tests)
        .into_iter()
        .enumerate()
        .map(|(l, p)| Letter {
            letter: letter(l),
            right: count(&|r, _| r == l),
            chosen: count(&|_, c| c == l),
            found: count(&|r, c| r == l && c == l),
            p,
        })
        .collect()
}

/// What the letters show, in a sentence.
pub(super) fn sentence(all: &[Letter], n: usize) -> String {
    let favourite =
        all.iter().filter(|l| l.chosen > l.right && l.p < 0.05).max_by_key(|l| l.chosen - l.right);
    match favourite {
        Some(l) => format!(
            "It prefers {}: chosen {} of the time, right {} of the time ({}).",
            l.letter,
            words::percent(l.chosen as f64 / n.max(1) as f64),
            words::percent(l.right as f64 / n.max(1) as f64),
            words::p_value(l.p)
        ),
        None if n < SMALL_SLICE => "Too few answers to tell a preference.".to_owned(),
        None => "No preference for a letter is shown.".to_owned(),
    }
}

/// (right, chosen) of the rows that have an answer, by task; all of them first where there are several tasks.
fn groups(data: &Data, rows: &[usize]) -> Vec<(String, Vec<(usize, usize)>)> {
    let mut tasks: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    let mut all = Vec::new();
    for &at in rows {
        let (Some(sample), Some(row)) = (data.sample(at), data.rows.get(at)) else { continue };
        if let (Some(_), Some(chosen)) = (row.verdict.correct(), row.chosen) {
            tasks.entry(sample.task.name()).or_default().push((sample.gold, chosen));
            all.push((sample.gold, chosen));
        }
    }
    let mut groups: Vec<_> = tasks.into_iter().map(|(task, pairs)| (task.to_owned(), pairs)).collect();
    if groups.len() > 1 {
        groups.insert(0, ("All tasks".to_owned(), all));
    }
    groups
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, _cx: &mut Cx<'_>) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    if !data.answered {
        widgets::empty(ui, "Whether a letter is preferred", "Run the benchmark or open a run on the left.");
        return;
    }
    let groups = groups(&data, &state.now.found.rows);
    // Letter, three bars, test: what a grid takes must not make the next one wider.
    let width = ((ui.available_width() - 200.0) / 3.0).clamp(60.0, 220.0);
    ScrollArea::vertical().id_salt("letters").auto_shrink(false).show(ui, |ui| {
        if groups.is_empty() {
            widgets::dim(ui, "No sample that is left has an answer.");
            return;
        }
        widgets::dim(
            ui,
            "A model that sees chooses each letter about as often as it is right. Lines are 95 % intervals.",
        );
        for (task, pairs) in &groups {
            let all = letters(pairs);
            ui.add_space(theme().space.s);
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(task).heading());
                widgets::dim(ui, format!("{} answers", words::count(pairs.len())));
                ui.label(sentence(&all, pairs.len()));
            });
            table(ui, task, &all, pairs.len(), width);
        }
    });
}

fn table(ui: &mut Ui, task: &str, all: &[Letter], n: usize, width: f32) {
    egui::Grid::new(task).num_columns(5).spacing([12.0, 4.0]).show(ui, |ui| {
        for (title, about) in [
            ("", ""),
            ("right", "How often it is the right answer"),
            ("chosen", "How often it is chosen"),
            ("found", "Where it is right, how often it is chosen"),
            ("test", "Exact McNemar test of chosen against right, adjusted after Holm"),
        ] {
            let label = widgets::dim(ui, title);
            if !about.is_empty() {
                label.on_hover_text(about);
            }
        }
        ui.end_row();
        for l in all {
            ui.label(RichText::new(l.letter.to_string()).monospace().strong());
            for (name, part, whole) in
                [("right", l.right, n), ("chosen", l.chosen, n), ("found", l.found, l.right)]
            {
                ui.vertical(|ui| {
                    ui.set_width(width);
                    share(ui, &format!("{task}, {} {name}", l.letter), part, whole);
                });
            }
            let strong = l.p < 0.05;
            let colour = if strong { palette(ui).warning } else { palette(ui).dim };
            ui.label(RichText::new(words::p_value(l.p)).monospace().color(colour));
            ui.end_row();
        }
    });
}

fn share(ui: &mut Ui, name: &str, part: usize, whole: usize) {
    let value = (whole > 0).then(|| part as f64 / whole as f64);
    let interval = wilson(part as u64, whole as u64, Z_95);
    let text = match value {
        Some(value) if whole >= SMALL_SLICE => words::score(value, interval),
        _ => format!("{part} of {whole}"),
    };
    ui.label(RichText::new(text).monospace());
    let interval = interval.map(|i| (i.low, i.high));
    ShareBar { value, interval, ticks: &[], height: 8.0, name }.ui(ui);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_favourite_letter_is_named() {
        // 40 rows, right as often A as B, and A is chosen for 36 of them.
        let pairs: Vec<(usize, usize)> = (0..40).map(|i| (i % 2, usize::from(i >= 36))).collect();
        let all = letters(&pairs);
        assert_eq!((all[0].right, all[0].chosen, all[0].found), (20, 36, 18));
        assert_eq!((all[1].right, all[1].chosen, all[1].found), (20, 4, 2));
        assert!(all[0].p < 0.001);
        let said = sentence(&all, pairs.len());
        assert!(said.starts_with("It prefers A: chosen 90.0 % of the time, right 50.0 %"), "{said}");
    }

    #[test]
    fn no_preference_is_said_where_none_is_shown() {
        let fair: Vec<(usize, usize)> = (0..40).map(|i| (i % 2, (i / 2) % 2)).collect();
        assert_eq!(sentence(&letters(&fair), 40), "No preference for a letter is shown.");
        assert_eq!(sentence(&letters(&[(0, 1)]), 1), "Too few answers to tell a preference.");
        assert!(letters(&[]).is_empty());
    }
}
