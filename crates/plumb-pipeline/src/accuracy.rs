//! How right the lift and the answers made from it are.
//!
//! A rendered scene is lifted from its own depth and masks, exact or made worse ([`Degradation`]); questions are generated from what was lifted, and each
//! answer is held to the truth that the renderer knows. Nothing of the truth but the masks' names goes into the lift: gravity is estimated.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use glam::DVec3;
use plumb_geometry::Gravity;
use plumb_qa::generate::{GenerateOptions, Generator};
use plumb_qa::{Answer, Kind, QaPair, SceneIndex, Templates, TruthValue, truth};
use plumb_scene::Scene;
use plumb_scene::lift::{LiftInput, LiftOptions, lift};
use plumb_scene::procedural::{RenderOptions, Rendered, render};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::noise::{Degradation, degrade};
use crate::{PipelineError, Result};

/// What to measure.
#[derive(Clone, Debug)]
pub struct AccuracyOptions {
    pub seed: u64,
    pub scenes: Range<u64>,
    pub render: RenderOptions,
    /// Pairs a scene.
    pub per_image: usize,
}

/// What was measured at one level.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Accuracy {
    pub scenes: u64,
    /// Scenes whose gravity was refused.
    pub refused: u64,
    /// Angle between estimated and true gravity, in degrees, ascending.
    pub gravity_error: Vec<f64>,
    /// Error of the height of boxes of whole, unhidden objects as a share of it, ascending.
    pub height_error: Vec<f64>,
    /// The same of the width.
    pub width_error: Vec<f64>,
    pub kinds: BTreeMap<Kind, KindAccuracy>,
    /// The first answers that are not right.
    pub wrong: Vec<String>,
}

/// Counts of one question type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindAccuracy {
    pub asked: u64,
    /// The same answer as the truth; a length: the truth is no farther from what was said than one rounding step.
    pub right: u64,
    /// Lengths within 10 % of the truth.
    pub close: u64,
}

const MOST_WRONG: usize = 60;

/// Measures one level.
///
/// # Errors
/// When a scene cannot be rendered or lifted at all.
pub fn measure(options: &AccuracyOptions, degradation: &Degradation) -> Result<Accuracy> {
    let templates = Templates::builtin()?;
    let generate =
        GenerateOptions { seed: options.seed, per_image: options.per_image, ..GenerateOptions::default() };
    let generator = Generator::new(templates, generate);
    let parts: Vec<Accuracy> = options
        .scenes
        .clone()
        .into_par_iter()
        .map(|index| one(options, degradation, &generator, index))
        .collect::<Result<_>>()?;
    let mut total = Accuracy::default();
    for part in parts {
        total.add(part);
    }
    for list in [&mut total.gravity_error, &mut total.height_error, &mut total.width_error] {
        list.sort_by(f64::total_cmp);
    }
    Ok(total)
}

fn one(
    options: &AccuracyOptions,
    degradation: &Degradation,
    generator: &Generator<'_>,
    index: u64,
) -> Result<Accuracy> {
    let rendered = render(options.seed, index, &options.render)?;
    let lifted = lift_degraded(&rendered, degradation, options.seed ^ index)?;
    let mut found = Accuracy { scenes: 1, ..Accuracy::default() };
    match (&lifted.gravity, rendered.scene.gravity.up()) {
        (Gravity::Known { .. }, Some(up)) => {
            let estimated = lifted.gravity.up().unwrap_or(DVec3::ZERO);
            // The sine of small angles is more exact than the cosine.
            found.gravity_error.push(estimated.cross(up).length().clamp(0.0, 1.0).asin().to_degrees());
            found.boxes(&rendered.scene, &lifted);
        }
        _ => found.refused = 1,
    }
    let truth_index = SceneIndex::new(&rendered.scene);
    generator.for_each(&lifted, |pair| found.judge(&truth_index, &pair, index));
    Ok(found)
}

/// The scene as it is lifted from degraded depth and masks.
///
/// # Errors
/// When hardly any depth is left.
pub fn lift_degraded(rendered: &Rendered, degradation: &Degradation, seed: u64) -> Result<Scene> {
    let (depth, masks) = degrade(&rendered.depth, &rendered.instances, degradation, seed)?;
    let input = LiftInput {
        image: &rendered.image,
        depth: &depth,
        camera: &rendered.scene.camera,
        instances: Some(&masks),
        instances_from: "masks",
        gravity: None,
        depth_from: "rendered",
    };
    let lift_options = LiftOptions {
        noise: degradation.expected(),
        mask_error: f64::from(degradation.mask),
        ..LiftOptions::default()
    };
    let mut scene = lift(&input, &lift_options).map_err(PipelineError::from)?.scene;
    scene.id = format!("{seed:016x}");
    Ok(scene)
}

