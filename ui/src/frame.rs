//! What stands around the panes: bar, tray, palette, cheat sheet, messages.

use egui::{Align, Context, Frame, Key, Layout, Margin, Panel, RichText, TextEdit, Ui, Window};
use egui_tiles::{Behavior, SimplificationOptions, TileId, UiResponse};

use crate::app::App;
use crate::command::{self, COMMANDS, Command};
use crate::cx::Wish;
use crate::jobs::{self, Status};
use crate::pane::{Pane, Workspace};
use crate::theme::{palette, theme};
use crate::{models, unfinished, widgets};

/// Draws the whole window.
pub(crate) fn window(app: &mut App, ui: &mut Ui, now: f64) {
    let p = palette(ui);
    let bar = Frame::new().fill(p.background).inner_margin(Margin::symmetric(12, 6));
    Panel::top("bar").frame(bar).show(ui, |ui| top_bar(app, ui));
    if !app.session.welcomed {
        let strip = Frame::new().fill(p.raised).inner_margin(Margin::symmetric(12, 6));
        Panel::top("welcome").frame(strip).show(ui, |ui| welcome(app, ui));
    }
    unfinished::strip(app, ui, now);
    let tray_frame = Frame::new().fill(p.background).inner_margin(Margin::symmetric(12, 4));
    Panel::bottom("tray").frame(tray_frame).show(ui, |ui| tray(app, ui, now));
    let centre = Frame::new().fill(p.line);
    egui::CentralPanel::default().frame(centre).show(ui, |ui| {
        let place = app.session.workspace;
        // The tree is out of the session while its panes draw with the session.
        let mut tree =
            std::mem::replace(app.session.layout(place), egui_tiles::Tree::empty(egui::Id::unique("none")));
        tree.ui(&mut Panes { app, now }, ui);
        *app.session.layout(place) = tree;
    });
    palette_ui(app, ui.ctx());
    cheat_sheet(app, ui.ctx());
    messages(app, ui.ctx());
    job_log(app, ui.ctx(), now);
    models::window(app, ui.ctx(), now);
    crate::lift::window(app, ui.ctx(), now);
}

fn top_bar(app: &mut App, ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Plumbline").strong());
        ui.separator();
        for workspace in Workspace::ALL {
            let chosen = app.session.workspace == workspace;
            if ui.selectable_label(chosen, workspace.title()).clicked() {
                app.wish(Wish::GoTo(workspace));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let mode = match app.session.mode {
                crate::theme::Mode::Dark => "Dark",
                crate::theme::Mode::Light => "Light",
                crate::theme::Mode::System => "System",
            };
            if ui.button(mode).on_hover_text("Colours: dark, light, as the system").clicked() {
                app.wish(Wish::Command(Command::Mode));
            }
            ui.menu_button("Menu", |ui| menu(app, ui));
            if ui.button("Search").on_hover_text("All commands (Ctrl+K)").clicked() {
                app.wish(Wish::Command(Command::Palette));
            }
            if ui.button("Open…").clicked() {
                app.wish(Wish::Command(Command::Open));
            }
        });
    });
}

fn menu(app: &mut App, ui: &mut Ui) {
    for entry in command::of(app.session.workspace) {
        let mut button = egui::Button::new(entry.title);
        if let Some(shortcut) = entry.shortcut {
            button = button.shortcut_text(ui.ctx().format_shortcut(&shortcut));
        }
        if ui.add(button).clicked() {
            app.wish(Wish::Command(entry.command));
            ui.close();
        }
    }
    if !app.session.recent.is_empty() {
        ui.separator();
        widgets::section(ui, "Opened before");
        for path in app.session.recent.clone() {
            let name =
                path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into());
            if ui.button(name).on_hover_text(path.display().to_string()).clicked() {
                let ctx = ui.ctx().clone();
                app.open(&ctx, vec![path.clone()]);
                ui.close();
            }
        }
    }
    ui.separator();
    ui.checkbox(&mut app.session.reduced_motion, "Reduced motion");
    let half = format!("{:.1} ms", app.meter.quantile_ms(0.5));
    let slow = format!("{:.1} ms", app.meter.quantile_ms(0.95));
    widgets::dim(ui, format!("A frame takes {half}, 19 of 20 at most {slow}"));
}

