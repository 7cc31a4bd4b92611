//! One benchmark question. Columns follow the CV-Bench dataset card (`nyu-visionx/CV-Bench`).

use serde::{Deserialize, Serialize};

/// The most options a question may have: they are named by the letters A to Z.
pub const MAX_OPTIONS: usize = 26;

/// Whether the question is about the picture plane or about space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "2D")]
    TwoD,
    #[serde(rename = "3D")]
    ThreeD,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoD => "2D",
            Self::ThreeD => "3D",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name.trim() {
            "2D" | "2d" => Some(Self::TwoD),
            "3D" | "3d" => Some(Self::ThreeD),
            _ => None,
        }
    }
}

/// What is asked. CV-Bench has the first four; other benchmarks bring their own names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Task {
    Count,
    Relation,
    Depth,
    Distance,
    Other(String),
}

impl Task {
    pub fn name(&self) -> &str {
        match self {
            Self::Count => "Count",
            Self::Relation => "Relation",
            Self::Depth => "Depth",
            Self::Distance => "Distance",
            Self::Other(name) => name,
        }
    }

    /// The side of CV-Bench the task belongs to; `None` for tasks CV-Bench does not have.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Count | Self::Relation => Some(Kind::TwoD),
            Self::Depth | Self::Distance => Some(Kind::ThreeD),
            Self::Other(_) => None,
        }
    }
}

impl From<String> for Task {
    fn from(name: String) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "count" => Self::Count,
            "relation" => Self::Relation,
            "depth" => Self::Depth,
            "distance" => Self::Distance,
            _ => Self::Other(name),
        }
    }
}

impl From<Task> for String {
    fn from(task: Task) -> Self {
        match task {
            Task::Other(name) => name,
            known => known.name().to_owned(),
        }
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One multiple-choice question, without its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Names the row in predictions and runs; unique in a benchmark. It is `idx` unless two rows share one.
    pub id: String,
    /// The row's number in the dataset's own counting.
    pub idx: i64,
    /// The row's place in the files that were read, from 0; the argument of [`Benchmark::image`](crate::Benchmark::image).
    pub row: usize,
    pub kind: Kind,
    pub task: Task,
    pub question: String,
    /// 1 to [`MAX_OPTIONS`] answers, in the order the prompt lists them.
    pub options: Vec<String>,
    /// Index into `options` of the right answer.
    pub gold: usize,
    /// The text to send, verbatim: published prompts cannot be rebuilt from question and options.
    pub prompt: String,
    pub filename: String,
    /// `ADE20K`, `COCO` or `Omni3D` in CV-Bench; empty when the file does not say.
    pub source: String,
    pub source_dataset: String,
    pub source_filename: String,
    pub target_class: Option<String>,
    pub target_size: Option<i64>,
    /// `[x1, y1, x2, y2]` in pixels of the image. CV-Bench draws the same boxes into the pixels.
    pub boxes: Vec<[f32; 4]>,
}

impl Sample {
    /// A question with the letters A, B, ... listed below it in CV-Bench's way and all other fields empty.
    ///
    /// `gold` past the end of `options` makes a row that nothing can answer.
    pub fn multiple_choice(id: &str, question: &str, options: &[&str], gold: usize) -> Self {
        let options: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
        let prompt = prompt_text(question, &options);
        Self {
            id: id.to_owned(),
            idx: id.parse().unwrap_or(0),
            row: 0,
            kind: Kind::TwoD,
            task: Task::Count,
            question: question.to_owned(),
            options,
            gold,
            prompt,
            filename: String::new(),
            source: String::new(),
            source_dataset: String::new(),
            source_filename: String::new(),
            target_class: None,
            target_size: None,
            boxes: Vec::new(),
        }
    }

    /// The right answer's letter.
    pub fn gold_letter(&self) -> char {
        letter(self.gold)
    }

    /// The probability of a right answer by guessing: 1 / number of options, 0 without options.
    pub fn chance(&self) -> f64 {
        if self.options.is_empty() { 0.0 } else { 1.0 / self.options.len() as f64 }
    }

