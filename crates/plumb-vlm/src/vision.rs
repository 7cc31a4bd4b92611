//! The SigLIP-style vision tower and the connector of SmolVLM.
//!
//! Reference: `huggingface/transformers:src/transformers/models/smolvlm/modeling_smolvlm.py` (5.23), vision model
//! and connector; SigLIP: Zhai et al. 2023, arXiv 2303.15343.

use burn::tensor::{DType, Device, Tensor, TensorData};
use plumb_nn::{Activation, HeadLayout, LayerNorm, Linear, Parameters, Scope, Visitor, WeightError, ops};

use crate::config::{ModelConfig, VisionConfig};

/// One layer of the tower.
#[derive(Clone)]
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    /// `[frames · patches, d]` → the same; attention within each frame.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>, frames: usize, layout: HeadLayout) -> Tensor<2> {
        let attended = ops::frame_attention(self.qkv.forward(self.norm1.forward(x.clone())), frames, layout);
        let x = self.out.forward_with(attended, Activation::Identity, Some(x));
        let hidden = self.fc1.forward_with(self.norm2.forward(x.clone()), Activation::GeluTanh, None);
        self.fc2.forward_with(hidden, Activation::Identity, Some(x))
    }

    fn linears_mut(&mut self) -> [&mut Linear; 4] {
        [&mut self.qkv, &mut self.out, &mut self.fc1, &mut self.fc2]
    }
}

impl Parameters for Block {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.norm1.visit(visitor);
        self.norm2.visit(visitor);
        for linear in self.linears_mut() {
            linear.visit(visitor);
        }
    }
}

/// Patches to the rows that the first layer reads.
#[derive(Clone)]
pub struct PatchEmbedding {
    patch: Linear,
    path: String,
    positions: Tensor<2>,
    side: usize,
    device: Device,
}

impl PatchEmbedding {
    /// # Shapes
    /// - `patches` `[frames · rows · cols, 3 · p · p]` → `[frames · rows · cols, d]`
    #[must_use]
    pub fn forward(&self, patches: Tensor<2>, grid: Grid) -> Tensor<2> {
        self.patch.forward_with(patches, Activation::Identity, Some(self.position_rows(grid)))
    }

    /// The position embedding of each patch of `frames` equal frames: the table has `side²` rows, a frame of fewer
    /// patches reads it at `⌊i · side / n⌋` along each axis.
    fn position_rows(&self, Grid { frames, rows, cols }: Grid) -> Tensor<2> {
        let side = self.side;
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

impl Parameters for PatchEmbedding {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.patch.visit(visitor);
        visitor.tensor(&format!("{}.weight", self.path), &mut self.positions);
    }
}

/// Frames of `rows × cols` patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub frames: usize,
    pub rows: usize,
    pub cols: usize,
}

/// Patches to features: `[frames, 3, h, w]` → `[frames · patches, d]`.
pub struct VisionTower {
    config: VisionConfig,
    embedding: PatchEmbedding,
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
        let table = embed.pp("position_embedding");
        let positions = table.matrix("weight", side * side, d).await?;
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
        let embedding = PatchEmbedding {
            patch: Linear::new(patch.path(), kernel, Some(bias)),
            path: table.path().to_owned(),
            positions: positions.cast(DType::F32),
            side,
            device: scope.device().clone(),
        };
        let norm = LayerNorm::load(&scope.pp("post_layernorm"), d, config.eps).await?;
        Ok(Self { config: config.clone(), embedding, blocks, norm, device: scope.device().clone() })
    }

    /// Cuts frames into patches for [`PatchEmbedding::forward`].
    ///
    /// # Shapes
    /// - `pixels` `[frames, 3, height, width]`, row-major → `[frames · rows · cols, 3 · p · p]`
    ///
    /// # Panics
    /// When `pixels` does not have `frames · 3 · height · width` values: a bug of the caller.
    #[must_use]
    pub fn patches(&self, pixels: &[f32], frames: usize, height: usize, width: usize) -> (Tensor<2>, Grid) {
        assert_eq!(pixels.len(), frames * 3 * height * width, "vision: pixel count");
        let p = self.config.patch;
        let grid = Grid { frames, rows: height / p, cols: width / p };
        let patches = unfold(pixels, frames, height, width, p);
        let shape = [frames * grid.rows * grid.cols, 3 * p * p];
        (Tensor::from_data(TensorData::new(patches, shape), (&self.device, DType::F32)), grid)
    }

    /// Runs the tower on frames.
    ///
    /// # Shapes
    /// - `pixels` `[frames, 3, height, width]`, row-major → `[frames · rows · cols, d]`
    ///
    /// # Panics
    /// As [`Self::patches`].
    #[must_use]
    pub fn forward(&self, pixels: &[f32], frames: usize, height: usize, width: usize) -> Tensor<2> {
        let (patches, grid) = self.patches(pixels, frames, height, width);
        let layout = self.layout();
        let x = self.embedding.forward(patches, grid);
        self.norm.forward(self.blocks.iter().fold(x, |x, block| block.forward(x, frames, layout)))
    }

    /// The layout of the heads.
    #[must_use]
    pub fn layout(&self) -> HeadLayout {
        let heads = self.config.heads;
        HeadLayout { heads, kv_heads: heads, dim: self.config.hidden / heads }
    }

    /// The first stage.
    #[must_use]
    pub fn embedding(&self) -> &PatchEmbedding {
        &self.embedding
    }

    /// The layers, first to last.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The last norm.
    #[must_use]
    pub fn norm(&self) -> &LayerNorm {
        &self.norm
    }

    /// Every linear layer, the patch embedding included.
    pub fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        std::iter::once(&mut self.embedding.patch).chain(self.blocks.iter_mut().flat_map(Block::linears_mut))
    }
}

impl Parameters for VisionTower {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.embedding.visit(visitor);
        for block in &mut self.blocks {
            block.visit(visitor);
        }
        self.norm.visit(visitor);
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
#[derive(Clone)]
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
    pub fn forward(&self, x: Tensor<2>, Grid { frames, rows, cols }: Grid) -> Tensor<2> {
        self.projection.forward(space_to_depth(x, frames, rows, cols, self.scale, self.hidden))
    }

    /// The projection.
    pub fn linear_mut(&mut self) -> &mut Linear {
        &mut self.projection
    }
}

impl Parameters for Connector {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.projection.visit(visitor);
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
