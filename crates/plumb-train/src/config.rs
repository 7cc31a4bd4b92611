//! What a training run is: read from TOML, written beside its results.

use std::collections::BTreeSet;
use std::path::PathBuf;

use plumb_bench::PromptPreset;
use plumb_nn::Precision;
use plumb_vlm::ModelConfig;
use serde::{Deserialize, Serialize};

use crate::data::{BatchOptions, LetterForm};
use crate::error::{Result, TrainError};
use crate::optimizer::{AdamWConfig, Decay};
use crate::peft::{
    AdapterConfig, Base, BottleneckConfig, BottleneckVariant, Ia3Config, LoraConfig, Names,
    PromptTuningConfig, Reduction, TEXT_AND_VISION_TARGETS, TEXT_TARGETS, VISION_TARGETS,
};

/// A training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// A checkpoint folder or a hub id.
    #[serde(default)]
    pub model: String,
    /// The run's folder.
    #[serde(default)]
    pub out: PathBuf,
    #[serde(default)]
    pub method: MethodConfig,
    #[serde(default)]
    pub data: Vec<DataConfig>,
    /// Optimiser steps; from `epochs` where absent.
    #[serde(default)]
    pub steps: Option<u64>,
    /// Times that the first source is seen, where `steps` is absent.
    #[serde(default = "one")]
    pub epochs: f64,
    /// Micro-batches of one optimiser step.
    #[serde(default = "one_u32")]
    pub accumulate: u32,
    #[serde(default)]
    pub batch: BatchOptions,
    /// Questions of one picture that are shown together.
    #[serde(default = "one_usize")]
    pub questions_per_image: usize,
    #[serde(default)]
    pub seed: u64,
    /// Working size of images in pixels; one tile's side by default, so that a picture is one frame.
    #[serde(default)]
    pub longest_edge: Option<u32>,
    /// The type of frozen weights; the file's own by default.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// The type that the finished model is stored in (full fine-tuning); the base's own by default.
    #[serde(default)]
    pub save_as: Option<Precision>,
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    #[serde(default)]
    pub augment: AugmentConfig,
    #[serde(default)]
    pub loss: LossConfig,
    #[serde(default)]
    pub evaluate: EvaluateConfig,
    #[serde(default)]
    pub checkpoint: CheckpointConfig,
    /// Computes each block again in the backward pass: a third more time, memory flat with depth. By itself where the
    /// intermediate results of a step would take more than a GiB.
    #[serde(default)]
    pub recompute: Option<bool>,
    /// Mebibytes of image features that are kept while the tower is frozen.
    #[serde(default = "cache_mib")]
    pub cache_mib: u64,
}

fn one() -> f64 {
    1.0
}

fn one_u32() -> u32 {
    1
}

fn one_usize() -> usize {
    1
}

fn cache_mib() -> u64 {
    1024
}

/// What learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MethodConfig {
    Lora {
        #[serde(default = "rank")]
        rank: usize,
        /// Twice the rank where absent.
        #[serde(default)]
        alpha: Option<f64>,
        #[serde(default)]
        dropout: f64,
        #[serde(default)]
        targets: Targets,
        #[serde(default)]
        rslora: bool,
        #[serde(default)]
        dora: bool,
        #[serde(default)]
        rank_pattern: Vec<(String, usize)>,
        #[serde(default)]
        alpha_pattern: Vec<(String, f64)>,
        /// Modules that learn whole.
        #[serde(default)]
        save: Vec<String>,
    },
    Ia3 {},
    PromptTuning {
        #[serde(default = "virtual_tokens")]
        tokens: usize,
    },
    Bottleneck {
        #[serde(default)]
        variant: Variant,
        #[serde(default = "reduction")]
        reduction: f64,
    },
    /// Chosen parts of the model itself.
    Full {
        parts: BTreeSet<ModelPart>,
    },
}

fn rank() -> usize {
    8
}

fn virtual_tokens() -> usize {
    20
}

