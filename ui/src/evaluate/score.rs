//! The score strip: every score with its interval, and chance and the text alone on the same axis.

use egui::{RichText, ScrollArea, Ui};
use plumb_bench::Report;
use plumb_bench::score::Finding;
use plumb_engine::ImageMode;
use plumb_engine::look::RunSeen;

use super::data::{Data, Verdict};
use super::lines::{Line, best_rule, headline, lines, meaning, so_far, totals};
use super::{Evaluate, fingerprint, no_rows, words};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets::{self, ShareBar};

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    if let Some(error) = state.now.run_failed.clone() {
        widgets::failure(ui, &error);
        if ui.button("Close the run").clicked() {
            state.close_run();
        }
    }
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    ScrollArea::vertical().id_salt("score").auto_shrink(false).show(ui, |ui| {
        if let Some(live) = state.followed() {
            let total = live.total.max(live.answers.len());
            running(ui, &data, total);
        } else if let Some(run) = &data.run {
            whole(state, ui, cx, run.get());
        } else if data.answered {
            running(ui, &data, data.rows.len());
        } else if let Some((_, prior)) = state.now.prior.clone() {
            before(state, ui, cx, &prior);
        }
    });
}

fn running(ui: &mut Ui, data: &Data, total: usize) {
    let lines = so_far(data);
    let Some((all, tasks)) = lines.split_first() else { return };
    ui.horizontal(|ui| {
        big(ui, "So far", all);
        let done = data.rows.iter().filter(|r| r.verdict != Verdict::NotAsked).count();
        let total = if total > 0 { format!(" of {}", words::count(total)) } else { String::new() };
        widgets::dim(ui, format!("{}{total} samples", words::count(done)));
    });
    if all.n == 0 {
        widgets::dim(ui, "The first answer comes when the model is loaded.");
    } else {
        widgets::dim(ui, "It goes on: these numbers will change.");
    }
    legend(ui, false);
    let (left, right) = tasks.split_at(tasks.len().div_ceil(2));
    bars(ui, &[("Tasks", left.to_vec()), (" ", right.to_vec())]);
}

fn whole(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>, run: &RunSeen) {
    let (report, blind) = (&run.report, run.blind.as_deref());
    ui.horizontal_wrapped(|ui| {
        for line in totals(report, blind) {
            big(ui, &line.name, &line);
        }
        legend(ui, blind.is_some());
        let started = state.now.live.iter().any(|live| live.image == ImageMode::Blind);
        if blind.is_none() && run.manifest.image == ImageMode::Full && !started {
            let about = "The same model and questions without the pictures: what it owes to the text alone";
            if ui.small_button("Run it without pictures").on_hover_text(about).clicked() {
                state.start_blind(cx);
            }
        }
    });
    ui.label(meaning(&headline(report, blind), best_rule(report)));
    bars(ui, &lines(report, blind));
    facts(ui, run);
}

/// What a benchmark says before anything was asked.
fn before(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>, prior: &Report) {
    ui.label(RichText::new("Not run yet").heading());
    let chance = prior.official.chance.or(prior.micro.chance);
    if let Some(chance) = chance {
        ui.label(format!(
            "Guessing scores {} on these {} samples; a score says something where its interval lies above that.",
            words::percent(chance),
            words::count(prior.micro.total)
        ));
    }
    ui.horizontal(|ui| {
        let ready = state.setup.missing().is_none();
        if ui.add_enabled(ready, egui::Button::new("Run this benchmark")).clicked() {
            state.start(state.setup.image, cx);
        }
        widgets::dim(
            ui,
            format!("{} on {}", words::last(&state.setup.model), words::last(&state.setup.bench)),
        );
    });
    legend(ui, false);
    let mut groups = lines(prior, None);
    for (_, lines) in &mut groups {
        for line in lines {
            // There is no score to be kept from.
            (line.small, line.note) = (false, None);
        }
    }
    bars(ui, &groups);
    for rule in prior.baselines.iter().filter(|b| b.name != "chance") {
        if let Some(score) = rule.official.or(rule.micro) {
            let said = format!(
                "Without a picture, “{}” scores {}.",
                rule.name.replace('_', " "),
                words::percent(score)
            );
            widgets::dim(ui, said).on_hover_text(&rule.about);
        }
    }
}

