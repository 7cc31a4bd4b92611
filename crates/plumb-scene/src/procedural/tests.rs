use glam::DVec3;

use super::dice::Dice;
use super::model::Model;
use super::shape::{Primitive, Shape};
use super::*;

fn options(world: World) -> RenderOptions {
    RenderOptions { width: 160, height: 120, world: Some(world), supersample: 1 }
}

fn model(world: World, seed: u64, index: u64) -> Model {
    let mut dice = Dice::new(seed, index, 1 + world as u64);
    match world {
        World::Room => room::build(&mut dice, [640, 480]),
        World::Street => street::build(&mut dice, [640, 480]),
        World::TableTop => table::build(&mut dice, [640, 480]),
    }
    .expect("a model")
}

/// Small pictures of all worlds.
fn examples() -> impl Iterator<Item = Rendered> {
    World::ALL
        .into_iter()
        .flat_map(|world| (0..6).map(move |index| render(11, index, &options(world)).expect("a picture")))
}

/// A point on the surface of a solid, and whether it is one of many spread over all of it.
fn surface_point(solid: &Primitive, dice: &mut Dice) -> DVec3 {
    let own = match solid.shape {
        Shape::Box { half } => {
            let mut p = DVec3::from_array(half.map(|h| h * dice.within(-1.0, 1.0)));
            let axis = dice.below(3);
            p[axis] = half[axis] * dice.pick([-1.0, 1.0]);
            p
        }
        Shape::Ellipsoid { radii } => {
            let v = DVec3::new(dice.normal(1.0), dice.normal(1.0), dice.normal(1.0));
            v.normalize_or(DVec3::Z) * DVec3::from_array(radii)
        }
        Shape::Frustum { bottom, top, half_height } => {
            let (sin, cos) = dice.within(0.0, std::f64::consts::TAU).sin_cos();
            let share = dice.unit();
            let (r, z) = match dice.below(4) {
                0 => (bottom * dice.unit(), -half_height),
                1 => (top * dice.unit(), half_height),
                _ => (bottom + (top - bottom) * share, half_height * (2.0 * share - 1.0)),
            };
            DVec3::new(r * cos, r * sin, z)
        }
    };
    solid.centre + solid.direction_from_own(own)
}

#[test]
fn the_same_numbers_give_the_same_bytes() {
    for world in World::ALL {
        let first = render(5, 3, &options(world)).expect("a picture");
        let again = render(5, 3, &options(world)).expect("a picture");
        assert_eq!(first.image, again.image);
        assert_eq!(first.depth, again.depth);
        assert_eq!(first.scene, again.scene);
        assert_eq!(first.instances, again.instances);
        for (seed, index) in [(5, 4), (6, 3)] {
            let other = render(seed, index, &options(world)).expect("a picture");
            assert_ne!(first.image, other.image);
            assert_ne!(first.scene.objects, other.scene.objects);
            assert_ne!(first.scene.id, other.scene.id);
        }
    }
}

#[test]
fn supersampling_changes_colours_and_no_truth() {
    for world in World::ALL {
        let plain = render(5, 3, &options(world)).expect("a picture");
        let fine = render(5, 3, &RenderOptions { supersample: 2, ..options(world) }).expect("a picture");
        assert_eq!((&plain.depth, &plain.normals), (&fine.depth, &fine.normals));
        assert_eq!((&plain.instances, &plain.scene), (&fine.instances, &fine.scene));
        assert_ne!(plain.image, fine.image);
    }
}

