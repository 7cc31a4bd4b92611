//! `preprocessor_config.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::resize::Filter;

/// Why a preprocessor configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON, or not an object.
    #[error("preprocessor_config.json is not valid: {0}")]
    Json(#[from] serde_json::Error),

    /// A field has a value that cannot be used.
    #[error("preprocessor_config.json, field `{field}`: expected {expected}, found {found}")]
    Field {
        /// Path of the field, for example `size.longest_edge`.
        field: &'static str,
        /// What would be accepted.
        expected: &'static str,
        /// The value in the file.
        found: String,
    },

    /// Working size and tile size together would give an absurd number of tiles.
    #[error(
        "preprocessor_config.json asks for up to {frames} tiles per image (`size` {size} pixels, `max_image_size.longest_edge` {tile} \
         pixels): expected at most {limit}; use a smaller working size or larger tiles"
    )]
    TooManyFrames {
        /// Largest number of frames of one picture.
        frames: u64,
        /// Working size in pixels.
        size: u32,
        /// Tile size in pixels.
        tile: u32,
        /// The most that is accepted.
        limit: u64,
    },
}

/// The size that a picture is brought to before it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WorkingSize {
    /// Keep the aspect ratio and make the longer side this long.
    LongestEdge {
        /// Pixels.
        longest_edge: u32,
    },
    /// Exactly this size, whatever the aspect ratio.
    Exact {
        /// Pixels.
        height: u32,
        /// Pixels.
        width: u32,
    },
}

impl WorkingSize {
    /// The longer side in pixels.
    #[must_use]
    pub fn longest(self) -> u32 {
        match self {
            Self::LongestEdge { longest_edge } => longest_edge,
            Self::Exact { height, width } => height.max(width),
        }
    }
}

/// The fields of `preprocessor_config.json` that decide what the model sees.
///
/// Unknown fields are ignored. A field that is missing or `null` takes the default of transformers 5.23.0
/// (`SmolVLMImageProcessorPil`), which [`Default`] also gives. `do_convert_rgb` has no field because an [`RgbImage`](crate::RgbImage) is RGB already, and
/// `do_pad` none because all frames have the size of a tile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct PreprocessorConfig {
    /// `do_resize`: whether to bring the picture to [`size`](Self::size) first. Default true.
    pub do_resize: bool,
    /// `do_image_splitting`: whether to cut tiles. Without it a picture is one frame. Default true.
    pub do_image_splitting: bool,
    /// `do_rescale`: whether to multiply samples by [`rescale_factor`](Self::rescale_factor). Default true.
    pub do_rescale: bool,
    /// `do_normalize`: whether to subtract [`image_mean`](Self::image_mean) and divide by [`image_std`](Self::image_std). Default true.
    pub do_normalize: bool,
    /// `size`: the working size, default a longest edge of 1456 = 4 · 364 pixels. Published SmolVLM checkpoints say 2048 (256M, 500M) or 1536 (2.2B).
    pub size: WorkingSize,
    /// `max_image_size.longest_edge`: the side of a tile in pixels. Default 364; published checkpoints say 512 or 384.
    pub longest_edge_of_tile: u32,
    /// `resample`: Pillow's code of the filter. Default 1, Lanczos.
    pub resample: Filter,
    /// `rescale_factor`. Default 1/255.
    pub rescale_factor: f64,
    /// `image_mean` per channel, after rescaling; a single number stands for all three. Default 0.5.
    pub image_mean: [f64; 3],
    /// `image_std` per channel, after rescaling; a single number stands for all three. Default 0.5.
    pub image_std: [f64; 3],
}

impl Default for PreprocessorConfig {
    fn default() -> Self {
        Self {
            do_resize: true,
            do_image_splitting: true,
            do_rescale: true,
            do_normalize: true,
            size: WorkingSize::LongestEdge { longest_edge: 4 * 364 },
            longest_edge_of_tile: 364,
            resample: Filter::Lanczos,
            rescale_factor: 1.0 / 255.0,
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
        }
    }
}

/// Longest side that a configuration may ask for, in pixels.
const MAX_EDGE: u32 = 1 << 16;

/// The most frames a single picture may give: 64 x 64 tiles and the global frame.
const MAX_FRAMES: u64 = 64 * 64 + 1;

