//! The colour of an object in one word.

use plumb_image::RgbImage;

/// Basic colour terms that most speakers would agree on (the eleven of Berlin and Kay, without further shades).
pub const NAMES: [&str; 11] =
    ["black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"];

/// The basic colour term of an sRGB value, as an index into [`NAMES`].
#[must_use]
pub fn name_index([r, g, b]: [u8; 3]) -> usize {
    let [r, g, b] = [r, g, b].map(|v| f32::from(v) / 255.0);
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = max - min;
    // What the eye takes for lightness: luma, weighted as in Rec. 709.
    let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    if max < 0.16 || (chroma < 0.08 && luma < 0.2) {
        return 0;
    }
    // Greys of a warm or cool light are still grey: the share of chroma decides, more strictly where it is bright.
    if chroma / max < 0.17 || chroma < 0.07 {
        return if luma > 0.72 { 1 } else { 2 };
    }
    let hue = 60.0
        * if max == r {
            ((g - b) / chroma).rem_euclid(6.0)
        } else if max == g {
            (b - r) / chroma + 2.0
        } else {
            (r - g) / chroma + 4.0
        };
    match hue {
        h if !(12.0..=340.0).contains(&h) => {
            if luma > 0.55 && chroma / max < 0.6 {
                9
            } else if max < 0.35 && chroma / max < 0.6 {
                10
            } else {
                3
            }
        }
        h if h < 45.0 => {
            // Brown is dark or dull orange.
            if max < 0.72 || chroma / max < 0.5 { 10 } else { 4 }
        }
        h if h < 68.0 => {
            if max < 0.45 {
                10
            } else {
                5
            }
        }
        h if h < 165.0 => 6,
        h if h < 255.0 => 7,
        h if h < 300.0 => 8,
        _ => {
            if luma > 0.45 {
                9
            } else if max < 0.5 || hue < 325.0 {
                8
            } else {
                3
            }
        }
    }
}

/// The colour of most of these pixels, or `None` when no colour has more than half of them: a patterned thing has no one colour.
#[must_use]
pub fn of_pixels(image: &RgbImage, pixels: impl Iterator<Item = usize>) -> Option<&'static str> {
    let mut votes = [0u32; NAMES.len()];
    let mut total = 0;
    for pixel in pixels {
        if let Some(&[r, g, b]) = image.data().get(3 * pixel..).and_then(|rest| rest.first_chunk::<3>()) {
            votes[name_index([r, g, b])] += 1;
            total += 1;
        }
    }
    let (best, &count) = votes.iter().enumerate().max_by_key(|&(_, count)| count)?;
    (2 * count > total).then(|| NAMES[best])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_that_nobody_argues_about() {
        for (rgb, name) in [
            ([10, 10, 12], "black"),
            ([250, 250, 248], "white"),
            ([128, 128, 130], "gray"),
            ([200, 20, 25], "red"),
            ([245, 140, 20], "orange"),
            ([240, 220, 40], "yellow"),
            ([30, 140, 50], "green"),
            ([30, 70, 200], "blue"),
            ([120, 40, 160], "purple"),
            ([245, 150, 180], "pink"),
            ([110, 70, 35], "brown"),
            ([70, 10, 15], "red"),
            ([180, 175, 165], "gray"),
        ] {
            assert_eq!(NAMES[name_index(rgb)], name, "{rgb:?}");
        }
    }

    #[test]
    fn half_and_half_has_no_colour_but_mostly_red_is_red() -> Result<(), plumb_image::ImageError> {
        let mut data = [200, 20, 25].repeat(6);
        data.extend([30, 70, 200].repeat(4));
        let image = RgbImage::new(10, 1, data)?;
        assert_eq!(of_pixels(&image, 0..10), Some("red"));
        assert_eq!(of_pixels(&image, 2..9), Some("red"));
        assert_eq!(of_pixels(&image, [0, 1, 6, 1_000_000].into_iter()), Some("red"));
        assert_eq!(of_pixels(&image, 4..8), None);
        let mut thirds = [200, 20, 25].repeat(2);
        thirds.extend([30, 70, 200].repeat(2));
        thirds.extend([30, 140, 50].repeat(2));
        assert_eq!(of_pixels(&RgbImage::new(6, 1, thirds)?, 0..6), None);
        assert_eq!(of_pixels(&image, std::iter::empty()), None);
        Ok(())
    }
}
