//! The noise layer: lifts from degraded depth and masks, and the answers made from them, held to the renderer's truth.
//!
//! `PLUMBLINE_FULL=1` measures all levels on 300 scenes of 640 × 480 and prints the tables.

use plumb_pipeline::accuracy::{Accuracy, AccuracyOptions, measure};
use plumb_pipeline::noise::Degradation;
use plumb_scene::procedural::RenderOptions;

/// Fewer answers than this say nothing about a share of 95 %.
const ENOUGH: u64 = 200;

fn median(ascending: &[f64]) -> f64 {
    ascending.get(ascending.len() / 2).copied().unwrap_or(f64::INFINITY)
}

fn check(name: &str, found: &Accuracy) {
    let (right, asked) = found.qualitative();
    let share = right as f64 / asked.max(1) as f64;
    let gravity = median(&found.gravity_error);
    let (least, most) = match name {
        "exact" => (0.99, 0.1),
        "1 %" | "3 %" | "6 %" => (0.95, 3.0),
        _ => (0.95, f64::INFINITY),
    };
    let wrong = found.wrong.join("\n");
    if asked >= ENOUGH {
        assert!(share >= least, "{name}: {right} of {asked} right\n{wrong}");
    }
    assert!(gravity < most, "{name}: gravity is {gravity} degrees off at the median\n{found}");
    // A lift that refuses everything, or a generator that asks nothing, would pass all of the above.
    if name == "exact" || name == "6 %" {
        assert!(asked >= ENOUGH, "{name}: only {asked} answers to judge");
        assert!(2 * found.refused < found.scenes, "{name}: gravity refused in {}", found.refused);
    }
}

#[test]
fn answers_from_degraded_depth_are_right_at_every_level() {
    let full = std::env::var("PLUMBLINE_FULL").is_ok_and(|value| value == "1");
    let (width, height, scenes, per_image) = if full { (640, 480, 300, 120) } else { (320, 240, 24, 80) };
    for (name, degradation) in Degradation::LEVELS {
        if !full && !matches!(name, "exact" | "6 %") {
            continue;
        }
        let options = AccuracyOptions {
            seed: 11,
            scenes: 0..scenes,
            render: RenderOptions { width, height, world: None, supersample: 1 },
            per_image,
        };
        let found = measure(&options, &degradation).unwrap();
        println!("== {name}: {degradation:?}\n{found}");
        check(name, &found);
    }
}
