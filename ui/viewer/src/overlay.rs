//! Lines, faces, pictures and labels around the points, as vertices. Pure: scene in, numbers out.

use glam::{DQuat, DVec3, Vec3};

use crate::data::{CaptureCamera, Emphasis, OrientedBox, Scene, Segment};
use crate::pack::Bounds;

/// a (3), width, b (3), fade, colour: the words of `Line` in `lines.wgsl`.
pub(crate) type LineInstance = [u32; 9];
/// Position (3), colour: the words of `Face` in `faces.wgsl`.
pub(crate) type FaceVertex = [u32; 4];
/// Position (3), texture coordinates (2).
pub(crate) type PictureVertex = [f32; 5];

/// Boxes and segments beyond this many are not drawn; nobody can tell that many apart.
const MAX_ITEMS: usize = 20_000;

const AXIS_COLORS: [[u8; 3]; 3] = [[0xd5, 0x5e, 0x00], [0x00, 0x9e, 0x73], [0x56, 0xb4, 0xe9]];
const GRAVITY_COLOR: [u8; 3] = [0xf0, 0xe4, 0x42];

/// What to draw besides the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Show {
    pub(crate) grid: bool,
    pub(crate) axes: bool,
    pub(crate) gravity: bool,
    pub(crate) boxes: bool,
    pub(crate) frustum: bool,
    /// Opacity of the photograph in its frustum.
    pub(crate) image: f32,
    /// Colour of grid and frustum lines.
    pub(crate) line: [u8; 3],
}

/// Text at a place in the room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorldLabel {
    pub(crate) at: DVec3,
    pub(crate) text: String,
    pub(crate) color: [u8; 3],
    /// Higher ones get the better places.
    pub(crate) priority: u8,
}

/// Vertices relative to an origin.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Overlay {
    pub(crate) lines: Vec<LineInstance>,
    /// The first this many lines shine through points, faint and dashed.
    pub(crate) through: usize,
    pub(crate) faces: Vec<FaceVertex>,
    pub(crate) picture: Vec<PictureVertex>,
    pub(crate) labels: Vec<WorldLabel>,
}

struct Builder {
    origin: DVec3,
    through: Vec<LineInstance>,
    solid: Vec<LineInstance>,
    faces: Vec<FaceVertex>,
    labels: Vec<WorldLabel>,
}

fn rgba([r, g, b]: [u8; 3], alpha: u8) -> u32 {
    u32::from_le_bytes([r, g, b, alpha])
}

impl Builder {
    fn relative(&self, world: DVec3) -> Vec3 {
        (world - self.origin).as_vec3()
    }

    fn line(&mut self, from: DVec3, to: DVec3, color: u32, width: f32, fade: f32, through: bool) {
        let (a, b) = (self.relative(from), self.relative(to));
        if !(a.is_finite() && b.is_finite()) {
            return;
        }
        let floats = [a.x, a.y, a.z, width, b.x, b.y, b.z, fade].map(f32::to_bits);
        let mut words = [color; 9];
        words[..8].copy_from_slice(&floats);
        if through {
            self.through.push(words);
        } else {
            self.solid.push(words);
        }
    }

    fn triangle(&mut self, corners: [DVec3; 3], color: u32) {
        let corners = corners.map(|corner| self.relative(corner));
        if corners.iter().all(|corner| corner.is_finite()) {
            self.faces.extend(corners.map(|corner| {
                let [x, y, z] = corner.to_array().map(f32::to_bits);
                [x, y, z, color]
            }));
        }
    }

    /// A shaft with a cone, its length given by its ends.
    fn arrow(&mut self, from: DVec3, to: DVec3, color: [u8; 3], width: f32, head: f64) {
        self.line(from, to, rgba(color, 255), width, 0.0, true);
        let direction = (to - from).normalize_or_zero();
        if direction == DVec3::ZERO || !head.is_finite() {
            return;
        }
        let side = direction.any_orthonormal_vector();
        let other = direction.cross(side);
        let base = to - direction * head;
        const SIDES: u32 = 12;
        let rim = |i: u32| {
            let angle = std::f64::consts::TAU * f64::from(i) / f64::from(SIDES);
            base + (side * angle.cos() + other * angle.sin()) * head * 0.32
        };
        for i in 0..SIDES {
            self.triangle([to, rim(i), rim(i + 1)], rgba(color, 255));
        }
    }

