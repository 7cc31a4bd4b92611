//! The exact depth of a picture as the depth head is to see it.

use std::path::{Path, PathBuf};

use plumb_qa::QaPair;
use plumb_scene::Scene;
use plumb_scene::rgbd::{DepthOptions, read_depth};

use crate::data::Changes;
use crate::depth::Order;
use crate::error::{Result, TrainError};

/// Units of a metre in the depth files that `plumbline scenes` writes.
const UNITS: f64 = 1000.0;

/// The depth file of a picture, where `plumbline scenes` puts it: `scenes/000001.jpg` has `depth/000001.png`.
pub(super) fn beside(picture: &Path) -> Option<PathBuf> {
    let name = Path::new(picture.file_stem()?).with_extension("png");
    Some(picture.parent()?.join("..").join("depth").join(name))
}

/// The logarithm of depth in metres on a grid of `n × n`, row-major: of each cell the median of what is measured in it,
/// NaN where nothing is. The grid covers the whole picture after its `changes`, whatever its shape: so do the tokens of its
/// one frame.
///
/// # Errors
/// A file that is no depth map, or of another size than the picture (`shown`, width and height).
pub(super) fn log_depth(path: &Path, shown: (u32, u32), changes: &Changes, n: usize) -> Result<Vec<f32>> {
    let fail = |reason: String| TrainError::Config { file: path.display().to_string(), reason };
    let options = DepthOptions { scale: Some(UNITS), ..DepthOptions::default() };
    let depth = read_depth(path, &options).map_err(|e| fail(e.to_string()))?.depth;
    let (width, height) = (depth.width(), depth.height());
    let [x, y, w, h] = changes.crop.unwrap_or([0, 0, width, height]);
    let within = |from: u32, size: u32, all: u32| from.checked_add(size).is_some_and(|end| end <= all);
    if (w, h) != shown || !within(x, w, width) || !within(y, h, height) {
        return Err(fail(format!(
            "the depth map has {width}x{height} pixels, but its picture is another size ({}x{} shown)",
            shown.0, shown.1
        )));
    }
    let at = |column: u32, row: u32| {
        let column = if changes.flipped { width - 1 - (x + column) } else { x + column };
        let index = (y + row) as usize * width as usize + column as usize;
        depth.values().get(index).copied().filter(|z| z.is_finite() && *z > 0.0)
    };
    Ok(grid(w, h, n, at))
}

/// Log-medians of the cells of a grid over `width × height` pixels.
fn grid(width: u32, height: u32, n: usize, at: impl Fn(u32, u32) -> Option<f32>) -> Vec<f32> {
    let mut out = Vec::with_capacity(n * n);
    let mut values = Vec::new();
    for i in 0..n * n {
        values.clear();
        for row in span(i / n, n, height) {
            values.extend(span(i % n, n, width).filter_map(|column| at(column, row)));
        }
        let middle = values.len() / 2;
        out.push(if values.is_empty() {
            f32::NAN
        } else {
            values.select_nth_unstable_by(middle, f32::total_cmp).1.ln()
        });
    }
    out
}

/// The pixels that cell `i` of `n` touches.
fn span(i: usize, n: usize, pixels: u32) -> std::ops::Range<u32> {
    let (i, n, all) = (i as u64, n.max(1) as u64, u64::from(pixels));
    // Neither passes `pixels`.
    ((i * all / n) as u32)..(((i + 1) * all).div_ceil(n) as u32)
}

/// The objects of a question about depth, each pair with the nearer one first, as cells of a grid of `n × n`.
pub(super) fn order(pair: &QaPair, scene: &Scene, n: usize) -> Vec<Order> {
    if pair.question.kind.family() != plumb_qa::Family::Depth {
        return Vec::new();
    }
    let objects: Vec<_> = pair
        .question
        .objects
        .iter()
        .filter_map(|id| scene.index_of(*id).and_then(|at| scene.objects.get(at)))
        .collect();
    let size = (scene.image.width, scene.image.height);
    let mut out = Vec::new();
    for (i, a) in objects.iter().enumerate() {
        for b in &objects[i + 1..] {
            let (near, far) = if a.depth.median < b.depth.median { (a, b) } else { (b, a) };
            if near.depth.median < far.depth.median {
                out.push(Order { near: cells(near.rect, size, n), far: cells(far.rect, size, n) });
            }
        }
    }
    out
}

/// The cells whose middle is in a box of pixels; the one cell at the middle of a box that is too small for any.
fn cells([x1, y1, x2, y2]: [f32; 4], (width, height): (u32, u32), n: usize) -> Vec<usize> {
    let inside = |low: f32, high: f32, pixels: u32| {
        let scale = n as f32 / pixels.max(1) as f32;
        let (low, high) = (low * scale, high * scale);
        let mut found: Vec<usize> = (0..n).filter(|i| (low..high).contains(&(*i as f32 + 0.5))).collect();
        if found.is_empty() {
            let middle = ((low + high) / 2.0).max(0.0) as usize;
            found.push(middle.min(n.saturating_sub(1)));
        }
        found
    };
    let columns = inside(x1, x2, width);
    inside(y1, y2, height)
        .into_iter()
        .flat_map(|row| columns.iter().map(move |column| row * n + column))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_take_the_median_of_what_is_measured() {
        // Two cells of 3 x 2 pixels, and below them two with nothing measured in the first.
        let rows = [[1.0, 1.0, 9.0, 4.0, 4.0, 4.0], [1.0, 2.0, 9.0, 0.0, 0.0, 0.0]];
        let at = |x: u32, y: u32| {
            let z: f32 = match rows.get(y as usize) {
                Some(row) => row[x as usize],
                None if x < 3 => 0.0,
                None => 8.0,
            };
            (z > 0.0).then_some(z)
        };
        let found = grid(6, 4, 2, at);
        assert_eq!(found[0], 2f32.ln());
        assert_eq!((found[1], found[3]), (4f32.ln(), 8f32.ln()));
        assert!(found[2].is_nan());
    }

    #[test]
    fn boxes_are_cells_of_the_frame() {
        // 8 x 4 pixels on a grid of 4 x 4: a cell is 2 x 1 pixels.
        assert_eq!(cells([0.0, 0.0, 4.0, 2.0], (8, 4), 4), [0, 1, 4, 5]);
        assert_eq!(cells([6.1, 3.1, 6.3, 3.2], (8, 4), 4), [15]);
        assert_eq!(cells([-5.0, -5.0, -4.0, -4.0], (8, 4), 4), [0]);
        assert_eq!(cells([f32::NAN; 4], (8, 4), 4), [0]);
    }

    proptest! {
        #[test]
        fn spans_cover_every_pixel_and_none_beyond(n in 1_usize..70, pixels in 1_u32..5000) {
            let mut next = 0;
            for i in 0..n {
                let span = span(i, n, pixels);
                prop_assert!(span.start <= next && span.end > span.start && span.end <= pixels);
                next = span.end;
            }
            prop_assert_eq!(next, pixels);
        }
    }
}
