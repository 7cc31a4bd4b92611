//! What is set up, what is remembered, and what a running job has said so far.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plumb_bench::{PromptPreset, Sample};
use plumb_engine::eval::MAX_TOKENS;
use plumb_engine::{
    DeviceChoice, Event, EventKind, ImageMode, JobId, ModelRequest, Request, RunManifest, Scoring,
};
use serde::{Deserialize, Serialize};

use super::data::{Given, Mark};
use super::words;
use crate::picker;

/// The name of the demo pack's model, adapter and benchmark.
pub(super) const DEMO: &str = "demo";

/// How the next run is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Setup {
    /// `demo`, a hub id or a folder.
    pub(super) model: String,
    /// `demo` or a folder; empty for none.
    pub(super) adapter: String,
    /// `demo`, a file or a folder.
    pub(super) bench: String,
    pub(super) preset: PromptPreset,
    pub(super) scoring: Scoring,
    pub(super) image: ImageMode,
    /// The first rows only; 0 for all.
    pub(super) limit: usize,
    pub(super) device: DeviceChoice,
    pub(super) max_tokens: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            model: DEMO.to_owned(),
            adapter: String::new(),
            bench: DEMO.to_owned(),
            preset: PromptPreset::default(),
            scoring: Scoring::default(),
            image: ImageMode::default(),
            limit: 0,
            device: DeviceChoice::default(),
            max_tokens: MAX_TOKENS,
        }
    }
}

impl Setup {
    pub(super) fn model_request(&self) -> ModelRequest {
        let adapter = self.adapter.trim();
        ModelRequest {
            model: picker::resolved(&self.model),
            device: self.device,
            precision: None,
            longest_edge: None,
            adapter: (!adapter.is_empty()).then(|| PathBuf::from(picker::resolved(adapter))),
        }
    }

    pub(super) fn bench(&self) -> PathBuf {
        PathBuf::from(self.bench.trim())
    }

    pub(super) fn request(&self, image: ImageMode, out: PathBuf) -> Request {
        Request::Eval {
            model: self.model_request(),
            bench: self.bench(),
            out,
            preset: self.preset,
            scoring: self.scoring,
            image,
            limit: (self.limit > 0).then_some(self.limit),
            max_tokens: self.max_tokens,
        }
    }

    /// What keeps it from being run, in a sentence.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.model.trim().is_empty() {
            Some("Choose a model: demo, a name like organisation/name, or a folder")
        } else if self.bench.trim().is_empty() {
            Some("Choose a benchmark: demo, or a parquet file with CV-Bench's columns")
        } else {
            None
        }
    }

    /// The model as the run had it; the one set up where that is the same, since it may be at hand already.
    pub(super) fn model_of(&self, run: &RunManifest) -> ModelRequest {
        let (own, print) = (self.model_request(), &run.fingerprint);
        let adapter = print.adapter.as_ref().map(PathBuf::from);
        if own.model == print.model && own.adapter == adapter {
            return own;
        }
        ModelRequest { device: self.device, ..run.model_request(&[]) }
    }
}

/// How a mode is said.
pub(super) fn image_name(image: ImageMode) -> &'static str {
    match image {
        ImageMode::Full => "with pictures",
        ImageMode::Blind => "without pictures",
        ImageMode::Blank => "grey pictures",
    }
}

pub(super) fn scoring_name(scoring: Scoring) -> &'static str {
    match scoring {
        Scoring::Loglik => "likeliest option",
        Scoring::Generate => "written answer",
    }
}

pub(super) fn preset_name(preset: PromptPreset) -> &'static str {
    match preset {
        PromptPreset::Official => "CV-Bench's own",
        PromptPreset::LmmsEval => "lmms-eval",
        PromptPreset::VlmEvalKit => "VLMEvalKit",
        PromptPreset::SmolvlmMcq => "SmolVLM multiple choice",
    }
}

/// The folder name of a new run: model, benchmark, mode and the time in UTC.
pub(super) fn run_name(model: &str, adapter: &str, bench: &str, image: ImageMode, unix_secs: u64) -> String {
    let slug = |text: &str| -> String {
        let plain: String =
            text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
    };
    let bench = words::last(bench).trim_end_matches(".parquet");
    let mut parts = vec![slug(words::last(model)), slug(words::last(adapter)), slug(bench)];
    match image {
        ImageMode::Full => {}
        ImageMode::Blind => parts.push("blind".into()),
        ImageMode::Blank => parts.push("blank".into()),
    }
    parts.push(utc(unix_secs));
    parts.retain(|part| !part.is_empty());
    parts.join("_")
}

