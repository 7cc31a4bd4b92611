//! Workspaces and their panes, and how they lie when nobody has moved them.

use egui_tiles::{Container, Linear, LinearDir, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

/// A workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    Ask,
    Scene,
    #[default]
    Evaluate,
    Train,
}

impl Workspace {
    /// In the order of the bar.
    pub const ALL: [Self; 4] = [Self::Ask, Self::Scene, Self::Evaluate, Self::Train];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Ask => "Ask",
            Self::Scene => "Scene",
            Self::Evaluate => "Evaluate",
            Self::Train => "Train",
        }
    }
}

/// A pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pane {
    EvaluateSetup,
    EvaluateScore,
    EvaluateTable,
    EvaluateGrid,
    EvaluateConfusion,
    EvaluateLetters,
    EvaluateCalibration,
    EvaluateCompare,
    EvaluateSample,
    SceneList,
    SceneView,
    SceneDetails,
    TrainSetup,
    TrainPlots,
    TrainRun,
    AskSetup,
    AskImage,
    AskAnswer,
}

impl Pane {
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::EvaluateSetup => "Set up",
            Self::EvaluateScore => "Score",
            Self::EvaluateTable => "Table",
            Self::EvaluateGrid => "Pictures",
            Self::EvaluateConfusion => "Confusion",
            Self::EvaluateLetters => "Letters",
            Self::EvaluateCalibration => "Calibration",
            Self::EvaluateCompare => "A and B",
            Self::EvaluateSample => "Sample",
            Self::SceneList => "Scenes",
            Self::SceneView => "View",
            Self::SceneDetails => "Chosen",
            Self::TrainSetup => "Recipe",
            Self::TrainPlots => "Curves",
            Self::TrainRun => "Run",
            Self::AskSetup => "Model",
            Self::AskImage => "Picture",
            Self::AskAnswer => "Answer",
        }
    }
}

/// Layouts saved by another version with other panes are not taken.
pub const LAYOUT_VERSION: u32 = 1;

fn split(tiles: &mut Tiles<Pane>, dir: LinearDir, parts: &[(TileId, f32)]) -> TileId {
    let mut linear = Linear::new(dir, parts.iter().map(|(tile, _)| *tile).collect());
    for (tile, share) in parts {
        linear.shares.set_share(*tile, *share);
    }
    tiles.insert_container(Container::Linear(linear))
}

/// The layout of a workspace as it comes: left what is worked on, centre the picture, right the selected thing.
#[must_use]
pub fn layout(workspace: Workspace) -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let mut pane = |pane| tiles.insert_pane(pane);
    let (left, centre, right) = match workspace {
        Workspace::Evaluate => {
            let (setup, sample, score) =
                (pane(Pane::EvaluateSetup), pane(Pane::EvaluateSample), pane(Pane::EvaluateScore));
            let looks = [
                Pane::EvaluateTable,
                Pane::EvaluateGrid,
                Pane::EvaluateConfusion,
                Pane::EvaluateLetters,
                Pane::EvaluateCalibration,
                Pane::EvaluateCompare,
            ]
            .map(pane);
            let looks = tiles.insert_tab_tile(looks.to_vec());
            let centre = split(&mut tiles, LinearDir::Vertical, &[(score, 0.36), (looks, 0.64)]);
            (setup, centre, sample)
        }
        Workspace::Scene => (pane(Pane::SceneList), pane(Pane::SceneView), pane(Pane::SceneDetails)),
        Workspace::Train => (pane(Pane::TrainSetup), pane(Pane::TrainPlots), pane(Pane::TrainRun)),
        Workspace::Ask => (pane(Pane::AskSetup), pane(Pane::AskImage), pane(Pane::AskAnswer)),
    };
    let root = split(&mut tiles, LinearDir::Horizontal, &[(left, 0.19), (centre, 0.53), (right, 0.28)]);
    Tree::new(egui::Id::unique(("layout", workspace.title())), root, tiles)
}

/// Whether a saved layout has just the panes of this version.
#[must_use]
pub fn is_whole(tree: &Tree<Pane>, workspace: Workspace) -> bool {
    let panes = |tree: &Tree<Pane>| {
        let mut found: Vec<Pane> = tree
            .tiles
            .tiles()
            .filter_map(|tile| match tile {
                egui_tiles::Tile::Pane(pane) => Some(*pane),
                egui_tiles::Tile::Container(_) => None,
            })
            .collect();
        found.sort();
        found
    };
    panes(tree) == panes(&layout(workspace))
}
