//! The files of a merged checkpoint: written once, synced, hashed on the way.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::error::{MergeError, io_error};
use super::weights::{Stored, hex};
use crate::host::FileDtype;

/// No configuration or tokenizer file of a real model comes near this.
const MAX_COPIED: u64 = 64 << 20;

/// One tensor on its way: where it comes from and what it becomes.
pub(super) struct Written<'s> {
    pub(super) source: &'s Stored,
    pub(super) name: String,
    pub(super) dtype: FileDtype,
}

/// `config.json` with what a merge changes: a head of its own, the type of the weights.
pub(super) fn config(text: Vec<u8>, untied: bool, dtype: Option<FileDtype>) -> Result<Vec<u8>, MergeError> {
    if !untied && dtype.is_none() {
        return Ok(text);
    }
    let mut value: Value =
        serde_json::from_slice(&text).map_err(|e| MergeError::Config { reason: e.to_string() })?;
    let Value::Object(top) = &mut value else {
        return Err(MergeError::Config { reason: "it is no object".to_owned() });
    };
    if untied {
        top.insert("tie_word_embeddings".to_owned(), json!(false));
        if let Some(tie) = top.get_mut("text_config").and_then(|c| c.get_mut("tie_word_embeddings")) {
            *tie = json!(false);
        }
    }
    if let Some(dtype) = dtype {
        let dtype = match dtype {
            FileDtype::F32 => "float32",
            FileDtype::F16 => "float16",
            FileDtype::Bf16 => "bfloat16",
        };
        // Older files say torch_dtype; transformers 5 writes dtype.
        if !top.contains_key("torch_dtype") && !top.contains_key("dtype") {
            top.insert("torch_dtype".to_owned(), json!(dtype));
        }
        set_dtype(top, dtype);
        for part in ["text_config", "vision_config"] {
            if let Some(Value::Object(part)) = top.get_mut(part) {
                set_dtype(part, dtype);
            }
        }
    }
    Ok(format!("{value:#}\n").into_bytes())
}

fn set_dtype(section: &mut Map<String, Value>, dtype: &str) {
    for key in ["torch_dtype", "dtype"] {
        if let Some(value) = section.get_mut(key) {
            *value = json!(dtype);
        }
    }
}

pub(super) fn count(stored: &Stored) -> u64 {
    stored.shape.iter().map(|&side| side as u64).product()
}

/// A safetensors header: length, then JSON padded so that the data starts on a multiple of 8.
pub(super) fn header(metadata: &BTreeMap<String, String>, tensors: &[Written<'_>]) -> Vec<u8> {
    let mut header = Map::new();
    let mut metadata = metadata.clone();
    // transformers refuses files that do not name their maker.
    metadata.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut start = 0u64;
    for tensor in tensors {
        let end = start + count(tensor.source) * tensor.dtype.bytes() as u64;
        let dtype = tensor.dtype.name();
        let entry = json!({ "dtype": dtype, "shape": tensor.source.shape, "data_offsets": [start, end] });
        header.insert(tensor.name.clone(), entry);
        start = end;
    }
    let mut text = Value::Object(header).to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A file that is hashed while it is written.
pub(super) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Self, MergeError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = BufWriter::with_capacity(1 << 20, file.map_err(io_error("create", path))?);
        Ok(Self { path: path.to_owned(), file, hash: Sha256::new(), bytes: 0 })
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), MergeError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(io_error("write", &self.path))
    }

    pub(super) fn finish(self) -> Result<(u64, String), MergeError> {
        let file = self.file.into_inner().map_err(|e| io_error("write", &self.path)(e.into_error()))?;
        file.sync_all().map_err(io_error("sync", &self.path))?;
        Ok((self.bytes, hex(&self.hash.finalize())))
    }
}

pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), MergeError> {
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(io_error("write", path))
}

pub(super) fn read_limited(path: &Path) -> Result<Vec<u8>, MergeError> {
    let size = fs::metadata(path).map_err(io_error("read", path))?.len();
    if size > MAX_COPIED {
        let source = std::io::Error::other(format!("it has {size} bytes; expected at most {MAX_COPIED}"));
        return Err(io_error("copy", path)(source));
    }
    fs::read(path).map_err(io_error("read", path))
}
