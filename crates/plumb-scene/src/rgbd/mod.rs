//! Depth that was measured: files of depth cameras and data sets to [`DepthMap`](plumb_geometry::DepthMap)s in metres.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@format`] | [`DepthFormat`]: the unit, the bit layout and the published camera of a data set |
//! | [`decode`] | a depth file to a [`DepthFile`], with everything that can be wrong with it said in a sentence |
//! | [`calibration`] | text files: intrinsics, poses, trajectories, SUN's gravity rotation |
//! | [`frames`] | which files of a folder belong together |
//! | [`mat`] | frames of the labelled NYU Depth v2 file |
//! | [`pair`] | colour brought to the size of its depth |
//!
//! Depth files are PNG with 16 bits, PGM with 16 bits, TIFF with 16 bits, EXR with a channel for depth, and NPY. They are told apart by content, not by name.

pub mod calibration;
pub mod decode;
#[cfg(not(target_family = "wasm"))]
mod files;
pub mod format;
#[cfg(not(target_family = "wasm"))]
pub mod frames;
#[cfg(not(target_family = "wasm"))]
pub mod mat;
mod npy;
mod openexr;
pub mod pair;
mod raster;

#[cfg(not(target_family = "wasm"))]
pub use decode::read_depth;
pub use decode::{DepthFile, DepthOptions, decode_depth};
pub use format::DepthFormat;
#[cfg(not(target_family = "wasm"))]
pub use frames::{FramePaths, find_frames};
#[cfg(not(target_family = "wasm"))]
pub use mat::{NyuFrame, read_nyu_mat};
pub use pair::match_colour;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_exr;
#[cfg(test)]
mod tests_files;
