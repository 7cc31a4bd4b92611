//! Questions of a data set with what proves their answers.

use std::path::Path;

use anyhow::{Context as _, bail};
use plumb_qa::dataset::{ParquetQaReader, QaRow, ReadOptions};
use plumb_qa::{AnswerForm, Fact, FactName, QaPair, SceneIndex, check_pair};
use serde::Serialize;

/// What examples are looked for: a length, a decision, a choice.
const FORMS: [AnswerForm; 3] = [AnswerForm::Length, AnswerForm::YesNo, AnswerForm::Object];

/// A question, and what its scene says about the answer.
#[derive(Serialize)]
pub(crate) struct Proven {
    /// The picture's path as the data set has it.
    pub(crate) image: String,
    question: String,
    answer: String,
    facts: Vec<String>,
    /// `None` where the scene does not decide.
    correct: Option<bool>,
    /// What the verifier says, where there is more to say.
    reason: Option<String>,
}

/// One question of each of [`FORMS`] about the first scene of `file`, verified.
///
/// # Errors
/// A file that is no data set, or has no scene.
pub(crate) fn examples(file: &Path) -> anyhow::Result<Vec<Proven>> {
    let rows = ParquetQaReader::open(file, ReadOptions::default())?;
    let mut found: [Option<QaRow>; FORMS.len()] = [const { None }; FORMS.len()];
    let mut scene = None;
    for row in rows {
        let row = row?;
        if row.pair.scene != *scene.get_or_insert_with(|| row.pair.scene.clone()) {
            break;
        }
        let form = row.pair.question.kind.form();
        if let Some(place) = FORMS.iter().position(|wanted| *wanted == form)
            && let Some(empty) = found.get_mut(place).filter(|slot| slot.is_none())
        {
            *empty = Some(row);
        }
    }
    let rows: Vec<QaRow> = found.into_iter().flatten().collect();
    if rows.is_empty() {
        bail!("{} has no question to show", file.display());
    }
    rows.iter().map(proven).collect()
}

fn proven(row: &QaRow) -> anyhow::Result<Proven> {
    let pair = &row.pair;
    let scene = row.scene.as_deref().context("a question without its scene")?;
    let verdict = check_pair(&SceneIndex::new(scene), pair);
    Ok(Proven {
        image: row.image.path.clone(),
        question: pair.question_text.clone(),
        answer: pair.answer_text.clone(),
        facts: pair.proof.facts.iter().map(|fact| say(fact, pair)).collect(),
        correct: verdict.correct,
        // "said yes, true is yes" says nothing that the answer does not.
        reason: (verdict.correct != Some(true) || pair.question.kind.form() == AnswerForm::Length)
            .then_some(verdict.reason),
    })
}

impl Proven {
    pub(crate) fn text(&self, margin: &str) -> String {
        let word = match self.correct {
            Some(true) => "right",
            Some(false) => "WRONG",
            None => "undecided",
        };
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        format!(
            "{margin}Q  {}\n{margin}A  {}\n{margin}   proof: {}\n{margin}   computed again: {word}{reason}",
            self.question,
            self.answer,
            self.facts.join(", "),
        )
    }
}

/// `surface distance of the chair and the lamp 1.23 m`
fn say(fact: &Fact, pair: &QaPair) -> String {
    let name = match serde_json::to_value(fact.name) {
        Ok(serde_json::Value::String(name)) => name.replace('_', " "),
        _ => String::new(),
    };
    let names: Vec<&str> = fact
        .objects
        .iter()
        .filter_map(|id| pair.mentions.iter().find(|mention| mention.object == *id))
        .map(|mention| mention.text.as_str())
        .collect();
    let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(" and ")) };
    let value = match fact.name {
        FactName::Volume => format!("{:.3} m³", fact.value),
        FactName::Ratio => format!("{:.2}", fact.value),
        FactName::Bearing => format!("{:.0}°", fact.value),
        FactName::Count => format!("{:.0}", fact.value),
        FactName::PixelX | FactName::PixelY => format!("{:.0} px", fact.value),
        _ => format!("{:.2} m", fact.value),
    };
    format!("{name}{of} {value}")
}
