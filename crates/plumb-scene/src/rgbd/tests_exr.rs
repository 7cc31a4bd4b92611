//! OpenEXR depth as other programs write it: names of channels, types, compressions, tiles, layers, windows, and damage.

use std::io::Cursor;

use exr::prelude::*;
use half::f16;
use proptest::prelude::ProptestConfig;

use super::{DepthFile, DepthOptions, decode_depth};

const W: usize = 20;
const H: usize = 37;

fn metres(at: usize) -> f32 {
    1.0 + 0.0625 * (at % W) as f32 + 0.125 * (at / W) as f32
}

fn plane(scale: f32) -> FlatSamples {
    FlatSamples::F32((0..W * H).map(|at| scale * metres(at)).collect())
}

fn layer(channels: Vec<(&str, FlatSamples)>, encoding: Encoding) -> Layer<AnyChannels<FlatSamples>> {
    let list = channels.into_iter().map(|(name, samples)| AnyChannel::new(name, samples)).collect();
    Layer::new((W, H), LayerAttributes::named("first"), encoding, AnyChannels::sort(list))
}

fn bytes_of<'a, L>(image: &'a Image<L>) -> Vec<u8>
where
    L: exr::image::write::layers::WritableLayers<'a> + 'a,
{
    let mut bytes = Cursor::new(Vec::new());
    image.write().non_parallel().to_buffered(&mut bytes).unwrap();
    bytes.into_inner()
}

fn file(channels: Vec<(&str, FlatSamples)>, encoding: Encoding) -> Vec<u8> {
    bytes_of(&Image::from_layer(layer(channels, encoding)))
}

fn plain(channels: Vec<(&str, FlatSamples)>) -> Vec<u8> {
    file(channels, Encoding::UNCOMPRESSED)
}

fn read(bytes: &[u8]) -> DepthFile {
    decode_depth(bytes, "d", &DepthOptions::default()).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    decode_depth(bytes, "dir/d.exr", &DepthOptions::default()).unwrap_err().to_string()
}

#[test]
fn the_channel_of_depth_is_found() {
    let cases: Vec<(Vec<(&str, f32)>, f32)> = vec![
        (vec![("Z", 1.0)], 1.0),
        (vec![("Y", 1.0)], 1.0),
        (vec![("depth", 1.0)], 1.0),
        (vec![("Depth", 1.0), ("A", 2.0)], 1.0),
        (vec![("D", 1.0)], 1.0),
        (vec![("R", 1.0)], 1.0),
        (vec![("V", 1.0)], 1.0),
        (vec![("depth.V", 1.0)], 1.0),
        (vec![("distance", 1.0)], 1.0),
        (vec![("layer.Z", 1.0)], 1.0),
        (vec![("R", 3.0), ("G", 2.0), ("B", 4.0), ("Z", 1.0)], 1.0),
        (vec![("R", 3.0), ("Y", 2.0), ("depthMap", 1.0)], 1.0),
        (vec![("R", 3.0), ("Y", 1.0)], 1.0),
        (vec![("R", 3.0), ("Z", 1.0), ("Depth", 2.0)], 1.0),
        (vec![("R", 1.0), ("G", 1.0), ("B", 1.0), ("A", 5.0)], 1.0),
        (vec![("R", 1.0), ("G", 0.0), ("B", 0.0)], 1.0),
        // What Blender writes with every pass: a normal has a Z too.
        (
            vec![
                ("ViewLayer.Combined.R", 3.0),
                ("ViewLayer.Combined.G", 2.0),
                ("ViewLayer.Combined.B", 4.0),
                ("ViewLayer.Mist.Z", 7.0),
                ("ViewLayer.Normal.X", 5.0),
                ("ViewLayer.Normal.Y", 6.0),
                ("ViewLayer.Normal.Z", 7.0),
                ("ViewLayer.Depth.Z", 1.0),
            ],
            1.0,
        ),
    ];
    for (channels, want) in cases {
        let names: Vec<&str> = channels.iter().map(|(name, _)| *name).collect();
        let bytes = plain(channels.iter().map(|&(name, scale)| (name, plane(scale))).collect());
        let depth = read(&bytes).depth;
        assert_eq!((depth.width() as usize, depth.height() as usize), (W, H), "{names:?}");
        for (at, &z) in depth.values().iter().enumerate() {
            assert_eq!(z, want * metres(at), "{names:?} {at}");
        }
    }
}

