//! The window as a person has it, on the demo pack and the real engine: every workspace in both modes as a picture, and
//! journeys through it. Pictures are drawn by whatever graphics there is; the committed ones by a software rasteriser.

#![expect(clippy::unwrap_used, reason = "a journey that cannot go on fails the test")]

mod support;

use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_ui::App;
use plumb_ui::jobs::Status;
use plumb_ui::link::InProcess;
use plumb_ui::pane::Workspace;
use plumb_ui::theme::Mode;
use support::{SIZE, drop_on, open_on, press, session, settle, until};

#[path = "window/drop.rs"]
mod drop;
#[path = "window/models.rs"]
mod models;
#[path = "window/resume.rs"]
mod resume;

fn window(mode: Mode, workspace: Workspace, runs: &Path, graphics: bool) -> Harness<'static, App> {
    support::open(session(mode, workspace), runs, graphics)
}

#[test]
fn every_workspace_in_both_modes() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("skipped: there is no graphics device, not even in software, to draw the pictures");
        return;
    }
    let mut results = egui_kittest::SnapshotResults::new();
    for workspace in Workspace::ALL {
        for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
            let runs = tempfile::tempdir().unwrap();
            let mut harness = window(mode, workspace, runs.path(), true);
            settle(&mut harness);
            results.add(picture(&mut harness, &format!("{}-{name}", workspace.title().to_lowercase())));
        }
    }
}

/// Compares the window with a committed picture, but for what names places: they are others on every machine.
fn picture(harness: &mut Harness<'_, App>, name: &str) -> egui_kittest::SnapshotResult {
    let fields = harness
        .query_all_by_role(Role::TextInput)
        .filter(|node| node.accesskit_node().value().is_some_and(|value| value.contains("assets")));
    let places: Vec<_> = fields
        .chain(harness.query_all_by_label_contains("Models are kept in"))
        .map(|node| node.rect().expand(4.0))
        .collect();
    places.into_iter().for_each(|rect| harness.mask(rect));
    let options = egui_kittest::SnapshotOptions::new().threshold(2.0).max_failed_pixels(600);
    harness.try_snapshot_options(name, &options)
}

#[test]
fn models_and_an_offered_run_in_both_modes() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("skipped: there is no graphics device, not even in software, to draw the pictures");
        return;
    }
    let mut results = egui_kittest::SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        let (cache, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        resume::cut_short(&runs.path().join("rooms"), 8, 3);
        let settings = plumb_engine::Settings { hub: Some(plumb_engine::HubConfig::new(cache.path())) };
        let link = InProcess::start_with(egui::Context::default(), settings).unwrap();
        let mut harness = open_on(link, session(mode, Workspace::Evaluate), runs.path(), SIZE, true);
        settle(&mut harness);
        results.add(picture(&mut harness, &format!("offer-{name}")));
        harness.get_by_label("Get SmolVLM (0.5 to 4.5 GB, Apache-2.0)").click_accesskit();
        settle(&mut harness);
        results.add(picture(&mut harness, &format!("models-{name}")));
    }
}

#[test]
fn every_control_has_a_name() {
    let runs = tempfile::tempdir().unwrap();
    for workspace in Workspace::ALL {
        let mut harness = window(Mode::Dark, workspace, runs.path(), false);
        settle(&mut harness);
        for role in
            [Role::Button, Role::CheckBox, Role::TextInput, Role::ComboBox, Role::Slider, Role::SpinButton]
        {
            for node in harness.query_all_by_role(role) {
                let named = node.accesskit_node().label().is_some_and(|label| !label.trim().is_empty())
                    || node.accesskit_node().value().is_some_and(|value| !value.trim().is_empty())
                    || node.accesskit_node().labelled_by().next().is_some();
                assert!(named, "{workspace:?}: a {role:?} without a name: {node:?}");
            }
        }
    }
}

#[test]
fn commands_move_between_workspaces_and_change_the_window() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    harness.run_ok();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Num2);
    harness.run_ok();
    assert_eq!(harness.state().session().workspace, Workspace::Scene);
    harness.key_press(egui::Key::Questionmark);
    harness.run_ok();
    assert!(harness.query_by_label("Shortcuts").is_some());
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
    harness.run_ok();
    harness.get_by_label("Command").type_text("go to train");
    harness.run_ok();
    harness.key_press(egui::Key::Enter);
    harness.run_ok();
    assert_eq!(harness.state().session().workspace, Workspace::Train);
}

