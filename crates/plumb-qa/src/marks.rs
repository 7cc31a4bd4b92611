//! Boxes drawn on pictures, and CV-Bench's form of our multiple-choice questions.
//!
//! CV-Bench (`nyu-visionx/CV-Bench`) draws its boxes into the pixels: red and blue for Depth; red, blue and green for Distance.

use plumb_bench::{Kind as Side, Sample, Task};
use plumb_image::{ImageError, RgbImage, encode_png};
use plumb_scene::{Object, Scene};
use thiserror::Error;

use crate::kind::Kind;
use crate::mention::MARK_COLOURS;
use crate::pair::{Answer, Mark, QaPair};

/// Why a pair has no CV-Bench form.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MarkError {
    #[error("{kind} has no form in CV-Bench; mc_count, mc_relation, mc_depth and mc_distance have")]
    Kind { kind: Kind },
    #[error("{kind}: the question needs {expected} objects of its scene, and has {found}")]
    Objects { kind: Kind, expected: usize, found: usize },
    #[error("{kind}: the answer is none of the {options} options")]
    Answer { kind: Kind, options: usize },
    #[error("the picture is {found:?} pixels, its scene says {expected:?}")]
    Size { found: (u32, u32), expected: (u32, u32) },
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Width of the outline in pixels: 3 at 640 pixels, never under 2.
#[must_use]
pub fn outline_width(image: &RgbImage) -> u32 {
    ((image.width().max(image.height()) + 128) / 256).clamp(2, 16)
}

/// A copy of the picture with the outline of each box. Parts outside of the picture are cut off; a box that is not made of finite
/// numbers, or is the wrong way round, is left out.
///
/// # Errors
/// [`ImageError`] if there is no memory for the copy.
pub fn draw_marks(image: &RgbImage, marks: &[Mark]) -> Result<RgbImage, ImageError> {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let line = i64::from(outline_width(image));
    let mut data = image.data().to_vec();
    for mark in marks {
        if !mark.rect.iter().all(|side| side.is_finite()) {
            continue;
        }
        // Casting saturates, so the limits only keep the sums below from overflowing.
        let [x1, y1, x2, y2] = mark.rect.map(|side| (side.round() as i64).clamp(-1_000_000, 1_000_000));
        if x1 >= x2 || y1 >= y2 {
            continue;
        }
        // The outline straddles the border of the box, so a small object stays visible within it.
        let outer = line / 2;
        let inner = line - outer;
        for y in (y1 - outer).max(0)..(y2 + outer).min(height) {
            let edge_row = y < y1 + inner || y >= y2 - inner;
            for x in (x1 - outer).max(0)..(x2 + outer).min(width) {
                if edge_row || x < x1 + inner || x >= x2 - inner {
                    let at = ((y * width + x) * 3) as usize;
                    if let Some(pixel) = data.get_mut(at..at + 3) {
                        pixel.copy_from_slice(&mark.colour);
                    }
                }
            }
        }
    }
    RgbImage::new(image.width(), image.height(), data)
}

/// A multiple-choice pair as a row of a benchmark in CV-Bench's wording, and its picture with the boxes drawn, as PNG.
///
/// The source is named as our own: such rows are like CV-Bench's and are none of them.
///
/// # Errors
/// [`MarkError`] if the pair is of another type, names objects its scene does not have, or the picture is not the scene's.
pub fn to_cvbench(
    pair: &QaPair,
    scene: &Scene,
    image: &RgbImage,
    idx: i64,
) -> Result<(Sample, Vec<u8>), MarkError> {
    let expected = (scene.image.width, scene.image.height);
    if image.size() != expected {
        return Err(MarkError::Size { found: image.size(), expected });
    }
    let (sample, marks) = cvbench_row(pair, scene, idx)?;
    let bytes = encode_png(&draw_marks(image, &marks)?)?;
    Ok((sample, bytes))
}

