//! Damage to a checkpoint after it was saved, and what the store keeps.

use super::super::fault::FaultFs;
use super::super::{CheckpointError, Fs as _, Retention};
use super::{assert_whole, checkpoint, latest, open};
use std::num::NonZeroU64;
use std::path::Path;

const FILES: [&str; 4] = ["manifest.json", "weights.safetensors", "optimizer.safetensors", "state.json"];

#[test]
fn a_change_of_any_byte_of_any_file_is_found() {
    let fs = FaultFs::default();
    let store = open(&fs);
    store.save(&checkpoint(1)).unwrap();
    let folder = store.save(&checkpoint(2)).unwrap().folder;
    let mut tried = 0;
    for name in FILES {
        let path = folder.join(name);
        let bytes = fs.read(&path, u64::MAX).unwrap();
        for at in 0..bytes.len() {
            // One bit, another letter case or sign, and all bits.
            for flip in [0x01, 0x20, 0xff] {
                fs.tamper(&path, |bytes| bytes[at] ^= flip);
                let error = store.load(2).expect_err(&format!("{name}, byte {at}, {flip:#x}"));
                assert!(error.to_string().contains("step-00000002"), "{error}");
                fs.tamper(&path, |bytes| bytes[at] ^= flip);
                tried += 1;
            }
            if at % 16 == 0 {
                fs.tamper(&path, |bytes| bytes.truncate(at));
                store.load(2).expect_err(&format!("{name}, cut at {at}"));
                let found = store.latest_valid().unwrap();
                assert_eq!(found.checkpoint.unwrap().step, 1);
                assert_eq!(found.skipped.len(), 1);
                assert_eq!(found.skipped[0].path, folder);
                fs.tamper(&path, |all| all.clone_from(&bytes));
            }
        }
        fs.tamper(&path, |bytes| bytes.push(b'\n'));
        store.load(2).expect_err(name);
        fs.tamper(&path, |bytes| bytes.truncate(bytes.len() - 1));
    }
    assert!(tried > 5000, "{tried}");
    assert_whole(&store.load(2).unwrap());
}

#[test]
fn a_broken_newer_checkpoint_is_named_and_then_replaced() {
    let fs = FaultFs::default();
    let store = open(&fs);
    store.save(&checkpoint(10)).unwrap();
    let broken = store.save(&checkpoint(20)).unwrap().folder;
    fs.tamper(&broken.join("weights.safetensors"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let found = store.latest_valid().unwrap();
    assert_whole(found.checkpoint.as_ref().unwrap());
    assert_eq!(found.checkpoint.unwrap().step, 10);
    assert!(
        matches!(&found.skipped[0].why, CheckpointError::WrongHash { path, .. } if path.starts_with(&broken))
    );
    store.save(&checkpoint(20)).unwrap();
    assert_eq!(latest(&fs), Some(20));
}

#[test]
fn the_retention_keeps_the_last_the_best_and_every_kth() {
    let fs = FaultFs::default();
    let keep = Retention { last: 2, best: true, every: NonZeroU64::new(30) };
    let store = open(&fs).with_retention(keep);
    let mut removed = Vec::new();
    for step in (10..=80).step_by(10) {
        // `checkpoint` says that its best step is half its step: 40 at the end.
        removed.extend(store.save(&checkpoint(step)).unwrap().removed);
    }
    let steps: Vec<_> = store.list().unwrap().into_iter().filter_map(|listed| listed.step).collect();
    assert_eq!(steps, [30, 60, 70, 80]);
    assert_eq!(removed, [10, 20, 40, 50]);
    let names = fs.list(store.folder()).unwrap();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn the_best_checkpoint_stays_while_newer_ones_come() {
    let fs = FaultFs::default();
    let store = open(&fs).with_retention(Retention { last: 1, best: true, every: None });
    for step in 1..=9 {
        let mut next = checkpoint(step);
        next.state.best.as_mut().unwrap().step = step.min(4);
        store.save(&next).unwrap();
    }
    let steps: Vec<_> = store.list().unwrap().into_iter().filter_map(|listed| listed.step).collect();
    assert_eq!(steps, [4, 9]);
}

#[test]
fn going_on_from_an_older_checkpoint_leaves_no_way_back_to_the_abandoned_future() {
    let fs = FaultFs::default();
    let store = open(&fs).with_retention(Retention { last: 10, best: false, every: None });
    for step in [10, 20, 30] {
        store.save(&checkpoint(step)).unwrap();
    }
    fs.create_dir(&store.folder().join("step-00000040")).unwrap();
    assert_eq!(store.discard_after(10).unwrap(), [20, 30, 40]);
    assert_eq!(latest(&fs), Some(10));
    assert!(matches!(store.load(20), Err(CheckpointError::NoSuchStep { step: 20, .. })));
}

#[test]
fn what_cannot_be_stored_is_refused_and_named() {
    let fs = FaultFs::default();
    let store = open(&fs);
    let mut shape = checkpoint(1);
    shape.weights.get_mut("scale").unwrap().shape = vec![usize::MAX, 3];
    let text = store.save(&shape).unwrap_err().to_string();
    assert!(text.contains("scale"), "{text}");
    let mut name = checkpoint(1);
    let tensor = name.weights["scale"].clone();
    name.weights.insert("__metadata__".to_owned(), tensor);
    assert!(matches!(store.save(&name), Err(CheckpointError::BadTensor { .. })));
    let mut step = checkpoint(1);
    step.state.step = 2;
    assert!(matches!(store.save(&step), Err(CheckpointError::BadState(_))));
    assert_eq!(latest(&fs), None);
    assert!(fs.list(Path::new("/run/checkpoints")).unwrap().is_empty());
}
