//! What is saved comes back bit for bit.

use super::super::fault::FaultFs;
use super::super::{BestMetric, Checkpoint, LossScale, RngState, TrainState};
use super::open;
use crate::host::{HostTensor, TensorMap};
use proptest::prelude::*;
use serde_json::{Value, json};

fn bits() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        // Subnormals of both signs; zeros; infinities and NaNs with payload.
        (0_u32..1 << 23, any::<bool>()).prop_map(|(low, sign)| low | u32::from(sign) << 31),
        prop::sample::select(vec![
            0,
            1 << 31,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0001,
            0xffff_ffff,
            1,
            0x7f7f_ffff
        ]),
    ]
}

fn tensors() -> impl Strategy<Value = TensorMap> {
    let tensor = prop::collection::vec(0_usize..4, 0..4).prop_flat_map(|shape| {
        let count = shape.iter().product::<usize>();
        prop::collection::vec(bits(), count).prop_map(move |values| HostTensor {
            shape: shape.clone(),
            values: values.into_iter().map(f32::from_bits).collect(),
        })
    });
    prop::collection::btree_map("[a-z0-9._\"\\\\é\u{2028} ]{0,12}", tensor, 0..5)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::from),
        bits()
            .prop_map(f32::from_bits)
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|v| json!(v)),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,5}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn state()(
        (step, epoch, samples_seen, tokens_seen, seed) in any::<(u64, u64, u64, u64, u64)>(),
        counters in prop::collection::btree_map("[a-z]{0,5}", any::<u64>(), 0..3),
        adam_steps in prop::collection::btree_map("[a-z.]{0,5}", any::<u64>(), 0..3),
        cursor in json_value(),
        extra in prop::collection::btree_map("\\PC{0,5}", json_value(), 0..3),
        loss_scale in prop::option::of((bits(), any::<u64>())),
        best in prop::option::of(("\\PC{0,5}", any::<u64>(), any::<u64>(), any::<bool>())),
        elapsed in any::<u64>(),
        hashes in ("\\PC{0,8}", "[0-9a-f]{64}", "[0-9a-f]{64}"),
    ) -> TrainState {
        TrainState {
            step, adam_steps, epoch, cursor, samples_seen, tokens_seen, extra,
            rng: RngState { seed, counters },
            loss_scale: loss_scale.map(|(scale, good_steps)| LossScale { scale: f32::from_bits(scale), good_steps }),
            best: best.map(|(name, value, step, higher_is_better)| {
                BestMetric { name, value: f64::from_bits(value), step, higher_is_better }
            }),
            evals_without_gain: seed,
            elapsed_seconds: f64::from_bits(elapsed),
            config_hash: hashes.0, model_sha256: hashes.1, data_sha256: hashes.2,
        }
    }
}

fn tensor_bits(map: &TensorMap) -> Vec<(&str, &[usize], Vec<u32>)> {
    map.iter().map(|(k, t)| (&**k, &*t.shape, t.values.iter().map(|v| v.to_bits()).collect())).collect()
}

/// `==` holds for 0.0 and -0.0 and fails for NaN; the bits of the floats do neither.
fn float_bits(state: &TrainState) -> (Option<u32>, Option<u64>, u64) {
    let scale = state.loss_scale.as_ref().map(|scale| scale.scale.to_bits());
    (scale, state.best.as_ref().map(|best| best.value.to_bits()), state.elapsed_seconds.to_bits())
}

fn without_floats(mut state: TrainState) -> TrainState {
    state.loss_scale.iter_mut().for_each(|scale| scale.scale = 0.0);
    state.best.iter_mut().for_each(|best| best.value = 0.0);
    state.elapsed_seconds = 0.0;
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn bit_for_bit(weights in tensors(), optimizer in tensors(), state in state()) {
        let fs = FaultFs::default();
        let saved = Checkpoint { step: state.step, weights, optimizer, state };
        open(&fs).save(&saved).unwrap();
        let found = open(&fs).latest_valid().unwrap();
        prop_assert!(found.skipped.is_empty(), "{:?}", found.skipped);
        let found = found.checkpoint.unwrap();
        prop_assert_eq!(found.step, saved.step);
        prop_assert_eq!(tensor_bits(&found.weights), tensor_bits(&saved.weights));
        prop_assert_eq!(tensor_bits(&found.optimizer), tensor_bits(&saved.optimizer));
        prop_assert_eq!(float_bits(&found.state), float_bits(&saved.state));
        // As text, because the floats inside the JSON values must keep their sign of zero too.
        let (a, b) = (serde_json::to_string(&found.state).unwrap(), serde_json::to_string(&saved.state).unwrap());
        prop_assert_eq!(a, b);
        prop_assert_eq!(without_floats(found.state), without_floats(saved.state));
    }
}

#[test]
fn our_files_are_safetensors_to_everybody() {
    use super::super::Fs as _;
    let fs = FaultFs::default();
    let saved = super::checkpoint(3);
    let folder = open(&fs).save(&saved).unwrap().folder;
    let bytes = fs.read(&folder.join("weights.safetensors"), u64::MAX).unwrap();
    let file = crate::host::read_tensors("weights.safetensors", &bytes).unwrap();
    assert_eq!(file.tensors, saved.weights);
}
