//! The oracle layer: on rendered scenes every answer is right.
//!
//! Questions are generated from the exact records of rendered scenes. The judge knows neither the records' boxes and pairs nor `plumb_qa`'s
//! evaluation: only the solids that were drawn, the pixels of depth and mask, the camera, and names. It also reads the texts: lengths must
//! parse back, and every mention must mean one object. `PLUMBLINE_FULL=1` judges 2,000 scenes with 200 pairs each.

#[path = "oracle/mirror.rs"]
mod mirror;
#[path = "oracle/reader.rs"]
mod reader;
#[path = "oracle/solids.rs"]
mod solids;
#[path = "oracle/truths.rs"]
mod truths;

use std::collections::BTreeMap;
use std::time::Instant;

use glam::DVec3;
use plumb_qa::number::{parse_clock, parse_count, parse_yes_no};
use plumb_qa::{
    Answer, GenerateOptions, Generator, Kind, QaPair, Quantity, SceneIndex, Side, Templates, parse_length,
};
use plumb_scene::procedural::{RenderOptions, Rendered, render};
use rayon::prelude::*;

use truths::{Right, View};

const SEED: u64 = 20_403;
/// Rounding of the arithmetic, in metres.
const SLACK: f64 = 1e-6;
/// GJK, which the records' distances come from, stops some micrometres early between curved rims.
const SURFACE_SLACK: f64 = 1e-4;

#[derive(Default)]
struct Tally {
    judged: BTreeMap<Kind, u64>,
    wrong: Vec<String>,
    /// Widest gap between the bounds of a distance that was asked for, in metres.
    loosest: f64,
    /// The largest error of a distance in the record, in metres.
    farthest: f64,
    mentions: u64,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        for (kind, count) in other.judged {
            *self.judged.entry(kind).or_default() += count;
        }
        self.wrong.extend(other.wrong);
        self.loosest = self.loosest.max(other.loosest);
        self.farthest = self.farthest.max(other.farthest);
        self.mentions += other.mentions;
        self
    }
}

fn full() -> bool {
    std::env::var("PLUMBLINE_FULL").is_ok_and(|value| value == "1")
}

fn check_length(said: &Quantity, [least, most]: [f64; 2], slack: f64, text: &str) -> Result<(), String> {
    if said.value_m < least - slack || said.value_m > most + slack {
        return Err(format!("value {} m is not in {least}..{most}", said.value_m));
    }
    if said.said_m < least - said.tolerance_m - slack || said.said_m > most + said.tolerance_m + slack {
        return Err(format!(
            "{:?} says {} ± {}, not {least}..{most}",
            said.text, said.said_m, said.tolerance_m
        ));
    }
    // A tolerance that lets everything pass would prove nothing.
    if said.tolerance_m > 0.25 * most {
        return Err(format!("{:?} is too vague for {most} m", said.text));
    }
    for text in [said.text.as_str(), text] {
        let read = parse_length(text).ok_or_else(|| format!("{text:?} has no length"))?;
        if (read.metres - said.said_m).abs() > 1e-6 {
            return Err(format!("{text:?} reads as {} m, not {}", read.metres, said.said_m));
        }
    }
    Ok(())
}

fn check_answer(view: &View<'_>, pair: &QaPair, tally: &mut Tally) -> Result<(), String> {
    let right = view.answer(&pair.question)?;
    let text = pair.answer_text.as_str();
    let same = match (&right, &pair.answer) {
        (Right::Length(least, most), Answer::Length(said)) => {
            let surfaces = matches!(pair.question.kind, Kind::Distance | Kind::Gap);
            if surfaces {
                tally.loosest = tally.loosest.max(most - least);
                tally.farthest = tally.farthest.max(said.value_m - most).max(least - said.value_m);
            }
            let slack = if surfaces { SURFACE_SLACK } else { SLACK };
            return check_length(said, [*least, *most], slack, text);
        }
        (Right::YesNo(right), Answer::YesNo(said)) => right == said && parse_yes_no(text) == Some(*said),
        (Right::Count(right), Answer::Count(said)) => {
            *right == *said as usize && parse_count(text) == Some(*said)
        }
        (Right::Clock(right), Answer::Clock(said)) => right == said && parse_clock(text) == Some(*said),
        (Right::Object(right), Answer::Object(said)) | (Right::Option(right), Answer::Option(said)) => {
            *right == usize::from(*said)
        }
        (Right::Side(right), Answer::Side(said)) => right == said,
        _ => false,
    };
    if same { Ok(()) } else { Err(format!("the truth is {right:?}")) }
}

