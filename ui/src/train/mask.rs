//! What is learned of a sample, read from the text that a plan carries.

/// A stretch of a sample's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) learned: bool,
}

const OPEN: &str = "[[";
const CLOSE: &str = "]]";
const LEARN: &str = "→";
const LEARNT: &str = "←";

/// The sample's name and its stretches, of `NAME: [[not learned]]→learned←…`.
///
/// Stretches take turns, so one ends only where one of the other kind begins: brackets and arrows within a text stay text.
pub(crate) fn spans(masked: &str) -> (String, Vec<Span>) {
    let start = [OPEN, LEARN].iter().filter_map(|mark| masked.find(mark)).min().unwrap_or(masked.len());
    let (name, mut rest) = masked.split_at(start);
    let name = name.trim_end().trim_end_matches(':').to_owned();
    let mut spans = Vec::new();
    while !rest.is_empty() {
        let learned = rest.starts_with(LEARN);
        let (open, close, next) = if learned { (LEARN, LEARNT, OPEN) } else { (OPEN, CLOSE, LEARN) };
        let body = rest.strip_prefix(open).unwrap_or(rest);
        let turn = format!("{close}{next}");
        let (text, after) = match body.find(&turn) {
            Some(at) => (&body[..at], &body[at + close.len()..]),
            None => (body.trim_end().strip_suffix(close).unwrap_or(body), ""),
        };
        spans.push(Span { text: text.to_owned(), learned });
        rest = after;
    }
    (name, spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(masked: &str) -> (String, Vec<(String, bool)>) {
        let (name, spans) = spans(masked);
        (name, spans.into_iter().map(|span| (span.text, span.learned)).collect())
    }

    #[test]
    fn stretches_are_told_apart() {
        let (name, spans) = read("qa.parquet:3: [[<start><image>×64Where?]]→ left.←[[<end>]]");
        assert_eq!(name, "qa.parquet:3");
        let expected = [("<start><image>×64Where?", false), (" left.", true), ("<end>", false)];
        assert_eq!(spans, expected.map(|(text, learned)| (text.to_owned(), learned)));
    }

    #[test]
    fn marks_within_the_text_are_text() {
        let (_, spans) = read("a: [[x [[y]] → z]]→go ← there ]] now←[[end]]");
        let expected = [("x [[y]] → z", false), ("go ← there ]] now", true), ("end", false)];
        assert_eq!(spans, expected.map(|(text, learned)| (text.to_owned(), learned)));
    }

    #[test]
    fn several_answers_and_odd_texts() {
        assert_eq!(read("a: →yes←").1, [("yes".to_owned(), true)]);
        assert_eq!(read("a: [[q]]→1←[[q]]→2←").1.iter().filter(|(_, learned)| *learned).count(), 2);
        assert_eq!(read("").1, []);
        assert_eq!(read("only words").1, []);
        assert_eq!(read("a: [[cut off").1, [("cut off".to_owned(), false)]);
        assert_eq!(read("a: [[line\nof two]]→ü←\n").1.len(), 2);
    }
}
