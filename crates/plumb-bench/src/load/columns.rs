//! Columns of a Parquet row group as Rust values. Lists are put together from their definition and repetition
//! levels, so any way of nesting that Parquet allows is read the same.

use super::guard::{MAX_TEXT_PAGE, check_chunk};
use super::source::Source;
use crate::{BenchError, Result};
use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{SchemaDescriptor, Type};

/// Rows decoded between two looks at the budget.
const BATCH: usize = 256;
/// The most bytes of text a benchmark may hold. CV-Bench has two million.
const TEXT_BUDGET: u64 = 512 << 20;

/// A list in every row; the row, and every element, may be null.
pub(super) type Lists<E> = Vec<Option<Vec<E>>>;

/// A leaf column.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) physical: Physical,
    max_def: i16,
    max_rep: i16,
    /// The definition level from which on the list at each depth has an element.
    list_levels: Vec<i16>,
}

impl Leaf {
    /// The leaf at exactly this path.
    pub(super) fn at(schema: &SchemaDescriptor, path: &[&str]) -> Option<Self> {
        Self::find(schema, |parts| parts.iter().eq(path))
    }

    /// The first leaf below a top-level column.
    pub(super) fn below(schema: &SchemaDescriptor, root: &str) -> Option<Self> {
        Self::find(schema, |parts| parts.first().is_some_and(|p| p == root))
    }

    fn find(schema: &SchemaDescriptor, wanted: impl Fn(&[String]) -> bool) -> Option<Self> {
        let (index, column) = schema.columns().iter().enumerate().find(|(_, c)| wanted(c.path().parts()))?;
        let (mut level, mut list_levels) = (0, Vec::new());
        let mut node: &Type = schema.root_schema();
        for part in column.path().parts() {
            if !node.is_group() {
                return None;
            }
            node = node.get_fields().iter().find(|f| f.name() == part)?;
            let info = node.get_basic_info();
            if info.has_repetition() {
                match info.repetition() {
                    parquet::basic::Repetition::REQUIRED => {}
                    parquet::basic::Repetition::OPTIONAL => level += 1,
                    parquet::basic::Repetition::REPEATED => {
                        level += 1;
                        list_levels.push(level);
                    }
                }
            }
        }
        Some(Self {
            index,
            name: column.path().string(),
            physical: column.physical_type(),
            max_def: column.max_def_level(),
            max_rep: column.max_rep_level(),
            list_levels,
        })
    }

    /// Fails unless the leaf is inside `depth` lists and of one of the physical types.
    pub(super) fn expect(
        &self,
        file: &str,
        depth: usize,
        types: &[Physical],
        expected: &'static str,
    ) -> Result<()> {
        if self.list_levels.len() == depth && types.contains(&self.physical) {
            return Ok(());
        }
        Err(BenchError::ColumnType {
            file: file.to_owned(),
            column: self.name.clone(),
            expected,
            found: match self.list_levels.len() {
                0 => format!("{:?}", self.physical),
                1 => format!("a list of {:?}", self.physical),
                n => format!("{:?} in {n} lists", self.physical),
            },
        })
    }
}

/// Values of one column chunk with their levels.
struct Levels<V> {
    values: Vec<V>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// Reads columns of one row group and keeps count of the text.
pub(super) struct GroupReader<'a> {
    pub(super) reader: &'a SerializedFileReader<Source>,
    pub(super) source: &'a Source,
    pub(super) file: &'a str,
    pub(super) group: usize,
    pub(super) rows: usize,
    /// Bytes of text read so far, over all groups.
    pub(super) text_bytes: &'a mut u64,
}

