//! Each format from bytes made here, and a table of what is refused.

use std::io::Cursor;
use std::path::Path;

use super::*;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};

const WIDTH: u32 = 8;
const HEIGHT: u32 = 6;

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn grey16(of: impl Fn(u32, u32) -> u16) -> ImageBuffer<Luma<u16>, Vec<u16>> {
    ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Luma([of(x, y)]))
}

fn png16(of: impl Fn(u32, u32) -> u16) -> Vec<u8> {
    encode(grey16(of), ImageFormat::Png)
}

fn pgm(values: &[[u8; 2]], head: &str) -> Vec<u8> {
    [head.as_bytes(), values.as_flattened()].concat()
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn read(bytes: &[u8], format: Option<DepthFormat>) -> DepthFile {
    decode_depth(bytes, "d", &DepthOptions { format, ..Default::default() }).unwrap()
}

#[test]
fn scales_of_the_data_sets() {
    let bytes = png16(|x, y| if x == 0 { 0 } else { 2000 + (y * 100 + x) as u16 });
    for (format, scale) in [
        (None, 1000.0),
        (Some(DepthFormat::Tum), 5000.0),
        (Some(DepthFormat::Nyu), 1000.0),
        (Some(DepthFormat::Scannet), 1000.0),
        (Some(DepthFormat::Redwood), 1000.0),
    ] {
        let file = read(&bytes, format);
        assert_eq!((file.scale, file.depth.width(), file.depth.height()), (scale, WIDTH, HEIGHT));
        assert!((f64::from(file.depth.values()[file.depth.index(3, 2)]) - 2203.0 / scale).abs() < 1e-6);
        assert_eq!(file.measured, 7.0 / 8.0);
    }
    let options = DepthOptions { scale: Some(500.0), max_depth: Some(4.5), ray: true, ..Default::default() };
    let file = decode_depth(&bytes, "d", &options).unwrap();
    assert!(file.ray && file.scale == 500.0);
    // 2203 / 500 is nearer than 4.5 m, 2303 / 500 is not.
    assert!(file.depth.values()[file.depth.index(3, 2)] > 4.4);
    assert_eq!(file.depth.values()[file.depth.index(3, 3)], 0.0);
}

#[test]
fn sun_turns_its_bits() {
    // The toolbox: ((d >> 3) | (d << 13)) / 1000, beyond 8 m cut.
    let far = 8001u16.rotate_left(3);
    let bytes = png16(|x, _| if x == 1 { far } else { 2345u16.rotate_left(3) });
    let file = read(&bytes, Some(DepthFormat::Sun));
    assert_eq!(file.depth.values()[0], 2.345);
    assert_eq!(file.depth.values()[1], 0.0);
    // What is stored for 8191 mm and less is a plain shift: 3 bits up.
    assert_eq!(2345u16.rotate_left(3), 2345 << 3);
}

#[test]
fn raw_nyu_is_swapped_and_made_metric() {
    let raw = [600u16, 800, 1000, 1057, 1058, 2047, 0, 700];
    // The file has the low byte first, against the specification of PGM.
    let bytes = pgm(&raw.map(u16::to_le_bytes), "P5\n# kinect\n4 2\n65535\n");
    let depth = read(&bytes, Some(DepthFormat::Nyu)).depth;
    for (at, want) in
        [(0, 351.3 / 492.5), (1, 351.3 / 292.5), (2, 351.3 / 92.5), (3, 351.3 / 35.5), (7, 351.3 / 392.5)]
    {
        assert!((f64::from(depth.values()[at]) - want).abs() < 1e-6, "{at}");
    }
    // Beyond 10 m (10.18), behind the pole of the formula, and no value at all.
    assert_eq!(depth.values()[4..7], [0.0; 3]);
    let plain = pgm(&[1500u16, 2500].map(u16::to_be_bytes), "P5 2 1 65535\n");
    assert_eq!(read(&plain, None).depth.values(), [1.5, 2.5]);
}

#[test]
fn floats_are_metres() {
    let metres = |x: u32, y: u32| 1.5 + x as f32 * 0.25 + y as f32;
    let picture = ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| {
        let z = if (x, y) == (7, 5) { f32::NAN } else { metres(x, y) };
        Rgb([z, z, 0.0])
    });
    let exr = encode(DynamicImage::ImageRgb32F(picture), ImageFormat::OpenExr);
    let file = read(&exr, Some(DepthFormat::Tum));
    assert_eq!(file.scale, 1.0);
    assert_eq!(file.depth.values()[file.depth.index(3, 2)], metres(3, 2));
    assert_eq!(file.depth.values()[47], 0.0);
    let tiff = encode(grey16(|x, y| (1000 + 10 * x + y) as u16), ImageFormat::Tiff);
    assert_eq!(read(&tiff, None).depth.values()[9], 1.011);
}

