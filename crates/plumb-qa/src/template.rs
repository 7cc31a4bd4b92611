//! The words of questions and answers: editable lists in `assets/templates`, checked when they are loaded.
//!
//! `docs/templates.md` says how to edit them. SpatialVLM (arXiv 2401.12168) states about 20 question and 10 answer
//! templates for each type; here these are minima that a file must meet.

mod check;
mod noun;
mod rules;
mod syntax;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

pub use noun::Noun;
pub use rules::{cases, step_names};

use crate::kind::Kind;
use crate::pair::{Answer, Side};
use crate::{QaError, Result};
use syntax::Template;

/// Which list of a type's answers an answer takes its words from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// The only list of the types whose answer fills a slot.
    Any,
    Yes,
    No,
    Side(Side),
}

impl Case {
    #[must_use]
    pub const fn of(answer: &Answer) -> Self {
        match answer {
            Answer::YesNo(true) => Self::Yes,
            Answer::YesNo(false) => Self::No,
            Answer::Side(side) => Self::Side(*side),
            _ => Self::Any,
        }
    }

    /// The name in template files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Yes => "yes",
            Self::No => "no",
            Self::Side(side) => match side {
                Side::Left => "left",
                Side::Right => "right",
                Side::Front => "front",
                Side::Behind => "behind",
                Side::Above => "above",
                Side::Below => "below",
                Side::Taller => "taller",
                Side::Shorter => "shorter",
                Side::Wider => "wider",
                Side::Narrower => "narrower",
                Side::Near => "near",
                Side::Far => "far",
            },
        }
    }
}

/// What fills the slots. Fields that a type does not use are left at their default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots<'a> {
    /// `{A}`, `{B}`, `{C}`: the objects in their roles.
    pub a: Noun<'a>,
    pub b: Noun<'a>,
    pub c: Noun<'a>,
    /// `{answer}`: the object chosen; `{other}`: the one of two that was not.
    pub answer: Noun<'a>,
    pub other: Noun<'a>,
    /// `{list}`, `{list_or}`: the candidates in the order to be said.
    pub list: &'a [Noun<'a>],
    /// `{category}` and `{plural}`: "wine glass", "wine glasses". `{things}` is the one that agrees with the count.
    pub category: &'a str,
    pub plural: &'a str,
    /// `{length}`: [`crate::Quantity::text`].
    pub length: &'a str,
    /// `{first}`, `{second}`: lengths found on the way, in steps only.
    pub first: &'a str,
    pub second: &'a str,
    /// `{count}` in digits, `{count_word}` in words.
    pub count: u32,
    /// `{clock}`: 1 to 12, said as "2 o'clock".
    pub hour: u8,
    /// `{rank}`: "second"; `{nth tallest}`: "tallest", "second tallest".
    pub rank: u8,
    /// `{letter}` and `{option}` of a multiple choice.
    pub letter: char,
    pub option: &'a str,
    /// `{mark}`: what follows a mention whose box is drawn: "(annotated by the red box)"; empty for none.
    pub mark: &'a str,
}

/// What fills the sentences of a chain.
///
/// | type | `slots.list` | `slots.first` | `slots.second` | else |
/// |---|---|---|---|---|
/// | ordinals | all, sorted from rank 1 | | | `answer`, `rank` |
/// | `count_left` | those to the left | | | `a`, `count` |
/// | `height_difference` | | height of A | height of B | `length`: the difference |
/// | `compare_distances` | | distance from A to B | distance from A to C | `yes` |
/// | `taller_of_nearer` | | height of B | height of C | `answer`, `other` |
/// | `stack_height` | | top of B above the ground | height of A | `length`: the sum |
/// | `fits_between` | | free space between B and C | width of A | `yes` |
/// | `fits_under` | | height of A | top of B above the ground | `yes` |
#[derive(Clone, Copy, Debug, Default)]
pub struct StepSlots<'a> {
    pub slots: Slots<'a>,
    /// The answer of a type that is answered by yes or no.
    pub yes: bool,
    /// Chooses among the variants of each sentence.
    pub pick: u64,
}

#[derive(Clone, Debug, Default)]
struct Lists {
    questions: Vec<Template>,
    /// In the order of [`cases`].
    answers: Vec<Vec<Template>>,
    /// In the order of [`step_names`].
    steps: Vec<Vec<Template>>,
}

/// The templates of every question type.
#[derive(Clone, Debug)]
pub struct Templates {
    /// By [`Kind::code`].
    lists: Vec<Lists>,
    fingerprint: String,
}

macro_rules! builtin {
    ($($family:literal),*) => {
        /// The files compiled in: name and text.
        pub const BUILTIN: &[(&str, &str)] = &[$((
            concat!($family, ".toml"),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/templates/", $family, ".toml")),
        )),*];
    };
}

builtin!(
    "lateral",
    "depth",
    "vertical",
    "tall",
    "wide",
    "big",
    "distance",
    "size",
    "direction",
    "fit",
    "count",
    "hop",
    "picture"
);

