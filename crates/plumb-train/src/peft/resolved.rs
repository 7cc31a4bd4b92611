//! An adapter held against a model: exact keys, exact shapes, and the tensors by the role they play.

use std::collections::BTreeMap;

use crate::host::{HostTensor, TensorMap, check_tensor};

use super::adapter::Adapter;
use super::bottleneck::BottleneckConfig;
use super::config::{AdapterConfig, CONFIG_FILE};
use super::error::{AdapterError, Result, some_names};
use super::lora::{Ia3Module, LoraModule};
use super::target::{ModuleInfo, ModuleKind};

const PREFIX: &str = "base_model.model.";

/// LoRA of one linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraTensors {
    pub rank: usize,
    pub alpha: f64,
    /// Factor of `B·A`.
    pub scale: f64,
    /// A: `[rank, in]`.
    pub a: HostTensor,
    /// B: `[out, rank]`.
    pub b: HostTensor,
    /// DoRA's magnitude: `[out]`.
    pub magnitude: Option<HostTensor>,
}

/// IA3 of one linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ia3Tensors {
    /// The input is scaled, not the output.
    pub feedforward: bool,
    /// `[1, in]` when feed-forward, else `[out, 1]`.
    pub vector: HostTensor,
}

/// A module of the base model that the adapter replaces whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedTensors {
    pub weight: HostTensor,
    pub bias: Option<HostTensor>,
}

/// One bottleneck; d = its width, h = the model's.
#[derive(Clone, Debug, PartialEq)]
pub struct BottleneckTensors {
    /// `[d, h]`
    pub down_weight: HostTensor,
    /// `[d]`
    pub down_bias: HostTensor,
    /// `[h, d]`
    pub up_weight: HostTensor,
    /// `[h]`
    pub up_bias: HostTensor,
}

/// The bottlenecks of one decoder layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BottleneckLayer {
    pub attention: Option<BottleneckTensors>,
    pub output: Option<BottleneckTensors>,
}

/// The tensors of an adapter by role; paths are those of [`ModuleInfo`].
#[derive(Clone, Debug, PartialEq)]
pub enum ResolvedAdapter {
    Lora {
        modules: BTreeMap<String, LoraTensors>,
        saved: BTreeMap<String, SavedTensors>,
    },
    Ia3 {
        modules: BTreeMap<String, Ia3Tensors>,
        saved: BTreeMap<String, SavedTensors>,
    },
    /// `[virtual tokens, width]`
    PromptTuning {
        embeddings: HostTensor,
    },
    /// By decoder layer; layers left out are absent.
    Bottleneck {
        layers: BTreeMap<usize, BottleneckLayer>,
    },
}

/// The expected shape of a tensor; `None` stands for any length of at least 1.
type Shape = Vec<Option<usize>>;

fn exact(shape: &[usize]) -> Shape {
    shape.iter().copied().map(Some).collect()
}

impl Adapter {
    /// Holds the adapter against a model: `modules` of the base, text model `hidden` wide with `layers` layers.
    ///
    /// # Errors
    /// A config that matches nothing or the wrong modules, missing and unexpected tensors by name, a wrong shape, a
    /// value that is not finite.
    pub fn check(&self, modules: &[ModuleInfo], hidden: usize, layers: usize) -> Result<ResolvedAdapter> {
        let mut reader = Reader { file: self.config.tensor_file(), tensors: &self.tensors };
        match &self.config {
            AdapterConfig::Lora(config) => {
                let targets = config.resolve(modules)?;
                let mut shapes = BTreeMap::new();
                for module in &targets.modules {
                    shapes.extend(lora_shapes(module, config.use_dora));
                }
                add_saved_shapes(&mut shapes, &targets.saved);
                reader.check(&shapes)?;
                let lora = |module: &LoraModule| {
                    let key = |role: &str| format!("{PREFIX}{}.{role}", module.path);
                    let magnitude = config.use_dora.then(|| reader.take(&key("lora_magnitude_vector")));
                    let tensors = LoraTensors {
                        rank: module.rank,
                        alpha: module.alpha,
                        scale: module.scale,
                        a: reader.take(&key("lora_A.weight"))?,
                        b: reader.take(&key("lora_B.weight"))?,
                        magnitude: magnitude.transpose()?,
                    };
                    Ok((module.path.clone(), tensors))
                };
                let found = targets.modules.iter().map(lora).collect::<Result<_>>()?;
                Ok(ResolvedAdapter::Lora { modules: found, saved: reader.saved(&targets.saved)? })
            }
            AdapterConfig::Ia3(config) => {
                let targets = config.resolve(modules)?;
                let mut shapes: BTreeMap<String, Shape> =
                    targets.modules.iter().map(|module| (ia3_key(&module.path), ia3_shape(module))).collect();
                add_saved_shapes(&mut shapes, &targets.saved);
                reader.check(&shapes)?;
                let ia3 = |module: &Ia3Module| {
                    let vector = reader.take(&ia3_key(&module.path))?;
                    Ok((module.path.clone(), Ia3Tensors { feedforward: module.feedforward, vector }))
                };
                let found = targets.modules.iter().map(ia3).collect::<Result<_>>()?;
                Ok(ResolvedAdapter::Ia3 { modules: found, saved: reader.saved(&targets.saved)? })
            }
            AdapterConfig::PromptTuning(config) => {
                for (field, found, expected) in
                    [("token_dim", config.token_dim, hidden), ("num_layers", config.layers, layers)]
                {
                    same(field, found.unwrap_or(expected), expected)?;
                }
                let shape = exact(&[config.virtual_tokens, hidden]);
                reader.check(&[("prompt_embeddings".to_owned(), shape)].into())?;
                Ok(ResolvedAdapter::PromptTuning { embeddings: reader.take("prompt_embeddings")? })
            }
            AdapterConfig::Bottleneck(config) => {
                same("hidden_size", config.hidden_size, hidden)?;
                let places = bottleneck_places(config, layers)?;
                let shapes = places.iter().flat_map(|place| place.shapes(hidden)).collect();
                reader.check(&shapes)?;
                let mut found: BTreeMap<usize, BottleneckLayer> = BTreeMap::new();
                for place in &places {
                    let tensors = BottleneckTensors {
                        down_weight: reader.take(&format!("{}adapter_down.0.weight", place.prefix))?,
                        down_bias: reader.take(&format!("{}adapter_down.0.bias", place.prefix))?,
                        up_weight: reader.take(&format!("{}adapter_up.weight", place.prefix))?,
                        up_bias: reader.take(&format!("{}adapter_up.bias", place.prefix))?,
                    };
                    let layer = found.entry(place.layer).or_default();
                    *(if place.attention { &mut layer.attention } else { &mut layer.output }) = Some(tensors);
                }
                Ok(ResolvedAdapter::Bottleneck { layers: found })
            }
        }
    }

