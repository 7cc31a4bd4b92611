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
