use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use plumb_engine::{EventKind, Outcome, Request};
use plumb_train::checkpoint::StepMetrics;
use plumb_train::run::{Plan, TrainEvent};

use crate::follow::{self, Bars, Show, duration};
use crate::train_options::Train;

/// Without a terminal, a line this often.
const PLAIN: Duration = Duration::from_secs(2);
/// What a new step counts for in the smoothed loss.
const NEW: f64 = 0.1;

pub(crate) fn run(args: &Train) -> anyhow::Result<ExitCode> {
    let config = args.settings()?;
    let folder = config.out.clone();
    let request = Request::Train {
        config: Box::new(config),
        device: args.device,
        resume: args.resume,
        dry_run: args.dry_run,
    };
    let mut view = View::new(args.json);
    let show = Show { events: args.json, ..Show::default() };
    let outcome = follow::run_with(request, show, &mut |kind, bars| view.show(kind, bars))?;
    let go_on = || {
        eprintln!("go on with: plumbline train --resume --out {}", folder.display());
        Ok(ExitCode::from(crate::INTERRUPTED))
    };
    let Some(Outcome::Train { run, finished }) = outcome else {
        eprintln!("stopped before the first step");
        return go_on();
    };
    let Some(finished) = finished else { return Ok(ExitCode::SUCCESS) };
    if !finished.complete {
        eprintln!("stopped at step {} of {}, saved", finished.step, finished.total);
        return go_on();
    }
    if !args.json {
        let loss = finished.loss.map(|loss| format!(", last loss {loss:.4}")).unwrap_or_default();
        println!("{} steps in {}{loss}", finished.step, duration(finished.seconds));
        if let Some(result) = finished.result {
            println!("{}", result.display());
        }
        eprintln!("run kept in {}", run.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A run on the terminal.
struct View {
    json: bool,
    terminal: bool,
    loss: Option<f64>,
    last: Option<Instant>,
}

impl View {
    fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stderr().is_terminal(), loss: None, last: None }
    }

    fn show(&mut self, kind: &EventKind, bars: &mut Bars) {
        let event = match kind {
            EventKind::Train(event) if !self.json => event,
            EventKind::Paused if !self.json => return bars.note("paused, saved"),
            _ => return,
        };
        match event {
            TrainEvent::Plan(plan) => {
                bars.clear();
                println!("{}", describe(plan));
            }
            TrainEvent::Step { metrics, total, eta_seconds } => {
                self.step(metrics, *total, *eta_seconds, bars);
            }
            TrainEvent::Evaluating { done, total, .. } => {
                bars.progress("evaluating", *done, *total, None);
            }
            TrainEvent::Eval(eval) => {
                let loss = eval.loss.map_or_else(String::new, |l| format!("held-out loss {l:.4}, "));
                let right = eval.accuracy.map_or_else(String::new, |a| format!("{:.1} % right, ", a * 100.0));
                let best = if eval.best { " (best yet)" } else { "" };
                bars.note(&format!("step {}: {loss}{right}{} samples{best}", eval.step, eval.samples));
            }
            TrainEvent::Answer(answer) => {
                let mark = if answer.correct == Some(true) { "right" } else { "wrong" };
                bars.note(&format!(
                    "  {mark}: {} → {:?}, expected {:?}",
                    short(&answer.question),
                    short(&answer.answer),
                    short(&answer.expected)
                ));
            }
            TrainEvent::Saved { step, folder, bytes } => {
                let mb = *bytes as f64 / 1e6;
                bars.note(&format!("step {step}: saved {mb:.1} MB in {}", folder.display()));
            }
            TrainEvent::Resumed { step, skipped } => {
                skipped.iter().for_each(|why| bars.note(&format!("left out: {why}")));
                bars.note(&format!("going on after step {step}"));
            }
            TrainEvent::Note { text } => bars.note(text),
        }
    }

    fn step(&mut self, metrics: &StepMetrics, total: u64, left: f64, bars: &mut Bars) {
        self.loss = match (self.loss, metrics.loss.map(f64::from)) {
            (Some(old), Some(new)) => Some(old + NEW * (new - old)),
            (old, new) => new.or(old),
        };
        let some = |value: Option<String>| value.unwrap_or_else(|| "—".into());
        let text = format!(
            "loss {} · lr {} · grad {} · {} tokens/s · {} · {} left",
            some(self.loss.map(|v| format!("{v:.4}"))),
            some(metrics.lr.map(|v| format!("{v:.2e}"))),
            some(metrics.grad_norm.map(|v| format!("{v:.3}"))),
            some(metrics.tokens_per_s.map(|v| format!("{v:.0}"))),
            some(metrics.memory_bytes.map(|v| format!("{} MiB", v >> 20))),
            duration(left)
        );
        if self.terminal {
            bars.training(metrics.step, total, text);
            return;
        }
        let due = self.last.is_none_or(|last| last.elapsed() >= PLAIN) || metrics.step == total;
        if due {
            self.last = Some(Instant::now());
            bars.note(&format!("step {}/{total} · {text}", metrics.step));
        }
    }
}

/// The first words of a text on one line.
fn short(text: &str) -> String {
    const MOST: usize = 90;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST { line } else { line.chars().take(MOST).chain(['…']).collect() }
}

fn describe(plan: &Plan) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let e = &plan.estimate;
    let share = 100.0 * plan.trainable as f64 / plan.parameters.max(1) as f64;
    let mut text = format!(
        "learns   {} of {} parameters ({share:.3} %)\n\
         data     {} samples, {} held out{}\n\
         steps    {}\n\
         memory   about {:.0} MiB: weights {:.0}, gradients and moments {:.0}, a step {:.0}, saving {:.0}, kept image features {:.0}, program and data {:.0}\n\
         recompute {} · image features {}\n",
        plan.trainable,
        plan.parameters,
        plan.samples,
        plan.held_out,
        if plan.refused.is_empty() {
            String::new()
        } else {
            format!(", {} rows left out", plan.refused.len())
        },
        plan.steps,
        mib(e.total),
        mib(e.weights),
        mib(e.optimizer),
        mib(e.activations),
        mib(e.saving),
        mib(e.features),
        mib(e.fixed),
        if plan.recompute { "on" } else { "off" },
        if plan.features_cached { "kept" } else { "computed in every step" },
    );
    if plan.shares.len() > 1 {
        let sum: f64 = plan.shares.iter().sum();
        let shares: Vec<String> =
            plan.shares.iter().map(|s| format!("{:.1} %", 100.0 * s / sum.max(f64::MIN_POSITIVE))).collect();
        text.push_str(&format!("tokens   {} by data set\n", shares.join(", ")));
    }
    for row in plan.refused.iter().take(5) {
        text.push_str(&format!("left out {row}\n"));
    }
    text.push_str(&format!("a sample, [[not learned]] and →learned←:\n{}", plan.masked));
    text
}
