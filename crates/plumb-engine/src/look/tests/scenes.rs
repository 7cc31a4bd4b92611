use std::fs;
use std::path::Path;

use glam::{DVec3, Vec3};
use plumb_qa::QaPair;
use plumb_qa::dataset::{DatasetMeta, DatasetWriter as _, JsonlWriter, ParquetQaWriter};
use plumb_scene::export::{cloud_points, read_ply, write_ply};

use super::{pixels, seen};
use crate::look::{Look, SceneListed, SceneSeen, Seen};
use crate::protocol::{EventKind, Outcome, Request};
use crate::testing::{self, Bench, NOT_THERE};

fn listed(bench: &Bench, folder: &Path) -> Vec<SceneListed> {
    match seen(bench, Look::Scenes { folder: folder.to_owned() }) {
        Seen::Scenes { scenes } => scenes,
        other => panic!("{other:?}"),
    }
}

fn scene(folder: &Path, index: usize) -> Look {
    Look::Scene { folder: folder.to_owned(), index }
}

fn shown(bench: &Bench, folder: &Path, index: usize) -> SceneSeen {
    match seen(bench, scene(folder, index)) {
        Seen::Scene(scene) => *scene,
        other => panic!("{other:?}"),
    }
}

fn questions(bench: &Bench, folder: &Path, scene: &str) -> Vec<QaPair> {
    match seen(bench, Look::Questions { folder: folder.to_owned(), scene: scene.into() }) {
        Seen::Questions { questions } => questions,
        other => panic!("{other:?}"),
    }
}

/// Two scenes of the pack with all that belongs to them.
fn some(folder: &Path) {
    let from = testing::pack().scenes().unwrap();
    for (kind, ends) in [
        ("scenes", &[".json", ".jpg"][..]),
        ("clouds", &[".ply"]),
        ("depth", &[".png"]),
        ("masks", &[".png"]),
    ] {
        fs::create_dir_all(folder.join(kind)).unwrap();
        for name in ["000001", "000004"] {
            for end in ends {
                let file = format!("{name}{end}");
                fs::copy(from.join(kind).join(&file), folder.join(kind).join(&file)).unwrap();
            }
        }
    }
}

fn vectors(bytes: &[u8]) -> Vec<DVec3> {
    let number = |four: &[u8]| f64::from(f32::from_le_bytes(four.try_into().unwrap()));
    bytes.chunks_exact(12).map(|v| DVec3::new(number(&v[..4]), number(&v[4..8]), number(&v[8..]))).collect()
}

