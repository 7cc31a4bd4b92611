//! Losses, optimiser and schedule against torch; gradients of the auxiliary losses through a whole model against
//! differences of the objective.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{DType, Device, Tensor, TensorData};
use futures_lite::future::block_on;
use plumb_nn::Precision;
use plumb_tests::{Expected, fixtures, relative_error};
use plumb_train::Learner;
use plumb_train::auxiliary::depth_head;
use plumb_train::backprop;
use plumb_train::batch::{Batch, Frames};
use plumb_train::depth::{DepthHead, DepthMap, DepthTask, Order, depth_loss, ranking_loss};
use plumb_train::feature::{FeatureTask, Projection};
use plumb_train::host::TensorMap;
use plumb_train::loss::{Contrast, Margin, Objective, divergence, softplus};
use plumb_train::optimizer::{AdamW, AdamWConfig, Decay, Schedule, clip_factor};
use plumb_vlm::{ModelFiles, SmolVlm};
use safetensors::SafeTensors;

/// What is held: f32 of either side differs in the last digits only.
const CLOSE: f32 = 1e-5;

fn open(name: &str) -> Expected {
    Expected::open(&fixtures().join("train").join(name))
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&Device::flex(), DType::F32))
}

fn leaf<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    tensor(values, shape).autodiff().require_grad()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(tensor.inner().into_data_async()).unwrap().as_slice::<f32>().unwrap().to_vec()
}

/// Holds a loss and its gradients by `leaves`.
fn hold<const D: usize>(expected: &Expected, name: &str, loss: Tensor<1>, leaves: &[(&str, &Tensor<D>)]) {
    let found = values(loss.clone());
    let wanted = expected.floats(&format!("{name}.loss")).0;
    // A loss that is nothing (no valid pair) is exactly that.
    assert!((found[0] - wanted[0]).abs() <= CLOSE * wanted[0].abs(), "{name}: {found:?} {wanted:?}");
    let gradients = loss.sum().backward();
    for (leaf_name, leaf) in leaves {
        let wanted = expected.floats(&format!("{name}.grad.{leaf_name}")).0;
        let found = leaf.grad(&gradients).map_or_else(|| vec![0.0; wanted.len()], values);
        if wanted.iter().all(|v| *v == 0.0) {
            assert!(found.iter().all(|v| *v == 0.0), "{name}: gradient by {leaf_name}");
        } else {
            let error = relative_error(&found, &wanted);
            assert!(error <= CLOSE, "{name}: gradient by {leaf_name}: {error}");
        }
    }
}

#[test]
fn divergence_is_torchs() {
    let expected = open("losses.safetensors");
    let (student, _) = expected.floats("kl.student");
    let (teacher, _) = expected.floats("kl.teacher");
    let mask = expected.floats("kl.mask").0;
    let labels = expected.ids("kl.labels");
    let kept: Vec<usize> = (0..6).filter(|row| mask[*row] > 0.0).collect();
    let index = |rows: &[usize]| {
        let rows: Vec<i32> = rows.iter().map(|r| *r as i32).collect();
        let n = rows.len();
        Tensor::<1, burn::tensor::Int>::from_data(TensorData::new(rows, [n]), (&Device::flex(), DType::I32))
    };
    let count = kept.len() as f64;
    for heat in [1, 2, 4] {
        let temperature = f64::from(heat);
        let rows = expected.floats(&format!("kl.t{heat}.rows")).0;
        let top = rows.iter().copied().fold(0f32, f32::max);
        for (row, wanted) in rows.iter().enumerate() {
            let one = |v: &[f32]| tensor(&v[row * 11..(row + 1) * 11], [1, 11]);
            let found = values(divergence(&one(&student), one(&teacher), temperature))[0];
            assert!((found - wanted).abs() <= CLOSE * top, "T {heat}, row {row}: {found} {wanted}");
        }
        let theirs = tensor(&teacher, [6, 11]).select(0, index(&kept));
        let leaf = leaf(&student, [6, 11]);
        let ours = leaf.clone().select(0, index(&kept));
        let loss = divergence(&ours, theirs.clone(), temperature) / count;
        hold(&expected, &format!("kl.t{heat}"), loss, &[("student", &leaf)]);

        let leaf = self::leaf(&student, [6, 11]);
        let ours = leaf.clone().select(0, index(&kept));
        let targets: Vec<i32> = kept.iter().map(|row| labels[*row] as i32).collect();
        let targets = Tensor::<2, burn::tensor::Int>::from_data(
            TensorData::new(targets, [kept.len(), 1]),
            (&Device::flex(), DType::I32),
        );
        let nll = -burn::tensor::activation::log_softmax(ours.clone(), 1).gather(1, targets).sum();
        let loss = (nll * 0.5 + divergence(&ours, theirs, temperature) * 0.5) / count;
        hold(&expected, &format!("kd.t{heat}"), loss, &[("student", &leaf)]);
    }
}

