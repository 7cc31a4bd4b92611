//! A whole checkpoint with some of its tensors replaced: the result of full fine-tuning.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use plumb_vlm::ModelFiles;
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde_json::Value;

use crate::error::{Result, TrainError};
use crate::host::TensorMap;

/// A tensor as it will stand in the file.
struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes the checkpoint of `base` into `out` with `weights` in the place of the tensors of the same name, each in the
/// type that it has there. `run` goes into `plumbline_run.json`.
///
/// # Errors
/// A base that cannot be read, a folder that cannot be written, a value that the stored type cannot hold.
pub fn write(base: &Path, out: &Path, weights: &TensorMap, run: &Value) -> Result<()> {
    let fail = |file: &Path| {
        let file = file.display().to_string();
        move |source: std::io::Error| TrainError::Write { file, source }
    };
    let files = ModelFiles::side_files(base)?;
    let staging = out.with_extension("staging");
    if staging.exists() {
        std::fs::remove_dir_all(&staging).map_err(fail(&staging))?;
    }
    std::fs::create_dir_all(&staging).map_err(fail(&staging))?;
    for (name, bytes) in files.side() {
        let path = staging.join(name);
        plumb_store::durable::write_atomic(&path, bytes).map_err(fail(&path))?;
    }
    let mut sources = Vec::new();
    for path in plumb_vlm::files::weight_paths(base, &base.display().to_string())? {
        sources.push((std::fs::read(&path).map_err(fail(&path))?, path));
    }
    let mut all: BTreeMap<String, Stored<'_>> = BTreeMap::new();
    for (bytes, path) in &sources {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|e| TrainError::Config { file: path.display().to_string(), reason: e.to_string() })?;
        for (name, view) in tensors.iter() {
            let (dtype, shape) = (view.dtype(), view.shape().to_vec());
            let bytes = match weights.get(name) {
                None => Cow::Owned(view.data().to_vec()),
                Some(tensor) => Cow::Owned(cast(name, &tensor.values, dtype)?),
            };
            all.insert(name.to_owned(), Stored { dtype, shape, bytes });
        }
    }
    let path = staging.join("model.safetensors");
    let metadata = Some([("format".to_owned(), "pt".to_owned())].into());
    safetensors::serialize_to_file(all, metadata, &path)
        .map_err(|e| fail(&path)(std::io::Error::other(e.to_string())))?;
    std::fs::File::open(&path).and_then(|f| f.sync_all()).map_err(fail(&path))?;
    let path = staging.join("plumbline_run.json");
    let text = serde_json::to_string_pretty(run).unwrap_or_default();
    plumb_store::durable::write_atomic(&path, text.as_bytes()).map_err(fail(&path))?;
    if out.exists() {
        std::fs::remove_dir_all(out).map_err(fail(out))?;
    }
    std::fs::rename(&staging, out).map_err(fail(out))?;
    plumb_store::durable::sync_dir(out.parent().unwrap_or(Path::new("."))).map_err(fail(out))
}

fn cast(name: &str, values: &[f32], dtype: Dtype) -> Result<Vec<u8>> {
    let limit = match dtype {
        Dtype::F16 => f16::MAX.to_f32(),
        Dtype::BF16 => bf16::MAX.to_f32(),
        _ => f32::MAX,
    };
    if let Some(value) = values.iter().find(|v| !(v.abs() <= limit)) {
        return Err(TrainError::Config {
            file: name.to_owned(),
            reason: format!("holds {value}, which {dtype:?} cannot hold"),
        });
    }
    Ok(match dtype {
        Dtype::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    })
}
