//! Pictures to frames to numbers.

use super::config::{ConfigError, PreprocessorConfig, WorkingSize};
use super::plan::TilePlan;
use crate::error::ImageError;
use crate::resize::{PassOrder, resize_with_order};
use crate::rgb::RgbImage;

/// The frames of one picture: `rows * cols` tiles row by row, then the global frame. All are squares of the same size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    /// The frames; never empty.
    pub frames: Vec<RgbImage>,
    /// Rows of tiles; 0 if there is only the global frame.
    pub rows: u32,
    /// Columns of tiles; 0 if there is only the global frame.
    pub cols: u32,
}

/// The image processor of SmolVLM, SmolVLM2 and Idefics3.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageProcessor {
    config: PreprocessorConfig,
    order: PassOrder,
    /// What each of the 256 sample values becomes, per channel.
    table: Box<[[f32; 256]; 3]>,
}

impl ImageProcessor {
    /// A processor for `config`, with the pass order of Pillow up to version 12.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration does not hold together, see [`PreprocessorConfig::validate`].
    pub fn new(config: PreprocessorConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let table = Box::new(normalisation_table(&config));
        Ok(Self { config, order: PassOrder::HorizontalFirst, table })
    }

    /// The same processor with another longest edge of the working size, in pixels.
    ///
    /// This is the lever for speed and memory: with the tile size itself (512 for most checkpoints) every picture becomes a single
    /// frame; each further multiple adds a row and a column of tiles.
    ///
    /// # Errors
    /// [`ConfigError`] if the edge is 0 or gives too many tiles.
    pub fn with_longest_edge(mut self, longest_edge: u32) -> Result<Self, ConfigError> {
        self.config.size = WorkingSize::LongestEdge { longest_edge };
        self.config.validate()?;
        Ok(self)
    }

