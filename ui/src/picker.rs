//! Which model, which adapter on it, which device, in which words: one way to choose for every workspace.

use std::path::Path;

use egui::{ComboBox, Id, RichText, TextEdit, Ui};
use plumb_bench::PromptPreset;
use plumb_engine::look::{Look, Seen};
use plumb_engine::{Adapter, DeviceChoice, demo};

use crate::cx::{Cx, Wish};
use crate::dialog::{self, Question};
use crate::fields::{self, Problems};
use crate::theme::palette;
use crate::widgets;

/// The wordings of questions by their names.
pub(crate) const PROMPTS: [(PromptPreset, &str); 4] = [
    (PromptPreset::Official, "official"),
    (PromptPreset::LmmsEval, "lmms-eval"),
    (PromptPreset::VlmEvalKit, "VLMEvalKit"),
    (PromptPreset::SmolvlmMcq, "SmolVLM's own"),
];

/// What a field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Model,
    Adapter,
    Bench,
}

impl Named {
    /// Title, hint, explanation.
    const fn words(self) -> [&'static str; 3] {
        match self {
            Self::Model => [
                "Model",
                "demo, organisation/name or a folder",
                "A name is looked up on the Hugging Face hub and downloaded once",
            ],
            Self::Adapter => [
                "Adapter",
                "none",
                "A small set of trained weights on top of the model; the folder of an adapter or of a training",
            ],
            Self::Bench => [
                "Benchmark",
                "demo or a parquet file",
                "Multiple-choice questions with pictures, with CV-Bench's columns",
            ],
        }
    }

    const fn folder(self) -> Question {
        Question::folder(match self {
            Self::Model => "Choose the folder of a model",
            Self::Adapter => "Choose the folder of an adapter",
            Self::Bench => "Choose the folder of a benchmark",
        })
    }
}

/// A field for a name: typed, or chosen from what there is.
pub(crate) fn named(ui: &mut Ui, cx: &mut Cx<'_>, what: Named, value: &mut String) {
    let [title, hint, about] = what.words();
    let id = ui.make_persistent_id((title, "named"));
    if let Some(path) = fields::chosen(ui, id) {
        *value = path.display().to_string();
    }
    let heading = RichText::new(title).small().color(palette(ui).dim);
    ui.label(heading).on_hover_text(about);
    ui.horizontal(|ui| {
        typed(ui, id, title, hint, value);
        let menu = ui.menu_button("Choose", |ui| choices(ui, cx, what, id, value));
        menu.response.accessible_name(format!("Choose: {title}"));
    });
    fields::refusal(ui, id);
    if what == Named::Model {
        about_model(ui, cx, value.trim());
    }
}

/// Half a name is not looked for: what is typed counts when the field is left.
fn typed(ui: &mut Ui, id: Id, title: &str, hint: &str, value: &mut String) {
    let draft = id.with("draft");
    let mut text = ui.data(|data| data.get_temp::<String>(draft)).unwrap_or_else(|| value.clone());
    let width = (ui.available_width() - 74.0).max(60.0);
    let edit = TextEdit::singleline(&mut text).hint_text(hint).desired_width(width);
    let shown = if value.is_empty() { "Nothing is chosen" } else { value.as_str() };
    let edit = ui.add(edit).on_hover_text(shown).accessible_name(title);
    if edit.has_focus() {
        ui.data_mut(|data| data.insert_temp(draft, text));
    } else if ui.data(|data| data.get_temp::<String>(draft)).is_some() {
        ui.data_mut(|data| data.remove::<String>(draft));
        *value = text;
    }
}

fn choices(ui: &mut Ui, cx: &mut Cx<'_>, what: Named, id: Id, value: &mut String) {
    let mut choose = |ui: &mut Ui, text: &str, about: &str, name: &str| {
        if ui.button(text).on_hover_text(about).clicked() {
            name.clone_into(value);
            ui.close();
        }
    };
    if what == Named::Adapter {
        choose(ui, "None", "The model as it is", "");
    }
    choose(ui, "Demo", "What comes with the program", demo::NAME);
    if what == Named::Model
        && let Some(Seen::Models(seen)) = cx.look(&Look::Models).ready()
    {
        for model in seen.models.iter().filter(|model| model.missing.is_empty()) {
            let about = format!("{}, {}", crate::units::size(model.bytes), model.licence);
            choose(ui, &model.model, &about, &model.model);
        }
    }
    if what == Named::Bench && ui.button("File…").clicked() {
        fields::ask(ui, id, Question::file("Choose a benchmark", &[dialog::BENCHMARKS]));
        ui.close();
    }
    if ui.button("Folder…").clicked() {
        fields::ask(ui, id, what.folder());
        ui.close();
    }
    if what == Named::Model
        && ui.button("Get a model…").on_hover_text("SmolVLM, or another of the hub").clicked()
    {
        cx.wishes.push(Wish::Models);
        ui.close();
    }
}

/// Says in one line what is chosen. There is always such a line: one that comes and goes as the field is left would move the
/// button that was about to be clicked.
fn about_model(ui: &mut Ui, cx: &mut Cx<'_>, name: &str) {
    if name != demo::NAME {
        let about = match name {
            "" => "no model is chosen",
            hub if is_hub_id(hub) => "a model of the hub",
            _ => "a folder of this machine",
        };
        ui.add(egui::Label::new(RichText::new(about).color(palette(ui).dim)).truncate());
        return;
    }
    match cx.look(&Look::Demo) {
        crate::library::Loaded::Failed(error) => widgets::failure(ui, &error),
        crate::library::Loaded::Ready(seen) => {
            if let Seen::Demo { model, .. } = &*seen {
                let about = format!("It knows rendered rooms, not photographs\n{}", model.display());
                let said = RichText::new("the demo, a million parameters").color(palette(ui).dim);
                ui.add(egui::Label::new(said).truncate()).on_hover_text(about);
            }
        }
        crate::library::Loaded::Waiting => {
            widgets::dim(ui, "…");
        }
    }
}

