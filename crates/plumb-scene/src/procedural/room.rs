//! Rooms.

use std::f64::consts::{FRAC_PI_2, PI};

use glam::{DVec2, DVec3};

use super::World;
use super::dice::Dice;
use super::finish::{floor_look, wall_look, wood_look};
use super::furniture as f;
use super::items as i;
use super::light::{Lighting, Source};
use super::material::{Material, Rgb, Texture, scaled, srgb};
use super::model::{Design, Model};
use super::place::{Eye, Stage};
use super::shape::{Primitive, Shape};
use crate::Result;

struct Room {
    w: f64,
    l: f64,
    h: f64,
}

pub(super) fn build(dice: &mut Dice, size: [u32; 2]) -> Result<Model> {
    let room = Room { w: dice.within(3.4, 6.8), l: dice.within(3.8, 7.6), h: dice.within(2.4, 3.1) };
    let fov = dice.within(35.0, 85.0).to_radians();
    let near = if fov < 0.8 { 0.2 } else { dice.within(0.2, 0.25 * room.l) };
    let at = DVec3::new(room.w * dice.within(0.15, 0.85), near, dice.within(0.9, (room.h - 0.35).min(2.3)));
    let target =
        DVec3::new(room.w * dice.within(0.2, 0.8), room.l * dice.within(0.55, 0.9), dice.within(0.15, 0.9));
    let roll = if dice.chance(0.15) { dice.within(-0.28, 0.28) } else { dice.normal(0.04) };
    let jitter = [dice.normal(0.06), dice.normal(0.05)];
    let eye = Eye::looking(size, fov, at, target, jitter, roll)?;
    let mut stage = Stage::default();
    shell(dice, &mut stage, &room);
    furnish(dice, &mut stage, &room, &eye);

    let lamp = dice.chance(0.7);
    let warm = dice.within(0.0, 1.0) as f32;
    let tint: Rgb = [1.0, 0.97 - 0.09 * warm, 0.93 - 0.2 * warm];
    let source = if lamp {
        let at = DVec3::new(room.w * dice.within(0.3, 0.7), room.l * dice.within(0.3, 0.7), room.h - 0.12);
        Source::Lamp { at }
    } else {
        // Daylight from windows behind the camera.
        let towards = DVec3::new(dice.within(-0.8, 0.8), dice.within(-0.9, -0.2), dice.within(0.7, 1.4));
        Source::Sun { towards: towards.normalize() }
    };
    let strength = if lamp { dice.within(0.75, 1.05) } else { dice.within(0.7, 1.0) } as f32;
    let centre = DVec3::new(room.w / 2.0, room.l / 2.0, 0.0);
    let lighting = Lighting {
        source,
        colour: scaled(tint, strength),
        ambient: [
            scaled([0.95, 0.97, 1.0], dice.within(0.42, 0.58) as f32),
            scaled([0.98, 0.95, 0.9], dice.within(0.38, 0.5) as f32),
        ],
        softness: if dice.chance(0.3) { 0.0 } else { dice.within(1.0, 4.0) as f32 },
        focus: (centre, room.w.hypot(room.l) / 2.0 + 0.3),
        haze: 0.0,
        sky: [[0.4; 3]; 2],
        exposure: dice.within(0.92, 1.12) as f32,
        noise: dice.within(0.6, 2.0) as f32,
    };
    let inside = Shape::Box { half: [room.w / 2.0, room.l / 2.0, room.h / 2.0] };
    let inside = Primitive::upright(inside, DVec3::new(room.w / 2.0, room.l / 2.0, room.h / 2.0), 0);
    let model = Model {
        world: World::Room,
        camera: eye.camera,
        frame: eye.frame,
        backdrop: stage.backdrop,
        things: stage.things,
        materials: stage.materials,
        lighting,
        room: Some(inside),
        reach: 0.3,
    };
    Ok(model.into_scene_frame(eye.at, eye.heading))
}

