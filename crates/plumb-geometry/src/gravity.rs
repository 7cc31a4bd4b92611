//! Gravity from surfaces: floors, tables and ceilings are level, walls are upright.
//!
//! Flat patches vote with their area on the sphere of directions. Candidates for "up" are the modes of the votes (a level surface) and the
//! cross products of two modes (two walls); each is scored by the surface it makes level or upright and by how people hold cameras, then
//! refined by iteratively re-weighted least squares over both kinds of surface.

use glam::DVec3;

use crate::patches::{Patch, patches};
use crate::{Gravity, GravitySource, OrganizedCloud};

/// How [`estimate_gravity`] decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GravityOptions {
    /// Standard deviation of the camera's roll, in degrees.
    pub roll_sigma: f64,
    /// Mean of the camera's pitch in degrees, positive looking up.
    pub pitch_mean: f64,
    /// Standard deviation of the camera's pitch, in degrees.
    pub pitch_sigma: f64,
    /// Largest roll and pitch considered, in degrees.
    pub max_roll: f64,
    pub max_pitch: f64,
    /// What a wall counts against a floor of the same size.
    pub wall_weight: f64,
    /// What a surface seen from below counts against one seen from above.
    pub ceiling_weight: f64,
    /// Refused when the best direction's score is less than this many times that of the best different one.
    pub min_ratio: f64,
    /// The same against a direction that makes a wall of what the best one calls level and leaves nothing more unexplained: on a single
    /// plane only the pitch of the camera tells the two apart.
    pub min_ratio_single: f64,
    /// Refused when the standard deviation is larger, in degrees.
    pub max_sigma: f64,
    /// Error of direction that depth sensors leave however many pixels agree, in degrees; not assumed where depth is exact.
    pub sensor_floor: f64,
    /// Fewest flat patches (of about 1600 in an image).
    pub min_patches: usize,
    /// Smallest share of the flat surface that must be level or upright.
    pub min_explained: f64,
}

impl Default for GravityOptions {
    fn default() -> Self {
        Self {
            roll_sigma: 20.0,
            pitch_mean: -5.0,
            pitch_sigma: 35.0,
            max_roll: 50.0,
            max_pitch: 70.0,
            wall_weight: 0.5,
            ceiling_weight: 0.7,
            min_ratio: 1.3,
            min_ratio_single: 3.0,
            max_sigma: 5.0,
            sensor_floor: 0.3,
            min_patches: 30,
            min_explained: 0.25,
        }
    }
}

/// Directions nearer than this are the same answer.
const SAME_DEGREES: f64 = 10.0;

/// Estimates which way is down in the camera frame. Never panics; [`Gravity::Refused`] with a sentence when the evidence does not suffice.
#[must_use]
pub fn estimate_gravity(cloud: &OrganizedCloud, options: &GravityOptions) -> Gravity {
    match estimate(cloud, options) {
        Ok((up, sigma)) => {
            Gravity::Known { direction: (-up).to_array(), sigma, source: GravitySource::Normals }
        }
        Err(refused) => Gravity::Refused { refused },
    }
}

