use thiserror::Error;

/// What can be wrong with geometry that comes from outside.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum GeometryError {
    /// A number of a camera that no camera has.
    #[error("camera {field} is {found}, expected {expected}")]
    Camera { field: &'static str, found: String, expected: &'static str },
    /// A depth map whose data do not fit its size.
    #[error("depth map of {width}x{height} has {found} values, expected {}", u64::from(*width) * u64::from(*height))]
    DepthSize { width: u32, height: u32, found: usize },
    /// Two images that should have the same size.
    #[error("{what} is {found_width}x{found_height}, expected {width}x{height}")]
    SizeMismatch { what: &'static str, found_width: u32, found_height: u32, width: u32, height: u32 },
    /// Too few measurements for what was asked.
    #[error("{what}: {found} points, at least {needed} are needed")]
    TooFewPoints { what: &'static str, found: usize, needed: usize },
}
