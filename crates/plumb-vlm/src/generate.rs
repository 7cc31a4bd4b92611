//! Generation and option scoring over one prefilled prompt.

use burn::tensor::{DType, Tensor};
use plumb_nn::{KvCache, Visible};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::attention::Attention;
use crate::error::{Result, VlmError};
use crate::model::SmolVlm;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sampling {
    /// The most likely token; the first of equals.
    Greedy,
    /// A draw from the tempered distribution, cut to the `top_k` most likely and to the smallest set with probability
    /// `top_p`.
    Random { temperature: f64, top_k: Option<usize>, top_p: Option<f64>, seed: u64 },
}

impl Sampling {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`VlmError::Sampling`] naming the parameter.
    pub fn validate(&self) -> Result<()> {
        let Self::Random { temperature, top_k, top_p, .. } = *self else {
            return Ok(());
        };
        let fail = |text: String| Err(VlmError::Sampling(text));
        if !(temperature.is_finite() && temperature > 0.0) {
            return fail(format!(
                "temperature is {temperature}, expected a positive number (greedy needs none)"
            ));
        }
        if top_k == Some(0) {
            return fail("top_k is 0, expected at least 1".into());
        }
        match top_p {
            Some(p) if !(p > 0.0 && p <= 1.0) => fail(format!("top_p is {p}, expected a number in (0, 1]")),
            _ => Ok(()),
        }
    }
}

/// Draws tokens from logits.
pub struct Sampler {
    sampling: Sampling,
    rng: ChaCha8Rng,
}

impl Sampler {
    /// # Errors
    /// See [`Sampling::validate`].
    pub fn new(sampling: Sampling) -> Result<Self> {
        sampling.validate()?;
        let seed = if let Sampling::Random { seed, .. } = sampling { seed } else { 0 };
        Ok(Self { sampling, rng: ChaCha8Rng::seed_from_u64(seed) })
    }

    /// The next token.
    pub fn next(&mut self, logits: &[f32]) -> u32 {
        let Sampling::Random { temperature, top_k, top_p, .. } = self.sampling else {
            return argmax(logits);
        };
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut weights: Vec<(u32, f64)> =
            (0u32..).zip(logits).map(|(id, &v)| (id, (f64::from(v - top) / temperature).exp())).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        weights.truncate(top_k.unwrap_or(usize::MAX));
        let total: f64 = weights.iter().map(|w| w.1).sum();
        if let Some(p) = top_p {
            let mut sum = 0.0;
            let keep = weights.iter().position(|w| {
                sum += w.1;
                sum >= p * total
            });
            weights.truncate(keep.map_or(usize::MAX, |n| n + 1));
        }
        let total: f64 = weights.iter().map(|w| w.1).sum();
        let mut draw = self.rng.random::<f64>() * total;
        for (id, weight) in &weights {
            draw -= weight;
            if draw <= 0.0 {
                return *id;
            }
        }
        weights.last().map_or(0, |w| w.0)
    }
}

/// The index of the largest value, the first of equals.
#[must_use]
pub fn argmax(values: &[f32]) -> u32 {
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    u32::try_from(best).unwrap_or(0)
}

/// `ln Σ e^v`, summed in f64.
fn log_sum_exp(values: &[f32]) -> f64 {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(top) + values.iter().map(|v| f64::from(v - top).exp()).sum::<f64>().ln()
}

/// Rows of option tokens that go through the model at once.
const MAX_OPTION_ROWS: usize = 256;

/// The virtual tokens of prompt tuning, where there are any, and then the prompt.
fn with_prefix(model: &SmolVlm, embeddings: Tensor<2>) -> Tensor<2> {
    match model.prefix() {
        Some(prefix) => Tensor::cat(vec![prefix.clone(), embeddings], 0),
        None => embeddings,
    }
}

/// A prompt whose keys and values are computed, ready to be continued in several ways.
pub struct Prefix {
    cache: KvCache,
    len: usize,
    last: Vec<f32>,
}

