//! One value, one line: JSON whose bytes depend on the value alone.

use serde::Serialize;

/// `value` as one line of JSON without its newline: no spaces, object keys sorted by their bytes at every depth,
/// numbers as serde writes them (the shortest digits that read back).
///
/// Keys are sorted because a hash map has no order of its own; with that, equal values give equal bytes in every
/// process. The numbers are never parsed again on the way, so not one bit of a float is lost.
///
/// # Errors
/// The value has a map key that is no string, or its own `Serialize` fails. A float that is NaN or infinite becomes
/// `null`, as JSON has no other word for it.
pub fn canonical_line<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    Ok(sort_keys(&text).unwrap_or(text))
}

/// Sorts the keys of every object in `text`, which must be compact JSON as serde_json writes it, and keeps every other
/// byte. `None` where `text` is not that.
#[must_use]
pub fn sort_keys(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let rest = value(text, &mut out, 0)?;
    rest.is_empty().then_some(out)
}

/// As deep as serde_json itself reads back; beyond it a record could be written that no reader opens.
const MAX_DEPTH: usize = 128;

/// Copies the value at the start of `text` to `out` and returns what follows it.
fn value<'a>(text: &'a str, out: &mut String, depth: usize) -> Option<&'a str> {
    if depth > MAX_DEPTH {
        return None;
    }
    match text.as_bytes().first()? {
        b'{' => object(text, out, depth),
        b'[' => {
            out.push('[');
            let mut rest = text.get(1..)?;
            if let Some(after) = rest.strip_prefix(']') {
                out.push(']');
                return Some(after);
            }
            loop {
                rest = value(rest, out, depth + 1)?;
                if let Some(after) = rest.strip_prefix(',') {
                    out.push(',');
                    rest = after;
                } else {
                    out.push(']');
                    return rest.strip_prefix(']');
                }
            }
        }
        b'"' => {
            let (string, rest) = split_string(text)?;
            out.push_str(string);
            Some(rest)
        }
        _ => {
            let end = text.find([',', ']', '}']).unwrap_or(text.len());
            let (scalar, rest) = text.split_at_checked(end)?;
            if scalar.is_empty() {
                return None;
            }
            out.push_str(scalar);
            Some(rest)
        }
    }
}

fn object<'a>(text: &'a str, out: &mut String, depth: usize) -> Option<&'a str> {
    let mut rest = text.get(1..)?;
    if let Some(after) = rest.strip_prefix('}') {
        out.push_str("{}");
        return Some(after);
    }
    let mut fields: Vec<(&str, String)> = Vec::new();
    loop {
        let (key, after) = split_string(rest)?;
        let mut written = String::new();
        rest = value(after.strip_prefix(':')?, &mut written, depth + 1)?;
        fields.push((key, written));
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    // A stable sort: a value that writes one key twice keeps their order, and so its bytes.
    fields.sort_by_key(|(key, _)| *key);
    for (index, (key, written)) in fields.iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        out.push_str(key);
        out.push(':');
        out.push_str(written);
    }
    out.push('}');
    rest.strip_prefix('}')
}

/// Splits a JSON string (with its quotes) off the front.
fn split_string(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut index = 1;
    loop {
        match bytes.get(index)? {
            b'"' => return text.split_at_checked(index + 1),
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use std::collections::HashMap;

    #[test]
    fn sorts_at_every_depth_and_keeps_all_else() {
        let text = r#"{"b":[1,{"z":"}\"{","a":[]}],"a":{"y":-0.0,"x":1e-7},"":{}}"#;
        assert_eq!(
            sort_keys(text).unwrap(),
            r#"{"":{},"a":{"x":1e-7,"y":-0.0},"b":[1,{"a":[],"z":"}\"{"}]}"#
        );
    }

    #[test]
    fn hash_maps_give_the_same_line_whatever_their_order() {
        let pairs: Vec<(String, i32)> = (0..100).map(|i| (format!("k{i}"), i)).collect();
        let one: HashMap<_, _> = pairs.iter().cloned().collect();
        let other: HashMap<_, _> = pairs.into_iter().rev().collect();
        assert_eq!(canonical_line(&one).unwrap(), canonical_line(&other).unwrap());
    }

    #[test]
    fn f32_keeps_its_short_digits_and_text_stays_on_one_line() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Record {
            p: f32,
            answer: String,
        }
        let record = Record { p: 0.1, answer: "a\nb\r\u{2028}é".to_owned() };
        let line = canonical_line(&record).unwrap();
        assert_eq!(line, "{\"answer\":\"a\\nb\\r\u{2028}é\",\"p\":0.1}");
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }

    #[test]
    fn what_is_no_compact_json_is_refused() {
        for text in ["", "{", "[1,", "{\"a\"}", "{\"a\":}", "[1]]", "\"abc", "{\"a\":1,}", "\"\\"] {
            assert!(sort_keys(text).is_none(), "{text}");
        }
        assert!(sort_keys(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))).is_none());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            any::<f32>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| json!(f)),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("\\PC{0,6}", inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn same_value_and_idempotent(value in any_json()) {
            let line = canonical_line(&value).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(sort_keys(&line).unwrap(), line.clone());
            // Compared as text sorted again, since a parser may round the last digit of a float.
            let bytes_of = |text: &str| { let mut b = text.as_bytes().to_vec(); b.sort_unstable(); b };
            prop_assert_eq!(bytes_of(&line), bytes_of(&serde_json::to_string(&value).unwrap()));
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\",:\\\\ a1é]{0,40}") {
            let _ = sort_keys(&text);
        }
    }
}