impl GroupReader<'_> {
    fn open(&self, leaf: &Leaf) -> Result<ColumnReader> {
        let meta = self.reader.metadata().row_group(self.group);
        let column =
            meta.columns().get(leaf.index).ok_or_else(|| self.broken(leaf, "is not in every row group"))?;
        check_chunk(self.source, self.file, column, MAX_TEXT_PAGE)?;
        let group = self.reader.get_row_group(self.group).map_err(|e| BenchError::parquet(self.file, e))?;
        group.get_column_reader(leaf.index).map_err(|e| BenchError::parquet(self.file, e))
    }

    fn broken(&self, leaf: &Leaf, why: &str) -> BenchError {
        BenchError::parquet(self.file, format!("column `{}` of row group {}: {why}", leaf.name, self.group))
    }

    fn levels<T: DataType>(
        &mut self,
        leaf: &Leaf,
        mut column: ColumnReaderImpl<T>,
        size: impl Fn(&T::T) -> u64,
    ) -> Result<Levels<T::T>> {
        let mut out = Levels { values: Vec::new(), definition: Vec::new(), repetition: Vec::new() };
        let mut done = 0;
        while done < self.rows {
            let before = out.values.len();
            let (records, _, levels) = column
                .read_records(
                    BATCH.min(self.rows - done),
                    (leaf.max_def > 0).then_some(&mut out.definition),
                    (leaf.max_rep > 0).then_some(&mut out.repetition),
                    &mut out.values,
                )
                .map_err(|e| self.broken(leaf, &e.to_string()))?;
            if records == 0 {
                return Err(self.broken(leaf, &format!("it ends after {done} of {} rows", self.rows)));
            }
            if leaf.max_def == 0 {
                out.definition.resize(out.definition.len() + levels, 0);
            }
            done += records;
            *self.text_bytes += out.values.get(before..).unwrap_or_default().iter().map(&size).sum::<u64>();
            if *self.text_bytes > TEXT_BUDGET {
                return Err(BenchError::too_large(
                    self.file,
                    "the text, in bytes,",
                    *self.text_bytes,
                    TEXT_BUDGET,
                ));
            }
        }
        Ok(out)
    }

    /// A column of texts; nulls and texts that are not UTF-8 are `None`.
    pub(super) fn texts(&mut self, leaf: &Leaf) -> Result<Vec<Option<String>>> {
        let levels = self.byte_arrays(leaf)?;
        Ok(flat(leaf, levels).into_iter().map(|v| v.and_then(|v| text(&v))).collect())
    }

    /// A column of lists of texts.
    pub(super) fn text_lists(&mut self, leaf: &Leaf) -> Result<Lists<Option<String>>> {
        let levels = self.byte_arrays(leaf)?;
        let rows =
            nested(leaf, levels).ok_or_else(|| self.broken(leaf, "its list levels contradict each other"))?;
        Ok(rows
            .into_iter()
            .map(|row| Some(row?.into_iter().flatten().map(|v| v.and_then(|v| text(&v))).collect()))
            .collect())
    }

    /// A column of whole numbers. Doubles are read too: a nullable integer column that went through pandas is one.
    pub(super) fn integers(&mut self, leaf: &Leaf) -> Result<Vec<Option<i64>>> {
        match self.open(leaf)? {
            ColumnReader::Int32ColumnReader(c) => {
                let l = self.levels(leaf, c, |_| 0)?;
                Ok(flat(leaf, l).into_iter().map(|v| v.map(i64::from)).collect())
            }
            ColumnReader::Int64ColumnReader(c) => {
                let l = self.levels(leaf, c, |_| 0)?;
                Ok(flat(leaf, l))
            }
            ColumnReader::DoubleColumnReader(c) => {
                let l = self.levels(leaf, c, |_| 0)?;
                let whole = |v: f64| (v.fract() == 0.0 && v.abs() < 9e15).then_some(v as i64);
                Ok(flat(leaf, l).into_iter().map(|v| v.and_then(whole)).collect())
            }
            _ => Err(self.broken(leaf, "expected whole numbers")),
        }
    }

    /// A column of lists of lists of numbers.
    pub(super) fn boxes(&mut self, leaf: &Leaf) -> Result<Lists<Vec<Option<f64>>>> {
        let rows = match self.open(leaf)? {
            ColumnReader::FloatColumnReader(c) => {
                let l = self.levels(leaf, c, |_| 0)?;
                nested(
                    leaf,
                    Levels {
                        values: l.values.into_iter().map(f64::from).collect(),
                        definition: l.definition,
                        repetition: l.repetition,
                    },
                )
            }
            ColumnReader::DoubleColumnReader(c) => {
                let l = self.levels(leaf, c, |_| 0)?;
                nested(leaf, l)
            }
            _ => None,
        };
        rows.ok_or_else(|| self.broken(leaf, "its list levels contradict each other"))
    }

    fn byte_arrays(&mut self, leaf: &Leaf) -> Result<Levels<ByteArray>> {
        match self.open(leaf)? {
            ColumnReader::ByteArrayColumnReader(c) => self.levels(leaf, c, |v| v.len() as u64),
            _ => Err(self.broken(leaf, "expected texts")),
        }
    }
}

fn text(value: &ByteArray) -> Option<String> {
    std::str::from_utf8(value.data()).ok().map(str::to_owned)
}

fn flat<V>(leaf: &Leaf, levels: Levels<V>) -> Vec<Option<V>> {
    let mut values = levels.values.into_iter();
    levels.definition.iter().map(|&d| if d == leaf.max_def { values.next() } else { None }).collect()
}

/// Rows of lists of lists; a column inside one list gives rows of one-element inner lists.
fn nested<V>(leaf: &Leaf, levels: Levels<V>) -> Option<Lists<Vec<Option<V>>>> {
    let outer = *leaf.list_levels.first()?;
    let inner = leaf.list_levels.get(1).copied();
    let mut values = levels.values.into_iter();
    let mut rows: Lists<Vec<Option<V>>> = Vec::new();
    for (&d, &r) in levels.definition.iter().zip(&levels.repetition) {
        let element = if d == leaf.max_def { values.next() } else { None };
        if r == 0 && d < outer {
            // One level below the element is the empty list, further below it is null.
            rows.push((d + 1 == outer).then(Vec::new));
            continue;
        }
        if r == 0 {
            rows.push(Some(Vec::new()));
        }
        let row = rows.last_mut()?.as_mut()?;
        match inner {
            Some(_) if r == 2 => row.last_mut()?.push(element),
            Some(level) if d < level => row.push(Vec::new()),
            _ => row.push(vec![element]),
        }
    }
    Some(rows)
}
