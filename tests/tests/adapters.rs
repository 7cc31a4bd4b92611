//! Adapters that PEFT and AdapterHub wrote: read, attached, merged, with the logits that the libraries compute.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use futures_lite::future::block_on;
use plumb_nn::Precision;
use plumb_tests::{Expected, fixtures};
use plumb_train::backprop::label_logits;
use plumb_train::batch::{Batch, Frames};
use plumb_train::method;
use plumb_train::peft::{Adapter, AdapterConfig, MergeOptions, merge_checkpoint};
use plumb_vlm::{ModelFiles, SmolVlm};
use serde_json::Value;

/// PEFT's own tolerance. The reference's own f32 is within 3e-5 of f64 in every case (`rounding`).
const TOLERANCE: f32 = 1e-4;

fn load(folder: &Path) -> SmolVlm {
    let mut files = ModelFiles::from_folder(folder).unwrap();
    block_on(SmolVlm::load(&mut files, &Device::flex(), Some(Precision::F32))).unwrap()
}

/// Logits at every position of `ids`, `[positions][vocab]`.
fn logits(model: &SmolVlm, ids: &[u32], pixels: &(Vec<f32>, Vec<usize>)) -> Vec<Vec<f32>> {
    let image = model.config().image_token_id;
    let rows = ids.iter().enumerate().filter(|(_, id)| **id == image).map(|(at, _)| at);
    let rows = rows.enumerate().map(|(row, at)| (at, row)).collect();
    // Each label is predicted by the row before it: one more token makes the last row a predictor as well.
    let mut longer = ids.to_vec();
    longer.push(ids[0]);
    let learn = vec![true; longer.len()];
    let (values, shape) = pixels;
    let frames =
        Frames::Pixels { pixels: values.clone(), frames: shape[0], height: shape[2], width: shape[3] };
    let logits = label_logits(model, &Batch::new(vec![(longer, learn, rows)], frames)).unwrap();
    let [_, vocab] = logits.dims();
    let data = block_on(logits.into_data_async()).unwrap();
    data.as_slice::<f32>().unwrap().chunks(vocab).map(<[f32]>::to_vec).collect()
}

fn hold(case: &str, ours: &[Vec<f32>], (values, shape): (Vec<f32>, Vec<usize>)) -> f32 {
    let expected: Vec<&[f32]> = values.chunks(shape[1]).collect();
    let last = expected.len().min(ours.len());
    let mut worst = 0.0f32;
    for (a, b) in ours[ours.len() - last..].iter().zip(&expected[expected.len() - last..]) {
        for (a, b) in a.iter().zip(*b) {
            let off = (a - b).abs() / (1.0 + b.abs());
            assert!(off <= TOLERANCE, "{case}: {a}, expected {b}, off by {off:.1e}");
            worst = worst.max(off);
        }
    }
    worst
}

fn cases() -> Vec<(String, PathBuf, Value)> {
    let mut cases: Vec<_> = std::fs::read_dir(fixtures().join("peft"))
        .unwrap()
        .map(|entry| {
            let folder = entry.unwrap().path();
            let case = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
            (folder.file_name().unwrap().to_str().unwrap().to_owned(), folder, case)
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

#[test]
fn adapters_of_the_libraries_give_their_logits_attached_and_merged() {
    let (mut read, mut merged) = (0, 0);
    for (name, folder, case) in cases() {
        let adapter = match Adapter::read_folder(&folder) {
            Ok(adapter) => adapter,
            Err(error) => {
                // Biases that learn with the adapter are not read: a sentence and no silence.
                assert!(name == "lora_bias" && error.to_string().contains("bias"), "{name}: {error}");
                continue;
            }
        };
        let base = fixtures().join(case["base"].as_str().unwrap());
        let shown = Expected::open(&base.join("expected.safetensors"));
        let expected = Expected::open(&folder.join("expected.safetensors"));
        let (ids, pixels) = (expected.ids("input_ids"), shown.floats("pixel_values"));
        let mut model = load(&base);
        let plain = logits(&model, &ids, &pixels);
        method::attach(&mut model, &adapter).unwrap();
        let ours = logits(&model, &ids, &pixels);
        assert_ne!(plain, ours, "{name}: the adapter does nothing");
        let worst = hold(&format!("{name}, attached"), &ours, expected.floats("logits"));
        model.detach_adapters();
        if !name.contains("modules_to_save") {
            assert_eq!(plain, logits(&model, &ids, &pixels), "{name}: taken off");
        }
        read += 1;
        let mut said = format!("{name:24} attached {worst:.1e}");
        if expected.has("merged_logits") {
            let layout = method::layout(model.config());
            let out = tempfile::tempdir().unwrap();
            let target = out.path().join("merged");
            merge_checkpoint(&base, &layout, &adapter, &target, &MergeOptions::default(), &mut |_, _| true)
                .unwrap();
            let worst = hold(
                &format!("{name}, merged"),
                &logits(&load(&target), &ids, &pixels),
                expected.floats("merged_logits"),
            );
            said.push_str(&format!(", merged {worst:.1e}"));
            merged += 1;
        }
        println!("{said}");
    }
    assert!(read >= 16 && merged >= 10, "{read} read, {merged} merged");
}

/// What we write is what the library wrote: the same keys, shapes and values, so that the library reads it as its own.
#[test]
fn an_adapter_goes_through_the_trainer_unchanged() {
    for (name, folder, case) in cases() {
        let Ok(adapter) = Adapter::read_folder(&folder) else { continue };
        let base = fixtures().join(case["base"].as_str().unwrap());
        let mut model = load(&base);
        let learn = method::attach(&mut model, &adapter).unwrap();
        let mut learner = plumb_train::Learner::new(model, learn, Default::default()).unwrap();
        let config: AdapterConfig = adapter.config.clone();
        let again = block_on(method::export(&mut learner, &config)).unwrap();
        assert_eq!(
            again.tensors.keys().collect::<Vec<_>>(),
            adapter.tensors.keys().collect::<Vec<_>>(),
            "{name}: keys"
        );
        for (key, tensor) in &adapter.tensors {
            assert_eq!(&again.tensors[key], tensor, "{name}: {key}");
        }
    }
}
