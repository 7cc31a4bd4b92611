//! Rows into the columns of a row group, and row groups into the file.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use plumb_scene::Scene;

use super::buffer::Buffer;
use super::schema::{COLUMNS, message, properties};
use crate::dataset::atomic::AtomicFile;
use crate::dataset::names::Named;
use crate::dataset::{DatasetMeta, DatasetWriter, Written, write_error};
use crate::pair::Answer;
use crate::{QaPair, Result};

/// Rows of a row group: enough for columns to compress, few enough to hold in memory.
pub const ROWS_PER_GROUP: usize = 20_000;
/// A row group ends early at so many bytes of text, geometry included.
const TEXT_PER_GROUP: usize = 128 << 20;

/// Writes the Parquet form of a data set. At most one row group is in memory.
pub struct ParquetQaWriter<W: Write + Send> {
    name: String,
    writer: SerializedFileWriter<W>,
    buffers: Vec<Buffer>,
    rows: usize,
    bytes: usize,
    /// The scene of the last row of this row group.
    scene: Option<String>,
    text: bool,
    written: Written,
}

impl ParquetQaWriter<AtomicFile> {
    /// Opens a file that gets its name when it is finished.
    ///
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be made.
    pub fn create(path: &Path, meta: &DatasetMeta) -> Result<Self> {
        let file = AtomicFile::create(path)?;
        Self::named(file.name(), file, meta)
    }
}

impl<W: Write + Send> ParquetQaWriter<W> {
    /// # Errors
    /// [`crate::QaError::Write`] when the sink refuses the first bytes.
    pub fn new(out: W, meta: &DatasetMeta) -> Result<Self> {
        Self::named("the data set".to_owned(), out, meta)
    }

    fn named(name: String, out: W, meta: &DatasetMeta) -> Result<Self> {
        let fail = |e: ParquetError| write_error(&name, e);
        let schema = parse_message_type(&message()).map_err(fail)?;
        let writer =
            SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties(meta))).map_err(fail)?;
        Ok(Self {
            name,
            writer,
            buffers: COLUMNS.iter().map(|column| Buffer::new(column.ty)).collect(),
            rows: 0,
            bytes: 0,
            scene: None,
            text: meta.text,
            written: Written::default(),
        })
    }

    /// Adds the pairs of one image.
    ///
    /// # Errors
    /// [`crate::QaError::Write`] when the sink refuses, or an object's id or a count does not fit 31 bits.
    pub fn push(&mut self, scene: &Scene, image: &str, pairs: &[QaPair]) -> Result<()> {
        for pair in pairs {
            if self.rows >= ROWS_PER_GROUP || self.bytes >= TEXT_PER_GROUP {
                self.flush()?;
            }
            let first = self.scene.as_deref() != Some(&pair.scene);
            let geometry = if first && pair.scene == scene.id {
                Some(serde_json::to_string(scene).map_err(|e| write_error(&self.name, e))?)
            } else {
                None
            };
            if first {
                self.scene = Some(pair.scene.clone());
            }
            let mut row = Row { buffers: self.buffers.iter_mut(), bytes: 0, too_large: None };
            row.fill(scene, image, pair, self.text, geometry.as_deref());
            if let Some(value) = row.too_large {
                let detail =
                    format!("scene {}, {}: {value} does not fit 31 bits", pair.scene, pair.question.kind);
                return Err(write_error(&self.name, detail));
            }
            self.bytes += row.bytes;
            self.rows += 1;
        }
        self.written.add(pairs, pairs.len());
        Ok(())
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// [`crate::QaError::Write`] when the sink refuses.
    pub fn into_inner(mut self) -> Result<(W, Written)> {
        self.flush()?;
        let out = self.writer.into_inner().map_err(|e| write_error(&self.name, e))?;
        Ok((out, self.written))
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows > 0 {
            let fail = |e| write_error(&self.name, e);
            let mut group = self.writer.next_row_group().map_err(fail)?;
            for (buffer, column) in self.buffers.iter_mut().zip(COLUMNS) {
                buffer.write(&mut group, column.nullable).map_err(fail)?;
            }
            group.close().map_err(fail)?;
        }
        (self.rows, self.bytes, self.scene) = (0, 0, None);
        Ok(())
    }
}

impl DatasetWriter for ParquetQaWriter<AtomicFile> {
    fn push(&mut self, scene: &Scene, image: &str, pairs: &[QaPair]) -> Result<()> {
        Self::push(self, scene, image, pairs)
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        let (file, written) = self.into_inner()?;
        file.commit()?;
        Ok(written)
    }
}

/// The cells of one row, from left to right. A cell of the wrong type leaves its column short, which the Parquet
/// writer refuses.
struct Row<'a> {
    buffers: std::slice::IterMut<'a, Buffer>,
    bytes: usize,
    too_large: Option<u32>,
}

