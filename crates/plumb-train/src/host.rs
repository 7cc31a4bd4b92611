//! Tensors on the host and the safetensors files that hold them.
//!
//! The trainer's files (adapters, checkpoints, merged models) are read and written here as plain `f32` vectors, so
//! that everything about names, shapes and bytes is tested without a tensor library. Layout: the safetensors format
//! (`huggingface/safetensors: README.md`): 8 bytes header length, JSON header, data without holes.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};

/// Most tensors one file may hold; a header that claims more is damaged or hostile.
const MAX_TENSORS: usize = 100_000;

/// A dense row-major tensor in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Tensors by name, in the order of their names.
pub type TensorMap = BTreeMap<String, HostTensor>;

impl HostTensor {
    /// A tensor of `shape` with these values, or `None` when their number does not fit the shape.
    #[must_use]
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        (elements(&shape) == Some(values.len())).then_some(Self { shape, values })
    }

    /// All zeros; `None` when the number of elements overflows.
    #[must_use]
    pub fn zeros(shape: Vec<usize>) -> Option<Self> {
        let count = elements(&shape)?;
        Some(Self { shape, values: vec![0.0; count] })
    }
}

/// The number of elements of a shape, `None` on overflow.
#[must_use]
pub fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))
}

/// How values are stored in a written file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileDtype {
    #[default]
    F32,
    F16,
    Bf16,
}

impl FileDtype {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    pub(crate) fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

/// f32 as little-endian bytes, rounded to nearest even once.
///
/// # Errors
/// The first value that `dtype` cannot hold.
pub(crate) fn encode(values: &[f32], dtype: FileDtype) -> Result<Vec<u8>, (usize, f32)> {
    let mut bytes = Vec::with_capacity(values.len().saturating_mul(dtype.bytes()));
    for (index, &value) in values.iter().enumerate() {
        let finite = match dtype {
            FileDtype::F32 => {
                bytes.extend(value.to_le_bytes());
                value.is_finite()
            }
            FileDtype::F16 => {
                let narrow = f16::from_f32(value);
                bytes.extend(narrow.to_le_bytes());
                narrow.is_finite()
            }
            FileDtype::Bf16 => {
                let narrow = bf16::from_f32(value);
                bytes.extend(narrow.to_le_bytes());
                narrow.is_finite()
            }
        };
        if !finite {
            return Err((index, value));
        }
    }
    Ok(bytes)
}

/// Why a tensor file could not be read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HostError {
    #[error("{file} is not a safetensors file: {reason}")]
    Header { file: String, reason: String },
    #[error("{file} holds {found} tensors; expected at most {expected}")]
    TooMany { file: String, expected: usize, found: usize },
    #[error("tensor {tensor} in {file} has type {found}; expected F32, F16 or BF16")]
    Type { file: String, tensor: String, found: String },
    #[error("tensor {tensor} in {file} has shape {shape:?}, expected {expected} values, found {found}")]
    Size { file: String, tensor: String, shape: Vec<usize>, expected: String, found: usize },
    #[error("tensor {tensor} in {file} holds {value} at element {index}; expected finite values")]
    NotFinite { file: String, tensor: String, index: usize, value: f32 },
    #[error(
        "tensor {tensor} in {file} holds {value} at element {index}, beyond what {dtype} can hold; write F32"
    )]
    Overflow { file: String, tensor: String, index: usize, value: f32, dtype: &'static str },
}

/// Tensors and metadata of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    pub tensors: TensorMap,
    pub metadata: BTreeMap<String, String>,
}

