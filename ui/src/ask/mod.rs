//! The ask workspace: a picture, what is pointed at in it, questions and their answers.

mod answer;
mod burn;
mod chat;
mod geometry;
mod heat;
mod heat_bar;
mod heat_map;
mod marks;
mod picture;
mod quantity;
mod setup;
mod steps;
mod turn;
mod view;

use std::collections::VecDeque;
use std::path::PathBuf;

use egui::Ui;
use plumb_engine::look::{Look, Pixels, Seen};
use plumb_engine::{Event, EventKind, demo};
use plumb_scene::Scene;
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::cx::{Cx, Show};
use crate::pane::Pane;

/// Pictures that are listed as opened before.
const RECENT: usize = 8;
/// Options of a multiple-choice question: as many as there are letters.
const OPTIONS: usize = 26;

/// Where a picture comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Source {
    File {
        path: PathBuf,
    },
    /// The picture of a scene, whose geometry is known.
    Scene {
        folder: PathBuf,
        index: usize,
    },
}

impl Source {
    pub(crate) fn look(&self) -> Look {
        match self {
            Self::File { path } => Look::Picture { path: path.clone() },
            Self::Scene { folder, index } => Look::Scene { folder: folder.clone(), index: *index },
        }
    }
}

/// The pixels of what was read.
pub(crate) fn pixels(seen: &Seen) -> Option<&Pixels> {
    match seen {
        Seen::Image { pixels } => Some(pixels),
        Seen::Scene(scene) => scene.image.as_ref(),
        _ => None,
    }
}

/// The scene of what was read.
pub(crate) fn scene(seen: &Seen) -> Option<&Scene> {
    match seen {
        Seen::Scene(seen) => Some(&seen.scene),
        _ => None,
    }
}

/// One question of a row of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    pub(crate) question: String,
    /// Options separated by `|`; words are generated where it is empty.
    pub(crate) options: String,
}

impl Step {
    pub(crate) fn listed(&self) -> Vec<String> {
        if self.options.trim().is_empty() {
            return Vec::new();
        }
        self.options.split('|').map(|option| option.trim().to_owned()).collect()
    }

    /// What is wrong with step `index` where `marks` are in the picture.
    fn problem(&self, index: usize, marks: usize) -> Option<String> {
        let options = self.listed();
        let odd = options.len() == 1 || options.len() > OPTIONS || options.iter().any(String::is_empty);
        if odd {
            return Some(format!("Options are 2 to {OPTIONS}, none of them empty, with | between them"));
        }
        steps::problem(&self.question, index).or_else(|| marks::problem(&self.question, marks))
    }
}

/// What the workspace keeps; the saved part is restored at the next start.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    setup: setup::Setup,
    source: Option<Source>,
    marks: Vec<marks::Mark>,
    steps: Vec<Step>,
    recent: VecDeque<PathBuf>,
    /// A path that is being typed.
    typed: String,
    /// A click takes the whole object, where the scene knows it.
    whole: bool,
    /// Questions are one field, or several with their options.
    with_options: bool,
    heat: heat::Heat,
    /// The newest step is to be written next.
    #[serde(skip)]
    step_added: bool,
    /// Of the fields for the next questions, in the frame before.
    #[serde(skip)]
    entry_height: f32,
    #[serde(skip)]
    view: view::View,
    #[serde(skip)]
    shown: picture::Shown,
    #[serde(skip)]
    chat: chat::Chat,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            setup: setup::Setup::default(),
            // A first look has something to ask about.
            source: Some(Source::Scene { folder: PathBuf::from(demo::NAME), index: 0 }),
            marks: Vec::new(),
            steps: vec![Step::default()],
            recent: VecDeque::new(),
            typed: String::new(),
            whole: true,
            with_options: false,
            heat: heat::Heat::default(),
            step_added: false,
            entry_height: 0.0,
            view: view::View::default(),
            shown: picture::Shown::default(),
            chat: chat::Chat::default(),
        }
    }
}

impl Ask {
    /// Draws one of the workspace's panes.
    pub fn ui(&mut self, pane: Pane, ui: &mut Ui, cx: &mut Cx<'_>) {
        if self.steps.is_empty() {
            self.steps.push(Step::default());
        }
        self.chat.tick(ui.ctx(), cx);
        match pane {
            Pane::AskSetup => setup::ui(self, ui, cx),
            Pane::AskImage => picture::ui(self, ui, cx),
            _ => answer::ui(self, ui, cx),
        }
    }

