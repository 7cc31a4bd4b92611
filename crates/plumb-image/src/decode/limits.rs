//! How large a picture may be.

use crate::error::ImageError;

/// Bounds that are checked before the memory for a picture is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the encoded file. Default 256 MiB.
    pub max_encoded_bytes: u64,
    /// Greatest width in pixels. Default 65 535, the most that JPEG can say.
    pub max_width: u32,
    /// Greatest height in pixels. Default 65 535.
    pub max_height: u32,
    /// Most pixels in all. Default 100 million, a little above the point where Pillow warns of a decompression bomb (89 478 485).
    pub max_pixels: u64,
    /// Most bytes of memory for decoding, as estimated from the header: the picture as decoded, and as eight-bit RGB, and turned.
    /// Default 1 GiB.
    pub max_alloc_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_encoded_bytes: 256 << 20,
            max_width: 65_535,
            max_height: 65_535,
            max_pixels: 100_000_000,
            max_alloc_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Checks the length of an encoded file.
    pub(super) fn check_encoded(&self, found: u64) -> Result<(), ImageError> {
        match found {
            0 => Err(ImageError::Empty),
            found if found > self.max_encoded_bytes => {
                Err(ImageError::TooManyBytes { found, limit: self.max_encoded_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Checks the declared size of a picture that decodes to `decoded_bytes` with `scratch` bytes per pixel beside them.
    pub(super) fn check_size(
        &self,
        (width, height): (u32, u32),
        decoded_bytes: u64,
        scratch: u64,
    ) -> Result<(), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::ZeroSize { width, height });
        }
        if width > self.max_width || height > self.max_height {
            let (max_width, max_height) = (self.max_width, self.max_height);
            return Err(ImageError::TooLarge { width, height, max_width, max_height });
        }
        let found = u64::from(width) * u64::from(height);
        if found > self.max_pixels {
            return Err(ImageError::TooManyPixels { width, height, found, limit: self.max_pixels });
        }
        let needed = found.saturating_mul(scratch).saturating_add(decoded_bytes);
        if needed > self.max_alloc_bytes {
            return Err(ImageError::TooMuchMemory { needed, limit: self.max_alloc_bytes });
        }
        Ok(())
    }
}
