//! LORA: which modules get which rank and scale.
//!
//! Source: `huggingface/peft: src/peft/tuners/lora/config.py` and `model.py`; LoRA is Hu et al. 2021, rsLoRA
//! Kalajdzievski 2023, DoRA Liu et al. 2024.

use serde_json::{Value, json};

use super::config::{
    Base, add_exclude, names_json, pattern_json, read_layers, read_names, save_json, sorted,
};
use super::error::{AdapterError, Result};
use super::fields::{Fields, is_off, plain_number};
use super::target::{Layers, ModuleInfo, ModuleKind, Names, PerModule, Rules, select};

/// How A and B start. B is zero in all but the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoraInit {
    /// `true`: A uniform in ±1/√in.
    #[default]
    Kaiming,
    /// `"gaussian"`: A normal with deviation 1/r.
    Gaussian,
    /// Another start that leaves the base weights alone (`"orthogonal"`, `"eva"`, `"mica"`, `false`): readable, because a
    /// trained adapter no longer depends on it.
    Other(String),
}

/// A LoRA or DoRA adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    pub r: usize,
    pub alpha: f64,
    /// Rank by module; the first key that matches decides.
    pub rank_pattern: Vec<(String, usize)>,
    /// Alpha by module; the first key that matches decides.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Scale α/√r in place of α/r.
    pub use_rslora: bool,
    pub use_dora: bool,
    pub dropout: f64,
    pub target: Names,
    pub exclude: Option<Names>,
    pub save: Vec<String>,
    pub layers: Option<Layers>,
    pub base: Base,
    pub init: LoraInit,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            r: 8,
            alpha: 8.0,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            use_rslora: false,
            use_dora: false,
            dropout: 0.0,
            target: Names::Pattern(super::target::TEXT_TARGETS.to_owned()),
            exclude: None,
            save: Vec::new(),
            layers: None,
            base: Base::default(),
            init: LoraInit::default(),
        }
    }
}

/// One module with its rank and scale.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraModule {
    pub path: String,
    pub input: usize,
    pub output: usize,
    pub rank: usize,
    pub alpha: f64,
    /// Factor of `B·A`: α/r, or α/√r with rsLoRA.
    pub scale: f64,
}

/// What a LoRA config means for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraTargets {
    /// In the order of the model.
    pub modules: Vec<LoraModule>,
    /// Modules stored whole (`modules_to_save`).
    pub saved: Vec<ModuleInfo>,
}

/// Fields that change what the tensors mean in ways this reader does not know.
const VARIANTS: [(&str, &str); 15] = [
    ("use_qalora", "QA-LoRA pools the input"),
    ("layer_replication", "the model itself would have to change"),
    ("megatron_config", "the shards of a parallel model are not one adapter"),
    ("arrow_config", "a router over several adapters is not one adapter"),
    ("alora_invocation_tokens", "activated LoRA depends on the tokens"),
    ("kasa_config", "KaSA changes the base weights"),
    ("monteclora_config", "MonteCLoRA samples its weights"),
    ("velora_config", "VeLoRA compresses activations"),
    ("use_bdlora", "block-diagonal factors have other shapes"),
    ("lora_bias", "a bias on B is not supported"),
    ("loftq_config", "LoftQ changes the base weights"),
    ("corda_config", "CorDA changes the base weights"),
    ("lora_ga_config", "LoRA-GA changes the base weights"),
    ("target_parameters", "only modules can be adapted, not bare parameters"),
    ("trainable_token_indices", "trained token rows are not supported; use modules_to_save"),
];

