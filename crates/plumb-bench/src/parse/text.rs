//! Reading letters and option texts out of prose.

use super::{ParseStatus, Parsed};
use crate::sample::letter_index;
use std::collections::BTreeSet;

/// Longer answers are read up to here; a model that has not answered by then rambles.
const MAX_CHARS: usize = 20_000;

/// "zero" to "twenty".
pub const NUMBER_WORDS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

pub(super) fn strict(raw: &str, options: &[String]) -> Parsed {
    let text = plain(raw);
    if text.is_empty() {
        return Parsed::none(ParseStatus::Unparsed);
    }
    let mut claims = Claims::default();
    if let Some(l) = lone_letter(&text) {
        claims.letter(l, options.len());
        // A one-letter option text ("a" among "x", "a") is outranked by the letter on purpose.
        return claims.verdict();
    }
    bracketed(&text, options, &mut claims);
    leading(&text, options, &mut claims);
    announced(&text, options, &mut claims);
    exact_text(&words(&text), options, &mut claims);
    claims.verdict()
}

pub(super) fn option_text(raw: &str, options: &[String]) -> Parsed {
    let first = strict(raw, options);
    if first.status != ParseStatus::Unparsed {
        return first;
    }
    let numeric = !options.is_empty() && options.iter().all(|o| o.trim().parse::<u64>().is_ok());
    let mut said: Vec<Option<String>> = words(&plain(raw))
        .into_iter()
        .map(|w| {
            let digits = NUMBER_WORDS.iter().position(|&n| n == w).filter(|_| numeric);
            Some(digits.map_or(w, |n| n.to_string()))
        })
        .collect();
    // Longest first, and what is matched is taken out: "table lamp" must not also mention "lamp".
    let mut order: Vec<(usize, Vec<String>)> = options.iter().map(|o| words(o)).enumerate().collect();
    order.sort_by_key(|(i, w)| (std::cmp::Reverse(w.len()), *i));
    let mut claims = Claims::default();
    for (i, option) in order {
        while let Some(at) = find(&said, &option) {
            claims.options.insert(i);
            said.iter_mut().skip(at).take(option.len()).for_each(|w| *w = None);
        }
    }
    claims.verdict()
}

/// The options an answer names.
#[derive(Default)]
struct Claims {
    options: BTreeSet<usize>,
    out_of_range: bool,
}

impl Claims {
    fn letter(&mut self, letter: char, options: usize) {
        match letter_index(letter) {
            Some(i) if i < options => {
                self.options.insert(i);
            }
            Some(_) => self.out_of_range = true,
            None => {}
        }
    }

    fn verdict(&self) -> Parsed {
        match (self.options.first(), self.options.len()) {
            (Some(&choice), 1) => Parsed::chosen(choice),
            (Some(_), _) => Parsed::none(ParseStatus::Ambiguous),
            (None, _) if self.out_of_range => Parsed::none(ParseStatus::OutOfRange),
            (None, _) => Parsed::none(ParseStatus::Unparsed),
        }
    }
}

/// The text without tags (`<answer>`), emphasis and quotes; `\boxed{B}` becomes `(B)`.
fn plain(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len().min(MAX_CHARS));
    let mut chars = raw.chars().take(MAX_CHARS).peekable();
    while let Some(c) = chars.next() {
        match c {
            '<' => {
                // A tag is short and holds a word; a bare "<" in "3 < 4" stays.
                let tag: String = chars.clone().take(24).take_while(|&c| c != '>').collect();
                let closed = chars.clone().nth(tag.chars().count()) == Some('>');
                if closed && tag.chars().all(|c| c.is_ascii_alphanumeric() || "/_|-".contains(c)) {
                    chars.by_ref().take(tag.chars().count() + 1).for_each(drop);
                    out.push(' ');
                } else {
                    out.push(c);
                }
            }
            '\\' => {
                while chars.peek().is_some_and(char::is_ascii_alphabetic) {
                    chars.next();
                }
            }
            '{' => out.push('('),
            '}' => out.push(')'),
            '*' | '`' | '"' | '\u{201c}' | '\u{201d}' | '$' | '#' => {}
            _ => out.push(c),
        }
    }
    out.trim().to_owned()
}

