//! A program that is killed in the middle of an evaluation or a training, and the window that goes on with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_bench::PromptPreset;
use plumb_engine::{
    DeviceChoice, Engine, EventKind, ImageMode, ModelRequest, Outcome, Pack, Request, Scoring,
};
use plumb_train::config::TrainConfig;
use plumb_ui::jobs::Status;
use plumb_ui::pane::Workspace;
use plumb_ui::theme::Mode;

use super::{settle, until, window};

/// The variables that make `writer` do something, with the folder to write to.
const EVAL: &str = "PLUMB_TEST_EVAL";
const TRAIN: &str = "PLUMB_TEST_TRAIN";
/// Rows of the evaluation: not all of the benchmark, so that a run which forgot its limit is found out.
const ROWS: usize = 400;
const STEPS: u64 = 100;

fn evaluation(out: &Path) -> Request {
    Request::Eval {
        model: ModelRequest {
            model: "demo".into(),
            device: DeviceChoice::Cpu,
            precision: None,
            longest_edge: None,
            adapter: Some("demo".into()),
        },
        bench: "demo".into(),
        out: out.to_owned(),
        // None of them what the window would take by itself.
        preset: PromptPreset::SmolvlmMcq,
        scoring: Scoring::Generate,
        image: ImageMode::Blank,
        limit: Some(ROWS),
        max_tokens: 3,
    }
}

fn training(out: &Path) -> Request {
    let scenes = Pack::find().unwrap().scenes().unwrap();
    let text = format!(
        "model = \"demo\"\nout = {out:?}\nsteps = {STEPS}\nseed = 3\n[checkpoint]\nevery = 5\nkeep = 2\n\
         [[data]]\npath = {:?}\nas_benchmark = true\nkinds = [\"mc_depth\"]\n",
        scenes.join("qa.parquet")
    );
    let config = TrainConfig::from_toml("the test", &text).unwrap();
    Request::Train { config: Box::new(config), device: DeviceChoice::Cpu, resume: false, dry_run: false }
}

fn run(request: Request) -> Outcome {
    let (engine, events) = Engine::start().unwrap();
    engine.submit(request).unwrap();
    for event in &events {
        match event.kind {
            EventKind::Finished { outcome } => return outcome,
            EventKind::Failed { error } => panic!("{error}"),
            _ => {}
        }
    }
    panic!("the engine ended");
}

/// An evaluation of `rows` rows of which only the first `kept` are there.
pub(super) fn cut_short(folder: &Path, rows: usize, kept: usize) {
    let Request::Eval { model, bench, out, preset, scoring, image, max_tokens, .. } = evaluation(folder)
    else {
        unreachable!()
    };
    run(Request::Eval { model, bench, out, preset, scoring, image, limit: Some(rows), max_tokens });
    let path = folder.join("records.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let first: String = text.split_inclusive('\n').take(kept).collect();
    std::fs::write(path, first).unwrap();
}

/// Not a test but the program that is killed: the test beneath starts this very binary with a variable set.
#[test]
#[ignore = "started by other tests"]
fn writer() {
    if let Some(folder) = std::env::var_os(EVAL) {
        run(evaluation(Path::new(&folder)));
    }
    if let Some(folder) = std::env::var_os(TRAIN) {
        run(training(Path::new(&folder)));
    }
}

fn start(variable: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["resume::writer", "--exact", "--ignored"])
        .env(variable, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the writer, at once and without a word, as soon as `far` is true of its folder.
fn killed_when(variable: &str, folder: &Path, far: impl Fn(&Path) -> bool) {
    let mut child = start(variable, folder);
    let began = Instant::now();
    while !far(folder) {
        assert!(child.try_wait().unwrap().is_none(), "it came to its end before it could be killed");
        assert!(began.elapsed() < Duration::from_secs(120), "it does not get on");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn lines(path: PathBuf) -> usize {
    std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

#[test]
fn an_evaluation_that_was_killed_is_offered_and_goes_on_to_the_same_bytes() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().join("cut-short");
    killed_when(EVAL, &folder, |folder| lines(folder.join("records.jsonl")) >= 20);
    let written = lines(folder.join("records.jsonl"));
    assert!(written < ROWS, "{written}");

    let mut harness = window(Mode::Dark, Workspace::Train, runs.path(), false);
    settle(&mut harness);
    let said = harness.get_by_label_contains("was cut short");
    let said = said.accesskit_node().value().unwrap_or_default();
    for part in ["demo", "grey pictures", &format!("{written} of {ROWS} samples")] {
        assert!(said.contains(part), "{said}");
    }
    harness.get_by_label("Resume cut-short").click_accesskit();
    until(&mut harness, "the end of the evaluation", |h| {
        h.state().jobs().iter().any(|(_, job)| job.status == Status::Finished)
    });
    settle(&mut harness);
    assert_eq!(harness.state().session().workspace, Workspace::Evaluate);
    assert!(harness.query_by_label_contains("was cut short").is_none());
    let whole = runs.path().join("whole");
    run(evaluation(&whole));
    for file in ["records.jsonl", "run.json"] {
        assert!(
            std::fs::read(folder.join(file)).unwrap() == std::fs::read(whole.join(file)).unwrap(),
            "{file} differs from the one of a run that was not killed"
        );
    }
    assert_eq!(lines(folder.join("records.jsonl")), ROWS);
}

#[test]
fn what_is_being_written_or_was_left_is_not_offered() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().join("busy");
    let mut child = start(EVAL, &folder);
    let began = Instant::now();
    while lines(folder.join("records.jsonl")) < 3 {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    settle(&mut harness);
    assert!(child.try_wait().unwrap().is_none(), "it ended too soon for this test");
    assert!(harness.query_by_label_contains("was cut short").is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    settle(&mut harness);
    harness.get_by_label("Do not offer busy again").click_accesskit();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("was cut short").is_none());
    assert!(harness.state().session().left.contains(&folder));
    assert!(folder.join("run.json").exists(), "nothing is deleted");
}

#[test]
fn a_training_that_was_killed_is_offered_and_goes_on_to_the_same_result() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().join("lessons");
    killed_when(TRAIN, &folder, |folder| lines(folder.join("metrics.jsonl")) >= 15);
    assert!(!folder.join("result").exists());

    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    settle(&mut harness);
    let said = harness.get_by_label_contains("The training lessons of demo was cut short");
    let said = said.accesskit_node().value().unwrap_or_default();
    assert!(said.contains(&format!("of {STEPS} is saved")), "{said}");
    harness.get_by_label("Resume lessons").click_accesskit();
    until(&mut harness, "the end of the training", |h| {
        h.state().jobs().iter().any(|(_, job)| job.status == Status::Finished)
    });
    settle(&mut harness);
    assert_eq!(harness.state().session().workspace, Workspace::Train);
    let log = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let steps = log.lines().filter(|line| line.contains("\"loss\"") && line.contains("\"lr\"")).count();
    assert_eq!(steps as u64, STEPS, "every step once:\n{log}");
    let whole = runs.path().join("whole");
    run(training(&whole));
    let result = |folder: &Path| std::fs::read(folder.join("result/adapter_model.safetensors")).unwrap();
    assert!(
        result(&folder) == result(&whole),
        "it learned something else than a training that was not killed"
    );
}
