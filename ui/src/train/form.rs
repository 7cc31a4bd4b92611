//! The recipe as it stands in the form, and the run that it describes.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use plumb_engine::{DeviceChoice, demo};
use plumb_train::config::{DataConfig, TrainConfig};
use plumb_train::data::LetterForm;
use serde::{Deserialize, Serialize};

use super::presets::{Preset, word};
use crate::picker;

/// What the left pane holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Form {
    pub(crate) preset: Preset,
    /// `demo`, a hub id or a folder.
    pub(crate) model: String,
    /// Name of the run's folder; made of method and time where empty.
    pub(crate) name: String,
    pub(crate) device: DeviceChoice,
    /// Model and folder of it are not used: `model` and `name` say them.
    #[serde(with = "as_toml")]
    pub(crate) config: TrainConfig,
    /// Whether the demo's questions were put in once: who takes them out again wants them out.
    pub(crate) filled: bool,
}

impl Default for Form {
    fn default() -> Self {
        let mut config = draft("");
        Preset::Quick.apply(&mut config);
        Self {
            preset: Preset::Quick,
            model: demo::NAME.to_owned(),
            name: String::new(),
            device: DeviceChoice::Auto,
            config,
            filled: false,
        }
    }
}

/// What `text` describes; the defaults where it cannot be read.
fn draft(text: &str) -> TrainConfig {
    match TrainConfig::draft("the recipe", text).or_else(|_| TrainConfig::draft("the defaults", "")) {
        Ok(config) => config,
        Err(error) => unreachable!("every field of a recipe has a default: {error}"),
    }
}

/// A data set with nothing but its place said.
pub(crate) fn source(path: PathBuf) -> DataConfig {
    let mut config = draft("[[data]]\npath = \"\"").data;
    match config.pop() {
        Some(source) => DataConfig { path, ..source },
        None => unreachable!("the text has one data set"),
    }
}

impl Form {
    /// Takes a recipe.
    pub(crate) fn take(&mut self, preset: Preset) {
        self.preset = preset;
        preset.apply(&mut self.config);
    }

    /// Puts the questions of the demo's scenes in, asked as the demo's benchmark asks them.
    pub(crate) fn use_demo(&mut self, scenes: &Path) {
        let mut data = source(scenes.join("qa.parquet"));
        (data.as_benchmark, data.letters) = (true, LetterForm::Bare);
        data.kinds = ["mc_count", "mc_relation", "mc_depth", "mc_distance"].map(str::to_owned).to_vec();
        self.config.data.retain(|own| own.path != data.path);
        self.config.data.push(data);
        self.filled = true;
    }

    /// The form as the recipe of an earlier run has it.
    pub(crate) fn like(&mut self, config: TrainConfig) {
        self.model.clone_from(&config.model);
        self.name.clear();
        self.filled = true;
        self.config = config;
    }

    /// The run's name where none is given.
    pub(crate) fn own_name(&self, now: SystemTime) -> String {
        format!("{}-{}", word(&self.config.method), stamp(now))
    }

    /// The run that is described, in a folder of `runs`, its paths absolute.
    pub(crate) fn run(&self, runs: &Path, now: SystemTime) -> TrainConfig {
        let mut config = self.config.clone();
        config.model = picker::resolved(&self.model);
        let name = self.name.trim();
        config.out = runs.join(if name.is_empty() { self.own_name(now) } else { name.to_owned() });
        let absolute = |path: &mut PathBuf| {
            if let Ok(whole) = std::path::absolute(&*path) {
                *path = whole;
            }
        };
        absolute(&mut config.out);
        for data in &mut config.data {
            absolute(&mut data.path);
            if let Some(images) = &mut data.images {
                absolute(images);
            }
        }
        if let Some(distil) = &mut config.loss.distil {
            absolute(&mut distil.teacher);
        }
        config
    }
}

/// Coordinated universal time as `20261121-193000`.
fn stamp(now: SystemTime) -> String {
    let secs = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, secs) = (secs / 86_400, secs % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Year, month and day of a day counted from 1970, in the Gregorian calendar.
///
/// Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that the leap day is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// A recipe is kept as the text that a run's folder holds: an odd number in it does not spoil the rest of the session.
mod as_toml {
    use plumb_train::config::TrainConfig;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(config: &TrainConfig, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&config.to_toml().unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TrainConfig, D::Error> {
        Ok(super::draft(&String::deserialize(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check::check;
    use std::time::Duration;

    fn whole(preset: Preset) -> Form {
        let mut form = Form::default();
        form.take(preset);
        form.use_demo(Path::new("/demo/scenes"));
        form
    }

    #[test]
    fn every_preset_is_a_run_that_its_own_text_describes() {
        for preset in Preset::ALL {
            let form = whole(preset);
            assert!(check(&form).is_empty(), "{preset:?}: {:?}", check(&form));
            let run = form.run(Path::new("/runs"), UNIX_EPOCH);
            let text = run.to_toml().unwrap();
            assert_eq!(TrainConfig::from_toml("t.toml", &text).unwrap(), run, "{preset:?}\n{text}");
            let mut again = Form::default();
            again.like(run.clone());
            again.name = form.own_name(UNIX_EPOCH);
            assert_eq!(again.run(Path::new("/runs"), UNIX_EPOCH), run);
        }
    }

    #[test]
    fn presets_differ_and_leave_the_data_alone() {
        let all: Vec<TrainConfig> = Preset::ALL.map(|preset| whole(preset).config).into();
        for (i, a) in all.iter().enumerate() {
            assert_eq!(a.data.len(), 1);
            assert!(all[i + 1..].iter().all(|b| a.method != b.method));
        }
    }

    #[test]
    fn a_form_is_restored_and_a_spoilt_one_begins_anew() {
        let mut form = whole(Preset::Dora);
        form.config.optimizer.lr = f64::NAN;
        let text = serde_json::to_string(&form).unwrap();
        let back: Form = serde_json::from_str(&text).unwrap();
        assert!(back.config.optimizer.lr.is_nan() && back.config.method == form.config.method);
        form.config.seed = u64::MAX;
        let back: Form = serde_json::from_str(&serde_json::to_string(&form).unwrap()).unwrap();
        assert_eq!(back.preset, Preset::Dora);
        assert!(serde_json::from_str::<Form>("{\"config\": \"no recipe\"}").is_ok());
    }

    #[test]
    fn names_carry_the_time() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_289_459);
        assert_eq!(Form::default().own_name(at), "lora-20261121-193059");
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_512), (2026, 2, 28));
    }
}
