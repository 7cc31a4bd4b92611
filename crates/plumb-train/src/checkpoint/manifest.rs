//! The manifest of a checkpoint: what belongs to it, and how to know that it is whole.

use super::CheckpointError;
use super::fs::{EntryKind, Fs};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// Version of the layout that this program writes and reads.
pub const MANIFEST_VERSION: u32 = 1;

pub(super) const MANIFEST_FILE: &str = "manifest.json";
pub(super) const WEIGHTS_FILE: &str = "weights.safetensors";
pub(super) const OPTIMIZER_FILE: &str = "optimizer.safetensors";
pub(super) const STATE_FILE: &str = "state.json";
/// Every file of a checkpoint but the manifest, in the order in which they are written.
pub(super) const FILES: [&str; 3] = [WEIGHTS_FILE, OPTIMIZER_FILE, STATE_FILE];

const FORMAT: &str = "plumbline-checkpoint";
/// Ours have less than two thousand bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 16;

/// Size and hash of one file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub name: String,
    pub bytes: u64,
    /// SHA-256 of the content in lower-case hex.
    pub sha256: String,
}

/// Written last, so a folder without one is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: String,
    pub version: u32,
    pub step: u64,
    pub config_hash: String,
    /// Step of the best evaluation so far; says which checkpoint to keep without reading any state.
    pub best_step: Option<u64>,
    pub files: Vec<FileEntry>,
    /// SHA-256 of this manifest with this field empty.
    pub sha256: String,
}

/// What only has to be understood to say that the rest will not be.
#[derive(Deserialize)]
struct Versioned {
    format: String,
    version: u32,
}

impl Manifest {
    pub(super) fn new(
        step: u64,
        config_hash: &str,
        best_step: Option<u64>,
        files: Vec<FileEntry>,
    ) -> Result<Self, serde_json::Error> {
        let mut manifest = Self {
            format: FORMAT.to_owned(),
            version: MANIFEST_VERSION,
            step,
            config_hash: config_hash.to_owned(),
            best_step,
            files,
            sha256: String::new(),
        };
        manifest.sha256 = manifest.own_hash()?;
        Ok(manifest)
    }

    fn own_hash(&self) -> Result<String, serde_json::Error> {
        let bare = Self { sha256: String::new(), ..self.clone() };
        Ok(sha256(&[&bare.to_bytes()?]))
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The entry of `name`; [`Manifest::read`] has seen to it that each of [`FILES`] has one.
    pub(super) fn entry(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Reads and checks the manifest in `folder`, and that every file it names is there with its size. Hashes of the
    /// files are not computed.
    pub(super) fn read(fs: &impl Fs, folder: &Path, step: u64) -> Result<Self, CheckpointError> {
        let path = folder.join(MANIFEST_FILE);
        let bad = |reason: String| CheckpointError::BadManifest { path: path.clone(), reason };
        let bytes = match fs.stat(&path).map_err(super::error::doing("reading", &path))? {
            None => return Err(bad("it is missing, so the checkpoint was never finished".to_owned())),
            Some(entry) if entry.kind != EntryKind::File => {
                let found = entry.kind.name();
                return Err(CheckpointError::WrongKind { path, expected: "a file", found });
            }
            Some(entry) if entry.bytes > MAX_MANIFEST_BYTES => {
                return Err(bad(format!(
                    "it has {} bytes, expected at most {MAX_MANIFEST_BYTES}",
                    entry.bytes
                )));
            }
            Some(_) => fs.read(&path, MAX_MANIFEST_BYTES).map_err(super::error::doing("reading", &path))?,
        };
        let about: Versioned = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if about.format != FORMAT {
            return Err(bad(format!("its format is {:?}, expected {FORMAT:?}", about.format)));
        }
        if about.version != MANIFEST_VERSION {
            return Err(bad(format!(
                "its version is {}, this program reads version {MANIFEST_VERSION}",
                about.version
            )));
        }
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        let own = manifest.own_hash().map_err(|error| bad(error.to_string()))?;
        if own != manifest.sha256 {
            return Err(bad(format!("its own SHA-256 is {own}, it says {:?}", manifest.sha256)));
        }
        // The hash covers the values; with this no byte between them can differ either.
        if manifest.to_bytes().map_err(|error| bad(error.to_string()))? != bytes {
            return Err(bad("it is not laid out as it was written".to_owned()));
        }
        if manifest.step != step {
            return Err(bad(format!("it is of step {}, its folder of step {step}", manifest.step)));
        }
        let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        if names != FILES {
            return Err(bad(format!("its files are {names:?}, expected {FILES:?}")));
        }
        for file in &manifest.files {
            check_file(fs, &folder.join(&file.name), file.bytes)?;
        }
        Ok(manifest)
    }
}

fn check_file(fs: &impl Fs, path: &Path, expected: u64) -> Result<(), CheckpointError> {
    match fs.stat(path).map_err(super::error::doing("reading", path))? {
        None => {
            Err(CheckpointError::BadFile { path: path.to_path_buf(), reason: "it is missing".to_owned() })
        }
        Some(entry) if entry.kind != EntryKind::File => Err(CheckpointError::WrongKind {
            path: path.to_path_buf(),
            expected: "a file",
            found: entry.kind.name(),
        }),
        Some(entry) if entry.bytes != expected => {
            Err(CheckpointError::WrongSize { path: path.to_path_buf(), expected, found: entry.bytes })
        }
        Some(_) => Ok(()),
    }
}

/// SHA-256 of the concatenated parts in lower-case hex.
pub(super) fn sha256(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
