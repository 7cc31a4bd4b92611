//! Which samples show the same picture, and the split that keeps a picture on one side.

use std::collections::BTreeMap;

use super::error::{DataError, Result};
use super::random::digest;
use super::source::Source;

/// Sets of pictures that some sample shows together.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    /// Towards the root; a root, which is the least of its set, is not in it.
    parent: BTreeMap<u64, u64>,
}

impl Links {
    pub(super) fn root(&self, key: u64) -> u64 {
        let mut at = key;
        while let Some(&up) = self.parent.get(&at) {
            at = up;
        }
        at
    }

    pub(super) fn join(&mut self, a: u64, b: u64) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            // The least is the root, so that the root does not depend on the order of joining.
            self.parent.insert(a.max(b), a.min(b));
        }
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.parent.iter().map(|(&a, &b)| (a, b))
    }
}

/// The samples of one source on either side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Numbers of samples, rising.
    pub train: Vec<u32>,
    pub held_out: Vec<u32>,
}

/// Holds out a share of the *pictures* (`fraction`, 0 to 1) of several sources: no picture is on both sides, in whichever file it is.
///
/// It depends on the seed and the names of the pictures alone, so adding data moves no picture to the other side.
///
/// # Errors
/// [`DataError::Options`] for a fraction outside of 0 to 1.
pub fn split(sources: &[&Source], seed: u64, fraction: f64) -> Result<Vec<Split>> {
    if !(0.0..=1.0).contains(&fraction) {
        let detail = format!("{fraction} is no share from 0 to 1");
        return Err(DataError::Options { field: "held_out", detail });
    }
    let mut links = Links::default();
    for source in sources {
        for (a, b) in source.links().edges() {
            links.join(a, b);
        }
    }
    // 53 bits are exact in a double.
    let limit = (fraction * (1_u64 << 53) as f64) as u64;
    let side = |source: &&Source| {
        let held: Vec<bool> = source
            .group_keys()
            .iter()
            .map(|&key| {
                let root = links.root(key);
                digest(&[b"split", &seed.to_le_bytes(), &root.to_le_bytes()]) >> 11 < limit
            })
            .collect();
        let mut split = Split::default();
        for (sample, group) in (0_u32..).zip(source.groups()) {
            let held = held.get(group as usize).copied().unwrap_or(false);
            if held { &mut split.held_out } else { &mut split.train }.push(sample);
        }
        split
    };
    Ok(sources.iter().map(side).collect())
}

/// Units of shuffling: samples of one picture that are shown one after the other, so that it is looked at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Samples, those of a unit side by side.
    samples: Vec<u32>,
    /// Where each unit begins; one more at the end.
    starts: Vec<u32>,
}

impl Units {
    /// Cuts samples into units of at most `most` (0: one) of the same group. Which samples of a group come together depends on the seed.
    #[must_use]
    pub fn new(source: &Source, samples: &[u32], most: usize, seed: u64) -> Self {
        let groups: Vec<u32> = source.groups().collect();
        let of = |sample: u32| groups.get(sample as usize).copied();
        Self::of_groups(samples.iter().filter_map(|&s| Some((of(s)?, s))), most, seed)
    }

    pub(super) fn of_groups(samples: impl Iterator<Item = (u32, u32)>, most: usize, seed: u64) -> Self {
        let mut order: Vec<(u32, u64, u32)> = samples
            .map(|(group, sample)| {
                (group, digest(&[b"unit", &seed.to_le_bytes(), &sample.to_le_bytes()]), sample)
            })
            .collect();
        order.sort_unstable();
        order.dedup();
        let (mut units, mut last, mut count) = (Self::default(), None, 0);
        for (group, _, sample) in order {
            if last != Some(group) || count >= most.max(1) {
                units.starts.push(u32::try_from(units.samples.len()).unwrap_or(u32::MAX));
                count = 0;
            }
            (last, count) = (Some(group), count + 1);
            units.samples.push(sample);
        }
        units.starts.push(u32::try_from(units.samples.len()).unwrap_or(u32::MAX));
        units
    }

    /// How many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of a unit; empty past the end.
    #[must_use]
    pub fn get(&self, unit: usize) -> &[u32] {
        let bound = |at: usize| self.starts.get(at).map(|&start| start as usize);
        match (bound(unit), unit.checked_add(1).and_then(bound)) {
            (Some(start), Some(end)) => self.samples.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn units_hold_every_sample_once_and_one_picture_each(
            groups in prop::collection::vec(0_u32..20, 0..200), most in 0_usize..5, seed: u64,
        ) {
            let pairs = || groups.iter().copied().zip(0..);
            let units = Units::of_groups(pairs(), most, seed);
            prop_assert_eq!(&units, &Units::of_groups(pairs(), most, seed));
            let mut seen: Vec<u32> = (0..units.len()).flat_map(|u| units.get(u).to_vec()).collect();
            for unit in 0..units.len() {
                let unit = units.get(unit);
                prop_assert!((1..=most.max(1)).contains(&unit.len()));
                prop_assert!(unit.iter().all(|&s| groups[s as usize] == groups[unit[0] as usize]));
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..u32::try_from(groups.len()).unwrap()).collect::<Vec<_>>());
            prop_assert!(units.get(units.len()).is_empty() && units.get(usize::MAX).is_empty());
        }

        #[test]
        fn roots_do_not_depend_on_the_order(edges in prop::collection::vec((0_u64..30, 0_u64..30), 0..40)) {
            let (mut forth, mut back) = (Links::default(), Links::default());
            edges.iter().for_each(|&(a, b)| forth.join(a, b));
            edges.iter().rev().for_each(|&(a, b)| back.join(b, a));
            for key in 0..30 {
                prop_assert_eq!(forth.root(key), back.root(key));
                prop_assert!(forth.root(key) <= key);
            }
            for (a, b) in edges {
                prop_assert_eq!(forth.root(a), forth.root(b));
            }
        }
    }
}
