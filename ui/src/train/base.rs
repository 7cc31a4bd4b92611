//! Which model: the demo's, a folder, or one of the hub.

use plumb_engine::{DeviceChoice, demo};
use serde::{Deserialize, Serialize};

use super::fields::{Fields, Problems, path};

/// Where a model comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    #[default]
    Demo,
    Folder,
    Hub,
}

/// A model as the person names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Base {
    pub(crate) place: Place,
    pub(crate) folder: String,
    pub(crate) hub: String,
}

impl Default for Base {
    fn default() -> Self {
        let hub = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct".to_owned();
        Self { place: Place::Demo, folder: String::new(), hub }
    }
}

impl Base {
    /// As the engine takes it.
    pub(crate) fn name(&self) -> String {
        match self.place {
            Place::Demo => demo::NAME.to_owned(),
            // Without a current folder the path stays as it is, and the engine says what is wrong with it.
            Place::Folder => {
                let folder = self.folder.trim();
                std::path::absolute(folder)
                    .map_or_else(|_| folder.to_owned(), |path| path.display().to_string())
            }
            Place::Hub => self.hub.trim().to_owned(),
        }
    }

    /// The model that the engine knows by `name`.
    pub(crate) fn set(&mut self, name: &str) {
        if name == demo::NAME {
            self.place = Place::Demo;
        } else if is_hub_id(name) && !std::path::Path::new(name).is_absolute() {
            (self.place, self.hub) = (Place::Hub, name.to_owned());
        } else {
            (self.place, self.folder) = (Place::Folder, name.to_owned());
        }
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        match self.place {
            Place::Demo => {}
            Place::Folder if self.folder.trim().is_empty() => {
                problems.add("model", "Choose the folder of a model: the one with its config.json");
            }
            Place::Hub if !is_hub_id(self.hub.trim()) => {
                problems.add(
                    "model",
                    "A model of the hub is named organisation/name, with @revision if one is meant",
                );
            }
            Place::Folder | Place::Hub => {}
        }
    }

    pub(crate) fn ui(&mut self, fields: &mut Fields<'_>) {
        fields.ui.horizontal_wrapped(|ui| {
            for (place, text, hover) in [
                (Place::Demo, "Demo", "The small model of the demo pack: it knows rendered scenes"),
                (Place::Folder, "Folder", "A model in Hugging Face layout on this machine"),
                (
                    Place::Hub,
                    "Hub",
                    "A model of huggingface.co by its name; it is downloaded when it is not here",
                ),
            ] {
                ui.selectable_value(&mut self.place, place, text).on_hover_text(hover);
            }
        });
        match self.place {
            Place::Demo => {}
            Place::Folder => {
                path(fields.ui, "Folder of the model", "folder with config.json", &mut self.folder, true);
            }
            Place::Hub => {
                let edit = egui::TextEdit::singleline(&mut self.hub).desired_width(f32::INFINITY);
                fields.ui.add(edit.hint_text("organisation/name")).accessible_name("Name of the model");
            }
        }
        fields.said("model");
    }
}

fn is_hub_id(name: &str) -> bool {
    let id = name.split('@').next().unwrap_or_default();
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    id.split_once('/').is_some_and(|(organisation, name)| word(organisation) && word(name))
}

/// The field for the device.
pub(crate) fn device(fields: &mut Fields<'_>, device: &mut DeviceChoice) {
    let mut options = vec![
        (DeviceChoice::Auto, "by itself"),
        (DeviceChoice::Cpu, "CPU"),
        (DeviceChoice::Gpu(None), "GPU"),
        (DeviceChoice::Gpu(Some(0)), "GPU 0"),
        (DeviceChoice::Gpu(Some(1)), "GPU 1"),
        (DeviceChoice::Gpu(Some(2)), "GPU 2"),
        (DeviceChoice::Gpu(Some(3)), "GPU 3"),
    ];
    let own = device.to_string();
    if !options.iter().any(|(known, _)| known == device) {
        options.push((*device, &own));
    }
    let hover = "By itself: a real GPU where there is one, else the CPU";
    fields.choice("Device", hover, device, &options);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_keeps_its_name() {
        for name in ["demo", "/models/a", "HuggingFaceTB/SmolVLM-256M-Instruct", "a/b@c1"] {
            let mut base = Base::default();
            base.set(name);
            assert_eq!(base.name(), name);
            let mut problems = Problems::default();
            base.check(&mut problems);
            assert!(problems.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_names_no_model_is_said() {
        for base in [
            Base { place: Place::Folder, folder: "  ".to_owned(), ..Base::default() },
            Base { place: Place::Hub, hub: "SmolVLM".to_owned(), ..Base::default() },
            Base { place: Place::Hub, hub: "a/b/c".to_owned(), ..Base::default() },
            Base { place: Place::Hub, hub: String::new(), ..Base::default() },
        ] {
            let mut problems = Problems::default();
            base.check(&mut problems);
            assert!(problems.at("model").is_some(), "{base:?}");
        }
    }
}
