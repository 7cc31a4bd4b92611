//! Question types.
//!
//! The first 38 follow SpatialVLM (arXiv 2401.12168): 18 names are those of remyxai/VQASynth `vqasynth/datasets/prompts.py` at d978e77,
//! the other 20 complete its grammar, {predicate, choice, diff, classify} × axis, in the camera's frame.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal $family:ident $shape:ident $form:ident $gravity:literal $count:literal;)*) => {
        /// A question type. The name in files is the variant in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every type, in the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in files and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// How a question of this type is built.
            #[must_use]
            pub const fn shape(self) -> Shape {
                match self { $(Self::$variant => Shape::$shape,)* }
            }

            /// What its answer looks like.
            #[must_use]
            pub const fn form(self) -> AnswerForm {
                match self { $(Self::$variant => AnswerForm::$form,)* }
            }

            /// Whether it may be asked only where the direction of gravity is known.
            #[must_use]
            pub const fn needs_gravity(self) -> bool {
                match self { $(Self::$variant => $gravity,)* }
            }

            /// How many objects a question names (0: as many as there are of something).
            #[must_use]
            pub const fn objects(self) -> usize {
                match self { $(Self::$variant => $count,)* }
            }
        }
    };
}

kinds! {
    /// Is A to the left of B?
    LeftPredicate "left_predicate" Lateral Predicate YesNo false 2;
    /// Is A to the right of B?
    RightPredicate "right_predicate" Lateral Predicate YesNo false 2;
    /// Which of A and B is farther to the left?
    LeftChoice "left_choice" Lateral Choice Object false 2;
    /// Which of A and B is farther to the right?
    RightChoice "right_choice" Lateral Choice Object false 2;
    /// How far to the left of B is A? (A is on the left.)
    LeftDiff "left_diff" Lateral Diff Length false 2;
    /// How far to the right of B is A? (A is on the right.)
    RightDiff "right_diff" Lateral Diff Length false 2;
    /// Is A to the left or to the right of B?
    LeftRightClassify "left_right_classify" Lateral Classify Side false 2;
    /// Is A behind B, as the camera sees them?
    BehindPredicate "behind_predicate" Depth Predicate YesNo false 2;
    /// Is A in front of B, as the camera sees them?
    FrontPredicate "front_predicate" Depth Predicate YesNo false 2;
    /// Which of A and B is farther behind?
    BehindChoice "behind_choice" Depth Choice Object false 2;
    /// Which of A and B is more to the front?
    FrontChoice "front_choice" Depth Choice Object false 2;
    /// How far behind B is A? (A is behind.)
    BehindDiff "behind_diff" Depth Diff Length false 2;
    /// How far in front of B is A? (A is in front.)
    FrontDiff "front_diff" Depth Diff Length false 2;
    /// Is A in front of or behind B?
    BehindFrontClassify "behind_front_classify" Depth Classify Side false 2;
    /// Is A above B? Strict: A's lowest point is above B's highest.
    AbovePredicate "above_predicate" Vertical Predicate YesNo true 2;
    /// Is A below B? Strict, as above.
    BelowPredicate "below_predicate" Vertical Predicate YesNo true 2;
    /// Which of A and B is higher up?
    AboveChoice "above_choice" Vertical Choice Object true 2;
    /// Which of A and B is lower down?
    BelowChoice "below_choice" Vertical Choice Object true 2;
    /// How much higher is A's top than B's top? (A's is higher.)
    AboveDiff "above_diff" Vertical Diff Length true 2;
    /// How much lower is A's bottom than B's bottom? (A's is lower.)
    BelowDiff "below_diff" Vertical Diff Length true 2;
    /// Is A above or below B?
    AboveBelowClassify "above_below_classify" Vertical Classify Side true 2;
    /// Is A taller than B?
    TallPredicate "tall_predicate" Tall Predicate YesNo true 2;
    /// Is A shorter than B?
    ShortPredicate "short_predicate" Tall Predicate YesNo true 2;
    /// Which of A and B is taller?
    TallChoice "tall_choice" Tall Choice Object true 2;
    /// Which of A and B is shorter?
    ShortChoice "short_choice" Tall Choice Object true 2;
    /// Is A taller or shorter than B?
    TallShortClassify "tall_short_classify" Tall Classify Side true 2;
    /// Is A wider than B?
    WidePredicate "wide_predicate" Wide Predicate YesNo true 2;
    /// Is A narrower than B?
    ThinPredicate "thin_predicate" Wide Predicate YesNo true 2;
    /// Is A wider or narrower than B?
    WideThinClassify "wide_thin_classify" Wide Classify Side true 2;
    /// Is A bigger than B, by the volume of their boxes?
    BigPredicate "big_predicate" Big Predicate YesNo true 2;
    /// Is A smaller than B, by the volume of their boxes?
    SmallPredicate "small_predicate" Big Predicate YesNo true 2;
    /// How wide is the free space between A and B, side by side?
    Gap "gap" Distance Measure Length true 2;
    /// Shortest distance between the surfaces of A and B.
    Distance "distance" Distance Measure Length false 2;
    /// Vertical distance between the centres of A and B.
    VerticalDist "vertical_dist" Distance Measure Length true 2;
    /// Horizontal distance between the centres of A and B.
    HorizontalDist "horizontal_dist" Distance Measure Length true 2;
    /// How tall is A?
    Height "height" Size Measure Length true 1;
    /// How wide is A, from left to right as the camera sees it?
    Width "width" Size Measure Length true 1;
    /// How high above the ground is A's lowest point?
    Elevation "elevation" Size Measure Length true 1;

    /// Straight distance between the centres of A and B.
    CentreDistance "centre_distance" Distance Measure Length false 2;
    /// Is A next to B, or far from it, for objects of their size?
    NearFarClassify "near_far_classify" Distance Classify Side false 2;
    /// Which of A and B is nearer to C? Objects: A, B, C.
    NearerChoice "nearer_choice" Distance Choice Object false 3;
    /// Which of A and B is farther from C? Objects: A, B, C.
    FartherChoice "farther_choice" Distance Choice Object false 3;
    /// Is A between B and C? Objects: A, B, C.
    BetweenPredicate "between_predicate" Distance Predicate YesNo true 3;
    /// Counted from the left, which of the objects is the n-th? Objects: 3 to 5 candidates.
    OrdinalLeft "ordinal_left" Lateral Ordinal Object false 0;
    /// Counted from the camera outwards, which of the objects is the n-th? Objects: 3 to 5 candidates.
    OrdinalNear "ordinal_near" Depth Ordinal Object false 0;
    /// Ordered by height, which of the objects is the n-th tallest? Objects: 3 to 5 candidates.
    OrdinalTall "ordinal_tall" Tall Ordinal Object true 0;
    /// With the viewer in the middle of a clock and 12 straight ahead, at which hour is A, seen from B? Objects: A, B.
    ClockDirection "clock_direction" Direction Measure Clock true 2;
    /// Would A, standing upright and not turned, fit into the free space between B and C? Objects: A, B, C.
    FitsBetween "fits_between" Fit Predicate YesNo true 3;
    /// Would A be lower than the top of B (fit under a ceiling at that height)? Objects: A, B.
    FitsUnder "fits_under" Fit Predicate YesNo true 2;
    /// How many of the named kind are there?
    Count "count" Count Measure Count false 0;
    /// How many objects of the listed ones are to the left of A? First object: A, then the candidates.
    CountLeft "count_left" Hop Hop Count false 0;
    /// How much taller is A than B? (A is taller.) Steps: both heights, then the difference.
    HeightDifference "height_difference" Hop Hop Length true 2;
    /// Is C farther from A than B is? Objects: A, B, C. Steps: both distances, then the comparison.
    CompareDistances "compare_distances" Hop Hop YesNo false 3;
    /// Of the things nearer to the camera than A, which one of the two is taller? Objects: A, B, C.
    TallerOfNearer "taller_of_nearer" Hop Hop Object true 3;
    /// If A were put on top of B, how high above the ground would its top be? Objects: A, B.
    StackHeight "stack_height" Hop Hop Length true 2;

    /// CV-Bench's Count: how many of a category, as multiple choice.
    McCount "mc_count" Count MultipleChoice Option false 0;
    /// CV-Bench's Relation: left/right or above/below in the picture, as multiple choice. Objects: A, B.
    McRelation "mc_relation" Picture MultipleChoice Option false 2;
    /// CV-Bench's Depth: which of two marked objects is closer to the camera. Objects: A, B.
    McDepth "mc_depth" Depth MultipleChoice Option false 2;
    /// CV-Bench's Distance: which of two marked objects is closer to a third. Objects: reference, A, B.
    McDistance "mc_distance" Distance MultipleChoice Option false 3;
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Lateral,
    Depth,
    Vertical,
    Tall,
    Wide,
    Big,
    Distance,
    Size,
    Direction,
    Fit,
    Count,
    Hop,
    Picture,
}