/// The solids are where the pixels are: each pixel's depth, taken into the scene, is on its object.
fn check_pixels(rendered: &Rendered) -> Result<(), String> {
    let (camera, frame) = (&rendered.scene.camera, &rendered.scene.frame);
    let [right, forward, up] = frame.axes.map(DVec3::from_array);
    let width = rendered.instances.width() as usize;
    let pixels = rendered.instances.ids().iter().zip(rendered.depth.0.values()).enumerate();
    for (at, (&id, &z)) in pixels.filter(|(at, (id, _))| **id != 0 && at % 7 == 0) {
        let (z, u, v) = (f64::from(z), (at % width) as f64 + 0.5, (at / width) as f64 + 0.5);
        let seen = DVec3::new((u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z);
        let place = DVec3::new(right.dot(seen), forward.dot(seen), up.dot(seen) + frame.camera_height);
        let solids = rendered.shapes.iter().find(|shape| shape.id == u32::from(id));
        let solids = &solids.ok_or_else(|| format!("no solids of {id}"))?.primitives;
        let off = solids.iter().map(|s| s.surface_distance(place).abs()).fold(f64::INFINITY, f64::min);
        if off > 1e-4 * z {
            return Err(format!("pixel {at} of object {id} is {off} m off its surface at depth {z}"));
        }
    }
    Ok(())
}

fn judge(rendered: &Rendered, pairs: &[QaPair]) -> Tally {
    let mut tally = Tally::default();
    let at = format!("seed {} index {}", rendered.seed, rendered.index);
    let view = match View::new(rendered).and_then(|view| check_pixels(rendered).map(|()| view)) {
        Ok(view) => view,
        Err(wrong) => {
            tally.wrong.push(format!("{at}: {wrong}"));
            return tally;
        }
    };
    let reflection = mirror::mirrored(&rendered.scene);
    let (index, mirrored) = (SceneIndex::new(&rendered.scene), SceneIndex::new(&reflection));
    for pair in pairs {
        *tally.judged.entry(pair.question.kind).or_default() += 1;
        let mut checks =
            vec![check_answer(&view, pair, &mut tally), mirror::check(&index, &mirrored, &pair.question)];
        for mention in &pair.mentions {
            tally.mentions += 1;
            checks.push(match reader::meant(&view, pair, mention) {
                Ok(id) if id == mention.object => Ok(()),
                Ok(id) => Err(format!("{:?} means {id}, not {}", mention.text, mention.object)),
                Err(wrong) => Err(wrong),
            });
        }
        for wrong in checks.into_iter().filter_map(Result::err) {
            tally.wrong.push(format!(
                "{at}, {} {:?} {:?}: {:?} / {:?} {:?}: {wrong}",
                pair.question.kind,
                pair.question.objects,
                pair.question.options,
                pair.question_text,
                pair.answer_text,
                pair.answer
            ));
        }
    }
    tally
}

#[test]
fn every_answer_about_rendered_scenes_is_right() {
    let full = full();
    let (scenes, width, height, per_image) = if full { (2000, 320, 240, 200) } else { (40, 240, 180, 80) };
    let options = RenderOptions { width, height, world: None, supersample: 1 };
    let templates = Templates::builtin().unwrap();
    let generate = GenerateOptions { seed: SEED, per_image, ..GenerateOptions::default() };
    let generator = Generator::new(templates, generate);
    let start = Instant::now();
    let tally = (0..scenes)
        .into_par_iter()
        .map(|number| {
            let rendered = render(SEED, number, &options).unwrap();
            let mut pairs = Vec::new();
            let report = generator.for_each(&rendered.scene, |pair| pairs.push(pair));
            let mut tally = judge(&rendered, &pairs);
            if report.failures > 0 {
                tally.wrong.push(format!("index {number}: {} pairs failed their verifier", report.failures));
            }
            tally
        })
        .reduce(Tally::default, Tally::add);
    let total: u64 = tally.judged.values().sum();
    println!(
        "{scenes} scenes of {width}x{height}: {total} pairs and {} mentions judged, {} wrong, distances known to {:.1e} m and off by at most {:.1e} m, {:.1} s",
        tally.mentions,
        tally.wrong.len(),
        tally.loosest,
        tally.farthest,
        start.elapsed().as_secs_f64()
    );
    for kind in Kind::ALL {
        println!("{:<22} {:>8}", kind.name(), tally.judged.get(kind).copied().unwrap_or(0));
    }
    for wrong in tally.wrong.iter().take(40) {
        println!("  {wrong}");
    }
    assert_eq!(tally.wrong.len(), 0);
    assert!(tally.loosest < 1e-3, "distances are not pinned down: {} m", tally.loosest);
    assert!(total >= scenes * per_image as u64 / 2, "only {total} pairs");
    let absent: Vec<&str> =
        Kind::ALL.iter().filter(|kind| !tally.judged.contains_key(kind)).map(|kind| kind.name()).collect();
    assert!(!full || absent.is_empty(), "never asked: {absent:?}");
}

/// The same answer made wrong.
fn falsified(answer: &Answer) -> Answer {
    match answer {
        Answer::YesNo(yes) => Answer::YesNo(!yes),
        Answer::Object(at) => Answer::Object(u8::from(*at == 0)),
        Answer::Side(side) => Answer::Side(if *side == Side::Left { Side::Right } else { Side::Left }),
        Answer::Length(said) => {
            let farther = said.said_m * 1.5 + 2.0 * said.tolerance_m;
            Answer::Length(Quantity { said_m: farther, ..said.clone() })
        }
        Answer::Count(count) => Answer::Count(count + 1),
        Answer::Clock(hour) => Answer::Clock(hour % 12 + 1),
        Answer::Option(at) => Answer::Option(u8::from(*at == 0)),
    }
}

#[test]
fn the_judge_finds_every_false_answer() {
    let options = RenderOptions { width: 240, height: 180, world: None, supersample: 1 };
    let templates = Templates::builtin().unwrap();
    let generate = GenerateOptions { seed: SEED, ..GenerateOptions::default() };
    let generator = Generator::new(templates, generate);
    for number in 0..6 {
        let rendered = render(SEED, number, &options).unwrap();
        let mut pairs = generator.generate(&rendered.scene);
        for pair in &mut pairs {
            pair.answer = falsified(&pair.answer);
        }
        assert_eq!(judge(&rendered, &pairs).wrong.len(), pairs.len());
    }
}

/// The judge's own tool: its projections onto solids, against grids of points.
#[test]
fn projections_onto_solids_are_the_nearest_points() {
    let options = RenderOptions { width: 64, height: 48, world: None, supersample: 1 };
    for number in 0..6 {
        let rendered = render(SEED, number, &options).unwrap();
        let solids: Vec<_> = rendered.shapes.iter().flat_map(|shape| &shape.primitives).collect();
        for (at, solid) in solids.iter().enumerate() {
            let other = solids[(at * 7 + 3) % solids.len()].centre;
            let beside = solid.centre + solid.half_extents() * 1.2;
            for point in [other, beside, solid.centre] {
                solids::check_projection(solid, point).unwrap();
            }
        }
    }
}
