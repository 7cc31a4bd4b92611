//! What can go wrong between bytes and pixels.

/// Every failure of this crate's picture functions, as a sentence for the person who chose the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No bytes at all.
    #[error("the image is empty: expected an encoded picture, found 0 bytes")]
    Empty,

    /// The first bytes belong to no picture format we know.
    #[error(
        "this is not a picture that can be read: expected PNG, JPEG, WebP, BMP, GIF, TIFF or PNM, but the \
         file starts with {head}"
    )]
    UnknownFormat {
        /// The first bytes in hexadecimal.
        head: String,
    },

    /// The encoded file is larger than the limit.
    #[error("the encoded image has {found} bytes, more than the {limit} allowed")]
    TooManyBytes {
        /// Encoded length in bytes.
        found: u64,
        /// [`Limits::max_encoded_bytes`](crate::Limits::max_encoded_bytes).
        limit: u64,
    },

    /// The picture is wider or taller than the limit.
    #[error("the image is {width}x{height} pixels, beyond the {max_width}x{max_height} allowed")]
    TooLarge {
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
        /// Allowed width in pixels.
        max_width: u32,
        /// Allowed height in pixels.
        max_height: u32,
    },

    /// The picture has too many pixels in all.
    #[error("the image is {width}x{height} = {found} pixels, more than the {limit} allowed")]
    TooManyPixels {
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
        /// Their product.
        found: u64,
        /// [`Limits::max_pixels`](crate::Limits::max_pixels).
        limit: u64,
    },

    /// Decoding would need more memory than allowed.
    #[error("decoding the image needs about {needed} bytes of memory, more than the {limit} allowed")]
    TooMuchMemory {
        /// Estimated peak in bytes.
        needed: u64,
        /// [`Limits::max_alloc_bytes`](crate::Limits::max_alloc_bytes).
        limit: u64,
    },

    /// A decoder stopped because its working memory would exceed the limit.
    #[error("decoding the {format} image would exceed the memory allowed for one image: {detail}")]
    DecoderMemory {
        /// Name of the format.
        format: &'static str,
        /// What the decoder said.
        detail: String,
    },

    /// The machine refused an allocation that the limits permit.
    #[error("the machine could not provide {bytes} bytes of memory for an image")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },

    /// Width or height is zero.
    #[error(
        "an image needs at least one pixel: expected a width and height of 1 or more, found {width}x{height}"
    )]
    ZeroSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },

    /// The data ends before the picture does.
    #[error("the {format} image is cut short: {detail}; copy or download the file again")]
    Truncated {
        /// Name of the format.
        format: &'static str,
        /// Where the decoder stood.
        detail: String,
    },

    /// The data contradicts its format.
    #[error("the {format} image is damaged: {detail}")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// What the decoder found.
        detail: String,
    },

    /// A valid picture of a kind we do not read.
    #[error("this kind of {format} image is not supported: {detail}; save it as an 8-bit RGB PNG")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// The feature that is missing.
        detail: String,
    },

    /// A pixel buffer does not fit the size given with it.
    #[error("an RGB image of {width}x{height} pixels has {expected} bytes, but the buffer has {found}")]
    BufferSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `width * height * 3`.
        expected: u64,
        /// Length of the buffer.
        found: u64,
    },

    /// A crop reaches outside its picture or is empty.
    #[error(
        "the crop at ({x}, {y}) of {crop_width}x{crop_height} pixels is empty or reaches outside the \
         {width}x{height} image"
    )]
    Crop {
        /// Left edge in pixels.
        x: u32,
        /// Top edge in pixels.
        y: u32,
        /// Width of the crop in pixels.
        crop_width: u32,
        /// Height of the crop in pixels.
        crop_height: u32,
        /// Width of the image in pixels.
        width: u32,
        /// Height of the image in pixels.
        height: u32,
    },

    /// A PNG could not be written.
    #[error("the image could not be written as PNG: {detail}")]
    Encode {
        /// What the encoder said.
        detail: String,
    },

    /// A file could not be opened or read.
    #[error("cannot read the image file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file was read but is not a usable picture.
    #[error("{path}: {source}")]
    InFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: Box<ImageError>,
    },
}
