//! Pictures for Plumbline: decoding with limits, resizing that equals Pillow to the last bit, and the
//! image pipelines of the models.
//!
//! | module | what it does |
//! |---|---|
//! | [`rgb`] | [`RgbImage`]: eight-bit RGB with checked sizes, crops, flips and a content hash |
//! | [`mod@decode`] | bytes or a file to an [`RgbImage`], under [`Limits`], EXIF orientation applied; PNG out |
//! | [`mod@resize`] | Pillow's resampling filters in fixed point, both pass orders |
//! | [`smolvlm`] | the SmolVLM / Idefics3 tiles: plan, cut, normalise |
//!
//! Nothing here knows a tensor, and everything compiles to wasm32; only [`read`] needs a file system.

pub mod decode;
mod error;
pub mod resize;
pub mod rgb;
pub mod smolvlm;

#[cfg(not(target_family = "wasm"))]
pub use decode::read;
pub use decode::{Limits, decode, encode_jpeg, encode_png};
pub use error::ImageError;
pub use resize::{Filter, PassOrder, resize, resize_with_order};
pub use rgb::RgbImage;
