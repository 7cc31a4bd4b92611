//! Creating, resuming, appending to, reading and listing runs.

use super::lock::RunLock;
use super::{MANIFEST_FILE, RECORDS_FILE, RunError, canonical_line, differences, io_error};
use crate::durable::{sync_dir, write_atomic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// No record comes near this; a longer line is a damaged file, and reading it whole could exhaust memory.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// When an appended record is forced to the disk. A killed process loses nothing either way, since every record is
/// handed to the operating system at once; only a power cut can take the records since the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// One `fdatasync` for each record.
    #[default]
    EveryRecord,
    /// One `fdatasync` for each this many records, and one at [`Run::finish`].
    Every(NonZeroU32),
}

/// A run open for appending. Holds the lock of its folder until dropped.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes of whole records in the file.
    length: u64,
    count: u64,
    unsynced: u32,
    durability: Durability,
    poisoned: bool,
    _lock: RunLock,
}

impl Run {
    /// Starts a run in `folder` (made where missing), writing `manifest` to `run.json`.
    ///
    /// # Errors
    /// The folder already holds a run or anything else, another process holds its lock, or the disk refuses.
    pub fn create<M: Serialize + ?Sized>(folder: &Path, manifest: &M) -> Result<Self, RunError> {
        fs::create_dir_all(folder).map_err(io_error("creating the folder", folder))?;
        let manifest_path = folder.join(MANIFEST_FILE);
        if manifest_path.exists() {
            return Err(RunError::AlreadyExists(folder.to_path_buf()));
        }
        for entry in fs::read_dir(folder).map_err(io_error("reading the folder", folder))? {
            let name = entry.map_err(io_error("reading the folder", folder))?.file_name();
            // What a process killed while it created this very run can have left.
            if !name.to_string_lossy().starts_with("run.") {
                return Err(RunError::FolderNotEmpty(folder.to_path_buf()));
            }
        }
        let lock = RunLock::take(folder)?;
        if manifest_path.exists() {
            return Err(RunError::AlreadyExists(folder.to_path_buf()));
        }
        let mut text = serde_json::to_string_pretty(manifest)
            .map_err(|source| RunError::BadManifest { path: manifest_path.clone(), source })?;
        text.push('\n');
        write_atomic(&manifest_path, text.as_bytes()).map_err(io_error("writing", &manifest_path))?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent).map_err(io_error("syncing the folder", parent))?;
        }
        Self::open(folder, lock, 0, 0)
    }

    /// Opens a run to continue it: compares its manifest with `expected`, cuts off an unfinished last line, and returns
    /// the records that are there, in order.
    ///
    /// `ignored` names top-level manifest fields that may differ, such as the time of the start.
    ///
    /// # Errors
    /// The folder holds no run, another process writes it, the manifest differs (each field is named), or a record other
    /// than an unfinished last line does not read back as `T`.
    pub fn resume<T: DeserializeOwned, M: Serialize + ?Sized>(
        folder: &Path,
        expected: &M,
        ignored: &[&str],
    ) -> Result<(Self, Vec<T>), RunError> {
        let mut found: Value = read_manifest(folder)?;
        let lock = RunLock::take(folder)?;
        let manifest_path = folder.join(MANIFEST_FILE);
        // Through text, as the stored one went: a float is then rounded alike on both sides.
        let mut wanted: Value = serde_json::to_string(expected)
            .and_then(|text| serde_json::from_str(&text))
            .map_err(|source| RunError::BadManifest { path: manifest_path.clone(), source })?;
        for side in [&mut found, &mut wanted] {
            if let Value::Object(fields) = side {
                fields.retain(|key, _| !ignored.contains(&key.as_str()));
            }
        }
        let differences = differences(&wanted, &found);
        if !differences.is_empty() {
            return Err(RunError::ManifestMismatch { path: manifest_path, differences });
        }
        let path = folder.join(RECORDS_FILE);
        let scan = scan::<T>(&path)?;
        if scan.torn_bytes > 0 {
            tracing::warn!(path = %path.display(), bytes = scan.torn_bytes, "an unfinished last record was cut off");
            let file = OpenOptions::new().write(true).open(&path).map_err(io_error("opening", &path))?;
            file.set_len(scan.length).map_err(io_error("cutting the unfinished record off", &path))?;
            file.sync_all().map_err(io_error("syncing", &path))?;
        }
        let count = scan.records.len() as u64;
        Ok((Self::open(folder, lock, scan.length, count)?, scan.records))
    }

    /// [`Run::resume`] where `folder` holds a run, else [`Run::create`] and no records.
    ///
    /// # Errors
    /// As those two.
    pub fn open_or_create<T: DeserializeOwned, M: Serialize + ?Sized>(
        folder: &Path,
        manifest: &M,
        ignored: &[&str],
    ) -> Result<(Self, Vec<T>), RunError> {
        if folder.join(MANIFEST_FILE).exists() {
            Self::resume(folder, manifest, ignored)
        } else {
            Ok((Self::create(folder, manifest)?, Vec::new()))
        }
    }

    fn open(folder: &Path, lock: RunLock, length: u64, count: u64) -> Result<Self, RunError> {
        let path = folder.join(RECORDS_FILE);
        let existed = path.exists();
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(io_error("opening", &path))?;
        if !existed {
            sync_dir(folder).map_err(io_error("syncing the folder", folder))?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            path,
            file,
            length,
            count,
            unsynced: 0,
            durability: Durability::EveryRecord,
            poisoned: false,
            _lock: lock,
        })
    }

    /// Chooses when records are forced to the disk.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The folder of the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many records the file holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Appends one record and returns its index, counted from 0.
    ///
    /// # Errors
    /// The record does not read back from its own JSON (a NaN in a plain float, for example), or the disk refuses (full,
    /// for example): the part of the line that was written is then removed, so that the file stays valid and the run can
    /// go on once there is room.
    pub fn append<T: Serialize + DeserializeOwned>(&mut self, record: &T) -> Result<u64, RunError> {
        if self.poisoned {
            return Err(RunError::Poisoned(self.path.clone()));
        }
        let index = self.count;
        let refuse =
            |error: serde_json::Error| RunError::NotSerialisable { index, reason: error.to_string() };
        let mut line = canonical_line(record).map_err(refuse)?;
        // A line that no reader opens would make the run impossible to resume; better to say so now.
        serde_json::from_str::<T>(&line).map_err(refuse)?;
        line.push('\n');
        if let Err(source) = self.file.write_all(line.as_bytes()) {
            self.poisoned = self.file.set_len(self.length).is_err();
            return Err(RunError::Io { action: "appending a record to", path: self.path.clone(), source });
        }
        self.length += line.len() as u64;
        self.count += 1;
        self.unsynced += 1;
        let due = match self.durability {
            Durability::EveryRecord => 1,
            Durability::Every(n) => n.get(),
        };
        if self.unsynced >= due {
            self.sync()?;
        }
        Ok(index)
    }

    /// Forces every appended record to the disk.
    ///
    /// # Errors
    /// The disk refuses. What it holds is then unknown, so nothing more is appended until the run is opened anew.
    pub fn sync(&mut self) -> Result<(), RunError> {
        if self.unsynced > 0 {
            if let Err(source) = self.file.sync_data() {
                self.poisoned = true;
                return Err(RunError::Io { action: "syncing", path: self.path.clone(), source });
            }
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Syncs and releases the run.
    ///
    /// # Errors
    /// As [`Run::sync`].
    pub fn finish(mut self) -> Result<(), RunError> {
        self.sync()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            tracing::warn!(%error, "the last records of a run may not be on the disk");
        }
    }
}

