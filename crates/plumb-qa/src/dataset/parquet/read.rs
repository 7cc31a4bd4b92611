//! The file as a stream of rows, a batch at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;

use super::chunk::{Source, check_ends};
use super::column::{Leaf, Stream};
use super::row::{Draft, SETTERS, Set};
use super::schema::{COLUMNS, meta_of};
use crate::dataset::scenes::{SceneCache, parse_scene};
use crate::dataset::{DatasetMeta, QaRow, RenderText, format_error, io_error};
use crate::{QaError, Result};

/// Rows decoded at once. Other tools write row groups of a million.
const BATCH: usize = 512;

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether to read scenes. Training does not need them, and they are the larger part of the work.
    pub geometry: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { geometry: true }
    }
}

/// Reads the Parquet form of a data set, in order, with one batch of rows and the packed columns of one row group in
/// memory.
///
/// An item is `Err` when a row says something impossible (row and column are named; the rows after it follow) or when
/// the file is broken (nothing follows).
pub struct ParquetQaReader<'r> {
    name: String,
    source: Source,
    footer: ParquetMetaData,
    meta: DatasetMeta,
    /// Of each column that is read, with its place in [`COLUMNS`].
    leaves: Vec<(usize, Leaf)>,
    rows: u64,
    group: usize,
    /// The open row group: its columns and the rows left in them.
    open: Option<(Vec<Stream>, usize)>,
    ready: VecDeque<Draft>,
    row: u64,
    scenes: SceneCache,
    render: Option<Box<dyn RenderText + 'r>>,
    failed: bool,
}

/// Runs code of the Parquet reader, which asserts some of what a damaged page can break (bit reader, dictionary
/// decoder, slices of a page): such a panic becomes an error here, at the one seam to it. Where panics abort (wasm) the
/// checks of sizes before it still hold.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What a panic leaves half-changed are column readers, and they are dropped.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("its pages contradict each other".to_owned()))
}

impl<'r> ParquetQaReader<'r> {
    /// # Errors
    /// [`QaError::Io`] when the file cannot be opened; [`QaError::Format`] when it is no Parquet file, is cut short, has
    /// a later format version, or a column is missing or has another type.
    pub fn open(path: &Path, options: ReadOptions) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| io_error(&name, e))?;
        Self::new(name, Source::Disk(file), options)
    }

    /// Reads a file that is already in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(name: &str, bytes: Bytes, options: ReadOptions) -> Result<Self> {
        Self::new(name.to_owned(), Source::Memory(bytes), options)
    }

    fn new(name: String, source: Source, options: ReadOptions) -> Result<Self> {
        let fail = |detail: String| format_error(&name, detail);
        check_ends(&source).map_err(fail)?;
        let footer = guarded(|| match &source {
            Source::Memory(bytes) => footer(bytes),
            Source::Disk(file) => footer(file),
        })
        .map_err(fail)?;
        let file = footer.file_metadata();
        let meta = meta_of(file.key_value_metadata().map_or(&[][..], Vec::as_slice)).map_err(fail)?;
        let mut rows = 0_u64;
        for group in footer.row_groups() {
            let count = u64::try_from(group.num_rows())
                .map_err(|_| fail("a row group declares a negative number of rows".to_owned()))?;
            rows = rows.saturating_add(count);
        }
        let mut leaves = Vec::new();
        for (at, column) in COLUMNS.iter().enumerate() {
            if column.name == "geometry" && !options.geometry {
                continue;
            }
            leaves.push((at, Leaf::find(file.schema_descr(), column).map_err(fail)?));
        }
        Ok(Self {
            name,
            source,
            footer,
            meta,
            leaves,
            rows,
            group: 0,
            open: None,
            ready: VecDeque::new(),
            row: 0,
            scenes: SceneCache::default(),
            render: None,
            failed: false,
        })
    }

    /// Makes the text of rows that were written without.
    #[must_use]
    pub fn render_with(mut self, render: impl RenderText + 'r) -> Self {
        self.render = Some(Box::new(render));
        self
    }

    /// What the file was made with, as far as it says.
    #[must_use]
    pub fn meta(&self) -> &DatasetMeta {
        &self.meta
    }

    /// Rows that the footer declares.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Decodes the next batch; `false` at the end.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            let (mut streams, left) = match self.open.take() {
                Some(open) => open,
                None => {
                    let Some(group) = self.footer.row_groups().get(self.group) else {
                        return Ok(false);
                    };
                    self.group += 1;
                    let rows = usize::try_from(group.num_rows()).map_err(|_| "too many rows")?;
                    let (source, leaves) = (&self.source, &self.leaves);
                    // Chunks do not overlap in an honest file; in another, few bytes could be read many times over.
                    let packed =
                        group.columns().iter().fold(0_i64, |sum, c| sum.saturating_add(c.compressed_size()));
                    if u64::try_from(packed).is_ok_and(|packed| packed > source.size()) {
                        return Err(format!("a row group declares {packed} bytes of {}", source.size()));
                    }
                    let streams = guarded(|| {
                        let stream = |(at, leaf): &(usize, Leaf)| {
                            Stream::open(source, group, leaf).map_err(|e| named(*at, &e))
                        };
                        leaves.iter().map(stream).collect()
                    })?;
                    (streams, rows)
                }
            };
            if left == 0 {
                continue;
            }
            let count = left.min(BATCH);
            let leaves = &self.leaves;
            let (streams, drafts) = guarded(|| {
                let mut drafts = vec![Draft::default(); count];
                for (stream, (at, _)) in streams.iter_mut().zip(leaves) {
                    fill(stream, *at, &mut drafts).map_err(|e| named(*at, &e))?;
                }
                Ok((streams, drafts))
            })?;
            self.ready.extend(drafts);
            self.open = Some((streams, left - count));
            return Ok(true);
        }
    }

    fn finish(&mut self, mut draft: Draft) -> Result<QaRow> {
        let row = self.row;
        self.row += 1;
        let fail = |detail: String| format_error(&self.name, format!("row {row}, {detail}"));
        if let Some(json) = draft.geometry.take() {
            let scene = parse_scene(json.as_bytes()).map_err(|e| fail(format!("column `geometry`: {e}")))?;
            self.scenes.add(scene, json.len());
        }
        let (image, mut pair, has_text) = draft.into_pair().map_err(fail)?;
        if let (false, Some(render)) = (has_text, &self.render) {
            (pair.question_text, pair.answer_text) = render.render(&pair)?;
        }
        let scene = self.scenes.get(&pair.scene);
        Ok(QaRow { row, image, scene, pair })
    }
}

