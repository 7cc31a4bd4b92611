//! Arguments of `train`: a configuration file, and flags that stand above it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use plumb_engine::{DeviceChoice, demo};
use plumb_train::config::{DataConfig, MethodConfig, ModelPart, Targets, TrainConfig, Variant};
use plumb_train::run::CONFIG_FILE;

use crate::args::Dtype;

#[derive(clap::Args)]
pub(crate) struct Train {
    /// A run's description in TOML (docs/training.md); flags stand above it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A folder in Hugging Face layout, a hub id, or demo
    #[arg(long, value_name = "FOLDER|ID|demo")]
    model: Option<String>,
    /// A data set (plumb-qa Parquet or JSONL, CV-Bench, LLaVA JSON, messages JSONL) and its share of the tokens; may be repeated
    #[arg(long, value_name = "FILE[:WEIGHT]", value_parser = data)]
    data: Vec<(PathBuf, f64)>,
    /// lora, rslora, dora, ia3, prompt-tuning, seq-bn, double-seq-bn, par-bn, or full:PART,… of vision, connector, text, embedding, head
    #[arg(long, value_parser = method)]
    method: Option<MethodChoice>,
    /// Rank of LoRA
    #[arg(long)]
    rank: Option<usize>,
    /// LoRA's alpha; twice the rank by default
    #[arg(long)]
    alpha: Option<f64>,
    /// LoRA's dropout
    #[arg(long)]
    dropout: Option<f64>,
    /// Layers that LoRA attaches to: text, vision, text-and-vision, or a regular expression of whole paths
    #[arg(long, value_parser = targets)]
    targets: Option<Targets>,
    /// Virtual tokens of prompt tuning
    #[arg(long, value_name = "N")]
    virtual_tokens: Option<usize>,
    /// By how much a bottleneck is narrower than the model
    #[arg(long)]
    reduction: Option<f64>,
    /// The peak learning rate
    #[arg(long)]
    lr: Option<f64>,
    /// Times that the first data set is seen
    #[arg(long, conflicts_with = "steps")]
    epochs: Option<f64>,
    /// Optimiser steps, instead of epochs
    #[arg(long)]
    steps: Option<u64>,
    /// Samples of a micro-batch
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Micro-batches of one step
    #[arg(long, value_name = "N")]
    accumulate: Option<u32>,
    /// Questions of one picture that are learned together, so that it goes through the vision tower once
    #[arg(long, value_name = "N")]
    questions_per_image: Option<usize>,
    /// How often a picture is mirrored, left and right swapped in its words (0 to 1)
    #[arg(long, value_name = "P")]
    flip: Option<f64>,
    /// Share of the pictures that is held out for evaluation
    #[arg(long, value_name = "SHARE")]
    held_out: Option<f64>,
    /// Steps between evaluations; 0 for none
    #[arg(long, value_name = "STEPS")]
    eval_every: Option<u64>,
    /// Steps between checkpoints; 0 for the last alone
    #[arg(long, value_name = "STEPS")]
    save_every: Option<u64>,
    #[arg(long)]
    seed: Option<u64>,
    /// The run's folder
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Type of the frozen weights; by default the file's own, f16 for f32 files. What learns is f32 always
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// Working size of images in pixels; by default the side of one tile, so that a picture is one frame
    #[arg(long, value_name = "PIXELS")]
    longest_edge: Option<u32>,
    /// auto, cpu, gpu or gpu:N (see `plumbline doctor`)
    #[arg(long, default_value_t, value_name = "DEVICE")]
    pub(crate) device: DeviceChoice,
    /// Go on where the run in --out stopped; without --config its own description is read
    #[arg(long)]
    pub(crate) resume: bool,
    /// Show what would learn, the memory it takes and a sample as it would be learned; make no step
    #[arg(long, conflicts_with = "resume")]
    pub(crate) dry_run: bool,
    /// Events as JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MethodChoice {
    Lora { rslora: bool, dora: bool },
    Ia3,
    PromptTuning,
    Bottleneck(Variant),
    Full(BTreeSet<ModelPart>),
}

