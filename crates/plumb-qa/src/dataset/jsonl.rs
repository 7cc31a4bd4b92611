//! One pair per line, geometry in a file beside it.
//!
//! Each line is the [`QaPair`] in serde's form with the key `image` before it. The scenes stand in
//! `NAME.scenes.jsonl`, one per line in the order of their first pair, because a pair has about a kilobyte and a scene
//! ten to a hundred: inside the lines they would be most of the file, and a person could not read it. Together the
//! two files verify themselves as the Parquet file does.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plumb_scene::Scene;
use serde::{Deserialize, Serialize};

use super::atomic::AtomicFile;
use super::issues::{Issues, Problem};
use super::lines::{MAX_LINE, Piece, next_line};
use super::sample::check_finite;
use super::scenes::{SceneCache, parse_scene};
use super::{DatasetWriter, QaRow, RowImage, Written, io_error, write_error};
use crate::{QaPair, Result};

#[derive(Serialize)]
struct Line<'a> {
    image: &'a str,
    #[serde(flatten)]
    pair: &'a QaPair,
}

// Read apart from the pair: flattening would take single-precision numbers through double precision.
#[derive(Deserialize)]
struct Head {
    image: String,
}

/// Where the scenes of a JSONL file stand: `qa.jsonl` has `qa.scenes.jsonl`.
#[must_use]
pub fn scenes_path(path: &Path) -> PathBuf {
    path.with_extension("scenes.jsonl")
}

/// Writes [`super::Format::Jsonl`].
pub struct JsonlWriter {
    file: AtomicFile,
    scenes: AtomicFile,
    seen: BTreeSet<String>,
    written: Written,
    buffer: Vec<u8>,
}

impl JsonlWriter {
    /// # Errors
    /// [`crate::QaError::Io`] when one of the two files cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: AtomicFile::create(path)?,
            scenes: AtomicFile::create(&scenes_path(path))?,
            seen: BTreeSet::new(),
            written: Written::default(),
            buffer: Vec::new(),
        })
    }
}

/// Writes one value as a line that the reader will take back.
pub(super) fn write_line<T: Serialize>(file: &mut AtomicFile, buffer: &mut Vec<u8>, value: &T) -> Result<()> {
    let name = file.name();
    buffer.clear();
    serde_json::to_writer(&mut *buffer, value).map_err(|e| write_error(&name, e))?;
    if buffer.len() > MAX_LINE {
        let detail = format!("a line of {} bytes, more than the limit of {MAX_LINE}", buffer.len());
        return Err(write_error(&name, detail));
    }
    buffer.push(b'\n');
    file.write_all(buffer).map_err(|e| io_error(&name, e))
}

impl DatasetWriter for JsonlWriter {
    fn push(&mut self, scene: &Scene, image: &str, pairs: &[QaPair]) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        if self.seen.insert(scene.id.clone()) {
            write_line(&mut self.scenes, &mut self.buffer, scene)?;
        }
        for pair in pairs {
            check_finite(&self.file.name(), pair)?;
            write_line(&mut self.file, &mut self.buffer, &Line { image, pair })?;
        }
        self.written.add(pairs, pairs.len());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        // The scenes first: pairs under their final name always have them.
        self.scenes.commit()?;
        self.file.commit()?;
        Ok(self.written)
    }
}

/// Reads [`super::Format::Jsonl`], a line at a time. Lines that are no pair are counted in [`issues`](Self::issues)
/// and left out; an `Err` is a failing disk and the last item.
pub struct JsonlReader {
    name: String,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    scenes: Option<SceneFile>,
    issues: Issues,
    buffer: Vec<u8>,
    failed: bool,
}

struct SceneFile {
    name: String,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    cache: SceneCache,
    ended: bool,
}

