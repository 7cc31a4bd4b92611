//! The SmolVLM pipeline against the hashes of the specification (Pillow 10.4, 11.3, 12.0 and 12.3 agree on them) and against a published
//! configuration.

#![expect(clippy::unwrap_used, reason = "a failure in the helpers of a test must end the test")]

use std::path::PathBuf;

use plumb_image::smolvlm::{ImageProcessor, PreprocessorConfig, WorkingSize};
use plumb_image::{Filter, RgbImage, resize};
use sha2::{Digest, Sha256};

/// R = 7x + 3y, G = x²/5 + y, B = 5 (x xor y), each modulo 256.
fn synthetic(width: u32, height: u32) -> RgbImage {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend([(7 * x + 3 * y) as u8, (x * x / 5 + y) as u8, ((x ^ y) * 5) as u8]);
        }
    }
    RgbImage::new(width, height, data).unwrap()
}

fn prefix(image: &RgbImage) -> String {
    Sha256::digest(image.data()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The published settings of the 256M and 500M models.
fn processor() -> ImageProcessor {
    let config = PreprocessorConfig { longest_edge_of_tile: 512, ..PreprocessorConfig::default() };
    ImageProcessor::new(config).unwrap().with_longest_edge(2048).unwrap()
}

/// Checks stage 1, stage 2 and the global frame, and that the tiles are stage 2 cut up.
fn check(cases: &[(u32, u32, &str, &str, &str)]) {
    let processor = processor();
    for &(w, h, stage1, stage2, global) in cases {
        let image = synthetic(w, h);
        let plan = processor.plan(w, h).unwrap();
        let first = resize(&image, plan.stage1.0, plan.stage1.1, Filter::Lanczos).unwrap();
        let second = resize(&first, plan.stage2.0, plan.stage2.1, Filter::Lanczos).unwrap();
        assert_eq!(prefix(&first), stage1, "{w}x{h}, stage 1");
        assert_eq!(prefix(&second), stage2, "{w}x{h}, stage 2");

        let tiles = processor.process(&image).unwrap();
        assert_eq!(tiles.frames.len() as u32, plan.frames);
        let (whole, cut) = tiles.frames.split_last().unwrap();
        assert_eq!(prefix(whole), global, "{w}x{h}, global frame");
        for (index, tile) in (0..).zip(cut) {
            let (x, y) = (index % tiles.cols * 512, index / tiles.cols * 512);
            assert_eq!(*tile, second.crop(x, y, 512, 512).unwrap(), "{w}x{h}, tile {index}");
        }
    }
}

#[test]
fn hashes_of_small_pictures() {
    check(&[
        (640, 480, "3b20eee7fecb74fd", "3b20eee7fecb74fd", "fdca8a8e5d657636"),
        (300, 100, "97a61f69a83834fc", "492d12a403c3a843", "c46f0006095e648f"),
        (100, 300, "14b11a36efd23f67", "1964bb99246e130c", "31053b44f918a6db"),
    ]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow without optimisation: run with --release")]
fn hashes_of_all_other_pictures() {
    check(&[
        (480, 640, "4469ca327f773397", "4469ca327f773397", "8863ba5956df546f"),
        (1024, 683, "7b601feebe20fcd5", "ccd06df75e0c4f31", "9a166d52c78aa529"),
        (1280, 720, "9647a24b83770f0a", "264821eded6acd46", "21426508d3e8f20b"),
        (3000, 2000, "84af6703a8b5ab17", "251f703dca8ad64e", "1d408805ba879024"),
        (2000, 3000, "ce4c486ee842c91c", "cc9b1c15a275d48e", "f5e36de3a81f0897"),
        (64, 64, "12f05dc7385b534e", "12f05dc7385b534e", "921ccb2e4eece7ad"),
        (4032, 3024, "731d415016726589", "731d415016726589", "4aacfe2afe17e646"),
        (517, 911, "0bca028527c047dc", "8fce30b4b2e03139", "1639cd631bbf6237"),
    ]);
}

fn test_data() -> PathBuf {
    std::env::var_os("PLUMBLINE_TEST_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from)
}

#[test]
fn the_published_configuration() {
    let path = test_data().join("smolvlm2-500m-video/preprocessor_config.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent; set PLUMBLINE_TEST_DATA to the test data", path.display());
        return;
    };
    let config = PreprocessorConfig::from_json(&text).unwrap();
    let expected = PreprocessorConfig {
        size: WorkingSize::LongestEdge { longest_edge: 2048 },
        longest_edge_of_tile: 512,
        ..PreprocessorConfig::default()
    };
    assert_eq!(config, expected);
    assert_eq!(ImageProcessor::new(config).unwrap(), processor());
}

#[test]
fn photographs_decode_and_tile() {
    let folder = test_data().join("photos");
    if !folder.is_dir() {
        eprintln!("skipped: {} is absent; set PLUMBLINE_TEST_DATA to the test data", folder.display());
        return;
    }
    // One tile only: the sizes that matter are covered by the hashes.
    let processor = processor().with_longest_edge(512).unwrap();
    let image = plumb_image::read(&folder.join("warehouse.jpg"), &plumb_image::Limits::default()).unwrap();
    let tiles = processor.process(&image).unwrap();
    assert_eq!(tiles.frames.len(), 1);
    let values = processor.normalise(&tiles);
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    assert!(mean.abs() < 0.9, "a photograph is neither black nor white: {mean}");
}
