//! From counts to scores, and the table for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{BlindReport, Cell, Guesser, bin_ratio};
use crate::kind::Kind;

/// What guessing gets on one type of question, tested on scenes that were not learned from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlindRow {
    pub kind: Kind,
    /// Pairs tested.
    pub tested: u64,
    /// For somebody who knows the possible answers alone. 0 for numbers.
    pub chance: f64,
    /// Share of right answers of each guesser that has something to go by; of lengths, the share within 50 to 200 %.
    pub right: BTreeMap<Guesser, f64>,
    /// Of lengths: the share within 90 to 110 %.
    pub close: BTreeMap<Guesser, f64>,
}

impl BlindRow {
    /// The guesser that gets most, and what.
    #[must_use]
    pub fn best(&self) -> Option<(Guesser, f64)> {
        self.right.iter().map(|(guesser, right)| (*guesser, *right)).max_by(|p, q| p.1.total_cmp(&q.1))
    }

    /// How far the best guesser is above chance; 0 for numbers, which have none.
    #[must_use]
    pub fn excess(&self) -> f64 {
        if self.chance > 0.0 { self.best().map_or(0.0, |(_, right)| right - self.chance) } else { 0.0 }
    }
}

/// Rows by type, and all questions with a known chance together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlindScore {
    pub rows: Vec<BlindRow>,
    /// Questions that have a known number of answers.
    pub tested: u64,
    pub chance: f64,
    pub right: BTreeMap<Guesser, f64>,
    /// Answers that were not counted for want of room.
    pub overflow: u64,
}

impl BlindReport {
    /// What each guesser gets.
    #[must_use]
    pub fn score(&self) -> BlindScore {
        let mut rows = Vec::new();
        let (mut tested, mut chance) = (0.0, 0.0);
        let mut right: BTreeMap<Guesser, f64> = BTreeMap::new();
        for (&code, counts) in &self.kinds {
            let Some(kind) = Kind::from_code(code) else { continue };
            let n = f64::from(counts.pairs[1]);
            if counts.pairs[1] == 0 {
                continue;
            }
            let mut row = BlindRow {
                kind,
                tested: u64::from(counts.pairs[1]),
                chance: counts.chance / n,
                right: BTreeMap::new(),
                close: BTreeMap::new(),
            };
            for guesser in Guesser::ALL {
                let Some([hits, close, seen]) = self.hits(kind, guesser) else { continue };
                row.right.insert(guesser, hits / seen);
                if kind.is_quantitative() {
                    row.close.insert(guesser, close / seen);
                }
            }
            if row.chance > 0.0 {
                tested += n;
                chance += counts.chance;
                let majority = row.right.get(&Guesser::Majority).copied().unwrap_or(0.0);
                for guesser in Guesser::ALL {
                    // Who has nothing to go by says what is said most.
                    *right.entry(guesser).or_default() +=
                        n * row.right.get(&guesser).copied().unwrap_or(majority);
                }
            }
            rows.push(row);
        }
        let share = |sum: f64| if tested > 0.0 { sum / tested } else { 0.0 };
        BlindScore {
            rows,
            tested: tested as u64,
            chance: share(chance),
            right: right.into_iter().map(|(guesser, sum)| (guesser, share(sum))).collect(),
            overflow: self.overflow,
        }
    }

    /// Right answers, of lengths also close ones, and the answers tested.
    fn hits(&self, kind: Kind, guesser: Guesser) -> Option<[f64; 3]> {
        let cells = self.cells.get(&kind.code())?.get(&guesser)?;
        // Of a cell never learned, the most frequent answer to all.
        let mut all = Cell::new();
        for cell in cells.values() {
            for (class, counts) in cell {
                let sum = all.entry(*class).or_default();
                *sum = [sum[0].saturating_add(counts[0]), sum[1].saturating_add(counts[1])];
            }
        }
        let pick = |cell: &Cell| {
            if kind.is_quantitative() { median(cell) } else { mode(cell) }
        };
        let fallback = pick(&all);
        let mut sums = [0.0; 3];
        for cell in cells.values() {
            let guess = pick(cell).or(fallback);
            for (class, [_, tested]) in cell {
                let tested = f64::from(*tested);
                sums[2] += tested;
                let Some(guess) = guess else { continue };
                if kind.is_quantitative() {
                    let ratio = bin_ratio(guess, *class);
                    sums[0] += if (0.5..=2.0).contains(&ratio) { tested } else { 0.0 };
                    sums[1] += if (0.9..=1.1).contains(&ratio) { tested } else { 0.0 };
                } else if guess == *class {
                    sums[0] += tested;
                }
            }
        }
        (sums[2] > 0.0).then_some(sums)
    }
}

/// The most frequent answer of the half that is learned from; of equals the least.
fn mode(cell: &Cell) -> Option<u16> {
    let best = cell.iter().max_by(|p, q| p.1[0].cmp(&q.1[0]).then(q.0.cmp(p.0)))?;
    (best.1[0] > 0).then_some(*best.0)
}

fn median(cell: &Cell) -> Option<u16> {
    let total: u64 = cell.values().map(|counts| u64::from(counts[0])).sum();
    let mut below = 0;
    cell.iter().find_map(|(class, counts)| {
        below += u64::from(counts[0]);
        (total > 0 && 2 * below >= total).then_some(*class)
    })
}

impl fmt::Display for BlindScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<22}{:>9}{:>8}", "type", "tested", "chance")?;
        for guesser in Guesser::ALL {
            write!(f, "{:>11}", guesser.name())?;
        }
        writeln!(f)?;
        let line = |f: &mut fmt::Formatter<'_>,
                    name: &str,
                    tested: u64,
                    chance: f64,
                    right: &BTreeMap<Guesser, f64>| {
            write!(f, "{name:<22}{tested:>9}")?;
            if chance > 0.0 {
                write!(f, "{:>8.1}", 100.0 * chance)?;
            } else {
                write!(f, "{:>8}", "-")?;
            }
            for guesser in Guesser::ALL {
                match right.get(&guesser) {
                    Some(share) => write!(f, "{:>11.1}", 100.0 * share)?,
                    None => write!(f, "{:>11}", "-")?,
                }
            }
            writeln!(f)
        };
        for row in &self.rows {
            line(f, row.kind.name(), row.tested, row.chance, &row.right)?;
            if !row.close.is_empty() {
                line(f, "  within 90-110 %", row.tested, 0.0, &row.close)?;
            }
        }
        line(f, "all with known chance", self.tested, self.chance, &self.right)?;
        if self.overflow > 0 {
            writeln!(f, "{} answers were not counted: too many different questions", self.overflow)?;
        }
        write!(
            f,
            "Percent right (of lengths, within 50-200 %), learned on one half of the scenes, tested on the other."
        )
    }
}
