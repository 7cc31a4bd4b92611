//! Objects from files that somebody else made: masks, boxes, COCO.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@coco`] | COCO JSON: polygons and run lengths to [`Instances`](crate::Instances) |
//! | [`mask_png`] | a PNG with one number an object |
//! | [`mod@boxes`] | two-dimensional boxes, and the mask that depth makes of one |
//! | [`mod@plural`] | the plural of a noun |

pub mod boxes;
pub mod coco;
pub mod mask_png;
mod paint;
pub mod plural;
mod polygon;
mod rle;

pub use boxes::{BoxLabel, boxes, boxes_to_instances};
pub use coco::coco;
pub use mask_png::instance_png;
pub use plural::plural;

use crate::{Result, SceneError};

/// The longest label file that is read: COCO's largest is 450 MB.
pub const MAX_JSON_BYTES: usize = 512 << 20;

/// The most characters of a name or caption.
const MAX_NAME: usize = 200;

fn wrong<T>(name: &str, detail: impl Into<String>) -> Result<T> {
    Err(SceneError::Format { path: name.to_owned(), detail: detail.into() })
}

/// Parses JSON of at most [`MAX_JSON_BYTES`].
fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8], name: &str) -> Result<T> {
    if json.len() > MAX_JSON_BYTES {
        return wrong(name, format!("{} bytes, more than the {MAX_JSON_BYTES} that are allowed", json.len()));
    }
    serde_json::from_slice(json).map_err(|error| SceneError::Format {
        path: name.to_owned(),
        detail: format!("not the JSON expected: {error}"),
    })
}

/// A name without white space around it, if it is one that a sentence can hold.
fn noun<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let text = text.trim();
    match name_fault(text) {
        Some(what) => wrong(name, format!("the name of an object {what}")),
        None => Ok(text),
    }
}

/// Why a sentence cannot hold a name, said of the name.
pub(crate) fn name_fault(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        Some("is empty".to_owned())
    } else if text.chars().count() > MAX_NAME {
        Some(format!("has more than {MAX_NAME} characters"))
    } else if text.chars().any(char::is_control) {
        Some("holds control characters".to_owned())
    } else {
        None
    }
}

/// The size of a mask, if it is one that a picture can have.
fn check_size(name: &str, width: u32, height: u32) -> Result<usize> {
    const MOST: u64 = 100_000_000;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MOST || width > 65_535 || height > 65_535 {
        return wrong(name, format!("masks of {width}x{height} pixels, expected 1 to {MOST} pixels"));
    }
    Ok(pixels as usize)
}

#[cfg(test)]
mod tests;
