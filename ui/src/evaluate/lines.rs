//! Scores with what they are held against, and what they mean in a sentence.

use plumb_bench::score::{Baseline, Formula, Slice};
use plumb_bench::stats::{Interval, Z_95, wilson};
use plumb_bench::{Report, Sample};

use super::data::{Data, Verdict};
use super::words;

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
