//! Module matching against a table made by PEFT's own functions (`tests/fixtures/peft_targets.json`).

use serde_json::Value;

use super::super::config::{read_layers, read_names};
use super::super::fields::Fields;
use super::super::target::{PerModule, Rules, TargetMatcher};
use super::super::{ModuleInfo, ModuleKind};

fn table() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/peft_targets.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn modules(table: &Value) -> Vec<ModuleInfo> {
    let read = |entry: &Value| {
        let kind = match entry["kind"].as_str().unwrap() {
            "linear" => ModuleKind::Linear,
            "embedding" => ModuleKind::Embedding,
            "norm" => ModuleKind::Norm,
            _ => ModuleKind::Conv,
        };
        super::module(entry["path"].as_str().unwrap(), kind, 4, 4, false)
    };
    table["modules"].as_array().unwrap().iter().map(read).collect()
}

#[test]
fn matches_the_modules_that_peft_matches() {
    let table = table();
    let modules = modules(&table);
    let cases = table["targets"].as_array().unwrap();
    assert!(cases.len() >= 200);
    let mut positive = 0;
    for case in cases {
        let config = &case["config"];
        let fields = Fields::new("f", config, "f").unwrap();
        let target = read_names(&fields, "target_modules").unwrap().unwrap();
        let exclude = read_names(&fields, "exclude_modules").unwrap();
        let layers = read_layers(&fields, &target).unwrap();
        let save = fields.names("modules_to_save").unwrap().unwrap_or_default();
        let rules =
            Rules { target: &target, exclude: exclude.as_ref(), layers: layers.as_ref(), save: &save };
        let matcher = TargetMatcher::new(&rules, &modules).unwrap();
        let found: Vec<&str> =
            modules.iter().map(|m| m.path.as_str()).filter(|path| matcher.matches(path).unwrap()).collect();
        let expected: Vec<&str> =
            case["modules"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        positive += usize::from(!expected.is_empty());
        assert_eq!(found, expected, "{config}");
    }
    assert!(positive >= 200);
}

#[test]
fn picks_the_pattern_keys_that_peft_picks() {
    let table = table();
    let modules = modules(&table);
    for case in table["patterns"].as_array().unwrap() {
        let keys: Vec<&str> = case["keys"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let entries: Vec<(String, usize)> =
            keys.iter().enumerate().map(|(index, key)| ((*key).to_owned(), index)).collect();
        let per_module = PerModule::new("rank_pattern", &entries).unwrap();
        for module in &modules {
            let found = per_module.get(&module.path).unwrap().map(|index| keys[index]);
            assert_eq!(found, case["modules"][&module.path].as_str(), "{keys:?} on {}", module.path);
        }
    }
}
