//! The widget in egui: pointer, keys, picks and pictures, through the same passes as in the window.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails the run")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use egui::{Key, Modifiers, PointerButton, Pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use glam::DVec3;
use plumb_viewer::{
    Camera, ColorMode, Highlight, Measurement, Pick, Scene, Stats, Tool, ViewOptions, Viewer, instance_color,
};

const SIZE: [f32; 2] = [600.0, 400.0];

/// What the panel said so far.
#[derive(Default)]
struct Log {
    clicked: Vec<Option<Pick>>,
    measurements: Vec<Measurement>,
    hovered: Option<Pick>,
    stats: Stats,
    settled: bool,
}

struct Stage {
    harness: Harness<'static>,
    viewer: Rc<RefCell<Viewer>>,
    scene: Rc<RefCell<Scene>>,
    options: Rc<RefCell<ViewOptions>>,
    log: Rc<RefCell<Log>>,
}

impl Stage {
    fn new(scene: Scene, options: ViewOptions, pixels_per_point: f32) -> Option<Self> {
        // Skips where there is no adapter.
        support::device()?;
        let state = create_render_state(default_wgpu_setup(), egui_wgpu::RendererOptions::PREDICTABLE);
        let viewer = Rc::new(RefCell::new(Viewer::new(&state)));
        let scene = Rc::new(RefCell::new(scene));
        let options = Rc::new(RefCell::new(options));
        let log = Rc::new(RefCell::new(Log::default()));
        let shared = (Rc::clone(&viewer), Rc::clone(&scene), Rc::clone(&options), Rc::clone(&log));
        let harness = Harness::builder()
            .with_size(SIZE)
            .with_pixels_per_point(pixels_per_point)
            .with_theme(egui::Theme::Dark)
            .renderer(WgpuTestRenderer::from_render_state(state))
            .build_ui(move |ui| {
                let (viewer, scene, options, log) = &shared;
                let out = viewer.borrow_mut().ui(ui, &scene.borrow(), &options.borrow());
                let mut log = log.borrow_mut();
                log.clicked.extend(out.clicked);
                log.measurements.extend(out.measurement);
                log.hovered = out.hovered;
                log.stats = out.stats;
                log.settled = out.settled;
            });
        let mut stage = Self { harness, viewer, scene, options, log };
        stage.settle();
        Some(stage)
    }