#[test]
fn visible_points_lie_on_their_objects_and_in_their_boxes() {
    for r in examples() {
        let (camera, frame) = (r.scene.camera, r.scene.frame);
        let mut on_objects = 0;
        for (at, (&id, &z)) in r.instances.ids().iter().zip(r.depth.0.values()).enumerate() {
            if id == 0 {
                continue;
            }
            on_objects += 1;
            let (column, row) = (at as u32 % camera.width, at as u32 / camera.width);
            let z = f64::from(z);
            let point = frame.point_from_camera(camera.pixel_ray(column, row) * z);
            let index = r.scene.index_of(u32::from(id)).expect("a listed object");
            let (object, solids) = (&r.scene.objects[index], &r.shapes[index].primitives);
            let off = solids.iter().map(|s| s.surface_distance(point).abs()).fold(f64::INFINITY, f64::min);
            assert!(off < 1e-4 * z, "{}: {off} off at depth {z}", object.name);
            // Nothing of the object is in front of its own visible surface.
            assert!(solids.iter().all(|s| s.surface_distance(point) > -1e-4 * z), "{}", object.name);
            for axis in 0..3 {
                assert!(
                    point[axis] > object.aabb.min[axis] - 1e-4 && point[axis] < object.aabb.max[axis] + 1e-4
                );
            }
            let mut grown = object.oriented;
            grown.size = grown.size.map(|s| s + 2e-4);
            assert!(grown.covers(point.x, point.y), "{} leaves its turned box", object.name);
        }
        assert!(on_objects > 0, "{} {} shows nothing", r.world, r.index);
    }
}

#[test]
fn normals_are_those_of_the_depth() {
    let (mut checked, mut wrong) = (0u32, 0u32);
    for r in examples() {
        let camera = r.scene.camera;
        let width = camera.width as usize;
        let z = r.depth.0.values();
        for row in 1..camera.height as usize - 1 {
            for column in 1..width - 1 {
                let at = row * width + column;
                let near = [at, at - 1, at + 1, at - width, at + width];
                let normal = r.normals[at];
                let n = DVec3::from_array(normal.map(f64::from));
                if z[at] == 0.0 {
                    assert_eq!(normal, [0.0; 3]);
                    continue;
                }
                assert!((n.length() - 1.0).abs() < 1e-5);
                let ray = camera.pixel_ray(column as u32, row as u32);
                assert!(n.dot(ray) < 1e-6, "a normal looks away");
                // Where neighbours have nearly the same normal, the surface goes on smoothly.
                let smooth = near
                    .iter()
                    .all(|&i| z[i] > 0.0 && DVec3::from_array(r.normals[i].map(f64::from)).dot(n) > 0.9995);
                if !smooth || n.dot(ray.normalize()) > -0.2 {
                    continue;
                }
                let point =
                    |i: usize| camera.pixel_ray((i % width) as u32, (i / width) as u32) * f64::from(z[i]);
                let (dx, dy) = (point(at + 1) - point(at - 1), point(at + width) - point(at - width));
                // A step from one surface to a parallel one (a door on a wall) bends the inverse depth.
                let bend = |a: usize, b: usize| (0.5 / z[a] + 0.5 / z[b] - 1.0 / z[at]).abs() * z[at];
                if bend(at - 1, at + 1).max(bend(at - width, at + width)) > 1e-3 {
                    continue;
                }
                checked += 1;
                wrong += u32::from(dy.cross(dx).normalize().dot(n) < 0.995);
            }
        }
    }
    // Symmetric steps, a pixel wide, remain.
    assert!(checked > 50_000 && f64::from(wrong) < 0.004 * f64::from(checked), "{wrong} of {checked}");
}

