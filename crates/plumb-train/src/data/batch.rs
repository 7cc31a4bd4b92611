//! Micro-batches: samples of like length, with those of one picture together.
//!
//! Units are taken from the mixer a window at a time, sorted by length within it, filled into batches, and the batches put into a seeded
//! order. A saved place is the mixer at the start of the window and how many of its batches were taken, so it stays small.

use std::collections::VecDeque;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::error::{DataError, Result};
use super::mixer::{Mixer, MixerOptions, MixerState, Pick};
use super::random::stream;

/// Picks in a row that may give no sample before the data are taken to be useless.
const MOST_EMPTY: usize = 10_000;

/// A sample in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub source: usize,
    /// Number of the sample in its source.
    pub sample: u32,
    pub epoch: u64,
    /// Tokens of prompt and answer, the picture's included.
    pub tokens: u32,
    /// The same for samples of the source that show the same picture ([`Source::groups`](super::Source::groups)).
    pub group: u32,
}

/// How to batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchOptions {
    /// Most samples of a micro-batch.
    pub samples: usize,
    /// Most tokens of a micro-batch as computed: samples times the longest of them. A longer sample stands alone.
    pub tokens: Option<u64>,
    /// Units that are sorted by length together; 1 keeps the mixer's order.
    pub window: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { samples: 8, tokens: None, window: 64 }
    }
}

/// Samples that are computed at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Those of one picture are side by side.
    pub items: Vec<Item>,
}

impl Batch {
    /// Tokens as computed, with padding.
    #[must_use]
    pub fn padded(&self) -> u64 {
        cost(self.items.len(), self.longest())
    }

    /// Tokens without padding.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.items.iter().map(|item| u64::from(item.tokens)).sum()
    }

    fn longest(&self) -> u32 {
        self.items.iter().map(|item| item.tokens).max().unwrap_or(0)
    }
}

fn cost(count: usize, longest: u32) -> u64 {
    (count as u64).saturating_mul(u64::from(longest))
}

/// Fills units into batches. The result depends on the arguments alone.
#[must_use]
pub fn arrange(mut units: Vec<Vec<Item>>, options: &BatchOptions) -> Vec<Batch> {
    let longest = |unit: &[Item]| unit.iter().map(|item| item.tokens).max().unwrap_or(0);
    // Stable, so equal lengths keep the mixer's order.
    if options.window > 1 {
        units.sort_by_key(|unit| longest(unit));
    }
    let fits = |count: usize, longest: u32| {
        count <= options.samples.max(1) && options.tokens.is_none_or(|most| cost(count, longest) <= most)
    };
    let (mut batches, mut open) = (Vec::new(), Batch::default());
    for unit in units {
        let whole = fits(open.items.len() + unit.len(), open.longest().max(longest(&unit)));
        // A picture's samples are parted only where no batch could hold them.
        if !whole && !open.items.is_empty() {
            batches.push(std::mem::take(&mut open));
        }
        for item in unit {
            if !open.items.is_empty() && !fits(open.items.len() + 1, open.longest().max(item.tokens)) {
                batches.push(std::mem::take(&mut open));
            }
            open.items.push(item);
        }
    }
    if !open.items.is_empty() {
        batches.push(open);
    }
    batches
}

/// Where a [`BatchStream`] stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// At the start of the window.
    pub mixer: MixerState,
    /// Batches of the window that were taken.
    pub taken: u64,
}

/// Micro-batches without end.
#[derive(Debug)]
pub struct BatchStream {
    mixer: Mixer,
    seed: u64,
    options: BatchOptions,
    start: MixerState,
    window: VecDeque<Batch>,
    taken: u64,
    /// Batches to pass over, of a saved place whose window is not filled yet.
    skip: u64,
}

impl BatchStream {
    /// # Errors
    /// As [`Mixer::new`].
    pub fn new(mixing: &MixerOptions, sizes: &[u64], options: BatchOptions) -> Result<Self> {
        Ok(Self::from_mixer(Mixer::new(mixing, sizes)?, mixing.seed, options, 0))
    }

    /// Goes on from a saved place, with the options that it was saved with.
    ///
    /// # Errors
    /// As [`Mixer::resume`].
    pub fn resume(
        mixing: &MixerOptions,
        sizes: &[u64],
        options: BatchOptions,
        state: StreamState,
    ) -> Result<Self> {
        let mixer = Mixer::resume(mixing, sizes, state.mixer)?;
        Ok(Self::from_mixer(mixer, mixing.seed, options, state.taken))
    }

