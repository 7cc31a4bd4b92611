//! Ordinals along the axis of largest spread (RefSpatial's rule, RoboRefer appendix): "the second chair from the left".

use plumb_scene::{Object, Scene};

use super::unique::Vocabulary;
use super::{MentionOptions, OrdinalAxis, Way};
use crate::pair::Reference;

const WORDS: [&str; 10] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

/// Adds the ordinals of object `index` among those of its name, the axis of larger spread first.
///
/// An ordinal needs only this object's own rank to be sure: the leftmost chair is the leftmost whichever of the others is second.
pub(super) fn ways(
    scene: &Scene,
    vocabulary: &Vocabulary,
    index: usize,
    options: &MentionOptions,
    ways: &mut Vec<Way>,
) {
    let Some(noun) = vocabulary.noun(index) else { return };
    if !vocabulary.is(index, noun) {
        return;
    }
    let group: Vec<usize> =
        (0..scene.objects.len()).filter(|&other| vocabulary.may_be(other, noun)).collect();
    if !(2..=options.max_group.min(WORDS.len())).contains(&group.len()) {
        return;
    }
    // Whoever counts must see each of them and call each by that name.
    let countable =
        |&other: &usize| vocabulary.is(other, noun) && scene.objects[other].pixels >= options.min_pixels;
    if !group.iter().all(countable) {
        return;
    }
    let spread = |of: fn(&Object) -> f64| {
        let mean = group.iter().map(|&i| of(&scene.objects[i])).sum::<f64>() / group.len() as f64;
        group.iter().map(|&i| (of(&scene.objects[i]) - mean).powi(2)).sum::<f64>()
    };
    let wide = spread(|object| object.centre[0]) >= spread(|object| object.depth.median);
    let axes = [OrdinalAxis::Lateral, OrdinalAxis::Depth];
    for axis in if wide { axes } else { [axes[1], axes[0]] } {
        let Some(rank) = rank(scene, &group, index, axis, options) else { continue };
        let text = match axis {
            OrdinalAxis::Lateral => from_left(noun, rank, group.len()),
            OrdinalAxis::Depth => from_camera(noun, rank, group.len()),
        };
        ways.push(Way { by: Reference::Ordinal, axis: Some(axis), text });
    }
}

/// How many of the group come before the object, if each of the others is surely before or after it.
fn rank(
    scene: &Scene,
    group: &[usize],
    index: usize,
    axis: OrdinalAxis,
    options: &MentionOptions,
) -> Option<usize> {
    let own = &scene.objects[index];
    let mut before = 0;
    for &other in group.iter().filter(|&&other| other != index) {
        let other = &scene.objects[other];
        let sure = match axis {
            OrdinalAxis::Lateral => left_of(scene, other, own, options),
            OrdinalAxis::Depth => nearer(scene, other, own, options),
        }?;
        before += usize::from(sure);
    }
    Some(before)
}

/// Whether `a` is left of `b`; `None` if picture and space disagree or they are too close to tell.
fn left_of(scene: &Scene, a: &Object, b: &Object, options: &MentionOptions) -> Option<bool> {
    let picture = f64::from(b.pixel_centre[0]) - f64::from(a.pixel_centre[0]);
    let space = b.centre[0] - a.centre[0];
    let margin = options.sigmas * a.centre_sigma[0].hypot(b.centre_sigma[0]);
    let clear = picture.abs() >= options.picture_share * f64::from(scene.image.width) && space.abs() > margin;
    (clear && (picture > 0.0) == (space > 0.0)).then_some(space > 0.0)
}

/// Whether `a` is nearer to the camera than `b`, by their nearest surfaces, their middles and their straight distances alike.
fn nearer(scene: &Scene, a: &Object, b: &Object, options: &MentionOptions) -> Option<bool> {
    let straight = |object: &Object| {
        let [x, y, z] = object.centre;
        (x * x + y * y + (z - scene.frame.camera_height).powi(2)).sqrt()
    };
    let gaps = [b.depth.near - a.depth.near, b.depth.median - a.depth.median, straight(b) - straight(a)];
    let margin = (options.sigmas * a.depth.sigma.hypot(b.depth.sigma))
        .max(options.depth_share * a.depth.near.min(b.depth.near));
    if gaps.iter().all(|&gap| gap > margin) {
        Some(true)
    } else if gaps.iter().all(|&gap| gap < -margin) {
        Some(false)
    } else {
        None
    }
}

fn from_left(noun: &str, rank: usize, of: usize) -> String {
    match (rank, of) {
        (0, 2) => format!("the {noun} on the left"),
        (1, 2) => format!("the {noun} on the right"),
        (0, _) => format!("the leftmost {noun}"),
        _ if rank + 1 == of => format!("the rightmost {noun}"),
        // From whichever side there are fewer to count.
        _ if 2 * rank < of => format!("the {} {noun} from the left", WORDS[rank]),
        _ => format!("the {} {noun} from the right", WORDS[of - 1 - rank]),
    }
}

fn from_camera(noun: &str, rank: usize, of: usize) -> String {
    match rank {
        0 => format!("the {noun} closest to the camera"),
        _ if rank + 1 == of => format!("the {noun} farthest from the camera"),
        _ => format!("the {} closest {noun} to the camera", WORDS[rank]),
    }
}
