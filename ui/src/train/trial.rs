//! Before and after: the same benchmark asked of the base and of what was learned, with pictures and without.

use std::path::{Path, PathBuf};

use plumb_engine::{DeviceChoice, Event, EventKind, ImageMode, JobId, ModelRequest, Request, Scoring, demo};
use plumb_train::config::{MethodConfig, TrainConfig};
use plumb_train::run::RESULT_FOLDER;

use crate::cx::{Cx, Show, Wish};
use crate::pane::Workspace;

/// One of the four runs.
#[derive(Debug)]
struct Part {
    job: Option<JobId>,
    folder: PathBuf,
    done: bool,
}

/// The evaluations of one training.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) folder: PathBuf,
    parts: Vec<Part>,
    pub(crate) failed: Option<String>,
}

/// The names of the runs' folders: `report` finds what was asked without pictures beside what was asked with them.
const NAMES: [&str; 4] = ["before", "before-blind", "after", "after-blind"];

impl Trial {
    /// Starts the four; `None` where the engine takes none.
    pub(crate) fn start(
        folder: &Path,
        config: &TrainConfig,
        bench: &str,
        device: DeviceChoice,
        cx: &mut Cx<'_>,
    ) -> Option<Self> {
        let bench =
            if bench.trim().is_empty() { PathBuf::from(demo::NAME) } else { PathBuf::from(bench.trim()) };
        let name = super::plots::name(folder);
        let place = cx.runs.join(format!("{name}-on-{}", word(&bench)));
        let mut parts = Vec::new();
        for own in NAMES {
            let after = own.starts_with("after");
            let request = Request::Eval {
                model: model(folder, config, device, after),
                bench: bench.clone(),
                out: place.join(own),
                preset: plumb_bench::PromptPreset::Official,
                scoring: Scoring::Loglik,
                image: if own.ends_with("blind") { ImageMode::Blind } else { ImageMode::Full },
                limit: None,
                max_tokens: 16,
            };
            let title = format!("Evaluating {name}, {}", own.replace("-blind", " without pictures"));
            let job = Some(cx.start(title, request)?);
            parts.push(Part { job, folder: place.join(own), done: false });
        }
        Some(Self { folder: folder.to_owned(), parts, failed: None })
    }

    /// The runs before and after, where both are done.
    pub(crate) fn pair(&self) -> Option<(&Path, &Path)> {
        let done = self.parts.iter().all(|part| part.done);
        let of = |i: usize| self.parts.get(i).map(|part| &*part.folder);
        done.then(|| of(0).zip(of(2))).flatten()
    }

    /// How many of the four are done.
    pub(crate) fn done(&self) -> usize {
        self.parts.iter().filter(|part| part.done).count()
    }

    pub(crate) fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        let Some(part) = self.parts.iter_mut().find(|part| part.job == Some(event.job)) else { return };
        match &event.kind {
            EventKind::Finished { .. } => (part.job, part.done) = (None, true),
            EventKind::Failed { error } => {
                part.job = None;
                self.failed = Some(error.clone());
            }
            EventKind::Cancelled => {
                part.job = None;
                self.failed = Some(
                    "It was stopped; what was answered is kept, and is taken up when it is started again"
                        .to_owned(),
                );
            }
            _ => return,
        }
        if let Some((before, after)) = self.pair() {
            let text = format!("{} was evaluated before and after", super::plots::name(&self.folder));
            cx.wishes.push(Wish::Said(text));
            let (before, after) = (before.to_owned(), after.to_owned());
            cx.library.forget(&plumb_engine::look::Look::Compare { a: before, b: after });
        }
    }

    /// Opens both runs in Evaluate, the one after the training last.
    pub(crate) fn open(&self, cx: &mut Cx<'_>) {
        if let Some((before, after)) = self.pair() {
            cx.wishes.push(Wish::Show(Show::Run(before.to_owned())));
            cx.wishes.push(Wish::Show(Show::Run(after.to_owned())));
            cx.wishes.push(Wish::GoTo(Workspace::Evaluate));
        }
    }
}

/// The base, or what was made of it, computed alike.
pub(super) fn model(folder: &Path, config: &TrainConfig, device: DeviceChoice, after: bool) -> ModelRequest {
    let whole = matches!(config.method, MethodConfig::Full { .. });
    let result = folder.join(RESULT_FOLDER);
    ModelRequest {
        model: if after && whole { result.display().to_string() } else { config.model.clone() },
        device,
        precision: config.precision,
        longest_edge: config.longest_edge,
        adapter: (after && !whole).then_some(result),
    }
}

/// A benchmark's name as a part of a folder's name.
fn word(bench: &Path) -> String {
    let stem =
        bench.file_stem().map_or_else(|| "benchmark".to_owned(), |stem| stem.to_string_lossy().into_owned());
    stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::presets::Preset;

    #[test]
    fn the_result_is_an_adapter_or_a_whole_model() {
        let mut config = TrainConfig::draft("t", "model = \"demo\"").unwrap();
        let folder = Path::new("/runs/a");
        let after = model(folder, &config, DeviceChoice::Cpu, true);
        assert_eq!((&*after.model, after.adapter), ("demo", Some("/runs/a/result".into())));
        Preset::Full.apply(&mut config);
        let after = model(folder, &config, DeviceChoice::Cpu, true);
        assert_eq!((&*after.model, after.adapter), ("/runs/a/result", None));
        let before = model(folder, &config, DeviceChoice::Cpu, false);
        assert_eq!((&*before.model, before.adapter), ("demo", None));
    }

    #[test]
    fn folders_have_names_that_a_disk_takes() {
        assert_eq!(word(Path::new("/a/CV Bench:2.parquet")), "CV-Bench-2");
        assert_eq!(word(Path::new("demo")), "demo");
        assert_eq!(word(Path::new("/")), "benchmark");
    }
}
