//! Runs that were cut short, offered at the next start: the window was closed or killed while they were going on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use egui::{Frame, Label, Margin, Panel, RichText, Ui};
use plumb_engine::look::{Look, Seen, Unfinished, UnfinishedKind};
use plumb_engine::{ImageMode, Request};

use crate::app::App;
use crate::cx::{Cx, Show, Wish};
use crate::theme::palette;
use crate::widgets;

/// Runs that are offered at once.
const SHOWN: usize = 3;

/// What is offered.
#[derive(Default)]
pub(crate) struct Offers {
    looked: bool,
    runs: Vec<Unfinished>,
}

impl Offers {
    /// Looks once a start for what was cut short; what the person has `left` so is not offered.
    pub(crate) fn look(&mut self, left: &mut BTreeSet<PathBuf>, cx: &mut Cx<'_>) {
        if self.looked {
            return;
        }
        let loaded = cx.look(&Look::Unfinished { folder: cx.runs.clone() });
        let Some(Seen::Unfinished { runs }) = loaded.ready() else { return };
        self.looked = true;
        // What has come to its end or gone needs no remembering.
        left.retain(|folder| runs.iter().any(|run| run.folder == *folder));
        let going = |folder: &PathBuf| {
            cx.jobs.iter().any(|(_, job)| job.status.is_live() && job.run.as_ref() == Some(folder))
        };
        self.runs =
            runs.iter().filter(|run| !left.contains(&run.folder) && !going(&run.folder)).cloned().collect();
    }

    /// Takes a run off the list that goes on otherwise.
    pub(crate) fn began(&mut self, folder: &PathBuf) {
        self.runs.retain(|run| run.folder != *folder);
    }
}

/// What the person answers.
enum Answer {
    Resume,
    Show,
    Later,
    Leave,
}

/// Draws the strip, where there is something to offer.
pub(crate) fn strip(app: &mut App, ui: &mut Ui, now: f64) {
    let runs: Vec<Unfinished> = app.offers.runs.iter().take(SHOWN).cloned().collect();
    if runs.is_empty() {
        return;
    }
    let more = app.offers.runs.len() - runs.len();
    let p = palette(ui);
    let frame = Frame::new().fill(p.raised).inner_margin(Margin::symmetric(12, 6));
    let mut answer = None;
    Panel::top("unfinished").frame(frame).show(ui, |ui| {
        for run in &runs {
            ui.push_id(&run.folder, |ui| {
                if let Some(said) = row(ui, run) {
                    answer = Some((run.clone(), said));
                }
            });
        }
        if more > 0 {
            ui.horizontal(|ui| {
                widgets::dim(ui, format!("and {more} more, which the lists of Evaluate and Train have"));
                if ui.small_button("Not now").accessible_name("Not now: all unfinished runs").clicked() {
                    app.offers.runs.clear();
                }
            });
        }
    });
    let Some((run, said)) = answer else { return };
    match said {
        Answer::Resume => app.wish(Wish::Resume(Box::new(run))),
        Answer::Show => app.wish(Wish::Show(match run.kind {
            UnfinishedKind::Evaluation => Show::Run(run.folder),
            UnfinishedKind::Training => Show::Training(run.folder),
        })),
        Answer::Later => app.offers.began(&run.folder),
        Answer::Leave => {
            app.offers.began(&run.folder);
            app.session.left.insert(run.folder);
            app.say("The run stays where it is; Evaluate and Train can go on with it".to_owned(), None, now);
        }
    }
}

fn row(ui: &mut Ui, run: &Unfinished) -> Option<Answer> {
    let mut answer = None;
    let name = &run.name;
    ui.horizontal_wrapped(|ui| {
        let colour = palette(ui).warning;
        ui.label(RichText::new("⏸").color(colour));
        ui.add(Label::new(sentence(run)).wrap()).on_hover_text(run.folder.display().to_string());
        let resume = widgets::primary(ui, "Resume", true).accessible_name(format!("Resume {name}"));
        if resume
            .on_hover_text("Goes on as if it had never stopped: nothing is lost, nothing is done twice")
            .clicked()
        {
            answer = Some(Answer::Resume);
        }
        if ui.button("Show").accessible_name(format!("Show {name}")).clicked() {
            answer = Some(Answer::Show);
        }
        let later = ui.button("Not now").accessible_name(format!("Not now: {name}"));
        if later.on_hover_text("It is offered again at the next start").clicked() {
            answer = Some(Answer::Later);
        }
        let leave = ui.button("Do not offer again").accessible_name(format!("Do not offer {name} again"));
        if leave.on_hover_text("Its files stay").clicked() {
            answer = Some(Answer::Leave);
        }
    });
    answer
}

/// What it is and how far.
fn sentence(run: &Unfinished) -> String {
    let last =
        |name: &str| name.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
    let model = last(&run.model);
    match run.kind {
        UnfinishedKind::Evaluation => {
            let bench = match &run.request {
                Request::Eval { bench, .. } => last(&bench.display().to_string()),
                _ => String::new(),
            };
            let adapter =
                run.adapter.as_deref().map(|adapter| format!(" with {}", last(adapter))).unwrap_or_default();
            let image = match run.image {
                ImageMode::Full => "",
                ImageMode::Blind => ", without pictures",
                ImageMode::Blank => ", with grey pictures",
            };
            let total = run.total.unwrap_or(run.done);
            format!(
                "The evaluation of {model}{adapter} on {bench}{image} was cut short: {} of {total} samples are answered.",
                run.done
            )
        }
        UnfinishedKind::Training => {
            let far = match (run.done, run.total) {
                (0, _) => "before its first checkpoint".to_owned(),
                (done, Some(total)) => format!("step {done} of {total} is saved"),
                (done, None) => format!("step {done} is saved"),
            };
            format!("The training {} of {model} was cut short: {far}.", run.name)
        }
    }
}
