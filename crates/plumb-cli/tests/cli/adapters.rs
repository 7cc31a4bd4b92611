//! `adapters merge`, `inspect` and `convert`, on adapters that peft and adapters wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plumb_train::host::{FileDtype, HostTensor, TensorFile, TensorMap, read_tensors, write_tensors};
use plumb_train::method::modules;
use plumb_train::peft::{Adapter, AdapterConfig, LoraConfig, ResolvedAdapter};
use plumb_vlm::ModelConfig;
use serde_json::{Value, json};

use crate::setup::{copy_model, fixtures, model, run, stderr, stdout};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn tensors(path: &Path) -> TensorMap {
    read_tensors(text(path), &std::fs::read(path).unwrap()).unwrap().tensors
}

fn config(model: &Path) -> ModelConfig {
    ModelConfig::from_json(&std::fs::read(model.join("config.json")).unwrap()).unwrap()
}

fn peft(name: &str) -> PathBuf {
    fixtures().join("peft").join(name)
}

fn base_of(adapter: &Path) -> PathBuf {
    fixtures().join(json_of(&adapter.join("case.json"))["base"].as_str().unwrap())
}

/// Runs and expects exit code 1, one `error:` line with every word of `words`, and nothing at `out`.
fn refused(args: &[&str], out: &Path, words: &[&str]) {
    let output = run(args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    let sentence = text.lines().find(|l| l.starts_with("error: ")).unwrap_or_else(|| panic!("{text}"));
    for word in words {
        assert!(sentence.contains(word), "{args:?}: {word:?} is not in {sentence:?}");
    }
    assert!(!out.exists(), "{args:?}");
}

fn json_run(args: &[&str]) -> Value {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn merge(adapter: &Path, model: &Path, out: &Path) -> Value {
    let args = ["adapters", "merge", text(adapter), "--model", text(model), "--out", text(out), "--json"];
    json_run(&args)
}

/// The weights that `adapter` makes of `base`, in f64 and by the formulas, one product at a time.
fn by_hand(adapter: &Path, base: &Path) -> BTreeMap<String, Vec<f64>> {
    let config = config(base);
    let mut weights: BTreeMap<String, Vec<f64>> = tensors(&base.join(WEIGHTS))
        .into_iter()
        .map(|(name, tensor)| (name, tensor.values.into_iter().map(f64::from).collect()))
        .collect();
    let wide = |tensor: &HostTensor| tensor.values.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let mut replace = Vec::new();
    let adapter = Adapter::read_folder(adapter).unwrap();
    match adapter.check(&modules(&config), config.text.hidden, config.text.layers).unwrap() {
        ResolvedAdapter::Lora { modules, saved } => {
            for (path, lora) in modules {
                let weight = weights.get_mut(&format!("{path}.weight")).unwrap();
                let input = lora.a.shape[1];
                let (a, b) = (wide(&lora.a), wide(&lora.b));
                for (at, w) in weight.iter_mut().enumerate() {
                    let (row, column) = (at / input, at % input);
                    let product = (0..lora.rank).map(|r| b[row * lora.rank + r] * a[r * input + column]);
                    *w += lora.scale * product.sum::<f64>();
                }
                if let Some(magnitude) = lora.magnitude {
                    for (row, m) in weight.chunks_mut(input).zip(wide(&magnitude)) {
                        let length = row.iter().map(|w| w * w).sum::<f64>().sqrt();
                        row.iter_mut().for_each(|w| *w *= m / length);
                    }
                }
            }
            replace.extend(saved);
        }
        ResolvedAdapter::Ia3 { modules, saved } => {
            for (path, ia3) in modules {
                let vector = wide(&ia3.vector);
                let weight = weights.get_mut(&format!("{path}.weight")).unwrap();
                let input = if ia3.feedforward { vector.len() } else { weight.len() / vector.len() };
                for (at, w) in weight.iter_mut().enumerate() {
                    *w *= vector[if ia3.feedforward { at % input } else { at / input }];
                }
                if let (false, Some(bias)) = (ia3.feedforward, weights.get_mut(&format!("{path}.bias"))) {
                    bias.iter_mut().zip(&vector).for_each(|(b, v)| *b *= v);
                }
            }
            replace.extend(saved);
        }
        other => panic!("{other:?} cannot be merged"),
    }
    for (path, saved) in replace {
        weights.insert(format!("{path}.weight"), wide(&saved.weight));
        if let Some(bias) = saved.bias {
            weights.insert(format!("{path}.bias"), wide(&bias));
        }
    }
    weights
}

#[test]
fn every_adapter_that_can_be_merged_gives_the_weights_of_its_formula() {
    let root = tempfile::tempdir().unwrap();
    let mut merged = Vec::new();
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join("peft")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for adapter in folders {
        let name = adapter.file_name().unwrap().to_str().unwrap().to_owned();
        let (base, out) = (base_of(&adapter), root.path().join(&name));
        let words: &[&str] = match name.as_str() {
            "prompt_tuning" => &["PROMPT_TUNING", "cannot be merged", "keep it as an adapter"],
            "seq_bn" | "double_seq_bn" | "par_bn" => &[&name, "cannot be merged", "not linear"],
            "lora_bias" => &["bias", "lora_only", "not supported"],
            _ => &[],
        };
        if !words.is_empty() {
            let args = ["adapters", "merge", text(&adapter), "--model", text(&base), "--out", text(&out)];
            refused(&args, &out, words);
            continue;
        }
        let report = merge(&adapter, &base, &out);
        let (before, after) = (tensors(&base.join(WEIGHTS)), tensors(&out.join(WEIGHTS)));
        let wanted = by_hand(&adapter, &base);
        assert_eq!(after.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{name}");
        let mut changed = 0;
        for (key, tensor) in &after {
            for (found, wanted) in tensor.values.iter().zip(&wanted[key]) {
                let near = (f64::from(*found) - wanted).abs() <= 1e-6 * wanted.abs().max(1.0);
                assert!(near, "{name} {key}: {found} {wanted}");
            }
            changed += u64::from(before[key] != *tensor);
        }
        assert!(changed > 0, "{name}");
        assert_eq!(report["changed_tensors"], changed, "{name}");
        assert_eq!(report["untied"], false);
        assert_eq!(
            std::fs::read(out.join("config.json")).unwrap(),
            std::fs::read(base.join("config.json")).unwrap()
        );
        assert_eq!(json_of(&out.join("plumbline_run.json"))["adapter"]["format"], "peft");
        merged.push(name);
    }
    assert!(merged.len() >= 10, "{merged:?}");
}

/// A LoRA adapter of every text layer of `model`, with values that matter.
fn made_for(model: &Path, out: &Path) {
    let config = config(model);
    let lora = LoraConfig { r: 4, alpha: 8.0, ..LoraConfig::default() };
    let mut tensors = TensorMap::new();
    for (i, module) in lora.resolve(&modules(&config)).unwrap().modules.into_iter().enumerate() {
        let mut add = |role: &str, shape: Vec<usize>| {
            let n: usize = shape.iter().product();
            let values = (0..n).map(|at| ((at * 13 + i) as f32 * 0.61).sin() * 0.2).collect();
            tensors.insert(
                format!("base_model.model.{}.{role}.weight", module.path),
                HostTensor { shape, values },
            );
        };
        add("lora_A", vec![module.rank, module.input]);
        add("lora_B", vec![module.output, module.rank]);
    }
    let adapter = Adapter {
        config: AdapterConfig::Lora(lora),
        tensors,
        ignored: Vec::new(),
        metadata: BTreeMap::new(),
    };
    adapter.write_folder(out, FileDtype::F32, Some(&json!({ "seed": 7 }))).unwrap();
}

/// Cuts the weights of `model` into two files with an index.
fn shard(model: &Path) -> [String; 2] {
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut map = serde_json::Map::new();
    let whole = tensors(&model.join(WEIGHTS));
    for (part, file) in names.iter().enumerate() {
        let tensors: TensorMap =
            whole.clone().into_iter().enumerate().filter(|(i, _)| i % 2 == part).map(|(_, t)| t).collect();
        map.extend(tensors.keys().map(|key| (key.clone(), json!(file))));
        let content = TensorFile { tensors, metadata: BTreeMap::new() };
        std::fs::write(model.join(file), write_tensors(file, &content, FileDtype::F32).unwrap()).unwrap();
    }
    std::fs::remove_file(model.join(WEIGHTS)).unwrap();
    std::fs::write(model.join(INDEX), json!({ "weight_map": map }).to_string()).unwrap();
    names.map(str::to_owned)
}

#[test]
fn a_merged_model_runs_whole_or_in_shards_and_in_half_the_space() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    made_for(&model(), &at("adapter"));
    merge(&at("adapter"), &model(), &at("whole"));
    copy_model(&at("base"));
    let files = shard(&at("base"));
    let report = merge(&at("adapter"), &at("base"), &at("shards"));
    assert_eq!(report["shards"].as_array().unwrap().len(), 2);
    let whole = tensors(&at("whole").join(WEIGHTS));
    let mut found = TensorMap::new();
    for file in &files {
        found.extend(tensors(&at("shards").join(file)));
    }
    assert_eq!(found, whole);
    let index = json_of(&at("shards").join(INDEX));
    let bytes: usize = whole.values().map(|tensor| tensor.values.len() * 4).sum();
    assert_eq!(index["metadata"]["total_size"], json!(bytes));
    assert_eq!(index["weight_map"].as_object().unwrap().len(), whole.len());

    let (adapter, base, half) = (at("adapter"), at("base"), at("half"));
    let args = ["adapters", "merge", text(&adapter), "--model", text(&base), "--out", text(&half)];
    let args: Vec<&str> = args.into_iter().chain(["--dtype", "bf16"]).collect();
    let output = run(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.contains("parameters in BF16") && shown.contains("LORA: 14 modules merged"), "{shown}");
    assert_eq!(json_of(&half.join("config.json"))["torch_dtype"], "bfloat16");

    let answer = |model: &Path| {
        let question = ["--question", "Where is the chair?", "--options", "left|right|above|below"];
        let args = ["ask", "--model", text(model), "--device", "cpu", "--dtype", "f32", "--json"];
        json_run(&args.into_iter().chain(question).collect::<Vec<_>>())
    };
    let before = answer(&model());
    let (one, two) = (answer(&at("whole")), answer(&at("shards")));
    let scores = |answer: &Value| answer["options"].clone();
    assert_eq!(scores(&one), scores(&two));
    assert_ne!(scores(&one), scores(&before));
    answer(&half);
}

#[test]
fn merge_refuses_in_one_sentence_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let (adapter, out) = (at("adapter"), at("out"));
    made_for(&model(), &adapter);
    let check = |adapter: &Path, model: &str, words: &[&str]| {
        let args = ["adapters", "merge", text(adapter), "--model", model, "--out", text(&out)];
        refused(&args, &out, words);
    };
    let broken = |name: &str, spoil: &dyn Fn(&Path)| {
        copy_model(&at(name));
        spoil(&at(name));
        text(&at(name)).to_owned()
    };
    check(&at("nowhere"), text(&model()), &["nowhere"]);
    check(&adapter, text(&at("nowhere")), &["nowhere"]);
    check(&model(), text(&model()), &["adapter_config.json"]);
    // Made for another model.
    check(&peft("lora_regex"), text(&model()), &["lora_"]);
    let cut = broken("cut", &|folder| {
        let files = shard(folder);
        let path = folder.join(&files[1]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    });
    check(&adapter, &cut, &["model-00002-of-00002.safetensors", "damaged"]);
    let escape = broken("escape", &|folder| {
        let map = json!({ "weight_map": { "lm_head.weight": "../adapter/adapter_model.safetensors" } });
        std::fs::write(folder.join(INDEX), map.to_string()).unwrap();
    });
    check(&adapter, &escape, &["weight_map", "../adapter/adapter_model.safetensors", "same folder"]);
    let half = broken("half", &|folder| {
        let files = shard(folder);
        std::fs::remove_file(folder.join(&files[0])).unwrap();
    });
    check(&adapter, &half, &["weight_map", "model-00001-of-00002.safetensors"]);
    let nan = broken("nan", &|folder| {
        let path = folder.join(WEIGHTS);
        let mut bytes = std::fs::read(&path).unwrap();
        let n = bytes.len();
        bytes[n - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(path, bytes).unwrap();
    });
    check(&adapter, &nan, &["NaN", "damaged"]);
    let mut large = Adapter::read_folder(&adapter).unwrap();
    for tensor in large.tensors.values_mut() {
        tensor.values.fill(1e25);
    }
    large.write_folder(&at("large"), FileDtype::F32, None).unwrap();
    check(&at("large"), text(&model()), &["cannot merge into model.text_model.layers.0", "inf"]);
    std::fs::write(at("large").join("adapter_config.json"), "{").unwrap();
    check(&at("large"), text(&model()), &["adapter_config.json", "JSON"]);
    std::fs::create_dir(at("taken")).unwrap();
    let (taken, model) = (at("taken"), model());
    let output = run(&["adapters", "merge", text(&adapter), "--model", text(&model), "--out", text(&taken)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is there already"), "{}", stderr(&output));
    let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn inspect_counts_parts_ranks_and_norms() {
    let look = |name: &str, with_model: bool| {
        let (adapter, base) = (peft(name), base_of(&peft(name)));
        let mut args = vec!["adapters", "inspect", text(&adapter), "--json"];
        if with_model {
            args.extend(["--model", text(&base)]);
        }
        json_run(&args)
    };
    for entry in std::fs::read_dir(fixtures().join("peft")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "lora_bias" {
            continue;
        }
        let (alone, held) = (look(&name, false), look(&name, true));
        assert_eq!(held["fits"], true, "{name}");
        for key in ["modules", "parameters", "ranks", "saved", "method"] {
            assert_eq!(alone["adapter"][key], held["adapter"][key], "{name} {key}");
        }
        let tensors = tensors(&if name.ends_with("_bn") {
            peft(&name).join("adapter.safetensors")
        } else {
            peft(&name).join("adapter_model.safetensors")
        });
        let parameters: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
        assert_eq!(held["adapter"]["parameters"], json!(parameters), "{name}");
    }
    // The trap: q_proj and v_proj stand in the vision tower too.
    let list = look("lora_list", true);
    let counts = |part: &str| {
        let part = &list["adapter"]["parts"][part];
        (part["adapted"].as_u64().unwrap(), part["linear"].as_u64().unwrap())
    };
    assert_eq!((counts("vision"), counts("text")), ((4, 12), (4, 14)));
    assert_eq!((counts("connector"), counts("head")), ((0, 1), (0, 1)));
    let tensors = tensors(&peft("lora_regex").join("adapter_model.safetensors"));
    let regex = look("lora_regex", false);
    let first = &regex["adapter"]["modules"][0];
    let path = first["path"].as_str().unwrap();
    let get = |role: &str| &tensors[&format!("base_model.model.{path}.{role}.weight")];
    let (a, b) = (get("lora_A"), get("lora_B"));
    let (rank, input) = (a.shape[0], a.shape[1]);
    let mut square = 0.0;
    for o in 0..b.shape[0] {
        for i in 0..input {
            let sum: f64 = (0..rank)
                .map(|r| f64::from(b.values[o * rank + r]) * f64::from(a.values[r * input + i]))
                .sum();
            square += sum * sum;
        }
    }
    let wanted = first["scale"].as_f64().unwrap() * square.sqrt();
    assert!((first["norm"].as_f64().unwrap() - wanted).abs() < 1e-9 * wanted, "{first} {wanted}");
    assert_eq!(regex["largest"].as_array().unwrap().len(), 5);
}

#[test]
fn inspect_says_in_words_what_fits_and_what_not() {
    let root = tempfile::tempdir().unwrap();
    let adapter = root.path().join("adapter");
    made_for(&model(), &adapter);
    let output = run(&["adapters", "inspect", text(&adapter), "--model", text(&model())]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    for line in [
        "method       LORA, PEFT's layout",
        "rank 4       14 modules, alpha 8, scale 2",
        "record       seed 7",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(
        shown.contains("text         14 of 14 linear layers") && shown.contains("can be merged"),
        "{shown}"
    );
    assert!(shown.contains("metadata     format = pt") && shown.contains("tensors of F32"), "{shown}");

    let other = fixtures().join("idefics3_3x2");
    let output = run(&["adapters", "inspect", text(&adapter), "--model", text(&other)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("does not fit"), "{}", stdout(&output));
    let output = run(&["adapters", "inspect", text(&peft("seq_bn"))]);
    let shown = stdout(&output);
    assert!(
        shown.contains("method       seq_bn, AdapterHub's layout") && shown.contains("not linear"),
        "{shown}"
    );

    // Config and tensors that disagree are found without a model.
    let path = adapter.join("adapter_config.json");
    let mut config = json_of(&path);
    config["r"] = json!(3);
    std::fs::write(&path, config.to_string()).unwrap();
    let output = run(&["adapters", "inspect", text(&adapter)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("disagree") && stderr(&output).contains("expected [3, "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn converting_there_and_back_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let convert = |from: &Path, to: &Path, more: &[&str]| {
        let args: Vec<&str> = ["adapters", "convert", text(from), "--out", text(to), "--json"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        json_run(&args)
    };
    let (source, base) = (peft("lora_regex"), base_of(&peft("lora_regex")));
    let report = convert(&source, &at("mlx"), &["--to", "mlx", "--model", text(&base)]);
    assert_eq!((&report["from"], &report["to"]), (&json!("peft"), &json!("mlx")));
    let config = json_of(&at("mlx").join("adapter_config.json"));
    assert_eq!(config["fine_tune_type"], "lora");
    let back = convert(&at("mlx"), &at("back"), &["--to", "peft"]);
    assert_eq!(back["from"], "mlx");
    let (first, last) = (Adapter::read_folder(&source).unwrap(), Adapter::read_folder(&at("back")).unwrap());
    assert_eq!(first.tensors, last.tensors);
    let merged = |adapter: &Path, out: &str| {
        merge(adapter, &base, &at(out));
        tensors(&at(out).join(WEIGHTS))
    };
    assert_eq!(merged(&source, "a"), merged(&at("back"), "b"));
    assert_eq!(merged(&source, "c"), merged(&at("mlx"), "d"));

    let report = convert(&source, &at("bf16"), &["--dtype", "bf16"]);
    assert_eq!(report["types"], json!({ "BF16": first.tensors.len() }));
    // Without a type, the one it has.
    assert_eq!(convert(&at("bf16"), &at("same"), &[])["sha256"], report["sha256"]);
    convert(&at("bf16"), &at("f32"), &["--dtype", "f32"]);
    let (narrow, wide) =
        (Adapter::read_folder(&at("bf16")).unwrap(), Adapter::read_folder(&at("f32")).unwrap());
    assert_eq!(narrow.tensors, wide.tensors);
    for (key, tensor) in &first.tensors {
        for (value, stored) in tensor.values.iter().zip(&narrow.tensors[key].values) {
            assert!((value - stored).abs() <= value.abs() / 256.0, "{key}");
        }
    }
    let run = json_of(&at("f32").join("plumbline_run.json"));
    assert_eq!((&run["kind"], &run["source"]["from"]), (&json!("converted adapter"), &json!("peft")));
    for name in ["ia3", "prompt_tuning", "lora_dora"] {
        convert(&peft(name), &at(name), &["--dtype", "f32"]);
        let (first, last) =
            (Adapter::read_folder(&peft(name)).unwrap(), Adapter::read_folder(&at(name)).unwrap());
        assert_eq!((first.tensors, first.config), (last.tensors, last.config), "{name}");
    }
}

#[test]
fn convert_refuses_what_the_other_side_cannot_hold() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let check = |name: &str, more: &[&str], words: &[&str]| {
        let adapter = peft(name);
        let args: Vec<&str> = ["adapters", "convert", text(&adapter), "--out", text(&out)]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        refused(&args, &out, words);
    };
    for name in ["seq_bn", "double_seq_bn", "par_bn"] {
        check(name, &["--to", "peft"], &[name, "AdapterHub", "left as it is"]);
        check(name, &["--dtype", "bf16"], &[name, "AdapterHub", "left as it is"]);
    }
    check("lora_regex", &["--to", "adapterhub"], &["LORA", "bottleneck adapters only"]);
    check("lora_regex", &["--to", "mlx"], &["the base model must be known"]);
    let base = base_of(&peft("lora_dora"));
    let mlx = |name: &str, words: &[&str]| {
        let base = base_of(&peft(name));
        check(name, &["--to", "mlx", "--model", text(&base)], words);
    };
    mlx("lora_dora", &["mlx", "DoRA"]);
    mlx("lora_text_vision", &["mlx", "no part of the text layers"]);
    mlx("lora_patterns", &["mlx", "one rank and scale"]);
    mlx("lora_modules_to_save", &["mlx", "modules_to_save"]);
    mlx("ia3", &["mlx", "has only LoRA"]);
    mlx("prompt_tuning", &["mlx", "has only LoRA"]);
    std::fs::create_dir(&out).unwrap();
    let output =
        run(&["adapters", "convert", text(&peft("ia3")), "--out", text(&out), "--model", text(&base)]);
    assert!(stderr(&output).contains("is there already"), "{}", stderr(&output));
}