fn indices(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// Every point lies where the picture shows it, in its colour, on an object of the record, seen from the front.
fn check(seen: &SceneSeen, least: usize) {
    let image = seen.image.as_ref().unwrap();
    let [positions, normals] = [&seen.positions, &seen.normals].map(|blob| vectors(&blob.bytes));
    let objects = indices(&seen.objects.bytes);
    let n = seen.points;
    assert!(n >= least, "{n}");
    assert_eq!([positions.len(), normals.len(), objects.len(), seen.colours.bytes.len() / 3], [n; 4]);
    let (scene, frame) = (&seen.scene, &seen.scene.frame);
    let (mut far, mut on_objects) = (0, 0);
    for (at, position) in positions.iter().enumerate().step_by(7) {
        let camera = frame.point_to_camera(*position);
        let pixel = scene.camera.project(camera).unwrap();
        let (x, y) = (pixel.x.floor(), pixel.y.floor());
        assert!(x >= 0.0 && y >= 0.0 && x < f64::from(image.width) && y < f64::from(image.height));
        let start = (y as usize * image.width as usize + x as usize) * 3;
        let difference = |c: usize| seen.colours.bytes[at * 3 + c].abs_diff(image.rgb.bytes[start + c]);
        far += usize::from((0..3).any(|c| difference(c) > 48));
        let length = normals[at].length();
        assert!((length - 1.0).abs() < 1e-3 || length == 0.0, "{length}");
        let outwards = position - DVec3::new(0.0, 0.0, frame.camera_height);
        assert!(normals[at].dot(outwards) <= 1e-3 * outwards.length(), "point {at} is seen from behind");
        if objects[at] != u32::MAX {
            let object = &scene.objects[objects[at] as usize];
            let [x1, y1, x2, y2] = object.rect.map(f64::from);
            assert!(x + 1.0 >= x1 && x <= x2 && y + 1.0 >= y1 && y <= y2, "{} at {pixel}", object.name);
            let low = DVec3::from_array(object.aabb.min) - 0.05;
            let high = DVec3::from_array(object.aabb.max) + 0.05;
            assert!(position.cmpge(low).all() && position.cmple(high).all(), "{} at {position}", object.name);
            on_objects += 1;
        }
    }
    // The picture went through JPEG.
    assert!(far * 20 < n / 7, "{far} of {} colours are far off", n / 7);
    assert!(on_objects * 50 > n / 7, "{on_objects} of {}", n / 7);
}

#[test]
fn the_demo_scenes_lie_where_their_pictures_show_them() {
    let bench = Bench::new();
    let scenes = listed(&bench, Path::new("demo"));
    assert!(scenes.len() >= 10);
    for (at, one) in scenes.iter().enumerate() {
        assert_eq!((one.index, one.name.len(), one.metric), (at, 6, true));
        assert!(one.objects > 0);
    }
    for one in scenes.iter().step_by(3) {
        let start = std::time::Instant::now();
        bench.look(scene(Path::new("demo"), one.index)).unwrap();
        let took = start.elapsed().as_secs_f64() * 1e3;
        let seen = shown(&bench, Path::new("demo"), one.index);
        println!("scene {} with {} points in {took:.0} ms", one.name, seen.points);
        assert_eq!((&seen.scene.id, seen.scene.objects.len()), (&one.id, one.objects));
        check(&seen, 100_000);
    }
}

#[test]
fn a_stored_cloud_is_shown_where_there_is_no_depth() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    some(folder.path());
    let dense = shown(&bench, folder.path(), 0);
    fs::remove_dir_all(folder.path().join("depth")).unwrap();
    let stored = shown(&bench, folder.path(), 0);
    check(&stored, 10_000);
    assert!(stored.points < dense.points / 5, "{} of {}", stored.points, dense.points);

    // Without numbers the boxes say which object it is, nearly always the same.
    let path = folder.path().join("clouds/000001.ply");
    let mut cloud = read_ply(&fs::read(&path).unwrap(), "a").unwrap();
    cloud.instances.clear();
    let bare = crate::look::cloud::objects(&stored.scene, &cloud);
    let numbered = indices(&stored.objects.bytes);
    let objects = numbered.iter().filter(|object| **object != u32::MAX).count();
    let same = bare.iter().zip(&numbered).filter(|(a, b)| a == b && **b != u32::MAX).count();
    println!("{same} of {objects} points of objects are in the box of theirs");
    assert!(same * 10 > objects * 8);

    // Normals of any length, none for one point, and a number that no object has.
    let mut points = cloud_points(&read_ply(&fs::read(&path).unwrap(), "a").unwrap()).unwrap();
    points[0].normal = Some([0.0; 3]);
    points[1].normal = Some([0.0, -9.0, 0.0]);
    points[2].instance = 65_535;
    let mut file = Vec::new();
    write_ply(&mut file, &points).unwrap();
    fs::write(&path, file).unwrap();
    let seen = shown(&bench, folder.path(), 0);
    assert_eq!(vectors(&seen.normals.bytes)[..2], [DVec3::ZERO, DVec3::NEG_Y]);
    assert_eq!(indices(&seen.objects.bytes)[2], u32::MAX);
    let place = vectors(&seen.positions.bytes)[5];
    assert_eq!(place.as_vec3(), Vec3::from(points[5].position));

    fs::remove_dir_all(folder.path().join("clouds")).unwrap();
    let none = shown(&bench, folder.path(), 0);
    assert_eq!((none.points, none.positions.len, none.objects.len, none.normals.len), (0, 0, 0, 0));
    assert_eq!(none.image.unwrap().width, none.scene.image.width);
}

