use glam::{DMat3, DVec2, DVec3};
use serde::{Deserialize, Serialize};

use crate::{GeometryError, Result};

/// Where a calibration has its pixel centres.
///
/// OpenCV and the published intrinsics of TUM, NYUv2, ScanNet and Redwood count from the *centre* of the first pixel (`Integer`: a
/// 640-pixel image centred on its axis has cx = 319.5); graphics APIs count from its corner (`Half`: cx = 320).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelCentre {
    /// The centre of the first pixel is (0, 0).
    Integer,
    /// The centre of the first pixel is (0.5, 0.5).
    Half,
}

/// A pinhole camera without distortion. `cx`, `cy` count from the corner of the image ([`PixelCentre::Half`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Focal length in pixels.
    pub fx: f64,
    /// Focal length in pixels.
    pub fy: f64,
    /// Principal point in pixels from the left edge.
    pub cx: f64,
    /// Principal point in pixels from the top edge.
    pub cy: f64,
}

impl Camera {
    /// A checked camera from a calibration `[fx, fy, cx, cy]` in the convention it was published in.
    ///
    /// # Errors
    /// [`GeometryError::Camera`] for sizes of 0 or above 65535, focal lengths that are not finite or give a field of view outside 1° to 170°,
    /// and principal points farther than one image size outside of the image.
    pub fn new(width: u32, height: u32, intrinsics: [f64; 4], centre: PixelCentre) -> Result<Self> {
        let [fx, fy, cx, cy] = intrinsics;
        let shift = match centre {
            PixelCentre::Integer => 0.5,
            PixelCentre::Half => 0.0,
        };
        let camera = Self { width, height, fx, fy, cx: cx + shift, cy: cy + shift };
        camera.check()?;
        Ok(camera)
    }

    /// Checks what [`Camera::new`] checks; for cameras that were read from a file.
    ///
    /// # Errors
    /// As [`Camera::new`].
    pub fn check(&self) -> Result<()> {
        let wrong = |field, found: String, expected| Err(GeometryError::Camera { field, found, expected });
        for (field, size) in [("width", self.width), ("height", self.height)] {
            if size == 0 || size > 65_535 {
                return wrong(field, size.to_string(), "1 to 65535 pixels");
            }
        }
        for (field, focal, size) in [("fx", self.fx, self.width), ("fy", self.fy, self.height)] {
            let tangent = f64::from(size) / (2.0 * focal);
            // tan(0.5°) and tan(85°)
            if !(focal.is_finite() && (0.008_727..=11.43).contains(&tangent)) {
                return wrong(
                    field,
                    focal.to_string(),
                    "a focal length in pixels that gives a view of 1° to 170°",
                );
            }
        }
        for (field, point, size) in [("cx", self.cx, self.width), ("cy", self.cy, self.height)] {
            let size = f64::from(size);
            if !(point.is_finite() && (-size..=2.0 * size).contains(&point)) {
                return wrong(field, point.to_string(), "a principal point in pixels, near the image");
            }
        }
        let ratio = self.fx / self.fy;
        if !(0.2..=5.0).contains(&ratio) {
            return wrong("fx/fy", ratio.to_string(), "nearly square pixels (0.2 to 5)");
        }
        Ok(())
    }

    /// A camera with square pixels, its axis in the middle of the image, and this vertical field of view in radians.
    ///
    /// # Errors
    /// As [`Camera::new`].
    pub fn from_vertical_fov(width: u32, height: u32, fov: f64) -> Result<Self> {
        let f = f64::from(height) / (2.0 * (fov / 2.0).tan());
        Self::new(width, height, [f, f, f64::from(width) / 2.0, f64::from(height) / 2.0], PixelCentre::Half)
    }

    /// Direction of the ray through image position (`u`, `v`), scaled to z = 1; not of unit length.
    #[must_use]
    pub fn ray(&self, u: f64, v: f64) -> DVec3 {
        DVec3::new((u - self.cx) / self.fx, (v - self.cy) / self.fy, 1.0)
    }

    /// The ray through the centre of pixel (`column`, `row`).
    #[must_use]
    pub fn pixel_ray(&self, column: u32, row: u32) -> DVec3 {
        self.ray(f64::from(column) + 0.5, f64::from(row) + 0.5)
    }

    /// The point at image position (`u`, `v`) and depth `z` along the optical axis, in the camera frame.
    #[must_use]
    pub fn back_project(&self, u: f64, v: f64, z: f64) -> DVec3 {
        self.ray(u, v) * z
    }

    /// Image position of a point in the camera frame; `None` for points at or behind the camera. It may lie outside of the image.
    #[must_use]
    pub fn project(&self, point: DVec3) -> Option<DVec2> {
        (point.z > 1e-9)
            .then(|| DVec2::new(self.fx * point.x / point.z + self.cx, self.fy * point.y / point.z + self.cy))
    }

