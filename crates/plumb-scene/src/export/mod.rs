//! Where scenes go: files that other programs open.
//!
//! | module | what it writes |
//! |---|---|
//! | [`glb`] | GLB 2.0: the cloud as points and each object's box as lines |
//! | [`ply`] | binary PLY, and reads PLY of others |
//! | [`png`] | depth and masks as PNG with 16 bits, and depth as a picture for people |
//! | [`scene_json`] | the scene record, and reads it with everything checked |

pub mod glb;
pub mod ply;
pub mod png;
pub mod scene_json;

pub use glb::{GlbBox, scene_boxes, write_glb};
pub use ply::{PlyPoint, cloud_points, read_ply, write_ply};
pub use png::{depth_png, depth_preview, instances_png};
pub use scene_json::{scene_from_json, scene_to_json};

use crate::SceneError;

/// An error of the stream that is written to.
fn cannot_write(what: &str) -> impl Fn(std::io::Error) -> SceneError {
    let path = what.to_owned();
    move |source| SceneError::Io { path: path.clone(), source }
}
