//! What the person has changed in a scene, and how it is changed: rename, delete, merge, undo, redo.

use egui::{Key, RichText, TextEdit, Ui};
use plumb_engine::look::SceneSeen;
use plumb_scene::edit::Edit;
use serde::{Deserialize, Serialize};

use super::{SceneView, save};
use crate::command::Command;
use crate::cx::{Cx, Wish};
use crate::theme::palette;
use crate::widgets;

/// The changes of one scene.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct History {
    /// The scene's id: where another scene has come in its place, they are not for that one.
    pub(super) scene: String,
    pub(super) done: Vec<Edit>,
    #[serde(skip)]
    undone: Vec<Edit>,
}

impl History {
    pub(super) fn push(&mut self, scene: &str, edit: Edit) {
        scene.clone_into(&mut self.scene);
        self.done.push(edit);
        self.undone.clear();
    }

    /// Takes the last change back.
    pub(super) fn undo(&mut self) {
        self.undone.extend(self.done.pop());
    }

    /// Makes the change that was taken back last.
    pub(super) fn redo(&mut self) {
        self.done.extend(self.undone.pop());
    }

    /// Drops the last change, which could not be made.
    pub(super) fn drop_last(&mut self) {
        self.done.pop();
    }
}

/// A name that is being typed.
pub(super) struct Renaming {
    object: u32,
    text: String,
    /// Whether the field has had the focus once.
    begun: bool,
}

impl SceneView {
    /// Makes a change in the scene that is shown.
    fn change(&mut self, edit: Edit) {
        let Some(id) = self.seen().map(|seen| seen.scene.id.clone()) else { return };
        self.renaming = None;
        match &edit {
            Edit::Delete { object } => self.chosen.objects.retain(|id| id != object),
            Edit::Merge { into, .. } => self.chosen.objects = vec![*into],
            Edit::Rename { .. } => {}
        }
        self.histories.entry(self.place()).or_default().push(&id, edit);
    }

    /// The changes of the scene that is shown.
    pub(super) fn edits(&self) -> &[Edit] {
        self.histories.get(&self.place()).map_or(&[], |history| &history.done)
    }

    pub(super) fn rename_chosen(&mut self) {
        let [object] = self.chosen.objects[..] else { return };
        let name = self.seen().and_then(|seen| {
            seen.scene.objects.iter().find(|known| known.id == object).map(|known| known.name.clone())
        });
        self.renaming = name.map(|text| Renaming { object, text, begun: false });
    }

    pub(super) fn delete_chosen(&mut self) {
        if let [object] = self.chosen.objects[..] {
            self.change(Edit::Delete { object });
        }
    }

    pub(super) fn merge_chosen(&mut self) {
        if let [into, other] = self.chosen.objects[..] {
            self.change(Edit::Merge { into, others: vec![other] });
        }
    }

    pub(super) fn undo(&mut self) {
        self.step(History::undo);
    }

    pub(super) fn redo(&mut self) {
        self.step(History::redo);
    }

    fn step(&mut self, step: fn(&mut History)) {
        self.renaming = None;
        if let Some(history) = self.histories.get_mut(&self.place()) {
            step(history);
        }
    }
}

/// What was changed in the scene, with ways back and out; nothing where nothing was.
pub(super) fn strip(state: &mut SceneView, ui: &mut Ui, cx: &mut Cx<'_>, seen: &SceneSeen) {
    let place = state.place();
    let Some(history) = state.histories.get(&place) else { return };
    let (done, undone) = (history.done.len(), history.undone.len());
    if done + undone == 0 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let said = match done {
            0 => "No changes".to_owned(),
            1 => "Edited: 1 change".to_owned(),
            n => format!("Edited: {n} changes"),
        };
        ui.label(RichText::new(said).color(palette(ui).warning)).on_hover_text(
            "The files of the scene stay as they are until you save the changed scene as a new one",
        );
        for (name, possible, command) in
            [("Undo", done > 0, Command::SceneUndo), ("Redo", undone > 0, Command::SceneRedo)]
        {
            if ui.add_enabled(possible, egui::Button::new(name).small()).clicked() {
                cx.wishes.push(Wish::Command(command));
            }
        }
        if done > 0 && ui.small_button("Save edited scene…").clicked() {
            cx.wishes.push(Wish::Command(Command::SceneSave));
        }
    });
    if state.is_waiting() {
        ui.horizontal(|ui| {
            ui.spinner();
            widgets::dim(ui, "Measuring and asking again…");
        });
    }
    save::ui(state, ui, cx, seen);
    ui.separator();
}

/// The name of the chosen object, to be changed, with what else can be done to it.
pub(super) fn heading(state: &mut SceneView, ui: &mut Ui, object: u32, shown: &str) {
    if state.renaming.as_ref().is_some_and(|renaming| renaming.object == object) {
        field(state, ui);
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(shown).heading());
        if ui.small_button("Rename").on_hover_text("F2").clicked() {
            state.rename_chosen();
        }
        let delete = ui.small_button("Delete");
        if delete.on_hover_text("Takes it out of the list and of all questions; the picture stays").clicked()
        {
            state.delete_chosen();
        }
    });
}

fn field(state: &mut SceneView, ui: &mut Ui) {
    let Some(renaming) = &mut state.renaming else { return };
    let mut chosen = None;
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut renaming.text).desired_width(140.0).char_limit(200);
        let field = ui.add(field).accessible_name("New name");
        if !renaming.begun {
            field.request_focus();
            renaming.begun = true;
        }
        let enter = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let named = !renaming.text.trim().is_empty();
        if ui.add_enabled(named, egui::Button::new("Set the name").small()).clicked() || (enter && named) {
            chosen = Some(true);
        }
        if ui.small_button("Cancel").clicked() || ui.input(|input| input.key_pressed(Key::Escape)) {
            chosen = Some(false);
        }
    });
    match chosen {
        Some(true) => {
            let edit = Edit::Rename {
                object: renaming.object,
                name: renaming.text.trim().to_owned(),
                attributes: None,
            };
            state.change(edit);
        }
        Some(false) => state.renaming = None,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_taken_back_and_made_again_in_order() {
        let mut history = History::default();
        let delete = |object| Edit::Delete { object };
        history.push("a", delete(1));
        history.push("a", delete(2));
        history.undo();
        assert_eq!(history.done, [delete(1)]);
        history.redo();
        history.redo();
        assert_eq!(history.done, [delete(1), delete(2)]);
        history.undo();
        history.undo();
        history.undo();
        history.push("a", delete(3));
        history.redo();
        assert_eq!(history.done, [delete(3)], "a new change ends what was taken back");
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }
}
