//! From messages and images to token ids and frames.
//!
//! Reference: `huggingface/transformers:src/transformers/models/smolvlm/processing_smolvlm.py` (5.23).

use plumb_image::RgbImage;
use plumb_image::smolvlm::{ImageProcessor, PreprocessorConfig, Tiles};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::chat::{ChatTemplate, Content, Message};
use crate::config::ModelConfig;
use crate::error::{Result, VlmError};
use crate::files::ModelFiles;
use crate::places::{self, FramePlace};

const IMAGE: &str = "<image>";
const AROUND: &str = "<fake_token_around_image>";
const GLOBAL: &str = "<global-img>";
const END: &str = "<end_of_utterance>";

/// Everything of a model that is not weights.
pub struct Processor {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    images: ImageProcessor,
    tokens_per_frame: usize,
    patch: usize,
    scale: usize,
    image_token_id: u32,
    vocab: usize,
    max_positions: usize,
    stop_ids: Vec<u32>,
}

/// A prompt ready for the model.
pub struct Prompt {
    /// Token ids, image tokens included.
    pub ids: Vec<u32>,
    /// The frames of each image, in order.
    pub images: Vec<Tiles>,
    /// The text that was tokenised, markers expanded.
    pub text: String,
}

/// A whole dialogue, with what of it is answer.
pub struct Dialogue {
    /// Token ids, image tokens included.
    pub ids: Vec<u32>,
    /// Which of `ids` the assistant says, the end of its turn included.
    pub answer: Vec<bool>,
    /// The frames of each image, in order.
    pub images: Vec<Tiles>,
}

#[derive(Deserialize)]
struct ProcessorFile {
    image_seq_len: Option<u64>,
}

impl Processor {
    /// Reads tokenizer, template and image settings; `longest_edge` overrides the working size of images (in pixels;
    /// one tile's side gives one frame per image).
    ///
    /// # Errors
    /// Missing or malformed files, files that do not belong together.
    pub fn load(files: &ModelFiles, config: &ModelConfig, longest_edge: Option<u32>) -> Result<Self> {
        let tokenizer = Tokenizer::from_bytes(files.require("tokenizer.json")?)
            .map_err(|e| VlmError::Tokenizer(e.to_string()))?;
        let marker = tokenizer.token_to_id(IMAGE);
        if marker != Some(config.image_token_id) {
            return Err(VlmError::Field {
                file: "config.json",
                field: "image_token_id".into(),
                expected: format!("the id of {IMAGE} in tokenizer.json, {marker:?}"),
                found: config.image_token_id.to_string(),
            });
        }
        let images = match files.get("preprocessor_config.json") {
            Some(bytes) => PreprocessorConfig::from_json(&String::from_utf8_lossy(bytes))?,
            None => PreprocessorConfig::default(),
        };
        let images = ImageProcessor::new(images)?;
        let images = match longest_edge {
            Some(edge) => images.with_longest_edge(edge)?,
            None => images,
        };
        let tile = images.config().longest_edge_of_tile as usize;
        let computed = config.tokens_per_frame(tile, tile).ok_or_else(|| VlmError::Field {
            file: "preprocessor_config.json",
            field: "max_image_size.longest_edge".into(),
            expected: format!(
                "a side whose patches of {} pixels divide by scale_factor {}",
                config.vision.patch, config.scale_factor
            ),
            found: tile.to_string(),
        })?;
        let said: Option<ProcessorFile> = files.json("processor_config.json")?;
        if let Some(expected) = said.and_then(|p| p.image_seq_len).filter(|&n| n != computed as u64) {
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            return Err(VlmError::ImageTokens { features: computed, expected });
        }
        let stop_ids = stop_ids(files, &tokenizer)?;
        Ok(Self {
            tokenizer,
            template: ChatTemplate::from_files(files)?,
            images,
            tokens_per_frame: computed,
            patch: config.vision.patch,
            scale: config.scale_factor,
            image_token_id: config.image_token_id,
            vocab: config.text.vocab,
            max_positions: config.text.max_positions,
            stop_ids,
        })
    }

    /// The image pipeline.
    #[must_use]
    pub fn images(&self) -> &ImageProcessor {
        &self.images
    }

