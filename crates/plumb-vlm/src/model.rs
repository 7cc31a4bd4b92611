//! SmolVLM and Idefics3 as a whole.
//!
//! Reference: `huggingface/transformers:src/transformers/models/{smolvlm,idefics3}/` (5.23). Papers: Marafioti et al.
//! 2025 (SmolVLM, arXiv 2504.05299), Laurençon et al. 2024 (Idefics3, arXiv 2408.12637).

use burn::tensor::{DType, Device, Tensor};
use plumb_nn::{
    Checkpoint, DropoutSeed, KvCache, Linear, LinearAdapter, Parameters, Precision, Scope, Visitor,
};

use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::error::{Result, VlmError};
use crate::files::ModelFiles;
use crate::vision::{Connector, Grid, VisionTower};

/// A vision-language model on a device.
pub struct SmolVlm {
    config: ModelConfig,
    vision: VisionTower,
    connector: Connector,
    text: Decoder,
    prefix: Option<Tensor<2>>,
    device: Device,
    precision: Precision,
    num_params: usize,
}

/// Frames that go through the vision tower at once: one bounds the memory of its attention, and on a CPU keeps a
/// layer's activations in the cache.
const FRAMES_AT_ONCE: usize = 1;

impl SmolVlm {
    /// Loads the weights of `files` onto `device`, matrices in `precision` (the file's own, or half where the file has
    /// f32, when `None`).
    ///
    /// # Errors
    /// Missing, extra, misshaped, truncated or non-finite tensors; a wrong `config.json`.
    pub async fn load(files: &mut ModelFiles, device: &Device, precision: Option<Precision>) -> Result<Self> {
        let config = ModelConfig::from_json(files.require("config.json")?)?;
        let checkpoint = Checkpoint::open(files.take_weights()).await?;
        let precision = match precision {
            Some(precision)
                if *device != Device::flex() && !device.supports_dtype(DType::from(precision)) =>
            {
                let f16 = device.supports_dtype(DType::F16);
                let hint = if f16 { " or f16" } else { "" };
                return Err(VlmError::Precision { precision: precision.name(), hint });
            }
            Some(precision) => precision,
            None => default_precision(device, checkpoint.stored_precision()),
        };
        let root = Scope::root(&checkpoint, device, precision);
        let model = root.pp("model");
        let vision = VisionTower::load(&model.pp("vision_model"), &config.vision).await?;
        let connector = Connector::load(&model.pp("connector"), &config).await?;
        let text = Decoder::load(&root, &model.pp("text_model"), &config.text, config.tied).await?;
        checkpoint.finish()?;
        let num_params = checkpoint.num_params();
        Ok(Self {
            config,
            vision,
            connector,
            text,
            prefix: None,
            device: device.clone(),
            precision,
            num_params,
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The type of the weight matrices.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The number of parameters in the files.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.num_params
    }

    /// The device that the model is on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The decoder.
    #[must_use]
    pub fn text(&self) -> &Decoder {
        &self.text
    }

    /// The decoder.
    pub fn text_mut(&mut self) -> &mut Decoder {
        &mut self.text
    }

    /// The vision tower.
    #[must_use]
    pub fn vision(&self) -> &VisionTower {
        &self.vision
    }

    /// What turns patch features into image tokens.
    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The virtual tokens before every prompt, `[n, h]`.
    #[must_use]
    pub fn prefix(&self) -> Option<&Tensor<2>> {
        self.prefix.as_ref()
    }

    /// Puts virtual tokens (prompt tuning: Lester et al. 2021, arXiv 2104.08691) before every prompt, or takes them off.
    pub fn set_prefix(&mut self, prefix: Option<Tensor<2>>) {
        self.prefix = prefix;
    }

    /// Shows every linear layer.
    pub fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.vision
            .linears_mut()
            .chain(std::iter::once(self.connector.linear_mut()))
            .chain(self.text.linears_mut())
    }

    /// Puts `adapter` on the linear layer at `path`; `false` where there is none of that path.
    pub fn attach(&mut self, path: &str, adapter: &LinearAdapter) -> bool {
        for linear in self.linears_mut() {
            if let Some(index) = linear.parts().iter().position(|part| part.path == path) {
                linear.attach(index, Some(adapter.clone()));
                return true;
            }
        }
        false
    }

    /// Takes every adapter off.
    pub fn detach_adapters(&mut self) {
        self.prefix = None;
        for linear in self.linears_mut() {
            for index in 0..linear.parts().len() {
                linear.attach(index, None);
            }
        }
        for block in self.text.blocks_mut() {
            block.adapters = plumb_nn::BlockAdapters::default();
        }
    }

    /// Holds in f32 every weight whose tensor name `wanted` says yes to, so that it can learn.
    pub fn unfreeze(&mut self, wanted: impl Fn(&str) -> bool) {
        for linear in self.linears_mut() {
            let learns = linear.parts().iter().any(|part| {
                wanted(&format!("{}.weight", part.path)) || wanted(&format!("{}.bias", part.path))
            });
            if learns {
                linear.unfreeze();
            }
        }
        if wanted("model.text_model.embed_tokens.weight") {
            self.text.unfreeze_embedding();
        }
    }

    /// Drops inputs of adapters by masks of this seed from now on; `None` for no dropout.
    pub fn set_dropout(&mut self, seed: Option<DropoutSeed>) {
        for linear in self.linears_mut() {
            linear.set_dropout(seed);
        }
    }

    /// Image tokens of frames, after the connector.
    ///
    /// # Shapes
    /// - `pixels` `[frames, 3, height, width]`, row-major → `[frames · tokens, h]`
    ///
    /// # Errors
    /// When the frame's patches do not divide by the scale factor.
    pub fn image_features(
        &self,
        pixels: &[f32],
        frames: usize,
        height: usize,
        width: usize,
    ) -> Result<Tensor<2>> {
        let (rows, cols) = (height / self.config.vision.patch, width / self.config.vision.patch);
        if self.config.tokens_per_frame(height, width).is_none() {
            return Err(VlmError::Field {
                file: "preprocessor_config.json",
                field: "max_image_size.longest_edge".into(),
                expected: format!("frames whose patches divide by scale_factor {}", self.config.scale_factor),
                found: format!("{width}×{height} pixels, {cols}×{rows} patches"),
            });
        }
        let size = 3 * height * width;
        let parts: Vec<Tensor<2>> = pixels
            .chunks(size * FRAMES_AT_ONCE)
            .take(frames.div_ceil(FRAMES_AT_ONCE))
            .map(|chunk| {
                let n = chunk.len() / size;
                let hidden = self.vision.forward(chunk, n, height, width);
                self.connector.forward(hidden, Grid { frames: n, rows, cols })
            })
            .collect();
        Ok(Tensor::cat(parts, 0))
    }

    /// The embeddings of `ids` with the rows of image tokens replaced by `features`, in order.
    ///
    /// # Shapes
    /// - `features` `[image tokens, h]` → `[ids, h]`
    ///
    /// # Errors
    /// An id outside the vocabulary; another number of image tokens than features.
    pub fn embed(&self, ids: &[u32], features: Option<&Tensor<2>>) -> Result<Tensor<2>> {
        let vocab = self.config.text.vocab;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab) {
            return Err(VlmError::TokenOutOfRange { id, vocab });
        }
        let image = self.config.image_token_id;
        let wanted = ids.iter().filter(|&&id| id == image).count();
        let found = features.map_or(0, |f| f.dims()[0]);
        if wanted != found {
            return Err(VlmError::ImageTokens { features: found, expected: wanted });
        }
        let embeddings = self.text.embed(ids);
        let Some(features) = features else {
            return Ok(embeddings);
        };
        let h = self.config.text.hidden;
        let mut parts = Vec::new();
        let (mut start, mut taken) = (0, 0);
        while start < ids.len() {
            let is_image = ids[start] == image;
            let end = ids[start..]
                .iter()
                .position(|&id| (id == image) != is_image)
                .map_or(ids.len(), |n| start + n);
            let n = end - start;
            parts.push(if is_image {
                taken += n;
                features.clone().slice([taken - n..taken, 0..h])
            } else {
                embeddings.clone().slice([start..end, 0..h])
            });
            start = end;
        }
        Ok(Tensor::cat(parts, 0))
    }

