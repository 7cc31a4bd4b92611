//! Broken, hostile and unusual files: an error or the right picture, never a panic.

#![expect(clippy::unwrap_used, reason = "a failure in the helpers of a test must end the test")]

mod build;

use build::{FORMATS, chunk, flat_jpeg, png, sample};
use image::ImageFormat;
use plumb_image::{ImageError, Limits, RgbImage, decode};
use proptest::prelude::*;

fn get(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    decode(bytes, &Limits::default())
}

fn pixels(bytes: &[u8]) -> Vec<u8> {
    get(bytes).unwrap().into_data()
}

#[test]
fn not_pictures() {
    assert!(matches!(get(&[]), Err(ImageError::Empty)));
    for bytes in [
        &b"\0"[..],
        b"<html><body>404 Not Found</body></html>",
        b"\x88PNG\r\n\x1a\n",
        b"\x89PNG\n\x1a\n",
        b"P9\n1 1\n255\n",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"%PDF-1.7",
        b"\0\0\0\x1cftypavif",
        &[0; 100],
    ] {
        let error = get(bytes).unwrap_err();
        assert!(matches!(error, ImageError::UnknownFormat { .. }), "{error}");
    }
    assert!(get(&[0x42]).unwrap_err().to_string().contains("starts with 42"));
}

/// A prefix is an error, or it is the whole picture where only a trailer is missing.
#[test]
fn every_truncation() {
    for format in FORMATS {
        let bytes = sample(format);
        let whole = get(&bytes).unwrap();
        assert_eq!(whole.size(), (20, 12), "{format:?}");
        let mut accepted = 0;
        for end in 0..bytes.len() {
            if let Ok(image) = get(&bytes[..end]) {
                accepted += 1;
                assert_eq!(image, whole, "{format:?} cut to {end} of {} bytes", bytes.len());
            }
        }
        assert!(accepted <= 20, "{format:?}: {accepted} prefixes were accepted");
    }
}

#[test]
fn a_cut_file_says_so() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Pnm, ImageFormat::Tiff, ImageFormat::Bmp]
    {
        let bytes = sample(format);
        let error = get(&bytes[..bytes.len() / 2]).unwrap_err();
        assert!(matches!(error, ImageError::Truncated { .. }), "{format:?}: {error}");
    }
}

/// Sizes that nobody has the memory for, declared by a few bytes.
#[test]
fn huge_declared_sizes() {
    let bomb = png((60_000, 60_000), 8, 2, &[], &[&[0; 30]]);
    assert!(matches!(get(&bomb), Err(ImageError::TooManyPixels { found: 3_600_000_000, .. })));
    let wide = png((70_000, 1), 8, 2, &[], &[&[0; 30]]);
    assert!(matches!(get(&wide), Err(ImageError::TooLarge { width: 70_000, .. })));
    assert!(get(&png((u32::MAX, u32::MAX), 16, 6, &[], &[&[0; 30]])).is_err());
    assert!(get(&png((0x7fff_ffff, 0x7fff_ffff), 8, 2, &[], &[&[0; 30]])).is_err());

    let mut bmp = sample(ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&60_000_i32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_i32.to_le_bytes());
    assert!(matches!(get(&bmp), Err(ImageError::TooManyPixels { .. })));
    bmp[18..22].copy_from_slice(&i32::MIN.to_le_bytes());
    assert!(get(&bmp).is_err());
    bmp[18..26].copy_from_slice(&[0xFF; 8]);
    assert!(get(&bmp).is_err());

    let mut gif = sample(ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert!(matches!(get(&gif), Err(ImageError::TooManyPixels { .. })));

    for (w, h) in [("60000", "60000"), ("4294967295", "4294967295"), ("99999999999", "1"), ("-1", "1")] {
        assert!(get(format!("P6\n{w} {h}\n255\n").as_bytes()).is_err(), "{w}");
    }

    // The size of a little-endian TIFF stands in tags 256 and 257.
    let mut tiff = sample(ImageFormat::Tiff);
    let mut found = 0;
    for at in 0..tiff.len() - 12 {
        if tiff[at..at + 2] == [0, 1] && tiff[at + 8..at + 12] == [20, 0, 0, 0]
            || tiff[at..at + 2] == [1, 1] && tiff[at + 8..at + 12] == [12, 0, 0, 0]
        {
            tiff[at + 2] = 4;
            tiff[at + 8..at + 12].copy_from_slice(&60_000_u32.to_le_bytes());
            found += 1;
        }
    }
    assert_eq!(found, 2, "the test must find both size tags");
    assert!(get(&tiff).is_err());

    let mut jpeg = sample(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    assert!(matches!(get(&jpeg), Err(ImageError::TooManyPixels { .. })));
}

#[test]
fn zero_sizes() {
    assert!(get(&png((0, 5), 8, 2, &[], &[&[0; 3]])).is_err());
    assert!(get(&png((5, 0), 8, 2, &[], &[&[0; 3]])).is_err());
    assert!(get(b"P6\n0 0\n255\n").is_err());
    let mut gif = sample(ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0; 4]);
    assert!(get(&gif).is_err());
    let mut bmp = sample(ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&[0; 4]);
    assert!(get(&bmp).is_err());
    let mut jpeg = sample(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0; 4]);
    assert!(get(&jpeg).is_err());
}

