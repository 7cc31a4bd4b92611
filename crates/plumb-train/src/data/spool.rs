//! Records of a data set in the order of reading, to be fetched by place: in memory while they are few, in a temporary file when they
//! are many.
//!
//! Parquet can only be read a row group at a time and JSON arrays have no places at all, but shuffled training asks for single rows.

use std::path::{Path, PathBuf};

use super::error::{DataError, Result};

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) len: u32,
}

#[derive(Debug)]
pub(super) struct Spool {
    memory: Vec<u8>,
    limit: usize,
    folder: PathBuf,
    #[cfg(not(target_family = "wasm"))]
    disk: Option<disk::Disk>,
}

impl Spool {
    /// Holds up to `limit` bytes in memory; what is more goes to a file in `folder` that is removed when this is dropped.
    pub(super) fn new(limit: usize, folder: Option<&Path>) -> Self {
        let folder = folder.map_or_else(default_folder, Path::to_owned);
        Self {
            memory: Vec::new(),
            limit,
            folder,
            #[cfg(not(target_family = "wasm"))]
            disk: None,
        }
    }

    /// # Errors
    /// [`DataError::Io`] when the disk refuses; [`DataError::Format`] for a record past 4 GiB.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Place> {
        let too_long = || DataError::Format {
            path: self.folder.display().to_string(),
            detail: format!("a record has {} bytes", bytes.len()),
        };
        let len = u32::try_from(bytes.len()).map_err(|_| too_long())?;
        #[cfg(not(target_family = "wasm"))]
        {
            if self.disk.is_none() && self.memory.len().saturating_add(bytes.len()) > self.limit {
                let mut disk = disk::Disk::create(&self.folder)?;
                disk.push(&self.memory)?;
                self.memory = Vec::new();
                self.disk = Some(disk);
            }
            if let Some(disk) = &mut self.disk {
                return Ok(Place { offset: disk.push(bytes)?, len });
            }
        }
        let offset = self.memory.len() as u64;
        self.memory.extend_from_slice(bytes);
        Ok(Place { offset, len })
    }

    /// # Errors
    /// [`DataError::Io`] when the file cannot be read any more.
    pub(super) fn get(&self, place: Place) -> Result<Vec<u8>> {
        #[cfg(not(target_family = "wasm"))]
        if let Some(disk) = &self.disk {
            return disk.get(place);
        }
        let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
        let bytes = self.memory.get(start..start.saturating_add(place.len as usize));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| DataError::State { detail: format!("no record at {place:?}") })
    }

    /// Bytes held in memory.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.memory.len()
    }
}

#[cfg(not(target_family = "wasm"))]
fn default_folder() -> PathBuf {
    std::env::temp_dir()
}

#[cfg(target_family = "wasm")]
fn default_folder() -> PathBuf {
    PathBuf::new()
}

#[cfg(not(target_family = "wasm"))]
mod disk {
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::Place;
    use crate::data::error::{DataError, Result};

    /// What is written at once: records are small, and a system call for each would cost more than the record.
    const BUFFER: usize = 1 << 20;

    #[derive(Debug)]
    pub(super) struct Disk {
        path: PathBuf,
        file: Mutex<File>,
        written: u64,
        waiting: Vec<u8>,
    }

    impl Disk {
        pub(super) fn create(folder: &Path) -> Result<Self> {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let mut last = None;
            for _ in 0..64 {
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let path = folder.join(format!("plumbline-spool-{}-{count}.tmp", std::process::id()));
                match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                    Ok(file) => {
                        // Without a name it goes away with the process, also when that is killed.
                        #[cfg(unix)]
                        let _ = std::fs::remove_file(&path);
                        return Ok(Self { path, file: Mutex::new(file), written: 0, waiting: Vec::new() });
                    }
                    Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                        last = Some((path, source));
                    }
                    Err(source) => return Err(DataError::Io { path: path.display().to_string(), source }),
                }
            }
            let (path, source) =
                last.unwrap_or_else(|| (folder.to_owned(), std::io::ErrorKind::AlreadyExists.into()));
            Err(DataError::Io { path: path.display().to_string(), source })
        }

        fn failed(&self, source: std::io::Error) -> DataError {
            DataError::Io { path: self.path.display().to_string(), source }
        }

        pub(super) fn push(&mut self, bytes: &[u8]) -> Result<u64> {
            let offset = self.written + self.waiting.len() as u64;
            self.waiting.extend_from_slice(bytes);
            if self.waiting.len() >= BUFFER {
                self.flush()?;
            }
            Ok(offset)
        }

        fn flush(&mut self) -> Result<()> {
            let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
            let done = file.seek(SeekFrom::Start(self.written)).and_then(|_| file.write_all(&self.waiting));
            done.map_err(|e| self.failed(e))?;
            self.written += self.waiting.len() as u64;
            self.waiting.clear();
            Ok(())
        }

        pub(super) fn get(&self, place: Place) -> Result<Vec<u8>> {
            let mut bytes = vec![0; place.len as usize];
            if let Some(at) = place.offset.checked_sub(self.written) {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let found = self.waiting.get(start..start.saturating_add(bytes.len()));
                return found
                    .map(<[u8]>::to_vec)
                    .ok_or_else(|| DataError::State { detail: format!("no record at {place:?}") });
            }
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let done = file.seek(SeekFrom::Start(place.offset)).and_then(|_| file.read_exact(&mut bytes));
            done.map_err(|e| self.failed(e))?;
            Ok(bytes)
        }
    }

    #[cfg(not(unix))]
    impl Drop for Disk {
        fn drop(&mut self) {
            // Nothing can be done about a temporary file that does not go away.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_memory_and_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        for limit in [usize::MAX, 1000, 0] {
            let mut spool = Spool::new(limit, Some(folder.path()));
            let record = |i: usize| vec![(i % 251) as u8; i % 5000];
            let places: Vec<_> = (0..800).map(|i| spool.push(&record(i)).unwrap()).collect();
            for i in (0..800).rev() {
                assert_eq!(spool.get(places[i]).unwrap(), record(i));
            }
            assert!(spool.in_memory() <= limit);
            let named = usize::from(limit != usize::MAX && !cfg!(unix));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), named);
            assert!(spool.get(Place { offset: u64::MAX, len: 4 }).is_err());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut lost = Spool::new(0, Some(&folder.path().join("none")));
        assert!(matches!(lost.push(b"x"), Err(DataError::Io { .. })));
    }
}
