//! Data sets of questions and answers: files written and read.
//!
//! | format | file | written from | read as |
//! |---|---|---|---|
//! | [`Format::Parquet`] | `.parquet` | typed columns, text optional, geometry within | [`QaRow`] |
//! | [`Format::Jsonl`] | `.jsonl` and `.scenes.jsonl` | one pair per line | [`QaRow`] |
//! | [`Format::Llava`] | `.json` | conversations (`haotian-liu/LLaVA:docs/Finetune_Custom_Data.md`) | [`TrainingSample`] |
//! | [`Format::Messages`] | `.messages.jsonl` | HF chat messages with typed content | [`TrainingSample`] |
//! | [`Format::CvBench`] | `.cvbench.parquet` | `nyu-visionx/CV-Bench`'s columns | `plumb_bench::Benchmark` |
//!
//! Writers write to `NAME.tmp` and rename when finished, so that a killed run leaves nothing under the final name.
//! `docs/datasets.md` describes every column and key.

mod atomic;
mod cvbench;
mod issues;
mod jsonl;
mod lines;
mod llava;
mod messages;
mod names;
pub mod parquet;
mod sample;
#[cfg(test)]
mod samples_for_tests;
mod scenes;

use std::path::Path;

use plumb_scene::Scene;

use crate::{QaError, QaPair, Result};

pub use atomic::AtomicFile;
pub use cvbench::{CvBenchRow, CvBenchWriter, ToCvBench};
pub use issues::{Issue, Issues, MAX_ISSUES};
pub use jsonl::{JsonlReader, JsonlWriter, scenes_path};
pub use lines::MAX_LINE;
pub use llava::{LlavaReader, LlavaWriter};
pub use messages::{MessagesReader, MessagesWriter};
pub use parquet::{ParquetQaReader, ParquetQaWriter, ReadOptions};
pub use sample::{ConversationOptions, Reasoning, TrainingSample};

/// What a data set was made with. It stands in the file so that the file can be made again.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetMeta {
    pub seed: u64,
    /// The generator's options, as JSON.
    pub options: serde_json::Value,
    /// Fingerprint of the templates that the text is made with.
    pub templates: String,
    /// Whether questions and answers are stored as text. Without, they are made again from the typed columns by
    /// [`RenderText`]. Parquet only: the other formats are text.
    pub text: bool,
}

impl Default for DatasetMeta {
    fn default() -> Self {
        Self { seed: 0, options: serde_json::Value::Null, templates: String::new(), text: true }
    }
}

/// Makes the text of a pair from its other fields. Templates are one; so is any function.
pub trait RenderText {
    /// The question and the answer.
    ///
    /// # Errors
    /// When the pair names a template or an object that does not exist.
    fn render(&self, pair: &QaPair) -> Result<(String, String)>;
}

impl<F: Fn(&QaPair) -> Result<(String, String)>> RenderText for F {
    fn render(&self, pair: &QaPair) -> Result<(String, String)> {
        self(pair)
    }
}

/// The picture of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowImage {
    /// Relative to the folder of the data set.
    pub path: String,
    /// Pixels; 0 where the file does not say (JSONL without its scenes).
    pub width: u32,
    pub height: u32,
    /// In hex; empty where the file does not say.
    pub sha256: String,
}

/// A pair as read, with its picture and, where the file has it, its geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct QaRow {
    /// Row in the file (Parquet, from 0) or line (JSONL, from 1).
    pub row: u64,
    pub image: RowImage,
    pub scene: Option<std::sync::Arc<Scene>>,
    pub pair: QaPair,
}

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Question-answer pairs.
    pub pairs: u64,
    /// Rows, lines or conversations.
    pub rows: u64,
    /// Calls of `push` with at least one pair.
    pub images: u64,
    /// Pairs that ask about boxes which still have to be drawn on the image.
    pub marked: u64,
}

impl Written {
    fn add(&mut self, pairs: &[QaPair], rows: usize) {
        self.pairs += pairs.len() as u64;
        self.rows += rows as u64;
        self.images += u64::from(!pairs.is_empty());
        self.marked += pairs.iter().filter(|pair| !pair.marks.is_empty()).count() as u64;
    }
}

/// Takes the pairs of one image after the other. Rows stand in the file in the order of the calls, so the same input
/// gives the same bytes.
pub trait DatasetWriter: Send {
    /// Adds the pairs of one image.
    ///
    /// `image` is the path of the picture relative to the folder of the data set.
    ///
    /// # Errors
    /// [`QaError::Write`] when a pair cannot be put into the format (the message names scene and field),
    /// [`QaError::Io`] when the disk refuses.
    fn push(&mut self, scene: &Scene, image: &str, pairs: &[QaPair]) -> Result<()>;

    /// Ends the file and gives it its final name.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn finish(self: Box<Self>) -> Result<Written>;
}