#[test]
fn margin_is_torchs() {
    let expected = open("losses.safetensors");
    let (positive, _) = expected.floats("margin.positive");
    let (negative, _) = expected.floats("margin.negative");
    for margin in ["0.0", "0.5", "2.0"] {
        let name = format!("margin.m{margin}");
        let (p, n) = (leaf(&positive, [10]), leaf(&negative, [10]));
        let rows = softplus(-(p.clone() - n.clone()) + margin.parse::<f64>().unwrap());
        let wanted = expected.floats(&format!("{name}.rows")).0;
        for (found, wanted) in values(rows.clone()).iter().zip(&wanted) {
            assert!((found - wanted).abs() <= CLOSE * wanted.abs().max(1e-6), "{name}: {found} {wanted}");
        }
        hold(&expected, &name, rows.sum() / 10.0, &[("positive", &p), ("negative", &n)]);
    }
}

#[test]
fn means_divide_by_one_at_least() {
    let expected = open("losses.safetensors");
    let (list, _) = expected.floats("mean.values");
    for case in ["some", "all", "none"] {
        let mask = expected.floats(&format!("mean.{case}.mask")).0;
        let leaf = leaf(&list, [4, 9]);
        // As the objective divides: by the number of labels, at least one.
        let labels = mask.iter().filter(|v| **v > 0.0).count().max(1);
        let loss = (leaf.clone() * tensor(&mask, [4, 9])).sum() / labels as f64;
        hold(&expected, &format!("mean.{case}"), loss, &[("values", &leaf)]);
    }
}

#[test]
fn depth_loss_is_torchs() {
    let expected = open("losses.safetensors");
    let (prediction, _) = expected.floats("depth.prediction");
    let (target, _) = expected.floats("depth.target");
    for case in ["all", "some", "one", "row"] {
        let mask = expected.floats(&format!("depth.{case}.mask")).0;
        let masked = |(t, m): (&f32, &f32)| if *m > 0.0 { *t } else { f32::NAN };
        let truth: Vec<f32> = target.iter().zip(&mask).map(masked).collect();
        let leaf = leaf(&prediction, [8, 8]);
        let loss = depth_loss(leaf.clone(), &truth);
        hold(&expected, &format!("depth.{case}.total"), loss, &[("prediction", &leaf)]);
    }
    let nothing = leaf(&prediction, [8, 8]);
    let loss = depth_loss(nothing.clone(), &[f32::NAN; 64]);
    assert_eq!(values(loss.clone()), [0.0]);
    let gradient = nothing.grad(&loss.backward()).map(values).unwrap_or_default();
    assert!(gradient.iter().all(|v| *v == 0.0));
}

