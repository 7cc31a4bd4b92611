//! The right pane: the chosen object, pair or question.

use egui::{Color32, RichText, Ui};
use plumb_engine::look::SceneSeen;
use plumb_scene::{NameSource, Object};

use super::list::name_of;
use super::{SceneView, edits, length, questions, scene_of};
use crate::cx::Cx;
use crate::widgets;

pub(super) fn ui(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>) {
    let shown = state.shown_scene(cx);
    let Some(seen) = scene_of(&shown) else {
        widgets::loaded(ui, &shown, |_, _| ());
        return;
    };
    let asked = state.questions(seen, cx);
    picture(state, ui, seen);
    ui.separator();
    chosen(state, ui, seen);
    ui.separator();
    questions::ui(state, ui, cx, &asked);
}

fn picture(state: &mut SceneView, ui: &mut Ui, seen: &SceneSeen) {
    // Half of the pane is for questions.
    let height = (ui.available_height() * 0.25).clamp(80.0, 220.0);
    let SceneView { picture, chosen, .. } = state;
    if let Some(object) = picture.ui(ui, seen, &chosen.objects, chosen.hovered, height) {
        let more = ui.input(|i| i.modifiers.command || i.modifiers.shift);
        chosen.pick(object, more);
        state.view.focus_soon();
    }
}

fn object(seen: &SceneSeen, id: u32) -> Option<(usize, &Object)> {
    seen.scene.objects.iter().enumerate().find(|(_, object)| object.id == id)
}

fn chosen(state: &mut SceneView, ui: &mut Ui, seen: &SceneSeen) {
    let scene = &seen.scene;
    match state.chosen.objects[..] {
        [] => {
            widgets::section(ui, "Scene");
            fact(ui, "Points", &seen.points.to_string());
            let gravity = match &scene.gravity {
                plumb_geometry::Gravity::Known { sigma, .. } => format!("known to {sigma:.1}°"),
                plumb_geometry::Gravity::Refused { refused } => format!("not known: {refused}"),
            };
            fact(ui, "Gravity", &gravity);
            let unit = if scene.metric { "metres" } else { "unknown scale: only ratios mean something" };
            fact(ui, "Lengths", unit);
            if seen.image.is_some() {
                fact(ui, "Camera height", &length(scene.frame.camera_height, 0.0));
            }
            widgets::dim(ui, "Choose an object, or two to measure between them");
        }
        [id] => {
            let Some((_, object)) = object(seen, id) else { return };
            edits::heading(state, ui, id, &name_of(object));
            match object.named_by {
                NameSource::Person => fact(ui, "Named", "by you"),
                NameSource::Proposal => fact(ui, "Named", "by nobody: its name says nothing"),
                NameSource::Exact | NameSource::Label => {}
            }
            let [w, d, h] = object.oriented.size;
            fact(
                ui,
                "Width, depth, height",
                &format!("{}, {}, {}", length(w, 0.0), length(d, 0.0), length(h, 0.0)),
            );
            let depth = object.depth;
            fact(
                ui,
                "From the camera",
                &format!("{} to {}", length(depth.near, depth.sigma), length(depth.far, depth.sigma)),
            );
            if let Some(support) = &object.support {
                fact(ui, "Stands at", &length(support.value, support.sigma));
            }
            let flags = object.flags;
            for (set, text) in [
                (flags.truncated, "goes on outside of the picture"),
                (flags.occluded, "partly hidden"),
                (flags.partial_depth, "its back is not seen: sizes are lower bounds"),
            ] {
                if set {
                    widgets::dim(ui, text);
                }
            }
        }
        [a, b, ..] => {
            let (Some((i, first)), Some((j, second))) = (object(seen, a), object(seen, b)) else { return };
            let (one, other) = (name_of(first), name_of(second));
            ui.label(RichText::new(format!("{one} and {other}")).heading());
            if let Some(pair) = scene.pair(i, j) {
                let found = pair.distance;
                fact(ui, "Surface to surface", &spread(found.value, found.sigma));
            }
            let between = |k: usize| second.centre[k] - first.centre[k];
            let horizontal = between(0).hypot(between(1));
            fact(ui, "Centre to centre", &length(horizontal.hypot(between(2)), 0.1));
            fact(ui, "On the ground", &length(horizontal, 0.1));
            fact(ui, "In height", &length(between(2).abs(), 0.1));
            let merge = ui.small_button("Merge into one");
            let hover = format!("One object with the name of the first, {one}, measured from all its pixels");
            if merge.on_hover_text(hover).clicked() {
                state.merge_chosen();
            }
        }
    }
}

/// A length with its interval of two standard deviations.
pub(super) fn spread(value: f64, sigma: f64) -> String {
    if sigma > 0.0 {
        format!("{} ± {}", length(value, sigma), length(2.0 * sigma, sigma))
    } else {
        length(value, 0.0)
    }
}

fn fact(ui: &mut Ui, name: &str, value: &str) {
    ui.horizontal_wrapped(|ui| {
        widgets::dim(ui, name);
        ui.label(value);
    });
}

/// A colour as the viewer takes it.
pub(super) fn rgb(colour: Color32) -> [u8; 3] {
    [colour.r(), colour.g(), colour.b()]
}
