//! From what the engine read to what the viewer draws.

use std::sync::Arc;

use plumb_engine::look::{Pixels, SceneSeen};
use plumb_qa::QaPair;
use plumb_viewer::{CaptureCamera, Cloud, Emphasis, Image, OrientedBox, Scene, Segment, ViewerError};

use super::details::rgb;
use super::list::name_of;
use super::{Chosen, length};
use crate::theme::theme;

/// The parts that stay while a scene is shown: they are uploaded once.
pub(super) struct Fixed {
    pub(super) cloud: Option<Arc<Cloud>>,
    pub(super) capture: CaptureCamera,
}

fn triples(bytes: &[u8]) -> Vec<[f32; 3]> {
    let (values, _) = bytes.as_chunks::<4>();
    let (rows, _) = values.as_chunks::<3>();
    rows.iter().map(|row| row.map(f32::from_le_bytes)).collect()
}

fn picture(pixels: &Pixels) -> Option<Arc<Image>> {
    let (rows, _) = pixels.rgb.bytes.as_chunks::<3>();
    let rgba = rows.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    Image::new(pixels.width, pixels.height, rgba).ok().map(Arc::new)
}

impl Fixed {
    /// # Errors
    /// Arrays of different lengths.
    pub(super) fn new(seen: &SceneSeen) -> Result<Self, ViewerError> {
        let cloud = if seen.points == 0 {
            None
        } else {
            let (colours, _) = seen.colours.bytes.as_chunks::<3>();
            let mut cloud = Cloud::new(triples(&seen.positions.bytes), colours.to_vec())?;
            let normals = triples(&seen.normals.bytes);
            if !normals.is_empty() {
                cloud = cloud.with_normals(normals)?;
            }
            let (ids, _) = seen.objects.bytes.as_chunks::<4>();
            if !ids.is_empty() {
                cloud = cloud.with_instances(ids.iter().map(|b| u32::from_le_bytes(*b)).collect())?;
            }
            Some(Arc::new(cloud))
        };
        let (camera, frame) = (&seen.scene.camera, &seen.scene.frame);
        // Rows of `axes` are the scene's axes seen from the camera: the matrix from camera to scene.
        let rotation = frame.axes.map(|row| row.map(|v| v as f32));
        let capture = CaptureCamera {
            position: [0.0, 0.0, frame.camera_height as f32],
            rotation,
            focal: [camera.fx as f32, camera.fy as f32],
            center: [camera.cx as f32, camera.cy as f32],
            size: [camera.width, camera.height],
            image: seen.image.as_ref().and_then(picture),
        };
        Ok(Self { cloud, capture })
    }
}

/// The view of a scene with what is chosen in it.
pub(super) fn scene(
    seen: &SceneSeen,
    fixed: &Fixed,
    chosen: &Chosen,
    question: Option<&QaPair>,
    [boxes, labels, frustum]: [bool; 3],
) -> Scene {
    let accent = rgb(theme().data.yellow);
    let boxes = seen.scene.objects.iter().enumerate().filter_map(|(i, object)| {
        let emphasis = if question.is_some_and(|q| q.question.objects.contains(&object.id)) {
            Emphasis::Proof
        } else if chosen.objects.contains(&object.id) {
            Emphasis::Selected
        } else if chosen.hovered == Some(object.id) {
            Emphasis::Hovered
        } else if boxes {
            Emphasis::None
        } else {
            return None;
        };
        let half = object.oriented.yaw as f32 / 2.0;
        Some(OrientedBox {
            // Points carry the object's place in the list.
            id: i as u32,
            center: object.oriented.centre.map(|v| v as f32),
            half_size: object.oriented.size.map(|v| (v / 2.0) as f32),
            rotation: [0.0, 0.0, half.sin(), half.cos()],
            color: rgb(theme().data.series(i)),
            label: if labels || emphasis != Emphasis::None { name_of(object) } else { String::new() },
            emphasis,
        })
    });
    let boxes = boxes.collect();
    let mut segments = Vec::new();
    if let Some(question) = question {
        let (pairs, _) = question.proof.points.as_chunks::<2>();
        segments.extend(pairs.iter().map(|[from, to]| segment(*from, *to, accent)));
    } else if let [a, b] = chosen.objects[..] {
        let place = |id: u32| seen.scene.objects.iter().position(|object| object.id == id);
        if let (Some(i), Some(j)) = (place(a), place(b))
            && let Some(pair) = seen.scene.pair(i, j)
        {
            segments.push(segment(pair.point_a, pair.point_b, accent));
        }
    }
    let capture =
        CaptureCamera { image: fixed.capture.image.clone().filter(|_| frustum), ..fixed.capture.clone() };
    Scene { cloud: fixed.cloud.clone(), boxes, segments, capture: Some(capture) }
}

fn segment(from: [f64; 3], to: [f64; 3], color: [u8; 3]) -> Segment {
    let long = (0..3).map(|k| (to[k] - from[k]).powi(2)).sum::<f64>().sqrt();
    let end = |p: [f64; 3]| p.map(|v| v as f32);
    Segment { from: end(from), to: end(to), color, label: length(long, 0.05), arrow: false }
}