impl Row<'_> {
    fn fill(&mut self, scene: &Scene, image: &str, pair: &QaPair, text: bool, geometry: Option<&str>) {
        let (question, answer, proof) = (&pair.question, &pair.answer, &pair.proof);
        self.text(Some(&pair.scene));
        self.text(Some(image));
        self.id(Some(scene.image.width));
        self.id(Some(scene.image.height));
        self.text(Some(&scene.image.sha256));
        self.text(Some(question.kind.name()));
        self.int(Some(i32::from(pair.question_template)));
        self.int(Some(i32::from(pair.answer_template)));
        self.ids(question.objects.iter().copied());
        self.ids(pair.mentions.iter().map(|mention| mention.object));
        self.texts(pair.mentions.iter().map(|mention| mention.by.name()));
        self.texts(pair.mentions.iter().map(|mention| mention.text.as_str()));
        self.int(Some(i32::from(question.rank)));
        self.text(Some(&question.category));
        self.texts(question.options.iter().map(String::as_str));
        self.answer(answer);
        self.ids(pair.marks.iter().map(|mark| mark.object));
        let colours = pair.marks.iter().map(|mark| {
            let [r, g, b] = mark.colour;
            format!("#{r:02x}{g:02x}{b:02x}")
        });
        self.texts(colours);
        self.floats(pair.marks.iter().flat_map(|mark| mark.rect));
        self.doubles(proof.points.iter().flatten().copied());
        self.texts(proof.facts.iter().map(|fact| fact.name.name()));
        self.ids(proof.facts.iter().flat_map(|fact| fact.objects));
        self.doubles(proof.facts.iter().map(|fact| fact.value));
        self.doubles(proof.facts.iter().map(|fact| fact.sigma));
        self.text(text.then_some(pair.question_text.as_str()));
        self.text(text.then_some(pair.answer_text.as_str()));
        self.texts(pair.steps.iter().map(String::as_str));
        self.text(geometry);
    }

    fn answer(&mut self, answer: &Answer) {
        let (mut yes, mut index, mut side, mut number, mut length) = (None, None, None, None, None);
        let form = match answer {
            Answer::YesNo(value) => {
                yes = Some(*value);
                "yes_no"
            }
            Answer::Object(value) => {
                index = Some(i32::from(*value));
                "object"
            }
            Answer::Side(value) => {
                side = Some(value.name());
                "side"
            }
            Answer::Length(value) => {
                length = Some(value);
                "length"
            }
            Answer::Count(value) => {
                number = Some(*value);
                "count"
            }
            Answer::Clock(value) => {
                number = Some(u32::from(*value));
                "clock"
            }
            Answer::Option(value) => {
                index = Some(i32::from(*value));
                "option"
            }
        };
        self.text(Some(form));
        self.bool(yes);
        self.int(index);
        self.text(side);
        self.id(number);
        self.double(length.map(|q| q.value_m));
        self.double(length.map(|q| q.sigma_m));
        self.text(length.map(|q| q.unit.name()));
        self.text(length.map(|q| q.text.as_str()));
        self.double(length.map(|q| q.said_m));
        self.double(length.map(|q| q.tolerance_m));
    }

    fn text(&mut self, value: Option<&str>) {
        if let Some(Buffer::Text(cells)) = self.buffers.next() {
            self.bytes += value.map_or(0, str::len);
            cells.levels.cell(value.is_some());
            cells.values.extend(value);
        }
    }

    fn texts(&mut self, values: impl Iterator<Item = impl AsRef<str>>) {
        if let Some(Buffer::Text(cells)) = self.buffers.next() {
            let mut count = 0;
            for value in values {
                self.bytes += value.as_ref().len();
                cells.values.extend(Some(value.as_ref()));
                count += 1;
            }
            cells.levels.list(count);
        }
    }

    fn id(&mut self, value: Option<u32>) {
        let value = value.map(|value| self.fit(value));
        self.int(value);
    }

    fn fit(&mut self, value: u32) -> i32 {
        i32::try_from(value).unwrap_or_else(|_| {
            self.too_large = Some(value);
            0
        })
    }

    fn ids(&mut self, values: impl Iterator<Item = u32>) {
        if let Some(Buffer::Int(cells)) = self.buffers.next() {
            let before = cells.values.len();
            for value in values {
                match i32::try_from(value) {
                    Ok(value) => cells.values.push(value),
                    Err(_) => self.too_large = Some(value),
                }
            }
            cells.levels.list(cells.values.len() - before);
        }
    }

    fn int(&mut self, value: Option<i32>) {
        if let Some(Buffer::Int(cells)) = self.buffers.next() {
            cells.cell(value);
        }
    }

    fn bool(&mut self, value: Option<bool>) {
        if let Some(Buffer::Bool(cells)) = self.buffers.next() {
            cells.cell(value);
        }
    }

    fn double(&mut self, value: Option<f64>) {
        if let Some(Buffer::Double(cells)) = self.buffers.next() {
            cells.cell(value);
        }
    }

    fn doubles(&mut self, values: impl Iterator<Item = f64>) {
        if let Some(Buffer::Double(cells)) = self.buffers.next() {
            cells.list(values);
        }
    }

    fn floats(&mut self, values: impl Iterator<Item = f32>) {
        if let Some(Buffer::Float(cells)) = self.buffers.next() {
            cells.list(values);
        }
    }
}
