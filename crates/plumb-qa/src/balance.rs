//! What a guesser gets who never sees the picture.
//!
//! CV-Bench's own author reaches 60 % on it from the text alone (TsT, arXiv 2511.04655), so a data set must be measured for what its
//! questions give away. Each guesser here learns from one half of the scenes (by a hash of their ids) and is tested on the other, so
//! that what it gets is what it knows and not what it remembers.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::generate::hash::{self, Hash};
use crate::generate::{phrase, said_noun};
use crate::kind::{Kind, Shape};
use crate::pair::{Answer, QaPair};

pub use table::{BlindRow, BlindScore};

/// Cells kept at most; questions of further ones fall back to the type's most frequent answer.
const MOST_CELLS: usize = 1 << 20;
/// Bins of lengths are 2 % wide.
const BIN: f64 = 0.02;
/// Answers above this count as one.
const MOST_CLASS: u16 = 64;

/// What a guesser goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guesser {
    /// The type of the question alone.
    Majority,
    /// The words of the question's template.
    Template,
    /// The nouns, in the order they are named.
    Nouns,
    /// The attributes and ordinals before and after the nouns.
    Attributes,
    /// The place in the list: letter of the option, position of the object.
    Place,
    /// The rank of an option among the sorted options.
    Rank,
    /// The options as a set.
    Options,
}

impl Guesser {
    pub const ALL: [Self; 7] = [
        Self::Majority,
        Self::Template,
        Self::Nouns,
        Self::Attributes,
        Self::Place,
        Self::Rank,
        Self::Options,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Template => "template",
            Self::Nouns => "nouns",
            Self::Attributes => "attributes",
            Self::Place => "place",
            Self::Rank => "rank",
            Self::Options => "options",
        }
    }
}

/// Counts of the two halves: learned from, tested on.
type Halves = [u32; 2];

/// By answer.
type Cell = BTreeMap<u16, Halves>;

/// Counts of how questions were answered, from which [`BlindReport::score`] computes what guessing gets. Memory is bounded; shards add up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlindReport {
    /// By type, guesser and what the guesser sees: the counts of each answer.
    cells: BTreeMap<u16, BTreeMap<Guesser, BTreeMap<u64, Cell>>>,
    /// How many cells there are.
    filled: usize,
    /// By type: pairs, and the sum of 1 / number of possible answers over the half that is tested, where that number is known.
    kinds: BTreeMap<u16, KindCounts>,
    /// Pairs that found no room.
    overflow: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct KindCounts {
    pairs: Halves,
    chance: f64,
}

impl BlindReport {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a pair.
    pub fn observe(&mut self, pair: &QaPair) {
        let kind = pair.question.kind;
        let half = (hash::text(&pair.scene) & 1) as usize;
        let counts = self.kinds.entry(kind.code()).or_default();
        counts.pairs[half] = counts.pairs[half].saturating_add(1);
        if half == 1 {
            counts.chance += chance(pair);
        }
        for guesser in Guesser::ALL {
            let Some((seen, class)) = view(pair, guesser) else { continue };
            if let Some(cell) = self.cell(kind.code(), guesser, seen) {
                let answer = cell.entry(class).or_default();
                answer[half] = answer[half].saturating_add(1);
            }
        }
    }

    /// Adds what another shard counted.
    pub fn merge(&mut self, other: &Self) {
        for (kind, guessers) in &other.cells {
            for (guesser, cells) in guessers {
                for (seen, answers) in cells {
                    let Some(own) = self.cell(*kind, *guesser, *seen) else { continue };
                    for (class, [learned, tested]) in answers {
                        let counts = own.entry(*class).or_default();
                        *counts = [counts[0].saturating_add(*learned), counts[1].saturating_add(*tested)];
                    }
                }
            }
        }
        for (kind, theirs) in &other.kinds {
            let own = self.kinds.entry(*kind).or_default();
            for half in 0..2 {
                own.pairs[half] = own.pairs[half].saturating_add(theirs.pairs[half]);
            }
            own.chance += theirs.chance;
        }
        self.overflow = self.overflow.saturating_add(other.overflow);
    }

    /// The counts of what a guesser sees; `None` when there is no room for more.
    fn cell(&mut self, kind: u16, guesser: Guesser, seen: u64) -> Option<&mut Cell> {
        let cells = self.cells.entry(kind).or_default().entry(guesser).or_default();
        if !cells.contains_key(&seen) {
            if self.filled >= MOST_CELLS {
                self.overflow = self.overflow.saturating_add(1);
                return None;
            }
            self.filled += 1;
        }
        Some(cells.entry(seen).or_default())
    }

