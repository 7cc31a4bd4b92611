//! The metrics log under faults and damage.

use super::super::fault::{Fault, FaultFs, Loss};
use super::super::{
    CheckpointError, EvalMetrics, Fs as _, MetricLine, MetricsLog, SampleAnswer, StepMetrics, read_metrics,
};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::Path;

const PATH: &str = "/metrics.jsonl";

fn lines(step: u64) -> Vec<MetricLine> {
    let mut lines = vec![MetricLine::Step(StepMetrics {
        step,
        loss: Some(if step == 3 { f32::NAN } else { 0.1 * step as f32 }),
        lr: Some(1e-4),
        memory_bytes: Some(u64::MAX),
        extra: [("depth_loss".to_owned(), json!(-0.0))].into(),
        ..StepMetrics::default()
    })];
    if step.is_multiple_of(2) {
        let accuracy = Some(1.0 / 3.0);
        lines.push(MetricLine::Eval(EvalMetrics { step, accuracy, samples: 8, ..EvalMetrics::default() }));
        lines.push(MetricLine::Sample(SampleAnswer {
            step,
            sample: "a/1".to_owned(),
            question: "How\nmany \"é\u{2028}?".to_owned(),
            expected: "(A)".to_owned(),
            answer: "\0".to_owned(),
            correct: Some(false),
        }));
    }
    lines
}

fn until(step: u64) -> Vec<MetricLine> {
    (1..=step).flat_map(lines).collect()
}

/// By text: a NaN is not equal to itself.
fn text(lines: &[MetricLine]) -> String {
    serde_json::to_string(lines).unwrap()
}

fn written(fs: &FaultFs, steps: u64) -> MetricsLog<&FaultFs> {
    let mut log = MetricsLog::create(fs, Path::new(PATH)).unwrap();
    until(steps).iter().for_each(|line| log.append(line).unwrap());
    log.sync().unwrap();
    log
}

#[test]
fn lines_read_back_and_are_json_to_everybody() {
    let fs = FaultFs::default();
    written(&fs, 6);
    let found = read_metrics(&fs, Path::new(PATH)).unwrap();
    assert_eq!(text(&found.lines), text(&until(6)));
    assert_eq!((found.later, found.dropped), (0, None));
    let bytes = fs.read(Path::new(PATH), u64::MAX).unwrap();
    let rows: Vec<Value> =
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["kind"], "step");
    assert_eq!(rows[2]["kind"], "eval");
    assert_eq!(rows[3]["kind"], "sample");
    assert_eq!(rows[3]["crc32"].as_str().unwrap().len(), 8);
    assert!(matches!(MetricsLog::create(&fs, Path::new(PATH)), Err(CheckpointError::AlreadyExists(_))));
}

#[test]
fn a_log_cut_at_any_byte_loses_only_what_is_cut() {
    let fs = FaultFs::default();
    written(&fs, 4);
    let whole = fs.read(Path::new(PATH), u64::MAX).unwrap();
    let all = until(4);
    for cut in 0..=whole.len() {
        fs.tamper(Path::new(PATH), |bytes| *bytes = whole[..cut].to_vec());
        let found = read_metrics(&fs, Path::new(PATH)).unwrap();
        let kept = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(text(&found.lines), text(&all[..kept]), "cut at {cut}");
        let torn = cut > 0 && whole[cut - 1] != b'\n';
        assert_eq!(found.dropped.as_ref().map(|dropped| dropped.line), torn.then_some(kept as u64 + 1));
    }
}