#[test]
fn colours_and_other_passes_are_refused() {
    for (channels, phrase) in [
        (vec!["R", "G", "B"], "its red, green and blue differ"),
        (vec!["A"], "no channel for depth (Z, depth, Y or R) among A"),
        (vec!["N.X", "N.Y", "N.Z"], "no channel for depth (Z, depth, Y or R) among N.X, N.Y, N.Z"),
        (vec!["G", "B"], "no channel for depth"),
    ] {
        let planes = channels.iter().enumerate().map(|(at, &name)| (name, plane(1.0 + at as f32))).collect();
        let message = refusal(&plain(planes));
        assert!(message.starts_with("dir/d.exr: ") && message.contains(phrase), "{channels:?}: {message}");
    }
}

#[test]
fn types_compressions_and_tiles() {
    let halves = FlatSamples::F16((0..W * H).map(|at| f16::from_f32(metres(at))).collect());
    let counts = FlatSamples::U32((0..W * H).map(|at| (1000.0 * metres(at)) as u32).collect());
    let tiled = Blocks::Tiles(Vec2(8, 16));
    for compression in [
        Compression::Uncompressed,
        Compression::RLE,
        Compression::ZIP1,
        Compression::ZIP16,
        Compression::PIZ,
        Compression::PXR24,
    ] {
        for blocks in [Blocks::ScanLines, tiled] {
            for samples in [&halves, &plane(1.0), &counts] {
                let encoding = Encoding { compression, blocks, line_order: LineOrder::Increasing };
                // A channel on either side, so that the middle of each row is what is read.
                let bytes =
                    file(vec![("A", plane(9.0)), ("Z", samples.clone()), ("a", halves.clone())], encoding);
                let found = read(&bytes);
                let integer = matches!(samples, FlatSamples::U32(_));
                assert_eq!(found.scale, if integer { 1000.0 } else { 1.0 });
                for (at, &z) in found.depth.values().iter().enumerate() {
                    // PXR24 keeps 24 bits of a float; counts are cut to whole millimetres.
                    let near = if integer { 1e-3 } else { 1e-4 };
                    assert!((z - metres(at)).abs() <= near, "{compression} {blocks:?} {at}: {z}");
                }
            }
        }
    }
}

#[test]
fn the_first_layer_and_the_layer_of_depth() {
    let attributes = || ImageAttributes::with_size((W, H));
    let named = |name: &str, channel: &str, scale: f32| {
        let mut layer = layer(vec![(channel, plane(scale))], Encoding::UNCOMPRESSED);
        layer.attributes = LayerAttributes::named(name);
        layer
    };
    let image = Image {
        attributes: attributes(),
        layer_data: smallvec_of([named("a", "Y", 1.0), named("b", "R", 2.0)]),
    };
    assert_eq!(read(&bytes_of(&image)).depth.values()[0], metres(0));
    let image = Image {
        attributes: attributes(),
        layer_data: smallvec_of([named("a", "R", 2.0), named("b", "Z", 1.0)]),
    };
    let bytes = bytes_of(&image);
    assert_eq!(read(&bytes).depth.values()[0], metres(0));
    // All of the first layer is there when the end of the second is not.
    let image = Image {
        attributes: attributes(),
        layer_data: smallvec_of([named("a", "Z", 1.0), named("b", "R", 2.0)]),
    };
    let bytes = bytes_of(&image);
    assert_eq!(read(&bytes[..bytes.len() - 100]).depth.values()[W * H - 1], metres(W * H - 1));
}

fn smallvec_of(layers: [Layer<AnyChannels<FlatSamples>>; 2]) -> Layers<AnyChannels<FlatSamples>> {
    layers.into_iter().collect()
}

#[test]
fn data_is_placed_in_the_display_window() {
    let place = |corner: (i32, i32), window: (usize, usize)| {
        let mut layer = layer(vec![("Z", plane(1.0))], Encoding::UNCOMPRESSED);
        layer.attributes.layer_position = Vec2(corner.0 + 5, corner.1 - 7);
        let mut image = Image::from_layer(layer);
        image.attributes.display_window = IntegerBounds::new((5, -7), window);
        read(&bytes_of(&image)).depth
    };
    // Within a larger picture: nothing is known of the rest.
    let depth = place((3, 2), (30, 50));
    assert_eq!((depth.width(), depth.height()), (30, 50));
    assert_eq!(depth.values()[depth.index(3, 2)], metres(0));
    assert_eq!(depth.values()[depth.index(22, 38)], metres(W * H - 1));
    assert_eq!(
        [depth.index(2, 2), depth.index(23, 2), depth.index(3, 39)].map(|at| depth.values()[at]),
        [0.0; 3]
    );
    // More was rendered than is shown.
    let depth = place((-3, -2), (10, 10));
    assert_eq!(depth.values()[0], metres(2 * W + 3));
    assert_eq!(depth.values()[99], metres(11 * W + 12));
}

