//! A benchmark run: one record per sample, appended and synced, resumable at any moment.

use std::path::PathBuf;
use std::time::Instant;

use plumb_bench::{Benchmark, Parser, Prediction, PromptPreset, Sample};
use plumb_store::runs::Run;
use plumb_vlm::Sampling;
use serde::{Deserialize, Serialize};

use crate::ask::{self, Put, Want};
use crate::device::{self, Adapter};
use crate::error::{EngineError, Result};
use crate::fingerprint::Fingerprint;
use crate::job::Reporter;
use crate::look::Answer;
use crate::protocol::{EventKind, ImageMode, ModelRequest, Outcome, Request, Scoring};
use crate::rerun;
use crate::session::Session;

pub(crate) struct Eval {
    pub(crate) bench: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) preset: PromptPreset,
    pub(crate) scoring: Scoring,
    pub(crate) image: ImageMode,
    pub(crate) limit: Option<usize>,
    pub(crate) max_tokens: usize,
}

/// `run.json`: everything that the records depend on, and where to find the benchmark again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// The layout of this file.
    pub format: u32,
    /// The kind of run.
    pub task: String,
    pub fingerprint: Fingerprint,
    /// The benchmark file or folder, as given. Scores are computed from it and the records.
    pub bench: PathBuf,
    pub bench_sha256: String,
    /// Whether its files are the published ones.
    pub bench_official: bool,
    /// Rows of the benchmark, and how many of them this run covers.
    pub rows: usize,
    pub samples: usize,
    pub preset: PromptPreset,
    pub scoring: Scoring,
    pub image: ImageMode,
    /// `greedy` with the most tokens of an answer, or `loglik`.
    pub decoding: String,
    pub seed: u64,
}

/// Tokens of a written answer where nobody says how many.
pub const MAX_TOKENS: usize = 32;

/// Fields of `run.json` that may differ when a run is resumed.
const MAY_DIFFER: [&str; 1] = ["bench"];

impl RunManifest {
    /// The parser that belongs to the way of scoring.
    #[must_use]
    pub fn parser(&self) -> Parser {
        parser_of(self.scoring)
    }

    /// The model with everything that the fingerprint says of it, on the same one of `adapters`.
    #[must_use]
    pub fn model_request(&self, adapters: &[Adapter]) -> ModelRequest {
        let print = &self.fingerprint;
        ModelRequest {
            model: print.model.clone(),
            device: device::choice_of(&print.backend, &print.device, adapters),
            precision: serde_json::from_value(print.dtype.clone().into()).ok(),
            longest_edge: Some(print.longest_edge),
            adapter: print.adapter.as_ref().map(PathBuf::from),
        }
    }

    /// Tokens of an answer that is written.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.decoding.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(MAX_TOKENS)
    }

    /// The request that goes on with this run in `out`; with another `image` or `out`, the one that makes its like.
    #[must_use]
    pub fn request(&self, image: ImageMode, out: PathBuf, adapters: &[Adapter]) -> Request {
        Request::Eval {
            model: self.model_request(adapters),
            bench: self.bench.clone(),
            out,
            preset: self.preset,
            scoring: self.scoring,
            image,
            limit: Some(self.samples),
            max_tokens: self.max_tokens(),
        }
    }
}

pub(crate) const fn parser_of(scoring: Scoring) -> Parser {
    match scoring {
        Scoring::Loglik => Parser::LogLik,
        Scoring::Generate => Parser::OfficialFirstChar,
    }
}