fn reduction() -> f64 {
    16.0
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self::Lora {
            rank: rank(),
            alpha: None,
            dropout: 0.0,
            targets: Targets::default(),
            rslora: false,
            dora: false,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            save: Vec::new(),
        }
    }
}

/// Which linear layers LoRA attaches to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// The seven of every text layer.
    #[default]
    Text,
    /// The six of every vision layer.
    Vision,
    TextAndVision,
    /// A regular expression for the whole path.
    Pattern(String),
    /// Names, as PEFT's list.
    Names(Vec<String>),
}

impl Targets {
    fn names(&self) -> Names {
        match self {
            Self::Text => Names::Pattern(TEXT_TARGETS.into()),
            Self::Vision => Names::Pattern(VISION_TARGETS.into()),
            Self::TextAndVision => Names::Pattern(TEXT_AND_VISION_TARGETS.into()),
            Self::Pattern(pattern) => Names::Pattern(pattern.clone()),
            Self::Names(names) => Names::List(names.clone()),
        }
    }
}

/// Where bottlenecks sit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variant {
    #[default]
    #[serde(rename = "seq_bn")]
    Sequential,
    #[serde(rename = "double_seq_bn")]
    DoubleSequential,
    #[serde(rename = "par_bn")]
    Parallel,
}

/// A part of the model that can learn whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelPart {
    Vision,
    Connector,
    /// The layers and the last norm of the language model.
    Text,
    Embedding,
    Head,
}

impl ModelPart {
    /// The part that a tensor of the checkpoint belongs to.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [
            ("model.vision_model.", Self::Vision),
            ("model.connector.", Self::Connector),
            ("model.text_model.embed_tokens.", Self::Embedding),
            ("model.text_model.", Self::Text),
            ("lm_head.", Self::Head),
        ]
        .into_iter()
        .find_map(|(prefix, part)| name.starts_with(prefix).then_some(part))
    }
}

impl MethodConfig {
    /// The adapter's configuration, `None` for full fine-tuning.
    #[must_use]
    pub fn adapter(&self, model: &ModelConfig, name_or_path: Option<&str>) -> Option<AdapterConfig> {
        let base = Base { name_or_path: name_or_path.map(str::to_owned), revision: None };
        let h = model.text.hidden;
        Some(match self {
            Self::Lora { rank, alpha, dropout, targets, rslora, dora, rank_pattern, alpha_pattern, save } => {
                AdapterConfig::Lora(LoraConfig {
                    r: *rank,
                    alpha: alpha.unwrap_or(2.0 * *rank as f64),
                    rank_pattern: rank_pattern.clone(),
                    alpha_pattern: alpha_pattern.clone(),
                    use_rslora: *rslora,
                    use_dora: *dora,
                    dropout: *dropout,
                    target: targets.names(),
                    save: save.clone(),
                    base,
                    ..LoraConfig::default()
                })
            }
            Self::Ia3 {} => AdapterConfig::Ia3(Ia3Config {
                target: Names::Pattern(
                    r"model\.text_model\.layers\.\d+\.(self_attn\.(k|v)_proj|mlp\.down_proj)".into(),
                ),
                feedforward: Names::Pattern(r"model\.text_model\.layers\.\d+\.mlp\.down_proj".into()),
                exclude: None,
                save: Vec::new(),
                base,
            }),
            Self::PromptTuning { tokens } => AdapterConfig::PromptTuning(PromptTuningConfig {
                virtual_tokens: *tokens,
                token_dim: Some(h),
                layers: Some(model.text.layers),
                heads: Some(model.text.heads),
                base,
            }),
            Self::Bottleneck { variant, reduction } => {
                let variant = match variant {
                    Variant::Sequential => BottleneckVariant::Sequential,
                    Variant::DoubleSequential => BottleneckVariant::DoubleSequential,
                    Variant::Parallel => BottleneckVariant::Parallel,
                };
                let mut config = BottleneckConfig::new(variant, h, "plumbline");
                config.reduction = Reduction::all(*reduction);
                config.model_name = name_or_path.map(str::to_owned);
                AdapterConfig::Bottleneck(config)
            }
            Self::Full { .. } => return None,
        })
    }

