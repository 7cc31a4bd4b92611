//! Pictures on a real device: what is drawn, where, in which colour, and what is found under the pointer.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails the run")]

mod support;

use std::sync::Arc;

use glam::{DVec2, DVec3, Vec3};
use plumb_viewer::{
    Camera, Cloud, ColorMode, Emphasis, Highlight, Offscreen, PointSize, Scene, ViewOptions, ViewerError,
};
use support::{bare, device, keep, room};

const SIZE: [u32; 2] = [480, 320];

struct Stage {
    device: wgpu::Device,
    offscreen: Offscreen,
}

impl Stage {
    fn run(processor: bool, test: fn(&mut Self)) {
        let Some((device, queue, _)) = device() else { return };
        let offscreen = Offscreen::with_points_on(&device, &queue, Some(processor));
        test(&mut Self { offscreen, device });
    }

    fn draw(&mut self, scene: &Scene, camera: &Camera, options: &ViewOptions) -> Vec<u8> {
        self.offscreen.render(scene, camera, SIZE, options).unwrap();
        self.offscreen.read().wait(&self.device).unwrap()
    }

    fn pick(&mut self, scene: &Scene, pixel: DVec2) -> Option<plumb_viewer::Pick> {
        let pending = self.offscreen.pick([pixel.x as u32, pixel.y as u32]);
        loop {
            self.device.poll(wgpu::PollType::Poll).unwrap();
            if let Some(answer) = self.offscreen.poll_pick(&pending, scene, 2.0) {
                return answer;
            }
        }
    }
}

/// Every test runs twice: with the points drawn by the device and by the processor.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod by_device {
            $(#[test] fn $name() { super::Stage::run(false, super::$name); })+
        }
        mod by_processor {
            $(#[test] fn $name() { super::Stage::run(true, super::$name); })+
        }
    };
}

both!(
    clusters_appear_where_they_project_to,
    eye_dome_lighting_darkens_edges_and_leaves_planes,
    every_colour_mode_looks_different_and_correct,
    picking_finds_the_point_and_the_object,
    boxes_are_drawn_over_nearer_points_only_as_a_hint,
    highlights_outline_their_object_and_dim_the_rest,
    a_prefix_is_a_thin_version_of_the_whole,
    odd_input_is_drawn_or_refused_but_never_panics,
    the_room_looks_as_it_did,
);

fn pixel(picture: &[u8], at: DVec2) -> [u8; 3] {
    let index = (at.y as usize * SIZE[0] as usize + at.x as usize) * 4;
    [picture[index], picture[index + 1], picture[index + 2]]
}

fn scene(cloud: Cloud) -> Scene {
    Scene { cloud: Some(Arc::new(cloud)), ..Scene::default() }
}

fn camera() -> Camera {
    Camera { target: DVec3::new(0.2, 3.0, 0.5), yaw: 0.35, pitch: -0.4, distance: 5.0, ..Camera::default() }
}

fn clusters_appear_where_they_project_to(stage: &mut Stage) {
    let clusters = [
        ([0.0, 3.0, 0.5], [250, 10, 20]),
        ([1.0, 3.5, 1.0], [10, 240, 30]),
        ([-1.0, 2.0, 0.2], [20, 30, 230]),
    ];
    for offset in [0.0_f32, 250_000.0] {
        let shift = [offset, -offset, 0.0];
        let positions = clusters.iter().flat_map(|(center, _)| {
            (0..200_u16).map(move |i| {
                let place = Vec3::new((i % 10).into(), (i / 10 % 10).into(), (i / 100).into()) * 0.01;
                (place + Vec3::from(*center) + Vec3::from(shift)).to_array()
            })
        });
        let colors = clusters.iter().flat_map(|&(_, color)| [color; 200]);
        let scene = scene(Cloud::new(positions.collect(), colors.collect()).unwrap());
        let mut camera = camera();
        camera.target += Vec3::from(shift).as_dvec3();
        for size in [PointSize::Pixels(3.0), PointSize::Metres(0.03), PointSize::Pixels(12.0)] {
            let picture = stage.draw(&scene, &camera, &ViewOptions { point_size: size, ..bare() });
            let view = camera.view(SIZE.map(f64::from));
            for (center, color) in clusters {
                let middle = Vec3::from(center) + Vec3::from(shift) + Vec3::new(0.045, 0.045, 0.005);
                let (at, _) = view.project(middle.as_dvec3()).unwrap();
                assert_eq!(pixel(&picture, at), color, "{size:?} at {at}, shifted by {offset}");
            }
            assert_eq!(pixel(&picture, DVec2::new(3.0, 3.0)), [0; 3]);
        }
    }
}

