//! `adapters merge`, `inspect` and `convert`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use plumb_engine::merge::base;
use plumb_engine::{EngineError, MergeJob};
use plumb_train::host::FileDtype;
use plumb_train::peft::{
    AdapterFolder, AdapterFormat, Inspection, MergeError, MergeReport, convert_adapter, inspect as look,
    read_adapter_folder,
};
use serde_json::{Value, json};

use crate::follow::print_json;
use crate::train_args::{AdaptersArgs, AdaptersCommand, Convert, Inspect, Merge};

/// How many of the modules that changed most are listed.
const LARGEST: usize = 5;

pub(crate) fn run(args: &AdaptersArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        AdaptersCommand::Merge(args) => merge(args),
        AdaptersCommand::Inspect(args) => inspect(args),
        AdaptersCommand::Convert(args) => convert(args),
    }
}

fn merge(args: &Merge) -> anyhow::Result<ExitCode> {
    let job = MergeJob {
        adapter: args.adapter.clone(),
        model: args.model.clone(),
        out: args.out.clone(),
        dtype: args.dtype.map(Into::into),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("cannot listen for Ctrl-C")?;
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::no_length() };
    bar.set_style(ProgressStyle::with_template("merging {bar:24} {bytes}/{total_bytes} · {eta} left")?);
    let mut progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        !stop.load(Ordering::Relaxed)
    };
    let merged = plumb_engine::merge::merge(&job, &mut progress);
    bar.finish_and_clear();
    let report = match merged {
        Err(EngineError::Cancelled) => {
            eprintln!("{}", MergeError::Stopped);
            return Ok(ExitCode::from(crate::INTERRUPTED));
        }
        other => other?,
    };
    if args.json {
        print_json(&report)?;
    } else {
        print_merge(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_merge(report: &MergeReport) {
    let whole = match report.replaced_modules {
        0 => String::new(),
        n => format!(", {n} modules replaced whole"),
    };
    println!("{}: {} modules merged{whole}", report.method, report.merged_modules);
    println!(
        "{} tensors, {} parameters in {}; {} tensors differ from the base's",
        report.tensors,
        report.parameters,
        report.dtypes.join(" and "),
        report.changed_tensors
    );
    if report.untied {
        println!(
            "the base's output head was its embedding; the head has its own table now, and config.json says so"
        );
    }
    for shard in &report.shards {
        println!("{}  {}", shard.sha256, shard.file);
    }
    println!("written to {}", report.out.display());
}

fn inspect(args: &Inspect) -> anyhow::Result<ExitCode> {
    let source = read_adapter_folder(&args.adapter)?;
    let alone = look(&source.adapter, None)
        .with_context(|| format!("config and tensors of {} disagree", args.adapter.display()))?;
    let (found, misfit) = match &args.model {
        None => (alone, None),
        Some(model) => {
            let (_, layout) = base(model)?;
            match look(&source.adapter, Some(&layout)) {
                Ok(found) => (found, None),
                Err(error) => (alone, Some(error.to_string())),
            }
        }
    };
    if args.json {
        let mut value = json!({
            "folder": args.adapter,
            "format": source.format,
            "types": source.types,
            "sha256": source.sha256,
            "model": args.model,
            "fits": args.model.as_ref().map(|_| misfit.is_none()),
            "misfit": misfit,
            "adapter": found,
            "run": source.run,
        });
        value["largest"] = json!(found.largest(LARGEST).iter().map(|m| &m.path).collect::<Vec<_>>());
        print_json(&value)?;
    } else {
        print_inspection(&source, &found);
        match (&args.model, &misfit) {
            (Some(model), None) => println!("model        fits {model}"),
            (Some(model), Some(reason)) => println!("model        does not fit {model}: {reason}"),
            _ => {}
        }
    }
    Ok(if misfit.is_some() { ExitCode::from(crate::FAILURE) } else { ExitCode::SUCCESS })
}

fn print_inspection(source: &AdapterFolder, found: &Inspection) {
    println!("method       {}, {}'s layout", found.method, source.format.name());
    if let Some(base) = &found.base {
        let revision = found.revision.as_ref().map(|r| format!(" at {r}")).unwrap_or_default();
        println!("base         {base}{revision} (by its config)");
    }
    if let Some(targets) = &found.targets {
        println!("targets      {targets}");
    }
    if let Some(tokens) = found.virtual_tokens {
        println!("prompt       {tokens} virtual tokens");
    }
    let types: Vec<&str> = source.types.keys().map(String::as_str).collect();
    println!("parameters   {} in {} tensors of {}", found.parameters, found.tensors, types.join(" and "));
    for (part, count) in &found.parts {
        let of = count.linear.map(|n| format!(" of {n} linear layers")).unwrap_or_default();
        let saved = if count.saved > 0 { format!(", {} stored whole", count.saved) } else { String::new() };
        println!("{:<12} {}{of}{saved}", part.name(), count.adapted);
    }
    for row in &found.ranks {
        let alpha = row.alpha.map(|a| format!(", alpha {a}")).unwrap_or_default();
        // Four places tell 5/3 from 1.667 well enough; `--json` has them all.
        let scale = row.scale.map(|s| format!(", scale {}", (s * 1e4).round() / 1e4)).unwrap_or_default();
        println!("rank {:<7} {} modules{alpha}{scale}", row.rank, row.modules);
    }
    let largest = found.largest(LARGEST);
    if !largest.is_empty() {
        let what = match source.format {
            AdapterFormat::AdapterHub => "|scale up| |down|, at most",
            _ if found.ranks.is_empty() => "|l - 1|",
            _ => "|scale B A|",
        };
        println!("largest      by {what}");
        for module in largest {
            println!("  {:<10.4} {}", module.norm, module.path);
        }
    }
    for path in &found.saved {
        println!("whole        {path}");
    }
    for (key, value) in &found.metadata {
        println!("metadata     {key} = {value}");
    }
    if let Some(run) = &source.run {
        println!("record       {}", summary(run));
    }
    if !found.ignored.is_empty() {
        println!("not read     {} (fields of the config that mean nothing here)", found.ignored.join(", "));
    }
    match &found.not_mergeable {
        None => println!("merge        can be merged"),
        Some(reason) => println!("merge        {reason}"),
    }
}

/// The plain values of a record, on one line.
fn summary(run: &Value) -> String {
    let Value::Object(map) = run else { return run.to_string() };
    let plain = map.iter().filter(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null());
    plain.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(" · ")
}

fn convert(args: &Convert) -> anyhow::Result<ExitCode> {
    let source = read_adapter_folder(&args.adapter)?;
    let to = args.to.map_or(source.format, Into::into);
    let dtype = args.dtype.map_or_else(|| own_type(&source), Into::into);
    let layout = args.model.as_deref().map(base).transpose()?.map(|(_, layout)| layout);
    convert_adapter(&source, to, dtype, layout.as_ref(), &args.out)?;
    let written = read_adapter_folder(&args.out)?;
    if args.json {
        print_json(&json!({
            "from": source.format,
            "to": to,
            "types": written.types,
            "sha256": written.sha256,
            "folder": args.out,
        }))?;
    } else {
        let types: Vec<&str> = written.types.keys().map(String::as_str).collect();
        println!(
            "{}'s layout to {}'s, {} tensors of {}, written to {}",
            source.format.name(),
            to.name(),
            written.types.values().sum::<usize>(),
            types.join(" and "),
            args.out.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The type that all values of an adapter have; f32 holds any mixture.
fn own_type(source: &AdapterFolder) -> FileDtype {
    match source.types.keys().map(String::as_str).collect::<Vec<_>>()[..] {
        ["F16"] => FileDtype::F16,
        ["BF16"] => FileDtype::Bf16,
        _ => FileDtype::F32,
    }
}
