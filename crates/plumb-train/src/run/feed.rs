//! The data of a run: opened, split, prepared, in order.

use plumb_vlm::Processor;

use crate::config::TrainConfig;
use crate::data::{
    self, Item, MixerOptions, OpenOptions, Pick, PrepareOptions, Prepared, Source, Split, Units,
};
use crate::encode::messages;
use crate::error::{Result, TrainError};

/// The data of a run, opened and split.
pub(super) struct Feed {
    pub(super) sources: Vec<Source>,
    pub(super) splits: Vec<Split>,
    pub(super) units: Vec<Units>,
    pub(super) mixing: MixerOptions,
    pub(super) prepare: PrepareOptions,
    /// Token counts of samples once they are known.
    pub(super) lengths: Vec<Vec<u32>>,
    /// The picture of each sample.
    pub(super) groups: Vec<Vec<u32>>,
}

impl Feed {
    pub(super) fn open(config: &TrainConfig) -> Result<Self> {
        let mut sources = Vec::new();
        for data in &config.data {
            let options = OpenOptions {
                prompt: data.prompt,
                letters: data.letters,
                as_benchmark: data.as_benchmark,
                kinds: data.kinds.clone(),
                image_root: data.images.clone(),
                ..OpenOptions::default()
            };
            sources.push(Source::open(&data.path, options)?);
        }
        let refs: Vec<&Source> = sources.iter().collect();
        let fraction = if config.evaluate.every > 0 { config.evaluate.held_out } else { 0.0 };
        let splits = data::split(&refs, config.seed, fraction)?;
        let units = sources
            .iter()
            .zip(&splits)
            .map(|(source, split)| Units::new(source, &split.train, config.questions_per_image, config.seed))
            .collect();
        let spatial: Vec<bool> = config.data.iter().map(|d| d.spatial).collect();
        let mixing = if spatial.contains(&true)
            && config.data.iter().all(|d| d.weight == 1.0)
            && spatial.contains(&false)
        {
            MixerOptions::spatial_vlm(config.seed, &spatial)
        } else {
            MixerOptions { seed: config.seed, weights: config.data.iter().map(|d| d.weight).collect() }
        };
        let a = &config.augment;
        let prepare = PrepareOptions {
            seed: config.seed,
            flip: a.flip,
            crop: data::CropOptions { probability: a.crop, ..data::CropOptions::default() },
            noise: data::Noise { sigma_m: a.noise_m, log_sigma: a.noise_log, per_epoch: a.noise_per_epoch },
            ..PrepareOptions::default()
        };
        prepare.check()?;
        let lengths = sources.iter().map(|s| vec![0; s.len()]).collect();
        let groups = sources.iter().map(|s| s.groups().collect()).collect();
        Ok(Self { sources, splits, units, mixing, prepare, lengths, groups })
    }

    pub(super) fn steps(&self, config: &TrainConfig) -> u64 {
        if let Some(steps) = config.steps {
            return steps;
        }
        let samples = self.splits.first().map_or(0, |s| s.train.len()) as f64;
        let per_step = (config.batch.samples.max(1) as f64) * f64::from(config.accumulate);
        ((samples * config.epochs / per_step).ceil() as u64).max(1)
    }

    pub(super) fn prepared(&self, source: usize, sample: u32, epoch: u64) -> Result<Prepared> {
        let from = &self.sources[source];
        Ok(data::prepare(from, &from.sample(sample as usize)?, &self.prepare, epoch)?)
    }

    /// Without augmentation.
    pub(super) fn plain(&self, source: usize, sample: u32) -> Result<Prepared> {
        let from = &self.sources[source];
        Ok(data::prepare(from, &from.sample(sample as usize)?, &PrepareOptions::default(), 0)?)
    }

    /// The samples of a unit with their lengths; samples that cannot be used are left out, every time alike.
    pub(super) fn expand(&mut self, processor: &Processor, pick: &Pick) -> data::Result<Vec<Item>> {
        let Self { sources, units, lengths, groups, .. } = self;
        let Some(source) = sources.get(pick.source) else { return Ok(Vec::new()) };
        let unit = usize::try_from(pick.unit).unwrap_or(usize::MAX);
        let samples: Vec<u32> = units[pick.source].get(unit).to_vec();
        let mut out = Vec::with_capacity(samples.len());
        for sample in samples {
            let known = &mut lengths[pick.source][sample as usize];
            if *known == 0 {
                *known = match text_length(processor, source, sample) {
                    Ok(tokens) => tokens.max(1),
                    Err(error) => {
                        tracing::warn!("{}, sample {sample}: {error}; it is left out", source.name());
                        u32::MAX
                    }
                };
            }
            if *known != u32::MAX {
                out.push(Item {
                    source: pick.source,
                    sample,
                    epoch: pick.epoch,
                    tokens: *known,
                    group: groups[pick.source].get(sample as usize).copied().unwrap_or(0),
                });
            }
        }
        Ok(out)
    }

    /// SHA-256 of the data files, in the order that they are named.
    pub(super) fn hash(&self, config: &TrainConfig) -> Result<String> {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        let mut buffer = vec![0u8; 1 << 20];
        // One file can be several data sets, each with other records of it.
        let mut seen = std::collections::BTreeSet::new();
        for (data, source) in config.data.iter().zip(&self.sources) {
            for (name, _) in source.files() {
                let path = if data.path.is_dir() { data.path.join(name) } else { data.path.clone() };
                if !seen.insert(path.clone()) {
                    continue;
                }
                let fail = |source| TrainError::Read { file: path.display().to_string(), source };
                let mut file = std::fs::File::open(&path).map_err(fail)?;
                loop {
                    let n = std::io::Read::read(&mut file, &mut buffer).map_err(fail)?;
                    if n == 0 {
                        break;
                    }
                    hash.update(&buffer[..n]);
                }
            }
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }
}

/// Tokens of a sample: those of its text, and of one frame for each picture (the count with tiles depends on the
/// picture's size and is left to the batch).
fn text_length(processor: &Processor, source: &Source, sample: u32) -> Result<u32> {
    let sample = source.sample(sample as usize)?;
    let prepared = Prepared {
        id: sample.id.clone(),
        images: Vec::new(),
        system: sample.system.clone(),
        turns: sample.turns.clone(),
        prefill: sample.prefill.clone(),
        pair: None,
        scene: None,
        changes: data::Changes::default(),
    };
    let (ids, _) = processor.dialogue_ids(&messages(&prepared), &[])?;
    let pictures = sample.images.len() * (processor.tokens_per_frame() + 3);
    Ok(u32::try_from(ids.len() + pictures).unwrap_or(u32::MAX - 1))
}
