use super::*;
use crate::kind::{AnswerForm, Shape};
use crate::number::{parse_clock, parse_count, parse_length, parse_yes_no};

const LIST: [Noun<'static>; 3] =
    [Noun::singular("the tall lamp"), Noun::plural("the curtains"), Noun::singular("the desk")];

fn dummy(kind: Kind) -> Slots<'static> {
    Slots {
        a: Noun::singular("the red chair"),
        b: Noun::singular("the table"),
        c: Noun::plural("the blue shelves"),
        answer: Noun::singular("the red chair"),
        other: Noun::singular("the table"),
        list: &LIST,
        category: "wine glass",
        plural: "wine glasses",
        length: "about half a meter",
        first: "1.2 meters",
        second: "2 to 3 feet",
        count: if kind == Kind::CountLeft { 2 } else { 3 },
        hour: 2,
        rank: 2,
        letter: 'B',
        option: "left",
        mark: "(annotated by the red box)",
    }
}

/// Every question, answer and step of a type, with the place it comes from.
fn all_texts(templates: &Templates, kind: Kind, slots: &Slots<'_>) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for index in 0..templates.question_count(kind) {
        let mut text = String::new();
        assert!(templates.question(kind, index, slots, &mut text));
        texts.push((format!("{kind} questions[{index}]"), text));
    }
    for case in cases(kind).iter().copied() {
        for index in 0..templates.answer_count(kind, case) {
            let mut text = String::new();
            assert!(templates.answer(kind, case, index, slots, &mut text));
            texts.push((format!("{kind} answers.{}[{index}]", case.name()), text));
        }
    }
    let lists = &templates.lists[usize::from(kind.code())];
    for (name, list) in step_names(kind).iter().zip(&lists.steps) {
        for (index, template) in list.iter().enumerate() {
            let mut text = String::new();
            template.render(slots, &mut text);
            texts.push((format!("{kind} steps.{name}[{index}]"), text));
        }
    }
    texts
}

#[test]
fn every_type_has_its_lists() {
    let templates = Templates::builtin().unwrap();
    for kind in Kind::ALL.iter().copied() {
        assert!(templates.question_count(kind) >= 20, "{kind}");
        for case in cases(kind).iter().copied() {
            assert!(templates.answer_count(kind, case) >= 10, "{kind} {}", case.name());
        }
    }
    assert_eq!(templates.answer_count(Kind::Height, Case::Yes), 0);
    let mut text = String::from("kept");
    assert!(!templates.question(Kind::Height, 1 << 20, &Slots::default(), &mut text));
    assert_eq!(text, "kept");
    assert_eq!(templates.fingerprint().len(), 64);
}

/// `cargo test -p plumb-qa template::tests::every_text -- --nocapture` with PLUMBLINE_PRINT=1 prints all, for proofreading.
#[test]
fn every_text_is_clean() {
    let templates = Templates::builtin().unwrap();
    let print = std::env::var_os("PLUMBLINE_PRINT").is_some();
    for kind in Kind::ALL.iter().copied() {
        for (place, text) in all_texts(templates, kind, &dummy(kind)) {
            if print {
                println!("{place}\t{text}");
            }
            assert!(!text.contains(['{', '}']), "{place}: {text}");
            assert!(!text.starts_with(char::is_lowercase) || text.starts_with("left"), "{place}: {text}");
            for bad in [
                "  ", " .", " ,", " ?", "..", "?.", ".?", ",,", "the the", "a about", "an about", "of of",
                "is is",
            ] {
                assert!(!text.contains(bad), "{place}: {text}");
            }
            for (at, _) in text.match_indices(['.', '?', '!']) {
                let after = text[at + 1..].trim_start();
                let inside_number = text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
                let starts_small = after.starts_with(char::is_lowercase) && after != "left";
                assert!(inside_number || !starts_small, "{place}: {text}");
            }
        }
    }
}

