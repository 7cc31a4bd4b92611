//! The one pass over a data set that finds its samples.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use plumb_bench::Benchmark;
use plumb_qa::dataset::{
    Issues, JsonlReader, LlavaReader, MessagesReader, ParquetQaReader, QaRow, ReadOptions, TrainingSample,
};
use plumb_qa::{QaError, QaPair, Templates, render_texts};
use plumb_scene::Scene;
use sha2::{Digest, Sha256};

use super::detect::Format;
use super::error::{DataError, Problems, Result};
use super::groups::Links;
use super::image;
use super::random::digest;
use super::sample::ImageRef;
use super::source::{DataFile, Entry, ImageIdentity, OpenOptions, Source, Stored};
use super::spool::Spool;

/// The most samples of a source: they are numbered in 32 bits.
const MOST: usize = u32::MAX as usize;

/// A source while it is read.
pub(super) struct Reading {
    source: Source,
    groups: BTreeMap<u64, u32>,
    /// Of each picture looked for, by file and path: its key, or what is wrong with it.
    seen: BTreeMap<u64, Result<u64, String>>,
    /// Key of the first picture of each sample; becomes its group at the end.
    firsts: Vec<u64>,
}

impl Reading {
    pub(super) fn new(name: String, options: OpenOptions) -> Self {
        let source = Source {
            name,
            files: Vec::new(),
            spool: Spool::new(options.spool_memory, options.spool_folder.as_deref()),
            entries: Vec::new(),
            keys: Vec::new(),
            links: Links::default(),
            scenes: BTreeMap::new(),
            ready: Mutex::new(Vec::new()),
            problems: Problems::default(),
            options,
        };
        Self { source, groups: BTreeMap::new(), seen: BTreeMap::new(), firsts: Vec::new() }
    }

    pub(super) fn file(&mut self, path: &Path) -> Result<()> {
        let format = Format::of_file(path)?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let beside = || path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let folder = self.source.options.image_root.clone().unwrap_or_else(beside);
        u16::try_from(self.source.files.len()).map_err(|_| DataError::Format {
            path: self.source.name.clone(),
            detail: "more than 65536 files".to_owned(),
        })?;
        self.source.files.push(DataFile { name: name.clone(), format, folder, bench: None });
        match format {
            Format::QaParquet => {
                let reader = ParquetQaReader::open(path, ReadOptions::default())?;
                let templates = self.templates(&reader.meta().templates)?;
                let mut reader = reader;
                self.records(&name, || reader.next().map(|row| (0, row)), templates.as_ref())
            }
            Format::QaJsonl => {
                let mut reader = JsonlReader::open(path)?;
                let next = || reader.next().map(|row| (1, row));
                self.records(&name, next, None)?;
                self.issues(&name, reader.issues());
                Ok(())
            }
            Format::Llava => {
                let mut reader = LlavaReader::open(path)?;
                let next = || reader.next().map(|row| (1 + reader.issues().total, row));
                self.conversations(&name, next)?;
                self.issues(&name, reader.issues());
                Ok(())
            }
            Format::Messages => {
                let mut reader = MessagesReader::open(path)?;
                let next = || reader.next().map(|row| (1 + reader.issues().total, row));
                self.conversations(&name, next)?;
                self.issues(&name, reader.issues());
                Ok(())
            }
            Format::CvBench => self.benchmark(&name, path),
        }
    }

    /// The templates that a file without text was made with, if they are at hand.
    fn templates(&self, fingerprint: &str) -> Result<Option<Templates>> {
        let templates = match &self.source.options.templates {
            Some(templates) => (**templates).clone(),
            None => Templates::builtin()?.clone(),
        };
        // Other templates would make other words than the file's.
        Ok((fingerprint.is_empty() || templates.fingerprint() == fingerprint).then_some(templates))
    }

    fn issues(&mut self, file: &str, issues: &Issues) {
        let problems = &mut self.source.problems;
        for issue in &issues.list {
            let field = if issue.field.is_empty() { String::new() } else { format!("`{}`: ", issue.field) };
            problems.add(file, issue.line, format!("{field}{}", issue.detail));
        }
        problems.total += issues.total.saturating_sub(issues.list.len() as u64);
    }

