//! Words and numbers of a text, for reading what a person or a model wrote.

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// `places`: digits after the point. `step`: what the last digit, or the fraction, is worth.
    Number {
        value: f64,
        places: u32,
        step: f64,
    },
    /// In lower case, letters only.
    Word(String),
    /// `-` or any dash between or before things.
    Dash,
    /// A dash that is the sign of the number after it.
    Minus,
    /// `'` or a prime.
    Foot,
    /// `"`, a double prime or two single ones.
    Inch,
    Other(char),
}

/// At most this much of a text is read: an answer is a sentence, not a book.
const LONGEST: usize = 4096;

pub(crate) fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().take(LONGEST).collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let from = at;
        let next = chars.get(at + 1).copied();
        if c.is_ascii_digit()
            || (c == '.'
                && next.is_some_and(|next| next.is_ascii_digit())
                && !after_word(&tokens, &chars, at))
        {
            let (token, used) = lex_number(&chars[at..]);
            at += used;
            tokens.push(token);
        } else if let Some((value, step)) = vulgar_fraction(c) {
            // "2½" and "2 ½" are one number.
            match tokens.last_mut() {
                Some(Token::Number { value: whole, places: 0, step: known }) if *known == 1.0 => {
                    *whole += value;
                    *known = step;
                }
                _ => tokens.push(Token::Number { value, places: 2, step }),
            }
            at += 1;
        } else if c.is_alphabetic() || c == '_' {
            // "1.5m" and "5ft3" fall apart into numbers and words, "region1" does not.
            let after_number = from > 0 && chars[from - 1].is_ascii_digit();
            while chars
                .get(at)
                .is_some_and(|c| c.is_alphabetic() || *c == '_' || (!after_number && c.is_numeric()))
            {
                at += 1;
            }
            tokens.push(Token::Word(chars[from..at].iter().flat_map(|c| c.to_lowercase()).collect()));
        } else {
            at += 1;
            match c {
                _ if c.is_whitespace() => {}
                '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {
                    let spaced =
                        from == 0 || !(chars[from - 1].is_alphanumeric() || is_mark(chars[from - 1]));
                    let number = next.is_some_and(|next| next.is_ascii_digit() || next == '.');
                    tokens.push(if spaced && number { Token::Minus } else { Token::Dash });
                }
                '\'' | '\u{2019}' | '\u{2032}' => {
                    if matches!(next, Some('\'' | '\u{2019}' | '\u{2032}')) {
                        at += 1;
                        tokens.push(Token::Inch);
                    } else {
                        tokens.push(Token::Foot);
                    }
                }
                '"' | '\u{201c}' | '\u{201d}' | '\u{2033}' => tokens.push(Token::Inch),
                _ => tokens.push(Token::Other(c)),
            }
        }
    }
    tokens
}

fn is_mark(c: char) -> bool {
    matches!(c, '\'' | '"' | '\u{2019}' | '\u{2032}' | '\u{2033}') || vulgar_fraction(c).is_some()
}

/// A point right after a word ends a sentence, and is no ".5".
fn after_word(tokens: &[Token], chars: &[char], at: usize) -> bool {
    at > 0 && chars[at - 1].is_alphabetic() && matches!(tokens.last(), Some(Token::Word(_)))
}

