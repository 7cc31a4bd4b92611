//! The centre: the cloud in three dimensions, with a bar of what it shows.

use std::sync::Arc;

use egui::{Align2, ComboBox, Slider, Ui};
use glam::DVec3;
use plumb_engine::look::{SceneSeen, Seen};
use plumb_viewer::{Camera, ColorMode, Highlight, Pick, PointSize, Tool, ViewOptions, Viewer};

use super::details::rgb;
use super::{SceneView, bookmarks, build, scene_of};
use crate::cx::Cx;
use crate::library::Loaded;
use crate::theme::{palette, theme};
use crate::widgets;

/// What is on the graphics card, and where it is looked at from.
#[derive(Default)]
pub(super) struct View {
    /// Made with the first frame: it needs the graphics card.
    viewer: Option<Viewer>,
    /// What was read of the scene that is shown.
    fixed: Option<(Arc<Seen>, build::Fixed)>,
    /// The place of that scene: where it stays the same, so does the view of it.
    place: String,
    tool: Tool,
    fit: bool,
    focus: bool,
    /// Where to go with the next frame.
    goal: Option<Camera>,
}

impl View {
    /// Shows all of the scene with the next frame.
    pub(super) fn fit(&mut self) {
        self.fit = true;
    }

    /// Where it is looked at from; none before the first frame.
    pub(super) fn camera(&self) -> Option<Camera> {
        self.viewer.as_ref().map(|viewer| *viewer.camera())
    }

    /// Goes there with the next frame.
    pub(super) fn go_to(&mut self, camera: Camera) {
        self.goal = Some(camera);
    }

    /// Moves to what is chosen with the next frame.
    pub(super) fn focus_soon(&mut self) {
        self.focus = true;
    }
}

pub(super) fn ui(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>) {
    let shown = state.shown_scene(cx);
    let Some(seen) = scene_of(&shown) else {
        ui.add_space(theme().space.l);
        widgets::loaded(ui, &shown, |_, _| ());
        return;
    };
    let Loaded::Ready(read) = &shown else { return };
    if state.view.fixed.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, read)) {
        match build::Fixed::new(seen) {
            Ok(fixed) => {
                state.view.fixed = Some((read.clone(), fixed));
                let place = state.place();
                state.view.fit |= state.view.place != place;
                state.view.place = place;
            }
            Err(error) => {
                widgets::failure(ui, &error.to_string());
                return;
            }
        }
    }
    egui::Frame::new()
        .inner_margin(egui::Margin::symmetric(8, 4))
        .show(ui, |ui| bar(state, ui, cx, &seen.scene.id));
    state.questions(seen, cx);
    let question = state.chosen.question.and_then(|key| state.asked.find(key)).cloned();
    let Some((_, fixed)) = &state.view.fixed else { return };
    let scene = {
        let shown = &state.shown;
        let flags = [shown.boxes, shown.labels, shown.frustum];
        build::scene(seen, fixed, &state.chosen, question.as_ref(), flags)
    };
    let options = options(state, ui, seen, cx);
    let view = &mut state.view;
    let Some(graphics) = cx.graphics else {
        widgets::empty(ui, "Scenes cannot be drawn", "There is no graphics card, not even in software");
        return;
    };
    let viewer = view.viewer.get_or_insert_with(|| Viewer::new(graphics));
    if std::mem::take(&mut view.fit) {
        viewer.fit();
    }
    if let Some(camera) = view.goal.take() {
        viewer.fly_to(ui.ctx(), camera, cx.reduced_motion);
    }
    if std::mem::take(&mut view.focus)
        && let Some((centre, radius)) = around(seen, &state.chosen.objects)
    {
        viewer.focus(ui.ctx(), centre, radius, cx.reduced_motion);
    }
    let answer = viewer.ui(ui, &scene, &options);
    let under = |pick: Option<Pick>| {
        let place = pick.and_then(|pick| pick.instance.or(pick.box_id))?;
        seen.scene.objects.get(place as usize).map(|object| object.id)
    };
    if answer.response.hovered() {
        state.chosen.hovered = under(answer.hovered);
    }
    if let Some(pick) = answer.clicked {
        let more = ui.input(|i| i.modifiers.command || i.modifiers.shift);
        match under(pick) {
            Some(id) => state.chosen.pick(id, more),
            None => {
                state.chosen.objects.clear();
                state.chosen.question = None;
            }
        }
    }
    notes(ui, answer.response.rect, &answer);
}

