//! Saving, finding and loading checkpoints.

use super::error::{doing, writing};
use super::fs::{EntryKind, Fs};
use super::layout::{Named, hidden_name, named, step_name};
use super::manifest::{
    FILES, FileEntry, MANIFEST_FILE, Manifest, OPTIMIZER_FILE, STATE_FILE, WEIGHTS_FILE, sha256,
};
use super::{
    CHECKPOINTS_FOLDER, Checkpoint, CheckpointError, Latest, Listed, Retention, Saved, Skipped, TrainState,
    tensor_file,
};
use std::path::{Path, PathBuf};

/// The checkpoints of one run.
#[derive(Debug)]
pub struct CheckpointStore<F> {
    fs: F,
    folder: PathBuf,
    retention: Retention,
}

impl<F: Fs> CheckpointStore<F> {
    /// Opens the checkpoints of the run in `run`, making the folders that are missing, and clears away what a process
    /// that was killed while it saved has left.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn new(fs: F, run: &Path) -> Result<Self, CheckpointError> {
        let store = Self { fs, folder: run.join(CHECKPOINTS_FOLDER), retention: Retention::default() };
        store.make_folder(&store.folder)?;
        store.recover()?;
        Ok(store)
    }

    /// Chooses which checkpoints stay.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// The folder that holds the checkpoints.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn make_folder(&self, path: &Path) -> Result<(), CheckpointError> {
        let mut missing = Vec::new();
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            match self.fs.stat(folder).map_err(doing("reading", folder))? {
                // A run may well stand behind a link; only what is inside a checkpoint may not.
                Some(entry) if matches!(entry.kind, EntryKind::Folder | EntryKind::Link) => break,
                Some(entry) => {
                    let (path, found) = (folder.to_path_buf(), entry.kind.name());
                    return Err(CheckpointError::WrongKind { path, expected: "a folder", found });
                }
                None => missing.push(folder),
            }
        }
        for folder in missing.into_iter().rev() {
            self.fs.create_dir(folder).map_err(doing("making the folder", folder))?;
            let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            self.fs.sync_dir(parent).map_err(doing("syncing the folder", parent))?;
        }
        Ok(())
    }

    fn hidden(&self, what: &str, step: u64) -> PathBuf {
        self.folder.join(hidden_name(what, step))
    }

    fn path_of(&self, step: u64) -> PathBuf {
        self.folder.join(step_name(step))
    }

    fn sync(&self) -> Result<(), CheckpointError> {
        self.fs.sync_dir(&self.folder).map_err(doing("syncing the folder", &self.folder))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), CheckpointError> {
        self.fs.rename(from, to).map_err(doing("renaming", from))
    }

    fn remove(&self, path: &Path) -> Result<(), CheckpointError> {
        self.fs.remove(path).map_err(doing("removing", path))
    }

    fn exists(&self, path: &Path) -> Result<bool, CheckpointError> {
        Ok(self.fs.stat(path).map_err(doing("reading", path))?.is_some())
    }

    /// Brings the folder into the state that no interrupted save would have left.
    fn recover(&self) -> Result<(), CheckpointError> {
        let entries = self.fs.list(&self.folder).map_err(doing("reading the folder", &self.folder))?;
        let mut leftovers = Vec::new();
        for entry in entries {
            let path = self.folder.join(&entry.name);
            match named(&entry.name) {
                Named::Leftover => leftovers.push(path),
                Named::Replaced(step) if self.exists(&self.path_of(step))? => leftovers.push(path),
                Named::Replaced(step) => self.rename(&path, &self.path_of(step))?,
                Named::Step(_) | Named::BadStep | Named::Foreign => {}
            }
        }
        if !leftovers.is_empty() {
            // A replacement is visible but may not be durable: it must be before what it replaced goes.
            self.sync()?;
        }
        for path in leftovers {
            tracing::info!(path = %path.display(), "what an interrupted save left is removed");
            self.remove(&path)?;
        }
        Ok(())
    }

    /// Saves a checkpoint, then removes those that the retention gives up. When this returns, a power cut can no longer
    /// take the checkpoint. A checkpoint of the same step is replaced.
    ///
    /// # Errors
    /// A tensor's shape does not fit its values, the steps differ, or the file system refuses ([`CheckpointError::DiskFull`]
    /// where there is no room): the earlier checkpoints are then untouched and nothing of this one stays, except where
    /// only the last sync failed, when it is whole but perhaps not durable.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<Saved, CheckpointError> {
        let step = checkpoint.step;
        if checkpoint.state.step != step {
            let inner = checkpoint.state.step;
            return Err(CheckpointError::BadState(format!(
                "it is of step {inner}, the checkpoint of {step}"
            )));
        }
        self.recover()?;
        let staging = self.hidden("staging", step);
        let placed = self.stage(checkpoint, &staging).and_then(|bytes| {
            self.place(step, &staging)?;
            Ok(bytes)
        });
        let bytes = match placed {
            Ok(bytes) => bytes,
            Err(error) => {
                if let Err(error) = self.remove(&staging) {
                    tracing::warn!(%error, "an unfinished checkpoint stays until the next start");
                }
                return Err(error);
            }
        };
        self.sync()?;
        let mut saved = Saved { folder: self.path_of(step), bytes, removed: Vec::new(), cleanup: None };
        let best = checkpoint.state.best.as_ref().map(|best| best.step);
        if let Err(error) = self.prune(step, best, &mut saved.removed) {
            tracing::warn!(%error, "old checkpoints could not be removed");
            saved.cleanup = Some(error);
        }
        Ok(saved)
    }

    /// Writes every file of a checkpoint to `staging`, the manifest last. Returns the bytes written.
    fn stage(&self, checkpoint: &Checkpoint, staging: &Path) -> Result<u64, CheckpointError> {
        let state = checkpoint.state.to_bytes()?;
        let headers =
            [tensor_file::header(&checkpoint.weights)?, tensor_file::header(&checkpoint.optimizer)?];
        self.fs.create_dir(staging).map_err(doing("making the folder", staging))?;
        let mut files = Vec::new();
        for name in FILES {
            let data: Vec<_> = match name {
                WEIGHTS_FILE => checkpoint.weights.values().map(tensor_file::data).collect(),
                OPTIMIZER_FILE => checkpoint.optimizer.values().map(tensor_file::data).collect(),
                _ => Vec::new(),
            };
            let first = match name {
                WEIGHTS_FILE => &headers[0],
                OPTIMIZER_FILE => &headers[1],
                _ => &state,
            };
            let mut parts: Vec<&[u8]> = vec![first];
            parts.extend(data.iter().map(|part| &**part));
            files.push(self.write(&staging.join(name), &parts)?);
        }
        let best = checkpoint.state.best.as_ref().map(|best| best.step);
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let manifest = Manifest::new(checkpoint.step, &checkpoint.state.config_hash, best, files)
            .and_then(|manifest| manifest.to_bytes())
            .map_err(|error| CheckpointError::BadState(error.to_string()))?;
        self.write(&staging.join(MANIFEST_FILE), &[&manifest])?;
        self.fs.sync_dir(staging).map_err(doing("syncing the folder", staging))?;
        Ok(bytes + manifest.len() as u64)
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> Result<FileEntry, CheckpointError> {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        self.fs.write_durable(path, parts).map_err(writing("writing", path, bytes))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(FileEntry { name, bytes, sha256: sha256(parts) })
    }

    /// Gives the staged folder its name. Undoes itself where it fails.
    fn place(&self, step: u64, staging: &Path) -> Result<(), CheckpointError> {
        let target = self.path_of(step);
        if !self.exists(&target)? {
            return self.rename(staging, &target);
        }
        let replaced = self.hidden("replaced", step);
        self.rename(&target, &replaced)?;
        let swapped = self.sync().and_then(|()| self.rename(staging, &target));
        if swapped.is_err()
            && let Err(error) = self.rename(&replaced, &target)
        {
            tracing::warn!(%error, step, "the earlier checkpoint gets its name back at the next start");
        }
        swapped
    }

    fn prune(&self, saved: u64, best: Option<u64>, removed: &mut Vec<u64>) -> Result<(), CheckpointError> {
        let replaced = self.hidden("replaced", saved);
        self.remove(&replaced)?;
        // A broken folder must not count as one of those that stay.
        let whole: Vec<u64> = self
            .list()?
            .into_iter()
            .filter_map(|listed| listed.step.filter(|_| listed.manifest.is_ok()))
            .collect();
        self.discard(self.retention.victims(&whole, saved, best), removed)
    }

    fn discard(&self, steps: Vec<u64>, removed: &mut Vec<u64>) -> Result<(), CheckpointError> {
        // Renamed first: a removal cut short must not look like a damaged checkpoint.
        let trash: Vec<_> = steps.into_iter().map(|step| (step, self.hidden("trash", step))).collect();
        for (step, path) in &trash {
            self.remove(path)?;
            self.rename(&self.path_of(*step), path)?;
            removed.push(*step);
        }
        if !trash.is_empty() {
            self.sync()?;
        }
        trash.iter().try_for_each(|(_, path)| self.remove(path))
    }

    /// Removes every checkpoint above `step`, whole or broken, and returns their steps. For a run that goes on from an
    /// older checkpoint: otherwise [`CheckpointStore::latest_valid`] would one day return to the future that was left.
    ///
    /// # Errors
    /// The file system refuses; some of them can then be gone.
    pub fn discard_after(&self, step: u64) -> Result<Vec<u64>, CheckpointError> {
        let later = self.steps()?.0.into_iter().filter(|found| *found > step).collect();
        let mut removed = Vec::new();
        self.discard(later, &mut removed)?;
        Ok(removed)
    }

    /// The steps that have a folder, ascending, and the names that look like one but are not.
    fn steps(&self) -> Result<(Vec<u64>, Vec<PathBuf>), CheckpointError> {
        let entries = self.fs.list(&self.folder).map_err(doing("reading the folder", &self.folder))?;
        let (mut steps, mut bad) = (Vec::new(), Vec::new());
        for entry in entries {
            match named(&entry.name) {
                Named::Step(step) => steps.push(step),
                Named::BadStep => bad.push(self.folder.join(&entry.name)),
                Named::Leftover | Named::Replaced(_) | Named::Foreign => {}
            }
        }
        steps.sort_unstable();
        Ok((steps, bad))
    }

    /// Every checkpoint folder: those whose name says no step first, then by step.
    ///
    /// # Errors
    /// The folder cannot be listed. What is wrong with one checkpoint stands in its entry.
    pub fn list(&self) -> Result<Vec<Listed>, CheckpointError> {
        let (steps, bad) = self.steps()?;
        let broken = bad.into_iter().map(|path| Listed {
            step: None,
            manifest: Err(CheckpointError::BadName(path.clone())),
            path,
        });
        let named = steps.into_iter().map(|step| Listed {
            step: Some(step),
            path: self.path_of(step),
            manifest: self.manifest(step),
        });
        Ok(broken.chain(named).collect())
    }

    fn manifest(&self, step: u64) -> Result<Manifest, CheckpointError> {
        let path = self.path_of(step);
        match self.fs.stat(&path).map_err(doing("reading", &path))? {
            None => Err(CheckpointError::NoSuchStep { folder: self.folder.clone(), step }),
            Some(entry) if entry.kind != EntryKind::Folder => {
                Err(CheckpointError::WrongKind { path, expected: "a folder", found: entry.kind.name() })
            }
            Some(_) => Manifest::read(&self.fs, &path, step),
        }
    }

    /// Loads the checkpoint of `step`. What is returned was parsed from the very bytes whose hashes were checked.
    ///
    /// # Errors
    /// There is none, or anything about it is not as it was saved.
    pub fn load(&self, step: u64) -> Result<Checkpoint, CheckpointError> {
        let manifest = self.manifest(step)?;
        let folder = self.path_of(step);
        let state_path = folder.join(STATE_FILE);
        let bad = |reason: String| CheckpointError::BadFile { path: state_path.clone(), reason };
        let bytes = self.verified(&folder, &manifest, STATE_FILE)?;
        let state: TrainState = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if state.step != step {
            return Err(bad(format!("it is of step {}, the checkpoint of step {step}", state.step)));
        }
        if state.config_hash != manifest.config_hash {
            let (here, there) = (&state.config_hash, &manifest.config_hash);
            return Err(bad(format!("its config hash is {here:?}, the manifest's {there:?}")));
        }
        let tensors =
            |name: &str| tensor_file::parse(&folder.join(name), &self.verified(&folder, &manifest, name)?);
        Ok(Checkpoint { step, weights: tensors(WEIGHTS_FILE)?, optimizer: tensors(OPTIMIZER_FILE)?, state })
    }

    fn verified(&self, folder: &Path, manifest: &Manifest, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let path = folder.join(name);
        let Some(entry) = manifest.entry(name) else {
            return Err(CheckpointError::BadManifest { path, reason: format!("{name} is not in it") });
        };
        let bytes = self.fs.read(&path, entry.bytes).map_err(doing("reading", &path))?;
        let found = bytes.len() as u64;
        if found != entry.bytes {
            return Err(CheckpointError::WrongSize { path, expected: entry.bytes, found });
        }
        let found = sha256(&[&bytes]);
        if found != entry.sha256 {
            return Err(CheckpointError::WrongHash { path, expected: entry.sha256.clone(), found });
        }
        Ok(bytes)
    }

    /// The newest checkpoint that is whole, found from the newest down, with what was passed over and why.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn latest_valid(&self) -> Result<Latest, CheckpointError> {
        let (steps, bad) = self.steps()?;
        let mut skipped: Vec<Skipped> = bad
            .into_iter()
            .map(|path| Skipped { why: CheckpointError::BadName(path.clone()), path })
            .collect();
        for step in steps.into_iter().rev() {
            match self.load(step) {
                Ok(checkpoint) => return Ok(Latest { checkpoint: Some(checkpoint), skipped }),
                Err(why) => {
                    tracing::warn!(step, %why, "a checkpoint cannot be used");
                    skipped.push(Skipped { path: self.path_of(step), why });
                }
            }
        }
        Ok(Latest { checkpoint: None, skipped })
    }
}
