//! What the panes draw: the rows of a benchmark with a run's answers, each fact of a row a number into a column's values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use plumb_bench::sample::letter;
use plumb_bench::{ParseStatus, Parser, Report, ReportOptions, Sample, Task};
use plumb_engine::look::{Answer, BenchSeen, RunSeen, Seen};

use super::facets::{Column, Facet};

/// How a row's answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Right,
    Wrong,
    NotUnderstood,
    Failed,
    NotAsked,
}

impl Verdict {
    pub(super) const ALL: [Self; 5] =
        [Self::Right, Self::Wrong, Self::NotUnderstood, Self::Failed, Self::NotAsked];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::NotUnderstood => "not understood",
            Self::Failed => "failed",
            Self::NotAsked => "not asked",
        }
    }

    /// What [`crate::widgets::verdict`] draws.
    pub(super) fn correct(self) -> Option<bool> {
        match self {
            Self::Right => Some(true),
            Self::Wrong | Self::NotUnderstood => Some(false),
            Self::Failed | Self::NotAsked => None,
        }
    }
}

/// A row's answer, from a run or from a job that is still at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    /// Index of the sample.
    pub(super) sample: usize,
    pub(super) chosen: Option<usize>,
    pub(super) correct: Option<bool>,
    pub(super) failed: bool,
    pub(super) probabilities: Option<Vec<f64>>,
    pub(super) seconds: Option<f64>,
}

impl From<&Answer> for Given {
    fn from(answer: &Answer) -> Self {
        Self {
            sample: answer.sample,
            chosen: answer.chosen,
            correct: answer.correct,
            failed: answer.error.is_some(),
            probabilities: answer.probabilities.clone(),
            seconds: answer.seconds,
        }
    }
}

/// What is drawn of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) verdict: Verdict,
    pub(super) chosen: Option<usize>,
    /// Probability of the right option.
    pub(super) right_probability: Option<f64>,
    /// Probability of the likeliest option.
    pub(super) confidence: Option<f64>,
    pub(super) seconds: Option<f64>,
    pub(super) flagged: bool,
    pub(super) noted: bool,
}

impl Row {
    const OPEN: Self = Self {
        verdict: Verdict::NotAsked,
        chosen: None,
        right_probability: None,
        confidence: None,
        seconds: None,
        flagged: false,
        noted: false,
    };

    fn of(sample: &Sample, given: &Given) -> Self {
        let probabilities = given.probabilities.as_deref().unwrap_or_default();
        let best = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let verdict = match (given.correct, given.chosen) {
            _ if given.failed => Verdict::Failed,
            (Some(true), _) => Verdict::Right,
            (Some(false), Some(_)) => Verdict::Wrong,
            (Some(false), None) => Verdict::NotUnderstood,
            (None, _) => Verdict::NotAsked,
        };
        Self {
            verdict,
            chosen: given.chosen,
            right_probability: probabilities.get(sample.gold).copied(),
            confidence: best.is_finite().then_some(best),
            seconds: given.seconds,
            ..Self::OPEN
        }
    }
}

/// A benchmark that was read.
#[derive(Clone, Debug)]
pub(super) struct Bench(Arc<Seen>);

impl Bench {
    pub(super) fn new(seen: &Arc<Seen>) -> Option<Self> {
        matches!(**seen, Seen::Bench(_)).then(|| Self(seen.clone()))
    }

