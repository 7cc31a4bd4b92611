use thiserror::Error;

/// Why a scene could not be made, read or written. Every variant says which file and which part of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SceneError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    /// A file that is not what its format says.
    #[error("{path}: {detail}")]
    Format { path: String, detail: String },
    /// A file that is well formed but holds nothing usable.
    #[error("{what}: {detail}")]
    Unusable { what: String, detail: String },
    #[error(transparent)]
    Image(#[from] plumb_image::ImageError),
    #[error(transparent)]
    Geometry(#[from] plumb_geometry::GeometryError),
}
