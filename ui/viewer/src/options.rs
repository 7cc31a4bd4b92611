//! What can be set from outside, and what comes back.

use glam::DVec3;

use crate::data::{ColorMode, PointSize};
use crate::measure::{Measurement, Tool};

/// An object that stands out: its points are outlined, the others dimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Highlight {
    /// The points' instance.
    pub instance: u32,
    /// sRGB colour of the outline.
    pub color: [u8; 3],
}

/// Settings of a view. Plain values: pass the same every frame and nothing is drawn again.
#[derive(Debug, Clone)]
pub struct ViewOptions {
    /// What point colours show.
    pub color: ColorMode,
    /// How large points are.
    pub point_size: PointSize,
    /// Strength of eye-dome lighting; 0 turns it off, 1 is the usual strength.
    pub edl: f32,
    /// Ground grid at z = 0.
    pub grid: bool,
    /// Axes at the origin.
    pub axes: bool,
    /// An arrow that falls.
    pub gravity: bool,
    /// Boxes around objects.
    pub boxes: bool,
    /// Labels of boxes, segments and axes.
    pub labels: bool,
    /// The capture camera's frustum.
    pub frustum: bool,
    /// Opacity of the photograph inside the frustum, 0 to 1.
    pub image_opacity: f32,
    /// sRGB colour behind everything.
    pub background: [u8; 3],
    /// sRGB colour of grid and frustum.
    pub line: [u8; 3],
    /// sRGB colour of text.
    pub text: [u8; 3],
    /// Objects that stand out; the first eight count.
    pub highlights: Vec<Highlight>,
    /// Brightness of points outside the highlighted objects, 0 to 1.
    pub dim_others: f32,
    /// What a click does.
    pub tool: Tool,
    /// Number, digits and unit of a measurement's label.
    pub format: fn(&Measurement) -> String,
    /// Camera changes happen at once.
    pub reduced_motion: bool,
    /// Milliseconds a frame may take while the camera moves; fewer points are drawn to keep to it.
    pub frame_budget_ms: f32,
}

impl Default for ViewOptions {
    /// The app's dark theme.
    fn default() -> Self {
        Self {
            color: ColorMode::Rgb,
            point_size: PointSize::default(),
            edl: 1.0,
            grid: true,
            axes: false,
            gravity: false,
            boxes: true,
            labels: true,
            frustum: false,
            image_opacity: 0.0,
            background: [0x14, 0x16, 0x1a],
            line: [0x4a, 0x52, 0x5e],
            text: [0xe6, 0xe9, 0xee],
            highlights: Vec::new(),
            dim_others: 0.55,
            tool: Tool::Select,
            format: Measurement::plain_text,
            reduced_motion: false,
            frame_budget_ms: 40.0,
        }
    }
}

/// What is under the pointer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// Index of the point in the cloud.
    pub point: Option<usize>,
    /// The object the point belongs to.
    pub instance: Option<u32>,
    /// The point's own position (not the pointer's), or the place on the box's edge; metres.
    pub position: DVec3,
    /// The box whose edge is under the pointer and not hidden by points.
    pub box_id: Option<u32>,
}

/// What the last picture took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    /// Points in the picture.
    pub drawn: u32,
    /// Points of the cloud that can be drawn.
    pub total: u32,
    /// Points on the GPU so far.
    pub uploaded: u32,
    /// Points with NaN, infinite or absurd positions.
    pub skipped: usize,
    /// Bytes of points on the GPU.
    pub gpu_bytes: u64,
    /// Milliseconds from submitting to done of the last measured frame; 0 before the first.
    pub frame_ms: f32,
}

/// Ends of the colour map, for a legend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Legend {
    /// What is shown.
    pub mode: ColorMode,
    /// Value of the darkest colour: metres, or 0 for confidence.
    pub low: f32,
    /// Value of the lightest colour: metres, or 1 for confidence.
    pub high: f32,
}
