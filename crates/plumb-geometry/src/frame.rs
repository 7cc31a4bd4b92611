use glam::{DMat3, DVec3};
use serde::{Deserialize, Serialize};

/// What is known about the direction of gravity.
///
/// In files: `{"direction": [x, y, z], "sigma": degrees, "source": "…"}` or `{"refused": "reason"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Gravity {
    Known {
        /// Unit vector pointing *down*, in the camera frame (x right, y down, z forward).
        direction: [f64; 3],
        /// Standard deviation of the direction, in degrees.
        sigma: f64,
        source: GravitySource,
    },
    /// The evidence did not suffice: nothing that needs gravity may be said of the scene.
    Refused {
        /// One sentence for a person.
        refused: String,
    },
}

/// How gravity came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GravitySource {
    /// The renderer's own.
    Exact,
    /// An inertial sensor or a data set's calibration.
    Measured,
    /// Estimated from surface normals and planes.
    Normals,
}

impl Gravity {
    /// The unit vector pointing up, in the camera frame.
    #[must_use]
    pub fn up(&self) -> Option<DVec3> {
        match self {
            Self::Known { direction, .. } => Some(-DVec3::from_array(*direction)),
            Self::Refused { .. } => None,
        }
    }
}

/// The frame in which a scene is described: x right, y forward, z up, in metres.
///
/// With gravity, z is exactly up, y is the viewing direction made level, and the origin is on the ground beneath the camera (or at the
/// camera, where no ground was found). Without gravity the axes are the camera's own, relabelled (x, z, −y).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneFrame {
    /// Rows: the frame's right, forward and up axes in the camera frame.
    pub axes: [[f64; 3]; 3],
    /// Height of the camera centre above the origin, in metres.
    pub camera_height: f64,
    /// Whether z is up in the world and not only in the picture.
    pub gravity_aligned: bool,
    /// Whether z = 0 is the ground.
    pub grounded: bool,
}

impl SceneFrame {
    /// The camera's own axes.
    pub const CAMERA: Self = Self {
        axes: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]],
        camera_height: 0.0,
        gravity_aligned: false,
        grounded: false,
    };

    /// The frame with `up` (in the camera frame, any length but 0) as z, and the ground `camera_height` below the camera if it is known.
    #[must_use]
    pub fn from_up(up: DVec3, camera_height: Option<f64>) -> Self {
        let up = up.normalize();
        // The viewing direction made level; looking straight up or down, the image's top (or bottom) is forward.
        let level = |v: DVec3| v - up * up.dot(v);
        let ahead = level(DVec3::Z);
        let forward = if ahead.length() > 1e-6 {
            ahead.normalize()
        } else {
            (level(DVec3::NEG_Y) * -up.z.signum()).normalize()
        };
        let right = forward.cross(up);
        Self {
            axes: [right.to_array(), forward.to_array(), up.to_array()],
            camera_height: camera_height.unwrap_or(0.0),
            gravity_aligned: true,
            grounded: camera_height.is_some(),
        }
    }

    /// Camera frame to scene frame, without the shift.
    #[must_use]
    pub fn rotation(&self) -> DMat3 {
        let [r, f, u] = self.axes.map(DVec3::from_array);
        DMat3::from_cols(r, f, u).transpose()
    }

    /// A point of the camera frame in this frame.
    #[must_use]
    pub fn point_from_camera(&self, point: DVec3) -> DVec3 {
        let [r, f, u] = self.axes.map(DVec3::from_array);
        DVec3::new(r.dot(point), f.dot(point), u.dot(point) + self.camera_height)
    }

    /// A point of this frame in the camera frame.
    #[must_use]
    pub fn point_to_camera(&self, point: DVec3) -> DVec3 {
        let [r, f, u] = self.axes.map(DVec3::from_array);
        r * point.x + f * point.y + u * (point.z - self.camera_height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit() -> impl Strategy<Value = DVec3> {
        (0.0..std::f64::consts::TAU, -1.0..1.0f64).prop_map(|(angle, z)| {
            let r = (1.0 - z * z).max(0.0).sqrt();
            DVec3::new(r * angle.cos(), r * angle.sin(), z)
        })
    }

    proptest! {
        #[test]
        fn frames_are_right_handed_level_and_invertible(up in unit(), h in 0.1..3.0f64, p in unit()) {
            let frame = SceneFrame::from_up(up, Some(h));
            let m = frame.rotation();
            prop_assert!((m.determinant() - 1.0).abs() < 1e-9);
            prop_assert!((m * up - DVec3::Z).length() < 1e-9);
            let there = frame.point_from_camera(p * 3.0);
            prop_assert!((frame.point_to_camera(there) - p * 3.0).length() < 1e-9);
            // The camera looks along y: no part of its axis points sideways.
            if (1.0 - up.z.abs()) > 1e-6 {
                prop_assert!((m * DVec3::Z).x.abs() < 1e-9 && (m * DVec3::Z).y > 0.0);
            }
            prop_assert!((frame.point_from_camera(DVec3::ZERO) - DVec3::new(0.0, 0.0, h)).length() < 1e-12);
        }
    }

    #[test]
    fn straight_down_the_top_of_the_image_is_forward() {
        let down = SceneFrame::from_up(DVec3::NEG_Z, Some(2.0));
        assert!((down.rotation() * DVec3::NEG_Y - DVec3::Y).length() < 1e-12);
        assert!((down.rotation() * DVec3::X - DVec3::X).length() < 1e-12);
        assert_eq!(
            SceneFrame::CAMERA.point_from_camera(DVec3::new(1.0, 2.0, 3.0)),
            DVec3::new(1.0, 3.0, -2.0)
        );
    }

    #[test]
    fn gravity_reads_and_writes_both_forms() -> Result<(), serde_json::Error> {
        let known: Gravity =
            serde_json::from_str(r#"{"direction":[0.0,1.0,0.0],"sigma":0.5,"source":"normals"}"#)?;
        assert_eq!(known.up(), Some(DVec3::NEG_Y));
        let refused: Gravity = serde_json::from_str(r#"{"refused":"no plane"}"#)?;
        assert_eq!(refused.up(), None);
        assert_eq!(serde_json::to_string(&refused)?, r#"{"refused":"no plane"}"#);
        Ok(())
    }
}
