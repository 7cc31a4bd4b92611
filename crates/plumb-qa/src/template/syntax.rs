//! One template as text, cut into pieces once, so that filling it in is a walk over the pieces.

use std::fmt::Write as _;

use super::Slots;
use crate::number;

/// What a template can ask for in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    A,
    B,
    C,
    Answer,
    Other,
    List,
    ListOr,
    Category,
    Plural,
    Things,
    Length,
    First,
    Second,
    Count,
    CountWord,
    Clock,
    Rank,
    Nth,
    Letter,
    Option,
    Mark,
}

impl Slot {
    const NAMES: [(&'static str, Self); 21] = [
        ("A", Self::A),
        ("B", Self::B),
        ("C", Self::C),
        ("answer", Self::Answer),
        ("other", Self::Other),
        ("list", Self::List),
        ("list_or", Self::ListOr),
        ("category", Self::Category),
        ("plural", Self::Plural),
        ("things", Self::Things),
        ("length", Self::Length),
        ("first", Self::First),
        ("second", Self::Second),
        ("count", Self::Count),
        ("count_word", Self::CountWord),
        ("clock", Self::Clock),
        ("rank", Self::Rank),
        ("nth", Self::Nth),
        ("letter", Self::Letter),
        ("option", Self::Option),
        ("mark", Self::Mark),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, slot)| *slot == self).map_or("", |(name, _)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, slot)| *slot)
    }

    /// Whether it has a number, singular or plural, that a verb must agree with.
    fn agrees(self) -> bool {
        matches!(self, Self::A | Self::B | Self::C | Self::Answer | Self::Other | Self::List | Self::Count)
    }
}

/// A word that depends on the number of a slot: `{A.is}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Is,
    Does,
    Has,
    /// The ending of a regular verb.
    S,
    Its,
}

impl Verb {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "is" => Self::Is,
            "does" => Self::Does,
            "has" => Self::Has,
            "s" => Self::S,
            "its" => Self::Its,
            _ => return None,
        })
    }

    fn word(self, plural: bool) -> &'static str {
        match (self, plural) {
            (Self::Is, false) => "is",
            (Self::Is, true) => "are",
            (Self::Does, false) => "does",
            (Self::Does, true) => "do",
            (Self::Has, false) => "has",
            (Self::Has, true) => "have",
            (Self::S, false) => "s",
            (Self::S, true) => "",
            (Self::Its, false) => "its",
            (Self::Its, true) => "their",
        }
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    /// With the word after `nth`, else empty; and whether it starts a sentence.
    Slot(Slot, Box<str>, bool),
    Verb(Slot, Verb, bool),
}

/// A template ready to be filled in.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pieces: Box<[Piece]>,
}

impl Template {
    /// # Errors
    /// What is wrong with the braces, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut starts = true;
        while !rest.is_empty() {
            let cut = rest.find(['{', '}']).unwrap_or(rest.len());
            let (literal, tail) = rest.split_at(cut);
            if !literal.is_empty() {
                starts = starts_sentence(literal, starts);
                pieces.push(Piece::Text(literal.into()));
            }
            if tail.is_empty() {
                break;
            }
            let Some((inside, after)) = tail.strip_prefix('{').and_then(|tail| tail.split_once('}')) else {
                return Err(format!("unbalanced braces from `{tail}`"));
            };
            if inside.contains('{') {
                return Err(format!("unbalanced braces from `{tail}`"));
            }
            pieces.push(parse_slot(inside, starts)?);
            starts = false;
            rest = after;
        }
        Ok(Self { pieces: pieces.into_boxed_slice() })
    }

    /// The slots whose own text is shown (not only a verb that agrees), each as often as it occurs.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Slot> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(slot, ..) => Some(*slot),
            _ => None,
        })
    }

    /// Every slot that is used in any way.
    pub(crate) fn used(&self) -> impl Iterator<Item = Slot> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(slot, ..) | Piece::Verb(slot, ..) => Some(*slot),
            Piece::Text(_) => None,
        })
    }

    /// Appends the text.
    pub(crate) fn render(&self, slots: &Slots<'_>, out: &mut String) {
        for piece in &*self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(slot, word, starts) => {
                    let from = out.len();
                    push_slot(*slot, word, slots, out);
                    if *starts {
                        capitalise(out, from);
                    }
                }
                Piece::Verb(slot, verb, starts) => {
                    let from = out.len();
                    out.push_str(verb.word(is_plural(*slot, slots)));
                    if *starts {
                        capitalise(out, from);
                    }
                }
            }
        }
    }
}