impl Prefix {
    /// Runs the prompt: `embeddings` `[seq, h]` from [`SmolVlm::embed`]; `room` tokens may follow without the cache
    /// growing.
    ///
    /// # Errors
    /// When the device fails or computes NaN.
    pub async fn new(model: &SmolVlm, embeddings: Tensor<2>, room: usize) -> Result<Self> {
        let embeddings = with_prefix(model, embeddings);
        let mut cache = model.cache(embeddings.dims()[0] + room);
        let hidden = model.text().forward(embeddings, &mut cache);
        Self::read(model, hidden, cache).await
    }

    /// As [`Self::new`], with what the last token of the prompt reads, from which the first token of the answer is made.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn watched(model: &SmolVlm, embeddings: Tensor<2>, room: usize) -> Result<(Self, Attention)> {
        let embeddings = with_prefix(model, embeddings);
        let mut cache = model.cache(embeddings.dims()[0] + room);
        let (hidden, seen) = model.text().forward_watched(embeddings, &mut cache);
        let prefix = Self::read(model, hidden, cache).await?;
        Ok((prefix, Attention::read(model, seen).await?))
    }

    async fn read(model: &SmolVlm, hidden: Tensor<2>, cache: KvCache) -> Result<Self> {
        let [len, h] = hidden.dims();
        let last = read(model, model.text().logits(hidden.slice([len - 1..len, 0..h]))).await?;
        Ok(Self { cache, len, last })
    }

    /// Tokens of the prompt.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the prompt has no token (never: a prompt has at least one).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Logits after the last prompt token, `[vocab]`.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        &self.last
    }

    /// Starts a continuation from the end of the prompt.
    pub fn continuation<'a>(&'a mut self, model: &'a SmolVlm) -> Continuation<'a> {
        self.cache.rewind(self.len);
        Continuation { model, logits: self.last.clone(), cache: &mut self.cache }
    }

    /// The log-likelihood (natural) of each continuation after the prompt: `Σ ln p(token | prompt, tokens before)`.
    /// All continuations go through the model in one pass, each seeing the prompt and itself.
    ///
    /// # Errors
    /// An empty continuation; a failing device.
    pub async fn score(&mut self, model: &SmolVlm, options: &[Vec<u32>]) -> Result<Vec<f64>> {
        if let Some(index) = options.iter().position(Vec::is_empty) {
            return Err(VlmError::EmptyOption { index });
        }
        let base = log_sum_exp(&self.last);
        let mut scores: Vec<f64> = Vec::with_capacity(options.len());
        for option in options {
            let first = option[0] as usize;
            let vocab = self.last.len();
            let value = self.last.get(first).ok_or(VlmError::TokenOutOfRange { id: option[0], vocab })?;
            scores.push(f64::from(*value) - base);
        }
        // What must go in: every token of an option but its last, to read what follows it.
        let mut pending: Vec<usize> = (0..options.len()).filter(|&o| options[o].len() > 1).collect();
        while !pending.is_empty() {
            let mut rows = 0;
            let fits = pending
                .iter()
                .take_while(|&&o| {
                    rows += options[o].len() - 1;
                    rows <= MAX_OPTION_ROWS
                })
                .count()
                .max(1);
            let group: Vec<usize> = pending.drain(..fits).collect();
            self.score_group(model, options, &group, &mut scores).await?;
        }
        Ok(scores)
    }

    async fn score_group(
        &mut self,
        model: &SmolVlm,
        options: &[Vec<u32>],
        group: &[usize],
        scores: &mut [f64],
    ) -> Result<()> {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut rows = Vec::new();
        let mut targets = Vec::new();
        for &o in group {
            let start = self.len + ids.len();
            for (j, pair) in options[o].windows(2).enumerate() {
                ids.push(pair[0]);
                positions.push(self.len + j);
                rows.push(Visible { prefix: self.len, start, stop: start + j + 1 });
                targets.push((o, pair[1]));
            }
        }
        self.cache.rewind(self.len);
        let embeddings = model.embed(&ids, None)?;
        let hidden = model.text().forward_rows(embeddings, &mut self.cache, &positions, rows);
        let logits = read(model, model.text().logits(hidden)).await?;
        self.cache.rewind(self.len);
        let vocab = self.last.len();
        for ((o, target), row) in targets.into_iter().zip(logits.chunks_exact(vocab)) {
            let value = row.get(target as usize).ok_or(VlmError::TokenOutOfRange { id: target, vocab })?;
            scores[o] += f64::from(*value) - log_sum_exp(row);
        }
        Ok(())
    }
}

