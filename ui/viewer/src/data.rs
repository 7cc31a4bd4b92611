//! What the viewer draws: plain data in metres, x right, y forward, z up (against gravity), ground at z = 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ViewerError;

/// The id of a point that belongs to no object.
pub const NO_INSTANCE: u32 = u32::MAX;

/// Every cloud and image gets its own number, so that equal numbers mean equal content and nothing is uploaded twice.
fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A point cloud. It cannot change: make another one instead, which the viewer then uploads.
#[derive(Debug)]
pub struct Cloud {
    pub(crate) generation: u64,
    pub(crate) positions: Vec<[f32; 3]>,
    pub(crate) colors: Vec<[u8; 3]>,
    pub(crate) normals: Vec<[f32; 3]>,
    pub(crate) instances: Vec<u32>,
    pub(crate) confidence: Vec<f32>,
}

impl Cloud {
    /// A cloud of positions in metres with their sRGB colours.
    ///
    /// Positions that are not finite, or farther than 1e12 m from the origin, are skipped and counted when drawn
    /// ([`crate::Stats::skipped`]).
    ///
    /// # Errors
    /// [`ViewerError::Length`] if the two differ in length, [`ViewerError::TooManyPoints`] above 2³² - 2 points.
    pub fn new(positions: Vec<[f32; 3]>, colors: Vec<[u8; 3]>) -> Result<Self, ViewerError> {
        let limit = u32::MAX as usize - 1;
        if positions.len() > limit {
            return Err(ViewerError::TooManyPoints { found: positions.len(), limit });
        }
        let cloud = Self {
            generation: next_generation(),
            positions,
            colors,
            normals: Vec::new(),
            instances: Vec::new(),
            confidence: Vec::new(),
        };
        cloud.expect_len("colors", cloud.colors.len())?;
        Ok(cloud)
    }

    /// Adds one unit normal per point; shorter or longer ones are normalised, zero or NaN ones count as unknown.
    ///
    /// # Errors
    /// [`ViewerError::Length`] if there is not one per point.
    pub fn with_normals(mut self, normals: Vec<[f32; 3]>) -> Result<Self, ViewerError> {
        self.expect_len("normals", normals.len())?;
        self.normals = normals;
        Ok(self)
    }

    /// Adds the object each point belongs to; [`NO_INSTANCE`] for none.
    ///
    /// # Errors
    /// [`ViewerError::Length`] if there is not one per point.
    pub fn with_instances(mut self, instances: Vec<u32>) -> Result<Self, ViewerError> {
        self.expect_len("instances", instances.len())?;
        self.instances = instances;
        Ok(self)
    }

    /// Adds a confidence in `0..=1` per point (clamped; NaN is 0).
    ///
    /// # Errors
    /// [`ViewerError::Length`] if there is not one per point.
    pub fn with_confidence(mut self, confidence: Vec<f32>) -> Result<Self, ViewerError> {
        self.expect_len("confidence", confidence.len())?;
        self.confidence = confidence;
        Ok(self)
    }

    /// Number of points, skipped ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are no points.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Position of a point in metres.
    #[must_use]
    pub fn position(&self, point: usize) -> Option<[f32; 3]> {
        self.positions.get(point).copied()
    }

    /// The object a point belongs to, if any.
    #[must_use]
    pub fn instance(&self, point: usize) -> Option<u32> {
        self.instances.get(point).copied().filter(|&id| id != NO_INSTANCE)
    }

    /// Whether the cloud has what a colour mode shows (depth needs the scene's capture camera instead).
    #[must_use]
    pub const fn has(&self, mode: ColorMode) -> bool {
        match mode {
            ColorMode::Normal => !self.normals.is_empty(),
            ColorMode::Instance => !self.instances.is_empty(),
            ColorMode::Confidence => !self.confidence.is_empty(),
            ColorMode::Rgb | ColorMode::Depth | ColorMode::Height => true,
        }
    }

    const fn expect_len(&self, field: &'static str, found: usize) -> Result<(), ViewerError> {
        let expected = self.positions.len();
        if found == expected { Ok(()) } else { Err(ViewerError::Length { field, expected, found }) }
    }
}

/// A picture, sRGB with straight alpha, row by row from the top left, four bytes a pixel.
#[derive(Debug)]
pub struct Image {
    pub(crate) generation: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
}

impl Image {
    /// Wraps `width * height * 4` bytes.
    ///
    /// # Errors
    /// [`ViewerError::Image`] if the number of bytes does not fit, or there are no pixels.
    pub fn new(width: u32, height: u32, rgba: Vec<u8>) -> Result<Self, ViewerError> {
        let expected = u64::from(width) * u64::from(height) * 4;
        if expected == 0 || rgba.len() as u64 != expected {
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            return Err(ViewerError::Image { width, height, expected, found: rgba.len() });
        }
        Ok(Self { generation: next_generation(), width, height, rgba })
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.generation == other.generation
    }
}

/// The camera that took the picture a scene was lifted from.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureCamera {
    /// Optical centre in metres.
    pub position: [f32; 3],
    /// Rows of the rotation from camera (x right, y down, z forward) to world coordinates.
    pub rotation: [[f32; 3]; 3],
    /// Focal lengths in pixels.
    pub focal: [f32; 2],
    /// Principal point in pixels from the top left corner.
    pub center: [f32; 2],
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// The picture, drawn inside the frustum.
    pub image: Option<Arc<Image>>,
}

