//! Where a picture is cut: arithmetic only, no pixels.

use super::config::{PreprocessorConfig, WorkingSize};
use crate::error::ImageError;

/// No working size has a longer side than this, whatever the configuration says.
///
/// Source: transformers 5.23.0 `smolvlm/image_processing_pil_smolvlm.py`, `MAX_IMAGE_SIZE`.
pub(super) const MAX_WORKING_EDGE: u32 = 4096;

/// How one picture becomes frames. Sizes are `(width, height)` in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePlan {
    /// The working size: aspect ratio kept up to rounding.
    pub stage1: (u32, u32),
    /// The size that is cut: whole tiles, so the aspect ratio is distorted.
    pub stage2: (u32, u32),
    /// Rows of tiles; 0 if the picture is a single frame.
    pub rows: u32,
    /// Columns of tiles; 0 if the picture is a single frame.
    pub cols: u32,
    /// Frames in all: `rows * cols + 1`, the global frame being the last.
    pub frames: u32,
    /// Side of every frame in pixels.
    pub tile: u32,
}

impl TilePlan {
    /// The plan for a picture of `width` x `height` pixels under a *validated* configuration.
    ///
    /// # Errors
    /// [`ImageError::ZeroSize`] if a side is 0; [`ImageError::OutOfMemory`] if whole tiles would not fit in 32-bit sizes (only possible with
    /// `do_resize` off).
    pub(super) fn new(config: &PreprocessorConfig, width: u32, height: u32) -> Result<Self, ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::ZeroSize { width, height });
        }
        let tile = config.longest_edge_of_tile;
        let stage1 = match (config.do_resize, config.size) {
            (false, _) => (width, height),
            (true, WorkingSize::Exact { height, width }) => (width, height),
            (true, WorkingSize::LongestEdge { longest_edge }) => {
                below_bound(longest_edge_to(width, height, longest_edge), MAX_WORKING_EDGE)
            }
        };
        if !config.do_image_splitting {
            return Ok(Self { stage1, stage2: (tile, tile), rows: 0, cols: 0, frames: 1, tile });
        }
        let too_large = || ImageError::OutOfMemory {
            bytes: u64::from(stage1.0).saturating_mul(u64::from(stage1.1)).saturating_mul(3),
        };
        let stage2 = whole_tiles(stage1, tile).ok_or_else(too_large)?;
        let (cols, rows) = (stage2.0 / tile, stage2.1 / tile);
        if cols <= 1 && rows <= 1 {
            return Ok(Self { stage1, stage2, rows: 0, cols: 0, frames: 1, tile });
        }
        let frames = rows.checked_mul(cols).and_then(|n| n.checked_add(1)).ok_or_else(too_large)?;
        Ok(Self { stage1, stage2, rows, cols, frames, tile })
    }
}

/// `width` x `height` with its longer side made `edge`; the shorter side is truncated, made even and at least 1.
fn longest_edge_to(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let ratio = f64::from(width) / f64::from(height);
    let even = |side: u32| (side + side % 2).max(1);
    // Truncating `as` is what the reference's int() does; all values are positive and at most `edge`.
    if width >= height {
        (edge, even((f64::from(edge) / ratio) as u32))
    } else {
        (even((f64::from(edge) * ratio) as u32), edge)
    }
}

/// `width` x `height` shrunk until its longer side is at most `edge`. There is no rounding to even numbers here.
fn below_bound((width, height): (u32, u32), edge: u32) -> (u32, u32) {
    let ratio = f64::from(width) / f64::from(height);
    if width >= height && width > edge {
        (edge, ((f64::from(edge) / ratio) as u32).max(1))
    } else if height > width && height > edge {
        (((f64::from(edge) * ratio) as u32).max(1), edge)
    } else {
        (width, height)
    }
}

