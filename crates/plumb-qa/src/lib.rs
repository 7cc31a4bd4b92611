//! Spatial questions and answers computed from the geometry of a scene, with the proof of each.
//!
//! | module | what it does |
//! |---|---|
//! | [`balance`] | [`BlindReport`]: what a guesser gets who never sees the picture |
//! | [`dataset`] | Parquet, JSONL, LLaVA, HF messages and CV-Bench files, written and read |
//! | [`evaluate`](mod@evaluate) | what the geometry answers, with proof and confidence; the definitions of all relations |
//! | [`gates`] | [`Gates`]: when a question may be asked; [`Reject`]: why not |
//! | [`generate`] | [`Generator`]: pairs drawn from a scene, balanced, in words, each verified |
//! | [`kind`] | [`Kind`]: the 38 question types of SpatialVLM's reconstruction, and ours beyond |
//! | [`mention`] | [`Mentions`]: how an object can be named so that only one thing is meant |
//! | [`marks`] | boxes drawn on pictures; CV-Bench's form of multiple-choice pairs |
//! | [`number`] | lengths, counts and hours as people say them, and read back |
//! | [`pair`] | [`Question`], [`Answer`], [`QaPair`]: the typed record; text is made from it |
//! | [`scene_index`] | [`SceneIndex`]: a scene prepared for many questions |
//! | [`template`] | [`Templates`]: the editable words of questions and answers |
//! | [`verify`](mod@verify) | whether an answer, a text or a stored record is right |
//!
//! Nothing here knows a tensor. Everything but files compiles to wasm32.

pub mod balance;
pub mod dataset;
mod error;
pub mod evaluate;
pub mod gates;
pub mod generate;
pub mod kind;
pub mod marks;
pub mod mention;
pub mod number;
pub mod pair;
pub mod scene_index;
pub mod template;
pub mod verify;

pub use balance::{BlindReport, BlindScore, Guesser};
pub use error::QaError;
pub use evaluate::{Truth, TruthValue, evaluate, evaluate_fast, truth};
pub use gates::{Gates, Reject};
pub use generate::{GenerateOptions, GenerateReport, Generator, Prior, render_chain, render_texts};
pub use kind::{AnswerForm, Family, Kind, Shape};
pub use marks::{MarkError, cvbench_row, draw_marks, to_cvbench};
pub use mention::{Avoid, MARK_COLOURS, MentionOptions, Mentions, OrdinalAxis, ReferenceMode};
pub use number::{LengthStyle, Locale, ParsedLength, parse_length, say_length};
pub use pair::{
    Answer, Fact, FactName, Mark, Mention, Proof, QaPair, Quantity, Question, Reference, Side, Unit,
};
pub use scene_index::{ObjectFacts, SceneIndex};
pub use template::{Case, Noun, Slots, StepSlots, Templates};
pub use verify::{Band, Verdict, check_pair, verify, verify_text};

#[cfg(test)]
#[path = "../tests/random_scenes/mod.rs"]
pub(crate) mod random_scenes;

/// The result of everything here that can fail.
pub type Result<T, E = QaError> = std::result::Result<T, E>;
