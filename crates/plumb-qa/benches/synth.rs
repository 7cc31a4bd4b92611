//! Verified pairs per second and core, from ready scenes.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plumb_qa::{GenerateOptions, GenerateReport, Generator, Templates};
use plumb_scene::Scene;

#[expect(clippy::expect_used, reason = "a benchmark without its scenes is none")]
#[path = "../tests/random_scenes/mod.rs"]
mod random_scenes;

/// Different scenes, so that neither the branch predictor nor the cache learns one by heart.
const SCENES: u64 = 500;

fn run(generator: &Generator<'_>, scenes: &[Scene]) -> GenerateReport {
    let mut report = GenerateReport::default();
    for scene in scenes {
        report.merge(&generator.for_each(scene, |pair| {
            black_box(pair);
        }));
    }
    report
}

fn synth(criterion: &mut Criterion) {
    let templates = match Templates::builtin() {
        Ok(templates) => templates,
        Err(error) => {
            eprintln!("{error}");
            return;
        }
    };
    let scenes: Vec<Scene> = (0..SCENES).map(random_scenes::random_scene).collect();
    let mut group = criterion.benchmark_group("synth");
    group.sample_size(10);
    for per_image in [50, 200] {
        let options = GenerateOptions { per_image, ..GenerateOptions::default() };
        let generator = Generator::new(templates, options);
        let started = Instant::now();
        let report = run(&generator, &scenes);
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{} pairs of {SCENES} scenes at most {per_image} each: {:.0} verified pairs/s; {} draws, {} duplicates, {} failures",
            report.total(),
            report.total() as f64 / seconds,
            report.draws,
            report.duplicates,
            report.failures
        );
        group.throughput(Throughput::Elements(report.total()));
        group.bench_function(format!("{per_image} an image"), |bencher| {
            bencher.iter(|| run(&generator, black_box(&scenes)));
        });
    }
    group.finish();
}

criterion_group!(benches, synth);
criterion_main!(benches);
