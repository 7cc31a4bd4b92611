//! Bottleneck adapters in AdapterHub's layout: PEFT has none.
//!
//! Source: `adapter-hub/adapters: src/adapters/configuration/adapter_config.py` (`BnConfig`),
//! `src/adapters/methods/bottleneck.py` and `modeling.py`. Three of its many combinations exist here: Pfeiffer et al.
//! 2020 (`seq_bn`), Houlsby et al. 2019 (`double_seq_bn`), He et al. 2021 (`par_bn`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::config::sorted;
use super::error::Result;
use super::fields::{Fields, is_off, plain_number};

/// Where the bottleneck sits in a decoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BottleneckVariant {
    /// `h + scale·up(act(down(h)))`, h = layer output after the residual.
    Sequential,
    /// `s + scale·up(act(down(s)))`, s = output of attention and of the MLP, before the residual is added.
    DoubleSequential,
    /// `mlp_out + scale·up(act(down(x)))`, x = the residual stream before the MLP's norm.
    Parallel,
}

impl BottleneckVariant {
    /// AdapterHub's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "seq_bn",
            Self::DoubleSequential => "double_seq_bn",
            Self::Parallel => "par_bn",
        }
    }

    /// Whether attention outputs have an adapter as well.
    #[must_use]
    pub fn at_attention(self) -> bool {
        self == Self::DoubleSequential
    }
}

/// The function between down and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Relu,
    /// x·sigmoid(x); AdapterHub says "swish".
    Silu,
    /// The exact form with the error function.
    Gelu,
}

/// Start of down and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BottleneckInit {
    /// Down and up normal with deviation 0.02: not the identity at the start.
    Bert,
    /// Down uniform in ±1/√in, up zero: the identity at the start.
    Mam,
    /// Down and up truncated normal with deviation 0.01.
    Houlsby,
}

impl BottleneckInit {
    fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Mam => "mam_adapter",
            Self::Houlsby => "houlsby",
        }
    }
}

/// How much narrower than the model the bottleneck is.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduction {
    /// Factor of all layers not named below; `None` when every layer must be named.
    pub default: Option<f64>,
    pub layers: BTreeMap<usize, f64>,
}

impl Reduction {
    /// The same factor in every layer.
    #[must_use]
    pub fn all(factor: f64) -> Self {
        Self { default: Some(factor), layers: BTreeMap::new() }
    }

    /// Width of the bottleneck of `layer` for a model `hidden` wide: `hidden // factor`, at least 1.
    #[must_use]
    pub fn width(&self, layer: usize, hidden: usize) -> Option<usize> {
        let factor = self.layers.get(&layer).copied().or(self.default)?;
        if !(factor.is_finite() && factor > 0.0) {
            return None;
        }
        // Python's `//` on floats: by remainder, which differs from the floor of the rounded quotient.
        let hidden = hidden as f64;
        let quotient = (hidden - hidden % factor) / factor;
        let floor = quotient.floor();
        let floor = if quotient - floor > 0.5 { floor + 1.0 } else { floor };
        (floor < 1e9).then_some((floor as usize).max(1))
    }
}

/// A bottleneck adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct BottleneckConfig {
    pub variant: BottleneckVariant,
    pub reduction: Reduction,
    pub activation: Activation,
    /// Factor of the branch.
    pub scaling: f64,
    pub dropout: f64,
    /// Layers without an adapter.
    pub leave_out: Vec<usize>,
    pub init: BottleneckInit,
    /// The adapter's name; part of every tensor key.
    pub name: String,
    pub hidden_size: usize,
    /// Checkpoint of the base model.
    pub model_name: Option<String>,
}

impl BottleneckConfig {
    /// AdapterHub's defaults of a variant for a model `hidden_size` wide.
    #[must_use]
    pub fn new(variant: BottleneckVariant, hidden_size: usize, name: &str) -> Self {
        let (reduction, activation, scaling, init) = match variant {
            BottleneckVariant::Sequential => (16.0, Activation::Relu, 1.0, BottleneckInit::Bert),
            BottleneckVariant::DoubleSequential => (16.0, Activation::Silu, 1.0, BottleneckInit::Bert),
            BottleneckVariant::Parallel => (2.0, Activation::Relu, 4.0, BottleneckInit::Mam),
        };
        Self {
            variant,
            reduction: Reduction::all(reduction),
            activation,
            scaling,
            dropout: 0.0,
            leave_out: Vec::new(),
            init,
            name: name.to_owned(),
            hidden_size,
            model_name: None,
        }
    }

