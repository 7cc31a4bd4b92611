//! Convex primitives and what is known of them in closed form.

use glam::DVec3;

/// A convex solid around its own origin, its axis along its own z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Half extents along its own x, y and z.
    Box {
        half: [f64; 3],
    },
    /// A cylinder or cone, also cut off: radius at the lower and the upper end.
    Frustum {
        bottom: f64,
        top: f64,
        half_height: f64,
    },
    Ellipsoid {
        radii: [f64; 3],
    },
}

/// A placed solid. `axes` are the directions of its own x, y and z in the frame around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Primitive {
    pub shape: Shape,
    pub centre: DVec3,
    pub axes: [DVec3; 3],
    /// Index of its material in the model.
    pub(super) material: u16,
}

impl Primitive {
    pub(super) fn upright(shape: Shape, centre: DVec3, material: u16) -> Self {
        Self { shape, centre, axes: [DVec3::X, DVec3::Y, DVec3::Z], material }
    }

    /// This primitive turned about the vertical, then shifted.
    pub(super) fn placed(&self, yaw: f64, shift: DVec3) -> Self {
        let (sin, cos) = yaw.sin_cos();
        let turn = |v: DVec3| DVec3::new(cos * v.x - sin * v.y, sin * v.x + cos * v.y, v.z);
        Self { centre: turn(self.centre) + shift, axes: self.axes.map(turn), ..*self }
    }

    /// A point of the frame around it in its own frame.
    #[must_use]
    pub fn to_own(&self, point: DVec3) -> DVec3 {
        self.direction_to_own(point - self.centre)
    }

    #[must_use]
    pub(super) fn direction_to_own(&self, direction: DVec3) -> DVec3 {
        let [x, y, z] = self.axes;
        DVec3::new(x.dot(direction), y.dot(direction), z.dot(direction))
    }

    /// A direction of its own frame in the frame around it.
    #[must_use]
    pub(super) fn direction_from_own(&self, own: DVec3) -> DVec3 {
        let [x, y, z] = self.axes;
        x * own.x + y * own.y + z * own.z
    }

    /// How far the solid reaches along a direction: the largest `point · direction`.
    #[must_use]
    pub fn reach(&self, direction: DVec3) -> f64 {
        let own = self.direction_to_own(direction);
        self.centre.dot(direction)
            + match self.shape {
                Shape::Box { half } => own.abs().dot(DVec3::from_array(half)),
                Shape::Ellipsoid { radii } => (own * DVec3::from_array(radii)).length(),
                Shape::Frustum { bottom, top, half_height } => {
                    let across = own.truncate().length();
                    (top * across + half_height * own.z).max(bottom * across - half_height * own.z)
                }
            }
    }

    /// The point of the solid that is farthest along a direction, in its own frame.
    pub(super) fn farthest_own(&self, own: DVec3) -> DVec3 {
        match self.shape {
            Shape::Box { half: [x, y, z] } => {
                DVec3::new(x.copysign(own.x), y.copysign(own.y), z.copysign(own.z))
            }
            Shape::Ellipsoid { radii } => {
                let radii = DVec3::from_array(radii);
                (own * radii).try_normalize().map_or(DVec3::new(0.0, 0.0, radii.z), |unit| unit * radii)
            }
            Shape::Frustum { bottom, top, half_height } => {
                let across = own.truncate();
                let length = across.length();
                let unit = if length > 1e-300 { across / length } else { glam::DVec2::X };
                if top * length + half_height * own.z >= bottom * length - half_height * own.z {
                    (unit * top).extend(half_height)
                } else {
                    (unit * bottom).extend(-half_height)
                }
            }
        }
    }

    /// Half extents of the box around the solid along its own axes.
    #[must_use]
    pub fn half_extents(&self) -> DVec3 {
        match self.shape {
            Shape::Box { half } => DVec3::from_array(half),
            Shape::Ellipsoid { radii } => DVec3::from_array(radii),
            Shape::Frustum { bottom, top, half_height } => {
                let r = bottom.max(top);
                DVec3::new(r, r, half_height)
            }
        }
    }

    /// Corners of [`Primitive::half_extents`] in the frame around it.
    pub(super) fn corners(&self) -> [DVec3; 8] {
        let h = self.half_extents();
        std::array::from_fn(|i| {
            let sign = |bit: usize| if i >> bit & 1 == 0 { -1.0 } else { 1.0 };
            self.centre + self.direction_from_own(DVec3::new(sign(0) * h.x, sign(1) * h.y, sign(2) * h.z))
        })
    }

    /// Signed distance of a point from the surface, negative inside. Exact for boxes, cylinders, cones and spheres; for other
    /// ellipsoids right to first order near the surface.
    #[must_use]
    pub fn surface_distance(&self, point: DVec3) -> f64 {
        let own = self.to_own(point);
        match self.shape {
            Shape::Box { half } => {
                let out = own.abs() - DVec3::from_array(half);
                out.max(DVec3::ZERO).length() + out.max_element().min(0.0)
            }
            Shape::Ellipsoid { radii } => {
                let radii = DVec3::from_array(radii);
                let scaled = (own / radii).length();
                let slope = (own / (radii * radii)).length();
                if slope < 1e-12 { -radii.min_element() } else { scaled * (scaled - 1.0) / slope }
            }
            Shape::Frustum { bottom, top, half_height } => {
                frustum_distance(own.truncate().length(), own.z, bottom, top, half_height)
            }
        }
    }
}

/// Signed distance in the half plane (distance from the axis, height).
fn frustum_distance(across: f64, up: f64, bottom: f64, top: f64, half_height: f64) -> f64 {
    use glam::DVec2;
    let point = DVec2::new(across, up);
    let lower = DVec2::new(bottom, -half_height);
    let side = DVec2::new(top - bottom, 2.0 * half_height);
    let along = ((point - lower).dot(side) / side.length_squared()).clamp(0.0, 1.0);
    let to_side = point.distance(lower + side * along);
    let cap = if up < 0.0 { bottom } else { top };
    let to_cap = DVec2::new((across - cap).max(0.0), up.abs() - half_height).length();
    let radius_here = bottom + (top - bottom) * (up + half_height) / (2.0 * half_height);
    let inside = up.abs() <= half_height && across <= radius_here;
    let nearest = to_side.min(to_cap);
    if inside { -nearest } else { nearest }
}

/// Lower and upper corner of the tight box around solids, along the axes of the frame around them.
#[must_use]
pub(super) fn bounds(solids: &[Primitive]) -> (DVec3, DVec3) {
    bounds_along(solids, [DVec3::X, DVec3::Y, DVec3::Z])
}

/// As [`bounds`], along other axes: the coordinates along each.
#[must_use]
pub(super) fn bounds_along(solids: &[Primitive], axes: [DVec3; 3]) -> (DVec3, DVec3) {
    let most = |direction: DVec3| solids.iter().map(|s| s.reach(direction)).fold(f64::NEG_INFINITY, f64::max);
    let high = axes.map(most);
    let low = axes.map(|axis| -most(-axis));
    (DVec3::from_array(low), DVec3::from_array(high))
}
