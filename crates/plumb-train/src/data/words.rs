//! Left and right exchanged in free text, or a reason why it cannot be.
//!
//! Only for conversations that come without geometry: where there is a scene, answers are computed anew. The rule is to refuse what is not
//! surely about places: "left" may mean remaining and "right" may mean correct, and a wrong label costs more than a sample that is not
//! flipped. Rules of `o'clock`, azimuth and handed things follow the augmentation table of the training specification.

mod lists;
mod numbers;
#[cfg(test)]
mod tests;

use std::ops::Range;

use lists::{
    AFTER_SIDE, BEFORE_SIDE, BODY, COMPASS, HANDED, IN_VIEW, INSTRUCTIONS, NOT_A_PLACE, SIDE_WORDS, TAGS,
};

/// A word of a text, in lower case, and where it stands.
struct Word {
    text: String,
    at: Range<usize>,
}

/// What the texts of a sample have in common.
#[derive(Clone, Copy, Default)]
struct Context {
    clock: bool,
    azimuth: bool,
}

/// The texts of one sample with left and right exchanged: applied twice it gives back what it was given.
///
/// # Errors
/// Why the sample cannot be mirrored.
pub fn mirror_texts(texts: &[&str]) -> Result<Vec<String>, String> {
    let split: Vec<Vec<Word>> = texts.iter().map(|text| words(text)).collect();
    let all = || split.iter().flatten().map(|word| word.text.as_str());
    let has = |wanted: &str| all().any(|word| word == wanted);
    let context = Context { clock: has("o'clock"), azimuth: has("azimuth") };
    if has("clock") && !context.clock || context.clock && has("time") {
        return Err("a clock may be in view".to_owned());
    }
    if context.azimuth && all().any(|word| SIDE_WORDS.iter().any(|(a, b)| word == *a || word == *b)) {
        return Err("an azimuth with a side: its sign may be said by the side".to_owned());
    }
    let mirrored: Vec<String> = texts
        .iter()
        .zip(&split)
        .map(|(text, words)| mirror(text, words, context))
        .collect::<Result<_, _>>()?;
    Ok(mirrored)
}

/// Whether a name is of a thing that shows text, or that comes left- and right-handed.
///
/// # Errors
/// The word that says so.
pub(super) fn mirrorable_name(name: &str) -> Result<(), String> {
    for word in words(name) {
        if listed(&word.text, IN_VIEW) || listed(&word.text, HANDED) {
            return Err(format!("`{}` looks wrong in a mirror", word.text));
        }
        if listed_side(&word.text).is_some() || listed(&word.text, COMPASS) {
            return Err(format!("`{}` is part of a name", word.text));
        }
    }
    Ok(())
}

fn listed(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
}

/// The other side of a word of a side.
fn listed_side(word: &str) -> Option<&'static str> {
    SIDE_WORDS.iter().find_map(|&(left, right)| {
        if word == left {
            Some(right)
        } else if word == right {
            Some(left)
        } else {
            None
        }
    })
}

fn mirror(text: &str, words: &[Word], context: Context) -> Result<String, String> {
    refuse(text, words)?;
    let mut changes = numbers::changes(text, words, context)?;
    for (at, word) in words.iter().enumerate() {
        let Some(other) = listed_side(&word.text) else { continue };
        if matches!(word.text.as_str(), "left" | "right") {
            is_a_place(text, words, at)?;
        }
        let found = text.get(word.at.clone()).unwrap_or_default();
        let cased = same_case(found, other).ok_or_else(|| format!("`{found}` is written in an odd way"))?;
        changes.push((word.at.clone(), cased));
    }
    changes.sort_by_key(|(at, _)| at.start);
    let (mut out, mut from) = (String::with_capacity(text.len() + 8), 0);
    for (at, new) in changes {
        out.push_str(text.get(from..at.start).unwrap_or_default());
        out.push_str(&new);
        from = at.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Ok(out)
}

/// Words with an apostrophe inside, in lower case.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let inner = |c: char| c.is_alphanumeric() || c == '\'' || c == '’';
    for (at, c) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        if inner(c) {
            start.get_or_insert(at);
        } else if let Some(from) = start.take() {
            let found = text.get(from..at).unwrap_or_default();
            let trimmed = found.trim_matches(['\'', '’']);
            let begin = from + (found.len() - found.trim_start_matches(['\'', '’']).len());
            if !trimmed.is_empty() {
                let lower = trimmed.to_lowercase().replace('’', "'");
                words.push(Word { text: lower, at: begin..begin + trimmed.len() });
            }
        }
    }
    words
}

