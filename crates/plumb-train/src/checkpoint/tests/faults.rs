//! A fault at every single operation of a save.

use super::super::fault::{Fault, FaultFs, Loss};
use super::super::{CheckpointError, CheckpointStore, Retention};
use super::{assert_whole, checkpoint, latest, open};
use std::io::ErrorKind;
use std::path::Path;

const LAST_TWO: Retention = Retention { last: 2, best: false, every: None };

/// A store that holds `steps`, all durable.
fn prepared(steps: &[u64]) -> FaultFs {
    let fs = FaultFs::default();
    let store = open(&fs).with_retention(LAST_TWO);
    for step in steps {
        store.save(&checkpoint(*step)).unwrap();
    }
    fs
}

/// Saves `step` under a fault at each operation in turn, until a save is not reached by it, and hands what comes of it
/// to `check` with the operation, and whether the save reported success. Returns how many operations were tried.
fn at_every_operation(
    before: &[u64],
    step: u64,
    fault: Fault,
    mut check: impl FnMut(u64, &FaultFs, Result<(), CheckpointError>),
) -> u64 {
    for n in 1.. {
        let fs = prepared(before);
        // Opening is part of what can be interrupted.
        fs.plan(n, fault);
        let saved = CheckpointStore::new(&fs, Path::new("/run"))
            .and_then(|store| store.with_retention(LAST_TWO).save(&checkpoint(step)))
            .map(|_| ());
        if !fs.struck() {
            saved.unwrap();
            return n - 1;
        }
        fs.clear();
        check(n, &fs, saved);
    }
    unreachable!()
}

/// The newest valid checkpoint is the new one or the one before, the new one if its save was reported; and the store
/// takes up its work again.
fn assert_sound(n: u64, fs: &FaultFs, before: &[u64], step: u64, reported: bool) {
    let found = latest(fs);
    let previous = before.last().copied();
    assert!(found == Some(step) || (found == previous && !reported), "operation {n}: {found:?}, {reported}");
    let store = open(fs).with_retention(LAST_TWO);
    for next in [step, step + 10] {
        store.save(&checkpoint(next)).unwrap_or_else(|error| panic!("operation {n}: {error}"));
        assert_eq!(latest(fs), Some(next), "operation {n}");
    }
    let names: Vec<_> =
        super::Fs::list(fs, store.folder()).unwrap().into_iter().map(|entry| entry.name).collect();
    let expected = [format!("step-{step:08}"), format!("step-{:08}", step + 10)];
    assert_eq!(names, expected, "operation {n}");
}

/// First save of all, a save that makes the retention remove one, and a save over a checkpoint of the same step.
const CASES: [(&[u64], u64); 3] = [(&[], 10), (&[10, 20], 30), (&[10, 20], 20)];

#[test]
fn failing_at_every_operation_leaves_a_whole_checkpoint() {
    for (before, step) in CASES {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            let tried = at_every_operation(before, step, Fault::Fail(kind), |n, fs, saved| {
                assert_sound(n, fs, before, step, saved.is_ok());
            });
            assert!(tried > 25, "only {tried} operations");
        }
    }
}

/// The same, in one process that goes on: nothing is cleared up by an opening in between.
#[test]
fn after_a_failed_save_the_same_store_still_has_the_earlier_checkpoint() {
    for (before, step) in CASES {
        for n in 1.. {
            let fs = prepared(before);
            let store = open(&fs).with_retention(LAST_TWO);
            fs.plan(n, Fault::Fail(ErrorKind::Other));
            let saved = store.save(&checkpoint(step));
            if !fs.struck() {
                break;
            }
            fs.clear();
            let found = store.latest_valid().unwrap().checkpoint;
            found.iter().for_each(assert_whole);
            let found = found.map(|found| found.step);
            let previous = before.last().copied();
            assert!(found == Some(step) || (found == previous && saved.is_err()), "operation {n}: {found:?}");
            store.save(&checkpoint(step)).unwrap();
            assert_eq!(store.latest_valid().unwrap().checkpoint.map(|found| found.step), Some(step));
        }
    }
}

#[test]
fn a_disk_that_dies_at_every_operation_leaves_a_whole_checkpoint() {
    for (before, step) in CASES {
        at_every_operation(before, step, Fault::FailFromNow(ErrorKind::Other), |n, fs, saved| {
            fs.restart(Loss::AllUnsynced);
            assert_sound(n, fs, before, step, saved.is_ok());
        });
    }
}

