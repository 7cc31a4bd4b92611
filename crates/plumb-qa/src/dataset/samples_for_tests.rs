//! A scene and pairs for the tests of this module.

use plumb_geometry::{Camera, Gravity, GravitySource, SceneFrame};
use plumb_scene::{ImageRef, SCENE_VERSION, Scene, SceneSource};
use proptest::prelude::*;

use super::names::Named;
use super::{ConversationOptions, TrainingSample};
use crate::pair::*;
use crate::{Kind, QaPair};

pub(super) fn mark(object: u32) -> Mark {
    Mark { object, colour: [255, 0, 17], rect: [1.0, 2.5, 3.0, 0.1] }
}

pub(super) fn scene_with_pairs(count: u16) -> (Scene, Vec<QaPair>) {
    let scene = Scene {
        version: SCENE_VERSION,
        id: "00ff00ff00ff00ff".into(),
        source: SceneSource::Rendered { world: "room".into(), seed: 1, index: 2 },
        image: ImageRef { path: "a.png".into(), width: 640, height: 480, sha256: "00ff".repeat(16) },
        camera: Camera { width: 640, height: 480, fx: 500.1, fy: 500.2, cx: 320.0, cy: 240.0 },
        gravity: Gravity::Known { direction: [0.0, 1.0, 0.0], sigma: 0.0, source: GravitySource::Exact },
        frame: SceneFrame::CAMERA,
        metric: true,
        scale_sigma: 0.1 + 0.2,
        exhaustive: true,
        objects: Vec::new(),
        pairs: Vec::new(),
    };
    let pairs = (0..count).map(|n| pair(&scene.id, n)).collect();
    (scene, pairs)
}

fn pair(scene: &str, n: u16) -> QaPair {
    QaPair {
        scene: scene.to_owned(),
        question: Question {
            kind: Kind::LeftPredicate,
            objects: vec![1, 2],
            rank: 0,
            category: String::new(),
            options: Vec::new(),
        },
        answer: Answer::YesNo(n.is_multiple_of(2)),
        mentions: [1, 2]
            .map(|object| Mention { object, by: Reference::Name, text: format!("the object {object}") })
            .to_vec(),
        question_template: n,
        answer_template: n / 2,
        marks: Vec::new(),
        proof: Proof {
            points: vec![[0.0, 1.5, f64::from(n) / 3.0]],
            facts: vec![Fact {
                name: FactName::Lateral,
                objects: [1, 0],
                value: f64::from(n) / 7.0,
                sigma: 0.0,
            }],
        },
        question_text: format!("Question {n}?"),
        answer_text: format!("Answer {n}."),
        steps: Vec::new(),
    }
}

/// What a reader of conversations should give for these pairs.
pub(super) fn expected_samples(
    image: &str,
    pairs: &[QaPair],
    options: ConversationOptions,
) -> Vec<TrainingSample> {
    options
        .rows(pairs)
        .map(|row| TrainingSample {
            image: vec![image.to_owned()],
            system: None,
            turns: row.iter().map(|p| super::sample::turn("", p, options.reasoning).unwrap()).collect(),
            marks: row[0].marks.clone(),
        })
        .collect()
}

fn text() -> impl Strategy<Value = String> {
    "[ -;=-~é\u{1f600}\n\"\\\\]{1,12}"
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has no others", |v| v.is_finite())
}

fn id() -> impl Strategy<Value = u32> {
    0_u32..=i32::MAX as u32
}

fn named<T: Named + std::fmt::Debug>() -> impl Strategy<Value = T> {
    (0..T::NAMES.len()).prop_map(|at| T::NAMES[at].0)
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        any::<bool>().prop_map(Answer::YesNo),
        any::<u8>().prop_map(Answer::Object),
        named().prop_map(Answer::Side),
        (finite(), finite(), named(), text(), finite(), finite()).prop_map(
            |(value_m, sigma_m, unit, text, said_m, tolerance_m)| {
                Answer::Length(Quantity { value_m, sigma_m, unit, text, said_m, tolerance_m })
            }
        ),
        id().prop_map(Answer::Count),
        any::<u8>().prop_map(Answer::Clock),
        any::<u8>().prop_map(Answer::Option),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    (
        0..Kind::ALL.len(),
        prop::collection::vec(id(), 0..4),
        any::<u8>(),
        "[a-z]{0,5}",
        prop::collection::vec("[a-z ]{0,9}", 0..4),
    )
        .prop_map(|(kind, objects, rank, category, options)| Question {
            kind: Kind::ALL[kind],
            objects,
            rank,
            category,
            options,
        })
}

fn proof() -> impl Strategy<Value = Proof> {
    let fact = (named(), [id(), id()], finite(), finite());
    (prop::collection::vec([finite(), finite(), finite()], 0..4), prop::collection::vec(fact, 0..4)).prop_map(
        |(points, facts)| Proof {
            points,
            facts: facts
                .into_iter()
                .map(|(name, objects, value, sigma)| Fact { name, objects, value, sigma })
                .collect(),
        },
    )
}

fn any_mark() -> impl Strategy<Value = Mark> {
    let corner = || any::<f32>().prop_filter("JSON has no others", |v| v.is_finite());
    (id(), any::<[u8; 3]>(), [corner(), corner(), corner(), corner()])
        .prop_map(|(object, colour, rect)| Mark { object, colour, rect })
}

/// Any pairs that every format can hold; they need not make sense.
pub(super) fn any_pairs(most: usize) -> impl Strategy<Value = Vec<QaPair>> {
    let mention = (id(), named(), text()).prop_map(|(object, by, text)| Mention { object, by, text });
    let one = (
        "[0-9a-f]{0,16}",
        question(),
        answer(),
        prop::collection::vec(mention, 0..4),
        any::<[u16; 2]>(),
        prop::collection::vec(any_mark(), 0..2),
        proof(),
        [text(), text()],
        prop::collection::vec(text(), 0..3),
    );
    let one = one.prop_map(|(scene, question, answer, mentions, templates, marks, proof, texts, steps)| {
        let [question_text, answer_text] = texts;
        QaPair {
            scene,
            question,
            answer,
            mentions,
            question_template: templates[0],
            answer_template: templates[1],
            marks,
            proof,
            question_text,
            answer_text,
            steps,
        }
    });
    prop::collection::vec(one, 0..=most)
}