#[test]
fn verbs_agree_with_plural_mentions() {
    let templates = Templates::builtin().unwrap();
    for kind in Kind::ALL.iter().copied() {
        let noun = Noun::plural("the curtains");
        let slots = Slots { a: noun, b: noun, c: noun, answer: noun, other: noun, ..dummy(kind) };
        for (place, text) in all_texts(templates, kind, &slots) {
            for bad in ["Is the curtains", "Does the curtains", "Has the curtains"] {
                assert!(
                    !text.to_lowercase().contains(&bad.to_lowercase()) || text.contains(" is the curtains."),
                    "{place}: {text}"
                );
            }
            assert!(!text.starts_with("The curtains is"), "{place}: {text}");
        }
    }
}

#[test]
fn answers_are_read_back_as_what_they_say() {
    let templates = Templates::builtin().unwrap();
    for kind in Kind::ALL.iter().copied() {
        for (place, text) in all_texts(templates, kind, &dummy(kind)) {
            if !place.contains("answers") {
                continue;
            }
            match kind.form() {
                AnswerForm::YesNo => {
                    let verdict = Some(place.contains("answers.yes"));
                    assert_eq!(parse_yes_no(&text), verdict, "{place}: {text}");
                }
                AnswerForm::Length => {
                    assert_eq!(parse_length(&text).map(|length| length.metres), Some(0.5), "{place}: {text}");
                }
                AnswerForm::Count => {
                    let count = dummy(kind).count;
                    assert_eq!(parse_count(&text), Some(count), "{place}: {text}");
                }
                AnswerForm::Clock => assert_eq!(parse_clock(&text), Some(2), "{place}: {text}"),
                _ => {}
            }
        }
    }
}

/// The wording of a pair of types with opposite words must not give the answer away: mirrored lists have the same length.
#[test]
fn yes_and_no_have_as_many_words() {
    let templates = Templates::builtin().unwrap();
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.form() == AnswerForm::YesNo) {
        assert_eq!(templates.answer_count(kind, Case::Yes), templates.answer_count(kind, Case::No), "{kind}");
    }
}

#[test]
fn cvbenchs_wording_comes_first() {
    let templates = Templates::builtin().unwrap();
    let slots = Slots { c: Noun::singular("the books"), ..dummy(Kind::McCount) };
    for (kind, expected) in [
        (Kind::McCount, "How many wine glasss are in the image?"), // typos:ignore
        (
            Kind::McRelation,
            "Considering the relative positions of the red chair (annotated by the red box) and the table in the image \
             provided, where is the red chair located with respect to the table?",
        ),
        (
            Kind::McDepth,
            "Which object is closer to the camera taking this photo, the red chair (highlighted by a red box) or the table \
             (highlighted by a blue box)?",
        ),
        (
            Kind::McDistance,
            "Estimate the real-world distances between objects in this image. Which object is closer to the red chair \
             (highlighted by a red box), the table (highlighted by a blue box) or the books (highlighted by a green box)?",
        ),
    ] {
        let mut text = String::new();
        assert!(templates.question(kind, 0, &slots, &mut text));
        assert_eq!(text, expected);
        assert_eq!(kind.shape(), Shape::MultipleChoice);
    }
}

#[test]
fn steps_follow_the_case_and_the_pick() {
    let templates = Templates::builtin().unwrap();
    let slots = dummy(Kind::CompareDistances);
    let yes = templates.render_steps(Kind::CompareDistances, &StepSlots { slots, yes: true, pick: 7 });
    let no = templates.render_steps(Kind::CompareDistances, &StepSlots { slots, yes: false, pick: 7 });
    assert_eq!((yes.len(), no.len()), (3, 3));
    assert_eq!(yes[..2], no[..2]);
    assert_ne!(yes[2], no[2]);
    let none = Slots { count: 0, list: &[], ..dummy(Kind::CountLeft) };
    assert_eq!(
        templates.render_steps(Kind::CountLeft, &StepSlots { slots: none, ..StepSlots::default() }).len(),
        2
    );
    assert!(templates.render_steps(Kind::Height, &StepSlots::default()).is_empty());
    let variants: std::collections::BTreeSet<Vec<String>> = (0..50)
        .map(|pick| {
            templates.render_steps(Kind::HeightDifference, &StepSlots { slots, pick, ..StepSlots::default() })
        })
        .collect();
    assert!(variants.len() > 15, "{}", variants.len());
}

