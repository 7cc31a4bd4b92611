//! Procedural scenes with exact truth: rooms, streets and table tops of convex solids, drawn on the CPU.
//!
//! Boxes, cones, cylinders and ellipsoids are intersected analytically, so depth, normals and masks hold at pixel centres to the precision
//! of `f32`; boxes, distances and supports come from the solids, never from pixels. Everything follows from (seed, index, options).
//!
//! | module | what it does |
//! |---|---|
//! | `shape`, `distance` | solids in closed form; exact distances between unions of them |
//! | `view`, `raster` | visibility |
//! | `material`, `finish`, `light`, `shade` | looks |
//! | `furniture`, `items`, `vehicles`, `outdoor` | designs of objects |
//! | `place`, `room`, `street`, `table` | worlds |
//! | `draw`, `truth` | pictures and the [`Scene`](crate::Scene) record |

mod dice;
mod distance;
mod draw;
mod finish;
mod furniture;
mod items;
mod light;
mod material;
mod model;
mod outdoor;
mod place;
mod raster;
mod room;
mod shade;
mod shape;
mod street;
mod table;
#[cfg(test)]
mod tests;
mod truth;
mod vehicles;
mod view;

use std::fmt;
use std::str::FromStr;

use plumb_geometry::ZDepth;
use plumb_image::RgbImage;
use serde::{Deserialize, Serialize};

pub use distance::{ObjectShapes, closest};
pub use shape::{Primitive, Shape};

use crate::{Instances, Result, Scene, SceneError};

/// A kind of scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum World {
    Room,
    Street,
    TableTop,
}

impl World {
    pub const ALL: [Self; 3] = [Self::Room, Self::Street, Self::TableTop];

    /// Its name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Street => "street",
            Self::TableTop => "table_top",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for World {
    type Err = SceneError;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|world| world.name() == text).ok_or_else(|| SceneError::Unusable {
            what: "world".to_owned(),
            detail: format!("{text:?} is none of room, street, table_top"),
        })
    }
}

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenderOptions {
    /// Pixels, 16 to 4096.
    pub width: u32,
    /// Pixels, 16 to 4096.
    pub height: u32,
    /// `None`: a world chosen by seed and index.
    pub world: Option<World>,
    /// Samples per pixel and side for colour at edges, 1 to 4. Depth, normals and masks are exact at pixel centres whatever it is.
    pub supersample: u32,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { width: 640, height: 480, world: None, supersample: 2 }
    }
}

/// A picture and the truth about it.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub seed: u64,
    pub index: u64,
    pub world: World,
    pub image: RgbImage,
    /// At pixel centres; the sky is 0.
    pub depth: ZDepth,
    /// Unit normals in the camera frame, towards the camera; zero for the sky.
    pub normals: Vec<[f32; 3]>,
    pub instances: Instances,
    /// Its `id`, `image.path` and `image.sha256` are for the writer to fill.
    pub scene: Scene,
    /// The solids of each object of the scene.
    pub shapes: Vec<ObjectShapes>,
}

impl RenderOptions {
    fn check(&self) -> Result<()> {
        let wrong = |detail: String| Err(SceneError::Unusable { what: "render options".to_owned(), detail });
        for (field, size) in [("width", self.width), ("height", self.height)] {
            if !(16..=4096).contains(&size) {
                return wrong(format!("{field} is {size}, expected 16 to 4096 pixels"));
            }
        }
        if u64::from(self.width.max(self.height)) > 4 * u64::from(self.width.min(self.height)) {
            return wrong(format!("{} x {}, expected sides within 1 to 4", self.width, self.height));
        }
        if !(1..=4).contains(&self.supersample) {
            return wrong(format!("supersample is {}, expected 1 to 4", self.supersample));
        }
        Ok(())
    }
}

/// Draws scene number `index` of the series `seed`.
///
/// # Errors
/// [`SceneError::Unusable`] for sizes and sample counts outside of what [`RenderOptions`] states.
pub fn render(seed: u64, index: u64, options: &RenderOptions) -> Result<Rendered> {
    options.check()?;
    let mut choice = dice::Dice::new(seed, index, 0);
    let world = options.world.unwrap_or_else(|| choice.pick(World::ALL));
    let mut dice = dice::Dice::new(seed, index, 1 + world as u64);
    let size = [options.width, options.height];
    let model = match world {
        World::Room => room::build(&mut dice, size)?,
        World::Street => street::build(&mut dice, size)?,
        World::TableTop => table::build(&mut dice, size)?,
    };
    truth::picture_and_record(seed, index, model, options.supersample as usize)
}

/// Every noun that rendered objects have, with its plural, sorted.
#[must_use]
pub fn category_names() -> Vec<(&'static str, &'static str)> {
    use {furniture as f, items as i, outdoor as o, vehicles as v};
    let mut names = vec![
        f::TABLE,
        f::CHAIR,
        f::STOOL,
        f::SOFA,
        f::BED,
        f::WARDROBE,
        f::BOOKSHELF,
        f::CABINET,
        f::REFRIGERATOR,
        f::TELEVISION,
        f::LAMP,
        f::PLANT,
        f::SUITCASE,
        f::TRASH_CAN,
        i::MUG,
        i::BOTTLE,
        i::BOWL,
        i::PLATE,
        i::BOOK,
        i::LAPTOP,
        i::APPLE,
        i::ORANGE_FRUIT,
        i::CAN,
        i::TEAPOT,
        i::CANDLE,
        i::DIE,
        i::VASE,
        i::BOX,
        i::BALL,
        i::CLOCK,
        i::SAUCEPAN,
        v::CAR,
        v::VAN,
        v::TRUCK,
        v::BUS,
        o::TREE,
        o::BUSH,
        o::STREET_LAMP,
        o::BENCH,
        o::CONE,
        o::MAILBOX,
        o::HYDRANT,
        o::PERSON,
        o::DOG,
        o::TRAFFIC_LIGHT,
    ];
    names.sort_unstable();
    names.into_iter().map(|noun| (noun.one, noun.many)).collect()
}
