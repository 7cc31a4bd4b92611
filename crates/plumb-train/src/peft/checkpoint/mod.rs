//! Merging an adapter into a whole checkpoint, from folder to folder.
//!
//! The weights pass one tensor at a time: read, changed in f32 where the adapter says so, cast once, written. Files
//! keep the layout that transformers and this program read: `config.json`, the tokenizer's files, `model.safetensors`
//! or the base's shards with a new index, and beside them our own record ([`RUN_FILE`]). Everything is written into a
//! folder next to the wanted one, synced and renamed, so that a crash leaves a whole checkpoint or none.
//!
//! Formulas: `huggingface/peft: src/peft/tuners/lora/layer.py`, `lora/dora.py`, `ia3/layer.py`, see `merge_lora`.

mod error;
mod output;
mod plan;
mod staging;
#[cfg(test)]
mod tests;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Adapter, AdapterConfig, ModuleInfo, RUN_FILE};
use crate::host::{FileDtype, TensorMap, encode};

pub use error::MergeError;
use output::{Output, Written, config, count, header, read_limited, write_file};
use plan::Plan;
use staging::Staging;
pub(super) use weights::stored_types;
use weights::{INDEX, SINGLE, Shard, Stored, decode, not_finite, open_weights};

/// Small files of a checkpoint that are copied unchanged. Model cards stay behind: they speak of another model.
const COPIED: [&str; 16] = [
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.json",
    "chat_template.jinja",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
];
const CONFIG: &str = "config.json";
const EMBEDDING: &str = "model.text_model.embed_tokens";
const HEAD: &str = "lm_head";

/// The tensors and modules that a base model's `config.json` describes.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Every tensor of the checkpoint with its shape.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// Every module that holds weights; a tied head among them.
    pub modules: Vec<ModuleInfo>,
    /// Width of the text model.
    pub hidden: usize,
    /// Layers of the text model.
    pub layers: usize,
    /// The output head is the embedding's table.
    pub tied: bool,
}

/// How to merge.
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// Type of all written weights; `None` keeps that of each tensor.
    pub dtype: Option<FileDtype>,
    /// What is known of the adapter's and the base's origin, for the record.
    pub origin: Map<String, Value>,
}

/// One weight file of the merged checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedShard {
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
    /// SHA-256 of the base's file of that name.
    pub base_sha256: String,
}

/// What was merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeReport {
    pub out: PathBuf,
    pub method: String,
    /// Modules that the adapter changes.
    pub merged_modules: usize,
    /// Modules that the adapter stores whole (`modules_to_save`).
    pub replaced_modules: usize,
    /// Tensors written.
    pub tensors: usize,
    /// Tensors of which at least one written value differs from the base's. Changes smaller than the type's rounding
    /// vanish.
    pub changed_tensors: usize,
    pub parameters: u64,
    /// Types of the written weights.
    pub dtypes: Vec<String>,
    /// The head was the embedding and has its own table now.
    pub untied: bool,
    pub shards: Vec<MergedShard>,
}

/// Whether [`merge_checkpoint`] can do anything with this method.
///
/// # Errors
/// [`MergeError::NotMergeable`] with the reason.
pub fn can_merge(config: &AdapterConfig) -> Result<(), MergeError> {
    let reason = match config {
        AdapterConfig::Lora(_) | AdapterConfig::Ia3(_) => return Ok(()),
        AdapterConfig::PromptTuning(_) => {
            "its virtual tokens are inputs, and no weight of the base can hold them; keep it as an adapter"
        }
        AdapterConfig::Bottleneck(_) => {
            "it is not linear, and no weight of the base can hold it; keep it as an adapter"
        }
    };
    Err(MergeError::NotMergeable { method: config.method(), reason })
}

