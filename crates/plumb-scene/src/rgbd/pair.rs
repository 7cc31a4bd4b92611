//! Colour brought to the size of its depth.

use plumb_geometry::DepthMap;
use plumb_image::{Filter, RgbImage, resize};

use crate::{Result, SceneError};

/// The picture at the size of the depth map: as it is where the sizes agree, resized where only the aspect ratios do (within 1 %; ScanNet's
/// colour is 1296×968 and its depth 640×480). Depth is never resized: a mean of two surfaces lies on neither.
///
/// # Errors
/// [`SceneError::Unusable`] naming `name` and both sizes if the aspect ratios differ.
pub fn match_colour(image: RgbImage, depth: &DepthMap, name: &str) -> Result<RgbImage> {
    let (width, height) = (depth.width(), depth.height());
    if image.size() == (width, height) {
        return Ok(image);
    }
    let (w, h) = image.size();
    let stretch = (f64::from(w) * f64::from(height)) / (f64::from(h) * f64::from(width));
    if stretch.is_nan() || (stretch - 1.0).abs() > 0.01 {
        return Err(SceneError::Unusable {
            what: name.to_owned(),
            detail: format!("the colour is {w}x{h} and the depth {width}x{height}: not one picture's shape"),
        });
    }
    Ok(resize(&image, width, height, Filter::Bicubic)?)
}
