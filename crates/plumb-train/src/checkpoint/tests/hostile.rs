//! Folders that no save of ours leaves: each gives an error that says what is wrong, and none is taken for a checkpoint.

use super::super::manifest::{Manifest, sha256};
use super::super::{CheckpointError, CheckpointStore, FileEntry, MetricsLog, RealFs};
use super::{assert_whole, checkpoint};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

struct Case {
    name: &'static str,
    /// Spoils the folder of step 20.
    spoil: fn(&Path),
    /// What the message must contain.
    says: &'static str,
}

fn manifest(folder: &Path, change: fn(&mut Value)) {
    let path = folder.join("manifest.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    // Sealed again, as an attacker would: the checks behind the hash must hold on their own.
    value["sha256"] = json!("");
    let mut text = serde_json::to_string_pretty(&value).unwrap();
    text.push('\n');
    value["sha256"] = json!(sha256(&[text.as_bytes()]));
    fs::write(&path, serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
}

/// Replaces a file and seals the manifest over it.
fn forge(folder: &Path, name: &str, content: &[u8]) {
    fs::write(folder.join(name), content).unwrap();
    let old: Manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let mut files = old.files;
    let entry = files.iter_mut().find(|file| file.name == name).unwrap();
    *entry = FileEntry { name: name.to_owned(), bytes: content.len() as u64, sha256: sha256(&[content]) };
    let new = Manifest::new(old.step, &old.config_hash, old.best_step, files).unwrap();
    fs::write(folder.join("manifest.json"), new.to_bytes().unwrap()).unwrap();
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn state(folder: &Path, change: fn(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(folder.join("state.json")).unwrap()).unwrap();
    change(&mut value);
    forge(folder, "state.json", value.to_string().as_bytes());
}

const WEIGHTS: &str = "weights.safetensors";

const CASES: &[Case] = &[
    Case {
        name: "manifest missing",
        spoil: |f| fs::remove_file(f.join("manifest.json")).unwrap(),
        says: "never finished",
    },
    Case { name: "manifest empty", spoil: |f| fs::write(f.join("manifest.json"), "").unwrap(), says: "EOF" },
    Case {
        name: "manifest no JSON",
        spoil: |f| fs::write(f.join("manifest.json"), b"\xff\xfe{").unwrap(),
        says: "manifest.json",
    },
    Case {
        name: "manifest deep",
        spoil: |f| fs::write(f.join("manifest.json"), "[".repeat(60_000)).unwrap(),
        says: "manifest.json",
    },
    Case {
        name: "manifest too long",
        spoil: |f| fs::write(f.join("manifest.json"), vec![b' '; 1 << 20]).unwrap(),
        says: "1048576 bytes, expected at most",
    },
    Case {
        name: "manifest a folder",
        spoil: |f| {
            fs::remove_file(f.join("manifest.json")).unwrap();
            fs::create_dir(f.join("manifest.json")).unwrap();
        },
        says: "a folder, expected a file",
    },
    Case { name: "other format", spoil: |f| manifest(f, |m| m["format"] = json!("tar")), says: "\"tar\"" },
    Case { name: "newer version", spoil: |f| manifest(f, |m| m["version"] = json!(2)), says: "version is 2" },
    Case { name: "negative step", spoil: |f| manifest(f, |m| m["step"] = json!(-20)), says: "-20" },
    Case { name: "another step", spoil: |f| manifest(f, |m| m["step"] = json!(21)), says: "of step 21" },
    Case {
        name: "negative size",
        spoil: |f| manifest(f, |m| m["files"][0]["bytes"] = json!(-1)),
        says: "-1",
    },
    Case {
        name: "huge size",
        spoil: |f| manifest(f, |m| m["files"][0]["bytes"] = json!(u64::MAX)),
        says: "the manifest says 18446744073709551615",
    },
    Case {
        name: "name with ..",
        spoil: |f| manifest(f, |m| m["files"][0]["name"] = json!("../../secret")),
        says: "../../secret",
    },
    Case {
        name: "absolute name",
        spoil: |f| manifest(f, |m| m["files"][2]["name"] = json!("/etc/passwd")),
        says: "/etc/passwd",
    },
    Case {
        name: "a file twice",
        spoil: |f| manifest(f, |m| m["files"][1] = m["files"][0].clone()),
        says: "expected [\"weights.safetensors\"",
    },
    Case { name: "no files", spoil: |f| manifest(f, |m| m["files"] = json!([])), says: "its files are []" },
    Case {
        name: "unknown field",
        spoil: |f| manifest(f, |m| m["run"] = json!("rm")),
        says: "unknown field `run`",
    },
    Case {
        name: "weights missing",
        spoil: |f| fs::remove_file(f.join(WEIGHTS)).unwrap(),
        says: "weights.safetensors cannot be used: it is missing",
    },
    Case { name: "weights empty", spoil: |f| fs::write(f.join(WEIGHTS), "").unwrap(), says: "has 0 bytes" },
    Case { name: "weights forged", spoil: |f| forge(f, WEIGHTS, b"no tensors"), says: WEIGHTS },
    Case {
        name: "header of 2^63 bytes",
        spoil: |f| forge(f, WEIGHTS, &(1_u64 << 63).to_le_bytes()),
        says: WEIGHTS,
    },
    Case {
        name: "shape that overflows",
        spoil: |f| {
            let header = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}"#;
            forge(f, WEIGHTS, &safetensors(header, 4));
        },
        says: WEIGHTS,
    },
    Case {
        name: "negative offset",
        spoil: |f| {
            let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#;
            forge(f, WEIGHTS, &safetensors(header, 4));
        },
        says: WEIGHTS,
    },
    Case {
        name: "tensor of another type",
        spoil: |f| {
            let header = r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
            forge(f, WEIGHTS, &safetensors(header, 8));
        },
        says: "\"a\" is of I64, expected F32",
    },
    Case {
        name: "state of another step",
        spoil: |f| state(f, |s| s["step"] = json!(40)),
        says: "it is of step 40",
    },
    Case {
        name: "negative counter",
        spoil: |f| state(f, |s| s["rng"]["counters"]["dropout"] = json!(-5)),
        says: "-5",
    },
    Case {
        name: "scale that is no f32",
        spoil: |f| state(f, |s| s["loss_scale"]["scale"] = json!(1e300)),
        says: "no 32-bit float",
    },
    Case {
        name: "another config hash",
        spoil: |f| state(f, |s| s["config_hash"] = json!("evil")),
        says: "\"evil\"",
    },
    Case {
        name: "unknown state",
        spoil: |f| state(f, |s| s["backdoor"] = json!(1)),
        says: "unknown field `backdoor`",
    },
    Case {
        name: "a file in place of the folder",
        spoil: |f| {
            fs::remove_dir_all(f).unwrap();
            fs::write(f, "").unwrap();
        },
        says: "a file, expected a folder",
    },
];

fn prepared(folder: &Path) -> CheckpointStore<RealFs> {
    let store = CheckpointStore::new(RealFs, folder).unwrap();
    store.save(&checkpoint(10)).unwrap();
    store.save(&checkpoint(20)).unwrap();
    store
}

fn assert_refused(name: &str, store: &CheckpointStore<RealFs>, says: &str) {
    let text = store.load(20).expect_err(name).to_string();
    assert!(text.contains(says), "{name}: {text}");
    let found = store.latest_valid().unwrap();
    assert_whole(found.checkpoint.as_ref().unwrap());
    assert_eq!(found.checkpoint.unwrap().step, 10, "{name}");
    assert_eq!(found.skipped.len(), 1, "{name}");
    assert_eq!(found.skipped[0].why.to_string(), text, "{name}");
    // Training goes on over it.
    store.save(&checkpoint(20)).unwrap();
    assert_whole(&store.load(20).unwrap());
}

#[test]
fn every_hostile_folder_is_refused_with_its_reason() {
    assert!(CASES.len() >= 20);
    for case in CASES {
        let folder = tempfile::tempdir().unwrap();
        let store = prepared(folder.path());
        (case.spoil)(&store.folder().join("step-00000020"));
        assert_refused(case.name, &store, case.says);
    }
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    for name in ["manifest.json", WEIGHTS, "state.json", ""] {
        let folder = tempfile::tempdir().unwrap();
        let store = prepared(folder.path());
        let path = if name.is_empty() {
            store.folder().join("step-00000020")
        } else {
            store.folder().join("step-00000020").join(name)
        };
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_refused(name, &store, "a symbolic link");
        assert!(elsewhere.exists(), "the target of a link was removed");
    }
}

#[test]
fn names_that_are_no_steps_are_reported_and_others_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = prepared(folder.path());
    let bad = ["step-1", "step-0000001x", "step--0000001", "step-99999999999999999999999", "step-+0000001"];
    let foreign = ["notes.txt", ".staging-x-1", ".staging-5", ".staging-5-99999999999", "..."];
    let leftovers = [".staging-30-1", ".trash-10-2", ".replaced-20-77"];
    for name in bad.iter().chain(&foreign).chain(&leftovers) {
        fs::create_dir(store.folder().join(name)).unwrap();
    }
    let store = CheckpointStore::new(RealFs, folder.path()).unwrap();
    let found = store.latest_valid().unwrap();
    assert_eq!(found.checkpoint.unwrap().step, 20);
    assert_eq!(found.skipped.len(), bad.len());
    assert!(found.skipped.iter().all(|skipped| matches!(skipped.why, CheckpointError::BadName(_))));
    assert!(foreign.iter().all(|name| store.folder().join(name).exists()));
    assert!(!leftovers.iter().any(|name| store.folder().join(name).exists()));
}

#[test]
fn a_run_that_is_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run");
    fs::write(&file, "").unwrap();
    let error = CheckpointStore::new(RealFs, &file).unwrap_err();
    assert!(matches!(error, CheckpointError::WrongKind { .. } | CheckpointError::Io { .. }), "{error}");
    let deep = folder.path().join("a/b/c");
    CheckpointStore::new(RealFs, &deep).unwrap().save(&checkpoint(1)).unwrap();
    MetricsLog::create(RealFs, &deep.join("metrics.jsonl")).unwrap();
}
