//! One question at one scene: its objects, its gates, and the doubt that its comparisons leave.

use glam::DVec3;
use plumb_geometry::Measure;
use plumb_scene::PairDistance;

use super::TruthValue;
use crate::gates::{Gates, Reject};
use crate::kind::Kind;
use crate::pair::{Fact, FactName, Proof, Question};
use crate::scene_index::{ObjectFacts, SceneIndex};

/// Most objects that a question may name: more cannot be said in a sentence.
const MOST_OBJECTS: usize = 16;

/// Where the proof goes: a [`Proof`], or `()` for nowhere.
pub(super) trait Record {
    fn fact(&mut self, name: FactName, objects: [u32; 2], measure: Measure);
    fn point(&mut self, point: DVec3);
}

impl Record for () {
    #[inline]
    fn fact(&mut self, _: FactName, _: [u32; 2], _: Measure) {}
    #[inline]
    fn point(&mut self, _: DVec3) {}
}

impl Record for Proof {
    fn fact(&mut self, name: FactName, objects: [u32; 2], measure: Measure) {
        self.facts.push(Fact { name, objects, value: measure.value, sigma: measure.sigma });
    }

    fn point(&mut self, point: DVec3) {
        self.points.push(point.to_array());
    }
}

pub(super) struct Case<'i, 'r, R> {
    pub(super) index: &'i SceneIndex<'i>,
    pub(super) question: &'i Question,
    /// None: whatever the geometry says.
    pub(super) gates: Option<&'i Gates>,
    record: &'r mut R,
    /// Sum of the probabilities that a comparison is wrong: a bound for one of them being so, however they depend on each other.
    doubt: f64,
}

impl<'i, 'r, R: Record> Case<'i, 'r, R> {
    /// # Errors
    /// For the wrong number of objects, the same one twice, and kinds that need gravity without it.
    pub(super) fn new(
        index: &'i SceneIndex<'_>,
        question: &'i Question,
        gates: Option<&'i Gates>,
        record: &'r mut R,
    ) -> Result<Self, Reject> {
        let kind = question.kind;
        let ids = question.objects.as_slice();
        let fits = match kind {
            Kind::OrdinalLeft | Kind::OrdinalNear | Kind::OrdinalTall => (3..=5).contains(&ids.len()),
            Kind::CountLeft => (3..=MOST_OBJECTS).contains(&ids.len()),
            Kind::Count | Kind::McCount => ids.len() <= MOST_OBJECTS,
            _ => ids.len() == kind.objects(),
        };
        if !fits {
            return Err(Reject::Malformed);
        }
        if (1..ids.len()).any(|i| ids[..i].contains(&ids[i])) {
            return Err(Reject::SameObject);
        }
        if kind.needs_gravity() && !index.gravity() {
            return Err(Reject::NoGravity);
        }
        Ok(Self { index, question, gates, record, doubt: 0.0 })
    }

    pub(super) fn kind(&self) -> Kind {
        self.question.kind
    }

