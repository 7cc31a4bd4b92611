//! The language model of SmolVLM: a Llama decoder (Touvron et al. 2023, arXiv 2302.13971).
//!
//! Reference: `huggingface/transformers:src/transformers/models/llama/modeling_llama.py` (5.23).

use burn::tensor::{DType, Device, Tensor, TensorData};
use plumb_nn::cache::Step;
use plumb_nn::{
    Activation, BlockAdapters, HeadLayout, KvCache, Linear, Parameters, RmsNorm, Rotary, Scope, Sequences,
    Visible, Visitor, WeightError, ops,
};

use crate::config::TextConfig;

/// One layer of the decoder.
#[derive(Clone)]
pub struct Block {
    norm1: RmsNorm,
    qkv: Linear,
    out: Linear,
    norm2: RmsNorm,
    gate_up: Linear,
    down: Linear,
    /// The slots of bottleneck adapters.
    pub adapters: BlockAdapters,
}

impl Block {
    /// # Shapes
    /// - `x` `[m, h]` → `[m, h]`; `attend` turns the fused projection `[m, q + k + v]` into `[m, q]`
    pub fn forward(&self, x: Tensor<2>, attend: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        let attended = attend(self.qkv.forward(self.norm1.forward(x.clone())));
        if self.adapters.is_empty() {
            let x = self.out.forward_with(attended, Activation::Identity, Some(x));
            let hidden = ops::swiglu(self.gate_up.forward(self.norm2.forward(x.clone())));
            return self.down.forward_with(hidden, Activation::Identity, Some(x));
        }
        let x = x + self.adapters.on_attention(self.out.forward(attended));
        let hidden = ops::swiglu(self.gate_up.forward(self.norm2.forward(x.clone())));
        let y = self.adapters.on_mlp(self.down.forward(hidden), &x);
        self.adapters.on_output(x + y)
    }

    /// The linear layers.
    pub fn linears_mut(&mut self) -> [&mut Linear; 4] {
        [&mut self.qkv, &mut self.out, &mut self.gate_up, &mut self.down]
    }
}

impl Parameters for Block {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.norm1.visit(visitor);
        self.norm2.visit(visitor);
        for linear in self.linears_mut() {
            linear.visit(visitor);
        }
        self.adapters.visit(visitor);
    }
}

/// The rows that stand for tokens.
#[derive(Clone)]
pub struct Embedding {
    path: String,
    /// `[vocab, h]`
    weight: Tensor<2>,
    learns: bool,
}

impl Embedding {
    /// `[vocab, h]`
    #[must_use]
    pub fn weight(&self) -> &Tensor<2> {
        &self.weight
    }

    /// Holds the rows in f32, so that they can learn.
    pub fn unfreeze(&mut self) {
        self.weight = self.weight.clone().cast(DType::F32);
        self.learns = true;
    }

    /// The rows of `ids`, `[ids, h]` f32.
    #[must_use]
    pub fn forward(&self, ids: &[u32], device: &Device) -> Tensor<2> {
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let n = ids.len();
        let ids = Tensor::from_data(TensorData::new(ids, [n]), (device, DType::I32));
        self.weight.clone().select(0, ids).cast(DType::F32)
    }
}

impl Parameters for Embedding {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        if self.learns {
            visitor.tensor(&format!("{}.weight", self.path), &mut self.weight);
        }
    }
}

/// The last norm and the output head.
#[derive(Clone)]
pub struct Head {
    norm: RmsNorm,
    projection: Projection,
}

#[expect(
    clippy::large_enum_variant,
    reason = "few of them, seldom moved; a box would be one more hop in every pass"
)]
#[derive(Clone)]
enum Projection {
    Own(Linear),
    /// The embedding itself.
    Tied(Embedding),
}

impl Head {
    /// `[m, h]` → `[m, vocab]`
    #[must_use]
    pub fn forward(&self, hidden: Tensor<2>) -> Tensor<2> {
        let x = self.norm.forward(hidden);
        match &self.projection {
            Projection::Own(linear) => linear.forward(x),
            Projection::Tied(embedding) => {
                ops::linear(x, embedding.weight(), None, Activation::Identity, None)
            }
        }
    }

    fn linear_mut(&mut self) -> Option<&mut Linear> {
        match &mut self.projection {
            Projection::Own(linear) => Some(linear),
            Projection::Tied(_) => None,
        }
    }
}

impl Parameters for Head {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.norm.visit(visitor);
        match &mut self.projection {
            Projection::Own(linear) => linear.visit(visitor),
            Projection::Tied(embedding) => embedding.visit(visitor),
        }
    }
}

