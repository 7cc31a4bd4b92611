//! Training data: read, changed, mixed, ordered and checked.
//!
//! | module | what it does |
//! |---|---|
//! | [`Source`] | opens Parquet, JSON and JSONL data sets; samples by number, pictures on demand |
//! | [`prepare`] | a sample to pixels and text: mirror and crop with the answer recomputed, noise on lengths, boxes drawn |
//! | [`Mixer`] | which source and which sample is next, by share of tokens |
//! | [`BatchStream`] | micro-batches by count or tokens, with samples of one picture together |
//! | [`split`](fn@split) | what is held out, by picture |
//! | [`labels`] | what is learned of a sample, shown to a person and checked |
//!
//! Everything depends on the data, the options and the seed only, and every place in a run can be saved and taken up again.

// A page has no files to open; it makes its samples itself.
#![cfg_attr(target_family = "wasm", allow(dead_code, unused_imports))]

pub mod batch;
pub mod crop;
mod detect;
mod error;
mod groups;
mod image;
pub mod labels;
pub mod mirror;
pub mod mixer;
pub mod noise;
mod permute;
mod prepare;
mod random;
#[cfg(not(target_family = "wasm"))]
mod read;
mod sample;
mod source;
mod spool;
#[cfg(test)]
mod tests;
pub mod words;

pub use batch::{Batch, BatchOptions, BatchStream, Item, StreamState};
pub use crop::CropOptions;
pub use detect::Format;
pub use error::{DataError, MAX_PROBLEMS, Problems, Result, RowProblem};
pub use groups::{Split, Units, split};
pub use labels::{ImageTokens, check_labels, mask_report};
pub use mixer::{Mixer, MixerOptions, MixerState, Pick, SourceState};
pub use noise::Noise;
pub use permute::Permutation;
pub use prepare::{PrepareOptions, change, mirror_sample, prepare};
pub use sample::{Changes, ImageRef, Prepared, Sample};
pub use source::{ImageIdentity, LetterForm, OpenOptions, Source};
