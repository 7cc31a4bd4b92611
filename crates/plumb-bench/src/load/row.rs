//! From cells to samples: what every format shares.

use super::RowIssue;
use crate::sample::{Kind, MAX_OPTIONS, Sample, Task, letter_index};

/// One row as found in a file; `None` is a missing column, a null, or a text that is not UTF-8.
#[derive(Clone, Debug, Default)]
pub(super) struct RawRow {
    pub(super) idx: Option<i64>,
    pub(super) kind: Option<String>,
    pub(super) task: Option<String>,
    pub(super) question: Option<String>,
    pub(super) choices: Option<Vec<Option<String>>>,
    pub(super) answer: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) filename: Option<String>,
    pub(super) image_path: Option<String>,
    pub(super) source: Option<String>,
    pub(super) source_dataset: Option<String>,
    pub(super) source_filename: Option<String>,
    pub(super) target_class: Option<String>,
    pub(super) target_size: Option<i64>,
    pub(super) boxes: Option<Vec<Vec<Option<f64>>>>,
}

/// What is wrong with a row, before its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) field: &'static str,
    pub(super) why: String,
}

impl Problem {
    pub(super) fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }

    pub(super) fn at(self, file: &str, row: usize, row_in_file: usize, idx: Option<i64>) -> RowIssue {
        RowIssue { file: file.to_owned(), row, row_in_file, idx, field: self.field.to_owned(), why: self.why }
    }
}

impl RawRow {
    /// The sample, and a remark where something that scores do not need was left out.
    pub(super) fn into_sample(self, row: usize) -> Result<(Sample, Option<Problem>), Problem> {
        let options = options(self.choices)?;
        let gold = gold(self.answer.as_deref(), options.len())?;
        let prompt = self
            .prompt
            .filter(|p| !p.trim().is_empty())
            .ok_or_else(|| Problem::new("prompt", "expected a text, found none"))?;
        let task = self
            .task
            .filter(|t| !t.trim().is_empty())
            .map(Task::from)
            .ok_or_else(|| Problem::new("task", "expected a text, found none"))?;
        let filename = self.filename.unwrap_or_default();
        let kind = match self.kind.as_deref() {
            Some(name) => Kind::from_name(name)
                .ok_or_else(|| Problem::new("type", format!("expected 2D or 3D, found `{}`", short(name))))?,
            // Files without the column are told apart by task and folder, as CV-Bench itself is laid out.
            None => task
                .kind()
                .or_else(|| filename.contains("/3D/").then_some(Kind::ThreeD))
                .unwrap_or(Kind::TwoD),
        };
        let (boxes, remark) = boxes(self.boxes);
        let idx = self.idx.unwrap_or_else(|| i64::try_from(row).unwrap_or(i64::MAX));
        let sample = Sample {
            id: idx.to_string(),
            idx,
            row,
            kind,
            task,
            question: self.question.unwrap_or_else(|| prompt.clone()),
            options,
            gold,
            prompt,
            filename,
            source: self.source.unwrap_or_default(),
            source_dataset: self.source_dataset.unwrap_or_default(),
            source_filename: self.source_filename.unwrap_or_default(),
            target_class: self.target_class,
            target_size: self.target_size,
            boxes,
        };
        Ok((sample, remark))
    }
}

fn options(choices: Option<Vec<Option<String>>>) -> Result<Vec<String>, Problem> {
    let choices = choices.unwrap_or_default();
    if choices.is_empty() || choices.len() > MAX_OPTIONS {
        return Err(Problem::new(
            "choices",
            format!("expected 1 to {MAX_OPTIONS} options, found {}", choices.len()),
        ));
    }
    choices
        .into_iter()
        .enumerate()
        .map(|(i, c)| {
            c.filter(|c| !c.trim().is_empty()).ok_or_else(|| {
                Problem::new("choices", format!("option {} is empty", crate::sample::letter(i)))
            })
        })
        .collect()
}

/// `(C)`, `C` or `C.`; the letter must name one of the options.
fn gold(answer: Option<&str>, options: usize) -> Result<usize, Problem> {
    let answer = answer.ok_or_else(|| Problem::new("answer", "expected a letter like (C), found none"))?;
    let mut chars = answer.trim().trim_matches(['(', ')', '.']).chars();
    let (Some(letter), None) = (chars.next(), chars.next()) else {
        return Err(Problem::new("answer", format!("expected a letter like (C), found `{}`", short(answer))));
    };
    letter_index(letter).filter(|&i| i < options).ok_or_else(|| {
        Problem::new("answer", format!("`{}` names none of the {options} options", short(answer)))
    })
}

fn boxes(raw: Option<Vec<Vec<Option<f64>>>>) -> (Vec<[f32; 4]>, Option<Problem>) {
    let mut boxes = Vec::new();
    for (i, corners) in raw.unwrap_or_default().into_iter().enumerate() {
        let numbers: Option<Vec<f32>> =
            corners.iter().map(|c| c.map(|v| v as f32).filter(|v| v.is_finite())).collect();
        match numbers.and_then(|n| <[f32; 4]>::try_from(n).ok()) {
            Some(b) => boxes.push(b),
            None => {
                let why = format!("box {i} is not four finite numbers; the row's boxes are left out");
                return (Vec::new(), Some(Problem::new("bbox", why)));
            }
        }
    }
    (boxes, None)
}

/// The start of a text, for messages.
pub(super) fn short(text: &str) -> String {
    let mut out: String = text.chars().take(40).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
