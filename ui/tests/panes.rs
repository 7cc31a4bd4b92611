//! Panes one by one, in both themes, on runs and trainings that were kept: what they show is the same on every machine.

#![expect(clippy::unwrap_used, reason = "a picture that cannot be made fails the test")]

mod support;

use std::path::{Path, PathBuf};

use egui_tiles::{Tiles, Tree};

use plumb_ui::link::InProcess;
use plumb_ui::pane::{Pane, Workspace};
use plumb_ui::session::Session;
use plumb_ui::theme::Mode;
use support::{drop_on, open_on, session, settle};

/// The kept runs in a folder of their own, with the places of this machine in them.
fn kept() -> tempfile::TempDir {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pack = here.join("../assets/demo").canonicalize().unwrap();
    let to = tempfile::tempdir().unwrap();
    let places = |text: &str, folder: &Path| {
        let place = |path: &Path| path.display().to_string().replace('\\', "\\\\");
        text.replace("BENCH", &place(&pack.join("demo.cvbench.parquet")))
            .replace("ADAPTER", &place(&pack.join("adapter")))
            .replace("OUT", &place(folder))
    };
    let mut left = vec![(here.join("tests/data"), to.path().to_owned())];
    while let Some((from, target)) = left.pop() {
        std::fs::create_dir_all(&target).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if path.is_dir() {
                left.push((path.clone(), target.join(name)));
            } else if ["run.json", "train.toml"].contains(&name.to_str().unwrap()) {
                let text = places(&std::fs::read_to_string(&path).unwrap(), &target);
                std::fs::write(target.join(name), text).unwrap();
            } else {
                std::fs::copy(&path, target.join(name)).unwrap();
            }
        }
    }
    to
}

/// A session that shows one pane, over the whole window.
fn alone(mode: Mode, workspace: Workspace, pane: Pane, evaluate: Option<[PathBuf; 2]>) -> Session {
    let mut saved = serde_json::to_value(session(mode, workspace)).unwrap();
    saved["welcomed"] = true.into();
    if let Some([a, b]) = evaluate {
        saved["evaluate"]["a"] = serde_json::to_value(a).unwrap();
        saved["evaluate"]["b"] = serde_json::to_value(b).unwrap();
    }
    let mut session = Session::restore(Some(&saved.to_string()));
    let mut tiles = Tiles::default();
    let pane = tiles.insert_pane(pane);
    let root = tiles.insert_tab_tile(vec![pane]);
    session.layouts.insert(workspace, Tree::new(egui::Id::unique("alone"), root, tiles));
    session
}

#[test]
fn every_pane_of_a_run_and_a_training_in_both_modes() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("skipped: there is no graphics device, not even in software, to draw the pictures");
        return;
    }
    let runs = kept();
    let run = |name: &str| runs.path().join(name);
    let evaluate = [
        Pane::EvaluateScore,
        Pane::EvaluateTable,
        Pane::EvaluateGrid,
        Pane::EvaluateConfusion,
        Pane::EvaluateLetters,
        Pane::EvaluateCalibration,
        Pane::EvaluateCompare,
        Pane::EvaluateSample,
    ];
    let panes = evaluate.map(|pane| (Workspace::Evaluate, pane));
    let train = [Pane::TrainPlots, Pane::TrainRun].map(|pane| (Workspace::Train, pane));
    let mut results = egui_kittest::SnapshotResults::new();
    for (workspace, pane) in panes.into_iter().chain(train) {
        for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
            let both = (workspace == Workspace::Evaluate).then(|| [run("full"), run("tuned")]);
            let session = alone(mode, workspace, pane, both);
            let link = InProcess::start(egui::Context::default()).unwrap();
            let mut harness = open_on(link, session, runs.path(), [720.0, 600.0], true);
            settle(&mut harness);
            if workspace == Workspace::Train {
                drop_on(&mut harness, &[run("rank-4")]);
            }
            let title = pane.title().to_lowercase().replace(' ', "-");
            let name = format!("pane-{}-{title}-{name}", workspace.title().to_lowercase());
            let options = egui_kittest::SnapshotOptions::new().threshold(2.0).max_failed_pixels(400);
            results.add(harness.try_snapshot_options(name, &options));
        }
    }
}
