//! Runs as a person has them: every method learns a handful of samples by heart, frozen weights stay as they were, a
//! run that was cut off ends as one that was not, and a GPU learns what the CPU learns.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use futures_lite::future::block_on;
use plumb_nn::{Parameters as _, Precision, Visitor};
use plumb_tests::fixtures;
use plumb_train::config::TrainConfig;
use plumb_train::run::{Control, Finished, TrainEvent, Trainer};
use plumb_vlm::{ModelConfig, ModelFiles, Processor, SmolVlm};

/// The base: grouped heads, tied to a tokenizer of 383 tokens.
fn base(folder: &Path) -> PathBuf {
    let case = fixtures().join("smolvlm_small_tile");
    let out = folder.join("model");
    std::fs::create_dir_all(&out).unwrap();
    for from in [fixtures().join("tokenizer"), case] {
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, out.join(path.file_name().unwrap())).unwrap();
        }
    }
    out
}

/// Eight pictures of one colour with a question each.
fn data(folder: &Path) -> PathBuf {
    let colours = ["red", "green", "blue", "white", "black", "grey", "pink", "cyan"];
    let path = folder.join("train.jsonl");
    let mut lines = String::new();
    for (i, colour) in colours.iter().enumerate() {
        let name = format!("{colour}.png");
        let i = i as u8;
        let rgb = [40 * (i % 3) + 60, 30 * i, 250 - 30 * i];
        let image = plumb_image::RgbImage::filled(20, 16, rgb).unwrap();
        std::fs::write(folder.join(&name), plumb_image::encode_jpeg(&image, 95).unwrap()).unwrap();
        let row = serde_json::json!({"messages": [
            {"role": "user", "content": [{"type": "image", "image": name}, {"type": "text", "text": format!("Which colour is picture {i}?")}]},
            {"role": "assistant", "content": [{"type": "text", "text": colour}]},
        ]});
        lines.push_str(&format!("{row}\n"));
    }
    std::fs::write(&path, lines).unwrap();
    path
}

fn config(folder: &Path, out: &str, method: &str, more: &str) -> TrainConfig {
    let text = format!(
        "model = {:?}\nout = {:?}\nseed = 3\nsteps = 12\n{more}\n[[data]]\npath = {:?}\n[method]\n{method}\n\
         [batch]\nsamples = 4\n[evaluate]\nevery = 0\n[checkpoint]\nevery = 4\n",
        base(folder),
        folder.join(out),
        data(folder),
    );
    TrainConfig::from_toml("test", &text).unwrap()
}

fn trainer(config: &TrainConfig, device: &Device, resume: bool) -> Trainer {
    let mut files = ModelFiles::from_folder(Path::new(&config.model)).unwrap();
    let model = ModelConfig::from_json(files.require("config.json").unwrap()).unwrap();
    let processor = Processor::load(&files, &model, None).unwrap();
    let model = block_on(SmolVlm::load(&mut files, device, Some(Precision::F32))).unwrap();
    block_on(Trainer::new(config.clone(), model, processor, "hash".into(), resume)).unwrap()
}

/// Runs to the end or to step `until`; the losses by step.
fn run(trainer: &mut Trainer, until: u64) -> (Finished, Vec<f32>) {
    let mut losses = Vec::new();
    let finished = block_on(trainer.run(&mut |event| match event {
        TrainEvent::Step { metrics, .. } => {
            losses.push(metrics.loss.unwrap());
            if metrics.step >= until { Control::Stop } else { Control::Go }
        }
        _ => Control::Go,
    }))
    .unwrap();
    (finished, losses)
}

fn weights(trainer: &mut Trainer) -> BTreeMap<String, Vec<u32>> {
    let weights = block_on(trainer.learner().weights()).unwrap();
    weights.into_iter().map(|(k, t)| (k, t.values.iter().map(|v| v.to_bits()).collect())).collect()
}

#[test]
fn every_method_learns_eight_samples_by_heart() {
    for (method, lr, limit) in [
        ("kind = \"lora\"\nrank = 8\ntargets = \"text_and_vision\"", 1e-2, 0.05),
        ("kind = \"lora\"\nrank = 8\ndora = true", 2e-2, 0.05),
        ("kind = \"lora\"\nrank = 8\nrslora = true", 1e-2, 0.05),
        ("kind = \"bottleneck\"\nvariant = \"seq_bn\"\nreduction = 1.0", 2e-2, 0.05),
        ("kind = \"bottleneck\"\nvariant = \"double_seq_bn\"\nreduction = 1.0", 2e-2, 0.05),
        ("kind = \"bottleneck\"\nvariant = \"par_bn\"\nreduction = 1.0", 1e-2, 0.05),
        ("kind = \"full\"\nparts = [\"text\", \"connector\", \"embedding\", \"head\"]", 1e-2, 0.05),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "run", method, "");
        by_heart(config, method, lr, limit);
    }
}

