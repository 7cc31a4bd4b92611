//! Speed of one model on one device.

use std::time::Instant;

use burn::tensor::Tensor;
use plumb_vlm::Prefix;

use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::protocol::{BenchOutcome, Outcome};
use crate::session::Session;

/// Pseudo-random numbers for inputs (splitmix64): no two repeats see the same, because a device that skipped a kernel
/// would otherwise find the right answer in the old buffer.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Measures `repeat` times (after one round that is not counted): vision of one frame, vision and a prompt of
/// `prompt_tokens` with its image tokens, and `decode` tokens after it.
pub(crate) async fn run(
    session: &mut Session,
    prompt_tokens: usize,
    decode: usize,
    repeat: usize,
    reporter: &Reporter,
) -> Result<Outcome> {
    let side = session.processor.images().config().longest_edge_of_tile as usize;
    let model = &session.model;
    let image_tokens = model.config().tokens_per_frame(side, side).unwrap_or(0);
    if prompt_tokens < image_tokens + 2 || decode == 0 || repeat == 0 {
        return Err(EngineError::Request(format!(
            "a prompt of {prompt_tokens} tokens cannot hold the {image_tokens} of a frame and two more; decode and \
             repeat must be at least 1"
        )));
    }
    let vocab = model.config().text.vocab as u64;
    let image_id = model.config().image_token_id;
    let (mut vision, mut prefill, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=repeat {
        reporter.checkpoint()?;
        let mut noise = Noise(round as u64 + 1);
        let pixels: Vec<f32> = (0..3 * side * side).map(|_| noise.unit()).collect();
        let mut word = || u32::try_from(noise.next() % vocab).ok().filter(|id| *id != image_id).unwrap_or(0);
        let mut ids = vec![word()];
        ids.extend(std::iter::repeat_n(image_id, image_tokens));
        ids.extend((ids.len()..prompt_tokens).map(|_| word()));

        let start = Instant::now();
        let features = model.image_features(&pixels, 1, side, side)?;
        wait(&features).await?;
        let vision_secs = start.elapsed().as_secs_f64();
        let embeddings = model.embed(&ids, Some(&features))?;
        let mut prefix = Prefix::new(model, embeddings, decode).await?;
        let prefill_secs = start.elapsed().as_secs_f64();
        let mut continuation = prefix.continuation(model);
        let start = Instant::now();
        for _ in 0..decode {
            let token = plumb_vlm::generate::argmax(continuation.logits());
            continuation.push(if token == image_id { 0 } else { token }).await?;
        }
        let decode_secs = start.elapsed().as_secs_f64();
        if round > 0 {
            vision.push(vision_secs);
            prefill.push(prefill_secs);
            decoded.push(decode as f64 / decode_secs);
        }
        reporter.progress("measuring", round as u64 + 1, repeat as u64 + 1, None);
    }
    Ok(Outcome::Bench(BenchOutcome {
        vision_s: median(&vision),
        prefill_s: median(&prefill),
        decode_tok_s: median(&decoded),
        vision_s_all: vision,
        prefill_s_all: prefill,
        decode_tok_s_all: decoded,
        load_s: session.load_secs,
        peak_rss_mib: peak_rss_mib(),
        params: model.num_params(),
        dtype: model.precision().name().to_owned(),
        device: session.device.name.clone(),
        prompt_tokens,
        decode_tokens: decode,
    }))
}

/// Waits until `tensor` is computed, by reading one of its values.
async fn wait(tensor: &Tensor<2>) -> Result<()> {
    let one = tensor.clone().slice([0..1, 0..1]);
    one.into_data_async().await.map(|_| ()).map_err(|e| EngineError::Device(format!("{e:?}")))
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Peak resident memory of this process, where `/proc` tells.
#[must_use]
pub fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn medians() {
        assert!((super::median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((super::median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
    }
}
