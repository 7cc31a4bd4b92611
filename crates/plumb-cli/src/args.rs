//! Arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use plumb_bench::PromptPreset;
use plumb_engine::demo;
use plumb_engine::{DeviceChoice, ImageMode, ModelRequest, Scoring};
use plumb_nn::Precision;

use crate::data_args::{Lift, Scenes, Synth, Verify};
use crate::train_args::AdaptersArgs;
use crate::train_options::Train;

/// Spatial reasoning with small vision-language models: ask, evaluate, lift, synthesise.
#[derive(Parser)]
#[command(version, about, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Without a command: what the tour of the demo pack finds, as JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Open the window: ask, scenes, evaluation, training
    App(App),
    /// Ask one question about one image
    Ask(Ask),
    /// Run a benchmark (CV-Bench: parquet, 2D/3D parquets, or jsonl with an img folder); resumes a run that was stopped
    Eval(Eval),
    /// The score of a run, with intervals and baselines; two runs are compared sample by sample
    Report(Report),
    /// Models: list what is here, get, verify, make a random one
    Models(Models),
    /// What this machine has, what will be used, and why; checks that it computes right
    Doctor(Doctor),
    /// Write what the model computes for a prompt, to hold it to another implementation
    Trace(Trace),
    /// Fine-tune a model: LoRA, DoRA, (IA)³, prompts, bottlenecks, or parts of it whole
    Train(Box<Train>),
    /// Measure vision, prefill and decoding, or steps of training
    Bench(Bench),
    /// Render rooms, streets and table tops with exact depth, masks, boxes and gravity
    Scenes(Scenes),
    /// Lift colour and depth to a metric, gravity-aligned scene with objects
    Lift(Lift),
    /// Make spatial questions and answers from scenes, each with its proof
    Synth(Synth),
    /// Recompute every answer of a data set from the geometry it carries
    Verify(Verify),
    /// Adapters: merge into a checkpoint, inspect, convert
    Adapters(AdaptersArgs),
}

/// What the window opens.
#[derive(clap::Args)]
pub(crate) struct App {
    /// Pictures, benchmarks, data sets, and folders of runs, trainings, scenes, models or adapters
    pub(crate) files: Vec<PathBuf>,
    /// Write the time to the first picture, the cost of frames and the memory to FILE, and close
    #[arg(long, value_name = "FILE")]
    pub(crate) measure: Option<PathBuf>,
    /// How long is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, requires = "measure")]
    pub(crate) measure_for: f64,
}

/// A model and how to run it.
#[derive(clap::Args)]
pub(crate) struct Model {
    /// A folder in Hugging Face layout, a hub id such as HuggingFaceTB/SmolVLM2-500M-Video-Instruct[@revision], or demo
    #[arg(long, value_name = "FOLDER|ID|demo", required = true)]
    model: Option<String>,
    /// auto, cpu, gpu or gpu:N (see `plumbline doctor`)
    #[arg(long, default_value_t, value_name = "DEVICE")]
    device: DeviceChoice,
    /// Type of the weight matrices (sums are f32 always); by default the file's own, f16 for f32 files
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// Working size of images in pixels; the side of one tile (512, or 384 for 2.2B) gives one frame and is fastest
    #[arg(long, value_name = "PIXELS")]
    longest_edge: Option<u32>,
    /// An adapter on top of the model: its folder, or that of the training run that made it, or demo
    #[arg(long, value_name = "FOLDER|demo")]
    adapter: Option<PathBuf>,
}

impl Model {
    /// Whether a model was named.
    pub(crate) const fn is_named(&self) -> bool {
        self.model.is_some()
    }

