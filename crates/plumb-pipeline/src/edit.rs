//! Scenes that a person changed: in memory for a window, and as a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};

use plumb_image::RgbImage;
use plumb_qa::dataset::{DatasetMeta, Format, ParquetQaReader, ReadOptions, WriterOptions, open_writer};
use plumb_qa::{QaPair, Templates};
use plumb_scene::Scene;
use plumb_scene::edit::{Edit, Edited, Observed, apply, needs_pixels};
use plumb_scene::export::{cloud_points, instances_png, scene_boxes, scene_to_json, write_glb, write_ply};
use serde::{Deserialize, Serialize};

use crate::files::{io, make_folder, write_whole};
use crate::place::unusable;
use crate::synth::{SynthJob, meta, questions, relative};
use crate::{Monitor, PipelineError, Result, ScenePlace, find_scenes, read_scene};

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditJob {
    /// The folder of the scenes, or one scene's file.
    pub input: PathBuf,
    /// Those to write, by their place in the folder ([`find_scenes`]).
    pub scenes: Vec<ChangedScene>,
    /// A folder that is not there yet, or empty.
    pub out: PathBuf,
    /// The data set of questions about the scenes: it says how they were made, and those of the edited scenes are made the same way.
    #[serde(default)]
    pub questions: Option<PathBuf>,
}

/// A scene and what was changed in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedScene {
    pub index: usize,
    pub edits: Vec<Edit>,
}

/// Questions that a person kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportJob {
    /// As of [`EditJob`].
    pub input: PathBuf,
    /// The scene that they are about, as it is after its edits.
    pub scene: ChangedScene,
    pub pairs: Vec<QaPair>,
    /// A Parquet or JSONL file, by its name; one that is there is replaced.
    pub out: PathBuf,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditReport {
    pub out: PathBuf,
    pub scenes: u64,
    /// Questions; without any, an edited scene has no `qa.parquet`.
    pub pairs: u64,
}

/// Writes edited scenes to a folder of their own, with their pictures, masks, depth, clouds and questions, in the layout that they had. The originals
/// are only read. The folder appears when everything in it is written.
///
/// # Errors
/// When an edit cannot be made, a file is missing or cannot be written, or `out` holds something.
pub fn edit(job: &EditJob, monitor: &dyn Monitor) -> Result<EditReport> {
    check_out(&job.out)?;
    let files = find_scenes(&job.input)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(job.out.file_name().unwrap_or_default());
    name.push(".partial");
    let partial = job.out.with_file_name(name);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io(&partial))?;
    }
    make_folder(&partial)?;
    let written = write_all(job, &files, &partial, monitor);
    if written.is_err() {
        // The error is what the person should hear of, not that a part of it is left.
        fs::remove_dir_all(&partial).ok();
    }
    let pairs = written?;
    if job.out.exists() {
        fs::remove_dir(&job.out).map_err(io(&job.out))?;
    }
    fs::rename(&partial, &job.out).map_err(io(&job.out))?;
    Ok(EditReport { out: job.out.clone(), scenes: job.scenes.len() as u64, pairs })
}

fn check_out(out: &Path) -> Result<()> {
    if out.file_name().is_none() {
        return Err(unusable(out, "it is no name of a new folder".to_owned()));
    }
    if !out.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(out).map_err(io(out))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => {
            let detail = "it holds something already; edited scenes are written to a new folder".to_owned();
            Err(unusable(out, detail))
        }
    }
}

