//! A cloud without a scene: a PLY of any program, shown in its own axes.

use std::path::{Path, PathBuf};

use plumb_geometry::{Camera, Gravity, SceneFrame};
use plumb_pipeline::{PipelineError, ScenePlace};
use plumb_scene::{ColouredCloud, ImageRef, SCENE_VERSION, Scene, SceneSource};

use super::cloud::make_unit;
use crate::error::Result;

/// Whether this is a file of a cloud and not a folder of scenes.
pub(super) fn is_cloud(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ply"))
}

/// What is said of it instead of what nobody knows.
pub(super) fn record(path: &Path) -> Scene {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Scene {
        version: SCENE_VERSION,
        id: name,
        source: SceneSource::Lifted { depth: "ply".to_owned(), objects: "none".to_owned() },
        image: ImageRef { path: String::new(), width: 0, height: 0, sha256: String::new() },
        // No picture was taken; the view needs somewhere to begin.
        camera: Camera { width: 640, height: 480, fx: 525.0, fy: 525.0, cx: 320.0, cy: 240.0 },
        gravity: Gravity::Refused {
            refused: "the file does not say which way is up; its z is drawn upwards".to_owned(),
        },
        frame: SceneFrame {
            axes: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]],
            ..SceneFrame::CAMERA
        },
        metric: false,
        scale_sigma: 0.0,
        exhaustive: false,
        objects: Vec::new(),
        pairs: Vec::new(),
    }
}

/// The points of the file.
///
/// # Errors
/// A file that is not there, or no PLY.
pub(super) fn read(path: &Path) -> Result<ColouredCloud> {
    let place = ScenePlace {
        scene: path.to_owned(),
        name: String::new(),
        own_folder: true,
        cloud: path.to_owned(),
        depth: None,
        masks: PathBuf::new(),
    };
    let mut cloud = place.read_cloud()?.ok_or_else(|| PipelineError::Unusable {
        what: path.display().to_string(),
        detail: "there is no such file".to_owned(),
    })?;
    cloud.normals.iter_mut().for_each(make_unit);
    Ok(cloud)
}
