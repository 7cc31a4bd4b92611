//! Which keys a query sees.

/// The keys that one query sees: `0..prefix` and `start..stop`.
///
/// A causal row is a prefix alone. Several continuations of one prefix in a single forward pass (answer options)
/// use both ranges: the shared prefix and the continuation's own tokens so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// End of the shared range, which starts at 0.
    pub prefix: usize,
    /// Start of the second range.
    pub start: usize,
    /// End of the second range; the range is empty where `stop <= start`.
    pub stop: usize,
}

impl Visible {
    /// The first `n` keys.
    #[must_use]
    pub fn first(n: usize) -> Self {
        Self { prefix: n, start: n, stop: n }
    }

    /// One past the last visible key.
    #[must_use]
    pub fn end(&self) -> usize {
        self.prefix.max(self.stop)
    }

    /// Whether `key` is seen.
    #[must_use]
    pub fn sees(&self, key: usize) -> bool {
        key < self.prefix || (self.start..self.stop).contains(&key)
    }

    /// How many keys are seen.
    #[must_use]
    pub fn count(&self) -> usize {
        self.prefix + self.stop.saturating_sub(self.start.max(self.prefix))
    }
}
