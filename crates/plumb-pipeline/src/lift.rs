//! Lifts colour and depth to scenes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use plumb_geometry::{Camera, DepthNoise, Gravity, PixelCentre, RayDepth, ZDepth};
use plumb_image::{Limits, RgbImage, encode_png};
use plumb_scene::Instances;
use plumb_scene::export::{cloud_points, instances_png, scene_boxes, scene_to_json, write_glb, write_ply};
use plumb_scene::labels::{self, boxes_to_instances};
use plumb_scene::lift::{LiftInput, LiftOptions, Lifted};
use plumb_scene::rgbd::{
    DepthFormat, DepthOptions, FramePaths, calibration, find_frames, match_colour, read_depth, read_nyu_mat,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::files::{Quarantined, digest, io, make_folder, scene_id, write_quarantine, write_whole};
use crate::{Monitor, PipelineError, Result};

/// What to lift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiftJob {
    pub source: LiftSource,
    pub objects: ObjectSource,
    /// Published `fx, fy, cx, cy` (pixel centres at whole numbers); by default those of the format or of the folder.
    pub intrinsics: Option<[f64; 4]>,
    /// Units a metre; by default those of the format.
    pub depth_scale: Option<f64>,
    pub format: Option<DepthFormat>,
    /// Depth values are distances along the ray.
    pub ray: bool,
    pub noise: NoiseKind,
    /// The folder to write to; of several frames, each has a folder of its own in it.
    pub out: PathBuf,
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiftSource {
    /// A colour and a depth file, or two folders whose files have the same names.
    Pair { color: PathBuf, depth: PathBuf },
    /// A folder in the layout of its data set, or NYUv2's labelled `.mat` file.
    Frames { path: PathBuf, limit: Option<usize> },
}

/// Where objects come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectSource {
    /// From the geometry, with neutral names.
    #[default]
    Proposals,
    /// A PNG of object numbers (or a folder of them), and names for the numbers.
    Masks { masks: PathBuf, names: Option<PathBuf> },
    /// A JSON list of boxes with names (or a folder of them).
    Boxes(PathBuf),
    /// A COCO annotation file; frames are found by the name of the colour file.
    Coco(PathBuf),
}

/// How good the depth is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoiseKind {
    /// A renderer's.
    Exact,
    /// A depth camera's.
    #[default]
    Sensor,
    /// A network's.
    Predicted,
}

impl NoiseKind {
    const fn noise(self) -> DepthNoise {
        match self {
            Self::Exact => DepthNoise::EXACT,
            Self::Sensor => DepthNoise::STRUCTURED_LIGHT,
            Self::Predicted => DepthNoise::PREDICTED,
        }
    }
}

/// A frame that was lifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiftedFrame {
    /// The colour file.
    pub input: String,
    /// The folder with `scene.json`, `cloud.ply`, `cloud.glb`, `masks.png` and the image.
    pub out: PathBuf,
    pub gravity: Gravity,
    /// Height of the camera above the ground in metres, where a ground was found.
    pub camera_height: Option<f64>,
    pub points: usize,
    pub objects: usize,
    /// Objects that could not be measured, with the reason.
    pub left_out: Vec<String>,
    /// Time of the lift itself, without files, in milliseconds.
    pub lift_ms: f64,
}

/// What was lifted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiftReport {
    pub frames: Vec<LiftedFrame>,
    pub quarantined: Vec<Quarantined>,
}

/// One frame to lift.
#[derive(Clone, Debug)]
enum Frame {
    Files { name: String, paths: FramePaths },
    Mat { path: PathBuf, index: usize },
}

