//! Where an answer was read, as a person sees it: the demo model, which reads a picture as one frame, and the same made to cut it
//! into tiles.

#![expect(clippy::unwrap_used, reason = "a journey that cannot go on fails the test")]

mod support;

use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_engine::{DeviceChoice, ModelRequest};
use plumb_ui::App;
use plumb_ui::pane::Workspace;
use plumb_ui::session::Session;
use plumb_ui::theme::Mode;
use serde_json::json;
use support::{open, until};

/// The demo model, made to cut pictures into tiles of its own size.
fn tiled(folder: &Path) -> String {
    let model = folder.join("model");
    std::fs::create_dir_all(&model).unwrap();
    for entry in std::fs::read_dir(plumb_engine::Pack::find().unwrap().model().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let settings = model.join("preprocessor_config.json");
    let mut value: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&settings).unwrap()).unwrap();
    value["do_image_splitting"] = json!(true);
    value["size"] = json!({ "longest_edge": 512 });
    std::fs::write(&settings, value.to_string()).unwrap();
    model.display().to_string()
}

/// The Ask workspace on a rendered room of the demo with a question written; `model` is a folder, the demo's by default.
fn window(mode: Mode, runs: &Path, model: Option<&str>, on: bool, graphics: bool) -> Harness<'static, App> {
    let device = DeviceChoice::Cpu;
    let request =
        ModelRequest { model: "demo".into(), device, precision: None, longest_edge: None, adapter: None };
    let ask = json!({
        "setup": { "model": model.unwrap_or("demo"), "request": request, "max_tokens": 6 },
        "source": { "kind": "scene", "folder": "demo", "index": 0 },
        "steps": [{ "question": "How many chairs are in the image?", "options": "" }],
        "heat": { "on": on },
    });
    let ask = serde_json::from_value(ask).unwrap();
    let session = Session {
        mode,
        workspace: Workspace::Ask,
        reduced_motion: true,
        welcomed: true,
        ask,
        ..Session::default()
    };
    open(session, runs, graphics)
}

/// Asks what is written and waits for the answer.
fn ask(harness: &mut Harness<'_, App>, answers: usize) {
    until(harness, "the picture", |h| h.query_by_label_contains("Picture rendered room").is_some());
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    harness.step();
    until(harness, "the answer", |h| h.query_all_by_label("How it was answered").count() == answers);
    until(harness, "rest", |h| !h.state().is_busy());
    harness.run_ok();
}

/// What is said of the shown token's attention.
fn said(harness: &Harness<'_, App>) -> String {
    let node = harness.get_by_label_contains("Of this token's attention");
    // A label's text is its value.
    node.accesskit_node().value().unwrap_or_default()
}

#[test]
fn an_answer_shows_where_it_was_read() {
    let runs = tempfile::tempdir().unwrap();
    let model = tiled(runs.path());
    let mut harness = window(Mode::Dark, runs.path(), Some(&model), true, false);
    ask(&mut harness, 1);
    let mean = said(&harness);
    assert!(mean.contains("Picture") && mean.contains("First token"), "{mean}");
    // Each step by the keyboard shows another map, and the mean comes back at the end of the row.
    let mut seen = vec![mean.clone()];
    for _ in 0..2 {
        harness.key_press(egui::Key::J);
        harness.run_ok();
        seen.push(said(&harness));
    }
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
    harness.key_press(egui::Key::J);
    harness.run_ok();
    assert_eq!(said(&harness), mean, "two layers and the mean");
    harness.key_press(egui::Key::I);
    harness.run_ok();
    assert_ne!(said(&harness), mean, "the last head");
    harness.key_press(egui::Key::U);
    harness.run_ok();
    assert_eq!(said(&harness), mean);
    // Tokens of the answer are clicked.
    harness.get_by_label_contains("Token 2:").click_accesskit();
    harness.run_ok();
    assert_ne!(said(&harness), mean);
    harness.key_press(egui::Key::P);
    harness.run_ok();
    assert_eq!(said(&harness), mean);
    // The numbers do not depend on which frames are drawn.
    for frames in ["Tiles", "Whole picture", "Both"] {
        harness.get_by_label(frames).click_accesskit();
        harness.run_ok();
        assert_eq!(said(&harness), mean, "{frames}");
    }
    harness.key_press(egui::Key::A);
    harness.run_ok();
    assert!(harness.query_by_label_contains("Of this token's attention").is_none());
}

