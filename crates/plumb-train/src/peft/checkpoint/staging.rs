//! The folder in which a checkpoint grows before it appears under its name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use plumb_store::durable::sync_dir;

use super::error::{MergeError, io_error};

/// Locked as long as its process lives, so that the leftovers of a killed one can be told from work in progress.
const LOCK: &str = "writing.lock";

/// Removed on drop unless it was renamed to its place.
pub(super) struct Staging {
    folder: PathBuf,
    out: PathBuf,
    lock: Option<File>,
    ours: bool,
}

impl Staging {
    /// Makes the folder beside `out`, in place of what a killed process left there.
    pub(super) fn beside(out: &Path) -> Result<Self, MergeError> {
        refuse_existing(out)?;
        let Some(name) = out.file_name() else {
            let reason = "expected a path that ends in a folder name";
            return Err(io_error("write", out)(std::io::Error::new(ErrorKind::InvalidInput, reason)));
        };
        let parent = parent(out);
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        let folder = out.with_file_name(format!(".{}.partial", name.to_string_lossy()));
        let path = folder.join(LOCK);
        if folder.symlink_metadata().is_ok() {
            match OpenOptions::new().write(true).open(&path) {
                // Killed before it had a lock, or just before its rename: only an empty one can be nobody's.
                Err(error) if error.kind() == ErrorKind::NotFound => fs::remove_dir(&folder),
                Err(error) => Err(error),
                Ok(left) => {
                    take(&left, out)?;
                    fs::remove_dir_all(&folder)
                }
            }
            .map_err(io_error("remove", &folder))?;
        }
        fs::create_dir(&folder).map_err(io_error("create", &folder))?;
        let mut staging = Self { folder, out: out.to_owned(), lock: None, ours: false };
        let lock = OpenOptions::new().write(true).create_new(true).open(&path);
        let lock = lock.map_err(io_error("create", &path))?;
        take(&lock, out)?;
        staging.lock = Some(lock);
        staging.ours = true;
        Ok(staging)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder last and gives it its name.
    pub(super) fn publish(mut self) -> Result<(), MergeError> {
        sync_dir(&self.folder).map_err(io_error("sync", &self.folder))?;
        refuse_existing(&self.out)?;
        // Windows renames no folder in which a file is open.
        self.lock = None;
        let lock = self.folder.join(LOCK);
        fs::remove_file(&lock).map_err(io_error("remove", &lock))?;
        fs::rename(&self.folder, &self.out).map_err(io_error("rename", &self.folder))?;
        self.ours = false;
        let parent = parent(&self.out);
        sync_dir(parent).map_err(io_error("sync", parent))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.ours {
            self.lock = None;
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn take(lock: &File, out: &Path) -> Result<(), MergeError> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(MergeError::Busy { path: out.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", out)(source)),
    }
}

fn refuse_existing(out: &Path) -> Result<(), MergeError> {
    match out.symlink_metadata() {
        Ok(_) => Err(MergeError::Exists { path: out.display().to_string() }),
        Err(_) => Ok(()),
    }
}

fn parent(out: &Path) -> &Path {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
