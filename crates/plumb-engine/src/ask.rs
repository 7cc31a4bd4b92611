//! One question about one image.

use std::time::Instant;

use plumb_bench::{Prediction, PromptPreset, Sample};
use plumb_image::RgbImage;
use plumb_vlm::generate::Sampler;
use plumb_vlm::{Prefix, Sampling};

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
    let prompt = session.prompt(text, ask.image.as_ref(), prefill)?;
    let key = ask.image.as_ref().map(RgbImage::content_hash);
    let mut seconds = AskSeconds::default();
    let mut prefix = session.prefix(&prompt, key.as_deref(), ask.max_tokens, &mut seconds).await?;
    reporter.checkpoint()?;
    let start = Instant::now();
    let frames = prompt.images.iter().map(|t| t.frames.len()).sum();
    let (answer, answer_tokens, options) = match &sample {
        Some(sample) => {
            let scores = score_options(session, &mut prefix, ask.preset, sample).await?;
            let probabilities = Prediction::scores("ask", scores.clone())
                .probabilities(scores.len())
                .ok_or_else(|| EngineError::Request("the model gives no option any likelihood".into()))?;
            let options: Vec<OptionScore> = ask
                .options
                .iter()
                .zip(scores.iter().zip(probabilities))
                .map(|(text, (&logprob, probability))| OptionScore {
                    text: text.clone(),
                    logprob,
                    probability,
                })
                .collect();
            let best = best(&scores);
            (ask.options.get(best).cloned().unwrap_or_default(), 0, options)
        }
        None => {
            let (text, n) =
                generate(session, &mut prefix, ask.sampling, ask.max_tokens, reporter, true).await?;
            (text, n, Vec::new())
        }
    };
    seconds.answer = start.elapsed().as_secs_f64();
    Ok(AskOutcome {
        answer,
        options,
        prompt: folded(&prompt.text),
        prompt_tokens: prompt.ids.len(),
        answer_tokens,
        frames,
        seconds,
        fingerprint: session.fingerprint()?,
    })
}

/// The index of the largest score, the first of equals.
pub(crate) fn best(scores: &[f64]) -> usize {
    let mut best = 0;
    for (i, s) in scores.iter().enumerate() {
        if *s > scores[best] {
            best = i;
        }
    }
    best
}

/// Log-likelihood of each option's candidate text followed by the end of the turn.
pub(crate) async fn score_options(
    session: &Session,
    prefix: &mut Prefix,
    preset: PromptPreset,
    sample: &Sample,
) -> Result<Vec<f64>> {
    let end = session.processor.stop_ids().last().copied();
    let options = preset
        .candidates(sample)
        .iter()
        .map(|text| {
            let mut ids = session.processor.encode(text)?;
            ids.extend(end);
            Ok(ids)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(prefix.score(&session.model, &options).await?)
}

/// Generates until the turn ends or `max_tokens` are made; the text without surrounding white space, and the number of
/// tokens.
pub(crate) async fn generate(
    session: &Session,
    prefix: &mut Prefix,
    sampling: Sampling,
    max_tokens: usize,
    reporter: &Reporter,
    stream: bool,
) -> Result<(String, usize)> {
    let room = session.processor.max_positions().saturating_sub(prefix.len());
    let mut sampler = Sampler::new(sampling)?;
    let mut continuation = prefix.continuation(&session.model);
    let mut ids = Vec::new();
    let mut shown = String::new();
    for _ in 0..max_tokens.min(room) {
        reporter.checkpoint()?;
        let token = sampler.next(continuation.logits());
        if session.processor.stop_ids().contains(&token) {
            break;
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
        continuation.push(token).await?;
    }
    Ok((session.processor.decode(&ids, true)?.trim().to_owned(), ids.len()))
}
