//! OpenEXR files as depth maps: the one channel that is depth, whatever renderer named it.
//!
//! Source: <https://openexr.com/en/latest/OpenEXRFileLayout.html>; the names of channels are those that OpenEXR itself (Z, Y, R), OpenCV (Y, R),
//! and Blender's layers (`ViewLayer.Depth.Z`, `Depth.V`) write. The crate `exr` decodes; blocks are asked for one at a time, so that of many
//! channels only the one that is needed is kept, and chunks that point outside the picture are refused before the crate computes with them.

use std::collections::BTreeSet;
use std::io::Cursor;

use exr::block::{UncompressedBlock, chunk::CompressedBlock, reader::ChunksReader};
use exr::compression::Compression;
use exr::math::Vec2;
use exr::meta::attribute::{ChannelDescription, IntegerBounds, SampleType};
use exr::meta::{BlockDescription, MetaData, header::Header};
use half::f16;

use super::raster::{MAX_PIXELS, Samples, Values, pixels, wrong};
use crate::{Result, SceneError};

/// The most bytes that one decoded block may have, which for large tiles is the whole picture.
const MAX_BLOCK: u128 = 16 * MAX_PIXELS as u128;

/// The most layers and channels that are looked at: those of a renderer with every pass are tens.
const MAX_PARTS: usize = 1024;

/// Decodes the depth of the first layer, or of the first that has a channel named for depth.
///
/// The map has the size of the display window, as the colour of the same view does; it has no depth outside of the data window.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Samples> {
    let failed =
        |error: exr::error::Error| SceneError::Format { path: name.to_owned(), detail: describe(&error) };
    let reader = exr::block::read(Cursor::new(bytes), false).map_err(failed)?;
    let meta = reader.meta_data().clone();
    allowed(&meta, name)?;
    let (layer, wanted) = choose(&meta.headers, name)?;
    let Some(header) = meta.headers.get(layer) else { return wrong(name, "an EXR without a layer") };
    let window = header.shared_attributes.display_window;
    let (width, height) = pixels(name, window.size.0 as u64, window.size.1 as u64)?;
    let mut canvas = Canvas::new(header, &wanted, window);
    let area = header.layer_size.0 * header.layer_size.1;
    let (mut seen, mut read) = (BTreeSet::new(), 0);
    let mut chunks = reader.all_chunks(false).map_err(failed)?;
    // A file that was cut off in a later layer still has the whole of this one.
    while read < area {
        let Some(chunk) = chunks.read_next_chunk() else {
            return wrong(name, "the EXR lacks a part of its pixels");
        };
        let chunk = chunk.map_err(failed)?;
        if chunk.layer_index != layer || !largest(&chunk.compressed_block) {
            continue;
        }
        let block = UncompressedBlock::decompress_chunk(chunk, &meta, false).map_err(failed)?;
        if !seen.insert((block.index.pixel_position.0, block.index.pixel_position.1)) {
            return wrong(name, "the EXR has a part of its pixels twice");
        }
        read += block.index.pixel_size.0 * block.index.pixel_size.1;
        canvas.paint(&block);
    }
    if !canvas.alike {
        return wrong(name, "a colour picture: its red, green and blue differ; a depth map has one channel");
    }
    let integer = wanted.first().and_then(|&at| header.channels.list.get(at)).is_some_and(whole);
    let values = if integer { Values::Integer(canvas.values) } else { Values::Float(canvas.values) };
    Ok(Samples { width, height, values, pgm: false })
}

fn whole(channel: &ChannelDescription) -> bool {
    channel.sample_type == SampleType::U32
}

/// Of the full picture, not of a smaller copy. The crate panics on absurd levels when it decodes them.
fn largest(block: &CompressedBlock) -> bool {
    match block {
        CompressedBlock::Tile(tile) => tile.coordinates.level_index == Vec2(0, 0),
        _ => true,
    }
}