/// A file format of question-answer pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Parquet,
    Jsonl,
    Llava,
    Messages,
    CvBench,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Parquet, Self::Jsonl, Self::Llava, Self::Messages, Self::CvBench];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
            Self::Llava => "llava",
            Self::Messages => "messages",
            Self::CvBench => "cvbench",
        }
    }

    /// The format a file name asks for, in either case: `.cvbench.parquet`, `.parquet`, `.messages.jsonl`, `.jsonl`,
    /// `.json`.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        [
            (".cvbench.parquet", Self::CvBench),
            (".parquet", Self::Parquet),
            (".messages.jsonl", Self::Messages),
            (".jsonl", Self::Jsonl),
            (".json", Self::Llava),
        ]
        .into_iter()
        .find_map(|(end, format)| name.ends_with(end).then_some(format))
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("`{name}` is no data set format; choose one of {}", known.join(", "))
        })
    }
}

/// What only some formats need.
#[derive(Default)]
pub struct WriterOptions {
    /// LLaVA and messages.
    pub conversation: ConversationOptions,
    /// CV-Bench: makes the row of a pair.
    pub cv_bench: Option<ToCvBench>,
}

/// Opens a writer for a file.
///
/// # Errors
/// [`QaError::Io`] when the file cannot be made; [`QaError::Write`] when CV-Bench is asked for without
/// [`WriterOptions::cv_bench`].
pub fn open_writer(
    path: &Path,
    format: Format,
    meta: &DatasetMeta,
    options: WriterOptions,
) -> Result<Box<dyn DatasetWriter>> {
    Ok(match format {
        Format::Parquet => Box::new(ParquetQaWriter::create(path, meta)?),
        Format::Jsonl => Box::new(JsonlWriter::create(path)?),
        Format::Llava => Box::new(LlavaWriter::create(path, options.conversation)?),
        Format::Messages => Box::new(MessagesWriter::create(path, options.conversation)?),
        Format::CvBench => {
            let convert = options.cv_bench.ok_or_else(|| QaError::Write {
                path: path.display().to_string(),
                detail: "CV-Bench rows hold the encoded image; none was given to take it from".to_owned(),
            })?;
            Box::new(CvBenchWriter::create(path, convert)?)
        }
    })
}

/// An error of writing that names the file.
fn write_error(path: &str, detail: impl std::fmt::Display) -> QaError {
    QaError::Write { path: path.to_owned(), detail: detail.to_string() }
}

/// An error of reading that names the file.
fn format_error(path: &str, detail: impl std::fmt::Display) -> QaError {
    QaError::Format { path: path.to_owned(), detail: detail.to_string() }
}

fn io_error(path: &str, source: std::io::Error) -> QaError {
    QaError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_or_a_flag_chooses_the_format() {
        for (name, wanted) in [
            ("a/qa.parquet", Some(Format::Parquet)),
            ("QA.PARQUET", Some(Format::Parquet)),
            ("qa.cvbench.parquet", Some(Format::CvBench)),
            ("qa.messages.jsonl", Some(Format::Messages)),
            ("qa.jsonl", Some(Format::Jsonl)),
            ("qa.json", Some(Format::Llava)),
            ("qa.csv", None),
            ("parquet", None),
            ("", None),
        ] {
            assert_eq!(Format::of_path(Path::new(name)), wanted, "{name}");
        }
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("csv".parse::<Format>().is_err_and(|e| e.contains("messages")));
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_no_file_and_one_that_finishes_does() {
        let folder = tempfile::tempdir().unwrap();
        let (scene, pairs) = samples_for_tests::scene_with_pairs(3);
        for format in [Format::Parquet, Format::Jsonl, Format::Llava, Format::Messages] {
            let path = folder.path().join(format!("{format}.out"));
            let open =
                || open_writer(&path, format, &DatasetMeta::default(), WriterOptions::default()).unwrap();
            let mut writer = open();
            writer.push(&scene, "a.png", &pairs).unwrap();
            drop(writer);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{format}");
            let mut writer = open();
            writer.push(&scene, "a.png", &pairs).unwrap();
            let written = writer.finish().unwrap();
            assert_eq!((written.pairs, written.images), (3, 1));
            assert!(path.exists());
            std::fs::remove_file(&path).unwrap();
            let _ = std::fs::remove_file(scenes_path(&path));
        }
        let none = open_writer(
            &folder.path().join("x"),
            Format::CvBench,
            &DatasetMeta::default(),
            WriterOptions::default(),
        );
        assert!(none.is_err());
        assert!(matches!(
            open_writer(
                &folder.path().join("no/folder.parquet"),
                Format::Parquet,
                &DatasetMeta::default(),
                WriterOptions::default()
            ),
            Err(QaError::Io { .. })
        ));
    }
}
