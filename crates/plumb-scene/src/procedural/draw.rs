//! A model as buffers: who is visible where, from where, in which colour.

use plumb_geometry::{DepthMap, ZDepth};
use plumb_image::RgbImage;

use super::light::{HeightMap, ShadowMap, Source};
use super::model::Model;
use super::raster::{Buffer, CURVED, Coverage, NOTHING, SIDES, draw};
use super::shade::{Film, Shader};
use super::shape::{Primitive, Shape};
use super::view::{Rectangle, View};
use crate::Result;

/// Pixels of a row between which the light of the surroundings is interpolated.
const KNOT: usize = 16;

/// All solids of a model in one list, and what the camera sees of them.
pub(super) struct Canvas {
    pub(super) view: View,
    pub(super) solids: Vec<Primitive>,
    /// 0 for the backdrop, else the number of the thing plus 1.
    pub(super) owners: Vec<u16>,
    pub(super) buffer: Buffer,
}

fn all(view: &View) -> Rectangle {
    Rectangle { x0: 0, x1: view.width, y0: 0, y1: view.height }
}

impl Canvas {
    pub(super) fn new(model: &Model) -> Self {
        let view = View::of_camera(&model.camera, &model.frame);
        let mut solids = model.backdrop.clone();
        let mut owners = vec![0u16; solids.len()];
        for (number, thing) in (1u16..).zip(&model.things) {
            solids.extend_from_slice(&thing.solids);
            owners.resize(solids.len(), number);
        }
        let mut buffer = Buffer::new(view.width, view.height);
        for (number, solid) in (0u32..).zip(&solids) {
            draw(&mut buffer, &view, solid, number, all(&view));
        }
        Self { view, solids, owners, buffer }
    }

    /// Draws an area anew without the things that were removed.
    pub(super) fn redraw(&mut self, model: &Model, area: Rectangle) {
        self.buffer.clear(area);
        for (number, (solid, &owner)) in (0u32..).zip(self.solids.iter().zip(&self.owners)) {
            if !removed(model, owner) {
                draw(&mut self.buffer, &self.view, solid, number, area);
            }
        }
    }

    /// Pixels that may show a thing.
    pub(super) fn area(&self, model: &Model, thing: usize) -> Rectangle {
        let empty = Rectangle { x0: 0, x1: 0, y0: 0, y1: 0 };
        model.things.get(thing).map_or(empty, |thing| {
            thing.solids.iter().fold(empty, |area, solid| area.hull(&self.view.rectangle(&solid.corners())))
        })
    }

    /// Number of the thing plus 1 at each pixel; 0 for the backdrop and the sky.
    pub(super) fn owner(&self, surface: u32) -> u16 {
        self.owners.get((surface / SIDES) as usize).copied().unwrap_or(0)
    }

    /// Pixels a thing would have inside of the image if nothing hid it, and whether it reaches the border.
    pub(super) fn alone(&self, model: &Model, thing: usize, coverage: &mut Coverage) -> (u32, bool) {
        coverage.restart();
        if let Some(thing) = model.things.get(thing) {
            for solid in &thing.solids {
                draw(coverage, &self.view, solid, 0, all(&self.view));
            }
        }
        (coverage.pixels, coverage.at_border)
    }

    pub(super) fn depth(&self) -> Result<ZDepth> {
        let metres = self
            .buffer
            .inverse
            .iter()
            .map(|&inverse| if inverse > 0.0 { 1.0 / inverse } else { 0.0 })
            .collect();
        Ok(ZDepth(DepthMap::new(self.view.width as u32, self.view.height as u32, metres)?))
    }

    pub(super) fn normals(&self) -> Vec<[f32; 3]> {
        let mut normals = vec![[0.0; 3]; self.buffer.surface.len()];
        let width = self.view.width;
        let mut last = NOTHING;
        let mut flat = None;
        for (at, (&surface, normal)) in self.buffer.surface.iter().zip(&mut normals).enumerate() {
            if surface == NOTHING {
                continue;
            }
            let Some(solid) = self.solids.get((surface / SIDES) as usize) else { continue };
            if surface != last {
                last = surface;
                flat = face_normal(solid, surface % SIDES).map(|n| single(self.view.direction_to_view(n)));
            }
            *normal = match flat {
                Some(flat) => flat,
                None => {
                    let (u, v) = ((at % width) as f64 + 0.5, (at / width) as f64 + 0.5);
                    let depth = 1.0 / f64::from(self.buffer.inverse[at]);
                    let own = solid.to_own(self.view.eye + self.view.ray(u, v) * depth);
                    single(self.view.direction_to_view(solid.direction_from_own(curved_normal(solid, own))))
                }
            };
        }
        normals
    }

