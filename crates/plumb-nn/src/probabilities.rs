//! Attention probabilities, which the kernels of [`crate::ops`] never hold: computed again, for few queries, from the
//! queries themselves and the keys in the cache.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor, TensorData};

use crate::mask::Visible;
use crate::ops::HeadLayout;

/// `softmax(q kᵀ / √dim)` in f32, by burn's operations on every device.
///
/// Keys that a query does not see get exactly 0. Key head `j` serves the query heads `j·g .. (j+1)·g`, `g = heads / kv_heads`.
///
/// # Shapes
/// - `q` `[m, heads · dim]` rotated, `k` `[kv_heads, capacity, dim]` rotated, `visible` one line per query, `len` keys
///   that are looked at, at most `capacity` → `[m, heads, len]`
pub(crate) fn attention_probabilities(
    q: Tensor<2>,
    k: &Tensor<3>,
    layout: HeadLayout,
    visible: &[Visible],
    len: usize,
) -> Tensor<3> {
    let HeadLayout { heads, kv_heads, dim } = layout;
    let (m, group) = (visible.len(), heads / kv_heads);
    let q = q.reshape([m, kv_heads, group, dim]).permute([1, 2, 0, 3]).reshape([kv_heads, group * m, dim]);
    let k = k.clone().slice([0..kv_heads, 0..len, 0..dim]);
    let scores = (q * (1.0 / (dim as f64).sqrt())).matmul(k.transpose());
    let bias: Vec<f32> = visible
        .iter()
        .flat_map(|row| (0..len).map(|key| if row.sees(key) { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    let device = scores.device();
    let bias = Tensor::<4>::from_data(TensorData::new(bias, [1, 1, m, len]), (&device, DType::F32));
    softmax(scores.reshape([kv_heads, group, m, len]) + bias, 3)
        .permute([2, 0, 1, 3])
        .reshape([m, heads, len])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use futures_lite::future::block_on;

    use super::*;
    use crate::cpu::testing::noise;
    use crate::{KvCache, Rotary};

    /// What the kernels make of the values is what these probabilities make of them, for prompts and single rows,
    /// grouped heads, and rows that skip keys.
    #[test]
    fn they_are_the_probabilities_that_the_kernels_use() {
        let device = Device::flex();
        for (case, (heads, kv_heads, dim)) in
            [(4, 2, 16), (9, 3, 8), (2, 2, 24), (3, 1, 64)].into_iter().enumerate()
        {
            let layout = HeadLayout { heads, kv_heads, dim };
            let rotary = Rotary::new(dim, 10_000.0);
            let mut cache = KvCache::new(1, layout, 8, &device);
            let mut values: Vec<Vec<f32>> = Vec::new();
            let steps = [
                (0..70).map(|i| Visible::first(i + 1)).collect::<Vec<_>>(),
                vec![Visible::first(71)],
                vec![
                    Visible { prefix: 40, start: 71, stop: 72 },
                    Visible { prefix: 40, start: 71, stop: 73 },
                ],
            ];
            for (i, rows) in steps.into_iter().enumerate() {
                let m = rows.len();
                let first = cache.len();
                let data = noise(m * layout.fused(), (case * 10 + i) as u64);
                values
                    .extend(data.chunks(layout.fused()).map(|row| row[(heads + kv_heads) * dim..].to_vec()));
                let positions: Vec<usize> = (first..first + m).collect();
                let qkv =
                    Tensor::from_data(TensorData::new(data, [m, layout.fused()]), (&device, DType::F32));
                let step = cache.step(&rotary, &positions, rows.clone());
                let watched = m.saturating_sub(2)..m;
                let (out, seen) = cache.attend_watched(0, qkv, &step, watched.clone());
                cache.commit(&step);
                let out = block_on(out.into_data_async()).unwrap().try_to_vec::<f32>().unwrap();
                assert_eq!(seen.dims(), [watched.len(), heads, cache.len()]);
                let seen = block_on(seen.into_data_async()).unwrap().try_to_vec::<f32>().unwrap();
                for (row, query) in watched.enumerate() {
                    for head in 0..heads {
                        let at = (row * heads + head) * cache.len();
                        let p = &seen[at..at + cache.len()];
                        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                        for (key, p) in p.iter().enumerate().filter(|(key, _)| !rows[query].sees(*key)) {
                            assert!(*p == 0.0, "key {key} is not seen");
                        }
                        let kv = head / (heads / kv_heads);
                        for d in 0..dim {
                            let expected: f32 = p.iter().zip(&values).map(|(p, v)| p * v[kv * dim + d]).sum();
                            let found = out[query * heads * dim + head * dim + d];
                            assert!(
                                (found - expected).abs() < 1e-5,
                                "{case} {i} {query} {head}: {found} {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}
