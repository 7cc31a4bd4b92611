//! Facets that cross-filter: each counts the rows that all other facets leave.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::columns::{BOXES, CONFIDENCE, PAIR, SIZES};
use super::data::Verdict;

/// A property of rows by which they are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Facet {
    Verdict,
    Task,
    Kind,
    Source,
    Collection,
    Confidence,
    Marked,
    Pair,
    Options,
    Right,
    Chosen,
    RightNumber,
    ChosenNumber,
    Axis,
    Boxes,
    Size,
    Class,
}

impl Facet {
    /// In the order in which they are shown.
    pub(super) const ALL: [Self; 17] = [
        Self::Verdict,
        Self::Task,
        Self::Kind,
        Self::Source,
        Self::Collection,
        Self::Confidence,
        Self::Marked,
        Self::Pair,
        Self::Options,
        Self::Right,
        Self::Chosen,
        Self::RightNumber,
        Self::ChosenNumber,
        Self::Axis,
        Self::Boxes,
        Self::Size,
        Self::Class,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Verdict => "Verdict",
            Self::Task => "Task",
            Self::Kind => "Kind",
            Self::Source => "Source",
            Self::Collection => "Collection",
            Self::Confidence => "Confidence",
            Self::Marked => "Marked",
            Self::Pair => "A and B",
            Self::Options => "Number of options",
            Self::Right => "Right letter",
            Self::Chosen => "Chosen letter",
            Self::RightNumber => "Right number",
            Self::ChosenNumber => "Chosen number",
            Self::Axis => "Direction",
            Self::Boxes => "The two boxes",
            Self::Size => "Size of the object",
            Self::Class => "Class",
        }
    }

    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Verdict => "How the answer ended",
            Self::Kind => "2D: in the picture plane. 3D: in space",
            Self::Collection => "The collection of photographs that a row is from, by its file name",
            Self::Confidence => "Probability of the likeliest option",
            Self::Marked => "Rows that you have flagged or written a note on",
            Self::Pair => "What runs A and B made of the same row",
            Self::RightNumber | Self::ChosenNumber => "Rows of the task Count",
            Self::Boxes => "Of rows that mark two objects",
            Self::Size => "Pixels of the object, as the benchmark says",
            Self::Class => "What is counted or marked, as the benchmark says",
            _ => "",
        }
    }

    pub(super) fn is_open_at_first(self) -> bool {
        matches!(
            self,
            Self::Verdict
                | Self::Task
                | Self::Kind
                | Self::Source
                | Self::Confidence
                | Self::Marked
                | Self::Pair
        )
    }

    /// The order of values that is neither that of numbers nor of words.
    fn order(self) -> Vec<&'static str> {
        match self {
            Self::Verdict => Verdict::ALL.map(Verdict::name).to_vec(),
            Self::Confidence => CONFIDENCE.to_vec(),
            Self::Size => SIZES.to_vec(),
            Self::Boxes => BOXES.to_vec(),
            Self::Pair => PAIR.to_vec(),
            Self::Task => vec!["Count", "Relation", "Depth", "Distance"],
            _ => Vec::new(),
        }
    }
}

/// One facet of all rows.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) facet: Facet,
    /// In the order in which they are shown.
    pub(super) values: Vec<String>,
    /// Of every row, the index of its value; `NONE` without one.
    pub(super) codes: Vec<u16>,
}

/// A row without a value.
pub(super) const NONE: u16 = u16::MAX;

