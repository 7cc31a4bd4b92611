//! Benchmarks written in CV-Bench's Parquet schema, which `datasets` and `pyarrow` read as the original.

use crate::sample::{Sample, letter};
use crate::{BenchError, Result};
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::sync::Arc;

const SCHEMA: &str = "
message schema {
  optional int32 idx;
  optional binary type (STRING);
  optional binary task (STRING);
  optional group image { optional binary bytes; optional binary path (STRING); }
  optional binary question (STRING);
  optional group choices (LIST) { repeated group list { optional binary element (STRING); } }
  optional binary answer (STRING);
  optional binary prompt (STRING);
  optional binary filename (STRING);
  optional binary source (STRING);
  optional binary source_dataset (STRING);
  optional binary source_filename (STRING);
  optional binary target_class (STRING);
  optional int32 target_size;
  optional group bbox (LIST) { repeated group list { optional group element (LIST) {
    repeated group list { optional float element; } } } }
}";

/// What `datasets` reads to know that `image` is a picture.
const HUGGINGFACE: &str = r#"{"info":{"features":{"idx":{"dtype":"int32","_type":"Value"},"type":{"dtype":"string","_type":"Value"},"task":{"dtype":"string","_type":"Value"},"image":{"_type":"Image"},"question":{"dtype":"string","_type":"Value"},"choices":{"feature":{"dtype":"string","_type":"Value"},"_type":"Sequence"},"answer":{"dtype":"string","_type":"Value"},"prompt":{"dtype":"string","_type":"Value"},"filename":{"dtype":"string","_type":"Value"},"source":{"dtype":"string","_type":"Value"},"source_dataset":{"dtype":"string","_type":"Value"},"source_filename":{"dtype":"string","_type":"Value"},"target_class":{"dtype":"string","_type":"Value"},"target_size":{"dtype":"int32","_type":"Value"},"bbox":{"feature":{"feature":{"dtype":"float32","_type":"Value"},"_type":"Sequence"},"_type":"Sequence"}}}}"#;

/// One row to write.
#[derive(Clone, Debug)]
pub struct ParquetRow {
    /// `id` and `row` are not written: a reader takes them from `idx` and the place in the file.
    pub sample: Sample,
    /// The encoded image (JPEG, PNG, ...).
    pub image: Option<Bytes>,
    /// The `image.path` column; readers without bytes look for this file.
    pub image_path: Option<String>,
}

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Rows per row group. Hugging Face writes image data sets with 100, so that one row is cheap to reach.
    pub rows_per_group: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { rows_per_group: 100 }
    }
}

