//! The losses beside the cross entropy of a run: from its options and its samples to the parts of an
//! [`Objective`](crate::loss::Objective).
//!
//! | loss | of which samples |
//! |---|---|
//! | margin | answers that have a wrong one beside them: another option, the other side, no for yes |
//! | depth | pictures of one frame that have an exact depth map where `plumbline scenes` puts it |
//! | order of depth | of those, questions about which object is nearer |
//! | features | every picture, against the teacher's connector |
//!
//! Means are over the whole optimiser step: how it is cut into micro-batches changes no gradient.

mod contrary;
#[cfg(test)]
mod tests;
mod truth;

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use plumb_vlm::{Processor, SmolVlm};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::backprop;
use crate::batch::Batch;
use crate::config::{DataConfig, DepthConfig, DistilConfig, MarginConfig, TrainConfig};
use crate::data::{ImageRef, Prepared, Sample, Source};
use crate::depth::{DepthHead, DepthMap, DepthTask, Order};
use crate::encode::Encoded;
use crate::error::{Result, TrainError};
use crate::feature::{FeatureTask, Projection};
use crate::learner::Learner;
use crate::loss::{Contrast, Margin, Objective, Teacher};

/// What the losses need of one sample.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// By answer: tokens that would begin a wrong one, with the position where they would stand.
    contrasts: Vec<Vec<(usize, u32)>>,
    depth: Option<Truth>,
}

#[derive(Clone, Debug)]
struct Truth {
    log_depth: Vec<f32>,
    order: Vec<Order>,
}

/// What the means of one optimiser step are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    answers: usize,
    maps: usize,
    image_rows: usize,
}

/// The losses of a run.
pub struct Auxiliary {
    margin: Option<MarginConfig>,
    depth: Option<Depth>,
    /// Weight of the teacher's image features.
    features: f64,
}

struct Depth {
    config: DepthConfig,
    /// The text block that is read.
    block: usize,
    /// Tokens along one side of a frame.
    side: usize,
    /// What the pictures of each data set are relative to.
    folders: Vec<PathBuf>,
}

/// The parts of one micro-batch's objective.
#[derive(Default)]
pub struct Tasks {
    margin: Option<Margin>,
    depth: Option<DepthTask>,
    features: Option<FeatureTask>,
}

impl Tasks {
    /// The whole objective, over `labels` labels of the optimiser step.
    #[must_use]
    pub fn objective<'a>(&'a self, labels: usize, teacher: Option<&'a Teacher>) -> Objective<'a> {
        let (margin, depth, features) = (self.margin.as_ref(), self.depth.as_ref(), self.features.as_ref());
        Objective { labels, teacher, margin, depth, features }
    }
}

impl Auxiliary {
    /// Checks what the options ask for against model and data.
    ///
    /// # Errors
    /// A depth layer that the model does not have; a depth loss without any depth map, or for pictures that are cut into
    /// tiles; features to match where nothing learns that makes them.
    pub fn new(
        config: &TrainConfig,
        sources: &[Source],
        processor: &Processor,
        learner: &Learner,
    ) -> Result<Self> {
        let depth = match &config.loss.depth {
            Some(depth) => Some(Depth::new(depth, &config.data, sources, processor, learner.model())?),
            None => None,
        };
        let features = config.loss.distil.as_ref().map_or(0.0, |d| d.features);
        if features > 0.0 && learner.features_are_fixed() {
            return Err(TrainError::Config {
                file: "loss.distil.features".into(),
                reason: "nothing of the vision tower or the connector learns, so image features cannot come nearer to \
                         the teacher's; let them learn or set it to 0"
                    .into(),
            });
        }
        Ok(Self { margin: config.loss.margin.clone(), depth, features })
    }

    /// Whether there is any loss beside the cross entropy.
    #[must_use]
    pub fn any(&self) -> bool {
        self.margin.is_some() || self.depth.is_some() || self.features > 0.0
    }

    /// Gives the learner the modules that learn beside the model, drawn from `seed`; a checkpoint is restored over them.
    pub fn prepare(&self, learner: &mut Learner, teacher: Option<&SmolVlm>, seed: u64) {
        let device = learner.model().device().clone();
        let hidden = learner.model().config().text.hidden;
        if let Some(depth) = &self.depth {
            learner.set_depth_head(Some(depth_head(hidden, depth.config.pixels, seed, &device)));
        }
        if let Some(teacher) = teacher.filter(|_| self.features > 0.0) {
            let theirs = teacher.config().text.hidden;
            let weight = (theirs != hidden).then(|| uniform(&mut rng(seed, 1), [theirs, hidden], &device));
            learner.set_projection(Some(Projection { weight }));
        }
    }

