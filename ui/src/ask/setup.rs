//! The left pane: which model answers, how, and which picture is asked about.

use std::path::PathBuf;

use egui::{ScrollArea, Ui};
use plumb_bench::PromptPreset;
use plumb_engine::look::{Look, Seen};
use plumb_engine::{DeviceChoice, ModelRequest, demo};
use plumb_vlm::Sampling;
use serde::{Deserialize, Serialize};

use super::{Ask, Source};
use crate::cx::{Cx, Wish};
use crate::fields::{Fields, Problems, path};
use crate::picker::{self, Named, PROMPTS};
use crate::widgets;

/// Who answers, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Setup {
    /// `demo`, a hub id or a folder.
    pub(crate) model: String,
    /// `demo` or a folder; empty for none.
    pub(crate) adapter: String,
    /// Model and adapter of it are not used: the fields above say them.
    request: ModelRequest,
    random: bool,
    temperature: f64,
    top_p: Option<f64>,
    top_k: Option<usize>,
    seed: u64,
    pub(crate) max_tokens: usize,
    pub(crate) preset: PromptPreset,
}

impl Default for Setup {
    fn default() -> Self {
        let request = ModelRequest {
            model: demo::NAME.to_owned(),
            device: DeviceChoice::Auto,
            precision: None,
            longest_edge: None,
            adapter: None,
        };
        Self {
            model: demo::NAME.to_owned(),
            adapter: String::new(),
            request,
            random: false,
            temperature: 0.7,
            top_p: Some(0.9),
            top_k: None,
            seed: 0,
            max_tokens: 128,
            preset: PromptPreset::Official,
        }
    }
}

impl Setup {
    /// As the engine takes it.
    pub(crate) fn model(&self) -> ModelRequest {
        let adapter = picker::resolved(&self.adapter);
        let adapter = (!adapter.is_empty()).then(|| PathBuf::from(adapter));
        ModelRequest { model: picker::resolved(&self.model), adapter, ..self.request.clone() }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        if self.random {
            let (temperature, top_k, top_p) = (self.temperature, self.top_k, self.top_p);
            Sampling::Random { temperature, top_k, top_p, seed: self.seed }
        } else {
            Sampling::Greedy
        }
    }

    /// What cannot be used.
    pub(crate) fn check(&self) -> Problems {
        let mut problems = Problems::default();
        picker::check_model(&self.model, &mut problems);
        if self.random {
            if !(self.temperature.is_finite() && self.temperature > 0.0 && self.temperature <= 100.0) {
                problems.add("temperature", "A temperature is a number above 0; 0.7 is usual");
            }
            if self.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
                problems.add("top_p", "A share of the probability is above 0 and at most 1");
            }
            if self.top_k == Some(0) {
                problems.add("top_k", "At least one token is needed");
            }
        }
        if !(1..=8192).contains(&self.max_tokens) {
            problems.add("max_tokens", "Tokens of an answer are 1 to 8192");
        }
        if self.request.longest_edge.is_some_and(|edge| !(16..=8192).contains(&edge)) {
            problems.add("longest_edge", "Pixels of the longest side are 16 to 8192");
        }
        problems
    }
}

/// Draws the pane.
pub(super) fn ui(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>) {
    let problems = ask.setup.check();
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let mut fields = Fields { ui, problems: &problems };
        let setup = &mut ask.setup;
        fields.group("Model", true, &["model", "adapter"], |f| {
            picker::named(f.ui, cx, Named::Model, &mut setup.model);
            f.said("model");
            picker::named(f.ui, cx, Named::Adapter, &mut setup.adapter);
            f.ui.horizontal(|ui| picker::device(ui, cx, &mut setup.request.device));
            f.precision(
                "Weights",
                "Their type; what the device runs best by itself",
                &mut setup.request.precision,
            );
            let hover = "Working size of pictures; one tile's side gives one frame and is fastest";
            f.optional("longest_edge", "Longest side, pixels", hover, &mut setup.request.longest_edge, 512);
        });
        fields.group("Answer", true, &["temperature", "top", "max_tokens"], |f| answer(f, setup));
        pictures(ask, ui, cx);
    });
}

