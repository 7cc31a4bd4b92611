//! The scene record as JSON, checked on the way out and on the way in.

use plumb_geometry::Gravity;
use serde::Deserialize;

use crate::{Object, Result, SCENE_VERSION, Scene, SceneError};

/// The longest scene file that is read.
pub const MAX_BYTES: usize = 256 << 20;

/// The most objects of a scene: what a mask of 16 bits can tell apart.
const MAX_OBJECTS: usize = 65_535;

/// Coordinates beyond this, in metres, are not of a scene.
const MAX_METRES: f64 = 1e6;

/// Indented JSON that [`scene_from_json`] reads back to the same scene.
///
/// # Errors
/// [`SceneError::Unusable`] naming the field if the scene is not one that could be read back: numbers that are not finite become `null` in JSON.
pub fn scene_to_json(scene: &Scene) -> Result<String> {
    let wrong = |detail: String| SceneError::Unusable { what: format!("scene {}", scene.id), detail };
    check(scene).map_err(wrong)?;
    serde_json::to_string_pretty(scene).map_err(|error| wrong(error.to_string()))
}

/// Reads a scene record and checks everything that other code relies on; `name` is the file's, for messages.
///
/// # Errors
/// [`SceneError::Format`] naming the field: JSON of another form, a newer version, numbers that are not finite or absurd, a camera that is none or has not
/// the size of the image, ids that are 0 or twice there, pairs that are not sorted or point to no object, an image path that leads out of the folder.
pub fn scene_from_json(bytes: &[u8], name: &str) -> Result<Scene> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }

    let wrong = |detail: String| SceneError::Format { path: name.to_owned(), detail };
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("{} bytes, more than the {MAX_BYTES} that are allowed", bytes.len())));
    }
    let not_a_scene = |error: serde_json::Error| wrong(format!("not a scene: {error}"));
    // A newer record may have fields that this one cannot know: its version is said first.
    let Version { version } = serde_json::from_slice(bytes).map_err(not_a_scene)?;
    if version > SCENE_VERSION {
        let detail = format!(
            "a scene of version {version}; this program reads up to {SCENE_VERSION}, a newer one reads it"
        );
        return Err(wrong(detail));
    }
    let scene: Scene = serde_json::from_slice(bytes).map_err(not_a_scene)?;
    check(&scene).map_err(wrong)?;
    Ok(scene)
}

/// A sentence if a number is not finite or beyond `most`.
fn numbers(field: &str, values: &[f64], most: f64) -> Result<(), String> {
    match values.iter().find(|value| value.is_nan() || value.abs() > most) {
        Some(value) => Err(format!("{field} is {value}, expected at most {most} from 0")),
        None => Ok(()),
    }
}

/// As [`numbers`], for what cannot be negative.
fn sizes(field: &str, values: &[f64]) -> Result<(), String> {
    numbers(field, values, MAX_METRES)?;
    match values.iter().find(|&&value| value < 0.0) {
        Some(value) => Err(format!("{field} is {value}, expected 0 or more")),
        None => Ok(()),
    }
}

fn orthonormal(rows: &[[f64; 3]; 3]) -> bool {
    let dot = |a: usize, b: usize| rows[a].iter().zip(&rows[b]).map(|(x, y)| x * y).sum::<f64>();
    (0..3).all(|a| (a..3).all(|b| (dot(a, b) - if a == b { 1.0 } else { 0.0 }).abs() < 1e-4))
}

