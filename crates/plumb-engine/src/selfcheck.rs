//! Whether this build computes right on this machine.
//!
//! A tiny model of the real code path travels within the program, with the logits that transformers computed for it.

use std::collections::BTreeMap;

use burn::tensor::DType;
use plumb_image::Limits;
use plumb_nn::{Precision, Source};
use plumb_vlm::chat::Message;
use plumb_vlm::{ModelFiles, Prefix, Processor, SmolVlm};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::device::OpenDevice;
use crate::error::{EngineError, Result};

macro_rules! asset {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/smolvlm_no_split/", $name)).as_slice()
    };
}

/// What the check found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Largest difference of a logit from the reference, relative to the largest logit.
    pub relative_error: f32,
    /// Whether the most likely token of the first decoded positions is the reference's.
    pub tokens_agree: bool,
    /// Whether that is within what the device's arithmetic explains.
    pub passed: bool,
}

/// Largest relative error of an f32 device that is allowed.
const TOLERANCE: f32 = 1e-3;
/// Tokens that are decoded.
const STEPS: usize = 8;

/// Runs the tiny model in f32 on `device`.
///
/// # Errors
/// When the device fails.
pub async fn run(device: &OpenDevice) -> Result<SelfCheck> {
    let side: BTreeMap<String, Vec<u8>> = [
        ("config.json", asset!("config.json")),
        ("preprocessor_config.json", asset!("preprocessor_config.json")),
        ("processor_config.json", asset!("processor_config.json")),
        ("generation_config.json", asset!("generation_config.json")),
        ("tokenizer.json", asset!("tokenizer.json")),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
    .collect();
    let weights = Source::Memory { name: "self check".into(), bytes: asset!("model.safetensors").to_vec() };
    let mut files = ModelFiles::new("self check".into(), side, vec![weights]);
    let model = SmolVlm::load(&mut files, &device.device, Some(Precision::F32)).await?;
    let processor = Processor::load(&files, model.config(), None)?;
    let broken = |what: String| EngineError::Device(format!("the self check cannot run: {what}"));
    let image =
        plumb_image::decode(asset!("image.png"), &Limits::default()).map_err(plumb_vlm::VlmError::from)?;
    let case: serde_json::Value =
        serde_json::from_slice(asset!("case.json")).map_err(|e| broken(e.to_string()))?;
    let text = case.get("prompt").and_then(serde_json::Value::as_str).unwrap_or_default();
    let prompt = processor.prompt(&[Message::user(1, text)], &[image], None)?;
    let pixels = prompt.images.first().map(|tiles| processor.images().normalise(tiles)).unwrap_or_default();
    let tile = processor.images().config().longest_edge_of_tile as usize;
    let features = model.image_features(&pixels, 1, tile, tile)?;
    let embeddings = model.embed(&prompt.ids, Some(&features))?;
    let expected =
        SafeTensors::deserialize(asset!("expected.safetensors")).map_err(|e| broken(e.to_string()))?;
    let floats = |name: &str| -> Result<Vec<f32>> {
        let view = expected.tensor(name).map_err(|e| broken(e.to_string()))?;
        Ok(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    };
    let mut cache = model.cache(prompt.ids.len());
    let hidden = model.text().forward(embeddings.clone(), &mut cache);
    let logits = model.text().logits(hidden).cast(DType::F32).into_data_async().await;
    let logits = logits.map_err(|e| EngineError::Device(format!("{e:?}")))?;
    let found = logits.as_slice::<f32>().map_err(|e| EngineError::Device(format!("{e:?}")))?;
    let mut worst = relative(found, &floats("logits")?);

    let vocab = model.config().text.vocab;
    let mut prefix = Prefix::new(&model, embeddings, STEPS).await?;
    let mut continuation = prefix.continuation(&model);
    let mut tokens_agree = true;
    for row in floats("decode_logits")?.chunks(vocab).take(STEPS) {
        let token = plumb_vlm::generate::argmax(row);
        tokens_agree &= plumb_vlm::generate::argmax(continuation.logits()) == token;
        worst = worst.max(relative(continuation.logits(), row));
        continuation.push(token).await?;
    }
    Ok(SelfCheck { relative_error: worst, tokens_agree, passed: tokens_agree && worst <= TOLERANCE })
}

fn relative(found: &[f32], expected: &[f32]) -> f32 {
    if found.len() != expected.len() {
        return f32::INFINITY;
    }
    let top = expected.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    found.iter().zip(expected).fold(0.0f32, |m, (a, b)| {
        let d = (a - b).abs();
        if d.is_finite() { m.max(d) } else { f32::INFINITY }
    }) / top
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    #[test]
    fn the_cpu_passes() {
        let device = block_on(crate::device::open(crate::DeviceChoice::Cpu)).unwrap();
        let check = block_on(super::run(&device)).unwrap();
        assert!(check.passed && check.relative_error < 1e-5, "{check:?}");
    }
}
