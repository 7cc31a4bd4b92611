//! Every adapter that peft and adapters wrote for the tests (`tests/fixtures/peft`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;

use super::super::{Adapter, AdapterConfig, ModuleInfo, ModuleKind, ResolvedAdapter};
use crate::host::FileDtype;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The modules of a checkpoint, read from its tensors: the adapter is held against the real model, not against a list
/// made here.
fn modules_of(model: &Path) -> Vec<ModuleInfo> {
    let bytes = std::fs::read(model.join("model.safetensors")).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let tensors: BTreeMap<String, _> = metadata.tensors().into_iter().collect();
    let mut modules = Vec::new();
    for (name, info) in &tensors {
        let Some(path) = name.strip_suffix(".weight") else { continue };
        let bias = tensors.contains_key(&format!("{path}.bias"));
        let (kind, input, output) = match info.shape.as_slice() {
            [width] => (ModuleKind::Norm, *width, *width),
            [rows, columns] if path.contains("embed") => (ModuleKind::Embedding, *rows, *columns),
            [rows, columns] => (ModuleKind::Linear, *columns, *rows),
            shape => (ModuleKind::Conv, shape[1], shape[0]),
        };
        modules.push(super::module(path, kind, input, output, bias));
    }
    modules
}

#[test]
fn every_fixture_is_read_checked_and_written_again() {
    let mut seen = Vec::new();
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root().join("peft")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("adapter_config.json").is_file());
    folders.sort();
    for folder in folders {
        let case = json(&folder.join("case.json"));
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let bias = json(&folder.join("adapter_config.json"))["bias"].as_str().unwrap_or("none").to_owned();
        if bias != "none" {
            let error = Adapter::read_folder(&folder).unwrap_err().to_string();
            assert!(error.contains(&format!("bias = \"{bias}\" is not supported")), "{error}");
            continue;
        }
        let model = root().join(case["base"].as_str().unwrap());
        let text = &json(&model.join("config.json"))["text_config"];
        let hidden = text["hidden_size"].as_u64().unwrap() as usize;
        let layers = text["num_hidden_layers"].as_u64().unwrap() as usize;
        let modules = modules_of(&model);
        let adapter = Adapter::read_folder(&folder).unwrap();
        assert_eq!(adapter.ignored, Vec::<String>::new(), "{name}");
        let resolved = adapter.check(&modules, hidden, layers).unwrap();
        match (&adapter.config, &resolved) {
            (AdapterConfig::Lora(config), ResolvedAdapter::Lora { modules, .. }) => {
                assert!(!modules.is_empty());
                assert!(modules.values().all(|lora| lora.magnitude.is_some() == config.use_dora));
            }
            (AdapterConfig::Ia3(_), ResolvedAdapter::Ia3 { modules, .. }) => {
                assert!(modules.values().any(|ia3| ia3.feedforward));
                assert!(modules.values().any(|ia3| !ia3.feedforward));
            }
            (AdapterConfig::Bottleneck(config), ResolvedAdapter::Bottleneck { layers: found }) => {
                assert_eq!((found.len(), config.variant.name()), (layers, name.as_str()));
            }
            (AdapterConfig::PromptTuning(config), ResolvedAdapter::PromptTuning { embeddings }) => {
                assert_eq!(embeddings.shape, [config.virtual_tokens, hidden]);
            }
            (config, _) => panic!("{name}: roles of another method than {}", config.method()),
        }
        let again = Adapter::read(&adapter.to_files(FileDtype::F32).unwrap()).unwrap();
        assert_eq!(again.tensors, adapter.tensors, "{name}");
        assert_eq!(again.check(&modules, hidden, layers).unwrap(), resolved, "{name}");
        assert_eq!(Adapter::assemble(adapter.config.clone(), resolved).tensors, adapter.tensors, "{name}");
        seen.push(name);
    }
    assert!(seen.len() >= 12, "{seen:?}");
}

#[test]
fn a_rewritten_bottleneck_config_keeps_every_field_that_adapters_wrote() {
    for name in ["seq_bn", "double_seq_bn", "par_bn"] {
        let folder = root().join("peft").join(name);
        let mut theirs = json(&folder.join("adapter_config.json"));
        // Newer than the fields of the oldest supported version; it only seeds the start.
        theirs["config"].as_object_mut().unwrap().remove("init_weights_seed");
        let adapter = Adapter::read_folder(&folder).unwrap();
        let ours: Value = serde_json::from_str(&adapter.config.to_text()).unwrap();
        let AdapterConfig::Bottleneck(config) = &adapter.config else { panic!("{name}") };
        // Whether the parallel variant looks at this field or not, it keeps its default.
        assert_eq!(config.variant.name(), name);
        assert_eq!(ours, theirs, "{name}");
    }
}
