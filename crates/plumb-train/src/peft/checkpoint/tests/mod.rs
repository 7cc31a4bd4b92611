//! Merging on small made-up checkpoints: bits and layouts.

mod refuse;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use half::bf16;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::weights::{Shard, decode, hex, not_finite};
use super::*;
use crate::host::{HostTensor, TensorFile, TensorMap, encode, read_tensors, write_tensors};
use crate::peft::{AdapterConfig, Base, Ia3Config, LoraConfig, ModuleKind, Names};

const Q: &str = "model.text_model.layers.0.self_attn.q_proj";
const FC1: &str = "model.vision_model.encoder.layers.0.mlp.fc1";
const CONV: &str = "model.vision_model.embeddings.patch_embedding";

fn layout(tied: bool) -> Layout {
    let mut tensors = vec![
        (format!("{CONV}.weight"), vec![2, 3, 2, 2]),
        (format!("{FC1}.bias"), vec![3]),
        (format!("{FC1}.weight"), vec![3, 4]),
        (format!("{EMBEDDING}.weight"), vec![6, 4]),
        (format!("{Q}.weight"), vec![4, 4]),
        ("model.text_model.norm.weight".to_owned(), vec![4]),
    ];
    if !tied {
        tensors.push((format!("{HEAD}.weight"), vec![6, 4]));
    }
    let module = |path: &str, kind, input, output, bias| ModuleInfo {
        path: path.to_owned(),
        kind,
        input,
        output,
        bias,
    };
    let modules = vec![
        module(CONV, ModuleKind::Conv, 3, 2, false),
        module(FC1, ModuleKind::Linear, 4, 3, true),
        module(EMBEDDING, ModuleKind::Embedding, 6, 4, false),
        module(Q, ModuleKind::Linear, 4, 4, false),
        module("model.text_model.norm", ModuleKind::Norm, 4, 4, false),
        module(HEAD, ModuleKind::Linear, 4, 6, false),
    ];
    Layout { tensors, modules, hidden: 4, layers: 1, tied }
}

fn values(name: &str, shape: &[usize]) -> HostTensor {
    let seed: usize = name.bytes().map(usize::from).sum();
    let n: usize = shape.iter().product();
    HostTensor {
        shape: shape.to_vec(),
        values: (0..n).map(|i| ((i * 7 + seed) as f32 * 0.37).sin()).collect(),
    }
}

fn tensors(layout: &Layout) -> TensorMap {
    layout.tensors.iter().map(|(name, shape)| (name.clone(), values(name, shape))).collect()
}

fn put(folder: &Path, file: &str, tensors: TensorMap, dtype: FileDtype) {
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    fs::write(folder.join(file), write_tensors(file, &TensorFile { tensors, metadata }, dtype).unwrap())
        .unwrap();
}

/// A base of one file in `root/base`.
fn base(root: &Path, layout: &Layout, dtype: FileDtype) -> PathBuf {
    let folder = root.join("base");
    fs::create_dir(&folder).unwrap();
    let config = json!({
        "model_type": "smolvlm",
        "tie_word_embeddings": layout.tied,
        "torch_dtype": "bfloat16",
        "text_config": { "tie_word_embeddings": layout.tied },
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), "{}").unwrap();
    fs::write(folder.join("README.md"), "about the base").unwrap();
    put(&folder, SINGLE, tensors(layout), dtype);
    folder
}

