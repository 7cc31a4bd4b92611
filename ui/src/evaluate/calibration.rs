//! Whether the probabilities mean what they say: of the answers given with 80 %, are 80 % right?

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Grid, RichText, ScrollArea, Ui};
use egui_plot::{HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoints, Points};
use plumb_bench::score::{CALIBRATION_BINS, SMALL_SLICE};
use plumb_bench::stats::{Calibration, calibrate, selective_accuracy};

use super::data::Data;
use super::facets::Filter;
use super::{Evaluate, no_rows, words};
use crate::theme::{palette, theme};
use crate::widgets;

/// Probabilities of the options, and the right one.
type Rows = Vec<(Vec<f64>, usize)>;

/// What was made of the rows that the facets leave.
#[derive(Default)]
pub(super) struct Made {
    of: Option<(u64, Filter)>,
    groups: Arc<Vec<Group>>,
}

/// The rows of one task, or all.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    name: String,
    calibration: Calibration,
    /// Mean probability of the chosen options, and the share of them that is right.
    confidence: f64,
    accuracy: f64,
    /// Mean chance of the rows.
    chance: f64,
    /// Share answered, share of them right.
    selective: Vec<[f64; 2]>,
}

impl Group {
    fn new(name: &str, rows: &[(Vec<f64>, usize)], chance: f64) -> Option<Self> {
        let calibration = calibrate(rows, CALIBRATION_BINS)?;
        let mean = |value: &dyn Fn(&plumb_bench::stats::ReliabilityBin) -> f64| {
            calibration.bins.iter().map(|bin| value(bin) * bin.n as f64).sum::<f64>() / calibration.n as f64
        };
        let (confidence, accuracy) = (mean(&|bin| bin.confidence), mean(&|bin| bin.accuracy));
        let answers: Vec<(f64, bool)> = rows
            .iter()
            .filter_map(|(p, gold)| {
                p.get(*gold)?;
                let best = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // Of several likeliest options the first is chosen, as in the score.
                Some((best, p.iter().position(|p| *p == best) == Some(*gold)))
            })
            .collect();
        let selective = selective_accuracy(&answers).into_iter().map(|(x, y)| [x, y]).collect();
        Some(Self { name: name.to_owned(), calibration, confidence, accuracy, chance, selective })
    }
}

fn groups(data: &Data, rows: &[usize]) -> Vec<Group> {
    let mut tasks: BTreeMap<&str, (Rows, f64)> = BTreeMap::new();
    for &at in rows {
        let (Some(sample), Some(answer)) = (data.sample(at), data.answer(at)) else { continue };
        if let Some(probabilities) = &answer.probabilities {
            for name in ["", sample.task.name()] {
                let (rows, chance) = tasks.entry(name).or_default();
                rows.push((probabilities.clone(), sample.gold));
                *chance += sample.chance();
            }
        }
    }
    // All and one task are the same where there is but one.
    if tasks.len() == 2 {
        tasks.remove("");
    }
    tasks
        .into_iter()
        .filter_map(|(task, (rows, chance))| {
            let name = if task.is_empty() { "All tasks" } else { task };
            Group::new(name, &rows, chance / rows.len().max(1) as f64)
        })
        .collect()
}

/// What the numbers show, in a sentence.
fn sentence(group: &Group) -> String {
    let by = group.confidence - group.accuracy;
    let (says, is) = (words::percent(group.confidence), words::percent(group.accuracy));
    // Twice the standard error of the share that is right.
    let spread = 2.0 * (group.accuracy * (1.0 - group.accuracy) / group.calibration.n as f64).sqrt();
    if group.calibration.n < SMALL_SLICE {
        "Too few answers to tell.".to_owned()
    } else if by > spread {
        format!("Too sure of itself: it gives its answers {says} on average and is right {is} of the time.")
    } else if by < -spread {
        format!(
            "Less sure than it could be: it gives its answers {says} on average and is right {is} of the time."
        )
    } else {
        format!("On average as sure as it is right: {says} and {is}.")
    }
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    if data.run.is_none() {
        widgets::empty(
            ui,
            "Whether its probabilities can be trusted",
            "Run the benchmark or open a run on the left.",
        );
        return;
    }
    let key = (state.now.version, state.now.filter.clone());
    if state.now.calibration.of.as_ref() != Some(&key) {
        let groups = Arc::new(groups(&data, &state.now.found.rows));
        state.now.calibration = Made { of: Some(key), groups };
    }
    let groups = state.now.calibration.groups.clone();
    ScrollArea::vertical().id_salt("calibration").auto_shrink(false).show(ui, |ui| {
        if groups.is_empty() {
            widgets::dim(
                ui,
                "No answer that is left has probabilities: run the benchmark with the scoring by likelihood.",
            );
            return;
        }
        for group in groups.iter() {
            ui.add_space(theme().space.s);
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(&group.name).heading());
                widgets::dim(ui, format!("{} answers", words::count(group.calibration.n)));
                ui.label(sentence(group));
            });
            // Of a handful of answers every curve is an accident.
            if group.calibration.n < SMALL_SLICE {
                continue;
            }
            facts(ui, group);
            ui.columns(2, |columns| {
                let [left, right] = columns else { return };
                reliability(left, group);
                selective(right, group);
            });
        }
    });
}

