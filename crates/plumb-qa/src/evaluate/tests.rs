use glam::DVec3;
use plumb_geometry::{Gravity, Measure, SceneFrame};
use plumb_scene::Scene;
use proptest::prelude::*;

use super::testing::{World, all_questions, ask, mirror, scaled};
use super::{TruthValue, evaluate, evaluate_fast, truth};
use crate::gates::{Gates, Reject};
use crate::kind::{AnswerForm, Kind};
use crate::pair::{Question, Side};
use crate::scene_index::SceneIndex;

const CHAIR: u32 = 1;
const DESK: u32 = 2;
const LAMP: u32 = 3;
const SHELF: u32 = 4;
const BALL: u32 = 5;

/// A chair on the left in front, a desk in the middle, a lamp hanging over it, a tall shelf on the right behind, a ball near.
fn room() -> World {
    World::new(&[
        ("chair", [-1.5, 3.0, 0.45], [0.5, 0.5, 0.9]),
        ("desk", [0.0, 4.0, 0.375], [1.6, 0.8, 0.75]),
        ("lamp", [0.3, 4.0, 1.9], [0.4, 0.4, 0.3]),
        ("shelf", [2.0, 5.0, 1.0], [1.0, 0.4, 2.0]),
        ("ball", [0.6, 2.0, 0.7], [0.2, 0.2, 0.2]),
    ])
}

fn answer(scene: &Scene, question: &Question) -> Result<TruthValue, Reject> {
    evaluate(&SceneIndex::new(scene), question, &Gates::default()).map(|truth| truth.answer)
}

fn metres(value: f64) -> TruthValue {
    TruthValue::Length(Measure::exact(value))
}

#[track_caller]
fn assert_same(found: TruthValue, expected: TruthValue) {
    match (found, expected) {
        (TruthValue::Length(f), TruthValue::Length(e)) => {
            assert!((f.value - e.value).abs() < 1e-9 && f.sigma == e.sigma, "{f:?} is not {e:?}");
        }
        _ => assert_eq!(found, expected),
    }
}

