use super::*;
use crate::evaluate::testing::{World, all_questions, ask};
use crate::gates::Gates;
use crate::kind::Kind;
use crate::pair::{Mention, QaPair, Quantity, Reference, Unit};
use crate::template::{Case, Noun, Slots, Templates};
use crate::{LengthStyle, evaluate, parse_length, say_length};
use proptest::prelude::*;

fn world() -> World {
    World::new(&[
        ("red chair", [-1.5, 3.0, 0.45], [0.5, 0.5, 0.9]),
        ("chair", [0.0, 4.0, 0.375], [1.6, 0.8, 0.75]),
        ("lamp", [0.3, 4.0, 1.9], [0.4, 0.4, 0.3]),
        ("shelf", [2.0, 5.0, 1.0], [1.0, 0.4, 2.0]),
    ])
}

fn length(said_m: f64, tolerance_m: f64) -> Answer {
    let text = String::new();
    Answer::Length(Quantity { value_m: said_m, sigma_m: 0.0, unit: Unit::Metre, text, said_m, tolerance_m })
}

fn mention(object: u32, text: &str) -> Mention {
    Mention { object, by: Reference::Name, text: text.to_owned() }
}

fn read(text: &str) -> Option<(f64, f64)> {
    parse_length(text).map(|length| (length.metres, length.tolerance))
}

#[test]
fn lengths_are_right_within_their_rounding_and_graded_beyond() {
    let scene = world().scene();
    let index = SceneIndex::new(&scene);
    let question = ask(Kind::Height, &[4]);
    let said = |metres, tolerance| verify(&index, &question, &length(metres, tolerance));
    assert_eq!((said(2.0, 0.0).correct, said(2.0, 0.0).reward), (Some(true), 1.0));
    assert_eq!(said(2.05, 0.05).correct, Some(true));
    let off = said(2.06, 0.05);
    assert_eq!((off.correct, off.band), (Some(false), Some(Band::Close)));
    assert!(off.reward > 0.9 && off.reward < 1.0);
    assert_eq!((said(4.0, 0.1).band, said(4.0, 0.1).reward), (Some(Band::Rough), 0.0));
    assert_eq!(said(2.8, 0.1).band, Some(Band::Fair));
    // Nobody is right by being vague, negative or not a number.
    assert_eq!(said(9.0, 1e6).correct, Some(false));
    for bad in [f64::NAN, f64::INFINITY, -2.0] {
        assert_eq!((said(bad, 0.1).correct, said(bad, 0.1).reward), (Some(false), 0.0));
        assert_eq!(said(2.0, bad).correct, Some(false));
    }
    let noisy = World { sigma: 0.1, ..world() }.scene();
    let index = SceneIndex::new(&noisy);
    // Two faces at 0.1 m each: 2σ is 0.28 m.
    assert_eq!(verify(&index, &question, &length(2.28, 0.0)).correct, Some(true));
    assert_eq!(verify(&index, &question, &length(2.29, 0.0)).correct, Some(false));
}

#[test]
fn what_the_scene_cannot_decide_is_left_open() {
    let scene = World { sigma: 0.1, ..world() }.scene();
    let index = SceneIndex::new(&scene);
    // 0.15 m of difference at 0.2 m of uncertainty.
    let near = verify(&index, &ask(Kind::TallPredicate, &[1, 2]), &Answer::YesNo(true));
    assert_eq!((near.correct, near.reward), (None, 0.0));
    assert_eq!(verify(&index, &ask(Kind::TallPredicate, &[4, 2]), &Answer::YesNo(true)).correct, Some(true));
    assert_eq!(
        verify(&index, &ask(Kind::TallPredicate, &[4, 2]), &Answer::YesNo(false)).correct,
        Some(false)
    );
    assert_eq!(verify(&index, &ask(Kind::TallPredicate, &[4, 2]), &Answer::Count(1)).correct, Some(false));
    assert_eq!(verify(&index, &ask(Kind::TallPredicate, &[4, 9]), &Answer::YesNo(true)).correct, None);
}

