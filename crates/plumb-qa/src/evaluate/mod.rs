//! What the geometry answers.
//!
//! Definitions. All in the scene frame of [`plumb_geometry::SceneFrame`] (x right, y forward, z up if gravity is known); boxes are those along its axes.
//! "Truth" is the sign or the value; "asked" says what [`evaluate`] demands beyond it. Every difference asked about exceeds
//! [`Gates::sigmas`] standard deviations and a floor.
//!
//! | of | truth | asked when also |
//! |---|---|---|
//! | left, right | x of the centres | the centres in the picture agree, and neither centre is within the other's x-range |
//! | front, behind | depth along the optical axis: of the nearest surfaces (5th percentile) if the ranges do not overlap, else of the medians (the order is always that of the medians) | ranges are not nested; straight distance from the camera does not contradict |
//! | above, below (yes/no) | strict: lowest point of the one above the highest of the other | "no" only if the other is strictly above, or both stand equally high and their ranges overlap |
//! | above, below (which, classify) | z of the centres | tops and bottoms are in the same order |
//! | above, below (how much) | top to top; bottom to bottom | |
//! | tall, wide | extent along z; along x | ratio |
//! | big | volume of the turned box | ratio; same by the other box; no back unseen |
//! | distance | shortest between surfaces | > 0; the nearer object's back is seen if the distance starts there |
//! | gap | the same | boxes are apart along x, overlap along y and z, and nothing is between them |
//! | next to, far | surface distance over the mean side of both: < 0.5, > 2; undecided between | not touching |
//! | nearer, farther | surface distances | ratio; centre distances agree |
//! | between | in plan, A's foot on the segment BC is within 15–85 % of it and A is off it by < 25 % of its length | 5 % (yes) or 15 % (no) of the length to spare; for yes its heights overlap theirs |
//! | clock | bearing of A from B in plan, 12 = away from the viewer, clockwise from above, 30° an hour | 0.3 m apart, 5° and its error from an edge |
//! | fits between | extent of A along x < surface distance of B and C | as gap; same for A's smaller horizontal side |
//! | fits under | height of A < top of B above ground | |
//! | elevation, stack | lowest point above ground; top of B plus height of A | |
//! | count | objects whose name is the category, if the scene lists every one; 0 is not known | each is seen well enough |
//! | picture (multiple choice) | centres of mass in the picture | the offset is twice the other axis's; for left/right the space agrees |
//! | McDepth, McDistance | as front, nearer | depth ranges do not overlap |
//!
//! Places need 30 % of the object visible and its centre in the picture; sizes, tops, bottoms and distances need all of it in the picture, and
//! (not exact) nothing before it or (exact) 65 % visible. Option *i* of McDepth and McDistance is the *i*-th of the compared objects.

mod case;
mod extras;
mod measure;
mod order;
mod picture;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use plumb_geometry::Measure;

use crate::gates::{Gates, Reject};
use crate::kind::Kind;
use crate::pair::{Proof, Question, Side};
use crate::scene_index::SceneIndex;
use case::Case;
use order::Axis;

/// An answer that follows from the geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub answer: TruthValue,
    pub proof: Proof,
    /// Probability that the qualitative part is right if errors are normal; 1 for exact scenes.
    pub confidence: f64,
}

/// The answer without words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TruthValue {
    YesNo(bool),
    /// Index into [`Question::objects`].
    Object(u8),
    Side(Side),
    /// Metres, with the shared error of scale in `sigma`.
    Length(Measure),
    Count(u32),
    /// 1 to 12.
    Clock(u8),
    /// Index into [`Question::options`]; without options given, that of the compared object.
    Option(u8),
}

/// The answer to a question that may be asked.
///
/// # Errors
/// The first gate that the question fails.
pub fn evaluate(index: &SceneIndex<'_>, question: &Question, gates: &Gates) -> Result<Truth, Reject> {
    let mut proof = Proof::default();
    let (answer, confidence) = run(index, question, Some(gates), &mut proof)?;
    Ok(Truth { answer, proof, confidence })
}

/// [`evaluate`] without the proof: answer and confidence. Only ordinals and McCount allocate.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_fast(
    index: &SceneIndex<'_>,
    question: &Question,
    gates: &Gates,
) -> Result<(TruthValue, f64), Reject> {
    run(index, question, Some(gates), &mut ())
}

/// What the geometry says, however narrowly.
///
/// # Errors
/// [`Reject`] where there is no answer: objects that do not exist, no gravity, a premise that is false, an exact tie.
pub fn truth(index: &SceneIndex<'_>, question: &Question) -> Result<Truth, Reject> {
    let mut proof = Proof::default();
    let (answer, confidence) = run(index, question, None, &mut proof)?;
    Ok(Truth { answer, proof, confidence })
}

