//! A copy of the picture with its marks drawn in, as CV-Bench draws them, for a model that sees nothing but pixels.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use image::{ImageFormat, RgbImage};
use plumb_engine::look::Pixels;

use super::marks::{Mark, Shape, colour};

/// Width of an outline in pixels, as `plumb_qa::marks::outline_width`: 3 at 640 pixels, never under 2.
fn line(width: u32, height: u32) -> i64 {
    i64::from((width.max(height).saturating_add(128) / 256).clamp(2, 16))
}

/// Draws the marks into the picture.
///
/// # Errors
/// A picture whose bytes are not as many as its size says.
pub(crate) fn draw(pixels: &Pixels, marks: &[Mark]) -> Result<RgbImage, String> {
    let (width, height) = (pixels.width, pixels.height);
    let mut image = RgbImage::from_raw(width, height, pixels.rgb.bytes.to_vec()).ok_or_else(|| {
        format!("The picture has {} bytes, not {width} × {height} × 3", pixels.rgb.bytes.len())
    })?;
    let line = line(width, height);
    for (i, mark) in marks.iter().enumerate() {
        let colour = image::Rgb(colour(i).1);
        match mark.shape {
            Shape::Box(rect) => outline(&mut image, rect, line, colour),
            Shape::Point(at) => dot(&mut image, at, line * 3, colour),
        }
    }
    Ok(image)
}

fn whole(value: f32) -> i64 {
    (value.round() as i64).clamp(-1_000_000, 1_000_000)
}

/// The outline straddles the border of the box, so that a small object stays visible within it.
fn outline(image: &mut RgbImage, rect: [f32; 4], line: i64, colour: image::Rgb<u8>) {
    let [x1, y1, x2, y2] = rect.map(whole);
    let (outer, inner) = (line / 2, line - line / 2);
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    for y in (y1 - outer).max(0)..(y2 + outer).min(height) {
        let edge = y < y1 + inner || y >= y2 - inner;
        for x in (x1 - outer).max(0)..(x2 + outer).min(width) {
            if edge || x < x1 + inner || x >= x2 - inner {
                image.put_pixel(x as u32, y as u32, colour);
            }
        }
    }
}

fn dot(image: &mut RgbImage, at: [f32; 2], radius: i64, colour: image::Rgb<u8>) {
    let [cx, cy] = at.map(whole);
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    for y in (cy - radius).max(0)..(cy + radius + 1).min(height) {
        for x in (cx - radius).max(0)..(cx + radius + 1).min(width) {
            if (x - cx) * (x - cx) + (y - cy) * (y - cy) <= radius * radius {
                image.put_pixel(x as u32, y as u32, colour);
            }
        }
    }
}

/// Writes the picture with its marks where the system keeps what is not kept, and says where.
///
/// # Errors
/// A sentence about a disk that is full, or a picture that is none.
pub(crate) fn write(pixels: &Pixels, marks: &[Mark]) -> Result<PathBuf, String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let image = draw(pixels, marks)?;
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("plumbline-ask-{}-{n}.png", std::process::id()));
    image
        .save_with_format(&path, ImageFormat::Png)
        .map_err(|error| format!("The marked picture cannot be written to {}: {error}", path.display()))?;
    Ok(path)
}

/// Takes a picture of [`write`] away.
pub(crate) fn forget(path: &Path) {
    // The system clears its folder sooner or later.
    std::fs::remove_file(path).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32) -> Pixels {
        Pixels { width, height, rgb: vec![128; (width * height * 3) as usize].into() }
    }

    #[test]
    fn outlines_and_dots_are_drawn_and_the_rest_stays() {
        let marks = [
            Mark { shape: Shape::Box([10.0, 10.0, 30.0, 20.0]), name: None },
            Mark { shape: Shape::Point([50.0, 30.0]), name: None },
        ];
        let image = draw(&grey(64, 48), &marks).unwrap();
        assert_eq!(image.get_pixel(10, 15).0, [255, 0, 0]);
        assert_eq!(image.get_pixel(29, 10).0, [255, 0, 0]);
        assert_eq!(image.get_pixel(20, 15).0, [128; 3], "the inside stays");
        assert_eq!(image.get_pixel(50, 30).0, [0, 0, 255]);
        assert_eq!(image.get_pixel(60, 5).0, [128; 3]);
    }

    #[test]
    fn odd_marks_and_pictures_do_no_harm() {
        let marks = [
            Mark { shape: Shape::Box([f32::NAN, -1e30, 1e30, f32::INFINITY]), name: None },
            Mark { shape: Shape::Box([40.0, 40.0, 2.0, 2.0]), name: None },
            Mark { shape: Shape::Point([-1e9, 1e9]), name: None },
        ];
        assert!(draw(&grey(8, 8), &marks).is_ok());
        let torn = Pixels { width: 1000, height: 9, rgb: vec![0; 5].into() };
        assert!(draw(&torn, &[]).unwrap_err().contains("1000"));
    }

    #[test]
    fn a_copy_without_marks_is_the_picture() {
        let path = write(&grey(5, 4), &[]).unwrap();
        let back = image::open(&path).unwrap().to_rgb8();
        assert_eq!((back.dimensions(), back.get_pixel(4, 3).0), ((5, 4), [128; 3]));
        forget(&path);
        assert!(!path.exists());
    }
}