#[test]
fn arrays_of_each_kind_and_order() {
    let value = |at: usize| 1.0 + at as f32 * 0.5;
    let by_row: Vec<usize> = (0..12).collect();
    // (3, 4) in Fortran's order: down the columns.
    let by_column: Vec<usize> = (0..4).flat_map(|x| (0..3).map(move |y| y * 4 + x)).collect();
    let bytes_of = |kind: &str, order: &[usize]| -> Vec<u8> {
        let each = |at: &usize| -> Vec<u8> {
            let z = value(*at);
            match kind {
                "<f2" => half::f16::from_f32(z).to_le_bytes().to_vec(),
                "<f4" => z.to_le_bytes().to_vec(),
                ">f4" => z.to_be_bytes().to_vec(),
                "<f8" => f64::from(z).to_le_bytes().to_vec(),
                "<u2" => ((z * 1000.0) as u16).to_le_bytes().to_vec(),
                ">u2" => ((z * 1000.0) as u16).to_be_bytes().to_vec(),
                "<i4" => ((z * 1000.0) as i32).to_le_bytes().to_vec(),
                "<i8" => ((z * 1000.0) as i64).to_le_bytes().to_vec(),
                _ => panic!("{kind}"),
            }
        };
        order.iter().flat_map(each).collect()
    };
    for kind in ["<f2", "<f4", ">f4", "<f8", "<u2", ">u2", "<i4", "<i8"] {
        for shape in ["(3, 4)", "(1, 3, 4)", "(3, 4, 1)"] {
            for (fortran, order) in [(false, &by_row), (true, &by_column)] {
                let bytes = npy(&format!("'{kind}'"), fortran, shape, &bytes_of(kind, order));
                let depth = read(&bytes, None).depth;
                assert_eq!((depth.width(), depth.height()), (4, 3));
                for (at, &z) in depth.values().iter().enumerate() {
                    assert!((z - value(at)).abs() < 1e-6, "{kind} {shape} {fortran} {at}: {z}");
                }
            }
        }
    }
    // Byte for byte what NumPy 2.4 saves of the numbers 1 to 12 as a 3x4 array of `<f4`.
    let mut file =
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".to_vec();
    file.resize(127, b' ');
    file.push(b'\n');
    file.extend((1..13u8).flat_map(|n| f32::from(n).to_le_bytes()));
    assert_eq!(read(&file, None).depth.values(), (1..13u8).map(f32::from).collect::<Vec<_>>());
}

