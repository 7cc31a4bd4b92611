//! Hours, angles and coordinates in texts.

use std::ops::Range;

use super::{Context, Word};

/// Hours as words, from one.
const HOURS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// What becomes of the numbers of a text.
///
/// # Errors
/// Why it cannot be said.
pub(super) fn changes(
    text: &str,
    words: &[Word],
    context: Context,
) -> Result<Vec<(Range<usize>, String)>, String> {
    let mut changes = Vec::new();
    if context.clock {
        hours(text, words, &mut changes)?;
    }
    if context.azimuth {
        angles(text, words, &mut changes)?;
    }
    Ok(changes)
}

/// Hour `h` seen in a mirror: (12 − h) mod 12, where 0 is 12.
const fn mirrored(hour: usize) -> usize {
    let other = (12 - hour % 12) % 12;
    if other == 0 { 12 } else { other }
}

fn hour_of(word: &str) -> Option<(usize, bool)> {
    let spelled = HOURS.iter().position(|hour| *hour == word).map(|at| (at + 1, true));
    let digits = || word.parse().ok().filter(|hour| (1..=12).contains(hour)).map(|hour| (hour, false));
    // "03" would come back as "3".
    spelled.or_else(digits).filter(|_| !word.starts_with('0'))
}

fn hours(text: &str, words: &[Word], changes: &mut Vec<(Range<usize>, String)>) -> Result<(), String> {
    for (at, word) in words.iter().enumerate() {
        let after = words.get(at + 1).is_some_and(|next| next.text == "o'clock");
        let lead = text.get(..word.at.start).unwrap_or_default();
        match hour_of(&word.text) {
            Some(_) if after && lead.ends_with([':', '.']) => {
                return Err("an hour with minutes".to_owned());
            }
            Some((hour, spelled)) if after => {
                let new = mirrored(hour);
                let said = if spelled {
                    let old = text.get(word.at.clone()).unwrap_or_default();
                    let name = HOURS.get(new - 1).copied().unwrap_or_default();
                    super::same_case(old, name).ok_or_else(|| format!("`{old}` is written in an odd way"))?
                } else {
                    new.to_string()
                };
                changes.push((word.at.clone(), said));
            }
            // 12 and 6 are their own mirror images; of another number nobody knows whether it is an hour.
            Some((6 | 12, _)) => {}
            Some((_, false)) => return Err(format!("`{}` may be an hour", word.text)),
            _ if after => return Err("an o'clock without its hour".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

/// Numbers of degrees get the other sign.
fn angles(text: &str, words: &[Word], changes: &mut Vec<(Range<usize>, String)>) -> Result<(), String> {
    let mut end = 0;
    for word in words {
        if word.at.start < end || !word.text.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        // The words end at the point of "12.5".
        let tail = text.get(word.at.start..).unwrap_or_default();
        let length = tail.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(tail.len());
        let number = tail.get(..length).unwrap_or_default().trim_end_matches('.');
        end = word.at.start + number.len();
        let unit = text.get(end..).unwrap_or_default().trim_start_matches([' ', '-']);
        if !(unit.starts_with('°') || unit.to_ascii_lowercase().starts_with("deg")) {
            continue;
        }
        let value: f64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
        let lead = text.get(..word.at.start).unwrap_or_default();
        if lead.ends_with(['+', '−', '±', '–']) {
            return Err(format!("the sign of `{number}` is written in an odd way"));
        }
        let negative = lead.strip_suffix('-');
        match negative {
            Some(rest) if value == 0.0 || rest.ends_with(|c: char| c.is_alphanumeric() || c == '-') => {
                return Err(format!("`-{number}` may be a range"));
            }
            Some(rest) => changes.push((rest.len()..word.at.start, String::new())),
            None if value != 0.0 => changes.push((word.at.start..word.at.start, "-".to_owned())),
            None => {}
        }
    }
    Ok(())
}

/// Whether a text has points or boxes: two or more numbers in brackets.
pub(super) fn has_coordinates(text: &str) -> bool {
    text.match_indices(['[', '(', '{']).any(|(at, open)| {
        let close = match open {
            "[" => ']',
            "(" => ')',
            _ => '}',
        };
        let inner = text.get(at + 1..).unwrap_or_default();
        let Some(end) = inner.find(close) else { return false };
        let inner = inner.get(..end).unwrap_or_default().trim_start_matches(['[', '(', '{']);
        let mut parts = inner.split([',', ';']).map(|part| {
            let value = part.rsplit(['=', ':']).next().unwrap_or_default();
            value.trim().trim_end_matches("px").trim_end().parse::<f64>().is_ok()
        });
        inner.contains([',', ';']) && parts.all(|number| number)
    })
}
