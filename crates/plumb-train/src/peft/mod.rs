//! Adapter files: what the Python ecosystem reads and writes, without a tensor library.
//!
//! LoRA, DoRA, prompt tuning and IA3 in PEFT's format (`huggingface/peft`), bottleneck adapters in AdapterHub's
//! (`adapter-hub/adapters`), LoRA in mlx's. PEFT itself warns about missing tensors and keeps silent about unexpected
//! ones; here both are errors, and so is every variant that would mean something else than this reader thinks.

mod adapter;
mod bottleneck;
mod checkpoint;
mod config;
mod convert;
mod error;
mod fields;
mod folder;
mod inspect;
mod lora;
mod merge;
mod mlx;
mod pattern;
mod resolved;
mod target;
#[cfg(test)]
mod tests;

pub use adapter::{Adapter, HUB_TENSORS, PEFT_TENSORS};
pub use bottleneck::{Activation, BottleneckConfig, BottleneckInit, BottleneckVariant, Reduction};
pub use checkpoint::{
    Layout, MergeError, MergeOptions, MergeReport, MergedShard, can_merge, merge_checkpoint, replace_weights,
};
pub use config::{AdapterConfig, Base, CONFIG_FILE, Ia3Config, PromptTuningConfig};
pub use convert::{AdapterFolder, AdapterFormat, convert_adapter, read_adapter_folder};
pub use error::{AdapterError, Result};
pub use folder::RUN_FILE;
pub use inspect::{AdaptedModule, Inspection, Part, PartCount, RankRow, inspect};
pub use lora::{Ia3Module, Ia3Targets, LoraConfig, LoraInit, LoraModule, LoraTargets};
pub use merge::{LoraFactors, merge_ia3, merge_lora};
pub use mlx::{MLX_TENSORS, from_mlx, to_mlx};
pub use resolved::{
    BottleneckLayer, BottleneckTensors, Ia3Tensors, LoraTensors, ResolvedAdapter, SavedTensors,
};
pub use target::{
    Layers, ModuleInfo, ModuleKind, Names, TEXT_AND_VISION_TARGETS, TEXT_TARGETS, VISION_TARGETS,
};
