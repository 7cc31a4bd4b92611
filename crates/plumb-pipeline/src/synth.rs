//! Questions and answers from scenes.

use std::path::{Path, PathBuf};

use plumb_image::{Limits, RgbImage};
use plumb_qa::balance::BlindReport;
use plumb_qa::dataset::{
    CvBenchRow, DatasetMeta, DatasetWriter, Format, ToCvBench, WriterOptions, Written, open_writer,
};
use plumb_qa::gates::Gates;
use plumb_qa::generate::{GenerateOptions, GenerateReport, Generator, Prior};
use plumb_qa::{
    Kind, LengthStyle, Locale, QaError, QaPair, ReferenceMode, Templates, cvbench_row, draw_marks, to_cvbench,
};
use plumb_scene::Scene;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::files::{Quarantined, find_scenes, io, read_scene, write_quarantine};
use crate::{Monitor, PipelineError, Result};

/// What to generate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SynthJob {
    /// Scene files, or folders of them ([`find_scenes`]).
    pub inputs: Vec<PathBuf>,
    pub out: PathBuf,
    /// By default what the name of `out` asks for.
    pub format: Option<String>,
    pub seed: u64,
    /// Most pairs of an image.
    pub per_image: usize,
    /// Question types; empty means all.
    pub kinds: Vec<Kind>,
    pub references: ReferenceMode,
    pub locale: Locale,
    /// Whether questions and answers are stored as text (Parquet can leave them out and make them again).
    pub text: bool,
    /// Whether answers that the nouns give away are thinned out. Takes a pass over the scenes before the one that writes.
    pub balance: bool,
    /// A folder of templates instead of the program's own.
    pub templates: Option<PathBuf>,
    /// Pictures of benchmark rows as JPEG of this quality (1 to 100) instead of PNG.
    #[serde(default)]
    pub jpeg: Option<u8>,
    /// The least ratio of two distances that a question compares; the gates' own where there is none.
    #[serde(default)]
    pub distance_ratio: Option<f64>,
}

impl Default for SynthJob {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            out: PathBuf::new(),
            format: None,
            seed: 0,
            per_image: 200,
            kinds: Vec::new(),
            references: ReferenceMode::Text,
            locale: Locale::default(),
            text: true,
            balance: true,
            templates: None,
            jpeg: None,
            distance_ratio: None,
        }
    }
}

/// What was generated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SynthReport {
    pub scenes: u64,
    pub pairs: u64,
    pub rows: u64,
    pub generated: GenerateReport,
    /// What can be guessed without the image.
    pub blind: BlindReport,
    pub quarantined: Vec<Quarantined>,
    pub seconds: f64,
}

/// Scenes worked on at once. Results are written in the order of the inputs, whatever thread had them.
const BATCH: usize = 256;

