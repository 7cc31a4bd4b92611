//! Streets: a road along y between pavements and houses.

use std::f64::consts::{FRAC_PI_2, PI};

use glam::{DVec2, DVec3};

use super::World;
use super::dice::Dice;
use super::furniture::trash_can;
use super::light::{Lighting, Source};
use super::material::{Material, Texture, mixed, scaled, srgb};
use super::model::{Design, Model};
use super::outdoor as o;
use super::place::{Eye, Stage};
use super::vehicles as v;
use crate::Result;

/// Cross section: the road from `left` to `right` (x), the height of the pavements and their widths.
struct Street {
    left: f64,
    right: f64,
    kerb: f64,
    wide: [f64; 2],
}

pub(super) fn build(dice: &mut Dice, size: [u32; 2]) -> Result<Model> {
    let road = dice.within(6.0, 10.5);
    let street = Street {
        left: -road / 2.0,
        right: road / 2.0,
        kerb: dice.within(0.09, 0.17),
        wide: [dice.within(2.6, 5.0), dice.within(2.6, 5.0)],
    };
    let fov = dice.within(35.0, 75.0).to_radians();
    let on_pavement = dice.chance(0.6);
    let x = if on_pavement {
        let side = if dice.chance(0.5) {
            street.left - street.wide[0] * 0.6
        } else {
            street.right + street.wide[1] * 0.6
        };
        side.clamp(street.left - street.wide[0] + 0.6, street.right + street.wide[1] - 0.6)
    } else {
        dice.within(street.left * 0.7, street.right * 0.7)
    };
    let at = DVec3::new(
        x,
        0.0,
        dice.within(1.3, 2.6) + if dice.chance(0.2) { dice.within(0.5, 2.5) } else { 0.0 },
    );
    // Across from a pavement, or along the road.
    let target = DVec3::new(-x * dice.within(0.0, 1.0), dice.within(7.0, 16.0), dice.within(0.4, 1.3));
    let roll = if dice.chance(0.12) { dice.within(-0.22, 0.22) } else { dice.normal(0.03) };
    let jitter = [dice.normal(0.12), dice.normal(0.04)];
    let eye = Eye::looking(size, fov, at, target, jitter, roll)?;
    let mut stage = Stage::default();
    ground(dice, &mut stage, &street);
    houses(dice, &mut stage, &street);
    furnish(dice, &mut stage, &street, &eye);

    let (sin, cos) = dice.within(-PI, PI).sin_cos();
    let towards = DVec3::new(cos, sin, dice.within(0.6, 1.6)).normalize();
    let overcast = dice.chance(0.25);
    let sky = if overcast {
        [srgb([176, 184, 192]), srgb([206, 210, 212])]
    } else {
        let zenith = srgb(dice.pick([[84, 140, 210], [104, 152, 214], [70, 126, 200]]));
        [zenith, srgb(dice.pick([[196, 216, 234], [212, 220, 226], [226, 214, 196]]))]
    };
    let strength = if overcast { 0.35 } else { dice.within(0.95, 1.2) } as f32;
    let lighting = Lighting {
        source: Source::Sun { towards },
        colour: scaled([1.0, 0.95, 0.86], strength),
        ambient: [
            scaled(mixed(sky[0], [0.9; 3], 0.4), if overcast { 0.85 } else { 0.52 }),
            scaled([0.82, 0.8, 0.76], 0.3),
        ],
        softness: if overcast { 5.0 } else { dice.within(0.0, 1.4) as f32 },
        focus: (DVec3::new(at.x * 0.5 + target.x * 0.5, 13.0, 0.0), 22.0),
        haze: dice.within(180.0, 600.0) as f32,
        sky,
        exposure: dice.within(1.05, 1.3) as f32,
        noise: dice.within(0.6, 1.8) as f32,
    };
    let model = Model {
        world: World::Street,
        camera: eye.camera,
        frame: eye.frame,
        backdrop: stage.backdrop,
        things: stage.things,
        materials: stage.materials,
        lighting,
        room: None,
        reach: 0.3,
    };
    Ok(model.into_scene_frame(eye.at, eye.heading))
}

const FAR: f64 = 160.0;

