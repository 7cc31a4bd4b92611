//! The questions of the scene that is shown: which they are, what was said of them, which of them are listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use plumb_engine::look::Seen;
use plumb_qa::{Kind, QaPair};

use super::{Chosen, Verdict};
use crate::library::Loaded;

/// What a question is known by: its words, its answer and its objects. A verdict is about just these, so it comes back when a change is
/// taken back, and is not kept for other words or another answer. FNV-1a.
pub(super) fn key(pair: &QaPair) -> u64 {
    let ids = pair.question.objects.iter().flat_map(|id| id.to_le_bytes());
    let bytes = pair.question_text.bytes().chain([0]).chain(pair.answer_text.bytes()).chain([0]).chain(ids);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Which verdicts are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Judged {
    #[default]
    Any,
    NotYet,
    Is(Verdict),
}

impl Judged {
    pub(super) const ALL: [Self; 4] =
        [Self::Any, Self::NotYet, Self::Is(Verdict::Accepted), Self::Is(Verdict::Rejected)];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Any => "All",
            Self::NotYet => "Not judged",
            Self::Is(Verdict::Accepted) => "Accepted",
            Self::Is(Verdict::Rejected) => "Rejected",
        }
    }
}

/// What is listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    pub(super) kind: Option<Kind>,
    pub(super) judged: Judged,
    /// Only those about what is chosen.
    pub(super) of_chosen: bool,
}

/// The questions of the scene that is shown, and which of them are listed.
#[derive(Default)]
pub(super) struct Asked {
    of: Option<Arc<Seen>>,
    /// [`key`] of each.
    keys: Vec<u64>,
    /// How many there are of each type.
    pub(super) kinds: BTreeMap<Kind, usize>,
    pub(super) accepted: usize,
    pub(super) rejected: usize,
    pub(super) filter: Filter,
    /// What `rows` were made for: filter, chosen objects, count of changed verdicts.
    made: Option<(Filter, Vec<u32>, u64)>,
    /// Places of those that are listed.
    rows: Vec<usize>,
    /// Height of the open row beyond that of a closed one.
    pub(super) extra: f32,
    /// The open row is brought into view.
    pub(super) show_open: bool,
}

fn pairs(of: Option<&Arc<Seen>>) -> &[QaPair] {
    match of.map(Arc::as_ref) {
        Some(Seen::Questions { questions }) => questions,
        _ => &[],
    }
}

impl Asked {
    /// Takes what was read and lists what is wanted of it; nothing is done where nothing has changed.
    pub(super) fn refresh(
        &mut self,
        loaded: &Loaded,
        chosen: &[u32],
        verdicts: Option<&BTreeMap<u64, Verdict>>,
        judgements: u64,
    ) {
        let Loaded::Ready(seen) = loaded else { return };
        if self.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, seen)) {
            self.of = Some(seen.clone());
            let pairs = pairs(self.of.as_ref());
            self.keys = pairs.iter().map(key).collect();
            self.kinds.clear();
            for pair in pairs {
                *self.kinds.entry(pair.question.kind).or_default() += 1;
            }
            self.filter.kind = self.filter.kind.filter(|kind| self.kinds.contains_key(kind));
            self.made = None;
        }
        let wanted = (
            self.filter.clone(),
            if self.filter.of_chosen { chosen.to_vec() } else { Vec::new() },
            judgements,
        );
        if self.made.as_ref() == Some(&wanted) {
            return;
        }
        let verdict = |key: &u64| verdicts.and_then(|of| of.get(key)).copied();
        let count = |own: Verdict| self.keys.iter().filter(|key| verdict(key) == Some(own)).count();
        (self.accepted, self.rejected) = (count(Verdict::Accepted), count(Verdict::Rejected));
        let filter = &self.filter;
        let listed = self.keys.iter().zip(pairs(self.of.as_ref())).enumerate().filter(|(_, (key, pair))| {
            let judged = match filter.judged {
                Judged::Any => true,
                Judged::NotYet => verdict(key).is_none(),
                Judged::Is(own) => verdict(key) == Some(own),
            };
            judged
                && filter.kind.is_none_or(|kind| kind == pair.question.kind)
                && (!filter.of_chosen || chosen.iter().all(|id| pair.question.objects.contains(id)))
        });
        self.rows = listed.map(|(at, _)| at).collect();
        self.made = Some(wanted);
    }

    /// Nothing is asked: another scene has come.
    pub(super) fn forget(&mut self) {
        *self = Self { filter: Filter { kind: None, ..self.filter.clone() }, ..Self::default() };
    }

    /// Every question with its key.
    pub(super) fn all(&self) -> impl Iterator<Item = (&u64, &QaPair)> {
        self.keys.iter().zip(pairs(self.of.as_ref()))
    }

    /// The question with this key.
    pub(super) fn find(&self, key: u64) -> Option<&QaPair> {
        let at = self.keys.iter().position(|known| *known == key)?;
        pairs(self.of.as_ref()).get(at)
    }

    /// The listed question `step` rows from the one with this key; the first or last where it is not listed.
    pub(super) fn beside(&self, key: Option<u64>, step: isize) -> Option<u64> {
        let of = |row: usize| self.row(row).map(|(key, _)| key);
        match key.and_then(|key| self.row_of(key)) {
            Some(row) => row.checked_add_signed(step).and_then(of),
            None if step > 0 => of(0),
            None => of(self.rows.len().checked_sub(1)?),
        }
    }

    /// How many are asked.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many are listed.
    pub(super) fn listed(&self) -> usize {
        self.rows.len()
    }

    /// A listed question with its key.
    pub(super) fn row(&self, row: usize) -> Option<(u64, &QaPair)> {
        let at = *self.rows.get(row)?;
        Some((*self.keys.get(at)?, pairs(self.of.as_ref()).get(at)?))
    }

    /// The row of the question with this key.
    pub(super) fn row_of(&self, key: u64) -> Option<usize> {
        self.rows.iter().position(|at| self.keys.get(*at) == Some(&key))
    }
}

