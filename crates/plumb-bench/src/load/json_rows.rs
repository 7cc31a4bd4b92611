//! Rows as JSON: CV-Bench's `test*.jsonl`, a JSON list of the same objects, and the list that SpatialScore publishes
//! (`haoningwu3639/SpatialScore:version_0/dataset/SpatialScore-Hard.json`), whose CV-Bench rows carry `index_origin`.

use super::row::{Problem, RawRow, short};
use crate::interop::kind;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// One JSON object as a row. A field of a wrong type is the row's problem, not the file's.
pub(super) fn raw_row(row: &Object) -> Result<RawRow, Problem> {
    if row.contains_key("index_origin") || row.contains_key("img_paths") {
        return spatial_score(row);
    }
    Ok(RawRow {
        idx: integer(row, "idx")?,
        kind: text(row, "type")?,
        task: text(row, "task")?,
        question: text(row, "question")?,
        choices: choices(row)?,
        answer: text(row, "answer")?,
        prompt: text(row, "prompt")?,
        filename: text(row, "filename")?,
        image_path: match row.get("image") {
            Some(Value::String(path)) => Some(path.clone()),
            Some(Value::Object(image)) => text(image, "path")?,
            _ => None,
        },
        source: text(row, "source")?,
        source_dataset: text(row, "source_dataset")?,
        source_filename: text(row, "source_filename")?,
        target_class: text(row, "target_class")?,
        target_size: integer(row, "target_size")?,
        boxes: boxes(row)?,
    })
}

fn wrong(field: &'static str, expected: &str, found: &Value) -> Problem {
    Problem::new(field, format!("expected {expected}, found {}", kind(found)))
}

fn text(row: &Object, field: &'static str) -> Result<Option<String>, Problem> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.clone())),
        Some(other) => Err(wrong(field, "a text", other)),
    }
}

fn integer(row: &Object, field: &'static str) -> Result<Option<i64>, Problem> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let whole = |v: f64| (v.fract() == 0.0 && v.abs() < 9e15).then_some(v as i64);
            let number = value.as_i64().or_else(|| value.as_f64().and_then(whole));
            number.map(Some).ok_or_else(|| wrong(field, "a whole number", value))
        }
    }
}

fn choices(row: &Object) -> Result<Option<Vec<Option<String>>>, Problem> {
    match row.get("choices") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(s) => Ok(Some(s.clone())),
                Value::Number(n) => Ok(Some(n.to_string())),
                Value::Null => Ok(None),
                other => Err(wrong("choices", "texts", other)),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(wrong("choices", "a list of texts", other)),
    }
}

fn boxes(row: &Object) -> Result<Option<Vec<Vec<Option<f64>>>>, Problem> {
    match row.get("bbox") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::Array(corners) => Ok(corners.iter().map(Value::as_f64).collect()),
                other => Err(wrong("bbox", "lists of numbers", other)),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(wrong("bbox", "a list of lists of numbers", other)),
    }
}

/// SpatialScore folds options and, for 3D, box coordinates into `question`. Its own sentence with the coordinates is
/// taken off again, so that `prompt` is CV-Bench's.
fn spatial_score(row: &Object) -> Result<RawRow, Problem> {
    if let Some(other) = text(row, "source")?.filter(|s| s != "cvbench") {
        return Err(Problem::new("source", format!("expected cvbench, found `{}`", short(&other))));
    }
    let full = text(row, "question")?.unwrap_or_default();
    let (prompt, coordinates) = full
        .split_once("\nThe coordinates of bounding boxes are:")
        .map_or((full.as_str(), None), |(p, c)| (p, Some(c)));
    let mut options = Vec::new();
    let mut question = prompt;
    for line in prompt.lines() {
        let marker = format!("({}) ", crate::sample::letter(options.len()));
        if let Some(option) = line.strip_prefix(&marker) {
            if options.is_empty() {
                question = prompt.split(&format!("\n{marker}")).next().unwrap_or(prompt);
            }
            options.push(Some(option.trim().to_owned()));
        }
    }
    let question = question.trim().trim_end_matches("Select from the following choices.").trim();
    let path = match row.get("img_paths") {
        Some(Value::Array(paths)) => paths.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    let filename = path.map(|p| p.rsplit_once("CV-Bench/").map_or(p, |(_, rest)| rest).to_owned());
    let source = filename.as_deref().and_then(|f| {
        let name = f.rsplit('/').next().unwrap_or(f);
        [("ade20k", "ADE20K"), ("coco", "COCO"), ("omni3d", "Omni3D")]
            .into_iter()
            .find(|(start, _)| name.starts_with(start))
            .map(|(_, source)| source.to_owned())
    });
    Ok(RawRow {
        idx: integer(row, "index_origin")?,
        task: text(row, "category_origin")?,
        question: Some(question.to_owned()),
        choices: Some(options),
        answer: text(row, "answer")?,
        prompt: Some(prompt.to_owned()),
        filename,
        source,
        boxes: coordinates.map(bracketed_numbers),
        ..RawRow::default()
    })
}

/// `red: [1.0, 2.0, 3.0, 4.0] blue: [...]`, in the order they stand.
fn bracketed_numbers(text: &str) -> Vec<Vec<Option<f64>>> {
    text.split('[')
        .skip(1)
        .filter_map(|part| part.split_once(']'))
        .map(|(inside, _)| inside.split(',').map(|n| n.trim().parse().ok()).collect())
        .collect()
}