/// A score of the whole, large.
pub(super) fn big(ui: &mut Ui, name: &str, line: &Line) {
    let text = match line.value {
        Some(value) if !line.small => words::score(value, line.interval),
        Some(_) => format!("{} of {}", line.correct, line.n),
        None => {
            let label = widgets::dim(ui, format!("{name}: no score"));
            label.on_hover_text(line.note.as_deref().unwrap_or("No row has an answer yet"));
            return;
        }
    };
    widgets::dim(ui, name);
    let size = theme().size.score;
    let label = ui.label(RichText::new(text).monospace().size(size));
    let mut about = match line.interval {
        Some(i) => format!(
            "95 % interval {:.1} to {:.1} %; {} of {} answers are right",
            i.low * 100.0,
            i.high * 100.0,
            words::count(line.correct),
            words::count(line.n)
        ),
        None => "There is no score".to_owned(),
    };
    if let Some(note) = &line.note {
        about.push('\n');
        about.push_str(note);
    }
    label.on_hover_text(about);
}

/// What the ticks of the bars are.
pub(super) fn legend(ui: &mut Ui, blind: bool) {
    let p = *palette(ui);
    ui.horizontal(|ui| {
        let tick = |ui: &mut Ui, colour: egui::Color32, said: &str| {
            let (rect, _) = ui.allocate_exact_size(egui::vec2(3.0, 12.0), egui::Sense::hover());
            ui.painter().rect_filled(rect, 0.0, colour);
            widgets::dim(ui, said);
        };
        tick(ui, p.dim, "chance");
        if blind {
            tick(ui, p.warning, "the text alone");
        }
    });
}

/// Groups of lines side by side, or one under the other where it is narrow.
pub(super) fn bars(ui: &mut Ui, groups: &[(&'static str, Vec<Line>)]) {
    let per_row = ((ui.available_width() / 190.0).floor() as usize).clamp(1, groups.len().max(1));
    for row in groups.chunks(per_row) {
        ui.columns(row.len(), |columns| {
            for (ui, (title, lines)) in columns.iter_mut().zip(row) {
                ui.spacing_mut().item_spacing.y = 2.0;
                widgets::section(ui, title);
                for line in lines {
                    one(ui, line);
                }
            }
        });
    }
}

fn one(ui: &mut Ui, line: &Line) {
    let p = *palette(ui);
    ui.horizontal(|ui| {
        ui.add(egui::Label::new(&line.name).truncate());
        let text = match line.value {
            Some(value) if !line.small => words::score(value, line.interval),
            Some(_) => format!("{} of {}", line.correct, line.n),
            None => String::new(),
        };
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new(text).monospace().color(p.text));
        });
    });
    let mut ticks: Vec<(f64, &str)> = line.chance.map(|chance| (chance, "chance")).into_iter().collect();
    ticks.extend(line.blind.map(|blind| (blind, "the text alone")));
    let bar = ShareBar {
        value: line.value,
        interval: line.interval.map(|i| (i.low, i.high)),
        ticks: &ticks,
        height: 8.0,
        name: &line.name,
    };
    let response = bar.ui(ui);
    if let Some(note) = &line.note {
        response.on_hover_text(note);
    }
}

/// What is not understood, what is not covered, and what the numbers depend on.
fn facts(ui: &mut Ui, run: &RunSeen) {
    let (report, manifest) = (&run.report, &run.manifest);
    let coverage = &report.coverage;
    ui.add_space(theme().space.xs);
    ui.horizontal_wrapped(|ui| {
        let answered =
            format!("{} of {} rows answered", words::count(coverage.answered), words::count(coverage.rows));
        let about = format!(
            "failed {}, not asked {}, unreadable {}",
            words::count(coverage.failed),
            words::count(coverage.missing),
            words::count(coverage.rejected)
        );
        widgets::dim(ui, answered).on_hover_text(about);
        widgets::dim(ui, "·");
        let unparsed = report.micro.unparsed;
        let said = format!("{} not understood", words::count(unparsed));
        let label = widgets::dim(ui, said);
        if let (true, Some(guessed)) = (unparsed > 0, report.micro.randomised) {
            label.on_hover_text(format!(
                "They count as wrong; with a guess in their place micro would be {}",
                words::percent(guessed)
            ));
        }
        if report.verdict.finding == Finding::NoBetterThanText {
            widgets::dim(ui, "·");
            widgets::dim(ui, "a rule without pictures does as well").on_hover_text(&report.verdict.sentence);
        }
    });
    let full = fingerprint::whole(run);
    let short = fingerprint::short(&manifest.fingerprint);
    ui.horizontal_wrapped(|ui| {
        let dim = palette(ui).dim;
        ui.label(RichText::new(short).monospace().color(dim)).on_hover_text(RichText::new(&full).monospace());
        if ui.small_button("Copy").on_hover_text("Copy all that the numbers depend on").clicked() {
            ui.copy_text(full.clone());
        }
    });
}
