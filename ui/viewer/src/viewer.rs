//! The widget: input, what must be drawn again, and what is drawn over it.

use egui::{Role, Sense, Ui, WidgetInfo};
use glam::{DVec2, DVec3};

use crate::camera::{Bookmark, Camera};
use crate::chrome;
use crate::compose::{self, Ranges};
use crate::composite::Composite;
use crate::control::{self, Command, Ease, Motion};
use crate::data::Scene;
use crate::gpu::{Frame, Job, MAX_HIGHLIGHTS, Renderer};
use crate::measure::{Measurement, Measuring, Tool};
use crate::options::{Legend, Pick, Stats, ViewOptions};
use crate::overlay::{Overlay, corners};
use crate::pace::Pace;
use crate::pack::Bounds;
use crate::pointing::{Purpose, Question};

/// The 3D view of one window. Keep it between frames; it owns the camera and what is on the GPU.
pub struct Viewer {
    state: egui_wgpu::RenderState,
    renderer: Renderer,
    composite: Composite,
    ranges: Ranges,
    camera: Camera,
    ease: Option<Ease>,
    aspect: f64,
    /// A flight that starts as soon as the panel's shape is known.
    wish: Option<Wish>,
    seen_cloud: bool,
    /// Named views, for the app to show, edit and keep.
    pub bookmarks: Vec<Bookmark>,
    measuring: Measuring,
    measured: Option<Measurement>,
    questions: Vec<Question>,
    hovered: Option<Pick>,
    last_pointer: Option<DVec2>,
    shown: Option<Shown>,
    drawn: u32,
    pace: Pace,
    stats: Stats,
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Fit,
    Capture,
}

/// What the picture on screen was made of.
struct Shown {
    frame: Frame,
    overlay: Overlay,
    background: [u8; 3],
    image: Option<(u64, f32)>,
}

/// What happened in the panel this frame. Picks answer one or two frames after the click.
pub struct ViewerResponse {
    /// The panel's own response.
    pub response: egui::Response,
    /// What the pointer is on.
    pub hovered: Option<Pick>,
    /// A click arrived; the inner `None` is a click on nothing. Never with a measuring tool.
    pub clicked: Option<Option<Pick>>,
    /// A double click arrived (the camera already goes there).
    pub double_clicked: Option<Pick>,
    /// A measurement was finished.
    pub measurement: Option<Measurement>,
    /// Whether the camera moves, by hand or by itself.
    pub camera_moved: bool,
    /// Ends of the colour map.
    pub legend: Option<Legend>,
    /// What the picture took.
    pub stats: Stats,
    /// Whether everything is uploaded, drawn and at rest.
    pub settled: bool,
}

impl Viewer {
    /// A view in the window of `state`. egui's own pass must have one sample and no depth buffer (eframe's default).
    #[must_use]
    pub fn new(state: &egui_wgpu::RenderState) -> Self {
        Self {
            renderer: Renderer::new(state.device.clone(), state.queue.clone(), None),
            composite: Composite::new(&state.device, state.target_format),
            state: state.clone(),
            ranges: Ranges::default(),
            camera: Camera::default(),
            ease: None,
            aspect: 1.0,
            wish: None,
            seen_cloud: false,
            bookmarks: Vec::new(),
            measuring: Measuring::default(),
            measured: None,
            questions: Vec::new(),
            hovered: None,
            last_pointer: None,
            shown: None,
            drawn: 0,
            pace: Pace::new(),
            stats: Stats::default(),
        }
    }

    /// Builds everything on the GPU again, after the device was lost or replaced. Camera, bookmarks and measurement
    /// stay.
    pub fn reset(&mut self, state: &egui_wgpu::RenderState) {
        self.renderer = Renderer::new(state.device.clone(), state.queue.clone(), None);
        self.composite = Composite::new(&state.device, state.target_format);
        self.state = state.clone();
        self.questions.clear();
        self.shown = None;
        self.drawn = 0;
        self.pace = Pace::new();
    }

    /// Where the view is taken from.
    #[must_use]
    pub const fn camera(&self) -> &Camera {
        &self.camera
    }