struct Scan<T> {
    records: Vec<T>,
    length: u64,
    torn_bytes: u64,
}

/// Reads every whole line. A missing file is an empty one: a kill can fall between the manifest and the first record.
fn scan<T: DeserializeOwned>(path: &Path) -> Result<Scan<T>, RunError> {
    let mut scan = Scan { records: Vec::new(), length: 0, torn_bytes: 0 };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(scan),
        Err(error) => return Err(io_error("opening", path)(error)),
    };
    if !file.metadata().map_err(io_error("reading", path))?.is_file() {
        return Err(RunError::NotAFile(path.to_path_buf()));
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let corrupt = |reason: String| RunError::Corrupt { path: path.to_path_buf(), line: number, reason };
        let read = (&mut reader)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(io_error("reading", path))?;
        if line.last() == Some(&b'\n') {
            line.pop();
            let record = serde_json::from_slice(&line).map_err(|error| corrupt(error.to_string()))?;
            scan.records.push(record);
            scan.length += read as u64;
        } else if read as u64 == MAX_LINE_BYTES {
            return Err(corrupt(format!("it is longer than {MAX_LINE_BYTES} bytes")));
        } else {
            scan.torn_bytes = read as u64;
            break;
        }
    }
    Ok(scan)
}

/// Reads the manifest of the run in `folder`.
///
/// # Errors
/// There is none, or it is no JSON of `M`.
pub fn read_manifest<M: DeserializeOwned>(folder: &Path) -> Result<M, RunError> {
    let path = folder.join(MANIFEST_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(RunError::NotARun(folder.to_path_buf()));
        }
        Err(error) => return Err(io_error("reading", &path)(error)),
    };
    serde_json::from_slice(&bytes).map_err(|source| RunError::BadManifest { path, source })
}

