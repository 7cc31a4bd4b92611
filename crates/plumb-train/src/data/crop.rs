//! A part of a picture, with its camera, its objects and its answers.
//!
//! Training specification, augmentation rules: `cx −= x0, cy −= y0`, focal lengths in pixels unchanged; objects of which less than 60 % is
//! left are dropped; counts are computed anew. What is asked about must be wholly inside, so that nothing that was measured of it
//! changes: without the mask, the new middle and depth of a cut object are not known.

use plumb_qa::evaluate::truth;
use plumb_qa::{Avoid, Mark, Mentions, QaPair, Reference, ReferenceMode, SceneIndex};
use plumb_scene::Scene;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::mirror::{Wording, answer_again, counts, own_words};

/// Share of its box that an object must keep.
pub const LEAST_SHARE: f64 = 0.6;
/// Sides below this show too little to ask about.
const LEAST_SIDE: u32 = 32;
/// Windows tried for a sample. Most fail because what is asked about is cut.
const WINDOWS: usize = 12;
const DRAWS: u64 = 512;

/// How to crop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CropOptions {
    /// How often a sample that can be cropped is, 0 to 1.
    pub probability: f64,
    /// Least side of the window as a share of the picture's, 0 to 1.
    pub least: f64,
}

impl Default for CropOptions {
    fn default() -> Self {
        Self { probability: 0.0, least: 0.6 }
    }
}

/// A scene seen through a window, and what is left of objects that were dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Cropped {
    pub scene: Scene,
    /// Names of the dropped objects of which a part is still seen: nothing may be said that they could be meant by.
    pub fragments: Vec<String>,
}

/// A window of the picture's shape, at random.
fn window(scene: &Scene, least: f64, rng: &mut ChaCha8Rng) -> Option<[u32; 4]> {
    let (width, height) = (scene.image.width, scene.image.height);
    let share = rng.random_range(least.clamp(0.05, 1.0)..=1.0);
    let side = |full: u32| ((f64::from(full) * share).round() as u32).clamp(1, full.max(1));
    let (w, h) = (side(width), side(height));
    let x = rng.random_range(0..=width.saturating_sub(w));
    let y = rng.random_range(0..=height.saturating_sub(h));
    (w >= LEAST_SIDE && h >= LEAST_SIDE).then_some([x, y, w, h])
}

/// A scene seen through the window `[x, y, width, height]` of its picture. The scene frame and everything in it stay.
///
/// # Errors
/// For a window that reaches outside or a camera that cannot look so far aside.
pub fn crop_scene(scene: &Scene, [x, y, width, height]: [u32; 4]) -> Result<Cropped, String> {
    let inside =
        |from: u32, size: u32, full: u32| size > 0 && from.checked_add(size).is_some_and(|end| end <= full);
    if !inside(x, width, scene.image.width) || !inside(y, height, scene.image.height) {
        return Err(format!("the window {x}, {y}, {width}, {height} reaches outside of the picture"));
    }
    if (scene.camera.width, scene.camera.height) != (scene.image.width, scene.image.height) {
        return Err("the camera is of another picture".to_owned());
    }
    let mut out = scene.clone();
    (out.camera.width, out.camera.height) = (width, height);
    (out.image.width, out.image.height) = (width, height);
    out.camera.cx -= f64::from(x);
    out.camera.cy -= f64::from(y);
    out.camera.check().map_err(|e| e.to_string())?;
    let mut fragments = Vec::new();
    // The new number of each object that stays.
    let mut numbers = vec![None; scene.objects.len()];
    out.objects.clear();
    for (number, object) in numbers.iter_mut().zip(&scene.objects) {
        let cut = shifted(object.rect, [x, y, width, height]);
        let share = share(object.rect, cut);
        if share < LEAST_SHARE {
            if share > 0.0 {
                fragments.push(object.name.clone());
            }
            continue;
        }
        let mut kept = object.clone();
        kept.rect = cut;
        kept.pixel_centre = [
            (object.pixel_centre[0] - x as f32).clamp(cut[0], cut[2].max(cut[0])),
            (object.pixel_centre[1] - y as f32).clamp(cut[1], cut[3].max(cut[1])),
        ];
        if share < 1.0 {
            kept.pixels = (f64::from(object.pixels) * share) as u32;
            kept.flags.truncated = true;
        }
        *number = u32::try_from(out.objects.len()).ok();
        out.objects.push(kept);
    }
    let number = |at: u32| numbers.get(at as usize).copied().flatten();
    // Objects keep their order, so pairs keep theirs.
    out.pairs = scene
        .pairs
        .iter()
        .filter_map(|pair| {
            let mut pair = *pair;
            (pair.a, pair.b) = (number(pair.a)?, number(pair.b)?);
            Some(pair)
        })
        .collect();
    Ok(Cropped { scene: out, fragments })
}

