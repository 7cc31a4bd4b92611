//! Counts, ranks, hours, yes and no: in words, and back.

use std::borrow::Cow;

use plumb_bench::parse::NUMBER_WORDS;

use super::lexer::{Token, lex, small_number};

const ORDINALS: [&str; 13] = [
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

fn small_word(n: u32) -> Option<&'static str> {
    NUMBER_WORDS.get(usize::try_from(n).ok()?).copied()
}

/// "seven"; digits above twenty.
#[must_use]
pub fn count_word(n: u32) -> Cow<'static, str> {
    small_word(n).map_or_else(|| Cow::Owned(say_count(n)), Cow::Borrowed)
}

/// "7".
#[must_use]
pub fn say_count(n: u32) -> String {
    n.to_string()
}

/// "second"; "13th" and so on above twelve.
#[must_use]
pub fn ordinal_word(n: u32) -> String {
    let mut text = String::new();
    push_ordinal(n, &mut text);
    text
}

/// "2 o'clock" for 2 or 14: hours are counted modulo 12, and 0 is 12.
#[must_use]
pub fn say_clock(hour: u8) -> String {
    let mut text = String::new();
    push_clock(hour, &mut text);
    text
}

pub(crate) fn push_integer(n: u32, out: &mut String) {
    let mut digits = [b'0'; 10];
    let mut at = digits.len();
    let mut rest = n;
    loop {
        at -= 1;
        // A remainder by ten fits a byte.
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

pub(crate) fn push_count_word(n: u32, out: &mut String) {
    match small_word(n) {
        Some(word) => out.push_str(word),
        None => push_integer(n, out),
    }
}

pub(crate) fn push_ordinal(n: u32, out: &mut String) {
    if let Some(word) = usize::try_from(n).ok().and_then(|n| ORDINALS.get(n)) {
        out.push_str(word);
        return;
    }
    push_integer(n, out);
    out.push_str(match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    });
}

pub(crate) fn push_clock(hour: u8, out: &mut String) {
    let hour = hour % 12;
    push_integer(if hour == 0 { 12 } else { u32::from(hour) }, out);
    out.push_str(" o'clock");
}

/// The first whole number in a text, in digits or words; 0 for "no", "none" and the like where there is none.
///
/// A number with decimals, a number beyond [`u32`] and a text without any give `None`.
#[must_use]
pub fn parse_count(text: &str) -> Option<u32> {
    let tokens = lex(text);
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::Number { value, places, .. } => {
                let whole = *places == 0 && *value <= f64::from(u32::MAX);
                // Whole and in range by the test.
                return whole.then_some(*value as u32);
            }
            Token::Word(word) => match word.as_str() {
                "couple" | "pair" => return Some(2),
                "dozen" => return Some(12),
                _ => {
                    if let Some((value, _)) = small_number(&tokens[i..]) {
                        return Some(value);
                    }
                }
            },
            _ => {}
        }
    }
    tokens
        .iter()
        .any(|token| matches!(token, Token::Word(word) if matches!(word.as_str(), "no" | "none" | "nothing" | "nobody")))
        .then_some(0)
}

/// The hour of "2 o'clock", "two o'clock", "at 2:00" or a lone "2"; `None` where it is not 1 to 12.
#[must_use]
pub fn parse_clock(text: &str) -> Option<u8> {
    let tokens = lex(text);
    let number_at = |i: usize| -> Option<(u32, usize)> {
        match tokens.get(i)? {
            // Whole and small by the test.
            Token::Number { value, places: 0, .. } if *value <= 12.0 => Some((*value as u32, 1)),
            _ => small_number(&tokens[i..]),
        }
    };
    let mut lone = Vec::new();
    for i in 0..tokens.len() {
        let Some((value, used)) = number_at(i) else { continue };
        let next = |k: usize| tokens.get(i + used + k);
        let is_word = |k: usize, known: &[&str]| matches!(next(k), Some(Token::Word(word)) if known.contains(&word.as_str()));
        let said = is_word(0, &["oclock"])
            || (is_word(0, &["o"])
                && (is_word(1, &["clock"])
                    || (matches!(next(1), Some(Token::Foot | Token::Dash)) && is_word(2, &["clock"]))))
            || (matches!(next(0), Some(Token::Other(':')))
                && matches!(next(1), Some(Token::Number { value: 0.0, .. })));
        if said {
            return hour(value);
        }
        lone.push(value);
    }
    match lone.as_slice() {
        [value] => hour(*value),
        _ => None,
    }
}

fn hour(value: u32) -> Option<u8> {
    u8::try_from(value).ok().filter(|hour| (1..=12).contains(hour))
}

/// What a text answers to a yes-or-no question; `None` where it says neither.
///
/// The first word decides where it is "yes", "no" or the like; else the first such word in the text; else a denial
/// ("is not", "isn't") is a no, and a bare "it is" or "they are" a yes.
#[must_use]
pub fn parse_yes_no(text: &str) -> Option<bool> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .collect();
    let denies = |word: &str| matches!(word, "not" | "cannot" | "never" | "neither") || word.ends_with("n't");
    let mut denied = false;
    for (i, word) in words.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| words.get(i)).copied().unwrap_or("");
        let verdict = match *word {
            "yes" | "yeah" | "yep" | "yup" | "affirmative" | "indeed" | "certainly" | "definitely"
            | "absolutely" => Some(true),
            // "No more than", "no taller": a comparison, not an answer, unless it comes first.
            "no" | "nope" | "nah" | "negative" if i == 0 || before == "is" || before == "say" => Some(false),
            "nope" | "incorrect" | "false" | "untrue" | "wrong" => Some(false),
            "true" | "correct" => Some(true),
            "right" if matches!(before, "that's" | "is") && words.len() <= 3 => Some(true),
            _ => None,
        };
        if let Some(verdict) = verdict {
            return Some(verdict != denied);
        }
        denied |= denies(word);
    }
    if denied {
        return Some(false);
    }
    matches!(
        words.as_slice(),
        ["it" | "they" | "that", "is" | "are" | "does" | "do" | "would" | "will" | "can"]
            | ["so", _, "is" | "are"]
    )
    .then_some(true)
}