#[test]
fn free_text_is_read_as_the_question_wants_it() {
    let scene = world().scene();
    let index = SceneIndex::new(&scene);
    let names = [
        mention(1, "the red chair"),
        mention(2, "the chair"),
        mention(3, "the lamp"),
        mention(4, "the shelf"),
    ];
    let judge = |question: &Question, text: &str| verify_text(&index, question, text, &read, &names).correct;
    let left = ask(Kind::LeftPredicate, &[1, 2]);
    for (text, right) in [
        ("Yes.", true),
        ("yes, it is", true),
        ("Indeed", true),
        ("No", false),
        ("It is not.", false),
        ("It isn't", false),
        ("", false),
        ("maybe", false),
        ("I think yes", true),
        ("no idea, yes and no", false),
    ] {
        assert_eq!(judge(&left, text), Some(right), "{text}");
    }
    let side = ask(Kind::LeftRightClassify, &[1, 2]);
    assert_eq!(judge(&side, "The red chair is to the left of the chair."), Some(true));
    assert_eq!(judge(&side, "right"), Some(false));
    assert_eq!(judge(&side, "left or right"), Some(false));
    assert_eq!(judge(&side, "The chair is to the right of the red chair."), Some(true));
    assert_eq!(judge(&side, "Compared with the chair, the red chair is on the left"), Some(true));
    assert_eq!(judge(&side, "The chair is to the left of the red chair."), Some(false));
    let which = ask(Kind::LeftChoice, &[2, 1]);
    assert_eq!(judge(&which, "The red chair."), Some(true));
    assert_eq!(judge(&which, "The chair, not the red chair"), Some(false));
    assert_eq!(judge(&which, "red chair is farther left than the chair"), Some(true));
    let nearer = ask(Kind::NearerChoice, &[3, 4, 2]);
    assert_eq!(judge(&nearer, "Seen from the chair, the shelf is nearer"), Some(true));
    let tall = ask(Kind::Height, &[4]);
    assert_eq!(judge(&tall, "It is 2 meters tall."), Some(true));
    assert_eq!(judge(&tall, "tall"), Some(false));
    let count = Question { category: "lamp".to_owned(), ..ask(Kind::Count, &[]) };
    assert_eq!(judge(&count, "There is one lamp"), Some(true));
    assert_eq!(judge(&count, "1"), Some(true));
    assert_eq!(judge(&count, "1 or 2"), Some(false));
    let clock = ask(Kind::ClockDirection, &[3, 4]);
    assert_eq!(judge(&clock, "At 8 o'clock, 2 m away"), Some(true));
    assert_eq!(judge(&clock, "eight o’clock"), Some(true));
    assert_eq!(judge(&clock, "13"), Some(false));
    let options = ["0", "12", "1"].map(str::to_owned).to_vec();
    let multiple = Question { kind: Kind::McCount, options, ..count };
    for (text, right) in [
        ("C", true),
        ("(C)", true),
        ("c.", true),
        ("The answer is (C) 1", true),
        ("1", true),
        ("one", true),
        ("(B)", false),
        ("12", false),
        ("A", false),
        ("(A) or (C)", false),
        ("the answer is C", true),
        ("", false),
        ("é", false),
    ] {
        assert_eq!(judge(&multiple, text), Some(right), "{text}");
    }
}

fn record(scene: &plumb_scene::Scene, question: &Question) -> Option<QaPair> {
    let truth = evaluate(&SceneIndex::new(scene), question, &Gates::default()).ok()?;
    let answer = match truth.answer {
        TruthValue::YesNo(yes) => Answer::YesNo(yes),
        TruthValue::Object(at) => Answer::Object(at),
        TruthValue::Side(side) => Answer::Side(side),
        TruthValue::Count(n) => Answer::Count(n),
        TruthValue::Clock(hour) => Answer::Clock(hour),
        TruthValue::Option(at) => Answer::Option(at),
        TruthValue::Length(m) => Answer::Length(Quantity {
            value_m: m.value,
            sigma_m: m.sigma,
            unit: Unit::Metre,
            text: String::new(),
            said_m: (m.value * 100.0).round() / 100.0,
            tolerance_m: 0.005,
        }),
    };
    Some(QaPair {
        scene: scene.id.clone(),
        question: question.clone(),
        answer,
        mentions: question.objects.iter().map(|&id| mention(id, "it")).collect(),
        question_template: 0,
        answer_template: 0,
        marks: Vec::new(),
        proof: truth.proof,
        question_text: String::new(),
        answer_text: String::new(),
        steps: Vec::new(),
    })
}