impl CaptureCamera {
    /// The world position of pixel `(u, v)` at `depth` metres along the optical axis.
    #[must_use]
    pub fn lift(&self, pixel: [f32; 2], depth: f32) -> [f32; 3] {
        let ray: [f32; 2] =
            std::array::from_fn(|i| (pixel[i] - self.center[i]) / self.focal[i].abs().max(f32::MIN_POSITIVE));
        let local = [ray[0] * depth, ray[1] * depth, depth];
        std::array::from_fn(|i| {
            self.position[i] + (0..3).map(|j| self.rotation[i][j] * local[j]).sum::<f32>()
        })
    }
}

/// An oriented box around an object.
#[derive(Debug, Clone, PartialEq)]
pub struct OrientedBox {
    /// The object; the same number as the points' instance.
    pub id: u32,
    /// Centre in metres.
    pub center: [f32; 3],
    /// Half the extent along the box's own axes, metres.
    pub half_size: [f32; 3],
    /// Unit quaternion (x, y, z, w) from box to world.
    pub rotation: [f32; 4],
    /// sRGB colour.
    pub color: [u8; 3],
    /// Text at the top of the box; empty for none.
    pub label: String,
    /// How it stands out.
    pub emphasis: Emphasis,
}

/// How much a box stands out from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Emphasis {
    /// A thin outline.
    #[default]
    None,
    /// Under the pointer, here or in another view: a thicker outline.
    Hovered,
    /// Chosen: thick outline, tinted faces, and its points outlined.
    Selected,
    /// Part of the proof of the chosen question: as selected, and never hidden by points.
    Proof,
}

/// A straight line with a label: the proof of a question ("2.4 m between the chairs").
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// First end in metres.
    pub from: [f32; 3],
    /// Second end in metres.
    pub to: [f32; 3],
    /// sRGB colour.
    pub color: [u8; 3],
    /// Text at the middle, with its number and unit; empty for none.
    pub label: String,
    /// Whether the second end has an arrow head.
    pub arrow: bool,
}

/// Everything in one view.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The points.
    pub cloud: Option<Arc<Cloud>>,
    /// Boxes around objects.
    pub boxes: Vec<OrientedBox>,
    /// Lines of a proof or of a finished measurement.
    pub segments: Vec<Segment>,
    /// The camera of the source image.
    pub capture: Option<CaptureCamera>,
}

/// What a point's colour shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// Its own colour.
    #[default]
    Rgb,
    /// Distance to the capture camera (to the origin without one).
    Depth,
    /// Surface direction: x, y, z as red, green, blue.
    Normal,
    /// Height above the ground plane z = 0.
    Height,
    /// The object it belongs to.
    Instance,
    /// How sure the depth is.
    Confidence,
}

impl ColorMode {
    /// All modes in the order of the view bar.
    pub const ALL: [Self; 6] =
        [Self::Rgb, Self::Depth, Self::Normal, Self::Height, Self::Instance, Self::Confidence];

    /// The mode's name in a sentence.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rgb => "colour",
            Self::Depth => "depth",
            Self::Normal => "normal",
            Self::Height => "height",
            Self::Instance => "object",
            Self::Confidence => "confidence",
        }
    }
}

/// How large points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointSize {
    /// The same on screen everywhere: diameter in logical pixels. Its cost does not grow with the size.
    Pixels(f32),
    /// The same in space: diameter in metres.
    Metres(f32),
    /// The width of one source pixel at the point's distance from the capture camera, times this factor: surfaces
    /// close up from near and far alike. Falls back to two pixels without a capture camera.
    Footprint(f32),
}

impl Default for PointSize {
    fn default() -> Self {
        Self::Pixels(2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_and_named() {
        let error = Cloud::new(vec![[0.0; 3]; 2], vec![[0; 3]]).unwrap_err();
        assert_eq!(error, ViewerError::Length { field: "colors", expected: 2, found: 1 });
        let cloud = || Cloud::new(vec![[0.0; 3]; 2], vec![[0; 3]; 2]).unwrap();
        assert!(cloud().with_normals(vec![]).unwrap_err().to_string().contains("`normals`"));
        assert!(cloud().with_instances(vec![1]).unwrap_err().to_string().contains("`instances`"));
        assert!(cloud().with_confidence(vec![1.0; 3]).unwrap_err().to_string().contains("expected 2"));
        assert_ne!(cloud().generation, cloud().generation);
        assert_eq!(cloud().with_instances(vec![4, NO_INSTANCE]).unwrap().instance(1), None);
    }

    #[test]
    fn images_are_checked() {
        assert!(Image::new(2, 2, vec![0; 16]).is_ok());
        assert!(Image::new(0, 2, vec![]).is_err());
        assert!(Image::new(u32::MAX, u32::MAX, vec![0; 4]).is_err());
    }

    #[test]
    fn lifting_the_principal_point_follows_the_axis() {
        // Looking along +y: camera x is world x, camera y is world -z.
        let capture = CaptureCamera {
            position: [1.0, 2.0, 3.0],
            rotation: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]],
            focal: [500.0, 500.0],
            center: [320.0, 240.0],
            size: [640, 480],
            image: None,
        };
        assert_eq!(capture.lift([320.0, 240.0], 4.0), [1.0, 6.0, 3.0]);
        assert_eq!(capture.lift([820.0, 240.0], 4.0), [5.0, 6.0, 3.0]);
        assert_eq!(capture.lift([320.0, 740.0], 4.0), [1.0, 6.0, -1.0]);
    }
}
