//! The 3D view of a metric, gravity-aligned scene: points, boxes, proofs and measurements.
//!
//! Plain data in ([`Scene`]), an egui widget ([`Viewer::ui`]) or a picture ([`Offscreen`]) out; it knows nothing of
//! files or engines. Metres everywhere; x right, y forward, z up, ground at z = 0.
//!
//! Points live in vertex buffers that are written once, in shuffled order, so that any prefix is a uniform subsample:
//! while the camera moves a prefix that fits the frame budget is drawn, and a still view fills up. Every pixel keeps
//! which point it shows, so picking is a read of 16 × 16 pixels. No compute, no storage buffers, no blocking reads:
//! the same code runs in a browser.

mod camera;
mod chrome;
mod colormap;
mod compose;
mod composite;
mod control;
mod data;
mod error;
mod gpu;
mod labels;
mod measure;
mod offscreen;
mod options;
mod overlay;
mod pace;
mod pack;
mod permute;
mod pointing;
mod viewer;

pub use camera::{Basis, Bookmark, Camera, View};
pub use colormap::{NO_INSTANCE_COLOR, instance_color, sequential};
pub use data::{
    CaptureCamera, Cloud, ColorMode, Emphasis, Image, NO_INSTANCE, OrientedBox, PointSize, Scene, Segment,
};
pub use error::ViewerError;
pub use labels::{LabelRequest, Place, layout_labels};
pub use measure::{Measurement, Measuring, Tool, angle, distance, height};
pub use offscreen::{Offscreen, PendingPick, PendingPicture, render_to_rgba};
pub use options::{Highlight, Legend, Pick, Stats, ViewOptions};
pub use pack::{BYTES_PER_POINT, Bounds};
pub use permute::Permutation;
pub use viewer::{Viewer, ViewerResponse};
