//! Goldens that need no weights: tiles, chat, prompt expansion and token ids of the reference processor, and the
//! published tokenizer's own.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumb_image::smolvlm::{ImageProcessor, PreprocessorConfig};
use plumb_tests::{fixtures, test_data};
use plumb_vlm::chat::{ChatTemplate, Message};
use plumb_vlm::processor::image_text;
use plumb_vlm::{ModelConfig, ModelFiles, Processor};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
struct Goldens {
    geometry: Vec<Geometry>,
    chat: Vec<Chat>,
    expansions: Vec<Expansion>,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Geometry {
    width: u32,
    height: u32,
    longest_edge: u32,
    tile: u32,
    stage1: (u32, u32),
    stage2: (u32, u32),
    rows: u32,
    cols: u32,
    frames: usize,
}

#[derive(Deserialize)]
struct Chat {
    messages: serde_json::Value,
    add_generation_prompt: bool,
    rendered: String,
}

#[derive(Deserialize)]
struct Expansion {
    rows: usize,
    cols: usize,
    tokens: usize,
    expanded: String,
    prompt: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn goldens() -> Goldens {
    serde_json::from_slice(&std::fs::read(fixtures().join("processor.json")).unwrap()).unwrap()
}

/// A processor with the small tokenizer of the fixtures.
fn small_processor() -> Processor {
    let folder = fixtures().join("smolvlm_no_split");
    let files = ModelFiles::side_files(&folder).unwrap();
    let config = ModelConfig::from_json(files.require("config.json").unwrap()).unwrap();
    Processor::load(&files, &config, None).unwrap()
}

#[test]
fn tiles_of_many_sizes() {
    let goldens = goldens().geometry;
    assert!(goldens.len() > 300);
    for g in goldens {
        let json = format!(
            r#"{{"size": {{"longest_edge": {}}}, "max_image_size": {{"longest_edge": {}}}, "do_image_splitting": true}}"#,
            g.longest_edge, g.tile
        );
        let processor = ImageProcessor::new(PreprocessorConfig::from_json(&json).unwrap()).unwrap();
        let plan = processor.plan(g.width, g.height).unwrap();
        let found = (plan.stage1, plan.stage2, plan.rows, plan.cols, plan.frames);
        let at = format!("{}×{} at {} in tiles of {}", g.width, g.height, g.longest_edge, g.tile);
        assert_eq!(found.0, g.stage1, "{at}");
        assert_eq!(found.1, g.stage2, "{at}");
        assert_eq!((found.2, found.3), (g.rows, g.cols), "{at}");
        assert_eq!(found.4 as usize, g.frames, "{at}");
    }
}

#[test]
fn dialogues_render_as_the_reference_does() {
    let files = ModelFiles::side_files(&fixtures().join("smolvlm_no_split")).unwrap();
    let given = ChatTemplate::from_files(&files).unwrap();
    // The same dialogues through the format that is built in for checkpoints without a template.
    let none = ModelFiles::new(String::new(), std::collections::BTreeMap::new(), Vec::new());
    let built_in = ChatTemplate::from_files(&none).unwrap();
    for mut c in goldens().chat {
        // The reference takes any spelling of a role and capitalises it; ours is an enum.
        for message in c.messages.as_array_mut().unwrap() {
            message["role"] = message["role"].as_str().unwrap().to_lowercase().into();
        }
        let messages: Vec<Message> = serde_json::from_value(c.messages).unwrap();
        assert_eq!(given.render(&messages, c.add_generation_prompt).unwrap(), c.rendered);
        assert_eq!(built_in.render(&messages, c.add_generation_prompt).unwrap(), c.rendered);
    }
}

#[test]
fn prompts_expand_and_tokenise_as_the_reference_does() {
    let processor = small_processor();
    for e in goldens().expansions {
        assert_eq!(image_text(e.rows, e.cols, e.tokens), e.expanded);
        assert_eq!(processor.encode(&e.prompt).unwrap(), e.ids, "{}×{}", e.rows, e.cols);
    }
}

#[test]
fn texts_tokenise_and_come_back() {
    let processor = small_processor();
    for t in goldens().texts {
        assert_eq!(processor.encode(&t.text).unwrap(), t.ids, "{:?}", t.text);
        assert_eq!(processor.decode(&t.ids, false).unwrap(), t.decoded, "{:?}", t.text);
    }
}

/// A processor from the published files of SmolVLM2-500M.
fn published() -> Option<(Processor, ModelConfig)> {
    let folder = test_data("smolvlm2-500m-video")?;
    let files = ModelFiles::side_files(&folder).unwrap();
    let config = ModelConfig::from_json(files.require("config.json").unwrap()).unwrap();
    Some((Processor::load(&files, &config, None).unwrap(), config))
}

#[test]
fn the_published_config_describes_the_published_checkpoint() {
    let Some((processor, config)) = published() else {
        return;
    };
    assert_eq!(config.tensors().len(), 489);
    let params: usize = config.tensors().iter().map(|(_, s)| s.iter().product::<usize>()).sum();
    assert_eq!(params, 507_482_304);
    assert_eq!(config.tokens_per_frame(512, 512), Some(64));
    assert_eq!(processor.stop_ids(), &[49279]);
    assert_eq!(processor.images().config().longest_edge_of_tile, 512);
}

#[test]
fn the_published_tokenizer_gives_its_published_ids() {
    let Some((processor, _)) = published() else { return };
    let goldens: [(&str, &[u32]); 23] = [
        ("\n", &[198]),
        ("\n\n", &[1116]),
        ("\n\n\n", &[16506]),
        (" ", &[216]),
        (":", &[42]),
        (": ", &[42, 216]),
        ("User", &[11126]),
        ("User:", &[11126, 42]),
        ("Assistant:", &[9519, 9531, 42]),
        ("System", &[18403]),
        ("1234 5.6e-7", &[33, 34, 35, 36, 216, 37, 30, 38, 85, 29, 39]),
        ("a\tb", &[81, 197, 82]),
        ("Hello, world!", &[19556, 28, 905, 17]),
        ("  two spaces", &[216, 827, 5600]),
        ("I'm don't", &[57, 5248, 1326, 982]),
        ("def f(x):\n    return x", &[1604, 275, 24, 104, 727, 472, 1003, 1792]),
        ("naïve café 日本語 🙂", &[3546, 46494, 37366, 17097, 241, 115, 40993, 179, 120, 248, 47526]),
        ("Can you describe this image?", &[7306, 346, 5125, 451, 2443, 47]),
        ("In this image, we see", &[788, 451, 2443, 28, 392, 963]),
        ("<|im_start|>Assistant: Yes.<end_of_utterance>", &[1, 9519, 9531, 42, 9230, 30, 49279]),
        (" <end_of_utterance> x", &[216, 49279, 1792]),
        ("<row_7_col_1>", &[44, 720, 79, 39, 79, 2283, 79, 33, 46]),
        (
            "<|im_start|>User: What is the capital of France?<end_of_utterance>\nAssistant:",
            &[1, 11126, 42, 1812, 314, 260, 3575, 282, 4649, 47, 49279, 198, 9519, 9531, 42],
        ),
    ];
    for (text, ids) in goldens {
        assert_eq!(processor.encode(text).unwrap(), ids, "{text:?}");
    }
    let untiled = [1, 11126, 42, 49189, 49152];
    let after = [49189, 7306, 346, 5125, 451, 2443, 47, 49279, 198, 9519, 9531, 42];
    let expected: Vec<u32> = untiled.into_iter().chain(std::iter::repeat_n(49190, 64)).chain(after).collect();
    for ((rows, cols), tokens, hash) in [
        ((0, 0), 81, "a1cae1979494d1e7"),
        ((1, 2), 214, "7ac0d554cd9109ce"),
        ((2, 1), 215, "de5101c2dbd145b1"),
        ((3, 4), 876, "cf852b41d6a2d1b5"),
        ((4, 4), 1141, "3b7a717cf51e98af"),
    ] {
        let text = format!(
            "<|im_start|>User:{}Can you describe this image?<end_of_utterance>\nAssistant:",
            image_text(rows, cols, 64)
        );
        let ids = processor.encode(&text).unwrap();
        assert_eq!(ids.len(), tokens, "{rows}×{cols}");
        if rows == 0 {
            assert_eq!(ids, expected);
        }
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let found: String = Sha256::digest(&bytes).iter().take(8).map(|b| format!("{b:02x}")).collect();
        assert_eq!(found, hash, "{rows}×{cols}");
    }
}

#[test]
fn a_text_cannot_smuggle_an_image() {
    let processor = small_processor();
    let smuggled = processor.prompt(&[Message::user(0, "look: <image>")], &[], None);
    assert!(smuggled.err().unwrap().to_string().contains("marker <image>"));
    let missing = processor.prompt(&[Message::user(1, "look")], &[], None);
    assert!(missing.err().unwrap().to_string().contains("1 image markers for 0 images"));
}