fn eye_dome_lighting_darkens_edges_and_leaves_planes(stage: &mut Stage) {
    let scene = Scene { segments: Vec::new(), ..room(960, 640) };
    // From where the depth was taken there are no gaps behind edges.
    let camera = Camera::from_capture(scene.capture.as_ref().unwrap(), 3.0, 1.5);
    let flat = stage.draw(&scene, &camera, &bare());
    let lit = stage.draw(&scene, &camera, &ViewOptions { edl: 1.0, ..bare() });
    let brightness = |picture: &[u8], at: [f64; 3], shift: f64| {
        let (place, _) = camera.view(SIZE.map(f64::from)).project(DVec3::from_array(at)).unwrap();
        pixel(picture, place + DVec2::new(0.0, shift)).iter().map(|&value| f64::from(value)).sum::<f64>()
    };
    // The open floor between the camera and the stool keeps its brightness, flat as the angle is.
    let floor = [0.6, 2.6, 0.0];
    assert!(brightness(&lit, floor, 0.0) > 0.93 * brightness(&flat, floor, 0.0));
    // Just above the table's far edge the floor behind it lies deeper than the table.
    let edge = [-0.9, 3.1, 0.42];
    let darker = (0..6)
        .map(|i| f64::from(i) - 4.0)
        .filter(|&shift| brightness(&lit, edge, shift) < 0.85 * brightness(&flat, edge, shift));
    assert!(darker.count() >= 1);
    let mean = |picture: &[u8]| picture.iter().map(|&value| f64::from(value)).sum::<f64>();
    assert!(mean(&lit) < mean(&flat) && mean(&lit) > 0.8 * mean(&flat));
}

fn every_colour_mode_looks_different_and_correct(stage: &mut Stage) {
    let scene = room(480, 360);
    let camera = camera();
    let mut pictures = Vec::new();
    for color in ColorMode::ALL {
        let picture = stage.draw(&scene, &camera, &ViewOptions { color, ..bare() });
        keep(&format!("mode-{}", color.label()), SIZE, &picture);
        pictures.push(picture);
    }
    for (i, a) in pictures.iter().enumerate() {
        for b in &pictures[i + 1..] {
            let different = a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) > 24).count();
            assert!(different > a.len() / 20, "two modes differ in {different} of {} bytes", a.len());
        }
    }
    let view = camera.view(SIZE.map(f64::from));
    let at = |mode: usize, world: [f64; 3]| {
        pixel(&pictures[mode], view.project(DVec3::from_array(world)).unwrap().0)
    };
    // The sofa's seat points up; the wardrobe is object 2; the floor is the darkest height.
    assert_eq!(at(2, [-1.5, 4.2, 0.45]), [128, 128, 255]);
    assert_eq!(at(4, [1.75, 4.2, 1.0]), plumb_viewer::instance_color(2));
    assert_eq!(at(3, [0.6, 2.6, 0.0]), plumb_viewer::sequential(0.0));
    let near: u32 = at(1, [0.9, 1.9, 0.0]).iter().map(|&value| u32::from(value)).sum();
    let far: u32 = at(1, [1.0, 5.0, 1.5]).iter().map(|&value| u32::from(value)).sum();
    assert!(far > near, "depth: near {near}, far {far}");
}

fn picking_finds_the_point_and_the_object(stage: &mut Stage) {
    // Three walls of points one behind the other, far enough apart on screen to aim at each.
    let (mut positions, mut instances) = (Vec::new(), Vec::new());
    for layer in 0..3_u16 {
        for i in 0..400_u16 {
            let place = Vec3::new((i % 20).into(), 0.0, (i / 20).into()) * 0.15;
            positions.push((place + Vec3::new(-1.5, f32::from(layer) + 2.0, 0.0)).to_array());
            instances.push(u32::from(layer) * 1000 + u32::from(i));
        }
    }
    positions.insert(600, [f32::NAN; 3]);
    instances.insert(600, 77);
    let count = positions.len();
    let cloud = Cloud::new(positions.clone(), vec![[200; 3]; count])
        .unwrap()
        .with_instances(instances.clone())
        .unwrap();
    let scene = scene(cloud);
    let camera = camera();
    let view = camera.view(SIZE.map(f64::from));
    let projected: Vec<_> = positions
        .iter()
        .map(|&position| view.project(Vec3::from(position).as_dvec3()).filter(|found| found.0.is_finite()))
        .collect();
    let mut numbers = support::Numbers(3);
    for size in [PointSize::Pixels(1.0), PointSize::Pixels(3.0), PointSize::Metres(0.02)] {
        stage.draw(&scene, &camera, &ViewOptions { point_size: size, ..bare() });
        let mut tested = 0;
        while tested < 50 {
            let target = ((numbers.next() * count as f32) as usize).min(count - 1);
            let Some((place, _)) = projected[target] else { continue };
            let inside = place.x > 4.0 && place.y > 4.0 && place.x < 476.0 && place.y < 316.0;
            let alone = projected.iter().enumerate().all(|(other, found)| {
                other == target || found.is_none_or(|(other, _)| other.distance(place) > 6.0)
            });
            if !(inside && alone) {
                continue;
            }
            let pick = stage.pick(&scene, place).expect("a point is there");
            assert_eq!(pick.point, Some(target), "{size:?}");
            assert_eq!(pick.instance, Some(instances[target]));
            assert_eq!(pick.position, Vec3::from(positions[target]).as_dvec3());
            tested += 1;
        }
        assert_eq!(stage.pick(&scene, DVec2::new(2.0, 2.0)), None);
        assert_eq!(stage.pick(&scene, DVec2::new(9999.0, 2.0)), None);
    }
}