#[test]
fn what_is_no_depth_is_refused_with_a_reason() {
    let eight = encode(ImageBuffer::from_pixel(8, 6, Luma([9u8])), ImageFormat::Png);
    let colour = encode(ImageBuffer::from_pixel(8, 6, Rgb([9u8, 8, 7])), ImageFormat::Png);
    let colour16 =
        encode(DynamicImage::ImageRgb16(ImageBuffer::from_pixel(8, 6, Rgb([9u16, 8, 7]))), ImageFormat::Png);
    let jpeg = encode(ImageBuffer::from_pixel(8, 6, Rgb([9u8, 8, 7])), ImageFormat::Jpeg);
    let good = png16(|_, _| 2000);
    let exr_of = |pixel: [f32; 3]| {
        encode(DynamicImage::ImageRgb32F(ImageBuffer::from_pixel(8, 6, Rgb(pixel))), ImageFormat::OpenExr)
    };
    let exr = exr_of([2.0; 3]);
    let mut huge = good.clone();
    huge[16..20].copy_from_slice(&1_000_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&1_000_000u32.to_be_bytes());
    // The checksum of IHDR, so that the size and not the damage is what is found.
    let sum = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&sum.to_be_bytes());
    let f4 = |value: f32, count: usize| value.to_le_bytes().repeat(count);
    let array = |descr: &str, shape: &str, data: &[u8]| npy(descr, false, shape, data);
    let long = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], &[b' '; 100]].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "the file is empty"),
        ("text", b"depth".to_vec(), "neither PNG, PGM, TIFF, EXR nor NPY"),
        ("jpeg", jpeg, "a JPEG, which has 8 bits"),
        ("8-bit png", eight, "8 bits a pixel; a depth map needs 16 bits or floats"),
        ("colour png", colour, "a colour picture (3 channels of 8 bits)"),
        ("16-bit colour png", colour16, "a colour picture (3 channels of 16 bits)"),
        ("half a png", good[..good.len() - 30].to_vec(), "the PNG is cut off"),
        ("the head of a png", good[..20].to_vec(), "the PNG is cut off"),
        ("huge png", huge, "1000000x1000000 pixels, more than the 50000000"),
        ("all zero", png16(|_, _| 0), "none of the 8x6 pixels has a depth"),
        (
            "millimetres as metres",
            array("'<f4'", "(2, 2)", &f4(2350.0, 4)),
            "median depth is 2350 m with 1 unit per metre; is it in millimetres (--depth-scale 1000)?",
        ),
        ("metres as millimetres", png16(|_, _| 3), "is it in metres (--depth-scale 1)?"),
        ("centimetres as millimetres", png16(|_, _| 45), "is it in centimetres"),
        ("light years", array("'<f4'", "(2, 2)", &f4(9e15, 4)), "no usual unit"),
        ("colour exr", exr_of([2.0, 3.0, 4.0]), "its red, green and blue differ"),
        ("half an exr", exr[..exr.len() - 60].to_vec(), "EXR"),
        ("the head of an exr", exr[..60].to_vec(), "EXR"),
        ("nan", array("'<f4'", "(2, 2)", &f4(f32::NAN, 4)), "none of the 2x2 pixels"),
        ("infinite", array("'<f4'", "(2, 2)", &f4(f32::INFINITY, 4)), "none of the 2x2 pixels"),
        ("negative", array("'<i4'", "(1, 2)", &[0xff; 8]), "none of the 2x1 pixels"),
        ("bytes", array("'|u1'", "(2, 2)", &[9; 4]), "8 bits a pixel"),
        ("text array", array("'<U3'", "(2, 2)", &[9; 48]), "type 'U3', which is no number"),
        ("records", array("[('x', '<f4')]", "(2, 2)", &[9; 16]), "an array of records"),
        ("vector", array("'<f4'", "(4,)", &f4(2.0, 4)), "an array of shape (4,)"),
        ("three channels", array("'<f4'", "(2, 2, 3)", &f4(2.0, 12)), "an array of shape (2, 2, 3)"),
        ("short array", array("'<f4'", "(2, 2)", &f4(2.0, 3)), "the NPY is cut off: 12 of 16 bytes"),
        ("huge array", array("'<f8'", "(4294967295, 4294967295)", &[]), "more than the 50000000"),
        ("overflowing array", array("'<f8'", "(18446744073709551616, 2)", &[]), "an array of shape"),
        ("empty array", array("'<f8'", "(0, 5)", &[]), "has no pixel"),
        ("long npy header", long, "the NPY header is cut off or longer"),
        (
            "npy without shape",
            npy("'<f4'", false, "(2, 2), 'x': 1", &f4(2.0, 4))
                .iter()
                .map(|b| if *b == b'h' { b'H' } else { *b })
                .collect(),
            "lacks",
        ),
        ("8-bit pgm", pgm(&[[9, 9]; 24], "P5 8 6 255\n"), "8 bits a pixel"),
        ("short pgm", pgm(&[[9, 9]; 20], "P5 8 6 65535\n"), "the PGM is cut off: 40 of 96 bytes"),
        ("huge pgm", pgm(&[], "P5 99999999 99999999 65535\n"), "more than the 50000000"),
        ("pgm of 32 bits", pgm(&[], "P5 8 6 99999\n"), "greatest value 99999"),
        ("pgm without a size", pgm(&[], "P5 eight"), "PGM header"),
        (
            "tiff of 8 bits",
            encode(ImageBuffer::from_pixel(8, 6, Luma([9u8])), ImageFormat::Tiff),
            "8 bits a pixel",
        ),
    ];
    assert!(cases.len() >= 25);
    for (what, bytes, phrase) in cases {
        let message = decode_depth(&bytes, "dir/d.png", &DepthOptions::default()).unwrap_err().to_string();
        assert!(message.starts_with("dir/d.png: ") && message.contains(phrase), "{what}: {message}");
        assert!(!message.contains('\n'), "{what}: {message}");
    }
    for (options, phrase) in [
        (DepthOptions { scale: Some(0.0), ..Default::default() }, "a depth scale of 0"),
        (DepthOptions { scale: Some(f64::NAN), ..Default::default() }, "a depth scale of NaN"),
        (DepthOptions { max_depth: Some(-1.0), ..Default::default() }, "a greatest depth of -1"),
        (DepthOptions { max_depth: Some(1.0), ..Default::default() }, "none of the 8x6 pixels"),
    ] {
        let message = decode_depth(&good, "d.png", &options).unwrap_err().to_string();
        assert!(message.contains(phrase), "{message}");
    }
    let absent =
        read_depth(Path::new("no/such/depth.png"), &DepthOptions::default()).unwrap_err().to_string();
    assert!(absent.starts_with("no/such/depth.png: "), "{absent}");
    assert!(read_depth(&std::env::temp_dir(), &DepthOptions::default()).is_err());
}

/// The checksum of PNG chunks (ISO 3309), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 },
        )
    })
}

static WHOLE: std::sync::LazyLock<[Vec<u8>; 4]> = std::sync::LazyLock::new(|| {
    [
        png16(|x, y| (1000 + x * y) as u16),
        npy("'<f4'", false, "(2, 2)", &[0x40; 16]),
        pgm(&[[9, 9]; 48], "P5 8 6 65535\n"),
        encode(
            DynamicImage::ImageRgb32F(ImageBuffer::from_pixel(8, 6, Rgb([2.0f32; 3]))),
            ImageFormat::OpenExr,
        ),
    ]
});

proptest::proptest! {
    #[test]
    fn damaged_files_never_panic(kind in 0usize..4, at in 0usize..4000, byte: u8, keep in 0usize..4000) {
        let mut bytes = WHOLE[kind].clone();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len().min(keep + bytes.len() / 2));
        let _ = decode_depth(&bytes, "d", &DepthOptions::default());
    }
}
