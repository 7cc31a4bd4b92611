//! Training of small vision-language models: adapters and their files, data, losses, the optimiser, checkpoints.

pub mod backprop;
pub mod batch;
pub mod depth;
pub mod error;
pub mod host;
pub mod learner;
pub mod loss;
pub mod method;
pub mod optimizer;
pub mod peft;

pub use error::{Result, TrainError};
pub use learner::Learner;