    /// The object in a role.
    pub(super) fn object(&self, role: usize) -> Result<&'i ObjectFacts, Reject> {
        let id = *self.question.objects.get(role).ok_or(Reject::Malformed)?;
        let at = self.index.find(id).ok_or(Reject::UnknownObject)?;
        let facts = self.index.facts().get(at).ok_or(Reject::UnknownObject)?;
        if facts.sound { Ok(facts) } else { Err(Reject::BrokenGeometry) }
    }

    pub(super) fn objects2(&self) -> Result<[&'i ObjectFacts; 2], Reject> {
        Ok([self.object(0)?, self.object(1)?])
    }

    pub(super) fn pair(&self, a: &ObjectFacts, b: &ObjectFacts) -> Result<&'i PairDistance, Reject> {
        self.index.pair(a.at, b.at).ok_or(Reject::NoPair)
    }

    pub(super) fn fact1(&mut self, name: FactName, object: &ObjectFacts, measure: Measure) {
        self.record.fact(name, [object.id, 0], measure);
    }

    pub(super) fn fact2(&mut self, name: FactName, a: &ObjectFacts, b: &ObjectFacts, measure: Measure) {
        self.record.fact(name, [a.id, b.id], measure);
    }

    pub(super) fn bare_fact(&mut self, name: FactName, value: f64) {
        self.record.fact(name, [0, 0], Measure::exact(value));
    }

    pub(super) fn segment(&mut self, from: DVec3, to: DVec3) {
        self.record.point(from);
        self.record.point(to);
    }

    /// A floor in metres, or 0 where lengths are not metres.
    pub(super) fn metres(&self, floor: f64) -> f64 {
        if self.index.scene().metric { floor } else { 0.0 }
    }

    /// Whether `difference` is positive. With gates, it must exceed `floor` and its own uncertainty; without, it must not be 0.
    pub(super) fn decide(&mut self, difference: Measure, floor: f64) -> Result<bool, Reject> {
        let Measure { value, sigma } = difference;
        if !value.is_finite() || !sigma.is_finite() || floor.is_nan() {
            return Err(Reject::BrokenGeometry);
        }
        let size = value.abs();
        let margin = self.gates.map_or(0.0, |gates| floor.max(gates.sigmas * sigma).max(0.0));
        // Also false for gates that are not a number.
        let clear = size > margin && size > 0.0;
        if !clear {
            return Err(Reject::Unsure);
        }
        if sigma > 0.0 {
            self.doubt += normal_tail(size / sigma);
        }
        Ok(value > 0.0)
    }

    /// Whether the larger of two positive measures is the first, by a least ratio.
    pub(super) fn decide_ratio(
        &mut self,
        a: Measure,
        b: Measure,
        ratio: fn(&Gates) -> f64,
    ) -> Result<bool, Reject> {
        let least = a.value.min(b.value);
        let floor = match self.gates {
            // A ratio to nothing is no ratio.
            Some(_) if least <= 0.0 => return Err(Reject::TooSmall),
            Some(gates) => (ratio(gates) - 1.0) * least,
            None => 0.0,
        };
        self.decide(a.minus(b), floor)
    }

    /// The probability that all that was decided is right.
    pub(super) fn confidence(&self) -> Result<f64, Reject> {
        let confidence = (1.0 - self.doubt).max(0.0);
        match self.gates {
            Some(gates) if !at_least(confidence, gates.min_confidence) => Err(Reject::Unsure),
            _ => Ok(confidence),
        }
    }

    /// A length as an answer, with the error of scale.
    pub(super) fn length(&self, measure: Measure) -> Result<TruthValue, Reject> {
        let scene = self.index.scene();
        if !scene.metric {
            return Err(Reject::NotMetric);
        }
        let value = measure.value;
        let sigma = measure.sigma.hypot(scene.scale_sigma * value);
        if !value.is_finite() || !sigma.is_finite() {
            return Err(Reject::BrokenGeometry);
        }
        if let Some(gates) = self.gates {
            if !at_least(value, gates.min_length) {
                return Err(Reject::TooSmall);
            }
            if !at_least(gates.relative_max * value, sigma) {
                return Err(Reject::Unsure);
            }
        }
        Ok(TruthValue::Length(Measure::new(value, sigma)))
    }

    /// Gate: enough is seen of an object to say where it is.
    pub(super) fn placed(&self, object: &ObjectFacts) -> Result<(), Reject> {
        let Some(gates) = self.gates else { return Ok(()) };
        if object.pixels < gates.min_pixels {
            Err(Reject::TooSmall)
        } else if object.visible.is_some_and(|share| share < gates.min_visible) {
            Err(Reject::Occluded)
        } else if object.cut {
            Err(Reject::Truncated)
        } else {
            Ok(())
        }
    }

    /// Gate: enough is seen of an object to say how large it is, or where its surface ends.
    pub(super) fn sized(&self, object: &ObjectFacts) -> Result<(), Reject> {
        let Some(gates) = self.gates else { return Ok(()) };
        self.placed(object)?;
        let hidden = match object.visible {
            Some(share) if object.exact => share < gates.size_visible,
            _ => object.occluded,
        };
        if object.truncated {
            Err(Reject::Truncated)
        } else if hidden {
            Err(Reject::Occluded)
        } else {
            Ok(())
        }
    }
}

/// Not so for what is not a number: gates close on it.
pub(crate) fn at_least(value: f64, least: f64) -> bool {
    value >= least
}

/// Probability that a standard normal variable exceeds `x` ≥ 0.
///
/// Abramowitz and Stegun 26.2.17: off by less than 7.5e-8.
pub(crate) fn normal_tail(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    (density * series).clamp(0.0, 0.5)
}

#[cfg(test)]
mod tests {
    use super::normal_tail;

    #[test]
    fn the_normal_tail_has_its_tabled_values() {
        for (x, tail) in
            [(0.0, 0.5), (1.0, 0.158_655_254), (2.0, 0.022_750_132), (3.0, 0.001_349_898), (60.0, 0.0)]
        {
            assert!((normal_tail(x) - tail).abs() < 1e-7, "{x}");
        }
    }
}
