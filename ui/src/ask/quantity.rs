//! A number in an answer: a length with its unit, an angle, a count.

use plumb_qa::{number::ParsedLength, pair::Unit, parse_length};

/// What an answer says in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Quantity {
    Length(ParsedLength),
    Degrees(f64),
    Percent(f64),
    /// A bare number, where the answer is little else.
    Number(f64),
}

/// The first quantity of an answer.
pub(crate) fn find(answer: &str) -> Option<Quantity> {
    if let Some(length) = parse_length(answer).filter(|length| length.metres.is_finite()) {
        return Some(Quantity::Length(length));
    }
    let mut words = answer.split_whitespace().peekable();
    let mut bare = None;
    let mut others = 0;
    while let Some(word) = words.next() {
        let digits = word.trim_matches(|c: char| !(c.is_ascii_digit() || "-.,%°".contains(c)));
        let digits = digits.trim_end_matches(['.', ',']);
        let number = digits.trim_end_matches(['%', '°']);
        let Ok(value) = number.parse::<f64>() else {
            others += 1;
            continue;
        };
        let next = words.peek().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase());
        match next.as_deref() {
            _ if digits.ends_with('%') => return Some(Quantity::Percent(value)),
            _ if digits.ends_with('°') => return Some(Quantity::Degrees(value)),
            Some("percent") => return Some(Quantity::Percent(value)),
            Some("degree" | "degrees") => return Some(Quantity::Degrees(value)),
            _ => bare = bare.or(Some(value)),
        }
    }
    // A year in a sentence is no answer to "how many".
    bare.filter(|_| others <= 4).map(Quantity::Number)
}

impl Quantity {
    /// Value, unit and the range that the last digit leaves open.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Length(length) => {
                let (unit, metres) = match length.unit {
                    Unit::Millimetre => ("mm", 0.001),
                    Unit::Centimetre => ("cm", 0.01),
                    Unit::Metre => ("m", 1.0),
                    Unit::Inch => ("in", 0.0254),
                    Unit::Foot => ("ft", 0.3048),
                    Unit::Yard => ("yd", 0.9144),
                };
                let own = |metres_: f64| crate::fields::number_text(round(metres_ / metres));
                let mut text = format!("{} {unit}", own(length.metres));
                if length.tolerance > 0.0 && length.tolerance.is_finite() {
                    let low = (length.metres - length.tolerance).max(0.0);
                    text.push_str(&format!(
                        ", as said {} to {} {unit}",
                        own(low),
                        own(length.metres + length.tolerance)
                    ));
                }
                if length.unit != Unit::Metre {
                    text.push_str(&format!(", {:.2} m", length.metres));
                }
                text
            }
            Self::Degrees(value) => format!("{value}°"),
            Self::Percent(value) => format!("{value} %"),
            Self::Number(value) => format!("{value}"),
        }
    }
}

/// To four places: what a unit's factor leaves of a decimal number is no news.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_with_their_unit() {
        for (answer, metres, unit) in [
            ("2.4 m", 2.4, Unit::Metre),
            ("About 35 cm.", 0.35, Unit::Centimetre),
            ("They are 3 feet apart", 0.9144, Unit::Foot),
            ("18 inches", 0.4572, Unit::Inch),
            ("1.5 meters away from the chair", 1.5, Unit::Metre),
        ] {
            let Some(Quantity::Length(length)) = find(answer) else { panic!("{answer}") };
            assert!((length.metres - metres).abs() < 1e-9 && length.unit == unit, "{answer}: {length:?}");
        }
    }

    #[test]
    fn lengths_are_shown_with_what_they_leave_open() {
        assert_eq!(find("2.4 m").unwrap().text(), "2.4 m, as said 2.35 to 2.45 m");
        assert_eq!(find("35 cm").unwrap().text(), "35 cm, as said 34.5 to 35.5 cm, 0.35 m");
    }

    #[test]
    fn other_numbers() {
        assert_eq!(find("3"), Some(Quantity::Number(3.0)));
        assert_eq!(find("There are 4 chairs."), Some(Quantity::Number(4.0)));
        assert_eq!(find("45°"), Some(Quantity::Degrees(45.0)));
        assert_eq!(find("about 30 degrees"), Some(Quantity::Degrees(30.0)));
        assert_eq!(find("75%."), Some(Quantity::Percent(75.0)));
        assert_eq!(find("12 percent"), Some(Quantity::Percent(12.0)));
        for answer in ["", "yes", "the chair", "-", "...", "in the year 1999 there was a chair here"] {
            assert_eq!(find(answer), None, "{answer}");
        }
    }
}