    /// `next` gives rows with the number of the first, counted as a person would find it: lines from 1, rows of Parquet from 0.
    fn records(
        &mut self,
        file: &str,
        mut next: impl FnMut() -> Option<(u64, plumb_qa::Result<QaRow>)>,
        templates: Option<&Templates>,
    ) -> Result<()> {
        let mut count = 0;
        while let Some((first, item)) = next() {
            let row = first + count;
            count += 1;
            let found = match item {
                Ok(found) => found,
                Err(error @ QaError::Io { .. }) => return Err(error.into()),
                Err(error) => {
                    self.source.problems.add(file, row, error);
                    continue;
                }
            };
            if let Some(scene) = &found.scene {
                self.scene(file, row, scene)?;
            }
            let mut pair = found.pair;
            let kinds = &self.source.options.kinds;
            if !(kinds.is_empty() || kinds.iter().any(|kind| kind == pair.question.kind.name())) {
                continue;
            }
            if let Err(reason) = with_text(&mut pair, templates) {
                self.source.problems.add(file, row, reason);
                continue;
            }
            let sha = (found.image.sha256.len() == 64).then_some(found.image.sha256.as_str());
            let stored = Stored {
                id: format!("{file}:{}", found.row),
                images: vec![ImageRef::File(found.image.path)],
                system: None,
                turns: Vec::new(),
                prefill: None,
                marks: Vec::new(),
                pair: Some(pair),
            };
            self.add(row, &stored, sha)?;
        }
        Ok(())
    }

    fn scene(&mut self, file: &str, row: u64, scene: &Scene) -> Result<()> {
        if self.source.scenes.contains_key(&scene.id) {
            return Ok(());
        }
        match serde_json::to_vec(scene) {
            Ok(json) => {
                let place = self.source.spool.push(&json)?;
                self.source.scenes.insert(scene.id.clone(), place);
            }
            Err(e) => self.source.problems.add(file, row, format!("the scene: {e}")),
        }
        Ok(())
    }

    fn conversations(
        &mut self,
        file: &str,
        mut next: impl FnMut() -> Option<(u64, plumb_qa::Result<TrainingSample>)>,
    ) -> Result<()> {
        let mut count = 0;
        while let Some((first, item)) = next() {
            let row = first + count;
            count += 1;
            let TrainingSample { image, system, turns, marks } = item?;
            let images = image.into_iter().map(ImageRef::File).collect();
            let id = format!("{file}:{row}");
            let stored = Stored { id, images, system, turns, prefill: None, marks, pair: None };
            self.add(row, &stored, None)?;
        }
        Ok(())
    }

    fn benchmark(&mut self, file: &str, path: &Path) -> Result<()> {
        let bench = Benchmark::open(path)?;
        for issue in bench.rejected() {
            let reason = format!("`{}`: {}", issue.field, issue.why);
            self.source.problems.add(file, issue.row_in_file as u64, reason);
        }
        for sample in bench.samples() {
            let row = sample.row as u64;
            let Some(text) = sample.options.get(sample.gold) else {
                self.source.problems.add(file, row, "no option is right");
                continue;
            };
            let answer = self.source.options.letters.say(sample.gold, text);
            let rendered = self.source.options.prompt.render(sample);
            // Rows of one photograph differ by the boxes drawn on it, so its own name says which picture it is.
            let named = image::normal(sample.cluster_key()).unwrap_or_else(|_| sample.id.clone());
            let stored = Stored {
                id: format!("{file}:{}", sample.id),
                images: vec![ImageRef::Row(sample.row)],
                system: None,
                turns: vec![(rendered.user_text, answer)],
                prefill: rendered.assistant_prefill,
                marks: Vec::new(),
                pair: None,
            };
            let key = digest(&[b"path", named.as_bytes()]);
            self.store(row, &stored, &[key])?;
        }
        if let Some(file) = self.source.files.last_mut() {
            file.bench = Some(bench);
        }
        Ok(())
    }