fn method(text: &str) -> Result<MethodChoice, String> {
    Ok(match text {
        "lora" => MethodChoice::Lora { rslora: false, dora: false },
        "rslora" => MethodChoice::Lora { rslora: true, dora: false },
        "dora" => MethodChoice::Lora { rslora: false, dora: true },
        "ia3" => MethodChoice::Ia3,
        "prompt-tuning" => MethodChoice::PromptTuning,
        "seq-bn" => MethodChoice::Bottleneck(Variant::Sequential),
        "double-seq-bn" => MethodChoice::Bottleneck(Variant::DoubleSequential),
        "par-bn" => MethodChoice::Bottleneck(Variant::Parallel),
        _ => {
            let parts = text.strip_prefix("full:").ok_or_else(|| {
                format!(
                    "{text:?} is no method; expected lora, rslora, dora, ia3, prompt-tuning, seq-bn, double-seq-bn, par-bn or \
                     full:PART,…"
                )
            })?;
            MethodChoice::Full(parts.split(',').map(part).collect::<Result<_, _>>()?)
        }
    })
}

fn part(text: &str) -> Result<ModelPart, String> {
    match text {
        "vision" => Ok(ModelPart::Vision),
        "connector" => Ok(ModelPart::Connector),
        "text" => Ok(ModelPart::Text),
        "embedding" => Ok(ModelPart::Embedding),
        "head" => Ok(ModelPart::Head),
        _ => Err(format!(
            "{text:?} is no part of the model; expected vision, connector, text, embedding or head"
        )),
    }
}

// The same kind of answer as the other parsers of flags.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
fn targets(text: &str) -> Result<Targets, String> {
    Ok(match text {
        "text" => Targets::Text,
        "vision" => Targets::Vision,
        "text-and-vision" => Targets::TextAndVision,
        pattern => Targets::Pattern(pattern.to_owned()),
    })
}

fn data(text: &str) -> Result<(PathBuf, f64), String> {
    let whole = PathBuf::from(text);
    match text.rsplit_once(':') {
        Some((path, weight)) if !whole.exists() => match weight.parse::<f64>() {
            Ok(weight) if weight.is_finite() && weight > 0.0 => Ok((path.into(), weight)),
            Ok(weight) => Err(format!("the weight {weight} of {path} must be above 0")),
            // A drive's letter, or a path that does not exist, which will be said.
            Err(_) => Ok((whole, 1.0)),
        },
        _ => Ok((whole, 1.0)),
    }
}

impl Train {
    /// The run that file and flags describe, its paths absolute.
    pub(crate) fn settings(&self) -> anyhow::Result<TrainConfig> {
        let file = match (&self.config, &self.out) {
            (Some(file), _) => Some(file.clone()),
            (None, Some(out)) if self.resume => {
                let file = out.join(CONFIG_FILE);
                // With model and data at hand the same command begins the run and goes on with it.
                let begins = self.model.is_some() && !self.data.is_empty();
                if !file.exists() && !begins {
                    bail!("{} holds no training run to go on with: it has no {CONFIG_FILE}", out.display());
                }
                file.exists().then_some(file)
            }
            (None, None) if self.resume => bail!("--resume needs the run's folder: --out RUN"),
            (None, _) => None,
        };
        let mut config = match &file {
            Some(file) => {
                let shown = file.display().to_string();
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
                TrainConfig::draft(&shown, &text)?
            }
            None => TrainConfig::draft("the command line", "")?,
        };
        self.put(&mut config)?;
        for (missing, flag, what) in [
            (config.model.is_empty(), "--model", "the model to train"),
            (config.data.is_empty(), "--data", "what to learn from"),
            (config.out.as_os_str().is_empty(), "--out", "the run's folder"),
        ] {
            if missing {
                bail!("{flag} is missing: {what}, here or in the file given with --config");
            }
        }
        // The run describes itself to whoever goes on with it, from whatever folder.
        if config.model != demo::NAME && Path::new(&config.model).is_dir() {
            config.model = absolute(Path::new(&config.model))?.display().to_string();
        }
        config.out = absolute(&config.out)?;
        for data in &mut config.data {
            data.path = absolute(&data.path)?;
            data.images = data.images.as_deref().map(absolute).transpose()?;
        }
        if let Some(distil) = &mut config.loss.distil {
            distil.teacher = absolute(&distil.teacher)?;
        }
        let shown = file.map_or("the command line".to_owned(), |f| f.display().to_string());
        config.check(&shown)?;
        Ok(config)
    }