    /// An empty cache with room for `capacity` tokens.
    #[must_use]
    pub fn cache(&self, capacity: usize) -> KvCache {
        self.text.cache(capacity)
    }
}

/// The name of the virtual tokens in a PEFT file.
pub const PROMPT_EMBEDDINGS: &str = "prompt_embeddings";

impl Parameters for SmolVlm {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.vision.visit(visitor);
        self.connector.visit(visitor);
        self.text.visit(visitor);
        if let Some(prefix) = &mut self.prefix {
            visitor.tensor(PROMPT_EMBEDDINGS, prefix);
        }
    }
}

fn default_precision(device: &Device, stored: Option<Precision>) -> Precision {
    let stored = stored.unwrap_or(Precision::F32);
    let on_cpu = *device == Device::flex();
    match stored {
        // The CPU kernels read all three; the file's own type loses nothing, and f32 files halve for the memory
        // traffic that bounds decoding.
        Precision::Bf16 | Precision::F16 if plumb_nn::ops::kernels(device).is_some() => stored,
        Precision::F32 if plumb_nn::ops::kernels(device).is_some() => Precision::F16,
        // Without the kernels burn's CPU backend is fastest in f32.
        _ if on_cpu => Precision::F32,
        _ if device.supports_dtype(DType::F16) => Precision::F16,
        _ => Precision::F32,
    }
}
