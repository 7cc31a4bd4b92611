//! The left pane: scenes, and the objects of the one that is shown.

use egui::{RichText, ScrollArea, Sense, TextEdit, Ui, vec2};
use plumb_engine::look::{Look, Seen};
use plumb_scene::Object;

use super::{SceneView, edits, length, scene_of};
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets;

pub(super) fn ui(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>) {
    let folder = state.folder();
    let demo = folder.as_os_str() == plumb_engine::demo::NAME;
    widgets::section(ui, "Source");
    let name = if demo { "Demo scenes".to_owned() } else { folder.display().to_string() };
    ui.add(egui::Label::new(name).truncate());
    if !demo && ui.small_button("Show the demo scenes").clicked() {
        state.show_folder(None);
    }
    let scenes = cx.look(&Look::Scenes { folder });
    let mut go = None;
    widgets::section(ui, "Scenes");
    let height = ui.available_height() * 0.35;
    widgets::loaded(ui, &scenes, |ui, seen| {
        let Seen::Scenes { scenes } = seen else { return };
        if scenes.is_empty() {
            widgets::dim(ui, "The folder has no scene");
        }
        let row = ui.spacing().interact_size.y;
        let mut area = ScrollArea::vertical().id_salt("scenes").max_height(height).auto_shrink([false, true]);
        if std::mem::take(&mut state.reveal)
            && let Some(at) = scenes.iter().position(|listed| listed.index == state.index)
        {
            let above = at.saturating_sub(2) as f32;
            area = area.vertical_scroll_offset(above * (row + ui.spacing().item_spacing.y));
        }
        area.show_rows(ui, row, scenes.len(), |ui, rows| {
            for listed in scenes.get(rows).unwrap_or_default() {
                let mut text = format!("{} · {} objects", listed.name, listed.objects);
                if state.is_edited(listed.index) {
                    text.push_str(" · edited");
                }
                let row = ui.selectable_label(listed.index == state.index, text);
                if row.on_hover_text(&listed.id).clicked() {
                    go = Some(listed.index);
                }
            }
        });
    });
    if let Some(index) = go {
        state.go_to(index);
    }
    ui.separator();
    let shown = state.shown_scene(cx);
    widgets::loaded(ui, &shown, |_, _| ());
    let Some(seen) = scene_of(&shown) else { return };
    edits::strip(state, ui, cx, seen);
    widgets::section(ui, &format!("{} objects", seen.scene.objects.len()));
    let field =
        TextEdit::singleline(&mut state.filter).hint_text("Filter by name").desired_width(f32::INFINITY);
    ui.add(field).accessible_name("Filter objects");
    let wanted = state.filter.to_lowercase();
    ScrollArea::vertical().id_salt("objects").auto_shrink([false, false]).show(ui, |ui| {
        for (i, object) in seen.scene.objects.iter().enumerate() {
            if wanted.is_empty() || name_of(object).to_lowercase().contains(&wanted) {
                object_row(state, ui, i, object);
            }
        }
    });
}

/// What an object is called, with its colour where it has one.
pub(super) fn name_of(object: &Object) -> String {
    match &object.attributes.colour {
        Some(colour) => format!("{colour} {}", object.name),
        None => object.name.clone(),
    }
}

fn object_row(state: &mut SceneView, ui: &mut Ui, index: usize, object: &Object) {
    let chosen = state.chosen.objects.contains(&object.id);
    let row = ui.horizontal(|ui| {
        let (chip, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
        ui.painter().rect_filled(chip, 2.0, theme().data.series(index));
        let label = ui.selectable_label(chosen, name_of(object));
        let [w, d, h] = object.oriented.size;
        let size = format!("{} × {} × {}", length(w, 0.0), length(d, 0.0), length(h, 0.0));
        let dim = palette(ui).dim;
        ui.add(egui::Label::new(RichText::new(size).small().color(dim)).truncate());
        label
    });
    let label = row.inner;
    if label.hovered() {
        state.chosen.hovered = Some(object.id);
    }
    let more = ui.input(|i| i.modifiers.command || i.modifiers.shift);
    if label.on_hover_text("Ctrl or Shift chooses a second one, to measure between them").clicked() {
        state.chosen.pick(object.id, more);
        state.view.focus_soon();
    }
}
