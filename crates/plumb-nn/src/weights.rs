//! Checkpoints in safetensors files: one file or several, read tensor by tensor.
//!
//! Tensors are read by range and never mapped or held whole, so that peak memory is the model plus one tensor,
//! and the same code can stream in a browser: every read is `async`. A tensor that is missing, has another
//! shape or type than the model wants, holds NaN or infinity, or that nobody asked for is an error naming file,
//! tensor, expected and found.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Bytes, DType, Device, Tensor, TensorData};
use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::precision::Precision;

/// Why a checkpoint could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("{file} is not a safetensors file: {reason}")]
    Header { file: String, reason: String },
    #[error(
        "{file} is cut short: tensor {tensor} ends at byte {expected} of the file, which has only {found} bytes; \
         download it again"
    )]
    Truncated { file: String, tensor: String, expected: u64, found: u64 },
    #[error("tensor {tensor} stands in both {first} and {second}")]
    Duplicate { tensor: String, first: String, second: String },
    #[error("tensor {tensor} is missing (expected shape {expected:?}); looked in {files}")]
    Missing { tensor: String, expected: Vec<usize>, files: String },
    #[error("tensor {tensor} in {file} has shape {found:?}, but config.json asks for {expected:?}")]
    Shape { tensor: String, file: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("tensor {tensor} in {file} has type {found}; expected F32, F16 or BF16")]
    Type { tensor: String, file: String, found: String },
    #[error("tensor {tensor} in {file} holds {value} at element {index}; the weights are damaged")]
    NotFinite { tensor: String, file: String, index: usize, value: f32 },
    #[error(
        "tensor {tensor} in {file} holds {value} at element {index}, beyond what {precision} can hold; \
         load it with --dtype f32"
    )]
    Overflow { tensor: String, file: String, index: usize, value: f32, precision: Precision },
    #[error(
        "{count} tensors of the checkpoint belong to no part of the model that config.json describes, the first: {names}"
    )]
    Extra { count: usize, names: String },
}

/// Where the bytes of one file come from.
pub enum Source {
    /// A file on disk.
    #[cfg(not(target_family = "wasm"))]
    File { name: String, file: std::fs::File },
    /// A file held in memory (a browser's upload, a test).
    Memory { name: String, bytes: Vec<u8> },
}

impl Source {
    /// Opens a file on disk.
    ///
    /// # Errors
    /// When it cannot be opened.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(path: &std::path::Path) -> Result<Self, WeightError> {
        let name = path.display().to_string();
        match std::fs::File::open(path) {
            Ok(file) => Ok(Self::File { name, file }),
            Err(source) => Err(WeightError::Read { file: name, source }),
        }
    }

    fn name(&self) -> &str {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::File { name, .. } => name,
            Self::Memory { name, .. } => name,
        }
    }

    fn error(&self, source: std::io::Error) -> WeightError {
        WeightError::Read { file: self.name().to_owned(), source }
    }

    fn len(&self) -> Result<u64, WeightError> {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::File { file, .. } => file.metadata().map(|m| m.len()).map_err(|e| self.error(e)),
            Self::Memory { bytes, .. } => Ok(bytes.len() as u64),
        }
    }

    #[expect(
        clippy::unused_async,
        reason = "a browser's file has no blocking read; callers await from the start"
    )]
    async fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), WeightError> {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::File { file, .. } => {
                use std::io::{Read as _, Seek as _, SeekFrom};
                let mut file = file;
                file.seek(SeekFrom::Start(offset))
                    .and_then(|_| file.read_exact(out))
                    .map_err(|e| self.error(e))
            }
            Self::Memory { bytes, .. } => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let part = start.checked_add(out.len()).and_then(|end| bytes.get(start..end));
                match part {
                    Some(part) => {
                        out.copy_from_slice(part);
                        Ok(())
                    }
                    None => Err(self.error(std::io::ErrorKind::UnexpectedEof.into())),
                }
            }
        }
    }
}

