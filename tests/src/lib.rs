//! What the tests across crates share: fixtures made by the reference implementation, and the real test data.

#![expect(clippy::expect_used, reason = "a fixture that cannot be read fails the test that asked for it")]

use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};
use serde::Deserialize;

/// `tests/fixtures` of this repository.
#[must_use]
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A file of the real test data, or `None` with one line that says what is skipped and why.
///
/// The folder is `PLUMBLINE_TEST_DATA`, by default `../shared/data` beside the repository.
#[must_use]
pub fn test_data(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PLUMBLINE_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} is not there; set PLUMBLINE_TEST_DATA to the folder of real test data",
        path.display()
    );
    None
}

/// `case.json` of a fixture.
#[derive(Debug, Deserialize)]
pub struct Case {
    pub name: String,
    pub tokenizer: String,
    pub images: Vec<String>,
    pub messages: serde_json::Value,
    pub rendered: String,
    pub expanded: String,
    pub options: Vec<String>,
    pub option_ids: Vec<Vec<u32>>,
    pub option_logprobs: Vec<f64>,
    pub option_logprobs_eos: Vec<f64>,
    pub eos_token_id: u32,
    #[serde(skip)]
    pub folder: PathBuf,
}

/// All fixtures that hold a checkpoint.
///
/// # Panics
/// When a fixture is malformed.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = std::fs::read_dir(fixtures())
        .expect("tests/fixtures")
        .filter_map(|entry| {
            let folder = entry.expect("entry").path();
            let text = std::fs::read(folder.join("case.json")).ok()?;
            let mut case: Case = serde_json::from_slice(&text).expect("case.json");
            case.folder = folder;
            Some(case)
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 10, "only {} fixtures", cases.len());
    cases
}

/// The expected tensors of a fixture.
pub struct Expected {
    bytes: Vec<u8>,
}

impl Expected {
    /// # Panics
    /// When the file is missing.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { bytes: std::fs::read(path).expect("expected.safetensors") }
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("expected.safetensors")
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tensors().names().contains(&name)
    }

    /// Values and shape of an f32 tensor.
    ///
    /// # Panics
    /// When it is missing or of another type.
    #[must_use]
    pub fn floats(&self, name: &str) -> (Vec<f32>, Vec<usize>) {
        let tensors = self.tensors();
        let view = tensors.tensor(name).expect("tensor");
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        (values, view.shape().to_vec())
    }

    /// Values of an i64 tensor as token ids.
    ///
    /// # Panics
    /// When it is missing, of another type, or holds something that is no id.
    #[must_use]
    pub fn ids(&self, name: &str) -> Vec<u32> {
        let tensors = self.tensors();
        let view = tensors.tensor(name).expect("tensor");
        assert_eq!(view.dtype(), Dtype::I64, "{name}");
        view.data()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| u32::try_from(i64::from_le_bytes(*b)).expect("token id"))
            .collect()
    }
}

/// `max |a − b| / max |b|`; infinite where a value is not finite.
#[must_use]
pub fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "sizes differ");
    let top = expected.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    found.iter().zip(expected).fold(0.0f32, |m, (a, b)| {
        let d = (a - b).abs();
        if d.is_finite() { m.max(d) } else { f32::INFINITY }
    }) / top
}
