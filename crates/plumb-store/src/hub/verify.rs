//! Hashing again what is on the disk.

use super::digest::{Hasher, Kind};
use super::download::{Cancel, Meter};
use super::error::io_error;
use super::layout::{RepoFolder, files_below};
use super::{Hub, HubError, ModelRef, Progress};
use serde::Serialize;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// One file as it is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCheck {
    /// Name in the model's folder, with `/`.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// The hash the file should have: SHA-256 or git's SHA-1, by its length. `None` where nothing says it, as in a local
    /// folder.
    pub expected: Option<String>,
    /// The hash it has: of the kind of `expected`, else its SHA-256. Empty where the file is not there.
    pub found: String,
}

impl FileCheck {
    /// Whether the file differs from what it should be.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.expected.as_ref().is_some_and(|expected| *expected != self.found)
    }
}

/// What [`Hub::verify`] found.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The folder that was read.
    pub folder: PathBuf,
    /// Every file in it.
    pub files: Vec<FileCheck>,
}

impl VerifyReport {
    /// Whether no file is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.files.iter().any(FileCheck::is_damaged)
    }
}

impl Hub {
    /// Reads every file of a model on this machine and compares it with the hash that names its blob. Of a local folder
    /// it reports the SHA-256 of each file, with nothing to compare.
    ///
    /// # Errors
    /// The model is not here or not whole, a file cannot be read, or `cancel` was set.
    pub fn verify(
        &self,
        model: &ModelRef,
        progress: &mut dyn FnMut(&Progress),
        cancel: &Cancel,
    ) -> Result<VerifyReport, HubError> {
        let folder = self.locate(model)?;
        let repo = match model {
            ModelRef::Hub(id) => Some(RepoFolder::new(&self.config.cache, id)),
            ModelRef::Local(_) => None,
        };
        let names = files_below(&folder)?;
        let sizes: Vec<u64> =
            names.iter().map(|name| fs::metadata(folder.join(name)).map_or(0, |data| data.len())).collect();
        let total = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let mut meter = Meter::new(total, 0, progress);
        let mut files = Vec::new();
        for (name, bytes) in names.into_iter().zip(sizes) {
            let path = folder.join(&name);
            let etag = fs::read_link(&path).ok().and_then(|to| Some(to.file_name()?.to_str()?.to_owned()));
            meter.file(&name, bytes, 0);
            let check = match (&repo, etag.filter(|etag| Kind::of(etag) != Kind::Opaque)) {
                (Some(_), Some(etag)) => {
                    let found = hash(&path, Kind::of(&etag), bytes, &mut meter, cancel)?;
                    FileCheck { name, bytes, expected: Some(etag), found }
                }
                (Some(repo), None) => copied(repo, &path, name, bytes, &mut meter, cancel)?,
                (None, _) => {
                    let found = hash(&path, Kind::Sha256, bytes, &mut meter, cancel)?;
                    FileCheck { name, bytes, expected: None, found }
                }
            };
            files.push(check);
        }
        Ok(VerifyReport { folder, files })
    }
}

/// A snapshot file that is no link (no links on this file system): right if a blob has its hash for a name.
fn copied(
    repo: &RepoFolder,
    path: &Path,
    name: String,
    bytes: u64,
    meter: &mut Meter<'_>,
    cancel: &Cancel,
) -> Result<FileCheck, HubError> {
    let git = hash(path, Kind::Git, bytes, meter, cancel)?;
    if repo.blob(&git).exists() {
        return Ok(FileCheck { name, bytes, expected: Some(git.clone()), found: git });
    }
    let found = hash(path, Kind::Sha256, bytes, meter, cancel)?;
    let expected = repo.blob(&found).exists().then(|| found.clone());
    Ok(FileCheck { name, bytes, expected, found })
}

fn hash(
    path: &Path,
    kind: Kind,
    size: u64,
    meter: &mut Meter<'_>,
    cancel: &Cancel,
) -> Result<String, HubError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(io_error("opening", path)(error)),
    };
    let mut hasher = Hasher::new(kind, size);
    let mut buffer = vec![0; 1 << 20];
    loop {
        cancel.check()?;
        let read = file.read(&mut buffer).map_err(io_error("reading", path))?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        hasher.update(part);
        meter.add(read as u64);
    }
    Ok(hasher.finish().unwrap_or_default())
}