/// Methods with few values cannot bend a random model to eight answers. On the demo model they learn eight answers to
/// benchmark questions, every second of them the wrong one, so that only the pictures and questions tell them apart.
#[test]
fn methods_of_few_values_learn_eight_samples_of_a_trained_model_by_heart() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let bench = plumb_bench::Benchmark::open(pack.join("demo.cvbench.parquet")).unwrap();
    for (method, lr, limit) in
        [("kind = \"prompt_tuning\"\ntokens = 20", 1e-1, 0.05), ("kind = \"ia3\"", 5e-2, 0.05)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), "run", method, "");
        let mut lines = String::new();
        let every = bench.samples().len() / 7;
        for (i, sample) in bench.samples().iter().step_by(every).take(8).enumerate() {
            let name = format!("{}.png", sample.row);
            std::fs::write(folder.path().join(&name), bench.image(sample.row).unwrap()).unwrap();
            let answer = if (sample.gold == 0) == (i % 2 == 0) { "A" } else { "B" };
            let row = serde_json::json!({"messages": [
                {"role": "user", "content": [
                    {"type": "image", "image": name}, {"type": "text", "text": sample.prompt},
                ]},
                {"role": "assistant", "content": [{"type": "text", "text": answer}]},
            ]});
            lines.push_str(&format!("{row}\n"));
        }
        std::fs::write(&config.data[0].path, lines).unwrap();
        config.model = pack.join("model").to_string_lossy().into_owned();
        by_heart(config, method, lr, limit);
    }
}

/// 250 steps over the eight samples of `config`, after which their loss is below `limit`.
fn by_heart(mut config: TrainConfig, method: &str, lr: f64, limit: f32) {
    config.steps = Some(250);
    config.batch.samples = 8;
    config.checkpoint.every = 0;
    config.optimizer.lr = lr;
    config.optimizer.warmup = 5.0;
    config.optimizer.adamw.weight_decay = 0.0;
    let mut trainer = trainer(&config, &Device::flex(), false);
    let (finished, losses) = run(&mut trainer, u64::MAX);
    let (first, last) = (losses[0], *losses.last().unwrap());
    eprintln!("{}: {first} -> {last}", method.replace('\n', ", "));
    assert!(finished.complete);
    assert!(last < limit && last < first / 2.0, "{method}: loss went from {first} to {last}");
}

#[test]
fn twenty_and_twenty_steps_are_forty_bit_for_bit() {
    for (method, more) in [
        ("kind = \"lora\"\nrank = 4\ndropout = 0.1", "accumulate = 2"),
        ("kind = \"full\"\nparts = [\"text\", \"vision\", \"connector\"]", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut whole = config(folder.path(), "whole", method, more);
        whole.steps = Some(40);
        whole.optimizer.lr = 1e-3;
        let mut straight = trainer(&whole, &Device::flex(), false);
        let (_, losses) = run(&mut straight, u64::MAX);
        let expected = weights(&mut straight);

        let mut parts = whole.clone();
        parts.out = folder.path().join("parts");
        let mut first = trainer(&parts, &Device::flex(), false);
        let (finished, mut again) = run(&mut first, 20);
        assert_eq!((finished.step, finished.complete), (20, false));
        drop(first);
        let mut second = trainer(&parts, &Device::flex(), true);
        let (finished, rest) = run(&mut second, u64::MAX);
        assert!(finished.complete);
        again.extend(rest);
        assert_eq!(again, losses, "{method}: losses");
        assert_eq!(weights(&mut second), expected, "{method}: weights");
        let log = std::fs::read_to_string(parts.out.join("metrics.jsonl")).unwrap();
        assert_eq!(log.lines().filter(|l| l.contains("\"kind\":\"step\"")).count(), 40);
    }
}

/// The bits of every weight of the base: all parts of all linear layers, the norms and the embedding.
#[test]
fn an_evaluation_that_is_broken_off_is_made_when_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = config(folder.path(), "whole", "kind = \"lora\"\nrank = 4", "");
    (whole.evaluate.every, whole.evaluate.held_out, whole.batch.samples) = (4, 0.5, 1);
    let mut straight = trainer(&whole, &Device::flex(), false);
    run(&mut straight, u64::MAX);
    let evals = |out: &Path| -> Vec<(u64, String)> {
        let log = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let evals = lines.filter(|line| line["kind"] == "eval");
        evals.map(|line| (line["step"].as_u64().unwrap(), line["loss"].to_string())).collect()
    };
    let expected = evals(&whole.out);
    assert_eq!(expected.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 4, 8, 12]);

    let mut parts = whole.clone();
    parts.out = folder.path().join("parts");
    let mut heard = Vec::new();
    let mut saves = 0;
    let mut first = trainer(&parts, &Device::flex(), false);
    // Saved and made again at step 4; stopped at step 8, after the first of its samples.
    let finished = block_on(first.run(&mut |event| match event {
        TrainEvent::Evaluating { step: 4, done: 2, .. } if saves < 2 => {
            saves += 1;
            Control::Save
        }
        TrainEvent::Evaluating { step, done, .. } => {
            heard.push((step, done));
            if step == 8 { Control::Stop } else { Control::Go }
        }
        _ => Control::Go,
    }))
    .unwrap();
    assert_eq!((finished.step, finished.complete, saves), (8, false, 2));
    assert_eq!(heard.last(), Some(&(8, 1)), "nothing more is asked once it was told to stop");
    assert_eq!(evals(&parts.out), expected[..2]);
    drop(first);
    let mut second = trainer(&parts, &Device::flex(), true);
    assert!(run(&mut second, u64::MAX).0.complete);
    assert_eq!(evals(&parts.out), expected);
    assert_eq!(weights(&mut second), weights(&mut straight));
}