fn ground(dice: &mut Dice, stage: &mut Stage, street: &Street) {
    let asphalt = srgb(dice.pick([[104, 105, 108], [122, 121, 119], [94, 96, 100]]));
    let mottled = Texture::Mottled { scale: 0.35, strength: 0.5 };
    let asphalt = stage.material(Material::plain(asphalt).textured(mottled, scaled(asphalt, 0.7)));
    let paving = srgb(dice.pick([[176, 172, 164], [160, 158, 156], [184, 170, 152]]));
    let tiles = Texture::Tiles { size: dice.within(0.4, 0.9) as f32, joint: 0.02 };
    let paving = stage.material(Material::plain(paving).textured(tiles, scaled(paving, 0.6)));
    let stone = stage.material(Material::plain(srgb([190, 188, 184])));
    let paint = stage.material(Material::plain(srgb([226, 224, 216])));
    let grass = srgb([98, 124, 60]);
    let grass = stage.material(
        Material::plain(grass).textured(Texture::Mottled { scale: 0.8, strength: 0.9 }, scaled(grass, 0.55)),
    );
    stage.wall([-FAR, -20.0, -0.5], [FAR, FAR, 0.0], asphalt);
    let kerb = street.kerb;
    for (inner, outer) in
        [(street.left, street.left - street.wide[0]), (street.right, street.right + street.wide[1])]
    {
        let out = (outer - inner).signum();
        let mut slab = |from: f64, to: f64, height: f64, material: u16| {
            stage.wall([from.min(to), -20.0, 0.0], [from.max(to), FAR, height], material);
        };
        slab(inner, inner + out * 0.16, kerb, stone);
        slab(inner + out * 0.16, outer, kerb, paving);
        slab(outer, outer + out * 60.0, kerb, grass);
    }
    // Markings lie a hair above the road.
    let (dash, gap) = (dice.within(1.5, 3.0), dice.within(1.5, 3.5));
    let mut y = -3.0;
    while y < 90.0 {
        stage.wall([-0.06, y, 0.0], [0.06, y + dash, 0.0006], paint);
        y += dash + gap;
    }
    if dice.chance(0.35) {
        let y = dice.within(6.0, 14.0);
        let mut x = street.left + 0.4;
        while x + 0.5 < street.right {
            stage.wall([x, y, 0.0007], [x + 0.5, y + 2.6, 0.0012], paint);
            x += 1.0;
        }
    }
}

fn houses(dice: &mut Dice, stage: &mut Stage, street: &Street) {
    let roof = stage.material(Material::plain(srgb([92, 74, 68])));
    let colours = [
        [190, 168, 140],
        [172, 118, 96],
        [206, 198, 182],
        [150, 158, 166],
        [198, 178, 120],
        [160, 140, 132],
        [140, 150, 136],
        [214, 206, 200],
    ];
    for (edge, out) in [(street.left - street.wide[0], -1.0), (street.right + street.wide[1], 1.0)] {
        let mut y = -14.0;
        while y < 95.0 {
            let long = dice.within(7.0, 15.0);
            if dice.chance(0.14) {
                y += long * 0.7;
                continue;
            }
            let back = dice.within(0.0, 1.2);
            let (low, high) = (edge + out * (0.06 + back), edge + out * (back + 11.0));
            let height = dice.within(5.0, 14.0);
            let base = scaled(srgb(dice.pick(colours)), dice.within(0.85, 1.1) as f32);
            let glass = srgb(dice.pick([[70, 84, 100], [96, 112, 128], [54, 62, 74]]));
            let facade = Texture::Facade {
                pitch: [dice.within(1.8, 3.0) as f32, dice.within(2.7, 3.3) as f32],
                pane: [dice.within(0.4, 0.6) as f32, dice.within(0.45, 0.6) as f32],
            };
            let material = stage.material(Material::plain(base).textured(facade, glass));
            let gap = if dice.chance(0.3) { dice.within(0.3, 1.2) } else { 0.02 };
            stage.wall([low.min(high), y, street.kerb], [low.max(high), y + long - gap, height], material);
            let lip = 0.25;
            let (low, high) = (low - out * lip, high);
            stage.wall([low.min(high), y, height], [low.max(high), y + long - gap, height + 0.35], roof);
            y += long;
        }
    }
    // Something closes the street far off.
    let base = srgb(dice.pick(colours));
    let facade = Texture::Facade { pitch: [2.6, 3.0], pane: [0.5, 0.5] };
    let material = stage.material(Material::plain(base).textured(facade, srgb([80, 92, 108])));
    let y = dice.within(98.0, 130.0);
    stage.wall([-60.0, y, 0.0], [60.0, y + 10.0, dice.within(7.0, 16.0)], material);
}

#[derive(Clone, Copy)]
enum Strip {
    Road,
    Parking,
    /// Along the kerb, for what stands in a row.
    KerbSide,
    Pavement,
    Anywhere,
}

