//! Putting things into a world so that nothing stands inside of anything else.

use glam::{DVec2, DVec3};
use plumb_geometry::{Camera, SceneFrame};

use super::dice::Dice;
use super::distance::closest;
use super::material::Material;
use super::model::{Design, Thing, Top};
use super::shape::{Primitive, Shape};
use super::view::View;
use crate::Result;

/// Where the camera stands in a world, before the world is turned to the scene frame.
pub(super) struct Eye {
    pub(super) camera: Camera,
    pub(super) frame: SceneFrame,
    pub(super) at: DVec3,
    /// Angle from y to the view, to the left.
    pub(super) heading: f64,
    view: View,
}

impl Eye {
    /// Looking at `target`, then off by `jitter` (left, down) and rolled; angles in radians.
    pub(super) fn looking(
        size: [u32; 2],
        fov: f64,
        at: DVec3,
        target: DVec3,
        jitter: [f64; 2],
        roll: f64,
    ) -> Result<Self> {
        let camera = Camera::from_vertical_fov(size[0], size[1], fov)?;
        let to = target - at;
        let heading = (-to.x).atan2(to.y) + jitter[0];
        let pitch = ((-to.z).atan2(to.truncate().length()) + jitter[1]).clamp(-1.2, 1.2);
        let (sin, cos) = roll.sin_cos();
        let up = DVec3::new(sin * pitch.cos(), -cos * pitch.cos(), -pitch.sin());
        let frame = SceneFrame::from_up(up, Some(at.z));
        let view = View::of_camera(&camera, &frame);
        Ok(Self { camera, frame, at, heading, view })
    }

    /// Image position as a share of its size, and depth.
    pub(super) fn project(&self, point: DVec3) -> (f64, f64, f64) {
        let (sin, cos) = self.heading.sin_cos();
        let d = point - self.at;
        let turned = DVec3::new(cos * d.x + sin * d.y, cos * d.y - sin * d.x, point.z);
        let (u, v, z) = self.view.project(turned);
        (u / self.view.width as f64, v / self.view.height as f64, z)
    }

    pub(super) fn sees(&self, point: DVec3, margin: f64) -> bool {
        let (u, v, z) = self.project(point);
        let inside = |x: f64| (margin..=1.0 - margin).contains(&x);
        z > 0.05 && inside(u) && inside(v)
    }

    /// Distances from the eye, on the ground.
    pub(super) fn away(&self, point: DVec2) -> f64 {
        point.distance(self.at.truncate())
    }
}

/// A rectangle on the ground: middle, half sizes, angle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    pub(super) centre: DVec2,
    pub(super) half: DVec2,
    pub(super) yaw: f64,
}

impl Footprint {
    pub(super) fn corners(&self) -> [DVec2; 4] {
        let turn = DVec2::from_angle(self.yaw);
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
            .map(|(x, y)| self.centre + turn.rotate(DVec2::new(x * self.half.x, y * self.half.y)))
    }

    /// Whether less than `gap` is between two rectangles (separating axes; may say so of corners a little farther apart).
    pub(super) fn meets(&self, other: &Self, gap: f64) -> bool {
        let (a, b) = (self.corners(), other.corners());
        let axes = [
            self.yaw,
            self.yaw + std::f64::consts::FRAC_PI_2,
            other.yaw,
            other.yaw + std::f64::consts::FRAC_PI_2,
        ];
        !axes.into_iter().map(DVec2::from_angle).any(|axis| {
            let span = |corners: &[DVec2; 4]| {
                corners
                    .iter()
                    .map(|c| c.dot(axis))
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
            };
            let ((low_a, high_a), (low_b, high_b)) = (span(&a), span(&b));
            low_b - high_a >= gap || low_a - high_b >= gap
        })
    }

    fn distance_to(&self, point: DVec2) -> f64 {
        let own = DVec2::from_angle(-self.yaw).rotate(point - self.centre);
        (own.abs() - self.half).max(DVec2::ZERO).length()
    }
}

/// A world being furnished.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) things: Vec<Thing>,
    pub(super) materials: Vec<Material>,
    pub(super) backdrop: Vec<Primitive>,
    prints: Vec<Footprint>,
    /// The top of its parent on which a thing stands.
    tops: Vec<usize>,
}

/// Smallest gap between things that do not touch, as a share of nothing: metres.
const GAP: f64 = 0.012;

impl Stage {
    pub(super) fn material(&mut self, look: Material) -> u16 {
        self.materials.push(look);
        (self.materials.len() - 1) as u16
    }

    /// A box of the backdrop between two corners.
    pub(super) fn wall(&mut self, low: [f64; 3], high: [f64; 3], material: u16) {
        let (low, high) = (DVec3::from_array(low), DVec3::from_array(high));
        let shape = Shape::Box { half: ((high - low) / 2.0).to_array() };
        self.backdrop.push(Primitive::upright(shape, (low + high) / 2.0, material));
    }