    pub(super) fn get(&self) -> &BenchSeen {
        match &*self.0 {
            Seen::Bench(bench) => bench,
            _ => unreachable!("`new` takes nothing else"),
        }
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A run that was read.
#[derive(Clone, Debug)]
pub(super) struct Run(Arc<Seen>);

impl Run {
    pub(super) fn new(seen: &Arc<Seen>) -> Option<Self> {
        matches!(**seen, Seen::Run(_)).then(|| Self(seen.clone()))
    }

    pub(super) fn get(&self) -> &RunSeen {
        match &*self.0 {
            Seen::Run(run) => run,
            _ => unreachable!("`new` takes nothing else"),
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A person's mark on a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) flagged: bool,
    pub(super) noted: bool,
}

/// Everything the panes draw.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub(super) bench: Bench,
    pub(super) run: Option<Run>,
    /// Of the benchmark's first rows, as many as the run covers.
    pub(super) rows: Vec<Row>,
    /// Index into the run's answers.
    answers: Vec<Option<usize>>,
    pub(super) columns: Vec<Column>,
    /// What is searched, in small letters.
    pub(super) words: Vec<String>,
    /// Whether there are answers at all.
    pub(super) answered: bool,
}

impl Data {
    /// `given` answers the first `covered` rows; `other` says which rows a second run got right.
    pub(super) fn build(
        bench: Bench,
        run: Option<Run>,
        given: &[Given],
        covered: Option<usize>,
        other: Option<&[Given]>,
        mark: impl Fn(&Sample) -> Mark,
    ) -> Self {
        let samples = &bench.get().samples;
        let n = covered.unwrap_or(samples.len()).min(samples.len());
        let samples = &samples[..n];
        let mut rows: Vec<Row> = vec![Row::OPEN; n];
        for answer in given {
            if let (Some(row), Some(sample)) = (rows.get_mut(answer.sample), samples.get(answer.sample)) {
                *row = Row::of(sample, answer);
            }
        }
        for (row, sample) in rows.iter_mut().zip(samples) {
            let mark = mark(sample);
            (row.flagged, row.noted) = (mark.flagged, mark.noted);
        }
        let mut answers = vec![None; n];
        for (at, answer) in run.iter().flat_map(|run| run.get().answers.iter().enumerate()) {
            if let Some(slot) = answers.get_mut(answer.sample) {
                *slot = Some(at);
            }
        }
        let answered = !given.is_empty();
        let columns = columns(samples, &rows, answered, other);
        let words = samples
            .iter()
            .map(|s| format!("{} {} {}", s.id, s.question, s.options.join(" ")).to_lowercase())
            .collect();
        Self { rows, answers, columns, words, answered, bench, run }
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.bench.get().samples[..self.rows.len()]
    }

    pub(super) fn sample(&self, at: usize) -> Option<&Sample> {
        self.samples().get(at)
    }

    /// The run's answer to row `at`.
    pub(super) fn answer(&self, at: usize) -> Option<&Answer> {
        self.run.as_ref()?.get().answers.get((*self.answers.get(at)?)?)
    }
}

/// What guessing gives, before any answer.
pub(super) fn prior(bench: &BenchSeen) -> Report {
    let options = ReportOptions { resamples: 1, rejected: bench.rejected.len(), ..ReportOptions::default() };
    Report::build(&bench.samples, &[], Parser::LogLik, &options)
}

fn columns(samples: &[Sample], rows: &[Row], answered: bool, other: Option<&[Given]>) -> Vec<Column> {
    let mut second: BTreeMap<usize, Option<bool>> = BTreeMap::new();
    for answer in other.unwrap_or_default() {
        second.insert(answer.sample, answer.correct);
    }
    let value = |facet: Facet, at: usize| -> Option<Cow<'_, str>> {
        let (sample, row) = (samples.get(at)?, rows.get(at)?);
        let given = |text| Some(Cow::Borrowed(str::trim(text))).filter(|t| !t.is_empty());
        let made = |text: String| Some(Cow::Owned(text));
        match facet {
            Facet::Verdict => answered.then_some(row.verdict.name().into()),
            Facet::Task => given(sample.task.name()),
            Facet::Kind => Some(sample.kind.name().into()),
            Facet::Source => given(&sample.source),
            Facet::Collection => sample.sub_source().map(Into::into),
            Facet::Confidence => row.confidence.map(|p| confidence_bin(p).into()),
            Facet::Options => made(sample.options.len().to_string()),
            Facet::Right => made(sample.gold_letter().to_string()),
            Facet::Chosen => made(letter(row.chosen?).to_string()),
            Facet::RightNumber => number(sample, Some(sample.gold)).and_then(made),
            Facet::ChosenNumber => number(sample, row.chosen).and_then(made),
            Facet::Axis => axis(sample).map(Into::into),
            Facet::Class => given(sample.target_class.as_deref()?),
            Facet::Size => sample.target_size.map(|n| size_bin(n).into()),
            Facet::Boxes => boxes(&sample.boxes).map(Into::into),
            Facet::Marked => match (row.flagged, row.noted) {
                (true, _) => Some("flagged".into()),
                (false, true) => Some("with a note".into()),
                _ => None,
            },
            Facet::Pair => pair(row.verdict.correct(), *second.get(&at)?).map(Into::into),
        }
    };
    Facet::ALL.iter().map(|&facet| Column::new(facet, samples.len(), |at| value(facet, at))).collect()
}

pub(super) const PAIR: [&str; 4] = ["both right", "only A right", "only B right", "neither right"];

fn pair(a: Option<bool>, b: Option<bool>) -> Option<&'static str> {
    Some(match (a?, b?) {
        (true, true) => PAIR[0],
        (true, false) => PAIR[1],
        (false, true) => PAIR[2],
        (false, false) => PAIR[3],
    })
}

pub(super) const CONFIDENCE: [&str; 5] =
    ["below 40 %", "40 to 60 %", "60 to 80 %", "80 to 95 %", "above 95 %"];

fn confidence_bin(p: f64) -> &'static str {
    let at = [0.4, 0.6, 0.8, 0.95].iter().filter(|edge| p >= **edge).count();
    CONFIDENCE[at]
}

