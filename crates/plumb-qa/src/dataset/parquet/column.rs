//! Decoded values of a column, whatever physical type and nesting it was written with.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::{SchemaDescriptor, Type as Node};

use super::chunk::{Chunk, MAX_PAGE, MAX_SCENE_PAGE, Source};
use super::schema::{Column, Type};

/// The most bytes of text in one batch of rows.
const MAX_BATCH_TEXT: usize = 256 << 20;

/// Where a column stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    index: usize,
    max_def: i16,
    max_rep: i16,
    /// The definition level from which on the list has an element; 0 for a flat column.
    list_level: i16,
    /// The writer saw only nulls, and Arrow's null type is written as whole numbers.
    null: bool,
    max_page: u64,
}

impl Leaf {
    /// Finds a column by name and holds it to its type. Elements of lists may have any name.
    pub(super) fn find(schema: &SchemaDescriptor, column: &Column) -> Result<Self, String> {
        let name = column.name;
        let mut leaves = schema.columns().iter().enumerate();
        let mut below = leaves.by_ref().filter(|(_, c)| c.path().parts().first().is_some_and(|p| p == name));
        let Some((index, leaf)) = below.next() else {
            let known: Vec<&str> =
                schema.root_schema().get_fields().iter().map(|f| f.name()).take(60).collect();
            return Err(format!("the column `{name}` is missing; the file has {}", known.join(", ")));
        };
        let several = below.next().is_some();
        let (mut level, mut lists) = (0_i16, Vec::new());
        let mut node: &Node = schema.root_schema();
        for part in leaf.path().parts() {
            let field =
                node.is_group().then(|| node.get_fields().iter().find(|f| f.name() == part)).flatten();
            node = field.ok_or_else(|| format!("the column `{name}` has a broken schema"))?;
            match node.get_basic_info().has_repetition().then(|| node.get_basic_info().repetition()) {
                Some(Repetition::OPTIONAL) => level += 1,
                Some(Repetition::REPEATED) => {
                    level += 1;
                    lists.push(level);
                }
                _ => {}
            }
        }
        let physical = leaf.physical_type();
        let null =
            physical == Physical::INT32 && matches!(leaf.logical_type_ref(), Some(LogicalType::Unknown));
        let numbers = [Physical::INT32, Physical::INT64, Physical::DOUBLE, Physical::FLOAT];
        // Decimals, dates and times are stored as whole numbers and mean something else.
        let plain = matches!(leaf.logical_type_ref(), None | Some(LogicalType::Integer { .. }))
            && !matches!(leaf.converted_type(), ConvertedType::DECIMAL | ConvertedType::DATE)
            && !leaf.converted_type().to_string().starts_with("TIME");
        let right = match column.ty {
            Type::Text | Type::Texts => physical == Physical::BYTE_ARRAY,
            Type::Bool => physical == Physical::BOOLEAN,
            Type::Int | Type::Ints | Type::Double | Type::Doubles | Type::Floats => {
                plain && numbers.contains(&physical)
            }
        };
        if several || lists.len() != usize::from(column.ty.is_list()) || !(right || null) {
            let found = match (several, lists.len()) {
                (true, _) => "a struct".to_owned(),
                (_, 0) if numbers.contains(&physical) && !plain => format!("{}", leaf.converted_type()),
                (_, 0) => format!("{physical:?}"),
                (_, n) => format!("{physical:?} in {n} list(s)"),
            };
            return Err(format!("the column `{name}` should hold {}, found {found}", column.ty.words()));
        }
        Ok(Self {
            index,
            max_def: leaf.max_def_level(),
            max_rep: leaf.max_rep_level(),
            list_level: lists.first().copied().unwrap_or(0),
            null,
            max_page: if name == "geometry" { MAX_SCENE_PAGE } else { MAX_PAGE },
        })
    }
}

/// A cell, or the elements of one.
pub(super) type Cells<V> = Vec<Option<V>>;
pub(super) type Lists<V> = Vec<Vec<V>>;

/// A column of one row group, read from front to back.
pub(super) struct Stream {
    leaf: Leaf,
    reader: ColumnReader,
}

impl Stream {
    pub(super) fn open(source: &Source, group: &RowGroupMetaData, leaf: &Leaf) -> Result<Self, String> {
        let column = group.columns().get(leaf.index).ok_or("it is not in every row group")?;
        let chunk = Arc::new(Chunk::read(source, column, leaf.max_page)?);
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a negative number of rows")?;
        let pages = SerializedPageReader::new(chunk, column, rows, None).map_err(|e| e.to_string())?;
        let reader = get_column_reader(column.column_descr_ptr(), Box::new(pages));
        Ok(Self { leaf: leaf.clone(), reader })
    }

    pub(super) fn texts(&mut self, rows: usize) -> Result<Cells<String>, String> {
        self.text_levels(rows)?.cells().iter().map(|cell| cell.as_ref().map(text).transpose()).collect()
    }

    pub(super) fn text_lists(&mut self, rows: usize) -> Result<Lists<String>, String> {
        let lists = self.text_levels(rows)?.lists(rows)?;
        lists.iter().map(|list| list.iter().map(text).collect()).collect()
    }

