//! Journeys through the scene workspace: objects are measured and changed, and questions follow; questions are judged and
//! exported; views are kept.

#![expect(clippy::unwrap_used, reason = "a journey that cannot go on fails the test")]

mod support;

use std::path::Path;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_qa::dataset::JsonlReader;
use plumb_scene::Scene;
use plumb_scene::export::scene_from_json;
use plumb_ui::App;
use plumb_ui::pane::Workspace;
use plumb_ui::session::Session;
use plumb_ui::theme::Mode;
use support::{open, settle, until};

/// A room of the pack in which every object has a name of its own.
const INDEX: usize = 3;
const NAME: &str = "000009";

fn session(mode: Mode) -> Session {
    let session = Session::restore(Some(&format!("{{\"scene\": {{\"index\": {INDEX}}}}}")));
    Session { mode, workspace: Workspace::Scene, reduced_motion: true, welcomed: true, ..session }
}

fn window(runs: &Path) -> Harness<'static, App> {
    let mut harness = open(session(Mode::Dark), runs, false);
    settle(&mut harness);
    harness
}

/// The record of the scene, read by itself.
fn record() -> Scene {
    let folder = plumb_engine::Pack::find().unwrap().scenes().unwrap();
    let file = folder.join("scenes").join(format!("{NAME}.json"));
    scene_from_json(&std::fs::read(file).unwrap(), NAME).unwrap()
}

fn button(harness: &Harness<'_, App>, name: &str) -> egui::Rect {
    let found = harness
        .query_all_by_role(Role::Button)
        .find(|node| node.accesskit_node().label().as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("there is no button {name:?}")).rect()
}

fn press(harness: &mut Harness<'_, App>, name: &str) {
    let nodes = harness.query_all_by_role(Role::Button);
    let found: Vec<_> = nodes.filter(|node| node.accesskit_node().label().as_deref() == Some(name)).collect();
    assert!(!found.is_empty(), "there is no button {name:?}");
    found[0].click_accesskit();
    harness.run_ok();
    settle(harness);
}

/// Clicks an object of the list, with Ctrl as the second one.
fn choose(harness: &mut Harness<'_, App>, name: &str, second: bool) {
    let modifiers = if second { Modifiers::COMMAND } else { Modifiers::NONE };
    let at = button(harness, name).center();
    harness.event_modifiers(egui::Event::PointerMoved(at), modifiers);
    for pressed in [true, false] {
        let event =
            egui::Event::PointerButton { pos: at, button: egui::PointerButton::Primary, pressed, modifiers };
        harness.event_modifiers(event, modifiers);
        harness.step();
    }
    settle(harness);
}

/// All words on the screen.
fn words(harness: &Harness<'_, App>) -> Vec<String> {
    let labels = harness.query_all_by_role(Role::Label).filter_map(|node| node.accesskit_node().value());
    let buttons = harness.query_all_by_role(Role::Button).filter_map(|node| node.accesskit_node().label());
    labels.chain(buttons).collect()
}

fn says(harness: &Harness<'_, App>, text: &str) -> bool {
    words(harness).iter().any(|word| word.contains(text))
}

/// Lists only the questions about what is chosen.
fn about_chosen(harness: &mut Harness<'_, App>) {
    harness.get_by_label("Of the chosen").click_accesskit();
    settle(harness);
}

fn said_length(metres: f64) -> String {
    if metres < 1.0 { format!("{:.0} cm", metres * 100.0) } else { format!("{metres:.2} m") }
}

fn rename(harness: &mut Harness<'_, App>, object: &str, name: &str) {
    choose(harness, object, false);
    press(harness, "Rename");
    let field = harness.get_by_label("New name");
    field.focus();
    harness.run_ok();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_ok();
    harness.get_by_label("New name").type_text(name);
    harness.run_ok();
    harness.key_press(Key::Enter);
    harness.run_ok();
    settle(harness);
}

