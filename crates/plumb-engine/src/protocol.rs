//! What goes into the engine and what comes out: flat, serialisable, the same in a window, on a command line and over
//! IPC.

use std::path::PathBuf;

use plumb_bench::{ParseStatus, PromptPreset};
use plumb_nn::Precision;
use plumb_pipeline::{
    EditJob, EditReport, ExportJob, LiftJob, LiftReport, ScenesJob, ScenesReport, SynthJob, SynthReport,
    VerifyJob, VerifyReport,
};
use plumb_train::config::TrainConfig;
use plumb_train::peft::MergeReport;
use plumb_train::run::{Finished, TrainEvent};
use plumb_vlm::Sampling;
use serde::{Deserialize, Serialize};

use crate::attention::AskAttention;
use crate::device::DeviceChoice;
use crate::look::{Look, Seen};
use crate::merge::MergeJob;

/// A job's number, unique within one engine.
pub type JobId = u64;

/// A model and how to run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// A folder, or a hub id `organisation/name[@revision]`.
    pub model: String,
    /// The device.
    #[serde(default)]
    pub device: DeviceChoice,
    /// The type of weight matrices; by default what the device runs fastest without loss beyond the file's own
    /// precision class.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// Working size of images in pixels instead of the model's own; one tile's side gives one frame per image.
    #[serde(default)]
    pub longest_edge: Option<u32>,
    /// An adapter on top of it: its folder, or that of the run that made it.
    #[serde(default)]
    pub adapter: Option<PathBuf>,
}

/// What stands where the image would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageMode {
    /// The image.
    #[default]
    Full,
    /// Nothing: the question alone. What a model scores so is what it owes to text.
    Blind,
    /// Mid-grey of the same size.
    Blank,
}

/// What stands where the image of a benchmark's row would be when the row is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "image", rename_all = "snake_case")]
pub enum RerunImage {
    /// The row's own.
    #[default]
    Full,
    /// The row's own, left and right exchanged.
    Flipped,
    /// Mid-grey of the same size.
    Blank,
    /// Nothing.
    Blind,
    /// Another picture.
    File { path: PathBuf },
}

/// How an answer is taken from the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scoring {
    /// The option of the highest log-likelihood (its text and the end of the turn): no parser between model and score.
    #[default]
    Loglik,
    /// Greedy text, to be parsed.
    Generate,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Ask one question about one image.
    Ask {
        model: ModelRequest,
        /// The image; none asks blind.
        image: Option<PathBuf>,
        question: String,
        /// Options of a multiple-choice question; none generates text.
        options: Vec<String>,
        preset: PromptPreset,
        sampling: Sampling,
        max_tokens: usize,
        /// Keeps what the answer is read from: [`AskOutcome::attention`].
        #[serde(default)]
        attention: bool,
    },
    /// Run a benchmark, resuming the run in `out` if there is one.
    Eval {
        model: ModelRequest,
        bench: PathBuf,
        out: PathBuf,
        preset: PromptPreset,
        scoring: Scoring,
        image: ImageMode,
        /// The first rows only.
        limit: Option<usize>,
        max_tokens: usize,
    },
    /// Ask one row of a benchmark again with something changed.
    Rerun {
        model: ModelRequest,
        bench: PathBuf,
        /// [`Sample::row`](plumb_bench::Sample::row).
        row: usize,
        /// The whole text of the turn, in the place of the preset's words; what the preset begins the answer with stays.
        prompt: Option<String>,
        /// The order in which the options are shown: the option shown at `i` is the row's `options[i]`.
        options: Option<Vec<usize>>,
        image: RerunImage,
        preset: PromptPreset,
        scoring: Scoring,
        max_tokens: usize,
    },
    /// Write what the model computes for one prompt, to be held to a reference.
    Trace { model: ModelRequest, image: Option<PathBuf>, prompt: String, out: PathBuf },
    /// Measure vision, prefill and decoding on random inputs that differ in each repeat.
    Bench { model: ModelRequest, prompt_tokens: usize, decode: usize, repeat: usize },
    /// Measure steps of LoRA on random inputs that differ in each step.
    BenchTrain { model: ModelRequest, step: BenchStep },
    /// Train, taking up the run in the configuration's folder if `resume`.
    Train {
        config: Box<TrainConfig>,
        device: DeviceChoice,
        resume: bool,
        /// Reads the data and plans, makes no step and leaves nothing behind.
        dry_run: bool,
    },
    /// Render procedural scenes with their exact truth.
    Scenes(ScenesJob),
    /// Lift colour and depth to scenes.
    Lift(LiftJob),
    /// Make questions and answers from scenes.
    Synth(SynthJob),
    /// Recompute every answer of a data set.
    Verify(VerifyJob),
    /// Write scenes that a person changed to a folder of their own.
    Edit(EditJob),
    /// Write questions that a person kept.
    Export(Box<ExportJob>),
    /// Fold an adapter into its base.
    Merge(MergeJob),
    /// Bring a model of the hub, `organisation/name[@revision]`, into the cache. It can wait: what is there of a file stays, and
    /// the rest is fetched when it goes on.
    Fetch { model: String },
    /// Show what files hold.
    Look(Look),
}

/// A step to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchStep {
    pub rank: usize,
    /// Tokens of the sequence, those of one frame included.
    pub tokens: usize,
    /// Tokens at its end that are learned.
    pub labels: usize,
    /// Makes image features before the clock starts.
    pub cached: bool,
    /// Computes blocks again in the backward pass; by itself where intermediate results would take more than a GiB.
    #[serde(default)]
    pub recompute: Option<bool>,
    /// Steps that are counted, after one that is not.
    pub repeat: usize,
    pub seed: u64,
}

