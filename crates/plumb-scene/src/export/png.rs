//! Depth and masks as PNG.

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use plumb_geometry::ZDepth;

use crate::{Instances, Result, SceneError};

fn encode(width: u32, height: u32, bytes: &[u8], color: image::ExtendedColorType) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(bytes, width, height, color).map_err(|error| {
        SceneError::Unusable { what: format!("PNG of {width}x{height}"), detail: error.to_string() }
    })?;
    Ok(png)
}

fn sixteen(width: u32, height: u32, values: impl Iterator<Item = u16>) -> Result<Vec<u8>> {
    let bytes: Vec<u8> = values.flat_map(u16::to_ne_bytes).collect();
    encode(width, height, &bytes, image::ExtendedColorType::L16)
}

/// Grey with 16 bits. Unmeasured pixels are 0, and so is what is too far for 16 bits; what is nearer than half a unit is 1.
///
/// # Errors
/// [`SceneError::Unusable`] for an empty picture or a scale that is not a positive number.
pub fn depth_png(depth: &ZDepth, units_per_metre: f64) -> Result<Vec<u8>> {
    if !(units_per_metre.is_finite() && units_per_metre > 0.0) {
        let detail = format!("{units_per_metre} units per metre, expected a positive number");
        return Err(SceneError::Unusable { what: "depth PNG".to_owned(), detail });
    }
    let unit = |&z: &f32| {
        let units = (f64::from(z) * units_per_metre).round();
        if z <= 0.0 || units > 65_535.0 { 0 } else { (units as u16).max(1) }
    };
    sixteen(depth.0.width(), depth.0.height(), depth.0.values().iter().map(unit))
}

/// Object numbers as grey with 16 bits, as [`crate::labels::instance_png`] reads them.
///
/// # Errors
/// [`SceneError::Unusable`] for an empty picture.
pub fn instances_png(instances: &Instances) -> Result<Vec<u8>> {
    sixteen(instances.width(), instances.height(), instances.ids().iter().copied())
}

/// Depth as colours for people: near is red, far is blue, unmeasured is black; evenly in 1/z from the 2nd to the 98th percentile.
///
/// # Errors
/// [`SceneError::Unusable`] for an empty picture.
pub fn depth_preview(depth: &ZDepth) -> Result<Vec<u8>> {
    let mut inverse: Vec<f32> = depth.0.values().iter().filter(|&&z| z > 0.0).map(|z| z.recip()).collect();
    inverse.sort_unstable_by(f32::total_cmp);
    let rank = |share: f64| inverse.get((inverse.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    let (low, high) = (rank(0.02), rank(0.98));
    let span = if high > low { high - low } else { 1.0 };
    let colour = |&z: &f32| if z > 0.0 { turbo(((z.recip() - low) / span).clamp(0.0, 1.0)) } else { [0; 3] };
    let bytes: Vec<u8> = depth.0.values().iter().flat_map(colour).collect();
    encode(depth.0.width(), depth.0.height(), &bytes, image::ExtendedColorType::Rgb8)
}

/// A rainbow of even steps from blue over green to red: Turbo's order of hues, piecewise linear between nine of its colours.
///
/// Source: A. Mikhailov, "Turbo, an improved rainbow colormap", 2019.
fn turbo(t: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 9] = [
        [48.0, 18.0, 59.0],
        [70.0, 107.0, 227.0],
        [41.0, 187.0, 236.0],
        [49.0, 242.0, 153.0],
        [162.0, 252.0, 60.0],
        [237.0, 208.0, 58.0],
        [251.0, 128.0, 34.0],
        [210.0, 49.0, 5.0],
        [122.0, 4.0, 3.0],
    ];
    let place = t * (STOPS.len() - 1) as f32;
    let at = (place as usize).min(STOPS.len() - 2);
    let share = place - at as f32;
    std::array::from_fn(|c| (STOPS[at][c] + share * (STOPS[at + 1][c] - STOPS[at][c])).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::instance_png;
    use crate::rgbd::{DepthOptions, decode_depth};
    use plumb_geometry::DepthMap;

    #[test]
    fn depth_survives_to_a_unit() {
        let metres: Vec<f32> =
            (0..600u16).map(|at| if at % 7 == 0 { 0.0 } else { 0.3 + f32::from(at) * 0.011 }).collect();
        let depth = ZDepth(DepthMap::new(30, 20, metres).unwrap());
        let back =
            decode_depth(&depth_png(&depth, 1000.0).unwrap(), "d.png", &DepthOptions::default()).unwrap();
        for (a, b) in depth.0.values().iter().zip(back.depth.values()) {
            assert!((a - b).abs() <= 0.000_501 && (*a == 0.0) == (*b == 0.0), "{a} {b}");
        }
        let far = ZDepth(DepthMap::new(3, 1, vec![66.0, 65.5, 1e-6]).unwrap());
        let read =
            image::load_from_memory(&depth_png(&far, 1000.0).unwrap()).unwrap().into_luma16().into_raw();
        assert_eq!(read, [0, 65_500, 1]);
        assert!(depth_png(&far, f64::NAN).is_err());
    }

    #[test]
    fn masks_survive() {
        let masks = Instances::new(3, 2, vec![0, 1, 2, 40_000, 1, 0], Vec::new()).unwrap();
        let back = instance_png(&instances_png(&masks).unwrap(), "m.png", None).unwrap();
        assert_eq!(back.ids(), masks.ids());
        assert_eq!(back.labels.iter().map(|label| label.id).collect::<Vec<_>>(), [1, 2, 40_000]);
    }

    #[test]
    fn near_is_warm_and_unmeasured_is_black() {
        let depth = ZDepth(DepthMap::new(4, 1, vec![0.0, 1.0, 2.0, 8.0]).unwrap());
        let picture = image::load_from_memory(&depth_preview(&depth).unwrap()).unwrap().into_rgb8();
        let [black, near, _, far] = [0, 1, 2, 3].map(|x| picture.get_pixel(x, 0).0);
        assert_eq!(black, [0; 3]);
        assert!(near[0] > near[2] && far[2] > far[1], "{near:?} {far:?}");
        let nothing = ZDepth(DepthMap::new(1, 1, vec![0.0]).unwrap());
        assert!(depth_preview(&nothing).is_ok());
    }
}
