use bytes::Bytes;
use proptest::prelude::*;

use super::column::Leaf;
use super::read::{ParquetQaReader, ReadOptions};
use super::row::{SETTERS, Set};
use super::schema::{COLUMNS, Type, message};
use super::write::{ParquetQaWriter, ROWS_PER_GROUP};
use crate::dataset::samples_for_tests::{any_pairs, mark, scene_with_pairs};
use crate::dataset::{DatasetMeta, QaRow};
use crate::{QaPair, Result};

fn written(batches: &[(plumb_scene::Scene, Vec<QaPair>)], meta: &DatasetMeta) -> Bytes {
    let mut writer = ParquetQaWriter::new(Vec::new(), meta).unwrap();
    for (scene, pairs) in batches {
        writer.push(scene, "images/a.png", pairs).unwrap();
    }
    writer.into_inner().unwrap().0.into()
}

fn open(bytes: Bytes) -> Result<ParquetQaReader<'static>> {
    ParquetQaReader::from_bytes("f.parquet", bytes, ReadOptions::default())
}

fn read(bytes: Bytes) -> Vec<QaRow> {
    open(bytes).unwrap().map(Result::unwrap).collect()
}

#[test]
fn columns_and_setters_are_one_list() {
    assert_eq!(COLUMNS.len(), SETTERS.len());
    for (column, set) in COLUMNS.iter().zip(&SETTERS) {
        let same = match set {
            Set::Text(_) => column.ty == Type::Text,
            Set::Int(_) => column.ty == Type::Int,
            Set::Double(_) => column.ty == Type::Double,
            Set::Bool(_) => column.ty == Type::Bool,
            Set::Texts(_) => column.ty == Type::Texts,
            Set::Ints(_) => column.ty == Type::Ints,
            Set::Doubles(_) => matches!(column.ty, Type::Doubles | Type::Floats),
        };
        assert!(same, "{}", column.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn pairs_come_back_and_bytes_are_the_same(pairs in any_pairs(8)) {
        let (scene, _) = scene_with_pairs(0);
        let mut pairs = pairs;
        for pair in pairs.iter_mut().step_by(2) {
            pair.scene.clone_from(&scene.id);
        }
        let batches = [(scene.clone(), pairs.clone())];
        let meta = DatasetMeta { seed: u64::MAX, options: serde_json::json!({"a": [1]}), ..Default::default() };
        let bytes = written(&batches, &meta);
        prop_assert_eq!(&bytes, &written(&batches, &meta));
        let found = open(bytes.clone()).unwrap().meta().clone();
        prop_assert_eq!(&found, &meta);
        let rows = read(bytes);
        prop_assert_eq!(rows.len(), pairs.len());
        for (at, (row, pair)) in rows.iter().zip(&pairs).enumerate() {
            prop_assert_eq!(row.row, at as u64);
            prop_assert_eq!(&row.pair, pair);
            prop_assert_eq!(row.scene.as_deref(), (pair.scene == scene.id).then_some(&scene));
            prop_assert_eq!((&row.image.path[..], row.image.width), ("images/a.png", scene.image.width));
            prop_assert_eq!(&row.image.sha256, &scene.image.sha256);
        }
    }
}

#[test]
fn numbers_that_are_not_finite_come_back_too() {
    let (scene, mut pairs) = scene_with_pairs(1);
    pairs[0].proof.facts[0].value = f64::INFINITY;
    pairs[0].proof.points = vec![[f64::NAN, -0.0, 0.0]];
    pairs[0].marks = vec![mark(3)];
    let rows = read(written(&[(scene, pairs.clone())], &DatasetMeta::default()));
    assert_eq!(rows[0].pair.proof.facts, pairs[0].proof.facts);
    assert_eq!(rows[0].pair.marks, pairs[0].marks);
    assert!(rows[0].pair.proof.points[0][0].is_nan());
}

#[test]
fn every_row_group_has_the_geometry_of_its_scenes() {
    let (scene, pairs) = scene_with_pairs(25_000);
    let meta = DatasetMeta { text: false, ..Default::default() };
    let bytes = written(&[(scene.clone(), pairs)], &meta);
    let reader = open(bytes.clone()).unwrap();
    assert_eq!((reader.rows(), reader.meta().text), (25_000, false));
    let rows = read(bytes);
    assert_eq!(rows.len(), 25_000);
    assert!(rows.iter().all(|row| row.scene.as_deref() == Some(&scene)));
    assert!(ROWS_PER_GROUP < rows.len());
}

#[test]
fn text_left_out_is_made_again_to_the_letter() {
    let (scene, pairs) = scene_with_pairs(300);
    let stored = read(written(&[(scene.clone(), pairs.clone())], &DatasetMeta::default()));
    let bytes = written(&[(scene, pairs)], &DatasetMeta { text: false, ..Default::default() });
    let bare: Vec<QaRow> = read(bytes.clone());
    assert!(bare.iter().all(|row| row.pair.question_text.is_empty() && row.pair.answer_text.is_empty()));
    let render = |pair: &QaPair| {
        Ok((format!("Question {}?", pair.question_template), format!("Answer {}.", pair.question_template)))
    };
    let rows: Vec<QaRow> = open(bytes).unwrap().render_with(render).map(Result::unwrap).collect();
    assert_eq!(rows, stored);
}

#[test]
fn geometry_is_left_alone_when_not_wanted() {
    let bytes = written(&[scene_with_pairs(3)], &DatasetMeta::default());
    let reader = ParquetQaReader::from_bytes("f", bytes, ReadOptions { geometry: false }).unwrap();
    assert!(reader.map(Result::unwrap).all(|row| row.scene.is_none()));
}

#[test]
fn an_id_beyond_31_bits_is_refused() {
    let (scene, mut pairs) = scene_with_pairs(1);
    pairs[0].question.objects = vec![u32::MAX];
    let mut writer = ParquetQaWriter::new(Vec::new(), &DatasetMeta::default()).unwrap();
    let said = writer.push(&scene, "a.png", &pairs).unwrap_err().to_string();
    assert!(said.contains("4294967295") && said.contains(&scene.id), "{said}");
}

#[test]
fn an_empty_set_is_a_file() {
    assert_eq!(read(written(&[], &DatasetMeta::default())), vec![]);
}

/// Changes the schema that the writer announces, and says what the reader finds wrong.
fn refused(change: impl Fn(String) -> String) -> String {
    let schema = parquet::schema::parser::parse_message_type(&change(message())).unwrap();
    let schema = parquet::schema::types::SchemaDescriptor::new(schema.into());
    COLUMNS.iter().find_map(|column| Leaf::find(&schema, column).err()).unwrap()
}

#[test]
fn missing_and_mistyped_columns_are_named() {
    for (from, to, wanted) in [
        ("kind", "sort", "the column `kind` is missing; the file has scene_id, image"),
        ("double value_m", "binary value_m", "`value_m` should hold numbers, found BYTE_ARRAY"),
        ("boolean answer_bool", "int32 answer_bool", "`answer_bool` should hold truth values, found INT32"),
        (
            "required int32 rank",
            "required group rank (LIST) { repeated group list { required int32 element; } }",
            "`rank` should hold whole numbers, found INT32 in 1 list(s)",
        ),
        (
            "binary scene_id (STRING)",
            "group scene_id { required int32 a; required int32 b; }",
            "found a struct",
        ),
    ] {
        let said = refused(|text| {
            text.replacen(from, to, 1).replace("; };", "; }").replace("} };", "} }").replace("} ;", "}")
        });
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn cut_and_foreign_files_are_refused() {
    let bytes = written(&[scene_with_pairs(30)], &DatasetMeta::default());
    for cut in (0..bytes.len()).step_by(97) {
        assert!(open(bytes.slice(..cut)).is_err());
    }
    let mut lying = bytes.to_vec();
    let at = lying.len() - 8;
    lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (bytes, wanted) in [
        (Bytes::new(), "0 bytes, too few"),
        (Bytes::from_static(b"{\"image\": \"a.png\"}"), "no Parquet file"),
        (bytes.slice(..bytes.len() - 1), "cut short"),
        (lying.into(), "its footer declares 4294967295"),
        (Bytes::from_static(b"PAR1\0\0\0\0\0\0\0\0PAR1"), "f.parquet"),
    ] {
        let said = open(bytes).err().unwrap().to_string();
        assert!(said.contains(wanted), "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Damage anywhere gives rows or errors, never a panic or an endless loop.
    #[test]
    fn damage_is_survived(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        // Panics inside of the Parquet reader are caught, and their reports would drown those of the tests.
        static QUIET: std::sync::Once = std::sync::Once::new();
        QUIET.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if !info.location().is_some_and(|at| at.file().contains("parquet-")) {
                    report(info);
                }
            }));
        });
        let mut bytes = written(&[scene_with_pairs(30)], &DatasetMeta::default()).to_vec();
        for (at, byte) in hits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(reader) = open(bytes.into()) {
            prop_assert!(reader.take(100_000).count() < 100_000);
        }
    }
}

/// The two halves of `tests/reference/check_qa_parquet.py`, which sets the folder and does the rest with pyarrow.
mod interop {
    use super::*;
    use crate::dataset::{DatasetWriter, JsonlReader, JsonlWriter};
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::path::PathBuf;

    fn folder() -> Option<PathBuf> {
        let folder = std::env::var_os("PLUMBLINE_QA_INTEROP").map(PathBuf::from);
        if folder.is_none() {
            println!("run by tests/reference/check_qa_parquet.py");
        }
        folder
    }

    #[test]
    fn write_for_pyarrow() {
        let Some(folder) = folder() else { return };
        let mut runner = TestRunner::deterministic();
        let mut writer =
            ParquetQaWriter::create(&folder.join("rust.parquet"), &DatasetMeta::default()).unwrap();
        let mut lines = Box::new(JsonlWriter::create(&folder.join("rust.jsonl")).unwrap());
        for number in 0..400 {
            let (mut scene, mut pairs) = scene_with_pairs(80);
            scene.id = format!("{number:016x}");
            pairs.extend(any_pairs(9).new_tree(&mut runner).unwrap().current());
            pairs.iter_mut().for_each(|pair| pair.scene.clone_from(&scene.id));
            let image = format!("images/{number}.png");
            writer.push(&scene, &image, &pairs).unwrap();
            lines.push(&scene, &image, &pairs).unwrap();
        }
        DatasetWriter::finish(Box::new(writer)).unwrap();
        lines.finish().unwrap();
    }

    /// pyarrow gave the text in `changed.txt` to the answer of row 1234 of every copy.
    #[test]
    fn read_from_pyarrow() {
        let Some(folder) = folder() else { return };
        let changed = std::fs::read_to_string(folder.join("changed.txt")).unwrap();
        let mut copies = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pyarrow")) {
                continue;
            }
            let mut wanted = JsonlReader::open(&folder.join("rust.jsonl")).unwrap();
            let mut rows = 0;
            for row in ParquetQaReader::open(&path, ReadOptions::default()).unwrap() {
                let (row, mut line) = (row.unwrap(), wanted.next().unwrap().unwrap());
                line.row = row.row;
                if row.row == 1234 {
                    assert_ne!(line.pair.answer_text, changed);
                    line.pair.answer_text.clone_from(&changed);
                }
                assert_eq!(row, line, "{}", path.display());
                rows += 1;
            }
            assert!(wanted.next().is_none(), "{} has {rows} rows", path.display());
            copies += 1;
            println!("{}: {rows} rows are right", path.display());
        }
        assert!(copies > 0);
    }
}