#[test]
fn a_question_asked_without_it_is_asked_again_with_it() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Mode::Dark, runs.path(), None, false, false);
    ask(&mut harness, 1);
    assert!(harness.query_by_label_contains("Ask it again").is_none());
    harness.get_by_label("Attention").click_accesskit();
    harness.run_ok();
    harness.get_by_label("Ask it again with attention").click_accesskit();
    harness.step();
    until(&mut harness, "the answer with attention", |h| {
        h.query_by_label_contains("Of this token's attention").is_some()
    });
    // One frame: there are no tiles to choose.
    assert!(harness.query_by_label("Whole picture").is_none());
    assert_eq!(harness.query_all_by_label("How it was answered").count(), 2);
    // Another picture has nothing to show, and nothing is drawn over it.
    harness.get_by_label("No picture").click_accesskit();
    harness.run_ok();
    assert!(harness.query_by_label_contains("Of this token's attention").is_none());
}

#[test]
fn a_step_that_is_added_is_seen_and_written_next() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Mode::Dark, runs.path(), None, false, false);
    until(&mut harness, "the picture", |h| h.query_by_label_contains("Picture rendered room").is_some());
    for step in 2..=3 {
        harness.get_by_label("Add a step").click_accesskit();
        harness.run_ok();
        let name = format!("Question {step}");
        let field = harness.get_by_label(&name);
        let (rect, button) = (field.rect(), harness.get_by_label("Add a step").rect());
        assert!(
            rect.height() > 30.0 && rect.bottom() <= button.top(),
            "step {step}: {rect:?} above {button:?}"
        );
        assert!(field.is_focused(), "step {step}");
        field.type_text("Is {1} many?");
        harness.run_ok();
    }
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    harness.step();
    until(&mut harness, "three answers", |h| h.query_all_by_label("How it was answered").count() == 3);
    assert!(harness.query_by_label_contains("Step 3 of 3").is_some());
}

#[test]
fn every_control_has_a_name() {
    let runs = tempfile::tempdir().unwrap();
    let model = tiled(runs.path());
    let mut harness = window(Mode::Dark, runs.path(), Some(&model), true, false);
    ask(&mut harness, 1);
    for role in
        [Role::Button, Role::CheckBox, Role::TextInput, Role::ComboBox, Role::Slider, Role::SpinButton]
    {
        for node in harness.query_all_by_role(role) {
            let node = node.accesskit_node();
            let named = node.label().is_some_and(|label| !label.trim().is_empty())
                || node.value().is_some_and(|value| !value.trim().is_empty())
                || node.labelled_by().next().is_some();
            assert!(named, "a {role:?} without a name: {node:?}");
        }
    }
}

#[test]
fn the_overlay_in_both_modes() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("skipped: there is no graphics device, not even in software, to draw the pictures");
        return;
    }
    let mut results = egui_kittest::SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        for tiles in [false, true] {
            let runs = tempfile::tempdir().unwrap();
            let model = tiles.then(|| tiled(runs.path()));
            let mut harness = window(mode, runs.path(), model.as_deref(), true, true);
            ask(&mut harness, 1);
            // Where models lie is another place on every machine.
            let places: Vec<_> = harness
                .query_all_by_role(Role::TextInput)
                .filter(|node| {
                    node.accesskit_node()
                        .value()
                        .is_some_and(|value| value.contains(std::path::MAIN_SEPARATOR))
                })
                .map(|node| node.rect().expand(4.0))
                .collect();
            places.into_iter().for_each(|rect| harness.mask(rect));
            let name = format!("ask-attention-{}-{name}", if tiles { "tiles" } else { "demo" });
            let options = egui_kittest::SnapshotOptions::new().threshold(2.0).max_failed_pixels(600);
            results.add(harness.try_snapshot_options(name, &options));
        }
    }
}