/// A box in the window's pixels, cut at its border.
fn shifted(rect: [f32; 4], [x, y, width, height]: [u32; 4]) -> [f32; 4] {
    let (w, h) = (width as f32, height as f32);
    let across = |v: f32| (v - x as f32).clamp(0.0, w);
    let down = |v: f32| (v - y as f32).clamp(0.0, h);
    [across(rect[0]), down(rect[1]), across(rect[2]), down(rect[3])]
}

/// How much of a box is left; 0 for a box that is none.
fn share(whole: [f32; 4], cut: [f32; 4]) -> f64 {
    let area = |[x1, y1, x2, y2]: [f32; 4]| f64::from(x2 - x1).max(0.0) * f64::from(y2 - y1).max(0.0);
    let share = area(cut) / area(whole);
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

/// A record seen through a window.
///
/// # Errors
/// Why it cannot be asked there: something asked about is cut, a name means more or fewer things, or the answer is not decided.
pub fn crop_pair(
    pair: &QaPair,
    scene: &Scene,
    cropped: &Cropped,
    window: [u32; 4],
    wording: &Wording<'_>,
) -> Result<QaPair, String> {
    own_words(pair, wording)?;
    let kind = pair.question.kind;
    for id in &pair.question.objects {
        let whole = scene.index_of(*id).and_then(|at| scene.objects.get(at)).is_some_and(|object| {
            let cut = shifted(object.rect, window);
            cropped.scene.index_of(*id).is_some() && share(object.rect, cut) >= 1.0
        });
        if !whole && !counts(kind) {
            return Err(format!("object {id} is cut"));
        }
    }
    let mut out = pair.clone();
    if counts(kind) {
        // The record lists those that are counted.
        out.question.objects.retain(|id| cropped.scene.index_of(*id).is_some());
        out.mentions.retain(|mention| cropped.scene.index_of(mention.object).is_some());
        if may_be_meant(&pair.question.category, &cropped.fragments) {
            return Err("a part of one that would be counted is seen".to_owned());
        }
    } else {
        still_named(&out, scene, cropped, wording)?;
    }
    out.marks = pair.marks.iter().map(|mark| Mark { rect: shifted(mark.rect, window), ..*mark }).collect();
    let index = SceneIndex::new(&cropped.scene);
    let before = pair.answer.clone();
    answer_again(&mut out, &index, wording)?;
    if !counts(kind) && out.answer != before {
        // What lies between two things, or above them, may be outside of the window and is there all the same.
        return Err("the answer depends on what is outside of the window".to_owned());
    }
    Ok(out)
}

/// Whether somebody who hears a name may think of one of these things.
fn may_be_meant(name: &str, others: &[String]) -> bool {
    others.iter().any(|other| other.ends_with(name) || name.ends_with(other.as_str()))
}

/// Whether every mention means its object, and it alone, in the window too.
fn still_named(pair: &QaPair, scene: &Scene, cropped: &Cropped, wording: &Wording<'_>) -> Result<(), String> {
    let mentions = Mentions::new(&cropped.scene, wording.mentions);
    for (role, mention) in pair.mentions.iter().enumerate() {
        let name = scene
            .index_of(mention.object)
            .and_then(|at| scene.objects.get(at))
            .map_or("", |object| object.name.as_str());
        if matches!(mention.by, Reference::Mark | Reference::Region) {
            continue;
        }
        if may_be_meant(name, &cropped.fragments) {
            return Err(format!("a part of another {name} is seen"));
        }
        let at = cropped.scene.index_of(mention.object).ok_or("an object is cut")?;
        let said = (0..DRAWS).any(|draw| {
            let mut rng = ChaCha8Rng::seed_from_u64(draw);
            let found = mentions.mention(at, role, ReferenceMode::Text, Avoid::default(), &mut rng);
            found.is_some_and(|found| found.text == mention.text)
        });
        if !said {
            return Err(format!("`{}` is not how it is named in the window", mention.text));
        }
    }
    Ok(())
}

/// A window in which the record can be asked, with what it shows; `None` where a few tries found none.
pub(super) fn find(
    pair: &QaPair,
    scene: &Scene,
    options: &CropOptions,
    wording: &Wording<'_>,
    rng: &mut ChaCha8Rng,
) -> Option<([u32; 4], Scene, QaPair)> {
    // What the whole picture does not decide is not asked of a part of it.
    let whole = SceneIndex::new(scene);
    truth(&whole, &pair.question).ok()?;
    (0..WINDOWS).find_map(|_| {
        let window = window(scene, options.least, rng)?;
        let cropped = crop_scene(scene, window).ok()?;
        let pair = crop_pair(pair, scene, &cropped, window, wording).ok()?;
        Some((window, cropped.scene, pair))
    })
}
