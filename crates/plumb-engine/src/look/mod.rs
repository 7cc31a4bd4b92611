//! What a window shows of files: benchmarks, runs, scenes, questions, trainings. Read beside the device's thread, never
//! written.
//!
//! Pictures and clouds travel as [`Blob`]s: bytes that the same process shares and that a transport between processes sends
//! raw, never inside JSON.

mod bare;
pub(crate) mod bench;
mod cloud;
mod models;
pub(crate) mod questions;
mod runs;
mod scenes;
#[cfg(test)]
mod tests;
mod training;
mod unfinished;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plumb_bench::{Comparison, Identity, ParseStatus, Parser, Report, Sample};
use plumb_image::RgbImage;
use plumb_qa::QaPair;
use plumb_scene::Scene;
use plumb_scene::edit::Edit;
use plumb_train::checkpoint::MetricLine;
use serde::{Deserialize, Serialize};

use crate::demo::Pack;
use crate::device::{self, Adapter, DeviceChoice};
use crate::error::{EngineError, Result};
use crate::eval::RunManifest;
use crate::job::Reporter;
use crate::session::read_image;
pub use models::{ModelFile, ModelListed, ModelPlanSeen, ModelsSeen};
pub use unfinished::{Unfinished, UnfinishedKind};

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Look {
    /// Where the demo pack is.
    Demo,
    /// The rows of a benchmark, without their pictures. `demo` means the pack's.
    Bench { path: PathBuf },
    /// The picture of one row ([`Sample::row`]), decoded.
    BenchImage { path: PathBuf, row: usize },
    /// The runs in a folder and in its sub-folders, newest first; the folder itself where it is a run.
    Runs { folder: PathBuf },
    /// A run with its answers and its score, and that of its text-only run where there is one.
    Run { folder: PathBuf },
    /// Two runs of the same benchmark, row by row.
    Compare { a: PathBuf, b: PathBuf },
    /// The scenes of a folder that `plumbline scenes` or `lift` wrote. `demo` means the pack's.
    Scenes { folder: PathBuf },
    /// One scene with its cloud and picture.
    Scene { folder: PathBuf, index: usize },
    /// One scene as it is after what a person changed, in memory: its files stay.
    EditedScene { folder: PathBuf, index: usize, edits: Vec<Edit> },
    /// What is asked about it then, by the seed and the options of the questions that are stored with the scenes.
    EditedQuestions { folder: PathBuf, index: usize, edits: Vec<Edit> },
    /// What is asked about a scene in a data set of questions: a file, or `qa.parquet` or `qa.jsonl` of a folder. `demo` means
    /// the pack's.
    Questions { folder: PathBuf, scene: String },
    /// A picture file, decoded.
    Picture { path: PathBuf },
    /// The record of a training.
    Training { folder: PathBuf },
    /// The evaluations and trainings in a folder and in its sub-folders that have not come to their end and that no process is
    /// writing to, newest first.
    Unfinished { folder: PathBuf },
    /// What can compute.
    Devices,
    /// The models that the cache holds, whole or in part. No network.
    Models,
    /// What a download of a model of the hub would bring: asks the hub.
    ModelPlan { model: String },
}

/// Bytes that are not part of the message.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Blob {
    pub len: usize,
    /// Empty where the message came from another process: the transport delivers the bytes beside it.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
}

/// A decoded picture: three bytes a pixel, rows one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pixels {
    pub width: u32,
    pub height: u32,
    pub rgb: Blob,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum Seen {
    Demo {
        model: PathBuf,
        adapter: PathBuf,
        benchmark: PathBuf,
        scenes: PathBuf,
    },
    Bench(BenchSeen),
    Image {
        pixels: Pixels,
    },
    Runs {
        runs: Vec<RunListed>,
    },
    Run(Box<RunSeen>),
    Compare(Box<CompareSeen>),
    Scenes {
        scenes: Vec<SceneListed>,
    },
    Scene(Box<SceneSeen>),
    Questions {
        questions: Vec<QaPair>,
    },
    Training {
        metrics: Vec<MetricLine>,
        config: String,
        finished: bool,
    },
    Unfinished {
        runs: Vec<Unfinished>,
    },
    /// `cpu` is the CPU's instructions, `auto` what is taken where nothing is chosen and why.
    Devices {
        adapters: Vec<Adapter>,
        cpu: String,
        auto: String,
    },
    Models(ModelsSeen),
    ModelPlan(ModelPlanSeen),
}

/// A benchmark's rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchSeen {
    pub path: PathBuf,
    pub samples: Vec<Sample>,
    /// Rows that cannot be used, each in a sentence.
    pub rejected: Vec<String>,
    pub sha256: String,
    pub identity: Identity,
    /// Whether its files are the published ones.
    pub official: bool,
}

/// A run in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunListed {
    pub folder: PathBuf,
    pub name: String,
    pub records: u64,
    /// Why it cannot be read, where it cannot.
    pub manifest: std::result::Result<Box<RunManifest>, String>,
    /// Seconds since 1970.
    pub modified: Option<u64>,
}