#[test]
fn every_kind_has_the_answer_that_a_person_reads_off_the_plan() {
    use TruthValue::{Clock, Count, Object, Side as Word, YesNo};
    let scene = room().scene();
    let expected: &[(Kind, &[u32], TruthValue)] = &[
        (Kind::LeftPredicate, &[CHAIR, DESK], YesNo(true)),
        (Kind::RightPredicate, &[CHAIR, DESK], YesNo(false)),
        (Kind::LeftChoice, &[SHELF, DESK], Object(1)),
        (Kind::RightChoice, &[SHELF, DESK], Object(0)),
        (Kind::LeftDiff, &[CHAIR, DESK], metres(1.5)),
        (Kind::RightDiff, &[SHELF, DESK], metres(2.0)),
        (Kind::LeftRightClassify, &[SHELF, CHAIR], Word(Side::Right)),
        (Kind::BehindPredicate, &[SHELF, CHAIR], YesNo(true)),
        (Kind::FrontPredicate, &[SHELF, CHAIR], YesNo(false)),
        (Kind::BehindChoice, &[BALL, DESK], Object(1)),
        (Kind::FrontChoice, &[BALL, DESK], Object(0)),
        // From surface to surface: 4.8 − 2.75.
        (Kind::BehindDiff, &[SHELF, CHAIR], metres(2.05)),
        (Kind::FrontDiff, &[BALL, DESK], metres(1.7)),
        (Kind::BehindFrontClassify, &[CHAIR, DESK], Word(Side::Front)),
        (Kind::AbovePredicate, &[LAMP, DESK], YesNo(true)),
        (Kind::AbovePredicate, &[CHAIR, DESK], YesNo(false)),
        (Kind::BelowPredicate, &[LAMP, DESK], YesNo(false)),
        (Kind::BelowPredicate, &[DESK, LAMP], YesNo(true)),
        (Kind::AboveChoice, &[LAMP, DESK], Object(0)),
        (Kind::BelowChoice, &[LAMP, DESK], Object(1)),
        (Kind::AboveDiff, &[LAMP, DESK], metres(1.3)),
        (Kind::BelowDiff, &[DESK, LAMP], metres(1.75)),
        (Kind::AboveBelowClassify, &[DESK, LAMP], Word(Side::Below)),
        (Kind::TallPredicate, &[SHELF, DESK], YesNo(true)),
        (Kind::ShortPredicate, &[SHELF, DESK], YesNo(false)),
        (Kind::TallChoice, &[DESK, CHAIR], Object(1)),
        (Kind::ShortChoice, &[DESK, CHAIR], Object(0)),
        (Kind::TallShortClassify, &[DESK, CHAIR], Word(Side::Shorter)),
        (Kind::WidePredicate, &[DESK, SHELF], YesNo(true)),
        (Kind::ThinPredicate, &[DESK, SHELF], YesNo(false)),
        (Kind::WideThinClassify, &[CHAIR, DESK], Word(Side::Narrower)),
        (Kind::BigPredicate, &[DESK, CHAIR], YesNo(true)),
        (Kind::SmallPredicate, &[DESK, CHAIR], YesNo(false)),
        (Kind::Distance, &[DESK, LAMP], metres(1.0)),
        (Kind::VerticalDist, &[DESK, LAMP], metres(1.525)),
        (Kind::HorizontalDist, &[CHAIR, BALL], metres(2.1f64.hypot(1.0))),
        (Kind::CentreDistance, &[DESK, LAMP], metres(0.3f64.hypot(1.525))),
        (Kind::Height, &[SHELF], metres(2.0)),
        (Kind::Width, &[DESK], metres(1.6)),
        (Kind::Elevation, &[LAMP], metres(1.75)),
        (Kind::NearFarClassify, &[CHAIR, SHELF], Word(Side::Far)),
        (Kind::NearerChoice, &[CHAIR, SHELF, BALL], Object(0)),
        (Kind::FartherChoice, &[CHAIR, SHELF, BALL], Object(1)),
        (Kind::CompareDistances, &[BALL, CHAIR, SHELF], YesNo(true)),
        (Kind::BetweenPredicate, &[DESK, CHAIR, SHELF], YesNo(true)),
        (Kind::BetweenPredicate, &[CHAIR, DESK, SHELF], YesNo(false)),
        (Kind::ClockDirection, &[SHELF, BALL], Clock(1)),
        (Kind::ClockDirection, &[LAMP, SHELF], Clock(8)),
        (Kind::FitsUnder, &[CHAIR, SHELF], YesNo(true)),
        (Kind::FitsUnder, &[SHELF, CHAIR], YesNo(false)),
        (Kind::CountLeft, &[SHELF, CHAIR, DESK, BALL], Count(3)),
        (Kind::HeightDifference, &[SHELF, CHAIR], metres(1.1)),
        (Kind::TallerOfNearer, &[SHELF, DESK, CHAIR], Object(2)),
        (Kind::StackHeight, &[CHAIR, DESK], metres(1.65)),
        (Kind::McDepth, &[SHELF, BALL], TruthValue::Option(1)),
        (Kind::McDistance, &[BALL, SHELF, CHAIR], TruthValue::Option(1)),
    ];
    let mut asked: Vec<Kind> = Vec::new();
    for (kind, objects, right) in expected {
        let found =
            answer(&scene, &ask(*kind, objects)).unwrap_or_else(|e| panic!("{kind} of {objects:?}: {e}"));
        assert_same(found, *right);
        asked.push(*kind);
    }
    let ranked = |kind, rank, objects: &[u32]| answer(&scene, &Question { rank, ..ask(kind, objects) });
    assert_eq!(ranked(Kind::OrdinalLeft, 2, &[SHELF, CHAIR, DESK]), Ok(Object(2)));
    assert_eq!(ranked(Kind::OrdinalNear, 1, &[SHELF, CHAIR, BALL]), Ok(Object(2)));
    assert_eq!(ranked(Kind::OrdinalTall, 2, &[DESK, SHELF, CHAIR]), Ok(Object(2)));
    let options = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let relation =
        Question { options: options(&["right", "left"]), ..ask(Kind::McRelation, &[CHAIR, SHELF]) };
    assert_eq!(answer(&scene, &relation), Ok(TruthValue::Option(1)));
    let relation = Question { options: options(&["above", "below"]), ..ask(Kind::McRelation, &[LAMP, DESK]) };
    assert_eq!(answer(&scene, &relation), Ok(TruthValue::Option(0)));
    let count = Question { category: "chair".to_owned(), ..ask(Kind::Count, &[]) };
    assert_eq!(answer(&scene, &count), Ok(Count(1)));
    let count = Question { kind: Kind::McCount, options: options(&["2", "0", "1"]), ..count };
    assert_eq!(answer(&scene, &count), Ok(TruthValue::Option(2)));
    // Side by side: two boxes one metre apart, one that fits between and one that does not.
    let row = World::new(&[
        ("box", [-1.0, 4.0, 0.5], [1.0, 1.0, 1.0]),
        ("bin", [1.0, 4.0, 0.5], [1.0, 1.0, 1.0]),
        ("stool", [-0.5, 2.5, 0.25], [0.5, 0.5, 0.5]),
        ("bench", [0.7, 2.5, 0.25], [1.5, 1.4, 0.5]),
    ])
    .scene();
    assert_same(answer(&row, &ask(Kind::Gap, &[1, 2])).unwrap(), metres(1.0));
    assert_eq!(answer(&row, &ask(Kind::FitsBetween, &[3, 1, 2])), Ok(YesNo(true)));
    assert_eq!(answer(&row, &ask(Kind::FitsBetween, &[4, 1, 2])), Ok(YesNo(false)));
    asked.extend([Kind::Gap, Kind::FitsBetween, Kind::Count, Kind::McCount, Kind::McRelation]);
    asked.extend([Kind::OrdinalLeft, Kind::OrdinalNear, Kind::OrdinalTall]);
    assert!(Kind::ALL.iter().all(|kind| asked.contains(kind)), "a kind is not tested");
}

