//! The run store: one folder per run, `run.json` written once and `records.jsonl` that only grows.
//!
//! A run can be killed at any moment and resumed; the record file is then byte for byte the one an uninterrupted run
//! writes, given that the records themselves are (same order, same content). What makes that hold:
//!
//! - a record is one [canonical](canonical_line) line, written by one `write` and made durable before the next;
//! - on opening, a last line without its newline (a write that the kill cut short) is cut off, and anything else that
//!   does not read back is refused with its line number, never repaired by guessing;
//! - an advisory lock on `run.lock` keeps a second process from appending to the same run.
//!
//! Scores and intervals are not stored here: they can be computed again from the records.

mod canonical;
mod lock;
mod manifest;
mod records;

pub use canonical::{canonical_line, sort_keys};
pub use lock::RunLock;
pub use manifest::{Difference, differences};
pub use records::{Durability, Run, RunStore, RunSummary, read_manifest, read_records};

use std::io;
use std::path::PathBuf;

/// Name of the manifest in a run folder.
pub const MANIFEST_FILE: &str = "run.json";
/// Name of the record file in a run folder.
pub const RECORDS_FILE: &str = "records.jsonl";
/// Name of the lock file in a run folder; it stays there and means nothing unless a process holds the lock.
pub const LOCK_FILE: &str = "run.lock";

/// Why a run cannot be created, opened, read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{action} {path} failed: {source}", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} already holds a run; resume it, or choose another folder", .0.display())]
    AlreadyExists(PathBuf),
    #[error("{} is not a run folder: it has no {MANIFEST_FILE}", .0.display())]
    NotARun(PathBuf),
    #[error("{} is not empty and holds no {MANIFEST_FILE}; choose an empty or new folder for the run", .0.display())]
    FolderNotEmpty(PathBuf),
    #[error(
        "the run {} is being written by {}; wait for that process or stop it",
        path.display(), holder(*pid)
    )]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error("the manifest {} cannot be read: {source}", path.display())]
    BadManifest { path: PathBuf, source: serde_json::Error },
    #[error(
        "the run {} was made with other settings, so its records cannot be continued: {}; use the same settings or a \
         new folder", path.display(), list(differences)
    )]
    ManifestMismatch { path: PathBuf, differences: Vec<Difference> },
    #[error(
        "{}, line {line}: this record is damaged ({reason}); only an unfinished last line can be repaired, so restore \
         the file or start the run in a new folder", path.display()
    )]
    Corrupt { path: PathBuf, line: u64, reason: String },
    #[error("{} is not an ordinary file, so it cannot hold the records of a run", .0.display())]
    NotAFile(PathBuf),
    #[error("record {index} cannot be written as JSON: {reason}")]
    NotSerialisable { index: u64, reason: String },
    #[error(
        "{}: an earlier write failed and the unfinished line could not be removed; reopen the run to repair it",
        .0.display()
    )]
    Poisoned(PathBuf),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn io_error(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_path_buf();
    move |source| RunError::Io { action, path, source }
}
