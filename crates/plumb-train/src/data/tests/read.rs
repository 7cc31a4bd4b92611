use std::path::Path;

use plumb_bench::{ParquetRow, PromptPreset};
use plumb_qa::dataset::{DatasetMeta, Format as QaFormat, WriterOptions, open_writer};
use plumb_qa::{Templates, to_cvbench};
use proptest::prelude::*;

use super::{Made, made, write_images};
use crate::data::{
    CropOptions, DataError, Format, ImageIdentity, LetterForm, Noise, OpenOptions, PrepareOptions, Source,
    Units, change, mirror_sample, prepare, split,
};

fn write(path: &Path, format: QaFormat, made: &[Made], text: bool) {
    let templates = Templates::builtin().unwrap().fingerprint().to_owned();
    let meta = DatasetMeta { text, templates, ..DatasetMeta::default() };
    let mut writer = open_writer(path, format, &meta, WriterOptions::default()).unwrap();
    for made in made {
        writer.push(&made.scene, &made.scene.image.path, &made.pairs).unwrap();
    }
    writer.finish().unwrap();
}

fn write_bench(path: &Path, made: &[Made]) -> usize {
    let mut rows = Vec::new();
    for made in made {
        for pair in &made.pairs {
            let idx = i64::try_from(rows.len()).unwrap();
            if let Ok((sample, png)) = to_cvbench(pair, &made.scene, &made.image, idx) {
                let image_path = Some(sample.filename.clone());
                rows.push(ParquetRow { sample, image: Some(png.into()), image_path });
            }
        }
    }
    let (count, file) = (rows.len(), std::fs::File::create(path).unwrap());
    plumb_bench::write_parquet(file, rows, plumb_bench::WriteOptions::default()).unwrap();
    count
}

#[test]
fn every_format_gives_the_same_conversations() {
    let folder = tempfile::tempdir().unwrap();
    let made = &made()[..4];
    write_images(folder.path(), made);
    let pairs: Vec<_> = made.iter().flat_map(|made| &made.pairs).collect();
    let wanted: Vec<_> = pairs.iter().map(|p| (p.question_text.clone(), p.answer_text.clone())).collect();
    for (name, format, text, found) in [
        ("a.parquet", QaFormat::Parquet, true, Format::QaParquet),
        ("b.parquet", QaFormat::Parquet, false, Format::QaParquet),
        ("c.jsonl", QaFormat::Jsonl, true, Format::QaJsonl),
        ("d.json", QaFormat::Llava, true, Format::Llava),
        ("e.messages.jsonl", QaFormat::Messages, true, Format::Messages),
    ] {
        let path = folder.path().join(name);
        write(&path, format, made, text);
        // Past a kilobyte the samples wait in a file.
        for spool_memory in [1 << 30, 1024] {
            let options = OpenOptions { spool_memory, ..OpenOptions::default() };
            let source = Source::open(&path, options).unwrap();
            assert_eq!(source.files().map(|(_, format)| format).collect::<Vec<_>>(), [found]);
            assert_eq!(source.problems().total, 0, "{:?}", source.problems());
            assert_eq!(source.group_count(), made.len());
            let samples: Vec<_> = (0..source.len()).map(|at| source.sample(at).unwrap()).collect();
            let turns: Vec<_> = samples.iter().flat_map(|sample| sample.turns.clone()).collect();
            assert_eq!(turns, wanted, "{name}");
            let typed = matches!(found, Format::QaParquet | Format::QaJsonl);
            assert!(samples.iter().all(|sample| sample.scene.is_some() == typed));
            assert_eq!(source.images(&samples[0]).unwrap(), [made[0].image.clone()]);
            assert!(source.sample(source.len()).is_err());
        }
    }
}

#[test]
fn benchmark_rows_are_asked_as_they_are_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.parquet");
    let count = write_bench(&path, &made()[..6]);
    assert!(count > 20);
    let bench = plumb_bench::Benchmark::open(&path).unwrap();
    for prompt in PromptPreset::ALL {
        let source = Source::open(&path, OpenOptions { prompt, ..OpenOptions::default() }).unwrap();
        assert_eq!(source.len(), count);
        for (at, row) in bench.samples().iter().enumerate() {
            let (sample, rendered) = (source.sample(at).unwrap(), prompt.render(row));
            let answer = format!("({})", row.gold_letter());
            assert_eq!(sample.turns, [(rendered.user_text, answer)]);
            assert_eq!(sample.prefill, rendered.assistant_prefill);
        }
    }
    let row = &bench.samples()[0];
    for (letters, wanted) in [
        (LetterForm::Bare, row.gold_letter().to_string()),
        (LetterForm::WithText, format!("({}) {}", row.gold_letter(), row.options[row.gold])),
        (LetterForm::Text, row.options[row.gold].clone()),
    ] {
        let source = Source::open(&path, OpenOptions { letters, ..OpenOptions::default() }).unwrap();
        assert_eq!(source.sample(0).unwrap().turns[0].1, wanted);
        let image = &source.images(&source.sample(0).unwrap()).unwrap()[0];
        assert_eq!(
            image,
            &plumb_image::decode(&bench.image(0).unwrap(), &plumb_image::Limits::default()).unwrap()
        );
    }
}

