//! The `plumbline` command line.

mod args;
mod commands;
mod data_args;
mod follow;
mod train_args;
mod train_options;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let began = std::time::Instant::now();
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("PLUMBLINE_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error")),
        )
        .init();
    let result = match args.command {
        None => commands::tour::run(args.json),
        Some(Command::App(a)) => commands::app::run(a, began),
        Some(Command::Ask(a)) => commands::ask::run(a),
        Some(Command::Eval(a)) => commands::eval::run(a),
        Some(Command::Report(a)) => commands::report::run(&a),
        Some(Command::Models(a)) => commands::models::run(a),
        Some(Command::Doctor(a)) => commands::doctor::run(&a),
        Some(Command::Trace(a)) => commands::trace::run(a),
        Some(Command::Train(a)) => commands::train::run(&a),
        Some(Command::Bench(a)) => commands::bench::run(a),
        Some(Command::Scenes(a)) => commands::data::scenes(&a),
        Some(Command::Lift(a)) => commands::data::lift(&a),
        Some(Command::Synth(a)) => commands::data::synth(&a),
        Some(Command::Verify(a)) => commands::data::verify(&a),
        Some(Command::Adapters(a)) => commands::adapters::run(&a),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // A reader that closed the pipe early (`| head`) has what it wanted.
            let closed = error.chain().any(|e| {
                e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
            });
            if closed {
                return ExitCode::SUCCESS;
            }
            eprintln!("error: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

/// The job could not be done.
pub(crate) const FAILURE: u8 = 1;
/// Stopped by Ctrl-C; a run can be resumed. (2 is clap's, for wrong arguments.)
pub(crate) const INTERRUPTED: u8 = 130;
