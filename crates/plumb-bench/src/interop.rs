//! Predictions in the forms other tools read and write.

use crate::prediction::Prediction;
use crate::sample::Sample;
use crate::{BenchError, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Read, Write};

/// The longest line that is read, in bytes: a line holds one answer.
const MAX_LINE: u64 = 16 << 20;
const MAX_ROWS: usize = 1_000_000;

/// Writes one `{"index": ..., "raw_prediction": ...}` a line, the plainest form there is. Ids that are whole numbers
/// are written as numbers. Predictions without text are written with `null`, so that coverage survives.
///
/// # Errors
/// When writing fails.
pub fn export_jsonl(mut out: impl Write, predictions: &[Prediction]) -> Result<()> {
    for p in predictions {
        let line = json!({ "index": index_value(&p.id), "raw_prediction": p.raw });
        writeln!(out, "{line}").map_err(|e| BenchError::Write { why: e.to_string() })?;
    }
    out.flush().map_err(|e| BenchError::Write { why: e.to_string() })
}

/// Writes the same as CSV with the header `index,raw_prediction`.
///
/// # Errors
/// When writing fails.
pub fn export_csv(out: impl Write, predictions: &[Prediction]) -> Result<()> {
    let why = |e: csv::Error| BenchError::Write { why: e.to_string() };
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["index", "raw_prediction"]).map_err(why)?;
    for p in predictions {
        csv.write_record([p.id.as_str(), p.raw.as_deref().unwrap_or("")]).map_err(why)?;
    }
    csv.flush().map_err(|e| BenchError::Write { why: e.to_string() })
}

/// Reads what [`export_jsonl`] writes. `name` is the file's name for messages.
///
/// # Errors
/// [`BenchError::Json`] with the line number for a line that is not an object with `index`, and
/// [`BenchError::TooLarge`] past 1 000 000 lines or 16 MiB in one line.
pub fn import_jsonl(input: impl BufRead, name: &str) -> Result<Vec<Prediction>> {
    read_lines(input, name, |row, _| {
        let id =
            row.get("index").and_then(text_of).ok_or("expected a field `index` with a number or a text")?;
        let raw = match row.get("raw_prediction") {
            None => return Err("expected a field `raw_prediction`".to_owned()),
            Some(Value::Null) => None,
            Some(Value::String(s)) => Some(s.clone()),
            Some(other) => {
                return Err(format!("`raw_prediction` should be a text or null, found {}", kind(other)));
            }
        };
        Ok(Prediction { id, raw, ..Prediction::default() })
    })
}

/// Reads the CSV form. An empty `raw_prediction` is an empty answer, since CSV knows no null.
///
/// # Errors
/// [`BenchError::Json`] with the line for a row or header that does not fit.
pub fn import_csv(input: impl Read, name: &str) -> Result<Vec<Prediction>> {
    let fail = |line: usize, why: String| BenchError::Json { file: name.to_owned(), line, why };
    let mut csv = csv::Reader::from_reader(input);
    let head = csv.headers().map_err(|e| fail(1, e.to_string()))?.clone();
    let column = |wanted: &str| {
        head.iter()
            .position(|h| h == wanted)
            .ok_or_else(|| fail(1, format!("expected a column `{wanted}`, found {}", list(&head))))
    };
    let (index, raw) = (column("index")?, column("raw_prediction")?);
    let mut out = Vec::new();
    for (i, record) in csv.records().enumerate() {
        let record = record.map_err(|e| fail(i + 2, e.to_string()))?;
        let cell = |c: usize| record.get(c).ok_or_else(|| fail(i + 2, "the row is too short".to_owned()));
        out.push(Prediction::text(cell(index)?, cell(raw)?));
        limit(name, out.len())?;
    }
    Ok(out)
}

/// Reads lmms-eval's `*_samples_cv_bench*.jsonl` (`doc_id, doc, target, resps, filtered_resps, cv_bench_acc`).
///
/// A line is matched to a sample by the `idx` it carries (`cv_bench_acc.id`, else `doc.idx`), else by `doc_id`, which
/// is the row's place in the dataset. The text is the first of `resps`, as generated, else of `filtered_resps`.
///
/// # Errors
/// As [`import_jsonl`], and for a line that names no row.
pub fn import_lmms_eval(input: impl BufRead, name: &str, samples: &[Sample]) -> Result<Vec<Prediction>> {
    let by_idx: HashMap<i64, &Sample> = samples.iter().map(|s| (s.idx, s)).collect();
    let by_row: HashMap<i64, &Sample> =
        samples.iter().filter_map(|s| Some((i64::try_from(s.row).ok()?, s))).collect();
    read_lines(input, name, |row, _| {
        let idx = row
            .get("cv_bench_acc")
            .and_then(|v| v.get("id"))
            .or_else(|| row.get("doc").and_then(|v| v.get("idx")))
            .and_then(Value::as_i64);
        let place = row.get("doc_id").and_then(Value::as_i64);
        let id = match (idx, place) {
            (Some(idx), _) => by_idx.get(&idx).map_or_else(|| idx.to_string(), |s| s.id.clone()),
            (None, Some(place)) => by_row.get(&place).map_or_else(|| place.to_string(), |s| s.id.clone()),
            (None, None) => return Err("expected `cv_bench_acc.id`, `doc.idx` or `doc_id`".to_owned()),
        };
        let raw = ["resps", "filtered_resps"].iter().find_map(|f| row.get(*f).and_then(first_text));
        match raw {
            Some(raw) => Ok(Prediction::text(id, raw)),
            None => Err("expected a generated text in `resps` or `filtered_resps`".to_owned()),
        }
    })
}