fn welcome(app: &mut App, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.label("You are looking at a demo on rendered rooms: a small model, its benchmark, scenes and an adapter.");
        if ui.link("Open a photo").clicked() {
            app.wish(Wish::Command(Command::Open));
        }
        ui.label("·");
        let about = "Sizes, licence and the download itself; nothing is fetched yet";
        if ui.link("Get SmolVLM (0.5 to 4.5 GB, Apache-2.0)").on_hover_text(about).clicked() {
            app.wish(Wish::Models);
        }
        ui.label("·");
        let about = "A folder with config.json, tokenizer.json and model.safetensors";
        if ui.link("Use a local model").on_hover_text(about).clicked() {
            let ctx = ui.ctx().clone();
            models::choose_folder(app, &ctx);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("Close").clicked() {
                app.session.welcomed = true;
            }
        });
    });
}

struct Panes<'a> {
    app: &'a mut App,
    now: f64,
}

impl Behavior<Pane> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let p = palette(ui);
        let margin =
            if *pane == Pane::SceneView { Margin::ZERO } else { Margin::same(theme().space.m as i8) };
        let frame = Frame::new().fill(p.surface).inner_margin(margin);
        frame.show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            self.app.pane_ui(*pane, ui, self.now);
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> egui::WidgetText {
        pane.title().into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        // A pane can be put beside or under another from its tab, so every pane keeps one.
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        1.0
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        26.0
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> egui::Color32 {
        visuals.extreme_bg_color
    }
}

fn tray(app: &mut App, ui: &mut Ui, now: f64) {
    let shown: Vec<_> = app.jobs.iter().take(3).map(|(id, job)| (id, job.title.clone())).collect();
    if shown.is_empty() {
        widgets::dim(ui, "No jobs");
        return;
    }
    for (id, title) in shown {
        let Some(job) = app.jobs.get(id) else { continue };
        let (status, done, total, eta) = (job.status.clone(), job.done, job.total, job.eta_secs);
        let (stage, can_pause, took) =
            (job.stage.clone(), job.can_pause, job.ended.unwrap_or(now) - job.began);
        let far = job.progress();
        ui.horizontal(|ui| {
            ui.label(&title);
            match &status {
                Status::Running | Status::Waiting if total > 0 => {
                    let share = done as f32 / total as f32;
                    ui.add(egui::ProgressBar::new(share).desired_width(160.0).text(far));
                }
                Status::Running => {
                    ui.spinner();
                }
                _ => {}
            }
            let said = match &status {
                Status::Waiting => "waiting for the job before it".to_owned(),
                Status::Running => match eta {
                    Some(secs) => format!("{stage} · {} left", jobs::duration(secs)),
                    None => stage,
                },
                Status::Paused => "paused".to_owned(),
                Status::Finished => format!("done in {}", jobs::duration(took)),
                Status::Cancelled => "stopped".to_owned(),
                Status::Failed(error) => error.clone(),
            };
            let wrong = matches!(status, Status::Failed(_));
            let colour = if wrong { palette(ui).wrong } else { palette(ui).dim };
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if status.is_live() && ui.small_button("Stop").clicked() {
                    app.link.cancel(id);
                }
                if can_pause && status == Status::Running && ui.small_button("Pause").clicked() {
                    app.link.pause(id);
                }
                if status == Status::Paused && ui.small_button("Go on").clicked() {
                    app.link.resume(id);
                }
                if ui.small_button("Log").clicked() {
                    app.jobs.shown = Some(id);
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(RichText::new(said).color(colour)).truncate());
                });
            });
        });
        if status == Status::Running {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(250));
        }
    }
}

