//! From an image and its depth to a scene: cloud, gravity, ground, objects with boxes and their uncertainty.
//!
//! | module | what it does |
//! |---|---|
//! | [`colour`] | the colour of an object in one word |
//! | [`propose`] | objects where nobody has labelled any |
//! | `again` | objects measured again after a person changed which pixels are theirs |
//! | `measure` | one object: box, flags, depth, what stands on what |
//! | `pairs` | shortest distances |

pub(crate) mod again;
pub mod colour;
mod measure;
mod pairs;
pub mod propose;

use glam::{DVec3, Vec3};
use plumb_geometry::{
    Camera, DepthNoise, FilterOptions, Gravity, GravityOptions, Ground, GroundOptions, Measure,
    OrganizedCloud, SceneFrame, SupportPlane, ZDepth, estimate_gravity, find_ground,
};
use plumb_image::RgbImage;

use crate::cloud::ColouredCloud;
use crate::scene::{ImageRef, SCENE_VERSION, Scene, SceneSource};
use crate::{Instances, Result, SceneError};
pub use propose::ProposalOptions;

/// What is lifted.
#[derive(Clone, Copy, Debug)]
pub struct LiftInput<'a> {
    pub image: &'a RgbImage,
    pub depth: &'a ZDepth,
    pub camera: &'a Camera,
    /// Which pixel belongs to what; `None` lets objects be proposed from the geometry.
    pub instances: Option<&'a Instances>,
    /// Where `instances` comes from: `masks`, `boxes`, `coco`, …
    pub instances_from: &'a str,
    /// The direction of gravity, where something better than an estimate is at hand.
    pub gravity: Option<&'a Gravity>,
    /// The format of the depth file.
    pub depth_from: &'a str,
}

/// How it is lifted.
#[derive(Clone, Debug)]
pub struct LiftOptions {
    /// The errors of the depth. [`DepthNoise::EXACT`] also means that depth and masks are right up to their edges.
    pub noise: DepthNoise,
    /// By how many pixels an outline of a mask may be wrong.
    pub mask_error: f64,
    /// Whether depth is in metres.
    pub metric: bool,
    /// Whether the instances are all that the image shows of their categories.
    pub exhaustive: bool,
    pub filter: FilterOptions,
    pub gravity: GravityOptions,
    pub ground: GroundOptions,
    pub proposals: ProposalOptions,
    /// Objects with fewer pixels of trusted depth are left out.
    pub min_points: usize,
}

impl LiftOptions {
    /// The usual options for depth with these errors.
    #[must_use]
    pub fn with_noise(noise: DepthNoise) -> Self {
        Self { noise, mask_error: if noise == DepthNoise::EXACT { 0.0 } else { 1.5 }, ..Self::default() }
    }
}

impl Default for LiftOptions {
    fn default() -> Self {
        Self {
            noise: DepthNoise::STRUCTURED_LIGHT,
            mask_error: 1.5,
            metric: true,
            exhaustive: false,
            filter: FilterOptions::default(),
            gravity: GravityOptions::default(),
            ground: GroundOptions::default(),
            proposals: ProposalOptions::default(),
            min_points: 60,
        }
    }
}

/// What comes of it.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// Its `image.path`, `image.sha256` and `id` are empty: whoever has the file fills them.
    pub scene: Scene,
    /// Every trusted pixel, in the scene frame.
    pub cloud: ColouredCloud,
    /// The masks that were used, of the objects in `scene` and of those that were too poor for it.
    pub instances: Instances,
    /// Level surfaces, the ground first where there is one.
    pub supports: Vec<SupportPlane>,
    /// Objects that were left out, with the reason.
    pub left_out: Vec<String>,
}

/// Smallest share of the picture with depth for a lift to mean anything.
const MIN_MEASURED: f64 = 0.02;

