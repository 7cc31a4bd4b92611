//! A seeded permutation of `0..n` that needs no memory: the order in which points lie in GPU buffers.
//!
//! Drawing the first `k` points of a shuffled order is a uniform subsample, so one buffer serves every level of
//! detail. A 16 M-point shuffle stored as indices costs 64 MB; this one is computed: a four-round balanced Feistel
//! network over the next even power of two (Luby & Rackoff 1988), walked until it lands inside `0..n` (cycle walking,
//! Black & Rogaway 2002).

/// A bijection of `0..len` onto itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permutation {
    len: u32,
    half_bits: u32,
    keys: [u32; 4],
}

/// The finaliser of MurmurHash3: every output bit depends on every input bit.
const fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

impl Permutation {
    /// The permutation of `0..len` chosen by `seed`.
    #[must_use]
    pub fn new(len: u32, seed: u32) -> Self {
        let bits = u32::BITS - len.saturating_sub(1).leading_zeros();
        let mut keys = [0; 4];
        let mut state = seed ^ 0x9e37_79b9;
        for key in &mut keys {
            state = mix(state.wrapping_add(0x9e37_79b9));
            *key = state;
        }
        Self { len, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is nothing to permute.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at place `slot` of the shuffled order; `None` outside `0..len`.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<u32> {
        if slot >= self.len {
            return None;
        }
        let mut value = self.round_trip(slot);
        // The domain is less than four times `len`, so this ends after a few steps: a walk along a cycle that
        // started inside must come back inside.
        while value >= self.len {
            value = self.round_trip(value);
        }
        Some(value)
    }

    fn round_trip(&self, value: u32) -> u32 {
        let mask = ((1_u64 << self.half_bits) - 1) as u32;
        let (mut left, mut right) = ((u64::from(value) >> self.half_bits) as u32 & mask, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        ((u64::from(left) << self.half_bits) | u64::from(right)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_element_occurs_once(len in 0_u32..5000, seed: u32) {
            let order = Permutation::new(len, seed);
            let mut seen = vec![false; len as usize];
            for slot in 0..len {
                let value = order.get(slot).unwrap() as usize;
                prop_assert!(!std::mem::replace(&mut seen[value], true));
            }
            prop_assert_eq!(order.get(len), None);
            prop_assert_eq!(order, Permutation::new(len, seed));
        }
    }

    #[test]
    fn a_prefix_is_spread_evenly() {
        let order = Permutation::new(100_000, 7);
        let mut bins = [0_u32; 10];
        for slot in 0..10_000 {
            bins[order.get(slot).unwrap() as usize / 10_000] += 1;
        }
        // 1,000 expected per bin, standard deviation about 28.
        assert!(bins.iter().all(|&count| (850..1150).contains(&count)), "{bins:?}");
    }

    #[test]
    fn the_largest_length_works() {
        let order = Permutation::new(u32::MAX, 1);
        assert!(order.get(u32::MAX - 1).is_some_and(|value| value < u32::MAX));
        assert_ne!(order.get(0), Permutation::new(u32::MAX, 2).get(0));
    }
}
