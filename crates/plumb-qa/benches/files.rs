//! Rows per second of writing and reading data sets.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plumb_geometry::{Camera, Gravity, GravitySource, SceneFrame};
use plumb_qa::dataset::{DatasetMeta, ParquetQaReader, ParquetQaWriter, ReadOptions};
use plumb_qa::{Answer, Fact, FactName, Kind, Mention, Proof, QaPair, Quantity, Question, Reference, Unit};
use plumb_scene::{ImageRef, SCENE_VERSION, Scene, SceneSource};

const PER_SCENE: usize = 200;

fn scene(number: usize) -> Scene {
    Scene {
        version: SCENE_VERSION,
        id: format!("{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        source: SceneSource::Rendered { world: "room".into(), seed: 1, index: number as u64 },
        image: ImageRef {
            path: format!("images/{number:06}.png"),
            width: 640,
            height: 480,
            sha256: format!("{number:064x}"),
        },
        camera: Camera { width: 640, height: 480, fx: 500.0, fy: 500.0, cx: 320.0, cy: 240.0 },
        gravity: Gravity::Known { direction: [0.0, 1.0, 0.0], sigma: 0.0, source: GravitySource::Exact },
        frame: SceneFrame::CAMERA,
        metric: true,
        scale_sigma: 0.0,
        exhaustive: true,
        objects: Vec::new(),
        pairs: Vec::new(),
    }
}

/// Of the size and the variety of a real one: two mentions, a segment, three facts.
fn pair(scene: &Scene, n: usize) -> QaPair {
    let value_m = ((n * 7919) % 10_007) as f64 / 1234.5;
    let (a, b) = ((n % 9 + 1) as u32, (n % 7 + 10) as u32);
    let names = ["the red chair", "the wooden table", "the second lamp from the left", "the blue box"];
    let mention = |object: u32| Mention {
        object,
        by: Reference::Attribute,
        text: names[object as usize % names.len()].to_owned(),
    };
    let said = (value_m * 10.0).round() / 10.0;
    let fact = |name, value| Fact { name, objects: [a, b], value, sigma: value * 0.01 };
    let text = format!("{said} meters");
    let (answer, kind) = if n.is_multiple_of(2) {
        (Answer::YesNo(n.is_multiple_of(4)), Kind::LeftPredicate)
    } else {
        let quantity = Quantity {
            value_m,
            sigma_m: value_m * 0.02,
            unit: Unit::Metre,
            text: text.clone(),
            said_m: said,
            tolerance_m: 0.05,
        };
        (Answer::Length(quantity), Kind::Distance)
    };
    QaPair {
        scene: scene.id.clone(),
        question: Question {
            kind,
            objects: vec![a, b],
            rank: 0,
            category: String::new(),
            options: Vec::new(),
        },
        answer,
        mentions: vec![mention(a), mention(b)],
        question_template: (n % 20) as u16,
        answer_template: (n % 10) as u16,
        marks: Vec::new(),
        proof: Proof {
            points: vec![[value_m, value_m * 1.1, 0.3], [value_m * 0.7, 0.1, value_m * 0.9]],
            facts: vec![
                fact(FactName::Lateral, value_m),
                fact(FactName::Lateral, value_m * 1.3),
                fact(FactName::Difference, value_m * 0.3),
            ],
        },
        question_text: format!(
            "How far is {} from {} in this picture?",
            names[a as usize % 4],
            names[b as usize % 4]
        ),
        answer_text: format!(
            "{} and {} are about {text} apart.",
            names[a as usize % 4],
            names[b as usize % 4]
        ),
        steps: Vec::new(),
    }
}

fn write(batches: &[(Scene, Vec<QaPair>)], text: bool) -> Option<Bytes> {
    let meta = DatasetMeta { text, ..DatasetMeta::default() };
    let mut writer = ParquetQaWriter::new(Vec::new(), &meta).ok()?;
    for (scene, pairs) in batches {
        writer.push(scene, &scene.image.path, pairs).ok()?;
    }
    Some(writer.into_inner().ok()?.0.into())
}

fn files(c: &mut Criterion) {
    let batches: Vec<(Scene, Vec<QaPair>)> = (0..300)
        .map(|number| {
            let scene = scene(number);
            let pairs = (0..PER_SCENE).map(|n| pair(&scene, number * PER_SCENE + n)).collect();
            (scene, pairs)
        })
        .collect();
    let rows = (batches.len() * PER_SCENE) as u64;
    let mut group = c.benchmark_group("qa_parquet");
    group.throughput(Throughput::Elements(rows)).sample_size(10);
    group.bench_function("write", |b| b.iter(|| write(&batches, true)));
    group.bench_function("write_without_text", |b| b.iter(|| write(&batches, false)));
    if let Some(bytes) = write(&batches, true) {
        println!("{} bytes a row", bytes.len() as u64 / rows);
        group.bench_function("read", |b| {
            b.iter(|| {
                let reader =
                    ParquetQaReader::from_bytes("bench", bytes.clone(), ReadOptions { geometry: false });
                reader.map_or(0, |reader| reader.filter(Result::is_ok).count())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