#[test]
fn ranking_is_a_softplus_of_means() {
    // Means 2.5 and 1, and 1 and 4: farther by 1.5 and by -3... the second pair is in the wrong order.
    let predicted = leaf(&[2.0, 3.0, 1.0, 4.0], [2, 2]);
    let order = [Order { near: vec![2], far: vec![0, 1] }, Order { near: vec![3], far: vec![2] }];
    let loss = ranking_loss(predicted.clone(), &order, 0.25);
    let plus = |x: f64| x.exp().ln_1p();
    let slope = |x: f64| 1.0 / (1.0 + (-x).exp());
    let wanted = (plus(0.25 - 1.5) + plus(0.25 + 3.0)) / 2.0;
    assert!((f64::from(values(loss.clone())[0]) - wanted).abs() < 1e-6);
    let (a, b) = (slope(-1.25) / 2.0, slope(3.25) / 2.0);
    let gradient = values(predicted.grad(&loss.backward()).unwrap());
    let expected = [-a / 2.0, -a / 2.0, a - b, b].map(|v| v as f32);
    assert!(relative_error(&gradient, &expected) <= CLOSE, "{gradient:?} {expected:?}");
}

#[test]
fn adamw_is_torchs() {
    let expected = open("adamw.safetensors");
    for (kind, weight_decay) in [("wd0.01", 0.01), ("wd0", 0.0)] {
        let config = AdamWConfig { weight_decay, decay_vectors: true, ..AdamWConfig::default() };
        for name in ["vector", "matrix", "tiny"] {
            let (init, shape) = expected.floats(&format!("adamw.{name}.init"));
            let n = init.len();
            let grads = expected.floats(&format!("adamw.{name}.grads")).0;
            let wanted = expected.floats(&format!("adamw.{kind}.{name}.values")).0;
            let mut adamw = AdamW::new(config);
            let mut p = tensor(&init, [n]);
            for (step, (gradient, wanted)) in grads.chunks(n).zip(wanted.chunks(n)).enumerate() {
                adamw.begin();
                p = adamw.update(name, shape.len(), p, tensor(gradient, [n]), 1e-3);
                let error = relative_error(&values(p.clone()), wanted);
                assert!(error <= CLOSE, "{kind} {name}, step {step}: {error}");
            }
            let moments = adamw.moments().get(name).unwrap();
            for (what, found) in [("exp_avg", &moments.m), ("exp_avg_sq", &moments.v)] {
                let wanted = expected.floats(&format!("adamw.{kind}.{name}.{what}")).0;
                for (i, (found, wanted)) in values(found.clone()).iter().zip(&wanted).enumerate() {
                    // Terms of either sign cancel out in the first moment: what counts is how large they are.
                    let top = grads.chunks(n).map(|g| g[i].abs()).fold(0f32, f32::max);
                    let scale = if what == "exp_avg" { top } else { *wanted };
                    // Below the smallest normal number f32 has fewer digits.
                    let close = (found - wanted).abs() <= CLOSE * scale + f32::MIN_POSITIVE;
                    assert!(close, "{kind} {name}: {what} {found} {wanted}");
                }
            }
        }
    }
}

#[test]
fn clipping_is_torchs() {
    let expected = open("adamw.safetensors");
    for case in ["below", "above", "zeros", "huge", "some_zero"] {
        let before = |part: &str| expected.floats(&format!("clip.{case}.{part}.before")).0;
        let parts = ["a", "b", "c"].map(|part| (part, before(part)));
        let squares: Tensor<1> =
            parts.iter().map(|(_, v)| tensor(v, [v.len()]).square().sum()).reduce(|a, b| a + b).unwrap();
        let norm = values(squares.sqrt())[0];
        let wanted = expected.floats(&format!("clip.{case}.norm")).0[0];
        assert!((norm - wanted).abs() <= CLOSE * wanted, "{case}: {norm} {wanted}");
        let factor = clip_factor(f64::from(norm), 1.0);
        for (part, before) in parts {
            let wanted = expected.floats(&format!("clip.{case}.{part}.after")).0;
            let found = values(tensor(&before, [before.len()]) * factor);
            if wanted.iter().all(|v| *v == 0.0) {
                assert!(found.iter().all(|v| *v == 0.0), "{case} {part}");
            } else {
                assert!(relative_error(&found, &wanted) <= CLOSE, "{case} {part}");
            }
        }
    }
}