pub(crate) async fn run(
    session: &mut Session,
    bench: &Benchmark,
    eval: &Eval,
    reporter: &Reporter,
) -> Result<Outcome> {
    let all = bench.samples();
    let samples = &all[..eval.limit.unwrap_or(all.len()).min(all.len())];
    if samples.is_empty() {
        return Err(EngineError::Request(format!("{} has no sample to run", eval.bench.display())));
    }
    if !bench.identity().is_official() {
        reporter.note("benchmark: not the published files; the score is labelled so".into());
    }
    for issue in bench.warnings().iter().chain(bench.rejected()).take(20) {
        reporter.note(format!("benchmark: {issue}"));
    }
    let manifest = RunManifest {
        format: 1,
        task: "eval".into(),
        fingerprint: session.fingerprint()?,
        bench: std::path::absolute(&eval.bench).unwrap_or_else(|_| eval.bench.clone()),
        bench_sha256: bench.sha256(),
        bench_official: bench.identity().is_official(),
        rows: bench.rows(),
        samples: samples.len(),
        preset: eval.preset,
        scoring: eval.scoring,
        image: eval.image,
        decoding: match eval.scoring {
            Scoring::Loglik => "loglik".into(),
            Scoring::Generate => format!("greedy, at most {} tokens", eval.max_tokens),
        },
        seed: 0,
    };
    let (mut run, done) = Run::open_or_create::<Prediction, _>(&eval.out, &manifest, &MAY_DIFFER)?;
    if let Some(i) = done.iter().zip(samples).position(|(p, s)| p.id != s.id) {
        return Err(EngineError::Request(format!(
            "record {} of {} is for sample {}, expected {}: the run belongs to another benchmark",
            i + 1,
            eval.out.display(),
            done[i].id,
            samples[i].id
        )));
    }
    let resumed_from = done.len();
    if resumed_from > 0 {
        reporter.note(format!("resuming: {resumed_from} of {} samples are done", samples.len()));
    }
    let mut failed = done.iter().filter(|p| p.error.is_some()).count() as u64;
    let start = Instant::now();
    for (index, sample) in samples.iter().enumerate().skip(resumed_from) {
        reporter.checkpoint()?;
        let began = Instant::now();
        let prediction = match one(session, bench, eval, sample, reporter).await {
            Ok(prediction) => prediction,
            // The model or the device is at fault, not the sample: going on would fail every row that follows.
            Err(error @ (EngineError::Cancelled | EngineError::Device(_) | EngineError::Stopped)) => {
                return Err(error);
            }
            Err(EngineError::Model(
                error @ (plumb_vlm::VlmError::Device(_) | plumb_vlm::VlmError::NotFinite { .. }),
            )) => return Err(error.into()),
            Err(error) => {
                failed += 1;
                Prediction::failed(&sample.id, error.to_string())
            }
        };
        run.append(&prediction)?;
        let answer = Answer::one(index, sample, &prediction, manifest.parser());
        reporter.send(EventKind::Sample {
            index,
            total: samples.len(),
            id: sample.id.clone(),
            correct: answer.as_ref().and_then(|answer| answer.correct),
            error: prediction.error.clone(),
            chosen: answer.as_ref().and_then(|answer| answer.chosen),
            status: answer.and_then(|answer| answer.status),
            // Not in the record: a run that was resumed is byte for byte the one that was not.
            seconds: Some(began.elapsed().as_secs_f64()),
        });
        let per_sample = start.elapsed().as_secs_f64() / (index + 1 - resumed_from) as f64;
        let left = per_sample * (samples.len() - index - 1) as f64;
        reporter.progress("evaluating", index as u64 + 1, samples.len() as u64, Some(left));
    }
    run.finish()?;
    Ok(Outcome::Eval {
        run: eval.out.clone(),
        records: samples.len() as u64,
        resumed_from: resumed_from as u64,
        failed,
        seconds: start.elapsed().as_secs_f64(),
    })
}

async fn one(
    session: &mut Session,
    bench: &Benchmark,
    eval: &Eval,
    sample: &Sample,
    reporter: &Reporter,
) -> Result<Prediction> {
    let image = rerun::picture(bench, sample.row, &eval.image.into())?;
    let rendered = eval.preset.render(sample);
    let want = match eval.scoring {
        Scoring::Loglik => Want::Option { preset: eval.preset, sample },
        Scoring::Generate => Want::Text { sampling: Sampling::Greedy, most: eval.max_tokens, stream: false },
    };
    let put = Put {
        image: image.as_ref(),
        text: &rendered.user_text,
        prefill: rendered.assistant_prefill.as_deref(),
        want,
    };
    let mut prediction = ask::put(session, put, reporter).await?.prediction(&sample.id);
    prediction.prompt = Some(rendered.user_text);
    Ok(prediction)
}
