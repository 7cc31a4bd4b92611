//! A run as files for others: a page to read, a table, and everything.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use egui::Ui;
use plumb_engine::look::{Look, RunSeen, Seen};

use super::data::{Data, Run, Verdict};
use super::formats::{csv, json};
use super::pictures::{SMALL, Small, reduced};
use super::state::Note;
use super::{Evaluate, html, place, words};
use crate::cx::{Cx, Wish};
use crate::dialog;
use crate::library::Loaded;

/// Pictures that a page holds at most.
const PICTURES: usize = 200;
/// Pictures that are asked for at a time.
const FLYING: usize = 4;

/// Where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Where the person says; into the run's folder where there is no dialog to ask with.
    Dialog,
    Folder,
}

/// What is exported.
pub(super) struct Document {
    pub(super) data: Arc<Data>,
    /// By sample id.
    pub(super) notes: BTreeMap<String, Note>,
    /// Small pictures by row of the data.
    pub(super) pictures: BTreeMap<usize, Small>,
}

impl Document {
    pub(super) fn run(&self) -> Option<&RunSeen> {
        self.data.run.as_ref().map(Run::get)
    }

    pub(super) fn note(&self, id: &str) -> Note {
        self.notes.get(id).cloned().unwrap_or_default()
    }
}

struct Gathering {
    document: Document,
    target: Target,
    /// Rows of the data whose picture is wanted, and those on their way.
    wanted: VecDeque<usize>,
    flying: Vec<usize>,
}

/// What a thread has written; nothing where the person changed their mind.
type Written = Result<Option<PathBuf>, String>;

#[derive(Default)]
pub(super) struct Exporter {
    pub(super) with_pictures: bool,
    gathering: Option<Gathering>,
    writing: Option<Receiver<Written>>,
}

impl Exporter {
    fn is_busy(&self) -> bool {
        self.gathering.is_some() || self.writing.is_some()
    }
}

/// The buttons of an export.
pub(super) fn menu(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    if state.now.export.is_busy() {
        ui.spinner();
        crate::widgets::dim(ui, "Exporting…");
        return;
    }
    let response = ui.menu_button("Export…", |ui| {
        if ui
            .button("Save as…")
            .on_hover_text("A page (.html), a table (.csv) or everything (.json), by the name's ending")
            .clicked()
        {
            begin(state, Target::Dialog, cx);
            ui.close();
        }
        if ui.button("All three into the run's folder").clicked() {
            begin(state, Target::Folder, cx);
            ui.close();
        }
        let about = "The pictures keep the licences of their sources: mind where you send them";
        ui.checkbox(&mut state.now.export.with_pictures, "With pictures of wrong answers")
            .on_hover_text(about);
    });
    response.response.accessible_name("Export the run");
}

/// Starts an export of the run on show.
pub(super) fn begin(state: &mut Evaluate, target: Target, cx: &mut Cx<'_>) {
    if state.now.export.is_busy() {
        return;
    }
    let Some(data) = state.now.data.clone().filter(|data| data.run.is_some()) else {
        cx.fail("There is no run to export: run the benchmark, or choose a run on the left");
        return;
    };
    let kept = place(data.run.as_ref().map(Run::get), &data.bench);
    let notes = data.samples().iter().map(|s| (s.id.clone(), state.notes.get(&kept, &s.id)));
    let notes = notes.filter(|(_, note)| *note != Note::default()).collect();
    let wanted =
        if state.now.export.with_pictures { wrong(&data).take(PICTURES).collect() } else { VecDeque::new() };
    let document = Document { data, notes, pictures: BTreeMap::new() };
    state.now.export.gathering = Some(Gathering { document, target, wanted, flying: Vec::new() });
}

/// Rows whose answer is wrong or not understood.
pub(super) fn wrong(data: &Data) -> impl Iterator<Item = usize> + '_ {
    data.rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| matches!(row.verdict, Verdict::Wrong | Verdict::NotUnderstood).then_some(at))
}

