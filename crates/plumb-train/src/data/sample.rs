//! One conversation about pictures, before and after its pictures are loaded.

use std::sync::Arc;

use plumb_bench::PromptPreset;
use plumb_image::RgbImage;
use plumb_qa::dataset::Reasoning;
use plumb_qa::kind::Shape;
use plumb_qa::{Mark, MarkError, QaPair};

use super::error::{DataError, Result};
use super::source::LetterForm;
use plumb_scene::Scene;
use serde::{Deserialize, Serialize};

/// Where the pixels of a sample are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageRef {
    /// A path as it stands in the data file: relative to its folder.
    File(String),
    /// Row of a benchmark file that brings its pictures inside, or beside.
    Row(usize),
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{path}`"),
            Self::Row(row) => write!(f, "of row {row}"),
        }
    }
}

/// One conversation, without pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// `file:row`, to name the sample in messages and to seed its random numbers.
    pub id: String,
    /// Number of the file within its [`Source`](super::Source).
    pub file: usize,
    /// Shown before the first question.
    pub images: Vec<ImageRef>,
    pub system: Option<String>,
    /// Question and answer. Every answer is learned.
    pub turns: Vec<(String, String)>,
    /// Begins the last answer and is given, not learned (a prompt preset that starts the answer for the model).
    pub prefill: Option<String>,
    /// Boxes to draw on the first picture before it is shown.
    pub marks: Vec<Mark>,
    /// The typed record, where the file has one; `turns` is its text.
    pub pair: Option<QaPair>,
    /// The geometry, where the file has it.
    pub scene: Option<Arc<Scene>>,
    /// What stood before the answer of `pair`.
    pub reasoning: Reasoning,
    /// Multiple-choice records are asked as a benchmark's rows, in these words.
    pub benchmark: Option<(PromptPreset, LetterForm)>,
}

/// A sample with its pixels, as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub id: String,
    /// With their boxes drawn, flipped and cropped.
    pub images: Vec<RgbImage>,
    pub system: Option<String>,
    pub turns: Vec<(String, String)>,
    /// See [`Sample::prefill`].
    pub prefill: Option<String>,
    /// The record and the geometry after the changes, for losses that need them.
    pub pair: Option<QaPair>,
    pub scene: Option<Arc<Scene>>,
    pub changes: Changes,
}

/// What was done to a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub flipped: bool,
    /// x, y, width, height in pixels of the (flipped) picture.
    pub crop: Option<[u32; 4]>,
    /// The length said is not the true one.
    pub noisy: bool,
}

impl Sample {
    /// Sets the turn to the text of a changed record.
    ///
    /// # Errors
    /// When the record has no text.
    pub(super) fn say(&mut self, pair: QaPair) -> Result<()> {
        if let (Some((prompt, letters)), Some(scene), Shape::MultipleChoice) =
            (self.benchmark, &self.scene, pair.question.kind.shape())
        {
            let fail = |e: MarkError| DataError::Sample { sample: self.id.clone(), detail: e.to_string() };
            let (row, marks) = plumb_qa::cvbench_row(&pair, scene, 0).map_err(fail)?;
            let rendered = prompt.render(&row);
            let answer = letters.say(row.gold, row.options.get(row.gold).map_or("", String::as_str));
            self.turns = vec![(rendered.user_text, answer)];
            self.prefill = rendered.assistant_prefill;
            self.marks = marks;
            self.pair = Some(pair);
            return Ok(());
        }
        self.turns = plumb_qa::dataset::TrainingSample::of_pair("", &pair, self.reasoning)?.turns;
        self.marks.clone_from(&pair.marks);
        self.pair = Some(pair);
        Ok(())
    }
}
