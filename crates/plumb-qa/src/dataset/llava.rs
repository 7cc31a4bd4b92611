//! LLaVA's conversations: `[{"id", "image", "conversations": [{"from": "human", "value": "<image>\n…"}, …]}]`
//! (`haotian-liu/LLaVA:docs/Finetune_Custom_Data.md`).

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use plumb_scene::Scene;
use serde::{Deserialize, Serialize};

use super::atomic::AtomicFile;
use super::issues::{Issues, Problem};
use super::lines::{Elements, MAX_LINE, Piece};
use super::sample::{ConversationOptions, TrainingSample, check_finite, turn};
use super::{DatasetWriter, Written, io_error, write_error};
use crate::pair::Mark;
use crate::{QaPair, Result};

/// The words that stand for the picture.
const IMAGE: &str = "<image>";

#[derive(Serialize)]
struct RowOut<'a> {
    id: String,
    image: &'a str,
    conversations: Vec<TurnOut>,
    /// Other trainers skip it, and show the picture without the boxes.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    marks: &'a [Mark],
}

#[derive(Serialize)]
struct TurnOut {
    from: &'static str,
    value: String,
}

/// Writes [`super::Format::Llava`]: several questions of one image are turns of one row.
pub struct LlavaWriter {
    file: AtomicFile,
    options: ConversationOptions,
    written: Written,
}

impl LlavaWriter {
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be made.
    pub fn create(path: &Path, options: ConversationOptions) -> Result<Self> {
        Ok(Self { file: AtomicFile::create(path)?, options, written: Written::default() })
    }
}

impl DatasetWriter for LlavaWriter {
    fn push(&mut self, scene: &Scene, image: &str, pairs: &[QaPair]) -> Result<()> {
        let name = self.file.name();
        let mut rows = 0;
        for (number, row) in self.options.rows(pairs).enumerate() {
            let mut conversations = Vec::with_capacity(row.len() * 2);
            for pair in row {
                check_finite(&name, pair)?;
                let (question, answer) = turn(&name, pair, self.options.reasoning)?;
                let first = conversations.is_empty();
                let value = if first { format!("{IMAGE}\n{question}") } else { question };
                conversations.push(TurnOut { from: "human", value });
                conversations.push(TurnOut { from: "gpt", value: answer });
            }
            let marks = row.first().map_or(&[][..], |pair| &pair.marks);
            let out = RowOut { id: format!("{}-{number}", scene.id), image, conversations, marks };
            let text = serde_json::to_string(&out).map_err(|e| write_error(&name, e))?;
            if text.len() > MAX_LINE {
                return Err(write_error(&name, format!("row {} has more than {MAX_LINE} bytes", out.id)));
            }
            let before = if self.written.rows + rows as u64 == 0 { "[\n" } else { ",\n" };
            write!(self.file, "{before}{text}").map_err(|e| io_error(&name, e))?;
            rows += 1;
        }
        self.written.add(pairs, rows);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let end = if self.written.rows == 0 { "[]\n" } else { "\n]\n" };
        let name = self.file.name();
        self.file.write_all(end.as_bytes()).map_err(|e| io_error(&name, e))?;
        self.file.commit()?;
        Ok(self.written)
    }
}

#[derive(Deserialize)]
struct RowIn {
    #[serde(default)]
    image: Option<ImageIn>,
    conversations: Vec<TurnIn>,
    #[serde(default)]
    marks: Vec<Mark>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ImageIn {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct TurnIn {
    from: String,
    value: String,
}

/// Reads LLaVA's JSON, one row at a time: an array, or one row per line as some tools write. Rows that are not right
/// are counted in [`issues`](Self::issues) and left out; an `Err` is a failing disk and the last item.
pub struct LlavaReader {
    name: String,
    input: Box<dyn BufRead + Send>,
    elements: Elements,
    issues: Issues,
    buffer: Vec<u8>,
    ended: bool,
}

impl LlavaReader {
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| io_error(&name, e))?;
        Ok(Self::new(&name, BufReader::with_capacity(1 << 16, file)))
    }

    pub fn new(name: &str, input: impl BufRead + Send + 'static) -> Self {
        Self {
            name: name.to_owned(),
            input: Box::new(input),
            elements: Elements::new(),
            issues: Issues::default(),
            buffer: Vec::new(),
            ended: false,
        }
    }

    /// What was wrong so far.
    #[must_use]
    pub fn issues(&self) -> &Issues {
        &self.issues
    }
}

impl Iterator for LlavaReader {
    type Item = Result<TrainingSample>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let (line, problem) = match self.elements.next(&mut self.input, &mut self.buffer) {
                Ok((_, Piece::End)) => break,
                Ok((line, Piece::TooLong)) => {
                    (line, Problem::new("", format!("longer than {MAX_LINE} bytes")))
                }
                Ok((line, Piece::Whole)) => match sample(&self.buffer) {
                    Ok(sample) => return Some(Ok(sample)),
                    Err(problem) => (line, problem),
                },
                Err(Ok(detail)) => {
                    self.ended = true;
                    (self.elements.line(), Problem::new("", detail))
                }
                Err(Err(e)) => {
                    self.ended = true;
                    return Some(Err(io_error(&self.name, e)));
                }
            };
            self.issues.add(&self.name, line, problem);
        }
        None
    }
}

