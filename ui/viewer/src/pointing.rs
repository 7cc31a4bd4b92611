//! What the pointer is on: points by the picture itself, boxes by the distance to their edges.

use glam::{DVec2, DVec3};

use crate::camera::View;
use crate::data::Scene;
use crate::gpu::{Hit, Readback, Renderer};
use crate::options::Pick;
use crate::overlay::{EDGES, corners};

/// Logical pixels around the pointer in which a point or an edge counts as hit.
pub(crate) const REACH: f64 = 5.0;

/// Why something under the pointer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Hover,
    Click,
    DoubleClick,
}

/// A question to the picture that was on screen when it was asked.
pub(crate) struct Question {
    pub(crate) purpose: Purpose,
    readback: Readback,
    pointer: DVec2,
    view: View,
    reach: f64,
}

impl Question {
    /// Asks what is at `pointer`, in physical pixels of the last picture.
    pub(crate) fn ask(
        purpose: Purpose,
        renderer: &Renderer,
        view: &View,
        pointer: DVec2,
        pixels_per_point: f64,
    ) -> Option<Self> {
        if !(pointer.x >= 0.0 && pointer.y >= 0.0) {
            return None;
        }
        let readback = renderer.read_around([pointer.x as u32, pointer.y as u32])?;
        Some(Self { purpose, readback, pointer, view: *view, reach: REACH * pixels_per_point })
    }

    /// The answer once it is there.
    pub(crate) fn poll(&self, renderer: &Renderer, scene: &Scene, boxes: bool) -> Option<Option<Pick>> {
        let hit = self.readback.poll(self.reach as f32)?;
        let point = hit.and_then(|hit| point_pick(renderer, scene, hit));
        let edge = if boxes { box_pick(scene, &self.view, self.pointer, self.reach, hit) } else { None };
        Some(match (point, edge) {
            (Some(point), Some((box_id, _))) => Some(Pick { box_id: Some(box_id), ..point }),
            (None, Some((box_id, position))) => {
                Some(Pick { point: None, instance: None, position, box_id: Some(box_id) })
            }
            (point, None) => point,
        })
    }
}

/// The scene's words for a hit on screen.
pub(crate) fn point_pick(renderer: &Renderer, scene: &Scene, hit: Hit) -> Option<Pick> {
    let cloud = scene.cloud.as_ref()?;
    let point = renderer.layout()?.point_at(hit.slot)? as usize;
    let position = glam::Vec3::from(cloud.position(point)?).as_dvec3();
    Some(Pick { point: Some(point), instance: cloud.instance(point), position, box_id: None })
}

/// The box whose edge is nearest to the pointer and not behind the point there, with the place on the edge.
fn box_pick(
    scene: &Scene,
    view: &View,
    pointer: DVec2,
    reach: f64,
    hit: Option<Hit>,
) -> Option<(u32, DVec3)> {
    // Edges lie on surfaces: a little behind the point still counts as on it.
    let behind = hit.map_or(f64::INFINITY, |hit| f64::from(hit.depth) * 1.05 + 0.05);
    scene
        .boxes
        .iter()
        .filter_map(|shape| Some((shape.id, corners(shape)?)))
        .flat_map(|(id, corners)| EDGES.map(|(a, b)| (id, corners[a], corners[b])))
        .filter_map(|(id, a, b)| {
            let [(start, start_depth), (end, end_depth)] = view.project_segment(a, b)?;
            let run = end - start;
            let t = ((pointer - start).dot(run) / run.length_squared().max(1e-12)).clamp(0.0, 1.0);
            let distance = (start + run * t).distance(pointer);
            // 1/depth is linear on screen.
            let depth = 1.0 / (1.0 / start_depth * (1.0 - t) + 1.0 / end_depth * t);
            (distance <= reach && depth <= behind)
                .then(|| (distance, depth, id, view.unproject(start + run * t, depth)))
        })
        .min_by(|a, b| {
            (a.0.round(), a.1).partial_cmp(&(b.0.round(), b.1)).unwrap_or(std::cmp::Ordering::Equal)
        })
        .map(|(_, _, id, position)| (id, position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Camera;
    use crate::data::{Emphasis, OrientedBox};

    fn shape(id: u32, y: f32) -> OrientedBox {
        OrientedBox {
            id,
            center: [0.0, y, 0.0],
            half_size: [0.5; 3],
            rotation: [0.0, 0.0, 0.0, 1.0],
            color: [0; 3],
            label: String::new(),
            emphasis: Emphasis::None,
        }
    }

    #[test]
    fn the_nearest_visible_edge_wins() {
        let scene = Scene { boxes: vec![shape(1, 6.0), shape(2, 0.0)], ..Scene::default() };
        let camera = Camera { target: DVec3::ZERO, yaw: 0.0, pitch: 0.0, distance: 4.0, ..Camera::default() };
        let view = camera.view([400.0, 400.0]);
        let (corner, _) = view.project(DVec3::new(0.2, -0.5, 0.5)).unwrap();
        let (id, position) = box_pick(&scene, &view, corner + DVec2::new(0.0, 2.0), 5.0, None).unwrap();
        assert_eq!(id, 2);
        assert!((position - DVec3::new(0.2, -0.5, 0.5)).length() < 1e-6, "{position}");
        assert_eq!(box_pick(&scene, &view, DVec2::new(200.0, 200.0), 5.0, None), None);
        // A point in front hides the far box's edge, one behind does not.
        let (far, depth) = view.project(DVec3::new(0.1, 5.5, 0.5)).unwrap();
        let hit = |depth: f64| Some(Hit { slot: 0, depth: depth as f32 });
        assert_eq!(box_pick(&scene, &view, far, 5.0, hit(depth - 3.0)), None);
        assert_eq!(box_pick(&scene, &view, far, 5.0, hit(depth + 3.0)).unwrap().0, 1);
    }

    #[test]
    fn broken_boxes_and_boxes_behind_are_no_target() {
        let broken = OrientedBox { center: [f32::NAN; 3], ..shape(1, 0.0) };
        let scene = Scene { boxes: vec![broken, shape(2, -50.0)], ..Scene::default() };
        let view = Camera { yaw: 0.0, pitch: 0.0, ..Camera::default() }.view([100.0, 100.0]);
        assert_eq!(box_pick(&scene, &view, DVec2::splat(50.0), 1e9, None), None);
    }
}
