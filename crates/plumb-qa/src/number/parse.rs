//! The first length that a text names.

use super::lexer::{Token, lex, small_number};
use crate::pair::Unit;

/// A length read from a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParsedLength {
    /// The middle of a range.
    pub metres: f64,
    /// Half of what the last digit or fraction said is worth, or half a range, in metres.
    pub tolerance: f64,
    /// The unit of the number; metres for kilometres, yards for miles.
    pub unit: Unit,
}

#[derive(Clone, Copy)]
struct Scale {
    unit: Unit,
    metres: f64,
}

/// Reads "1.5 meters", "150cm", "5'3\"", "five feet", "about 2-3 ft", "half a metre", "2½ yards" and the like.
///
/// A number without a unit is no length, and a negative one neither. "in" counts as inches only where no other meaning fits.
#[must_use]
pub fn parse_length(text: &str) -> Option<ParsedLength> {
    let tokens = lex(text);
    let reader = Reader { tokens: &tokens };
    // "A foot of the bed is 2 m away": an article is a number only where there is no better one.
    reader.first(false).or_else(|| reader.first(true))
}

#[derive(Clone, Copy)]
struct Number {
    value: f64,
    step: f64,
    used: usize,
}

struct Reader<'a> {
    tokens: &'a [Token],
}

