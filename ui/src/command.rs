//! The one table of commands: menus, shortcuts, the cheat sheet and the palette are made of it.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::pane::Workspace;

/// Something that the person can have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Open,
    OpenDemo,
    Models,
    GoTo(Workspace),
    Palette,
    CheatSheet,
    Mode,
    ScaleUp,
    ScaleDown,
    ScaleReset,
    ResetLayout,
    ClearJobs,
    Quit,
    EvaluateRun,
    EvaluateBlind,
    NextSample,
    PreviousSample,
    ClearFacets,
    ExportRun,
    FlagSample,
    SceneFit,
    SceneNextColour,
    TrainStart,
    TrainPause,
    TrainStop,
    AskSend,
}

/// A row of the table.
pub struct Entry {
    pub command: Command,
    pub title: &'static str,
    /// Where it makes sense; everywhere if none.
    pub place: Option<Workspace>,
    pub shortcut: Option<KeyboardShortcut>,
}

const fn key(modifiers: Modifiers, key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(modifiers, key))
}

const COMMAND: Modifiers = Modifiers::COMMAND;
const NONE: Modifiers = Modifiers::NONE;

/// Every command.
pub const COMMANDS: [Entry; 29] = [
    Entry {
        command: Command::Open,
        title: "Open file or folder…",
        place: None,
        shortcut: key(COMMAND, Key::O),
    },
    Entry { command: Command::OpenDemo, title: "Open the demo pack", place: None, shortcut: None },
    Entry { command: Command::Models, title: "Get a model…", place: None, shortcut: None },
    Entry {
        command: Command::GoTo(Workspace::Ask),
        title: "Go to Ask",
        place: None,
        shortcut: key(COMMAND, Key::Num1),
    },
    Entry {
        command: Command::GoTo(Workspace::Scene),
        title: "Go to Scene",
        place: None,
        shortcut: key(COMMAND, Key::Num2),
    },
    Entry {
        command: Command::GoTo(Workspace::Evaluate),
        title: "Go to Evaluate",
        place: None,
        shortcut: key(COMMAND, Key::Num3),
    },
    Entry {
        command: Command::GoTo(Workspace::Train),
        title: "Go to Train",
        place: None,
        shortcut: key(COMMAND, Key::Num4),
    },
    Entry {
        command: Command::Palette,
        title: "Search commands",
        place: None,
        shortcut: key(COMMAND, Key::K),
    },
    Entry {
        command: Command::CheatSheet,
        title: "Show shortcuts",
        place: None,
        shortcut: key(NONE, Key::Questionmark),
    },
    Entry {
        command: Command::Mode,
        title: "Change between dark, light and system colours",
        place: None,
        shortcut: None,
    },
    Entry { command: Command::ScaleUp, title: "Larger", place: None, shortcut: key(COMMAND, Key::Plus) },
    Entry { command: Command::ScaleDown, title: "Smaller", place: None, shortcut: key(COMMAND, Key::Minus) },
    Entry {
        command: Command::ScaleReset,
        title: "Original size",
        place: None,
        shortcut: key(COMMAND, Key::Num0),
    },
    Entry { command: Command::ResetLayout, title: "Reset the layout", place: None, shortcut: None },
    Entry { command: Command::ClearJobs, title: "Clear ended jobs", place: None, shortcut: None },
    Entry { command: Command::Quit, title: "Quit", place: None, shortcut: key(COMMAND, Key::Q) },
    Entry {
        command: Command::EvaluateRun,
        title: "Run the evaluation",
        place: Some(Workspace::Evaluate),
        shortcut: key(COMMAND, Key::Enter),
    },
    Entry {
        command: Command::EvaluateBlind,
        title: "Run it without pictures",
        place: Some(Workspace::Evaluate),
        shortcut: None,
    },
    Entry {
        command: Command::NextSample,
        title: "Next sample",
        place: Some(Workspace::Evaluate),
        shortcut: key(NONE, Key::J),
    },
    Entry {
        command: Command::PreviousSample,
        title: "Previous sample",
        place: Some(Workspace::Evaluate),
        shortcut: key(NONE, Key::K),
    },
    Entry {
        command: Command::ClearFacets,
        title: "Show all samples",
        place: Some(Workspace::Evaluate),
        shortcut: key(NONE, Key::Escape),
    },
    Entry {
        command: Command::ExportRun,
        title: "Export the run…",
        place: Some(Workspace::Evaluate),
        shortcut: key(COMMAND, Key::E),
    },
    Entry {
        command: Command::FlagSample,
        title: "Flag the sample",
        place: Some(Workspace::Evaluate),
        shortcut: key(NONE, Key::F),
    },
    Entry {
        command: Command::SceneFit,
        title: "Fit the scene",
        place: Some(Workspace::Scene),
        shortcut: None,
    },
    Entry {
        command: Command::SceneNextColour,
        title: "Next colouring",
        place: Some(Workspace::Scene),
        shortcut: None,
    },
    Entry {
        command: Command::TrainStart,
        title: "Start training",
        place: Some(Workspace::Train),
        shortcut: key(COMMAND, Key::Enter),
    },
    Entry {
        command: Command::TrainPause,
        title: "Pause or go on",
        place: Some(Workspace::Train),
        shortcut: None,
    },
    Entry {
        command: Command::TrainStop,
        title: "Stop training",
        place: Some(Workspace::Train),
        shortcut: None,
    },
    Entry {
        command: Command::AskSend,
        title: "Ask",
        place: Some(Workspace::Ask),
        shortcut: key(COMMAND, Key::Enter),
    },
];

/// The commands of a workspace, those of everywhere included.
pub fn of(place: Workspace) -> impl Iterator<Item = &'static Entry> {
    COMMANDS.iter().filter(move |entry| entry.place.is_none_or(|own| own == place))
}

/// The command whose keys were pressed. A plain key belongs to the field that is typed into.
pub fn pressed(ctx: &egui::Context, place: Workspace) -> Option<Command> {
    let typing = ctx.egui_wants_keyboard_input();
    of(place).find_map(|entry| {
        let shortcut = entry.shortcut.filter(|s| !(typing && s.modifiers.is_none()))?;
        ctx.input_mut(|input| input.consume_shortcut(&shortcut)).then_some(entry.command)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_of_a_workspace_share_keys() {
        for place in Workspace::ALL {
            let keys: Vec<_> = of(place).filter_map(|e| Some((e.title, e.shortcut?))).collect();
            for (i, (title, shortcut)) in keys.iter().enumerate() {
                for (other, same) in &keys[i + 1..] {
                    assert_ne!(shortcut, same, "{title} and {other}");
                }
            }
        }
    }
}