/// Generates pairs for every scene. Those of a scene depend on the seed, the options and (with `balance`) on the counts over all scenes; not on threads
/// or the order of the inputs. Scenes that cannot be read are listed in `<out>.quarantine.jsonl`, and the rest goes on.
///
/// # Errors
/// When there is no scene at all, when nothing could be asked, or when the file cannot be written.
pub fn synth(job: &SynthJob, monitor: &dyn Monitor) -> Result<SynthReport> {
    let began = std::time::Instant::now();
    let format = format(job)?;
    let own;
    let templates = if let Some(folder) = &job.templates {
        own = Templates::load(folder)?;
        &own
    } else {
        Templates::builtin()?
    };
    let mut paths = Vec::new();
    for input in &job.inputs {
        paths.extend(find_scenes(input)?);
    }
    if paths.is_empty() {
        return Err(unusable("synth", "no input"));
    }
    let options = options(job, format);
    let mut generator = Generator::new(templates, options);
    if job.balance {
        let prior = observe(&paths, &generator, monitor)?;
        generator = generator.with_prior(prior);
    }

    let folder = job.out.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let meta = meta(job, templates)?;
    let writer_options =
        WriterOptions { cv_bench: Some(cv_bench(folder.clone(), job.jpeg)), ..WriterOptions::default() };
    let mut writer = open_writer(&job.out, format, &meta, writer_options)?;
    let mut total = Totals::default();
    for (number, batch) in paths.chunks(BATCH).enumerate() {
        monitor.checkpoint()?;
        let made: Vec<_> = batch.par_iter().map(|path| Made::new(path, &folder, &generator)).collect();
        for (path, made) in batch.iter().zip(made) {
            total.add(path, made, writer.as_mut(), monitor)?;
        }
        monitor.progress("scenes", (number * BATCH + batch.len()) as u64, paths.len() as u64);
    }
    if total.generated.total() == 0 {
        let reason = total.quarantined.first().map_or_else(
            || "nothing can be asked about these scenes with certainty".to_owned(),
            |first| format!("{}: {}", first.input, first.reason),
        );
        return Err(unusable("synth", &reason));
    }
    let Written { pairs, rows, .. } = writer.finish()?;
    write_quarantine(&beside(&job.out, "quarantine.jsonl"), &total.quarantined)?;
    Ok(SynthReport {
        scenes: paths.len() as u64 - total.quarantined.len() as u64,
        pairs,
        rows,
        generated: total.generated,
        blind: total.blind,
        quarantined: total.quarantined,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn unusable(what: &str, detail: &str) -> PipelineError {
    PipelineError::Unusable { what: what.to_owned(), detail: detail.to_owned() }
}

/// `data/qa.parquet` and `quarantine.jsonl` give `data/qa.parquet.quarantine.jsonl`.
fn beside(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    out.with_file_name(name)
}

fn format(job: &SynthJob) -> Result<Format> {
    match &job.format {
        Some(name) => name.parse().map_err(|error: String| unusable("format", &error)),
        None => Format::of_path(&job.out).ok_or_else(|| {
            unusable(
                &job.out.display().to_string(),
                "its name asks for no known format: .parquet, .jsonl, .messages.jsonl, .json (LLaVA) or .cvbench.parquet",
            )
        }),
    }
}

fn options(job: &SynthJob, format: Format) -> GenerateOptions {
    let mut kinds = if job.kinds.is_empty() { Kind::ALL.to_vec() } else { job.kinds.clone() };
    if format == Format::CvBench {
        kinds.retain(|kind| kind.shape() == plumb_qa::Shape::MultipleChoice);
    }
    let mut gates = Gates::default();
    // Below the gates' own, answers would no longer be certain.
    if let Some(ratio) = job.distance_ratio.filter(|ratio| ratio.is_finite()) {
        gates.distance_ratio = gates.distance_ratio.max(ratio);
    }
    GenerateOptions {
        seed: job.seed,
        per_image: job.per_image,
        kinds,
        mode: job.references,
        lengths: LengthStyle { locale: job.locale, ..LengthStyle::default() },
        gates,
        ..GenerateOptions::default()
    }
}

/// The options as they stand in the file: what makes its bytes, and no path of this machine.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Described {
    per_image: usize,
    distance_ratio: Option<f64>,
    kinds: Vec<Kind>,
    references: ReferenceMode,
    locale: Locale,
    balance: bool,
}

impl Default for Described {
    fn default() -> Self {
        Self::of(&SynthJob::default())
    }
}

impl Described {
    fn of(job: &SynthJob) -> Self {
        Self {
            per_image: job.per_image,
            distance_ratio: job.distance_ratio,
            kinds: job.kinds.clone(),
            references: job.references,
            locale: job.locale,
            balance: job.balance,
        }
    }
}

pub(crate) fn meta(job: &SynthJob, templates: &Templates) -> Result<DatasetMeta> {
    let options = serde_json::to_value(Described::of(job))
        .map_err(|error| unusable("synth", &format!("its options cannot be written: {error}")))?;
    Ok(DatasetMeta { seed: job.seed, options, templates: templates.fingerprint().to_owned(), text: job.text })
}

impl SynthJob {
    /// The job that a data set says it was made by, over the scenes of `inputs`; the usual one where it does not say.
    #[must_use]
    pub fn of_meta(meta: &DatasetMeta, inputs: Vec<PathBuf>) -> Self {
        // A list would be taken for the fields in their order.
        let described = meta.options.is_object().then(|| serde_json::from_value(meta.options.clone()));
        let Described { per_image, distance_ratio, kinds, references, locale, balance } =
            described.and_then(Result::ok).unwrap_or_default();
        Self {
            inputs,
            seed: meta.seed,
            per_image,
            kinds,
            references,
            locale,
            balance,
            distance_ratio,
            ..Self::default()
        }
    }
}

/// Most scenes whose answers are counted for the questions of one of them: a person waits.
const MOST_COUNTED: usize = 256;

/// The questions that [`synth`] would ask about `scene` if it stood among the scenes of the job's inputs. With `balance` those are counted first, unless
/// there are more than 256: then nothing is thinned out, which is noted.
///
/// # Errors
/// When templates or inputs cannot be read, or when the monitor ends it.
pub fn questions(job: &SynthJob, scene: &Scene, monitor: &dyn Monitor) -> Result<Vec<QaPair>> {
    let own;
    let templates = if let Some(folder) = &job.templates {
        own = Templates::load(folder)?;
        &own
    } else {
        Templates::builtin()?
    };
    let mut generator = Generator::new(templates, options(job, Format::Parquet));
    if job.balance {
        let mut paths = Vec::new();
        for input in &job.inputs {
            paths.extend(find_scenes(input)?);
        }
        if paths.len() <= MOST_COUNTED {
            let prior = observe(&paths, &generator, monitor)?;
            generator = generator.with_prior(prior);
        } else {
            monitor.note("answers that the nouns give away are not thinned out: there are too many scenes to count them in");
        }
    }
    monitor.checkpoint()?;
    Ok(generator.generate(scene))
}

/// The first pass: counts what the nouns give away.
fn observe(paths: &[PathBuf], generator: &Generator<'_>, monitor: &dyn Monitor) -> Result<Prior> {
    let mut prior = Prior::new();
    for (number, batch) in paths.chunks(4 * BATCH).enumerate() {
        monitor.checkpoint()?;
        let counted = batch
            .par_iter()
            .fold(Prior::new, |mut prior, path| {
                if let Ok(scene) = read_scene(path) {
                    generator.for_each(&scene, |pair| prior.observe(&pair));
                }
                prior
            })
            .reduce(Prior::new, |mut a, b| {
                a.merge(&b);
                a
            });
        prior.merge(&counted);
        monitor.progress("balance", (number * 4 * BATCH + batch.len()) as u64, paths.len() as u64);
    }
    Ok(prior)
}

/// The pairs of one scene.
struct Made {
    scene: Scene,
    image: String,
    pairs: Vec<QaPair>,
    report: GenerateReport,
}

impl Made {
    fn new(path: &Path, folder: &Path, generator: &Generator<'_>) -> Result<Self> {
        let scene = read_scene(path)?;
        let image = path.parent().unwrap_or(Path::new("")).join(&scene.image.path);
        let image = relative(&image, folder)?;
        let mut pairs = Vec::new();
        let report = generator.for_each(&scene, |pair| pairs.push(pair));
        Ok(Self { scene, image, pairs, report })
    }
}

#[derive(Default)]
struct Totals {
    generated: GenerateReport,
    blind: BlindReport,
    quarantined: Vec<Quarantined>,
}

impl Totals {
    fn add(
        &mut self,
        path: &Path,
        made: Result<Made>,
        writer: &mut dyn DatasetWriter,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                monitor.note(&format!("{} was put aside: {error}", path.display()));
                self.quarantined
                    .push(Quarantined { input: path.display().to_string(), reason: error.to_string() });
                return Ok(());
            }
        };
        self.generated.merge(&made.report);
        for pair in &made.pairs {
            self.blind.observe(pair);
        }
        Ok(writer.push(&made.scene, &made.image, &made.pairs)?)
    }
}

