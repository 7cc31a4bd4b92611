//! Pairs as conversations.

use serde::{Deserialize, Serialize};

use super::write_error;
use crate::pair::Mark;
use crate::{QaPair, Result};

/// One conversation about pictures, as a trainer takes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSample {
    /// Paths as they stand in the file: relative to its folder. They are shown before the first question.
    pub image: Vec<String>,
    /// The system turn, where the file has one.
    pub system: Option<String>,
    /// Question and answer.
    pub turns: Vec<(String, String)>,
    /// Boxes to draw on the image before it is shown.
    pub marks: Vec<Mark>,
}

impl TrainingSample {
    /// The conversation of one pair.
    ///
    /// # Errors
    /// [`crate::QaError::Write`] when the pair has no text.
    pub fn of_pair(image: &str, pair: &QaPair, reasoning: Reasoning) -> Result<Self> {
        Ok(Self {
            image: vec![image.to_owned()],
            system: None,
            turns: vec![turn("a training sample", pair, reasoning)?],
            marks: pair.marks.clone(),
        })
    }
}

/// What stands before the answer of a pair that has steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// Nothing.
    #[default]
    Off,
    /// The steps as sentences: `The chair is 0.9 m tall. The table is 0.7 m tall. 0.2 m.`
    Sentences,
    /// `<think>`, the steps one a line, `</think>`, and the answer on the next line.
    Think,
}

/// How pairs become conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationOptions {
    /// The most questions of one row; they share the image. 0 means as many as there are.
    pub turns_per_row: usize,
    pub reasoning: Reasoning,
}

impl Default for ConversationOptions {
    fn default() -> Self {
        Self { turns_per_row: 8, reasoning: Reasoning::Off }
    }
}

impl ConversationOptions {
    /// Cuts the pairs of one image into rows. A row never mixes pairs that want different boxes drawn.
    pub(super) fn rows<'a>(&self, pairs: &'a [QaPair]) -> impl Iterator<Item = &'a [QaPair]> + use<'a> {
        let most = if self.turns_per_row == 0 { usize::MAX } else { self.turns_per_row };
        pairs.chunk_by(|a, b| a.marks == b.marks).flat_map(move |same| same.chunks(most))
    }
}

/// Question and answer of a pair. A pair without text cannot stand in a file that is only text.
pub(super) fn turn(file: &str, pair: &QaPair, reasoning: Reasoning) -> Result<(String, String)> {
    if pair.question_text.is_empty() || pair.answer_text.is_empty() {
        return Err(write_error(
            file,
            format!("scene {}, {}: the pair has no text; render it first", pair.scene, pair.question.kind),
        ));
    }
    let answer = match reasoning {
        _ if pair.steps.is_empty() => pair.answer_text.clone(),
        Reasoning::Off => pair.answer_text.clone(),
        Reasoning::Sentences => format!("{} {}", pair.steps.join(" "), pair.answer_text),
        Reasoning::Think => format!("<think>\n{}\n</think>\n{}", pair.steps.join("\n"), pair.answer_text),
    };
    Ok((pair.question_text.clone(), answer))
}

/// serde_json writes NaN as `null`, which is read as nothing: refused instead.
pub(super) fn check_finite(file: &str, pair: &QaPair) -> Result<()> {
    let length = match &pair.answer {
        crate::Answer::Length(q) => [q.value_m, q.sigma_m, q.said_m, q.tolerance_m],
        _ => [0.0; 4],
    };
    let facts = pair.proof.facts.iter().all(|fact| fact.value.is_finite() && fact.sigma.is_finite());
    let field = if !length.iter().all(|v| v.is_finite()) {
        "answer"
    } else if !facts || !pair.proof.points.iter().flatten().all(|v| v.is_finite()) {
        "proof"
    } else if !pair.marks.iter().flat_map(|mark| mark.rect).all(f32::is_finite) {
        "marks"
    } else {
        return Ok(());
    };
    let detail = format!(
        "scene {}, {}: `{field}` has a number that is not finite, and JSON has none",
        pair.scene, pair.question.kind
    );
    Err(write_error(file, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::samples_for_tests::{mark, scene_with_pairs};

    #[test]
    fn steps_stand_before_the_answer_as_asked() {
        let (_, mut pairs) = scene_with_pairs(1);
        let pair = &mut pairs[0];
        pair.answer_text = "Yes.".into();
        pair.steps = vec!["One.".into(), "Two.".into()];
        for (reasoning, wanted) in [
            (Reasoning::Off, "Yes."),
            (Reasoning::Sentences, "One. Two. Yes."),
            (Reasoning::Think, "<think>\nOne.\nTwo.\n</think>\nYes."),
        ] {
            assert_eq!(turn("f", pair, reasoning).unwrap().1, wanted);
        }
        pair.steps.clear();
        assert_eq!(turn("f", pair, Reasoning::Think).unwrap().1, "Yes.");
        pair.question_text.clear();
        let said = turn("f.json", pair, Reasoning::Off).unwrap_err().to_string();
        assert!(said.contains("f.json") && said.contains("no text"), "{said}");
    }

    #[test]
    fn rows_hold_so_many_turns_and_one_set_of_marks() {
        let (_, mut pairs) = scene_with_pairs(7);
        pairs[3].marks = vec![mark(1)];
        pairs[4].marks = vec![mark(1)];
        let sizes = |turns_per_row| {
            let options = ConversationOptions { turns_per_row, ..Default::default() };
            options.rows(&pairs).map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(2), [2, 1, 2, 2]);
        assert_eq!(sizes(0), [3, 2, 2]);
        assert_eq!(ConversationOptions::default().rows(&[]).count(), 0);
    }

    #[test]
    fn numbers_that_json_lacks_are_refused() {
        let (_, mut pairs) = scene_with_pairs(1);
        assert!(check_finite("f", &pairs[0]).is_ok());
        pairs[0].proof.points = vec![[0.0, f64::NAN, 0.0]];
        assert!(check_finite("f", &pairs[0]).unwrap_err().to_string().contains("`proof`"));
    }
}
