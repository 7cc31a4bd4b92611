//! Whether a mention is singular or plural, so that verbs can agree with it.

use crate::pair::Mention;

/// A mention of an object in a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noun<'a> {
    /// With its article, in lower case as inside a sentence: "the red chair".
    pub text: &'a str,
    /// "the curtains are", not "the curtains is".
    pub plural: bool,
}

impl<'a> Noun<'a> {
    #[must_use]
    pub const fn singular(text: &'a str) -> Self {
        Self { text, plural: false }
    }

    #[must_use]
    pub const fn plural(text: &'a str) -> Self {
        Self { text, plural: true }
    }

    /// Guesses the number from the head noun: the last word before a preposition, relative word or comma.
    #[must_use]
    pub fn guess(text: &'a str) -> Self {
        Self { text, plural: is_plural_phrase(text) }
    }
}

impl<'a> From<&'a Mention> for Noun<'a> {
    fn from(mention: &'a Mention) -> Self {
        Self::guess(&mention.text)
    }
}

const HEAD_ENDS: [&str; 31] = [
    "of", "in", "on", "at", "from", "with", "without", "to", "by", "under", "over", "near", "beside",
    "behind", "above", "below", "between", "against", "inside", "next", "for", "that", "which", "who",
    "standing", "sitting", "lying", "hanging", "leaning", "made", "and",
];

const SINGULAR_IN_S: [&str; 12] = [
    "lens",
    "series",
    "species",
    "chess",
    "news",
    "tennis",
    "bus",
    "gas",
    "canvas",
    "atlas",
    "christmas",
    "mattress",
];

const PLURAL_WITHOUT_S: [&str; 9] =
    ["people", "men", "women", "children", "feet", "teeth", "mice", "geese", "sheep"];

fn is_plural_phrase(text: &str) -> bool {
    let mut head = "";
    for word in text.split_whitespace() {
        let bare = word.trim_end_matches([',', ';']);
        if HEAD_ENDS.contains(&bare) && !head.is_empty() {
            break;
        }
        head = bare;
        if bare.len() < word.len() {
            break;
        }
    }
    let is = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(head));
    if is(&PLURAL_WITHOUT_S) {
        return true;
    }
    let ends = |suffix: &str| {
        head.len() >= suffix.len()
            && head.get(head.len() - suffix.len()..).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
    };
    // "glass", "cactus", "tennis": not plural. A word of two letters or a token such as "<regions>" is not one either.
    ends("s") && head.len() > 2 && !ends("ss") && !ends("us") && !ends("is") && !is(&SINGULAR_IN_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_noun_decides() {
        for (text, plural) in [
            ("the red chair", false),
            ("the curtains", true),
            ("the pair of scissors", false),
            ("the shelves on the wall", true),
            ("the chair with three legs", false),
            ("the second chair from the left", false),
            ("the bus", false),
            ("the glass", false),
            ("the glasses", true),
            ("the cactus", false),
            ("the people, seated", true),
            ("the object in the red box", false),
            ("<region1>", false),
            ("", false),
            ("of", false),
        ] {
            assert_eq!(Noun::guess(text).plural, plural, "{text}");
        }
    }
}
