//! What an adapter is, read from its files, and how it meets a model.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::host::HostTensor;

use super::checkpoint::{Layout, can_merge};
use super::{
    Adapter, AdapterConfig, BottleneckTensors, ModuleInfo, ModuleKind, Names, ResolvedAdapter, Result,
};

const PREFIX: &str = "base_model.model.";

/// A part of a vision-language model, by the paths of its modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Vision,
    Connector,
    Text,
    Head,
    Other,
}

impl Part {
    /// The part that holds the module `path`.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let inside = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
        if inside("model.vision_model") {
            Self::Vision
        } else if inside("model.connector") {
            Self::Connector
        } else if inside("model.text_model") {
            Self::Text
        } else if path == "lm_head" {
            Self::Head
        } else {
            Self::Other
        }
    }

    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Connector => "connector",
            Self::Text => "text",
            Self::Head => "head",
            Self::Other => "other",
        }
    }
}

/// One module that an adapter changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdaptedModule {
    pub path: String,
    pub part: Part,
    /// LoRA's rank, or a bottleneck's width.
    pub rank: Option<usize>,
    pub alpha: Option<f64>,
    /// Factor of LoRA's `B·A` or of the bottleneck.
    pub scale: Option<f64>,
    pub parameters: u64,
    /// How far it is from doing nothing: `‖scale·B·A‖` (Frobenius) of LoRA, `‖l − 1‖` of (IA)³, `‖scale·up‖·‖down‖`, an
    /// upper bound, of a bottleneck.
    pub norm: f64,
}

/// How many of a part's modules are touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartCount {
    pub adapted: usize,
    /// Stored whole (`modules_to_save`).
    pub saved: usize,
    /// Linear layers of the base in this part; `None` without a base.
    pub linear: Option<usize>,
}

/// The modules of one rank and scale.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankRow {
    pub rank: usize,
    pub alpha: Option<f64>,
    pub scale: Option<f64>,
    pub modules: usize,
}

/// What an adapter is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// As PEFT or AdapterHub spells it, with what it is a variant of: `LORA`, `LORA (DoRA)`, ….
    pub method: String,
    /// The checkpoint that the config names.
    pub base: Option<String>,
    pub revision: Option<String>,
    /// `target_modules`: the pattern, or the names of the list.
    pub targets: Option<String>,
    pub parameters: u64,
    pub tensors: usize,
    /// Virtual tokens of prompt tuning.
    pub virtual_tokens: Option<usize>,
    pub ranks: Vec<RankRow>,
    pub parts: BTreeMap<Part, PartCount>,
    /// In the order of their paths.
    pub modules: Vec<AdaptedModule>,
    /// Modules stored whole.
    pub saved: Vec<String>,
    /// Why [`super::merge_checkpoint`] cannot merge it.
    pub not_mergeable: Option<String>,
    /// Config fields that mean nothing to this reader.
    pub ignored: Vec<String>,
    pub metadata: BTreeMap<String, String>,
}