/// The same base as two files with an index.
fn split(folder: &Path, layout: &Layout, dtype: FileDtype) {
    fs::remove_file(folder.join(SINGLE)).unwrap();
    let mut map = serde_json::Map::new();
    for (part, name) in
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"].iter().enumerate()
    {
        let half: TensorMap =
            tensors(layout).into_iter().enumerate().filter(|(i, _)| i % 2 == part).map(|(_, t)| t).collect();
        map.extend(half.keys().map(|key| (key.clone(), json!(name))));
        put(folder, name, half, dtype);
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

fn adapter(config: AdapterConfig, tensors: &[(String, &[usize])]) -> Adapter {
    let tensors =
        tensors.iter().map(|(key, shape)| (format!("base_model.model.{key}"), values(key, shape))).collect();
    Adapter { config, tensors, ignored: Vec::new(), metadata: BTreeMap::new() }
}

fn lora(targets: &[&str], shapes: &[(&str, usize, usize)], save: &[(&str, &[usize])]) -> Adapter {
    let config = LoraConfig {
        r: 2,
        alpha: 3.0,
        target: Names::List(targets.iter().map(ToString::to_string).collect()),
        save: save.iter().map(|(path, _)| (*path).to_owned()).collect(),
        ..LoraConfig::default()
    };
    let mut tensors: Vec<(String, Vec<usize>)> = Vec::new();
    for (path, input, output) in shapes {
        tensors.push((format!("{path}.lora_A.weight"), vec![2, *input]));
        tensors.push((format!("{path}.lora_B.weight"), vec![*output, 2]));
    }
    tensors.extend(save.iter().map(|(path, shape)| (format!("{path}.weight"), shape.to_vec())));
    let tensors: Vec<(String, &[usize])> = tensors.iter().map(|(k, s)| (k.clone(), s.as_slice())).collect();
    adapter(AdapterConfig::Lora(config), &tensors)
}

fn q_lora() -> Adapter {
    lora(&["q_proj"], &[(Q, 4, 4)], &[])
}

fn merge(
    base: &Path,
    layout: &Layout,
    adapter: &Adapter,
    dtype: Option<FileDtype>,
) -> Result<PathBuf, MergeError> {
    let out = base.with_file_name("out");
    let options = MergeOptions { dtype, ..MergeOptions::default() };
    merge_checkpoint(base, layout, adapter, &out, &options, &mut |_, _| true).map(|report| report.out)
}

fn read(folder: &Path, file: &str) -> TensorFile {
    read_tensors(file, &fs::read(folder.join(file)).unwrap()).unwrap()
}

fn json_of(folder: &Path, file: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// W + scale·B·A in f64.
fn expected(weight: &HostTensor, adapter: &Adapter, path: &str, scale: f64) -> Vec<f64> {
    let get = |role: &str| &adapter.tensors[&format!("base_model.model.{path}.{role}.weight")];
    let (a, b) = (get("lora_A"), get("lora_B"));
    let (rank, input) = (a.shape[0], a.shape[1]);
    let product = |o: usize, i: usize| {
        (0..rank).map(|r| f64::from(b.values[o * rank + r]) * f64::from(a.values[r * input + i])).sum::<f64>()
    };
    weight
        .values
        .iter()
        .enumerate()
        .map(|(at, &w)| f64::from(w) + scale * product(at / input, at % input))
        .collect()
}

#[test]
fn a_bf16_base_is_changed_where_the_adapter_says_and_rounded_once() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::Bf16);
    let out = root.path().join("deep/out");
    let mut seen = Vec::new();
    let mut origin = serde_json::Map::new();
    origin.insert("base".to_owned(), json!("here"));
    origin.insert("tensors".to_owned(), json!("not mine to say"));
    let options = MergeOptions { dtype: None, origin };
    let report = merge_checkpoint(&base, &layout, &q_lora(), &out, &options, &mut |done, total| {
        seen.push((done, total));
        true
    })
    .unwrap();
    let (before, after) = (read(&base, SINGLE), read(&out, SINGLE));
    assert_eq!(after.metadata["format"], "pt");
    for (name, tensor) in &before.tensors {
        if *name != format!("{Q}.weight") {
            assert_eq!(&after.tensors[name], tensor, "{name}");
        }
    }
    let wanted = expected(&before.tensors[&format!("{Q}.weight")], &q_lora(), Q, 1.5);
    let found = &after.tensors[&format!("{Q}.weight")];
    assert_ne!(found, &before.tensors[&format!("{Q}.weight")]);
    for (found, wanted) in found.values.iter().zip(&wanted) {
        assert_eq!(*found, bf16::from_f64(*wanted).to_f32());
    }
    assert_eq!((report.merged_modules, report.replaced_modules, report.untied), (1, 0, false));
    assert_eq!(
        (report.tensors, report.changed_tensors, report.parameters),
        (7, 1, 24 + 3 + 12 + 24 + 16 + 4 + 24)
    );
    assert_eq!(report.dtypes, ["BF16"]);
    let written = fs::read(out.join(SINGLE)).unwrap();
    assert_eq!(report.shards[0].bytes, written.len() as u64);
    assert_eq!(report.shards[0].sha256, hex(&Sha256::digest(&written)));
    assert_eq!(report.shards[0].base_sha256, hex(&Sha256::digest(fs::read(base.join(SINGLE)).unwrap())));
    assert_eq!(seen.last(), Some(&(214, 214)));
    assert_eq!(names(&out), ["config.json", "model.safetensors", RUN_FILE, "tokenizer.json"]);
    assert_eq!(fs::read(out.join("config.json")).unwrap(), fs::read(base.join("config.json")).unwrap());
    let run = json_of(&out, RUN_FILE);
    assert_eq!((&run["base"], &run["tensors"], &run["method"]), (&json!("here"), &json!(7), &json!("LORA")));
    assert_eq!(run["weights"][0]["sha256"], json!(report.shards[0].sha256));
    assert_eq!(names(&root.path().join("deep")), ["out"]);
}

#[test]
fn another_type_is_written_and_said() {
    for (dtype, name) in [(FileDtype::F16, "float16"), (FileDtype::F32, "float32")] {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(false);
        let base = base(root.path(), &layout, FileDtype::F32);
        let out = merge(&base, &layout, &q_lora(), Some(dtype)).unwrap();
        let expect: TensorMap = tensors(&layout);
        let found = read(&out, SINGLE).tensors;
        for (key, tensor) in expect.iter().filter(|(key, _)| !key.starts_with(Q)) {
            let rounded = decode(&encode(&tensor.values, dtype).unwrap(), dtype);
            assert_eq!(found[key].values, rounded, "{key}");
        }
        assert_eq!(json_of(&out, "config.json")["torch_dtype"], name);
        assert_eq!(json_of(&out, RUN_FILE)["dtypes"], json!([if name == "float16" { "F16" } else { "F32" }]));
    }
}

#[test]
fn shards_stay_shards_with_an_index_that_is_right() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::F32);
    let whole = merge(&base, &layout, &q_lora(), None).unwrap();
    let single = read(&whole, SINGLE).tensors;
    fs::remove_dir_all(&whole).unwrap();
    split(&base, &layout, FileDtype::F32);
    let out = merge(&base, &layout, &q_lora(), None).unwrap();
    let index = json_of(&out, INDEX);
    let map = index["weight_map"].as_object().unwrap();
    assert_eq!(map.len(), single.len());
    assert_eq!(index["metadata"]["total_size"], json!(107 * 4));
    for (name, tensor) in &single {
        let file = map[name].as_str().unwrap();
        assert_eq!(&read(&out, file).tensors[name], tensor, "{name}");
    }
    assert!(!out.join(SINGLE).exists());
}

