//! The chosen sample, asked again with something changed, beside what it said before.

use std::collections::BTreeMap;

use egui::{Button, RichText, TextEdit, Ui};
use plumb_bench::Sample;
use plumb_bench::sample::letter;
use plumb_engine::{Event, EventKind, JobId, Outcome, Request, RerunImage, RerunOutcome};

use super::data::{self, Data, Run};
use super::{Evaluate, place, sample, table, words};
use crate::cx::Cx;
use crate::dialog::{self, Dialog, Question};
use crate::theme::palette;
use crate::widgets;

/// Answers that are kept in all.
const KEPT: usize = 64;

/// A sample, asked again.
struct Again {
    job: JobId,
    /// What was changed.
    said: String,
    outcome: Option<Result<Box<RerunOutcome>, String>>,
}

/// What the next one changes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Change {
    /// The words of the whole turn, where they are written by hand.
    prompt: Option<String>,
    /// The option shown at `i` is the row's `order[i]`; empty for the row's own order.
    order: Vec<usize>,
}

type Place = (String, usize);

#[derive(Default)]
pub(super) struct Reruns {
    all: BTreeMap<Place, Vec<Again>>,
    /// What is changed, of the sample on show.
    change: Change,
    of: Option<Place>,
    file: Option<(Place, Dialog)>,
}

impl Reruns {
    /// Takes what a job said; whether it was one of these.
    pub(super) fn hear(&mut self, event: &Event) -> bool {
        let found = self.all.values_mut().flatten().find(|again| again.job == event.job);
        let Some(again) = found else { return false };
        match &event.kind {
            EventKind::Finished { outcome: Outcome::Rerun(outcome) } => {
                again.outcome = Some(Ok(outcome.clone()));
            }
            EventKind::Finished { .. } => again.outcome = Some(Err("no answer came".to_owned())),
            EventKind::Failed { error } => again.outcome = Some(Err(error.clone())),
            EventKind::Cancelled => again.outcome = Some(Err("stopped".to_owned())),
            _ => {}
        }
        true
    }

    fn add(&mut self, place: Place, again: Again) {
        self.all.entry(place).or_default().insert(0, again);
        while self.all.values().map(Vec::len).sum::<usize>() > KEPT {
            let oldest =
                self.all.iter().filter_map(|(place, of)| Some((of.last()?.job, place.clone()))).min();
            let Some((_, place)) = oldest else { return };
            if let Some(of) = self.all.get_mut(&place) {
                of.pop();
                if of.is_empty() {
                    self.all.remove(&place);
                }
            }
        }
    }
}

/// The next order of `n` options: each one place on.
pub(super) fn turned(order: &[usize], n: usize) -> Vec<usize> {
    let mut order = if order.len() == n { order.to_vec() } else { (0..n).collect() };
    if n > 0 {
        order.rotate_left(1);
    }
    if order.is_sorted() { Vec::new() } else { order }
}

/// What is changed, in words.
fn describe(image: &RerunImage, change: &Change) -> String {
    let mut parts = vec![match image {
        RerunImage::Full => "same picture".to_owned(),
        RerunImage::Flipped => "mirrored".to_owned(),
        RerunImage::Blank => "grey picture".to_owned(),
        RerunImage::Blind => "without picture".to_owned(),
        RerunImage::File { path } => words::last(&path.display().to_string()).to_owned(),
    }];
    if !change.order.is_empty() {
        parts.push(format!("options {}", order_text(&change.order)));
    }
    if change.prompt.is_some() {
        parts.push("other words".to_owned());
    }
    parts.join(", ")
}

fn order_text(order: &[usize]) -> String {
    order.iter().map(|&i| letter(i).to_string()).collect::<Vec<_>>().join(" ")
}

/// The words that the run's preset sends for this sample.
fn sent(state: &Evaluate, data: &Data, at: usize, sample: &Sample) -> String {
    let preset = data.run.as_ref().map_or(state.setup.preset, |run| run.get().manifest.preset);
    let kept = data.answer(at).and_then(|answer| answer.prompt.clone());
    kept.unwrap_or_else(|| preset.render(sample).user_text)
}