    pub(super) fn bools(&mut self, rows: usize) -> Result<Cells<bool>, String> {
        match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => Ok(levels(&self.leaf, reader, rows)?.cells()),
            _ if self.leaf.null => Ok(vec![None; rows]),
            _ => Err("it changes its type between row groups".to_owned()),
        }
    }

    pub(super) fn ints(&mut self, rows: usize) -> Result<Cells<i64>, String> {
        self.int_levels(rows).map(Levels::cells)
    }

    pub(super) fn int_lists(&mut self, rows: usize) -> Result<Lists<i64>, String> {
        self.int_levels(rows)?.lists(rows)
    }

    pub(super) fn doubles(&mut self, rows: usize) -> Result<Cells<f64>, String> {
        self.double_levels(rows).map(Levels::cells)
    }

    pub(super) fn double_lists(&mut self, rows: usize) -> Result<Lists<f64>, String> {
        self.double_levels(rows)?.lists(rows)
    }

    fn text_levels(&mut self, rows: usize) -> Result<Levels<ByteArray>, String> {
        match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => {
                let levels = levels(&self.leaf, reader, rows)?;
                // Before they become texts of their own: a page's dictionary stands behind many of them.
                let bytes: usize = levels.values.iter().map(ByteArray::len).sum();
                if bytes > MAX_BATCH_TEXT {
                    return Err(format!(
                        "{rows} rows hold {bytes} bytes, more than the limit of {MAX_BATCH_TEXT}"
                    ));
                }
                Ok(levels)
            }
            ColumnReader::Int32ColumnReader(reader) if self.leaf.null => {
                levels(&self.leaf, reader, rows)?.map(|_| Err("a value in a column of nulls".to_owned()))
            }
            _ => Err("it changes its type between row groups".to_owned()),
        }
    }

    /// Doubles too: a nullable column of whole numbers that went through pandas is one.
    fn int_levels(&mut self, rows: usize) -> Result<Levels<i64>, String> {
        let whole = |v: f64| {
            if v.fract() == 0.0 && v.abs() < 9e15 { Ok(v as i64) } else { Err(format!("{v} is not whole")) }
        };
        match &mut self.reader {
            ColumnReader::Int32ColumnReader(r) => levels(&self.leaf, r, rows)?.map(|v| Ok(i64::from(v))),
            ColumnReader::Int64ColumnReader(r) => levels(&self.leaf, r, rows),
            ColumnReader::DoubleColumnReader(r) => levels(&self.leaf, r, rows)?.map(whole),
            ColumnReader::FloatColumnReader(r) => levels(&self.leaf, r, rows)?.map(|v| whole(f64::from(v))),
            _ => Err("it changes its type between row groups".to_owned()),
        }
    }

    fn double_levels(&mut self, rows: usize) -> Result<Levels<f64>, String> {
        match &mut self.reader {
            ColumnReader::DoubleColumnReader(r) => levels(&self.leaf, r, rows),
            ColumnReader::FloatColumnReader(r) => levels(&self.leaf, r, rows)?.map(|v| Ok(f64::from(v))),
            ColumnReader::Int32ColumnReader(r) => levels(&self.leaf, r, rows)?.map(|v| Ok(f64::from(v))),
            ColumnReader::Int64ColumnReader(r) => levels(&self.leaf, r, rows)?.map(|v| Ok(v as f64)),
            _ => Err("it changes its type between row groups".to_owned()),
        }
    }
}

fn text(bytes: &ByteArray) -> Result<String, String> {
    std::str::from_utf8(bytes.data()).map(str::to_owned).map_err(|_| "a text is not UTF-8".to_owned())
}

/// Values of some rows with their levels.
struct Levels<V> {
    values: Vec<V>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
    max_def: i16,
    list_level: i16,
}

fn levels<T: DataType>(
    leaf: &Leaf,
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
) -> Result<Levels<T::T>, String> {
    let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows {
        let (records, _, _) = reader
            .read_records(
                rows - done,
                (leaf.max_def > 0).then_some(&mut definition),
                (leaf.max_rep > 0).then_some(&mut repetition),
                &mut values,
            )
            .map_err(|e| e.to_string())?;
        if records == 0 {
            return Err(format!("it has {} rows less than the row group", rows - done));
        }
        done += records;
    }
    if leaf.max_def == 0 {
        definition.resize(values.len(), 0);
    }
    Ok(Levels { values, definition, repetition, max_def: leaf.max_def, list_level: leaf.list_level })
}

impl<V> Levels<V> {
    fn map<U>(self, change: impl Fn(V) -> Result<U, String>) -> Result<Levels<U>, String> {
        let Self { values, definition, repetition, max_def, list_level } = self;
        let values = values.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Levels { values, definition, repetition, max_def, list_level })
    }

    fn cells(self) -> Cells<V> {
        let mut values = self.values.into_iter();
        self.definition.iter().map(|&d| if d == self.max_def { values.next() } else { None }).collect()
    }

    /// A null list is an empty one, as pandas writes it; a null in a list is an error.
    fn lists(self, rows: usize) -> Result<Lists<V>, String> {
        let mut values = self.values.into_iter();
        let mut lists: Lists<V> = Vec::with_capacity(rows);
        for (&definition, &repetition) in self.definition.iter().zip(&self.repetition) {
            if repetition == 0 {
                lists.push(Vec::new());
            }
            if definition < self.list_level {
                continue;
            }
            let value = if definition == self.max_def { values.next() } else { None };
            match (lists.last_mut(), value) {
                (Some(list), Some(value)) => list.push(value),
                _ => return Err("a list has a null in it".to_owned()),
            }
        }
        Ok(lists)
    }
}
