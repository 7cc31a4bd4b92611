//! Reading a benchmark. Text is read at once, images when they are asked for.

mod columns;
mod guard;
mod identity;
mod json_rows;
mod parquet_file;
mod row;
mod source;

pub use guard::PageHeader;
pub use identity::{Identity, OFFICIAL_IDX_SHA1, OFFICIAL_REVISION, idx_fingerprint};

use crate::interop::{kind, read_lines};
use crate::sample::Sample;
use crate::{BenchError, Result};
use bytes::Bytes;
use parquet_file::ParquetFile;
use row::{Problem, RawRow};
use serde::{Deserialize, Serialize};
use source::Source;
use std::collections::HashMap;
use std::io::BufReader;
use std::path::{Component, Path, PathBuf};

/// The most bytes of a `.json` list, which is held in memory whole.
const MAX_JSON: u64 = 64 << 20;

/// A row that could not be read (`rejected`), or of which something was left out (`warnings`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowIssue {
    pub file: String,
    /// The row's place in the benchmark, from 0.
    pub row: usize,
    /// The row's place in its file, from 0.
    pub row_in_file: usize,
    pub idx: Option<i64>,
    pub field: String,
    pub why: String,
}

impl std::fmt::Display for RowIssue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, row {}", self.file, self.row_in_file)?;
        if let Some(idx) = self.idx {
            write!(f, " (idx {idx})")?;
        }
        write!(f, ", field `{}`: {}", self.field, self.why)
    }
}

/// A file and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Where the image of a row is.
struct Place {
    file: usize,
    row_in_file: usize,
    /// Paths relative to the benchmark's folder, to be tried in order when the file has no bytes.
    paths: Vec<String>,
}

/// A benchmark: its questions, and its images on demand.
///
/// It is `Send` and `Sync`; images are read under a lock.
pub struct Benchmark {
    files: Vec<FileDigest>,
    parquet: Vec<Option<ParquetFile>>,
    folder: Option<PathBuf>,
    places: Vec<Place>,
    samples: Vec<Sample>,
    rejected: Vec<RowIssue>,
    warnings: Vec<RowIssue>,
    identity: Identity,
}

