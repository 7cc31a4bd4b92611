//! Why a checkpoint or the metrics log cannot be written, read or continued.

use super::state::Change;
use std::io;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    #[error("{action} {} failed: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// Earlier checkpoints are untouched and the unfinished one is gone.
    #[error(
        "the disk is full: {action} {} ({bytes} bytes) failed: {source}; earlier checkpoints are untouched, free some \
         space and go on", path.display()
    )]
    DiskFull { action: &'static str, path: PathBuf, bytes: u64, source: io::Error },
    #[error("{} is {found}, expected {expected}", path.display())]
    WrongKind { path: PathBuf, expected: &'static str, found: &'static str },
    #[error("{} is no name of a checkpoint, expected step- and the number with at least eight digits", .0.display())]
    BadName(PathBuf),
    #[error("there is no checkpoint of step {step} in {}", folder.display())]
    NoSuchStep { folder: PathBuf, step: u64 },
    #[error("the manifest {} cannot be used: {reason}", path.display())]
    BadManifest { path: PathBuf, reason: String },
    #[error("{} cannot be used: {reason}", path.display())]
    BadFile { path: PathBuf, reason: String },
    #[error("{} has {found} bytes, the manifest says {expected}", path.display())]
    WrongSize { path: PathBuf, expected: u64, found: u64 },
    #[error("{} is damaged: its SHA-256 is {found}, the manifest says {expected}", path.display())]
    WrongHash { path: PathBuf, expected: String, found: String },
    #[error("the tensor {name:?} cannot be stored: {reason}")]
    BadTensor { name: String, reason: String },
    #[error("the state of the run cannot be stored: {0}")]
    BadState(String),
    #[error("the checkpoint belongs to another run: {}", list(.0))]
    OtherRun(Vec<Change>),
    #[error("{} already exists; resume the run, or choose another folder", .0.display())]
    AlreadyExists(PathBuf),
    #[error(
        "{}, line {line}: this line is damaged ({reason}), and lines of steps that are to be kept stand after it",
        path.display()
    )]
    DamagedLine { path: PathBuf, line: u64, reason: String },
    #[error("{}: a line of step {step} cannot follow one of step {last}", path.display())]
    OutOfOrder { path: PathBuf, step: u64, last: u64 },
    #[error("{}: a line of {bytes} bytes cannot be stored ({reason})", path.display())]
    BadLine { path: PathBuf, bytes: usize, reason: String },
}

fn list(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Turns an error of a call that writes `bytes` into ours; a full disk or a used-up quota gets its own variant.
pub(super) fn writing(
    action: &'static str,
    path: &Path,
    bytes: u64,
) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_path_buf();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            CheckpointError::DiskFull { action, path, bytes, source }
        }
        _ => CheckpointError::Io { action, path, source },
    }
}

/// As [`writing`], for calls that carry no data; making a name or an entry can need room all the same.
pub(super) fn doing(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    writing(action, path, 0)
}
