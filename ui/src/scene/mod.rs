//! The scene workspace: clouds with their objects, the picture they come from, and questions with the geometry that
//! proves them. What is chosen in one place is chosen in all.

mod build;
mod details;
mod list;
mod picture;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;

use egui::Ui;
use plumb_engine::Event;
use plumb_engine::look::{Look, SceneSeen, Seen};
use plumb_qa::QaPair;
use plumb_viewer::ColorMode;
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::cx::{Cx, Show, Wish};
use crate::library::Loaded;
use crate::pane::Pane;

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
    /// By scene and place in its list of questions.
    verdicts: BTreeMap<String, BTreeMap<usize, Verdict>>,
    #[serde(skip)]
    chosen: Chosen,
    #[serde(skip)]
    view: view::View,
    #[serde(skip)]
    picture: picture::Picture,
    #[serde(skip)]
    filter: String,
    #[serde(skip)]
    exporting: Option<mpsc::Receiver<Result<String, String>>>,
}

/// What is chosen in the scene that is shown.
#[derive(Default)]
struct Chosen {
    /// Ids of objects, in the order in which they were chosen; two at most.
    objects: Vec<u32>,
    /// The object under the pointer, wherever that is.
    hovered: Option<u32>,
    /// Place in the list of questions.
    question: Option<usize>,
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

    fn look(&self) -> Look {
        Look::Scene { folder: self.folder(), index: self.index }
    }

    fn go_to(&mut self, index: usize) {
        if self.index != index {
            self.index = index;
            self.chosen = Chosen::default();
        }
    }

    /// The scene that is shown, and what is asked about it.
    fn shown_scene(&self, cx: &mut Cx<'_>) -> Loaded {
        cx.look(&self.look())
    }

    fn questions(&self, seen: &SceneSeen, cx: &mut Cx<'_>) -> Loaded {
        cx.look(&Look::Questions { folder: self.folder(), scene: seen.scene.id.clone() })
    }

    /// Draws one of the workspace's panes.
    pub fn ui(&mut self, pane: Pane, ui: &mut Ui, cx: &mut Cx<'_>) {
        match pane {
            Pane::SceneList => list::ui(self, ui, cx),
            Pane::SceneView => view::ui(self, ui, cx),
            _ => {
                self.hear_export(ui, cx);
                details::ui(self, ui, cx);
            }
        }
    }

    /// Does what the person chose.
    pub fn command(&mut self, command: Command, _cx: &mut Cx<'_>) {
        match command {
            Command::SceneFit => self.view.fit(),
            Command::SceneNextColour => {
                let at = ColorMode::ALL.iter().position(|mode| *mode == self.shown.colour).unwrap_or(0);
                self.shown.colour = ColorMode::ALL[(at + 1) % ColorMode::ALL.len()];
            }
            _ => {}
        }
    }

    /// Shows what another place asked for.
    pub fn show(&mut self, show: &Show, _cx: &mut Cx<'_>) {
        if let Show::Scenes(folder) = show {
            self.folder = Some(folder.clone());
            self.index = 0;
            self.chosen = Chosen::default();
        }
    }

    /// Hears of a job.
    pub fn hear(&mut self, _event: &Event, _cx: &mut Cx<'_>) {}

    fn verdict(&self, scene: &str, question: usize) -> Option<Verdict> {
        self.verdicts.get(scene)?.get(&question).copied()
    }

    fn set_verdict(&mut self, scene: &str, question: usize, verdict: Option<Verdict>) {
        let of_scene = self.verdicts.entry(scene.to_owned()).or_default();
        match verdict {
            Some(verdict) => of_scene.insert(question, verdict),
            None => of_scene.remove(&question),
        };
    }

    /// Writes the questions of a scene that were not rejected, one a line, beside the runs.
    fn export(&mut self, scene: &str, questions: &[QaPair], cx: &mut Cx<'_>) {
        let kept =
            questions.iter().enumerate().filter(|(i, _)| self.verdict(scene, *i) != Some(Verdict::Rejected));
        let lines: Vec<String> =
            kept.filter_map(|(_, question)| serde_json::to_string(question).ok()).collect();
        let path = cx.runs.join(format!("questions-{scene}.jsonl"));
        let (tell, told) = mpsc::channel();
        // A few kilobytes, but a slow disk is no reason for the window to stand still.
        let started = std::thread::Builder::new().name("plumb-export".into()).spawn(move || {
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let written = folder.and_then(|()| std::fs::write(&path, lines.join("\n") + "\n"));
            let path = path.display();
            tell.send(match written {
                Ok(()) => Ok(format!("{} questions are in {path}", lines.len())),
                Err(error) => Err(format!("{path} cannot be written: {error}")),
            })
        });
        match started {
            Ok(_) => self.exporting = Some(told),
            Err(error) => cx.fail(format!("the questions cannot be written: {error}")),
        }
    }

    fn hear_export(&mut self, ui: &Ui, cx: &mut Cx<'_>) {
        match self.exporting.as_ref().map(mpsc::Receiver::try_recv) {
            None => return,
            Some(Err(mpsc::TryRecvError::Empty)) => {
                ui.ctx().request_repaint_after(std::time::Duration::from_millis(50));
                return;
            }
            Some(Ok(Ok(said))) => cx.wishes.push(Wish::Said(said)),
            Some(Ok(Err(sentence))) => cx.fail(sentence),
            Some(Err(mpsc::TryRecvError::Disconnected)) => cx.fail("the questions were not written"),
        }
        self.exporting = None;
    }
}

/// The scene in what was read.
fn scene_of(loaded: &Loaded) -> Option<&SceneSeen> {
    match loaded.ready() {
        Some(Seen::Scene(seen)) => Some(seen),
        _ => None,
    }
}

fn questions_of(loaded: &Loaded) -> &[QaPair] {
    match loaded.ready() {
        Some(Seen::Questions { questions }) => questions,
        _ => &[],
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