fn answer(f: &mut Fields<'_>, setup: &mut Setup) {
    let options = [(false, "likeliest"), (true, "drawn")];
    f.choice("Words", "The likeliest word each time, or one drawn at random", &mut setup.random, &options);
    if setup.random {
        f.number("temperature", "Temperature", "Higher is more varied", &mut setup.temperature);
        let hover = "Only the likeliest words that have this share of the probability together";
        f.optional("top_p", "Top p", hover, &mut setup.top_p, 0.9);
        f.optional("top_k", "Top k", "Only so many of the likeliest words", &mut setup.top_k, 40);
        f.number("", "Seed", "The same seed gives the same answer", &mut setup.seed);
    }
    f.number("max_tokens", "Longest, tokens", "Where the answer is cut off", &mut setup.max_tokens);
    f.choice("Options", "How the options of a multiple-choice question are put", &mut setup.preset, &PROMPTS);
}

fn pictures(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>) {
    widgets::section(ui, "Picture");
    path(ui, "Picture file", "png, jpg, webp, …", &mut ask.typed, false);
    let typed = ask.typed.trim();
    let open = ui.add_enabled(!typed.is_empty(), egui::Button::new("Open the picture"));
    if open.on_disabled_hover_text("Type or choose a file first").clicked() {
        let path = PathBuf::from(typed);
        ask.open(Source::File { path });
    }
    if !ask.recent.is_empty() {
        widgets::section(ui, "Opened before");
    }
    for path in ask.recent.clone() {
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let own = Source::File { path: path.clone() };
        let chosen = ask.source.as_ref() == Some(&own);
        if ui.selectable_label(chosen, name).on_hover_text(path.display().to_string()).clicked() {
            ask.open(own);
        }
    }
    scenes(ask, ui, cx);
    if ui.selectable_label(ask.source.is_none(), "No picture").on_hover_text("Ask the words alone").clicked()
    {
        ask.close();
    }
}

fn scenes(ask: &mut Ask, ui: &mut Ui, cx: &mut Cx<'_>) {
    widgets::section(ui, "Rendered rooms of the demo");
    let folder = PathBuf::from(demo::NAME);
    let seen = cx.look(&Look::Scenes { folder: folder.clone() });
    let opened = widgets::loaded(ui, &seen, |ui, seen| {
        let Seen::Scenes { scenes } = seen else { return None };
        let mut opened = None;
        for scene in scenes {
            let own = Source::Scene { folder: folder.clone(), index: scene.index };
            let chosen = ask.source.as_ref() == Some(&own);
            let text = format!("{} · {} objects", scene.name, scene.objects);
            if ui.selectable_label(chosen, text).clicked() {
                opened = Some(own);
            }
        }
        opened
    });
    if let Some(source) = opened.flatten() {
        ask.open(source);
    }
    if ui.small_button("Go to Scene").on_hover_text("See these rooms in space").clicked() {
        cx.wishes.push(Wish::GoTo(crate::pane::Workspace::Scene));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_numbers_are_said() {
        type Change = fn(&mut Setup);
        let changes: [(&str, Change); 6] = [
            ("temperature", |s| s.temperature = 0.0),
            ("top_p", |s| s.top_p = Some(f64::NAN)),
            ("top_k", |s| s.top_k = Some(0)),
            ("max_tokens", |s| s.max_tokens = usize::MAX),
            ("longest_edge", |s| s.request.longest_edge = Some(1)),
            ("model", |s| s.model.clear()),
        ];
        for (key, change) in changes {
            let mut setup = Setup { random: true, ..Setup::default() };
            assert!(setup.check().is_empty());
            change(&mut setup);
            assert!(setup.check().at(key).is_some(), "{key}");
        }
    }

    #[test]
    fn what_is_chosen_is_asked() {
        let setup = Setup { adapter: "demo".to_owned(), random: true, seed: 7, ..Setup::default() };
        assert_eq!(setup.model().adapter, Some(PathBuf::from("demo")));
        assert!(matches!(setup.sampling(), Sampling::Random { seed: 7, .. }));
        assert_eq!(Setup::default().sampling(), Sampling::Greedy);
    }
}
