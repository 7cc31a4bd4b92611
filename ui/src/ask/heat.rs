//! Where an answer was read in the picture: which part of the attention is shown.

use std::sync::Arc;

use egui::Context;
use plumb_engine::attention::{AskAttention, Frames};
use serde::{Deserialize, Serialize};

use super::Source;
use super::heat_map::{Made, Which};
use crate::command::Command;

/// What is shown of the attention; all but the answer is kept from question to question.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Heat {
    /// Questions keep it, and the picture shows it.
    pub(crate) on: bool,
    /// From 0 to 1.
    pub(crate) opacity: f32,
    /// The mean of all where none.
    pub(crate) layer: Option<usize>,
    pub(crate) head: Option<usize>,
    pub(crate) frames: Frames,
    #[serde(skip)]
    pub(crate) row: usize,
    #[serde(skip)]
    answer: Option<Answer>,
    #[serde(skip)]
    made: Option<Made>,
}

/// The answer whose attention is shown, and the picture that it is about.
struct Answer {
    attention: Arc<AskAttention>,
    source: Option<Source>,
}

impl Default for Heat {
    fn default() -> Self {
        Self {
            on: false,
            opacity: 0.6,
            layer: None,
            head: None,
            frames: Frames::default(),
            row: 0,
            answer: None,
            made: None,
        }
    }
}

impl Heat {
    /// Shows another answer, or another row of the same.
    pub(crate) fn show(&mut self, attention: &Arc<AskAttention>, source: Option<Source>, row: usize) {
        self.row = row;
        if !self.is_shown(attention) {
            self.answer = Some(Answer { attention: attention.clone(), source });
        }
    }

    /// Forgets the answer.
    pub(crate) fn clear(&mut self) {
        (self.answer, self.made, self.row) = (None, None, 0);
    }

    pub(crate) fn is_shown(&self, attention: &Arc<AskAttention>) -> bool {
        self.answer.as_ref().is_some_and(|answer| Arc::ptr_eq(&answer.attention, attention))
    }

    /// The attention that is shown, where it is about `source`.
    pub(crate) fn attention(&self, source: Option<&Source>) -> Option<&Arc<AskAttention>> {
        let answer = self.answer.as_ref().filter(|answer| answer.source.as_ref() == source)?;
        Some(&answer.attention)
    }

    /// Keeps layer, head and token within what the answer has.
    fn keep_in(&mut self, attention: &AskAttention) {
        self.layer = self.layer.filter(|layer| *layer < attention.layers);
        self.head = self.head.filter(|head| *head < attention.heads);
        self.row = self.row.min(attention.rows.saturating_sub(1));
    }

    /// The map that is chosen, made where it is another than before.
    pub(crate) fn made(&mut self, ctx: &Context, source: Option<&Source>) -> Option<&Made> {
        let attention = self.attention(source)?.clone();
        self.keep_in(&attention);
        let which = Which { row: self.row, layer: self.layer, head: self.head, frames: self.frames };
        if !self.made.as_ref().is_some_and(|made| made.is(&attention, which)) {
            self.made = Some(Made::new(ctx, attention, which));
        }
        self.made.as_ref()
    }

    /// Steps by the keyboard; the mean stands before the first.
    pub(crate) fn command(&mut self, command: Command, source: Option<&Source>) {
        if command == Command::AskAttention {
            self.on = !self.on;
            return;
        }
        let Some(attention) = self.attention(source).filter(|_| self.on).cloned() else { return };
        let step = |now: Option<usize>, all: usize, forward: bool| {
            let (at, all) = (now.map_or(0, |now| now + 1), all + 1);
            ((at + if forward { 1 } else { all - 1 }) % all).checked_sub(1)
        };
        match command {
            Command::AskNextLayer => self.layer = step(self.layer, attention.layers, true),
            Command::AskPreviousLayer => self.layer = step(self.layer, attention.layers, false),
            Command::AskNextHead => self.head = step(self.head, attention.heads, true),
            Command::AskPreviousHead => self.head = step(self.head, attention.heads, false),
            Command::AskNextToken => self.row = (self.row + 1) % attention.rows.max(1),
            Command::AskPreviousToken => {
                self.row = (self.row + attention.rows.saturating_sub(1)) % attention.rows.max(1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heat_map::tests::attention;
    use super::*;

    fn heat() -> (Heat, Context) {
        let mut heat = Heat { on: true, ..Heat::default() };
        heat.show(&attention(), None, 0);
        (heat, Context::default())
    }

    #[test]
    fn a_map_is_made_once() {
        let (mut heat, ctx) = heat();
        let texture = |heat: &mut Heat| heat.made(&ctx, None).unwrap().texture().unwrap();
        let first = texture(&mut heat);
        assert_eq!(texture(&mut heat), first);
        heat.opacity = 0.1;
        assert_eq!(texture(&mut heat), first, "opacity is no other map");
        heat.layer = Some(0);
        assert_ne!(texture(&mut heat), first);
        let other = Source::File { path: "/a.png".into() };
        assert!(heat.made(&ctx, Some(&other)).is_none(), "it is not laid over another picture");
    }

    #[test]
    fn steps_go_round_and_stay_within_the_answer() {
        let (mut heat, ctx) = heat();
        let mut seen = Vec::new();
        for _ in 0..4 {
            heat.command(Command::AskNextLayer, None);
            seen.push(heat.layer);
        }
        assert_eq!(seen, [Some(0), Some(1), None, Some(0)]);
        heat.command(Command::AskPreviousLayer, None);
        heat.command(Command::AskPreviousLayer, None);
        assert_eq!(heat.layer, Some(1));
        heat.command(Command::AskPreviousToken, None);
        assert_eq!(heat.row, 1);
        // What an earlier, larger model left is brought within this one.
        (heat.layer, heat.head, heat.row) = (Some(30), Some(14), 99);
        heat.made(&ctx, None).unwrap();
        assert_eq!((heat.layer, heat.head, heat.row), (None, None, 1));
        heat.command(Command::AskAttention, None);
        heat.command(Command::AskNextLayer, None);
        assert_eq!((heat.on, heat.layer), (false, None), "nothing is stepped through unseen");
    }
}
