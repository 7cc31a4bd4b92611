//! Question-answer pairs of a scene: drawn, gated, balanced, put into words and checked.
//!
//! The random numbers of a scene are keyed by seed and [`Scene::id`] alone: the pairs of a scene are the same whichever shard, order
//! or machine makes them. Shares follow SpatialVLM (arXiv 2401.12168): half qualitative, half quantitative.

mod draw;
pub(crate) mod hash;
mod prior;
mod run;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use plumb_scene::Scene;
use plumb_scene::labels::plural;

pub use prior::Prior;
pub(crate) use prior::{phrase, said_noun};
pub use words::{render_chain, render_texts};

use crate::gates::{Gates, Reject};
use crate::kind::Kind;
use crate::mention::{MentionOptions, Mentions, ReferenceMode};
use crate::number::LengthStyle;
use crate::pair::QaPair;
use crate::scene_index::SceneIndex;
use crate::template::Templates;
use run::Run;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    pub seed: u64,
    /// Most pairs of a scene. SpatialVLM has 200 an image.
    pub per_image: usize,
    pub kinds: Vec<Kind>,
    pub mode: ReferenceMode,
    pub gates: Gates,
    pub mentions: MentionOptions,
    pub lengths: LengthStyle,
    /// Share of the pairs whose answer is a length, as far as the scene has both sorts; 0 to 1.
    pub quantitative_share: f64,
    /// How far above 1/2 a guess from the nouns may be right, where a [`Prior`] is given; 0 to 0.5.
    pub max_blind_excess: f64,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            per_image: 200,
            kinds: Kind::ALL.to_vec(),
            mode: ReferenceMode::Text,
            gates: Gates::default(),
            mentions: MentionOptions::default(),
            lengths: LengthStyle::default(),
            quantitative_share: 0.5,
            max_blind_excess: 0.1,
        }
    }
}

/// What became of the draws of one or more scenes.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GenerateReport {
    /// Pairs by type.
    pub emitted: BTreeMap<Kind, u64>,
    pub draws: u64,
    /// Refused by a gate, by reason.
    pub rejected: BTreeMap<Reject, u64>,
    /// Asked before in the same scene.
    pub duplicates: u64,
    /// Thinned out because the nouns give the answer away.
    pub limited: u64,
    /// Pairs that the verifier contradicted, and which were dropped: each is a defect of this program.
    pub failures: u64,
}

impl GenerateReport {
    /// All pairs.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.emitted.values().sum()
    }

    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.emitted {
            *self.emitted.entry(*kind).or_default() += count;
        }
        for (reason, count) in &other.rejected {
            *self.rejected.entry(*reason).or_default() += count;
        }
        self.draws += other.draws;
        self.duplicates += other.duplicates;
        self.limited += other.limited;
        self.failures += other.failures;
    }
}

/// Makes pairs of scenes.
#[derive(Clone, Debug)]
pub struct Generator<'t> {
    templates: &'t Templates,
    options: GenerateOptions,
    prior: Option<Prior>,
}

impl<'t> Generator<'t> {
    #[must_use]
    pub fn new(templates: &'t Templates, options: GenerateOptions) -> Self {
        Self { templates, options, prior: None }
    }

    /// The second pass: with what [`Prior::observe`] counted in the first.
    #[must_use]
    pub fn with_prior(self, prior: Prior) -> Self {
        Self { prior: Some(prior), ..self }
    }

    #[must_use]
    pub fn options(&self) -> &GenerateOptions {
        &self.options
    }

    /// The pairs of a scene.
    #[must_use]
    pub fn generate(&self, scene: &Scene) -> Vec<QaPair> {
        let mut pairs = Vec::with_capacity(self.options.per_image.min(4096));
        self.for_each(scene, |pair| pairs.push(pair));
        pairs
    }

    /// Hands over the pairs of a scene one by one.
    pub fn for_each(&self, scene: &Scene, take: impl FnMut(QaPair)) -> GenerateReport {
        let index = SceneIndex::new(scene);
        let mentions = Mentions::new(scene, &self.options.mentions);
        let mut run = Run::new(self, &index, &mentions);
        run.all(take);
        run.report
    }
}
