//! From a raw answer to an option. Published CV-Bench numbers differ by their parser as much as by their model, so
//! there are five, by name, and any run can be read again with another.

use crate::prediction::Prediction;
use crate::sample::{Sample, letter_index};
use crate::{BenchError, Result};
use serde::{Deserialize, Serialize};

mod text;

pub use text::NUMBER_WORDS;

/// The ways to read an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parser {
    /// The authors' rule, quirks included: after the last "answer is" or "answer:", the first character counts
    /// (`cambrian-mllm/cambrian:eval/eval/{coco,omni}/*_test.py`). "bookcase" is B, and "The answer is: B" is wrong.
    OfficialFirstChar,
    /// lmms-eval's rule: a letter at the start, with no boundary behind it
    /// (`EvolvingLMMs-Lab/lmms-eval:lmms_eval/tasks/cv_bench/utils.py`). "Answer: B" is A.
    LmmsEval,
    /// One letter that stands for itself, or exactly the text of one option; a conflict counts as no answer.
    #[default]
    Strict,
    /// As `strict`, and otherwise the one option whose text is mentioned as whole words.
    OptionText,
    /// The option of the highest log-probability; a tie goes to the earlier one.
    #[serde(rename = "loglik")]
    LogLik,
}

/// How an answer was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParseStatus {
    Parsed,
    /// There is text, but no option in it.
    Unparsed,
    /// Several options are named.
    Ambiguous,
    /// A letter is named that the question does not offer.
    OutOfRange,
    /// The prediction has nothing this parser could read: no text, or no usable option scores.
    NoOutput,
}

/// The option an answer chose, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parsed {
    /// Index into the sample's options; `Some` exactly when `status` is `Parsed`.
    pub choice: Option<usize>,
    pub status: ParseStatus,
}

impl Parsed {
    fn chosen(choice: usize) -> Self {
        Self { choice: Some(choice), status: ParseStatus::Parsed }
    }

    fn none(status: ParseStatus) -> Self {
        Self { choice: None, status }
    }

    /// The option a letter names, if the question has that many.
    fn letter(letter: Option<char>, options: usize) -> Self {
        match letter.and_then(letter_index) {
            None => Self::none(ParseStatus::Unparsed),
            Some(i) if i < options => Self::chosen(i),
            Some(_) => Self::none(ParseStatus::OutOfRange),
        }
    }
}

impl Parser {
    pub const ALL: [Self; 5] =
        [Self::OfficialFirstChar, Self::LmmsEval, Self::Strict, Self::OptionText, Self::LogLik];

    /// The name in run records and on the command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::OfficialFirstChar => "official_first_char",
            Self::LmmsEval => "lmms_eval",
            Self::Strict => "strict",
            Self::OptionText => "option_text",
            Self::LogLik => "loglik",
        }
    }

    /// Reads one prediction.
    pub fn parse(self, sample: &Sample, prediction: &Prediction) -> Parsed {
        if self == Self::LogLik {
            return parse_scores(sample, prediction);
        }
        match &prediction.raw {
            Some(raw) => self.parse_text(raw, &sample.options),
            None => Parsed::none(ParseStatus::NoOutput),
        }
    }

    /// Reads one generated answer; `loglik` reads no text and answers `NoOutput`.
    pub fn parse_text(self, raw: &str, options: &[String]) -> Parsed {
        match self {
            Self::OfficialFirstChar => Parsed::letter(official_first_char(raw), options.len()),
            Self::LmmsEval => Parsed::letter(lmms_eval(raw), options.len()),
            Self::Strict => text::strict(raw, options),
            Self::OptionText => text::option_text(raw, options),
            Self::LogLik => Parsed::none(ParseStatus::NoOutput),
        }
    }
}

impl std::fmt::Display for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

impl std::str::FromStr for Parser {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.id() == name).ok_or_else(|| BenchError::UnknownName {
            what: "parser",
            name: name.to_owned(),
            known: Self::ALL.map(Self::id).join(", "),
        })
    }
}

/// The single character the official scorer compares with the gold letter.
fn official_first_char(raw: &str) -> Option<char> {
    let lower = raw.to_lowercase();
    let mut text = lower.trim();
    for keyword in ["answer is", "answer:"] {
        if let Some((_, after)) = text.rsplit_once(keyword) {
            text = after;
        }
    }
    // The order is theirs: a space behind the parenthesis stays, and is then the first character.
    text.trim().trim_end_matches('.').trim_start_matches('(').trim_end_matches(')').chars().next()
}

fn lmms_eval(raw: &str) -> Option<char> {
    raw.trim_start_matches(|c: char| c == '(' || c.is_whitespace())
        .chars()
        .next()
        .filter(char::is_ascii_alphabetic)
}

fn parse_scores(sample: &Sample, prediction: &Prediction) -> Parsed {
    let Some(scores) = &prediction.option_logprobs else {
        return Parsed::none(ParseStatus::NoOutput);
    };
    if prediction.probabilities(sample.options.len()).is_none() {
        return Parsed::none(ParseStatus::NoOutput);
    }
    // Strictly greater, so the earlier option wins a tie.
    let mut best: Option<(usize, f64)> = None;
    for (i, &score) in scores.iter().enumerate() {
        if best.is_none_or(|(_, b)| score > b) {
            best = Some((i, score));
        }
    }
    best.map_or(Parsed::none(ParseStatus::NoOutput), |(i, _)| Parsed::chosen(i))
}

#[cfg(test)]
mod tests;
