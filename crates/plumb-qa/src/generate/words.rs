//! From the typed record to words.
//!
//! Everything here depends on the record and the templates alone, so a data set can leave its texts out and have them made again.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::hash;
use crate::kind::{Kind, Shape};
use crate::number::{LengthStyle, say_length};
use crate::pair::{Answer, FactName, QaPair, Quantity};
use crate::template::{Case, Noun, Slots, StepSlots, Templates};

/// Most objects a question names.
const MOST: usize = 16;
/// How often other roundings are tried before a chain is left out.
const ROUNDINGS: usize = 6;

/// Question and answer of a pair in words, from its mentions, template numbers, options and answer. `None` where they do not fit together.
#[must_use]
pub fn render_texts(templates: &Templates, pair: &QaPair) -> Option<(String, String)> {
    let (mut question, mut answer) = (String::with_capacity(128), String::with_capacity(96));
    let plural = plural_of(pair);
    let nouns = Nouns::new(pair)?;
    let slots = slots(pair, &nouns, &plural);
    let kind = pair.question.kind;
    let said = templates.question(kind, usize::from(pair.question_template), &slots, &mut question)
        && templates.answer(
            kind,
            Case::of(&pair.answer),
            usize::from(pair.answer_template),
            &slots,
            &mut answer,
        );
    if kind.shape() == Shape::MultipleChoice {
        // "The answer is (A)" means nothing without them.
        for (index, option) in pair.question.options.iter().enumerate() {
            question.push_str("\n(");
            question.push(plumb_bench::sample::letter(index));
            question.push_str(") ");
            question.push_str(option);
        }
    }
    said.then_some((question, answer))
}