/// The longer side rounded up to whole tiles, the shorter scaled with it and rounded up too.
fn whole_tiles((width, height): (u32, u32), tile: u32) -> Option<(u32, u32)> {
    let round_up = |side: u32| side.max(1).div_ceil(tile).checked_mul(tile);
    let ratio = f64::from(width) / f64::from(height);
    if width >= height {
        let width = round_up(width)?;
        Some((width, round_up((f64::from(width) / ratio) as u32)?))
    } else {
        let height = round_up(height)?;
        Some((round_up((f64::from(height) * ratio) as u32)?, height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(edge: u32, tile: u32) -> PreprocessorConfig {
        PreprocessorConfig {
            size: WorkingSize::LongestEdge { longest_edge: edge },
            longest_edge_of_tile: tile,
            ..PreprocessorConfig::default()
        }
    }

    type Size = (u32, u32);

    /// Input, stage 1, stage 2, rows, columns, frames; the specification's tile table (L 2048, T 512), made with the reference.
    const TABLE: [(Size, Size, Size, u32, u32, u32); 13] = [
        ((333, 333), (2048, 2048), (2048, 2048), 4, 4, 17),
        ((640, 480), (2048, 1536), (2048, 1536), 3, 4, 13),
        ((4032, 3024), (2048, 1536), (2048, 1536), 3, 4, 13),
        ((480, 640), (1536, 2048), (1536, 2048), 4, 3, 13),
        ((1024, 683), (2048, 1366), (2048, 1536), 3, 4, 13),
        ((1280, 720), (2048, 1152), (2048, 1536), 3, 4, 13),
        ((1920, 1080), (2048, 1152), (2048, 1536), 3, 4, 13),
        ((300, 100), (2048, 682), (2048, 1024), 2, 4, 9),
        ((2048, 512), (2048, 512), (2048, 512), 1, 4, 5),
        ((4000, 100), (2048, 52), (2048, 512), 1, 4, 5),
        ((517, 911), (1162, 2048), (1536, 2048), 4, 3, 13),
        // Not in the table: sides that truncate to zero.
        ((1, 65000), (1, 2048), (512, 2048), 4, 1, 5),
        ((65000, 1), (2048, 1), (2048, 512), 1, 4, 5),
    ];

    #[test]
    fn the_tile_table() {
        let config = config(2048, 512);
        for ((w, h), stage1, stage2, rows, cols, frames) in TABLE {
            let plan = TilePlan::new(&config, w, h).unwrap();
            assert_eq!(plan, TilePlan { stage1, stage2, rows, cols, frames, tile: 512 }, "{w}x{h}");
        }
    }

    /// The 2.2B column: L 1536, T 384, image tokens = 81 per frame.
    #[test]
    fn the_large_models_have_as_many_tiles() {
        let config = config(1536, 384);
        for ((w, h), tokens) in [
            ((100, 100), 1377),
            ((640, 480), 1053),
            ((1024, 683), 1053),
            ((300, 100), 729),
            ((4000, 100), 405),
            ((517, 911), 1053),
        ] {
            assert_eq!(TilePlan::new(&config, w, h).unwrap().frames * 81, tokens, "{w}x{h}");
        }
        let plan = TilePlan::new(&config, 1024, 683).unwrap();
        assert_eq!((plan.stage1, plan.stage2), ((1536, 1024), (1536, 1152)));
    }

    #[test]
    fn the_working_size_is_the_speed_lever() {
        for (edge, frames) in [(512, 1), (1024, 5), (1536, 10), (2048, 17)] {
            assert_eq!(TilePlan::new(&config(edge, 512), 700, 700).unwrap().frames, frames);
        }
        let single = TilePlan::new(&config(512, 512), 640, 480).unwrap();
        assert_eq!((single.stage1, single.stage2, single.rows, single.cols), ((512, 384), (512, 512), 0, 0));
    }

    /// transformers' own tests: longest edge 40, tiles of 20, pictures of 30 to 40 pixels.
    #[test]
    fn the_sizes_of_the_upstream_tests() {
        let plan = TilePlan::new(&config(40, 20), 30, 40).unwrap();
        assert_eq!((plan.stage2, plan.rows, plan.cols, plan.frames), ((40, 40), 2, 2, 5));
    }

    #[test]
    fn an_oversized_working_edge_is_capped_without_evening() {
        // 5000x3333 -> even -> 5000x3334, then 4096 / (5000/3334) = 2731.2.
        assert_eq!(TilePlan::new(&config(5000, 512), 3000, 2000).unwrap().stage1, (4096, 2731));
    }

    #[test]
    fn switches_and_exact_sizes() {
        let mut config = config(2048, 512);
        config.do_image_splitting = false;
        let plan = TilePlan::new(&config, 640, 480).unwrap();
        assert_eq!((plan.stage1, plan.stage2, plan.frames), ((2048, 1536), (512, 512), 1));
        config.do_image_splitting = true;
        config.do_resize = false;
        assert_eq!(TilePlan::new(&config, 640, 480).unwrap().stage2, (1024, 1024));
        assert!(TilePlan::new(&config, u32::MAX, u32::MAX).is_err());
        config.do_resize = true;
        config.size = WorkingSize::Exact { height: 600, width: 500 };
        assert_eq!(TilePlan::new(&config, 9, 9).unwrap().stage1, (500, 600));
        assert!(matches!(TilePlan::new(&config, 0, 9), Err(ImageError::ZeroSize { .. })));
    }

    proptest! {
        #[test]
        fn plans_are_whole_tiles(
            w in 1_u32.., h in 1_u32.., edge in 1_u32..9000, tile in 64_u32..2000, resize: bool, split: bool,
        ) {
            let mut config = config(edge, tile);
            config.do_resize = resize;
            config.do_image_splitting = split;
            if let Ok(plan) = TilePlan::new(&config, w, h) {
                prop_assert!(plan.stage1.0 > 0 && plan.stage1.1 > 0);
                prop_assert_eq!((plan.stage2.0 % tile, plan.stage2.1 % tile), (0, 0));
                prop_assert!(plan.stage2.0 >= tile && plan.stage2.1 >= tile);
                prop_assert_eq!(plan.frames, plan.rows * plan.cols + 1);
                if resize {
                    prop_assert!(plan.stage1.0.max(plan.stage1.1) <= 4096);
                    prop_assert!(plan.frames <= 64 * 64 + 1);
                }
            } else {
                prop_assert!(!resize && split, "only untouched sizes can be too large");
            }
        }
    }
}