    /// Pairs counted.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.kinds.values().map(|counts| u64::from(counts.pairs[0]) + u64::from(counts.pairs[1])).sum()
    }
}

/// Probability of a right answer for somebody who knows the possible answers and nothing else; 0 for numbers.
fn chance(pair: &QaPair) -> f64 {
    match (&pair.answer, pair.question.kind) {
        (Answer::YesNo(_) | Answer::Side(_), _) => 0.5,
        (Answer::Object(_), kind) if kind.shape() == Shape::Ordinal => {
            1.0 / pair.question.objects.len().max(1) as f64
        }
        (Answer::Object(_), _) => 0.5,
        (Answer::Option(_), _) => 1.0 / pair.question.options.len().max(1) as f64,
        (Answer::Clock(_), _) => 1.0 / 12.0,
        (Answer::Count(_), Kind::CountLeft) => 1.0 / pair.question.objects.len().max(1) as f64,
        (Answer::Count(_) | Answer::Length(_), _) => 0.0,
    }
}

/// What a guesser sees of a question, hashed, and the answer as a class that it would have to name. `None` where it has nothing to go by.
fn view(pair: &QaPair, guesser: Guesser) -> Option<(u64, u16)> {
    let question = &pair.question;
    let place = class(&pair.answer);
    let mut hash = Hash::new(0);
    match guesser {
        Guesser::Majority => {}
        Guesser::Template => hash.add(u64::from(pair.question_template)),
        Guesser::Nouns => {
            if question.category.is_empty()
                && pair.mentions.iter().all(|mention| said_noun(mention).is_none())
            {
                return None;
            }
            hash.add(hash::text(&question.category));
            // Which are the options is part of what is read.
            question.options.iter().for_each(|option| hash.add(hash::text(option)));
            let nouns = pair.mentions.iter().map(|mention| said_noun(mention).map_or(0, hash::text));
            nouns.for_each(|noun| hash.add(noun));
        }
        Guesser::Attributes => {
            if pair.mentions.is_empty() {
                return None;
            }
            for mention in &pair.mentions {
                let noun = said_noun(mention);
                hash.add(1);
                phrase(mention)
                    .filter(|word| Some(*word) != noun)
                    .for_each(|word| hash.add(hash::text(word)));
            }
        }
        Guesser::Place => {
            let places = match pair.answer {
                Answer::Option(_) => question.options.len(),
                Answer::Object(_) => question.objects.len(),
                _ => return None,
            };
            hash.add(places as u64);
        }
        Guesser::Rank | Guesser::Options => {
            let Answer::Option(gold) = pair.answer else { return None };
            let (rank, sorted) = rank(&question.options, usize::from(gold))?;
            hash.add(sorted.len() as u64);
            if guesser == Guesser::Options {
                sorted.iter().for_each(|option| hash.add(hash::text(option)));
            }
            return Some((hash.finish(), rank));
        }
    }
    Some((hash.finish(), place))
}

/// The answer as a class: the length's bin, the count, the place.
fn class(answer: &Answer) -> u16 {
    match answer {
        Answer::YesNo(yes) => u16::from(*yes),
        Answer::Object(role) | Answer::Option(role) => u16::from(*role),
        Answer::Side(side) => *side as u16,
        Answer::Clock(hour) => u16::from(*hour),
        Answer::Count(count) => u16::try_from(*count).map_or(MOST_CLASS, |count| count.min(MOST_CLASS)),
        Answer::Length(quantity) => length_bin(quantity.value_m),
    }
}

/// From a tenth of a millimetre up, on a scale of ratios.
fn length_bin(metres: f64) -> u16 {
    ((metres.max(1e-4) / 1e-4).ln() / BIN.ln_1p()).round().clamp(0.0, 4000.0) as u16
}

/// The ratio of the lengths of two bins.
fn bin_ratio(guess: u16, truth: u16) -> f64 {
    ((f64::from(guess) - f64::from(truth)) * BIN.ln_1p()).exp()
}

/// Rank of an option among the sorted options (numbers by value), and those.
fn rank(options: &[String], gold: usize) -> Option<(u16, Vec<&str>)> {
    let gold = options.get(gold)?;
    let mut sorted: Vec<&str> = options.iter().map(String::as_str).collect();
    sorted.sort_unstable_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y),
        _ => a.cmp(b),
    });
    let rank = sorted.iter().position(|option| option == gold)?;
    Some((u16::try_from(rank).ok()?, sorted))
}
