//! Adapter folders of one layout or type of values as another.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::host::FileDtype;

use super::checkpoint::{Layout, MergeError, stored_types};
use super::error::AdapterError;
use super::folder::replace_folder;
use super::{Adapter, AdapterConfig, CONFIG_FILE, MLX_TENSORS, RUN_FILE, from_mlx, to_mlx};

/// No config or tensor file of a real adapter is larger.
const MAX_FILE: u64 = 16 << 30;
const MAX_CONFIG: u64 = 4 << 20;

/// The layout of an adapter's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AdapterFormat {
    #[serde(rename = "peft")]
    Peft,
    #[serde(rename = "adapterhub")]
    AdapterHub,
    #[serde(rename = "mlx")]
    Mlx,
}

impl AdapterFormat {
    /// Its name in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Peft => "PEFT",
            Self::AdapterHub => "AdapterHub",
            Self::Mlx => "mlx",
        }
    }
}

/// An adapter as a folder holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFolder {
    pub adapter: Adapter,
    pub format: AdapterFormat,
    /// Types of the stored values, with the number of tensors of each.
    pub types: BTreeMap<String, usize>,
    /// SHA-256 of the file of tensors.
    pub sha256: String,
    /// Our own record of how it was made, where it lies beside.
    pub run: Option<Value>,
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AdapterError {
    let path = path.display().to_string();
    move |source| AdapterError::Io { action, path, source }
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, AdapterError> {
    let size = std::fs::metadata(path).map_err(io("read", path))?.len();
    if size > limit {
        let source = std::io::Error::other(format!("it has {size} bytes; expected at most {limit}"));
        return Err(io("read", path)(source));
    }
    std::fs::read(path).map_err(io("read", path))
}

/// Reads an adapter from a folder in PEFT's, AdapterHub's or mlx's layout.
///
/// # Errors
/// As [`Adapter::read_folder`] and [`from_mlx`].
pub fn read_adapter_folder(path: &Path) -> Result<AdapterFolder, MergeError> {
    let mlx = path.join(MLX_TENSORS);
    let (adapter, format, tensors) = if mlx.is_file() {
        let config = path.join(CONFIG_FILE);
        let files = [
            (CONFIG_FILE.to_owned(), read_limited(&config, MAX_CONFIG)?),
            (MLX_TENSORS.to_owned(), read_limited(&mlx, MAX_FILE)?),
        ];
        (from_mlx(&files.into())?, AdapterFormat::Mlx, mlx)
    } else {
        let adapter = Adapter::read_folder(path)?;
        let tensors = path.join(adapter.config.tensor_file());
        let hub = matches!(adapter.config, AdapterConfig::Bottleneck(_));
        (adapter, if hub { AdapterFormat::AdapterHub } else { AdapterFormat::Peft }, tensors)
    };
    let run = path.join(RUN_FILE);
    // A record that cannot be read says nothing about the adapter.
    let run = run.is_file().then(|| read_limited(&run, MAX_CONFIG).ok()).flatten();
    let run = run.and_then(|text| serde_json::from_slice(&text).ok());
    // A crash may have left the adapter under the name that `read_folder` recovers it from.
    let (types, sha256) =
        if tensors.is_file() { stored_types(&tensors)? } else { (BTreeMap::new(), String::new()) };
    Ok(AdapterFolder { adapter, format, types, sha256, run })
}

/// Writes `source` to `out` in layout `to` with values of type `dtype`. mlx's layout counts the layers of the model from
/// the last, so it needs the base's `layout`.
///
/// # Errors
/// An `out` that exists; AdapterHub's layout on either side, which no other has a place for; what mlx cannot say (see
/// [`to_mlx`]); values that `dtype` cannot hold; the disk.
pub fn convert_adapter(
    source: &AdapterFolder,
    to: AdapterFormat,
    dtype: FileDtype,
    layout: Option<&Layout>,
    out: &Path,
) -> Result<(), MergeError> {
    let refuse = |reason: String| Err(AdapterError::Convert { format: to.name(), reason }.into());
    if source.format == AdapterFormat::AdapterHub {
        let reason = format!(
            "it is a bottleneck adapter ({}), which only AdapterHub's layout can hold; it is left as it is",
            source.adapter.config.method()
        );
        let format = if to == source.format { "another type" } else { to.name() };
        return Err(AdapterError::Convert { format, reason }.into());
    }
    if to == AdapterFormat::AdapterHub {
        return refuse(format!(
            "it is {}, and AdapterHub's layout is written for bottleneck adapters only",
            source.adapter.config.method()
        ));
    }
    if out.symlink_metadata().is_ok() {
        return Err(MergeError::Exists { path: out.display().to_string() });
    }
    let run = json!({
        "kind": "converted adapter",
        "plumbline": env!("CARGO_PKG_VERSION"),
        "from": source.format,
        "to": to,
        "types": source.types,
        "source": source.run,
    });
    if to == AdapterFormat::Peft {
        return Ok(source.adapter.write_folder(out, dtype, Some(&run))?);
    }
    let Some(layout) = layout else {
        return refuse("mlx counts layers from the last, so the base model must be known".to_owned());
    };
    let mut files = to_mlx(&source.adapter, &layout.modules, layout.hidden, layout.layers, dtype)?;
    files.insert(RUN_FILE.to_owned(), format!("{run:#}\n").into_bytes());
    Ok(replace_folder(out, &files)?)
}
