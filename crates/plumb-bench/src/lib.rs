//! Benchmarks of spatial multiple choice, CV-Bench first: rows, prompts, answer parsers, scores and the
//! statistics that say what a score is worth.
//!
//! The crate knows no tensor and no model. A benchmark is read with [`Benchmark::open`], a question is put into
//! words by a [`PromptPreset`], a raw answer is read by a [`Parser`], and a [`Report`] says how far the result is
//! from guessing. Images stay encoded bytes and are fetched one at a time.
//!
//! ```
//! use plumb_bench::{Parser, Prediction, Report, ReportOptions, Sample};
//!
//! let sample = Sample::multiple_choice("0", "How many lamps are in the image?", &["2", "0", "1"], 2);
//! let answers = [Prediction::text("0", "The answer is (C)")];
//! let report = Report::build(&[sample], &answers, Parser::Strict, &ReportOptions::default());
//! assert_eq!(report.micro.correct, 1);
//! ```

mod error;
pub mod interop;
pub mod load;
pub mod parse;
pub mod prediction;
pub mod probe;
pub mod prompt;
pub mod sample;
pub mod score;
pub mod stats;
pub mod write;

pub use error::BenchError;
pub use load::{Benchmark, FileDigest, Identity, RowIssue};
pub use parse::{ParseStatus, Parsed, Parser};
pub use prediction::Prediction;
pub use prompt::{PromptPreset, Rendered};
pub use sample::{Kind, Sample, Task};
pub use score::{Comparison, Report, ReportOptions, RunAnswers, compare};
pub use write::{ParquetRow, WriteOptions, write_parquet};

/// The result of everything here that can fail.
pub type Result<T, E = BenchError> = std::result::Result<T, E>;
