use crate::{Camera, GeometryError, Result};

/// A grid of distances in metres, row by row. Every value is finite and at least 0; 0 marks a pixel without a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthMap {
    width: u32,
    height: u32,
    metres: Vec<f32>,
}

impl DepthMap {
    /// NaN, infinite and negative values become 0, "not measured".
    ///
    /// # Errors
    /// [`GeometryError::DepthSize`] unless there are `width * height` values.
    pub fn new(width: u32, height: u32, mut metres: Vec<f32>) -> Result<Self> {
        if metres.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(GeometryError::DepthSize { width, height, found: metres.len() });
        }
        for value in &mut metres {
            if !(value.is_finite() && *value > 0.0) {
                *value = 0.0;
            }
        }
        Ok(Self { width, height, metres })
    }

    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Metres, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.metres
    }

    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.metres
    }

    /// Index of a pixel in [`DepthMap::values`].
    #[must_use]
    pub const fn index(&self, column: u32, row: u32) -> usize {
        row as usize * self.width as usize + column as usize
    }

    /// How many pixels have a measurement.
    #[must_use]
    pub fn measured(&self) -> usize {
        self.metres.iter().filter(|&&z| z > 0.0).count()
    }

    fn scaled_by_ray(mut self, camera: &Camera, scale: impl Fn(f64) -> f64) -> Result<Self> {
        if (camera.width, camera.height) != (self.width, self.height) {
            return Err(GeometryError::SizeMismatch {
                what: "depth map",
                found_width: self.width,
                found_height: self.height,
                width: camera.width,
                height: camera.height,
            });
        }
        for (row, line) in (0..).zip(self.metres.chunks_exact_mut(self.width.max(1) as usize)) {
            for (column, value) in (0..).zip(line) {
                *value = (f64::from(*value) * scale(camera.pixel_ray(column, row).length())) as f32;
            }
        }
        Ok(self)
    }
}

/// Depth along the optical axis, as depth cameras, NYUv2, ScanNet, TUM and SUN RGB-D store it.
#[derive(Clone, Debug, PartialEq)]
pub struct ZDepth(pub DepthMap);

/// Distance from the camera centre along the ray, as Hypersim and some renderers store it.
#[derive(Clone, Debug, PartialEq)]
pub struct RayDepth(pub DepthMap);

impl RayDepth {
    /// # Errors
    /// [`GeometryError::SizeMismatch`] if the camera has another size.
    pub fn to_z(self, camera: &Camera) -> Result<ZDepth> {
        Ok(ZDepth(self.0.scaled_by_ray(camera, f64::recip)?))
    }
}

impl ZDepth {
    /// # Errors
    /// [`GeometryError::SizeMismatch`] if the camera has another size.
    pub fn to_ray(self, camera: &Camera) -> Result<RayDepth> {
        Ok(RayDepth(self.0.scaled_by_ray(camera, |length| length)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelCentre;

    #[test]
    fn what_is_no_distance_is_not_measured() -> Result<()> {
        let map = DepthMap::new(3, 2, vec![1.0, f32::NAN, -2.0, f32::INFINITY, 0.0, 4.5])?;
        assert_eq!(map.values(), [1.0, 0.0, 0.0, 0.0, 0.0, 4.5]);
        assert_eq!(map.measured(), 2);
        assert!(DepthMap::new(3, 2, vec![1.0; 5]).is_err());
        Ok(())
    }

    #[test]
    fn ray_distance_is_longer_off_axis_and_converts_back() -> Result<()> {
        let camera = Camera::new(4, 3, [2.0, 2.0, 2.0, 1.5], PixelCentre::Half)?;
        let z = ZDepth(DepthMap::new(4, 3, vec![2.0; 12])?);
        let ray = z.clone().to_ray(&camera)?;
        // The corner pixel's ray is (-0.75, -0.5, 1).
        assert!((f64::from(ray.0.values()[0]) - 2.0 * (1.0f64 + 0.5625 + 0.25).sqrt()).abs() < 1e-6);
        for (back, there) in ray.to_z(&camera)?.0.values().iter().zip(z.0.values()) {
            assert!((back - there).abs() < 1e-6);
        }
        Ok(())
    }
}
