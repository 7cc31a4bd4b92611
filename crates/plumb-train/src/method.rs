//! Adapters on a model: from files and configurations to slots that learn, and back.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{DType, Device, Tensor, TensorData};
use plumb_nn::LinearAdapter;
use plumb_nn::adapter::{Bottleneck, BottleneckActivation, Ia3, Lora, Placement};
use plumb_vlm::model::PROMPT_EMBEDDINGS;
use plumb_vlm::{ModelConfig, SmolVlm};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal, Uniform};

use crate::error::{Result, TrainError};
use crate::host::{HostTensor, TensorMap};
use crate::learner::{Learner, read};
use crate::peft::{
    Activation, Adapter, AdapterConfig, BottleneckInit, BottleneckTensors, BottleneckVariant, Layout,
    LoraInit, ModuleInfo, ModuleKind, ResolvedAdapter, SavedTensors,
};

/// What PEFT puts before every module path.
const PREFIX: &str = "base_model.model.";

/// Every module of a model that holds weights, in the order of the checkpoint.
#[must_use]
pub fn modules(config: &ModelConfig) -> Vec<ModuleInfo> {
    let tensors = config.tensors();
    let names: BTreeSet<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    let mut out: Vec<ModuleInfo> = tensors
        .iter()
        .filter_map(|(name, shape)| {
            let path = name.strip_suffix(".weight")?;
            let table = path.ends_with("embed_tokens") || path.ends_with("position_embedding");
            let (kind, input, output) = match shape[..] {
                [rows, width] if table => (ModuleKind::Embedding, rows, width),
                [output, input] => (ModuleKind::Linear, input, output),
                [output, channels, ..] => (ModuleKind::Conv, channels, output),
                [width] => (ModuleKind::Norm, width, width),
                [] => return None,
            };
            let bias = names.contains(format!("{path}.bias").as_str());
            Some(ModuleInfo { path: path.to_owned(), kind, input, output, bias })
        })
        .collect();
    if config.tied {
        let (input, output) = (config.text.hidden, config.text.vocab);
        let kind = ModuleKind::Linear;
        out.push(ModuleInfo { path: "lm_head".into(), kind, input, output, bias: false });
    }
    out
}

/// What a checkpoint of `config` holds, for merging and rewriting it.
#[must_use]
pub fn layout(config: &ModelConfig) -> Layout {
    Layout {
        tensors: config.tensors(),
        modules: modules(config),
        hidden: config.text.hidden,
        layers: config.text.layers,
        tied: config.tied,
    }
}

fn vector(tensor: &HostTensor, device: &Device) -> Tensor<1> {
    let n = tensor.values.len();
    Tensor::from_data(TensorData::new(tensor.values.clone(), [n]), (device, DType::F32))
}

fn matrix(tensor: &HostTensor, device: &Device) -> Tensor<2> {
    let rows = tensor.shape.first().copied().unwrap_or(0);
    let shape = [rows, tensor.values.len() / rows.max(1)];
    Tensor::from_data(TensorData::new(tensor.values.clone(), shape), (device, DType::F32))
}

/// Puts `adapter` on `model` and returns the names of its tensors in the model.
///
/// # Errors
/// An adapter that does not belong to the model: missing, unexpected or misshaped tensors by name.
pub fn attach(model: &mut SmolVlm, adapter: &Adapter) -> Result<BTreeSet<String>> {
    let config = model.config().clone();
    let resolved = adapter.check(&modules(&config), config.text.hidden, config.text.layers)?;
    let device = model.device().clone();
    let mut names = BTreeSet::new();
    let missing = |path: &str| TrainError::NoSuchTensor { name: path.to_owned() };
    let put = |model: &mut SmolVlm, path: &str, adapter: LinearAdapter| {
        if model.attach(path, &adapter) { Ok(()) } else { Err(missing(path)) }
    };
    match (resolved, &adapter.config) {
        (ResolvedAdapter::Lora { modules, saved }, AdapterConfig::Lora(lora)) => {
            for (path, tensors) in modules {
                names.extend(["lora_A.weight", "lora_B.weight"].map(|role| format!("{path}.{role}")));
                if tensors.magnitude.is_some() {
                    names.insert(format!("{path}.lora_magnitude_vector"));
                }
                let magnitude = tensors.magnitude.as_ref().map(|m| vector(m, &device));
                let (a, b) = (matrix(&tensors.a, &device), matrix(&tensors.b, &device));
                let slot = Lora::new(a, b, tensors.scale, lora.dropout, magnitude);
                put(model, &path, LinearAdapter::Lora(slot))?;
            }
            names.extend(replace(model, &saved)?);
        }
        (ResolvedAdapter::Ia3 { modules, saved }, _) => {
            for (path, tensors) in modules {
                names.insert(format!("{path}.ia3_l"));
                let factor = vector(&tensors.vector, &device);
                put(model, &path, LinearAdapter::Ia3(Ia3 { factor, on_input: tensors.feedforward }))?;
            }
            names.extend(replace(model, &saved)?);
        }
        (ResolvedAdapter::PromptTuning { embeddings }, _) => {
            model.set_prefix(Some(matrix(&embeddings, &device)));
            names.insert(PROMPT_EMBEDDINGS.to_owned());
        }
        (ResolvedAdapter::Bottleneck { layers }, AdapterConfig::Bottleneck(bottleneck)) => {
            let activation = match bottleneck.activation {
                Activation::Relu => BottleneckActivation::Relu,
                Activation::Silu => BottleneckActivation::Silu,
                Activation::Gelu => BottleneckActivation::Gelu,
            };
            let placement = match bottleneck.variant {
                BottleneckVariant::Sequential => Placement::AfterResidual,
                BottleneckVariant::DoubleSequential => Placement::BeforeResidual,
                BottleneckVariant::Parallel => Placement::Parallel,
            };
            let mut slot = |layer: usize, at: &str, tensors: &BottleneckTensors| {
                let path = format!("layers.{layer}.{at}_adapters.adapters.{}", bottleneck.name);
                for role in ["down.0.weight", "down.0.bias", "up.weight", "up.bias"] {
                    names.insert(format!("{path}.adapter_{role}"));
                }
                Bottleneck {
                    path,
                    down: matrix(&tensors.down_weight, &device),
                    down_bias: vector(&tensors.down_bias, &device),
                    up: matrix(&tensors.up_weight, &device),
                    up_bias: vector(&tensors.up_bias, &device),
                    activation,
                    scale: bottleneck.scaling,
                    placement,
                }
            };
            for (index, layer) in layers {
                if let Some(block) = model.text_mut().blocks_mut().get_mut(index) {
                    block.adapters.attention = layer.attention.as_ref().map(|t| slot(index, "attention", t));
                    block.adapters.output = layer.output.as_ref().map(|t| slot(index, "output", t));
                }
            }
        }
        // `check` gives the kind that the configuration names.
        _ => return Err(TrainError::NothingLearns),
    }
    Ok(names)
}

