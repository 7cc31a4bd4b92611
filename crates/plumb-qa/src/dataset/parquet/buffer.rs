//! Columns of the row group being filled, and their way into the file.

use std::io::Write;

use bytes::Bytes;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedRowGroupWriter;

use super::schema::Type;

/// One column of the row group being filled.
pub(super) enum Buffer {
    Text(Cells<Texts>),
    Int(Cells<Vec<i32>>),
    Double(Cells<Vec<f64>>),
    Float(Cells<Vec<f32>>),
    Bool(Cells<Vec<bool>>),
}

#[derive(Default)]
pub(super) struct Cells<V> {
    pub(super) values: V,
    pub(super) levels: Levels,
}

impl<T> Cells<Vec<T>> {
    pub(super) fn cell(&mut self, value: Option<T>) {
        self.levels.cell(value.is_some());
        self.values.extend(value);
    }

    pub(super) fn list(&mut self, values: impl Iterator<Item = T>) {
        let before = self.values.len();
        self.values.extend(values);
        self.levels.list(self.values.len() - before);
    }
}

/// Definition 1 is a value or an element, 0 a null or an empty list; repetition 1 goes on with the row's list.
#[derive(Default)]
pub(super) struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl Levels {
    pub(super) fn cell(&mut self, there: bool) {
        self.definition.push(i16::from(there));
    }

    pub(super) fn list(&mut self, count: usize) {
        self.definition.push(i16::from(count > 0));
        self.repetition.push(0);
        for _ in 1..count {
            self.definition.push(1);
            self.repetition.push(1);
        }
    }
}

/// Texts end to end: one allocation for a column instead of one for every cell.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn extend(&mut self, value: Option<&str>) {
        if let Some(value) = value {
            self.bytes.extend_from_slice(value.as_bytes());
            self.ends.push(self.bytes.len());
        }
    }

    fn take(&mut self) -> Vec<ByteArray> {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut start = 0;
        let cut = |end| {
            let value = bytes.slice(start..end);
            start = end;
            ByteArray::from(value)
        };
        self.ends.drain(..).map(cut).collect()
    }
}

impl Buffer {
    pub(super) fn new(ty: Type) -> Self {
        match ty {
            Type::Text | Type::Texts => Self::Text(Cells::default()),
            Type::Int | Type::Ints => Self::Int(Cells::default()),
            Type::Double | Type::Doubles => Self::Double(Cells::default()),
            Type::Floats => Self::Float(Cells::default()),
            Type::Bool => Self::Bool(Cells::default()),
        }
    }

    pub(super) fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        nullable: bool,
    ) -> Result<(), ParquetError> {
        match self {
            Self::Text(cells) => {
                let values = cells.values.take();
                if cells.levels.repetition.is_empty() {
                    return write_texts(group, &values, &mut cells.levels, nullable);
                }
                write_column::<W, ByteArrayType>(group, &values, &mut cells.levels, nullable)
            }
            Self::Int(cells) => cells.write::<W, Int32Type>(group, nullable),
            Self::Double(cells) => cells.write::<W, DoubleType>(group, nullable),
            Self::Float(cells) => cells.write::<W, FloatType>(group, nullable),
            Self::Bool(cells) => cells.write::<W, BoolType>(group, nullable),
        }
    }
}

impl<V> Cells<Vec<V>> {
    fn write<W: Write + Send, T: DataType<T = V>>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        nullable: bool,
    ) -> Result<(), ParquetError> {
        write_column::<W, T>(group, &self.values, &mut self.levels, nullable)?;
        self.values.clear();
        Ok(())
    }
}

/// A column of single texts. The Parquet writer looks at the size of a page only after each thousand values, and a
/// thousand scenes are too much for a page: it is given them a few megabytes at a time.
fn write_texts<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[ByteArray],
    levels: &mut Levels,
    nullable: bool,
) -> Result<(), ParquetError> {
    const AT_ONCE: usize = 4 << 20;
    let mut column = group.next_column()?.ok_or_else(too_few)?;
    let writer = column.typed::<ByteArrayType>();
    let (mut definition, mut values) = (levels.definition.as_slice(), values);
    while !definition.is_empty() {
        let (mut cells, mut texts, mut bytes) = (0, 0, 0);
        while let Some(&there) = definition.get(cells).filter(|_| bytes < AT_ONCE) {
            if there == 1 {
                bytes += values.get(texts).map_or(0, ByteArray::len);
                texts += 1;
            }
            cells += 1;
        }
        let (now, later) = values.split_at_checked(texts).ok_or_else(too_few)?;
        let (now_defined, later_defined) = definition.split_at_checked(cells).ok_or_else(too_few)?;
        writer.write_batch(now, nullable.then_some(now_defined), None)?;
        (values, definition) = (later, later_defined);
    }
    levels.definition.clear();
    column.close()
}

fn too_few() -> ParquetError {
    ParquetError::General("the columns of a row group are not of one length".to_owned())
}

fn write_column<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: &mut Levels,
    nullable: bool,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(too_few)?;
    let list = !levels.repetition.is_empty();
    column.typed::<T>().write_batch(
        values,
        (list || nullable).then_some(&levels.definition),
        list.then_some(&levels.repetition),
    )?;
    levels.definition.clear();
    levels.repetition.clear();
    column.close()
}
