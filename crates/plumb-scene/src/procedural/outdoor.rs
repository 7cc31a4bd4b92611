//! What stands on pavements, besides vehicles.

use super::dice::Dice;
use super::finish::{metal, natural, painted, wood_look, wooden};
use super::material::{
    BLACK, BLUE, BROWN, GRAY, GREEN, Material, ORANGE, RED, Texture, WHITE, YELLOW, scaled, srgb,
};
use super::model::{Design, Noun, noun};

pub(super) const TREE: Noun = noun("tree", "trees");
pub(super) const BUSH: Noun = noun("bush", "bushes");
pub(super) const STREET_LAMP: Noun = noun("street lamp", "street lamps");
pub(super) const BENCH: Noun = noun("bench", "benches");
pub(super) const CONE: Noun = noun("traffic cone", "traffic cones");
pub(super) const MAILBOX: Noun = noun("mailbox", "mailboxes");
pub(super) const HYDRANT: Noun = noun("fire hydrant", "fire hydrants");
pub(super) const PERSON: Noun = noun("person", "people");
pub(super) const DOG: Noun = noun("dog", "dogs");
pub(super) const TRAFFIC_LIGHT: Noun = noun("traffic light", "traffic lights");

pub(super) fn tree(dice: &mut Dice) -> Design {
    let leaf = dice.pick([[62, 120, 44], [44, 100, 40], [92, 132, 46], [36, 88, 50]]);
    let leaf = scaled(srgb(leaf), dice.within(0.85, 1.15) as f32);
    let mut finish = natural(Some(GREEN), leaf);
    finish.look.gloss = 0.0;
    finish.look = finish.look.textured(Texture::Mottled { scale: 0.5, strength: 1.0 }, scaled(leaf, 0.45));
    let mut d = Design::new(TREE, &finish);
    let h = if dice.chance(0.3) { dice.within(1.8, 3.2) } else { dice.within(3.0, 8.5) };
    let bark = d.material(wood_look(dice));
    let r = h * dice.within(0.016, 0.03) + 0.02;
    if dice.chance(0.3) {
        // A conifer.
        let trunk = h * dice.within(0.1, 0.2);
        d.cone(r, r * 0.8, trunk + 0.1, [0.0; 3], bark);
        let levels = dice.count(3, 4);
        let each = (h - trunk) / levels as f64;
        let wide = h * dice.within(0.17, 0.25);
        for i in 0..levels {
            let share = 1.0 - i as f64 / levels as f64 * 0.75;
            let z = trunk + i as f64 * each;
            let last = i + 1 == levels;
            let tall = if last { each } else { each * 1.45 };
            d.cone(wide * share, if last { 0.0 } else { wide * share * 0.25 }, tall, [0.0, 0.0, z], 0);
        }
    } else {
        let trunk = h * dice.within(0.3, 0.45);
        d.cone(r, r * 0.6, trunk + h * 0.15, [0.0; 3], bark);
        let crown = h - trunk;
        let wide = crown * dice.within(0.36, 0.52);
        d.ellipsoid([wide, wide, crown * 0.42], [0.0, 0.0, trunk + crown * 0.5], 0);
        for i in 0..dice.count(4, 6) {
            let angle = i as f64 * 1.4 + dice.unit();
            let size = wide * dice.within(0.45, 0.62);
            let out = wide * 0.62;
            let z = trunk + crown * dice.within(0.3, 0.66);
            d.ellipsoid([size, size, size * 0.85], [out * angle.cos(), out * angle.sin(), z], 0);
        }
        d.ellipsoid([wide * 0.55, wide * 0.55, crown * 0.25], [0.0, 0.0, h - crown * 0.25], 0);
    }
    d.centred()
}

pub(super) fn bush(dice: &mut Dice) -> Design {
    let leaf = scaled(srgb([58, 112, 46]), dice.within(0.85, 1.2) as f32);
    let mut finish = natural(Some(GREEN), leaf);
    finish.look.gloss = 0.0;
    finish.look = finish.look.textured(Texture::Mottled { scale: 0.2, strength: 1.0 }, scaled(leaf, 0.45));
    let mut d = Design::new(BUSH, &finish);
    let h = dice.within(0.5, 1.5);
    let w = h * dice.within(0.5, 0.8);
    d.cone(w * 0.6, w * 0.75, h * 0.4, [0.0; 3], 0);
    d.ellipsoid([w * 0.8, w * 0.8, h * 0.38], [0.0, 0.0, h * 0.6], 0);
    for i in 0..5 {
        let angle = f64::from(i) * 1.26 + dice.unit() * 0.5;
        let size = h * dice.within(0.24, 0.3);
        let z = h * dice.within(0.32, 0.62);
        d.ellipsoid([size; 3], [w * 0.6 * angle.cos(), w * 0.6 * angle.sin(), z], 0);
    }
    d.centred()
}