pub(super) const SIZES: [&str; 4] = ["below 1,000", "1,000 to 10,000", "10,000 to 100,000", "above 100,000"];

fn size_bin(n: i64) -> &'static str {
    SIZES[[1_000, 10_000, 100_000].iter().filter(|edge| n >= **edge).count()]
}

/// The number a Count row's option is.
fn number(sample: &Sample, option: Option<usize>) -> Option<String> {
    if sample.task != Task::Count {
        return None;
    }
    let text = sample.options.get(option?)?.trim();
    text.parse::<u64>().ok().map(|n| n.to_string())
}

fn axis(sample: &Sample) -> Option<&'static str> {
    let has = |word: &str| sample.options.iter().any(|option| option.trim().eq_ignore_ascii_case(word));
    let both = |a, b| has(a) && has(b);
    if both("left", "right") {
        Some("left or right")
    } else if both("above", "below") {
        Some("above or below")
    } else {
        None
    }
}

pub(super) const BOXES: [&str; 4] =
    ["overlap", "apart, alike in size", "apart, up to 3 times larger", "apart, over 3 times larger"];

/// The first two boxes of a row: whether they overlap, and how their areas differ.
fn boxes(boxes: &[[f32; 4]]) -> Option<&'static str> {
    let [a, b, ..] = boxes else { return None };
    let area = |r: &[f32; 4]| f64::from((r[2] - r[0]).abs()) * f64::from((r[3] - r[1]).abs());
    let meet = a[0].max(b[0]) < a[2].min(b[2]) && a[1].max(b[1]) < a[3].min(b[3]);
    let areas = [area(a), area(b)];
    if !areas.iter().all(|area| area.is_finite() && *area > 0.0) {
        return None;
    }
    let (large, small) = (areas[0].max(areas[1]), areas[0].min(areas[1]));
    Some(match large / small {
        _ if meet => BOXES[0],
        ratio if ratio < 1.5 => BOXES[1],
        ratio if ratio <= 3.0 => BOXES[2],
        _ => BOXES[3],
    })
}