pub(super) fn ui(state: &mut Evaluate, ui: &mut Ui, cx: &mut Cx<'_>, data: &Data, at: usize) {
    let Some(row) = data.sample(at) else { return };
    let kept = (place(data.run.as_ref().map(Run::get), &data.bench), row.row);
    if state.now.reruns.of.as_ref() != Some(&kept) {
        state.now.reruns.of = Some(kept.clone());
        state.now.reruns.change = Change::default();
    }
    take_file(state, cx, data, at, &kept);
    widgets::section(ui, "Ask this sample again");
    ui.horizontal_wrapped(|ui| {
        let images = [
            ("Same picture", "Nothing is changed but what is set below", RerunImage::Full),
            ("Mirrored", "Left and right exchanged, in the right answer as well", RerunImage::Flipped),
            ("Grey picture", "Mid-grey of the same size: what the question alone gives", RerunImage::Blank),
            ("No picture", "The question alone", RerunImage::Blind),
        ];
        for (title, about, image) in images {
            if ui.button(title).on_hover_text(about).accessible_name(format!("Ask again: {title}")).clicked()
            {
                send(state, cx, data, at, image, &kept);
            }
        }
        let waiting = state.now.reruns.file.is_some();
        let other = Button::new("Other picture…");
        if ui.add_enabled(!waiting, other).accessible_name("Ask again: Other picture").clicked() {
            choose(state, ui.ctx(), cx, &kept);
        }
    });
    changes(state, ui, data, at, row);
    let answer = data.answer(at);
    let before = answer.and_then(|answer| answer.probabilities.as_deref());
    let mut gone = None;
    for (i, again) in state.now.reruns.all.get(&kept).into_iter().flatten().enumerate() {
        ui.push_id(again.job, |ui| {
            if outcome(ui, row, again, before) {
                gone = Some(i);
            }
        });
    }
    if let (Some(i), Some(of)) = (gone, state.now.reruns.all.get_mut(&kept)) {
        of.remove(i);
    }
}

fn changes(state: &mut Evaluate, ui: &mut Ui, data: &Data, at: usize, row: &Sample) {
    let words = sent(state, data, at, row);
    let change = &mut state.now.reruns.change;
    ui.horizontal_wrapped(|ui| {
        let n = row.options.len();
        let shown = if change.order.is_empty() {
            order_text(&(0..n).collect::<Vec<_>>())
        } else {
            order_text(&change.order)
        };
        widgets::dim(ui, "Options in the order");
        ui.label(RichText::new(shown).monospace());
        if n > 1 && ui.small_button("Turn").on_hover_text("Each option one place on").clicked() {
            change.order = turned(&change.order, n);
        }
        if n > 1 && ui.small_button("Reverse").on_hover_text("The last option first").clicked() {
            let mut order = if change.order.is_empty() { (0..n).collect() } else { change.order.clone() };
            order.reverse();
            change.order = if order.is_sorted() { Vec::new() } else { order };
        }
        let mut edited = change.prompt.is_some();
        if ui.checkbox(&mut edited, "Other words").on_hover_text("Write the prompt yourself").changed() {
            change.prompt = edited.then_some(words);
        }
    });
    if let Some(prompt) = &mut change.prompt {
        let field = TextEdit::multiline(prompt)
            .id_salt("words")
            .font(egui::TextStyle::Monospace)
            .desired_width(f32::INFINITY)
            .desired_rows(4);
        ui.add(field).accessible_name("Prompt to be sent");
    }
}

fn send(state: &mut Evaluate, cx: &mut Cx<'_>, data: &Data, at: usize, image: RerunImage, kept: &Place) {
    let Some(row) = data.sample(at) else { return };
    let change = state.now.reruns.change.clone();
    let said = describe(&image, &change);
    let run = data.run.as_ref().map(|run| &run.get().manifest);
    let setup = &state.setup;
    let request = Request::Rerun {
        model: run.map_or_else(|| setup.model_request(), |run| setup.model_of(run)),
        bench: data.bench.get().path.clone(),
        row: row.row,
        prompt: change.prompt,
        options: (!change.order.is_empty()).then_some(change.order),
        image,
        preset: run.map_or(setup.preset, |run| run.preset),
        scoring: run.map_or(setup.scoring, |run| run.scoring),
        max_tokens: run.map_or(setup.max_tokens, plumb_engine::RunManifest::max_tokens),
    };
    if let Some(job) = cx.start(format!("Asking #{} again: {said}", row.id), request) {
        state.now.reruns.add(kept.clone(), Again { job, said, outcome: None });
    }
}

fn choose(state: &mut Evaluate, ctx: &egui::Context, cx: &mut Cx<'_>, kept: &Place) {
    match Dialog::open(ctx, Question::file("Choose a picture", &[dialog::PICTURES])) {
        Ok(dialog) => state.now.reruns.file = Some((kept.clone(), dialog)),
        Err(error) => cx.fail(error),
    }
}

