//! Getting a model in the window from a hub on this machine, which can be slow, wrong or not there.

use std::path::Path;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumb_engine::{HubConfig, Pack, Settings};
use plumb_ui::App;
use plumb_ui::jobs::Status;
use plumb_ui::link::InProcess;
use plumb_ui::pane::Workspace;
use plumb_ui::theme::Mode;

use super::{SIZE, open_on, press, session, settle, until};

#[path = "../../../crates/plumb-store/tests/hub/server.rs"]
#[allow(dead_code, reason = "the hub's own tests use more of it")]
mod server;

use server::{Files, REPO, Reply, Seen, Server};

const MODEL: &str = "HuggingFaceTB/SmolVLM-500M-Instruct";
const WEIGHTS: &str = "model.safetensors";

/// The demo's model under the name of SmolVLM.
fn demo_files() -> Files {
    let folder = Pack::find().unwrap().model().unwrap();
    let mut files = Files::model(0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.0.insert(name, std::fs::read(entry.path()).unwrap());
    }
    files
}

/// A hub that has the model under its own name; `change` spoils its answers about the weights.
fn hub(change: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(demo_files(), move |request, files| {
        let renamed = Seen { path: request.path.replace(MODEL, REPO), ..request.clone() };
        let reply = files.honest(&renamed);
        Some(if request.is_get_of(WEIGHTS) { change(reply) } else { reply })
    })
}

fn open(address: &str, cache: &Path, runs: &Path) -> Harness<'static, App> {
    let mut config = HubConfig::new(cache);
    address.clone_into(&mut config.endpoint);
    (config.retry.attempts, config.retry.first_wait) = (2, Duration::from_millis(20));
    let settings = Settings { hub: Some(config) };
    let link = InProcess::start_with(egui::Context::default(), settings).unwrap();
    let mut harness = open_on(link, session(Mode::Dark, Workspace::Evaluate), runs, SIZE, false);
    settle(&mut harness);
    harness
}

fn click(harness: &mut Harness<'_, App>, label: &str) {
    harness.get_by_label(label).click_accesskit();
    harness.run_ok();
}

fn get_model(harness: &mut Harness<'_, App>) {
    click(harness, "Get SmolVLM (0.5 to 4.5 GB, Apache-2.0)");
    settle(harness);
}

fn status(harness: &Harness<'_, App>) -> Option<Status> {
    harness.state().jobs().iter().next().map(|(_, job)| job.status.clone())
}

#[test]
fn a_model_is_fetched_paused_resumed_chosen_and_used() {
    let (cache, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // 2 MB in kilobytes with a rest between them: some seconds.
    let server = hub(|reply| Reply { pause: Some(Duration::from_millis(1)), ..reply });
    let mut harness = open(&server.address, cache.path(), runs.path());
    get_model(&mut harness);
    assert!(harness.query_by_label_contains("free").is_some(), "how much room there is");
    assert!(server.seen().is_empty(), "the network was asked before the person did");

    click(&mut harness, "Download SmolVLM 500M…");
    until(&mut harness, "size and licence", |h| h.query_by_label_contains("licence apache-2.0").is_some());
    assert!(server.gets(WEIGHTS).is_empty(), "fetched before the person said so");
    click(&mut harness, "Start the download of SmolVLM 500M");
    until(&mut harness, "bytes", |h| {
        h.state().jobs().iter().any(|(_, job)| job.stage == WEIGHTS && job.done > 200_000)
    });
    click(&mut harness, "Pause the download of SmolVLM 500M");
    let asked = Instant::now();
    until(&mut harness, "the pause", |h| status(h) == Some(Status::Paused));
    assert!(asked.elapsed() < Duration::from_secs(1), "heard after {:?}", asked.elapsed());
    std::thread::sleep(Duration::from_millis(300));
    let sent = server.gets(WEIGHTS)[0].sent;
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.gets(WEIGHTS)[0].sent, sent, "it goes on in secret");

    click(&mut harness, "Resume the download of SmolVLM 500M");
    until(&mut harness, "the model", |h| status(h) == Some(Status::Finished));
    settle(&mut harness);
    let gets = server.gets(WEIGHTS);
    assert!(gets.len() == 2 && gets[1].header("range").is_some(), "{gets:?}");
    assert!(harness.query_by_label("Use SmolVLM 500M").is_some());
    harness.key_press(egui::Key::Escape);
    settle(&mut harness);
    let field = harness.get_by_role_and_label(Role::TextInput, "Model");
    assert_eq!(field.accesskit_node().value().as_deref(), Some(MODEL));

    let asked = server.seen().len();
    click(&mut harness, "Run the evaluation");
    until(&mut harness, "an answer", |h| {
        h.state().jobs().iter().any(|(_, job)| job.total == 607 && job.done > 3)
    });
    assert_eq!(server.seen().len(), asked, "what is here is not asked for again");
    press(&mut harness, "Stop");
    settle(&mut harness);
}