#[test]
fn what_is_missing_closes_its_gate() {
    let reject = |change: &dyn Fn(&mut Scene), kind, objects: &[u32]| {
        let mut scene = room().scene();
        change(&mut scene);
        answer(&scene, &ask(kind, objects)).expect_err("refused")
    };
    let shelf = (SHELF - 1) as usize;
    let pair = [SHELF, CHAIR];
    let no_gravity = |s: &mut Scene| {
        s.gravity = Gravity::Refused { refused: "no plane".to_owned() };
        s.frame = SceneFrame::CAMERA;
    };
    assert_eq!(reject(&no_gravity, Kind::TallPredicate, &pair), Reject::NoGravity);
    assert_eq!(reject(&|s| s.frame.grounded = false, Kind::Elevation, &[LAMP]), Reject::NoGround);
    assert_eq!(reject(&|s| s.metric = false, Kind::Height, &[SHELF]), Reject::NotMetric);
    assert_eq!(
        reject(&|s| s.objects[shelf].flags.truncated = true, Kind::Height, &[SHELF]),
        Reject::Truncated
    );
    assert_eq!(reject(&|s| s.objects[shelf].visible = Some(0.6), Kind::Height, &[SHELF]), Reject::Occluded);
    assert_eq!(
        reject(&|s| s.objects[shelf].visible = Some(0.2), Kind::LeftPredicate, &pair),
        Reject::Occluded
    );
    assert_eq!(reject(&|s| s.objects[shelf].pixels = 9, Kind::LeftPredicate, &pair), Reject::TooSmall);
    assert_eq!(
        reject(&|s| s.objects[shelf].flags.partial_depth = true, Kind::BigPredicate, &pair),
        Reject::PartialDepth
    );
    assert_eq!(
        reject(&|s| s.objects[shelf].pixel_centre[0] = 3.0, Kind::LeftPredicate, &pair),
        Reject::Disagrees2d
    );
    assert_eq!(reject(&|s| s.scale_sigma = 0.3, Kind::Height, &[SHELF]), Reject::Unsure);
    assert_eq!(reject(&|s| s.pairs.clear(), Kind::Distance, &pair), Reject::NoPair);
    assert_eq!(reject(&|_| (), Kind::LeftPredicate, &[LAMP, DESK]), Reject::Overlap);
    assert_eq!(reject(&|_| (), Kind::LeftDiff, &pair), Reject::FalsePremise);
    assert_eq!(reject(&|_| (), Kind::Gap, &[DESK, LAMP]), Reject::NotSideBySide);
    assert_eq!(reject(&|_| (), Kind::Gap, &pair), Reject::NotSideBySide);
    let count = |scene: &Scene, name: &str| {
        answer(scene, &Question { category: name.to_owned(), ..ask(Kind::Count, &[]) })
    };
    let mut scene = room().scene();
    assert_eq!(count(&scene, "unicorn"), Err(Reject::NotExhaustive));
    scene.exhaustive = false;
    assert_eq!(count(&scene, "chair"), Err(Reject::NotExhaustive));
    let full = World::new(&[
        ("box", [-1.0, 4.0, 0.5], [1.0, 1.0, 1.0]),
        ("bin", [1.0, 4.0, 0.5], [1.0, 1.0, 1.0]),
        ("cat", [0.0, 4.0, 0.2], [0.3, 0.3, 0.4]),
    ]);
    assert_eq!(answer(&full.scene(), &ask(Kind::Gap, &[1, 2])), Err(Reject::Obstructed));
    // A cup standing on a table is neither above it nor not above it.
    let cup = World::new(&[
        ("table", [0.0, 3.0, 0.4], [1.0, 1.0, 0.8]),
        ("cup", [0.0, 3.0, 0.85], [0.1, 0.1, 0.1]),
    ]);
    assert_eq!(answer(&cup.scene(), &ask(Kind::AbovePredicate, &[2, 1])), Err(Reject::Unsure));
    assert_eq!(answer(&cup.scene(), &ask(Kind::Distance, &[2, 1])), Err(Reject::Touching));
}