/// Lifts an image.
///
/// # Errors
/// [`SceneError::Unusable`] when image, depth, camera and masks differ in size or hardly any pixel has a depth.
pub fn lift(input: &LiftInput<'_>, options: &LiftOptions) -> Result<Lifted> {
    check(input)?;
    let cloud = OrganizedCloud::from_depth(input.depth, input.camera, &options.filter)?;
    let gravity = input.gravity.map_or_else(|| estimate_gravity(&cloud, &options.gravity), Clone::clone);
    let ground = gravity.up().and_then(|up| find_ground(&cloud, up, &options.ground));
    let camera_height = ground.as_ref().map(|ground| ground.camera_height);
    let mut frame = gravity
        .up()
        .map_or(SceneFrame::CAMERA, |up| SceneFrame::from_up(up, camera_height.map(|height| height.value)));
    frame.grounded &= ground.as_ref().is_some_and(is_floor);
    let supports = ground.map_or_else(Vec::new, |ground| ground.planes);

    let proposed = match input.instances {
        Some(_) => None,
        None => Some(propose::propose(input.image, &cloud, &supports, gravity.up(), &options.proposals)?),
    };
    let instances = proposed.as_ref().or(input.instances).ok_or_else(|| SceneError::Unusable {
        what: "objects".to_owned(),
        detail: "there are neither masks nor proposals".to_owned(),
    })?;

    let measurer = measure::Measurer {
        image: input.image,
        depth: input.depth,
        camera: input.camera,
        cloud: &cloud,
        frame: &frame,
        tilt: again::tilt(&gravity),
        camera_height: camera_height.unwrap_or(Measure::exact(0.0)),
        feet: measure::Foot::of(&supports, &cloud, &frame),
        options,
        instances,
    };
    let (mut measured, mut left_out) = (Vec::new(), Vec::new());
    for (label, pixels) in measurer.pixels() {
        match measurer.object(label, &pixels) {
            Ok(object) => measured.push(object),
            Err(reason) => left_out.push(format!("{} ({} pixels): {reason}", label.name, pixels.len())),
        }
    }
    let pairs = pairs::distances(&measured, &options.noise, input.camera.fx.min(input.camera.fy));
    let scene = Scene {
        version: SCENE_VERSION,
        id: String::new(),
        source: SceneSource::Lifted {
            depth: input.depth_from.to_owned(),
            objects: if proposed.is_some() {
                "proposals".to_owned()
            } else {
                input.instances_from.to_owned()
            },
        },
        image: ImageRef {
            path: String::new(),
            width: input.image.width(),
            height: input.image.height(),
            sha256: String::new(),
        },
        camera: *input.camera,
        gravity,
        frame,
        metric: options.metric,
        scale_sigma: options.noise.scale,
        // Proposals have no categories to count.
        exhaustive: options.exhaustive && proposed.is_none() && left_out.is_empty(),
        objects: measured.into_iter().map(|m| m.object).collect(),
        pairs,
    };
    let coloured = colour_cloud(input.image, &cloud, &frame, instances);
    let instances = instances.clone();
    Ok(Lifted { scene, cloud: coloured, instances, supports, left_out })
}

/// Whether the lowest large surface is surely the ground. Close to the camera and small, it may as well be a table whose floor is out of view: heights
/// above it are right, heights above the ground are not known.
fn is_floor(ground: &Ground) -> bool {
    const EYE_LEVEL: f64 = 1.0;
    const LARGER_THAN_TABLES: f64 = 2.5;
    let area = ground.planes.first().map_or(0.0, |plane| plane.area);
    ground.camera_height.value >= EYE_LEVEL || area >= LARGER_THAN_TABLES
}

fn check(input: &LiftInput<'_>) -> Result<()> {
    let unusable = |what: &str, detail: String| SceneError::Unusable { what: what.to_owned(), detail };
    let size = input.image.size();
    let depth = (input.depth.0.width(), input.depth.0.height());
    if depth != size {
        return Err(unusable(
            "depth",
            format!("{}x{} for an image of {}x{}", depth.0, depth.1, size.0, size.1),
        ));
    }
    if (input.camera.width, input.camera.height) != size {
        return Err(unusable(
            "camera",
            format!("{}x{} for an image of {}x{}", input.camera.width, input.camera.height, size.0, size.1),
        ));
    }
    if let Some(masks) = input.instances
        && (masks.width(), masks.height()) != size
    {
        return Err(unusable(
            "instance masks",
            format!("{}x{} for an image of {}x{}", masks.width(), masks.height(), size.0, size.1),
        ));
    }
    let (measured, all) = (input.depth.0.measured(), input.depth.0.values().len());
    if (measured as f64) < MIN_MEASURED * all as f64 || measured < 100 {
        return Err(unusable(
            "depth",
            format!("{measured} of {all} pixels have a distance; a lift needs 2 %"),
        ));
    }
    Ok(())
}

fn colour_cloud(
    image: &RgbImage,
    cloud: &OrganizedCloud,
    frame: &SceneFrame,
    instances: &Instances,
) -> ColouredCloud {
    let mut coloured = ColouredCloud::default();
    let count = cloud.valid();
    coloured.positions.reserve(count);
    coloured.normals.reserve(count);
    coloured.colours.reserve(count);
    coloured.instances.reserve(count);
    let turn = Turn::new(frame);
    let pixels =
        cloud.points().iter().zip(cloud.normals()).zip(image.data().as_chunks::<3>().0).zip(instances.ids());
    for (((&point, &normal), &rgb), &id) in pixels {
        if point.z > 0.0 {
            coloured.positions.push(turn.point(point).to_array());
            coloured.normals.push(turn.direction(normal).to_array());
            coloured.colours.push(rgb);
            coloured.instances.push(id);
        }
    }
    coloured
}

/// [`SceneFrame`] in `f32`, for many points.
#[derive(Clone, Copy, Debug)]
struct Turn {
    axes: [Vec3; 3],
    height: f32,
}

impl Turn {
    fn new(frame: &SceneFrame) -> Self {
        Self {
            axes: frame.axes.map(|axis| DVec3::from_array(axis).as_vec3()),
            height: frame.camera_height as f32,
        }
    }

    fn direction(&self, v: Vec3) -> Vec3 {
        let [r, f, u] = self.axes;
        Vec3::new(r.dot(v), f.dot(v), u.dot(v))
    }

    fn point(&self, v: Vec3) -> Vec3 {
        self.direction(v) + Vec3::new(0.0, 0.0, self.height)
    }
}
