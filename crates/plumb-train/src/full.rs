//! A whole checkpoint with some of its tensors replaced: the result of full fine-tuning.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use plumb_nn::Precision;
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
/// type that it has there, or all in `precision`. `run` goes into `plumbline_run.json`.
///
/// # Errors
/// A base that cannot be read, a folder that cannot be written, a value that the stored type cannot hold.
pub fn write(
    base: &Path,
    out: &Path,
    weights: &TensorMap,
    precision: Option<Precision>,
    run: &Value,
) -> Result<()> {
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
            let (stored, shape) = (view.dtype(), view.shape().to_vec());
            let dtype = match precision {
                Some(Precision::F32) => Dtype::F32,
                Some(Precision::F16) => Dtype::F16,
                Some(Precision::Bf16) => Dtype::BF16,
                None => stored,
            };
            let bytes = match weights.get(name) {
                Some(tensor) => cast(name, &tensor.values, dtype)?,
                None if dtype == stored => view.data().to_vec(),
                None => cast(name, &widen(view.data(), stored), dtype)?,
            };
            let bytes = Cow::Owned(bytes);
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

fn widen(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    let half = |f: fn([u8; 2]) -> f32| bytes.as_chunks::<2>().0.iter().map(|b| f(*b)).collect();
    match dtype {
        Dtype::F16 => half(|b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => half(|b| bf16::from_le_bytes(b).to_f32()),
        _ => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
    }
}

fn cast(name: &str, values: &[f32], dtype: Dtype) -> Result<Vec<u8>> {
    let limit = match dtype {
        Dtype::F16 => f16::MAX.to_f32(),
        Dtype::BF16 => bf16::MAX.to_f32(),
        _ => f32::MAX,
    };
    if let Some(value) = values.iter().find(|v| v.is_nan() || v.abs() > limit) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cast_once_and_what_does_not_fit_is_named() {
        let values = [1.5f32, -2.0, 3.0e-5];
        let bytes = cast("w", &values, Dtype::F16).unwrap();
        assert_eq!(widen(&bytes, Dtype::F16)[..2], [1.5, -2.0]);
        assert_eq!(widen(&cast("w", &values, Dtype::F32).unwrap(), Dtype::F32), values);
        let error = cast("model.w", &[1e6], Dtype::F16).unwrap_err().to_string();
        assert!(error.contains("model.w") && error.contains("1000000"), "{error}");
        assert!(cast("model.w", &[f32::NAN], Dtype::F32).is_err());
    }
}