fn estimate(cloud: &OrganizedCloud, options: &GravityOptions) -> Result<(DVec3, f64), String> {
    let votes = Votes::new(cloud);
    if votes.patches.len() < options.min_patches.max(3) {
        return Err(format!(
            "gravity is unknown: only {} flat patches of surface were found, {} are needed",
            votes.patches.len(),
            options.min_patches.max(3)
        ));
    }
    let modes = votes.modes();
    let mut candidates: Vec<Candidate> = candidates(&modes, options);
    for candidate in &mut candidates {
        candidate.score = votes.score(candidate.up, options).value;
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    // Scores of candidates a few degrees off are too low: compare them at their peaks.
    for candidate in candidates.iter_mut().filter(|c| c.determined).take(8) {
        let up = votes.refine(candidate.up).up;
        let score = votes.score(up, options).value;
        if score > candidate.score {
            (candidate.up, candidate.score) = (up, score);
        }
    }
    let best = candidates.iter().filter(|c| c.determined).max_by(|a, b| a.score.total_cmp(&b.score));
    let Some(best) = best.filter(|b| b.score > 0.0) else {
        return Err("gravity is unknown: no level surface and no two walls that meet are in view".to_owned());
    };
    if let Some((ratio, needed)) = ambiguity(&votes, best, &candidates, options) {
        return Err(format!(
            "gravity is ambiguous: the best direction scores {ratio:.2} times as high as another, {needed:.1} is needed"
        ));
    }
    let refined = votes.refine(best.up);
    let explained = votes.score(refined.up, options).explained;
    if explained < options.min_explained {
        return Err(format!(
            "gravity is unknown: only {:.0} % of the flat surface is level or upright in the best direction, {:.0} % is needed",
            100.0 * explained,
            100.0 * options.min_explained
        ));
    }
    // Exact depth shows no scatter; a sensor's scatter comes with bias that averaging does not remove.
    let floor = options.sensor_floor * (refined.spread.to_degrees() / 0.3).min(1.0);
    let sigma = refined.sigma.to_degrees().hypot(floor);
    if sigma.is_nan() || sigma > options.max_sigma {
        return Err(format!(
            "gravity is unknown: its standard deviation would be {sigma:.1} degrees, at most {:.1} is of use",
            options.max_sigma
        ));
    }
    Ok((refined.up, sigma))
}

/// The ratio of scores that is too small, and what it should be; `None` if the best candidate stands out.
fn ambiguity(
    votes: &Votes,
    best: &Candidate,
    candidates: &[Candidate],
    options: &GravityOptions,
) -> Option<(f64, f64)> {
    let far = SAME_DEGREES.to_radians().cos();
    let explained = votes.score(best.up, options).explained;
    let rivals = candidates.iter().filter(|c| c.up.dot(best.up) < far && c.score > 0.0);
    let ratios = rivals.map(|c| {
        let as_much = !c.determined && votes.score(c.up, options).explained >= 0.9 * explained;
        let needed = if as_much { options.min_ratio_single } else { options.min_ratio };
        (best.score / c.score, needed)
    });
    ratios.filter(|(ratio, needed)| ratio < needed).min_by(|a, b| a.0.total_cmp(&b.0))
}

struct Candidate {
    up: DVec3,
    /// Whether the surfaces fix the direction; otherwise it is the likeliest of those that a single wall allows.
    determined: bool,
    score: f64,
}

/// A frequent normal, either sign.
struct Mode {
    normal: DVec3,
}

fn candidates(modes: &[Mode], options: &GravityOptions) -> Vec<Candidate> {
    let pitch = options.pitch_mean.to_radians();
    let usual = DVec3::new(0.0, -pitch.cos(), pitch.sin());
    let mut out = Vec::new();
    let mut push = |up: DVec3, determined| {
        let up = if up.dot(usual) < 0.0 { -up } else { up };
        if let Some(up) = up.try_normalize()
            && within_reach(up, options)
        {
            out.push(Candidate { up, determined, score: 0.0 });
        }
    };
    for (i, mode) in modes.iter().enumerate() {
        push(mode.normal, true);
        push(usual - mode.normal * usual.dot(mode.normal), false);
        for other in &modes[..i] {
            let cross = mode.normal.cross(other.normal);
            // Walls at less than 30° leave the direction to noise.
            if cross.length() > 0.5 {
                push(cross, true);
            }
        }
    }
    out
}

/// Roll and pitch of the camera in degrees, positive turning clockwise and looking up.
fn attitude(up: DVec3) -> (f64, f64) {
    (up.x.atan2(-up.y).to_degrees(), up.z.clamp(-1.0, 1.0).asin().to_degrees())
}

fn within_reach(up: DVec3, options: &GravityOptions) -> bool {
    let (roll, pitch) = attitude(up);
    roll.abs() <= options.max_roll && pitch.abs() <= options.max_pitch
}

fn prior(up: DVec3, options: &GravityOptions) -> f64 {
    let (roll, pitch) = attitude(up);
    let square = |value: f64, sigma: f64| (value / sigma.max(1e-3)).powi(2);
    (-0.5 * (square(roll, options.roll_sigma) + square(pitch - options.pitch_mean, options.pitch_sigma)))
        .exp()
}

/// 1 up to 5°, falling to 0 at 10°.
fn agreement(angle: f64) -> f64 {
    (2.0 - angle.to_degrees() / 5.0).clamp(0.0, 1.0)
}

struct Score {
    value: f64,
    /// Share of the surface that is level or upright.
    explained: f64,
}

struct Refined {
    up: DVec3,
    /// Standard deviation of the worse axis, in radians; infinite if the surfaces leave it open.
    sigma: f64,
    /// Robust scatter of the normals around level and upright, in radians.
    spread: f64,
}

struct Votes {
    patches: Vec<Patch>,
    /// Weight of each patch's vote; they sum to 1.
    weights: Vec<f64>,
}

impl Votes {
    fn new(cloud: &OrganizedCloud) -> Self {
        let patches = patches(cloud);
        let mut areas: Vec<f64> = patches.iter().map(|p| p.area).collect();
        let middle = areas.len() / 2;
        let cap = if areas.is_empty() {
            0.0
        } else {
            4.0 * *areas.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        // A far wall has a large area in few, noisy pixels.
        let areas: Vec<f64> = patches.iter().map(|p| p.area.min(cap)).collect();
        let total: f64 = areas.iter().sum();
        let weights = areas.into_iter().map(|a| if total > 0.0 { a / total } else { 0.0 }).collect();
        Self { patches, weights }
    }

    fn iter(&self) -> impl Iterator<Item = (&Patch, f64)> {
        self.patches.iter().zip(self.weights.iter().copied())
    }

    /// The most frequent normals, by mean shift from the densest seeds, strongest first.
    fn modes(&self) -> Vec<Mode> {
        const MOST: usize = 10;
        let (kernel, apart) = (5f64.to_radians().cos(), 10f64.to_radians().cos());
        let mut left: Vec<(DVec3, f64)> = self.iter().map(|(p, w)| (p.normal, w)).collect();
        let mut modes = Vec::new();
        while modes.len() < MOST && !left.is_empty() {
            let stride = (left.len() / 300).max(1);
            let density = |at: DVec3| -> f64 {
                left.iter().filter(|(n, _)| n.dot(at).abs() > kernel).map(|(_, w)| w).sum()
            };
            let seeds = left.iter().step_by(stride).map(|(n, _)| (density(*n), *n));
            let Some((weight, mut normal)) = seeds.max_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            if weight < 0.015 {
                break;
            }
            for _ in 0..5 {
                let near = left.iter().filter(|(n, _)| n.dot(normal).abs() > kernel);
                let mean: DVec3 = near.map(|(n, w)| n * (w * n.dot(normal).signum())).sum();
                normal = mean.try_normalize().unwrap_or(normal);
            }
            let before = left.len();
            left.retain(|(n, _)| n.dot(normal).abs() < apart);
            modes.push(Mode { normal });
            if left.len() == before {
                break;
            }
        }
        modes
    }

    fn score(&self, up: DVec3, options: &GravityOptions) -> Score {
        let (mut level, mut upright, mut explained) = (0.0, 0.0, 0.0);
        for (patch, weight) in self.iter() {
            let cosine = patch.normal.dot(up);
            let flat = agreement(cosine.abs().min(1.0).acos());
            let side = if cosine < 0.0 { options.ceiling_weight } else { 1.0 };
            let wall = agreement(cosine.abs().min(1.0).asin());
            level += weight * flat * side;
            upright += weight * wall;
            explained += weight * flat.max(wall);
        }
        // What is left unexplained counts against a direction again: clutter meets any direction's walls by chance.
        let value = (level + options.wall_weight * upright) * explained.powi(3) * prior(up, options);
        Score { value, explained }
    }

    /// Iteratively re-weighted least squares from `start`, with a window that closes from 10° to 3.5 times the scatter.
    fn refine(&self, start: DVec3) -> Refined {
        let mut up = start;
        let mut spread = 4f64.to_radians();
        let mut normal_equations = Normal::default();
        for _ in 0..8 {
            let window = (3.5 * spread).clamp(1e-4, 10f64.to_radians());
            let (east, north) = tangent(up);
            let mut system = Normal::default();
            let mut residuals = Vec::with_capacity(self.patches.len());
            for (patch, _) in self.iter() {
                let own = patch.sigma.hypot(spread);
                let cosine = patch.normal.dot(up);
                let n = patch.normal * cosine.signum();
                let (x, y) = (n.dot(east), n.dot(north));
                let off = x.hypot(y);
                if off < window && cosine.abs() > 0.5 {
                    let weight = tukey(off / window) / (own * own);
                    system.add([1.0, 0.0], x, weight, patch.block);
                    system.add([0.0, 1.0], y, weight, patch.block);
                    residuals.push(off / std::f64::consts::SQRT_2);
                } else if cosine.abs() < window {
                    // (up + east·a + north·b)·n = 0
                    let weight = tukey(cosine.abs() / window) / (own * own);
                    let slope = [patch.normal.dot(east), patch.normal.dot(north)];
                    system.add(slope, -cosine, weight, patch.block + 64);
                    system.noise += weight * own * own;
                    residuals.push(cosine.abs());
                }
            }
            let Some([a, b]) = system.solve() else { break };
            up = (up + east * a + north * b).normalize();
            normal_equations = system;
            let middle = residuals.len() / 2;
            if residuals.is_empty() {
                break;
            }
            let median = *residuals.select_nth_unstable_by(middle, f64::total_cmp).1;
            // 1.48: from the median of absolute normal values to their standard deviation.
            spread = (1.48 * median).clamp(1e-5, 6f64.to_radians());
        }
        Refined { up, sigma: normal_equations.sigma(), spread }
    }
}

fn tukey(share: f64) -> f64 {
    let rest = (1.0 - share * share).max(0.0);
    rest * rest
}

/// Two unit vectors at right angles to `up` and to each other.
fn tangent(up: DVec3) -> (DVec3, DVec3) {
    let helper = if up.x.abs() < 0.6 { DVec3::X } else { DVec3::Y };
    let east = (helper - up * helper.dot(up)).normalize();
    (east, up.cross(east))
}

/// Normal equations of a turn by (a, b), with the sums per part of the image that say how much its errors have in common.
#[derive(Default)]
struct Normal {
    h: [[f64; 2]; 2],
    g: [f64; 2],
    rows: Vec<([f64; 2], f64, f64, usize)>,
    /// Weighted variance of the walls' normals: what noise alone puts into `h`.
    noise: f64,
}

impl Normal {
    fn add(&mut self, slope: [f64; 2], target: f64, weight: f64, block: usize) {
        for (row, s) in self.h.iter_mut().zip(slope) {
            row[0] += weight * s * slope[0];
            row[1] += weight * s * slope[1];
        }
        self.g[0] += weight * slope[0] * target;
        self.g[1] += weight * slope[1] * target;
        self.rows.push((slope, target, weight, block));
    }

    /// Inverse of `h` less the part that is only noise of the walls' own normals; `None` where that leaves a direction open.
    fn inverse(&self) -> Option<[[f64; 2]; 2]> {
        let [[mut a, b], [_, mut c]] = self.h;
        a -= self.noise;
        c -= self.noise;
        let det = a * c - b * b;
        (a > 0.0 && c > 0.0 && det > 1e-9 * a * c).then(|| [[c / det, -b / det], [-b / det, a / det]])
    }

    fn solve(&self) -> Option<[f64; 2]> {
        let [[a, b], [_, c]] = self.h;
        let det = a * c - b * b;
        let step = [(c * self.g[0] - b * self.g[1]) / det, (a * self.g[1] - b * self.g[0]) / det]
            .map(|s| s.clamp(-0.2, 0.2));
        (det > 0.0 && step.iter().all(|s| s.is_finite())).then_some(step)
    }

    /// Standard deviation of the worse axis by the sandwich estimate, with parts of the image as clusters: neighbouring patches share the
    /// sensor's distortion.
    fn sigma(&self) -> f64 {
        let (Some(inverse), Some(step)) = (self.inverse(), self.solve()) else { return f64::INFINITY };
        let mut clusters = std::collections::BTreeMap::<usize, [f64; 2]>::new();
        for (slope, target, weight, block) in &self.rows {
            let residual = target - slope[0] * step[0] - slope[1] * step[1];
            let sum = clusters.entry(*block).or_default();
            sum[0] += weight * slope[0] * residual;
            sum[1] += weight * slope[1] * residual;
        }
        let count = clusters.len() as f64;
        if count < 2.0 {
            return f64::INFINITY;
        }
        let mut meat = [[0.0; 2]; 2];
        for sum in clusters.values() {
            for (row, s) in meat.iter_mut().zip(sum) {
                row[0] += s * sum[0];
                row[1] += s * sum[1];
            }
        }
        let multiply = |m: [[f64; 2]; 2], n: [[f64; 2]; 2]| -> [[f64; 2]; 2] {
            std::array::from_fn(|i| std::array::from_fn(|j| m[i][0] * n[0][j] + m[i][1] * n[1][j]))
        };
        let [[a, b], [_, c]] = multiply(multiply(inverse, meat), inverse);
        let larger = 0.5 * (a + c) + (0.25 * (a - c).powi(2) + b * b).sqrt();
        // Few clusters underestimate what they have in common.
        (larger * count / (count - 1.0)).max(0.0).sqrt()
    }
}