/// Sizes of every layer: the chunks of all of them are read, though only one is decoded.
fn allowed(meta: &MetaData, name: &str) -> Result<()> {
    if meta.headers.len() > MAX_PARTS {
        return wrong(name, format!("an EXR of {} layers, more than {MAX_PARTS}", meta.headers.len()));
    }
    for header in &meta.headers {
        let Vec2(width, height) = header.layer_size;
        pixels(name, width as u64, height as u64)?;
        // On damaged bytes the decoders of `exr` 1.74.2 subtract past zero (`compression/b44/mod.rs`, `unpack14`) or reserve what the bytes
        // name, 957 GB for one wrong byte (`compression/dwa`). Both lose precision that depth needs.
        if let Compression::B44 | Compression::B44A | Compression::DWAA(_) | Compression::DWAB(_) =
            header.compression
        {
            return wrong(
                name,
                format!(
                    "an EXR with the lossy compression {}, which is not read; write it with ZIP",
                    header.compression
                ),
            );
        }
        let channels = &header.channels.list;
        if channels.len() > MAX_PARTS {
            return wrong(name, format!("an EXR of {} channels, more than {MAX_PARTS}", channels.len()));
        }
        if let Some(odd) = channels.iter().find(|channel| channel.sampling != Vec2(1, 1)) {
            let Vec2(x, y) = odd.sampling;
            return wrong(
                name,
                format!("the EXR's channel {} has one sample for {x}x{y} pixels, expected 1x1", odd.name),
            );
        }
        let Vec2(across, down) = match header.blocks {
            BlockDescription::Tiles(tiles) => tiles.tile_size,
            BlockDescription::ScanLines => Vec2(width, header.compression.scan_lines_per_block()),
        };
        let bytes = across as u128 * down as u128 * header.channels.bytes_per_pixel as u128;
        if bytes > MAX_BLOCK {
            return wrong(
                name,
                format!(
                    "an EXR in blocks of {across}x{down} pixels with {bytes} bytes, more than {MAX_BLOCK}"
                ),
            );
        }
    }
    Ok(())
}

/// How much the name of a channel says that it is depth; less is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Z,
    Depth,
    D,
    Luminance,
    Value,
    Red,
    Only,
}

/// The layer and the channels in it: one, or red, green and blue that must say the same.
fn choose(headers: &[Header], name: &str) -> Result<(usize, Vec<usize>)> {
    let best = |layer: usize, header: &Header| {
        let names: Vec<String> =
            header.channels.list.iter().map(|channel| channel.name.to_string()).collect();
        candidate(&names).map(|(claim, channels)| (claim, layer, channels))
    };
    let mut found: Vec<_> = headers.iter().enumerate().map(|(layer, header)| best(layer, header)).collect();
    let named = found.iter().position(|best| best.as_ref().is_some_and(|(claim, ..)| *claim <= Claim::Depth));
    if let Some((_, layer, channels)) = found.get_mut(named.unwrap_or(0)).and_then(Option::take) {
        return Ok((layer, channels));
    }
    let names = headers.first().map(|header| header.channels.list.iter().take(8).map(|c| c.name.to_string()));
    let names: Vec<String> =
        names.into_iter().flatten().map(|name| name.chars().take(40).collect()).collect();
    wrong(name, format!("an EXR with no channel for depth (Z, depth, Y or R) among {}", names.join(", ")))
}

/// The channel of a list of names that is depth.
fn candidate(names: &[String]) -> Option<(Claim, Vec<usize>)> {
    let parts: Vec<(String, String)> = names
        .iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let (group, last) = lower.rsplit_once('.').unwrap_or(("", &lower));
            (group.to_owned(), last.to_owned())
        })
        .collect();
    let at = |group: &str, last: &str| parts.iter().position(|(g, l)| g == group && l == last);
    let claim = |group: &str, last: &str| {
        // Normals, positions and motion have a Z and a Y that are no depth, and luminance may come with colour.
        let vector = at(group, "x").is_some() && at(group, "y").is_some();
        let chroma = at(group, "ry").is_some() || at(group, "by").is_some();
        let said = group.rsplit('.').next().is_some_and(|group| group.contains("depth"));
        match last {
            "z" if !vector => Some(Claim::Z),
            "v" | "x" | "y" if said && !vector => Some(Claim::Depth),
            "d" => Some(Claim::D),
            "y" if !vector && !chroma => Some(Claim::Luminance),
            "v" => Some(Claim::Value),
            "r" => Some(Claim::Red),
            _ if last.starts_with("depth") => Some(Claim::Depth),
            _ if names.len() == 1 && last != "a" => Some(Claim::Only),
            _ => None,
        }
    };
    let (claim, _, index) = parts
        .iter()
        .enumerate()
        .filter_map(|(index, (group, last))| {
            Some((claim(group, last)?, !(group.is_empty() || group.contains("depth")), index))
        })
        .min()?;
    let mut channels = vec![index];
    if claim == Claim::Red {
        let group = &parts.get(index)?.0;
        channels.extend(["g", "b"].into_iter().filter_map(|last| at(group, last)));
    }
    Some((claim, channels))
}

