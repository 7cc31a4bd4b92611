//! What can go wrong with training data.

use thiserror::Error;

/// An error of reading, changing or ordering training data.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path}: {detail}")]
    Format { path: String, detail: String },
    /// Nothing of a data set can be used.
    #[error("{path}: no usable sample; {bad} bad rows, the first: {first}")]
    Empty { path: String, bad: u64, first: String },
    #[error("sample {sample}: image {image}: {detail}")]
    Image { sample: String, image: String, detail: String },
    #[error("sample {sample}: {detail}")]
    Sample { sample: String, detail: String },
    /// The loss of a sample would be nothing, or its picture does not fit its text.
    #[error("sample {sample}: {detail}")]
    Labels { sample: String, detail: String },
    #[error("`{field}`: {detail}")]
    Options { field: &'static str, detail: String },
    /// A saved place in the data does not belong to this data.
    #[error("the saved data position does not fit: {detail}")]
    State { detail: String },
    #[error(transparent)]
    Qa(#[from] plumb_qa::QaError),
    #[error(transparent)]
    Bench(#[from] plumb_bench::BenchError),
    #[error(transparent)]
    Pixels(#[from] plumb_image::ImageError),
}

/// The result of everything in [`crate::data`] that can fail.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// The most bad rows kept in words; all are counted.
pub const MAX_PROBLEMS: usize = 1000;

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    pub file: String,
    /// From 0 in Parquet files and benchmarks; else from 1: the line, or the place in an array where the reader does not say its line.
    pub row: u64,
    pub reason: String,
}

impl std::fmt::Display for RowProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, row {}: {}", self.file, self.row, self.reason)
    }
}

/// The rows of a source that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first [`MAX_PROBLEMS`].
    pub list: Vec<RowProblem>,
    pub total: u64,
}

impl Problems {
    pub(super) fn add(&mut self, file: &str, row: u64, reason: impl std::fmt::Display) {
        self.total += 1;
        if self.list.len() < MAX_PROBLEMS {
            // A hostile file can put anything into a message.
            let reason = reason.to_string().chars().take(400).collect();
            self.list.push(RowProblem { file: file.to_owned(), row, reason });
        }
    }
}
