//! Furniture of rooms.

use super::dice::Dice;
use super::finish::{carpentry, fabric, hard, painted, plastic};
use super::material::{BLACK, GRAY, GREEN, Material, Texture, WHITE, scaled, srgb};
use super::model::{Design, Noun, noun};

pub(super) const TABLE: Noun = noun("table", "tables");
pub(super) const CHAIR: Noun = noun("chair", "chairs");
pub(super) const STOOL: Noun = noun("stool", "stools");
pub(super) const SOFA: Noun = noun("sofa", "sofas");
pub(super) const BED: Noun = noun("bed", "beds");
pub(super) const WARDROBE: Noun = noun("wardrobe", "wardrobes");
pub(super) const BOOKSHELF: Noun = noun("bookshelf", "bookshelves");
pub(super) const CABINET: Noun = noun("cabinet", "cabinets");
pub(super) const REFRIGERATOR: Noun = noun("refrigerator", "refrigerators");
pub(super) const TELEVISION: Noun = noun("television", "televisions");
pub(super) const LAMP: Noun = noun("lamp", "lamps");
pub(super) const PLANT: Noun = noun("plant", "plants");
pub(super) const SUITCASE: Noun = noun("suitcase", "suitcases");
pub(super) const TRASH_CAN: Noun = noun("trash can", "trash cans");

pub(super) fn table(dice: &mut Dice) -> Design {
    let finish = hard(dice);
    let mut d = Design::new(TABLE, &finish);
    let height = if dice.chance(0.3) { dice.within(0.36, 0.55) } else { dice.within(0.66, 1.02) };
    let slab = dice.within(0.025, 0.06);
    if dice.chance(0.3) {
        let r = dice.within(0.32, 0.65);
        let foot = dice.within(0.03, 0.06);
        d.tube(r * 0.55, 0.03, [0.0; 3], 0);
        d.tube(foot, height - slab - 0.03, [0.0, 0.0, 0.03], 0);
        d.tube(r, slab, [0.0, 0.0, height - slab], 0);
        d.top([0.0; 2], [r * 0.66; 2], height, 9.0);
    } else {
        let (w, l) = (dice.within(0.7, 1.7), dice.within(0.55, 0.95));
        let leg = dice.within(0.045, 0.09);
        let inset = leg / 2.0 + dice.within(0.0, 0.06);
        for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            d.block([leg, leg, height - slab], [x * (w / 2.0 - inset), y * (l / 2.0 - inset), 0.0], 0);
        }
        if dice.chance(0.5) {
            let apron = dice.within(0.06, 0.1);
            for y in [-1.0, 1.0] {
                let at = [0.0, y * (l / 2.0 - inset), height - slab - apron];
                d.block([w - 2.0 * inset - leg, leg * 0.4, apron], at, 0);
            }
        }
        d.block([w, l, slab], [0.0, 0.0, height - slab], 0);
        d.top([0.0; 2], [w / 2.0 - 0.02, l / 2.0 - 0.02], height, 9.0);
    }
    d.centred()
}

pub(super) fn chair(dice: &mut Dice) -> Design {
    let finish = if dice.chance(0.3) { plastic(dice) } else { hard(dice) };
    let mut d = Design::new(CHAIR, &finish);
    let seat = dice.within(0.4, 0.52);
    let back = dice.within(0.3, 0.62);
    let (w, l) = (dice.within(0.38, 0.54), dice.within(0.38, 0.52));
    let slab = dice.within(0.03, 0.07);
    let leg = dice.within(0.03, 0.05);
    let (x, y) = (w / 2.0 - leg / 2.0, l / 2.0 - leg / 2.0);
    let posts = dice.chance(0.6);
    for side in [-1.0, 1.0] {
        d.block([leg, leg, seat - slab], [side * x, -y, 0.0], 0);
        d.block([leg, leg, seat - slab], [side * x, y, 0.0], 0);
        if posts {
            d.block([leg, leg, back], [side * x, y, seat], 0);
        }
    }
    d.block([w, l, slab], [0.0, 0.0, seat - slab], 0);
    if posts {
        let bars = dice.count(1, 3);
        for i in 0..bars {
            let tall = (back * 0.55 / bars as f64).min(0.2);
            let z = seat + back - tall - i as f64 * (back * 0.8 / bars as f64);
            d.block([w - 2.0 * leg, leg * 0.6, tall], [0.0, y, z], 0);
        }
    } else {
        d.block([w, leg, back], [0.0, y, seat], 0);
    }
    if dice.chance(0.2) {
        for side in [-1.0, 1.0] {
            d.block([leg, leg, 0.19], [side * x, -y, seat], 0);
            d.block([leg, l - leg, 0.03], [side * x, -leg / 2.0, seat + 0.19], 0);
        }
    }
    d.centred()
}

