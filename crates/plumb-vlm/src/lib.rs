//! Small vision-language models of the SmolVLM / Idefics3 family on burn: configuration, tokenizer, chat template,
//! prompt, vision tower, decoder, generation and option scoring.
//!
//! The way of a question: [`Processor::prompt`] → [`SmolVlm::image_features`] → [`SmolVlm::embed`] →
//! [`Prefix::new`] → [`Prefix::score`] or [`Prefix::continuation`].
//!
//! Floors: above `plumb-nn` and `plumb-image`, below the engine; knows no window and no benchmark. Every read from a
//! device or a weight file is `async`, so that the same code runs in a browser.

pub mod attention;
pub mod chat;
pub mod config;
pub mod decoder;
pub mod error;
pub mod files;
pub mod generate;
pub mod model;
pub mod places;
pub mod processor;
#[cfg(not(target_family = "wasm"))]
pub mod random;
pub mod vision;

pub use attention::Attention;
pub use chat::{Content, Message, Role};
pub use config::ModelConfig;
pub use error::{Result, VlmError};
pub use files::ModelFiles;
pub use generate::{Continuation, Prefix, Sampler, Sampling};
pub use model::SmolVlm;
pub use places::FramePlace;
pub use processor::{Dialogue, Processor, Prompt};