    pub(super) fn print(design: &Design, at: DVec2, yaw: f64) -> Footprint {
        let size = design.size();
        Footprint { centre: at, half: size.truncate() / 2.0, yaw }
    }

    fn solids(design: &Design, at: DVec3, yaw: f64) -> Vec<Primitive> {
        design.solids.iter().map(|solid| solid.placed(yaw, at)).collect()
    }

    /// Whether a thing fits on the ground here, `clear` of the eye.
    pub(super) fn fits(&self, design: &Design, at: DVec3, yaw: f64, eye: &Eye, clear: f64) -> bool {
        let print = Self::print(design, at.truncate(), yaw);
        if print.distance_to(eye.at.truncate()) < clear {
            return false;
        }
        let near: Vec<usize> = (0..self.things.len())
            .filter(|&i| self.things[i].parent.is_none() && self.prints[i].meets(&print, GAP))
            .collect();
        if near.is_empty() {
            return true;
        }
        // Rectangles meet, but a stool may well stand under a table.
        let solids = Self::solids(design, at, yaw);
        near.iter().all(|&i| {
            let other = &self.things[i];
            let nested = nests(&other.design) || nests(design);
            nested && closest(&solids, &other.solids).0 > GAP
        })
    }

    /// Puts a thing there, without a check.
    pub(super) fn add(&mut self, design: Design, at: DVec3, yaw: f64, on: Option<(usize, usize)>) -> usize {
        let first = self.materials.len() as u16;
        self.materials.extend_from_slice(&design.materials);
        let mut solids = Self::solids(&design, at, yaw);
        for solid in &mut solids {
            solid.material += first;
        }
        self.prints.push(Self::print(&design, at.truncate(), yaw));
        self.tops.push(on.map_or(0, |(_, top)| top));
        self.things.push(Thing {
            design,
            yaw,
            at,
            parent: on.map(|(parent, _)| parent),
            solids,
            removed: false,
        });
        self.things.len() - 1
    }

    /// Tries to put a thing on one of the tops of another.
    pub(super) fn stack(&mut self, dice: &mut Dice, design: Design, on: usize, yaw: f64) -> Option<usize> {
        let parent = self.things.get(on)?;
        let fitting: Vec<(usize, Top)> = parent.design.tops.iter().copied().enumerate().collect();
        let (number, top) = *fitting.get(dice.below(fitting.len()))?;
        let size = design.size();
        if size.z > top.clearance {
            return None;
        }
        let (parent_yaw, parent_at) = (parent.yaw, parent.at);
        for _ in 0..6 {
            let own = Footprint {
                centre: DVec2::new(
                    top.centre[0] + top.half[0] * dice.within(-1.0, 1.0),
                    top.centre[1] + top.half[1] * dice.within(-1.0, 1.0),
                ),
                half: size.truncate() / 2.0,
                yaw,
            };
            let inside = own.corners().iter().all(|corner| {
                (corner.x - top.centre[0]).abs() <= top.half[0]
                    && (corner.y - top.centre[1]).abs() <= top.half[1]
            });
            if !inside {
                continue;
            }
            let place = parent_at.truncate() + DVec2::from_angle(parent_yaw).rotate(own.centre);
            let print = Footprint { centre: place, half: own.half, yaw: yaw + parent_yaw };
            let free = (0..self.things.len()).all(|i| {
                self.things[i].parent != Some(on)
                    || self.tops[i] != number
                    || !self.prints[i].meets(&print, 0.006)
            });
            let at = place.extend(parent_at.z + top.height);
            if free && self.clear_of_others(&design, at, yaw + parent_yaw, on) {
                return Some(self.add(design, at, yaw + parent_yaw, Some((on, number))));
            }
        }
        None
    }

    /// What leans over the parent (the back of a chair, a tall lamp) must not be hit.
    fn clear_of_others(&self, design: &Design, at: DVec3, yaw: f64, on: usize) -> bool {
        let print = Self::print(design, at.truncate(), yaw);
        let solids = Self::solids(design, at, yaw);
        (0..self.things.len()).filter(|&i| i != on && self.prints[i].meets(&print, GAP)).all(|i| {
            let other = &self.things[i];
            let (low, high) = super::shape::bounds(&other.solids);
            let apart = low.z >= at.z + design.size().z + 1e-6 || high.z <= at.z + 1e-6;
            // What lies entirely below is what everything stands on.
            apart || closest(&solids, &other.solids).0 > 0.004
        })
    }
}

fn nests(design: &Design) -> bool {
    matches!(design.noun.one, "table" | "tree" | "street lamp" | "traffic light" | "chair")
}
