//! What can be wrong with an adapter.

use crate::host::HostError;

/// Why an adapter could not be read, checked, written, converted or merged.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: String, source: std::io::Error },
    #[error(transparent)]
    Tensors(#[from] HostError),
    #[error("{file} is not valid JSON: {reason}")]
    Json { file: String, reason: String },
    #[error("{file}: field {field}: expected {expected}, found {found}")]
    Field { file: String, field: String, expected: String, found: String },
    #[error("{file}: {field} = {found} is not supported: {reason}")]
    Unsupported { file: String, field: String, found: String, reason: String },
    #[error("{place} has no {expected}; found {found}")]
    MissingFile { place: String, expected: String, found: String },
    #[error("{file} is a Python pickle, which can run code when opened; convert it to safetensors first")]
    Pickle { file: String },
    #[error("{folder} holds no adapter itself; its adapter lies in the sub-folder {inner}: open that one")]
    SubFolder { folder: String, inner: String },
    #[error("{folder} is not an adapter folder (found {found}); refusing to overwrite it")]
    NotAdapterFolder { folder: String, found: String },
    #[error("{field}: pattern {pattern:?}: {reason}")]
    Pattern { field: String, pattern: String, reason: String },
    #[error("{field} = {wanted} matches no module of the model; its modules are for example {examples}")]
    NoMatch { field: String, wanted: String, examples: String },
    #[error("{field} matches {module}, which is {found}; expected {expected}")]
    Kind { field: String, module: String, found: String, expected: String },
    #[error("{module} is matched by target_modules and lies in modules_to_save; expected only one of them")]
    Conflict { module: String },
    #[error("{file} lacks {count} tensors that its config asks for, the first: {names}")]
    Missing { file: String, count: usize, names: String },
    #[error("{file} holds {count} tensors that its config does not ask for, the first: {names}")]
    Unexpected { file: String, count: usize, names: String },
    #[error("{file} holds tensor {tensor} twice (with and without the adapter name in its key)")]
    Duplicate { file: String, tensor: String },
    #[error("tensor {tensor} in {file} has shape {found:?}; expected {expected}")]
    Shape { file: String, tensor: String, expected: String, found: Vec<usize> },
    #[error("this adapter cannot be written for {format}: {reason}")]
    Convert { format: &'static str, reason: String },
    #[error("cannot merge into {module}: {reason}")]
    Merge { module: String, reason: String },
}

/// Result of everything about adapters.
pub type Result<T> = std::result::Result<T, AdapterError>;

/// The first few of many names, for a message that stays on one line.
pub(crate) fn some_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(4).map(|name| name.as_ref().to_owned()).collect();
    let rest = names.count();
    match (shown.is_empty(), rest) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, rest) => format!("{} and {rest} more", shown.join(", ")),
    }
}
