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
        Self {
            min_pixels: 350,
            max_objects: 40,
            max_share: 0.25,
            min_support_area: 0.3,
            join_pixels: 12.0,
            seed: 0,
        }
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
    let mut tops = Vec::new();
    let surfaces =
        supports.iter().filter(|s| s.is_ground || (s.area >= options.min_support_area && is_clear(s)));
    for support in surfaces {
        let mut removed = remove_plane(cloud, &support.plane, &mut free);
        if !support.is_ground {
            give_back(cloud, &mut removed, &mut free, options);
            tops.push((support, removed));
        }
    }
    remove_walls(cloud, up, &mut free, options);

    let mut regions = regions(cloud, &free, options.join_pixels);
    for (support, removed) in tops {
        put_together(cloud, support, &removed, &mut regions, options);
    }
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

/// Whether the height of a level surface is known well enough to cut things along it.
pub(super) fn is_clear(support: &SupportPlane) -> bool {
    support.is_ground || support.height.sigma < 0.05
}

/// A plane goes on through everything at its height: what lies apart from the surface itself was taken away wrongly.
fn give_back(cloud: &OrganizedCloud, removed: &mut Vec<u32>, free: &mut [bool], options: &ProposalOptions) {
    let mut mask = vec![false; free.len()];
    for &pixel in removed.iter() {
        if let Some(slot) = mask.get_mut(pixel as usize) {
            *slot = true;
        }
    }
    let pieces = regions(cloud, &mask, options.join_pixels);
    let largest = pieces.iter().map(Vec::len).max().unwrap_or(0);
    removed.clear();
    for piece in pieces {
        if 5 * piece.len() >= largest {
            removed.extend(piece);
        } else {
            for pixel in piece {
                if let Some(slot) = free.get_mut(pixel as usize) {
                    *slot = true;
                }
            }
        }
    }
}

/// How far from a plane a point may be and still belong to it: sensor noise grows with the square of the distance.
fn band(z: f32) -> f32 {
    0.012 + 0.004 * z * z
}

/// Takes the pixels of a plane away, and tells which.
fn remove_plane(cloud: &OrganizedCloud, plane: &Plane, free: &mut [bool]) -> Vec<u32> {
    let mut removed = Vec::new();
    let (normal, offset) = (plane.normal.as_vec3(), plane.offset as f32);
    for (at, ((free, &point), &facing)) in
        (0u32..).zip(free.iter_mut().zip(cloud.points()).zip(cloud.normals()))
    {
        if !*free {
            continue;
        }
        let distance = (normal.dot(point) + offset).abs();
        // At the foot of an object the plane's band reaches a little up its side: what clearly faces elsewhere stays.
        let aligned = facing == Vec3::ZERO || normal.dot(facing).abs() > 0.7;
        if distance < band(point.z) && (aligned || distance < 0.5 * band(point.z)) {
            *free = false;
            removed.push(at);
        }
    }
    removed
}

/// Makes a table of a table top that was taken away and of what is left beneath it: regions that touch the top and do not rise above it.
fn put_together(
    cloud: &OrganizedCloud,
    support: &SupportPlane,
    removed: &[u32],
    regions: &mut Vec<Vec<u32>>,
    options: &ProposalOptions,
) {
    let mut top = vec![false; cloud.points().len()];
    for &pixel in removed {
        if let Some(slot) = top.get_mut(pixel as usize) {
            *slot = true;
        }
    }
    // The plane goes on beyond the table; the table is its largest piece.
    let mut pieces = self::regions(cloud, &top, options.join_pixels);
    let Some(largest) = (0..pieces.len()).max_by_key(|&i| (pieces[i].len(), std::cmp::Reverse(i))) else {
        return;
    };
    let mut table = pieces.swap_remove(largest);
    top.fill(false);
    for &pixel in &table {
        top[pixel as usize] = true;
    }
    let width = cloud.width() as usize;
    let touches = |region: &[u32]| {
        region.iter().any(|&pixel| {
            let at = pixel as usize;
            // Edges of the top are dropped as doubtful: look across a few pixels.
            [1, 3].iter().any(|&reach| {
                let around =
                    [at.wrapping_sub(reach), at + reach, at.wrapping_sub(reach * width), at + reach * width];
                around.into_iter().any(|next| top.get(next) == Some(&true))
            })
        })
    };
    let beneath = |region: &[u32]| {
        let above = region.iter().filter(|&&pixel| {
            let point = cloud.points()[pixel as usize];
            support.plane.distance(point.as_dvec3()) > f64::from(band(point.z)) + 0.02
        });
        20 * above.count() < region.len()
    };
    let mut rest = Vec::with_capacity(regions.len());
    for region in regions.drain(..) {
        if beneath(&region) && touches(&region) {
            table.extend(region);
        } else {
            rest.push(region);
        }
    }
    table.sort_unstable();
    rest.push(table);
    *regions = rest;
}

/// Takes away the large planes that are left, as walls, doors and cupboard fronts are. Not those that lie level: they belong to objects, or to a
/// support that has been removed.
fn remove_walls(cloud: &OrganizedCloud, up: Option<DVec3>, free: &mut [bool], options: &ProposalOptions) {
    const MOST: usize = 6;
    let mut kept = vec![false; free.len()];
    for round in 0..MOST {
        // Every 7th pixel is enough to find something that covers a twelfth of the picture.
        let sample: Vec<usize> = (0..free.len()).filter(|&i| free[i] && !kept[i]).step_by(7).collect();
        let points: Vec<Vec3> = sample.iter().map(|&i| cloud.points()[i]).collect();
        let normals: Vec<Vec3> = sample.iter().map(|&i| cloud.normals()[i]).collect();
        let msac = MsacOptions { seed: options.seed ^ round as u64, ..MsacOptions::default() };
        let Some(fit) = fit_plane(&points, Some(&normals), &msac) else { return };
        let large = 7 * fit.inliers.len() * 12 > cloud.points().len();
        let level = up.is_some_and(|up| up.dot(fit.plane.normal).abs() > 0.5);
        if !large || level {
            return;
        }
        // Behind a wall there is nothing but what a door or a window lets through; behind the front of a cupboard there is the room.
        let plane = if fit.plane.offset > 0.0 { fit.plane } else { fit.plane.flipped() };
        let behind = (0..cloud.points().len()).step_by(7).filter(|&i| {
            let point = cloud.points()[i];
            point.z > 0.0 && plane.distance(point.as_dvec3()) < -2.0 * f64::from(band(point.z)) - 0.05
        });
        if 7 * behind.count() * 12 < cloud.valid() {
            remove_plane(cloud, &fit.plane, free);
        } else {
            // Kept, but not to be found again in the next round.
            for (kept, &point) in kept.iter_mut().zip(cloud.points()) {
                *kept |= plane.distance(point.as_dvec3()).abs() < f64::from(band(point.z));
            }
        }
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
