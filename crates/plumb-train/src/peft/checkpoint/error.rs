//! What can be wrong with a base checkpoint or with the wish to merge into it.

use crate::peft::AdapterError;

/// Why a merged checkpoint could not be written. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: String, source: std::io::Error },
    #[error("{path} is there already; choose a folder that is not")]
    Exists { path: String },
    #[error("another process is writing {path}")]
    Busy { path: String },
    #[error("a {method} adapter cannot be merged: {reason}")]
    NotMergeable { method: &'static str, reason: &'static str },
    #[error("{file}: {reason}")]
    Index { file: String, reason: String },
    #[error("config.json: {reason}")]
    Config { reason: String },
    #[error("{file} is not a safetensors file: {reason}")]
    Header { file: String, reason: String },
    #[error("{file} has {found} bytes, but its header asks for {expected}; it is damaged, download it again")]
    Length { file: String, expected: u64, found: u64 },
    #[error("tensor {tensor} stands in both {first} and {second}")]
    Duplicate { tensor: String, first: String, second: String },
    #[error("tensor {tensor} is missing (expected shape {expected:?}); looked in {files}")]
    Missing { tensor: String, expected: Vec<usize>, files: String },
    #[error(
        "{count} tensors of the base belong to no part of the model that config.json describes, the first: {names}"
    )]
    Extra { count: usize, names: String },
    #[error("tensor {tensor} in {file} has shape {found:?}, but config.json asks for {expected:?}")]
    Shape { tensor: String, file: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("tensor {tensor} in {file} has type {found}; expected F32, F16 or BF16")]
    Type { tensor: String, file: String, found: String },
    #[error("tensor {tensor} in {file} holds {value} at element {index}; the weights are damaged")]
    NotFinite { tensor: String, file: String, index: usize, value: f32 },
    #[error("tensor {tensor} would hold {value} at element {index}, beyond what {dtype} can hold; write F32")]
    Overflow { tensor: String, index: usize, value: f32, dtype: &'static str },
    #[error(
        "the base uses one table as embedding and as output head, and the adapter stores {stored} alone; which of the \
         two it means cannot be told from the file. Store both embed_tokens and lm_head in modules_to_save"
    )]
    Tied { stored: String },
    #[error("stopped; nothing was written")]
    Stopped,
}

pub(super) fn io_error(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> MergeError {
    let path = path.display().to_string();
    move |source| MergeError::Io { action, path, source }
}
