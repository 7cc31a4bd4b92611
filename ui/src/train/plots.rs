//! The curves of a training, and of others beside it.

use std::path::PathBuf;

use egui::{Color32, Id, RichText, ScrollArea, TextStyle, Ui, Vec2b};
use egui_plot::{Corner, HoverPosition, Legend, Line, LineStyle, MarkerShape, Plot, PlotPoints, Points};
use serde::{Deserialize, Serialize};

use super::Train;
use super::curves::{MOST, logarithms, smooth, thin, within};
use super::fields::{bytes, number_text};
use super::record::{Curve, Record};
use super::runs::Reading;
use crate::cx::Cx;
use crate::theme::{palette, theme};
use crate::widgets;

/// How curves are drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// What a new value counts for less, 0 to 0.99.
    smoothing: f64,
    /// The loss on a logarithmic axis.
    log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { smoothing: 0.6, log: false }
    }
}

/// One run in the plots.
struct Series<'a> {
    name: String,
    colour: Color32,
    record: &'a Record,
}

/// One plot.
struct Panel<'a> {
    title: &'static str,
    curves: &'a [Curve],
    log: bool,
    height: f32,
    legend: bool,
}

/// Draws the pane.
pub(super) fn ui(train: &mut Train, ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(folder) = train.chosen.clone() else {
        let how = "Take a recipe on the left and start it: loss, learning rate, gradient, speed and memory appear here.";
        widgets::empty(ui, "No training yet", how);
        return;
    };
    let reading = train.runs.read(&folder, cx);
    for other in train.compare.clone() {
        train.runs.read(&other, cx);
    }
    bar(train, ui, &folder);
    match reading {
        Reading::Failed(error) => return widgets::failure(ui, &error),
        Reading::Waiting if train.runs.record(&folder).is_none() => {
            ui.horizontal(|ui| {
                ui.spinner();
                widgets::dim(ui, "Reading…");
            });
            return;
        }
        Reading::Waiting | Reading::Ready => {}
    }
    let others = train.compare.iter().filter(|other| **other != folder).cloned();
    let all: Vec<PathBuf> = std::iter::once(folder.clone()).chain(others).collect();
    let series: Vec<Series<'_>> = all
        .iter()
        .enumerate()
        .filter_map(|(i, folder)| {
            let record = train.runs.record(folder)?;
            Some(Series { name: name(folder), colour: theme().data.series(i), record })
        })
        .collect();
    if series.iter().all(|series| series.record.is_empty()) {
        let how = "The model and the data are being read; the first point comes with the first step.";
        return widgets::empty(ui, "No step yet", how);
    }
    draw(ui, &series, &train.plots);
}

/// The last part of a folder.
pub(super) fn name(folder: &std::path::Path) -> String {
    folder
        .file_name()
        .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn bar(train: &mut Train, ui: &mut Ui, folder: &std::path::Path) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Smoothing")
            .on_hover_text("Of each curve by what came before it; the raw curve stays, faint");
        let slider = egui::Slider::new(&mut train.plots.smoothing, 0.0..=0.99).max_decimals(2);
        ui.add(slider).accessible_name("Smoothing");
        ui.checkbox(&mut train.plots.log, "Logarithmic loss");
        let listed: Vec<PathBuf> =
            train.runs.folders.list().iter().map(|listed| listed.folder.clone()).collect();
        ui.menu_button(format!("Compare ({})", train.compare.len()), |ui| {
            ScrollArea::vertical().max_height(300.0).show(ui, |ui| {
                for other in listed.iter().filter(|other| *other != folder) {
                    let mut on = train.compare.contains(other);
                    if ui.checkbox(&mut on, name(other)).on_hover_text(other.display().to_string()).changed()
                    {
                        if on {
                            train.compare.push(other.clone());
                        } else {
                            train.compare.retain(|kept| kept != other);
                        }
                    }
                }
                if listed.len() < 2 {
                    widgets::dim(ui, "There is no other training; drop the folder of one on the window");
                }
            });
            if !train.compare.is_empty() && ui.button("None").clicked() {
                train.compare.clear();
            }
        });
        let hint = "Drag to move, Ctrl and wheel to zoom, double-click for all";
        ui.label(RichText::new(hint).small().color(palette(ui).dim));
    });
}

