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
mod boxes;
mod camera;
mod clean;
mod cloud;
mod cluster;
mod depth;
mod error;
mod filter;
mod frame;
mod gravity;
mod grid;
mod ground;
mod measure;
mod nearest;
mod noise;
mod normals;
mod outlier;
mod patches;
mod plane;
mod rectangle;
mod tree;
mod voxel;

#[cfg(test)]
mod lift_tests;
#[cfg(test)]
mod rooms;

pub use bounds::{Aabb, GravityBox};
pub use boxes::{BoxOptions, fit_gravity_box, robust_aabb};
pub use camera::{Camera, PixelCentre};
pub use clean::{CleanOptions, Cleaned, clean_object};
pub use cloud::OrganizedCloud;
pub use cluster::{ClusterOptions, Clusters, cluster, dbscan};
pub use depth::{DepthMap, RayDepth, ZDepth};
pub use error::GeometryError;
pub use filter::{FilterOptions, depth_edges};
pub use frame::{Gravity, GravitySource, SceneFrame};
pub use gravity::{GravityOptions, estimate_gravity};
pub use ground::{Ground, GroundOptions, SupportPlane, find_ground};
pub use measure::Measure;
pub use nearest::{Nearest, SurfaceIndex, is_contact, surface_distance};
pub use noise::{DepthNoise, FaceNoise};
pub use outlier::statistical_outliers;
pub use plane::{MsacOptions, Plane, PlaneFit, fit_plane};
pub use voxel::{spacing, voxel_downsample};

/// The result of everything here that can fail.
pub type Result<T, E = GeometryError> = std::result::Result<T, E>;