#[test]
fn boxes_are_tight() {
    let mut dice = Dice::new(3, 0, 0);
    for r in examples() {
        for (object, shape) in r.scene.objects.iter().zip(&r.shapes) {
            let frame_yaw = object.oriented.yaw;
            let turned = |p: DVec3| glam::DVec2::from_angle(-frame_yaw).rotate(p.truncate()).extend(p.z);
            let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
            let (mut own_low, mut own_high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
            for solid in &shape.primitives {
                for _ in 0..400 {
                    let p = surface_point(solid, &mut dice);
                    assert!(solid.surface_distance(p).abs() < 1e-9);
                    (low, high) = (low.min(p), high.max(p));
                    (own_low, own_high) = (own_low.min(turned(p)), own_high.max(turned(p)));
                }
            }
            let (min, max) = (DVec3::from_array(object.aabb.min), DVec3::from_array(object.aabb.max));
            let size = max - min;
            assert!(low.cmpge(min - 1e-9).all() && high.cmple(max + 1e-9).all(), "{}", object.name);
            // Random points come close to every face.
            assert!(
                (low - min).max(max - high).cmple(size * 0.12).all(),
                "{}: {min} {low} {high} {max}",
                object.name
            );
            let own_size = DVec3::from_array(object.oriented.size);
            assert!((own_high - own_low).cmple(own_size + 1e-9).all());
            assert!((own_high - own_low).cmpge(own_size * 0.8).all(), "{}", object.name);
            assert!((DVec3::from_array(object.oriented.centre).z - object.centre[2]).abs() < 1e-9);
        }
    }
}

#[test]
fn distances_are_the_shortest() {
    let mut dice = Dice::new(4, 0, 0);
    for r in examples() {
        assert_eq!(r.scene.pairs.len(), r.scene.objects.len() * (r.scene.objects.len() - 1) / 2);
        for pair in &r.scene.pairs {
            let (a, b) = (&r.shapes[pair.a as usize].primitives, &r.shapes[pair.b as usize].primitives);
            let (p, q) = (DVec3::from_array(pair.point_a), DVec3::from_array(pair.point_b));
            let apart = pair.distance.value;
            let from = |solids: &[Primitive], point: DVec3| {
                solids.iter().map(|s| s.surface_distance(point)).fold(f64::INFINITY, f64::min)
            };
            if apart > 0.0 {
                assert!((p.distance(q) - apart).abs() < 1e-9);
                assert!(from(a, p).abs() < 1e-5 && from(b, q).abs() < 1e-5, "witnesses off their objects");
            }
            // No sampled point of one is nearer to the other. (Away from an ellipsoid its distance is a first order value.)
            if b.iter().any(|s| matches!(s.shape, Shape::Ellipsoid { radii: [x, y, z] } if x != y || y != z))
            {
                continue;
            }
            for solid in a {
                for _ in 0..60 {
                    let point = surface_point(solid, &mut dice);
                    assert!(from(b, point) > apart - 1e-6, "{} < {apart}", from(b, point));
                }
            }
        }
    }
}

#[test]
fn simple_distances_are_known() {
    let upright = |shape, x: f64, y: f64, z: f64| [Primitive::upright(shape, DVec3::new(x, y, z), 0)];
    let cube = Shape::Box { half: [0.5; 3] };
    let ball = Shape::Ellipsoid { radii: [0.25; 3] };
    let cone = Shape::Frustum { bottom: 1.0, top: 0.0, half_height: 0.5 };
    for (a, b, expected) in [
        (upright(cube, 0.0, 0.0, 0.5), upright(cube, 3.0, 0.0, 0.5), 2.0),
        (upright(cube, 0.0, 0.0, 0.5), upright(cube, 3.0, 5.0, 0.5), 20f64.sqrt()),
        (upright(cube, 0.0, 0.0, 0.5), upright(ball, 0.0, 0.0, 3.25), 2.0),
        (upright(ball, 0.0, 0.0, 0.0), upright(ball, 1.0, 2.0, 2.0), 2.5),
        (upright(cone, 0.0, 0.0, 0.5), upright(cube, 0.0, 0.0, 2.5), 1.0),
        (upright(cone, 0.0, 0.0, 0.5), upright(ball, 4.0, 0.0, 0.0), 2.75),
        (upright(cube, 0.0, 0.0, 0.5), upright(cube, 0.3, 0.2, 1.5), 0.0),
    ] {
        let (found, p, q) = closest(&a, &b);
        assert!((found - expected).abs() < 1e-7, "{found}, expected {expected}");
        assert!((p.distance(q) - expected).abs() < 1e-7);
        assert!((closest(&b, &a).0 - expected).abs() < 1e-7);
    }
}

#[test]
fn nothing_stands_inside_of_anything() {
    let mut stacked = 0;
    for world in World::ALL {
        for index in 0..12 {
            let model = model(world, 21, index);
            let eye = model.frame.point_from_camera(DVec3::ZERO);
            let solids = model.backdrop.iter().chain(model.things.iter().flat_map(|t| &t.solids));
            for solid in solids {
                assert!(
                    solid.surface_distance(eye) > 0.08,
                    "the eye is inside of something in {world} {index}"
                );
            }
            for (i, thing) in model.things.iter().enumerate() {
                let (low, _) = super::shape::bounds(&thing.solids);
                assert!((low.z - thing.at.z).abs() < 1e-9, "{} hovers", thing.design.noun.one);
                for (j, other) in model.things.iter().enumerate().take(i) {
                    let on = thing.parent == Some(j) || other.parent == Some(i);
                    let names = (thing.design.noun.one, other.design.noun.one);
                    if on {
                        stacked += 1;
                        // It touches what it stands on, and a little higher it does not.
                        let lifted: Vec<_> =
                            thing.solids.iter().map(|s| s.placed(0.0, DVec3::new(0.0, 0.0, 1e-5))).collect();
                        assert!(closest(&lifted, &other.solids).0 > 1e-6, "{names:?} in {world} {index}");
                        assert_eq!(
                            closest(&thing.solids, &other.solids).0,
                            0.0,
                            "{names:?} in {world} {index}"
                        );
                    } else {
                        assert!(
                            closest(&thing.solids, &other.solids).0 > 0.001,
                            "{names:?} in {world} {index}"
                        );
                    }
                }
                // Walls, and whatever else is not the ground beneath it.
                for solid in &model.backdrop {
                    let lifted: Vec<_> =
                        thing.solids.iter().map(|s| s.placed(0.0, DVec3::new(0.0, 0.0, 0.002))).collect();
                    let apart = closest(&lifted, std::slice::from_ref(solid)).0;
                    assert!(apart > 0.0, "{} is in the backdrop of {world} {index}", thing.design.noun.one);
                }
            }
        }
    }
    assert!(stacked > 20, "only {stacked} things stand on others");
}

#[test]
fn everything_visible_is_listed_and_consistent() {
    for r in examples() {
        let scene = &r.scene;
        assert!(scene.exhaustive && scene.metric);
        let mut counts = vec![0u32; scene.objects.len() + 1];
        for &id in r.instances.ids() {
            counts[usize::from(id)] += 1;
        }
        assert_eq!(r.instances.labels.len(), scene.objects.len());
        for (object, label) in scene.objects.iter().zip(&r.instances.labels) {
            assert_eq!((object.id, &object.name), (u32::from(label.id), &label.name));
            assert_eq!(object.pixels, counts[object.id as usize]);
            assert!(object.pixels >= 24);
            let [x1, y1, x2, y2] = object.rect;
            let [u, v] = object.pixel_centre;
            assert!(x1 < u && u < x2 && y1 < v && v < y2);
            let visible = object.visible.expect("known");
            assert!((0.15..=1.0).contains(&visible));
            assert_eq!(object.flags.occluded, visible < 0.97);
            let border = x1 == 0.0 || y1 == 0.0 || x2 == 160.0 || y2 == 120.0;
            assert!(object.flags.truncated || !border);
            assert!(object.depth.near <= object.depth.median && object.depth.median <= object.depth.far);
            let support = object.support.expect("known").value;
            assert!((support - object.aabb.min[2]).abs() < 1e-9);
            assert!(category_names().contains(&(object.name.as_str(), object.plural.as_str())));
        }
        let text = serde_json::to_string(scene).expect("written");
        let back: Scene = serde_json::from_str(&text).expect("read");
        assert_eq!(&back, scene);
    }
}

#[test]
fn the_ground_is_level_at_zero() {
    // The lowest thing in view is the ground, if much of it is in view.
    for r in examples() {
        let (camera, frame) = (r.scene.camera, r.scene.frame);
        let mut level = 0;
        for (at, &z) in r.depth.0.values().iter().enumerate() {
            if z == 0.0 {
                continue;
            }
            let ray = camera.pixel_ray(at as u32 % camera.width, at as u32 / camera.width);
            let point = frame.point_from_camera(ray * f64::from(z));
            assert!(
                point.z > -1e-5 * f64::from(z) - 1e-6,
                "{} {}: {point} is below the ground",
                r.world,
                r.index
            );
            let up = frame.rotation() * DVec3::from_array(r.normals[at].map(f64::from));
            if point.z.abs() < 1e-4 && up.z > 0.9999 {
                level += 1;
            }
        }
        assert!(
            level > 100 || r.world == World::TableTop,
            "{} {} shows {level} pixels of ground",
            r.world,
            r.index
        );
        assert!((frame.point_from_camera(DVec3::ZERO).z - frame.camera_height).abs() < 1e-12);
    }
}

#[test]
fn named_colours_are_far_apart_and_looked_at_they_are_what_they_are_called() {
    for (i, a) in material::PALETTE.iter().enumerate() {
        for b in &material::PALETTE[..i] {
            let apart: f64 = (0..3).map(|c| (f64::from(a.srgb[c]) - f64::from(b.srgb[c])).powi(2)).sum();
            assert!(apart.sqrt() > 55.0, "{} and {}", a.name, b.name);
        }
    }
    // The hue of saturated things survives light and film.
    let hues = [("red", 0usize, 2usize), ("green", 1, 0), ("blue", 2, 0), ("yellow", 0, 2), ("orange", 0, 2)];
    let mut checked = 0;
    for world in World::ALL {
        for index in 0..8 {
            let r = render(31, index, &options(world)).expect("a picture");
            for object in &r.scene.objects {
                let named = object.attributes.colour.as_deref();
                let Some(&(_, most, least)) = hues.iter().find(|(name, ..)| named == Some(name)) else {
                    continue;
                };
                if object.attributes.pattern.is_some()
                    || ["plant", "tree", "bus", "car", "van", "truck", "bed"].contains(&&*object.name)
                {
                    continue;
                }
                let mut sum = [0u32; 3];
                for (at, &id) in r.instances.ids().iter().enumerate() {
                    if u32::from(id) == object.id {
                        let rgb = r.image.pixel(at as u32 % 160, at as u32 / 160).expect("a pixel");
                        (0..3).for_each(|c| sum[c] += u32::from(rgb[c]));
                    }
                }
                checked += 1;
                assert!(sum[most] > sum[least], "{named:?} {}: {sum:?}", object.name);
            }
        }
    }
    assert!(checked > 20, "only {checked} checked");
}

#[test]
fn sizes_of_categories_overlap() {
    // A blind guesser must not know from the nouns which of two is taller.
    let mut dice = Dice::new(9, 9, 9);
    let mut heights = |design: &mut dyn FnMut(&mut Dice) -> model::Design| {
        (0..60).fold((f64::INFINITY, 0.0f64), |(low, high), _| {
            let size = design(&mut dice).size();
            (low.min(size.z), high.max(size.z))
        })
    };
    let chair = heights(&mut furniture::chair);
    let table = heights(&mut furniture::table);
    let stool = heights(&mut furniture::stool);
    let shelf = heights(&mut furniture::bookshelf);
    let fridge = heights(&mut furniture::refrigerator);
    for (a, b) in [(chair, table), (table, stool), (shelf, fridge), (chair, shelf)] {
        assert!(a.0 < b.1 && b.0 < a.1, "{a:?} {b:?}");
    }
}

#[test]
fn absurd_options_are_refused() {
    let with = |options: RenderOptions| render(1, 1, &options).map(|_| ()).map_err(|e| e.to_string());
    for (options, field) in [
        (RenderOptions { width: 0, ..RenderOptions::default() }, "width is 0"),
        (RenderOptions { height: 100_000, ..RenderOptions::default() }, "height is 100000"),
        (RenderOptions { width: 4000, height: 20, ..RenderOptions::default() }, "4000 x 20"),
        (RenderOptions { supersample: 0, ..RenderOptions::default() }, "supersample is 0"),
    ] {
        let message = with(options).expect_err("refused");
        assert!(message.contains(field), "{message}");
    }
    assert!("moon".parse::<World>().is_err());
    for world in World::ALL {
        assert_eq!(world.to_string().parse::<World>().ok(), Some(world));
    }
    let names = category_names();
    assert!(names.windows(2).all(|pair| pair[0].0 < pair[1].0));
}