pub(super) fn stool(dice: &mut Dice) -> Design {
    let finish = hard(dice);
    let mut d = Design::new(STOOL, &finish);
    let height = dice.within(0.4, 0.82);
    let r = dice.within(0.15, 0.22);
    let slab = dice.within(0.03, 0.07);
    let spread = r * dice.within(1.0, 1.25);
    for i in 0..4 {
        let angle = std::f64::consts::FRAC_PI_4 + f64::from(i) * std::f64::consts::FRAC_PI_2;
        let (sin, cos) = angle.sin_cos();
        let from = [spread * cos, spread * sin, 0.012];
        let to = [r * 0.6 * cos, r * 0.6 * sin, height - slab];
        d.rod(from, to, [0.018, 0.018], 0);
    }
    d.tube(r, slab, [0.0, 0.0, height - slab], 0);
    d.top([0.0; 2], [r * 0.65; 2], height, 9.0);
    d.centred()
}

pub(super) fn sofa(dice: &mut Dice) -> Design {
    let finish = fabric(dice, 0.09);
    let mut d = Design::new(SOFA, &finish);
    let w = dice.within(1.0, 2.3);
    let l = dice.within(0.75, 1.0);
    let (seat, back) = (dice.within(0.36, 0.48), dice.within(0.68, 1.05));
    let (arm, arm_height) = (dice.within(0.12, 0.24), dice.within(0.52, 0.66));
    let thick = dice.within(0.18, 0.28);
    let foot = d.coloured(BLACK);
    for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
        d.tube(0.025, 0.07, [x * (w / 2.0 - 0.06), y * (l / 2.0 - 0.06), 0.0], foot);
    }
    d.block([w - 2.0 * arm, l - thick, seat - 0.16 - 0.07], [0.0, -thick / 2.0, 0.07], 0);
    let cushion = d.material(Material { base: scaled(finish.look.base, 1.12), ..finish.look });
    let seats = if w > 1.7 { 3 } else { 2 };
    let each = (w - 2.0 * arm) / f64::from(seats);
    for i in 0..seats {
        let x = -w / 2.0 + arm + (f64::from(i) + 0.5) * each;
        d.block([each - 0.012, l - thick, 0.155], [x, -thick / 2.0, seat - 0.158], cushion);
    }
    d.block([w - 2.0 * arm, thick, back - 0.07], [0.0, (l - thick) / 2.0, 0.07], 0);
    for side in [-1.0, 1.0] {
        d.block([arm, l, arm_height - 0.07], [side * (w - arm) / 2.0, 0.0, 0.07], 0);
    }
    d.top(
        [0.0, -thick / 2.0],
        [w / 2.0 - arm - 0.03, (l - thick) / 2.0 - 0.04],
        seat - 0.003,
        back - seat + 0.3,
    );
    d.centred()
}

pub(super) fn bed(dice: &mut Dice) -> Design {
    let frame = carpentry(dice);
    let cover = fabric(dice, 0.12);
    // The cover is what one sees of a bed.
    let mut d = Design::new(BED, &cover);
    d.material = None;
    let wood = d.material(frame.look);
    let sheet = d.painted(srgb([232, 230, 222]));
    let (w, l) = (dice.within(0.85, 1.9), dice.within(1.85, 2.15));
    let base = dice.within(0.22, 0.38);
    let mattress = dice.within(0.14, 0.26);
    let head = dice.within(0.55, 1.25).max(base + mattress + 0.1);
    d.block([w, l, base - 0.1], [0.0, 0.0, 0.1], wood);
    for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
        d.block([0.07, 0.07, 0.1], [x * (w / 2.0 - 0.05), y * (l / 2.0 - 0.05), 0.0], wood);
    }
    d.block([w - 0.04, l - 0.03, mattress], [0.0, 0.0, base], sheet);
    let blanket = l * dice.within(0.6, 0.75);
    let at = [0.0, -(l - blanket) / 2.0, base + 0.02];
    d.block([w + 0.01, blanket + 0.01, mattress + 0.015], at, 0);
    let pillows = if w > 1.3 { 2 } else { 1 };
    for i in 0..pillows {
        let x = (f64::from(i) - f64::from(pillows - 1) / 2.0) * w * 0.46;
        let radii = [w * 0.38 / f64::from(pillows), 0.18, 0.07];
        d.ellipsoid(radii, [x, l / 2.0 - 0.24, base + mattress + 0.055], sheet);
    }
    d.block([w + 0.02, 0.06, head], [0.0, l / 2.0 + 0.03, 0.0], wood);
    d.top([0.0, -(l - blanket) / 2.0], [w / 2.0 - 0.08, blanket / 2.0 - 0.1], base + mattress + 0.035, 9.0);
    d.centred()
}

