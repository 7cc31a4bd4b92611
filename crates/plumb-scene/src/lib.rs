//! Scenes: an image with its camera, gravity and objects in metres; where they come from and where they go.
//!
//! | module | what it does |
//! |---|---|
//! | [`instances`] | [`Instances`]: which pixel belongs to which object |
//! | [`scene`] | [`Scene`], [`Object`]: the record that serde writes and a person can read |
//!
//! Nothing here knows a tensor, and everything but the readers of files compiles to wasm32.

mod error;
pub mod instances;
pub mod scene;

pub use error::SceneError;
pub use instances::{Instances, Label};
pub use scene::{
    Attributes, DepthRange, Flags, ImageRef, NameSource, Object, PairDistance, SCENE_VERSION, Scene, SceneSource,
};

/// The result of everything here that can fail.
pub type Result<T, E = SceneError> = std::result::Result<T, E>;
