//! From a sample to what the model sees: pictures loaded, mirrored, cropped and marked, lengths made noisy.

use std::sync::Arc;

use plumb_image::RgbImage;
use plumb_qa::{LengthStyle, MentionOptions, Templates, draw_marks};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::crop::{self, CropOptions};
use super::error::{DataError, Result};
use super::mirror::{Wording, mirror_marks, mirror_pair, mirror_scene};
use super::noise::{Noise, noisy_pair};
use super::random::stream;
use super::sample::{Changes, Prepared, Sample};
use super::source::Source;
use super::words::mirror_texts;

/// What is done to samples.
#[derive(Clone, Debug)]
pub struct PrepareOptions {
    pub seed: u64,
    /// How often a sample that can be mirrored is, 0 to 1.
    pub flip: f64,
    pub crop: CropOptions,
    pub noise: Noise,
    /// Whether boxes are drawn that the file says are to be drawn.
    pub draw_marks: bool,
    /// The words of typed records; the built-in ones where there is none.
    pub templates: Option<Arc<Templates>>,
    pub lengths: LengthStyle,
    pub mentions: MentionOptions,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            flip: 0.0,
            crop: CropOptions::default(),
            noise: Noise::default(),
            draw_marks: true,
            templates: None,
            lengths: LengthStyle::default(),
            mentions: MentionOptions::default(),
        }
    }
}

impl PrepareOptions {
    /// # Errors
    /// [`DataError::Options`] for numbers out of range.
    pub fn check(&self) -> Result<()> {
        let shares = [
            ("flip", self.flip),
            ("crop.probability", self.crop.probability),
            ("crop.least", self.crop.least),
        ];
        for (field, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(DataError::Options { field, detail: format!("{share} is no share from 0 to 1") });
            }
        }
        self.noise.check()
    }

    fn with_wording<T>(&self, work: impl FnOnce(&Wording<'_>) -> T) -> Result<T> {
        let templates = match &self.templates {
            Some(templates) => templates,
            None => Templates::builtin()?,
        };
        Ok(work(&Wording { templates, lengths: &self.lengths, mentions: &self.mentions }))
    }
}

/// Loads and changes a sample. The result depends on the sample, the options (with their seed) and the epoch, and on nothing drawn before.
///
/// A sample that cannot be mirrored or cropped is shown as it is.
///
/// # Errors
/// [`DataError::Image`] when a picture cannot be loaded, [`DataError::Options`] for options out of range.
pub fn prepare(source: &Source, sample: &Sample, options: &PrepareOptions, epoch: u64) -> Result<Prepared> {
    options.check()?;
    let images = source.images(sample)?;
    change(sample, images, options, epoch)
}

/// [`prepare`] for pictures that are loaded already.
///
/// # Errors
/// As [`prepare`].
pub fn change(
    sample: &Sample,
    mut images: Vec<RgbImage>,
    options: &PrepareOptions,
    epoch: u64,
) -> Result<Prepared> {
    let mut sample = sample.clone();
    let mut changes = Changes::default();
    let mut rng = stream("augment", options.seed, epoch, &sample.id);
    if let [image] = images.as_slice() {
        // A scene of another size than its picture (a resized copy) says nothing of its pixels.
        if sample.scene.as_ref().is_some_and(|scene| (scene.image.width, scene.image.height) != image.size())
        {
            sample.scene = None;
        }
    } else {
        sample.scene = None;
    }
    // Both are drawn whether they are used or not, so that one option does not change what another does.
    let (flip, cut): (f64, f64) = (rng.random(), rng.random());
    if flip < options.flip
        && let Some(mirrored) = mirror_sample(&sample, &images, options)?
    {
        sample = mirrored;
        images = images.iter().map(RgbImage::flip_horizontal).collect();
        changes.flipped = true;
    }
    if cut < options.crop.probability
        && let Some((window, cropped)) = crop_sample(&sample, options, &mut rng)?
    {
        let [x, y, width, height] = window;
        images = images.iter().map(|image| image.crop(x, y, width, height)).collect::<Result<_, _>>()?;
        sample = cropped;
        changes.crop = Some(window);
    }
    if !options.noise.is_none()
        && let Some(pair) = &sample.pair
    {
        let epoch = if options.noise.per_epoch { epoch } else { 0 };
        let mut rng = stream("noise", options.seed, epoch, &sample.id);
        let noisy = options.with_wording(|wording| noisy_pair(pair, &options.noise, wording, &mut rng))??;
        if let Some(noisy) = noisy {
            sample.say(noisy)?;
            changes.noisy = true;
        }
    }
    if options.draw_marks
        && !sample.marks.is_empty()
        && let Some(first) = images.first_mut()
    {
        *first = draw_marks(first, &sample.marks)?;
    }
    let Sample { id, system, turns, prefill, pair, scene, .. } = sample;
    Ok(Prepared { id, images, system, turns, prefill, pair, scene, changes })
}

/// The sample in a mirror, without its pixels; `None` where it cannot be mirrored. Where there is geometry the answer is computed from it,
/// else words are exchanged.
///
/// # Errors
/// When templates cannot be loaded.
pub fn mirror_sample(
    sample: &Sample,
    images: &[RgbImage],
    options: &PrepareOptions,
) -> Result<Option<Sample>> {
    // "The left picture" of several is another left.
    let [image] = images else { return Ok(None) };
    let mut out = sample.clone();
    if let (Some(pair), Some(scene)) = (&sample.pair, &sample.scene) {
        let mirrored = mirror_scene(scene);
        let made = options.with_wording(|wording| mirror_pair(pair, scene, &mirrored, wording))?;
        let Ok(pair) = made else { return Ok(None) };
        out.scene = Some(Arc::new(mirrored));
        out.say(pair)?;
        return Ok(Some(out));
    }
    let texts: Vec<&str> = sample
        .system
        .iter()
        .map(String::as_str)
        .chain(sample.turns.iter().flat_map(|(question, answer)| [question.as_str(), answer.as_str()]))
        .collect();
    let Ok(mirrored) = mirror_texts(&texts) else { return Ok(None) };
    let mut mirrored = mirrored.into_iter();
    out.system = sample.system.as_ref().and_then(|_| mirrored.next());
    out.turns = sample.turns.iter().filter_map(|_| Some((mirrored.next()?, mirrored.next()?))).collect();
    out.marks = mirror_marks(&sample.marks, image.width());
    // The record would say what the words do not.
    out.pair = None;
    Ok(Some(out))
}

fn crop_sample(
    sample: &Sample,
    options: &PrepareOptions,
    rng: &mut ChaCha8Rng,
) -> Result<Option<([u32; 4], Sample)>> {
    let (Some(pair), Some(scene)) = (&sample.pair, &sample.scene) else { return Ok(None) };
    let found = options.with_wording(|wording| crop::find(pair, scene, &options.crop, wording, rng))?;
    let Some((window, scene, pair)) = found else { return Ok(None) };
    let mut out = sample.clone();
    out.scene = Some(Arc::new(scene));
    out.say(pair)?;
    Ok(Some((window, out)))
}