/// Floor, walls, ceiling, and what hangs on the walls.
fn shell(dice: &mut Dice, stage: &mut Stage, room: &Room) {
    let Room { w, l, h } = *room;
    let floor = floor_look(dice);
    let floor = stage.material(floor);
    let look = wall_look(dice);
    let wall = stage.material(look);
    let accent = if dice.chance(0.25) { wall_look(dice) } else { look };
    let accent = stage.material(accent);
    let ceiling = stage.material(Material::plain(srgb([236, 235, 230])));
    let white = stage.material(Material::plain(srgb([240, 238, 232])).glossy(0.1));
    let t = 0.1;
    stage.wall([-t, -t, -t], [w + t, l + t, 0.0], floor);
    stage.wall([-t, -t, h], [w + t, l + t, h + t], ceiling);
    stage.wall([-t, l, 0.0], [w + t, l + t, h], accent);
    stage.wall([-t, -t, 0.0], [0.0, l, h], wall);
    stage.wall([w, -t, 0.0], [w + t, l, h], wall);
    stage.wall([0.0, -t, 0.0], [w, 0.0, h], wall);
    let (b, tall) = (0.015, dice.within(0.06, 0.12));
    stage.wall([0.0, l - b, 0.0], [w, l, tall], white);
    stage.wall([0.0, 0.0, 0.0], [b, l - b, tall], white);
    stage.wall([w - b, 0.0, 0.0], [w, l - b, tall], white);
    // Windows, doors and pictures are part of the backdrop: flat on the wall, behind everything.
    let glass = stage.material(Material::plain(srgb([168, 206, 236])).glossy(0.4).glowing(0.45));
    let door = wood_look(dice);
    let door = stage.material(door);
    let knob = stage.material(Material::plain(srgb([120, 112, 90])).glossy(0.5));
    let mut on_wall =
        |side: usize, from: f64, to: f64, low: f64, high: f64, out: [f64; 2], material: u16| match side {
            0 => stage.wall([from, l - out[1], low], [to, l - out[0], high], material),
            1 => stage.wall([out[0], from, low], [out[1], to, high], material),
            _ => stage.wall([w - out[1], from, low], [w - out[0], to, high], material),
        };
    for side in 0..3 {
        let length = if side == 0 { w } else { l };
        match dice.below(4) {
            0 => {
                let (from, wide) = (dice.within(0.3, length - 1.9), dice.within(0.8, 1.5));
                let (low, high) = (dice.within(0.8, 1.1), dice.within(1.8, 2.2));
                on_wall(side, from, from + wide, low, high, [0.0, 0.012], glass);
                for (a, b) in [
                    (from - 0.06, from),
                    (from + wide, from + wide + 0.06),
                    (from + wide / 2.0 - 0.02, from + wide / 2.0 + 0.02),
                ] {
                    on_wall(side, a, b, low - 0.06, high + 0.06, [0.0, 0.03], white);
                }
                for (a, b) in [
                    (low - 0.06, low),
                    (high, high + 0.06),
                    (low * 0.4 + high * 0.6 - 0.02, low * 0.4 + high * 0.6 + 0.02),
                ] {
                    on_wall(side, from, from + wide, a, b, [0.0, 0.028], white);
                }
            }
            1 => {
                let from = dice.within(0.3, length - 1.4);
                on_wall(side, from, from + 0.86, 0.0, 2.04, [0.0, 0.03], door);
                on_wall(side, from - 0.07, from, 0.0, 2.1, [0.0, 0.04], white);
                on_wall(side, from + 0.86, from + 0.93, 0.0, 2.1, [0.0, 0.04], white);
                on_wall(side, from, from + 0.86, 2.04, 2.1, [0.0, 0.04], white);
                on_wall(side, from + 0.74, from + 0.8, 0.98, 1.05, [0.03, 0.09], knob);
            }
            _ => {}
        }
    }
    if dice.chance(0.4) {
        rug(dice, stage, room);
    }
}

