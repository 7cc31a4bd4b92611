//! The typed record of a question and its answer.
//!
//! Text is made from it and from the templates alone, so it can be left out of a file and made again, byte for byte.

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// What is asked, without words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Question {
    pub kind: Kind,
    /// Ids of the objects ([`plumb_scene::Object::id`]) in the roles of [`Kind`]: A, B, C.
    pub objects: Vec<u32>,
    /// Ordinals: the rank asked for, from 1. Else 0.
    #[serde(default)]
    pub rank: u8,
    /// Counts: the category (singular). Else empty.
    #[serde(default)]
    pub category: String,
    /// Multiple choice: the options as shown. Else empty.
    #[serde(default)]
    pub options: Vec<String>,
}

/// What is answered, without words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    YesNo(bool),
    /// Index into [`Question::objects`].
    Object(u8),
    Side(Side),
    Length(Quantity),
    Count(u32),
    /// 1 to 12.
    Clock(u8),
    /// Index into [`Question::options`].
    Option(u8),
}

/// The words of questions that classify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Left,
    Right,
    Front,
    Behind,
    Above,
    Below,
    Taller,
    Shorter,
    Wider,
    Narrower,
    Near,
    Far,
}

/// A length as measured, and as said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// As computed from the scene, in metres, not rounded.
    pub value_m: f64,
    /// Its standard deviation in metres.
    pub sigma_m: f64,
    /// The unit it is said in.
    pub unit: Unit,
    /// The number as said, with the unit: "1.5 meters", "about two feet", "3 to 4 inches".
    pub text: String,
    /// What the text says, in metres (the middle of a range).
    pub said_m: f64,
    /// Half the width of what the text can mean, in metres: half a rounding step, or half the range.
    pub tolerance_m: f64,
}

/// Units of length that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Millimetre,
    Centimetre,
    Metre,
    Inch,
    Foot,
    Yard,
}

impl Unit {
    pub const ALL: [Self; 6] =
        [Self::Millimetre, Self::Centimetre, Self::Metre, Self::Inch, Self::Foot, Self::Yard];

    #[must_use]
    pub const fn metres(self) -> f64 {
        match self {
            Self::Millimetre => 0.001,
            Self::Centimetre => 0.01,
            Self::Metre => 1.0,
            Self::Inch => 0.0254,
            Self::Foot => 0.3048,
            Self::Yard => 0.9144,
        }
    }

    /// The name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Millimetre => "millimetre",
            Self::Centimetre => "centimetre",
            Self::Metre => "metre",
            Self::Inch => "inch",
            Self::Foot => "foot",
            Self::Yard => "yard",
        }
    }
}

/// How an object is named in a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mention {
    pub object: u32,
    pub by: Reference,
    /// With its article: "the red chair", "the second chair from the left", "the object in the red box", "<region1>".
    pub text: String,
}

/// What makes a mention mean one object only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// Its name is unique in the image.
    Name,
    /// Its name with an attribute or a caption is.
    Attribute,
    /// Its rank among its kind along the axis of largest spread.
    Ordinal,
    /// A coloured box drawn on the image.
    Mark,
    /// A region token that stands for its box.
    Region,
}

/// A box to draw on the image before it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    pub object: u32,
    pub colour: [u8; 3],
    /// x1, y1, x2, y2 in pixels.
    pub rect: [f32; 4],
}

/// What makes an answer true, so that a viewer can draw it and a verifier can check it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Points in the scene frame: pairs are segments to draw.
    pub points: Vec<[f64; 3]>,
    /// The quantities that decide, in the order they are used.
    pub facts: Vec<Fact>,
}

/// A measured quantity in a proof.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub name: FactName,
    /// Ids of the objects it is about; 0 for none.
    pub objects: [u32; 2],
    /// Metres, cubic metres, degrees, pixels or a count, as the name says.
    pub value: f64,
    pub sigma: f64,
}

/// What a [`Fact`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactName {
    /// Scene x of the centre, metres.
    Lateral,
    /// Depth of the nearest surface, metres.
    NearDepth,
    FarDepth,
    MedianDepth,
    Top,
    Bottom,
    CentreHeight,
    Height,
    Width,
    /// Cubic metres.
    Volume,
    SurfaceDistance,
    CentreDistance,
    HorizontalDistance,
    VerticalDistance,
    Gap,
    /// A difference of the two facts before it.
    Difference,
    /// A ratio of the two facts before it, without unit.
    Ratio,
    /// Degrees, clockwise from straight ahead, seen from above.
    Bearing,
    /// How many.
    Count,
    /// Position in the picture, pixels.
    PixelX,
    PixelY,
}

/// A question with its answer, its words and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QaPair {
    /// [`plumb_scene::Scene::id`].
    pub scene: String,
    pub question: Question,
    pub answer: Answer,
    /// One for each of the question's objects, in their order.
    pub mentions: Vec<Mention>,
    /// Index of the question's template in its type's list.
    pub question_template: u16,
    /// Index of the answer's template in the list of the type and the answer.
    pub answer_template: u16,
    /// Boxes to draw on the image.
    pub marks: Vec<Mark>,
    pub proof: Proof,
    /// Made from the above by [`crate`]'s templates.
    pub question_text: String,
    pub answer_text: String,
    /// The chain of a question with several steps, one sentence each; else empty.
    pub steps: Vec<String>,
}