    fn label(&mut self, at: DVec3, text: &str, color: [u8; 3], priority: u8) {
        if !text.is_empty() && at.is_finite() {
            self.labels.push(WorldLabel { at, text: text.to_owned(), color, priority });
        }
    }

    fn oriented_box(&mut self, shape: &OrientedBox) {
        let Some(corners) = corners(shape) else { return };
        let (width, alpha, fill) = match shape.emphasis {
            Emphasis::None => (1.25, 190, 0),
            Emphasis::Hovered => (2.0, 255, 0),
            Emphasis::Selected => (2.5, 255, 28),
            Emphasis::Proof => (2.5, 255, 40),
        };
        for (from, to) in EDGES {
            let (from, to) = (corners[from], corners[to]);
            self.line(from, to, rgba(shape.color, alpha), width, 0.0, shape.emphasis >= Emphasis::Selected);
        }
        if fill > 0 {
            for [a, b, c, d] in FACES {
                let quad = [a, b, c, d].map(|corner| corners[corner]);
                self.triangle([quad[0], quad[1], quad[2]], rgba(shape.color, fill));
                self.triangle([quad[0], quad[2], quad[3]], rgba(shape.color, fill));
            }
        }
        let center = corners.iter().sum::<DVec3>() / 8.0;
        let top = corners.iter().map(|corner| corner.z).fold(f64::NEG_INFINITY, f64::max);
        self.label(DVec3::new(center.x, center.y, top), &shape.label, shape.color, shape.emphasis as u8);
    }

    fn segment(&mut self, segment: &Segment) {
        let (from, to) = (wide(segment.from), wide(segment.to));
        if segment.arrow {
            self.arrow(from, to, segment.color, 3.0, (to - from).length() * 0.08);
        } else {
            self.line(from, to, rgba(segment.color, 255), 3.0, 0.0, true);
        }
        self.label(from.midpoint(to), &segment.label, segment.color, 10);
    }

    fn grid(&mut self, bounds: &Bounds, color: [u8; 3]) {
        let (center, radius) = (bounds.center(), f64::from(bounds.radius()));
        let spacing = grid_spacing(radius);
        // Round to whole squares, so that the grid stays put while the content moves inside it.
        let reach = (radius * 1.5 / spacing).ceil().min(40.0);
        let middle = [center[0], center[1]].map(|value| (f64::from(value) / spacing).round());
        let fade = (radius * 8.0) as f32;
        let mut step = -reach;
        while step <= reach {
            for axis in 0..2 {
                let index = middle[axis] + step;
                let strong = index.rem_euclid(5.0) < 0.5;
                let ends = [-reach, reach].map(|end| {
                    let mut point = [0.0; 2];
                    point[axis] = index * spacing;
                    point[1 - axis] = (middle[1 - axis] + end) * spacing;
                    DVec3::new(point[0], point[1], 0.0)
                });
                self.line(
                    ends[0],
                    ends[1],
                    rgba(color, if strong { 150 } else { 70 }),
                    if strong { 1.25 } else { 1.0 },
                    fade,
                    false,
                );
            }
            step += 1.0;
        }
    }

    fn frustum(&mut self, capture: &CaptureCamera, depth: f32, color: [u8; 3]) -> [DVec3; 4] {
        let [width, height] = capture.size.map(|side| side as f32);
        let corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]
            .map(|pixel| wide(capture.lift(pixel, depth)));
        let eye = wide(capture.position);
        let color = rgba(color, 255);
        for i in 0..4 {
            self.line(eye, corners[i], color, 1.25, 0.0, false);
            self.line(corners[i], corners[(i + 1) % 4], color, 1.25, 0.0, false);
        }
        // A small roof over the top edge says which way up the picture is.
        let roof = wide(capture.lift([width / 2.0, -height * 0.12], depth));
        self.line(corners[0].lerp(corners[1], 0.35), roof, color, 1.25, 0.0, false);
        self.line(corners[0].lerp(corners[1], 0.65), roof, color, 1.25, 0.0, false);
        corners
    }
}

