//! The picture, large, with what is marked in it.

use std::sync::Arc;

use egui::{
    Color32, ColorImage, Context, PointerButton, Rect, RichText, Sense, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, pos2,
};
use plumb_engine::look::Seen;

use super::marks::{self, Mark, Shape, letter};
use super::view::Placed;
use super::{Ask, Source, geometry, heat_bar, pixels, scene};
use crate::cx::{Cx, Wish};
use crate::library::Loaded;
use crate::task::Task;
use crate::theme::{palette, theme};
use crate::widgets;

/// The longest side of what is drawn: more than a window has.
const SIDE: u32 = 2560;

/// The picture as the graphics card has it.
#[derive(Default)]
pub(crate) struct Shown {
    of: Option<Arc<Seen>>,
    task: Option<Task<Option<ColorImage>>>,
    texture: Option<TextureHandle>,
}

impl Shown {
    /// The texture of `seen` once it is there; a picture is made ready on a thread.
    fn texture(&mut self, ctx: &Context, seen: &Arc<Seen>) -> Option<&TextureHandle> {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, seen)) {
            let own = seen.clone();
            let side = u32::try_from(ctx.input(|input| input.max_texture_side)).unwrap_or(SIDE).min(SIDE);
            (self.of, self.texture) = (Some(seen.clone()), None);
            match Task::start(ctx, "plumb-picture", move || made(&own, side)) {
                Ok(task) => self.task = Some(task),
                // A browser has no threads: there the picture is worth a late frame.
                Err(_) => self.take(ctx, made(seen, side)),
            }
        }
        if let Some(done) = self.task.as_ref().and_then(Task::poll) {
            self.task = None;
            self.take(ctx, done.ok().flatten());
        }
        self.texture.as_ref()
    }

    fn take(&mut self, ctx: &Context, image: Option<ColorImage>) {
        self.texture = image.map(|image| ctx.load_texture("picture", image, TextureOptions::LINEAR));
    }
}

/// The picture with no side longer than `side`.
fn made(seen: &Seen, side: u32) -> Option<ColorImage> {
    let pixels = pixels(seen)?;
    let image = image::RgbImage::from_raw(pixels.width, pixels.height, pixels.rgb.bytes.to_vec())?;
    let longest = pixels.width.max(pixels.height);
    let image = if longest > side {
        let scaled = |own: u32| (u64::from(own) * u64::from(side) / u64::from(longest)).max(1) as u32;
        image::imageops::thumbnail(&image, scaled(pixels.width), scaled(pixels.height))
    } else {
        image
    };
    let size = [image.width() as usize, image.height() as usize];
    (size[0] > 0 && size[1] > 0).then(|| ColorImage::from_rgb(size, image.as_raw()))
}

/// The colour of a mark in the window, near to that in the picture that is sent.
pub(super) fn colour(ui: &Ui, index: usize) -> Color32 {
    let data = &theme().data;
    match marks::colour(index).0 {
        "red" => data.vermilion,
        "blue" => data.blue,
        "green" => data.green,
        "yellow" => data.yellow,
        "magenta" => data.purple,
        "cyan" => data.sky,
        "orange" => data.orange,
        _ => palette(ui).text,
    }
}

