//! Objects of a scene that nobody has labelled: what stands free once floors, table tops and walls are taken away.
//!
//! Pixels are joined when they are neighbours in the picture and close in space; what is left of a support surface between two things
//! has been removed before, so things that stand on the same table come apart.

use glam::{DVec3, Vec3};
use plumb_geometry::{MsacOptions, OrganizedCloud, Plane, SupportPlane, fit_plane};
use plumb_image::RgbImage;

use super::colour;
use crate::labels::plural;
use crate::scene::{Attributes, NameSource};
use crate::{Instances, Label, Result};

/// What counts as an object.
#[derive(Clone, Copy, Debug)]
pub struct ProposalOptions {
    /// Fewest pixels of an object.
    pub min_pixels: usize,
    /// Most objects, the ones with most pixels first.
    pub max_objects: usize,
    /// Most of the picture that one object may cover; more is a part of the room.
    pub max_share: f64,
    /// Level surfaces smaller than this, in m², are a part of an object (a seat), not what objects stand on.
    pub min_support_area: f64,
    /// Neighbouring pixels belong together when their distance is below this many times the distance of pixels on a surface seen face on.
    pub join_pixels: f32,
    pub seed: u64,
}

impl Default for ProposalOptions {
    fn default() -> Self {
        Self { min_pixels: 350, max_objects: 40, max_share: 0.25, min_support_area: 0.3, join_pixels: 12.0, seed: 0 }
    }
}

/// Finds objects. `supports` are the horizontal surfaces that are known, `up` the direction of gravity where it is.
///
/// # Errors
/// [`crate::SceneError::Unusable`] when the cloud and the image differ in size.
pub fn propose(
    image: &RgbImage,
    cloud: &OrganizedCloud,
    supports: &[SupportPlane],
    up: Option<DVec3>,
    options: &ProposalOptions,
) -> Result<Instances> {
    let (width, height) = (cloud.width(), cloud.height());
    let mut free: Vec<bool> = (0..cloud.points().len()).map(|i| cloud.is_valid(i)).collect();
    for support in supports.iter().filter(|s| s.is_ground || s.area >= options.min_support_area) {
        remove_plane(cloud, &support.plane, &mut free);
    }
    remove_walls(cloud, up, &mut free, options);

    let mut regions = regions(cloud, &free, options.join_pixels);
    let most = (options.max_share * free.len() as f64) as usize;
    regions.retain(|region| region.len() >= options.min_pixels && region.len() <= most);
    // Largest first; ties by position, so that the numbering does not depend on anything else.
    regions.sort_by_key(|region| (std::cmp::Reverse(region.len()), region.first().copied()));
    regions.truncate(options.max_objects);

    let mut ids = vec![0u16; free.len()];
    let mut labels = Vec::with_capacity(regions.len());
    for (id, region) in (1u16..).zip(&regions) {
        for &pixel in region {
            if let Some(slot) = ids.get_mut(pixel as usize) {
                *slot = id;
            }
        }
        let colour = colour::of_pixels(image, region.iter().map(|&pixel| pixel as usize));
        let name = format!("object {id}");
        labels.push(Label {
            id,
            plural: plural(&name),
            name,
            named_by: NameSource::Proposal,
            attributes: Attributes { colour: colour.map(str::to_owned), ..Attributes::default() },
        });
    }
    Instances::new(width, height, ids, labels)
}

/// How far from a plane a point may be and still belong to it: sensor noise grows with the square of the distance.
fn band(z: f32) -> f32 {
    0.012 + 0.004 * z * z
}

fn remove_plane(cloud: &OrganizedCloud, plane: &Plane, free: &mut [bool]) {
    let (normal, offset) = (plane.normal.as_vec3(), plane.offset as f32);
    for ((free, &point), &facing) in free.iter_mut().zip(cloud.points()).zip(cloud.normals()) {
        if !*free {
            continue;
        }
        let distance = (normal.dot(point) + offset).abs();
        // At the foot of an object the plane's band reaches a little up its side: what clearly faces elsewhere stays.
        let aligned = facing == Vec3::ZERO || normal.dot(facing).abs() > 0.7;
        if distance < band(point.z) && (aligned || distance < 0.5 * band(point.z)) {
            *free = false;
        }
    }
}

/// Takes away the large planes that are left, as walls, doors and cupboard fronts are. Not those that lie level: they belong to objects, or to a
/// support that has been removed.
fn remove_walls(cloud: &OrganizedCloud, up: Option<DVec3>, free: &mut [bool], options: &ProposalOptions) {
    const MOST: usize = 6;
    for round in 0..MOST {
        // Every 7th pixel is enough to find something that covers a twelfth of the picture.
        let sample: Vec<usize> = (0..free.len()).filter(|&i| free[i]).step_by(7).collect();
        let points: Vec<Vec3> = sample.iter().map(|&i| cloud.points()[i]).collect();
        let normals: Vec<Vec3> = sample.iter().map(|&i| cloud.normals()[i]).collect();
        let msac = MsacOptions { seed: options.seed ^ round as u64, ..MsacOptions::default() };
        let Some(fit) = fit_plane(&points, Some(&normals), &msac) else { return };
        let large = 7 * fit.inliers.len() * 12 > cloud.points().len();
        let level = up.is_some_and(|up| up.dot(fit.plane.normal).abs() > 0.5);
        if !large || level {
            return;
        }
        remove_plane(cloud, &fit.plane, free);
    }
}

/// Connected pixels (eight neighbours), each region in scanning order.
fn regions(cloud: &OrganizedCloud, free: &[bool], join_pixels: f32) -> Vec<Vec<u32>> {
    let (width, height) = (cloud.width() as usize, cloud.height() as usize);
    let mut seen = vec![false; free.len()];
    let mut regions = Vec::new();
    let mut stack = Vec::new();
    for start in 0..free.len() {
        if seen[start] || !free[start] {
            continue;
        }
        seen[start] = true;
        stack.push(start);
        let mut region = Vec::new();
        while let Some(at) = stack.pop() {
            region.push(at as u32);
            let (column, row) = (at % width, at / width);
            let here = cloud.points()[at];
            let reach = join_pixels * cloud.pixel_size(here.z);
            for y in row.saturating_sub(1)..(row + 2).min(height) {
                for x in column.saturating_sub(1)..(column + 2).min(width) {
                    let next = y * width + x;
                    if !seen[next] && free[next] && here.distance(cloud.points()[next]) < reach {
                        seen[next] = true;
                        stack.push(next);
                    }
                }
            }
        }
        region.sort_unstable();
        regions.push(region);
    }
    regions
}