fn frozen_bits(model: &mut SmolVlm) -> BTreeMap<String, Vec<u32>> {
    fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
        let data = block_on(tensor.into_data_async()).unwrap();
        data.as_slice::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()
    }
    struct Rest(BTreeMap<String, Vec<u32>>);
    impl Visitor for Rest {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: &mut Tensor<D>) {
            if !name.contains("lora_") {
                self.0.insert(name.to_owned(), bits(tensor.clone()));
            }
        }
    }
    let mut rest = Rest(BTreeMap::new());
    model.visit(&mut rest);
    let mut all = rest.0;
    all.insert("embedding".to_owned(), bits(model.text().embedding().weight().clone()));
    for linear in model.linears_mut() {
        for (i, part) in linear.parts().iter().enumerate() {
            let (weight, bias) = linear.part_weight(i);
            all.insert(format!("{}.weight", part.path), bits(weight));
            all.extend(bias.map(|bias| (format!("{}.bias", part.path), bits(bias))));
        }
    }
    all
}

#[test]
fn frozen_weights_stay_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "run", "kind = \"lora\"\nrank = 4", "");
    let mut trainer = trainer(&config, &Device::flex(), false);
    run(&mut trainer, u64::MAX);
    let mut files = ModelFiles::from_folder(Path::new(&config.model)).unwrap();
    let mut fresh = block_on(SmolVlm::load(&mut files, &Device::flex(), Some(Precision::F32))).unwrap();
    let mut tuned = trainer.into_model();
    let (before, after) = (frozen_bits(&mut fresh), frozen_bits(&mut tuned));
    assert!(before.len() > 40, "{} tensors", before.len());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, bits) in before {
        assert!(bits == after[&name], "{name} has changed");
    }
}

#[test]
fn a_changed_run_is_not_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "run", "kind = \"lora\"\nrank = 4", "");
    let mut first = trainer(&config, &Device::flex(), false);
    run(&mut first, 4);
    let open = |config: &TrainConfig, resume: bool| {
        let mut files = ModelFiles::from_folder(Path::new(&config.model)).unwrap();
        let model = ModelConfig::from_json(files.require("config.json").unwrap()).unwrap();
        let processor = Processor::load(&files, &model, None).unwrap();
        let model = block_on(SmolVlm::load(&mut files, &Device::flex(), Some(Precision::F32))).unwrap();
        block_on(Trainer::new(config.clone(), model, processor, "hash".into(), resume))
            .err()
            .map(|e| e.to_string())
    };
    let said = open(&config, false).unwrap();
    assert!(said.contains("step 4") && said.contains("--resume"), "{said}");
    let mut other = config.clone();
    other.optimizer.lr *= 2.0;
    let said = open(&other, true).unwrap();
    assert!(said.to_lowercase().contains("config"), "{said}");
    assert!(open(&config, true).is_none());
}

