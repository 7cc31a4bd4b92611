/// What can go wrong while a benchmark is read or written. Every message names the file and says what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    #[error("cannot read {file}: {source}")]
    Io {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{path} holds no benchmark: expected a .parquet, .jsonl or .json file, or a folder with test*.parquet or \
         test*.jsonl, found {found}"
    )]
    NoBenchmark { path: String, found: String },
    #[error("{file} is not a readable Parquet file: {why}")]
    Parquet { file: String, why: String },
    #[error("{file}: the column `{column}` is missing; the file has {found}")]
    MissingColumn { file: String, column: String, found: String },
    #[error("{file}: the column `{column}` should be {expected}, found {found}")]
    ColumnType { file: String, column: String, expected: &'static str, found: String },
    #[error("{file}: {what} is {found}, more than the limit of {limit}")]
    TooLarge { file: String, what: String, found: u64, limit: u64 },
    #[error("{file}, line {line}: {why}")]
    Json { file: String, line: usize, why: String },
    #[error("{file} holds no rows; a benchmark needs at least one")]
    Empty { file: String },
    #[error("row {row} does not exist: the benchmark has {rows} rows, counted from 0")]
    NoSuchRow { row: usize, rows: usize },
    #[error("row {row} has no image: {why}")]
    NoImage { row: usize, why: String },
    #[error("cannot write the benchmark: {why}")]
    Write { why: String },
    #[error("there is no {what} named `{name}`; choose one of {known}")]
    UnknownName { what: &'static str, name: String, known: String },
}

impl BenchError {
    pub(crate) fn io(file: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { file: file.into(), source }
    }

    pub(crate) fn parquet(file: &str, why: impl std::fmt::Display) -> Self {
        Self::Parquet { file: file.to_owned(), why: why.to_string() }
    }

    pub(crate) fn too_large(file: &str, what: impl Into<String>, found: u64, limit: u64) -> Self {
        Self::TooLarge { file: file.to_owned(), what: what.into(), found, limit }
    }
}
