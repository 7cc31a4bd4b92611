//! What the scene of a picture says about the marked objects, to stand beside what the model says.

use plumb_scene::Scene;

use super::marks::{Mark, Shape, letter};

/// Something measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    pub(crate) text: String,
    /// Metres, and the standard deviation; none where the scene has no metres or it is no length.
    pub(crate) metres: Option<(f64, f64)>,
    /// Whether it is what a question about exactly these marks asks for: the distance of two.
    pub(crate) chief: bool,
}

fn area(rect: [f32; 4]) -> f32 {
    (rect[2] - rect[0]).max(0.0) * (rect[3] - rect[1]).max(0.0)
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let cut = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - cut;
    if union > 0.0 { cut / union } else { 0.0 }
}

/// The object that a mark means: that whose box covers most of the same pixels, else the smallest whose box has the mark's
/// centre.
pub(crate) fn object(scene: &Scene, shape: Shape) -> Option<usize> {
    if let Shape::Box(rect) = shape {
        let shared = scene.objects.iter().map(|object| overlap(object.rect, rect)).enumerate();
        let best = shared.max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((index, share)) = best
            && share >= 0.3
        {
            return Some(index);
        }
    }
    let [x, y] = shape.centre();
    let within = |rect: [f32; 4]| rect[0] <= x && x < rect[2] && rect[1] <= y && y < rect[3];
    let hit = scene.objects.iter().enumerate().filter(|(_, object)| within(object.rect));
    hit.min_by(|a, b| area(a.1.rect).total_cmp(&area(b.1.rect))).map(|(index, _)| index)
}

/// What is known of the marks; empty where no mark means an object.
pub(crate) fn facts(scene: &Scene, marks: &[Mark]) -> Vec<Fact> {
    let found: Vec<Option<usize>> = marks.iter().map(|mark| object(scene, mark.shape)).collect();
    let mut facts = Vec::new();
    for (i, index) in found.iter().enumerate() {
        let Some(object) = index.and_then(|index| scene.objects.get(index)) else {
            facts.push(Fact {
                text: format!("{}: no object of the scene", letter(i)),
                metres: None,
                chief: false,
            });
            continue;
        };
        let text = format!("{} is the {}, from the camera", letter(i), object.name);
        let depth = object.depth;
        let metres = scene.metric.then(|| (depth.median, sigma(scene, depth.median, depth.sigma)));
        facts.push(Fact { text, metres, chief: marks.len() == 1 });
    }
    for (i, a) in found.iter().enumerate() {
        for (j, b) in found.iter().enumerate().skip(i + 1) {
            let (Some(a), Some(b)) = (*a, *b) else { continue };
            let text = format!("{} to {}", letter(i), letter(j));
            if a == b {
                let text = format!("{text}: both are the same object");
                facts.push(Fact { text, metres: None, chief: false });
            } else if let Some(pair) = scene.pair(a, b) {
                let distance = pair.distance;
                let metres = (distance.value, sigma(scene, distance.value, distance.sigma));
                facts.push(Fact { text, metres: scene.metric.then_some(metres), chief: marks.len() == 2 });
            }
        }
    }
    facts
}

/// The deviation of a length with that of scale, which all lengths of a scene have in common.
fn sigma(scene: &Scene, value: f64, own: f64) -> f64 {
    own.hypot(scene.scale_sigma * value)
}

/// A length with the digits that its deviation allows.
pub(crate) fn length(metres: f64, sigma: f64) -> String {
    if !metres.is_finite() {
        return "unknown".to_owned();
    }
    let digits =
        if sigma > 0.0 && sigma.is_finite() { (-sigma.log10().floor()).clamp(0.0, 2.0) as usize } else { 2 };
    if sigma >= 0.005 && sigma.is_finite() {
        format!("{metres:.digits$} m ± {sigma:.digits$} m")
    } else {
        format!("{metres:.digits$} m")
    }
}

/// How an answer in metres stands to what was measured.
pub(crate) fn against(answer: f64, tolerance: f64, measured: f64, sigma: f64) -> String {
    let off = (answer - measured).abs();
    if off <= tolerance + 2.0 * sigma + 1e-9 {
        return "agrees with the scene".to_owned();
    }
    if measured < 0.01 {
        return "the scene has them touching".to_owned();
    }
    let share = 100.0 * off / measured;
    let word = if answer > measured { "more" } else { "less" };
    if share < 1000.0 {
        format!("{share:.0} % {word} than the scene has")
    } else {
        "many times more than the scene has".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_scene::scene::Scene;

    fn scene() -> Option<Scene> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/scenes/scenes/000001.json");
        match std::fs::read_to_string(file) {
            Ok(text) => Some(serde_json::from_str(&text).unwrap()),
            Err(error) => {
                println!("no demo scene: {error}");
                None
            }
        }
    }

    #[test]
    fn marks_find_their_objects_and_the_distance_is_the_scenes() {
        let Some(scene) = scene() else { return };
        let mark = |shape| Mark { shape, name: None };
        let (sofa, cabinet) =
            (mark(Shape::Box(scene.objects[0].rect)), mark(Shape::Box(scene.objects[1].rect)));
        assert_eq!((object(&scene, sofa.shape), object(&scene, cabinet.shape)), (Some(0), Some(1)));
        let facts = facts(&scene, &[sofa.clone(), cabinet]);
        let chief: Vec<_> = facts.iter().filter(|fact| fact.chief).collect();
        assert_eq!(chief.len(), 1);
        assert_eq!(chief[0].metres.unwrap().0, scene.pair(0, 1).unwrap().distance.value);
        let same = super::facts(&scene, &[sofa.clone(), sofa]);
        assert!(same.iter().any(|fact| fact.text.contains("same object")));
        assert_eq!(object(&scene, Shape::Point([-5.0, f32::NAN])), None);
        assert_eq!(super::facts(&scene, &[]), []);
    }

    #[test]
    fn a_point_takes_the_smallest_object() {
        let Some(mut scene) = scene() else { return };
        scene.objects[0].rect = [0.0, 0.0, 100.0, 100.0];
        scene.objects[1].rect = [40.0, 40.0, 60.0, 60.0];
        scene.objects.truncate(2);
        assert_eq!(object(&scene, Shape::Point([50.0, 50.0])), Some(1));
        assert_eq!(object(&scene, Shape::Point([10.0, 50.0])), Some(0));
        assert_eq!(object(&scene, Shape::Box([48.0, 48.0, 52.0, 52.0])), Some(1));
    }

    #[test]
    fn lengths_have_the_digits_that_they_deserve() {
        assert_eq!(length(1.0359, 0.0), "1.04 m");
        assert_eq!(length(2.4371, 0.08), "2.44 m ± 0.08 m");
        assert_eq!(length(2.4371, 0.2), "2.4 m ± 0.2 m");
        assert_eq!(length(24.3, 3.0), "24 m ± 3 m");
        assert_eq!(length(f64::NAN, 0.1), "unknown");
    }

    #[test]
    fn an_answer_is_held_to_the_scene() {
        assert!(against(1.0, 0.05, 1.04, 0.0).contains("agrees"));
        assert_eq!(against(2.0, 0.1, 1.0, 0.01), "100 % more than the scene has");
        assert_eq!(against(0.5, 0.0, 1.0, 0.0), "50 % less than the scene has");
        assert!(against(5.0, 0.0, 0.0, 0.0).contains("touching"));
    }
}