impl LoraConfig {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self> {
        // fan_in_fan_out: PEFT itself resets it on linear layers.
        fields.skip(&["task_type", "fan_in_fan_out", "megatron_core", "qalora_group_size", "eva_config"]);
        fields.skip(&["ensure_weight_tying", "runtime_config"]);
        for (name, reason) in VARIANTS {
            if let Some(value) = fields.get(name).filter(|value| !is_off(value)) {
                return Err(fields.unsupported(name, value, reason));
            }
        }
        match fields.text("bias")?.as_deref() {
            None | Some("none") => {}
            Some(other) => {
                let reason = "expected \"none\"; trained biases of the base model are not supported";
                return Err(fields.unsupported("bias", &json!(other), reason));
            }
        }
        let target = read_names(fields, "target_modules")?;
        let target =
            target.ok_or_else(|| fields.wrong("target_modules", "a string or a list of strings", None))?;
        let layers = read_layers(fields, &target)?;
        let defaults = Self::default();
        Ok(Self {
            r: fields.positive("r")?.unwrap_or(defaults.r),
            alpha: fields.number("lora_alpha")?.unwrap_or(defaults.alpha),
            rank_pattern: read_pattern(fields, "rank_pattern", |key, v| fields.positive_value(key, v))?,
            alpha_pattern: read_pattern(fields, "alpha_pattern", |key, v| fields.number_value(key, v))?,
            use_rslora: fields.flag("use_rslora", false)?,
            use_dora: fields.flag("use_dora", false)?,
            dropout: fields.rate("lora_dropout")?,
            exclude: read_names(fields, "exclude_modules")?,
            save: fields.names("modules_to_save")?.unwrap_or_default(),
            layers,
            target,
            base: Base::read(fields)?,
            init: read_init(fields)?,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let layers = self.layers.as_ref();
        let patterns = layers.map(|layers| &layers.patterns).filter(|patterns| !patterns.is_empty());
        let mut value = json!({
            "alpha_pattern": pattern_json(self.alpha_pattern.iter().cloned()),
            "auto_mapping": null,
            "base_model_name_or_path": self.base.name_or_path,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            // A trained adapter does not depend on how it started; `true` needs no other field.
            "init_lora_weights": true,
            "layers_pattern": patterns,
            "layers_to_transform": layers.map(|layers| &layers.indices),
            "lora_alpha": plain_number(self.alpha),
            "lora_dropout": self.dropout,
            "modules_to_save": save_json(&self.save),
            "peft_type": "LORA",
            "r": self.r,
            "rank_pattern": Value::Object(
                self.rank_pattern.iter().map(|(key, rank)| (key.clone(), json!(rank))).collect()
            ),
            "revision": self.base.revision,
            "target_modules": names_json(Some(&self.target)),
            "task_type": "CAUSAL_LM",
            "use_dora": self.use_dora,
            "use_rslora": self.use_rslora,
        });
        add_exclude(&mut value, self.exclude.as_ref());
        sorted(value)
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            target: &self.target,
            exclude: self.exclude.as_ref(),
            layers: self.layers.as_ref(),
            save: &self.save,
        }
    }

