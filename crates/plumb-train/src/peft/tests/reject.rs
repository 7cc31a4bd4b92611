//! Everything that is refused, with the message a person reads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Adapter, AdapterConfig, BottleneckConfig, BottleneckVariant, CONFIG_FILE, PEFT_TENSORS};
use crate::host::{FileDtype, HostTensor};

fn config_error(config: &Value) -> String {
    match AdapterConfig::read(CONFIG_FILE, config.to_string().as_bytes()) {
        Ok(_) => panic!("accepted {config}"),
        Err(error) => error.to_string(),
    }
}

fn lora(field: &str, value: Value) -> Value {
    let mut config = json!({ "peft_type": "LORA", "target_modules": ["q_proj"] });
    config[field] = value;
    config
}

fn hub(field: &str, value: Value) -> Value {
    let config = BottleneckConfig::new(BottleneckVariant::Sequential, 8, "spatial");
    let mut config: Value = serde_json::from_str(&AdapterConfig::Bottleneck(config).to_text()).unwrap();
    config["config"][field] = value;
    config
}

#[test]
fn configs_are_refused_with_field_expected_and_found() {
    let table = [
        (json!([1]), "field (the whole file): expected an object, found [1]"),
        (json!({}), "field peft_type: expected LORA, PROMPT_TUNING or IA3, found nothing"),
        (json!({ "peft_type": "ADALORA" }), "peft_type = \"ADALORA\" is not supported"),
        (json!({ "peft_type": 3 }), "field peft_type: expected a string, found 3"),
        (
            json!({ "peft_type": "LORA" }),
            "field target_modules: expected a string or a list of strings, found nothing",
        ),
        (lora("target_modules", json!([1])), "field target_modules: expected a list of strings, found [1]"),
        (lora("r", json!(0)), "field r: expected a whole number of at least 1, found 0"),
        (lora("r", json!(2.5)), "field r: expected a whole number of at least 1, found 2.5"),
        (lora("lora_alpha", json!("x")), "field lora_alpha: expected a finite number, found \"x\""),
        (
            lora("lora_dropout", json!(1.0)),
            "field lora_dropout: expected a number from 0 up to but not 1, found 1.0",
        ),
        (lora("rank_pattern", json!({ "a": 0 })), "field rank_pattern[\"a\"]: expected a whole number"),
        (lora("alpha_pattern", json!([1])), "field alpha_pattern: expected an object of numbers, found [1]"),
        (lora("use_dora", json!(1)), "field use_dora: expected true or false, found 1"),
        (lora("bias", json!("all")), "bias = \"all\" is not supported"),
        (lora("bias", json!("lora_only")), "bias = \"lora_only\" is not supported"),
        (lora("init_lora_weights", json!("pissa")), "it changes the base weights"),
        (lora("init_lora_weights", json!("pissa_niter_4")), "it changes the base weights"),
        (lora("init_lora_weights", json!("olora")), "it changes the base weights"),
        (lora("init_lora_weights", json!("loftq")), "it changes the base weights"),
        (lora("init_lora_weights", json!("corda")), "it changes the base weights"),
        (lora("init_lora_weights", json!("lora_ga")), "it changes the base weights"),
        (lora("init_lora_weights", json!("magic")), "expected true, false or \"gaussian\""),
        (lora("layers_pattern", json!("layers")), "layers_to_transform must be given too"),
        (
            lora("layers_to_transform", json!("1")),
            "field layers_to_transform: expected a whole number or a list of them",
        ),
        (
            json!({ "peft_type": "LORA", "target_modules": "a", "layers_to_transform": 1 }),
            "needs target_modules as a list",
        ),
        (
            json!({ "peft_type": "LORA", "target_modules": "a", "layers_pattern": "h" }),
            "needs target_modules as a list",
        ),
        (
            json!({ "peft_type": "PROMPT_TUNING" }),
            "field num_virtual_tokens: expected a whole number of at least 1",
        ),
        (
            json!({ "peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2, "num_transformer_submodules": 2 }),
            "expected 1",
        ),
        (
            json!({ "peft_type": "IA3", "target_modules": ["a"], "feedforward_modules": ["b"] }),
            "a subset of target_modules",
        ),
    ];
    for (config, part) in table {
        let error = config_error(&config);
        assert!(error.starts_with("adapter_config.json: ") && error.contains(part), "{config}: {error}");
    }
    for (field, on) in [
        ("use_qalora", json!(true)),
        ("layer_replication", json!([[0, 4]])),
        ("megatron_config", json!({ "a": 1 })),
        ("arrow_config", json!({ "top_k": 3 })),
        ("alora_invocation_tokens", json!([1])),
        ("kasa_config", json!({ "beta": 1 })),
        ("monteclora_config", json!({ "a": 1 })),
        ("velora_config", json!({ "a": 1 })),
        ("use_bdlora", json!({ "nblocks": 2 })),
        ("lora_bias", json!(true)),
        ("loftq_config", json!({ "loftq_bits": 4 })),
        ("corda_config", json!({ "a": 1 })),
        ("lora_ga_config", json!({ "a": 1 })),
        ("target_parameters", json!(["w"])),
        ("trainable_token_indices", json!([1])),
    ] {
        let error = config_error(&lora(field, on));
        assert!(error.contains(&format!("{field} = ")) && error.contains("is not supported"), "{error}");
        for off in [Value::Null, json!(false), json!({})] {
            let text = lora(field, off).to_string();
            assert_eq!(AdapterConfig::read(CONFIG_FILE, text.as_bytes()).unwrap().1, Vec::<String>::new());
        }
    }
    let (_, ignored) =
        AdapterConfig::read(CONFIG_FILE, lora("brand_new", json!(1)).to_string().as_bytes()).unwrap();
    assert_eq!(ignored, ["brand_new"]);
    let error = AdapterConfig::read(CONFIG_FILE, b"{\"r\": NaN}").unwrap_err().to_string();
    assert!(error.starts_with("adapter_config.json is not valid JSON"), "{error}");
}

#[test]
fn other_bottlenecks_are_refused() {
    for (field, value) in [
        ("output_adapter", json!(false)),
        ("original_ln_after", json!(false)),
        ("original_ln_before", json!(false)),
        ("mh_adapter", json!(true)),
        ("residual_before_ln", json!("post_add")),
        ("residual_before_ln", json!(false)),
        ("adapter_residual_before_ln", json!(true)),
        ("ln_before", json!(true)),
        ("ln_after", json!(true)),
        ("use_gating", json!(true)),
        ("inv_adapter", json!("nice")),
        ("cross_adapter", json!(true)),
        ("phm_layer", json!(true)),
        ("stochastic_depth", json!(0.1)),
        ("scaling", json!("learned")),
        ("non_linearity", json!("tanh")),
        ("non_linearity", json!("gelu_new")),
        ("init_weights", json!("random")),
        ("reduction_factor", json!(0)),
        ("reduction_factor", json!({ "default": -1 })),
        ("reduction_factor", json!({ "first": 2 })),
        ("leave_out", json!([-1])),
    ] {
        let error = config_error(&hub(field, value.clone()));
        // A flipped switch can make another one the wrong one: seq_bn with mh_adapter is double_seq_bn with a norm.
        let named = error.contains(&format!("config.{field}")) || field == "mh_adapter";
        assert!(named && error.contains("expected") && error.contains("found"), "{field} {value}: {error}");
    }
    let error = config_error(&hub("architecture", json!("lora")));
    assert!(error.contains("config.architecture = \"lora\" is not supported"), "{error}");
    let mut named = hub("dropout", json!(0.0));
    named["model_type"] = json!("bert");
    assert!(config_error(&named).contains("model_type = \"bert\""));
}

fn adapter(config: &Value, tensors: &[(&str, &[usize])]) -> Adapter {
    let (config, ignored) = AdapterConfig::read(CONFIG_FILE, config.to_string().as_bytes()).unwrap();
    let tensors = tensors
        .iter()
        .map(|(key, shape)| ((*key).to_owned(), HostTensor::zeros(shape.to_vec()).unwrap()))
        .collect();
    Adapter { config, tensors, ignored, metadata: BTreeMap::new() }
}

const Q: &str = "base_model.model.model.text_model.layers.0.self_attn.q_proj.";

#[test]
fn tensors_must_be_exactly_those_of_the_config() {
    let modules = super::small_model(1);
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ".*text_model.*q_proj" });
    let (a, b) = (format!("{Q}lora_A.weight"), format!("{Q}lora_B.weight"));
    let error = |tensors: &[(&str, &[usize])]| {
        adapter(&config, tensors).check(&modules, 8, 1).unwrap_err().to_string()
    };
    assert!(adapter(&config, &[(&a, &[2, 8]), (&b, &[8, 2])]).check(&modules, 8, 1).is_ok());
    assert_eq!(
        error(&[(&a, &[2, 8])]),
        format!("{PEFT_TENSORS} lacks 1 tensors that its config asks for, the first: {b}")
    );
    let extra = error(&[(&a, &[2, 8]), (&b, &[8, 2]), ("stray", &[1])]);
    assert_eq!(
        extra,
        format!("{PEFT_TENSORS} holds 1 tensors that its config does not ask for, the first: stray")
    );
    let shape = error(&[(&a, &[8, 2]), (&b, &[8, 2])]);
    assert_eq!(shape, format!("tensor {a} in {PEFT_TENSORS} has shape [8, 2]; expected [2, 8]"));
    let mut wild = adapter(&config, &[(&a, &[2, 8]), (&b, &[8, 2])]);
    wild.tensors.get_mut(&a).unwrap().values[3] = f32::NAN;
    assert!(wild.check(&modules, 8, 1).unwrap_err().to_string().contains("holds NaN at element 3"));
    wild.tensors.get_mut(&a).unwrap().values.clear();
    assert!(wild.check(&modules, 8, 1).unwrap_err().to_string().contains("expected 16 values, found 0"));
    // A rank beyond all memory is a wrong shape, not an allocation.
    let huge = json!({ "peft_type": "LORA", "r": u64::MAX >> 1, "target_modules": ".*text_model.*q_proj" });
    assert!(adapter(&huge, &[(&a, &[2, 8]), (&b, &[8, 2])]).check(&modules, 8, 1).is_err());
}

