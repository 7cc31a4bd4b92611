//! Colour and depth that were dropped: what is still to be said of them, and the lift to a scene.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use egui::{ComboBox, Context, Grid, TextEdit, Ui, Window};
use plumb_engine::{Event, EventKind, JobId, LiftJob, LiftSource, NoiseKind, ObjectSource, Outcome, Request};
use plumb_scene::rgbd::DepthFormat;

use crate::app::App;
use crate::cx::{Cx, Show, Wish};
use crate::{fields, widgets};

/// Lifts that are being set up and that go on.
#[derive(Default)]
pub(crate) struct Lifts {
    form: Option<Form>,
    jobs: Vec<(JobId, PathBuf)>,
}

/// What a person knows of a depth camera.
struct Form {
    source: LiftSource,
    format: DepthFormat,
    noise: NoiseKind,
    camera: String,
    scale: String,
}

impl Lifts {
    /// Asks about colour and depth.
    pub(crate) fn ask(&mut self, source: LiftSource) {
        // A folder of TUM's has lists by that name; what other layouts share is read as plain.
        let tum = matches!(&source, LiftSource::Frames { path, .. } if path.join("rgb.txt").is_file());
        self.form = Some(Form {
            source,
            format: if tum { DepthFormat::Tum } else { DepthFormat::Plain },
            noise: NoiseKind::Sensor,
            camera: String::new(),
            scale: String::new(),
        });
    }

    /// Shows a scene that has been made.
    pub(crate) fn hear(&mut self, event: &Event, cx: &mut Cx<'_>) {
        let Some(at) = self.jobs.iter().position(|(job, _)| *job == event.job) else { return };
        match &event.kind {
            EventKind::Finished { outcome: Outcome::Lift(report) } => {
                let (_, out) = self.jobs.remove(at);
                let aside = report.quarantined.len();
                if aside > 0 {
                    cx.wishes.push(Wish::Said(format!(
                        "{} frames are lifted, {aside} were put aside: the reasons are in {}",
                        report.frames.len(),
                        out.join("quarantine.jsonl").display()
                    )));
                }
                cx.wishes.push(Wish::Show(Show::Scenes(out)));
            }
            EventKind::Failed { error } => {
                self.jobs.remove(at);
                cx.fail(error.clone());
            }
            EventKind::Finished { .. } | EventKind::Cancelled => {
                self.jobs.remove(at);
            }
            _ => {}
        }
    }
}

impl Form {
    /// The job that writes to a folder of `runs`, or what is wrong.
    fn job(&self, runs: &Path) -> Result<LiftJob, &'static str> {
        let numbers = |text: &str| -> Option<Vec<f64>> {
            let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
            parts.map(|part| part.parse::<f64>().ok().filter(|v| v.is_finite())).collect()
        };
        let intrinsics = match numbers(&self.camera).as_deref() {
            Some([]) => None,
            Some(&[fx, fy, cx, cy]) if fx > 0.0 && fy > 0.0 => Some([fx, fy, cx, cy]),
            _ => {
                return Err(
                    "A camera is four numbers: focal lengths fx, fy above 0 and centre cx, cy, in pixels",
                );
            }
        };
        let depth_scale = match numbers(&self.scale).as_deref() {
            Some([]) => None,
            Some(&[scale]) if scale > 0.0 => Some(scale),
            _ => return Err("Units a metre are one number above 0: 1000 where depth is in millimetres"),
        };
        let (LiftSource::Pair { color: named, .. } | LiftSource::Frames { path: named, .. }) = &self.source;
        let stem =
            named.file_stem().map_or_else(|| "scene".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(LiftJob {
            source: self.source.clone(),
            objects: ObjectSource::Proposals,
            intrinsics,
            depth_scale,
            format: Some(self.format),
            ray: false,
            noise: self.noise,
            out: runs.join("scenes").join(format!("{stem}-{secs}")),
        })
    }
}

