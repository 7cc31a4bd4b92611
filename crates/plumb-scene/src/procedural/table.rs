//! Table tops: small things on one table, seen from a seat or from above.

use std::f64::consts::PI;

use glam::{DVec2, DVec3};

use super::World;
use super::dice::Dice;
use super::finish::wood_look;
use super::furniture as f;
use super::items as i;
use super::light::{Lighting, Source};
use super::material::{Material, Texture, scaled, srgb};
use super::model::{Design, Model};
use super::place::{Eye, Stage};
use crate::Result;

/// Half sizes of the table, its height, and whether it is round.
struct Board {
    half: DVec2,
    height: f64,
    round: bool,
}

impl Board {
    fn holds(&self, point: DVec2) -> bool {
        let edge = 0.015;
        if self.round {
            point.length() < self.half.x - edge
        } else {
            point.x.abs() < self.half.x - edge && point.y.abs() < self.half.y - edge
        }
    }
}

pub(super) fn build(dice: &mut Dice, size: [u32; 2]) -> Result<Model> {
    let round = dice.chance(0.3);
    let (a, b) = (dice.within(0.42, 0.85), dice.within(0.32, 0.55));
    let board = Board {
        half: if round { DVec2::splat(b + 0.1) } else { DVec2::new(a, b) },
        height: dice.within(0.45, 0.95),
        round,
    };
    let fov = dice.within(35.0, 70.0).to_radians();
    let (sin, cos) = dice.within(-0.7, 0.7).sin_cos();
    let away = dice.within(0.55, 1.0) * (0.9 / fov).clamp(0.8, 1.5);
    let up = dice.within(0.22, 0.75);
    let at = DVec3::new(sin * away, -cos * away - board.half.y * 0.3, board.height + up);
    let spread = board.half * 0.35;
    let target = DVec3::new(
        spread.x * dice.within(-1.0, 1.0),
        spread.y * dice.within(-0.6, 1.0),
        board.height + dice.within(0.0, 0.1),
    );
    let roll = if dice.chance(0.15) { dice.within(-0.3, 0.3) } else { dice.normal(0.04) };
    let jitter = [dice.normal(0.04), dice.normal(0.04)];
    let eye = Eye::looking(size, fov, at, target, jitter, roll)?;
    let mut stage = Stage::default();
    surroundings(dice, &mut stage, &board);
    furnish(dice, &mut stage, &board, &eye);

    let lamp = dice.chance(0.45);
    let source = if lamp {
        let at =
            DVec3::new(dice.within(-0.8, 0.8), dice.within(-0.7, 0.7), board.height + dice.within(1.1, 1.6));
        Source::Lamp { at }
    } else {
        let (sin, cos) = dice.within(-PI, PI).sin_cos();
        Source::Sun { towards: DVec3::new(cos, sin, dice.within(0.7, 1.8)).normalize() }
    };
    let warm = dice.unit() as f32;
    let strength = if lamp { dice.within(0.6, 0.8) } else { dice.within(0.65, 1.0) } as f32;
    let lighting = Lighting {
        source,
        colour: scaled([1.0, 0.97 - 0.09 * warm, 0.93 - 0.2 * warm], strength),
        ambient: [
            scaled([0.95, 0.97, 1.0], dice.within(0.4, 0.56) as f32),
            scaled([0.98, 0.95, 0.9], dice.within(0.34, 0.46) as f32),
        ],
        softness: if dice.chance(0.3) { 0.0 } else { dice.within(1.0, 5.0) as f32 },
        focus: (DVec3::new(0.0, 0.0, board.height), 1.25),
        haze: 0.0,
        sky: [[0.4; 3]; 2],
        exposure: dice.within(0.92, 1.12) as f32,
        noise: dice.within(0.6, 2.0) as f32,
    };
    let model = Model {
        world: World::TableTop,
        camera: eye.camera,
        frame: eye.frame,
        backdrop: stage.backdrop,
        things: stage.things,
        materials: stage.materials,
        lighting,
        room: None,
        reach: 0.45,
    };
    Ok(model.into_scene_frame(eye.at, eye.heading))
}

/// So many solids of the backdrop come before those of the table: the floor and two walls.
pub(super) const WALLS: usize = 3;

