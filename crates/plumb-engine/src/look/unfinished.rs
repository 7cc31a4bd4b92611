//! Runs that were cut short: the window was closed or killed, the machine went off.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use plumb_store::runs::{MANIFEST_FILE, RECORDS_FILE, RunLock, read_manifest};
use plumb_train::checkpoint::{CHECKPOINTS_FOLDER, METRICS_FILE};
use plumb_train::config::TrainConfig;
use plumb_train::run::CONFIG_FILE;
use serde::{Deserialize, Serialize};

use crate::device::{self, Adapter, DeviceChoice};
use crate::eval::RunManifest;
use crate::protocol::{ImageMode, Request};

use super::training;

/// Folders below the one that is listed.
const DEEPEST: usize = 2;

/// What was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnfinishedKind {
    Evaluation,
    Training,
}

/// A run that can go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    pub kind: UnfinishedKind,
    pub folder: PathBuf,
    pub name: String,
    /// The model, and the adapter on it that is evaluated.
    pub model: String,
    pub adapter: Option<String>,
    /// The image mode of an evaluation.
    pub image: ImageMode,
    /// Samples that are answered, or steps up to the last checkpoint.
    pub done: u64,
    /// None for a training that is measured in epochs.
    pub total: Option<u64>,
    /// Seconds since 1970.
    pub modified: Option<u64>,
    /// Goes on with it as it was: the same model, device, precision, questions, folder.
    pub request: Request,
}

/// A folder that cannot be read hides only itself: what is wrong with a run is said where runs are listed.
pub(super) fn list(root: &Path) -> Vec<Unfinished> {
    let mut folders = vec![root.to_owned()];
    below(root, DEEPEST, &mut folders);
    // The graphics API is asked only where a run needs it.
    let mut adapters: Option<Vec<Adapter>> = None;
    let mut found: Vec<Unfinished> = folders
        .iter()
        .filter_map(|folder| evaluation(root, folder, &mut adapters).or_else(|| training_of(root, folder)))
        .collect();
    found.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.folder.cmp(&b.folder)));
    found
}

fn below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        if depth > 1 && !path.join(MANIFEST_FILE).exists() {
            below(&path, depth - 1, found);
        }
        found.push(path);
    }
}

fn evaluation(root: &Path, folder: &Path, adapters: &mut Option<Vec<Adapter>>) -> Option<Unfinished> {
    if !folder.join(MANIFEST_FILE).exists() {
        return None;
    }
    let manifest: RunManifest = read_manifest(folder).ok()?;
    let done = whole_lines(&folder.join(RECORDS_FILE));
    if done >= manifest.samples as u64 || RunLock::is_held(folder) {
        return None;
    }
    let print = &manifest.fingerprint;
    let known = known(&print.backend, adapters);
    Some(Unfinished {
        kind: UnfinishedKind::Evaluation,
        name: name(root, folder),
        model: print.model.clone(),
        adapter: print.adapter.clone(),
        image: manifest.image,
        done,
        total: Some(manifest.samples as u64),
        modified: modified(&[folder.join(RECORDS_FILE), folder.join(MANIFEST_FILE)]),
        request: manifest.request(manifest.image, folder.to_owned(), known),
        folder: folder.to_owned(),
    })
}

fn training_of(root: &Path, folder: &Path) -> Option<Unfinished> {
    let path = folder.join(CONFIG_FILE);
    if training::is_finished(folder) || !path.exists() || RunLock::is_held(folder) {
        return None;
    }
    let text = String::from_utf8(super::read_bytes(&path, training::MOST_CONFIG).ok()??).ok()?;
    let mut config = TrainConfig::from_toml(&path.display().to_string(), &text).ok()?;
    // A folder that was moved goes on where it is.
    folder.clone_into(&mut config.out);
    // By itself: a training that goes on looks for the device that it was begun on.
    let device = DeviceChoice::Auto;
    Some(Unfinished {
        kind: UnfinishedKind::Training,
        name: name(root, folder),
        model: config.model.clone(),
        adapter: None,
        image: ImageMode::Full,
        done: last_checkpoint(folder),
        total: config.steps,
        modified: modified(&[folder.join(METRICS_FILE), path]),
        request: Request::Train { config: Box::new(config), device, resume: true, dry_run: false },
        folder: folder.to_owned(),
    })
}

fn known<'a>(backend: &str, adapters: &'a mut Option<Vec<Adapter>>) -> &'a [Adapter] {
    if backend == "cpu" { &[] } else { adapters.get_or_insert_with(device::adapters) }
}

/// Its place below the listed folder: the runs of a trial are all named alike.
fn name(root: &Path, folder: &Path) -> String {
    let below = folder.strip_prefix(root).unwrap_or(folder);
    let own = if below.as_os_str().is_empty() { folder.file_name().map_or(folder, Path::new) } else { below };
    own.display().to_string()
}

fn modified(files: &[PathBuf]) -> Option<u64> {
    let time = files.iter().find_map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok())?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Records are lines; the last one may have been cut short, and is written again.
fn whole_lines(path: &Path) -> u64 {
    let Ok(file) = File::open(path) else { return 0 };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut lines = 0;
    loop {
        let Ok(bytes) = reader.fill_buf() else { return lines };
        if bytes.is_empty() {
            return lines;
        }
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let read = bytes.len();
        reader.consume(read);
    }
}

fn last_checkpoint(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder.join(CHECKPOINTS_FOLDER)) else { return 0 };
    let step = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok();
    entries.filter_map(|entry| step(entry.ok()?)).max().unwrap_or(0)
}