/// Draws the pane.
pub(super) fn ui(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(source) = ask.source.clone() else {
        let how = "Drop a picture on the window, open one, or take a rendered room on the left. A question can be asked \
                   without a picture as well.";
        widgets::empty(ui, "No picture", how);
        ui.vertical_centered(|ui| {
            if ui.button("Open a picture…").clicked() {
                cx.wishes.push(Wish::Command(crate::command::Command::Open));
            }
        });
        return;
    };
    let loaded = cx.look(&source.look());
    let Loaded::Ready(seen) = &loaded else {
        widgets::loaded(ui, &loaded, |_, _| ());
        return;
    };
    let Some(size) = pixels(seen).map(|pixels| [pixels.width, pixels.height]) else {
        return widgets::empty(ui, "This scene has no picture", "Choose another one on the left.");
    };
    bar(ask, ui, cx, seen, size);
    if ask.heat.on {
        attention(ask, ui, &source, cx);
    }
    let rect = ui.available_rect_before_wrap();
    if rect.width() < 8.0 || rect.height() < 8.0 {
        return;
    }
    let response = ui.allocate_rect(rect, Sense::click_and_drag());
    let said = said(ask, &source, size);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &said));
    move_view(ask, ui, &response, rect, size);
    let placed = ask.view.placed(rect, size);
    let painter = ui.painter_at(rect);
    match ask.shown.texture(ui.ctx(), seen) {
        Some(texture) => {
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), placed.whole(), uv, Color32::WHITE);
        }
        None => {
            ui.put(Rect::from_center_size(rect.center(), egui::Vec2::splat(24.0)), egui::Spinner::new());
        }
    }
    let on_it = response.hover_pos();
    // A copy in which marks are drawn has the same size.
    let same =
        |ask: &Ask| ask.heat.attention(Some(&source)).is_some_and(|a| a.image == Some((size[0], size[1])));
    if ask.heat.on && same(ask) {
        let opacity = ask.heat.opacity;
        if let Some(made) = ask.heat.made(ui.ctx(), Some(&source)) {
            made.draw(&painter, placed, opacity);
            if let Some(at) = on_it {
                heat_bar::under(ui, made, placed, at, rect);
            }
        }
    }
    point(ask, ui, cx, &response, seen, placed, size);
    for (i, mark) in ask.marks.iter().enumerate() {
        draw(ui, &painter, placed, i, mark);
    }
}

fn said(ask: &Ask, source: &Source, size: [u32; 2]) -> String {
    let name = match source {
        Source::File { path } => {
            path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
        }
        Source::Scene { index, .. } => format!("rendered room {index}"),
    };
    let marks: Vec<String> =
        ask.marks.iter().enumerate().map(|(i, mark)| format!("{} {}", letter(i), mark.phrase(i))).collect();
    let marks = if marks.is_empty() { "nothing is marked".to_owned() } else { marks.join(", ") };
    format!("Picture {name}, {} by {} pixels, {marks}", size[0], size[1])
}

/// What is shown of the attention, and the last question once more where it was asked without.
fn attention(ask: &mut Ask, ui: &mut Ui, source: &Source, cx: &mut Cx<'_>) {
    let last = ask.chat.turns.len().checked_sub(1);
    let without = last.and_then(|i| ask.chat.turns.get(i)).is_some_and(|turn| {
        turn.outcome.is_some() && turn.attention.is_none() && turn.source.as_ref() == Some(source)
    });
    let can = without && !ask.chat.is_busy();
    if heat_bar::ui(&mut ask.heat, ui, Some(source), can)
        && let Some(last) = last
    {
        ask.again(last, cx);
    }
}

/// Tools and marks above the picture.
fn bar(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>, seen: &Seen, size: [u32; 2]) {
    ui.horizontal_wrapped(|ui| {
        let hover = "Click an object or drag a box around it; the other button moves the picture";
        ui.selectable_value(&mut ask.view.moving, false, "Mark").on_hover_text(hover);
        ui.selectable_value(&mut ask.view.moving, true, "Move")
            .on_hover_text("Drag the picture; the wheel zooms");
        if ui.button("Fit").on_hover_text("Show all of the picture").clicked() {
            ask.view.fit();
        }
        let rect = ui.max_rect();
        for (text, name, factor) in [("+", "Larger", 1.5), ("−", "Smaller", 1.0 / 1.5)] {
            if ui.button(text).accessible_name(name).on_hover_text(name).clicked() {
                ask.view.zoom(factor, rect.center(), rect, size);
            }
        }
        if let Some(scene) = scene(seen) {
            let hover = "A click takes the box of the whole object that the scene knows there";
            ui.checkbox(&mut ask.whole, "Whole objects").on_hover_text(hover);
            ui.menu_button("Mark an object", |ui| {
                egui::ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                    for (i, object) in scene.objects.iter().enumerate() {
                        if ui.button(format!("{} {}", object.name, i + 1)).clicked() {
                            ask.mark(whole(object), cx);
                            ui.close();
                        }
                    }
                });
            });
        } else if ui.button("Add a box").on_hover_text("In the middle; its sides can be typed").clicked() {
            let [w, h] = size.map(|side| side as f32);
            let rect = [w * 0.35, h * 0.35, w * 0.65, h * 0.65];
            ask.mark(Mark { shape: Shape::Box(rect), name: None }, cx);
        }
        heat_bar::switch(&mut ask.heat, ui);
    });
}

