//! Broken checkpoints, images and benchmarks: one sentence each, no panic.

use std::path::Path;

use serde_json::{Value, json};

use crate::setup::{benchmark, copy_model, model, png, run, stderr};

/// Runs and expects exit code 1 and one `error:` line that holds every word of `words`.
fn refused(what: &str, args: &[&str], words: &[&str]) {
    let output = run(args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{what}: {text}");
    assert!(!text.contains("panicked"), "{what}: {text}");
    let sentence =
        text.lines().find(|l| l.starts_with("error: ")).unwrap_or_else(|| panic!("{what}: {text}"));
    for word in words {
        assert!(sentence.contains(word), "{what}: {word:?} is not in {sentence:?}");
    }
}

fn ask(folder: &Path) -> Vec<String> {
    ["ask", "--model", folder.to_str().unwrap(), "--device", "cpu", "--dtype", "f16", "--question", "Where?"]
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn json_file(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(name);
    let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// Rewrites the safetensors file with its header changed.
fn header(folder: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut value: serde_json::Map<String, Value> = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
    change(&mut value);
    let text = serde_json::to_vec(&value).unwrap();
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(text);
    out.extend(&bytes[8 + n..]);
    std::fs::write(path, out).unwrap();
}

/// Overwrites the first value of a tensor.
fn first_value(folder: &Path, tensor: &str, value: f32) {
    let path = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let table: Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
    let at = 8 + n + table[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

const HEAD: &str = "lm_head.weight";

type Break = (&'static str, Box<dyn Fn(&Path)>, &'static [&'static str]);

fn checkpoints() -> Vec<Break> {
    fn case(name: &'static str, words: &'static [&'static str], f: impl Fn(&Path) + 'static) -> Break {
        (name, Box::new(f), words)
    }
    let write = |name: &'static str, bytes: &'static [u8]| {
        move |f: &Path| std::fs::write(f.join(name), bytes).unwrap()
    };
    let remove = |name: &'static str| move |f: &Path| std::fs::remove_file(f.join(name)).unwrap();
    vec![
        case("no config", &["no config.json"], remove("config.json")),
        case("no tokenizer", &["tokenizer.json", "missing"], remove("tokenizer.json")),
        case("no weights", &["model.safetensors", "missing"], remove("model.safetensors")),
        case("empty config", &["config.json"], write("config.json", b"")),
        case("config is a list", &["config.json"], write("config.json", b"[1]")),
        case("another architecture", &["model_type", "llava"], |f| {
            json_file(f, "config.json", |c| c["model_type"] = json!("llava"));
        }),
        case("absurd size", &["hidden_size", "100000000000"], |f| {
            json_file(f, "config.json", |c| {
                c["text_config"]["hidden_size"] = json!(100_000_000_000u64);
            });
        }),
        case("a size in words", &["intermediate_size", "tensor"], |f| {
            json_file(f, "config.json", |c| {
                c["text_config"]["intermediate_size"] = json!(-3);
            });
            json_file(f, "config.json", |c| {
                c["text_config"]["intermediate_size"] = json!("tensor");
            });
        }),
        case("misshaped", &["has shape", "asks for"], |f| {
            json_file(f, "config.json", |c| {
                let n = c["text_config"]["intermediate_size"].as_u64().unwrap();
                c["text_config"]["intermediate_size"] = json!(n + 8);
            });
        }),
        case("missing tensor", &[HEAD, "missing", "expected shape"], |f| {
            header(f, |h| {
                let t = h.remove(HEAD).unwrap();
                h.insert("lm_head.renamed".into(), t);
            });
        }),
        case("extra tensor", &["belong to no part", "model.extra"], |f| {
            header(f, |h| {
                h.insert("model.extra".into(), json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}));
            });
        }),
        case("integer weights", &[HEAD, "I32", "expected F32"], |f| {
            header(f, |h| h[HEAD]["dtype"] = json!("I32"));
        }),
        case("NaN", &[HEAD, "NaN", "element 0"], |f| {
            first_value(f, HEAD, f32::NAN);
        }),
        case("infinity", &[HEAD, "inf", "damaged"], |f| {
            first_value(f, HEAD, f32::INFINITY);
        }),
        case("beyond half precision", &[HEAD, "--dtype f32"], |f| {
            first_value(f, HEAD, 1e20);
        }),
        case("cut short", &["cut short", "download it again"], |f| {
            let path = f.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
        }),
        case("cut in its header", &["header"], |f| {
            let path = f.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..100]).unwrap();
        }),
        case("not safetensors", &["header"], write("model.safetensors", &[0xff; 4096])),
        case("empty weights", &["0 bytes"], write("model.safetensors", b"")),
        case("another tokenizer", &["image_token_id"], |f| {
            json_file(f, "config.json", |c| c["image_token_id"] = json!(7));
        }),
        case("broken tokenizer", &["tokenizer.json"], write("tokenizer.json", b"{\"model\": 1}")),
        case("image tokens that do not fit", &["image_seq_len", "999"], |f| {
            json_file(f, "processor_config.json", |c| c["image_seq_len"] = json!(999));
        }),
        case("unknown filter", &["resample"], |f| {
            json_file(f, "preprocessor_config.json", |c| c["resample"] = json!(99));
        }),
        case("endless template", &["chat template"], |f| {
            std::fs::write(
                f.join("chat_template.jinja"),
                "{% for a in range(99999) %}{% for b in range(99999) %}.{% endfor %}{% endfor %}",
            )
            .unwrap();
        }),
        case("index to elsewhere", &["weight_map", "../secret"], |f| {
            std::fs::write(f.join("model.safetensors.index.json"), r#"{"weight_map": {"a": "../secret"}}"#)
                .unwrap();
        }),
        case("index without its shard", &["weight_map", "gone.safetensors"], |f| {
            std::fs::write(
                f.join("model.safetensors.index.json"),
                r#"{"weight_map": {"a": "gone.safetensors"}}"#,
            )
            .unwrap();
        }),
    ]
}

#[test]
fn twenty_and_more_broken_checkpoints() {
    let cases = checkpoints();
    assert!(cases.len() >= 20);
    let folder = tempfile::tempdir().unwrap();
    for (i, (what, damage, words)) in cases.iter().enumerate() {
        let copy = folder.path().join(i.to_string());
        copy_model(&copy);
        damage(&copy);
        let args = ask(&copy);
        refused(what, &args.iter().map(String::as_str).collect::<Vec<_>>(), words);
    }
    let whole = ask(&model());
    let output = run(&whole.iter().map(String::as_str).chain(["--max-tokens", "2"]).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn twenty_and_more_broken_images_and_benchmarks() {
    let folder = tempfile::tempdir().unwrap();
    let whole = png(1);
    let image = |what: &str, bytes: &[u8]| {
        let path = folder.path().join(format!("{}.png", what.replace(' ', "-")));
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let model = model();
        let args = [
            "ask",
            "--model",
            model.to_str().unwrap(),
            "--device",
            "cpu",
            "--question",
            "?",
            "--image",
            &path,
        ];
        refused(what, &args, &[path.as_str()]);
    };
    image("empty", b"");
    image("one byte", &[0x89]);
    image("text", b"this is not an image at all");
    for at in [8, 20, 33, 60, whole.len() / 2, whole.len() - 13] {
        image(&format!("cut at {at}"), &whole[..at]);
    }
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    image("no width", &patched(16, &[0; 4]));
    image("absurd width", &patched(16, &[0x7f, 0xff, 0xff, 0xff]));
    image("wrong checksum", &patched(29, &[1, 2, 3, 4]));
    image("zip", b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaa");

    let bench = folder.path().join("ok.parquet");
    benchmark(&bench, 4, png);
    let bytes = std::fs::read(&bench).unwrap();
    let mut broken: Vec<(&str, Vec<u8>)> = vec![
        ("empty.parquet", Vec::new()),
        ("magic.parquet", b"PAR1PAR1".to_vec()),
        ("text.parquet", b"question,answer\n1,2\n".to_vec()),
        ("half.parquet", bytes[..bytes.len() / 2].to_vec()),
        ("tail.parquet", bytes[bytes.len() / 2..].to_vec()),
        ("list.jsonl", b"[1, 2]\n".to_vec()),
        ("torn.jsonl", b"{\"idx\": 1, \"question\": \"a".to_vec()),
        ("empty.jsonl", Vec::new()),
    ];
    let mut footer = bytes.clone();
    let end = footer.len();
    footer[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    broken.push(("footer.parquet", footer));
    for (name, bytes) in &broken {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let out = folder.path().join("run");
        let model = model();
        let args = [
            "eval",
            path.to_str().unwrap(),
            "--model",
            model.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        refused(name, &args, &[name]);
    }
    refused("no folder", &["eval", "nowhere", "--model", "nowhere/else", "--out", "x"], &["nowhere"]);
    refused("no run", &["report", "nowhere"], &["nowhere"]);
    refused("no model", &["ask", "--model", "./nowhere", "--question", "?"], &["nowhere"]);
    refused("one option", &["ask", "--model", "m", "--question", "?", "--options", "a"], &["2 to 26"]);
}
