//! From samples to batches: pictures to frames or kept features, dialogues to tokens and labels.

use std::collections::{BTreeMap, VecDeque};

use burn::tensor::Tensor;
use plumb_image::RgbImage;
use plumb_image::smolvlm::Tiles;
use plumb_vlm::chat::{Content, Message, Role};
use plumb_vlm::{Processor, SmolVlm};
use sha2::{Digest as _, Sha256};

use crate::batch::{Batch, Frames};
use crate::data::{ImageTokens, Prepared, check_labels};
use crate::error::Result;

/// The dialogue of a sample: pictures first, then turns by turn.
#[must_use]
pub fn messages(prepared: &Prepared) -> Vec<Message> {
    let text = |text: &str| Content::Text { text: text.to_owned() };
    let mut out = Vec::new();
    if let Some(system) = &prepared.system {
        out.push(Message { role: Role::System, content: vec![text(system)] });
    }
    for (i, (question, answer)) in prepared.turns.iter().enumerate() {
        out.push(Message::user(if i == 0 { prepared.images.len() } else { 0 }, question.clone()));
        let begun = prepared.prefill.as_deref().filter(|_| i + 1 == prepared.turns.len());
        // The template puts the space after `Assistant:` itself.
        let said = begun.map_or_else(|| answer.clone(), |begun| format!("{} {answer}", begun.trim()));
        out.push(Message { role: Role::Assistant, content: vec![text(&said)] });
    }
    out
}

/// One sample as the model reads it.
pub struct Encoded {
    pub id: String,
    pub ids: Vec<u32>,
    /// Which tokens are learned.
    pub learn: Vec<bool>,
    /// The frames of each picture.
    pub images: Vec<Tiles>,
}

/// Tokens, labels and frames of a sample.
///
/// # Errors
/// A dialogue that the template refuses or that is too long, nothing that is learned, pictures that do not fit their
/// tokens: with the sample's name.
pub fn encode(processor: &Processor, prepared: &Prepared) -> Result<Encoded> {
    let dialogue = processor.dialogue(&messages(prepared), &prepared.images)?;
    let mut learn = dialogue.answer;
    if let Some(prefill) = &prepared.prefill {
        // What the prompt gives of the last answer is not learned.
        let given = processor.encode(prefill)?.len();
        if let Some(start) = learn
            .iter()
            .rposition(|l| *l)
            .map(|last| learn[..last].iter().rposition(|l| !*l).map_or(0, |before| before + 1))
        {
            for flag in learn.iter_mut().skip(start).take(given) {
                *flag = false;
            }
        }
    }
    let features =
        dialogue.images.iter().map(|t| t.frames.len()).sum::<usize>() * processor.tokens_per_frame();
    let image = ImageTokens { id: processor.image_token_id(), features };
    check_labels(&prepared.id, &dialogue.ids, &learn, Some(image))?;
    Ok(Encoded { id: prepared.id.clone(), ids: dialogue.ids, learn, images: dialogue.images })
}

/// Image features that are kept from step to step while nothing of the tower learns; the oldest go first.
pub struct FeatureCache {
    limit: u64,
    held: BTreeMap<[u8; 32], Tensor<2>>,
    order: VecDeque<[u8; 32]>,
    bytes: u64,
}

impl FeatureCache {
    /// Holds up to `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, held: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn get(&self, key: &[u8; 32]) -> Option<Tensor<2>> {
        self.held.get(key).cloned()
    }

    fn put(&mut self, key: [u8; 32], features: &Tensor<2>) {
        let [rows, h] = features.dims();
        let size = (rows * h * 4) as u64;
        if size > self.limit || self.held.contains_key(&key) {
            return;
        }
        while self.bytes + size > self.limit {
            let Some(old) = self.order.pop_front() else { break };
            if let Some(old) = self.held.remove(&old) {
                let [rows, h] = old.dims();
                self.bytes -= (rows * h * 4) as u64;
            }
        }
        self.held.insert(key, features.clone());
        self.order.push_back(key);
        self.bytes += size;
    }
}

fn key(tiles: &Tiles) -> [u8; 32] {
    let mut hash = Sha256::new();
    for frame in &tiles.frames {
        hash.update(frame.width().to_le_bytes());
        hash.update(RgbImage::data(frame));
    }
    hash.finalize().into()
}

/// Puts encoded samples into one batch; a picture that several show goes through the tower once. `cache` where the tower
/// is frozen.
///
/// # Errors
/// Frames whose patches do not fit the connector.
pub fn collate(
    model: &SmolVlm,
    processor: &Processor,
    samples: Vec<Encoded>,
    mut cache: Option<&mut FeatureCache>,
) -> Result<Batch> {
    let tokens = processor.tokens_per_frame();
    let image_id = processor.image_token_id();
    let mut first_row: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    let mut rows = 0;
    let mut pixels: Vec<f32> = Vec::new();
    let mut features: Vec<Tensor<2>> = Vec::new();
    let mut side = 0;
    let mut dialogues = Vec::with_capacity(samples.len());
    for sample in samples {
        let mut feature_rows = Vec::new();
        for tiles in &sample.images {
            let key = key(tiles);
            let count = tiles.frames.len();
            let start = match first_row.get(&key) {
                Some(start) => *start,
                None => {
                    side = tiles.frames.first().map_or(0, |f| f.width() as usize);
                    let normalised = || processor.images().normalise(tiles);
                    match cache.as_deref_mut() {
                        Some(cache) => features.push(match cache.get(&key) {
                            Some(kept) => kept,
                            None => {
                                let new = model.image_features(&normalised(), count, side, side)?;
                                cache.put(key, &new);
                                new
                            }
                        }),
                        None => pixels.extend(normalised()),
                    }
                    first_row.insert(key, rows);
                    rows += count * tokens;
                    rows - count * tokens
                }
            };
            feature_rows.extend(start..start + count * tokens);
        }
        let places = sample.ids.iter().enumerate().filter(|(_, id)| **id == image_id).map(|(at, _)| at);
        let image_rows = places.zip(feature_rows).collect();
        dialogues.push((sample.ids, sample.learn, image_rows));
    }
    let frames = if rows == 0 {
        Frames::None
    } else if cache.is_some() {
        Frames::Features(Tensor::cat(features, 0))
    } else {
        Frames::Pixels { pixels, frames: rows / tokens.max(1), height: side, width: side }
    };
    Ok(Batch::new(dialogues, frames))
}
