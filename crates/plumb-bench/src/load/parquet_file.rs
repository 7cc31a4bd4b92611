//! One Parquet file: its text at once, its images one at a time.

use super::columns::{GroupReader, Leaf};
use super::guard::{MAX_IMAGE_PAGE, check_chunk};
use super::row::RawRow;
use super::source::Source;
use crate::{BenchError, Result};
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// The most rows of one file.
pub(super) const MAX_ROWS: u64 = 1_000_000;
/// The most bytes of the footer, which is read whole.
const MAX_FOOTER: u64 = 64 << 20;
/// The most bytes of one encoded image.
pub(super) const MAX_IMAGE: u64 = 256 << 20;

pub(super) struct ParquetFile {
    name: String,
    source: Source,
    reader: SerializedFileReader<Source>,
    /// First row of every row group, and the number of rows at the end.
    starts: Vec<usize>,
    image: Option<Leaf>,
    cursor: Mutex<Option<Cursor>>,
}

/// Where the last image was read; the next one is usually right behind it.
struct Cursor {
    group: usize,
    /// The next row of the group that `column` will give.
    next: usize,
    column: ColumnReaderImpl<ByteArrayType>,
    /// The image given last: a viewer asks for it again.
    last: Option<(usize, Option<Bytes>)>,
}

/// Runs code of the Parquet reader. It still asserts some of what a damaged page can break: of 60 000 mutations of the
/// test files 15 reached a panic in its bit reader, its dictionary decoder or a slice of a page. Such a panic becomes
/// an error here, at the one seam to that reader. Where panics abort (wasm) the size checks before it still hold.
fn guarded<T>(file: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing the closure can leave half-changed is used after a panic: column readers are dropped.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(BenchError::parquet(file, "its pages contradict each other")))
}

