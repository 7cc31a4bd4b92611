//! Question-answer pairs as typed Parquet columns, with the geometry that proves them.
//!
//! | module | what it does |
//! |---|---|
//! | [`schema`] | the columns, in one table that writer, reader and metadata share |
//! | [`write`] | rows into columns, a row group at a time |
//! | [`buffer`] | the columns of one row group in memory, and their levels |
//! | [`chunk`] | one column chunk in memory, its sizes checked before they are believed |
//! | [`column`] | decoded values of any physical type that other tools rewrite a column to |
//! | [`read`] | the file, streamed in batches of rows |
//! | [`row`] | one row put together and checked |
//!
//! Low-level Parquet without Arrow: the columns are known, and Arrow would triple the build.

mod buffer;
mod chunk;
mod column;
mod read;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use read::{ParquetQaReader, ReadOptions};
pub use schema::{FORMAT, FORMAT_VERSION};
pub use write::{ParquetQaWriter, ROWS_PER_GROUP};
