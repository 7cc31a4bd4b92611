//! Runs: a list of them, one with its answers, two side by side.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use plumb_bench::score::{Judged, judge};
use plumb_bench::{Parser, Prediction, Sample};
use plumb_store::runs::{MANIFEST_FILE, RECORDS_FILE, read_manifest, read_records};
use serde::de::IgnoredAny;

use super::{Answer, CompareSeen, RunListed, RunSeen, Seen};
use crate::error::{EngineError, Result};
use crate::job::Reporter;
use crate::protocol::ImageMode;
use crate::runs::{self, Scored};

/// Folders below the one that is listed: an evaluation of the demo has its runs in a folder of its own.
const DEEPEST: usize = 2;

pub(super) fn list(folder: &Path) -> Result<Seen> {
    let mut places = Vec::new();
    if folder.join(MANIFEST_FILE).exists() {
        places.push(folder.to_owned());
    } else {
        match below(folder, DEEPEST, &mut places) {
            // Nobody has made a run yet.
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(EngineError::Read { file: folder.display().to_string(), source });
            }
            _ => {}
        }
    }
    let mut runs: Vec<RunListed> = places.into_iter().map(|place| listed(folder, place)).collect();
    runs.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.folder.cmp(&b.folder)));
    Ok(Seen::Runs { runs })
}

fn below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join(MANIFEST_FILE).exists() {
            found.push(path);
        } else if depth > 1 && path.is_dir() {
            // What cannot be entered does not hide the others.
            below(&path, depth - 1, found).ok();
        }
    }
    Ok(())
}

fn listed(root: &Path, folder: PathBuf) -> RunListed {
    let records = read_records::<IgnoredAny>(&folder).map(|all| all.len() as u64);
    let manifest = read_manifest(&folder);
    let modified = [RECORDS_FILE, MANIFEST_FILE]
        .iter()
        .find_map(|file| std::fs::metadata(folder.join(file)).and_then(|meta| meta.modified()).ok())
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map(|since| since.as_secs());
    let name = folder.strip_prefix(root).unwrap_or(&folder);
    let name = if name.as_os_str().is_empty() { folder.file_name().map(Path::new) } else { Some(name) };
    RunListed {
        name: name.unwrap_or(&folder).display().to_string(),
        records: *records.as_ref().unwrap_or(&0),
        manifest: match (manifest, records) {
            (Ok(manifest), Ok(_)) => Ok(Box::new(manifest)),
            (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
        },
        modified,
        folder,
    }
}

pub(super) fn run(folder: &Path, reporter: &Reporter) -> Result<Seen> {
    let run = runs::load(folder, None, None)?;
    let (blind, blind_folder) = match blind(folder, &run) {
        None => (None, None),
        Some((place, Ok(scored))) => (Some(Box::new(scored.report)), Some(place)),
        // The run itself is good.
        Some((_, Err(error))) => {
            reporter.note(format!("the blind run beside it cannot be shown: {error}"));
            (None, None)
        }
    };
    let judgement = run.judgement();
    let answers =
        judgement.rows.iter().enumerate().filter_map(|(at, row)| Answer::of(at, row, run.parser)).collect();
    Ok(Seen::Run(Box::new(RunSeen {
        folder: folder.to_owned(),
        answers,
        manifest: run.manifest,
        parser: run.parser,
        report: run.report,
        blind,
        blind_folder,
    })))
}

fn blind(folder: &Path, run: &Scored) -> Option<(PathBuf, Result<Scored>)> {
    if run.manifest.image != ImageMode::Full {
        return None;
    }
    let place = runs::blind_beside(folder, &run.manifest)?;
    let scored = runs::load(&place, Some(&run.bench), Some(run.parser));
    Some((place, scored))
}

pub(super) fn compare(a: &Path, b: &Path) -> Result<Seen> {
    let (a, b) = (runs::load(a, None, None)?, runs::load(b, None, None)?);
    let [only_a, only_b] = runs::discordant(&a, &b)?;
    Ok(Seen::Compare(Box::new(CompareSeen { comparison: runs::difference(&a, &b)?, only_a, only_b })))
}

impl Answer {
    /// `None` for a row that nobody tried.
    fn of(sample: usize, row: &Judged<'_>, parser: Parser) -> Option<Self> {
        let prediction = row.prediction?;
        // The judgement has no status for an answer that does not count.
        let status = prediction.error.is_none().then(|| parser.parse(row.sample, prediction).status);
        Some(Self {
            sample,
            chosen: row.parsed.and_then(|parsed| parsed.choice),
            correct: row.parsed.map(|_| row.correct),
            status,
            raw: prediction.raw.clone(),
            probabilities: prediction.probabilities(row.sample.options.len()),
            prompt: prediction.prompt.clone(),
            seconds: prediction.seconds,
            error: prediction.error.clone(),
        })
    }

    /// The judgement of a single prediction.
    pub(crate) fn one(at: usize, sample: &Sample, prediction: &Prediction, parser: Parser) -> Option<Self> {
        let judgement = judge(std::slice::from_ref(sample), std::slice::from_ref(prediction), parser);
        Self::of(at, judgement.rows.first()?, parser)
    }
}