impl Frame {
    fn input(&self) -> String {
        match self {
            Self::Files { paths, .. } => paths.color.display().to_string(),
            Self::Mat { path, index } => format!("{} frame {index}", path.display()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Files { name, .. } => name.clone(),
            Self::Mat { index, .. } => format!("{index:04}"),
        }
    }
}

/// A frame in memory.
struct Loaded {
    image: RgbImage,
    /// The bytes and the file name to keep the picture under.
    picture: (Vec<u8>, String),
    depth: ZDepth,
    camera: Camera,
    instances: Option<Instances>,
    instances_from: &'static str,
    gravity: Option<Gravity>,
    depth_from: String,
}

/// Lifts frames. A frame that cannot be lifted is put on `out/quarantine.jsonl` with its reason, unless it is the only one.
///
/// # Errors
/// When the only frame fails, when none could be lifted, or when a result cannot be written.
pub fn lift(job: &LiftJob, monitor: &dyn Monitor) -> Result<LiftReport> {
    let frames = frames(job)?;
    make_folder(&job.out)?;
    let single = matches!(&frames[..], [_])
        && matches!(&job.source, LiftSource::Pair { color, .. } if !color.is_dir());
    let total = frames.len() as u64;
    let done = AtomicU64::new(0);
    let results: Vec<Result<LiftedFrame>> = frames
        .par_iter()
        .map(|frame| {
            monitor.checkpoint()?;
            let out = if single { job.out.clone() } else { job.out.join(frame.name()) };
            let result = one(job, frame, &out);
            if let Err(error) = &result
                && !single
            {
                monitor.note(&format!("{} was put aside: {error}", frame.input()));
            }
            monitor.progress("frames", done.fetch_add(1, Ordering::Relaxed) + 1, total);
            result
        })
        .collect();
    let mut report = LiftReport::default();
    for (frame, result) in frames.iter().zip(results) {
        match result {
            Ok(lifted) => report.frames.push(lifted),
            Err(PipelineError::Cancelled) => return Err(PipelineError::Cancelled),
            Err(error) if single => return Err(error),
            Err(error) => {
                report.quarantined.push(Quarantined { input: frame.input(), reason: error.to_string() });
            }
        }
    }
    if !single {
        write_quarantine(&job.out.join("quarantine.jsonl"), &report.quarantined)?;
    }
    if report.frames.is_empty() {
        let reason = report.quarantined.first().map_or_else(String::new, |q| format!(": {}", q.reason));
        return Err(PipelineError::Unusable {
            what: job.out.display().to_string(),
            detail: format!("none of {total} frames could be lifted{reason}"),
        });
    }
    Ok(report)
}

fn frames(job: &LiftJob) -> Result<Vec<Frame>> {
    match &job.source {
        LiftSource::Pair { color, depth } if color.is_dir() => {
            let depths = files_by_stem(depth)?;
            let colours = files_by_stem(color)?;
            if colours.is_empty() {
                return Err(unusable(color, "no file in it"));
            }
            // A colour without depth is a frame that fails, not one that never was.
            Ok(colours
                .into_iter()
                .map(|(name, color)| {
                    let depth = depths.get(&name).cloned().unwrap_or_else(|| depth.join(&name));
                    Frame::Files { name, paths: FramePaths { color, depth, intrinsics: None, pose: None } }
                })
                .collect())
        }
        LiftSource::Pair { color, depth } => {
            let paths =
                FramePaths { color: color.clone(), depth: depth.clone(), intrinsics: None, pose: None };
            Ok(vec![Frame::Files { name: stem(color), paths }])
        }
        LiftSource::Frames { path, limit } => {
            let limit = limit.unwrap_or(usize::MAX);
            if path.extension().is_some_and(|extension| extension == "mat") {
                // The number of frames is in the file; NYUv2 has 1449.
                return Ok((0..limit.min(1449))
                    .map(|index| Frame::Mat { path: path.clone(), index })
                    .collect());
            }
            let format = job.format.ok_or_else(|| unusable(path, "a folder of frames needs its --format"))?;
            let found = find_frames(path, format)?;
            Ok(found
                .into_iter()
                .take(limit)
                .map(|paths| Frame::Files { name: stem(&paths.color), paths })
                .collect())
        }
    }
}

fn unusable(path: &Path, detail: &str) -> PipelineError {
    PipelineError::Unusable { what: path.display().to_string(), detail: detail.to_owned() }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn files_by_stem(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.insert(stem(&path), path);
        }
    }
    Ok(files)
}

fn load(job: &LiftJob, frame: &Frame) -> Result<Loaded> {
    match frame {
        Frame::Files { paths, .. } => load_files(job, paths),
        Frame::Mat { path, index } => {
            let nyu = read_nyu_mat(path, *index)?;
            let (width, height) = nyu.image.size();
            let camera = camera(job, Some(DepthFormat::Nyu), None, width, height, path)?;
            let picture = (encode_png(&nyu.image)?, "image.png".to_owned());
            Ok(Loaded {
                image: nyu.image,
                picture,
                depth: nyu.depth,
                camera,
                instances: Some(nyu.instances),
                instances_from: "masks",
                gravity: None,
                depth_from: DepthFormat::Nyu.to_string(),
            })
        }
    }
}

fn load_files(job: &LiftJob, paths: &FramePaths) -> Result<Loaded> {
    let bytes = fs::read(&paths.color).map_err(io(&paths.color))?;
    let colour_name = paths.color.display().to_string();
    let image = plumb_image::read(&paths.color, &Limits::default())?;
    let options =
        DepthOptions { format: job.format, scale: job.depth_scale, ray: job.ray, ..DepthOptions::default() };
    let file = read_depth(&paths.depth, &options)?;
    let original = image.size();
    let image = match_colour(image, &file.depth, &colour_name)?;
    let (width, height) = image.size();
    let camera = camera(job, job.format, paths.intrinsics.as_deref(), width, height, &paths.color)?;
    let depth = if file.ray { RayDepth(file.depth).to_z(&camera)? } else { ZDepth(file.depth) };
    // The picture is kept as it came, unless it had to be made as large as the depth.
    let picture = if original == (width, height) {
        let extension = paths.color.extension().map_or_else(|| "img".into(), |e| e.to_string_lossy());
        (bytes, format!("image.{extension}"))
    } else {
        (encode_png(&image)?, "image.png".to_owned())
    };
    let (instances, instances_from) = instances(&job.objects, paths, &depth)?;
    let gravity = match (&paths.pose, job.format) {
        (Some(path), Some(DepthFormat::Sun)) => {
            let text = fs::read_to_string(path).map_err(io(path))?;
            Some(calibration::sun_gravity(&text, &path.display().to_string())?)
        }
        _ => None,
    };
    Ok(Loaded {
        image,
        picture,
        depth,
        camera,
        instances,
        instances_from,
        gravity,
        depth_from: file.format.to_string(),
    })
}

