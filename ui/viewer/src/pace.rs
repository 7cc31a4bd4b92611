//! How many points a frame may have: measured on the device, steered towards the time a frame may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use web_time::Instant;

/// Points of the first frame, before anything was measured.
const FIRST: u32 = 1_000_000;
/// Fewer points than this are not recognisable, and hardly faster.
const LEAST: u32 = 250_000;
const MOST: u32 = 64_000_000;
/// A frame that takes longer than this to come back is not waited for any more.
const STALE_SECONDS: f32 = 5.0;

/// A submitted frame that has not come back.
struct InFlight {
    start: Instant,
    done: Arc<AtomicBool>,
    points: u32,
}

/// Points per frame and the frame under way.
pub(crate) struct Pace {
    budget: u32,
    in_flight: Option<InFlight>,
    /// Milliseconds of the last frame that came back; 0 before the first.
    pub(crate) frame_ms: f32,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { budget: FIRST, in_flight: None, frame_ms: 0.0 }
    }

    /// Points the next frame may draw.
    pub(crate) const fn budget(&self) -> u32 {
        self.budget
    }

    /// Watches a frame that is about to be submitted; call [`Submitted::watch`] right after.
    pub(crate) fn start(&mut self, points: u32) -> Submitted {
        let done = Arc::new(AtomicBool::new(false));
        self.in_flight = Some(InFlight { start: Instant::now(), done: Arc::clone(&done), points });
        Submitted(done)
    }

    /// True while a frame is under way; learns from one that came back.
    pub(crate) fn is_busy(&mut self, target_ms: f32) -> bool {
        let Some(frame) = &self.in_flight else { return false };
        let seconds = frame.start.elapsed().as_secs_f32();
        if frame.done.load(Ordering::Acquire) {
            let points = frame.points;
            self.in_flight = None;
            self.learn(points, seconds * 1e3, target_ms);
            return false;
        }
        if seconds > STALE_SECONDS {
            self.in_flight = None;
            return false;
        }
        true
    }

    fn learn(&mut self, points: u32, took_ms: f32, target_ms: f32) {
        self.frame_ms = took_ms;
        let target = if target_ms.is_finite() { target_ms.clamp(4.0, 1000.0) } else { 40.0 };
        let ratio = (target / took_ms.max(0.1)).clamp(0.5, 1.5);
        // Frames that used a part of the budget say nothing about a larger one, but much about a smaller one.
        let full = u64::from(points) * 10 >= u64::from(self.budget) * 9;
        if full && !(0.9..=1.1).contains(&ratio) {
            // Half the way each time: one slow frame (a compile, another program) must not cut the picture to bits.
            let wanted = self.budget as f32 * (1.0 + (ratio - 1.0) * 0.5);
            self.budget = (wanted as u32).clamp(LEAST, MOST);
        }
    }
}

/// The mark that a frame sets when it is done.
pub(crate) struct Submitted(Arc<AtomicBool>);

impl Submitted {
    pub(crate) fn watch(self, queue: &wgpu::Queue) {
        queue.on_submitted_work_done(move || self.0.store(true, Ordering::Release));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_settles_where_frames_take_their_time() {
        // A device of 20 ns a point and 5 ms for the rest.
        let mut pace = Pace::new();
        for _ in 0..60 {
            let took = pace.budget() as f32 * 20e-6 + 5.0;
            pace.learn(pace.budget(), took, 40.0);
        }
        let expected = (40.0 - 5.0) / 20e-6;
        assert!((pace.budget() as f32 / expected - 1.0).abs() < 0.15, "{}", pace.budget());
        // A slow device ends at the least, a short frame changes nothing.
        for _ in 0..60 {
            pace.learn(pace.budget(), 900.0, f32::NAN);
        }
        assert_eq!(pace.budget(), LEAST);
        pace.learn(10, 1.0, 40.0);
        assert_eq!(pace.budget(), LEAST);
    }

    #[test]
    fn a_frame_is_under_way_until_it_says_so() {
        let mut pace = Pace::new();
        assert!(!pace.is_busy(40.0));
        let Submitted(done) = pace.start(5);
        assert!(pace.is_busy(40.0));
        done.store(true, Ordering::Release);
        assert!(!pace.is_busy(40.0) && pace.frame_ms > 0.0);
    }
}
