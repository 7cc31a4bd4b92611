//! Recomputes every answer of a data set from the geometry it carries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plumb_qa::dataset::{Format, JsonlReader, ParquetQaReader, QaRow, ReadOptions};
use plumb_qa::generate::render_texts;
use plumb_qa::{Kind, QaError, QaPair, SceneIndex, Templates, check_pair};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Monitor, PipelineError, Result};

/// What to verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyJob {
    /// A Parquet or JSONL data set.
    pub file: PathBuf,
    /// Templates that the text was made with, where they are not the program's own.
    pub templates: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    pub pairs: u64,
    pub right: u64,
    pub wrong: u64,
    /// Rows that cannot be decided: their scene is missing or does not say.
    pub undecided: u64,
    /// Rows that cannot be read.
    pub unreadable: u64,
    /// Whether questions and answers were also held to the templates, word for word.
    pub text_checked: bool,
    pub scenes: u64,
    pub by_kind: BTreeMap<Kind, KindCount>,
    /// The first rows that are not right.
    pub findings: Vec<Finding>,
    pub seconds: f64,
}

/// Counts of one question type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    pub pairs: u64,
    pub right: u64,
}

/// A row that is not right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub row: u64,
    pub question: String,
    pub answer: String,
    pub reason: String,
}

impl VerifyReport {
    /// Whether every row was read, decided and right.
    #[must_use]
    pub fn all_right(&self) -> bool {
        self.right == self.pairs && self.unreadable == 0
    }
}

/// Rows verified at once.
const BATCH: usize = 16_384;
/// Most rows that are not right to tell about.
const MOST_FINDINGS: usize = 20;

enum Outcome {
    Right,
    Wrong(String),
    Undecided(String),
}

/// Verifies a data set: values, proofs, and, if the templates are those of the file, every word.
///
/// # Errors
/// When the file cannot be opened or is no data set.
pub fn verify(job: &VerifyJob, monitor: &dyn Monitor) -> Result<VerifyReport> {
    let began = std::time::Instant::now();
    let own;
    let templates = if let Some(folder) = &job.templates {
        own = Templates::load(folder)?;
        &own
    } else {
        Templates::builtin()?
    };
    let (mut rows, total, fingerprint) = open(&job.file, templates)?;
    let text_checked = fingerprint.as_ref().is_none_or(|stored| *stored == templates.fingerprint());
    if !text_checked {
        monitor.note("the text was made with other templates than these: values and proofs are verified, words are not");
    }
    let mut report = VerifyReport { text_checked, ..VerifyReport::default() };
    let mut last_scene = String::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        monitor.checkpoint()?;
        batch.clear();
        let mut broken = None;
        for row in rows.by_ref().take(BATCH) {
            match row {
                Ok(row) => batch.push(row),
                Err(error) => {
                    report.unreadable += 1;
                    broken.get_or_insert(error.to_string());
                }
            }
        }
        if let Some(reason) = broken
            && report.findings.len() < MOST_FINDINGS
        {
            report.findings.push(Finding { row: 0, question: String::new(), answer: String::new(), reason });
        }
        if batch.is_empty() {
            if report.unreadable > 0 && report.pairs == 0 {
                let reason = report.findings.first().map_or_else(String::new, |f| f.reason.clone());
                return Err(PipelineError::Unusable { what: job.file.display().to_string(), detail: reason });
            }
            break;
        }
        let runs: Vec<&[QaRow]> = batch.chunk_by(same_scene).collect();
        let outcomes: Vec<Vec<Outcome>> =
            runs.par_iter().map(|run| verify_run(run, templates, text_checked)).collect();
        for (run, outcomes) in runs.iter().zip(outcomes) {
            if let Some(row) = run.first()
                && row.pair.scene != last_scene
            {
                last_scene.clone_from(&row.pair.scene);
                report.scenes += 1;
            }
            for (row, outcome) in run.iter().zip(outcomes) {
                count(&mut report, row, outcome);
            }
        }
        monitor.progress("pairs", report.pairs, total.max(report.pairs));
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

type Rows<'f> = Box<dyn Iterator<Item = plumb_qa::Result<QaRow>> + 'f>;

/// The rows, how many are expected, and the fingerprint of the templates where the file has one.
fn open<'f>(file: &'f Path, templates: &'f Templates) -> Result<(Rows<'f>, u64, Option<String>)> {
    match Format::of_path(file) {
        Some(Format::Jsonl) => Ok((Box::new(JsonlReader::open(file)?), 0, None)),
        // Whatever else it is called: a file that is no Parquet says so itself.
        _ => {
            let reader = ParquetQaReader::open(file, ReadOptions::default())?;
            let (total, meta) = (reader.rows(), reader.meta().clone());
            let fingerprint = (!meta.templates.is_empty()).then_some(meta.templates);
            // Rows without text are rendered by the same templates: there is nothing to compare.
            let render = move |pair: &QaPair| {
                render_texts(templates, pair).ok_or_else(|| QaError::Format {
                    path: file.display().to_string(),
                    detail: "a row names a template that does not exist".to_owned(),
                })
            };
            Ok((Box::new(reader.render_with(render)), total, fingerprint))
        }
    }
}

fn same_scene(a: &QaRow, b: &QaRow) -> bool {
    match (&a.scene, &b.scene) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn verify_run(rows: &[QaRow], templates: &Templates, text: bool) -> Vec<Outcome> {
    let Some(scene) = rows.first().and_then(|row| row.scene.as_deref()) else {
        return rows
            .iter()
            .map(|row| {
                Outcome::Undecided(format!("the geometry of scene {} is not in the file", row.pair.scene))
            })
            .collect();
    };
    let index = SceneIndex::new(scene);
    rows.iter()
        .map(|row| {
            let verdict = check_pair(&index, &row.pair);
            match verdict.correct {
                None => Outcome::Undecided(verdict.reason),
                Some(false) => Outcome::Wrong(verdict.reason),
                Some(true) if !text => Outcome::Right,
                Some(true) => match render_texts(templates, &row.pair) {
                    None => Outcome::Wrong("it names a template that does not exist".to_owned()),
                    Some((question, answer)) => {
                        if question != row.pair.question_text {
                            Outcome::Wrong(format!("the question should read {question:?}"))
                        } else if answer != row.pair.answer_text {
                            Outcome::Wrong(format!("the answer should read {answer:?}"))
                        } else {
                            Outcome::Right
                        }
                    }
                },
            }
        })
        .collect()
}

fn count(report: &mut VerifyReport, row: &QaRow, outcome: Outcome) {
    report.pairs += 1;
    let kind = report.by_kind.entry(row.pair.question.kind).or_default();
    kind.pairs += 1;
    let reason = match outcome {
        Outcome::Right => {
            report.right += 1;
            kind.right += 1;
            return;
        }
        Outcome::Wrong(reason) => {
            report.wrong += 1;
            reason
        }
        Outcome::Undecided(reason) => {
            report.undecided += 1;
            reason
        }
    };
    if report.findings.len() < MOST_FINDINGS {
        report.findings.push(Finding {
            row: row.row,
            question: row.pair.question_text.clone(),
            answer: row.pair.answer_text.clone(),
            reason,
        });
    }
}