/// How a question is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Yes or no.
    Predicate,
    /// One of two named objects.
    Choice,
    /// One of two words.
    Classify,
    /// By how much, where the direction is given.
    Diff,
    /// A number.
    Measure,
    /// One of several named objects, by rank.
    Ordinal,
    /// Several steps, each kept in the proof.
    Hop,
    /// Lettered options.
    MultipleChoice,
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerForm {
    YesNo,
    /// One of the question's objects.
    Object,
    /// One of two words ([`crate::Side`]).
    Side,
    /// A length with a unit.
    Length,
    Count,
    /// An hour, 1 to 12.
    Clock,
    /// One of the options.
    Option,
}

impl Kind {
    /// How many of [`Kind::ALL`], from the start, are SpatialVLM's.
    pub const SPATIAL_VLM: usize = 38;

    /// A stable number for files: the position in [`Kind::ALL`].
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether the answer is a number that has an uncertainty.
    #[must_use]
    pub const fn is_quantitative(self) -> bool {
        matches!(self.form(), AnswerForm::Length)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("`{name}` is no question type; there are {}", names()))
    }
}

fn names() -> String {
    Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_serde_names_and_codes_go_both_ways() -> serde_json::Result<()> {
        for (code, kind) in (0..).zip(Kind::ALL) {
            assert_eq!(serde_json::to_string(kind)?, format!("\"{}\"", kind.name()));
            assert_eq!(kind.name().parse(), Ok(*kind));
            assert_eq!((kind.code(), Kind::from_code(code)), (code, Some(*kind)));
        }
        assert_eq!(Kind::from_code(u16::MAX), None);
        Ok(())
    }

    #[test]
    fn spatial_vlms_types_come_first_and_are_38() {
        assert_eq!(Kind::ALL[Kind::SPATIAL_VLM - 1], Kind::Elevation);
        assert_eq!(Kind::ALL[Kind::SPATIAL_VLM], Kind::CentreDistance);
        let gravity = Kind::ALL[..Kind::SPATIAL_VLM].iter().filter(|kind| kind.needs_gravity()).count();
        // All but left/right, behind/front and distance.
        assert_eq!(gravity, 38 - 15);
    }
}