    /// Ids that end an answer.
    #[must_use]
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// Positions that the model was made for.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Token ids of `text`; markers of added tokens in it become those tokens.
    ///
    /// # Errors
    /// When the tokenizer fails or gives an id that the model does not have.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|e| VlmError::Tokenizer(e.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|&&id| id as usize >= self.vocab) {
            Some(&id) => Err(VlmError::TokenOutOfRange { id, vocab: self.vocab }),
            None => Ok(ids),
        }
    }

    /// The text of `ids`, markers left out where `skip_special`.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.tokenizer.decode(ids, skip_special).map_err(|e| VlmError::Tokenizer(e.to_string()))
    }

    /// Builds the prompt of `messages` with `images` for their image contents in order, the assistant's turn begun
    /// and continued with `prefill`.
    ///
    /// # Errors
    /// An image marker within a text, a number of images that does not match, a prompt too long for the model.
    pub fn prompt(&self, messages: &[Message], images: &[RgbImage], prefill: Option<&str>) -> Result<Prompt> {
        for content in messages.iter().flat_map(|m| &m.content) {
            if let Content::Text { text } = content
                && text.contains(IMAGE)
            {
                return Err(VlmError::MarkerInText { marker: IMAGE });
            }
        }
        let mut text = self.template.render(messages, true)?;
        text.push_str(prefill.unwrap_or_default());
        let tiles: Vec<Tiles> =
            images.iter().map(|image| self.images.process(image)).collect::<std::result::Result<_, _>>()?;
        let text = self.expand(&text, &tiles)?;
        let ids = self.encode(&text)?;
        if ids.len() > self.max_positions {
            return Err(VlmError::PromptTooLong { tokens: ids.len(), limit: self.max_positions });
        }
        Ok(Prompt { ids, images: tiles, text })
    }

    /// Builds a whole dialogue for training. What the assistant says is tokenised apart from what stands before it,
    /// as it is when the model answers by itself.
    ///
    /// # Errors
    /// As [`Self::prompt`]; a template that does not render a dialogue as the beginning of a longer one.
    pub fn dialogue(&self, messages: &[Message], images: &[RgbImage]) -> Result<Dialogue> {
        let tiles: Vec<Tiles> =
            images.iter().map(|image| self.images.process(image)).collect::<std::result::Result<_, _>>()?;
        let (ids, answer) = self.dialogue_ids(messages, &tiles)?;
        Ok(Dialogue { ids, answer, images: tiles })
    }

    /// As [`Self::dialogue`] for images that were cut already.
    ///
    /// # Errors
    /// As [`Self::dialogue`].
    pub fn dialogue_ids(&self, messages: &[Message], tiles: &[Tiles]) -> Result<(Vec<u32>, Vec<bool>)> {
        for content in messages.iter().flat_map(|m| &m.content) {
            if let Content::Text { text } = content
                && text.contains(IMAGE)
            {
                return Err(VlmError::MarkerInText { marker: IMAGE });
            }
        }
        let whole = self.expand(&self.template.render(messages, false)?, tiles)?;
        let (mut ids, mut answer) = (Vec::new(), Vec::new());
        let mut done = 0;
        let mut add = |text: &str, learn: bool| -> Result<()> {
            let piece = self.encode(text)?;
            answer.resize(answer.len() + piece.len(), learn);
            ids.extend(piece);
            Ok(())
        };
        for (i, message) in messages.iter().enumerate() {
            if message.role != crate::chat::Role::Assistant {
                continue;
            }
            let seen =
                messages[..i].iter().flat_map(|m| &m.content).filter(|c| **c == Content::Image).count();
            let shown =
                tiles.get(..seen).ok_or(VlmError::MarkerCount { markers: seen, images: tiles.len() })?;
            let before = self.expand(&self.template.render(&messages[..i], true)?, shown)?;
            let start = before.len();
            let said = whole
                .get(start..)
                .filter(|_| whole.starts_with(&before))
                .and_then(|rest| rest.find(END).map(|end| &rest[..end + END.len()]));
            let (Some(said), true) = (said, start >= done) else {
                return Err(VlmError::Template {
                    file: "the chat template".into(),
                    reason: format!(
                        "turn {i} of a dialogue does not follow what stands before it, or does not end in {END}"
                    ),
                });
            };
            add(&whole[done..start], false)?;
            add(said, true)?;
            done = start + said.len();
        }
        add(&whole[done..], false)?;
        if ids.len() > self.max_positions {
            return Err(VlmError::PromptTooLong { tokens: ids.len(), limit: self.max_positions });
        }
        Ok((ids, answer))
    }

    /// Replaces each image marker by the tokens of its frames.
    fn expand(&self, text: &str, images: &[Tiles]) -> Result<String> {
        let parts: Vec<&str> = text.split(IMAGE).collect();
        if parts.len() != images.len() + 1 {
            return Err(VlmError::MarkerCount { markers: parts.len() - 1, images: images.len() });
        }
        let mut out = String::with_capacity(text.len());
        let mut parts = parts.into_iter();
        out.push_str(parts.next().unwrap_or_default());
        for (part, tiles) in parts.zip(images) {
            out.push_str(&image_text(tiles.rows as usize, tiles.cols as usize, self.tokens_per_frame));
            out.push_str(part);
        }
        Ok(out)
    }

    /// Where the image tokens of `prompt` stand, whose pictures have these `sizes` (width, height).
    ///
    /// # Errors
    /// Pictures that are not those of the prompt.
    pub fn places(&self, prompt: &Prompt, sizes: &[(u32, u32)]) -> Result<Vec<FramePlace>> {
        let mut frames = Vec::new();
        for (image, &(width, height)) in sizes.iter().enumerate() {
            let plan = self.images.plan(width, height)?;
            frames.extend(places::frames(&plan, (width, height), image, self.patch, self.scale));
        }
        let ids = prompt.ids.iter().enumerate();
        let found: Vec<usize> = ids.filter(|(_, id)| **id == self.image_token_id).map(|(at, _)| at).collect();
        let expected = frames.len() * self.tokens_per_frame;
        if found.len() != expected {
            return Err(VlmError::ImageTokens { features: found.len(), expected });
        }
        for (frame, run) in frames.iter_mut().zip(found.chunks(self.tokens_per_frame)) {
            frame.first = run.first().copied().unwrap_or_default();
        }
        Ok(frames)
    }

    /// Image tokens of one frame.
    #[must_use]
    pub fn tokens_per_frame(&self) -> usize {
        self.tokens_per_frame
    }

    /// The id that stands for one image token.
    #[must_use]
    pub fn image_token_id(&self) -> u32 {
        self.image_token_id
    }
}

