//! Scenes: an image with its camera, gravity and objects in metres; where they come from and where they go.
//!
//! | module | what it does |
//! |---|---|
//! | [`cloud`] | [`ColouredCloud`]: points as viewers and exporters take them |
//! | [`edit`] | what a person changes: names, objects taken away, parts made one |
//! | [`export`] | PLY, GLB, scene JSON, depth and mask PNG |
//! | [`instances`] | [`Instances`]: which pixel belongs to which object |
//! | [`labels`] | objects from label files: COCO, boxes, PNG masks |
//! | [`procedural`] | rendered rooms, streets and table tops with exact truth |
//! | [`rgbd`] | depth files and the layouts of RGB-D data sets |
//! | [`scene`] | [`Scene`], [`Object`]: the record that serde writes and a person can read |
//!
//! Nothing here knows a tensor, and everything but the readers of files compiles to wasm32.

pub mod cloud;
pub mod edit;
mod error;
pub mod export;
pub mod instances;
pub mod labels;
pub mod lift;
pub mod procedural;
pub mod rgbd;
pub mod scene;

pub use cloud::ColouredCloud;
pub use error::SceneError;
pub use instances::{Instances, Label};
pub use scene::{
    Attributes, DepthRange, Flags, ImageRef, NameSource, Object, PairDistance, SCENE_VERSION, Scene,
    SceneSource,
};

/// The result of everything here that can fail.
pub type Result<T, E = SceneError> = std::result::Result<T, E>;