fn facts(ui: &mut Ui, group: &Group) {
    let c = &group.calibration;
    let none = || "infinite".to_owned();
    Grid::new(("calibration", &group.name)).num_columns(6).spacing([8.0, 2.0]).show(ui, |ui| {
        for (name, value, about) in [
            (
                "calibration error",
                words::percent(c.ece),
                "Expected calibration error: the mean gap between probability and share right, over 15 groups of equal size",
            ),
            (
                "Brier score",
                format!("{:.3}", c.brier),
                "Mean squared distance between the probabilities and the truth: 0 is perfect, 2 the worst",
            ),
            (
                "log loss",
                c.nll.map_or_else(none, |nll| format!("{nll:.3}")),
                "Mean negative logarithm of the probability of the right option, in nats; guessing between two gives 0.693",
            ),
        ] {
            widgets::dim(ui, name).on_hover_text(about);
            ui.label(RichText::new(value).monospace());
        }
    });
}

const HEIGHT: f32 = 190.0;

fn square<'a>(id: &str, x: &'static str, y: &'static str) -> Plot<'a> {
    let percent =
        |mark: egui_plot::GridMark, _: &std::ops::RangeInclusive<f64>| format!("{:.0} %", mark.value * 100.0);
    Plot::new(id.to_owned())
        .height(HEIGHT)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .include_x(0.0)
        .include_x(1.0)
        .include_y(0.0)
        .include_y(1.0)
        .x_axis_formatter(percent)
        .y_axis_formatter(percent)
        .y_axis_min_width(48.0)
        .grid_spacing(60.0..=1200.0)
        .label_formatter(move |at| match at {
            HoverPosition::NearDataPoint { position, .. } => {
                Some(format!("{x} {}\n{y} {}", words::percent(position.x), words::percent(position.y)))
            }
            HoverPosition::Elsewhere { .. } => None,
        })
}

/// Probability against share right; on the diagonal it means what it says.
fn reliability(ui: &mut Ui, group: &Group) {
    let p = *palette(ui);
    widgets::section(ui, "Probability (across) and share right (up)");
    let response = square(&format!("reliability {}", group.name), "probability", "right").show(ui, |plot| {
        let diagonal = Line::new("as sure as right", PlotPoints::from(vec![[0.0, 0.0], [1.0, 1.0]]));
        plot.line(diagonal.color(p.dim).style(LineStyle::dashed_dense()).allow_hover(false));
        let at: Vec<[f64; 2]> = group.calibration.bins.iter().map(|b| [b.confidence, b.accuracy]).collect();
        plot.points(
            Points::new("answers", PlotPoints::from(at))
                .color(p.accent)
                .radius(3.5)
                .shape(MarkerShape::Circle),
        );
    });
    let said = format!(
        "{}: reliability. {}",
        group.name,
        group
            .calibration
            .bins
            .iter()
            .map(|b| format!(
                "{} given with {}: {} right",
                b.n,
                words::percent(b.confidence),
                words::percent(b.accuracy)
            ))
            .collect::<Vec<_>>()
            .join("; ")
    );
    response.response.accessible_name(said);
}

/// What is right when only the surest answers are given.
fn selective(ui: &mut Ui, group: &Group) {
    let p = *palette(ui);
    widgets::section(ui, "Share answered, the surest first (across), and share right (up)");
    let response = square(&format!("selective {}", group.name), "answered", "right").show(ui, |plot| {
        let chance = Line::new("chance", PlotPoints::from(vec![[0.0, group.chance], [1.0, group.chance]]));
        plot.line(chance.color(p.dim).style(LineStyle::dashed_dense()).allow_hover(false));
        let curve = Line::new("answers", PlotPoints::from(group.selective.clone()));
        plot.line(curve.color(p.accent).width(1.5));
    });
    let half = group.selective.iter().find(|at| at[0] >= 0.5);
    let said = match half {
        Some(at) => format!(
            "{}: of the surest {} answers {} are right, of all {}",
            group.name,
            words::percent(at[0]),
            words::percent(at[1]),
            words::percent(group.accuracy)
        ),
        None => format!("{}: nothing is answered", group.name),
    };
    response.response.accessible_name(said);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 rows answered with `sure`, of which `right` in 100 are right.
    fn group(sure: f64, right: usize) -> Group {
        let rows: Rows = (0..100).map(|i| (vec![sure, 1.0 - sure], usize::from(i >= right))).collect();
        Group::new("Depth", &rows, 0.5).unwrap()
    }

    #[test]
    fn being_too_sure_is_said() {
        let g = group(0.9, 60);
        assert!((g.confidence - 0.9).abs() < 1e-12 && (g.accuracy - 0.6).abs() < 1e-12);
        assert_eq!(g.selective, [[1.0, 0.6]], "answers of one probability cannot be told apart");
        assert!(
            sentence(&g).starts_with("Too sure of itself: it gives its answers 90.0 %"),
            "{}",
            sentence(&g)
        );
        assert!(sentence(&group(0.6, 90)).starts_with("Less sure than it could be"));
        assert!(sentence(&group(0.7, 68)).starts_with("On average as sure as it is right"));
    }

    #[test]
    fn few_answers_say_nothing_and_none_are_no_group() {
        let few = Group::new("x", &[(vec![0.9, 0.1], 1)], 0.5).unwrap();
        assert_eq!(sentence(&few), "Too few answers to tell.");
        assert!(Group::new("x", &[], 0.5).is_none());
        assert!(Group::new("x", &[(vec![], 0)], 0.5).is_none());
    }
}