/// Reads the bytes of a safetensors file; F16 and BF16 are widened. `file` is the name used in errors.
///
/// # Errors
/// A header that does not describe exactly these bytes, a type other than F32, F16, BF16, more than 100 000 tensors,
/// or a value that is not finite.
pub fn read_tensors(file: &str, bytes: &[u8]) -> Result<TensorFile, HostError> {
    let header = |reason: String| HostError::Header { file: file.to_owned(), reason };
    let (length, described) = SafeTensors::read_metadata(bytes).map_err(|e| header(e.to_string()))?;
    let data = length.checked_add(8).and_then(|start| bytes.get(start..)).unwrap_or_default();
    let infos = described.tensors();
    if infos.len() > MAX_TENSORS {
        return Err(HostError::TooMany { file: file.to_owned(), expected: MAX_TENSORS, found: infos.len() });
    }
    let mut result = TensorFile::default();
    if let Some(metadata) = described.metadata() {
        result.metadata = metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    }
    // By name, so that of several errors always the same one is reported.
    let infos: BTreeMap<_, _> = infos.into_iter().collect();
    for (tensor, info) in infos {
        let (start, end) = info.data_offsets;
        let raw =
            data.get(start..end).ok_or_else(|| header(format!("tensor {tensor} lies outside the file")))?;
        let values: Vec<f32> = match info.dtype {
            Dtype::F32 => raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::F16 => raw.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => raw.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => {
                let found = format!("{other:?}");
                return Err(HostError::Type { file: file.to_owned(), tensor, found });
            }
        };
        let read = HostTensor { shape: info.shape.clone(), values };
        check_tensor(file, &tensor, &read)?;
        result.tensors.insert(tensor, read);
    }
    Ok(result)
}

/// Checks that a tensor has as many values as its shape says and that all of them are finite.
///
/// # Errors
/// [`HostError::Size`] or [`HostError::NotFinite`], naming `file` and `tensor`.
pub fn check_tensor(file: &str, tensor: &str, value: &HostTensor) -> Result<(), HostError> {
    let expected = elements(&value.shape);
    if expected != Some(value.values.len()) {
        return Err(HostError::Size {
            file: file.to_owned(),
            tensor: tensor.to_owned(),
            shape: value.shape.clone(),
            expected: expected.map_or_else(|| "a representable number of".to_owned(), |n| n.to_string()),
            found: value.values.len(),
        });
    }
    match value.values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(HostError::NotFinite {
            file: file.to_owned(),
            tensor: tensor.to_owned(),
            index,
            value: value.values[index],
        }),
        None => Ok(()),
    }
}

