use std::path::{Path, PathBuf};

use plumb_bench::Benchmark;

use super::*;
use crate::protocol::{EventKind, Outcome, Request};
use crate::testing::{self, Bench};

const ROWS: usize = 6;

fn request(row: usize, image: RerunImage) -> Rerun {
    Rerun {
        bench: "demo".into(),
        row,
        prompt: None,
        options: None,
        image,
        preset: PromptPreset::Official,
        scoring: Scoring::Loglik,
        max_tokens: 8,
    }
}

fn ask(bench: &Bench, rerun: Rerun) -> std::result::Result<RerunOutcome, String> {
    let Rerun { bench: place, row, prompt, options, image, preset, scoring, max_tokens } = rerun;
    let model = testing::demo_model();
    let request =
        Request::Rerun { model, bench: place, row, prompt, options, image, preset, scoring, max_tokens };
    testing::through_json(&request);
    match bench.ask(request).0? {
        Outcome::Rerun(outcome) => Ok(testing::through_json(&*outcome)),
        other => panic!("{other:?}"),
    }
}

fn samples() -> Vec<Sample> {
    Benchmark::open(testing::pack().benchmark().unwrap()).unwrap().samples().to_vec()
}

fn logprobs(outcome: &RerunOutcome) -> Vec<f64> {
    outcome.ask.options.iter().map(|option| option.logprob).collect()
}

fn records(folder: &Path) -> Vec<Prediction> {
    plumb_store::runs::read_records(folder).unwrap()
}

#[test]
fn unchanged_it_is_what_the_evaluation_recorded() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let out = folder.path().join("run");
    let (done, events) = bench.ask(testing::eval(out.clone(), Scoring::Loglik, ImageMode::Full, ROWS));
    done.unwrap();
    let live: Vec<(Option<bool>, Option<usize>, Option<f64>)> = events
        .into_iter()
        .filter_map(|event| match testing::through_json(&event) {
            EventKind::Sample { correct, chosen, seconds, .. } => Some((correct, chosen, seconds)),
            _ => None,
        })
        .collect();
    assert_eq!(live.len(), ROWS);
    for ((sample, record), (correct, chosen, seconds)) in samples().iter().zip(records(&out)).zip(live) {
        let got = ask(&bench, request(sample.row, RerunImage::Full)).unwrap();
        assert_eq!(Some(logprobs(&got)), record.option_logprobs);
        assert_eq!(got.probabilities, record.probabilities(sample.options.len()));
        assert_eq!(Some(&got.sent), record.prompt.as_ref());
        assert_eq!((Some(got.correct), got.chosen, got.gold), (correct, chosen, sample.gold));
        assert_eq!(got.correct, got.chosen == Some(sample.gold));
        assert!(got.ask.frames > 0 && seconds.unwrap() > 0.0);
    }
    let blind = folder.path().join("blind");
    bench.ask(testing::eval(blind.clone(), Scoring::Loglik, ImageMode::Blind, 1)).0.unwrap();
    let got = ask(&bench, request(samples()[0].row, RerunImage::Blind)).unwrap();
    assert_eq!((Some(logprobs(&got)), got.ask.frames), (records(&blind)[0].option_logprobs.clone(), 0));
}

#[test]
fn text_is_read_by_the_parser_of_the_evaluation() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let out = folder.path().join("run");
    bench.ask(testing::eval(out.clone(), Scoring::Generate, ImageMode::Full, 3)).0.unwrap();
    for (sample, record) in samples().iter().zip(records(&out)) {
        let rerun = Rerun { scoring: Scoring::Generate, ..request(sample.row, RerunImage::Full) };
        let got = ask(&bench, rerun).unwrap();
        assert_eq!(Some(&got.ask.answer), record.raw.as_ref());
        let parsed = eval::parser_of(Scoring::Generate).parse(sample, &record);
        assert_eq!((got.chosen, got.status), (parsed.choice, parsed.status));
        assert!(got.probabilities.is_none() && got.ask.options.is_empty());
    }
}

#[test]
fn options_in_another_order_come_back_in_their_own() {
    let _alone = testing::alone();
    let bench = Bench::new();
    let samples = samples();
    let sample = samples.iter().max_by_key(|sample| sample.options.len()).unwrap();
    let n = sample.options.len();
    assert!(n >= 3, "{n} options");
    let plain = ask(&bench, request(sample.row, RerunImage::Full)).unwrap();
    let with = |order: &[usize]| {
        let rerun = Rerun { options: Some(order.to_vec()), ..request(sample.row, RerunImage::Full) };
        ask(&bench, rerun).unwrap()
    };
    let same = with(&(0..n).collect::<Vec<_>>());
    assert_eq!((logprobs(&same), same.sent), (logprobs(&plain), plain.sent.clone()));

    let order: Vec<usize> = (0..n).map(|i| (i + 1) % n).collect();
    let turned = with(&order);
    let lines: Vec<&str> = turned.sent.lines().filter(|line| line.starts_with('(')).collect();
    let (mut best, mut highest) = (0, f64::NEG_INFINITY);
    for (shown, &own) in order.iter().enumerate() {
        let option = &turned.ask.options[shown];
        assert_eq!(option.text, sample.options[own]);
        assert_eq!(lines[shown], format!("({}) {}", letter(shown), sample.options[own]));
        assert_eq!(turned.probabilities.as_ref().unwrap()[own], option.probability);
        if option.logprob > highest {
            (best, highest) = (own, option.logprob);
        }
    }
    assert_ne!(turned.sent, plain.sent);
    assert_eq!((turned.chosen, turned.gold), (Some(best), sample.gold));
    assert_eq!(turned.ask.answer, sample.options[best]);
    assert_eq!(turned.correct, best == sample.gold);
}

