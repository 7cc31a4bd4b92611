//! Pictures put together byte by byte, so that they can be wrong in exactly one place.

use std::io::Cursor;

use image::{ExtendedColorType, ImageFormat};

/// A PNG chunk with a correct checksum.
pub(crate) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = (data.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    let mut crc = u32::MAX;
    for &byte in &out[4..] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    out.extend((!crc).to_be_bytes());
    out
}

/// `data` as a zlib stream of one stored block.
fn zlib(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let mut out = vec![0x78, 0x01, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend_from_slice(data);
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in data {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    out.extend((b << 16 | a).to_be_bytes());
    out
}

/// A PNG of the given declared size, bit depth and colour type, with `extra` chunks before the rows.
pub(crate) fn png(size: (u32, u32), depth: u8, color: u8, extra: &[u8], rows: &[&[u8]]) -> Vec<u8> {
    let mut header = [size.0.to_be_bytes(), size.1.to_be_bytes()].concat();
    header.extend([depth, color, 0, 0, 0]);
    let mut raw = Vec::new();
    for row in rows {
        raw.push(0);
        raw.extend_from_slice(row);
    }
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend(chunk(b"IHDR", &header));
    out.extend_from_slice(extra);
    out.extend(chunk(b"IDAT", &zlib(&raw)));
    out.extend(chunk(b"IEND", &[]));
    out
}

/// A 20x12 picture with some structure, as `format`.
pub(crate) fn sample(format: ImageFormat) -> Vec<u8> {
    let data: Vec<u8> =
        (0..20_u32 * 12).flat_map(|i| [(i * 3) as u8, (i % 20 * 12) as u8, (i / 20 * 20) as u8]).collect();
    let mut out = Cursor::new(Vec::new());
    if format == ImageFormat::Gif {
        let rgba: Vec<u8> = data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
        image::write_buffer_with_format(&mut out, &rgba, 20, 12, ExtendedColorType::Rgba8, format).unwrap();
    } else {
        image::write_buffer_with_format(&mut out, &data, 20, 12, ExtendedColorType::Rgb8, format).unwrap();
    }
    out.into_inner()
}

/// The formats of [`sample`].
pub(crate) const FORMATS: [ImageFormat; 7] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Bmp,
    ImageFormat::Gif,
    ImageFormat::Tiff,
    ImageFormat::Pnm,
];

/// A baseline JPEG of 8x8 pixels whose components are all flat, one value each.
///
/// The DC quantiser is 8, so that a difference is a level; nine DC categories have codes of four bits, and one AC code says "end of block".
pub(crate) fn flat_jpeg(components: &[u8], adobe_transform: Option<u8>) -> Vec<u8> {
    let n = components.len() as u8;
    let mut out = vec![0xFF, 0xD8];
    let mut segment = |code: u8, data: &[u8]| {
        out.extend([0xFF, code]);
        out.extend((data.len() as u16 + 2).to_be_bytes());
        out.extend_from_slice(data);
    };
    if let Some(transform) = adobe_transform {
        segment(0xEE, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat());
    }
    segment(0xDB, &[&[0_u8][..], &[8; 64]].concat());
    let ids: Vec<u8> = (1..=n).flat_map(|id| [id, 0x11, 0]).collect();
    segment(0xC0, &[&[8, 0, 8, 0, 8, n][..], &ids].concat());
    segment(
        0xC4,
        &[&[0x00, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat(),
    );
    segment(0xC4, &[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let ids: Vec<u8> = (1..=n).flat_map(|id| [id, 0x00]).collect();
    segment(0xDA, &[&[n][..], &ids, &[0, 63, 0]].concat());

    let mut bits = String::new();
    for &value in components {
        let difference = i32::from(value) - 128;
        let category = 32 - difference.unsigned_abs().leading_zeros();
        bits += &format!("{category:04b}");
        if category > 0 {
            let code = if difference < 0 { difference + (1 << category) - 1 } else { difference };
            bits += &format!("{code:0width$b}", width = category as usize);
        }
        bits += "0";
    }
    while !bits.len().is_multiple_of(8) {
        bits += "1";
    }
    for byte in bits.as_bytes().chunks_exact(8) {
        let value = u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap();
        out.push(value);
        if value == 0xFF {
            out.push(0);
        }
    }
    out.extend([0xFF, 0xD9]);
    out
}
