//! Follows a job: progress bars on the terminal, or events as JSON lines; Ctrl-C stops the job at its next step.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use anyhow::{anyhow, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plumb_engine::{Engine, Event, EventKind, JobId, Outcome, Request};
use serde::Serialize;

/// How a job is shown.
#[derive(Clone, Copy, Default)]
pub(crate) struct Show {
    /// Every event as a line of JSON on standard output.
    pub(crate) events: bool,
    /// Pieces of text as they come, on standard output.
    pub(crate) text: bool,
    /// No bars and no notes.
    pub(crate) quiet: bool,
}

/// Runs `request` to its end; `None` when the person stopped it.
pub(crate) fn run(request: Request, show: Show) -> anyhow::Result<Option<Outcome>> {
    run_with(request, show, &mut |_, _| {})
}

/// As [`run`]; `more` sees every event before it is shown.
pub(crate) fn run_with(
    request: Request,
    show: Show,
    more: &mut dyn FnMut(&EventKind, &mut Bars),
) -> anyhow::Result<Option<Outcome>> {
    let (engine, events) = Engine::start()?;
    let job = engine.submit(request)?;
    let engine = Arc::new(engine);
    listen()?;
    if let Ok(mut running) = RUNNING.lock() {
        *running = Some((Arc::downgrade(&engine), job));
    }
    let mut bars = Bars::new(show);
    for Event { kind, .. } in &events {
        if show.events {
            print_json(&kind)?;
        }
        more(&kind, &mut bars);
        match kind {
            EventKind::Note { text } => bars.note(&text),
            EventKind::Progress { stage, done, total, eta_secs } => {
                bars.progress(&stage, done, total, eta_secs);
            }
            EventKind::Download { done, total, eta_secs, .. } => {
                bars.progress("downloading", done, total, eta_secs);
            }
            EventKind::Text { text } if show.text => {
                bars.clear();
                let mut out = std::io::stdout();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            EventKind::Sample { id, error: Some(error), .. } => bars.note(&format!("sample {id}: {error}")),
            EventKind::Finished { outcome } => {
                bars.clear();
                return Ok(Some(outcome));
            }
            EventKind::Failed { error } => {
                bars.clear();
                bail!("{error}");
            }
            EventKind::Cancelled => {
                bars.clear();
                return Ok(None);
            }
            EventKind::Started
            | EventKind::Text { .. }
            | EventKind::Sample { .. }
            | EventKind::Train(_)
            | EventKind::Paused
            | EventKind::Continued => {}
        }
    }
    bail!("the engine ended without an answer; run with PLUMBLINE_LOG=debug and report what it prints")
}

/// The job that Ctrl-C stops.
static RUNNING: Mutex<Option<(Weak<Engine>, JobId)>> = Mutex::new(None);

/// Makes Ctrl-C stop the running job. The system lets a process say so once, and one command may run several jobs.
fn listen() -> anyhow::Result<()> {
    static LISTENING: OnceLock<Result<(), String>> = OnceLock::new();
    let set = || {
        let stops = AtomicUsize::new(0);
        ctrlc::set_handler(move || {
            if stops.fetch_add(1, Ordering::Relaxed) > 0 {
                // Asked twice: at once. A run survives that as well.
                std::process::exit(i32::from(crate::INTERRUPTED));
            }
            let running = RUNNING.lock().ok().and_then(|running| running.clone());
            if let Some((engine, job)) = running
                && let Some(engine) = engine.upgrade()
            {
                engine.cancel(job);
            }
            eprintln!("\nstopping after this step (Ctrl-C again: at once)");
        })
        .map_err(|error| error.to_string())
    };
    LISTENING.get_or_init(set).clone().map_err(|error| anyhow!("cannot listen for Ctrl-C: {error}"))
}

/// One line of JSON on standard output.
pub(crate) fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    std::io::stdout().write_all(line.as_bytes())?;
    Ok(())
}

pub(crate) struct Bars {
    bar: ProgressBar,
    stage: String,
    quiet: bool,
}

impl Bars {
    fn new(show: Show) -> Self {
        let quiet = show.quiet || show.events;
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bar: ProgressBar::with_draw_target(None, target), stage: String::new(), quiet }
    }

    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{text}"));
        }
    }

    pub(crate) fn progress(&mut self, stage: &str, done: u64, total: u64, eta_secs: Option<f64>) {
        if self.stage != stage {
            stage.clone_into(&mut self.stage);
            let template = "{msg:<18} {bar:24} {pos}/{len} {prefix}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_style(style);
            self.bar.set_message(stage.to_owned());
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_prefix(eta_secs.map(|s| format!("· {} left", duration(s))).unwrap_or_default());
    }

    /// A step of training: its number, and `text` about it.
    pub(crate) fn training(&mut self, step: u64, total: u64, text: String) {
        const STAGE: &str = "training";
        if self.stage != STAGE {
            STAGE.clone_into(&mut self.stage);
            // What was shown before may have been cleared.
            self.bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:16} {pos}/{len} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_style(style);
        }
        self.bar.set_length(total);
        self.bar.set_position(step);
        self.bar.set_message(text);
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// `45 s`, `12 min`, `3 h 20 min`
pub(crate) fn duration(secs: f64) -> String {
    let secs = if secs.is_finite() { secs.max(0.0).round() as u64 } else { 0 };
    match secs {
        0..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}
