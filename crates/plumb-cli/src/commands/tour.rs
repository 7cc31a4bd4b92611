//! `plumbline` on its own: every part of the program at work on the demo pack, in about a minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plumb_bench::{Benchmark, Comparison, PromptPreset};
use plumb_engine::{
    AskOutcome, DeviceChoice, EventKind, ImageMode, ModelRequest, Outcome, Pack, Request, Scoring,
    demo as pack,
};
use plumb_pipeline::VerifyJob;
use plumb_store::places;
use plumb_store::runs::RunLock;
use plumb_train::config::TrainConfig;
use plumb_train::run::TrainEvent;
use plumb_vlm::Sampling;
use serde_json::json;

use super::demo::Both;
use super::doctor;
use super::proof::{self, Proven};
use super::report::{self, Scored, difference};
use crate::follow::{self, Show, print_json};

/// Steps of the training that is shown.
const STEPS: u64 = 20;
/// Its learning rate: twenty steps should show something.
const RATE: &str = "5e-3";
/// Steps whose mean loss is shown.
const GROUP: usize = 5;

/// The person pressed Ctrl-C.
struct Stopped;
/// What a step gives.
type Step<T> = anyhow::Result<Result<T, Stopped>>;

/// Unwraps a [`Step`], or ends the function that made it because the person said so.
macro_rules! step {
    ($step:expr) => {
        match $step? {
            Ok(value) => value,
            Err(Stopped) => return Ok(Err(Stopped)),
        }
    };
}

pub(crate) fn run(json: bool) -> anyhow::Result<ExitCode> {
    let (device, passed) = doctor::head(json)?;
    let shown = Pack::find().map_err(anyhow::Error::from).and_then(|pack| {
        let tour = Tour { pack, out: Folder::new()?, device, json };
        Ok(tour.all()?.is_ok())
    });
    match shown {
        Ok(false) => return Ok(ExitCode::from(crate::INTERRUPTED)),
        Ok(true) => {}
        // A broken pack is said, and is no reason to say nothing more.
        Err(error) if json => print_json(&json!({ "step": "demo", "error": format!("{error:#}") }))?,
        Err(error) => println!("\n{error:#}"),
    }
    doctor::next(json)?;
    Ok(doctor::code(passed))
}

/// The folder of the tour's runs, which the next tour replaces.
struct Folder {
    place: PathBuf,
    _lock: RunLock,
}

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let temporary = std::env::temp_dir().join("plumbline");
        let own = places::runs().map(|runs| runs.join("tour"));
        // A home that cannot be written in is no reason to show nothing.
        let place = own.filter(|place| fs::create_dir_all(place).is_ok()).unwrap_or(temporary.join("tour"));
        fs::create_dir_all(&place).with_context(|| format!("cannot write in {}", place.display()))?;
        let lock = RunLock::take(&place)?;
        for part in ["before", "after", "learned"] {
            let old = place.join(part);
            if old.exists() {
                fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        Ok(Self { place, _lock: lock })
    }

    fn path(&self, part: &str) -> PathBuf {
        self.place.join(part)
    }
}

struct Tour {
    pack: Pack,
    out: Folder,
    device: DeviceChoice,
    json: bool,
}

impl Tour {
    fn all(&self) -> Step<()> {
        self.say(&format!(
            "\nThe whole loop on the demo pack in {}; runs of this tour: {}",
            self.pack.folder().display(),
            self.out.place.display()
        ));
        step!(self.scene());
        step!(self.ask());
        let (seen, blind) = step!(self.evaluate(None));
        step!(self.train());
        step!(self.adapted(&seen, &blind));
        Ok(Ok(()))
    }

