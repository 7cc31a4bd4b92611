use std::collections::BTreeMap;

use plumb_qa::{
    Answer, Kind, LengthStyle, MentionOptions, QaPair, SceneIndex, Side, Templates, TruthValue, check_pair,
    parse_length, to_cvbench, truth, verify_text,
};
use plumb_scene::Scene;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::made;
use crate::data::crop::{crop_pair, crop_scene};
use crate::data::mirror::{Wording, mirror_kind, mirror_pair, mirror_question, mirror_scene};
use crate::data::noise::{Noise, noisy_pair};
use crate::data::words::mirror_texts;

fn with_wording<T>(work: impl FnOnce(&Wording<'_>) -> T) -> T {
    let (lengths, mentions) = (LengthStyle::default(), MentionOptions::default());
    work(&Wording { templates: Templates::builtin().unwrap(), lengths: &lengths, mentions: &mentions })
}

/// Equal, but for the last bits of fractional pixels and of the marks made from them.
fn same_scene(a: &Scene, b: &Scene) {
    let (mut a, mut b) = (a.clone(), b.clone());
    for (p, q) in a.objects.iter_mut().zip(&mut b.objects) {
        assert!((p.pixel_centre[0] - q.pixel_centre[0]).abs() < 1e-4);
        assert!(p.rect.iter().zip(q.rect).all(|(x, y)| (x - y).abs() < 1e-4));
        p.pixel_centre = q.pixel_centre;
        p.rect = q.rect;
    }
    assert_eq!(a, b);
}

fn same_pair(a: &QaPair, b: &QaPair) {
    let (mut a, b) = (a.clone(), b.clone());
    for (p, q) in a.proof.facts.iter_mut().zip(&b.proof.facts) {
        assert!((p.value - q.value).abs() <= 1e-6 * q.value.abs().max(1.0), "{p:?} {q:?}");
        p.value = q.value;
    }
    for (p, q) in a.proof.points.iter_mut().flatten().zip(b.proof.points.iter().flatten()) {
        assert!((*p - q).abs() <= 1e-9);
        *p = *q;
    }
    assert_eq!(a, b);
}

/// The answer with left and right exchanged by rule, without looking at the mirrored scene.
fn exchanged(pair: &QaPair, index: &SceneIndex<'_>) -> Answer {
    match (&pair.answer, pair.question.kind) {
        (Answer::Side(Side::Left), _) => Answer::Side(Side::Right),
        (Answer::Side(Side::Right), _) => Answer::Side(Side::Left),
        (Answer::Clock(hour), _) => Answer::Clock(match (12 - hour) % 12 {
            0 => 12,
            other => other,
        }),
        // Those that are not to the left are to the right.
        (Answer::Count(count), Kind::CountLeft) => {
            Answer::Count(u32::try_from(pair.question.objects.len()).unwrap() - 1 - count)
        }
        // The n-th from the left is the n-th last from the right.
        (Answer::Object(_), Kind::OrdinalLeft) => {
            let x = |id: &u32| index.facts()[index.find(*id).unwrap()].centre.x;
            let mut order: Vec<u32> = pair.question.objects.clone();
            order.sort_by(|a, b| x(b).total_cmp(&x(a)));
            let id = order[usize::from(pair.question.rank) - 1];
            let role = pair.question.objects.iter().position(|other| *other == id).unwrap();
            Answer::Object(u8::try_from(role).unwrap())
        }
        (answer, _) => answer.clone(),
    }
}

#[test]
fn the_mirrored_scene_gives_the_exchanged_answer_to_every_question() {
    let mut kinds: BTreeMap<Kind, (u32, u32)> = BTreeMap::new();
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    for made in made() {
        let mirrored = mirror_scene(&made.scene);
        let (before, after) = (SceneIndex::new(&made.scene), SceneIndex::new(&mirrored));
        for pair in &made.pairs {
            let kind = pair.question.kind;
            let seen = kinds.entry(kind).or_default();
            seen.0 += 1;
            let wanted = exchanged(pair, &before);
            // The geometry alone, without a word made.
            let found = truth(&after, &mirror_question(&pair.question)).unwrap().answer;
            let agrees = match (found, &wanted) {
                (TruthValue::Length(found), Answer::Length(wanted)) => {
                    (found.value - wanted.value_m).abs() <= 1e-9 * wanted.value_m
                }
                (TruthValue::YesNo(found), Answer::YesNo(wanted)) => found == *wanted,
                (TruthValue::Side(found), Answer::Side(wanted)) => found == *wanted,
                (TruthValue::Count(found), Answer::Count(wanted)) => found == *wanted,
                (TruthValue::Object(found), Answer::Object(wanted))
                | (TruthValue::Clock(found), Answer::Clock(wanted))
                | (TruthValue::Option(found), Answer::Option(wanted)) => found == *wanted,
                _ => false,
            };
            assert!(agrees, "{kind}: {found:?} {wanted:?}");
            match with_wording(|wording| mirror_pair(pair, &made.scene, &mirrored, wording)) {
                Ok(flipped) => {
                    seen.1 += 1;
                    assert_eq!(flipped.answer, wanted, "{kind}");
                    assert_eq!(flipped.question.kind, mirror_kind(kind));
                    assert_eq!(check_pair(&after, &flipped).correct, Some(true));
                    let back = with_wording(|wording| {
                        mirror_pair(&flipped, &mirrored, &mirror_scene(&mirrored), wording)
                    });
                    same_pair(&back.unwrap(), pair);
                }
                Err(reason) => *refused.entry(format!("{kind}: {reason}")).or_default() += 1,
            }
        }
        same_scene(&mirror_scene(&mirrored), &made.scene);
        // The camera sees every centre where the mirror image has it.
        let width = f64::from(made.scene.image.width);
        for (object, other) in made.scene.objects.iter().zip(&mirrored.objects) {
            let see = |scene: &Scene, object: &plumb_scene::Object| {
                scene.camera.project(scene.frame.point_to_camera(object.position()))
            };
            if let (Some(p), Some(q)) = (see(&made.scene, object), see(&mirrored, other)) {
                assert!((width - p.x - q.x).abs() < 1e-6 * width && (p.y - q.y).abs() < 1e-6 * width);
            }
        }
    }
    let (all, done) = kinds.values().fold((0, 0), |(all, done), seen| (all + seen.0, done + seen.1));
    assert!(all > 1500 && kinds.len() > 50, "{all} pairs of {} kinds", kinds.len());
    assert!(f64::from(done) > 0.97 * f64::from(all), "{done} of {all}: {refused:?}");
    assert!(kinds.values().all(|seen| seen.1 > 0), "{kinds:?}");
}

#[test]
fn words_exchanged_in_a_text_say_what_the_mirrored_scene_says() {
    let parse = |text: &str| parse_length(text).map(|length| (length.metres, length.tolerance));
    let (mut tried, mut sided) = (0, 0);
    for made in made() {
        let mirrored = mirror_scene(&made.scene);
        let index = SceneIndex::new(&mirrored);
        for pair in &made.pairs {
            // Counted from the left in the words, from the right after exchange: another question than the type asks.
            if matches!(pair.question.kind, Kind::OrdinalLeft | Kind::CountLeft)
                || pair.question.kind.is_quantitative()
            {
                continue;
            }
            let Ok(texts) = mirror_texts(&[&pair.question_text, &pair.answer_text]) else { continue };
            tried += 1;
            sided += u32::from(texts[1] != pair.answer_text);
            let flipped = with_wording(|wording| mirror_pair(pair, &made.scene, &mirrored, wording));
            let Ok(flipped) = flipped else { continue };
            // The middle one of three is the second from either side: named as in the exchanged text.
            let mut mentions = pair.mentions.clone();
            for mention in &mut mentions {
                if let Ok(mut said) = mirror_texts(&[&mention.text]) {
                    mention.text = said.remove(0);
                }
            }
            let verdict = verify_text(&index, &flipped.question, &texts[1], &parse, &mentions);
            assert_eq!(verdict.correct, Some(true), "{texts:?} {} {}", pair.answer_text, verdict.reason);
        }
    }
    assert!(tried > 800 && sided > 60, "{tried} {sided}");
}

#[test]
fn a_benchmark_row_in_a_mirror_is_the_row_of_the_mirrored_scene() {
    let prompt = plumb_bench::PromptPreset::Official;
    let (mut rows, mut sided) = (0, 0);
    for made in made() {
        let mirrored = mirror_scene(&made.scene);
        let image = made.image.flip_horizontal();
        for pair in &made.pairs {
            let Ok((row, _)) = to_cvbench(pair, &made.scene, &made.image, 0) else { continue };
            let flipped = with_wording(|wording| mirror_pair(pair, &made.scene, &mirrored, wording));
            let Ok(flipped) = flipped else { continue };
            let (wanted, _) = to_cvbench(&flipped, &mirrored, &image, 0).unwrap();
            // Only words, as for a file without geometry.
            let text = prompt.render(&row).user_text;
            // A clock may show the time: words alone do not know.
            let Ok(said) = mirror_texts(&[&text, &row.options[row.gold]]) else { continue };
            assert_eq!(said[0], prompt.render(&wanted).user_text);
            assert_eq!(said[1], wanted.options[wanted.gold]);
            assert_eq!(row.gold_letter(), wanted.gold_letter());
            rows += 1;
            sided += u32::from(said[0] != text);
        }
    }
    assert!(rows > 100 && sided > 10, "{rows} {sided}");
}

#[test]
fn a_crop_keeps_lengths_and_counts_what_is_left() {
    let (mut lengths, mut counts, mut changed, mut refused) = (0, 0, 0, 0);
    for made in made() {
        for window in [[0, 0, 320, 240], [20, 15, 280, 210], [0, 40, 200, 150], [100, 60, 220, 165]] {
            let Ok(cropped) = crop_scene(&made.scene, window) else { continue };
            let index = SceneIndex::new(&cropped.scene);
            let [x, y, ..] = window.map(f64::from);
            for object in &cropped.scene.objects {
                let old = &made.scene.objects[made.scene.index_of(object.id).unwrap()];
                assert_eq!(old.aabb, object.aabb);
                let see = |scene: &Scene| scene.camera.project(scene.frame.point_to_camera(old.position()));
                if let (Some(p), Some(q)) = (see(&made.scene), see(&cropped.scene)) {
                    assert!((p.x - x - q.x).abs() < 1e-6 && (p.y - y - q.y).abs() < 1e-6);
                }
            }
            for pair in &made.pairs {
                let made_again = with_wording(|w| crop_pair(pair, &made.scene, &cropped, window, w));
                let Ok(again) = made_again else {
                    refused += 1;
                    continue;
                };
                assert_eq!(check_pair(&index, &again).correct, Some(true));
                match pair.question.kind {
                    Kind::Count | Kind::McCount => {
                        counts += 1;
                        changed += u32::from(again.answer != pair.answer);
                        let inside = |o: &&plumb_scene::Object| o.name == pair.question.category;
                        let count = cropped.scene.objects.iter().filter(inside).count();
                        assert!(again.answer_text != pair.answer_text || again.answer == pair.answer);
                        if let Answer::Count(said) = again.answer {
                            assert_eq!(said as usize, count);
                        }
                    }
                    _ => assert_eq!(again.answer, pair.answer),
                }
                lengths += u32::from(matches!(pair.answer, Answer::Length(_)));
            }
        }
        // The whole picture is a window that changes nothing.
        let whole = crop_scene(&made.scene, [0, 0, 320, 240]).unwrap();
        assert_eq!((&whole.scene, whole.fragments.len()), (&made.scene, 0));
        for bad in [[0, 0, 321, 240], [1, 0, 320, 240], [0, 0, 0, 5], [u32::MAX, 0, 2, 2]] {
            assert!(crop_scene(&made.scene, bad).is_err());
        }
    }
    assert!(
        lengths > 300 && counts > 20 && changed > 0 && refused > 300,
        "{lengths} {counts} {changed} {refused}"
    );
}

#[test]
fn noise_has_its_deviation_and_is_said() {
    let noise = Noise { sigma_m: 0.2, log_sigma: 0.0, per_epoch: false };
    let log = Noise { sigma_m: 0.0, log_sigma: 0.3, per_epoch: false };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut added, mut factors) = (Vec::new(), Vec::new());
    with_wording(|wording| {
        for pair in made().iter().flat_map(|made| &made.pairs) {
            let Answer::Length(said) = &pair.answer else {
                assert_eq!(noisy_pair(pair, &noise, wording, &mut rng).unwrap(), None);
                continue;
            };
            assert_eq!(noisy_pair(pair, &Noise::default(), wording, &mut rng).unwrap(), None);
            let value = |noise: &Noise, rng: &mut ChaCha8Rng| {
                let noisy = noisy_pair(pair, noise, wording, rng).unwrap()?;
                let Answer::Length(length) = &noisy.answer else { panic!("{noisy:?}") };
                assert!(noisy.answer_text.to_lowercase().contains(&length.text), "{noisy:?}");
                assert_eq!(noisy.question_text, pair.question_text);
                Some(length.value_m)
            };
            // Where the noise could not make a length negative, its distribution is whole.
            if said.value_m > 1.2 {
                added.extend(value(&noise, &mut rng).map(|value| value - said.value_m));
                factors.extend(value(&log, &mut rng).map(|value| (value / said.value_m).ln()));
            }
        }
    });
    for (found, wanted) in [(&added, 0.2), (&factors, 0.3)] {
        let n = found.len() as f64;
        let mean = found.iter().sum::<f64>() / n;
        let deviation = (found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Four standard errors of mean and deviation.
        assert!(n > 200.0 && mean.abs() < 4.0 * wanted / n.sqrt(), "{n} {mean}");
        assert!((deviation - wanted).abs() < 4.0 * wanted / (2.0 * n).sqrt(), "{n} {deviation}");
    }
    for bad in [-0.1, f64::NAN, f64::INFINITY, 1e9] {
        assert!(Noise { sigma_m: bad, ..noise }.check().is_err());
        assert!(Noise { log_sigma: bad, ..noise }.check().is_err());
    }
}
