use super::*;
use crate::generate::{GenerateOptions, Generator};
use crate::pair::Side;
use crate::random_scenes::random_scene;
use crate::template::Templates;

fn pairs(kinds: &[Kind], scenes: u64, per_image: usize) -> Vec<QaPair> {
    let templates = Templates::builtin().expect("the templates compiled in");
    let options = GenerateOptions { kinds: kinds.to_vec(), per_image, ..GenerateOptions::default() };
    let generator = Generator::new(templates, options);
    (0..scenes).flat_map(|seed| generator.generate(&random_scene(seed))).collect()
}

fn report(pairs: &[QaPair]) -> BlindReport {
    let mut report = BlindReport::new();
    pairs.iter().for_each(|pair| report.observe(pair));
    report
}

fn right(score: &BlindScore, kind: Kind, guesser: Guesser) -> f64 {
    score.rows.iter().find(|row| row.kind == kind).expect("a row").right[&guesser]
}

#[test]
fn each_leak_shows_in_its_own_column() {
    let clean = pairs(&[Kind::LeftPredicate, Kind::McRelation, Kind::McCount], 250, 24);
    let score = report(&clean).score();
    for guesser in [Guesser::Majority, Guesser::Template, Guesser::Attributes] {
        let share = right(&score, Kind::LeftPredicate, guesser);
        assert!((0.43..0.57).contains(&share), "{guesser:?}: {share}");
    }
    for (kind, guesser) in [(Kind::McRelation, Guesser::Place), (Kind::McCount, Guesser::Place)] {
        let share = right(&score, kind, guesser);
        let chance = score.rows.iter().find(|row| row.kind == kind).expect("a row").chance;
        assert!((share - chance).abs() < 0.1, "{kind} {guesser:?}: {share} against {chance}");
    }

    let leak = |change: &dyn Fn(&mut QaPair)| {
        let mut leaky = clean.clone();
        leaky.iter_mut().for_each(change);
        report(&leaky).score()
    };
    // All yes.
    let score = leak(&|pair| {
        if pair.question.kind == Kind::LeftPredicate {
            pair.answer = Answer::YesNo(true);
        }
    });
    assert!(right(&score, Kind::LeftPredicate, Guesser::Majority) > 0.999);
    // Yes for every second template.
    let score = leak(&|pair| {
        if pair.question.kind == Kind::LeftPredicate {
            pair.answer = Answer::YesNo(pair.question_template % 2 == 0);
        }
    });
    assert!(right(&score, Kind::LeftPredicate, Guesser::Template) > 0.99);
    assert!(right(&score, Kind::LeftPredicate, Guesser::Attributes) < 0.65);
    // Options in ascending order, and the second right: CV-Bench's kind of leak.
    let score = leak(&|pair| {
        if pair.question.kind == Kind::McCount {
            pair.question.options.sort();
            pair.answer = Answer::Option(1);
        }
    });
    assert!(right(&score, Kind::McCount, Guesser::Rank) > 0.999);
    assert!(right(&score, Kind::McCount, Guesser::Place) > 0.999);
    // What the nouns say.
    let score = leak(&|pair| {
        if pair.question.kind == Kind::LeftPredicate {
            let said = |role: usize| pair.mentions.get(role).and_then(said_noun).unwrap_or("").to_owned();
            pair.answer = Answer::YesNo(said(0) < said(1));
        }
    });
    assert!(right(&score, Kind::LeftPredicate, Guesser::Nouns) > 0.85);
    assert!(score.to_string().lines().count() > score.rows.len());
}

#[test]
fn lengths_are_guessed_by_the_median() {
    let mut all = pairs(&[Kind::Height], 120, 8);
    let score = report(&all).score();
    assert!(right(&score, Kind::Height, Guesser::Nouns) > right(&score, Kind::Height, Guesser::Majority));
    for pair in &mut all {
        let Answer::Length(quantity) = &mut pair.answer else { panic!("{:?}", pair.answer) };
        quantity.value_m = 1.0;
    }
    let score = report(&all).score();
    assert!((score.rows[0].close[&Guesser::Majority] - 1.0).abs() < 1e-12);
    assert_eq!(score.rows[0].excess(), 0.0);
}

#[test]
fn shards_add_up_and_survive_json() {
    let all = pairs(&[Kind::LeftRightClassify, Kind::Distance], 40, 10);
    let mut merged = BlindReport::new();
    for part in all.chunks(97) {
        merged.merge(&report(part));
    }
    let whole = report(&all);
    assert_eq!(merged.pairs(), all.len() as u64);
    assert_eq!(merged, whole);
    let text = serde_json::to_string(&whole).expect("json");
    assert_eq!(serde_json::from_str::<BlindReport>(&text).expect("a report"), whole);
    assert_eq!(merged.score(), whole.score());
    assert!(all.iter().any(|pair| pair.answer == Answer::Side(Side::Left)));
}

#[test]
fn bins_are_finer_than_the_bands() {
    assert!((bin_ratio(length_bin(2.0), length_bin(1.0)) - 2.0).abs() < 0.05);
    assert_eq!(length_bin(f64::NAN), 0);
    assert_eq!(length_bin(f64::INFINITY), 4000);
}