impl Accuracy {
    fn add(&mut self, other: Self) {
        self.scenes += other.scenes;
        self.refused += other.refused;
        self.gravity_error.extend(other.gravity_error);
        self.height_error.extend(other.height_error);
        self.width_error.extend(other.width_error);
        for (kind, theirs) in other.kinds {
            let own = self.kinds.entry(kind).or_default();
            own.asked += theirs.asked;
            own.right += theirs.right;
            own.close += theirs.close;
        }
        let room = MOST_WRONG.saturating_sub(self.wrong.len());
        self.wrong.extend(other.wrong.into_iter().take(room));
    }

    fn boxes(&mut self, exact: &Scene, lifted: &Scene) {
        for object in &lifted.objects {
            let Some(real) = exact.index_of(object.id).and_then(|at| exact.objects.get(at)) else { continue };
            if real.flags.truncated || real.visible.is_some_and(|share| share < 0.98) {
                continue;
            }
            let (size, right) = (object.aabb.size(), real.aabb.size());
            self.height_error.push((size.z / right.z - 1.0).abs());
            self.width_error.push((size.x / right.x - 1.0).abs());
        }
    }

    fn judge(&mut self, index: &SceneIndex<'_>, pair: &QaPair, number: u64) {
        let counts = self.kinds.entry(pair.question.kind).or_default();
        counts.asked += 1;
        let right = truth(index, &pair.question);
        let (correct, close) = match (&right, &pair.answer) {
            (Err(_), _) => (false, false),
            (Ok(right), answer) => match (right.answer, answer) {
                (TruthValue::Length(right), Answer::Length(said)) => {
                    let off = (said.said_m - right.value).abs();
                    (off <= 2.0 * said.tolerance_m + 1e-9, off <= 0.1 * right.value)
                }
                (TruthValue::YesNo(a), Answer::YesNo(b)) => (a == *b, false),
                (TruthValue::Object(a), Answer::Object(b)) | (TruthValue::Option(a), Answer::Option(b)) => {
                    (a == *b, false)
                }
                (TruthValue::Side(a), Answer::Side(b)) => (a == *b, false),
                (TruthValue::Count(a), Answer::Count(b)) => (a == *b, false),
                (TruthValue::Clock(a), Answer::Clock(b)) => (a == *b, false),
                _ => (false, false),
            },
        };
        counts.right += u64::from(correct);
        counts.close += u64::from(close);
        if !correct && self.wrong.len() < MOST_WRONG {
            let real = match right {
                Ok(truth) => format!("{:?}", truth.answer),
                Err(reject) => reject.to_string(),
            };
            self.wrong.push(format!(
                "scene {number}, {}: {} / {} / truth {real} / {:?}",
                pair.question.kind, pair.question_text, pair.answer_text, pair.answer
            ));
        }
    }

    /// Share of right answers among those that are no lengths.
    #[must_use]
    pub fn qualitative(&self) -> (u64, u64) {
        self.sum(|kind| !kind.is_quantitative())
    }

    /// Share of lengths that are right to a rounding step.
    #[must_use]
    pub fn quantitative(&self) -> (u64, u64) {
        self.sum(Kind::is_quantitative)
    }

    fn sum(&self, which: impl Fn(Kind) -> bool) -> (u64, u64) {
        self.kinds
            .iter()
            .filter(|(kind, _)| which(**kind))
            .fold((0, 0), |(right, asked), (_, counts)| (right + counts.right, asked + counts.asked))
    }
}

fn at(list: &[f64], share: f64) -> f64 {
    let last = list.len().saturating_sub(1);
    list.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (right, asked) = self.qualitative();
        let (near, lengths) = self.quantitative();
        writeln!(
            f,
            "{} scenes, gravity refused in {}; qualitative {right}/{asked} = {:.3} %, lengths {near}/{lengths} = {:.3} %",
            self.scenes,
            self.refused,
            100.0 * right as f64 / asked.max(1) as f64,
            100.0 * near as f64 / lengths.max(1) as f64
        )?;
        for (what, list, unit) in [
            ("gravity", &self.gravity_error, "degrees"),
            ("height", &self.height_error, "share"),
            ("width", &self.width_error, "share"),
        ] {
            writeln!(
                f,
                "{what:<8} error: median {:.4}, 95th percentile {:.4}, largest {:.4} {unit} ({})",
                at(list, 0.5),
                at(list, 0.95),
                at(list, 1.0),
                list.len()
            )?;
        }
        for (kind, counts) in &self.kinds {
            let share = 100.0 * counts.right as f64 / counts.asked.max(1) as f64;
            write!(f, "{:<22} {:>8} {share:>8.2} %", kind.name(), counts.asked)?;
            if kind.is_quantitative() {
                write!(
                    f,
                    "  within 10 %: {:.1} %",
                    100.0 * counts.close as f64 / counts.asked.max(1) as f64
                )?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
