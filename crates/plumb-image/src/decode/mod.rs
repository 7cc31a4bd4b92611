//! Bytes to pixels and back.
//!
//! The picture is what `PIL.ImageOps.exif_transpose(Image.open(..)).convert("RGB")` gives, because that is what the reference processors
//! load (transformers 5.23.0 `image_utils.py`, `load_image`):
//!
//! - The EXIF orientation is applied; where EXIF has none, the orientation in the XMP packet, as in Pillow.
//! - Alpha is dropped, not composited. Grey, palettes and one-bit samples become RGB. Of an animation the first picture is taken.
//! - CMYK JPEGs are converted as Pillow does, provided they carry the Adobe segment that says they are inverted; others are refused.
//! - 16-bit samples keep their high byte. Pillow does so for 16-bit RGB, RGBA and grey with alpha. For 16-bit grey *without* alpha
//!   Pillow instead clips: everything from 255 up turns white, which leaves nothing of a photograph or a scan. Here all 16-bit pictures are
//!   treated alike; 16-bit depth maps are measurements, not pictures, and are read elsewhere.
//! - 16-bit PNM is the exception in Pillow that scales by `maxval` and rounds; here its high byte is taken too.
//!
//! JPEG samples differ from libjpeg-turbo's by up to five levels in single pixels and by less than half a level on average (measured on
//! photographs against Pillow 12.3.0): another inverse transform and chroma upsampling. Parity fixtures are therefore PNG.
//!
//! Not read, and refused by name: TIFF with a palette or with floating-point grey, JPEG with 12 bits.

mod jpeg;
mod limits;

use std::error::Error;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};

pub use self::limits::Limits;
use crate::error::ImageError;
use crate::rgb::{RgbImage, byte_len, zeroed};

/// Decodes PNG, JPEG, WebP, BMP, GIF, TIFF or PNM. The format is told from the content.
///
/// # Errors
/// An [`ImageError`] that says what is wrong with the data, or which limit it exceeds.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, ImageError> {
    limits.check_encoded(bytes.len() as u64)?;
    let (format, name) = recognise(bytes)?;
    let failed = |error: image::ImageError| describe(&error, name);

    let mut scratch = 0;
    if format == ImageFormat::Jpeg {
        scratch = check_jpeg(bytes)?;
    }

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder_limits = image::Limits::default();
    decoder_limits.max_image_width = None;
    decoder_limits.max_image_height = None;
    decoder_limits.max_alloc = Some(limits.max_alloc_bytes);
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let orientation = orientation(&mut decoder, format);
    if color != ColorType::Rgb8 {
        scratch += 3;
    }
    if orientation != Orientation::NoTransforms {
        scratch += 3;
    }
    limits.check_size((width, height), decoder.total_bytes(), scratch)?;
    // With the limits as they are this always fits; without them it may not.
    byte_len(width, height)?;
    let length = usize::try_from(decoder.total_bytes())
        .map_err(|_| ImageError::OutOfMemory { bytes: decoder.total_bytes() })?;

    let mut decoded = zeroed(length)?;
    decoder.read_image(&mut decoded).map_err(failed)?;
    let rgb = to_rgb(decoded, color, name)?;
    orient(RgbImage::new(width, height, rgb)?, orientation)
}

/// Reads and decodes a file.
///
/// # Errors
/// [`ImageError::File`] if it cannot be read, else [`ImageError::InFile`]; both name the file. The size on disk is checked before anything is
/// read.
#[cfg(not(target_family = "wasm"))]
pub fn read(path: &std::path::Path, limits: &Limits) -> Result<RgbImage, ImageError> {
    use std::io::Read as _;

    let cannot = |source| ImageError::File { path: path.display().to_string(), source };
    let inside = |source| ImageError::InFile { path: path.display().to_string(), source: Box::new(source) };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.is_file() {
        limits.check_encoded(metadata.len()).map_err(inside)?;
    }
    let mut bytes = Vec::new();
    // A pipe has no length and a file can grow: read no more than one byte past the limit.
    file.take(limits.max_encoded_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(cannot)?;
    decode(&bytes, limits).map_err(inside)
}

/// Encodes as PNG, without loss.
///
/// # Errors
/// [`ImageError::Encode`] if the encoder fails.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(image.data(), image.width(), image.height(), image::ExtendedColorType::Rgb8)
        .map_err(|error| ImageError::Encode { detail: error.to_string() })?;
    Ok(bytes)
}

