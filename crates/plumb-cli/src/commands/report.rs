use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plumb_bench::{Comparison, Parser, interop};
use plumb_engine::{EngineError, ImageMode, runs};
use serde_json::{Value, json};

use super::blind::{self, Sight};
use crate::args::Report;
use crate::follow::print_json;

/// A run with its benchmark, scored.
pub(crate) struct Scored(runs::Scored);

impl Deref for Scored {
    type Target = runs::Scored;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Reads the run in `folder` and scores it against `bench`, or the benchmark it was made from.
pub(crate) fn load(folder: &Path, bench: Option<&Path>, parser: Option<Parser>) -> anyhow::Result<Scored> {
    let run = runs::load(folder, bench, parser);
    let elsewhere = bench.is_none() && matches!(run, Err(EngineError::BenchOfRun { .. }));
    let run = run.map(Scored);
    Ok(if elsewhere { run.context("give the benchmark with --bench")? } else { run? })
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
    Ok(runs::difference(a, b)?)
}
