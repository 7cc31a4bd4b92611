//! Lengths: distances between objects, and sizes of one.

use glam::{DVec2, DVec3};
use plumb_geometry::Measure;

use super::TruthValue;
use super::case::{Case, Record};
use crate::gates::Reject;
use crate::pair::FactName;
use crate::scene_index::ObjectFacts;

/// A shortest distance counts as one along the view when this share of it is.
const ALONG_VIEW: f64 = 0.7;

impl<R: Record> Case<'_, '_, R> {
    /// The shortest distance between surfaces, recorded, and gated by what is seen of them.
    pub(super) fn surface(
        &mut self,
        a: &ObjectFacts,
        b: &ObjectFacts,
        name: FactName,
    ) -> Result<Measure, Reject> {
        self.sized(a)?;
        self.sized(b)?;
        let pair = self.pair(a, b)?;
        let (at_a, at_b) =
            if a.at < b.at { (pair.point_a, pair.point_b) } else { (pair.point_b, pair.point_a) };
        let (at_a, at_b) = (DVec3::from_array(at_a), DVec3::from_array(at_b));
        if self.gates.is_some() {
            let step = at_b - at_a;
            // The distance starts at the far side of the nearer object, which nobody has seen.
            let nearer = if step.y > 0.0 { a } else { b };
            if nearer.partial_depth && step.y.abs() > ALONG_VIEW * step.length() {
                return Err(Reject::PartialDepth);
            }
        }
        self.fact2(name, a, b, pair.distance);
        self.segment(at_a, at_b);
        Ok(pair.distance)
    }

    pub(super) fn distance(&mut self) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        let distance = self.surface(a, b, FactName::SurfaceDistance)?;
        if self.gates.is_some() && distance.value <= 0.0 {
            return Err(Reject::Touching);
        }
        self.length(distance)
    }

    pub(super) fn gap(&mut self) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        let gap = self.surface(a, b, FactName::Gap)?;
        self.free_between(a, b, gap)?;
        self.length(gap)
    }

    /// Gate: two objects are side by side with nothing between them.
    pub(super) fn free_between(&self, a: &ObjectFacts, b: &ObjectFacts, gap: Measure) -> Result<(), Reject> {
        let Some(gates) = self.gates else { return Ok(()) };
        if gap.value <= 0.0 {
            return Err(Reject::Touching);
        }
        let (left, right) = if a.centre.x < b.centre.x { (a, b) } else { (b, a) };
        // The space between: from face to face along x, and what both have in common along y and z.
        let low = a.min.max(b.min).with_x(left.max.x);
        let high = a.max.min(b.max).with_x(right.min.x);
        if !(low.x < high.x && low.y < high.y && low.z < high.z) {
            return Err(Reject::NotSideBySide);
        }
        // Rugs and table mats do not fill a space.
        let flat = self.metres(gates.min_vertical);
        let fills = |o: &ObjectFacts| {
            o.at != a.at
                && o.at != b.at
                && o.min.x < high.x
                && o.max.x > low.x
                && o.min.y < high.y
                && o.max.y > low.y
                && o.max.z.min(high.z) - o.min.z.max(low.z) > flat
        };
        if self.index.facts().iter().any(fills) { Err(Reject::Obstructed) } else { Ok(()) }
    }

    pub(super) fn vertical_distance(&mut self) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        self.sized(a)?;
        self.sized(b)?;
        let [z_a, z_b] = [a, b].map(|o| Measure::new(o.centre.z, o.centre_sigma.z));
        self.fact1(FactName::CentreHeight, a, z_a);
        self.fact1(FactName::CentreHeight, b, z_b);
        let difference = super::order::absolute(z_a.minus(z_b));
        self.fact2(FactName::VerticalDistance, a, b, difference);
        // An upright leg from A's centre to B's height.
        self.segment(a.centre, a.centre.with_z(b.centre.z));
        self.length(difference)
    }

    /// Between the centres: straight, or in plan.
    pub(super) fn centre_distance(&mut self, plan: bool) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        self.sized(a)?;
        self.sized(b)?;
        let distance = centre_distance(a, b, plan);
        self.fact2(
            if plan { FactName::HorizontalDistance } else { FactName::CentreDistance },
            a,
            b,
            distance,
        );
        self.segment(a.centre, if plan { b.centre.with_z(a.centre.z) } else { b.centre });
        self.length(distance)
    }

    pub(super) fn height(&mut self) -> Result<TruthValue, Reject> {
        let a = self.object(0)?;
        self.sized(a)?;
        self.fact1(FactName::Height, a, a.height);
        self.segment(a.centre.with_z(a.bottom.value), a.centre.with_z(a.top.value));
        self.length(a.height)
    }

    pub(super) fn width(&mut self) -> Result<TruthValue, Reject> {
        let a = self.object(0)?;
        self.sized(a)?;
        self.fact1(FactName::Width, a, a.width);
        self.segment(a.centre.with_x(a.min.x), a.centre.with_x(a.max.x));
        self.length(a.width)
    }

    pub(super) fn elevation(&mut self) -> Result<TruthValue, Reject> {
        self.grounded()?;
        let a = self.object(0)?;
        self.sized(a)?;
        self.fact1(FactName::Bottom, a, a.bottom);
        self.segment(a.centre.with_z(0.0), a.centre.with_z(a.bottom.value));
        self.length(a.bottom)
    }

    /// Height of A's top if it stood on B.
    pub(super) fn stack_height(&mut self) -> Result<TruthValue, Reject> {
        self.grounded()?;
        let [a, b] = self.objects2()?;
        self.sized(a)?;
        self.sized(b)?;
        self.fact1(FactName::Height, a, a.height);
        self.fact1(FactName::Top, b, b.top);
        let foot = b.centre.with_z(b.top.value);
        self.segment(b.centre.with_z(0.0), foot);
        self.segment(foot, foot + DVec3::Z * a.height.value);
        self.length(Measure::new(a.height.value + b.top.value, a.height.sigma.hypot(b.top.sigma)))
    }

    pub(super) fn grounded(&self) -> Result<(), Reject> {
        if self.index.scene().frame.grounded { Ok(()) } else { Err(Reject::NoGround) }
    }
}

/// Distance of two centres, with the errors along the line between them.
pub(super) fn centre_distance(a: &ObjectFacts, b: &ObjectFacts, plan: bool) -> Measure {
    let flatten = |v: DVec3| if plan { v.with_z(0.0) } else { v };
    let step = flatten(b.centre - a.centre);
    let value = step.length();
    let variance = flatten(a.centre_sigma * a.centre_sigma + b.centre_sigma * b.centre_sigma);
    let direction = if value > 0.0 { step / value } else { DVec3::splat(1.0) };
    Measure::new(value, (direction * direction).dot(variance).sqrt())
}

/// Standard deviation in plan of an object's centre across a direction of unit length.
pub(super) fn across(object: &ObjectFacts, direction: DVec2) -> f64 {
    (object.centre_sigma.x * direction.y).hypot(object.centre_sigma.y * direction.x)
}
