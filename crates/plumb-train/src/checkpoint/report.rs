//! A checkpoint in memory, and what the store says about those on the disk.

use super::{CheckpointError, Manifest, TrainState};
use crate::host::TensorMap;
use std::path::PathBuf;

/// One moment of a run, between two optimiser steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Optimiser steps done; equal to [`TrainState::step`].
    pub step: u64,
    /// The trained tensors: adapter, prompt or chosen parts of the model.
    pub weights: TensorMap,
    /// The optimiser's moments, `m.<key>` and `v.<key>`.
    pub optimizer: TensorMap,
    pub state: TrainState,
}

/// What [`super::CheckpointStore::save`] did. The checkpoint is durable.
#[derive(Debug)]
pub struct Saved {
    pub folder: PathBuf,
    pub bytes: u64,
    /// Steps whose checkpoints the retention removed.
    pub removed: Vec<u64>,
    /// Why old checkpoints could not all be removed; the new one is not concerned.
    pub cleanup: Option<CheckpointError>,
}

/// A checkpoint that [`super::CheckpointStore::latest_valid`] passed over.
#[derive(Debug)]
pub struct Skipped {
    pub path: PathBuf,
    pub why: CheckpointError,
}

/// The newest checkpoint that is whole, and the newer ones that are not.
#[derive(Debug)]
pub struct Latest {
    pub checkpoint: Option<Checkpoint>,
    /// Newest first.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint folder. Its manifest was checked and its files have their sizes; their hashes were not computed.
#[derive(Debug)]
pub struct Listed {
    /// `None` where the name says no step.
    pub step: Option<u64>,
    pub path: PathBuf,
    pub manifest: Result<Manifest, CheckpointError>,
}
