//! The scene workspace: clouds with their objects, the picture they come from, and questions with the geometry that
//! proves them. What is chosen in one place is chosen in all.

mod asked;
mod bookmarks;
mod build;
mod details;
mod edits;
mod list;
mod picture;
mod questions;
mod save;
mod shown;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;

use egui::Ui;
use plumb_engine::Event;
use plumb_engine::look::{Look, Seen};
use plumb_viewer::{Bookmark, ColorMode};
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::cx::{Cx, Show};
use crate::pane::Pane;
use shown::scene_of;

/// What the person said of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    Rejected,
}

/// What the view shows beside the points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    pub colour: ColorMode,
    pub shading: bool,
    pub boxes: bool,
    pub labels: bool,
    pub grid: bool,
    pub frustum: bool,
    pub point_size: f32,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            colour: ColorMode::Rgb,
            shading: true,
            boxes: true,
            labels: true,
            grid: true,
            frustum: false,
            point_size: 2.5,
        }
    }
}

/// The scene workspace.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SceneView {
    /// The folder of scenes; the demo pack's if none.
    folder: Option<PathBuf>,
    index: usize,
    shown: Shown,
    /// By scene and question ([`asked::key`]).
    verdicts: BTreeMap<String, BTreeMap<u64, Verdict>>,
    /// What was changed, by place ([`SceneView::place`]).
    histories: BTreeMap<String, edits::History>,
    /// Named views, by scene.
    bookmarks: BTreeMap<String, Vec<Bookmark>>,
    #[serde(skip)]
    chosen: Chosen,
    #[serde(skip)]
    view: view::View,
    #[serde(skip)]
    picture: picture::Picture,
    #[serde(skip)]
    filter: String,
    /// Whether the list of scenes is scrolled to the one that is shown.
    #[serde(skip)]
    reveal: bool,
    #[serde(skip)]
    asked: asked::Asked,
    /// How often a verdict was changed: what was listed by verdicts is listed anew.
    #[serde(skip)]
    judgements: u64,
    #[serde(skip)]
    renaming: Option<edits::Renaming>,
    #[serde(skip)]
    save: save::Save,
    #[serde(skip)]
    last: shown::Last,
}

/// What is chosen in the scene that is shown.
#[derive(Default)]
struct Chosen {
    /// Ids of objects, in the order in which they were chosen; two at most.
    objects: Vec<u32>,
    /// The object under the pointer, wherever that is.
    hovered: Option<u32>,
    /// The key of the open question.
    question: Option<u64>,
}

impl Chosen {
    /// Chooses `object`; with `more`, beside the one that is chosen.
    fn pick(&mut self, object: u32, more: bool) {
        self.question = None;
        if let Some(at) = self.objects.iter().position(|id| *id == object) {
            self.objects.remove(at);
            if more {
                return;
            }
        }
        if !more {
            self.objects.clear();
        }
        self.objects.push(object);
        if self.objects.len() > 2 {
            self.objects.remove(0);
        }
    }
}

