//! Depth files that are pictures: numbers as they are stored, before any scale.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};

use crate::{Result, SceneError};

/// The most pixels a depth map may have: 50 million, ten times a 5-megapixel camera.
pub(super) const MAX_PIXELS: u64 = 50_000_000;

/// The most bytes that the file of one depth map may have: [`MAX_PIXELS`] doubles and a header.
pub(super) const MAX_BYTES: u64 = 8 * MAX_PIXELS + (1 << 20);

/// What a file holds, row by row.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) values: Values,
    /// From a PGM, whose bytes the raw recordings of NYU Depth v2 store in the wrong order.
    pub(super) pgm: bool,
}

#[derive(Debug)]
pub(super) enum Values {
    /// Unsigned 16-bit integers.
    U16(Vec<u16>),
    /// Other integers, which still are counts of units.
    Integer(Vec<f32>),
    Float(Vec<f32>),
}

pub(super) fn wrong<T>(name: &str, detail: impl Into<String>) -> Result<T> {
    Err(SceneError::Format { path: name.to_owned(), detail: detail.into() })
}

/// The number of pixels, if it is a number that a depth map can have.
pub(super) fn pixels(name: &str, width: u64, height: u64) -> Result<(u32, u32)> {
    let count = u128::from(width) * u128::from(height);
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(w), Ok(h)) if count > 0 && count <= u128::from(MAX_PIXELS) => Ok((w, h)),
        _ if count == 0 => wrong(name, format!("a depth map of {width}x{height} pixels has no pixel")),
        _ => wrong(name, format!("{width}x{height} pixels, more than the {MAX_PIXELS} that are allowed")),
    }
}

/// Decodes what [`super::npy`] does not.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Samples> {
    if bytes.is_empty() {
        return wrong(name, "the file is empty");
    }
    if bytes.starts_with(b"P5") {
        return pgm(bytes, name);
    }
    let (format, title) = match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => (ImageFormat::Png, "PNG"),
        Ok(ImageFormat::Tiff) => (ImageFormat::Tiff, "TIFF"),
        Ok(ImageFormat::OpenExr) => return super::openexr::decode(bytes, name),
        Ok(ImageFormat::Jpeg) => {
            return wrong(name, "a JPEG, which has 8 bits a pixel; a depth map needs 16 bits or floats");
        }
        _ => return wrong(name, "not a depth map: neither PNG, PGM, TIFF, EXR nor NPY"),
    };
    let failed = |error: image::ImageError| SceneError::Format {
        path: name.to_owned(),
        detail: describe(&error, title),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(16 * MAX_PIXELS);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = pixels(name, u64::from(width), u64::from(height))?;
    let color = decoder.color_type();
    match color {
        ColorType::L16 => {}
        ColorType::L8 => return wrong(name, "8 bits a pixel; a depth map needs 16 bits or floats"),
        other => {
            let bits = u16::from(other.bytes_per_pixel()) * 8 / u16::from(other.channel_count());
            let channels = other.channel_count();
            return wrong(
                name,
                format!("a colour picture ({channels} channels of {bits} bits); a depth map has one channel"),
            );
        }
    }
    let length = decoder.total_bytes();
    if length > 16 * MAX_PIXELS {
        return wrong(name, format!("{length} bytes when decoded, more than are allowed"));
    }
    let mut data = vec![0; usize::try_from(length).unwrap_or_default()];
    decoder.read_image(&mut data).map_err(failed)?;
    let values = data.as_chunks().0.iter().map(|&two| u16::from_ne_bytes(two)).collect();
    Ok(Samples { width, height, values: Values::U16(values), pgm: false })
}

fn describe(error: &image::ImageError, title: &str) -> String {
    let text = error.to_string();
    let cut = matches!(error, image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof);
    if cut
        || text.contains("end of file")
        || text.contains("EndOfStream")
        || text.contains("fill whole buffer")
    {
        return format!("the {title} is cut off");
    }
    if title == "TIFF" && matches!(error, image::ImageError::Unsupported(_)) {
        return "a TIFF of a kind that is not read; 16-bit grey is, and floats are as EXR or NPY".to_owned();
    }
    format!("not a readable {title}: {text}")
}

/// A binary portable grey map with 16 bits, big-endian as its specification says.
fn pgm(bytes: &[u8], name: &str) -> Result<Samples> {
    let mut at = 2;
    let mut fields = [0u64; 3];
    for field in &mut fields {
        *field = match pgm_number(bytes, &mut at) {
            Some(value) => value,
            None => return wrong(name, "the PGM header is cut off or not made of numbers"),
        };
    }
    let [width, height, most] = fields;
    let (width, height) = pixels(name, width, height)?;
    match most {
        256..=65_535 => {}
        1..=255 => return wrong(name, "8 bits a pixel; a depth map needs 16 bits or floats"),
        _ => return wrong(name, format!("a PGM with the greatest value {most}, expected 256 to 65535")),
    }
    let needed = width as usize * height as usize * 2;
    // One byte of white space ends the header.
    let Some(data) = bytes.get(at + 1..).and_then(|rest| rest.get(..needed)) else {
        let found = bytes.len().saturating_sub(at + 1);
        return wrong(name, format!("the PGM is cut off: {found} of {needed} bytes of pixels"));
    };
    let values = data.as_chunks().0.iter().map(|&two| u16::from_be_bytes(two)).collect();
    Ok(Samples { width, height, values: Values::U16(values), pgm: true })
}

/// The next number of the header; white space and comments before it are passed over.
fn pgm_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    loop {
        match bytes.get(*at)? {
            b'#' => *at += bytes.get(*at..)?.iter().position(|&b| b == b'\n')?,
            byte if byte.is_ascii_whitespace() => *at += 1,
            _ => break,
        }
    }
    let digits = bytes.get(*at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = std::str::from_utf8(bytes.get(*at..*at + digits)?).ok()?;
    *at += digits;
    text.parse().ok()
}
