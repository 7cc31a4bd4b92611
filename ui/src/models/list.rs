//! What the window about models lists.

use egui::{Label, ProgressBar, RichText, TextEdit, Ui};
use plumb_engine::JobId;
use plumb_engine::look::{Look, ModelListed, ModelPlanSeen, ModelsSeen, Seen};

use super::{Action, KNOWN, LICENCE, Models, title};
use crate::cx::Cx;
use crate::jobs::{self, Status};
use crate::library::Loaded;
use crate::theme::palette;
use crate::{fields, picker, units, widgets};

/// The list of models and what can be done with each.
pub(super) fn content(models: &mut Models, ui: &mut Ui, cx: &mut Cx<'_>) -> Option<Action> {
    match cx.look(&Look::Models) {
        Loaded::Ready(seen) => {
            if let Seen::Models(seen) = &*seen {
                models.cached = Some(seen.clone());
            }
        }
        Loaded::Failed(error) => widgets::failure(ui, &error),
        Loaded::Waiting => {}
    }
    let cached = models.cached.clone();
    let mut action = None;
    if let Some(cached) = &cached {
        place(ui, cached);
    }
    let about = "The folder with config.json, tokenizer.json and model.safetensors";
    if ui.button("Use a local folder…").on_hover_text(about).clicked() {
        action = Some(Action::Folder);
    }
    for known in &KNOWN {
        ui.separator();
        let about = format!("{}, {LICENCE}: {}", known.size, known.about);
        action = one(models, ui, cx, cached.as_ref(), known.id, &about).or(action);
    }
    for other in others(models, cached.as_ref()) {
        ui.separator();
        action = one(models, ui, cx, cached.as_ref(), &other, "").or(action);
    }
    ui.separator();
    widgets::dim(ui, "Another model of the Hugging Face hub, in SmolVLM's architecture");
    ui.horizontal(|ui| {
        let edit =
            TextEdit::singleline(&mut models.typed).hint_text("organisation/name").desired_width(320.0);
        ui.add(edit).accessible_name("Name of another model");
        let name = models.typed.trim().to_owned();
        let ask = ui.add_enabled(picker::is_hub_id(&name), egui::Button::new("Look it up"));
        let why = "A model of the hub is named organisation/name, with @revision if one is meant";
        if ask.on_disabled_hover_text(why).clicked() {
            action = Some(Action::Again(name));
            models.typed.clear();
        }
    });
    action
}

/// Where models are kept, and how much room there is.
fn place(ui: &mut Ui, cached: &ModelsSeen) {
    let free = cached.free.map(|free| format!(", {} free", units::size(free))).unwrap_or_default();
    let text = format!("Models are kept in {}{free}", cached.cache.display());
    ui.add(Label::new(RichText::new(text).color(palette(ui).dim)).truncate())
        .on_hover_text("The cache that other programs for these models share. HF_HOME names another place");
    if cached.offline {
        let warning = palette(ui).warning;
        ui.label(
            RichText::new("The network is switched off by HF_HUB_OFFLINE: only what is here can be used")
                .color(warning),
        );
    }
}

/// Models beside the known ones: in the cache, asked for, or being fetched.
fn others(models: &Models, cached: Option<&ModelsSeen>) -> Vec<String> {
    let mut names: Vec<String> =
        cached.map(|seen| seen.models.iter().map(|m| m.model.clone()).collect()).unwrap_or_default();
    names.extend(models.jobs.keys().cloned());
    names.extend(models.planned.clone());
    names.retain(|name| KNOWN.iter().all(|known| known.id != name));
    names.sort();
    names.dedup();
    names
}

fn one(
    models: &Models,
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    cached: Option<&ModelsSeen>,
    model: &str,
    about: &str,
) -> Option<Action> {
    let named = |seen: &'_ ModelsSeen| {
        let all = seen.models.iter().filter(|listed| listed.model == model);
        all.min_by_key(|listed| listed.missing.len()).cloned()
    };
    let here = cached.and_then(named);
    let job = models.jobs.get(model).copied();
    let status = job.and_then(|job| cx.jobs.get(job)).map(|job| job.status.clone());
    let planned = models.planned.as_deref() == Some(model);
    let mut action = None;
    ui.push_id(model, |ui| {
        ui.horizontal(|ui| {
            ui.strong(title(model)).on_hover_text(model);
            widgets::dim(ui, about);
        });
        match (job, status) {
            (Some(job), Some(status)) if status.is_live() => action = going(ui, cx, model, job, &status),
            (_, Some(Status::Failed(error))) => {
                widgets::failure(ui, &error);
                let again = ui.button("Try again").accessible_name(format!("Try again: {}", title(model)));
                if again.on_hover_text("What was fetched is kept").clicked() {
                    action = Some(Action::Again(model.to_owned()));
                }
            }
            _ if planned => action = plan(ui, cx, model),
            _ => action = at_rest(ui, model, here.as_ref()),
        }
    });
    action
}