impl std::fmt::Debug for Benchmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Benchmark")
            .field("files", &self.files)
            .field("samples", &self.samples.len())
            .field("rejected", &self.rejected.len())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Benchmark {
    /// Opens a `.parquet`, `.jsonl` or `.json` file, or a folder with `test*.parquet` or `test*.jsonl` (2D and 3D
    /// together; `val*` where there is no `test*`). Images that are not in the file are looked up beside it, by the
    /// paths the rows name.
    ///
    /// # Errors
    /// When there is no such file, it cannot be read or is past a limit, a required column is missing or of a wrong
    /// type, or it has no rows. Single bad rows are no error; they are [`rejected`](Self::rejected).
    #[cfg(not(target_family = "wasm"))]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let meta = std::fs::metadata(path).map_err(|e| BenchError::io(&shown, e))?;
        let (folder, names) = if meta.is_dir() {
            (path.to_owned(), files_of(path)?)
        } else {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            (path.parent().map(Path::to_owned).unwrap_or_default(), vec![(name, path.to_owned())])
        };
        let mut sources = Vec::new();
        for (name, path) in names {
            let source = Source::open(&path).map_err(|e| BenchError::io(path.display().to_string(), e))?;
            sources.push((name, source));
        }
        Self::build(&sources, Some(folder))
    }

    /// Opens files that are already in memory, as (name, content); the browser's way in.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(files: impl IntoIterator<Item = (String, Bytes)>) -> Result<Self> {
        let sources: Vec<_> = files.into_iter().map(|(name, b)| (name, Source::Memory(b))).collect();
        Self::build(&sources, None)
    }

    fn build(sources: &[(String, Source)], folder: Option<PathBuf>) -> Result<Self> {
        let mut bench = Self {
            files: Vec::new(),
            parquet: Vec::new(),
            folder,
            places: Vec::new(),
            samples: Vec::new(),
            rejected: Vec::new(),
            warnings: Vec::new(),
            identity: Identity::Unknown { sha256: String::new(), rows: 0, why_not: Vec::new() },
        };
        for (name, source) in sources {
            bench.add(name, source)?;
        }
        let names: Vec<&str> = sources.iter().map(|(n, _)| n.as_str()).collect();
        if bench.places.is_empty() {
            return Err(BenchError::Empty { file: names.join(", ") });
        }
        for (name, source) in sources {
            bench.files.push(identity::digest(name, source).map_err(|e| BenchError::io(name.as_str(), e))?);
        }
        bench.name_rows();
        bench.identity = Identity::of(&bench.files, bench.places.len(), &bench.samples);
        Ok(bench)
    }

    fn add(&mut self, name: &str, source: &Source) -> Result<()> {
        let mut head = [0; 4];
        source.read_at(0, &mut head).map_err(|e| BenchError::io(name, e))?;
        let lower = name.to_ascii_lowercase();
        let mut parquet = None;
        let rows: Vec<std::result::Result<RawRow, Problem>> = if lower.ends_with(".jsonl") {
            let reader = BufReader::new(source.reader(0));
            read_lines(reader, name, |row, _| Ok(json_rows::raw_row(row)))?
        } else if lower.ends_with(".json") {
            json_list(name, source)?
        } else if lower.ends_with(".parquet") || &head == b"PAR1" {
            let file = ParquetFile::open(name, source.clone())?;
            let rows = file.read_rows()?;
            parquet = Some(file);
            rows.into_iter().map(Ok).collect()
        } else {
            return Err(BenchError::NoBenchmark {
                path: name.to_owned(),
                found: "another kind of file".to_owned(),
            });
        };
        self.parquet.push(parquet);
        for (row_in_file, raw) in rows.into_iter().enumerate() {
            self.add_row(name, row_in_file, raw);
        }
        Ok(())
    }

    fn add_row(&mut self, file: &str, row_in_file: usize, raw: std::result::Result<RawRow, Problem>) {
        let row = self.places.len();
        let mut idx = None;
        let mut paths = Vec::new();
        let sample = raw.and_then(|raw| {
            idx = raw.idx;
            paths.extend([&raw.image_path, &raw.filename].into_iter().flatten().cloned());
            raw.into_sample(row)
        });
        self.places.push(Place { file: self.parquet.len().saturating_sub(1), row_in_file, paths });
        match sample {
            Ok((sample, remark)) => {
                self.warnings.extend(remark.map(|r| r.at(file, row, row_in_file, idx)));
                self.samples.push(sample);
            }
            Err(problem) => self.rejected.push(problem.at(file, row, row_in_file, idx)),
        }
    }

    /// Makes ids unique: a second row with the same `idx` gets `idx@row`, and a warning.
    fn name_rows(&mut self) {
        let mut seen: HashMap<i64, usize> = HashMap::new();
        for sample in &mut self.samples {
            if let Some(first) = seen.get(&sample.idx) {
                sample.id = format!("{}@{}", sample.idx, sample.row);
                let why = format!("row {first} has the same idx; this row's id is {}", sample.id);
                let place = self.places.get(sample.row);
                let file = place.and_then(|p| self.files.get(p.file)).map(|f| f.name.clone());
                self.warnings.push(RowIssue {
                    file: file.unwrap_or_default(),
                    row: sample.row,
                    row_in_file: place.map_or(0, |p| p.row_in_file),
                    idx: Some(sample.idx),
                    field: "idx".to_owned(),
                    why,
                });
            } else {
                seen.insert(sample.idx, sample.row);
            }
        }
    }

    /// The readable rows, in the order of the files.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The rows that could not be read. They count in the coverage of every run.
    pub fn rejected(&self) -> &[RowIssue] {
        &self.rejected
    }

    /// Rows that are used, but not as they stand: a malformed box, an `idx` that occurs twice.
    pub fn warnings(&self) -> &[RowIssue] {
        &self.warnings
    }

    /// All rows, readable or not.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn files(&self) -> &[FileDigest] {
        &self.files
    }

    /// The SHA-256 that names this benchmark in a run record: of its file, or of the joined digests of several.
    pub fn sha256(&self) -> String {
        identity::joined(&self.files)
    }

    /// Whether any of the files brings its images inside.
    pub fn has_embedded_images(&self) -> bool {
        self.parquet.iter().flatten().any(ParquetFile::has_images)
    }

    /// The encoded image (JPEG, PNG, ...) of a row, by [`Sample::row`]. Rows in order are read in one pass over the
    /// file with no more than a page in memory.
    ///
    /// # Errors
    /// [`BenchError::NoSuchRow`], [`BenchError::NoImage`] when neither bytes nor a file exist, and reading errors.
    pub fn image(&self, row: usize) -> Result<Bytes> {
        let place = self.places.get(row).ok_or(BenchError::NoSuchRow { row, rows: self.places.len() })?;
        if let Some(file) = self.parquet.get(place.file).and_then(Option::as_ref)
            && let Some(bytes) = file.image(place.row_in_file)?
        {
            return Ok(bytes);
        }
        self.image_beside(row, place)
    }

    fn image_beside(&self, row: usize, place: &Place) -> Result<Bytes> {
        let no_image = |why: String| BenchError::NoImage { row, why };
        let Some(folder) = &self.folder else {
            return Err(no_image(
                "the file has no bytes for it, and there is no folder to look in".to_owned(),
            ));
        };
        let mut tried = Vec::new();
        for name in &place.paths {
            // A benchmark must not make the program read files outside its folder.
            let path = Path::new(name);
            if !path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
                tried.push(format!("`{}` leaves the benchmark's folder", row::short(name)));
                continue;
            }
            match read_image(&folder.join(path)) {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => tried.push(format!("`{}` is not there", row::short(name))),
                Err(e) => return Err(e),
            }
        }
        if tried.is_empty() {
            tried.push("the row names no file".to_owned());
        }
        Err(no_image(format!("the benchmark file has no bytes for it, and {}", tried.join(", "))))
    }
}

