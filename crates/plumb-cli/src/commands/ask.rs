use std::process::ExitCode;

use anyhow::bail;
use plumb_engine::{Outcome, Request};
use plumb_vlm::Sampling;

use crate::args::Ask;
use crate::follow::{self, Show, print_json};

pub(crate) fn run(args: Ask) -> anyhow::Result<ExitCode> {
    let options: Vec<String> =
        args.options.map(|o| o.split('|').map(|s| s.trim().to_owned()).collect()).unwrap_or_default();
    if options.len() == 1 || options.len() > 26 || options.iter().any(String::is_empty) {
        bail!("--options has {} options, some may be empty; expected 2 to 26, separated by |", options.len());
    }
    let sampling = match args.temperature {
        None => Sampling::Greedy,
        Some(temperature) => {
            Sampling::Random { temperature, top_k: args.top_k, top_p: args.top_p, seed: args.seed }
        }
    };
    let free = options.is_empty();
    let request = Request::Ask {
        model: args.model.request(),
        image: args.image,
        question: args.question,
        options,
        preset: args.preset,
        sampling,
        max_tokens: args.max_tokens,
        attention: false,
    };
    let show = Show { text: free && !args.json, quiet: args.json, ..Show::default() };
    let Some(Outcome::Ask(outcome)) = follow::run(request, show)? else {
        return Ok(ExitCode::from(crate::INTERRUPTED));
    };
    if args.json {
        print_json(&outcome)?;
        return Ok(ExitCode::SUCCESS);
    }
    if free {
        println!();
    } else {
        let width = outcome.options.iter().map(|o| o.text.chars().count()).max().unwrap_or(0);
        for option in &outcome.options {
            let bar = "█".repeat((option.probability * 20.0).round() as usize);
            let mark = if option.text == outcome.answer { "→" } else { " " };
            println!("{mark} {:width$}  {:5.1} %  {bar}", option.text, option.probability * 100.0);
        }
    }
    let s = outcome.seconds;
    eprintln!(
        "{} frames, {} prompt tokens · vision {:.2} s, prompt {:.2} s, answer {:.2} s · {} {}",
        outcome.frames,
        outcome.prompt_tokens,
        s.vision,
        s.prompt,
        s.answer,
        outcome.fingerprint.device,
        outcome.fingerprint.dtype
    );
    Ok(ExitCode::SUCCESS)
}
