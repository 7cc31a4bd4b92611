//! Training through the program: data in, adapter out, cut off and taken up again, and every mistake in a sentence.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use plumb_engine::{DeviceChoice, Engine, EventKind, Outcome, Request};
use plumb_train::config::TrainConfig;
use plumb_train::run::TrainEvent;
use serde_json::{Value, json};

use crate::setup::{benchmark, model, plumbline, png, run, stderr, stdout};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Twelve questions about four pictures, as messages.
fn dialogues(folder: &Path) -> PathBuf {
    let path = folder.join("talk.jsonl");
    let mut lines = String::new();
    for i in 0..12_u32 {
        let name = format!("{}.png", i % 4);
        fs::write(folder.join(&name), png(i % 4)).unwrap();
        let answer = ["a chair", "a table", "a lamp"][i as usize % 3];
        let row = json!({"messages": [
            {"role": "user", "content": [{"type": "image", "image": name}, {"type": "text", "text": format!("What is thing {i}?")}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]});
        lines.push_str(&format!("{row}\n"));
    }
    fs::write(&path, lines).unwrap();
    path
}

/// Questions of plumb-qa with the answers that rendering knows.
fn questions(folder: &Path) -> PathBuf {
    let (scenes, out) = (folder.join("scenes"), folder.join("qa.parquet"));
    let rendered =
        run(&["scenes", "--count", "3", "--seed", "5", "--size", "160x120", "--png", "--out", text(&scenes)]);
    assert!(rendered.status.success(), "{}", stderr(&rendered));
    let asked = run(&["synth", text(&scenes), "--out", text(&out), "--seed", "1", "--per-image", "12"]);
    assert!(asked.status.success(), "{}", stderr(&asked));
    out
}

/// `train` on the tiny checkpoint and the CPU, with `more`.
fn arguments(data: &[&Path], out: &Path, more: &[&str]) -> Vec<String> {
    let model = model();
    let mut args: Vec<&str> = vec!["train", "--model", text(&model), "--device", "cpu", "--dtype", "f32"];
    data.iter().for_each(|path| args.extend(["--data", text(path)]));
    args.extend(["--out", text(out), "--batch", "2", "--lr", "0.01"]);
    args.extend(more);
    args.into_iter().map(ToOwned::to_owned).collect()
}

fn go(args: &[String]) -> Output {
    run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn train(data: &[&Path], out: &Path, more: &[&str]) -> Output {
    let output = go(&arguments(data, out, more));
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

fn weights(out: &Path) -> Vec<u8> {
    fs::read(out.join("result/adapter_model.safetensors")).unwrap()
}

fn steps(out: &Path) -> usize {
    let log = fs::read_to_string(out.join("metrics.jsonl")).unwrap_or_default();
    log.lines().filter(|line| line.contains("\"kind\":\"step\"")).count()
}

/// Waits until the run has made `n` steps or the child has ended.
fn wait_for(out: &Path, n: usize, child: &mut Child) {
    let start = Instant::now();
    while steps(out) < n && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120), "no step was made");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn start(args: &[String]) -> Child {
    plumbline(&args.iter().map(String::as_str).collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn questions_and_dialogues_make_an_adapter_that_changes_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (talk, qa) = (dialogues(folder.path()), questions(folder.path()));
    let out = folder.path().join("run");
    let more = ["--steps", "4", "--held-out", "0.3", "--eval-every", "2", "--json"];
    let output = train(&[&talk, &qa], &out, &more);
    let events: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|e| e["event"] == "train" && e["kind"] == kind).count();
    assert_eq!((of("plan"), of("step")), (1, 4), "{events:?}");
    assert!(of("eval") == 3 && of("answer") > 0 && of("saved") > 0, "{events:?}");
    let last = &events.last().unwrap()["outcome"];
    assert_eq!((&last["kind"], &last["finished"]["complete"]), (&json!("train"), &json!(true)));
    let step = events.iter().find(|e| e["kind"] == "step").unwrap();
    assert!(step["metrics"]["loss"].as_f64().unwrap() > 0.0, "{step}");
    let provenance: Value =
        serde_json::from_slice(&fs::read(out.join("result/plumbline_run.json")).unwrap()).unwrap();
    assert_eq!(provenance["steps"], 4);

    // Scored with and without it, and blind.
    let bench = folder.path().join("bench.parquet");
    benchmark(&bench, 24, png);
    let runs = folder.path().join("runs");
    let eval = |name: &str, extra: &[&str]| {
        let (model, to) = (model(), runs.join(name));
        let mut args = vec!["eval", text(&bench), "--model", text(&model), "--device", "cpu", "--json"];
        args.extend(["--out", text(&to)]);
        args.extend(extra);
        let output = run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stdout(&output);
        (to, serde_json::from_str::<Value>(said.lines().last().unwrap()).unwrap())
    };
    let adapter = ["--adapter", text(&out)];
    let (base, plain) = eval("base", &[]);
    let (tuned, learned) = eval("tuned", &adapter);
    assert!(plain["run"]["fingerprint"]["adapter_sha256"].is_null());
    assert_eq!(learned["run"]["fingerprint"]["adapter_sha256"].as_str().unwrap().len(), 64);
    let records = |run: &Path| fs::read(run.join("records.jsonl")).unwrap();
    assert_ne!(records(&base), records(&tuned), "the adapter changes nothing");

    // The records of one are not gone on with as the other's.
    let mixed =
        run(&["eval", text(&bench), "--model", text(&model()), "--device", "cpu", "--out", text(&tuned)]);
    assert_eq!(mixed.status.code(), Some(1));
    assert!(stderr(&mixed).contains("adapter_sha256"), "{}", stderr(&mixed));

    let report = |more: &[&str]| {
        let mut args = vec!["report", text(&base), text(&tuned)];
        args.extend(more);
        let output = run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(report(&[]).contains("no blind run: a gain may be the template's"), "{}", report(&[]));
    let (base_blind, _) = eval("base-blind", &["--image", "blind"]);
    let (tuned_blind, _) = eval("tuned-blind", &["--image", "blind", "--adapter", text(&out)]);
    let beside = report(&[]);
    assert!(beside.contains("by looking") && !beside.contains("no blind run"), "{beside}");
    assert_eq!(beside, report(&["--blind", text(&base_blind), text(&tuned_blind)]));
    let compared: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    assert!(compared["comparison"]["p"].is_number() && compared["blind"][1]["blind_micro"].is_number());
    let crossed =
        run(&["report", text(&base), text(&tuned), "--blind", text(&tuned_blind), text(&base_blind)]);
    assert_eq!(crossed.status.code(), Some(1));
    assert!(stderr(&crossed).contains("adapter"), "{}", stderr(&crossed));
}

#[test]
fn killed_again_and_again_a_run_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = dialogues(folder.path());
    let more = [
        "--steps",
        "400",
        "--eval-every",
        "100",
        "--held-out",
        "0.25",
        "--save-every",
        "40",
        "--dropout",
        "0.1",
    ];
    let whole = folder.path().join("whole");
    train(&[&data], &whole, &more);
    let cut = folder.path().join("cut");
    let mut args = arguments(&[&data], &cut, &more);
    args.push("--resume".into());
    let mut kills = 0;
    for at in [5, 90, 210, 320] {
        let mut child = start(&args);
        wait_for(&cut, at, &mut child);
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "no kill hit a run");
    let output = go(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(weights(&cut) == weights(&whole), "weights differ after {kills} kills");
    assert_eq!(steps(&cut), 400);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = dialogues(folder.path());
    // Long enough that the signal finds it running.
    let more = ["--steps", "400", "--eval-every", "0", "--save-every", "0"];
    let whole = folder.path().join("whole");
    train(&[&data], &whole, &more);
    let cut = folder.path().join("cut");
    let mut child = start(&arguments(&[&data], &cut, &more));
    wait_for(&cut, 3, &mut child);
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("plumbline train --resume --out"), "{}", stderr(&output));
    let done = steps(&cut);
    assert!((3..400).contains(&done), "{done} steps");
    // The folder alone is enough, from whatever place.
    let output = plumbline(&["train", "--resume", "--out", text(&cut), "--device", "cpu"])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("going on after step {done}")), "{}", stderr(&output));
    assert!(weights(&cut) == weights(&whole), "weights differ after Ctrl-C at step {done}");
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = dialogues(folder.path());
    let out = folder.path().join("run");
    let before: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let args = arguments(&[&data], &out, &["--dry-run", "--method", "dora", "--rank", "4"]);
    let output = plumbline(&args.iter().map(String::as_str).collect::<Vec<_>>())
        .env("TMPDIR", &temporary)
        .env("TMP", &temporary)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    for word in ["parameters", "held out", "memory", "MiB", "[[", "→", "<end_of_utterance>←"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert!(!out.exists());
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    fs::remove_dir(&temporary).unwrap();
    let after: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before.len(), after.len(), "{after:?}");
}

/// Runs and expects exit code `code` and an error with every word of `words`.
fn refused(args: &[String], code: i32, words: &[&str]) {
    let output = go(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    let error = &said[said.find("error: ").unwrap_or_else(|| panic!("{args:?}: {said}"))..];
    words.iter().for_each(|word| assert!(error.contains(word), "{word:?} is not in {error:?}"));
}

#[test]
fn every_mistake_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = dialogues(folder.path());
    let out = at("run");
    let with = |more: &[&str]| arguments(&[&data], &at("new"), more);
    refused(&arguments(&[&at("none.jsonl")], &at("new"), &[]), 1, &["none.jsonl"]);
    fs::write(at("words.txt"), "no data\n").unwrap();
    refused(&arguments(&[&at("words.txt")], &at("new"), &[]), 1, &["words.txt", "messages"]);
    refused(&arguments(&[], &at("new"), &[]), 1, &["--data"]);
    refused(&with(&["--method", "lorra"]), 2, &["lorra", "dora"]);
    refused(&with(&["--method", "full:visoin"]), 2, &["visoin", "connector"]);
    refused(&with(&["--method", "ia3", "--rank", "4"]), 1, &["--rank"]);
    refused(&with(&["--rank", "0"]), 1, &["rank"]);
    refused(&with(&["--targets", "nothing.*"]), 1, &["nothing.*"]);
    refused(&with(&["--held-out", "1.5"]), 1, &["held_out"]);
    refused(&with(&["--flip", "2"]), 1, &["flip"]);
    refused(&with(&["--config", text(&at("none.toml"))]), 1, &["none.toml"]);
    fs::write(at("typo.toml"), "[optimizer]\nlearning_rate = 1.0\n").unwrap();
    refused(&with(&["--config", text(&at("typo.toml"))]), 1, &["typo.toml", "learning_rate", "lr"]);
    let nobody = ["train", "--resume", "--out", text(&at("new"))].map(ToOwned::to_owned);
    refused(&nobody, 1, &["train.toml"]);
    assert!(!at("new").join("train.toml").exists());

    let steps = ["--steps", "2", "--eval-every", "0"];
    train(&[&data], &out, &steps);
    refused(&arguments(&[&data], &out, &steps), 1, &["--resume", "another folder"]);
    let resume = ["train", "--resume", "--out", text(&out), "--lr", "0.5"].map(ToOwned::to_owned);
    refused(&resume, 1, &["optimizer.lr should be 0.5 but the run has 0.01"]);
    refused(&arguments(&[&data], folder.path(), &steps), 1, &["not empty"]);

    // A rate that no model survives: the samples are named, nothing is left half-written.
    let burst = at("burst");
    let wild = ["--steps", "9", "--eval-every", "0", "--lr", "1e30"];
    let mut args = arguments(&[&data], &burst, &[]);
    args.retain(|word| word != "--lr" && word != "0.01");
    args.extend(wild.map(ToOwned::to_owned));
    refused(&args, 1, &["not a number", "talk.jsonl"]);
    assert!(!burst.join("result").exists());
}

/// Two processes in one folder would write over each other.
#[test]
fn a_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let data = dialogues(folder.path());
    let out = folder.path().join("run");
    let args = arguments(&[&data], &out, &["--steps", "100000", "--eval-every", "0", "--save-every", "2"]);
    let mut child = start(&args);
    wait_for(&out, 3, &mut child);
    let mut second = args.clone();
    second.push("--resume".into());
    refused(&second, 1, &["being written by process", &child.id().to_string()]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_paused_run_waits_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = dialogues(folder.path());
    let out = folder.path().join("run");
    let toml = format!(
        "model = {:?}\nout = {:?}\nsteps = 300\n[batch]\nsamples = 2\n[evaluate]\nevery = 0\n[checkpoint]\nevery = 0\n\
         [[data]]\npath = {:?}\n",
        model(),
        out,
        data
    );
    let config = TrainConfig::from_toml("test", &toml).unwrap();
    let (engine, events) = Engine::start().unwrap();
    let request =
        Request::Train { config: Box::new(config), device: DeviceChoice::Cpu, resume: false, dry_run: false };
    // What goes over IPC comes back.
    let request: Request = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
    let job = engine.submit(request).unwrap();
    let (mut paused, mut step_at_pause, mut last, mut saved) = (0, 0, 0, Vec::new());
    let finished = loop {
        let event = events.recv_timeout(Duration::from_secs(120)).unwrap();
        match event.kind {
            EventKind::Train(TrainEvent::Plan(_)) => engine.pause(job),
            EventKind::Train(TrainEvent::Step { metrics, .. }) => last = metrics.step,
            EventKind::Train(TrainEvent::Saved { step, .. }) => saved.push(step),
            EventKind::Paused => {
                paused += 1;
                step_at_pause = last;
                std::thread::sleep(Duration::from_millis(150));
                assert!(events.try_recv().is_err(), "a paused run goes on by itself");
                engine.resume(job);
            }
            EventKind::Finished { outcome: Outcome::Train { finished, .. } } => break finished.unwrap(),
            EventKind::Failed { error } => panic!("{error}"),
            _ => {}
        }
    };
    assert_eq!((paused, finished.step, finished.complete), (1, 300, true));
    assert_eq!(*saved.last().unwrap(), 300);
    if step_at_pause > 0 {
        assert!(saved.contains(&step_at_pause), "a paused run is saved: {saved:?}");
    }
}

#[test]
fn a_training_step_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    for cached in [true, false] {
        let mut args = vec!["bench", "--train", "--model", text(&model), "--device", "cpu", "--dtype", "f32"];
        args.extend(["--prompt-tokens", "40", "--labels", "4", "--repeat", "2", "--json"]);
        args.extend(cached.then_some("--cached"));
        let output = plumbline(&args).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(found["step_s_all"].as_array().unwrap().len(), 2);
        assert_eq!(found["loss_all"].as_array().unwrap().len(), 3);
        assert!(found["step_s"].as_f64().unwrap() > 0.0 && found["cached"] == cached, "{found}");
    }
}
