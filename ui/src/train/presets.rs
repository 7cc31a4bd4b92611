//! Recipes to begin with: a method and what goes well with it. Every field stays open to change.

use std::collections::BTreeSet;

use plumb_train::config::{MethodConfig, ModelPart, Targets, TrainConfig, Variant};
use serde::{Deserialize, Serialize};

/// A recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Preset {
    #[default]
    Quick,
    TextAndVision,
    Dora,
    Ia3,
    Prompt,
    Bottleneck,
    Connector,
    Full,
}

/// What a recipe sets beside its method.
struct Pace {
    lr: f64,
    steps: Option<u64>,
    batch: usize,
    accumulate: u32,
}

impl Preset {
    pub(crate) const ALL: [Self; 8] = [
        Self::Quick,
        Self::TextAndVision,
        Self::Dora,
        Self::Ia3,
        Self::Prompt,
        Self::Bottleneck,
        Self::Connector,
        Self::Full,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Quick => "Quick LoRA",
            Self::TextAndVision => "LoRA text + vision",
            Self::Dora => "DoRA",
            Self::Ia3 => "(IA)³",
            Self::Prompt => "Prompt tuning",
            Self::Bottleneck => "Bottleneck",
            Self::Connector => "Full connector",
            Self::Full => "Full model",
        }
    }

    pub(crate) fn hover(self) -> &'static str {
        match self {
            Self::Quick => {
                "Low-rank matrices on the language model, 60 steps: a first look at what training does"
            }
            Self::TextAndVision => {
                "Low-rank matrices on language model and vision tower, once through the data"
            }
            Self::Dora => "LoRA that learns the length of each row of the weights as well",
            Self::Ia3 => "One factor for each key, value and inner output: the fewest parameters",
            Self::Prompt => "Learned tokens before the prompt; the model itself stays as it is",
            Self::Bottleneck => "Small networks after the feed-forward part of every text block",
            Self::Connector => "The layer between vision and language learns whole",
            Self::Full => "Everything learns: the most memory, and the slowest",
        }
    }

    pub(crate) fn method(self) -> MethodConfig {
        let lora = |own_rank: usize, own_targets: Targets, with_dora: bool| {
            let mut method = MethodConfig::default();
            if let MethodConfig::Lora { rank, targets, dora, .. } = &mut method {
                (*rank, *targets, *dora) = (own_rank, own_targets, with_dora);
            }
            method
        };
        match self {
            Self::Quick => lora(8, Targets::Text, false),
            Self::TextAndVision => lora(16, Targets::TextAndVision, false),
            Self::Dora => lora(8, Targets::Text, true),
            Self::Ia3 => MethodConfig::Ia3 {},
            Self::Prompt => MethodConfig::PromptTuning { tokens: 20 },
            Self::Bottleneck => MethodConfig::Bottleneck { variant: Variant::Sequential, reduction: 16.0 },
            Self::Connector => MethodConfig::Full { parts: BTreeSet::from([ModelPart::Connector]) },
            Self::Full => MethodConfig::Full {
                parts: BTreeSet::from([
                    ModelPart::Vision,
                    ModelPart::Connector,
                    ModelPart::Text,
                    ModelPart::Embedding,
                    ModelPart::Head,
                ]),
            },
        }
    }

    fn pace(self) -> Pace {
        let (lr, steps, batch, accumulate) = match self {
            Self::Quick => (5e-4, Some(60), 8, 1),
            Self::TextAndVision | Self::Dora => (2e-4, None, 8, 2),
            Self::Ia3 => (3e-3, None, 8, 2),
            Self::Prompt => (1e-2, None, 8, 2),
            Self::Bottleneck | Self::Connector => (1e-4, None, 8, 2),
            Self::Full => (1e-5, None, 2, 8),
        };
        Pace { lr, steps, batch, accumulate }
    }

    /// Puts the recipe into `config`; model, data and folder stay.
    pub(crate) fn apply(self, config: &mut TrainConfig) {
        let Pace { lr, steps, batch, accumulate } = self.pace();
        config.method = self.method();
        config.steps = steps;
        config.epochs = 1.0;
        config.accumulate = accumulate;
        config.batch.samples = batch;
        config.optimizer.lr = lr;
        (config.optimizer.vision_lr, config.optimizer.connector_lr) = (None, None);
        config.recompute = (self == Self::Full).then_some(true);
        // A short run is looked at while it goes.
        let quick = steps.is_some();
        config.evaluate.every = if quick { 20 } else { 100 };
        config.evaluate.samples = if quick { 16 } else { 64 };
        config.evaluate.held_out = if quick { 0.1 } else { 0.02 };
        config.checkpoint.every = if quick { 20 } else { 200 };
    }
}

/// The word for a method in the names of folders.
pub(crate) fn word(method: &MethodConfig) -> &'static str {
    match method {
        MethodConfig::Lora { dora: true, .. } => "dora",
        MethodConfig::Lora { .. } => "lora",
        MethodConfig::Ia3 {} => "ia3",
        MethodConfig::PromptTuning { .. } => "prompt",
        MethodConfig::Bottleneck { .. } => "bottleneck",
        MethodConfig::Full { .. } => "full",
    }
}