/// Draws the window, while something is to be asked.
pub(crate) fn window(app: &mut App, ctx: &Context, now: f64) {
    let Some(mut form) = app.lifts.form.take() else { return };
    let runs = app.runs.clone();
    let mut open = true;
    let mut answer = None;
    Window::new("Lift to a scene")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .default_width(460.0)
        .anchor(egui::Align2::CENTER_CENTER, [0.0, 0.0])
        .show(ctx, |ui| {
            content(&mut form, ui);
            let job = form.job(&runs);
            if let Err(why) = &job {
                fields::sentence(ui, why);
            }
            ui.horizontal(|ui| {
                if widgets::primary(ui, "Lift", job.is_ok()).clicked() {
                    answer = job.ok();
                }
                if ui.button("Cancel").clicked() {
                    ui.close();
                }
            });
        });
    if let Some(job) = answer {
        let out = job.out.clone();
        let started = app.each(now, |_, cx| cx.start("Lifting to a scene", Request::Lift(job)));
        app.lifts.jobs.extend(started.map(|id| (id, out)));
    } else if open {
        app.lifts.form = Some(form);
    }
}

fn content(form: &mut Form, ui: &mut Ui) {
    match &form.source {
        LiftSource::Pair { color, depth } => {
            ui.label(format!("Picture: {}", color.display()));
            ui.label(format!("Depth: {}", depth.display()));
        }
        LiftSource::Frames { path, .. } => {
            ui.label(format!("Pictures and depth of {}", path.display()));
        }
    }
    Grid::new("lift").num_columns(2).spacing([12.0, 6.0]).show(ui, |ui| {
        let label = widgets::dim(ui, "Made by");
        let list = ComboBox::from_id_salt("format").selected_text(format_name(form.format)).width(220.0);
        let shown = list.show_ui(ui, |ui| {
            for format in DepthFormat::ALL {
                ui.selectable_value(&mut form.format, format, format_name(format));
            }
        });
        shown.response.labelled_by(label.id);
        ui.end_row();
        let label = widgets::dim(ui, "Depth is");
        let list = ComboBox::from_id_salt("noise").selected_text(noise_name(form.noise)).width(220.0);
        let shown = list.show_ui(ui, |ui| {
            for noise in [NoiseKind::Sensor, NoiseKind::Exact, NoiseKind::Predicted] {
                ui.selectable_value(&mut form.noise, noise, noise_name(noise));
            }
        });
        shown.response.labelled_by(label.id);
        ui.end_row();
        let label = widgets::dim(ui, "Camera");
        let edit =
            TextEdit::singleline(&mut form.camera).hint_text("fx, fy, cx, cy; empty: that of the layout");
        ui.add(edit.desired_width(260.0)).labelled_by(label.id).on_hover_text("In pixels of the picture");
        ui.end_row();
        let label = widgets::dim(ui, "Units a metre");
        let edit =
            TextEdit::singleline(&mut form.scale).hint_text("empty: by the file; 1000 for millimetres");
        ui.add(edit.desired_width(260.0)).labelled_by(label.id);
        ui.end_row();
    });
}

fn format_name(format: DepthFormat) -> &'static str {
    match format {
        DepthFormat::Tum => "TUM RGB-D",
        DepthFormat::Nyu => "NYU Depth v2",
        DepthFormat::Sun => "SUN RGB-D",
        DepthFormat::Scannet => "ScanNet",
        DepthFormat::Redwood => "Redwood or Open3D",
        DepthFormat::Plain => "another camera or program",
    }
}

fn noise_name(noise: NoiseKind) -> &'static str {
    match noise {
        NoiseKind::Exact => "exact: rendered",
        NoiseKind::Sensor => "measured by a camera",
        NoiseKind::Predicted => "predicted by a network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_taken_or_refused() {
        let mut lifts = Lifts::default();
        lifts.ask(LiftSource::Pair { color: "a/room.jpg".into(), depth: "a/d.png".into() });
        let mut form = lifts.form.unwrap();
        let job = form.job(Path::new("/r")).unwrap();
        assert!(job.intrinsics.is_none() && job.depth_scale.is_none() && job.out.starts_with("/r/scenes"));
        (form.camera, form.scale) = ("500, 500 320,240".to_owned(), "5000".to_owned());
        let job = form.job(Path::new("/r")).unwrap();
        assert_eq!((job.intrinsics, job.depth_scale), (Some([500.0, 500.0, 320.0, 240.0]), Some(5000.0)));
        for (camera, scale) in
            [("1,2,3", ""), ("a", ""), ("-1,1,1,1", ""), ("", "0"), ("", "1 2"), ("nan,1,1,1", "")]
        {
            (form.camera, form.scale) = (camera.to_owned(), scale.to_owned());
            assert!(form.job(Path::new("/r")).is_err(), "{camera} {scale}");
        }
    }
}
