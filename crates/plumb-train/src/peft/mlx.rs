//! LoRA adapters of mlx-lm and mlx-vlm: `adapters.safetensors` with a config.
//!
//! Source: `Blaizzy/mlx-vlm: mlx_vlm/trainer/peft/adapter_utils.py` and `models/idefics3/idefics3.py` (names),
//! training.md §1.10. mlx keeps A as `[in, rank]` and B as `[rank, out]`, has one rank and one scale for all, and attaches
//! the same layers (`keys`) in each of the last `num_layers` text layers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::host::{FileDtype, HostTensor, TensorFile, TensorMap, read_tensors, write_tensors};

use super::adapter::Adapter;
use super::config::{AdapterConfig, CONFIG_FILE, sorted};
use super::error::{AdapterError, Result, some_names};
use super::fields::{Fields, plain_number};
use super::lora::LoraConfig;
use super::resolved::{LoraTensors, ResolvedAdapter};
use super::target::{ModuleInfo, Names};

/// mlx's tensor file.
pub const MLX_TENSORS: &str = "adapters.safetensors";

const HF_LAYERS: &str = "model.text_model.layers.";
const MLX_LAYERS: &str = "language_model.layers.";
/// Where the text layers lie in mlx-vlm's Idefics3 and SmolVLM, in models that nest it, and in mlx-lm.
const MLX_LAYERS_READ: [&str; 3] = [MLX_LAYERS, "language_model.model.layers.", "model.layers."];

fn refused(reason: String) -> AdapterError {
    AdapterError::Convert { format: "mlx", reason }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(tensor: &HostTensor) -> Option<HostTensor> {
    let &[rows, columns] = tensor.shape.as_slice() else { return None };
    if crate::host::elements(&tensor.shape) != Some(tensor.values.len()) {
        return None;
    }
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
    let values = values.map(|(r, c)| tensor.values[r * columns + c]).collect();
    Some(HostTensor { shape: vec![columns, rows], values })
}

/// Splits a path below the layers into layer and name within it.
fn in_layer<'p>(path: &'p str, prefix: &str) -> Option<(usize, &'p str)> {
    let (index, name) = path.strip_prefix(prefix)?.split_once('.')?;
    let layer = index.parse::<usize>().ok()?;
    (layer.to_string() == index).then_some((layer, name))
}

/// The files of an mlx adapter folder with the same effect; `layers` is the number of text layers of the model.
///
/// # Errors
/// What mlx cannot say: another method than LoRA, DoRA (mlx-vlm's is not the same), modules outside the text layers,
/// different ranks or scales, different modules per layer, layers that are not the last ones, `modules_to_save`.
pub fn to_mlx(
    adapter: &Adapter,
    modules: &[ModuleInfo],
    hidden: usize,
    layers: usize,
    dtype: FileDtype,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let AdapterConfig::Lora(config) = &adapter.config else {
        return Err(refused(format!("it is {}; mlx has only LoRA", adapter.config.method())));
    };
    if config.use_dora {
        return Err(refused("it is DoRA; merge it instead".to_owned()));
    }
    let ResolvedAdapter::Lora { modules: found, saved } = adapter.check(modules, hidden, layers)? else {
        return Err(refused("it is no LoRA".to_owned()));
    };
    if let Some(path) = saved.keys().next() {
        return Err(refused(format!("it stores the module {path} whole (modules_to_save)")));
    }
    let mut by_layer: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut tensors = TensorMap::new();
    let mut shared: Option<(usize, f64, &str)> = None;
    for (path, lora) in &found {
        let (layer, name) = in_layer(path, HF_LAYERS)
            .ok_or_else(|| refused(format!("{path} is no part of the text layers")))?;
        by_layer.entry(layer).or_default().insert(name);
        let (rank, scale, first) = *shared.get_or_insert((lora.rank, lora.scale, path));
        if (rank, scale) != (lora.rank, lora.scale) {
            return Err(refused(format!(
                "mlx has one rank and scale, but {first} has {rank} and {scale}, {path} {} and {}",
                lora.rank, lora.scale
            )));
        }
        for (tensor, role) in [(&lora.a, "lora_a"), (&lora.b, "lora_b")] {
            let turned = transposed(tensor).ok_or_else(|| refused(format!("{path} has no matrices")))?;
            tensors.insert(format!("{MLX_LAYERS}{layer}.{name}.{role}"), turned);
        }
    }
    let Some((rank, scale, _)) = shared else { return Err(refused("it is empty".to_owned())) };
    let count = by_layer.len();
    if !by_layer.keys().copied().eq(layers.saturating_sub(count)..layers) {
        let found: Vec<String> = by_layer.keys().map(ToString::to_string).collect();
        return Err(refused(format!(
            "mlx adapts the last layers of {layers}, this one {}",
            some_names(found)
        )));
    }
    let keys = by_layer.values().next().cloned().unwrap_or_default();
    if let Some((layer, _)) = by_layer.iter().find(|(_, names)| **names != keys) {
        return Err(refused(format!("layer {layer} has other modules than the first adapted layer")));
    }
    let text = sorted(json!({
        "fine_tune_type": "lora",
        "lora_parameters": {
            "dropout": config.dropout,
            "keys": keys,
            "rank": rank,
            "scale": plain_number(scale),
        },
        "model": config.base.name_or_path,
        "num_layers": count,
    }));
    let content = TensorFile { tensors, metadata: [("format".to_owned(), "mlx".to_owned())].into() };
    let bytes = write_tensors(MLX_TENSORS, &content, dtype)?;
    Ok([(CONFIG_FILE.to_owned(), format!("{text:#}").into_bytes()), (MLX_TENSORS.to_owned(), bytes)].into())
}