#[test]
fn ia3_scales_the_bias_with_the_output() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::F32);
    let config = AdapterConfig::Ia3(Ia3Config {
        target: Names::List(vec!["fc1".to_owned(), "q_proj".to_owned()]),
        feedforward: Names::List(vec!["q_proj".to_owned()]),
        exclude: None,
        save: Vec::new(),
        base: Base::default(),
    });
    let ia3 = adapter(config, &[(format!("{FC1}.ia3_l"), &[3, 1]), (format!("{Q}.ia3_l"), &[1, 4])]);
    let out = merge(&base, &layout, &ia3, None).unwrap();
    let (before, after) = (tensors(&layout), read(&out, SINGLE).tensors);
    let vector = |path: &str| &ia3.tensors[&format!("base_model.model.{path}.ia3_l")].values;
    for at in 0..12 {
        let key = format!("{FC1}.weight");
        assert_eq!(after[&key].values[at], before[&key].values[at] * vector(FC1)[at / 4]);
    }
    for at in 0..3 {
        let key = format!("{FC1}.bias");
        assert_eq!(after[&key].values[at], before[&key].values[at] * vector(FC1)[at]);
    }
    for at in 0..16 {
        let key = format!("{Q}.weight");
        assert_eq!(after[&key].values[at], before[&key].values[at] * vector(Q)[at % 4]);
    }
}

