//! Depth of plain rooms, ray-cast exactly: the oracle of this crate's tests and benchmarks. It knows nothing of the crate.

use glam::DVec3;

/// A floor, up to two walls at right angles, a ceiling and level table tops, seen from above the origin of the floor.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Pixels; the principal point is the middle of the image.
    pub(crate) focal: f64,
    /// Unit vector upwards in the camera frame.
    pub(crate) up: DVec3,
    pub(crate) camera_height: f64,
    /// Turn of the walls about the vertical, in radians.
    pub(crate) yaw: f64,
    pub(crate) floor: bool,
    /// Distance of the walls in front and to the right.
    pub(crate) walls: [Option<f64>; 2],
    pub(crate) ceiling: Option<f64>,
    /// Slabs: centre x, y of the (turned) room, half sides, height of the top.
    pub(crate) tables: Vec<[f64; 5]>,
}

impl Room {
    /// `pitch` (positive looking up) and `roll` in degrees, vertical field of view in degrees.
    pub(crate) fn new(width: u32, height: u32, fov: f64, pitch: f64, roll: f64) -> Self {
        let (pitch, roll) = (pitch.to_radians(), roll.to_radians());
        Self {
            width,
            height,
            focal: f64::from(height) / (2.0 * (fov.to_radians() / 2.0).tan()),
            up: DVec3::new(roll.sin() * pitch.cos(), -roll.cos() * pitch.cos(), pitch.sin()),
            camera_height: 1.5,
            yaw: 0.4,
            floor: true,
            walls: [Some(4.0), Some(2.0)],
            ceiling: None,
            tables: vec![[-0.3, 2.2, 0.7, 0.4, 0.74]],
        }
    }

    /// Depth along the axis, row by row; 0 where nothing is hit.
    pub(crate) fn depth(&self) -> Vec<f32> {
        let level = DVec3::Z - self.up * self.up.z;
        let forward = level.normalize();
        let right = forward.cross(self.up);
        let (sin, cos) = self.yaw.sin_cos();
        let mut out = Vec::with_capacity((self.width * self.height) as usize);
        for row in 0..self.height {
            for column in 0..self.width {
                let ray = DVec3::new(
                    (f64::from(column) + 0.5 - f64::from(self.width) / 2.0) / self.focal,
                    (f64::from(row) + 0.5 - f64::from(self.height) / 2.0) / self.focal,
                    1.0,
                );
                let (x, y) = (right.dot(ray), forward.dot(ray));
                let ray = DVec3::new(cos * x - sin * y, sin * x + cos * y, self.up.dot(ray));
                out.push(self.cast(ray).unwrap_or(0.0) as f32);
            }
        }
        out
    }

    fn cast(&self, ray: DVec3) -> Option<f64> {
        let eye = self.camera_height;
        let floor = self.floor.then(|| -eye / ray.z);
        let ceiling = self.ceiling.map(|h| (h - eye) / ray.z);
        let walls = [self.walls[0].map(|d| d / ray.y), self.walls[1].map(|d| d / ray.x)];
        let tables = self.tables.iter().filter_map(|&[x, y, hx, hy, top]| {
            let origin = DVec3::new(0.0, 0.0, eye);
            let (low, high) = (DVec3::new(x - hx, y - hy, top - 0.04), DVec3::new(x + hx, y + hy, top));
            let (a, b) = ((low - origin) / ray, (high - origin) / ray);
            let (near, far) = (a.min(b).max_element(), a.max(b).min_element());
            (near <= far).then_some(near)
        });
        [floor, ceiling, walls[0], walls[1]]
            .into_iter()
            .flatten()
            .chain(tables)
            .filter(|z| *z > 1e-6 && z.is_finite())
            .min_by(f64::total_cmp)
    }
}

/// The errors of a structured-light camera (Khoshelham and Elberink 2012): disparity with smooth and white noise, quantised to an eighth of
/// a pixel, at a base of 7.5 cm. Drops far pixels and a few at random.
pub(crate) fn kinect(depth: &mut [f32], width: usize, focal: f64, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = move || (0..6).map(|_| uniform() - 0.5).sum::<f64>() * std::f64::consts::SQRT_2;
    let cells = width / 5 + 2;
    let rows = depth.len() / width.max(1) / 5 + 2;
    let smooth: Vec<f64> = (0..cells * rows).map(|_| 0.06 * normal()).collect();
    for (i, z) in depth.iter_mut().enumerate() {
        let (column, row) = (i % width, i / width);
        let (x, y) = (column as f64 / 5.0, row as f64 / 5.0);
        let (fx, fy) = (x.fract(), y.fract());
        let at = (y as usize) * cells + x as usize;
        let top = smooth[at] * (1.0 - fx) + smooth[at + 1] * fx;
        let bottom = smooth[at + cells] * (1.0 - fx) + smooth[at + cells + 1] * fx;
        let error = top * (1.0 - fy) + bottom * fy + 0.03 * normal();
        let base = focal * 0.075;
        let disparity = ((base / f64::from(*z) + error) * 8.0).round() / 8.0;
        let lost = normal() > 2.4 || *z > 8.0 || *z < 0.4;
        *z = if lost || disparity <= 0.0 || !disparity.is_finite() { 0.0 } else { (base / disparity) as f32 };
    }
}
