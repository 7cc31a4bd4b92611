//! Label files as they are, and as nobody should write them.

use std::io::Cursor;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};
use plumb_geometry::{DepthMap, ZDepth};
use serde_json::{Value, json};

use super::*;
use crate::NameSource;

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn numbers_of_a_grey_png_with_and_without_names() {
    let mask = png(ImageBuffer::from_fn(4, 2, |x, _| Luma([[0u16, 1, 500, 7][x as usize]])));
    let names = br#"{"1": "shelf", "500": {"name": "chair", "colour": "red", "caption": "chair with armrests"}, "9": "absent"}"#;
    let found = instance_png(&mask, "m.png", Some((names, "n.json"))).unwrap();
    assert_eq!(found.ids(), [0, 1, 500, 7, 0, 1, 500, 7]);
    assert_eq!(found.labels.iter().map(|l| l.id).collect::<Vec<_>>(), [1, 7, 500]);
    assert_eq!(found.label(1).unwrap().plural, "shelves");
    let neutral = found.label(7).unwrap();
    assert_eq!((neutral.name.as_str(), neutral.named_by), ("object 7", NameSource::Proposal));
    let chair = found.label(500).unwrap();
    assert_eq!(chair.attributes.caption.as_deref(), Some("chair with armrests"));
    assert_eq!((chair.attributes.colour.as_deref(), chair.named_by), (Some("red"), NameSource::Label));

    let eight = png(ImageBuffer::from_fn(4, 2, |x, _| Luma([(x * 3) as u8])));
    assert_eq!(instance_png(&eight, "m.png", None).unwrap().ids(), [0, 3, 6, 9, 0, 3, 6, 9]);
}

/// A PNG with a palette, as annotation tools write: 4x1 pixels of these indices.
fn palette_png(palette: &[[u8; 3]], indices: [u8; 4]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(u32::MAX, |sum, &byte| {
            (0..8).fold(
                sum ^ u32::from(byte),
                |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 },
            )
        })
    };
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    };
    let line = [&[0][..], &indices].concat();
    // A stored block of deflate and its checksum (Adler).
    let (a, b) = line.iter().fold((1u32, 0u32), |(a, b), &byte| {
        ((a + u32::from(byte)) % 65_521, (b + a + u32::from(byte)) % 65_521)
    });
    let data = [&[0x78, 0x01, 1, 5, 0, 0xFA, 0xFF][..], &line, &((b << 16) | a).to_be_bytes()].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &[0, 0, 0, 4, 0, 0, 0, 1, 8, 3, 0, 0, 0]),
        chunk(b"PLTE", palette.as_flattened()),
        chunk(b"IDAT", &data),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

#[test]
fn palettes_count_by_index() {
    let colours = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]];
    assert_eq!(
        instance_png(&palette_png(&colours, [0, 3, 2, 1]), "m.png", None).unwrap().ids(),
        [0, 3, 2, 1]
    );
    let twice = [[0, 0, 0], [9, 9, 9], [9, 9, 9]];
    let message = instance_png(&palette_png(&twice, [0, 1, 2, 0]), "m.png", None).unwrap_err().to_string();
    assert!(message.contains("one colour twice"), "{message}");
}

#[test]
fn masks_that_are_none() {
    let good = png(ImageBuffer::from_pixel(4, 2, Luma([1u16])));
    let colour = png(ImageBuffer::from_pixel(4, 2, Rgb([1u8, 2, 3])));
    for (bytes, phrase) in [
        (&b""[..], "not a PNG"),
        (b"GIF89a", "not a PNG"),
        (&colour, "a colour picture (3 channels)"),
        (&good[..40], "not a readable PNG"),
    ] {
        let message = instance_png(bytes, "m.png", None).unwrap_err().to_string();
        assert!(message.starts_with("m.png: ") && message.contains(phrase), "{message}");
    }
    for (json, phrase) in [
        ("[]", "not the JSON"),
        ("{\"0\": \"x\"}", "'0' is not an object number"),
        ("{\"-1\": \"x\"}", "'-1' is not"),
        ("{\"70000\": \"x\"}", "'70000' is not"),
        ("{\"1\": 5}", "not the JSON"),
        ("{\"1\": \" \"}", "is empty"),
        ("{\"1\": \"a\\u0007b\"}", "control characters"),
    ] {
        let message =
            instance_png(&good, "m.png", Some((json.as_bytes(), "n.json"))).unwrap_err().to_string();
        assert!(message.starts_with("n.json: ") && message.contains(phrase), "{json}: {message}");
    }
}

