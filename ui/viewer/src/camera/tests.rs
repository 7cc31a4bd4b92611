use super::*;
use proptest::prelude::*;

fn cameras() -> impl Strategy<Value = Camera> {
    (
        (-50.0..50.0, -50.0..50.0, -10.0..10.0),
        (0.0..std::f64::consts::TAU, -1.5..1.5),
        (0.05..200.0, 0.2..2.0),
    )
        .prop_map(|((x, y, z), (yaw, pitch), (distance, fov_y))| Camera {
            target: DVec3::new(x, y, z),
            yaw,
            pitch,
            distance,
            fov_y,
        })
}

proptest! {
    #[test]
    fn projecting_undoes_unprojecting(
        camera in cameras(), x in 0.0..800.0, y in 0.0..600.0, depth in 0.1..500.0,
    ) {
        let view = camera.view([800.0, 600.0]);
        let (pixel, back) = view.project(view.unproject(DVec2::new(x, y), depth)).unwrap();
        prop_assert!((pixel - DVec2::new(x, y)).length() < 1e-6);
        prop_assert!((back - depth).abs() < 1e-8 * depth.max(1.0));
    }

    #[test]
    fn the_matrix_agrees_with_the_projection(camera in cameras(), x in 0.0..800.0, y in 0.0..600.0) {
        let view = camera.view([800.0, 600.0]);
        let origin = DVec3::new(3.0, -2.0, 1.0);
        let world = view.unproject(DVec2::new(x, y), camera.distance);
        let clip = glam::Mat4::from_cols_array_2d(&view.clip_from_world(origin))
            * (world - origin).as_vec3().extend(1.0);
        let ndc = clip / clip.w;
        prop_assert!((f64::from(ndc.x) - (x / 400.0 - 1.0)).abs() < 1e-3);
        prop_assert!((f64::from(ndc.y) - (1.0 - y / 300.0)).abs() < 1e-3);
        prop_assert!((f64::from(clip.w) / camera.distance - 1.0).abs() < 1e-3);
        prop_assert!((f64::from(ndc.z) - view.near / camera.distance).abs() < 1e-4);
    }

    #[test]
    fn zooming_keeps_the_anchor_in_place(camera in cameras(), x in 0.0..800.0, y in 0.0..600.0, factor in 0.5..2.0) {
        let view = camera.view([800.0, 600.0]);
        let anchor = view.unproject(DVec2::new(x, y), camera.distance);
        let mut zoomed = camera;
        zoomed.zoom_about(anchor, factor);
        let (pixel, _) = zoomed.view([800.0, 600.0]).project(anchor).unwrap();
        prop_assert!((pixel - DVec2::new(x, y)).length() < 1e-3, "{pixel}");
    }

    #[test]
    fn looking_around_keeps_the_eye_and_up_is_up(camera in cameras(), yaw in -3.0..3.0, pitch in -3.0..3.0) {
        let mut turned = camera;
        turned.look(yaw, pitch);
        prop_assert!((turned.eye() - camera.sanitized().eye()).length() < 1e-9 * camera.distance.max(100.0));
        prop_assert!(turned.basis().up.z > 0.0);
        prop_assert!(turned.basis().right.z.abs() < 1e-12);
    }
}

#[test]
fn axes_are_where_the_docs_say() {
    let camera = Camera { yaw: 0.0, pitch: 0.0, distance: 2.0, ..Camera::default() };
    assert!((camera.eye() - DVec3::new(0.0, -2.0, 0.0)).length() < 1e-12);
    let view = camera.view([200.0, 100.0]);
    assert!(view.project(DVec3::X * 0.1).unwrap().0.x > 100.0);
    assert!(view.project(DVec3::Z * 0.1).unwrap().0.y < 50.0);
    assert_eq!(view.project(DVec3::Y * -3.0), None);
    let mut left = camera;
    left.orbit(0.1, 0.0);
    assert!(left.basis().forward.x < 0.0);
}

#[test]
fn nonsense_becomes_sane() {
    let camera = Camera {
        target: DVec3::new(f64::NAN, 0.0, 0.0),
        yaw: f64::INFINITY,
        pitch: 9.0,
        distance: -1.0,
        fov_y: 0.0,
    }
    .sanitized();
    assert!(camera.target.is_finite() && camera.pitch <= MAX_PITCH && camera.distance > 0.0);
    let view = camera.view([0.0, f64::NAN]);
    assert!(view.focal.is_finite() && view.focal > 0.0);
    let mut zoomed = camera;
    zoomed.zoom_about(DVec3::NAN, 0.5);
    assert_eq!(zoomed, camera);
}

