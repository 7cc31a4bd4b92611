//! A scene prepared for many questions: objects by id, pairs by index, and the numbers that questions are made of.

use glam::DVec3;
use plumb_geometry::{Gravity, Measure};
use plumb_scene::{Object, PairDistance, Scene};

/// Beyond this many objects the pairs are searched instead of kept in a square table (8 MB).
const TABLE_LIMIT: usize = 1448;

/// Marks a pair that the scene does not have.
const NONE: u32 = u32::MAX;

/// A scene, indexed. Building it is linear in objects and pairs; every look-up is constant or nearly so.
#[derive(Clone, Debug)]
pub struct SceneIndex<'a> {
    scene: &'a Scene,
    /// Sorted by id; ids that occur twice are left out.
    ids: Vec<(u32, u32)>,
    facts: Vec<ObjectFacts>,
    /// Row by row, positions in `scene.pairs`; empty when there are too many objects.
    table: Vec<u32>,
    gravity: bool,
    image: [f64; 2],
}

/// The numbers of an object that decide answers. Lengths in metres, without the scale error that a scene shares.
#[derive(Clone, Debug)]
pub struct ObjectFacts {
    pub id: u32,
    /// Index in [`Scene::objects`].
    pub at: usize,
    /// False when a number is not finite, negative where it cannot be, or out of order: nothing is said of such an object.
    pub sound: bool,
    /// Whether its box is known without error.
    pub exact: bool,
    pub centre: DVec3,
    pub centre_sigma: DVec3,
    pub min: DVec3,
    pub max: DVec3,
    pub near: f64,
    pub median: f64,
    pub far: f64,
    pub depth_sigma: f64,
    /// Straight distance of the centre from the camera.
    pub range: f64,
    /// Scene z of the lowest and the highest point.
    pub bottom: Measure,
    pub top: Measure,
    /// Extent along z.
    pub height: Measure,
    /// Extent along x.
    pub width: Measure,
    /// Of the turned box, in cubic metres.
    pub volume: Measure,
    /// Of the box along the axes.
    pub aabb_volume: f64,
    /// Smaller horizontal extent of the turned box.
    pub minor: f64,
    /// Mean of the three sides of the turned box.
    pub extent: Measure,
    pub pixel: [f64; 2],
    /// Width and height in the picture.
    pub rect_size: [f64; 2],
    pub pixels: u32,
    /// Visible share, where it is known.
    pub visible: Option<f64>,
    pub truncated: bool,
    /// So much is outside of the picture that not even its place can be read off: its centre is outside, or it goes from one border
    /// to the opposite one.
    pub cut: bool,
    pub occluded: bool,
    pub partial_depth: bool,
}

impl<'a> SceneIndex<'a> {
    #[must_use]
    pub fn new(scene: &'a Scene) -> Self {
        let facts: Vec<ObjectFacts> = scene
            .objects
            .iter()
            .enumerate()
            .map(|(at, object)| ObjectFacts::new(scene, at, object))
            .collect();
        let mut ids: Vec<(u32, u32)> =
            (0..).zip(&scene.objects).map(|(at, object)| (object.id, at)).collect();
        ids.sort_unstable();
        let unique = |i: usize| {
            (i == 0 || ids[i - 1].0 != ids[i].0) && ids.get(i + 1).is_none_or(|next| next.0 != ids[i].0)
        };
        let ids = (0..ids.len()).filter(|&i| unique(i)).map(|i| ids[i]).collect();
        let image = [f64::from(scene.camera.width), f64::from(scene.camera.height)];
        let gravity = scene.frame.gravity_aligned && matches!(scene.gravity, Gravity::Known { .. });
        Self { scene, ids, table: table(scene), facts, gravity, image }
    }

    #[must_use]
    pub fn scene(&self) -> &'a Scene {
        self.scene
    }

    /// The index in [`Scene::objects`] of the only object with this id.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<usize> {
        // Ids are 1, 2, 3, … in nearly every scene.
        let guess = usize::try_from(id).ok()?.wrapping_sub(1);
        if let Some(&(found, at)) = self.ids.get(guess)
            && found == id
        {
            return Some(at as usize);
        }
        let place = self.ids.binary_search_by_key(&id, |&(id, _)| id).ok()?;
        self.ids.get(place).map(|&(_, at)| at as usize)
    }

    /// The numbers of every object, in the order of [`Scene::objects`].
    #[must_use]
    pub fn facts(&self) -> &[ObjectFacts] {
        &self.facts
    }

    /// The shortest distance between the objects at two indices, in either order; only one with sound numbers.
    #[must_use]
    pub fn pair(&self, a: usize, b: usize) -> Option<&'a PairDistance> {
        if self.table.is_empty() {
            return self.scene.pair(a, b).filter(|pair| sound_pair(pair));
        }
        let n = self.facts.len();
        if a >= n || b >= n {
            return None;
        }
        self.scene.pairs.get(*self.table.get(a * n + b)? as usize)
    }

    /// Whether gravity is known and the scene is aligned with it.
    #[must_use]
    pub fn gravity(&self) -> bool {
        self.gravity
    }

    /// Width and height of the picture in pixels.
    #[must_use]
    pub fn image(&self) -> [f64; 2] {
        self.image
    }
}

