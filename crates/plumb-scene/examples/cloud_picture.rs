//! Draws a lifted scene from a viewpoint outside of it:
//! `cloud_picture SCENE_FOLDER OUT.png|OUT.jpg [--azimuth DEG] [--elevation DEG] [--size WxH] [--boxes] [--image-left]`.
//!
//! Azimuth 0 is behind the camera that took the photograph, 90 to its right; boxes carry the number of their object. Surfaces are splats
//! with eye-dome shading (Boucheny, 2009: pixels darken by how much nearer their neighbours are).

use std::path::Path;

use glam::{DVec2, DVec3};
use plumb_image::{Filter, Limits, RgbImage, encode_jpeg, encode_png, resize};
use plumb_scene::Scene;
use plumb_scene::cloud::ColouredCloud;
use plumb_scene::export::{read_ply, scene_from_json};

type Failure = Box<dyn std::error::Error>;

const BACKGROUND: [f32; 3] = [204.0, 208.0, 214.0];
/// Everything is drawn this much larger and averaged: splats and lines get smooth edges.
const FINE: u32 = 2;
const NEAR: f64 = 0.05;
const PALETTE: [[f32; 3]; 8] = [
    [230.0, 60.0, 50.0],
    [30.0, 120.0, 230.0],
    [20.0, 160.0, 70.0],
    [240.0, 140.0, 0.0],
    [150.0, 60.0, 200.0],
    [0.0, 165.0, 175.0],
    [225.0, 50.0, 150.0],
    [125.0, 95.0, 20.0],
];
/// Digits of 3x5 dots, the top left dot in the highest bit.
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_001_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
];

struct View {
    eye: DVec3,
    /// Right, down, forward.
    axes: [DVec3; 3],
    focal: f64,
    shift: DVec2,
}

impl View {
    fn camera(&self, point: DVec3) -> DVec3 {
        let [right, down, forward] = self.axes;
        let p = point - self.eye;
        DVec3::new(right.dot(p), down.dot(p), forward.dot(p))
    }

    fn pixel(&self, camera: DVec3) -> DVec2 {
        DVec2::new(camera.x, camera.y) * (self.focal / camera.z.max(NEAR)) + self.shift
    }

    /// From this direction, at the distance where nearly all points fill the picture.
    fn around(points: &[DVec3], azimuth: f64, elevation: f64, size: DVec2) -> Self {
        let (sa, ca) = azimuth.sin_cos();
        let (se, ce) = elevation.sin_cos();
        let forward = DVec3::new(-sa * ce, ca * ce, -se);
        let right = DVec3::new(ca, sa, 0.0);
        let down = forward.cross(right);
        let middle = |axis: usize| span(points.iter().map(|p| p[axis]));
        let bounds = [middle(0), middle(1), middle(2)];
        let centre = DVec3::from_array(bounds.map(|(low, high)| (low + high) / 2.0));
        let reach = bounds.iter().map(|(low, high)| high - low).fold(0.1, f64::max);
        let at = |distance: f64| {
            let mut view = Self {
                eye: centre - forward * distance,
                axes: [right, down, forward],
                focal: size.y * 1.4,
                shift: DVec2::ZERO,
            };
            let seen: Vec<DVec2> = points.iter().map(|&p| view.pixel(view.camera(p))).collect();
            let (x, y) = (span(seen.iter().map(|p| p.x)), span(seen.iter().map(|p| p.y)));
            view.shift = size / 2.0 - DVec2::new(x.0 + x.1, y.0 + y.1) / 2.0;
            let fits = x.1 - x.0 < size.x * 0.86 && y.1 - y.0 < size.y * 0.84;
            (view, fits)
        };
        let (mut close, mut far) = (0.3 * reach, 12.0 * reach);
        for _ in 0..24 {
            let half = (close + far) / 2.0;
            if at(half).1 { far = half } else { close = half }
        }
        at(far).0
    }
}

/// Where all but the outermost values lie.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    (at(0.008), at(0.992))
}