impl JsonlReader {
    /// Opens a file and the scenes beside it, where there are some.
    ///
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| io_error(&name, e))?;
        let beside = scenes_path(path);
        let scenes = match File::open(&beside) {
            Ok(file) => Some((beside.display().to_string(), BufReader::new(file))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(io_error(&beside.display().to_string(), e)),
        };
        let mut reader = Self::new(&name, BufReader::new(file));
        reader.scenes = scenes.map(|(name, lines)| SceneFile::new(name, Box::new(lines)));
        Ok(reader)
    }

    /// Reads pairs without their scenes.
    pub fn new(name: &str, lines: impl BufRead + Send + 'static) -> Self {
        Self {
            name: name.to_owned(),
            lines: Box::new(lines),
            line: 0,
            scenes: None,
            issues: Issues::default(),
            buffer: Vec::new(),
            failed: false,
        }
    }

    /// Adds scenes from elsewhere, in the order of their first pair.
    #[must_use]
    pub fn with_scenes(mut self, name: &str, lines: impl BufRead + Send + 'static) -> Self {
        self.scenes = Some(SceneFile::new(name.to_owned(), Box::new(lines)));
        self
    }

    /// What was wrong so far.
    #[must_use]
    pub fn issues(&self) -> &Issues {
        &self.issues
    }

    fn row(&mut self) -> Result<Option<QaRow>, Failure> {
        let head: Head = serde_json::from_slice(&self.buffer).map_err(Problem::from)?;
        let pair: QaPair = serde_json::from_slice(&self.buffer).map_err(Problem::from)?;
        let scene = match &mut self.scenes {
            Some(file) => file.find(&pair.scene, &mut self.issues).map_err(Failure::Disk)?,
            None => None,
        };
        let known = scene.as_ref().map(|scene| &scene.image);
        let image = RowImage {
            path: head.image,
            width: known.map_or(0, |image| image.width),
            height: known.map_or(0, |image| image.height),
            sha256: known.map(|image| image.sha256.clone()).unwrap_or_default(),
        };
        Ok(Some(QaRow { row: self.line, image, scene, pair }))
    }
}

enum Failure {
    Line(Problem),
    Disk(crate::QaError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Line(problem)
    }
}

/// The next line that is not blank. `None` is the end.
pub(super) fn next_full_line(
    name: &str,
    lines: &mut dyn BufRead,
    number: &mut u64,
    buffer: &mut Vec<u8>,
    issues: &mut Issues,
) -> Result<Option<()>> {
    loop {
        let piece = next_line(lines, buffer).map_err(|e| io_error(name, e))?;
        *number += 1;
        match piece {
            Piece::End => return Ok(None),
            Piece::TooLong => {
                issues.add(name, *number, Problem::new("", format!("longer than {MAX_LINE} bytes")));
            }
            Piece::Whole if buffer.iter().all(u8::is_ascii_whitespace) => {}
            Piece::Whole => return Ok(Some(())),
        }
    }
}

impl Iterator for JsonlReader {
    type Item = Result<QaRow>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let got = next_full_line(
                &self.name,
                &mut self.lines,
                &mut self.line,
                &mut self.buffer,
                &mut self.issues,
            );
            let failure = match got {
                Ok(None) => return None,
                Ok(Some(())) => match self.row() {
                    Ok(row) => return row.map(Ok),
                    Err(failure) => failure,
                },
                Err(e) => Failure::Disk(e),
            };
            match failure {
                Failure::Line(problem) => self.issues.add(&self.name, self.line, problem),
                Failure::Disk(e) => {
                    self.failed = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }
}

impl SceneFile {
    fn new(name: String, lines: Box<dyn BufRead + Send>) -> Self {
        Self { name, lines, line: 0, cache: SceneCache::default(), ended: false }
    }

