//! Cleaning, boxes and pairwise distances of the objects of one 640x480 frame.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use glam::{DVec3, Vec3};
use plumb_geometry::{
    BoxOptions, CleanOptions, SurfaceIndex, clean_object, fit_gravity_box, robust_aabb, surface_distance,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Boxes and balls in rows before a camera 1.4 m above the floor, back-projected pixel by pixel: 24 objects, 288,000 points in all, 1 % of
/// them strays behind the object.
fn frame() -> Vec<Vec<Vec3>> {
    const FOCAL: f64 = 525.0;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut objects = vec![];
    for object in 0..24u32 {
        let (column, row) = (object % 6, object / 6);
        let depth = 1.2 + 0.8 * f64::from(3 - row);
        let mut points = vec![];
        for v in 0..120u32 {
            for u in 0..100u32 {
                let ray = DVec3::new(
                    (f64::from(column * 106 + u) - 319.5) / FOCAL,
                    1.0,
                    (239.5 - f64::from(row * 120 + v)) / FOCAL,
                );
                let (a, b) = (f64::from(u) / 50.0 - 1.0, f64::from(v) / 60.0 - 1.0);
                let relief = if object % 2 == 0 { 0.2 * (a - 0.3).abs() } else { 0.1 * (a * a + b * b) };
                let stray = if rng.random_bool(0.01) { rng.random_range(0.2..1.5) } else { 0.0 };
                let noise = rng.random_range(-0.002..0.002);
                let point = ray * (depth + relief + stray + noise) + DVec3::Z * 1.4;
                points.push(point.as_vec3());
            }
        }
        objects.push(points);
    }
    objects
}

fn clean(objects: &[Vec<Vec3>]) -> Vec<Vec<Vec3>> {
    let options = CleanOptions::default();
    objects
        .iter()
        .filter_map(|points| {
            let cleaned = clean_object(points, &options)?;
            Some(cleaned.keep.iter().map(|&i| points[i as usize]).collect())
        })
        .collect()
}

fn objects(c: &mut Criterion) {
    let frame = frame();
    let cleaned = clean(&frame);
    let indices: Vec<SurfaceIndex> = cleaned.iter().map(|points| SurfaceIndex::new(points)).collect();
    assert_eq!(indices.len(), 24);
    let options = BoxOptions::default();

    let mut group = c.benchmark_group("objects/24x12000");
    group.bench_function("clean", |b| b.iter(|| clean(black_box(&frame))));
    group.bench_function("boxes", |b| {
        b.iter(|| {
            let boxes = cleaned.iter().filter_map(|points| {
                let aabb = robust_aabb(points, &options)?;
                Some(fit_gravity_box(points, &aabb, &options))
            });
            boxes.collect::<Vec<_>>()
        });
    });
    group.bench_function("index", |b| {
        b.iter(|| cleaned.iter().map(|points| SurfaceIndex::new(points)).collect::<Vec<_>>());
    });
    group.bench_function("distances", |b| {
        b.iter(|| {
            let pairs = (0..indices.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            pairs
                .filter_map(|(i, j)| surface_distance(&indices[i], &indices[j]))
                .map(|n| n.distance)
                .sum::<f64>()
        });
    });
    group.finish();
}

criterion_group!(benches, objects);
criterion_main!(benches);
