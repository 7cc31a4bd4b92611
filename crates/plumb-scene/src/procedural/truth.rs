//! The record of a rendered scene, from its solids.

use std::f64::consts::{FRAC_PI_2, PI};

use glam::{DVec2, DVec3};
use plumb_geometry::{Aabb, Gravity, GravityBox, GravitySource, Measure, ZDepth};

use super::Rendered;
use super::distance::{ObjectShapes, closest_within};
use super::draw::Canvas;
use super::model::{Model, Thing};
use super::raster::{Coverage, NOTHING};
use super::shape::{Primitive, bounds, bounds_along};
use super::view::Rectangle;
use crate::scene::{
    Attributes, DepthRange, Flags, ImageRef, NameSource, Object, PairDistance, SCENE_VERSION, Scene,
    SceneSource,
};
use crate::{Instances, Label, Result};

/// Pixels below which an object of a 640 × 480 image is not worth a name.
const FEWEST_PIXELS: f64 = 120.0;
/// Share of an object that must be seen.
const LEAST_VISIBLE: f32 = 0.15;
/// Share of the image above which an object is too near.
const LARGEST_SHARE: f32 = 0.5;

/// What the pixels say of a thing.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    pixels: u32,
    rect: [u32; 4],
    sum: [u64; 2],
    alone: u32,
    at_border: bool,
}

pub(super) fn picture_and_record(
    seed: u64,
    index: u64,
    mut model: Model,
    supersample: usize,
) -> Result<Rendered> {
    let mut canvas = Canvas::new(&model);
    let seen = settle(&mut model, &mut canvas);
    let image = canvas.image(&model, supersample, seed ^ index.rotate_left(32))?;
    let depth = canvas.depth()?;
    let normals = canvas.normals();

    let listed: Vec<usize> = (0..model.things.len()).filter(|&i| seen[i].pixels > 0).collect();
    let mut numbers = vec![0u16; model.things.len() + 1];
    for (number, &thing) in (1u16..).zip(&listed) {
        numbers[thing + 1] = number;
    }
    let ids: Vec<u16> =
        canvas.buffer.surface.iter().map(|&surface| numbers[usize::from(canvas.owner(surface))]).collect();
    let ranges = depth_ranges(&depth, &ids, listed.len());
    let mut objects = Vec::with_capacity(listed.len());
    let mut labels = Vec::with_capacity(listed.len());
    let mut shapes = Vec::with_capacity(listed.len());
    for ((number, &thing), range) in (1u16..).zip(&listed).zip(ranges) {
        let object = object(number, &model.things[thing], &seen[thing], range);
        labels.push(Label {
            id: number,
            name: object.name.clone(),
            plural: object.plural.clone(),
            named_by: NameSource::Exact,
            attributes: object.attributes.clone(),
        });
        shapes.push(ObjectShapes { id: u32::from(number), primitives: model.things[thing].solids.clone() });
        objects.push(object);
    }
    let camera = model.camera;
    let down = model.frame.axes[2].map(|c| -c);
    let scene = Scene {
        version: SCENE_VERSION,
        id: format!("{:016x}", mixed(seed, index)),
        source: SceneSource::Rendered { world: model.world.name().to_owned(), seed, index },
        image: ImageRef {
            path: String::new(),
            width: camera.width,
            height: camera.height,
            sha256: String::new(),
        },
        camera,
        gravity: Gravity::Known { direction: down, sigma: 0.0, source: GravitySource::Exact },
        frame: model.frame,
        metric: true,
        scale_sigma: 0.0,
        exhaustive: true,
        objects,
        pairs: pairs(&shapes),
    };
    let instances = Instances::new(camera.width, camera.height, ids, labels)?;
    Ok(Rendered { seed, index, world: model.world, image, depth, normals, instances, scene, shapes })
}

/// A stand-in for the hash of an image that is not written yet.
fn mixed(seed: u64, index: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ index.wrapping_add(0xD1B5_4A32_D192_ED03);
    for _ in 0..2 {
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 27;
    }
    x
}