#[test]
fn every_record_holds_and_every_forgery_is_found() {
    let scene = world().scene();
    let index = SceneIndex::new(&scene);
    let mut records = 0;
    for &kind in Kind::ALL {
        for question in all_questions(&scene, kind) {
            let Some(good) = record(&scene, &question) else { continue };
            records += 1;
            // As it comes back from a file.
            let text = serde_json::to_string(&good).unwrap();
            let good: QaPair = serde_json::from_str(&text).unwrap();
            let verdict = check_pair(&index, &good);
            assert_eq!(verdict.correct, Some(true), "{question:?}: {}", verdict.reason);
            let forged = |change: &dyn Fn(&mut QaPair)| {
                let mut bad = good.clone();
                change(&mut bad);
                check_pair(&index, &bad).correct
            };
            assert_eq!(forged(&|p| p.proof.facts[0].value += 0.01), Some(false));
            assert_eq!(forged(&|p| p.proof.facts[0].value = f64::NAN), Some(false));
            assert_eq!(forged(&|p| p.proof.facts[0].objects[1] += 1), Some(false));
            assert_eq!(forged(&|p| p.proof.facts.clear()), Some(false));
            assert_eq!(forged(&|p| p.scene.push('x')), Some(false));
            assert_eq!(forged(&|p| p.mentions.push(mention(1, "a"))), Some(false));
            let change = |p: &mut QaPair| match &mut p.answer {
                Answer::YesNo(yes) => *yes = !*yes,
                Answer::Object(at) | Answer::Option(at) => *at = (*at + 1) % 3,
                Answer::Side(side) => *side = if *side == Side::Near { Side::Far } else { Side::Near },
                Answer::Count(n) => *n += 1,
                Answer::Clock(hour) => *hour = *hour % 12 + 1,
                Answer::Length(q) => q.value_m *= 1.001,
            };
            let found = forged(&change);
            assert_eq!(found, Some(false), "{question:?}");
        }
    }
    assert!(records > 200, "only {records} records");
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), kind in prop::sample::select(Kind::ALL)) {
        let scene = world().scene();
        let index = SceneIndex::new(&scene);
        let names = [mention(1, "the red chair"), mention(2, ""), mention(3, "'")];
        for question in all_questions(&scene, kind).iter().take(3) {
            let verdict = verify_text(&index, question, &text, &read, &names);
            prop_assert!((0.0..=1.0).contains(&verdict.reward));
        }
    }
}

/// What our own templates say must be read as what they mean: a model trained on them answers like this.
#[test]
fn every_answer_template_is_read_back() {
    let scene = world().scene();
    let index = SceneIndex::new(&scene);
    let templates = Templates::builtin().unwrap();
    let texts = ["the red chair", "the chair", "the lamp", "the shelf"];
    let names: Vec<Mention> = (1..).zip(texts).map(|(id, text)| mention(id, text)).collect();
    let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(1);
    let (mut misread, mut read_back) = (Vec::new(), 0);
    for &kind in Kind::ALL {
        for question in all_questions(&scene, kind) {
            let Some(mut pair) = record(&scene, &question) else { continue };
            if let Answer::Length(quantity) = &mut pair.answer {
                let measure = Measure::new(quantity.value_m, quantity.sigma_m);
                let Some(said) = say_length(measure, &LengthStyle::default(), &mut rng) else { continue };
                *quantity = said;
            }
            let nouns: Vec<Noun<'_>> = question
                .objects
                .iter()
                .map(|&id| Noun { text: texts[id as usize - 1], plural: false })
                .collect();
            let at = |role: usize| nouns.get(role).copied().unwrap_or_default();
            let mut slots = Slots {
                a: at(0),
                b: at(1),
                c: at(2),
                list: if kind.objects() == 0 { &nouns } else { &[] },
                category: &question.category,
                plural: "things",
                rank: question.rank,
                ..Slots::default()
            };
            let other = |chosen: u8| match (kind, chosen) {
                (Kind::TallerOfNearer, role) => at(3 - usize::from(role)),
                (_, role) => at(1 - usize::from(role).min(1)),
            };
            let letter;
            match &pair.answer {
                Answer::Object(role) => (slots.answer, slots.other) = (at(usize::from(*role)), other(*role)),
                Answer::Length(quantity) => slots.length = &quantity.text,
                Answer::Count(count) => slots.count = *count,
                Answer::Clock(hour) => slots.hour = *hour,
                Answer::Option(option) => {
                    letter = char::from(b'A' + option);
                    (slots.letter, slots.option) =
                        (letter, question.options.get(usize::from(*option)).map_or("", String::as_str));
                }
                Answer::YesNo(_) | Answer::Side(_) => {}
            }
            if kind.form() == crate::AnswerForm::Option && question.options.is_empty() {
                continue;
            }
            let case = Case::of(&pair.answer);
            for template in 0..templates.answer_count(kind, case) {
                let mut text = String::new();
                assert!(templates.answer(kind, case, template, &slots, &mut text));
                read_back += 1;
                // "4.5 feet" does not say that it was rounded to halves: the record does.
                let read = |text: &str| match &pair.answer {
                    Answer::Length(quantity) => {
                        read(text).map(|(metres, t)| (metres, t.max(quantity.tolerance_m)))
                    }
                    _ => None,
                };
                let verdict = verify_text(&index, &question, &text, &read, &names);
                if verdict.correct != Some(true) {
                    misread.push(format!("{kind} {template}: {text} ({})", verdict.reason));
                }
            }
        }
    }
    misread.sort();
    assert!(misread.is_empty(), "{} of {read_back}:\n{}", misread.len(), misread.join("\n"));
    assert!(read_back > 3000, "only {read_back}");
}