    /// `outer` is the whole file, `config` its field of that name.
    pub(crate) fn read(outer: &Fields<'_>, config: &Value) -> Result<(Self, Vec<String>)> {
        outer.skip(&["version", "model_class", "config_id"]);
        if let Some(kind) = outer.text("model_type")?.filter(|kind| kind != "llama") {
            return Err(outer.unsupported("model_type", &json!(kind), "expected \"llama\", the text model"));
        }
        let fields = Fields::new(outer.file, config, "config")?;
        if let Some(kind) = fields.get("architecture") {
            return Err(fields.unsupported("config.architecture", kind, "expected a bottleneck adapter"));
        }
        let variant = read_variant(&fields)?;
        let lower = fields.text("non_linearity")?.map(|name| name.to_lowercase());
        let activation = match lower.as_deref() {
            Some("relu") => Activation::Relu,
            Some("silu" | "swish") => Activation::Silu,
            Some("gelu") => Activation::Gelu,
            _ => {
                let found = fields.get("non_linearity");
                return Err(fields.wrong("config.non_linearity", "relu, silu, swish or gelu", found));
            }
        };
        let init = match fields.text("init_weights")?.as_deref() {
            None | Some("bert") => BottleneckInit::Bert,
            Some("mam_adapter") => BottleneckInit::Mam,
            Some("houlsby") => BottleneckInit::Houlsby,
            Some(_) => {
                let found = fields.get("init_weights");
                return Err(fields.wrong("config.init_weights", "bert, mam_adapter or houlsby", found));
            }
        };
        let scaling = match fields.get("scaling") {
            None => 1.0,
            Some(Value::String(_)) => {
                let found = fields.get("scaling");
                return Err(fields.wrong("config.scaling", "a number (no trained scaling)", found));
            }
            Some(value) => fields.number_value("config.scaling", value)?,
        };
        let leave_out = match fields.get("leave_out") {
            None => Vec::new(),
            Some(value) => {
                let layers = value.as_array().and_then(|list| {
                    list.iter().map(|v| v.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
                });
                layers.ok_or_else(|| fields.wrong("config.leave_out", "a list of layers", Some(value)))?
            }
        };
        let name = outer.text("name")?;
        let result = Self {
            variant,
            reduction: read_reduction(&fields)?,
            activation,
            scaling,
            dropout: fields.rate("dropout")?,
            leave_out,
            init,
            name: name.ok_or_else(|| outer.wrong("name", "the adapter's name", None))?,
            hidden_size: outer
                .positive("hidden_size")?
                .ok_or_else(|| outer.wrong("hidden_size", "the width of the text model", None))?,
            model_name: outer.text("model_name")?,
        };
        let mut ignored = outer.ignored();
        ignored.extend(fields.ignored().into_iter().map(|field| format!("config.{field}")));
        Ok((result, ignored))
    }

    pub(crate) fn to_json(&self) -> Value {
        let parallel = self.variant == BottleneckVariant::Parallel;
        let activation = match self.activation {
            Activation::Relu => "relu",
            Activation::Silu => "swish",
            Activation::Gelu => "gelu",
        };
        let mut config = Map::new();
        if let Value::Object(fields) = json!({
            "adapter_residual_before_ln": false,
            "cross_adapter": false,
            "dropout": self.dropout,
            "factorized_phm_W": true,
            "factorized_phm_rule": false,
            "hypercomplex_nonlinearity": "glorot-uniform",
            "init_weights": self.init.name(),
            "inv_adapter": null,
            "inv_adapter_reduction_factor": null,
            "is_parallel": parallel,
            "learn_phm": true,
            "leave_out": self.leave_out,
            "ln_after": false,
            "ln_before": false,
            "mh_adapter": self.variant.at_attention(),
            "non_linearity": activation,
            "original_ln_after": true,
            "original_ln_before": self.variant == BottleneckVariant::Sequential,
            "output_adapter": true,
        }) {
            config.extend(fields);
        }
        if let Value::Object(fields) = json!({
            "phm_bias": true,
            "phm_c_init": "normal",
            "phm_dim": 4,
            "phm_init_range": 0.0001,
            "phm_layer": false,
            "phm_rank": 1,
            "reduction_factor": self.reduction_json(),
            "residual_before_ln": true,
            // The library accepts a float only: 4 would be refused, 4.0 not.
            "scaling": self.scaling,
            "shared_W_phm": false,
            "shared_phm_rule": true,
            "stochastic_depth": 0.0,
            "use_gating": false,
        }) {
            config.extend(fields);
        }
        sorted(json!({
            "config": config,
            "hidden_size": self.hidden_size,
            "model_class": "LlamaModel",
            "model_name": self.model_name,
            "model_type": "llama",
            "name": self.name,
            "version": "adapters.1.3.0",
        }))
    }

    fn reduction_json(&self) -> Value {
        match (&self.reduction.default, self.reduction.layers.is_empty()) {
            (Some(factor), true) => plain_number(*factor),
            (default, _) => {
                let named =
                    self.reduction.layers.iter().map(|(layer, f)| (layer.to_string(), plain_number(*f)));
                let default = default.iter().map(|f| ("default".to_owned(), plain_number(*f)));
                Value::Object(named.chain(default).collect())
            }
        }
    }
}

/// Checks every switch of `BnConfig` that changes the forward pass.
fn read_variant(fields: &Fields<'_>) -> Result<BottleneckVariant> {
    fields.skip(&["phm_dim", "factorized_phm_W", "shared_W_phm", "shared_phm_rule", "factorized_phm_rule"]);
    fields.skip(&["phm_c_init", "phm_init_range", "learn_phm", "hypercomplex_nonlinearity", "phm_rank"]);
    fields.skip(&["phm_bias", "inv_adapter_reduction_factor", "init_weights_seed"]);
    for name in [
        "ln_before",
        "ln_after",
        "use_gating",
        "inv_adapter",
        "cross_adapter",
        "phm_layer",
        "stochastic_depth",
    ] {
        if let Some(value) = fields.get(name).filter(|value| !is_off(value)) {
            return Err(fields.wrong(&format!("config.{name}"), "it to be off", Some(value)));
        }
    }
    let must = |name: &'static str, wanted: bool, default: bool, why: &str| {
        if fields.get(name).is_none() && default == wanted || fields.get(name) == Some(&Value::Bool(wanted)) {
            return Ok(());
        }
        Err(fields.wrong(&format!("config.{name}"), &format!("{wanted} ({why})"), fields.get(name)))
    };
    must("output_adapter", true, false, "all three variants have one")?;
    must("original_ln_after", true, true, "all three variants")?;
    if fields.flag("is_parallel", false)? {
        must("mh_adapter", false, true, "par_bn")?;
        // The parallel forward pass does not look at these.
        fields.skip(&["original_ln_before", "residual_before_ln", "adapter_residual_before_ln"]);
        return Ok(BottleneckVariant::Parallel);
    }
    must("residual_before_ln", true, true, "sequential variants")?;
    must("adapter_residual_before_ln", false, false, "sequential variants")?;
    if fields.flag("mh_adapter", false)? {
        must("original_ln_before", false, false, "double_seq_bn")?;
        Ok(BottleneckVariant::DoubleSequential)
    } else {
        must("mh_adapter", false, true, "seq_bn")?;
        must("original_ln_before", true, false, "seq_bn")?;
        Ok(BottleneckVariant::Sequential)
    }
}

fn read_reduction(fields: &Fields<'_>) -> Result<Reduction> {
    let name = "config.reduction_factor";
    let expected = "a number above 0, or an object of such numbers by layer with \"default\"";
    let factor = |value: &Value| match fields.number_value(name, value) {
        Ok(factor) if factor > 0.0 => Ok(factor),
        _ => Err(fields.wrong(name, expected, Some(value))),
    };
    match fields.get("reduction_factor") {
        None => Err(fields.wrong(name, expected, None)),
        Some(Value::Object(map)) => {
            let mut reduction = Reduction { default: None, layers: BTreeMap::new() };
            for (key, value) in map {
                if key == "default" {
                    reduction.default = Some(factor(value)?);
                } else {
                    let layer = key.parse::<usize>().ok().filter(|layer| layer.to_string() == *key);
                    let layer = layer.ok_or_else(|| fields.wrong(name, expected, Some(&json!(key))))?;
                    reduction.layers.insert(layer, factor(value)?);
                }
            }
            Ok(reduction)
        }
        Some(value) => Ok(Reduction::all(factor(value)?)),
    }
}