impl PreprocessorConfig {
    /// Reads `preprocessor_config.json`, or the `image_processor` object inside a newer `processor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the field.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let mut map: Map<String, Value> = serde_json::from_str(text)?;
        match map.remove("image_processor") {
            Some(Value::Object(inner)) => Self::try_from(inner),
            _ => Self::try_from(map),
        }
    }

    /// Checks what the types cannot: positive sizes, a bounded number of tiles, finite numbers and no division by zero.
    ///
    /// # Errors
    /// [`ConfigError::Field`] or [`ConfigError::TooManyFrames`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let edge = |field, pixels: u32| {
            if (1..=MAX_EDGE).contains(&pixels) {
                Ok(())
            } else {
                Err(ConfigError::Field { field, expected: PIXELS, found: pixels.to_string() })
            }
        };
        match self.size {
            WorkingSize::LongestEdge { longest_edge } => edge("size.longest_edge", longest_edge)?,
            WorkingSize::Exact { height, width } => {
                edge("size.height", height)?;
                edge("size.width", width)?;
            }
        }
        edge("max_image_size.longest_edge", self.longest_edge_of_tile)?;

        let size = match self.size {
            WorkingSize::LongestEdge { longest_edge } => longest_edge.min(super::plan::MAX_WORKING_EDGE),
            exact @ WorkingSize::Exact { .. } => exact.longest(),
        };
        let per_side = u64::from(size.div_ceil(self.longest_edge_of_tile));
        let frames = per_side * per_side + 1;
        if self.do_image_splitting && frames > MAX_FRAMES {
            let tile = self.longest_edge_of_tile;
            return Err(ConfigError::TooManyFrames { frames, size, tile, limit: MAX_FRAMES });
        }

        let number = |field, expected, value: f64, fine: bool| {
            if fine { Ok(()) } else { Err(ConfigError::Field { field, expected, found: value.to_string() }) }
        };
        let factor = self.rescale_factor;
        number(
            "rescale_factor",
            "a finite number other than 0",
            factor,
            factor.is_finite() && factor != 0.0,
        )?;
        for mean in self.image_mean {
            number("image_mean", "finite numbers", mean, (mean as f32).is_finite())?;
        }
        for std in self.image_std {
            // The division is in f32, so a value that vanishes there is as bad as 0.
            let fine = (std as f32).is_finite() && std as f32 > 0.0;
            number("image_std", "finite numbers greater than 0", std, fine)?;
        }
        Ok(())
    }
}

const PIXELS: &str = "a whole number of pixels from 1 to 65536";

/// The value of `key`, with `null` the same as missing.
fn get<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn wrong(field: &'static str, expected: &'static str, value: &Value) -> ConfigError {
    ConfigError::Field { field, expected, found: value.to_string() }
}

fn flag(map: &Map<String, Value>, key: &'static str, default: bool) -> Result<bool, ConfigError> {
    get(map, key)
        .map_or(Ok(default), |value| value.as_bool().ok_or_else(|| wrong(key, "true or false", value)))
}

fn pixels(field: &'static str, value: &Value) -> Result<u32, ConfigError> {
    value.as_u64().and_then(|pixels| u32::try_from(pixels).ok()).ok_or_else(|| wrong(field, PIXELS, value))
}

fn channels(map: &Map<String, Value>, key: &'static str, default: [f64; 3]) -> Result<[f64; 3], ConfigError> {
    let Some(value) = get(map, key) else {
        return Ok(default);
    };
    let numbers = match value {
        Value::Array(items) => items.iter().map(Value::as_f64).collect::<Option<Vec<_>>>(),
        single => single.as_f64().map(|number| vec![number; 3]),
    };
    numbers
        .and_then(|numbers| <[f64; 3]>::try_from(numbers).ok())
        .ok_or_else(|| wrong(key, "three numbers, one per channel, or a single number", value))
}

fn working_size(map: &Map<String, Value>, default: WorkingSize) -> Result<WorkingSize, ConfigError> {
    const EXPECTED: &str = "an object with `longest_edge`, or with `height` and `width`";
    let Some(value) = get(map, "size") else {
        return Ok(default);
    };
    let object = value.as_object().ok_or_else(|| wrong("size", EXPECTED, value))?;
    if let Some(edge) = get(object, "longest_edge") {
        return Ok(WorkingSize::LongestEdge { longest_edge: pixels("size.longest_edge", edge)? });
    }
    match (get(object, "height"), get(object, "width")) {
        (Some(height), Some(width)) => Ok(WorkingSize::Exact {
            height: pixels("size.height", height)?,
            width: pixels("size.width", width)?,
        }),
        _ => Err(wrong("size", EXPECTED, value)),
    }
}

fn tile_size(map: &Map<String, Value>, default: u32) -> Result<u32, ConfigError> {
    let Some(value) = get(map, "max_image_size") else {
        return Ok(default);
    };
    value
        .as_object()
        .and_then(|object| get(object, "longest_edge"))
        .ok_or_else(|| wrong("max_image_size", "an object with `longest_edge`", value))
        .and_then(|edge| pixels("max_image_size.longest_edge", edge))
}

impl TryFrom<Map<String, Value>> for PreprocessorConfig {
    type Error = ConfigError;