    fn say(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    fn title(&self, number: u32, what: &str, command: &str) {
        self.say(&format!("\n{number}. {what}\n   $ {command}"));
    }

    fn model(&self, adapter: Option<&str>) -> ModelRequest {
        ModelRequest {
            model: pack::NAME.to_owned(),
            device: self.device,
            precision: None,
            longest_edge: None,
            adapter: adapter.map(PathBuf::from),
        }
    }

    /// Scenes with questions whose answers are computed again from the geometry.
    fn scene(&self) -> Step<()> {
        let file = self.pack.questions()?;
        self.title(
            1,
            "Questions that a scene proves: each answer is computed again from the geometry",
            &format!("plumbline verify {}", shown(&file)),
        );
        let proven: Vec<Proven> = proof::examples(&file)?;
        let Some(Outcome::Verify(all)) =
            follow::run(Request::Verify(VerifyJob { file, templates: None }), QUIET)?
        else {
            return Ok(Err(Stopped));
        };
        if self.json {
            print_json(&json!({ "step": "scene", "questions": proven, "verified": *all }))?;
        }
        if let Some(first) = proven.first() {
            self.say(&format!("   picture {}", shown(&self.pack.scenes()?.join(&first.image))));
        }
        for one in &proven {
            self.say(&one.text("   "));
        }
        self.say(&format!(
            "   all {} questions of {} scenes: {} right, {} wrong, {} undecided",
            all.pairs, all.scenes, all.right, all.wrong, all.undecided
        ));
        Ok(Ok(()))
    }

    /// The first question of the benchmark.
    fn ask(&self) -> Step<()> {
        let bench = Benchmark::open(self.pack.benchmark()?)?;
        let sample = bench.samples().first().context("the demo benchmark is empty")?;
        let bytes = bench.image(sample.row)?;
        let name = if bytes.starts_with(&[0xff, 0xd8]) { "question.jpg" } else { "question.png" };
        let image = self.out.path(name);
        fs::write(&image, &bytes).with_context(|| format!("cannot write {}", image.display()))?;
        let options: Vec<String> = sample.options.iter().map(ToString::to_string).collect();
        self.title(
            2,
            "The model is asked the first question of the benchmark",
            &format!(
                "plumbline ask --model demo --image {} --question {} --options {}",
                shown(&image),
                quoted(&sample.question),
                quoted(&options.join("|"))
            ),
        );
        let request = Request::Ask {
            model: self.model(None),
            image: Some(image),
            question: sample.question.clone(),
            options,
            preset: PromptPreset::default(),
            sampling: Sampling::Greedy,
            max_tokens: 1,
            attention: false,
        };
        let Some(Outcome::Ask(outcome)) = follow::run(request, QUIET)? else { return Ok(Err(Stopped)) };
        let outcome: AskOutcome = *outcome;
        let gold = sample.options.get(sample.gold).map(ToString::to_string);
        if self.json {
            print_json(
                &json!({ "step": "ask", "question": sample.question, "right": gold, "answer": outcome }),
            )?;
            return Ok(Ok(()));
        }
        let width = outcome.options.iter().map(|o| o.text.chars().count()).max().unwrap_or(0);
        for option in &outcome.options {
            let bar = "█".repeat((option.probability * 20.0).round() as usize);
            let mark = if option.text == outcome.answer { "→" } else { " " };
            let right = if Some(&option.text) == gold.as_ref() { "  (right)" } else { "" };
            println!("   {mark} {:width$} {:5.1} %  {bar}{right}", option.text, option.probability * 100.0);
        }
        Ok(Ok(()))
    }

    /// The benchmark with images and without.
    fn evaluate(&self, adapter: Option<&str>) -> Step<(Scored, Scored)> {
        let part = self.out.path(if adapter.is_some() { "after" } else { "before" });
        if adapter.is_none() {
            self.title(
                3,
                "The benchmark, with images and without: what the score owes to looking",
                "plumbline eval demo",
            );
        }
        let seen = step!(self.benchmark(adapter, ImageMode::Full, &part.join("full")));
        let blind = step!(self.benchmark(adapter, ImageMode::Blind, &part.join("blind")));
        let both = Both { seen: &seen, blind: &blind };
        let name = if adapter.is_some() { "adapter" } else { "evaluation" };
        if self.json {
            let mut value = both.json();
            if let Some(fields) = value.as_object_mut() {
                fields.insert("step".into(), json!(name));
            }
            print_json(&value)?;
        }
        self.say(&indented(&both.to_string()));
        Ok(Ok((seen, blind)))
    }

    fn benchmark(&self, adapter: Option<&str>, image: ImageMode, out: &Path) -> Step<Scored> {
        let bench = self.pack.benchmark()?;
        let request = Request::Eval {
            model: self.model(adapter),
            bench: bench.clone(),
            out: out.to_owned(),
            preset: PromptPreset::default(),
            scoring: Scoring::Loglik,
            image,
            limit: None,
            max_tokens: 1,
        };
        let Some(Outcome::Eval { run, .. }) = follow::run(request, QUIET)? else { return Ok(Err(Stopped)) };
        Ok(Ok(report::load(&run, Some(&bench), None)?))
    }

    /// A few steps of LoRA on the questions of the scenes.
    fn train(&self) -> Step<()> {
        let (data, out) = (self.pack.questions()?, self.out.path("learned"));
        self.title(
            4,
            &format!("{STEPS} steps of LoRA on the questions of the scenes"),
            &format!(
                "plumbline train --model demo --data {} --lr {RATE} --steps {STEPS} --eval-every 0 --out RUN",
                shown(&data)
            ),
        );
        let draft = format!(
            "steps = {STEPS}\n[optimizer]\nlr = {RATE}\n[evaluate]\nevery = 0\n[[data]]\npath = \"\"\n"
        );
        let mut config = TrainConfig::draft("the tour", &draft)?;
        pack::NAME.clone_into(&mut config.model);
        config.out.clone_from(&out);
        config.data.iter_mut().for_each(|source| source.path.clone_from(&data));
        let mut losses: Vec<f64> = Vec::new();
        let request =
            Request::Train { config: Box::new(config), device: self.device, resume: false, dry_run: false };
        let outcome = follow::run_with(request, QUIET, &mut |kind, _| {
            if let EventKind::Train(TrainEvent::Step { metrics, .. }) = kind {
                losses.extend(metrics.loss.map(f64::from));
            }
        })?;
        let finished = match outcome {
            Some(Outcome::Train { finished: Some(finished), .. }) if finished.complete => finished,
            _ => return Ok(Err(Stopped)),
        };
        if losses.is_empty() {
            bail!("the training told no loss");
        }
        if self.json {
            print_json(&json!({ "step": "training", "losses": losses, "finished": finished }))?;
        }
        let means = losses.chunks(GROUP).map(|group| group.iter().sum::<f64>() / group.len() as f64);
        let means: Vec<String> = means.map(|mean| format!("{mean:.3}")).collect();
        self.say(&format!("   loss, means of {GROUP} steps: {}", means.join(" → ")));
        if let Some(result) = finished.result {
            self.say(&format!("   an adapter that PEFT loads: {}", result.display()));
        }
        Ok(Ok(()))
    }

    /// The pack's own adapter, before and after.
    fn adapted(&self, seen: &Scored, blind: &Scored) -> Step<()> {
        if let Err(error) = self.pack.adapter() {
            self.say(&format!("\n5. No adapter to compare with: {error}"));
            return Ok(Ok(()));
        }
        self.title(
            5,
            "An adapter that was trained longer: the same benchmark, before and after",
            "plumbline eval demo --adapter demo; plumbline report BEFORE AFTER",
        );
        let (after, after_blind) = step!(self.evaluate(Some(pack::NAME)));
        let found: Comparison = difference(seen, &after)?;
        if self.json {
            print_json(&json!({ "step": "comparison", "comparison": found }))?;
        }
        let share = |run: &Scored| run.report.micro.accuracy.unwrap_or_default() * 100.0;
        let (full, text) = (share(&after) - share(seen), share(&after_blind) - share(blind));
        self.say(&format!(
            "   {:.1} % before, {:.1} % after: {} rows became right, {} wrong (exact McNemar p = {:.2e})",
            share(seen),
            share(&after),
            found.only_b,
            found.only_a,
            found.p
        ));
        self.say(&format!(
            "   gain {full:+.1} points with images, {text:+.1} blind: {:+.1} by looking",
            full - text
        ));
        Ok(Ok(()))
    }
}

const QUIET: Show = Show { events: false, text: false, quiet: true };

/// A path as a person in this folder would type it.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    let short = path.strip_prefix(current).unwrap_or(path).display().to_string();
    if short.contains(' ') { quoted(&short) } else { short }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`"))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}")).collect::<Vec<_>>().join("\n")
}