#[test]
fn framing_shows_the_whole_ball_in_narrow_panels_too() {
    for aspect in [0.3, 1.0, 3.0] {
        let camera = Camera::default().framing(DVec3::ONE, 2.0, aspect);
        let view = camera.view([300.0 * aspect, 300.0]);
        let Basis { right, up, .. } = view.basis;
        for edge in [right, -right, up, -up] {
            let (pixel, _) = view.project(DVec3::ONE + edge * 2.0).unwrap();
            assert!(pixel.cmpge(DVec2::ZERO).all() && pixel.cmple(view.size).all(), "{aspect}: {pixel}");
        }
    }
}

#[test]
fn fitting_fills_the_panel_and_cuts_nothing_off() {
    let points: Vec<[f32; 3]> =
        (0..60_u8).map(|i| [f32::from(i % 5) - 2.0, f32::from(i / 5 % 4), f32::from(i / 20)]).collect();
    for aspect in [0.4, 1.5] {
        let camera = Camera::default().fitting(&points, aspect);
        let size = DVec2::new(400.0 * aspect, 400.0);
        let view = camera.view(size.to_array());
        let mut used = DVec2::ZERO;
        for point in &points {
            let (pixel, _) = view.project(glam::Vec3::from(*point).as_dvec3()).unwrap();
            used = used.max((pixel / size - 0.5).abs());
        }
        assert!((used.max_element() - 0.45).abs() < 1e-6, "{aspect}: {used}");
    }
    assert_eq!(Camera::default().fitting(&[], 1.0), Camera::default().sanitized());
    let single = Camera::default().fitting(&[[1.0, 2.0, 3.0]], 1.0);
    assert!(single.target.distance(DVec3::new(1.0, 2.0, 3.0)) < 1e-9 && single.distance > 0.1);
}

#[test]
fn the_capture_view_sees_pixels_where_the_picture_has_them() {
    let capture = CaptureCamera {
        position: [1.0, 2.0, 1.5],
        rotation: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]],
        focal: [500.0, 500.0],
        center: [320.0, 240.0],
        size: [640, 480],
        image: None,
    };
    let view = Camera::from_capture(&capture, 3.0, 640.0 / 480.0).view([640.0, 480.0]);
    for pixel in [[10.0_f32, 20.0], [600.0, 400.0]] {
        let world = glam::Vec3::from(capture.lift(pixel, 2.5)).as_dvec3();
        let (found, depth) = view.project(world).unwrap();
        assert!((found - DVec2::new(pixel[0].into(), pixel[1].into())).length() < 1e-3, "{found}");
        assert!((depth - 2.5).abs() < 1e-5);
    }
}

#[test]
fn easing_takes_the_short_way_and_ends_at_the_goal() {
    let from = Camera { yaw: 0.1, ..Camera::default() };
    let to = Camera { yaw: 6.2, distance: 20.0, ..from };
    let middle = from.towards(&to, 0.5);
    assert!(middle.yaw < 0.1 || middle.yaw > 6.2, "{}", middle.yaw);
    assert!((middle.distance - 10.0).abs() < 1e-9);
    let end = from.towards(&to, 1.0);
    assert!((end.yaw - to.yaw).abs() < 1e-9 && (end.distance - to.distance).abs() < 1e-9);
}

#[test]
fn segments_are_cut_at_the_near_plane() {
    let view = Camera { yaw: 0.0, pitch: 0.0, distance: 1.0, ..Camera::default() }.view([100.0, 100.0]);
    let behind = DVec3::new(0.2, -5.0, 0.0);
    let [a, b] = view.project_segment(behind, DVec3::new(0.2, 5.0, 0.0)).unwrap();
    assert!(a.0.is_finite() && b.0.is_finite() && (a.1 - view.near).abs() < 1e-6);
    assert_eq!(view.project_segment(behind, behind * 2.0), None);
}

#[test]
fn state_round_trips_through_serde() {
    let bookmark = Bookmark { name: "door".into(), camera: Camera::default() };
    let text = serde_json::to_string(&bookmark).unwrap();
    assert_eq!(serde_json::from_str::<Bookmark>(&text).unwrap(), bookmark);
}
