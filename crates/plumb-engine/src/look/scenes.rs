//! Scenes: a list of them, and one with its cloud and its picture.

use std::path::{Path, PathBuf};

use plumb_image::RgbImage;
use plumb_pipeline::{find_scenes, read_scene};
use plumb_scene::{ColouredCloud, Scene};

use super::{Blob, Pixels, SceneListed, SceneSeen, Seen, cloud};
use crate::demo::{self, Pack};
use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::session::read_image;

/// Scenes between two events of progress.
const STRIDE: usize = 256;

/// The file that `lift` writes, one to a folder.
const LIFTED: &str = "scene.json";

pub(super) fn list(folder: &Path, reporter: &Reporter) -> Result<Seen> {
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
                name: name(file),
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

/// `000012` for `scenes/000012.json`; a lifted frame's folder has its name.
fn name(file: &Path) -> String {
    let lifted = file.file_name().is_some_and(|name| name == LIFTED);
    let name = if lifted { file.parent().and_then(Path::file_name) } else { file.file_stem() };
    name.unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// What stands beside a scene's file.
pub(super) struct Place {
    pub(super) cloud: PathBuf,
    pub(super) depth: Option<PathBuf>,
    pub(super) masks: PathBuf,
}

impl Place {
    fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        if file.file_name().is_some_and(|name| name == LIFTED) {
            return Self { cloud: folder.join("cloud.ply"), depth: None, masks: folder.join("masks.png") };
        }
        let above = folder.parent().unwrap_or(Path::new(""));
        let stem = file.file_stem().unwrap_or_default();
        let beside = |folder: &str, extension: &str| {
            let mut name = stem.to_owned();
            name.push(extension);
            above.join(folder).join(name)
        };
        Self {
            cloud: beside("clouds", ".ply"),
            depth: Some(beside("depth", ".png")),
            masks: beside("masks", ".png"),
        }
    }
}

pub(super) fn scene(folder: &Path, index: usize) -> Result<Seen> {
    let files = find_scenes(&demo::or(folder, Pack::scenes)?)?;
    let file = files.get(index).ok_or_else(|| {
        let (shown, count) = (folder.display(), files.len());
        EngineError::Request(format!("scene {index} does not exist: {shown} has {count}, counted from 0"))
    })?;
    let scene = read_scene(file)?;
    let image = picture(file, &scene)?;
    let cloud = cloud::of(&Place::of(file), &scene, &image)?;
    Ok(Seen::Scene(Box::new(seen(scene, &cloud, image))))
}

fn picture(file: &Path, scene: &Scene) -> Result<RgbImage> {
    let path = file.with_file_name("").join(&scene.image.path);
    super::check_file(&path)?;
    let image = read_image(&path)?;
    let (found, expected) = (image.size(), (scene.image.width, scene.image.height));
    if found != expected {
        let (shown, scene) = (path.display(), file.display());
        return Err(EngineError::Request(format!(
            "{shown} has {}x{} pixels, but {scene} is of a picture of {}x{}",
            found.0, found.1, expected.0, expected.1
        )));
    }
    Ok(image)
}

fn seen(scene: Scene, cloud: &ColouredCloud, image: RgbImage) -> SceneSeen {
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
        image: Some(Pixels::from(image)),
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
