//! Pictures of rows as textures: asked for when they are drawn, a few at a time, the oldest let go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use plumb_engine::look::{Look, Pixels, Seen};

use crate::cx::Cx;
use crate::library::Loaded;

/// Longest side of a small picture.
pub(super) const SMALL: usize = 192;
/// Longest side of a large one: what every device can hold.
const LARGE: usize = 2048;
/// The tint that changes nothing.
pub(super) const AS_IT_IS: egui::Color32 = egui::Color32::WHITE;
/// Requests that the engine works on at a time.
const FLYING: usize = 4;
/// Pictures that one frame makes textures of.
const MADE: usize = 2;
const KEPT_SMALL: usize = 320;
const KEPT_LARGE: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    large: bool,
    path: PathBuf,
    row: usize,
}

#[derive(Clone)]
enum Kept {
    Texture(TextureHandle, [usize; 2]),
    Failed(String),
}

/// How far a picture is.
pub(super) enum Picture {
    Waiting,
    /// The texture, and the size of the picture itself.
    Ready(TextureHandle, [usize; 2]),
    Failed(String),
}

#[derive(Default)]
pub(super) struct Pictures {
    kept: BTreeMap<Key, (u64, Kept)>,
    flying: Vec<Key>,
    wanted: Vec<Key>,
    clock: u64,
}

impl Pictures {
    /// The picture of row `row` of the benchmark at `path`.
    pub(super) fn get(&mut self, path: &Path, row: usize, large: bool) -> Picture {
        self.clock += 1;
        let key = Key { large, path: path.to_owned(), row };
        if let Some((used, kept)) = self.kept.get_mut(&key) {
            *used = self.clock;
            return match kept {
                Kept::Texture(texture, size) => Picture::Ready(texture.clone(), *size),
                Kept::Failed(error) => Picture::Failed(error.clone()),
            };
        }
        if !self.flying.contains(&key) && !self.wanted.contains(&key) {
            self.wanted.push(key);
        }
        Picture::Waiting
    }

    /// Takes what has come and asks for what is wanted. Called once a frame or more.
    pub(super) fn pump(&mut self, ctx: &Context, cx: &mut Cx<'_>) {
        let mut made = 0;
        let mut still = Vec::new();
        for key in std::mem::take(&mut self.flying) {
            if made == MADE {
                still.push(key);
                continue;
            }
            let look = Look::BenchImage { path: key.path.clone(), row: key.row };
            let kept = match cx.look(&look) {
                Loaded::Waiting => {
                    still.push(key);
                    continue;
                }
                Loaded::Failed(error) => Kept::Failed(error),
                Loaded::Ready(seen) => match &*seen {
                    Seen::Image { pixels } => texture(ctx, pixels, key.row, key.large),
                    _ => Kept::Failed("no picture came".to_owned()),
                },
            };
            made += 1;
            cx.library.forget(&look);
            self.clock += 1;
            self.kept.insert(key, (self.clock, kept));
        }
        self.flying = still;
        // What is drawn now is wanted again in every frame; a large picture is what the person looks at.
        self.wanted.sort_by_key(|key| !key.large);
        for key in self.wanted.drain(..).take(FLYING.saturating_sub(self.flying.len())) {
            cx.look(&Look::BenchImage { path: key.path.clone(), row: key.row });
            self.flying.push(key);
        }
        self.wanted.clear();
        self.let_go(false, KEPT_SMALL);
        self.let_go(true, KEPT_LARGE);
        if made > 0 {
            ctx.request_repaint();
        }
    }

    fn let_go(&mut self, large: bool, most: usize) {
        while self.kept.keys().filter(|key| key.large == large).count() > most {
            let oldest = self
                .kept
                .iter()
                .filter(|(key, _)| key.large == large)
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            self.kept.remove(&oldest);
        }
    }
}

fn texture(ctx: &Context, pixels: &Pixels, row: usize, large: bool) -> Kept {
    let most = if large { LARGE.min(ctx.input(|i| i.max_texture_side)) } else { SMALL };
    match reduced(pixels, most) {
        Some(small) => {
            let image = ColorImage::from_rgb(small.size, &small.rgb);
            let size = [pixels.width as usize, pixels.height as usize];
            Kept::Texture(ctx.load_texture(format!("row {row}"), image, TextureOptions::LINEAR), size)
        }
        None => Kept::Failed(format!(
            "the picture is {} × {} pixels and came with {} bytes",
            pixels.width,
            pixels.height,
            pixels.rgb.bytes.len()
        )),
    }
}

/// A picture in three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Small {
    pub(super) size: [usize; 2],
    pub(super) rgb: Vec<u8>,
}

/// The picture with no side longer than `most`, each pixel the mean of those that it stands for. `None` where the bytes do not
/// fit the size.
pub(super) fn reduced(pixels: &Pixels, most: usize) -> Option<Small> {
    let (w, h) = (pixels.width as usize, pixels.height as usize);
    let bytes = &*pixels.rgb.bytes;
    if w == 0 || h == 0 || most == 0 || w.checked_mul(h)?.checked_mul(3)? != bytes.len() {
        return None;
    }
    let longest = w.max(h);
    if longest <= most {
        return Some(Small { size: [w, h], rgb: bytes.to_vec() });
    }
    let side = |n: usize| ((n as u64 * most as u64).div_ceil(longest as u64) as usize).max(1);
    let (small_w, small_h) = (side(w), side(h));
    let span = |i: usize, small: usize, n: usize| {
        let (from, to) = (i * n / small, (i + 1) * n / small);
        from..to.max(from + 1).min(n)
    };
    let mut rgb = Vec::with_capacity(small_w * small_h * 3);
    for y in 0..small_h {
        let rows = span(y, small_h, h);
        for x in 0..small_w {
            let columns = span(x, small_w, w);
            let mut sums = [0u64; 3];
            for row in rows.clone() {
                let line = &bytes[(row * w + columns.start) * 3..(row * w + columns.end) * 3];
                for pixel in line.chunks_exact(3) {
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += u64::from(*value);
                    }
                }
            }
            let n = (rows.len() * columns.len()).max(1) as u64;
            rgb.extend(sums.map(|sum| (sum / n).min(255) as u8));
        }
    }
    Some(Small { size: [small_w, small_h], rgb })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(width: u32, height: u32, rgb: Vec<u8>) -> Pixels {
        Pixels { width, height, rgb: rgb.into() }
    }

    #[test]
    fn a_picture_shrinks_to_means() {
        let four = pixels(2, 2, vec![0, 0, 0, 100, 0, 0, 100, 0, 0, 200, 0, 0]);
        assert_eq!(reduced(&four, 1), Some(Small { size: [1, 1], rgb: vec![100, 0, 0] }));
        assert_eq!(reduced(&four, 2).unwrap().rgb.len(), 12);
        let wide = reduced(&pixels(1000, 3, vec![7; 9000]), 100).unwrap();
        assert_eq!((wide.size, wide.rgb.iter().all(|v| *v == 7)), ([100, 1], true));
        assert_eq!(reduced(&pixels(7, 1000, vec![9; 21_000]), 999).unwrap().size, [7, 999]);
    }

    #[test]
    fn bytes_that_do_not_fit_make_no_picture() {
        assert_eq!(reduced(&pixels(2, 2, vec![0; 11]), 10), None);
        assert_eq!(reduced(&pixels(0, 2, Vec::new()), 10), None);
        assert_eq!(reduced(&pixels(u32::MAX, u32::MAX, Vec::new()), 10), None);
    }
}
