//! One map of attention as cells over the picture.

use std::sync::Arc;

use egui::{Color32, ColorImage, Context, Rect, TextureHandle, TextureOptions, pos2};
use plumb_engine::attention::{AskAttention, FramePlace, Frames, Shares};

use super::view::Placed;

/// Which map of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) row: usize,
    /// The mean of all where none.
    pub(crate) layer: Option<usize>,
    pub(crate) head: Option<usize>,
    pub(crate) frames: Frames,
}

/// One map, made once.
pub(crate) struct Made {
    of: Arc<AskAttention>,
    which: Which,
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

impl Made {
    pub(crate) fn new(ctx: &Context, of: Arc<AskAttention>, which: Which) -> Self {
        let map = of.map(which.row, which.layer, which.head);
        let shares = of.shares(&map);
        let frames: Vec<(FramePlace, Vec<f32>)> = of
            .cells(&map, which.frames)
            .into_iter()
            .map(|cells| (cells.place.clone(), cells.values))
            .collect();
        let top = frames.iter().flat_map(|(_, values)| values).copied().fold(0.0, f32::max);
        let (image, grid) = painted(&frames, top);
        let most = ctx.input(|input| input.max_texture_side);
        let texture = image
            .filter(|image| image.size.iter().all(|side| *side <= most))
            .map(|image| ctx.load_texture("attention", image, TextureOptions::NEAREST));
        Self { of, which, shares, top, frames, texture, grid }
    }

    /// Whether it is this map.
    pub(crate) fn is(&self, of: &Arc<AskAttention>, which: Which) -> bool {
        Arc::ptr_eq(&self.of, of) && self.which == which
    }

    /// Its texture, where it fits the graphics card.
    #[cfg(test)]
    pub(crate) fn texture(&self) -> Option<egui::TextureId> {
        Some(self.texture.as_ref()?.id())
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
fn colour(share: f32) -> Color32 {
    let [r, g, b] = plumb_viewer::sequential(share);
    Color32::from_rgb(r, g, b).gamma_multiply(0.35 + 0.65 * share.clamp(0.0, 1.0))
}

#[cfg(test)]
pub(super) mod tests {
    use plumb_engine::look::Blob;

    use super::*;

    /// Two tiles of four cells and a frame of the whole picture, two layers, one head, two rows.
    pub(in super::super) fn attention() -> Arc<AskAttention> {
        let place = |tile, first, rect| FramePlace { image: 0, tile, side: 2, first, rect };
        let row = |from: usize| (0..16).map(move |i| if i == from { 1.0 } else { 0.0f32 });
        let values: Vec<f32> = [1, 6, 0, 13].into_iter().flat_map(row).collect();
        Arc::new(AskAttention {
            layers: 2,
            heads: 1,
            rows: 2,
            keys: 16,
            prompt_keys: 15,
            probabilities: Blob::from(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()),
            tokens: vec!["a".into()],
            ended: true,
            image: Some((80, 40)),
            frames: vec![
                place(Some([0, 0]), 1, [0.0, 0.0, 40.0, 40.0]),
                place(Some([0, 1]), 5, [40.0, 0.0, 80.0, 40.0]),
                place(None, 9, [0.0, 0.0, 80.0, 40.0]),
            ],
        })
    }

    #[test]
    fn a_cell_is_found_by_a_point_of_the_picture() {
        let made = |frames| {
            let which = Which { row: 0, layer: Some(1), head: None, frames };
            Made::new(&Context::default(), attention(), which)
        };
        let tiles = made(Frames::Tiles);
        let cell = tiles.cell([61.0, 19.9]).unwrap();
        assert_eq!((cell.value, cell.rect), (1.0, [60.0, 0.0, 80.0, 20.0]));
        assert_eq!(cell.frame, "tile in row 1, column 2");
        assert_eq!(tiles.cell([10.0, 30.0]).unwrap().value, 0.0);
        for outside in [[80.0, 1.0], [-0.1, 1.0], [1.0, f32::NAN], [f32::INFINITY, 0.0]] {
            assert_eq!(tiles.cell(outside), None, "{outside:?}");
        }
        let cell = made(Frames::Whole).cell([61.0, 19.9]).unwrap();
        assert_eq!(
            (cell.value, cell.rect, cell.frame.as_str()),
            (0.0, [40.0, 0.0, 80.0, 20.0], "the whole picture")
        );
    }

    #[test]
    fn brighter_cells_hide_more_of_the_picture() {
        let (low, high) = (colour(0.0), colour(1.0));
        assert!(low.a() < high.a() && low.a() > 0);
        let a = attention();
        let frames: Vec<(FramePlace, Vec<f32>)> = a
            .cells(&a.map(0, Some(0), None), Frames::Tiles)
            .into_iter()
            .map(|c| (c.place.clone(), c.values))
            .collect();
        let (image, grid) = painted(&frames, 1.0);
        let image = image.unwrap();
        assert_eq!((image.size, grid), ([4, 2], [2, 1]));
        assert_eq!((image.pixels[0], image.pixels[3]), (high, low));
        assert_eq!(painted(&[], 0.0), (None, [1, 1]));
    }
}