#[test]
fn the_schedule_is_transformers() {
    let bytes = std::fs::read(fixtures().join("train/adamw.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut seen = 0;
    for (name, view) in tensors.iter() {
        let Some(rest) = name.strip_prefix("cosine.") else { continue };
        let (warmup, total) = rest.split_once('.').unwrap();
        let (warmup, total) = (warmup.parse().unwrap(), total.parse().unwrap());
        let schedule = Schedule { warmup, total, decay: Decay::Cosine };
        for (step, wanted) in (0..).zip(view.data().as_chunks::<8>().0) {
            let wanted = f64::from_le_bytes(*wanted);
            assert!((schedule.factor(step) - wanted).abs() <= 1e-12, "{name}, step {step}");
        }
        seen += 1;
    }
    assert_eq!(seen, 6);
}

/// The tiny model, all of it learning, and a batch of two dialogues that show one frame.
fn tiny() -> (Learner, Batch) {
    let folder = fixtures().join("smolvlm_small_tile");
    let mut files = ModelFiles::from_folder(&folder).unwrap();
    let model = block_on(SmolVlm::load(&mut files, &Device::flex(), Some(Precision::F32))).unwrap();
    let shown = Expected::open(&folder.join("expected.safetensors"));
    let (pixels, shape) = shown.floats("pixel_values");
    let (height, width) = (shape[2], shape[3]);
    let pixels = pixels[..3 * height * width].to_vec();
    let image = model.config().image_token_id;
    let dialogue = |question: &[u32], answer: &[u32]| {
        let mut ids = vec![1, 7];
        ids.extend([image; 4]);
        ids.extend(question);
        let mut learn = vec![false; ids.len()];
        ids.extend(answer);
        learn.resize(ids.len(), true);
        (ids, learn, (0..4).map(|row| (row + 2, row)).collect())
    };
    let dialogues =
        vec![dialogue(&[20, 30, 40], &[50, 382]), dialogue(&[21, 31, 41, 51, 61], &[52, 53, 382])];
    let batch = Batch::new(dialogues, Frames::Pixels { pixels, frames: 1, height, width });
    let names = model.config().tensors().into_iter().map(|(name, _)| name).collect();
    let learner = Learner::new(model, names, AdamWConfig::default()).unwrap().with_clip(None);
    (learner, batch)
}

fn depth_task(learner: &Learner, block: usize) -> DepthTask {
    // Four tokens of 2 x 2 pixels; in the second map some are unknown.
    // Neighbours differ by far more than a step changes them: no absolute value is near its kink.
    let board = |i: usize| {
        let side = if (i / 4 + i % 4).is_multiple_of(2) { 1.5 } else { -1.5 };
        side + i as f32 * 0.04
    };
    let one: Vec<f32> = (0..16).map(board).collect();
    let two: Vec<f32> = (0..16).map(|i| if i % 5 == 0 { f32::NAN } else { -board(i) }).collect();
    let order = vec![Order { near: vec![0, 1, 4], far: vec![10, 11] }];
    // Rows of the second dialogue lie behind the longest dialogue: 12 tokens.
    let map = |first: usize, log_depth, order| DepthMap {
        rows: (first..first + 4).collect(),
        side: 2,
        log_depth,
        order,
    };
    DepthTask {
        block,
        head: learner.depth_head().unwrap().clone(),
        learn: DepthHead::names(),
        maps: vec![map(2, one, order), map(14, two, Vec::new())],
        pixels: 2,
        weight: 0.7,
        count: 2,
        ranking: 0.5,
        margin: 0.1,
    }
}

fn margin() -> Margin {
    let pair = |label, wrong, share| Contrast { label, wrong, share };
    // The first answer against two wrong ones, and the second one's later token against one.
    Margin {
        pairs: vec![pair(0, 60, 0.5), pair(0, 61, 0.5), pair(3, 54, 1.0)],
        answers: 2,
        margin: 1.0,
        weight: 0.9,
    }
}

/// Makes the objective for what the learner holds now, and hands it on.
type Given<'a> = dyn Fn(&Learner, &mut dyn FnMut(&Objective<'_>)) + 'a;

