//! Random checkpoints of real shapes: for speed, memory and parity where the published weights are not at hand.

use std::borrow::Cow;
use std::path::Path;

use half::{bf16, f16};
use plumb_nn::Precision;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use safetensors::tensor::{Dtype, View};

use crate::config::ModelConfig;
use crate::error::{Result, VlmError};
use crate::files::ModelFiles;

/// One tensor whose values are drawn when it is written.
struct RandomTensor {
    name: String,
    shape: Vec<usize>,
    seed: u64,
    precision: Precision,
}

impl RandomTensor {
    /// Scales that keep activations of a deep model near one and logits apart: matrices by fan-in, norms near one.
    fn values(&self) -> Vec<f32> {
        let n: usize = self.shape.iter().product();
        let fan_in: usize = self.shape.iter().skip(1).product();
        let norm = self.name.contains("norm");
        let (mean, std) = match self.name.rsplit('.').next() {
            Some("bias") => (0.0, 0.02),
            _ if norm => (1.0, 0.1),
            _ if self.name.ends_with("embed_tokens.weight") => (0.0, 1.0),
            _ if self.name.ends_with("position_embedding.weight") => (0.0, 0.1),
            _ => (0.0, 1.0 / (fan_in.max(1) as f32).sqrt()),
        };
        // A stream per tensor: the same tensor comes out whatever else the model has.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(
            self.name
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)),
        );
        let normal = StandardNormal;
        (0..n)
            .map(|_| {
                let z: f32 = normal.sample(&mut rng);
                mean + std * z
            })
            .collect()
    }
}

impl View for RandomTensor {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
            Precision::Bf16 => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.values();
        Cow::Owned(match self.precision {
            Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            Precision::Bf16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.precision.bytes()
    }
}

/// Writes a checkpoint of the shapes that `source`'s `config.json` describes into `out`: seeded random weights as
/// `model.safetensors`, the small files copied along. Returns the number of parameters.
///
/// # Errors
/// A wrong config, a folder that cannot be written, or one that already holds weights.
pub fn write_random_checkpoint(source: &Path, out: &Path, seed: u64, precision: Precision) -> Result<usize> {
    let files = ModelFiles::side_files(source)?;
    let config = ModelConfig::from_json(files.require("config.json")?)?;
    let fail = |path: &Path| {
        let file = path.display().to_string();
        move |source| VlmError::Read { file, source }
    };
    std::fs::create_dir_all(out).map_err(fail(out))?;
    let weights = out.join("model.safetensors");
    if weights.exists() {
        return Err(fail(&weights)(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "there are weights already; choose an empty folder",
        )));
    }
    for (name, bytes) in files.side() {
        let path = out.join(name);
        std::fs::write(&path, bytes).map_err(fail(&path))?;
    }
    let tensors = config.tensors();
    let count = tensors.iter().map(|(_, s)| s.iter().product::<usize>()).sum();
    let views = tensors
        .into_iter()
        .map(|(name, shape)| (name.clone(), RandomTensor { name, shape, seed, precision }));
    safetensors::serialize_to_file(views, None, &weights)
        .map_err(|e| fail(&weights)(std::io::Error::other(e.to_string())))?;
    Ok(count)
}
