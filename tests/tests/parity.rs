//! Every fixture of the reference implementation, end to end: processor, image features, logits with and without
//! cache, option log-likelihoods. On the CPU backend with our kernels, on its portable path, and on a GPU adapter.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use burn::tensor::{Device, Tensor};
use futures_lite::future::block_on;
use plumb_image::{Limits, RgbImage};
use plumb_nn::{Precision, Visible};
use plumb_tests::{Case, Expected, cases, relative_error};
use plumb_vlm::chat::Message;
use plumb_vlm::{ModelFiles, Prefix, Processor, Prompt, SmolVlm};

struct Loaded {
    model: SmolVlm,
    processor: Processor,
    prompt: Prompt,
    pixels: Vec<f32>,
    tile: usize,
}

/// The tokenizer of most fixtures lies in a folder of its own: its files join those of the checkpoint.
fn files(case: &Case) -> ModelFiles {
    let tokenizer = case.folder.join(&case.tokenizer);
    let mut own = ModelFiles::from_folder(&case.folder).unwrap();
    let mut side: std::collections::BTreeMap<String, Vec<u8>> =
        own.side().map(|(n, b)| (n.to_owned(), b.to_vec())).collect();
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.json", "chat_template.jinja"] {
        if let Ok(bytes) = std::fs::read(tokenizer.join(name)) {
            side.insert(name.to_owned(), bytes);
        }
    }
    ModelFiles::new(own.folder.clone(), side, own.take_weights())
}

fn load(case: &Case, device: &Device) -> Loaded {
    let mut files = files(case);
    let model = block_on(SmolVlm::load(&mut files, device, Some(Precision::F32)))
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let processor =
        Processor::load(&files, model.config(), None).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let images: Vec<RgbImage> = case
        .images
        .iter()
        .map(|name| plumb_image::read(&case.folder.join(name), &Limits::default()).unwrap())
        .collect();
    let messages: Vec<Message> = serde_json::from_value(case.messages.clone()).unwrap();
    let prompt = processor.prompt(&messages, &images, None).unwrap();
    let pixels = prompt.images.iter().flat_map(|tiles| processor.images().normalise(tiles)).collect();
    let tile = prompt.images.first().map_or(0, |t| t.frames[0].width() as usize);
    Loaded { model, processor, prompt, pixels, tile }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(tensor.into_data_async()).unwrap().as_slice::<f32>().unwrap().to_vec()
}

fn features(l: &Loaded) -> Option<Tensor<2>> {
    let frames: usize = l.prompt.images.iter().map(|t| t.frames.len()).sum();
    (frames > 0).then(|| l.model.image_features(&l.pixels, frames, l.tile, l.tile).unwrap())
}

/// Holds `case` to its fixture within `tolerance` (relative to the largest value of each tensor) and returns the
/// largest error.
fn check(case: &Case, device: &Device, tolerance: f32, steps: usize) -> f32 {
    let name = &case.name;
    let l = load(case, device);
    let expected = Expected::open(&case.folder.join("expected.safetensors"));
    let mut worst = 0.0f32;
    let mut close = |what: &str, found: &[f32], wanted: &[f32]| {
        let error = relative_error(found, wanted);
        assert!(error <= tolerance, "{name}: {what} differs by {error}, allowed {tolerance}");
        worst = worst.max(error);
    };
    assert_eq!(l.prompt.text, case.expanded, "{name}: prompt text");
    assert_eq!(l.prompt.ids, expected.ids("input_ids"), "{name}: prompt ids");
    let features = features(&l);
    if let Some(features) = &features {
        let (wanted, _) = expected.floats("pixel_values");
        assert!(l.pixels == wanted, "{name}: pixel values are not bit-equal");
        close("image features", &values(features.clone()), &expected.floats("image_features").0);
    }
    let embeddings = l.model.embed(&l.prompt.ids, features.as_ref()).unwrap();
    let mut cache = l.model.cache(0);
    let hidden = l.model.text().forward(embeddings.clone(), &mut cache);
    close("prefill logits", &values(l.model.text().logits(hidden)), &expected.floats("logits").0);

    let mut prefix = block_on(Prefix::new(&l.model, embeddings, 8)).unwrap();
    let (decoded, shape) = expected.floats("decode_logits");
    let ids = expected.ids("decode_ids");
    let mut continuation = prefix.continuation(&l.model);
    for (i, (row, id)) in decoded.chunks(shape[1]).zip(&ids).take(steps).enumerate() {
        close(&format!("logits of step {i}"), continuation.logits(), row);
        assert_eq!(plumb_vlm::generate::argmax(continuation.logits()), *id, "{name}: token {i}");
        block_on(continuation.push(*id)).unwrap();
    }

    let options: Vec<Vec<u32>> = case.options.iter().map(|o| l.processor.encode(o).unwrap()).collect();
    assert_eq!(options, case.option_ids, "{name}: option ids");
    let with_end: Vec<Vec<u32>> =
        options.iter().map(|o| o.iter().copied().chain([case.eos_token_id]).collect()).collect();
    for (what, options, wanted) in
        [("option scores", options, &case.option_logprobs), ("with end", with_end, &case.option_logprobs_eos)]
    {
        let found: Vec<f32> =
            block_on(prefix.score(&l.model, &options)).unwrap().iter().map(|v| *v as f32).collect();
        let wanted: Vec<f32> = wanted.iter().map(|v| *v as f32).collect();
        close(what, &found, &wanted);
    }
    worst
}