fn job_log(app: &mut App, ctx: &Context, now: f64) {
    let Some(id) = app.jobs.shown else { return };
    let Some(job) = app.jobs.get(id) else { return };
    let (title, log) = (job.title.clone(), job.log.join("\n"));
    let took = jobs::duration(job.ended.unwrap_or(now) - job.began);
    let mut open = true;
    Window::new(format!("Log of {title}"))
        .id(egui::Id::unique("log"))
        .open(&mut open)
        .default_size([560.0, 320.0])
        .show(ctx, |ui| {
            ui.horizontal(|ui| {
                widgets::dim(ui, format!("running time {took}"));
                if ui.small_button("Copy").clicked() {
                    ui.copy_text(log.clone());
                }
            });
            egui::ScrollArea::vertical().stick_to_bottom(true).show(ui, |ui| {
                ui.monospace(&log);
            });
        });
    if !open {
        app.jobs.shown = None;
    }
}

fn palette_ui(app: &mut App, ctx: &Context) {
    let Some(mut typed) = app.palette.take() else { return };
    let mut open = true;
    let mut done = false;
    Window::new("Search commands")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(egui::Align2::CENTER_TOP, [0.0, 64.0])
        .fixed_size([440.0, 320.0])
        .show(ctx, |ui| {
            let field =
                TextEdit::singleline(&mut typed).hint_text("Type a command").desired_width(f32::INFINITY);
            let field = ui.add(field).accessible_name("Command");
            field.request_focus();
            let wanted = typed.to_lowercase();
            let found: Vec<_> = COMMANDS
                .iter()
                .filter(|e| e.place.is_none_or(|place| place == app.session.workspace))
                .filter(|e| wanted.split_whitespace().all(|word| e.title.to_lowercase().contains(word)))
                .collect();
            let enter = ui.input(|i| i.key_pressed(Key::Enter));
            egui::ScrollArea::vertical().show(ui, |ui| {
                for (i, entry) in found.iter().enumerate() {
                    let keys = entry.shortcut.map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
                    let button = egui::Button::new(entry.title).shortcut_text(keys).selected(i == 0);
                    let chosen = ui.add_sized([ui.available_width(), 22.0], button).clicked();
                    if chosen || (i == 0 && enter) {
                        app.wish(Wish::Command(entry.command));
                        done = true;
                    }
                }
                if found.is_empty() {
                    widgets::dim(ui, "No command has these words");
                }
            });
            done |= ui.input(|i| i.key_pressed(Key::Escape));
        });
    if open && !done {
        app.palette = Some(typed);
    }
}

fn cheat_sheet(app: &mut App, ctx: &Context) {
    if !app.cheat_sheet {
        return;
    }
    let mut open = true;
    Window::new("Shortcuts").open(&mut open).collapsible(false).resizable(false).show(ctx, |ui| {
        egui::Grid::new("shortcuts").num_columns(2).spacing([24.0, 4.0]).show(ui, |ui| {
            for entry in command::of(app.session.workspace) {
                if let Some(shortcut) = entry.shortcut {
                    ui.monospace(ui.ctx().format_shortcut(&shortcut));
                    ui.label(entry.title);
                    ui.end_row();
                }
            }
        });
        if ui.input(|i| i.key_pressed(Key::Escape)) {
            app.cheat_sheet = false;
        }
    });
    app.cheat_sheet &= open;
}

fn messages(app: &mut App, ctx: &Context) {
    let mut closed = None;
    let area =
        egui::Area::new(egui::Id::unique("messages")).anchor(egui::Align2::RIGHT_BOTTOM, [-16.0, -48.0]);
    area.order(egui::Order::Foreground).show(ctx, |ui| {
        for (i, message) in app.messages.iter().enumerate() {
            Frame::window(ui.style()).show(ui, |ui| {
                ui.set_max_width(420.0);
                ui.horizontal_wrapped(|ui| {
                    if message.details.is_some() {
                        let colour = palette(ui).wrong;
                        ui.label(RichText::new("⚠").color(colour));
                    }
                    ui.label(&message.text);
                });
                ui.horizontal(|ui| {
                    if let Some(details) = &message.details
                        && ui.small_button("Copy details").clicked()
                    {
                        ui.copy_text(details.clone());
                    }
                    if ui.small_button("Close").clicked() {
                        closed = Some(i);
                    }
                });
            });
        }
    });
    if let Some(i) = closed {
        app.messages.remove(i);
    }
}