#[test]
fn damage_inside() {
    let good = png((2, 1), 8, 2, &[], &[&[1, 2, 3, 4, 5, 6]]);
    assert_eq!(pixels(&good), [1, 2, 3, 4, 5, 6]);
    let at = good.windows(4).position(|kind| kind == b"IDAT").unwrap();

    let mut crc = good.clone();
    let header_crc = 8 + 8 + 13;
    crc[header_crc] ^= 0xFF;
    assert!(matches!(get(&crc), Err(ImageError::Damaged { .. })), "a wrong checksum of the header");

    let mut crc = good.clone();
    crc[at + 6 + 8] ^= 0xFF;
    assert!(get(&crc).is_err(), "a sample that contradicts its checksum");

    let mut kind = good.clone();
    kind[at] = b'J';
    assert!(get(&kind).is_err(), "no picture data");

    let mut header = good;
    header[24] = 7;
    assert!(get(&header).is_err(), "a bit depth that does not exist");

    assert!(get(&png((2, 1), 8, 3, &[], &[&[0, 1]])).is_err(), "a palette picture without a palette");
    assert!(get(b"GIF89a\x02\0\x01\0\0\0\0;").is_err(), "a GIF without a picture");
}

#[test]
fn limits_hold() {
    let bytes = png((2, 3), 8, 2, &[], &[&[0; 6], &[0; 6], &[0; 6]]);
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        decode(&bytes, &limits)
    };
    assert!(with(|_| ()).is_ok());
    assert!(matches!(with(|l| l.max_encoded_bytes = 20), Err(ImageError::TooManyBytes { limit: 20, .. })));
    assert!(matches!(with(|l| l.max_width = 1), Err(ImageError::TooLarge { max_width: 1, .. })));
    assert!(matches!(with(|l| l.max_height = 2), Err(ImageError::TooLarge { .. })));
    assert!(matches!(with(|l| l.max_pixels = 5), Err(ImageError::TooManyPixels { found: 6, .. })));
    assert!(with(|l| l.max_alloc_bytes = 17).is_err());
}

