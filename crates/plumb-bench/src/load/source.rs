//! Bytes of a benchmark file, on disk or in memory, for the Parquet reader.

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use std::io::{BufReader, Read};

/// A file that can be read at any place, by several readers at once.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Memory(Bytes),
    #[cfg(not(target_family = "wasm"))]
    Disk {
        file: std::sync::Arc<std::sync::Mutex<std::fs::File>>,
        len: u64,
    },
}

impl Source {
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn open(path: &std::path::Path) -> std::io::Result<Self> {
        let file = std::fs::File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self::Disk { file: std::sync::Arc::new(std::sync::Mutex::new(file)), len })
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            #[cfg(not(target_family = "wasm"))]
            Self::Disk { len, .. } => *len,
        }
    }

    /// Fills as much of `buffer` as the file has from `start` on.
    pub(super) fn read_at(&self, start: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.size().saturating_sub(start)).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        let Some(target) = buffer.get_mut(..want).filter(|t| !t.is_empty()) else {
            return Ok(0);
        };
        match self {
            Self::Memory(bytes) => {
                let at = usize::try_from(start).unwrap_or(usize::MAX);
                let from = bytes.get(at..at.saturating_add(want)).unwrap_or_default();
                target[..from.len()].copy_from_slice(from);
                Ok(from.len())
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Disk { file, .. } => {
                use std::io::{Seek, SeekFrom};
                // One lock around seek and read: clones of a file share their position, so readers would disturb
                // each other without it. A poisoned lock guards nothing that a panic could have broken.
                let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))?;
                let mut filled = 0;
                while filled < want {
                    match file.read(&mut target[filled..]) {
                        Ok(0) => break,
                        Ok(n) => filled += n,
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                Ok(filled)
            }
        }
    }

    /// A reader from `start` to the end of the file.
    pub(super) fn reader(&self, start: u64) -> SourceReader {
        SourceReader { source: self.clone(), at: start }
    }
}

/// Reads a [`Source`] forward from a place of its own.
pub(super) struct SourceReader {
    source: Source,
    at: u64,
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.source.read_at(self.at, buffer)?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.size()
    }
}

impl ChunkReader for Source {
    type T = BufReader<SourceReader>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // Checked before anything is allocated: the length is what the file claims.
        let fits = start.checked_add(length as u64).is_some_and(|end| end <= self.size());
        if !fits {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at offset {start} were expected, and the file has {} bytes",
                self.size()
            )));
        }
        match self {
            Self::Memory(bytes) => {
                let at = usize::try_from(start).unwrap_or(usize::MAX);
                Ok(bytes.slice(at..at + length))
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Disk { .. } => {
                let mut buffer = vec![0; length];
                let got = self.read_at(start, &mut buffer)?;
                if got != length {
                    return Err(ParquetError::EOF(format!("the file ended {} bytes early", length - got)));
                }
                Ok(buffer.into())
            }
        }
    }
}
