//! Pointer, wheel and keys as camera movements, and eased flights.

use egui::{EventFilter, Key, PointerButton, Response, Ui};
use glam::{DVec2, DVec3};

use crate::camera::{Camera, View};

/// Seconds of an eased camera change.
const EASE_SECONDS: f64 = 0.2;
/// Radians per logical pixel of a drag: half a turn over 600.
const ORBIT_SPEED: f64 = std::f64::consts::PI / 600.0;
/// Radians per second with the arrow keys.
const KEY_ORBIT: f64 = 1.5;
/// Pivot distances per second when flying.
const FLY_SPEED: f64 = 0.8;

/// Something a key asks for that is not a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Everything into view (Home).
    Fit,
    /// The chosen object into view (F).
    Focus,
    /// The view of the capture camera (C).
    Capture,
    /// Give up what is being measured (Escape).
    Cancel,
}

/// A flight between two views.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ease {
    from: Camera,
    to: Camera,
    start: f64,
}

impl Ease {
    pub(crate) const fn new(from: Camera, to: Camera, start: f64) -> Self {
        Self { from, to, start }
    }

    /// The camera at `time` seconds, and whether it has arrived.
    pub(crate) fn at(&self, time: f64) -> (Camera, bool) {
        let t = ((time - self.start) / EASE_SECONDS).clamp(0.0, 1.0);
        if t >= 1.0 {
            return (self.to.sanitized(), true);
        }
        (self.from.towards(&self.to, t * t * (3.0 - 2.0 * t)), false)
    }
}

/// What the person did this frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Motion {
    /// Radians: yaw, pitch.
    orbit: DVec2,
    /// Radians: yaw, pitch, the eye staying where it is.
    look: DVec2,
    /// Logical pixels the content follows the pointer.
    pan: DVec2,
    /// Factor on the distance to what is under the pointer.
    zoom: Option<f64>,
    /// Metres right, up, forward.
    fly: DVec3,
}

impl Motion {
    /// Reads the input meant for `response`; flying needs the panel's keyboard focus.
    pub(crate) fn read(ui: &Ui, response: &Response, camera: &Camera) -> Self {
        let mut motion = Self::default();
        let drag = response.drag_delta();
        let drag = DVec2::new(drag.x.into(), drag.y.into());
        let modifiers = ui.input(|input| input.modifiers);
        if response.dragged_by(PointerButton::Middle)
            || response.dragged_by(PointerButton::Secondary)
            || (response.dragged_by(PointerButton::Primary) && modifiers.shift)
        {
            motion.pan = drag;
        } else if response.dragged_by(PointerButton::Primary) && modifiers.alt {
            motion.look = -drag * ORBIT_SPEED;
        } else if response.dragged_by(PointerButton::Primary) {
            motion.orbit = -drag * ORBIT_SPEED;
        }
        if response.hovered() {
            let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            let factor = (-f64::from(scroll) * 0.0025).exp() / f64::from(pinch).max(1e-3);
            if (factor - 1.0).abs() > 1e-6 {
                motion.zoom = Some(factor.clamp(0.1, 10.0));
            }
        }
        if response.has_focus() {
            motion.read_keys(ui, camera);
        }
        motion
    }

    fn read_keys(&mut self, ui: &Ui, camera: &Camera) {
        ui.input(|input| {
            if input.modifiers.command || input.modifiers.alt {
                return;
            }
            let seconds = f64::from(input.stable_dt.clamp(0.0, 0.1));
            let axis = |plus: &[Key], minus: &[Key]| {
                let held = |keys: &[Key]| f64::from(u8::from(keys.iter().any(|&key| input.key_down(key))));
                held(plus) - held(minus)
            };
            let arrows = DVec2::new(
                axis(&[Key::ArrowRight], &[Key::ArrowLeft]),
                axis(&[Key::ArrowUp], &[Key::ArrowDown]),
            );
            if input.modifiers.shift {
                self.pan += DVec2::new(-arrows.x, arrows.y) * 400.0 * seconds;
            } else {
                self.orbit += DVec2::new(arrows.x, -arrows.y) * KEY_ORBIT * seconds;
            }
            let zoom = axis(&[Key::Minus], &[Key::Plus, Key::Equals]);
            if zoom != 0.0 {
                self.zoom = Some(self.zoom.unwrap_or(1.0) * (zoom * 1.5 * seconds).exp());
            }
            let speed = FLY_SPEED * if input.modifiers.shift { 4.0 } else { 1.0 };
            let fly = DVec3::new(
                axis(&[Key::D], &[Key::A]),
                axis(&[Key::E], &[Key::Q]),
                axis(&[Key::W], &[Key::S]),
            );
            self.fly += fly * speed * seconds * camera.distance;
        });
    }

