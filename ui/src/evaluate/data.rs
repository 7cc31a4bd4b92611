//! What the panes draw: the rows of a benchmark with a run's answers, each fact of a row a number into a column's values.

use std::sync::Arc;

use plumb_bench::{ParseStatus, Parser, Report, ReportOptions, Sample};
use plumb_engine::look::{Answer, BenchSeen, RunSeen, Seen};

use super::columns::columns;
use super::facets::Column;

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
    use super::super::facets::Facet;
    use super::*;
    use plumb_bench::{Identity, Kind, Task};
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
}
