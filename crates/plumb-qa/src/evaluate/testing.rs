//! Scenes of boxes for tests, seen by a camera at any pitch, roll and yaw.

use glam::{DQuat, DVec3};
use plumb_geometry::{Aabb, Camera, Gravity, GravityBox, GravitySource, Measure, PixelCentre, SceneFrame};
use plumb_scene::{
    Attributes, DepthRange, Flags, ImageRef, NameSource, Object, PairDistance, SCENE_VERSION, Scene,
    SceneSource,
};

use crate::kind::Kind;
use crate::pair::Question;

/// Boxes in a level world: x right, y forward, z up from the ground, the camera above the origin.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) boxes: Vec<(&'static str, DVec3, DVec3)>,
    pub(crate) camera_height: f64,
    /// Looking down, turned to the right, leaning: radians.
    pub(crate) pitch: f64,
    pub(crate) yaw: f64,
    pub(crate) roll: f64,
    /// Standard deviation of everything, in metres.
    pub(crate) sigma: f64,
}

impl World {
    pub(crate) fn new(boxes: &[(&'static str, [f64; 3], [f64; 3])]) -> Self {
        let boxes =
            boxes.iter().map(|(name, centre, size)| (*name, (*centre).into(), (*size).into())).collect();
        Self { boxes, camera_height: 1.5, pitch: 0.0, yaw: 0.0, roll: 0.0, sigma: 0.0 }
    }

    pub(crate) fn scene(&self) -> Scene {
        let camera = Camera::new(640, 480, [400.0, 400.0, 320.0, 240.0], PixelCentre::Half).unwrap();
        let up = DQuat::from_rotation_z(self.roll) * DVec3::new(0.0, -self.pitch.cos(), -self.pitch.sin());
        let frame = SceneFrame::from_up(up, Some(self.camera_height));
        let objects =
            (1..).zip(&self.boxes).map(|(id, one)| self.object(id, *one, &camera, &frame)).collect();
        let turn = DQuat::from_rotation_z(self.yaw);
        let mut pairs = Vec::new();
        for a in 0..self.boxes.len() {
            for b in a + 1..self.boxes.len() {
                let (point_a, point_b) = closest(self.boxes[a], self.boxes[b]);
                pairs.push(PairDistance {
                    a: a as u32,
                    b: b as u32,
                    distance: Measure::new(point_a.distance(point_b), self.sigma),
                    point_a: (turn * point_a).to_array(),
                    point_b: (turn * point_b).to_array(),
                });
            }
        }
        Scene {
            version: SCENE_VERSION,
            id: "0123456789abcdef".to_owned(),
            source: SceneSource::Rendered { world: "test".to_owned(), seed: 0, index: 0 },
            image: ImageRef { path: "a.png".to_owned(), width: 640, height: 480, sha256: String::new() },
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

    fn object(
        &self,
        id: u32,
        (name, at, size): (&str, DVec3, DVec3),
        camera: &Camera,
        frame: &SceneFrame,
    ) -> Object {
        let centre = DQuat::from_rotation_z(self.yaw) * at;
        let oriented = GravityBox { centre: centre.to_array(), size: size.to_array(), yaw: self.yaw };
        let corners = oriented.corners();
        let low = corners.iter().copied().reduce(DVec3::min).unwrap();
        let high = corners.iter().copied().reduce(DVec3::max).unwrap();
        let sigma = [self.sigma; 3];
        let depths = corners.map(|c| frame.point_to_camera(c).z.max(0.05));
        let median = frame.point_to_camera(centre).z.max(0.05);
        let pixels = corners.map(|c| camera.project(frame.point_to_camera(c)).unwrap_or_default());
        let fold = |f: fn(f64, f64) -> f64, v: [f64; 8]| v.into_iter().reduce(f).unwrap();
        let (us, vs) = (pixels.map(|p| p.x), pixels.map(|p| p.y));
        let pixel = camera.project(frame.point_to_camera(centre)).unwrap_or_default();
        Object {
            id,
            name: name.to_owned(),
            named_by: NameSource::Exact,
            plural: format!("{name}s"),
            attributes: Attributes::default(),
            rect: [fold(f64::min, us), fold(f64::min, vs), fold(f64::max, us), fold(f64::max, vs)]
                .map(|v| v as f32),
            pixel_centre: [pixel.x as f32, pixel.y as f32],
            pixels: 500,
            visible: Some(1.0),
            flags: Flags::default(),
            oriented,
            aabb: Aabb { min: low.to_array(), max: high.to_array(), sigma_min: sigma, sigma_max: sigma },
            centre: centre.to_array(),
            centre_sigma: sigma,
            depth: DepthRange {
                near: fold(f64::min, depths),
                median,
                far: fold(f64::max, depths),
                sigma: self.sigma,
            },
            support: None,
            points: 0,
        }
    }
}

/// The closest points of two boxes along the axes.
fn closest(a: (&str, DVec3, DVec3), b: (&str, DVec3, DVec3)) -> (DVec3, DVec3) {
    let (a_min, a_max) = (a.1 - a.2 / 2.0, a.1 + a.2 / 2.0);
    let (b_min, b_max) = (b.1 - b.2 / 2.0, b.1 + b.2 / 2.0);
    let on_a = (b_min.max(a_min)).min(a_max);
    let on_b = on_a.clamp(b_min, b_max);
    (on_b.clamp(a_min, a_max), on_b)
}

/// The scene in a mirror: left and right exchanged, in the picture and in space.
pub(crate) fn mirror(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    let width = f64::from(scene.camera.width) as f32;
    scene.camera = scene.camera.flip_horizontal();
    if let Gravity::Known { direction, .. } = &mut scene.gravity {
        direction[0] = -direction[0];
    }
    let [right, forward, up] = scene.frame.axes;
    scene.frame.axes =
        [[right[0], -right[1], -right[2]], [-forward[0], forward[1], forward[2]], [-up[0], up[1], up[2]]];
    for object in &mut scene.objects {
        let [x1, y1, x2, y2] = object.rect;
        object.rect = [width - x2, y1, width - x1, y2];
        object.pixel_centre[0] = width - object.pixel_centre[0];
        object.centre[0] = -object.centre[0];
        object.oriented.centre[0] = -object.oriented.centre[0];
        object.oriented.yaw = -object.oriented.yaw;
        let aabb = &mut object.aabb;
        (aabb.min[0], aabb.max[0]) = (-aabb.max[0], -aabb.min[0]);
        (aabb.sigma_min[0], aabb.sigma_max[0]) = (aabb.sigma_max[0], aabb.sigma_min[0]);
    }
    for pair in &mut scene.pairs {
        pair.point_a[0] = -pair.point_a[0];
        pair.point_b[0] = -pair.point_b[0];
    }
    scene
}

/// The scene with all lengths times a factor: a picture cannot tell.
pub(crate) fn scaled(scene: &Scene, factor: f64) -> Scene {
    let mut scene = scene.clone();
    let times = |v: &mut [f64; 3]| *v = v.map(|x| x * factor);
    scene.frame.camera_height *= factor;
    for object in &mut scene.objects {
        times(&mut object.centre);
        times(&mut object.centre_sigma);
        times(&mut object.oriented.centre);
        times(&mut object.oriented.size);
        for side in [
            &mut object.aabb.min,
            &mut object.aabb.max,
            &mut object.aabb.sigma_min,
            &mut object.aabb.sigma_max,
        ] {
            times(side);
        }
        let DepthRange { near, median, far, sigma } = object.depth;
        object.depth = DepthRange {
            near: near * factor,
            median: median * factor,
            far: far * factor,
            sigma: sigma * factor,
        };
    }
    for pair in &mut scene.pairs {
        pair.distance = Measure::new(pair.distance.value * factor, pair.distance.sigma * factor);
        times(&mut pair.point_a);
        times(&mut pair.point_b);
    }
    scene
}

/// A question without category, rank or options.
pub(crate) fn ask(kind: Kind, objects: &[u32]) -> Question {
    Question { kind, objects: objects.to_vec(), rank: 0, category: String::new(), options: Vec::new() }
}

/// Every well-formed question of a kind about up to three or four objects of the scene, in every order.
pub(crate) fn all_questions(scene: &Scene, kind: Kind) -> Vec<Question> {
    let ids: Vec<u32> = scene.objects.iter().map(|object| object.id).collect();
    let options = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let count = match kind {
        Kind::Count | Kind::McCount => {
            let mut names: Vec<&str> = scene.objects.iter().map(|object| object.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let counted = |name: &&str| Question {
                category: (*name).to_owned(),
                options: if kind == Kind::McCount {
                    options(&["3", "1", "0", "2", "5", "4"])
                } else {
                    Vec::new()
                },
                ..ask(kind, &[])
            };
            return names.iter().map(counted).collect();
        }
        _ if kind.objects() == 0 => 3,
        _ => kind.objects(),
    };
    let mut questions = Vec::new();
    for tuple in tuples(&ids, count) {
        match kind {
            Kind::OrdinalLeft | Kind::OrdinalNear | Kind::OrdinalTall => {
                questions.extend((1..=3).map(|rank| Question { rank, ..ask(kind, &tuple) }));
            }
            Kind::McRelation => {
                for words in [["left", "right"], ["below", "above"]] {
                    questions.push(Question { options: options(&words), ..ask(kind, &tuple) });
                }
            }
            _ => questions.push(ask(kind, &tuple)),
        }
    }
    questions
}

fn tuples(ids: &[u32], count: usize) -> Vec<Vec<u32>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let longer = |tuple: Vec<u32>| {
        ids.iter()
            .filter(|id| !tuple.contains(id))
            .map(|id| [tuple.as_slice(), &[*id]].concat())
            .collect::<Vec<_>>()
    };
    tuples(ids, count - 1).into_iter().flat_map(longer).collect()
}
