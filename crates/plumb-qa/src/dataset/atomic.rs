//! Files that appear under their name only when they are whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::io_error;
use crate::Result;

/// A file written as `NAME.tmp` and renamed by [`commit`](Self::commit). Dropped before, it is removed; killed before,
/// only the `.tmp` is left, and the next run overwrites it.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: PathBuf,
    // `None` once committed.
    file: Option<BufWriter<File>>,
}

impl AtomicFile {
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let file = File::create(&temporary).map_err(|e| io_error(&temporary.display().to_string(), e))?;
        let file = Some(BufWriter::with_capacity(1 << 20, file));
        Ok(Self { path: path.to_owned(), temporary, file })
    }

    /// The final name, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Writes everything through to the disk, then renames: after a power cut the name holds the old file or the
    /// whole new one.
    ///
    /// # Errors
    /// [`crate::QaError::Io`] when the disk refuses; the temporary file is removed then.
    pub fn commit(mut self) -> Result<()> {
        let name = self.name();
        let fail = |e| io_error(&name, e);
        if let Some(mut file) = self.file.take() {
            let done = file
                .flush()
                .and_then(|()| file.get_ref().sync_all())
                .and_then(|()| std::fs::rename(&self.temporary, &self.path));
            if let Err(e) = done {
                let _ = std::fs::remove_file(&self.temporary);
                return Err(fail(e));
            }
        }
        sync_folder(&self.path).map_err(fail)
    }
}

/// A rename is safe only once its folder is on the disk too. Elsewhere than on Unix folders cannot be opened.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nothing can be done about a file that will not go; it does not have the final name.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.as_mut().ok_or_else(closed)?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().ok_or_else(closed)?.flush()
    }
}

fn closed() -> std::io::Error {
    std::io::Error::other("the file is already closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_holds_the_old_file_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_cannot_be_taken_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::create_dir(&path).unwrap();
        let file = AtomicFile::create(&path).unwrap();
        assert!(file.commit().is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
