//! Frames per second with 1, 4 and 16 million points (the tiers of Rerun's point cloud benchmark) at 1280 x 720,
//! the camera moving every frame, every frame waited for. Every point is drawn unless the row says otherwise, by the
//! processor (what the viewer does on software drivers) and by the device.
//!
//! `cargo run --release -p plumb-viewer --example frame_rate [millions …]`
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails the run")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use glam::DVec3;
use plumb_viewer::{Camera, ColorMode, Offscreen, PointSize, Scene, ViewOptions};

#[path = "../tests/support/mod.rs"]
mod support;

const SIZE: [u32; 2] = [1280, 720];

fn main() {
    let Some((device, queue, name)) = support::device() else { return };
    println!("{name}, {} x {}", SIZE[0], SIZE[1]);
    println!(
        "{:>8} {:>9} {:>14} {:>10} {:>9} {:>9} {:>9} {:>8}",
        "points", "by", "drawing", "drawn", "median ms", "p95 ms", "fps", "upload s"
    );
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let tiers = if asked.is_empty() { vec![1, 4, 16] } else { asked };
    for millions in tiers {
        let count = millions << 20;
        let scene = Scene { cloud: Some(Arc::new(support::dense_room(count))), ..Scene::default() };
        for processor in [true, false] {
            // A software driver needs half a minute for such a frame.
            if !processor && millions > 1 && device.adapter_info().device_type == wgpu::DeviceType::Cpu {
                continue;
            }
            let mut offscreen = Offscreen::with_points_on(&device, &queue, Some(processor));
            let start = Instant::now();
            offscreen.upload(&scene);
            wait(&device, &queue);
            let upload = start.elapsed().as_secs_f64();
            let rows = [
                ("1 px", PointSize::Pixels(1.0), u32::MAX),
                ("2 px", PointSize::Pixels(2.0), u32::MAX),
                ("3 px", PointSize::Pixels(3.0), u32::MAX),
                ("5 mm discs", PointSize::Metres(0.005), u32::MAX),
                ("2 px moving", PointSize::Pixels(2.0), 1 << 19),
            ];
            for (drawing, point_size, most) in rows {
                let mut times = Vec::new();
                let started = Instant::now();
                for turn in 0.. {
                    if turn >= 40 || (turn >= 5 && started.elapsed() > Duration::from_secs(8)) {
                        break;
                    }
                    // Another view and another colour mode each time, so that nothing is reused.
                    let camera = Camera {
                        target: DVec3::new(0.0, 2.8, 0.8),
                        yaw: 0.4 + f64::from(turn) * 0.037,
                        pitch: -0.35 - 0.1 * (f64::from(turn) * 0.3).sin(),
                        distance: 5.5,
                        ..Camera::default()
                    };
                    let color = if turn % 2 == 0 { ColorMode::Rgb } else { ColorMode::Height };
                    let options = ViewOptions { point_size, color, ..ViewOptions::default() };
                    let frame = Instant::now();
                    offscreen.render_prefix(&scene, &camera, SIZE, &options, most).unwrap();
                    wait(&device, &queue);
                    // The first picture compiles pipelines and fills pools.
                    if turn > 0 {
                        times.push(frame.elapsed().as_secs_f64() * 1e3);
                    }
                }
                times.sort_by(f64::total_cmp);
                let (median, p95) =
                    (times[times.len() / 2], times[(times.len() * 95 / 100).min(times.len() - 1)]);
                println!(
                    "{:>8} {by:>9} {drawing:>14} {:>10} {median:>9.1} {p95:>9.1} {:>9.1} {upload:>8.2}",
                    format!("{millions} Mi"),
                    (count as u32).min(most),
                    1e3 / median,
                    by = if processor { "processor" } else { "device" }
                );
            }
        }
    }
}

/// `onSubmittedWorkDone`, waited for.
fn wait(device: &wgpu::Device, queue: &wgpu::Queue) {
    queue.submit([]);
    device
        .poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(120)) })
        .expect("the device answers");
}