impl SceneView {
    fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| plumb_engine::demo::NAME.into())
    }

    /// The scene that is shown, as its changes are kept by.
    fn place(&self) -> String {
        self.place_of(self.index)
    }

    fn place_of(&self, index: usize) -> String {
        format!("{index} {}", self.folder().display())
    }

    /// Whether something was changed in the scene at this place.
    fn is_edited(&self, index: usize) -> bool {
        self.histories.get(&self.place_of(index)).is_some_and(|history| !history.done.is_empty())
    }

    fn look(&self) -> Look {
        let (folder, index) = (self.folder(), self.index);
        match self.edits() {
            [] => Look::Scene { folder, index },
            edits => Look::EditedScene { folder, index, edits: edits.to_vec() },
        }
    }

    fn go_to(&mut self, index: usize) {
        if self.index != index {
            self.index = index;
            self.leave();
        }
    }

    /// Shows the first scene of a folder; of the demo pack if none.
    fn show_folder(&mut self, folder: Option<PathBuf>) {
        self.folder = folder;
        self.index = 0;
        self.leave();
    }

    /// Another scene is shown from now on.
    fn leave(&mut self) {
        self.chosen = Chosen::default();
        self.renaming = None;
        self.asked.forget();
        self.save = save::Save::default();
        self.last = shown::Last::default();
    }

    /// Draws one of the workspace's panes.
    pub fn ui(&mut self, pane: Pane, ui: &mut Ui, cx: &mut Cx<'_>) {
        match pane {
            Pane::SceneList => list::ui(self, ui, cx),
            Pane::SceneView => view::ui(self, ui, cx),
            _ => details::ui(self, ui, cx),
        }
    }

    /// Does what the person chose.
    pub fn command(&mut self, command: Command, cx: &mut Cx<'_>) {
        match command {
            Command::SceneFit => self.view.fit(),
            Command::SceneNextColour => {
                let at = ColorMode::ALL.iter().position(|mode| *mode == self.shown.colour).unwrap_or(0);
                self.shown.colour = ColorMode::ALL[(at + 1) % ColorMode::ALL.len()];
            }
            Command::SceneUndo => self.undo(),
            Command::SceneRedo => self.redo(),
            Command::SceneRename => self.rename_chosen(),
            Command::SceneDelete => self.delete_chosen(),
            Command::SceneMerge => self.merge_chosen(),
            Command::SceneSave => self.save_edited(cx),
            Command::SceneKeepView => self.save_view(cx),
            Command::SceneNext => self.step_scene(1, cx),
            Command::ScenePrevious => self.step_scene(-1, cx),
            Command::QuestionNext => self.step_question(1),
            Command::QuestionPrevious => self.step_question(-1),
            Command::QuestionAccept => self.judge(Verdict::Accepted),
            Command::QuestionReject => self.judge(Verdict::Rejected),
            _ => {}
        }
    }

    /// Goes to the next scene of the folder, or to the one before.
    fn step_scene(&mut self, step: isize, cx: &mut Cx<'_>) {
        let listed = cx.look(&Look::Scenes { folder: self.folder() });
        let Some(Seen::Scenes { scenes }) = listed.ready() else { return };
        let here = scenes.iter().position(|listed| listed.index == self.index);
        let there = here.and_then(|at| at.checked_add_signed(step)).and_then(|at| scenes.get(at));
        if let Some(index) = there.map(|listed| listed.index) {
            self.go_to(index);
            self.reveal = true;
        }
    }

    /// Shows what another place asked for.
    pub fn show(&mut self, show: &Show, _cx: &mut Cx<'_>) {
        if let Show::Scenes(folder) = show {
            self.show_folder(Some(folder.clone()));
        }
    }

    /// Hears of a job.
    pub fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        self.hear_save(event, cx);
    }
}

/// A length with the precision that its standard deviation allows: `2.4 m`, `35 cm`.
fn length(value: f64, sigma: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let digits = |sigma: f64| {
        if sigma > 0.15 {
            1
        } else if sigma > 0.0 || value >= 1.0 {
            2
        } else {
            3
        }
    };
    if value.abs() < 1.0 {
        format!("{:.0} cm", value * 100.0)
    } else {
        format!("{value:.*} m", digits(sigma))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choosing_keeps_two_and_takes_back() {
        let mut chosen = Chosen::default();
        chosen.pick(3, false);
        chosen.pick(5, true);
        assert_eq!(chosen.objects, [3, 5]);
        chosen.pick(7, true);
        assert_eq!(chosen.objects, [5, 7]);
        chosen.pick(5, true);
        assert_eq!(chosen.objects, [7]);
        chosen.pick(9, false);
        assert_eq!(chosen.objects, [9]);
    }

    #[test]
    fn lengths_say_no_more_than_is_known() {
        assert_eq!(length(2.437, 0.3), "2.4 m");
        assert_eq!(length(2.437, 0.02), "2.44 m");
        assert_eq!(length(0.354, 0.01), "35 cm");
        assert_eq!(length(f64::NAN, 0.0), "unknown");
    }
}