#[test]
fn two_objects_chosen_in_the_list_have_a_distance() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path());
    let scene = record();
    let place = |name: &str| scene.objects.iter().position(|object| object.name == name).unwrap();
    choose(&mut harness, "red suitcase", false);
    choose(&mut harness, "purple bed", true);
    assert!(says(&harness, "red suitcase and purple bed"));
    let pair = scene.pair(place("suitcase"), place("bed")).unwrap();
    let expected = said_length(pair.distance.value);
    assert!(words(&harness).contains(&expected), "{expected} is not in {:?}", words(&harness));
}

#[test]
fn a_new_name_is_asked_about_and_taken_back() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path());
    choose(&mut harness, "red suitcase", false);
    about_chosen(&mut harness);
    let asked = |harness: &Harness<'_, App>, noun: &str| {
        words(harness).iter().any(|word| word.ends_with('?') && word.contains(noun))
    };
    assert!(asked(&harness, "suitcase"));
    rename(&mut harness, "red suitcase", "teapot");
    assert!(says(&harness, "Edited: 1 change") && says(&harness, "red teapot"));
    assert!(asked(&harness, "teapot") && !asked(&harness, "suitcase"), "{:?}", words(&harness));
    assert!(says(&harness, &format!("{NAME} · 10 objects · edited")));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert!(asked(&harness, "suitcase") && !says(&harness, "red teapot"));
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    settle(&mut harness);
    assert!(says(&harness, "red teapot"));
}

#[test]
fn what_is_merged_or_deleted_changes_pairs_and_questions() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path());
    let scene = record();
    let place = |name: &str| scene.objects.iter().position(|object| object.name == name).unwrap();
    let apart = |a: &str, b: &str| scene.pair(place(a), place(b)).unwrap().distance.value;
    choose(&mut harness, "red suitcase", false);
    choose(&mut harness, "purple lamp", true);
    press(&mut harness, "Merge into one");
    assert!(says(&harness, "9 objects") && !says(&harness, "purple lamp"), "{:?}", words(&harness));
    choose(&mut harness, "red suitcase", false);
    choose(&mut harness, "purple bed", true);
    let nearest = said_length(apart("suitcase", "bed").min(apart("lamp", "bed")));
    assert!(words(&harness).contains(&nearest), "{nearest}: {:?}", words(&harness));

    choose(&mut harness, "green plant", false);
    about_chosen(&mut harness);
    assert!(words(&harness).iter().any(|word| word.ends_with('?') && word.contains("plant")));
    harness.key_press(Key::Delete);
    settle(&mut harness);
    assert!(says(&harness, "8 objects") && says(&harness, "Edited: 2 changes"));
    assert!(!says(&harness, "plant"), "{:?}", words(&harness));
    for objects in ["9 objects", "10 objects"] {
        press(&mut harness, "Undo");
        assert!(says(&harness, objects), "{:?}", words(&harness));
    }
    assert!(says(&harness, "No changes") && says(&harness, "green plant"));
}

#[test]
fn an_edited_scene_is_saved_shown_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut harness = window(&runs);
    rename(&mut harness, "red suitcase", "teapot");
    press(&mut harness, "Save edited scene…");
    press(&mut harness, "Save");
    let saved = folder.path().join("scenes").join(format!("{NAME}-edited"));
    until(&mut harness, "the saved scene", |h| says(h, "The edited scene is in"));
    let file = saved.join("scenes").join(format!("{NAME}.json"));
    let scene = scene_from_json(&std::fs::read(&file).unwrap(), NAME).unwrap();
    assert!(scene.objects.iter().any(|object| object.name == "teapot"));
    assert!(
        saved.join("qa.parquet").is_file() && record().objects.iter().all(|object| object.name != "teapot")
    );

    // The session keeps the changes of the demo scene; the saved one needs none.
    let text = serde_json::to_string(harness.state().session()).unwrap();
    let mut again = open(Session::restore(Some(&text)), &runs, false);
    settle(&mut again);
    assert!(says(&again, "Edited: 1 change") && says(&again, "red teapot"));
    harness.get_by_label("Show it").click_accesskit();
    settle(&mut harness);
    assert!(says(&harness, "red teapot") && says(&harness, &format!("{NAME} · 10 objects")));
    assert!(!says(&harness, "edited") || !says(&harness, "Edited:"), "{:?}", words(&harness));
}

