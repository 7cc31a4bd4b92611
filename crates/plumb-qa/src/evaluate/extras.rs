//! What goes beyond SpatialVLM: near and far, between, clock directions, fitting, and questions of several steps.

use glam::DVec2;
use plumb_geometry::Measure;

use super::TruthValue;
use super::case::{Case, Record, at_least};
use super::measure::{across, centre_distance};
use super::order::{Axis, absolute};
use crate::gates::Reject;
use crate::pair::{FactName, Side};
use crate::scene_index::ObjectFacts;

/// Surface distance over mean extent: below is "next to", above is "far" (OpenSpatial).
const NEXT_TO: f64 = 0.5;
const FAR: f64 = 2.0;

/// Between: along the segment, A is within these shares of its length, and off it by less than `OFF`.
const FROM: f64 = 0.15;
const TO: f64 = 0.85;
const OFF: f64 = 0.25;

impl<R: Record> Case<'_, '_, R> {
    pub(super) fn near_far(&mut self) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        let distance = self.surface(a, b, FactName::SurfaceDistance)?;
        if self.gates.is_some() && distance.value <= 0.0 {
            return Err(Reject::Touching);
        }
        let extent = Measure::new(
            f64::midpoint(a.extent.value, b.extent.value),
            a.extent.sigma.hypot(b.extent.sigma) / 2.0,
        );
        self.bare_fact(FactName::Ratio, distance.value / extent.value);
        // Back sides that are not seen make the extent too small, which can turn "near" into "far" but not the reverse.
        let lower_bound = a.partial_depth || b.partial_depth;
        let beyond = |factor: f64| distance.minus(Measure::new(factor * extent.value, factor * extent.sigma));
        if beyond(NEXT_TO).value < 0.0 {
            self.decide(beyond(NEXT_TO), 0.0)?;
            Ok(TruthValue::Side(Side::Near))
        } else if beyond(FAR).value > 0.0 {
            if self.gates.is_some() && lower_bound {
                return Err(Reject::PartialDepth);
            }
            self.decide(beyond(FAR), 0.0)?;
            Ok(TruthValue::Side(Side::Far))
        } else {
            Err(Reject::Unsure)
        }
    }

    /// Whether the first of two objects is the nearer to a third, by roles.
    pub(super) fn nearer(&mut self, pair: [usize; 2], to: usize) -> Result<bool, Reject> {
        let (a, b, c) = (self.object(pair[0])?, self.object(pair[1])?, self.object(to)?);
        let d_a = self.surface(c, a, FactName::SurfaceDistance)?;
        let d_b = self.surface(c, b, FactName::SurfaceDistance)?;
        let difference = d_b.minus(d_a);
        self.fact2(FactName::Difference, a, b, absolute(difference));
        let floor = self.gates.map_or(0.0, |gates| {
            ((gates.distance_ratio - 1.0) * d_a.value.min(d_b.value)).max(self.metres(gates.min_length))
        });
        let first = self.decide(difference, floor)?;
        if self.gates.is_some() {
            let (c_a, c_b) = (centre_distance(c, a, false).value, centre_distance(c, b, false).value);
            if (c_a < c_b) != first {
                return Err(Reject::Contradicts);
            }
        }
        Ok(first)
    }

    pub(super) fn between(&mut self) -> Result<TruthValue, Reject> {
        let (a, b, c) = (self.object(0)?, self.object(1)?, self.object(2)?);
        for object in [a, b, c] {
            self.placed(object)?;
        }
        let [p, q, r] = [a, b, c].map(|o| o.centre.truncate());
        let along = r - q;
        let length = along.length();
        if !at_least(length, f64::MIN_POSITIVE) {
            return Err(Reject::Unsure);
        }
        let direction = along / length;
        let t = (p - q).dot(direction) / length;
        let off = (p - q).perp_dot(direction).abs() / length;
        self.fact2(FactName::HorizontalDistance, b, c, centre_distance(b, c, true));
        self.fact2(FactName::HorizontalDistance, a, b, centre_distance(a, b, true));
        self.fact2(FactName::HorizontalDistance, a, c, centre_distance(a, c, true));
        self.bare_fact(FactName::Ratio, t);
        self.bare_fact(FactName::Ratio, off);
        self.segment(b.centre, c.centre);
        self.segment(a.centre, (q + along * t).extend(a.centre.z));
        // How far A is outside of the zone, in metres: negative inside.
        let outside = length * (FROM - t).max(t - TO).max(off - OFF);
        let plan_sigma = |o: &ObjectFacts| o.centre_sigma.x.max(o.centre_sigma.y);
        let sigma = plan_sigma(a).hypot(plan_sigma(b)).hypot(plan_sigma(c));
        let floor = self.gates.map_or(0.0, |gates| {
            (if outside < 0.0 { 0.05 } else { 0.15 } * length).max(self.metres(gates.min_lateral))
        });
        let no = self.decide(Measure::new(outside, sigma), floor)?;
        if let Some(gates) = self.gates {
            if length < self.metres(gates.min_horizontal) {
                return Err(Reject::TooSmall);
            }
            let over = a.min.z >= b.max.z.max(c.max.z) || a.max.z <= b.min.z.min(c.min.z);
            if !no && over {
                return Err(Reject::Overlap);
            }
        }
        Ok(TruthValue::YesNo(!no))
    }

    pub(super) fn clock(&mut self) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        self.placed(a)?;
        self.placed(b)?;
        let step = (a.centre - b.centre).truncate();
        let distance = centre_distance(a, b, true);
        if !at_least(distance.value, f64::MIN_POSITIVE) {
            return Err(Reject::Unsure);
        }
        let direction: DVec2 = step / distance.value;
        let bearing = step.x.atan2(step.y).to_degrees().rem_euclid(360.0);
        let sigma = (across(a, direction).hypot(across(b, direction)) / distance.value).to_degrees();
        self.fact2(FactName::HorizontalDistance, a, b, distance);
        self.fact2(FactName::Bearing, a, b, Measure::new(bearing, sigma));
        self.segment(b.centre, a.centre);
        let hour = (bearing / 30.0).round();
        let to_edge = 15.0 - (bearing - 30.0 * hour).abs();
        if let Some(gates) = self.gates {
            if distance.value < self.metres(gates.min_horizontal) {
                return Err(Reject::TooSmall);
            }
            if !at_least(to_edge, gates.clock_margin + gates.sigmas * sigma) {
                return Err(Reject::Unsure);
            }
        }
        self.decide(Measure::new(to_edge, sigma), 0.0)?;
        // Of 0 to 12, exactly.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let hour = hour as u8 % 12;
        Ok(TruthValue::Clock(if hour == 0 { 12 } else { hour }))
    }

    pub(super) fn fits_between(&mut self) -> Result<TruthValue, Reject> {
        let (a, b, c) = (self.object(0)?, self.object(1)?, self.object(2)?);
        self.sized(a)?;
        self.fact1(FactName::Width, a, a.width);
        let gap = self.surface(b, c, FactName::Gap)?;
        self.free_between(b, c, gap)?;
        let spare = gap.minus(a.width);
        self.fact2(FactName::Difference, b, c, spare);
        let fits = self.decide_fit(spare, a.width.value)?;
        if let Some(gates) = self.gates {
            // Who turns it in mind must come to the same answer.
            let spare = gap.value - a.minor;
            let clear =
                spare.abs() > gates.fit_share * a.minor + gates.sigmas * gap.sigma.hypot(a.width.sigma);
            if (spare > 0.0) != fits || !clear {
                return Err(Reject::Contradicts);
            }
        }
        Ok(TruthValue::YesNo(fits))
    }

    pub(super) fn fits_under(&mut self) -> Result<TruthValue, Reject> {
        self.grounded()?;
        let [a, b] = self.objects2()?;
        self.sized(a)?;
        self.sized(b)?;
        self.fact1(FactName::Height, a, a.height);
        self.fact1(FactName::Top, b, b.top);
        let spare = b.top.minus(a.height);
        self.fact2(FactName::Difference, a, b, spare);
        self.segment(a.centre.with_z(a.bottom.value), a.centre.with_z(a.top.value));
        self.segment(b.centre.with_z(0.0), b.centre.with_z(b.top.value));
        self.decide_fit(spare, a.height.value).map(TruthValue::YesNo)
    }

    fn decide_fit(&mut self, spare: Measure, size: f64) -> Result<bool, Reject> {
        // The share comes on top of the uncertainty, since both can go against the answer.
        let floor = self.gates.map_or(0.0, |gates| gates.fit_share * size + gates.sigmas * spare.sigma);
        self.decide(spare, floor)
    }

    pub(super) fn count_left(&mut self) -> Result<TruthValue, Reject> {
        let a = self.object(0)?;
        let mut count = 0;
        for role in 1..self.question.objects.len() {
            let candidate = self.object(role)?;
            count += u32::from(self.compare(Axis::Lateral, candidate, a)?.first);
        }
        self.bare_fact(FactName::Count, f64::from(count));
        Ok(TruthValue::Count(count))
    }

    pub(super) fn taller_of_nearer(&mut self) -> Result<TruthValue, Reject> {
        let (a, b, c) = (self.object(0)?, self.object(1)?, self.object(2)?);
        for nearer in [b, c] {
            if !self.compare(Axis::Depth, nearer, a)?.first {
                return Err(Reject::FalsePremise);
            }
        }
        let first = self.compare(Axis::Tall, b, c)?.first;
        Ok(TruthValue::Object(if first { 1 } else { 2 }))
    }
}
