//! What the person points at: points and boxes, named by letters in the question and by colours in the picture.

use plumb_qa::MARK_COLOURS;
use serde::{Deserialize, Serialize};

/// Most marks: as many as there are colours for them.
pub(crate) const MOST: usize = MARK_COLOURS.len();

/// Where a mark is, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    Point([f32; 2]),
    /// x1, y1, x2, y2 with x1 < x2 and y1 < y2.
    Box([f32; 4]),
}

/// One mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) shape: Shape,
    /// What is there, where a scene says it.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

impl Shape {
    /// The box between two corners, cut to the picture; `None` where nothing of it is left.
    pub(crate) fn between(a: [f32; 2], b: [f32; 2], size: [u32; 2]) -> Option<Self> {
        let [width, height] = size.map(|side| side as f32);
        let x = [a[0].min(b[0]).clamp(0.0, width), a[0].max(b[0]).clamp(0.0, width)];
        let y = [a[1].min(b[1]).clamp(0.0, height), a[1].max(b[1]).clamp(0.0, height)];
        // `clamp` lets a NaN through.
        let whole = x[1] - x[0] >= 2.0 && y[1] - y[0] >= 2.0;
        whole.then_some(Self::Box([x[0], y[0], x[1], y[1]]))
    }

    pub(crate) fn centre(self) -> [f32; 2] {
        match self {
            Self::Point(at) => at,
            Self::Box([x1, y1, x2, y2]) => [f32::midpoint(x1, x2), f32::midpoint(y1, y2)],
        }
    }

    /// The word for what is drawn.
    fn word(self) -> &'static str {
        match self {
            Self::Point(_) => "dot",
            Self::Box(_) => "box",
        }
    }
}

/// `A` for the first mark.
pub(crate) fn letter(index: usize) -> char {
    char::from(b'A' + u8::try_from(index % 26).unwrap_or(0))
}

/// The colour of a mark in the picture that is sent, by its name and as red, green, blue.
pub(crate) fn colour(index: usize) -> (&'static str, [u8; 3]) {
    MARK_COLOURS[index % MOST]
}

impl Mark {
    /// How a question names it: "the chair (highlighted by a red box)", "the object in the red box", "the object at the red dot".
    pub(crate) fn phrase(&self, index: usize) -> String {
        let (colour, word) = (colour(index).0, self.shape.word());
        match (&self.name, self.shape) {
            // CV-Bench's words.
            (Some(name), _) => format!("the {name} (highlighted by {} {colour} {word})", article(colour)),
            (None, Shape::Box(_)) => format!("the object in the {colour} {word}"),
            (None, Shape::Point(_)) => format!("the object at the {colour} {word}"),
        }
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The question with `[A]`, `[B]` … replaced by what they stand for. Where marks are there and the question uses none of them
/// so, it is told first which is which.
pub(crate) fn expand(question: &str, marks: &[Mark]) -> String {
    let mut out = question.trim().to_owned();
    let mut used = false;
    for (i, mark) in marks.iter().enumerate() {
        let token = format!("[{}]", letter(i));
        used |= out.contains(&token);
        out = out.replace(&token, &mark.phrase(i));
    }
    if used || marks.is_empty() {
        return out;
    }
    let all: Vec<String> =
        marks.iter().enumerate().map(|(i, mark)| format!("{} is {}", letter(i), mark.phrase(i))).collect();
    format!("In this image, {}. {out}", listed(&all))
}

/// `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What is wrong with a question that names marks which are not there.
pub(crate) fn problem(question: &str, marks: usize) -> Option<String> {
    (marks..26).map(letter).find(|letter| question.contains(&format!("[{letter}]"))).map(|letter| {
        format!(
            "[{letter}] stands for a mark that is not in the picture: click an object or drag a box around it"
        )
    })
}

/// Questions that suit the marks there are.
pub(crate) fn suggestions(marks: usize) -> &'static [&'static str] {
    match marks {
        0 => &["What is in this image?", "How many chairs are in the image?"],
        1 => &["What is [A]?", "How far is [A] from the camera?", "How tall is [A]?"],
        2 => &[
            "How far apart are [A] and [B]?",
            "Which is closer to the camera, [A] or [B]?",
            "Is [A] to the left or to the right of [B]?",
        ],
        _ => &["Which object is closer to [A], [B] or [C]?", "How far apart are [A] and [B]?"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Vec<Mark> {
        vec![
            Mark { shape: Shape::Box([0.0, 0.0, 9.0, 9.0]), name: Some("chair".to_owned()) },
            Mark { shape: Shape::Box([1.0, 1.0, 5.0, 5.0]), name: None },
            Mark { shape: Shape::Point([1.0, 1.0]), name: None },
        ]
    }

    #[test]
    fn letters_become_phrases() {
        let marks = marks();
        assert_eq!(
            expand("How far is [A] from [B]? And [C], [A]?", &marks),
            "How far is the chair (highlighted by a red box) from the object in the blue box? And the object at the green \
             dot, the chair (highlighted by a red box)?"
        );
        assert_eq!(
            expand("Which is nearer?", &marks[..2]),
            "In this image, A is the chair (highlighted by a red box) and B is the object in the blue box. Which is nearer?"
        );
        assert_eq!(expand(" Hm? ", &[]), "Hm?");
    }

    #[test]
    fn a_mark_that_is_not_there_is_said() {
        assert_eq!(problem("[A] and [B]", 2), None);
        assert!(problem("[A] and [C]", 2).unwrap().contains("[C]"));
        assert!(problem("[A]", 0).is_some());
        assert_eq!(problem("[AB] []", 0), None);
    }

    #[test]
    fn boxes_are_within_the_picture() {
        let size = [100, 50];
        assert_eq!(
            Shape::between([120.0, -5.0], [90.0, 60.0], size),
            Some(Shape::Box([90.0, 0.0, 100.0, 50.0]))
        );
        for (a, b) in
            [([5.0, 5.0], [6.0, 40.0]), ([-9.0, 1.0], [-3.0, 40.0]), ([f32::NAN, 0.0], [50.0, f32::NAN])]
        {
            assert_eq!(Shape::between(a, b, size), None);
        }
    }

    #[test]
    fn every_suggestion_suits() {
        for n in 0..=MOST {
            assert!(suggestions(n).iter().all(|question| problem(question, n).is_none()));
        }
    }
}