#[test]
fn a_download_that_was_stopped_goes_on_in_the_next_window() {
    let (cache, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = hub(|reply| Reply { pause: Some(Duration::from_millis(1)), ..reply });
    let mut harness = open(&server.address, cache.path(), runs.path());
    get_model(&mut harness);
    click(&mut harness, "Download SmolVLM 500M…");
    until(&mut harness, "size and licence", |h| h.query_by_label_contains("licence").is_some());
    settle(&mut harness);
    click(&mut harness, "Start the download of SmolVLM 500M");
    until(&mut harness, "bytes", |h| {
        h.state().jobs().iter().any(|(_, job)| job.stage == WEIGHTS && job.done > 200_000)
    });
    click(&mut harness, "Stop the download of SmolVLM 500M");
    until(&mut harness, "the end", |h| status(h) == Some(Status::Cancelled));
    drop(harness);
    let mut harness = open(&server.address, cache.path(), runs.path());
    get_model(&mut harness);
    assert!(harness.query_by_label_contains("of it are here").is_some());
    click(&mut harness, "Download SmolVLM 500M…");
    until(&mut harness, "size and licence", |h| h.query_by_label_contains("are here already").is_some());
    click(&mut harness, "Start the download of SmolVLM 500M");
    until(&mut harness, "the model", |h| status(h) == Some(Status::Finished));
    assert!(server.gets(WEIGHTS).last().unwrap().header("range").is_some());
}

#[test]
fn what_goes_wrong_is_a_sentence_and_can_be_tried_again() {
    let (cache, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let wrong = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let now = wrong.clone();
    let server = hub(move |mut reply| {
        if now.load(std::sync::atomic::Ordering::Relaxed)
            && let Some(byte) = reply.body.last_mut()
        {
            *byte ^= 1;
        }
        reply
    });
    let mut harness = open(&server.address, cache.path(), runs.path());
    get_model(&mut harness);
    click(&mut harness, "Download SmolVLM 500M…");
    until(&mut harness, "size and licence", |h| h.query_by_label_contains("licence apache").is_some());
    click(&mut harness, "Start the download of SmolVLM 500M");
    until(&mut harness, "the wrong checksum", |h| {
        h.query_all_by_label_contains("model.safetensors: expected SHA-256").next().is_some()
    });
    wrong.store(false, std::sync::atomic::Ordering::Relaxed);
    click(&mut harness, "Try again: SmolVLM 500M");
    until(&mut harness, "size and licence", |h| h.query_by_label_contains("licence apache").is_some());
    click(&mut harness, "Start the download of SmolVLM 500M");
    until(&mut harness, "the model", |h| status(h) == Some(Status::Finished));

    // A name that the hub does not have.
    let field = harness.get_by_label("Name of another model");
    field.focus();
    harness.run_ok();
    harness.get_by_label("Name of another model").type_text("acme/none");
    harness.run_ok();
    click(&mut harness, "Look it up");
    until(&mut harness, "the sentence", |h| {
        h.query_by_label_contains("the hub has no model acme/none").is_some()
    });

    // No network at all.
    let mut harness = open("http://127.0.0.1:1", cache.path(), runs.path());
    get_model(&mut harness);
    click(&mut harness, "Download SmolVLM 256M…");
    until(&mut harness, "the sentence", |h| h.query_by_label_contains("cannot be reached").is_some());
    assert!(harness.query_by_label("Try again: SmolVLM 256M").is_some());
}
