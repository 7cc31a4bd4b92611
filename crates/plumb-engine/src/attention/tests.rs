use std::path::PathBuf;

use plumb_bench::{Benchmark, PromptPreset};
use plumb_vlm::Sampling;

use super::*;
use crate::protocol::{AskOutcome, ModelRequest, Outcome, Request};
use crate::testing::{self, Bench};

/// A picture of the demo's benchmark as a file, and what is asked about it.
fn picture(folder: &std::path::Path) -> (PathBuf, (u32, u32)) {
    let bench = Benchmark::open(testing::pack().benchmark().unwrap()).unwrap();
    let path = folder.join("picture");
    std::fs::write(&path, bench.image(bench.samples()[0].row).unwrap()).unwrap();
    let size = crate::session::read_image(&path).unwrap().size();
    (path, size)
}

/// A model of the reference's fixtures that cuts pictures into tiles, with the tokenizer that it shares.
fn tiled_model(folder: &std::path::Path) -> ModelRequest {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let model = folder.join("model");
    testing::copy(&fixtures.join("tokenizer"), &model);
    testing::copy(&fixtures.join("idefics3_3x2"), &model);
    ModelRequest { model: model.display().to_string(), ..testing::demo_model() }
}

fn request(image: Option<PathBuf>, options: &[&str], max_tokens: usize, attention: bool) -> Request {
    Request::Ask {
        model: testing::demo_model(),
        image,
        question: "How many chairs are in the image?".into(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        preset: PromptPreset::Official,
        sampling: Sampling::Greedy,
        max_tokens,
        attention,
    }
}

fn ask(bench: &Bench, request: Request) -> AskOutcome {
    testing::through_json(&request);
    match bench.ask(request).0 {
        Ok(Outcome::Ask(outcome)) => *outcome,
        other => panic!("{other:?}"),
    }
}

/// Every row is a distribution, nobody looks ahead, and the parts of each add up.
fn sound(a: &AskAttention) {
    assert_eq!(a.probabilities.bytes.len(), a.rows * a.layers * a.heads * a.keys * 4);
    for row in 0..a.rows {
        let ways = [(None, None), (Some(0), None), (None, Some(a.heads - 1)), (Some(a.layers - 1), Some(0))];
        for (layer, head) in ways {
            let map = a.map(row, layer, head);
            assert_eq!(map.len(), a.keys);
            assert!((map.iter().sum::<f32>() - 1.0).abs() < 1e-4, "row {row} {layer:?} {head:?}");
            assert!(map[(a.prompt_keys + row).min(a.keys)..].iter().all(|p| *p == 0.0));
            let s = a.shares(&map);
            assert!((s.tiles + s.whole + s.first + s.text + s.answer - 1.0).abs() < 1e-4, "{s:?}");
            assert!([s.tiles, s.whole, s.first, s.text, s.answer].iter().all(|part| *part >= 0.0), "{s:?}");
        }
    }
    assert!(a.map(a.rows, None, None).is_empty());
    assert!(a.map(0, Some(a.layers), None).is_empty() && a.map(0, None, Some(a.heads)).is_empty());
}

#[test]
fn an_answer_says_what_it_was_read_from() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let (path, size) = picture(folder.path());
    let plain = ask(&bench, request(Some(path.clone()), &[], 8, false));
    assert!(plain.attention.is_none());
    assert!(!serde_json::to_string(&plain).unwrap().contains("attention"));
    let watched = ask(&bench, request(Some(path.clone()), &[], 8, true));
    assert_eq!(
        (&watched.answer, watched.answer_tokens),
        (&plain.answer, plain.answer_tokens),
        "watching changes nothing"
    );
    let a = watched.attention.as_deref().unwrap();
    sound(a);
    assert_eq!(a.rows, watched.answer_tokens + 1);
    assert_eq!(
        (a.prompt_keys, a.keys),
        (watched.prompt_tokens, watched.prompt_tokens + watched.answer_tokens)
    );
    assert_eq!((a.image, a.frames.len()), (Some(size), watched.frames));
    assert_eq!(a.tokens.concat().trim(), watched.answer);
    let map = a.map(0, None, None);
    for frames in [Frames::Tiles, Frames::Whole, Frames::Both] {
        let cells = a.cells(&map, frames);
        let total: f32 = cells.iter().flat_map(|c| &c.values).sum();
        let s = a.shares(&map);
        let expected = match frames {
            _ if !a.has_tiles() => s.whole,
            Frames::Tiles => s.tiles,
            Frames::Whole => s.whole,
            Frames::Both => s.image(),
        };
        assert!((total - expected).abs() < 1e-4, "{frames:?}: {total} {expected}");
        assert!(cells.iter().all(|c| c.values.len() == c.place.tokens()));
    }
    assert!(a.shares(&map).image() > 0.0);
    // What crosses to another process without its bytes shows nothing and does no harm.
    let text = serde_json::to_string(&watched).unwrap();
    let far: AskOutcome = serde_json::from_str(&text).unwrap();
    let far = far.attention.unwrap();
    assert_eq!((far.rows, far.frames.len(), far.map(0, None, None).len()), (a.rows, a.frames.len(), 0));
    assert!(far.cells(&[], Frames::Both).iter().all(|c| c.values.is_empty()));
}

