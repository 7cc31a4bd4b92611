//! Why training cannot start or go on.

/// Why training cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("the model has no tensor {name} that can learn")]
    NoSuchTensor { name: String },
    #[error("nothing learns: the method and its targets select no tensor")]
    NothingLearns,
    #[error("tensor {name} has shape {found:?}, expected {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("the gradient is not finite; lower the learning rate, or look at the samples of this step")]
    GradientNotFinite,
    #[error("the device failed: {0}")]
    Device(String),
    #[error("{file}: {reason}")]
    Config { file: String, reason: String },
    #[error(
        "the loss is not a number at step {step}; the samples of the step: {samples}. What was saved before is unharmed; lower the \
         learning rate or leave these samples out"
    )]
    LossNotFinite { step: u64, samples: String },
    #[error("{what} has other tokens than the model: token {id} is {theirs:?} there and {ours:?} here")]
    OtherTokens { what: String, id: u32, ours: String, theirs: String },
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("cannot write {file}: {source}")]
    Write { file: String, source: std::io::Error },
    #[error(transparent)]
    Merge(#[from] crate::peft::MergeError),
    #[error(transparent)]
    Adapter(#[from] crate::peft::AdapterError),
    #[error(transparent)]
    Model(#[from] plumb_vlm::VlmError),
}

/// The result of training code.
pub type Result<T> = std::result::Result<T, TrainError>;