    /// Moves the camera; `view` is in logical pixels. `anchor`: what the pointer is on, for zooming. True if it moved.
    pub(crate) fn apply(&self, camera: &mut Camera, view: &View, anchor: DVec3) -> bool {
        if *self == Self::default() {
            return false;
        }
        if self.orbit != DVec2::ZERO {
            camera.orbit(self.orbit.x, self.orbit.y);
        }
        if self.look != DVec2::ZERO {
            camera.look(-self.look.x, -self.look.y);
        }
        if self.pan != DVec2::ZERO {
            // A drag of one pixel moves the pivot by one pixel.
            let metres = self.pan * camera.distance / view.focal;
            camera.fly(-metres.x, metres.y, 0.0);
        }
        if let Some(factor) = self.zoom {
            camera.zoom_about(anchor, factor);
        }
        if self.fly != DVec3::ZERO {
            camera.fly(self.fly.x, self.fly.y, self.fly.z);
        }
        true
    }
}

/// Keeps arrow keys and Escape in the panel while it has the focus, and reads what they ask for.
pub(crate) fn commands(ui: &Ui, response: &Response) -> Option<Command> {
    if !response.has_focus() {
        return None;
    }
    let filter = EventFilter { tab: false, horizontal_arrows: true, vertical_arrows: true, escape: true };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    ui.input(|input| {
        if input.modifiers.any() {
            return None;
        }
        [
            (Key::Home, Command::Fit),
            (Key::F, Command::Focus),
            (Key::C, Command::Capture),
            (Key::Escape, Command::Cancel),
        ]
        .into_iter()
        .find_map(|(key, command)| input.key_pressed(key).then_some(command))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flights_start_and_end_where_they_should() {
        let from = Camera::default().sanitized();
        let to = Camera { yaw: 1.5, distance: 2.0, ..from };
        let ease = Ease::new(from, to, 10.0);
        assert!((ease.at(10.0).0.distance - from.distance).abs() < 1e-12 && !ease.at(10.0).1);
        let (middle, arrived) = ease.at(10.1);
        assert!(middle.distance < from.distance && middle.distance > 2.0 && !arrived);
        assert_eq!(ease.at(10.2 + 1e-9), (to.sanitized(), true));
        assert!(ease.at(f64::NAN).0.distance.is_finite());
    }

    #[test]
    fn dragging_moves_the_content_with_the_pointer() {
        let mut camera = Camera::default();
        let view = camera.view([800.0, 600.0]);
        let pivot = camera.target;
        let motion = Motion { pan: DVec2::new(30.0, -20.0), ..Motion::default() };
        assert!(motion.apply(&mut camera, &view, pivot));
        let (pixel, _) = camera.view([800.0, 600.0]).project(pivot).unwrap();
        assert!((pixel - DVec2::new(430.0, 280.0)).length() < 1e-6, "{pixel}");
        assert!(!Motion::default().apply(&mut camera, &view, pivot));
    }

    #[test]
    fn dragging_right_turns_the_scene_right() {
        let mut camera = Camera { yaw: 1.0, pitch: 0.0, ..Camera::default() };
        let view = camera.view([800.0, 600.0]);
        // A point in front of the pivot goes where the pointer goes.
        let near = camera.target - camera.basis().forward;
        let motion = Motion { orbit: -DVec2::new(50.0, 0.0) * ORBIT_SPEED, ..Motion::default() };
        motion.apply(&mut camera, &view, DVec3::ZERO);
        assert!(camera.view([800.0, 600.0]).project(near).unwrap().0.x > 400.0);
    }
}
