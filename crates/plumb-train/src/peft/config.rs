//! `adapter_config.json` of PEFT: LORA, PROMPT_TUNING and IA3.
//!
//! Source: `huggingface/peft: src/peft/tuners/lora/config.py`, `prompt_tuning/config.py`, `ia3/config.py`. Only the
//! fields that every PEFT version of the last years knows are written, so that none warns about an unknown one.

use serde_json::{Map, Value, json};

use super::bottleneck::BottleneckConfig;
use super::error::Result;
use super::fields::{Fields, plain_number};
use super::lora::LoraConfig;
use super::target::{Layers, Names};

/// Name of the config file of every adapter.
pub const CONFIG_FILE: &str = "adapter_config.json";

/// What an adapter is and where it attaches.
#[derive(Clone, Debug, PartialEq)]
pub enum AdapterConfig {
    Lora(LoraConfig),
    PromptTuning(PromptTuningConfig),
    Ia3(Ia3Config),
    Bottleneck(BottleneckConfig),
}

impl AdapterConfig {
    /// Reads the text of `adapter_config.json`; second, the fields that were understood by nobody and ignored (PEFT
    /// warns about them as well).
    ///
    /// # Errors
    /// Text that is no JSON object, a missing or wrong field, a method or variant that is not supported.
    pub fn read(file: &str, bytes: &[u8]) -> Result<(Self, Vec<String>)> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| super::error::AdapterError::Json { file: file.to_owned(), reason: e.to_string() })?;
        let fields = Fields::new(file, &value, "(the whole file)")?;
        let Some(kind) = fields.text("peft_type")? else {
            if let Some(config) = fields.get("config") {
                let (bottleneck, ignored) = BottleneckConfig::read(&fields, config)?;
                return Ok((Self::Bottleneck(bottleneck), ignored));
            }
            return Err(fields.wrong("peft_type", "LORA, PROMPT_TUNING or IA3", None));
        };
        fields.skip(&["auto_mapping", "inference_mode", "peft_version"]);
        let config = match kind.as_str() {
            "LORA" => Self::Lora(LoraConfig::read(&fields)?),
            "PROMPT_TUNING" => Self::PromptTuning(PromptTuningConfig::read(&fields)?),
            "IA3" => Self::Ia3(Ia3Config::read(&fields)?),
            _ => {
                let reason = "expected LORA, PROMPT_TUNING, IA3 or an AdapterHub bottleneck adapter";
                return Err(fields.unsupported("peft_type", &Value::from(kind), reason));
            }
        };
        Ok((config, fields.ignored()))
    }

    /// The text of `adapter_config.json`: sorted keys, indent 2.
    #[must_use]
    pub fn to_text(&self) -> String {
        let value = match self {
            Self::Lora(config) => config.to_json(),
            Self::PromptTuning(config) => config.to_json(),
            Self::Ia3(config) => config.to_json(),
            Self::Bottleneck(config) => config.to_json(),
        };
        // A map of names to plain values always has a JSON text.
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }

    /// The method's name as PEFT or AdapterHub spells it.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Lora(_) => "LORA",
            Self::PromptTuning(_) => "PROMPT_TUNING",
            Self::Ia3(_) => "IA3",
            Self::Bottleneck(config) => config.variant.name(),
        }
    }
}

/// Top-level keys in the order of their names; nested objects keep their own order, which carries meaning in
/// `rank_pattern` and `alpha_pattern` (the first key that matches decides).
pub(crate) fn sorted(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let mut entries: Vec<(String, Value)> = map.into_iter().collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}

/// Which checkpoint an adapter belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    pub name_or_path: Option<String>,
    /// Commit of the checkpoint.
    pub revision: Option<String>,
}

impl Base {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self { name_or_path: fields.text("base_model_name_or_path")?, revision: fields.text("revision")? })
    }
}

pub(crate) fn read_names(fields: &Fields<'_>, name: &'static str) -> Result<Option<Names>> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(pattern)) => Ok(Some(Names::Pattern(pattern.clone()))),
        Some(Value::Array(_)) => Ok(fields.names(name)?.map(Names::List)),
        Some(other) => Err(fields.wrong(name, "a string or a list of strings", Some(other))),
    }
}

pub(crate) fn names_json(names: Option<&Names>) -> Value {
    match names {
        None => Value::Null,
        Some(Names::List(list)) => json!(list),
        Some(Names::Pattern(pattern)) => json!(pattern),
    }
}

pub(crate) fn read_layers(fields: &Fields<'_>, target: &Names) -> Result<Option<Layers>> {
    let chosen = fields.get("layers_to_transform");
    let numbered = fields.get("layers_pattern");
    if let (Names::Pattern(_), Some(value)) = (target, chosen.or(numbered)) {
        let name = if chosen.is_some() { "layers_to_transform" } else { "layers_pattern" };
        return Err(fields.unsupported(name, value, "it needs target_modules as a list, not as a pattern"));
    }
    let patterns = match numbered {
        Some(Value::String(one)) if one.is_empty() => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => fields.names("layers_pattern")?.unwrap_or_default(),
    };
    let expected = "a whole number or a list of them";
    let indices = match chosen {
        None if patterns.is_empty() => return Ok(None),
        None => {
            let reason = "layers_to_transform must be given too";
            return Err(fields.unsupported("layers_pattern", &json!(patterns), reason));
        }
        Some(Value::Array(list)) => list.iter().map(Value::as_i64).collect::<Option<Vec<_>>>(),
        Some(one) => one.as_i64().map(|index| vec![index]),
    };
    let indices = indices.ok_or_else(|| fields.wrong("layers_to_transform", expected, chosen))?;
    Ok(Some(Layers { indices, patterns }))
}

