//! Models: what the cache holds, and what a download would bring.

use std::path::PathBuf;

use plumb_store::hub::{DownloadPlan, HubError, ModelRef};
use serde::{Deserialize, Serialize};

use super::Seen;
use crate::error::Result;
use crate::fetch;
use crate::job::Reporter;

/// The model cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelsSeen {
    pub cache: PathBuf,
    /// Bytes that are free on its disk, where the system tells.
    pub free: Option<u64>,
    /// Whether the network must not be used.
    pub offline: bool,
    pub models: Vec<ModelListed>,
}

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelListed {
    /// `organisation/name`, with `@` and the commit where no branch or tag means it any more.
    pub model: String,
    /// Bytes of its files that are here, unfinished ones included.
    pub bytes: u64,
    /// Files that are not here; none where it can be used.
    pub missing: Vec<String>,
    pub licence: String,
    pub folder: Option<PathBuf>,
}

/// What a download would bring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPlanSeen {
    pub model: String,
    /// The commit that its revision means now.
    pub commit: String,
    pub licence: String,
    pub files: Vec<ModelFile>,
    /// Bytes of all files, and those of them that are here.
    pub total: u64,
    pub present: u64,
    pub cache: PathBuf,
    pub free: Option<u64>,
}

/// One file of a download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFile {
    pub name: String,
    pub bytes: u64,
    pub present: u64,
}

pub(super) fn list(reporter: &Reporter) -> Result<Seen> {
    let hub = reporter.hub()?;
    let models = hub.list()?.into_iter().map(|model| {
        let whole = model.is_complete();
        // What `main` meant is what the plain name means; a first download has no revision before its end.
        let plain = model.revisions.iter().any(|r| r == "main") || (!whole && model.revisions.is_empty());
        let name = match model.revisions.first().or(model.commit.as_ref()) {
            Some(revision) if !plain => format!("{}@{revision}", model.repo),
            _ => model.repo,
        };
        ModelListed {
            model: name,
            bytes: model.bytes.saturating_add(if whole { 0 } else { model.unfinished_bytes }),
            licence: model.licence.to_string(),
            missing: model.missing,
            folder: model.folder,
        }
    });
    Ok(Seen::Models(ModelsSeen {
        models: models.collect(),
        cache: hub.config().cache.clone(),
        free: hub.free_space(),
        offline: hub.config().offline,
    }))
}

pub(super) fn plan(model: &str, reporter: &Reporter) -> Result<Seen> {
    let hub = reporter.hub()?;
    let id = fetch::id_of(model)?;
    let plan = if hub.config().offline {
        // The way that says which switch is set.
        let folder = hub.locate(&ModelRef::Hub(id.clone()));
        return Err(folder
            .err()
            .unwrap_or(HubError::Offline { id, cache: hub.config().cache.clone() })
            .into());
    } else {
        fetch::plan(&hub, &id, reporter)?
    };
    Ok(Seen::ModelPlan(seen(model, &plan, hub.config().cache.clone(), hub.free_space())))
}

fn seen(model: &str, plan: &DownloadPlan, cache: PathBuf, free: Option<u64>) -> ModelPlanSeen {
    let files =
        plan.files.iter().map(|f| ModelFile { name: f.name.clone(), bytes: f.bytes, present: f.present });
    ModelPlanSeen {
        model: model.to_owned(),
        commit: plan.commit.clone(),
        licence: plan.licence.to_string(),
        files: files.collect(),
        total: plan.total_bytes(),
        present: plan.total_bytes().saturating_sub(plan.remaining_bytes()),
        cache,
        free,
    }
}