/// Replaces whole modules of the base model; returns the names of their tensors.
fn replace(model: &mut SmolVlm, saved: &BTreeMap<String, SavedTensors>) -> Result<BTreeSet<String>> {
    let mut values = TensorMap::new();
    for (path, tensors) in saved {
        values.insert(format!("{path}.weight"), tensors.weight.clone());
        if let Some(bias) = &tensors.bias {
            values.insert(format!("{path}.bias"), bias.clone());
        }
    }
    let names: BTreeSet<String> = values.keys().cloned().collect();
    crate::learner::set_tensors(model, &names, &values)?;
    Ok(names)
}

/// The key of a tensor in the adapter's file, and its shape there.
fn file_tensor(
    config: &AdapterConfig,
    on_input: &BTreeSet<String>,
    name: &str,
    tensor: HostTensor,
) -> (String, HostTensor) {
    match config {
        AdapterConfig::PromptTuning(_) | AdapterConfig::Bottleneck(_) => (name.to_owned(), tensor),
        AdapterConfig::Lora(_) => (format!("{PREFIX}{name}"), tensor),
        AdapterConfig::Ia3(_) => {
            let n = tensor.values.len();
            let path = name.strip_suffix(".ia3_l");
            let shape = match path {
                Some(path) if on_input.contains(path) => vec![1, n],
                Some(_) => vec![n, 1],
                None => tensor.shape,
            };
            (format!("{PREFIX}{name}"), HostTensor { shape, values: tensor.values })
        }
    }
}

/// The adapter of a learner as it stands, for writing.
///
/// # Errors
/// A failing device.
pub async fn export(learner: &mut Learner, config: &AdapterConfig) -> Result<Adapter> {
    let weights = learner.weights().await?;
    let on_input = match config {
        AdapterConfig::Ia3(ia3) => {
            let targets = ia3.resolve(&modules(learner.model().config()))?;
            targets.modules.into_iter().filter(|m| m.feedforward).map(|m| m.path).collect()
        }
        _ => BTreeSet::new(),
    };
    let tensors = weights
        .into_iter()
        .filter(|(name, _)| !crate::learner::beside_the_model(name))
        .map(|(name, tensor)| file_tensor(config, &on_input, &name, tensor))
        .collect();
    Ok(Adapter { config: config.clone(), tensors, ignored: Vec::new(), metadata: BTreeMap::new() })
}