/// Doors with knobs on the front of a case.
fn doors(d: &mut Design, size: [f64; 3], bottom: f64, count: usize, material: u16, knob: u16) {
    let [w, l, h] = size;
    let each = w / count as f64;
    for i in 0..count {
        let x = -w / 2.0 + (i as f64 + 0.5) * each;
        d.block([each - 0.016, 0.014, h - 0.03], [x, -l / 2.0 - 0.007, bottom + 0.015], material);
        let side = if i * 2 < count { 1.0 } else { -1.0 };
        let at = [x + side * (each / 2.0 - 0.05), -l / 2.0 - 0.028, bottom + h * 0.52];
        d.block([0.018, 0.028, (h * 0.12).clamp(0.03, 0.16)], at, knob);
    }
}

pub(super) fn wardrobe(dice: &mut Dice) -> Design {
    let finish = carpentry(dice);
    let mut d = Design::new(WARDROBE, &finish);
    let (w, l, h) = (dice.within(0.8, 1.7), dice.within(0.5, 0.65), dice.within(1.35, 2.2));
    let knob = d.painted(srgb([70, 66, 62]));
    let door = d.material(Material { base: scaled(finish.look.base, 1.12), ..finish.look });
    let count = if w > 1.3 { 3 } else { 2 };
    d.block([w, l, h], [0.0; 3], 0);
    doors(&mut d, [w, l, h - 0.1], 0.08, count, door, knob);
    d.top([0.0, 0.0], [w / 2.0 - 0.04, l / 2.0 - 0.04], h, 9.0);
    d.centred()
}

pub(super) fn cabinet(dice: &mut Dice) -> Design {
    let finish = carpentry(dice);
    let mut d = Design::new(CABINET, &finish);
    let (w, l, h) = (dice.within(0.5, 1.5), dice.within(0.35, 0.5), dice.within(0.45, 1.4));
    let knob = d.painted(srgb([60, 58, 56]));
    let front = d.material(Material { base: scaled(finish.look.base, 1.14), ..finish.look });
    let foot = dice.within(0.04, 0.12);
    for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
        d.block([0.04, 0.04, foot], [x * (w / 2.0 - 0.03), y * (l / 2.0 - 0.03), 0.0], 0);
    }
    d.block([w, l, h - foot], [0.0, 0.0, foot], 0);
    if dice.chance(0.5) {
        doors(&mut d, [w, l, h - foot], foot, if w > 1.0 { 3 } else { 2 }, front, knob);
    } else {
        let rows = ((h - foot) / 0.24).floor().clamp(2.0, 5.0) as usize;
        let each = (h - foot) / rows as f64;
        for i in 0..rows {
            let z = foot + i as f64 * each;
            d.block([w - 0.03, 0.014, each - 0.02], [0.0, -l / 2.0 - 0.007, z + 0.01], front);
            d.block([0.12, 0.024, 0.018], [0.0, -l / 2.0 - 0.026, z + each * 0.55], knob);
        }
    }
    d.top([0.0, 0.0], [w / 2.0 - 0.03, l / 2.0 - 0.03], h, 9.0);
    d.centred()
}

pub(super) fn bookshelf(dice: &mut Dice) -> Design {
    let finish = carpentry(dice);
    let mut d = Design::new(BOOKSHELF, &finish);
    let (w, l) = (dice.within(0.6, 1.3), dice.within(0.25, 0.38));
    let levels = dice.count(2, 5);
    let pitch = dice.within(0.3, 0.42);
    let board = 0.025;
    let h = levels as f64 * pitch + board;
    let back = d.material(Material { base: scaled(finish.look.base, 0.7), ..finish.look });
    for side in [-1.0, 1.0] {
        d.block([board, l, h], [side * (w - board) / 2.0, 0.0, 0.0], 0);
    }
    d.block([w - 2.0 * board, 0.012, h], [0.0, l / 2.0 - 0.006, 0.0], back);
    for i in 0..=levels {
        let z = i as f64 * pitch;
        d.block([w - 2.0 * board, l - 0.012, board], [0.0, -0.006, z], 0);
        let clearance = if i == levels { 9.0 } else { pitch - board - 0.01 };
        let half = [w / 2.0 - board - 0.01, l / 2.0 - 0.02];
        d.top([0.0, -0.006], half, z + board, clearance);
    }
    d.centred()
}

