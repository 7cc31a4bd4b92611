//! Fields with a name on the left, a value on the right, and a sentence beneath where the value cannot be used.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use egui::emath::Numeric;
use egui::{Align, ComboBox, DragValue, Id, Layout, Response, RichText, TextEdit, Ui};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dialog;
use crate::theme::{palette, theme};

/// What is wrong, by the field's key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems(Vec<(String, String)>);

impl Problems {
    pub(crate) fn add(&mut self, key: impl Into<String>, sentence: impl Into<String>) {
        self.0.push((key.into(), sentence.into()));
    }

    pub(crate) fn at(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, sentence)| &**sentence)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first sentence.
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(|(_, sentence)| &**sentence)
    }

    /// Whether a field whose key begins so is wrong.
    pub(crate) fn under(&self, prefix: &str) -> bool {
        self.0.iter().any(|(key, _)| key.starts_with(prefix))
    }
}

/// Says in the place of a field what is wrong with it.
pub(crate) fn sentence(ui: &mut Ui, text: &str) {
    let colour = palette(ui).wrong;
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("⚠").color(colour));
        ui.label(RichText::new(text).small().color(colour));
    });
}

/// A name on the left and what `add` makes on the right, named by it.
pub(crate) fn row<R>(ui: &mut Ui, name: &str, hover: &str, add: impl FnOnce(&mut Ui, Id) -> R) -> R {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        let id = label.id;
        if !hover.is_empty() {
            label.on_hover_text(hover);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| add(ui, id)).inner
    })
    .inner
}

/// Fields of one form.
pub(crate) struct Fields<'a> {
    pub(crate) ui: &'a mut Ui,
    pub(crate) problems: &'a Problems,
}

impl Fields<'_> {
    /// The sentence about the field `key`, if there is one.
    pub(crate) fn said(&mut self, key: &str) {
        if let Some(text) = self.problems.at(key) {
            sentence(self.ui, text);
        }
    }

    pub(crate) fn number<N: Numeric>(&mut self, key: &str, name: &str, hover: &str, value: &mut N) {
        row(self.ui, name, hover, |ui, label| ui.add(drag(value)).labelled_by(label));
        self.said(key);
    }

    /// A number that need not be there; `first` is what it begins as.
    pub(crate) fn optional<N: Numeric>(
        &mut self,
        key: &str,
        name: &str,
        hover: &str,
        value: &mut Option<N>,
        first: N,
    ) {
        row(self.ui, name, hover, |ui, label| {
            match value {
                Some(number) => {
                    ui.add(drag(number)).labelled_by(label);
                }
                None => {
                    let colour = palette(ui).dim;
                    ui.label(RichText::new("by itself").color(colour));
                }
            }
            let mut own = value.is_some();
            let set = ui.checkbox(&mut own, "").accessible_name(format!("{name}: set it"));
            if set.on_hover_text("Set it, or leave it to the program").changed() {
                *value = own.then_some(first);
            }
        });
        self.said(key);
    }

    pub(crate) fn toggle(&mut self, name: &str, hover: &str, value: &mut bool) -> Response {
        let response = self.ui.checkbox(value, name);
        if hover.is_empty() { response } else { response.on_hover_text(hover) }
    }

    /// Words separated by commas.
    pub(crate) fn list(&mut self, key: &str, name: &str, hover: &str, values: &mut Vec<String>) {
        row(self.ui, name, hover, |ui, label| {
            // What is typed stays as it is as long as it means the same: "a, " is on the way to "a, b".
            let id = ui.make_persistent_id((name, "typed"));
            let kept = ui.data(|data| data.get_temp::<String>(id)).unwrap_or_default();
            let mut text = if split(&kept) == *values { kept } else { values.join(", ") };
            let edit = TextEdit::singleline(&mut text).hint_text("all").desired_width(ui.available_width());
            if ui.add(edit).labelled_by(label).changed() {
                *values = split(&text);
            }
            ui.data_mut(|data| data.insert_temp(id, text));
        });
        self.said(key);
    }

    pub(crate) fn text(&mut self, key: &str, name: &str, hint: &str, value: &mut String) {
        row(self.ui, name, "", |ui, label| {
            let edit =
                TextEdit::singleline(value).hint_text(hint.to_owned()).desired_width(ui.available_width());
            ui.add(edit).labelled_by(label)
        });
        self.said(key);
    }

    pub(crate) fn choice<T: PartialEq + Clone>(
        &mut self,
        name: &str,
        hover: &str,
        value: &mut T,
        options: &[(T, &str)],
    ) -> bool {
        let mut changed = false;
        row(self.ui, name, hover, |ui, label| {
            let chosen = options.iter().find(|(own, _)| own == value).map_or("other", |(_, text)| text);
            let combo = ComboBox::from_id_salt((name, "choice")).selected_text(chosen).width(120.0);
            let shown = combo.show_ui(ui, |ui| {
                for (option, text) in options {
                    changed |= ui.selectable_value(value, option.clone(), *text).changed();
                }
            });
            shown.response.labelled_by(label);
        });
        changed
    }

    /// A choice among types of weights, by the names that files use for them.
    pub(crate) fn precision<P: PartialEq + Clone + Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        hover: &str,
        value: &mut Option<P>,
    ) {
        let of = |text: &str| serde_json::from_value(serde_json::Value::String(text.to_owned())).ok();
        let options = [(None, "by itself"), (of("f32"), "f32"), (of("f16"), "f16"), (of("bf16"), "bf16")];
        self.choice(name, hover, value, &options);
    }

    /// A group that can be folded; it says when something within is wrong.
    pub(crate) fn group(
        &mut self,
        title: &str,
        open: bool,
        keys: &[&str],
        add: impl FnOnce(&mut Fields<'_>),
    ) {
        let wrong = keys.iter().any(|key| self.problems.under(key));
        let colour = palette(self.ui).wrong;
        let text =
            if wrong { RichText::new(format!("{title} ⚠")).color(colour) } else { RichText::new(title) };
        let problems = self.problems;
        egui::CollapsingHeader::new(text).id_salt(title).default_open(open).show_unindented(self.ui, |ui| {
            ui.add_space(theme().space.xs / 2.0);
            add(&mut Fields { ui, problems });
            ui.add_space(theme().space.xs);
        });
    }
}

