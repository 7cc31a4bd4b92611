//! From scene, camera and options to what the renderer draws; shared by the panel and by offscreen pictures.

use crate::camera::Camera;
use crate::data::{CaptureCamera, Cloud, ColorMode, Scene, Segment};
use crate::gpu::{Frame, MAX_HIGHLIGHTS, Method, Renderer};
use crate::options::{Legend, ViewOptions};
use crate::overlay::{self, Overlay, Show};
use crate::pack::quantiles;

/// Range of distances to the capture camera, found once per cloud and camera.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    of: Option<(u64, [u32; 3])>,
    depths: [f32; 2],
}

impl Ranges {
    fn depths(&mut self, cloud: Option<&Cloud>, renderer: &Renderer, from: [f32; 3]) -> [f32; 2] {
        let (Some(cloud), Some(layout)) = (cloud, renderer.layout()) else { return [0.0, 1.0] };
        let key = (cloud.generation, from.map(f32::to_bits));
        if self.of != Some(key) {
            let from = glam::Vec3::from(from);
            let mut sample = layout.sample(cloud, |point| glam::Vec3::from(point).distance(from));
            self.depths = quantiles(&mut sample, 0.02, 0.98);
            self.of = Some(key);
        }
        self.depths
    }
}

/// The middle of the source camera, or the origin.
fn capture_position(scene: &Scene) -> [f32; 3] {
    let position = scene.capture.as_ref().map(|capture| capture.position);
    position.filter(|position| position.iter().all(|value| value.is_finite())).unwrap_or_default()
}

fn footprint(capture: &CaptureCamera) -> Option<f32> {
    let focal = capture.focal[0].abs().max(capture.focal[1].abs());
    (focal.is_finite() && focal > 0.0).then(|| 1.0 / focal)
}

/// The uniform block for a picture of `size` pixels.
pub(crate) fn frame(
    scene: &Scene,
    options: &ViewOptions,
    camera: &Camera,
    renderer: &Renderer,
    ranges: &mut Ranges,
    size: [u32; 2],
    pixels_per_point: f32,
) -> Frame {
    let capture = capture_position(scene);
    let layout = renderer.layout();
    let mut highlights = [None; MAX_HIGHLIGHTS];
    for (slot, highlight) in highlights.iter_mut().zip(&options.highlights) {
        *slot = Some((highlight.instance, highlight.color));
    }
    let edl = if options.edl.is_finite() { options.edl.max(0.0) * EDL_SCALE } else { 0.0 };
    Frame {
        view: camera.view(size.map(f64::from)),
        pixels_per_point,
        origin: layout.map_or([0.0; 3], |layout| layout.origin),
        capture,
        depths: ranges.depths(scene.cloud.as_deref(), renderer, capture),
        heights: layout.map_or([0.0, 1.0], |layout| layout.heights),
        method: Method::new(options.point_size, pixels_per_point, scene.capture.as_ref().and_then(footprint)),
        color: options.color,
        edl,
        dim: options.dim_others.clamp(0.0, 1.0),
        highlights,
    }
}

/// Obscurance is a ratio of depths: at strength 1, a neighbour 5 % nearer all round halves the brightness.
const EDL_SCALE: f32 = 12.0;

/// Lines, faces and labels of a picture.
pub(crate) fn overlay(
    scene: &Scene,
    options: &ViewOptions,
    renderer: &Renderer,
    measuring: &[Segment],
) -> Overlay {
    let layout = renderer.layout();
    let show = Show {
        grid: options.grid,
        axes: options.axes,
        gravity: options.gravity,
        boxes: options.boxes,
        frustum: options.frustum,
        image: options.image_opacity,
        line: options.line,
    };
    let bounds = layout.and_then(|layout| layout.bounds);
    let origin = layout.map_or([0.0; 3], |layout| layout.origin);
    overlay::build(scene, measuring, bounds.as_ref(), origin, &show)
}

/// The numbers at the ends of the colour map; `None` for modes without numbers.
pub(crate) fn legend(mode: ColorMode, frame: &Frame) -> Option<Legend> {
    let [low, high] = match mode {
        ColorMode::Depth => frame.depths,
        ColorMode::Height => frame.heights,
        ColorMode::Confidence => [0.0, 1.0],
        ColorMode::Rgb | ColorMode::Normal | ColorMode::Instance => return None,
    };
    Some(Legend { mode, low, high })
}