    /// What rows must share to count as one draw in clustered statistics: the photograph they were made from.
    pub fn cluster_key(&self) -> &str {
        [&self.source_filename, &self.filename].into_iter().find(|name| !name.is_empty()).unwrap_or(&self.id)
    }

    /// The collection the photograph is from: `hypersim`, `sunrgbd`, `nuscenes`, `ade` or `coco`.
    ///
    /// Omni3D joins three collections (indoor rendered, indoor real, driving) that behave differently; their name
    /// is in the file name (`img/3D/depth/omni3d_hypersim_52.png`).
    pub fn sub_source(&self) -> Option<&'static str> {
        [&self.filename, &self.source_dataset, &self.source_filename, &self.source].into_iter().find_map(
            |text| {
                let text = text.to_ascii_lowercase().replace([' ', '-', '_'], "");
                ["hypersim", "sunrgbd", "nuscenes", "ade", "coco"]
                    .into_iter()
                    .find(|name| text.contains(name))
            },
        )
    }
}

/// The letter of option `index`: 0 is `A`. Past `Z` it is `?`.
pub fn letter(index: usize) -> char {
    u8::try_from(index).ok().filter(|&i| i < 26).map_or('?', |i| char::from(b'A' + i))
}

/// The option a letter names, in either case, whatever the number of options.
pub fn letter_index(letter: char) -> Option<usize> {
    let upper = letter.to_ascii_uppercase();
    upper.is_ascii_uppercase().then(|| (upper as usize) - ('A' as usize))
}

/// Question and options in CV-Bench's wording.
pub fn prompt_text(question: &str, options: &[String]) -> String {
    let mut text = format!("{question} Select from the following choices.");
    for (i, option) in options.iter().enumerate() {
        text.push_str(&format!("\n({}) {option}", letter(i)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_is_cv_bench_row_0() {
        let s = Sample::multiple_choice("0", "How many organs are in the image?", &["3", "2", "1", "0"], 2);
        assert_eq!(
            s.prompt,
            "How many organs are in the image? Select from the following choices.\n(A) 3\n(B) 2\n(C) 1\n(D) 0"
        );
        assert_eq!(s.gold_letter(), 'C');
        assert_eq!(s.chance(), 0.25);
    }

    #[test]
    fn sub_sources_come_from_the_file_name() {
        let mut s = Sample::multiple_choice("1", "q", &["x", "y"], 0);
        assert_eq!(s.sub_source(), None);
        for (name, wanted) in [
            ("img/3D/depth/omni3d_hypersim_52.png", "hypersim"),
            ("img/3D/depth/omni3d_sunrgbd_95.png", "sunrgbd"),
            ("img/3D/depth/omni3d_nuscenes_3.png", "nuscenes"),
            ("img/2D/count/ade20k_10.png", "ade"),
            ("img/2D/count/coco_287.png", "coco"),
        ] {
            s.filename = name.to_owned();
            assert_eq!(s.sub_source(), Some(wanted));
        }
    }

    #[test]
    fn cluster_key_falls_back_to_something_unique() {
        let mut s = Sample::multiple_choice("9", "q", &["x", "y"], 0);
        assert_eq!(s.cluster_key(), "9");
        s.filename = "a.png".into();
        assert_eq!(s.cluster_key(), "a.png");
        s.source_filename = "scene1.png".into();
        assert_eq!(s.cluster_key(), "scene1.png");
    }

    #[test]
    fn a_sample_survives_json() {
        let mut s = Sample::multiple_choice("9", "q", &["x", "y"], 1);
        s.task = Task::Other("Size".into());
        s.kind = Kind::ThreeD;
        s.boxes = vec![[1.0, 2.0, 3.5, 4.0]];
        let text = serde_json::to_string(&s).unwrap();
        assert!(text.contains("\"3D\"") && text.contains("\"Size\""));
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), s);
    }

    #[test]
    fn letters_go_both_ways() {
        for i in 0..26 {
            assert_eq!(letter_index(letter(i)), Some(i));
        }
        assert_eq!(letter(26), '?');
        assert_eq!(letter_index('?'), None);
        assert_eq!(letter_index('b'), Some(1));
    }
}