fn sound_pair(pair: &PairDistance) -> bool {
    let Measure { value, sigma } = pair.distance;
    value >= 0.0
        && sigma >= 0.0
        && pair.point_a.iter().chain(&pair.point_b).chain([&value, &sigma]).all(|v| v.is_finite())
}

fn table(scene: &Scene) -> Vec<u32> {
    let n = scene.objects.len();
    if n > TABLE_LIMIT {
        return Vec::new();
    }
    let mut table = vec![NONE; n * n];
    for (at, pair) in (0u32..NONE).zip(&scene.pairs) {
        let (a, b) = (pair.a as usize, pair.b as usize);
        if a < b && b < n && sound_pair(pair) {
            table[a * n + b] = at;
            table[b * n + a] = at;
        }
    }
    table
}

impl ObjectFacts {
    fn new(scene: &Scene, at: usize, object: &Object) -> Self {
        let (min, max) = (DVec3::from_array(object.aabb.min), DVec3::from_array(object.aabb.max));
        let sigma_min = DVec3::from_array(object.aabb.sigma_min);
        let sigma_max = DVec3::from_array(object.aabb.sigma_max);
        let size = max - min;
        let centre = object.position();
        let centre_sigma = DVec3::from_array(object.centre_sigma);
        let turned = DVec3::from_array(object.oriented.size);
        let side_sigma = DVec3::new(
            sigma_min.x.hypot(sigma_max.x),
            sigma_min.y.hypot(sigma_max.y),
            sigma_min.z.hypot(sigma_max.z),
        );
        let volume = turned.x * turned.y * turned.z;
        // First order: each side's error times the area it moves over.
        let volume_sigma = DVec3::new(
            side_sigma.x * turned.y * turned.z,
            side_sigma.y * turned.x * turned.z,
            side_sigma.z * turned.x * turned.y,
        )
        .length();
        let camera = DVec3::new(0.0, 0.0, scene.frame.camera_height);
        let depth = object.depth;
        let rect = object.rect.map(f64::from);
        let pixel = object.pixel_centre.map(f64::from);
        let visible = object.visible.map(f64::from);
        let numbers = [min, max, sigma_min, sigma_max, centre, centre_sigma, turned];
        let sound = numbers.iter().all(|v| v.is_finite())
            && [depth.near, depth.median, depth.far, depth.sigma].iter().all(|v| v.is_finite())
            && rect.iter().chain(&pixel).chain(&visible).all(|v| v.is_finite())
            && size.min_element() >= 0.0
            && turned.min_element() >= 0.0
            && sigma_min.min(sigma_max).min(centre_sigma).min_element() >= 0.0
            && depth.sigma >= 0.0
            && depth.near > 0.0
            && depth.near <= depth.median
            && depth.median <= depth.far
            && scene.frame.camera_height.is_finite();
        let (width, height) = (f64::from(scene.camera.width), f64::from(scene.camera.height));
        let centre_in_picture = scene
            .camera
            .project(scene.frame.point_to_camera(centre))
            .is_some_and(|p| (0.0..=width).contains(&p.x) && (0.0..=height).contains(&p.y));
        let spans = (rect[0] <= 0.5 && rect[2] >= width - 0.5) || (rect[1] <= 0.5 && rect[3] >= height - 0.5);
        Self {
            id: object.id,
            at,
            sound,
            exact: sigma_min.max(sigma_max).max_element() == 0.0,
            centre,
            centre_sigma,
            min,
            max,
            near: depth.near,
            median: depth.median,
            far: depth.far,
            depth_sigma: depth.sigma,
            range: centre.distance(camera),
            bottom: Measure::new(min.z, sigma_min.z),
            top: Measure::new(max.z, sigma_max.z),
            height: Measure::new(size.z, side_sigma.z),
            width: Measure::new(size.x, side_sigma.x),
            volume: Measure::new(volume, volume_sigma),
            aabb_volume: size.x * size.y * size.z,
            minor: turned.x.min(turned.y),
            extent: Measure::new((turned.x + turned.y + turned.z) / 3.0, side_sigma.length() / 3.0),
            pixel,
            rect_size: [rect[2] - rect[0], rect[3] - rect[1]],
            pixels: object.pixels,
            visible,
            truncated: object.flags.truncated,
            cut: object.flags.truncated && (spans || !centre_in_picture),
            occluded: object.flags.occluded,
            partial_depth: object.flags.partial_depth,
        }
    }
}
