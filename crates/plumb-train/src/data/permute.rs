//! A seeded order of 0..n that is computed, not stored.
//!
//! Four Feistel rounds over the smallest power of four that holds n, walking cycles back into range (Black and Rogaway 2002,
//! "Ciphers with arbitrary finite domains"): fewer than four steps a number on average, and no memory however large the data are.

use super::random::mix;

const ROUNDS: u64 = 4;

/// An order of `0..len`, by seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    len: u64,
    /// Bits of each half.
    half: u32,
    key: u64,
}

impl Permutation {
    #[must_use]
    pub const fn new(len: u64, seed: u64) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let half = if bits < 2 { 1 } else { bits.div_ceil(2) };
        Self { len, half, key: mix(seed) }
    }

    /// How many numbers there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number at `place`; `None` at and past the end.
    #[must_use]
    pub const fn get(&self, place: u64) -> Option<u64> {
        if place >= self.len {
            return None;
        }
        let mut at = self.once(place);
        // Ends: the walk is along a cycle that contains `place`, which is in range.
        while at >= self.len {
            at = self.once(at);
        }
        Some(at)
    }

    const fn once(&self, value: u64) -> u64 {
        let mask = if self.half >= 32 { u32::MAX as u64 } else { (1 << self.half) - 1 };
        let (mut left, mut right) = (value >> self.half, value & mask);
        let mut round = 0;
        while round < ROUNDS {
            let next = left ^ (mix(self.key ^ mix(right ^ (round << 56))) & mask);
            left = right;
            right = next;
            round += 1;
        }
        (left << self.half) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_once(len in 0_u64..3000, seed: u64) {
            let order = Permutation::new(len, seed);
            let mut seen = vec![false; usize::try_from(len).unwrap()];
            for place in 0..len {
                let at = usize::try_from(order.get(place).unwrap()).unwrap();
                prop_assert!(!seen[at]);
                seen[at] = true;
            }
            prop_assert_eq!(order.get(len), None);
        }
    }

    #[test]
    fn large_and_largest_ranges_stay_in_range() {
        for len in [1, 2, 3, u64::from(u32::MAX), 1_000_000_007, u64::MAX] {
            let order = Permutation::new(len, 7);
            for place in [0, len / 2, len - 1] {
                assert!(order.get(place).unwrap() < len);
            }
        }
    }

    #[test]
    fn seeds_give_different_orders_without_a_trend() {
        let n = 10_000;
        let (a, b) = (Permutation::new(n, 1), Permutation::new(n, 2));
        let same = (0..n).filter(|&p| a.get(p) == b.get(p)).count();
        assert!(same < 10, "{same}");
        // Spearman's rank correlation with the identity and with the neighbour: 5 sigma is 0.05.
        let mean = (n - 1) as f64 / 2.0;
        let spread = (0..n).map(|p| (p as f64 - mean).powi(2)).sum::<f64>();
        for shift in [0, 1] {
            let value = |p: u64| if shift == 0 { p as f64 } else { a.get((p + shift) % n).unwrap() as f64 };
            let r =
                (0..n).map(|p| (value(p) - mean) * (a.get(p).unwrap() as f64 - mean)).sum::<f64>() / spread;
            assert!(r.abs() < 0.05, "{shift}: {r}");
        }
    }
}
