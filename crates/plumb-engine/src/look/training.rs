//! The record of a training.

use std::path::Path;

use plumb_train::TrainError;
use plumb_train::checkpoint::{METRICS_FILE, RealFs, read_metrics};
use plumb_train::run::{CONFIG_FILE, RESULT_FOLDER};

use super::Seen;
use crate::error::{EngineError, Result};

/// A description that a person wrote is a page.
pub(super) const MOST_CONFIG: u64 = 1 << 20;

/// Files of [`RESULT_FOLDER`], one of which stands in it when it is whole.
const RESULTS: [&str; 2] = ["adapter_config.json", "config.json"];

pub(super) fn run(folder: &Path) -> Result<Seen> {
    let path = folder.join(CONFIG_FILE);
    let Some(config) = super::read_bytes(&path, MOST_CONFIG)? else {
        return Err(EngineError::Request(format!(
            "{} holds no training run: it has no {CONFIG_FILE}",
            folder.display()
        )));
    };
    let config = String::from_utf8(config)
        .map_err(|_| EngineError::Request(format!("{} is not a text file", path.display())))?;
    let metrics = read_metrics(&RealFs, &folder.join(METRICS_FILE)).map_err(TrainError::from)?.lines;
    Ok(Seen::Training { metrics, config, finished: is_finished(folder) })
}

/// Whether the training in `folder` has made its result.
pub(super) fn is_finished(folder: &Path) -> bool {
    let result = folder.join(RESULT_FOLDER);
    RESULTS.iter().any(|file| result.join(file).is_file())
}
