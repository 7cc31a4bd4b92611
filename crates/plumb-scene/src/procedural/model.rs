//! A world before it is drawn: camera, backdrop, objects and light.

use glam::DVec3;
use plumb_geometry::{Camera, SceneFrame};

use super::World;
use super::light::Lighting;
use super::material::{Colour, Material, Rgb};
use super::shape::{Primitive, Shape, bounds};

/// A category and its plural.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Noun {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

pub(super) const fn noun(one: &'static str, many: &'static str) -> Noun {
    Noun { one, many }
}

/// A level surface on which smaller things may stand, in the frame of its thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Top {
    pub(super) centre: [f64; 2],
    pub(super) half: [f64; 2],
    pub(super) height: f64,
    /// Free height above it.
    pub(super) clearance: f64,
}

/// A design: solids around the origin, standing on z = 0, its back towards +y.
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) noun: Noun,
    pub(super) colour: Option<&'static str>,
    pub(super) material: Option<&'static str>,
    pub(super) pattern: Option<&'static str>,
    pub(super) solids: Vec<Primitive>,
    pub(super) materials: Vec<Material>,
    pub(super) tops: Vec<Top>,
}

/// What captions say of a finish, and the material that looks like it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish {
    pub(super) colour: Option<&'static str>,
    pub(super) material: Option<&'static str>,
    pub(super) pattern: Option<&'static str>,
    pub(super) look: Material,
}

impl Design {
    pub(super) fn new(noun: Noun, finish: &Finish) -> Self {
        Self {
            noun,
            colour: finish.colour,
            material: finish.material,
            pattern: finish.pattern,
            solids: Vec::new(),
            materials: vec![finish.look],
            tops: Vec::new(),
        }
    }

    /// Adds a material; the finish itself is number 0.
    pub(super) fn material(&mut self, look: Material) -> u16 {
        self.materials.push(look);
        (self.materials.len() - 1) as u16
    }

    pub(super) fn coloured(&mut self, colour: Colour) -> u16 {
        self.material(Material::plain(colour.linear()))
    }

    pub(super) fn painted(&mut self, colour: Rgb) -> u16 {
        self.material(Material::plain(colour))
    }

    /// A box of full `size`; `at` is the middle of its lower face.
    pub(super) fn block(&mut self, size: [f64; 3], at: [f64; 3], material: u16) {
        let half = size.map(|s| s / 2.0);
        let centre = DVec3::new(at[0], at[1], at[2] + half[2]);
        self.solids.push(Primitive::upright(Shape::Box { half }, centre, material));
    }

    /// A box of full `size` around `centre`, tilted about its x axis: the top goes back for positive angles.
    pub(super) fn tilted(&mut self, size: [f64; 3], centre: [f64; 3], tilt: f64, material: u16) {
        let (sin, cos) = tilt.sin_cos();
        let axes = [DVec3::X, DVec3::new(0.0, cos, -sin), DVec3::new(0.0, sin, cos)];
        let shape = Shape::Box { half: size.map(|s| s / 2.0) };
        self.solids.push(Primitive { shape, centre: DVec3::from_array(centre), axes, material });
    }

    /// A cylinder, cone or part of one; `at` is the middle of its lower face.
    pub(super) fn cone(&mut self, bottom: f64, top: f64, height: f64, at: [f64; 3], material: u16) {
        let half_height = height / 2.0;
        let centre = DVec3::new(at[0], at[1], at[2] + half_height);
        let shape = Shape::Frustum { bottom, top, half_height };
        self.solids.push(Primitive::upright(shape, centre, material));
    }

    pub(super) fn tube(&mut self, radius: f64, height: f64, at: [f64; 3], material: u16) {
        self.cone(radius, radius, height, at, material);
    }

