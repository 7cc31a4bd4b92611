//! Training of small vision-language models: adapters and their files, data, losses, the optimiser, checkpoints.

#[cfg(not(target_family = "wasm"))]
pub mod auxiliary;
pub mod backprop;
pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod depth;
pub mod encode;
pub mod error;
pub mod estimate;
pub mod feature;
pub mod host;
pub mod learner;
pub mod loss;
pub mod method;
pub mod optimizer;
pub mod peft;
#[cfg(not(target_family = "wasm"))]
pub mod run;

pub use error::{Result, TrainError};
pub use learner::Learner;