    /// The adapter whose tensors play these roles: the inverse of [`Adapter::check`], which must be called on the
    /// result to learn whether it fits a model.
    #[must_use]
    pub fn assemble(config: AdapterConfig, resolved: ResolvedAdapter) -> Self {
        let mut tensors = TensorMap::new();
        let mut saved_modules = BTreeMap::new();
        match resolved {
            ResolvedAdapter::Lora { modules, saved } => {
                for (path, lora) in modules {
                    tensors.insert(format!("{PREFIX}{path}.lora_A.weight"), lora.a);
                    tensors.insert(format!("{PREFIX}{path}.lora_B.weight"), lora.b);
                    if let Some(magnitude) = lora.magnitude {
                        tensors.insert(format!("{PREFIX}{path}.lora_magnitude_vector"), magnitude);
                    }
                }
                saved_modules = saved;
            }
            ResolvedAdapter::Ia3 { modules, saved } => {
                tensors.extend(modules.into_iter().map(|(path, ia3)| (ia3_key(&path), ia3.vector)));
                saved_modules = saved;
            }
            ResolvedAdapter::PromptTuning { embeddings } => {
                tensors.insert("prompt_embeddings".to_owned(), embeddings);
            }
            ResolvedAdapter::Bottleneck { layers } => {
                let name = if let AdapterConfig::Bottleneck(config) = &config { &config.name } else { "" };
                for (index, layer) in layers {
                    for (attention, place) in [(true, layer.attention), (false, layer.output)] {
                        let Some(place) = place else { continue };
                        let prefix = bottleneck_prefix(index, attention, name);
                        tensors.insert(format!("{prefix}adapter_down.0.weight"), place.down_weight);
                        tensors.insert(format!("{prefix}adapter_down.0.bias"), place.down_bias);
                        tensors.insert(format!("{prefix}adapter_up.weight"), place.up_weight);
                        tensors.insert(format!("{prefix}adapter_up.bias"), place.up_bias);
                    }
                }
            }
        }
        for (path, saved) in saved_modules {
            tensors.insert(format!("{PREFIX}{path}.weight"), saved.weight);
            if let Some(bias) = saved.bias {
                tensors.insert(format!("{PREFIX}{path}.bias"), bias);
            }
        }
        Self { config, tensors, ignored: Vec::new(), metadata: BTreeMap::new() }
    }
}

struct Reader<'a> {
    file: &'a str,
    tensors: &'a TensorMap,
}

