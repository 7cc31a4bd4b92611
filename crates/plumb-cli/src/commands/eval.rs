use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use plumb_engine::{DeviceChoice, ImageMode, Outcome, Pack, Request, demo as pack};
use plumb_store::places;

use crate::args::{Args, Eval, Image};
use crate::commands::{demo, report};
use crate::follow::{self, Show, print_json};

pub(crate) fn run(args: Eval) -> anyhow::Result<ExitCode> {
    let is_demo = args.bench == Path::new(pack::NAME);
    for (given, flag) in [(args.model.is_named(), "--model"), (args.out.is_some(), "--out")] {
        if !given && !is_demo {
            missing(flag);
        }
    }
    let bench = if is_demo { Pack::find()?.benchmark()? } else { args.bench };
    let (out, blind) = places(args.out)?;
    let both = is_demo && args.image == Image::Full;
    if is_demo && !args.json {
        eprintln!("run in {}", out.display());
    }
    let mut request = Request::Eval {
        model: args.model.request(),
        bench: bench.clone(),
        out: out.clone(),
        preset: args.preset,
        scoring: args.score.into(),
        image: args.image.into(),
        limit: args.limit,
        max_tokens: args.max_tokens,
    };
    let show = Show { events: args.json, ..Show::default() };
    let stopped = || {
        eprintln!("stopped; the same command with --out {} resumes the run", out.display());
        Ok(ExitCode::from(crate::INTERRUPTED))
    };
    let outcome = follow::run(request.clone(), show)?;
    let Some(Outcome::Eval { run, records, failed, seconds, .. }) = outcome else {
        return stopped();
    };
    let seen = report::load(&run, Some(&bench), None)?;
    if both {
        if let Request::Eval { model, image, out, .. } = &mut request {
            // What has been found out need not be looked for again.
            if seen.manifest.fingerprint.backend == "cpu" {
                model.device = DeviceChoice::Cpu;
            }
            *image = ImageMode::Blind;
            out.clone_from(&blind);
        }
        // The device and the model have been told of.
        let Some(Outcome::Eval { seconds: more, .. }) = follow::run(request, Show { quiet: true, ..show })?
        else {
            return stopped();
        };
        let blind = report::load(&blind, Some(&bench), None)?;
        let both = demo::Both { seen: &seen, blind: &blind };
        if args.json {
            print_json(&both.json())?;
        } else {
            println!("{both}\n\n{}", seen.report.verdict.sentence);
            eprintln!(
                "{records} samples with images and without, {failed} without an answer, {} · run kept; all about it: \
                 plumbline report {}",
                follow::duration(seconds + more),
                run.display()
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        print_json(&seen.json())?;
    } else {
        println!("{}", seen.text());
        eprintln!(
            "{records} samples, {failed} without an answer, {} · run kept in {}",
            follow::duration(seconds),
            run.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the program as clap does: what is required depends on the benchmark, which clap cannot say.
fn missing(flag: &str) -> ! {
    let mut whole = Args::command().name("plumbline");
    whole.build();
    let what =
        format!("the following required argument was not provided: {flag} (only `eval demo` needs none)");
    let command = match whole.find_subcommand_mut("eval") {
        Some(eval) => eval,
        None => &mut whole,
    };
    command.error(ErrorKind::MissingRequiredArgument, what).exit()
}

/// The folder of the run, and that of the same run without images.
fn places(out: Option<PathBuf>) -> anyhow::Result<(PathBuf, PathBuf)> {
    if let Some(out) = out {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push("-blind");
        let blind = out.with_file_name(name);
        return Ok((out, blind));
    }
    let runs = places::runs().context("this system names no folder for data; say --out RUN")?;
    let folder =
        places::fresh(&runs, "demo").with_context(|| format!("cannot write in {}", runs.display()))?;
    Ok((folder.join("full"), folder.join("blind")))
}
