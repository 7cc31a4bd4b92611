//! Real processes killed with signal 9 while they save.

use super::super::{CheckpointStore, MetricLine, MetricsLog, RealFs, Retention, StepMetrics};
use super::{assert_whole, checkpoint};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const RUN: &str = "PLUMBLINE_TEST_CHECKPOINT_RUN";
const KEEP: Retention = Retention { last: 3, best: true, every: None };

fn line(step: u64) -> MetricLine {
    MetricLine::Step(StepMetrics { step, loss: Some(1.0 / step as f32), ..StepMetrics::default() })
}

/// Not a test of its own: the program that the test below starts and kills.
#[test]
fn child_that_saves_until_it_is_killed() {
    let Some(run) = std::env::var_os(RUN).map(PathBuf::from) else { return };
    let store = CheckpointStore::new(RealFs, &run).unwrap().with_retention(KEEP);
    let found = store.latest_valid().unwrap();
    assert!(found.skipped.is_empty(), "{:?}", found.skipped);
    let mut step = found.checkpoint.map_or(0, |found| found.step);
    let (mut log, _) = MetricsLog::resume(RealFs, &run.join("metrics.jsonl"), step).unwrap();
    let mut out = std::io::stdout();
    loop {
        step += 1;
        log.append(&line(step)).unwrap();
        log.sync().unwrap();
        store.save(&checkpoint(step)).unwrap();
        writeln!(out, "saved {step}").unwrap();
        out.flush().unwrap();
    }
}

/// Starts the child, kills it after `wait` from its first save on, and returns the last step it reported.
fn run_and_kill(run: &Path, wait: Duration) -> Option<u64> {
    // The harness names tests by their path without the crate.
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::child_that_saves_until_it_is_killed"), "--nocapture"])
        .env(RUN, run)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (first, started) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut last = None;
        for text in out.lines() {
            let text = text.unwrap();
            // The test harness writes on the same line before the first of ours.
            if let Some(step) = text.rsplit_once("saved ").and_then(|(_, step)| step.parse().ok()) {
                last = Some(step);
                let _ = first.send(());
            }
        }
        last
    });
    started.recv_timeout(Duration::from_secs(60)).expect("the child never saved");
    std::thread::sleep(wait);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success());
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "the child ended by itself");
    reader.join().unwrap()
}

#[test]
fn killed_at_random_times_no_reported_checkpoint_is_lost() {
    let full = std::env::var("PLUMBLINE_FULL").is_ok_and(|value| value == "1");
    let times = if full { 200 } else { 5 };
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut leftovers = 0;
    for time in 0..times {
        let wait = Duration::from_micros(rng.random_range(0..60_000));
        let reported = run_and_kill(&run, wait).unwrap();
        let names = std::fs::read_dir(run.join("checkpoints")).unwrap();
        leftovers += names
            .filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
            .count();
        let store = CheckpointStore::new(RealFs, &run).unwrap();
        let found = store.latest_valid().unwrap();
        assert!(found.skipped.is_empty(), "kill {time}: {:?}", found.skipped);
        let found = found.checkpoint.unwrap();
        assert_whole(&found);
        // The kill may fall between the end of a save and its report.
        assert!((reported..=reported + 1).contains(&found.step), "kill {time}: {reported}, {}", found.step);
        let listed = store.list().unwrap();
        assert!(listed.iter().all(|listed| listed.manifest.is_ok()), "kill {time}: {listed:?}");
        let (_, log) = MetricsLog::resume(RealFs, &run.join("metrics.jsonl"), found.step).unwrap();
        let expected: Vec<_> = (1..=found.step).map(line).collect();
        assert_eq!(log.lines, expected, "kill {time}");
    }
    println!("{times} kills, {leftovers} of them left something to clear away");
}