/// Reads an adapter, against the model `layout` where one is given, else against the modules that its own tensors
/// name: config and tensors must then agree with each other.
///
/// # Errors
/// As [`Adapter::check`].
pub fn inspect(adapter: &Adapter, layout: Option<&Layout>) -> Result<Inspection> {
    let resolved = match layout {
        Some(layout) => adapter.check(&layout.modules, layout.hidden, layout.layers)?,
        None => {
            let (modules, hidden, layers) = implied(adapter);
            adapter.check(&modules, hidden, layers)?
        }
    };
    let mut parts: BTreeMap<Part, PartCount> = BTreeMap::new();
    if let Some(layout) = layout {
        for part in [Part::Vision, Part::Connector, Part::Text, Part::Head] {
            parts.entry(part).or_default().linear = Some(0);
        }
        for module in layout.modules.iter().filter(|module| module.kind == ModuleKind::Linear) {
            let count = parts.entry(Part::of(&module.path)).or_default();
            count.linear = Some(count.linear.unwrap_or(0) + 1);
        }
    }
    let saved = match &resolved {
        ResolvedAdapter::Lora { saved, .. } | ResolvedAdapter::Ia3 { saved, .. } => {
            saved.keys().cloned().collect()
        }
        ResolvedAdapter::PromptTuning { .. } | ResolvedAdapter::Bottleneck { .. } => Vec::new(),
    };
    let modules = adapted(&adapter.config, &resolved);
    for module in &modules {
        parts.entry(module.part).or_default().adapted += 1;
    }
    for path in &saved {
        parts.entry(Part::of(path)).or_default().saved += 1;
    }
    let (base, targets) = origin(&adapter.config);
    let method = match &adapter.config {
        AdapterConfig::Lora(lora) => match (lora.use_dora, lora.use_rslora) {
            (true, true) => "LORA (DoRA, rsLoRA)",
            (true, false) => "LORA (DoRA)",
            (false, true) => "LORA (rsLoRA)",
            (false, false) => "LORA",
        },
        config => config.method(),
    };
    Ok(Inspection {
        method: method.to_owned(),
        base: base.name_or_path,
        revision: base.revision,
        targets,
        parameters: adapter.tensors.values().map(|tensor| tensor.values.len() as u64).sum(),
        tensors: adapter.tensors.len(),
        virtual_tokens: match &adapter.config {
            AdapterConfig::PromptTuning(prompt) => Some(prompt.virtual_tokens),
            _ => None,
        },
        ranks: rank_table(&modules),
        parts,
        modules,
        saved,
        not_mergeable: can_merge(&adapter.config).err().map(|reason| reason.to_string()),
        ignored: adapter.ignored.clone(),
        metadata: adapter.metadata.clone(),
    })
}

impl Inspection {
    /// The `n` modules that differ most from doing nothing, the largest first.
    #[must_use]
    pub fn largest(&self, n: usize) -> Vec<&AdaptedModule> {
        let mut modules: Vec<&AdaptedModule> = self.modules.iter().collect();
        modules.sort_by(|a, b| b.norm.total_cmp(&a.norm).then_with(|| a.path.cmp(&b.path)));
        modules.truncate(n);
        modules
    }
}

fn origin(config: &AdapterConfig) -> (super::Base, Option<String>) {
    match config {
        AdapterConfig::Lora(lora) => (lora.base.clone(), Some(written(&lora.target))),
        AdapterConfig::Ia3(ia3) => (ia3.base.clone(), Some(written(&ia3.target))),
        AdapterConfig::PromptTuning(prompt) => (prompt.base.clone(), None),
        AdapterConfig::Bottleneck(bottleneck) => {
            (super::Base { name_or_path: bottleneck.model_name.clone(), revision: None }, None)
        }
    }
}

/// A pattern as it is, a list as names.
fn written(names: &Names) -> String {
    match names {
        Names::Pattern(pattern) => pattern.clone(),
        Names::List(list) => list.join(", "),
    }
}

/// One row for every rank and scale, the most modules first.
fn rank_table(modules: &[AdaptedModule]) -> Vec<RankRow> {
    let mut rows: Vec<RankRow> = Vec::new();
    for module in modules {
        let Some(rank) = module.rank else { continue };
        let same =
            |row: &&mut RankRow| (row.rank, row.alpha, row.scale) == (rank, module.alpha, module.scale);
        match rows.iter_mut().find(same) {
            Some(row) => row.modules += 1,
            None => rows.push(RankRow { rank, alpha: module.alpha, scale: module.scale, modules: 1 }),
        }
    }
    rows.sort_by(|a, b| b.modules.cmp(&a.modules).then(a.rank.cmp(&b.rank)));
    rows
}