/// The depth map while its blocks come in.
struct Canvas {
    values: Vec<f32>,
    size: (usize, usize),
    /// Where the data begins, from the corner of the picture.
    offset: (i64, i64),
    channels: Vec<Plane>,
    /// Bytes of a pixel in all channels.
    stride: usize,
    /// Whether the other channels say the same as the first, or nothing.
    alike: bool,
}

struct Plane {
    /// Bytes of a pixel in the channels before.
    before: usize,
    kind: SampleType,
}

impl Canvas {
    fn new(header: &Header, wanted: &[usize], window: IntegerBounds) -> Self {
        let list = &header.channels.list;
        let size = |channel: &ChannelDescription| channel.sample_type.bytes_per_sample();
        let plane = |&at: &usize| {
            let before = list.iter().take(at).map(size).sum();
            list.get(at).map(|channel| Plane { before, kind: channel.sample_type })
        };
        let corner = header.own_attributes.layer_position;
        Self {
            values: vec![0.0; window.size.0 * window.size.1],
            size: (window.size.0, window.size.1),
            offset: (
                i64::from(corner.0) - i64::from(window.position.0),
                i64::from(corner.1) - i64::from(window.position.1),
            ),
            channels: wanted.iter().filter_map(plane).collect(),
            stride: list.iter().map(size).sum(),
            alike: true,
        }
    }

    /// A block is rows of pixels; a row is the samples of one channel after those of the other.
    fn paint(&mut self, block: &UncompressedBlock) {
        let Vec2(width, _) = block.index.pixel_size;
        let Vec2(x, y) = block.index.pixel_position;
        let Some((first, others)) = self.channels.split_first() else { return };
        let left = self.offset.0 + x as i64;
        for (row, data) in block.data.chunks_exact((self.stride * width).max(1)).enumerate() {
            let top = self.offset.1 + (y + row) as i64;
            let depths = first.samples(data, width);
            for other in others {
                let same = |(&a, &b): (&f32, &f32)| a == b || b == 0.0 || (a.is_nan() && b.is_nan());
                self.alike &= depths.iter().zip(&other.samples(data, width)).all(same);
            }
            let Ok(top) = usize::try_from(top) else { continue };
            if top >= self.size.1 {
                continue;
            }
            let Some(target) = self.values.get_mut(top * self.size.0..(top + 1) * self.size.0) else {
                continue;
            };
            let (skip, start) = if left < 0 { (left.unsigned_abs() as usize, 0) } else { (0, left as usize) };
            for (to, from) in target.iter_mut().skip(start).zip(depths.iter().skip(skip)) {
                *to = *from;
            }
        }
    }
}

impl Plane {
    fn samples(&self, row: &[u8], width: usize) -> Vec<f32> {
        let start = self.before * width;
        let bytes = row.get(start..start + self.kind.bytes_per_sample() * width).unwrap_or_default();
        match self.kind {
            SampleType::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_ne_bytes(b).to_f32()).collect(),
            SampleType::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_ne_bytes(b)).collect(),
            SampleType::U32 => bytes.as_chunks().0.iter().map(|&b| u32::from_ne_bytes(b) as f32).collect(),
        }
    }
}

fn describe(error: &exr::error::Error) -> String {
    let text = error.to_string();
    let cut = matches!(error, exr::error::Error::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof);
    if cut || text.contains("fill whole buffer") || text.contains("reference to missing bytes") {
        return "the EXR is cut off".to_owned();
    }
    format!("not a readable EXR: {}", text.lines().next().unwrap_or_default())
}