/// The chain of a question with several steps, from its proof. Empty for the others, and where its numbers cannot be said so that the
/// sum comes out right.
///
/// The numbers said are chosen by the record alone, so the same record gives the same sentences.
#[must_use]
pub fn render_chain(templates: &Templates, pair: &QaPair, style: &LengthStyle) -> Vec<String> {
    let kind = pair.question.kind;
    if crate::template::step_names(kind).is_empty() {
        return Vec::new();
    }
    let Some(nouns) = Nouns::new(pair) else { return Vec::new() };
    let pick = hash::question(&pair.question) ^ hash::text(&pair.scene);
    let mut given =
        StepSlots { slots: slots(pair, &nouns, ""), yes: pair.answer == Answer::YesNo(true), pick };
    let mut listed = [Noun::default(); MOST];
    if kind.shape() == Shape::Ordinal || kind == Kind::CountLeft {
        let Some(count) = order(pair, &nouns, &mut listed) else { return Vec::new() };
        given.slots.list = &listed[..count];
        return templates.render_steps(kind, &given);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(pick);
    for _ in 0..ROUNDINGS {
        let Some([first, second]) = parts(pair, style, &mut rng) else { return Vec::new() };
        if agree(pair, &first, &second) {
            given.slots.first = &first.text;
            given.slots.second = &second.text;
            return templates.render_steps(kind, &given);
        }
    }
    Vec::new()
}

/// The mentions as nouns.
struct Nouns<'a> {
    all: [Noun<'a>; MOST],
    count: usize,
}

impl<'a> Nouns<'a> {
    fn new(pair: &'a QaPair) -> Option<Self> {
        let count = pair.mentions.len();
        if count > MOST || count != pair.question.objects.len() {
            return None;
        }
        let mut all = [Noun::default(); MOST];
        for (noun, mention) in all.iter_mut().zip(&pair.mentions) {
            *noun = Noun::from(mention);
        }
        Some(Self { all, count })
    }
}

/// The plural of a category.
fn plural_of(pair: &QaPair) -> String {
    if pair.question.category.is_empty() { String::new() } else { super::plural(&pair.question.category) }
}

fn slots<'a>(pair: &'a QaPair, nouns: &'a Nouns<'a>, plural: &'a str) -> Slots<'a> {
    let kind = pair.question.kind;
    let all = &nouns.all[..nouns.count];
    let mut slots = Slots {
        a: nouns.all[0],
        b: nouns.all[1],
        c: nouns.all[2],
        list: if kind == Kind::CountLeft { all.get(1..).unwrap_or(&[]) } else { all },
        category: &pair.question.category,
        plural,
        rank: pair.question.rank,
        ..Slots::default()
    };
    match &pair.answer {
        Answer::Object(role) => {
            let role = usize::from(*role);
            slots.answer = all.get(role).copied().unwrap_or_default();
            // The two that are compared: A and B, or B and C.
            let first = usize::from(kind == Kind::TallerOfNearer);
            slots.other = nouns.all[if role == first { first + 1 } else { first }];
        }
        Answer::Length(quantity) => slots.length = &quantity.text,
        Answer::Count(count) => slots.count = *count,
        Answer::Clock(hour) => slots.hour = *hour,
        Answer::Option(option) => {
            slots.letter = plumb_bench::sample::letter(usize::from(*option));
            slots.option = pair.question.options.get(usize::from(*option)).map_or("", String::as_str);
        }
        Answer::YesNo(_) | Answer::Side(_) => {}
    }
    slots
}

/// A fact of the proof about these objects, whichever is first.
fn fact(pair: &QaPair, names: &[FactName], about: [u32; 2]) -> Option<plumb_geometry::Measure> {
    let [a, b] = about;
    names.iter().find_map(|name| {
        let found = pair
            .proof
            .facts
            .iter()
            .find(|fact| fact.name == *name && (fact.objects == [a, b] || fact.objects == [b, a]))?;
        Some(plumb_geometry::Measure::new(found.value, found.sigma))
    })
}

/// The two lengths that a chain is made of, said.
fn parts(pair: &QaPair, style: &LengthStyle, rng: &mut ChaCha8Rng) -> Option<[Quantity; 2]> {
    let id = |role: usize| pair.question.objects.get(role).copied();
    let (a, b) = (id(0)?, id(1)?);
    let height = |id: u32| fact(pair, &[FactName::Height], [id, 0]);
    let top = |id: u32| fact(pair, &[FactName::Top], [id, 0]);
    let between = |p: u32, q: u32| {
        fact(pair, &[FactName::Gap, FactName::SurfaceDistance, FactName::CentreDistance], [p, q])
    };
    let [first, second] = match pair.question.kind {
        Kind::HeightDifference => [height(a)?, height(b)?],
        Kind::StackHeight => [top(b)?, height(a)?],
        Kind::FitsUnder => [height(a)?, top(b)?],
        Kind::TallerOfNearer => [height(b)?, height(id(2)?)?],
        Kind::CompareDistances => [between(a, b)?, between(a, id(2)?)?],
        Kind::FitsBetween => [between(b, id(2)?)?, fact(pair, &[FactName::Width], [a, 0])?],
        _ => return None,
    };
    Some([say_length(first, style, rng)?, say_length(second, style, rng)?])
}

/// Whether the numbers said lead to the answer said: a reader who adds them up must arrive at it.
fn agree(pair: &QaPair, first: &Quantity, second: &Quantity) -> bool {
    match (&pair.answer, pair.question.kind) {
        (Answer::Length(result), kind) => {
            let sum = if kind == Kind::StackHeight {
                first.said_m + second.said_m
            } else {
                first.said_m - second.said_m
            };
            (sum - result.said_m).abs() <= result.tolerance_m + 1e-9
        }
        // Object B (role 1) is the taller.
        (Answer::Object(role), _) => {
            (first.said_m > second.said_m) == (*role == 1) && first.said_m != second.said_m
        }
        (Answer::YesNo(yes), Kind::FitsBetween) => {
            (second.said_m < first.said_m) == *yes && first.said_m != second.said_m
        }
        (Answer::YesNo(yes), _) => (second.said_m > first.said_m) == *yes && first.said_m != second.said_m,
        _ => false,
    }
}

/// The objects of a list in their order, and how many: from rank 1, or those to the left.
///
/// `None` where the proof compares some by their nearest surfaces and some by their middles: then it does not order them all.
fn order<'a>(pair: &QaPair, nouns: &Nouns<'a>, out: &mut [Noun<'a>; MOST]) -> Option<usize> {
    let kind = pair.question.kind;
    let names: &[FactName] = match kind {
        Kind::OrdinalNear => &[FactName::MedianDepth, FactName::NearDepth],
        Kind::OrdinalTall => &[FactName::Height],
        _ => &[FactName::Lateral],
    };
    let mut keys = names.iter().find_map(|name| keys(pair, *name))?;
    if kind == Kind::CountLeft {
        let limit = keys[0].0;
        let mut count = 0;
        for &(_, role) in keys[1..nouns.count].iter().filter(|(key, _)| *key < limit) {
            out[count] = nouns.all[role];
            count += 1;
        }
        return Some(count);
    }
    let sorted = &mut keys[..nouns.count];
    sorted.sort_unstable_by(|p, q| p.0.total_cmp(&q.0));
    for (noun, (_, role)) in out.iter_mut().zip(sorted.iter()) {
        *noun = nouns.all[*role];
    }
    Some(nouns.count)
}

/// What the objects are ordered by, and their roles.
fn keys(pair: &QaPair, name: FactName) -> Option<[(f64, usize); MOST]> {
    let mut keys = [(0.0, 0); MOST];
    for (role, (key, &id)) in keys.iter_mut().zip(&pair.question.objects).enumerate() {
        let measure = fact(pair, &[name], [id, 0])?;
        *key = (if name == FactName::Height { -measure.value } else { measure.value }, role);
    }
    Some(keys)
}
