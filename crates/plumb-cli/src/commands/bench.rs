use std::process::ExitCode;

use plumb_engine::{BenchStep, Outcome, Request};

use crate::args::Bench;
use crate::follow::{self, Show, print_json};

pub(crate) fn run(args: Bench) -> anyhow::Result<ExitCode> {
    if args.train {
        return train(args);
    }
    let request = Request::Bench {
        model: args.model.request(),
        prompt_tokens: args.prompt_tokens,
        decode: args.decode,
        repeat: args.repeat,
    };
    let Some(Outcome::Bench(b)) = follow::run(request, Show { quiet: args.json, ..Show::default() })? else {
        return Ok(ExitCode::from(crate::INTERRUPTED));
    };
    if args.json {
        print_json(&b)?;
    } else {
        println!("{} parameters in {} on {}, loaded in {:.1} s", b.params, b.dtype, b.device, b.load_s);
        println!("vision (one frame)          {:8.3} s", b.vision_s);
        println!("vision + {:4} prompt tokens {:8.3} s", b.prompt_tokens, b.prefill_s);
        println!("decode                      {:8.1} tokens/s", b.decode_tok_s);
        if let Some(mib) = b.peak_rss_mib {
            println!("peak memory                 {mib:8.0} MiB");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn train(args: Bench) -> anyhow::Result<ExitCode> {
    let step = BenchStep {
        rank: args.rank,
        tokens: args.prompt_tokens,
        labels: args.labels,
        cached: args.cached,
        recompute: args.recompute,
        repeat: args.repeat,
        seed: args.seed,
    };
    let request = Request::BenchTrain { model: args.model.request(), step };
    let show = Show { quiet: args.json, ..Show::default() };
    let Some(Outcome::BenchTrain(b)) = follow::run(request, show)? else {
        return Ok(ExitCode::from(crate::INTERRUPTED));
    };
    if args.json {
        print_json(&b)?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} of {} parameters learn, {} on {}", b.trainable, b.params, b.dtype, b.device);
    let vision = if b.cached { "image features made before" } else { "vision tower in the step" };
    let blocks = if b.recompute { "blocks computed again" } else { "intermediate results kept" };
    println!("step of {} tokens, {} learned: {:.3} s ({vision}, {blocks})", b.tokens, b.labels, b.step_s);
    if let Some(mib) = b.peak_mib {
        println!("peak memory {mib:.0} MiB");
    }
    Ok(ExitCode::SUCCESS)
}