/// Too flat to be an object.
fn rug(dice: &mut Dice, stage: &mut Stage, room: &Room) {
    let colours = [[150, 60, 56], [70, 92, 126], [176, 160, 132], [86, 110, 92], [120, 104, 130]];
    let (base, second) = (srgb(dice.pick(colours)), srgb(dice.pick([[220, 208, 186], [90, 80, 74]])));
    let texture = match dice.below(3) {
        0 => Texture::Stripes { width: dice.within(0.06, 0.16) as f32 },
        1 => Texture::Checks { size: dice.within(0.1, 0.3) as f32 },
        _ => Texture::Mottled { scale: 0.12, strength: 0.6 },
    };
    let look = stage.material(Material::plain(base).textured(texture, second));
    let half = [dice.within(0.7, 1.3).min(room.w * 0.35), dice.within(0.6, 1.1)];
    let centre = [room.w * dice.within(0.4, 0.6), room.l * dice.within(0.45, 0.65)];
    stage.wall(
        [centre[0] - half[0], centre[1] - half[1], 0.0],
        [centre[0] + half[0], centre[1] + half[1], 0.0004],
        look,
    );
}

fn furnish(dice: &mut Dice, stage: &mut Stage, room: &Room, eye: &Eye) {
    for _ in 0..dice.count(2, 4) {
        let design = match dice.below(8) {
            0 => f::bed(dice),
            1 | 2 => f::sofa(dice),
            3 => f::wardrobe(dice),
            4 => f::bookshelf(dice),
            5 | 6 => f::cabinet(dice),
            _ => f::refrigerator(dice),
        };
        against_wall(dice, stage, room, eye, &design);
    }
    if dice.chance(0.75) {
        table_with_chairs(dice, stage, room, eye);
    }
    for _ in 0..dice.count(1, 4) {
        let kind = dice.below(9);
        let twins = dice.chance(0.5);
        let copies = if dice.chance(0.45) { dice.count(2, 3) } else { 1 };
        let mut last: Option<Design> = None;
        for _ in 0..copies {
            // Twins look the same; the others only have their name in common.
            let design = match &last {
                Some(same) if twins => same.clone(),
                _ => loose(dice, kind),
            };
            last = Some(design.clone());
            anywhere(dice, stage, room, eye, &design);
        }
    }
    let supports: Vec<usize> = (0..stage.things.len()).collect();
    for on in supports {
        let Some(thing) = stage.things.get(on) else { continue };
        let levels = thing.design.tops.len();
        let noun = thing.design.noun;
        let upper = match levels {
            0 => continue,
            1 => {
                if noun == f::SOFA || noun == f::BED {
                    1
                } else {
                    3
                }
            }
            more => more * 2,
        };
        for _ in 0..dice.count(usize::from(levels > 1), upper) {
            let shelf = levels > 1;
            let design = small(dice, shelf, noun == f::CABINET, noun == f::SOFA || noun == f::BED);
            let turned = if shelf || design.noun == f::TELEVISION {
                0.0
            } else {
                dice.within(-0.6, 0.6) + if noun == f::TABLE { dice.pick([0.0, PI]) } else { 0.0 }
            };
            stage.stack(dice, design, on, turned);
        }
    }
}

fn loose(dice: &mut Dice, kind: usize) -> Design {
    match kind {
        0 => f::stool(dice),
        1 => {
            let height = dice.within(1.15, 1.9);
            f::lamp(dice, height)
        }
        2 => {
            let height = dice.within(0.4, 1.9);
            f::plant(dice, height)
        }
        3 => i::carton(dice, [0.18, 0.7]),
        4 => {
            let radius = dice.within(0.09, 0.34);
            i::ball(dice, radius)
        }
        5 => {
            let height = dice.within(0.3, 0.9);
            i::vase(dice, height)
        }
        6 => f::trash_can(dice, [0.26, 0.75]),
        7 => f::suitcase(dice),
        _ => f::chair(dice),
    }
}

