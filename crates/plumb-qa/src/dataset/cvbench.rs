//! Multiple-choice pairs as a benchmark in CV-Bench's columns, with the pictures inside.

use std::path::Path;

use bytes::Bytes;
use plumb_bench::{ParquetRow, Sample};
use plumb_scene::Scene;

use super::atomic::AtomicFile;
use super::{DatasetWriter, Written, write_error};
use crate::{QaPair, Result};

/// A row of the benchmark.
#[derive(Clone, Debug)]
pub struct CvBenchRow {
    pub sample: Sample,
    /// The encoded picture, with its marks drawn.
    pub image: Bytes,
    /// Its path, relative to the folder of the file.
    pub path: String,
}

/// Makes the row of a pair; `None` for a pair that is no multiple choice.
pub type ToCvBench = Box<dyn FnMut(&Scene, &str, &QaPair) -> Result<Option<CvBenchRow>> + Send>;

/// Writes [`super::Format::CvBench`] through [`plumb_bench::write_parquet`].
pub struct CvBenchWriter {
    sink: Sink,
    convert: ToCvBench,
    written: Written,
}

impl CvBenchWriter {
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be made.
    pub fn create(path: &Path, convert: ToCvBench) -> Result<Self> {
        Ok(Self { sink: Sink::new(AtomicFile::create(path)?), convert, written: Written::default() })
    }

    /// Adds a row. Its index in the benchmark is its place in the file.
    ///
    /// # Errors
    /// [`crate::QaError::Write`] when the file cannot be written.
    pub fn push_row(&mut self, row: CvBenchRow) -> Result<()> {
        let mut sample = row.sample;
        sample.idx = i64::try_from(self.written.rows).unwrap_or(i64::MAX);
        sample.id = self.written.rows.to_string();
        self.sink.push(ParquetRow { sample, image: Some(row.image), image_path: Some(row.path) })?;
        self.written.rows += 1;
        Ok(())
    }
}

impl DatasetWriter for CvBenchWriter {
    fn push(&mut self, scene: &Scene, image: &str, pairs: &[QaPair]) -> Result<()> {
        let before = self.written.rows;
        for pair in pairs {
            if let Some(row) = (self.convert)(scene, image, pair)? {
                self.push_row(row)?;
                self.written.pairs += 1;
            }
        }
        self.written.images += u64::from(self.written.rows > before);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        self.sink.finish()?;
        Ok(self.written)
    }
}

fn write_all(mut file: AtomicFile, rows: impl IntoIterator<Item = ParquetRow>) -> Result<AtomicFile> {
    plumb_bench::write_parquet(&mut file, rows, plumb_bench::WriteOptions::default())
        .map_err(|e| write_error(&file.name(), e))?;
    Ok(file)
}

/// `write_parquet` pulls its rows and callers here push theirs, so it runs in a thread of its own behind a short queue.
/// The order of rows is that of the queue.
#[cfg(not(target_family = "wasm"))]
struct Sink {
    name: String,
    // `None` once the end was said.
    queue: Option<std::sync::mpsc::SyncSender<ParquetRow>>,
    thread: Option<std::thread::JoinHandle<Result<AtomicFile>>>,
}

#[cfg(not(target_family = "wasm"))]
impl Sink {
    fn new(file: AtomicFile) -> Self {
        let name = file.name();
        let (queue, rows) = std::sync::mpsc::sync_channel(16);
        let thread = std::thread::spawn(move || write_all(file, rows));
        Self { name, queue: Some(queue), thread: Some(thread) }
    }

    fn push(&mut self, row: ParquetRow) -> Result<()> {
        match &self.queue {
            Some(queue) if queue.send(row).is_ok() => Ok(()),
            // The thread ended early, so it has an error to tell.
            _ => self.end().and_then(|_| Err(write_error(&self.name, "the writer has ended"))),
        }
    }

    fn end(&mut self) -> Result<AtomicFile> {
        self.queue = None;
        match self.thread.take().map(std::thread::JoinHandle::join) {
            Some(Ok(done)) => done,
            _ => Err(write_error(&self.name, "the writer has failed")),
        }
    }

    fn finish(mut self) -> Result<()> {
        self.end()?.commit()
    }
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Sink {
    fn drop(&mut self) {
        // Waited for, so that the temporary file is gone when the writer is.
        drop(self.end());
    }
}

/// Without threads rows wait in memory.
#[cfg(target_family = "wasm")]
struct Sink {
    file: AtomicFile,
    rows: Vec<ParquetRow>,
}

#[cfg(target_family = "wasm")]
impl Sink {
    fn new(file: AtomicFile) -> Self {
        Self { file, rows: Vec::new() }
    }

    fn push(&mut self, row: ParquetRow) -> Result<()> {
        self.rows.push(row);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        write_all(self.file, self.rows)?.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::samples_for_tests::scene_with_pairs;

    fn convert(gold: usize) -> ToCvBench {
        Box::new(move |_, image, pair| {
            let sample = Sample::multiple_choice("x", &pair.question_text, &["a", "b"], gold);
            let image_bytes = Bytes::from_static(b"not a picture");
            let wanted = pair.question_template % 2 == 0;
            Ok(wanted.then(|| CvBenchRow { sample, image: image_bytes, path: image.to_owned() }))
        })
    }

    #[test]
    fn rows_are_read_back_as_a_benchmark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.parquet");
        let (scene, pairs) = scene_with_pairs(500);
        let wanted: Vec<_> = pairs.iter().filter(|p| p.question_template % 2 == 0).collect();
        let mut writer = Box::new(CvBenchWriter::create(&path, convert(1)).unwrap());
        writer.push(&scene, "a.png", &pairs).unwrap();
        let written = writer.finish().unwrap();
        assert_eq!((written.rows, written.images), (wanted.len() as u64, 1));
        let benchmark = plumb_bench::Benchmark::open(&path).unwrap();
        assert_eq!(benchmark.samples().len(), wanted.len());
        for (at, (sample, pair)) in benchmark.samples().iter().zip(wanted).enumerate() {
            assert_eq!((sample.idx, &sample.question), (at as i64, &pair.question_text));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_row_that_nothing_answers_stops_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (scene, pairs) = scene_with_pairs(60);
        let mut writer = Box::new(CvBenchWriter::create(&folder.path().join("a"), convert(2)).unwrap());
        let pushed = writer.push(&scene, "a.png", &pairs);
        let said = pushed.and_then(|()| writer.finish().map(drop)).unwrap_err().to_string();
        assert!(said.contains("none of the options"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
