//! Files into memory, with a limit.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::raster::wrong;
use crate::{Result, SceneError};

pub(super) fn cannot(path: &Path) -> impl Fn(std::io::Error) -> SceneError {
    let path = path.display().to_string();
    move |source| SceneError::Io { path: path.clone(), source }
}

/// The bytes of a file, if there are no more than `most`.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(cannot(path))?;
    let mut bytes = Vec::new();
    // The length on disk says nothing of a pipe, and a file can grow: one byte past the limit tells.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(cannot(path))?;
    if bytes.len() as u64 > most {
        return wrong(&path.display().to_string(), format!("more than the {most} bytes that are allowed"));
    }
    Ok(bytes)
}

/// A text file of at most 64 MiB.
pub(super) fn read_text(path: &Path) -> Result<String> {
    match String::from_utf8(read(path, 64 << 20)?) {
        Ok(text) => Ok(text),
        Err(_) => wrong(&path.display().to_string(), "not a text file"),
    }
}
