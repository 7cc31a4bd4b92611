//! What a number depends on.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{EngineError, Result};

/// Everything that a result depends on. Two results are comparable when these agree but for what is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The model as it was named.
    pub model: String,
    /// SHA-256 over the names and contents of its files.
    pub model_sha256: String,
    /// The adapter on top of it as it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// SHA-256 over the names and contents of the adapter's files.
    pub adapter_sha256: Option<String>,
    /// `f32`, `f16` or `bf16`: the type of weight matrices.
    pub dtype: String,
    /// `cpu` or `gpu`.
    pub backend: String,
    /// The adapter's name, or the CPU's instructions.
    pub device: String,
    /// Working size of images in pixels.
    pub longest_edge: u32,
    /// Resize filter and tile size: what turned pixels into frames.
    pub image_pipeline: String,
    /// This program's version.
    pub version: String,
}

/// SHA-256 over the files of a model folder that decide its answers, each as name, length and content, in the order
/// of names.
///
/// # Errors
/// When a file cannot be read.
pub fn hash_model(folder: &Path) -> Result<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .map_err(reading(folder))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            plumb_vlm::files::SIDE_FILES.contains(&name)
                || name.ends_with(".safetensors")
                || name.ends_with(".safetensors.index.json")
        })
        .collect();
    names.sort();
    hash_files(&names)
}

/// SHA-256 over an adapter's configuration and tensors, as [`hash_model`].
///
/// # Errors
/// When a file cannot be read.
pub fn hash_adapter(folder: &Path, tensor_file: &str) -> Result<String> {
    hash_files(&[folder.join("adapter_config.json"), folder.join(tensor_file)])
}

fn reading(file: &Path) -> impl FnOnce(std::io::Error) -> EngineError {
    let file = file.display().to_string();
    move |source| EngineError::Read { file, source }
}

fn hash_files(paths: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    for path in paths {
        let mut file = std::fs::File::open(path).map_err(reading(path))?;
        let length = file.metadata().map_err(reading(path))?.len();
        hash.update(path.file_name().and_then(|n| n.to_str()).unwrap_or_default().as_bytes());
        hash.update([0]);
        hash.update(length.to_le_bytes());
        loop {
            let n = file.read(&mut buffer).map_err(reading(path))?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