struct File {
    source: Source,
    /// Where the tensors' bytes start.
    data: u64,
}

struct Entry {
    file: usize,
    info: TensorInfo,
}

/// The tensors of one or more safetensors files, and which of them were asked for.
pub struct Checkpoint {
    files: Vec<File>,
    entries: BTreeMap<String, Entry>,
    used: RefCell<BTreeSet<String>>,
}

/// More than any header of a real checkpoint; the safetensors format's own limit.
const MAX_HEADER: u64 = 100_000_000;

impl Checkpoint {
    /// Reads the headers of `sources` and checks that every tensor lies within its file.
    ///
    /// # Errors
    /// Unreadable, malformed, truncated files; a tensor that stands in two of them.
    pub async fn open(sources: Vec<Source>) -> Result<Self, WeightError> {
        let mut files: Vec<File> = Vec::new();
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for source in sources {
            let (data, metadata) = read_header(&source).await?;
            let len = source.len()?;
            for (name, info) in metadata.tensors() {
                let end = data.saturating_add(info.data_offsets.1 as u64);
                if end > len {
                    return Err(WeightError::Truncated {
                        file: source.name().to_owned(),
                        tensor: name,
                        expected: end,
                        found: len,
                    });
                }
                if let Some(other) = entries.get(&name) {
                    return Err(WeightError::Duplicate {
                        tensor: name,
                        first: files[other.file].source.name().to_owned(),
                        second: source.name().to_owned(),
                    });
                }
                entries.insert(name, Entry { file: files.len(), info: info.clone() });
            }
            files.push(File { source, data });
        }
        Ok(Self { files, entries, used: RefCell::default() })
    }

    /// The names of the files, for messages.
    #[must_use]
    pub fn file_names(&self) -> String {
        self.files.iter().map(|f| f.source.name()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the checkpoint has a tensor of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The number of stored values.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.entries.values().map(|e| e.info.shape.iter().product::<usize>()).sum()
    }

    /// The type of most of the stored values, as the file says it.
    #[must_use]
    pub fn stored_precision(&self) -> Option<Precision> {
        let mut counts: BTreeMap<&'static str, (usize, Precision)> = BTreeMap::new();
        for entry in self.entries.values() {
            let precision = match entry.info.dtype {
                Dtype::F32 => Precision::F32,
                Dtype::F16 => Precision::F16,
                Dtype::BF16 => Precision::Bf16,
                _ => continue,
            };
            counts.entry(precision.name()).or_insert((0, precision)).0 +=
                entry.info.shape.iter().product::<usize>();
        }
        counts.into_values().max_by_key(|(n, _)| *n).map(|(_, p)| p)
    }

    /// Reads the tensors `names`, each `[rows_i, rest…]`, one below the other as a matrix in `precision`.
    ///
    /// # Errors
    /// See [`WeightError`].
    async fn stacked(
        &self,
        parts: &[(String, Vec<usize>)],
        precision: Precision,
    ) -> Result<(Vec<u8>, usize), WeightError> {
        let total: usize = parts.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let mut out = Vec::with_capacity(total * precision.bytes());
        for (name, shape) in parts {
            let entry = self.entries.get(name).ok_or_else(|| WeightError::Missing {
                tensor: name.clone(),
                expected: shape.clone(),
                files: self.file_names(),
            })?;
            let file = &self.files[entry.file];
            if &entry.info.shape != shape {
                return Err(WeightError::Shape {
                    tensor: name.clone(),
                    file: file.source.name().to_owned(),
                    expected: shape.clone(),
                    found: entry.info.shape.clone(),
                });
            }
            let (start, end) = entry.info.data_offsets;
            let mut raw = vec![0u8; end - start];
            file.source.read(file.data + start as u64, &mut raw).await?;
            let context = Context { tensor: name, file: file.source.name() };
            convert(&raw, entry.info.dtype, precision, &mut out, &context)?;
            self.used.borrow_mut().insert(name.clone());
        }
        Ok((out, total))
    }

    /// Fails when a tensor was never asked for and is not one of the buffers that older files carry.
    ///
    /// # Errors
    /// [`WeightError::Extra`].
    pub fn finish(&self) -> Result<(), WeightError> {
        let used = self.used.borrow();
        let extra: Vec<&str> = self
            .entries
            .keys()
            .filter(|name| !used.contains(*name))
            .filter(|name| !name.ends_with(".position_ids") && !name.ends_with("rotary_emb.inv_freq"))
            .map(String::as_str)
            .collect();
        if extra.is_empty() {
            return Ok(());
        }
        let names = extra.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        Err(WeightError::Extra { count: extra.len(), names })
    }
}

async fn read_header(source: &Source) -> Result<(u64, Metadata), WeightError> {
    let header = |reason: String| WeightError::Header { file: source.name().to_owned(), reason };
    let len = source.len()?;
    if len < 8 {
        return Err(header(format!("it has {len} bytes, fewer than the 8 of the header length")));
    }
    let mut n = [0u8; 8];
    source.read(0, &mut n).await?;
    let n = u64::from_le_bytes(n);
    if n > MAX_HEADER || n > len - 8 {
        return Err(header(format!(
            "its first 8 bytes announce a header of {n} bytes in a file of {len} bytes"
        )));
    }
    let mut text = vec![0u8; usize::try_from(n).map_err(|e| header(e.to_string()))?];
    source.read(8, &mut text).await?;
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|e| header(format!("its header is not valid: {e}")))?;
    for (name, info) in metadata.tensors() {
        let count = info.shape.iter().try_fold(1usize, |a, &b| a.checked_mul(b));
        let bits = count.and_then(|c| c.checked_mul(info.dtype.bitsize()));
        let (start, end) = info.data_offsets;
        if end < start || bits != (end - start).checked_mul(8) {
            return Err(header(format!(
                "tensor {name} of shape {:?} and type {:?} does not fill its bytes {start}..{end}",
                info.shape, info.dtype
            )));
        }
    }
    Ok((8 + n, metadata))
}