    fn from_mixer(mixer: Mixer, seed: u64, options: BatchOptions, skip: u64) -> Self {
        let start = mixer.state().clone();
        Self { mixer, seed, options, start, window: VecDeque::new(), taken: 0, skip }
    }

    /// The place after the last batch that was returned.
    #[must_use]
    pub fn state(&self) -> StreamState {
        if self.window.is_empty() && self.skip == 0 {
            return StreamState { mixer: self.mixer.state().clone(), taken: 0 };
        }
        StreamState { mixer: self.start.clone(), taken: self.taken.max(self.skip) }
    }

    /// The mixture: target and realised shares. It is ahead of the batches by up to a window.
    #[must_use]
    pub fn mixer(&self) -> &Mixer {
        &self.mixer
    }

    /// The next micro-batch. `expand` names the samples of a unit with their lengths; it must say the same whenever it is asked. It may
    /// leave out samples that cannot be used.
    ///
    /// # Errors
    /// What `expand` fails with, after which the call can be made again; [`DataError::Empty`] when thousands of units in a row have no
    /// sample; [`DataError::State`] when a saved place is past its window, that is when lengths are not those it was saved with.
    pub fn next_batch(&mut self, expand: &mut dyn FnMut(&Pick) -> Result<Vec<Item>>) -> Result<Batch> {
        if self.window.is_empty() {
            self.fill(expand)?;
        }
        let batch = self.window.pop_front().unwrap_or_default();
        self.taken += 1;
        Ok(batch)
    }

    fn fill(&mut self, expand: &mut dyn FnMut(&Pick) -> Result<Vec<Item>>) -> Result<()> {
        let start = self.mixer.state().clone();
        let filled = self.units(expand).and_then(|units| {
            let mut batches = arrange(units, &self.options);
            let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
            if skip > 0 && skip >= batches.len() {
                let detail = format!("{skip} batches of a window that has {}", batches.len());
                return Err(DataError::State { detail });
            }
            if self.options.window > 1 {
                // Else a window would always begin with its shortest.
                batches.shuffle(&mut stream("batches", self.seed, start.step, ""));
            }
            Ok(batches)
        });
        match filled {
            Ok(batches) => {
                self.window =
                    batches.into_iter().skip(usize::try_from(self.skip).unwrap_or(usize::MAX)).collect();
                (self.start, self.taken, self.skip) = (start, self.skip, 0);
                Ok(())
            }
            Err(error) => {
                self.mixer.set(start);
                Err(error)
            }
        }
    }

