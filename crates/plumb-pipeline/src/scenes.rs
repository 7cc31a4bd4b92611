//! Renders procedural scenes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use glam::{DVec3, Vec3};
use plumb_image::{encode_jpeg, encode_png};
use plumb_scene::export::{cloud_points, depth_png, instances_png, scene_to_json, write_ply};
use plumb_scene::procedural::{RenderOptions, Rendered, World, render};
use plumb_scene::{ColouredCloud, Scene};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::files::{digest, make_folder, scene_id, write_whole};
use crate::{Monitor, Result};

/// What to render.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenesJob {
    /// Scenes 0 to this, without it.
    pub count: u64,
    /// These alone, instead of `count`.
    #[serde(default)]
    pub only: Vec<u64>,
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
    /// Also write `clouds/*.ply`, each of this many points at most, on an even grid of the picture.
    #[serde(default)]
    pub cloud_points: Option<usize>,
}

impl Default for ScenesJob {
    fn default() -> Self {
        Self {
            count: 0,
            only: Vec::new(),
            seed: 0,
            out: PathBuf::new(),
            width: 640,
            height: 480,
            world: None,
            picture: PictureFormat::Jpeg,
            truth: true,
            cloud_points: None,
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

/// Renders `count` scenes: `out/scenes/*.json` with their pictures beside them and, if asked for, `out/depth`, `out/masks` and `out/clouds`. Scene `i` depends on the seed and `i` alone, so a
/// job that was stopped can be run again, and a larger one begins like a smaller one.
///
/// # Errors
/// When the options are impossible or a file cannot be written.
pub fn scenes(job: &ScenesJob, monitor: &dyn Monitor) -> Result<ScenesReport> {
    let began = std::time::Instant::now();
    let truth: &[&str] = if job.truth { &["depth", "masks"] } else { &[] };
    let clouds = job.cloud_points.map(|_| "clouds");
    for folder in ["scenes"].iter().chain(truth).chain(&clouds) {
        make_folder(&job.out.join(folder))?;
    }
    let (done, objects) = (AtomicU64::new(0), AtomicU64::new(0));
    let total = if job.only.is_empty() { job.count } else { job.only.len() as u64 };
    (0..total).into_par_iter().try_for_each(|at| {
        monitor.checkpoint()?;
        let index = usize::try_from(at).ok().and_then(|at| job.only.get(at)).copied().unwrap_or(at);
        let scene = one(job, index)?;
        objects.fetch_add(scene.objects.len() as u64, Ordering::Relaxed);
        monitor.progress("scenes", done.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok::<_, crate::PipelineError>(())
    })?;
    Ok(ScenesReport { scenes: total, objects: objects.into_inner(), seconds: began.elapsed().as_secs_f64() })
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
    let cloud = job.cloud_points.map(|most| cloud(&rendered, most));
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
    if let Some(cloud) = cloud {
        let mut ply = Vec::new();
        write_ply(&mut ply, &cloud_points(&cloud)?)?;
        write("clouds", &format!("{name}.ply"), &ply)?;
    }
    // Last: a scene file means that all of the scene is there.
    write("scenes", &format!("{name}.json"), scene_to_json(&scene)?.as_bytes())?;
    Ok(scene)
}

/// The surfaces that the picture shows, in the scene frame: every `n`th pixel of every `n`th row, `n` the least that leaves
/// `most` points.
fn cloud(rendered: &Rendered, most: usize) -> ColouredCloud {
    let (camera, frame) = (&rendered.scene.camera, &rendered.scene.frame);
    let depth = rendered.depth.0.values();
    let grid = |step: u32| {
        let from = step / 2;
        (from..camera.height).step_by(step as usize).flat_map(move |row| {
            (from..camera.width).step_by(step as usize).filter_map(move |column| {
                let at = row as usize * camera.width as usize + column as usize;
                depth.get(at).filter(|z| **z > 0.0).map(|z| (column, row, at, f64::from(*z)))
            })
        })
    };
    let longest = camera.width.max(camera.height).max(1);
    let step = (1..longest).find(|step| grid(*step).count() <= most).unwrap_or(longest);
    let turn = frame.rotation();
    let mut cloud = ColouredCloud::default();
    for (column, row, at, z) in grid(step) {
        let ray = camera.pixel_ray(column, row);
        let point = frame.point_from_camera(ray * (z / ray.z));
        let normal = rendered.normals.get(at).copied().unwrap_or_default();
        let normal = turn * DVec3::from(Vec3::from(normal));
        cloud.positions.push(point.as_vec3().to_array());
        cloud.normals.push(normal.as_vec3().to_array());
        cloud.colours.push(rendered.image.data().as_chunks::<3>().0.get(at).copied().unwrap_or_default());
        cloud.instances.push(rendered.instances.ids().get(at).copied().unwrap_or(0));
    }
    cloud
}

fn path(out: &Path, folder: &str, file: &str) -> PathBuf {
    out.join(folder).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cloud on a coarser grid is part of the whole one, and its points project to their pixels.
    #[test]
    fn clouds_lie_where_the_picture_shows_them() {
        let options = RenderOptions { width: 64, height: 48, ..RenderOptions::default() };
        for index in 0..6 {
            let rendered = render(3, index, &options).unwrap();
            let whole = cloud(&rendered, usize::MAX);
            assert_eq!(whole.len(), rendered.depth.0.measured());
            let few = cloud(&rendered, 200);
            assert!((50..=200).contains(&few.len()), "{}", few.len());
            few.check().unwrap();
            for (position, normal) in few.positions.iter().zip(&few.normals) {
                assert!(whole.positions.contains(position));
                assert!((Vec3::from(*normal).length() - 1.0).abs() < 1e-3);
            }
            let frame = &rendered.scene.frame;
            let back = frame.rotation().transpose();
            for (position, colour) in whole.positions.iter().zip(&whole.colours) {
                let up = DVec3::new(0.0, 0.0, frame.camera_height);
                let point = back * (DVec3::from(Vec3::from(*position)) - up);
                let pixel = rendered.scene.camera.project(point).unwrap();
                let (x, y) = (pixel.x.floor() as usize, pixel.y.floor() as usize);
                assert_eq!(rendered.image.data().as_chunks::<3>().0[y * 64 + x], *colour);
            }
        }
    }

    #[test]
    fn chosen_scenes_are_those_of_the_series() {
        let folder = tempfile::tempdir().unwrap();
        let job = |name: &str, count, only| ScenesJob {
            count,
            only,
            out: folder.path().join(name),
            width: 64,
            height: 48,
            cloud_points: Some(500),
            ..ScenesJob::default()
        };
        assert_eq!(scenes(&job("all", 4, Vec::new()), &crate::Silent).unwrap().scenes, 4);
        assert_eq!(scenes(&job("some", 0, vec![3, 1]), &crate::Silent).unwrap().scenes, 2);
        for file in ["scenes/000003.json", "clouds/000001.ply", "depth/000003.png"] {
            let read = |name| std::fs::read(folder.path().join(name).join(file)).unwrap();
            assert_eq!(read("all"), read("some"));
        }
        assert!(!folder.path().join("some/scenes/000000.json").exists());
    }
}
