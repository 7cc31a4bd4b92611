//! Wrong answers that could stand in the place of right ones, for the margin loss.
//!
//! Of typed records the answer is exchanged and said by the same template; of free text only what is surely an option of
//! the question, or one word that has an opposite.

use plumb_bench::sample::{letter, letter_index};
use plumb_qa::{Answer, Kind, QaPair, Shape, Side, Templates, render_texts};
use plumb_vlm::Processor;
use plumb_vlm::chat::{Content, Role};

use crate::data::Prepared;
use crate::encode::{Encoded, messages};
use crate::error::Result;

/// Words that answer, and their opposites.
const OPPOSITES: &[(&str, &str)] = &[
    ("yes", "no"),
    ("left", "right"),
    ("above", "below"),
    ("in front", "behind"),
    ("nearer", "farther"),
    ("closer", "farther"),
    ("near", "far"),
    ("taller", "shorter"),
    ("wider", "narrower"),
    ("bigger", "smaller"),
    ("higher", "lower"),
];

/// Where a wrong answer's tokens first leave the right one's, and the token that they go on with.
pub(super) fn contrasts(
    processor: &Processor,
    prepared: &Prepared,
    encoded: &Encoded,
) -> Result<Vec<Vec<(usize, u32)>>> {
    let templates = Templates::builtin().map_err(crate::data::DataError::from)?;
    let right = messages(prepared);
    let answers: Vec<usize> = (0..right.len()).filter(|i| right[*i].role == Role::Assistant).collect();
    let mut out = Vec::new();
    for (turn, wrong) in contraries(prepared, templates) {
        let Some(&at) = answers.get(turn) else { continue };
        let mut dialogue = right.clone();
        let mut found = Vec::with_capacity(wrong.len());
        for text in wrong {
            dialogue[at].content = vec![Content::Text { text }];
            let (ids, _) = processor.dialogue_ids(&dialogue, &encoded.images)?;
            let leaves = ids.iter().zip(&encoded.ids).position(|(wrong, right)| wrong != right);
            if let Some(at) = leaves.filter(|at| encoded.learn.get(*at) == Some(&true)) {
                found.push((at, ids[at]));
            }
        }
        // Options that begin with the same token are one wrong token.
        found.sort_unstable();
        found.dedup();
        if !found.is_empty() {
            out.push(found);
        }
    }
    Ok(out)
}

/// By turn: the answers that would be wrong there.
fn contraries(prepared: &Prepared, templates: &Templates) -> Vec<(usize, Vec<String>)> {
    let last = prepared.turns.len().saturating_sub(1);
    let turns = prepared.turns.iter().enumerate();
    turns
        .map(|(turn, (question, answer))| {
            let typed = prepared.pair.as_ref().filter(|_| turn == last);
            let wrong = match typed.and_then(|pair| exchanged(pair, answer, templates)) {
                Some(wrong) => wrong,
                None => in_text(question, answer),
            };
            (turn, wrong.into_iter().filter(|wrong| wrong != answer).collect())
        })
        .filter(|(_, wrong): &(usize, Vec<String>)| !wrong.is_empty())
        .collect()
}

/// The wrong answers of a record; `None` where its words are not of these templates.
fn exchanged(pair: &QaPair, answer: &str, templates: &Templates) -> Option<Vec<String>> {
    let (_, own) = render_texts(templates, pair)?;
    // A chain of steps stands before.
    let before = answer
        .strip_suffix(own.as_str())
        .filter(|before| own == pair.answer_text && (before.is_empty() || !pair.steps.is_empty()))?;
    let say = |answer: Answer| {
        let wrong = QaPair { answer, ..pair.clone() };
        let (_, text) = render_texts(templates, &wrong)?;
        Some(format!("{before}{text}"))
    };
    Some(wrong_answers(pair).into_iter().filter_map(say).collect())
}

fn wrong_answers(pair: &QaPair) -> Vec<Answer> {
    let count = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    match &pair.answer {
        Answer::YesNo(yes) => vec![Answer::YesNo(!yes)],
        Answer::Side(side) => vec![Answer::Side(opposite(*side))],
        Answer::Option(right) => {
            (0..count(pair.question.options.len())).filter(|i| i != right).map(Answer::Option).collect()
        }
        Answer::Object(right) => {
            let kind = pair.question.kind;
            let candidates = match (kind, kind.shape()) {
                (Kind::TallerOfNearer, _) => 1..3,
                (_, Shape::Choice) => 0..2,
                _ => 0..count(pair.question.objects.len()),
            };
            candidates.filter(|i| i != right).map(Answer::Object).collect()
        }
        // A wrong number may be nearly right.
        Answer::Length(_) | Answer::Count(_) | Answer::Clock(_) => Vec::new(),
    }
}

