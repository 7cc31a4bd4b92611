//! Comparing the manifest of a run with the settings it is to be resumed under.

use serde_json::Value;
use std::fmt;

/// One field in which two manifests differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, as `model.sha256` or `files[2].name`.
    pub field: String,
    /// What the resuming process wants: JSON, or `nothing` where it does not have the field.
    pub expected: String,
    /// What `run.json` says.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} should be {} but the run has {}", self.field, self.expected, self.found)
    }
}

/// Every leaf in which `found` differs from `expected`, in the order of `expected`. Numbers are compared by what they
/// print as, so 1 and 1.0 differ: they would differ in the file too.
#[must_use]
pub fn differences(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut out = Vec::new();
    walk("", Some(expected), Some(found), &mut out);
    out
}

fn walk(path: &str, expected: Option<&Value>, found: Option<&Value>, out: &mut Vec<Difference>) {
    match (expected, found) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let only_found = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_found) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, a.get(key), b.get(key), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                walk(&format!("{path}[{index}]"), a.get(index), b.get(index), out);
            }
        }
        _ if expected == found => {}
        _ => out.push(Difference {
            field: if path.is_empty() { "the manifest".to_owned() } else { path.to_owned() },
            expected: text(expected),
            found: text(found),
        }),
    }
}

fn text(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let full = value.to_string();
    // A whole sub-object in a sentence helps nobody; its beginning tells which it is.
    if full.chars().count() > 120 { full.chars().take(119).chain(['…']).collect() } else { full }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_each_leaf_with_its_path() {
        let wanted = json!({"model": {"sha": "a", "n": 1}, "files": ["x", "y"], "seed": 1});
        let stored = json!({"files": ["x", "z", "w"], "model": {"sha": "b", "n": 1}, "extra": null});
        let fields: Vec<String> = differences(&wanted, &stored).iter().map(ToString::to_string).collect();
        assert_eq!(
            fields,
            [
                "model.sha should be \"a\" but the run has \"b\"",
                "files[1] should be \"y\" but the run has \"z\"",
                "files[2] should be nothing but the run has \"w\"",
                "seed should be 1 but the run has nothing",
                "extra should be nothing but the run has null",
            ]
        );
        assert!(differences(&wanted, &wanted).is_empty());
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        assert!(differences(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1})).is_empty());
    }
}