    /// Takes a sample whose pictures are files.
    fn add(&mut self, row: u64, stored: &Stored, sha: Option<&str>) -> Result<()> {
        let mut keys = Vec::with_capacity(stored.images.len());
        for found in &stored.images {
            let ImageRef::File(name) = found else { continue };
            match self.key(name, sha) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let file = self.source.files.last().map_or("", |file| file.name.as_str());
                    self.source.problems.add(file, row, reason);
                    return Ok(());
                }
            }
        }
        if keys.is_empty() {
            // Text alone: the same text is the same sample, on one side of a split.
            let text = stored.turns.iter().map(|(q, a)| format!("{q}\0{a}\0")).collect::<String>();
            keys.push(digest(&[b"text", text.as_bytes()]));
        }
        self.store(row, stored, &keys)
    }

    /// What names a picture. It is looked for once.
    fn key(&mut self, name: &str, sha: Option<&str>) -> Result<u64, String> {
        let number = u16::try_from(self.source.files.len()).unwrap_or(u16::MAX);
        let place = digest(&[&number.to_le_bytes(), name.as_bytes()]);
        if let Some(known) = self.seen.get(&place) {
            return known.clone();
        }
        let folder = self.source.files.last().map(|file| file.folder.clone()).unwrap_or_default();
        let identity = self.source.options.identity;
        let key = image::locate(&folder, name).and_then(|path| {
            Ok(match (identity, sha) {
                (ImageIdentity::Path, _) => digest(&[b"path", image::normal(name)?.as_bytes()]),
                (ImageIdentity::Content, Some(sha)) => {
                    digest(&[b"sha256", sha.to_ascii_lowercase().as_bytes()])
                }
                (ImageIdentity::Content, None) => {
                    let sha = sha256(&path).map_err(|e| format!("`{name}`: {e}"))?;
                    digest(&[b"sha256", sha.as_bytes()])
                }
            })
        });
        self.seen.insert(place, key.clone());
        key
    }

    fn store(&mut self, row: u64, stored: &Stored, keys: &[u64]) -> Result<()> {
        let number = self.source.files.len().saturating_sub(1);
        let name = self.source.files.get(number).map_or("", |file| file.name.as_str());
        let refused = match serde_json::to_vec(stored) {
            _ if stored.turns.iter().all(|(_, answer)| answer.trim().is_empty()) && stored.pair.is_none() => {
                "every answer is empty".to_owned()
            }
            _ if self.source.entries.len() >= MOST => "more than 4 294 967 295 samples".to_owned(),
            // JSON has no NaN: what is read back would not be what was read.
            Ok(json) if stored.pair.as_ref().is_some_and(|pair| !finite(pair)) || json.is_empty() => {
                "a number is not finite".to_owned()
            }
            Ok(json) => {
                let first = keys.first().copied().unwrap_or(0);
                keys.iter().skip(1).for_each(|&key| self.source.links.join(first, key));
                let place = self.source.spool.push(&json)?;
                self.source.entries.push(Entry {
                    place,
                    file: u16::try_from(number).unwrap_or(u16::MAX),
                    group: 0,
                });
                self.firsts.push(first);
                return Ok(());
            }
            Err(e) => e.to_string(),
        };
        self.source.problems.add(name, row, refused);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Source> {
        let source = &mut self.source;
        if source.entries.is_empty() {
            let first = source.problems.list.first().map_or_else(|| "none".to_owned(), ToString::to_string);
            return Err(DataError::Empty { path: source.name.clone(), bad: source.problems.total, first });
        }
        for (entry, first) in source.entries.iter_mut().zip(&self.firsts) {
            let root = source.links.root(*first);
            let next = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
            entry.group = *self.groups.entry(root).or_insert(next);
            if entry.group == next {
                source.keys.push(root);
            }
        }
        Ok(self.source)
    }
}

/// Makes the words of a record that is stored without.
fn with_text(pair: &mut QaPair, templates: Option<&Templates>) -> Result<(), String> {
    if !pair.question_text.is_empty() && !pair.answer_text.is_empty() {
        return Ok(());
    }
    let templates =
        templates.ok_or("the row has no text, and the templates it was made with are not at hand")?;
    let (question, answer) =
        render_texts(templates, pair).ok_or("its templates and its objects do not fit")?;
    (pair.question_text, pair.answer_text) = (question, answer);
    Ok(())
}

fn finite(pair: &QaPair) -> bool {
    let length = match &pair.answer {
        plumb_qa::Answer::Length(q) => [q.value_m, q.sigma_m, q.said_m, q.tolerance_m],
        _ => [0.0; 4],
    };
    length.iter().all(|v| v.is_finite())
        && pair.proof.facts.iter().all(|fact| fact.value.is_finite() && fact.sigma.is_finite())
        && pair.proof.points.iter().flatten().all(|v| v.is_finite())
        && pair.marks.iter().flat_map(|mark| mark.rect).all(f32::is_finite)
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match std::io::Read::read(&mut file, &mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