/// A ball around objects: its centre and radius in metres.
fn around(seen: &SceneSeen, objects: &[u32]) -> Option<(DVec3, f64)> {
    let corners = || {
        objects
            .iter()
            .filter_map(|id| seen.scene.objects.get(place_of(seen, *id)?))
            .flat_map(|object| object.oriented.corners())
    };
    let (low, high) = corners().map(|c| (c, c)).reduce(|(low, high), (c, _)| (low.min(c), high.max(c)))?;
    // Room around them, so that one sees where they stand.
    Some((low.midpoint(high), low.distance(high).max(0.5) * 0.8))
}

fn place_of(seen: &SceneSeen, id: u32) -> Option<usize> {
    seen.scene.objects.iter().position(|object| object.id == id)
}

fn bar(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>, scene: &str) {
    ui.horizontal_wrapped(|ui| {
        let shown = &mut state.shown;
        let label = ui.label("Colour by");
        let mode = ComboBox::from_id_salt("colour by").width(90.0).selected_text(shown.colour.label());
        let mode = mode.show_ui(ui, |ui| {
            for mode in ColorMode::ALL {
                ui.selectable_value(&mut shown.colour, mode, mode.label());
            }
        });
        mode.response.labelled_by(label.id);
        ui.checkbox(&mut shown.shading, "Depth shading");
        ui.checkbox(&mut shown.boxes, "Boxes");
        ui.checkbox(&mut shown.labels, "Names");
        ui.checkbox(&mut shown.grid, "Ground");
        ui.checkbox(&mut shown.frustum, "Picture in space");
        let label = ui.label("Points");
        ui.spacing_mut().slider_width = 60.0;
        ui.add(Slider::new(&mut shown.point_size, 1.0..=8.0).show_value(false)).labelled_by(label.id);
        let tool = ComboBox::from_id_salt("click").width(170.0).selected_text(tool_name(state.view.tool));
        let tool = tool.show_ui(ui, |ui| {
            for tool in [Tool::Select, Tool::Distance, Tool::Height, Tool::Angle] {
                ui.selectable_value(&mut state.view.tool, tool, tool_name(tool));
            }
        });
        tool.response.accessible_name("What a click does");
        if ui.button("Fit").clicked() {
            state.view.fit = true;
        }
        bookmarks::menu(state, ui, cx, scene);
    });
}

fn tool_name(tool: Tool) -> &'static str {
    match tool {
        Tool::Select => "A click chooses",
        Tool::Distance => "Clicks measure a distance",
        Tool::Height => "Clicks measure a height",
        Tool::Angle => "Clicks measure an angle",
    }
}

fn options(state: &SceneView, ui: &Ui, seen: &SceneSeen, cx: &Cx<'_>) -> ViewOptions {
    let p = palette(ui);
    let shown = &state.shown;
    let colour = if shown.colour == ColorMode::Normal && seen.normals.len == 0 {
        ColorMode::Rgb
    } else {
        shown.colour
    };
    let highlights = state.chosen.objects.iter().filter_map(|id| {
        let i = place_of(seen, *id)?;
        Some(Highlight { instance: i as u32, color: rgb(theme().data.series(i)) })
    });
    ViewOptions {
        color: colour,
        point_size: PointSize::Pixels(shown.point_size),
        edl: if shown.shading { 1.0 } else { 0.0 },
        grid: shown.grid,
        axes: shown.grid,
        gravity: shown.grid,
        boxes: true,
        labels: true,
        frustum: shown.frustum,
        image_opacity: if shown.frustum { 0.8 } else { 0.0 },
        background: rgb(p.background),
        line: rgb(p.line),
        text: rgb(p.text),
        highlights: highlights.collect(),
        tool: state.view.tool,
        reduced_motion: cx.reduced_motion,
        ..ViewOptions::default()
    }
}

fn notes(ui: &Ui, rect: egui::Rect, answer: &plumb_viewer::ViewerResponse) {
    let p = palette(ui);
    let painter = ui.painter_at(rect);
    let stats = answer.stats;
    let mut text = format!("{} points", stats.total);
    if stats.drawn < stats.total {
        text = format!("{} of {text}", stats.drawn);
    }
    if stats.skipped > 0 {
        text.push_str(&format!(" · {} without a place left out", stats.skipped));
    }
    widgets::tag(
        &painter,
        rect.left_bottom() + egui::vec2(8.0, -8.0),
        Align2::LEFT_BOTTOM,
        &text,
        p.dim,
        p.surface,
    );
}
