//! The points of a scene: those that were stored, or those that its depth gives where they are more.

use plumb_geometry::{FilterOptions, GravityBox, OrganizedCloud, ZDepth};
use plumb_image::RgbImage;
use plumb_pipeline::{PipelineError, ScenePlace};
use plumb_scene::{ColouredCloud, Instances, Scene};

use crate::error::Result;

/// Points in the scene frame; none where there is neither a cloud nor depth. The clouds of `plumbline scenes` are a coarse grid of the
/// picture, and the depth beside them, where it was kept, has every pixel.
///
/// # Errors
/// A file that is there and cannot be used, by its name.
pub(super) fn of(place: &ScenePlace, scene: &Scene, image: &RgbImage) -> Result<ColouredCloud> {
    let mut stored = place.read_cloud()?.unwrap_or_default();
    stored.normals.iter_mut().for_each(make_unit);
    let Some(depth) = place.read_depth()? else { return Ok(stored) };
    let dense = lifted(place, &depth, scene, image)?;
    Ok(if dense.len() > stored.len() { dense } else { stored })
}

/// Other programs write normals of any length.
pub(super) fn make_unit(normal: &mut [f32; 3]) {
    let length = normal.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    *normal = if length > 1e-6 { normal.map(|x| (f64::from(x) / length) as f32) } else { [0.0; 3] };
}

/// The trusted pixels of a depth map, turned into the scene frame.
fn lifted(place: &ScenePlace, depth: &ZDepth, scene: &Scene, image: &RgbImage) -> Result<ColouredCloud> {
    let grid =
        OrganizedCloud::from_depth(depth, &scene.camera, &FilterOptions::default()).map_err(|error| {
            let path = place.depth.as_ref().unwrap_or(&place.scene).display().to_string();
            PipelineError::Unusable { what: path, detail: error.to_string() }
        })?;
    let masks = place.read_masks(image.size())?;
    let ids = masks.as_ref().map_or(&[][..], Instances::ids);
    let axes = scene.frame.axes.map(|axis| axis.map(|x| x as f32));
    let turn = |v: [f32; 3]| axes.map(|axis| axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2]);
    let height = scene.frame.camera_height as f32;
    let mut cloud = ColouredCloud::default();
    let colours = image.data().as_chunks::<3>().0;
    for (at, (point, normal)) in grid.points().iter().zip(grid.normals()).enumerate() {
        if point.z > 0.0 {
            let [x, y, z] = turn(point.to_array());
            cloud.positions.push([x, y, z + height]);
            cloud.normals.push(turn(normal.to_array()));
            cloud.colours.push(colours.get(at).copied().unwrap_or_default());
            if !ids.is_empty() {
                cloud.instances.push(ids.get(at).copied().unwrap_or(0));
            }
        }
    }
    Ok(cloud)
}

/// For each point the index of its object, `u32::MAX` for none: by the numbers that are stored with the points, else by the boxes of the
/// objects.
pub(super) fn objects(scene: &Scene, cloud: &ColouredCloud) -> Vec<u32> {
    if cloud.instances.is_empty() {
        let boxes = Upright::all(scene);
        return cloud.positions.iter().map(|position| Upright::smallest_around(&boxes, *position)).collect();
    }
    let mut by_id = vec![u32::MAX; 1 << 16];
    for (index, object) in (0..).zip(&scene.objects) {
        if let Some(place) = usize::try_from(object.id).ok().and_then(|id| by_id.get_mut(id)) {
            *place = index;
        }
    }
    cloud.instances.iter().map(|id| by_id.get(usize::from(*id)).copied().unwrap_or(u32::MAX)).collect()
}

/// A [`GravityBox`] ready for many points, in f32.
struct Upright {
    index: u32,
    centre: [f32; 3],
    half: [f32; 3],
    cos: f32,
    sin: f32,
}

impl Upright {
    /// Boxes from the smallest to the largest: what stands in another thing is the nearer guess.
    fn all(scene: &Scene) -> Vec<Self> {
        /// Share of the longest side by which a box is widened: its surface is where the points are.
        const SLACK: f64 = 0.01;
        let volume = |b: &GravityBox| b.size.iter().product::<f64>();
        let mut sorted: Vec<(u32, &GravityBox)> =
            (0..).zip(scene.objects.iter().map(|o| &o.oriented)).collect();
        sorted.sort_by(|a, b| volume(a.1).total_cmp(&volume(b.1)));
        let ready = |(index, b): (u32, &GravityBox)| {
            let slack = SLACK * b.size.iter().copied().fold(0.0, f64::max);
            Self {
                index,
                centre: b.centre.map(|x| x as f32),
                half: b.size.map(|x| (x / 2.0 + slack) as f32),
                cos: b.yaw.cos() as f32,
                sin: b.yaw.sin() as f32,
            }
        };
        sorted.into_iter().map(ready).collect()
    }

    fn smallest_around(boxes: &[Self], [x, y, z]: [f32; 3]) -> u32 {
        let found = boxes.iter().find(|b| {
            let (x, y, z) = (x - b.centre[0], y - b.centre[1], z - b.centre[2]);
            let own = [b.cos * x + b.sin * y, b.cos * y - b.sin * x, z];
            own.iter().zip(&b.half).all(|(at, half)| at.abs() <= *half)
        });
        found.map_or(u32::MAX, |b| b.index)
    }
}