#[test]
fn a_lifted_frame_is_shown_from_its_own_folder() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let from = testing::pack().scenes().unwrap();
    let frame = folder.path().join("frames/desk");
    fs::create_dir_all(&frame).unwrap();
    fs::copy(from.join("scenes/000004.json"), frame.join("scene.json")).unwrap();
    fs::copy(from.join("scenes/000004.jpg"), frame.join("000004.jpg")).unwrap();
    fs::copy(from.join("clouds/000004.ply"), frame.join("cloud.ply")).unwrap();
    assert_eq!(listed(&bench, folder.path())[0].name, "desk");
    check(&shown(&bench, folder.path(), 0), 8_000);
    check(&shown(&bench, &frame.join("scene.json"), 0), 8_000);
}

#[test]
fn damaged_scenes_are_refused_by_the_file_at_fault() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let root = folder.path();
    some(root);
    let look = |index| scene(root, index);
    bench.refused(look(2), root, "has 2, counted from 0");
    bench.refused(look(usize::MAX), root, "does not exist");

    /// Spoils a file for as long as something is looked at.
    fn with(path: &Path, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>, check: impl FnOnce()) {
        let before = fs::read(path).unwrap();
        match change(before.clone()) {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        check();
        fs::write(path, before).unwrap();
    }
    let cut = |bytes: Vec<u8>| Some(bytes[..bytes.len() / 2].to_vec());
    let ply = root.join("clouds/000001.ply");
    with(&ply, cut, || bench.refused(look(0), &ply, "cut off"));
    with(&ply, |_| Some(b"solid".to_vec()), || bench.refused(look(0), &ply, "not a PLY"));
    for (file, why) in [("depth/000001.png", ""), ("masks/000001.png", ""), ("scenes/000001.jpg", "")] {
        let path = root.join(file);
        with(&path, |_| Some(b"\x89PNG\r\n\x1a\nno".to_vec()), || bench.refused(look(0), &path, why));
    }
    let picture = root.join("scenes/000001.jpg");
    with(&picture, |_| None, || bench.refused(look(0), &picture, NOT_THERE));
    let small = plumb_image::RgbImage::filled(4, 3, [9; 3]).unwrap();
    let small = plumb_image::encode_png(&small).unwrap();
    with(&picture, |_| Some(small.clone()), || bench.refused(look(0), &picture, "4x3"));
    let depth = root.join("depth/000001.png");
    let eight = fs::read(root.join("masks/000004.png")).unwrap();
    with(&depth, |_| Some(eight), || bench.refused(look(0), &depth, ""));

    let json = root.join("scenes/000001.json");
    let edit = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(from));
            Some(text.replace(from, to).into_bytes())
        }
    };
    for (to, why) in [
        ("\"../../../etc/passwd\"", "expected a path in the folder"),
        ("\"/etc/passwd\"", "expected a path in the folder"),
        ("\"x.jpg\"", "x.jpg"),
    ] {
        with(&json, edit("\"000001.jpg\"", to), || {
            let file = if why == "x.jpg" { root.join("scenes/x.jpg") } else { json.clone() };
            bench.refused(look(0), &file, why);
        });
    }
    // The others are still listed.
    with(
        &json,
        |_| Some(b"\xff{".to_vec()),
        || {
            let left: Vec<usize> = listed(&bench, root).iter().map(|scene| scene.index).collect();
            assert_eq!(left, [1]);
            bench.refused(look(0), &json, "not a scene");
            let other = root.join("scenes/000004.json");
            with(
                &other,
                |_| Some(Vec::new()),
                || {
                    bench.refused(Look::Scenes { folder: root.to_owned() }, &json, "not a scene");
                },
            );
        },
    );
    fs::create_dir(root.join("none")).unwrap();
    bench.refused(Look::Scenes { folder: root.join("none") }, &root.join("none"), "no scene.json");
    bench.refused(Look::Scenes { folder: root.join("gone") }, &root.join("gone"), NOT_THERE);
    fs::remove_file(&ply).unwrap();
    fs::create_dir(&ply).unwrap();
    bench.refused(look(0), &ply, "is not a file");
    let path = root.join("scenes/000004.jpg");
    assert_eq!(pixels(seen(&bench, Look::Picture { path })).width, 640);
}