struct Canvas {
    width: u32,
    height: u32,
    colour: Vec<[f32; 3]>,
    depth: Vec<f32>,
}

impl Canvas {
    fn index(&self, x: i64, y: i64) -> Option<usize> {
        let inside = x >= 0 && y >= 0 && x < i64::from(self.width) && y < i64::from(self.height);
        inside.then(|| (y * i64::from(self.width) + x) as usize)
    }

    fn splat(&mut self, at: DVec2, z: f64, radius: f64, colour: [f32; 3]) {
        for y in (at.y - radius).floor() as i64..=(at.y + radius).ceil() as i64 {
            for x in (at.x - radius).floor() as i64..=(at.x + radius).ceil() as i64 {
                let off = DVec2::new(x as f64 + 0.5, y as f64 + 0.5) - at;
                let Some(index) = self.index(x, y).filter(|_| off.length_squared() <= radius * radius) else {
                    continue;
                };
                // The rim lies a little behind the middle, so that the nearest splat gives a pixel its colour.
                let z = (z * (1.0 + 2e-4 * off.length_squared())) as f32;
                if z < self.depth[index] {
                    (self.depth[index], self.colour[index]) = (z, colour);
                }
            }
        }
    }

    fn shade(&mut self) {
        const AROUND: [(i64, i64); 8] =
            [(3, 0), (-3, 0), (0, 3), (0, -3), (2, 2), (-2, 2), (2, -2), (-2, -2)];
        for y in 0..i64::from(self.height) {
            for x in 0..i64::from(self.width) {
                let Some(index) = self.index(x, y).filter(|&i| self.depth[i].is_finite()) else { continue };
                let z = self.depth[index];
                let nearer = AROUND.iter().filter_map(|&(dx, dy)| self.index(x + dx, y + dy));
                let sum: f32 = nearer.map(|i| (z / self.depth[i]).ln().clamp(0.0, 0.05)).sum();
                self.colour[index] = self.colour[index].map(|c| c * (-4.0 * sum).exp());
            }
        }
    }

    fn blend(&mut self, x: i64, y: i64, colour: [f32; 3], share: f32) {
        if let Some(index) = self.index(x, y) {
            let under = self.colour[index];
            self.colour[index] = std::array::from_fn(|c| under[c] + (colour[c] - under[c]) * share);
        }
    }

    /// A line in space; where a surface is in front of it, `hidden` of it shows.
    fn line(
        &mut self,
        view: &View,
        ends: [DVec3; 2],
        colour: [f32; 3],
        width: i64,
        [share, hidden]: [f32; 2],
    ) {
        let [mut a, mut b] = ends.map(|end| view.camera(end));
        if a.z < NEAR && b.z < NEAR {
            return;
        }
        let cut = |from: DVec3, to: DVec3| from + (to - from) * ((NEAR - from.z) / (to.z - from.z));
        if a.z < NEAR {
            a = cut(a, b);
        } else if b.z < NEAR {
            b = cut(b, a);
        }
        let (p, q) = (view.pixel(a), view.pixel(b));
        let along = q - p;
        let steps = along.abs().max_element().clamp(1.0, 20_000.0) as i64;
        let flat = along.x.abs() > along.y.abs();
        for step in 0..=steps {
            let t = step as f64 / steps as f64;
            let at = p + along * t;
            // Depth along a line in the picture is linear in 1/z.
            let z = 1.0 / ((1.0 - t) / a.z + t / b.z);
            for side in 0..width {
                let aside = side - width / 2;
                let (dx, dy) = if flat { (0, aside) } else { (aside, 0) };
                let (x, y) = (at.x.floor() as i64 + dx, at.y.floor() as i64 + dy);
                let Some(index) = self.index(x, y) else { continue };
                let covered = f64::from(self.depth[index]) < z * 0.992 - 0.004;
                self.blend(x, y, colour, if covered { hidden } else { share });
            }
        }
    }