#[test]
fn another_picture_is_another_answer_and_the_same_one_is_the_same() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let sample = &samples()[0];
    let plain = logprobs(&ask(&bench, request(sample.row, RerunImage::Full)).unwrap());
    for image in [RerunImage::Flipped, RerunImage::Blank, RerunImage::Blind] {
        let got = ask(&bench, request(sample.row, image.clone())).unwrap();
        let difference: f64 = logprobs(&got).iter().zip(&plain).map(|(a, b)| (a - b).abs()).sum();
        assert!(difference > 1e-4, "{image:?}: {difference}");
    }
    let own = Benchmark::open(testing::pack().benchmark().unwrap()).unwrap();
    let image = plumb_image::decode(&own.image(sample.row).unwrap(), &Limits::default()).unwrap();
    let save = |name: &str, image: &RgbImage| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, plumb_image::encode_png(image).unwrap()).unwrap();
        path
    };
    let file = |path| ask(&bench, request(sample.row, RerunImage::File { path }));
    assert_eq!(logprobs(&file(save("same.png", &image)).unwrap()), plain);
    let mirror = file(save("mirror.png", &image.flip_horizontal())).unwrap();
    let flipped = ask(&bench, request(sample.row, RerunImage::Flipped)).unwrap();
    assert_eq!(logprobs(&mirror), logprobs(&flipped));
}

#[test]
fn the_persons_words_are_sent_as_they_are() {
    let _alone = testing::alone();
    let bench = Bench::new();
    let sample = &samples()[0];
    let words = "Which one?\n(A) this\n(B) that".to_owned();
    let rerun = Rerun { prompt: Some(words.clone()), ..request(sample.row, RerunImage::Full) };
    let got = ask(&bench, rerun).unwrap();
    assert_eq!(got.sent, words);
    assert!(got.ask.prompt.contains(&words), "{}", got.ask.prompt);
    let plain = ask(&bench, request(sample.row, RerunImage::Full)).unwrap();
    assert_ne!(logprobs(&got), logprobs(&plain));
}

#[test]
fn what_cannot_be_asked_is_a_sentence() {
    let _alone = testing::alone();
    let bench = Bench::new();
    let row = samples()[0].row;
    let full = || request(row, RerunImage::Full);
    let order = |order: &[usize]| Rerun { options: Some(order.to_vec()), ..full() };
    let file = |path: &str| request(row, RerunImage::File { path: path.into() });
    let cases: Vec<(Rerun, &str)> = vec![
        (request(1_000_000, RerunImage::Full), "row 1000000 of"),
        (order(&[]), "each of their indices once"),
        (order(&[0]), "each of their indices once"),
        (order(&[0, 0]), "each of their indices once"),
        (order(&[1, usize::MAX]), "each of their indices once"),
        (file("/no/such/picture.png"), "/no/such/picture.png"),
        (file("/"), "cannot"),
        (Rerun { bench: "/no/such/bench.parquet".into(), ..full() }, "/no/such/bench.parquet"),
        (Rerun { bench: testing::pack().model().unwrap(), ..full() }, "holds no benchmark"),
    ];
    for (rerun, why) in cases {
        let sentence = ask(&bench, rerun).unwrap_err();
        assert!(sentence.contains(why), "{why}: {sentence}");
    }
}

#[test]
fn a_mirror_exchanges_left_and_right_and_nothing_else() {
    let gold = |options: &[&str], gold| mirrored(&Sample::multiple_choice("0", "Where?", options, gold));
    assert_eq!((gold(&["left", "right"], 0), gold(&["Right", " left"], 0)), (1, 1));
    assert_eq!(gold(&["above", "below"], 1), 1);
    assert_eq!(gold(&["left", "right", "3"], 2), 2);
    assert_eq!(gold(&["the left lamp", "the right lamp"], 0), 0);
}

#[test]
fn a_prompt_that_lists_its_options_otherwise_is_not_reordered() {
    let mut sample = Sample::multiple_choice("0", "Which?", &["a", "b"], 1);
    let rerun = Rerun { options: Some(vec![1, 0]), ..request(0, RerunImage::Full) };
    assert!(rerun.reorder(&sample, &[1, 0]).unwrap().prompt.ends_with("\n(A) b\n(B) a"));
    sample.prompt = "a or b?".into();
    let sentence = rerun.reorder(&sample, &[1, 0]).unwrap_err().to_string();
    assert!(sentence.contains("write the prompt yourself"), "{sentence}");
    let own = Rerun { prompt: Some("b or a?".into()), ..rerun };
    let turned = own.reorder(&sample, &[1, 0]).unwrap();
    assert_eq!((turned.gold, turned.options), (0, vec!["b".to_owned(), "a".to_owned()]));
}
