//! How a question is put to the model. The wording moves scores by tens of points, so it is a named part of every
//! run and never a detail of the code that calls the model.

use crate::sample::{Sample, letter};
use crate::{BenchError, Result};
use serde::{Deserialize, Serialize};

/// The known ways to ask a CV-Bench question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptPreset {
    /// The authors' own: prompt, then the letter instruction
    /// (`cambrian-mllm/cambrian:eval/eval/coco/coco_eval.py`).
    #[default]
    Official,
    /// A note before the prompt that lists the letters (`EvolvingLMMs-Lab/lmms-eval:lmms_eval/tasks/cv_bench`).
    LmmsEval,
    /// The prompt alone, with no word about letters: what VLMEvalKit sends to SmolVLM for CV-Bench
    /// (`open-compass/VLMEvalKit:vlmeval/vlm/smolvlm.py`, `build_prompt_default`).
    #[serde(rename = "vlmevalkit")]
    VlmEvalKit,
    /// SmolVLM's own way with multiple choice: a letter instruction, and the answer begun for it
    /// (same file, `build_prompt_puremcq`).
    SmolvlmMcq,
}

/// A question ready for a chat template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// The text of the user's turn, to stand after the image.
    pub user_text: String,
    /// Text to append as is to the generation prompt. It brings its own leading space, because SmolVLM's template
    /// ends in `Assistant:` with none.
    pub assistant_prefill: Option<String>,
}

impl PromptPreset {
    pub const ALL: [Self; 4] = [Self::Official, Self::LmmsEval, Self::VlmEvalKit, Self::SmolvlmMcq];

    /// The name in run records and on the command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::LmmsEval => "lmms_eval",
            Self::VlmEvalKit => "vlmevalkit",
            Self::SmolvlmMcq => "smolvlm_mcq",
        }
    }

    /// Puts the sample into words. `prompt` is used verbatim.
    pub fn render(self, sample: &Sample) -> Rendered {
        let prompt = &sample.prompt;
        match self {
            Self::Official => Rendered {
                user_text: format!(
                    "{prompt}\nAnswer with the option's letter from the given choices directly."
                ),
                assistant_prefill: None,
            },
            Self::LmmsEval => {
                // lmms-eval knows five letters only, so a six-option question never hears of F.
                let letters: Vec<String> =
                    (0..sample.options.len().min(5)).map(|i| letter(i).to_string()).collect();
                let letters = letters.join(", ");
                Rendered {
                    user_text: format!(
                        "Note: You only need to respond with {letters} without providing any additional \
                         information.\n\n{prompt}"
                    ),
                    assistant_prefill: None,
                }
            }
            Self::VlmEvalKit => Rendered { user_text: prompt.trim().to_owned(), assistant_prefill: None },
            Self::SmolvlmMcq => Rendered {
                user_text: format!("{}\nAnswer with the letter.", prompt.trim()),
                assistant_prefill: Some(" Answer:".to_owned()),
            },
        }
    }

    /// One continuation per option, to be scored by log-likelihood after the rendered prompt.
    ///
    /// Where the prompt asks for a letter the continuation is the letter with a leading space, which byte-pair
    /// tokenizers keep as one token after `Assistant:`. `vlmevalkit` asks for nothing, so its candidates repeat the
    /// form in which the prompt lists the options: ` (A)`.
    pub fn candidates(self, sample: &Sample) -> Vec<String> {
        (0..sample.options.len())
            .map(|i| match self {
                Self::VlmEvalKit => format!(" ({})", letter(i)),
                _ => format!(" {}", letter(i)),
            })
            .collect()
    }
}

impl std::fmt::Display for PromptPreset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

impl std::str::FromStr for PromptPreset {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.id() == name).ok_or_else(|| BenchError::UnknownName {
            what: "prompt preset",
            name: name.to_owned(),
            known: Self::ALL.map(Self::id).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording_is_exact() {
        let s = Sample::multiple_choice("0", "Q?", &["3", "2", "1", "0", "4", "5"], 2);
        assert_eq!(
            PromptPreset::Official.render(&s).user_text,
            format!("{}\nAnswer with the option's letter from the given choices directly.", s.prompt)
        );
        assert_eq!(
            PromptPreset::LmmsEval.render(&s).user_text,
            format!(
                "Note: You only need to respond with A, B, C, D, E without providing any additional \
                 information.\n\n{}",
                s.prompt
            )
        );
        assert_eq!(PromptPreset::VlmEvalKit.render(&s).user_text, s.prompt);
        let mcq = PromptPreset::SmolvlmMcq.render(&s);
        assert!(mcq.user_text.ends_with("\nAnswer with the letter."));
        assert_eq!(mcq.assistant_prefill.as_deref(), Some(" Answer:"));
    }

    #[test]
    fn names_go_both_ways() {
        for p in PromptPreset::ALL {
            assert_eq!(p.id().parse::<PromptPreset>().unwrap(), p);
            assert_eq!(serde_json::to_string(&p).unwrap(), format!("\"{}\"", p.id()));
        }
        let said = "officious".parse::<PromptPreset>().unwrap_err().to_string();
        assert!(said.contains("officious") && said.contains("smolvlm_mcq"));
    }

    #[test]
    fn one_candidate_per_option() {
        let s = Sample::multiple_choice("0", "Q?", &["3", "2", "1"], 2);
        assert_eq!(PromptPreset::Official.candidates(&s), [" A", " B", " C"]);
        assert_eq!(PromptPreset::VlmEvalKit.candidates(&s), [" (A)", " (B)", " (C)"]);
    }
}