/// How a status is said.
pub(super) fn status(status: ParseStatus) -> &'static str {
    match status {
        ParseStatus::Parsed => "understood",
        ParseStatus::Unparsed => "no option in the answer",
        ParseStatus::Ambiguous => "several options named",
        ParseStatus::OutOfRange => "a letter that is not offered",
        ParseStatus::NoOutput => "nothing to read",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use plumb_bench::{Identity, Kind};
    use std::path::PathBuf;

    pub(crate) fn bench(samples: Vec<Sample>) -> Bench {
        let identity = Identity::Unknown { sha256: "00".into(), rows: samples.len(), why_not: Vec::new() };
        let seen = BenchSeen {
            path: PathBuf::from("bench.parquet"),
            samples,
            rejected: Vec::new(),
            sha256: "00".into(),
            identity,
            official: false,
        };
        Bench::new(&Arc::new(Seen::Bench(seen))).unwrap()
    }

    pub(crate) fn sample(id: usize, task: Task, options: &[&str], gold: usize) -> Sample {
        let mut s = Sample::multiple_choice(&id.to_string(), "Which?", options, gold);
        s.row = id;
        s.kind = task.kind().unwrap_or(Kind::TwoD);
        s.task = task;
        s
    }

    pub(crate) fn given(sample: usize, gold: usize, chosen: usize, p: f64) -> Given {
        let mut probabilities = vec![1.0 - p; 2];
        if let Some(slot) = probabilities.get_mut(chosen) {
            *slot = p;
        }
        Given {
            sample,
            chosen: Some(chosen),
            correct: Some(gold == chosen),
            failed: false,
            probabilities: Some(probabilities),
            seconds: Some(0.5),
        }
    }

    #[test]
    fn rows_say_what_became_of_them() {
        let samples: Vec<Sample> = (0..5).map(|i| sample(i, Task::Depth, &["x", "y"], 1)).collect();
        let mut answers =
            vec![given(0, 1, 1, 0.7), given(1, 1, 0, 0.9), given(2, 1, 0, 0.5), given(3, 1, 0, 0.5)];
        (answers[2].chosen, answers[3].failed, answers[3].correct) = (None, true, None);
        answers.push(given(99, 0, 0, 0.5));
        let data = Data::build(bench(samples), None, &answers, None, None, |_| Mark::default());
        let verdicts: Vec<Verdict> = data.rows.iter().map(|r| r.verdict).collect();
        assert_eq!(verdicts, Verdict::ALL);
        assert_eq!(data.rows[0].right_probability, Some(0.7));
        assert!((data.rows[1].right_probability.unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(data.rows[4], Row::OPEN);
    }

    #[test]
    fn a_whole_benchmark_is_joined_within_a_frame() {
        let tasks = [Task::Count, Task::Depth, Task::Distance, Task::Relation];
        let samples: Vec<Sample> =
            (0..2638).map(|i| sample(i, tasks[i % 4].clone(), &["1", "2"], i % 2)).collect();
        let answers: Vec<Given> = (0..2638).map(|i| given(i, i % 2, 0, 0.6)).collect();
        let bench = bench(samples);
        let began = std::time::Instant::now();
        let data = Data::build(bench, None, &answers, None, Some(&answers), |_| Mark::default());
        println!("{} rows joined in {:.2} ms", data.rows.len(), began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(data.columns.len(), Facet::ALL.len());
    }

    #[test]
    fn bins_have_the_edge_above() {
        assert_eq!(
            [0.0, 0.4, 0.95, f64::NAN].map(confidence_bin),
            [CONFIDENCE[0], CONFIDENCE[1], CONFIDENCE[4], CONFIDENCE[0]]
        );
        assert_eq!([i64::MIN, 1_000, 100_000].map(size_bin), [SIZES[0], SIZES[1], SIZES[3]]);
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(boxes(&[unit]), None);
        assert_eq!(boxes(&[unit, [0.5, 0.5, 2.0, 2.0]]), Some(BOXES[0]));
        assert_eq!(boxes(&[unit, [5.0, 0.0, 6.0, 1.0]]), Some(BOXES[1]));
        assert_eq!(boxes(&[unit, [5.0, 0.0, 9.0, 9.0]]), Some(BOXES[3]));
        assert_eq!(boxes(&[unit, [5.0, 0.0, 5.0, f32::NAN]]), None);
    }

    #[test]
    fn a_pair_needs_both_answers() {
        assert_eq!(pair(Some(true), None), None);
        assert_eq!(pair(Some(false), Some(true)), Some("only B right"));
    }
}