fn run<R: case::Record>(
    index: &SceneIndex<'_>,
    question: &Question,
    gates: Option<&Gates>,
    record: &mut R,
) -> Result<(TruthValue, f64), Reject> {
    let mut case = Case::new(index, question, gates, record)?;
    let answer = answer(&mut case)?;
    Ok((answer, case.confidence()?))
}

fn answer<R: case::Record>(case: &mut Case<'_, '_, R>) -> Result<TruthValue, Reject> {
    use Axis::{Bottom, Centre, Depth, Lateral, Tall, Top, Volume, Wide};
    match case.kind() {
        Kind::LeftPredicate => case.predicate(Lateral, true),
        Kind::RightPredicate => case.predicate(Lateral, false),
        Kind::LeftChoice => case.choice(Lateral, true),
        Kind::RightChoice => case.choice(Lateral, false),
        Kind::LeftDiff => case.difference(Lateral, true),
        Kind::RightDiff => case.difference(Lateral, false),
        Kind::LeftRightClassify => case.classify(Lateral, Side::Left, Side::Right),
        Kind::FrontPredicate => case.predicate(Depth, true),
        Kind::BehindPredicate => case.predicate(Depth, false),
        Kind::FrontChoice => case.choice(Depth, true),
        Kind::BehindChoice => case.choice(Depth, false),
        Kind::FrontDiff => case.difference(Depth, true),
        Kind::BehindDiff => case.difference(Depth, false),
        Kind::BehindFrontClassify => case.classify(Depth, Side::Front, Side::Behind),
        Kind::AbovePredicate => case.strictly_above(0, 1),
        Kind::BelowPredicate => case.strictly_above(1, 0),
        Kind::AboveChoice => case.choice(Centre, true),
        Kind::BelowChoice => case.choice(Centre, false),
        Kind::AboveDiff => case.difference(Top, true),
        Kind::BelowDiff => case.difference(Bottom, false),
        Kind::AboveBelowClassify => case.classify(Centre, Side::Above, Side::Below),
        Kind::TallPredicate => case.predicate(Tall, true),
        Kind::ShortPredicate => case.predicate(Tall, false),
        Kind::TallChoice => case.choice(Tall, true),
        Kind::ShortChoice => case.choice(Tall, false),
        Kind::TallShortClassify => case.classify(Tall, Side::Taller, Side::Shorter),
        Kind::HeightDifference => case.difference(Tall, true),
        Kind::WidePredicate => case.predicate(Wide, true),
        Kind::ThinPredicate => case.predicate(Wide, false),
        Kind::WideThinClassify => case.classify(Wide, Side::Wider, Side::Narrower),
        Kind::BigPredicate => case.predicate(Volume, true),
        Kind::SmallPredicate => case.predicate(Volume, false),
        Kind::Gap => case.gap(),
        Kind::Distance => case.distance(),
        Kind::VerticalDist => case.vertical_distance(),
        Kind::HorizontalDist => case.centre_distance(true),
        Kind::CentreDistance => case.centre_distance(false),
        Kind::Height => case.height(),
        Kind::Width => case.width(),
        Kind::Elevation => case.elevation(),
        Kind::StackHeight => case.stack_height(),
        Kind::NearFarClassify => case.near_far(),
        Kind::NearerChoice => case.nearer([0, 1], 2).map(|first| TruthValue::Object(u8::from(!first))),
        Kind::FartherChoice => case.nearer([0, 1], 2).map(|first| TruthValue::Object(u8::from(first))),
        Kind::CompareDistances => case.nearer([1, 2], 0).map(TruthValue::YesNo),
        Kind::McDistance => case.mc_distance(),
        Kind::BetweenPredicate => case.between(),
        Kind::OrdinalLeft => case.ordinal(Lateral),
        Kind::OrdinalNear => case.ordinal(Depth),
        Kind::OrdinalTall => case.ordinal(Tall),
        Kind::ClockDirection => case.clock(),
        Kind::FitsBetween => case.fits_between(),
        Kind::FitsUnder => case.fits_under(),
        Kind::CountLeft => case.count_left(),
        Kind::TallerOfNearer => case.taller_of_nearer(),
        Kind::Count => case.count().map(TruthValue::Count),
        Kind::McCount => case.mc_count(),
        Kind::McRelation => case.mc_relation(),
        Kind::McDepth => case.mc_depth(),
    }
}
