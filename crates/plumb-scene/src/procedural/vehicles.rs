//! Vehicles: their front is towards −y.

use super::dice::Dice;
use super::finish::lacquer;
use super::material::{Material, scaled, srgb};
use super::model::{Design, Noun, noun};

pub(super) const CAR: Noun = noun("car", "cars");
pub(super) const VAN: Noun = noun("van", "vans");
pub(super) const TRUCK: Noun = noun("truck", "trucks");
pub(super) const BUS: Noun = noun("bus", "buses");

/// Looks that all vehicles share.
struct Trim {
    glass: u16,
    tyre: u16,
    rim: u16,
    lamp: u16,
    tail: u16,
    dark: u16,
}

fn trim(d: &mut Design) -> Trim {
    Trim {
        glass: d.material(Material::plain(srgb([46, 60, 74])).glossy(0.5)),
        tyre: d.painted(srgb([26, 26, 27])),
        rim: d.material(Material::plain(srgb([150, 152, 156])).glossy(0.4)),
        lamp: d.material(Material::plain(srgb([250, 244, 214])).glossy(0.5).glowing(0.25)),
        tail: d.material(Material::plain(srgb([190, 20, 20])).glossy(0.5).glowing(0.2)),
        dark: d.painted(srgb([44, 45, 48])),
    }
}

fn wheels(d: &mut Design, trim: &Trim, radius: f64, half_width: f64, along: &[f64]) {
    let thick = radius * 0.62;
    for &y in along {
        for side in [-1.0, 1.0] {
            let outer = side * (half_width + 0.015);
            let inner = side * (half_width - thick);
            d.rod([inner, y, radius], [outer, y, radius], [radius; 2], trim.tyre);
            d.rod([outer, y, radius], [outer + side * 0.012, y, radius], [radius * 0.6; 2], trim.rim);
        }
    }
}

fn lights(d: &mut Design, trim: &Trim, width: f64, ends: [f64; 2], z: f64) {
    for side in [-1.0, 1.0] {
        let x = side * (width / 2.0 - 0.2);
        d.block([0.28, 0.03, 0.13], [x, ends[0] - 0.015, z], trim.lamp);
        d.block([0.24, 0.03, 0.13], [x, ends[1] + 0.015, z], trim.tail);
    }
}

pub(super) fn car(dice: &mut Dice) -> Design {
    let finish = lacquer(dice);
    let mut d = Design::new(CAR, &finish);
    let t = trim(&mut d);
    let (w, l, h) = (dice.within(1.65, 1.9), dice.within(3.5, 4.9), dice.within(1.34, 1.82));
    let r = dice.within(0.29, 0.36);
    let belt = h * dice.within(0.56, 0.62);
    let low = r * 0.62;
    let hip = (belt - low) * 0.72 + low;
    d.block([w, l, hip - low], [0.0, 0.0, low], 0);
    let hatch = dice.chance(0.45);
    let (front, back) =
        (-l * dice.within(0.17, 0.24), if hatch { l * 0.47 } else { l * dice.within(0.28, 0.34) });
    // The bonnet and the boot slope a little towards the ends.
    let bonnet = front + l / 2.0;
    d.tilted([w * 0.95, bonnet * 1.03, 0.12], [0.0, front - bonnet / 2.0 + 0.03, belt - 0.105], -0.06, 0);
    d.block([w * 0.97, back - front, belt - hip], [0.0, (front + back) / 2.0, hip], 0);
    if !hatch {
        let boot = l / 2.0 - back;
        d.block([w * 0.94, boot, belt - hip - 0.03], [0.0, back + boot / 2.0, hip], 0);
    }
    // The cabin: glass with posts and a roof, its windscreen leaning back.
    let cabin = h - belt - 0.06;
    let lean = 0.75f64;
    let roof_front = front + cabin * lean.tan() * 0.85;
    let roof_back = back - cabin * if hatch { 0.25 } else { 0.6 };
    let glass = w * 0.88;
    d.block([glass, roof_back - roof_front, cabin], [0.0, (roof_front + roof_back) / 2.0, belt], t.glass);
    let leaning = |d: &mut Design, bottom: f64, top: f64, width: f64, material: u16, thick: f64| {
        let run = top - bottom;
        let angle = (run / cabin).atan();
        let long = run.hypot(cabin);
        d.tilted([width, thick, long], [0.0, (bottom + top) / 2.0, belt + cabin / 2.0], angle, material);
    };
    leaning(&mut d, front + 0.02, roof_front + 0.02, glass * 0.96, t.glass, 0.05);
    leaning(&mut d, back - 0.02, roof_back - 0.02, glass * 0.96, t.glass, 0.05);
    d.block(
        [w * 0.9, roof_back - roof_front + 0.06, 0.06],
        [0.0, (roof_front + roof_back) / 2.0, h - 0.06],
        0,
    );
    for y in [roof_front + 0.02, (roof_front + roof_back) / 2.0, roof_back - 0.04] {
        d.block([glass + 0.02, 0.07, cabin], [0.0, y, belt], 0);
    }
    wheels(&mut d, &t, r, w / 2.0, &[-l * 0.31, l * 0.3]);
    lights(&mut d, &t, w, [-l / 2.0, l / 2.0], hip - 0.18);
    for end in [-1.0, 1.0] {
        d.block([w * 0.98, 0.08, 0.14], [0.0, end * (l / 2.0 + 0.02), low + 0.02], t.dark);
    }
    for side in [-1.0, 1.0] {
        d.block([0.14, 0.08, 0.1], [side * (w / 2.0 + 0.03), front + 0.25, belt + 0.02], 0);
    }
    d.centred()
}