pub(super) fn street_lamp(dice: &mut Dice) -> Design {
    let colour = dice.pick([GRAY, BLACK, GREEN]);
    let finish = natural(Some(colour), scaled(colour.linear(), 0.9));
    let mut d = Design::new(STREET_LAMP, &finish);
    d.material = Some("metal");
    d.materials[0].gloss = 0.35;
    let light = d.material(Material::plain(srgb([255, 244, 210])).glowing(0.7));
    let h = if dice.chance(0.4) { dice.within(2.4, 3.8) } else { dice.within(3.8, 7.0) };
    d.cone(0.14, 0.1, 0.4, [0.0; 3], 0);
    d.cone(0.07, 0.045, h - 0.55, [0.0, 0.0, 0.4], 0);
    if dice.chance(0.5) {
        d.ball(0.22, [0.0, 0.0, h - 0.2], light);
        d.cone(0.15, 0.03, 0.08, [0.0, 0.0, h - 0.02], 0);
    } else {
        let arm = dice.within(0.7, 1.4);
        d.rod([0.0, 0.0, h - 0.18], [0.0, -arm, h], [0.04, 0.03], 0);
        d.block([0.24, 0.55, 0.09], [0.0, -arm - 0.2, h - 0.04], 0);
        d.block([0.18, 0.42, 0.02], [0.0, -arm - 0.2, h - 0.06], light);
    }
    d.centred()
}

pub(super) fn bench(dice: &mut Dice) -> Design {
    let finish = if dice.chance(0.6) { wooden(dice) } else { painted(dice) };
    let mut d = Design::new(BENCH, &finish);
    let iron = d.material(Material::plain(srgb([50, 52, 54])).glossy(0.3));
    let w = dice.within(1.1, 2.1);
    let seat = dice.within(0.4, 0.5);
    let back = dice.chance(0.75);
    for side in [-1.0, 1.0] {
        let x = side * (w / 2.0 - 0.12);
        d.block([0.06, 0.06, seat - 0.04], [x, -0.18, 0.0], iron);
        d.block([0.06, 0.06, seat - 0.04], [x, 0.18, 0.0], iron);
        if back {
            d.tilted([0.06, 0.045, 0.5], [x, 0.255, seat + 0.18], 0.18, iron);
        }
    }
    for i in 0..4 {
        d.block([w, 0.1, 0.04], [0.0, -0.19 + f64::from(i) * 0.125, seat - 0.04], 0);
    }
    if back {
        for i in 0..3 {
            let z = seat + 0.12 + f64::from(i) * 0.14;
            d.tilted([w, 0.03, 0.1], [0.0, 0.215 + (z - seat) * 0.182, z], 0.18, 0);
        }
    }
    d.centred()
}

pub(super) fn cone(dice: &mut Dice) -> Design {
    let colour = if dice.chance(0.8) { ORANGE } else { dice.pick([YELLOW, RED, GREEN, BLUE]) };
    let finish = natural(Some(colour), colour.linear());
    let mut d = Design::new(CONE, &finish);
    d.material = Some("plastic");
    let h = dice.within(0.3, 1.05);
    let r = h * dice.within(0.2, 0.27);
    let tip = r * 0.18;
    let band = d.painted(srgb([240, 240, 236]));
    d.block([r * 2.5, r * 2.5, h * 0.05], [0.0; 3], 0);
    let at = |share: f64| r + (tip - r) * share;
    let rise = h * 0.95;
    for (from, to, material) in
        [(0.0, 0.3, 0), (0.3, 0.5, band), (0.5, 0.66, 0), (0.66, 0.8, band), (0.8, 1.0, 0)]
    {
        d.cone(at(from), at(to), rise * (to - from), [0.0, 0.0, h * 0.05 + rise * from], material);
    }
    d.centred()
}

