//! Two runs of the same benchmark, row by row.

use egui::{RichText, ScrollArea, Sense, Stroke, Ui, pos2, vec2};
use plumb_bench::Comparison;
use plumb_bench::score::Difference;
use plumb_bench::stats::Interval;
use plumb_engine::look::{CompareSeen, Look, RunSeen, Seen};

use super::columns::PAIR;
use super::data::Run;
use super::facets::Facet;
use super::{Evaluate, fingerprint, lines, no_rows, score, state, words};
use crate::cx::Cx;
use crate::library::Loaded;
use crate::theme::{palette, theme};
use crate::widgets;

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(data) = state.now.data.clone() else { return no_rows(state, ui) };
    let (Some(a), Some(b)) = (state.a.clone(), state.b.clone()) else {
        let how = "Under “Runs” on the left choose A and B: two runs of the same benchmark.";
        widgets::empty(ui, "Two runs side by side", how);
        return;
    };
    if a == b {
        widgets::empty(ui, "A and B are the same run", "Choose another run as B.");
        return;
    }
    let other = cx.look(&Look::Run { folder: b.clone() });
    let seen = cx.look(&Look::Compare { a, b });
    ScrollArea::vertical().id_salt("compare").auto_shrink(false).show(ui, |ui| {
        widgets::loaded(ui, &seen, |ui, seen| {
            if let Seen::Compare(compared) = seen {
                difference(state, ui, compared);
            }
        });
        let Some(run) = &data.run else { return };
        ui.add_space(theme().space.s);
        ui.columns(2, |columns| {
            strip(&mut columns[0], "A", run.get());
            match &other {
                Loaded::Ready(seen) => {
                    if let Some(b) = Run::new(seen) {
                        strip(&mut columns[1], "B", b.get());
                    }
                }
                Loaded::Waiting => {
                    widgets::dim(&mut columns[1], "Reading…");
                }
                Loaded::Failed(error) => widgets::failure(&mut columns[1], error),
            }
        });
    });
}

fn difference(state: &mut Evaluate, ui: &mut Ui, seen: &CompareSeen) {
    let compared = &seen.comparison;
    ui.label(RichText::new(headline(compared)).heading());
    widgets::dim(
        ui,
        format!(
            "{} samples that both answered{}; exact McNemar test, {}",
            words::count(compared.n),
            if compared.left_out > 0 {
                format!(", {} left out", words::count(compared.left_out))
            } else {
                String::new()
            },
            words::p_value(compared.p)
        ),
    );
    ui.add_space(theme().space.xs);
    ui.horizontal_wrapped(|ui| {
        let cells = [compared.both, compared.only_a, compared.only_b, compared.neither];
        for (name, n) in PAIR.iter().zip(cells) {
            let chosen = state.now.filter.has(Facet::Pair, name);
            let said = format!("{name}: {}", words::count(n));
            let button = egui::Button::selectable(chosen, &said);
            if ui.add(button).on_hover_text("Show these samples in the table").clicked() {
                state.now.filter.only(&[(Facet::Pair, (*name).to_owned())]);
            }
        }
    });
    ui.add_space(theme().space.s);
    egui::Grid::new("differences").num_columns(7).spacing([12.0, 4.0]).show(ui, |ui| {
        let titles = ["", "A", "B", "B − A", "95 % interval", "", "test"];
        for title in titles {
            widgets::dim(ui, title);
        }
        ui.end_row();
        for (name, d, p) in
            [("Official", &compared.official, None), ("Micro", &compared.micro, Some(compared.p))]
        {
            if let Some(d) = d {
                line(ui, name, d, p, compared.n);
            }
        }
        for slice in &compared.slices {
            line(
                ui,
                &format!("{} {}", slice.group, slice.name),
                &slice.difference,
                Some(slice.p_holm),
                slice.n,
            );
        }
    });
    widgets::dim(
        ui,
        "Tests of tasks and sources are adjusted after Holm. Differences whose interval holds 0 are grey.",
    );
}

/// Who is better, and by how much.
pub(super) fn headline(compared: &Comparison) -> String {
    let Some(d) = compared.official.as_ref().or(compared.micro.as_ref()) else {
        return "The two runs share no answered sample".to_owned();
    };
    let Some(interval) = wide(d) else { return format!("B − A is {:+.1} points", d.delta * 100.0) };
    let mut ends = [interval.low * 100.0, interval.high * 100.0];
    if interval.high < 0.0 {
        ends = [-ends[1], -ends[0]];
    }
    let range = format!("95 % interval {:.1} to {:.1}", ends[0], ends[1]);
    let by = format!("{:.1} points", d.delta.abs() * 100.0);
    if interval.low > 0.0 && compared.p < 0.05 {
        format!("B is better by {by} ({range})")
    } else if interval.high < 0.0 && compared.p < 0.05 {
        format!("A is better by {by} ({range})")
    } else {
        format!("No difference is shown: B − A is {:+.1} points ({range})", d.delta * 100.0)
    }
}

