//! Runs on disk, judged: a run with its benchmark, two runs against each other, the blind run that belongs to a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plumb_bench::score::{Judgement, judge};
use plumb_bench::{
    BenchError, Benchmark, Comparison, Parser, Prediction, Report, ReportOptions, RunAnswers, Sample, compare,
};
use plumb_store::runs::{read_manifest, read_records};

use crate::error::{EngineError, Result};
use crate::eval::RunManifest;
use crate::look::bench;
use crate::protocol::ImageMode;

/// The folder of runs that were given none, where the system names one: see [`plumb_store::places::runs`].
#[must_use]
pub fn default_folder() -> Option<PathBuf> {
    plumb_store::places::runs()
}

/// A run with its benchmark, scored.
#[derive(Clone, Debug)]
pub struct Scored {
    pub manifest: RunManifest,
    /// Where the benchmark was found.
    pub bench: PathBuf,
    /// The rows that the run covers.
    pub samples: Vec<Sample>,
    pub predictions: Vec<Prediction>,
    pub parser: Parser,
    pub report: Report,
}

impl Scored {
    /// Every row that the run covers with what the parser made of its answer.
    #[must_use]
    pub fn judgement(&self) -> Judgement<'_> {
        judge(&self.samples, &self.predictions, self.parser)
    }
}

/// Reads the run in `folder` and scores it against `bench`, or the benchmark it was made from: where that has gone, one of the
/// same content that has been opened lately. Answers are read by `parser`, or the one of the run's way of scoring.
///
/// # Errors
/// A folder without a run, a damaged record, a benchmark that is not there or is another.
pub fn load(folder: &Path, bench: Option<&Path>, parser: Option<Parser>) -> Result<Scored> {
    let manifest: RunManifest = read_manifest(folder)?;
    let predictions: Vec<Prediction> = read_records(folder)?;
    let (place, bench) = benchmark(folder, &manifest, bench)?;
    let parser = parser.unwrap_or_else(|| manifest.parser());
    let samples = bench.samples().get(..manifest.samples).unwrap_or(bench.samples()).to_vec();
    let options = ReportOptions { rejected: bench.rejected().len(), ..ReportOptions::default() };
    let report = Report::build(&samples, &predictions, parser, &options);
    Ok(Scored { manifest, bench: place, samples, predictions, parser, report })
}

fn benchmark(
    folder: &Path,
    manifest: &RunManifest,
    named: Option<&Path>,
) -> Result<(PathBuf, Arc<Benchmark>)> {
    let run = || folder.display().to_string();
    let place = named.unwrap_or(&manifest.bench);
    let no_bench = |error: BenchError| EngineError::BenchOfRun { run: run(), error };
    match bench::open(place) {
        Ok(bench) if bench.sha256() == manifest.bench_sha256 => Ok((place.to_owned(), bench)),
        other => match bench::opened(&manifest.bench_sha256).filter(|_| named.is_none()) {
            Some(found) => Ok(found),
            None => Err(EngineError::OtherBench {
                run: run(),
                expected: manifest.bench_sha256.clone(),
                found: other.map_err(no_bench)?.sha256(),
            }),
        },
    }
}

/// Run `b` against run `a`, sample by sample, on the rows that both cover.
///
/// # Errors
/// Runs of different benchmarks.
pub fn difference(a: &Scored, b: &Scored) -> Result<Comparison> {
    let (samples, a, b) = paired(a, b)?;
    Ok(compare(samples, a, b, &ReportOptions::default()))
}

/// The rows that both runs cover.
fn paired<'s>(a: &'s Scored, b: &'s Scored) -> Result<(&'s [Sample], RunAnswers<'s>, RunAnswers<'s>)> {
    if a.manifest.bench_sha256 != b.manifest.bench_sha256 {
        return Err(EngineError::Request(
            "the two runs are of different benchmarks and cannot be paired".into(),
        ));
    }
    let samples = if a.samples.len() <= b.samples.len() { &a.samples } else { &b.samples };
    let answers = |s: &'s Scored| RunAnswers {
        predictions: s.predictions.get(..samples.len()).unwrap_or(&s.predictions),
        parser: s.parser,
    };
    Ok((samples, answers(a), answers(b)))
}

/// The rows, as indices of samples, that only `a` got right, and those that only `b` did, of the rows that both answered.
///
/// # Errors
/// As [`difference`].
pub fn discordant(a: &Scored, b: &Scored) -> Result<[Vec<usize>; 2]> {
    let (samples, a, b) = paired(a, b)?;
    let left = judge(samples, a.predictions, a.parser);
    let right = judge(samples, b.predictions, b.parser);
    let mut only = [Vec::new(), Vec::new()];
    for (at, (l, r)) in left.rows.iter().zip(&right.rows).enumerate() {
        match (l.correct, r.correct) {
            (true, false) if r.parsed.is_some() => only[0].push(at),
            (false, true) if l.parsed.is_some() => only[1].push(at),
            _ => {}
        }
    }
    Ok(only)
}

/// Why `found` is not the blind run of the same model and questions as `run`.
#[must_use]
pub fn unlike(run: &RunManifest, found: &RunManifest) -> Option<String> {
    let (a, b) = (&run.fingerprint, &found.fingerprint);
    let differs = [
        ("images", found.image != ImageMode::Blind),
        ("benchmark", run.bench_sha256 != found.bench_sha256),
        ("number of samples", run.samples != found.samples),
        ("model", a.model_sha256 != b.model_sha256),
        ("adapter", a.adapter_sha256 != b.adapter_sha256),
        ("dtype", a.dtype != b.dtype),
        ("preset", run.preset != found.preset),
        ("way of scoring", run.scoring != found.scoring || run.decoding != found.decoding),
    ];
    let list: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
    (!list.is_empty()).then(|| format!("its {} differ", list.join(", ")))
}

/// The blind run of the same model and questions in the folder that holds `folder`.
#[must_use]
pub fn blind_beside(folder: &Path, run: &RunManifest) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder.parent()?).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
    all.sort();
    all.into_iter().find(|place| {
        *place != folder
            && read_manifest::<RunManifest>(place).is_ok_and(|found| unlike(run, &found).is_none())
    })
}
