//! The SigLIP-style vision tower and the connector of SmolVLM.
//!
//! Reference: `huggingface/transformers:src/transformers/models/smolvlm/modeling_smolvlm.py` (5.23), vision model
//! and connector; SigLIP: Zhai et al. 2023, arXiv 2303.15343.

use burn::tensor::{DType, Device, Tensor, TensorData};
use plumb_nn::{Activation, HeadLayout, LayerNorm, Linear, Scope, WeightError, ops};

use crate::config::{ModelConfig, VisionConfig};

struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

/// Patches to features: `[frames, 3, h, w]` → `[frames · patches, d]`.
pub struct VisionTower {
    config: VisionConfig,
    patch: Linear,
    positions: Tensor<2>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    device: Device,
}

impl VisionTower {
    /// Reads the tower at `scope` (`model.vision_model`).
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(scope: &Scope<'_>, config: &VisionConfig) -> Result<Self, WeightError> {
        let d = config.hidden;
        let embed = scope.pp("embeddings");
        let patch = embed.pp("patch_embedding");
        let kernel = patch.kernel("weight", [d, config.channels, config.patch, config.patch]).await?;
        let bias = patch.vector("bias", d).await?;
        let side = config.side();
        let positions = embed.pp("position_embedding").matrix("weight", side * side, d).await?;
        let mut blocks = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let layer = scope.pp("encoder.layers").pp(i);
            let attention = layer.pp("self_attn");
            let mlp = layer.pp("mlp");
            blocks.push(Block {
                norm1: LayerNorm::load(&layer.pp("layer_norm1"), d, config.eps).await?,
                qkv: Linear::load_fused(&attention, d, &[("q_proj", d), ("k_proj", d), ("v_proj", d)], true)
                    .await?,
                out: Linear::load(&attention.pp("out_proj"), d, d, true).await?,
                norm2: LayerNorm::load(&layer.pp("layer_norm2"), d, config.eps).await?,
                fc1: Linear::load(&mlp.pp("fc1"), d, config.intermediate, true).await?,
                fc2: Linear::load(&mlp.pp("fc2"), config.intermediate, d, true).await?,
            });
        }
        Ok(Self {
            config: config.clone(),
            patch: Linear::new(kernel, Some(bias)),
            positions: positions.cast(DType::F32),
            blocks,
            norm: LayerNorm::load(&scope.pp("post_layernorm"), d, config.eps).await?,
            device: scope.device().clone(),
        })
    }

    /// # Shapes
    /// - `pixels` `[frames, 3, height, width]` in row-major order → `[frames · (height / p) · (width / p), d]`
    ///
    /// # Panics
    /// When `pixels` does not have `frames · 3 · height · width` values: a bug of the caller.
    #[must_use]
    pub fn forward(&self, pixels: &[f32], frames: usize, height: usize, width: usize) -> Tensor<2> {
        assert_eq!(pixels.len(), frames * 3 * height * width, "vision: pixel count");
        let p = self.config.patch;
        let (rows, cols) = (height / p, width / p);
        let patches = unfold(pixels, frames, height, width, p);
        let shape = [frames * rows * cols, 3 * p * p];
        let patches = Tensor::from_data(TensorData::new(patches, shape), (&self.device, DType::F32));
        let mut x = self.patch.forward_with(
            patches,
            Activation::Identity,
            Some(self.position_rows(frames, rows, cols)),
        );
        let d = self.config.hidden;
        let layout =
            HeadLayout { heads: self.config.heads, kv_heads: self.config.heads, dim: d / self.config.heads };
        for block in &self.blocks {
            let attended =
                ops::frame_attention(block.qkv.forward(block.norm1.forward(x.clone())), frames, layout);
            x = block.out.forward_with(attended, Activation::Identity, Some(x));
            let hidden = block.fc1.forward_with(block.norm2.forward(x.clone()), Activation::GeluTanh, None);
            x = block.fc2.forward_with(hidden, Activation::Identity, Some(x));
        }
        self.norm.forward(x)
    }

    /// The position embedding of each patch of `frames` equal frames: the table has `side²` rows, a frame of fewer
    /// patches reads it at `⌊i · side / n⌋` along each axis.
    fn position_rows(&self, frames: usize, rows: usize, cols: usize) -> Tensor<2> {
        let side = self.config.side();
        let one = if (rows, cols) == (side, side) {
            self.positions.clone()
        } else {
            let ids: Vec<i32> = (0..rows)
                .flat_map(|y| (0..cols).map(move |x| ((y * side / rows) * side + x * side / cols) as i32))
                .collect();
            let n = ids.len();
            let ids = Tensor::from_data(TensorData::new(ids, [n]), (&self.device, DType::I32));
            self.positions.clone().select(0, ids)
        };
        if frames == 1 { one } else { one.repeat(&[frames, 1]) }
    }
}

