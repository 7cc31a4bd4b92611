//! What the model computes for one prompt, in a file that any implementation can be held to.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Tensor};
use plumb_image::RgbImage;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{EngineError, Result};
use crate::protocol::Outcome;
use crate::session::Session;

/// Rows of logits that are computed at once: all of a long prompt would be hundreds of megabytes on the device.
const LOGIT_ROWS: usize = 128;

/// Writes `input_ids [seq]` (i64), `pixel_values [frames, 3, h, w]`, `image_features [frames · tokens, hidden]` and
/// `logits [seq, vocab]` (f32) of `prompt` about `image`.
pub(crate) async fn run(
    session: &mut Session,
    image: Option<&RgbImage>,
    prompt: &str,
    out: &Path,
) -> Result<Outcome> {
    let prompt = session.prompt(prompt, image, None)?;
    let (pixels, frames, side) = session.pixels(&prompt);
    let features = session.features(&prompt, None)?;
    let model = &session.model;
    let embeddings = model.embed(&prompt.ids, features.as_ref())?;
    let [seq, h] = embeddings.dims();
    // Virtual tokens of an adapter stand before the prompt; what is written is the prompt's.
    let (embeddings, before) = match model.prefix() {
        Some(prefix) => (Tensor::cat(vec![prefix.clone(), embeddings], 0), prefix.dims()[0]),
        None => (embeddings, 0),
    };
    let mut cache = model.cache(before + seq);
    let hidden = model.text().forward(embeddings, &mut cache).slice([before..before + seq, 0..h]);
    let mut logits = Vec::new();
    for start in (0..seq).step_by(LOGIT_ROWS) {
        let rows = hidden.clone().slice([start..(start + LOGIT_ROWS).min(seq), 0..h]);
        logits.extend(read(model.text().logits(rows)).await?);
    }
    let ids: Vec<u8> = prompt.ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let vocab = model.config().text.vocab;
    let mut parts: BTreeMap<&str, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    parts.insert("input_ids", (Dtype::I64, vec![seq], ids));
    parts.insert("logits", (Dtype::F32, vec![seq, vocab], bytes(&logits)));
    if let Some(features) = features {
        let [n, h] = features.dims();
        parts.insert("image_features", (Dtype::F32, vec![n, h], bytes(&read(features).await?)));
        parts.insert("pixel_values", (Dtype::F32, vec![frames, 3, side, side], bytes(&pixels)));
    }
    let fail = |reason: String| EngineError::Write {
        file: out.display().to_string(),
        source: std::io::Error::other(reason),
    };
    let views = parts
        .iter()
        .map(|(name, (dtype, shape, data))| TensorView::new(*dtype, shape.clone(), data).map(|v| (*name, v)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| fail(e.to_string()))?;
    safetensors::serialize_to_file(views, None, out).map_err(|e| fail(e.to_string()))?;
    Ok(Outcome::Trace { out: out.to_owned(), tokens: seq, frames })
}

async fn read(tensor: Tensor<2>) -> Result<Vec<f32>> {
    let fail = |e: String| EngineError::Device(e);
    let data = tensor.cast(DType::F32).into_data_async().await.map_err(|e| fail(format!("{e:?}")))?;
    Ok(data.as_slice::<f32>().map_err(|e| fail(format!("{e:?}")))?.to_vec())
}