    /// What is shown, without outliers; metres. `None` before a cloud with points was drawn.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        self.renderer.layout().and_then(|layout| layout.bounds)
    }

    /// The camera that shows everything from the side it is seen from now; `None` before there are points.
    #[must_use]
    pub fn fitted(&self, scene: &Scene) -> Option<Camera> {
        let points = self.renderer.layout()?.outline(scene.cloud.as_ref()?);
        (!points.is_empty()).then(|| self.camera.fitting(&points, self.aspect))
    }

    /// Jumps to a camera.
    pub fn set_camera(&mut self, camera: Camera) {
        self.camera = camera.sanitized();
        self.ease = None;
        self.wish = None;
        // A view that was set is not replaced by the first cloud's fit.
        self.seen_cloud = true;
    }

    /// Goes to a camera in 200 ms, or at once with reduced motion. `ctx`: whose clock is used.
    pub fn fly_to(&mut self, ctx: &egui::Context, to: Camera, reduced_motion: bool) {
        if reduced_motion {
            self.set_camera(to);
        } else {
            self.seen_cloud = true;
            self.ease = Some(Ease::new(self.camera, to.sanitized(), ctx.input(|input| input.time)));
            ctx.request_repaint();
        }
    }

    /// Brings everything into view with the next frame.
    pub const fn fit(&mut self) {
        self.wish = Some(Wish::Fit);
    }

    /// Takes the capture camera's place with the next frame.
    pub const fn view_from_capture(&mut self) {
        self.wish = Some(Wish::Capture);
    }

    /// Brings a ball into view from the side it is seen from now; metres.
    pub fn focus(&mut self, ctx: &egui::Context, center: DVec3, radius: f64, reduced_motion: bool) {
        let to = self.camera.framing(center, radius, self.aspect);
        self.fly_to(ctx, to, reduced_motion);
    }

    /// Brings the box of an object into view; false if the scene has no such box.
    pub fn focus_box(&mut self, ctx: &egui::Context, scene: &Scene, id: u32, reduced_motion: bool) -> bool {
        let found = scene.boxes.iter().find(|shape| shape.id == id).and_then(corners);
        let Some(corners) = found else { return false };
        let center = corners.iter().sum::<DVec3>() / 8.0;
        self.focus(ctx, center, corners[0].distance(corners[7]) * 0.75, reduced_motion);
        true
    }

    /// Points clicked so far with a measuring tool.
    #[must_use]
    pub const fn measuring(&self) -> &Measuring {
        &self.measuring
    }

    /// Forgets the measurement in progress and the one on screen.
    pub fn clear_measurement(&mut self) {
        self.measuring.cancel();
        self.measured = None;
    }

    /// Draws the scene into all the space `ui` has left, and answers to pointer and keys.
    ///
    /// Drag turns, shift or right drag moves, alt drag looks around, wheel or pinch zooms to the pointer, a double
    /// click goes to what is there. With the focus: arrows turn, shift + arrows move, + and - zoom, WASD and QE fly
    /// (shift: faster), F goes to the highlighted object, C to the capture camera, Home shows everything, Escape
    /// gives up a measurement.
    pub fn ui(&mut self, ui: &mut Ui, scene: &Scene, options: &ViewOptions) -> ViewerResponse {
        let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
        let points = self.renderer.layout().map_or(0, crate::pack::Layout::len);
        response.widget_info(|| {
            let text = format!("3D view, {points} points, {} boxes", scene.boxes.len());
            WidgetInfo::labeled(Role::Canvas, ui.is_enabled(), text)
        });
        if response.clicked() || response.drag_started() {
            response.request_focus();
        }
        // Callbacks of finished work run here; this never waits.
        let _ = self.renderer.device.poll(wgpu::PollType::Poll);
        let pixels_per_point = ui.pixels_per_point();
        let limit = self.renderer.device.limits().max_texture_dimension_2d;
        let pixels = |length: f32| (length * pixels_per_point).round().clamp(0.0, limit as f32) as u32;
        let size = [pixels(rect.width()), pixels(rect.height())];
        let mut out = ViewerResponse {
            response,
            hovered: self.hovered,
            clicked: None,
            double_clicked: None,
            measurement: None,
            camera_moved: false,
            legend: None,
            stats: self.stats,
            settled: false,
        };
        if size.contains(&0) {
            return out;
        }
        self.aspect = f64::from(size[0]) / f64::from(size[1]);
        self.measuring.set_tool(options.tool);
        self.take_answers(ui, scene, options, &mut out);
        if self.renderer.set_cloud(scene.cloud.as_deref(), 1) {
            self.new_cloud(scene, options);
        }
        out.camera_moved = self.move_camera(ui, &out.response, scene, options);

        let frame = compose::frame(
            scene,
            options,
            &self.camera,
            &self.renderer,
            &mut self.ranges,
            size,
            pixels_per_point,
        );
        let pointer = self.hovered.filter(|pick| pick.point.is_some()).map(|pick| pick.position);
        let segments =
            chrome::measure_segments(&self.measuring, options.tool, self.measured.as_ref(), pointer, options);
        let overlay = compose::overlay(scene, options, &self.renderer, &segments);
        out.legend = compose::legend(options.color, &frame);
        let busy = self.draw(scene, options, &frame, overlay, size);

        if ui.is_rect_visible(rect) {
            self.paint(ui, rect, options, f64::from(pixels_per_point), out.response.has_focus());
        }
        self.ask(ui, &out.response, f64::from(pixels_per_point));
        self.update_stats();
        out.stats = self.stats;
        out.hovered = self.hovered;
        out.settled = !busy && self.ease.is_none() && self.questions.is_empty();
        if !out.settled {
            ui.ctx().request_repaint();
        }
        out
    }

    fn new_cloud(&mut self, scene: &Scene, options: &ViewOptions) {
        self.drawn = 0;
        self.shown = None;
        self.hovered = None;
        self.questions.clear();
        if !self.seen_cloud && self.wish.is_none() {
            self.wish = Some(Wish::Fit);
            if !options.reduced_motion {
                // The first view is not a flight from nowhere.
                if let Some(camera) = self.fitted(scene) {
                    self.camera = camera;
                }
            }
        }
    }

    fn move_camera(
        &mut self,
        ui: &Ui,
        response: &egui::Response,
        scene: &Scene,
        options: &ViewOptions,
    ) -> bool {
        let before = self.camera;
        match control::commands(ui, response) {
            Some(Command::Fit) => self.fit(),
            Some(Command::Capture) => self.view_from_capture(),
            Some(Command::Focus) => {
                let wanted = options.highlights.first().map(|highlight| highlight.instance);
                let wanted = wanted.or_else(|| self.hovered.and_then(|pick| pick.box_id.or(pick.instance)));
                if let Some(id) = wanted {
                    self.focus_box(ui.ctx(), scene, id, options.reduced_motion);
                }
            }
            Some(Command::Cancel) => self.clear_measurement(),
            None => {}
        }
        let bounds = self.bounds();
        let goal = match (self.wish.take(), bounds) {
            (Some(Wish::Fit), _) => self.fitted(scene),
            (Some(Wish::Capture), bounds) => scene.capture.as_ref().map(|capture| {
                let eye = glam::Vec3::from(capture.position);
                let ahead = bounds.map_or(3.0, |bounds| eye.distance(glam::Vec3::from(bounds.center())));
                Camera::from_capture(capture, f64::from(ahead).max(0.1), self.aspect)
            }),
            _ => None,
        };
        if let Some(goal) = goal {
            self.fly_to(ui.ctx(), goal, options.reduced_motion);
        }
        let view = self.camera.view([f64::from(response.rect.width()), f64::from(response.rect.height())]);
        let motion = Motion::read(ui, response, &self.camera);
        let anchor = self.zoom_anchor(response, &view);
        // `view` is in points here, so drags need no scale.
        if motion.apply(&mut self.camera, &view, anchor) {
            self.ease = None;
            self.seen_cloud = true;
        }
        if let Some(ease) = self.ease {
            let (camera, arrived) = ease.at(ui.input(|input| input.time));
            self.camera = camera;
            if arrived {
                self.ease = None;
            }
        }
        self.camera != before
    }

    /// What the pointer is on, or a place on the pivot's plane.
    fn zoom_anchor(&self, response: &egui::Response, view: &crate::camera::View) -> DVec3 {
        let Some(pointer) = response.hover_pos() else { return self.camera.target };
        let offset = pointer - response.rect.min;
        let pixel = DVec2::new(offset.x.into(), offset.y.into());
        let depth = self.hovered.and_then(|pick| view.project(pick.position)).map(|(_, depth)| depth);
        view.unproject(pixel, depth.unwrap_or(self.camera.distance))
    }

    /// Draws what must be drawn; true while there is more to come.
    fn draw(
        &mut self,
        scene: &Scene,
        options: &ViewOptions,
        frame: &Frame,
        overlay: Overlay,
        size: [u32; 2],
    ) -> bool {
        let in_flight = self.pace.is_busy(options.frame_budget_ms);
        let fresh = self.renderer.resize(size);
        if fresh {
            if let Some(picture) = self.renderer.picture() {
                self.composite.show(&self.state, picture);
            }
            self.shown = None;
        }
        let (uploaded, complete) = self.renderer.uploaded();
        let geometry =
            |frame: &Frame| Frame { edl: 0.0, dim: 0.0, highlights: [None; MAX_HIGHLIGHTS], ..*frame };
        let shown = self.shown.as_ref();
        let moved = shown.is_none_or(|shown| geometry(&shown.frame) != geometry(frame));
        let more = moved || self.drawn < uploaded;
        let image = scene.capture.as_ref().and_then(|capture| capture.image.as_deref());
        let image = image.map(|image| (image, options.image_opacity));
        let image_key = image.map(|(image, opacity)| (image.generation, opacity));
        let changed = shown.is_none_or(|shown| {
            shown.frame != *frame
                || shown.overlay != overlay
                || shown.background != options.background
                || shown.image != image_key
        });
        // One frame at a time: a slow device then always draws the newest camera instead of a queue of old ones.
        if in_flight && !fresh && (more || changed) {
            return true;
        }
        if !(more || changed) {
            return in_flight || !complete;
        }
        let start = if moved { 0 } else { self.drawn };
        let end = start.saturating_add(self.pace.budget()).min(uploaded);
        let submitted = more.then(|| self.pace.start(end - start));
        self.renderer.render(&Job {
            frame,
            size,
            slots: start..end,
            points: more,
            overlay: &overlay,
            background: options.background,
            image,
        });
        if let Some(submitted) = submitted {
            submitted.watch(&self.renderer.queue);
            self.drawn = end;
        }
        self.shown = Some(Shown { frame: *frame, overlay, background: options.background, image: image_key });
        true
    }

    fn paint(&self, ui: &Ui, rect: egui::Rect, options: &ViewOptions, pixels_per_point: f64, focus: bool) {
        let painter = ui.painter_at(rect);
        painter.add(self.composite.shape(rect));
        let Some(shown) = &self.shown else { return };
        if options.labels {
            let labels = &shown.overlay.labels;
            chrome::labels(&painter, rect, &shown.frame.view, pixels_per_point, labels, options);
        }
        if options.tool != Tool::Select {
            let pointer = self.hovered.filter(|pick| pick.point.is_some()).map(|pick| pick.position);
            let points = self.measuring.points();
            chrome::markers(&painter, rect, &shown.frame.view, pixels_per_point, points, pointer);
        }
        if focus {
            chrome::focus_ring(&painter, rect, ui.visuals().selection.stroke);
        }
    }

    /// Starts reading what is under the pointer where that is wanted.
    fn ask(&mut self, ui: &Ui, response: &egui::Response, pixels_per_point: f64) {
        let Some(shown) = &self.shown else { return };
        let pixel = |place: egui::Pos2| {
            let offset = place - response.rect.min;
            DVec2::new(offset.x.into(), offset.y.into()) * pixels_per_point
        };
        let ask = |purpose, pointer| {
            Question::ask(purpose, &self.renderer, &shown.frame.view, pointer, pixels_per_point)
        };
        let mut asked = None;
        if let Some(place) = response.interact_pointer_pos().filter(|_| response.clicked()) {
            let purpose = if response.double_clicked() { Purpose::DoubleClick } else { Purpose::Click };
            asked = ask(purpose, pixel(place));
        } else if let Some(place) = response.hover_pos() {
            let pointer = pixel(place);
            let waiting = self.questions.iter().any(|question| question.purpose == Purpose::Hover);
            let still = !ui.input(|input| input.pointer.any_down());
            if still && !waiting && self.last_pointer != Some(pointer) {
                asked = ask(Purpose::Hover, pointer);
                self.last_pointer = Some(pointer);
            }
        } else {
            self.hovered = None;
            self.last_pointer = None;
        }
        self.questions.extend(asked);
    }

    fn take_answers(&mut self, ui: &Ui, scene: &Scene, options: &ViewOptions, out: &mut ViewerResponse) {
        for question in std::mem::take(&mut self.questions) {
            let Some(answer) = question.poll(&self.renderer, scene, options.boxes) else {
                self.questions.push(question);
                continue;
            };
            match question.purpose {
                Purpose::Hover => self.hovered = answer,
                Purpose::DoubleClick if options.tool == Tool::Select => {
                    out.double_clicked = answer;
                    if let Some(pick) = answer {
                        self.go_to(ui, scene, &pick, options.reduced_motion);
                    }
                }
                Purpose::Click | Purpose::DoubleClick => {
                    if options.tool == Tool::Select {
                        out.clicked = Some(answer);
                    } else if let Some(pick) = answer.filter(|pick| pick.point.is_some()) {
                        self.measured = self.measuring.add(pick.position);
                        out.measurement = self.measured;
                    }
                }
            }
        }
    }

    fn go_to(&mut self, ui: &Ui, scene: &Scene, pick: &Pick, reduced_motion: bool) {
        let boxed = [pick.box_id, pick.instance].into_iter().flatten();
        for id in boxed {
            if self.focus_box(ui.ctx(), scene, id, reduced_motion) {
                return;
            }
        }
        let to = Camera { target: pick.position, distance: self.camera.distance * 0.5, ..self.camera };
        self.fly_to(ui.ctx(), to, reduced_motion);
    }

    fn update_stats(&mut self) {
        let (uploaded, _) = self.renderer.uploaded();
        let layout = self.renderer.layout();
        self.stats.total = layout.map_or(0, crate::pack::Layout::len);
        self.stats.skipped = layout.map_or(0, |layout| layout.skipped);
        self.stats.uploaded = uploaded;
        self.stats.drawn = self.drawn;
        self.stats.frame_ms = self.pace.frame_ms;
        self.stats.gpu_bytes = self.renderer.point_bytes();
    }
}