impl Templates {
    /// The templates compiled in.
    ///
    /// # Errors
    /// As [`Self::parse`]; a test keeps the files free of errors.
    pub fn builtin() -> Result<&'static Self> {
        static PARSED: OnceLock<std::result::Result<Templates, (String, String, String)>> = OnceLock::new();
        let parsed = PARSED.get_or_init(|| {
            Self::parse(BUILTIN).map_err(|error| match error {
                QaError::Template { file, place, detail } => (file, place, detail),
                other => (String::new(), String::new(), other.to_string()),
            })
        });
        parsed.as_ref().map_err(|(file, place, detail)| QaError::Template {
            file: file.clone(),
            place: place.clone(),
            detail: detail.clone(),
        })
    }

    /// Reads every `.toml` file of a folder, in place of the templates compiled in.
    ///
    /// # Errors
    /// [`QaError::Io`] where the folder or a file cannot be read, else as [`Self::parse`].
    pub fn load(dir: &Path) -> Result<Self> {
        let io = |path: &Path| {
            let path = path.display().to_string();
            move |source| QaError::Io { path, source }
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(io(dir))? {
            let path = entry.map_err(io(dir))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).map_err(io(&path))?;
                let name =
                    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                files.push((name, text));
            }
        }
        // Folders list their files in any order; the first error must not depend on it.
        files.sort();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Self::parse(&files)
    }

    /// Reads and checks files given as name and text.
    ///
    /// # Errors
    /// [`QaError::Template`] with the file, the place in it and what is wrong.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self> {
        let entries = check::read(files)?;
        let mut lists = Vec::with_capacity(Kind::ALL.len());
        let mut hash = Sha256::new();
        for kind in Kind::ALL.iter().copied() {
            let (file, entry) = entries.get(kind.name()).ok_or_else(|| QaError::Template {
                file: files.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
                place: kind.name().into(),
                detail: "no templates for this question type".into(),
            })?;
            lists.push(check::compile(kind, file, entry)?);
            check::normalise(kind, entry, &mut |line| {
                hash.update(line.as_bytes());
                hash.update(b"\n");
            });
        }
        let fingerprint = hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String never fails.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(Self { lists, fingerprint })
    }

    /// SHA-256 of all templates in a fixed order, in hex: the same words give the same value, however the files are laid out.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    #[must_use]
    pub fn question_count(&self, kind: Kind) -> usize {
        self.lists(kind).map_or(0, |lists| lists.questions.len())
    }

    /// 0 where the type has no such case.
    #[must_use]
    pub fn answer_count(&self, kind: Kind, case: Case) -> usize {
        self.answers(kind, case).len()
    }

    /// Appends a question. Multiple choice: without the options; number 0 is CV-Bench's wording.
    ///
    /// Returns false, and appends nothing, where there is no template of that number.
    #[must_use]
    pub fn question(&self, kind: Kind, index: usize, slots: &Slots<'_>, out: &mut String) -> bool {
        render(self.lists(kind).and_then(|lists| lists.questions.get(index)), slots, out)
    }

    /// Appends an answer.
    ///
    /// Returns false, and appends nothing, where there is no template of that number.
    #[must_use]
    pub fn answer(&self, kind: Kind, case: Case, index: usize, slots: &Slots<'_>, out: &mut String) -> bool {
        render(self.answers(kind, case).get(index), slots, out)
    }

    /// The chain of a type with several steps, one sentence each; empty for the others.
    #[must_use]
    pub fn render_steps(&self, kind: Kind, given: &StepSlots<'_>) -> Vec<String> {
        let Some(lists) = self.lists(kind) else { return Vec::new() };
        let mut pick = given.pick;
        step_names(kind)
            .iter()
            .zip(&lists.steps)
            .filter(|(name, _)| match **name {
                "left" => given.slots.count > 0,
                "none" => given.slots.count == 0,
                "yes" => given.yes,
                "no" => !given.yes,
                _ => true,
            })
            .filter_map(|(_, variants)| {
                let index = split_mix(&mut pick) % (variants.len().max(1) as u64);
                let template = variants.get(usize::try_from(index).ok()?)?;
                let mut text = String::with_capacity(96);
                template.render(&given.slots, &mut text);
                Some(text)
            })
            .collect()
    }

    fn lists(&self, kind: Kind) -> Option<&Lists> {
        self.lists.get(usize::from(kind.code()))
    }

    fn answers(&self, kind: Kind, case: Case) -> &[Template] {
        let position = cases(kind).iter().position(|known| *known == case);
        position.and_then(|at| self.lists(kind)?.answers.get(at)).map_or(&[], Vec::as_slice)
    }
}

fn render(template: Option<&Template>, slots: &Slots<'_>, out: &mut String) -> bool {
    template.map(|template| template.render(slots, out)).is_some()
}

/// The next number of Vigna's splitmix64: neighbouring picks give unrelated variants.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
