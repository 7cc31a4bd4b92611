//! Where the picture lies on the screen.

use egui::{Pos2, Rect, Vec2, vec2};

/// The largest zoom, where 1 shows all of the picture.
const MOST: f32 = 40.0;

/// A part of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    zoom: f32,
    /// What is in the middle, as a share of width and height.
    centre: Vec2,
    /// The primary button moves the picture instead of marking.
    pub(crate) moving: bool,
    /// Where a box begins, in pixels of the picture.
    pub(crate) from: Option<[f32; 2]>,
}

impl Default for View {
    fn default() -> Self {
        Self { zoom: 1.0, centre: vec2(0.5, 0.5), moving: false, from: None }
    }
}

/// A view of a picture of `size` pixels on `rect`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    rect: Rect,
    size: Vec2,
    scale: f32,
    centre: Vec2,
}

impl View {
    pub(crate) fn placed(&self, rect: Rect, size: [u32; 2]) -> Placed {
        let size = vec2(size[0].max(1) as f32, size[1].max(1) as f32);
        let fit = (rect.width() / size.x).min(rect.height() / size.y).max(1e-6);
        Placed { rect, size, scale: fit * self.zoom, centre: self.centre * size }
    }

    /// Shows all of it.
    pub(crate) fn fit(&mut self) {
        (self.zoom, self.centre) = (1.0, vec2(0.5, 0.5));
    }

    /// Enlarges by `factor`; what is at `at` stays there.
    pub(crate) fn zoom(&mut self, factor: f32, at: Pos2, rect: Rect, size: [u32; 2]) {
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        let fixed = self.placed(rect, size).to_picture(at);
        self.zoom = (self.zoom * factor).clamp(1.0, MOST);
        let now = self.placed(rect, size).to_picture(at);
        let size = vec2(size[0].max(1) as f32, size[1].max(1) as f32);
        self.centre += (vec2(fixed[0], fixed[1]) - vec2(now[0], now[1])) / size;
        self.keep_in();
    }

    /// Moves the picture by so many points of the screen.
    pub(crate) fn pan(&mut self, by: Vec2, rect: Rect, size: [u32; 2]) {
        let placed = self.placed(rect, size);
        self.centre -= by / placed.scale / placed.size;
        self.keep_in();
    }

    fn keep_in(&mut self) {
        if self.zoom <= 1.0 || !(self.centre.x.is_finite() && self.centre.y.is_finite()) {
            self.centre = vec2(0.5, 0.5);
        }
        self.centre = self.centre.clamp(Vec2::ZERO, Vec2::splat(1.0));
    }
}

impl Placed {
    pub(crate) fn to_screen(self, at: [f32; 2]) -> Pos2 {
        self.rect.center() + (vec2(at[0], at[1]) - self.centre) * self.scale
    }

    pub(crate) fn to_picture(self, at: Pos2) -> [f32; 2] {
        let at = (at - self.rect.center()) / self.scale + self.centre;
        [at.x, at.y]
    }

    /// A box of the picture on the screen.
    pub(crate) fn rect(self, rect: [f32; 4]) -> Rect {
        Rect::from_two_pos(self.to_screen([rect[0], rect[1]]), self.to_screen([rect[2], rect[3]]))
    }

    /// All of the picture on the screen.
    pub(crate) fn whole(self) -> Rect {
        self.rect([0.0, 0.0, self.size.x, self.size.y])
    }

    /// Whether a point of the picture is in it.
    pub(crate) fn has(self, at: [f32; 2]) -> bool {
        (0.0..self.size.x).contains(&at[0]) && (0.0..self.size.y).contains(&at[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    const SIZE: [u32; 2] = [640, 480];

    fn rect() -> Rect {
        Rect::from_min_size(pos2(100.0, 50.0), vec2(320.0, 480.0))
    }

    fn near(a: [f32; 2], b: [f32; 2]) -> bool {
        (a[0] - b[0]).abs() < 0.05 && (a[1] - b[1]).abs() < 0.05
    }

    #[test]
    fn the_whole_picture_is_seen_first() {
        let placed = View::default().placed(rect(), SIZE);
        let whole = placed.whole();
        assert!(rect().expand(0.01).contains_rect(whole) && (whole.width() - 320.0).abs() < 0.01);
        assert!((whole.width() / whole.height() - 4.0 / 3.0).abs() < 1e-4);
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer_and_there_is_a_way_back() {
        let mut view = View::default();
        let at = pos2(200.0, 300.0);
        let before = view.placed(rect(), SIZE).to_picture(at);
        view.zoom(4.0, at, rect(), SIZE);
        assert!(near(before, view.placed(rect(), SIZE).to_picture(at)));
        let some = [123.0, 45.0];
        let placed = view.placed(rect(), SIZE);
        assert!(near(placed.to_picture(placed.to_screen(some)), some));
        view.zoom(1e-9, at, rect(), SIZE);
        assert_eq!(view, View::default());
    }

    #[test]
    fn a_picture_is_not_lost() {
        let mut view = View::default();
        view.zoom(f32::INFINITY, pos2(0.0, 0.0), rect(), SIZE);
        view.zoom(3.0, rect().center(), rect(), SIZE);
        view.pan(vec2(-1e9, f32::NAN), rect(), SIZE);
        view.pan(vec2(-1e9, 1e9), rect(), SIZE);
        assert!(view.placed(rect(), SIZE).whole().intersects(rect()));
        view.placed(Rect::from_min_size(Pos2::ZERO, Vec2::ZERO), [0, 0]);
    }
}
