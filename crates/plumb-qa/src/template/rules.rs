//! What the templates of each question type must and may contain.

use super::Case;
use super::syntax::Slot;
use crate::kind::{AnswerForm, Kind, Shape};
use crate::pair::Side;

pub(crate) const QUESTIONS: usize = 20;
pub(crate) const ANSWERS: usize = 10;
pub(crate) const STEPS: usize = 3;

/// The slots of one list of templates.
pub(crate) struct Rule {
    /// One of each group must be shown.
    pub(crate) required: Vec<&'static [Slot]>,
    /// May be used besides the required ones.
    pub(crate) optional: Vec<Slot>,
    /// Whether each text ends a sentence: options such as "(B)" do not.
    pub(crate) sentence: bool,
}

impl Rule {
    pub(crate) fn allows(&self, slot: Slot) -> bool {
        self.optional.contains(&slot) || self.required.iter().any(|group| group.contains(&slot))
    }
}

/// The cases of a question type's answers, in the order of the files.
#[must_use]
pub const fn cases(kind: Kind) -> &'static [Case] {
    match kind {
        Kind::LeftRightClassify => &[Case::Side(Side::Left), Case::Side(Side::Right)],
        Kind::BehindFrontClassify => &[Case::Side(Side::Behind), Case::Side(Side::Front)],
        Kind::AboveBelowClassify => &[Case::Side(Side::Above), Case::Side(Side::Below)],
        Kind::TallShortClassify => &[Case::Side(Side::Taller), Case::Side(Side::Shorter)],
        Kind::WideThinClassify => &[Case::Side(Side::Wider), Case::Side(Side::Narrower)],
        Kind::NearFarClassify => &[Case::Side(Side::Near), Case::Side(Side::Far)],
        _ => match kind.form() {
            AnswerForm::YesNo => &[Case::Yes, Case::No],
            _ => &[Case::Any],
        },
    }
}

/// The names of the lists of sentences of a question type's chain; empty where it has none.
#[must_use]
pub const fn step_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::OrdinalLeft | Kind::OrdinalNear | Kind::OrdinalTall => &["order", "pick"],
        Kind::CountLeft => &["left", "none", "total"],
        Kind::HeightDifference | Kind::StackHeight => &["first", "second", "result"],
        Kind::TallerOfNearer => &["nearer", "heights", "result"],
        Kind::CompareDistances | Kind::FitsBetween | Kind::FitsUnder => &["first", "second", "yes", "no"],
        _ => &[],
    }
}

const OBJECTS: [Slot; 3] = [Slot::A, Slot::B, Slot::C];
const EACH: [&[Slot]; 3] = [&[Slot::A], &[Slot::B], &[Slot::C]];
const LIST: &[Slot] = &[Slot::List, Slot::ListOr];

fn objects(kind: Kind) -> Vec<Slot> {
    OBJECTS.iter().copied().take(kind.objects()).collect()
}

pub(crate) fn question(kind: Kind) -> Rule {
    let (required, optional): (Vec<&'static [Slot]>, Vec<Slot>) = match (kind.shape(), kind) {
        (Shape::Ordinal, _) => (vec![LIST, &[Slot::Rank, Slot::Nth]], vec![]),
        (_, Kind::CountLeft) => (vec![&[Slot::A], LIST], vec![]),
        (_, Kind::Count | Kind::McCount) => (vec![&[Slot::Plural, Slot::Category]], vec![]),
        (_, Kind::McRelation) => (vec![&[Slot::A], &[Slot::B], &[Slot::Mark]], vec![]),
        _ => (EACH.iter().copied().take(kind.objects()).collect(), vec![]),
    };
    Rule { required, optional, sentence: true }
}

pub(crate) fn answer(kind: Kind) -> Rule {
    let mut optional = objects(kind);
    let required: Vec<&'static [Slot]> = match kind.form() {
        AnswerForm::YesNo | AnswerForm::Side => vec![],
        AnswerForm::Object => {
            if kind.shape() == Shape::Ordinal {
                optional.extend([Slot::Rank, Slot::Nth]);
            } else {
                optional.push(Slot::Other);
            }
            vec![&[Slot::Answer]]
        }
        AnswerForm::Length => vec![&[Slot::Length]],
        AnswerForm::Count => {
            if kind == Kind::CountLeft {
                optional.push(Slot::A);
            } else {
                optional.extend([Slot::Things, Slot::Plural]);
            }
            vec![&[Slot::Count, Slot::CountWord]]
        }
        AnswerForm::Clock => vec![&[Slot::Clock]],
        AnswerForm::Option => vec![&[Slot::Letter, Slot::Option]],
    };
    // The letter and the option's text may both be shown.
    if kind.form() == AnswerForm::Count {
        optional.push(Slot::Count);
    }
    Rule { required, optional, sentence: kind.form() != AnswerForm::Option }
}

pub(crate) fn step(kind: Kind, name: &str) -> Rule {
    let mut optional = objects(kind);
    let required: Vec<&'static [Slot]> = match (kind, name) {
        (_, "order") => vec![&[Slot::List]],
        (_, "pick") => {
            optional.extend([Slot::Rank, Slot::Nth]);
            vec![&[Slot::Answer]]
        }
        (_, "left") => {
            optional.push(Slot::A);
            vec![&[Slot::List]]
        }
        (_, "none") => {
            optional.push(Slot::A);
            vec![]
        }
        (_, "total") => {
            optional.push(Slot::Count);
            vec![&[Slot::Count, Slot::CountWord]]
        }
        (_, "first") => vec![&[Slot::First]],
        (_, "second") => vec![&[Slot::Second]],
        (_, "nearer") => vec![&[Slot::A], &[Slot::B], &[Slot::C]],
        (_, "heights") => vec![&[Slot::First], &[Slot::Second]],
        (Kind::TallerOfNearer, "result") => {
            optional.push(Slot::Other);
            vec![&[Slot::Answer]]
        }
        (_, "result") => {
            optional.extend([Slot::First, Slot::Second]);
            vec![&[Slot::Length]]
        }
        _ => {
            optional.extend([Slot::First, Slot::Second]);
            vec![]
        }
    };
    Rule { required, optional, sentence: true }
}