#[test]
fn a_change_of_any_byte_is_found() {
    let fs = FaultFs::default();
    written(&fs, 2);
    let whole = fs.read(Path::new(PATH), u64::MAX).unwrap();
    let all = until(2);
    for at in 0..whole.len() {
        for flip in [0x01, 0x20, 0xff] {
            fs.tamper(Path::new(PATH), |bytes| bytes[at] ^= flip);
            match read_metrics(&fs, Path::new(PATH)) {
                Ok(found) => {
                    let dropped = found.dropped.expect("the damage went unseen");
                    let before = dropped.line as usize - 1;
                    assert_eq!(text(&found.lines), text(&all[..before]), "byte {at}");
                }
                Err(CheckpointError::DamagedLine { line, .. }) => {
                    let expected = whole[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
                    assert_eq!(line, expected, "byte {at}");
                }
                Err(other) => panic!("{other}"),
            }
            fs.tamper(Path::new(PATH), |bytes| bytes[at] ^= flip);
        }
    }
}

#[test]
fn resuming_cuts_later_steps_and_doubles_nothing() {
    let fs = FaultFs::default();
    written(&fs, 8);
    let (mut log, found) = MetricsLog::resume(&fs, Path::new(PATH), 5).unwrap();
    assert_eq!(text(&found.lines), text(&until(5)));
    assert_eq!(found.later, (until(8).len() - until(5).len()) as u64);
    assert!(matches!(log.append(&lines(4)[0]), Err(CheckpointError::OutOfOrder { step: 4, last: 5, .. })));
    (6..=8).flat_map(lines).for_each(|line| log.append(&line).unwrap());
    assert_eq!(text(&read_metrics(&fs, Path::new(PATH)).unwrap().lines), text(&until(8)));
}

/// After a power cut any part of what follows the checkpoint can be garbage, with whole lines after it.
#[test]
fn damage_after_the_checkpoint_is_cut_and_damage_before_it_is_an_error() {
    let fs = FaultFs::default();
    written(&fs, 8);
    let whole = fs.read(Path::new(PATH), u64::MAX).unwrap();
    // Line 7 is the step line of step 5: lines 1, 2-4, 5, 6-8 belong to steps 1 to 4.
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    fs.tamper(Path::new(PATH), |bytes| bytes[ends[7] + 5..ends[9]].fill(0));
    let (_, found) = MetricsLog::resume(&fs, Path::new(PATH), 4).unwrap();
    assert_eq!(text(&found.lines), text(&until(4)));
    assert_eq!(found.dropped.unwrap().line, 9);
    fs.tamper(Path::new(PATH), |bytes| {
        bytes.clone_from(&whole);
        bytes[ends[1] + 9] ^= 1;
    });
    let error = MetricsLog::resume(&fs, Path::new(PATH), 4).unwrap_err();
    assert!(matches!(error, CheckpointError::DamagedLine { line: 3, .. }), "{error}");
}

#[test]
fn a_fault_at_every_operation_leaves_whole_lines() {
    let faults = [Fault::Fail(ErrorKind::StorageFull), Fault::Fail(ErrorKind::Other), Fault::Crash];
    for (fault, seed) in faults.into_iter().flat_map(|fault| (0..8).map(move |seed| (fault, seed))) {
        for n in 1.. {
            let fs = FaultFs::default();
            written(&fs, 4);
            fs.plan(n, fault);
            let mut reported = until(4);
            let went = (|| {
                let (mut log, _) = MetricsLog::resume(&fs, Path::new(PATH), 4)?;
                for line in (5..=6).flat_map(lines) {
                    log.append(&line)?;
                    reported.push(line);
                }
                log.sync()
            })();
            if !fs.struck() {
                went.unwrap();
                break;
            }
            assert!(went.is_err());
            // Even seeds kill the process, odd ones cut the power, which may take what was not synced.
            let power = fault == Fault::Crash && seed % 2 == 1;
            fs.restart(if power { Loss::SomeUnsynced(seed) } else { Loss::Nothing });
            let found = read_metrics(&fs, Path::new(PATH)).map(|found| found.lines);
            if !power {
                let found = found.unwrap();
                assert!(found.len() >= reported.len(), "operation {n}");
                assert_eq!(text(&found[..reported.len()]), text(&reported), "operation {n}");
            }
            let (mut log, found) = MetricsLog::resume(&fs, Path::new(PATH), 4).unwrap();
            assert_eq!(text(&found.lines), text(&until(4)), "operation {n}");
            (5..=6).flat_map(lines).for_each(|line| log.append(&line).unwrap());
            assert_eq!(text(&read_metrics(&fs, Path::new(PATH)).unwrap().lines), text(&until(6)));
        }
    }
}

#[test]
fn the_log_goes_on_after_a_full_disk() {
    let fs = FaultFs::default();
    let mut log = written(&fs, 4);
    for room in 0..60 {
        fs.set_room(fs.used() + room);
        let error = log.append(&lines(5)[0]).unwrap_err();
        assert!(matches!(error, CheckpointError::DiskFull { .. }), "{error}");
        assert_eq!(text(&read_metrics(&fs, Path::new(PATH)).unwrap().lines), text(&until(4)));
    }
    fs.set_room(u64::MAX);
    log.append(&lines(5)[0]).unwrap();
    assert_eq!(text(&read_metrics(&fs, Path::new(PATH)).unwrap().lines), text(&until(5)));
}

#[test]
fn what_is_no_log_is_refused() {
    let fs = FaultFs::default();
    fs.create_dir(Path::new(PATH)).unwrap();
    assert!(matches!(read_metrics(&fs, Path::new(PATH)), Err(CheckpointError::WrongKind { .. })));
    let mut log = MetricsLog::create(&fs, Path::new("/b.jsonl")).unwrap();
    let long = SampleAnswer { answer: "x".repeat(2 << 20), ..SampleAnswer::default() };
    assert!(matches!(log.append(&MetricLine::Sample(long)), Err(CheckpointError::BadLine { .. })));
    log.append(&lines(1)[0]).unwrap();
    assert_eq!(read_metrics(&fs, Path::new("/b.jsonl")).unwrap().lines.len(), 1);
}
