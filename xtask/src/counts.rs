//! Reading how many tests passed out of what the test runners print.

/// Tests or checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The counts in a closing line of libtest (`test result: ok. 3 passed; 0 failed; …`) or of cargo-nextest
/// (`Summary [ 0.1s] 3 tests run: 2 passed (1 slow), 1 failed, 1 skipped`); `None` for any other line.
pub(crate) fn counts_in(line: &str) -> Option<Counts> {
    let plain = without_colours(line);
    let text = plain.trim();
    let numbers = if let Some(rest) = text.strip_prefix("test result: ") {
        rest.split_once(". ")?.1
    } else if text.starts_with("Summary [") {
        text.split_once(" run: ")?.1
    } else {
        return None;
    };
    let mut counts = Counts::default();
    for part in numbers.split([';', ',']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(word)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word {
            "passed" => counts.passed += number,
            // nextest: "1 failed", "1 exec failed", "1 timed out", "1 aborted".
            "failed" | "exec" | "timed" | "aborted" => counts.failed += number,
            _ => {}
        }
    }
    Some(counts)
}

fn without_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut inside = false;
    for c in line.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (false, c) => out.push(c),
            (true, c) => inside = !c.is_ascii_alphabetic(),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(u64, u64)> {
        counts_in(line).map(|counts| (counts.passed, counts.failed))
    }

    #[test]
    fn closing_lines_of_both_runners() {
        assert_eq!(
            of(
                "test result: ok. 10 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 6.60s"
            ),
            Some((10, 0))
        );
        assert_eq!(of("test result: FAILED. 2 passed; 3 failed; 0 ignored"), Some((2, 3)));
        assert_eq!(
            of("     Summary [   0.123s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 2 skipped"),
            Some((3, 2))
        );
        assert_eq!(
            of(
                "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m1\u{1b}[0m test run: \u{1b}[1m1\u{1b}[0m \u{1b}[32mpassed\u{1b}[0m, 0 skipped"
            ),
            Some((1, 0))
        );
        assert_eq!(of("     Summary [   0.1s] 4/9 tests run: 3 passed, 1 failed, 0 skipped"), Some((3, 1)));
        for other in ["test a ... ok", "3 passed; 1 failed", "", "Summary of it"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