/// A model that is here, or in part, or not.
fn at_rest(ui: &mut Ui, model: &str, here: Option<&ModelListed>) -> Option<Action> {
    let mut action = None;
    ui.horizontal(|ui| {
        let name = title(model);
        match here {
            Some(listed) if listed.missing.is_empty() => {
                ui.label(RichText::new("✔").color(palette(ui).right));
                widgets::dim(ui, format!("here, {}", units::size(listed.bytes)));
                if ui.button("Use it").accessible_name(format!("Use {name}")).clicked() {
                    action = Some(Action::Use(model.to_owned()));
                }
            }
            other => {
                if let Some(listed) = other.filter(|listed| listed.bytes > 0) {
                    widgets::dim(ui, format!("{} of it are here", units::size(listed.bytes)));
                }
                let button = ui.button("Download…").accessible_name(format!("Download {name}…"));
                let about = "Asks the hub for its exact size and licence first; nothing is fetched yet";
                if button.on_hover_text(about).clicked() {
                    action = Some(Action::Plan(model.to_owned()));
                }
            }
        }
    });
    action
}

/// What a download would bring, and the button that starts it.
fn plan(ui: &mut Ui, cx: &mut Cx<'_>, model: &str) -> Option<Action> {
    match cx.look(&Look::ModelPlan { model: model.to_owned() }) {
        Loaded::Waiting => {
            ui.horizontal(|ui| {
                ui.spinner();
                widgets::dim(ui, "Asking the hub…");
            });
            None
        }
        Loaded::Failed(error) => {
            widgets::failure(ui, &error);
            let again = ui.button("Try again").accessible_name(format!("Try again: {}", title(model)));
            again.clicked().then(|| Action::Again(model.to_owned()))
        }
        Loaded::Ready(seen) => match &*seen {
            Seen::ModelPlan(seen) => offer(ui, model, seen),
            _ => None,
        },
    }
}

fn offer(ui: &mut Ui, model: &str, plan: &ModelPlanSeen) -> Option<Action> {
    let rest = plan.total.saturating_sub(plan.present);
    let mut said =
        format!("{} files, {}, licence {}", plan.files.len(), units::size(plan.total), plan.licence);
    if plan.present > 0 {
        said.push_str(&format!("; {} are here already", units::size(plan.present)));
    }
    let files: Vec<String> =
        plan.files.iter().map(|file| format!("{}  {}", file.name, units::size(file.bytes))).collect();
    ui.add(Label::new(said).wrap()).on_hover_text(format!("commit {}\n{}", plan.commit, files.join("\n")));
    let room = plan.free.is_none_or(|free| free >= rest);
    if !room {
        fields::sentence(
            ui,
            &format!(
                "The disk that holds {} has {} free, too little. Make room, or set HF_HOME to another disk",
                plan.cache.display(),
                units::size(plan.free.unwrap_or(0))
            ),
        );
    }
    let text = if rest == 0 { "Check it".to_owned() } else { format!("Download {}", units::size(rest)) };
    let button =
        widgets::primary(ui, &text, room).accessible_name(format!("Start the download of {}", title(model)));
    let about = "Every file is checked against its hash. It can wait, be stopped, and goes on where it was";
    button.on_hover_text(about).clicked().then(|| Action::Download(model.to_owned()))
}

/// A download that goes on.
fn going(ui: &mut Ui, cx: &Cx<'_>, model: &str, id: JobId, status: &Status) -> Option<Action> {
    let job = cx.jobs.get(id)?;
    let name = title(model);
    let share = if job.total > 0 { job.done as f32 / job.total as f32 } else { 0.0 };
    let text = if job.total > 0 { job.progress() } else { "Asking the hub…".to_owned() };
    let bar = ui.add(ProgressBar::new(share).text(text.clone()));
    bar.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, format!("{name}: {text}"))
    });
    let mut action = None;
    ui.horizontal(|ui| {
        if *status == Status::Paused {
            let go_on = ui.button("Resume").accessible_name(format!("Resume the download of {name}"));
            if go_on.clicked() {
                action = Some(Action::GoOn(id));
            }
            widgets::dim(ui, "paused; what was fetched is kept");
        } else {
            if ui.button("Pause").accessible_name(format!("Pause the download of {name}")).clicked() {
                action = Some(Action::Pause(id));
            }
            let rate = job.bytes_per_second.filter(|rate| *rate > 0.0).map(units::rate);
            let left = job.eta_secs.map(|secs| format!("{} left", jobs::duration(secs)));
            let said: Vec<String> = [Some(job.stage.clone()), rate, left].into_iter().flatten().collect();
            widgets::dim(ui, said.join(" · "));
        }
        if ui.button("Stop").accessible_name(format!("Stop the download of {name}")).clicked() {
            action = Some(Action::Stop(id));
        }
    });
    if *status == Status::Running {
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
    }
    action
}
