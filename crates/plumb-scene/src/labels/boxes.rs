//! Two-dimensional boxes, and the mask that depth makes of one.

use plumb_geometry::ZDepth;
use serde::Deserialize;

use super::coco::{File, select};
use super::paint::{Shape, paint};
use super::{check_size, noun, parse, plural, wrong};
use crate::scene::{Attributes, NameSource};
use crate::{Instances, Label, Result};

/// A named rectangle in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxLabel {
    pub name: String,
    pub plural: String,
    /// x1, y1, x2, y2 in pixels from the corner of the picture; cut to it.
    pub rect: [f64; 4],
    pub attributes: Attributes,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "box", alias = "bbox_2d", alias = "xyxy")]
    rect: [f64; 4],
    #[serde(default)]
    plural: Option<String>,
    #[serde(flatten)]
    attributes: Attributes,
}

/// The most boxes of one picture.
const MAX_BOXES: usize = 10_000;

/// Boxes from JSON: `[{"name": "chair", "box": [x1, y1, x2, y2], "caption": "…"}]` (`plural`, `colour`, `material`, `pattern` may be there too), or COCO's
/// annotations with `bbox` ([x, y, width, height]), of which those of `image` are taken.
///
/// # Errors
/// [`crate::SceneError::Format`] naming the file (`name`) and the box: JSON of another form, a box that is empty, turned round or outside of the picture of
/// `width` × `height`.
pub fn boxes(json: &[u8], name: &str, image: &str, width: u32, height: u32) -> Result<Vec<BoxLabel>> {
    check_size(name, width, height)?;
    let list = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let mut found = Vec::new();
    if list {
        let entries: Vec<Entry> = parse(json, name)?;
        for (at, entry) in entries.into_iter().enumerate() {
            let rect = cut(entry.rect, width, height, name, &format!("box {}", at + 1))?;
            let noun_text = noun(&entry.name, name)?.to_owned();
            let plural = match &entry.plural {
                Some(many) => noun(many, name)?.to_owned(),
                None => plural(&noun_text),
            };
            if let Some(caption) = &entry.attributes.caption {
                noun(caption, name)?;
            }
            found.push(BoxLabel { name: noun_text, plural, rect, attributes: entry.attributes });
        }
    } else {
        let file: File = parse(json, name)?;
        let selection = select(&file, name, image, (width, height))?;
        for (which, annotation) in &selection.annotations {
            let Some([x, y, w, h]) = annotation.bbox else {
                return wrong(name, format!("{which} has no bbox"));
            };
            let rect = cut([x, y, x + w, y + h], width, height, name, which)?;
            let Label { name, plural, attributes, .. } = selection.label(which, annotation, name)?;
            found.push(BoxLabel { name, plural, rect, attributes });
        }
    }
    if found.len() > MAX_BOXES {
        return wrong(name, format!("{} boxes, more than {MAX_BOXES}", found.len()));
    }
    Ok(found)
}

fn cut(rect: [f64; 4], width: u32, height: u32, name: &str, which: &str) -> Result<[f64; 4]> {
    let [x1, y1, x2, y2] = rect;
    if !rect.iter().all(|v| v.is_finite()) || x2 <= x1 || y2 <= y1 {
        return wrong(name, format!("{which} is [{x1}, {y1}, {x2}, {y2}], expected x1 < x2 and y1 < y2"));
    }
    let (w, h) = (f64::from(width), f64::from(height));
    let inside = [x1.clamp(0.0, w), y1.clamp(0.0, h), x2.clamp(0.0, w), y2.clamp(0.0, h)];
    if inside[2] - inside[0] < 1.0 || inside[3] - inside[1] < 1.0 {
        return wrong(
            name,
            format!("{which} is [{x1}, {y1}, {x2}, {y2}], outside of the {width}x{height} picture"),
        );
    }
    // What sticks out by more than a tenth was made for a picture of another size.
    if x1 < -0.1 * w || y1 < -0.1 * h || x2 > 1.1 * w || y2 > 1.1 * h {
        return wrong(
            name,
            format!("{which} is [{x1}, {y1}, {x2}, {y2}], beyond the {width}x{height} picture"),
        );
    }
    Ok(inside)
}

/// A box is shrunk to this share of its sides: its rim is background more often than not.
const SHRINK: f64 = 0.9;

/// Bins of the histogram are this share of the depth wide.
const BIN: f64 = 0.03;