/// PROMPT_TUNING: trained embeddings in front of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptTuningConfig {
    pub virtual_tokens: usize,
    /// Width of the text model; `None` when the file leaves it to the tensor.
    pub token_dim: Option<usize>,
    pub layers: Option<usize>,
    pub heads: Option<usize>,
    pub base: Base,
}

impl PromptTuningConfig {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        fields.skip(&["task_type", "tokenizer_kwargs", "tokenizer_name_or_path", "prompt_tuning_init_text"]);
        // How the prompt started says nothing about the trained tensor.
        fields.skip(&["prompt_tuning_init"]);
        if let Some(parts) = fields.get("num_transformer_submodules").filter(|n| n.as_u64() != Some(1)) {
            return Err(fields.unsupported("num_transformer_submodules", parts, "expected 1 (a decoder)"));
        }
        if let Some(saved) = fields.get("modules_to_save").filter(|value| !super::fields::is_off(value)) {
            return Err(fields.unsupported("modules_to_save", saved, "prompt tuning stores one tensor"));
        }
        let virtual_tokens = fields
            .positive("num_virtual_tokens")?
            .ok_or_else(|| fields.wrong("num_virtual_tokens", "a whole number of at least 1", None))?;
        Ok(Self {
            virtual_tokens,
            token_dim: fields.positive("token_dim")?,
            layers: fields.positive("num_layers")?,
            heads: fields.positive("num_attention_heads")?,
            base: Base::read(fields)?,
        })
    }

    fn to_json(&self) -> Value {
        sorted(json!({
            "auto_mapping": null,
            "base_model_name_or_path": self.base.name_or_path,
            "inference_mode": true,
            "num_attention_heads": self.heads,
            "num_layers": self.layers,
            "num_transformer_submodules": 1,
            "num_virtual_tokens": self.virtual_tokens,
            "peft_type": "PROMPT_TUNING",
            // "TEXT" would make the loader ask for a tokenizer.
            "prompt_tuning_init": "RANDOM",
            "prompt_tuning_init_text": null,
            "revision": self.base.revision,
            "task_type": "CAUSAL_LM",
            "token_dim": self.token_dim,
            "tokenizer_name_or_path": null,
        }))
    }
}

/// IA3: one trained factor per output feature, or per input feature of feed-forward modules.
#[derive(Clone, Debug, PartialEq)]
pub struct Ia3Config {
    pub target: Names,
    pub feedforward: Names,
    pub exclude: Option<Names>,
    pub save: Vec<String>,
    pub base: Base,
}

impl Ia3Config {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        fields.skip(&["task_type", "fan_in_fan_out", "init_ia3_weights"]);
        let target = read_names(fields, "target_modules")?;
        let target =
            target.ok_or_else(|| fields.wrong("target_modules", "a string or a list of strings", None))?;
        let feedforward = read_names(fields, "feedforward_modules")?.unwrap_or(Names::List(Vec::new()));
        if let (Names::List(all), Names::List(some)) = (&target, &feedforward)
            && let Some(stray) = some.iter().find(|name| !all.contains(name))
        {
            let expected = "a subset of target_modules";
            return Err(fields.wrong("feedforward_modules", expected, Some(&json!(stray))));
        }
        let exclude = read_names(fields, "exclude_modules")?;
        let save = fields.names("modules_to_save")?.unwrap_or_default();
        Ok(Self { target, feedforward, exclude, save, base: Base::read(fields)? })
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "auto_mapping": null,
            "base_model_name_or_path": self.base.name_or_path,
            "fan_in_fan_out": false,
            "feedforward_modules": names_json(Some(&self.feedforward)),
            "inference_mode": true,
            "init_ia3_weights": true,
            "modules_to_save": save_json(&self.save),
            "peft_type": "IA3",
            "revision": self.base.revision,
            "target_modules": names_json(Some(&self.target)),
            "task_type": "CAUSAL_LM",
        });
        add_exclude(&mut value, self.exclude.as_ref());
        sorted(value)
    }
}

pub(crate) fn save_json(save: &[String]) -> Value {
    if save.is_empty() { Value::Null } else { json!(save) }
}

/// `exclude_modules` came late to PEFT: written only when there is one.
pub(crate) fn add_exclude(value: &mut Value, exclude: Option<&Names>) {
    if let (Value::Object(map), Some(names)) = (value, exclude) {
        map.insert("exclude_modules".to_owned(), names_json(Some(names)));
    }
}

pub(crate) fn pattern_json(entries: impl Iterator<Item = (String, f64)>) -> Value {
    Value::Object(entries.map(|(key, number)| (key, plain_number(number))).collect())
}