#[cfg(not(target_family = "wasm"))]
fn read_image(path: &Path) -> Result<Option<Bytes>> {
    let shown = || path.display().to_string();
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => {
            if meta.len() > parquet_file::MAX_IMAGE {
                return Err(BenchError::too_large(
                    &shown(),
                    "an image, in bytes,",
                    meta.len(),
                    parquet_file::MAX_IMAGE,
                ));
            }
            std::fs::read(path).map(|b| Some(b.into())).map_err(|e| BenchError::io(shown(), e))
        }
        _ => Ok(None),
    }
}

#[cfg(target_family = "wasm")]
fn read_image(_: &Path) -> Result<Option<Bytes>> {
    Ok(None)
}

fn json_list(name: &str, source: &Source) -> Result<Vec<std::result::Result<RawRow, Problem>>> {
    if source.size() > MAX_JSON {
        return Err(BenchError::too_large(name, "a JSON list, in bytes,", source.size(), MAX_JSON));
    }
    let value: serde_json::Value =
        serde_json::from_reader(BufReader::new(source.reader(0))).map_err(|e| BenchError::Json {
            file: name.to_owned(),
            line: e.line(),
            why: format!("not JSON: {e}"),
        })?;
    let fail = |why: String| BenchError::Json { file: name.to_owned(), line: 1, why };
    let serde_json::Value::Array(rows) = &value else {
        return Err(fail(format!("expected a list of rows, found {}", kind(&value))));
    };
    rows.iter()
        .enumerate()
        .map(|(i, row)| match row {
            serde_json::Value::Object(map) => Ok(json_rows::raw_row(map)),
            other => Err(fail(format!("row {i}: expected an object, found {}", kind(other)))),
        })
        .collect()
}

/// The benchmark files of a folder. Split files (2D, 3D) go before a joint one, which would repeat their rows.
#[cfg(not(target_family = "wasm"))]
fn files_of(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let shown = folder.display().to_string();
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| BenchError::io(&shown, e))? {
        let entry = entry.map_err(|e| BenchError::io(&shown, e))?;
        if entry.path().is_file() {
            names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    names.sort();
    for extension in [".parquet", ".jsonl"] {
        for start in ["test", "val"] {
            let mut found: Vec<_> = names
                .iter()
                .filter(|(n, _)| {
                    let n = n.to_ascii_lowercase();
                    n.starts_with(start) && n.ends_with(extension)
                })
                .cloned()
                .collect();
            let split = |n: &str| ["2d", "3d"].iter().any(|p| n.to_ascii_lowercase().contains(p));
            if found.iter().any(|(n, _)| split(n)) {
                found.retain(|(n, _)| split(n));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    let seen: Vec<&str> = names.iter().take(8).map(|(n, _)| n.as_str()).collect();
    let found = if seen.is_empty() { "no files".to_owned() } else { seen.join(", ") };
    Err(BenchError::NoBenchmark { path: shown, found })
}

#[cfg(test)]
mod tests;