fn example() -> Value {
    json!({
        "images": [
            {"id": 5, "file_name": "val/a.jpg", "width": 10, "height": 8},
            {"id": 6, "file_name": "val/b.jpg", "width": 4, "height": 4}
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 62, "name": "coffee_table"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 1, "iscrowd": 0, "bbox": [1, 1, 3, 3], "caption": "person with a hat",
             "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]},
            {"id": 2, "image_id": 5, "category_id": 62, "bbox": [0, 0, 6, 6], "attributes": {"color": "brown", "occluded": true},
             "segmentation": [[0, 0, 6, 0, 6, 6, 0, 6], [8, 6, 10, 6, 10, 8, 8, 8]]},
            {"id": 3, "image_id": 5, "category_id": 1, "iscrowd": 1, "segmentation": {"size": [8, 10], "counts": [0, 80]}},
            {"id": 4, "image_id": 5, "category_id": 1, "iscrowd": 0, "bbox": [9, 0, 1, 3],
             "segmentation": {"size": [8, 10], "counts": [72, 3, 5]}},
            {"id": 9, "image_id": 6, "category_id": 1, "segmentation": {"size": [4, 4], "counts": "13<"}, "bbox": [0, 0, 2, 2]}
        ]
    })
}

#[test]
fn coco_masks_small_on_top() {
    let text = example().to_string();
    for image in ["val/a.jpg", "a.jpg", "5", "elsewhere/a.jpg"] {
        let found = coco(text.as_bytes(), "c.json", image, 10, 8).unwrap();
        let id = |x: usize, y: usize| found.ids()[y * 10 + x];
        assert_eq!(
            [id(0, 0), id(2, 2), id(5, 5), id(9, 7), id(9, 2), id(9, 3), id(7, 7)],
            [2, 1, 2, 2, 3, 0, 0]
        );
        assert_eq!(
            found.labels.iter().map(|l| (l.id, l.name.as_str())).collect::<Vec<_>>(),
            [(1, "person"), (2, "coffee table"), (3, "person")]
        );
        assert_eq!(found.labels[0].attributes.caption.as_deref(), Some("person with a hat"));
        assert_eq!(found.labels[1].attributes.colour.as_deref(), Some("brown"));
    }
    // Packed: 1 background, 3 object, 12 background, down the columns.
    let packed = coco(text.as_bytes(), "c.json", "b.jpg", 4, 4).unwrap();
    assert_eq!(packed.ids(), [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn hostile_coco_is_refused_with_a_reason() {
    let edits = [
        ("/annotations/0/segmentation", json!([[1, 1, 4, 1]]), "annotation 1: a polygon of 4 numbers"),
        ("/annotations/0/segmentation", json!([]), "no polygon"),
        ("/annotations/0/segmentation", json!(null), "no mask"),
        ("/annotations/0/segmentation", json!([[1, 1, 4, 1, 4, 1e9]]), "far outside of the 10x8 picture"),
        ("/annotations/0/segmentation", json!([[1, 1, 4, 1, 4, -9000]]), "far outside"),
        ("/annotations/0/segmentation", json!("wrong"), "not the JSON expected"),
        ("/annotations/0/segmentation", json!([[["x"]]]), "not the JSON expected"),
        ("/annotations/3/segmentation/counts", json!([72, 4_294_967_295u32]), "more than the 80 pixels"),
        ("/annotations/3/segmentation/counts", json!([72, -3]), "not the JSON expected"),
        ("/annotations/3/segmentation/counts", json!([72]), "run lengths of 72 pixels, expected 80"),
        ("/annotations/3/segmentation/counts", json!("oooo"), "cut off"),
        ("/annotations/3/segmentation/size", json!([4_000_000_000u32, 4_000_000_000u32]), "expected 10x8"),
        ("/annotations/0/category_id", json!(77), "has the category 77, which the file does not list"),
        ("/annotations/0/image_id", json!({"a": 1}), "not the JSON expected"),
        ("/categories/0/name", json!(""), "is empty"),
        ("/categories/0/name", json!("x".repeat(5000)), "more than 200 characters"),
        ("/images/0/width", json!(640), "the image is 640x8 here, but its depth is 10x8"),
        ("/images", json!([]), "no image 'a.jpg' among its 0"),
        ("/annotations", json!(7), "not the JSON expected"),
    ];
    for (pointer, value, phrase) in edits {
        let mut file = example();
        *file.pointer_mut(pointer).unwrap() = value;
        let message =
            super::coco(file.to_string().as_bytes(), "c.json", "a.jpg", 10, 8).unwrap_err().to_string();
        assert!(message.starts_with("c.json: ") && message.contains(phrase), "{pointer}: {message}");
    }
    let mut crowded = example();
    let full = json!({"id": 1, "image_id": 5, "category_id": 1, "segmentation": {"size": [8, 10], "counts": [0, 80]}});
    crowded["annotations"] = Value::Array(vec![full; 300]);
    let message =
        super::coco(crowded.to_string().as_bytes(), "c.json", "a.jpg", 10, 8).unwrap_err().to_string();
    assert!(message.contains("more than 256 times"), "{message}");
    for text in ["", "{}", "[", &"[".repeat(200_000), &"{\"annotations\":".repeat(200_000), "\u{0}"] {
        let message = super::coco(text.as_bytes(), "c.json", "a.jpg", 10, 8).unwrap_err().to_string();
        assert!(message.contains("not the JSON expected"), "{message}");
    }
    assert!(
        super::coco(b"{}", "c.json", "a.jpg", 4_000_000_000, 8).unwrap_err().to_string().contains("masks of")
    );
    assert!(super::coco(b"{}", "c.json", "a.jpg", 0, 8).is_err());
}

#[test]
fn boxes_of_both_kinds() {
    let list = br#" [{"name": "knife", "box": [1, 2, 5.5, 8.2], "caption": "long knife"}, {"name": "cup", "bbox_2d": [0, 0, 3, 3], "plural": "cups of tea"}]"#;
    let found = super::boxes(list, "b.json", "", 10, 8).unwrap();
    assert_eq!((found[0].plural.as_str(), found[1].plural.as_str()), ("knives", "cups of tea"));
    assert_eq!(found[0].rect, [1.0, 2.0, 5.5, 8.0]);
    assert_eq!(found[0].attributes.caption.as_deref(), Some("long knife"));
    let coco = super::boxes(example().to_string().as_bytes(), "c.json", "a.jpg", 10, 8).unwrap();
    assert_eq!(
        coco.iter().map(|b| b.rect).collect::<Vec<_>>(),
        [[1.0, 1.0, 4.0, 4.0], [0.0, 0.0, 6.0, 6.0], [9.0, 0.0, 10.0, 3.0]]
    );
    for (text, phrase) in [
        (r#"[{"name": "a", "box": [5, 1, 2, 4]}]"#, "box 1 is [5, 1, 2, 4], expected x1 < x2"),
        (r#"[{"name": "a", "box": [11, 1, 12, 4]}]"#, "outside of the 10x8"),
        (r#"[{"name": "a", "box": [1, 1, 640, 4]}]"#, "beyond the 10x8"),
        (r#"[{"name": "a", "box": [-50, -50, -1, -1]}]"#, "outside of the 10x8"),
        (r#"[{"name": "a", "box": [1, 1, 1e999, 4]}]"#, "not the JSON"),
        (r#"[{"name": "a", "box": [1, 1, 4]}]"#, "not the JSON"),
        (r#"[{"name": 3, "box": [1, 1, 4, 4]}]"#, "not the JSON"),
        (r#"[{"name": "", "box": [1, 1, 4, 4]}]"#, "is empty"),
        ("[[[[", "not the JSON"),
    ] {
        let message = super::boxes(text.as_bytes(), "b.json", "", 10, 8).unwrap_err().to_string();
        assert!(message.starts_with("b.json: ") && message.contains(phrase), "{text}: {message}");
    }
    let many = Value::Array(vec![json!({"name": "a", "box": [1, 1, 4, 4]}); 10_001]).to_string();
    assert!(
        super::boxes(many.as_bytes(), "b.json", "", 10, 8)
            .unwrap_err()
            .to_string()
            .contains("more than 10000")
    );
}

#[test]
fn depth_makes_masks_of_boxes() {
    let (width, height) = (80u32, 60u32);
    // A ball 2 m away before a wall at 4 m; at the upper edge nothing is measured.
    let ball = |x: u32, y: u32| (f64::from(x) - 29.5).hypot(f64::from(y) - 29.5) < 15.0;
    let metres: Vec<f32> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| {
            if y < 3 {
                0.0
            } else if ball(x, y) {
                2.0 + (x % 3) as f32 * 0.01
            } else {
                4.0 + y as f32 * 0.001
            }
        })
        .collect();
    let depth = ZDepth(DepthMap::new(width, height, metres).unwrap());
    let label = |name: &str, rect| BoxLabel {
        name: name.to_owned(),
        plural: plural(name),
        rect,
        attributes: Default::default(),
    };
    let boxes = [
        label("ball", [14.0, 14.0, 45.0, 45.0]),
        label("picture", [55.0, 20.0, 75.0, 40.0]),
        label("lamp", [60.0, 0.0, 70.0, 3.0]),
    ];
    let found = boxes_to_instances(&boxes, &depth).unwrap();
    let (mut right, mut all) = (0, 0);
    for (at, &id) in found.ids().iter().enumerate() {
        let inside = ball(at as u32 % width, at as u32 / width);
        right += u32::from(id == 1 && inside);
        all += u32::from(id == 1 || inside);
    }
    // All but the rim that shrinking cuts.
    assert!(f64::from(right) / f64::from(all) > 0.9, "{right} of {all}");
    assert_eq!(found.ids().iter().filter(|&&id| id == 1).count() as u32, right);
    assert_eq!(found.ids().iter().filter(|&&id| id == 2).count(), 18 * 18);
    assert_eq!(found.labels.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["ball", "picture"]);
    let outside = label("x", [f64::NAN, -5.0, 1e12, f64::INFINITY]);
    boxes_to_instances(&[outside], &depth).unwrap();
}
