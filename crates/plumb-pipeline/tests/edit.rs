//! Edited scenes on disk: their questions are those that a new data set would have, and the originals stay.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plumb_pipeline::edit::{edited, edited_questions, recipe};
use plumb_pipeline::lift::{LiftSource, NoiseKind, ObjectSource};
use plumb_pipeline::{
    ChangedScene, EditJob, LiftJob, ScenePlace, ScenesJob, Silent, SynthJob, VerifyJob, edit, find_scenes,
    lift, questions, read_scene, scenes, synth, verify,
};
use plumb_scene::edit::Edit;

/// Four rendered scenes with all that belongs to them, and questions.
fn rendered(folder: &Path) -> PathBuf {
    let job = ScenesJob {
        count: 4,
        seed: 7,
        out: folder.to_owned(),
        width: 320,
        height: 240,
        cloud_points: Some(4000),
        ..ScenesJob::default()
    };
    scenes(&job, &Silent).unwrap();
    let qa = folder.join("qa.parquet");
    let job = SynthJob {
        inputs: vec![folder.to_owned()],
        out: qa.clone(),
        seed: 5,
        per_image: 30,
        ..SynthJob::default()
    };
    synth(&job, &Silent).unwrap();
    qa
}

fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn without_edits_the_questions_are_those_of_the_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let qa = rendered(folder.path());
    let recipe = recipe(Some(&qa), folder.path()).unwrap();
    assert_eq!((recipe.seed, recipe.per_image), (5, 30));
    let mut made = Vec::new();
    for file in find_scenes(folder.path()).unwrap() {
        made.extend(questions(&recipe, &read_scene(&file).unwrap(), &Silent).unwrap());
    }
    let rows = plumb_qa::dataset::ParquetQaReader::open(&qa, Default::default()).unwrap();
    let stored: Vec<_> = rows.map(|row| row.unwrap().pair).collect();
    assert_eq!(made.len(), stored.len());
    for (made, stored) in made.iter().zip(&stored) {
        assert_eq!(
            (&made.question, &made.question_text, &made.answer_text),
            (&stored.question, &stored.question_text, &stored.answer_text)
        );
    }
}

#[test]
fn edited_scenes_have_a_folder_that_verifies_and_the_originals_stay() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let qa = rendered(folder.path());
    let before = bytes(folder.path());
    let files = find_scenes(folder.path()).unwrap();
    let ids = |index: usize| -> Vec<u32> {
        read_scene(&files[index]).unwrap().objects.iter().map(|object| object.id).collect()
    };
    let (first, third) = (ids(0), ids(2));
    let rename = Edit::Rename { object: first[0], name: "teapot".to_owned(), attributes: None };
    let job = EditJob {
        input: folder.path().to_owned(),
        scenes: vec![
            ChangedScene { index: 0, edits: vec![rename, Edit::Delete { object: first[1] }] },
            ChangedScene { index: 2, edits: vec![Edit::Merge { into: third[0], others: vec![third[1]] }] },
        ],
        out: other.path().join("changed"),
        questions: Some(qa),
    };
    let report = edit(&job, &Silent).unwrap();
    assert_eq!(report.scenes, 2);
    assert!(report.pairs > 0);
    assert_eq!(bytes(folder.path()), before, "the originals were only read");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1, "nothing half is left");

    let file = job.out.join("qa.parquet");
    let checked = verify(&VerifyJob { file: file.clone(), templates: None }, &Silent).unwrap();
    assert!(checked.all_right() && checked.text_checked, "{:?}", checked.findings);
    assert_eq!((checked.pairs, checked.scenes), (report.pairs, 2));

    let found = find_scenes(&job.out).unwrap();
    assert_eq!(found.len(), 2);
    for (file, changed) in found.iter().zip(&job.scenes) {
        let place = ScenePlace::of(file);
        let scene = read_scene(file).unwrap();
        let (again, _) = edited(&ScenePlace::of(&files[changed.index]), &changed.edits).unwrap();
        assert_eq!(again.scene, scene);
        // Masks and cloud know the objects of the record and no others.
        let masks = place.read_masks((320, 240)).unwrap().unwrap();
        let cloud = place.read_cloud().unwrap().unwrap();
        for id in masks.ids().iter().chain(&cloud.instances).filter(|id| **id != 0) {
            assert!(scene.index_of(u32::from(*id)).is_some(), "{id}");
        }
        for object in &scene.objects {
            let pixels = masks.ids().iter().filter(|id| u32::from(**id) == object.id).count();
            assert_eq!(pixels, object.pixels as usize, "{}", object.name);
        }
        assert!(place.read_picture(&scene).is_ok() && place.read_depth().unwrap().is_some());
    }
    let rows = plumb_qa::dataset::ParquetQaReader::open(&file, Default::default()).unwrap();
    let texts: Vec<_> = rows.map(|row| row.unwrap().pair.question_text).collect();
    assert!(texts.iter().any(|text| text.contains("teapot")), "{texts:?}");

    // What is saved can be edited again, and is not overwritten.
    let error = edit(&job, &Silent).unwrap_err().to_string();
    assert!(error.contains("holds something already"), "{error}");
    let again = EditJob {
        input: job.out.clone(),
        scenes: vec![ChangedScene { index: 1, edits: vec![Edit::Delete { object: third[0] }] }],
        out: other.path().join("twice"),
        questions: Some(file),
    };
    edit(&again, &Silent).unwrap();
    let twice = read_scene(&find_scenes(&again.out).unwrap()[0]).unwrap();
    assert!(twice.index_of(third[0]).is_none() && twice.index_of(third[1]).is_none());
}