    /// What the losses need of a sample: `sample` as it stands in its `source`, and what was made of it.
    ///
    /// # Errors
    /// A depth map that cannot be read or does not fit its picture; a picture with a depth map that is cut into tiles.
    pub fn hints(
        &self,
        processor: &Processor,
        source: usize,
        sample: &Sample,
        prepared: &Prepared,
        encoded: &Encoded,
    ) -> Result<Hints> {
        let contrasts = match &self.margin {
            Some(_) => contrary::contrasts(processor, prepared, encoded)?,
            None => Vec::new(),
        };
        let depth = match &self.depth {
            Some(depth) => depth.truth(source, sample, prepared, encoded)?,
            None => None,
        };
        Ok(Hints { contrasts, depth })
    }

    /// What the means of a step are over, from all its micro-batches and their samples' hints.
    #[must_use]
    pub fn counts(&self, micro: &[(Batch, Vec<Hints>)]) -> Counts {
        let mut counts = Counts::default();
        for (batch, hints) in micro {
            for (sample, hints) in hints.iter().enumerate() {
                let labelled = |wrong: &&Vec<(usize, u32)>| {
                    wrong.iter().any(|(position, _)| label(batch, sample, *position).is_some())
                };
                counts.answers += hints.contrasts.iter().filter(labelled).count();
                counts.maps += usize::from(hints.depth.is_some());
            }
            if self.features > 0.0 {
                counts.image_rows += image_rows(batch);
            }
        }
        counts
    }

    /// The tasks of a micro-batch. `teacher` are the teacher's image features of it.
    #[must_use]
    pub fn tasks(
        &self,
        batch: &Batch,
        hints: &[Hints],
        counts: &Counts,
        learner: &Learner,
        teacher: Option<Tensor<2>>,
    ) -> Tasks {
        let margin = self.margin.as_ref().map(|config| Margin {
            pairs: pairs(batch, hints),
            answers: counts.answers,
            margin: config.margin,
            weight: config.weight,
        });
        let depth = self.depth.as_ref().zip(learner.depth_head()).and_then(|(depth, head)| {
            let prefix = learner.model().prefix().map_or(0, |p| p.dims()[0]);
            depth.task(batch, hints, prefix, head, counts)
        });
        let features = teacher.zip(learner.projection()).map(|(teacher, projection)| FeatureTask {
            teacher,
            projection: projection.clone(),
            weight: self.features,
            rows: counts.image_rows,
        });
        Tasks { margin: margin.filter(|m| !m.pairs.is_empty()), depth, features }
    }

    /// The teacher's logits and image features of a batch, as far as they are asked for.
    ///
    /// # Errors
    /// Frames whose patches do not fit the teacher's connector.
    pub fn teach(
        &self,
        teacher: &SmolVlm,
        distil: &DistilConfig,
        batch: &Batch,
    ) -> Result<(Option<Teacher>, Option<Tensor<2>>)> {
        let features = backprop::batch_features(teacher, batch)?;
        let &DistilConfig { alpha, temperature, .. } = distil;
        let logits = (alpha < 1.0).then(|| backprop::logits_after(teacher, batch, features.clone()));
        Ok((
            logits.map(|logits| Teacher { logits, alpha, temperature }),
            features.filter(|_| self.features > 0.0),
        ))
    }
}

fn rng(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Streams of one seed do not meet; the adapter's start is drawn from stream 0.
    rng.set_stream(0x6175_7800 + purpose);
    rng
}

/// torch's start of a linear: uniform within `±1/√in`.
fn uniform(rng: &mut ChaCha8Rng, [out, input]: [usize; 2], device: &Device) -> Tensor<2> {
    let limit = 1.0 / (input.max(1) as f32).sqrt();
    let values: Vec<f32> = (0..out * input).map(|_| rng.random_range(-limit..=limit)).collect();
    Tensor::from_data(TensorData::new(values, [out, input]), (device, DType::F32))
}

/// A depth head at its start, for hidden states of width `hidden` and `pixels × pixels` values a token.
#[must_use]
pub fn depth_head(hidden: usize, pixels: usize, seed: u64, device: &Device) -> DepthHead {
    let out = pixels * pixels;
    DepthHead {
        gamma: Tensor::ones([hidden], (device, DType::F32)),
        beta: Tensor::zeros([hidden], (device, DType::F32)),
        weight: uniform(&mut rng(seed, 0), [out, hidden], device),
        bias: Tensor::zeros([out], (device, DType::F32)),
    }
}

/// The number of the label at a position.
fn label(batch: &Batch, sample: usize, position: usize) -> Option<usize> {
    batch.targets.binary_search_by_key(&(sample, position), |t| (t.sample, t.position)).ok()
}

fn pairs(batch: &Batch, hints: &[Hints]) -> Vec<Contrast> {
    let mut out = Vec::new();
    for (sample, hints) in hints.iter().enumerate() {
        for wrong in &hints.contrasts {
            let found: Vec<(usize, u32)> = wrong
                .iter()
                .filter_map(|(position, token)| Some((label(batch, sample, *position)?, *token)))
                .collect();
            let share = 1.0 / found.len().max(1) as f64;
            out.extend(found.into_iter().map(|(label, wrong)| Contrast { label, wrong, share }));
        }
    }
    out
}

