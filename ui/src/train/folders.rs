//! The trainings in the folder of runs, listed beside the window.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use plumb_train::run::{CONFIG_FILE, RESULT_FOLDER};

use super::record::Saved;
use super::task::Task;

/// Trainings that are listed.
const MOST: usize = 500;

/// A training on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    /// Whether its result is there.
    pub(crate) finished: bool,
    pub(crate) saved: Vec<Saved>,
    modified: u64,
}

#[derive(Debug, Default)]
struct Scan {
    list: Vec<Listed>,
    machine: Option<u64>,
}

/// What was found last, and whether that is of now.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    found: Scan,
    task: Option<Task<Scan>>,
    /// When something changed that was not looked at yet.
    looked: bool,
}

impl Folders {
    /// Newest first.
    pub(crate) fn list(&self) -> &[Listed] {
        &self.found.list
    }

    pub(crate) fn of(&self, folder: &Path) -> Option<&Listed> {
        self.found.list.iter().find(|listed| listed.folder == folder)
    }

    /// Memory of this machine in bytes, where the system tells.
    pub(crate) fn machine(&self) -> Option<u64> {
        self.found.machine
    }

    /// Looks again soon: a run has saved or ended.
    pub(crate) fn changed(&mut self) {
        self.looked = false;
    }

    /// Takes what was found, and looks where something has changed. `others` lie elsewhere.
    pub(crate) fn tick(&mut self, ctx: &egui::Context, runs: &Path, others: &[PathBuf]) {
        if let Some(done) = self.task.as_ref().and_then(Task::poll) {
            self.task = None;
            if let Ok(found) = done {
                self.found = found;
            }
        }
        if self.looked || self.task.is_some() {
            return;
        }
        self.looked = true;
        let (runs, others) = (runs.to_owned(), others.to_vec());
        self.task = Task::start(ctx, "plumb-runs", move || scan(&runs, &others)).ok();
    }
}

fn scan(runs: &Path, others: &[PathBuf]) -> Scan {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(runs)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    folders.extend_from_slice(others);
    folders.sort();
    folders.dedup();
    let mut list: Vec<Listed> = folders.into_iter().filter_map(listed).collect();
    list.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.folder.cmp(&b.folder)));
    list.truncate(MOST);
    Scan { list, machine: machine() }
}

fn listed(folder: PathBuf) -> Option<Listed> {
    let meta = std::fs::metadata(folder.join(CONFIG_FILE)).ok()?;
    let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let result = folder.join(RESULT_FOLDER);
    let finished = ["adapter_config.json", "config.json"].iter().any(|file| result.join(file).is_file());
    let mut saved: Vec<Saved> = std::fs::read_dir(folder.join("checkpoints"))
        .map(|entries| entries.filter_map(|entry| checkpoint(entry.ok()?.path())).collect())
        .unwrap_or_default();
    saved.sort_by_key(|saved| saved.step);
    let name =
        folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
    Some(Listed { name, finished, saved, modified: modified.map_or(0, |since| since.as_secs()), folder })
}

fn checkpoint(folder: PathBuf) -> Option<Saved> {
    let step = folder.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
    let files = std::fs::read_dir(&folder).ok()?;
    let bytes = files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum();
    Some(Saved { step, folder, bytes })
}

fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()?.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainings_are_found_and_other_folders_are_not() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("runs/a");
        std::fs::create_dir_all(run.join("checkpoints/step-000020")).unwrap();
        std::fs::create_dir_all(run.join("checkpoints/step-x")).unwrap();
        std::fs::create_dir_all(root.path().join("runs/evaluation")).unwrap();
        std::fs::write(run.join(CONFIG_FILE), "").unwrap();
        std::fs::write(run.join("checkpoints/step-000020/weights.safetensors"), [0; 7]).unwrap();
        let found = scan(&root.path().join("runs"), std::slice::from_ref(&run));
        assert_eq!(found.list.len(), 1, "once, though it was named twice");
        assert_eq!((&*found.list[0].name, found.list[0].finished), ("a", false));
        assert_eq!(found.list[0].saved.iter().map(|s| (s.step, s.bytes)).collect::<Vec<_>>(), [(20, 7)]);
        std::fs::create_dir_all(run.join(RESULT_FOLDER)).unwrap();
        std::fs::write(run.join(RESULT_FOLDER).join("adapter_config.json"), "{}").unwrap();
        assert!(scan(&root.path().join("runs"), &[]).list[0].finished);
        assert!(scan(&root.path().join("nothing"), &[]).list.is_empty());
    }
}
