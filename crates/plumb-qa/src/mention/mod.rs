//! How an object can be named so that exactly one thing in the picture is meant.
//!
//! SpatialVLM (arXiv 2401.12168) captions its regions and drops or tells apart those whose captions are alike; RefSpatial (RoboRefer)
//! counts same-named objects along the axis of their largest spread. Here the ways of naming are computed once for a scene, most natural
//! first: by name, by attribute or caption, by ordinal. What has none is not asked about in text, and needs a box drawn on the image or
//! a region token. What is not known counts against uniqueness: an object without a colour may be red, a proposal may be a chair.

mod ordinal;
mod unique;

use plumb_scene::{NameSource, Scene};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::pair::{Mark, Mention, Reference};

/// How objects are referred to in a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceMode {
    /// By words that mean one object only; others are not asked about.
    #[default]
    Text,
    /// By coloured boxes drawn on the image.
    Marked,
    /// By region tokens, as SpatialRGPT (arXiv 2406.01584): `<region0>` is the question's first object.
    Region,
}

/// The axis along which same-named objects are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrdinalAxis {
    /// From left to right, as seen.
    Lateral,
    /// From the camera outwards.
    Depth,
}

/// Ordinals that would give an answer away: "the leftmost chair" in a question about left and right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Avoid {
    pub lateral: bool,
    pub depth: bool,
}

impl Avoid {
    fn allows(self, axis: Option<OrdinalAxis>) -> bool {
        match axis {
            None => true,
            Some(OrdinalAxis::Lateral) => !self.lateral,
            Some(OrdinalAxis::Depth) => !self.depth,
        }
    }
}

/// When two objects are told apart by their place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MentionOptions {
    /// Neighbours along an axis must be this many standard deviations apart.
    pub sigmas: f64,
    /// ... and in the picture this share of its width (left to right).
    pub picture_share: f64,
    /// ... and in depth this share of the distance (near to far).
    pub depth_share: f64,
    /// Objects are counted off in groups no larger than this, at most 10.
    pub max_group: usize,
    /// Objects with fewer visible pixels cannot be counted by a person, so their groups have no ordinals.
    pub min_pixels: u32,
}

impl Default for MentionOptions {
    fn default() -> Self {
        Self { sigmas: 2.0, picture_share: 0.03, depth_share: 0.05, max_group: 6, min_pixels: 64 }
    }
}

/// One way to name an object in words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    by: Reference,
    axis: Option<OrdinalAxis>,
    text: String,
}

/// What can be said of one object.
#[derive(Clone, Debug)]
struct Named {
    id: u32,
    /// The noun that stands before "in the red box".
    noun: String,
    rect: [f32; 4],
    ways: Vec<Way>,
}

/// The ways to name every object of a scene.
#[derive(Clone, Debug)]
pub struct Mentions {
    objects: Vec<Named>,
}

/// Names and colours of the boxes drawn on images, by role. The first three are those of CV-Bench.
pub const MARK_COLOURS: [(&str, [u8; 3]); 8] = [
    ("red", [255, 0, 0]),
    ("blue", [0, 0, 255]),
    ("green", [0, 255, 0]),
    ("yellow", [255, 255, 0]),
    ("magenta", [255, 0, 255]),
    ("cyan", [0, 255, 255]),
    ("orange", [255, 128, 0]),
    ("white", [255, 255, 255]),
];

/// How often a way of naming other than the plainest is taken, where there is one.
const VARIETY: f64 = 0.25;

impl Mentions {
    #[must_use]
    pub fn new(scene: &Scene, options: &MentionOptions) -> Self {
        let vocabulary = unique::Vocabulary::new(scene);
        let objects = (0..scene.objects.len())
            .map(|index| {
                let object = &scene.objects[index];
                let mut ways = Vec::new();
                vocabulary.ways(index, &mut ways);
                ordinal::ways(scene, &vocabulary, index, options, &mut ways);
                let noun = match vocabulary.noun(index) {
                    Some(noun) if object.named_by != NameSource::Proposal => noun.to_owned(),
                    _ => "object".to_owned(),
                };
                Named { id: object.id, noun, rect: object.rect, ways }
            })
            .collect();
        Self { objects }
    }

    /// Whether the object can be named in this mode. `index` is the place in [`Scene::objects`].
    #[must_use]
    pub fn can(&self, index: usize, mode: ReferenceMode, avoid: Avoid) -> bool {
        self.objects.get(index).is_some_and(|named| {
            mode != ReferenceMode::Text || named.ways.iter().any(|way| avoid.allows(way.axis))
        })
    }

    /// Names the object that has this role (0: A) in a question; `None` where no unambiguous way exists.
    pub fn mention(
        &self,
        index: usize,
        role: usize,
        mode: ReferenceMode,
        avoid: Avoid,
        rng: &mut ChaCha8Rng,
    ) -> Option<Mention> {
        let named = self.objects.get(index)?;
        let (by, text) = match mode {
            ReferenceMode::Text => {
                let allowed = || named.ways.iter().filter(|way| avoid.allows(way.axis));
                let others = allowed().count().checked_sub(1)?;
                let pick =
                    if others > 0 && rng.random_bool(VARIETY) { rng.random_range(1..=others) } else { 0 };
                let way = allowed().nth(pick)?;
                (way.by, way.text.clone())
            }
            ReferenceMode::Marked => {
                let (colour, _) = MARK_COLOURS.get(role)?;
                (Reference::Mark, format!("the {} in the {colour} box", named.noun))
            }
            ReferenceMode::Region => (Reference::Region, format!("<region{role}>")),
        };
        Some(Mention { object: named.id, by, text })
    }

    /// The noun of an object, without article or attributes; "object" where it has none.
    #[must_use]
    pub fn noun(&self, index: usize) -> Option<&str> {
        self.objects.get(index).map(|named| named.noun.as_str())
    }

    /// The box to draw for a mention by mark.
    #[must_use]
    pub fn mark(&self, index: usize, role: usize) -> Option<Mark> {
        let named = self.objects.get(index)?;
        let (_, colour) = *MARK_COLOURS.get(role)?;
        Some(Mark { object: named.id, colour, rect: named.rect })
    }
}

#[cfg(test)]
mod tests;