impl Column {
    pub(super) fn new<'a>(facet: Facet, rows: usize, value: impl Fn(usize) -> Option<Cow<'a, str>>) -> Self {
        // Numbered as they come, then by their order.
        let mut known: BTreeMap<Cow<'a, str>, u16> = BTreeMap::new();
        let as_met: Vec<u16> = (0..rows)
            .map(|at| {
                let Some(value) = value(at) else { return NONE };
                let next = u16::try_from(known.len()).unwrap_or(NONE);
                if next == NONE {
                    known.get(&value).copied().unwrap_or(NONE)
                } else {
                    *known.entry(value).or_insert(next)
                }
            })
            .collect();
        let order = facet.order();
        let place = |text: &str| order.iter().position(|o| *o == text).unwrap_or(order.len());
        let mut sorted: Vec<(Cow<'a, str>, u16)> = known.into_iter().collect();
        sorted.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| natural(a, b)));
        let mut code_of = vec![NONE; sorted.len()];
        for (code, (_, met)) in sorted.iter().enumerate() {
            if let Some(slot) = code_of.get_mut(usize::from(*met)) {
                *slot = u16::try_from(code).unwrap_or(NONE);
            }
        }
        let codes =
            as_met.iter().map(|met| code_of.get(usize::from(*met)).copied().unwrap_or(NONE)).collect();
        Self { facet, values: sorted.into_iter().map(|(value, _)| value.into_owned()).collect(), codes }
    }
}

/// Numbers by value, and before words.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        _ => a.cmp(b),
    }
}

/// Which rows are wanted: in each facet one of the values, and every word of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) values: BTreeMap<Facet, BTreeSet<String>>,
    pub(super) text: String,
}

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.text.trim().is_empty()
    }

    pub(super) fn has(&self, facet: Facet, value: &str) -> bool {
        self.values.get(&facet).is_some_and(|values| values.contains(value))
    }

    pub(super) fn toggle(&mut self, facet: Facet, value: &str) {
        let values = self.values.entry(facet).or_default();
        if !values.remove(value) {
            values.insert(value.to_owned());
        }
        if values.is_empty() {
            self.values.remove(&facet);
        }
    }

    /// Wants just `value` of each, or all again where that is what is wanted already.
    pub(super) fn only(&mut self, wanted: &[(Facet, String)]) {
        let set = |value: &String| BTreeSet::from([value.clone()]);
        let already = wanted.iter().all(|(facet, value)| self.values.get(facet) == Some(&set(value)));
        for (facet, value) in wanted {
            if already {
                self.values.remove(facet);
            } else {
                self.values.insert(*facet, set(value));
            }
        }
    }
}

/// Rows of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) all: usize,
    pub(super) right: usize,
}

/// What a filter leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Indices of rows, ascending.
    pub(super) rows: Vec<usize>,
    /// Of every column and value, the rows that all other facets leave.
    pub(super) counts: Vec<Vec<Count>>,
}