struct Context<'a> {
    tensor: &'a str,
    file: &'a str,
}

/// Values are converted in blocks that stay in the cache.
const BLOCK: usize = 1 << 14;

fn convert(
    raw: &[u8],
    from: Dtype,
    to: Precision,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) -> Result<(), WeightError> {
    let size = match from {
        Dtype::F32 => 4,
        Dtype::F16 | Dtype::BF16 => 2,
        other => {
            return Err(WeightError::Type {
                tensor: context.tensor.to_owned(),
                file: context.file.to_owned(),
                found: format!("{other:?}"),
            });
        }
    };
    let mut wide = vec![0f32; BLOCK];
    let mut narrow = vec![0u16; BLOCK];
    for (block, bytes) in raw.chunks(BLOCK * size).enumerate() {
        let n = bytes.len() / size;
        let wide = &mut wide[..n];
        match from {
            Dtype::F32 => {
                for (w, b) in wide.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *w = f32::from_le_bytes(*b);
                }
            }
            _ => {
                let narrow = &mut narrow[..n];
                for (h, b) in narrow.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *h = u16::from_le_bytes(*b);
                }
                if from == Dtype::F16 {
                    bytemuck::cast_slice::<u16, f16>(narrow).convert_to_f32_slice(wide);
                } else {
                    bytemuck::cast_slice::<u16, bf16>(narrow).convert_to_f32_slice(wide);
                }
            }
        }
        if let Some(i) = wide.iter().position(|v| !v.is_finite()) {
            return Err(WeightError::NotFinite {
                tensor: context.tensor.to_owned(),
                file: context.file.to_owned(),
                index: block * BLOCK + i,
                value: wide[i],
            });
        }
        if let Some(i) = wide.iter().position(|v| v.abs() > to.max()) {
            return Err(WeightError::Overflow {
                tensor: context.tensor.to_owned(),
                file: context.file.to_owned(),
                index: block * BLOCK + i,
                value: wide[i],
                precision: to,
            });
        }
        match to {
            Precision::F32 => out.extend_from_slice(bytemuck::cast_slice(wide)),
            Precision::F16 => {
                let half: &mut [f16] = bytemuck::cast_slice_mut(&mut narrow[..n]);
                half.convert_from_f32_slice(wide);
                out.extend_from_slice(bytemuck::cast_slice(half));
            }
            Precision::Bf16 => {
                let half: &mut [bf16] = bytemuck::cast_slice_mut(&mut narrow[..n]);
                half.convert_from_f32_slice(wide);
                out.extend_from_slice(bytemuck::cast_slice(half));
            }
        }
    }
    Ok(())
}