fn whole(object: &plumb_scene::Object) -> Mark {
    Mark { shape: Shape::Box(object.rect), name: Some(object.name.clone()) }
}

/// The marks, each with what can be done with it.
pub(super) fn chips(ask: &mut Ask, ui: &mut Ui) {
    if ask.marks.is_empty() {
        return;
    }
    let mut gone = None;
    let mut said = None;
    ui.horizontal_wrapped(|ui| {
        for (i, mark) in ask.marks.iter_mut().enumerate() {
            let name = mark.name.clone().unwrap_or_else(|| match mark.shape {
                Shape::Box(_) => "box".to_owned(),
                Shape::Point(_) => "point".to_owned(),
            });
            let own = colour(ui, i);
            let (chip, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), Sense::hover());
            ui.painter().rect_stroke(chip, 0.0, Stroke::new(2.0, own), StrokeKind::Inside);
            let menu = ui.menu_button(RichText::new(format!("{} {name}", letter(i))), |ui| {
                ui.label(mark.phrase(i));
                sides(ui, &mut mark.shape);
                if ui.button("Put it in the question").clicked() {
                    said = Some(i);
                    ui.close();
                }
                if ui.button("Take it away").clicked() {
                    gone = Some(i);
                    ui.close();
                }
            });
            menu.response.on_hover_text("Sides, question, take away");
            let remove = ui.small_button("✖").accessible_name(format!("Take away {} {name}", letter(i)));
            if remove.clicked() {
                gone = Some(i);
            }
        }
    });
    if let (Some(i), Some(step)) = (said, ask.steps.last_mut()) {
        if !step.question.is_empty() && !step.question.ends_with(' ') {
            step.question.push(' ');
        }
        step.question.push_str(&format!("[{}]", letter(i)));
    }
    if let Some(i) = gone {
        ask.marks.remove(i);
    }
}

fn sides(ui: &mut Ui, shape: &mut Shape) {
    ui.horizontal(|ui| {
        let (names, values): (&[&str], &mut [f32]) = match shape {
            Shape::Point(at) => (&["Across", "Down"], at),
            Shape::Box(rect) => (&["Left", "Top", "Right", "Bottom"], rect),
        };
        for (name, value) in names.iter().zip(values) {
            let field = egui::DragValue::new(value).max_decimals(0).range(0.0..=100_000.0);
            ui.add(field).accessible_name(*name).on_hover_text(format!("{name}, pixels"));
        }
    });
    if let Shape::Box([x1, y1, x2, y2]) = shape {
        // What is typed may turn the box over.
        (*x2, *y2) = (x2.max(*x1 + 2.0), y2.max(*y1 + 2.0));
    }
}

fn move_view(ask: &mut Ask, ui: &Ui, response: &egui::Response, rect: Rect, size: [u32; 2]) {
    if let Some(at) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = pinch * (scroll * 0.004).exp();
        if (factor - 1.0).abs() > 1e-4 {
            ask.view.zoom(factor, at, rect, size);
        }
    }
    let other = response.dragged_by(PointerButton::Secondary) || response.dragged_by(PointerButton::Middle);
    if other || (ask.view.moving && response.dragged_by(PointerButton::Primary)) {
        ask.view.pan(response.drag_delta(), rect, size);
    }
    if response.double_clicked_by(PointerButton::Secondary) {
        ask.view.fit();
    }
}

