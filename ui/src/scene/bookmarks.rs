//! Named views of a scene: kept from one start to the next.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{PopupCloseBehavior, TextEdit, Ui};
use plumb_viewer::Bookmark;

use super::SceneView;
use crate::cx::{Cx, Wish};
use crate::widgets;

/// Views of one scene that are kept.
const MOST: usize = 100;

impl SceneView {
    /// Keeps the view as it is now, under a name that can be changed.
    pub(super) fn save_view(&mut self, cx: &mut Cx<'_>) {
        let (Some(camera), Some(seen)) = (self.view.camera(), self.seen()) else { return };
        let id = seen.scene.id.clone();
        let views = self.bookmarks.entry(id).or_default();
        if views.len() >= MOST {
            cx.fail(format!("A scene keeps {MOST} views: delete one first"));
            return;
        }
        let free =
            (1..).map(|n| format!("View {n}")).find(|name| views.iter().all(|view| view.name != *name));
        let name = free.unwrap_or_default();
        cx.wishes.push(Wish::Said(format!("{name} is kept")));
        views.push(Bookmark { name, camera });
    }
}

/// The menu of the views of a scene.
pub(super) fn menu(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>, scene: &str) {
    let count = state.bookmarks.get(scene).map_or(0, Vec::len);
    let title = if count == 0 { "Views".to_owned() } else { format!("Views ({count})") };
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    MenuButton::new(title).config(config).ui(ui, |ui| {
        let can = state.view.camera().is_some();
        if ui.add_enabled(can, egui::Button::new("Keep this view")).on_hover_text("B").clicked() {
            state.save_view(cx);
        }
        let Some(views) = state.bookmarks.get_mut(scene) else {
            widgets::dim(ui, "No view of this scene is kept");
            return;
        };
        let (mut go, mut gone) = (None, None);
        for (i, view) in views.iter_mut().enumerate() {
            ui.horizontal(|ui| {
                let field = TextEdit::singleline(&mut view.name).desired_width(120.0).char_limit(80);
                ui.add(field).accessible_name(format!("Name of view {}", i + 1));
                let name = view.name.clone();
                if ui.small_button("Go to").accessible_name(format!("Go to {name}")).clicked() {
                    go = Some(view.camera);
                }
                if ui.small_button("Delete").accessible_name(format!("Delete {name}")).clicked() {
                    gone = Some(i);
                }
            });
        }
        if let Some(camera) = go {
            state.view.go_to(camera);
        }
        if let Some(i) = gone {
            views.remove(i);
        }
        if views.is_empty() {
            state.bookmarks.remove(scene);
        }
    });
}
