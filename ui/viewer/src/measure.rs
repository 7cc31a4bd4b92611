//! Measuring between picked points: pure functions and the state of a measurement in progress.

use glam::DVec3;
use serde::{Deserialize, Serialize};

/// What a click does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Choose the object or box under the pointer.
    #[default]
    Select,
    /// Two points: metres between them.
    Distance,
    /// One point: metres above the ground.
    Height,
    /// Three points: the angle at the second.
    Angle,
}

impl Tool {
    /// How many points complete a measurement; 0 for [`Tool::Select`].
    #[must_use]
    pub const fn points(self) -> usize {
        match self {
            Self::Select => 0,
            Self::Height => 1,
            Self::Distance => 2,
            Self::Angle => 3,
        }
    }
}

/// A finished measurement. Metres and radians; units and digits are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Measurement {
    /// Straight line between two points.
    Distance {
        /// Its ends.
        points: [DVec3; 2],
        /// Metres.
        metres: f64,
    },
    /// Above the ground plane z = 0; negative below it.
    Height {
        /// The measured point.
        point: DVec3,
        /// Metres.
        metres: f64,
    },
    /// The angle at the middle point.
    Angle {
        /// One arm's end, the corner, the other arm's end.
        points: [DVec3; 3],
        /// Radians in `0..=π`.
        radians: f64,
    },
}

impl Measurement {
    /// Where its label belongs.
    #[must_use]
    pub fn anchor(&self) -> DVec3 {
        match *self {
            Self::Distance { points: [a, b], .. } => a.midpoint(b),
            Self::Height { point, .. } => point.midpoint(point.with_z(0.0)),
            Self::Angle { points, .. } => points[1],
        }
    }

    /// Number and unit with two significant decimals of a metre, whole degrees.
    #[must_use]
    pub fn plain_text(&self) -> String {
        match self {
            Self::Distance { metres, .. } | Self::Height { metres, .. } => format!("{metres:.2} m"),
            Self::Angle { radians, .. } => format!("{:.0}°", radians.to_degrees()),
        }
    }
}

/// Metres between two points.
#[must_use]
pub fn distance(a: DVec3, b: DVec3) -> f64 {
    a.distance(b)
}

/// Metres of a point above the ground plane z = 0.
#[must_use]
pub const fn height(point: DVec3) -> f64 {
    point.z
}

/// The angle at `corner` in radians, `0..=π`; `None` if an arm has no length.
#[must_use]
pub fn angle(a: DVec3, corner: DVec3, b: DVec3) -> Option<f64> {
    let (first, second) = ((a - corner).try_normalize()?, (b - corner).try_normalize()?);
    // Exact for nearly parallel arms too, where acos of the dot product is not (Kahan 2006).
    Some(2.0 * (first - second).length().atan2((first + second).length()))
}

/// Points clicked so far with one tool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measuring {
    tool: Tool,
    points: Vec<DVec3>,
}

impl Measuring {
    /// Points of the measurement in progress.
    #[must_use]
    pub fn points(&self) -> &[DVec3] {
        &self.points
    }

    /// Drops what was clicked with another tool.
    pub fn set_tool(&mut self, tool: Tool) {
        if self.tool != tool {
            self.tool = tool;
            self.points.clear();
        }
    }

    /// Forgets the points clicked so far; true if there were any.
    pub fn cancel(&mut self) -> bool {
        let had = !self.points.is_empty();
        self.points.clear();
        had
    }

    /// Adds a point; the measurement when it was the last one needed. A point that is not finite, or that leaves an
    /// angle without an arm, is ignored.
    pub fn add(&mut self, point: DVec3) -> Option<Measurement> {
        if self.tool == Tool::Select || !point.is_finite() {
            return None;
        }
        self.points.push(point);
        if self.points.len() < self.tool.points() {
            return None;
        }
        let finished = match (self.tool, self.points.as_slice()) {
            (Tool::Distance, &[a, b]) => {
                Some(Measurement::Distance { points: [a, b], metres: distance(a, b) })
            }
            (Tool::Height, &[point]) => Some(Measurement::Height { point, metres: height(point) }),
            (Tool::Angle, &[a, corner, b]) => {
                angle(a, corner, b).map(|radians| Measurement::Angle { points: [a, corner, b], radians })
            }
            _ => None,
        };
        match finished {
            Some(_) => self.points.clear(),
            None => {
                self.points.pop();
            }
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points() -> impl Strategy<Value = DVec3> {
        (-10.0..10.0, -10.0..10.0, -10.0..10.0).prop_map(|(x, y, z)| DVec3::new(x, y, z))
    }

    proptest! {
        #[test]
        fn angles_of_a_triangle_sum_to_half_a_turn(a in points(), b in points(), c in points()) {
            prop_assume!((b - a).cross(c - a).length() > 1e-3);
            let sum = angle(a, b, c).unwrap() + angle(b, c, a).unwrap() + angle(c, a, b).unwrap();
            prop_assert!((sum - std::f64::consts::PI).abs() < 1e-9);
        }
    }

    #[test]
    fn known_values() {
        assert_eq!(distance(DVec3::ZERO, DVec3::new(2.0, 3.0, 6.0)), 7.0);
        assert_eq!(height(DVec3::new(9.0, 9.0, -0.5)), -0.5);
        let right = angle(DVec3::X, DVec3::ZERO, DVec3::Y * 3.0).unwrap();
        assert!((right - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
        assert_eq!(angle(DVec3::X, DVec3::X, DVec3::Y), None);
    }

    #[test]
    fn clicks_become_measurements() {
        let mut measuring = Measuring::default();
        assert_eq!(measuring.add(DVec3::X), None);
        measuring.set_tool(Tool::Distance);
        assert_eq!(measuring.add(DVec3::NAN), None);
        assert_eq!(measuring.add(DVec3::ZERO), None);
        let found = measuring.add(DVec3::Z * 2.5).unwrap();
        assert_eq!(found.plain_text(), "2.50 m");
        assert_eq!(found.anchor(), DVec3::Z * 1.25);
        assert!(measuring.points().is_empty());
        measuring.set_tool(Tool::Angle);
        measuring.add(DVec3::X);
        measuring.add(DVec3::ZERO);
        // The same point again gives no arm: it waits for a better one.
        assert_eq!(measuring.add(DVec3::ZERO), None);
        assert_eq!(measuring.points().len(), 2);
        assert_eq!(measuring.add(DVec3::Y).unwrap().plain_text(), "90°");
        measuring.add(DVec3::X);
        measuring.set_tool(Tool::Height);
        assert!(measuring.points().is_empty());
        assert_eq!(measuring.add(DVec3::new(1.0, 1.0, 0.75)).unwrap().plain_text(), "0.75 m");
        assert!(!measuring.cancel());
    }
}
