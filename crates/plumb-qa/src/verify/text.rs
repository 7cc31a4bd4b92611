//! Free text as an answer: the words of a model read as what the question asks for.

use super::{Given, Verdict, judge};
use crate::evaluate::TruthValue;
use crate::kind::{AnswerForm, Kind};
use crate::pair::{Mention, Question, Side};
use crate::scene_index::SceneIndex;

/// Longest text that is read, in bytes: an answer comes early, and a model that does not stop must not cost minutes.
const LONGEST: usize = 16_384;

/// Judges free text. `parse_length` reads a length as metres and half the width of what it can mean; `mentions` are those of the question's objects.
///
/// Yes and no: the first word decides, else the only one of them in the text, else a negation. Words of a side, counts, hours and options: the only one
/// in the text (a number before "o'clock" goes first). Objects: the one named first, longest names first. What cannot be read is wrong, not undecided.
#[must_use]
pub fn verify_text(
    index: &SceneIndex<'_>,
    question: &Question,
    text: &str,
    parse_length: &dyn Fn(&str) -> Option<(f64, f64)>,
    mentions: &[Mention],
) -> Verdict {
    let text = shortened(text);
    let words = words(text);
    let given = match question.kind.form() {
        AnswerForm::YesNo => yes_no(&words).map(|yes| Given::Value(TruthValue::YesNo(yes))),
        AnswerForm::Side => side(question.kind, &words).map(|side| Given::Value(TruthValue::Side(side))),
        AnswerForm::Length => {
            parse_length(text).map(|(metres, tolerance)| Given::Length { metres, tolerance })
        }
        AnswerForm::Count => {
            only(words.iter().filter_map(|w| number(w))).map(|n| Given::Value(TruthValue::Count(n)))
        }
        AnswerForm::Clock => clock(&words).map(|hour| Given::Value(TruthValue::Clock(hour))),
        AnswerForm::Object => {
            object(question, &words, mentions).map(|at| Given::Value(TruthValue::Object(at)))
        }
        AnswerForm::Option => option(question, text, &words).map(|at| Given::Value(TruthValue::Option(at))),
    };
    judge(index, question, given)
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().trim()
}

/// Lower case, split at all but letters, digits and the apostrophe within a word.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('’', "'")
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\'').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The value that all agree on.
fn only<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn yes_no(words: &[String]) -> Option<bool> {
    let meaning = |word: &String| match word.as_str() {
        "yes" | "yeah" | "yep" | "correct" | "true" | "indeed" => Some(true),
        "no" | "nope" | "false" | "incorrect" | "wrong" => Some(false),
        _ => None,
    };
    if let Some(first) = words.first().and_then(meaning) {
        return Some(first);
    }
    let stated: Vec<bool> = words.iter().filter_map(meaning).collect();
    if !stated.is_empty() {
        return only(stated.into_iter());
    }
    words.iter().any(|word| word == "not" || word.ends_with("n't") || word == "cannot").then_some(false)
}

fn side(kind: Kind, words: &[String]) -> Option<Side> {
    let table: &[(Side, &[&str])] = match kind {
        Kind::LeftRightClassify => &[(Side::Left, &["left"]), (Side::Right, &["right"])],
        Kind::BehindFrontClassify => &[
            (Side::Front, &["front", "closer", "nearer", "ahead"]),
            (Side::Behind, &["behind", "farther", "further", "back"]),
        ],
        Kind::AboveBelowClassify => &[
            (Side::Above, &["above", "higher", "over"]),
            (Side::Below, &["below", "lower", "under", "beneath", "underneath"]),
        ],
        Kind::TallShortClassify => {
            &[(Side::Taller, &["taller", "higher"]), (Side::Shorter, &["shorter", "lower"])]
        }
        Kind::WideThinClassify => {
            &[(Side::Wider, &["wider", "broader"]), (Side::Narrower, &["narrower", "thinner", "slimmer"])]
        }
        Kind::NearFarClassify => &[
            (Side::Near, &["near", "next", "close", "beside", "nearby", "adjacent"]),
            (Side::Far, &["far", "distant"]),
        ],
        _ => return None,
    };
    only(words.iter().filter_map(|word| {
        table.iter().find(|(_, names)| names.contains(&word.as_str())).map(|(side, _)| *side)
    }))
}