/// A place within a [`Checkpoint`]: names are relative to it, matrices come in `precision`, vectors in f32.
#[derive(Clone)]
pub struct Scope<'a> {
    checkpoint: &'a Checkpoint,
    prefix: String,
    device: Device,
    precision: Precision,
}

impl<'a> Scope<'a> {
    /// The root of `checkpoint`.
    #[must_use]
    pub fn root(checkpoint: &'a Checkpoint, device: &Device, precision: Precision) -> Self {
        Self { checkpoint, prefix: String::new(), device: device.clone(), precision }
    }

    /// `name` below this place.
    #[must_use]
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { prefix: self.name(&name.to_string()), ..self.clone() }
    }

    /// The device that tensors are put on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The full name of this place.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.prefix
    }

    /// The full name of `name` at this place.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// Whether the checkpoint has `name` at this place.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(&self.name(name))
    }

    /// A vector of norm or bias parameters, `[len]`, always f32.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn vector(&self, name: &str, len: usize) -> Result<Tensor<1>, WeightError> {
        self.vectors(&[(name, len)]).await
    }

    /// Several vectors, one after the other.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn vectors(&self, parts: &[(&str, usize)]) -> Result<Tensor<1>, WeightError> {
        let parts: Vec<_> = parts.iter().map(|(name, len)| (self.name(name), vec![*len])).collect();
        let (bytes, n) = self.checkpoint.stacked(&parts, Precision::F32).await?;
        Ok(self.tensor(bytes, [n], Precision::F32))
    }

    /// A matrix `[rows, cols]`.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor<2>, WeightError> {
        self.matrices(&[(name, rows)], cols).await
    }

    /// Matrices `[rows_i, cols]`, one below the other: `[Σ rows_i, cols]`.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn matrices(&self, parts: &[(&str, usize)], cols: usize) -> Result<Tensor<2>, WeightError> {
        let parts: Vec<_> = parts.iter().map(|(name, rows)| (self.name(name), vec![*rows, cols])).collect();
        let (bytes, n) = self.checkpoint.stacked(&parts, self.precision).await?;
        Ok(self.tensor(bytes, [n / cols.max(1), cols], self.precision))
    }

    /// A convolution kernel `[out, channels, height, width]` as the matrix `[out, channels · height · width]`.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn kernel(&self, name: &str, shape: [usize; 4]) -> Result<Tensor<2>, WeightError> {
        let (bytes, n) =
            self.checkpoint.stacked(&[(self.name(name), shape.to_vec())], self.precision).await?;
        Ok(self.tensor(bytes, [shape[0], n / shape[0].max(1)], self.precision))
    }

    fn tensor<const D: usize>(&self, bytes: Vec<u8>, shape: [usize; D], precision: Precision) -> Tensor<D> {
        let dtype: DType = precision.into();
        let data = TensorData::from_bytes(Bytes::from_bytes_vec(bytes), shape, dtype);
        Tensor::from_data(data, (&self.device, dtype))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures_lite::future::block_on;
    use safetensors::tensor::TensorView;

    use super::*;

    fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
        let views: HashMap<String, TensorView<'_>> = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                ((*name).to_owned(), TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
            })
            .collect();
        safetensors::serialize(views, None).unwrap()
    }

    fn floats(v: &[f32]) -> Vec<u8> {
        v.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn open(bytes: Vec<u8>) -> Result<Checkpoint, WeightError> {
        block_on(Checkpoint::open(vec![Source::Memory { name: "m.safetensors".into(), bytes }]))
    }

    fn matrix(c: &Checkpoint, precision: Precision) -> Result<Vec<f32>, WeightError> {
        let scope = Scope::root(c, &Device::flex(), precision).pp("a");
        let t = block_on(scope.matrices(&[("x", 1), ("y", 2)], 2))?;
        Ok(block_on(t.cast(DType::F32).into_data_async()).unwrap().as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn matrices_are_stacked_and_converted() {
        let bytes = file(&[
            ("a.x", Dtype::F32, &[1, 2], floats(&[1.0, 0.1])),
            (
                "a.y",
                Dtype::BF16,
                &[2, 2],
                [0x3f80u16, 0xc000, 0, 0x4040].iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
        ]);
        let c = open(bytes).unwrap();
        assert_eq!(matrix(&c, Precision::F32).unwrap(), [1.0, 0.1, 1.0, -2.0, 0.0, 3.0]);
        let half = matrix(&c, Precision::F16).unwrap();
        assert_eq!(half[1], f16::from_f32(0.1).to_f32());
        c.finish().unwrap();
    }

    #[test]
    fn every_defect_names_file_tensor_and_what_was_found() {
        let ok = file(&[("a.x", Dtype::F32, &[1, 2], floats(&[1.0, 2.0]))]);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![], "it has 0 bytes"),
            (vec![1, 2, 3], "it has 3 bytes"),
            (vec![0xff; 64], "announce a header"),
            (ok[..ok.len() - 1].to_vec(), "cut short"),
            (ok[..20].to_vec(), "announce a header"),
            (
                {
                    let mut b = ok.clone();
                    b[9] = b'?';
                    b
                },
                "header is not valid",
            ),
        ];
        for (bytes, expected) in cases {
            let error = open(bytes).err().unwrap().to_string();
            assert!(error.contains(expected) && error.contains("m.safetensors"), "{error}");
        }
        let y = ("a.y", Dtype::F32, &[2usize, 2][..], floats(&[0.0; 4]));
        let load = |x: (&str, Dtype, &[usize], Vec<u8>), precision| {
            let c = open(file(&[x, y.clone()])).unwrap();
            matrix(&c, precision).err().map(|e| e.to_string()).unwrap_or_default()
        };
        let shape = load(("a.x", Dtype::F32, &[2, 1], floats(&[0.0; 2])), Precision::F32);
        assert!(shape.contains("a.x") && shape.contains("[2, 1]") && shape.contains("[1, 2]"), "{shape}");
        let kind = load(("a.x", Dtype::I32, &[1, 2], floats(&[0.0; 2])), Precision::F32);
        assert!(kind.contains("I32"), "{kind}");
        let nan = load(("a.x", Dtype::F32, &[1, 2], floats(&[0.0, f32::NAN])), Precision::F32);
        assert!(nan.contains("NaN at element 1"), "{nan}");
        let big = load(("a.x", Dtype::F32, &[1, 2], floats(&[1e6, 0.0])), Precision::F16);
        assert!(big.contains("--dtype f32"), "{big}");
        let missing = load(("a.z", Dtype::F32, &[1, 2], floats(&[0.0; 2])), Precision::F32);
        assert!(missing.contains("a.x is missing"), "{missing}");
        let c = open(file(&[
            ("a.x", Dtype::F32, &[1, 2], floats(&[0.0; 2])),
            y.clone(),
            ("z", Dtype::F32, &[1], floats(&[0.0])),
        ]))
        .unwrap();
        matrix(&c, Precision::F32).unwrap();
        assert!(c.finish().unwrap_err().to_string().contains("the first: z"));
    }
}
