//! A length with its uncertainty, as a person would say it.

use plumb_geometry::Measure;
use rand::{Rng, RngExt};

use super::words::{push_count_word, push_integer};
use crate::pair::{Quantity, Unit};

/// Where the speaker is from: spelling, and which units come to mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// "meters"; feet and inches about as often as metric.
    #[default]
    Us,
    /// "metres"; mostly metric.
    Uk,
}

/// How lengths are said. Shares are probabilities, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LengthStyle {
    pub locale: Locale,
    /// Number in words where it is short: "two and a half meters".
    pub words: f64,
    /// "1.5 m" instead of "1.5 meters".
    pub short_units: f64,
    /// "2 to 3 feet" where the uncertainty is 5 % or more.
    pub ranges: f64,
    /// "about" where the uncertainty is 10 % or more; below that it gets rarer, and none at 3 %.
    pub hedges: f64,
    /// Lengths below this are not said, in metres.
    pub smallest_m: f64,
}

impl Default for LengthStyle {
    fn default() -> Self {
        Self {
            locale: Locale::Us,
            words: 0.2,
            short_units: 0.12,
            ranges: 0.12,
            hedges: 0.85,
            smallest_m: 0.05,
        }
    }
}

/// A rounding step is at least this many standard deviations: then half a step, the tolerance of what is said, is 1.25 of
/// them, and four of five true values lie within it.
const STEP_PER_SIGMA: f64 = 2.5;
/// More uncertain lengths are not said.
const LARGEST_RELATIVE: f64 = 0.25;
/// Nor longer ones, in metres.
const LONGEST_M: f64 = 10_000.0;
/// The finest step, as a share of the value: what a person would still say with a tape measure at hand.
const FINEST_SHARE: f64 = 0.004;
/// The coarsest step that is chosen freely, as a share of the value.
const COARSEST_SHARE: f64 = 0.13;

/// How a unit is used at some size: its share among the units, and its steps in hundredths of it, finest first.
struct Way {
    unit: Unit,
    share: u32,
    steps: &'static [u32],
    /// Said as feet and inches; steps are hundredths of an inch.
    feet_inches: bool,
}

const fn way(unit: Unit, share: u32, steps: &'static [u32]) -> Way {
    Way { unit, share, steps, feet_inches: false }
}

const CM: &[u32] = &[100, 500, 1000, 2000, 5000];
const INCHES: &[u32] = &[50, 100, 200, 500, 1000, 2000];
const METRES_BELOW_1: &[u32] = &[5, 10, 25, 50, 100];
const METRES: &[u32] = &[5, 10, 25, 50, 100, 200, 500, 1000];
const METRES_FAR: &[u32] = &[100, 500, 1000, 2000, 5000, 10_000];
const METRES_VERY_FAR: &[u32] = &[500, 1000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000];
const FEET: &[u32] = &[50, 100, 200, 500, 1000, 2000];
const FEET_FAR: &[u32] = &[100, 500, 1000, 2000, 5000, 10_000];
const FEET_INCHES: Way = Way { unit: Unit::Foot, share: 12, steps: &[100], feet_inches: true };

const US_SMALL: &[Way] = &[way(Unit::Centimetre, 40, CM), way(Unit::Inch, 60, INCHES)];
const US_BELOW_1: &[Way] = &[
    way(Unit::Centimetre, 30, CM),
    way(Unit::Inch, 35, INCHES),
    way(Unit::Metre, 20, METRES_BELOW_1),
    way(Unit::Foot, 15, FEET),
];
const US_ROOM: &[Way] = &[way(Unit::Metre, 53, METRES), way(Unit::Foot, 35, FEET), FEET_INCHES];
const US_FAR: &[Way] =
    &[way(Unit::Metre, 55, METRES_FAR), way(Unit::Foot, 25, FEET_FAR), way(Unit::Yard, 20, METRES_FAR)];
const US_VERY_FAR: &[Way] = &[way(Unit::Metre, 70, METRES_VERY_FAR), way(Unit::Yard, 30, METRES_VERY_FAR)];
const UK_SMALL: &[Way] = &[way(Unit::Centimetre, 85, CM), way(Unit::Inch, 15, INCHES)];
const UK_BELOW_1: &[Way] = &[
    way(Unit::Centimetre, 62, CM),
    way(Unit::Metre, 22, METRES_BELOW_1),
    way(Unit::Foot, 8, FEET),
    way(Unit::Inch, 8, INCHES),
];
const UK_ROOM: &[Way] = &[way(Unit::Metre, 78, METRES), way(Unit::Foot, 14, FEET), FEET_INCHES];
const UK_FAR: &[Way] = &[way(Unit::Metre, 85, METRES_FAR), way(Unit::Yard, 15, METRES_FAR)];
const UK_VERY_FAR: &[Way] = &[way(Unit::Metre, 85, METRES_VERY_FAR), way(Unit::Yard, 15, METRES_VERY_FAR)];

