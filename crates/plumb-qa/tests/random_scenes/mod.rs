//! Random scenes of boxes, with everything in the record consistent: for tests and benchmarks that need many scenes and no pictures.

use glam::DVec3;
use plumb_geometry::{Aabb, Camera, Gravity, GravityBox, GravitySource, Measure, SceneFrame};
use plumb_scene::{
    Attributes, DepthRange, Flags, ImageRef, NameSource, Object, PairDistance, SCENE_VERSION, Scene,
    SceneSource,
};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Name, plural, and the ranges of width, depth and height in metres.
type Thing = (&'static str, &'static str, [f64; 2], [f64; 2], [f64; 2]);

const THINGS: [Thing; 12] = [
    ("chair", "chairs", [0.4, 0.6], [0.4, 0.6], [0.7, 1.1]),
    ("table", "tables", [0.8, 1.8], [0.6, 1.0], [0.6, 0.9]),
    ("wardrobe", "wardrobes", [0.8, 1.6], [0.4, 0.7], [1.6, 2.2]),
    ("lamp", "lamps", [0.2, 0.4], [0.2, 0.4], [0.4, 1.7]),
    ("box", "boxes", [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]),
    ("mug", "mugs", [0.07, 0.1], [0.07, 0.1], [0.08, 0.12]),
    ("ball", "balls", [0.1, 0.4], [0.1, 0.4], [0.1, 0.4]),
    ("plant", "plants", [0.2, 0.6], [0.2, 0.6], [0.3, 1.5]),
    ("shelf", "shelves", [0.5, 1.2], [0.2, 0.4], [0.8, 2.0]),
    ("stool", "stools", [0.3, 0.4], [0.3, 0.4], [0.4, 0.7]),
    ("picture", "pictures", [0.3, 0.9], [0.03, 0.06], [0.3, 0.8]),
    ("suitcase", "suitcases", [0.4, 0.6], [0.2, 0.35], [0.5, 0.8]),
];
const COLOURS: [&str; 7] = ["red", "blue", "green", "white", "black", "brown", "yellow"];
const MATERIALS: [&str; 4] = ["wooden", "metal", "plastic", "leather"];
const PATTERNS: [&str; 2] = ["striped", "checkered"];

/// An exact scene of 4 to 14 boxes that do not overlap, seen by a camera at 1.2 to 1.8 m pitched up to 15° down.
pub(crate) fn random_scene(seed: u64) -> Scene {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let camera = Camera::from_vertical_fov(640, 480, rng.random_range(0.8..1.2)).expect("a camera");
    let pitch: f64 = rng.random_range(0.0..0.26);
    let up = DVec3::new(0.0, -pitch.cos(), -pitch.sin());
    let frame = SceneFrame::from_up(up, Some(rng.random_range(1.2..1.8)));
    let wanted = rng.random_range(4..=14);
    let mut objects: Vec<Object> = Vec::new();
    for _ in 0..wanted * 6 {
        if objects.len() == wanted {
            break;
        }
        if let Some(object) = random_object(&mut rng, &camera, &frame, objects.len() as u32 + 1)
            && objects.iter().all(|other| !overlap(&other.aabb, &object.aabb))
        {
            objects.push(object);
        }
    }
    let pairs = (0..objects.len())
        .flat_map(|a| (a + 1..objects.len()).map(move |b| (a, b)))
        .map(|(a, b)| nearest(&objects, a, b))
        .collect();
    Scene {
        version: SCENE_VERSION,
        id: format!("{seed:016x}"),
        source: SceneSource::Rendered { world: "boxes".to_owned(), seed, index: 0 },
        image: ImageRef { path: format!("{seed}.png"), width: 640, height: 480, sha256: String::new() },
        camera,
        gravity: Gravity::Known { direction: (-up).to_array(), sigma: 0.0, source: GravitySource::Exact },
        frame,
        metric: true,
        scale_sigma: 0.0,
        exhaustive: true,
        objects,
        pairs,
    }
}