#[test]
fn questions_are_judged_by_keys_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut harness = window(&runs);
    harness.key_press(Key::J);
    settle(&mut harness);
    assert!(says(&harness, "Accept") && says(&harness, "Reject"), "a question is open");
    for key in [Key::Y, Key::X, Key::Y] {
        harness.key_press(key);
        settle(&mut harness);
    }
    assert!(says(&harness, "2 accepted · 1 rejected"), "{:?}", words(&harness));
    press(&mut harness, "Export");
    press(&mut harness, "The 2 accepted");
    until(&mut harness, "the export", |h| says(h, "2 questions are in"));
    let id = record().id;
    let file = runs.join(format!("questions-{id}.jsonl"));
    let rows: Vec<_> = JsonlReader::open(&file).unwrap().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.pair.scene == id && row.scene.is_some()));
    assert!(runs.join(&rows[0].image.path).is_file(), "the picture is where the data set says");

    // What was judged is judged again after a change and its end; an object that a question names takes its verdict away with it.
    rename(&mut harness, "green plant", "teapot");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert!(says(&harness, "2 accepted · 1 rejected"), "{:?}", words(&harness));
    harness.key_press(Key::K);
    settle(&mut harness);
    harness.key_press(Key::PageDown);
    settle(&mut harness);
    assert!(!says(&harness, "2 accepted"), "another scene");
    harness.key_press(Key::PageUp);
    settle(&mut harness);
    assert!(says(&harness, "2 accepted · 1 rejected"));
}

#[test]
fn a_view_is_kept_named_and_gone_to() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("skipped: there is no graphics device, not even in software");
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    let mut harness = open(session(Mode::Dark), runs.path(), true);
    settle(&mut harness);
    harness.key_press(Key::B);
    settle(&mut harness);
    let views = |harness: &Harness<'_, App>| {
        let session = serde_json::to_value(harness.state().session()).unwrap();
        session["scene"]["bookmarks"][&record().id].clone()
    };
    let kept = views(&harness)[0]["camera"].clone();
    assert!(kept["distance"].as_f64().unwrap() > 0.0);
    // Another view, from nearer.
    choose(&mut harness, "red suitcase", false);
    harness.key_press(Key::B);
    settle(&mut harness);
    assert_ne!(views(&harness)[1]["camera"], kept);
    press(&mut harness, "Views (2)");
    press(&mut harness, "Go to View 1");
    harness.key_press(Key::B);
    settle(&mut harness);
    assert_eq!(views(&harness)[2]["camera"], kept);
    press(&mut harness, "Delete View 3");
    press(&mut harness, "Delete View 2");
    assert_eq!(views(&harness).as_array().unwrap().len(), 1);
    let text = serde_json::to_string(harness.state().session()).unwrap();
    let mut again = open(Session::restore(Some(&text)), runs.path(), false);
    settle(&mut again);
    assert_eq!(views(&again)[0]["camera"], kept, "a view is there after the next start");
}

#[test]
fn the_edit_state_in_both_modes() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("skipped: there is no graphics device, not even in software, to draw the pictures");
        return;
    }
    let mut results = egui_kittest::SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        let runs = tempfile::tempdir().unwrap();
        let mut harness = open(session(mode), runs.path(), true);
        settle(&mut harness);
        rename(&mut harness, "red suitcase", "trunk");
        harness.key_press(Key::J);
        settle(&mut harness);
        for key in [Key::Y, Key::X] {
            harness.key_press(key);
            settle(&mut harness);
        }
        // The view is drawn some frames after it is asked for.
        for _ in 0..60 {
            harness.step();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let options = egui_kittest::SnapshotOptions::new().threshold(2.0).max_failed_pixels(600);
        results.add(harness.try_snapshot_options(format!("scene-edited-{name}"), &options));
    }
}