fn write_all(job: &EditJob, files: &[PathBuf], out: &Path, monitor: &dyn Monitor) -> Result<u64> {
    if job.scenes.is_empty() {
        return Err(unusable(&job.input, "no scene of it is to be written".to_owned()));
    }
    let recipe = recipe(job.questions.as_deref(), &job.input)?;
    let mut asked = Vec::new();
    for (done, changed) in (1..).zip(&job.scenes) {
        monitor.checkpoint()?;
        let file =
            files.get(changed.index).ok_or_else(|| no_scene(&job.input, changed.index, files.len()))?;
        let from = ScenePlace::of(file);
        let (edited, image) = edited(&from, &changed.edits)?;
        let to = from.within(out);
        write(&from, &to, edited, &image).and_then(|scene| {
            let pairs = questions(&recipe, &scene, monitor)?;
            asked.push((relative(&to.picture(&scene), out)?, scene, pairs));
            Ok(())
        })?;
        monitor.progress("scenes", done, job.scenes.len() as u64);
    }
    if asked.iter().all(|(_, _, pairs)| pairs.is_empty()) {
        return Ok(0);
    }
    let meta = meta(&recipe, Templates::builtin()?)?;
    let mut writer = open_writer(&out.join("qa.parquet"), Format::Parquet, &meta, WriterOptions::default())?;
    for (image, scene, pairs) in &asked {
        writer.push(scene, image, pairs)?;
    }
    Ok(writer.finish()?.pairs)
}

/// Writes questions about one scene as a data set, with the geometry that proves them and the way to the picture.
///
/// # Errors
/// When there is no question, the scene cannot be read or edited, or the file cannot be written.
pub fn export(job: &ExportJob, monitor: &dyn Monitor) -> Result<EditReport> {
    monitor.checkpoint()?;
    if job.pairs.is_empty() {
        return Err(unusable(&job.out, "there is no question to write".to_owned()));
    }
    let format = match Format::of_path(&job.out) {
        Some(format @ (Format::Parquet | Format::Jsonl)) => format,
        _ => return Err(unusable(&job.out, "its name asks for neither .parquet nor .jsonl".to_owned())),
    };
    let files = find_scenes(&job.input)?;
    let index = job.scene.index;
    let place = ScenePlace::of(files.get(index).ok_or_else(|| no_scene(&job.input, index, files.len()))?);
    let (Edited { scene, .. }, _) = edited(&place, &job.scene.edits)?;
    let folder = job.out.parent().unwrap_or(Path::new(""));
    make_folder(folder)?;
    let meta =
        DatasetMeta { templates: Templates::builtin()?.fingerprint().to_owned(), ..DatasetMeta::default() };
    let mut writer = open_writer(&job.out, format, &meta, WriterOptions::default())?;
    writer.push(&scene, &relative(&place.picture(&scene), folder)?, &job.pairs)?;
    Ok(EditReport { out: job.out.clone(), scenes: 1, pairs: writer.finish()?.pairs })
}

/// The sentence about a scene that is not in a folder.
#[must_use]
pub fn no_scene(folder: &Path, index: usize, count: usize) -> PipelineError {
    let detail = format!("scene {index} does not exist: it has {count}, counted from 0");
    unusable(folder, detail)
}

/// A scene after its edits, with its picture.
///
/// # Errors
/// When the scene or what a merge needs cannot be read, and what [`apply`] refuses.
pub fn edited(place: &ScenePlace, edits: &[Edit]) -> Result<(Edited, RgbImage)> {
    let scene = read_scene(&place.scene)?;
    let image = place.read_picture(&scene)?;
    let observed = if needs_pixels(edits) { observe(place, &scene, &image)? } else { None };
    let edited = apply(&scene, edits, observed.as_ref())?;
    Ok((edited, image))
}

/// Every pixel where depth was kept, else what the cloud has.
fn observe<'a>(place: &ScenePlace, scene: &Scene, image: &'a RgbImage) -> Result<Option<Observed<'a>>> {
    let masks = place.read_masks(image.size())?;
    if let (Some(depth), Some(masks)) = (place.read_depth()?, &masks) {
        return Ok(Some(Observed::new(image, depth, masks)?));
    }
    let cloud = place.read_cloud()?;
    Ok(match cloud {
        // Without numbers nobody knows which point is whose.
        Some(cloud) if masks.is_some() || !cloud.instances.is_empty() => {
            Some(Observed::of_cloud(image, scene, &cloud, masks.as_ref())?)
        }
        _ => None,
    })
}

