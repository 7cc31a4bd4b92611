//! Writes rendered scenes as one PNG: `contact_sheet OUT.png WORLD COUNT [SEED] [COLUMNS] [WIDTH]`.

use plumb_image::{Filter, RgbImage, encode_png, resize};
use plumb_scene::procedural::{RenderOptions, World, render};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "contact_sheet OUT.png room|street|table_top COUNT [SEED] [COLUMNS] [WIDTH]";
    let out = args.next().ok_or(usage)?;
    let world: World = args.next().ok_or(usage)?.parse()?;
    let count: u32 = args.next().ok_or(usage)?.parse()?;
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (seed, columns, width) = (number(1)?, number(4)? as u32, number(480)? as u32);
    let height = width * 3 / 4;
    let rows = count.div_ceil(columns.max(1));
    let mut sheet = vec![255u8; (columns * width * rows * height * 3) as usize];
    for tile in 0..count {
        let rendered =
            render(seed, u64::from(tile), &RenderOptions { world: Some(world), ..RenderOptions::default() })?;
        let small = resize(&rendered.image, width, height, Filter::Lanczos)?;
        let (left, top) = (tile % columns * width, tile / columns * height);
        for row in 0..height {
            let from = (row * width * 3) as usize;
            let to = (((top + row) * columns * width + left) * 3) as usize;
            let bytes = (width * 3) as usize;
            sheet[to..to + bytes].copy_from_slice(&small.data()[from..from + bytes]);
        }
        let names: Vec<String> = rendered
            .scene
            .objects
            .iter()
            .map(|o| {
                let a = &o.attributes;
                [a.pattern.as_deref(), a.colour.as_deref(), a.material.as_deref(), Some(o.name.as_str())]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        println!("{tile}: {}", names.join(", "));
    }
    let sheet = RgbImage::new(columns * width, rows * height, sheet)?;
    std::fs::write(out, encode_png(&sheet)?)?;
    Ok(())
}