fn furnish(dice: &mut Dice, stage: &mut Stage, street: &Street, eye: &Eye) {
    for _ in 0..dice.count(2, 5) {
        let (design, strip) = match dice.below(10) {
            0..=4 => (v::car(dice), Strip::Parking),
            5 | 6 => (v::van(dice), Strip::Parking),
            7 => (v::truck(dice), Strip::Road),
            8 => (v::bus(dice), Strip::Road),
            _ => (v::car(dice), Strip::Road),
        };
        put(dice, stage, street, eye, &design, strip);
    }
    for _ in 0..dice.count(3, 6) {
        let kind = dice.below(11);
        let copies = if dice.chance(0.5) { dice.count(2, 4) } else { 1 };
        let twins = dice.chance(0.4);
        let mut last: Option<Design> = None;
        for _ in 0..copies {
            let (fresh, strip) = street_thing(dice, kind);
            let design = match &last {
                Some(same) if twins => same.clone(),
                _ => fresh,
            };
            last = Some(design.clone());
            put(dice, stage, street, eye, &design, strip);
        }
    }
}

fn street_thing(dice: &mut Dice, kind: usize) -> (Design, Strip) {
    match kind {
        0 | 1 => (o::tree(dice), Strip::KerbSide),
        2 => (o::street_lamp(dice), Strip::KerbSide),
        3 => (o::bench(dice), Strip::Pavement),
        4 => (trash_can(dice, [0.55, 1.2]), Strip::Pavement),
        5 => (o::cone(dice), Strip::Anywhere),
        6 => (o::mailbox(dice), Strip::Pavement),
        7 => (o::hydrant(dice), Strip::KerbSide),
        8 => (o::person(dice), Strip::Anywhere),
        9 => (o::dog(dice), Strip::Pavement),
        _ => match dice.below(3) {
            0 => (o::traffic_light(dice), Strip::KerbSide),
            1 => (o::bush(dice), Strip::Pavement),
            _ => (o::person(dice), Strip::Pavement),
        },
    }
}

fn put(dice: &mut Dice, stage: &mut Stage, street: &Street, eye: &Eye, design: &Design, strip: Strip) {
    let size = design.size();
    for _ in 0..26 {
        let side = if dice.chance(0.5) { -1.0 } else { 1.0 };
        let (kerb, wide) =
            if side < 0.0 { (street.left, street.wide[0]) } else { (street.right, street.wide[1]) };
        let strip = match strip {
            Strip::Anywhere => {
                if dice.chance(0.4) {
                    Strip::Road
                } else {
                    Strip::Pavement
                }
            }
            other => other,
        };
        // Things are drawn towards the camera: far ones are a few pixels.
        let y = 3.0 + 27.0 * dice.unit().powf(1.35) * (size.z / 1.5).clamp(0.45, 1.0);
        // Traffic keeps to the right; its front is towards −y.
        let ahead = if side > 0.0 { PI } else { 0.0 };
        let (x, yaw, height) = match strip {
            Strip::Road | Strip::Anywhere => {
                let free = (street.right - 0.35 - size.x / 2.0).max(0.0);
                let x = if size.y > 2.5 {
                    side * free * dice.within(0.35, 0.7)
                } else {
                    free * dice.within(-1.0, 1.0)
                };
                (x, if size.y > 2.5 { ahead + dice.normal(0.03) } else { dice.within(-PI, PI) }, 0.0)
            }
            Strip::Parking => {
                (kerb - side * (size.x / 2.0 + dice.within(0.15, 0.45)), ahead + dice.normal(0.02), 0.0)
            }
            Strip::KerbSide => {
                let x = kerb + side * (0.3 + size.x.min(0.6) / 2.0 + dice.within(0.05, 0.5));
                // The arm of a lamp reaches over the road.
                (x, side * -FRAC_PI_2, street.kerb)
            }
            Strip::Pavement => {
                let x = kerb + side * dice.within(0.5, wide - 0.4);
                let facing = if size.x > 1.0 { side * -FRAC_PI_2 } else { dice.within(-PI, PI) };
                (x, facing, street.kerb)
            }
        };
        let at = DVec2::new(x, y);
        let on_strip = Stage::print(design, at, yaw).corners().iter().all(|c| {
            let road = c.x > street.left + 0.02 && c.x < street.right - 0.02;
            let paved = (side * (c.x - kerb) > 0.18) && (side * (c.x - kerb) < wide - 0.02);
            match strip {
                Strip::Pavement => paved,
                // Crowns and arms may reach over the road, but not into houses.
                Strip::KerbSide => side * (c.x - kerb) < wide,
                _ => road,
            }
        });
        let middle = at.extend(height + size.z * 0.5);
        if on_strip
            && eye.sees(middle, 0.0)
            && eye.away(at) > 2.2 + size.y * 0.6
            && stage.fits(design, at.extend(height), yaw, eye, 1.2)
        {
            stage.add(design.clone(), at.extend(height), yaw, None);
            return;
        }
    }
}
