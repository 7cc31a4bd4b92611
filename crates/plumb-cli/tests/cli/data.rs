//! Scenes, lifts, questions and their verification, through the program.

use std::fs;
use std::path::{Path, PathBuf};

use plumb_image::{RgbImage, encode_png};
use plumb_scene::export::depth_png;
use serde_json::Value;

use crate::setup::{run, stderr, stdout};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Renders `count` small scenes with their truth.
fn scenes(out: &Path, count: u32) {
    let output = run(&[
        "scenes",
        "--count",
        &count.to_string(),
        "--seed",
        "5",
        "--size",
        "320x240",
        "--png",
        "--out",
        text(out),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn scenes_become_questions_and_every_answer_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    scenes(&data, 6);
    let (first, second) = (folder.path().join("qa.parquet"), folder.path().join("again.parquet"));
    for out in [&first, &second] {
        let output =
            run(&["synth", text(&data), "--out", text(out), "--seed", "1", "--per-image", "60", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert!(report["pairs"].as_u64().unwrap() > 200, "{report}");
        assert_eq!(report["generated"]["failures"], 0);
    }
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap(), "the same seed gives other bytes");
    let output = run(&["verify", text(&first)]);
    let said = stdout(&output);
    assert!(output.status.success(), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains(" 0 wrong, 0 undecided, 0 unreadable"), "{last}");
}

#[test]
fn a_wrong_answer_is_found_and_the_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    scenes(&data, 2);
    let file = folder.path().join("qa.jsonl");
    let output = run(&[
        "synth",
        text(&data),
        "--out",
        text(&file),
        "--per-image",
        "20",
        "--types",
        "height,left_predicate,width",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(run(&["verify", text(&file)]).status.success());
    let lines = fs::read_to_string(&file).unwrap();
    let changed = lines.replacen("\"yes_no\":true", "\"yes_no\":false", 1);
    assert_ne!(lines, changed);
    fs::write(&file, changed).unwrap();
    let output = run(&["verify", text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).lines().last().unwrap().contains(" 1 wrong"), "{}", stdout(&output));
}

#[test]
fn every_format_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    scenes(&data, 3);
    for name in ["qa.jsonl", "qa.messages.jsonl", "qa.json", "bench.cvbench.parquet"] {
        let out = folder.path().join(name);
        let output = run(&["synth", text(&data), "--out", text(&out), "--per-image", "40"]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        assert!(fs::metadata(&out).unwrap().len() > 1000, "{name}");
    }
    let bench = plumb_bench::Benchmark::open(folder.path().join("bench.cvbench.parquet")).unwrap();
    assert!(bench.samples().len() > 10 && bench.rejected().is_empty());
    let messages = fs::read_to_string(folder.path().join("qa.messages.jsonl")).unwrap();
    let row: Value = serde_json::from_str(messages.lines().next().unwrap()).unwrap();
    let image = row["messages"][0]["content"][0]["image"].as_str().unwrap();
    assert!(folder.path().join(image).is_file(), "{image} is not where the file says");
}

/// A rendered scene's picture, depth and masks, and its intrinsics as data sets publish them.
fn rendered(folder: &Path) -> (PathBuf, String) {
    let data = folder.join("data");
    scenes(&data, 1);
    let camera = &json(&data.join("scenes/000000.json"))["camera"];
    let number = |key: &str| camera[key].as_f64().unwrap();
    let intrinsics =
        format!("{},{},{},{}", number("fx"), number("fy"), number("cx") - 0.5, number("cy") - 0.5);
    (data, intrinsics)
}

#[test]
fn a_frame_is_lifted_to_the_scene_it_was_rendered_from() {
    let folder = tempfile::tempdir().unwrap();
    let (data, intrinsics) = rendered(folder.path());
    let out = folder.path().join("lifted");
    let output = run(&[
        "lift",
        "--color",
        text(&data.join("scenes/000000.png")),
        "--depth",
        text(&data.join("depth/000000.png")),
        "--masks",
        text(&data.join("masks/000000.png")),
        "--intrinsics",
        &intrinsics,
        "--depth-scale",
        "1000",
        "--out",
        text(&out),
        "--json",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (lifted, exact) = (json(&out.join("scene.json")), json(&data.join("scenes/000000.json")));
    let direction = |scene: &Value| -> Vec<f64> {
        let list = scene["gravity"]["direction"].as_array().unwrap();
        list.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let cosine: f64 = direction(&lifted).iter().zip(direction(&exact)).map(|(a, b)| a * b).sum();
    assert!(cosine > 1f64.to_radians().cos(), "gravity is {} degrees off", cosine.acos().to_degrees());
    assert!(lifted["gravity"]["sigma"].as_f64().unwrap() < 3.0);
    assert_eq!(lifted["gravity"]["source"], "normals");
    for object in lifted["objects"].as_array().unwrap() {
        assert!(object["name"].is_string() && object["box"]["size"].is_array());
    }
    for file in ["cloud.ply", "cloud.glb", "masks.png", "image.png"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 500, "{file}");
    }
    // What was lifted can be asked about.
    let qa = folder.path().join("qa.parquet");
    let output = run(&["synth", text(&out), "--out", text(&qa), "--references", "marked"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(run(&["verify", text(&qa)]).status.success());
}

#[test]
fn bad_frames_are_refused_with_the_file_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, intrinsics) = rendered(folder.path());
    let (color, depth) = (data.join("scenes/000000.png"), data.join("depth/000000.png"));
    let empty = plumb_geometry::DepthMap::new(320, 240, vec![0.0; 320 * 240]).unwrap();
    fs::write(at("zero.png"), depth_png(&plumb_geometry::ZDepth(empty), 1000.0).unwrap()).unwrap();
    let small = plumb_geometry::DepthMap::new(100, 240, vec![2.0; 24_000]).unwrap();
    fs::write(at("small.png"), depth_png(&plumb_geometry::ZDepth(small), 1000.0).unwrap()).unwrap();
    let picture = RgbImage::filled(320, 240, [9, 9, 9]).unwrap();
    fs::write(at("eight.png"), encode_png(&picture).unwrap()).unwrap();
    let bytes = fs::read(&depth).unwrap();
    fs::write(at("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
    let mut nan =
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (240, 320), }".to_vec();
    nan.resize(127, b' ');
    nan.push(b'\n');
    nan.extend(f32::NAN.to_le_bytes().repeat(320 * 240));
    fs::write(at("nan.npy"), nan).unwrap();
    for (depth, intrinsics, scale, phrases) in [
        (at("zero.png"), intrinsics.as_str(), "1000", ["zero.png", ""]),
        (at("small.png"), &intrinsics, "1000", ["000000.png", "100x240"]),
        (at("eight.png"), &intrinsics, "1000", ["eight.png", ""]),
        (at("cut.png"), &intrinsics, "1000", ["cut.png", ""]),
        (at("nan.npy"), &intrinsics, "1", ["nan.npy", ""]),
        (at("none.png"), &intrinsics, "1000", ["none.png", "No such file"]),
        (depth.clone(), "0,0,0,0", "1000", ["fx", "0"]),
        (depth.clone(), "1e9,1e9,160,120", "1000", ["fx", "focal length"]),
        (depth.clone(), &intrinsics, "1", ["000000.png", "depth-scale"]),
        (depth.clone(), &intrinsics, "-5", ["", "scale"]),
    ] {
        let output = run(&[
            "lift",
            "--color",
            text(&color),
            "--depth",
            text(&depth),
            "--intrinsics",
            intrinsics,
            "--depth-scale",
            scale,
            "--out",
            text(&at("out")),
        ]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", depth.display());
        assert!(phrases.iter().all(|phrase| said.contains(phrase)), "{}: {said}", depth.display());
        assert!(!said.contains("panicked") && said.trim().lines().count() == 1, "{said}");
    }
    // No camera is known: it is not made up.
    let output = run(&["lift", "--color", text(&color), "--depth", text(&depth), "--out", text(&at("out"))]);
    assert!(stderr(&output).contains("--intrinsics"), "{}", stderr(&output));
}

#[test]
fn in_a_batch_bad_inputs_are_put_aside_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    scenes(&data, 3);
    let camera = &json(&data.join("scenes/000000.json"))["camera"];
    let focal = camera["fx"].as_f64().unwrap();
    let intrinsics = format!("{focal},{focal},159.5,119.5");
    let color = folder.path().join("color");
    fs::create_dir(&color).unwrap();
    for i in 0..3 {
        fs::copy(data.join(format!("scenes/{i:06}.png")), color.join(format!("{i:06}.png"))).unwrap();
    }
    fs::write(data.join("depth/000001.png"), b"no picture").unwrap();
    let out = folder.path().join("lifted");
    let output = run(&[
        "lift",
        "--color",
        text(&color),
        "--depth",
        text(&data.join("depth")),
        "--intrinsics",
        &intrinsics,
        "--depth-scale",
        "1000",
        "--out",
        text(&out),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("2 frames lifted, 1 put aside"), "{}", stdout(&output));
    let list = fs::read_to_string(out.join("quarantine.jsonl")).unwrap();
    assert!(list.lines().count() == 1 && list.contains("000001"), "{list}");

    fs::write(data.join("scenes/000002.json"), b"{\"version\": 99}").unwrap();
    let qa = folder.path().join("qa.parquet");
    let output = run(&["synth", text(&data), "--out", text(&qa), "--per-image", "10"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let list = fs::read_to_string(folder.path().join("qa.parquet.quarantine.jsonl")).unwrap();
    assert!(list.lines().count() == 1 && list.contains("000002.json"), "{list}");
}

#[test]
fn wrong_calls_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (args, phrase, code) in [
        (vec!["scenes", "--count", "1", "--size", "5x5", "--out", text(&out)], "16 to 4096", 1),
        (
            vec!["scenes", "--count", "1", "--world", "moon", "--out", text(&out)],
            "room, street, table_top",
            2,
        ),
        (vec!["synth", text(folder.path()), "--out", "qa.parquet"], "no scene.json", 1),
        (vec!["synth", "nowhere", "--out", "qa.parquet"], "nowhere", 1),
        (vec!["synth", text(folder.path()), "--out", "qa.txt"], ".parquet", 1),
        (vec!["synth", "x", "--out", "qa.parquet", "--types", "colour"], "left_predicate", 2),
        (vec!["verify", "Cargo.toml"], "Cargo.toml", 1),
        (vec!["verify", "nowhere.parquet"], "nowhere.parquet", 1),
        (vec!["lift", "--color", "a.png", "--out", text(&out)], "--depth", 2),
        (vec!["lift", "--frames", text(folder.path()), "--out", text(&out)], "--format", 1),
    ] {
        let output = run(&args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(phrase), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
