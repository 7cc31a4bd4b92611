//! Rendering one 640 × 480 scene after another on one core.

use criterion::{Criterion, criterion_group, criterion_main};
use plumb_scene::procedural::{RenderOptions, World, render};

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render_640x480");
    group.sample_size(40);
    for world in World::ALL {
        for supersample in [1, 2] {
            let options = RenderOptions { world: Some(world), supersample, ..RenderOptions::default() };
            let mut index = 0u64;
            group.bench_function(format!("{world}_x{supersample}"), |bencher| {
                bencher.iter(|| {
                    // Scenes differ much in cost: every run draws the next of fifty.
                    index = (index + 1) % 50;
                    render(7, index, &options)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