fn adapted(config: &AdapterConfig, resolved: &ResolvedAdapter) -> Vec<AdaptedModule> {
    match resolved {
        ResolvedAdapter::Lora { modules, .. } => modules
            .iter()
            .map(|(path, lora)| {
                let magnitude = lora.magnitude.as_ref().map_or(0, |m| m.values.len());
                AdaptedModule {
                    path: path.clone(),
                    part: Part::of(path),
                    rank: Some(lora.rank),
                    alpha: Some(lora.alpha),
                    scale: Some(lora.scale),
                    parameters: (lora.a.values.len() + lora.b.values.len() + magnitude) as u64,
                    norm: lora.scale.abs() * product_norm(&lora.b, &lora.a, lora.rank),
                }
            })
            .collect(),
        ResolvedAdapter::Ia3 { modules, .. } => modules
            .iter()
            .map(|(path, ia3)| AdaptedModule {
                path: path.clone(),
                part: Part::of(path),
                rank: None,
                alpha: None,
                scale: None,
                parameters: ia3.vector.values.len() as u64,
                norm: norm(ia3.vector.values.iter().map(|&v| f64::from(v) - 1.0)),
            })
            .collect(),
        ResolvedAdapter::PromptTuning { .. } => Vec::new(),
        ResolvedAdapter::Bottleneck { layers } => {
            let scale = if let AdapterConfig::Bottleneck(config) = config { config.scaling } else { 1.0 };
            let places = layers.iter().flat_map(|(layer, places)| {
                let at = [("attention", places.attention.as_ref()), ("output", places.output.as_ref())];
                at.into_iter().filter_map(move |(at, tensors)| Some((*layer, at, tensors?)))
            });
            places.map(|(layer, at, tensors)| bottleneck(layer, at, tensors, scale)).collect()
        }
    }
}