/// The camera: as given, else of the folder, else of the format.
fn camera(
    job: &LiftJob,
    format: Option<DepthFormat>,
    file: Option<&Path>,
    width: u32,
    height: u32,
    frame: &Path,
) -> Result<Camera> {
    if let Some(intrinsics) = job.intrinsics {
        return Ok(Camera::new(width, height, intrinsics, PixelCentre::Integer)?);
    }
    if let Some(path) = file {
        let text = fs::read_to_string(path).map_err(io(path))?;
        return Ok(calibration::intrinsics(&text, &path.display().to_string(), width, height)?);
    }
    format.and_then(|format| format.camera(width, height)).ok_or_else(|| {
        let why = format.map_or_else(
            || "no camera is known".to_owned(),
            |format| format!("{format} has no published camera for {width}x{height}"),
        );
        unusable(frame, &format!("{why}; give --intrinsics fx,fy,cx,cy in pixels"))
    })
}

fn instances(
    source: &ObjectSource,
    paths: &FramePaths,
    depth: &ZDepth,
) -> Result<(Option<Instances>, &'static str)> {
    let (width, height) = (depth.0.width(), depth.0.height());
    let colour_file =
        paths.color.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let read = |path: &Path| fs::read(path).map_err(io(path));
    let of_frame = |path: &Path| -> Result<PathBuf> {
        if !path.is_dir() {
            return Ok(path.to_path_buf());
        }
        let name = stem(&paths.color);
        files_by_stem(path)?
            .remove(&name)
            .ok_or_else(|| unusable(path, &format!("no file named {name}.* in it")))
    };
    Ok(match source {
        ObjectSource::Proposals => (None, "proposals"),
        ObjectSource::Masks { masks, names } => {
            let path = of_frame(masks)?;
            let read_names = names.as_deref().map(read).transpose()?;
            let names_name = names.as_deref().map_or_else(String::new, |path| path.display().to_string());
            let with = read_names.as_deref().map(|bytes| (bytes, names_name.as_str()));
            let found = labels::instance_png(&read(&path)?, &path.display().to_string(), with)?;
            (Some(found), "masks")
        }
        ObjectSource::Boxes(path) => {
            let path = of_frame(path)?;
            let boxes =
                labels::boxes(&read(&path)?, &path.display().to_string(), &colour_file, width, height)?;
            (Some(boxes_to_instances(&boxes, depth)?), "boxes")
        }
        ObjectSource::Coco(path) => {
            let found = labels::coco(&read(path)?, &path.display().to_string(), &colour_file, width, height)?;
            (Some(found), "coco")
        }
    })
}

fn one(job: &LiftJob, frame: &Frame, out: &Path) -> Result<LiftedFrame> {
    let loaded = load(job, frame)?;
    let noise = job.noise.noise();
    let options = LiftOptions::with_noise(noise);
    let input = LiftInput {
        image: &loaded.image,
        depth: &loaded.depth,
        camera: &loaded.camera,
        instances: loaded.instances.as_ref(),
        instances_from: loaded.instances_from,
        gravity: loaded.gravity.as_ref(),
        depth_from: &loaded.depth_from,
    };
    let began = std::time::Instant::now();
    let Lifted { mut scene, cloud, instances, left_out, .. } = plumb_scene::lift::lift(&input, &options)
        .map_err(|error| unusable(Path::new(&frame.input()), &error.to_string()))?;
    let lift_ms = began.elapsed().as_secs_f64() * 1e3;
    let (picture, file) = &loaded.picture;
    scene.image.sha256 = digest(picture);
    scene.id = scene_id(&scene.image.sha256);
    scene.image.path.clone_from(file);
    make_folder(out)?;
    write_whole(&out.join(file), picture)?;
    write_whole(&out.join("masks.png"), &instances_png(&instances)?)?;
    let mut ply = Vec::new();
    write_ply(&mut ply, &cloud_points(&cloud)?)?;
    write_whole(&out.join("cloud.ply"), &ply)?;
    let mut glb = Vec::new();
    write_glb(&mut glb, &cloud, &scene_boxes(&scene))?;
    write_whole(&out.join("cloud.glb"), &glb)?;
    write_whole(&out.join("scene.json"), scene_to_json(&scene)?.as_bytes())?;
    Ok(LiftedFrame {
        input: frame.input(),
        out: out.to_path_buf(),
        gravity: scene.gravity,
        camera_height: scene.frame.grounded.then_some(scene.frame.camera_height),
        points: cloud.len(),
        objects: scene.objects.len(),
        left_out,
        lift_ms,
    })
}