/// Encodes as JPEG (baseline); `quality` from 1 to 100.
///
/// # Errors
/// [`ImageError::Encode`] if the image is larger than the format allows or the encoder fails.
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .write_image(image.data(), image.width(), image.height(), image::ExtendedColorType::Rgb8)
        .map_err(|error| ImageError::Encode { detail: error.to_string() })?;
    Ok(bytes)
}

/// The format that the first bytes announce, and its name.
fn recognise(bytes: &[u8]) -> Result<(ImageFormat, &'static str), ImageError> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => Ok((ImageFormat::Png, "PNG")),
        Ok(ImageFormat::Jpeg) => Ok((ImageFormat::Jpeg, "JPEG")),
        Ok(ImageFormat::WebP) => Ok((ImageFormat::WebP, "WebP")),
        Ok(ImageFormat::Bmp) => Ok((ImageFormat::Bmp, "BMP")),
        Ok(ImageFormat::Gif) => Ok((ImageFormat::Gif, "GIF")),
        Ok(ImageFormat::Tiff) => Ok((ImageFormat::Tiff, "TIFF")),
        Ok(ImageFormat::Pnm) => Ok((ImageFormat::Pnm, "PNM")),
        _ => {
            let head: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            Err(ImageError::UnknownFormat { head: head.join(" ") })
        }
    }
}

/// Refuses JPEGs that would decode to something else than they hold; gives the bytes per pixel that decoding needs beside the result.
fn check_jpeg(bytes: &[u8]) -> Result<u64, ImageError> {
    let markers = jpeg::markers(bytes);
    if !markers.complete {
        return Err(ImageError::Truncated {
            format: "JPEG",
            detail: format!("its {} bytes end before the end-of-image marker", bytes.len()),
        });
    }
    if markers.components == 4 && !markers.adobe {
        return Err(ImageError::Unsupported {
            format: "JPEG",
            detail: "four colour components without the Adobe segment that tells how to read them".to_owned(),
        });
    }
    Ok(if markers.progressive { 2 * u64::from(markers.components) } else { 0 })
}

/// The orientation from EXIF, else from XMP, else upright. Damaged metadata is no reason to refuse a picture.
fn orientation(decoder: &mut impl ImageDecoder, format: ImageFormat) -> Orientation {
    if format == ImageFormat::Tiff {
        return decoder.orientation().unwrap_or(Orientation::NoTransforms);
    }
    let exif = decoder.exif_metadata().ok().flatten();
    // WebP files may repeat JPEG's prefix in front of the EXIF data.
    let exif = exif.as_deref().map(|chunk| chunk.strip_prefix(b"Exif\0\0").unwrap_or(chunk));
    exif.and_then(Orientation::from_exif_chunk)
        .or_else(|| xmp_orientation(&decoder.xmp_metadata().ok().flatten()?))
        .unwrap_or(Orientation::NoTransforms)
}

/// The orientation in an XMP packet, as an attribute or an element.
///
/// Source: Pillow 12.3.0 `Image.py`, `Image.getexif`.
fn xmp_orientation(packet: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    packet.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).find_map(|(at, _)| {
        let rest = packet.get(at + NAME.len()..)?;
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        let digit = value.first().filter(|byte| byte.is_ascii_digit())?;
        Orientation::from_exif(digit - b'0')
    })
}

/// Samples as decoded to eight-bit RGB.
fn to_rgb(decoded: Vec<u8>, color: ColorType, name: &'static str) -> Result<Vec<u8>, ImageError> {
    let high = |sample: [u8; 2]| (u16::from_ne_bytes(sample) >> 8) as u8;
    let size = |bytes_per_pixel: usize| decoded.len() / bytes_per_pixel * 3;
    let mut rgb = Vec::new();
    let mut reserve = |bytes: usize| {
        rgb.try_reserve_exact(bytes).map_err(|_| ImageError::OutOfMemory { bytes: bytes as u64 })
    };
    match color {
        ColorType::Rgb8 => return Ok(decoded),
        ColorType::L8 => {
            reserve(size(1))?;
            rgb.extend(decoded.iter().flat_map(|&grey| [grey; 3]));
        }
        ColorType::La8 => {
            reserve(size(2))?;
            rgb.extend(decoded.as_chunks::<2>().0.iter().flat_map(|&[grey, _]| [grey; 3]));
        }
        ColorType::Rgba8 => {
            reserve(size(4))?;
            rgb.extend(decoded.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]));
        }
        ColorType::L16 => {
            reserve(size(2))?;
            rgb.extend(decoded.as_chunks::<2>().0.iter().flat_map(|&grey| [high(grey); 3]));
        }
        ColorType::La16 => {
            reserve(size(4))?;
            rgb.extend(decoded.as_chunks::<4>().0.iter().flat_map(|&[a, b, ..]| [high([a, b]); 3]));
        }
        ColorType::Rgb16 => {
            reserve(size(6))?;
            rgb.extend(decoded.as_chunks::<2>().0.iter().map(|&sample| high(sample)));
        }
        ColorType::Rgba16 => {
            reserve(size(8))?;
            rgb.extend(
                decoded
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .flat_map(|&[a, b, c, d, e, f, ..]| [high([a, b]), high([c, d]), high([e, f])]),
            );
        }
        other => {
            return Err(ImageError::Unsupported {
                format: name,
                detail: format!("its samples are of type {other:?}"),
            });
        }
    }
    Ok(rgb)
}