    /// The tensors of the model itself that learn in full fine-tuning.
    #[must_use]
    pub fn full_names(&self, model: &ModelConfig) -> BTreeSet<String> {
        let Self::Full { parts } = self else { return BTreeSet::new() };
        let names = model.tensors().into_iter().map(|(name, _)| name);
        names.filter(|name| ModelPart::of(name).is_some_and(|part| parts.contains(&part))).collect()
    }
}

/// One data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    pub path: PathBuf,
    /// Its share of the tokens; only ratios count.
    #[serde(default = "one")]
    pub weight: f64,
    /// Whether it is spatial data, for the `spatialvlm` mixture.
    #[serde(default)]
    pub spatial: bool,
    /// Folder that image paths are relative to, where it is not the file's.
    #[serde(default)]
    pub images: Option<PathBuf>,
    /// Asks multiple-choice records of plumb-qa files as a benchmark would (`prompt`, `letters`), with its boxes.
    #[serde(default)]
    pub as_benchmark: bool,
    /// Only records of these types; all where empty.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// How the right option of a multiple-choice row is said.
    #[serde(default)]
    pub letters: LetterForm,
    /// How questions of benchmark rows are put.
    #[serde(default)]
    pub prompt: PromptPreset,
}

/// The optimiser and the learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The peak.
    pub lr: f64,
    /// Of the vision tower, where it is not `lr`.
    pub vision_lr: Option<f64>,
    /// Of the connector, where it is not `lr`.
    pub connector_lr: Option<f64>,
    /// Share of the steps that the rate rises over (below 1), or steps.
    pub warmup: f64,
    pub decay: Decay,
    pub adamw: AdamWConfig,
    /// The largest norm of the gradient; 0 for no clipping.
    pub clip: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            lr: 1e-4,
            vision_lr: None,
            connector_lr: None,
            warmup: 0.03,
            decay: Decay::Cosine,
            adamw: AdamWConfig::default(),
            clip: 1.0,
        }
    }
}

impl OptimizerConfig {
    /// Steps of the warm-up.
    #[must_use]
    pub fn warmup_steps(&self, total: u64) -> u64 {
        let steps = if self.warmup < 1.0 { self.warmup * total as f64 } else { self.warmup };
        steps.round() as u64
    }

    /// The peak rate of a tensor.
    #[must_use]
    pub fn peak(&self, name: &str) -> f64 {
        match ModelPart::of(name) {
            Some(ModelPart::Vision) => self.vision_lr.unwrap_or(self.lr),
            Some(ModelPart::Connector) => self.connector_lr.unwrap_or(self.lr),
            _ => self.lr,
        }
    }
}

/// What is done to samples on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// How often a picture is mirrored, left and right swapped in the words.
    pub flip: f64,
    /// How often a picture is cropped, where its geometry is known.
    pub crop: f64,
    /// Standard deviation of what is added to lengths before they are said, in metres.
    pub noise_m: f64,
    /// Standard deviation of the logarithm of the factor that lengths are multiplied by.
    pub noise_log: f64,
    /// Draws the noise anew each epoch.
    pub noise_per_epoch: bool,
}

/// Losses beside the cross entropy of the answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    pub distil: Option<DistilConfig>,
    pub margin: Option<MarginConfig>,
    pub depth: Option<DepthConfig>,
}

/// A teacher of the same tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistilConfig {
    /// A checkpoint folder.
    pub teacher: PathBuf,
    /// The weight of the labels; the rest is the teacher's.
    #[serde(default = "half")]
    pub alpha: f64,
    #[serde(default = "two")]
    pub temperature: f64,
    /// The weight of matching the teacher's image features; 0 for none.
    #[serde(default)]
    pub features: f64,
}

fn half() -> f64 {
    0.5
}

fn two() -> f64 {
    2.0
}

