//! What is asked about a scene.

use std::path::{Path, PathBuf};

use plumb_pipeline::SynthJob;
use plumb_pipeline::edit::edited_questions;
use plumb_qa::dataset::{Format, JsonlReader, ParquetQaReader, QaRow, ReadOptions};
use plumb_qa::generate::render_texts;
use plumb_qa::{QaError, QaPair, Templates};
use plumb_scene::edit::Edit;

use super::{Seen, bare};
use crate::data::Throttled;
use crate::demo::{self, Pack};
use crate::error::{EngineError, Result};
use crate::job::Reporter;

/// What `plumbline synth` is told to write to, by every example of it.
const FILES: [&str; 2] = ["qa.parquet", "qa.jsonl"];

/// Rows between two looks at whether the job should stop.
const STRIDE: u64 = 4096;

/// Most pairs that are shown: a scene has some dozens.
const MOST: usize = 100_000;

pub(super) fn of(place: &Path, scene: &str, reporter: &Reporter) -> Result<Seen> {
    if bare::is_cloud(place) {
        return Ok(Seen::Questions { questions: Vec::new() });
    }
    let place = demo::or(place, Pack::questions)?;
    let Some(file) = file(&place)? else {
        return Ok(Seen::Questions { questions: Vec::new() });
    };
    let mut search = Search { scene, reporter, questions: Vec::new(), good: 0, bad: 0, first: None };
    if Format::of_path(&file) == Some(Format::Jsonl) {
        let mut lines = JsonlReader::open(&file).map_err(qa)?;
        search.through(&mut lines, 0)?;
        // Lines that cannot be read are passed over there, and counted.
        search.bad += lines.issues().total;
        search.first = search.first.or_else(|| lines.issues().list.first().map(ToString::to_string));
    } else {
        let templates = Templates::builtin().map_err(qa)?;
        let rows = ParquetQaReader::open(&file, ReadOptions { geometry: false }).map_err(qa)?;
        let total = rows.rows();
        let render = |pair: &QaPair| {
            render_texts(templates, pair).ok_or_else(|| QaError::Format {
                path: file.display().to_string(),
                detail: "a row names a template that does not exist".to_owned(),
            })
        };
        search.through(&mut rows.render_with(render), total)?;
    }
    match search.first {
        Some(error) if search.good == 0 => return Err(EngineError::Request(error)),
        Some(error) => reporter.note(format!("{} rows cannot be read, the first: {error}", search.bad)),
        None => {}
    }
    Ok(Seen::Questions { questions: search.questions })
}

/// What is asked about a scene after `edits`, made as the stored questions of its folder were.
pub(super) fn of_edited(folder: &Path, index: usize, edits: &[Edit], reporter: &Reporter) -> Result<Seen> {
    let recipe = recipe(folder)?;
    let place = super::scenes::place(folder, index)?;
    let monitor = Throttled::new(reporter);
    Ok(Seen::Questions { questions: edited_questions(&place, edits, &recipe, &monitor)? })
}

/// How the questions stored with the scenes of `folder` were made.
fn recipe(folder: &Path) -> Result<SynthJob> {
    let scenes = demo::or(folder, Pack::scenes)?;
    let dataset = stored(folder)?;
    Ok(plumb_pipeline::edit::recipe(dataset.as_deref(), &scenes)?)
}

/// The data set that is stored with the scenes of `folder`.
pub(crate) fn stored(folder: &Path) -> Result<Option<PathBuf>> {
    file(&demo::or(folder, Pack::questions)?)
}

struct Search<'a> {
    scene: &'a str,
    reporter: &'a Reporter,
    questions: Vec<QaPair>,
    good: u64,
    bad: u64,
    /// What is wrong with the first row that cannot be read.
    first: Option<String>,
}

impl Search<'_> {
    /// Looks at all `rows`; `total` where it is known.
    fn through(&mut self, rows: &mut dyn Iterator<Item = plumb_qa::Result<QaRow>>, total: u64) -> Result<()> {
        for (at, row) in (0_u64..).zip(rows) {
            if at.is_multiple_of(STRIDE) {
                self.reporter.checkpoint()?;
                if at > 0 {
                    self.reporter.progress("questions", at, total.max(at), None);
                }
            }
            match row {
                Ok(row) => {
                    self.good += 1;
                    if row.pair.scene == self.scene && self.questions.len() < MOST {
                        self.questions.push(row.pair);
                    }
                }
                Err(error) => {
                    self.bad += 1;
                    self.first.get_or_insert_with(|| error.to_string());
                }
            }
        }
        Ok(())
    }
}

/// The data set at `place`; `None` for a folder without one.
fn file(place: &Path) -> Result<Option<PathBuf>> {
    if !place.is_dir() {
        return super::check_file(place).map(|_| Some(place.to_owned()));
    }
    Ok(FILES.iter().map(|name| place.join(name)).find(|path| path.is_file()))
}

fn qa(error: QaError) -> EngineError {
    EngineError::Pipeline(error.into())
}
