//! The one picture type of the project: eight-bit RGB, rows from the top.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::error::ImageError;

/// An eight-bit RGB picture.
///
/// `data` holds `height` rows from the top, each of `width` pixels of three bytes (red, green, blue), without padding.
/// Both sides are at least 1 and `data.len() == width * height * 3`: the constructors see to it.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl std::fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({}x{})", self.width, self.height)
    }
}

/// The number of bytes of a `width` x `height` picture, or why there can be none.
pub(crate) fn byte_len(width: u32, height: u32) -> Result<usize, ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::ZeroSize { width, height });
    }
    let bytes = u128::from(width) * u128::from(height) * 3;
    // A Vec cannot hold more than isize::MAX bytes.
    isize::try_from(bytes)
        .map(isize::unsigned_abs)
        .map_err(|_| ImageError::OutOfMemory { bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
}

/// A zeroed buffer, or [`ImageError::OutOfMemory`] where `vec![0; n]` would abort the program.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>, ImageError> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| ImageError::OutOfMemory { bytes: len as u64 })?;
    data.resize(len, 0);
    Ok(data)
}

impl RgbImage {
    /// A picture from its bytes, row by row from the top, three bytes a pixel.
    ///
    /// # Errors
    /// [`ImageError::ZeroSize`] for an empty side; [`ImageError::BufferSize`] if `data` is not `width * height * 3` long.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, ImageError> {
        let expected = byte_len(width, height)?;
        if data.len() != expected {
            return Err(ImageError::BufferSize {
                width,
                height,
                expected: expected as u64,
                found: data.len() as u64,
            });
        }
        Ok(Self { width, height, data })
    }

    /// A picture of one colour.
    ///
    /// # Errors
    /// [`ImageError::ZeroSize`] for an empty side; [`ImageError::OutOfMemory`] if there is no room for it.
    pub fn filled(width: u32, height: u32, rgb: [u8; 3]) -> Result<Self, ImageError> {
        let mut data = zeroed(byte_len(width, height)?)?;
        for pixel in data.chunks_exact_mut(3) {
            pixel.copy_from_slice(&rgb);
        }
        Ok(Self { width, height, data })
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// `(width, height)` in pixels.
    #[must_use]
    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The bytes: rows from the top, three bytes a pixel.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Takes the bytes out.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Bytes of one row.
    pub(crate) fn stride(&self) -> usize {
        self.width as usize * 3
    }

    /// The colour at column `x`, row `y`, or `None` outside the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = y as usize * self.stride() + x as usize * 3;
        self.data.get(at..at + 3)?.try_into().ok()
    }

    /// The rectangle with its top left corner at (`x`, `y`).
    ///
    /// # Errors
    /// [`ImageError::Crop`] if the rectangle is empty or reaches outside the picture.
    pub fn crop(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Self, ImageError> {
        let inside = width > 0
            && height > 0
            && x.checked_add(width).is_some_and(|right| right <= self.width)
            && y.checked_add(height).is_some_and(|bottom| bottom <= self.height);
        if !inside {
            return Err(ImageError::Crop {
                x,
                y,
                crop_width: width,
                crop_height: height,
                width: self.width,
                height: self.height,
            });
        }
        let mut data = Vec::with_capacity(byte_len(width, height)?);
        let (left, right) = (x as usize * 3, (x as usize + width as usize) * 3);
        for row in self.data.chunks_exact(self.stride()).skip(y as usize).take(height as usize) {
            data.extend_from_slice(row.get(left..right).unwrap_or_default());
        }
        Self::new(width, height, data)
    }

    /// The mirror image: left and right exchanged.
    #[must_use]
    pub fn flip_horizontal(&self) -> Self {
        let mut data = self.data.clone();
        for row in data.chunks_exact_mut(self.stride()) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
        Self { width: self.width, height: self.height, data }
    }

    /// SHA-256 of the picture in lower-case hexadecimal, for cache keys and fingerprints.
    ///
    /// The hash covers width and height (four bytes each, little endian) before the pixels, so that two pictures of the same bytes
    /// but another shape differ. It does not depend on the file the picture came from.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.width.to_le_bytes());
        hasher.update(self.height.to_le_bytes());
        hasher.update(&self.data);
        hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32) -> RgbImage {
        let data = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        RgbImage::new(width, height, data).unwrap()
    }

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(RgbImage::new(0, 3, vec![]), Err(ImageError::ZeroSize { .. })));
        assert!(matches!(
            RgbImage::new(2, 2, vec![0; 11]),
            Err(ImageError::BufferSize { expected: 12, found: 11, .. })
        ));
        assert!(matches!(RgbImage::filled(u32::MAX, u32::MAX, [0; 3]), Err(ImageError::OutOfMemory { .. })));
        assert_eq!(RgbImage::filled(2, 1, [1, 2, 3]).unwrap().data(), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn pixels_crops_and_flips_agree() {
        let image = ramp(7, 5);
        let part = image.crop(2, 1, 4, 3).unwrap();
        let flipped = image.flip_horizontal();
        for y in 0..5 {
            for x in 0..7 {
                assert_eq!(flipped.pixel(6 - x, y), image.pixel(x, y));
            }
        }
        for y in 0..3 {
            for x in 0..4 {
                assert_eq!(part.pixel(x, y), image.pixel(x + 2, y + 1));
            }
        }
        assert_eq!(image.pixel(7, 0), None);
        assert_eq!(image.pixel(0, 5), None);
        assert_eq!(flipped.flip_horizontal(), image);
        assert_eq!(image.crop(0, 0, 7, 5).unwrap(), image);
    }

    #[test]
    fn crops_outside_are_refused() {
        let image = ramp(7, 5);
        for (x, y, w, h) in
            [(0, 0, 8, 1), (7, 0, 1, 1), (0, 0, 0, 1), (u32::MAX, 0, 2, 1), (1, 1, 1, u32::MAX)]
        {
            assert!(matches!(image.crop(x, y, w, h), Err(ImageError::Crop { .. })), "{x} {y} {w} {h}");
        }
    }

    #[test]
    fn the_hash_covers_shape_and_pixels() {
        let wide = RgbImage::filled(4, 1, [9, 9, 9]).unwrap();
        let tall = RgbImage::filled(1, 4, [9, 9, 9]).unwrap();
        assert_ne!(wide.content_hash(), tall.content_hash());
        // Equal to: printf '\1\0\0\0\1\0\0\0\1\2\3' | sha256sum
        assert_eq!(
            RgbImage::filled(1, 1, [1, 2, 3]).unwrap().content_hash(),
            "a4d3750cd606e63d8352d550ffe954594f01d109b77e67b5460751a37a2a8941"
        );
    }
}
