//! CPU kernels for the operations that carry a small vision-language model.
//!
//! burn's CPU backend computes each operation of its own; a 500M model is then bound by packing weights anew
//! for every product, by scalar `tanh` and `exp`, and by passes over memory between operations. The kernels
//! here take the same tensors (weights in `[out, in]`, any of f32, f16, bf16) and fuse what belongs together.
//! They exist for x86-64 with AVX2 or AVX-512; everywhere else
//! [`crate::ops`] uses burn's operations, to which the tests hold these kernels.
//!
//! This is the one module of the workspace with `unsafe`: vector intrinsics and unchecked tiles cannot be
//! written without. Every kernel checks the sizes of its operands with assertions before the first pointer.

#![expect(unsafe_code, reason = "vector intrinsics; sizes are asserted at each kernel's safe entry")]

pub(crate) mod attention;
pub(crate) mod attention_grad;
pub(crate) mod backward;
pub(crate) mod elementwise;
pub(crate) mod linear;
pub(crate) mod linear_grad;
pub(crate) mod low_rank;
mod scratch;
pub(crate) mod simd;
mod tile;

pub use linear::Activation;
pub use simd::{Level, level};

#[cfg(test)]
pub(crate) mod testing {
    use super::Level;

    /// The levels of this processor; empty (and said so) where there is none.
    pub(crate) fn levels() -> Vec<Level> {
        match super::level() {
            Some(Level::Avx512) => vec![Level::Avx512, Level::Avx2],
            Some(Level::Avx2) => vec![Level::Avx2],
            None => {
                eprintln!("skipped: this processor has neither AVX-512 nor AVX2 with FMA and F16C");
                vec![]
            }
        }
    }

    /// Seeded numbers in [-1, 1) from a 64-bit mix (splitmix64).
    pub(crate) fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..n)
            .map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// `max |a − b| / max |b|`; infinite for a NaN.
    pub(crate) fn relative(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let top = b.iter().fold(0.0f32, |m, v| m.max(v.abs())).max(f32::MIN_POSITIVE);
        a.iter().zip(b).fold(0.0f32, |m, (a, b)| {
            let d = (a - b).abs();
            if d.is_nan() { f32::INFINITY } else { m.max(d) }
        }) / top
    }
}
