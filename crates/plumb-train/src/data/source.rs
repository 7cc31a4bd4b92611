//! A data set, opened: its samples by number, its pictures on demand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use plumb_bench::sample::letter;
use plumb_bench::{Benchmark, PromptPreset};
use plumb_image::{Limits, RgbImage};
use plumb_qa::dataset::Reasoning;
use plumb_qa::{Mark, QaPair, Templates};
use plumb_scene::Scene;
use serde::{Deserialize, Serialize};

use super::detect::Format;
use super::error::{DataError, Problems, Result};
use super::groups::Links;
use super::image;
#[cfg(not(target_family = "wasm"))]
use super::read::Reading;
use super::sample::{ImageRef, Sample};
use super::spool::{Place, Spool};

/// Scenes kept ready: neighbours in a batch ask for the same one.
const SCENES: usize = 16;

/// How the right option of a multiple-choice row is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterForm {
    /// `(A)`, as CV-Bench's `answer` column.
    #[default]
    Bracketed,
    /// `A`.
    Bare,
    /// `(A) left`.
    WithText,
    /// `left`.
    Text,
}

impl LetterForm {
    /// The answer whose option is the `gold`-th and reads `text`.
    #[must_use]
    pub fn say(self, gold: usize, text: &str) -> String {
        let letter = letter(gold);
        match self {
            Self::Bracketed => format!("({letter})"),
            Self::Bare => letter.to_string(),
            Self::WithText => format!("({letter}) {text}"),
            Self::Text => text.to_owned(),
        }
    }
}

/// What makes two pictures the same one for [`split`](super::split) and [`Units`](super::Units).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageIdentity {
    /// Its path. Costs nothing.
    #[default]
    Path,
    /// Its file's SHA-256: right also for copies and for several data sets in several folders, but every file is read once.
    /// Pictures inside a benchmark are known by the photograph that their row names, since boxes are drawn on them.
    Content,
}

/// How to open a [`Source`].
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Rows of benchmarks: how the question is put. The same words as in an evaluation.
    pub prompt: PromptPreset,
    pub letters: LetterForm,
    /// Asks multiple-choice records of plumb-qa files as a benchmark would ([`Self::prompt`], [`Self::letters`]), with its boxes.
    pub as_benchmark: bool,
    /// Records of plumb-qa files of these types only, by name; all where empty.
    pub kinds: Vec<String>,
    /// Records with several steps: what stands before the answer.
    pub reasoning: Reasoning,
    /// The words of records that are stored without text; the built-in ones where there is none.
    pub templates: Option<Arc<Templates>>,
    /// Folder that image paths are relative to, where it is not the data file's.
    pub image_root: Option<PathBuf>,
    pub limits: Limits,
    pub identity: ImageIdentity,
    /// Most bytes of samples held in memory; the rest waits in a temporary file.
    pub spool_memory: usize,
    /// Folder of that file; the system's where there is none.
    pub spool_folder: Option<PathBuf>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            prompt: PromptPreset::default(),
            letters: LetterForm::default(),
            as_benchmark: false,
            kinds: Vec::new(),
            reasoning: Reasoning::Off,
            templates: None,
            image_root: None,
            limits: Limits::default(),
            identity: ImageIdentity::default(),
            spool_memory: 256 << 20,
            spool_folder: None,
        }
    }
}

/// A file of a source.
pub(super) struct DataFile {
    pub(super) name: String,
    pub(super) format: Format,
    /// What image paths are relative to.
    pub(super) folder: PathBuf,
    pub(super) bench: Option<Benchmark>,
}

/// What is spooled of a sample.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) images: Vec<ImageRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<String>,
    /// Empty where `pair` has the words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) turns: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefill: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) marks: Vec<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pair: Option<QaPair>,
}

/// 24 bytes a sample are held in memory, whatever its text.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) file: u16,
    pub(super) group: u32,
}

