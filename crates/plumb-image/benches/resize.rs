//! How long resizing and tiling take.
//!
//! The pictures are noise, and every iteration takes another of a small set, so that no input stays in the cache or teaches the branch
//! predictor.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use plumb_image::smolvlm::{ImageProcessor, PreprocessorConfig};
use plumb_image::{Filter, RgbImage, resize};

/// Noise from a linear congruential generator.
fn noise(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let data = (0..width as usize * height as usize * 3)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    RgbImage::new(width, height, data).unwrap_or_else(|error| panic!("noise: {error}"))
}

fn variants(width: u32, height: u32) -> Vec<RgbImage> {
    (0..3).map(|seed| noise(width, height, seed)).collect()
}

fn resizing(c: &mut Criterion) {
    let mut group = c.benchmark_group("resize");
    group.sample_size(20);
    let cases = [
        (Filter::Lanczos, (3000, 2000), (2048, 1366)),
        (Filter::Bicubic, (3000, 2000), (2048, 1366)),
        (Filter::Lanczos, (640, 480), (2048, 1536)),
        (Filter::Lanczos, (2048, 1536), (512, 512)),
        (Filter::Bilinear, (1280, 720), (224, 224)),
    ];
    for (filter, (w, h), (to_w, to_h)) in cases {
        let images = variants(w, h);
        group.throughput(Throughput::Elements(u64::from(to_w) * u64::from(to_h)));
        let mut next = images.iter().cycle();
        group.bench_function(
            BenchmarkId::new(format!("{filter:?}"), format!("{w}x{h}->{to_w}x{to_h}")),
            |b| {
                b.iter(|| next.next().map(|image| resize(black_box(image), to_w, to_h, filter)));
            },
        );
    }
    group.finish();
}

fn tiling(c: &mut Criterion) {
    let mut group = c.benchmark_group("smolvlm");
    group.sample_size(10);
    let config = PreprocessorConfig { longest_edge_of_tile: 512, ..PreprocessorConfig::default() };
    let processor = ImageProcessor::new(config)
        .and_then(|processor| processor.with_longest_edge(2048))
        .unwrap_or_else(|error| panic!("configuration: {error}"));
    let images = variants(1280, 960);
    let mut next = images.iter().cycle();
    group.bench_function("process 1280x960", |b| {
        b.iter(|| next.next().map(|image| processor.process(black_box(image))));
    });
    let tiles = processor.process(&noise(1280, 960, 9)).unwrap_or_else(|error| panic!("tiles: {error}"));
    group.bench_function("normalise 13 tiles", |b| {
        b.iter(|| processor.normalise(black_box(&tiles)));
    });
    group.finish();
}

criterion_group!(benches, resizing, tiling);
criterion_main!(benches);
