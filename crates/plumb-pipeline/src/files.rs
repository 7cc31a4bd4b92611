//! Files of scenes: where they are, how they are written so that a killed job leaves no half of one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use plumb_scene::Scene;
use plumb_scene::export::scene_from_json;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{PipelineError, Result};

/// An input that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub input: String,
    pub reason: String,
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PipelineError {
    let path = path.display().to_string();
    move |source| PipelineError::Io { path, source }
}

/// Writes a file under another name first, so that the name never holds a half.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let partial = path.with_file_name(name);
    let mut file = File::create(&partial).map_err(io(&partial))?;
    file.write_all(bytes).map_err(io(&partial))?;
    drop(file);
    fs::rename(&partial, path).map_err(io(path))
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(io(path))
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of a scene in data sets: the first 16 hex digits of the digest of its image file.
pub(crate) fn scene_id(image_sha256: &str) -> String {
    image_sha256.chars().take(16).collect()
}

/// One line a reason; an empty list leaves no file.
pub(crate) fn write_quarantine(path: &Path, list: &[Quarantined]) -> Result<()> {
    if list.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(path)(error)),
            _ => Ok(()),
        };
    }
    let mut text = String::new();
    for entry in list {
        if let Ok(line) = serde_json::to_string(entry) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    write_whole(path, text.as_bytes())
}

/// Reads a scene file. The image's path stays relative to the file's folder.
///
/// # Errors
/// When it cannot be read, is larger than 64 MiB, or is no scene.
pub fn read_scene(path: &Path) -> Result<Scene> {
    const LARGEST: u64 = 64 << 20;
    let length = fs::metadata(path).map_err(io(path))?.len();
    if length > LARGEST {
        return Err(PipelineError::Unusable {
            what: path.display().to_string(),
            detail: format!("{length} bytes, a scene file has at most {LARGEST}"),
        });
    }
    let bytes = fs::read(path).map_err(io(path))?;
    Ok(scene_from_json(&bytes, &path.display().to_string())?)
}

/// The scene files of an input: the file itself, or in a folder every `scene.json` and every `scenes/*.json`, however deep, in the order of
/// their paths.
///
/// # Errors
/// When a folder cannot be read, or holds no scene.
pub fn find_scenes(input: &Path) -> Result<Vec<PathBuf>> {
    if !input.is_dir() {
        fs::metadata(input).map_err(io(input))?;
        return Ok(vec![input.to_path_buf()]);
    }
    let mut found = Vec::new();
    walk(input, 0, &mut found)?;
    if found.is_empty() {
        return Err(PipelineError::Unusable {
            what: input.display().to_string(),
            detail: "no scene.json and no scenes/*.json in it".to_owned(),
        });
    }
    found.sort();
    Ok(found)
}

/// Deeper than any data set; also ends a loop of links.
const DEEPEST: usize = 8;

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let listed = folder.file_name().is_some_and(|name| name == "scenes");
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.is_dir() {
            if depth < DEEPEST {
                walk(&path, depth + 1, found)?;
            }
        } else if path.file_name().is_some_and(|name| name == "scene.json")
            || (listed && path.extension().is_some_and(|extension| extension == "json"))
        {
            found.push(path);
        }
    }
    Ok(())
}
