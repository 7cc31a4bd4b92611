//! What an answer was read from: attention of every layer and head, from each token of the answer to each token before it.
//!
//! Attention is where information was read, not why: it is moved on through later layers, values of little weight can be
//! large, and a head that reads nothing rests on the first token. The docs of the window say this to the person.

#[cfg(test)]
mod tests;

use std::time::Instant;

pub use plumb_vlm::FramePlace;
use plumb_vlm::{Attention, Continuation, Prefix, Prompt};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::look::Blob;
use crate::protocol::AskSeconds;
use crate::session::Session;

/// Bytes of one answer's attention that are kept: SmolVLM 500M has 2.3 MB a token (32 layers, 15 heads, 1200 tokens).
const MOST_BYTES: usize = 128 << 20;

/// The attention of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskAttention {
    pub layers: usize,
    pub heads: usize,
    /// Row `i` is what the `i`-th token of the answer was made from, the row after the last token what follows the answer.
    /// Long answers keep the rows of their first tokens only.
    pub rows: usize,
    /// Tokens that are read: of the prompt, then of the answer.
    pub keys: usize,
    /// Those of the prompt, virtual tokens first.
    pub prompt_keys: usize,
    /// `[rows, layers, heads, keys]` little-endian f32, exactly 0 for what comes after a row's own token.
    pub probabilities: Blob,
    /// The texts of the answer's tokens, all of them; together they are the answer. Empty for a part of a character.
    pub tokens: Vec<String>,
    /// Whether the model ended the answer itself.
    pub ended: bool,
    /// Width and height of the picture in pixels.
    pub image: Option<(u32, u32)>,
    /// Where its tokens stand, `first` counted in keys: tiles row by row, then the frame of the whole picture.
    pub frames: Vec<FramePlace>,
}

/// Which frames are laid over the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frames {
    /// The tiles, which have the details.
    Tiles,
    /// The frame of the whole picture.
    Whole,
    /// Both: what a token of the whole picture gets is spread evenly over the cells of the tiles beneath it.
    #[default]
    Both,
}

/// One frame's cells, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells<'a> {
    pub place: &'a FramePlace,
    /// `side · side` shares of the whole attention.
    pub values: Vec<f32>,
}

/// How one token's attention is divided. The parts add up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    pub tiles: f32,
    pub whole: f32,
    /// The very first token, on which heads rest that read nothing.
    pub first: f32,
    /// The rest of the prompt: words, and the markers between frames.
    pub text: f32,
    /// The answer so far.
    pub answer: f32,
}

impl Shares {
    /// That of the picture.
    #[must_use]
    pub fn image(&self) -> f32 {
        self.tiles + self.whole
    }
}

impl AskAttention {
    /// What row `row` reads, `[keys]`: of one layer or the mean of all, of one head or the mean of all. Empty where there is no
    /// such row, layer or head, or where the bytes have not come.
    #[must_use]
    pub fn map(&self, row: usize, layer: Option<usize>, head: Option<usize>) -> Vec<f32> {
        let (layers, heads) = (one_or_all(layer, self.layers), one_or_all(head, self.heads));
        let mut sum = vec![0.0; self.keys];
        let scale = 1.0 / (layers.len() * heads.len()).max(1) as f32;
        for layer in layers.clone() {
            for head in heads.clone() {
                let at = (row * self.layers + layer) * self.heads + head;
                let bytes = (row < self.rows).then(|| {
                    let size = self.keys * size_of::<f32>();
                    self.probabilities.bytes.get(at.checked_mul(size)?..at.checked_add(1)?.checked_mul(size)?)
                });
                let Some(bytes) = bytes.flatten() else { return Vec::new() };
                for (sum, value) in sum.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *sum += f32::from_le_bytes(*value);
                }
            }
        }
        if layers.is_empty() || heads.is_empty() {
            return Vec::new();
        }
        sum.iter_mut().for_each(|value| *value *= scale);
        sum
    }

    /// How `map` is divided.
    #[must_use]
    pub fn shares(&self, map: &[f32]) -> Shares {
        let mut shares = Shares::default();
        for place in &self.frames {
            let part = if place.tile.is_some() { &mut shares.tiles } else { &mut shares.whole };
            *part += self.of(map, place).iter().sum::<f32>();
        }
        shares.first = map.first().copied().unwrap_or_default();
        let prompt = map.get(..self.prompt_keys.min(map.len())).unwrap_or_default();
        shares.text = (prompt.iter().sum::<f32>() - shares.image() - shares.first).max(0.0);
        shares.answer = map.iter().skip(self.prompt_keys).sum();
        shares
    }

    /// Whether the picture was cut into tiles.
    #[must_use]
    pub fn has_tiles(&self) -> bool {
        self.frames.iter().any(|place| place.tile.is_some())
    }

    /// `map` on the picture. A picture that is a single frame has it whatever `frames` says.
    #[must_use]
    pub fn cells(&self, map: &[f32], frames: Frames) -> Vec<Cells<'_>> {
        let frames = if self.has_tiles() { frames } else { Frames::Whole };
        let listed = self.frames.iter().filter(|place| place.tile.is_some() == (frames != Frames::Whole));
        let mut cells: Vec<Cells<'_>> =
            listed.map(|place| Cells { place, values: self.of(map, place).to_vec() }).collect();
        if frames == Frames::Both {
            for whole in self.frames.iter().filter(|place| place.tile.is_none()) {
                let values = self.of(map, whole);
                cells
                    .iter_mut()
                    .filter(|c| c.place.image == whole.image)
                    .for_each(|c| c.spread(whole, values));
            }
        }
        cells
    }

    /// What the tokens of a frame get.
    fn of<'a>(&self, map: &'a [f32], place: &FramePlace) -> &'a [f32] {
        let end = place.first.saturating_add(place.tokens());
        map.get(place.first..end).unwrap_or_default()
    }
}

