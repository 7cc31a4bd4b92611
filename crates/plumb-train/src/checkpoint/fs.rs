//! The few calls that checkpoints need of a file system.

use std::io;
use std::path::Path;

/// What stands at a path; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    Link,
    Other,
}

impl EntryKind {
    /// For messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Other => "neither a file nor a folder",
        }
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name within the folder; bytes that are no Unicode are replaced, so such a name matches none of ours.
    pub name: String,
    pub kind: EntryKind,
    /// Length of a file; of no meaning for other kinds.
    pub bytes: u64,
}

/// A file system with explicit durability: nothing is promised to survive a power cut before the sync that covers it.
///
/// Contents become durable by [`Fs::write_durable`], [`Fs::sync_file`] and [`Fs::truncate`]; names (creations, renames,
/// removals) by [`Fs::sync_dir`] of the folder that holds them. [`Fs::rename`] is atomic.
pub trait Fs: Send + Sync {
    /// Makes one folder; its parent must be there.
    ///
    /// # Errors
    /// It exists, or the system refuses.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a new file of the concatenated `parts` and forces its content to the disk.
    ///
    /// # Errors
    /// The file exists, or the system refuses; a part of the file can then be there.
    fn write_durable(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;

    /// Adds `bytes` to the end of a file, which is made where missing.
    ///
    /// # Errors
    /// The system refuses; a part of `bytes` can then be there.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file to `bytes` and forces that to the disk.
    ///
    /// # Errors
    /// The system refuses.
    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Forces the content of a file to the disk.
    ///
    /// # Errors
    /// The system refuses; what the disk holds is then unknown.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Forces the names in a folder to the disk.
    ///
    /// # Errors
    /// The system refuses.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Gives a file or folder another name. Of a folder, the new name must be free.
    ///
    /// # Errors
    /// The system refuses; nothing has then changed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, a link (not its target) or a folder with all in it; what is missing is no error.
    ///
    /// # Errors
    /// The system refuses; a part of a folder can then be gone.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// It is longer, does not fit in memory, or cannot be read.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// What stands at `path`; `None` where nothing does.
    ///
    /// # Errors
    /// The system refuses.
    fn stat(&self, path: &Path) -> io::Result<Option<Entry>>;

    /// The entries of a folder, sorted by name.
    ///
    /// # Errors
    /// It is no folder, or the system refuses.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
}

impl<F: Fs + ?Sized> Fs for &F {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        (**self).create_dir(path)
    }
    fn write_durable(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        (**self).write_durable(path, parts)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).append(path, bytes)
    }
    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        (**self).truncate(path, bytes)
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        (**self).sync_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        (**self).sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        (**self).read(path, limit)
    }
    fn stat(&self, path: &Path) -> io::Result<Option<Entry>> {
        (**self).stat(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        (**self).list(path)
    }
}

/// The file system of the machine.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

#[cfg(not(target_family = "wasm"))]
mod real {
    use super::{Entry, EntryKind, Fs, RealFs};
    use plumb_store::durable;
    use std::fs::{self, File, FileType, Metadata, OpenOptions};
    use std::io::{self, ErrorKind, Read as _, Write as _};
    use std::path::Path;

    fn kind(of: FileType) -> EntryKind {
        if of.is_symlink() {
            EntryKind::Link
        } else if of.is_dir() {
            EntryKind::Folder
        } else if of.is_file() {
            EntryKind::File
        } else {
            EntryKind::Other
        }
    }

    fn entry(name: String, metadata: &Metadata) -> Entry {
        Entry { name, kind: kind(metadata.file_type()), bytes: metadata.len() }
    }

    impl Fs for RealFs {
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            fs::create_dir(path)
        }

        fn write_durable(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            for part in parts {
                file.write_all(part)?;
            }
            file.sync_all()
        }

        fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes)
        }

        fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(bytes)?;
            file.sync_all()
        }

        fn sync_file(&self, path: &Path) -> io::Result<()> {
            // Windows syncs only what is open for writing.
            OpenOptions::new().append(true).open(path)?.sync_all()
        }

        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            durable::sync_dir(path)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            fs::rename(from, to)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            let removed = match self.stat(path)? {
                None => return Ok(()),
                Some(Entry { kind: EntryKind::Folder, .. }) => fs::remove_dir_all(path),
                Some(_) => fs::remove_file(path),
            };
            match removed {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            }
        }

        fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let too_long = || io::Error::new(ErrorKind::FileTooLarge, format!("more than {limit} bytes"));
            if length > limit {
                return Err(too_long());
            }
            let mut bytes = Vec::new();
            // A sparse file can claim any length: better an error here than an abort.
            let room = usize::try_from(length).map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
            bytes.try_reserve_exact(room).map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > limit {
                return Err(too_long());
            }
            Ok(bytes)
        }

        fn stat(&self, path: &Path) -> io::Result<Option<Entry>> {
            match fs::symlink_metadata(path) {
                Ok(metadata) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    Ok(Some(entry(name, &metadata)))
                }
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        }

        fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for item in fs::read_dir(path)? {
                let item = item?;
                let name = item.file_name().to_string_lossy().into_owned();
                match item.metadata() {
                    Ok(metadata) => entries.push(entry(name, &metadata)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        }
    }
}