impl ParquetFile {
    pub(super) fn open(name: &str, source: Source) -> Result<Self> {
        check_footer(name, &source)?;
        guarded(name, || {
            let reader =
                SerializedFileReader::new(source.clone()).map_err(|e| BenchError::parquet(name, e))?;
            let mut starts = vec![0];
            let mut total = 0_u64;
            for group in reader.metadata().row_groups() {
                let rows = u64::try_from(group.num_rows()).map_err(|_| {
                    BenchError::parquet(name, "a row group declares a negative number of rows")
                })?;
                total = total.saturating_add(rows);
                if total > MAX_ROWS {
                    return Err(BenchError::too_large(name, "the number of rows", total, MAX_ROWS));
                }
                starts.push(usize::try_from(total).unwrap_or(usize::MAX));
            }
            let schema = reader.metadata().file_metadata().schema_descr();
            let image = image_bytes(schema);
            Ok(Self { name: name.to_owned(), source, reader, starts, image, cursor: Mutex::new(None) })
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Whether images are inside the file.
    pub(super) fn has_images(&self) -> bool {
        self.image.is_some()
    }

    /// All rows without their images.
    pub(super) fn read_rows(&self) -> Result<Vec<RawRow>> {
        guarded(&self.name, || self.read_rows_unguarded())
    }

    fn read_rows_unguarded(&self) -> Result<Vec<RawRow>> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let columns = Columns::find(schema, &self.name)?;
        let mut rows = Vec::with_capacity(self.rows());
        let mut text_bytes = 0;
        for (group, pair) in self.starts.windows(2).enumerate() {
            let count = pair[1] - pair[0];
            let mut reader = GroupReader {
                reader: &self.reader,
                source: &self.source,
                file: &self.name,
                group,
                rows: count,
                text_bytes: &mut text_bytes,
            };
            let at = rows.len();
            rows.resize_with(at + count, RawRow::default);
            columns.read(&mut reader, &mut rows[at..])?;
        }
        Ok(rows)
    }

    /// The encoded image of a row; `None` where the cell is null. Reading forward is cheap; a row behind the last one
    /// starts its row group again.
    pub(super) fn image(&self, row: usize) -> Result<Option<Bytes>> {
        let Some(leaf) = &self.image else {
            return Ok(None);
        };
        let group = self.starts.partition_point(|&s| s <= row).saturating_sub(1);
        let start = self.starts.get(group).copied().unwrap_or(0);
        let Some(within) = row.checked_sub(start).filter(|_| row < self.rows()) else {
            return Err(BenchError::NoSuchRow { row, rows: self.rows() });
        };
        // A panic while the lock was held left `None` behind (the cursor is taken out below), which is sound.
        let mut slot = self.cursor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cursor = slot.take();
        if let Some(c) = &cursor
            && let Some((_, image)) = c.last.as_ref().filter(|(at, _)| *at == row)
        {
            let image = image.clone();
            *slot = cursor;
            return Ok(image);
        }
        let (image, cursor) = guarded(&self.name, || {
            let mut cursor = match cursor.filter(|c| c.group == group && c.next <= within) {
                Some(c) => c,
                None => self.open_images(leaf, group)?,
            };
            let image = self.advance(&mut cursor, within)?;
            cursor.last = Some((row, image.clone()));
            Ok((image, cursor))
        })?;
        *slot = Some(cursor);
        Ok(image)
    }

    fn open_images(&self, leaf: &Leaf, group: usize) -> Result<Cursor> {
        let fail = |e: parquet::errors::ParquetError| BenchError::parquet(&self.name, e);
        let column = self
            .reader
            .metadata()
            .row_group(group)
            .columns()
            .get(leaf.index)
            .ok_or_else(|| BenchError::parquet(&self.name, "a row group has no image column"))?;
        check_chunk(&self.source, &self.name, column, MAX_IMAGE_PAGE)?;
        let reader = self.reader.get_row_group(group).map_err(fail)?;
        match reader.get_column_reader(leaf.index).map_err(fail)? {
            ColumnReader::ByteArrayColumnReader(column) => Ok(Cursor { group, next: 0, column, last: None }),
            _ => Err(BenchError::parquet(&self.name, "the image column does not hold bytes")),
        }
    }

    fn advance(&self, cursor: &mut Cursor, within: usize) -> Result<Option<Bytes>> {
        let fail = |e: parquet::errors::ParquetError| BenchError::parquet(&self.name, e);
        let short = || BenchError::parquet(&self.name, "the image column has fewer rows than the row group");
        let skip = within - cursor.next;
        if skip > 0 && cursor.column.skip_records(skip).map_err(fail)? != skip {
            return Err(short());
        }
        let (mut values, mut definition): (Vec<ByteArray>, Vec<i16>) = (Vec::new(), Vec::new());
        let (records, _, _) =
            cursor.column.read_records(1, Some(&mut definition), None, &mut values).map_err(fail)?;
        if records != 1 {
            return Err(short());
        }
        cursor.next = within + 1;
        let Some(image) = values.first() else {
            return Ok(None);
        };
        if image.len() as u64 > MAX_IMAGE {
            return Err(BenchError::too_large(
                &self.name,
                "an image, in bytes,",
                image.len() as u64,
                MAX_IMAGE,
            ));
        }
        // A copy, because the value is a slice of its whole page and would keep that alive.
        Ok(Some(Bytes::copy_from_slice(image.data())))
    }
}

fn check_footer(name: &str, source: &Source) -> Result<()> {
    let size = source.size();
    let mut head = [0; 4];
    let mut tail = [0; 8];
    let short = || BenchError::parquet(name, format!("it has {size} bytes, too few for a Parquet file"));
    if size < 12 {
        return Err(short());
    }
    let got = source.read_at(0, &mut head).map_err(|e| BenchError::io(name, e))?
        + source.read_at(size - 8, &mut tail).map_err(|e| BenchError::io(name, e))?;
    if got != 12 {
        return Err(short());
    }
    let [a, b, c, d, magic @ ..] = tail;
    if &head != b"PAR1" || &magic != b"PAR1" {
        let why = if &head == b"PAR1" {
            "it does not end in PAR1: the download was cut short"
        } else {
            "it does not begin with PAR1"
        };
        return Err(BenchError::parquet(name, why));
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > size - 12 {
        return Err(BenchError::parquet(name, format!("its footer declares {footer} of {size} bytes")));
    }
    if footer > MAX_FOOTER {
        return Err(BenchError::too_large(name, "the footer, in bytes,", footer, MAX_FOOTER));
    }
    Ok(())
}

/// The column with encoded images: `image.bytes` (as `datasets` writes), or `image` itself when it holds bytes.
fn image_bytes(schema: &SchemaDescriptor) -> Option<Leaf> {
    Leaf::at(schema, &["image", "bytes"])
        .or_else(|| Leaf::at(schema, &["image"]).filter(|leaf| !is_text(schema, leaf.index)))
        .filter(|leaf| {
            leaf.physical == Physical::BYTE_ARRAY && leaf.expect("", 0, &[Physical::BYTE_ARRAY], "").is_ok()
        })
}

fn is_text(schema: &SchemaDescriptor, index: usize) -> bool {
    schema.columns().get(index).is_some_and(|c| {
        matches!(c.logical_type_ref(), Some(LogicalType::String)) || c.converted_type() == ConvertedType::UTF8
    })
}

type SetText = fn(&mut RawRow, Option<String>);
type SetInteger = fn(&mut RawRow, Option<i64>);

/// The columns that make a row.
struct Columns {
    texts: Vec<(Leaf, SetText)>,
    integers: Vec<(Leaf, SetInteger)>,
    choices: Leaf,
    boxes: Option<Leaf>,
}

impl Columns {
    fn find(schema: &SchemaDescriptor, file: &str) -> Result<Self> {
        let wanted: [(&[&str], bool, SetText); 13] = [
            (&["prompt"], true, |r, v| r.prompt = v),
            (&["answer"], true, |r, v| r.answer = v),
            (&["task"], true, |r, v| r.task = v),
            (&["type"], false, |r, v| r.kind = v),
            (&["question"], false, |r, v| r.question = v),
            (&["filename"], false, |r, v| r.filename = v),
            (&["source"], false, |r, v| r.source = v),
            (&["source_dataset"], false, |r, v| r.source_dataset = v),
            (&["source_filename"], false, |r, v| r.source_filename = v),
            (&["target_class"], false, |r, v| r.target_class = v),
            (&["image", "path"], false, |r, v| r.image_path = v),
            (&["image_path"], false, |r, v| r.image_path = v),
            (&["image"], false, |r, v| r.image_path = v),
        ];
        let mut texts = Vec::new();
        for (path, required, set) in wanted {
            match Leaf::at(schema, path) {
                // `image` is a path only when it is a text; as bytes it is the image.
                Some(leaf) if path == ["image"] && !is_text(schema, leaf.index) => {}
                Some(leaf) => {
                    // pandas writes a column of nothing but nulls as whole numbers.
                    if !required && leaf.physical == Physical::INT32 {
                        continue;
                    }
                    leaf.expect(file, 0, &[Physical::BYTE_ARRAY], "a column of texts")?;
                    texts.push((leaf, set));
                }
                None if required => return Err(missing(schema, file, path)),
                None => {}
            }
        }
        let wanted: [(&str, SetInteger); 2] =
            [("idx", |r, v| r.idx = v), ("target_size", |r, v| r.target_size = v)];
        let numbers = [Physical::INT32, Physical::INT64, Physical::DOUBLE];
        let mut integers = Vec::new();
        for (name, set) in wanted {
            if let Some(leaf) = Leaf::at(schema, &[name]) {
                leaf.expect(file, 0, &numbers, "a column of whole numbers")?;
                integers.push((leaf, set));
            }
        }
        let choices = Leaf::below(schema, "choices").ok_or_else(|| missing(schema, file, &["choices"]))?;
        choices.expect(file, 1, &[Physical::BYTE_ARRAY], "a list of texts")?;
        // A column without a single box has no list in it, and pandas writes it as whole numbers.
        let boxes = Leaf::below(schema, "bbox").filter(|l| l.physical != Physical::INT32);
        if let Some(leaf) = &boxes {
            leaf.expect(file, 2, &[Physical::FLOAT, Physical::DOUBLE], "a list of lists of numbers")?;
        }
        Ok(Self { texts, integers, choices, boxes })
    }

    fn read(&self, reader: &mut GroupReader<'_>, rows: &mut [RawRow]) -> Result<()> {
        for (leaf, set) in &self.texts {
            for (row, value) in rows.iter_mut().zip(reader.texts(leaf)?) {
                set(row, value);
            }
        }
        for (leaf, set) in &self.integers {
            for (row, value) in rows.iter_mut().zip(reader.integers(leaf)?) {
                set(row, value);
            }
        }
        for (row, value) in rows.iter_mut().zip(reader.text_lists(&self.choices)?) {
            row.choices = value;
        }
        if let Some(leaf) = &self.boxes {
            for (row, value) in rows.iter_mut().zip(reader.boxes(leaf)?) {
                row.boxes = value;
            }
        }
        Ok(())
    }
}

fn missing(schema: &SchemaDescriptor, file: &str, path: &[&str]) -> BenchError {
    let names: Vec<&str> = schema.root_schema().get_fields().iter().take(40).map(|f| f.name()).collect();
    BenchError::MissingColumn {
        file: file.to_owned(),
        column: path.join("."),
        found: if names.is_empty() { "no columns".to_owned() } else { names.join(", ") },
    }
}