    /// A straight rod or cone between two points.
    pub(super) fn rod(&mut self, from: [f64; 3], to: [f64; 3], radii: [f64; 2], material: u16) {
        let (from, to) = (DVec3::from_array(from), DVec3::from_array(to));
        let Some(z) = (to - from).try_normalize() else { return };
        let side = if z.x.abs() < 0.9 { DVec3::X } else { DVec3::Y };
        let x = side.cross(z).normalize();
        let shape = Shape::Frustum { bottom: radii[0], top: radii[1], half_height: from.distance(to) / 2.0 };
        self.solids.push(Primitive { shape, centre: (from + to) / 2.0, axes: [x, z.cross(x), z], material });
    }

    /// A ball; `centre` is its middle.
    pub(super) fn ball(&mut self, radius: f64, centre: [f64; 3], material: u16) {
        self.ellipsoid([radius; 3], centre, material);
    }

    pub(super) fn ellipsoid(&mut self, radii: [f64; 3], centre: [f64; 3], material: u16) {
        let shape = Shape::Ellipsoid { radii };
        self.solids.push(Primitive::upright(shape, DVec3::from_array(centre), material));
    }

    pub(super) fn top(&mut self, centre: [f64; 2], half: [f64; 2], height: f64, clearance: f64) {
        self.tops.push(Top { centre, half, height, clearance });
    }

    /// Shifts it so that its footprint is around the origin and it stands on z = 0.
    pub(super) fn centred(mut self) -> Self {
        let (low, high) = bounds(&self.solids);
        let middle = (low + high) / 2.0;
        for solid in &mut self.solids {
            solid.centre -= DVec3::new(middle.x, middle.y, low.z);
        }
        for top in &mut self.tops {
            top.centre = [top.centre[0] - middle.x, top.centre[1] - middle.y];
            top.height -= low.z;
        }
        self
    }

    /// Full width, depth and height; right only once [`Design::centred`].
    pub(super) fn size(&self) -> DVec3 {
        let (low, high) = bounds(&self.solids);
        high - low
    }
}

/// An object at its place.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) design: Design,
    pub(super) yaw: f64,
    /// Middle of its lower face.
    pub(super) at: DVec3,
    /// The thing it stands on.
    pub(super) parent: Option<usize>,
    /// Its solids in the frame of the world; their materials are numbers of the model's list.
    pub(super) solids: Vec<Primitive>,
    pub(super) removed: bool,
}

/// Everything needed to draw.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) world: World,
    pub(super) camera: Camera,
    pub(super) frame: SceneFrame,
    pub(super) backdrop: Vec<Primitive>,
    pub(super) things: Vec<Thing>,
    pub(super) materials: Vec<Material>,
    pub(super) lighting: Lighting,
    /// The inside of a room as a box, for the shade of its corners.
    pub(super) room: Option<Primitive>,
    /// Whether objects at the border are dropped when most of them is outside of the image.
    pub(super) reach: f64,
}

impl Model {
    /// Turns the world so that its frame is the scene's: the eye above the origin, the view made level along y.
    pub(super) fn into_scene_frame(mut self, eye: DVec3, heading: f64) -> Self {
        // The heading is the angle from y to the view, to the left.
        let yaw = -heading;
        let (sin, cos) = yaw.sin_cos();
        let shift = DVec3::new(-(cos * eye.x - sin * eye.y), -(sin * eye.x + cos * eye.y), 0.0);
        let turn = |v: DVec3| DVec3::new(cos * v.x - sin * v.y, sin * v.x + cos * v.y, v.z) + shift;
        for solid in self.backdrop.iter_mut().chain(&mut self.room) {
            *solid = solid.placed(yaw, shift);
        }
        for thing in &mut self.things {
            for solid in &mut thing.solids {
                *solid = solid.placed(yaw, shift);
            }
            thing.yaw += yaw;
            thing.at = turn(thing.at);
        }
        let (focus, radius) = self.lighting.focus;
        self.lighting.focus = (turn(focus), radius);
        self.lighting.source = match self.lighting.source {
            super::light::Source::Sun { towards } => {
                super::light::Source::Sun { towards: turn(towards) - shift }
            }
            super::light::Source::Lamp { at } => super::light::Source::Lamp { at: turn(at) },
        };
        self
    }
}
