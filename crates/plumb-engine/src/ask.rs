//! One question about one image.

use std::time::Instant;

use plumb_bench::{Prediction, PromptPreset, Sample};
use plumb_image::RgbImage;
use plumb_vlm::generate::Sampler;
use plumb_vlm::{Prefix, Sampling};

use crate::attention::{AskAttention, Watch};
use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::protocol::{AskOutcome, AskSeconds, EventKind, OptionScore};
use crate::session::{Session, folded};

pub(crate) struct Ask {
    pub(crate) image: Option<RgbImage>,
    pub(crate) question: String,
    pub(crate) options: Vec<String>,
    pub(crate) preset: PromptPreset,
    pub(crate) sampling: Sampling,
    pub(crate) max_tokens: usize,
    /// Keeps what the answer is read from.
    pub(crate) attention: bool,
}

/// What is put to the model: one turn, and what is wanted of it.
pub(crate) struct Put<'a> {
    pub(crate) image: Option<&'a RgbImage>,
    pub(crate) text: &'a str,
    /// The beginning of the answer.
    pub(crate) prefill: Option<&'a str>,
    pub(crate) want: Want<'a>,
}

/// What is wanted.
#[derive(Clone, Copy)]
pub(crate) enum Want<'a> {
    /// The likelihood of each option.
    Option { preset: PromptPreset, sample: &'a Sample },
    /// Text, of `most` tokens, piece by piece as it comes where `stream`.
    Text { sampling: Sampling, most: usize, stream: bool },
}

/// What the model made of it.
pub(crate) struct Got {
    /// Log-likelihoods of the options, in the order in which they were shown.
    pub(crate) scores: Option<Vec<f64>>,
    pub(crate) text: String,
    tokens: usize,
    prompt: String,
    prompt_tokens: usize,
    frames: usize,
    seconds: AskSeconds,
    attention: Option<Box<AskAttention>>,
}

/// Asks. Every question of a person and every row of a benchmark goes through here.
pub(crate) async fn put(session: &mut Session, put: Put<'_>, reporter: &Reporter) -> Result<Got> {
    answer(session, put, false, reporter).await
}

/// As [`put`], keeping what the answer is read from if `attention`.
async fn answer(session: &mut Session, put: Put<'_>, attention: bool, reporter: &Reporter) -> Result<Got> {
    let prompt = session.prompt(put.text, put.image, put.prefill)?;
    let key = put.image.map(RgbImage::content_hash);
    let room = match put.want {
        Want::Option { .. } => 16,
        // The cache grows with an answer that is longer.
        Want::Text { most, .. } => most.min(64),
    };
    let mut seconds = AskSeconds::default();
    let (mut prefix, mut watch) = if attention {
        let (prefix, watch) = session.watched_prefix(&prompt, key.as_deref(), room, &mut seconds).await?;
        (prefix, Some(watch))
    } else {
        (session.prefix(&prompt, key.as_deref(), room, &mut seconds).await?, None)
    };
    reporter.checkpoint()?;
    let start = Instant::now();
    let (scores, said) = match put.want {
        Want::Option { preset, sample } => {
            let options = candidates(session, preset, sample)?;
            let scores = score_options(session, &mut prefix, &options).await?;
            let chosen = options.into_iter().nth(best(&scores)).unwrap_or_default();
            if let Some(watch) = &mut watch {
                let mut continuation = prefix.continuation(&session.model);
                for &token in &chosen {
                    watch.push(&mut continuation, token).await?;
                }
            }
            (Some(scores), Said { ids: chosen, ended: true })
        }
        Want::Text { sampling, most, stream } => {
            let watch = watch.as_mut();
            (None, generate(session, &mut prefix, sampling, most, reporter, stream, watch).await?)
        }
    };
    seconds.answer = start.elapsed().as_secs_f64();
    let attention = match watch {
        Some(watch) => {
            let size = put.image.map(RgbImage::size);
            Some(Box::new(watch.finish(session, &prompt, size, &said.ids, said.ended)?))
        }
        None => None,
    };
    let (text, tokens) = match scores {
        Some(_) => (String::new(), 0),
        None => (session.processor.decode(&said.ids, true)?.trim().to_owned(), said.ids.len()),
    };
    Ok(Got {
        scores,
        text,
        tokens,
        prompt: folded(&prompt.text),
        prompt_tokens: prompt.ids.len(),
        frames: prompt.images.iter().map(|t| t.frames.len()).sum(),
        seconds,
        attention,
    })
}

impl Got {
    /// As an answer to the row `id`.
    pub(crate) fn prediction(&self, id: &str) -> Prediction {
        match &self.scores {
            Some(scores) => Prediction::scores(id, scores.clone()),
            None => Prediction::text(id, self.text.clone()),
        }
    }

