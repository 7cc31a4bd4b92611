//! The attention probabilities that transformers returns, and where their keys lie in the picture.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::PathBuf;

use burn::tensor::Device;
use futures_lite::future::block_on;
use plumb_image::{Limits, RgbImage};
use plumb_nn::Precision;
use plumb_tests::{Case, Expected, cases, fixtures};
use plumb_vlm::chat::Message;
use plumb_vlm::{Attention, ModelFiles, Prefix, Processor, Prompt, SmolVlm};

struct Loaded {
    model: SmolVlm,
    processor: Processor,
    prompt: Prompt,
    sizes: Vec<(u32, u32)>,
}

fn load(case: &Case, device: &Device) -> Loaded {
    let tokenizer = case.folder.join(&case.tokenizer);
    let mut own = ModelFiles::from_folder(&case.folder).unwrap();
    let mut side: std::collections::BTreeMap<String, Vec<u8>> =
        own.side().map(|(n, b)| (n.to_owned(), b.to_vec())).collect();
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.json", "chat_template.jinja"] {
        if let Ok(bytes) = std::fs::read(tokenizer.join(name)) {
            side.insert(name.to_owned(), bytes);
        }
    }
    let mut files = ModelFiles::new(own.folder.clone(), side, own.take_weights());
    let model = block_on(SmolVlm::load(&mut files, device, Some(Precision::F32))).unwrap();
    let processor = Processor::load(&files, model.config(), None).unwrap();
    let images: Vec<RgbImage> = case
        .images
        .iter()
        .map(|name| plumb_image::read(&case.folder.join(name), &Limits::default()).unwrap())
        .collect();
    let messages: Vec<Message> = serde_json::from_value(case.messages.clone()).unwrap();
    let prompt = processor.prompt(&messages, &images, None).unwrap();
    let sizes = images.iter().map(RgbImage::size).collect();
    Loaded { model, processor, prompt, sizes }
}

/// What the last prompt token and then each of `ids` read, and the logits after each.
fn watch(l: &Loaded, ids: &[u32]) -> (Vec<Attention>, Vec<Vec<f32>>) {
    let frames: usize = l.prompt.images.iter().map(|t| t.frames.len()).sum();
    let side = l.prompt.images.first().map_or(0, |t| t.frames[0].width() as usize);
    let pixels: Vec<f32> =
        l.prompt.images.iter().flat_map(|tiles| l.processor.images().normalise(tiles)).collect();
    let features = (frames > 0).then(|| l.model.image_features(&pixels, frames, side, side).unwrap());
    let embed = || l.model.embed(&l.prompt.ids, features.as_ref()).unwrap();
    let (mut prefix, first) = block_on(Prefix::watched(&l.model, embed(), 4)).unwrap();
    let (mut rows, mut logits) = (vec![first], vec![prefix.logits().to_vec()]);
    let mut continuation = prefix.continuation(&l.model);
    for &id in ids {
        rows.push(block_on(continuation.push_watched(id)).unwrap());
        logits.push(continuation.logits().to_vec());
    }
    let mut plain = block_on(Prefix::new(&l.model, embed(), 4)).unwrap();
    let mut continuation = plain.continuation(&l.model);
    assert_eq!(continuation.logits(), logits[0], "watching changes nothing");
    for (id, logits) in ids.iter().zip(&logits[1..]) {
        block_on(continuation.push(*id)).unwrap();
        assert_eq!(continuation.logits(), logits, "watching changes nothing");
    }
    (rows, logits)
}

fn fixture(case: &Case) -> Option<PathBuf> {
    Some(fixtures().join("attention").join(format!("{}.safetensors", case.name))).filter(|path| path.exists())
}

