//! Renders procedural scenes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use plumb_image::{encode_jpeg, encode_png};
use plumb_scene::Scene;
use plumb_scene::export::{depth_png, instances_png, scene_to_json};
use plumb_scene::procedural::{RenderOptions, World, render};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::files::{digest, make_folder, scene_id, write_whole};
use crate::{Monitor, Result};

/// What to render.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenesJob {
    pub count: u64,
    pub seed: u64,
    /// The folder to write to; made if need be.
    pub out: PathBuf,
    pub width: u32,
    pub height: u32,
    /// Rooms, streets or table tops; all of them by turns of the seed where not given.
    pub world: Option<World>,
    pub picture: PictureFormat,
    /// Also write `depth/*.png` (16 bit, 1 unit = 1 mm) and `masks/*.png` (16 bit, object numbers).
    pub truth: bool,
}

impl Default for ScenesJob {
    fn default() -> Self {
        Self {
            count: 0,
            seed: 0,
            out: PathBuf::new(),
            width: 640,
            height: 480,
            world: None,
            picture: PictureFormat::Jpeg,
            truth: true,
        }
    }
}

/// How pictures are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// Quality 92.
    #[default]
    Jpeg,
    Png,
}

impl PictureFormat {
    const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// What was rendered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenesReport {
    pub scenes: u64,
    pub objects: u64,
    pub seconds: f64,
}

/// Units of the depth files in a metre.
pub const DEPTH_UNITS: f64 = 1000.0;

/// Renders `count` scenes: `out/scenes/*.json` with their pictures beside them and, for `truth`, `out/depth` and `out/masks`. Scene `i` depends on the seed and `i` alone, so a
/// job that was stopped can be run again, and a larger one begins like a smaller one.
///
/// # Errors
/// When the options are impossible or a file cannot be written.
pub fn scenes(job: &ScenesJob, monitor: &dyn Monitor) -> Result<ScenesReport> {
    let began = std::time::Instant::now();
    let truth: &[&str] = if job.truth { &["depth", "masks"] } else { &[] };
    for folder in ["scenes"].iter().chain(truth) {
        make_folder(&job.out.join(folder))?;
    }
    let (done, objects) = (AtomicU64::new(0), AtomicU64::new(0));
    (0..job.count).into_par_iter().try_for_each(|index| {
        monitor.checkpoint()?;
        let scene = one(job, index)?;
        objects.fetch_add(scene.objects.len() as u64, Ordering::Relaxed);
        monitor.progress("scenes", done.fetch_add(1, Ordering::Relaxed) + 1, job.count);
        Ok::<_, crate::PipelineError>(())
    })?;
    Ok(ScenesReport {
        scenes: job.count,
        objects: objects.into_inner(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn one(job: &ScenesJob, index: u64) -> Result<Scene> {
    let options =
        RenderOptions { width: job.width, height: job.height, world: job.world, ..RenderOptions::default() };
    let rendered = render(job.seed, index, &options)?;
    let name = format!("{index:06}");
    let picture = match job.picture {
        PictureFormat::Jpeg => encode_jpeg(&rendered.image, 92)?,
        PictureFormat::Png => encode_png(&rendered.image)?,
    };
    let file = format!("{name}.{}", job.picture.extension());
    let mut scene = rendered.scene;
    scene.image.sha256 = digest(&picture);
    scene.id = scene_id(&scene.image.sha256);
    scene.image.path.clone_from(&file);
    let write = |folder: &str, file: &str, bytes: &[u8]| write_whole(&path(&job.out, folder, file), bytes);
    write("scenes", &file, &picture)?;
    if job.truth {
        let png = format!("{name}.png");
        write("depth", &png, &depth_png(&rendered.depth, DEPTH_UNITS)?)?;
        write("masks", &png, &instances_png(&rendered.instances)?)?;
    }
    // Last: a scene file means that all of the scene is there.
    write("scenes", &format!("{name}.json"), scene_to_json(&scene)?.as_bytes())?;
    Ok(scene)
}

fn path(out: &Path, folder: &str, file: &str) -> PathBuf {
    out.join(folder).join(file)
}
