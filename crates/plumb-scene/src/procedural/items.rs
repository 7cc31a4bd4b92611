//! Small things that stand on tables and shelves.

use std::f64::consts::TAU;

use super::dice::Dice;
use super::finish::{ceramic, metal, natural, painted, patterned, plastic, wooden};
use super::material::{BLACK, BROWN, GRAY, GREEN, Material, ORANGE, RED, WHITE, YELLOW, scaled, srgb};
use super::model::{Design, Noun, noun};

pub(super) const MUG: Noun = noun("mug", "mugs");
pub(super) const BOTTLE: Noun = noun("bottle", "bottles");
pub(super) const BOWL: Noun = noun("bowl", "bowls");
pub(super) const PLATE: Noun = noun("plate", "plates");
pub(super) const BOOK: Noun = noun("book", "books");
pub(super) const LAPTOP: Noun = noun("laptop", "laptops");
pub(super) const APPLE: Noun = noun("apple", "apples");
pub(super) const ORANGE_FRUIT: Noun = noun("orange", "oranges");
pub(super) const CAN: Noun = noun("can", "cans");
pub(super) const TEAPOT: Noun = noun("teapot", "teapots");
pub(super) const CANDLE: Noun = noun("candle", "candles");
pub(super) const DIE: Noun = noun("die", "dice");
pub(super) const VASE: Noun = noun("vase", "vases");
pub(super) const BOX: Noun = noun("box", "boxes");
pub(super) const BALL: Noun = noun("ball", "balls");
pub(super) const CLOCK: Noun = noun("clock", "clocks");
pub(super) const SAUCEPAN: Noun = noun("saucepan", "saucepans");

pub(super) fn mug(dice: &mut Dice) -> Design {
    let finish = ceramic(dice, 0.022);
    let mut d = Design::new(MUG, &finish);
    let h = dice.within(0.075, 0.14);
    let r = dice.within(0.035, 0.05);
    let filling = dice.pick([[48, 28, 16], [120, 66, 24], [206, 196, 180]]);
    let inside = d.material(Material::plain(srgb(filling)).glossy(0.3));
    d.cone(r * dice.within(0.8, 1.0), r, h, [0.0; 3], 0);
    d.tube(r * 0.88, 0.0012, [0.0, 0.0, h], inside);
    let (t, out) = (0.011, r * 0.75);
    let handle = d.material(Material::plain(finish.look.base).glossy(0.45));
    d.block([out, t, t], [r + out / 2.0 - 0.008, 0.0, h * 0.76], handle);
    d.block([out, t, t], [r + out / 2.0 - 0.008, 0.0, h * 0.2], handle);
    d.block([t, t, h * 0.56 + t], [r + out - 0.008, 0.0, h * 0.2], handle);
    d.centred()
}

pub(super) fn bottle(dice: &mut Dice) -> Design {
    let finish = plastic(dice);
    let mut d = Design::new(BOTTLE, &finish);
    let h = dice.within(0.14, 0.36);
    let r = (h * dice.within(0.13, 0.2)).min(0.052);
    let neck = r * dice.within(0.3, 0.5);
    let cap = d.coloured(dice.pick([WHITE, BLACK, RED, GRAY]));
    let label = d.painted(srgb(dice.pick([[232, 228, 214], [240, 240, 240], [226, 206, 150]])));
    d.tube(r, h * 0.58, [0.0; 3], 0);
    if dice.chance(0.6) {
        d.tube(r * 1.015, h * 0.24, [0.0, 0.0, h * 0.16], label);
    }
    d.cone(r, neck, h * 0.17, [0.0, 0.0, h * 0.58], 0);
    d.tube(neck, h * 0.15, [0.0, 0.0, h * 0.75], 0);
    d.tube(neck * 1.15, h * 0.1, [0.0, 0.0, h * 0.9], cap);
    d.centred()
}