/// Bins from 1 cm to 30 km.
const BINS: usize = 512;

/// A surface goes on while its bins hold this share of its densest.
const SURFACE: f64 = 0.12;

/// A nearer mode is taken for the object if it is this share of the strongest: what is boxed stands in front.
const RIVAL: f64 = 0.5;

/// A mask for each box: inside of the box shrunk to 0.9, the pixels of the dominant surface. The histogram of the logarithm of depth is smoothed over three
/// bins; of its modes the strongest counts, or the nearest that is at least half as strong; the surface is the bins around it down to 12 % of its
/// height. Boxes without a measured pixel get no object. Numbers are those of the boxes, from 1; where masks overlap the smaller is on top.
///
/// # Errors
/// [`crate::SceneError::Unusable`] or [`crate::SceneError::Format`] for more than 10 000 boxes or boxes that cover the picture hundreds of times.
pub fn boxes_to_instances(boxes: &[BoxLabel], depth: &ZDepth) -> Result<Instances> {
    let (width, height) = (depth.0.width(), depth.0.height());
    if boxes.len() > MAX_BOXES {
        return wrong("boxes", format!("{} boxes, more than {MAX_BOXES}", boxes.len()));
    }
    let objects = boxes
        .iter()
        .map(|label| {
            let runs = surface(&label.rect, depth);
            let BoxLabel { name, plural, attributes, .. } = label.clone();
            (
                Shape { runs, by_column: false },
                Label { id: 0, name, plural, named_by: NameSource::Label, attributes },
            )
        })
        .collect();
    paint(objects, (width, height), "boxes")
}

fn bin(z: f32) -> usize {
    ((f64::from(z) / 0.01).ln().max(0.0) / BIN) as usize
}

/// The runs of the dominant surface in a rectangle.
fn surface(rect: &[f64; 4], depth: &ZDepth) -> Vec<(u32, u32)> {
    let (width, height) = (depth.0.width(), depth.0.height());
    let shrunk = |low: f64, high: f64, most: u32| {
        let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0 * SHRINK);
        let pixel = |edge: f64| (edge - 0.5).ceil().clamp(0.0, f64::from(most)) as u32;
        pixel(middle - half)..pixel(middle + half)
    };
    let (columns, rows) = (shrunk(rect[0], rect[2], width), shrunk(rect[1], rect[3], height));
    let line = |row: u32| {
        let start = depth.0.index(columns.start, row);
        depth.0.values().get(start..start + columns.len()).unwrap_or_default()
    };
    let mut histogram = [0u32; BINS];
    for row in rows.clone() {
        for &z in line(row).iter().filter(|&&z| z > 0.0) {
            histogram[bin(z).min(BINS - 1)] += 1;
        }
    }
    let at = |index: usize| f64::from(histogram.get(index).copied().unwrap_or(0));
    let smooth: Vec<f64> =
        (0..BINS).map(|i| 0.25 * i.checked_sub(1).map_or(0.0, at) + 0.5 * at(i) + 0.25 * at(i + 1)).collect();
    let strongest = smooth.iter().copied().fold(0.0, f64::max);
    if strongest == 0.0 {
        return Vec::new();
    }
    let peak = |i: usize| {
        let side = |j: Option<usize>| j.and_then(|j| smooth.get(j)).copied().unwrap_or(0.0);
        smooth[i] >= side(i.checked_sub(1))
            && smooth[i] >= side(Some(i + 1))
            && smooth[i] >= RIVAL * strongest
    };
    let Some(mode) = (0..BINS).find(|&i| peak(i)) else { return Vec::new() };
    let floor = SURFACE * smooth[mode];
    let nearest = (0..mode).rev().take_while(|&i| smooth[i] > floor).last().unwrap_or(mode);
    let farthest = (mode..BINS).take_while(|&i| smooth[i] > floor).last().unwrap_or(mode);

    let mut runs: Vec<(u32, u32)> = Vec::new();
    for row in rows {
        for (column, &z) in (columns.start..).zip(line(row)) {
            if z > 0.0 && (nearest..=farthest).contains(&bin(z).min(BINS - 1)) {
                let here = row * width + column;
                match runs.last_mut() {
                    Some((start, length)) if *start + *length == here => *length += 1,
                    _ => runs.push((here, 1)),
                }
            }
        }
    }
    runs
}