#[test]
fn a_picture_is_on_one_side_only_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let made = made();
    write_images(folder.path(), made);
    let files = ["a.parquet", "b.json"].map(|name| folder.path().join(name));
    write(&files[0], QaFormat::Parquet, made, true);
    write(&files[1], QaFormat::Llava, made, true);
    for identity in [ImageIdentity::Path, ImageIdentity::Content] {
        let options = || OpenOptions { identity, ..OpenOptions::default() };
        let sources: Vec<_> = files.iter().map(|file| Source::open(file, options()).unwrap()).collect();
        let parts: Vec<&Source> = sources.iter().collect();
        let splits = split(&parts, 7, 0.3).unwrap();
        assert_eq!(splits, split(&parts, 7, 0.3).unwrap());
        assert_ne!(splits, split(&parts, 8, 0.3).unwrap());
        let pictures = |held: bool| {
            let mut found = std::collections::BTreeSet::new();
            for (source, split) in sources.iter().zip(&splits) {
                let side = if held { &split.held_out } else { &split.train };
                found
                    .extend(side.iter().map(|&at| source.sample(at as usize).unwrap().images[0].to_string()));
            }
            found
        };
        let (train, held) = (pictures(false), pictures(true));
        assert!(train.is_disjoint(&held) && train.len() + held.len() == made.len());
        // 24 pictures, 30 %: within four standard deviations of 7.2.
        assert!((1..=16).contains(&held.len()), "{}", held.len());
        let units = Units::new(&sources[0], &splits[0].train, 5, 1);
        assert!(units.len() < splits[0].train.len() && (0..units.len()).all(|at| units.get(at).len() <= 5));
    }
    let source = Source::open(&files[0], OpenOptions::default()).unwrap();
    assert!(split(&[&source], 0, 0.0).unwrap()[0].held_out.is_empty());
    assert!(split(&[&source], 0, 1.0).unwrap()[0].train.is_empty());
    assert!(split(&[&source], 0, f64::NAN).is_err());
}

#[test]
fn samples_are_prepared_as_asked_and_always_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let made = &made()[..6];
    write_images(folder.path(), made);
    let path = folder.path().join("a.parquet");
    write(&path, QaFormat::Parquet, made, true);
    let source = Source::open(&path, OpenOptions::default()).unwrap();
    let crop = CropOptions { probability: 0.5, least: 0.7 };
    let noise = Noise { sigma_m: 0.1, log_sigma: 0.0, per_epoch: true };
    let options = PrepareOptions { flip: 0.5, crop, noise, ..PrepareOptions::default() };
    let (mut flipped, mut cropped, mut noisy, mut marked) = (0, 0, 0, 0);
    for at in (0..source.len()).step_by(7) {
        let sample = source.sample(at).unwrap();
        let first = prepare(&source, &sample, &options, 3).unwrap();
        assert_eq!(first, prepare(&source, &sample, &options, 3).unwrap());
        let changes = first.changes;
        flipped += u32::from(changes.flipped);
        cropped += u32::from(changes.crop.is_some());
        noisy += u32::from(changes.noisy);
        marked += u32::from(!sample.marks.is_empty());
        let scene = first.scene.as_ref().unwrap();
        assert_eq!((scene.image.width, scene.image.height), first.images[0].size());
        let mut plain = source.images(&sample).unwrap().remove(0);
        if changes.flipped {
            plain = plain.flip_horizontal();
        }
        if let Some([x, y, width, height]) = changes.crop {
            plain = plain.crop(x, y, width, height).unwrap();
        }
        assert_eq!(first.images[0] == plain, first.pair.as_ref().unwrap().marks.is_empty());
        // Twice in the mirror is the sample itself, pixels and all.
        let image = source.images(&sample).unwrap();
        let options = PrepareOptions { flip: 1.0, ..PrepareOptions::default() };
        if let Some(once) = mirror_sample(&sample, &image, &options).unwrap() {
            let twice = mirror_sample(&once, &image, &options).unwrap().unwrap();
            assert_eq!((&twice.turns, &twice.images), (&sample.turns, &sample.images));
            assert_eq!(twice.pair.unwrap().answer, sample.pair.as_ref().unwrap().answer);
            let shown = change(&once, vec![image[0].flip_horizontal()], &options, 0).unwrap();
            let straight = change(&sample, image, &PrepareOptions::default(), 0).unwrap();
            assert!(shown.changes.flipped);
            assert_eq!((shown.turns, shown.images), (straight.turns, straight.images));
        }
    }
    assert!(flipped > 20 && cropped > 3 && noisy > 10 && marked > 3, "{flipped} {cropped} {noisy} {marked}");
    let fixed = |per_epoch: bool, epoch: u64| {
        let noise = Noise { per_epoch, ..noise };
        let options = PrepareOptions { noise, ..PrepareOptions::default() };
        (0..60)
            .map(|at| prepare(&source, &source.sample(at).unwrap(), &options, epoch).unwrap().turns)
            .collect::<Vec<_>>()
    };
    assert_eq!(fixed(false, 0), fixed(false, 1));
    assert_ne!(fixed(true, 0), fixed(true, 1));
    let bad = PrepareOptions { flip: 1.5, ..PrepareOptions::default() };
    assert!(matches!(prepare(&source, &source.sample(0).unwrap(), &bad, 0), Err(DataError::Options { .. })));
}

