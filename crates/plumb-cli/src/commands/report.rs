use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plumb_bench::{
    Benchmark, Comparison, Parser, Prediction, ReportOptions, RunAnswers, Sample, compare, interop,
};
use plumb_engine::{ImageMode, RunManifest};
use plumb_store::runs::{read_manifest, read_records};
use serde_json::{Value, json};

use super::blind::{self, Sight};
use crate::args::Report;
use crate::follow::print_json;

/// A run with its benchmark, ready to be scored.
pub(crate) struct Scored {
    pub(super) manifest: RunManifest,
    /// Where the benchmark was found.
    pub(super) bench: PathBuf,
    samples: Vec<Sample>,
    predictions: Vec<Prediction>,
    pub(super) parser: Parser,
    pub(super) report: plumb_bench::Report,
}

/// Reads the run in `folder` and scores it against `bench`, or the benchmark it was made from.
pub(crate) fn load(folder: &Path, bench: Option<&Path>, parser: Option<Parser>) -> anyhow::Result<Scored> {
    let manifest: RunManifest = read_manifest(folder)?;
    let predictions: Vec<Prediction> = read_records(folder)?;
    let place = bench.unwrap_or(&manifest.bench).to_owned();
    let bench = Benchmark::open(&place)
        .with_context(|| format!("the benchmark of {} (give it with --bench)", folder.display()))?;
    if bench.sha256() != manifest.bench_sha256 {
        bail!(
            "{} was made from a benchmark with SHA-256 {}, but this one has {}; its records do not belong to these rows",
            folder.display(),
            manifest.bench_sha256,
            bench.sha256()
        );
    }
    let parser = parser.unwrap_or_else(|| manifest.parser());
    let samples = bench.samples().get(..manifest.samples).unwrap_or(bench.samples()).to_vec();
    let options = ReportOptions { rejected: bench.rejected().len(), ..ReportOptions::default() };
    let report = plumb_bench::Report::build(&samples, &predictions, parser, &options);
    Ok(Scored { manifest, bench: place, samples, predictions, parser, report })
}

impl Scored {
    pub(crate) fn json(&self) -> Value {
        json!({ "run": self.manifest, "report": self.report })
    }

    pub(crate) fn text(&self) -> String {
        let m = &self.manifest;
        let f = &m.fingerprint;
        let adapter = f.adapter_sha256.as_deref().map_or_else(String::new, |hash| {
            let name = f.adapter.as_deref().unwrap_or("an adapter");
            format!(" + {name} ({}…)", hash.get(..12).unwrap_or(hash))
        });
        let bench = if m.bench_official { "published files" } else { "not the published files" };
        format!(
            "{}\nmodel {} ({}…){adapter} · {} on {} · images {:?} at {} px · preset {} · {}\nbenchmark {} ({}…, {bench})",
            self.report,
            f.model,
            f.model_sha256.get(..12).unwrap_or_default(),
            f.dtype,
            f.device,
            m.image,
            f.longest_edge,
            m.preset.id(),
            m.decoding,
            m.bench.display(),
            m.bench_sha256.get(..12).unwrap_or_default(),
        )
    }
}

pub(crate) fn run(args: &Report) -> anyhow::Result<ExitCode> {
    let parser = match &args.parser {
        Some(text) => Some(text.parse::<Parser>()?),
        None => None,
    };
    let runs = args
        .runs
        .iter()
        .map(|run| load(run, args.bench.as_deref(), parser))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if let (Some(path), Some(first)) = (&args.csv, runs.first()) {
        let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        interop::export_csv(std::io::BufWriter::new(file), &first.predictions)?;
    }
    let difference = match runs.as_slice() {
        [a, b] => Some(difference(a, b)?),
        _ => None,
    };
    if args.blind.len() > args.runs.len() {
        bail!("--blind names {} runs, one for each of {} at most", args.blind.len(), args.runs.len());
    }
    let sights = runs
        .iter()
        .zip(&args.runs)
        .enumerate()
        .filter(|(_, (run, _))| run.manifest.image == ImageMode::Full)
        .map(|(i, (run, folder))| Sight::of(folder, run, args.blind.get(i).map(PathBuf::as_path)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if args.json {
        let blind: Vec<Value> = sights.iter().map(Sight::json).collect();
        match (&difference, runs.as_slice()) {
            (Some(d), [a, b]) => {
                print_json(&json!({ "a": a.json(), "b": b.json(), "comparison": d, "blind": blind }))?;
            }
            _ => runs.iter().try_for_each(|r| {
                let mut value = r.json();
                if let Value::Object(fields) = &mut value {
                    fields.insert("blind".into(), json!(blind));
                }
                print_json(&value)
            })?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    for (run, folder) in runs.iter().zip(&args.runs) {
        println!("{}\n{}\n", folder.display(), run.text());
    }
    if let Some(difference) = difference {
        println!("{difference}");
    }
    for sight in sights.iter().filter(|sight| runs.len() > 1 || sight.matters()) {
        println!("{}", sight.text());
    }
    if let [a, b] = sights.as_slice()
        && let Some(gain) = blind::gain(a, b)
    {
        println!("{gain}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Run `b` against run `a`, sample by sample.
pub(super) fn difference(a: &Scored, b: &Scored) -> anyhow::Result<Comparison> {
    if a.manifest.bench_sha256 != b.manifest.bench_sha256 {
        bail!("the two runs are of different benchmarks and cannot be paired");
    }
    // The rows that both cover.
    let samples = if a.samples.len() <= b.samples.len() { &a.samples } else { &b.samples };
    let answers = |s: &Scored| s.predictions.iter().take(samples.len()).cloned().collect::<Vec<_>>();
    let (pa, pb) = (answers(a), answers(b));
    Ok(compare(
        samples,
        RunAnswers { predictions: &pa, parser: a.parser },
        RunAnswers { predictions: &pb, parser: b.parser },
        &ReportOptions::default(),
    ))
}