/// The wider of the two bootstrap intervals: a claim should survive both.
fn wide(d: &Difference) -> Option<Interval> {
    match (d.interval, d.clustered) {
        (Some(a), Some(b)) => Some(a.hull(b)),
        (a, b) => a.or(b),
    }
}

fn line(ui: &mut Ui, name: &str, d: &Difference, p: Option<f64>, n: usize) {
    let palette = *palette(ui);
    let interval = wide(d);
    let shown = interval.is_some_and(|i| i.low > 0.0 || i.high < 0.0) && p.is_none_or(|p| p < 0.05);
    let ink = if shown { palette.text } else { palette.dim };
    let mono = |text: String| RichText::new(text).monospace().color(ink);
    ui.label(RichText::new(name).color(ink)).on_hover_text(format!("{} samples", words::count(n)));
    ui.label(mono(format!("{:.1}", d.a * 100.0)));
    ui.label(mono(format!("{:.1}", d.b * 100.0)));
    ui.label(mono(format!("{:+.1}", d.delta * 100.0)));
    let range =
        interval.map_or_else(String::new, |i| format!("{:+.1} … {:+.1}", i.low * 100.0, i.high * 100.0));
    ui.label(mono(range));
    bar(ui, name, d.delta, interval);
    ui.label(mono(p.map_or_else(String::new, words::p_value)));
    ui.end_row();
}

/// A difference about 0, to half of all points on either side.
fn bar(ui: &mut Ui, name: &str, delta: f64, interval: Option<Interval>) {
    let p = *palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(120.0, 12.0), Sense::hover());
    let said = format!("{name}: B − A {:+.1} points", delta * 100.0);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &said));
    let painter = ui.painter_at(rect);
    let x = |v: f64| rect.center().x + rect.width() * (v.clamp(-0.5, 0.5) as f32);
    painter.rect_filled(rect, 2.0, p.line.gamma_multiply(0.6));
    painter.line_segment([pos2(x(0.0), rect.top()), pos2(x(0.0), rect.bottom())], Stroke::new(1.0, p.dim));
    if let Some(i) = interval {
        let y = rect.center().y;
        painter.line_segment([pos2(x(i.low), y), pos2(x(i.high), y)], Stroke::new(2.0, p.text));
    }
    painter.circle_filled(pos2(x(delta), rect.center().y), 3.5, p.accent);
    response.on_hover_text(said);
}

fn strip(ui: &mut Ui, letter: &str, run: &RunSeen) {
    let (report, blind) = (&run.report, run.blind.as_deref());
    let print = &run.manifest.fingerprint;
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(letter).heading());
        let adapter = print.adapter.as_deref().map(|a| format!(" + {}", words::last(a))).unwrap_or_default();
        let mode = state::image_name(run.manifest.image);
        let said = format!("{}{adapter}, {mode}", words::last(&print.model));
        widgets::dim(ui, said).on_hover_text(fingerprint::whole(run));
    });
    ui.horizontal_wrapped(|ui| {
        for line in lines::totals(report, blind) {
            score::big(ui, &line.name, &line);
        }
    });
    score::legend(ui, blind.is_some());
    ui.push_id(letter, |ui| score::bars(ui, &lines::lines(report, blind)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(delta: f64, half: f64, p: f64) -> Comparison {
        let interval = Some(Interval { low: delta - half, high: delta + half });
        let d = Difference { a: 0.4, b: 0.4 + delta, delta, interval, clustered: None };
        Comparison {
            n: 100,
            left_out: 0,
            both: 0,
            only_a: 0,
            only_b: 0,
            neither: 0,
            p,
            micro: Some(d),
            official: None,
            slices: Vec::new(),
            sentence: String::new(),
        }
    }

    #[test]
    fn only_what_is_shown_is_claimed() {
        let starts = |c: Comparison, words: &str| {
            let said = headline(&c);
            assert!(said.starts_with(words), "{said}");
        };
        starts(compared(0.05, 0.02, 0.001), "B is better by 5.0 points (95 % interval 3.0 to 7.0)");
        starts(compared(-0.05, 0.02, 0.001), "A is better by 5.0 points (95 % interval 3.0 to 7.0)");
        starts(compared(0.01, 0.02, 0.4), "No difference is shown: B − A is +1.0 points");
        starts(compared(0.05, 0.02, 0.2), "No difference is shown");
        starts(Comparison { micro: None, ..compared(0.0, 0.0, 1.0) }, "The two runs share no");
    }
}