#[test]
fn sizes_are_refused_before_they_are_reserved() {
    let good = plain(vec![("Z", plane(1.0))]);
    let at = |key: &[u8]| good.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len();
    for key in [&b"dataWindow\0box2i\0"[..], b"displayWindow\0box2i\0"] {
        let mut bytes = good.clone();
        // The size of the attribute, then the corners.
        let corner = at(key) + 4 + 8;
        bytes[corner..corner + 4].copy_from_slice(&99_999_999i32.to_le_bytes());
        let message = refusal(&bytes);
        assert!(message.contains("100000000x37 pixels, more than the 50000000"), "{message}");
    }
    let sampling = at(b"channels\0chlist\0") + 4 + 2 + 4 + 4;
    let mut bytes = good.clone();
    bytes[sampling..sampling + 4].copy_from_slice(&2i32.to_le_bytes());
    let message = refusal(&bytes);
    assert!(message.contains("channel subsampling not supported"), "{message}");
    let tiles = Encoding { blocks: Blocks::Tiles(Vec2(64, 64)), ..Encoding::UNCOMPRESSED };
    let mut bytes = file(vec![("Z", plane(1.0))], tiles);
    let key = b"tiles\0tiledesc\0";
    let at = bytes.windows(key.len()).position(|found| found == key).unwrap() + key.len() + 4;
    bytes[at..at + 8].copy_from_slice(&[0, 0, 0, 8, 0, 0, 0, 8]);
    let message = refusal(&bytes);
    assert!(message.contains("blocks of 134217728x134217728 pixels"), "{message}");
}

#[test]
fn lossy_compressions_are_refused() {
    for compression in [Compression::B44, Compression::B44A, Compression::DWAA(None), Compression::DWAB(None)]
    {
        let encoding = Encoding { compression, ..Encoding::UNCOMPRESSED };
        let message = refusal(&file(vec![("Z", plane(1.0))], encoding));
        assert!(message.contains("which is not read; write it with ZIP"), "{message}");
    }
}

static WHOLE: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
    let tiled = Blocks::Tiles(Vec2(8, 16));
    let order = LineOrder::Increasing;
    [
        (Compression::Uncompressed, Blocks::ScanLines),
        (Compression::Uncompressed, tiled),
        (Compression::RLE, tiled),
        (Compression::ZIP16, tiled),
        (Compression::PIZ, Blocks::ScanLines),
        (Compression::PXR24, Blocks::ScanLines),
        (Compression::ZIP1, Blocks::ScanLines),
    ]
    .map(|(compression, blocks)| {
        let halves = FlatSamples::F16((0..W * H).map(|at| f16::from_f32(metres(at))).collect());
        file(vec![("Z", plane(1.0)), ("Y", halves)], Encoding { compression, blocks, line_order: order })
    })
    .into()
});

#[test]
fn what_is_cut_off_is_refused() {
    for bytes in WHOLE.iter() {
        assert_eq!(read(bytes).measured, 1.0);
        for keep in (4..bytes.len() - 1).step_by(53).chain([bytes.len() - 1]) {
            let message = refusal(&bytes[..keep]);
            assert!(message.contains("the EXR is cut off"), "{keep} of {}: {message}", bytes.len());
        }
    }
}

/// Header, offset table and the first chunks.
#[test]
fn one_wrong_byte_never_panics() {
    for bytes in WHOLE.iter() {
        for at in 0..bytes.len().min(700) {
            for wrong in [0x7f, 0xff, bytes[at] ^ 1] {
                let mut bytes = bytes.clone();
                bytes[at] = wrong;
                let _ = decode_depth(&bytes, "d", &DepthOptions::default());
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damaged_files_never_panic(kind in 0usize..7, places in proptest::collection::vec((0usize..8000, proptest::num::u8::ANY), 1..4)) {
        let mut bytes = WHOLE[kind].clone();
        for (at, byte) in places {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let _ = decode_depth(&bytes, "d", &DepthOptions::default());
    }
}