/// A new adapter for `model`: the model computes what it did before, except with (IA)³ and bottlenecks of another start
/// than zero, and with virtual tokens, which have no neutral value.
///
/// | method | start |
/// |---|---|
/// | LoRA | A uniform in ±1/√in, B zero; DoRA's magnitude at the row norms |
/// | (IA)³ | ones |
/// | prompt tuning | rows of the embedding, drawn by `seed` |
/// | bottleneck | down as its configuration says, up zero, biases zero |
///
/// # Errors
/// Targets that match nothing; a failing device.
pub async fn initial(model: &mut SmolVlm, config: &AdapterConfig, seed: u64) -> Result<Adapter> {
    let info = modules(model.config());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = TensorMap::new();
    let mut add = |key: String, shape: Vec<usize>, values: Vec<f32>| {
        tensors.insert(key, HostTensor { shape, values });
    };
    let text = model.config().text.clone();
    let mut saved = Vec::new();
    match config {
        AdapterConfig::Lora(lora) => {
            let targets = lora.resolve(&info)?;
            saved = targets.saved;
            for m in targets.modules {
                let n = m.rank * m.input;
                let a: Vec<f32> = match lora.init {
                    LoraInit::Gaussian => draw(&mut rng, n, 1.0 / m.rank as f64),
                    _ => uniform(&mut rng, n, 1.0 / (m.input as f32).sqrt()),
                };
                let key = |role: &str| format!("{PREFIX}{}.{role}", m.path);
                add(key("lora_A.weight"), vec![m.rank, m.input], a);
                add(key("lora_B.weight"), vec![m.output, m.rank], vec![0.0; m.output * m.rank]);
                if lora.use_dora {
                    let weight = weight_of(model, &m.path)?;
                    let magnitude = read(Lora::initial_magnitude(&weight)).await?;
                    add(key("lora_magnitude_vector"), vec![m.output], magnitude);
                }
            }
        }
        AdapterConfig::Ia3(ia3) => {
            let targets = ia3.resolve(&info)?;
            saved = targets.saved;
            for m in targets.modules {
                let (n, shape) =
                    if m.feedforward { (m.input, vec![1, m.input]) } else { (m.output, vec![m.output, 1]) };
                add(format!("{PREFIX}{}.ia3_l", m.path), shape, vec![1.0; n]);
            }
        }
        AdapterConfig::PromptTuning(prompt) => {
            let n = prompt.virtual_tokens;
            let vocab = u32::try_from(text.vocab).unwrap_or(u32::MAX);
            let ids: Vec<u32> = (0..n).map(|_| rng.random_range(0..vocab)).collect();
            let rows = model.text().embed(&ids);
            let values = read(rows.reshape([n * text.hidden])).await?;
            add(PROMPT_EMBEDDINGS.into(), vec![n, text.hidden], values);
        }
        AdapterConfig::Bottleneck(bottleneck) => {
            let h = text.hidden;
            for layer in (0..text.layers).filter(|layer| !bottleneck.leave_out.contains(layer)) {
                let d = bottleneck.reduction.width(layer, h).unwrap_or(1);
                let places = if bottleneck.variant.at_attention() {
                    &["attention", "output"][..]
                } else {
                    &["output"]
                };
                for at in places {
                    let key = |role: &str| {
                        format!("layers.{layer}.{at}_adapters.adapters.{}.adapter_{role}", bottleneck.name)
                    };
                    let down = match bottleneck.init {
                        BottleneckInit::Bert => draw(&mut rng, d * h, 0.02),
                        BottleneckInit::Houlsby => draw(&mut rng, d * h, 0.01),
                        BottleneckInit::Mam => uniform(&mut rng, d * h, 1.0 / (h as f32).sqrt()),
                    };
                    add(key("down.0.weight"), vec![d, h], down);
                    add(key("down.0.bias"), vec![d], vec![0.0; d]);
                    add(key("up.weight"), vec![h, d], vec![0.0; h * d]);
                    add(key("up.bias"), vec![h], vec![0.0; h]);
                }
            }
        }
    }
    for module in saved {
        let (weight, bias) = whole_module(model, &module.path)?;
        let n: usize = weight.dims().iter().product();
        let shape = vec![module.output, module.input];
        add(format!("{PREFIX}{}.weight", module.path), shape, read(weight.reshape([n])).await?);
        if let Some(bias) = bias {
            add(format!("{PREFIX}{}.bias", module.path), vec![module.output], read(bias).await?);
        }
    }
    Ok(Adapter { config: config.clone(), tensors, ignored: Vec::new(), metadata: BTreeMap::new() })
}

fn uniform(rng: &mut ChaCha8Rng, n: usize, bound: f32) -> Vec<f32> {
    match Uniform::new_inclusive(-bound, bound) {
        Ok(uniform) => (0..n).map(|_| uniform.sample(rng)).collect(),
        Err(_) => vec![0.0; n],
    }
}

fn draw(rng: &mut ChaCha8Rng, n: usize, std: f64) -> Vec<f32> {
    match Normal::new(0.0, std) {
        Ok(normal) => (0..n).map(|_| normal.sample(rng) as f32).collect(),
        Err(_) => vec![0.0; n],
    }
}

fn whole_module(model: &mut SmolVlm, path: &str) -> Result<(Tensor<2>, Option<Tensor<1>>)> {
    model
        .linears_mut()
        .find_map(|linear| {
            let index = linear.parts().iter().position(|part| part.path == path)?;
            Some(linear.part_weight(index))
        })
        .ok_or_else(|| TrainError::NoSuchTensor { name: path.to_owned() })
}

fn weight_of(model: &mut SmolVlm, path: &str) -> Result<Tensor<2>> {
    Ok(whole_module(model, path)?.0)
}