    /// The matrix K of this camera, in the corner convention.
    #[must_use]
    pub fn matrix(&self) -> DMat3 {
        DMat3::from_cols(
            DVec3::new(self.fx, 0.0, 0.0),
            DVec3::new(0.0, self.fy, 0.0),
            DVec3::new(self.cx, self.cy, 1.0),
        )
    }

    /// `[fx, fy, cx, cy]` in a convention.
    #[must_use]
    pub fn intrinsics(&self, centre: PixelCentre) -> [f64; 4] {
        let shift = match centre {
            PixelCentre::Integer => 0.5,
            PixelCentre::Half => 0.0,
        };
        [self.fx, self.fy, self.cx - shift, self.cy - shift]
    }

    /// The camera of the picture mirrored left to right.
    #[must_use]
    pub fn flip_horizontal(&self) -> Self {
        Self { cx: f64::from(self.width) - self.cx, ..*self }
    }

    /// The camera of a crop whose top left corner is (`x`, `y`).
    ///
    /// # Errors
    /// As [`Camera::new`].
    pub fn crop(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Self> {
        let camera = Self { width, height, cx: self.cx - f64::from(x), cy: self.cy - f64::from(y), ..*self };
        camera.check()?;
        Ok(camera)
    }

    /// The camera of the picture resized to `width` × `height`.
    ///
    /// # Errors
    /// As [`Camera::new`].
    pub fn resized(&self, width: u32, height: u32) -> Result<Self> {
        let (sx, sy) = (f64::from(width) / f64::from(self.width), f64::from(height) / f64::from(self.height));
        let camera =
            Self { width, height, fx: self.fx * sx, fy: self.fy * sy, cx: self.cx * sx, cy: self.cy * sy };
        camera.check()?;
        Ok(camera)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_intrinsics_are_shifted_by_half_a_pixel() -> Result<()> {
        let camera = Camera::new(640, 480, [525.0, 525.0, 319.5, 239.5], PixelCentre::Integer)?;
        assert_eq!((camera.cx, camera.cy), (320.0, 240.0));
        assert_eq!(camera.intrinsics(PixelCentre::Integer), [525.0, 525.0, 319.5, 239.5]);
        assert!(
            (camera.matrix() * DVec3::new(0.0, 0.0, 2.0) - DVec3::new(640.0, 480.0, 2.0)).length() < 1e-12
        );
        Ok(())
    }

    #[test]
    fn absurd_cameras_are_refused_with_the_field() {
        let with = |i: [f64; 4]| Camera::new(640, 480, i, PixelCentre::Integer).map_err(|e| e.to_string());
        for (intrinsics, field) in [
            ([0.0, 525.0, 319.5, 239.5], "fx"),
            ([-525.0, 525.0, 319.5, 239.5], "fx"),
            ([525.0, f64::NAN, 319.5, 239.5], "fy"),
            ([525.0, 1e9, 319.5, 239.5], "fy"),
            ([525.0, 525.0, 1e7, 239.5], "cx"),
            ([525.0, 525.0, 319.5, f64::INFINITY], "cy"),
            ([6000.0, 525.0, 319.5, 239.5], "fx/fy"),
        ] {
            let message = with(intrinsics).expect_err("refused");
            assert!(message.starts_with(&format!("camera {field} is ")), "{message}");
        }
        assert!(Camera::new(0, 480, [525.0, 525.0, 0.0, 0.0], PixelCentre::Half).is_err());
    }

    proptest! {
        #[test]
        fn projecting_undoes_back_projecting(u in 0.0..640.0f64, v in 0.0..480.0f64, z in 0.05..100.0f64) {
            let camera = Camera::from_vertical_fov(640, 480, 1.0).expect("a camera");
            let back = camera.project(camera.back_project(u, v, z)).expect("in front");
            prop_assert!((back - DVec2::new(u, v)).length() < 1e-9);
        }

        #[test]
        fn a_mirrored_camera_sees_the_mirrored_point(x in -2.0..2.0f64, y in -2.0..2.0f64, z in 0.5..9.0f64) {
            let camera = Camera::new(640, 480, [500.0, 510.0, 300.0, 200.0], PixelCentre::Half).expect("a camera");
            let here = camera.project(DVec3::new(x, y, z)).expect("in front");
            let there = camera.flip_horizontal().project(DVec3::new(-x, y, z)).expect("in front");
            prop_assert!((640.0 - here.x - there.x).abs() < 1e-9 && (here.y - there.y).abs() < 1e-9);
        }
    }
}
