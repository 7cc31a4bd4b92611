//! The lock that keeps a run to one writer.

use super::{LOCK_FILE, RunError, io_error};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The number of the process that holds the lock; it stays where that process was killed.
const PID_FILE: &str = "run.pid";

/// Held while a process may append. The operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    pid_path: PathBuf,
}

impl RunLock {
    /// Takes the lock of the run in `folder`, which must exist.
    ///
    /// # Errors
    /// [`RunError::Locked`] while another process holds it; the file system refuses.
    pub fn take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(LOCK_FILE);
        // The number stands beside the lock and not in it: on Windows a locked file cannot be read by others.
        let pid_path = folder.join(PID_FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("opening the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&pid_path).ok().and_then(|text| text.trim().parse().ok());
                return Err(RunError::Locked { path: folder.to_path_buf(), pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(RunError::Io { action: "locking", path, source });
            }
        }
        // Only for the message of the other process: a run works without it.
        if let Err(error) = fs::write(&pid_path, format!("{}\n", std::process::id())) {
            tracing::warn!(path = %pid_path.display(), %error, "the process number could not be noted");
        }
        Ok(Self { file, pid_path })
    }

    /// Whether a process holds the lock of the run in `folder`. Nothing is written. Where it cannot be told, nobody does: to
    /// take the lock is then what says more.
    #[must_use]
    pub fn is_held(folder: &Path) -> bool {
        // A holder has its number beside the lock: without one nothing is locked, not even for a moment.
        if !folder.join(PID_FILE).exists() {
            return false;
        }
        let Ok(file) = File::open(folder.join(LOCK_FILE)) else { return false };
        // Shared, so that two who look do not see each other.
        match file.try_lock_shared() {
            Ok(()) => {
                let _ = file.unlock();
                false
            }
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => false,
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.pid_path);
        // Said outright, because a child that another thread is starting this instant holds a copy of the file, and
        // closing ours would leave the lock to it until it has started.
        let _ = self.file.unlock();
    }
}
