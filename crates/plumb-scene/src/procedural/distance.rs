//! Exact shortest distances between unions of convex primitives (GJK of `parry3d`).

use glam::DVec3;
use parry3d_f64::math::{Pose, Vector};
use parry3d_f64::query::details::closest_points_support_map_support_map_with_params;
use parry3d_f64::query::gjk::{GJKResult, VoronoiSimplex};
use parry3d_f64::shape::SupportMap;

use super::shape::{Primitive, bounds};

/// The solids an object is made of, in the scene frame, index by index as in `Scene::objects`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectShapes {
    /// `Object::id`.
    pub id: u32,
    pub primitives: Vec<Primitive>,
}

/// A primitive in the scene frame; `shrunk` scales it about its centre, and a sphere is its centre with a margin.
struct Solid<'a> {
    primitive: &'a Primitive,
    shrunk: f64,
}

impl SupportMap for Solid<'_> {
    fn local_support_point(&self, direction: Vector) -> Vector {
        let p = self.primitive;
        let own = p.farthest_own(p.direction_to_own(DVec3::new(direction.x, direction.y, direction.z)));
        let point = p.centre + p.direction_from_own(own * self.shrunk);
        Vector::new(point.x, point.y, point.z)
    }
}

/// Shortest distance between two solids and where it is on each; `None` if they overlap or touch.
fn separated(a: &Primitive, b: &Primitive, shrunk: f64) -> Option<(f64, DVec3, DVec3)> {
    let (first, second) = (Solid { primitive: a, shrunk: 1.0 }, Solid { primitive: b, shrunk });
    // GJK gives up after 100 steps on rare pairs of curved solids: another first direction takes another path.
    let towards = b.centre - a.centre;
    for start in [towards, DVec3::new(0.3, 0.5, 0.8), DVec3::X, DVec3::Y, DVec3::Z, -towards] {
        let found = closest_points_support_map_support_map_with_params(
            &Pose::IDENTITY,
            &first,
            &second,
            f64::MAX,
            &mut VoronoiSimplex::new(),
            Some(Vector::new(start.x, start.y, start.z)),
        );
        match found {
            GJKResult::ClosestPoints(p, q, _) => {
                let (p, q) = (DVec3::new(p.x, p.y, p.z), DVec3::new(q.x, q.y, q.z));
                return Some((p.distance(q), p, q));
            }
            GJKResult::Intersection => return None,
            GJKResult::NoIntersection(_) | GJKResult::Proximity(_) => {}
        }
    }
    None
}

/// Where two touching solids touch.
fn contact(a: &Primitive, b: &Primitive) -> DVec3 {
    [0.9999, 0.999, 0.99, 0.9, 0.5, 0.0]
        .iter()
        .find_map(|&shrunk| separated(a, b, shrunk))
        .map_or(b.centre, |(_, p, _)| p)
}

fn box_gap(a: (DVec3, DVec3), b: (DVec3, DVec3)) -> f64 {
    (a.0 - b.1).max(b.0 - a.1).max(DVec3::ZERO).length()
}

/// Shortest distance between two unions of solids, and the point on each where it is. 0 where they touch.
#[must_use]
pub fn closest(a: &[Primitive], b: &[Primitive]) -> (f64, DVec3, DVec3) {
    let around = |solids: &[Primitive]| -> Vec<_> {
        solids.iter().map(|solid| bounds(std::slice::from_ref(solid))).collect()
    };
    closest_within(a, &around(a), b, &around(b))
}

/// As [`closest`], with the boxes around each solid at hand.
pub(super) fn closest_within(
    a: &[Primitive],
    a_boxes: &[(DVec3, DVec3)],
    b: &[Primitive],
    b_boxes: &[(DVec3, DVec3)],
) -> (f64, DVec3, DVec3) {
    // Nearest boxes first: most of the rest is then ruled out without GJK.
    let mut order: Vec<(f64, &Primitive, &Primitive)> = Vec::with_capacity(a.len() * b.len());
    for (first, first_box) in a.iter().zip(a_boxes) {
        for (second, second_box) in b.iter().zip(b_boxes) {
            order.push((box_gap(*first_box, *second_box), first, second));
        }
    }
    order.sort_by(|p, q| p.0.total_cmp(&q.0));
    let mut best = (f64::INFINITY, DVec3::ZERO, DVec3::ZERO);
    for (gap, first, second) in order {
        if gap >= best.0 {
            break;
        }
        match separated(first, second, 1.0) {
            // What is nearer than a nanometre stands on it, up to rounding.
            Some(found) if found.0 > 1e-9 => {
                if found.0 < best.0 {
                    best = found;
                }
            }
            _ => {
                let at = contact(first, second);
                return (0.0, at, at);
            }
        }
    }
    best
}