pub(super) fn bowl(dice: &mut Dice) -> Design {
    let finish = ceramic(dice, 0.025);
    let mut d = Design::new(BOWL, &finish);
    let r = dice.within(0.06, 0.15);
    let h = r * dice.within(0.4, 0.75);
    let filling = dice.pick([[176, 92, 30], [214, 190, 140], [92, 120, 44], [150, 40, 30]]);
    let inside = d.material(Material::plain(srgb(filling)).glossy(0.1));
    let foot = r * 0.5;
    d.tube(foot, h * 0.1, [0.0; 3], 0);
    d.cone(foot * 1.1, r * 0.85, h * 0.5, [0.0, 0.0, h * 0.1], 0);
    d.cone(r * 0.85, r, h * 0.4, [0.0, 0.0, h * 0.6], 0);
    d.tube(r * 0.9, 0.0015, [0.0, 0.0, h], inside);
    d.centred()
}

pub(super) fn plate(dice: &mut Dice) -> Design {
    let finish = ceramic(dice, 0.02);
    let mut d = Design::new(PLATE, &finish);
    d.pattern = None;
    d.materials[0] = Material::plain(finish.look.base).glossy(0.45);
    let r = dice.within(0.08, 0.16);
    let h = dice.within(0.014, 0.03);
    let centre = d.material(Material::plain(scaled(finish.look.base, 0.82)).glossy(0.4));
    d.cone(r * 0.6, r, h, [0.0; 3], 0);
    d.tube(r * 0.68, 0.001, [0.0, 0.0, h], centre);
    d.top([0.0; 2], [r * 0.45; 2], h + 0.001, 9.0);
    d.centred()
}

fn covers(d: &mut Design, size: [f64; 3], z: f64, pages: u16) {
    let [w, l, h] = size;
    let board = (h * 0.14).min(0.004);
    d.block([w, l, board], [0.0, 0.0, z], 0);
    d.block([w - 0.006, l - 0.006, h - 2.0 * board], [0.0, 0.0, z + board], pages);
    d.block([w, l, board], [0.0, 0.0, z + h - board], 0);
    d.block([0.004, l, h - 2.0 * board], [-w / 2.0 + 0.002, 0.0, z + board], 0);
}

/// A book that lies.
pub(super) fn book(dice: &mut Dice) -> Design {
    let finish = painted(dice);
    let mut d = Design::new(BOOK, &finish);
    let pages = d.painted(srgb([234, 228, 208]));
    let label = d.painted(srgb([240, 232, 200]));
    let (w, l, h) = (dice.within(0.12, 0.24), dice.within(0.17, 0.33), dice.within(0.012, 0.075));
    covers(&mut d, [w, l, h], 0.0, pages);
    d.block([w * 0.6, l * 0.12, 0.0008], [0.0, l * 0.25, h], label);
    d.block([w * 0.4, l * 0.05, 0.0008], [0.0, -l * 0.3, h], label);
    // Between the labels: what stands on it touches the cover.
    d.top([0.0, -l * 0.045], [w * 0.46, l * 0.22], h, 9.0);
    d.centred()
}

/// A book that stands, its spine towards the front.
pub(super) fn standing_book(dice: &mut Dice) -> Design {
    let finish = painted(dice);
    let mut d = Design::new(BOOK, &finish);
    let pages = d.painted(srgb([234, 228, 208]));
    let label = d.painted(srgb([240, 232, 200]));
    let (w, l, h) = (dice.within(0.025, 0.07), dice.within(0.14, 0.2), dice.within(0.18, 0.28));
    d.block([w, 0.004, h], [0.0, -l / 2.0 + 0.002, 0.0], 0);
    for side in [-1.0, 1.0] {
        d.block([0.004, l - 0.004, h], [side * (w / 2.0 - 0.002), 0.002, 0.0], 0);
    }
    d.block([w - 0.008, l - 0.01, h - 0.01], [0.0, 0.0, 0.0], pages);
    d.block([w * 0.7, 0.001, h * 0.16], [0.0, -l / 2.0 - 0.0005, h * 0.66], label);
    d.centred()
}