/// A data set: one file or a folder of files.
pub struct Source {
    pub(super) name: String,
    pub(super) files: Vec<DataFile>,
    pub(super) spool: Spool,
    pub(super) entries: Vec<Entry>,
    /// Of each group, the least key of its pictures.
    pub(super) keys: Vec<u64>,
    pub(super) links: Links,
    pub(super) scenes: BTreeMap<String, Place>,
    pub(super) ready: Mutex<Vec<Arc<Scene>>>,
    pub(super) problems: Problems,
    pub(super) options: OpenOptions,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let formats: Vec<_> = self.files.iter().map(|file| (&file.name, file.format)).collect();
        f.debug_struct("Source")
            .field("files", &formats)
            .field("samples", &self.entries.len())
            .field("groups", &self.keys.len())
            .field("bad", &self.problems.total)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file, or every data file of a folder in the order of their names, and reads it through once.
    ///
    /// Formats are told by content: plumb-qa's Parquet and JSONL, CV-Bench's columns, LLaVA's JSON, Hugging Face's messages. Pictures are
    /// not read, but a sample whose picture is not there is a bad row. Bad rows are in [`problems`](Self::problems).
    ///
    /// # Errors
    /// [`DataError::Io`] and [`DataError::Format`] for files that cannot be read or recognised; [`DataError::Empty`] when no sample is left.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut reading = Reading::new(name.clone(), options);
        for file in files_of(path)? {
            reading.file(&file)?;
        }
        reading.finish()
    }

    /// What was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The rows that were left out.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Name and format of each file.
    pub fn files(&self) -> impl Iterator<Item = (&str, Format)> {
        self.files.iter().map(|file| (file.name.as_str(), file.format))
    }

    /// How many sets of pictures there are that no sample joins.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.keys.len()
    }

    /// The group of each sample: samples that share a picture have the same.
    pub fn groups(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry.group)
    }

    /// Of each group, what names its pictures.
    pub(super) fn group_keys(&self) -> &[u64] {
        &self.keys
    }

    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    /// Roughly how long a sample is, in bytes of its record: enough to sort by before anything is tokenised.
    #[must_use]
    pub fn size_hint(&self, index: usize) -> u32 {
        self.entries.get(index).map_or(0, |entry| entry.place.len)
    }

    /// A sample, without its pixels.
    ///
    /// # Errors
    /// [`DataError::State`] past the end; [`DataError::Io`] when the temporary file cannot be read.
    pub fn sample(&self, index: usize) -> Result<Sample> {
        let entry = self.entries.get(index).ok_or_else(|| DataError::State {
            detail: format!("sample {index} of {} in {}", self.entries.len(), self.name),
        })?;
        let broken =
            |e: serde_json::Error| DataError::Format { path: self.name.clone(), detail: e.to_string() };
        let stored: Stored = serde_json::from_slice(&self.spool.get(entry.place)?).map_err(broken)?;
        let mut sample = Sample {
            id: stored.id,
            file: usize::from(entry.file),
            images: stored.images,
            system: stored.system,
            turns: stored.turns,
            prefill: stored.prefill,
            marks: stored.marks,
            pair: None,
            scene: None,
            reasoning: self.options.reasoning,
            benchmark: self.options.as_benchmark.then_some((self.options.prompt, self.options.letters)),
        };
        if let Some(pair) = stored.pair {
            sample.scene = self.scene(&pair.scene)?;
            sample.say(pair)?;
        }
        Ok(sample)
    }

    fn scene(&self, id: &str) -> Result<Option<Arc<Scene>>> {
        let Some(&place) = self.scenes.get(id) else { return Ok(None) };
        let lock = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scene) = lock().iter().find(|scene| scene.id == id) {
            return Ok(Some(scene.clone()));
        }
        let broken =
            |e: serde_json::Error| DataError::Format { path: self.name.clone(), detail: e.to_string() };
        let scene: Arc<Scene> = Arc::new(serde_json::from_slice(&self.spool.get(place)?).map_err(broken)?);
        let mut ready = lock();
        if ready.len() >= SCENES {
            ready.remove(0);
        }
        ready.push(scene.clone());
        Ok(Some(scene))
    }

    /// Reads and decodes the pictures of a sample, without boxes.
    ///
    /// # Errors
    /// [`DataError::Image`], which names sample and picture: not there, outside of the folder, past a limit, not decodable.
    pub fn images(&self, sample: &Sample) -> Result<Vec<RgbImage>> {
        let load = |found: &ImageRef| {
            let fail = |detail: String| DataError::Image {
                sample: sample.id.clone(),
                image: found.to_string(),
                detail,
            };
            let file =
                self.files.get(sample.file).ok_or_else(|| fail("of a file that is not open".to_owned()))?;
            match found {
                ImageRef::File(name) => {
                    let path = image::locate(&file.folder, name).map_err(fail)?;
                    read_image(&path, &self.options.limits).map_err(|e| fail(e.to_string()))
                }
                ImageRef::Row(row) => {
                    let bench =
                        file.bench.as_ref().ok_or_else(|| fail("the file is no benchmark".to_owned()))?;
                    let bytes = bench.image(*row).map_err(|e| fail(e.to_string()))?;
                    plumb_image::decode(&bytes, &self.options.limits).map_err(|e| fail(e.to_string()))
                }
            }
        };
        sample.images.iter().map(load).collect()
    }
}

#[cfg(not(target_family = "wasm"))]
fn read_image(path: &Path, limits: &Limits) -> Result<RgbImage, plumb_image::ImageError> {
    plumb_image::read(path, limits)
}

#[cfg(target_family = "wasm")]
fn read_image(_: &Path, _: &Limits) -> Result<RgbImage, plumb_image::ImageError> {
    // A page has no folder of pictures; what it trains on brings them inside.
    Err(plumb_image::ImageError::Empty)
}

/// The data files at a path.
#[cfg(not(target_family = "wasm"))]
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| DataError::Io { path: path.display().to_string(), source };
    if !std::fs::metadata(path).map_err(io)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let found = entry.map_err(io)?.path();
        let name = found.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        // Geometry that stands beside plumb-qa's JSONL is no file of samples.
        let data = [".parquet", ".json", ".jsonl"].iter().any(|end| name.ends_with(end));
        if data && !name.starts_with('.') && !name.ends_with(".scenes.jsonl") && found.is_file() {
            files.push(found);
        }
    }
    files.sort();
    if files.is_empty() {
        let detail = "the folder has no .parquet, .json or .jsonl file".to_owned();
        return Err(DataError::Format { path: path.display().to_string(), detail });
    }
    Ok(files)
}
