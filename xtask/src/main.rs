//! Every check that a contributor runs, in one program without dependencies: `cargo xtask help`.

mod counts;
mod steps;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use steps::{Context, Step};

const HELP: &str = "\
cargo xtask test [--full]     install what the tests need, run every check and test, cheap ones first
cargo xtask check             the checks without the tests: fmt, clippy, deny, typos
cargo xtask bench [ARGS]      the benchmarks; ARGS go to `cargo bench`
cargo xtask tools             build and install the tools that are otherwise skipped (cargo-deny; some minutes)

  --only STEP, --skip STEP    choose steps; may be repeated, or list several with commas
  --full                      also the slow tests (every GPU fixture), and the documentation without a warning
  --fail-fast                 stop at the first step that fails

Steps, in this order: fmt, typos, deny, clippy, test, doctest, doc
Built files go to CARGO_TARGET_DIR, or to target in the clone, as with cargo itself.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool, String> {
    let (command, rest) = arguments.split_first().ok_or("a command is missing")?;
    if command == "help" || command == "--help" || command == "-h" {
        println!("{HELP}");
        return Ok(true);
    }
    let root = root()?;
    let target = target_folder(&root);
    let mut context = Context::new(root, target)?;
    match command.as_str() {
        "test" | "check" => {
            let chosen = choose(command, rest)?;
            context.full = chosen.full;
            Ok(steps::run_all(&context, &chosen.steps, chosen.fail_fast))
        }
        "bench" => Ok(steps::bench(&context, rest)),
        "tools" => Ok(tools::install_slow_tools(&context)),
        other => Err(format!("{other:?} is no command")),
    }
}

struct Chosen {
    steps: Vec<Step>,
    fail_fast: bool,
    full: bool,
}

fn choose(command: &str, arguments: &[String]) -> Result<Chosen, String> {
    let (mut only, mut skip) = (Vec::new(), Vec::new());
    let (mut full, mut fail_fast) = (false, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let list = match argument.as_str() {
            "--full" => {
                full = true;
                continue;
            }
            "--fail-fast" => {
                fail_fast = true;
                continue;
            }
            "--only" => &mut only,
            "--skip" => &mut skip,
            other => return Err(format!("{other:?} is no option")),
        };
        let names = rest.next().ok_or_else(|| format!("{argument} needs the name of a step"))?;
        for name in names.split(',') {
            list.push(Step::from_name(name).ok_or_else(|| format!("{name:?} is no step"))?);
        }
    }
    let steps = Step::ALL
        .into_iter()
        .filter(|step| match (only.is_empty(), command) {
            (false, _) => only.contains(step),
            (true, "check") => step.is_check(),
            (true, _) => full || *step != Step::Doc,
        })
        .filter(|step| !skip.contains(step))
        .collect::<Vec<_>>();
    if steps.is_empty() {
        Err("no step is left to run".to_owned())
    } else {
        Ok(Chosen { steps, fail_fast, full })
    }
}

/// The root of the repository: cargo tells where this program's manifest is.
fn root() -> Result<PathBuf, String> {
    match env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) {
        Some(manifest) => {
            manifest.parent().map(PathBuf::from).ok_or_else(|| "xtask has no parent folder".to_owned())
        }
        None => env::current_dir().map_err(|error| format!("the current folder is not known: {error}")),
    }
}

/// Cargo's own, so that `cargo run --release` and the tests share what they build.
fn target_folder(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| root.join("target"), |folder| root.join(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(command: &str, arguments: &[&str]) -> Result<Vec<&'static str>, String> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        choose(command, &arguments).map(|chosen| chosen.steps.into_iter().map(Step::name).collect())
    }

    #[test]
    fn steps_are_chosen_in_their_own_order() {
        assert_eq!(names("check", &[]).unwrap(), ["fmt", "typos", "deny", "clippy"]);
        assert_eq!(names("test", &[]).unwrap(), ["fmt", "typos", "deny", "clippy", "test", "doctest"]);
        assert_eq!(
            names("test", &["--full", "--skip", "test,fmt"]).unwrap(),
            ["typos", "deny", "clippy", "doctest", "doc"]
        );
        assert_eq!(names("test", &["--only", "doc", "--only", "fmt"]).unwrap(), ["fmt", "doc"]);
        for wrong in [&["--only"][..], &["--only", "x"], &["--fast"], &["--only", "fmt", "--skip", "fmt"]] {
            assert!(names("test", wrong).is_err(), "{wrong:?}");
        }
    }
}