/// Removes what is visible but not enough to be named, so that everything visible is listed; says what is left to see of each.
fn settle(model: &mut Model, canvas: &mut Canvas) -> Vec<Seen> {
    let (width, height) = (canvas.view.width, canvas.view.height);
    let mut coverage = Coverage::new(width, height);
    let mut seen: Vec<Seen> = (0..model.things.len())
        .map(|thing| {
            let (alone, at_border) = canvas.alone(model, thing, &mut coverage);
            Seen { alone, at_border, ..Seen::default() }
        })
        .collect();
    let scale = (width * height) as f64 / (640.0 * 480.0);
    let fewest = (FEWEST_PIXELS * scale).ceil().max(24.0) as u32;
    let largest = (LARGEST_SHARE * (width * height) as f32) as u32;
    loop {
        count(canvas, &mut seen);
        let mut dirty = Rectangle { x0: 0, x1: 0, y0: 0, y1: 0 };
        let mut changed = false;
        for (thing, one) in seen.iter().enumerate() {
            let enough = one.pixels >= fewest
                && one.pixels as f32 >= LEAST_VISIBLE * one.alone as f32
                && one.pixels <= largest
                && (!one.at_border || inside_share(canvas, &model.things[thing]) >= model.reach);
            if one.pixels > 0 && !enough {
                changed = true;
                remove(model, canvas, thing, &mut dirty);
            }
        }
        if !changed {
            return seen;
        }
        canvas.redraw(model, dirty);
    }
}

/// Removes a thing with everything on it.
fn remove(model: &mut Model, canvas: &Canvas, thing: usize, dirty: &mut Rectangle) {
    if model.things[thing].removed {
        return;
    }
    model.things[thing].removed = true;
    *dirty = dirty.hull(&canvas.area(model, thing));
    for other in 0..model.things.len() {
        if model.things[other].parent == Some(thing) {
            remove(model, canvas, other, dirty);
        }
    }
}

fn count(canvas: &Canvas, seen: &mut [Seen]) {
    for one in seen.iter_mut() {
        *one = Seen { alone: one.alone, at_border: one.at_border, ..Seen::default() };
        one.rect = [u32::MAX, u32::MAX, 0, 0];
    }
    let width = canvas.view.width;
    for (row, line) in (0u32..).zip(canvas.buffer.surface.chunks_exact(width)) {
        let mut at = 0usize;
        while at < width {
            let surface = line[at];
            let start = at;
            while at < width && line[at] == surface {
                at += 1;
            }
            let owner = if surface == NOTHING { 0 } else { canvas.owner(surface) };
            let Some(one) = usize::from(owner).checked_sub(1).and_then(|i| seen.get_mut(i)) else { continue };
            let run = at - start;
            one.pixels += run as u32;
            one.rect[0] = one.rect[0].min(start as u32);
            one.rect[1] = one.rect[1].min(row);
            one.rect[2] = one.rect[2].max(at as u32);
            one.rect[3] = one.rect[3].max(row + 1);
            // Twice the sum of the columns' centres.
            one.sum[0] += (run * (start + at)) as u64;
            one.sum[1] += run as u64 * u64::from(2 * row + 1);
        }
    }
}

/// Share of the rectangle around a thing's projection that is inside of the image.
fn inside_share(canvas: &Canvas, thing: &Thing) -> f64 {
    let (mut low, mut high) = (DVec2::INFINITY, DVec2::NEG_INFINITY);
    for corner in thing.solids.iter().flat_map(Primitive::corners) {
        let (u, v, z) = canvas.view.project(corner);
        if z < 0.05 {
            return 0.0;
        }
        low = low.min(DVec2::new(u, v));
        high = high.max(DVec2::new(u, v));
    }
    let size = DVec2::new(canvas.view.width as f64, canvas.view.height as f64);
    let cut = (high.min(size) - low.max(DVec2::ZERO)).max(DVec2::ZERO);
    cut.x * cut.y / ((high - low).x * (high - low).y).max(1e-9)
}