#[test]
fn bad_files_are_sentences_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // The folder of a file in it.
    let folder_with = |name: &str, bytes: &[u8]| {
        put(name, bytes);
        folder.path().join(name.split('/').next().unwrap())
    };
    let bad = [
        put("empty.parquet", b""),
        put("short.parquet", b"PAR1"),
        put("text.parquet", b"this is no parquet file at all, but long enough to look like one"),
        put("empty.png", b""),
        put("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        put("text.jpg", b"hello"),
        put("bomb.png", include_bytes!("bomb.png")),
        put("empty.jsonl", b""),
        put("binary.jsonl", &[0xff, 0xfe, 0, 1, 2]),
        put("list.json", b"[1, 2, 3]"),
        put("broken.json", b"{\"a\": "),
        put("alone.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),
        put("noending", b"x"),
        put("film.mp4", b"x"),
        put("cloud.ply", b"ply\nformat ascii 1.0\n"),
        put("unknown.xyz", b"x"),
        put("depth.npy", b"\x93NUMPY"),
        put("cut.webp", b"RIFF\0\0\0\0WEBP"),
        put("cut.gif", b"GIF89a\xff\xff\xff\xff"),
        folder_with("run-broken/run.json", b"{"),
        folder_with("training-broken/metrics.jsonl", b""),
        folder_with("scenes-broken/scenes/0.json", b"{"),
        folder_with("adapter-broken/adapter_config.json", b"{"),
        folder_with("model-broken/config.json", b"[1]"),
        folder_with("lifted-broken/scene.json", b"\xff"),
        folder.path().join("not-there.png"),
        folder.path().to_owned(),
    ];
    assert!(bad.len() >= 20);
    let runs = tempfile::tempdir().unwrap();
    for path in bad {
        let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
        drop_on(&mut harness, std::slice::from_ref(&path));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let said = harness.query_all_by_role(Role::Label).any(|node| {
            let text = node.accesskit_node().value().unwrap_or_default();
            text.contains(&name)
        });
        assert!(said, "nothing is said of {}", path.display());
    }
}

#[test]
fn the_demo_evaluation_is_run_and_judged() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    settle(&mut harness);
    harness.get_by_label("Run the evaluation").click_accesskit();
    until(&mut harness, "the sentence about the score", |h| {
        h.query_by_label_contains("Above chance by").is_some()
    });
    let (_, job) = harness.state().jobs().iter().next().unwrap();
    assert_eq!((job.done, job.total), (607, 607));
}

#[test]
fn a_model_that_was_just_typed_is_run_by_the_first_click() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    settle(&mut harness);
    let field = harness.get_by_role_and_label(Role::TextInput, "Model");
    field.click();
    harness.run_ok();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.get_by_role_and_label(Role::TextInput, "Model").type_text("/no/such/folder");
    harness.run_ok();
    // With the pointer: leaving the field must not move the button away from under it.
    harness.get_by_label("Run the evaluation").click();
    until(&mut harness, "the job", |h| h.state().jobs().iter().next().is_some());
}

#[test]
fn a_training_is_paused_goes_on_and_is_stopped() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Mode::Dark, Workspace::Train, runs.path(), false);
    until(&mut harness, "the start button", |h| {
        h.query_by_label("Start training").is_some_and(|node| !node.accesskit_node().is_disabled())
    });
    harness.get_by_label("Start training").click_accesskit();
    let training = |status: fn(&Status) -> bool| {
        move |h: &Harness<'_, App>| h.state().jobs().iter().any(|(_, job)| status(&job.status))
    };
    until(&mut harness, "a running training", training(|s| *s == Status::Running));
    until(&mut harness, "a step", |h| h.query_by_label_contains("Step 1").is_some());
    press(&mut harness, "Pause");
    until(&mut harness, "the pause", training(|s| *s == Status::Paused));
    press(&mut harness, "Go on");
    until(&mut harness, "the training going on", training(|s| *s == Status::Running));
    press(&mut harness, "Stop");
    until(&mut harness, "the end", training(|s| !s.is_live()));
}
