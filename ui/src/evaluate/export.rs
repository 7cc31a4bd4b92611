//! A run as files for others: a page to read, a table, and everything.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use egui::Ui;
use plumb_bench::sample::letter;
use plumb_engine::look::{Look, RunSeen, Seen};
use serde_json::json;

use super::data::{Data, Run, Verdict};
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
        "csv" => csv(document),
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

/// A field of RFC 4180.
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// One line a sample.
pub(super) fn csv(document: &Document) -> String {
    const HEAD: &str = "row,id,task,kind,source,question,options,right_letter,right,chosen_letter,chosen,verdict,\
                        probability_of_right,probabilities,seconds,answer,error,flagged,note\r\n";
    let data = &document.data;
    let mut out = HEAD.to_owned();
    for (at, (sample, row)) in data.samples().iter().zip(&data.rows).enumerate() {
        let answer = data.answer(at);
        let note = document.note(&sample.id);
        let option = |i: Option<usize>| i.and_then(|i| sample.options.get(i)).cloned().unwrap_or_default();
        let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
        let probabilities = answer.and_then(|a| a.probabilities.as_ref());
        let probabilities = probabilities
            .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .unwrap_or_default();
        let fields = [
            sample.row.to_string(),
            sample.id.clone(),
            sample.task.name().to_owned(),
            sample.kind.name().to_owned(),
            sample.source.clone(),
            sample.question.clone(),
            sample.options.join(" | "),
            sample.gold_letter().to_string(),
            option(Some(sample.gold)),
            row.chosen.map_or_else(String::new, |c| letter(c).to_string()),
            option(row.chosen),
            row.verdict.name().to_owned(),
            number(row.right_probability),
            probabilities,
            number(row.seconds),
            answer.and_then(|a| a.raw.clone()).unwrap_or_default(),
            answer.and_then(|a| a.error.clone()).unwrap_or_default(),
            if note.flagged { "yes" } else { "" }.to_owned(),
            note.text,
        ];
        out.push_str(&fields.iter().map(|f| field(f)).collect::<Vec<_>>().join(","));
        out.push_str("\r\n");
    }
    out
}

/// Everything: what the run is, its scores, and every sample with its answer.
fn json(document: &Document) -> Result<String, String> {
    let data = &document.data;
    let run = document.run().ok_or("there is no run to export")?;
    let samples: Vec<_> = data
        .samples()
        .iter()
        .zip(&data.rows)
        .enumerate()
        .map(|(at, (sample, row))| {
            let note = document.note(&sample.id);
            json!({
                "sample": sample,
                "verdict": row.verdict.name(),
                "answer": data.answer(at),
                "flagged": note.flagged,
                "note": note.text,
            })
        })
        .collect();
    let all = json!({
        "manifest": run.manifest,
        "parser": run.parser,
        "report": run.report,
        "without_pictures": run.blind,
        "samples": samples,
    });
    serde_json::to_string_pretty(&all).map_err(|e| format!("the run has no JSON: {e}"))
}

/// A picture as a `data:` address.
pub(super) fn data_url(small: &Small) -> Option<String> {
    let mut bytes = Vec::new();
    let (w, h) = (u32::try_from(small.size[0]).ok()?, u32::try_from(small.size[1]).ok()?);
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 82);
    encoder.encode(&small.rgb, w, h, image::ExtendedColorType::Rgb8).ok()?;
    Some(format!("data:image/jpeg;base64,{}", base64(&bytes)))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let of = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
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
    fn fields_keep_commas_quotes_and_lines() {
        let text = csv(&document());
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 4, "a head, two rows, nothing");
        let columns = lines[0].split(',').count();
        assert_eq!(columns, 19);
        assert_eq!(
            lines[1],
            "0,0,Depth,3D,,\"Which is\nnearer <b>?\",\"lamp, red | so\"\"fa\",A,\"lamp, red\",B,\"so\"\"fa\",wrong,0.25,,0.5,,,yes,\
             \"a, \"\"b\"\"\""
        );
        assert_eq!(lines[2].split(',').count(), columns);
        assert!(lines[2].contains(",not asked,"));
    }

    // RFC 4648, section 10.
    #[test]
    fn base64_as_in_its_rfc() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(of),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]
        );
        let small = Small { size: [8, 8], rgb: vec![120; 192] };
        assert!(data_url(&small).unwrap().starts_with("data:image/jpeg;base64,/9j/"));
        assert_eq!(data_url(&Small { size: [0, 0], rgb: Vec::new() }), None);
    }

    #[test]
    fn only_known_endings_are_written() {
        let error = one(&document(), Path::new("run.docx")).unwrap_err();
        assert!(error.contains("run.docx") && error.contains(".html"), "{error}");
    }
}