fn depth_ranges(depth: &ZDepth, ids: &[u16], objects: usize) -> Vec<DepthRange> {
    let mut of_object: Vec<Vec<f32>> = vec![Vec::new(); objects + 1];
    for (&id, &z) in ids.iter().zip(depth.0.values()) {
        if id != 0
            && let Some(values) = of_object.get_mut(usize::from(id))
        {
            values.push(z);
        }
    }
    let quantile = |values: &mut Vec<f32>, share: f64| {
        let at = ((values.len().saturating_sub(1)) as f64 * share).round() as usize;
        if values.is_empty() { 0.0 } else { f64::from(*values.select_nth_unstable_by(at, f32::total_cmp).1) }
    };
    of_object
        .iter_mut()
        .skip(1)
        .map(|values| DepthRange {
            near: quantile(values, 0.05),
            median: quantile(values, 0.5),
            far: quantile(values, 0.95),
            sigma: 0.0,
        })
        .collect()
}

fn object(number: u16, thing: &Thing, seen: &Seen, depth: DepthRange) -> Object {
    let (low, high) = bounds(&thing.solids);
    let aabb = Aabb::exact(low, high);
    let visible = (seen.pixels as f32 / seen.alone.max(seen.pixels) as f32).min(1.0);
    let per_pixel = 0.5 / f64::from(seen.pixels.max(1));
    let design = &thing.design;
    Object {
        id: u32::from(number),
        name: design.noun.one.to_owned(),
        named_by: NameSource::Exact,
        plural: design.noun.many.to_owned(),
        attributes: Attributes {
            colour: design.colour.map(str::to_owned),
            material: design.material.map(str::to_owned),
            pattern: design.pattern.map(str::to_owned),
            caption: None,
        },
        rect: seen.rect.map(|side| side as f32),
        pixel_centre: seen.sum.map(|sum| (sum as f64 * per_pixel) as f32),
        pixels: seen.pixels,
        visible: Some(visible),
        flags: Flags { truncated: seen.at_border, occluded: visible < 0.97, partial_depth: false },
        oriented: oriented(thing),
        aabb,
        centre: aabb.centre().to_array(),
        centre_sigma: [0.0; 3],
        depth,
        support: Some(Measure::exact(thing.at.z)),
        points: 0,
    }
}

/// The tight box along the thing's own axes.
fn oriented(thing: &Thing) -> GravityBox {
    let mut yaw = thing.yaw.rem_euclid(PI);
    if yaw > FRAC_PI_2 {
        yaw -= PI;
    }
    let (sin, cos) = yaw.sin_cos();
    let axes = [DVec3::new(cos, sin, 0.0), DVec3::new(-sin, cos, 0.0), DVec3::Z];
    let (low, high) = bounds_along(&thing.solids, axes);
    let middle = (low + high) / 2.0;
    let centre = axes[0] * middle.x + axes[1] * middle.y + axes[2] * middle.z;
    GravityBox { centre: centre.to_array(), size: (high - low).to_array(), yaw }
}

fn pairs(shapes: &[ObjectShapes]) -> Vec<PairDistance> {
    let boxes: Vec<Vec<(DVec3, DVec3)>> = shapes
        .iter()
        .map(|shape| shape.primitives.iter().map(|solid| bounds(std::slice::from_ref(solid))).collect())
        .collect();
    let mut pairs = Vec::with_capacity(shapes.len() * shapes.len() / 2);
    for (a, first) in shapes.iter().enumerate() {
        for (b, second) in shapes.iter().enumerate().skip(a + 1) {
            let (distance, point_a, point_b) =
                closest_within(&first.primitives, &boxes[a], &second.primitives, &boxes[b]);
            pairs.push(PairDistance {
                a: a as u32,
                b: b as u32,
                distance: Measure::exact(distance),
                point_a: point_a.to_array(),
                point_b: point_b.to_array(),
            });
        }
    }
    pairs
}
