//! Where image tokens lie in the picture: the way of a picture into frames and tokens, backwards.
//!
//! A picture is stretched to whole tiles (never padded), cut, and once more stretched to the global frame; the vision tower
//! reads a frame as patches, and pixel shuffle makes one token of `scale × scale` patches. So each token is a rectangle of
//! the frame, and each frame a rectangle of the picture. That is where a token stands, not all that it knows: within the
//! vision tower every patch of a frame attends to every other.

use plumb_image::smolvlm::TilePlan;
use serde::{Deserialize, Serialize};

/// Where the tokens of one frame stand, in the prompt and in the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FramePlace {
    /// Of the prompt's pictures.
    pub image: usize,
    /// Row and column of the tile, counted from 0; none for the global frame, which shows the whole picture.
    pub tile: Option<[u32; 2]>,
    /// Tokens along each side: token `i` is in row `i / side` and column `i % side`.
    pub side: usize,
    /// Where the first of its tokens is in the prompt's ids; the others follow it.
    pub first: usize,
    /// What its tokens cover: left, top, right, bottom in pixels of the picture as it was given. Smaller than the frame where
    /// patches do not divide it: the model does not see the rest.
    pub rect: [f64; 4],
}

impl FramePlace {
    /// How many tokens it has.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.side.saturating_mul(self.side)
    }

    /// The rectangle of token `index` in pixels of the picture; `None` where there is no such token. Neighbours share their edges exactly.
    #[must_use]
    pub fn token(&self, index: usize) -> Option<[f64; 4]> {
        let [x1, y1, x2, y2] = self.rect;
        let edge = |low: f64, high: f64, i: usize| {
            if i == self.side { high } else { low + (high - low) * i as f64 / self.side as f64 }
        };
        let (row, col) = (index / self.side.max(1), index % self.side.max(1));
        (row < self.side)
            .then(|| [edge(x1, x2, col), edge(y1, y2, row), edge(x1, x2, col + 1), edge(y1, y2, row + 1)])
    }
}

/// The frames of a picture of `size` (width, height) pixels, tiles row by row and then the global frame, as the prompt has them;
/// `first` is left at 0.
///
/// `patch` pixels make a patch and `scale × scale` patches a token.
#[must_use]
pub fn frames(
    plan: &TilePlan,
    size: (u32, u32),
    image: usize,
    patch: usize,
    scale: usize,
) -> Vec<FramePlace> {
    let token = patch * scale;
    let side = (plan.tile as usize / patch.max(1)) / scale.max(1);
    let place = |tile: Option<[u32; 2]>, whole: (u32, u32)| {
        let [row, col] = tile.unwrap_or_default();
        let [width, height] =
            [f64::from(size.0) / f64::from(whole.0), f64::from(size.1) / f64::from(whole.1)];
        let (left, top) = (u64::from(col) * u64::from(plan.tile), u64::from(row) * u64::from(plan.tile));
        let covered = (side * token) as u64;
        let rect = [
            left as f64 * width,
            top as f64 * height,
            (left + covered) as f64 * width,
            (top + covered) as f64 * height,
        ];
        FramePlace { image, tile, side, first: 0, rect }
    };
    let tiles = (0..plan.rows).flat_map(|row| (0..plan.cols).map(move |col| [row, col]));
    let mut frames: Vec<FramePlace> = tiles.map(|tile| place(Some(tile), plan.stage2)).collect();
    frames.push(place(None, (plan.tile, plan.tile)));
    frames
}

#[cfg(test)]
mod tests {
    use plumb_image::smolvlm::{ImageProcessor, PreprocessorConfig, WorkingSize};

    use super::*;

    fn plan(size: (u32, u32), edge: u32, tile: u32, split: bool) -> TilePlan {
        let config = PreprocessorConfig {
            size: WorkingSize::LongestEdge { longest_edge: edge },
            longest_edge_of_tile: tile,
            do_image_splitting: split,
            ..PreprocessorConfig::default()
        };
        ImageProcessor::new(config).unwrap().plan(size.0, size.1).unwrap()
    }

