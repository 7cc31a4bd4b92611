mod edits;
mod runs;
mod scenes;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plumb_bench::Benchmark;
use plumb_image::{Limits, RgbImage, decode, encode_png};
use plumb_train::checkpoint::{EvalMetrics, MetricLine, MetricsLog, RealFs, SampleAnswer, StepMetrics};

use super::{Look, Pixels, Seen, bench};
use crate::protocol::{Outcome, Request};
use crate::testing::{self, Bench, NOT_THERE, through_json};

/// What was seen, after a way through text, on which only bytes are lost.
fn seen(bench: &Bench, look: Look) -> Seen {
    through_json(&Request::Look(look.clone()));
    let found = bench.look(look).unwrap();
    through_json(&Outcome::Look(Box::new(found.clone())));
    found
}

fn pixels(seen: Seen) -> Pixels {
    match seen {
        Seen::Image { pixels } => {
            assert_eq!(pixels.rgb.bytes.len(), pixels.rgb.len);
            assert_eq!(pixels.rgb.len as u64, u64::from(pixels.width) * u64::from(pixels.height) * 3);
            pixels
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_demo_says_where_its_parts_are() {
    let Seen::Demo { model, adapter, benchmark, scenes } = seen(&Bench::new(), Look::Demo) else {
        panic!("no demo");
    };
    assert!(model.join("config.json").is_file() && adapter.join("adapter_config.json").is_file());
    assert!(benchmark.is_file() && scenes.is_dir());
}

#[test]
fn a_benchmark_shows_its_rows_and_pictures() {
    let _alone = testing::alone();
    let bench = Bench::new();
    let path = testing::pack().benchmark().unwrap();
    let whole = Benchmark::open(&path).unwrap();
    let Seen::Bench(rows) = seen(&bench, Look::Bench { path: "demo".into() }) else { panic!("no rows") };
    assert_eq!((rows.path, rows.samples.as_slice()), (path.clone(), whole.samples()));
    assert_eq!((rows.sha256, &rows.identity), (whole.sha256(), whole.identity()));
    assert!(!rows.official && rows.rejected.is_empty());
    for sample in [&whole.samples()[0], whole.samples().last().unwrap()] {
        let row = sample.row;
        let start = std::time::Instant::now();
        let pixels = pixels(seen(&bench, Look::BenchImage { path: path.clone(), row }));
        println!("the picture of row {row} in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        let image = decode(&whole.image(row).unwrap(), &Limits::default()).unwrap();
        assert_eq!(((pixels.width, pixels.height), &*pixels.rgb.bytes), (image.size(), image.data()));
    }
    bench.refused(Look::BenchImage { path: path.clone(), row: usize::MAX }, &path, "does not exist");
}

#[test]
fn two_benchmarks_stay_open_until_they_change() {
    let _alone = testing::alone();
    let folder = tempfile::tempdir().unwrap();
    let line = |idx: usize| {
        format!(
            "{{\"idx\":{idx},\"type\":\"2D\",\"task\":\"Count\",\"question\":\"q\",\"choices\":[\"1\",\"2\"],\
             \"answer\":\"(A)\",\"prompt\":\"q\",\"filename\":\"p.png\",\"source\":\"COCO\"}}\n"
        )
    };
    let file = |name: &str, rows: usize| {
        let path = folder.path().join(name);
        fs::write(&path, (0..rows).map(line).collect::<String>()).unwrap();
        path
    };
    let (a, b, c) = (file("a.jsonl", 1), file("b.jsonl", 2), file("c.jsonl", 3));
    let open = |path: &Path| bench::open(path).unwrap();
    let first = open(&a);
    let again = || bench::opened(&first.sha256()).map(|(place, _)| place);
    assert!(Arc::ptr_eq(&first, &open(&a)));
    open(&b);
    assert!(Arc::ptr_eq(&first, &open(&a)));
    assert_eq!(again(), Some(a.clone()));
    open(&b);
    open(&c);
    assert_eq!(again(), None, "the oldest of three is let go");
    assert!(!Arc::ptr_eq(&first, &open(&a)));
    file("a.jsonl", 5);
    assert_eq!(open(&a).rows(), 5);
    // A folder is as old as what is in it.
    let inside = folder.path().join("whole");
    fs::create_dir(&inside).unwrap();
    fs::copy(&b, inside.join("test.jsonl")).unwrap();
    assert_eq!(open(&inside).rows(), 2);
    fs::copy(&c, inside.join("test.jsonl")).unwrap();
    assert_eq!(open(&inside).rows(), 3);
    fs::write(&a, "{").unwrap();
    assert!(bench::open(&a).is_err() && bench::open(&a).is_err());
}

#[test]
fn what_is_no_benchmark_is_refused_by_name() {
    let _alone = testing::alone();
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let place = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = fs::read(testing::pack().benchmark().unwrap()).unwrap();
    let cut = place("cut.parquet", &good[..good.len() / 2]);
    let text = place("rows.jsonl", b"\xff\xfe{}\n");
    let empty = place("empty.parquet", b"");
    let missing = folder.path().join("none.parquet");
    let look = |path: &Path| Look::Bench { path: path.to_owned() };
    bench.refused(look(&cut), Path::new("cut.parquet"), "cut short");
    bench.refused(look(&text), Path::new("rows.jsonl"), "line 1");
    bench.refused(look(&empty), Path::new("empty.parquet"), "");
    bench.refused(look(&missing), &missing, NOT_THERE);
    bench.refused(look(folder.path()), folder.path(), "holds no benchmark");
    bench.refused(Look::BenchImage { path: missing.clone(), row: 0 }, &missing, NOT_THERE);

    // A row whose picture is outside of the benchmark's folder, and one whose picture is none.
    let row = |idx: usize, file: &str| {
        format!(
            "{{\"idx\":{idx},\"type\":\"2D\",\"task\":\"Count\",\"question\":\"q\",\"choices\":[\"1\",\"2\"],\
             \"answer\":\"(A)\",\"prompt\":\"q\",\"filename\":\"{file}\",\"source\":\"COCO\"}}\n"
        )
    };
    place("no.png", b"not a picture");
    let rows = place(
        "hostile.jsonl",
        (row(0, "../../../etc/passwd") + &row(1, "no.png") + &row(2, "gone.png")).as_bytes(),
    );
    let image = |row| Look::BenchImage { path: rows.clone(), row };
    bench.refused(image(0), &rows, "leaves the benchmark's folder");
    bench.refused(image(1), &rows, "the picture of row 1");
    bench.refused(image(2), &rows, "gone.png");
}

#[test]
fn pictures_are_decoded_and_what_is_none_is_refused() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let image = RgbImage::new(3, 2, (0..18).collect()).unwrap();
    let good = folder.path().join("good.png");
    fs::write(&good, encode_png(&image).unwrap()).unwrap();
    let found = pixels(seen(&bench, Look::Picture { path: good.clone() }));
    assert_eq!((found.width, found.height, &*found.rgb.bytes), (3, 2, image.data()));
    let look = |path: &Path| Look::Picture { path: path.to_owned() };
    let bad = folder.path().join("bad.png");
    fs::write(&bad, &fs::read(&good).unwrap()[..40]).unwrap();
    bench.refused(look(&bad), &bad, "");
    fs::write(&bad, "hello").unwrap();
    bench.refused(look(&bad), &bad, "");
    bench.refused(look(folder.path()), folder.path(), "is not a file");
    let gone = folder.path().join("x/../../gone.png");
    bench.refused(look(&gone), &gone, NOT_THERE);
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let strange = folder.path().join(std::ffi::OsStr::from_bytes(b"\xe9.png"));
        bench.refused(look(&strange), folder.path(), NOT_THERE);
        // Where the file system takes such names.
        if fs::copy(&good, &strange).is_ok() {
            assert_eq!(pixels(bench.look(look(&strange)).unwrap()).width, 3);
        }
    }
}

fn training(folder: &Path) -> (PathBuf, Vec<MetricLine>) {
    fs::create_dir_all(folder).unwrap();
    let lines = vec![
        MetricLine::Step(StepMetrics {
            step: 1,
            loss: Some(2.1),
            grad_norm: Some(f32::INFINITY),
            ..StepMetrics::default()
        }),
        MetricLine::Eval(EvalMetrics { step: 1, accuracy: Some(0.1), ..EvalMetrics::default() }),
        MetricLine::Sample(SampleAnswer { step: 1, answer: "left".into(), ..SampleAnswer::default() }),
    ];
    fs::write(folder.join("train.toml"), "model = \"demo\"\n").unwrap();
    let log = folder.join("metrics.jsonl");
    let mut open = MetricsLog::create(RealFs, &log).unwrap();
    lines.iter().for_each(|line| open.append(line).unwrap());
    (log, lines)
}

#[test]
fn a_training_shows_its_log_and_whether_it_is_done() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let run = folder.path().join("run");
    let (log, lines) = training(&run);
    let look = || Look::Training { folder: run.clone() };
    let shown = |lines: &[MetricLine], done: bool| {
        let Seen::Training { metrics, config, finished } = seen(&bench, look()) else { panic!("no run") };
        assert_eq!((metrics.as_slice(), config.as_str(), finished), (lines, "model = \"demo\"\n", done));
    };
    shown(&lines, false);
    // The line that is being written right now.
    let whole = fs::read(&log).unwrap();
    fs::write(&log, [&whole[..], b"{\"kind\":\"st"].concat()).unwrap();
    shown(&lines, false);
    fs::create_dir(run.join("result")).unwrap();
    shown(&lines, false);
    fs::write(run.join("result/adapter_config.json"), "{}").unwrap();
    shown(&lines, true);
    fs::remove_file(&log).unwrap();
    shown(&[], true);

    let mut damaged = whole.clone();
    damaged[12] ^= 1;
    fs::write(&log, damaged).unwrap();
    bench.refused(look(), &log, "line 1");
    fs::write(run.join("train.toml"), b"\xff\xff").unwrap();
    bench.refused(look(), &run.join("train.toml"), "not a text file");
    bench.refused(Look::Training { folder: folder.path().to_owned() }, folder.path(), "no train.toml");
    bench.refused(
        Look::Training { folder: "/no/../where".into() },
        Path::new("/no/../where"),
        "no train.toml",
    );
}

#[test]
fn every_look_goes_through_text() {
    let path = || PathBuf::from("a/b");
    for look in [
        Look::Demo,
        Look::Bench { path: path() },
        Look::BenchImage { path: path(), row: 3 },
        Look::Runs { folder: path() },
        Look::Run { folder: path() },
        Look::Compare { a: path(), b: path() },
        Look::Scenes { folder: path() },
        Look::Scene { folder: path(), index: 1 },
        Look::Questions { folder: path(), scene: "s".into() },
        Look::Picture { path: path() },
        Look::Training { folder: path() },
    ] {
        assert_eq!(through_json(&Request::Look(look.clone())), Request::Look(look));
    }
    let blob: super::Blob = vec![1, 2, 3].into();
    assert_eq!(serde_json::to_string(&blob).unwrap(), "{\"len\":3}");
    let back = through_json(&blob);
    assert_eq!((back.len, back.bytes.len()), (3, 0));
}
