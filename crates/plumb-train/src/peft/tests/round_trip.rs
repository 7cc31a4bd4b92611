//! What is written is read back, and says to others what it says to us.

use serde_json::{Value, json};

use super::super::{
    Adapter, AdapterConfig, BottleneckConfig, BottleneckLayer, BottleneckTensors, BottleneckVariant,
    CONFIG_FILE, LoraConfig, LoraTensors, MLX_TENSORS, Names, Reduction, ResolvedAdapter,
    TEXT_AND_VISION_TARGETS, TEXT_TARGETS, VISION_TARGETS, from_mlx, to_mlx,
};
use crate::host::{FileDtype, HostTensor, read_tensors};

fn filled(shape: &[usize], seed: usize) -> HostTensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| ((seed * 31 + i) as f32 * 0.37).sin()).collect();
    HostTensor::new(shape.to_vec(), values).unwrap()
}

fn lora_adapter(config: &LoraConfig, layers: usize) -> Adapter {
    let targets = config.resolve(&super::small_model(layers)).unwrap();
    let modules = targets.modules.iter().enumerate().map(|(seed, module)| {
        let tensors = LoraTensors {
            rank: module.rank,
            alpha: module.alpha,
            scale: module.scale,
            a: filled(&[module.rank, module.input], seed),
            b: filled(&[module.output, module.rank], seed + 100),
            magnitude: config.use_dora.then(|| filled(&[module.output], seed + 200)),
        };
        (module.path.clone(), tensors)
    });
    let modules = modules.collect();
    let saved = std::collections::BTreeMap::new();
    Adapter::assemble(AdapterConfig::Lora(config.clone()), ResolvedAdapter::Lora { modules, saved })
}

#[test]
fn the_default_targets_are_the_layers_they_name() {
    let count = |pattern: &str| {
        let config = LoraConfig { target: Names::Pattern(pattern.to_owned()), ..LoraConfig::default() };
        config.resolve(&super::small_model(3)).unwrap().modules.len()
    };
    assert_eq!((count(TEXT_TARGETS), count(VISION_TARGETS), count(TEXT_AND_VISION_TARGETS)), (21, 4, 25));
    // The trap: a list of names reaches into the vision tower; all-linear leaves only the head.
    let list =
        LoraConfig { target: Names::List(vec!["q_proj".into(), "v_proj".into()]), ..LoraConfig::default() };
    assert_eq!(list.resolve(&super::small_model(3)).unwrap().modules.len(), 8);
    assert_eq!(count("all-linear"), 26);
    assert_eq!(count("ALL-Linear"), 26);
}

#[test]
fn ranks_and_scales_follow_the_first_pattern_that_matches() {
    let config = LoraConfig {
        r: 8,
        alpha: 16.0,
        rank_pattern: vec![("layers.0.self_attn.q_proj".into(), 2), ("q_proj".into(), 4)],
        alpha_pattern: vec![("v_proj".into(), 1.0)],
        ..LoraConfig::default()
    };
    let found = |config: &LoraConfig, path: &str| {
        let targets = config.resolve(&super::small_model(2)).unwrap();
        let module = targets.modules.into_iter().find(|m| m.path.ends_with(path)).unwrap();
        (module.rank, module.scale)
    };
    assert_eq!(found(&config, "0.self_attn.q_proj"), (2, 8.0));
    assert_eq!(found(&config, "1.self_attn.q_proj"), (4, 4.0));
    assert_eq!(found(&config, "1.self_attn.v_proj"), (8, 0.125));
    let root = LoraConfig { use_rslora: true, ..config };
    assert_eq!(found(&root, "1.self_attn.q_proj"), (4, 8.0));
}

