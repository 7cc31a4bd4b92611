//! How wrong depth is: the noise models that every standard deviation of a scene comes from.
//!
//! The quadratic term of structured light is from Khoshelham & Elberink, "Accuracy and resolution of Kinect depth data for indoor mapping
//! applications", Sensors 2012: sigma = 1.425e-3 m at 1 m, growing with z².

use glam::DVec3;
use serde::{Deserialize, Serialize};

/// Noise of the depth of one scene. Lengths are metres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthNoise {
    /// Standard deviation as a share of the depth, independent from one object to the next.
    pub relative: f64,
    /// Standard deviation per squared metre of depth, independent from one object to the next.
    pub quadratic: f64,
    /// Standard deviation, as a share, of the error of scale that the whole scene has in common.
    pub scale: f64,
    /// Step between two depths that the file can tell apart.
    pub quantum: f64,
}

impl DepthNoise {
    /// Depth of a renderer.
    pub const EXACT: Self = Self { relative: 0.0, quadratic: 0.0, scale: 0.0, quantum: 0.0 };

    /// A depth camera that projects a pattern, with its factory calibration (1 % of scale is an assumption), stored in millimetres.
    pub const STRUCTURED_LIGHT: Self =
        Self { relative: 0.0, quadratic: 1.425e-3, scale: 0.01, quantum: 0.001 };

    /// A monocular network whose own accuracy is unknown.
    pub const PREDICTED: Self = Self::predicted(0.025, 0.06);

    /// A monocular network: `relative` noise of single objects (about 2 to 3 %) and error of `scale` of whole images (about 6 %).
    #[must_use]
    pub const fn predicted(relative: f64, scale: f64) -> Self {
        Self { relative, quadratic: 0.0, scale, quantum: 0.0 }
    }

    /// Standard deviation of a depth of `z` metres, without the shared error of scale.
    #[must_use]
    pub fn sigma_z(&self, z: f64) -> f64 {
        let z = z.abs();
        (self.relative * z + self.quadratic * z * z).hypot(self.quantum / 12f64.sqrt())
    }

    /// Standard deviation of a position across the view at depth `z`, where the contour of the mask is `mask_pixels` off and the focal
    /// length is `focal` pixels. Infinite without a focal length.
    #[must_use]
    pub fn lateral_sigma(&self, z: f64, focal: f64, mask_pixels: f64) -> f64 {
        if mask_pixels == 0.0 {
            return 0.0;
        }
        if focal > 0.0 { (mask_pixels * z / focal).abs() } else { f64::INFINITY }
    }
}

/// What the sigmas of a box's faces follow from: the noise and the camera that saw it, in the scene frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaceNoise {
    pub depth: DepthNoise,
    /// Camera centre.
    pub camera: [f64; 3],
    /// Unit vector of the optical axis.
    pub axis: [f64; 3],
    /// Focal length in pixels.
    pub focal: f64,
    /// Standard deviation of the mask's contour in pixels.
    pub mask_pixels: f64,
}

impl FaceNoise {
    /// No noise at all.
    pub const EXACT: Self = Self {
        depth: DepthNoise::EXACT,
        camera: [0.0; 3],
        axis: [0.0, 1.0, 0.0],
        focal: 1.0,
        mask_pixels: 0.0,
    };

    /// Standard deviation of a surface point along each axis of the scene frame: depth errs along the ray, masks across it.
    #[must_use]
    pub fn sigma(&self, point: DVec3) -> DVec3 {
        let offset = point - DVec3::from_array(self.camera);
        let z = offset.dot(DVec3::from_array(self.axis)).abs();
        if !(z > 1e-9 && z.is_finite()) {
            return DVec3::splat(self.depth.sigma_z(0.0));
        }
        let along = offset.abs() * (self.depth.sigma_z(z) / z);
        let across = self.depth.lateral_sigma(z, self.focal, self.mask_pixels);
        let ray = offset.normalize_or_zero();
        let part = |axis: usize| along[axis].hypot(across * (1.0 - ray[axis] * ray[axis]).max(0.0).sqrt());
        DVec3::new(part(0), part(1), part(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_light_is_centimetres_at_five_metres() {
        let noise = DepthNoise::STRUCTURED_LIGHT;
        assert!((noise.sigma_z(1.0) - 1.425e-3).abs() < 1e-4);
        assert!((noise.sigma_z(5.0) - 0.0356).abs() < 1e-3);
        assert_eq!(DepthNoise::EXACT.sigma_z(5.0), 0.0);
        assert!((DepthNoise::PREDICTED.sigma_z(4.0) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn masks_err_across_and_depth_along_the_ray() {
        let noise = FaceNoise {
            depth: DepthNoise::predicted(0.02, 0.0),
            camera: [0.0, 0.0, 1.0],
            axis: [0.0, 1.0, 0.0],
            focal: 500.0,
            mask_pixels: 1.0,
        };
        let ahead = noise.sigma(DVec3::new(0.0, 2.0, 1.0));
        assert!((ahead - DVec3::new(0.004, 0.04, 0.004)).length() < 1e-12, "{ahead}");
        // 45 degrees to the right, an error of depth is as much an error of x.
        let aside = noise.sigma(DVec3::new(2.0, 2.0, 1.0));
        assert!((aside.x - aside.y).abs() < 1e-12 && aside.x > 0.04);
        assert_eq!(FaceNoise::EXACT.sigma(DVec3::new(1.0, 2.0, 3.0)), DVec3::ZERO);
        assert!(noise.sigma(DVec3::splat(f64::NAN)).is_finite());
        assert_eq!(noise.depth.lateral_sigma(1.0, 0.0, 1.0), f64::INFINITY);
    }
}
