//! What is dropped before points are trusted: depth discontinuities, surfaces seen edge-on, absurd distances.

use crate::ZDepth;

/// What [`crate::OrganizedCloud::from_depth`] keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterOptions {
    /// Depth step that counts as a discontinuity, as a share of the depth.
    pub edge_rtol: f32,
    /// Pixels around a discontinuity that are dropped with it.
    pub edge_radius: u32,
    /// Points are dropped where the ray meets the surface at a smaller angle than this, in degrees.
    pub grazing_degrees: f32,
    /// Metres; nearer pixels are dropped.
    pub min_depth: f32,
    /// Metres; farther pixels are dropped.
    pub max_depth: f32,
    /// Normals are taken from windows just large enough that the depth noise measured in the image turns them by less than this, in
    /// degrees.
    pub normal_noise_degrees: f32,
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self {
            edge_rtol: 0.04,
            edge_radius: 1,
            grazing_degrees: 8.0,
            min_depth: 0.05,
            max_depth: 200.0,
            normal_noise_degrees: 4.0,
        }
    }
}

/// Whether each pixel lies within `radius` pixels of a depth step of more than the share `rtol`.
///
/// Inverse depth is linear in the image on every plane, so the test is on its second differences along rows and columns: a plane seen at
/// any slant is no edge. Pixels without a measurement are no evidence for an edge. Row by row, like the depth map.
#[must_use]
pub fn depth_edges(depth: &ZDepth, rtol: f32, radius: u32) -> Vec<bool> {
    let inverse = inverse_depth(depth.0.values(), 0.0, f32::INFINITY);
    let edges = edges_of_inverse(&inverse, depth.0.width() as usize, rtol, radius);
    edges.into_iter().map(|e| e != 0).collect()
}

/// 1/z, and 0 where z is missing or outside of `min..=max`.
pub(crate) fn inverse_depth(depth: &[f32], min: f32, max: f32) -> Vec<f32> {
    // The smallest normal number keeps the inverse finite.
    let min = min.max(f32::MIN_POSITIVE);
    depth.iter().map(|&z| if z >= min && z <= max { 1.0 / z } else { 0.0 }).collect()
}

fn bent(a: f32, b: f32, c: f32, rtol: f32) -> u8 {
    let step = (a + c - 2.0 * b).abs() > rtol * b;
    u8::from(step & (a > 0.0) & (b > 0.0) & (c > 0.0))
}

/// 1 where [`depth_edges`] says true, from inverse depths.
pub(crate) fn edges_of_inverse(inverse: &[f32], width: usize, rtol: f32, radius: u32) -> Vec<u8> {
    let mut edges = vec![0u8; inverse.len()];
    if width == 0 {
        return edges;
    }
    for (line, out) in inverse.chunks_exact(width).zip(edges.chunks_exact_mut(width)) {
        if width >= 3 {
            let neighbours = line.iter().zip(&line[1..]).zip(&line[2..]);
            for (((&a, &b), &c), out) in neighbours.zip(&mut out[1..]) {
                *out = bent(a, b, c, rtol);
            }
        }
    }
    if inverse.len() / width >= 3 {
        let neighbours = inverse.iter().zip(&inverse[width..]).zip(&inverse[2 * width..]);
        for (((&a, &b), &c), out) in neighbours.zip(&mut edges[width..]) {
            *out |= bent(a, b, c, rtol);
        }
    }
    let longest = width.max(inverse.len() / width);
    for _ in 0..(radius as usize).min(longest) {
        dilate(&mut edges, width);
    }
    edges
}

/// Grows the ones by a pixel in all eight directions.
fn dilate(mask: &mut [u8], width: usize) {
    let mut before = vec![0u8; mask.len()];
    for (line, out) in mask.chunks_exact(width).zip(before.chunks_exact_mut(width)) {
        out.copy_from_slice(line);
        for (out, &right) in out.iter_mut().zip(&line[1..]) {
            *out |= right;
        }
        for (out, &left) in out[1..].iter_mut().zip(line) {
            *out |= left;
        }
    }
    mask.copy_from_slice(&before);
    for (out, &below) in mask.iter_mut().zip(before.get(width..).unwrap_or_default()) {
        *out |= below;
    }
    for (out, &above) in mask.get_mut(width..).unwrap_or_default().iter_mut().zip(&before) {
        *out |= above;
    }
}