    fn try_from(map: Map<String, Value>) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let config = Self {
            do_resize: flag(&map, "do_resize", defaults.do_resize)?,
            do_image_splitting: flag(&map, "do_image_splitting", defaults.do_image_splitting)?,
            do_rescale: flag(&map, "do_rescale", defaults.do_rescale)?,
            do_normalize: flag(&map, "do_normalize", defaults.do_normalize)?,
            size: working_size(&map, defaults.size)?,
            longest_edge_of_tile: tile_size(&map, defaults.longest_edge_of_tile)?,
            resample: get(&map, "resample").map_or(Ok(defaults.resample), |value| {
                value.as_u64().and_then(Filter::from_code).ok_or_else(|| {
                    let known = "0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box) or 5 (Hamming)";
                    wrong("resample", known, value)
                })
            })?,
            rescale_factor: get(&map, "rescale_factor").map_or(Ok(defaults.rescale_factor), |value| {
                value.as_f64().ok_or_else(|| wrong("rescale_factor", "a number", value))
            })?,
            image_mean: channels(&map, "image_mean", defaults.image_mean)?,
            image_std: channels(&map, "image_std", defaults.image_std)?,
        };
        config.validate()?;
        Ok(config)
    }
}

impl From<PreprocessorConfig> for Map<String, Value> {
    fn from(config: PreprocessorConfig) -> Self {
        let mut map = Self::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("do_image_splitting", config.do_image_splitting.into());
        put("do_normalize", config.do_normalize.into());
        put("do_rescale", config.do_rescale.into());
        put("do_resize", config.do_resize.into());
        put("image_mean", config.image_mean.to_vec().into());
        put("image_std", config.image_std.to_vec().into());
        put("max_image_size", serde_json::json!({ "longest_edge": config.longest_edge_of_tile }));
        put("resample", config.resample.code().into());
        put("rescale_factor", config.rescale_factor.into());
        put(
            "size",
            match config.size {
                WorkingSize::LongestEdge { longest_edge } => {
                    serde_json::json!({ "longest_edge": longest_edge })
                }
                WorkingSize::Exact { height, width } => {
                    serde_json::json!({ "height": height, "width": width })
                }
            },
        );
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_means_the_defaults() {
        assert_eq!(PreprocessorConfig::from_json("{}").unwrap(), PreprocessorConfig::default());
        let nulls = r#"{"size": null, "resample": null, "image_mean": null, "do_resize": null, "max_image_size": null}"#;
        assert_eq!(PreprocessorConfig::from_json(nulls).unwrap(), PreprocessorConfig::default());
    }

    #[test]
    fn a_newer_save_is_read_through_its_wrapper() {
        let text = r#"{"image_seq_len": 64, "image_processor": {"size": {"longest_edge": 1536, "height": null},
            "max_image_size": {"longest_edge": 384}, "image_mean": 0.25, "resample": 3}, "processor_class": "X"}"#;
        let config = PreprocessorConfig::from_json(text).unwrap();
        assert_eq!(config.size, WorkingSize::LongestEdge { longest_edge: 1536 });
        assert_eq!(config.longest_edge_of_tile, 384);
        assert_eq!(config.image_mean, [0.25; 3]);
        assert_eq!(config.resample, Filter::Bicubic);
    }

    #[test]
    fn it_survives_its_own_serialisation() {
        let mut config = PreprocessorConfig { image_std: [0.1, 0.2, 0.3], ..PreprocessorConfig::default() };
        config.size = WorkingSize::Exact { height: 40, width: 60 };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(PreprocessorConfig::from_json(&text).unwrap(), config);
        assert_eq!(serde_json::from_str::<PreprocessorConfig>(&text).unwrap(), config);
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, field) in [
            (r#"{"size": 2048}"#, "`size`"),
            (r#"{"size": {"height": 5}}"#, "`size`"),
            (r#"{"size": {"longest_edge": -1}}"#, "`size.longest_edge`"),
            (r#"{"size": {"longest_edge": 0}}"#, "`size.longest_edge`"),
            (r#"{"size": {"longest_edge": 99999999999}}"#, "`size.longest_edge`"),
            (r#"{"size": {"height": 5, "width": "x"}}"#, "`size.width`"),
            (r#"{"max_image_size": {}}"#, "`max_image_size`"),
            (r#"{"max_image_size": {"longest_edge": 0}}"#, "`max_image_size.longest_edge`"),
            (r#"{"max_image_size": {"longest_edge": 1}}"#, "2119937 tiles"),
            (r#"{"resample": 9}"#, "`resample`"),
            (r#"{"resample": "lanczos"}"#, "`resample`"),
            (r#"{"image_mean": [0.5, 0.5]}"#, "`image_mean`"),
            (r#"{"image_std": [0.5, 0.5, 0]}"#, "`image_std`"),
            (r#"{"image_std": [0.5, 0.5, 1e-60]}"#, "`image_std`"),
            (r#"{"rescale_factor": 0}"#, "`rescale_factor`"),
            (r#"{"do_resize": 1}"#, "`do_resize`"),
            ("[1, 2]", "not valid"),
            ("{", "not valid"),
        ] {
            let error = PreprocessorConfig::from_json(text).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