/// Image tokens of a batch, those of a picture that several dialogues show once.
fn image_rows(batch: &Batch) -> usize {
    batch.image_rows.iter().flatten().map(|(_, row)| row + 1).max().unwrap_or(0)
}

impl Depth {
    fn new(
        config: &DepthConfig,
        data: &[DataConfig],
        sources: &[Source],
        processor: &Processor,
        model: &SmolVlm,
    ) -> Result<Self> {
        let fail = |reason: String| TrainError::Config { file: "loss.depth".into(), reason };
        let layers = model.config().text.layers;
        let layer = config.layer.unwrap_or(layers / 2).max(usize::from(config.layer.is_none()));
        let block = layer.checked_sub(1).filter(|block| *block < layers).ok_or_else(|| {
            fail(format!("layer is {layer}, expected 1 to {layers}, the layers of the language model"))
        })?;
        let tokens = processor.tokens_per_frame();
        let side = tokens.isqrt();
        if side == 0 || side * side != tokens {
            return Err(fail(format!("a frame has {tokens} tokens, which are no square")));
        }
        let folders = data
            .iter()
            .map(|data| match &data.images {
                Some(images) => images.clone(),
                None if data.path.is_dir() => data.path.clone(),
                None => data.path.parent().unwrap_or(Path::new(".")).to_owned(),
            })
            .collect();
        let found = Self { config: config.clone(), block, side, folders };
        found.check(sources, processor)?;
        Ok(found)
    }

    /// That some sample has a depth map, and that pictures are one frame.
    fn check(&self, sources: &[Source], processor: &Processor) -> Result<()> {
        for (number, source) in sources.iter().enumerate() {
            for index in 0..source.len() {
                let sample = source.sample(index)?;
                if self.file(number, &sample).is_none() {
                    continue;
                }
                if let [image] = source.images(&sample)?.as_slice() {
                    let plan = processor
                        .images()
                        .plan(image.width(), image.height())
                        .map_err(plumb_vlm::VlmError::from)?;
                    return one_frame(&sample.id, plan.frames as usize, plan.tile);
                }
            }
        }
        let names: Vec<&str> = sources.iter().map(Source::name).collect();
        Err(TrainError::Config {
            file: names.join(", "),
            reason: "loss.depth: no sample has a depth map; pictures of `plumbline scenes --truth` have theirs in a folder \
                     `depth` beside their own, scenes/000001.jpg in depth/000001.png"
                .into(),
        })
    }

    /// The depth map of a sample of one picture.
    fn file(&self, source: usize, sample: &Sample) -> Option<PathBuf> {
        let [ImageRef::File(name)] = sample.images.as_slice() else { return None };
        truth::beside(&self.folders.get(source)?.join(name)).filter(|path| path.is_file())
    }

    fn truth(
        &self,
        source: usize,
        sample: &Sample,
        prepared: &Prepared,
        encoded: &Encoded,
    ) -> Result<Option<Truth>> {
        let (Some(path), [image]) = (self.file(source, sample), prepared.images.as_slice()) else {
            return Ok(None);
        };
        for tiles in &encoded.images {
            let tile = tiles.frames.first().map_or(0, plumb_image::RgbImage::width);
            one_frame(&sample.id, tiles.frames.len(), tile)?;
        }
        let n = self.side * self.config.pixels;
        let log_depth = truth::log_depth(&path, image.size(), &prepared.changes, n)?;
        let order = match (&prepared.pair, &prepared.scene) {
            (Some(pair), Some(scene)) => truth::order(pair, scene, n),
            _ => Vec::new(),
        };
        Ok(Some(Truth { log_depth, order }))
    }

    fn task(
        &self,
        batch: &Batch,
        hints: &[Hints],
        prefix: usize,
        head: &DepthHead,
        counts: &Counts,
    ) -> Option<DepthTask> {
        let len = prefix + batch.len;
        let maps: Vec<DepthMap> = hints
            .iter()
            .zip(&batch.image_rows)
            .enumerate()
            .filter_map(|(sample, (hints, images))| {
                let truth = hints.depth.as_ref()?;
                let rows: Vec<usize> =
                    images.iter().map(|(position, _)| sample * len + prefix + position).collect();
                (rows.len() == self.side * self.side).then(|| DepthMap {
                    rows,
                    side: self.side,
                    log_depth: truth.log_depth.clone(),
                    order: truth.order.clone(),
                })
            })
            .collect();
        (!maps.is_empty()).then(|| DepthTask {
            block: self.block,
            head: head.clone(),
            learn: DepthHead::names(),
            maps,
            pixels: self.config.pixels,
            weight: self.config.weight,
            count: counts.maps,
            ranking: self.config.ranking,
            margin: self.config.margin,
        })
    }
}

fn one_frame(sample: &str, frames: usize, tile: u32) -> Result<()> {
    if frames == 1 {
        return Ok(());
    }
    Err(TrainError::Config {
        file: sample.to_owned(),
        reason: format!(
            "loss.depth reads pictures of one frame, this one is cut into {frames}; set longest_edge to {tile}"
        ),
    })
}