/// `20261121-192520`: days to a date by Howard Hinnant's `civil_from_days`.
fn utc(unix_secs: u64) -> String {
    let (days, secs) = (unix_secs / 86_400 + 719_468, unix_secs % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// What a person said of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Note {
    pub(super) flagged: bool,
    pub(super) text: String,
}

/// Flags and notes, by the folder of the run (or the benchmark's path) and the sample's id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Notes(BTreeMap<String, BTreeMap<String, Note>>);

impl Notes {
    pub(super) fn get(&self, place: &str, id: &str) -> Note {
        self.0.get(place).and_then(|of| of.get(id)).cloned().unwrap_or_default()
    }

    pub(super) fn set(&mut self, place: &str, id: &str, note: Note) {
        let of = self.0.entry(place.to_owned()).or_default();
        if note == Note::default() {
            of.remove(id);
        } else {
            of.insert(id.to_owned(), note);
        }
        if of.is_empty() {
            self.0.remove(place);
        }
    }

    pub(super) fn mark(&self, place: &str, sample: &Sample) -> Mark {
        match self.0.get(place).and_then(|of| of.get(&sample.id)) {
            Some(note) => Mark { flagged: note.flagged, noted: !note.text.trim().is_empty() },
            None => Mark::default(),
        }
    }
}

/// An evaluation that this session started and that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) job: JobId,
    pub(super) folder: PathBuf,
    pub(super) bench: PathBuf,
    pub(super) image: ImageMode,
    pub(super) total: usize,
    /// The first row that this job answered: the rows before it are in the run already.
    pub(super) first: Option<usize>,
    pub(super) answers: BTreeMap<usize, Given>,
    /// Rises with every answer.
    pub(super) version: u64,
}

impl Live {
    pub(super) fn new(job: JobId, folder: &Path, bench: &Path, image: ImageMode) -> Self {
        Self {
            job,
            folder: folder.to_owned(),
            bench: bench.to_owned(),
            image,
            total: 0,
            first: None,
            answers: BTreeMap::new(),
            version: 0,
        }
    }

    /// Takes one row's answer.
    pub(super) fn hear(&mut self, event: &Event) {
        let EventKind::Sample { index, total, correct, error, chosen, seconds, .. } = &event.kind else {
            return;
        };
        self.total = *total;
        self.first = Some(self.first.map_or(*index, |first| first.min(*index)));
        let given = Given {
            sample: *index,
            chosen: *chosen,
            correct: *correct,
            failed: error.is_some(),
            probabilities: None,
            seconds: *seconds,
        };
        self.answers.insert(*index, given);
        self.version += 1;
    }

    /// Takes what an earlier job had written.
    pub(super) fn before(&mut self, earlier: impl Iterator<Item = Given>) {
        let Some(first) = self.first else { return };
        let known = self.answers.len();
        for given in earlier.filter(|given| given.sample < first) {
            self.answers.entry(given.sample).or_insert(given);
        }
        if self.answers.len() > known {
            self.version += 1;
        }
    }

    /// Whether rows of an earlier job are not known yet.
    pub(super) fn wants_earlier(&self) -> bool {
        self.first.is_some_and(|first| first > 0 && !self.answers.contains_key(&0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_and_when() {
        let at = 1_795_289_120;
        let name = run_name("org/SmolVLM2-500M", "", "/data/cv bench.parquet", ImageMode::Blind, at);
        assert_eq!(name, "smolvlm2-500m_cv-bench_blind_20261121-192520");
        assert_eq!(run_name("demo", "demo", "demo", ImageMode::Full, 0), "demo_demo_demo_19700101-000000");
        assert_eq!(utc(951_782_400), "20000229-000000");
        assert!(!run_name("../..", "", "///", ImageMode::Full, 0).contains(['/', '.']));
    }

    #[test]
    fn notes_come_and_go() {
        let mut notes = Notes::default();
        notes.set("run", "7", Note { flagged: true, text: String::new() });
        let back: Notes = serde_json::from_str(&serde_json::to_string(&notes).unwrap()).unwrap();
        assert!(back.get("run", "7").flagged && !back.get("other", "7").flagged);
        notes.set("run", "7", Note::default());
        assert_eq!(notes, Notes::default());
    }

    #[test]
    fn a_job_that_goes_on_takes_what_was_there() {
        let mut live = Live::new(1, Path::new("r"), Path::new("b"), ImageMode::Full);
        let kind = EventKind::Sample {
            index: 2,
            total: 4,
            id: "2".into(),
            correct: Some(true),
            error: None,
            chosen: Some(0),
            status: None,
            seconds: None,
        };
        live.hear(&Event { job: 1, kind });
        assert!(live.wants_earlier());
        let given = |sample| Given {
            sample,
            chosen: Some(1),
            correct: Some(false),
            failed: false,
            probabilities: None,
            seconds: None,
        };
        live.before([0, 1, 2, 3].map(given).into_iter());
        assert_eq!((live.answers.len(), live.wants_earlier(), live.version), (3, false, 2));
        assert_eq!(live.answers[&2].chosen, Some(0), "what the job said is newer");
    }

    #[test]
    fn a_setup_of_another_version_still_reads() {
        let setup: Setup = serde_json::from_str("{\"model\": \"x\"}").unwrap();
        assert_eq!((setup.model.as_str(), setup.bench.as_str(), setup.missing()), ("x", DEMO, None));
    }
}