/// A path as seen from a folder, with `/` on every system.
pub(crate) fn relative(path: &Path, folder: &Path) -> Result<String> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let from = std::path::absolute(here).map_err(io(here))?;
    let to = plain(&std::path::absolute(path).map_err(io(path))?);
    let from = plain(&from);
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| "..".to_owned());
    let down = to.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    Ok(up.chain(down).collect::<Vec<_>>().join("/"))
}

/// Without `.` and `..`, taken as text: a link in the middle of a data set is not followed.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// Draws the marks of multiple-choice pairs on their image. The last image is kept: its pairs come one after the other.
fn cv_bench(folder: PathBuf, jpeg: Option<u8>) -> ToCvBench {
    let mut last: Option<(String, RgbImage)> = None;
    Box::new(move |scene, image, pair| {
        if pair.question.kind.shape() != plumb_qa::Shape::MultipleChoice {
            return Ok(None);
        }
        let failed = |detail: String| QaError::Write { path: image.to_owned(), detail };
        if last.as_ref().is_none_or(|(path, _)| path != image) {
            let read = plumb_image::read(&folder.join(image), &Limits::default())
                .map_err(|error| failed(error.to_string()))?;
            last = Some((image.to_owned(), read));
        }
        let Some((_, picture)) = &last else { return Ok(None) };
        let row = || match jpeg {
            None => to_cvbench(pair, scene, picture, 0),
            Some(quality) => {
                let (mut sample, marks) = cvbench_row(pair, scene, 0)?;
                sample.filename = sample.filename.replace(".png", ".jpg");
                Ok((sample, plumb_image::encode_jpeg(&draw_marks(picture, &marks)?, quality)?))
            }
        };
        let (sample, bytes) = row().map_err(|error| failed(error.to_string()))?;
        let path = sample.filename.clone();
        Ok(Some(CvBenchRow { sample, image: bytes.into(), path }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_data_set() -> Result<()> {
        for (path, folder, expected) in [
            ("data/images/1.jpg", "data", "images/1.jpg"),
            ("data/scenes/../images/1.jpg", "out", "../data/images/1.jpg"),
            ("images/1.jpg", "", "images/1.jpg"),
            ("/a/b/c.png", "/a/d/e", "../../b/c.png"),
        ] {
            assert_eq!(relative(Path::new(path), Path::new(folder))?, expected);
        }
        Ok(())
    }
}
