//! Point clouds that keep the grid of the image they come from.

use glam::Vec3;

use crate::filter::{edges_of_inverse, inverse_depth};
use crate::{Camera, FilterOptions, GeometryError, Result, ZDepth, normals};

/// A point for every pixel that has a trusted depth, in the camera frame (x right, y down, z forward), in metres, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganizedCloud {
    camera: Camera,
    points: Vec<Vec3>,
    normals: Vec<Vec3>,
}

impl OrganizedCloud {
    /// Back-projects the centres of all pixels, without those on depth discontinuities and on surfaces seen edge-on, and finds the normals.
    ///
    /// # Errors
    /// [`GeometryError::SizeMismatch`] if the camera has another size than the depth, and what [`Camera::check`] finds.
    pub fn from_depth(depth: &ZDepth, camera: &Camera, options: &FilterOptions) -> Result<Self> {
        camera.check()?;
        if (camera.width, camera.height) != (depth.0.width(), depth.0.height()) {
            return Err(GeometryError::SizeMismatch {
                what: "depth map",
                found_width: depth.0.width(),
                found_height: depth.0.height(),
                width: camera.width,
                height: camera.height,
            });
        }
        let width = camera.width as usize;
        let mut inverse = inverse_depth(depth.0.values(), options.min_depth, options.max_depth);
        let edges = edges_of_inverse(&inverse, width, options.edge_rtol, options.edge_radius);
        for (w, &edge) in inverse.iter_mut().zip(&edges) {
            *w = if edge == 0 { *w } else { 0.0 };
        }
        let mut normals = normals::normals(&inverse, camera, options.normal_noise_degrees);
        let columns: Vec<f32> = (0..camera.width).map(|c| camera.pixel_ray(c, 0).x as f32).collect();
        let least = options.grazing_degrees.clamp(0.0, 90.0).to_radians().sin();
        let mut points = Vec::with_capacity(inverse.len());
        let lines = depth.0.values().chunks_exact(width);
        for (row, ((line, kept), normals)) in
            (0..).zip(lines.zip(inverse.chunks_exact(width)).zip(normals.chunks_exact_mut(width)))
        {
            let y = camera.pixel_ray(0, row).y as f32;
            for (((&z, &w), &x), normal) in line.iter().zip(kept).zip(&columns).zip(normals) {
                let ray = Vec3::new(x, y, 1.0);
                let facing = -normal.dot(ray);
                let grazing = *normal != Vec3::ZERO && facing < least * ray.length();
                if grazing {
                    *normal = Vec3::ZERO;
                }
                points.push(if w > 0.0 && !grazing { ray * z } else { Vec3::ZERO });
            }
        }
        Ok(Self { camera: *camera, points, normals })
    }

    /// Pixels.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.camera.width
    }

    /// Pixels.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.camera.height
    }

    #[must_use]
    pub const fn camera(&self) -> &Camera {
        &self.camera
    }

    /// One per pixel; zero where there is none.
    #[must_use]
    pub fn points(&self) -> &[Vec3] {
        &self.points
    }

    /// One per pixel: of unit length, towards the camera; zero where unknown.
    #[must_use]
    pub fn normals(&self) -> &[Vec3] {
        &self.normals
    }

    /// Whether there is a point at this pixel (`row * width + column`); false outside of the image.
    #[must_use]
    pub fn is_valid(&self, index: usize) -> bool {
        self.points.get(index).is_some_and(|p| p.z > 0.0)
    }

    /// How many pixels have a point.
    #[must_use]
    pub fn valid(&self) -> usize {
        self.points.iter().filter(|p| p.z > 0.0).count()
    }

    /// Side of the square in space that a pixel covers at depth `z`, face-on, in metres.
    #[must_use]
    pub fn pixel_size(&self, z: f32) -> f32 {
        z / (self.camera.fx * self.camera.fy).sqrt() as f32
    }

    /// Surface that a pixel covers, in m²; 0 where there is no point or no normal. At most 12 times what it would cover face-on.
    #[must_use]
    pub fn pixel_area(&self, index: usize) -> f32 {
        match (self.points.get(index), self.normals.get(index)) {
            (Some(point), Some(normal)) if point.z > 0.0 && *normal != Vec3::ZERO => {
                let side = self.pixel_size(point.z);
                side * side / (-normal.dot(*point) / point.z).max(1.0 / 12.0)
            }
            _ => 0.0,
        }
    }
}
