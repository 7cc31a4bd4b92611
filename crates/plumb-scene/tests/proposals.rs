//! Objects that nobody labelled, held to the masks of rendered scenes.

use plumb_geometry::DepthNoise;
use plumb_scene::lift::{LiftInput, LiftOptions, lift};
use plumb_scene::procedural::{RenderOptions, World, render};

#[test]
fn most_free_standing_things_are_found() -> Result<(), Box<dyn std::error::Error>> {
    let (mut large, mut found, mut proposed) = (0, 0, 0);
    for index in 0..8 {
        let options = RenderOptions { world: Some(World::Room), supersample: 1, ..RenderOptions::default() };
        let rendered = render(3, index, &options)?;
        let input = LiftInput {
            image: &rendered.image,
            depth: &rendered.depth,
            camera: &rendered.scene.camera,
            instances: None,
            instances_from: "",
            gravity: None,
            depth_from: "rendered",
        };
        let lifted = lift(&input, &LiftOptions { noise: DepthNoise::EXACT, ..LiftOptions::default() })?;
        proposed += lifted.scene.objects.len();
        assert!(lifted.scene.objects.iter().all(|o| o.name.starts_with("object ")));
        for real in rendered.scene.objects.iter().filter(|o| o.pixels > 3000 && !o.flags.truncated) {
            large += 1;
            let is = |ids: &[u16], at: usize, id: u32| u32::from(ids[at]) == id;
            let best = lifted.scene.objects.iter().map(|proposal| {
                let pixels = 0..rendered.instances.ids().len();
                let (mut both, mut either) = (0u32, 0u32);
                for at in pixels {
                    let a = is(rendered.instances.ids(), at, real.id);
                    let b = is(lifted.instances.ids(), at, proposal.id);
                    both += u32::from(a && b);
                    either += u32::from(a || b);
                }
                f64::from(both) / f64::from(either.max(1))
            });
            found += u32::from(best.fold(0.0, f64::max) > 0.5);
        }
    }
    println!("{found} of {large} large objects have a proposal of IoU above 0.5; {proposed} proposals");
    assert!(large >= 10 && 2 * found >= large, "{found} of {large}");
    Ok(())
}
