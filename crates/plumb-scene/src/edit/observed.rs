//! The pixels of a scene as they were measured.

use glam::DVec3;
use plumb_geometry::{DepthMap, ZDepth};
use plumb_image::RgbImage;

use crate::cloud::ColouredCloud;
use crate::scene::Scene;
use crate::{Instances, Result, SceneError};

/// What each pixel of a scene's picture shows: how far it is, and of which object.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    pub image: &'a RgbImage,
    /// 0 where nothing is known.
    pub depth: ZDepth,
    /// Object numbers, row by row; 0 for none.
    pub ids: Vec<u16>,
    /// Whether depth and numbers are those of some pixels only.
    pub sampled: bool,
}

impl<'a> Observed<'a> {
    /// From a depth map and masks of the picture's size.
    ///
    /// # Errors
    /// [`SceneError::Unusable`] where sizes differ.
    pub fn new(image: &'a RgbImage, depth: ZDepth, instances: &Instances) -> Result<Self> {
        let size = image.size();
        for (what, found) in [
            ("depth", (depth.0.width(), depth.0.height())),
            ("instance masks", (instances.width(), instances.height())),
        ] {
            if found != size {
                let detail = format!("{}x{} for an image of {}x{}", found.0, found.1, size.0, size.1);
                return Err(SceneError::Unusable { what: what.to_owned(), detail });
            }
        }
        Ok(Self { image, depth, ids: instances.ids().to_vec(), sampled: false })
    }

    /// From the cloud that was stored with a scene: every point lies on the ray of its pixel, so the depth that it was made of comes back.
    /// Numbers are those of the masks where there are any, because those have pixels without depth too, else those of the points.
    ///
    /// # Errors
    /// [`SceneError::Unusable`] where the picture or the masks have another size than the camera.
    pub fn of_cloud(
        image: &'a RgbImage,
        scene: &Scene,
        cloud: &ColouredCloud,
        instances: Option<&Instances>,
    ) -> Result<Self> {
        let (width, height) = (scene.camera.width, scene.camera.height);
        let pixels = width as usize * height as usize;
        let (mut depth, mut ids) = (vec![0f32; pixels], vec![0u16; pixels]);
        for (at, position) in cloud.positions.iter().enumerate() {
            let point = scene.frame.point_to_camera(DVec3::from_array(position.map(f64::from)));
            let Some(pixel) = scene.camera.project(point) else { continue };
            let inside =
                pixel.x >= 0.0 && pixel.y >= 0.0 && pixel.x < f64::from(width) && pixel.y < f64::from(height);
            if !inside {
                continue;
            }
            let place = pixel.y as usize * width as usize + pixel.x as usize;
            // Clouds of other programs may have several points on a ray: the nearest is the one that is seen.
            if let (Some(z), Some(id)) = (depth.get_mut(place), ids.get_mut(place))
                && (*z == 0.0 || (point.z as f32) < *z)
            {
                *z = point.z as f32;
                *id = cloud.instances.get(at).copied().unwrap_or(0);
            }
        }
        let depth = ZDepth(DepthMap::new(width, height, depth)?);
        match instances {
            Some(instances) => Self::new(image, depth, instances),
            None if image.size() == (width, height) => Ok(Self { image, depth, ids, sampled: true }),
            None => {
                let size = image.size();
                let detail = format!("{}x{} for a camera of {width}x{height}", size.0, size.1);
                Err(SceneError::Unusable { what: "image".to_owned(), detail })
            }
        }
    }
}
