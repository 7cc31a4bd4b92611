//! Runs over rendered scenes laid out as `plumbline scenes` lays them out.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use futures_lite::future::block_on;
use plumb_image::encode_png;
use plumb_nn::Precision;
use plumb_qa::dataset::{DatasetMeta, Format, WriterOptions, open_writer};
use plumb_qa::{GenerateOptions, Generator, Templates};
use plumb_scene::export::depth_png;
use plumb_scene::procedural::{RenderOptions, render};
use plumb_vlm::{ModelFiles, Processor, SmolVlm};

use super::*;
use crate::config::TrainConfig;
use crate::data::{OpenOptions, PrepareOptions, prepare};
use crate::encode;
use crate::run::{Control, TrainEvent, Trainer};

/// The tiny model with its tokenizer, in one folder.
fn model_folder(folder: &Path) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let out = folder.join("model");
    std::fs::create_dir_all(&out).unwrap();
    for from in ["tokenizer", "smolvlm_small_tile"] {
        for entry in std::fs::read_dir(fixtures.join(from)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), out.join(entry.file_name())).unwrap();
        }
    }
    out
}

fn load(folder: &Path) -> (SmolVlm, Processor) {
    let mut files = ModelFiles::from_folder(folder).unwrap();
    let model = block_on(SmolVlm::load(&mut files, &Device::flex(), Some(Precision::F32))).unwrap();
    let processor = Processor::load(&files, model.config(), Some(24)).unwrap();
    (model, processor)
}

