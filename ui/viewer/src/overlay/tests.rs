use super::*;

fn shape() -> OrientedBox {
    OrientedBox {
        id: 3,
        center: [1.0, 2.0, 0.5],
        half_size: [0.5, 1.0, 0.5],
        rotation: [0.0, 0.0, 0.0, 1.0],
        color: [255, 0, 0],
        label: "bed".into(),
        emphasis: Emphasis::Selected,
    }
}

const NOTHING: Show =
    Show { grid: false, axes: false, gravity: false, boxes: true, frustum: true, image: 1.0, line: [128; 3] };

#[test]
fn a_box_has_edges_of_its_own_size_and_a_label_on_top() {
    let scene = Scene { boxes: vec![shape()], ..Scene::default() };
    let overlay = build(&scene, &[], None, [0.0; 3], &NOTHING);
    assert_eq!((overlay.lines.len(), overlay.through, overlay.faces.len()), (12, 12, 36));
    assert_eq!(overlay.labels[0].at, DVec3::new(1.0, 2.0, 1.0));
    let total: f64 = EDGES
        .iter()
        .map(|&(a, b)| {
            let corners = corners(&shape()).unwrap();
            corners[a].distance(corners[b])
        })
        .sum();
    assert!((total - 4.0 * (1.0 + 2.0 + 1.0)).abs() < 1e-9);
}

#[test]
fn faces_lie_on_the_box() {
    let corners = corners(&shape()).unwrap();
    for face in FACES {
        let center = face.iter().map(|&i| corners[i]).sum::<DVec3>() / 4.0 - DVec3::new(1.0, 2.0, 0.5);
        let scaled = center / DVec3::new(0.5, 1.0, 0.5);
        assert!((scaled.length() - 1.0).abs() < 1e-9, "{scaled}");
    }
}

#[test]
fn broken_boxes_are_left_out() {
    let broken = [
        OrientedBox { center: [f32::NAN; 3], ..shape() },
        OrientedBox { rotation: [0.0; 4], ..shape() },
        OrientedBox { half_size: [f32::INFINITY; 3], ..shape() },
    ];
    let scene = Scene { boxes: broken.to_vec(), ..Scene::default() };
    assert_eq!(build(&scene, &[], None, [0.0; 3], &NOTHING), Overlay::default());
}

#[test]
fn grid_squares_are_round_numbers() {
    for (radius, expected) in [(4.0, 0.5), (8.0, 1.0), (30.0, 5.0), (0.4, 0.05)] {
        assert!((grid_spacing(radius) - expected).abs() < 1e-9, "{radius}: {}", grid_spacing(radius));
    }
    assert!(grid_spacing(f64::from(f32::MAX)).is_finite() && grid_spacing(0.0) > 0.0);
}

#[test]
fn every_part_of_the_chrome_draws_something() {
    let scene = Scene {
        segments: vec![Segment {
            from: [0.0; 3],
            to: [1.0, 0.0, 0.0],
            color: [1, 2, 3],
            label: "1.0 m".into(),
            arrow: true,
        }],
        ..Scene::default()
    };
    let lines = |show: &Show| build(&scene, &[], None, [0.0; 3], show).lines.len();
    let base = lines(&NOTHING);
    assert_eq!(base, 1);
    assert!(lines(&Show { grid: true, ..NOTHING }) > base + 10);
    assert_eq!(lines(&Show { axes: true, ..NOTHING }), base + 3);
    assert_eq!(lines(&Show { gravity: true, ..NOTHING }), base + 1);
    assert_eq!(build(&scene, &[], None, [0.0; 3], &NOTHING).labels[0].at, DVec3::X * 0.5);
}
