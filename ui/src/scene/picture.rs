//! The picture that a scene was lifted from, with the boxes of its objects.

use egui::{
    Align2, Color32, ColorImage, Pos2, Rect, Sense, Stroke, StrokeKind, TextureHandle, TextureOptions, Ui,
    pos2, vec2,
};
use plumb_engine::look::{Pixels, SceneSeen};

use super::list::name_of;
use crate::theme::{palette, theme};
use crate::widgets;

/// The picture of one scene on the graphics card.
#[derive(Default)]
pub(super) struct Picture {
    held: Option<(String, TextureHandle)>,
}

/// A decoded picture as egui takes it; none where the bytes do not fit the size.
pub(super) fn image(pixels: &Pixels) -> Option<ColorImage> {
    let size = [pixels.width as usize, pixels.height as usize];
    let fits = size[0].checked_mul(size[1]).and_then(|n| n.checked_mul(3)) == Some(pixels.rgb.bytes.len());
    (fits && !pixels.rgb.bytes.is_empty()).then(|| ColorImage::from_rgb(size, &pixels.rgb.bytes))
}

impl Picture {
    /// Draws it at most `height` high; the object that was clicked.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        seen: &SceneSeen,
        chosen: &[u32],
        hovered: Option<u32>,
        height: f32,
    ) -> Option<u32> {
        let pixels = seen.image.as_ref()?;
        let id = &seen.scene.id;
        if self.held.as_ref().is_none_or(|(of, _)| of != id) {
            let image = image(pixels)?;
            self.held = Some((id.clone(), ui.ctx().load_texture(id, image, TextureOptions::LINEAR)));
        }
        let (_, texture) = self.held.as_ref()?;
        let full = vec2(pixels.width as f32, pixels.height as f32);
        let scale = (ui.available_width() / full.x).min(height / full.y);
        let (rect, response) = ui.allocate_exact_size(full * scale, Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Image, true, "The picture of the scene with its objects")
        });
        let uv = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
        let painter = ui.painter_at(rect);
        painter.image(texture.id(), rect, uv, Color32::WHITE);
        let place = |[x1, y1, x2, y2]: [f32; 4]| {
            Rect::from_min_max(rect.min + vec2(x1, y1) * scale, rect.min + vec2(x2, y2) * scale)
        };
        let under = response.hover_pos().and_then(|at| {
            let hit = seen.scene.objects.iter().filter(|object| place(object.rect).contains(at));
            hit.min_by(|a, b| place(a.rect).area().total_cmp(&place(b.rect).area()))
        });
        let p = palette(ui);
        for (i, object) in seen.scene.objects.iter().enumerate() {
            let strong = chosen.contains(&object.id);
            let looked = hovered == Some(object.id) || under.is_some_and(|u| u.id == object.id);
            if !(strong || looked) {
                continue;
            }
            let colour = theme().data.series(i);
            let own = place(object.rect);
            let width = if strong { 2.5 } else { 1.5 };
            painter.rect_stroke(own, 1.0, Stroke::new(width, colour), StrokeKind::Inside);
            widgets::tag(&painter, own.left_top(), Align2::LEFT_TOP, &name_of(object), p.text, p.raised);
        }
        let clicked = response.clicked();
        under.filter(|_| clicked).map(|object| object.id)
    }
}