fn ways(locale: Locale, metres: f64) -> &'static [Way] {
    let size = [0.2, 1.0, 10.0, 100.0].iter().filter(|limit| metres >= **limit).count();
    match (locale, size) {
        (Locale::Us, 0) => US_SMALL,
        (Locale::Us, 1) => US_BELOW_1,
        (Locale::Us, 2) => US_ROOM,
        (Locale::Us, 3) => US_FAR,
        (Locale::Us, _) => US_VERY_FAR,
        (Locale::Uk, 0) => UK_SMALL,
        (Locale::Uk, 1) => UK_BELOW_1,
        (Locale::Uk, 2) => UK_ROOM,
        (Locale::Uk, 3) => UK_FAR,
        (Locale::Uk, _) => UK_VERY_FAR,
    }
}

/// A rounding that suits the value: a step in metres, and what it is in hundredths of the unit.
#[derive(Clone, Copy)]
struct Rounding {
    unit: Unit,
    feet_inches: bool,
    hundredths: u32,
    step_m: f64,
}

/// Says a length: [`Quantity::text`] is what is said, [`Quantity::said_m`] what it means.
///
/// `|said_m - value_m| <= tolerance_m` holds for every result. `None` where the uncertainty is a quarter of the value or more, or the
/// value is below `style.smallest_m`, not finite, or beyond 10 km.
pub fn say_length(value: Measure, style: &LengthStyle, rng: &mut impl Rng) -> Option<Quantity> {
    let Measure { value: metres, sigma } = value;
    let relative = value.relative();
    // Written so that NaN fails.
    let sayable = metres >= style.smallest_m && metres > 0.0 && metres <= LONGEST_M;
    if !(sayable && sigma >= 0.0 && relative < LARGEST_RELATIVE) {
        return None;
    }
    let rounding = choose(metres, sigma, style.locale, rng)?;
    let mut text = String::with_capacity(32);
    let is_range = relative >= 0.05 && !rounding.feet_inches && chance(style.ranges, rng);
    let steps = metres / rounding.step_m;
    let said_m = if is_range && steps >= 1.0 && steps.fract() != 0.0 {
        say_range(steps.floor() as u32, rounding, style, rng, &mut text)
    } else {
        let hedge = style.hedges * ((relative - 0.03) / 0.07).clamp(0.0, 1.0);
        if chance(hedge, rng) {
            text.push_str(
                ["about ", "about ", "roughly ", "around ", "approximately "][rng.random_range(0..5_usize)],
            );
        }
        say_one(steps.round().max(1.0) as u32, rounding, style, rng, &mut text)
    };
    let tolerance_m = (rounding.step_m / 2.0).max((said_m - metres).abs());
    Some(Quantity { value_m: metres, sigma_m: sigma, unit: rounding.unit, text, said_m, tolerance_m })
}

fn chance(share: f64, rng: &mut impl Rng) -> bool {
    rng.random::<f64>() < share
}

/// A unit by share, then the finest step that the uncertainty allows or, as often, the next coarser one.
fn choose(metres: f64, sigma: f64, locale: Locale, rng: &mut impl Rng) -> Option<Rounding> {
    let ways = ways(locale, metres);
    let total: u32 = ways.iter().map(|way| way.share).sum();
    let mut ticket = rng.random_range(0..total.max(1));
    let mut first = 0;
    while let Some(way) = ways.get(first)
        && ticket >= way.share
    {
        ticket -= way.share;
        first += 1;
    }
    let coarser = chance(0.3, rng);
    let finest = (STEP_PER_SIGMA * sigma).max(FINEST_SHARE * metres);
    // Where even the finest step is coarse, one not much coarser is as good.
    let coarsest = (COARSEST_SHARE * metres).max(1.35 * finest);
    let mut fallback: Option<Rounding> = None;
    for way in ways.iter().cycle().skip(first).take(ways.len()) {
        let base = if way.feet_inches { Unit::Inch.metres() } else { way.unit.metres() } / 100.0;
        let rounding = |hundredths: u32| Rounding {
            unit: way.unit,
            feet_inches: way.feet_inches,
            hundredths,
            step_m: base * f64::from(hundredths),
        };
        // The slack keeps a step that equals the limit but for the last bit.
        let mut fine =
            way.steps.iter().map(|step| rounding(*step)).filter(|step| step.step_m >= finest * (1.0 - 1e-9));
        let Some(step) = fine.next() else { continue };
        if step.step_m <= coarsest {
            let next = fine.next().filter(|next| coarser && next.step_m <= coarsest);
            return Some(next.unwrap_or(step));
        }
        // Too coarse to be chosen freely, but the best there is if every unit is: twice the value at most, so that it is not rounded to 0.
        if step.step_m < 2.0 * metres && fallback.is_none_or(|best| step.step_m < best.step_m) {
            fallback = Some(step);
        }
    }
    fallback
}

