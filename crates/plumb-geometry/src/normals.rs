//! Surface normals from depth at a scale that suits its noise.
//!
//! On a plane `1/z = a·u + b·v + c`, so a least-squares fit of that line to inverse depth in a window gives the exact normal of a plane at any
//! slant, and the best one under the noise of stereo and structured-light sensors, which is uniform in inverse depth. Windows of 5×5 cells are
//! fitted on a pyramid of averages; each pixel takes the finest level whose normals the noise of its distance leaves alone.

use glam::Vec3;

use crate::Camera;

/// Half the side of the window, in cells.
const RADIUS: usize = 2;
const ROWS: usize = 2 * RADIUS + 1;
const LEVELS: usize = 4;
/// Depth is binned by half octaves; bin 0 is below 2⁻⁸ (in inverse depth).
const BINS: usize = 32;

/// Inverse depth at one resolution; 0 marks cells without.
struct Level {
    width: usize,
    height: usize,
    inverse: Vec<f32>,
}

/// Inverse depth at the middle of a cell and its growth per cell to the right and down; 0 marks none.
type Slope = [f32; 3];

fn bin(inverse: f32) -> usize {
    // Exponent and first bit of the mantissa.
    let half_octaves = (inverse.to_bits() >> 22).saturating_sub((127 - 8) << 1);
    (half_octaves as usize).min(BINS - 1)
}

/// Noise of inverse depth as a share of it, by [`bin`], from second differences, which every plane leaves at 0.
///
/// The mean and not the median: on quantised depth most differences are 0.
fn noise(level: &Level) -> [f32; BINS] {
    const LAG: usize = 3;
    let mut sums = [(0.0f64, 0u32); BINS];
    for line in level.inverse.chunks_exact(level.width.max(1)).skip(1).step_by(3) {
        if line.len() <= 2 * LAG {
            break;
        }
        for ((&a, &b), &c) in line.iter().zip(&line[LAG..]).zip(&line[2 * LAG..]).step_by(2) {
            if a > 0.0 && b > 0.0 && c > 0.0 {
                let relative = (a + c - 2.0 * b).abs() / b;
                if relative < 0.1 {
                    let sum = &mut sums[bin(b)];
                    sum.0 += f64::from(relative);
                    sum.1 += 1;
                }
            }
        }
    }
    // Of three normal values, one of them twice: |a + c − 2b| has the mean √(2/π)·√6 σ.
    let all = sums.iter().fold((0.0, 0), |total, sum| (total.0 + sum.0, total.1 + sum.1));
    sums.map(|sum| {
        let (sum, count) = if sum.1 >= 64 { sum } else { all };
        if count == 0 { 0.0 } else { (sum / f64::from(count) / 1.954) as f32 }
    })
}

/// The next coarser level: means of blocks of 2×2.
fn halve(fine: &Level) -> Level {
    let (width, height) = (fine.width / 2, fine.height / 2);
    let mut inverse = Vec::with_capacity(width * height);
    for row in 0..height {
        let upper = &fine.inverse[2 * row * fine.width..][..2 * width];
        let lower = &fine.inverse[(2 * row + 1) * fine.width..][..2 * width];
        for (up, low) in upper.chunks_exact(2).zip(lower.chunks_exact(2)) {
            // Either diagonal has its mean in the middle of the block, also where another pixel is missing.
            let falling = if up[0] > 0.0 && low[1] > 0.0 { 0.5 * (up[0] + low[1]) } else { 0.0 };
            let rising = if up[1] > 0.0 && low[0] > 0.0 { 0.5 * (up[1] + low[0]) } else { 0.0 };
            let both = 0.5 * (falling + rising);
            inverse.push(if falling > 0.0 && rising > 0.0 { both } else { falling + rising });
        }
    }
    Level { width, height, inverse }
}

/// Sums over the window of one row: count, Σd, Σd², Σw, Σd·w with d the offset in columns.
#[derive(Clone)]
struct RowSums([Vec<f32>; 5]);

impl RowSums {
    fn fill(&mut self, padded: &[f32]) {
        let Self([count, d1, d2, w, wd]) = self;
        let width = count.len();
        let taps: [&[f32]; ROWS] = std::array::from_fn(|k| &padded[k..k + width]);
        let [t0, t1, t2, t3, t4] = taps;
        for i in 0..width {
            let [a, b, c, d, e] = [t0[i], t1[i], t2[i], t3[i], t4[i]];
            let [ma, mb, mc, md, me] = [a, b, c, d, e].map(|w| if w > 0.0 { 1.0f32 } else { 0.0 });
            count[i] = ma + mb + mc + md + me;
            d1[i] = 2.0 * (me - ma) + md - mb;
            d2[i] = 4.0 * (me + ma) + md + mb;
            w[i] = a + b + c + d + e;
            wd[i] = 2.0 * (e - a) + d - b;
        }
    }

    fn clear(&mut self) {
        for channel in &mut self.0 {
            channel.fill(0.0);
        }
    }
}

