use plumb_image::decode;
use proptest::prelude::*;

use super::*;
use crate::pair::{Proof, Question};
use crate::random_scenes::random_scene;

const GREY: [u8; 3] = [90, 90, 90];
const RED: [u8; 3] = [255, 0, 0];

fn mark(rect: [f32; 4]) -> Mark {
    Mark { object: 1, colour: RED, rect }
}

fn pair(scene: &Scene, kind: Kind, roles: &[usize], options: &[&str], gold: u8) -> QaPair {
    QaPair {
        scene: scene.id.clone(),
        question: Question {
            kind,
            objects: roles.iter().map(|&role| scene.objects[role].id).collect(),
            rank: 0,
            category: "shelf".to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        },
        answer: Answer::Option(gold),
        mentions: Vec::new(),
        question_template: 0,
        answer_template: 0,
        marks: Vec::new(),
        proof: Proof::default(),
        question_text: String::new(),
        answer_text: String::new(),
        steps: Vec::new(),
    }
}

#[test]
fn an_outline_is_drawn_and_nothing_else() {
    let image = RgbImage::filled(640, 480, GREY).expect("an image");
    let drawn = draw_marks(&image, &[mark([100.0, 50.0, 200.0, 150.0])]).expect("drawn");
    for (x, y) in [(100, 50), (199, 149), (150, 50), (100, 100), (199, 100), (150, 149), (101, 51)] {
        assert_eq!(drawn.pixel(x, y), Some(RED), "{x}, {y}");
    }
    for (x, y) in [(150, 100), (90, 50), (210, 150), (104, 54)] {
        assert_eq!(drawn.pixel(x, y), Some(GREY), "{x}, {y}");
    }
    let red = drawn.data().chunks_exact(3).filter(|pixel| *pixel == RED).count();
    // A frame 3 wide whose outer side is 102.
    assert_eq!(red, 102 * 102 - 96 * 96);
}

proptest! {
    #[test]
    fn no_box_panics(rect in prop::array::uniform4(prop_oneof![
        any::<f32>(), -50.0..100.0f32, Just(f32::NAN), Just(f32::INFINITY), Just(f32::MAX)
    ])) {
        let image = RgbImage::filled(31, 17, GREY).expect("an image");
        let drawn = draw_marks(&image, &[mark(rect)]).expect("drawn");
        prop_assert_eq!(drawn.size(), (31, 17));
    }
}

#[test]
fn pairs_take_the_form_of_cv_bench_and_own_up_to_their_source() {
    let mut scene = random_scene(5);
    for (object, name) in scene.objects.iter_mut().zip(["shelf", "mug", "lamp"]) {
        name.clone_into(&mut object.name);
        object.plural = if name == "shelf" { "shelves".to_owned() } else { format!("{name}s") };
        object.rect = [20.0 * object.id as f32, 30.0, 20.0 * object.id as f32 + 15.0, 60.0];
    }
    let image = RgbImage::filled(640, 480, GREY).expect("an image");

    let distance = pair(&scene, Kind::McDistance, &[0, 1, 2], &["mug", "lamp"], 1);
    let (sample, bytes) = to_cvbench(&distance, &scene, &image, 7).expect("a row");
    assert_eq!(
        sample.prompt,
        "Estimate the real-world distances between objects in this image. Which object is closer to the shelf \
         (highlighted by a red box), the mug (highlighted by a blue box) or the lamp (highlighted by a green box)? \
         Select from the following choices.\n(A) mug\n(B) lamp"
    );
    assert_eq!((sample.gold_letter(), sample.kind, sample.boxes.len()), ('B', Side::ThreeD, 3));
    assert_eq!((sample.source.as_str(), sample.sub_source()), ("Plumbline rendered", None));
    assert_eq!(sample.filename, "img/3D/distance/plumbline_7.png");
    let shown = decode(&bytes, &plumb_image::Limits::default()).expect("a picture");
    for (role, (_, colour)) in MARK_COLOURS.iter().take(3).enumerate() {
        let [x, y, ..] = scene.objects[role].rect;
        assert_eq!(shown.pixel(x as u32, y as u32 + 10), Some(*colour));
    }

    let count = pair(&scene, Kind::McCount, &[], &["2", "1", "3"], 1);
    let (sample, bytes) = to_cvbench(&count, &scene, &image, 8).expect("a row");
    assert_eq!(sample.question, "How many shelves are in the image?");
    assert!(sample.boxes.is_empty() && sample.target_class.as_deref() == Some("shelf"));
    assert_eq!(decode(&bytes, &plumb_image::Limits::default()).expect("a picture"), image);

    let relation = pair(&scene, Kind::McRelation, &[0, 1], &["left", "right"], 0);
    let (sample, _) = to_cvbench(&relation, &scene, &image, 9).expect("a row");
    assert_eq!(
        sample.question,
        "Considering the relative positions of the shelf (annotated by the red box) and the mug (annotated by the blue box) in the image provided, where is the shelf located with respect to the mug?"
    );
    assert_eq!(sample.boxes.len(), 2);
}

#[test]
fn what_does_not_fit_is_an_error_that_says_so() {
    let scene = random_scene(5);
    let image = RgbImage::filled(640, 480, GREY).expect("an image");
    let said = |pair: &QaPair, image: &RgbImage| {
        to_cvbench(pair, &scene, image, 0)
            .map(|_| ())
            .map_err(|error| error.to_string())
            .expect_err("refused")
    };
    assert!(said(&pair(&scene, Kind::Height, &[0], &[], 0), &image).starts_with("height has no form"));
    assert!(said(&pair(&scene, Kind::McDepth, &[0], &["a", "b"], 0), &image).contains("needs 2 objects"));
    assert!(said(&pair(&scene, Kind::McDepth, &[0, 1], &["a", "b"], 2), &image).contains("none of the 2"));
    let small = RgbImage::filled(64, 48, GREY).expect("an image");
    assert!(said(&pair(&scene, Kind::McDepth, &[0, 1], &["a", "b"], 0), &small).contains("(64, 48)"));
}