pub(super) fn van(dice: &mut Dice) -> Design {
    let finish = lacquer(dice);
    let mut d = Design::new(VAN, &finish);
    let t = trim(&mut d);
    let (w, l, h) = (dice.within(1.8, 2.1), dice.within(4.3, 6.2), dice.within(1.85, 2.75));
    let r = dice.within(0.32, 0.38);
    let low = r * 0.6;
    let nose = dice.within(0.55, 0.95);
    let bonnet = low + (h - low) * 0.42;
    let front = -l / 2.0 + nose;
    d.block([w * 0.96, nose, bonnet - low], [0.0, -l / 2.0 + nose / 2.0, low], 0);
    let screen = (h - bonnet) * 0.45;
    d.block([w, l / 2.0 - front - screen, h - low], [0.0, (front + screen + l / 2.0) / 2.0, low], 0);
    d.block([w * 0.98, screen, bonnet - low], [0.0, front + screen / 2.0, low], 0);
    let (run, rise) = (screen, h - bonnet - 0.03);
    d.tilted(
        [w * 0.93, 0.06, run.hypot(rise)],
        [0.0, front + run / 2.0, bonnet + rise / 2.0],
        (run / rise).atan(),
        t.glass,
    );
    d.block(
        [w + 0.012, screen * 0.75 + 0.5, (h - bonnet) * 0.55],
        [0.0, front + screen + 0.35, bonnet],
        t.glass,
    );
    if dice.chance(0.5) {
        let long = l * 0.4;
        d.block(
            [w + 0.012, long, (h - bonnet) * 0.5],
            [0.0, l / 2.0 - long / 2.0 - 0.25, bonnet + 0.02],
            t.glass,
        );
    }
    d.block([w * 0.8, 0.012, (h - bonnet) * 0.55], [0.0, l / 2.0 + 0.006, bonnet], t.glass);
    wheels(&mut d, &t, r, w / 2.0, &[-l / 2.0 + nose * 0.5 + 0.5, l / 2.0 - 0.9]);
    lights(&mut d, &t, w, [-l / 2.0, l / 2.0], bonnet - 0.35);
    for end in [-1.0, 1.0] {
        d.block([w * 0.98, 0.08, 0.16], [0.0, end * (l / 2.0 + 0.02), low], t.dark);
    }
    d.centred()
}