#[test]
fn crashing_at_every_operation_leaves_a_whole_checkpoint_whatever_is_lost() {
    for (before, step) in CASES {
        let losses = [Loss::Nothing, Loss::AllUnsynced].into_iter().chain((0..12).map(Loss::SomeUnsynced));
        for loss in losses {
            let tried = at_every_operation(before, step, Fault::Crash, |n, fs, saved| {
                fs.restart(loss);
                assert_sound(n, fs, before, step, saved.is_ok());
            });
            assert!(tried > 25, "only {tried} operations");
        }
    }
}

/// First the process is killed, then the power is cut while the next process clears up: what the first one renamed was
/// visible to the second and yet not durable.
#[test]
fn a_power_cut_during_the_recovery_of_a_kill_loses_nothing() {
    let (before, step): (&[u64], u64) = (&[10, 20], 20);
    let mut recoveries = 0;
    for (m, seed) in (1..=24).flat_map(|m| (0..4).map(move |seed| (m, seed))) {
        at_every_operation(before, step, Fault::Crash, |n, fs, _| {
            fs.restart(Loss::Nothing);
            fs.plan(m, Fault::Crash);
            let _ = CheckpointStore::new(fs, Path::new("/run"));
            recoveries += u32::from(fs.struck());
            fs.restart(Loss::SomeUnsynced(seed));
            assert_sound(n, fs, before, step, false);
        });
    }
    assert!(recoveries > 500, "{recoveries}");
}

#[test]
fn a_full_disk_says_so_and_leaves_the_earlier_checkpoints() {
    let fs = prepared(&[10, 20]);
    let store = open(&fs).with_retention(LAST_TWO);
    let used = fs.used();
    // Any amount of room below what a checkpoint takes.
    let mut room = 0;
    let bytes = loop {
        fs.set_room(used + room);
        match store.save(&checkpoint(30)) {
            Ok(saved) => break saved.bytes,
            Err(CheckpointError::DiskFull { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        assert_eq!(fs.used(), used, "something stays of a checkpoint that had no room");
        assert_eq!(latest(&fs), Some(20));
        room += 97;
    };
    assert!(room >= bytes && room < bytes + 97);
    assert_eq!(latest(&fs), Some(30));
    let text = {
        fs.set_room(0);
        store.save(&checkpoint(40)).unwrap_err().to_string()
    };
    assert!(text.contains("disk is full") && text.contains("weights.safetensors"), "{text}");
}

/// The test double must be able to lose what a careless writer loses, or the tests above prove nothing.
#[test]
fn the_double_punishes_a_missing_sync() {
    use super::Fs as _;
    let path = Path::new("/a");
    let fs = FaultFs::default();
    fs.write_durable(path, &[b"synced"]).unwrap();
    fs.restart(Loss::AllUnsynced);
    assert_eq!(fs.stat(path).unwrap(), None, "a name that was not synced survived");
    fs.write_durable(path, &[b"synced"]).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs.append(path, b", and not").unwrap();
    fs.rename(path, Path::new("/b")).unwrap();
    assert_eq!(fs.read(Path::new("/b"), 99).unwrap(), b"synced, and not");
    fs.restart(Loss::AllUnsynced);
    assert_eq!(fs.read(path, 99).unwrap(), b"synced");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let fs = FaultFs::default();
        fs.write_durable(path, &[b"12"]).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        fs.append(path, b"34").unwrap();
        fs.rename(path, Path::new("/b")).unwrap();
        fs.restart(Loss::SomeUnsynced(seed));
        let names: Vec<String> = fs.list(Path::new("/")).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names.len(), 1, "a rename is atomic");
        seen.insert((names[0].clone(), fs.read(&Path::new("/").join(&names[0]), 9).unwrap()));
    }
    let contents: std::collections::BTreeSet<_> = seen.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    for expected in [&b"12"[..], b"1234", b"123", b"12\0\0"] {
        assert!(contents.contains(expected), "{expected:?} never came: {contents:?}");
    }
    assert!(seen.iter().any(|(name, _)| name == "a") && seen.iter().any(|(name, _)| name == "b"));
}