fn lone_letter(text: &str) -> Option<char> {
    let mut chars = text.trim_matches(|c: char| !c.is_alphanumeric()).chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii_alphabetic() => Some(c),
        _ => None,
    }
}

/// `(B)`, `( b )`, `[B]` anywhere.
fn bracketed(text: &str, options: &[String], claims: &mut Claims) {
    for (at, open) in text.char_indices().filter(|&(_, c)| c == '(' || c == '[') {
        let close = if open == '(' { ')' } else { ']' };
        let inside = text[at + 1..].trim_start();
        let mut chars = inside.chars();
        let Some(c) = chars.next().filter(char::is_ascii_alphabetic) else {
            continue;
        };
        if let Some(rest) = chars.as_str().trim_start().strip_prefix(close) {
            claims.letter(c, options.len());
            // "(B) bookcase" with bookcase as option A contradicts itself.
            exact_text(&words(rest.lines().next().unwrap_or_default()), options, claims);
        }
    }
}

/// `B. lamp`, `B) lamp`, `B: lamp`, `B lamp` at the start.
fn leading(text: &str, options: &[String], claims: &mut Claims) {
    letter_then_rest(text, options, claims);
}

/// A letter or an option's exact text after "answer is", "answer:", "option" and the like.
fn announced(text: &str, options: &[String], claims: &mut Claims) {
    // ASCII lower-casing keeps byte offsets, so positions found here hold in `text`.
    let lower = text.to_ascii_lowercase();
    for keyword in ["answer is", "answer", "option", "choice"] {
        for (at, _) in lower.match_indices(keyword) {
            let inside_word = lower[..at].chars().next_back().is_some_and(char::is_alphanumeric);
            let mut rest = &text[at + keyword.len()..];
            if inside_word || rest.chars().next().is_some_and(char::is_alphanumeric) {
                continue;
            }
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":-=(['".contains(c));
            letter_then_rest(rest, options, claims);
            let line = rest.lines().next().unwrap_or_default();
            exact_text(&words(line), options, claims);
        }
    }
}

/// Counts a letter at the start of `text`, if it can only be meant as a letter.
fn letter_then_rest(text: &str, options: &[String], claims: &mut Claims) {
    let mut chars = text.chars();
    let Some(first) = chars.next().filter(char::is_ascii_alphabetic) else {
        return;
    };
    let rest = chars.as_str();
    let is_letter = match rest.chars().next() {
        None => true,
        Some('\n' | '\r' | ')' | ']' | ':' | '.' | ',' | ';' | '!') => true,
        Some(c) if c.is_whitespace() => {
            let following = words(rest.lines().next().unwrap_or_default());
            let repeats = letter_index(first)
                .and_then(|i| options.get(i))
                .is_some_and(|option| !following.is_empty() && words(option) == following);
            // "A chair ..." is an article and "I think" a pronoun; no other capital stands alone before a word.
            following.is_empty() || repeats || (first.is_ascii_uppercase() && !"AI".contains(first))
        }
        _ => false,
    };
    if is_letter {
        claims.letter(first, options.len());
        exact_text(&words(rest.lines().next().unwrap_or_default()), options, claims);
    }
}

fn exact_text(said: &[String], options: &[String], claims: &mut Claims) {
    if said.is_empty() {
        return;
    }
    for (i, option) in options.iter().enumerate() {
        if words(option) == said {
            claims.options.insert(i);
        }
    }
}

/// Lower-case runs of letters and digits.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

fn find(said: &[Option<String>], option: &[String]) -> Option<usize> {
    if option.is_empty() {
        return None;
    }
    said.windows(option.len()).position(|w| w.iter().zip(option).all(|(s, o)| s.as_ref() == Some(o)))
}
