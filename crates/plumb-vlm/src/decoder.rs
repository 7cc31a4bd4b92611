//! The language model of SmolVLM: a Llama decoder (Touvron et al. 2023, arXiv 2302.13971).
//!
//! Reference: `huggingface/transformers:src/transformers/models/llama/modeling_llama.py` (5.23).

use burn::tensor::{DType, Device, Tensor, TensorData};
use plumb_nn::cache::Step;
use plumb_nn::{Activation, HeadLayout, KvCache, Linear, RmsNorm, Rotary, Scope, Visible, WeightError, ops};

use crate::config::TextConfig;

struct Block {
    norm1: RmsNorm,
    qkv: Linear,
    out: Linear,
    norm2: RmsNorm,
    gate_up: Linear,
    down: Linear,
}

/// Token embeddings to hidden states, and hidden states to logits.
pub struct Decoder {
    config: TextConfig,
    embedding: Tensor<2>,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Linear,
    rotary: Rotary,
    device: Device,
}

impl Decoder {
    /// Reads the decoder at `scope` (`model.text_model`) and the output head at `root` unless it is tied.
    ///
    /// # Errors
    /// See [`WeightError`].
    pub async fn load(
        root: &Scope<'_>,
        scope: &Scope<'_>,
        config: &TextConfig,
        tied: bool,
    ) -> Result<Self, WeightError> {
        let h = config.hidden;
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let embedding = scope.pp("embed_tokens").matrix("weight", config.vocab, h).await?;
        let mut blocks = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let layer = scope.pp("layers").pp(i);
            let attention = layer.pp("self_attn");
            let mlp = layer.pp("mlp");
            let ff = config.intermediate;
            blocks.push(Block {
                norm1: RmsNorm::load(&layer.pp("input_layernorm"), h, config.eps).await?,
                qkv: Linear::load_fused(
                    &attention,
                    h,
                    &[("q_proj", q), ("k_proj", kv), ("v_proj", kv)],
                    false,
                )
                .await?,
                out: Linear::load(&attention.pp("o_proj"), q, h, false).await?,
                norm2: RmsNorm::load(&layer.pp("post_attention_layernorm"), h, config.eps).await?,
                gate_up: Linear::load_fused(&mlp, h, &[("gate_proj", ff), ("up_proj", ff)], false).await?,
                down: Linear::load(&mlp.pp("down_proj"), ff, h, false).await?,
            });
        }
        let norm = RmsNorm::load(&scope.pp("norm"), h, config.eps).await?;
        let head = if tied && !root.contains("lm_head.weight") {
            Linear::new(embedding.clone(), None)
        } else {
            Linear::load(&root.pp("lm_head"), h, config.vocab, false).await?
        };
        let rotary = Rotary::new(config.head_dim, config.rope_theta);
        Ok(Self {
            config: config.clone(),
            embedding,
            blocks,
            norm,
            head,
            rotary,
            device: scope.device().clone(),
        })
    }

    /// The embeddings of `ids`, `[ids, h]` f32.
    #[must_use]
    pub fn embed(&self, ids: &[u32]) -> Tensor<2> {
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let n = ids.len();
        let ids = Tensor::from_data(TensorData::new(ids, [n]), (&self.device, DType::I32));
        self.embedding.clone().select(0, ids).cast(DType::F32)
    }

    /// An empty cache with room for `capacity` tokens.
    #[must_use]
    pub fn cache(&self, capacity: usize) -> KvCache {
        let c = &self.config;
        let layout = HeadLayout { heads: c.heads, kv_heads: c.kv_heads, dim: c.head_dim };
        KvCache::new(c.layers, layout, capacity, &self.device)
    }

    /// Appends `x` to `cache`, each row after the one before it, and returns the hidden states before the last norm.
    ///
    /// # Shapes
    /// - `x` `[m, h]` → `[m, h]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>, cache: &mut KvCache) -> Tensor<2> {
        let (first, [m, _]) = (cache.len(), x.dims());
        let positions: Vec<usize> = (first..first + m).collect();
        let rows = positions.iter().map(|p| Visible::first(p + 1)).collect();
        self.forward_rows(x, cache, &positions, rows)
    }

    /// As [`Self::forward`], with the position of each row and what it sees given.
    #[must_use]
    pub fn forward_rows(
        &self,
        mut x: Tensor<2>,
        cache: &mut KvCache,
        positions: &[usize],
        rows: Vec<Visible>,
    ) -> Tensor<2> {
        let step: Step = cache.step(&self.rotary, positions, rows);
        for (i, block) in self.blocks.iter().enumerate() {
            let attended = cache.attend(i, block.qkv.forward(block.norm1.forward(x.clone())), &step);
            x = block.out.forward_with(attended, Activation::Identity, Some(x));
            let hidden = ops::swiglu(block.gate_up.forward(block.norm2.forward(x.clone())));
            x = block.down.forward_with(hidden, Activation::Identity, Some(x));
        }
        cache.commit(&step);
        x
    }

    /// Logits of hidden states, `[m, h]` → `[m, vocab]`. Pass only the rows that are read.
    #[must_use]
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.norm.forward(hidden))
    }
}