/// Cuts frames into patches: `[frames, 3, h, w]` → `[frames · rows · cols, 3 · p · p]`, pixels beyond the last whole
/// patch dropped. With this the convolution of kernel and stride `p` is one matrix product.
fn unfold(pixels: &[f32], frames: usize, height: usize, width: usize, p: usize) -> Vec<f32> {
    let (rows, cols) = (height / p, width / p);
    let mut out = Vec::with_capacity(frames * rows * cols * 3 * p * p);
    for frame in pixels.chunks_exact((3 * height * width).max(1)).take(frames) {
        for y in 0..rows {
            for x in 0..cols {
                for channel in 0..3 {
                    for dy in 0..p {
                        let start = (channel * height + y * p + dy) * width + x * p;
                        out.extend_from_slice(&frame[start..start + p]);
                    }
                }
            }
        }
    }
    out
}

/// Pixel shuffle and projection: patch features to image tokens of the language model.
pub struct Connector {
    projection: Linear,
    scale: usize,
    hidden: usize,
}

impl Connector {
    /// Reads the connector at `scope` (`model.connector`).
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(scope: &Scope<'_>, config: &ModelConfig) -> Result<Self, WeightError> {
        let (scale, d) = (config.scale_factor, config.vision.hidden);
        let merged = d * scale * scale;
        let projection =
            Linear::load(&scope.pp("modality_projection.proj"), merged, config.text.hidden, false).await?;
        Ok(Self { projection, scale, hidden: d })
    }

    /// Merges each `s × s` square of patches into one token, features in the order (dy, dx, c), and projects it.
    ///
    /// # Shapes
    /// - `x` `[frames · rows · cols, d]` → `[frames · rows/s · cols/s, h]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>, frames: usize, rows: usize, cols: usize) -> Tensor<2> {
        self.projection.forward(space_to_depth(x, frames, rows, cols, self.scale, self.hidden))
    }
}

fn space_to_depth(x: Tensor<2>, frames: usize, rows: usize, cols: usize, s: usize, d: usize) -> Tensor<2> {
    x.reshape([frames, rows / s, s, cols / s, s, d])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([frames * (rows / s) * (cols / s), s * s * d])
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn space_to_depth_matches_the_published_vector() {
        let device = Device::flex();
        let values: Vec<f32> = (0..16).map(|v| v as f32).collect();
        let x = Tensor::<2>::from_data(TensorData::new(values, [16, 1]), (&device, DType::F32));
        let y = block_on(space_to_depth(x, 1, 4, 4, 2, 1).into_data_async()).unwrap();
        let expected = [0., 1., 4., 5., 2., 3., 6., 7., 8., 9., 12., 13., 10., 11., 14., 15.];
        assert_eq!(y.as_slice::<f32>().unwrap(), &expected);
    }

    #[test]
    fn unfold_orders_channel_row_column_and_drops_the_rest() {
        // One frame of 3 × 5, patches of 2: one row of two patches.
        let pixels: Vec<f32> = (0..45).map(|v| v as f32).collect();
        let patches = unfold(&pixels, 1, 3, 5, 2);
        assert_eq!(patches.len(), 2 * 12);
        assert_eq!(&patches[..4], &[0., 1., 5., 6.]);
        assert_eq!(&patches[4..8], &[15., 16., 20., 21.]);
        assert_eq!(&patches[12..16], &[2., 3., 7., 8.]);
    }
}