/// One continuation of a [`Prefix`], token by token.
pub struct Continuation<'a> {
    model: &'a SmolVlm,
    cache: &'a mut KvCache,
    logits: Vec<f32>,
}

impl Continuation<'_> {
    /// Logits of the next token, `[vocab]`.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Appends `token`.
    ///
    /// # Errors
    /// When the device fails or computes NaN.
    pub async fn push(&mut self, token: u32) -> Result<()> {
        let x = self.model.embed(&[token], None)?;
        let hidden = self.model.text().forward(x, self.cache);
        self.logits = read(self.model, self.model.text().logits(hidden)).await?;
        Ok(())
    }

    /// As [`Self::push`], with what `token` reads, from which the token after it is made.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn push_watched(&mut self, token: u32) -> Result<Attention> {
        let x = self.model.embed(&[token], None)?;
        let (hidden, seen) = self.model.text().forward_watched(x, self.cache);
        self.logits = read(self.model, self.model.text().logits(hidden)).await?;
        Attention::read(self.model, seen).await
    }
}

/// Reads logits from the device.
///
/// # Errors
/// When the device fails or a value is not finite.
pub(crate) async fn read<const D: usize>(model: &SmolVlm, logits: Tensor<D>) -> Result<Vec<f32>> {
    let data =
        logits.cast(DType::F32).into_data_async().await.map_err(|e| VlmError::Device(format!("{e:?}")))?;
    let values = data.as_slice::<f32>().map_err(|e| VlmError::Device(format!("{e:?}")))?.to_vec();
    if values.iter().all(|v| v.is_finite()) {
        Ok(values)
    } else {
        Err(VlmError::NotFinite { precision: model.precision().name() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_follows_its_seed_and_its_cuts() {
        let logits: Vec<f32> = (0..50).map(|i| ((i * 37) % 50) as f32 / 10.0).collect();
        let draw = |sampling: Sampling| {
            let mut sampler = Sampler::new(sampling).unwrap();
            (0..200).map(|_| sampler.next(&logits)).collect::<Vec<_>>()
        };
        let random = |top_k, top_p, seed| Sampling::Random { temperature: 1.0, top_k, top_p, seed };
        assert_eq!(draw(random(None, None, 1)), draw(random(None, None, 1)));
        assert_ne!(draw(random(None, None, 1)), draw(random(None, None, 2)));
        let best = argmax(&logits);
        assert!(draw(random(Some(1), None, 3)).iter().all(|&t| t == best));
        assert!(draw(random(None, Some(1e-6), 3)).iter().all(|&t| t == best));
        assert!(draw(Sampling::Greedy).iter().all(|&t| t == best));
        let three: std::collections::BTreeSet<u32> = draw(random(Some(3), None, 4)).into_iter().collect();
        assert_eq!(three.len(), 3);
        for bad in [
            Sampling::Random { temperature: 0.0, top_k: None, top_p: None, seed: 0 },
            Sampling::Random { temperature: f64::NAN, top_k: None, top_p: None, seed: 0 },
            random(Some(0), None, 0),
            random(None, Some(1.5), 0),
        ] {
            assert!(Sampler::new(bad).is_err());
        }
    }

    #[test]
    fn draws_have_the_softmax_distribution() {
        let logits = [0.0f32, 1.0, 2.0];
        let mut sampler =
            Sampler::new(Sampling::Random { temperature: 1.0, top_k: None, top_p: None, seed: 7 }).unwrap();
        let n = 20_000;
        let mut counts = [0f64; 3];
        for _ in 0..n {
            counts[sampler.next(&logits) as usize] += 1.0 / f64::from(n);
        }
        let total: f64 = logits.iter().map(|v| f64::from(*v).exp()).sum();
        for (count, logit) in counts.iter().zip(logits) {
            assert!((count - f64::from(logit).exp() / total).abs() < 0.015, "{counts:?}");
        }
    }
}
