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
    SceneUndo,
    SceneRedo,
    SceneRename,
    SceneDelete,
    SceneMerge,
    SceneSave,
    SceneKeepView,
    SceneNext,
    ScenePrevious,
    QuestionNext,
    QuestionPrevious,
    QuestionAccept,
    QuestionReject,
    TrainStart,
    TrainPause,
    TrainStop,
    AskSend,
    AskAttention,
    AskNextLayer,
    AskPreviousLayer,
    AskNextHead,
    AskPreviousHead,
    AskNextToken,
    AskPreviousToken,
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
pub const COMMANDS: &[Entry] = &[
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
    // Keys that others begin with come first: Ctrl+Z is pressed with Ctrl+Shift+Z too.
    Entry {
        command: Command::SceneRedo,
        title: "Make the change again",
        place: Some(Workspace::Scene),
        shortcut: key(COMMAND.plus(Modifiers::SHIFT), Key::Z),
    },
    Entry {
        command: Command::SceneUndo,
        title: "Take the last change back",
        place: Some(Workspace::Scene),
        shortcut: key(COMMAND, Key::Z),
    },
    Entry {
        command: Command::SceneRename,
        title: "Rename the chosen object",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::F2),
    },
    Entry {
        command: Command::SceneDelete,
        title: "Delete the chosen object",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::Delete),
    },
    Entry {
        command: Command::SceneMerge,
        title: "Merge the two chosen objects",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::M),
    },
    Entry {
        command: Command::SceneSave,
        title: "Save edited scene…",
        place: Some(Workspace::Scene),
        shortcut: key(COMMAND, Key::S),
    },
    Entry {
        command: Command::SceneKeepView,
        title: "Keep this view",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::B),
    },
    Entry {
        command: Command::SceneNext,
        title: "Next scene",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::PageDown),
    },
    Entry {
        command: Command::ScenePrevious,
        title: "Previous scene",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::PageUp),
    },
    Entry {
        command: Command::QuestionNext,
        title: "Next question",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::J),
    },
    Entry {
        command: Command::QuestionPrevious,
        title: "Previous question",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::K),
    },
    Entry {
        command: Command::QuestionAccept,
        title: "Accept the question, go on",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::Y),
    },
    Entry {
        command: Command::QuestionReject,
        title: "Reject the question, go on",
        place: Some(Workspace::Scene),
        shortcut: key(NONE, Key::X),
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
    Entry {
        command: Command::AskAttention,
        title: "Show or hide the attention",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::A),
    },
    Entry {
        command: Command::AskNextLayer,
        title: "Attention: next layer",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::J),
    },
    Entry {
        command: Command::AskPreviousLayer,
        title: "Attention: previous layer",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::K),
    },
    Entry {
        command: Command::AskNextHead,
        title: "Attention: next head",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::U),
    },
    Entry {
        command: Command::AskPreviousHead,
        title: "Attention: previous head",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::I),
    },
    Entry {
        command: Command::AskNextToken,
        title: "Attention: next token of the answer",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::N),
    },
    Entry {
        command: Command::AskPreviousToken,
        title: "Attention: previous token of the answer",
        place: Some(Workspace::Ask),
        shortcut: key(NONE, Key::P),
    },
];

/// The commands of a workspace, those of everywhere included.
pub fn of(place: Workspace) -> impl Iterator<Item = &'static Entry> {
    COMMANDS.iter().filter(move |entry| entry.place.is_none_or(|own| own == place))
}

/// The command whose keys were pressed. Plain keys and what is undone belong to the field that is typed into.
pub fn pressed(ctx: &egui::Context, place: Workspace) -> Option<Command> {
    let typing = ctx.text_edit_focused();
    of(place).find_map(|entry| {
        let of_fields = |s: &KeyboardShortcut| s.modifiers.is_none() || s.logical_key == Key::Z;
        let shortcut = entry.shortcut.filter(|s| !(typing && of_fields(s)))?;
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
