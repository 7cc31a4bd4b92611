//! Tensors as a safetensors file of 32-bit floats.
//!
//! Apart from the files of [`crate::host`], which other programs read too: a checkpoint is written in parts that borrow
//! the values, because a full fine-tune must not need its gigabytes of moments a second time while it saves; and every
//! bit pattern is kept, because whether a value may be NaN is for the loop to say, not for its memory.

use super::CheckpointError;
use crate::host::{HostTensor, TensorMap, elements};
use safetensors::{Dtype, SafeTensors};
use std::borrow::Cow;
use std::path::Path;

/// What the format's readers accept.
const MAX_HEADER_BYTES: usize = 100_000_000;

/// The header of a file; the values of the tensors follow it in the order of their names.
pub(super) fn header(tensors: &TensorMap) -> Result<Vec<u8>, CheckpointError> {
    let bad = |name: &str, reason: String| CheckpointError::BadTensor { name: name.to_owned(), reason };
    let mut fields = serde_json::Map::new();
    let mut start = 0_usize;
    for (name, tensor) in tensors {
        if name == "__metadata__" {
            return Err(bad(name, "the format keeps this name for itself".to_owned()));
        }
        if elements(&tensor.shape) != Some(tensor.values.len()) {
            let (shape, found) = (&tensor.shape, tensor.values.len());
            return Err(bad(name, format!("its shape {shape:?} does not hold its {found} values")));
        }
        let end = tensor.values.len().checked_mul(4).and_then(|bytes| start.checked_add(bytes));
        let end = end.ok_or_else(|| bad(name, "the file would be too long".to_owned()))?;
        let entry =
            serde_json::json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end] });
        fields.insert(name.clone(), entry);
        start = end;
    }
    let mut text = serde_json::Value::Object(fields).to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    if text.len() > MAX_HEADER_BYTES {
        return Err(bad("", format!("the names of {} tensors need too long a header", tensors.len())));
    }
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(text.as_bytes());
    Ok(header)
}

/// The bytes of a tensor's values.
pub(super) fn data(tensor: &HostTensor) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(&tensor.values))
    } else {
        Cow::Owned(tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
}

/// Reads what [`header`] and [`data`] wrote.
///
/// # Errors
/// The bytes are no safetensors file, or a tensor is not of 32-bit floats.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<TensorMap, CheckpointError> {
    let bad = |reason: String| CheckpointError::BadFile { path: path.to_path_buf(), reason };
    let file = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(format!("the tensor {name:?} is of {:?}, expected F32", view.dtype())));
        }
        let (values, _) = view.data().as_chunks::<4>();
        let values = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
        tensors.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}
