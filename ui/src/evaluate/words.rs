//! How numbers are said: with the precision that their interval allows.

use plumb_bench::stats::Interval;

/// `2638` as `2,638`.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut said = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// Half the width of an interval in points, the larger half where it leans.
pub(super) fn half(value: f64, interval: Interval) -> f64 {
    (interval.high - value).max(value - interval.low).max(0.0) * 100.0
}

/// Decimals of a percentage that is known to `half` points.
fn decimals(half: f64) -> usize {
    match half {
        h if h >= 10.0 => 0,
        h if h >= 0.1 => 1,
        _ => 2,
    }
}

/// A share in points, with half its interval: `44.1 ± 1.9`.
pub(super) fn score(value: f64, interval: Option<Interval>) -> String {
    match interval {
        Some(interval) => {
            let half = half(value, interval);
            let places = decimals(half);
            format!("{:.places$} ± {half:.places$}", value * 100.0)
        }
        None => format!("{:.1}", value * 100.0),
    }
}

/// A share as a percentage with one decimal.
pub(super) fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

/// A probability.
pub(super) fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p if p < 0.1 => format!("p = {p:.3}"),
        p => format!("p = {p:.2}"),
    }
}

/// Seconds.
pub(super) fn seconds(s: f64) -> String {
    if s < 1.0 { format!("{:.0} ms", s * 1e3) } else { format!("{s:.1} s") }
}

/// How long ago something was.
pub(super) fn ago(secs: u64) -> String {
    match secs {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", secs / 60),
        3600..172_800 => format!("{} h ago", secs / 3600),
        _ => format!("{} days ago", secs / 86_400),
    }
}

/// The first characters of a hash.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// The last part of a path or a hub id.
pub(super) fn last(name: &str) -> &str {
    name.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_exact_as_they_are_known() {
        let interval = |low, high| Some(Interval { low, high });
        assert_eq!(score(0.4318, interval(0.413, 0.4508)), "43.2 ± 1.9");
        assert_eq!(score(0.5, interval(0.2, 0.8)), "50 ± 30");
        assert_eq!(score(0.5, interval(0.4999, 0.5001)), "50.00 ± 0.01");
        assert_eq!(score(0.5, None), "50.0");
        assert_eq!([0, 999, 1000, 2638, 1_234_567].map(count), ["0", "999", "1,000", "2,638", "1,234,567"]);
        assert_eq!([0.0001, 0.0123, 0.6].map(p_value), ["p < 0.001", "p = 0.012", "p = 0.60"]);
        assert_eq!([0, 61, 7200, 200_000].map(ago), ["just now", "1 min ago", "2 h ago", "2 days ago"]);
        assert_eq!(["a/b/", "org/model", "x", ""].map(last), ["b", "model", "x", ""]);
    }
}
