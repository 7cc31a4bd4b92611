//! The score strip: every score with its interval, and chance and the text alone on the same axis.

use egui::{RichText, ScrollArea, Ui};
use plumb_bench::score::{Baseline, Finding, Formula, Slice};
use plumb_bench::stats::{Interval, Z_95, wilson};
use plumb_bench::{Report, Sample};
use plumb_engine::look::RunSeen;
use plumb_engine::{Fingerprint, ImageMode};

use super::data::{Data, Verdict};
use super::{Evaluate, no_rows, state, words};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets::{self, ShareBar};

/// One score with what it is held against.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) value: Option<f64>,
    pub(super) interval: Option<Interval>,
    pub(super) chance: Option<f64>,
    /// The same model without the picture.
    pub(super) blind: Option<f64>,
    pub(super) correct: usize,
    /// Rows with an answer.
    pub(super) n: usize,
    /// Too few rows for a percentage.
    pub(super) small: bool,
    /// Why there is no score, or what it leaves out.
    pub(super) note: Option<String>,
}

impl Line {
    pub(super) fn of_formula(name: &str, formula: &Formula, blind: Option<&Formula>) -> Self {
        Self {
            name: name.to_owned(),
            value: formula.value,
            interval: formula.wider(),
            chance: formula.chance,
            blind: blind.and_then(|b| b.value),
            correct: formula.correct,
            n: formula.n,
            small: false,
            note: formula.note.clone(),
        }
    }

    pub(super) fn of_slice(name: &str, slice: &Slice, blind: Option<&Slice>) -> Self {
        Self {
            name: name.to_owned(),
            value: slice.accuracy,
            interval: slice.interval,
            chance: slice.chance,
            blind: blind.and_then(|b| b.accuracy),
            correct: slice.correct,
            n: slice.n,
            small: slice.is_small(),
            note: None,
        }
    }
}

/// The lines of a report, in their groups.
pub(super) fn lines(report: &Report, blind: Option<&Report>) -> Vec<(&'static str, Vec<Line>)> {
    let of = |slices: &[Slice], blind: Option<&Vec<Slice>>| -> Vec<Line> {
        let other = |name: &str| blind.and_then(|all| all.iter().find(|b| b.name == name));
        slices.iter().map(|s| Line::of_slice(&s.name, s, other(&s.name))).collect()
    };
    // Where the file has not the sources of the formula, its halves are those of the plain kinds.
    let halves = match (report.two_d.value, report.three_d.value) {
        (None, None) => of(&report.kinds, blind.map(|b| &b.kinds)),
        _ => vec![
            Line::of_formula("2D", &report.two_d, blind.map(|b| &b.two_d)),
            Line::of_formula("3D", &report.three_d, blind.map(|b| &b.three_d)),
        ],
    };
    let mut all = vec![
        ("Kinds", halves),
        ("Tasks", of(&report.tasks, blind.map(|b| &b.tasks))),
        ("Sources", of(&report.sources, blind.map(|b| &b.sources))),
    ];
    all.retain(|(_, lines)| !lines.is_empty());
    all
}

/// The two scores of the whole.
pub(super) fn totals(report: &Report, blind: Option<&Report>) -> [Line; 2] {
    [
        Line::of_formula("Official", &report.official, blind.map(|b| &b.official)),
        Line::of_slice("Micro", &report.micro, blind.map(|b| &b.micro)),
    ]
}