/// The margin between a right and a wrong answer letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarginConfig {
    pub margin: f64,
    pub weight: f64,
}

impl Default for MarginConfig {
    fn default() -> Self {
        Self { margin: 1.0, weight: 0.1 }
    }
}

/// The auxiliary depth head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DepthConfig {
    /// The text layer whose output is read, from 1; the middle one where absent.
    pub layer: Option<usize>,
    /// Values along one side of a token.
    pub pixels: usize,
    pub weight: f64,
    /// Weight, beside the depth itself, of the order of the objects that are asked about; 0 for none.
    pub ranking: f64,
    /// By how much the farther one's log-depth is to be the greater.
    pub margin: f64,
}

impl Default for DepthConfig {
    fn default() -> Self {
        Self { layer: None, pixels: 4, weight: 0.2, ranking: 0.5, margin: 0.0 }
    }
}

/// Looking at the model while it learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Steps between evaluations; 0 for none.
    pub every: u64,
    /// Share of the pictures that is held out.
    pub held_out: f64,
    /// Most held-out samples of one evaluation.
    pub samples: usize,
    /// Held-out samples that the model answers aloud each time.
    pub answers: usize,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self { every: 100, held_out: 0.02, samples: 64, answers: 4 }
    }
}

/// Saving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Steps between checkpoints; 0 for the last alone.
    pub every: u64,
    /// How many are kept beside the best.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 200, keep: 2 }
    }
}

impl TrainConfig {
    /// Reads and checks TOML.
    ///
    /// # Errors
    /// Malformed TOML, unknown fields, numbers out of range; the message names the field.
    pub fn from_toml(file: &str, text: &str) -> Result<Self> {
        let config = Self::draft(file, text)?;
        config.check(file)?;
        Ok(config)
    }

