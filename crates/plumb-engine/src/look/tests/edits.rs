use std::path::{Path, PathBuf};

use plumb_pipeline::{ChangedScene, EditJob};
use plumb_qa::QaPair;
use plumb_scene::edit::Edit;

use super::seen;
use crate::look::{Look, SceneSeen, Seen};
use crate::protocol::{Outcome, Request};
use crate::testing::Bench;

const INDEX: usize = 1;

fn demo() -> PathBuf {
    PathBuf::from("demo")
}

fn shown(bench: &Bench, folder: &Path, edits: &[Edit]) -> SceneSeen {
    let look = Look::EditedScene { folder: folder.to_owned(), index: INDEX, edits: edits.to_vec() };
    match seen(bench, look) {
        Seen::Scene(scene) => *scene,
        other => panic!("{other:?}"),
    }
}

fn asked(bench: &Bench, look: Look) -> Vec<QaPair> {
    match seen(bench, look) {
        Seen::Questions { questions } => questions,
        other => panic!("{other:?}"),
    }
}

fn edited(bench: &Bench, edits: &[Edit]) -> Vec<QaPair> {
    asked(bench, Look::EditedQuestions { folder: demo(), index: INDEX, edits: edits.to_vec() })
}

fn points_of(seen: &SceneSeen, object: u32) -> usize {
    let place = seen.scene.index_of(object).map(|at| at as u32);
    let (ids, _) = seen.objects.bytes.as_chunks::<4>();
    ids.iter().filter(|bytes| Some(u32::from_le_bytes(**bytes)) == place).count()
}

#[test]
fn a_scene_and_its_questions_follow_the_edits() {
    let bench = Bench::new();
    let plain = shown(&bench, &demo(), &[]);
    let stored = asked(&bench, Look::Questions { folder: demo(), scene: plain.scene.id.clone() });
    let text = |questions: &[QaPair]| questions.iter().map(|q| q.question_text.clone()).collect::<Vec<_>>();
    let start = std::time::Instant::now();
    let made = edited(&bench, &[]);
    println!("{} questions are made in {:.0} ms", made.len(), start.elapsed().as_secs_f64() * 1e3);
    let same = text(&made).iter().filter(|made| text(&stored).contains(made)).count();
    println!("{same} of {} questions of the pack are made again", stored.len());
    assert!(same * 10 >= stored.len() * 9, "an edit should not change what it is not about");

    let [a, b] = [0, 1].map(|at| plain.scene.objects[at].id);
    let rename = [Edit::Rename { object: a, name: "teapot".to_owned(), attributes: None }];
    let renamed = shown(&bench, &demo(), &rename);
    assert_eq!(renamed.scene.objects[0].name, "teapot");
    assert_eq!(renamed.points, plain.points);
    assert!(text(&edited(&bench, &rename)).iter().any(|text| text.contains("teapot")));

    let delete = [Edit::Delete { object: a }];
    let less = shown(&bench, &demo(), &delete);
    assert_eq!((less.scene.objects.len(), less.points), (plain.scene.objects.len() - 1, plain.points));
    assert_eq!(points_of(&less, b), points_of(&plain, b), "points follow their object to its new place");
    assert!(edited(&bench, &delete).iter().all(|pair| !pair.question.objects.contains(&a)));

    let merge = [Edit::Merge { into: a, others: vec![b] }];
    let whole = shown(&bench, &demo(), &merge);
    assert_eq!(points_of(&whole, a), points_of(&plain, a) + points_of(&plain, b));
    let asked = edited(&bench, &merge);
    assert!(!asked.is_empty() && asked.iter().all(|pair| !pair.question.objects.contains(&b)));

    let wrong =
        Look::EditedScene { folder: demo(), index: INDEX, edits: vec![Edit::Delete { object: 9999 }] };
    let sentence = bench.look(wrong).unwrap_err();
    assert!(sentence.contains("the scene has no object 9999"), "{sentence}");
    let beyond = Look::EditedQuestions { folder: demo(), index: 9999, edits: Vec::new() };
    assert!(bench.look(beyond).unwrap_err().contains("does not exist"));
}

#[test]
fn an_edited_scene_is_saved_and_opened() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let a = shown(&bench, &demo(), &[]).scene.objects[0].id;
    let edits = vec![Edit::Rename { object: a, name: "teapot".to_owned(), attributes: None }];
    let out = folder.path().join("mine");
    let job = EditJob {
        input: demo(),
        scenes: vec![ChangedScene { index: INDEX, edits: edits.clone() }],
        out: out.clone(),
        questions: None,
    };
    let report = match bench.ask(Request::Edit(job.clone())).0.unwrap() {
        Outcome::Edit(report) => report,
        other => panic!("{other:?}"),
    };
    assert_eq!((report.scenes, &report.out), (1, &out));
    let saved = match seen(&bench, Look::Scene { folder: out.clone(), index: 0 }) {
        Seen::Scene(scene) => *scene,
        other => panic!("{other:?}"),
    };
    let before = shown(&bench, &demo(), &edits);
    assert_eq!((&saved.scene, saved.points), (&before.scene, before.points));
    let id = saved.scene.id.clone();
    let questions = asked(&bench, Look::Questions { folder: out, scene: id });
    assert_eq!(questions.len() as u64, report.pairs);
    let words = |questions: Vec<QaPair>| {
        questions.into_iter().map(|q| (q.question, q.question_text, q.answer_text)).collect::<Vec<_>>()
    };
    assert_eq!(words(questions), words(edited(&bench, &edits)));
    assert!(bench.ask(Request::Edit(job)).0.unwrap_err().contains("holds something already"));
}