/// Reads the records of a run without locking or changing it; an unfinished last line (a run that is being written, or
/// was killed) is left out.
///
/// The file holds every bit of a float; reading an `f64` of 17 digits can round its last bit unless serde_json's
/// `float_roundtrip` is on, so two readings are equal to each other but need not equal what was in memory.
///
/// # Errors
/// There is no run, or a whole line does not read back as `T`.
pub fn read_records<T: DeserializeOwned>(folder: &Path) -> Result<Vec<T>, RunError> {
    if !folder.join(MANIFEST_FILE).exists() {
        return Err(RunError::NotARun(folder.to_path_buf()));
    }
    Ok(scan(&folder.join(RECORDS_FILE))?.records)
}

/// A folder whose sub-folders are runs.
#[derive(Debug, Clone)]
pub struct RunStore {
    root: PathBuf,
}

/// One run as a list shows it.
#[derive(Debug)]
pub struct RunSummary {
    /// Name of the run's folder.
    pub name: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// `run.json`, or why it cannot be read: one damaged run does not hide the others.
    pub manifest: Result<Value, RunError>,
    /// Whole lines in the record file; they are counted, not checked.
    pub records: u64,
    /// When the record file last grew.
    pub modified: Option<SystemTime>,
}

impl RunStore {
    /// The store in `root`; the folder need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of the run called `name`.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The runs in the store, by name. A store that does not exist has none.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<RunSummary>, RunError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("reading the folder", &self.root)(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error("reading the folder", &self.root))?;
            let folder = entry.path();
            if !folder.join(MANIFEST_FILE).is_file() {
                continue;
            }
            let records = folder.join(RECORDS_FILE);
            runs.push(RunSummary {
                name: entry.file_name().to_string_lossy().into_owned(),
                manifest: read_manifest(&folder),
                records: count_lines(&records)?,
                modified: fs::metadata(&records).and_then(|data| data.modified()).ok(),
                folder,
            });
        }
        runs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(runs)
    }
}

fn count_lines(path: &Path) -> Result<u64, RunError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_error("opening", path)(error)),
    };
    if !file.metadata().map_err(io_error("reading", path))?.is_file() {
        return Err(RunError::NotAFile(path.to_path_buf()));
    }
    let mut buffer = vec![0; 1 << 16];
    let mut lines = 0;
    loop {
        let read = file.read(&mut buffer).map_err(io_error("reading", path))?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(lines);
        };
        lines += part.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}
