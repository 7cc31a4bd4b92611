//! Python's `re` patterns, as far as module names need them.
//!
//! PEFT matches module names with `re.fullmatch` and `re.match`. Patterns run on `fancy-regex`; where its syntax
//! means something else than Python's (set operations in classes, escapes Python does not know, group kinds Python
//! does not have) the pattern is refused rather than matched differently. A pattern that backtracks too long is an
//! error too, not a hang.

use fancy_regex::{Regex, RegexBuilder};

use super::error::{AdapterError, Result};

/// Steps one match may backtrack. Real patterns need hundreds.
const BACKTRACK_LIMIT: usize = 200_000;
/// Longest pattern read.
const MAX_PATTERN: usize = 16 * 1024;

/// A compiled pattern that remembers where it came from, for the error messages.
#[derive(Debug, Clone)]
pub(crate) struct PyRegex {
    field: String,
    pattern: String,
    regex: Regex,
}

impl PyRegex {
    /// `re.fullmatch(pattern, key)`.
    pub(crate) fn full(field: &str, pattern: &str) -> Result<Self> {
        // Alone first: `a)(?:b` is an error in Python, but well formed once wrapped.
        Self::build(field, pattern, pattern, true)?;
        Self::build(field, pattern, &format!(r"\A(?:{pattern})\z"), true)
    }

    /// `re.match(expression, key)` where `pattern` was written into `expression`.
    pub(crate) fn embedded(field: &str, pattern: &str, expression: &str) -> Result<Self> {
        Self::build(field, pattern, &format!(r"\A(?:{expression})"), false)
    }

    fn build(field: &str, pattern: &str, expression: &str, flags_allowed: bool) -> Result<Self> {
        let error = |reason: String| AdapterError::Pattern {
            field: field.to_owned(),
            pattern: pattern.chars().take(120).collect(),
            reason,
        };
        if pattern.len() > MAX_PATTERN {
            return Err(error(format!("has {} bytes; expected at most {MAX_PATTERN}", pattern.len())));
        }
        python_syntax(pattern, flags_allowed).map_err(error)?;
        let regex = RegexBuilder::new(expression).backtrack_limit(BACKTRACK_LIMIT).build();
        let regex = regex.map_err(|e| error(format!("is not a valid pattern: {e}")))?;
        Ok(Self { field: field.to_owned(), pattern: pattern.to_owned(), regex })
    }

    fn too_long(&self, key: &str, reason: &fancy_regex::Error) -> AdapterError {
        AdapterError::Pattern {
            field: self.field.clone(),
            pattern: self.pattern.chars().take(120).collect(),
            reason: format!("could not be matched against {key}: {reason}"),
        }
    }

    pub(crate) fn is_match(&self, key: &str) -> Result<bool> {
        self.regex.is_match(key).map_err(|e| self.too_long(key, &e))
    }

    /// The text of a named group: outer `None` when nothing matches.
    pub(crate) fn group<'k>(&self, key: &'k str, name: &str) -> Result<Option<Option<&'k str>>> {
        let captures = self.regex.captures(key).map_err(|e| self.too_long(key, &e))?;
        Ok(captures.map(|found| found.name(name).map(|group| group.as_str())))
    }
}