/// The floor, two walls and the table itself: all of it backdrop.
fn surroundings(dice: &mut Dice, stage: &mut Stage, board: &Board) {
    let floor = srgb(dice.pick([[150, 132, 112], [120, 118, 116], [168, 150, 126], [104, 96, 92]]));
    let planks = Texture::Planks { width: 0.14, length: 1.3 };
    let floor = stage.material(Material::plain(floor).textured(planks, scaled(floor, 0.75)));
    let wall = srgb(dice.pick([
        [206, 200, 188],
        [176, 188, 196],
        [190, 198, 178],
        [212, 192, 176],
        [150, 154, 162],
    ]));
    let cloud = Texture::Mottled { scale: 0.5, strength: 0.3 };
    let wall = stage.material(Material::plain(wall).textured(cloud, scaled(wall, 0.8)));
    let back = board.half.y + dice.within(0.25, 2.5);
    let side = board.half.x + dice.within(0.4, 2.5);
    stage.wall([-8.0, -6.0, -0.1], [8.0, back, 0.0], floor);
    stage.wall([-8.0, back, 0.0], [8.0, back + 0.1, 4.0], wall);
    if dice.chance(0.5) {
        stage.wall([-side - 0.1, -6.0, 0.0], [-side, back, 4.0], wall);
    } else {
        stage.wall([side, -6.0, 0.0], [side + 0.1, back, 4.0], wall);
    }
    let look = match dice.below(7) {
        0..=2 => wood_look(dice),
        3 => {
            let pale = srgb([206, 176, 134]);
            let grain = Texture::Wood { scale: 0.25 };
            Material::plain(pale).textured(grain, scaled(pale, 0.72)).glossy(0.05)
        }
        4 => Material::plain(srgb([222, 220, 214])).glossy(0.1),
        5 => {
            let cloth = srgb(dice.pick([[186, 70, 66], [80, 110, 160], [100, 140, 100], [200, 176, 120]]));
            let checks = Texture::Checks { size: dice.within(0.03, 0.07) as f32 };
            Material::plain(srgb([232, 228, 220])).textured(checks, cloth)
        }
        _ => {
            let stone = srgb(dice.pick([[168, 166, 162], [98, 100, 104]]));
            Material::plain(stone)
                .textured(Texture::Mottled { scale: 0.06, strength: 0.6 }, scaled(stone, 0.75))
        }
    };
    let top = stage.material(look);
    let legs = stage.material(Material { base: scaled(look.base, 0.8), ..look });
    let thick = 0.035;
    let (x, y, h) = (board.half.x, board.half.y, board.height);
    if board.round {
        use super::shape::{Primitive, Shape};
        let disc = Shape::Frustum { bottom: x, top: x, half_height: thick / 2.0 };
        stage.backdrop.push(Primitive::upright(disc, DVec3::new(0.0, 0.0, h - thick / 2.0), top));
        let foot = Shape::Frustum { bottom: 0.06, top: 0.05, half_height: (h - thick) / 2.0 };
        stage.backdrop.push(Primitive::upright(foot, DVec3::new(0.0, 0.0, (h - thick) / 2.0), legs));
    } else {
        stage.wall([-x, -y, h - thick], [x, y, h], top);
        for (sx, sy) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            let (cx, cy) = (sx * (x - 0.06), sy * (y - 0.06));
            stage.wall([cx - 0.03, cy - 0.03, 0.0], [cx + 0.03, cy + 0.03, h - thick], legs);
        }
    }
}

fn item(dice: &mut Dice, kind: usize) -> Design {
    match kind {
        0 | 1 => i::mug(dice),
        2 => i::bottle(dice),
        3 => i::bowl(dice),
        4 => i::plate(dice),
        5 => i::book(dice),
        6 => i::laptop(dice),
        7 => i::apple(dice),
        8 => i::orange(dice),
        9 => i::can(dice),
        10 => i::teapot(dice),
        11 => i::candle(dice),
        12 => i::die(dice),
        13 => {
            let height = dice.within(0.09, 0.32);
            i::vase(dice, height)
        }
        14 => i::carton(dice, [0.05, 0.2]),
        15 => {
            let radius = dice.within(0.02, 0.07);
            i::ball(dice, radius)
        }
        16 => i::clock(dice),
        17 => i::saucepan(dice),
        18 => {
            let height = dice.within(0.12, 0.38);
            f::plant(dice, height)
        }
        _ => {
            let height = dice.within(0.25, 0.46);
            f::lamp(dice, height)
        }
    }
}

const KINDS: usize = 20;

fn furnish(dice: &mut Dice, stage: &mut Stage, board: &Board, eye: &Eye) {
    for _ in 0..dice.count(4, 8) {
        let kind = dice.below(KINDS);
        let copies = if dice.chance(0.35) { dice.count(2, 4) } else { 1 };
        let twins = dice.chance(0.35);
        let mut last: Option<Design> = None;
        for _ in 0..copies {
            let design = match &last {
                Some(same) if twins => same.clone(),
                _ => item(dice, kind),
            };
            last = Some(design.clone());
            put(dice, stage, board, eye, &design);
        }
    }
    let count = stage.things.len();
    for on in 0..count {
        if stage.things.get(on).is_some_and(|thing| !thing.design.tops.is_empty()) && dice.chance(0.55) {
            let small = dice.pick([5, 7, 8, 12, 15, 9, 0, 14, 11, 16]);
            let design = item(dice, small);
            let yaw = dice.within(-PI, PI);
            stage.stack(dice, design, on, yaw);
        }
    }
}

fn put(dice: &mut Dice, stage: &mut Stage, board: &Board, eye: &Eye, design: &Design) {
    let size = design.size();
    for _ in 0..24 {
        let at = DVec2::new(board.half.x * dice.within(-1.0, 1.0), board.half.y * dice.within(-1.0, 1.0));
        // A screen faces the viewer, roughly.
        let yaw = if size.x > 0.24 { eye.heading + dice.within(-0.9, 0.9) } else { dice.within(-PI, PI) };
        let place = at.extend(board.height);
        let on_board = Stage::print(design, at, yaw).corners().iter().all(|&corner| board.holds(corner));
        let near = (eye.at - (place + DVec3::new(0.0, 0.0, size.z / 2.0))).length();
        if on_board
            && near > 0.28 + size.max_element() / 2.0
            && eye.sees(place + DVec3::new(0.0, 0.0, size.z / 2.0), 0.02)
            && stage.fits(design, place, yaw, eye, 0.12)
        {
            stage.add(design.clone(), place, yaw, None);
            return;
        }
    }
}