    /// The modules this adapter attaches to, with rank and scale of each.
    ///
    /// # Errors
    /// A pattern that does not compile or backtracks too long, no match (with names of real modules), a match that is
    /// no linear layer, a module both adapted and saved whole, a rank of 0 or a scale that is not finite.
    pub fn resolve(&self, modules: &[ModuleInfo]) -> Result<LoraTargets> {
        let (adapted, saved) = select(&self.rules(), modules)?;
        let ranks = PerModule::new("rank_pattern", &self.rank_pattern)?;
        let alphas = PerModule::new("alpha_pattern", &self.alpha_pattern)?;
        let resolve = |module: &&ModuleInfo| {
            linear_only("target_modules", module)?;
            let rank = ranks.get(&module.path)?.unwrap_or(self.r);
            let alpha = alphas.get(&module.path)?.unwrap_or(self.alpha);
            let divisor = if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
            let scale = alpha / divisor;
            if rank == 0 || !scale.is_finite() {
                return Err(AdapterError::Field {
                    file: super::CONFIG_FILE.to_owned(),
                    field: "r and lora_alpha".to_owned(),
                    expected: "a rank of at least 1 and a finite alpha".to_owned(),
                    found: format!("r = {rank}, lora_alpha = {alpha} for {}", module.path),
                });
            }
            let path = module.path.clone();
            Ok(LoraModule { path, input: module.input, output: module.output, rank, alpha, scale })
        };
        let modules = adapted.iter().map(resolve).collect::<Result<_>>()?;
        Ok(LoraTargets { modules, saved: saved.into_iter().cloned().collect() })
    }
}

pub(crate) fn linear_only(field: &str, module: &ModuleInfo) -> Result<()> {
    if module.kind == ModuleKind::Linear {
        return Ok(());
    }
    Err(AdapterError::Kind {
        field: field.to_owned(),
        module: module.path.clone(),
        found: module.kind.article().to_owned(),
        expected: "linear layers only".to_owned(),
    })
}

impl super::Ia3Config {
    /// The modules this adapter scales, with whether the input (feed-forward) or the output is scaled, and the
    /// modules stored whole.
    ///
    /// # Errors
    /// As [`LoraConfig::resolve`].
    pub fn resolve(&self, modules: &[ModuleInfo]) -> Result<Ia3Targets> {
        let rules =
            Rules { target: &self.target, exclude: self.exclude.as_ref(), layers: None, save: &self.save };
        let (adapted, saved) = select(&rules, modules)?;
        let pattern = match &self.feedforward {
            Names::Pattern(pattern) => Some(super::pattern::PyRegex::full("feedforward_modules", pattern)?),
            Names::List(_) => None,
        };
        let mut targets = Vec::with_capacity(adapted.len());
        for module in adapted {
            linear_only("target_modules", module)?;
            let feedforward = match (&pattern, &self.feedforward) {
                (Some(pattern), _) => pattern.is_match(&module.path)?,
                // PEFT asks for no dot before the name here.
                (None, Names::List(names)) => names.iter().any(|name| module.path.ends_with(name)),
                (None, Names::Pattern(_)) => false,
            };
            let (input, output) = (module.input, module.output);
            targets.push(Ia3Module { path: module.path.clone(), input, output, feedforward });
        }
        Ok(Ia3Targets { modules: targets, saved: saved.into_iter().cloned().collect() })
    }
}

/// One module scaled by IA3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ia3Module {
    pub path: String,
    pub input: usize,
    pub output: usize,
    /// The input is scaled, not the output.
    pub feedforward: bool,
}

/// What an IA3 config means for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ia3Targets {
    pub modules: Vec<Ia3Module>,
    pub saved: Vec<ModuleInfo>,
}

fn read_pattern<T>(
    fields: &Fields<'_>,
    name: &'static str,
    value: impl Fn(&str, &Value) -> Result<T>,
) -> Result<Vec<(String, T)>> {
    match fields.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, entry)| Ok((key.clone(), value(&format!("{name}[{key:?}]"), entry)?)))
            .collect(),
        Some(other) => Err(fields.wrong(name, "an object of numbers", Some(other))),
    }
}

fn read_init(fields: &Fields<'_>) -> Result<LoraInit> {
    let value = match fields.get("init_lora_weights") {
        None | Some(Value::Bool(true)) => return Ok(LoraInit::Kaiming),
        Some(Value::Bool(false)) => return Ok(LoraInit::Other("false".to_owned())),
        Some(value) => value,
    };
    let lower = value.as_str().map(str::to_lowercase);
    match lower.as_deref() {
        Some("gaussian") => Ok(LoraInit::Gaussian),
        Some(kept @ ("orthogonal" | "eva" | "mica")) => Ok(LoraInit::Other(kept.to_owned())),
        Some(name)
            if ["pissa", "olora", "loftq", "corda", "lora_ga"].iter().any(|bad| name.starts_with(bad)) =>
        {
            let reason = "it changes the base weights; save the adapter converted (PEFT: \
                          path_initial_model_for_weight_conversion)";
            Err(fields.unsupported("init_lora_weights", value, reason))
        }
        _ => Err(fields.unsupported("init_lora_weights", value, "expected true, false or \"gaussian\"")),
    }
}