fn draw(ui: &mut Ui, series: &[Series<'_>], settings: &Settings) {
    let any = |curve: Curve| series.iter().any(|series| !series.record.curve(curve).is_empty());
    let small: Vec<(&'static str, Curve)> = [
        ("Learning rate", Curve::Rate),
        ("Gradient norm", Curve::Gradient),
        ("Tokens per second", Curve::Speed),
        ("Memory of the process", Curve::Memory),
        ("Held-out samples right", Curve::Right),
    ]
    .into_iter()
    .filter(|(_, curve)| any(*curve))
    .collect();
    let rows = small.len().div_ceil(2);
    let heading = 24.0;
    let free = (ui.available_height() - heading * (rows + 1) as f32).max(0.0);
    let loss = if rows == 0 { free } else { free * 0.42 }.max(180.0);
    let height = ((free - loss) / rows.max(1) as f32 - theme().space.xs).max(96.0);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let curves = [Curve::Loss, Curve::HeldOut];
        let title = if settings.log { "Loss, logarithmic" } else { "Loss" };
        plot(
            ui,
            &Panel { title, curves: &curves, log: settings.log, height: loss, legend: true },
            series,
            settings,
        );
        for pair in small.chunks(2) {
            ui.columns(2, |columns| {
                for (column, (title, curve)) in columns.iter_mut().zip(pair) {
                    let panel = Panel { title, curves: &[*curve], log: false, height, legend: false };
                    plot(column, &panel, series, settings);
                }
            });
        }
    });
}

fn plot(ui: &mut Ui, panel: &Panel<'_>, series: &[Series<'_>], settings: &Settings) {
    widgets::section(ui, panel.title);
    let (log, curve) = (panel.log, panel.curves[0]);
    let linked = Id::unique("training steps");
    let say = move |y: f64| value(curve, if log { 10f64.powf(y) } else { y });
    let mut plot = Plot::new(panel.title)
        .height(panel.height)
        .allow_scroll(false)
        .link_axis(linked, Vec2b::new(true, false))
        .link_cursor(linked, Vec2b::new(true, false))
        .y_axis_min_width(56.0)
        .grid_spacing(30.0..=900.0)
        .y_axis_formatter(move |mark, _| say(mark.value))
        .x_axis_formatter(
            |mark, _| if mark.value < 0.0 { String::new() } else { number_text(mark.value.round()) },
        )
        .label_formatter(move |at| match at {
            HoverPosition::NearDataPoint { plot_name, position, .. } => {
                Some(format!("{plot_name}\nstep {:.0}: {}", position.x, say(position.y)))
            }
            HoverPosition::Elsewhere { .. } => None,
        });
    if panel.legend {
        plot = plot.legend(Legend::default().position(Corner::RightTop).text_style(TextStyle::Small));
    }
    let keep = settings.smoothing;
    let response = plot.show(ui, |ui| {
        let bounds = ui.plot_bounds();
        let view = (!ui.auto_bounds().x && bounds.is_valid_x()).then(|| (bounds.min()[0], bounds.max()[0]));
        for series in series {
            for &curve in panel.curves {
                let points = series.record.curve(curve);
                let held = matches!(curve, Curve::HeldOut | Curve::Right);
                let fit = |points: &[[f64; 2]]| {
                    let seen = view.map_or(points, |(from, to)| within(points, from, to));
                    let thin = thin(seen, MOST);
                    if log { logarithms(thin) } else { thin }
                };
                let name = if held { format!("{}, held out", series.name) } else { series.name.clone() };
                if held {
                    let line = Line::new(name.clone(), PlotPoints::from(fit(points)));
                    ui.line(line.color(series.colour).width(1.5).style(LineStyle::dashed_dense()));
                    let marks = Points::new(name, PlotPoints::from(fit(points)));
                    ui.points(marks.color(series.colour).radius(3.0).shape(MarkerShape::Diamond));
                } else if matches!(curve, Curve::Rate | Curve::Memory) || keep < 0.005 {
                    ui.line(Line::new(name, PlotPoints::from(fit(points))).color(series.colour).width(1.5));
                } else {
                    let raw = Line::new("", PlotPoints::from(fit(points))).id(format!("{name} raw"));
                    ui.line(raw.color(series.colour.gamma_multiply(0.3)).width(1.0).allow_hover(false));
                    let line = Line::new(name, PlotPoints::from(fit(&smooth(points, keep))));
                    ui.line(line.color(series.colour).width(2.0));
                }
            }
        }
    });
    let last = series.iter().filter_map(|series| {
        let point = series.record.curve(curve).last()?;
        Some(format!("{} {} at step {:.0}", series.name, value(curve, point[1]), point[0]))
    });
    let said = format!("{} by step. {}", panel.title, last.collect::<Vec<_>>().join("; "));
    response.response.accessible_name(said);
}

/// A value with its unit.
pub(super) fn value(curve: Curve, y: f64) -> String {
    match curve {
        Curve::Memory => bytes(y.max(0.0) as u64),
        Curve::Right => format!("{:.0} %", y * 100.0),
        Curve::Speed => format!("{y:.0}"),
        Curve::Rate => number_text(y),
        Curve::Loss | Curve::HeldOut | Curve::Gradient if y.abs() >= 0.01 => format!("{y:.3}"),
        Curve::Loss | Curve::HeldOut | Curve::Gradient => number_text(y),
    }
}
