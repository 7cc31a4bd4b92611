//! The folders of the cache: finding, linking, listing.

use super::download::Cancel;
use super::error::io_error;
use super::plan::{Licence, is_model_file};
use super::{Hub, HubError, HubId, check_file_name};
use crate::durable::{sync_dir, temporary_beside, write_atomic};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A whole model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder with `config.json` and the rest.
    pub folder: PathBuf,
    /// The commit it is of.
    pub commit: String,
}

/// One model of the cache as a list shows it.
#[derive(Debug, Clone, Serialize)]
pub struct CachedModel {
    /// `org/name`.
    pub repo: String,
    /// The commit; `None` where there are only unfinished files.
    pub commit: Option<String>,
    /// Branches and tags that meant this commit when they were last looked up.
    pub revisions: Vec<String>,
    /// The folder of the snapshot.
    pub folder: Option<PathBuf>,
    /// Sizes of the snapshot's files, in bytes.
    pub bytes: u64,
    /// Bytes of unfinished downloads in the repository.
    pub unfinished_bytes: u64,
    /// Files that a model needs and that are not there. Empty: the model is whole.
    pub missing: Vec<String>,
    /// The licence named at the head of its `README.md`, where that was downloaded.
    pub licence: Licence,
}

impl CachedModel {
    /// Whether every file is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.commit.is_some() && self.missing.is_empty()
    }
}

/// The folders of one repository.
#[derive(Debug, Clone)]
pub(super) struct RepoFolder {
    root: PathBuf,
    locks: PathBuf,
}

impl RepoFolder {
    pub(super) fn new(cache: &Path, id: &HubId) -> Self {
        let name = id.folder_name();
        Self { root: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub(super) fn create(&self) -> Result<(), HubError> {
        for folder in [self.blobs(), self.root.join("snapshots"), self.root.join("refs"), self.locks.clone()]
        {
            fs::create_dir_all(&folder).map_err(io_error("creating the folder", &folder))?;
        }
        Ok(())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.blobs().join(etag)
    }

    pub(super) fn unfinished(&self, etag: &str) -> PathBuf {
        self.blobs().join(format!("{etag}.incomplete"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// The commit that a revision means here, without the network.
    fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.root.join("refs").join(revision)).ok()?;
        let commit = text.trim();
        check_file_name(commit).is_ok().then(|| commit.to_owned()).filter(|commit| !commit.contains('/'))
    }

    /// Notes that `revision` means `commit`.
    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit {
            return Ok(());
        }
        let path = self.root.join("refs").join(revision);
        if fs::read_to_string(&path).is_ok_and(|text| text == commit) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error("creating the folder", folder))?;
        }
        write_atomic(&path, commit.as_bytes()).map_err(io_error("writing", &path))
    }

    /// Waits until no other process writes the blob. The same lock as the Python client's.
    pub(super) fn lock(&self, etag: &str, cancel: &Cancel) -> Result<BlobLock, HubError> {
        let path = self.locks.join(format!("{etag}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("opening the lock file", &path))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(BlobLock(file)),
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        tracing::info!(lock = %path.display(), "waiting for another process that downloads this file");
                        told = true;
                    }
                    cancel.sleep(Duration::from_millis(100))?;
                }
                Err(TryLockError::Error(source)) => {
                    return Err(HubError::Io { action: "locking", path, source });
                }
            }
        }
    }

    /// Puts `file` into the snapshot of `commit`: a relative link, or where the file system has none a hard link or a
    /// copy.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let pointer = self.snapshot(commit).join(file);
        let blob = self.blob(etag);
        let up = "../".repeat(file.split('/').count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{etag}"));
        if fs::read_link(&pointer).is_ok_and(|found| found == target) {
            return Ok(());
        }
        let folder = pointer.parent().unwrap_or(&self.root).to_path_buf();
        fs::create_dir_all(&folder).map_err(io_error("creating the folder", &folder))?;
        // Made aside and renamed, so that a reader sees the old file or the new one.
        let temporary = temporary_beside(&pointer);
        let made = symlink(&target, &temporary)
            .or_else(|_| fs::hard_link(&blob, &temporary))
            .or_else(|_| fs::copy(&blob, &temporary).map(drop))
            .and_then(|()| fs::rename(&temporary, &pointer));
        if let Err(error) = made {
            let _ = fs::remove_file(&temporary);
            return Err(io_error("linking", &pointer)(error));
        }
        sync_dir(&folder).map_err(io_error("syncing the folder", &folder))
    }
}

/// Held while a blob is written.
#[derive(Debug)]
pub(super) struct BlobLock(File);

impl Drop for BlobLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child process that is just being started.
        let _ = self.0.unlock();
    }
}