#[test]
fn lora_files_are_peft_files() {
    let mut config = LoraConfig { use_dora: true, r: 2, alpha: 4.0, dropout: 0.05, ..LoraConfig::default() };
    config.base.name_or_path = Some("HuggingFaceTB/SmolVLM-500M-Instruct".into());
    // The order of patterns is kept although keys are sorted.
    config.rank_pattern = vec![("v_proj".into(), 3), ("k_proj".into(), 1)];
    let adapter = lora_adapter(&config, 2);
    let files = adapter.to_files(FileDtype::F32).unwrap();
    assert_eq!(files, adapter.to_files(FileDtype::F32).unwrap());
    let text = String::from_utf8(files[CONFIG_FILE].clone()).unwrap();
    assert!(text.starts_with(
        "{\n  \"alpha_pattern\": {},\n  \"auto_mapping\": null,\n  \"base_model_name_or_path\""
    ));
    let value: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "bias",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "modules_to_save",
        "peft_type",
        "r",
        "rank_pattern",
        "revision",
        "target_modules",
        "task_type",
        "use_dora",
        "use_rslora",
    ];
    assert_eq!(keys, expected);
    assert_eq!(value["target_modules"], json!(TEXT_TARGETS));
    assert_eq!((&value["lora_alpha"], &value["inference_mode"]), (&json!(4), &json!(true)));
    assert_eq!(value["rank_pattern"].as_object().unwrap().keys().collect::<Vec<_>>(), ["v_proj", "k_proj"]);
    let read = Adapter::read(&files).unwrap();
    assert_eq!((&read.config, &read.tensors), (&adapter.config, &adapter.tensors));
    assert_eq!(read.metadata.into_iter().collect::<Vec<_>>(), [("format".to_owned(), "pt".to_owned())]);
    let key = "base_model.model.model.text_model.layers.1.mlp.down_proj.lora_magnitude_vector";
    assert_eq!(read.tensors[key].shape, [8]);
    let half = Adapter::read(&adapter.to_files(FileDtype::Bf16).unwrap()).unwrap();
    for (key, tensor) in &half.tensors {
        let close = tensor
            .values
            .iter()
            .zip(&adapter.tensors[key].values)
            .all(|(h, f)| (h - f).abs() <= 0.004 * f.abs());
        assert!(close, "{key}");
    }
}

#[test]
fn bottlenecks_carry_their_name_and_widths() {
    let mut config = BottleneckConfig::new(BottleneckVariant::DoubleSequential, 8, "spatial");
    config.reduction = Reduction { default: Some(4.0), layers: [(1, 0.5), (2, 100.0)].into() };
    config.leave_out = vec![0];
    let widths: Vec<usize> = (0..4).map(|layer| config.reduction.width(layer, 8).unwrap()).collect();
    assert_eq!(widths, [2, 16, 1, 2]);
    let place = |d: usize, seed: usize| BottleneckTensors {
        down_weight: filled(&[d, 8], seed),
        down_bias: filled(&[d], seed + 1),
        up_weight: filled(&[8, d], seed + 2),
        up_bias: filled(&[8], seed + 3),
    };
    let layer =
        |d, seed| BottleneckLayer { attention: Some(place(d, seed)), output: Some(place(d, seed + 9)) };
    let layers = [(1, layer(16, 1)), (2, layer(1, 2)), (3, layer(2, 3))].into();
    let resolved = ResolvedAdapter::Bottleneck { layers };
    let adapter = Adapter::assemble(AdapterConfig::Bottleneck(config), resolved.clone());
    assert!(
        adapter.tensors.contains_key("layers.1.attention_adapters.adapters.spatial.adapter_down.0.weight")
    );
    let read = Adapter::read(&adapter.to_files(FileDtype::F32).unwrap()).unwrap();
    assert_eq!(
        (&read.config, read.check(&super::small_model(4), 8, 4).unwrap()),
        (&adapter.config, resolved)
    );
}

#[test]
fn python_floor_division_is_by_remainder() {
    // 1 // 0.1 is 9 in Python although 1 / 0.1 rounds to 10.
    assert_eq!(Reduction::all(0.1).width(0, 1), Some(9));
    assert_eq!(Reduction::all(16.0).width(0, 960), Some(60));
    assert_eq!(Reduction::all(1e-300).width(0, 960), None);
    assert_eq!(Reduction::all(f64::NAN).width(0, 960), None);
}