#[test]
fn tiles_and_the_whole_picture_are_told_apart() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let (path, (width, height)) = picture(folder.path());
    let Request::Ask { image, question, options, preset, sampling, max_tokens, attention, .. } =
        request(Some(path), &[], 4, true)
    else {
        unreachable!()
    };
    let model = tiled_model(folder.path());
    let outcome = ask(
        &bench,
        Request::Ask { model, image, question, options, preset, sampling, max_tokens, attention },
    );
    let a = outcome.attention.unwrap();
    sound(&a);
    assert!(a.has_tiles() && a.heads == 6, "{:?}", a.frames);
    let map = a.map(1, Some(2), None);
    let s = a.shares(&map);
    let sum = |frames| a.cells(&map, frames).iter().flat_map(|c| &c.values).sum::<f32>();
    for (frames, expected) in [(Frames::Tiles, s.tiles), (Frames::Whole, s.whole), (Frames::Both, s.image())]
    {
        assert!((sum(frames) - expected).abs() < 1e-5, "{frames:?}");
    }
    assert!(s.tiles > 0.0 && s.whole > 0.0);
    let area = |frames| {
        a.cells(&map, frames)
            .iter()
            .flat_map(|c| (0..c.place.tokens()).map(|i| c.place.token(i).unwrap()))
            .map(|[x1, y1, x2, y2]| (x2 - x1) * (y2 - y1))
            .sum::<f64>()
    };
    let whole = f64::from(width) * f64::from(height);
    assert!(
        (area(Frames::Tiles) / whole - 1.0).abs() < 1e-9 && (area(Frames::Whole) / whole - 1.0).abs() < 1e-9
    );
}

#[test]
fn there_are_as_many_cells_as_image_tokens() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let (path, _) = picture(folder.path());
    let outcome = ask(&bench, request(Some(path), &[], 2, true));
    let a = outcome.attention.unwrap();
    let marked: usize = outcome
        .prompt
        .split("<image×")
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(a.frames.iter().map(FramePlace::tokens).sum::<usize>(), marked);
    let map = a.map(0, Some(0), Some(0));
    let each = |frames| a.cells(&map, frames).iter().map(|c| c.values.len()).sum::<usize>();
    let tiles = if a.has_tiles() { each(Frames::Tiles) } else { 0 };
    assert_eq!(tiles + each(Frames::Whole), marked);
}

