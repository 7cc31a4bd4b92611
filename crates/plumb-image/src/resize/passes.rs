//! The two one-dimensional passes. They are written so that the compiler turns the inner loops into vector instructions; `pulp` picks
//! the widest the processor has at run time.
//!
//! Sums are 32-bit and wrap by definition; that they never do is a property of the weights (tested beside them).

use pulp::{Arch, Simd, WithSimd};
#[cfg(not(target_family = "wasm"))]
use rayon::prelude::*;

use super::kernel::{PRECISION, Weights};

const HALF: i32 = 1 << (PRECISION - 1);

/// Rows that the horizontal pass takes side by side.
const ROWS: usize = 8;
/// Bytes of a row that the vertical pass takes at once.
const LANES: usize = 32;
/// Channels, padded so that a pixel is one 32-bit word.
const PADDED: usize = 4;

/// Rounded sums to samples.
#[inline(always)]
fn clip<const N: usize>(sums: &[i32; N], samples: &mut [u8]) {
    for (sample, &sum) in samples.iter_mut().zip(sums) {
        *sample = (sum >> PRECISION).clamp(0, 255) as u8;
    }
}

/// Runs `body` over the blocks of `output`, `block` bytes each, on all cores where there are threads.
fn for_blocks(output: &mut [u8], block: usize, body: impl Fn(usize, &mut [u8]) + Sync + Send) {
    #[cfg(not(target_family = "wasm"))]
    output.par_chunks_mut(block).enumerate().for_each(|(index, rows)| body(index, rows));
    #[cfg(target_family = "wasm")]
    output.chunks_mut(block).enumerate().for_each(|(index, rows)| body(index, rows));
}

/// Resizes every row. `input` holds rows of `in_stride` bytes, `output` as many rows of `out_stride` bytes.
pub(super) fn horizontal(
    input: &[u8],
    in_stride: usize,
    output: &mut [u8],
    out_stride: usize,
    weights: &Weights,
) {
    let arch = Arch::new();
    for_blocks(output, out_stride * ROWS, |block, out_rows| {
        let rows = input.get(block * ROWS * in_stride..).unwrap_or_default();
        let mut wide = vec![[0_u8; ROWS * PADDED]; in_stride / 3];
        arch.dispatch(HorizontalBlock { rows, in_stride, wide: &mut wide, out_rows, out_stride, weights });
    });
}

/// One call of the horizontal pass. A type rather than a closure, because only what is inlined into [`WithSimd::with_simd`] is compiled for
/// the vector instructions that were found, and a closure need not be.
struct HorizontalBlock<'a> {
    rows: &'a [u8],
    in_stride: usize,
    wide: &'a mut [[u8; ROWS * PADDED]],
    out_rows: &'a mut [u8],
    out_stride: usize,
    weights: &'a Weights,
}

impl WithSimd for HorizontalBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        interleave(self.rows, self.in_stride, self.wide);
        horizontal_block(self.wide, self.out_rows, self.out_stride, self.weights);
    }
}

/// Puts the pixels of up to [`ROWS`] rows side by side, so that one weight meets [`ROWS`] pixels in one vector.
#[inline(always)]
fn interleave(rows: &[u8], stride: usize, wide: &mut [[u8; ROWS * PADDED]]) {
    for (lane, row) in rows.chunks_exact(stride).take(ROWS).enumerate() {
        let (pixels, _) = row.as_chunks::<3>();
        for (column, &[r, g, b]) in wide.iter_mut().zip(pixels) {
            let (words, _) = column.as_chunks_mut::<PADDED>();
            if let Some(word) = words.get_mut(lane) {
                *word = [r, g, b, 0];
            }
        }
    }
}

#[inline(always)]
fn horizontal_block(wide: &[[u8; ROWS * PADDED]], out_rows: &mut [u8], out_stride: usize, weights: &Weights) {
    for (x, (first, fixed)) in weights.iter().enumerate() {
        let mut sums = [HALF; ROWS * PADDED];
        // The check inside the loop never fails. It keeps the compiler from turning the *taps* into vector lanes, which would gather bytes
        // one by one; what remains are the lanes of the inner loop.
        for (tap, &weight) in fixed.iter().enumerate() {
            let Some(column) = wide.get(first + tap) else {
                break;
            };
            for (sum, &sample) in sums.iter_mut().zip(column) {
                *sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
            }
        }
        let mut bytes = [0; ROWS * PADDED];
        clip(&sums, &mut bytes);
        // The fourth channel is never read. Were the compiler to notice, it would take the vectors apart to save it.
        let bytes = std::hint::black_box(bytes);
        let (words, _) = bytes.as_chunks::<PADDED>();
        for (row, &[r, g, b, _]) in out_rows.chunks_exact_mut(out_stride).zip(words) {
            if let Some(pixel) = row.get_mut(x * 3..x * 3 + 3) {
                pixel.copy_from_slice(&[r, g, b]);
            }
        }
    }
}

/// Resizes every column. `input` and `output` hold rows of `stride` bytes; row 0 of `input` is row `origin` of the picture that `weights` speak of.
pub(super) fn vertical(input: &[u8], stride: usize, origin: usize, output: &mut [u8], weights: &Weights) {
    let arch = Arch::new();
    for_blocks(output, stride, |y, out_row| {
        let (first, fixed) = weights.at(y);
        let rows = input.get(first.saturating_sub(origin) * stride..).unwrap_or_default();
        arch.dispatch(VerticalRow { rows, stride, out_row, fixed });
    });
}

/// One call of the vertical pass, see [`HorizontalBlock`].
struct VerticalRow<'a> {
    rows: &'a [u8],
    stride: usize,
    out_row: &'a mut [u8],
    fixed: &'a [i32],
}

impl WithSimd for VerticalRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        vertical_row(self.rows, self.stride, self.out_row, self.fixed);
    }
}

#[inline(always)]
fn vertical_row(rows: &[u8], stride: usize, out_row: &mut [u8], fixed: &[i32]) {
    let mut start = 0;
    let (blocks, rest) = out_row.as_chunks_mut::<LANES>();
    for block in blocks {
        let mut sums = [HALF; LANES];
        for (row, &weight) in rows.chunks_exact(stride).zip(fixed) {
            let Some(samples) = row.get(start..).and_then(|row| row.first_chunk::<LANES>()) else {
                continue;
            };
            for (sum, &sample) in sums.iter_mut().zip(samples) {
                *sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
            }
        }
        clip(&sums, block);
        start += LANES;
    }
    let mut sums = [HALF; LANES];
    for (row, &weight) in rows.chunks_exact(stride).zip(fixed) {
        for (sum, &sample) in sums.iter_mut().zip(row.get(start..).unwrap_or_default()) {
            *sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
        }
    }
    clip(&sums, rest);
}
