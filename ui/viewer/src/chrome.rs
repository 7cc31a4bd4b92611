//! What egui paints over the picture: labels at projected places, markers of picked points, the focus ring.

use egui::{Color32, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2};
use glam::{DVec2, DVec3};

use crate::camera::View;
use crate::data::Segment;
use crate::labels::{LabelRequest, layout_labels};
use crate::measure::{Measurement, Measuring, Tool};
use crate::options::ViewOptions;
use crate::overlay::WorldLabel;

/// Colour of what is being measured.
const MEASURE_COLOR: [u8; 3] = [0xf0, 0xe4, 0x42];
/// Labels beyond this many are not even tried.
const MAX_LABELS: usize = 400;
const TEXT_SIZE: f32 = 12.0;
const PADDING: Vec2 = Vec2::new(4.0, 2.0);

fn color([r, g, b]: [u8; 3]) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// Where a world position is on screen, in egui's points.
fn on_screen(rect: Rect, view: &View, pixels_per_point: f64, world: DVec3) -> Option<(Pos2, f64)> {
    let (pixel, depth) = view.project(world)?;
    let at: DVec2 = pixel / pixels_per_point;
    let place = rect.min + Vec2::new(at.x as f32, at.y as f32);
    rect.expand(200.0).contains(place).then_some((place, depth))
}

/// Paints the labels that find a place.
pub(crate) fn labels(
    painter: &Painter,
    rect: Rect,
    view: &View,
    pixels_per_point: f64,
    labels: &[WorldLabel],
    options: &ViewOptions,
) {
    let mut galleys = Vec::new();
    let mut requests = Vec::new();
    for label in labels {
        let Some((place, depth)) = on_screen(rect, view, pixels_per_point, label.at) else { continue };
        if requests.len() >= MAX_LABELS || !rect.contains(place) {
            continue;
        }
        let font = FontId::proportional(TEXT_SIZE);
        let galley = painter.layout_no_wrap(label.text.clone(), font, color(options.text));
        let size = galley.size() + PADDING * 2.0;
        let offset = place - rect.min;
        requests.push(LabelRequest {
            anchor: offset.into(),
            size: size.into(),
            priority: label.priority,
            depth: depth as f32,
        });
        galleys.push((galley, label.color));
    }
    let places = layout_labels(&requests, rect.size().into());
    for ((galley, edge), place) in galleys.into_iter().zip(places) {
        let Some(place) = place else { continue };
        let min = rect.min + Vec2::from(place.min);
        let frame = Rect::from_min_max(min, rect.min + Vec2::from(place.max));
        let [r, g, b] = options.background;
        painter.rect_filled(frame, 3.0, Color32::from_rgba_unmultiplied(r, g, b, 215));
        // The object's colour as a bar: text in that colour would not always be readable.
        let bar = Rect::from_min_size(frame.min, Vec2::new(2.5, frame.height()));
        painter.rect_filled(bar, 1.0, color(edge));
        painter.galley(min + PADDING + Vec2::new(1.0, 0.0), galley, color(options.text));
    }
}

/// Lines of the measurement in progress (following the pointer) or of the last one.
pub(crate) fn measure_segments(
    measuring: &Measuring,
    tool: Tool,
    last: Option<&Measurement>,
    pointer: Option<DVec3>,
    options: &ViewOptions,
) -> Vec<Segment> {
    let segment = |from: DVec3, to: DVec3, label: String| Segment {
        from: from.as_vec3().to_array(),
        to: to.as_vec3().to_array(),
        color: MEASURE_COLOR,
        label,
        arrow: false,
    };
    let of = |measurement: &Measurement| {
        let text = (options.format)(measurement);
        match *measurement {
            Measurement::Distance { points: [a, b], .. } => vec![segment(a, b, text)],
            Measurement::Height { point, .. } => vec![segment(point.with_z(0.0), point, text)],
            Measurement::Angle { points: [a, corner, b], .. } => {
                vec![segment(a, corner, String::new()), segment(corner, b, text)]
            }
        }
    };
    if tool == Tool::Select {
        return Vec::new();
    }
    // The measurement as it would be with a click here.
    let mut preview = measuring.clone();
    // A height needs no first point: its preview must not hide the one just measured.
    let keep = tool == Tool::Height && last.is_some();
    if let Some(found) = pointer.and_then(|point| preview.add(point)).filter(|_| !keep) {
        return of(&found);
    }
    let points = preview.points();
    if points.is_empty() || (measuring.points().is_empty() && last.is_some()) {
        return last.map_or_else(Vec::new, of);
    }
    points.windows(2).map(|pair| segment(pair[0], pair[1], String::new())).collect()
}

/// Rings around picked points.
pub(crate) fn markers(
    painter: &Painter,
    rect: Rect,
    view: &View,
    pixels_per_point: f64,
    points: &[DVec3],
    pointer: Option<DVec3>,
) {
    for &point in points {
        if let Some((place, _)) = on_screen(rect, view, pixels_per_point, point) {
            painter.circle(place, 4.5, color(MEASURE_COLOR), Stroke::new(1.5, Color32::BLACK));
        }
    }
    if let Some((place, _)) = pointer.and_then(|point| on_screen(rect, view, pixels_per_point, point)) {
        painter.circle_stroke(place, 5.0, Stroke::new(3.0, Color32::from_black_alpha(160)));
        painter.circle_stroke(place, 5.0, Stroke::new(1.5, color(MEASURE_COLOR)));
    }
}

/// Shows that keys go to this panel.
pub(crate) fn focus_ring(painter: &Painter, rect: Rect, stroke: Stroke) {
    painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_follows_the_pointer_until_the_click() {
        let options = ViewOptions { tool: Tool::Distance, ..ViewOptions::default() };
        let mut measuring = Measuring::default();
        measuring.set_tool(Tool::Distance);
        let segments = |measuring: &Measuring, last: Option<&Measurement>, pointer: Option<DVec3>| {
            measure_segments(measuring, Tool::Distance, last, pointer, &options)
        };
        assert!(segments(&measuring, None, Some(DVec3::X)).is_empty());
        measuring.add(DVec3::ZERO);
        assert_eq!(segments(&measuring, None, Some(DVec3::X * 2.0))[0].label, "2.00 m");
        let last = measuring.add(DVec3::Y).unwrap();
        assert_eq!(segments(&measuring, Some(&last), None)[0].to, [0.0, 1.0, 0.0]);
        assert_eq!(segments(&measuring, Some(&last), Some(DVec3::X))[0].to, [0.0, 1.0, 0.0]);
        assert!(measure_segments(&measuring, Tool::Select, Some(&last), None, &options).is_empty());
    }

    #[test]
    fn an_angle_has_two_arms_and_a_height_stands_on_the_ground() {
        let options = ViewOptions::default();
        let mut measuring = Measuring::default();
        measuring.set_tool(Tool::Angle);
        measuring.add(DVec3::X);
        measuring.add(DVec3::ZERO);
        let arms = measure_segments(&measuring, Tool::Angle, None, Some(DVec3::Y), &options);
        assert_eq!((arms.len(), arms[1].label.as_str()), (2, "90°"));
        measuring.set_tool(Tool::Height);
        let pole =
            measure_segments(&measuring, Tool::Height, None, Some(DVec3::new(1.0, 2.0, 0.5)), &options);
        assert_eq!((pole[0].from, pole[0].label.as_str()), ([1.0, 2.0, 0.0], "0.50 m"));
    }
}
