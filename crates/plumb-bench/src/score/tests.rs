use super::*;
use crate::sample::{Kind, Task};

/// A benchmark with CV-Bench's real numbers of rows, options and sources. Which Count rows have how many options is
/// known in total only, so they are dealt out in turn; chance per source is then that of the specification.
fn synthetic() -> Vec<Sample> {
    let mut out = Vec::new();
    // 788 Count rows: 493 with 4 options, 156 with 5, 139 with 6.
    let mut counts: Vec<usize> = [vec![4; 493], vec![5; 156], vec![6; 139]].concat();
    let mut dealt = Vec::new();
    for i in 0..788 {
        dealt.push(counts[(i * 467) % 788]);
    }
    counts = dealt;
    for (task, source, n) in [
        (Task::Count, "ADE20K", 341),
        (Task::Relation, "ADE20K", 292),
        (Task::Count, "COCO", 447),
        (Task::Relation, "COCO", 358),
        (Task::Depth, "Omni3D", 600),
        (Task::Distance, "Omni3D", 600),
    ] {
        for i in 0..n {
            let id = out.len();
            let mut s = if task == Task::Count {
                let k = counts.pop().unwrap();
                // 0 and a run of consecutive numbers, with the truth where the structure prior looks.
                let mut numbers: Vec<usize> = (i % 5 + 1..i % 5 + k).collect();
                let gold = numbers[k - 4];
                numbers.rotate_left(i % (k - 1));
                numbers.insert(i % k, 0);
                let options: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let at = numbers.iter().position(|&n| n == gold).unwrap();
                Sample::multiple_choice(&id.to_string(), "How many?", &options, at)
            } else {
                Sample::multiple_choice(&id.to_string(), "Which?", &["x", "y"], (i * 7 / 3) % 2)
            };
            s.idx = id as i64;
            s.row = id;
            s.kind = task.kind().unwrap();
            s.task = task.clone();
            s.source = source.to_owned();
            s.source_filename = format!("{source}/{}", id / 2);
            s.filename = match (s.kind, i % 600 / 200) {
                (Kind::TwoD, _) => format!("img/2D/{source}_{i}.png"),
                (_, 0) => format!("img/3D/omni3d_hypersim_{i}.png"),
                (_, 1) => format!("img/3D/omni3d_sunrgbd_{i}.png"),
                _ => format!("img/3D/omni3d_nuscenes_{i}.png"),
            };
            out.push(s);
        }
    }
    out
}

fn answers(samples: &[Sample], mut choose: impl FnMut(usize, &Sample) -> usize) -> Vec<Prediction> {
    samples
        .iter()
        .enumerate()
        .map(|(i, s)| Prediction::text(&*s.id, format!("({})", crate::sample::letter(choose(i, s)))))
        .collect()
}

fn quick() -> ReportOptions {
    ReportOptions { resamples: 400, ..ReportOptions::default() }
}

fn build(samples: &[Sample], predictions: &[Prediction]) -> Report {
    Report::build(samples, predictions, Parser::Strict, &quick())
}

fn baseline<'a>(report: &'a Report, name: &str) -> &'a Baseline {
    report.baselines.iter().find(|b| b.name == name).unwrap()
}

fn near(value: Option<f64>, wanted: f64, tolerance: f64) {
    assert!((value.unwrap() - wanted).abs() < tolerance, "{value:?}, expected {wanted}");
}

#[test]
fn chance_is_that_of_the_specification() {
    let samples = synthetic();
    assert_eq!(samples.len(), 2638);
    let report = build(&samples, &[]);
    let chance = baseline(&report, "chance");
    near(chance.micro, 0.4180, 0.000_05);
    near(chance.official, 0.4249, 0.000_5);
    near(report.micro.chance, 0.417_975, 0.000_01);
    near(report.three_d.chance, 0.5, 1e-12);
    near(report.two_d.chance, 0.3498, 0.001);
    near(report.tasks[0].chance, 0.2254, 0.000_05);
    assert_eq!(report.verdict.finding, Finding::NothingScored);
    assert_eq!(report.official.value, None);
    assert!(report.official.note.as_ref().unwrap().contains("ADE20K"));
}