/// Expected values: what Pillow 12.3.0 gives for the same bytes after `convert("RGB")`.
#[test]
fn unusual_samples() {
    assert_eq!(
        pixels(&png((4, 1), 1, 0, &[], &[&[0b0110_0000]])),
        [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]
    );
    assert_eq!(
        pixels(&png((4, 1), 2, 0, &[], &[&[0x1b]])),
        [0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255]
    );
    assert_eq!(pixels(&png((2, 1), 4, 0, &[], &[&[0x1b]])), [17, 17, 17, 187, 187, 187]);
    // Alpha is dropped, even where it hides the pixel.
    assert_eq!(pixels(&png((2, 1), 8, 6, &[], &[&[9, 8, 7, 0, 6, 5, 4, 255]])), [9, 8, 7, 6, 5, 4]);
    assert_eq!(pixels(&png((2, 1), 8, 4, &[], &[&[9, 0, 6, 255]])), [9, 9, 9, 6, 6, 6]);
    let palette = [chunk(b"PLTE", &[1, 2, 3, 4, 5, 6]), chunk(b"tRNS", &[0, 128])].concat();
    assert_eq!(pixels(&png((2, 1), 8, 3, &palette, &[&[1, 0]])), [4, 5, 6, 1, 2, 3]);
    assert_eq!(pixels(&png((2, 1), 1, 3, &palette, &[&[0x40]])), [1, 2, 3, 4, 5, 6]);
    assert_eq!(pixels(&png((1, 1), 8, 2, &chunk(b"tRNS", &[0, 9, 0, 8, 0, 7]), &[&[9, 8, 7]])), [9, 8, 7]);
    // The high byte of 16 bits.
    assert_eq!(pixels(&png((1, 1), 16, 2, &[], &[&[0x01, 0xFF, 0x80, 0, 0xFF, 0x7F]])), [1, 128, 255]);
    assert_eq!(pixels(&png((1, 1), 16, 6, &[], &[&[1, 255, 2, 255, 3, 255, 0, 0]])), [1, 2, 3]);
    assert_eq!(pixels(&png((1, 1), 16, 4, &[], &[&[7, 255, 0, 0]])), [7, 7, 7]);
    // Here Pillow would clip to white: see the documentation of `decode`.
    assert_eq!(pixels(&png((2, 1), 16, 0, &[], &[&[0x12, 0x34, 0, 200]])), [0x12, 0x12, 0x12, 0, 0, 0]);
    assert_eq!(pixels(b"P4\n4 1\n\xa0"), [0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255]);
    assert_eq!(
        pixels(b"P5\n4 1\n100\n\x00\x32\x63\x64"),
        [0, 0, 0, 128, 128, 128, 252, 252, 252, 255, 255, 255]
    );
    assert_eq!(pixels(b"P3\n1 1\n255\n1 2 3\n"), [1, 2, 3]);
}

#[test]
fn cmyk_jpegs() {
    let grey = get(&flat_jpeg(&[77], None)).unwrap();
    assert_eq!(grey, RgbImage::filled(8, 8, [77; 3]).unwrap());
    // Adobe stores the complement: red = C·K / 255.
    let cmyk = get(&flat_jpeg(&[255, 128, 0, 200], Some(0))).unwrap();
    assert_eq!(cmyk, RgbImage::filled(8, 8, [200, 100, 0]).unwrap());
    let error = get(&flat_jpeg(&[255, 128, 0, 200], None)).unwrap_err();
    assert!(
        matches!(error, ImageError::Unsupported { .. }) && error.to_string().contains("Adobe"),
        "{error}"
    );
}

