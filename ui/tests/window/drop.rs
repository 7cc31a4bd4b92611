//! Good files that are dropped: colour and depth become a scene; what belongs to something opens it.

use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_engine::Pack;
use plumb_ui::App;
use plumb_ui::jobs::Status;
use plumb_ui::pane::Workspace;
use plumb_ui::theme::Mode;

use super::{drop_on, settle, until, window};

fn put(from: PathBuf, folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    std::fs::copy(from, &to).unwrap();
    to
}

#[test]
fn a_picture_and_its_depth_are_lifted_and_shown() {
    let (folder, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scenes = Pack::find().unwrap().scenes().unwrap();
    // Nothing in its name says that it is depth.
    let depth = put(scenes.join("depth/000001.png"), folder.path(), "b.png");
    let colour = put(scenes.join("scenes/000001.jpg"), folder.path(), "a.jpg");
    let mut harness = window(Mode::Dark, Workspace::Ask, runs.path(), false);
    settle(&mut harness);
    drop_on(&mut harness, &[depth, colour]);
    assert!(harness.query_by_label("Lift").is_some(), "nothing is offered");
    let camera = |h: &Harness<'_, App>, text: &str| {
        let field = h.get_by_role_and_label(Role::TextInput, "Camera");
        field.focus();
        field.type_text(text);
    };
    camera(&harness, "316");
    harness.run_ok();
    assert!(harness.query_by_label_contains("four numbers").is_some(), "a camera of one number is refused");
    camera(&harness, ", 316, 320, 240");
    harness.run_ok();
    harness.get_by_label("Lift").click_accesskit();
    until(&mut harness, "the scene", |h| {
        h.state().jobs().iter().any(|(_, job)| matches!(job.status, Status::Finished | Status::Failed(_)))
    });
    settle(&mut harness);
    let (_, job) = harness.state().jobs().iter().next().unwrap();
    assert_eq!(job.status, Status::Finished);
    assert_eq!(harness.state().session().workspace, Workspace::Scene);
    let made = std::fs::read_dir(runs.path().join("scenes")).unwrap().next().unwrap().unwrap().path();
    assert!(made.join("scene.json").exists() && made.join("cloud.ply").exists());
    // The cloud alone leads back to its scene.
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    drop_on(&mut harness, &[made.join("cloud.ply")]);
    assert_eq!(harness.state().session().workspace, Workspace::Scene);
}

#[test]
fn an_adapter_and_a_model_are_chosen_where_one_is_looking() {
    let runs = tempfile::tempdir().unwrap();
    let pack = Pack::find().unwrap();
    let mut harness = window(Mode::Dark, Workspace::Evaluate, runs.path(), false);
    settle(&mut harness);
    drop_on(&mut harness, &[pack.adapter().unwrap().join("adapter_model.safetensors")]);
    assert!(harness.query_by_label_contains("is the adapter in Evaluate now").is_some());
    let field = |h: &Harness<'_, App>, name: &str| {
        let node = h.get_by_role_and_label(Role::TextInput, name);
        node.accesskit_node().value().unwrap_or_default()
    };
    assert_eq!(field(&harness, "Adapter"), pack.adapter().unwrap().display().to_string());
    drop_on(&mut harness, &[pack.model().unwrap()]);
    assert_eq!(field(&harness, "Model"), pack.model().unwrap().display().to_string());
    assert_eq!(field(&harness, "Adapter"), "", "an adapter belongs to its model");
    // Scene has no model of its own.
    let mut harness = window(Mode::Dark, Workspace::Scene, runs.path(), false);
    settle(&mut harness);
    drop_on(&mut harness, &[pack.model().unwrap()]);
    assert_eq!(harness.state().session().workspace, Workspace::Ask);
}

#[test]
fn a_cloud_of_another_program_is_shown_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.ply");
    let text = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n\
                0 0 0\n1 0 0\n0 2 0\n";
    std::fs::write(&path, text).unwrap();
    let mut harness = window(Mode::Dark, Workspace::Evaluate, folder.path(), false);
    drop_on(&mut harness, &[path]);
    until(&mut harness, "the scene", |h| h.query_all_by_label_contains("unknown scale").next().is_some());
    assert_eq!(harness.state().session().workspace, Workspace::Scene);
}
