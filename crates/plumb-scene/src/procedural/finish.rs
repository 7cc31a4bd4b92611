//! Finishes: a material that looks like what a caption says of it.

use super::dice::Dice;
use super::material::{
    BLACK, BLUE, BROWN, Colour, GRAY, GREEN, Material, ORANGE, PALETTE, RED, Rgb, TURQUOISE, Texture, WHITE,
    YELLOW, mixed, scaled, srgb,
};
use super::model::Finish;

/// The same colour, a little lighter or darker.
fn near(dice: &mut Dice, colour: Colour) -> Rgb {
    scaled(colour.linear(), dice.within(0.88, 1.1) as f32)
}

pub(super) fn wood_look(dice: &mut Dice) -> Material {
    let tone = dice.within(0.0, 1.0) as f32;
    let base = mixed(srgb([146, 92, 50]), srgb([96, 56, 30]), tone);
    let dark = scaled(base, 0.52);
    Material::plain(base).textured(Texture::Wood { scale: dice.within(0.14, 0.3) as f32 }, dark).glossy(0.05)
}

pub(super) fn wooden(dice: &mut Dice) -> Finish {
    let look = wood_look(dice);
    Finish { colour: Some(BROWN.name), material: Some("wooden"), pattern: None, look }
}

/// Bare or painted metal.
pub(super) fn metal(dice: &mut Dice) -> Finish {
    let colour = dice.pick([GRAY, GRAY, GRAY, BLACK, WHITE, RED, BLUE, GREEN]);
    Finish {
        colour: Some(colour.name),
        material: Some("metal"),
        pattern: None,
        look: Material::plain(near(dice, colour)).glossy(0.55),
    }
}

pub(super) fn plastic(dice: &mut Dice) -> Finish {
    let colour = dice.pick(PALETTE);
    Finish {
        colour: Some(colour.name),
        material: Some("plastic"),
        pattern: None,
        look: Material::plain(near(dice, colour)).glossy(0.3),
    }
}

/// Painted; the material does not show.
pub(super) fn painted(dice: &mut Dice) -> Finish {
    let colour = dice.pick(PALETTE);
    Finish {
        colour: Some(colour.name),
        material: None,
        pattern: None,
        look: Material::plain(near(dice, colour)).glossy(0.12),
    }
}

/// Lacquer on a car.
pub(super) fn lacquer(dice: &mut Dice) -> Finish {
    let colour = dice.pick([RED, BLUE, WHITE, BLACK, GRAY, GREEN, YELLOW, ORANGE, TURQUOISE, WHITE, GRAY]);
    Finish {
        colour: Some(colour.name),
        material: None,
        pattern: None,
        look: Material::plain(near(dice, colour)).glossy(0.7),
    }
}

/// Cloth, now and then striped or checkered; `size` is the width of a band in metres.
pub(super) fn fabric(dice: &mut Dice, size: f64) -> Finish {
    let mut finish = patterned(dice, size, 0.3);
    finish.material = Some("fabric");
    finish.look.gloss = 0.0;
    if finish.pattern.is_none() {
        let second = scaled(finish.look.base, 0.78);
        finish.look = finish.look.textured(Texture::Mottled { scale: 0.05, strength: 0.9 }, second);
    }
    finish
}

pub(super) fn ceramic(dice: &mut Dice, size: f64) -> Finish {
    let mut finish = patterned(dice, size, 0.3);
    finish.material = Some("ceramic");
    finish.look.gloss = 0.45;
    finish
}

/// Plain paint or, with this share, a pattern with white (with black on white).
pub(super) fn patterned(dice: &mut Dice, size: f64, share: f64) -> Finish {
    let mut finish = painted(dice);
    if dice.chance(share) {
        let second = if finish.colour == Some(WHITE.name) { BLACK.linear() } else { WHITE.linear() };
        let width = (size * dice.within(0.7, 1.4)) as f32;
        let (name, texture) = if dice.chance(0.5) {
            ("striped", Texture::Stripes { width })
        } else {
            ("checkered", Texture::Checks { size: width })
        };
        finish.pattern = Some(name);
        finish.look = finish.look.textured(texture, second);
    }
    finish
}

/// Wood, metal, plastic or paint.
pub(super) fn hard(dice: &mut Dice) -> Finish {
    match dice.below(5) {
        0 | 1 => wooden(dice),
        2 => metal(dice),
        3 => plastic(dice),
        _ => painted(dice),
    }
}

/// Wood or paint.
pub(super) fn carpentry(dice: &mut Dice) -> Finish {
    if dice.chance(0.45) { wooden(dice) } else { painted(dice) }
}

/// One colour that is part of the object's nature.
pub(super) fn natural(colour: Option<Colour>, look: Rgb) -> Finish {
    Finish {
        colour: colour.map(|c| c.name),
        material: None,
        pattern: None,
        look: Material::plain(look).glossy(0.08),
    }
}

/// Plaster, wallpaper or bricks.
pub(super) fn wall_look(dice: &mut Dice) -> Material {
    let tone = dice.pick([
        [226, 220, 206],
        [214, 220, 222],
        [206, 214, 196],
        [222, 204, 188],
        [196, 206, 218],
        [232, 228, 222],
        [214, 202, 214],
        [188, 192, 186],
    ]);
    let base = srgb(tone);
    let plain = Material::plain(base);
    match dice.below(5) {
        0 => plain.textured(Texture::Bricks { width: 0.24, height: 0.08 }, scaled(base, 0.85)),
        1 => plain.textured(Texture::Stripes { width: dice.within(0.08, 0.25) as f32 }, scaled(base, 0.9)),
        _ => plain.textured(Texture::Mottled { scale: 0.4, strength: 0.35 }, scaled(base, 0.85)),
    }
}

/// Boards, tiles or carpet.
pub(super) fn floor_look(dice: &mut Dice) -> Material {
    let wood = wood_look(dice);
    let plank =
        Texture::Planks { width: dice.within(0.09, 0.2) as f32, length: dice.within(0.9, 1.8) as f32 };
    match dice.below(6) {
        0..=2 => {
            let pale = srgb(dice.pick([[188, 150, 108], [166, 126, 88], [204, 176, 140], [148, 132, 116]]));
            Material::plain(pale).textured(plank, scaled(pale, 0.72)).glossy(0.06)
        }
        3 => {
            let tile = srgb(dice.pick([[206, 204, 198], [178, 182, 184], [196, 176, 152]]));
            let texture = Texture::Tiles { size: dice.within(0.25, 0.6) as f32, joint: 0.012 };
            Material::plain(tile).textured(texture, scaled(tile, 0.5)).glossy(0.12)
        }
        4 => {
            let (light, dark) = dice.pick([
                ([222, 218, 210], [84, 84, 88]),
                ([214, 200, 176], [132, 96, 70]),
                ([206, 214, 210], [96, 128, 120]),
            ]);
            Material::plain(srgb(light))
                .textured(Texture::Checks { size: dice.within(0.25, 0.5) as f32 }, srgb(dark))
        }
        _ => {
            let carpet =
                srgb(dice.pick([[150, 142, 130], [120, 128, 138], [164, 150, 126], [128, 116, 120]]));
            let texture = Texture::Mottled { scale: 0.05, strength: 0.8 };
            Material { texture, base: carpet, second: scaled(carpet, 0.72), ..wood }
        }
    }
}
