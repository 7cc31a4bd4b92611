//! Which checkpoints of a run stay.

use std::num::NonZeroU64;

/// The newest ones, the best one and one in so many steps stay; the rest goes once a newer one is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How many of the newest stay; 0 counts as 1. [`usize::MAX`] keeps all.
    pub last: usize,
    /// Keeps the checkpoint of [`super::BestMetric::step`].
    pub best: bool,
    /// Keeps those whose step is a multiple of this.
    pub every: Option<NonZeroU64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { last: 3, best: true, every: None }
    }
}

impl Retention {
    /// Those of `steps` that may go. Steps above `saved` belong to a future that this run has not reached (or has left):
    /// they neither count nor go.
    pub(super) fn victims(&self, steps: &[u64], saved: u64, best: Option<u64>) -> Vec<u64> {
        let mut past: Vec<u64> = steps.iter().copied().filter(|step| *step <= saved).collect();
        past.sort_unstable_by(|a, b| b.cmp(a));
        past.into_iter()
            .skip(self.last.max(1))
            .filter(|step| !(self.best && best == Some(*step)))
            .filter(|step| self.every.is_none_or(|every| *step % every != 0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_the_best_and_every_kth_stay() {
        let steps = [10, 20, 30, 40, 50, 60, 70];
        let keep = Retention { last: 2, best: true, every: NonZeroU64::new(30) };
        assert_eq!(keep.victims(&steps, 60, Some(20)), [40, 10]);
        assert_eq!(keep.victims(&steps, 60, None), [40, 20, 10]);
        let one = Retention { last: 0, best: false, every: None };
        assert_eq!(one.victims(&steps, 30, Some(10)), [20, 10]);
        let all = Retention { last: usize::MAX, best: false, every: None };
        assert!(all.victims(&steps, 70, None).is_empty());
    }
}