fn number(word: &str) -> Option<u32> {
    const NAMES: [&str; 21] = [
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
    let named = || (0..).zip(NAMES).find(|(_, name)| *name == word).map(|(n, _)| n);
    word.parse().ok().or_else(named).or((word == "none").then_some(0))
}

fn clock(words: &[String]) -> Option<u8> {
    let hour =
        |word: &String| number(word).and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=12).contains(n));
    let before = |at: usize| words.get(at.checked_sub(1)?).and_then(hour);
    let marked = (0..words.len()).filter(|&at| {
        words[at] == "o'clock"
            || words[at] == "oclock"
            || (words[at] == "o" && words.get(at + 1).is_some_and(|w| w == "clock"))
    });
    let marked: Vec<u8> = marked.filter_map(before).collect();
    if marked.is_empty() { only(words.iter().filter_map(hour)) } else { only(marked.into_iter()) }
}

/// Whether the words at a place are these.
fn at_place(words: &[String], place: usize, name: &[String]) -> bool {
    !name.is_empty() && words.get(place..place + name.len()).is_some_and(|found| found == name)
}

fn object(question: &Question, text: &[String], mentions: &[Mention]) -> Option<u8> {
    let mut names: Vec<(usize, Vec<String>)> = Vec::new();
    for (role, id) in question.objects.iter().enumerate() {
        for mention in mentions.iter().filter(|mention| mention.object == *id) {
            let mut name = words(&mention.text);
            if name.len() > 1 && matches!(name[0].as_str(), "the" | "a" | "an") {
                name.remove(0);
            }
            names.push((role, name));
        }
    }
    // "the chair" must not be found in "the red chair".
    names.sort_by_key(|(role, name)| (std::cmp::Reverse(name.len()), *role));
    let chosen = (0..text.len())
        .filter_map(|place| names.iter().find(|(_, name)| at_place(text, place, name)))
        .map(|&(role, _)| role)
        .find(|role| candidate(question.kind, *role))?;
    u8::try_from(chosen).ok()
}

/// Whether the object in a role can be the answer; the others are only what it is compared with.
fn candidate(kind: Kind, role: usize) -> bool {
    match kind {
        Kind::NearerChoice | Kind::FartherChoice => role < 2,
        Kind::TallerOfNearer => role > 0,
        _ => true,
    }
}

fn option(question: &Question, text: &str, text_words: &[String]) -> Option<u8> {
    let count = question.options.len().min(26);
    let letter = |word: &str| {
        let mut chars = word.chars();
        let at = u32::from(chars.next()?.to_ascii_lowercase()).checked_sub(u32::from('a'))?;
        (chars.next().is_none() && (at as usize) < count).then_some(at)
    };
    let as_code = |at: u32| u8::try_from(at).ok();
    // "B", "(B)", "B.", "(B) three": a letter that stands first and is marked as one or alone.
    let start = text.trim_start_matches(['(', '[', '*', ' ']);
    if let Some(first) = start.get(..1).and_then(letter) {
        let rest = start.get(1..).unwrap_or_default();
        if rest.is_empty() || rest.starts_with([')', ']', '.', ':', ',', '*']) {
            return as_code(first);
        }
    }
    // Anywhere in brackets.
    let bracketed: Vec<u32> = text
        .split('(')
        .skip(1)
        .filter_map(|after| after.split_once(')').and_then(|(inside, _)| letter(inside.trim())))
        .collect();
    if !bracketed.is_empty() {
        return only(bracketed.into_iter()).and_then(as_code);
    }
    // "the answer is B", "option B"
    let announced =
        text_words.windows(2).filter(|pair| matches!(pair[0].as_str(), "is" | "option" | "answer"));
    let announced: Vec<u32> = announced
        .filter(|pair| pair[1] != "a" || text.ends_with(['A', 'a']))
        .filter_map(|pair| letter(&pair[1]))
        .collect();
    if !announced.is_empty() {
        return only(announced.into_iter()).and_then(as_code);
    }
    // The words of one option, longest first, so that "12" is not found in an option that is part of another.
    let mut names: Vec<(u32, Vec<String>)> =
        (0..).zip(&question.options).map(|(at, text)| (at, words(text))).collect();
    names.sort_by_key(|(at, name)| (std::cmp::Reverse(name.len()), *at));
    let mut found = Vec::new();
    let mut place = 0;
    while place < text_words.len() {
        if let Some((at, name)) = names.iter().find(|(_, name)| at_place(text_words, place, name)) {
            found.push(*at);
            place += name.len();
        } else {
            place += 1;
        }
    }
    if found.is_empty() {
        let numbers = text_words.iter().filter_map(|word| number(word)).map(|n| n.to_string());
        let at = |n: String| question.options.iter().position(|option| option.trim() == n);
        return only(numbers).and_then(at).and_then(|at| u8::try_from(at).ok());
    }
    only(found.into_iter()).and_then(as_code)
}
