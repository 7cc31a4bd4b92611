use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::setup::{benchmark, model, plumbline, png, run, stderr, stdout};

const ROWS: u32 = 40;

fn start(bench: &Path, out: &Path) -> Child {
    plumbline(&["eval", bench.to_str().unwrap(), "--model", model().to_str().unwrap(), "--device", "cpu"])
        .args(["--out", out.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn records(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("records.jsonl")).unwrap_or_default()
}

fn lines(run: &Path) -> usize {
    records(run).iter().filter(|b| **b == b'\n').count()
}

/// Waits until the run has `n` records or the child has ended.
fn wait_for(run: &Path, n: usize, child: &mut Child) {
    let start = Instant::now();
    while lines(run) < n && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120), "no record appeared");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_again_and_again_a_run_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let bench = folder.path().join("bench.parquet");
    benchmark(&bench, ROWS, png);
    let whole = folder.path().join("whole");
    let output = start(&bench, &whole).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(lines(&whole), ROWS as usize);

    let cut = folder.path().join("cut");
    let mut kills = 0;
    for at in [1, 9, 17, 30] {
        let mut child = start(&bench, &cut);
        wait_for(&cut, at, &mut child);
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "no kill hit a running evaluation");
    let output = start(&bench, &cut).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(records(&cut), records(&whole), "records differ after {kills} kills");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_run_that_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let bench = folder.path().join("bench.parquet");
    benchmark(&bench, ROWS, png);
    let out = folder.path().join("run");
    let mut child = start(&bench, &out);
    wait_for(&out, 3, &mut child);
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("resumes the run"), "{}", stderr(&output));
    assert!(lines(&out) < ROWS as usize);
    let output = start(&bench, &out).wait_with_output().unwrap();
    assert!(output.status.success() && lines(&out) == ROWS as usize, "{}", stderr(&output));
}

#[test]
fn a_report_never_shows_a_score_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bench = folder.path().join("bench.parquet");
    benchmark(&bench, 20, png);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let base =
        ["eval", &path("bench.parquet"), "--model", model().to_str().unwrap(), "--device", "cpu", "--json"]
            .map(ToOwned::to_owned);
    let eval = |extra: &[&str]| {
        let args: Vec<&str> = base.iter().map(String::as_str).chain(extra.iter().copied()).collect();
        let output = run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()
    };
    let full = eval(&["--out", &path("full")]);
    assert_eq!(full["run"]["samples"], 20);
    assert_eq!(full["run"]["fingerprint"]["backend"], "cpu");
    assert_eq!(full["run"]["bench_official"], false);
    assert!(full["report"]["micro"].to_string().contains("chance"), "{}", full["report"]["micro"]);
    eval(&["--out", &path("blind"), "--image", "blind"]);
    eval(&["--out", &path("said"), "--score", "generate", "--max-tokens", "4", "--preset", "smolvlm_mcq"]);

    let report = run(&["report", &path("full")]);
    assert!(report.status.success(), "{}", stderr(&report));
    for word in ["chance", "official", "micro", "not the published files"] {
        assert!(stdout(&report).contains(word), "{word} is not in\n{}", stdout(&report));
    }
    let pair = run(&["report", &path("full"), &path("blind"), "--json"]);
    assert!(pair.status.success(), "{}", stderr(&pair));
    let pair: Value = serde_json::from_str(&stdout(&pair)).unwrap();
    assert!(pair["comparison"].is_object());
    let csv = folder.path().join("answers.csv");
    let parsed = run(&["report", &path("said"), "--parser", "option_text", "--csv", csv.to_str().unwrap()]);
    assert!(parsed.status.success(), "{}", stderr(&parsed));
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 21);

    // Another model precision is another run.
    let mixed = run(&[
        "eval",
        &path("bench.parquet"),
        "--model",
        model().to_str().unwrap(),
        "--device",
        "cpu",
        "--dtype",
        "f32",
        "--out",
        &path("full"),
    ]);
    assert_eq!(mixed.status.code(), Some(1));
    assert!(stderr(&mixed).contains("dtype"), "{}", stderr(&mixed));
}

#[test]
fn a_bad_row_costs_that_row_only() {
    let folder = tempfile::tempdir().unwrap();
    let bench = folder.path().join("bench.parquet");
    benchmark(&bench, 8, |i| if i == 3 { b"no image".to_vec() } else { png(i) });
    let out = folder.path().join("run");
    let output = start(&bench, &out).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(records(&out)).unwrap();
    let failed: Vec<&str> = text.lines().filter(|l| l.contains("\"error\"")).collect();
    assert_eq!((text.lines().count(), failed.len()), (8, 1));
    assert!(failed[0].contains("\"id\":\"3\""), "{}", failed[0]);
    assert!(stdout(&run(&["report", out.to_str().unwrap()])).contains("7"));
}

#[test]
fn asking_gives_probabilities_or_text() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.png");
    std::fs::write(&image, png(5)).unwrap();
    let ask = |extra: &[&str]| {
        let model = model();
        let base = [
            "ask",
            "--model",
            model.to_str().unwrap(),
            "--device",
            "cpu",
            "--image",
            image.to_str().unwrap(),
        ];
        let args: Vec<&str> =
            base.into_iter().chain(["--question", "Where?", "--json"]).chain(extra.iter().copied()).collect();
        let output = run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()
    };
    let choice = ask(&["--options", "left|right|behind"]);
    let total: f64 =
        choice["options"].as_array().unwrap().iter().map(|o| o["probability"].as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-9);
    assert!(["left", "right", "behind"].contains(&choice["answer"].as_str().unwrap()));
    let text = ask(&["--max-tokens", "5"]);
    assert!(text["answer_tokens"].as_u64().unwrap() <= 5);
    assert_eq!(ask(&["--max-tokens", "5"])["answer"], text["answer"], "greedy text is not repeatable");
}

/// The three photographs of the test data, at their own sizes and as JPEG, in CV-Bench's layout.
#[test]
fn real_photographs_run_end_to_end() {
    let data = std::env::var_os("PLUMBLINE_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), Into::into);
    let photos: Vec<Vec<u8>> = ["house_indoor", "restaurant", "warehouse"]
        .iter()
        .filter_map(|name| std::fs::read(data.join(format!("photos/{name}.jpg"))).ok())
        .collect();
    if photos.len() < 3 {
        eprintln!("SKIPPED: no photographs in {}; set PLUMBLINE_TEST_DATA", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bench = folder.path().join("bench.parquet");
    benchmark(&bench, 6, |i| photos[i as usize % 3].clone());
    let out = folder.path().join("run");
    let output = start(&bench, &out).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(records(&out)).unwrap();
    assert_eq!((text.lines().count(), text.matches("\"error\"").count()), (6, 0), "{text}");
}