#[test]
fn uncertainty_lowers_confidence_and_then_closes_the_gate() {
    let confidence = |sigma| {
        let scene = World { sigma, ..room() }.scene();
        evaluate(&SceneIndex::new(&scene), &ask(Kind::LeftPredicate, &[CHAIR, DESK]), &Gates::default())
            .map(|truth| truth.confidence)
    };
    assert_eq!(confidence(0.0), Ok(1.0));
    // 1.5 m over √2 · 0.5 m is 2.12 standard deviations.
    assert!((confidence(0.5).unwrap() - 0.983).abs() < 1e-3);
    assert_eq!(confidence(0.6), Err(Reject::Unsure));
}

/// Scenes of five boxes, some standing, some floating; one in three uncertain.
fn worlds() -> impl Strategy<Value = World> {
    let one = (-2.0..2.0f64, 2.5..7.0f64, 0.0..1.2f64, 0.1..1.2f64, 0.1..1.2f64, 0.1..1.5f64);
    let sigma = prop_oneof![Just(0.0), Just(0.0), 0.01..0.1f64];
    (prop::collection::vec(one, 5), sigma).prop_map(|(boxes, sigma)| {
        let names = ["chair", "desk", "lamp", "chair", "ball"];
        let boxes = boxes.iter().zip(names).enumerate().map(|(at, (&(x, y, z, w, d, h), name))| {
            let foot = if at % 2 == 0 { 0.0 } else { z };
            (name, DVec3::new(x, y, foot + h / 2.0), DVec3::new(w, d, h))
        });
        World { boxes: boxes.collect(), sigma, ..World::new(&[]) }
    })
}

fn swapped(value: TruthValue) -> TruthValue {
    match value {
        TruthValue::YesNo(yes) => TruthValue::YesNo(!yes),
        TruthValue::Object(at) if at < 2 => TruthValue::Object(1 - at),
        TruthValue::Side(side) => TruthValue::Side(match side {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
            Side::Front => Side::Behind,
            Side::Behind => Side::Front,
            Side::Above => Side::Below,
            Side::Below => Side::Above,
            Side::Taller => Side::Shorter,
            Side::Shorter => Side::Taller,
            Side::Wider => Side::Narrower,
            Side::Narrower => Side::Wider,
            same => same,
        }),
        same => same,
    }
}