/// The orientation turns a 3x2 picture whose pixels are numbered from 0; expected order from Pillow's `exif_transpose`.
#[test]
fn orientations() {
    let row = |from: u8| (from..from + 3).flat_map(|v| [v; 3]).collect::<Vec<u8>>();
    let expected: [(u8, (u32, u32), [u8; 6]); 9] = [
        (0, (3, 2), [0, 1, 2, 3, 4, 5]),
        (1, (3, 2), [0, 1, 2, 3, 4, 5]),
        (2, (3, 2), [2, 1, 0, 5, 4, 3]),
        (3, (3, 2), [5, 4, 3, 2, 1, 0]),
        (4, (3, 2), [3, 4, 5, 0, 1, 2]),
        (5, (2, 3), [0, 3, 1, 4, 2, 5]),
        (6, (2, 3), [3, 0, 4, 1, 5, 2]),
        (7, (2, 3), [5, 2, 4, 1, 3, 0]),
        (8, (2, 3), [2, 5, 1, 4, 0, 3]),
    ];
    for (code, size, order) in expected {
        let exif =
            [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[code], &[0, 0, 0, 0, 0, 0]].concat();
        let xmp =
            [b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation=\"", &[b'0' + code][..], b"\"/>"].concat();
        for extra in [chunk(b"eXIf", &exif), chunk(b"iTXt", &xmp)] {
            let image = get(&png((3, 2), 8, 2, &extra, &[&row(0), &row(3)])).unwrap();
            assert_eq!(image.size(), size, "orientation {code}");
            let found: Vec<u8> = image.data().iter().step_by(3).copied().collect();
            assert_eq!(found, order, "orientation {code}");
        }
    }
    let both = [
        chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation=\"6\"/>"),
    ];
    let image = get(&png((3, 2), 8, 2, &both.concat(), &[&row(0), &row(3)])).unwrap();
    assert_eq!(image.size(), (3, 2), "EXIF wins over XMP");
    let broken = chunk(b"eXIf", b"MM\0*\xFF\xFF\xFF\xFF");
    assert!(get(&png((3, 2), 8, 2, &broken, &[&row(0), &row(3)])).is_ok(), "damaged EXIF is no obstacle");
}

#[test]
fn the_first_picture_of_an_animation() {
    use image::codecs::gif::GifEncoder;
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for color in [[255, 0, 0, 255], [0, 255, 0, 255]] {
        encoder
            .encode_frame(image::Frame::new(image::RgbaImage::from_pixel(4, 4, image::Rgba(color))))
            .unwrap();
    }
    drop(encoder);
    assert_eq!(get(&bytes).unwrap(), RgbImage::filled(4, 4, [255, 0, 0]).unwrap());
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn files_are_named() {
    use plumb_image::read;
    let folder = std::env::temp_dir().join(format!("plumb-image-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("broken.png");
    std::fs::write(&path, &sample(ImageFormat::Png)[..60]).unwrap();
    let error = read(&path, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("broken.png") && error.contains("cut short"), "{error}");
    std::fs::write(&path, sample(ImageFormat::Png)).unwrap();
    assert!(read(&path, &Limits::default()).is_ok());
    let small = Limits { max_encoded_bytes: 30, ..Limits::default() };
    assert!(read(&path, &small).unwrap_err().to_string().contains("more than the 30 allowed"));
    std::fs::write(&path, b"").unwrap();
    assert!(read(&path, &Limits::default()).unwrap_err().to_string().contains("0 bytes"));
    let missing = read(&folder.join("none.png"), &Limits::default()).unwrap_err();
    assert!(matches!(&missing, ImageError::File { .. }) && missing.to_string().contains("none.png"));
    assert!(read(&folder, &Limits::default()).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Small limits, so that a mutated header does not make the test slow.
const SMALL: Limits = Limits {
    max_encoded_bytes: 1 << 20,
    max_width: 4000,
    max_height: 4000,
    max_pixels: 200_000,
    max_alloc_bytes: 8 << 20,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 512 }))]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes, &SMALL);
    }

    /// A correct signature, then anything.
    #[test]
    fn arbitrary_bodies(kind in 0..FORMATS.len(), keep in 2_usize..60, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut file = sample(FORMATS[kind]);
        file.truncate(keep);
        file.extend(bytes);
        let _ = decode(&file, &SMALL);
    }

    #[test]
    fn mutated_pictures(
        kind in 0..FORMATS.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = sample(FORMATS[kind]);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(image) = decode(&file, &SMALL) {
            prop_assert_eq!(image.data().len(), image.width() as usize * image.height() as usize * 3);
        }
    }
}