impl Chosen {
    /// Forgets what the scene no longer has.
    pub(super) fn keep(&mut self, there: impl Fn(u32) -> bool) {
        self.objects.retain(|id| there(*id));
        self.hovered = self.hovered.filter(|id| there(*id));
    }
}

#[cfg(test)]
mod tests {
    use plumb_qa::{Answer, Proof, Question};

    use super::*;

    fn pair(kind: Kind, object: u32, text: &str) -> QaPair {
        QaPair {
            scene: "s".to_owned(),
            question: Question {
                kind,
                objects: vec![object],
                rank: 0,
                category: String::new(),
                options: vec![],
            },
            answer: Answer::YesNo(true),
            mentions: vec![],
            question_template: 0,
            answer_template: 0,
            marks: vec![],
            proof: Proof::default(),
            question_text: text.to_owned(),
            answer_text: "yes".to_owned(),
            steps: vec![],
        }
    }

    fn asked(questions: Vec<QaPair>) -> (Asked, Loaded) {
        (Asked::default(), Loaded::Ready(Arc::new(Seen::Questions { questions })))
    }

    #[test]
    fn a_question_is_known_by_its_words_answer_and_objects() {
        let first = pair(Kind::Height, 1, "How tall is the lamp?");
        assert_eq!(key(&first), key(&first.clone()));
        let other = [
            pair(Kind::Height, 2, "How tall is the lamp?"),
            pair(Kind::Height, 1, "How tall is the vase?"),
            QaPair { answer_text: "no".to_owned(), ..first.clone() },
        ];
        assert!(other.iter().all(|other| key(other) != key(&first)));
    }

    #[test]
    fn a_hundred_thousand_rows_are_filtered_between_two_frames() {
        let kinds = [Kind::Height, Kind::Width, Kind::LeftPredicate];
        let questions =
            (0..100_000).map(|n| pair(kinds[n % 3], (n % 10) as u32, &format!("question {n}"))).collect();
        let (mut asked, loaded) = asked(questions);
        let start = std::time::Instant::now();
        asked.refresh(&loaded, &[], None, 0);
        println!("first listing of 100,000: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(asked.rows.len(), 100_000);
        asked.filter = Filter { kind: Some(Kind::Width), of_chosen: true, judged: Judged::NotYet };
        let judged = BTreeMap::from([(asked.keys[31], Verdict::Accepted)]);
        let start = std::time::Instant::now();
        asked.refresh(&loaded, &[1], Some(&judged), 1);
        println!("another filter: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        // n = 1 modulo 3 and modulo 10, without the one that is judged.
        assert_eq!(asked.rows.len(), 3334 - 1);
        assert_eq!((asked.rows[0], asked.rows[1], asked.accepted), (1, 61, 1));
        assert_eq!(asked.beside(None, 1), Some(asked.keys[1]));
        assert_eq!(asked.beside(Some(asked.keys[1]), 1), Some(asked.keys[61]));
        assert_eq!(asked.beside(Some(asked.keys[1]), -1), None);
    }
}