pub(super) fn refrigerator(dice: &mut Dice) -> Design {
    let mut finish = painted(dice);
    if dice.chance(0.6) {
        let colour = dice.pick([WHITE, GRAY]);
        finish.colour = Some(colour.name);
        finish.look.base = colour.linear();
    }
    finish.look.gloss = 0.4;
    let mut d = Design::new(REFRIGERATOR, &finish);
    let (w, l, h) = (dice.within(0.52, 0.85), dice.within(0.55, 0.7), dice.within(0.85, 1.95));
    let handle = d.material(Material::plain(srgb([150, 152, 156])).glossy(0.5));
    let split = h * dice.within(0.6, 0.72);
    d.block([w, l, h - 0.03], [0.0, 0.0, 0.03], 0);
    d.block([w - 0.06, l - 0.06, 0.03], [0.0; 3], handle);
    for (bottom, top) in [(0.05, split), (split, h)] {
        d.block([w - 0.006, 0.045, top - bottom - 0.012], [0.0, -l / 2.0 - 0.0225, bottom + 0.006], 0);
        let tall = (top - bottom) * 0.4;
        d.block([0.022, 0.03, tall], [w / 2.0 - 0.07, -l / 2.0 - 0.06, (bottom + top - tall) / 2.0], handle);
    }
    d.top([0.0; 2], [w / 2.0 - 0.04, l / 2.0 - 0.04], h, 9.0);
    d.centred()
}

pub(super) fn television(dice: &mut Dice, width: f64) -> Design {
    let mut finish = super::finish::natural(Some(BLACK), BLACK.linear());
    finish.look.gloss = 0.2;
    let mut d = Design::new(TELEVISION, &finish);
    let h = width * dice.within(0.55, 0.62);
    let foot = dice.within(0.04, 0.09);
    let tint = dice.pick([[38, 66, 110], [24, 28, 36], [92, 120, 150], [40, 92, 80]]);
    let screen = d.material(Material::plain(srgb(tint)).glossy(0.35).glowing(0.35));
    d.block([width * 0.4, 0.16, 0.015], [0.0; 3], 0);
    d.block([0.06, 0.03, foot - 0.015], [0.0, 0.0, 0.015], 0);
    d.block([width, 0.045, h], [0.0, 0.0, foot], 0);
    d.block([width - 0.035, 0.004, h - 0.035], [0.0, -0.0245, foot + 0.0175], screen);
    d.centred()
}

pub(super) fn lamp(dice: &mut Dice, height: f64) -> Design {
    let finish = super::finish::patterned(dice, 0.04, 0.12);
    // The shade gives the lamp its colour.
    let mut d = Design::new(LAMP, &finish);
    d.materials[0].glow = 0.35;
    d.materials[0].gloss = 0.0;
    let pole = dice.pick([[40, 40, 42], [150, 150, 152], [150, 110, 50]]);
    let pole = d.material(Material::plain(srgb(pole)).glossy(0.4));
    let shade = height * dice.within(0.2, 0.28) + 0.06;
    let r = (shade * dice.within(0.55, 0.8)).min(0.26);
    let foot = r * dice.within(0.6, 0.85);
    d.tube(foot, 0.025, [0.0; 3], pole);
    if height < 0.7 && dice.chance(0.5) {
        d.ellipsoid(
            [foot * 0.7, foot * 0.7, (height - shade) * 0.36],
            [0.0, 0.0, 0.015 + (height - shade) * 0.36],
            pole,
        );
    }
    d.tube(0.012 + 0.006 * height, height - shade * 0.6, [0.0, 0.0, 0.025], pole);
    d.cone(r, r * dice.within(0.45, 0.85), shade, [0.0, 0.0, height - shade], 0);
    d.centred()
}