#[cfg(unix)]
fn symlink(target: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn symlink(target: &Path, at: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(target, at)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Whether a revision is a whole commit hash.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The files that a model in `folder` lacks.
fn missing_files(root: &Path, commit: &str, folder: &Path) -> Vec<String> {
    let mut needed = BTreeSet::from(["config.json".to_owned()]);
    let index = folder.join("model.safetensors.index.json");
    if let Some(Value::Object(shards)) = read_json(&index).map(|mut index| index["weight_map"].take()) {
        needed.extend(shards.values().filter_map(Value::as_str).map(str::to_owned));
    } else if !has_weights(folder) {
        needed.insert("model.safetensors".to_owned());
    }
    // The Python client notes which files a commit has; ours are downloaded small ones first, so that a model with
    // its weights has the rest too.
    if let Some(Value::Object(files)) =
        read_json(&root.join("trees").join(format!("{commit}.json"))).map(|mut tree| tree["files"].take())
    {
        needed.extend(files.keys().filter(|name| is_model_file(name) && !is_text_for_people(name)).cloned());
    }
    // A name that leaves the folder counts as missing: nothing of ours would have written it.
    needed.retain(|name| check_file_name(name).is_err() || !folder.join(name).is_file());
    needed.into_iter().collect()
}

fn is_text_for_people(name: &str) -> bool {
    name == "README.md" || name.starts_with("LICENSE")
}

fn has_weights(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            Path::new(&name).extension().is_some_and(|ext| ext == "safetensors") && entry.path().is_file()
        })
    })
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Names of the entries of a folder, sorted; none where there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>, HubError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(io_error("reading the folder", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("reading the folder", folder))?;
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// Every file below `folder`, as names with `/`, sorted. Links to folders are not entered.
pub(super) fn files_below(folder: &Path) -> Result<Vec<String>, HubError> {
    let mut files = Vec::new();
    let mut open = vec![String::new()];
    while let Some(prefix) = open.pop() {
        for name in names(&folder.join(&prefix))? {
            let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let path = folder.join(&name);
            if fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir()) {
                open.push(name);
            } else {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(files)
}

impl Hub {
    /// The cached snapshot of `id`, without the network.
    ///
    /// # Errors
    /// The revision is not in the cache, or the model is not whole (the missing files are named).
    pub fn cached(&self, id: &HubId) -> Result<Snapshot, HubError> {
        let repo = RepoFolder::new(&self.config.cache, id);
        let found = repo
            .commit(id.revision())
            .map(|commit| Snapshot { folder: repo.snapshot(&commit), commit })
            .filter(|snapshot| snapshot.folder.is_dir());
        let Some(snapshot) = found else {
            let (id, cache) = (id.clone(), self.config.cache.clone());
            return Err(if self.config.offline {
                HubError::Offline { id, cache }
            } else {
                HubError::NotCached { id, cache }
            });
        };
        let missing = missing_files(repo.root(), &snapshot.commit, &snapshot.folder);
        if missing.is_empty() { Ok(snapshot) } else { Err(HubError::Incomplete { id: id.clone(), missing }) }
    }

    /// The models of the cache, by name and commit, whole or not. A cache that does not exist has none.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn list(&self) -> Result<Vec<CachedModel>, HubError> {
        let mut models = Vec::new();
        for folder in names(&self.config.cache)? {
            let Some(id) = HubId::from_folder_name(&folder) else {
                continue;
            };
            let repo = RepoFolder::new(&self.config.cache, &id);
            let unfinished_bytes = names(&repo.blobs())?
                .iter()
                .filter(|name| name.ends_with(".incomplete"))
                .filter_map(|name| fs::metadata(repo.blob(name)).ok())
                .map(|data| data.len())
                .sum();
            let refs: Vec<(String, Option<String>)> = files_below(&repo.root.join("refs"))?
                .into_iter()
                .map(|name| (name.clone(), repo.commit(&name)))
                .collect();
            let commits = names(&repo.root.join("snapshots"))?;
            let repo_name = id.repo().to_owned();
            if commits.is_empty() && unfinished_bytes > 0 {
                models.push(CachedModel {
                    repo: repo_name.clone(),
                    commit: None,
                    revisions: Vec::new(),
                    folder: None,
                    bytes: 0,
                    unfinished_bytes,
                    missing: vec!["config.json".to_owned()],
                    licence: Licence::default(),
                });
            }
            for commit in commits {
                let folder = repo.snapshot(&commit);
                let bytes = files_below(&folder)?
                    .iter()
                    .filter_map(|name| fs::metadata(folder.join(name)).ok())
                    .map(|data| data.len())
                    .sum();
                models.push(CachedModel {
                    repo: repo_name.clone(),
                    revisions: refs
                        .iter()
                        .filter(|(_, at)| at.as_deref() == Some(commit.as_str()))
                        .map(|(name, _)| name.clone())
                        .collect(),
                    bytes,
                    unfinished_bytes,
                    missing: missing_files(&repo.root, &commit, &folder),
                    licence: fs::read_to_string(folder.join("README.md"))
                        .map(|text| Licence::of_readme(&text))
                        .unwrap_or_default(),
                    folder: Some(folder),
                    commit: Some(commit),
                });
            }
        }
        Ok(models)
    }
}
