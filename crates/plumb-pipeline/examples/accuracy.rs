//! Prints how right lift and answers are at every level of noise: `cargo run --release -p plumb-pipeline --example accuracy -- [SCENES] [LEVEL]`

use plumb_pipeline::accuracy::{AccuracyOptions, measure};
use plumb_pipeline::noise::Degradation;
use plumb_scene::procedural::RenderOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let scenes = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let only = arguments.next();
    for (name, degradation) in Degradation::LEVELS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let options = AccuracyOptions {
            seed: 11,
            scenes: 0..scenes,
            render: RenderOptions { supersample: 1, ..RenderOptions::default() },
            per_image: 120,
        };
        let found = measure(&options, &degradation)?;
        println!("== {name}: {degradation:?}\n{found}");
        for wrong in &found.wrong {
            println!("  {wrong}");
        }
    }
    Ok(())
}
