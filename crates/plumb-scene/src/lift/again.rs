//! Objects of a scene that was lifted before, measured again: a person has changed which pixels belong to what.

use std::collections::BTreeSet;

use plumb_geometry::{
    Aabb, DepthMap, DepthNoise, FilterOptions, Gravity, GroundOptions, Measure, OrganizedCloud, ZDepth,
    find_ground,
};

use super::measure::{Foot, Measured, Measurer};
use super::{LiftOptions, pairs};
use crate::edit::Observed;
use crate::scene::{Flags, Object, PairDistance, Scene};
use crate::{Instances, Result};

/// What was measured.
pub(crate) struct Again {
    /// By id: the object, or the reason to leave it out.
    pub(crate) objects: Vec<(u32, Result<Object, String>)>,
    /// Their distances to every object that can be measured; `a` and `b` are ids here, not places.
    pub(crate) pairs: Vec<PairDistance>,
}

/// Measures `wanted` (ids) by the code and with the options of the lift. Camera, frame and gravity are those of the scene; the surfaces
/// that things stand on are found again. The depth has been filtered by the lift: nothing more is dropped.
pub(crate) fn measure(
    scene: &Scene,
    noise: DepthNoise,
    observed: &Observed<'_>,
    instances: &Instances,
    wanted: &[u32],
) -> Result<Again> {
    let keep_all =
        FilterOptions { edge_rtol: f32::INFINITY, grazing_degrees: 0.0, ..FilterOptions::default() };
    let cloud = OrganizedCloud::from_depth(&observed.depth, &scene.camera, &keep_all)?;
    let options = LiftOptions { metric: scene.metric, ..LiftOptions::with_noise(noise) };
    let ground = scene.gravity.up().and_then(|up| find_ground(&cloud, up, &GroundOptions::default()));
    let camera_height = ground.as_ref().map_or(Measure::exact(0.0), |ground| ground.camera_height);
    let supports = ground.map_or_else(Vec::new, |ground| ground.planes);
    let outlined = to_outlines(&observed.depth, instances.ids())?;
    let measurer = Measurer {
        image: observed.image,
        depth: &outlined,
        camera: &scene.camera,
        cloud: &cloud,
        frame: &scene.frame,
        tilt: tilt(&scene.gravity),
        camera_height,
        feet: Foot::of(&supports, &cloud, &scene.frame),
        options: &options,
        instances,
    };
    let wanted: BTreeSet<u32> = wanted.iter().copied().collect();
    let (mut measured, mut objects): (Vec<Measured>, Vec<_>) = (Vec::new(), Vec::new());
    for (label, pixels) in measurer.pixels() {
        let id = u32::from(label.id);
        let mut found = measurer.object(label, &pixels);
        if let (Ok(found), Some(known)) =
            (&mut found, scene.index_of(id).and_then(|at| scene.objects.get(at)))
        {
            // The others are as the lift found them, and distances are as sure as that.
            found.object =
                if wanted.contains(&id) { no_surer(found.object.clone(), known) } else { known.clone() };
        }
        if wanted.contains(&id) {
            objects.push((id, found.as_ref().map(|m| m.object.clone()).map_err(Clone::clone)));
        }
        measured.extend(found);
    }
    let none = wanted.iter().filter(|id| objects.iter().all(|(known, _)| known != *id)).copied();
    let none: Vec<u32> = none.collect();
    objects.extend(none.into_iter().map(|id| (id, Err("it has no pixels".to_owned()))));
    let id = |at: u32| measured.get(at as usize).map_or(0, |m| m.object.id);
    let focal = scene.camera.fx.min(scene.camera.fy);
    let asked = |a: &Measured, b: &Measured| wanted.contains(&a.object.id) || wanted.contains(&b.object.id);
    let found = pairs::distances_where(&measured, &options.noise, focal, asked);
    let pairs = found.into_iter().map(|pair| PairDistance { a: id(pair.a), b: id(pair.b), ..pair }).collect();
    Ok(Again { objects, pairs })
}

/// Pixels beside a depth step that the lift drops on one side of it, and one more.
const DROPPED: usize = 3;

/// The depth with what the lift dropped at outlines taken from the nearest pixels of the same object, the nearest surface of several: where one thing hides
/// another is seen at outlines alone. Points come from the cloud, but for exact depth, where the lift takes every pixel.
fn to_outlines(depth: &ZDepth, ids: &[u16]) -> Result<ZDepth> {
    let (width, height) = (depth.0.width(), depth.0.height());
    let row = (width as usize).max(1);
    let mut values = depth.0.values().to_vec();
    for _ in 0..DROPPED {
        let before = values.clone();
        for (at, value) in values.iter_mut().enumerate().filter(|(_, value)| **value == 0.0) {
            let beside = [
                (at % row > 0).then(|| at - 1),
                (at % row + 1 < row).then_some(at + 1),
                at.checked_sub(row),
                Some(at + row),
            ];
            let same = beside.into_iter().flatten().filter(|other| ids.get(*other) == ids.get(at));
            let known = same.filter_map(|other| before.get(other)).copied().filter(|z| *z > 0.0);
            *value = known.reduce(f32::min).unwrap_or(0.0);
        }
    }
    Ok(ZDepth(DepthMap::new(width, height, values)?))
}

/// `measured`, a merged object, with what its parts' own records know and the depth that the cloud gives back may not show: a thin thing that hides them has
/// lost its points to the lift's filter. So it counts as hidden if a part did, even by another part, and no face is surer than the part's
/// that it is. `union` is of the records of the parts. Fewer questions are asked of it, none wrongly.
fn no_surer(measured: Object, union: &Object) -> Object {
    let larger =
        |own: [f64; 3], parts: [f64; 3]| std::array::from_fn(|axis| f64::max(own[axis], parts[axis]));
    let aabb = Aabb {
        sigma_min: larger(measured.aabb.sigma_min, union.aabb.sigma_min),
        sigma_max: larger(measured.aabb.sigma_max, union.aabb.sigma_max),
        ..measured.aabb
    };
    Object {
        flags: Flags { occluded: measured.flags.occluded || union.flags.occluded, ..measured.flags },
        centre_sigma: std::array::from_fn(|axis| aabb.sigma_min[axis].hypot(aabb.sigma_max[axis]) / 2.0),
        aabb,
        ..measured
    }
}

/// Standard deviation of the vertical, in radians.
pub(super) fn tilt(gravity: &Gravity) -> f64 {
    match gravity {
        Gravity::Known { sigma, .. } => sigma.to_radians(),
        Gravity::Refused { .. } => 0.0,
    }
}

/// The noise that a scene was lifted with. The record has no model of it, but its share of scale and the sigmas of depths, by which the known ones are told
/// apart; of another one the largest share of depth is taken.
pub(crate) fn noise(scene: &Scene) -> DepthNoise {
    let said = || scene.objects.iter().map(|object| object.depth).filter(|depth| depth.median > 0.0);
    let fits = |noise: &DepthNoise| {
        (noise.scale - scene.scale_sigma).abs() < 1e-9
            && said()
                .all(|depth| (noise.sigma_z(depth.median) - depth.sigma).abs() <= 1e-3 * depth.sigma + 1e-9)
    };
    [DepthNoise::EXACT, DepthNoise::STRUCTURED_LIGHT, DepthNoise::PREDICTED]
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| {
            let share = said().map(|depth| depth.sigma / depth.median).fold(0.0, f64::max);
            DepthNoise::predicted(share, scene.scale_sigma)
        })
}