/// Applies `filter` to rows of which `right` says what is right.
pub(super) fn find(
    columns: &[Column],
    words: &[String],
    right: impl Fn(usize) -> bool,
    filter: &Filter,
) -> Found {
    let active: Vec<(usize, &Column, Vec<bool>)> = columns
        .iter()
        .enumerate()
        .filter_map(|(i, column)| {
            let wanted = filter.values.get(&column.facet)?;
            Some((i, column, column.values.iter().map(|v| wanted.contains(v)).collect()))
        })
        .collect();
    let text = filter.text.to_lowercase();
    let text: Vec<&str> = text.split_whitespace().collect();
    let mut counts: Vec<Vec<Count>> =
        columns.iter().map(|c| vec![Count::default(); c.values.len()]).collect();
    let mut rows = Vec::new();
    for (at, said) in words.iter().enumerate() {
        if !text.iter().all(|word| said.contains(word)) {
            continue;
        }
        let mut against = active.iter().filter(|(_, column, wanted)| {
            let code = column.codes.get(at).copied().unwrap_or(NONE);
            !wanted.get(usize::from(code)).copied().unwrap_or(false)
        });
        let (first, second) = (against.next(), against.next());
        let right = usize::from(right(at));
        let mut count = |i: usize| {
            let code = columns.get(i).and_then(|c| c.codes.get(at)).copied().unwrap_or(NONE);
            if let Some(count) = counts.get_mut(i).and_then(|of| of.get_mut(usize::from(code))) {
                count.all += 1;
                count.right += right;
            }
        };
        match (first, second) {
            (None, _) => {
                rows.push(at);
                (0..columns.len()).for_each(&mut count);
            }
            // Only this facet is against the row: its own values count it.
            (Some((i, ..)), None) => count(*i),
            _ => {}
        }
    }
    Found { rows, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(facet: Facet, of: &[&str]) -> Column {
        Column::new(facet, of.len(), |i| Some(Cow::Borrowed(of[i])).filter(|v| !v.is_empty()))
    }

    fn all(counts: &[Count]) -> Vec<usize> {
        counts.iter().map(|c| c.all).collect()
    }

    #[test]
    fn each_facet_counts_under_the_others() {
        let columns = [
            column(Facet::Task, &["Count", "Count", "Depth", "Depth", "Depth"]),
            column(Facet::Source, &["a", "b", "a", "b", ""]),
        ];
        let words: Vec<String> =
            ["one lamp", "two lamps", "a sofa", "a lamp", "x"].map(str::to_owned).to_vec();
        let right = |at: usize| at.is_multiple_of(2);
        let mut filter = Filter::default();
        let found = find(&columns, &words, right, &filter);
        assert_eq!(found.rows, [0, 1, 2, 3, 4]);
        assert_eq!((all(&found.counts[0]), all(&found.counts[1])), (vec![2, 3], vec![2, 2]));
        assert_eq!(found.counts[0][1].right, 2);

        filter.toggle(Facet::Task, "Depth");
        let found = find(&columns, &words, right, &filter);
        assert_eq!(found.rows, [2, 3, 4]);
        assert_eq!(all(&found.counts[0]), [2, 3], "its own values are not filtered by a facet");
        assert_eq!(all(&found.counts[1]), [1, 1]);

        filter.toggle(Facet::Source, "b");
        let found = find(&columns, &words, right, &filter);
        assert_eq!(
            (found.rows, all(&found.counts[0]), all(&found.counts[1])),
            (vec![3], vec![1, 1], vec![1, 1])
        );

        filter.toggle(Facet::Source, "a");
        assert_eq!(
            find(&columns, &words, right, &filter).rows,
            [2, 3],
            "a row without a value is not wanted"
        );
        filter.text = "LAMP a".into();
        assert_eq!(find(&columns, &words, right, &filter).rows, [3]);
        filter = Filter::default();
        filter.toggle(Facet::Source, "gone");
        assert!(find(&columns, &words, right, &filter).rows.is_empty());
    }

    #[test]
    fn choosing_a_cell_twice_shows_all_again() {
        let mut filter = Filter::default();
        let cell = [(Facet::Right, "A".to_owned()), (Facet::Chosen, "B".to_owned())];
        filter.toggle(Facet::Right, "C");
        filter.only(&cell);
        assert!(filter.has(Facet::Right, "A") && !filter.has(Facet::Right, "C"));
        filter.only(&cell);
        assert!(filter.is_empty());
    }

    #[test]
    fn values_have_an_order() {
        assert_eq!(column(Facet::RightNumber, &["10", "9", "2"]).values, ["2", "9", "10"]);
        assert_eq!(column(Facet::Task, &["Zoo", "Depth", "Count"]).values, ["Count", "Depth", "Zoo"]);
        assert_eq!(column(Facet::Verdict, &["wrong", "right"]).codes, [1, 0]);
    }

    #[test]
    fn ten_runs_are_filtered_within_a_frame() {
        // 2,638 rows of CV-Bench times ten runs; the time is printed and not held against a machine that others use.
        let n = 2638 * 10;
        let columns: Vec<Column> = Facet::ALL
            .iter()
            .enumerate()
            .map(|(k, &f)| Column::new(f, n, |i| Some(((i * (k + 3)) % (k + 2)).to_string().into())))
            .collect();
        let words: Vec<String> = (0..n)
            .map(|i| format!("{i} which object is closer to the camera, the lamp or the sofa"))
            .collect();
        let mut filter = Filter { text: "lamp".into(), ..Filter::default() };
        for facet in [Facet::Task, Facet::Kind, Facet::Source] {
            filter.toggle(facet, "1");
        }
        let began = std::time::Instant::now();
        let found = find(&columns, &words, |i| i % 3 == 0, &filter);
        println!("{n} rows, {} facets: {:.2} ms", columns.len(), began.elapsed().as_secs_f64() * 1e3);
        assert!(!found.rows.is_empty() && found.rows.len() < n);
    }
}