#[test]
fn cpu_matches_the_reference_in_every_case() {
    for case in cases() {
        let worst = check(&case, &Device::flex(), 1e-4, 30);
        println!("{:24} largest relative error {worst:.1e}", case.name);
    }
}

/// The same on a graphics adapter: a real GPU where there is one, else software Vulkan. Every new shape is tuned first,
/// which takes minutes on software Vulkan; `PLUMBLINE_FULL=1` runs every case.
#[test]
fn gpu_matches_the_reference() {
    let adapters = plumb_engine::device::adapters();
    if adapters.is_empty() {
        eprintln!(
            "SKIPPED: no graphics adapter; install software Vulkan (mesa-vulkan-drivers) to test the GPU path"
        );
        return;
    }
    let device = block_on(plumb_engine::device::open(plumb_engine::DeviceChoice::Gpu(None))).unwrap();
    let full = std::env::var_os("PLUMBLINE_FULL").is_some();
    let few = ["smolvlm_tiny_upscaled", "idefics3_3x2"];
    for case in cases().into_iter().filter(|c| full || few.contains(&c.name.as_str())) {
        let worst = check(&case, &device.device, 1e-3, if full { 30 } else { 4 });
        println!("{:24} largest relative error {worst:.1e} on {}", case.name, device.name);
    }
}

/// burn's own operations on the CPU, which other processors than x86-64 use: the same test in a process of its own,
/// because the instructions are chosen once per process.
#[test]
fn the_portable_path_matches_the_reference() {
    if std::env::var("PLUMBLINE_CPU").as_deref() == Ok("portable") {
        return;
    }
    for level in ["portable", "avx2"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cpu_matches_the_reference_in_every_case", "--nocapture"])
            .env("PLUMBLINE_CPU", level)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{level}: {text}");
    }
}

/// One wrong sign among all weights would be noticed.
#[test]
fn a_changed_weight_is_noticed() {
    let case = cases().into_iter().find(|c| c.name == "smolvlm_1x2").unwrap();
    let mut files = files(&case);
    drop(files.take_weights());
    let mut bytes = std::fs::read(case.folder.join("model.safetensors")).unwrap();
    // The sign of the last value but ten of the last tensor.
    let at = bytes.len() - 41;
    bytes[at] ^= 0x80;
    let source = plumb_nn::Source::Memory { name: "changed".into(), bytes };
    let side = files.side().map(|(n, b)| (n.to_owned(), b.to_vec())).collect();
    let mut changed = ModelFiles::new(String::new(), side, vec![source]);
    let model = block_on(SmolVlm::load(&mut changed, &Device::flex(), Some(Precision::F32))).unwrap();
    let intact = load(&case, &Device::flex());
    let logits = |model: &SmolVlm| {
        let features = model.image_features(&intact.pixels, 3, intact.tile, intact.tile).unwrap();
        let mut cache = model.cache(0);
        let x = model.embed(&intact.prompt.ids, Some(&features)).unwrap();
        values(model.text().logits(model.text().forward(x, &mut cache)))
    };
    assert!(relative_error(&logits(&model), &logits(&intact.model)) > 1e-4);
}

/// One row a time, all rows at once, and rows in several pieces give the same numbers.
#[test]
fn the_cache_does_not_depend_on_how_a_prompt_is_cut() {
    let case = cases().into_iter().find(|c| c.name == "idefics3_3x2").unwrap();
    let l = load(&case, &Device::flex());
    let x = l.model.embed(&l.prompt.ids, features(&l).as_ref()).unwrap();
    let [n, h] = x.dims();
    let run = |cuts: &[usize]| {
        let mut cache = l.model.cache(0);
        let mut start = 0;
        let mut out = Vec::new();
        for end in cuts.iter().copied().chain([n]) {
            let hidden = l.model.text().forward(x.clone().slice([start..end, 0..h]), &mut cache);
            out.extend(values(l.model.text().logits(hidden)));
            start = end;
        }
        assert_eq!(cache.len(), n);
        out
    };
    let whole = run(&[]);
    assert!(relative_error(&run(&[1, 2, 3, 20, 70]), &whole) < 1e-5);
    assert!(relative_error(&run(&(1..n).collect::<Vec<_>>()), &whole) < 1e-5);
    assert!(Visible::first(3).sees(2) && !Visible::first(3).sees(3));
}