/// Marks by click and drag.
fn point(
    ask: &mut Ask,
    ui: &Ui,
    cx: &mut Cx<'_>,
    response: &egui::Response,
    seen: &Seen,
    placed: Placed,
    size: [u32; 2],
) {
    if ask.view.moving {
        ask.view.from = None;
        return;
    }
    let pointer = response.interact_pointer_pos().or(response.hover_pos());
    let p = palette(ui);
    let known = scene(seen).filter(|_| ask.whole);
    if let (Some(scene), Some(at)) = (known, response.hover_pos()) {
        let under = geometry::object(scene, Shape::Point(placed.to_picture(at)));
        if let Some(object) = under.and_then(|index| scene.objects.get(index)) {
            let rect = placed.rect(object.rect);
            let painter = ui.painter_at(response.rect);
            painter.rect_stroke(rect, 0.0, Stroke::new(1.0, p.accent), StrokeKind::Middle);
            widgets::tag(
                &painter,
                rect.left_top(),
                egui::Align2::LEFT_BOTTOM,
                &object.name,
                p.on_accent,
                p.accent,
            );
        }
    }
    if response.drag_started_by(PointerButton::Primary) {
        let origin = ui.input(|input| input.pointer.press_origin()).or(pointer);
        ask.view.from = origin.map(|at| placed.to_picture(at));
    }
    if let (Some(from), Some(to)) = (ask.view.from, pointer) {
        let now = Shape::between(from, placed.to_picture(to), size);
        if let Some(Shape::Box(rect)) = now {
            let painter = ui.painter_at(response.rect);
            let own = colour(ui, ask.marks.len());
            painter.rect_stroke(placed.rect(rect), 0.0, Stroke::new(2.0, own), StrokeKind::Middle);
        }
        if response.drag_stopped_by(PointerButton::Primary) {
            ask.view.from = None;
            if let Some(shape) = now {
                let object = scene(seen).and_then(|scene| scene.objects.get(geometry::object(scene, shape)?));
                ask.mark(Mark { shape, name: object.map(|object| object.name.clone()) }, cx);
            }
        }
    }
    if response.clicked_by(PointerButton::Primary)
        && let Some(at) = pointer.map(|at| placed.to_picture(at))
        && placed.has(at)
    {
        let object =
            scene(seen).and_then(|scene| scene.objects.get(geometry::object(scene, Shape::Point(at))?));
        let mark = match object {
            Some(object) if ask.whole => whole(object),
            object => Mark { shape: Shape::Point(at), name: object.map(|object| object.name.clone()) },
        };
        ask.mark(mark, cx);
    }
}

fn draw(ui: &Ui, painter: &egui::Painter, placed: Placed, index: usize, mark: &Mark) {
    let own = colour(ui, index);
    let ground = palette(ui).background;
    let at = match mark.shape {
        Shape::Box(rect) => {
            let rect = placed.rect(rect);
            // A dark rim keeps a light outline visible on a light wall.
            painter.rect_stroke(rect, 0.0, Stroke::new(4.0, ground.gamma_multiply(0.6)), StrokeKind::Middle);
            painter.rect_stroke(rect, 0.0, Stroke::new(2.0, own), StrokeKind::Middle);
            rect.left_top()
        }
        Shape::Point(at) => {
            let at = placed.to_screen(at);
            painter.circle(at, 6.0, own, Stroke::new(2.0, ground));
            at + egui::vec2(8.0, -8.0)
        }
    };
    let text = match &mark.name {
        Some(name) => format!("{} {name}", letter(index)),
        None => letter(index).to_string(),
    };
    widgets::tag(
        painter,
        at,
        egui::Align2::LEFT_BOTTOM,
        &text,
        palette(ui).text,
        ground.gamma_multiply(0.85),
    );
}
