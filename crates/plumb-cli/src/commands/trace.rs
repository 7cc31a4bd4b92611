use std::process::ExitCode;

use plumb_engine::{Outcome, Request};

use crate::args::Trace;
use crate::follow::{self, Show, print_json};

pub(crate) fn run(args: Trace) -> anyhow::Result<ExitCode> {
    let request =
        Request::Trace { model: args.model.request(), image: args.image, prompt: args.prompt, out: args.out };
    let Some(outcome) = follow::run(request, Show { quiet: args.json, ..Show::default() })? else {
        return Ok(ExitCode::from(crate::INTERRUPTED));
    };
    match outcome {
        outcome if args.json => print_json(&outcome)?,
        Outcome::Trace { out, tokens, frames } => {
            println!("{tokens} tokens, {frames} frames in {}", out.display());
        }
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}