#[test]
fn targets_that_fit_nothing_or_the_wrong_thing() {
    let modules = super::small_model(1);
    let error = |config: Value| adapter(&config, &[]).check(&modules, 8, 1).unwrap_err().to_string();
    let none = error(json!({ "peft_type": "LORA", "target_modules": ["query"] }));
    assert!(none.contains("target_modules = [\"query\"] matches no module"), "{none}");
    assert!(none.contains("model.text_model.embed_tokens") && none.contains("more"), "{none}");
    let norm = error(json!({ "peft_type": "LORA", "target_modules": ["input_layernorm"] }));
    assert!(norm.contains("input_layernorm, which is a norm; expected linear layers only"), "{norm}");
    let embedding = error(json!({ "peft_type": "IA3", "target_modules": ["embed_tokens"] }));
    assert!(embedding.contains("which is an embedding"), "{embedding}");
    let group =
        error(json!({ "peft_type": "LORA", "target_modules": r"model\.text_model\.layers\.0\.mlp.*" }));
    assert!(group.contains("a group of modules"), "{group}");
    let save =
        error(json!({ "peft_type": "LORA", "target_modules": ["q_proj"], "modules_to_save": ["head2"] }));
    assert!(save.contains("modules_to_save = \"head2\" matches no module"), "{save}");
    let both =
        error(json!({ "peft_type": "LORA", "target_modules": ["q_proj"], "modules_to_save": ["_proj"] }));
    assert!(both.contains("lies in modules_to_save"), "{both}");
    let bad = error(json!({ "peft_type": "LORA", "target_modules": "(" }));
    assert!(bad.contains("target_modules: pattern \"(\""), "{bad}");
    let slow = r"(?=((a|b|[a-z._0-9])+)+!)(\w+)\2";
    assert!(
        error(json!({ "peft_type": "LORA", "target_modules": slow }))
            .contains("could not be matched against")
    );
    let width = json!({ "peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2, "token_dim": 9 });
    assert!(error(width).contains("field token_dim: expected 8, as in the model, found 9"));
    assert!(
        error(hub("leave_out", json!([4]))).contains("config.leave_out: expected layers below 1, found 4")
    );
    let partial = error(hub("reduction_factor", json!({ "3": 2 })));
    assert!(partial.contains("config.reduction_factor: expected a factor above 0 for layer 0"), "{partial}");
}

#[test]
fn an_adapter_name_inside_keys_is_accepted_but_not_written() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ".*text_model.*q_proj", "use_dora": true,
        "modules_to_save": ["lm_head"] });
    let shapes: [(&str, &str, &[usize]); 4] = [
        ("lora_A.default.weight", "lora_A.weight", &[2, 8]),
        ("lora_B.default.weight", "lora_B.weight", &[8, 2]),
        ("lora_magnitude_vector.default.weight", "lora_magnitude_vector", &[8]),
        ("", "", &[20, 8]),
    ];
    let key = |role: &str, saved: &str| if role.is_empty() { saved.to_owned() } else { format!("{Q}{role}") };
    let long: Vec<String> =
        shapes.iter().map(|s| key(s.0, "base_model.model.lm_head.modules_to_save.default.weight")).collect();
    let tensors: Vec<(&str, &[usize])> = long.iter().zip(shapes).map(|(k, s)| (k.as_str(), s.2)).collect();
    let files = adapter(&config, &tensors).to_files(FileDtype::F32).unwrap();
    let read = Adapter::read(&files).unwrap();
    let mut plain: Vec<String> = shapes.iter().map(|s| key(s.1, "base_model.model.lm_head.weight")).collect();
    plain.sort();
    assert_eq!(read.tensors.keys().cloned().collect::<Vec<_>>(), plain);
    read.check(&super::small_model(1), 8, 1).unwrap();
    let twice = [(long[0].as_str(), shapes[0].2), (plain[1].as_str(), shapes[0].2)];
    let files = adapter(&config, &twice).to_files(FileDtype::F32).unwrap();
    assert!(Adapter::read(&files).unwrap_err().to_string().contains("twice"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_.*\\[(\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z0-9]{1,4}|default", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_bytes_are_an_adapter_or_an_error(config in proptest::collection::vec(any::<u8>(), 0..64), data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let files = [(CONFIG_FILE.to_owned(), config), (PEFT_TENSORS.to_owned(), data)].into();
        let _ = Adapter::read(&files);
    }

    #[test]
    fn any_field_value_is_an_adapter_or_an_error(
        kind in prop_oneof![Just("LORA"), Just("IA3"), Just("PROMPT_TUNING"), Just("")],
        field in prop_oneof![
            Just("target_modules"), Just("exclude_modules"), Just("modules_to_save"), Just("layers_to_transform"),
            Just("layers_pattern"), Just("rank_pattern"), Just("alpha_pattern"), Just("r"), Just("lora_alpha"),
            Just("init_lora_weights"), Just("feedforward_modules"), Just("num_virtual_tokens"), Just("token_dim"),
            Just("reduction_factor"), Just("scaling"), Just("leave_out"), Just("name"), Just("hidden_size"),
        ],
        value in any_json(),
    ) {
        let mut config = if kind.is_empty() { hub("dropout", json!(0)) } else { json!({ "peft_type": kind, "target_modules": ["q_proj"], "num_virtual_tokens": 1 }) };
        config[field] = value.clone();
        if kind.is_empty() {
            config["config"][field] = value;
        }
        if let Ok((config, ignored)) = AdapterConfig::read(CONFIG_FILE, config.to_string().as_bytes()) {
            let adapter = Adapter { config, tensors: BTreeMap::new(), ignored, metadata: BTreeMap::new() };
            prop_assert!(adapter.check(&super::small_model(1), 8, 1).is_err());
            let text = adapter.config.to_text();
            prop_assert_eq!(AdapterConfig::read(CONFIG_FILE, text.as_bytes()).unwrap().0.to_text(), text);
        }
    }
}