#[test]
fn bad_rows_are_named_and_nothing_left_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write_images(folder.path(), &made()[..1]);
    std::fs::write(folder.path().join("secret.png"), &made()[0].png).unwrap();
    let inner = folder.path().join("images");
    let path = inner.join("a.jsonl");
    let row = |image: &str, answer: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"image","image":"{image}"}},{{"type":"text","text":"Q"}}]}},{{"role":"assistant","content":[{{"type":"text","text":"{answer}"}}]}}]}}"#
        )
    };
    let bad =
        [row("../secret.png", "A"), row("none.png", "A"), row("0.png", " "), "{\"messages\": 7}".into()];
    std::fs::write(&path, format!("{}\n{}\n", row("0.png", "A"), bad.join("\n"))).unwrap();
    let source = Source::open(&path, OpenOptions::default()).unwrap();
    assert_eq!((source.len(), source.problems().total), (1, 4));
    let said: Vec<String> = source.problems().list.iter().map(ToString::to_string).collect();
    for wanted in ["leaves the folder", "none.png", "every answer is empty", "row 5: invalid type"] {
        assert!(
            said.iter().any(|said| said.contains(wanted) && said.contains("a.jsonl")),
            "{wanted}: {said:?}"
        );
    }
    // A folder of files, with one that is none.
    std::fs::write(inner.join("notes.txt"), "x").unwrap();
    std::fs::write(
        inner.join("b.json"),
        "[{\"conversations\":[{\"from\":\"human\",\"value\":\"Q\"},{\"from\":\"gpt\",\"value\":\"A\"}]}]",
    )
    .unwrap();
    let both = Source::open(&inner, OpenOptions::default()).unwrap();
    assert_eq!((both.len(), both.files().count(), both.group_count()), (2, 2, 2));
    assert!(both.sample(1).unwrap().images.is_empty());
    // The picture goes away between opening and training.
    std::fs::remove_file(inner.join("0.png")).unwrap();
    let gone = source.images(&source.sample(0).unwrap()).unwrap_err().to_string();
    assert!(gone.contains("a.jsonl:1") && gone.contains("0.png"), "{gone}");
    std::fs::write(&path, bad.join("\n")).unwrap();
    assert!(matches!(Source::open(&path, OpenOptions::default()), Err(DataError::Empty { bad: 4, .. })));
    for (name, bytes) in [("x.parquet", &b"PAR1nonsensePAR1"[..]), ("y.json", b""), ("z.jsonl", b"\xff\xfe{")]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert!(Source::open(&path, OpenOptions::default()).is_err(), "{name}");
    }
    assert!(Source::open(folder.path().join("nowhere"), OpenOptions::default()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn damaged_files_never_panic(which in 0_usize..4, cut in 0.0_f64..1.0, flips in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 0..6)) {
        static FILES: std::sync::OnceLock<(tempfile::TempDir, Vec<Vec<u8>>)> = std::sync::OnceLock::new();
        let (folder, files) = FILES.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let made = &made()[..2];
            write_images(folder.path(), made);
            let formats = [QaFormat::Parquet, QaFormat::Jsonl, QaFormat::Llava, QaFormat::Messages];
            let files = formats.map(|format| {
                let path = folder.path().join("whole");
                write(&path, format, made, true);
                std::fs::read(&path).unwrap()
            });
            (folder, files.to_vec())
        });
        let mut bytes = files[which].clone();
        for (place, value) in flips {
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] ^= value;
        }
        if cut < 0.5 {
            bytes.truncate((2.0 * cut * bytes.len() as f64) as usize);
        }
        let path = folder.path().join("damaged");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(source) = Source::open(&path, OpenOptions::default()) {
            let options = PrepareOptions { flip: 1.0, ..PrepareOptions::default() };
            for at in 0..source.len().min(20) {
                let _ = source.sample(at).map(|sample| prepare(&source, &sample, &options, 0).map(|_| ()));
            }
        }
    }
}
