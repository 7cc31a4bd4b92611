//! The weight files of a checkpoint on disk, read front to back one tensor at a time.
//!
//! Layout: the safetensors format (`huggingface/safetensors: README.md`) and transformers' index of shards
//! (`model.safetensors.index.json`: `weight_map` from tensor to file).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::error::{MergeError, io_error};
use crate::host::FileDtype;
use crate::peft::error::some_names;

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// More than any header of a real checkpoint; the format's own limit.
const MAX_HEADER: u64 = 100_000_000;
const MAX_INDEX: u64 = 64 << 20;

/// One tensor of a file, in the order of the data.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) bytes: usize,
}

impl Stored {
    /// Buffers that older files carry and newer ones compute: they belong to no weight.
    pub(super) fn is_buffer(&self) -> bool {
        self.name.ends_with(".position_ids") || self.name.ends_with("rotary_emb.inv_freq")
    }

    /// The type as one that holds weights.
    pub(super) fn weights(&self, file: &str) -> Result<FileDtype, MergeError> {
        match self.dtype {
            Dtype::F32 => Ok(FileDtype::F32),
            Dtype::F16 => Ok(FileDtype::F16),
            Dtype::BF16 => Ok(FileDtype::Bf16),
            other => Err(MergeError::Type {
                tensor: self.name.clone(),
                file: file.to_owned(),
                found: format!("{other:?}"),
            }),
        }
    }
}

/// The header of one weight file.
#[derive(Debug)]
pub(super) struct Shard {
    /// Name in its folder.
    pub(super) name: String,
    path: PathBuf,
    pub(super) tensors: Vec<Stored>,
    pub(super) metadata: BTreeMap<String, String>,
    start: u64,
}

impl Shard {
    /// Reads the header of `path`, which must describe exactly the bytes of the file.
    pub(super) fn open(path: &Path) -> Result<Self, MergeError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shown = path.display().to_string();
        let header = |reason: String| MergeError::Header { file: shown.clone(), reason };
        let mut file = File::open(path).map_err(io_error("open", path))?;
        let length = file.metadata().map_err(io_error("read", path))?.len();
        if length < 8 {
            return Err(header(format!("it has {length} bytes, fewer than the 8 of the header length")));
        }
        let mut n = [0u8; 8];
        file.read_exact(&mut n).map_err(io_error("read", path))?;
        let n = u64::from_le_bytes(n);
        if n > MAX_HEADER || n > length - 8 {
            return Err(header(format!(
                "its first 8 bytes announce a header of {n} bytes in a file of {length} bytes"
            )));
        }
        let mut text = vec![0u8; usize::try_from(n).map_err(|e| header(e.to_string()))?];
        file.read_exact(&mut text).map_err(io_error("read", path))?;
        // The library checks that shapes fill their bytes and that the data has no holes.
        let parsed: Metadata =
            serde_json::from_slice(&text).map_err(|e| header(format!("its header is not valid: {e}")))?;
        let data = parsed.tensors().values().map(|info| info.data_offsets.1 as u64).max().unwrap_or(0);
        let expected = (8 + n).saturating_add(data);
        if expected != length {
            return Err(MergeError::Length { file: shown, expected, found: length });
        }
        let mut tensors: Vec<(usize, Stored)> = parsed
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let (start, end) = info.data_offsets;
                let bytes = end.saturating_sub(start);
                (start, Stored { name, shape: info.shape.clone(), dtype: info.dtype, bytes })
            })
            .collect();
        // Empty tensors share their offset with the next one; the name decides, so that the order is always the same.
        tensors.sort_by(|a, b| (a.0, a.1.bytes > 0, &a.1.name).cmp(&(b.0, b.1.bytes > 0, &b.1.name)));
        let metadata = parsed.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let tensors = tensors.into_iter().map(|(_, stored)| stored).collect();
        Ok(Self { name, path: path.to_owned(), tensors, metadata, start: 8 + n })
    }

    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The data of the file from its first tensor on.
    pub(super) fn reader(&self) -> Result<ShardReader, MergeError> {
        let mut file = File::open(&self.path).map_err(io_error("open", &self.path))?;
        let mut head = vec![0u8; usize::try_from(self.start).unwrap_or(0)];
        file.read_exact(&mut head).map_err(io_error("read", &self.path))?;
        file.seek(SeekFrom::Start(self.start)).map_err(io_error("read", &self.path))?;
        let mut hash = Sha256::new();
        hash.update(&head);
        Ok(ShardReader { path: self.path.clone(), file, hash })
    }
}

/// Reads the tensors of a [`Shard`] in their order and hashes all that passes.
pub(super) struct ShardReader {
    path: PathBuf,
    file: File,
    hash: Sha256,
}

