//! Proofs that go through the whole of the module.

mod corruption;
mod faults;
mod hostile;
mod kill;
mod log;
mod round_trip;

use super::fault::FaultFs;
use super::{BestMetric, Checkpoint, CheckpointStore, Fs, LossScale, RngState, TrainState};
use crate::host::{HostTensor, TensorMap};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::path::Path;

/// A checkpoint whose every value follows from its step.
fn checkpoint(step: u64) -> Checkpoint {
    let mut rng = ChaCha8Rng::seed_from_u64(step);
    let mut tensors = |prefixes: &[&str]| -> TensorMap {
        let mut map = TensorMap::new();
        for (key, shape) in
            [("layers.0.lora_A", vec![2, 3]), ("layers.0.lora_B", vec![3, 2]), ("scale", vec![])]
        {
            for prefix in prefixes {
                let count = shape.iter().product();
                let values = (0..count).map(|_| rng.random::<f32>() - 0.5).collect();
                map.insert(format!("{prefix}{key}"), HostTensor { shape: shape.clone(), values });
            }
        }
        map
    };
    let (weights, optimizer) = (tensors(&[""]), tensors(&["m.", "v."]));
    let state = TrainState {
        step,
        adam_steps: [("layers".to_owned(), step)].into(),
        epoch: step / 7,
        cursor: json!({ "epoch": step / 7, "index": step * 3, "permutation_seed": u64::MAX - step }),
        rng: RngState { seed: u64::MAX, counters: [("dropout".to_owned(), step << 40)].into() },
        loss_scale: Some(LossScale { scale: 65536.0, good_steps: step }),
        best: Some(BestMetric {
            name: "accuracy".into(),
            value: 0.1 + 0.2,
            step: step / 2,
            higher_is_better: true,
        }),
        evals_without_gain: 2,
        elapsed_seconds: rng.random::<f64>() * 1e4,
        samples_seen: step * 16,
        tokens_seen: step * 2048,
        config_hash: "config".to_owned(),
        model_sha256: "model".to_owned(),
        data_sha256: "data".to_owned(),
        extra: [("method".to_owned(), json!({ "rank": 8 }))].into(),
    };
    Checkpoint { step, weights, optimizer, state }
}

fn open<F: Fs>(fs: F) -> CheckpointStore<F> {
    CheckpointStore::new(fs, Path::new("/run")).unwrap()
}

/// Asserts that `found` is, bit for bit, what [`checkpoint`] makes of its step.
fn assert_whole(found: &Checkpoint) {
    let expected = checkpoint(found.step);
    let bits = |map: &TensorMap| -> Vec<(String, Vec<usize>, Vec<u32>)> {
        let all = map.iter();
        all.map(|(k, t)| (k.clone(), t.shape.clone(), t.values.iter().map(|v| v.to_bits()).collect()))
            .collect()
    };
    assert_eq!(bits(&found.weights), bits(&expected.weights));
    assert_eq!(bits(&found.optimizer), bits(&expected.optimizer));
    assert_eq!(found.state, expected.state);
}

fn latest(fs: &FaultFs) -> Option<u64> {
    let store = open(fs);
    let listed = store.list().unwrap();
    assert!(listed.iter().all(|listed| listed.manifest.is_ok()), "{listed:?}");
    let latest = store.latest_valid().unwrap();
    assert!(latest.skipped.is_empty(), "{:?}", latest.skipped);
    latest.checkpoint.map(|found| {
        assert_whole(&found);
        found.step
    })
}
