//! The model store: a local folder or a hub id becomes a folder of files that were checked.
//!
//! The cache has the layout of the Python client (huggingface_hub 2.4, `file_download.py`), so both find what the other
//! downloaded:
//!
//! ```text
//! <cache>/models--org--name/blobs/<etag>                      the bytes, named by their SHA-256 or git SHA-1
//! <cache>/models--org--name/snapshots/<commit>/<file>         a link to ../../blobs/<etag>
//! <cache>/models--org--name/refs/<branch or tag>              the commit it meant when last downloaded
//! <cache>/.locks/models--org--name/<etag>.lock                held while a blob is being written
//! ```
//!
//! Ours beside it: `blobs/<etag>.incomplete` is an unfinished download that the next try continues. The Python client
//! leaves that name alone and lists it as an unfinished download.
//!
//! Everything blocks. [`Hub::download`] reads the network on a thread of its own, so that the [`Cancel`] flag works while
//! a server says nothing.

mod config;
mod digest;
mod download;
mod error;
mod http;
mod layout;
mod plan;
mod reference;
mod verify;

pub use config::{HubConfig, Retry, Token};
pub use download::{Cancel, Progress};
pub use error::HubError;
pub use layout::{CachedModel, Snapshot};
pub use plan::{DownloadPlan, Licence, ModelInfo, PlannedFile, is_model_file};
pub use reference::{HubId, ModelRef, check_file_name};
pub use verify::{FileCheck, VerifyReport};

use std::path::PathBuf;

/// The model store: a cache folder and the hub that fills it.
#[derive(Debug, Clone)]
pub struct Hub {
    config: HubConfig,
    client: http::Client,
}

impl Hub {
    /// A store with these settings. Nothing is read or contacted yet.
    ///
    /// # Errors
    /// The endpoint is no `http` or `https` address.
    pub fn new(config: HubConfig) -> Result<Self, HubError> {
        let client = http::Client::new(&config)?;
        Ok(Self { config, client })
    }

    /// A store with the settings of the environment, see [`HubConfig::from_env`].
    ///
    /// # Errors
    /// As [`Hub::new`], or there is no home folder for the cache to be in.
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(HubConfig::from_env()?)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    /// The folder of a model that is on this machine, without the network.
    ///
    /// # Errors
    /// A local folder has no `config.json`; the cache does not hold the whole model (the missing files are named).
    pub fn locate(&self, model: &ModelRef) -> Result<PathBuf, HubError> {
        match model {
            ModelRef::Local(folder) => {
                if folder.join("config.json").is_file() {
                    Ok(folder.clone())
                } else {
                    Err(HubError::NotAModelFolder(folder.clone()))
                }
            }
            ModelRef::Hub(id) => Ok(self.cached(id)?.folder),
        }
    }

    /// The folder of a model: the local or cached one where it is whole, else after a download. `licence` is called
    /// with the plan before the first file is fetched, and stops the download by returning `false`.
    ///
    /// A cached model is used as it is: to follow a branch that moved, use [`Hub::plan`] and [`Hub::download`].
    ///
    /// # Errors
    /// As [`Hub::locate`] when offline, else as [`Hub::plan`] and [`Hub::download`].
    pub fn obtain(
        &self,
        model: &ModelRef,
        licence: impl FnOnce(&DownloadPlan) -> bool,
        progress: &mut dyn FnMut(&Progress),
        cancel: &Cancel,
    ) -> Result<PathBuf, HubError> {
        let ModelRef::Hub(id) = model else {
            return self.locate(model);
        };
        match self.cached(id) {
            Ok(snapshot) => return Ok(snapshot.folder),
            Err(error) if self.config.offline => return Err(error),
            Err(_) => {}
        }
        let plan = self.plan(id)?;
        if !licence(&plan) {
            return Err(HubError::Declined { id: id.clone() });
        }
        Ok(self.download(&plan, progress, cancel)?.folder)
    }
}