/// Words between commas.
pub(crate) fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A number that can be typed as `1e-4` and is shown as short as it can be.
fn drag<N: Numeric>(value: &mut N) -> DragValue<'_> {
    let now = value.to_f64().abs();
    let speed = if N::INTEGRAL {
        0.1
    } else if now > 0.0 && now.is_finite() {
        now * 0.01
    } else {
        0.001
    };
    let drag = DragValue::new(value).speed(speed);
    if N::INTEGRAL {
        return drag;
    }
    drag.custom_formatter(|value, _| number_text(value)).custom_parser(|text| text.trim().parse().ok())
}

/// `0.0001` as `1e-4`.
pub(crate) fn number_text(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e7) {
        return format!("{value:.3e}").replace(".000e", "e").replace("00e", "e").replace("0e", "e");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A folder or file by its path, with a dialog of its own.
pub(crate) fn path(ui: &mut Ui, name: &str, hint: &str, value: &mut String, folder: bool) {
    let id = ui.make_persistent_id((name, "chosen"));
    if let Some(path) = chosen(ui, id) {
        *value = path.display().to_string();
    }
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let open = ui.small_button("…").accessible_name(format!("Choose: {name}"));
            if open.on_hover_text("Choose").clicked() {
                let title = if folder { "Choose a folder" } else { "Choose a file" };
                let want = if folder { dialog::Want::Folder } else { dialog::Want::File };
                ask(ui, id, dialog::Question { title, want, filters: &[] });
            }
            let edit =
                TextEdit::singleline(value).hint_text(hint.to_owned()).desired_width(ui.available_width());
            ui.add(edit).accessible_name(name);
        });
    });
    refusal(ui, id);
}

/// Opens a dialog for the field `id`; [`chosen`] has its answer.
pub(crate) fn ask(ui: &Ui, id: Id, question: dialog::Question) {
    let opened = dialog::Dialog::open(ui.ctx(), question);
    ui.data_mut(|data| match opened {
        Ok(dialog) => {
            data.remove::<String>(id);
            data.insert_temp(id, Opened(Arc::new(Mutex::new(dialog))));
        }
        Err(sentence) => {
            data.insert_temp(id, sentence);
        }
    });
}

/// What was chosen for the field `id`, once.
pub(crate) fn chosen(ui: &Ui, id: Id) -> Option<PathBuf> {
    let dialog = ui.data(|data| data.get_temp::<Opened>(id))?;
    let answer = dialog.0.lock().ok().map_or(Some(None), |dialog| dialog.poll());
    if answer.is_some() {
        ui.data_mut(|data| data.remove::<Opened>(id));
    }
    answer.flatten()
}

/// Says under the field `id` why no dialog was opened for it.
pub(crate) fn refusal(ui: &mut Ui, id: Id) {
    if let Some(text) = ui.data(|data| data.get_temp::<String>(id)) {
        sentence(ui, &text);
    }
}

/// An open dialog, among what egui keeps of a field.
#[derive(Clone)]
struct Opened(Arc<Mutex<dialog::Dialog>>);

/// Bytes in the unit that people use for memory.
pub(crate) fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1000.0 {
        format!("{:.1} GiB", mib / 1024.0)
    } else if mib >= 10.0 || bytes == 0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{mib:.1} MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_can_be_typed_back() {
        for (value, text) in [
            (1e-4, "1e-4"),
            (2.5e-5, "2.5e-5"),
            (0.03, "0.03"),
            (0.0, "0"),
            (16.0, "16"),
            (1e8, "1e8"),
            (1e10, "1e10"),
        ] {
            assert_eq!(number_text(value), text);
            assert_eq!(text.parse::<f64>().unwrap(), value);
        }
        assert_eq!(number_text(f64::NAN), "NaN");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes(0), "0 MiB");
        assert_eq!(bytes(3 << 19), "1.5 MiB");
        assert_eq!(bytes(512 << 20), "512 MiB");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
        assert!(bytes(u64::MAX).ends_with("GiB"));
    }

    #[test]
    fn words_are_split() {
        assert_eq!(split(" a, b ,,"), ["a", "b"]);
        assert!(split(" , ").is_empty());
    }
}
