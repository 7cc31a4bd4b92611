//! Counting, and CV-Bench's four multiple-choice forms.

use plumb_geometry::Measure;

use super::TruthValue;
use super::case::{Case, Record, at_least};
use super::measure::centre_distance;
use super::order::Axis;
use crate::gates::Reject;
use crate::pair::{FactName, Side};

impl<R: Record> Case<'_, '_, R> {
    pub(super) fn count(&mut self) -> Result<u32, Reject> {
        let category = self.question.category.as_str();
        if category.is_empty() {
            return Err(Reject::Malformed);
        }
        let scene = self.index.scene();
        if !scene.exhaustive {
            return Err(Reject::NotExhaustive);
        }
        for &id in &self.question.objects {
            self.index.find(id).ok_or(Reject::UnknownObject)?;
        }
        let mut count = 0;
        for (object, facts) in scene.objects.iter().zip(self.index.facts()) {
            if object.name != category {
                continue;
            }
            if let Some(gates) = self.gates {
                // One that cannot be made out makes any number wrong to somebody. Cut off by the border is no harm.
                if object.pixels < gates.min_pixels {
                    return Err(Reject::TooSmall);
                }
                if facts.visible.is_some_and(|share| share < gates.min_visible) {
                    return Err(Reject::Occluded);
                }
            }
            count += 1;
        }
        // A list is complete for the categories that it names; of another kind there may be any number.
        if count == 0 {
            return Err(Reject::NotExhaustive);
        }
        self.bare_fact(FactName::Count, f64::from(count));
        Ok(count)
    }

    /// The options are whole numbers, each once.
    pub(super) fn mc_count(&mut self) -> Result<TruthValue, Reject> {
        let count = self.count()?;
        let mut found = None;
        let mut seen = Vec::with_capacity(self.question.options.len());
        for (at, option) in self.question.options.iter().enumerate() {
            let number: u32 = option.trim().parse().map_err(|_| Reject::Malformed)?;
            if seen.contains(&number) {
                return Err(Reject::Malformed);
            }
            seen.push(number);
            if number == count {
                found = u8::try_from(at).ok();
            }
        }
        found.map(TruthValue::Option).ok_or(Reject::Malformed)
    }

    /// The options are `left` and `right`, or `above` and `below`, in either order.
    pub(super) fn mc_relation(&mut self) -> Result<TruthValue, Reject> {
        let [first, second] = self.question.options.as_slice() else { return Err(Reject::Malformed) };
        let sides = (side(first).ok_or(Reject::Malformed)?, side(second).ok_or(Reject::Malformed)?);
        let sideways = match sides {
            (Side::Left, Side::Right) | (Side::Right, Side::Left) => true,
            (Side::Above, Side::Below) | (Side::Below, Side::Above) => false,
            _ => return Err(Reject::Malformed),
        };
        let [a, b] = self.objects2()?;
        self.placed(a)?;
        self.placed(b)?;
        let (name, axis) = if sideways { (FactName::PixelX, 0) } else { (FactName::PixelY, 1) };
        self.fact1(name, a, Measure::exact(a.pixel[axis]));
        self.fact1(name, b, Measure::exact(b.pixel[axis]));
        self.segment(a.centre, b.centre);
        let offset = [b.pixel[0] - a.pixel[0], b.pixel[1] - a.pixel[1]];
        let floor = self.gates.map_or(0.0, |gates| {
            // A quarter of the larger one: nearer than that, centres of mass decide what nobody sees.
            (gates.pixel_margin * self.index.image()[axis])
                .max(gates.picture_ratio * offset[1 - axis].abs())
                .max(a.rect_size[axis].max(b.rect_size[axis]) / 4.0)
        });
        let low = self.decide(Measure::exact(offset[axis]), floor)?;
        let answer = match (sideways, low) {
            (true, true) => Side::Left,
            (true, false) => Side::Right,
            (false, true) => Side::Above,
            (false, false) => Side::Below,
        };
        if sideways && self.gates.is_some() {
            let step = Measure::new(b.centre.x - a.centre.x, a.centre_sigma.x.hypot(b.centre_sigma.x));
            if self.decide(step, 0.0)? != low {
                return Err(Reject::Disagrees2d);
            }
        }
        Ok(TruthValue::Option(u8::from(sides.0 != answer)))
    }

    pub(super) fn mc_depth(&mut self) -> Result<TruthValue, Reject> {
        self.two_or_no_options()?;
        let [a, b] = self.objects2()?;
        if self.gates.is_some() && !(a.far < b.near || b.far < a.near) {
            return Err(Reject::Overlap);
        }
        Ok(TruthValue::Option(u8::from(!self.compare(Axis::Depth, a, b)?.first)))
    }

    pub(super) fn mc_distance(&mut self) -> Result<TruthValue, Reject> {
        self.two_or_no_options()?;
        let first = self.nearer([1, 2], 0)?;
        if let Some(gates) = self.gates {
            // CV-Bench's truth is by the centres of boxes: those must be as far from a tie as the surfaces.
            let (to, a, b) = (self.object(0)?, self.object(1)?, self.object(2)?);
            let [d_a, d_b] = [a, b].map(|o| centre_distance(to, o, false));
            let difference = d_b.minus(d_a);
            let floor = (gates.distance_ratio - 1.0) * d_a.value.min(d_b.value);
            if !at_least(difference.value.abs(), floor.max(gates.sigmas * difference.sigma)) {
                return Err(Reject::Unsure);
            }
        }
        Ok(TruthValue::Option(u8::from(!first)))
    }

    fn two_or_no_options(&self) -> Result<(), Reject> {
        match self.question.options.len() {
            0 | 2 => Ok(()),
            _ => Err(Reject::Malformed),
        }
    }
}

/// The direction that an option names.
fn side(option: &str) -> Option<Side> {
    let option = option.trim();
    [("left", Side::Left), ("right", Side::Right), ("above", Side::Above), ("below", Side::Below)]
        .into_iter()
        .find(|(word, _)| option.eq_ignore_ascii_case(word))
        .map(|(_, side)| side)
}