fn bottleneck(layer: usize, at: &str, tensors: &BottleneckTensors, scale: f64) -> AdaptedModule {
    let BottleneckTensors { down_weight, down_bias, up_weight, up_bias } = tensors;
    let size = |tensor: &HostTensor| tensor.values.len() as u64;
    let whole = |tensor: &HostTensor| norm(tensor.values.iter().map(|&v| f64::from(v)));
    AdaptedModule {
        path: format!("layers.{layer}.{at}"),
        part: Part::Text,
        rank: down_weight.shape.first().copied(),
        alpha: None,
        scale: Some(scale),
        parameters: size(down_weight) + size(down_bias) + size(up_weight) + size(up_bias),
        norm: scale.abs() * whole(up_weight) * whole(down_weight),
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// ‖B·A‖ for `b` `[out, rank]` and `a` `[rank, in]`, without the product: ‖BA‖² = Σᵢⱼ (BᵀB)ᵢⱼ (AAᵀ)ᵢⱼ.
fn product_norm(b: &HostTensor, a: &HostTensor, rank: usize) -> f64 {
    let rows: Vec<&[f32]> = a.values.chunks_exact((a.values.len() / rank.max(1)).max(1)).collect();
    let mut square = 0.0;
    for i in 0..rank.min(rows.len()) {
        for j in 0..=i {
            let columns = b.values.chunks_exact(rank);
            let bb: f64 = columns.map(|row| f64::from(row[i]) * f64::from(row[j])).sum();
            let aa: f64 = rows[i].iter().zip(rows[j]).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            square += if i == j { bb * aa } else { 2.0 * bb * aa };
        }
    }
    // Rounding may leave a little less than nothing.
    square.max(0.0).sqrt()
}

/// The modules, width and number of layers that the adapter's own tensors speak of.
fn implied(adapter: &Adapter) -> (Vec<ModuleInfo>, usize, usize) {
    match &adapter.config {
        AdapterConfig::Lora(_) | AdapterConfig::Ia3(_) => (implied_modules(adapter), 0, 0),
        AdapterConfig::PromptTuning(prompt) => {
            let stored = adapter.tensors.get("prompt_embeddings").and_then(|t| t.shape.get(1)).copied();
            (Vec::new(), prompt.token_dim.or(stored).unwrap_or(0), prompt.layers.unwrap_or(0))
        }
        AdapterConfig::Bottleneck(bottleneck) => {
            let named = adapter
                .tensors
                .keys()
                .filter_map(|key| key.strip_prefix("layers.")?.split_once('.')?.0.parse::<usize>().ok());
            // A number that no model has would make the check list that many layers.
            let last =
                named.chain(bottleneck.leave_out.iter().copied()).filter(|&layer| layer < 10_000).max();
            (Vec::new(), bottleneck.hidden_size, last.map_or(0, |layer| layer + 1))
        }
    }
}

fn implied_modules(adapter: &Adapter) -> Vec<ModuleInfo> {
    let side = |key: &str, at: usize| adapter.tensors.get(key).and_then(|t| t.shape.get(at)).copied();
    let mut modules: BTreeMap<String, ModuleInfo> = BTreeMap::new();
    for (key, tensor) in &adapter.tensors {
        let Some(key) = key.strip_prefix(PREFIX) else { continue };
        let linear = |path: &str, input: usize, output: usize| ModuleInfo {
            path: path.to_owned(),
            kind: ModuleKind::Linear,
            input,
            output,
            bias: false,
        };
        let module = if let Some(path) = key.strip_suffix(".lora_A.weight") {
            let output = side(&format!("{PREFIX}{path}.lora_B.weight"), 0).unwrap_or(0);
            linear(path, tensor.shape.get(1).copied().unwrap_or(0), output)
        } else if let Some(path) = key.strip_suffix(".ia3_l") {
            let (rows, columns) = (tensor.shape.first(), tensor.shape.get(1));
            linear(path, columns.copied().unwrap_or(0), rows.copied().unwrap_or(0))
        } else if let Some(path) = key.strip_suffix(".weight").filter(|path| !path.contains(".lora_")) {
            let bias = adapter.tensors.contains_key(&format!("{PREFIX}{path}.bias"));
            let first = tensor.shape.first().copied().unwrap_or(0);
            let second = tensor.shape.get(1).copied().unwrap_or(0);
            let (kind, input, output) = match tensor.shape.len() {
                2 if path.ends_with("embed_tokens") || path.ends_with("position_embedding") => {
                    (ModuleKind::Embedding, first, second)
                }
                2 => (ModuleKind::Linear, second, first),
                1 => (ModuleKind::Norm, first, first),
                _ => (ModuleKind::Conv, second, first),
            };
            ModuleInfo { path: path.to_owned(), kind, input, output, bias }
        } else {
            continue;
        };
        modules.insert(module.path.clone(), module);
    }
    modules.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_of_a_product_is_that_of_the_product() {
        let (out, rank, input) = (5, 3, 4);
        let value = |i: usize| ((i * 37 + 11) as f32 * 0.71).sin();
        let b = HostTensor::new(vec![out, rank], (0..out * rank).map(value).collect()).unwrap();
        let a =
            HostTensor::new(vec![rank, input], (0..rank * input).map(|i| value(i + 99)).collect()).unwrap();
        let mut square = 0.0;
        for o in 0..out {
            for i in 0..input {
                let sum: f64 = (0..rank)
                    .map(|r| f64::from(b.values[o * rank + r]) * f64::from(a.values[r * input + i]))
                    .sum();
                square += sum * sum;
            }
        }
        assert!((product_norm(&b, &a, rank) - square.sqrt()).abs() < 1e-12);
        let zero = HostTensor::zeros(vec![out, rank]).unwrap();
        assert_eq!(product_norm(&zero, &a, rank), 0.0);
    }

    #[test]
    fn parts_are_told_by_whole_names() {
        assert_eq!(Part::of("model.text_model.layers.0.mlp.up_proj"), Part::Text);
        assert_eq!(Part::of("model.vision_model.encoder.layers.0.mlp.fc1"), Part::Vision);
        assert_eq!(Part::of("model.connector.modality_projection.proj"), Part::Connector);
        assert_eq!(Part::of("lm_head"), Part::Head);
        assert_eq!(Part::of("model.text_models.x"), Part::Other);
    }
}