/// Digits with a decimal point or comma, thousands in groups, or a fraction such as "1/2" or "2 1/2".
fn lex_number(chars: &[char]) -> (Token, usize) {
    let digits = |from: usize| chars[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut text = String::new();
    let whole = digits(0);
    text.extend(&chars[..whole]);
    let mut used = whole;
    // Groups of three after a comma are thousands: "1,200"; anything else after it is a decimal comma: "1,5".
    while whole > 0 && whole <= 3 && chars.get(used) == Some(&',') && digits(used + 1) == 3 {
        text.extend(&chars[used + 1..used + 4]);
        used += 4;
    }
    let grouped = used > whole;
    let mut places = 0;
    let separator = chars.get(used).copied();
    if separator == Some('.') || (separator == Some(',') && !grouped) {
        let decimals = digits(used + 1);
        if decimals > 0 {
            text.push('.');
            text.extend(&chars[used + 1..=used + decimals]);
            used += 1 + decimals;
            places = u32::try_from(decimals).unwrap_or(u32::MAX);
        }
    }
    let value: f64 =
        if text.starts_with('.') { format!("0{text}") } else { text }.parse().unwrap_or(f64::INFINITY);
    let mut token =
        Token::Number { value, places, step: 0.1_f64.powi(i32::try_from(places).unwrap_or(i32::MAX)) };
    if places == 0 && !grouped {
        let fraction = |from: usize| -> Option<(f64, usize)> {
            let top = digits(from);
            let bottom = (chars.get(from + top) == Some(&'/')).then(|| digits(from + top + 1))?;
            if !(1..=3).contains(&top) || !(1..=3).contains(&bottom) {
                return None;
            }
            let number =
                |from: usize, n: usize| chars[from..from + n].iter().collect::<String>().parse::<f64>().ok();
            let (top_value, bottom_value) = (number(from, top)?, number(from + top + 1, bottom)?);
            // Infinite over 0, so that it is no length: "1/0" must not be read as a 0 after a 1.
            let value = if bottom_value > 0.0 { top_value / bottom_value } else { f64::INFINITY };
            Some((value, top + 1 + bottom))
        };
        let step = |from: usize| -> f64 {
            let top = digits(from);
            chars[from + top + 1..]
                .iter()
                .take(3)
                .take_while(|c| c.is_ascii_digit())
                .collect::<String>()
                .parse::<f64>()
                .map_or(1.0, |b| 1.0 / b)
        };
        if let Some((value, length)) = fraction(0) {
            return (Token::Number { value, places: 2, step: step(0) }, length);
        }
        if matches!(chars.get(used), Some(' ' | '-'))
            && let Some((part, length)) = fraction(used + 1)
            && part < 1.0
        {
            token = Token::Number { value: value + part, places: 2, step: step(used + 1) };
            used += 1 + length;
        }
    }
    (token, used)
}

fn vulgar_fraction(c: char) -> Option<(f64, f64)> {
    let (top, bottom) = match c {
        '\u{bd}' => (1.0, 2.0),
        '\u{bc}' => (1.0, 4.0),
        '\u{be}' => (3.0, 4.0),
        '\u{2153}' => (1.0, 3.0),
        '\u{2154}' => (2.0, 3.0),
        '\u{215b}' => (1.0, 8.0),
        '\u{215c}' => (3.0, 8.0),
        '\u{215d}' => (5.0, 8.0),
        '\u{215e}' => (7.0, 8.0),
        '\u{2155}' => (1.0, 5.0),
        '\u{2156}' => (2.0, 5.0),
        '\u{2157}' => (3.0, 5.0),
        '\u{2158}' => (4.0, 5.0),
        _ => return None,
    };
    Some((top / bottom, 1.0 / bottom))
}

fn unit_word(word: &str) -> Option<u32> {
    Some(match word {
        "zero" => 0,
        "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "five" => 5,
        "six" => 6,
        "seven" => 7,
        "eight" => 8,
        "nine" => 9,
        "ten" => 10,
        "eleven" => 11,
        "twelve" => 12,
        "thirteen" => 13,
        "fourteen" => 14,
        "fifteen" => 15,
        "sixteen" => 16,
        "seventeen" => 17,
        "eighteen" => 18,
        "nineteen" => 19,
        _ => return None,
    })
}

fn tens_word(word: &str) -> Option<u32> {
    Some(match word {
        "twenty" => 20,
        "thirty" => 30,
        "forty" => 40,
        "fifty" => 50,
        "sixty" => 60,
        "seventy" => 70,
        "eighty" => 80,
        "ninety" => 90,
        _ => return None,
    })
}

fn word_at(tokens: &[Token], at: usize) -> Option<&str> {
    match tokens.get(at) {
        Some(Token::Word(word)) => Some(word),
        _ => None,
    }
}

/// A whole number in words at the start of `tokens`, below a million, and how many tokens it takes.
pub(crate) fn small_number(tokens: &[Token]) -> Option<(u32, usize)> {
    let (mut value, mut used) = below_hundred(tokens)?;
    if word_at(tokens, used) == Some("hundred") && value < 100 {
        value *= 100;
        used += 1;
        let skip = usize::from(word_at(tokens, used) == Some("and"));
        if let Some((rest, more)) = tokens.get(used + skip..).and_then(below_hundred) {
            value += rest;
            used += skip + more;
        }
    }
    if word_at(tokens, used) == Some("thousand") && value < 1000 {
        value *= 1000;
        used += 1;
    }
    Some((value, used))
}

fn below_hundred(tokens: &[Token]) -> Option<(u32, usize)> {
    let first = word_at(tokens, 0)?;
    if let Some(value) = unit_word(first) {
        return Some((value, 1));
    }
    if matches!(first, "a" | "an") && matches!(word_at(tokens, 1), Some("hundred" | "thousand")) {
        return Some((1, 1));
    }
    let tens = tens_word(first)?;
    let dash = usize::from(tokens.get(1) == Some(&Token::Dash));
    match word_at(tokens, 1 + dash).and_then(unit_word) {
        Some(unit) if (1..10).contains(&unit) => Some((tens + unit, 2 + dash)),
        _ => Some((tens, 1)),
    }
}