fn say_one(
    steps: u32,
    rounding: Rounding,
    style: &LengthStyle,
    rng: &mut impl Rng,
    text: &mut String,
) -> f64 {
    let hundredths = steps.saturating_mul(rounding.hundredths);
    if rounding.feet_inches {
        return say_feet_inches(hundredths / 100, text);
    }
    let unit = rounding.unit;
    if chance(style.words, rng) && push_words(hundredths, unit, style.locale, text) {
        return f64::from(hundredths) / 100.0 * unit.metres();
    }
    push_decimal(hundredths, text);
    text.push(' ');
    text.push_str(unit_name(unit, hundredths != 100, is_short(unit, style, rng), style.locale));
    f64::from(hundredths) / 100.0 * unit.metres()
}

fn say_range(
    low: u32,
    rounding: Rounding,
    style: &LengthStyle,
    rng: &mut impl Rng,
    text: &mut String,
) -> f64 {
    let low = low.saturating_mul(rounding.hundredths);
    let high = low.saturating_add(rounding.hundredths);
    let whole = low.is_multiple_of(100) && high.is_multiple_of(100) && high <= 1200;
    if whole && chance(style.words * 2.0, rng) {
        push_count_word(low / 100, text);
        text.push_str(" to ");
        push_count_word(high / 100, text);
    } else {
        push_decimal(low, text);
        text.push_str(" to ");
        push_decimal(high, text);
    }
    text.push(' ');
    let unit = rounding.unit;
    text.push_str(unit_name(unit, true, is_short(unit, style, rng), style.locale));
    f64::midpoint(f64::from(low), f64::from(high)) / 100.0 * unit.metres()
}

fn say_feet_inches(inches: u32, text: &mut String) -> f64 {
    let (feet, rest) = (inches / 12, inches % 12);
    if feet > 0 {
        push_integer(feet, text);
        text.push_str(if feet == 1 { " foot" } else { " feet" });
    }
    if rest > 0 {
        if feet > 0 {
            text.push(' ');
        }
        push_integer(rest, text);
        text.push_str(if rest == 1 { " inch" } else { " inches" });
    }
    f64::from(feet) * Unit::Foot.metres() + f64::from(rest) * Unit::Inch.metres()
}

/// "two and a half meters", "half a meter", "three quarters of a meter"; false, and nothing, where it would be long.
fn push_words(hundredths: u32, unit: Unit, locale: Locale, text: &mut String) -> bool {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    let big = matches!(unit, Unit::Metre | Unit::Foot | Unit::Yard);
    if whole > 12 || (part != 0 && !big && part != 50) || !matches!(part, 0 | 25 | 50 | 75) {
        return false;
    }
    let fraction = match part {
        25 => "a quarter",
        50 => "a half",
        75 => "three quarters",
        _ => "",
    };
    if whole == 0 {
        text.push_str(match part {
            25 => "a quarter of a",
            50 => "half a",
            _ => "three quarters of a",
        });
        text.push_str(if unit == Unit::Inch { "n " } else { " " });
        text.push_str(unit_name(unit, false, false, locale));
        return part != 0;
    }
    push_count_word(whole, text);
    if part != 0 {
        text.push_str(" and ");
        text.push_str(fraction);
    }
    text.push(' ');
    text.push_str(unit_name(unit, hundredths != 100, false, locale));
    true
}

/// Hundredths as a decimal number without trailing zeros.
fn push_decimal(hundredths: u32, text: &mut String) {
    push_integer(hundredths / 100, text);
    let part = hundredths % 100;
    if part != 0 {
        text.push('.');
        push_integer(part / 10, text);
        if !part.is_multiple_of(10) {
            push_integer(part % 10, text);
        }
    }
}

/// "in" reads as a preposition, so inches are never short on their own.
fn is_short(unit: Unit, style: &LengthStyle, rng: &mut impl Rng) -> bool {
    chance(style.short_units, rng) && unit != Unit::Inch && unit != Unit::Yard
}

fn unit_name(unit: Unit, plural: bool, short: bool, locale: Locale) -> &'static str {
    let us = locale == Locale::Us;
    match (unit, short, plural) {
        (Unit::Millimetre, true, _) => "mm",
        (Unit::Centimetre, true, _) => "cm",
        (Unit::Metre, true, _) => "m",
        (Unit::Foot, true, _) => "ft",
        (Unit::Millimetre, _, false) => {
            if us {
                "millimeter"
            } else {
                "millimetre"
            }
        }
        (Unit::Millimetre, _, true) => {
            if us {
                "millimeters"
            } else {
                "millimetres"
            }
        }
        (Unit::Centimetre, _, false) => {
            if us {
                "centimeter"
            } else {
                "centimetre"
            }
        }
        (Unit::Centimetre, _, true) => {
            if us {
                "centimeters"
            } else {
                "centimetres"
            }
        }
        (Unit::Metre, _, false) => {
            if us {
                "meter"
            } else {
                "metre"
            }
        }
        (Unit::Metre, _, true) => {
            if us {
                "meters"
            } else {
                "metres"
            }
        }
        (Unit::Inch, _, false) => "inch",
        (Unit::Inch, _, true) => "inches",
        (Unit::Foot, _, false) => "foot",
        (Unit::Foot, _, true) => "feet",
        (Unit::Yard, _, false) => "yard",
        (Unit::Yard, _, true) => "yards",
    }
}
