//! Whether a file is the published benchmark.

use super::FileDigest;
use super::source::Source;
use crate::sample::Sample;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The revision of `nyu-visionx/CV-Bench` whose files are known.
pub const OFFICIAL_REVISION: &str = "bc284db50d036958861cb60cdd7b77612052ce0d";

/// Part, rows, SHA-256 of the published files.
const OFFICIAL_FILES: [(&str, usize, &str); 2] = [
    ("2D", 1438, "33196034ef4bf3265cae4a7ff5c4071b2ff1cc21123e8e285c6a91393897ecbc"),
    ("3D", 1200, "ef91fe8b5392eb2a16e318ca68fa02449d45ba1e152afece12a0a526e9fbbc25"),
];

/// SHA-1 of the comma-joined `idx` column of the whole benchmark, in the order of the rows
/// (`vision-x-nyu/test-set-training:docs/reproducing.md`). It is that of 0 to 2637.
pub const OFFICIAL_IDX_SHA1: &str = "02535f1c609db8bba7c6bd64d9a78b9aa3d0fa3a";

const TASKS: [(&str, usize); 4] = [("Count", 788), ("Depth", 600), ("Distance", 600), ("Relation", 650)];
const SOURCES: [(&str, usize); 3] = [("ADE20K", 633), ("COCO", 805), ("Omni3D", 1200)];

/// What a benchmark can be shown to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Identity {
    /// Byte for byte the published files.
    Official {
        revision: String,
        /// `2D`, `3D` or both.
        parts: Vec<String>,
        rows: usize,
    },
    /// Anything else. It can be used, and its scores are its own.
    Unknown {
        /// Of the file; of the joined digests for several.
        sha256: String,
        rows: usize,
        /// Every way in which it differs from CV-Bench.
        why_not: Vec<String>,
    },
}

impl Identity {
    pub fn is_official(&self) -> bool {
        matches!(self, Self::Official { .. })
    }

    /// `rows` counts all rows, `samples` holds those that could be read.
    pub(super) fn of(files: &[FileDigest], rows: usize, samples: &[Sample]) -> Self {
        let mut parts = Vec::new();
        let mut why_not = Vec::new();
        for file in files {
            match OFFICIAL_FILES.iter().find(|(_, _, sha)| *sha == file.sha256) {
                Some((part, _, _)) => parts.push((*part).to_owned()),
                None => why_not.push(format!(
                    "{} has SHA-256 {}, which is none of the published files of revision {OFFICIAL_REVISION}",
                    file.name, file.sha256
                )),
            }
        }
        parts.sort();
        parts.dedup();
        // With one published half, only its own rows can be expected.
        let whole = parts.len() != 1 || !why_not.is_empty();
        let expected: usize = OFFICIAL_FILES
            .iter()
            .filter(|(part, _, _)| whole || parts.iter().any(|p| p == part))
            .map(|(_, rows, _)| rows)
            .sum();
        if rows != expected {
            why_not.push(format!("it has {rows} rows, CV-Bench has {expected}"));
        }
        if rows != samples.len() {
            why_not.push(format!("{} rows could not be read", rows.saturating_sub(samples.len())));
        }
        if whole {
            let mut fingerprint = idx_fingerprint(samples);
            if fingerprint != OFFICIAL_IDX_SHA1 {
                fingerprint.truncate(12);
                why_not
                    .push(format!("the order of its rows (SHA-1 of idx {fingerprint}…) is not CV-Bench's"));
            }
            totals(&mut why_not, "task", &TASKS, samples.iter().map(|s| s.task.name()));
            totals(&mut why_not, "source", &SOURCES, samples.iter().map(|s| s.source.as_str()));
        }
        if why_not.is_empty() && !parts.is_empty() {
            return Self::Official { revision: OFFICIAL_REVISION.to_owned(), parts, rows };
        }
        Self::Unknown { sha256: joined(files), rows, why_not }
    }
}

fn totals<'a>(
    why_not: &mut Vec<String>,
    what: &str,
    expected: &[(&str, usize)],
    found: impl Iterator<Item = &'a str>,
) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in found {
        *counts.entry(name).or_default() += 1;
    }
    for (name, wanted) in expected {
        let got = counts.remove(name).unwrap_or(0);
        if got != *wanted {
            why_not.push(format!("{what} {name} has {got} rows, CV-Bench has {wanted}"));
        }
    }
    for (name, got) in counts.iter().take(10) {
        why_not.push(format!("{what} `{name}` ({got} rows) is not in CV-Bench"));
    }
}

/// One digest for all files, to name a benchmark in a run record.
pub(super) fn joined(files: &[FileDigest]) -> String {
    match files {
        [one] => one.sha256.clone(),
        _ => hex(&Sha256::digest(files.iter().map(|f| f.sha256.as_str()).collect::<String>())),
    }
}

/// SHA-1 of the comma-joined `idx` values, in hex.
pub fn idx_fingerprint(samples: &[Sample]) -> String {
    let mut hash = Sha1::new();
    for (i, sample) in samples.iter().enumerate() {
        if i > 0 {
            hash.update(b",");
        }
        hash.update(sample.idx.to_string());
    }
    hex(&hash.finalize())
}

pub(super) fn digest(name: &str, source: &Source) -> std::io::Result<FileDigest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0_u64;
    loop {
        let n = source.read_at(at, &mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(buffer.get(..n).unwrap_or_default());
        at += n as u64;
    }
    Ok(FileDigest { name: name.to_owned(), bytes: at, sha256: hex(&hash.finalize()) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
