//! Against the vectors of the specification and against Pillow 12.3.0.

use sha2::{Digest, Sha256};

use super::*;
use proptest::prelude::*;

/// The synthetic picture of the fixtures: R = 7x + 3y, G = x²/5 + y, B = 5 (x xor y), each modulo 256.
fn synthetic(width: u32, height: u32) -> RgbImage {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend([(7 * x + 3 * y) as u8, (x * x / 5 + y) as u8, ((x ^ y) * 5) as u8]);
        }
    }
    RgbImage::new(width, height, data).unwrap()
}

fn prefix(image: &RgbImage) -> String {
    Sha256::digest(image.data()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A picture whose three channels are all `samples`.
fn grey(width: u32, height: u32, samples: &[u8]) -> RgbImage {
    RgbImage::new(width, height, samples.iter().flat_map(|&v| [v; 3]).collect()).unwrap()
}

fn first_channel(image: &RgbImage) -> Vec<u8> {
    let data = image.data();
    assert!(data.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    data.iter().step_by(3).copied().collect()
}

const LINE: [u8; 8] = [0, 0, 255, 255, 0, 10, 200, 90];

/// Pillow 10.4, 11.3 and 12.0 agree on these.
#[test]
fn one_dimensional_lanczos_vectors() {
    let cases: [(u32, &[u8]); 4] = [
        (3, &[90, 137, 89]),
        (5, &[0, 215, 129, 40, 151]),
        (11, &[6, 0, 72, 255, 255, 125, 0, 1, 165, 171, 77]),
        (16, &[10, 0, 0, 53, 195, 255, 255, 194, 56, 0, 0, 65, 176, 190, 121, 68]),
    ];
    for (n, expected) in cases {
        let across = resize(&grey(8, 1, &LINE), n, 1, Filter::Lanczos).unwrap();
        assert_eq!(first_channel(&across), expected, "{n}");
        let down = resize(&grey(1, 8, &LINE), 1, n, Filter::Lanczos).unwrap();
        assert_eq!(first_channel(&down), expected, "{n}");
    }
}

/// Pillow 10.4, 11.3 and 12.0 agree on these.
#[test]
fn two_dimensional_lanczos_vectors() {
    let image = grey(4, 2, &LINE);
    assert_eq!(
        first_channel(&resize(&image, 3, 5, Filter::Lanczos).unwrap()),
        [0, 131, 255, 0, 127, 245, 0, 121, 195, 0, 114, 145, 0, 110, 111]
    );
    assert_eq!(
        first_channel(&resize(&image, 6, 3, Filter::Lanczos).unwrap()),
        [7, 0, 32, 226, 255, 255, 6, 0, 37, 205, 207, 161, 4, 0, 41, 184, 146, 52]
    );
}

/// Width and height.
type Size = (u32, u32);

/// First 16 hexadecimal digits of the SHA-256 of the pixels that Pillow 12.3.0 gives for
/// `Image.resize(target, filter)` of [`synthetic`].
#[rustfmt::skip]
const PILLOW: [(Size, Size, Filter, &str); 60] = [
    ((64, 48), (31, 17), Filter::Nearest, "24eed05a9a9d5300"),
    ((64, 48), (31, 17), Filter::Lanczos, "6ad3d3b29af5785d"),
    ((64, 48), (31, 17), Filter::Bilinear, "37907a49fc83c8b4"),
    ((64, 48), (31, 17), Filter::Bicubic, "79bbb64b96b9394e"),
    ((64, 48), (31, 17), Filter::Box, "0b4e36116785dc67"),
    ((64, 48), (31, 17), Filter::Hamming, "0909686451bd6b30"),
    ((64, 48), (200, 111), Filter::Nearest, "be78408295dd03f9"),
    ((64, 48), (200, 111), Filter::Lanczos, "ea7dcf3277ef580b"),
    ((64, 48), (200, 111), Filter::Bilinear, "ddd8dac7694f45be"),
    ((64, 48), (200, 111), Filter::Bicubic, "83e4f0bf146f292a"),
    ((64, 48), (200, 111), Filter::Box, "6db6485fa32ba7cb"),
    ((64, 48), (200, 111), Filter::Hamming, "a63d1f184f8db9fb"),
    ((97, 33), (40, 90), Filter::Nearest, "9eb325111ad13215"),
    ((97, 33), (40, 90), Filter::Lanczos, "c5009d923543fd16"),
    ((97, 33), (40, 90), Filter::Bilinear, "2da65578d01fa3ce"),
    ((97, 33), (40, 90), Filter::Bicubic, "cc55b4f7837792ab"),
    ((97, 33), (40, 90), Filter::Box, "993766f3a97d140f"),
    ((97, 33), (40, 90), Filter::Hamming, "9fa2b435f7e8a26a"),
    ((33, 97), (90, 40), Filter::Nearest, "2c0b451b3761e62d"),
    ((33, 97), (90, 40), Filter::Lanczos, "ed6aeb97f345d133"),
    ((33, 97), (90, 40), Filter::Bilinear, "d8763a7be1e2c63a"),
    ((33, 97), (90, 40), Filter::Bicubic, "6e8b2f9a30b4a7da"),
    ((33, 97), (90, 40), Filter::Box, "7e8c310b0cc1a6b2"),
    ((33, 97), (90, 40), Filter::Hamming, "ba6c67f3743cf42e"),
    ((5, 7), (1, 1), Filter::Nearest, "bba510fb417dc9df"),
    ((5, 7), (1, 1), Filter::Lanczos, "aa8ea5eba95345f3"),
    ((5, 7), (1, 1), Filter::Bilinear, "aa8ea5eba95345f3"),
    ((5, 7), (1, 1), Filter::Bicubic, "aa8ea5eba95345f3"),
    ((5, 7), (1, 1), Filter::Box, "aa8ea5eba95345f3"),
    ((5, 7), (1, 1), Filter::Hamming, "aa8ea5eba95345f3"),
    ((1, 9), (13, 4), Filter::Nearest, "f0a09e1ca680a845"),
    ((1, 9), (13, 4), Filter::Lanczos, "dc516fb8a67e3990"),
    ((1, 9), (13, 4), Filter::Bilinear, "508d250a01808468"),
    ((1, 9), (13, 4), Filter::Bicubic, "dc516fb8a67e3990"),
    ((1, 9), (13, 4), Filter::Box, "2c825808116b1886"),
    ((1, 9), (13, 4), Filter::Hamming, "bc4220899bd5f7b7"),
    ((300, 2), (7, 3), Filter::Nearest, "56538337ced4ece9"),
    ((300, 2), (7, 3), Filter::Lanczos, "cfc4b5d9fb0fa223"),
    ((300, 2), (7, 3), Filter::Bilinear, "9f93cd8439423529"),
    ((300, 2), (7, 3), Filter::Bicubic, "eb63a9c56b9ce060"),
    ((300, 2), (7, 3), Filter::Box, "91ca1fc9d7bb4cd8"),
    ((300, 2), (7, 3), Filter::Hamming, "33ce450bb8ee6178"),
    ((130, 61), (129, 61), Filter::Nearest, "9b6c5a593887e352"),
    ((130, 61), (129, 61), Filter::Lanczos, "d413813a76df3a6f"),
    ((130, 61), (129, 61), Filter::Bilinear, "4091e13b2440f5b3"),
    ((130, 61), (129, 61), Filter::Bicubic, "43914219a3bca302"),
    ((130, 61), (129, 61), Filter::Box, "1649dc6a28bb09b6"),
    ((130, 61), (129, 61), Filter::Hamming, "4e3065ceda4f844f"),
    ((130, 61), (130, 62), Filter::Nearest, "ed16edb853edd998"),
    ((130, 61), (130, 62), Filter::Lanczos, "8da8cbe6f5869fe9"),
    ((130, 61), (130, 62), Filter::Bilinear, "68150d95aab66172"),
    ((130, 61), (130, 62), Filter::Bicubic, "47a8a8a5f7eaa64d"),
    ((130, 61), (130, 62), Filter::Box, "ed16edb853edd998"),
    ((130, 61), (130, 62), Filter::Hamming, "03a8db5f9027947f"),
    ((640, 480), (224, 224), Filter::Nearest, "94fa2d7d1602ba30"),
    ((640, 480), (224, 224), Filter::Lanczos, "0602e44fb3526db7"),
    ((640, 480), (224, 224), Filter::Bilinear, "54ff741387e95d4c"),
    ((640, 480), (224, 224), Filter::Bicubic, "84de7d7853cdfeae"),
    ((640, 480), (224, 224), Filter::Box, "db5526e012f9fbcc"),
    ((640, 480), (224, 224), Filter::Hamming, "68c9bf5085ef66af"),
];

#[test]
fn equals_pillow() {
    for ((w, h), (to_w, to_h), filter, expected) in PILLOW {
        let resized = resize(&synthetic(w, h), to_w, to_h, filter).unwrap();
        assert_eq!(prefix(&resized), expected, "{w}x{h} to {to_w}x{to_h}, {filter:?}");
    }
}

/// Transposing the picture exchanges the passes, which ties the second order to the verified first.
#[test]
fn vertical_first_is_horizontal_first_of_the_transpose() {
    let transpose = |image: &RgbImage| {
        let (w, h) = image.size();
        let data = (0..w).flat_map(|x| (0..h).flat_map(move |y| image.pixel(x, y).unwrap())).collect();
        RgbImage::new(h, w, data).unwrap()
    };
    let mut differ = 0;
    for (w, h, to_w, to_h) in [(100, 300, 51, 52), (37, 21, 90, 11), (37, 21, 11, 90)] {
        let image = synthetic(w, h);
        for filter in [Filter::Lanczos, Filter::Bicubic, Filter::Bilinear] {
            let other = resize_with_order(&image, to_w, to_h, filter, PassOrder::VerticalFirst).unwrap();
            let turned = transpose(&resize(&transpose(&image), to_h, to_w, filter).unwrap());
            assert_eq!(other, turned);
            differ += usize::from(other != resize(&image, to_w, to_h, filter).unwrap());
        }
    }
    assert!(differ > 0, "the order of the passes must be visible somewhere");
}

#[test]
fn impossible_targets_are_refused() {
    let image = synthetic(4, 4);
    assert!(matches!(resize(&image, 0, 4, Filter::Lanczos), Err(ImageError::ZeroSize { .. })));
    assert!(matches!(
        resize(&image, u32::MAX, u32::MAX, Filter::Lanczos),
        Err(ImageError::OutOfMemory { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A picture of one colour stays one: the rounded weights sum closely enough to one.
    #[test]
    fn flat_colours_survive(
        rgb: [u8; 3], w in 1_u32..70, h in 1_u32..70, to_w in 1_u32..70, to_h in 1_u32..70, code in 0_u64..6,
    ) {
        let filter = Filter::from_code(code).unwrap();
        let image = RgbImage::filled(w, h, rgb).unwrap();
        prop_assert_eq!(resize(&image, to_w, to_h, filter).unwrap(), RgbImage::filled(to_w, to_h, rgb).unwrap());
    }

    /// All weighted filters are even, so mirroring commutes with resizing up to the rounding of window borders.
    #[test]
    fn mirroring_commutes(w in 1_u32..40, h in 1_u32..40, to_w in 1_u32..40, to_h in 1_u32..40) {
        let image = synthetic(w, h);
        for filter in [Filter::Lanczos, Filter::Bicubic, Filter::Bilinear] {
            let a = resize(&image.flip_horizontal(), to_w, to_h, filter).unwrap();
            let b = resize(&image, to_w, to_h, filter).unwrap().flip_horizontal();
            let worst = a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b)).max();
            prop_assert!(worst <= Some(1), "{:?}", worst);
        }
    }
}