#[test]
fn questions_are_those_of_the_scene() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let demo = Path::new("demo");
    let scenes = testing::pack().scenes().unwrap();
    let mut all = 0;
    for one in listed(&bench, demo) {
        let found = questions(&bench, demo, &one.id);
        assert!(!found.is_empty(), "{}", one.name);
        assert!(found.iter().all(|pair| pair.scene == one.id && !pair.question_text.is_empty()));
        all += found.len();
    }
    let rows = plumb_qa::dataset::ParquetQaReader::open(
        &scenes.join("qa.parquet"),
        plumb_qa::dataset::ReadOptions { geometry: false },
    );
    assert_eq!(all as u64, rows.unwrap().rows());
    assert!(questions(&bench, demo, "no such scene").is_empty());
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(questions(&bench, &empty, "x").is_empty());

    // Text that is made from the columns, and lines of JSON, say the same.
    let first = shown(&bench, demo, 0);
    let pairs = questions(&bench, &scenes, &first.scene.id);
    let lines = folder.path().join("lines");
    fs::create_dir(&lines).unwrap();
    let mut writer = Box::new(JsonlWriter::create(&lines.join("qa.jsonl")).unwrap());
    writer.push(&first.scene, "a.jpg", &pairs).unwrap();
    writer.finish().unwrap();
    assert_eq!(questions(&bench, &lines, &first.scene.id), pairs);
    let bare = folder.path().join("bare.parquet");
    let meta = DatasetMeta { text: false, ..DatasetMeta::default() };
    let mut writer = Box::new(ParquetQaWriter::create(&bare, &meta).unwrap());
    writer.push(&first.scene, "a.jpg", &pairs).unwrap();
    writer.finish().unwrap();
    assert_eq!(questions(&bench, &bare, &first.scene.id), pairs);

    let look = |path: &Path| Look::Questions { folder: path.to_owned(), scene: first.scene.id.clone() };
    let whole = fs::read(scenes.join("qa.parquet")).unwrap();
    let bad = folder.path().join("bad.parquet");
    fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    bench.refused(look(&bad), &bad, "");
    let bad = folder.path().join("bad.jsonl");
    fs::write(&bad, b"\xff\xfe\n[]\n").unwrap();
    bench.refused(look(&bad), Path::new("bad.jsonl:1"), "");
    // A few bad lines do not hide the good ones.
    let good = fs::read(lines.join("qa.jsonl")).unwrap();
    fs::write(&bad, [b"[]\n", &good[..], b"{\"image\":"].concat()).unwrap();
    let (outcome, events) = bench.ask(Request::Look(look(&bad)));
    assert!(
        matches!(outcome, Ok(Outcome::Look(seen)) if matches!(&*seen, Seen::Questions { questions } if *questions == pairs))
    );
    let noted = |event: &EventKind| matches!(event, EventKind::Note { text } if text.starts_with("2 rows") && text.contains(":1:"));
    assert!(events.iter().any(noted), "{events:?}");
    let gone = folder.path().join("../gone.parquet");
    bench.refused(look(&gone), &gone, NOT_THERE);
}

#[test]
fn a_cloud_without_a_scene_is_shown_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let path = folder.path().join("other.PLY");
    let text = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n\
                property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n\
                0 0 0 255 0 0\n1 0 0 0 255 0\n0 2 0 0 0 255\n";
    fs::write(&path, text).unwrap();
    let listed = listed(&bench, &path);
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].metric), (1, "other.PLY", false));
    let found = shown(&bench, &path, 0);
    assert_eq!(vectors(&found.positions.bytes), [DVec3::ZERO, DVec3::X, DVec3::Y * 2.0]);
    assert_eq!(*found.colours.bytes, [255, 0, 0, 0, 255, 0, 0, 0, 255]);
    assert!(found.image.is_none() && found.scene.objects.is_empty() && found.normals.len == 0);
    assert!(questions(&bench, &path, &listed[0].id).is_empty());
    fs::write(&path, &text[..60]).unwrap();
    bench.refused(scene(&path, 0), &path, "");
    let gone = folder.path().join("gone.ply");
    bench.refused(scene(&gone, 0), &gone, "no such file");
}
