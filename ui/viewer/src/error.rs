//! What can go wrong when data is handed to the viewer, and when it draws without a window.

/// Errors of the viewer. The panel itself never fails: it draws what it can and counts what it skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewerError {
    /// A per-point array has another length than the positions.
    #[error("point cloud field `{field}` has {found} entries, expected {expected} (one per position)")]
    Length {
        /// Name of the field of [`crate::Cloud`].
        field: &'static str,
        /// Number of positions.
        expected: usize,
        /// Number of entries given.
        found: usize,
    },
    /// More points than a 32-bit index can name.
    #[error("point cloud has {found} points, at most {limit} can be shown")]
    TooManyPoints {
        /// Number of positions given.
        found: usize,
        /// The largest number allowed.
        limit: usize,
    },
    /// A picture whose bytes do not fit its width and height.
    #[error("image of {width} x {height} pixels needs {expected} bytes of RGBA, found {found}")]
    Image {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// width * height * 4.
        expected: usize,
        /// Number of bytes given.
        found: usize,
    },
    /// An offscreen picture with no pixels, or larger than the device's textures.
    #[error("cannot render a picture of {width} x {height} pixels (the device allows 1 to {limit} each way)")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The device's largest 2D texture.
        limit: u32,
    },
    /// The device refused to give back the picture: it was lost or ran out of memory.
    #[error("the graphics device did not return the picture: {0}")]
    Readback(String),
}