/// Writes the checkpoint in `base`, whose `config.json` says `layout`, with `adapter` folded in, to `out`. `progress`
/// hears of bytes read and of their sum; when it answers `false`, the merge stops.
///
/// At most one tensor is in memory at a time. Weights that the adapter does not touch are the base's, bit for bit, unless
/// another type is asked for. A base with a tied head gets a head of its own when the adapter changes the head, because
/// that is what the adapter computes; its config then says so.
///
/// # Errors
/// An `out` that exists; an adapter that cannot be merged or does not fit; a base that is damaged or has other tensors
/// than its config says; a value that is not finite or that the type cannot hold; the disk. Nothing is left behind.
pub fn merge_checkpoint(
    base: &Path,
    layout: &Layout,
    adapter: &Adapter,
    out: &Path,
    options: &MergeOptions,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<MergeReport, MergeError> {
    can_merge(&adapter.config)?;
    let plan = Plan::new(adapter, layout)?;
    rewrite(base, layout, &plan, adapter.config.method(), out, options, progress)
}

/// Writes the checkpoint in `base` with `weights` in the place of its tensors of the same name, each in its type or in that
/// of `options`, to `out`: the result of full fine-tuning. Values are in the order of the base's tensor.
///
/// # Errors
/// As [`merge_checkpoint`]; a tensor that the base does not have or that has another number of values.
pub fn replace_weights(
    base: &Path,
    layout: &Layout,
    weights: TensorMap,
    out: &Path,
    options: &MergeOptions,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<MergeReport, MergeError> {
    let plan = Plan::replacing(weights, layout)?;
    rewrite(base, layout, &plan, "full", out, options, progress)
}

fn rewrite(
    base: &Path,
    layout: &Layout,
    plan: &Plan,
    method: &str,
    out: &Path,
    options: &MergeOptions,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<MergeReport, MergeError> {
    let (shards, indexed) = open_weights(base)?;
    check_base(&shards, layout)?;
    let staging = Staging::beside(out)?;
    let mut merge = Merge {
        base,
        plan,
        options,
        report: MergeReport {
            out: out.to_owned(),
            method: method.to_owned(),
            merged_modules: plan.merged,
            replaced_modules: plan.replaced,
            tensors: 0,
            changed_tensors: 0,
            parameters: 0,
            dtypes: Vec::new(),
            untied: plan.untied,
            shards: Vec::new(),
        },
        done: 0,
        total: shards.iter().flat_map(|shard| &shard.tensors).map(|stored| stored.bytes as u64).sum(),
        progress,
    };
    merge.write(staging.folder(), &shards, indexed)?;
    staging.publish()?;
    Ok(merge.report)
}

/// The base must hold exactly the tensors that its config describes.
fn check_base(shards: &[Shard], layout: &Layout) -> Result<(), MergeError> {
    let mut found: BTreeMap<&str, (&Shard, &Stored)> = BTreeMap::new();
    for shard in shards {
        for stored in shard.tensors.iter().filter(|stored| !stored.is_buffer()) {
            found.insert(&stored.name, (shard, stored));
        }
    }
    for (tensor, expected) in &layout.tensors {
        let Some((shard, stored)) = found.remove(tensor.as_str()) else {
            let files: Vec<String> = shards.iter().map(Shard::shown).collect();
            let (tensor, expected) = (tensor.clone(), expected.clone());
            return Err(MergeError::Missing { tensor, expected, files: super::error::some_names(files) });
        };
        if stored.shape != *expected {
            return Err(MergeError::Shape {
                tensor: tensor.clone(),
                file: shard.shown(),
                expected: expected.clone(),
                found: stored.shape.clone(),
            });
        }
        stored.weights(&shard.shown())?;
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(MergeError::Extra { count: found.len(), names: super::error::some_names(found.into_keys()) })
}

struct Merge<'a> {
    base: &'a Path,
    plan: &'a Plan,
    options: &'a MergeOptions,
    report: MergeReport,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64) -> bool,
}

impl Merge<'_> {
    fn write(&mut self, staging: &Path, shards: &[Shard], indexed: bool) -> Result<(), MergeError> {
        self.copy_side_files(staging)?;
        let mut index = Map::new();
        let mut dtypes = BTreeSet::new();
        let mut size = 0u64;
        for shard in shards {
            let tensors = self.tensors_of(shard)?;
            for tensor in &tensors {
                index.insert(tensor.name.clone(), json!(shard.name));
                dtypes.insert(tensor.dtype.name());
                size += count(tensor.source) * tensor.dtype.bytes() as u64;
                self.report.parameters += count(tensor.source);
            }
            self.report.tensors += tensors.len();
            let name = if indexed { shard.name.as_str() } else { SINGLE };
            self.write_shard(&staging.join(name), shard, &tensors)?;
        }
        self.report.dtypes = dtypes.into_iter().map(str::to_owned).collect();
        if indexed {
            index.sort_keys();
            let index = json!({ "metadata": { "total_size": size }, "weight_map": index });
            write_file(&staging.join(INDEX), format!("{index:#}\n").as_bytes())?;
        }
        let run = self.record();
        write_file(&staging.join(RUN_FILE), format!("{run:#}\n").as_bytes())
    }

    /// The tensors to write, in the order of the base's file; a head that was tied follows the embedding it came from.
    fn tensors_of<'s>(&self, shard: &'s Shard) -> Result<Vec<Written<'s>>, MergeError> {
        let mut tensors = Vec::with_capacity(shard.tensors.len() + 1);
        for source in shard.tensors.iter().filter(|stored| !stored.is_buffer()) {
            let dtype = self.options.dtype.map_or_else(|| source.weights(&shard.shown()), Ok)?;
            tensors.push(Written { source, name: source.name.clone(), dtype });
            if self.plan.untied && source.name == format!("{EMBEDDING}.weight") {
                tensors.push(Written { source, name: format!("{HEAD}.weight"), dtype });
            }
        }
        Ok(tensors)
    }

    fn write_shard(&mut self, path: &Path, shard: &Shard, tensors: &[Written<'_>]) -> Result<(), MergeError> {
        let mut file = Output::create(path)?;
        file.put(&header(&shard.metadata, tensors))?;
        let mut reader = shard.reader()?;
        let mut waiting = tensors.iter().peekable();
        for stored in &shard.tensors {
            let raw = reader.next(stored)?;
            while let Some(tensor) = waiting.next_if(|tensor| std::ptr::eq(tensor.source, stored)) {
                let bytes = self.merged(shard, tensor, &raw)?;
                file.put(bytes.as_deref().unwrap_or(&raw))?;
            }
            self.done += stored.bytes as u64;
            if !(self.progress)(self.done, self.total) {
                return Err(MergeError::Stopped);
            }
        }
        let base_sha256 = reader.sha256();
        let (bytes, sha256) = file.finish()?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.report.shards.push(MergedShard { file, bytes, sha256, base_sha256 });
        Ok(())
    }

    /// The bytes of one written tensor; `None` where they are the base's.
    fn merged(
        &mut self,
        shard: &Shard,
        tensor: &Written<'_>,
        raw: &[u8],
    ) -> Result<Option<Vec<u8>>, MergeError> {
        let from = tensor.source.weights(&shard.shown())?;
        if let Some((index, value)) = not_finite(raw, from) {
            let (tensor, file) = (tensor.source.name.clone(), shard.shown());
            return Err(MergeError::NotFinite { tensor, file, index, value });
        }
        let change = self.plan.changes.get(&tensor.name);
        if change.is_none() && from == tensor.dtype {
            return Ok(None);
        }
        let mut values = decode(raw, from);
        if let Some(change) = change {
            change.apply(&tensor.name, &tensor.source.shape, &mut values)?;
        }
        let bytes = encode(&values, tensor.dtype).map_err(|(index, value)| MergeError::Overflow {
            tensor: tensor.name.clone(),
            index,
            value,
            dtype: tensor.dtype.name(),
        })?;
        let kept = change.is_none() || encode(&decode(raw, from), tensor.dtype).as_ref() == Ok(&bytes);
        self.report.changed_tensors += usize::from(!kept);
        Ok(Some(bytes))
    }

    fn copy_side_files(&self, staging: &Path) -> Result<(), MergeError> {
        let text = read_limited(&self.base.join(CONFIG))?;
        write_file(&staging.join(CONFIG), &config(text, self.plan.untied, self.options.dtype)?)?;
        for name in COPIED {
            let path = self.base.join(name);
            if path.is_file() {
                write_file(&staging.join(name), &read_limited(&path)?)?;
            }
        }
        Ok(())
    }

    fn record(&self) -> Value {
        let report = &self.report;
        let mut record = json!({
            "kind": "merged checkpoint",
            "plumbline": env!("CARGO_PKG_VERSION"),
            "method": report.method,
            "merged_modules": report.merged_modules,
            "replaced_modules": report.replaced_modules,
            "tensors": report.tensors,
            "changed_tensors": report.changed_tensors,
            "parameters": report.parameters,
            "dtypes": report.dtypes,
            "untied": report.untied,
            "weights": report.shards,
        });
        if let Value::Object(record) = &mut record {
            for (key, value) in &self.options.origin {
                record.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        record
    }
}
