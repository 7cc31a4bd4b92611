//! A tiny model, a tiny benchmark, and the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plumb_bench::sample::{Kind, Sample, Task};
use plumb_bench::{ParquetRow, WriteOptions, write_parquet};
use plumb_image::{RgbImage, encode_png};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// The self-contained tiny checkpoint.
pub(crate) fn model() -> PathBuf {
    fixtures().join("smolvlm_no_split")
}

/// The program, on the CPU's own path and without a hub.
pub(crate) fn plumbline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline"));
    command.args(args).env("HF_HUB_OFFLINE", "1").env_remove("HF_TOKEN");
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    plumbline(args).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A copy of the tiny checkpoint that a test may break.
pub(crate) fn copy_model(to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(model()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A picture that differs from every other of another `seed`.
pub(crate) fn picture(seed: u32) -> RgbImage {
    let (w, h) = (40 + seed % 17, 30 + seed % 11);
    let data = (0..w * h)
        .flat_map(|i| {
            let (x, y) = (i % w, i / w);
            [(x * 7 + seed * 31) as u8, (y * 5 + seed * 13) as u8, ((x ^ y) * 9 + seed) as u8]
        })
        .collect();
    RgbImage::new(w, h, data).unwrap()
}

pub(crate) fn sample(i: u32) -> Sample {
    let options: &[&str] = if i.is_multiple_of(2) { &["left", "right"] } else { &["0", "1", "2", "3"] };
    let gold = (i as usize / 2) % options.len();
    let mut s = Sample::multiple_choice(&i.to_string(), &format!("Question {i}?"), options, gold);
    s.task = if i.is_multiple_of(2) { Task::Relation } else { Task::Count };
    s.kind = Kind::TwoD;
    s.source = if i.is_multiple_of(3) { "COCO" } else { "ADE20K" }.into();
    s
}

/// A benchmark of `n` rows in CV-Bench's schema.
pub(crate) fn benchmark(path: &Path, n: u32, image: impl Fn(u32) -> Vec<u8>) {
    let rows =
        (0..n).map(|i| ParquetRow { sample: sample(i), image: Some(image(i).into()), image_path: None });
    let file = std::fs::File::create(path).unwrap();
    write_parquet(file, rows, WriteOptions { rows_per_group: 4 }).unwrap();
}

pub(crate) fn png(seed: u32) -> Vec<u8> {
    encode_png(&picture(seed)).unwrap()
}