    pub(super) fn image(&self, model: &Model, supersample: usize, seed: u64) -> Result<RgbImage> {
        let casts = |index: usize| {
            let owner = self.owners[index];
            if owner == 0 {
                // The table of a table top shades the floor; walls and houses shade nothing.
                model.world == super::World::TableTop && index >= super::table::WALLS
            } else {
                !removed(model, owner)
            }
        };
        let hides_lamp = |solid: &Primitive| match model.lighting.source {
            Source::Sun { .. } => false,
            // A lamp inside of something would light nothing.
            Source::Lamp { at } => solid.surface_distance(at) < 0.02,
        };
        let casters: Vec<&Primitive> =
            (0..self.solids.len()).filter(|&i| casts(i)).map(|i| &self.solids[i]).collect();
        let shadow =
            ShadowMap::new(&model.lighting, casters.iter().copied().filter(|solid| !hides_lamp(solid)));
        let reach = model.lighting.focus.1 * 0.09;
        let heights = HeightMap::new(model.lighting.focus, reach, casters.iter().copied());
        let shader = Shader {
            view: self.view,
            solids: &self.solids,
            owners: &self.owners,
            materials: &model.materials,
            lighting: &model.lighting,
            shadow: &shadow,
            heights: &heights,
            room: model.room.as_ref(),
        };
        let fine = (supersample > 1).then(|| self.finer(model, supersample));
        let film = Film::new(model, seed);
        let (width, height) = (self.view.width, self.view.height);
        let mut bytes = Vec::with_capacity(width * height * 3);
        let lines = self.buffer.surface.chunks_exact(width).zip(self.buffer.inverse.chunks_exact(width));
        for (row, (surfaces, inverse)) in lines.enumerate() {
            let v = row as f32 + 0.5;
            let mut from = 0;
            while from < width {
                let number = surfaces[from];
                let same = surfaces[from..].iter().take(KNOT).take_while(|&&other| other == number).count();
                let to = from + same;
                let surface = shader.surface(number);
                let open = surface.as_ref().map_or([0.0; 2], |surface| {
                    [from, to - 1].map(|x| shader.openness(surface, x as f32 + 0.5, v, 1.0 / inverse[x]))
                });
                let step = (open[1] - open[0]) / (same.max(2) - 1) as f32;
                for (column, &inverse) in (from..to).zip(&inverse[from..to]) {
                    let mixed =
                        fine.as_ref().filter(|fine| mixed_pixel(fine, supersample, row, column, number));
                    let u = column as f32 + 0.5;
                    let light = match (mixed, &surface) {
                        (Some(fine), _) => average(&shader, fine, supersample, row, column),
                        (None, Some(surface)) => {
                            let open = open[0] + step * (column - from) as f32;
                            shader.colour(surface, u, v, 1.0 / inverse, open)
                        }
                        (None, None) => shader.sky(u, v),
                    };
                    bytes.extend_from_slice(&film.develop(light, row * width + column));
                }
                from = to;
            }
        }
        Ok(RgbImage::new(width as u32, height as u32, bytes)?)
    }

    /// The same view with more pixels, for colour at edges.
    fn finer(&self, model: &Model, factor: usize) -> Buffer {
        let view = self.view.finer(factor);
        let mut buffer = Buffer::new(view.width, view.height);
        for (number, (solid, &owner)) in (0u32..).zip(self.solids.iter().zip(&self.owners)) {
            if !removed(model, owner) {
                draw(&mut buffer, &view, solid, number, all(&view));
            }
        }
        buffer
    }
}

fn removed(model: &Model, owner: u16) -> bool {
    owner != 0 && model.things.get(usize::from(owner) - 1).is_some_and(|thing| thing.removed)
}

fn mixed_pixel(fine: &Buffer, factor: usize, row: usize, column: usize, surface: u32) -> bool {
    (0..factor).any(|y| {
        let at = (row * factor + y) * fine.width + column * factor;
        fine.surface[at..at + factor].iter().any(|&other| other != surface)
    })
}

fn average(shader: &Shader<'_>, fine: &Buffer, factor: usize, row: usize, column: usize) -> [f32; 3] {
    let mut sum = [0.0; 3];
    let by = 1.0 / factor as f32;
    for y in 0..factor {
        for x in 0..factor {
            let at = (row * factor + y) * fine.width + column * factor + x;
            let u = column as f32 + (x as f32 + 0.5) * by;
            let v = row as f32 + (y as f32 + 0.5) * by;
            let light = match shader.surface(fine.surface[at]) {
                Some(surface) => {
                    let depth = 1.0 / fine.inverse[at];
                    let open = shader.openness(&surface, u, v, depth);
                    shader.colour(&surface, u, v, depth, open)
                }
                None => shader.sky(u, v),
            };
            // Bright lights must not spill over the edges they are seen through.
            for (sum, light) in sum.iter_mut().zip(light) {
                *sum += light.min(1.5) * by * by;
            }
        }
    }
    sum
}

fn single(v: glam::DVec3) -> [f32; 3] {
    [v.x as f32, v.y as f32, v.z as f32]
}

fn face_normal(solid: &Primitive, side: u32) -> Option<glam::DVec3> {
    let axis = *solid.axes.get((side / 2) as usize).filter(|_| side < CURVED)?;
    Some(if side % 2 == 1 { axis } else { -axis })
}

fn curved_normal(solid: &Primitive, own: glam::DVec3) -> glam::DVec3 {
    match solid.shape {
        Shape::Ellipsoid { radii: [x, y, z] } => {
            glam::DVec3::new(own.x / (x * x), own.y / (y * y), own.z / (z * z)).normalize_or_zero()
        }
        Shape::Frustum { bottom, top, half_height } => {
            let slope = (bottom - top) / (2.0 * half_height);
            glam::DVec3::new(own.x, own.y, slope * own.truncate().length()).normalize_or_zero()
        }
        Shape::Box { .. } => glam::DVec3::ZERO,
    }
}
