//! Bases that are wrong, adapters that cannot be merged, merges that are stopped.

use std::fs;
use std::path::Path;

use super::*;
use crate::host::TensorMap;
use crate::peft::{BottleneckConfig, BottleneckVariant, PEFT_TENSORS, PromptTuningConfig};

type Spoil = Box<dyn Fn(&Path, &Layout)>;

/// Every way a base can be wrong, and words of the sentence about it.
fn spoilt() -> Vec<(&'static str, Spoil, &'static [&'static str])> {
    fn case(
        what: &'static str,
        words: &'static [&'static str],
        spoil: impl Fn(&Path, &Layout) + 'static,
    ) -> (&'static str, Spoil, &'static [&'static str]) {
        (what, Box::new(spoil), words)
    }
    fn with(folder: &Path, layout: &Layout, change: impl FnOnce(&mut TensorMap)) {
        let mut all = tensors(layout);
        change(&mut all);
        put(folder, SINGLE, all, FileDtype::F32);
    }
    fn cut(folder: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(folder.join(file)).unwrap();
        change(&mut bytes);
        fs::write(folder.join(file), bytes).unwrap();
    }
    fn index(folder: &Path, text: &str) {
        fs::write(folder.join(INDEX), text).unwrap();
    }
    vec![
        case("missing", &["norm.weight is missing", "[4]"], |f, l| {
            with(f, l, |t| drop(t.remove("model.text_model.norm.weight")));
        }),
        case("extra", &["1 tensors", "model.extra"], |f, l| {
            with(f, l, |t| drop(t.insert("model.extra".to_owned(), values("e", &[2]))));
        }),
        case("shape", &["norm.weight", "shape [5]", "asks for [4]"], |f, l| {
            with(f, l, |t| drop(t.insert("model.text_model.norm.weight".to_owned(), values("e", &[5]))));
        }),
        case("type", &["type I32", "expected F32, F16 or BF16"], |f, _| {
            cut(f, SINGLE, |b| {
                let at = b.windows(5).position(|w| w == b"\"F32\"").unwrap();
                b[at..at + 5].copy_from_slice(b"\"I32\"");
            });
        }),
        case("NaN", &["patch_embedding.weight", "NaN at element 23", "damaged"], |f, _| {
            cut(f, SINGLE, |b| {
                let n = b.len();
                b[n - 16 * 4..n - 15 * 4].copy_from_slice(&f32::NAN.to_le_bytes());
            });
        }),
        case("cut short", &["has", "its header asks for", "damaged"], |f, _| {
            cut(f, SINGLE, |b| b.truncate(b.len() - 9));
        }),
        case("longer", &["its header asks for"], |f, _| cut(f, SINGLE, |b| b.push(0))),
        case("cut in its header", &["announce a header"], |f, _| cut(f, SINGLE, |b| b.truncate(60))),
        case("not safetensors", &["announce a header"], |f, _| cut(f, SINGLE, |b| b.fill(0xff))),
        case("empty", &["0 bytes"], |f, _| cut(f, SINGLE, Vec::clear)),
        case("none", &["cannot open", SINGLE], |f, _| fs::remove_file(f.join(SINGLE)).unwrap()),
        case("index upwards", &["weight_map", "../base/model.safetensors", "same folder"], |f, _| {
            index(f, r#"{"weight_map": {"a": "../base/model.safetensors"}}"#);
        }),
        case("index to the root", &["weight_map", "/etc/passwd", "same folder"], |f, _| {
            index(f, r#"{"weight_map": {"a": "/etc/passwd"}}"#);
        }),
        case("index without its shard", &["weight_map", "gone.safetensors"], |f, _| {
            index(f, r#"{"weight_map": {"a": "gone.safetensors"}}"#);
        }),
        case("index to another file", &["weight_map", "config.json", ".safetensors"], |f, _| {
            index(f, r#"{"weight_map": {"a": "config.json"}}"#);
        }),
        case("index of nothing", &["names no tensor"], |f, _| index(f, r#"{"weight_map": {}}"#)),
        case("index of no map", &["is not valid"], |f, _| index(f, r#"{"weight_map": 3}"#)),
        case("index astray", &["weight_map sends", "model.text_model.norm.weight"], |f, l| {
            split(f, l, FileDtype::F32);
            let mut value = json_of(f, INDEX);
            let map = value["weight_map"].as_object_mut().unwrap();
            let other = map.values().find(|v| **v != map["model.text_model.norm.weight"]).unwrap().clone();
            map.insert("model.text_model.norm.weight".to_owned(), other);
            index(f, &value.to_string());
        }),
        case("a tensor twice", &["stands in both", "model-00001", "model-00002"], |f, l| {
            split(f, l, FileDtype::F32);
            put(f, "model-00002-of-00002.safetensors", tensors(l), FileDtype::F32);
        }),
        case("a shard cut short", &["model-00002", "its header asks for"], |f, l| {
            split(f, l, FileDtype::F32);
            cut(f, "model-00002-of-00002.safetensors", |b| b.truncate(b.len() - 1));
        }),
    ]
}

#[test]
fn a_wrong_base_is_named_and_nothing_is_left() {
    for (what, spoil, words) in spoilt() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(false);
        let base = base(root.path(), &layout, FileDtype::F32);
        spoil(&base, &layout);
        let error = merge(&base, &layout, &q_lora(), None).expect_err(what).to_string();
        for word in words {
            assert!(error.contains(word), "{what}: {word:?} is not in {error:?}");
        }
        assert_eq!(names(root.path()), ["base"], "{what}");
    }
}

#[test]
fn what_cannot_be_merged_is_refused_before_anything_is_written() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::F32);
    let refused = |adapter: &Adapter, dtype, words: &[&str]| {
        let error = merge(&base, &layout, adapter, dtype).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
        assert_eq!(names(root.path()), ["base"]);
    };
    let prompt = AdapterConfig::PromptTuning(PromptTuningConfig {
        virtual_tokens: 1,
        token_dim: Some(4),
        layers: None,
        heads: None,
        base: Base::default(),
    });
    refused(&adapter(prompt, &[]), None, &["PROMPT_TUNING", "cannot be merged", "inputs"]);
    let bottleneck = BottleneckConfig::new(BottleneckVariant::Sequential, 4, "a");
    refused(&adapter(AdapterConfig::Bottleneck(bottleneck), &[]), None, &["seq_bn", "not linear"]);
    // Fits no module, lacks a tensor, has one too many.
    refused(&lora(&["x_proj"], &[], &[]), None, &["x_proj", "matches no module"]);
    refused(&lora(&["q_proj"], &[], &[]), None, &[PEFT_TENSORS, "lacks 2 tensors"]);
    refused(&lora(&["q_proj"], &[(Q, 4, 4), (FC1, 4, 3)], &[]), None, &["does not ask for", FC1]);
    refused(&lora(&["q_proj"], &[(Q, 4, 5)], &[]), None, &["lora_B", "expected [4, 2]"]);
    // A convolution of another size passes the adapter's own check, which does not know it.
    let kernel = lora(&["q_proj"], &[(Q, 4, 4)], &[(CONV, &[2, 3, 5, 5])]);
    refused(&kernel, None, &[CONV, "[2, 3, 2, 2]", "[2, 3, 5, 5]"]);
    let mut large = q_lora();
    for tensor in large.tensors.values_mut() {
        tensor.values.fill(1e3);
    }
    refused(&large, Some(FileDtype::F16), &[Q, "beyond what F16", "write F32"]);
    for tensor in large.tensors.values_mut() {
        tensor.values.fill(1e25);
    }
    refused(&large, None, &[Q, "inf at element 0"]);
    fs::create_dir(root.path().join("out")).unwrap();
    let error = merge(&base, &layout, &q_lora(), None).unwrap_err().to_string();
    assert!(error.ends_with("out is there already; choose a folder that is not"), "{error}");
    assert_eq!(names(&root.path().join("out")), Vec::<String>::new());
}

#[test]
fn stopped_in_the_middle_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::F32);
    let out = root.path().join("out");
    let options = MergeOptions::default();
    let stopped =
        merge_checkpoint(&base, &layout, &q_lora(), &out, &options, &mut |done, total| done * 2 < total);
    assert!(matches!(stopped, Err(MergeError::Stopped)), "{stopped:?}");
    assert_eq!(names(root.path()), ["base"]);
}

#[test]
fn leftovers_are_replaced_and_work_in_progress_is_not() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::F32);
    let (out, staging) = (root.path().join("out"), root.path().join(".out.partial"));
    let again = |seen: &mut Vec<String>| {
        merge_checkpoint(&base, &layout, &q_lora(), &out, &MergeOptions::default(), &mut |_, _| {
            if let Err(error) = merge(&base, &layout, &q_lora(), None) {
                seen.push(error.to_string());
            }
            true
        })
    };
    // A killed process leaves its files and a lock that nobody holds.
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("writing.lock"), "").unwrap();
    fs::write(staging.join("left.safetensors"), "half").unwrap();
    let mut seen = Vec::new();
    again(&mut seen).unwrap();
    assert_eq!(seen.len(), layout.tensors.len());
    assert!(seen.iter().all(|error| error.starts_with("another process is writing ")), "{seen:?}");
    assert_eq!(names(root.path()), ["base", "out"]);
    assert_eq!(names(&out), ["config.json", SINGLE, RUN_FILE, "tokenizer.json"]);

    fs::remove_dir_all(&out).unwrap();
    fs::create_dir(&staging).unwrap();
    merge(&base, &layout, &q_lora(), None).unwrap();
    fs::remove_dir_all(&out).unwrap();
    // Something of that name that we did not make stays.
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("mine"), "x").unwrap();
    let error = merge(&base, &layout, &q_lora(), None).unwrap_err().to_string();
    assert!(error.contains("cannot remove") && error.contains(".out.partial"), "{error}");
    assert_eq!(names(&staging), ["mine"]);
}