fn take_file(state: &mut Evaluate, cx: &mut Cx<'_>, data: &Data, at: usize, kept: &Place) {
    let Some((of, dialog)) = &state.now.reruns.file else { return };
    let Some(answer) = dialog.poll() else { return };
    // Another sample was chosen meanwhile: the picture was meant for the one before.
    let same = of == kept;
    state.now.reruns.file = None;
    if let Some(path) = answer.filter(|_| same) {
        send(state, cx, data, at, RerunImage::File { path }, kept);
    }
}

/// Draws one; whether it is to be put away.
fn outcome(ui: &mut Ui, row: &Sample, again: &Again, before: Option<&[f64]>) -> bool {
    let p = *palette(ui);
    let mut away = false;
    ui.separator();
    ui.horizontal_wrapped(|ui| {
        if let Some(Ok(outcome)) = &again.outcome {
            widgets::verdict(ui, Some(outcome.correct));
        }
        ui.label(RichText::new(&again.said).strong());
        away = ui.small_button("Put away").accessible_name(format!("Put away: {}", again.said)).clicked();
    });
    let outcome = match &again.outcome {
        None => {
            ui.horizontal(|ui| {
                ui.spinner();
                widgets::dim(ui, "Waiting for the answer…");
            });
            return away;
        }
        Some(Err(error)) => {
            widgets::failure(ui, error);
            return away;
        }
        Some(Ok(outcome)) => outcome,
    };
    let chosen = match outcome.chosen {
        Some(_) => format!("Chose {}", table::option(&row.options, outcome.chosen)),
        None => format!("No choice: {}", data::status(outcome.status)),
    };
    let secs = &outcome.ask.seconds;
    let took = words::seconds(secs.vision + secs.prompt + secs.answer);
    widgets::dim(ui, format!("{chosen} · {took}"));
    if outcome.gold != row.gold {
        widgets::dim(
            ui,
            format!("Mirrored, the right answer is {}", table::option(&row.options, Some(outcome.gold))),
        );
    }
    if let Some(after) = &outcome.probabilities {
        egui::Grid::new("difference").num_columns(4).spacing([12.0, 2.0]).show(ui, |ui| {
            for title in ["", "before", "now", "difference"] {
                widgets::dim(ui, title);
            }
            ui.end_row();
            for (i, now) in after.iter().enumerate() {
                let mut name = table::option(&row.options, Some(i));
                if i == outcome.gold {
                    name.push_str(" (right answer)");
                }
                ui.label(name);
                let was = before.and_then(|before| before.get(i)).copied();
                ui.label(
                    RichText::new(was.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}"))).monospace(),
                );
                ui.label(RichText::new(format!("{now:.2}")).monospace());
                let difference = was.map_or_else(String::new, |was| format!("{:+.2}", now - was));
                ui.label(RichText::new(difference).monospace().color(p.text));
                ui.end_row();
            }
        });
    } else {
        sample::quoted(ui, "New answer as it came", &outcome.ask.answer, true);
    }
    sample::quoted(ui, "New prompt as it was sent", &outcome.sent, false);
    away
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_turn_back_to_the_rows_own() {
        let mut order = Vec::new();
        let mut seen = Vec::new();
        for _ in 0..3 {
            order = turned(&order, 3);
            seen.push(order.clone());
        }
        assert_eq!(seen, [vec![1, 2, 0], vec![2, 0, 1], vec![]]);
        assert_eq!((turned(&[], 1), turned(&[], 0)), (vec![], vec![]));
        assert_eq!(turned(&[5, 6], 3), [1, 2, 0], "an order of another sample is not taken");
    }

    #[test]
    fn a_change_is_said_in_words() {
        let change = Change { prompt: Some("x".into()), order: vec![1, 0] };
        assert_eq!(describe(&RerunImage::Blank, &change), "grey picture, options B A, other words");
        let file = RerunImage::File { path: "/a/b.png".into() };
        assert_eq!(describe(&file, &Change::default()), "b.png");
    }

    #[test]
    fn the_oldest_answers_go_first() {
        let mut reruns = Reruns::default();
        for job in 0..100 {
            let again = Again { job, said: String::new(), outcome: None };
            reruns.add(("run".into(), (job % 7) as usize), again);
        }
        let mut jobs: Vec<JobId> = reruns.all.values().flatten().map(|a| a.job).collect();
        jobs.sort_unstable();
        assert_eq!(jobs, (36..100).collect::<Vec<_>>());
        let event = Event { job: 99, kind: EventKind::Failed { error: "no".into() } };
        assert!(reruns.hear(&event));
        assert!(!reruns.hear(&Event { job: 1, ..event }));
    }
}