/// The window's plane at every cell of a level.
fn slopes(level: &Level) -> Vec<Slope> {
    let (width, height) = (level.width, level.height);
    let mut out = vec![[0.0; 3]; width * height];
    let mut ring = vec![RowSums(std::array::from_fn(|_| vec![0.0; width])); ROWS];
    let mut padded = vec![0.0f32; width + 2 * RADIUS];
    let mut load = |ring: &mut Vec<RowSums>, row: usize| {
        let slot = &mut ring[row % ROWS];
        if row < height {
            padded[RADIUS..RADIUS + width].copy_from_slice(&level.inverse[row * width..][..width]);
            slot.fill(&padded);
        } else {
            slot.clear();
        }
    };
    for row in 0..RADIUS {
        load(&mut ring, row);
    }
    for (row, (centre, out)) in
        level.inverse.chunks_exact(width.max(1)).zip(out.chunks_exact_mut(width.max(1))).enumerate()
    {
        load(&mut ring, row + RADIUS);
        // The row `RADIUS` above sits `RADIUS` + 1 slots after the newest.
        let rows: [&RowSums; ROWS] = std::array::from_fn(|k| &ring[(row + k + ROWS - RADIUS) % ROWS]);
        fit_row(rows, centre, out);
    }
    out
}

fn fit_row(rows: [&RowSums; ROWS], centre: &[f32], out: &mut [Slope]) {
    let width = centre.len();
    let column = |channel: usize| -> [&[f32]; ROWS] { std::array::from_fn(|k| &rows[k].0[channel][..width]) };
    let [counts, d1s, d2s, ws, wds] = std::array::from_fn(column);
    let total = |c: &[&[f32]; ROWS], i: usize| c[0][i] + c[1][i] + c[2][i] + c[3][i] + c[4][i];
    let first = |c: &[&[f32]; ROWS], i: usize| 2.0 * (c[4][i] - c[0][i]) + c[3][i] - c[1][i];
    let second = |c: &[&[f32]; ROWS], i: usize| 4.0 * (c[4][i] + c[0][i]) + c[3][i] + c[1][i];
    for i in 0..width {
        let n = total(&counts, i).max(1.0);
        let (su, sv, sw) = (total(&d1s, i) / n, first(&counts, i) / n, total(&ws, i) / n);
        let cuu = total(&d2s, i) - n * su * su;
        let cvv = second(&counts, i) - n * sv * sv;
        let cuv = first(&d1s, i) - n * su * sv;
        let cuw = total(&wds, i) - n * su * sw;
        let cvw = first(&ws, i) - n * sv * sw;
        let det = cuu * cvv - cuv * cuv;
        // 2500 for a full window; 60 asks for a patch of about 3×3 or better.
        let known = (det > 60.0) & (n > 7.5) & (centre[i] > 0.0);
        let scale = if known { 1.0 / det } else { 0.0 };
        let a = (cuw * cvv - cvw * cuv) * scale;
        let b = (cvw * cuu - cuw * cuv) * scale;
        out[i] = [if known { sw - a * su - b * sv } else { 0.0 }, a, b];
    }
}

/// Unit normals towards the camera, row by row; zero where there is too little to fit. `inverse` is 0 at pixels to leave out.
pub(crate) fn normals(inverse: &[f32], camera: &Camera, limit_degrees: f32) -> Vec<Vec3> {
    let (width, height) = (camera.width as usize, camera.height as usize);
    let base = Level { width, height, inverse: inverse.to_vec() };
    let noise = noise(&base);
    let focal = (0.5 * (camera.fx + camera.fy)) as f32;
    let limit = limit_degrees.clamp(0.01, 90.0).to_radians();
    // A full window has Σd² = 50: slopes have the noise σ/√50 per cell, cells of 2 pixels half the noise and twice the base.
    let wanted = noise.map(|relative| {
        let turned = focal * relative / 50f32.sqrt();
        (0..LEVELS - 1).find(|&l| turned < limit * 4f32.powi(l as i32)).unwrap_or(LEVELS - 1)
    });
    let used = |&b: &usize| inverse.iter().step_by(7).any(|&w| w > 0.0 && bin(w) == b);
    let coarsest = (0..BINS).filter(used).map(|b| wanted[b]).max().unwrap_or(0);
    let mut fitted = vec![slopes(&base)];
    let mut sizes = vec![(width, height)];
    let mut level = base;
    for _ in 0..coarsest {
        level = halve(&level);
        if level.width == 0 || level.height == 0 {
            break;
        }
        sizes.push((level.width, level.height));
        fitted.push(slopes(&level));
    }
    let (cx, cy, fx, fy) = (camera.cx as f32, camera.cy as f32, camera.fx as f32, camera.fy as f32);
    let mut out = Vec::with_capacity(inverse.len());
    for (row, line) in inverse.chunks_exact(width.max(1)).enumerate() {
        let v = row as f32 + 0.5;
        for (column, &w) in line.iter().enumerate() {
            if w <= 0.0 {
                out.push(Vec3::ZERO);
                continue;
            }
            let u = column as f32 + 0.5;
            let group = bin(w);
            let mut at = wanted[group].min(fitted.len() - 1);
            let slope = loop {
                let (wide, high) = sizes[at];
                let (x, y) = ((column >> at).min(wide - 1), (row >> at).min(high - 1));
                let [middle, a, b] = fitted[at][y * wide + x];
                if at == 0 {
                    break (middle > 0.0).then_some([a, b]);
                }
                let step = 1.0 / (1u32 << at) as f32;
                let here = middle + a * (u * step - x as f32 - 0.5) + b * (v * step - y as f32 - 0.5);
                // A window across an edge or a crease misses its own middle.
                if middle > 0.0 && (here - w).abs() < w * noise[group].mul_add(4.0, 0.005) {
                    break Some([a * step, b * step]);
                }
                at -= 1;
            };
            let Some([a, b]) = slope else {
                out.push(Vec3::ZERO);
                continue;
            };
            let normal = -Vec3::new(a * fx, b * fy, w - a * (u - cx) - b * (v - cy));
            out.push(normal.try_normalize().unwrap_or(Vec3::ZERO));
        }
    }
    out
}
