//! Keys and values of the tokens so far.

use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::mask::Visible;
use crate::ops::{self, HeadLayout};
use crate::probabilities::attention_probabilities;
use crate::rotary::Rotary;

/// Capacity grows in steps of this many tokens: few shapes for kernels to be tuned for, and slices of whole
/// alignment units.
const BUCKET: usize = 64;

/// The keys and values of one layer, `[kv_heads, capacity, dim]` each.
struct Layer {
    k: Tensor<3>,
    v: Tensor<3>,
}

/// The key-value cache of a decoder.
///
/// Rewinding is a matter of the length alone, so that several continuations can share one prefix.
pub struct KvCache {
    layers: Vec<Layer>,
    layout: HeadLayout,
    device: Device,
    len: usize,
    capacity: usize,
}

impl KvCache {
    /// An empty cache for `layers` layers with room for `capacity` tokens (rounded up).
    #[must_use]
    pub fn new(layers: usize, layout: HeadLayout, capacity: usize, device: &Device) -> Self {
        let capacity = capacity.max(1).next_multiple_of(BUCKET);
        let empty = || Tensor::zeros([layout.kv_heads, capacity, layout.dim], (device, DType::F32));
        let layers = (0..layers).map(|_| Layer { k: empty(), v: empty() }).collect();
        Self { layers, layout, device: device.clone(), len: 0, capacity }
    }

    /// Tokens held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all tokens from `len` on.
    pub fn rewind(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Prepares a forward pass of `rows.len()` new tokens, the `i`-th of which sees `rows[i]` (keys counted from the
    /// start of the cache, the new tokens following those held) and stands at `positions[i]`.
    ///
    /// # Panics
    /// When `rows` and `positions` differ in length: a bug of the caller.
    pub fn step(&mut self, rotary: &Rotary, positions: &[usize], rows: Vec<Visible>) -> Step {
        assert_eq!(rows.len(), positions.len(), "one mask line per token");
        self.reserve(rows.len());
        let (cos, sin) = rotary.at(positions, &self.device);
        let len = (self.len + rows.len()).next_multiple_of(BUCKET);
        let bias = ops::kernels(&self.device).is_none().then(|| {
            let values: Vec<f32> = rows
                .iter()
                .flat_map(|row| (0..len).map(|key| if row.sees(key) { 0.0 } else { f32::NEG_INFINITY }))
                .collect();
            Tensor::from_data(TensorData::new(values, [rows.len(), len]), (&self.device, DType::F32))
        });
        Step { cos, sin, rows, bias }
    }

    fn reserve(&mut self, more: usize) {
        let wanted = self.len + more;
        if wanted <= self.capacity {
            return;
        }
        let capacity = wanted.max(self.capacity + self.capacity / 2).next_multiple_of(BUCKET);
        let HeadLayout { kv_heads, dim, .. } = self.layout;
        for layer in &mut self.layers {
            for cache in [&mut layer.k, &mut layer.v] {
                let held = cache.clone().slice([0..kv_heads, 0..self.len, 0..dim]);
                let grown = Tensor::<3>::zeros([kv_heads, capacity, dim], (&self.device, DType::F32));
                *cache = grown.slice_assign([0..kv_heads, 0..self.len, 0..dim], held);
            }
        }
        self.capacity = capacity;
    }

    /// Attention of layer `layer` for the new tokens of `step`, whose fused projection is `qkv`
    /// `[m, (heads + 2 kv_heads) · dim]` → `[m, heads · dim]`.
    pub fn attend(&mut self, layer: usize, qkv: Tensor<2>, step: &Step) -> Tensor<2> {
        let Layer { k, v } = &mut self.layers[layer];
        let q = ops::rotate_and_store(qkv, &step.cos, &step.sin, k, v, self.len, self.layout);
        ops::cached_attention(q, k, v, self.layout, &step.rows, step.bias.as_ref())
    }

    /// As [`Self::attend`], with the attention probabilities of the new tokens `watched` over all keys held and new.
    ///
    /// # Shapes
    /// - as [`Self::attend`], and `[watched, heads, keys]` f32
    pub fn attend_watched(
        &mut self,
        layer: usize,
        qkv: Tensor<2>,
        step: &Step,
        watched: Range<usize>,
    ) -> (Tensor<2>, Tensor<3>) {
        let Layer { k, v } = &mut self.layers[layer];
        let layout @ HeadLayout { heads, dim, .. } = self.layout;
        let q = ops::rotate_and_store(qkv, &step.cos, &step.sin, k, v, self.len, layout);
        let rows = &step.rows[watched.clone()];
        let queries = q.clone().slice([watched, 0..heads * dim]);
        // In buckets, as the bias of a step: each length is a shape of its own to a GPU's tuner.
        let keys = self.len + step.rows.len();
        let bucket = keys.next_multiple_of(BUCKET).min(self.capacity);
        let seen = attention_probabilities(queries, k, layout, rows, bucket);
        let seen = seen.slice([0..rows.len(), 0..heads, 0..keys]);
        (ops::cached_attention(q, k, v, layout, &step.rows, step.bias.as_ref()), seen)
    }

    /// Counts the tokens of `step` as held, after every layer has attended.
    pub fn commit(&mut self, step: &Step) {
        self.len += step.rows.len();
    }
}

/// What all layers share in one forward pass.
pub struct Step {
    cos: Tensor<2>,
    sin: Tensor<2>,
    rows: Vec<Visible>,
    bias: Option<Tensor<2>>,
}