    /// The same processor with another order of the resizing passes.
    #[must_use]
    pub const fn with_pass_order(mut self, order: PassOrder) -> Self {
        self.order = order;
        self
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &PreprocessorConfig {
        &self.config
    }

    /// How a picture of `width` x `height` pixels will be cut, without touching a pixel.
    ///
    /// # Errors
    /// [`ImageError::ZeroSize`] if a side is 0; [`ImageError::OutOfMemory`] if `do_resize` is off and the picture is too large to cut.
    pub fn plan(&self, width: u32, height: u32) -> Result<TilePlan, ImageError> {
        TilePlan::new(&self.config, width, height)
    }

    /// Resizes and cuts a picture.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and [`ImageError::OutOfMemory`].
    pub fn process(&self, image: &RgbImage) -> Result<Tiles, ImageError> {
        let plan = self.plan(image.width(), image.height())?;
        let stage1 = self.resize(image, plan.stage1)?;
        let stage2 = self.resize(&stage1, plan.stage2)?;
        drop(stage1);
        if plan.frames == 1 {
            return Ok(Tiles { frames: vec![stage2], rows: 0, cols: 0 });
        }
        let mut frames = Vec::new();
        frames
            .try_reserve_exact(plan.frames as usize)
            .map_err(|_| ImageError::OutOfMemory { bytes: u64::from(plan.frames) })?;
        for row in 0..plan.rows {
            for col in 0..plan.cols {
                frames.push(stage2.crop(col * plan.tile, row * plan.tile, plan.tile, plan.tile)?);
            }
        }
        frames.push(self.resize(&stage2, (plan.tile, plan.tile))?);
        Ok(Tiles { frames, rows: plan.rows, cols: plan.cols })
    }

    fn resize(&self, image: &RgbImage, (width, height): (u32, u32)) -> Result<RgbImage, ImageError> {
        resize_with_order(image, width, height, self.config.resample, self.order)
    }

    /// The numbers that the vision encoder reads, in the order `[frames, 3, height, width]`.
    ///
    /// Each sample is rescaled in f64, rounded to f32, then normalised in f32: with mean and deviation 0.5 exactly
    /// `sample / 127.5 - 1`.
    #[must_use]
    pub fn normalise(&self, tiles: &Tiles) -> Vec<f32> {
        let mut values = Vec::with_capacity(tiles.frames.iter().map(|frame| frame.data().len()).sum());
        for frame in &tiles.frames {
            self.append(frame, &mut values);
        }
        values
    }

    /// [`normalise`](Self::normalise) for a single picture of any size, in the order `[3, height, width]`.
    #[must_use]
    pub fn normalise_image(&self, image: &RgbImage) -> Vec<f32> {
        let mut values = Vec::with_capacity(image.data().len());
        self.append(image, &mut values);
        values
    }

    fn append(&self, image: &RgbImage, values: &mut Vec<f32>) {
        let (pixels, _) = image.data().as_chunks::<3>();
        let [red, green, blue] = self.table.as_ref();
        // An index of type u8 into 256 values is always inside.
        values.extend(pixels.iter().map(|pixel| red[usize::from(pixel[0])]));
        values.extend(pixels.iter().map(|pixel| green[usize::from(pixel[1])]));
        values.extend(pixels.iter().map(|pixel| blue[usize::from(pixel[2])]));
    }
}

/// What each sample value becomes, per channel.
///
/// Source: transformers 5.23.0 `image_transforms.py`, `rescale` (a product in f64, rounded to f32) and `normalize` (f32).
fn normalisation_table(config: &PreprocessorConfig) -> [[f32; 256]; 3] {
    let channel = |mean: f64, std: f64| {
        std::array::from_fn(|sample| {
            let mut value = sample as f32;
            if config.do_rescale {
                value = (sample as f64 * config.rescale_factor) as f32;
            }
            if config.do_normalize {
                value = (value - mean as f32) / std as f32;
            }
            value
        })
    };
    let [r, g, b] = config.image_mean;
    let [rs, gs, bs] = config.image_std;
    [channel(r, rs), channel(g, gs), channel(b, bs)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processor(edge: u32, tile: u32) -> ImageProcessor {
        let size = WorkingSize::LongestEdge { longest_edge: edge };
        let config = PreprocessorConfig { size, longest_edge_of_tile: tile, ..PreprocessorConfig::default() };
        ImageProcessor::new(config).unwrap()
    }

    fn gradient(width: u32, height: u32) -> RgbImage {
        let pixel = |x: u32, y: u32| [(x * 255 / width) as u8, (y * 255 / height) as u8, (x * y) as u8];
        let data = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        RgbImage::new(width, height, data).unwrap()
    }

    #[test]
    fn every_sample_value_is_exact() {
        let samples: Vec<u8> = (0..=255).flat_map(|v| [v, v, v]).collect();
        let image = RgbImage::new(16, 16, samples).unwrap();
        let values = processor(40, 20).normalise_image(&image);
        assert_eq!(values.len(), 3 * 256);
        for (value, sample) in values.iter().zip((0..=255_u8).cycle()) {
            assert_eq!(value.to_bits(), (f32::from(sample) / 127.5 - 1.0).to_bits(), "{sample}");
        }
    }

    /// Literal values from numpy: `((200 * f64(factor)).astype(f32) - f32(mean)) / f32(std)`.
    #[test]
    fn other_means_and_switches() {
        let image = RgbImage::filled(1, 1, [200, 200, 7]).unwrap();
        let mut config = PreprocessorConfig {
            image_mean: [0.485, 0.456, 0.406],
            image_std: [0.229, 0.224, 0.225],
            ..PreprocessorConfig::default()
        };
        let values = ImageProcessor::new(config.clone()).unwrap().normalise_image(&image);
        let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, [0x3fa74d4f, 0x3fbb9b9c, 0xbfd75a32]);
        config.do_normalize = false;
        let values = ImageProcessor::new(config.clone()).unwrap().normalise_image(&image);
        assert_eq!(values, [200.0 / 255.0, 200.0 / 255.0, 7.0 / 255.0]);
        config.do_rescale = false;
        assert_eq!(ImageProcessor::new(config).unwrap().normalise_image(&image), [200.0, 200.0, 7.0]);
    }

    #[test]
    fn frames_are_tiles_then_the_whole() {
        let processor = processor(60, 20);
        let image = gradient(80, 50);
        let plan = processor.plan(80, 50).unwrap();
        let tiles = processor.process(&image).unwrap();
        assert_eq!((plan.stage1, plan.stage2), ((60, 38), (60, 40)));
        assert_eq!((tiles.rows, tiles.cols, tiles.frames.len()), (2, 3, 7));
        assert!(tiles.frames.iter().all(|frame| frame.size() == (20, 20)));
        let stage1 = crate::resize(&image, 60, 38, crate::Filter::Lanczos).unwrap();
        let stage2 = crate::resize(&stage1, 60, 40, crate::Filter::Lanczos).unwrap();
        assert_eq!(tiles.frames[4], stage2.crop(20, 20, 20, 20).unwrap());
        assert_eq!(tiles.frames[6], crate::resize(&stage2, 20, 20, crate::Filter::Lanczos).unwrap());

        // [frames, 3, height, width]
        let values = processor.normalise(&tiles);
        assert_eq!(values.len(), 7 * 3 * 20 * 20);
        let at = ((5 * 3 + 2) * 20 + 11) * 20 + 4;
        let sample = tiles.frames[5].pixel(4, 11).unwrap()[2];
        assert_eq!(values[at].to_bits(), (f32::from(sample) / 127.5 - 1.0).to_bits());
    }

    #[test]
    fn a_working_size_of_one_tile_gives_one_frame() {
        let tiles = processor(20, 20).process(&gradient(33, 17)).unwrap();
        assert_eq!((tiles.rows, tiles.cols, tiles.frames.len()), (0, 0, 1));
        assert_eq!(tiles.frames[0].size(), (20, 20));
    }

    #[test]
    fn absurd_aspect_ratios_are_processed() {
        for (w, h) in [(1, 65_000), (65_000, 1)] {
            let tiles = processor(80, 20).process(&RgbImage::filled(w, h, [1, 2, 3]).unwrap()).unwrap();
            assert_eq!(tiles.frames.len(), 5);
            assert!(tiles.frames.iter().all(|frame| *frame == RgbImage::filled(20, 20, [1, 2, 3]).unwrap()));
        }
    }

    #[test]
    fn a_bad_edge_is_refused() {
        assert!(processor(40, 20).with_longest_edge(0).is_err());
        assert!(processor(40, 20).with_longest_edge(4000).is_err());
    }
}