#[test]
fn an_option_and_a_question_without_a_picture_have_it_too() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let (path, _) = picture(folder.path());
    let plain = ask(&bench, request(Some(path.clone()), &["one", "two"], 1, false));
    let watched = ask(&bench, request(Some(path), &["one", "two"], 1, true));
    let scores = |o: &AskOutcome| o.options.iter().map(|o| o.logprob).collect::<Vec<_>>();
    assert_eq!(scores(&plain), scores(&watched), "watching changes nothing");
    let a = watched.attention.unwrap();
    sound(&a);
    let letter = if watched.answer == "one" { "A" } else { "B" };
    assert_eq!((a.tokens.concat().trim(), a.rows), (letter, a.tokens.len() + 1));
    let blind = ask(&bench, request(None, &[], 3, true)).attention.unwrap();
    sound(&blind);
    assert_eq!((blind.image, blind.frames.len()), (None, 0));
    assert!(blind.cells(&blind.map(0, None, None), Frames::Both).is_empty());
    assert_eq!(blind.shares(&blind.map(0, None, None)).image(), 0.0);
}

#[test]
fn a_request_of_before_asks_for_none() {
    let text = serde_json::to_string(&request(None, &[], 1, true)).unwrap();
    let old = text.replace(",\"attention\":true", "");
    assert_ne!(old, text);
    let Request::Ask { attention, .. } = serde_json::from_str(&old).unwrap() else { panic!("{old}") };
    assert!(!attention);
}

/// Two tiles side by side above a frame of the whole picture, two tokens along each side.
fn made_up() -> AskAttention {
    let place = |tile, first, rect| FramePlace { image: 0, tile, side: 2, first, rect };
    AskAttention {
        layers: 1,
        heads: 1,
        rows: 1,
        keys: 15,
        prompt_keys: 14,
        probabilities: Blob::from(
            (0..15).flat_map(|i| (i as f32 / 105.0).to_le_bytes()).collect::<Vec<u8>>(),
        ),
        tokens: vec!["a".into()],
        ended: true,
        image: Some((80, 40)),
        frames: vec![
            place(Some([0, 0]), 1, [0.0, 0.0, 40.0, 40.0]),
            place(Some([0, 1]), 5, [40.0, 0.0, 80.0, 40.0]),
            place(None, 9, [0.0, 0.0, 80.0, 40.0]),
        ],
    }
}

#[test]
fn the_frames_of_the_whole_picture_are_spread_over_the_tiles() {
    let a = made_up();
    let map = a.map(0, None, None);
    let value = |key: usize| key as f32 / 105.0;
    let tiles = a.cells(&map, Frames::Tiles);
    assert_eq!(tiles[1].values, [value(5), value(6), value(7), value(8)]);
    let both = a.cells(&map, Frames::Both);
    // Each token of the whole picture lies over two cells of one tile.
    let expected = [value(1) + value(9) / 2.0, value(2) + value(9) / 2.0, value(3) + value(11) / 2.0];
    for (found, expected) in both[0].values.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let total: f32 = both.iter().flat_map(|c| &c.values).sum();
    let s = a.shares(&map);
    assert!((total - s.image()).abs() < 1e-6);
    assert!((s.answer - value(14)).abs() < 1e-6 && (s.text - value(13)).abs() < 1e-6 && s.first == 0.0);
}

#[test]
fn odd_numbers_do_no_harm() {
    let mut a = made_up();
    a.frames[0].first = usize::MAX - 1;
    a.frames[1].side = 0;
    a.probabilities = Blob::from(vec![0; 7]);
    assert!(a.map(0, None, None).is_empty() && a.map(usize::MAX, Some(usize::MAX), None).is_empty());
    assert_eq!(a.cells(&[0.5; 3], Frames::Both).len(), 2);
    assert_eq!(a.shares(&[0.5; 3]).first, 0.5);
}

#[test]
fn tokens_are_pieces_of_the_text() {
    // A byte a token: "é" has two.
    let bytes = "aé b".as_bytes();
    let ids: Vec<u32> = (0..bytes.len() as u32).collect();
    let decode = |ids: &[u32]| Ok(String::from_utf8_lossy(&bytes[..ids.len()]).into_owned());
    assert_eq!(pieces(&ids, decode).unwrap(), ["a", "", "é", " ", "b"]);
}
