use std::fs;
use std::path::{Path, PathBuf};

use super::seen;
use crate::look::{Look, RunListed, RunSeen, Seen};
use crate::protocol::{EventKind, ImageMode, Request, Scoring};
use crate::testing::{self, Bench};

const ROWS: usize = 12;

fn run(folder: &Path) -> Look {
    Look::Run { folder: folder.to_owned() }
}

fn listed(bench: &Bench, folder: &Path) -> Vec<RunListed> {
    match seen(bench, Look::Runs { folder: folder.to_owned() }) {
        Seen::Runs { runs } => runs,
        other => panic!("{other:?}"),
    }
}

fn judged(bench: &Bench, folder: &Path) -> RunSeen {
    match seen(bench, run(folder)) {
        Seen::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

/// A store with a run of the demo model, its blind run, and one that read text.
fn store(bench: &Bench, root: &Path) -> [PathBuf; 3] {
    let make = |name: &str, scoring, image| {
        let out = root.join(name);
        bench.ask(testing::eval(out.clone(), scoring, image, ROWS)).0.unwrap();
        out
    };
    [
        make("demo-1/full", Scoring::Loglik, ImageMode::Full),
        make("demo-1/blind", Scoring::Loglik, ImageMode::Blind),
        make("text", Scoring::Generate, ImageMode::Full),
    ]
}

#[test]
fn a_run_is_judged_with_its_blind_run_and_against_another() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let [full, blind, text] = store(&bench, folder.path());
    let shown = judged(&bench, &full);
    assert_eq!(shown.answers.len(), ROWS);
    assert_eq!((shown.report.micro.n, shown.report.coverage.answered), (ROWS, ROWS));
    let right = shown.answers.iter().filter(|answer| answer.correct == Some(true)).count();
    assert_eq!(right, shown.report.micro.correct);
    for (at, answer) in shown.answers.iter().enumerate() {
        let probabilities = answer.probabilities.as_ref().unwrap();
        let chosen = answer.chosen.unwrap();
        assert_eq!(answer.sample, at);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(probabilities.iter().all(|p| *p <= probabilities[chosen]));
        assert!(answer.prompt.as_ref().unwrap().contains("letter") && answer.error.is_none());
    }
    assert_eq!(shown.blind_folder.as_deref(), Some(&*blind));
    let own = judged(&bench, &blind);
    assert!(own.blind.is_none() && own.blind_folder.is_none());
    assert_eq!(shown.blind.as_deref(), Some(&own.report));
    let read = judged(&bench, &text);
    assert!(read.answers.iter().all(|answer| answer.raw.is_some() && answer.probabilities.is_none()));
    assert!(read.blind.is_none(), "another way of scoring is no blind run of this one");

    let Seen::Compare(pair) = seen(&bench, Look::Compare { a: full.clone(), b: blind.clone() }) else {
        panic!("no comparison")
    };
    let c = &pair.comparison;
    assert_eq!((c.n, c.only_a, c.only_b), (ROWS, pair.only_a.len(), pair.only_b.len()));
    let correct = |run: &RunSeen, at: &usize| run.answers[*at].correct == Some(true);
    assert!(pair.only_a.iter().all(|at| correct(&shown, at) && !correct(&own, at)));
    assert!(pair.only_b.iter().all(|at| !correct(&shown, at) && correct(&own, at)));
    assert_eq!(c.both + c.only_a, shown.report.micro.correct);

    // Fewer rows, as of a run that goes on: its answers are what is there.
    let records = full.join("records.jsonl");
    let lines = fs::read_to_string(&records).unwrap();
    let some: String = lines.split_inclusive('\n').take(5).collect();
    fs::write(&records, some + "{\"id\":\"7\",\"opt").unwrap();
    let shown = judged(&bench, &full);
    assert_eq!((shown.answers.len(), shown.report.micro.n, shown.report.micro.total), (5, 5, ROWS));

    // A damaged blind run does not hide the run; a note says what is wrong with it.
    fs::write(blind.join("records.jsonl"), "no\n").unwrap();
    let (outcome, events) = bench.ask(Request::Look(run(&full)));
    outcome.unwrap();
    assert!(
        events.iter().any(|event| matches!(event, EventKind::Note { text } if text.contains("line 1"))),
        "{events:?}"
    );
}

#[test]
fn runs_are_listed_newest_first_and_damaged_ones_with_their_reason() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let root = folder.path().join("runs");
    assert!(listed(&bench, &root).is_empty(), "nobody has made one yet");
    let [full, _, text] = store(&bench, &root);
    let copies = ["bad-manifest", "bad-record", "no-records", "records-folder"].map(|name| {
        let place = root.join(name);
        testing::copy(&full, &place);
        place
    });
    fs::write(copies[0].join("run.json"), "{\"format\":").unwrap();
    fs::write(copies[1].join("records.jsonl"), "{}\n{\n").unwrap();
    for place in &copies[2..] {
        fs::remove_file(place.join("records.jsonl")).unwrap();
    }
    fs::create_dir(copies[3].join("records.jsonl")).unwrap();
    fs::write(root.join("stray.txt"), "no run").unwrap();
    fs::create_dir_all(root.join("empty/deeper/still")).unwrap();

    let runs = listed(&bench, &root);
    let find = |name: &str| runs.iter().find(|run| run.name == name).unwrap();
    assert_eq!(runs.len(), 7);
    assert!(runs.windows(2).all(|two| two[0].modified >= two[1].modified));
    let good = find("demo-1/full");
    assert_eq!((good.records, &good.folder), (ROWS as u64, &full));
    assert_eq!(good.manifest.as_ref().unwrap().image, ImageMode::Full);
    assert!(good.modified.is_some() && find("text").manifest.is_ok());
    let reason = |name: &str| find(name).manifest.as_ref().unwrap_err().clone();
    assert!(reason("bad-manifest").contains("run.json"), "{}", reason("bad-manifest"));
    assert!(reason("bad-record").contains("line 2"), "{}", reason("bad-record"));
    assert!(reason("records-folder").contains("not an ordinary file"));
    assert_eq!((find("no-records").records, find("no-records").manifest.is_ok()), (0, true));

    let one = listed(&bench, &text);
    assert_eq!((one.len(), one[0].name.as_str()), (1, "text"));
    let file = root.join("stray.txt");
    bench.refused(Look::Runs { folder: file.clone() }, &file, "");
    bench.refused(run(&root), &root, "not a run folder");
    bench.refused(run(&copies[0]), &copies[0], "cannot be read");
    bench.refused(run(&copies[1]), &copies[1], "line 1");
    let compare = |a: &Path, b: &Path| Look::Compare { a: a.to_owned(), b: b.to_owned() };
    bench.refused(compare(&full, &root), &root, "not a run folder");
}