/// [`to_cvbench`] without the picture: the row, and the boxes that are to be drawn on it.
///
/// # Errors
/// [`MarkError`] if the pair is of another type or names objects its scene does not have.
pub fn cvbench_row(pair: &QaPair, scene: &Scene, idx: i64) -> Result<(Sample, Vec<Mark>), MarkError> {
    let kind = pair.question.kind;
    let (task, side, folder, needed) = match kind {
        Kind::McCount => (Task::Count, Side::TwoD, "2D/count", 0),
        Kind::McRelation => (Task::Relation, Side::TwoD, "2D/relation", 2),
        Kind::McDepth => (Task::Depth, Side::ThreeD, "3D/depth", 2),
        Kind::McDistance => (Task::Distance, Side::ThreeD, "3D/distance", 3),
        _ => return Err(MarkError::Kind { kind }),
    };
    let objects: Vec<&Object> = pair
        .question
        .objects
        .iter()
        .filter_map(|&id| scene.index_of(id).and_then(|index| scene.objects.get(index)))
        .collect();
    if kind != Kind::McCount && objects.len() != needed {
        return Err(MarkError::Objects { kind, expected: needed, found: objects.len() });
    }
    let options = &pair.question.options;
    let gold = match pair.answer {
        Answer::Option(index) if usize::from(index) < options.len() => usize::from(index),
        _ => return Err(MarkError::Answer { kind, options: options.len() }),
    };
    let (question, marked) = wording(pair, scene, &objects);
    let marks: Vec<Mark> = objects
        .iter()
        .zip(MARK_COLOURS)
        .take(marked)
        .map(|(object, (_, colour))| Mark { object: object.id, colour, rect: object.rect })
        .collect();
    let source = if scene.source.is_rendered() { "Plumbline rendered" } else { "Plumbline lifted" };
    let shown: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut sample = Sample::multiple_choice(&idx.to_string(), &question, &shown, gold);
    sample.idx = idx;
    sample.kind = side;
    sample.task = task;
    sample.filename = format!("img/{folder}/plumbline_{idx}.png");
    source.clone_into(&mut sample.source);
    sample.source_dataset = format!("{source} scenes");
    scene.image.path.clone_into(&mut sample.source_filename);
    if kind == Kind::McCount {
        sample.target_class = Some(pair.question.category.clone());
    }
    sample.boxes = marks.iter().map(|mark| mark.rect).collect();
    Ok((sample, marks))
}

/// The question in CV-Bench's words, and how many of its objects are marked.
fn wording(pair: &QaPair, scene: &Scene, objects: &[&Object]) -> (String, usize) {
    let name = |role: usize| objects.get(role).map_or("object", |object| object.name.as_str());
    match pair.question.kind {
        Kind::McCount => {
            let category = &pair.question.category;
            let plural = scene
                .objects
                .iter()
                .find(|object| object.name == *category)
                .map_or_else(|| format!("{category}s"), |object| object.plural.clone());
            (format!("How many {plural} are in the image?"), 0)
        }
        Kind::McRelation => {
            // CV-Bench adds a box where the name alone would not do, and only to the first object. Ours marks both, always: a
            // question about rendered things then asks where they are and not what they are called.
            let (a, b) = (name(0), name(1));
            let text = format!(
                "Considering the relative positions of the {a} (annotated by the red box) and the {b} (annotated by the blue box) in the image provided, where is the {a} located with respect to the {b}?"
            );
            (text, 2)
        }
        Kind::McDepth => (
            format!(
                "Which object is closer to the camera taking this photo, the {} (highlighted by a red box) or the {} (highlighted by a blue box)?",
                name(0),
                name(1)
            ),
            2,
        ),
        _ => (
            format!(
                "Estimate the real-world distances between objects in this image. Which object is closer to the {} (highlighted by a red box), the {} (highlighted by a blue box) or the {} (highlighted by a green box)?",
                name(0),
                name(1),
                name(2)
            ),
            3,
        ),
    }
}

#[cfg(test)]
mod tests;