#[test]
fn each_check_fires() {
    let lateral = BUILTIN[0].1;
    let broken = |from: &str, to: &str| {
        assert!(lateral.contains(from), "{from}");
        let text = lateral.replacen(from, to, 1);
        let mut files = BUILTIN.to_vec();
        files[0].1 = &text;
        match Templates::parse(&files) {
            Err(QaError::Template { file, place, detail }) => {
                assert!(["lateral.toml", "size.toml"].contains(&file.as_str()), "{file}");
                format!("{place}: {detail}")
            }
            other => format!("{other:?}"),
        }
    };
    let first = "{A.is} {A} to the left of {B}?";
    for (to, expected) in [
        ("{A.is} {A} to the left?", "left_predicate questions[0]: slot `{B}` is missing"),
        ("{A.is} {A} to the left of {B} and {C}?", "slot `{C}` is not one of this list"),
        ("{A.is} {A} to the left of {D}?", "unknown slot `{D}`"),
        ("{A.was} {A} to the left of {B}?", "unknown slot `{A.was}`"),
        ("{length.is} {A} to the left of {B}?", "unknown slot `{length.is}`"),
        ("{A.is} {A to the left of {B}?", "unbalanced braces"),
        ("{A.is} A} to the left of {B}?", "unbalanced braces"),
        ("{A.is} {A} to the left of {B", "no punctuation mark"),
        ("{A.is} {A} to the left of {B?", "unbalanced braces"),
        ("{A.is} {A} {nth} of {B}?", "`nth` needs the word"),
        (" {A.is} {A} to the left of {B}?", "a blank at the start or the end"),
        ("{A.is} {A}  to the left of {B}?", "two blanks"),
        ("{A.is} {A} to the left of {B} ?", "punctuation mark after a blank"),
        ("{A.is} {A} to the left of {B}", "no punctuation mark at the end"),
        ("is {A} to the left of {B}?", "a small letter at the start"),
        ("", "empty"),
        ("{A.is} {A} left of {B}?", "the same as number 0"),
    ] {
        let message = broken(first, to);
        assert!(message.contains(expected), "{to}: {message}");
    }
    for (from, to, expected) in [
        ("[left_predicate]", "[leftish]", "no question type"),
        ("[left_predicate]", "[height]", "also in"),
        ("answers.yes = [", "answers.maybe = [", "unknown list `maybe`; expected yes, no"),
        (
            "answers.yes = [\n",
            "answers.yes = [\n\"{A.is} {A} to the left of {B}?\"]\nanswers.no2 = [\n",
            "unknown list",
        ),
        (
            "questions = [\n    \"{A.is} {A} to the left of {B}?\",\n",
            "questions = [\n",
            "19 templates, expected 20",
        ),
        ("questions = [", "question = [", "unknown field"),
        ("questions = [", "questions = ", "the file"),
        ("steps.pick = [", "steps.other = [", "unknown list `other`"),
    ] {
        let message = broken(from, to);
        assert!(message.contains(expected), "{to}: {message}");
    }
    let missing = Templates::parse(&BUILTIN[1..]);
    assert!(matches!(missing, Err(QaError::Template { place, .. }) if place == "left_predicate"));
}

#[test]
fn edited_files_replace_the_builtin_and_change_the_fingerprint() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in BUILTIN {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), "not a template").unwrap();
    let builtin = Templates::builtin().unwrap();
    assert_eq!(Templates::load(dir.path()).unwrap().fingerprint(), builtin.fingerprint());
    let edited = BUILTIN[0].1.replacen("Can you tell whether", "Could you tell me whether", 1);
    std::fs::write(dir.path().join(BUILTIN[0].0), format!("# a comment\n{edited}")).unwrap();
    assert_ne!(Templates::load(dir.path()).unwrap().fingerprint(), builtin.fingerprint());
    assert!(matches!(Templates::load(&dir.path().join("absent")), Err(QaError::Io { .. })));
}