impl Reader<'_> {
    fn first(&self, articles: bool) -> Option<ParsedLength> {
        let mut at = 0;
        let mut open_quote = false;
        while at < self.tokens.len() {
            match &self.tokens[at] {
                Token::Inch => {
                    open_quote = !open_quote;
                    at += 1;
                    continue;
                }
                Token::Minus => {
                    at += 2;
                    continue;
                }
                _ => {}
            }
            if let Some(length) = self.length(at, articles, open_quote) {
                return Some(length);
            }
            at += self.number(at, articles).map_or(1, |number| match self.tokens.get(at) {
                Some(Token::Number { .. }) => number.used.max(1),
                _ => 1,
            });
        }
        None
    }

    fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn length(&self, from: usize, articles: bool, quoted: bool) -> Option<ParsedLength> {
        let low = self.number(from, articles)?;
        let mut at = from + low.used;
        let low_scale = self.scale(at, quoted);
        if let Some((_, used)) = low_scale {
            at += used;
        }
        if let Some((high, scale)) = self.upper(from, at, quoted, low_scale.is_some()) {
            let low_metres = low.value * low_scale.map_or(scale.metres, |(low, _)| low.metres);
            let high_metres = high.value * scale.metres;
            if high_metres > low_metres {
                return checked(
                    f64::midpoint(low_metres, high_metres),
                    (high_metres - low_metres) / 2.0,
                    scale.unit,
                );
            }
        }
        let (scale, _) = low_scale?;
        let mut metres = low.value * scale.metres;
        let mut step = low.step * scale.metres;
        if let Some((part, part_step)) = self.rest(at, scale, quoted) {
            metres += part;
            step = part_step;
        }
        checked(metres, step / 2.0, scale.unit)
    }

    /// The upper end of a range, and its unit.
    fn upper(&self, from: usize, at: usize, quoted: bool, lower_has_unit: bool) -> Option<(Number, Scale)> {
        let joins = match self.tokens.get(at)? {
            Token::Dash => true,
            Token::Word(word) => match word.as_str() {
                "to" | "or" => true,
                "and" => from > 0 && self.word(from - 1) == Some("between"),
                _ => false,
            },
            _ => false,
        };
        if !joins {
            return None;
        }
        let high = self.number(at + 1, false)?;
        let scale = self.scale(at + 1 + high.used, quoted);
        // "2 feet to 3" has no unit of its own at the end: too doubtful to be a range.
        let _ = lower_has_unit;
        Some((high, scale?.0))
    }

    /// What follows the first unit and belongs to it: inches after feet, centimetres after metres, "and a half".
    fn rest(&self, at: usize, scale: Scale, quoted: bool) -> Option<(f64, f64)> {
        if self.word(at) == Some("and")
            && let Some((part, _)) = self.fraction_words(at + 1)
            && self.scale(at + 1 + self.fraction_words(at + 1)?.1, quoted).is_none()
        {
            return Some((part * scale.metres, part_step(part) * scale.metres));
        }
        let smaller: &[Unit] = match scale.unit {
            Unit::Foot => &[Unit::Inch],
            Unit::Yard if scale.metres < 1.0 => &[Unit::Foot, Unit::Inch],
            Unit::Metre if scale.metres == 1.0 => &[Unit::Centimetre, Unit::Millimetre],
            Unit::Centimetre => &[Unit::Millimetre],
            _ => return None,
        };
        let joined = match self.tokens.get(at)? {
            Token::Word(word) if word == "and" => 1,
            Token::Other(',') if scale.unit == Unit::Foot => 1,
            Token::Dash => 1,
            _ => 0,
        };
        let number = self.number(at + joined, false)?;
        match self.scale(at + joined + number.used, quoted) {
            Some((part, _)) if smaller.contains(&part.unit) => {
                Some((number.value * part.metres, number.step * part.metres))
            }
            // 5'3
            None if joined == 0
                && matches!(self.tokens.get(at.checked_sub(1)?), Some(Token::Foot))
                && number.value < 12.0 =>
            {
                Some((number.value * Unit::Inch.metres(), number.step * Unit::Inch.metres()))
            }
            _ => None,
        }
    }

    fn number(&self, from: usize, articles: bool) -> Option<Number> {
        match self.tokens.get(from)? {
            Token::Number { value, step, .. } => {
                let mut number = Number { value: *value, step: *step, used: 1 };
                if *step == 1.0 {
                    self.add_fraction(from, &mut number);
                }
                Some(number)
            }
            Token::Word(word) => {
                if let Some((value, used)) = self.fraction_words(from) {
                    return Some(Number { value, step: part_step(value), used });
                }
                if let Some((value, used)) = small_number(&self.tokens[from..]) {
                    let mut number = Number { value: f64::from(value), step: 1.0, used };
                    if self.word(from + used) == Some("point") {
                        self.add_decimals(from, &mut number);
                    } else {
                        self.add_fraction(from, &mut number);
                    }
                    return Some(number);
                }
                match word.as_str() {
                    "a" if self.word(from + 1) == Some("couple") => {
                        let of = usize::from(self.word(from + 2) == Some("of"));
                        Some(Number { value: 2.0, step: 1.0, used: 2 + of })
                    }
                    "a" if self.word(from + 1) == Some("dozen") => {
                        Some(Number { value: 12.0, step: 1.0, used: 2 })
                    }
                    "a" | "an" if articles => Some(Number { value: 1.0, step: 1.0, used: 1 }),
                    // "A meter and a half" must be read before a later number.
                    "a" | "an" if self.whole_and_fraction(from) => {
                        Some(Number { value: 1.0, step: 1.0, used: 1 })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn whole_and_fraction(&self, from: usize) -> bool {
        self.scale(from + 1, false).is_some_and(|(_, used)| {
            self.word(from + 1 + used) == Some("and") && self.fraction_words(from + 2 + used).is_some()
        })
    }

    /// "half", "half a", "a half", "a quarter of a", "three quarters of a", "a third of a".
    fn fraction_words(&self, from: usize) -> Option<(f64, usize)> {
        let mut at = from;
        let top = match self.word(at)? {
            "a" | "an" | "one" => {
                at += 1;
                1.0
            }
            "two" => {
                at += 1;
                2.0
            }
            "three" => {
                at += 1;
                3.0
            }
            _ => 1.0,
        };
        if at > from && self.tokens.get(at) == Some(&Token::Dash) {
            at += 1;
        }
        let bottom = match self.word(at)? {
            "half" if top == 1.0 => 2.0,
            "quarter" | "quarters" => 4.0,
            "third" | "thirds" => 3.0,
            _ => return None,
        };
        at += 1;
        if self.word(at) == Some("of") {
            at += 1;
        }
        if matches!(self.word(at), Some("a" | "an" | "one")) || self.tokens.get(at) == Some(&Token::Dash) {
            at += 1;
        }
        Some((top / bottom, at - from))
    }

    /// "and a half" after a number and before its unit.
    fn add_fraction(&self, from: usize, number: &mut Number) {
        let mut at = from + number.used;
        let dash = |at: usize| usize::from(self.tokens.get(at) == Some(&Token::Dash));
        at += dash(at);
        if self.word(at) != Some("and") {
            return;
        }
        at += 1;
        at += dash(at);
        // With dashes "two-and-a-half" puts one inside the fraction as well.
        let inner = if self.word(at) == Some("a") && dash(at + 1) == 1 { 2 } else { 0 };
        if let Some((part, used)) = self.fraction_words(at + inner)
            && part < 1.0
            && self.scale(at + inner + used, false).is_some()
        {
            number.value += part;
            number.step = part_step(part);
            number.used = at + inner + used - from;
        }
    }

    /// "one point two five".
    fn add_decimals(&self, from: usize, number: &mut Number) {
        let mut at = from + number.used + 1;
        let mut step = 1.0;
        while let Some((digit, 1)) = self.tokens.get(at..).and_then(small_number) {
            if digit > 9 || step < 1e-6 {
                break;
            }
            step /= 10.0;
            number.value += f64::from(digit) * step;
            at += 1;
        }
        if step < 1.0 {
            number.step = step;
            number.used = at - from;
        }
    }

    /// The unit at `at`, and how many tokens it takes with a dash before it.
    fn scale(&self, at: usize, quoted: bool) -> Option<(Scale, usize)> {
        let dash = usize::from(self.tokens.get(at) == Some(&Token::Dash));
        let simple = |unit: Unit| Scale { unit, metres: unit.metres() };
        let scale = match self.tokens.get(at + dash)? {
            Token::Foot if dash == 0 && !matches!(self.word(at + 1), Some("s" | "clock")) => {
                simple(Unit::Foot)
            }
            Token::Inch if dash == 0 && !quoted => simple(Unit::Inch),
            Token::Word(word) => match word.as_str() {
                "mm" | "millimeter" | "millimeters" | "millimetre" | "millimetres" => {
                    simple(Unit::Millimetre)
                }
                "cm" | "cms" | "centimeter" | "centimeters" | "centimetre" | "centimetres" => {
                    simple(Unit::Centimetre)
                }
                "m" | "meter" | "meters" | "metre" | "metres" | "mtr" | "mtrs" => simple(Unit::Metre),
                "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => {
                    Scale { unit: Unit::Metre, metres: 1000.0 }
                }
                "inch" | "inches" => simple(Unit::Inch),
                "in" if self.is_inches(at + dash) => simple(Unit::Inch),
                "ft" | "foot" | "feet" => simple(Unit::Foot),
                "yd" | "yds" | "yard" | "yards" => simple(Unit::Yard),
                "mi" | "mile" | "miles" => Scale { unit: Unit::Yard, metres: 1609.344 },
                _ => return None,
            },
            _ => return None,
        };
        Some((scale, dash + 1))
    }

    /// "in" after a number: "18 in tall" and "18 in." are inches, "2 in the room" is not.
    fn is_inches(&self, at: usize) -> bool {
        match self.tokens.get(at + 1) {
            Some(Token::Word(next)) => matches!(
                next.as_str(),
                "tall"
                    | "wide"
                    | "high"
                    | "long"
                    | "deep"
                    | "thick"
                    | "apart"
                    | "away"
                    | "above"
                    | "below"
                    | "from"
                    | "to"
                    | "or"
                    | "and"
                    | "between"
                    | "of"
                    | "taller"
                    | "shorter"
                    | "wider"
                    | "narrower"
                    | "higher"
                    | "lower"
                    | "behind"
                    | "left"
                    | "right"
                    | "off"
                    | "across"
                    | "farther"
                    | "further"
                    | "x"
                    | "by"
                    | "is"
            ),
            Some(Token::Number { .. }) => false,
            _ => true,
        }
    }
}

/// What "half" or "three quarters" is worth as a step.
fn part_step(part: f64) -> f64 {
    if part == 0.5 {
        0.5
    } else if part == 0.25 || part == 0.75 {
        0.25
    } else {
        1.0 / 3.0
    }
}

fn checked(metres: f64, tolerance: f64, unit: Unit) -> Option<ParsedLength> {
    (metres.is_finite() && tolerance.is_finite()).then_some(ParsedLength { metres, tolerance, unit })
}