pub(super) fn mailbox(dice: &mut Dice) -> Design {
    let colour = dice.pick([RED, BLUE, YELLOW, GREEN]);
    let mut finish = natural(Some(colour), colour.linear());
    finish.look.gloss = 0.4;
    let mut d = Design::new(MAILBOX, &finish);
    d.material = Some("metal");
    let dark = d.coloured(BLACK);
    let plate = d.coloured(WHITE);
    let h = dice.within(0.95, 1.65);
    let (w, l) = (dice.within(0.38, 0.55), dice.within(0.34, 0.5));
    let bottom = h * dice.within(0.12, 0.45);
    if bottom > 0.35 {
        d.tube(0.05, bottom, [0.0; 3], dark);
        d.tube(0.16, 0.03, [0.0; 3], dark);
    } else {
        for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            d.block([0.05, 0.05, bottom], [x * (w / 2.0 - 0.04), y * (l / 2.0 - 0.04), 0.0], dark);
        }
    }
    let body = h - bottom - l / 2.0;
    d.block([w, l, body], [0.0, 0.0, bottom], 0);
    d.rod([-w / 2.0, 0.0, bottom + body], [w / 2.0, 0.0, bottom + body], [l / 2.0, l / 2.0], 0);
    d.block([w * 0.62, 0.01, 0.035], [0.0, -l / 2.0 - 0.005, bottom + body * 0.86], dark);
    d.block([w * 0.5, 0.008, body * 0.26], [0.0, -l / 2.0 - 0.004, bottom + body * 0.38], plate);
    d.centred()
}

pub(super) fn hydrant(dice: &mut Dice) -> Design {
    let colour = dice.pick([RED, RED, YELLOW, BLUE]);
    let mut finish = natural(Some(colour), colour.linear());
    finish.look.gloss = 0.4;
    let mut d = Design::new(HYDRANT, &finish);
    d.material = Some("metal");
    let cap = d.material(Material::plain(srgb([190, 190, 186])).glossy(0.4));
    let h = dice.within(0.5, 0.98);
    let r = h * dice.within(0.14, 0.19);
    d.tube(r * 1.5, h * 0.06, [0.0; 3], 0);
    d.cone(r * 1.1, r, h * 0.64, [0.0, 0.0, h * 0.06], 0);
    d.tube(r * 1.25, h * 0.05, [0.0, 0.0, h * 0.7], 0);
    d.ellipsoid([r, r, h * 0.17], [0.0, 0.0, h * 0.75], 0);
    d.tube(r * 0.3, h * 0.1, [0.0, 0.0, h * 0.9], cap);
    for side in [-1.0, 1.0] {
        d.rod([side * r * 0.7, 0.0, h * 0.54], [side * r * 1.5, 0.0, h * 0.54], [r * 0.42, r * 0.42], 0);
        d.rod([side * r * 1.5, 0.0, h * 0.54], [side * r * 1.7, 0.0, h * 0.54], [r * 0.5, r * 0.5], cap);
    }
    d.rod([0.0, -r * 0.7, h * 0.46], [0.0, -r * 1.55, h * 0.46], [r * 0.55, r * 0.55], cap);
    d.centred()
}

pub(super) fn person(dice: &mut Dice) -> Design {
    // "A red person" means nothing: no colour is named.
    let shirt = painted(dice);
    let mut finish = natural(None, shirt.look.base);
    finish.look.gloss = 0.0;
    let mut d = Design::new(PERSON, &finish);
    let skin = dice.pick([[236, 196, 166], [206, 156, 118], [150, 102, 70], [96, 64, 46]]);
    let skin = d.painted(srgb(skin));
    let hair = dice.pick([[40, 28, 20], [90, 60, 30], [190, 150, 80], [24, 22, 22], [150, 148, 146]]);
    let hair = d.painted(srgb(hair));
    let trousers = d.painted(srgb(dice.pick([[44, 56, 92], [50, 50, 54], [120, 104, 80], [30, 34, 40]])));
    let shoes = d.painted(srgb(dice.pick([[30, 26, 24], [210, 208, 204], [96, 60, 36]])));
    let h = if dice.chance(0.25) { dice.within(1.02, 1.45) } else { dice.within(1.5, 1.96) };
    let head = 0.088 + h * 0.012;
    let (leg, hip) = (h * 0.47, h * dice.within(0.068, 0.082));
    let stride = h * dice.within(0.0, 0.1);
    let shoulder = h * 0.815;
    for side in [-1.0, 1.0] {
        let foot = [side * hip * 0.75, side * stride, 0.0];
        d.block([h * 0.055, h * 0.13, h * 0.04], [foot[0], foot[1] - h * 0.02, 0.0], shoes);
        let ankle = [foot[0], foot[1] + h * 0.015, h * 0.03];
        d.rod(ankle, [side * hip * 0.62, 0.0, leg + h * 0.02], [h * 0.03, h * 0.048], trousers);
        let (reach, bent) = (h * 0.118, dice.within(-0.06, 0.06) * h);
        let top = [side * reach, 0.0, shoulder - h * 0.025];
        let elbow = [side * (reach + h * 0.03), -side * bent, shoulder - h * 0.19];
        let hand = [side * (reach + h * 0.035), -side * bent * 2.0 - h * 0.03, shoulder - h * 0.355];
        d.rod(top, elbow, [h * 0.03, h * 0.025], 0);
        d.rod(elbow, hand, [h * 0.023, h * 0.018], skin);
        d.ball(h * 0.025, hand, skin);
        d.ball(h * 0.035, top, 0);
    }
    d.ellipsoid([hip * 1.35, h * 0.062, h * 0.055], [0.0, 0.0, leg], trousers);
    let torso = Torso { hip: hip * 1.28, shoulder: h * 0.105, depth: h * 0.062 };
    let chest = (shoulder - leg) * 0.5;
    d.ellipsoid([torso.hip, torso.depth, chest * 1.02], [0.0, 0.0, leg + chest * 0.95], 0);
    d.ellipsoid(
        [torso.shoulder * 1.12, torso.depth * 1.05, chest * 0.72],
        [0.0, 0.0, shoulder - chest * 0.68],
        0,
    );
    d.tube(h * 0.028, h * 0.06, [0.0, 0.0, shoulder - h * 0.01], skin);
    d.ellipsoid([head * 0.8, head * 0.9, head * 1.1], [0.0, 0.0, h - head * 1.14], skin);
    d.ellipsoid([head * 0.86, head * 0.9, head * 0.8], [0.0, head * 0.14, h - head * 0.8], hair);
    d.centred()
}