/// Token embeddings to hidden states, and hidden states to logits.
pub struct Decoder {
    config: TextConfig,
    embedding: Embedding,
    blocks: Vec<Block>,
    head: Head,
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
        let tokens = scope.pp("embed_tokens");
        let weight = tokens.matrix("weight", config.vocab, h).await?;
        let embedding = Embedding { path: tokens.path().to_owned(), weight, learns: false };
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
                adapters: BlockAdapters::default(),
            });
        }
        let norm = RmsNorm::load(&scope.pp("norm"), h, config.eps).await?;
        let projection = if tied && !root.contains("lm_head.weight") {
            Projection::Tied(embedding.clone())
        } else {
            Projection::Own(Linear::load(&root.pp("lm_head"), h, config.vocab, false).await?)
        };
        let rotary = Rotary::new(config.head_dim, config.rope_theta);
        Ok(Self {
            config: config.clone(),
            embedding,
            blocks,
            head: Head { norm, projection },
            rotary,
            device: scope.device().clone(),
        })
    }

    /// The embeddings of `ids`, `[ids, h]` f32.
    #[must_use]
    pub fn embed(&self, ids: &[u32]) -> Tensor<2> {
        self.embedding.forward(ids, &self.device)
    }

    /// The rows that stand for tokens.
    #[must_use]
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// The layers, first to last.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The layers, first to last.
    pub fn blocks_mut(&mut self) -> &mut [Block] {
        &mut self.blocks
    }

    /// The last norm and the output head.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The layout of the heads.
    #[must_use]
    pub fn layout(&self) -> HeadLayout {
        let c = &self.config;
        HeadLayout { heads: c.heads, kv_heads: c.kv_heads, dim: c.head_dim }
    }

    /// `batch` sequences of `len` rows for [`Self::forward_sequences`].
    #[must_use]
    pub fn sequences(&self, batch: usize, len: usize) -> Sequences {
        Sequences::new(&self.rotary, batch, len, &self.device)
    }

    /// Whether the output head is the embedding.
    #[must_use]
    pub fn tied(&self) -> bool {
        matches!(self.head.projection, Projection::Tied(_))
    }

    /// Shows every linear layer, the output head included where it is one.
    pub fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.blocks.iter_mut().flat_map(Block::linears_mut).chain(self.head.linear_mut())
    }

    /// Holds the embedding (and the head where it is tied) in f32, so that it can learn.
    pub fn unfreeze_embedding(&mut self) {
        self.embedding.unfreeze();
        if let Projection::Tied(embedding) = &mut self.head.projection {
            *embedding = self.embedding.clone();
        }
    }

    /// An empty cache with room for `capacity` tokens.
    #[must_use]
    pub fn cache(&self, capacity: usize) -> KvCache {
        KvCache::new(self.config.layers, self.layout(), capacity, &self.device)
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

    /// As [`Self::forward`], with the attention probabilities of the last row in every layer, over all keys held and new.
    ///
    /// # Shapes
    /// - `x` `[m, h]` → `[m, h]` and, for each layer, `[1, heads, keys]`
    #[must_use]
    pub fn forward_watched(&self, mut x: Tensor<2>, cache: &mut KvCache) -> (Tensor<2>, Vec<Tensor<3>>) {
        let (first, [m, _]) = (cache.len(), x.dims());
        let positions: Vec<usize> = (first..first + m).collect();
        let rows = positions.iter().map(|p| Visible::first(p + 1)).collect();
        let step: Step = cache.step(&self.rotary, &positions, rows);
        let mut seen = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, |qkv| {
                let (out, probabilities) = cache.attend_watched(i, qkv, &step, m.saturating_sub(1)..m);
                seen.push(probabilities);
                out
            });
        }
        cache.commit(&step);
        (x, seen)
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
            x = block.forward(x, |qkv| cache.attend(i, qkv, &step));
        }
        cache.commit(&step);
        x
    }

    /// Whole sequences without a cache: the hidden states before the last norm.
    ///
    /// # Shapes
    /// - `x` `[batch · len, h]` → `[batch · len, h]`
    #[must_use]
    pub fn forward_sequences(&self, x: Tensor<2>, sequences: &Sequences) -> Tensor<2> {
        let layout = self.layout();
        self.blocks
            .iter()
            .fold(x, |x, block| block.forward(x, |qkv| ops::sequence_attention(qkv, sequences, layout)))
    }

    /// Logits of hidden states, `[m, h]` → `[m, vocab]`. Pass only the rows that are read.
    #[must_use]
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.head.forward(hidden)
    }
}

impl Parameters for Decoder {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        self.embedding.visit(visitor);
        for block in &mut self.blocks {
            block.visit(visitor);
        }
        self.head.visit(visitor);
    }
}