    /// A number on a plate of this colour, above `at`.
    fn number(&mut self, at: DVec2, number: u32, plate: [f32; 3]) {
        const DOT: i64 = 3;
        let text = number.to_string();
        let (wide, high) = ((text.len() as i64 * 4 + 1) * DOT, 7 * DOT);
        let (left, top) = (at.x as i64 - wide / 2, at.y as i64 - high - 4);
        for (x, y) in (0..high).flat_map(|y| (0..wide).map(move |x| (x, y))) {
            let (column, row) = (x / DOT - 1, y / DOT - 1);
            let digit =
                text.as_bytes().get((column.max(0) / 4) as usize).map_or(0, |b| usize::from(b - b'0'));
            let dot = column >= 0 && column % 4 < 3 && (0..5).contains(&row);
            let ink = dot && DIGITS[digit] >> (14 - (row * 3 + column % 4)) & 1 == 1;
            self.blend(left + x, top + y, if ink { [255.0; 3] } else { plate }, 0.95);
        }
    }

    fn finish(&self) -> Result<RgbImage, Failure> {
        let bytes = self.colour.iter().flatten().map(|c| c.round().clamp(0.0, 255.0) as u8).collect();
        let large = RgbImage::new(self.width, self.height, bytes)?;
        Ok(resize(&large, self.width / FINE, self.height / FINE, Filter::Bilinear)?)
    }
}

fn draw(
    scene: &Scene,
    cloud: &ColouredCloud,
    angles: [f64; 2],
    size: [u32; 2],
    boxes: bool,
) -> Result<RgbImage, Failure> {
    let [width, height] = size.map(|s| s * FINE);
    let pixels = (width * height) as usize;
    let mut canvas =
        Canvas { width, height, colour: vec![BACKGROUND; pixels], depth: vec![f32::INFINITY; pixels] };
    let points: Vec<DVec3> =
        cloud.positions.iter().map(|p| DVec3::new(p[0].into(), p[1].into(), p[2].into())).collect();
    let sparse: Vec<DVec3> = points.iter().step_by(points.len() / 4000 + 1).copied().collect();
    let [azimuth, elevation] = angles.map(f64::to_radians);
    let view = View::around(&sparse, azimuth, elevation, DVec2::new(width.into(), height.into()));
    let eye = scene.frame.point_from_camera(DVec3::ZERO);
    for (at, &point) in points.iter().enumerate() {
        let there = view.camera(point);
        if there.z < NEAR {
            continue;
        }
        let ray = point - eye;
        let facing = cloud.normals.get(at).map_or(1.0, |n| {
            let normal = DVec3::new(n[0].into(), n[1].into(), n[2].into());
            (normal.dot(ray) / ray.length().max(1e-9)).abs()
        });
        // How far apart the photograph's pixels are on this surface, more where it was seen at a slant.
        let spacing = ray.length() / scene.camera.fx / facing.max(0.35);
        let radius = (0.95 * spacing * view.focal / there.z).clamp(0.8, 24.0);
        canvas.splat(view.pixel(there), there.z, radius, cloud.colours[at].map(f32::from));
    }
    canvas.shade();

    let spans = [0, 1].map(|axis| span(sparse.iter().map(|p| p[axis])));
    if scene.frame.gravity_aligned && scene.frame.camera_height != 0.0 {
        let [(x0, x1), (y0, y1)] = spans.map(|(low, high)| (low.floor().max(-30.0), high.ceil().min(30.0)));
        let mut grid = |a: [f64; 2], b: [f64; 2]| {
            let ends = [a, b].map(|p| DVec3::new(p[0], p[1], 0.0));
            canvas.line(&view, ends, [120.0, 125.0, 135.0], 2, [0.55, 0.0]);
        };
        for x in 0..=(x1 - x0) as u32 {
            grid([x0 + f64::from(x), y0], [x0 + f64::from(x), y1]);
        }
        for y in 0..=(y1 - y0) as u32 {
            grid([x0, y0 + f64::from(y)], [x1, y0 + f64::from(y)]);
        }
        // The arrow stands on the ground in the lower left of the picture.
        let spot =
            (DVec2::new(0.06, 0.93) * DVec2::new(width.into(), height.into()) - view.shift) / view.focal;
        let ray = view.axes[0] * spot.x + view.axes[1] * spot.y + view.axes[2];
        let far = -view.eye.z / ray.z.min(-1e-3);
        let (foot, long) = (view.eye + ray * far, 0.07 * far);
        let head = foot + DVec3::Z * 0.65 * long;
        let side = view.axes[0] * 0.2 * long;
        for end in [foot, head + side, head - side] {
            canvas.line(&view, [foot + DVec3::Z * long, end], [40.0, 90.0, 220.0], 5, [1.0, 1.0]);
        }
    }
    if boxes {
        const EDGES: [usize; 24] = [0, 1, 1, 2, 2, 3, 3, 0, 4, 5, 5, 6, 6, 7, 7, 4, 0, 4, 1, 5, 2, 6, 3, 7];
        for (object, colour) in scene.objects.iter().zip(PALETTE.iter().cycle()) {
            let corners = object.oriented.corners();
            for &[a, b] in EDGES.as_chunks::<2>().0 {
                canvas.line(&view, [corners[a], corners[b]], *colour, 4, [0.95, 0.18]);
            }
        }
        for (object, colour) in scene.objects.iter().zip(PALETTE.iter().cycle()) {
            let [.., a, _, b, _] = object.oriented.corners();
            let top = view.camera((a + b) / 2.0);
            if top.z > NEAR {
                canvas.number(view.pixel(top), object.id, *colour);
            }
        }
    }
    canvas.finish()
}