/// Writes tensors in the order of their names. The same input gives the same bytes.
///
/// # Errors
/// A tensor whose values do not fit its shape, a value that is not finite or that `dtype` cannot hold.
pub fn write_tensors(file: &str, content: &TensorFile, dtype: FileDtype) -> Result<Vec<u8>, HostError> {
    let mut header = Map::new();
    if !content.metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(content.metadata));
    }
    let mut offset = 0usize;
    for (name, tensor) in &content.tensors {
        check_tensor(file, name, tensor)?;
        let end = offset.saturating_add(tensor.values.len().saturating_mul(dtype.bytes()));
        let entry = json!({ "dtype": dtype.name(), "shape": tensor.shape, "data_offsets": [offset, end] });
        header.insert(name.clone(), entry);
        offset = end;
    }
    let mut text = Value::Object(header).to_string();
    // Data starts on a multiple of 8, which the readers that map files rely on.
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut bytes = Vec::with_capacity(offset.saturating_add(text.len()).saturating_add(8));
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
    for (name, tensor) in &content.tensors {
        let encoded = encode(&tensor.values, dtype).map_err(|(index, value)| {
            let (file, tensor) = (file.to_owned(), name.clone());
            HostError::Overflow { file, tensor, index, value, dtype: dtype.name() }
        })?;
        bytes.extend(encoded);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(name: &str, shape: &[usize], values: &[f32]) -> TensorFile {
        let tensor = HostTensor { shape: shape.to_vec(), values: values.to_vec() };
        TensorFile { tensors: [(name.to_owned(), tensor)].into(), metadata: BTreeMap::new() }
    }

    fn raw(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn writes_what_the_reference_library_reads() {
        let mut file = one("b", &[2, 3], &[0.0, -1.5, 2.0, 1e-3, 7.0, 1e20]);
        file.tensors.insert("a".to_owned(), HostTensor { shape: vec![], values: vec![3.25] });
        file.metadata.insert("format".to_owned(), "pt".to_owned());
        let bytes = write_tensors("x", &file, FileDtype::F32).unwrap();
        assert_eq!(bytes, write_tensors("x", &file, FileDtype::F32).unwrap());
        let reference = SafeTensors::deserialize(&bytes).unwrap();
        let b = reference.tensor("b").unwrap();
        assert_eq!((b.shape(), b.dtype()), (&[2, 3][..], Dtype::F32));
        assert_eq!(&b.data()[4..8], &(-1.5f32).to_le_bytes());
        assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
        assert_eq!(read_tensors("x", &bytes).unwrap(), file);
    }

    #[test]
    fn half_types_are_widened_and_narrowed_once() {
        let header = r#"{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"w":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}"#;
        // 0x3c00 = 1, 0xc100 = -2.5 in binary16; 0x4049 = 3.140625 in bfloat16.
        let file = read_tensors("x", &raw(header, &[0x00, 0x3c, 0x00, 0xc1, 0x49, 0x40])).unwrap();
        assert_eq!(file.tensors["h"].values, [1.0, -2.5]);
        assert_eq!(file.tensors["w"].values, [3.140625]);
        let third = one("t", &[1], &[1.0 / 3.0]);
        for (dtype, stored) in [(FileDtype::F16, 0.333_251_95), (FileDtype::Bf16, 0.333_984_38)] {
            let bytes = write_tensors("x", &third, dtype).unwrap();
            assert_eq!(read_tensors("x", &bytes).unwrap().tensors["t"].values, [stored]);
        }
    }

    #[test]
    fn refuses_what_is_damaged_and_says_where() {
        let message = |bytes: &[u8]| read_tensors("a.safetensors", bytes).unwrap_err().to_string();
        assert!(message(b"").starts_with("a.safetensors is not a safetensors file"));
        let integer = raw(r#"{"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, &[0; 8]);
        assert_eq!(message(&integer), "tensor n in a.safetensors has type I64; expected F32, F16 or BF16");
        let nan = raw(r#"{"n":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &f32::NAN.to_le_bytes());
        assert_eq!(message(&nan), "tensor n in a.safetensors holds NaN at element 0; expected finite values");
        for bad in [
            r#"{"n":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
            r#"{"n":{"dtype":"F32","shape":[18446744073709551615,8],"data_offsets":[0,4]}}"#,
            r#"{"n":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"n":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
        ] {
            assert!(message(&raw(bad, &[0; 4])).contains("not a safetensors file"), "{bad}");
        }
        let long = raw(r#"{"n":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 9]);
        assert!(message(&long).contains("not a safetensors file"));
    }

    #[test]
    fn refuses_to_write_what_cannot_be_read_back() {
        let write = |file: &TensorFile, dtype| write_tensors("o", file, dtype).unwrap_err();
        let large = one("t", &[1], &[70000.0]);
        assert!(matches!(write(&large, FileDtype::F16), HostError::Overflow { index: 0, dtype: "F16", .. }));
        assert!(matches!(write(&one("t", &[1], &[f32::MAX]), FileDtype::Bf16), HostError::Overflow { .. }));
        assert!(matches!(write(&one("t", &[2], &[1.0]), FileDtype::F32), HostError::Size { found: 1, .. }));
        let huge = one("t", &[usize::MAX, 2], &[1.0]);
        assert!(matches!(write(&huge, FileDtype::F32), HostError::Size { .. }));
        assert!(matches!(
            write(&one("t", &[1], &[f32::INFINITY]), FileDtype::F32),
            HostError::NotFinite { .. }
        ));
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_tensors("x", &bytes);
        }

        #[test]
        fn never_panics_on_any_header(header in ".{0,120}", data in proptest::collection::vec(any::<u8>(), 0..32)) {
            let _ = read_tensors("x", &raw(&header, &data));
        }

        #[test]
        fn round_trips(values in proptest::collection::vec(-1e30f32..1e30, 0..50), name in "[a-z._]{1,12}") {
            let file = one(&name, &[values.len(), 1], &values);
            let bytes = write_tensors("x", &file, FileDtype::F32).unwrap();
            prop_assert_eq!(read_tensors("x", &bytes).unwrap(), file);
        }
    }
}
