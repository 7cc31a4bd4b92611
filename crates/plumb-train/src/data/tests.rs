//! Tests over rendered scenes and the files that plumb-qa and plumb-bench write of them.

mod change;
mod read;

use std::path::Path;
use std::sync::OnceLock;

use plumb_image::{RgbImage, encode_png};
use plumb_qa::{GenerateOptions, Generator, QaPair, Templates};
use plumb_scene::Scene;
use plumb_scene::procedural::{RenderOptions, render};
use sha2::{Digest, Sha256};

/// A rendered picture with its questions.
pub(super) struct Made {
    pub(super) scene: Scene,
    pub(super) image: RgbImage,
    pub(super) png: Vec<u8>,
    pub(super) pairs: Vec<QaPair>,
}

/// Rendered once for all tests.
pub(super) fn made() -> &'static [Made] {
    static MADE: OnceLock<Vec<Made>> = OnceLock::new();
    MADE.get_or_init(|| {
        let options = RenderOptions { width: 320, height: 240, supersample: 1, ..RenderOptions::default() };
        let asked = GenerateOptions { per_image: 150, ..GenerateOptions::default() };
        let generator = Generator::new(Templates::builtin().unwrap(), asked);
        (0..24)
            .map(|index| {
                let rendered = render(11, index, &options).unwrap();
                let png = encode_png(&rendered.image).unwrap();
                let sha: String = Sha256::digest(&png).iter().map(|byte| format!("{byte:02x}")).collect();
                let mut scene = rendered.scene;
                scene.id = sha[..16].to_owned();
                scene.image.path = format!("images/{index}.png");
                scene.image.sha256 = sha;
                let pairs = generator.generate(&scene);
                Made { scene, image: rendered.image, png, pairs }
            })
            .collect()
    })
}

/// Puts the pictures where the files look for them.
pub(super) fn write_images(folder: &Path, made: &[Made]) {
    std::fs::create_dir_all(folder.join("images")).unwrap();
    for made in made {
        std::fs::write(folder.join(&made.scene.image.path), &made.png).unwrap();
    }
}