fn beside(left: &RgbImage, right: &RgbImage) -> Result<RgbImage, Failure> {
    const GAP: usize = 8;
    let width = (u64::from(left.width()) * u64::from(right.height()) / u64::from(left.height())) as u32;
    let left = resize(left, width, right.height(), Filter::Lanczos)?;
    let rows = |image: &RgbImage| image.width() as usize * 3;
    let mut data = Vec::new();
    for (a, b) in left.data().chunks(rows(&left)).zip(right.data().chunks(rows(right))) {
        data.extend_from_slice(a);
        data.resize(data.len() + GAP * 3, 255);
        data.extend_from_slice(b);
    }
    Ok(RgbImage::new(width + GAP as u32 + right.width(), right.height(), data)?)
}

fn main() -> Result<(), Failure> {
    let usage = "cloud_picture SCENE_FOLDER OUT.png|OUT.jpg [--azimuth DEG] [--elevation DEG] [--size WxH] [--boxes] [--image-left]";
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or(usage)?;
    let out = args.next().ok_or(usage)?;
    let (mut angles, mut size, mut boxes, mut image_left) = ([20.0, 25.0], [800, 600], false, false);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(usage);
        match arg.as_str() {
            "--azimuth" => angles[0] = value()?.parse()?,
            "--elevation" => angles[1] = value()?.parse::<f64>()?.clamp(-89.0, 89.0),
            "--size" => {
                let text = value()?;
                let (w, h) = text.split_once('x').ok_or(usage)?;
                size = [w.parse::<u32>()?.clamp(16, 8000), h.parse::<u32>()?.clamp(16, 8000)];
            }
            "--boxes" => boxes = true,
            "--image-left" => image_left = true,
            _ => return Err(usage.into()),
        }
    }
    let folder = Path::new(&folder);
    let scene = scene_from_json(&std::fs::read(folder.join("scene.json"))?, "scene.json")?;
    let cloud = read_ply(&std::fs::read(folder.join("cloud.ply"))?, "cloud.ply")?;
    let mut picture = draw(&scene, &cloud, angles, size, boxes)?;
    if image_left {
        let photograph = plumb_image::read(&folder.join(&scene.image.path), &Limits::default())?;
        picture = beside(&photograph, &picture)?;
    }
    let jpeg = out.ends_with(".jpg");
    std::fs::write(out, if jpeg { encode_jpeg(&picture, 88)? } else { encode_png(&picture)? })?;
    Ok(())
}