impl ShardReader {
    /// The bytes of the next tensor.
    pub(super) fn next(&mut self, stored: &Stored) -> Result<Vec<u8>, MergeError> {
        let mut bytes = vec![0u8; stored.bytes];
        self.file.read_exact(&mut bytes).map_err(io_error("read", &self.path))?;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    /// SHA-256 of the file, when every tensor was read.
    pub(super) fn sha256(self) -> String {
        hex(&self.hash.finalize())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The types in a tensor file by name, with the number of tensors of each, and the file's SHA-256.
pub(in crate::peft) fn stored_types(path: &Path) -> Result<(BTreeMap<String, usize>, String), MergeError> {
    let shard = Shard::open(path)?;
    let mut reader = shard.reader()?;
    let mut types = BTreeMap::new();
    for stored in &shard.tensors {
        reader.next(stored)?;
        *types.entry(format!("{:?}", stored.dtype)).or_insert(0) += 1;
    }
    Ok((types, reader.sha256()))
}

/// The weight files of a folder, and whether an index names them.
pub(super) fn open_weights(folder: &Path) -> Result<(Vec<Shard>, bool), MergeError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let path = folder.join(INDEX);
    if !path.is_file() {
        return Ok((vec![Shard::open(&folder.join(SINGLE))?], false));
    }
    let wrong = |reason: String| MergeError::Index { file: path.display().to_string(), reason };
    let size = std::fs::metadata(&path).map_err(io_error("read", &path))?.len();
    if size > MAX_INDEX {
        return Err(wrong(format!("it has {size} bytes; expected at most {MAX_INDEX}")));
    }
    let text = std::fs::read(&path).map_err(io_error("read", &path))?;
    let index: Index = serde_json::from_slice(&text).map_err(|e| wrong(format!("is not valid: {e}")))?;
    let names: BTreeSet<&String> = index.weight_map.values().collect();
    if names.is_empty() {
        return Err(wrong("weight_map names no tensor".to_owned()));
    }
    let mut shards: Vec<Shard> = Vec::new();
    for name in names {
        let plain = Path::new(name).file_name().and_then(|n| n.to_str()) == Some(name);
        if !plain || name.contains('\\') || !folder.join(name).is_file() {
            let reason = format!("weight_map names {name:?}; expected the name of a file in the same folder");
            return Err(wrong(reason));
        }
        if !name.ends_with(".safetensors") {
            return Err(wrong(format!("weight_map names {name:?}; expected a .safetensors file")));
        }
        shards.push(Shard::open(&folder.join(name))?);
    }
    let mut at: BTreeMap<&str, &str> = BTreeMap::new();
    for shard in &shards {
        for stored in &shard.tensors {
            if let Some(first) = at.insert(&stored.name, &shard.name) {
                let (tensor, first, second) = (stored.name.clone(), first.to_owned(), shard.name.clone());
                return Err(MergeError::Duplicate { tensor, first, second });
            }
        }
    }
    let astray = |(tensor, file): (&String, &String)| {
        (at.get(tensor.as_str()) != Some(&file.as_str())).then(|| format!("{tensor} (to {file})"))
    };
    let astray: Vec<String> = index.weight_map.iter().filter_map(astray).collect();
    if !astray.is_empty() {
        return Err(wrong(format!(
            "weight_map sends tensors to files that lack them: {}",
            some_names(astray)
        )));
    }
    Ok((shards, true))
}

/// Little-endian bytes as f32.
pub(super) fn decode(raw: &[u8], dtype: FileDtype) -> Vec<f32> {
    match dtype {
        FileDtype::F32 => raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        FileDtype::F16 => raw.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        FileDtype::Bf16 => raw.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
    }
}

/// The first value that is not finite, without widening the tensor.
pub(super) fn not_finite(raw: &[u8], dtype: FileDtype) -> Option<(usize, f32)> {
    let wide = |bits: &[u8; 2]| match dtype {
        FileDtype::Bf16 => bf16::from_le_bytes(*bits).to_f32(),
        _ => f16::from_le_bytes(*bits).to_f32(),
    };
    let mask = if dtype == FileDtype::Bf16 { 0x7f80 } else { 0x7c00 };
    if dtype == FileDtype::F32 {
        let values = raw.as_chunks().0;
        let found = values.iter().position(|&b| !f32::from_le_bytes(b).is_finite())?;
        return Some((found, f32::from_le_bytes(values[found])));
    }
    let values = raw.as_chunks().0;
    let found = values.iter().position(|&b| u16::from_le_bytes(b) & mask == mask)?;
    Some((found, wide(&values[found])))
}