/// The name as the engine takes it: a folder by its whole path, so that a run finds it again from wherever it goes on.
pub(crate) fn resolved(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() || name == demo::NAME || is_hub_id(name) || name.starts_with('~') {
        return name.to_owned();
    }
    std::path::absolute(name).map_or_else(|_| name.to_owned(), |path| path.display().to_string())
}

/// Says at the field `model` what cannot be a model.
pub(crate) fn check_model(name: &str, problems: &mut Problems) {
    let name = name.trim();
    if name.is_empty() {
        problems.add("model", "Choose a model: demo, a name like organisation/name, or a folder");
    } else if name != demo::NAME && !is_hub_id(name) && !name.contains(['/', '\\']) {
        problems.add(
            "model",
            "A model is demo, a folder, or named organisation/name, with @revision if one is meant",
        );
    }
}

/// Whether `name` has the form `organisation/name[@revision]`.
pub(crate) fn is_hub_id(name: &str) -> bool {
    let id = name.split('@').next().unwrap_or_default();
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    id.split_once('/').is_some_and(|(organisation, name)| {
        word(organisation) && word(name) && !organisation.starts_with('.') && !Path::new(id).is_absolute()
    })
}

/// The field for the device: what this machine has, and what was chosen even where it has that no more.
pub(crate) fn device(ui: &mut Ui, cx: &mut Cx<'_>, device: &mut DeviceChoice) {
    let seen = cx.look(&Look::Devices);
    let (adapters, cpu, auto) = match seen.ready() {
        Some(Seen::Devices { adapters, cpu, auto }) => (adapters.as_slice(), cpu.as_str(), auto.as_str()),
        _ => (&[] as &[Adapter], "", ""),
    };
    let label = widgets::dim(ui, "Device");
    let list =
        ComboBox::from_id_salt("device").selected_text(said(*device, adapters)).width(140.0).truncate();
    let shown = list.show_ui(ui, |ui| {
        ui.selectable_value(device, DeviceChoice::Auto, "automatic").on_hover_text(auto);
        ui.selectable_value(device, DeviceChoice::Cpu, "CPU").on_hover_text(cpu);
        for adapter in adapters {
            let choice = DeviceChoice::Gpu(Some(adapter.index));
            ui.selectable_value(device, choice, said(choice, adapters)).on_hover_text(about_adapter(adapter));
        }
        if adapters.is_empty() {
            match &seen {
                crate::library::Loaded::Waiting => widgets::dim(ui, "Looking for GPUs…"),
                _ => widgets::dim(ui, "No GPU was found"),
            };
        }
    });
    let hover = if auto.is_empty() { "What computes" } else { auto };
    shown.response.on_hover_text(hover).labelled_by(label.id);
}

/// How a choice is said.
fn said(device: DeviceChoice, adapters: &[Adapter]) -> String {
    match device {
        DeviceChoice::Auto => "automatic".to_owned(),
        DeviceChoice::Cpu => "CPU".to_owned(),
        DeviceChoice::Gpu(None) => "best GPU".to_owned(),
        DeviceChoice::Gpu(Some(index)) => match adapters.iter().find(|adapter| adapter.index == index) {
            Some(adapter) if adapter.is_software() => format!("{} (software, slow)", adapter.name),
            Some(adapter) => adapter.name.clone(),
            None => format!("GPU {index}, which is not here"),
        },
    }
}

fn about_adapter(adapter: &Adapter) -> String {
    let kind = match adapter.kind.as_str() {
        "DiscreteGpu" => "graphics card",
        "IntegratedGpu" => "graphics of the processor, with the machine's memory",
        "VirtualGpu" => "graphics of a virtual machine",
        "Cpu" => "computed by the CPU, slower than choosing the CPU itself",
        _ => "graphics adapter",
    };
    format!(
        "{kind}\n{}, {}\nlargest tensor {}{}",
        adapter.api,
        adapter.driver,
        fields::bytes(adapter.max_binding_bytes),
        if adapter.f16 { ", half precision" } else { ", no half precision" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_keeps_its_name() {
        for name in ["demo", "/models/a", "HuggingFaceTB/SmolVLM-256M-Instruct", "a/b@c1"] {
            assert_eq!(resolved(&format!(" {name} ")), name);
            let mut problems = Problems::default();
            check_model(name, &mut problems);
            assert!(problems.is_empty(), "{name}");
        }
        assert!(Path::new(&resolved("./m")).is_absolute());
        assert!(!is_hub_id("/a/b") && !is_hub_id("./a") && !is_hub_id("a/b/c") && !is_hub_id("a"));
    }

    #[test]
    fn what_names_no_model_is_said() {
        for name in ["", "  ", "SmolVLM"] {
            let mut problems = Problems::default();
            check_model(name, &mut problems);
            assert!(problems.at("model").is_some(), "{name:?}");
        }
    }

    #[test]
    fn a_device_that_is_not_here_is_said_so() {
        assert_eq!(said(DeviceChoice::Gpu(Some(3)), &[]), "GPU 3, which is not here");
        assert_eq!(said(DeviceChoice::Auto, &[]), "automatic");
    }
}
