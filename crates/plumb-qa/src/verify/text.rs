//! Free text as an answer: the words of a model read as what the question asks for.

use super::{Given, Verdict, judge};
use crate::evaluate::TruthValue;
use crate::kind::{AnswerForm, Kind};
use crate::pair::{Mention, Question, Side};
use crate::scene_index::SceneIndex;
use plumb_bench::parse::NUMBER_WORDS;

/// Longest text that is read, in bytes: an answer comes early, and a model that does not stop must not cost minutes.
const LONGEST: usize = 16_384;

/// Judges free text. `parse_length` reads a length as metres and half the width of what it can mean; `mentions` are those of the question's objects.
///
/// Yes and no: the first word decides, else the only one of them in the text, else a negation. Words of a side: what they say of the first object, the
/// subject of each being the object named last before it. Counts, hours and options: the only one in the text (a number before "o'clock" goes first). Objects: the one named first, if it is not only compared with. What cannot be read is wrong, not undecided.
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
        AnswerForm::Side => side(question, &words, mentions).map(|side| Given::Value(TruthValue::Side(side))),
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
    let negation = |word: &String| word == "not" || word.ends_with("n't") || word == "cannot";
    let meaning = |at: usize| {
        let negated = at.checked_sub(1).and_then(|before| words.get(before)).is_some_and(negation);
        match words[at].as_str() {
            "yes" | "yeah" | "yep" | "correct" | "true" | "indeed" => Some(!negated),
            "no" | "nope" | "false" | "incorrect" | "wrong" => Some(negated),
            _ => None,
        }
    };
    if let Some(first) = (0..words.len().min(1)).find_map(meaning) {
        return Some(first);
    }
    let mut stated = (0..words.len()).filter_map(meaning).peekable();
    if stated.peek().is_some() { only(stated) } else { words.iter().any(negation).then_some(false) }
}

/// Words of the first and the second side, and of each what may also mean other things.
struct SideWords {
    sides: [Side; 2],
    clear: [&'static [&'static str]; 2],
    vague: [&'static [&'static str]; 2],
}

impl SideWords {
    fn of(kind: Kind) -> Option<Self> {
        let (sides, clear, vague): ([Side; 2], [&'static [&'static str]; 2], [&'static [&'static str]; 2]) =
            match kind {
                Kind::LeftRightClassify => ([Side::Left, Side::Right], [&["left"], &["right"]], [&[], &[]]),
                Kind::BehindFrontClassify => (
                    [Side::Front, Side::Behind],
                    [&["front"], &["behind"]],
                    [&["closer", "nearer", "ahead"], &["farther", "further", "back"]],
                ),
                Kind::AboveBelowClassify => (
                    [Side::Above, Side::Below],
                    [&["above"], &["below", "beneath", "underneath"]],
                    [&["higher", "over"], &["lower", "under"]],
                ),
                Kind::TallShortClassify => (
                    [Side::Taller, Side::Shorter],
                    [&["taller"], &["shorter"]],
                    [&["higher", "tall"], &["lower", "short"]],
                ),
                Kind::WideThinClassify => (
                    [Side::Wider, Side::Narrower],
                    [&["wider", "broader"], &["narrower", "thinner", "slimmer"]],
                    [&["wide"], &["narrow", "thin", "slim"]],
                ),
                Kind::NearFarClassify => (
                    [Side::Near, Side::Far],
                    [&["near", "next", "close", "beside", "nearby", "adjacent"], &["far", "distant"]],
                    // "a long way"
                    [&[], &["way"]],
                ),
                _ => return None,
            };
        Some(Self { sides, clear, vague })
    }

    /// Places of words and whether they are of the first side.
    fn places(&self, words: &[String]) -> Vec<(usize, bool)> {
        let find = |lists: &[&[&str]; 2]| -> Vec<(usize, bool)> {
            let first =
                |word: &String| lists.iter().position(|list| list.contains(&word.as_str())).map(|at| at == 0);
            words.iter().enumerate().filter_map(|(at, word)| first(word).map(|first| (at, first))).collect()
        };
        let clear = find(&self.clear);
        if clear.is_empty() { find(&self.vague) } else { clear }
    }
}

fn side(question: &Question, words: &[String], mentions: &[Mention]) -> Option<Side> {
    let table = SideWords::of(question.kind)?;
    let places = table.places(words);
    // "…, so the answer is in front"
    let announced = words.iter().rposition(|word| word == "answer");
    if let Some(at) = announced
        && places.iter().any(|(place, _)| *place > at)
    {
        let first = only(places.iter().filter(|(place, _)| *place > at).map(|(_, first)| *first))?;
        return Some(table.sides[usize::from(!first)]);
    }
    // Said of the other object, a word means its opposite; "near" and "far" are the same from both.
    let symmetric = question.kind == Kind::NearFarClassify;
    let found = found_mentions(question, words, mentions);
    let of_other = |place: usize| {
        let subject = found.iter().rev().find(|mention| mention.place < place && !mention.compared);
        !symmetric && subject.is_some_and(|mention| mention.role == 1)
    };
    let first = only(places.iter().map(|&(place, first)| first != of_other(place)))?;
    Some(table.sides[usize::from(!first)])
}

fn number(word: &str) -> Option<u32> {
    let named = || (0..).zip(NUMBER_WORDS).find(|(_, name)| *name == word).map(|(n, _)| n);
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

/// A question's object, found in a text.
struct Found {
    role: usize,
    /// Index of the first word of its name, after the article.
    place: usize,
    /// It follows "than", "with", "of", …: something is said in relation to it, not of it.
    compared: bool,
}

/// In the order of the text; "the chair" is not found in "the red chair".
fn found_mentions(question: &Question, text: &[String], mentions: &[Mention]) -> Vec<Found> {
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
    names.sort_by_key(|(role, name)| (std::cmp::Reverse(name.len()), *role));
    let mut found = Vec::new();
    let mut place = 0;
    while place < text.len() {
        if let Some((role, name)) = names.iter().find(|(_, name)| at_place(text, place, name)) {
            let word =
                |back: usize| place.checked_sub(back).and_then(|at| text.get(at)).map_or("", String::as_str);
            let before = if word(1) == "the" { word(2) } else { word(1) };
            let compared = matches!(before, "than" | "with" | "to" | "of" | "from");
            found.push(Found { role: *role, place, compared });
            place += name.len();
        } else {
            place += 1;
        }
    }
    found
}

fn object(question: &Question, text: &[String], mentions: &[Mention]) -> Option<u8> {
    let found = found_mentions(question, text, mentions);
    let mut possible = found.iter().filter(|found| candidate(question.kind, found.role));
    let first = possible.clone().next()?;
    let chosen = possible.find(|found| !found.compared).unwrap_or(first).role;
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
    // "is a" is an article, unless nothing follows.
    let article =
        |pair: &[String]| pair[0] == "is" && pair[1] == "a" && text_words.last().is_some_and(|w| w != "a");
    let announced: Vec<u32> =
        announced.filter(|pair| !article(pair)).filter_map(|pair| letter(&pair[1])).collect();
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
