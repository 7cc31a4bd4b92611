//! Gradients, optimiser steps and trajectories of every method against torch with peft and adapters.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::tensor::Device;
use futures_lite::future::block_on;
use plumb_nn::Precision;
use plumb_tests::{Expected, fixtures};
use plumb_train::batch::{Batch, Frames};
use plumb_train::host::TensorMap;
use plumb_train::loss::{Objective, Teacher};
use plumb_train::optimizer::{AdamWConfig, Decay, Schedule};
use plumb_train::peft::Adapter;
use plumb_train::{Learner, method};
use plumb_vlm::{ModelFiles, SmolVlm};
use serde_json::Value;

/// One recorded run.
struct Run {
    case: Value,
    expected: Expected,
    prompt: Vec<u32>,
    pixels: (Vec<f32>, Vec<usize>),
    image_token: u32,
}

impl Run {
    fn open(name: &str) -> (Self, Learner) {
        let folder = fixtures().join("train").join(name);
        let case: Value = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
        let base = fixtures().join(case["base"].as_str().unwrap());
        let model = load(&base);
        let shown = Expected::open(&base.join("expected.safetensors"));
        let hyper = &case["hyperparameters"];
        let adamw = AdamWConfig {
            weight_decay: hyper["weight_decay"].as_f64().unwrap(),
            decay_vectors: true,
            ..AdamWConfig::default()
        };
        let run = Self {
            expected: Expected::open(&folder.join("expected.safetensors")),
            prompt: shown.ids("input_ids"),
            pixels: shown.floats("pixel_values"),
            image_token: model.config().image_token_id,
            case,
        };
        let learner = run.learner(&folder, model, adamw);
        (run, learner)
    }

    fn learner(&self, folder: &Path, mut model: SmolVlm, adamw: AdamWConfig) -> Learner {
        let config = folder.join("adapter_config.json");
        let learn = if config.is_file() {
            let weights = if self.case["method"].as_str().unwrap().ends_with("_bn") {
                "adapter.safetensors"
            } else {
                "adapter_model.safetensors"
            };
            let files = BTreeMap::from([
                ("adapter_config.json".to_owned(), std::fs::read(config).unwrap()),
                (weights.to_owned(), std::fs::read(folder.join("init.safetensors")).unwrap()),
            ]);
            let adapter = Adapter::read(&files).unwrap();
            method::attach(&mut model, &adapter).unwrap()
        } else {
            self.trained().into_iter().collect()
        };
        Learner::new(model, learn, adamw)
            .unwrap()
            .with_clip(self.case["hyperparameters"]["clip_norm"].as_f64())
    }