fn check(scene: &Scene) -> Result<(), String> {
    if scene.version == 0 || scene.version > SCENE_VERSION {
        return Err(format!("version is {}, expected 1 to {SCENE_VERSION}", scene.version));
    }
    scene.camera.check().map_err(|error| error.to_string())?;
    let (image, camera) = (&scene.image, &scene.camera);
    if (image.width, image.height) != (camera.width, camera.height) {
        let sizes = [image.width, image.height, camera.width, camera.height];
        return Err(format!("image is {}x{}, but camera is {}x{}", sizes[0], sizes[1], sizes[2], sizes[3]));
    }
    let path = &image.path;
    let leads_out = path.starts_with(['/', '\\'])
        || path.split(['/', '\\']).any(|part| part == "..")
        || path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() || leads_out || path.chars().any(char::is_control) {
        return Err(format!(
            "image.path is '{}', expected a path in the folder of the scene",
            path.escape_debug()
        ));
    }
    if let Gravity::Known { direction, sigma, .. } = &scene.gravity {
        numbers("gravity.direction", direction, 1.001)?;
        sizes("gravity.sigma", &[*sigma])?;
        let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        if (length - 1.0).abs() > 1e-3 {
            return Err(format!("gravity.direction has the length {length}, expected 1"));
        }
    }
    if !orthonormal(&scene.frame.axes) {
        return Err("frame.axes is not a rotation".to_owned());
    }
    numbers("frame.camera_height", &[scene.frame.camera_height], MAX_METRES)?;
    sizes("scale_sigma", &[scene.scale_sigma])?;
    if scene.objects.len() > MAX_OBJECTS {
        return Err(format!("{} objects, more than {MAX_OBJECTS}", scene.objects.len()));
    }
    let mut ids: Vec<u32> = Vec::with_capacity(scene.objects.len());
    for (at, object) in scene.objects.iter().enumerate() {
        check_object(object).map_err(|detail| format!("objects[{at}].{detail}"))?;
        ids.push(object.id);
    }
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("objects: the id {} is there twice", twice[0]));
    }
    let mut last = None;
    for (at, pair) in scene.pairs.iter().enumerate() {
        let field = |name: &str| format!("pairs[{at}].{name}");
        if pair.a >= pair.b || pair.b as usize >= scene.objects.len() {
            let (a, b, count) = (pair.a, pair.b, scene.objects.len());
            return Err(format!("pairs[{at}] is of {a} and {b}, expected a < b among {count} objects"));
        }
        if last.is_some_and(|before| before >= (pair.a, pair.b)) {
            return Err(format!("pairs[{at}] is not in order, or is there twice"));
        }
        last = Some((pair.a, pair.b));
        sizes(&field("distance"), &[pair.distance.value, pair.distance.sigma])?;
        numbers(&field("point_a"), &pair.point_a, MAX_METRES)?;
        numbers(&field("point_b"), &pair.point_b, MAX_METRES)?;
    }
    Ok(())
}

fn check_object(object: &Object) -> Result<(), String> {
    if object.id == 0 {
        return Err("id is 0, which means no object".to_owned());
    }
    for (field, text) in [("name", &object.name), ("plural", &object.plural)] {
        if text.trim().is_empty() || text.len() > 1000 || text.chars().any(char::is_control) {
            return Err(format!("{field} is not 1 to 1000 printable characters"));
        }
    }
    let rect = object.rect.map(f64::from);
    numbers("rect", &rect, 1e6)?;
    if rect[0] > rect[2] || rect[1] > rect[3] {
        return Err(format!("rect is {rect:?}, expected x1, y1, x2, y2"));
    }
    numbers("pixel_centre", &object.pixel_centre.map(f64::from), 1e6)?;
    if let Some(share) = object.visible
        && !(0.0..=1.0).contains(&share)
    {
        return Err(format!("visible is {share}, expected 0 to 1"));
    }
    numbers("box.centre", &object.oriented.centre, MAX_METRES)?;
    sizes("box.size", &object.oriented.size)?;
    numbers("box.yaw", &[object.oriented.yaw], 10.0)?;
    let aabb = &object.aabb;
    numbers("aabb.min", &aabb.min, MAX_METRES)?;
    numbers("aabb.max", &aabb.max, MAX_METRES)?;
    sizes("aabb.sigma_min", &aabb.sigma_min)?;
    sizes("aabb.sigma_max", &aabb.sigma_max)?;
    if aabb.min.iter().zip(&aabb.max).any(|(low, high)| low > high) {
        return Err("aabb.min is greater than aabb.max".to_owned());
    }
    numbers("centre", &object.centre, MAX_METRES)?;
    sizes("centre_sigma", &object.centre_sigma)?;
    let depth = &object.depth;
    sizes("depth", &[depth.near, depth.median, depth.far, depth.sigma])?;
    if depth.near > depth.median || depth.median > depth.far {
        return Err("depth is not near <= median <= far".to_owned());
    }
    if let Some(support) = object.support {
        numbers("support.value", &[support.value], MAX_METRES)?;
        sizes("support.sigma", &[support.sigma])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
