//! Comparisons along one axis, and the question shapes that are made of them.

use plumb_geometry::Measure;

use super::TruthValue;
use super::case::{Case, Record};
use crate::gates::{Gates, Reject};
use crate::pair::{FactName, Side};
use crate::scene_index::ObjectFacts;

/// What is compared. "First" is left, front, higher, taller, wider, bigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Lateral,
    Depth,
    /// Height of the centre.
    Centre,
    Top,
    Bottom,
    Tall,
    Wide,
    Volume,
}

/// A decided comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Whether the first object is the one that is more to the left, to the front, …
    pub(super) first: bool,
    /// Of the quantities compared, always positive.
    pub(super) difference: Measure,
}

impl<R: Record> Case<'_, '_, R> {
    pub(super) fn predicate(&mut self, axis: Axis, first: bool) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        Ok(TruthValue::YesNo(self.compare(axis, a, b)?.first == first))
    }

    pub(super) fn choice(&mut self, axis: Axis, first: bool) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        Ok(TruthValue::Object(u8::from(self.compare(axis, a, b)?.first != first)))
    }

    pub(super) fn classify(&mut self, axis: Axis, first: Side, second: Side) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        Ok(TruthValue::Side(if self.compare(axis, a, b)?.first { first } else { second }))
    }

    /// By how much, given the direction.
    pub(super) fn difference(&mut self, axis: Axis, first: bool) -> Result<TruthValue, Reject> {
        let [a, b] = self.objects2()?;
        // The centre of what is not seen whole may be elsewhere: which side it is on survives that, by how much does not.
        self.sized(a)?;
        self.sized(b)?;
        let order = self.compare(axis, a, b)?;
        if order.first != first {
            return Err(Reject::FalsePremise);
        }
        self.length(order.difference)
    }

    /// Whether the object in role `upper` is wholly above that in role `lower`.
    pub(super) fn strictly_above(&mut self, upper: usize, lower: usize) -> Result<TruthValue, Reject> {
        let (a, b) = (self.object(upper)?, self.object(lower)?);
        self.sized(a)?;
        self.sized(b)?;
        self.fact1(FactName::Bottom, a, a.bottom);
        self.fact1(FactName::Top, b, b.top);
        let gap = a.bottom.minus(b.top);
        self.fact2(FactName::Difference, a, b, gap);
        self.segment(a.centre.with_z(a.bottom.value), b.centre.with_z(b.top.value));
        let floor = self.gates.map_or(0.0, |gates| self.metres(gates.min_vertical));
        let yes = self.decide(gap, floor)?;
        if !yes && let Some(gates) = self.gates {
            // A cup on a table is not strictly above it, yet nobody would say "no": so "no" needs a reason of its own.
            let clear = |m: Measure| m.value > floor.max(gates.sigmas * m.sigma);
            let beneath = clear(b.bottom.minus(a.top));
            let feet = a.bottom.minus(b.bottom);
            let level = feet.value.abs() + gates.sigmas * feet.sigma <= 2.0 * gates.min_vertical;
            let overlap =
                if a.top.value < b.top.value { a.top.minus(b.bottom) } else { b.top.minus(a.bottom) };
            if !(beneath || (level && self.index.scene().metric && clear(overlap))) {
                return Err(Reject::Overlap);
            }
        }
        Ok(TruthValue::YesNo(yes))
    }

    /// The n-th of the listed objects.
    pub(super) fn ordinal(&mut self, axis: Axis) -> Result<TruthValue, Reject> {
        let count = self.question.objects.len();
        let rank = usize::from(self.question.rank);
        if !(1..=count).contains(&rank) {
            return Err(Reject::Malformed);
        }
        let mut order: Vec<(f64, usize)> = Vec::with_capacity(count);
        for role in 0..count {
            let object = self.object(role)?;
            let key = match axis {
                Axis::Lateral => object.centre.x,
                Axis::Depth => object.median,
                _ => -object.height.value,
            };
            order.push((key, role));
        }
        order.sort_unstable_by(|p, q| p.0.total_cmp(&q.0).then(p.1.cmp(&q.1)));
        let chosen = order.get(rank - 1).ok_or(Reject::Malformed)?.1;
        // Only the chosen one must be told from all others; how those are ordered among themselves does not matter.
        for (place, &(_, role)) in order.iter().enumerate() {
            if role != chosen {
                let (chosen, other) = (self.object(chosen)?, self.object(role)?);
                if self.compare(axis, chosen, other)?.first != (place > rank - 1) {
                    return Err(Reject::Contradicts);
                }
            }
        }
        Ok(TruthValue::Object(u8::try_from(chosen).map_err(|_| Reject::Malformed)?))
    }

    pub(super) fn compare(&mut self, axis: Axis, a: &ObjectFacts, b: &ObjectFacts) -> Result<Order, Reject> {
        match axis {
            Axis::Lateral => self.lateral(a, b),
            Axis::Depth => self.depth(a, b),
            Axis::Centre => self.higher(a, b),
            Axis::Top => self.level(a, b, FactName::Top, [a.top, b.top]),
            Axis::Bottom => self.level(a, b, FactName::Bottom, [a.bottom, b.bottom]),
            Axis::Tall => {
                self.segment(a.centre.with_z(a.bottom.value), a.centre.with_z(a.top.value));
                self.segment(b.centre.with_z(b.bottom.value), b.centre.with_z(b.top.value));
                self.extent(a, b, FactName::Height, [a.height, b.height], |gates| gates.extent_ratio)
            }
            Axis::Wide => {
                self.segment(a.centre.with_x(a.min.x), a.centre.with_x(a.max.x));
                self.segment(b.centre.with_x(b.min.x), b.centre.with_x(b.max.x));
                self.extent(a, b, FactName::Width, [a.width, b.width], |gates| gates.extent_ratio)
            }
            Axis::Volume => self.volume(a, b),
        }
    }

    fn lateral(&mut self, a: &ObjectFacts, b: &ObjectFacts) -> Result<Order, Reject> {
        self.placed(a)?;
        self.placed(b)?;
        let [x_a, x_b] = [a, b].map(|o| Measure::new(o.centre.x, o.centre_sigma.x));
        self.fact1(FactName::Lateral, a, x_a);
        self.fact1(FactName::Lateral, b, x_b);
        let difference = x_b.minus(x_a);
        self.fact2(FactName::Difference, a, b, absolute(difference));
        self.segment(a.centre, b.centre);
        let floor = self.gates.map_or(0.0, |gates| {
            self.metres(gates.min_lateral).max(gates.depth_share * a.median.max(b.median))
        });
        let first = self.decide(difference, floor)?;
        if let Some(gates) = self.gates {
            let offset = b.pixel[0] - a.pixel[0];
            if offset.abs() < gates.pixel_margin * self.index.image()[0] || (offset > 0.0) != first {
                return Err(Reject::Disagrees2d);
            }
            let within =
                |o: &ObjectFacts, other: &ObjectFacts| (other.min.x..=other.max.x).contains(&o.centre.x);
            if within(a, b) || within(b, a) {
                return Err(Reject::Overlap);
            }
        }
        Ok(Order { first, difference: absolute(difference) })
    }

    fn depth(&mut self, a: &ObjectFacts, b: &ObjectFacts) -> Result<Order, Reject> {
        self.placed(a)?;
        self.placed(b)?;
        let apart = a.far < b.near || b.far < a.near;
        let (name, [z_a, z_b]) = if apart {
            (FactName::NearDepth, [a, b].map(|o| Measure::new(o.near, o.depth_sigma)))
        } else {
            (FactName::MedianDepth, [a, b].map(|o| Measure::new(o.median, o.depth_sigma)))
        };
        self.fact1(name, a, z_a);
        self.fact1(name, b, z_b);
        let difference = z_b.minus(z_a);
        self.fact2(FactName::Difference, a, b, absolute(difference));
        self.segment(a.centre, b.centre);
        let floor = self.gates.map_or(0.0, |gates| {
            let floor = self.metres(gates.min_depth).max(gates.depth_share * z_a.value.max(z_b.value));
            if apart { floor } else { floor.max(gates.depth_overlap * (a.far - a.near).max(b.far - b.near)) }
        });
        let first = self.decide(difference, floor)?;
        if self.gates.is_some() {
            let ordered = |p: f64, q: f64| if first { p <= q } else { p >= q };
            if !(ordered(a.near, b.near) && ordered(a.far, b.far)) {
                return Err(Reject::Overlap);
            }
            if !ordered(a.range, b.range) {
                return Err(Reject::Contradicts);
            }
        }
        Ok(Order { first, difference: absolute(difference) })
    }

    /// By the centres.
    fn higher(&mut self, a: &ObjectFacts, b: &ObjectFacts) -> Result<Order, Reject> {
        self.sized(a)?;
        self.sized(b)?;
        let [z_a, z_b] = [a, b].map(|o| Measure::new(o.centre.z, o.centre_sigma.z));
        self.fact1(FactName::CentreHeight, a, z_a);
        self.fact1(FactName::CentreHeight, b, z_b);
        let difference = z_a.minus(z_b);
        self.fact2(FactName::Difference, a, b, absolute(difference));
        self.segment(a.centre, b.centre);
        let floor = self.vertical_floor(a, b);
        let first = self.decide(difference, floor)?;
        if let Some(gates) = self.gates {
            // A tall thing beside a low one is not "higher up": the whole of it must be.
            let sign = if first { 1.0 } else { -1.0 };
            let clear = |m: Measure| sign * m.value > floor.max(gates.sigmas * m.sigma);
            if !(clear(a.top.minus(b.top)) && clear(a.bottom.minus(b.bottom))) {
                return Err(Reject::Overlap);
            }
        }
        Ok(Order { first, difference: absolute(difference) })
    }

    /// By tops or by bottoms.
    fn level(
        &mut self,
        a: &ObjectFacts,
        b: &ObjectFacts,
        name: FactName,
        [z_a, z_b]: [Measure; 2],
    ) -> Result<Order, Reject> {
        self.sized(a)?;
        self.sized(b)?;
        self.fact1(name, a, z_a);
        self.fact1(name, b, z_b);
        let difference = z_a.minus(z_b);
        self.fact2(FactName::Difference, a, b, absolute(difference));
        self.segment(a.centre.with_z(z_a.value), b.centre.with_z(z_b.value));
        let floor = self.vertical_floor(a, b);
        let first = self.decide(difference, floor)?;
        Ok(Order { first, difference: absolute(difference) })
    }

    fn vertical_floor(&self, a: &ObjectFacts, b: &ObjectFacts) -> f64 {
        self.gates.map_or(0.0, |gates| {
            self.metres(gates.min_vertical).max(gates.depth_share * a.median.min(b.median) / 2.0)
        })
    }

    fn extent(
        &mut self,
        a: &ObjectFacts,
        b: &ObjectFacts,
        name: FactName,
        [e_a, e_b]: [Measure; 2],
        ratio: fn(&Gates) -> f64,
    ) -> Result<Order, Reject> {
        self.sized(a)?;
        self.sized(b)?;
        self.fact1(name, a, e_a);
        self.fact1(name, b, e_b);
        let difference = e_a.minus(e_b);
        self.fact2(FactName::Difference, a, b, absolute(difference));
        let first = self.decide_ratio(e_a, e_b, ratio)?;
        Ok(Order { first, difference: absolute(difference) })
    }

    fn volume(&mut self, a: &ObjectFacts, b: &ObjectFacts) -> Result<Order, Reject> {
        if self.gates.is_some() && (a.partial_depth || b.partial_depth) {
            return Err(Reject::PartialDepth);
        }
        self.segment(a.min, a.max);
        self.segment(b.min, b.max);
        let order = self.extent(a, b, FactName::Volume, [a.volume, b.volume], |gates| gates.volume_ratio)?;
        if self.gates.is_some() && (a.aabb_volume > b.aabb_volume) != order.first {
            return Err(Reject::Contradicts);
        }
        Ok(order)
    }
}

pub(super) fn absolute(measure: Measure) -> Measure {
    Measure::new(measure.value.abs(), measure.sigma)
}
