//! HF chat messages, one conversation per line:
//! `{"messages":[{"role":"user","content":[{"type":"image","image":"a.png"},{"type":"text","text":"…"}]},
//! {"role":"assistant","content":[{"type":"text","text":"…"}]}]}`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use plumb_scene::Scene;
use serde::{Deserialize, Serialize};

use super::atomic::AtomicFile;
use super::issues::{Issues, Problem};
use super::jsonl::{next_full_line, write_line};
use super::sample::{ConversationOptions, TrainingSample, check_finite, turn};
use super::{DatasetWriter, Written, io_error};
use crate::pair::Mark;
use crate::{QaPair, Result};

#[derive(Serialize)]
struct RowOut<'a> {
    messages: Vec<MessageOut<'a>>,
    /// Other trainers skip it, and show the picture without the boxes.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    marks: &'a [Mark],
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Vec<ContentOut<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentOut<'a> {
    Image { image: &'a str },
    Text { text: String },
}

/// Writes [`super::Format::Messages`].
pub struct MessagesWriter {
    file: AtomicFile,
    options: ConversationOptions,
    written: Written,
    buffer: Vec<u8>,
}

impl MessagesWriter {
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be made.
    pub fn create(path: &Path, options: ConversationOptions) -> Result<Self> {
        Ok(Self { file: AtomicFile::create(path)?, options, written: Written::default(), buffer: Vec::new() })
    }
}

impl DatasetWriter for MessagesWriter {
    fn push(&mut self, _: &Scene, image: &str, pairs: &[QaPair]) -> Result<()> {
        let name = self.file.name();
        let mut rows = 0;
        for row in self.options.rows(pairs) {
            let mut messages = Vec::with_capacity(row.len() * 2);
            for pair in row {
                check_finite(&name, pair)?;
                let (question, answer) = turn(&name, pair, self.options.reasoning)?;
                let picture = messages.is_empty().then_some(ContentOut::Image { image });
                let content = picture.into_iter().chain([ContentOut::Text { text: question }]).collect();
                messages.push(MessageOut { role: "user", content });
                let content = vec![ContentOut::Text { text: answer }];
                messages.push(MessageOut { role: "assistant", content });
            }
            let marks = row.first().map_or(&[][..], |pair| &pair.marks);
            write_line(&mut self.file, &mut self.buffer, &RowOut { messages, marks })?;
            rows += 1;
        }
        self.written.add(pairs, rows);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        self.file.commit()?;
        Ok(self.written)
    }
}

#[derive(Deserialize)]
struct RowIn {
    messages: Vec<MessageIn>,
    /// TRL's way: the messages say only where an image stands.
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    marks: Vec<Mark>,
}

#[derive(Deserialize)]
struct MessageIn {
    role: String,
    content: ContentsIn,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ContentsIn {
    Text(String),
    Parts(Vec<PartIn>),
}

#[derive(Deserialize)]
struct PartIn {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default, alias = "path")]
    image: Option<String>,
}

/// Reads HF messages, a line at a time. Lines that are not right are counted in [`issues`](Self::issues) and left out;
/// an `Err` is a failing disk and the last item.
pub struct MessagesReader {
    name: String,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    issues: Issues,
    buffer: Vec<u8>,
    failed: bool,
}

impl MessagesReader {
    /// # Errors
    /// [`crate::QaError::Io`] when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| io_error(&name, e))?;
        Ok(Self::new(&name, BufReader::new(file)))
    }

    pub fn new(name: &str, lines: impl BufRead + Send + 'static) -> Self {
        Self {
            name: name.to_owned(),
            lines: Box::new(lines),
            line: 0,
            issues: Issues::default(),
            buffer: Vec::new(),
            failed: false,
        }
    }

    /// What was wrong so far.
    #[must_use]
    pub fn issues(&self) -> &Issues {
        &self.issues
    }
}