/// What no exchange of words makes right.
fn refuse(text: &str, words: &[Word]) -> Result<(), String> {
    let lower = text.to_lowercase();
    if let Some(tag) = TAGS.iter().find(|tag| lower.contains(**tag)) {
        return Err(format!("`{tag}…>` stands for a place in the picture"));
    }
    if numbers::has_coordinates(text) {
        return Err("coordinates in the text".to_owned());
    }
    // "Answer with the letter" says nothing of letters in view.
    let instructed: Vec<Range<usize>> = INSTRUCTIONS
        .iter()
        .flat_map(|said| text.match_indices(said).map(|(at, _)| at..at + said.len()))
        .collect();
    for (at, word) in words.iter().enumerate() {
        if instructed.iter().any(|range| range.contains(&word.at.start)) {
            continue;
        }
        if listed(&word.text, IN_VIEW) {
            return Err(format!("`{}`: text may be in view", word.text));
        }
        if listed(&word.text, HANDED) {
            return Err(format!("`{}` is left- or right-handed", word.text));
        }
        if listed(&word.text, COMPASS) {
            return Err(format!("`{}` is not mirrored by exchanging sides", word.text));
        }
        let next = words.get(at + 1).map_or("", |next| next.text.as_str());
        if listed_side(&word.text).is_some() && listed(next, BODY) {
            return Err(format!("`{} {next}` is a part of a body", word.text));
        }
    }
    Ok(())
}

/// Whether a "left" or "right" is surely a direction.
fn is_a_place(text: &str, words: &[Word], at: usize) -> Result<(), String> {
    let Some(word) = words.get(at) else { return Ok(()) };
    let near = |index: Option<usize>| index.and_then(|i| words.get(i)).map_or("", |w| w.text.as_str());
    let (before, after) = (near(at.checked_sub(1)), near(at.checked_add(1)));
    // Only words of the same sentence part say what this one means.
    let rest = text.get(word.at.end..).unwrap_or_default();
    let joined = rest.starts_with([' ', '-', '/']) && !rest.trim_start_matches([' ', '-', '/']).is_empty();
    let next = if joined { after } else { "" };
    let lead = text.get(..word.at.start).unwrap_or_default();
    let alone = {
        let line = lead.rsplit('\n').next().unwrap_or_default().trim();
        let tail = rest.split('\n').next().unwrap_or_default();
        let option = line.is_empty() || line.ends_with([')', ':', '.']) && line.len() <= 3;
        option && tail.trim().chars().all(|c| c.is_ascii_punctuation())
    };
    let doubt = || Err(format!("`{before} {} {after}` may not be about a place", word.text));
    if word.text == "right" && listed(next, NOT_A_PLACE) {
        return doubt();
    }
    let other = if word.text == "left" { "right" } else { "left" };
    let paired = |other_at: Option<usize>, link: &str| {
        matches!(link, "or" | "and" | "to" | "from") && near(other_at) == other
    };
    let sure = alone
        || listed(next, AFTER_SIDE)
        || listed(before, BEFORE_SIDE)
        || before == other
        || next == other
        || paired(at.checked_sub(2), before)
        || paired(at.checked_add(2), next);
    // "three are left of the ten" is rare enough to be lost among the sure ones; "is left." is not.
    if sure { Ok(()) } else { doubt() }
}

/// `new` written as `old` is; `None` for a mixture that would not come back.
fn same_case(old: &str, new: &str) -> Option<String> {
    let upper = |s: &str| s.chars().all(char::is_uppercase);
    let lower = |s: &str| s.chars().all(char::is_lowercase);
    let mut chars = old.chars();
    let first = chars.next()?;
    if lower(old) {
        Some(new.to_owned())
    } else if upper(old) {
        Some(new.to_uppercase())
    } else if first.is_uppercase() && lower(chars.as_str()) {
        let mut out = String::with_capacity(new.len());
        let mut letters = new.chars();
        out.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(letters.as_str());
        Some(out)
    } else {
        None
    }
}