    fn settle(&mut self) {
        for _ in 0..400 {
            self.harness.step();
            if self.log.borrow().settled {
                self.harness.step();
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("the view does not come to rest");
    }

    fn place(&self, world: [f64; 3]) -> Pos2 {
        let view = self.viewer.borrow().camera().view(self.panel().size().into_f64());
        let (at, _) = view.project(DVec3::from_array(world)).expect("in front of the camera");
        self.panel().min + egui::vec2(at.x as f32, at.y as f32)
    }

    fn panel(&self) -> egui::Rect {
        self.harness.get_by_role(egui::accesskit::Role::Canvas).rect()
    }

    fn click(&mut self, at: Pos2) {
        self.harness.hover_at(at);
        self.harness.step();
        for pressed in [true, false] {
            self.harness.event(egui::Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
            self.harness.step();
        }
        self.settle();
        // The next click is not the second half of a double click.
        self.harness.run_steps(30);
    }

    fn picture(&mut self, name: &str) -> image::RgbaImage {
        let picture = self.harness.render().unwrap();
        support::keep(name, [picture.width(), picture.height()], picture.as_raw());
        picture
    }
}

trait IntoF64 {
    fn into_f64(self) -> [f64; 2];
}

impl IntoF64 for egui::Vec2 {
    fn into_f64(self) -> [f64; 2] {
        [self.x.into(), self.y.into()]
    }
}

fn room() -> Scene {
    support::room(480, 360)
}

#[test]
fn a_new_cloud_is_fitted_labelled_and_at_rest() {
    let options = ViewOptions { gravity: true, axes: true, ..ViewOptions::default() };
    let Some(mut stage) = Stage::new(room(), options, 1.0) else { return };
    let picture = stage.picture("widget");
    let panel = stage.panel();
    // Not only the background: the room fills a good part of the panel.
    let filled = picture.pixels().filter(|pixel| pixel.0[..3].iter().any(|&value| value > 100)).count();
    assert!(filled * 5 > picture.pixels().len(), "{filled}");
    assert!(stage.log.borrow().stats.drawn == stage.log.borrow().stats.total);
    assert!(stage.log.borrow().stats.frame_ms > 0.0);
    assert!(panel.width() > 500.0);
    let points = stage.log.borrow().stats.total;
    stage.harness.get_by_label(&format!("3D view, {points} points, 5 boxes"));
    // At rest nothing is drawn again.
    let before = stage.log.borrow().stats;
    stage.harness.run_steps(3);
    assert_eq!(stage.log.borrow().stats, before);
}

#[test]
fn clicks_find_points_objects_and_boxes_at_any_scale() {
    for scale in [1.0, 1.5] {
        let Some(mut stage) = Stage::new(room(), ViewOptions::default(), scale) else { return };
        let at = stage.place([1.4, 2.45, 0.46]);
        stage.click(at);
        let pick = stage.log.borrow().clicked.last().copied().flatten().expect("the stool is there");
        assert_eq!((pick.instance, pick.box_id), (Some(3), None));
        assert!((pick.position - DVec3::new(1.4, 2.45, 0.46)).length() < 0.05, "{}", pick.position);
        let cloud = stage.scene.borrow().cloud.clone().unwrap();
        let position = cloud.position(pick.point.unwrap()).unwrap();
        assert_eq!(glam::Vec3::from(position).as_dvec3(), pick.position);
        // The front top edge of the wardrobe's box.
        let at = stage.place([1.7, 4.2, 1.9]);
        stage.click(at);
        assert_eq!(stage.log.borrow().clicked.last().copied().flatten().unwrap().box_id, Some(2));
        // The upper left corner shows nothing.
        stage.click(stage.panel().min + egui::vec2(4.0, 4.0));
        assert_eq!(stage.log.borrow().clicked.last(), Some(&None));
        assert_eq!(stage.log.borrow().clicked.len(), 3);
    }
}

#[test]
fn dragging_and_wheel_move_the_camera_as_the_docs_say() {
    let Some(mut stage) = Stage::new(room(), ViewOptions::default(), 1.0) else { return };
    let start = *stage.viewer.borrow().camera();
    let middle = stage.panel().center();
    let drag = |stage: &mut Stage, modifiers: Modifiers| {
        stage.harness.hover_at(middle);
        stage.harness.step();
        let button = |pos, pressed| egui::Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        };
        stage.harness.event_modifiers(button(middle, true), modifiers);
        for step in 1..=4_u8 {
            let to = middle + egui::vec2(15.0, 5.0) * f32::from(step);
            stage.harness.event_modifiers(egui::Event::PointerMoved(to), modifiers);
            stage.harness.step();
        }
        stage.harness.event_modifiers(button(middle + egui::vec2(60.0, 20.0), false), modifiers);
        stage.settle();
    };
    drag(&mut stage, Modifiers::NONE);
    let turned = *stage.viewer.borrow().camera();
    assert!(turned.yaw != start.yaw && turned.pitch < start.pitch);
    assert_eq!((turned.target, turned.distance), (start.target, start.distance));
    drag(&mut stage, Modifiers::SHIFT);
    let panned = *stage.viewer.borrow().camera();
    assert!(panned.target.distance(turned.target) > 0.1 && panned.yaw == turned.yaw);
    stage.harness.hover_at(middle);
    stage.settle();
    stage.harness.event(egui::Event::MouseWheel {
        source: egui::MouseWheelSource::Wheel,
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 120.0),
        phase: egui::TouchPhase::Move,
        modifiers: Modifiers::NONE,
    });
    stage.harness.run_steps(20);
    stage.settle();
    let zoomed = *stage.viewer.borrow().camera();
    assert!(zoomed.distance < panned.distance * 0.9, "{} of {}", zoomed.distance, panned.distance);
    // Home goes back to everything.
    stage.harness.key_press(Key::Home);
    stage.harness.run_steps(40);
    stage.settle();
    let home = *stage.viewer.borrow().camera();
    let fitted = stage.viewer.borrow().fitted(&stage.scene.borrow()).unwrap();
    assert!(home.distance > zoomed.distance * 1.1 && (home.distance - fitted.distance).abs() < 0.01);
    assert!(home.target.distance(fitted.target) < 0.01);
}

#[test]
fn keys_turn_fly_and_go_to_objects() {
    let highlights = vec![Highlight { instance: 2, color: instance_color(2) }];
    let options = ViewOptions { highlights, ..ViewOptions::default() };
    let Some(mut stage) = Stage::new(room(), options, 1.0) else { return };
    let middle = stage.panel().center();
    stage.click(middle);
    let held = |stage: &mut Stage, key: Key| {
        let before = *stage.viewer.borrow().camera();
        stage.harness.key_down(key);
        stage.harness.run_steps(10);
        stage.harness.key_up(key);
        stage.settle();
        (before, *stage.viewer.borrow().camera())
    };
    let (before, after) = held(&mut stage, Key::ArrowRight);
    assert!(after.yaw != before.yaw && after.target == before.target);
    let (before, after) = held(&mut stage, Key::W);
    assert!((after.target - before.target).dot(before.basis().forward) > 0.1);
    let (before, after) = held(&mut stage, Key::Plus);
    assert!(after.distance < before.distance);
    stage.harness.key_press(Key::F);
    stage.harness.run_steps(40);
    stage.settle();
    let target = stage.viewer.borrow().camera().target;
    assert!(target.distance(DVec3::new(1.75, 4.55, 0.95)) < 0.01, "{target}");
    stage.harness.key_press(Key::C);
    stage.harness.run_steps(40);
    stage.settle();
    let eye = stage.viewer.borrow().camera().eye();
    assert!(eye.distance(DVec3::new(0.3, 0.2, 1.5)) < 0.01, "{eye}");
    stage.picture("widget-capture");
}

#[test]
fn measuring_two_clicks_gives_their_distance() {
    let options = ViewOptions { tool: Tool::Distance, reduced_motion: true, ..ViewOptions::default() };
    let Some(mut stage) = Stage::new(room(), options, 1.0) else { return };
    for world in [[0.15, 2.3, 0.0], [1.4, 2.45, 0.46]] {
        let at = stage.place(world);
        stage.click(at);
    }
    let log = stage.log.borrow();
    assert!(log.clicked.is_empty() && log.measurements.len() == 1);
    let Measurement::Distance { metres, .. } = log.measurements[0] else { panic!("{:?}", log.measurements) };
    let expected = DVec3::new(0.15, 2.3, 0.0).distance(DVec3::new(1.4, 2.45, 0.46));
    assert!((metres - expected).abs() < 0.05, "{metres} instead of {expected}");
    drop(log);
    stage.picture("widget-measure");
    stage.harness.key_press(Key::Escape);
    stage.settle();
    assert!(stage.viewer.borrow().measuring().points().is_empty());
}

#[test]
fn options_and_reset_draw_again_and_empty_panels_do_nothing() {
    let Some(mut stage) = Stage::new(room(), ViewOptions::default(), 1.0) else { return };
    let first = stage.picture("widget-rgb");
    stage.options.borrow_mut().color = ColorMode::Instance;
    stage.settle();
    let second = stage.picture("widget-instance");
    assert!(first.as_raw() != second.as_raw());
    let state = create_render_state(default_wgpu_setup(), egui_wgpu::RendererOptions::PREDICTABLE);
    let camera = *stage.viewer.borrow().camera();
    stage.viewer.borrow_mut().reset(&state);
    assert_eq!(*stage.viewer.borrow().camera(), camera);
    let mut viewer = Viewer::new(&state);
    let mut harness = Harness::builder().with_size([50.0, 50.0]).build_ui(|ui| {
        ui.set_max_size(egui::Vec2::ZERO);
        ui.allocate_ui(egui::Vec2::ZERO, |ui| {
            let out = viewer.ui(ui, &Scene::default(), &ViewOptions::default());
            assert!(out.clicked.is_none());
        });
    });
    harness.run_steps(3);
}

#[test]
fn a_set_camera_is_kept_when_the_cloud_arrives() {
    let Some(mut stage) = Stage::new(Scene::default(), ViewOptions::default(), 1.0) else { return };
    let camera = Camera { target: DVec3::new(0.0, 3.0, 1.0), distance: 4.0, ..Camera::default() };
    stage.viewer.borrow_mut().set_camera(camera);
    *stage.scene.borrow_mut() = room();
    stage.settle();
    assert_eq!(*stage.viewer.borrow().camera(), camera.sanitized());
    assert!(stage.log.borrow().stats.drawn > 100_000);
    assert_eq!(stage.log.borrow().hovered, None);
}
