//! Lengths that are told wrongly on purpose: how much error of the labels does training bear?
//!
//! SpatialVLM (arXiv 2401.12168, section 4.3) adds normal noise of 0, 0.1, 0.2 and 0.3 m to the answers; here also as a factor, and drawn
//! once for all epochs or anew in each.

use plumb_geometry::Measure;
use plumb_qa::{Answer, QaPair, render_chain, render_texts, say_length};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use super::error::{DataError, Result};
use super::mirror::Wording;

/// How often a length is drawn again that came out negative or too small to be said.
const DRAWS: usize = 32;

/// The error put into lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation of what is added, in metres. The study: 0, 0.1, 0.2, 0.3.
    pub sigma_m: f64,
    /// Standard deviation of the natural logarithm of the factor.
    pub log_sigma: f64,
    /// Whether each epoch draws anew; else a sample is always wrong in the same way.
    pub per_epoch: bool,
}

impl Noise {
    /// Whether there is any.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.sigma_m == 0.0 && self.log_sigma == 0.0
    }

    /// # Errors
    /// [`DataError::Options`] for deviations that are negative, not finite or beyond all sense.
    pub fn check(&self) -> Result<()> {
        for (field, value, most) in [("sigma_m", self.sigma_m, 1000.0), ("log_sigma", self.log_sigma, 10.0)] {
            if !(0.0..=most).contains(&value) {
                return Err(DataError::Options {
                    field,
                    detail: format!("{value} is not within 0 to {most}"),
                });
            }
        }
        Ok(())
    }
}

/// The record with another length said: `true · exp(N(0, log_sigma)) + N(0, sigma_m)`, words made again. The record then says what the
/// text says. `None` for answers that are no length, and where no draw gave one that can be said.
///
/// # Errors
/// As [`Noise::check`].
pub fn noisy_pair(
    pair: &QaPair,
    noise: &Noise,
    wording: &Wording<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<Option<QaPair>> {
    noise.check()?;
    let Answer::Length(said) = &pair.answer else { return Ok(None) };
    if noise.is_none() {
        return Ok(None);
    }
    let wrong = |field| move |e: rand_distr::NormalError| DataError::Options { field, detail: e.to_string() };
    let added = Normal::new(0.0, noise.sigma_m).map_err(wrong("sigma_m"))?;
    let factor = Normal::new(0.0, noise.log_sigma).map_err(wrong("log_sigma"))?;
    for _ in 0..DRAWS {
        let value = said.value_m * factor.sample(rng).exp() + added.sample(rng);
        // The speaker does not know of the error: said as finely as the true length.
        let relative = if said.value_m > 0.0 { said.sigma_m / said.value_m } else { 0.0 };
        let Some(quantity) = say_length(Measure::new(value, relative * value), wording.lengths, rng) else {
            continue;
        };
        let mut out = pair.clone();
        out.answer = Answer::Length(quantity);
        let Some((question, answer)) = render_texts(wording.templates, &out) else { return Ok(None) };
        (out.question_text, out.answer_text) = (question, answer);
        if !out.steps.is_empty() {
            // Steps whose sum is not what is said are left out by this.
            out.steps = render_chain(wording.templates, &out, wording.lengths);
        }
        return Ok(Some(out));
    }
    Ok(None)
}
