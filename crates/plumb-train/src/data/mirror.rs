//! A scene and its questions in a mirror: left and right exchanged in space, and every answer computed anew.
//!
//! Training specification, augmentation rules: x → −x in space, `x → W−1−x` for pixel centres (`W−x` from the picture's corner, as scenes
//! count), hours `h → (12−h) mod 12`, azimuths negated. Depths, distances, heights and counts stay. The words are made again from the
//! templates; nothing is exchanged in a text.

use plumb_geometry::Gravity;
use plumb_qa::evaluate::truth;
use plumb_qa::{
    Answer, Case, Kind, LengthStyle, Mark, Mention, MentionOptions, Mentions, QaPair, Question, Reference,
    ReferenceMode, SceneIndex, Templates, TruthValue, check_pair, render_chain, render_texts,
};
use plumb_scene::Scene;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::words::mirrorable_name;

/// How often a way of naming is looked for by drawing. The rarest of ten ways is drawn once in forty times.
const DRAWS: u64 = 512;

/// What words are made with.
#[derive(Clone, Copy, Debug)]
pub struct Wording<'a> {
    pub templates: &'a Templates,
    pub lengths: &'a LengthStyle,
    pub mentions: &'a MentionOptions,
}

/// The scene as its camera would see it in a mirror. Its id stays, because it seeds the choice of words; the hash of its image is no
/// longer that of the picture. Applied twice it gives the scene back, but for the last bit of fractional pixels.
#[must_use]
pub fn mirror_scene(scene: &Scene) -> Scene {
    let mut out = scene.clone();
    let width = f64::from(scene.image.width);
    // Not -x: a zero with a sign sorts before one without.
    let turn = |x: f64| 0.0 - x;
    let pixel = |x: f32| (width - f64::from(x)) as f32;
    out.camera.cx = f64::from(scene.camera.width) - scene.camera.cx;
    if let Gravity::Known { direction, .. } = &mut out.gravity {
        direction[0] = turn(direction[0]);
    }
    let [right, forward, up] = scene.frame.axes;
    out.frame.axes = [
        [right[0], turn(right[1]), turn(right[2])],
        [turn(forward[0]), forward[1], forward[2]],
        [turn(up[0]), up[1], up[2]],
    ];
    for object in &mut out.objects {
        let [x1, y1, x2, y2] = object.rect;
        object.rect = [pixel(x2), y1, pixel(x1), y2];
        object.pixel_centre[0] = pixel(object.pixel_centre[0]);
        object.centre[0] = turn(object.centre[0]);
        let aabb = &mut object.aabb;
        (aabb.min[0], aabb.max[0]) = (turn(aabb.max[0]), turn(aabb.min[0]));
        (aabb.sigma_min[0], aabb.sigma_max[0]) = (aabb.sigma_max[0], aabb.sigma_min[0]);
        object.oriented.centre[0] = turn(object.oriented.centre[0]);
        // A quarter turn is its own mirror image: the range of yaw is open at its other end.
        if object.oriented.yaw < std::f64::consts::FRAC_PI_2 {
            object.oriented.yaw = turn(object.oriented.yaw);
        }
    }
    for pair in &mut out.pairs {
        pair.point_a[0] = turn(pair.point_a[0]);
        pair.point_b[0] = turn(pair.point_b[0]);
    }
    out
}

/// Boxes in a mirror, for a picture of this width.
#[must_use]
pub fn mirror_marks(marks: &[Mark], width: u32) -> Vec<Mark> {
    let pixel = |x: f32| (f64::from(width) - f64::from(x)) as f32;
    marks
        .iter()
        .map(|mark| {
            let [x1, y1, x2, y2] = mark.rect;
            Mark { rect: [pixel(x2), y1, pixel(x1), y2], ..*mark }
        })
        .collect()
}

/// The type that asks the same with left and right exchanged.
#[must_use]
pub const fn mirror_kind(kind: Kind) -> Kind {
    match kind {
        Kind::LeftPredicate => Kind::RightPredicate,
        Kind::RightPredicate => Kind::LeftPredicate,
        Kind::LeftChoice => Kind::RightChoice,
        Kind::RightChoice => Kind::LeftChoice,
        Kind::LeftDiff => Kind::RightDiff,
        Kind::RightDiff => Kind::LeftDiff,
        // Ordinals and counts "from the left" have no type for the right: they are asked again, and answered anew.
        other => other,
    }
}

/// The question with left and right exchanged in type and options.
#[must_use]
pub fn mirror_question(question: &Question) -> Question {
    let mut out = question.clone();
    out.kind = mirror_kind(question.kind);
    if question.kind == Kind::McRelation {
        for option in &mut out.options {
            let other = match option.as_str() {
                "left" => "right",
                "right" => "left",
                "Left" => "Right",
                "Right" => "Left",
                _ => continue,
            };
            other.clone_into(option);
        }
    }
    out
}