/// The first text in arbitrarily nested lists; lmms-eval nests by request and by repeat.
fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Array(items) => items.first().and_then(first_text),
        _ => None,
    }
}

fn index_value(id: &str) -> Value {
    // Only a number that prints back to the same id may become one: "007" must stay text.
    id.parse::<i64>().ok().filter(|n| n.to_string() == id).map_or_else(|| json!(id), |n| json!(n))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn list(head: &csv::StringRecord) -> String {
    head.iter().take(20).collect::<Vec<_>>().join(", ")
}

fn limit(name: &str, rows: usize) -> Result<()> {
    if rows > MAX_ROWS {
        return Err(BenchError::too_large(name, "the number of rows", rows as u64, MAX_ROWS as u64));
    }
    Ok(())
}

/// Calls `row` for every non-empty line that holds a JSON object; its error becomes a message with the line number.
pub(crate) fn read_lines<T>(
    mut input: impl BufRead,
    name: &str,
    mut row: impl FnMut(&Map<String, Value>, usize) -> std::result::Result<T, String>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = input
            .by_ref()
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| BenchError::io(name, e))?;
        if read == 0 {
            break;
        }
        if read as u64 > MAX_LINE {
            return Err(BenchError::too_large(name, format!("line {number}"), read as u64, MAX_LINE));
        }
        let text = line.trim_ascii();
        // A byte order mark is what some editors leave at the start.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let fail = |why: String| BenchError::Json { file: name.to_owned(), line: number, why };
        let value: Value = serde_json::from_slice(text).map_err(|e| fail(format!("not JSON: {e}")))?;
        let Value::Object(map) = &value else {
            return Err(fail(format!("expected an object, found {}", kind(&value))));
        };
        out.push(row(map, number).map_err(fail)?);
        limit(name, out.len())?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_forms_round_trip() {
        let predictions = [
            Prediction::text("3", "The answer is \"B\",\nI think"),
            Prediction::text("007", ""),
            Prediction::text("3#shift1", "(A)"),
        ];
        let mut out = Vec::new();
        export_jsonl(&mut out, &predictions).unwrap();
        assert!(out.starts_with(b"{\"index\":3,\"raw_prediction\":"));
        assert_eq!(import_jsonl(&out[..], "p.jsonl").unwrap(), predictions);
        let mut out = Vec::new();
        export_csv(&mut out, &predictions).unwrap();
        assert_eq!(import_csv(&out[..], "p.csv").unwrap(), predictions);
        let mut out = Vec::new();
        export_jsonl(&mut out, &[Prediction::failed("1", "lost device")]).unwrap();
        assert_eq!(import_jsonl(&out[..], "p").unwrap()[0].raw, None);
    }

    #[test]
    fn lmms_eval_lines_are_matched() {
        let mut s = Sample::multiple_choice("787", "q", &["x", "y"], 0);
        s.row = 4;
        let text = concat!(
            r#"{"doc_id":4,"doc":{"idx":787},"target":"(A)","resps":[["B"]],"filtered_resps":["B"],"cv_bench_acc":{"id":787}}"#,
            "\n\n",
            r#"{"doc_id":4,"resps":[["A)"]]}"#,
            "\n",
            r#"{"doc_id":9,"filtered_resps":["A"]}"#,
        );
        let got = import_lmms_eval(text.as_bytes(), "s.jsonl", &[s]).unwrap();
        let ids: Vec<_> = got.iter().map(|p| (p.id.as_str(), p.raw.as_deref().unwrap())).collect();
        assert_eq!(ids, [("787", "B"), ("787", "A)"), ("9", "A")]);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, wanted) in [
            ("{\"index\":1,\"raw_prediction\":\"A\"}\n[1]", "line 2: expected an object, found a list"),
            ("{\"raw_prediction\":\"A\"}", "line 1: expected a field `index`"),
            ("{\"index\":1}", "raw_prediction"),
            ("{\"index\":1,\"raw_prediction\":3}", "found a number"),
            ("{\"index\":1,", "not JSON"),
            ("\u{0}", "not JSON"),
        ] {
            let e = import_jsonl(text.as_bytes(), "p.jsonl").unwrap_err().to_string();
            assert!(e.contains(wanted), "{e}");
        }
        assert!(import_csv(&b"a,b\n1,2\n"[..], "p.csv").unwrap_err().to_string().contains("`index`"));
        assert!(import_csv(&b"index,raw_prediction\n1\n"[..], "p.csv").is_err());
        let e = import_lmms_eval(&b"{\"resps\":[[\"A\"]]}"[..], "s", &[]).unwrap_err().to_string();
        assert!(e.contains("doc_id"), "{e}");
        assert!(import_lmms_eval(&b"{\"doc_id\":1}"[..], "s", &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_an_importer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = import_jsonl(&bytes[..], "p");
            let _ = import_csv(&bytes[..], "p");
            let _ = import_lmms_eval(&bytes[..], "p", &[]);
        }

        #[test]
        fn any_text_survives_both_forms(id in "[0-9a-z#]{1,6}", raw in "[^\r]{0,40}") {
            let p = [Prediction::text(id, raw)];
            let mut out = Vec::new();
            export_jsonl(&mut out, &p).unwrap();
            prop_assert_eq!(&import_jsonl(&out[..], "p").unwrap()[..], &p[..]);
            let mut out = Vec::new();
            export_csv(&mut out, &p).unwrap();
            prop_assert_eq!(&import_csv(&out[..], "p").unwrap()[..], &p[..]);
        }
    }
}