    /// As [`Self::from_toml`] of a file that need not be whole: what it lacks is filled in before [`Self::check`].
    ///
    /// # Errors
    /// Malformed TOML and unknown fields.
    pub fn draft(file: &str, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| TrainError::Config { file: file.to_owned(), reason: e.to_string() })
    }

    /// The run as TOML.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self)
            .map_err(|e| TrainError::Config { file: "the run".into(), reason: e.to_string() })
    }

    /// The type that the weights are loaded in: a model that learns itself begins without rounding.
    #[must_use]
    pub fn load_precision(&self) -> Option<Precision> {
        match self.method {
            MethodConfig::Full { .. } => self.precision.or(Some(Precision::F32)),
            _ => self.precision,
        }
    }

    /// # Errors
    /// [`TrainError::Config`] with the field and what was expected.
    pub fn check(&self, file: &str) -> Result<()> {
        let fail = |reason: String| Err(TrainError::Config { file: file.to_owned(), reason });
        if self.model.is_empty() {
            return fail("model names no checkpoint".into());
        }
        if self.out.as_os_str().is_empty() {
            return fail("out names no folder for the run".into());
        }
        let o = &self.optimizer;
        for (field, value) in [
            ("optimizer.lr", Some(o.lr)),
            ("optimizer.vision_lr", o.vision_lr),
            ("optimizer.connector_lr", o.connector_lr),
        ] {
            if value.is_some_and(|v| !(v.is_finite() && v >= 0.0)) {
                return fail(format!("{field} is {value:?}, expected a number from 0"));
            }
        }
        if !(o.warmup.is_finite() && o.warmup >= 0.0 && o.clip.is_finite() && o.clip >= 0.0) {
            return fail("optimizer.warmup and optimizer.clip must be numbers from 0".into());
        }
        let a = &o.adamw;
        let share = |v: f64| (0.0..1.0).contains(&v);
        if !(share(a.beta1) && share(a.beta2) && a.eps > 0.0 && a.weight_decay >= 0.0) {
            return fail(
                "optimizer.adamw: betas are numbers from 0 to below 1, eps is above 0, weight_decay from 0"
                    .into(),
            );
        }
        if self.data.is_empty() {
            return fail("data names no data set".into());
        }
        if !(self.epochs.is_finite() && self.epochs > 0.0) || self.steps == Some(0) || self.accumulate == 0 {
            return fail("epochs, steps and accumulate must be above 0".into());
        }
        if let MethodConfig::Lora { rank, dropout, .. } = &self.method
            && (*rank == 0 || !share(*dropout))
        {
            return fail("method: rank is at least 1 and dropout a share from 0 to below 1".into());
        }
        if let MethodConfig::Full { parts } = &self.method
            && parts.is_empty()
        {
            return fail("method.parts names no part of the model".into());
        }
        if let Some(d) = &self.loss.distil
            && !((0.0..=1.0).contains(&d.alpha) && d.temperature > 0.0 && d.features >= 0.0)
        {
            return fail(
                "loss.distil: alpha is a share from 0 to 1, temperature above 0, features from 0".into(),
            );
        }
        if let Some(d) = &self.loss.depth
            && !((1..=64).contains(&d.pixels)
                && [d.weight, d.ranking, d.margin].iter().all(|v| v.is_finite() && *v >= 0.0))
        {
            return fail(
                "loss.depth: pixels is a number from 1 to 64, weight, ranking and margin are numbers from 0"
                    .into(),
            );
        }
        if let Some(m) = &self.loss.margin
            && ![m.margin, m.weight].iter().all(|v| v.is_finite() && *v >= 0.0)
        {
            return fail("loss.margin: margin and weight are numbers from 0".into());
        }
        if !(0.0..1.0).contains(&self.evaluate.held_out) {
            return fail(format!(
                "evaluate.held_out is {}, expected a share from 0 to below 1",
                self.evaluate.held_out
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = r#"
        model = "models/small"
        out = "runs/one"
        [[data]]
        path = "data/train.jsonl"
    "#;

    #[test]
    fn the_shortest_file_takes_the_defaults_and_round_trips() {
        let config = TrainConfig::from_toml("t.toml", SHORT).unwrap();
        assert_eq!(config.method, MethodConfig::default());
        assert_eq!(config.optimizer.warmup_steps(1000), 30);
        let again = TrainConfig::from_toml("t.toml", &config.to_toml().unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn every_method_can_be_written() {
        for method in [
            "kind = \"lora\"\nrank = 4\ntargets = \"text_and_vision\"\ndora = true",
            "kind = \"lora\"\ntargets = { names = [\"q_proj\"] }",
            "kind = \"ia3\"",
            "kind = \"prompt_tuning\"\ntokens = 5",
            "kind = \"bottleneck\"\nvariant = \"par_bn\"",
            "kind = \"full\"\nparts = [\"vision\", \"head\"]",
        ] {
            let text = format!("{SHORT}\n[method]\n{method}");
            let config = TrainConfig::from_toml("t.toml", &text).unwrap();
            assert_eq!(TrainConfig::from_toml("t.toml", &config.to_toml().unwrap()).unwrap(), config);
        }
    }

    #[test]
    fn wrong_values_are_named() {
        for (more, word) in [
            ("[optimizer]\nlr = -1.0", "optimizer.lr"),
            ("[optimizer]\nrate = 1.0", "rate"),
            ("[method]\nkind = \"lora\"\nrank = 0", "rank"),
            ("[method]\nkind = \"full\"\nparts = []", "parts"),
            ("[evaluate]\nheld_out = 1.5", "held_out"),
            ("[method]\nkind = \"loraa\"", "loraa"),
        ] {
            let error =
                TrainConfig::from_toml("t.toml", &format!("{SHORT}\n{more}")).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("t.toml"), "{error}");
        }
    }

    #[test]
    fn parts_cover_every_tensor() {
        for name in
            ["model.vision_model.a", "model.connector.b", "model.text_model.norm.weight", "lm_head.weight"]
        {
            assert!(ModelPart::of(name).is_some());
        }
        assert_eq!(ModelPart::of("model.text_model.embed_tokens.weight"), Some(ModelPart::Embedding));
    }
}
