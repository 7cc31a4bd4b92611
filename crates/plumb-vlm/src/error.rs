//! What can go wrong between a folder of files and an answer.

use plumb_image::ImageError;
use plumb_nn::WeightError;

/// Why a model could not be loaded or asked.
#[derive(Debug, thiserror::Error)]
pub enum VlmError {
    #[error(
        "{file} is missing from {folder}; a model folder holds config.json, tokenizer.json and *.safetensors"
    )]
    FileMissing { folder: String, file: &'static str },
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("{file} has {found} bytes, more than the {limit} that a file of its kind can have")]
    TooLarge { file: String, found: u64, limit: u64 },
    #[error("{file} is not valid JSON: {source}")]
    Json { file: String, source: serde_json::Error },
    #[error("{file}: {field} is {found}, expected {expected}")]
    Field { file: &'static str, field: String, expected: String, found: String },
    #[error("tokenizer.json cannot be used: {0}")]
    Tokenizer(String),
    #[error("the chat template ({file}) failed: {reason}")]
    Template { file: String, reason: String },
    #[error(
        "the text holds the marker {marker}, which stands for an image in this model's prompts; remove it from the text"
    )]
    MarkerInText { marker: &'static str },
    #[error(
        "the prompt has {markers} image markers for {images} images; the chat template may not place images"
    )]
    MarkerCount { markers: usize, images: usize },
    #[error(
        "the prompt has {tokens} tokens and the model reads at most {limit}; use a smaller image size \
         (--longest-edge 512 gives one tile) or a shorter text"
    )]
    PromptTooLong { tokens: usize, limit: usize },
    #[error(
        "each frame gives {features} image tokens, but processor_config.json says image_seq_len {expected}; the files \
         do not belong together"
    )]
    ImageTokens { features: usize, expected: usize },
    #[error(
        "token {id} is outside the model's vocabulary of {vocab}; tokenizer.json and config.json do not match"
    )]
    TokenOutOfRange { id: u32, vocab: usize },
    #[error("option {index} is empty")]
    EmptyOption { index: usize },
    #[error("{0}")]
    Sampling(String),
    #[error("this device does not compute in {precision}; use --dtype f32{hint}")]
    Precision { precision: &'static str, hint: &'static str },
    #[error("the device failed: {0}")]
    Device(String),
    #[error(
        "the model's logits are not finite; the device or its driver computes wrong results for {precision}"
    )]
    NotFinite { precision: &'static str },
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Preprocessor(#[from] plumb_image::smolvlm::ConfigError),
    #[error(transparent)]
    Weights(#[from] WeightError),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, VlmError>;
