//! Depth to points, gravity and ground at 640×480, over rooms that differ from call to call.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use plumb_geometry::{
    Camera, DepthMap, FilterOptions, GravityOptions, GroundOptions, OrganizedCloud, PixelCentre, ZDepth,
    estimate_gravity, find_ground,
};

#[path = "../src/rooms.rs"]
mod rooms;

fn inputs() -> Vec<(ZDepth, Camera)> {
    (0..8u32)
        .filter_map(|i| {
            let turn = f64::from(i);
            let mut room =
                rooms::Room::new(640, 480, 45.0 + 5.0 * turn, -35.0 + 4.0 * turn, -8.0 + 2.0 * turn);
            room.ceiling = (i % 2 == 1).then_some(2.6);
            let mut depth = room.depth();
            rooms::kinect(&mut depth, 640, room.focal, u64::from(i) + 1);
            let camera =
                Camera::new(640, 480, [room.focal, room.focal, 320.0, 240.0], PixelCentre::Half).ok()?;
            Some((ZDepth(DepthMap::new(640, 480, depth).ok()?), camera))
        })
        .collect()
}

fn lift(criterion: &mut Criterion) {
    let inputs = inputs();
    let options = FilterOptions::default();
    let clouds: Vec<OrganizedCloud> =
        inputs.iter().filter_map(|(d, c)| OrganizedCloud::from_depth(d, c, &options).ok()).collect();
    let ups: Vec<_> = clouds
        .iter()
        .filter_map(|c| Some((c, estimate_gravity(c, &GravityOptions::default()).up()?)))
        .collect();
    assert!(clouds.len() == 8 && ups.len() >= 4, "rooms to measure on");
    let mut next = (0..).map(|i: usize| i % 8);
    let mut turn = move || next.next().unwrap_or(0);
    criterion.bench_function("from_depth 640x480", |b| {
        b.iter(|| {
            let (depth, camera) = &inputs[turn()];
            black_box(OrganizedCloud::from_depth(depth, camera, &options))
        });
    });
    criterion.bench_function("estimate_gravity 640x480", |b| {
        b.iter(|| black_box(estimate_gravity(&clouds[turn()], &GravityOptions::default())));
    });
    criterion.bench_function("find_ground 640x480", |b| {
        b.iter(|| {
            let (cloud, up) = ups[turn() % ups.len()];
            black_box(find_ground(cloud, up, &GroundOptions::default()))
        });
    });
}

criterion_group!(benches, lift);
criterion_main!(benches);