/// Compares gradients with central differences of the objective along the gradient itself, for each tensor alone.
///
/// A step changes the objective by about 1e-2. Tolerance: the objective is of the order of 1 to 10 and its f32 sums are good
/// to some 1e-7 of that, so a difference of 2e-2 is known to about 1e-4 of itself; the third derivative over steps of up to a
/// fiftieth of a tensor adds up to some 1e-3. 5e-3 holds both; a term, factor or path that is missing is off by far more.
fn differences(mut learner: Learner, batch: &Batch, names: &BTreeSet<String>, objective: &Given<'_>) {
    const TOLERANCE: f64 = 5e-3;
    fn value(learner: &Learner, batch: &Batch, objective: &Given<'_>) -> f64 {
        let mut sums = backprop::GradientSums::default();
        let options = backprop::PassOptions { recompute: true, loss_scale: 1.0 };
        let mut found = f64::NAN;
        objective(learner, &mut |objective| {
            let pass = backprop::pass(learner.model(), learner.learn(), batch, objective, options, &mut sums)
                .unwrap();
            found = f64::from(values(pass.objective)[0]);
        });
        found
    }
    let start = block_on(learner.weights()).unwrap();
    let mut gradients: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for recompute in [true, false] {
        let mut sums = backprop::GradientSums::default();
        let options = backprop::PassOptions { recompute, loss_scale: 4.0 };
        objective(&learner, &mut |objective| {
            backprop::pass(learner.model(), learner.learn(), batch, objective, options, &mut sums).unwrap();
        });
        let found: BTreeMap<String, Vec<f32>> =
            sums.iter().map(|(name, g)| (name.to_owned(), values(g.clone() / 4.0))).collect();
        if !gradients.is_empty() {
            assert_eq!(gradients.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
            // A bias of the keys shifts every score of a query alike: its gradient is zero but for rounding.
            for (name, gradient) in gradients.iter().filter(|(name, _)| !name.ends_with("k_proj.bias")) {
                assert!(relative_error(&found[name], gradient) <= CLOSE, "{name} with and without recompute");
            }
        }
        gradients = found;
    }
    for name in names {
        let gradient = gradients.get(name).unwrap_or_else(|| panic!("{name} has no gradient"));
        let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 1e-4, "{name}: a gradient of {norm} proves nothing");
        let size = start[name].values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let step = (0.01 / norm).min(0.02 * size.max(0.1));
        let mut at = |sign: f64| {
            let mut moved: TensorMap = start.clone();
            let tensor = moved.get_mut(name).unwrap();
            for (v, g) in tensor.values.iter_mut().zip(gradient) {
                *v = (f64::from(*v) + sign * step * f64::from(*g) / norm) as f32;
            }
            learner.set_weights(&moved).unwrap();
            value(&learner, batch, objective)
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
        let error = (slope - norm).abs() / norm;
        assert!(error <= TOLERANCE, "{name}: differences say {slope}, the gradient {norm} ({error:.1e})");
        learner.set_weights(&start).unwrap();
    }
}

fn some(learner: &Learner, more: &[&str]) -> BTreeSet<String> {
    let wanted = [
        "vision_model.embeddings.patch_embedding.weight",
        "vision_model.encoder.layers.0.mlp.fc1.weight",
        "vision_model.encoder.layers.1.self_attn.v_proj.weight",
        "connector.modality_projection.proj.weight",
        "text_model.embed_tokens.weight",
        "text_model.layers.0.self_attn.q_proj.weight",
        "text_model.layers.0.mlp.down_proj.weight",
    ];
    let chosen: BTreeSet<String> = learner
        .learn()
        .iter()
        .filter(|name| wanted.iter().chain(more).any(|end| name.ends_with(end)))
        .cloned()
        .collect();
    assert_eq!(chosen.len(), wanted.len() + more.len());
    chosen
}

#[test]
fn margin_gradients_are_differences_of_the_objective() {
    let (learner, batch) = tiny();
    let names = some(&learner, &["text_model.layers.1.mlp.up_proj.weight", "lm_head.weight"]);
    let margin = margin();
    let labels = batch.targets.len();
    differences(learner, &batch, &names, &|_, go| {
        go(&Objective { margin: Some(&margin), ..Objective::cross_entropy(labels) });
    });
}

#[test]
fn a_margin_is_what_the_log_probabilities_say() {
    let (learner, batch) = tiny();
    let labels = batch.targets.len();
    let logits = backprop::label_logits(learner.model(), &batch).unwrap();
    let log_p = values(burn::tensor::activation::log_softmax(logits, 1));
    let vocab = log_p.len() / labels;
    let margin = margin();
    let wanted: f64 = margin
        .pairs
        .iter()
        .map(|pair| {
            let row = &log_p[pair.label * vocab..(pair.label + 1) * vocab];
            let right = row[batch.targets[pair.label].token as usize];
            let short = 1.0 - f64::from(right - row[pair.wrong as usize]);
            pair.share * short.exp().ln_1p() * 0.9 / 2.0
        })
        .sum();
    let value = |margin: Option<&Margin>| {
        let objective = Objective { margin, ..Objective::cross_entropy(labels) };
        let options = backprop::PassOptions { recompute: true, loss_scale: 1.0 };
        let mut sums = backprop::GradientSums::default();
        let pass =
            backprop::pass(learner.model(), learner.learn(), &batch, &objective, options, &mut sums).unwrap();
        f64::from(values(pass.objective)[0])
    };
    let found = value(Some(&margin)) - value(None);
    assert!((found - wanted).abs() <= 1e-5 * 10.0, "{found} {wanted}");
}

#[test]
fn depth_gradients_are_differences_of_the_objective() {
    for block in [0, 1] {
        let (mut learner, batch) = tiny();
        learner.set_depth_head(Some(depth_head(32, 2, 3, &Device::flex())));
        let more: &[&str] = if block == 1 { &["text_model.layers.1.self_attn.o_proj.weight"] } else { &[] };
        let mut names = some(&learner, more);
        names.extend(DepthHead::names());
        differences(learner, &batch, &names, &|learner, go| {
            let task = depth_task(learner, block);
            // The cross entropy counts for nothing, so that what is tested is the depth loss alone.
            go(&Objective { depth: Some(&task), ..Objective::cross_entropy(1_000_000_000) });
        });
    }
}

#[test]
fn feature_gradients_are_differences_of_the_objective() {
    for theirs in [32, 20] {
        let (mut learner, batch) = tiny();
        let wave = |n: usize| -> Vec<f32> { (0..n).map(|i| (i as f32 * 0.7).sin()).collect() };
        let weight = (theirs != 32).then(|| tensor(&wave(theirs * 32), [theirs, 32]) * 0.2);
        let mapped = weight.is_some();
        learner.set_projection(Some(Projection { weight }));
        let teacher = tensor(&wave(4 * theirs), [4, theirs]);
        let mut names: BTreeSet<String> =
            some(&learner, &[]).into_iter().filter(|name| !name.contains("text_model")).collect();
        names.extend(Projection::names().into_iter().filter(|_| mapped));
        differences(learner, &batch, &names, &|learner, go| {
            let projection = learner.projection().unwrap().clone();
            let task = FeatureTask { teacher: teacher.clone(), projection, weight: 3.0, rows: 4 };
            go(&Objective { features: Some(&task), ..Objective::cross_entropy(1_000_000_000) });
        });
    }
}
