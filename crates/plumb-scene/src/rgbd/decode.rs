//! A depth file to metres, and what can be wrong with one.

use plumb_geometry::DepthMap;

use super::format::DepthFormat;
use super::npy;
use super::raster::{self, Samples, Values, wrong};
use crate::Result;

/// How to read a depth file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DepthOptions {
    /// Whose file it is; [`DepthFormat::Plain`] if nobody says.
    pub format: Option<DepthFormat>,
    /// Units a metre, instead of the format's.
    pub scale: Option<f64>,
    /// Whether values are distances along the ray instead of along the optical axis.
    pub ray: bool,
    /// Metres; what is farther counts as not measured.
    pub max_depth: Option<f64>,
}

/// A depth file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthFile {
    /// Metres; along the ray if `ray`, else along the optical axis.
    pub depth: DepthMap,
    pub format: DepthFormat,
    /// Units a metre that were applied.
    pub scale: f64,
    pub ray: bool,
    /// Share of the pixels that have a measurement.
    pub measured: f64,
}

/// Constants of the NYU Depth v2 toolbox, `camera_params.m`: metres = A / (B − raw), at most 10.
const NYU_A: f64 = 351.3;
const NYU_B: f64 = 1092.5;
const NYU_MAX: f32 = 10.0;

/// The SUN RGB-D toolbox cuts at 8 m, `read3dPoints.m`.
const SUN_MAX: f32 = 8.0;

/// Medians outside of this range, in metres, are a wrong scale and not a scene.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.05..=1000.0;

/// Reads a depth map from the bytes of a PNG, PGM, TIFF, EXR or NPY file; `name` is for messages.
///
/// Values that the toolboxes of NYU (raw PGM, 10 m) and SUN RGB-D (8 m) cut to their range are taken as not measured: a wall at exactly the limit
/// would be an invention.
///
/// # Errors
/// [`crate::SceneError::Format`] naming the file and what is wrong: no depth format, 8 bits, colour, cut off, too large, no pixel measured, or a
/// median depth below 5 cm or above 1 km.
pub fn decode_depth(bytes: &[u8], name: &str, options: &DepthOptions) -> Result<DepthFile> {
    if bytes.len() as u64 > raster::MAX_BYTES {
        return wrong(
            name,
            format!("{} bytes, more than the {} that are allowed", bytes.len(), raster::MAX_BYTES),
        );
    }
    if let Some(scale) = options.scale
        && !(scale.is_finite() && (1e-6..=1e9).contains(&scale))
    {
        return wrong(
            name,
            format!("a depth scale of {scale} units a metre, expected 0.000001 to 1000000000"),
        );
    }
    if let Some(most) = options.max_depth
        && (most.is_nan() || most <= 0.0)
    {
        return wrong(name, format!("a greatest depth of {most} m, expected more than 0"));
    }
    let samples =
        if bytes.starts_with(npy::MAGIC) { npy::decode(bytes, name) } else { raster::decode(bytes, name) }?;
    let format = options.format.unwrap_or(DepthFormat::Plain);
    let (width, height) = (samples.width, samples.height);
    let (mut metres, scale) = metres(samples, format, options.scale);
    if let Some(most) = options.max_depth {
        cut(&mut metres, most as f32);
    }
    let depth = DepthMap::new(width, height, metres)?;
    let measured = depth.measured();
    if measured == 0 {
        return wrong(
            name,
            format!("none of the {width}x{height} pixels has a depth: all are 0, negative or not finite"),
        );
    }
    check_median(&depth, scale, name)?;
    let measured = measured as f64 / (f64::from(width) * f64::from(height));
    Ok(DepthFile { depth, format, scale, ray: options.ray, measured })
}

/// Reads a depth map from a file. See [`decode_depth`].
///
/// # Errors
/// [`crate::SceneError::Io`] if it cannot be read, else as [`decode_depth`].
#[cfg(not(target_family = "wasm"))]
pub fn read_depth(path: &std::path::Path, options: &DepthOptions) -> Result<DepthFile> {
    let bytes = super::files::read(path, raster::MAX_BYTES)?;
    decode_depth(&bytes, &path.display().to_string(), options)
}

/// Stored numbers to metres, and the units a metre.
fn metres(samples: Samples, format: DepthFormat, asked: Option<f64>) -> (Vec<f32>, f64) {
    let integer_scale = asked.unwrap_or_else(|| format.default_scale());
    let scaled = |value: f64, scale: f64| (value / scale) as f32;
    match samples.values {
        Values::U16(raw) if format == DepthFormat::Nyu && samples.pgm => {
            // `swapbytes(imread(…))`: little-endian in a format that is big-endian. An asked scale corrects the sensor's formula.
            let scale = asked.unwrap_or(1.0);
            let metre = |d: u16| scaled(NYU_A / (NYU_B - f64::from(d.swap_bytes())), scale);
            // A raw value of 0 would come out at 32 cm, nearer than the sensor sees.
            let mut values: Vec<f32> = raw.iter().map(|&d| if d == 0 { 0.0 } else { metre(d) }).collect();
            cut(&mut values, NYU_MAX);
            (values, scale)
        }
        Values::U16(raw) if format == DepthFormat::Sun => {
            let mut values: Vec<f32> =
                raw.iter().map(|d| scaled(f64::from(d.rotate_right(3)), integer_scale)).collect();
            cut(&mut values, SUN_MAX);
            (values, integer_scale)
        }
        Values::U16(raw) => {
            (raw.iter().map(|&d| scaled(f64::from(d), integer_scale)).collect(), integer_scale)
        }
        Values::Integer(raw) => {
            (raw.iter().map(|&d| scaled(f64::from(d), integer_scale)).collect(), integer_scale)
        }
        Values::Float(raw) => {
            let scale = asked.unwrap_or(1.0);
            (raw.iter().map(|&d| scaled(f64::from(d), scale)).collect(), scale)
        }
    }
}

fn cut(values: &mut [f32], most: f32) {
    for value in values {
        if *value > most {
            *value = 0.0;
        }
    }
}

fn check_median(depth: &DepthMap, scale: f64, name: &str) -> Result<()> {
    let mut values: Vec<f32> = depth.values().iter().copied().filter(|&z| z > 0.0).collect();
    let middle = values.len() / 2;
    let (_, &mut median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    let median = f64::from(median);
    if PLAUSIBLE.contains(&median) {
        return Ok(());
    }
    // What the unit may be instead: the first that puts the median into the range of a room.
    let guess =
        [(1000.0, "in millimetres"), (5000.0, "of TUM"), (1.0, "in metres"), (100.0, "in centimetres")]
            .into_iter()
            .find(|(other, _)| (0.3..=20.0).contains(&(median * scale / other)));
    let advice = match guess {
        Some((other, unit)) => format!("; is it {unit} (--depth-scale {other})?"),
        None => "; no usual unit makes a scene of it".to_owned(),
    };
    let units = if scale == 1.0 { "unit" } else { "units" };
    wrong(name, format!("median depth is {} m with {scale} {units} per metre{advice}", short(median)))
}

/// Four digits.
fn short(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3e}").parse::<f64>().map_or_else(|_| value.to_string(), |v| v.to_string())
    }
}