#[test]
fn the_plan_shows_what_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "run", "kind = \"lora\"\nrank = 4", "");
    let mut trainer = trainer(&config, &Device::flex(), false);
    let plan = trainer.plan().unwrap();
    assert!(plan.masked.contains("→ ") && plan.masked.contains("<end_of_utterance>←"), "{}", plan.masked);
    assert!(plan.features_cached);
    assert_eq!(plan.steps, 12);
    assert!(plan.trainable > 0 && plan.trainable < plan.parameters);
}

/// On software Vulkan every new shape is tuned first, which takes minutes: part of `cargo xtask test --full`.
#[test]
fn gpu_learns_what_the_cpu_learns() {
    if std::env::var_os("PLUMBLINE_FULL").is_none() {
        eprintln!("SKIPPED: training on a graphics adapter; `cargo xtask test --full` runs it");
        return;
    }
    if plumb_engine::device::adapters().is_empty() {
        eprintln!("SKIPPED: no graphics adapter; install software Vulkan (mesa-vulkan-drivers)");
        return;
    }
    let gpu = block_on(plumb_engine::device::open(plumb_engine::DeviceChoice::Gpu(None))).unwrap().device;
    let run_on = |device: &Device| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), "run", "kind = \"lora\"\nrank = 4", "");
        config.steps = Some(3);
        config.optimizer.lr = 1e-3;
        let mut trainer = trainer(&config, device, false);
        let (_, losses) = run(&mut trainer, u64::MAX);
        let weights = block_on(trainer.learner().weights()).unwrap();
        (losses, weights)
    };
    let (cpu, w_cpu) = run_on(&Device::flex());
    let (theirs, w_gpu) = run_on(&gpu);
    for (a, b) in cpu.iter().zip(&theirs) {
        assert!((a - b).abs() < 1e-3 * a.abs(), "losses {cpu:?} and {theirs:?}");
    }
    for (name, a) in &w_cpu {
        let b = &w_gpu[name];
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let off = norm(&mut a.values.iter().zip(&b.values).map(|(a, b)| a - b));
        let size = norm(&mut a.values.iter().copied()).max(1e-3);
        assert!(off < 1e-3 * size, "{name}: {}", off / size);
    }
}

/// Answers are tokenised apart from the prompt, as they are when the model speaks; with the real tokenizer that gives the
/// tokens of the whole text.
#[test]
fn dialogues_have_the_tokens_of_their_text() {
    let Some(folder) = plumb_tests::test_data("smolvlm2-500m-video") else { return };
    let files = ModelFiles::side_files(&folder).unwrap();
    let config = ModelConfig::from_json(files.require("config.json").unwrap()).unwrap();
    let processor = Processor::load(&files, &config, None).unwrap();
    use plumb_vlm::chat::{Content, Message, Role};
    let text = |text: &str| vec![Content::Text { text: text.into() }];
    let answers = ["A", "(A)", "It is 1.5 meters.", "About 3 feet 2 inches, I'd say", "left"];
    for (i, answer) in answers.iter().enumerate() {
        let messages = [
            Message { role: Role::System, content: text("Be brief.") },
            Message::user(1, format!("How far is {i}?")),
            Message { role: Role::Assistant, content: text(answer) },
            Message::user(0, "And now?"),
            Message { role: Role::Assistant, content: text("No.") },
        ];
        let image = plumb_image::RgbImage::filled(40, 30, [9, 9, 9]).unwrap();
        let dialogue = processor.dialogue(&messages[i % 2..], &[image]).unwrap();
        let whole = processor.decode(&dialogue.ids, false).unwrap();
        assert_eq!(processor.encode(&whole).unwrap(), dialogue.ids);
        let said: Vec<u32> =
            dialogue.ids.iter().zip(&dialogue.answer).filter(|(_, a)| **a).map(|(id, _)| *id).collect();
        let said = processor.decode(&said, false).unwrap();
        assert_eq!(said, format!(" {answer}<end_of_utterance> No.<end_of_utterance>"));
    }
}

#[test]
fn a_loss_that_is_no_number_stops_with_the_samples_and_spoils_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), "run", "kind = \"full\"\nparts = [\"text\", \"head\"]", "");
    config.checkpoint.every = 1;
    config.optimizer.lr = 1e32;
    config.optimizer.warmup = 0.0;
    let mut first = trainer(&config, &Device::flex(), false);
    let error = block_on(first.run(&mut |_| Control::Go)).unwrap_err().to_string();
    assert!(error.contains("not a number") || error.contains("not finite"), "{error}");
    if error.contains("not a number") {
        assert!(error.contains("train.jsonl:"), "the samples are named: {error}");
    }
    drop(first);
    // What was saved is whole.
    let again = trainer(&config, &Device::flex(), true);
    drop(again);
}
