//! The steps and how one is run, timed and counted.

use crate::counts::{Counts, counts_in};
use crate::tools;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One check, or one kind of test. The order is that of the run: cheap ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Typos,
    Deny,
    Clippy,
    Test,
    Doctest,
    Doc,
}

impl Step {
    pub(crate) const ALL: [Self; 7] =
        [Self::Fmt, Self::Typos, Self::Deny, Self::Clippy, Self::Test, Self::Doctest, Self::Doc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Typos => "typos",
            Self::Deny => "deny",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Doctest => "doctest",
            Self::Doc => "doc",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    pub(crate) fn is_check(self) -> bool {
        matches!(self, Self::Fmt | Self::Typos | Self::Deny | Self::Clippy)
    }
}

/// Where things are, and what children inherit.
pub(crate) struct Context {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// Whether the slow tests run too.
    pub(crate) full: bool,
    cargo: OsString,
    /// Made by this run, removed at its end.
    runtime: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(root: PathBuf, target: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&target)
            .map_err(|error| format!("{} cannot be made: {error}", target.display()))?;
        // Vulkan loaders and wgpu ask for it and complain at length where it is missing.
        let runtime = env::var_os("XDG_RUNTIME_DIR")
            .is_none()
            .then(|| env::temp_dir().join(format!("plumbline-runtime-{}", std::process::id())));
        if let Some(folder) = &runtime {
            private_folder(folder)
                .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self { root, target, full: false, cargo, runtime })
    }

    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            // Of cargo run, for this program; another package's build must not see them.
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_PKG_NAME");
        if env::var_os("CUBECL_AUTOTUNE_LEVEL").is_none() {
            // On software Vulkan each new matrix shape would be tuned for up to a minute.
            command.env("CUBECL_AUTOTUNE_LEVEL", "minimal");
        }
        if self.full {
            command.env("PLUMBLINE_FULL", "1");
        } else if env::var_os("PROPTEST_RNG_SEED").is_none() {
            // The same cases in every run: what fails, fails for the change at hand. `--full` tries others.
            command.env("PROPTEST_RNG_SEED", "1");
        }
        if let Some(folder) = &self.runtime {
            command.env("XDG_RUNTIME_DIR", folder);
        }
        command
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(self.cargo.clone());
        command.args(arguments);
        command
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(folder) = &self.runtime {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

#[cfg(unix)]
fn private_folder(folder: &PathBuf) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn private_folder(folder: &PathBuf) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

enum Outcome {
    Ran(Counts),
    Skipped(String),
}

/// Runs the steps, prints the table and the closing line, and says whether nothing failed.
pub(crate) fn run_all(context: &Context, steps: &[Step], fail_fast: bool) -> bool {
    let mut rows: Vec<(&str, Duration, String)> = Vec::new();
    let mut total = Counts::default();
    let mut warnings = Vec::new();
    if steps.contains(&Step::Test) {
        let start = Instant::now();
        let state = match tools::software_vulkan(context) {
            Ok(state) => state,
            Err(reason) => {
                warnings.push(format!("GPU TESTS MAY BE SKIPPED: {reason}"));
                "missing".to_owned()
            }
        };
        rows.push(("vulkan", start.elapsed(), state));
    }
    for step in steps {
        println!("\n=== {} ===", step.name());
        let start = Instant::now();
        let outcome = run_step(context, *step);
        let text = match outcome {
            Outcome::Ran(counts) => {
                total.add(counts);
                format!("{} passed, {} failed", counts.passed, counts.failed)
            }
            Outcome::Skipped(reason) => {
                println!("SKIPPED: {reason}");
                warnings.push(format!("{} SKIPPED: {reason}", step.name().to_uppercase()));
                "skipped".to_owned()
            }
        };
        rows.push((step.name(), start.elapsed(), text));
        if fail_fast && total.failed > 0 {
            warnings.push(format!("STOPPED after {}: --fail-fast", step.name()));
            break;
        }
    }
    println!("\n{:<10}{:>10}  result", "step", "seconds");
    for (name, time, text) in &rows {
        println!("{name:<10}{:>10.1}  {text}", time.as_secs_f64());
    }
    for warning in &warnings {
        println!("!!! {warning}");
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    total.failed == 0 && total.passed > 0
}

/// The benchmarks of every crate.
pub(crate) fn bench(context: &Context, arguments: &[String]) -> bool {
    let mut command = context.cargo(&["bench", "--workspace", "--benches"]);
    command.args(arguments);
    run(command).success
}

fn run_step(context: &Context, step: Step) -> Outcome {
    match step {
        Step::Fmt => check(context.cargo(&["fmt", "--all", "--check"])),
        Step::Typos => match tools::typos(context) {
            Ok(typos) => {
                let mut command = context.command(typos);
                command.args(["--config", "_typos.toml", "--force-exclude"]);
                check(command)
            }
            Err(reason) => Outcome::Skipped(reason),
        },
        Step::Deny => match tools::cargo_deny(context) {
            Some(deny) => {
                let mut command = context.command(deny);
                command.args(["--all-features", "check", "bans", "licenses", "sources"]);
                check(command)
            }
            None => Outcome::Skipped("cargo-deny is not installed; `cargo xtask tools` builds it".to_owned()),
        },
        // In the release profile, as the tests: build scripts and macros are then compiled once for both.
        Step::Clippy => check(context.cargo(&[
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])),
        Step::Test => tests(context),
        Step::Doctest => {
            counted(context.cargo(&["test", "--doc", "--release", "--workspace", "--no-fail-fast"]), false)
        }
        Step::Doc => {
            let mut command = context.cargo(&["doc", "--release", "--workspace", "--no-deps"]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            check(command)
        }
    }
}

fn tests(context: &Context) -> Outcome {
    if tools::answers(&mut context.cargo(&["nextest", "--version"])) {
        counted(context.cargo(&["nextest", "run", "--release", "--workspace", "--no-fail-fast"]), true)
    } else {
        println!("cargo-nextest is not installed: cargo test runs the tests");
        counted(
            context.cargo(&[
                "test",
                "--release",
                "--workspace",
                "--no-fail-fast",
                "--lib",
                "--bins",
                "--tests",
            ]),
            true,
        )
    }
}

/// A step that is one check.
fn check(command: Command) -> Outcome {
    let good = run(command).success;
    Outcome::Ran(Counts { passed: u64::from(good), failed: u64::from(!good) })
}

/// A step whose tests are counted. A run that fails without a failed test (it did not compile, it crashed) is one
/// failure, and so is one that ran nothing where something had to run.
fn counted(command: Command, must_run: bool) -> Outcome {
    let finished = run(command);
    let mut counts = finished.counts;
    let nothing = must_run && counts == Counts::default();
    if nothing {
        println!("no test was run");
    }
    if counts.failed == 0 && (!finished.success || nothing) {
        counts.failed = 1;
    }
    Outcome::Ran(counts)
}

struct Finished {
    success: bool,
    counts: Counts,
}

/// Runs a command, showing its output as it comes and adding up the closing lines of test runners.
fn run(mut command: Command) -> Finished {
    tools::announce(&command);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("{} cannot be started: {error}", command.get_program().display());
            return Finished { success: false, counts: Counts::default() };
        }
    };
    let out = child.stdout.take();
    let err = child.stderr.take();
    let (mut counts, more) = thread::scope(|scope| {
        let err = scope.spawn(|| err.map(show).unwrap_or_default());
        let out = out.map(show).unwrap_or_default();
        (out, err.join().unwrap_or_default())
    });
    counts.add(more);
    let success = child.wait().is_ok_and(|status| status.success());
    Finished { success, counts }
}

fn show(stream: impl Read) -> Counts {
    let mut counts = Counts::default();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Both streams go to one place, or their lines would part when the output is kept in a file.
        let _ = std::io::stdout().lock().write_all(&line);
        counts.add(counts_in(&String::from_utf8_lossy(&line)).unwrap_or_default());
        line.clear();
    }
    counts
}