fn small(dice: &mut Dice, shelf: bool, wide: bool, soft: bool) -> Design {
    if soft {
        return match dice.below(3) {
            0 => i::book(dice),
            1 => {
                let radius = dice.within(0.06, 0.12);
                i::ball(dice, radius)
            }
            _ => i::carton(dice, [0.1, 0.35]),
        };
    }
    match dice.below(12) {
        0 | 1 if shelf => i::standing_book(dice),
        0 => i::mug(dice),
        1 => i::laptop(dice),
        2 => i::book(dice),
        3 => {
            let height = dice.within(0.14, 0.42);
            i::vase(dice, height)
        }
        4 if !shelf => {
            let height = dice.within(0.32, 0.72);
            f::lamp(dice, height)
        }
        5 | 6 => {
            let height = dice.within(0.2, 0.55);
            f::plant(dice, height)
        }
        7 => i::bottle(dice),
        8 => {
            let radius = dice.within(0.05, 0.13);
            i::ball(dice, radius)
        }
        9 if wide => {
            let width = dice.within(0.5, 1.15);
            f::television(dice, width)
        }
        9 => i::clock(dice),
        10 => i::bowl(dice),
        _ => i::carton(dice, [0.1, 0.32]),
    }
}

fn against_wall(dice: &mut Dice, stage: &mut Stage, room: &Room, eye: &Eye, design: &Design) {
    let size = design.size();
    for _ in 0..24 {
        let gap = size.y / 2.0 + dice.within(0.045, 0.1);
        let along = |dice: &mut Dice, length: f64| {
            dice.within(size.x / 2.0 + 0.05, (length - size.x / 2.0 - 0.05).max(size.x / 2.0 + 0.05))
        };
        let (x, y, yaw) = match dice.below(4) {
            0 | 1 => (along(dice, room.w), room.l - gap, 0.0),
            2 => (gap, along(dice, room.l), FRAC_PI_2),
            _ => (room.w - gap, along(dice, room.l), -FRAC_PI_2),
        };
        if settle(stage, room, eye, design, DVec2::new(x, y), yaw) {
            return;
        }
    }
}

fn anywhere(dice: &mut Dice, stage: &mut Stage, room: &Room, eye: &Eye, design: &Design) {
    for _ in 0..24 {
        let (x, y) = (room.w * dice.unit(), room.l * dice.unit());
        let yaw = dice.within(-PI, PI);
        if settle(stage, room, eye, design, DVec2::new(x, y), yaw) {
            return;
        }
    }
}

/// Puts it there if it fits, in view and inside of the walls.
fn settle(stage: &mut Stage, room: &Room, eye: &Eye, design: &Design, at: DVec2, yaw: f64) -> bool {
    let size = design.size();
    let inside = Stage::print(design, at, yaw)
        .corners()
        .iter()
        .all(|c| c.x > 0.04 && c.y > 0.04 && c.x < room.w - 0.04 && c.y < room.l - 0.04);
    let middle = at.extend(size.z / 2.0);
    if !inside || size.z > room.h - 0.1 || !eye.sees(middle, 0.03) || eye.away(at) < 1.05 + size.x / 2.0 {
        return false;
    }
    let fits = stage.fits(design, at.extend(0.0), yaw, eye, 0.5);
    if fits {
        stage.add(design.clone(), at.extend(0.0), yaw, None);
    }
    fits
}

fn table_with_chairs(dice: &mut Dice, stage: &mut Stage, room: &Room, eye: &Eye) {
    let table = f::table(dice);
    let before = stage.things.len();
    anywhere(dice, stage, room, eye, &table);
    let Some(placed) = stage.things.get(before) else { return };
    let (at, yaw, size) = (placed.at.truncate(), placed.yaw, table.size());
    if size.z < 0.62 {
        return;
    }
    let same = f::chair(dice);
    let alike = dice.chance(0.6);
    for side in 0..4 {
        if dice.chance(0.45) {
            continue;
        }
        let chair = if alike { same.clone() } else { f::chair(dice) };
        let depth = chair.size().y;
        let out = if side % 2 == 0 { size.y } else { size.x } / 2.0 + depth * dice.within(0.25, 0.75);
        // The back of the chair is away from the table.
        let turn = yaw + f64::from(side) * FRAC_PI_2;
        let place = at + DVec2::from_angle(turn + FRAC_PI_2) * out;
        settle(stage, room, eye, &chair, place, turn + dice.normal(0.12));
    }
}