struct Torso {
    hip: f64,
    shoulder: f64,
    depth: f64,
}

pub(super) fn dog(dice: &mut Dice) -> Design {
    let colour = dice.pick([BROWN, BLACK, WHITE, GRAY]);
    let finish = natural(Some(colour), colour.linear());
    let mut d = Design::new(DOG, &finish);
    d.materials[0].gloss = 0.0;
    let nose = d.coloured(BLACK);
    let dark = d.painted(scaled(colour.linear(), 0.6));
    let s = dice.within(0.3, 0.75);
    let (leg, long, r) = (s * 0.45, s * 1.0, s * 0.18);
    d.rod([0.0, -long / 2.0, leg + r], [0.0, long / 2.0, leg + r], [r * 1.1, r * 0.9], 0);
    d.ball(r * 1.08, [0.0, -long / 2.0, leg + r], 0);
    d.ball(r * 0.9, [0.0, long / 2.0, leg + r], 0);
    for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
        d.cone(r * 0.28, r * 0.42, leg + r * 0.4, [x * r * 0.55, y * long * 0.43, 0.0], 0);
    }
    let head = [0.0, -long * 0.72, s * 0.95];
    d.rod([0.0, -long * 0.5, leg + r * 1.3], head, [r * 0.75, r * 0.6], 0);
    d.ellipsoid([r * 0.75, r * 0.95, r * 0.78], head, 0);
    d.rod(
        [0.0, head[1] - r * 0.4, head[2] - r * 0.2],
        [0.0, head[1] - r * 1.6, head[2] - r * 0.25],
        [r * 0.48, r * 0.32],
        0,
    );
    d.ball(r * 0.16, [0.0, head[1] - r * 1.62, head[2] - r * 0.14], nose);
    for side in [-1.0, 1.0] {
        d.ellipsoid(
            [r * 0.18, r * 0.32, r * 0.5],
            [side * r * 0.72, head[1] + r * 0.2, head[2] + r * 0.1],
            dark,
        );
        d.ball(r * 0.1, [side * r * 0.32, head[1] - r * 0.78, head[2] + r * 0.28], nose);
    }
    d.rod([0.0, long * 0.55, leg + r * 1.5], [0.0, long * 0.8, leg + r * 3.0], [r * 0.26, r * 0.14], 0);
    d.centred()
}

pub(super) fn traffic_light(dice: &mut Dice) -> Design {
    let finish = metal(dice);
    let mut d = Design::new(TRAFFIC_LIGHT, &finish);
    // Its case is what one sees, and it is nearly always dark.
    d.colour = None;
    d.materials[0] = Material::plain(srgb([74, 76, 78])).glossy(0.3);
    let case = d.material(Material::plain(srgb([34, 36, 38])).glossy(0.2));
    let h = dice.within(2.3, 4.2);
    d.tube(0.055, h - 0.9, [0.0; 3], 0);
    d.block([0.32, 0.26, 0.9], [0.0, 0.0, h - 0.9], case);
    let lit = dice.below(3);
    for (i, colour) in [[230, 40, 30], [246, 190, 30], [40, 190, 80]].into_iter().enumerate() {
        let (shade, glow) = if i == lit { (1.0, 0.9) } else { (0.25, 0.0) };
        let lens = d.material(Material::plain(scaled(srgb(colour), shade)).glowing(glow).glossy(0.3));
        let z = h - 0.17 - i as f64 * 0.28;
        d.rod([0.0, -0.13, z], [0.0, -0.145, z], [0.105, 0.105], lens);
    }
    d.centred()
}