const fn opposite(side: Side) -> Side {
    match side {
        Side::Left => Side::Right,
        Side::Right => Side::Left,
        Side::Front => Side::Behind,
        Side::Behind => Side::Front,
        Side::Above => Side::Below,
        Side::Below => Side::Above,
        Side::Taller => Side::Shorter,
        Side::Shorter => Side::Taller,
        Side::Wider => Side::Narrower,
        Side::Narrower => Side::Wider,
        Side::Near => Side::Far,
        Side::Far => Side::Near,
    }
}

/// The wrong answers of a question in free text.
fn in_text(question: &str, answer: &str) -> Vec<String> {
    let said = answer.trim();
    let options = options(question);
    let at = options.iter().position(|text| *text == said);
    if let Some(right) = at.filter(|_| options.iter().filter(|text| **text == said).count() == 1) {
        return others(&options, right).map(|(_, text)| text.to_owned()).collect();
    }
    if let Some((right, form)) = lettered(said, &options) {
        let again = |(i, text): (usize, &str)| match form {
            Form::Bracketed => format!("({})", letter(i)),
            Form::Bare => letter(i).to_string(),
            Form::WithText => format!("({}) {text}", letter(i)),
        };
        return others(&options, right).map(again).collect();
    }
    let (word, end) = said.strip_suffix('.').map_or((said, ""), |word| (word, "."));
    let lower = word.to_lowercase();
    let turned = OPPOSITES.iter().find_map(|(a, b)| match lower.as_str() {
        w if w == *a => Some(*b),
        w if w == *b => Some(*a),
        _ => None,
    });
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    let cased = |other: &str| {
        let mut letters = other.chars();
        match letters.next().filter(|_| capital) {
            Some(first) => first.to_uppercase().chain(letters).collect(),
            None => other.to_owned(),
        }
    };
    turned.map(|other| format!("{}{end}", cased(other))).into_iter().collect()
}

fn others<'a>(options: &[&'a str], right: usize) -> impl Iterator<Item = (usize, &'a str)> {
    options.iter().copied().enumerate().filter(move |(i, _)| *i != right).collect::<Vec<_>>().into_iter()
}

#[derive(Clone, Copy)]
enum Form {
    Bracketed,
    Bare,
    WithText,
}

/// The option that an answer names by its letter, and how.
fn lettered(said: &str, options: &[&str]) -> Option<(usize, Form)> {
    let inside = said.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (name, form, text) = match inside {
        Some((name, "")) => (name, Form::Bracketed, None),
        Some((name, text)) => (name, Form::WithText, Some(text.trim())),
        None => (said, Form::Bare, None),
    };
    let mut letters = name.chars();
    let (first, None) = (letters.next().filter(char::is_ascii_uppercase)?, letters.next()) else {
        return None;
    };
    let right = letter_index(first).filter(|i| *i < options.len())?;
    text.is_none_or(|text| text == options[right]).then_some((right, form))
}

/// The options that stand in a question, `(A) one`, each on its line; empty unless there are two or more from A on.
fn options(question: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for line in question.lines() {
        let Some((name, text)) = line.trim().strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
            continue;
        };
        let mut letters = name.chars();
        let wanted = (found.len() < 26).then(|| letter(found.len()));
        if letters.next() == wanted && letters.next().is_none() {
            found.push(text.trim());
        }
    }
    if found.len() < 2 { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "How many?\nSelect from the following choices.\n(A) 3\n(B) 2\n(C) 10";

    #[test]
    fn letters_keep_their_form() {
        assert_eq!(in_text(ASKED, "(B)"), ["(A)", "(C)"]);
        assert_eq!(in_text(ASKED, "B"), ["A", "C"]);
        assert_eq!(in_text(ASKED, "(B) 2"), ["(A) 3", "(C) 10"]);
        assert_eq!(in_text(ASKED, "10"), ["3", "2"]);
        for odd in ["(D)", "(B) 3", "D", "b", "", "(", "()", "BB"] {
            assert!(in_text(ASKED, odd).is_empty(), "{odd}");
        }
        assert!(in_text("Is it (A)?", "(A)").is_empty());
    }

    #[test]
    fn words_are_turned_and_sentences_left_alone() {
        assert_eq!(in_text("Where?", "Left."), ["Right."]);
        assert_eq!(in_text("Where?", "in front"), ["behind"]);
        assert_eq!(in_text("Which?", "Closer"), ["Farther"]);
        assert_eq!(in_text("Is it?", "no"), ["yes"]);
        assert!(in_text("Where?", "To the left of the lamp.").is_empty());
    }
}
