//! The right pane: the chosen object, pair or question.

use egui::{Color32, RichText, ScrollArea, Ui};
use plumb_engine::look::SceneSeen;
use plumb_qa::QaPair;
use plumb_scene::Object;

use super::list::name_of;
use super::{SceneView, Verdict, length, questions_of, scene_of};
use crate::cx::Cx;
use crate::theme::palette;
use crate::widgets;

pub(super) fn ui(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>) {
    let shown = state.shown_scene(cx);
    let Some(seen) = scene_of(&shown) else {
        widgets::loaded(ui, &shown, |_, _| ());
        return;
    };
    let asked = state.questions(seen, cx);
    let questions = questions_of(&asked);
    picture(state, ui, seen);
    ui.separator();
    chosen(state, ui, seen);
    ui.separator();
    ui.horizontal(|ui| {
        widgets::section(ui, &format!("{} questions", questions.len()));
        if !questions.is_empty()
            && ui.small_button("Export accepted").on_hover_text("All that were not rejected").clicked()
        {
            state.export(&seen.scene.id, questions, cx);
        }
    });
    if questions.is_empty() {
        widgets::loaded(ui, &asked, |ui, _| widgets::dim(ui, "No questions were made of this scene"));
    }
    ScrollArea::vertical().id_salt("questions").auto_shrink([false, false]).show(ui, |ui| {
        for (i, question) in questions.iter().enumerate() {
            question_row(state, ui, seen, i, question);
        }
    });
}

fn picture(state: &mut SceneView, ui: &mut Ui, seen: &SceneSeen) {
    let SceneView { picture, chosen, .. } = state;
    if let Some(object) = picture.ui(ui, seen, &chosen.objects, chosen.hovered, 220.0) {
        let more = ui.input(|i| i.modifiers.command || i.modifiers.shift);
        chosen.pick(object, more);
        state.view.focus_soon();
    }
}

fn object(seen: &SceneSeen, id: u32) -> Option<(usize, &Object)> {
    seen.scene.objects.iter().enumerate().find(|(_, object)| object.id == id)
}

fn chosen(state: &SceneView, ui: &mut Ui, seen: &SceneSeen) {
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
            fact(ui, "Camera height", &length(scene.frame.camera_height, 0.0));
            widgets::dim(ui, "Choose an object, or two to measure between them");
        }
        [id] => {
            let Some((_, object)) = object(seen, id) else { return };
            ui.label(RichText::new(name_of(object)).heading());
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
            ui.label(RichText::new(format!("{} and {}", name_of(first), name_of(second))).heading());
            if let Some(pair) = scene.pair(i, j) {
                let found = pair.distance;
                fact(ui, "Surface to surface", &spread(found.value, found.sigma));
            }
            let between = |k: usize| second.centre[k] - first.centre[k];
            let horizontal = between(0).hypot(between(1));
            fact(ui, "Centre to centre", &length(horizontal.hypot(between(2)), 0.1));
            fact(ui, "On the ground", &length(horizontal, 0.1));
            fact(ui, "In height", &length(between(2).abs(), 0.1));
        }
    }
}

fn spread(value: f64, sigma: f64) -> String {
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

fn question_row(state: &mut SceneView, ui: &mut Ui, seen: &SceneSeen, index: usize, question: &QaPair) {
    let id = &seen.scene.id;
    let verdict = state.verdict(id, index);
    let open = state.chosen.question == Some(index);
    let p = palette(ui);
    let mut text = RichText::new(&question.question_text);
    if verdict == Some(Verdict::Rejected) {
        text = text.strikethrough().color(p.dim);
    }
    let row = ui.add(egui::Button::selectable(open, text).wrap().frame(open));
    if row.clicked() {
        state.chosen.question = (!open).then_some(index);
        state.chosen.objects = question.question.objects.iter().copied().take(2).collect();
        state.view.focus_soon();
    }
    if !open {
        return;
    }
    ui.indent(index, |ui| {
        ui.label(RichText::new(&question.answer_text).strong());
        for step in &question.steps {
            widgets::dim(ui, step.as_str());
        }
        for fact in &question.proof.facts {
            let name = serde_json::to_value(fact.name).ok();
            let name = name.as_ref().and_then(|v| v.as_str()).unwrap_or("fact").replace('_', " ");
            let value = if fact.sigma > 0.0 {
                format!("{name} {:.2} ± {:.2}", fact.value, 2.0 * fact.sigma)
            } else {
                format!("{name} {:.2}", fact.value)
            };
            widgets::dim(ui, value);
        }
        ui.horizontal(|ui| {
            for (own, name) in [(Verdict::Accepted, "Accept"), (Verdict::Rejected, "Reject")] {
                if ui.selectable_label(verdict == Some(own), name).clicked() {
                    let next = (verdict != Some(own)).then_some(own);
                    state.set_verdict(id, index, next);
                }
            }
        });
    });
}

/// A colour as the viewer takes it.
pub(super) fn rgb(colour: Color32) -> [u8; 3] {
    [colour.r(), colour.g(), colour.b()]
}