fn sample(json: &[u8]) -> Result<TrainingSample, Problem> {
    let row: RowIn = serde_json::from_slice(json)?;
    let image = match row.image {
        None => Vec::new(),
        Some(ImageIn::One(path)) => vec![path],
        Some(ImageIn::Many(paths)) => paths,
    };
    let mut turns = row.conversations.into_iter().enumerate().peekable();
    let system = turns.next_if(|(_, turn)| turn.from == "system").map(|(_, turn)| turn.value);
    let mut pairs = Vec::new();
    while let Some((at, question)) = turns.next() {
        let field = |at: usize, key: &str| format!("conversations[{at}].{key}");
        if !matches!(question.from.as_str(), "human" | "user") {
            let detail = format!("expected `human`, found `{}`", question.from);
            return Err(Problem::new(field(at, "from"), detail));
        }
        let Some((_, answer)) = turns.next() else {
            return Err(Problem::new(field(at, "from"), "the question has no answer"));
        };
        if !matches!(answer.from.as_str(), "gpt" | "assistant") {
            let detail = format!("expected `gpt`, found `{}`", answer.from);
            return Err(Problem::new(field(at + 1, "from"), detail));
        }
        let places = question.value.matches(IMAGE).count();
        let wanted = if pairs.is_empty() { image.len() } else { 0 };
        if places != wanted {
            let detail =
                format!("has {places} times `{IMAGE}`, expected {wanted}: images come in the first turn");
            return Err(Problem::new(field(at, "value"), detail));
        }
        // Exactly what writers put first; only a place elsewhere leaves white space behind that means nothing.
        let text = match question.value.strip_prefix("<image>\n") {
            Some(rest) if places == 1 => rest.to_owned(),
            _ if places > 0 => question.value.replace(IMAGE, "").trim().to_owned(),
            _ => question.value,
        };
        pairs.push((text, answer.value));
    }
    if pairs.is_empty() {
        return Err(Problem::new("conversations", "has no question"));
    }
    Ok(TrainingSample { image, system, turns: pairs, marks: row.marks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Reasoning;
    use crate::dataset::samples_for_tests::{any_pairs, expected_samples, scene_with_pairs};
    use proptest::prelude::*;

    fn written(scene: &Scene, pairs: &[QaPair], options: ConversationOptions) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut writer = Box::new(LlavaWriter::create(&path, options).unwrap());
        writer.push(scene, "i/a.png", pairs).unwrap();
        writer.push(scene, "i/a.png", pairs).unwrap();
        writer.finish().unwrap();
        std::fs::read(&path).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn conversations_come_back_and_bytes_are_the_same(
            pairs in any_pairs(6),
            turns_per_row in 0_usize..4,
        ) {
            let options = ConversationOptions { turns_per_row, reasoning: Reasoning::Think };
            let (scene, _) = scene_with_pairs(0);
            let bytes = written(&scene, &pairs, options);
            prop_assert_eq!(&bytes, &written(&scene, &pairs, options));
            serde_json::from_slice::<Vec<serde_json::Value>>(&bytes).unwrap();
            let mut reader = LlavaReader::new("f", std::io::Cursor::new(bytes));
            let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
            let wanted = expected_samples("i/a.png", &pairs, options);
            prop_assert_eq!(&reader.issues().list, &vec![]);
            prop_assert_eq!(read, [wanted.clone(), wanted].concat());
        }
    }

    #[test]
    fn an_empty_set_is_an_empty_array() {
        let (scene, _) = scene_with_pairs(0);
        assert_eq!(written(&scene, &[], ConversationOptions::default()), b"[]\n");
    }

    #[test]
    fn wrong_rows_are_named_and_the_rest_is_read() {
        let good = r#"{"image":"a.png","conversations":[{"from":"human","value":"<image>\nQ"},{"from":"gpt","value":"A"}]}"#;
        for (bad, wanted) in [
            ("{}".to_owned(), "missing field `conversations`"),
            ("7".to_owned(), "invalid type"),
            (good.replace("\"gpt\"", "\"human\""), "`conversations[1].from`: expected `gpt`, found `human`"),
            (good.replace("\"human\"", "\"gpt\""), "`conversations[0].from`: expected `human`"),
            (good.replace("<image>\\n", ""), "has 0 times `<image>`, expected 1"),
            (good.replace(r#","conversations":["#, r#","conversations":[],"x":["#), "has no question"),
            (good.replace(r#",{"from":"gpt","value":"A"}"#, ""), "the question has no answer"),
        ] {
            let file = format!("[\n{good},\n{bad},\n{good}\n]");
            let mut reader = LlavaReader::new("f", std::io::Cursor::new(file));
            assert_eq!(reader.by_ref().filter_map(Result::ok).count(), 2, "{wanted}");
            let said = reader.issues().list[0].to_string();
            assert!(said.starts_with("f:3: ") && said.contains(wanted), "{said}");
        }
        let mut reader = LlavaReader::new("f", std::io::Cursor::new(format!("[{good}, {{\"a\": ")));
        assert_eq!(reader.by_ref().filter_map(Result::ok).count(), 1);
        assert_eq!(reader.issues().total, 1);
        // Lines instead of an array, several images, a system turn, no image.
        let lines = good.replace("\"a.png\"", "[\"a.png\",\"b.png\"]").replace("<image>", "<image><image>")
            + "\n"
            + r#"{"conversations":[{"from":"system","value":"S"},{"from":"human","value":"Q"},{"from":"gpt","value":"A"}]}"#;
        let read: Vec<_> = LlavaReader::new("f", std::io::Cursor::new(lines)).map(Result::unwrap).collect();
        assert_eq!(read[0].image, ["a.png", "b.png"]);
        assert_eq!((read[1].image.len(), read[1].system.as_deref()), (0, Some("S")));
        assert!(read.iter().all(|sample| sample.turns == [("Q".to_owned(), "A".to_owned())]));
    }
}
