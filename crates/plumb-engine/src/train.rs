//! A training run as a job: finds the model, keeps the folder to one writer, stops, pauses and goes on when asked.

use std::path::{Path, PathBuf};

use plumb_store::durable::write_atomic;
use plumb_store::runs::{MANIFEST_FILE, RunLock, differences};
use plumb_train::TrainError;
use plumb_train::checkpoint::METRICS_FILE;
use plumb_train::config::{CheckpointConfig, MethodConfig, TrainConfig};
use plumb_train::data::Format;
use plumb_train::run::{CONFIG_FILE, Control, TrainEvent, Trainer};
use plumb_vlm::{ModelConfig, ModelFiles, Processor, SmolVlm};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::device::{self, DeviceChoice, OpenDevice};
use crate::error::{EngineError, Result};
use crate::fetch::obtain;
use crate::fingerprint::hash_model;
use crate::job::Reporter;
use crate::protocol::{EventKind, Outcome};

pub(crate) async fn run(
    mut config: TrainConfig,
    choice: DeviceChoice,
    resume: bool,
    dry_run: bool,
    reporter: &Reporter,
) -> Result<Outcome> {
    config.check("the run's configuration")?;
    let out = config.out.clone();
    // What the person gave is looked at first: a wrong path should not cost loading a model.
    let begun = look(&out, resume)?;
    for data in &config.data {
        let read = |source| EngineError::Read { file: data.path.display().to_string(), source };
        if std::fs::metadata(&data.path).map_err(read)?.is_file() {
            Format::of_file(&data.path).map_err(TrainError::from)?;
        }
    }
    let folder = obtain(&config.model, reporter)?;
    if matches!(config.method, MethodConfig::Full { .. }) {
        // The result is written from the base's files.
        config.model = folder.display().to_string();
    }
    let mut files = ModelFiles::from_folder(&folder)?;
    let shape = ModelConfig::from_json(files.require("config.json")?)?;
    if config.longest_edge.is_none() {
        let own = Processor::load(&files, &shape, None)?;
        config.longest_edge = Some(own.images().config().longest_edge_of_tile);
    }
    let processor = Processor::load(&files, &shape, config.longest_edge)?;
    if begun && resume {
        same_settings(&out, &config)?;
    }
    let choice = if begun && resume && choice == DeviceChoice::Auto { begun_on(&out) } else { choice };
    let device = device::open(choice).await?;
    reporter.note(format!("device: {} ({})", device.name, device.why));
    let scratch = dry_run.then(Scratch::new).transpose()?;
    let _lock = match &scratch {
        Some(scratch) => {
            config.out.clone_from(&scratch.0);
            None
        }
        None => {
            let write = |source| EngineError::Write { file: out.display().to_string(), source };
            std::fs::create_dir_all(&out).map_err(write)?;
            let lock = RunLock::take(&out)?;
            // Another process may have begun the run in the meantime.
            if !look(&out, resume)? {
                forget(&out.join(METRICS_FILE))?;
            }
            note_device(&out, &device)?;
            Some(lock)
        }
    };
    reporter.progress("loading weights", 0, 2, None);
    let hash = hash_model(&folder)?;
    reporter.checkpoint()?;
    reporter.progress("loading weights", 1, 2, None);
    let model = SmolVlm::load(&mut files, &device.device, config.precision).await?;
    drop(files);
    reporter.progress("loading weights", 2, 2, None);
    reporter.note(format!("model: {} parameters, weights in {}", model.num_params(), model.precision()));
    let resume = resume && !dry_run;
    let mut trainer = Trainer::new(config, model, processor, hash, resume).await?;
    if dry_run {
        let plan = trainer.plan()?;
        reporter.send(EventKind::Train(TrainEvent::Plan(Box::new(plan))));
        return Ok(Outcome::Train { run: out, finished: None });
    }
    let mut from_start = resume;
    let finished = trainer
        .run(&mut |event| {
            let (planned, saved) =
                (matches!(event, TrainEvent::Plan(_)), matches!(event, TrainEvent::Saved { .. }));
            if from_start && !planned {
                from_start = false;
                if !matches!(event, TrainEvent::Resumed { .. }) {
                    reporter.note(format!("{} has no checkpoint yet: the run begins anew", out.display()));
                }
            }
            // Between batches of an evaluation too: it is made again when the run goes on.
            let stepped = matches!(event, TrainEvent::Step { .. } | TrainEvent::Evaluating { .. });
            reporter.send(EventKind::Train(event));
            if reporter.is_paused() {
                if stepped {
                    return Control::Save;
                }
                if planned || saved {
                    reporter.wait();
                }
            }
            if reporter.is_cancelled() { Control::Stop } else { Control::Go }
        })
        .await?;
    Ok(Outcome::Train { run: out, finished: Some(finished) })
}

/// Which device a training was begun on: with another one its numbers would not be the same to the last bit.
#[derive(Debug, Serialize, Deserialize)]
struct BegunOn {
    backend: String,
    name: String,
}

/// Its file in the run's folder.
const DEVICE_FILE: &str = "run.device";

