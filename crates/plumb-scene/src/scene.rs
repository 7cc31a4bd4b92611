//! The record of a scene.

use glam::DVec3;
use plumb_geometry::{Aabb, Camera, Gravity, GravityBox, Measure, SceneFrame};
use serde::{Deserialize, Serialize};

use crate::edit::Edit;

/// Version of the record. A reader refuses newer ones.
pub const SCENE_VERSION: u32 = 1;

/// An image, its camera, and what is known of the space in it. Lengths are metres; positions are in the scene frame
/// ([`SceneFrame`]: x right, y forward, z up) unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    pub version: u32,
    /// Names the scene in data sets: the first 16 hex digits of the SHA-256 of the image file.
    pub id: String,
    pub source: SceneSource,
    pub image: ImageRef,
    pub camera: Camera,
    pub gravity: Gravity,
    pub frame: SceneFrame,
    /// Whether lengths are metres. If not, only ratios and orders mean something.
    pub metric: bool,
    /// Standard deviation, as a share, of the error of scale that all lengths of this scene have in common.
    pub scale_sigma: f64,
    /// Whether every visible instance of each named category is in `objects`, so that counting them is right.
    pub exhaustive: bool,
    pub objects: Vec<Object>,
    /// Shortest distances between objects, each pair once with `a < b` (as indices into `objects`), sorted.
    pub pairs: Vec<PairDistance>,
}

/// Where a scene comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SceneSource {
    /// The procedural renderer: everything is exact.
    Rendered { world: String, seed: u64, index: u64 },
    /// Measured or predicted depth, lifted.
    Lifted {
        /// How the depth file was read: `tum`, `nyu`, …
        depth: String,
        /// Where objects came from: `masks`, `boxes`, `coco`, `proposals`.
        objects: String,
    },
    /// A scene that a person changed ([`crate::edit`]).
    Edited {
        /// Where it came from before.
        from: Box<SceneSource>,
        /// What was changed, in order.
        edits: Vec<Edit>,
    },
}

/// The picture of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Relative to the folder of the scene file.
    pub path: String,
    pub width: u32,
    pub height: u32,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Number in the instance mask; unique in the scene, not 0.
    pub id: u32,
    /// Head noun in the singular ("chair"), or a neutral name ("object 3").
    pub name: String,
    pub named_by: NameSource,
    /// Plural of `name`.
    pub plural: String,
    #[serde(default)]
    pub attributes: Attributes,
    /// Box around the visible pixels: x1, y1, x2, y2 in pixels from the corner of the image; x2 and y2 are outside.
    pub rect: [f32; 4],
    /// Centre of mass of the visible pixels.
    pub pixel_centre: [f32; 2],
    /// Visible pixels.
    pub pixels: u32,
    /// Share of the object's pixels that nothing hides, where it is known (rendered scenes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<f32>,
    pub flags: Flags,
    /// The box for people: yaw-turned where that fits better, else equal to `aabb`.
    #[serde(rename = "box")]
    pub oriented: GravityBox,
    /// The box along the axes of the scene frame; what questions are computed from.
    pub aabb: Aabb,
    /// Robust centre (of the box for exact scenes, of the cleaned points else) and its standard deviation.
    pub centre: [f64; 3],
    pub centre_sigma: [f64; 3],
    /// Distances from the camera along its axis.
    pub depth: DepthRange,
    /// Height of the surface it stands on, where one was found under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<Measure>,
    /// Points left after cleaning (0 for exact scenes).
    pub points: u32,
}

/// What a caption may say of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
    /// "striped", "checkered", …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A free caption from a label file ("a chair with armrests"), without an article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// How an object got its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameSource {
    /// The renderer knows what it drew.
    Exact,
    /// A label file.
    Label,
    /// A person, in the window.
    Person,
    /// Nobody named it; the name is neutral.
    Proposal,
}

/// What limits the measurements of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// It touches the border of the image: it goes on outside.
    pub truncated: bool,
    /// Something nearer hides a part of it.
    pub occluded: bool,
    /// Its back is not seen, so its far face and its extent along the view are lower bounds (false for exact scenes).
    pub partial_depth: bool,
}

/// Depth of the visible surface along the optical axis, in metres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthRange {
    /// 5th percentile: the nearest surface.
    pub near: f64,
    pub median: f64,
    /// 95th percentile.
    pub far: f64,
    /// Standard deviation of each, without the shared error of scale.
    pub sigma: f64,
}

/// The shortest distance between the surfaces of two objects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairDistance {
    /// Index into [`Scene::objects`].
    pub a: u32,
    pub b: u32,
    /// Metres; 0 when they touch.
    pub distance: Measure,
    /// Where it is on `a`.
    pub point_a: [f64; 3],
    pub point_b: [f64; 3],
}

impl Scene {
    /// The distance between two objects, in either order.
    #[must_use]
    pub fn pair(&self, a: usize, b: usize) -> Option<&PairDistance> {
        let (low, high) = (u32::try_from(a.min(b)).ok()?, u32::try_from(a.max(b)).ok()?);
        let at = self.pairs.binary_search_by_key(&(low, high), |pair| (pair.a, pair.b)).ok()?;
        self.pairs.get(at)
    }

    /// The index of the object with this id.
    #[must_use]
    pub fn index_of(&self, id: u32) -> Option<usize> {
        self.objects.iter().position(|object| object.id == id)
    }
}

impl Object {
    /// Position of the centre.
    #[must_use]
    pub fn position(&self) -> DVec3 {
        DVec3::from_array(self.centre)
    }
}
