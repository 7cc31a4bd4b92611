//! The image pipeline of SmolVLM, SmolVLM2 and Idefics3.
//!
//! A picture is brought to a working size ([`TilePlan::stage1`]), stretched to whole tiles ([`TilePlan::stage2`]), cut into square tiles row by
//! row, and joined by one *global* frame that shows all of it; small working sizes give the global frame alone. Every resize is from eight
//! bits to eight bits with Pillow's Lanczos, so the pixels equal those of the reference to the last bit.
//!
//! Source: huggingface/transformers 5.23.0, `models/smolvlm/image_processing_pil_smolvlm.py` (the logic of `idefics3` is the same).

mod config;
mod plan;
mod processor;

pub use config::{ConfigError, PreprocessorConfig, WorkingSize};
pub use plan::TilePlan;
pub use processor::{ImageProcessor, Tiles};
