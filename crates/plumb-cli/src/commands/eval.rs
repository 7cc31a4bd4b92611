use std::process::ExitCode;

use plumb_engine::{Outcome, Request};

use crate::args::Eval;
use crate::commands::report;
use crate::follow::{self, Show, print_json};

pub(crate) fn run(args: Eval) -> anyhow::Result<ExitCode> {
    let request = Request::Eval {
        model: args.model.request(),
        bench: args.bench.clone(),
        out: args.out.clone(),
        preset: args.preset,
        scoring: args.score.into(),
        image: args.image.into(),
        limit: args.limit,
        max_tokens: args.max_tokens,
    };
    let show = Show { events: args.json, ..Show::default() };
    let outcome = follow::run(request, show)?;
    let Some(Outcome::Eval { run, records, failed, seconds, .. }) = outcome else {
        eprintln!("stopped; the same command resumes the run in {}", args.out.display());
        return Ok(ExitCode::from(crate::INTERRUPTED));
    };
    let report = report::load(&run, Some(&args.bench), None)?;
    if args.json {
        print_json(&report.json())?;
    } else {
        println!("{}", report.text());
        eprintln!(
            "{records} samples, {failed} without an answer, {} · run kept in {}",
            follow::duration(seconds),
            run.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