fn parse_slot(inside: &str, starts: bool) -> Result<Piece, String> {
    if let Some(word) = inside.strip_prefix("nth ") {
        return Ok(Piece::Slot(Slot::Nth, word.into(), starts));
    }
    let unknown = || format!("unknown slot `{{{inside}}}`");
    if let Some((name, verb)) = inside.split_once('.') {
        let slot = Slot::parse(name).filter(|slot| slot.agrees()).ok_or_else(unknown)?;
        return Ok(Piece::Verb(slot, Verb::parse(verb).ok_or_else(unknown)?, starts));
    }
    match Slot::parse(inside) {
        Some(Slot::Nth) => Err("`nth` needs the word it ranks, as in `{nth tallest}`".into()),
        // An option is shown letter for letter as it was offered.
        Some(slot) => Ok(Piece::Slot(slot, "".into(), starts && slot != Slot::Option)),
        None => Err(unknown()),
    }
}

/// Whether what follows `literal` starts a sentence; `before` says whether `literal` itself does.
fn starts_sentence(literal: &str, before: bool) -> bool {
    let trimmed = literal.trim_end();
    if trimmed.is_empty() {
        return before;
    }
    trimmed.len() < literal.len() && trimmed.ends_with(['.', '?', '!'])
}

fn push_slot(slot: Slot, word: &str, slots: &Slots<'_>, out: &mut String) {
    match slot {
        Slot::A => out.push_str(slots.a.text),
        Slot::B => out.push_str(slots.b.text),
        Slot::C => out.push_str(slots.c.text),
        Slot::Answer => out.push_str(slots.answer.text),
        Slot::Other => out.push_str(slots.other.text),
        Slot::List => push_list(slots, "and", out),
        Slot::ListOr => push_list(slots, "or", out),
        Slot::Category => out.push_str(slots.category),
        Slot::Plural => out.push_str(slots.plural),
        Slot::Things => out.push_str(if slots.count == 1 { slots.category } else { slots.plural }),
        Slot::Length => out.push_str(slots.length),
        Slot::First => out.push_str(slots.first),
        Slot::Second => out.push_str(slots.second),
        Slot::Count => number::push_integer(slots.count, out),
        Slot::CountWord => number::push_count_word(slots.count, out),
        Slot::Clock => number::push_clock(slots.hour, out),
        Slot::Rank => number::push_ordinal(u32::from(slots.rank), out),
        Slot::Nth => {
            if slots.rank != 1 {
                number::push_ordinal(u32::from(slots.rank), out);
                out.push(' ');
            }
            out.push_str(word);
        }
        Slot::Letter => out.push(slots.letter),
        Slot::Option => out.push_str(slots.option),
        Slot::Mark => {
            if !slots.mark.is_empty() {
                // Writing to a String never fails.
                let _ = write!(out, " {}", slots.mark);
            }
        }
    }
}

fn push_list(slots: &Slots<'_>, word: &str, out: &mut String) {
    let last = slots.list.len().saturating_sub(1);
    for (i, noun) in slots.list.iter().enumerate() {
        if i > 0 {
            // Mentions such as "the cup on the table and the plate" stay apart only with the comma before the last.
            out.push_str(if last > 1 { ", " } else { " " });
            if i == last {
                out.push_str(word);
                out.push(' ');
            }
        }
        out.push_str(noun.text);
    }
}

fn is_plural(slot: Slot, slots: &Slots<'_>) -> bool {
    match slot {
        Slot::A => slots.a.plural,
        Slot::B => slots.b.plural,
        Slot::C => slots.c.plural,
        Slot::Answer => slots.answer.plural,
        Slot::Other => slots.other.plural,
        Slot::List => slots.list.len() != 1 || slots.list.iter().any(|noun| noun.plural),
        Slot::Count => slots.count != 1,
        _ => false,
    }
}

fn capitalise(out: &mut String, from: usize) {
    let Some(first) = out[from..].chars().next() else { return };
    if first.is_ascii() {
        if first.is_ascii_lowercase() {
            out.replace_range(from..=from, first.to_ascii_uppercase().encode_utf8(&mut [0; 4]));
        }
    } else if first.is_lowercase() {
        let upper: String = first.to_uppercase().collect();
        out.replace_range(from..from + first.len_utf8(), &upper);
    }
}