    /// For a person; `options` as they were shown.
    ///
    /// # Errors
    /// Scores that are no distribution, a model whose files have gone.
    pub(crate) fn outcome(self, session: &mut Session, options: &[String]) -> Result<AskOutcome> {
        let probabilities = self.prediction("ask").probabilities(options.len());
        let (answer, options) = match &self.scores {
            None => (self.text, Vec::new()),
            Some(scores) => {
                let probabilities = probabilities
                    .ok_or_else(|| EngineError::Request("the model gives no option any likelihood".into()))?;
                let score = |(text, (&logprob, probability)): (&String, (&f64, f64))| OptionScore {
                    text: text.clone(),
                    logprob,
                    probability,
                };
                let listed = options.iter().zip(scores.iter().zip(probabilities)).map(score).collect();
                (options.get(best(scores)).cloned().unwrap_or_default(), listed)
            }
        };
        Ok(AskOutcome {
            answer,
            options,
            prompt: self.prompt,
            prompt_tokens: self.prompt_tokens,
            answer_tokens: self.tokens,
            frames: self.frames,
            seconds: self.seconds,
            attention: self.attention,
            fingerprint: session.fingerprint()?,
        })
    }
}

pub(crate) async fn run(session: &mut Session, ask: Ask, reporter: &Reporter) -> Result<AskOutcome> {
    let sample = if ask.options.is_empty() {
        None
    } else {
        let texts: Vec<&str> = ask.options.iter().map(String::as_str).collect();
        Some(Sample::multiple_choice("ask", &ask.question, &texts, 0))
    };
    let rendered = sample.as_ref().map(|s| ask.preset.render(s));
    let (text, prefill) = match &rendered {
        Some(r) => (r.user_text.as_str(), r.assistant_prefill.as_deref()),
        None => (ask.question.as_str(), None),
    };
    let want = match &sample {
        Some(sample) => Want::Option { preset: ask.preset, sample },
        None => Want::Text { sampling: ask.sampling, most: ask.max_tokens, stream: true },
    };
    let question = Put { image: ask.image.as_ref(), text, prefill, want };
    answer(session, question, ask.attention, reporter).await?.outcome(session, &ask.options)
}

/// The index of the largest score, the first of equals.
fn best(scores: &[f64]) -> usize {
    let mut best = 0;
    for (i, s) in scores.iter().enumerate() {
        if *s > scores[best] {
            best = i;
        }
    }
    best
}

/// What the model said.
struct Said {
    ids: Vec<u32>,
    /// It ended its turn itself.
    ended: bool,
}

/// What each option is, without the end of the turn.
fn candidates(session: &Session, preset: PromptPreset, sample: &Sample) -> Result<Vec<Vec<u32>>> {
    preset.candidates(sample).iter().map(|text| Ok(session.processor.encode(text)?)).collect()
}

/// Log-likelihood of each option followed by the end of the turn.
async fn score_options(session: &Session, prefix: &mut Prefix, options: &[Vec<u32>]) -> Result<Vec<f64>> {
    let end = session.processor.stop_ids().last().copied();
    let ended: Vec<Vec<u32>> = options.iter().map(|ids| ids.iter().copied().chain(end).collect()).collect();
    Ok(prefix.score(&session.model, &ended).await?)
}

/// Generates until the turn ends or `max_tokens` are made.
async fn generate(
    session: &Session,
    prefix: &mut Prefix,
    sampling: Sampling,
    max_tokens: usize,
    reporter: &Reporter,
    stream: bool,
    mut watch: Option<&mut Watch>,
) -> Result<Said> {
    let room = session.processor.max_positions().saturating_sub(prefix.len());
    let mut sampler = Sampler::new(sampling)?;
    let mut continuation = prefix.continuation(&session.model);
    let mut ids = Vec::new();
    let mut shown = String::new();
    for _ in 0..max_tokens.min(room) {
        reporter.checkpoint()?;
        let token = sampler.next(continuation.logits());
        if session.processor.stop_ids().contains(&token) {
            return Ok(Said { ids, ended: true });
        }
        ids.push(token);
        if stream {
            let text = session.processor.decode(&ids, true)?;
            // A character of several tokens shows as a replacement until it is whole.
            if let Some(new) = text.strip_prefix(&shown)
                && !new.ends_with('\u{fffd}')
            {
                reporter.send(EventKind::Text { text: new.to_owned() });
                shown = text;
            }
        }
        match &mut watch {
            Some(watch) => watch.push(&mut continuation, token).await?,
            None => continuation.push(token).await?,
        }
    }
    Ok(Said { ids, ended: false })
}
