//! What the nouns alone give away, and how much of it is let through.
//!
//! "Is the wardrobe taller than the mug?" needs no picture. A first pass over the scenes counts how each pair of nouns is answered; in
//! the second pass the answers that a reader of the nouns would guess are thinned out until guessing gains little.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hash::{self, Hash};
use crate::kind::{Kind, Shape};
use crate::pair::{Answer, Mention, QaPair, Question, Reference, Side};

/// How often each answer was given to questions that read alike. Counts of shards add up, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prior {
    cells: BTreeMap<u64, Vec<u32>>,
}

/// Added to both counts before they are compared: a cell seen once says little, so most of it passes.
const SMOOTHING: f64 = 0.25;
/// Counts above this share an answer.
const MOST_CLASSES: usize = 12;

/// A question as a reader of the nouns sees it: one of few answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    key: u64,
    class: usize,
}

impl Prior {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of cells: of types with the nouns they are asked about.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Counts one pair of the first pass.
    pub fn observe(&mut self, pair: &QaPair) {
        let mut nouns = [0; 3];
        for (noun, mention) in nouns.iter_mut().zip(&pair.mentions) {
            *noun = said_noun(mention).map_or(0, hash::text);
        }
        if let Some(cell) = cell(&pair.question, &nouns, &pair.answer) {
            let counts = self.cells.entry(cell.key).or_default();
            if counts.len() <= cell.class {
                counts.resize(cell.class + 1, 0);
            }
            counts[cell.class] = counts[cell.class].saturating_add(1);
        }
    }

    /// Adds what another shard counted.
    pub fn merge(&mut self, other: &Self) {
        for (key, theirs) in &other.cells {
            let own = self.cells.entry(*key).or_default();
            if own.len() < theirs.len() {
                own.resize(theirs.len(), 0);
            }
            for (own, theirs) in own.iter_mut().zip(theirs) {
                *own = own.saturating_add(*theirs);
            }
        }
    }

    /// How many of all counted pairs are right when each is given its cell's most frequent answer.
    #[must_use]
    pub fn best_guess(&self) -> (u64, u64) {
        self.cells.values().fold((0, 0), |(right, all), counts| {
            let best = counts.iter().copied().max().unwrap_or(0);
            (right + u64::from(best), all + counts.iter().map(|&n| u64::from(n)).sum::<u64>())
        })
    }

    /// The probability with which a pair may pass so that, within its cell, the best guess is right in no more than 1/2 + `excess` of the
    /// cases. 1 for answers that are not over-represented, and for cells never seen.
    pub(super) fn limit(&self, cell: Cell, excess: f64) -> f64 {
        let Some(counts) = self.cells.get(&cell.key) else { return 1.0 };
        let count = |class: usize| f64::from(counts.get(class).copied().unwrap_or(0));
        let own = count(cell.class) + SMOOTHING;
        let rest = counts.iter().map(|&n| f64::from(n)).sum::<f64>() - count(cell.class) + SMOOTHING;
        let odds = (0.5 + excess) / (0.5 - excess).max(1e-9);
        (rest * odds / own).min(1.0)
    }
}

/// The cell of a question whose nouns (hashes; 0: none said) stand in the roles A, B, C. `None` for types that nouns do not answer.
///
/// Which of two is named first is a fair coin, so cells put two nouns in a fixed order and turn the answer along with them.
pub(super) fn cell(question: &Question, nouns: &[u64; 3], answer: &Answer) -> Option<Cell> {
    let kind = question.kind;
    let option = match answer {
        Answer::Option(option) => question.options.get(usize::from(*option)).map_or("", String::as_str),
        _ => "",
    };
    // "Left or right" and "above or below" are two questions.
    let vertical = matches!(option, "above" | "below");
    let key = |nouns: [u64; 3]| {
        let mut hash = Hash::new(u64::from(kind.code()) << 1 | u64::from(vertical));
        nouns.iter().for_each(|&noun| hash.add(noun));
        hash.finish()
    };
    let count = match (kind, answer) {
        (Kind::Count, Answer::Count(count)) => usize::try_from(*count).ok(),
        (Kind::McCount, Answer::Option(_)) => option.parse().ok(),
        _ => None,
    };
    if let Some(count) = count {
        return Some(Cell {
            key: key([hash::text(&question.category), 0, 0]),
            class: count.min(MOST_CLASSES),
        });
    }
    let truth = match (kind, answer) {
        _ if kind.shape() == Shape::Ordinal => return None,
        (_, Answer::YesNo(yes)) => !yes,
        // The first of the two that are compared: A, but B where A is what they are compared to.
        (_, Answer::Object(role)) => *role != u8::from(kind == Kind::TallerOfNearer),
        (_, Answer::Side(side)) => {
            matches!(
                side,
                Side::Right | Side::Behind | Side::Below | Side::Shorter | Side::Narrower | Side::Far
            )
        }
        (Kind::McDepth | Kind::McDistance, Answer::Option(option)) => *option != 0,
        (Kind::McRelation, Answer::Option(_)) => matches!(option, "right" | "below"),
        _ => return None,
    };
    let (swap, [i, j]) = symmetry(kind);
    let mut nouns = *nouns;
    let needed = &nouns[..kind.objects().min(3)];
    if needed.contains(&0) {
        return None;
    }
    let mut class = usize::from(truth);
    if nouns[i] > nouns[j] {
        match swap {
            Swap::Turns => class = 1 - class,
            Swap::Keeps => {}
            Swap::Matters => return Some(Cell { key: key(nouns), class }),
        }
        nouns.swap(i, j);
    } else if nouns[i] == nouns[j] && matches!(swap, Swap::Turns) {
        // "Is the left chair taller than the right one?": the nouns say nothing.
        return None;
    }
    Some(Cell { key: key(nouns), class })
}

/// What becomes of the answer when two objects change roles.
enum Swap {
    Turns,
    Keeps,
    Matters,
}

fn symmetry(kind: Kind) -> (Swap, [usize; 2]) {
    match kind {
        Kind::CompareDistances | Kind::TallerOfNearer | Kind::McDistance => (Swap::Turns, [1, 2]),
        Kind::BetweenPredicate | Kind::FitsBetween => (Swap::Keeps, [1, 2]),
        Kind::NearFarClassify => (Swap::Keeps, [0, 1]),
        // "No" to "is A above B?" does not say that B is above A.
        Kind::AbovePredicate | Kind::BelowPredicate | Kind::FitsUnder => (Swap::Matters, [0, 1]),
        _ => (Swap::Turns, [0, 1]),
    }
}

/// Words after which nothing of a mention is its noun or an attribute of it.
const TAIL: [&str; 12] =
    ["on", "in", "from", "to", "with", "of", "closest", "farthest", "at", "by", "without", "(highlighted"];

/// The noun phrase of a mention as words: "the second red chair from the left" gives "second red chair".
pub(crate) fn phrase(mention: &Mention) -> impl Iterator<Item = &str> {
    let words = if mention.by == Reference::Region { "" } else { mention.text.as_str() };
    let mut begun = false;
    words.split_whitespace().skip_while(|word| *word == "the").take_while(move |word| {
        // "the second closest chair to the camera": only a tail once the noun has come.
        let tail = TAIL.contains(word) && begun;
        begun = begun || !matches!(*word, "second" | "third" | "fourth" | "fifth" | "sixth");
        !tail
    })
}

/// The last word of the noun phrase; none where a region token stands for the object.
pub(crate) fn said_noun(mention: &Mention) -> Option<&str> {
    phrase(mention).last()
}