#[test]
fn a_headline_of_43_percent_is_called_guessing() {
    let samples = synthetic();
    // 1139 right answers, spread evenly over all rows.
    let predictions = answers(&samples, |i, s| {
        let right = (i * 1139) % 2638 < 1139;
        if right { s.gold } else { (s.gold + 1) % s.options.len() }
    });
    let report = build(&samples, &predictions);
    assert_eq!((report.micro.correct, report.micro.n), (1139, 2638));
    let i = report.micro.interval.unwrap();
    assert!((i.low - 0.41298).abs() < 5e-6 && (i.high - 0.45075).abs() < 5e-6, "{i:?}");
    assert!(i.contains(report.micro.chance.unwrap()));
    assert_eq!(report.verdict.finding, Finding::Guessing);
    assert!(
        report.verdict.sentence.contains("Not distinguishable from guessing"),
        "{}",
        report.verdict.sentence
    );
}

#[test]
fn the_official_formula_is_the_mean_of_source_means() {
    let samples = synthetic();
    // Right on every ADE20K row and on every second Omni3D row.
    let predictions = answers(&samples, |i, s| {
        let right = s.source == "ADE20K" || (s.source == "Omni3D" && i % 2 == 0);
        if right { s.gold } else { (s.gold + 1) % s.options.len() }
    });
    let report = build(&samples, &predictions);
    near(report.official.value, 0.5 * ((1.0 + 0.0) / 2.0 + 0.5), 1e-12);
    near(report.two_d.value, 0.5, 1e-12);
    near(report.three_d.value, 0.5, 1e-12);
    near(report.micro.accuracy, (633.0 + 600.0) / 2638.0, 1e-12);
    assert!(report.official.wider().unwrap().contains(0.5));
    let names: Vec<&str> = report.sub_sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["ade", "coco", "hypersim", "nuscenes", "sunrgbd"]);
    assert!(report.sub_sources.iter().skip(2).all(|s| s.n == 400));
}

#[test]
fn a_missing_source_gives_no_official_number() {
    let samples: Vec<Sample> = synthetic().into_iter().filter(|s| s.kind == Kind::TwoD).collect();
    let predictions = answers(&samples, |_, s| s.gold);
    let report = build(&samples, &predictions);
    assert_eq!((report.official.value, report.official.interval, report.three_d.value), (None, None, None));
    near(report.two_d.value, 1.0, 1e-12);
    assert!(report.official.note.as_ref().unwrap().contains("no row of source Omni3D"));
    // The verdict falls back to micro accuracy.
    assert!(report.verdict.sentence.contains("micro accuracy 100.00 %"));
    assert_eq!(report.verdict.finding, Finding::AboveText);
}

#[test]
fn always_a_is_exposed() {
    let samples = synthetic();
    let report = build(&samples, &answers(&samples, |_, _| 0));
    near(report.official.value, baseline(&report, "always_a").official.unwrap(), 1e-12);
    let a = &report.letters.letters[0];
    assert_eq!((a.letter, a.predicted, a.recall), ('A', 2638, Some(1.0)));
    assert!(a.p < 1e-6);
    assert!(report.letters.warning.as_ref().unwrap().contains("answers A on 100.00 %"));
    assert!(report.letters.letters[1].recall == Some(0.0));
    assert_ne!(report.verdict.finding, Finding::AboveText);
}