pub(super) fn plant(dice: &mut Dice, height: f64) -> Design {
    // Leaves are always green: the colour of a plant says nothing, that of its pot something else.
    let mut finish = super::finish::natural(Some(GREEN), srgb([52, 126, 48]));
    finish.look = finish.look.textured(Texture::Mottled { scale: 0.06, strength: 0.9 }, srgb([24, 70, 26]));
    let mut d = Design::new(PLANT, &finish);
    let pot_look = super::finish::patterned(dice, 0.05, 0.2).look;
    let pot = d.material(pot_look);
    let soil = d.painted(srgb([58, 40, 28]));
    let stem = d.painted(srgb([84, 100, 44]));
    let pot_height = (height * dice.within(0.22, 0.34)).min(0.45);
    let r = pot_height * dice.within(0.42, 0.6);
    d.cone(r * 0.72, r, pot_height, [0.0; 3], pot);
    d.tube(r * 0.88, 0.004, [0.0, 0.0, pot_height], soil);
    let crown = height - pot_height;
    if dice.chance(0.5) {
        let leaves = dice.count(6, 10);
        for i in 0..leaves {
            let angle = i as f64 * 2.4 + dice.within(0.0, 0.6);
            let rise = dice.within(0.45, 0.98);
            let out = crown * dice.within(0.16, 0.4) * (1.25 - rise) + r * 0.2;
            let tip = [out * angle.cos() * 1.5, out * angle.sin() * 1.5, pot_height + crown * rise];
            let base = [0.2 * r * angle.cos(), 0.2 * r * angle.sin(), pot_height];
            d.rod(base, tip, [0.006 + 0.004 * height, 0.018 + crown * 0.045], 0);
            let (rx, rz) = (crown * 0.08 + 0.01, crown * 0.1 + 0.01);
            d.ellipsoid([rx, rx, rz.min(crown * (1.02 - rise) + 0.01)], tip, 0);
        }
    } else {
        d.tube(0.008 + 0.008 * height, crown * 0.5, [0.0, 0.0, pot_height], stem);
        let balls = dice.count(3, 6);
        for i in 0..balls {
            let angle = i as f64 * 2.1 + dice.unit();
            let out = crown * 0.17;
            let size = crown * dice.within(0.2, 0.28);
            let z = pot_height + crown * dice.within(0.4, 0.72);
            d.ellipsoid([size, size, size * 0.85], [out * angle.cos(), out * angle.sin(), z], 0);
        }
        d.ellipsoid([crown * 0.22, crown * 0.22, crown * 0.22], [0.0, 0.0, height - crown * 0.22], 0);
    }
    d.centred()
}

pub(super) fn suitcase(dice: &mut Dice) -> Design {
    let finish = plastic(dice);
    let mut d = Design::new(SUITCASE, &finish);
    d.material = None;
    let dark = d.coloured(BLACK);
    let (w, l, h) = (dice.within(0.3, 0.55), dice.within(0.18, 0.3), dice.within(0.42, 0.78));
    for side in [-1.0, 1.0] {
        d.block([0.03, l * 0.8, 0.05], [side * (w / 2.0 - 0.05), 0.0, 0.0], dark);
    }
    d.block([w, l, h - 0.05], [0.0, 0.0, 0.05], 0);
    for i in 0..4 {
        let x = (f64::from(i) - 1.5) * w * 0.22;
        d.block([w * 0.05, 0.01, (h - 0.05) * 0.86], [x, -l / 2.0 - 0.005, 0.05 + (h - 0.05) * 0.07], 0);
    }
    let raised = dice.within(0.05, 0.35);
    for side in [-1.0, 1.0] {
        d.tube(0.009, raised, [side * w * 0.2, l * 0.3, h], dark);
    }
    d.block([w * 0.4 + 0.03, 0.03, 0.025], [0.0, l * 0.3, h + raised], dark);
    d.centred()
}

pub(super) fn trash_can(dice: &mut Dice, tall: [f64; 2]) -> Design {
    let finish = if dice.chance(0.5) { super::finish::metal(dice) } else { plastic(dice) };
    let mut d = Design::new(TRASH_CAN, &finish);
    let h = dice.within(tall[0], tall[1]);
    let r = h * dice.within(0.24, 0.36);
    let dark = d.painted(srgb([44, 44, 46]));
    d.cone(r * dice.within(0.75, 0.95), r, h * 0.86, [0.0; 3], 0);
    if dice.chance(0.5) {
        d.tube(r * 1.05, h * 0.05, [0.0, 0.0, h * 0.86], dark);
        d.cone(r * 0.98, r * 0.3, h * 0.09, [0.0, 0.0, h * 0.91], 0);
    } else {
        d.tube(r * 1.04, h * 0.04, [0.0, 0.0, h * 0.86], 0);
        d.tube(r * 0.88, 0.004, [0.0, 0.0, h * 0.9], dark);
    }
    d.centred()
}