/// What a score means, in one sentence. `rule` is the best baseline that needs neither picture nor model.
pub(super) fn meaning(line: &Line, rule: Option<(&str, f64)>) -> String {
    let (Some(value), Some(interval), Some(chance)) = (line.value, line.interval, line.chance) else {
        return "Nothing is scored yet.".to_owned();
    };
    let points = |by: f64| format!("{:.1} points", by.abs() * 100.0);
    if interval.high < chance {
        return format!("Below chance by {}: worse than guessing.", points(chance - value));
    }
    if interval.low <= chance {
        return format!(
            "Not distinguishable from guessing: chance, {}, lies within the interval.",
            words::percent(chance)
        );
    }
    if let Some(blind) = line.blind.filter(|blind| interval.low <= *blind) {
        let said = if blind > interval.high {
            "The text alone scores more"
        } else {
            "The text alone scores as much"
        };
        return format!("{said}: without pictures the same model reaches {}.", words::percent(blind));
    }
    let above = format!("Above chance by {}", points(value - chance));
    match (rule.filter(|(_, reached)| interval.low <= *reached), line.blind) {
        (Some((name, reached)), _) => format!(
            "{above}, but no better than the rule “{}”, which reaches {} without a picture.",
            name.replace('_', " "),
            words::percent(reached)
        ),
        (None, Some(blind)) => format!("{above} and above the text alone by {}.", points(value - blind)),
        (None, None) => format!("{above}; run it without pictures to see what the text alone gives."),
    }
}

/// The best baseline, by the official score where there is one.
pub(super) fn best_rule(report: &Report) -> Option<(&str, f64)> {
    let official = report.official.value.is_some();
    let reached = |b: &Baseline| if official { b.official } else { b.micro };
    let all = report.baselines.iter().filter(|b| b.name != "chance");
    all.filter_map(|b| Some((b.name.as_str(), reached(b)?))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The line that a sentence is about.
pub(super) fn headline(report: &Report, blind: Option<&Report>) -> Line {
    let [official, micro] = totals(report, blind);
    if official.value.is_some() { official } else { micro }
}

/// What is right so far, by task.
pub(super) fn so_far(data: &Data) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    for sample in data.samples() {
        if !names.contains(&sample.task.name()) {
            names.push(sample.task.name());
        }
    }
    names.sort_unstable();
    let line = |name: &str, of: &dyn Fn(&Sample) -> bool| {
        let rows = data.samples().iter().zip(&data.rows).filter(|(s, _)| of(s));
        let done: Vec<_> = rows.filter(|(_, r)| r.verdict.correct().is_some()).collect();
        let correct = done.iter().filter(|(_, r)| r.verdict == Verdict::Right).count();
        let n = done.len();
        Line {
            name: name.to_owned(),
            value: (n > 0).then(|| correct as f64 / n as f64),
            interval: wilson(correct as u64, n as u64, Z_95),
            chance: (n > 0).then(|| done.iter().map(|(s, _)| s.chance()).sum::<f64>() / n as f64),
            blind: None,
            correct,
            n,
            small: n < plumb_bench::score::SMALL_SLICE,
            note: None,
        }
    };
    std::iter::once(line("All", &|_| true))
        .chain(names.iter().map(|name| line(name, &|s| s.task.name() == *name)))
        .collect()
}

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
    let full = fingerprint(run);
    let short = short_fingerprint(&manifest.fingerprint);
    ui.horizontal_wrapped(|ui| {
        let dim = palette(ui).dim;
        ui.label(RichText::new(short).monospace().color(dim)).on_hover_text(RichText::new(&full).monospace());
        if ui.small_button("Copy").on_hover_text("Copy all that the numbers depend on").clicked() {
            ui.copy_text(full.clone());
        }
    });
}

fn short_fingerprint(print: &Fingerprint) -> String {
    let adapter = match &print.adapter_sha256 {
        Some(hash) => format!("adapter {}", words::short(hash)),
        None => "no adapter".to_owned(),
    };
    let (model, hash) = (words::last(&print.model), words::short(&print.model_sha256));
    format!("{model} {hash} · {adapter} · {} · {}", print.dtype, print.device)
}

