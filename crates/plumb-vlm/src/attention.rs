//! Where a token of the answer was read from: the attention probabilities of one query.
//!
//! The kernels never hold probabilities; these are computed again, in f32, for the queries that are asked for
//! ([`Prefix::watched`](crate::Prefix::watched), [`Continuation::push_watched`](crate::Continuation::push_watched)), and
//! nothing is computed otherwise. One query takes `layers · heads · keys · 4` bytes: SmolVLM 500M with 1200 tokens 2.3 MB.

use burn::tensor::Tensor;

use crate::error::Result;
use crate::generate::read;
use crate::model::SmolVlm;

/// What one query reads, in every layer and head.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    pub layers: usize,
    pub heads: usize,
    /// Tokens up to the query's own, virtual tokens of prompt tuning first.
    pub keys: usize,
    /// `[layers, heads, keys]`; each row sums to 1.
    pub values: Vec<f32>,
}

impl Attention {
    /// Reads the probabilities of one query, `[1, heads, keys]` a layer, in one transfer.
    pub(crate) async fn read(model: &SmolVlm, seen: Vec<Tensor<3>>) -> Result<Self> {
        let layers = seen.len();
        let [_, heads, keys] = seen.first().map_or([1, 0, 0], Tensor::dims);
        if layers == 0 {
            return Ok(Self { layers, heads, keys, values: Vec::new() });
        }
        Ok(Self { layers, heads, keys, values: read(model, Tensor::cat(seen, 0)).await? })
    }

    /// The probabilities of one head, `[keys]`; nothing where there is no such head.
    #[must_use]
    pub fn head(&self, layer: usize, head: usize) -> &[f32] {
        if layer >= self.layers || head >= self.heads {
            return &[];
        }
        let at = (layer * self.heads + head) * self.keys;
        self.values.get(at..at + self.keys).unwrap_or_default()
    }
}
