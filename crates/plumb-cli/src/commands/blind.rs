//! What a run scores without its images: a model that learned only the template of the questions scores as well blind.

use std::path::{Path, PathBuf};

use anyhow::bail;
use plumb_engine::{RunManifest, runs};
use plumb_store::runs::read_manifest;
use serde_json::{Value, json};

use super::report::{Scored, load};

/// A run's score beside that of the same model without images.
pub(crate) struct Sight {
    folder: PathBuf,
    full: Option<f64>,
    blind: Option<(PathBuf, Option<f64>)>,
    tuned: bool,
}

impl Sight {
    /// For `run` in `folder`; `blind` where the person named it, else a run beside it.
    ///
    /// # Errors
    /// A named run that is not blind, or of another model or benchmark.
    pub(crate) fn of(folder: &Path, run: &Scored, blind: Option<&Path>) -> anyhow::Result<Self> {
        let place = match blind {
            Some(place) => {
                let found: RunManifest = read_manifest(place)?;
                if let Some(why) = runs::unlike(&run.manifest, &found) {
                    bail!("{} is not the blind run of {}: {why}", place.display(), folder.display());
                }
                Some(place.to_owned())
            }
            None => runs::blind_beside(folder, &run.manifest),
        };
        let blind = match place {
            Some(place) => {
                // The same benchmark, wherever it was found.
                let scored = load(&place, Some(&run.bench), Some(run.parser))?;
                Some((place, scored.report.micro.accuracy))
            }
            None => None,
        };
        let f = &run.manifest.fingerprint;
        let tuned = f.adapter_sha256.is_some() || Path::new(&f.model).join("plumbline_run.json").exists();
        Ok(Self { folder: folder.to_owned(), full: run.report.micro.accuracy, blind, tuned })
    }

    /// Whether it should be shown for a run that stands alone.
    pub(crate) fn matters(&self) -> bool {
        self.tuned || self.blind.is_some()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "run": self.folder,
            "micro": self.full,
            "blind_run": self.blind.as_ref().map(|(place, _)| place),
            "blind_micro": self.blind.as_ref().and_then(|(_, score)| *score),
            "tuned": self.tuned,
        })
    }

    pub(crate) fn text(&self) -> String {
        let percent = |v: Option<f64>| v.map_or_else(|| "—".into(), |v| format!("{:.1} %", 100.0 * v));
        let run = self.folder.display();
        match &self.blind {
            Some((place, score)) => {
                let seen = self.full.zip(*score).map_or_else(String::new, |(full, blind)| {
                    format!("; {:+.1} points by looking", 100.0 * (full - blind))
                });
                format!(
                    "{run}: {} with images, {} blind ({}){seen}",
                    percent(self.full),
                    percent(*score),
                    place.display()
                )
            }
            None if self.tuned => format!(
                "{run}: {} with images, no blind run: a gain may be the template's (eval --image blind makes one)",
                percent(self.full)
            ),
            None => format!("{run}: {} with images, no blind run", percent(self.full)),
        }
    }
}

/// How far the gain of `b` over `a` is one of looking, where both are known blind.
pub(crate) fn gain(a: &Sight, b: &Sight) -> Option<String> {
    let full = 100.0 * (b.full? - a.full?);
    let blind = 100.0 * (b.blind.as_ref()?.1? - a.blind.as_ref()?.1?);
    Some(format!("gain {full:+.1} points with images, {blind:+.1} blind: {:+.1} by looking", full - blind))
}