/// Takes pictures that have come and what the thread has written.
pub(super) fn pump(state: &mut Evaluate, cx: &mut Cx<'_>) {
    let export = &mut state.now.export;
    match export.writing.as_ref().map(Receiver::try_recv) {
        None | Some(Err(TryRecvError::Empty)) => {}
        Some(answer) => {
            export.writing = None;
            match answer {
                Ok(Ok(Some(path))) => cx.wishes.push(Wish::Said(format!("Written: {}", path.display()))),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => cx.fail(error),
                Err(_) => cx.fail("The export ended without a result"),
            }
        }
    }
    let Some(gathering) = &mut export.gathering else { return };
    gather(gathering, cx);
    if !gathering.wanted.is_empty() || !gathering.flying.is_empty() {
        return;
    }
    let Some(Gathering { document, target, .. }) = export.gathering.take() else { return };
    let (to_window, writing) = std::sync::mpsc::channel();
    let started = std::thread::Builder::new().name("plumb-export".into()).spawn(move || {
        to_window.send(write(&document, target)).ok();
    });
    match started {
        Ok(_) => export.writing = Some(writing),
        Err(error) => cx.fail(format!("The export cannot be started: {error}")),
    }
}

fn gather(gathering: &mut Gathering, cx: &mut Cx<'_>) {
    let data = gathering.document.data.clone();
    let path = &data.bench.get().path;
    let look = |at: usize| Some(Look::BenchImage { path: path.clone(), row: data.sample(at)?.row });
    let mut still = Vec::new();
    for at in std::mem::take(&mut gathering.flying) {
        let Some(look) = look(at) else { continue };
        match cx.look(&look) {
            Loaded::Waiting => still.push(at),
            // A row whose picture cannot be read is reported without it.
            Loaded::Failed(_) => cx.library.forget(&look),
            Loaded::Ready(seen) => {
                if let Seen::Image { pixels } = &*seen
                    && let Some(small) = reduced(pixels, SMALL)
                {
                    gathering.document.pictures.insert(at, small);
                }
                cx.library.forget(&look);
            }
        }
    }
    while still.len() < FLYING
        && let Some(at) = gathering.wanted.pop_front()
    {
        if let Some(look) = look(at) {
            cx.look(&look);
            still.push(at);
        }
    }
    gathering.flying = still;
}

/// What a run is written as.
const FILTERS: [dialog::Filter; 3] = [("Page", &["html"]), ("Table", &["csv"]), ("Everything", &["json"])];

fn write(document: &Document, target: Target) -> Written {
    let run = document.run().ok_or("there is no run to export")?;
    if target == Target::Dialog && dialog::is_there() {
        let name = run.folder.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy());
        let want = dialog::Want::Save(format!("{name}.html"));
        let chosen = dialog::Question { title: "Export the run", want, filters: &FILTERS }.wait();
        let Some(mut path) = chosen else { return Ok(None) };
        if path.extension().is_none() {
            path.set_extension("html");
        }
        return one(document, &path).map(|()| Some(path));
    }
    let folder = run.folder.join("export");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    for name in ["report.html", "samples.csv", "report.json"] {
        one(document, &folder.join(name))?;
    }
    Ok(Some(folder))
}

fn one(document: &Document, path: &Path) -> Result<(), String> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let text = match ending.as_str() {
        "html" | "htm" => html::page(document),
        "csv" => csv(document)?,
        "json" => json(document)?,
        other => {
            return Err(format!(
                "{}: “.{other}” is no format of an export; expected .html, .csv or .json",
                path.display()
            ));
        }
    };
    std::fs::write(path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

/// How many were exported, for a heading.
pub(super) fn listed(shown: usize, all: usize) -> String {
    if shown == all {
        words::count(all)
    } else {
        format!("the first {} of {}", words::count(shown), words::count(all))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::data::Mark;
    use super::super::data::tests::{bench, given, sample};
    use super::*;
    use plumb_bench::Task;

    pub(crate) fn document() -> Document {
        let mut samples =
            vec![sample(0, Task::Depth, &["lamp, red", "so\"fa"], 0), sample(1, Task::Depth, &["x", "y"], 1)];
        samples[0].question = "Which is\nnearer <b>?".into();
        let answers = [given(0, 0, 1, 0.75)];
        let data = Data::build(bench(samples), None, &answers, None, None, |_| Mark::default());
        let note = Note { flagged: true, text: "a, \"b\"".into() };
        Document {
            data: Arc::new(data),
            notes: BTreeMap::from([("0".to_owned(), note)]),
            pictures: BTreeMap::new(),
        }
    }

    #[test]
    fn only_known_endings_are_written() {
        let error = one(&document(), Path::new("run.docx")).unwrap_err();
        assert!(error.contains("run.docx") && error.contains(".html"), "{error}");
    }
}
