//! Scenes: a list of them, and one with its cloud and its picture.

use std::path::Path;

use plumb_image::RgbImage;
use plumb_pipeline::edit::{edited, no_scene};
use plumb_pipeline::{ScenePlace, find_scenes, read_scene};
use plumb_scene::edit::{Edit, Edited};
use plumb_scene::{ColouredCloud, Scene};

use super::{Blob, Pixels, SceneListed, SceneSeen, Seen, bare, cloud};
use crate::demo::{self, Pack};
use crate::error::Result;
use crate::job::Reporter;

/// Scenes between two events of progress.
const STRIDE: usize = 256;

pub(super) fn list(folder: &Path, reporter: &Reporter) -> Result<Seen> {
    if bare::is_cloud(folder) {
        let scene = bare::record(folder);
        let listed =
            SceneListed { index: 0, name: scene.id.clone(), objects: 0, metric: scene.metric, id: scene.id };
        return Ok(Seen::Scenes { scenes: vec![listed] });
    }
    let files = find_scenes(&demo::or(folder, Pack::scenes)?)?;
    let mut scenes = Vec::with_capacity(files.len());
    let mut first = None;
    for (index, file) in files.iter().enumerate() {
        reporter.checkpoint()?;
        if index > 0 && index.is_multiple_of(STRIDE) {
            reporter.progress("scenes", index as u64, files.len() as u64, None);
        }
        match read_scene(file) {
            Ok(scene) => scenes.push(SceneListed {
                index,
                name: ScenePlace::of(file).name,
                objects: scene.objects.len(),
                metric: scene.metric,
                id: scene.id,
            }),
            // One damaged scene does not hide the others.
            Err(error) => {
                reporter.note(format!("left out: {error}"));
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if scenes.is_empty() => Err(error.into()),
        _ => Ok(Seen::Scenes { scenes }),
    }
}

/// The place of one scene of a folder.
pub(super) fn place(folder: &Path, index: usize) -> Result<ScenePlace> {
    let files = find_scenes(&demo::or(folder, Pack::scenes)?)?;
    let file = files.get(index).ok_or_else(|| no_scene(folder, index, files.len()))?;
    Ok(ScenePlace::of(file))
}

/// A scene as it is after `edits`.
pub(super) fn scene(folder: &Path, index: usize, edits: &[Edit]) -> Result<Seen> {
    if bare::is_cloud(folder) {
        let cloud = bare::read(folder)?;
        return Ok(Seen::Scene(Box::new(seen(bare::record(folder), &cloud, None))));
    }
    let place = place(folder, index)?;
    let (Edited { scene, numbers }, image) = edited(&place, edits)?;
    let mut cloud = cloud::of(&place, &scene, &image)?;
    numbers.change(&mut cloud.instances);
    Ok(Seen::Scene(Box::new(seen(scene, &cloud, Some(image)))))
}

fn seen(scene: Scene, cloud: &ColouredCloud, image: Option<RgbImage>) -> SceneSeen {
    SceneSeen {
        points: cloud.len(),
        positions: floats(&cloud.positions),
        colours: cloud.colours.as_flattened().to_vec().into(),
        objects: cloud::objects(&scene, cloud)
            .iter()
            .flat_map(|object| object.to_le_bytes())
            .collect::<Vec<_>>()
            .into(),
        normals: floats(&cloud.normals),
        scene,
        image: image.map(Pixels::from),
    }
}

fn floats(vectors: &[[f32; 3]]) -> Blob {
    let values = vectors.as_flattened();
    let mut bytes = Vec::with_capacity(values.len() * 4);
    for value in values {
        bytes.extend(value.to_le_bytes());
    }
    bytes.into()
}
