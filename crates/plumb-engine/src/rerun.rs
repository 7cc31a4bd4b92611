//! A row of a benchmark, asked again with something changed: the words, the order of the options, the picture.

use std::path::PathBuf;
use std::sync::Arc;

use plumb_bench::sample::letter;
use plumb_bench::{Benchmark, ParseStatus, Parsed, Prediction, PromptPreset, Sample};
use plumb_image::{Limits, RgbImage};
use plumb_vlm::{Sampling, VlmError};

use crate::ask::{self, Put, Want};
use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::look::bench;
use crate::protocol::{ImageMode, RerunImage, RerunOutcome, Scoring};
use crate::session::{Session, read_image};
use crate::{demo, eval};

pub(crate) struct Rerun {
    pub(crate) bench: PathBuf,
    pub(crate) row: usize,
    pub(crate) prompt: Option<String>,
    pub(crate) options: Option<Vec<usize>>,
    pub(crate) image: RerunImage,
    pub(crate) preset: PromptPreset,
    pub(crate) scoring: Scoring,
    pub(crate) max_tokens: usize,
}

/// A row that was found and changed, with its picture.
pub(crate) struct Ready {
    sample: Sample,
    /// The option shown at `i` is the row's `order[i]`.
    order: Vec<usize>,
    image: Option<RgbImage>,
    /// In the row's own order.
    gold: usize,
}

impl Rerun {
    /// All that can be done without a model.
    ///
    /// # Errors
    /// A benchmark or a picture that cannot be read, a row that is not there, an order that is none of its options.
    pub(crate) fn prepare(&self) -> Result<Ready> {
        let place = demo::or(&self.bench, demo::Pack::benchmark)?;
        let bench: Arc<Benchmark> = bench::open(&place)?;
        let own = bench.samples().iter().find(|sample| sample.row == self.row).ok_or_else(|| {
            EngineError::Request(format!(
                "row {} of {} cannot be asked: it has {} rows, counted from 0, {} of them unreadable",
                self.row,
                place.display(),
                bench.rows(),
                bench.rejected().len()
            ))
        })?;
        let order = self.order(own)?;
        let sample = if order.is_sorted() { own.clone() } else { self.reorder(own, &order)? };
        Ok(Ready {
            image: picture(&bench, self.row, &self.image)?,
            gold: if self.image == RerunImage::Flipped { mirrored(own) } else { own.gold },
            sample,
            order,
        })
    }

    fn order(&self, sample: &Sample) -> Result<Vec<usize>> {
        let all: Vec<usize> = (0..sample.options.len()).collect();
        let Some(order) = &self.options else {
            return Ok(all);
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted == all {
            return Ok(order.clone());
        }
        Err(EngineError::Request(format!(
            "{order:?} is no order of the {} options of row {}: each of their indices once, counted from 0, is expected",
            all.len(),
            self.row
        )))
    }

    /// The sample with its options in another order, in its prompt as well.
    fn reorder(&self, sample: &Sample, order: &[usize]) -> Result<Sample> {
        let options: Vec<String> = order.iter().filter_map(|&i| sample.options.get(i).cloned()).collect();
        let (before, after) = (listed(&sample.options), listed(&options));
        let prompt = match sample.prompt.find(&before) {
            Some(at) => {
                let mut prompt = sample.prompt.clone();
                prompt.replace_range(at..at + before.len(), &after);
                prompt
            }
            // The person wrote the words.
            None if self.prompt.is_some() => sample.prompt.clone(),
            None => {
                return Err(EngineError::Request(format!(
                    "the prompt of row {} does not list its options as lines (A), (B), …, so they cannot be put in another \
                     order; write the prompt yourself",
                    self.row
                )));
            }
        };
        let gold = order.iter().position(|&i| i == sample.gold).unwrap_or(sample.gold);
        Ok(Sample { options, prompt, gold, ..sample.clone() })
    }
}

/// The lines of CV-Bench's prompts that list the options.
fn listed(options: &[String]) -> String {
    options.iter().enumerate().map(|(i, option)| format!("\n({}) {option}", letter(i))).collect()
}

/// The right option before a mirror: where the options are left and right, the other one.
fn mirrored(sample: &Sample) -> usize {
    let is = |option: &String, word: &str| option.trim().eq_ignore_ascii_case(word);
    let place = |word: &str| sample.options.iter().position(|option| is(option, word));
    match (place("left"), place("right")) {
        (Some(left), Some(right)) if sample.gold == left => right,
        (Some(left), Some(right)) if sample.gold == right => left,
        _ => sample.gold,
    }
}

impl From<ImageMode> for RerunImage {
    fn from(mode: ImageMode) -> Self {
        match mode {
            ImageMode::Full => Self::Full,
            ImageMode::Blind => Self::Blind,
            ImageMode::Blank => Self::Blank,
        }
    }
}

/// The picture that stands with a row.
///
/// # Errors
/// A picture that cannot be read.
pub(crate) fn picture(bench: &Benchmark, row: usize, image: &RerunImage) -> Result<Option<RgbImage>> {
    let own = || {
        let bytes = bench.image(row)?;
        Ok::<_, EngineError>(plumb_image::decode(&bytes, &Limits::default()).map_err(VlmError::from)?)
    };
    Ok(match image {
        RerunImage::Blind => None,
        RerunImage::Full => Some(own()?),
        RerunImage::Flipped => Some(own()?.flip_horizontal()),
        RerunImage::Blank => {
            let (width, height) = own()?.size();
            Some(RgbImage::filled(width, height, [128; 3]).map_err(VlmError::from)?)
        }
        RerunImage::File { path } => Some(read_image(path)?),
    })
}

pub(crate) async fn run(
    session: &mut Session,
    rerun: Rerun,
    ready: Ready,
    reporter: &Reporter,
) -> Result<RerunOutcome> {
    let Ready { sample, order, image, gold } = ready;
    let rendered = rerun.preset.render(&sample);
    let sent = rerun.prompt.unwrap_or(rendered.user_text);
    let want = match rerun.scoring {
        Scoring::Loglik => Want::Option { preset: rerun.preset, sample: &sample },
        Scoring::Generate => Want::Text { sampling: Sampling::Greedy, most: rerun.max_tokens, stream: true },
    };
    let put =
        Put { image: image.as_ref(), text: &sent, prefill: rendered.assistant_prefill.as_deref(), want };
    let got = ask::put(session, put, reporter).await?;
    let prediction = got.prediction(&sample.id);
    let Parsed { choice, status } = eval::parser_of(rerun.scoring).parse(&sample, &prediction);
    let chosen = choice.and_then(|shown| order.get(shown).copied());
    Ok(RerunOutcome {
        probabilities: own_order(&prediction, &order),
        ask: got.outcome(session, &sample.options)?,
        sent,
        chosen,
        status,
        gold,
        correct: status == ParseStatus::Parsed && chosen == Some(gold),
    })
}

/// Probabilities of the options in the row's own order.
fn own_order(prediction: &Prediction, order: &[usize]) -> Option<Vec<f64>> {
    let shown = prediction.probabilities(order.len())?;
    let mut own = vec![0.0; order.len()];
    for (p, &i) in shown.into_iter().zip(order) {
        *own.get_mut(i)? = p;
    }
    Some(own)
}

#[cfg(test)]
mod tests;