/// The text of one image: `rows × cols` tiles row by row and the global frame, or (0 × 0) one frame alone.
#[must_use]
pub fn image_text(rows: usize, cols: usize, tokens: usize) -> String {
    let frame = IMAGE.repeat(tokens);
    let mut out = String::new();
    for r in 1..=rows {
        for c in 1..=cols {
            out.push_str(&format!("{AROUND}<row_{r}_col_{c}>{frame}"));
        }
        out.push('\n');
    }
    if rows > 0 {
        out.push('\n');
    }
    out.push_str(&format!("{AROUND}{GLOBAL}{frame}{AROUND}"));
    out
}

fn stop_ids(files: &ModelFiles, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let generation: Option<Value> = files.json("generation_config.json")?;
    let mut ids: Vec<u32> = match generation.as_ref().and_then(|g| g.get("eos_token_id")) {
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_u64).filter_map(|v| u32::try_from(v).ok()).collect()
        }
        Some(value) => value.as_u64().and_then(|v| u32::try_from(v).ok()).into_iter().collect(),
        None => Vec::new(),
    };
    ids.extend(tokenizer.token_to_id(END));
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(VlmError::Field {
            file: "generation_config.json",
            field: "eos_token_id".into(),
            expected: format!("a token id, or {END} in tokenizer.json"),
            found: "neither".into(),
        });
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_has_the_published_lengths() {
        // Tokens of an expanded image: frames · seq + 2 · rows · cols + (rows − 1) + 1 + 3; untiled seq + 3. The two
        // newlines after the last row are one token.
        for (rows, cols) in [(0, 0), (1, 2), (3, 4), (4, 4)] {
            let text = image_text(rows, cols, 64);
            let frames = rows * cols + 1;
            assert_eq!(text.matches(IMAGE).count(), frames * 64);
            assert_eq!(text.matches(AROUND).count(), frames + 1);
            assert_eq!(text.matches('\n').count(), if rows == 0 { 0 } else { rows + 1 });
        }
        assert_eq!(
            image_text(1, 2, 1),
            "<fake_token_around_image><row_1_col_1><image><fake_token_around_image><row_1_col_2><image>\n\n\
             <fake_token_around_image><global-img><image><fake_token_around_image>"
        );
    }
}
