//! How fast the window is: the time to its first picture, and what each frame costs.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Frames whose cost is kept: a minute at 60 a second.
const KEPT: usize = 3600;

/// A measurement that ends the window by itself.
#[derive(Clone, Debug)]
pub struct Measure {
    /// When the program began.
    pub began: Instant,
    /// How long it goes on after the first picture.
    pub lasts: Duration,
    /// Where the figures go, as JSON.
    pub out: PathBuf,
}

/// What was measured. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// From the program's begin until the first picture was handed over to be shown.
    pub first_frame_ms: f64,
    pub frames: usize,
    /// Of one frame: the panes, their shapes and handing them to the graphics card. Waiting for the screen is not in it.
    pub frame_p50_ms: f64,
    pub frame_p95_ms: f64,
    pub frame_max_ms: f64,
    /// Resident memory of the process at the end, in MiB, where the system tells.
    pub resident_mib: Option<f64>,
}

/// Counts frames.
#[derive(Default)]
pub(crate) struct Meter {
    first: Option<Instant>,
    /// Seconds.
    costs: VecDeque<f32>,
    pub(crate) measure: Option<Measure>,
}

impl Meter {
    /// Hears what the frame before this one cost, in seconds; none before the first.
    pub(crate) fn hear(&mut self, cost: Option<f32>) {
        let Some(cost) = cost.filter(|cost| cost.is_finite()) else { return };
        self.first.get_or_insert_with(Instant::now);
        if self.costs.len() == KEPT {
            self.costs.pop_front();
        }
        self.costs.push_back(cost);
    }

    /// The cost that `share` of the frames stay within, in milliseconds; 0 before the first.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let mut costs: Vec<f32> = self.costs.iter().copied().collect();
        costs.sort_unstable_by(f32::total_cmp);
        let rank = (share * costs.len() as f64).ceil() as usize;
        costs.get(rank.saturating_sub(1)).map_or(0.0, |cost| f64::from(*cost) * 1e3)
    }

    /// The figures, once the measurement is over.
    pub(crate) fn over(&mut self) -> Option<(Figures, PathBuf)> {
        let (first, measure) = (self.first?, self.measure.as_ref()?);
        if first.elapsed() < measure.lasts {
            return None;
        }
        let figures = Figures {
            first_frame_ms: first.duration_since(measure.began).as_secs_f64() * 1e3,
            frames: self.costs.len(),
            frame_p50_ms: self.quantile_ms(0.5),
            frame_p95_ms: self.quantile_ms(0.95),
            frame_max_ms: self.quantile_ms(1.0),
            resident_mib: plumb_engine::resident_bytes().map(|bytes| bytes as f64 / f64::from(1 << 20)),
        };
        self.measure.take().map(|measure| (figures, measure.out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_last_frames() {
        let mut meter = Meter::default();
        assert_eq!(meter.quantile_ms(0.95), 0.0);
        meter.hear(None);
        meter.hear(Some(f32::NAN));
        (0..KEPT).for_each(|_| meter.hear(Some(1.0)));
        (1..=KEPT).for_each(|i| meter.hear(Some(i as f32 / KEPT as f32 / 1e3)));
        assert!((meter.quantile_ms(0.95) - 0.95).abs() < 1e-3);
        assert!((meter.quantile_ms(1.0) - 1.0).abs() < 1e-6);
        assert!((meter.quantile_ms(0.0) - 1.0 / KEPT as f64).abs() < 1e-6);
    }

    #[test]
    fn a_measurement_ends_once() {
        let mut meter = Meter::default();
        let began = Instant::now();
        meter.measure = Some(Measure { began, lasts: Duration::ZERO, out: "x.json".into() });
        assert!(meter.over().is_none(), "nothing was shown yet");
        meter.hear(Some(0.002));
        let (figures, out) = meter.over().unwrap();
        assert_eq!((figures.frames, out), (1, PathBuf::from("x.json")));
        assert!((figures.frame_p95_ms - 2.0).abs() < 1e-3 && figures.first_frame_ms >= 0.0);
        assert!(meter.over().is_none());
    }
}