impl Cells<'_> {
    /// Adds what another frame's tokens get, each spread evenly over its rectangle.
    fn spread(&mut self, other: &FramePlace, values: &[f32]) {
        for (i, own) in self.values.iter_mut().enumerate() {
            let Some([x1, y1, x2, y2]) = self.place.token(i) else { return };
            for (value, theirs) in values.iter().zip((0..).map_while(|i| other.token(i))) {
                let [left, top, right, bottom] = theirs;
                let (width, height) = (x2.min(right) - x1.max(left), y2.min(bottom) - y1.max(top));
                if width > 0.0 && height > 0.0 {
                    *own += value * (width * height / ((right - left) * (bottom - top))) as f32;
                }
            }
        }
    }
}

fn one_or_all(one: Option<usize>, all: usize) -> std::ops::Range<usize> {
    match one {
        Some(one) if one < all => one..one + 1,
        Some(_) => 0..0,
        None => 0..all,
    }
}

/// Collects the rows of an answer while it is made.
pub(crate) struct Watch {
    rows: Vec<Attention>,
    bytes: usize,
}

impl Watch {
    /// Begins with what the last token of the prompt reads.
    pub(crate) fn new(first: Attention) -> Self {
        let bytes = size_of_val(&first.values[..]);
        Self { rows: vec![first], bytes }
    }

    /// Appends `token`, and keeps what it reads while there is room.
    pub(crate) async fn push(&mut self, continuation: &mut Continuation<'_>, token: u32) -> Result<()> {
        if self.bytes.saturating_add(self.bytes / self.rows.len().max(1)) > MOST_BYTES {
            return Ok(continuation.push(token).await?);
        }
        let row = continuation.push_watched(token).await?;
        self.bytes += size_of_val(&row.values[..]);
        self.rows.push(row);
        Ok(())
    }

    /// All of it; `ids` are the tokens of the answer, and `image` is the prompt's picture.
    ///
    /// # Errors
    /// A tokenizer that fails, a picture that is not the prompt's.
    pub(crate) fn finish(
        self,
        session: &Session,
        prompt: &Prompt,
        image: Option<(u32, u32)>,
        ids: &[u32],
        ended: bool,
    ) -> Result<AskAttention> {
        let keys = self.rows.last().map_or(0, |row| row.keys);
        let (prompt_keys, layers, heads) =
            self.rows.first().map_or((0, 0, 0), |r| (r.keys, r.layers, r.heads));
        let rows = self.rows.len();
        let mut bytes = Vec::with_capacity(rows * layers * heads * keys * size_of::<f32>());
        for row in self.rows {
            for head in row.values.chunks(row.keys.max(1)) {
                bytes.extend(head.iter().flat_map(|value| value.to_le_bytes()));
                bytes.resize(bytes.len() + (keys - row.keys) * size_of::<f32>(), 0);
            }
        }
        let sizes: Vec<(u32, u32)> = image.into_iter().collect();
        let mut frames = session.processor.places(prompt, &sizes)?;
        let before = session.model.prefix().map_or(0, |prefix| prefix.dims()[0]);
        frames.iter_mut().for_each(|frame| frame.first += before);
        let tokens = pieces(ids, |ids| Ok(session.processor.decode(ids, true)?))?;
        let probabilities = Blob::from(bytes);
        Ok(AskAttention {
            layers,
            heads,
            rows,
            keys,
            prompt_keys,
            probabilities,
            tokens,
            ended,
            image,
            frames,
        })
    }
}

/// The text that each token adds. A character of several tokens belongs to its last.
fn pieces(ids: &[u32], decode: impl Fn(&[u32]) -> Result<String>) -> Result<Vec<String>> {
    let mut shown = String::new();
    let mut pieces = Vec::with_capacity(ids.len());
    for end in 1..=ids.len() {
        let text = decode(&ids[..end])?;
        match text.strip_prefix(&shown) {
            Some(new) if !new.ends_with('\u{fffd}') => {
                pieces.push(new.to_owned());
                shown = text;
            }
            _ => pieces.push(String::new()),
        }
    }
    Ok(pieces)
}

impl Session {
    /// As [`Session::prefix`], with what the prompt's last token reads.
    ///
    /// # Errors
    /// Whatever the model or the device refuses.
    pub(crate) async fn watched_prefix(
        &mut self,
        prompt: &Prompt,
        key: Option<&str>,
        room: usize,
        seconds: &mut AskSeconds,
    ) -> Result<(Prefix, Watch)> {
        let start = Instant::now();
        let features = self.features(prompt, key)?;
        seconds.vision = start.elapsed().as_secs_f64();
        let embeddings = self.model.embed(&prompt.ids, features.as_ref())?;
        let (prefix, first) = Prefix::watched(&self.model, embeddings, room).await?;
        seconds.prompt = start.elapsed().as_secs_f64() - seconds.vision;
        Ok((prefix, Watch::new(first)))
    }
}
