//! What can go wrong between a model's name and its files, as sentences a person can act on.

use super::HubId;
use std::io;
use std::path::{Path, PathBuf};

/// Why a model cannot be found, downloaded or verified.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(
        "{text:?} is no model reference: {reason}; give a folder, or a hub id such as org/name or org/name@revision"
    )]
    BadReference { text: String, reason: String },
    #[error(
        "HF_ENDPOINT is {found:?}: expected an address that begins with http:// or https:// and names a host"
    )]
    BadEndpoint { found: String },
    #[error(
        "the folder of the model cache is not known: there is no home folder; set HF_HOME or HF_HUB_CACHE"
    )]
    NoHome,
    #[error("{} is no model folder: it has no config.json", .0.display())]
    NotAModelFolder(PathBuf),
    #[error(
        "{id} is not in the model cache {} and the network is switched off (HF_HUB_OFFLINE); download it once with the \
         network on", cache.display()
    )]
    Offline { id: HubId, cache: PathBuf },
    #[error("{id} is not in the model cache {}; download it first", cache.display())]
    NotCached { id: HubId, cache: PathBuf },
    #[error("{id} is only partly in the model cache: missing {}; download it again to complete it", missing.join(", "))]
    Incomplete { id: HubId, missing: Vec<String> },
    #[error("the download of {id} was declined at its licence; nothing was fetched")]
    Declined { id: HubId },
    #[error(
        "the hub does not show {id} to this account (HTTP {status}{}): the model is gated, private, or does not exist. \
         Check the name, accept its licence on the model's page, and set HF_TOKEN to a token that may read it",
        said(message)
    )]
    Gated { id: HubId, status: u16, message: Option<String> },
    #[error("the hub has no {what} (HTTP 404{}); check the name and the revision", said(message))]
    NotFound { what: String, message: Option<String> },
    #[error("{url} answered HTTP {status}{}", said(message))]
    Status { url: String, status: u16, message: Option<String> },
    #[error(
        "{url} asked to wait (HTTP 429) after {attempts} tries; try again in a few minutes, or set HF_TOKEN for a higher limit"
    )]
    TooManyRequests { url: String, attempts: u32 },
    #[error("{url} cannot be reached after {attempts} tries: {reason}")]
    Network { url: String, attempts: u32, reason: String },
    #[error("{url} redirects to {to:?}, which is refused: {reason}")]
    BadRedirect { url: String, to: String, reason: &'static str },
    #[error("{url} did not answer like a model hub: {reason}")]
    BadAnswer { url: String, reason: String },
    #[error(
        "the repository {id} lists a file named {name:?}, which could be written outside its folder ({reason}); the \
         download is refused"
    )]
    UnsafeFileName { id: HubId, name: String, reason: &'static str },
    #[error("the repository {id} has no {what}, so it is no model that can be loaded from safetensors")]
    NoModelFiles { id: HubId, what: &'static str },
    #[error("{file}: expected {expected} bytes, the server sent {found}; the partial file was discarded")]
    WrongLength { file: String, expected: u64, found: u64 },
    #[error("{file}: expected {kind} {expected}, the downloaded bytes have {found}; they were discarded")]
    WrongHash { file: String, kind: &'static str, expected: String, found: String },
    #[error(
        "not enough space on the disk that holds {}: {needed} bytes are needed and {available} are free; make room, or \
         set HF_HOME to another disk", folder.display()
    )]
    DiskFull { folder: PathBuf, needed: u64, available: u64 },
    #[error("the download was cancelled; what was fetched is kept and the next try continues it")]
    Cancelled,
    #[error("{action} {} failed: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map(|text| format!(", {text:?}")).unwrap_or_default()
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_path_buf();
    move |source| HubError::Io { action, path, source }
}
