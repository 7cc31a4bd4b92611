//! An adapter folded into its base: a whole checkpoint that needs no adapter.

use std::path::PathBuf;

use plumb_store::hub::{Hub, ModelRef};
use plumb_train::host::FileDtype;
use plumb_train::peft::{
    Layout, MergeError, MergeOptions, MergeReport, can_merge, merge_checkpoint, read_adapter_folder,
};
use plumb_vlm::ModelConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::demo::{self, Pack};
use crate::error::{EngineError, Result};

/// What to merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeJob {
    /// The adapter's folder: PEFT's, AdapterHub's or mlx's layout.
    pub adapter: PathBuf,
    /// The base: a folder in Hugging Face layout, a hub id whose files are here, or `demo`.
    pub model: String,
    /// The folder to write; it must not exist.
    pub out: PathBuf,
    /// Type of all written weights; none keeps that of each tensor.
    #[serde(default)]
    pub dtype: Option<FileDtype>,
}

/// The folder of a base model, and what its `config.json` says about tensors and modules.
///
/// # Errors
/// A model that is not here, or whose configuration cannot be read.
pub fn base(model: &str) -> Result<(PathBuf, Layout)> {
    let folder = if model == demo::NAME {
        Pack::find()?.model()?
    } else {
        Hub::from_env()?.locate(&ModelRef::parse(model)?)?
    };
    let path = folder.join("config.json");
    let text = std::fs::read(&path)
        .map_err(|source| EngineError::Read { file: path.display().to_string(), source })?;
    let config = ModelConfig::from_json(&text)
        .map_err(|error| EngineError::Request(format!("the model in {}: {error}", folder.display())))?;
    Ok((folder, plumb_train::method::layout(&config)))
}

/// Merges; `progress` hears of bytes read and of their sum, and stops it by answering `false`.
///
/// # Errors
/// [`EngineError::Cancelled`] when it was stopped; else as [`merge_checkpoint`]. Nothing is left behind.
pub fn merge(job: &MergeJob, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<MergeReport> {
    let source = read_adapter_folder(&job.adapter)?;
    can_merge(&source.adapter.config)?;
    let (folder, layout) = base(&job.model)?;
    let origin = json!({
        "adapter": {
            "folder": job.adapter,
            "format": source.format,
            "sha256": source.sha256,
            "run": source.run,
        },
        "base": job.model,
    });
    let options = MergeOptions { dtype: job.dtype, origin: origin.as_object().cloned().unwrap_or_default() };
    match merge_checkpoint(&folder, &layout, &source.adapter, &job.out, &options, progress) {
        Err(MergeError::Stopped) => Err(EngineError::Cancelled),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_adapter_becomes_a_model() {
        let Ok(pack) = Pack::find() else {
            eprintln!("skipped: the demo pack is not here");
            return;
        };
        let to = tempfile::tempdir().unwrap();
        let job = MergeJob {
            adapter: pack.adapter().unwrap(),
            model: demo::NAME.into(),
            out: to.path().join("merged"),
            dtype: None,
        };
        let stopped = merge(&job, &mut |_, _| false);
        assert!(matches!(stopped, Err(EngineError::Cancelled)), "{stopped:?}");
        assert!(!job.out.exists(), "nothing is left behind");
        let mut heard = (0, 0);
        let report = merge(&job, &mut |done, total| {
            heard = (done, total);
            true
        })
        .unwrap();
        assert!(report.merged_modules > 0 && report.changed_tensors > 0 && heard.0 == heard.1 && heard.1 > 0);
        assert!(job.out.join("config.json").is_file());
        let again = merge(&job, &mut |_, _| true).unwrap_err().to_string();
        assert!(again.contains("merged"), "a folder that is there is not written over: {again}");
    }
}
