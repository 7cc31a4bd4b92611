//! What ends a job.

/// Why a job failed. The sentence is for the person; nothing else is shown.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("no GPU adapter was found; use --device cpu, or install a Vulkan, Metal or DX12 driver")]
    NoAdapter,
    #[error("there is no GPU {index}; this machine has {found} (see `plumbline doctor`)")]
    NoSuchAdapter { index: usize, found: usize },
    #[error("the device cannot be used: {0}")]
    Device(String),
    #[error("{0}")]
    Request(String),
    #[error("cannot write {file}: {source}")]
    Write { file: String, source: std::io::Error },
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("the benchmark of {run}: {error}")]
    BenchOfRun { run: String, error: plumb_bench::BenchError },
    #[error(
        "{run} was made from a benchmark with SHA-256 {expected}, but this one has {found}; its records do not belong to these \
         rows"
    )]
    OtherBench { run: String, expected: String, found: String },
    #[error("cancelled")]
    Cancelled,
    #[error("the engine has stopped")]
    Stopped,
    /// The message of the panic is on standard error.
    #[error(
        "an internal error ended the job (what it had written stays); please report what was printed above"
    )]
    Panicked,
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
    #[error(transparent)]
    Model(#[from] plumb_vlm::VlmError),
    #[error(transparent)]
    Bench(#[from] plumb_bench::BenchError),
    #[error(transparent)]
    Hub(#[from] plumb_store::hub::HubError),
    #[error(transparent)]
    Pipeline(plumb_pipeline::PipelineError),
    #[error(transparent)]
    Run(#[from] plumb_store::runs::RunError),
    #[error(transparent)]
    Merge(#[from] plumb_train::peft::MergeError),
    #[error(transparent)]
    Train(#[from] plumb_train::TrainError),
}

/// A result of the engine.
pub type Result<T> = std::result::Result<T, EngineError>;

impl From<plumb_pipeline::PipelineError> for EngineError {
    fn from(error: plumb_pipeline::PipelineError) -> Self {
        match error {
            plumb_pipeline::PipelineError::Cancelled => Self::Cancelled,
            error => Self::Pipeline(error),
        }
    }
}
