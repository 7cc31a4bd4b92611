//! Arguments of training and of what training leaves behind.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use plumb_train::host::FileDtype;
use plumb_train::peft::AdapterFormat;

#[derive(clap::Args)]
pub(crate) struct AdaptersArgs {
    #[command(subcommand)]
    pub(crate) command: AdaptersCommand,
}

#[derive(Subcommand)]
pub(crate) enum AdaptersCommand {
    /// Fold an adapter into its base and write a whole checkpoint
    Merge(Merge),
    /// What an adapter is: method, targets, ranks, norms, and whether it fits a model
    Inspect(Inspect),
    /// Write an adapter in another layout (PEFT, mlx) or type of values
    Convert(Convert),
}

#[derive(clap::Args)]
pub(crate) struct Merge {
    /// The adapter's folder: PEFT's, AdapterHub's or mlx's layout
    pub(crate) adapter: PathBuf,
    /// The base: a folder in Hugging Face layout, or a hub id whose files are here
    #[arg(long, value_name = "FOLDER|ID")]
    pub(crate) model: String,
    /// The folder to write; it must not exist
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Type of all written weights; by default each keeps the base's
    #[arg(long, value_enum)]
    pub(crate) dtype: Option<ValueType>,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// The adapter's folder: PEFT's, AdapterHub's or mlx's layout
    pub(crate) adapter: PathBuf,
    /// Hold it against this model: a folder in Hugging Face layout, or a hub id whose files are here
    #[arg(long, value_name = "FOLDER|ID")]
    pub(crate) model: Option<String>,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Convert {
    /// The adapter's folder: PEFT's or mlx's layout
    pub(crate) adapter: PathBuf,
    /// The layout to write; by default the one it has
    #[arg(long, value_enum)]
    pub(crate) to: Option<Layout>,
    /// Type of the written values; by default the one they have
    #[arg(long, value_enum)]
    pub(crate) dtype: Option<ValueType>,
    /// The base, which mlx's layout depends on
    #[arg(long, value_name = "FOLDER|ID")]
    pub(crate) model: Option<String>,
    /// The folder to write; it must not exist
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ValueType {
    F32,
    F16,
    Bf16,
}

impl From<ValueType> for FileDtype {
    fn from(dtype: ValueType) -> Self {
        match dtype {
            ValueType::F32 => Self::F32,
            ValueType::F16 => Self::F16,
            ValueType::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Layout {
    Peft,
    Mlx,
    #[value(name = "adapterhub")]
    AdapterHub,
}

impl From<Layout> for AdapterFormat {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Peft => Self::Peft,
            Layout::Mlx => Self::Mlx,
            Layout::AdapterHub => Self::AdapterHub,
        }
    }
}