pub(super) fn laptop(dice: &mut Dice) -> Design {
    let colour = dice.pick([GRAY, BLACK, WHITE, GRAY]);
    let mut finish = natural(Some(colour), colour.linear());
    finish.look.gloss = 0.3;
    let mut d = Design::new(LAPTOP, &finish);
    let w = dice.within(0.26, 0.39);
    let l = w * 0.66;
    let tilt = dice.within(0.1, 0.45);
    let keys = d.painted(srgb([54, 54, 58]));
    let screen = dice.pick([[60, 110, 180], [30, 60, 90], [120, 150, 120], [150, 90, 130]]);
    let screen = d.material(Material::plain(srgb(screen)).glossy(0.25).glowing(0.45));
    d.block([w, l, 0.016], [0.0; 3], 0);
    d.block([w * 0.88, l * 0.45, 0.0012], [0.0, l * 0.13, 0.016], keys);
    d.block([w * 0.3, l * 0.24, 0.0006], [0.0, -l * 0.27, 0.016], keys);
    let (sin, cos) = tilt.sin_cos();
    let centre = |out: f64| [0.0, l / 2.0 + sin * l / 2.0 - cos * out, 0.02 + cos * l / 2.0 + sin * out];
    d.tilted([w, 0.007, l], centre(0.0), tilt, 0);
    d.tilted([w * 0.93, 0.001, l * 0.88], centre(0.004), tilt, screen);
    d.centred()
}

pub(super) fn apple(dice: &mut Dice) -> Design {
    let colour = dice.pick([RED, RED, GREEN, YELLOW]);
    let skin = scaled(colour.linear(), dice.within(0.9, 1.15) as f32);
    let mut finish = natural(Some(colour), skin);
    finish.look.gloss = 0.35;
    let mut d = Design::new(APPLE, &finish);
    let r = dice.within(0.03, 0.048);
    let stem = d.coloured(BROWN);
    d.ellipsoid([r, r, r * 0.9], [0.0, 0.0, r * 0.9], 0);
    d.rod([0.0, 0.0, r * 1.72], [r * 0.15, 0.0, r * 2.2], [0.0025, 0.003], stem);
    d.centred()
}

pub(super) fn orange(dice: &mut Dice) -> Design {
    // "The orange orange" helps nobody: the noun says it.
    let mut finish = natural(None, ORANGE.linear());
    finish.look.gloss = 0.15;
    let mut d = Design::new(ORANGE_FRUIT, &finish);
    let r = dice.within(0.031, 0.052);
    let navel = d.painted(srgb([90, 110, 40]));
    d.ball(r, [0.0, 0.0, r], 0);
    d.ellipsoid([r * 0.1, r * 0.1, r * 0.04], [0.0, 0.0, r * 1.985], navel);
    d.centred()
}

pub(super) fn can(dice: &mut Dice) -> Design {
    let mut finish = patterned(dice, 0.03, 0.25);
    finish.material = Some("metal");
    finish.look.gloss = 0.5;
    if finish.pattern == Some("checkered") {
        finish.pattern = None;
        finish.look = Material::plain(finish.look.base).glossy(0.5);
    }
    let mut d = Design::new(CAN, &finish);
    let (h, r) = (dice.within(0.07, 0.17), dice.within(0.027, 0.045));
    let lid = d.material(Material::plain(srgb([186, 188, 192])).glossy(0.6));
    d.cone(r * 0.86, r, h * 0.05, [0.0; 3], lid);
    d.tube(r, h * 0.87, [0.0, 0.0, h * 0.05], 0);
    d.cone(r, r * 0.82, h * 0.06, [0.0, 0.0, h * 0.92], lid);
    d.tube(r * 0.84, h * 0.02, [0.0, 0.0, h * 0.98], lid);
    d.centred()
}

pub(super) fn teapot(dice: &mut Dice) -> Design {
    let finish = ceramic(dice, 0.03);
    let mut d = Design::new(TEAPOT, &finish);
    let r = dice.within(0.055, 0.1);
    let h = r * dice.within(1.3, 1.75);
    let plain = d.material(Material::plain(finish.look.base).glossy(0.45));
    d.tube(r * 0.6, h * 0.08, [0.0; 3], plain);
    d.ellipsoid([r, r, h * 0.46], [0.0, 0.0, h * 0.06 + h * 0.46], 0);
    d.tube(r * 0.52, h * 0.06, [0.0, 0.0, h * 0.92], plain);
    d.ball(r * 0.15, [0.0, 0.0, h * 0.98 + r * 0.12], plain);
    d.rod([r * 0.8, 0.0, h * 0.38], [r * 1.65, 0.0, h * 0.86], [r * 0.2, r * 0.09], plain);
    let t = r * 0.16;
    d.block([r * 0.72, t, t], [-r * 1.2, 0.0, h * 0.7], plain);
    d.block([r * 0.62, t, t], [-r * 1.25, 0.0, h * 0.24], plain);
    d.block([t, t, h * 0.46 + t], [-r * 1.56, 0.0, h * 0.24], plain);
    d.centred()
}

