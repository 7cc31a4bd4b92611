//! NumPy arrays as depth maps.
//!
//! Source: NumPy enhancement proposal 1 (`numpy/lib/_format_impl.py`).
//!
//! The header is read here and not by `npyz` 0.9.1, because of what that does with a hostile header before
//! a caller sees a shape (measured, optimised unless said): a version 2 file of 12 bytes makes it reserve the 4 GiB that its length field names,
//! in one piece, and abort where there are not as many (`header.rs`, `read_header`); a `descr` of 18 nested lists, in 88 bytes, takes 2 s and
//! each level more half again to twice as long (its grammar, `py_literal`, tries each list twice); a shape whose product
//! is beyond 64 bits panics where overflow is checked (`read.rs`, `from_parts`).

use half::f16;

use super::raster::{Samples, Values, pixels, wrong};
use crate::Result;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header that is read. NumPy's own limit is 10 000 characters.
const MAX_HEADER: usize = 10_000;

/// Decodes a `.npy` of two dimensions, or of three of which one is 1.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Samples> {
    let Some((header, data)) = split(bytes) else {
        return wrong(
            name,
            "the NPY header is cut off or longer than 10000 characters, or of a version after 3.0",
        );
    };
    let (Some(descr), Some(fortran), Some(shape)) =
        (field(header, "descr"), field(header, "fortran_order"), field(header, "shape"))
    else {
        return wrong(name, "the NPY header lacks descr, fortran_order or shape");
    };
    let Some((height, width)) = sides(shape) else {
        let shape: String = shape.chars().take(40).collect();
        return wrong(name, format!("an array of shape {shape}; a depth map is (height, width)"));
    };
    let (width, height) = pixels(name, width, height)?;
    let count = width as usize * height as usize;
    let fortran = match fortran.split([',', '}', ' ']).next() {
        Some("True") => true,
        Some("False") => false,
        _ => return wrong(name, "the NPY header's fortran_order is neither True nor False"),
    };
    let Some(kind) = descr.strip_prefix(['\'', '"']).and_then(|text| text.split(['\'', '"']).next()) else {
        return wrong(name, "an array of records; a depth map is an array of numbers");
    };
    let (big, kind) = match kind.split_at_checked(1) {
        Some((">", rest)) => (true, rest),
        Some(("<" | "|" | "=", rest)) => (false, rest),
        _ => (false, kind),
    };
    let reader = Reader { data, count, big, name };
    let mut integer = true;
    let numbers: Vec<f32> = match kind {
        "u2" => reader.numbers(|b| f32::from(u16::from_le_bytes(b)))?,
        "i2" => reader.numbers(|b| f32::from(i16::from_le_bytes(b)))?,
        "u4" => reader.numbers(|b| u32::from_le_bytes(b) as f32)?,
        "i4" => reader.numbers(|b| i32::from_le_bytes(b) as f32)?,
        "u8" => reader.numbers(|b| u64::from_le_bytes(b) as f32)?,
        "i8" => reader.numbers(|b| i64::from_le_bytes(b) as f32)?,
        "f2" | "f4" | "f8" => {
            integer = false;
            match kind {
                "f2" => reader.numbers(|b| f16::from_le_bytes(b).to_f32())?,
                "f4" => reader.numbers(f32::from_le_bytes)?,
                _ => reader.numbers(|b| f64::from_le_bytes(b) as f32)?,
            }
        }
        "u1" | "i1" | "b1" => return wrong(name, "8 bits a pixel; a depth map needs 16 bits or floats"),
        other => return wrong(name, format!("an array of type '{}', which is no number", clip(other))),
    };
    let numbers = if fortran { transposed(&numbers, width as usize, height as usize) } else { numbers };
    let values = if integer { Values::Integer(numbers) } else { Values::Float(numbers) };
    Ok(Samples { width, height, values, pgm: false })
}

fn clip(text: &str) -> String {
    text.chars().take(20).collect()
}

/// Column by column to row by row.
fn transposed(columns: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(columns.len());
    for row in 0..height {
        rows.extend(columns.iter().skip(row).step_by(height.max(1)).take(width));
    }
    rows
}

struct Reader<'a> {
    data: &'a [u8],
    count: usize,
    big: bool,
    name: &'a str,
}

impl Reader<'_> {
    fn numbers<const N: usize>(&self, of: impl Fn([u8; N]) -> f32) -> Result<Vec<f32>> {
        let needed = self.count * N;
        let Some(data) = self.data.get(..needed) else {
            let found = self.data.len();
            return wrong(self.name, format!("the NPY is cut off: {found} of {needed} bytes of numbers"));
        };
        let swapped = |mut bytes: [u8; N]| {
            if self.big {
                bytes.reverse();
            }
            bytes
        };
        Ok(data.as_chunks().0.iter().map(|&bytes| of(swapped(bytes))).collect())
    }
}

/// Header text and data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match version {
        [1, 0] => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        [2 | 3, 0] => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    let (header, data) = (length <= MAX_HEADER).then(|| rest.split_at_checked(length))??;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What follows a key of the header's dictionary.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = header.get(at + key.len() + 2..)?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// Height and width of a shape such as `(480, 640)`, `(1, 480, 640)` or `(480, 640, 1)`.
fn sides(shape: &str) -> Option<(u64, u64)> {
    let inside = shape.strip_prefix('(')?.split(')').next()?;
    let sizes: Option<Vec<u64>> =
        inside.split(',').map(str::trim).filter(|t| !t.is_empty()).take(5).map(|t| t.parse().ok()).collect();
    match *sizes?.as_slice() {
        [height, width] | [1, height, width] | [height, width, 1] => Some((height, width)),
        _ => None,
    }
}