    fn units(&mut self, expand: &mut dyn FnMut(&Pick) -> Result<Vec<Item>>) -> Result<Vec<Vec<Item>>> {
        let (mut units, mut empty) = (Vec::new(), 0);
        while units.len() < self.options.window.max(1) {
            let pick = self.mixer.pick();
            let items = expand(&pick)?;
            self.mixer.account(pick.source, items.iter().map(|item| u64::from(item.tokens)).sum());
            if !items.is_empty() {
                units.push(items);
                empty = 0;
                continue;
            }
            empty += 1;
            if empty >= MOST_EMPTY {
                let first = format!("source {}, unit {}", pick.source, pick.unit);
                return Err(DataError::Empty { path: "the mixture".to_owned(), bad: empty as u64, first });
            }
        }
        Ok(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(sample: u32, tokens: u32, group: u32) -> Item {
        Item { source: 0, sample, epoch: 0, tokens, group }
    }

    proptest! {
        #[test]
        fn batches_hold_everything_within_the_limits(
            units in prop::collection::vec(prop::collection::vec(1_u32..100, 1..6), 0..40),
            samples in 0_usize..10, budget in prop::option::of(1_u64..400), window in 0_usize..3,
        ) {
            let mut next = 0;
            let units: Vec<Vec<Item>> = (0..).zip(units).map(|(group, lengths)| lengths.into_iter().map(|tokens| {
                next += 1;
                item(next, tokens, group)
            }).collect()).collect();
            let options = BatchOptions { samples, tokens: budget, window };
            let batches = arrange(units.clone(), &options);
            let mut seen: Vec<u32> = batches.iter().flat_map(|b| &b.items).map(|i| i.sample).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (1..=next).collect::<Vec<_>>());
            for batch in &batches {
                let alone = batch.items.len() == 1;
                prop_assert!(alone || batch.items.len() <= samples);
                prop_assert!(alone || budget.is_none_or(|most| batch.padded() <= most));
            }
            for unit in &units {
                let longest = unit.iter().map(|i| i.tokens).max().unwrap();
                let could = unit.len() <= samples && budget.is_none_or(|most| cost(unit.len(), longest) <= most);
                let parts = batches.iter().filter(|b| b.items.iter().any(|i| i.group == unit[0].group)).count();
                prop_assert!(!could || parts == 1);
            }
        }
    }

    fn expand(pick: &Pick) -> Result<Vec<Item>> {
        let unit = u32::try_from(pick.unit).unwrap();
        // Unit 3 of each source cannot be used.
        let count = if unit == 3 { 0 } else { 1 + unit % 4 };
        Ok((0..count)
            .map(|i| Item {
                source: pick.source,
                sample: unit * 4 + i,
                epoch: pick.epoch,
                tokens: 20 + (unit * 37 + i * 5) % 200,
                group: unit,
            })
            .collect())
    }

    #[test]
    fn a_saved_place_goes_on_exactly() {
        let mixing = MixerOptions { seed: 5, weights: vec![0.3, 0.7] };
        let (sizes, options) = ([40, 25], BatchOptions { samples: 4, tokens: Some(600), window: 16 });
        let mut whole = BatchStream::new(&mixing, &sizes, options).unwrap();
        let mut states = vec![whole.state()];
        let batches: Vec<Batch> = (0..60)
            .map(|_| {
                let batch = whole.next_batch(&mut expand).unwrap();
                states.push(whole.state());
                batch
            })
            .collect();
        for (at, state) in states.iter().enumerate().step_by(7) {
            let json = serde_json::to_string(state).unwrap();
            let state = serde_json::from_str(&json).unwrap();
            let mut resumed = BatchStream::resume(&mixing, &sizes, options, state).unwrap();
            assert_eq!(&resumed.state(), &states[at]);
            for (wanted, state) in batches[at..].iter().zip(&states[at + 1..]) {
                assert_eq!(&resumed.next_batch(&mut expand).unwrap(), wanted);
                assert_eq!(&resumed.state(), state);
            }
        }
    }

    #[test]
    fn sorting_by_length_wastes_less() {
        let units: Vec<Vec<Item>> = (0..64).map(|i| vec![item(i, 20 + (i * 37) % 200, i)]).collect();
        let waste = |window: usize| {
            let batches = arrange(units.clone(), &BatchOptions { samples: 4, tokens: None, window });
            let (padded, tokens) = batches.iter().fold((0, 0), |(p, t), b| (p + b.padded(), t + b.tokens()));
            padded as f64 / tokens as f64
        };
        assert!(waste(64) < 1.1 && waste(1) > 1.3, "{} {}", waste(64), waste(1));
    }

    #[test]
    fn failures_lose_nothing_and_useless_data_end() {
        let mixing = MixerOptions { seed: 5, weights: vec![1.0] };
        let options = BatchOptions { window: 4, ..BatchOptions::default() };
        let mut stream = BatchStream::new(&mixing, &[9], options).unwrap();
        let before = stream.state();
        let mut fails = |_: &Pick| Err(DataError::State { detail: "x".to_owned() });
        assert!(stream.next_batch(&mut fails).is_err());
        assert_eq!(stream.state(), before);
        let mut fresh = BatchStream::new(&mixing, &[9], options).unwrap();
        assert_eq!(stream.next_batch(&mut expand).unwrap(), fresh.next_batch(&mut expand).unwrap());
        let mut none = BatchStream::new(&mixing, &[9], options).unwrap();
        assert!(matches!(none.next_batch(&mut |_| Ok(Vec::new())), Err(DataError::Empty { .. })));
        let lost = StreamState { mixer: before.mixer, taken: 99 };
        let mut lost = BatchStream::resume(&mixing, &[9], options, lost).unwrap();
        assert!(matches!(lost.next_batch(&mut expand), Err(DataError::State { .. })));
    }
}