/// Writes rows as Snappy-compressed Parquet and returns how many were written. At most one row group of images is in
/// memory at a time.
///
/// # Errors
/// [`BenchError::Write`] when the sink fails, when `idx` or `target_size` does not fit 32 bits, or when a row's gold
/// is none of its options.
pub fn write_parquet<W: Write + Send>(
    out: W,
    rows: impl IntoIterator<Item = ParquetRow>,
    options: WriteOptions,
) -> Result<usize> {
    let schema = parse_message_type(SCHEMA).map_err(fail)?;
    let bytes = ColumnPath::from(vec!["image".to_owned(), "bytes".to_owned()]);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // Images are all different and their least and greatest mean nothing.
        .set_column_dictionary_enabled(bytes.clone(), false)
        .set_column_statistics_enabled(bytes, EnabledStatistics::None)
        .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".to_owned(), HUGGINGFACE.to_owned())]))
        .build();
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(fail)?;
    let (mut group, mut written) = (Vec::new(), 0);
    for row in rows {
        check(&row.sample)?;
        group.push(row);
        if group.len() >= options.rows_per_group.max(1) {
            written += write_group(&mut writer, &group)?;
            group.clear();
        }
    }
    if !group.is_empty() {
        written += write_group(&mut writer, &group)?;
    }
    writer.close().map_err(fail)?;
    Ok(written)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
fn fail(e: ParquetError) -> BenchError {
    BenchError::Write { why: e.to_string() }
}

fn check(sample: &Sample) -> Result<()> {
    let wrong = |what: &str| Err(BenchError::Write { why: format!("row `{}`: {what}", sample.id) });
    if i32::try_from(sample.idx).is_err() {
        return wrong("idx does not fit 32 bits");
    }
    if sample.target_size.is_some_and(|n| i32::try_from(n).is_err()) {
        return wrong("target_size does not fit 32 bits");
    }
    if sample.gold >= sample.options.len().min(crate::sample::MAX_OPTIONS) {
        return wrong("the gold answer is none of the options");
    }
    Ok(())
}

fn write_group<W: Write + Send>(writer: &mut SerializedFileWriter<W>, rows: &[ParquetRow]) -> Result<usize> {
    let mut group = writer.next_row_group().map_err(fail)?;
    let text = |s: &str| Some(ByteArray::from(s));
    let int = |n: i64| i32::try_from(n).ok();
    flat::<_, Int32Type>(&mut group, rows, 1, |r| int(r.sample.idx))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(r.sample.kind.name()))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(r.sample.task.name()))?;
    flat::<_, ByteArrayType>(&mut group, rows, 2, |r| r.image.clone().map(ByteArray::from))?;
    flat::<_, ByteArrayType>(&mut group, rows, 2, |r| r.image_path.as_deref().map(ByteArray::from))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&r.sample.question))?;
    write_choices(&mut group, rows)?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&format!("({})", letter(r.sample.gold))))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&r.sample.prompt))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&r.sample.filename))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&r.sample.source))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&r.sample.source_dataset))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| text(&r.sample.source_filename))?;
    flat::<_, ByteArrayType>(&mut group, rows, 1, |r| r.sample.target_class.as_deref().map(ByteArray::from))?;
    flat::<_, Int32Type>(&mut group, rows, 1, |r| r.sample.target_size.and_then(int))?;
    write_boxes(&mut group, rows)?;
    group.close().map_err(fail)?;
    Ok(rows.len())
}

/// A column without lists: `None` is written as null, at definition level `depth` − 1 (the value's parent is there).
fn flat<W: Write + Send, T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[ParquetRow],
    depth: i16,
    value: impl Fn(&ParquetRow) -> Option<T::T>,
) -> Result<()> {
    let cells: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = cells.iter().map(|c| if c.is_some() { depth } else { depth - 1 }).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    column::<W, T>(group, &values, &levels, None)
}

fn column<W: Write + Send, T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definition: &[i16],
    repetition: Option<&[i16]>,
) -> Result<()> {
    let mut column = group.next_column().map_err(fail)?.ok_or_else(|| BenchError::Write {
        why: "the schema has fewer columns than the writer".to_owned(),
    })?;
    column.typed::<T>().write_batch(values, Some(definition), repetition).map_err(fail)?;
    column.close().map_err(fail)
}

fn write_choices<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[ParquetRow],
) -> Result<()> {
    // Levels of list<string>: 1 is an empty list, 3 an element; repetition 1 continues the row's list.
    let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        for (i, option) in row.sample.options.iter().enumerate() {
            values.push(ByteArray::from(option.as_str()));
            definition.push(3);
            repetition.push(i16::from(i > 0));
        }
        if row.sample.options.is_empty() {
            definition.push(1);
            repetition.push(0);
        }
    }
    column::<W, ByteArrayType>(group, &values, &definition, Some(&repetition))
}

fn write_boxes<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[ParquetRow],
) -> Result<()> {
    // Levels of list<list<float>>: 0 is null, 5 an element; repetition 1 begins a box, 2 continues it.
    let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        for (b, corners) in row.sample.boxes.iter().enumerate() {
            for (i, &corner) in corners.iter().enumerate() {
                values.push(corner);
                definition.push(5);
                repetition.push(match (b, i) {
                    (0, 0) => 0,
                    (_, 0) => 1,
                    _ => 2,
                });
            }
        }
        if row.sample.boxes.is_empty() {
            definition.push(0);
            repetition.push(0);
        }
    }
    column::<W, FloatType>(group, &values, &definition, Some(&repetition))
}