    /// The tokens of `frames` lie beside each other like bricks: every point is in exactly one of them.
    fn tiled_without_gaps(frames: &[&FramePlace], size: (u32, u32)) {
        let rects: Vec<[f64; 4]> =
            frames.iter().flat_map(|f| (0..f.tokens()).map(|i| f.token(i).unwrap())).collect();
        let area: f64 = rects.iter().map(|r| (r[2] - r[0]) * (r[3] - r[1])).sum();
        let whole = f64::from(size.0) * f64::from(size.1);
        assert!((area / whole - 1.0).abs() < 1e-9, "{area} of {whole}");
        for i in 0..400 {
            // Points of a low-discrepancy sequence, none on an edge.
            let x = (0.123 + f64::from(i) * 0.754_877_666).fract() * f64::from(size.0);
            let y = (0.456 + f64::from(i) * 0.569_840_291).fract() * f64::from(size.1);
            let holds = |r: &&[f64; 4]| (r[0]..r[2]).contains(&x) && (r[1]..r[3]).contains(&y);
            assert_eq!(rects.iter().filter(holds).count(), 1, "{x} {y}");
        }
        for axis in [0, 1] {
            let low = rects.iter().map(|r| r[axis]).fold(f64::INFINITY, f64::min);
            let high = rects.iter().map(|r| r[axis + 2]).fold(0.0, f64::max);
            let side = f64::from(if axis == 0 { size.0 } else { size.1 });
            assert!(low == 0.0 && (high - side).abs() < 1e-9 * side, "{low} {high} {side}");
        }
    }

    #[test]
    fn every_layer_of_frames_covers_the_picture() {
        for size in [(640, 480), (480, 640), (333, 333), (4000, 100), (1, 65000), (517, 911), (5, 3)] {
            // The shapes of 500M, of 2.2B, of a small model, and of a working size of one tile.
            for (edge, tile, patch, scale) in
                [(2048, 512, 16, 4), (1536, 384, 16, 3), (192, 96, 8, 4), (512, 512, 16, 4)]
            {
                let plan = plan(size, edge, tile, true);
                let frames = frames(&plan, size, 0, patch, scale);
                assert_eq!(frames.len(), plan.frames as usize);
                let (tiles, whole): (Vec<_>, Vec<_>) = frames.iter().partition(|f| f.tile.is_some());
                assert_eq!(tiles.len(), (plan.rows * plan.cols) as usize);
                if !tiles.is_empty() {
                    tiled_without_gaps(&tiles, size);
                }
                assert_eq!(whole.len(), 1);
                tiled_without_gaps(&whole, size);
            }
        }
    }

    #[test]
    fn tokens_are_where_the_processor_put_them() {
        // 640 × 480 becomes 3 × 4 tiles of 512, each 160 pixels of the picture wide and its 8 tokens 20 each.
        let plan = plan((640, 480), 2048, 512, true);
        let frames = frames(&plan, (640, 480), 2, 16, 4);
        assert_eq!(frames.len(), 13);
        assert!(frames.iter().all(|f| f.side == 8 && f.image == 2));
        assert_eq!(frames[0].rect, [0.0, 0.0, 160.0, 160.0]);
        assert_eq!(frames[6].tile, Some([1, 2]));
        assert_eq!(frames[6].rect, [320.0, 160.0, 480.0, 320.0]);
        assert_eq!(frames[6].token(0), Some([320.0, 160.0, 340.0, 180.0]));
        assert_eq!(frames[6].token(8 * 3 + 7), Some([460.0, 220.0, 480.0, 240.0]));
        assert_eq!(frames[12].tile, None);
        assert_eq!(frames[12].token(9), Some([80.0, 60.0, 160.0, 120.0]));
        assert_eq!(frames[12].token(64), None);
    }

    #[test]
    fn a_picture_that_is_stretched_is_stretched_back() {
        // 300 × 100 is worked on as 2048 × 682 and stretched to 2 × 4 tiles: their rows are 50 pixels of the picture.
        let frames = frames(&plan((300, 100), 2048, 512, true), (300, 100), 0, 16, 4);
        assert_eq!(frames.len(), 9);
        assert_eq!(frames[4].rect, [0.0, 50.0, 75.0, 100.0]);
    }

    #[test]
    fn a_single_frame_is_the_whole_picture() {
        for frames in [
            frames(&plan((640, 480), 512, 512, true), (640, 480), 0, 16, 4),
            frames(&plan((640, 480), 2048, 512, false), (640, 480), 0, 16, 4),
        ] {
            assert_eq!(frames.len(), 1);
            assert_eq!((frames[0].tile, frames[0].rect), (None, [0.0, 0.0, 640.0, 480.0]));
        }
    }

    #[test]
    fn what_no_patch_covers_is_left_out() {
        // Patches of 14 in tiles of 45: 3 pixels on the right and at the bottom of each tile are dropped.
        let plan = plan((90, 90), 90, 45, true);
        let frames = frames(&plan, (90, 90), 0, 14, 3);
        assert_eq!(frames[0].side, 1);
        assert_eq!(frames[0].rect, [0.0, 0.0, 42.0, 42.0]);
        assert_eq!(frames[3].rect, [45.0, 45.0, 87.0, 87.0]);
        assert_eq!(frames[4].rect, [0.0, 0.0, 84.0, 84.0]);
    }
}
