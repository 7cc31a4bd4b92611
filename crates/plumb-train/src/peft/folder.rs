//! Adapter folders on disk: read with a clear word about what is wrong, replaced whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use plumb_store::durable::sync_dir;
use serde_json::Value;

use crate::host::FileDtype;

use super::adapter::{Adapter, HUB_TENSORS, PEFT_TENSORS};
use super::config::CONFIG_FILE;
use super::error::{AdapterError, Result, some_names};
use super::mlx::MLX_TENSORS;

/// Our own record of the run, beside and never inside the files others read.
pub const RUN_FILE: &str = "plumbline_run.json";

/// The names that may lie in a folder we overwrite.
const OURS: [&str; 6] = [CONFIG_FILE, PEFT_TENSORS, HUB_TENSORS, MLX_TENSORS, RUN_FILE, "README.md"];
const READ: [&str; 5] = [CONFIG_FILE, PEFT_TENSORS, HUB_TENSORS, "adapter_model.bin", "pytorch_adapter.bin"];

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AdapterError {
    let path = path.display().to_string();
    move |source| AdapterError::Io { action, path, source }
}

/// A hidden name beside `folder`.
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{suffix}"))
}

/// The old folder while a new one takes its place. A crash between the two renames leaves only this one.
fn previous(folder: &Path) -> PathBuf {
    beside(folder, "previous")
}

fn entries(folder: &Path) -> Result<Vec<(String, bool)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("open", folder))? {
        let entry = entry.map_err(io_error("list", folder))?;
        let kind = entry.file_type().map_err(io_error("list", folder))?;
        names.push((entry.file_name().to_string_lossy().into_owned(), kind.is_dir()));
    }
    names.sort();
    Ok(names)
}

impl Adapter {
    /// Reads an adapter from its folder. Pickled tensors are recognised, never opened.
    ///
    /// # Errors
    /// As [`Adapter::read`], and when the adapter lies in a sub-folder, which is then named.
    pub fn read_folder(path: &Path) -> Result<Self> {
        let old = previous(path);
        let path = if !path.exists() && old.is_dir() { &old } else { path };
        let names = entries(path)?;
        if !names.iter().any(|(name, _)| name == CONFIG_FILE) {
            let inner =
                names.iter().find(|(name, folder)| *folder && path.join(name).join(CONFIG_FILE).is_file());
            let folder = path.display().to_string();
            return Err(match inner {
                Some((inner, _)) => AdapterError::SubFolder { folder, inner: inner.clone() },
                None => AdapterError::MissingFile {
                    place: folder,
                    expected: CONFIG_FILE.to_owned(),
                    found: some_names(names.iter().map(|(name, _)| name)),
                },
            });
        }
        let mut files = BTreeMap::new();
        for name in READ {
            let file = path.join(name);
            if !names.iter().any(|(found, folder)| found == name && !folder) {
                continue;
            }
            let pickle = name.ends_with(".bin");
            let bytes = if pickle { Vec::new() } else { fs::read(&file).map_err(io_error("read", &file))? };
            files.insert(name.to_owned(), bytes);
        }
        Self::read(&files)
    }

    /// Writes the adapter's folder, with `run` beside it as [`RUN_FILE`]: into a folder next to it first, synced, then
    /// renamed, so that a crash leaves the old adapter or the new one. A README.md that is there stays.
    ///
    /// # Errors
    /// A folder that is there and holds anything but an adapter, a tensor that `dtype` cannot hold, or the disk.
    pub fn write_folder(&self, path: &Path, dtype: FileDtype, run: Option<&Value>) -> Result<()> {
        let mut files = self.to_files(dtype)?;
        if let Some(run) = run {
            let text = serde_json::to_string_pretty(run)
                .map_err(|e| AdapterError::Json { file: RUN_FILE.to_owned(), reason: e.to_string() })?;
            files.insert(RUN_FILE.to_owned(), text.into_bytes());
        }
        replace_folder(path, &files)
    }
}

