//! `plumbline app`: the window.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use plumb_ui::meter::Measure;

use crate::args::App;

pub(crate) fn run(args: App, began: Instant) -> anyhow::Result<ExitCode> {
    let lasts = Duration::try_from_secs_f64(args.measure_for).context("--measure-for")?;
    let measure = args.measure.map(|out| Measure { began, lasts, out });
    plumb_ui::native::run(args.files, measure)?;
    Ok(ExitCode::SUCCESS)
}
