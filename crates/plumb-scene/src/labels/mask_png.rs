//! A PNG in which each pixel has the number of its object.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};
use serde::Deserialize;

use super::{check_size, noun, parse, plural, wrong};
use crate::scene::{Attributes, NameSource};
use crate::{Instances, Label, Result, SceneError};

/// What a number is: `"chair"`, or more of it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Name(String),
    More {
        name: String,
        #[serde(default)]
        plural: Option<String>,
        #[serde(flatten)]
        attributes: Attributes,
    },
}

/// Object masks from a grey PNG of 8 or 16 bits or a PNG with a palette (whose indices are the numbers); 0 is no object.
///
/// `names` is JSON, `{"1": "chair", "2": {"name": "lamp", "plural": "lamps", "colour": "red", "caption": "lamp with a red shade"}}`. What it does not name
/// is "object N", named by nobody. Numbers that no pixel has are left out.
///
/// # Errors
/// [`SceneError::Format`] naming the file (`name`, `names_name`) for anything else: colour, cut off, too large, a palette with one colour twice, JSON that says something else.
pub fn instance_png(png: &[u8], name: &str, names: Option<(&[u8], &str)>) -> Result<Instances> {
    let (width, height, ids) = numbers(png, name)?;
    let mut given: BTreeMap<u16, Entry> = BTreeMap::new();
    let mut file = name;
    if let Some((json, names_name)) = names {
        file = names_name;
        let entries: BTreeMap<String, Entry> = parse(json, names_name)?;
        for (key, entry) in entries {
            match key.parse() {
                Ok(0) | Err(_) => {
                    let key: String = key.chars().take(20).collect();
                    return wrong(
                        names_name,
                        format!("'{key}' is not an object number, expected 1 to 65535"),
                    );
                }
                Ok(id) => given.insert(id, entry),
            };
        }
    }
    let seen: BTreeSet<u16> = ids.iter().copied().filter(|&id| id != 0).collect();
    let mut labels = Vec::with_capacity(seen.len());
    for id in seen {
        labels.push(match given.remove(&id) {
            Some(entry) => label(id, entry, file)?,
            None => Label {
                id,
                name: format!("object {id}"),
                plural: "objects".to_owned(),
                named_by: NameSource::Proposal,
                attributes: Attributes::default(),
            },
        });
    }
    Instances::new(width, height, ids, labels)
}

fn label(id: u16, entry: Entry, file: &str) -> Result<Label> {
    let (name, many, attributes) = match entry {
        Entry::Name(name) => (name, None, Attributes::default()),
        Entry::More { name, plural, attributes } => (name, plural, attributes),
    };
    let name = noun(&name, file)?.to_owned();
    let plural = match many {
        Some(many) => noun(&many, file)?.to_owned(),
        None => plural(&name),
    };
    Ok(Label { id, name, plural, named_by: NameSource::Label, attributes })
}

fn numbers(png: &[u8], name: &str) -> Result<(u32, u32, Vec<u16>)> {
    if !png.starts_with(b"\x89PNG\r\n\x1a\n") {
        return wrong(name, "not a PNG; object masks are PNG, grey or with a palette");
    }
    let failed = |error: image::ImageError| SceneError::Format {
        path: name.to_owned(),
        detail: format!("not a readable PNG: {error}"),
    };
    let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(1 << 30);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let pixels = check_size(name, width, height)?;
    let color = decoder.color_type();
    // Bits a sample and the colour type of IHDR: the decoder widens both.
    let (bits, indexed) = (png.get(24).copied().unwrap_or(8), png.get(25) == Some(&3));
    let mut data = vec![0; pixels * usize::from(color.bytes_per_pixel())];
    decoder.read_image(&mut data).map_err(failed)?;
    let ids = match color {
        ColorType::L16 => data.as_chunks().0.iter().map(|&two| u16::from_ne_bytes(two)).collect(),
        ColorType::L8 => {
            let most = 255 / ((1u16 << bits.min(8)) - 1).max(1);
            data.iter().map(|&level| u16::from(level) / most.max(1)).collect()
        }
        ColorType::Rgb8 | ColorType::Rgba8 if indexed => {
            indices(&data, usize::from(color.channel_count()), palette(png), name)?
        }
        _ => {
            let channels = color.channel_count();
            return wrong(
                name,
                format!(
                    "a colour picture ({channels} channels); object masks are PNG, grey or with a palette"
                ),
            );
        }
    };
    Ok((width, height, ids))
}

/// The palette of a PNG whose signature was checked.
fn palette(png: &[u8]) -> &[u8] {
    let mut rest = png.get(8..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if &kind == b"PLTE" {
            return after.get(..length).unwrap_or_default();
        }
        // Data and checksum.
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    &[]
}

/// The decoder gives colours; their places in the palette are the numbers.
fn indices(data: &[u8], channels: usize, palette: &[u8], name: &str) -> Result<Vec<u16>> {
    let mut places: BTreeMap<&[u8], (u16, bool)> = BTreeMap::new();
    for (at, colour) in (0u16..).zip(palette.chunks_exact(3)) {
        places.entry(colour).and_modify(|(_, twice)| *twice = true).or_insert((at, false));
    }
    let mut ids = Vec::with_capacity(data.len() / channels);
    let mut last: Option<(&[u8], u16)> = None;
    for pixel in data.chunks_exact(channels) {
        let colour = pixel.get(..3).unwrap_or_default();
        let id = match last {
            Some((same, id)) if same == colour => id,
            _ => match places.get(colour) {
                Some(&(id, false)) => id,
                Some(_) => {
                    return wrong(
                        name,
                        "a palette that has one colour twice: its numbers cannot be told apart",
                    );
                }
                None => return wrong(name, "a pixel with a number that is not in the palette"),
            },
        };
        last = Some((colour, id));
        ids.push(id);
    }
    Ok(ids)
}