fn wide(point: [f32; 3]) -> DVec3 {
    Vec3::from(point).as_dvec3()
}

/// Metres between grid lines: 1, 2 or 5 times a power of ten, about a dozen squares over the content.
pub(crate) fn grid_spacing(radius: f64) -> f64 {
    let wanted = (radius / 8.0).clamp(1e-6, 1e12);
    let power = 10_f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= wanted * 0.999).unwrap_or(10.0);
    step * power
}

/// Pairs of corners; bit 0 of a corner's number is x, bit 1 is y, bit 2 is z.
pub(crate) const EDGES: [(usize, usize); 12] =
    [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)];

const FACES: [[usize; 4]; 6] =
    [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]];

/// The eight corners in world coordinates; `None` for boxes with NaN or infinite numbers.
pub(crate) fn corners(shape: &OrientedBox) -> Option<[DVec3; 8]> {
    let center = wide(shape.center);
    let half = wide(shape.half_size).abs();
    let rotation = DQuat::from_array(shape.rotation.map(f64::from));
    if !(center.is_finite() && half.is_finite() && rotation.is_finite() && rotation.length_squared() > 1e-12)
    {
        return None;
    }
    let rotation = rotation.normalize();
    Some(std::array::from_fn(|corner| {
        let sign = |bit: usize| if corner >> bit & 1 == 1 { 1.0 } else { -1.0 };
        center + rotation * (half * DVec3::new(sign(0), sign(1), sign(2)))
    }))
}

/// Everything of `scene` but its points. `extra`: lines of a measurement in progress.
pub(crate) fn build(
    scene: &Scene,
    extra: &[Segment],
    bounds: Option<&Bounds>,
    origin: [f32; 3],
    show: &Show,
) -> Overlay {
    let mut builder = Builder {
        origin: wide(origin),
        through: Vec::new(),
        solid: Vec::new(),
        faces: Vec::new(),
        labels: Vec::new(),
    };
    let room = bounds.copied().unwrap_or(Bounds { min: [-2.0, -2.0, 0.0], max: [2.0, 2.0, 2.0] });
    let radius = f64::from(room.radius());
    if show.grid {
        builder.grid(&room, show.line);
    }
    if show.axes {
        let length = grid_spacing(radius);
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            let tip = DVec3::AXES[axis] * length;
            builder.arrow(DVec3::ZERO, tip, AXIS_COLORS[axis], 2.0, length * 0.16);
            builder.label(tip * 1.08, name, AXIS_COLORS[axis], 4);
        }
    }
    if show.gravity {
        let length = radius * 0.3;
        // Seen from a capture camera this corner is outside its frustum, so nothing hides the arrow.
        let top = DVec3::new(room.max[0].into(), room.min[1].into(), room.max[2].into());
        let tip = top - DVec3::Z * length;
        builder.arrow(top, tip, GRAVITY_COLOR, 2.5, length * 0.16);
        builder.label(top, "gravity", GRAVITY_COLOR, 4);
    }
    if show.boxes {
        for shape in scene.boxes.iter().take(MAX_ITEMS) {
            builder.oriented_box(shape);
        }
    }
    for segment in scene.segments.iter().chain(extra).take(MAX_ITEMS) {
        builder.segment(segment);
    }
    let mut picture = Vec::new();
    if let Some(capture) = scene.capture.as_ref().filter(|_| show.frustum) {
        let quad = builder.frustum(capture, (radius * 0.3) as f32, show.line);
        if capture.image.is_some() && show.image > 0.0 && quad.iter().all(|corner| corner.is_finite()) {
            const UV: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
            picture = [0, 1, 2, 0, 2, 3]
                .map(|i| {
                    let [x, y, z] = builder.relative(quad[i]).to_array();
                    [x, y, z, UV[i][0], UV[i][1]]
                })
                .to_vec();
        }
    }
    let Builder { mut through, solid, faces, labels, .. } = builder;
    let count = through.len();
    through.extend(solid);
    Overlay { lines: through, through: count, faces, picture, labels }
}

#[cfg(test)]
mod tests;