#[test]
fn a_benchmark_that_moved_is_found_while_it_is_open() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let out = folder.path().join("run");
    bench.ask(testing::eval(out.clone(), Scoring::Loglik, ImageMode::Full, 2)).0.unwrap();
    let manifest = out.join("run.json");
    let edit = |field: &str, value: &str| {
        let mut all: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        all[field] = value.into();
        fs::write(&manifest, serde_json::to_vec(&all).unwrap()).unwrap();
    };
    edit("bench", "/no/such/bench.parquet");
    // Two others are opened, so that the demo's is surely closed.
    let other = |name: &str| {
        let path = folder.path().join(name);
        let row = "{\"idx\":0,\"type\":\"2D\",\"task\":\"Count\",\"question\":\"q\",\"choices\":[\"1\",\"2\"],\
                   \"answer\":\"(A)\",\"prompt\":\"q\",\"source\":\"COCO\"}\n";
        fs::write(&path, row).unwrap();
        bench.look(Look::Bench { path: path.clone() }).unwrap();
        path
    };
    let others = [other("a.jsonl"), other("b.jsonl")];
    bench.refused(run(&out), &out, "/no/such/bench.parquet");
    bench.look(Look::Bench { path: "demo".into() }).unwrap();
    assert_eq!(judged(&bench, &out).answers.len(), 2);
    // What has the place of the benchmark and is another one is none of its rows.
    edit("bench", others[0].to_str().unwrap());
    edit("bench_sha256", "00");
    bench.refused(run(&out), &out, "do not belong to these rows");
    let sound = folder.path().join("sound");
    bench.ask(testing::eval(sound.clone(), Scoring::Loglik, ImageMode::Full, 2)).0.unwrap();
    let sentence = bench.look(Look::Compare { a: sound, b: out.clone() }).unwrap_err();
    assert!(sentence.contains("do not belong"), "{sentence}");
}