    /// Does what the person chose.
    pub fn command(&mut self, command: Command, cx: &mut Cx<'_>) {
        match command {
            Command::AskSend => self.send(cx),
            other => self.heat.command(other, self.source.as_ref()),
        }
    }

    /// Shows what another place asked for.
    pub fn show(&mut self, show: &Show, _cx: &mut Cx<'_>) {
        match show {
            Show::Picture(path) => self.open(Source::File { path: path.clone() }),
            Show::Model(folder) => {
                self.setup.model = folder.display().to_string();
                self.setup.adapter.clear();
            }
            Show::Adapter(folder) => {
                self.setup.adapter = folder.display().to_string();
            }
            _ => {}
        }
    }

    /// Hears of a job.
    pub fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        self.chat.hear(event, cx);
        if let EventKind::Finished { .. } = event.kind
            && let Some(turn) = self.chat.turns.iter().rev().find(|turn| turn.answered == Some(event.job))
            && let Some(attention) = &turn.attention
        {
            self.heat.show(attention, turn.source.clone(), 0);
        }
    }

    /// Asks a question of before once more.
    fn again(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Some(turn) = self.chat.turns.get(index) else { return };
        let step = Step { question: turn.question.clone(), options: turn.options.clone() };
        let (source, marks) = (turn.source.clone(), turn.marks.clone());
        self.chat.begin(vec![step], source, marks, self.setup.clone(), self.heat.on, cx);
    }

    /// Shows a picture; marks belong to the one before.
    fn open(&mut self, source: Source) {
        if self.source.as_ref() == Some(&source) {
            return;
        }
        if let Source::File { path } = &source {
            self.recent.retain(|known| known != path);
            self.recent.push_front(path.clone());
            self.recent.truncate(RECENT);
        }
        self.close();
        self.source = Some(source);
    }

    fn close(&mut self) {
        self.source = None;
        self.marks.clear();
        self.view = view::View::default();
    }

    /// Why nothing can be asked now.
    fn problem(&self) -> Option<String> {
        if self.chat.is_busy() {
            return Some("An answer is on its way".to_owned());
        }
        if let Some(why) = self.setup.check().first() {
            return Some(why.to_owned());
        }
        let marks = self.marks.len();
        self.steps.iter().enumerate().find_map(|(i, step)| step.problem(i, marks))
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        if let Some(why) = self.problem() {
            cx.fail(why);
            return;
        }
        let mut asked = self.steps.clone();
        if !self.with_options {
            asked.iter_mut().for_each(|step| step.options.clear());
        }
        let (source, marks) = (self.source.clone(), self.marks.clone());
        self.chat.begin(asked, source, marks, self.setup.clone(), self.heat.on, cx);
    }

    /// Adds a mark, where there is a colour left for it.
    fn mark(&mut self, mark: marks::Mark, cx: &mut Cx<'_>) {
        if self.marks.len() >= marks::MOST {
            cx.fail(format!("There are colours for {} marks: take one away first", marks::MOST));
            return;
        }
        self.marks.push(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let step = |options: &str| Step { question: "Which?".to_owned(), options: options.to_owned() };
        assert_eq!(step(" chair | table ").listed(), ["chair", "table"]);
        assert_eq!(step(" ").listed(), Vec::<String>::new());
        for (options, fine) in [("", true), ("a|b", true), ("a", false), ("a||b", false), ("|", false)] {
            assert_eq!(step(options).problem(0, 0).is_none(), fine, "{options}");
        }
        assert!(step(&vec!["a"; 27].join("|")).problem(0, 0).is_some());
    }

    #[test]
    fn the_state_comes_back() {
        let mut ask = Ask::default();
        ask.open(Source::File { path: "/a.png".into() });
        ask.marks.push(marks::Mark { shape: marks::Shape::Point([1.0, 2.0]), name: None });
        let text = serde_json::to_string(&ask).unwrap();
        let back: Ask = serde_json::from_str(&text).unwrap();
        assert_eq!((back.source, back.marks, back.recent.len()), (ask.source, ask.marks, 1));
        assert_eq!(serde_json::from_str::<Ask>("{}").unwrap().steps.len(), 1);
    }
}