/// Holds `case` to its fixture and returns the largest difference of a probability.
fn check(case: &Case, device: &Device, tolerance: f32) -> Option<f32> {
    let (name, expected) = (&case.name, Expected::open(&fixture(case)?));
    let l = load(case, device);
    let ids = expected.ids("answer_ids");
    let (rows, _) = watch(&l, &ids);
    let (wanted, shape) = expected.floats("attention");
    let [queries, layers, heads, width] = shape[..] else { panic!("{shape:?}") };
    assert_eq!((rows.len(), width), (queries, l.prompt.ids.len() + ids.len()), "{name}");
    let mut worst = 0.0f32;
    for (query, (row, wanted)) in rows.iter().zip(wanted.chunks(layers * heads * width)).enumerate() {
        // A key that comes after the query is not there at all.
        assert_eq!((row.layers, row.heads, row.keys), (layers, heads, l.prompt.ids.len() + query), "{name}");
        for (at, wanted) in wanted.chunks(width).enumerate() {
            let found = row.head(at / heads, at % heads);
            assert_eq!(found.len(), row.keys);
            assert!(wanted[row.keys..].iter().all(|p| *p == 0.0), "{name}: the future");
            assert!(
                (found.iter().sum::<f32>() - 1.0).abs() < 1e-5,
                "{name}: the sum of query {query}, map {at}"
            );
            for (key, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let error = (found - wanted).abs();
                assert!(
                    error <= tolerance,
                    "{name}: query {query}, map {at}, key {key}: {found}, not {wanted}"
                );
                worst = worst.max(error);
            }
        }
    }
    assert!(rows[0].head(layers, 0).is_empty() && rows[0].head(0, heads).is_empty());
    Some(worst)
}

#[test]
fn cpu_has_the_probabilities_of_the_reference() {
    let worst: Vec<(String, f32)> = cases()
        .iter()
        .filter_map(|case| Some((case.name.clone(), check(case, &Device::flex(), 1e-5)?)))
        .collect();
    println!("largest differences: {worst:?}");
    assert_eq!(worst.len(), 6);
}

#[test]
fn gpu_has_the_probabilities_of_the_reference() {
    if plumb_engine::device::adapters().is_empty() {
        eprintln!(
            "SKIPPED: no graphics adapter; install software Vulkan (mesa-vulkan-drivers) to test the GPU path"
        );
        return;
    }
    let device = block_on(plumb_engine::device::open(plumb_engine::DeviceChoice::Gpu(None))).unwrap();
    let full = std::env::var_os("PLUMBLINE_FULL").is_some();
    let few = ["smolvlm_tiny_upscaled"];
    for case in cases().iter().filter(|c| full || few.contains(&c.name.as_str())) {
        if let Some(worst) = check(case, &device.device, 1e-4) {
            println!("{:24} largest difference {worst:.1e} on {}", case.name, device.name);
        }
    }
}

/// burn's own operations and the smaller instructions: in processes of their own, because these are chosen once a process.
#[test]
fn the_portable_path_has_them_too() {
    if std::env::var_os("PLUMBLINE_CPU").is_some() {
        return;
    }
    for level in ["portable", "avx2"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cpu_has_the_probabilities_of_the_reference", "--nocapture"])
            .env("PLUMBLINE_CPU", level)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{level}: {text}");
    }
}

/// Every image token of every case is in one frame, in the order of the prompt, and within its own picture.
#[test]
fn places_are_those_of_the_prompt() {
    for case in cases() {
        let l = load(&case, &Device::flex());
        let places = l.processor.places(&l.prompt, &l.sizes).unwrap();
        let mut expected: Vec<usize> = Vec::new();
        for place in &places {
            let (width, height) = l.sizes[place.image];
            for index in 0..place.tokens() {
                expected.push(place.first + index);
                let [x1, y1, x2, y2] = place.token(index).unwrap();
                assert!(0.0 <= x1 && x1 < x2 && x2 <= f64::from(width) + 1e-6, "{}", case.name);
                assert!(0.0 <= y1 && y1 < y2 && y2 <= f64::from(height) + 1e-6, "{}", case.name);
            }
        }
        let id = l.processor.image_token_id();
        let found: Vec<usize> =
            l.prompt.ids.iter().enumerate().filter(|(_, i)| **i == id).map(|(at, _)| at).collect();
        assert_eq!(found, expected, "{}", case.name);
        let tiles: Vec<(u32, u32)> = l.prompt.images.iter().map(|t| (t.rows, t.cols)).collect();
        for (image, (rows, cols)) in tiles.into_iter().enumerate() {
            let own: Vec<_> = places.iter().filter(|p| p.image == image).map(|p| p.tile).collect();
            let listed = (0..rows).flat_map(|row| (0..cols).map(move |col| Some([row, col])));
            assert_eq!(own, listed.chain([None]).collect::<Vec<_>>(), "{}", case.name);
        }
        if !l.sizes.is_empty() {
            assert!(l.processor.places(&l.prompt, &[]).is_err());
        }
    }
}
