//! Files nobody should have written: odd schemas, broken bytes, random damage.

use super::*;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use std::sync::Arc;

/// A one-row-group file of any schema: one closure per column, in order.
type WriteColumn<'a> =
    Box<dyn Fn(&mut parquet::file::writer::SerializedColumnWriter<'_>) -> parquet::errors::Result<()> + 'a>;

fn col<'a, T: DataType>(values: Vec<T::T>, def: Vec<i16>, rep: Option<Vec<i16>>) -> WriteColumn<'a>
where
    T::T: 'a,
{
    Box::new(move |w| w.typed::<T>().write_batch(&values, Some(&def), rep.as_deref()).map(drop))
}

fn text(v: &str) -> WriteColumn<'static> {
    col::<ByteArrayType>(vec![ByteArray::from(v)], vec![1], None)
}

fn int(v: i32) -> WriteColumn<'static> {
    col::<Int32Type>(vec![v], vec![1], None)
}

fn list(def: i16) -> WriteColumn<'static> {
    let v = vec![ByteArray::from("x"), ByteArray::from("y")];
    col::<ByteArrayType>(v, vec![def, def], Some(vec![0, 1]))
}

fn file(columns: &[(&str, WriteColumn<'_>)]) -> Bytes {
    let body: String = columns.iter().map(|(c, _)| format!("optional {c}")).collect();
    let schema = parse_message_type(&format!("message schema {{ {body} }}")).unwrap();
    let mut out = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut out, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, write) in columns {
        let mut column = group.next_column().unwrap().unwrap();
        write(&mut column).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    out.into()
}

const LIST: &str = "group choices (LIST) { repeated group list { optional binary element (STRING); } }";

fn minimal<'a>(replace: &'a str, with: Option<(&'a str, WriteColumn<'a>)>) -> Bytes {
    let mut columns: Vec<(&str, WriteColumn<'_>)> = vec![
        ("binary prompt (STRING);", text("p")),
        ("binary answer (STRING);", text("(B)")),
        ("binary task (STRING);", text("Count")),
        (LIST, list(3)),
    ];
    if let Some(at) = columns.iter().position(|(c, _)| c.contains(&format!(" {replace} "))) {
        drop(columns.remove(at));
    }
    columns.extend(with);
    file(&columns)
}

#[test]
fn files_with_few_or_odd_columns() {
    let bench = open_bytes(minimal("-", None)).unwrap();
    let s = &bench.samples()[0];
    assert_eq!((s.id.as_str(), s.gold, s.kind, s.question.as_str()), ("0", 1, Kind::TwoD, "p"));
    assert!(!bench.has_embedded_images());
    let with = |c, w| open_bytes(minimal("-", Some((c, w)))).unwrap();
    let big = with("int64 idx;", col::<Int64Type>(vec![1 << 40], vec![1], None));
    assert_eq!(big.samples()[0].idx, 1 << 40);
    let path = with("binary image (STRING);", text("img/a.png"));
    assert!(!path.has_embedded_images());
    assert!(path.image(0).unwrap_err().to_string().contains("no folder"));
    assert_eq!(with("binary image;", text("\u{1}png")).image(0).unwrap(), &b"\x01png"[..]);
    // pandas writes columns of nothing but nulls as INT32 nulls.
    let nulls = || col::<Int32Type>(vec![], vec![0], None);
    assert_eq!(with("int32 target_class;", nulls()).samples()[0].target_class, None);
    assert!(with("int32 bbox;", nulls()).samples()[0].boxes.is_empty());
    // Lists in the two-level form of old writers, and null or empty lists.
    let old = "group choices (LIST) { repeated binary array (STRING); }";
    let bench = open_bytes(minimal("choices", Some((old, list(2))))).unwrap();
    assert_eq!(bench.samples()[0].options, ["x", "y"]);
    for def in [0, 1, 2] {
        let none = col::<ByteArrayType>(vec![], vec![def], Some(vec![0]));
        let bench = open_bytes(minimal("choices", Some((LIST, none)))).unwrap();
        assert_eq!((bench.samples().len(), bench.rejected()[0].field.as_str()), (0, "choices"), "{def}");
    }
    let bad_utf8 = col::<ByteArrayType>(vec![ByteArray::from(vec![0xff, 0xfe])], vec![1], None);
    let bench = open_bytes(minimal("prompt", Some(("binary prompt (STRING);", bad_utf8)))).unwrap();
    assert_eq!(bench.rejected()[0].field, "prompt");
}

#[test]
fn broken_files_are_refused_with_a_reason() {
    let good = written(6, 2);
    let len = good.len();
    let mut cases: Vec<(&str, Bytes, &str)> = vec![
        ("empty", Bytes::new(), "too few"),
        ("three bytes", Bytes::from_static(b"PAR"), "too few"),
        ("magic only", Bytes::from_static(b"PAR1"), "too few"),
        ("twice magic", Bytes::from_static(b"PAR1\0\0\0\0PAR1"), ""),
        ("not parquet", Bytes::from_static(b"hello, this is no parquet"), "does not begin with PAR1"),
        ("html", Bytes::from_static(b"<!DOCTYPE html><html></html>"), "does not begin with PAR1"),
        ("cut in half", good.slice(..len / 2), "cut short"),
        ("cut by one", good.slice(..len - 1), "cut short"),
        ("no prompt", minimal("prompt", None), "`prompt` is missing"),
        ("no answer", minimal("answer", None), "`answer` is missing"),
        ("no task", minimal("task", None), "`task` is missing"),
        ("no choices", minimal("choices", None), "`choices` is missing; the file has prompt, answer, task"),
        (
            "number prompt",
            minimal("prompt", Some(("int32 prompt;", int(1)))),
            "`prompt` should be a column of texts",
        ),
        ("number answer", minimal("answer", Some(("int32 answer;", int(1)))), "found INT32"),
        (
            "text choices",
            minimal("choices", Some(("binary choices (STRING);", text("a")))),
            "a list of texts",
        ),
        ("text idx", minimal("-", Some(("binary idx (STRING);", text("1")))), "whole numbers"),
        ("text bbox", minimal("-", Some(("binary bbox (STRING);", text("1")))), "a list of lists of numbers"),
        (
            "flat bbox",
            minimal(
                "-",
                Some((
                    "group bbox (LIST) { repeated group list { optional float element; } }",
                    col::<FloatType>(vec![1.0], vec![3], Some(vec![0])),
                )),
            ),
            "a list of lists",
        ),
        (
            "nested answer",
            minimal(
                "answer",
                Some((
                    "group answer { optional binary text (STRING); }",
                    col::<ByteArrayType>(vec![], vec![0], None),
                )),
            ),
            "`answer` is missing",
        ),
    ];
    let mut footer = good.to_vec();
    footer[len - 8..len - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    cases.push(("huge footer", footer.into(), "its footer declares 4294967295"));
    let mut footer = good.to_vec();
    footer[len - 8..len - 4].copy_from_slice(&3_u32.to_le_bytes());
    cases.push(("tiny footer", footer.into(), ""));
    let mut zeros = good.to_vec();
    let from = len - 8 - u32::from_le_bytes(zeros[len - 8..len - 4].try_into().unwrap()) as usize;
    zeros[from..len - 8].fill(0);
    cases.push(("footer of zeros", zeros.into(), ""));
    let mut pages = good.to_vec();
    pages[4..from].fill(0xff);
    cases.push(("pages of ones", pages.into(), ""));
    cases.push(("no rows", written(0, 1), "holds no rows"));
    assert!(cases.len() >= 20);
    for (what, bytes, wanted) in cases {
        let e = open_bytes(bytes).err().unwrap_or_else(|| panic!("{what} was accepted")).to_string();
        assert!(e.contains(wanted) && e.contains("test.parquet"), "{what}: {e}");
    }
    for (name, content, wanted) in [
        ("t.jsonl", "", "holds no rows"),
        ("t.jsonl", "\n\n", "holds no rows"),
        ("t.jsonl", "{\"idx\":", "line 1: not JSON"),
        ("t.jsonl", "\n[]", "line 2: expected an object, found a list"),
        ("t.jsonl", "{}\nnull", "line 2: expected an object, found null"),
        ("t.json", "{}", "expected a list of rows, found an object"),
        ("t.json", "[3]", "row 0: expected an object, found a number"),
        ("t.json", "[", "not JSON"),
        ("t.json", "[]", "holds no rows"),
        ("t.csv", "a,b", "expected a .parquet"),
    ] {
        let e = Benchmark::from_bytes([(name.to_owned(), Bytes::from(content))]).unwrap_err().to_string();
        assert!(e.contains(wanted), "{content}: {e}");
    }
    assert!(Benchmark::from_bytes([]).is_err());
    assert!(
        Benchmark::open("no/such/file.parquet").unwrap_err().to_string().contains("no/such/file.parquet")
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Benchmark::from_bytes([("t.json".to_owned(), Bytes::from(deep))]).is_err());
}

/// Opens and reads everything; whatever happens must be a value.
fn exercise(bytes: Bytes) {
    if let Ok(bench) = open_bytes(bytes) {
        for row in 0..bench.rows().min(40) {
            let _ = bench.image(row);
        }
        let _ = bench.image(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_file_is_an_error_or_a_file(
        which in 0usize..3,
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        from_end in any::<bool>(),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut bytes = match which {
            0 => std::fs::read(fixture("hf.parquet")).unwrap(),
            1 => std::fs::read(fixture("odd.parquet")).unwrap(),
            _ => written(3, 2).to_vec(),
        };
        let len = bytes.len();
        for (at, value) in hits {
            // Half of the runs aim at the footer, where sizes are declared.
            let i = if from_end { len - 1 - at.index(len / 3) } else { at.index(len) };
            bytes[i] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(len));
        }
        exercise(bytes.into());
    }
}
