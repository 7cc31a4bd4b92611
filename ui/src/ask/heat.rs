//! Where an answer was read in the picture: which part of the attention is shown, and the picture of it.

use std::sync::Arc;

use egui::{Color32, ColorImage, Context, Rect, TextureHandle, TextureOptions, pos2};
use plumb_engine::attention::{AskAttention, FramePlace, Frames, Shares};
use serde::{Deserialize, Serialize};

use super::Source;
use super::view::Placed;
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
            opacity: 0.7,
            layer: None,
            head: None,
            frames: Frames::default(),
            row: 0,
            answer: None,
            made: None,
        }
    }
}

/// One map, made once.
pub(crate) struct Made {
    of: Arc<AskAttention>,
    which: (usize, Option<usize>, Option<usize>, Frames),
    pub(crate) shares: Shares,
    /// The largest value of a cell, which has the brightest colour.
    pub(crate) top: f32,
    frames: Vec<(FramePlace, Vec<f32>)>,
    texture: Option<TextureHandle>,
    /// Columns and rows of frames in the texture.
    grid: [usize; 2],
}

/// One cell under the pointer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: f32,
    /// In pixels of the picture.
    pub(crate) rect: [f32; 4],
    /// Which frame, in words.
    pub(crate) frame: String,
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
        let which = (self.row, self.layer, self.head, self.frames);
        let same = |made: &Made| Arc::ptr_eq(&made.of, &attention) && made.which == which;
        if !self.made.as_ref().is_some_and(same) {
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

impl Made {
    fn new(
        ctx: &Context,
        of: Arc<AskAttention>,
        which: (usize, Option<usize>, Option<usize>, Frames),
    ) -> Self {
        let (row, layer, head, shown) = which;
        let map = of.map(row, layer, head);
        let shares = of.shares(&map);
        let frames: Vec<(FramePlace, Vec<f32>)> =
            of.cells(&map, shown).into_iter().map(|cells| (cells.place.clone(), cells.values)).collect();
        let top = frames.iter().flat_map(|(_, values)| values).copied().fold(0.0, f32::max);
        let (image, grid) = painted(&frames, top);
        let most = ctx.input(|input| input.max_texture_side);
        let texture = image
            .filter(|image| image.size.iter().all(|side| *side <= most))
            .map(|image| ctx.load_texture("attention", image, TextureOptions::NEAREST));
        Self { of, which, shares, top, frames, texture, grid }
    }

    /// Lays it over the picture.
    pub(crate) fn draw(&self, painter: &egui::Painter, placed: Placed, opacity: f32) {
        let Some(texture) = &self.texture else { return };
        let [columns, rows] = self.grid.map(|n| n as f32);
        for (place, _) in &self.frames {
            let [row, column] = place.tile.unwrap_or_default().map(|n| n as f32);
            let uv = Rect::from_min_max(
                pos2(column / columns, row / rows),
                pos2((column + 1.0) / columns, (row + 1.0) / rows),
            );
            let rect = placed.rect(place.rect.map(|v| v as f32));
            painter.image(texture.id(), rect, uv, Color32::WHITE.gamma_multiply(opacity.clamp(0.0, 1.0)));
        }
    }

    /// The cell at a point of the picture.
    pub(crate) fn cell(&self, [x, y]: [f32; 2]) -> Option<Cell> {
        self.frames.iter().find_map(|(place, values)| {
            let [left, top, right, bottom] = place.rect;
            let inside = |low: f64, high: f64, at: f32| {
                let share = (f64::from(at) - low) / (high - low);
                (0.0..1.0).contains(&share).then_some((share * place.side as f64) as usize)
            };
            let (column, row) = (inside(left, right, x)?, inside(top, bottom, y)?);
            let index = row * place.side + column;
            let frame = match place.tile {
                Some([row, column]) => format!("tile in row {}, column {}", row + 1, column + 1),
                None => "the whole picture".to_owned(),
            };
            let rect = place.token(index)?.map(|v| v as f32);
            Some(Cell { value: *values.get(index)?, rect, frame })
        })
    }
}

/// The cells as pixels, each frame where its tile is; the more a cell gets, the brighter it is and the less of the picture is
/// seen through it.
fn painted(frames: &[(FramePlace, Vec<f32>)], top: f32) -> (Option<ColorImage>, [usize; 2]) {
    let most = |axis: usize| {
        frames.iter().map(|(place, _)| place.tile.unwrap_or_default()[axis] as usize + 1).max().unwrap_or(1)
    };
    let side = frames.first().map_or(0, |(place, _)| place.side);
    let grid = [most(1), most(0)];
    let size = grid.map(|n| n * side);
    if side == 0 {
        return (None, grid);
    }
    let mut pixels = vec![Color32::TRANSPARENT; size[0] * size[1]];
    for (place, values) in frames {
        let [row, column] = place.tile.unwrap_or_default().map(|n| n as usize);
        for (i, value) in values.iter().enumerate() {
            let at = (row * side + i / side) * size[0] + column * side + i % side;
            if let Some(pixel) = pixels.get_mut(at) {
                *pixel = colour(if top > 0.0 { value / top } else { 0.0 });
            }
        }
    }
    (Some(ColorImage::new(size, pixels)), grid)
}

/// The colour of a share of the largest value.
pub(crate) fn colour(share: f32) -> Color32 {
    let [r, g, b] = plumb_viewer::sequential(share);
    Color32::from_rgb(r, g, b).gamma_multiply(0.35 + 0.65 * share.clamp(0.0, 1.0))
}
