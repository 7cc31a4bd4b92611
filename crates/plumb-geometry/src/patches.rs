//! Small square pieces of the image that lie on a plane: the evidence that gravity is estimated from.

use glam::{DVec3, Vec3};

use crate::OrganizedCloud;

/// A flat piece of surface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    /// Of unit length, towards the camera.
    pub(crate) normal: DVec3,
    /// Standard deviation of the normal's direction from the scatter of depth alone, in radians.
    pub(crate) sigma: f64,
    /// Surface in m².
    pub(crate) area: f64,
    /// Which of the 6×6 parts of the image it is in.
    pub(crate) block: usize,
}

const BLOCKS: usize = 6;
/// Patches over the whole image, about.
const COUNT: f64 = 1600.0;

/// Sums over the pixels of a patch; `u`, `v` count from its corner, `w` is 1/z.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: f64,
    u: f64,
    v: f64,
    w: f64,
    uu: f64,
    uv: f64,
    vv: f64,
    uw: f64,
    vw: f64,
    ww: f64,
}

impl Sums {
    fn add_row(&mut self, v: f64, points: &[Vec3]) {
        let (mut n, mut u, mut w, mut uu, mut uw, mut ww) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (i, point) in points.iter().enumerate() {
            if point.z > 0.0 {
                let (x, inverse) = (i as f64, f64::from(point.z).recip());
                n += 1.0;
                u += x;
                uu += x * x;
                w += inverse;
                uw += x * inverse;
                ww += inverse * inverse;
            }
        }
        self.n += n;
        self.u += u;
        self.w += w;
        self.uu += uu;
        self.uw += uw;
        self.ww += ww;
        self.v += v * n;
        self.vv += v * v * n;
        self.uv += v * u;
        self.vw += v * w;
    }
}

/// The noise of neighbouring pixels has much in common, so the true error is some three times this.
const NOISY_DEGREES: f64 = 0.75;

struct Fitted {
    patch: Patch,
    /// Root mean square residual of inverse depth, as a share of it.
    rough: f64,
}

/// All flat patches, in the order of the image; on noisy depth four times as large, so that noise alone does not spread their normals.
pub(crate) fn patches(cloud: &OrganizedCloud) -> Vec<Patch> {
    let pixels = f64::from(cloud.width()) * f64::from(cloud.height());
    let side = (pixels / COUNT).sqrt().round().max(4.0) as usize;
    let small = flat(cloud, side);
    let mut sigmas: Vec<f64> = small.iter().map(|p| p.sigma).collect();
    let enough = sigmas.len() as f64 > 0.1 * pixels / (side * side) as f64;
    if enough && quantile(&mut sigmas, 0.5) < NOISY_DEGREES.to_radians() {
        return small;
    }
    flat(cloud, 2 * side)
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    let at = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(at, f64::total_cmp).1 }
}

fn flat(cloud: &OrganizedCloud, side: usize) -> Vec<Patch> {
    let (width, height) = (cloud.width() as usize, cloud.height() as usize);
    let mut fitted = Vec::new();
    for top in (0..height).step_by(side) {
        let rows = side.min(height - top);
        let mut sums = vec![Sums::default(); width.div_ceil(side)];
        for row in 0..rows {
            let line = &cloud.points()[(top + row) * width..][..width];
            for (sums, points) in sums.iter_mut().zip(line.chunks(side)) {
                sums.add_row(row as f64, points);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let left = i * side;
            let block = (top * BLOCKS / height) * BLOCKS + left * BLOCKS / width;
            if sums.n >= 0.5 * (side * side) as f64 {
                fitted.extend(fit(cloud, sums, left, top, block));
            }
        }
    }
    let mut roughness: Vec<f64> = fitted.iter().map(|f| f.rough).collect();
    // Patches across a crease or an edge are rougher than the rest, on exact depth by orders of magnitude.
    let limit = (3.0 * quantile(&mut roughness, 0.5)).clamp(5e-4, 0.03);
    // On coarsely quantised depth a small patch lies on one step: perfectly flat, face-on and wrong. The rougher patches tell the noise.
    let level = quantile(&mut roughness, 0.7);
    let least = if level > 1e-3 { 0.05 * level } else { 0.0 };
    let trusted = fitted.into_iter().filter(|f| (least..=limit.max(level)).contains(&f.rough));
    trusted
        .map(|f| Patch { sigma: f.patch.sigma * f.rough.max(level), ..f.patch })
        .filter(|p| p.sigma < 2.0 * NOISY_DEGREES.to_radians())
        .collect()
}

fn fit(cloud: &OrganizedCloud, s: &Sums, left: usize, top: usize, block: usize) -> Option<Fitted> {
    let camera = cloud.camera();
    let (u, v, w) = (s.u / s.n, s.v / s.n, s.w / s.n);
    let (cuu, cuv, cvv) = (s.uu - s.n * u * u, s.uv - s.n * u * v, s.vv - s.n * v * v);
    let (cuw, cvw, cww) = (s.uw - s.n * u * w, s.vw - s.n * v * w, s.ww - s.n * w * w);
    let det = cuu * cvv - cuv * cuv;
    if !(det > 1e-3 * cuu * cvv && det > 0.0) {
        return None;
    }
    let (a, b) = ((cuw * cvv - cvw * cuv) / det, (cvw * cuu - cuw * cuv) / det);
    let variance = (cww - a * cuw - b * cvw).max(0.0) / (s.n - 3.0).max(1.0);
    let (column, row) = (left as f64 + u + 0.5, top as f64 + v + 0.5);
    let gradient =
        DVec3::new(a * camera.fx, b * camera.fy, w - a * (column - camera.cx) - b * (row - camera.cy));
    let length = gradient.length();
    let normal = -gradient / length;
    if !(length > 0.0 && normal.is_finite()) {
        return None;
    }
    // For a roughness of 1.
    let slope_sigma = (camera.fx * (cvv / det).sqrt()).max(camera.fy * (cuu / det).sqrt());
    let facing = (-normal.dot(camera.ray(column, row))).max(0.15);
    let area = s.n / (w * w * camera.fx * camera.fy * facing);
    let patch = Patch { normal, sigma: slope_sigma * w / length, area, block };
    Some(Fitted { patch, rough: variance.sqrt() / w })
}