/// Something happened in a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub job: JobId,
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The job has begun.
    Started,
    /// A fact for the log: the device, a licence, a row that was left out.
    Note { text: String },
    /// `done` of `total` units of `stage`; the rest is expected to take `eta_secs`.
    Progress { stage: String, done: u64, total: u64, eta_secs: Option<f64> },
    /// A model is being fetched: `done` of `total` bytes of all its files are here.
    Download { file: String, done: u64, total: u64, bytes_per_second: f64, eta_secs: Option<f64> },
    /// The next piece of a generated answer.
    Text { text: String },
    /// One sample of a benchmark is done.
    Sample {
        /// Of the benchmark's samples.
        index: usize,
        total: usize,
        id: String,
        /// None where there is no answer that counts.
        correct: Option<bool>,
        error: Option<String>,
        /// The option that was chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chosen: Option<usize>,
        /// How the answer was understood, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ParseStatus>,
        /// What the sample took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<f64>,
    },
    /// Something happened in training.
    Train(TrainEvent),
    /// The job waits, its state saved, until it is told to go on.
    Paused,
    /// The job was told to go on.
    Continued,
    /// The job is done.
    Finished { outcome: Outcome },
    /// The job ended without an outcome; the sentence says why. What it had written stays and can be resumed.
    Failed { error: String },
    /// The job was stopped by the person.
    Cancelled,
}

/// What a job has made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    Ask(Box<AskOutcome>),
    Rerun(Box<RerunOutcome>),
    /// The run's folder; scores are computed from it.
    Eval {
        run: PathBuf,
        records: u64,
        resumed_from: u64,
        failed: u64,
        seconds: f64,
    },
    Trace {
        out: PathBuf,
        tokens: usize,
        frames: usize,
    },
    Bench(BenchOutcome),
    BenchTrain(BenchTrainOutcome),
    /// A run that was stopped is finished as well, `complete` being false; none for a dry run.
    Train {
        run: PathBuf,
        finished: Option<Finished>,
    },
    Scenes(ScenesReport),
    Lift(LiftReport),
    Synth(Box<SynthReport>),
    Verify(Box<VerifyReport>),
    Edit(EditReport),
    Export(EditReport),
    Merge(MergeReport),
    /// The model is in `folder`, every file checked.
    Fetch {
        model: String,
        folder: PathBuf,
    },
    Look(Box<Seen>),
}

/// One option of a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptionScore {
    pub text: String,
    /// Natural logarithm of the likelihood of the option's letter and the end of the turn.
    pub logprob: f64,
    /// Softmax over the options.
    pub probability: f64,
}

/// The answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskOutcome {
    /// The chosen option's text, or the generated text.
    pub answer: String,
    pub options: Vec<OptionScore>,
    /// The prompt as it was tokenised, image tokens folded.
    pub prompt: String,
    pub prompt_tokens: usize,
    pub answer_tokens: usize,
    pub frames: usize,
    /// Vision, prompt and answer.
    pub seconds: AskSeconds,
    /// What it was read from, where the request asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<Box<AskAttention>>,
    pub fingerprint: crate::fingerprint::Fingerprint,
}

/// The answer to a row that was asked again. `ask` has the options as they were shown; all else is in the row's own order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RerunOutcome {
    pub ask: AskOutcome,
    /// The text of the turn as it was sent, without the chat template.
    pub sent: String,
    /// The chosen option; none where the text was not understood.
    pub chosen: Option<usize>,
    pub status: ParseStatus,
    /// Softmax over the options; none where text was generated.
    pub probabilities: Option<Vec<f64>>,
    /// The row's right option. It is that of the row's own picture: mirrored, left and right exchange their meaning.
    pub gold: usize,
    pub correct: bool,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct AskSeconds {
    pub vision: f64,
    pub prompt: f64,
    pub answer: f64,
}

/// Speed of one model on one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchOutcome {
    /// Vision tower and connector, one frame: median seconds.
    pub vision_s: f64,
    /// Vision and prompt: median seconds to the first logits.
    pub prefill_s: f64,
    /// Median tokens per second after the first.
    pub decode_tok_s: f64,
    pub vision_s_all: Vec<f64>,
    pub prefill_s_all: Vec<f64>,
    pub decode_tok_s_all: Vec<f64>,
    /// Seconds from files to a ready model.
    pub load_s: f64,
    /// Peak resident memory of the process, where the system tells.
    pub peak_rss_mib: Option<f64>,
    pub params: usize,
    pub dtype: String,
    pub device: String,
    pub prompt_tokens: usize,
    pub decode_tokens: usize,
}

/// Speed and memory of a training step on one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchTrainOutcome {
    /// Median seconds of a step: forward, backward, clipping, AdamW.
    pub step_s: f64,
    pub step_s_all: Vec<f64>,
    /// The loss of every step, the uncounted first included.
    pub loss_all: Vec<f64>,
    /// Peak resident memory of the process, where the system tells; with cached features from after they were made.
    pub peak_mib: Option<f64>,
    pub trainable: usize,
    pub params: usize,
    pub dtype: String,
    pub device: String,
    pub tokens: usize,
    pub labels: usize,
    pub rank: usize,
    pub cached: bool,
    pub recompute: bool,
}