    fn find(&mut self, id: &str, issues: &mut Issues) -> Result<Option<Arc<Scene>>> {
        if let Some(scene) = self.cache.get(id) {
            return Ok(Some(scene));
        }
        let mut buffer = Vec::new();
        while !self.ended {
            if next_full_line(&self.name, &mut self.lines, &mut self.line, &mut buffer, issues)?.is_none() {
                self.ended = true;
                break;
            }
            match parse_scene(&buffer) {
                Ok(scene) => {
                    let scene = self.cache.add(scene, buffer.len());
                    if scene.id == id {
                        return Ok(Some(scene));
                    }
                }
                Err(detail) => issues.add(&self.name, self.line, Problem::new("", detail)),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::samples_for_tests::{any_pairs, scene_with_pairs};
    use proptest::prelude::*;

    fn written(batches: &[(Scene, Vec<QaPair>)], folder: &Path, name: &str) -> (PathBuf, Vec<u8>) {
        let path = folder.join(name);
        let mut writer = Box::new(JsonlWriter::create(&path).unwrap());
        for (scene, pairs) in batches {
            writer.push(scene, "images/a.png", pairs).unwrap();
        }
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn pairs_come_back_and_bytes_are_the_same(pairs in any_pairs(6)) {
            let folder = tempfile::tempdir().unwrap();
            let (scene, _) = scene_with_pairs(0);
            let pairs: Vec<QaPair> =
                pairs.into_iter().map(|pair| QaPair { scene: scene.id.clone(), ..pair }).collect();
            let batches = [(scene.clone(), pairs.clone())];
            let (path, bytes) = written(&batches, folder.path(), "a.jsonl");
            prop_assert_eq!(&bytes, &written(&batches, folder.path(), "b.jsonl").1);
            let mut reader = JsonlReader::open(&path).unwrap();
            let rows: Vec<QaRow> = reader.by_ref().map(Result::unwrap).collect();
            prop_assert_eq!(&reader.issues().list, &vec![]);
            for (row, pair) in rows.iter().zip(&pairs) {
                prop_assert_eq!(&row.pair, pair);
                prop_assert_eq!(row.scene.as_deref(), Some(&scene));
                prop_assert_eq!((row.image.path.as_str(), row.image.width), ("images/a.png", scene.image.width));
            }
            prop_assert_eq!(rows.len(), pairs.len());
        }
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let batch = scene_with_pairs(2);
        let (_, bytes) = written(&[batch], folder.path(), "a.jsonl");
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (bad, wanted) in [
            ("{".to_owned(), "EOF"),
            ("[]".to_owned(), "f:2"),
            ("\u{0}".to_owned(), "f:2"),
            ("[".repeat(200_000), "f:2"),
            (lines[0].replacen("\"image\"", "\"picture\"", 1), "missing field `image`"),
            (lines[0].replace("left_predicate", "sideways"), "unknown variant `sideways`"),
            (lines[0].replace("\"question_template\":", "\"question_template\":-"), "u16"),
        ] {
            let file = format!("{}\n{bad}\n\n{}\n", lines[0], lines[1]);
            let mut reader = JsonlReader::new("f", std::io::Cursor::new(file));
            assert_eq!(reader.by_ref().filter_map(Result::ok).count(), 2, "{wanted}");
            let issues = reader.issues();
            assert_eq!((issues.total, issues.list[0].line), (1, 2));
            assert!(issues.list[0].to_string().contains(wanted), "{}", issues.list[0]);
        }
    }

    #[test]
    fn pairs_without_their_scene_are_read_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(&[scene_with_pairs(2)], folder.path(), "a.jsonl");
        std::fs::write(scenes_path(&path), "{}\n").unwrap();
        let mut reader = JsonlReader::open(&path).unwrap();
        assert!(reader.by_ref().all(|row| row.unwrap().scene.is_none()));
        assert_eq!(reader.issues().total, 1);
        std::fs::remove_file(scenes_path(&path)).unwrap();
        let mut reader = JsonlReader::open(&path).unwrap();
        assert!(reader.by_ref().all(|row| row.unwrap().scene.is_none()));
        assert!(reader.issues().is_empty());
    }
}
