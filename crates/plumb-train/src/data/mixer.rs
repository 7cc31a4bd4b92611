//! What comes next, so that every source has its share of the tokens.
//!
//! SpatialVLM (arXiv 2401.12168, section 3.3) trains with 5 % of the *tokens* from spatial data. Counting samples would miss that by the ratio
//! of their lengths, so the source that is furthest behind its share of tokens goes next. Which of its samples that is follows a seeded
//! order, another one in each epoch.

use serde::{Deserialize, Serialize};

use super::error::{DataError, Result};
use super::permute::Permutation;
use super::random::{digest, mix};

/// SpatialVLM's share of spatial tokens.
pub const SPATIAL_VLM_SHARE: f64 = 0.05;

/// How to mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixerOptions {
    pub seed: u64,
    /// Of each source; only their ratios count. A source of weight 0 is not used.
    pub weights: Vec<f64>,
}

impl MixerOptions {
    /// The preset "spatialvlm": of the tokens, 5 % from the sources that are spatial and the rest from the others, shared equally in each
    /// group. With one group only, that has all.
    #[must_use]
    pub fn spatial_vlm(seed: u64, spatial: &[bool]) -> Self {
        Self::with_spatial_share(seed, spatial, SPATIAL_VLM_SHARE)
    }

    /// As [`spatial_vlm`](Self::spatial_vlm), with another share.
    #[must_use]
    pub fn with_spatial_share(seed: u64, spatial: &[bool], share: f64) -> Self {
        let count = |which: bool| spatial.iter().filter(|&&is| is == which).count().max(1) as f64;
        let one_group = spatial.iter().all(|&is| is) || !spatial.iter().any(|&is| is);
        let weight = |&is: &bool| match (one_group, is) {
            (true, _) => 1.0,
            (_, true) => share / count(true),
            (_, false) => (1.0 - share) / count(false),
        };
        Self { seed, weights: spatial.iter().map(weight).collect() }
    }
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Times that all of it was shown.
    pub epoch: u64,
    /// Next place in the order of this epoch.
    pub cursor: u64,
    /// Tokens shown of it so far.
    pub tokens: u64,
}

/// Where a mixture stands: enough to go on exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixerState {
    /// Units picked so far.
    pub step: u64,
    pub sources: Vec<SourceState>,
    /// Of seed, weights and sizes: a place in other data means nothing.
    pub fingerprint: u64,
}

/// The next unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pick {
    pub source: usize,
    /// Unit of the source: a sample, or several of one picture ([`Units`](super::Units)).
    pub unit: u64,
    pub epoch: u64,
    pub step: u64,
}

/// Mixes sources of given sizes.
#[derive(Clone, Debug)]
pub struct Mixer {
    seed: u64,
    /// Shares: the sum is 1.
    shares: Vec<f64>,
    sizes: Vec<u64>,
    state: MixerState,
}