/// Reads an mlx adapter folder as a PEFT LoRA adapter. Alpha becomes scale × rank.
///
/// # Errors
/// A missing file, DoRA or full fine-tuning, keys outside the text layers or without their partner, shapes that
/// disagree with the config's rank.
pub fn from_mlx(files: &BTreeMap<String, Vec<u8>>) -> Result<Adapter> {
    let get = |name: &str| {
        files.get(name).ok_or_else(|| AdapterError::MissingFile {
            place: "the mlx adapter".to_owned(),
            expected: name.to_owned(),
            found: some_names(files.keys()),
        })
    };
    let value: Value = serde_json::from_slice(get(CONFIG_FILE)?)
        .map_err(|e| AdapterError::Json { file: CONFIG_FILE.to_owned(), reason: e.to_string() })?;
    let fields = Fields::new(CONFIG_FILE, &value, "(the whole file)")?;
    if let Some(kind) = fields.text("fine_tune_type")?.filter(|kind| kind != "lora") {
        return Err(fields.unsupported("fine_tune_type", &json!(kind), "expected \"lora\""));
    }
    let parameters = fields
        .get("lora_parameters")
        .ok_or_else(|| fields.wrong("lora_parameters", "an object with rank, scale and dropout", None))?;
    let parameters = Fields::new(CONFIG_FILE, parameters, "lora_parameters")?;
    let need = |name: &str| parameters.wrong(&format!("lora_parameters.{name}"), "a number", None);
    let rank = parameters.positive("rank")?.ok_or_else(|| need("rank"))?;
    let scale = parameters.number("scale")?.ok_or_else(|| need("scale"))?;
    let base = super::Base { name_or_path: fields.text("model")?, revision: None };
    let mut config = LoraConfig {
        r: rank,
        alpha: scale * rank as f64,
        dropout: parameters.rate("dropout")?,
        base,
        ..LoraConfig::default()
    };
    let tensors = read_tensors(MLX_TENSORS, get(MLX_TENSORS)?)?.tensors;
    let mut pairs: BTreeMap<String, [Option<HostTensor>; 2]> = BTreeMap::new();
    for (key, tensor) in &tensors {
        let unexpected =
            || AdapterError::Unexpected { file: MLX_TENSORS.to_owned(), count: 1, names: key.clone() };
        let (path, role) = key.rsplit_once('.').ok_or_else(unexpected)?;
        let slot = ["lora_a", "lora_b"].iter().position(|known| *known == role).ok_or_else(unexpected)?;
        let place = MLX_LAYERS_READ.iter().find_map(|prefix| in_layer(path, prefix));
        let (layer, name) = place.ok_or_else(unexpected)?;
        let side = tensor.shape.get(1 - slot).copied();
        if tensor.shape.len() != 2 || side != Some(rank) {
            let expected = if slot == 0 { format!("[in, {rank}]") } else { format!("[{rank}, out]") };
            let (file, tensor, found) = (MLX_TENSORS.to_owned(), key.clone(), tensor.shape.clone());
            return Err(AdapterError::Shape { file, tensor, expected, found });
        }
        pairs.entry(format!("{HF_LAYERS}{layer}.{name}")).or_default()[slot] = transposed(tensor);
    }
    let mut modules = BTreeMap::new();
    for (path, pair) in pairs {
        let [Some(a), Some(b)] = pair else {
            let names = format!("the lora_a or lora_b of {path}");
            return Err(AdapterError::Missing { file: MLX_TENSORS.to_owned(), count: 1, names });
        };
        let lora = LoraTensors { rank, alpha: config.alpha, scale, a, b, magnitude: None };
        modules.insert(path, lora);
    }
    if modules.is_empty() {
        let names = "lora_a and lora_b".to_owned();
        return Err(AdapterError::Missing { file: MLX_TENSORS.to_owned(), count: 2, names });
    }
    config.target = Names::Pattern(pattern_of(modules.keys()));
    let resolved = ResolvedAdapter::Lora { modules, saved: BTreeMap::new() };
    Ok(Adapter::assemble(AdapterConfig::Lora(config), resolved))
}

/// A pattern that matches exactly these paths: by names within a layer when every layer has the same.
fn pattern_of<'p>(paths: impl Iterator<Item = &'p String>) -> String {
    let mut by_names: BTreeMap<BTreeSet<String>, Vec<String>> = BTreeMap::new();
    let mut by_layer: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (layer, name) in paths.filter_map(|path| in_layer(path, HF_LAYERS)) {
        by_layer.entry(layer).or_default().insert(escaped(name));
    }
    for (layer, names) in by_layer {
        by_names.entry(names).or_default().push(layer.to_string());
    }
    let join = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join("|");
    let groups = by_names
        .into_iter()
        .map(|(names, layers)| format!("{}({})\\.({})", escaped(HF_LAYERS), layers.join("|"), join(names)));
    groups.collect::<Vec<_>>().join("|")
}

fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if !(c.is_alphanumeric() || c == '_') {
            result.push('\\');
        }
        result.push(c);
    }
    result
}