pub(super) fn candle(dice: &mut Dice) -> Design {
    let finish = painted(dice);
    let mut d = Design::new(CANDLE, &finish);
    let h = dice.within(0.05, 0.26);
    let r = if h > 0.14 { dice.within(0.011, 0.035) } else { dice.within(0.025, 0.045) };
    let dish = d.material(Material::plain(srgb([170, 140, 70])).glossy(0.5));
    let wick = d.coloured(BLACK);
    let flame = d.material(Material::plain(srgb([255, 196, 70])).glowing(2.2));
    d.cone(r * 1.7, r * 2.0, 0.012, [0.0; 3], dish);
    d.tube(r, h, [0.0, 0.0, 0.012], 0);
    d.tube(0.0018, 0.014, [0.0, 0.0, h + 0.012], wick);
    d.ellipsoid([0.006, 0.006, 0.016], [0.0, 0.0, h + 0.036], flame);
    d.centred()
}

pub(super) fn die(dice: &mut Dice) -> Design {
    let finish = plastic(dice);
    let mut d = Design::new(DIE, &finish);
    d.material = None;
    let s = if dice.chance(0.5) { dice.within(0.02, 0.035) } else { dice.within(0.04, 0.11) };
    let light = finish.colour == Some("white") || finish.colour == Some("yellow");
    let dot = d.coloured(if light { BLACK } else { WHITE });
    d.block([s; 3], [0.0; 3], 0);
    let (r, thin, q) = (s * 0.09, s * 0.01, s * 0.25);
    let spots: [&[(f64, f64)]; 3] = [
        &[(0.0, 0.0), (-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0)],
        &[(-1.0, 1.0), (0.0, 0.0), (1.0, -1.0)],
        &[(-1.0, -1.0), (1.0, 1.0)],
    ];
    for &(x, y) in spots[0] {
        d.tube(r, thin, [x * q, y * q, s], dot);
    }
    for side in [-1.0, 1.0] {
        for &(x, z) in spots[1] {
            let from = [x * q, side * s / 2.0, s / 2.0 + z * q];
            d.rod(from, [from[0], side * (s / 2.0 + thin), from[2]], [r, r], dot);
        }
        for &(y, z) in spots[2] {
            let from = [side * s / 2.0, y * q, s / 2.0 + z * q];
            d.rod(from, [side * (s / 2.0 + thin), from[1], from[2]], [r, r], dot);
        }
    }
    d.centred()
}

pub(super) fn vase(dice: &mut Dice, height: f64) -> Design {
    let finish = ceramic(dice, height * 0.09);
    let mut d = Design::new(VASE, &finish);
    let body = height * dice.within(0.6, 0.75);
    let r = height * dice.within(0.2, 0.3);
    let neck = r * dice.within(0.35, 0.6);
    let inside = d.painted(srgb([26, 22, 20]));
    d.cone(r * 0.55, r, body * 0.6, [0.0; 3], 0);
    d.cone(r, neck, body * 0.4, [0.0, 0.0, body * 0.6], 0);
    d.cone(neck, neck * 1.5, height - body, [0.0, 0.0, body], 0);
    d.tube(neck * 1.3, height * 0.004, [0.0, 0.0, height], inside);
    if dice.chance(0.45) {
        let stem = d.painted(srgb([60, 120, 50]));
        let petal = d.coloured(dice.pick([RED, YELLOW, WHITE, ORANGE]));
        for i in 0..dice.count(2, 4) {
            let angle = i as f64 * 2.2 + dice.unit();
            let out = height * dice.within(0.1, 0.25);
            let tip = [out * angle.cos(), out * angle.sin(), height * dice.within(1.25, 1.5)];
            d.rod([0.0, 0.0, height * 0.98], tip, [height * 0.012, height * 0.01], stem);
            d.ellipsoid([height * 0.09, height * 0.09, height * 0.06], tip, petal);
        }
    }
    d.centred()
}

