use glam::DVec3;
use plumb_geometry::{Aabb, Camera, Gravity, GravityBox, GravitySource, Measure, SceneFrame};
use serde_json::{Value, json};

use super::*;
use crate::{Attributes, DepthRange, Flags, ImageRef, NameSource, PairDistance, SceneSource};

fn object(id: u32, x: f64) -> Object {
    let (min, max) = (DVec3::new(x, 2.0, 0.0), DVec3::new(x + 0.5, 2.6, 0.9));
    Object {
        id,
        name: "chair".to_owned(),
        named_by: NameSource::Label,
        plural: "chairs".to_owned(),
        attributes: Attributes { colour: Some("red".to_owned()), ..Default::default() },
        rect: [10.0, 20.0, 90.5, 200.0],
        pixel_centre: [50.25, 110.0],
        pixels: 8000,
        visible: Some(0.75),
        flags: Flags { partial_depth: true, ..Default::default() },
        oriented: GravityBox { centre: [x + 0.25, 2.3, 0.45], size: [0.5, 0.6, 0.9], yaw: 0.1 },
        aabb: Aabb::exact(min, max),
        centre: [x + 0.25, 2.3, 0.45],
        centre_sigma: [0.01, 0.02, 0.01],
        depth: DepthRange { near: 2.0, median: 2.2, far: 2.6, sigma: 0.03 },
        support: Some(Measure::new(0.0, 0.01)),
        points: 7000,
    }
}

fn scene() -> Scene {
    Scene {
        version: SCENE_VERSION,
        id: "0123456789abcdef".to_owned(),
        source: SceneSource::Lifted { depth: "tum".to_owned(), objects: "masks".to_owned() },
        image: ImageRef { path: "images/a.png".to_owned(), width: 640, height: 480, sha256: "0".repeat(64) },
        camera: Camera { width: 640, height: 480, fx: 525.0, fy: 525.0, cx: 320.0, cy: 240.0 },
        gravity: Gravity::Known { direction: [0.0, 1.0, 0.0], sigma: 0.5, source: GravitySource::Normals },
        frame: SceneFrame::from_up(DVec3::NEG_Y, Some(1.4)),
        metric: true,
        scale_sigma: 0.02,
        exhaustive: false,
        objects: vec![object(1, 0.0), object(7, 1.0), object(9, 2.0)],
        pairs: [(0, 1), (0, 2), (1, 2)]
            .map(|(a, b)| PairDistance {
                a,
                b,
                distance: Measure::new(0.5, 0.01),
                point_a: [0.5, 2.0, 0.0],
                point_b: [1.0, 2.0, 0.0],
            })
            .to_vec(),
    }
}

#[test]
fn scenes_survive() {
    let scene = scene();
    let text = scene_to_json(&scene).unwrap();
    assert!(text.contains("\n  \"objects\": ["), "indented");
    assert_eq!(scene_from_json(text.as_bytes(), "scene.json").unwrap(), scene);
}

/// Sets a value in the record and gives the message of the refusal.
fn refused(pointer: &str, value: Value) -> String {
    let mut record: Value = serde_json::from_str(&scene_to_json(&scene()).unwrap()).unwrap();
    *record.pointer_mut(pointer).unwrap() = value;
    scene_from_json(record.to_string().as_bytes(), "scene.json").unwrap_err().to_string()
}

#[test]
fn hostile_records_are_refused_with_the_field() {
    for (pointer, value, phrase) in [
        ("/version", json!(2), "version 2; this program reads up to 1"),
        ("/version", json!(0), "version is 0"),
        ("/version", json!("1"), "not a scene"),
        ("/camera/fx", json!(0.0), "camera fx is 0"),
        ("/camera/width", json!(4_000_000_000u32), "camera width"),
        ("/image/width", json!(320), "image is 320x480, but camera is 640x480"),
        ("/image/path", json!("../../etc/passwd"), "expected a path in the folder"),
        ("/image/path", json!("/etc/passwd"), "expected a path in the folder"),
        ("/image/path", json!("c:\\x.png"), "expected a path in the folder"),
        ("/image/path", json!(""), "expected a path in the folder"),
        ("/gravity/direction/1", json!(0.5), "length 0.5"),
        ("/gravity/direction/1", json!(1e300), "gravity.direction"),
        ("/gravity", json!({"nothing": 1}), "not a scene"),
        ("/frame/axes/0/0", json!(2.0), "frame.axes"),
        ("/scale_sigma", json!(-1.0), "scale_sigma is -1"),
        ("/objects/1/id", json!(1), "the id 1 is there twice"),
        ("/objects/1/id", json!(0), "objects[1].id is 0"),
        ("/objects/1/id", json!(-4), "not a scene"),
        ("/objects/2/rect/2", json!(1e30), "objects[2].rect"),
        ("/objects/2/rect/2", json!(1.0), "expected x1, y1, x2, y2"),
        ("/objects/2/rect/2", json!(null), "not a scene"),
        ("/objects/0/name", json!("  "), "objects[0].name"),
        ("/objects/0/name", json!("a\u{0}b"), "objects[0].name"),
        ("/objects/0/visible", json!(1.5), "visible is 1.5"),
        ("/objects/0/box/size/2", json!(-0.5), "box.size is -0.5"),
        ("/objects/0/box/yaw", json!(1e9), "box.yaw"),
        ("/objects/0/aabb/min/0", json!(7.0), "aabb.min is greater"),
        ("/objects/0/centre/0", json!(1e12), "objects[0].centre is 1000000000000"),
        ("/objects/0/depth/near", json!(2.5), "near <= median"),
        ("/objects", json!([]), "pairs[0] is of 0 and 1, expected a < b among 0 objects"),
        ("/objects", json!(3), "not a scene"),
        ("/pairs/2/b", json!(3), "pairs[2] is of 1 and 3"),
        ("/pairs/2/b", json!(4_294_967_295u32), "pairs[2]"),
        ("/pairs/1/a", json!(1), "pairs[2] is not in order"),
        ("/pairs/0/a", json!(1), "pairs[0] is of 1 and 1"),
        ("/pairs/0/distance/value", json!(-0.1), "pairs[0].distance is -0.1"),
    ] {
        let message = refused(pointer, value);
        assert!(message.starts_with("scene.json: ") && message.contains(phrase), "{pointer}: {message}");
    }
    for bytes in [&b""[..], b"{", b"[]", b"\xff\xfe", "[".repeat(100_000).as_bytes(), b"{\"version\":1e400}"]
    {
        assert!(scene_from_json(bytes, "scene.json").unwrap_err().to_string().contains("not a scene"));
    }
}

#[test]
fn scenes_that_could_not_be_read_back_are_not_written() {
    let mut scene = scene();
    scene.objects[1].centre[2] = f64::NAN;
    let message = scene_to_json(&scene).unwrap_err().to_string();
    assert!(message.contains("objects[1].centre is NaN"), "{message}");
}