#[test]
fn the_structure_prior_is_exposed() {
    let samples = synthetic();
    // Spoil the rule on a fifth of the Count rows, as in the real file.
    let samples: Vec<Sample> = samples
        .into_iter()
        .enumerate()
        .map(|(i, mut s)| {
            if s.task == Task::Count && i % 5 == 0 {
                let zero = s.options.iter().position(|o| o == "0");
                s.gold = (0..s.options.len()).find(|&o| o != s.gold && Some(o) != zero).unwrap();
            }
            s
        })
        .collect();
    let copycat = answers(&samples, |i, s| {
        structure_prior(s).unwrap_or(((i as u64 * 2_654_435_761) >> 7) as usize & 1)
    });
    let report = build(&samples, &copycat);
    let check = report.structure.as_ref().unwrap();
    assert_eq!((check.n, check.agreement), (788, 1.0));
    near(Some(check.prior_accuracy), 0.8, 0.01);
    assert_eq!((check.right_where_prior_right, check.right_where_prior_wrong), (Some(1.0), Some(0.0)));
    assert!(check.warning.as_ref().unwrap().contains("not the image"));
    assert_eq!(report.verdict.finding, Finding::NoBetterThanText, "{}", report.verdict.sentence);
    near(baseline(&report, "structure_prior").micro, 0.59, 0.01);
    // A model that sees is not accused.
    let seeing = build(&samples, &answers(&samples, |_, s| s.gold));
    assert_eq!(seeing.structure.as_ref().unwrap().warning, None);
    assert_eq!(seeing.letters.warning, None);
    assert_eq!(seeing.verdict.finding, Finding::AboveText);
}

#[test]
fn majority_learns_a_template_across_folds() {
    let mut samples: Vec<Sample> = (0..200)
        .map(|i| {
            let mut s = Sample::multiple_choice(&i.to_string(), "?", &["left", "right"], 1);
            s.task = Task::Relation;
            s
        })
        .collect();
    let report = build(&samples, &[]);
    near(baseline(&report, "majority").micro, 1.0, 1e-12);
    near(baseline(&report, "always_a").micro, 0.0, 1e-12);
    // One photograph alone has nothing to learn from, so it must not know its own answer.
    samples.iter_mut().for_each(|s| s.source_filename = "one.png".to_owned());
    near(baseline(&build(&samples, &[]), "majority").micro, 0.0, 1e-12);
}

#[test]
fn nothing_is_dropped_silently() {
    let samples = synthetic();
    let mut predictions = answers(&samples, |_, s| s.gold);
    predictions[0].raw = Some("I cannot tell".to_owned());
    predictions[1].error = Some("HTTP 400".to_owned());
    predictions[2].raw = None;
    predictions.truncate(100);
    predictions.push(Prediction::text("no-such-row", "A"));
    predictions.push(Prediction::text("5", "nothing"));
    let options = ReportOptions { rejected: 3, ..quick() };
    let report = Report::build(&samples, &predictions, Parser::Strict, &options);
    let c = &report.coverage;
    assert_eq!((c.rows, c.rejected, c.answered, c.failed, c.missing), (2641, 3, 98, 1, 2539));
    assert_eq!((c.unknown_ids, c.replaced), (1, 1));
    let m = &report.micro;
    assert_eq!((m.total, m.n, m.correct, m.unparsed), (2638, 98, 96, 2));
    let guessed = samples[0].chance() + samples[5].chance();
    near(m.randomised, (96.0 + guessed) / 98.0, 1e-12);
    near(m.worst, 96.0 / 2638.0, 1e-12);
    assert!(report.verdict.sentence.contains("Only 98 of 2638 rows"), "{}", report.verdict.sentence);
}

#[test]
fn option_scores_give_calibration() {
    let samples: Vec<Sample> = synthetic().into_iter().step_by(10).collect();
    let sure: Vec<Prediction> = samples
        .iter()
        .map(|s| {
            let scores = (0..s.options.len()).map(|i| if i == s.gold { 0.0 } else { -30.0 }).collect();
            Prediction::scores(&*s.id, scores)
        })
        .collect();
    let report = Report::build(&samples, &sure, Parser::LogLik, &quick());
    assert_eq!(report.micro.correct, samples.len());
    assert_eq!(report.calibration[0].group, "all");
    assert!(report.calibration[0].calibration.ece < 1e-6);
    assert_eq!(report.calibration.len(), 5);
    // Texts have no scores to calibrate.
    assert!(build(&samples, &answers(&samples, |_, s| s.gold)).calibration.is_empty());
}

