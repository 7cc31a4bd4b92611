//! The fields of the data: what is learned from.

use std::path::PathBuf;

use plumb_train::config::DataConfig;
use plumb_train::data::LetterForm;

use super::fields::{Fields, path};
use super::form::{Form, source};

const LETTERS: [(LetterForm, &str); 4] = [
    (LetterForm::Bare, "A"),
    (LetterForm::Bracketed, "(A)"),
    (LetterForm::WithText, "(A) left"),
    (LetterForm::Text, "left"),
];

/// Draws the fields; `demo` is the folder of the demo's scenes.
pub(crate) fn ui(fields: &mut Fields<'_>, form: &mut Form, demo: Option<&std::path::Path>) {
    let mut gone = None;
    let several = form.config.data.len() > 1;
    for (i, data) in form.config.data.iter_mut().enumerate() {
        if i > 0 {
            fields.ui.separator();
        }
        let problems = fields.problems;
        fields.ui.push_id(i, |ui| {
            one(&mut Fields { ui, problems }, i, data, several, &mut gone);
        });
    }
    if let Some(i) = gone {
        form.config.data.remove(i);
    }
    fields.said("data");
    fields.ui.horizontal_wrapped(|ui| {
        if ui.small_button("Add a data set").clicked() {
            form.config.data.push(source(PathBuf::new()));
        }
        if let Some(scenes) = demo {
            let hover = "The multiple-choice questions about the demo's rendered scenes";
            if ui.small_button("Use the demo's questions").on_hover_text(hover).clicked() {
                form.use_demo(scenes);
            }
        }
    });
}

fn one(fields: &mut Fields<'_>, i: usize, data: &mut DataConfig, several: bool, gone: &mut Option<usize>) {
    let n = i + 1;
    fields.ui.horizontal(|ui| {
        let name = data
            .path
            .file_name()
            .map_or_else(|| format!("Data set {n}"), |f| f.to_string_lossy().into_owned());
        ui.strong(name).on_hover_text(data.path.display().to_string());
        if ui
            .small_button("✖")
            .accessible_name(format!("Remove data set {n}"))
            .on_hover_text("Remove")
            .clicked()
        {
            *gone = Some(i);
        }
    });
    edit_path(fields, &format!("File of data set {n}"), ".parquet, .jsonl or .json", &mut data.path, false);
    fields.said(&format!("data.{i}.path"));
    if several {
        let hover = "Its share of the tokens; only ratios count";
        fields.number(&format!("data.{i}.weight"), "Weight", hover, &mut data.weight);
    }
    let hover = "Multiple-choice questions are asked in a benchmark's words, with its boxes";
    fields.toggle("Ask as a benchmark does", hover, &mut data.as_benchmark);
    let hover = "Only questions of these types, such as mc_depth; all where empty";
    fields.list("", "Types", hover, &mut data.kinds);
    fields.choice("Right option", "How the right option is said", &mut data.letters, &LETTERS);
    fields.choice(
        "Wording",
        "How multiple-choice questions are put",
        &mut data.prompt,
        &crate::picker::PROMPTS,
    );
    let hover = "Where no weight is given, spatial sets get 5 % of the tokens together, as in SpatialVLM";
    fields.toggle("Spatial data", hover, &mut data.spatial);
    let mut elsewhere = data.images.is_some();
    let hover = "Pictures lie in another folder than the file";
    if fields.toggle("Pictures elsewhere", hover, &mut elsewhere).changed() {
        data.images = elsewhere.then(PathBuf::new);
    }
    if let Some(images) = &mut data.images {
        edit_path(fields, &format!("Pictures of data set {n}"), "folder", images, true);
        fields.said(&format!("data.{i}.images"));
    }
}

/// A path that is edited as text; one that is no text is shown as it can be and stays until it is typed anew.
pub(crate) fn edit_path(fields: &mut Fields<'_>, name: &str, hint: &str, value: &mut PathBuf, folder: bool) {
    let before = value.display().to_string();
    let mut text = before.clone();
    path(fields.ui, name, hint, &mut text, folder);
    if text != before {
        *value = PathBuf::from(text.trim());
    }
}
