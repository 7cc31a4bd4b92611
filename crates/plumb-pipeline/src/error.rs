use thiserror::Error;

/// Why a job ended without its result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PipelineError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    /// An argument, or an input that the whole job depends on.
    #[error("{what}: {detail}")]
    Unusable { what: String, detail: String },
    #[error("stopped")]
    Cancelled,
    #[error(transparent)]
    Edit(#[from] plumb_scene::edit::EditError),
    #[error(transparent)]
    Scene(#[from] plumb_scene::SceneError),
    #[error(transparent)]
    Image(#[from] plumb_image::ImageError),
    #[error(transparent)]
    Geometry(#[from] plumb_geometry::GeometryError),
    #[error(transparent)]
    Qa(#[from] plumb_qa::QaError),
}