fn boxes_are_drawn_over_nearer_points_only_as_a_hint(stage: &mut Stage) {
    let mut scene = room(480, 360);
    scene.segments.clear();
    scene.boxes.retain(|shape| shape.id == 3);
    scene.boxes[0].emphasis = Emphasis::None;
    scene.boxes[0].color = [255, 0, 255];
    let camera = camera();
    let options = ViewOptions { boxes: true, ..bare() };
    let picture = stage.draw(&scene, &camera, &options);
    let near = |picture: &[u8], world: [f64; 3]| {
        let (place, _) = camera.view(SIZE.map(f64::from)).project(DVec3::from_array(world)).unwrap();
        (-2..=2).any(|x| {
            (-2..=2).any(|y| {
                let [r, g, b] = pixel(picture, place + DVec2::new(x.into(), y.into()));
                r > 130 && b > 130 && g < 90
            })
        })
    };
    // Top front edge and left top edge of the stool; then its bottom back edge, behind the stool itself.
    assert!(near(&picture, [1.4, 2.2, 0.46]) && near(&picture, [1.1, 2.5, 0.46]));
    assert!(!near(&picture, [1.55, 2.8, 0.0]));
    scene.boxes[0].emphasis = Emphasis::Selected;
    let selected = stage.draw(&scene, &camera, &options);
    let changed = picture.iter().zip(&selected).filter(|(a, b)| a != b).count();
    assert!(changed > 300);
    scene.boxes.clear();
    let without = stage.draw(&scene, &camera, &options);
    assert!(!near(&without, [1.4, 2.2, 0.46]));
}

fn highlights_outline_their_object_and_dim_the_rest(stage: &mut Stage) {
    let scene = room(480, 360);
    let camera = camera();
    let plain = stage.draw(&scene, &camera, &bare());
    let highlights = vec![Highlight { instance: 3, color: [255, 0, 255] }];
    let marked = stage.draw(&scene, &camera, &ViewOptions { highlights, ..bare() });
    let count = marked.chunks_exact(4).filter(|pixel| pixel[..3] == [255, 0, 255]).count();
    assert!((100..4000).contains(&count), "{count} pixels of outline");
    let view = camera.view(SIZE.map(f64::from));
    let at =
        |picture: &[u8], world: [f64; 3]| pixel(picture, view.project(DVec3::from_array(world)).unwrap().0);
    assert_eq!(at(&plain, [1.4, 2.5, 0.46]), at(&marked, [1.4, 2.5, 0.46]));
    let (before, after) = (at(&plain, [0.6, 2.6, 0.0]), at(&marked, [0.6, 2.6, 0.0]));
    assert!(u32::from(after[0]) * 10 < u32::from(before[0]) * 7, "{before:?} to {after:?}");
}

fn a_prefix_is_a_thin_version_of_the_whole(stage: &mut Stage) {
    let scene = scene(support::dense_room(200_000));
    let options = ViewOptions { point_size: PointSize::Pixels(1.0), ..bare() };
    let covered = |stage: &mut Stage, points: u32| {
        stage.offscreen.render_prefix(&scene, &camera(), SIZE, &options, points).unwrap();
        let picture = stage.offscreen.read().wait(&stage.device).unwrap();
        let mut quarters = [0_u32; 4];
        for (index, pixel) in picture.chunks_exact(4).enumerate() {
            let (x, y) = (index % SIZE[0] as usize, index / SIZE[0] as usize);
            quarters[x * 2 / SIZE[0] as usize + 2 * (y * 2 / SIZE[1] as usize)] +=
                u32::from(pixel[..3] != [0; 3]);
        }
        quarters
    };
    let (tenth, whole) = (covered(stage, 20_000), covered(stage, u32::MAX));
    for (thin, full) in tenth.into_iter().zip(whole) {
        let ratio = f64::from(thin) / f64::from(full);
        // Points fall on each other, so a tenth of them covers more than a tenth of the pixels.
        assert!((0.1..0.4).contains(&ratio), "{ratio}");
    }
}