fn note_device(out: &Path, device: &OpenDevice) -> Result<()> {
    let begun = BegunOn { backend: device.backend.to_owned(), name: device.name.clone() };
    let path = out.join(DEVICE_FILE);
    serde_json::to_vec(&begun)
        .map_err(std::io::Error::from)
        .and_then(|text| write_atomic(&path, &text))
        .map_err(|source| EngineError::Write { file: path.display().to_string(), source })
}

/// The device that the run was begun on; one is chosen anew where that is not known or has gone.
fn begun_on(run: &Path) -> DeviceChoice {
    let read = std::fs::read(run.join(DEVICE_FILE)).ok();
    let begun = read.and_then(|text| serde_json::from_slice::<BegunOn>(&text).ok());
    match begun {
        None => DeviceChoice::Auto,
        Some(begun) if begun.backend == "cpu" => DeviceChoice::Cpu,
        Some(begun) => match device::choice_of(&begun.backend, &begun.name, &device::adapters()) {
            DeviceChoice::Gpu(None) => DeviceChoice::Auto,
            found => found,
        },
    }
}

/// Removes the log of a run that ended before its first checkpoint: its steps will be made again.
fn forget(log: &Path) -> Result<()> {
    match std::fs::remove_file(log) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(EngineError::Write { file: log.display().to_string(), source })
        }
        _ => Ok(()),
    }
}

/// Whether `out` holds a training run with a checkpoint.
///
/// # Errors
/// A folder with something else, or with a run that is not to be gone on with.
fn look(out: &Path, resume: bool) -> Result<bool> {
    let other = |what: &str| {
        Err(EngineError::Request(format!("{} {what}; choose another folder for the run", out.display())))
    };
    if out.is_file() {
        return other("is a file");
    }
    if out.join(MANIFEST_FILE).exists() {
        return other("holds a benchmark run");
    }
    let entries = |folder: &Path| -> Vec<String> {
        std::fs::read_dir(folder)
            .map(|list| list.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect())
            .unwrap_or_default()
    };
    let here = entries(out);
    if !here.iter().any(|name| name == CONFIG_FILE) {
        // What a process leaves that was killed early: its lock, a description half written.
        let ours = |name: &str| {
            name == "checkpoints" || name.starts_with("run.") || name.starts_with(&format!("{CONFIG_FILE}."))
        };
        if here.iter().any(|name| !ours(name)) {
            return other("is not empty and holds no training run");
        }
        return Ok(false);
    }
    let begun = entries(&out.join("checkpoints")).iter().any(|name| name.starts_with("step-"));
    if begun && !resume {
        return Err(EngineError::Request(format!(
            "{} holds a training run with checkpoints; go on with --resume, or choose another folder",
            out.display()
        )));
    }
    Ok(begun)
}

/// # Errors
/// Settings that decide what is learned and differ from those that the run in `out` was begun with, by name.
fn same_settings(out: &Path, config: &TrainConfig) -> Result<()> {
    let path = out.join(CONFIG_FILE);
    let shown = path.display().to_string();
    let text =
        std::fs::read_to_string(&path).map_err(|source| EngineError::Read { file: shown.clone(), source })?;
    let before = TrainConfig::from_toml(&shown, &text)?;
    let found = differences(&essence(&shown, config.clone())?, &essence(&shown, before)?);
    if found.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    Err(EngineError::Request(format!(
        "the run in {} was begun with other settings and cannot go on with these: {}; use the same settings or a new \
         folder",
        out.display(),
        list.join("; ")
    )))
}

/// The settings without what may change from one part of a run to the next.
fn essence(file: &str, mut config: TrainConfig) -> Result<Value> {
    config.out = PathBuf::new();
    config.checkpoint = CheckpointConfig::default();
    config.evaluate.every = u64::from(config.evaluate.every > 0);
    config.evaluate.samples = 0;
    config.evaluate.answers = 0;
    config.cache_mib = 0;
    let bad = |e: serde_json::Error| TrainError::Config { file: file.to_owned(), reason: e.to_string() };
    // Through text, so that numbers are compared as they are written.
    let text = serde_json::to_string(&config).map_err(bad)?;
    Ok(serde_json::from_str(&text).map_err(bad)?)
}

/// A folder for what a plan has to write on its way, gone when it is done.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let base = std::env::temp_dir();
        for i in 0..1000_u32 {
            let folder = base.join(format!("plumbline-plan-{}-{i}", std::process::id()));
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(EngineError::Write { file: folder.display().to_string(), source }),
            }
        }
        Err(EngineError::Request(format!("{} has no room for a folder of ours", base.display())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The system clears its folder of temporary files sooner or later.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> TrainConfig {
        TrainConfig::from_toml(
            "t.toml",
            &format!("model = \"m\"\nout = \"o\"\n{text}\n[[data]]\npath = \"d.jsonl\""),
        )
        .unwrap()
    }

    #[test]
    fn what_may_change_is_not_compared_and_the_rest_is() {
        let base = essence("t", config("")).unwrap();
        let same = config("[evaluate]\nevery = 7\nanswers = 1\n[checkpoint]\nevery = 3");
        assert!(differences(&base, &essence("t", same).unwrap()).is_empty());
        for text in ["seed = 1", "steps = 9", "[evaluate]\nevery = 0", "[optimizer]\nlr = 0.5"] {
            let found = differences(&base, &essence("t", config(text)).unwrap());
            assert_eq!(found.len(), 1, "{text}");
        }
    }
}
