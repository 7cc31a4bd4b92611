//! One picture, large: fitted, zoomed by scrolling, moved by dragging, its boxes drawn on top.

use egui::{Align2, Color32, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use super::pictures::{AS_IT_IS, Picture};
use crate::theme::{palette, theme};
use crate::widgets;

const MOST: f32 = 16.0;

/// Where one looks in the picture.
pub(super) struct Viewer {
    /// The sample that this is about: another one is fitted anew.
    of: Option<(String, usize)>,
    /// 1 fits the picture.
    zoom: f32,
    /// Of the picture's centre from the frame's, in points.
    moved: Vec2,
    pub(super) boxes: bool,
    /// Height of the frame.
    pub(super) height: f32,
}

impl Default for Viewer {
    fn default() -> Self {
        Self { of: None, zoom: 1.0, moved: Vec2::ZERO, boxes: true, height: 260.0 }
    }
}

impl Viewer {
    pub(super) fn show(&mut self, place: &str, row: usize) {
        let of = Some((place.to_owned(), row));
        if self.of != of {
            (self.of, self.zoom, self.moved) = (of, 1.0, Vec2::ZERO);
        }
    }

    pub(super) fn fit(&mut self) {
        (self.zoom, self.moved) = (1.0, Vec2::ZERO);
    }

    pub(super) fn is_fitted(&self) -> bool {
        (self.zoom - 1.0).abs() < 1e-3 && self.moved == Vec2::ZERO
    }

    /// Zooms by `factor` about `at`, a point relative to the frame's centre.
    fn zoom_at(&mut self, factor: f32, at: Vec2) {
        let zoom = (self.zoom * factor).clamp(1.0, MOST);
        self.moved = at - (at - self.moved) * (zoom / self.zoom);
        self.zoom = zoom;
    }

    /// Keeps the picture of size `shown` over the frame of size `frame`.
    fn hold(&mut self, shown: Vec2, frame: Vec2) {
        let room = ((shown - frame) / 2.0).max(Vec2::ZERO);
        self.moved = self.moved.clamp(-room, room);
    }

    /// Draws it with `boxes` (pixels of the picture), each in its colour with its name.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        picture: &Picture,
        boxes: &[([f32; 4], Color32, String)],
        name: &str,
    ) {
        let p = *palette(ui);
        let size = vec2(ui.available_width().max(60.0), self.height.max(80.0));
        let (frame, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
        let painter = ui.painter_at(frame);
        painter.rect_filled(frame, theme().space.radius / 2.0, p.background);
        let (texture, pixels) = match picture {
            Picture::Ready(texture, size) => (texture, vec2(size[0].max(1) as f32, size[1].max(1) as f32)),
            Picture::Waiting => {
                let font = egui::FontId::proportional(theme().size.body);
                painter.text(frame.center(), Align2::CENTER_CENTER, "Reading the picture…", font, p.dim);
                return;
            }
            Picture::Failed(error) => {
                let font = egui::FontId::proportional(theme().size.body);
                let galley = painter.layout(error.clone(), font, p.text, frame.width() - 24.0);
                painter.galley(frame.center() - galley.size() / 2.0, galley, p.text);
                return;
            }
        };
        if response.dragged() {
            self.moved += response.drag_delta();
        }
        if response.double_clicked() {
            self.fit();
        }
        if response.contains_pointer() {
            let (pinch, scroll) = ui.input(|i| (i.zoom_delta(), i.smooth_scroll_delta().y));
            let factor = pinch * (scroll / 200.0).exp();
            // At its fitted size a downward scroll belongs to the pane.
            if (factor - 1.0).abs() > 1e-4 && (factor > 1.0 || self.zoom > 1.0) {
                let at = ui.input(|i| i.pointer.hover_pos()).unwrap_or(frame.center()) - frame.center();
                self.zoom_at(factor, at);
                ui.input_mut(|i| i.smooth_scroll_delta = Vec2::ZERO);
            }
        }
        let scale = (frame.width() / pixels.x).min(frame.height() / pixels.y) * self.zoom;
        self.hold(pixels * scale, frame.size());
        let place = Rect::from_center_size(frame.center() + self.moved, pixels * scale);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(texture.id(), place, whole, AS_IT_IS);
        if !self.boxes {
            return;
        }
        for (b, colour, name) in boxes {
            let at = |x: f32, y: f32| place.min + vec2(x, y) * scale;
            let rect = Rect::from_two_pos(at(b[0], b[1]), at(b[2], b[3]));
            if !rect.is_finite() {
                continue;
            }
            // A dark line outside keeps the colour visible on any picture.
            painter.rect_stroke(rect.expand(1.5), 0.0, Stroke::new(1.5, p.background), StrokeKind::Outside);
            painter.rect_stroke(rect, 0.0, Stroke::new(2.0, *colour), StrokeKind::Outside);
            if !name.is_empty() {
                widgets::tag(&painter, rect.left_top(), Align2::LEFT_BOTTOM, name, p.text, p.surface);
            }
        }
    }
}

/// The colours that a question gives its boxes, in the order in which it names them: `(highlighted by a red box)`.
pub(super) fn box_words(question: &str) -> Vec<&'static str> {
    const KNOWN: [&str; 7] = ["red", "blue", "green", "yellow", "orange", "purple", "white"];
    let words: Vec<String> = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let [colour, noun] = pair else { continue };
        let is_box = matches!(noun.as_str(), "box" | "bounding" | "rectangle");
        if let Some(known) = KNOWN.iter().find(|k| is_box && *k == colour)
            && !found.contains(known)
        {
            found.push(*known);
        }
    }
    found
}

/// The colour in which a box of that name is drawn; by its place where the question names none.
pub(super) fn box_colour(name: Option<&str>, at: usize) -> Color32 {
    let data = &theme().data;
    match name {
        Some("red") => data.vermilion,
        Some("blue") => data.sky,
        Some("green") => data.green,
        Some("yellow" | "white") => data.yellow,
        Some("orange") => data.orange,
        Some("purple") => data.purple,
        _ => data.series(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_named_as_the_question_names_them() {
        let depth = "Which object is closer to the camera taking this photo, the lamp (highlighted by a red box) or the sofa \
                     (highlighted by a blue box)?";
        assert_eq!(box_words(depth), ["red", "blue"]);
        let three = "closer to the desk (highlighted by a red box), the bin (a blue box) or the red lamp (a green box)";
        assert_eq!(box_words(three), ["red", "blue", "green"]);
        assert!(box_words("How many red lamps are in the image?").is_empty());
        assert_ne!(box_colour(Some("red"), 0), box_colour(Some("blue"), 1));
    }

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let mut viewer = Viewer::default();
        let (at, before) = (vec2(30.0, -10.0), Vec2::ZERO);
        viewer.zoom_at(2.0, at);
        let picture = |viewer: &Viewer| (at - viewer.moved) / viewer.zoom;
        assert!((picture(&viewer) - (at - before)).length() < 1e-4);
        viewer.zoom_at(1e9, at);
        assert_eq!(viewer.zoom, MOST);
        viewer.moved = vec2(1e6, 1e6);
        viewer.hold(vec2(200.0, 50.0), vec2(100.0, 100.0));
        assert_eq!(viewer.moved, vec2(50.0, 0.0));
        viewer.show("run", 1);
        assert!(viewer.is_fitted());
    }
}