/// Refuses what `fancy-regex` would accept with another meaning than Python's `re`.
fn python_syntax(pattern: &str, flags_allowed: bool) -> std::result::Result<(), String> {
    let text: Vec<char> = pattern.chars().collect();
    let at = |i: usize| text.get(i).copied();
    let mut class: Option<usize> = None;
    let mut i = 0;
    while let Some(c) = at(i) {
        match (c, class) {
            ('\\', _) => {
                if let Some(escaped) = at(i + 1).filter(char::is_ascii_alphabetic)
                    && !"AbBdDsSwWZafnrtvxuU".contains(escaped)
                {
                    return Err(format!("uses \\{escaped}, which Python's re does not know"));
                }
                i += 1;
            }
            ('[', None) => {
                let first = if at(i + 1) == Some('^') { i + 2 } else { i + 1 };
                class = Some(first);
                i = first - 1;
            }
            (']', Some(first)) if i > first => class = None,
            ('[', Some(_)) => return Err("has '[' inside a character class; write \\[".to_owned()),
            ('&' | '-' | '~', Some(first)) if i > first && at(i + 1) == Some(c) => {
                return Err(format!(
                    "has '{c}{c}' inside a character class, which is read as a set operation"
                ));
            }
            ('(', None) if at(i + 1) == Some('*') => return Err("uses '(*', which Python refuses".to_owned()),
            ('(', None) if at(i + 1) == Some('?') => group_kind(&text, i, flags_allowed)?,
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

fn group_kind(text: &[char], open: usize, flags_allowed: bool) -> std::result::Result<(), String> {
    let rest: String = text[open..].iter().skip(2).take(8).collect();
    let known = [":", "=", "!", ">", "#", "(", "P<", "P=", "<=", "<!"];
    if known.iter().any(|kind| rest.starts_with(kind)) {
        return Ok(());
    }
    let flags: String = rest.chars().take_while(|c| "aiLmsux-".contains(*c)).collect();
    match rest.chars().nth(flags.len()) {
        Some(':') if !flags.is_empty() => Ok(()),
        Some(')') if !flags.is_empty() && open == 0 && flags_allowed => Ok(()),
        Some(')') if !flags.is_empty() => Err(format!("has (?{flags}) where Python allows no global flag")),
        _ => Err(format!("uses the group kind (?{}, which Python's re does not know", rest.trim_end())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full(pattern: &str, key: &str) -> bool {
        PyRegex::full("target_modules", pattern).unwrap().is_match(key).unwrap()
    }

    #[test]
    fn a_full_match_covers_the_whole_name() {
        assert!(full(r"a\.\d+\.b", "a.12.b"));
        assert!(!full(r"a\.\d+", "a.12.b"));
        assert!(!full("b", "a.b"));
        // One branch that stops early must not hide the branch that reaches the end.
        assert!(full("a|ab", "ab"));
        assert!(full("(?i)Q_PROJ", "q_proj"));
        assert!(full(r"(?P<x>a)(?P=x)", "aa"));
        assert!(full(r"(?!.*vision).*q_proj", "text.q_proj"));
        assert!(!full(r"(?!.*vision).*q_proj", "vision.q_proj"));
        assert!(full("[]a]", "]"));
        assert!(full("[^a-c-]", "d"));
    }

    #[test]
    fn what_python_reads_otherwise_is_refused() {
        for (pattern, part) in [
            ("a)(?:b", "is not a valid pattern"),
            ("(", "is not a valid pattern"),
            (r"\hx", r"uses \h"),
            (r"\Kx", r"uses \K"),
            ("[a[b]]", "inside a character class"),
            ("[a&&b]", "set operation"),
            ("[a--b]", "set operation"),
            ("(?<n>a)", "group kind"),
            ("(?|a|b)", "group kind"),
            ("a(?i)b", "no global flag"),
            ("(*FAIL)", "uses '(*'"),
        ] {
            let error = PyRegex::full("target_modules", pattern).unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
            assert!(error.starts_with("target_modules: pattern "), "{error}");
        }
        let long = "a".repeat(MAX_PATTERN + 1);
        assert!(PyRegex::full("f", &long).unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn catastrophic_backtracking_is_an_error() {
        let regex = PyRegex::full("target_modules", r"(?=((a+)+)+b)(a|aa)+\1").unwrap();
        let error = regex.is_match(&"a".repeat(64)).unwrap_err().to_string();
        assert!(error.contains("could not be matched against aaa"), "{error}");
    }

    proptest! {
        #[test]
        fn any_pattern_is_an_answer_or_an_error(pattern in ".{0,40}", key in "[a-z.0-9]{0,30}") {
            if let Ok(regex) = PyRegex::full("f", &pattern) {
                let _ = regex.is_match(&key);
            }
        }

        #[test]
        fn regex_like_text_never_panics(pattern in r"[a-c().*+?\[\]{}|\\^$0-9:=!<>P,-]{0,24}", key in "[a-c.]{0,16}") {
            if let Ok(regex) = PyRegex::embedded("f", &pattern, &format!(r"(.*\.)?({pattern})$")) {
                let _ = regex.is_match(&key);
            }
        }
    }
}
