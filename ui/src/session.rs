//! What is remembered from one start to the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use egui_tiles::Tree;
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::evaluate::Evaluate;
use crate::pane::{self, LAYOUT_VERSION, Pane, Workspace};
use crate::scene::SceneView;
use crate::theme::Mode;
use crate::train::Train;

/// Files that are listed as opened before.
const RECENT: usize = 12;

/// The saved state of the window.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub version: u32,
    pub mode: Mode,
    pub scale: f32,
    pub reduced_motion: bool,
    pub workspace: Workspace,
    pub layouts: BTreeMap<Workspace, Tree<Pane>>,
    pub recent: VecDeque<PathBuf>,
    /// Unfinished runs that the person has left so: they are not offered again.
    pub left: BTreeSet<PathBuf>,
    /// Whether the strip about the demo was put away.
    pub welcomed: bool,
    pub evaluate: Evaluate,
    pub scene: SceneView,
    pub train: Train,
    pub ask: Ask,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            version: LAYOUT_VERSION,
            mode: Mode::default(),
            scale: 1.0,
            reduced_motion: false,
            workspace: Workspace::default(),
            layouts: BTreeMap::new(),
            recent: VecDeque::new(),
            left: BTreeSet::new(),
            welcomed: false,
            evaluate: Evaluate::default(),
            scene: SceneView::default(),
            train: Train::default(),
            ask: Ask::default(),
        }
    }
}

impl Session {
    /// What `text` holds, with everything that this version cannot use as it comes.
    #[must_use]
    pub fn restore(text: Option<&str>) -> Self {
        let mut session: Self = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let fits = session.version == LAYOUT_VERSION;
        session.layouts.retain(|workspace, tree| fits && pane::is_whole(tree, *workspace));
        session.version = LAYOUT_VERSION;
        if !(0.5..=3.0).contains(&session.scale) {
            session.scale = 1.0;
        }
        session
    }

    /// The layout of a workspace.
    pub fn layout(&mut self, workspace: Workspace) -> &mut Tree<Pane> {
        self.layouts.entry(workspace).or_insert_with(|| pane::layout(workspace))
    }

    /// Puts `path` first among what was opened.
    pub fn opened(&mut self, path: &Path) {
        self.recent.retain(|known| known != path);
        self.recent.push_front(path.to_owned());
        self.recent.truncate(RECENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_comes_back_and_a_spoilt_one_does_no_harm() {
        let mut session = Session { scale: 1.25, mode: Mode::Light, ..Session::default() };
        session.opened(Path::new("b"));
        session.opened(Path::new("a"));
        session.opened(Path::new("b"));
        for workspace in Workspace::ALL {
            session.layout(workspace);
        }
        let text = serde_json::to_string(&session).unwrap();
        let back = Session::restore(Some(&text));
        assert_eq!((back.scale, back.mode, back.layouts.len()), (1.25, Mode::Light, 4));
        assert_eq!(back.recent, [PathBuf::from("b"), PathBuf::from("a")]);
        for spoilt in [None, Some(""), Some("{\"scale\": \"x\"}"), Some("[1]"), Some("{\"scale\": 900.0}")] {
            assert_eq!(Session::restore(spoilt).scale, 1.0);
        }
        let missing = text.replace("\"evaluate_grid\"", "\"evaluate_table\"");
        assert_eq!(Session::restore(Some(&missing)).layouts.len(), 3, "a layout without a pane is not taken");
    }
}
