//! Frames of real depth cameras, held to what is known of their content. They are not in the repository: `PLUMBLINE_TEST_DATA` says where they are.

use std::path::{Path, PathBuf};

use glam::{DMat3, DVec3};
use plumb_geometry::{Gravity, ZDepth};
use plumb_image::Limits;
use plumb_scene::lift::{LiftInput, LiftOptions, Lifted, lift};
use plumb_scene::rgbd::{DepthFormat, DepthOptions, calibration, read_depth};

fn folder() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("PLUMBLINE_TEST_DATA").map_or(default, PathBuf::from).join("rgbd");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no {} (set PLUMBLINE_TEST_DATA)", folder.display());
    None
}

fn lifted(color: &Path, depth: &Path, format: DepthFormat) -> Result<Lifted, Box<dyn std::error::Error>> {
    let image = plumb_image::read(color, &Limits::default())?;
    let file = read_depth(depth, &DepthOptions { format: Some(format), ..DepthOptions::default() })?;
    let camera = format.camera(image.width(), image.height()).ok_or("no camera")?;
    let depth = ZDepth(file.depth);
    let input = LiftInput {
        image: &image,
        depth: &depth,
        camera: &camera,
        instances: None,
        instances_from: "",
        gravity: None,
        depth_from: format.name(),
    };
    Ok(lift(&input, &LiftOptions::default())?)
}

/// Degrees, negative looking down.
fn pitch(lifted: &Lifted) -> f64 {
    lifted.scene.gravity.up().map_or(f64::NAN, |up| up.z.asin().to_degrees())
}

#[test]
fn a_desk_is_as_high_as_desks_are() -> Result<(), Box<dyn std::error::Error>> {
    let Some(folder) = folder() else { return Ok(()) };
    let tum = lifted(&folder.join("tum/color.png"), &folder.join("tum/depth.png"), DepthFormat::Tum)?;
    // Office desks are 0.70 to 0.76 m high.
    let desk = tum.supports.iter().max_by(|a, b| {
        let area = |s: &plumb_geometry::SupportPlane| if s.is_ground { 0.0 } else { s.area };
        area(a).total_cmp(&area(b))
    });
    let desk = desk.ok_or("no desk")?;
    assert!((0.69..0.77).contains(&desk.height.value), "{:?}", desk.height);
    assert!(tum.scene.frame.grounded && (1.6..2.0).contains(&tum.scene.frame.camera_height));
    assert!((pitch(&tum) + 29.0).abs() < 3.0, "{}", pitch(&tum));
    // The foam die on the desk is a cube: its height and width agree, and one can hold it in both hands.
    let die = tum.scene.objects.iter().find(|o| o.attributes.colour.as_deref() == Some("yellow"));
    let die = die.ok_or("no yellow object")?;
    let size = die.aabb.size();
    assert!((0.12..0.22).contains(&size.z) && (0.12..0.24).contains(&size.x), "{size}");
    assert!(die.support.is_some_and(|s| (s.value - desk.height.value).abs() < 0.02), "{:?}", die.support);
    assert!(tum.scene.objects.len() >= 8, "{}", tum.scene.objects.len());
    Ok(())
}

#[test]
fn two_views_agree_on_gravity_and_on_the_height_of_the_camera() -> Result<(), Box<dyn std::error::Error>> {
    let Some(folder) = folder() else { return Ok(()) };
    let text = std::fs::read_to_string(folder.join("redwood/trajectory.log"))?;
    let poses = calibration::trajectory(&text, "trajectory.log")?;
    let mut ups = Vec::new();
    let mut heights = Vec::new();
    // The trajectory goes on; two of its frames are here.
    for (number, (_, pose)) in poses.iter().enumerate().take(2) {
        let name = |kind: &str, end: &str| folder.join(format!("redwood/{kind}/{number:05}.{end}"));
        let frame = lifted(&name("color", "jpg"), &name("depth", "png"), DepthFormat::Redwood)?;
        let up = frame.scene.gravity.up().ok_or("gravity was refused")?;
        ups.push(DMat3::from_mat4(*pose) * up);
        heights.push((frame.scene.frame.camera_height, pose.col(3).truncate()));
    }
    let [first, second] = ups[..] else { return Err("two poses expected".into()) };
    let apart = first.cross(second).length().asin().to_degrees();
    assert!(apart < 0.3, "the two views' up differ by {apart} degrees in the world");
    let climbed = (heights[1].1 - heights[0].1).dot((first + second).normalize());
    let seen = heights[1].0 - heights[0].0;
    assert!((climbed - seen).abs() < 0.01, "the poses climb {climbed} m, the ground sinks {seen} m");
    Ok(())
}

#[test]
fn a_basement_has_a_floor_at_eye_level() -> Result<(), Box<dyn std::error::Error>> {
    let Some(folder) = folder() else { return Ok(()) };
    let nyu = lifted(&folder.join("nyu/color.jpg"), &folder.join("nyu/depth.png"), DepthFormat::Nyu)?;
    let Gravity::Known { direction, sigma, .. } = nyu.scene.gravity else { return Err("refused".into()) };
    assert!(sigma < 2.0 && DVec3::from_array(direction).y > 0.9);
    // The camera was held by a person.
    assert!((1.2..1.8).contains(&nyu.scene.frame.camera_height), "{}", nyu.scene.frame.camera_height);
    // Nothing measurable lies below the floor.
    let below = nyu.cloud.positions.iter().filter(|p| p[2] < -0.15).count();
    assert!(below * 100 < nyu.cloud.len(), "{below} of {} points", nyu.cloud.len());
    Ok(())
}
