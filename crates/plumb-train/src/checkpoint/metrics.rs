//! The metrics of a run: a file of JSON lines that only grows.
//!
//! Each line ends with the CRC-32 of what stands before it, so a line that a kill or a power cut has torn, and one that
//! was changed since, are told from whole ones; to every other reader the CRC is one more field. Steps never decrease
//! from line to line, hence what follows a checkpoint can be cut off and a resumed run doubles nothing.

use super::error::{doing, writing};
use super::fs::{EntryKind, Fs};
use super::{CheckpointError, crc::crc32, exact};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Ten million steps; a longer file is not ours.
const MAX_FILE_BYTES: u64 = 4 << 30;
const MAX_LINE_BYTES: usize = 1 << 20;
/// `,"crc32":"01234567"}`
const TAIL_BYTES: usize = 20;

/// One optimiser step. What was not measured is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepMetrics {
    pub step: u64,
    /// Mean over the labelled tokens of the step.
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub loss: Option<f32>,
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub lr: Option<f32>,
    /// Global norm before clipping.
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f32>,
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f32>,
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f32>,
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples_seen: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_seen: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// What a method adds, such as its auxiliary losses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

/// One evaluation on the held-out set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvalMetrics {
    pub step: u64,
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub loss: Option<f32>,
    /// Share of right answers, 0 to 1.
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f32>,
    pub samples: u64,
    #[serde(with = "exact::f32::option", skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub best: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

/// What the model under training says to one held-out sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleAnswer {
    pub step: u64,
    pub sample: String,
    pub question: String,
    pub expected: String,
    pub answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
}

/// One line of the log; `kind` is `step`, `eval` or `sample`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricLine {
    Step(StepMetrics),
    Eval(EvalMetrics),
    Sample(SampleAnswer),
}

impl MetricLine {
    /// Optimiser steps done when the line was written.
    #[must_use]
    pub fn step(&self) -> u64 {
        match self {
            Self::Step(line) => line.step,
            Self::Eval(line) => line.step,
            Self::Sample(line) => line.step,
        }
    }

    fn encode(&self, path: &Path) -> Result<String, CheckpointError> {
        let mut text = serde_json::to_string(self).map_err(|error| bad_line(path, 0, error.to_string()))?;
        // The closing brace comes back after the CRC.
        text.pop();
        let crc = crc32(text.as_bytes());
        text.push_str(&format!(",\"crc32\":\"{crc:08x}\"}}"));
        if text.len() > MAX_LINE_BYTES {
            return Err(bad_line(path, text.len(), format!("the limit is {MAX_LINE_BYTES} bytes")));
        }
        Self::decode(text.as_bytes()).map_err(|reason| bad_line(path, text.len(), reason))?;
        text.push('\n');
        Ok(text)
    }

    /// The line without its newline.
    fn decode(line: &[u8]) -> Result<Self, String> {
        let split = line.len().checked_sub(TAIL_BYTES).and_then(|at| line.split_at_checked(at));
        let (body, tail) = split.ok_or("it is too short")?;
        let expected = format!(",\"crc32\":\"{:08x}\"}}", crc32(body));
        if tail != expected.as_bytes() {
            return Err("its CRC does not fit its content".to_owned());
        }
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

fn bad_line(path: &Path, bytes: usize, reason: String) -> CheckpointError {
    CheckpointError::BadLine { path: path.to_path_buf(), bytes, reason }
}

/// The end of a log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its first line, counted from 1.
    pub line: u64,
    /// From the start of that line to the end of the file.
    pub bytes: u64,
    pub reason: String,
}

/// What a log held when it was opened or read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The lines that stay.
    pub lines: Vec<MetricLine>,
    /// Whole lines of later steps that were cut off; always 0 from [`read_metrics`].
    pub later: u64,
    pub dropped: Option<Dropped>,
}

struct Scanned {
    line: Result<MetricLine, String>,
    start: u64,
    end: u64,
}

fn scan(fs: &impl Fs, path: &Path) -> Result<(Vec<Scanned>, u64), CheckpointError> {
    match fs.stat(path).map_err(doing("reading", path))? {
        None => return Ok((Vec::new(), 0)),
        Some(entry) if entry.kind != EntryKind::File => {
            let (path, found) = (path.to_path_buf(), entry.kind.name());
            return Err(CheckpointError::WrongKind { path, expected: "a file", found });
        }
        Some(_) => {}
    }
    let bytes = fs.read(path, MAX_FILE_BYTES).map_err(doing("reading", path))?;
    let mut start = 0;
    let mut lines = Vec::new();
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = start + part.len() as u64;
        let line = match part.split_last() {
            Some((b'\n', line)) => MetricLine::decode(line),
            _ => Err("it has no end".to_owned()),
        };
        lines.push(Scanned { line, start, end });
        start = end;
    }
    Ok((lines, start))
}

/// Splits a scan at the first line that is damaged or, with `keep`, of a later step. An error where a whole line that
/// must stay follows a damaged one.
fn recover(
    path: &Path,
    scanned: Vec<Scanned>,
    length: u64,
    keep: u64,
) -> Result<(Recovered, u64), CheckpointError> {
    let mut found = Recovered { lines: Vec::new(), later: 0, dropped: None };
    let (mut end, mut last) = (0, 0);
    for (number, scanned) in (1..).zip(scanned) {
        let line = scanned.line.and_then(|line| {
            let step = line.step();
            // Only our own writer is known never to go back.
            if step < last { Err(format!("step {step} follows step {last}")) } else { Ok(line) }
        });
        match (line, &found.dropped) {
            (Ok(line), Some(dropped)) if line.step() <= keep => {
                let (path, line, reason) = (path.to_path_buf(), dropped.line, dropped.reason.clone());
                return Err(CheckpointError::DamagedLine { path, line, reason });
            }
            (Ok(line), None) if line.step() <= keep => {
                (end, last) = (scanned.end, line.step());
                found.lines.push(line);
            }
            (Ok(line), _) => {
                last = line.step();
                found.later += 1;
            }
            (Err(reason), None) => {
                found.dropped = Some(Dropped { line: number, bytes: length - scanned.start, reason });
            }
            (Err(_), Some(_)) => {}
        }
    }
    Ok((found, end))
}

