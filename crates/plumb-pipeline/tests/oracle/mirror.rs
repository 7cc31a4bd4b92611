//! The record of a scene in a mirror, and what its answers must be.

use plumb_geometry::Gravity;
use plumb_qa::{Kind, Question, SceneIndex, Side, TruthValue, truth};
use plumb_scene::Scene;

/// Left and right exchanged, in the picture and in space.
pub(crate) fn mirrored(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    scene.camera = scene.camera.flip_horizontal();
    if let Gravity::Known { direction, .. } = &mut scene.gravity {
        direction[0] = -direction[0];
    }
    for (row, axis) in scene.frame.axes.iter_mut().enumerate() {
        for (column, value) in axis.iter_mut().enumerate() {
            if (row == 0) != (column == 0) {
                *value = -*value;
            }
        }
    }
    let width = scene.camera.width as f32;
    for object in &mut scene.objects {
        let [x1, y1, x2, y2] = object.rect;
        object.rect = [width - x2, y1, width - x1, y2];
        object.pixel_centre[0] = width - object.pixel_centre[0];
        object.centre[0] = -object.centre[0];
        object.oriented.centre[0] = -object.oriented.centre[0];
        object.oriented.yaw = -object.oriented.yaw;
        (object.aabb.min[0], object.aabb.max[0]) = (-object.aabb.max[0], -object.aabb.min[0]);
    }
    for pair in &mut scene.pairs {
        pair.point_a[0] = -pair.point_a[0];
        pair.point_b[0] = -pair.point_b[0];
    }
    scene
}

/// What the same question answers in the mirror; `None` where its premise becomes false.
fn expected(question: &Question, answer: TruthValue) -> Option<TruthValue> {
    use TruthValue::{Clock, Count, Object, Option as Choice, Side as Word, YesNo};
    let sideways = question.options.iter().any(|option| option == "left");
    Some(match (question.kind, answer) {
        (Kind::LeftDiff | Kind::RightDiff, _) => return None,
        (Kind::LeftPredicate | Kind::RightPredicate, YesNo(yes)) => YesNo(!yes),
        (Kind::LeftChoice | Kind::RightChoice, Object(at)) => Object(1 - at),
        (Kind::LeftRightClassify, Word(Side::Left)) => Word(Side::Right),
        (Kind::LeftRightClassify, Word(Side::Right)) => Word(Side::Left),
        (Kind::CountLeft, Count(left)) => Count(question.objects.len() as u32 - 1 - left),
        (Kind::ClockDirection, Clock(12)) => Clock(12),
        (Kind::ClockDirection, Clock(hour)) => Clock(12 - hour),
        (Kind::McRelation, Choice(at)) if sideways => Choice(1 - at),
        (_, same) => same,
    })
}

fn alike(a: TruthValue, b: TruthValue) -> bool {
    match (a, b) {
        (TruthValue::Length(a), TruthValue::Length(b)) => (a.value - b.value).abs() < 1e-9,
        _ => a == b,
    }
}

/// Compares a question's truth in the scene and in its mirror.
pub(crate) fn check(
    index: &SceneIndex<'_>,
    mirror: &SceneIndex<'_>,
    question: &Question,
) -> Result<(), String> {
    let here = truth(index, question).map_err(|reject| format!("no truth: {reject}"))?.answer;
    let mut turned = question.clone();
    // Counted from the left is counted from the right in the mirror.
    if question.kind == Kind::OrdinalLeft {
        turned.rank = question.objects.len() as u8 + 1 - question.rank;
    }
    let there = truth(mirror, &turned).map(|truth| truth.answer);
    let right = match (expected(question, here), &there) {
        (Some(wanted), Ok(there)) => alike(wanted, *there),
        (None, Err(_)) => {
            turned.kind = if question.kind == Kind::LeftDiff { Kind::RightDiff } else { Kind::LeftDiff };
            truth(mirror, &turned).is_ok_and(|other| alike(other.answer, here))
        }
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("mirror: {here:?} became {there:?}")) }
}
