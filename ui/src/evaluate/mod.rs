//! The evaluate workspace: a model on a benchmark, and every answer one by one.
//!
//! `data` joins the rows of a benchmark with the answers of a run, `facets` chooses among them; the other files draw.

mod calibration;
mod columns;
mod compare;
mod confusion;
mod data;
mod export;
mod facet_list;
mod facets;
mod fingerprint;
mod formats;
mod grid;
mod html;
mod letters;
mod lines;
mod pictures;
mod prepare;
mod rerun;
mod runs;
mod sample;
mod score;
mod setup;
mod state;
mod table;
mod viewer;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::Ui;
use plumb_bench::Report;
use plumb_engine::look::{Look, RunSeen, Unfinished};
use plumb_engine::{Event, EventKind, ImageMode, JobId, Outcome};
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::cx::{Cx, Show};
use crate::pane::Pane;
use data::{Bench, Data, Run};
use facets::{Facet, Filter, Found};
use prepare::MadeOf;
use state::{Live, Notes, Setup};

/// What the workspace keeps; the saved part is restored at the next start.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluate {
    setup: Setup,
    /// The run that is shown, and the one that it is compared with.
    a: Option<PathBuf>,
    b: Option<PathBuf>,
    notes: Notes,
    #[serde(skip)]
    now: Now,
}

/// What is not saved.
#[derive(Default)]
struct Now {
    data: Option<Arc<Data>>,
    /// What `data` was made of, and when, in seconds of the window's clock.
    made_of: Option<MadeOf>,
    made_at: f64,
    /// Why there is no benchmark, or no run.
    bench_failed: Option<String>,
    run_failed: Option<String>,
    prior: Option<(Bench, Arc<Report>)>,
    found: Arc<Found>,
    /// What `found` and `order` were made of.
    found_of: Option<(u64, Filter)>,
    order: Arc<Vec<usize>>,
    order_of: Option<(u64, Filter, table::Sort)>,
    calibration: calibration::Made,
    /// Rises when `data` is made anew.
    version: u64,
    /// Rises with every flag and note.
    noted: u64,
    filter: Filter,
    /// Facets whose values are all listed.
    whole: BTreeSet<Facet>,
    sort: table::Sort,
    /// Index of a row.
    selected: Option<usize>,
    /// Whether the table should bring the selected row into view.
    reveal: bool,
    live: Vec<Live>,
    /// The evaluation that is watched while it goes on.
    follow: Option<JobId>,
    pictures: pictures::Pictures,
    viewer: viewer::Viewer,
    reruns: rerun::Reruns,
    export: export::Exporter,
}

impl Evaluate {
    /// Draws one of the workspace's panes.
    pub fn ui(&mut self, pane: Pane, ui: &mut Ui, cx: &mut Cx<'_>) {
        self.prepare(ui.ctx(), cx);
        match pane {
            Pane::EvaluateSetup => setup::ui(self, ui, cx),
            Pane::EvaluateScore => score::ui(self, ui, cx),
            Pane::EvaluateTable => table::ui(self, ui, cx),
            Pane::EvaluateGrid => grid::ui(self, ui, cx),
            Pane::EvaluateConfusion => confusion::ui(self, ui, cx),
            Pane::EvaluateLetters => letters::ui(self, ui, cx),
            Pane::EvaluateCalibration => calibration::ui(self, ui),
            Pane::EvaluateCompare => compare::ui(self, ui, cx),
            Pane::EvaluateSample => sample::ui(self, ui, cx),
            _ => {}
        }
    }

    /// Does what the person chose.
    pub fn command(&mut self, command: Command, cx: &mut Cx<'_>) {
        match command {
            Command::EvaluateRun => self.start(self.setup.image, cx),
            Command::EvaluateBlind => self.start_blind(cx),
            Command::NextSample => self.step(1),
            Command::PreviousSample => self.step(-1),
            Command::ClearFacets => self.now.filter = Filter::default(),
            Command::ExportRun => export::begin(self, export::Target::Dialog, cx),
            Command::FlagSample => self.flag(),
            _ => {}
        }
    }

    /// Shows what another place asked for.
    pub fn show(&mut self, show: &Show, cx: &mut Cx<'_>) {
        match show {
            Show::Run(folder) => self.open_run(folder.clone(), cx),
            Show::Bench(path) => {
                self.setup.bench = path.display().to_string();
                self.close_run();
            }
            Show::Model(path) => {
                self.setup.model = path.display().to_string();
                // An adapter belongs to the model before.
                self.setup.adapter.clear();
            }
            Show::Adapter(path) => self.setup.adapter = path.display().to_string(),
            _ => {}
        }
    }

    /// Goes on with an evaluation that was cut short.
    pub fn take_up(&mut self, run: &Unfinished, cx: &mut Cx<'_>) {
        runs::take_up(self, cx, run);
    }

