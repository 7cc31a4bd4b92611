use serde::{Deserialize, Serialize};

/// A quantity and its standard deviation, in the same unit (metres unless said otherwise).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub value: f64,
    pub sigma: f64,
}

impl Measure {
    #[must_use]
    pub const fn new(value: f64, sigma: f64) -> Self {
        Self { value, sigma }
    }

    /// A quantity known exactly.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self { value, sigma: 0.0 }
    }

    /// Difference of two independent quantities.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { value: self.value - other.value, sigma: self.sigma.hypot(other.sigma) }
    }

    /// Standard deviation as a share of the value; infinite for 0.
    #[must_use]
    pub fn relative(self) -> f64 {
        if self.sigma == 0.0 { 0.0 } else { self.sigma / self.value.abs() }
    }
}
