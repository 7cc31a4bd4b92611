//! The files of one model, wherever they lie.

use std::collections::BTreeMap;

use plumb_nn::Source;
use serde::de::DeserializeOwned;

use crate::error::{Result, VlmError};

/// No configuration or tokenizer file of a real model comes near this.
const MAX_SIDE_FILE: u64 = 64 << 20;

/// The names that are looked for beside the weights.
pub const SIDE_FILES: [&str; 10] = [
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "chat_template.jinja",
];

/// The small files of a model by name, and its weight files.
pub struct ModelFiles {
    /// Where they came from, for messages.
    pub folder: String,
    side: BTreeMap<String, Vec<u8>>,
    weights: Vec<Source>,
}

impl ModelFiles {
    /// Files held in memory: `side` by name, `weights` as opened sources.
    #[must_use]
    pub fn new(folder: String, side: BTreeMap<String, Vec<u8>>, weights: Vec<Source>) -> Self {
        Self { folder, side, weights }
    }

    /// Opens a folder in the layout of a Hugging Face checkpoint; one `model.safetensors` or the shards that
    /// `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// A folder without config.json or weights, an index that names a file that is not there or lies elsewhere.
    #[cfg(not(target_family = "wasm"))]
    pub fn from_folder(folder: &std::path::Path) -> Result<Self> {
        let mut files = Self::side_files(folder)?;
        files.weights = weight_paths(folder, &files.folder)?
            .iter()
            .map(|path| Source::open(path))
            .collect::<std::result::Result<_, _>>()?;
        Ok(files)
    }

    /// Only the small files of a folder: enough for a tokenizer, or to make random weights.
    ///
    /// # Errors
    /// When one cannot be read or is absurdly large.
    #[cfg(not(target_family = "wasm"))]
    pub fn side_files(folder: &std::path::Path) -> Result<Self> {
        let name = folder.display().to_string();
        let mut side = BTreeMap::new();
        for file in SIDE_FILES {
            let path = folder.join(file);
            if path.is_file() {
                side.insert(file.to_owned(), read_limited(&path)?);
            }
        }
        if !side.contains_key("config.json") {
            return Err(VlmError::FileMissing { folder: name, file: "config.json" });
        }
        Ok(Self { folder: name, side, weights: Vec::new() })
    }

    /// The bytes of a small file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.side.get(name).map(Vec::as_slice)
    }

    /// The bytes of a small file that must be there.
    ///
    /// # Errors
    /// [`VlmError::FileMissing`]
    pub fn require(&self, name: &'static str) -> Result<&[u8]> {
        self.get(name).ok_or_else(|| VlmError::FileMissing { folder: self.folder.clone(), file: name })
    }

    /// A small JSON file, `None` where it is absent.
    ///
    /// # Errors
    /// [`VlmError::Json`]
    pub fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>> {
        self.get(name)
            .map(|bytes| {
                serde_json::from_slice(bytes)
                    .map_err(|source| VlmError::Json { file: format!("{}/{name}", self.folder), source })
            })
            .transpose()
    }

    /// The names and bytes of all small files.
    pub fn side(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.side.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Takes the weight files.
    pub fn take_weights(&mut self) -> Vec<Source> {
        std::mem::take(&mut self.weights)
    }
}

#[cfg(not(target_family = "wasm"))]
fn read_limited(path: &std::path::Path) -> Result<Vec<u8>> {
    let file = || path.display().to_string();
    let found = std::fs::metadata(path).map_err(|source| VlmError::Read { file: file(), source })?.len();
    if found > MAX_SIDE_FILE {
        return Err(VlmError::TooLarge { file: file(), found, limit: MAX_SIDE_FILE });
    }
    std::fs::read(path).map_err(|source| VlmError::Read { file: file(), source })
}

/// The weight files of a folder.
///
/// # Errors
/// When there are none, or the index is wrong.
#[cfg(not(target_family = "wasm"))]
pub fn weight_paths(folder: &std::path::Path, name: &str) -> Result<Vec<std::path::PathBuf>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        let bytes = read_limited(&index)?;
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|source| VlmError::Json { file: index.display().to_string(), source })?;
        let shards: std::collections::BTreeSet<String> = index.weight_map.into_values().collect();
        if shards.is_empty() {
            return Err(VlmError::Field {
                file: "model.safetensors.index.json",
                field: "weight_map".into(),
                expected: "at least one tensor".into(),
                found: "none".into(),
            });
        }
        return shards
            .into_iter()
            .map(|shard| {
                let plain = std::path::Path::new(&shard).file_name().and_then(|n| n.to_str()) == Some(&shard);
                if plain && folder.join(&shard).is_file() {
                    return Ok(folder.join(&shard));
                }
                Err(VlmError::Field {
                    file: "model.safetensors.index.json",
                    field: "weight_map".into(),
                    expected: "the name of a file in the same folder".into(),
                    found: format!("{shard:?}, which is not there"),
                })
            })
            .collect();
    }
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    Err(VlmError::FileMissing { folder: name.to_owned(), file: "model.safetensors" })
}