/// Three scenes with questions: `train.jsonl`, `scenes/*.png` and, for `depth`, `depth/*.png`.
fn data(folder: &Path, depth: bool) -> PathBuf {
    let options = RenderOptions { width: 160, height: 96, supersample: 1, ..RenderOptions::default() };
    let asked = GenerateOptions { per_image: 60, ..GenerateOptions::default() };
    let generator = Generator::new(Templates::builtin().unwrap(), asked);
    let path = folder.join("train.jsonl");
    let templates = Templates::builtin().unwrap().fingerprint().to_owned();
    let meta = DatasetMeta { text: true, templates, ..DatasetMeta::default() };
    let mut writer = open_writer(&path, Format::Jsonl, &meta, WriterOptions::default()).unwrap();
    for name in ["scenes", "depth"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    for index in 0..3 {
        let rendered = render(5, index, &options).unwrap();
        let file = format!("scenes/{index:06}.png");
        std::fs::write(folder.join(&file), encode_png(&rendered.image).unwrap()).unwrap();
        if depth {
            let png = depth_png(&rendered.depth, 1000.0).unwrap();
            std::fs::write(folder.join(format!("depth/{index:06}.png")), png).unwrap();
        }
        let mut scene = rendered.scene;
        scene.id = format!("{index:016x}");
        let pairs = generator.generate(&scene);
        writer.push(&scene, &file, &pairs).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn config(folder: &Path, out: &str, more: &str) -> TrainConfig {
    let shown = |path: PathBuf| path.display().to_string().replace('\\', "/");
    let text = format!(
        "model = \"{}\"\nout = \"{}\"\nsteps = 4\naccumulate = 2\nbatch = {{ samples = 3 }}\n{more}\n\
         [method]\nkind = \"full\"\nparts = [\"connector\", \"text\"]\n\
         [evaluate]\nevery = 0\n[[data]]\npath = \"{}\"\n\
         [loss.margin]\nweight = 0.3\n[loss.depth]\npixels = 3\n\
         [loss.distil]\nteacher = \"{}\"\nalpha = 1.0\nfeatures = 0.1\n",
        shown(folder.join("model")),
        shown(folder.join(out)),
        shown(folder.join("train.jsonl")),
        shown(folder.join("model")),
    );
    TrainConfig::from_toml("t.toml", &text).unwrap()
}

fn trainer(config: &TrainConfig, resume: bool) -> Result<Trainer> {
    let (model, processor) = load(Path::new(&config.model));
    block_on(Trainer::new(config.clone(), model, processor, "0".repeat(64), resume))
}

#[test]
fn heads_learn_and_are_taken_up_again_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    model_folder(folder.path());
    data(folder.path(), true);
    let whole = config(folder.path(), "whole", "");
    let mut straight = trainer(&whole, false).unwrap();
    let start = block_on(straight.learner().weights()).unwrap();
    let mut more = 0;
    block_on(straight.run(&mut |event| {
        if let TrainEvent::Step { metrics, .. } = event {
            let objective = metrics.extra.get("objective").and_then(serde_json::Value::as_f64).unwrap();
            more += u32::from(objective > f64::from(metrics.loss.unwrap()));
        }
        Control::Go
    }))
    .unwrap();
    assert_eq!(more, 4, "the objective holds more than the cross entropy");
    let end = block_on(straight.learner().weights()).unwrap();
    for name in crate::depth::DepthHead::names() {
        assert_ne!(start[&name], end[&name], "{name}");
    }

    let parts = config(folder.path(), "parts", "");
    let mut first = trainer(&parts, false).unwrap();
    let mut steps = 0;
    block_on(first.run(&mut |event| {
        steps += u32::from(matches!(event, TrainEvent::Step { .. }));
        if steps == 2 { Control::Stop } else { Control::Go }
    }))
    .unwrap();
    drop(first);
    let mut second = trainer(&parts, true).unwrap();
    block_on(second.run(&mut |_| Control::Go)).unwrap();
    let resumed = block_on(second.learner().weights()).unwrap();
    assert_eq!(resumed, end);
}

#[test]
fn a_depth_loss_without_depth_or_with_tiles_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    model_folder(folder.path());
    data(folder.path(), false);
    let plain = config(folder.path(), "out", "");
    let error = trainer(&plain, false).err().unwrap().to_string();
    assert!(error.contains("no sample has a depth map"), "{error}");

    data(folder.path(), true);
    let (model, _) = load(&folder.path().join("model"));
    let files = ModelFiles::from_folder(&folder.path().join("model")).unwrap();
    let tiled = Processor::load(&files, model.config(), Some(48)).unwrap();
    let made = block_on(Trainer::new(plain.clone(), model, tiled, "0".repeat(64), false));
    let error = made.err().unwrap().to_string();
    assert!(error.contains("longest_edge to 24"), "{error}");

    let mut deep = plain.clone();
    deep.loss.depth = Some(DepthConfig { layer: Some(3), ..DepthConfig::default() });
    let error = trainer(&deep, false).err().unwrap().to_string();
    assert!(error.contains("expected 1 to 2"), "{error}");

    let mut fixed = plain;
    fixed.method = crate::config::MethodConfig::Full { parts: [crate::config::ModelPart::Text].into() };
    let error = trainer(&fixed, false).err().unwrap().to_string();
    assert!(error.contains("loss.distil.features"), "{error}");
}

#[test]
fn wrong_answers_leave_the_right_one_where_they_differ() {
    let folder = tempfile::tempdir().unwrap();
    let (_, processor) = load(&model_folder(folder.path()));
    let source = Source::open(data(folder.path(), true), OpenOptions::default()).unwrap();
    let (mut typed, mut ordered) = (0, 0);
    let depth = Depth {
        config: DepthConfig { pixels: 3, ..DepthConfig::default() },
        block: 0,
        side: 2,
        folders: vec![folder.path().to_owned()],
    };
    for index in 0..source.len() {
        let sample = source.sample(index).unwrap();
        // Every second one in the mirror.
        let options =
            PrepareOptions { flip: f64::from(u8::from(index % 2 == 0)), ..PrepareOptions::default() };
        let prepared = prepare(&source, &sample, &options, 0).unwrap();
        let encoded = encode::encode(&processor, &prepared).unwrap();
        let found = contrary::contrasts(&processor, &prepared, &encoded).unwrap();
        for (at, token) in found.iter().flatten() {
            assert!(encoded.learn[*at], "{}: a wrong token in the question", prepared.id);
            assert_ne!(encoded.ids[*at], *token, "{}", prepared.id);
        }
        let pair = sample.pair.as_ref().unwrap();
        if matches!(pair.answer, plumb_qa::Answer::YesNo(_) | plumb_qa::Answer::Option(_)) {
            typed += usize::from(!found.is_empty());
            assert!(!found.is_empty(), "{}: {}", pair.question_text, pair.answer_text);
        }
        let truth = depth.truth(0, &sample, &prepared, &encoded).unwrap().unwrap();
        assert_eq!(truth.log_depth.len(), 36);
        assert!(truth.log_depth.iter().any(|v| v.is_finite()));
        ordered += truth.order.len();
        // The map is mirrored with the picture.
        let plain = prepare(&source, &sample, &PrepareOptions::default(), 0).unwrap();
        let unturned = depth.truth(0, &sample, &plain, &encoded).unwrap().unwrap();
        for (i, value) in truth.log_depth.iter().enumerate() {
            let (row, column) = (i / 6, i % 6);
            let other = if prepared.changes.flipped { row * 6 + 5 - column } else { i };
            let theirs = unturned.log_depth[other];
            // Of an even number of pixels the median is one of the two in the middle, the same either way.
            assert!(value.to_bits() == theirs.to_bits() || value.is_nan() && theirs.is_nan());
        }
    }
    assert!(typed > 0 && ordered > 0, "{typed} {ordered}");
}