pub(super) fn truck(dice: &mut Dice) -> Design {
    let finish = lacquer(dice);
    let mut d = Design::new(TRUCK, &finish);
    let t = trim(&mut d);
    let (w, l, h) = (dice.within(2.0, 2.5), dice.within(5.2, 8.6), dice.within(2.4, 3.7));
    let r = dice.within(0.38, 0.5);
    let cab = dice.within(1.5, 1.95);
    let cab_height = dice.within(2.15, 2.6).min(h);
    let low = r * 0.9;
    let (front, back) = (-l / 2.0, l / 2.0);
    let cargo =
        Material::plain(srgb(dice.pick([[232, 232, 228], [186, 188, 190], [208, 196, 168]]))).glossy(0.1);
    let cargo = d.material(cargo);
    d.block([w * 0.96, cab, cab_height - low], [0.0, front + cab / 2.0, low], 0);
    let glass = cab_height * 0.3;
    let sill = cab_height * 0.58;
    d.block([w * 0.86, 0.014, glass], [0.0, front - 0.007, sill], t.glass);
    d.block([w * 0.96 + 0.014, cab * 0.5, glass * 0.9], [0.0, front + cab * 0.38, sill], t.glass);
    d.block([w * 0.6, 0.016, 0.34], [0.0, front - 0.008, low + 0.25], t.dark);
    d.block([w * 0.5, l - cab, 0.2], [0.0, cab / 2.0, r + 0.15], t.dark);
    let deck = r * 2.0 + 0.12;
    let gap = 0.12;
    if dice.chance(0.7) {
        d.block([w, l - cab - gap, h - deck], [0.0, (cab + gap) / 2.0, deck], cargo);
    } else {
        // A flat bed with sides.
        let side = dice.within(0.35, 0.6);
        d.block([w, l - cab - gap, 0.12], [0.0, (cab + gap) / 2.0, deck], cargo);
        for sign in [-1.0, 1.0] {
            d.block(
                [0.06, l - cab - gap, side],
                [sign * (w / 2.0 - 0.03), (cab + gap) / 2.0, deck + 0.12],
                0,
            );
        }
        d.block([w, 0.06, side], [0.0, back - 0.03, deck + 0.12], 0);
        d.block([w, 0.06, side], [0.0, front + cab + gap + 0.03, deck + 0.12], 0);
    }
    let axles =
        if l > 7.0 { vec![front + 0.75, back - 1.9, back - 0.85] } else { vec![front + 0.75, back - 1.1] };
    wheels(&mut d, &t, r, w / 2.0 - 0.02, &axles);
    lights(&mut d, &t, w * 0.94, [front, back], low + 0.08);
    d.centred()
}

pub(super) fn bus(dice: &mut Dice) -> Design {
    let finish = lacquer(dice);
    let mut d = Design::new(BUS, &finish);
    let t = trim(&mut d);
    let decks = if dice.chance(0.25) { 2 } else { 1 };
    let (w, l) = (dice.within(2.3, 2.55), dice.within(7.0, 11.0));
    let h = if decks == 2 { dice.within(3.8, 4.3) } else { dice.within(2.6, 3.3) };
    let r = dice.within(0.42, 0.5);
    let low = r * 0.7;
    let stripe = d.material(Material::plain(scaled(finish.look.base, 0.55)).glossy(0.5));
    d.block([w, l, h - low], [0.0, 0.0, low], 0);
    let per_deck = (h - low) / f64::from(decks);
    let panes = (l / 1.35).floor().max(3.0) as i32;
    let each = (l - 0.5) / f64::from(panes);
    for deck in 0..decks {
        let sill = low + f64::from(deck) * per_deck + per_deck * 0.42;
        for i in 0..panes {
            let y = -l / 2.0 + 0.25 + (f64::from(i) + 0.5) * each;
            d.block([w + 0.016, each - 0.14, per_deck * 0.4], [0.0, y, sill], t.glass);
        }
        d.block([w * 0.9, 0.016, per_deck * 0.5], [0.0, -l / 2.0 - 0.008, sill - per_deck * 0.06], t.glass);
        d.block([w * 0.8, 0.016, per_deck * 0.38], [0.0, l / 2.0 + 0.008, sill], t.glass);
    }
    d.block([w + 0.012, l + 0.012, 0.14], [0.0, 0.0, low + 0.3], stripe);
    wheels(&mut d, &t, r, w / 2.0, &[-l * 0.32, l * 0.3]);
    lights(&mut d, &t, w, [-l / 2.0, l / 2.0], low + 0.12);
    d.centred()
}
