//! What a data set means by a depth value.
//!
//! Sources: TUM RGB-D `file_formats` page and Open3D `RGBDImageFactory.cpp` (TUM 5000 a metre, Redwood and ScanNet 1000), the NYU Depth v2
//! toolbox (`camera_params.m`, `depth_rel2depth_abs.m`), the SUN RGB-D toolbox (`read3dPoints.m`).

use std::fmt;
use std::str::FromStr;

use plumb_geometry::{Camera, DepthNoise, PixelCentre};
use serde::{Deserialize, Serialize};

/// Whose depth files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepthFormat {
    /// TUM RGB-D: 5000 a metre.
    Tum,
    /// NYU Depth v2: 1000 a metre in PNG; raw Kinect values in the PGM of the raw recordings.
    Nyu,
    /// SUN RGB-D: 1000 a metre with the three low bits turned to the top; beyond 8 m not measured.
    Sun,
    /// ScanNet: 1000 a metre.
    Scannet,
    /// Redwood and Open3D: 1000 a metre.
    Redwood,
    /// Anything else: 1000 a metre if integer, metres if floating point.
    Plain,
}

impl DepthFormat {
    /// All of them, in the order of their names in messages.
    pub const ALL: [Self; 6] = [Self::Tum, Self::Nyu, Self::Sun, Self::Scannet, Self::Redwood, Self::Plain];

    /// The name in commands and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tum => "tum",
            Self::Nyu => "nyu",
            Self::Sun => "sun",
            Self::Scannet => "scannet",
            Self::Redwood => "redwood",
            Self::Plain => "plain",
        }
    }

    /// Units a metre of integer files. Floating-point files are metres in every format.
    #[must_use]
    pub const fn default_scale(self) -> f64 {
        match self {
            Self::Tum => 5000.0,
            Self::Nyu | Self::Sun | Self::Scannet | Self::Redwood | Self::Plain => 1000.0,
        }
    }

    /// The published camera, scaled to the size. `None` where each scene has its own (SUN RGB-D, ScanNet), for [`DepthFormat::Plain`], and
    /// for sizes that do not have the shape of 640×480 within 1 %.
    #[must_use]
    pub fn camera(self, width: u32, height: u32) -> Option<Camera> {
        let intrinsics = match self {
            // The values the data set recommends for all its sequences (those of the ROS driver).
            Self::Tum | Self::Redwood => [525.0, 525.0, 319.5, 239.5],
            Self::Nyu => [518.857_901, 519.469_611, 325.582_449, 253.736_166],
            Self::Sun | Self::Scannet | Self::Plain => return None,
        };
        let camera = Camera::new(640, 480, intrinsics, PixelCentre::Integer).ok()?;
        let stretch = (f64::from(width) * 480.0) / (f64::from(height) * 640.0);
        ((stretch - 1.0).abs() <= 0.01).then(|| camera.resized(width, height).ok())?
    }

    /// How wrong its depth is. All of these data sets are from cameras that project a pattern, or (part of SUN RGB-D) from a better one; who
    /// made a [`DepthFormat::Plain`] file is not known.
    #[must_use]
    pub fn noise(self) -> Option<DepthNoise> {
        let quantum = self.default_scale().recip();
        (self != Self::Plain).then_some(DepthNoise { quantum, ..DepthNoise::STRUCTURED_LIGHT })
    }
}

impl fmt::Display for DepthFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DepthFormat {
    type Err = String;

    /// # Errors
    /// A sentence that lists the names there are.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown depth format '{text}'; the formats are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_serde_says_the_same() {
        for format in DepthFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
        let message = "kitti".parse::<DepthFormat>().unwrap_err();
        assert!(message.contains("'kitti'") && message.contains("tum, nyu, sun"), "{message}");
    }

    #[test]
    fn published_cameras_scale_with_the_picture() {
        let full = DepthFormat::Tum.camera(640, 480).unwrap();
        assert_eq!(full.intrinsics(PixelCentre::Integer), [525.0, 525.0, 319.5, 239.5]);
        let half = DepthFormat::Tum.camera(320, 240).unwrap();
        // The centre of the picture stays the centre: 319.5 of 640 is 159.5 of 320.
        assert_eq!(half.intrinsics(PixelCentre::Integer), [262.5, 262.5, 159.5, 119.5]);
        assert!(DepthFormat::Tum.camera(640, 360).is_none());
        assert!(DepthFormat::Sun.camera(640, 480).is_none());
        assert!(DepthFormat::Nyu.camera(0, 0).is_none());
    }
}
