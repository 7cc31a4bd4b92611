//! What a person does from beginning to end, in the window on the real engine and the demo pack.

#![expect(clippy::unwrap_used, reason = "a journey that cannot go on fails the test")]

mod support;

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use plumb_ui::App;
use plumb_ui::jobs::Status;
use plumb_ui::pane::Workspace;
use plumb_ui::session::Session;
use plumb_ui::theme::Mode;
use support::{open, press, says, session, settle, until};

fn window(workspace: Workspace, runs: &std::path::Path) -> Harness<'static, App> {
    open(session(Mode::Dark, workspace), runs, false)
}

fn click(harness: &mut Harness<'_, App>, name: &str) {
    harness.get_by_label(name).click_accesskit();
    harness.run_ok();
}

/// Clicks the only thing whose name begins so.
fn click_on(harness: &mut Harness<'_, App>, begins: &str) {
    let found = harness.query_all_by(|node| node.label().is_some_and(|label| label.starts_with(begins)));
    found.into_iter().next().unwrap_or_else(|| panic!("nothing begins with “{begins}”")).click_accesskit();
    harness.run_ok();
}

#[test]
fn a_wrong_answer_about_depth_is_found_and_asked_without_its_picture() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(Workspace::Evaluate, runs.path());
    settle(&mut harness);
    click(&mut harness, "Run the evaluation");
    until(&mut harness, "the sentence about the score", |h| says(h, "Above chance by"));
    settle(&mut harness);
    // Facets leave what is wrong about depth; the first of them is shown.
    click_on(&mut harness, "Task: Depth,");
    click_on(&mut harness, "Verdict: wrong,");
    harness.key_press(egui::Key::J);
    settle(&mut harness);
    assert!(says(&harness, "Depth"));
    click(&mut harness, "Ask again: Grey picture");
    until(&mut harness, "the answer to the grey picture", |h| {
        says(h, "Put away: grey picture") && says(h, "Chose ")
    });
    // The whole run as files beside it.
    click(&mut harness, "Export the run");
    click(&mut harness, "All three into the run's folder");
    until(&mut harness, "the export", |h| says(h, "Written: "));
    let run = std::fs::read_dir(runs.path()).unwrap().next().unwrap().unwrap().path();
    for (name, begins) in
        [("report.html", "<!doctype html>"), ("samples.csv", "row,id,task"), ("report.json", "{")]
    {
        let text = std::fs::read_to_string(run.join("export").join(name)).unwrap();
        assert!(text.to_lowercase().starts_with(begins), "{name}: {}", &text[..60.min(text.len())]);
    }
    let rows = csv::Reader::from_path(run.join("export").join("samples.csv")).unwrap().into_records().count();
    assert_eq!(rows, 607);
}

/// The session that a person leaves who set the steps of the recipe to `steps`.
fn session_of_steps(steps: usize) -> Session {
    let mut saved = serde_json::to_value(session(Mode::Dark, Workspace::Train)).unwrap();
    let recipe = saved.pointer_mut("/train/form/config").unwrap();
    let lines = recipe.as_str().unwrap().lines();
    let lines: Vec<String> = lines
        .map(|line| if line.starts_with("steps = ") { format!("steps = {steps}") } else { line.to_owned() })
        .collect();
    assert!(lines.contains(&format!("steps = {steps}")), "{lines:?}");
    *recipe = lines.join("\n").into();
    Session::restore(Some(&saved.to_string()))
}

#[test]
fn twenty_steps_are_paused_go_on_and_their_adapter_is_exported() {
    let runs = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut harness = open(session_of_steps(20), runs.path(), false);
    until(&mut harness, "the start button", |h| {
        h.query_by_label("Start training").is_some_and(|node| !node.accesskit_node().is_disabled())
    });
    click(&mut harness, "Start training");
    until(&mut harness, "a step", |h| says(h, "Step 1 of 20") || says(h, "Step 2 of 20"));
    press(&mut harness, "Pause");
    until(&mut harness, "the pause", |h| says(h, "is paused, saved"));
    press(&mut harness, "Go on");
    until(&mut harness, "the end", |h| says(h, "is finished"));
    let (_, job) = harness.state().jobs().iter().next().unwrap();
    assert_eq!(job.status, Status::Finished);
    settle(&mut harness);
    // Before and after it are one click each; here the adapter goes to another folder.
    let field = harness.get_by_label("Folder to export to");
    field.focus();
    field.type_text(&out.path().display().to_string());
    harness.run_ok();
    click(&mut harness, "Export");
    until(&mut harness, "the copy", |h| says(h, "Copied to "));
    let copied = std::fs::read_dir(out.path()).unwrap().next().unwrap().unwrap().path();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        assert!(copied.join(name).is_file(), "{name} is not in {}", copied.display());
    }
    click(&mut harness, "Make a whole model");
    until(&mut harness, "the whole model", |h| says(h, "The whole model is ready"));
    let merged = std::fs::read_dir(runs.path()).unwrap().map(|entry| entry.unwrap().path());
    let merged = merged.into_iter().find(|path| path.to_string_lossy().ends_with("-merged")).unwrap();
    assert!(merged.join("model.safetensors").is_file());
}