impl Reader<'_> {
    /// Exactly these tensors, with these shapes and finite values.
    fn check(&mut self, expected: &BTreeMap<String, Shape>) -> Result<()> {
        let file = || self.file.to_owned();
        let missing: Vec<&String> = expected.keys().filter(|key| !self.tensors.contains_key(*key)).collect();
        if !missing.is_empty() {
            let (count, names) = (missing.len(), some_names(missing));
            return Err(AdapterError::Missing { file: file(), count, names });
        }
        let extra: Vec<&String> = self.tensors.keys().filter(|key| !expected.contains_key(*key)).collect();
        if !extra.is_empty() {
            let (count, names) = (extra.len(), some_names(extra));
            return Err(AdapterError::Unexpected { file: file(), count, names });
        }
        for (tensor, value) in self.tensors {
            let Some(shape) = expected.get(tensor) else { continue };
            let fits = value.shape.len() == shape.len()
                && value.shape.iter().zip(shape).all(|(&found, side)| side.map_or(found > 0, |s| s == found));
            if !fits {
                let sides: Vec<String> = shape
                    .iter()
                    .map(|side| side.map_or_else(|| "any".to_owned(), |n| n.to_string()))
                    .collect();
                let expected = format!("[{}]", sides.join(", "));
                let (tensor, found) = (tensor.clone(), value.shape.clone());
                return Err(AdapterError::Shape { file: file(), tensor, expected, found });
            }
            check_tensor(self.file, tensor, value)?;
        }
        Ok(())
    }

    fn take(&self, key: &str) -> Result<HostTensor> {
        self.tensors.get(key).cloned().ok_or_else(|| AdapterError::Missing {
            file: self.file.to_owned(),
            count: 1,
            names: key.to_owned(),
        })
    }

    fn saved(&self, modules: &[ModuleInfo]) -> Result<BTreeMap<String, SavedTensors>> {
        let read = |module: &ModuleInfo| {
            let weight = self.take(&format!("{PREFIX}{}.weight", module.path))?;
            let bias = module.bias.then(|| self.take(&format!("{PREFIX}{}.bias", module.path)));
            Ok((module.path.clone(), SavedTensors { weight, bias: bias.transpose()? }))
        };
        modules.iter().map(read).collect()
    }
}

fn same(field: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(AdapterError::Field {
        file: CONFIG_FILE.to_owned(),
        field: field.to_owned(),
        expected: format!("{expected}, as in the model"),
        found: found.to_string(),
    })
}

fn lora_shapes(module: &LoraModule, dora: bool) -> Vec<(String, Shape)> {
    let key = |role: &str| format!("{PREFIX}{}.{role}", module.path);
    let mut shapes = vec![
        (key("lora_A.weight"), exact(&[module.rank, module.input])),
        (key("lora_B.weight"), exact(&[module.output, module.rank])),
    ];
    if dora {
        shapes.push((key("lora_magnitude_vector"), exact(&[module.output])));
    }
    shapes
}

fn ia3_key(path: &str) -> String {
    format!("{PREFIX}{path}.ia3_l")
}

fn ia3_shape(module: &Ia3Module) -> Shape {
    exact(&if module.feedforward { [1, module.input] } else { [module.output, 1] })
}

fn add_saved_shapes(shapes: &mut BTreeMap<String, Shape>, saved: &[ModuleInfo]) {
    for module in saved {
        let (input, output) = (module.input, module.output);
        let weight = match module.kind {
            ModuleKind::Linear => exact(&[output, input]),
            ModuleKind::Embedding => exact(&[input, output]),
            ModuleKind::Norm => exact(&[output]),
            ModuleKind::Conv => vec![Some(output), Some(input), None, None],
        };
        shapes.insert(format!("{PREFIX}{}.weight", module.path), weight);
        if module.bias {
            shapes.insert(format!("{PREFIX}{}.bias", module.path), exact(&[output]));
        }
    }
}

struct Place {
    layer: usize,
    attention: bool,
    width: usize,
    prefix: String,
}

impl Place {
    fn shapes(&self, hidden: usize) -> [(String, Shape); 4] {
        let key = |role: &str| format!("{}{role}", self.prefix);
        [
            (key("adapter_down.0.weight"), exact(&[self.width, hidden])),
            (key("adapter_down.0.bias"), exact(&[self.width])),
            (key("adapter_up.weight"), exact(&[hidden, self.width])),
            (key("adapter_up.bias"), exact(&[hidden])),
        ]
    }
}

fn bottleneck_prefix(layer: usize, attention: bool, name: &str) -> String {
    let place = if attention { "attention" } else { "output" };
    format!("layers.{layer}.{place}_adapters.adapters.{name}.")
}

fn bottleneck_places(config: &BottleneckConfig, layers: usize) -> Result<Vec<Place>> {
    let error = |field: &str, expected: String, found: String| AdapterError::Field {
        file: CONFIG_FILE.to_owned(),
        field: field.to_owned(),
        expected,
        found,
    };
    if let Some(layer) = config.leave_out.iter().find(|&&layer| layer >= layers) {
        return Err(error("config.leave_out", format!("layers below {layers}"), layer.to_string()));
    }
    let mut places = Vec::new();
    for layer in (0..layers).filter(|layer| !config.leave_out.contains(layer)) {
        let width = config.reduction.width(layer, config.hidden_size).ok_or_else(|| {
            let expected = format!("a factor above 0 for layer {layer} or \"default\"");
            error("config.reduction_factor", expected, format!("{:?}", config.reduction))
        })?;
        let kinds: &[bool] = if config.variant.at_attention() { &[true, false] } else { &[false] };
        for &attention in kinds {
            let prefix = bottleneck_prefix(layer, attention, &config.name);
            places.push(Place { layer, attention, width, prefix });
        }
    }
    Ok(places)
}
