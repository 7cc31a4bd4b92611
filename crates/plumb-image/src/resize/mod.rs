//! Resizing that equals Pillow to the last bit.
//!
//! A model sees what its preprocessing made of the picture, so parity begins here: eight-bit samples, weights in fixed point with 22
//! fractional bits, one pass per axis with the result of the first rounded to eight bits before the second, and no pass along an axis whose
//! size stays. Source: python-pillow/Pillow:src/libImaging/Resample.c; checked against Pillow 12.3.0, which runs the
//! horizontal pass first (as do all versions up to 12).
//!
//! The sine comes from the platform's mathematics library. Where two libraries differ in the last bit of a sine, a weight can differ by
//! 2⁻²² and a sample, very rarely, by one level.

mod kernel;
mod passes;

pub use kernel::Filter;
use kernel::Weights;

use crate::error::ImageError;
use crate::rgb::{RgbImage, byte_len, zeroed};

/// Which axis is resized first. The order matters because the first result is rounded to eight bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassOrder {
    /// Rows, then columns: Pillow up to version 12, and the reference of every fixture here.
    #[default]
    HorizontalFirst,
    /// Columns, then rows: what later versions of Pillow may do.
    VerticalFirst,
}

/// Resizes `image` to `width` x `height` pixels, as `Image.resize((width, height), filter)` of Pillow up to version 12 does.
///
/// # Errors
/// [`ImageError::ZeroSize`] if a target side is 0; [`ImageError::OutOfMemory`] if there is no room for the result.
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> Result<RgbImage, ImageError> {
    resize_with_order(image, width, height, filter, PassOrder::HorizontalFirst)
}

/// [`resize`] with the order of the passes given. [`Filter::Nearest`] has no passes and ignores it.
///
/// # Errors
/// As [`resize`].
pub fn resize_with_order(
    image: &RgbImage,
    width: u32,
    height: u32,
    filter: Filter,
    order: PassOrder,
) -> Result<RgbImage, ImageError> {
    byte_len(width, height)?;
    if image.size() == (width, height) {
        return Ok(image.clone());
    }
    if filter.support().is_none() {
        return nearest(image, width, height);
    }
    let across = axis(filter, image.width(), width)?;
    let down = axis(filter, image.height(), height)?;
    let first = match (order, &across, &down) {
        (_, None, None) => return Ok(image.clone()),
        (_, Some(across), None) => return horizontal(image, width, (0, image.height() as usize), across),
        (_, None, Some(down)) => return vertical(image, height, 0, down),
        (PassOrder::HorizontalFirst, Some(across), Some(down)) => {
            // Only the rows that the vertical pass will read.
            let (first, end) = down.span();
            let partial = horizontal(image, width, (first, end), across)?;
            return vertical(&partial, height, first, down);
        }
        (PassOrder::VerticalFirst, Some(across), Some(down)) => (vertical(image, height, 0, down)?, across),
    };
    let (partial, across) = first;
    horizontal(&partial, width, (0, height as usize), across)
}

/// The weights of one axis, or `None` where the size stays and the pass is left out.
fn axis(filter: Filter, input: u32, output: u32) -> Result<Option<Weights>, ImageError> {
    if input == output {
        return Ok(None);
    }
    let bytes = u64::from(input.max(output)).saturating_mul(8);
    Weights::new(filter, input, output).map(Some).ok_or(ImageError::OutOfMemory { bytes })
}

/// The rows `[first, end)` of `image`, resized to `width`.
fn horizontal(
    image: &RgbImage,
    width: u32,
    (first, end): (usize, usize),
    weights: &Weights,
) -> Result<RgbImage, ImageError> {
    let rows = u32::try_from(end.saturating_sub(first)).unwrap_or(u32::MAX).min(image.height());
    let mut output = zeroed(byte_len(width, rows)?)?;
    let input = image.data().get(first * image.stride()..).unwrap_or_default();
    passes::horizontal(input, image.stride(), &mut output, width as usize * 3, weights);
    RgbImage::new(width, rows, output)
}

/// `image`, whose row 0 is row `origin` of the picture that `weights` speak of, resized to `height`.
fn vertical(image: &RgbImage, height: u32, origin: usize, weights: &Weights) -> Result<RgbImage, ImageError> {
    let mut output = zeroed(byte_len(image.width(), height)?)?;
    passes::vertical(image.data(), image.stride(), origin, &mut output, weights);
    RgbImage::new(image.width(), height, output)
}

/// The pixel under the centre of every output pixel.
///
/// The position grows by repeated addition in f64, as in Pillow:src/libImaging/Geometry.c (`ImagingScaleAffine`): a product would round
/// differently at some sizes.
fn nearest(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, ImageError> {
    let positions = |input: u32, output: u32| {
        let step = f64::from(input) / f64::from(output);
        let mut at = step * 0.5;
        std::iter::repeat_with(move || {
            let position = at as usize;
            at += step;
            position
        })
        .take(output as usize)
    };
    let mut output = zeroed(byte_len(width, height)?)?;
    let columns: Vec<usize> = positions(image.width(), width).collect();
    for (row, y) in output.chunks_exact_mut(width as usize * 3).zip(positions(image.height(), height)) {
        let start = y.saturating_mul(image.stride());
        let source = image.data().get(start..start.saturating_add(image.stride())).unwrap_or_default();
        let (pixels, _) = source.as_chunks::<3>();
        let (row, _) = row.as_chunks_mut::<3>();
        for (pixel, &x) in row.iter_mut().zip(&columns) {
            // A position at the very end can round up to the size; Pillow leaves such a pixel black.
            *pixel = pixels.get(x).copied().unwrap_or_default();
        }
    }
    RgbImage::new(width, height, output)
}

#[cfg(test)]
mod tests;