#[test]
fn mlx_files_say_the_same_in_their_layout() {
    let mut config = LoraConfig { r: 2, alpha: 8.0, use_rslora: true, ..LoraConfig::default() };
    config.target =
        Names::Pattern(r"model\.text_model\.layers\.[12]\.(self_attn\.q_proj|mlp\.down_proj)".into());
    let adapter = lora_adapter(&config, 3);
    let files = to_mlx(&adapter, &super::small_model(3), 8, 3, FileDtype::F32).unwrap();
    let text: Value = serde_json::from_slice(&files[CONFIG_FILE]).unwrap();
    assert_eq!((&text["fine_tune_type"], &text["num_layers"]), (&json!("lora"), &json!(2)));
    assert_eq!(text["lora_parameters"]["keys"], json!(["mlp.down_proj", "self_attn.q_proj"]));
    assert!((text["lora_parameters"]["scale"].as_f64().unwrap() - 8.0 / 2f64.sqrt()).abs() < 1e-12);
    let tensors = read_tensors("t", &files[MLX_TENSORS]).unwrap().tensors;
    let a = &tensors["language_model.layers.2.mlp.down_proj.lora_a"];
    let theirs = &adapter.tensors["base_model.model.model.text_model.layers.2.mlp.down_proj.lora_A.weight"];
    assert_eq!((a.shape.as_slice(), a.values[2 * 7 + 1]), (&[10, 2][..], theirs.values[10 + 7]));
    let back = from_mlx(&files).unwrap();
    assert_eq!(back.tensors, adapter.tensors);
    let ResolvedAdapter::Lora { modules, .. } = back.check(&super::small_model(3), 8, 3).unwrap() else {
        panic!()
    };
    assert_eq!(modules.len(), 4);
    assert!(modules.values().all(|lora| (lora.scale - 8.0 / 2f64.sqrt()).abs() < 1e-12));
}

#[test]
fn what_mlx_cannot_say_is_refused() {
    let refuse = |config: LoraConfig| {
        let adapter = lora_adapter(&config, 3);
        to_mlx(&adapter, &super::small_model(3), 8, 3, FileDtype::F32).unwrap_err().to_string()
    };
    let pattern = |text: &str| LoraConfig { target: Names::Pattern(text.into()), ..LoraConfig::default() };
    assert!(refuse(LoraConfig { use_dora: true, ..LoraConfig::default() }).contains("it is DoRA"));
    let ranks = LoraConfig { rank_pattern: vec![("q_proj".into(), 4)], ..LoraConfig::default() };
    assert!(refuse(ranks).contains("one rank and scale"));
    assert!(refuse(pattern(VISION_TARGETS)).contains("no part of the text layers"));
    assert!(refuse(pattern(r".*text_model.*layers\.0\..*q_proj")).contains("the last layers of 3"));
    let uneven = refuse(pattern(r".*text_model.*q_proj|.*text_model.*\.2\..*k_proj"));
    assert!(uneven.contains("layer 2 has other modules"), "{uneven}");
    let files =
        to_mlx(&lora_adapter(&LoraConfig::default(), 2), &super::small_model(2), 8, 2, FileDtype::F32)
            .unwrap();
    let mut dora: Value = serde_json::from_slice(&files[CONFIG_FILE]).unwrap();
    dora["fine_tune_type"] = json!("dora");
    let mut changed = files.clone();
    changed.insert(CONFIG_FILE.into(), dora.to_string().into_bytes());
    assert!(from_mlx(&changed).unwrap_err().to_string().contains("fine_tune_type = \"dora\""));
    dora["fine_tune_type"] = json!("lora");
    dora["lora_parameters"]["rank"] = json!(3);
    changed.insert(CONFIG_FILE.into(), dora.to_string().into_bytes());
    assert!(from_mlx(&changed).unwrap_err().to_string().contains("expected [in, 3]"));
    changed.remove(MLX_TENSORS);
    assert!(from_mlx(&changed).unwrap_err().to_string().contains("has no adapters.safetensors"));
}