fn orient(image: RgbImage, orientation: Orientation) -> Result<RgbImage, ImageError> {
    if orientation == Orientation::NoTransforms {
        return Ok(image);
    }
    let (width, height) = image.size();
    let length = image.data().len() as u64;
    let buffer = image::RgbImage::from_raw(width, height, image.into_data());
    let mut turned = buffer.map(DynamicImage::ImageRgb8).ok_or(ImageError::OutOfMemory { bytes: length })?;
    turned.apply_orientation(orientation);
    let turned = turned.into_rgb8();
    let (width, height) = turned.dimensions();
    RgbImage::new(width, height, turned.into_raw())
}

/// An error of the `image` crate as one of ours.
fn describe(error: &image::ImageError, format: &'static str) -> ImageError {
    let detail = error.to_string();
    if ended_early(error) {
        return ImageError::Truncated { format, detail };
    }
    match error {
        image::ImageError::Unsupported(_) => ImageError::Unsupported { format, detail },
        image::ImageError::Limits(_) => ImageError::DecoderMemory { format, detail },
        _ => ImageError::Damaged { format, detail },
    }
}

/// Whether the decoder ran out of data. Some decoders say so in words only.
fn ended_early(error: &image::ImageError) -> bool {
    if let image::ImageError::IoError(io) = error {
        return io.kind() == std::io::ErrorKind::UnexpectedEof;
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        let words = error.to_string().to_ascii_lowercase();
        if ["unexpected eof", "end of file", "exhausted data", "no more bytes", "unexpected end"]
            .iter()
            .any(|phrase| words.contains(phrase))
        {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_round_trip() {
        let image = RgbImage::new(3, 2, (0..18).collect()).unwrap();
        assert_eq!(decode(&encode_png(&image).unwrap(), &Limits::default()).unwrap(), image);
    }

    #[test]
    fn xmp_orientation_in_both_spellings() {
        assert_eq!(xmp_orientation(b"<x tiff:Orientation=\"6\"/>"), Some(Orientation::Rotate90));
        assert_eq!(
            xmp_orientation(b"tiff:Orientation <tiff:Orientation>3</tiff:Orientation>"),
            Some(Orientation::Rotate180)
        );
        assert_eq!(xmp_orientation(b"tiff:Orientation=\"x\""), None);
        assert_eq!(xmp_orientation(b"tiff:Orientatio"), None);
        assert_eq!(xmp_orientation(b""), None);
    }

    #[test]
    fn limits_are_checked_in_order() {
        let limits = Limits {
            max_encoded_bytes: 10,
            max_width: 100,
            max_height: 100,
            max_pixels: 5000,
            max_alloc_bytes: 9000,
        };
        assert!(matches!(limits.check_encoded(0), Err(ImageError::Empty)));
        assert!(matches!(limits.check_encoded(11), Err(ImageError::TooManyBytes { .. })));
        assert!(matches!(limits.check_size((0, 5), 0, 0), Err(ImageError::ZeroSize { .. })));
        assert!(matches!(limits.check_size((101, 5), 0, 0), Err(ImageError::TooLarge { .. })));
        assert!(matches!(limits.check_size((100, 51), 0, 0), Err(ImageError::TooManyPixels { .. })));
        assert!(matches!(limits.check_size((50, 50), 7500, 3), Err(ImageError::TooMuchMemory { .. })));
        assert!(limits.check_size((50, 50), 7500, 0).is_ok());
    }
}
