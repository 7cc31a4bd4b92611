//! When a question may be asked, and why it was not.
//!
//! A gate is about asking only: [`crate::truth`] knows none. Sources of the rules: SpatialVLM's reconstruction in the form of
//! RoboSpatial, SpatialRGPT and OpenSpatial (relations of visible depth ranges, clock directions, near/far by mean extent).

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Margins that a difference must exceed before it is asked about. Absolute lengths count in metric scenes only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gates {
    /// A difference must exceed this many of its standard deviations. 2: one answer in 44 is wrong at the very margin, fewer beyond.
    pub sigmas: f64,
    /// Least probability of an answer that rests on several comparisons. 0.95: the share of right answers promised under noise.
    pub min_confidence: f64,
    /// Largest standard deviation of a length that is said, as a share of it. 0.25: beyond, not even "about" is honest.
    pub relative_max: f64,
    /// Shortest length that is said, in metres. 0.05: shorter ones are below what the eye tells in a picture of a room.
    pub min_length: f64,
    /// Least difference to the left or right, in metres. 0.05: the size of the smallest things asked about.
    pub min_lateral: f64,
    /// Least difference in depth, in metres. 0.05, as for lateral.
    pub min_depth: f64,
    /// Least difference in height, in metres. 0.03: objects on one surface differ by less, through feet and mats.
    pub min_vertical: f64,
    /// Least difference in place, as a share of the distance from the camera. 0.02: about the angle of 10 pixels in a 640-pixel picture.
    pub depth_share: f64,
    /// Largest nesting of depth: medians of overlapping depth ranges must differ by this share of the longer range. 0.25.
    pub depth_overlap: f64,
    /// Least ratio of heights or widths. 1.1: people's threshold for lengths seen apart is a few percent.
    pub extent_ratio: f64,
    /// Least ratio of volumes. 1.25: 8 % on every side.
    pub volume_ratio: f64,
    /// Least ratio of two distances that are compared. 1.15: distances in depth are judged worse than heights.
    pub distance_ratio: f64,
    /// Spare room when something is said to fit or not to fit, as a share of its size. 0.1.
    pub fit_share: f64,
    /// Least offset of the picture's centres of two objects, as a share of the picture's side. 0.01.
    pub pixel_margin: f64,
    /// By how much the larger offset in the picture must exceed the other for above/below/left/right there. 2: within 27° of an axis.
    pub picture_ratio: f64,
    /// Fewest visible pixels of an object. 64: eight by eight.
    pub min_pixels: u32,
    /// Least visible share of an object whose place is asked for. 0.3: less, and people see another thing's edge.
    pub min_visible: f64,
    /// Least visible share of an exact object whose size is asked for. 0.65: with over a third hidden it cannot be read off.
    pub size_visible: f64,
    /// Degrees that a bearing keeps from the edges of its hour, beside its uncertainty. 5: a third of the way from edge to middle.
    pub clock_margin: f64,
    /// Shortest horizontal distance that has a bearing, in metres. 0.3: an arm's width; nearer, objects have no direction but "at".
    pub min_horizontal: f64,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            sigmas: 2.0,
            min_confidence: 0.95,
            relative_max: 0.25,
            min_length: 0.05,
            min_lateral: 0.05,
            min_depth: 0.05,
            min_vertical: 0.03,
            depth_share: 0.02,
            depth_overlap: 0.25,
            extent_ratio: 1.1,
            volume_ratio: 1.25,
            distance_ratio: 1.15,
            fit_share: 0.1,
            pixel_margin: 0.01,
            picture_ratio: 2.0,
            min_pixels: 64,
            min_visible: 0.3,
            size_visible: 0.65,
            clock_margin: 5.0,
            min_horizontal: 0.3,
        }
    }
}

/// Why a question has no answer, or is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum Reject {
    #[error("the direction of gravity is not known")]
    NoGravity,
    #[error("the ground was not found")]
    NoGround,
    #[error("lengths of this scene are not metres")]
    NotMetric,
    #[error("an object goes on outside of the picture")]
    Truncated,
    #[error("an object is hidden too much")]
    Occluded,
    #[error("the back of an object is not seen, so an extent is a lower bound only")]
    PartialDepth,
    #[error("the difference is within its uncertainty or margin")]
    Unsure,
    #[error("an object or a length is too small to be asked about")]
    TooSmall,
    #[error("the picture does not show what the space says")]
    Disagrees2d,
    #[error("two measures of the same relation contradict each other")]
    Contradicts,
    #[error("the extents overlap, so that the words are ambiguous")]
    Overlap,
    #[error("the objects touch")]
    Touching,
    #[error("the objects do not stand side by side")]
    NotSideBySide,
    #[error("another object is in the space between them")]
    Obstructed,
    #[error("the scene has no such object, or has it twice")]
    UnknownObject,
    #[error("an object is named twice")]
    SameObject,
    #[error("not every instance is known, so they cannot be counted")]
    NotExhaustive,
    #[error("the scene has no distance between these objects")]
    NoPair,
    #[error("what the question takes for granted is not so")]
    FalsePremise,
    #[error("an object's numbers are not finite or contradict each other")]
    BrokenGeometry,
    #[error("the question has the wrong number of objects, options, a wrong rank or no category")]
    Malformed,
}