impl Iterator for MessagesReader {
    type Item = Result<TrainingSample>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match next_full_line(
                &self.name,
                &mut self.lines,
                &mut self.line,
                &mut self.buffer,
                &mut self.issues,
            ) {
                Ok(None) => return None,
                Ok(Some(())) => match sample(&self.buffer) {
                    Ok(sample) => return Some(Ok(sample)),
                    Err(problem) => self.issues.add(&self.name, self.line, problem),
                },
                Err(e) => {
                    self.failed = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }
}

fn sample(json: &[u8]) -> Result<TrainingSample, Problem> {
    let row: RowIn = serde_json::from_slice(json)?;
    let mut out = TrainingSample { marks: row.marks, ..TrainingSample::default() };
    let mut listed = row.images.into_iter();
    let mut question: Option<String> = None;
    for (at, message) in row.messages.into_iter().enumerate() {
        let (text, images) = contents(at, message.content, &mut listed)?;
        let field = |key: &str| format!("messages[{at}].{key}");
        let first_user = message.role == "user" && out.turns.is_empty() && question.is_none();
        if !images.is_empty() && !first_user {
            return Err(Problem::new(field("content"), "an image outside of the first question"));
        }
        out.image.extend(images);
        match (message.role.as_str(), question.take()) {
            ("system", None) if at == 0 => out.system = Some(text),
            ("user", None) => question = Some(text),
            ("assistant", Some(asked)) => out.turns.push((asked, text)),
            (role, asked) => {
                let wanted = if asked.is_some() { "assistant" } else { "user" };
                return Err(Problem::new(field("role"), format!("expected `{wanted}`, found `{role}`")));
            }
        }
    }
    if question.is_some() {
        return Err(Problem::new("messages", "the last question has no answer"));
    }
    if out.turns.is_empty() {
        return Err(Problem::new("messages", "has no question"));
    }
    if listed.next().is_some() {
        return Err(Problem::new("images", "has more images than the messages have places for"));
    }
    Ok(out)
}

fn contents(
    at: usize,
    content: ContentsIn,
    listed: &mut impl Iterator<Item = String>,
) -> Result<(String, Vec<String>), Problem> {
    let parts = match content {
        ContentsIn::Text(text) => return Ok((text, Vec::new())),
        ContentsIn::Parts(parts) => parts,
    };
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for (n, part) in parts.into_iter().enumerate() {
        let problem = |detail: String| Err(Problem::new(format!("messages[{at}].content[{n}]"), detail));
        match (part.kind.as_str(), part.text, part.image) {
            ("text", Some(text), _) => texts.push(text),
            ("text", None, _) => return problem("has no `text`".to_owned()),
            ("image", _, Some(path)) => images.push(path),
            ("image", _, None) => match listed.next() {
                Some(path) => images.push(path),
                None => return problem("has no `image`, the path of a file".to_owned()),
            },
            (other, _, _) => return problem(format!("expected type `text` or `image`, found `{other}`")),
        }
    }
    Ok((texts.join("\n"), images))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Reasoning;
    use crate::dataset::samples_for_tests::{any_pairs, expected_samples, scene_with_pairs};
    use proptest::prelude::*;

    fn written(pairs: &[QaPair], options: ConversationOptions) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut writer = Box::new(MessagesWriter::create(&path, options).unwrap());
        writer.push(&scene_with_pairs(0).0, "a.png", pairs).unwrap();
        writer.finish().unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    fn read(text: String) -> (Vec<TrainingSample>, Issues) {
        let mut reader = MessagesReader::new("f", std::io::Cursor::new(text));
        (reader.by_ref().map(Result::unwrap).collect(), reader.issues)
    }

    #[test]
    fn a_line_is_what_trainers_expect_to_the_letter() {
        let (_, mut pairs) = scene_with_pairs(1);
        pairs[0].question_text = "Q?".into();
        pairs[0].answer_text = "A.".into();
        assert_eq!(
            written(&pairs, ConversationOptions::default()),
            "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"image\":\"a.png\"},\
             {\"type\":\"text\",\"text\":\"Q?\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\
             \"text\":\"A.\"}]}]}\n"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn conversations_come_back(pairs in any_pairs(6), turns_per_row in 0_usize..4) {
            let options = ConversationOptions { turns_per_row, reasoning: Reasoning::Sentences };
            let text = written(&pairs, options);
            prop_assert_eq!(&text, &written(&pairs, options));
            let (samples, issues) = read(text);
            prop_assert_eq!(issues, Issues::default());
            prop_assert_eq!(samples, expected_samples("a.png", &pairs, options));
        }
    }

    #[test]
    fn wrong_lines_are_named_and_the_rest_is_read() {
        let good = written(&scene_with_pairs(1).1, ConversationOptions::default());
        let good = good.trim_end();
        for (bad, wanted) in [
            ("{}".to_owned(), "missing field `messages`"),
            (good.replace("\"user\"", "\"tool\""), "`messages[0].content`: an image outside"),
            (
                good.replace("\"assistant\"", "\"user\""),
                "`messages[1].role`: expected `assistant`, found `user`",
            ),
            (good.replace("\"type\":\"image\"", "\"type\":\"video\""), "found `video`"),
            (good.replace(",\"image\":\"a.png\"", ""), "`messages[0].content[0]`: has no `image`"),
            (good.replace("\"messages\"", "\"images\":[\"b\"],\"messages\""), "more images"),
            ("{\"messages\":[]}".to_owned(), "has no question"),
            ("{\"messages\":[{\"role\":\"user\",\"content\":\"Q\"}]}".to_owned(), "no answer"),
        ] {
            let (samples, issues) = read(format!("{good}\n{bad}\n{good}\n"));
            assert_eq!(samples.len(), 2, "{wanted}");
            let said = issues.list[0].to_string();
            assert!(said.starts_with("f:2: ") && said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn what_other_tools_write_is_read() {
        let text = r#"{"images":["a.png"],"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"image"},{"type":"text","text":"Q"}]},{"role":"assistant","content":"A"}]}"#;
        let (samples, _) = read(text.to_owned());
        assert_eq!(
            (samples[0].image.as_slice(), samples[0].system.as_deref()),
            (&["a.png".to_owned()][..], Some("S"))
        );
        assert_eq!(samples[0].turns, [("Q".to_owned(), "A".to_owned())]);
    }
}