/// How the questions of a data set were made, over the scenes of `scenes`; the usual way where there is none or it does not say.
///
/// # Errors
/// When the data set cannot be read.
pub fn recipe(dataset: Option<&Path>, scenes: &Path) -> Result<SynthJob> {
    let inputs = vec![scenes.to_owned()];
    let meta = match dataset {
        Some(file) if Format::of_path(file) == Some(Format::Parquet) => {
            ParquetQaReader::open(file, ReadOptions { geometry: false })?.meta().clone()
        }
        _ => return Ok(SynthJob { inputs, ..SynthJob::default() }),
    };
    Ok(SynthJob::of_meta(&meta, inputs))
}

/// The questions of a scene after its edits.
///
/// # Errors
/// As [`edited`] and [`questions`].
pub fn edited_questions(
    place: &ScenePlace,
    edits: &[Edit],
    recipe: &SynthJob,
    monitor: &dyn Monitor,
) -> Result<Vec<QaPair>> {
    questions(recipe, &edited(place, edits)?.0.scene, monitor)
}

fn write(from: &ScenePlace, to: &ScenePlace, edited: Edited, image: &RgbImage) -> Result<Scene> {
    let Edited { scene, numbers } = edited;
    let put = |path: &Path, bytes: &[u8]| {
        path.parent().map_or(Ok(()), make_folder)?;
        write_whole(path, bytes)
    };
    let picture = from.picture(&scene);
    put(&to.picture(&scene), &fs::read(&picture).map_err(io(&picture))?)?;
    if let Some(masks) = from.read_masks(image.size())? {
        let mut ids = masks.ids().to_vec();
        numbers.change(&mut ids);
        let masks = plumb_scene::Instances::new(masks.width(), masks.height(), ids, Vec::new())?;
        put(&to.masks, &instances_png(&masks)?)?;
    }
    if let (Some(depth), Some(kept)) = (from.depth.as_ref().filter(|path| path.exists()), &to.depth) {
        put(kept, &fs::read(depth).map_err(io(depth))?)?;
    }
    if let Some(mut cloud) = from.read_cloud()? {
        numbers.change(&mut cloud.instances);
        let mut ply = Vec::new();
        write_ply(&mut ply, &cloud_points(&cloud)?)?;
        put(&to.cloud, &ply)?;
        if to.own_folder {
            let mut glb = Vec::new();
            write_glb(&mut glb, &cloud, &scene_boxes(&scene))?;
            put(&to.cloud.with_extension("glb"), &glb)?;
        }
    }
    // Last: a scene file means that all of the scene is there.
    put(&to.scene, scene_to_json(&scene)?.as_bytes())?;
    Ok(scene)
}

/// What [`SynthJob::of_meta`] reads is what [`meta`] writes.
#[cfg(test)]
mod tests {
    use plumb_qa::{Kind, Locale, ReferenceMode};

    use super::*;

    #[test]
    fn a_data_set_says_how_it_was_made() {
        let job = SynthJob {
            seed: 17,
            per_image: 12,
            kinds: vec![Kind::Height, Kind::McCount],
            references: ReferenceMode::Region,
            locale: Locale::default(),
            balance: false,
            distance_ratio: Some(1.5),
            inputs: vec!["a".into()],
            ..SynthJob::default()
        };
        let written = meta(&job, Templates::builtin().unwrap()).unwrap();
        assert_eq!(SynthJob::of_meta(&written, vec!["a".into()]), job);
        let spoilt = DatasetMeta { options: serde_json::json!([1]), ..written };
        assert_eq!(SynthJob::of_meta(&spoilt, Vec::new()).per_image, SynthJob::default().per_image);
    }
}
