//! Spatial questions and answers computed from the geometry of a scene, with the proof of each.
//!
//! | module | what it does |
//! |---|---|
//! | [`kind`] | [`Kind`]: the 38 question types of SpatialVLM's reconstruction, and ours beyond |
//! | [`pair`] | [`Question`], [`Answer`], [`QaPair`]: the typed record; text is made from it |
//!
//! Nothing here knows a tensor. Everything but files compiles to wasm32.

mod error;
pub mod kind;
pub mod pair;

pub use error::QaError;
pub use kind::{AnswerForm, Family, Kind, Shape};
pub use pair::{Answer, Fact, FactName, Mark, Mention, Proof, QaPair, Quantity, Question, Reference, Side, Unit};

/// The result of everything here that can fail.
pub type Result<T, E = QaError> = std::result::Result<T, E>;