/// One row's answer, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Index into the benchmark's samples.
    pub sample: usize,
    /// The chosen option.
    pub chosen: Option<usize>,
    /// None where it counts neither way: no answer was made.
    pub correct: Option<bool>,
    pub status: Option<ParseStatus>,
    pub raw: Option<String>,
    /// Softmax over the options.
    pub probabilities: Option<Vec<f64>>,
    /// The prompt as it was sent, where the run kept it.
    pub prompt: Option<String>,
    pub seconds: Option<f64>,
    pub error: Option<String>,
}

/// A run, judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSeen {
    pub folder: PathBuf,
    pub manifest: RunManifest,
    pub parser: Parser,
    pub answers: Vec<Answer>,
    pub report: Report,
    /// The same model without the picture.
    pub blind: Option<Box<Report>>,
    pub blind_folder: Option<PathBuf>,
}

/// Two runs, judged against each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompareSeen {
    pub comparison: Comparison,
    /// Rows that only the first got right, that only the second did, as indices of samples.
    pub only_a: Vec<usize>,
    pub only_b: Vec<usize>,
}

/// A scene in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SceneListed {
    pub index: usize,
    pub id: String,
    pub name: String,
    pub objects: usize,
    pub metric: bool,
}

/// A scene to be shown: positions in metres in its frame (x right, y forward, z up).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SceneSeen {
    pub scene: Scene,
    /// Points of the cloud; none where there is no depth. Every pixel with depth where depth was kept, else the stored cloud.
    pub points: usize,
    /// `points` × 3 little-endian f32.
    pub positions: Blob,
    /// `points` × 3 bytes.
    pub colours: Blob,
    /// `points` × little-endian u32: index of the object, `u32::MAX` for none.
    pub objects: Blob,
    /// `points` × 3 little-endian f32, unit length, 0 for a point that has none; empty where no point has.
    pub normals: Blob,
    pub image: Option<Pixels>,
}

/// # Errors
/// A sentence that names the file.
pub(crate) fn run(look: &Look, reporter: &Reporter) -> Result<Seen> {
    match look {
        Look::Demo => {
            let pack = Pack::find()?;
            Ok(Seen::Demo {
                model: pack.model()?,
                adapter: pack.adapter()?,
                benchmark: pack.benchmark()?,
                scenes: pack.scenes()?,
            })
        }
        Look::Bench { path } => bench::rows(path),
        Look::BenchImage { path, row } => bench::image(path, *row),
        Look::Runs { folder } => runs::list(folder),
        Look::Run { folder } => runs::run(folder, reporter),
        Look::Compare { a, b } => runs::compare(a, b),
        Look::Scenes { folder } => scenes::list(folder, reporter),
        Look::Scene { folder, index } => scenes::scene(folder, *index, &[]),
        Look::EditedScene { folder, index, edits } => scenes::scene(folder, *index, edits),
        Look::EditedQuestions { folder, index, edits } => {
            questions::of_edited(folder, *index, edits, reporter)
        }
        Look::Questions { folder, scene } => questions::of(folder, scene, reporter),
        Look::Picture { path } => {
            check_file(path)?;
            Ok(Seen::Image { pixels: read_image(path)?.into() })
        }
        Look::Training { folder } => training::run(folder),
        Look::Unfinished { folder } => Ok(Seen::Unfinished { runs: unfinished::list(folder) }),
        Look::Devices => devices(),
        Look::Models => models::list(reporter),
        Look::ModelPlan { model } => models::plan(model, reporter),
    }
}

fn devices() -> Result<Seen> {
    let adapters = device::adapters();
    let (chosen, why) = device::decide(DeviceChoice::Auto, &adapters)?;
    let chosen = chosen.map_or("CPU", |adapter| &adapter.name);
    Ok(Seen::Devices { auto: format!("{chosen}: {why}"), cpu: device::cpu_name(), adapters })
}

/// # Errors
/// What is not there, and what is no file: a pipe would never end.
fn check_file(path: &Path) -> Result<std::fs::Metadata> {
    let failed = |source| EngineError::Read { file: path.display().to_string(), source };
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.is_file() {
        return Ok(meta);
    }
    Err(EngineError::Request(format!("{} is not a file", path.display())))
}

/// The bytes of a file of at most `most`; `None` where there is none.
fn read_bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let meta = match check_file(path) {
        Err(EngineError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        other => other?,
    };
    if meta.len() > most {
        let (path, bytes) = (path.display(), meta.len());
        return Err(EngineError::Request(format!(
            "{path} has {bytes} bytes, more than the {most} that are allowed"
        )));
    }
    let bytes = std::fs::read(path)
        .map_err(|source| EngineError::Read { file: path.display().to_string(), source })?;
    Ok(Some(bytes))
}

impl From<RgbImage> for Pixels {
    fn from(image: RgbImage) -> Self {
        let (width, height) = image.size();
        Self { width, height, rgb: image.into_data().into() }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.len)
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len(), bytes: bytes.into() }
    }
}