impl Mixer {
    /// `sizes` are the units of each source.
    ///
    /// # Errors
    /// [`DataError::Options`] when weights and sizes do not fit together, a weight is no share, or a source that is used is empty.
    pub fn new(options: &MixerOptions, sizes: &[u64]) -> Result<Self> {
        let wrong = |detail: String| Err(DataError::Options { field: "weights", detail });
        if options.weights.len() != sizes.len() {
            return wrong(format!("{} weights for {} sources", options.weights.len(), sizes.len()));
        }
        if let Some(weight) = options.weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return wrong(format!("{weight} is no weight"));
        }
        let total: f64 = options.weights.iter().sum();
        if !(total.is_finite() && total > 0.0) {
            return wrong(format!("their sum is {total}"));
        }
        if let Some(at) =
            options.weights.iter().zip(sizes).position(|(weight, size)| *weight > 0.0 && *size == 0)
        {
            return wrong(format!("source {at} has no samples"));
        }
        let mut parts: Vec<[u8; 8]> = vec![options.seed.to_le_bytes()];
        parts.extend(options.weights.iter().map(|weight| weight.to_le_bytes()));
        parts.extend(sizes.iter().map(|size| size.to_le_bytes()));
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 8]>::as_slice).collect();
        let state = MixerState {
            step: 0,
            sources: vec![SourceState::default(); sizes.len()],
            fingerprint: digest(&parts),
        };
        let shares = options.weights.iter().map(|weight| weight / total).collect();
        Ok(Self { seed: options.seed, shares, sizes: sizes.to_vec(), state })
    }

    /// Goes on from a saved place.
    ///
    /// # Errors
    /// [`DataError::State`] when it is a place in other data or of another seed or mixture; as [`new`](Self::new).
    pub fn resume(options: &MixerOptions, sizes: &[u64], state: MixerState) -> Result<Self> {
        let mut mixer = Self::new(options, sizes)?;
        if state.fingerprint != mixer.state.fingerprint || state.sources.len() != sizes.len() {
            let detail = "seed, weights or numbers of samples are not those it was saved with".to_owned();
            return Err(DataError::State { detail });
        }
        if let Some(at) = state.sources.iter().zip(sizes).position(|(source, size)| source.cursor > *size) {
            return Err(DataError::State { detail: format!("source {at} is past its end") });
        }
        mixer.state = state;
        Ok(mixer)
    }

    /// The place to save.
    #[must_use]
    pub fn state(&self) -> &MixerState {
        &self.state
    }

    pub(super) fn set(&mut self, state: MixerState) {
        self.state = state;
    }

    /// The next unit. Say how many tokens it has with [`account`](Self::account) before asking for the next.
    pub fn pick(&mut self) -> Pick {
        let total: u64 = self.state.sources.iter().fold(0, |sum, source| sum.saturating_add(source.tokens));
        let behind = |at: usize| {
            let share = self.shares.get(at).copied().unwrap_or(0.0);
            let tokens = self.state.sources.get(at).map_or(0, |source| source.tokens);
            share * total as f64 - tokens as f64
        };
        let share = |at: usize| self.shares.get(at).copied().unwrap_or(0.0);
        let mut source = 0;
        for at in 0..self.shares.len() {
            // Of those equally far behind, the one with the larger share; at the start that is the order of shares.
            let better = behind(at).total_cmp(&behind(source)).then(share(at).total_cmp(&share(source)));
            if share(at) > 0.0 && (share(source) <= 0.0 || better.is_gt()) {
                source = at;
            }
        }
        let size = self.sizes.get(source).copied().unwrap_or(0);
        let step = self.state.step;
        self.state.step += 1;
        let Some(place) = self.state.sources.get_mut(source) else {
            // Not reached: there is a source of positive weight.
            return Pick { source, unit: 0, epoch: 0, step };
        };
        if place.cursor >= size {
            place.cursor = 0;
            place.epoch += 1;
        }
        let key = mix(self.seed ^ mix(source as u64 ^ mix(place.epoch)));
        let unit = Permutation::new(size, key).get(place.cursor).unwrap_or(0);
        place.cursor += 1;
        Pick { source, unit, epoch: place.epoch, step }
    }

    /// Says how many tokens (prompt and answer) were shown of a source.
    pub fn account(&mut self, source: usize, tokens: u64) {
        if let Some(place) = self.state.sources.get_mut(source) {
            place.tokens = place.tokens.saturating_add(tokens);
        }
    }

    /// The shares of tokens that are aimed at.
    #[must_use]
    pub fn target(&self) -> &[f64] {
        &self.shares
    }

    /// The shares of tokens so far; zeros before the first.
    #[must_use]
    pub fn realised(&self) -> Vec<f64> {
        let total: f64 = self.state.sources.iter().map(|source| source.tokens as f64).sum();
        let share = |source: &SourceState| if total > 0.0 { source.tokens as f64 / total } else { 0.0 };
        self.state.sources.iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lengths that differ between sources by a factor of ten, and within them by five.
    fn tokens(pick: &Pick) -> u64 {
        let spread = mix(pick.unit ^ (pick.source as u64) << 40) % 400;
        if pick.source == 0 { 100 + spread } else { 1000 + 4 * spread }
    }

    fn run(mixer: &mut Mixer, until: u64) -> Vec<Pick> {
        let (mut picks, mut total) = (Vec::new(), 0);
        while total < until {
            let pick = mixer.pick();
            mixer.account(pick.source, tokens(&pick));
            total += tokens(&pick);
            picks.push(pick);
        }
        picks
    }

    #[test]
    fn a_million_tokens_are_shared_to_a_fifth_of_a_percent() {
        for (weights, sizes) in [
            (MixerOptions::spatial_vlm(3, &[true, false]).weights, vec![5000, 90]),
            (vec![0.2, 0.8], vec![10, 10]),
            (vec![5.0, 3.0, 0.0, 2.0], vec![100, 100, 0, 7]),
        ] {
            let options = MixerOptions { seed: 3, weights };
            let mut mixer = Mixer::new(&options, &sizes).unwrap();
            run(&mut mixer, 1_000_000);
            for (found, wanted) in mixer.realised().iter().zip(mixer.target()) {
                assert!((found - wanted).abs() <= 0.002, "{:?} {:?}", mixer.realised(), mixer.target());
            }
        }
        let preset = MixerOptions::spatial_vlm(0, &[true, false, true]);
        assert_eq!(preset.weights, [0.025, 0.95, 0.025]);
        assert_eq!(MixerOptions::spatial_vlm(0, &[true, true]).weights, [1.0, 1.0]);
    }

    #[test]
    fn every_unit_comes_once_an_epoch_and_epochs_differ() {
        let mut mixer = Mixer::new(&MixerOptions { seed: 9, weights: vec![1.0] }, &[50]).unwrap();
        let order: Vec<_> = (0..150)
            .map(|_| {
                mixer.account(0, 1);
                mixer.pick()
            })
            .collect();
        for (epoch, part) in order.chunks(50).enumerate() {
            let mut units: Vec<_> = part.iter().map(|pick| pick.unit).collect();
            assert!(part.iter().all(|pick| pick.epoch == epoch as u64));
            units.sort_unstable();
            assert_eq!(units, (0..50).collect::<Vec<_>>());
        }
        let units = |at: usize| order[at * 50..(at + 1) * 50].iter().map(|p| p.unit).collect::<Vec<_>>();
        assert!(units(0) != units(1) && units(1) != units(2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_saved_place_goes_on_exactly(seed: u64, before in 0_u64..60_000, sizes in prop::collection::vec(1_u64..40, 1..4)) {
            let options = MixerOptions { seed, weights: vec![1.0; sizes.len()] };
            let mut whole = Mixer::new(&options, &sizes).unwrap();
            run(&mut whole, before);
            let json = serde_json::to_string(whole.state()).unwrap();
            let mut resumed = Mixer::resume(&options, &sizes, serde_json::from_str(&json).unwrap()).unwrap();
            prop_assert_eq!(run(&mut whole, 50_000), run(&mut resumed, 50_000));
            prop_assert_eq!(whole.state(), resumed.state());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let options = |weights: &[f64]| MixerOptions { seed: 0, weights: weights.to_vec() };
        for (weights, sizes) in [
            (&[][..], &[][..]),
            (&[1.0][..], &[1, 2][..]),
            (&[-1.0, 2.0][..], &[1, 1][..]),
            (&[f64::NAN][..], &[1][..]),
            (&[f64::MAX, f64::MAX][..], &[1, 1][..]),
            (&[0.0][..], &[1][..]),
            (&[1.0][..], &[0][..]),
        ] {
            assert!(Mixer::new(&options(weights), sizes).is_err(), "{weights:?}");
        }
        let state = Mixer::new(&options(&[1.0]), &[5]).unwrap().state().clone();
        assert!(Mixer::resume(&options(&[1.0]), &[6], state.clone()).is_err());
        assert!(Mixer::resume(&options(&[2.0]), &[5], state.clone()).is_err());
        let mut past = state;
        past.sources[0].cursor = 6;
        assert!(Mixer::resume(&options(&[1.0]), &[5], past).is_err());
    }
}