/// Puts a folder with exactly these files (and an old README.md) at `path`, all or nothing.
///
/// # Errors
/// As [`Adapter::write_folder`].
pub(crate) fn replace_folder(path: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    if path.file_name().is_none() {
        let source =
            io::Error::new(io::ErrorKind::InvalidInput, "expected a path that ends in a folder name");
        return Err(io_error("write", path)(source));
    }
    let old = previous(path);
    if !path.exists() && old.is_dir() {
        fs::rename(&old, path).map_err(io_error("restore", path))?;
    }
    let there = path.symlink_metadata().is_ok();
    let mut files = files.clone();
    if there {
        refuse_foreign(path)?;
        let readme = path.join("README.md");
        if readme.is_file() && !files.contains_key("README.md") {
            let text = fs::read(&readme).map_err(io_error("read", &readme))?;
            files.insert("README.md".to_owned(), text);
        }
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    let staging = beside(path, &format!("{}.partial", std::process::id()));
    let done = stage(&staging, &files).and_then(|()| {
        if there {
            if old.exists() {
                fs::remove_dir_all(&old).map_err(io_error("remove", &old))?;
            }
            fs::rename(path, &old).map_err(io_error("move aside", path))?;
        }
        if let Err(error) = fs::rename(&staging, path) {
            if there {
                let _ = fs::rename(&old, path);
            }
            return Err(io_error("rename", &staging)(error));
        }
        sync_dir(parent).map_err(io_error("sync", parent))
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(&staging);
        return done;
    }
    if there {
        fs::remove_dir_all(&old).map_err(io_error("remove", &old))?;
    }
    Ok(())
}

fn stage(staging: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    if staging.exists() {
        // Left by a killed process that had this process's number.
        fs::remove_dir_all(staging).map_err(io_error("remove", staging))?;
    }
    fs::create_dir(staging).map_err(io_error("create", staging))?;
    for (name, bytes) in files {
        let path = staging.join(name);
        let written = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(io_error("write", &path))?;
    }
    sync_dir(staging).map_err(io_error("sync", staging))
}

fn refuse_foreign(path: &Path) -> Result<()> {
    let refuse =
        |found: String| Err(AdapterError::NotAdapterFolder { folder: path.display().to_string(), found });
    if !path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return refuse("something that is no folder".to_owned());
    }
    let names = entries(path)?;
    if let Some((name, _)) = names.iter().find(|(name, folder)| *folder || !OURS.contains(&name.as_str())) {
        return refuse(name.clone());
    }
    if !names.is_empty() && !names.iter().any(|(name, _)| name == CONFIG_FILE) {
        return refuse(format!("no {CONFIG_FILE}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{AdapterConfig, PromptTuningConfig, ResolvedAdapter};
    use super::*;
    use crate::host::HostTensor;

    fn adapter(value: f32) -> Adapter {
        let config = AdapterConfig::PromptTuning(PromptTuningConfig {
            virtual_tokens: 1,
            token_dim: Some(2),
            layers: None,
            heads: None,
            base: super::super::Base::default(),
        });
        let embeddings = HostTensor { shape: vec![1, 2], values: vec![value, 0.5] };
        Adapter::assemble(config, ResolvedAdapter::PromptTuning { embeddings })
    }

    fn names(folder: &Path) -> Vec<String> {
        entries(folder).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn writes_reads_and_replaces_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/adapter");
        let run = serde_json::json!({ "seed": 7 });
        adapter(1.0).write_folder(&path, FileDtype::F32, Some(&run)).unwrap();
        assert_eq!(names(&path), [CONFIG_FILE, PEFT_TENSORS, RUN_FILE]);
        assert!(!fs::read_to_string(path.join(CONFIG_FILE)).unwrap().contains("seed"));
        assert_eq!(Adapter::read_folder(&path).unwrap().tensors, adapter(1.0).tensors);
        fs::write(path.join("README.md"), "mine").unwrap();
        adapter(2.0).write_folder(&path, FileDtype::F32, None).unwrap();
        assert_eq!(names(&path), ["README.md", CONFIG_FILE, PEFT_TENSORS]);
        assert_eq!(Adapter::read_folder(&path).unwrap().tensors, adapter(2.0).tensors);
        assert_eq!(names(&root.path().join("deep")), ["adapter"]);
    }

    #[test]
    fn a_crash_between_the_renames_loses_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        adapter(1.0).write_folder(&path, FileDtype::F32, None).unwrap();
        fs::rename(&path, previous(&path)).unwrap();
        assert_eq!(Adapter::read_folder(&path).unwrap().tensors, adapter(1.0).tensors);
        adapter(2.0).write_folder(&path, FileDtype::F32, None).unwrap();
        assert_eq!(Adapter::read_folder(&path).unwrap().tensors, adapter(2.0).tensors);
        assert_eq!(names(root.path()), ["a"]);
    }

    #[test]
    fn foreign_folders_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("photos");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("cat.png"), "x").unwrap();
        let error = adapter(1.0).write_folder(&path, FileDtype::F32, None).unwrap_err().to_string();
        assert!(error.contains("found cat.png") && error.contains("refusing"), "{error}");
        fs::write(path.join(CONFIG_FILE), "{}").unwrap();
        assert!(adapter(1.0).write_folder(&path, FileDtype::F32, None).is_err());
        assert_eq!(names(&path), [CONFIG_FILE, "cat.png"]);
        let file = root.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(adapter(1.0).write_folder(&file, FileDtype::F32, None).is_err());
        assert_eq!(names(root.path()), ["file", "photos"]);
    }

    #[test]
    fn a_value_the_type_cannot_hold_leaves_the_old_adapter() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        adapter(1.0).write_folder(&path, FileDtype::F32, None).unwrap();
        assert!(adapter(1e6).write_folder(&path, FileDtype::F16, None).is_err());
        assert_eq!(Adapter::read_folder(&path).unwrap().tensors, adapter(1.0).tensors);
        assert_eq!(names(root.path()), ["a"]);
    }

    #[test]
    fn says_where_the_adapter_is_or_that_it_is_pickled() {
        let root = tempfile::tempdir().unwrap();
        adapter(1.0).write_folder(&root.path().join("style"), FileDtype::F32, None).unwrap();
        let error = Adapter::read_folder(root.path()).unwrap_err().to_string();
        assert!(error.contains("lies in the sub-folder style"), "{error}");
        fs::remove_file(root.path().join("style").join(PEFT_TENSORS)).unwrap();
        let error = Adapter::read_folder(&root.path().join("style")).unwrap_err().to_string();
        assert!(error.contains("has no adapter_model.safetensors; found adapter_config.json"), "{error}");
        fs::write(root.path().join("style/adapter_model.bin"), "PK").unwrap();
        let error = Adapter::read_folder(&root.path().join("style")).unwrap_err().to_string();
        assert!(error.contains("convert it to safetensors"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        let error = Adapter::read_folder(empty.path()).unwrap_err().to_string();
        assert!(error.contains("has no adapter_config.json; found none"), "{error}");
    }
}