/// A record in the mirror: the question mirrored, the answer computed from `mirrored` ([`mirror_scene`] of `scene`), the words made again.
///
/// # Errors
/// Why the record cannot be mirrored: its words are not those of these templates, a name is handed or says a side, or the mirrored
/// scene decides nothing.
pub fn mirror_pair(
    pair: &QaPair,
    scene: &Scene,
    mirrored: &Scene,
    wording: &Wording<'_>,
) -> Result<QaPair, String> {
    for object in &scene.objects {
        mirrorable_name(&object.name)?;
    }
    own_words(pair, wording)?;
    let mut out = pair.clone();
    out.question = mirror_question(&pair.question);
    out.marks = mirror_marks(&pair.marks, scene.image.width);
    let (before, after) = (Mentions::new(scene, wording.mentions), Mentions::new(mirrored, wording.mentions));
    for (role, mention) in out.mentions.iter_mut().enumerate() {
        *mention = mirror_mention(mention, role, scene, (&before, &after))?;
    }
    answer_again(&mut out, &SceneIndex::new(mirrored), wording)?;
    Ok(out)
}

/// Whether the words of a record are those that these templates make: else they cannot be made again.
pub(super) fn own_words(pair: &QaPair, wording: &Wording<'_>) -> Result<(), String> {
    let made = render_texts(wording.templates, pair);
    let same =
        made.is_some_and(|(question, answer)| question == pair.question_text && answer == pair.answer_text);
    if !same {
        return Err("its words were made with other templates".to_owned());
    }
    if !pair.steps.is_empty() && render_chain(wording.templates, pair, wording.lengths) != pair.steps {
        return Err("its steps were made with other templates or lengths".to_owned());
    }
    Ok(())
}

/// Answers the question of a record from a scene and makes its words again.
pub(super) fn answer_again(
    pair: &mut QaPair,
    index: &SceneIndex<'_>,
    wording: &Wording<'_>,
) -> Result<(), String> {
    let found = truth(index, &pair.question).map_err(|reject| format!("the changed scene says: {reject}"))?;
    pair.answer = match (found.answer, &pair.answer) {
        // Said as before: a length does not change, and how it was rounded is not for us to draw again.
        (TruthValue::Length(length), Answer::Length(said))
            if (length.value - said.value_m).abs() <= 1e-6 * length.value.abs().max(1e-3) =>
        {
            Answer::Length(said.clone())
        }
        (TruthValue::Length(length), _) => {
            return Err(format!("a length became {} m", length.value));
        }
        (TruthValue::YesNo(yes), _) => Answer::YesNo(yes),
        (TruthValue::Object(role), _) => Answer::Object(role),
        (TruthValue::Side(side), _) => Answer::Side(side),
        (TruthValue::Count(count), _) => Answer::Count(count),
        (TruthValue::Clock(hour), _) => Answer::Clock(hour),
        (TruthValue::Option(option), _) => Answer::Option(option),
    };
    pair.proof = found.proof;
    let kind = pair.question.kind;
    let templates = wording.templates;
    if usize::from(pair.question_template) >= templates.question_count(kind)
        || usize::from(pair.answer_template) >= templates.answer_count(kind, Case::of(&pair.answer))
    {
        return Err(format!("{kind} has no template of that number"));
    }
    (pair.question_text, pair.answer_text) =
        render_texts(templates, pair).ok_or("its words cannot be made again")?;
    let chained = !pair.steps.is_empty();
    if chained {
        pair.steps = render_chain(templates, pair, wording.lengths);
    }
    if chained && pair.steps.is_empty() {
        return Err("its steps cannot be made again".to_owned());
    }
    let verdict = check_pair(index, pair);
    if verdict.correct == Some(true) { Ok(()) } else { Err(verdict.reason) }
}

/// How the same thing is named in the mirror. Ordinals are made by [`Mentions`] again: for the same random numbers the mirrored scene
/// takes the way that the scene takes, since both have the same ways in the same order.
fn mirror_mention(
    mention: &Mention,
    role: usize,
    scene: &Scene,
    (before, after): (&Mentions, &Mentions),
) -> Result<Mention, String> {
    if mention.by != Reference::Ordinal {
        mirrorable_name(&mention.text)?;
        return Ok(mention.clone());
    }
    let fail = || format!("`{}` cannot be said of the mirrored scene", mention.text);
    let at = scene.index_of(mention.object).ok_or_else(fail)?;
    let sideways = |text: &str| mirrorable_name(text).is_err();
    for draw in 0..DRAWS {
        let say = |mentions: &Mentions| {
            let mut rng = ChaCha8Rng::seed_from_u64(draw);
            mentions.mention(at, role, ReferenceMode::Text, plumb_qa::Avoid::default(), &mut rng)
        };
        if say(before).as_ref() != Some(mention) {
            continue;
        }
        let other = say(after).ok_or_else(fail)?;
        let sound = other.by == mention.by
            && sideways(&other.text) == sideways(&mention.text)
            && (sideways(&mention.text) || other.text == mention.text);
        return if sound { Ok(other) } else { Err(fail()) };
    }
    Err(fail())
}

/// Whether a record's text may change with a count.
pub(super) const fn counts(kind: Kind) -> bool {
    matches!(kind, Kind::Count | Kind::McCount)
}