#[test]
fn a_report_survives_json_and_repeats_itself() {
    let samples: Vec<Sample> = synthetic().into_iter().step_by(7).collect();
    let predictions = answers(&samples, |i, s| i % s.options.len());
    let report = build(&samples, &predictions);
    let text = serde_json::to_string(&report).unwrap();
    let again: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    assert_eq!(serde_json::to_string(&build(&samples, &predictions)).unwrap(), text);
}

#[test]
fn the_table_lines_up_and_shows_chance_beside_every_score() {
    let samples = synthetic();
    let text = build(&samples, &answers(&samples, |i, s| i % s.options.len())).to_string();
    let block: Vec<&str> =
        text.lines().skip_while(|l| !l.starts_with("score")).take_while(|l| !l.is_empty()).collect();
    assert!(block.len() >= 17, "{text}");
    let width = block[0].chars().count();
    assert!(block.iter().all(|l| l.chars().count() == width), "{text}");
    for line in &block[1..] {
        assert!(line.matches('.').count() >= 6, "a score needs interval and chance: {line}");
    }
    for name in ["official", "micro", "task Count", "source COCO", "sub-source nuscenes", "structure_prior"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn small_slices_show_counts_only() {
    let samples: Vec<Sample> = synthetic().into_iter().take(10).collect();
    let text = build(&samples, &answers(&samples, |_, s| s.gold)).to_string();
    let micro = text.lines().find(|l| l.starts_with("micro")).unwrap();
    assert!(micro.contains("(few)") && micro.contains("10/10"), "{micro}");
}

#[test]
fn a_comparison_is_paired() {
    let samples = synthetic();
    let a = answers(&samples, |i, s| if i % 2 == 0 { s.gold } else { (s.gold + 1) % s.options.len() });
    // B repairs every tenth row, all of them rows A got wrong, and loses every fortieth that A got right.
    let b = answers(&samples, |i, s| {
        let right = (i % 2 == 0 && i % 40 != 0) || i % 10 == 1;
        if right { s.gold } else { (s.gold + 1) % s.options.len() }
    });
    let run = |predictions| RunAnswers { predictions, parser: Parser::Strict };
    let c = compare(&samples, run(&a), run(&b), &quick());
    assert_eq!((c.n, c.left_out, c.only_a, c.only_b), (2638, 0, 66, 264));
    assert_eq!(c.both + c.neither, 2638 - 330);
    assert!(c.p < 1e-20);
    let d = c.micro.unwrap();
    near(Some(d.delta), 198.0 / 2638.0, 1e-12);
    assert!(d.interval.unwrap().low > 0.05 && d.clustered.unwrap().low > 0.05);
    assert!(c.official.unwrap().interval.unwrap().contains(c.official.unwrap().delta));
    assert!(c.slices.windows(2).all(|w| w[0].p <= w[1].p));
    assert!(c.slices.iter().all(|s| s.p_holm >= s.p && s.significant == (s.p_holm < 0.05)));
    assert_eq!(c.slices.len(), 4 + 3 + 3);
    assert!(c.sentence.starts_with("B is better by 7.51 points"), "{}", c.sentence);
    assert!(c.to_string().contains("official"));

    let same = compare(&samples, run(&a), run(&a), &quick());
    assert_eq!((same.p, same.micro.unwrap().delta), (1.0, 0.0));
    assert!(same.slices.iter().all(|s| !s.significant));
    let none = compare(&samples, run(&a[..10]), run(&b[20..]), &quick());
    assert_eq!((none.n, none.left_out, none.micro), (0, 2638, None));
    assert!(none.sentence.contains("cannot be compared"));
}
