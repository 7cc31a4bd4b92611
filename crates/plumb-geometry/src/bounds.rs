use glam::{DVec2, DVec3};
use serde::{Deserialize, Serialize};

/// A box along the axes of the scene frame, with the standard deviation of each of its six faces.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aabb {
    /// Left, near and bottom faces (x, y, z) in metres.
    pub min: [f64; 3],
    /// Right, far and top faces.
    pub max: [f64; 3],
    /// Standard deviation of the faces of `min`, without the error of scale that all of a scene shares.
    pub sigma_min: [f64; 3],
    /// Standard deviation of the faces of `max`.
    pub sigma_max: [f64; 3],
}

impl Aabb {
    /// A box known exactly.
    #[must_use]
    pub fn exact(min: DVec3, max: DVec3) -> Self {
        Self { min: min.to_array(), max: max.to_array(), sigma_min: [0.0; 3], sigma_max: [0.0; 3] }
    }

    #[must_use]
    pub fn centre(&self) -> DVec3 {
        (DVec3::from_array(self.min) + DVec3::from_array(self.max)) / 2.0
    }

    /// Extents along x, y and z.
    #[must_use]
    pub fn size(&self) -> DVec3 {
        DVec3::from_array(self.max) - DVec3::from_array(self.min)
    }
}

/// An upright box: turned about the vertical only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GravityBox {
    /// In the scene frame, metres.
    pub centre: [f64; 3],
    /// Full extents along the box's own x and y, and up.
    pub size: [f64; 3],
    /// Angle from the scene's x axis to the box's, counter-clockwise seen from above, in radians, in (−π/2, π/2].
    pub yaw: f64,
}

impl GravityBox {
    /// The eight corners in the scene frame; the lower four first, counter-clockwise.
    #[must_use]
    pub fn corners(&self) -> [DVec3; 8] {
        let centre = DVec3::from_array(self.centre);
        let [hx, hy, hz] = self.size.map(|s| s / 2.0);
        let (sin, cos) = self.yaw.sin_cos();
        let at = |x: f64, y: f64, z: f64| centre + DVec3::new(cos * x - sin * y, sin * x + cos * y, z);
        [
            at(-hx, -hy, -hz),
            at(hx, -hy, -hz),
            at(hx, hy, -hz),
            at(-hx, hy, -hz),
            at(-hx, -hy, hz),
            at(hx, -hy, hz),
            at(hx, hy, hz),
            at(-hx, hy, hz),
        ]
    }

    /// Whether a point of the ground plan is inside of the footprint.
    #[must_use]
    pub fn covers(&self, x: f64, y: f64) -> bool {
        let offset = DVec2::new(x - self.centre[0], y - self.centre[1]);
        let (sin, cos) = self.yaw.sin_cos();
        let own = DVec2::new(cos * offset.x + sin * offset.y, cos * offset.y - sin * offset.x);
        own.x.abs() <= self.size[0] / 2.0 && own.y.abs() <= self.size[1] / 2.0
    }
}