/// All that the numbers depend on, a line each.
pub(super) fn fingerprint(run: &RunSeen) -> String {
    let (m, f) = (&run.manifest, &run.manifest.fingerprint);
    let none = || "none".to_owned();
    let lines = [
        ("model", f.model.clone()),
        ("model sha256", f.model_sha256.clone()),
        ("adapter", f.adapter.clone().unwrap_or_else(none)),
        ("adapter sha256", f.adapter_sha256.clone().unwrap_or_else(none)),
        ("weights", f.dtype.clone()),
        ("device", format!("{} ({})", f.device, f.backend)),
        ("images", format!("longest edge {}, {}", f.longest_edge, f.image_pipeline)),
        ("pictures", state::image_name(m.image).to_owned()),
        ("prompt", state::preset_name(m.preset).to_owned()),
        ("scoring", format!("{}, {}", state::scoring_name(m.scoring), m.decoding)),
        ("parser", run.parser.id().to_owned()),
        ("benchmark", m.bench.display().to_string()),
        ("benchmark sha256", m.bench_sha256.clone()),
        ("seed", m.seed.to_string()),
        ("version", f.version.clone()),
    ];
    lines.iter().map(|(name, value)| format!("{name:<17}{value}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::data::Mark;
    use super::super::data::tests::{bench, given, sample};
    use super::*;
    use plumb_bench::Task;

    fn line(value: f64, half: f64, chance: f64, blind: Option<f64>) -> Line {
        Line {
            name: "x".into(),
            value: Some(value),
            interval: Some(Interval { low: value - half, high: value + half }),
            chance: Some(chance),
            blind,
            correct: 1,
            n: 100,
            small: false,
            note: None,
        }
    }

    #[test]
    fn the_sentence_says_what_a_score_means() {
        let starts = |line: Line, rule, words: &str| {
            let said = meaning(&line, rule);
            assert!(said.starts_with(words), "{said}");
        };
        starts(
            line(0.432, 0.019, 0.418, Some(0.44)),
            None,
            "Not distinguishable from guessing: chance, 41.8 %",
        );
        starts(line(0.30, 0.02, 0.418, None), None, "Below chance by 11.8 points");
        starts(line(0.50, 0.02, 0.418, Some(0.49)), None, "The text alone scores as much");
        starts(line(0.50, 0.02, 0.418, Some(0.55)), None, "The text alone scores more");
        starts(
            line(0.50, 0.02, 0.418, Some(0.42)),
            None,
            "Above chance by 8.2 points and above the text alone by 8.0",
        );
        starts(line(0.50, 0.02, 0.418, None), None, "Above chance by 8.2 points; run it without");
        let rule = Some(("structure_prior", 0.59));
        starts(
            line(0.50, 0.02, 0.418, None),
            rule,
            "Above chance by 8.2 points, but no better than the rule “structure prior”",
        );
        starts(Line { value: None, ..line(0.5, 0.1, 0.5, None) }, rule, "Nothing is scored yet");
    }

    #[test]
    fn counts_so_far_are_of_answered_rows() {
        let mut samples: Vec<_> = (0..4).map(|i| sample(i, Task::Depth, &["x", "y"], 0)).collect();
        samples.push(sample(4, Task::Count, &["1", "2", "3", "4"], 0));
        let answers = [given(0, 0, 0, 0.9), given(1, 0, 1, 0.9), given(4, 0, 0, 0.9)];
        let data = Data::build(bench(samples), None, &answers, None, None, |_| Mark::default());
        let lines = so_far(&data);
        let of = |name: &str| lines.iter().find(|l| l.name == name).unwrap();
        assert_eq!((of("All").n, of("All").correct), (3, 2));
        assert_eq!((of("Depth").n, of("Depth").correct, of("Depth").chance), (2, 1, Some(0.5)));
        assert_eq!(of("Count").chance, Some(0.25));
        assert!((of("All").chance.unwrap() - 1.25 / 3.0).abs() < 1e-12);
        assert!(of("All").small);
    }

    #[test]
    fn a_benchmark_without_the_sources_of_the_formula_has_plain_kinds() {
        let samples: Vec<_> = (0..40).map(|i| sample(i, Task::Depth, &["x", "y"], i % 2)).collect();
        let prior = super::super::data::prior(bench(samples).get());
        let groups = lines(&prior, None);
        assert_eq!(groups.iter().map(|g| g.0).collect::<Vec<_>>(), ["Kinds", "Tasks"]);
        assert_eq!(groups[0].1[0].name, "3D");
        assert_eq!(headline(&prior, None).name, "Micro");
        assert!(best_rule(&prior).is_some());
    }
}