#[test]
fn a_lifted_scene_is_edited_and_saved_in_its_layout() {
    let folder = tempfile::tempdir().unwrap();
    rendered(folder.path());
    let (colour, depth) = (folder.path().join("scenes/000001.jpg"), folder.path().join("depth/000001.png"));
    let record = read_scene(&folder.path().join("scenes/000001.json")).unwrap();
    let job = LiftJob {
        source: LiftSource::Pair { color: colour, depth },
        objects: ObjectSource::Masks { masks: folder.path().join("masks/000001.png"), names: None },
        intrinsics: Some([
            record.camera.fx,
            record.camera.fy,
            record.camera.cx - 0.5,
            record.camera.cy - 0.5,
        ]),
        depth_scale: Some(1000.0),
        format: None,
        ray: false,
        noise: NoiseKind::Sensor,
        out: folder.path().join("lifted/frame"),
    };
    lift(&job, &Silent).unwrap();
    let place = ScenePlace::of(&find_scenes(&job.out).unwrap()[0]);
    let scene = read_scene(&place.scene).unwrap();
    let nearest = scene.pairs.iter().min_by(|a, b| a.distance.value.total_cmp(&b.distance.value)).unwrap();
    let id = |at: u32| scene.objects[at as usize].id;
    let edits = vec![
        Edit::Merge { into: id(nearest.a), others: vec![id(nearest.b)] },
        Edit::Rename { object: id(nearest.a), name: "workbench".to_owned(), attributes: None },
    ];
    let (made, _) = edited(&place, &edits).unwrap();
    let whole = &made.scene.objects[made.scene.index_of(id(nearest.a)).unwrap()];
    let parts = [nearest.a, nearest.b].map(|at| &scene.objects[at as usize]);
    assert_eq!(whole.pixels, parts[0].pixels + parts[1].pixels);
    assert!(whole.points > parts[0].points.max(parts[1].points));
    assert!(whole.aabb.sigma_max[0] > 0.0, "measured, not exact");

    let out = EditJob {
        input: folder.path().join("lifted"),
        scenes: vec![ChangedScene { index: 0, edits: edits.clone() }],
        out: folder.path().join("saved"),
        questions: None,
    };
    let report = edit(&out, &Silent).unwrap();
    let saved = ScenePlace::of(&find_scenes(&out.out).unwrap()[0]);
    assert!(saved.own_folder && saved.cloud.with_extension("glb").exists());
    assert_eq!(read_scene(&saved.scene).unwrap(), made.scene);
    let recipe = recipe(None, &out.input).unwrap();
    let asked = edited_questions(&place, &edits, &recipe, &Silent).unwrap();
    assert_eq!(asked.len() as u64, report.pairs);
    assert!(asked.iter().any(|pair| pair.question_text.contains("workbench")));
}