/// Reads a log without changing it. A damaged end is dropped and named; it can be the line being written right now.
///
/// # Errors
/// A damaged line stands before whole ones, the path holds no file, or it cannot be read.
pub fn read_metrics(fs: &impl Fs, path: &Path) -> Result<Recovered, CheckpointError> {
    let (scanned, length) = scan(fs, path)?;
    Ok(recover(path, scanned, length, u64::MAX)?.0)
}

/// The log of a run, open for appending.
///
/// A line is handed to the system at once, so a killed process loses none; call [`MetricsLog::sync`] before each
/// checkpoint is saved and a power cut loses none up to that checkpoint either.
#[derive(Debug)]
pub struct MetricsLog<F> {
    fs: F,
    path: PathBuf,
    /// Bytes of whole lines.
    length: u64,
    last_step: u64,
    /// A failed append may have left a part of a line.
    torn: bool,
}

impl<F: Fs> MetricsLog<F> {
    /// Starts the log of a new run in an existing folder.
    ///
    /// # Errors
    /// There is one already, or the file system refuses.
    pub fn create(fs: F, path: &Path) -> Result<Self, CheckpointError> {
        if fs.stat(path).map_err(doing("reading", path))?.is_some() {
            return Err(CheckpointError::AlreadyExists(path.to_path_buf()));
        }
        let log = Self { fs, path: path.to_path_buf(), length: 0, last_step: 0, torn: false };
        log.fs.write_durable(path, &[]).map_err(doing("making", path))?;
        log.sync_folder()?;
        Ok(log)
    }

    /// Opens the log of a run that goes on from the checkpoint of `step`: what stands after that step, whole or torn, is
    /// cut off. A missing log is begun anew.
    ///
    /// # Errors
    /// A damaged line stands before a line of `step` or earlier, the path holds no file, or the file system refuses.
    pub fn resume(fs: F, path: &Path, step: u64) -> Result<(Self, Recovered), CheckpointError> {
        if fs.stat(path).map_err(doing("reading", path))?.is_none() {
            let recovered = Recovered { lines: Vec::new(), later: 0, dropped: None };
            return Ok((Self::create(fs, path)?, recovered));
        }
        let mut log = Self { fs, path: path.to_path_buf(), length: 0, last_step: 0, torn: false };
        let recovered = log.truncate_after(step)?;
        // The kill may have come between the making of the file and the sync of its name.
        log.sync_folder()?;
        Ok((log, recovered))
    }

    fn sync_folder(&self) -> Result<(), CheckpointError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        self.fs.sync_dir(folder).map_err(doing("syncing the folder", folder))
    }

    /// Cuts off every line of a step after `step`, and a damaged end.
    ///
    /// # Errors
    /// As [`MetricsLog::resume`]; the file is then as it was.
    pub fn truncate_after(&mut self, step: u64) -> Result<Recovered, CheckpointError> {
        let (scanned, length) = scan(&self.fs, &self.path)?;
        let (recovered, end) = recover(&self.path, scanned, length, step)?;
        if let Some(dropped) = &recovered.dropped {
            let Dropped { line, bytes, reason } = dropped;
            tracing::warn!(path = %self.path.display(), line, bytes, reason, "the end of the metrics is damaged");
        }
        if end < length {
            self.fs.truncate(&self.path, end).map_err(doing("cutting the end off", &self.path))?;
        }
        (self.length, self.torn) = (end, false);
        self.last_step = recovered.lines.last().map_or(0, MetricLine::step);
        Ok(recovered)
    }

    /// Adds one line.
    ///
    /// # Errors
    /// Its step is before that of the last line, it is too long or does not read back, or the file system refuses
    /// ([`CheckpointError::DiskFull`] where there is no room); a part that was written is cut off, at the latest by the
    /// next call.
    pub fn append(&mut self, line: &MetricLine) -> Result<(), CheckpointError> {
        let step = line.step();
        if step < self.last_step {
            let path = self.path.clone();
            return Err(CheckpointError::OutOfOrder { path, step, last: self.last_step });
        }
        let text = line.encode(&self.path)?;
        self.mend()?;
        let bytes = text.len() as u64;
        if let Err(error) = self.fs.append(&self.path, text.as_bytes()) {
            self.torn = true;
            if let Err(error) = self.mend() {
                tracing::warn!(%error, "a part of a line stays until the next one");
            }
            return Err(writing("appending to", &self.path, bytes)(error));
        }
        self.length += bytes;
        self.last_step = step;
        Ok(())
    }

    fn mend(&mut self) -> Result<(), CheckpointError> {
        if self.torn {
            let cut = self.fs.truncate(&self.path, self.length);
            cut.map_err(doing("cutting a torn line off", &self.path))?;
            self.torn = false;
        }
        Ok(())
    }

    /// Forces all lines to the disk.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn sync(&mut self) -> Result<(), CheckpointError> {
        self.mend()?;
        self.fs.sync_file(&self.path).map_err(doing("syncing", &self.path))
    }
}
