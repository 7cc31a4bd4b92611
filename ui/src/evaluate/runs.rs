//! The runs that are there: which is shown, which is compared with it, which can go on.

use std::path::{Path, PathBuf};

use egui::{Button, RichText, Ui};
use plumb_engine::look::{Look, RunListed, Seen, Unfinished};
use plumb_engine::{ImageMode, Request, RunManifest};

use super::state::{Live, image_name};
use super::{Evaluate, export, words};
use crate::cx::Cx;
use crate::library::Loaded;
use crate::theme::palette;
use crate::widgets;

/// Runs that are listed before the rest is asked for.
const LISTED: usize = 6;

/// Has runs read anew: one has been written.
pub(super) fn forget(cx: &mut Cx<'_>) {
    cx.library.forget_all(|key| {
        ["\"what\":\"runs\"", "\"what\":\"run\"", "\"what\":\"compare\""]
            .iter()
            .any(|what| key.contains(what))
    });
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    let look = Look::Runs { folder: cx.runs.clone() };
    ui.horizontal(|ui| {
        widgets::section(ui, "Runs");
        if ui.small_button("Refresh").on_hover_text(cx.runs.display().to_string()).clicked() {
            forget(cx);
        }
    });
    let seen = match cx.look(&look) {
        Loaded::Ready(seen) => seen,
        Loaded::Waiting => {
            widgets::dim(ui, "Reading…");
            return;
        }
        Loaded::Failed(error) => {
            widgets::failure(ui, &error);
            return;
        }
    };
    let Seen::Runs { runs } = &*seen else { return };
    let now = &mut state.now;
    for job in &now.live {
        let following = now.follow == Some(job.job);
        let done = words::count(job.answers.len());
        let said = format!("going on: {done} of {}, {}", words::count(job.total), image_name(job.image));
        if ui.add(Button::selectable(following, said).truncate()).clicked() {
            now.follow = if following { None } else { Some(job.job) };
        }
    }
    let going: Vec<PathBuf> = now.live.iter().map(|job| job.folder.clone()).collect();
    elsewhere(state, ui, runs);
    if runs.is_empty() && going.is_empty() && state.a.is_none() {
        widgets::dim(ui, "None yet. A run is kept with every answer, and can be opened again.");
        return;
    }
    for run in runs.iter().filter(|run| !going.contains(&run.folder)).take(LISTED) {
        one(state, ui, cx, run);
    }
    let more: Vec<&RunListed> = runs.iter().filter(|run| !going.contains(&run.folder)).skip(LISTED).collect();
    if !more.is_empty() {
        let title = format!("{} more", words::count(more.len()));
        egui::CollapsingHeader::new(RichText::new(title).small()).id_salt("more runs").show(ui, |ui| {
            for run in more {
                one(state, ui, cx, run);
            }
        });
    }
    if state.a.is_some() {
        ui.horizontal_wrapped(|ui| {
            if ui.small_button("Close the run").clicked() {
                state.close_run();
            }
            export::menu(state, ui, cx);
        });
    }
}

/// A run that was opened from another folder.
fn elsewhere(state: &mut Evaluate, ui: &mut Ui, runs: &[RunListed]) {
    for (letter, folder) in [("A", state.a.clone()), ("B", state.b.clone())] {
        let Some(folder) = folder.filter(|folder| !runs.iter().any(|run| run.folder == *folder)) else {
            continue;
        };
        let full = folder.display().to_string();
        let said = format!("{letter}: {}", words::last(&full));
        ui.add(egui::Label::new(said).truncate()).on_hover_text(full);
    }
}

/// What a run is, in a line.
fn describe(manifest: &RunManifest) -> String {
    let print = &manifest.fingerprint;
    let mut parts = vec![words::last(&print.model).to_owned()];
    if let Some(adapter) = &print.adapter {
        parts.push(format!("+ {}", words::last(adapter)));
    }
    if manifest.image != ImageMode::Full {
        parts.push(image_name(manifest.image).to_owned());
    }
    parts.join(" ")
}

fn one(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>, run: &RunListed) {
    let manifest = match &run.manifest {
        Ok(manifest) => manifest,
        Err(error) => {
            let warning = palette(ui).warning;
            ui.add(egui::Label::new(RichText::new(format!("⚠ {}", run.name)).color(warning)).truncate())
                .on_hover_text(error);
            return;
        }
    };
    let (is_a, is_b) = (state.a.as_ref() == Some(&run.folder), state.b.as_ref() == Some(&run.folder));
    let partial = (run.records as usize) < manifest.samples;
    ui.horizontal(|ui| {
        for (letter, chosen, about) in
            [("A", is_a, "Show this run"), ("B", is_b, "Compare the run on show with this one")]
        {
            let button = Button::selectable(chosen, letter).min_size(egui::vec2(20.0, 0.0));
            let name = format!("{about}: {}", run.name);
            if ui.add(button).on_hover_text(about).accessible_name(name).clicked() {
                match (letter, chosen) {
                    ("A", false) => state.open_run(run.folder.clone(), cx),
                    ("A", true) => state.close_run(),
                    (_, false) => state.b = Some(run.folder.clone()),
                    (_, true) => state.b = None,
                }
            }
        }
        if partial {
            let about = format!(
                "{} of {} samples are done; what is there stays",
                words::count(run.records as usize),
                words::count(manifest.samples)
            );
            let name = format!("Go on with {}", run.name);
            if ui.small_button("Go on").on_hover_text(about).accessible_name(name).clicked() {
                go_on(state, cx, run, manifest);
            }
        }
        let about = format!(
            "{}\n{} on {}, {} samples\n{}",
            run.name,
            describe(manifest),
            words::last(&manifest.bench.display().to_string()),
            words::count(manifest.samples),
            run.folder.display()
        );
        let when = run.modified.map(|at| words::ago(super::unix_secs().saturating_sub(at)));
        let said = [Some(describe(manifest)), when].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let label = egui::Label::new(said).truncate().sense(egui::Sense::click());
        if ui.add(label).on_hover_text(about).clicked() && !is_a {
            state.open_run(run.folder.clone(), cx);
        }
    });
}

fn go_on(state: &mut Evaluate, cx: &mut Cx<'_>, run: &RunListed, manifest: &RunManifest) {
    let request = manifest.request(manifest.image, run.folder.clone(), &cx.adapters());
    let what = describe(manifest);
    begin(state, cx, &what, request, &run.folder, manifest.image);
}

/// Goes on with an evaluation that was cut short.
pub(super) fn take_up(state: &mut Evaluate, cx: &mut Cx<'_>, run: &Unfinished) {
    let mut what = words::last(&run.model).to_owned();
    if run.image != ImageMode::Full {
        what.push_str(&format!(" {}", image_name(run.image)));
    }
    if !state.now.live.iter().any(|live| live.folder == run.folder) {
        begin(state, cx, &what, run.request.clone(), &run.folder, run.image);
    }
}

fn begin(
    state: &mut Evaluate,
    cx: &mut Cx<'_>,
    what: &str,
    request: Request,
    folder: &Path,
    image: ImageMode,
) {
    let Request::Eval { bench, .. } = &request else { return };
    let bench = bench.clone();
    if let Some(job) = cx.start(format!("Going on with {what}"), request) {
        state.now.live.push(Live::new(job, folder, &bench, image));
        state.now.follow = Some(job);
    }
}
