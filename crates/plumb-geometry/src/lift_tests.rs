//! Tests of the way from depth to ground on ray-cast rooms.

use glam::{DVec3, Vec3};
use proptest::prelude::*;

use crate::rooms::{Room, kinect};
use crate::{
    Camera, DepthMap, FilterOptions, Gravity, GravityOptions, GroundOptions, MsacOptions, OrganizedCloud,
    PixelCentre, ZDepth, depth_edges, estimate_gravity, find_ground, fit_plane,
};

fn cloud(room: &Room, depth: Vec<f32>) -> OrganizedCloud {
    let (w, h, f) = (room.width, room.height, room.focal);
    let camera = Camera::new(w, h, [f, f, f64::from(w) / 2.0, f64::from(h) / 2.0], PixelCentre::Half)
        .expect("a camera");
    let depth = ZDepth(DepthMap::new(w, h, depth).expect("fits"));
    OrganizedCloud::from_depth(&depth, &camera, &FilterOptions::default()).expect("same size")
}

fn gravity(cloud: &OrganizedCloud) -> Gravity {
    estimate_gravity(cloud, &GravityOptions::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn floors_and_walls_give_gravity_or_a_refusal(
        pitch in -40.0..0.0f64, roll in -20.0..20.0f64, fov in 50.0..90.0f64, yaw in -0.7..0.7f64, seed in 0..1000u64,
    ) {
        let mut room = Room::new(160, 120, fov, pitch, roll);
        room.yaw = yaw;
        let exact = cloud(&room, room.depth());
        if let Some(up) = gravity(&exact).up() {
            prop_assert!(up.angle_between(room.up).to_degrees() < 0.5);
        }
        // The failure this once found: at this size small patches lie on single steps of the quantised disparity.
        let mut depth = room.depth();
        kinect(&mut depth, 160, 4.0 * room.focal, seed);
        if let Some(up) = gravity(&cloud(&room, depth)).up() {
            prop_assert!(up.angle_between(room.up).to_degrees() < 2.0);
        }
    }

    #[test]
    fn a_single_wall_is_refused(pitch in -40.0..40.0f64, roll in -20.0..20.0f64, yaw in -0.5..0.5f64) {
        let mut room = Room::new(160, 120, 60.0, pitch, roll);
        room.yaw = yaw;
        (room.floor, room.walls[1]) = (false, None);
        room.tables.clear();
        prop_assert!(gravity(&cloud(&room, room.depth())).up().is_none());
    }
}

#[test]
fn a_room_has_its_gravity_floor_and_table() {
    let room = Room::new(320, 240, 60.0, -25.0, 8.0);
    let cloud = cloud(&room, room.depth());
    let up = gravity(&cloud).up().expect("a floor and two walls");
    assert!(up.angle_between(room.up).to_degrees() < 0.05);
    let ground = find_ground(&cloud, up, &GroundOptions::default()).expect("a floor");
    assert!((ground.camera_height.value - 1.5).abs() < 1e-3);
    let heights: Vec<f64> = ground.planes.iter().map(|p| p.height.value).collect();
    assert!(heights.len() == 2 && (heights[1] - 0.74).abs() < 1e-3, "{heights:?}");
    assert!(ground.planes[0].is_ground && !ground.planes[1].is_ground);
    for (i, normal) in cloud.normals().iter().enumerate().filter(|(_, n)| **n != Vec3::ZERO) {
        assert!((normal.length() - 1.0).abs() < 1e-4 && normal.dot(cloud.points()[i]) < 0.0);
    }
}

#[test]
fn a_slanted_plane_is_no_edge_and_a_step_is() {
    let mut room = Room::new(64, 48, 60.0, -20.0, 0.0);
    room.tables.clear();
    room.walls = [None, None];
    let depth = |z| ZDepth(DepthMap::new(64, 48, z).expect("fits"));
    assert!(depth_edges(&depth(room.depth()), 0.04, 1).iter().all(|e| !e));
    let step: Vec<f32> = (0..64 * 48).map(|i| if i % 64 < 32 { 2.0 } else { 2.2 }).collect();
    let edges = depth_edges(&depth(step), 0.04, 1);
    assert!((0..64 * 48).all(|i| edges[i] == (30..34).contains(&(i % 64))));
}

#[test]
fn nothing_and_almost_nothing_do_no_harm() {
    for (w, h) in [(1, 1), (2, 2), (3, 3), (5, 1), (1, 5), (64, 48)] {
        let f = f64::from(w.max(h));
        let camera = Camera::new(w, h, [f, f, f64::from(w) / 2.0, f64::from(h) / 2.0], PixelCentre::Half)
            .expect("a camera");
        for value in [0.0, f32::NAN, 1e-30, 1.5, 3e38] {
            let depth = ZDepth(DepthMap::new(w, h, vec![value; (w * h) as usize]).expect("fits"));
            let cloud =
                OrganizedCloud::from_depth(&depth, &camera, &FilterOptions::default()).expect("same size");
            assert!(gravity(&cloud).up().is_none());
            for up in [DVec3::NEG_Y, DVec3::ZERO, DVec3::NAN] {
                assert!(find_ground(&cloud, up, &GroundOptions::default()).is_none());
            }
        }
    }
    assert!(fit_plane(&[], None, &MsacOptions::default()).is_none());
    assert!(fit_plane(&[Vec3::NAN, Vec3::ONE, Vec3::Z], None, &MsacOptions::default()).is_none());
}

#[test]
fn a_plane_is_found_among_outliers_and_the_same_each_time() {
    let points: Vec<Vec3> = (0..600)
        .map(|i| {
            let (x, y) = ((i % 25) as f32 * 0.1, (i / 25) as f32 * 0.1);
            Vec3::new(x, y, if i % 3 == 0 { 1.0 + ((i * 7919) % 97) as f32 * 0.05 } else { 2.0 + 0.3 * x })
        })
        .collect();
    let fit = fit_plane(&points, None, &MsacOptions::default()).expect("a plane");
    let truth = DVec3::new(0.3, 0.0, -1.0).normalize();
    assert!(fit.plane.normal.dot(truth).abs() > 0.999_99 && fit.support > 0.6);
    assert_eq!(Some(fit), fit_plane(&points, None, &MsacOptions::default()));
}
