use thiserror::Error;

/// Why questions could not be made, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QaError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    /// A template file that breaks a rule.
    #[error("templates {file}, {place}: {detail}")]
    Template { file: String, place: String, detail: String },
    /// A data file that is not what it should be.
    #[error("{path}: {detail}")]
    Format { path: String, detail: String },
    /// A data set could not be written.
    #[error("writing {path}: {detail}")]
    Write { path: String, detail: String },
    #[error(transparent)]
    Scene(#[from] plumb_scene::SceneError),
}