    /// Hears of a job.
    pub fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        if self.now.reruns.hear(event) {
            return;
        }
        let Some(at) = self.now.live.iter().position(|live| live.job == event.job) else { return };
        match &event.kind {
            EventKind::Sample { .. } => {
                if let Some(live) = self.now.live.get_mut(at) {
                    live.hear(event);
                }
            }
            EventKind::Finished { outcome: Outcome::Eval { run, .. } } => {
                let run = run.clone();
                self.ended(at, Some(run), cx);
            }
            EventKind::Finished { .. } => self.ended(at, None, cx),
            EventKind::Failed { .. } | EventKind::Cancelled => {
                if let EventKind::Failed { error } = &event.kind {
                    cx.fail(error.clone());
                }
                let written =
                    self.now.live.get(at).filter(|l| !l.answers.is_empty()).map(|l| l.folder.clone());
                self.ended(at, written, cx);
            }
            _ => {}
        }
    }

    fn ended(&mut self, at: usize, run: Option<PathBuf>, cx: &mut Cx<'_>) {
        let live = self.now.live.remove(at);
        runs::forget(cx);
        let followed = self.now.follow == Some(live.job);
        if followed {
            self.now.follow = None;
        }
        // A blind run belongs to the run that is shown and does not take its place.
        let baseline = live.image == ImageMode::Blind && self.a.is_some();
        if let Some(run) = run.filter(|_| followed && !baseline) {
            self.a = Some(run);
        }
    }

    fn open_run(&mut self, folder: PathBuf, cx: &mut Cx<'_>) {
        cx.library.forget(&Look::Run { folder: folder.clone() });
        self.now.follow = None;
        self.now.run_failed = None;
        self.a = Some(folder);
    }

    fn close_run(&mut self) {
        self.a = None;
        self.b = None;
        self.now.follow = None;
        self.now.run_failed = None;
    }

    /// Starts what is set up.
    fn start(&mut self, image: ImageMode, cx: &mut Cx<'_>) {
        if let Some(missing) = self.setup.missing() {
            cx.fail(missing);
            return;
        }
        let setup = &self.setup;
        let (model, bench) = (words::last(&setup.model), words::last(&setup.bench));
        let title = format!("Evaluating {model} on {bench}, {}", state::image_name(image));
        let name = state::run_name(&setup.model, &setup.adapter, &setup.bench, image, unix_secs());
        let out = cx.runs.join(name);
        let request = setup.request(image, out.clone());
        let bench = setup.bench();
        self.follow(title, request, &out, &bench, image, cx);
    }

    /// The same without pictures: of the run that is shown, else of what is set up.
    fn start_blind(&mut self, cx: &mut Cx<'_>) {
        let run = self.now.data.as_ref().and_then(|data| data.run.clone());
        let Some(run) = run.filter(|run| run.get().manifest.image == ImageMode::Full) else {
            return self.start(ImageMode::Blind, cx);
        };
        let (manifest, folder) = (&run.get().manifest, &run.get().folder);
        let print = &manifest.fingerprint;
        let adapter = print.adapter.clone().unwrap_or_default();
        let bench = manifest.bench.display().to_string();
        let name = state::run_name(&print.model, &adapter, &bench, ImageMode::Blind, unix_secs());
        // Beside the run, where it is looked for.
        let out = folder.parent().map_or_else(|| cx.runs.join(&name), |parent| parent.join(&name));
        let request = manifest.request(ImageMode::Blind, out.clone(), &cx.adapters());
        let title = format!("Evaluating {} without pictures", words::last(&print.model));
        self.follow(title, request, &out, &manifest.bench, ImageMode::Blind, cx);
    }

    fn follow(
        &mut self,
        title: String,
        request: plumb_engine::Request,
        out: &Path,
        bench: &Path,
        image: ImageMode,
        cx: &mut Cx<'_>,
    ) {
        let Some(job) = cx.start(title, request) else { return };
        self.now.live.push(Live::new(job, out, bench, image));
        // The run on show stays while its baseline is made.
        if image != ImageMode::Blind || self.a.is_none() {
            self.now.follow = Some(job);
        }
    }

    /// Goes `by` rows on in the order of the table.
    fn step(&mut self, by: isize) {
        let order = &self.now.order;
        let at = self.now.selected.and_then(|row| order.iter().position(|other| *other == row));
        let next = at.map_or(0, |at| at.saturating_add_signed(by).min(order.len().saturating_sub(1)));
        if let Some(row) = order.get(next) {
            self.now.selected = Some(*row);
            self.now.reveal = true;
        }
    }

    fn flag(&mut self) {
        let Some((place, id)) = self.marked() else { return };
        let mut note = self.notes.get(&place, &id);
        note.flagged = !note.flagged;
        self.notes.set(&place, &id, note);
        self.now.noted += 1;
    }

    /// Under which names the selected row's note is kept.
    fn marked(&self) -> Option<(String, String)> {
        let data = self.now.data.as_ref()?;
        let sample = data.sample(self.now.selected?)?;
        Some((place(data.run.as_ref().map(Run::get), &data.bench), sample.id.clone()))
    }

    fn followed(&self) -> Option<&Live> {
        let job = self.now.follow?;
        self.now.live.iter().find(|live| live.job == job)
    }
}

/// Where notes are kept: with the run, or with the benchmark where there is none.
fn place(run: Option<&RunSeen>, bench: &Bench) -> String {
    run.map_or_else(|| bench.get().path.display().to_string(), |run| run.folder.display().to_string())
}

fn unix_secs() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What a pane says while there are no rows.
fn no_rows(state: &Evaluate, ui: &mut Ui) {
    match &state.now.bench_failed {
        // In full it stands where the benchmark is chosen.
        Some(error) => crate::widgets::empty(ui, "There is no benchmark to show", error),
        None => {
            ui.horizontal(|ui| {
                ui.spinner();
                crate::widgets::dim(ui, "Reading the benchmark…");
            });
        }
    }
}