#[test]
fn a_tied_head_that_is_adapted_gets_its_own_table() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(true);
    let base = base(root.path(), &layout, FileDtype::F32);
    let head = lora(&[HEAD], &[(HEAD, 4, 6)], &[]);
    let out = merge(&base, &layout, &head, None).unwrap();
    let (before, after) = (tensors(&layout), read(&out, SINGLE).tensors);
    let table = &before[&format!("{EMBEDDING}.weight")];
    assert_eq!(&after[&format!("{EMBEDDING}.weight")], table);
    let found = &after[&format!("{HEAD}.weight")];
    for (found, wanted) in found.values.iter().zip(expected(table, &head, HEAD, 1.5)) {
        assert!((f64::from(*found) - wanted).abs() < 1e-6);
    }
    let config = json_of(&out, "config.json");
    assert_eq!(config["tie_word_embeddings"], false);
    assert_eq!(config["text_config"]["tie_word_embeddings"], false);
    assert_eq!(json_of(&out, RUN_FILE)["untied"], true);
    fs::remove_dir_all(&out).unwrap();

    let out = merge(&base, &layout, &q_lora(), None).unwrap();
    assert_eq!(json_of(&out, "config.json")["tie_word_embeddings"], true);
    assert_eq!(read(&out, SINGLE).tensors.len(), before.len());
    fs::remove_dir_all(&out).unwrap();

    let stored = lora(&["q_proj"], &[(Q, 4, 4)], &[(EMBEDDING, &[6, 4])]);
    let error = merge(&base, &layout, &stored, None).unwrap_err().to_string();
    assert!(error.contains("one table") && error.contains("embed_tokens alone"), "{error}");
    let both = lora(&["q_proj"], &[(Q, 4, 4)], &[(EMBEDDING, &[6, 4]), (HEAD, &[6, 4])]);
    let out = merge(&base, &layout, &both, None).unwrap();
    for path in [EMBEDDING, HEAD] {
        let stored = &both.tensors[&format!("base_model.model.{path}.weight")];
        assert_eq!(&read(&out, SINGLE).tensors[&format!("{path}.weight")], stored);
    }
}

#[test]
fn buffers_of_older_files_stay_behind() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(false);
    let base = base(root.path(), &layout, FileDtype::F32);
    let mut more = tensors(&layout);
    more.insert("model.vision_model.embeddings.position_ids".to_owned(), values("p", &[1, 4]));
    put(&base, SINGLE, more, FileDtype::F32);
    let out = merge(&base, &layout, &q_lora(), None).unwrap();
    assert_eq!(read(&out, SINGLE).tensors.len(), layout.tensors.len());
}

proptest! {
    #[test]
    fn any_bytes_are_a_file_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(SINGLE);
        fs::write(&path, bytes).unwrap();
        let _ = Shard::open(&path);
    }

    #[test]
    fn any_header_is_a_file_or_an_error(header in r#"\{"t":\{"dtype":"(F32|BF16|I8)","shape":\[[0-9,]{0,24}\],"data_offsets":\[[0-9]{1,20},[0-9]{1,20}\]\}\}"#) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(SINGLE);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 24]);
        fs::write(&path, bytes).unwrap();
        if let Ok(shard) = Shard::open(&path) {
            let mut reader = shard.reader().unwrap();
            for stored in &shard.tensors {
                prop_assert_eq!(reader.next(stored).unwrap().len(), stored.bytes);
            }
        }
    }

    #[test]
    fn bits_that_are_finite_survive_and_others_are_found(bits in proptest::collection::vec(any::<u16>(), 1..40)) {
        let raw: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        for dtype in [FileDtype::F16, FileDtype::Bf16] {
            let values = decode(&raw, dtype);
            let first = values.iter().position(|v| !v.is_finite());
            prop_assert_eq!(not_finite(&raw, dtype).map(|(at, _)| at), first);
            match encode(&values, dtype) {
                Ok(bytes) => prop_assert_eq!((&bytes, first), (&raw, None)),
                Err((at, _)) => prop_assert_eq!(Some(at), first),
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest(value in -1e30f32..1e30) {
        let stored = decode(&encode(&[value], FileDtype::Bf16).unwrap(), FileDtype::Bf16)[0];
        let bits = bf16::from_f32(stored).to_bits();
        for near in [bits.wrapping_add(1), bits.wrapping_sub(1)] {
            let near = bf16::from_bits(near).to_f32();
            prop_assert!((stored - value).abs() <= (near - value).abs() || !near.is_finite());
        }
    }
}