fn overlap(a: &Aabb, b: &Aabb) -> bool {
    (0..3).all(|i| a.min[i] < b.max[i] + 0.02 && b.min[i] < a.max[i] + 0.02)
}

fn random_object(rng: &mut ChaCha8Rng, camera: &Camera, frame: &SceneFrame, id: u32) -> Option<Object> {
    let (name, plural, width, depth, height) = *THINGS.choose(rng)?;
    let size = DVec3::from_array([width, depth, height].map(|[low, high]| rng.random_range(low..high)));
    let bottom = if rng.random_bool(0.35) { rng.random_range(0.3..1.6) } else { 0.0 };
    let min = DVec3::new(rng.random_range(-2.5..2.5), rng.random_range(1.5..7.0), bottom);
    let aabb = Aabb::exact(min, min + size);
    let oriented = GravityBox { centre: aabb.centre().to_array(), size: size.to_array(), yaw: 0.0 };
    let corners = oriented.corners().map(|corner| frame.point_to_camera(corner));
    let mut rect = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for corner in corners {
        let at = camera.project(corner)?;
        rect = [
            rect[0].min(at.x as f32),
            rect[1].min(at.y as f32),
            rect[2].max(at.x as f32),
            rect[3].max(at.y as f32),
        ];
    }
    let inside = [rect[0].max(0.0), rect[1].max(0.0), rect[2].min(640.0), rect[3].min(480.0)];
    let (w, h) = (inside[2] - inside[0], inside[3] - inside[1]);
    if w < 6.0 || h < 6.0 {
        return None;
    }
    let near = corners.iter().map(|corner| corner.z).fold(f64::MAX, f64::min);
    let far = corners.iter().map(|corner| corner.z).fold(0.0, f64::max);
    let attributes = Attributes {
        colour: COLOURS.choose(rng).map(|&word| word.to_owned()),
        material: if rng.random_bool(0.5) {
            MATERIALS.choose(rng).map(|&word| word.to_owned())
        } else {
            None
        },
        pattern: if rng.random_bool(0.15) { PATTERNS.choose(rng).map(|&word| word.to_owned()) } else { None },
        caption: None,
    };
    Some(Object {
        id,
        name: name.to_owned(),
        named_by: NameSource::Exact,
        plural: plural.to_owned(),
        attributes,
        rect: inside,
        pixel_centre: [(inside[0] + inside[2]) / 2.0, (inside[1] + inside[3]) / 2.0],
        pixels: (w * h * 0.8) as u32,
        visible: Some(1.0),
        flags: Flags { truncated: inside != rect, occluded: false, partial_depth: false },
        oriented,
        aabb,
        centre: aabb.centre().to_array(),
        centre_sigma: [0.0; 3],
        depth: DepthRange { near, median: f64::midpoint(near, far), far, sigma: 0.0 },
        support: Some(Measure::exact(bottom)),
        points: 0,
    })
}

fn nearest(objects: &[Object], a: usize, b: usize) -> PairDistance {
    let (first, second) = (&objects[a].aabb, &objects[b].aabb);
    let (mut on_a, mut on_b) = ([0.0; 3], [0.0; 3]);
    for i in 0..3 {
        let (low, high) = (first.min[i].max(second.min[i]), first.max[i].min(second.max[i]));
        (on_a[i], on_b[i]) = if low <= high {
            (f64::midpoint(low, high), f64::midpoint(low, high))
        } else if first.max[i] < second.min[i] {
            (first.max[i], second.min[i])
        } else {
            (first.min[i], second.max[i])
        };
    }
    let distance = (DVec3::from_array(on_a) - DVec3::from_array(on_b)).length();
    PairDistance {
        a: a as u32,
        b: b as u32,
        distance: Measure::exact(distance),
        point_a: on_a,
        point_b: on_b,
    }
}