fn odd_input_is_drawn_or_refused_but_never_panics(stage: &mut Stage) {
    let odd = [
        Scene::default(),
        scene(Cloud::new(vec![], vec![]).unwrap()),
        scene(Cloud::new(vec![[f32::NAN; 3]; 7], vec![[1; 3]; 7]).unwrap()),
        scene(Cloud::new(vec![[1.0; 3]; 1000], vec![[255; 3]; 1000]).unwrap()),
        scene(Cloud::new(vec![[9e11; 3], [-9e11; 3], [0.0; 3]], vec![[255; 3]; 3]).unwrap()),
    ];
    let options = ViewOptions {
        grid: true,
        axes: true,
        gravity: true,
        boxes: true,
        frustum: true,
        edl: f32::NAN,
        point_size: PointSize::Metres(f32::NAN),
        ..ViewOptions::default()
    };
    for scene in &odd {
        for camera in
            [Camera::default(), Camera { distance: f64::NAN, yaw: f64::INFINITY, ..Camera::default() }]
        {
            assert_eq!(stage.draw(scene, &camera, &options).len(), 480 * 320 * 4);
        }
    }
    for size in [[0, 10], [10, 0], [u32::MAX, 4]] {
        let error = stage.offscreen.render(&odd[0], &Camera::default(), size, &options).unwrap_err();
        assert!(matches!(error, ViewerError::Size { .. }), "{error}");
    }
    assert!(stage.offscreen.render(&odd[3], &Camera::default(), [1, 1], &options).is_ok());
}

fn the_room_looks_as_it_did(stage: &mut Stage) {
    let scene = room(640, 480);
    let options = ViewOptions {
        point_size: PointSize::Pixels(2.0),
        axes: true,
        gravity: true,
        frustum: true,
        image_opacity: 0.85,
        ..ViewOptions::default()
    };
    let camera = Camera { yaw: 0.55, distance: 7.0, ..camera() };
    let picture = stage.draw(&scene, &camera, &options);
    keep("room", SIZE, &picture);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/room.png");
    let drawn = image::RgbaImage::from_raw(SIZE[0], SIZE[1], picture).unwrap();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        drawn.save(path).unwrap();
    }
    let expected = image::open(path).unwrap_or_else(|error| panic!("{path}: {error}")).to_rgba8();
    assert_eq!(drawn.dimensions(), expected.dimensions());
    // Drivers round differently: single pixels may differ, areas may not.
    let differing = drawn
        .pixels()
        .zip(expected.pixels())
        .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 24))
        .count();
    let limit = drawn.pixels().len() / 100;
    if differing > limit {
        let new = std::env::temp_dir().join("plumb-viewer-room.new.png");
        drawn.save(&new).unwrap();
        panic!(
            "{differing} pixels differ from {path}, at most {limit} may; the new picture is {}",
            new.display()
        );
    }
}

#[test]
fn processor_and_device_draw_the_same_points() {
    let Some((device, queue, _)) = device() else { return };
    let scene = room(320, 240);
    let sizes =
        [PointSize::Pixels(1.0), PointSize::Pixels(3.0), PointSize::Metres(0.03), PointSize::Footprint(1.5)];
    for (color, size) in ColorMode::ALL.into_iter().zip(sizes.into_iter().cycle()) {
        let mut pictures = [true, false].map(|processor| {
            let mut offscreen = Offscreen::with_points_on(&device, &queue, Some(processor));
            let options = ViewOptions { color, point_size: size, edl: 1.0, ..bare() };
            offscreen.render(&scene, &camera(), SIZE, &options).unwrap();
            offscreen.read().wait(&device).unwrap()
        });
        let [a, b] = &mut pictures;
        let differing = a
            .chunks_exact(4)
            .zip(b.chunks_exact(4))
            .filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 2));
        let (differing, all) = (differing.count(), a.len() / 4);
        // Points on the border between two pixels may fall to either side.
        assert!(differing * 100 < all, "{color:?} {size:?}: {differing} of {all} pixels differ");
    }
}
