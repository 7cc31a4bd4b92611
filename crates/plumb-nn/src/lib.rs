//! Building blocks of transformer models on burn, in the layout of Hugging Face checkpoints: weight files, linear
//! layers, norms, rotary positions, the key-value cache, and the CPU kernels beneath them.
//!
//! Floors: above burn, below `plumb-vlm`. Nothing here blocks: tensors are read from files with `async` calls, and
//! nothing is read back from a device.

pub mod adapter;
pub mod cache;
pub mod cpu;
mod grad;
pub mod layers;
pub mod mask;
pub mod ops;
pub mod precision;
mod probabilities;
pub mod rotary;
pub mod weights;

pub use adapter::{BlockAdapters, DropoutSeed, LinearAdapter, Parameters, Visitor};
pub use cache::KvCache;
pub use cpu::Activation;
pub use layers::{LayerNorm, Linear, Part, RmsNorm};
pub use mask::Visible;
pub use ops::{HeadLayout, Sequences};
pub use precision::Precision;
pub use rotary::Rotary;
pub use weights::{Checkpoint, Scope, Source, WeightError};