pub(super) fn carton(dice: &mut Dice, sizes: [f64; 2]) -> Design {
    let finish = if dice.chance(0.35) { patterned(dice, sizes[1] * 0.14, 0.8) } else { plain_box(dice) };
    let mut d = Design::new(BOX, &finish);
    let mut side = || dice.within(sizes[0], sizes[1]);
    let (w, l, h) = (side(), side(), side());
    let tape = d.painted(srgb([208, 186, 140]));
    d.block([w, l, h], [0.0; 3], 0);
    if finish.pattern.is_none() {
        let thin = 0.002 * (w / 0.3).min(1.0);
        d.block([w + thin, l * 0.12, thin], [0.0, 0.0, h], tape);
        d.block([thin, l * 0.12, h * 0.25], [w / 2.0 + thin / 2.0, 0.0, h * 0.75], tape);
        d.block([thin, l * 0.12, h * 0.25], [-w / 2.0 - thin / 2.0, 0.0, h * 0.75], tape);
        // Beside the tape.
        d.top([0.0, l * 0.275], [w * 0.46, l * 0.205], h, 9.0);
    } else {
        d.top([0.0; 2], [w * 0.47, l * 0.47], h, 9.0);
    }
    d.centred()
}

fn plain_box(dice: &mut Dice) -> super::model::Finish {
    if dice.chance(0.15) { wooden(dice) } else { painted(dice) }
}

pub(super) fn ball(dice: &mut Dice, radius: f64) -> Design {
    let finish = patterned(dice, radius * 0.45, 0.4);
    let mut d = Design::new(BALL, &finish);
    d.materials[0].gloss = 0.3;
    d.ball(radius, [0.0, 0.0, radius], 0);
    d.centred()
}

pub(super) fn clock(dice: &mut Dice) -> Design {
    let finish = if dice.chance(0.4) { metal(dice) } else { painted(dice) };
    let mut d = Design::new(CLOCK, &finish);
    d.material = None;
    let r = dice.within(0.04, 0.1);
    let face = d.painted(srgb([246, 244, 236]));
    let hand = d.coloured(BLACK);
    let z = r * 1.15;
    d.rod([0.0, r * 0.35, z], [0.0, -r * 0.35, z], [r, r], 0);
    d.rod([0.0, -r * 0.35, z], [0.0, -r * 0.37, z], [r * 0.86, r * 0.86], face);
    let [minute, hour] = [dice.within(0.0, TAU), dice.within(0.0, TAU)];
    for (angle, long, y) in [(minute, 0.75, 0.385), (hour, 0.5, 0.405)] {
        let tip = [r * long * f64::sin(angle), -r * y, z + r * long * f64::cos(angle)];
        d.rod([0.0, -r * y, z], tip, [r * 0.035, r * 0.02], hand);
    }
    for side in [-1.0, 1.0] {
        d.rod([side * r * 0.6, 0.0, 0.004], [side * r * 0.5, 0.0, z - r * 0.75], [r * 0.09, r * 0.09], hand);
        d.ball(r * 0.26, [side * r * 0.55, 0.0, z + r * 0.92], 0);
    }
    d.centred()
}

pub(super) fn saucepan(dice: &mut Dice) -> Design {
    let finish = metal(dice);
    let mut d = Design::new(SAUCEPAN, &finish);
    let r = dice.within(0.07, 0.15);
    let h = r * dice.within(0.7, 1.3);
    let dark = d.material(Material::plain(srgb([36, 36, 38])).glossy(0.2));
    d.tube(r, h * 0.86, [0.0; 3], 0);
    d.cone(r * 1.03, r * 0.75, h * 0.08, [0.0, 0.0, h * 0.86], 0);
    d.tube(r * 0.06, h * 0.06, [0.0, 0.0, h * 0.94], dark);
    d.ellipsoid([r * 0.2, r * 0.2, h * 0.05], [0.0, 0.0, h * 1.03], dark);
    for side in [-1.0, 1.0] {
        d.block([r * 0.34, r * 0.4, r * 0.1], [side * (r * 1.16), 0.0, h * 0.66], dark);
    }
    d.centred()
}