    fn trained(&self) -> Vec<String> {
        self.case["trained"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }

    fn batch(&self, sample: usize) -> Batch {
        let answer: Vec<u32> = self.case["samples"][sample]["answer_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as u32)
            .collect();
        let mut ids = self.prompt.clone();
        let mut learn = vec![false; ids.len()];
        ids.extend(&answer);
        learn.resize(ids.len(), true);
        let rows = ids.iter().enumerate().filter(|(_, id)| **id == self.image_token);
        let rows: Vec<(usize, usize)> = rows.enumerate().map(|(row, (at, _))| (at, row)).collect();
        let (pixels, shape) = &self.pixels;
        let frames =
            Frames::Pixels { pixels: pixels.clone(), frames: shape[0], height: shape[2], width: shape[3] };
        Batch::new(vec![(ids, learn, rows)], frames)
    }

    /// The samples of step `step`.
    fn samples(&self, step: usize) -> Vec<usize> {
        let list = self.case["steps"][step]["samples"].as_array().unwrap();
        list.iter().map(|v| v.as_u64().unwrap() as usize).collect()
    }

    /// The name in the reference's files of a tensor of ours.
    fn key(&self, name: &str) -> String {
        let keys = self.trained();
        let with = format!("base_model.model.{name}");
        if keys.contains(&with) { with } else { name.to_owned() }
    }
}

fn load(folder: &Path) -> SmolVlm {
    let mut files = ModelFiles::from_folder(folder).unwrap();
    block_on(SmolVlm::load(&mut files, &Device::flex(), Some(Precision::F32))).unwrap()
}

/// `‖a − b‖ / ‖b‖`
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-12)
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

fn hold(name: &str, recompute: bool, steps: usize) {
    let (run, learner) = Run::open(name);
    let mut learner = learner.with_recompute(recompute);
    let teacher = run.case["distil"].as_object().map(|distil| {
        let number = |key: &str| distil[key].as_f64().unwrap();
        (number("alpha"), number("T"))
    });
    // A bias of the keys shifts every score of a query alike: its exact gradient is zero, and what either side computes
    // is rounding, which AdamW then blows up to whole steps.
    let doubt: BTreeSet<&str> = run.case["f32_against_f64"]["keys_in_doubt"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut travelled = 0.0;
    let learn = learner.learn().clone();
    let keys: BTreeSet<String> = learn.iter().map(|n| run.key(n)).collect();
    let trained: BTreeSet<String> = run.trained().into_iter().collect();
    assert_eq!(keys, trained, "{name}: what learns");

    let hyper = &run.case["hyperparameters"];
    let schedule = Schedule {
        warmup: hyper["warmup"].as_u64().unwrap(),
        total: hyper["steps"].as_u64().unwrap(),
        decay: Decay::Cosine,
    };
    let peak = hyper["lr"].as_f64().unwrap();
    let (losses, _) = run.expected.floats("loss");
    let (norms, _) = run.expected.floats("grad_norm");
    let (rates, _) = run.expected.floats("lr");
    for step in 0..steps {
        let batches: Vec<(usize, Batch)> = run.samples(step).into_iter().map(|s| (s, run.batch(s))).collect();
        let labels = batches.iter().map(|(_, b)| b.targets.len()).sum();
        let mut total = 0.0;
        for (sample, batch) in &batches {
            let teacher = teacher.map(|(alpha, temperature)| {
                let (values, shape) = run.expected.floats(&format!("teacher_logits.{sample}"));
                let data = burn::tensor::TensorData::new(values, [shape[0], shape[1]]);
                Teacher { logits: burn::tensor::Tensor::from_data(data, &Device::flex()), alpha, temperature }
            });
            let objective = Objective { teacher: teacher.as_ref(), ..Objective::cross_entropy(labels) };
            total += block_on(learner.pass(batch, &objective, None)).unwrap().objective;
        }
        if step == 0 {
            let gradients = block_on(learner.gradients()).unwrap();
            // Each tensor within 2e-5 of torch's f32, which itself is up to 7e-6 from f64 (`f32_against_f64` in
            // case.json); all of them together within 1e-5.
            let whole = f64::from(norms[0]);
            let mut off = 0.0;
            for n in &learn {
                let (expected, _) = run.expected.floats(&format!("grad.{}", run.key(n)));
                if doubt.contains(run.key(n).as_str()) {
                    assert!(norm(&gradients[n]) < 1e-5 * whole, "{name}: gradient of {n} should vanish");
                    continue;
                }
                let error = relative(&gradients[n], &expected);
                assert!(error < 2e-5, "{name}: gradient of {n}: {error}");
                off += (error * norm(&expected)).powi(2);
            }
            assert!(off.sqrt() < 1e-5 * whole, "{name}: gradients together: {}", off.sqrt() / whole);
        }
        let rate = peak * schedule.factor(step as u64);
        assert!((rate - f64::from(rates[step])).abs() <= 1e-9, "{name}: rate {rate} of step {step}");
        assert!(
            (total - f64::from(losses[step])).abs() < 1e-5 * f64::from(losses[step]),
            "{name}: loss {total} of step {step}, expected {}",
            losses[step]
        );
        let outcome = block_on(learner.step(|_| rate)).unwrap();
        travelled += 2.0 * rate;
        let norm = f64::from(norms[step]);
        assert!(
            (outcome.grad_norm - norm).abs() < 2e-5 * norm,
            "{name}: norm {} of step {step}, expected {norm}",
            outcome.grad_norm
        );
        let recorded = format!("step{}.", step + 1);
        if run.expected.has(&format!("{recorded}{}", run.key(learn.first().unwrap()))) {
            let weights: TensorMap = block_on(learner.weights()).unwrap();
            for n in &learn {
                let (expected, _) = run.expected.floats(&format!("{recorded}{}", run.key(n)));
                if doubt.contains(run.key(n).as_str()) {
                    let far = weights[n]
                        .values
                        .iter()
                        .zip(&expected)
                        .any(|(a, b)| f64::from((a - b).abs()) > travelled);
                    assert!(!far, "{name}: {n} after {} steps", step + 1);
                    continue;
                }
                let error = relative(&weights[n].values, &expected);
                assert!(error < 1e-5, "{name}: {n} after {} steps: {error}", step + 1);
            }
        }
    }
}

macro_rules! methods {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            hold(stringify!($name), true, 20);
            hold(stringify!($name), false, 2);
        })+
    };
}

methods!(
    lora,
    rslora,
    dora,
    lora_patterns,
    lora_text_vision,
    ia3,
    prompt_tuning,
    seq_bn,
    double_seq_bn,
    par_bn,
    full_head,
    full_connector,
    full_vision,
    full_all,
    kd_logit,
);
