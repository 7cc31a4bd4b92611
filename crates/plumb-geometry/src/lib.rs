//! Geometry of single views: cameras, depth maps, gravity, planes, clusters, boxes and distances, each with its uncertainty.
//!
//! Pure mathematics on [`glam`] in `f64`; large arrays are `f32`. Nothing here knows a file, an image or a word, and everything compiles
//! to wasm32.
//!
//! # Conventions
//! | | |
//! |---|---|
//! | camera frame | x right, y down, z forward (OpenCV), metres |
//! | scene frame | x right, y forward, z up; gravity-aligned when gravity is known ([`SceneFrame`]) |
//! | pixels | `u` right, `v` down; the *corner* of the image is (0, 0), the centre of the first pixel (0.5, 0.5) |
//! | depth | [`ZDepth`] along the optical axis, [`RayDepth`] along the ray; 0 marks a pixel without a measurement |
//! | sigma | one standard deviation, in the unit of the value |

mod bounds;
mod camera;
mod depth;
mod error;
mod frame;
mod measure;

pub use bounds::{Aabb, GravityBox};
pub use camera::{Camera, PixelCentre};
pub use depth::{DepthMap, RayDepth, ZDepth};
pub use error::GeometryError;
pub use frame::{Gravity, GravitySource, SceneFrame};
pub use measure::Measure;

/// The result of everything here that can fail.
pub type Result<T, E = GeometryError> = std::result::Result<T, E>;