fn footer<R: ChunkReader>(reader: &R) -> Result<ParquetMetaData, String> {
    ParquetMetaDataReader::new().parse_and_finish(reader).map_err(|e| e.to_string())
}

fn named(column: usize, detail: &str) -> String {
    format!("the column `{}`: {detail}", COLUMNS.get(column).map_or("?", |column| column.name))
}

fn fill(stream: &mut Stream, at: usize, drafts: &mut [Draft]) -> Result<(), String> {
    let rows = drafts.len();
    match SETTERS.get(at) {
        Some(Set::Text(set)) => drafts.iter_mut().zip(stream.texts(rows)?).for_each(|(d, v)| set(d, v)),
        Some(Set::Int(set)) => drafts.iter_mut().zip(stream.ints(rows)?).for_each(|(d, v)| set(d, v)),
        Some(Set::Double(set)) => drafts.iter_mut().zip(stream.doubles(rows)?).for_each(|(d, v)| set(d, v)),
        Some(Set::Bool(set)) => drafts.iter_mut().zip(stream.bools(rows)?).for_each(|(d, v)| set(d, v)),
        Some(Set::Texts(set)) => drafts.iter_mut().zip(stream.text_lists(rows)?).for_each(|(d, v)| set(d, v)),
        Some(Set::Ints(set)) => drafts.iter_mut().zip(stream.int_lists(rows)?).for_each(|(d, v)| set(d, v)),
        Some(Set::Doubles(set)) => {
            drafts.iter_mut().zip(stream.double_lists(rows)?).for_each(|(d, v)| set(d, v));
        }
        None => {}
    }
    Ok(())
}

impl Iterator for ParquetQaReader<'_> {
    type Item = Result<QaRow>;

    fn next(&mut self) -> Option<Result<QaRow>> {
        while !self.failed {
            if let Some(draft) = self.ready.pop_front() {
                return Some(self.finish(draft));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(detail) => {
                    self.failed = true;
                    return Some(Err(QaError::Format { path: self.name.clone(), detail }));
                }
            }
        }
        None
    }
}