    pub(crate) fn request(self) -> ModelRequest {
        ModelRequest {
            // Required, but where the demo's is meant.
            model: self.model.unwrap_or_else(|| demo::NAME.to_owned()),
            device: self.device,
            precision: self.dtype.map(Into::into),
            longest_edge: self.longest_edge,
            adapter: self.adapter,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

fn preset(text: &str) -> Result<PromptPreset, String> {
    text.parse().map_err(|e: plumb_bench::BenchError| e.to_string())
}

#[derive(clap::Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) model: Model,
    /// The image; without one the question is asked blind
    #[arg(long)]
    pub(crate) image: Option<PathBuf>,
    #[arg(long)]
    pub(crate) question: String,
    /// Options of a multiple-choice question, separated by |
    #[arg(long, value_name = "A|B|…")]
    pub(crate) options: Option<String>,
    /// How options are put: official, lmms_eval, vlmevalkit or smolvlm_mcq
    #[arg(long, value_parser = preset, default_value = "official")]
    pub(crate) preset: PromptPreset,
    /// Most tokens of a generated answer
    #[arg(long, default_value_t = 256)]
    pub(crate) max_tokens: usize,
    /// Sample at this temperature instead of taking the most likely token
    #[arg(long)]
    pub(crate) temperature: Option<f64>,
    #[arg(long, requires = "temperature")]
    pub(crate) top_p: Option<f64>,
    #[arg(long, requires = "temperature")]
    pub(crate) top_k: Option<usize>,
    #[arg(long, requires = "temperature", default_value_t = 0)]
    pub(crate) seed: u64,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
#[command(mut_arg("model", |arg| arg.required(false)))]
pub(crate) struct Eval {
    /// The benchmark: a parquet or jsonl file, or a folder of them; demo is the demo pack's, asked with images and without
    pub(crate) bench: PathBuf,
    #[command(flatten)]
    pub(crate) model: Model,
    /// The run's folder; a run that is there is resumed. For demo a new one by default
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The first N rows only
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Wording: official, lmms_eval, vlmevalkit or smolvlm_mcq
    #[arg(long, value_parser = preset, default_value = "official")]
    pub(crate) preset: PromptPreset,
    /// loglik takes the likeliest option; generate parses greedy text
    #[arg(long, value_enum, default_value_t = Score::Loglik)]
    pub(crate) score: Score,
    /// full, blind (no image) or blank (mid-grey): what the model owes to text alone
    #[arg(long, value_enum, default_value_t = Image::Full)]
    pub(crate) image: Image,
    /// Most tokens of a generated answer
    #[arg(long, default_value_t = 128)]
    pub(crate) max_tokens: usize,
    /// Events and the report as JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Score {
    Loglik,
    Generate,
}

impl From<Score> for Scoring {
    fn from(score: Score) -> Self {
        match score {
            Score::Loglik => Self::Loglik,
            Score::Generate => Self::Generate,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Image {
    Full,
    Blind,
    Blank,
}

impl From<Image> for ImageMode {
    fn from(image: Image) -> Self {
        match image {
            Image::Full => Self::Full,
            Image::Blind => Self::Blind,
            Image::Blank => Self::Blank,
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Report {
    /// One run, or two to compare
    #[arg(num_args = 1..=2, required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The same runs without images, in the same order; by default those that lie beside them
    #[arg(long, num_args = 1..=2, value_name = "RUN")]
    pub(crate) blind: Vec<PathBuf>,
    /// The benchmark, where it is no longer at the place the run was made from
    #[arg(long)]
    pub(crate) bench: Option<PathBuf>,
    /// Score generated text with another parser: official_first_char, lmms_eval, strict, option_text, loglik
    #[arg(long)]
    pub(crate) parser: Option<String>,
    /// Also write every answer, as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Subcommand)]
pub(crate) enum ModelsCommand {
    /// Models in the shared Hugging Face cache
    List {
        #[arg(long)]
        json: bool,
    },
    /// Download a model (resumes what is partial, checks every hash)
    Get {
        /// Hub id, organisation/name[@revision]
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Hash a model's files again
    Verify {
        /// Hub id or folder
        model: String,
        #[arg(long)]
        json: bool,
    },
    /// Write a checkpoint of random weights with the shapes of a config.json
    Random {
        /// Folder with config.json and side files
        #[arg(long)]
        config: PathBuf,
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[arg(long, value_enum, default_value_t = Dtype::F32)]
        dtype: Dtype,
        #[arg(long)]
        out: PathBuf,
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// The device that would be used
    #[arg(long, default_value_t)]
    pub(crate) device: DeviceChoice,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Trace {
    #[command(flatten)]
    pub(crate) model: Model,
    #[arg(long)]
    pub(crate) image: Option<PathBuf>,
    #[arg(long)]
    pub(crate) prompt: String,
    /// The safetensors file to write
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: Model,
    /// Tokens of the prompt, those of one frame included
    #[arg(long, default_value_t = 129)]
    pub(crate) prompt_tokens: usize,
    /// Tokens to decode
    #[arg(long, default_value_t = 32)]
    pub(crate) decode: usize,
    /// Rounds that are counted
    #[arg(long, default_value_t = 3)]
    pub(crate) repeat: usize,
    /// Steps of LoRA on the text layers instead of answering
    #[arg(long)]
    pub(crate) train: bool,
    /// Rank of LoRA
    #[arg(long, default_value_t = 8, requires = "train")]
    pub(crate) rank: usize,
    /// Tokens that are learned
    #[arg(long, default_value_t = 8, requires = "train")]
    pub(crate) labels: usize,
    /// Make the image features before the clock starts
    #[arg(long, requires = "train")]
    pub(crate) cached: bool,
    /// Compute blocks again in the backward pass; by default where intermediate results take more than a GiB
    #[arg(long, requires = "train", value_name = "true|false")]
    pub(crate) recompute: Option<bool>,
    #[arg(long, default_value_t = 0, requires = "train")]
    pub(crate) seed: u64,
    #[arg(long)]
    pub(crate) json: bool,
}