    fn put(&self, config: &mut TrainConfig) -> anyhow::Result<()> {
        fn set<T: Clone>(flag: Option<&T>, field: &mut T) {
            if let Some(value) = flag {
                field.clone_from(value);
            }
        }
        set(self.model.as_ref(), &mut config.model);
        set(self.out.as_ref(), &mut config.out);
        if !self.data.is_empty() {
            config.data = self
                .data
                .iter()
                .map(|(path, weight)| source(path, *weight))
                .collect::<anyhow::Result<_>>()?;
        }
        if let Some(choice) = &self.method {
            choose(choice, &mut config.method);
        }
        self.tune(&mut config.method)?;
        set(self.lr.as_ref(), &mut config.optimizer.lr);
        if let Some(epochs) = self.epochs {
            (config.epochs, config.steps) = (epochs, None);
        }
        config.steps = self.steps.or(config.steps);
        set(self.batch.as_ref(), &mut config.batch.samples);
        set(self.accumulate.as_ref(), &mut config.accumulate);
        set(self.questions_per_image.as_ref(), &mut config.questions_per_image);
        set(self.flip.as_ref(), &mut config.augment.flip);
        set(self.held_out.as_ref(), &mut config.evaluate.held_out);
        set(self.eval_every.as_ref(), &mut config.evaluate.every);
        set(self.save_every.as_ref(), &mut config.checkpoint.every);
        set(self.seed.as_ref(), &mut config.seed);
        config.precision = self.dtype.map(Into::into).or(config.precision);
        config.longest_edge = self.longest_edge.or(config.longest_edge);
        Ok(())
    }

    /// Flags of one method with another are a mistake that should not pass in silence.
    fn tune(&self, method: &mut MethodConfig) -> anyhow::Result<()> {
        let lora = self.rank.is_some() || self.alpha.is_some() || self.dropout.is_some();
        match method {
            MethodConfig::Lora { rank, alpha, dropout, targets, .. } => {
                *rank = self.rank.unwrap_or(*rank);
                *alpha = self.alpha.or(*alpha);
                *dropout = self.dropout.unwrap_or(*dropout);
                if let Some(chosen) = &self.targets {
                    targets.clone_from(chosen);
                }
            }
            _ if lora || self.targets.is_some() => {
                bail!("--rank, --alpha, --dropout and --targets belong to lora, rslora and dora");
            }
            _ => {}
        }
        match (method, self.virtual_tokens, self.reduction) {
            (MethodConfig::PromptTuning { tokens }, Some(n), None) => *tokens = n,
            (MethodConfig::Bottleneck { reduction, .. }, None, Some(factor)) => *reduction = factor,
            (_, None, None) => {}
            (_, Some(_), _) => bail!("--virtual-tokens belongs to prompt-tuning"),
            (_, _, Some(_)) => bail!("--reduction belongs to seq-bn, double-seq-bn and par-bn"),
        }
        Ok(())
    }
}

/// Takes up `choice`; what a file says about the same method stays.
fn choose(choice: &MethodChoice, method: &mut MethodConfig) {
    match (choice, &mut *method) {
        (MethodChoice::Lora { rslora, dora }, MethodConfig::Lora { rslora: r, dora: d, .. }) => {
            (*r, *d) = (*rslora, *dora);
        }
        (MethodChoice::Lora { .. }, _) => {
            *method = MethodConfig::default();
            choose(choice, method);
        }
        (MethodChoice::Ia3, _) => *method = MethodConfig::Ia3 {},
        (MethodChoice::PromptTuning, MethodConfig::PromptTuning { .. }) => {}
        (MethodChoice::PromptTuning, _) => *method = MethodConfig::PromptTuning { tokens: 20 },
        (MethodChoice::Bottleneck(chosen), MethodConfig::Bottleneck { variant, .. }) => *variant = *chosen,
        (MethodChoice::Bottleneck(variant), _) => {
            *method = MethodConfig::Bottleneck { variant: *variant, reduction: 16.0 };
        }
        (MethodChoice::Full(parts), _) => *method = MethodConfig::Full { parts: parts.clone() },
    }
}

/// A data set with everything but its path as a file that says no more would have it.
fn source(path: &Path, weight: f64) -> anyhow::Result<DataConfig> {
    let draft = TrainConfig::draft("--data", "[[data]]\npath = \"\"")?;
    let one = draft.data.into_iter().next().context("--data cannot be understood")?;
    Ok(DataConfig { path: path.to_owned(), weight, ..one })
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("the path {} cannot be used", path.display()))
}