/// The same question with the words exchanged.
fn opposite(kind: Kind) -> Option<Kind> {
    let pairs = [
        (Kind::LeftPredicate, Kind::RightPredicate),
        (Kind::LeftChoice, Kind::RightChoice),
        (Kind::LeftDiff, Kind::RightDiff),
        (Kind::FrontPredicate, Kind::BehindPredicate),
        (Kind::FrontChoice, Kind::BehindChoice),
        (Kind::FrontDiff, Kind::BehindDiff),
        (Kind::AbovePredicate, Kind::BelowPredicate),
        (Kind::AboveChoice, Kind::BelowChoice),
        (Kind::TallPredicate, Kind::ShortPredicate),
        (Kind::TallChoice, Kind::ShortChoice),
        (Kind::WidePredicate, Kind::ThinPredicate),
        (Kind::BigPredicate, Kind::SmallPredicate),
        (Kind::NearerChoice, Kind::FartherChoice),
    ];
    pairs.iter().find_map(|&(p, q)| if kind == p { Some(q) } else { (kind == q).then_some(p) })
}

fn close(a: Result<TruthValue, Reject>, b: Result<TruthValue, Reject>) -> bool {
    match (a, b) {
        (Ok(TruthValue::Length(p)), Ok(TruthValue::Length(q))) => {
            (p.value - q.value).abs() < 1e-9 && (p.sigma - q.sigma).abs() < 1e-9
        }
        _ => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_asked_is_true_and_the_fast_way_agrees(world in worlds()) {
        let scene = world.scene();
        let (index, gates) = (SceneIndex::new(&scene), Gates::default());
        for &kind in Kind::ALL {
            for question in all_questions(&scene, kind) {
                let asked = evaluate(&index, &question, &gates);
                prop_assert_eq!(
                    evaluate_fast(&index, &question, &gates),
                    asked.as_ref().map(|t| (t.answer, t.confidence)).map_err(|e| *e)
                );
                if let Ok(asked) = asked {
                    let truth = truth(&index, &question);
                    prop_assert_eq!(truth.as_ref().map(|t| (t.answer, &t.proof)), Ok((asked.answer, &asked.proof)));
                    prop_assert!(asked.confidence >= 0.95);
                    prop_assert!(!asked.proof.facts.is_empty());
                    let form = match asked.answer {
                        TruthValue::YesNo(_) => AnswerForm::YesNo,
                        TruthValue::Object(_) => AnswerForm::Object,
                        TruthValue::Side(_) => AnswerForm::Side,
                        TruthValue::Length(_) => AnswerForm::Length,
                        TruthValue::Count(_) => AnswerForm::Count,
                        TruthValue::Clock(_) => AnswerForm::Clock,
                        TruthValue::Option(_) => AnswerForm::Option,
                    };
                    prop_assert_eq!(form, kind.form());
                }
            }
        }
    }

    #[test]
    fn exchanging_objects_or_words_turns_the_answer(world in worlds()) {
        let scene = world.scene();
        let index = SceneIndex::new(&scene);
        let gates = Gates::default();
        let of = |q: &Question| evaluate(&index, q, &gates).map(|t| t.answer);
        for &kind in Kind::ALL {
            let strict = matches!(kind, Kind::AbovePredicate | Kind::BelowPredicate);
            for question in all_questions(&scene, kind) {
                let Ok(found) = of(&question) else { continue };
                if let Some(other) = opposite(kind) {
                    let turned = of(&Question { kind: other, ..question.clone() });
                    if kind.form() == AnswerForm::Length {
                        prop_assert_eq!(turned, Err(Reject::FalsePremise));
                    } else if strict {
                        prop_assert!(found != TruthValue::YesNo(true) || turned == Ok(TruthValue::YesNo(false)));
                    } else {
                        prop_assert_eq!(turned, Ok(swapped(found)));
                    }
                }
                // Objects exchanged.
                if kind.objects() == 2 && (opposite(kind).is_some() || kind.form() == AnswerForm::Side) {
                    let back = of(&Question { objects: vec![question.objects[1], question.objects[0]], ..question.clone() });
                    match kind.form() {
                        AnswerForm::Length => prop_assert_eq!(back, Err(Reject::FalsePremise)),
                        _ if strict => prop_assert!(found != TruthValue::YesNo(true) || back == Ok(TruthValue::YesNo(false))),
                        _ => prop_assert_eq!(back, Ok(swapped(found))),
                    }
                }
                if matches!(kind, Kind::Gap | Kind::Distance | Kind::VerticalDist | Kind::HorizontalDist | Kind::CentreDistance) {
                    let back = of(&ask(kind, &[question.objects[1], question.objects[0]]));
                    prop_assert!(close(back, Ok(found)));
                }
            }
        }
    }

    #[test]
    fn orders_are_transitive(world in worlds()) {
        let scene = world.scene();
        let index = SceneIndex::new(&scene);
        let yes = |kind, a, b| {
            let found = evaluate(&index, &ask(kind, &[a, b]), &Gates::default());
            found.is_ok_and(|t| t.answer == TruthValue::YesNo(true))
        };
        for kind in [
            Kind::LeftPredicate, Kind::FrontPredicate, Kind::AbovePredicate, Kind::TallPredicate, Kind::WidePredicate,
            Kind::BigPredicate,
        ] {
            for a in 1..=5 { for b in 1..=5 { for c in 1..=5 {
                if a != b && b != c && a != c && yes(kind, a, b) && yes(kind, b, c) {
                    let ac = truth(&index, &ask(kind, &[a, c]));
                    prop_assert_eq!(ac.map(|t| t.answer), Ok(TruthValue::YesNo(true)));
                }
            } } }
        }
    }

    #[test]
    fn scaling_scales_lengths_and_nothing_else(world in worlds(), factor in 0.2..5.0f64) {
        let scene = world.scene();
        let larger = scaled(&scene, factor);
        let (index, other) = (SceneIndex::new(&scene), SceneIndex::new(&larger));
        for &kind in Kind::ALL {
            for question in all_questions(&scene, kind) {
                let Ok(found) = evaluate(&index, &question, &Gates::default()) else { continue };
                let there = truth(&other, &question);
                prop_assert!(there.is_ok());
                match (found.answer, there.unwrap().answer) {
                    (TruthValue::Length(p), TruthValue::Length(q)) => {
                        prop_assert!((p.value * factor - q.value).abs() < 1e-9 * (1.0 + q.value));
                        prop_assert!((p.sigma * factor - q.sigma).abs() < 1e-9);
                    }
                    (p, q) => prop_assert_eq!(p, q),
                }
            }
        }
    }

    #[test]
    fn a_mirror_exchanges_left_and_right_and_nothing_else(world in worlds(), roll in -0.2..0.2f64, pitch in -0.1..0.4f64) {
        let scene = World { roll, pitch, ..world }.scene();
        let mirrored = mirror(&scene);
        let (index, other) = (SceneIndex::new(&scene), SceneIndex::new(&mirrored));
        for &kind in Kind::ALL {
            for question in all_questions(&scene, kind) {
                let Ok(found) = evaluate(&index, &question, &Gates::default()) else { continue };
                let mut asked = question.clone();
                let expected = match kind {
                    Kind::LeftDiff | Kind::RightDiff => {
                        asked.kind = opposite(kind).unwrap();
                        found.answer
                    }
                    Kind::LeftPredicate | Kind::RightPredicate | Kind::LeftChoice | Kind::RightChoice
                    | Kind::LeftRightClassify => swapped(found.answer),
                    Kind::OrdinalLeft => {
                        asked.rank = 4 - asked.rank;
                        found.answer
                    }
                    Kind::CountLeft => match found.answer {
                        TruthValue::Count(n) => TruthValue::Count(question.objects.len() as u32 - 1 - n),
                        other => other,
                    },
                    Kind::ClockDirection => match found.answer {
                        TruthValue::Clock(h) if h < 12 => TruthValue::Clock(12 - h),
                        other => other,
                    },
                    Kind::McRelation if asked.options[0] == "left" => match found.answer {
                        TruthValue::Option(at) => TruthValue::Option(1 - at),
                        other => other,
                    },
                    _ => found.answer,
                };
                let there = truth(&other, &asked).map(|t| t.answer);
                prop_assert!(close(there, Ok(expected)), "{:?}: {:?} became {:?}", question, found.answer, there);
            }
        }
    }

    #[test]
    fn pitch_roll_and_yaw_do_not_change_what_gravity_defines(
        world in worlds(), pitch in -0.3..0.5f64, roll in -0.4..0.4f64, yaw in -0.3..0.3f64,
    ) {
        // Depth is along the optical axis and a picture is a picture: those may change with the camera.
        let of_camera = |kind: Kind| {
            kind.family() == crate::Family::Depth || kind.family() == crate::Family::Picture || kind == Kind::TallerOfNearer
        };
        // What is left and what is wide is a matter of where one looks.
        let of_heading = |kind: Kind| {
            use crate::Family::{Direction, Lateral, Wide};
            matches!(kind.family(), Direction | Lateral | Wide)
                || matches!(kind, Kind::Width | Kind::CountLeft | Kind::FitsBetween)
        };
        let level = world.scene();
        let tilted = World { pitch, roll, ..world.clone() }.scene();
        let turned = World { pitch, roll, yaw, ..world }.scene();
        let [level_at, tilted_at, turned_at] = [&level, &tilted, &turned].map(SceneIndex::new);
        for &kind in Kind::ALL {
            if of_camera(kind) { continue; }
            for question in all_questions(&level, kind) {
                let Ok(found) = evaluate(&level_at, &question, &Gates::default()) else { continue };
                for (index, free) in [(&tilted_at, true), (&turned_at, !of_heading(kind))] {
                    let there = truth(index, &question).map(|t| t.answer);
                    prop_assert!(!free || close(there, Ok(found.answer)), "{:?}: {:?} became {:?}", question, found.answer, there);
                }
            }
        }
    }

    #[test]
    fn no_question_panics(
        kind in prop::sample::select(Kind::ALL), objects in prop::collection::vec(0u32..9, 0..20), rank in 0u8..9,
        category in "[a-z]{0,3}|chair", options in prop::collection::vec("left|right|1|x|", 0..4),
    ) {
        let scene = room().scene();
        let index = SceneIndex::new(&scene);
        let question = Question { kind, objects, rank, category, options };
        let known = question.objects.iter().all(|&id| (1..=5).contains(&id));
        let found = truth(&index, &question);
        prop_assert!(known || found.is_err());
    }

    #[test]
    fn broken_numbers_never_give_a_confident_answer(
        field in 0usize..13, at in 0usize..3, value in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ) {
        let mut scene = room().scene();
        let object = &mut scene.objects[1];
        match field {
            0 => object.centre[at] = value,
            1 => object.centre_sigma[at] = value,
            2 => object.aabb.min[at] = value,
            3 => object.aabb.max[at] = value,
            4 => object.aabb.sigma_min[at] = value,
            5 => object.aabb.sigma_max[at] = value,
            6 => object.oriented.size[at] = value,
            7 => object.depth.near = value,
            8 => object.depth.median = value,
            9 => object.depth.far = value,
            10 => object.depth.sigma = value,
            11 => object.pixel_centre[0] = f32::NAN,
            _ => object.rect[at] = f32::NAN,
        }
        let index = SceneIndex::new(&scene);
        for &kind in Kind::ALL {
            for question in all_questions(&scene, kind) {
                if question.objects.contains(&2) {
                    prop_assert!(truth(&index, &question).is_err());
                }
            }
        }
        let mut scene = room().scene();
        scene.scale_sigma = value;
        scene.pairs.iter_mut().for_each(|pair| pair.distance.sigma = value);
        let index = SceneIndex::new(&scene);
        for kind in Kind::ALL.iter().filter(|kind| kind.is_quantitative()) {
            for question in all_questions(&scene, *kind) {
                prop_assert!(truth(&index, &question).is_err());
            }
        }
    }
}

#[test]
fn malformed_questions_are_told_apart() {
    let scene = room().scene();
    let index = SceneIndex::new(&scene);
    let of = |question: &Question| truth(&index, question).expect_err("refused");
    for &kind in Kind::ALL {
        assert_eq!(of(&ask(kind, &(1..=200).collect::<Vec<_>>())), Reject::Malformed);
        assert!(matches!(of(&ask(kind, &[])), Reject::Malformed));
    }
    assert_eq!(of(&ask(Kind::LeftPredicate, &[1, 1])), Reject::SameObject);
    assert_eq!(of(&ask(Kind::LeftPredicate, &[1, 77])), Reject::UnknownObject);
    assert_eq!(of(&Question { rank: 4, ..ask(Kind::OrdinalLeft, &[1, 2, 3]) }), Reject::Malformed);
    let mut twice = room().scene();
    twice.objects[1].id = 1;
    assert_eq!(truth(&SceneIndex::new(&twice), &ask(Kind::Height, &[1])), Err(Reject::UnknownObject));
}
