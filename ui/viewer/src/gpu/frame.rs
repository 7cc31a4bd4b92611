//! The uniform block every shader reads (`shaders/frame.wgsl`).

use crate::camera::View;
use crate::data::{ColorMode, NO_INSTANCE, PointSize};

/// Objects that can be highlighted at once; the array in `frame.wgsl` has this length.
pub(crate) const MAX_HIGHLIGHTS: usize = 8;

const WORDS: usize = 16 + 7 * 4 + MAX_HIGHLIGHTS * 4;

/// Bytes of the block.
pub(crate) const FRAME_BYTES: u64 = (WORDS * 4) as u64;

/// Largest diameter in pixels that the splat pass grows points to; larger ones are drawn as discs.
const SPLAT_LIMIT: f32 = 7.0;

/// How points of a [`PointSize`] reach the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Method {
    /// One pixel each, then grown to this diameter in pixels (1: no second pass).
    Splat(u32),
    /// An instanced disc each. `kind` and `diameter` as in `frame.wgsl`.
    Disc { kind: f32, diameter: f32 },
}

impl Method {
    /// `footprint`: radians one source pixel covers, if there is a capture camera.
    pub(crate) fn new(size: PointSize, pixels_per_point: f32, footprint: Option<f32>) -> Self {
        let pixels = |diameter: f32| {
            let diameter = (diameter * pixels_per_point).clamp(1.0, 256.0);
            if diameter.round() <= SPLAT_LIMIT {
                Self::Splat(diameter.round() as u32)
            } else {
                Self::Disc { kind: 0.0, diameter }
            }
        };
        match size {
            PointSize::Pixels(diameter) if diameter.is_finite() => pixels(diameter),
            PointSize::Metres(diameter) if diameter.is_finite() => {
                Self::Disc { kind: 1.0, diameter: diameter.max(0.0) }
            }
            PointSize::Footprint(factor) if factor.is_finite() && footprint.is_some() => {
                Self::Disc { kind: 2.0, diameter: factor.max(0.0) * footprint.unwrap_or(0.0) }
            }
            _ => pixels(2.0),
        }
    }
}

/// What the block is made of, in world coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) view: View,
    pub(crate) pixels_per_point: f32,
    pub(crate) origin: [f32; 3],
    /// Distances are measured from here.
    pub(crate) capture: [f32; 3],
    pub(crate) depths: [f32; 2],
    pub(crate) heights: [f32; 2],
    pub(crate) method: Method,
    pub(crate) color: ColorMode,
    /// 0: no eye-dome lighting.
    pub(crate) edl: f32,
    /// Brightness of points outside the highlighted objects.
    pub(crate) dim: f32,
    pub(crate) highlights: [Option<(u32, [u8; 3])>; MAX_HIGHLIGHTS],
}

impl Frame {
    pub(crate) fn words(&self) -> [u32; WORDS] {
        let origin = glam::Vec3::from(self.origin).as_dvec3();
        let eye = (self.view.eye - origin).as_vec3();
        let capture = glam::Vec3::from(self.capture) - glam::Vec3::from(self.origin);
        let (kind, diameter, splat) = match self.method {
            Method::Splat(diameter) => (0.0, 1.0, diameter as f32),
            Method::Disc { kind, diameter } => (kind, diameter, 1.0),
        };
        let size = self.view.size.as_vec2();
        let mut words = [0; WORDS];
        let matrix = self.view.clip_from_world(origin);
        let floats = matrix.into_iter().flatten().chain([
            eye.x,
            eye.y,
            eye.z,
            self.view.near as f32,
            capture.x,
            capture.y,
            capture.z,
            self.origin[2],
            size.x,
            size.y,
            self.view.focal as f32,
            self.pixels_per_point,
            self.depths[0],
            self.depths[1],
            self.heights[0],
            self.heights[1],
            kind,
            diameter,
            splat,
            0.0,
            self.edl,
            // The neighbours must lie outside the splat of the pixel's own point.
            (splat * 0.5).max(1.0).max(self.pixels_per_point),
            self.dim,
            0.0,
        ]);
        for (word, value) in words.iter_mut().zip(floats) {
            *word = value.to_bits();
        }
        let mode = match self.color {
            ColorMode::Rgb => 0,
            ColorMode::Depth => 1,
            ColorMode::Normal => 2,
            ColorMode::Height => 3,
            ColorMode::Instance => 4,
            ColorMode::Confidence => 5,
        };
        words[40] = mode;
        words[41] = self.highlights.iter().flatten().count() as u32;
        for (slot, (instance, [r, g, b])) in self.highlights.iter().flatten().enumerate() {
            words[44 + slot * 4] = if *instance == NO_INSTANCE { NO_INSTANCE - 1 } else { *instance };
            words[45 + slot * 4] = u32::from_le_bytes([*r, *g, *b, 0]);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Camera;

    #[test]
    fn sizes_choose_their_method() {
        let method = |size, footprint| Method::new(size, 1.0, footprint);
        assert_eq!(method(PointSize::Pixels(3.0), None), Method::Splat(3));
        assert_eq!(method(PointSize::Pixels(f32::NAN), None), Method::Splat(2));
        assert_eq!(method(PointSize::Pixels(-4.0), None), Method::Splat(1));
        assert!(matches!(method(PointSize::Pixels(20.0), None), Method::Disc { kind: 0.0, .. }));
        assert!(matches!(method(PointSize::Metres(0.01), None), Method::Disc { kind: 1.0, .. }));
        assert!(matches!(method(PointSize::Footprint(1.0), Some(0.002)), Method::Disc { kind: 2.0, .. }));
        assert_eq!(method(PointSize::Footprint(1.0), None), Method::Splat(2));
    }

    #[test]
    fn the_block_has_the_layout_of_the_shader() {
        let frame = Frame {
            view: Camera::default().view([640.0, 480.0]),
            pixels_per_point: 2.0,
            origin: [1.0, 2.0, 3.0],
            capture: [1.0, 2.0, 5.0],
            depths: [0.5, 9.0],
            heights: [0.0, 2.5],
            method: Method::Splat(3),
            color: ColorMode::Height,
            edl: 1.0,
            dim: 0.5,
            highlights: [Some((7, [1, 2, 3])), None, Some((9, [0; 3])), None, None, None, None, None],
        };
        let words = frame.words();
        let float = |index: usize| f32::from_bits(words[index]);
        assert_eq!([float(20), float(21), float(22), float(23)], [0.0, 0.0, 2.0, 3.0]);
        assert_eq!([float(24), float(25), float(27)], [640.0, 480.0, 2.0]);
        assert_eq!([float(28), float(31), float(34)], [0.5, 2.5, 3.0]);
        assert_eq!((words[40], words[41], words[44], words[45], words[48]), (3, 2, 7, 0x03_02_01, 9));
        assert_eq!(FRAME_BYTES, 304);
    }
}
