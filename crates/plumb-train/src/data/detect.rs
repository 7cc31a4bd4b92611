//! Which format a file is.

use std::io::Read as _;
use std::path::Path;

use plumb_qa::dataset::{ParquetQaReader, ReadOptions};

use super::error::{DataError, Result};

/// A format that can be trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// plumb-qa's Parquet: typed records.
    QaParquet,
    /// plumb-qa's JSONL: typed records.
    QaJsonl,
    /// The columns of `nyu-visionx/CV-Bench`, as Parquet, JSONL or a JSON list.
    CvBench,
    /// LLaVA's conversations, an array or one a line.
    Llava,
    /// Hugging Face chat messages, one conversation a line.
    Messages,
}

impl Format {
    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QaParquet => "plumb-qa Parquet",
            Self::QaJsonl => "plumb-qa JSONL",
            Self::CvBench => "CV-Bench",
            Self::Llava => "LLaVA JSON",
            Self::Messages => "messages JSONL",
        }
    }

    /// The format of a file, by its content.
    ///
    /// # Errors
    /// [`DataError::Io`] when it cannot be read; [`DataError::Format`] when it is none of them.
    #[cfg(not(target_family = "wasm"))]
    pub fn of_file(path: &Path) -> Result<Self> {
        let shown = || path.display().to_string();
        let io = |source| DataError::Io { path: shown(), source };
        let mut head = Vec::new();
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(HEAD).read_to_end(&mut head).map_err(io)?;
        if head.starts_with(b"PAR1") {
            // Both readers name the columns that they miss; CV-Bench's words are the right ones for a file of neither.
            let qa = ParquetQaReader::open(path, ReadOptions { geometry: false });
            return Ok(if qa.is_ok() { Self::QaParquet } else { Self::CvBench });
        }
        let unknown = |found: &str| DataError::Format {
            path: shown(),
            detail: format!(
                "{found}; expected Parquet, or JSON rows with `conversations` (LLaVA), `messages`, `question` and `scene` \
                 (plumb-qa) or `question` and `choices` (CV-Bench)"
            ),
        };
        let keys = first_keys(&head);
        let has = |key: &str| keys.iter().any(|found| found == key);
        if has("messages") {
            Ok(Self::Messages)
        } else if has("conversations") {
            Ok(Self::Llava)
        } else if has("question") && has("scene") && has("mentions") {
            Ok(Self::QaJsonl)
        } else if has("choices") || has("prompt") && has("answer") {
            Ok(Self::CvBench)
        } else if keys.is_empty() {
            Err(unknown("no JSON object and no Parquet"))
        } else {
            Err(unknown(&format!("a row has the keys {}", keys.join(", "))))
        }
    }
}

/// How much of a file is looked at.
const HEAD: u64 = 1 << 20;
/// The most keys that are looked at.
const KEYS: usize = 64;

/// The keys of the first object, without reading its values: a conversation may be longer than what is looked at.
fn first_keys(head: &[u8]) -> Vec<String> {
    let (mut keys, mut depth, mut at) = (Vec::new(), 0_usize, 0_usize);
    // Depth of the first object: 1, or 2 inside an array.
    let mut object = None;
    while let Some(&byte) = head.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                at = start;
                while let Some(&inner) = head.get(at) {
                    match inner {
                        b'\\' => at += 1,
                        b'"' => break,
                        _ => {}
                    }
                    at += 1;
                }
                let rest = head.get(at.saturating_add(1)..).unwrap_or_default();
                let colon = rest.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
                if colon && object == Some(depth) && keys.len() < KEYS {
                    let key = head.get(start..at).unwrap_or_default();
                    keys.push(String::from_utf8_lossy(key).chars().take(40).collect());
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if byte == b'{' && object.is_none() {
                    object = Some(depth);
                }
            }
            b'}' | b']' => {
                if object == Some(depth) {
                    break;
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn content_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Format::of_file(&path)
        };
        let long = "x".repeat(2 << 20);
        for (text, wanted) in [
            (r#"[{"id":"a","conversations":[]}]"#.to_owned(), Format::Llava),
            (r#"{"messages":[{"role":"user"}]}"#.to_owned(), Format::Messages),
            (format!(r#"{{"x":{{"conversations":1}},"messages":"{long}""#), Format::Messages),
            (r#"{"idx":0,"question":"q","choices":["a"],"answer":"(A)"}"#.to_owned(), Format::CvBench),
            (
                r#"{"image":"a","scene":"s","question":{},"answer":{},"mentions":[]}"#.to_owned(),
                Format::QaJsonl,
            ),
        ] {
            assert_eq!(of(&text).unwrap(), wanted);
        }
        for text in ["", "PAR", "{\"a\": 1}", "7", "[[[[", "{\"messages", "\u{0}\u{1}"] {
            assert!(matches!(of(text), Err(DataError::Format { .. })), "{text}");
        }
        assert!(of(r#"{"pixels":1}"#).unwrap_err().to_string().contains("the keys pixels"));
        assert!(matches!(Format::of_file(&folder.path().join("b")), Err(DataError::Io { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(bytes in prop::collection::vec(prop::sample::select(b"{}[]\"\\:, ak\xff".to_vec()), 0..64)) {
            let _ = first_keys(&bytes);
        }
    }
}
